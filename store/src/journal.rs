//! The interface of a journal, and what can go wrong with one.

use camshaft_cam::digest::Digest;

use crate::backup::FolderCut;
use crate::codec::CodecError;
use crate::log::{AppendError, Chunk, Class, Entry};

/// Who is shown the entries of a journal.
pub type Visit<'v> = dyn FnMut(Entry<'_>) -> Result<(), StoreError> + 'v;

/// A snapshot that was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownSnapshot {
    /// Its number.
    pub number: u64,
    /// A newer one that is damaged, whose number is not to be used again, and in what way.
    pub damaged: Option<(u64, String)>,
}

/// Work for another thread.
pub type Job = Box<dyn FnOnce() + Send>;

/// Who is shown the entries of a snapshot: the lane and the bytes of each.
pub type VisitSaved<'v> = dyn FnMut(u16, &[u8]) -> Result<(), StoreError> + 'v;

/// What a node remembers. Entries have positions from 1, without gaps.
pub trait Journal: Send {
    /// Appends chunks as one durable whole, and returns the position of the last entry.
    ///
    /// # Errors
    ///
    /// When the group is not durable.
    fn append(&mut self, chunks: &[Chunk], class: Class) -> Result<u64, AppendError>;

    /// Returns the position of the last entry; 0 when there is none.
    fn last(&self) -> u64;

    /// Returns how many bytes the entries take that are kept; none where that is not counted.
    fn bytes(&self) -> Option<u64> {
        None
    }

    /// Shows every entry from a position on, in order.
    ///
    /// # Errors
    ///
    /// When an entry is missing or is not what was written, and what `visit` refuses.
    fn read(&self, from: u64, visit: &mut Visit<'_>) -> Result<(), StoreError>;

    /// Lets go of entries below a position. Some may stay.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    fn let_go(&mut self, below: u64) -> Result<(), StoreError>;

    /// Returns true while inputs can be appended.
    fn has_room(&self) -> bool;

    /// Looks for room; returns true when inputs can be appended.
    ///
    /// # Errors
    ///
    /// When the disk refuses for another reason than that it is full.
    fn make_room(&mut self) -> Result<bool, StoreError>;

    /// Returns work on files that is best done now by another thread, if there is some.
    fn chore(&mut self) -> Option<Job>;

    /// Begins a snapshot, beside which entries from position `from` on are needed. It is written beside the
    /// journal, from another thread if need be.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    fn begin_snapshot(&self, number: u64, from: u64) -> Result<Box<dyn SnapshotWriter>, StoreError>;

    /// Shows the newest snapshot that is whole. Returns what it is, or nothing when there is none.
    ///
    /// # Errors
    ///
    /// When it is not what was written, and what `visit` refuses.
    fn snapshot(&self, visit: &mut VisitSaved<'_>) -> Result<Option<ShownSnapshot>, StoreError>;

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

    /// Lets go of the bytes with this SHA-256. Those that are not kept are gone already.
    ///
    /// # Errors
    ///
    /// When the disk refuses; they may be kept or gone then.
    fn remove_blob(&mut self, digest: Digest) -> Result<(), StoreError>;

    /// Returns what the journal is now, to be copied while it goes on; the files stay until what is returned is dropped.
    ///
    /// # Errors
    ///
    /// When the journal is none of a folder, and when the disk refuses.
    fn cut(&mut self) -> Result<FolderCut, StoreError> {
        Err(StoreError::Refused("this journal is in no folder".to_owned()))
    }

    /// Returns the notes on how recoveries went; nothing when there are none.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    fn notes(&self) -> Result<Vec<u8>, StoreError>;

    /// Notes how a recovery goes, for the next one. What is noted survives the end of the process,
    /// not that of the machine: it costs no sync.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    fn note(&mut self, bytes: &[u8]) -> Result<(), StoreError>;
}

/// Writes a snapshot. One that is not finished is not there.
pub trait SnapshotWriter: Send {
    /// Appends an entry of a lane.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    fn put(&mut self, lane: u16, bytes: &[u8]) -> Result<(), StoreError>;

    /// Makes the snapshot durable, in place of those before.
    ///
    /// # Errors
    ///
    /// When it is not durable.
    fn finish(self: Box<Self>) -> Result<(), StoreError>;
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
