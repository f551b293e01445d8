//! The machine language of Camshaft: its types, values, bytecode, verifier and the ways to run it.
//!
//! This crate is pure: no files, sockets, clock, environment, randomness, threads or printing.
//! Time, seeds and fuel are arguments.
//!
//! The way of a program through it:
//!
//! ```text
//! text -> syntax (lossless tree) -> syntax::ast -> check (typed hir) -> compile -> code::Module
//!      -> code::encode (bytes, digest) ... code::decode -> verify -> VerifiedModule -> run
//! ```
//!
//! What must stay true: [`verify::verify`] is the only way from a decoded [`code::Module`] to
//! code that [`run`] accepts.

pub mod check;
pub mod code;
pub mod compile;
pub mod derive;
pub mod diagnostic;
pub mod digest;
pub mod evaluate;
pub mod facts;
pub mod format;
pub mod hir;
#[cfg(any(test, feature = "testing"))]
mod proof;
pub mod run;
pub mod session;
pub mod standard;
pub mod suite;
pub mod syntax;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod ty;
pub mod value;
pub mod verify;
pub mod words;
