//! A registry over HTTP: paths and headers in, JSON and files out.
//!
//! Who reads needs nothing; who writes shows a token. Every error is a problem in the sense of
//! RFC 9457. What must stay true: no path of a client reaches the disk, only names, versions and
//! digests that were parsed; no body is read before its sender may write, nor beyond its limit.

mod handle;
pub mod problem;
mod range;
mod serve;
mod token;

pub use handle::{MissingAnswer, MissingQuestion, OPERATOR_HEADER, ReleaseList, YankRequest};
pub use serve::{Options, Reach, ServeError, serve, serve_until};
pub use token::{Token, TokenError};

#[cfg(test)]
mod tests;
