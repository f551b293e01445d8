//! What a node remembers: the journal, snapshots of its instances, and the bundles it has seen.
//!
//! [`Journal`] is the interface: one total order of [`Record`]s, appended in durable groups.
//! [`FolderJournal`] keeps it in the data folder, made of [`Log`], [`Snapshots`] and [`Blobs`], which know bytes, lanes and
//! positions; [`MemoryJournal`] in memory, for tests. A journal knows records, blobs and snapshots; it does not know what a machine or
//! an upgrade is. [`OldFolder`] reads what versions before wrote; [`Onlooker`] reads a state snapshot of a folder that another
//! process has. [`Backup`] is a folder at one position of its log, in one file.
//!
//! What must stay true: a group is whole or absent after a crash; bytes that are not what was
//! written are an error and never a guess; records are never changed or cut off at the end, so
//! that going back is always one more record.

mod backup;
mod blobs;
mod codec;
mod disk;
#[cfg(test)]
mod documented;
mod folder;
mod formats;
mod journal;
mod lock;
mod log;
mod memory;
mod old;
mod onlooker;
mod record;
mod snapshot;
mod snapshots;
mod sqlite;

pub use backup::{
    About, BACKUP_FORMAT, Backup, BackupError, FolderCut, Listed, OfRelease, Prepared, RestoreError, Restored,
};
pub use blobs::Blobs;
pub use codec::{CodecError, FORMAT};
pub use disk::{Disk, DiskFile, FaultyDisk, OverlayDisk, RealDisk, SECTOR};
pub use folder::{FolderJournal, notes_of};
pub use formats::Formats;
pub use journal::{Job, Journal, ShownSnapshot, SnapshotWriter, StoreError, Visit, VisitSaved};
pub use lock::FolderLock;
pub use log::{AppendError, Chore, Chunk, Class, Entry, Log, LogCut, LogOptions, Opened, Torn};
pub use memory::MemoryJournal;
pub use onlooker::Onlooker;
pub use record::{
    Aside, CaseRate, ClientSays, ClientSeen, Control, Deed, Direction, Effect, HeldBefore, InputRecord,
    InputRef, Probation, Record, RecordRef, Redrive, Refusal, ReleaseEntry, Source, Stamp, SwitchCounts,
    Verdict,
};
pub use snapshot::{
    AsideSnapshot, BeforeImage, CallSnapshot, InstanceSnapshot, KeptAnswer, KeptSender, MailOrigin,
    MailSnapshot, OldSnapshot, Parked, ParkedItem, RewindSnapshot, Saved, SavedLane, SavedMail, SavedNode,
    Status, TakenSnapshot, TimerSnapshot,
};
pub use snapshots::{Newest, SnapshotFile, Snapshots};
pub use sqlite::{OldFolder, VisitBlob, VisitRecord};
