//! Deciding: bundles, what changed between two releases, relups and the judgement of them.
//!
//! Pure: files and predecessors come as arguments, bytes and reports go out. Nothing here runs a
//! machine; whoever runs decides nothing.
//!
//! The way of a release through it:
//!
//! ```text
//! project files -> project::build -> bundle::write -> bytes
//! bytes -> bundle::read (limits, digests) -> open::open (code verified, parts fit, relups checked)
//! ```
//!
//! What must stay true: the planner ([`plan`]) and the checker ([`check`]) share no code, so that
//! one mistake does not pass both; an [`OpenedRelease`] exists only of a bundle in which every
//! digest, every piece of code and every relup was checked.

mod archive;
pub mod bundle;
pub mod check;
pub mod crossing;
pub mod diff;
mod edges;
pub mod explain;
#[cfg(any(test, feature = "testing"))]
pub mod fuzz;
pub mod import;
pub mod open;
pub mod patch;
pub mod plan;
pub mod project;
pub mod routes;
#[cfg(test)]
mod testing;

pub use bundle::{Bundle, BundleError};
pub use open::{OpenError, OpenedRelease};
