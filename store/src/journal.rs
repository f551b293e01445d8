//! The interface of a journal, and what can go wrong with one.

use camshaft_cam::digest::Digest;

use crate::codec::CodecError;
use crate::record::{ClientSeen, Control, Record};
use crate::snapshot::Snapshot;

/// What a node remembers.
///
/// Records have positions from 1, without gaps. Control records are kept for ever; input records
/// only back to the newest snapshot.
pub trait Journal: Send {
    /// Appends a group of records as one durable whole, and returns the position of the last.
    ///
    /// When this fails nobody knows what is on the disk: the caller stops, opens the journal anew
    /// and recovers from what is there. It never tries the same group again.
    ///
    /// # Errors
    ///
    /// When the group is not durable.
    fn append(&mut self, records: &[Record]) -> Result<u64, StoreError>;

    /// Returns the position of the last record; 0 when there is none.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    fn last(&self) -> Result<u64, StoreError>;

    /// Shows every record after a position, in order.
    ///
    /// # Errors
    ///
    /// When a record is missing or is not what was written, and what `visit` refuses.
    fn read(
        &self,
        after: u64,
        visit: &mut dyn FnMut(u64, Record) -> Result<(), StoreError>,
    ) -> Result<(), StoreError>;

    /// Returns all control records with their positions, in order.
    ///
    /// # Errors
    ///
    /// When a record is not what was written.
    fn controls(&self) -> Result<Vec<(u64, Control)>, StoreError>;

    /// Saves a snapshot as one durable whole. Input records that it covers may be let go.
    ///
    /// # Errors
    ///
    /// When it is not durable.
    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StoreError>;

    /// Returns the newest snapshot.
    ///
    /// # Errors
    ///
    /// When it is not what was written.
    fn snapshot(&self) -> Result<Option<Snapshot>, StoreError>;

    /// Saves what was seen of clients, in place of what was saved before.
    ///
    /// # Errors
    ///
    /// When it is not durable.
    fn save_clients(&mut self, clients: &[ClientSeen]) -> Result<(), StoreError>;

    /// Returns what was saved of clients; nothing when that never happened.
    ///
    /// # Errors
    ///
    /// When it is not what was written.
    fn clients(&self) -> Result<Vec<ClientSeen>, StoreError>;

    /// Keeps bytes under their SHA-256, durably, and returns it.
    ///
    /// # Errors
    ///
    /// When they are not durable.
    fn put_blob(&mut self, bytes: &[u8]) -> Result<Digest, StoreError>;

    /// Returns the bytes with this SHA-256, if they are kept.
    ///
    /// # Errors
    ///
    /// When the bytes are not those that were kept.
    fn blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError>;
}

/// What can go wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it.
    #[error("another agent runs on {folder}")]
    Locked {
        /// The data folder.
        folder: String,
    },
    /// A file or folder.
    #[error("cannot {what} {path}")]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: String,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The database.
    #[error("the journal's database refuses to {what}")]
    Database {
        /// What was tried.
        what: &'static str,
        /// The reason.
        #[source]
        source: rusqlite::Error,
    },
    /// The folder was written by another version.
    #[error("the data folder has layout {found}; this version of camshaft knows layout {known}")]
    Layout {
        /// The layout that was found.
        found: i64,
        /// The layout that is known.
        known: i64,
    },
    /// A record, snapshot or blob that is not what was written.
    #[error("{what} is damaged: {reason}")]
    Damaged {
        /// Which.
        what: String,
        /// In what way.
        reason: String,
    },
    /// A record or snapshot that cannot be read.
    #[error("{what} cannot be read")]
    Codec {
        /// Which.
        what: String,
        /// The reason.
        #[source]
        source: CodecError,
    },
    /// What a visitor of records refused.
    #[error("{0}")]
    Refused(String),
    /// The log does not go on after a write or a sync that failed.
    #[error("{file} could not be written before and takes nothing more; open the data folder anew")]
    Stopped {
        /// The file.
        file: String,
    },
    /// A journal in memory was told to fail here.
    #[error("the journal failed, as it was told to")]
    Told,
}
