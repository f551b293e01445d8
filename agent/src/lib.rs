//! One node: the engine, the host of instances, and the shell with sockets and clock.
//!
//! From the outside in:
//!
//! ```text
//! serve (data folder, socket, signals) -> http (paths, headers, JSON)
//!   -> operate (commands of operators)  -> host (the thread that owns the node)
//!   -> node (engine and journal in step) -> engine (all instances, without input or output)
//! ```
//!
//! What must stay true: only `engine` runs code, and only code that was verified; only `node`
//! touches the journal; no answer leaves the node before all that it follows from is durable.

pub mod api;
pub mod audit;
pub mod engine;
pub mod failpoint;
pub mod host;
pub mod http;
pub mod node;
pub mod offline;
pub mod operate;
pub mod ports;
pub mod problem;
mod progress;
pub mod release;
pub mod replay;
pub mod serve;
pub mod speech;
pub mod stage;
pub mod supply;
pub mod takeover;
pub mod trust;

pub use serve::{Options, ServeError, serve, serve_until};
pub use takeover::{Again, TakeOver, TakeOverError};
pub use trust::Trust;
