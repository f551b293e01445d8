//! The metadata of a registry, as TUF has it (<https://theupdateframework.io>): who may sign what,
//! which releases there are, and until when that is known to be so.
//!
//! ```text
//! tuf/metadata/N.root.json       whose keys count for the other roles; signed by the root keys
//! tuf/metadata/N.targets.json    `signers.toml`, and who lists releases; signed by the root keys
//! tuf/metadata/N.releases.json   releases/NAME-VERSION.toml: the bundle digests; signed online
//! tuf/metadata/N.snapshot.json   the versions that belong together; signed online
//! tuf/metadata/timestamp.json    which snapshot is the newest; signed online, expires soon
//! tuf/targets/SHA256.signers.toml
//! ```
//!
//! A release is a target whose SHA-256 is the bundle digest: that of its `manifest.toml`. Who steals
//! the online key can list and hide releases, and can keep the metadata fresh; it cannot make a
//! node run anything, because bundles are signed by the signers of `signers.toml`, which the root
//! keys sign.
//!
//! Signatures, versions, hashes and thresholds are checked by `tough`. Time is not: tough asks the
//! system's clock and refuses to work when that was set back (tough#603). Here expiry is a
//! question apart, about a time that is given ([`Trusted::reason_expired`]); so whoever goes back to a
//! release that was verified before does not ask it.
//!
//! [`author`] writes, [`client`] reads what may be hostile.

pub mod author;
pub mod client;
mod source;
#[cfg(test)]
mod tests;

use camshaft_manifests::signature::PublicKey;
use tough::schema::decoded::{Decoded, Hex};
use tough::schema::key::{Ed25519Key, Ed25519Scheme, Key};

pub use client::{Files, MetadataError, Trusted, load};
pub use source::{FolderSource, HttpSource, Source, SourceError};

/// The folder of all of it within a registry.
pub const FOLDER: &str = "tuf";

/// The target that says who may sign.
pub const SIGNERS: &str = "signers.toml";

/// The role that lists releases.
pub const RELEASES: &str = "releases";

/// No file of metadata is larger, in bytes: tens of thousands of releases fit.
pub const FILE_BYTES_MAX: u64 = 8 << 20;

const SPEC_VERSION: &str = "1.0.0";

/// Returns the name of the target that stands for a release.
pub fn release_target(name: &str, version: &str) -> String {
    format!("{RELEASES}/{name}-{version}.toml")
}

fn tuf_key(key: &PublicKey) -> Key {
    Key::Ed25519 {
        keyval: Ed25519Key { public: key.as_bytes().to_vec().into(), _extra: Default::default() },
        scheme: Ed25519Scheme::Ed25519,
        _extra: Default::default(),
    }
}

fn tuf_id(key: &PublicKey) -> Decoded<Hex> {
    key.id().as_bytes().to_vec().into()
}
