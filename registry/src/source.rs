//! What every registry does, wherever it is.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::digest::Digest;
use camshaft_manifests::published::{PublishedRelease, Stamp, Yank};
use camshaft_manifests::{AppName, ReleaseName, Version};
use serde::{Deserialize, Serialize};

use crate::error::RegistryError;

/// The largest file of signatures, in bytes.
pub const SIGNATURE_BYTES_MAX: u64 = 1 << 20;

/// A release as a registry lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its record.
    #[serde(flatten)]
    pub release: PublishedRelease,
    /// True when a file of signatures lies beside it.
    pub signed: bool,
}

/// That a release is to be published. Its files are in the registry already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The name.
    pub name: ReleaseName,
    /// The version.
    pub version: Version,
    /// The digest of the bundle.
    pub digest: Digest,
    /// When, and by whom.
    pub stamp: Stamp,
    /// The file of signatures, if there is one; its bytes mean nothing here.
    pub signature: Option<Vec<u8>>,
}

/// A registry. Everything in it may be from anybody: contents are checked against their digests
/// by who returns them, and what they mean by who asked.
pub trait Registry: Send + Sync {
    /// Returns where it is, for people.
    fn place(&self) -> String;

    /// Returns all releases, by name and version.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    fn list(&self) -> Result<Vec<Entry>, RegistryError>;

    /// Returns the releases of one name, by version; none for a name that is not there.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    fn releases(&self, name: &ReleaseName) -> Result<Vec<Entry>, RegistryError>;

    /// Returns the releases that hold an application, by name and version.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    fn holding(&self, app: &AppName) -> Result<Vec<Entry>, RegistryError> {
        let mut entries = self.list()?;
        entries.retain(|entry| entry.release.apps.iter().any(|held| held.name == *app));
        Ok(entries)
    }

    /// Returns the content of a digest, of just `bytes` bytes where that is known.
    ///
    /// # Errors
    ///
    /// When it is not there, cannot be read, or is not what its digest says.
    fn content(&self, digest: Digest, bytes: Option<u64>) -> Result<Vec<u8>, RegistryError>;

    /// Returns the file of signatures of a release, if there is one.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    fn signature(&self, name: &ReleaseName, version: &Version) -> Result<Option<Vec<u8>>, RegistryError>;

    /// Returns those of some contents, given with their sizes, that are not there yet.
    ///
    /// # Errors
    ///
    /// When that cannot be found out.
    fn missing(&self, contents: &BTreeMap<Digest, u64>) -> Result<BTreeSet<Digest>, RegistryError>;

    /// Adds a content.
    ///
    /// # Errors
    ///
    /// When it is too large, or cannot be written.
    fn put(&self, content: &[u8]) -> Result<(), RegistryError>;

    /// Publishes a release whose files are there, after verifying all of them. Returns true when
    /// it is new, and false when just this one was published before.
    ///
    /// # Errors
    ///
    /// Why not; then nothing is visible of it.
    fn publish(&self, publication: &Publication) -> Result<bool, RegistryError>;

    /// Yanks a release, or takes that back.
    ///
    /// # Errors
    ///
    /// When it is not there, or cannot be written.
    fn mark(
        &self,
        name: &ReleaseName,
        version: &Version,
        yank: Option<&Yank>,
    ) -> Result<Entry, RegistryError>;
}
