//! The command line of Camshaft. The only crate of the product that prints or ends the process.
//!
//! What must stay true: data goes to stdout and talk to stderr; every failure has a hint; no
//! argument, file or answer of a node makes it panic. One file per command in [`command`];
//! `docs/architecture.md` says how one is added.

mod command;
mod exit;
mod failure;
mod files;
mod http;
mod keys;
mod project;
mod registry;
mod render;
mod signatures;
mod talk;

use std::process::ExitCode;

/// A large state that one thread made is taken down by another. With the system's allocator the two would wait for
/// each other meanwhile: `docs/decisions/0037-large-states.md`.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the program on the process's own arguments.
pub fn run() -> ExitCode {
    ExitCode::from(command::run(std::env::args_os()).code())
}
