//! One node: the engine, the host of instances, and the shell with sockets and clock.

pub mod api;
pub mod engine;
pub mod failpoint;
pub mod node;
pub mod problem;
pub mod release;
