//! What a node remembers: the journal, snapshots of its instances, and the bundles it has seen.
//!
//! [`Journal`] is the interface: one total order of [`Record`]s, appended in durable groups.
//! [`SqliteJournal`] keeps it in one SQLite file; [`MemoryJournal`] in memory, for tests and
//! simulations. Beside them, on a [`Disk`]: [`Log`], [`Snapshots`] and [`Blobs`], which know bytes, lanes and
//! positions, and are what a journal in files of our own is made of. A journal knows records, blobs and snapshots; it does not know what a machine or
//! an upgrade is.
//!
//! What must stay true: a group is whole or absent after a crash; bytes that are not what was
//! written are an error and never a guess; records are never changed or cut off at the end, so
//! that going back is always one more record.

mod blobs;
mod codec;
mod disk;
#[cfg(test)]
mod documented;
mod journal;
mod lock;
mod log;
mod memory;
mod old;
mod record;
mod snapshot;
mod snapshots;
mod sqlite;

pub use blobs::Blobs;
pub use codec::{CodecError, FORMAT};
pub use disk::{Disk, DiskFile, FaultyDisk, RealDisk, SECTOR};
pub use journal::{Journal, StoreError};
pub use log::{AppendError, Chore, Chunk, Class, Entry, Log, LogOptions, Opened, Torn};
pub use memory::MemoryJournal;
pub use record::{
    ClientSays, ClientSeen, Control, Direction, Effect, InputRecord, Record, Refusal, ReleaseEntry, Source,
    Stamp, Verdict,
};
pub use snapshot::{
    AsideSnapshot, BeforeImage, InstanceSnapshot, KeptAnswer, KeptSender, MailOrigin, MailSnapshot, Parked,
    ParkedItem, Snapshot, Status, TimerSnapshot,
};
pub use snapshots::{Newest, Saved, SnapshotFile, SnapshotWriter, Snapshots};
pub use sqlite::SqliteJournal;
