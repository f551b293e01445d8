//! One node: the engine, the host of instances, and the shell with sockets and clock.

pub mod api;
pub mod engine;
pub mod release;
