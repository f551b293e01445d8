//! A backup: one file with all that a node needs to begin again where it was at one position of its journal.
//!
//! It is a tar: what it is of, the files of a data folder (a state snapshot, the log from there up to that position, the
//! bundles), and at its end a manifest with the digest of each. A file without its manifest was cut off. What is in a
//! backup is what a folder has whose agent was killed just then, so nothing that was acknowledged is missing, and no
//! message is there that nobody sent.
//!
//! What must stay true: nothing of a file is used before all of it was checked; names are only those that a folder has
//! (a backup may come from anywhere); and of a folder that is restored either all is there under its name, or nothing.
//! `docs/backup.md` has the form.

mod read;
mod restore;
mod tar;
mod write;

use camshaft_cam::digest::Digest;
use serde::{Deserialize, Serialize};

pub use self::read::{Backup, BackupError};
pub use self::restore::{RestoreError, Restored};
pub use self::write::{FolderCut, Prepared};
use crate::formats::Formats;

/// The form that this version writes and reads.
pub const BACKUP_FORMAT: u32 = 1;

/// The first file of a backup: what it is of.
const ABOUT: &str = "camshaft-backup.json";

/// The last one: what is in it.
const MANIFEST: &str = "manifest.json";

/// The last one where a node could not go on: why.
const BROKEN_OFF: &str = "broken-off.txt";

/// What a backup is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The form of the backup.
    pub format: u32,
    /// The version of the agent that made it.
    pub agent: String,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// The forms of what is in it.
    pub formats: Formats,
    /// The position of the last entry of the journal that is in it.
    pub position: u64,
    /// The number of the state snapshot, if there is one.
    pub snapshot: Option<u64>,
    /// The release that ran.
    pub release: OfRelease,
}

/// The release that ran when a backup was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfRelease {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub digest: Digest,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name, as in a data folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// The digest of its bytes.
    pub sha256: Digest,
}

/// The end of a backup: all files before it, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Manifest {
    files: Vec<Listed>,
}

#[cfg(test)]
mod tests;
