//! Where bundles are published and found.
//!
//! A registry keeps the files of bundles by their digests, each once, and one record for each
//! release. [`Folder`] is one on a disk, [`http`] serves it, [`HttpRegistry`] reaches such a server. [`Registry`] is what any of them does; [`send`] publishes
//! to one, [`pull`] gets a bundle from one and fetches only what is not there yet, [`find_app`]
//! looks for an application.
//!
//! What must stay true: a version is published once and never becomes anything else; its record
//! is written last, so that a release is wholly there or not at all; nothing that comes from a
//! registry is used before its digest was checked.

mod apps;
pub mod client;
pub mod disk;
mod error;
pub mod folder;
pub mod http;
mod place;
mod pull;
mod send;
mod source;
#[cfg(test)]
mod testing;
pub mod tuf;
mod wanted;

pub use apps::{AppSearch, FoundApp, find_app};
pub use client::HttpRegistry;
pub use error::RegistryError;
pub use folder::Folder;
pub use http::{Token, TokenError};
pub use place::{Absent, Place};
pub use pull::{Fetched, Progress, Pulled, fill, gather, pull};
pub use send::{Sent, send};
pub use source::{Entry, Publication, Registry, SIGNATURE_BYTES_MAX};
pub use wanted::{Wanted, WantedError, Which};
