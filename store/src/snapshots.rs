//! State snapshots as files: whose records they have and what is in those, others know.
//!
//! A snapshot is written under a name that nobody reads, synced, renamed, and never changed. Two are kept, with
//! the log from where the older one needs it: when the newest is damaged, the older one and the log say the same.
//! `docs/journal.md` has the form.

mod block;
mod reader;
mod writer;

use std::io;
use std::sync::Arc;

pub(crate) use self::block::VERSION;
#[cfg(test)]
pub(crate) use self::block::{BLOCK, CONTENTS};
pub use self::reader::SnapshotFile;
pub use self::writer::SnapshotWriter;
use crate::disk::{Disk, DiskFile, OpenFiles};
use crate::journal::StoreError;

/// What the names of snapshots begin with.
pub(crate) const SNAPSHOT: &str = "snapshot-";

/// What the names of damaged ones end in, and of those that are being written.
pub(crate) const DAMAGED: &str = ".damaged";
const UNFINISHED: &str = ".tmp";

fn name(number: u64) -> String {
    format!("{SNAPSHOT}{number:010}")
}

fn unfinished_name(number: u64) -> String {
    name(number) + UNFINISHED
}

fn failed(what: &'static str, number: u64) -> impl FnOnce(io::Error) -> StoreError {
    move |source| StoreError::File { what, path: name(number), source }
}

/// The snapshots of a disk.
#[derive(Debug, Clone)]
pub struct Snapshots {
    disk: Arc<dyn Disk>,
}

/// A snapshot that is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saved {
    /// Its number.
    pub number: u64,
    /// How many records it has.
    pub records: u64,
    /// Its size.
    pub bytes: u64,
    /// The position in the log before which no snapshot that is kept needs an entry: what
    /// [`Log::let_go`](crate::Log::let_go) takes.
    pub kept_from: u64,
}

/// The newest snapshot that can be used.
#[derive(Debug)]
pub struct Newest {
    /// The snapshot.
    pub snapshot: SnapshotFile,
    /// A newer one that is damaged: its number and what is wrong with it. It was put aside, its number is not to
    /// be used again, and with the log this one says the same.
    pub damaged: Option<(u64, String)>,
}

impl Snapshots {
    /// Opens the snapshots of a disk, and takes away what was never finished.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Snapshots, StoreError> {
        let folder =
            |what| move |source| StoreError::File { what, path: "the data folder".to_owned(), source };
        disk.sync_folder().map_err(folder("sync"))?;
        for name in disk.list().map_err(folder("list"))? {
            if name.starts_with(SNAPSHOT) && name.ends_with(UNFINISHED) {
                disk.remove(&name).map_err(|source| StoreError::File {
                    what: "remove",
                    path: name,
                    source,
                })?;
            }
        }
        Ok(Snapshots { disk })
    }

    /// Returns the snapshots of a disk that is only read.
    pub(crate) fn of(disk: Arc<dyn Disk>) -> Snapshots {
        Snapshots { disk }
    }

    /// Begins a snapshot. `from` is the position in the log from which on entries are needed beside it: one more
    /// than that of the last entry that was durable before.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn begin(&self, number: u64, from: u64) -> Result<SnapshotWriter, StoreError> {
        SnapshotWriter::begin(self.disk.clone(), number, from)
    }

    /// Returns the snapshot of a number, if it is whole; else what is wrong with it. Nothing is changed.
    ///
    /// # Errors
    ///
    /// When it is damaged or not there.
    pub fn numbered(&self, number: u64) -> Result<SnapshotFile, StoreError> {
        let damaged = |reason| StoreError::Damaged { what: name(number), reason };
        // What the log has is for its owner to say.
        self.usable(number, 0, u64::MAX - 1).map_err(damaged)
    }

    /// Returns those that are finished, whole or not, each open to be read; the newest first.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub(crate) fn open_all(&self) -> Result<OpenFiles<u64>, StoreError> {
        let mut all = vec![];
        for number in self.numbers()?.into_iter().rev() {
            // One that was taken away meanwhile is older than two others.
            let file = self.disk.open(&name(number)).map_err(failed("open", number))?;
            all.extend(file.map(|file| (number, file)));
        }
        Ok(all)
    }

    /// Returns from where on a snapshot needs the log, if its head can be read.
    pub(crate) fn needs(number: u64, file: &dyn DiskFile) -> Option<u64> {
        reader::from(file, number).ok()
    }

    /// Returns the number of the newest one, whole or not; 0 when there is none.
    pub(crate) fn newest_number(&self) -> Result<u64, StoreError> {
        Ok(self.numbers()?.last().copied().unwrap_or(0))
    }

    /// Returns the newest snapshot that is whole, when the log has the entries from `first` to `last`; nothing
    /// when none was ever made. A newest one that is damaged is put aside if the one before and the log say
    /// the same.
    ///
    /// # Errors
    ///
    /// When the newest is damaged and the one before does not help, when the log lacks what is needed beside it, and
    /// when the disk refuses.
    pub fn newest(&self, first: u64, last: u64) -> Result<Option<Newest>, StoreError> {
        let numbers = self.numbers()?;
        let mut newest_first = numbers.iter().rev();
        let Some(&newest) = newest_first.next() else {
            let reason =
                format!("the log begins at entry {first} and there is none that has what was before");
            let damaged = StoreError::Damaged { what: "the row of state snapshots".to_owned(), reason };
            return if first > 1 { Err(damaged) } else { Ok(None) };
        };
        let reason = match self.usable(newest, first, last) {
            Ok(snapshot) => return Ok(Some(Newest { snapshot, damaged: None })),
            Err(reason) => reason,
        };
        let instead = match newest_first.next() {
            None => Err("there is no other".to_owned()),
            Some(&older) => self
                .usable(older, first, last)
                .map_err(|reason| format!("nor can {} be used: {reason}", name(older))),
        };
        let snapshot = instead.map_err(|instead| StoreError::Damaged {
            what: name(newest),
            reason: format!("{reason}; {instead}; put a backup of the data folder in its place"),
        })?;
        self.disk.rename(&name(newest), &(name(newest) + DAMAGED)).map_err(failed("put aside", newest))?;
        self.disk.sync_folder().map_err(failed("sync the folder of", newest))?;
        Ok(Some(Newest { snapshot, damaged: Some((newest, reason)) }))
    }

    /// Returns a snapshot if it is whole and the log has what it needs; or what is wrong.
    fn usable(&self, number: u64, first: u64, last: u64) -> Result<SnapshotFile, String> {
        let file = self.disk.open(&name(number)).map_err(|error| format!("it cannot be opened: {error}"))?;
        let file = file.ok_or("it is not there")?;
        let snapshot = SnapshotFile::verified(file, number)?;
        let from = snapshot.from();
        if from < first {
            return Err(format!("the log begins at entry {first}, and it needs those from {from} on"));
        }
        if from > last + 1 {
            return Err(format!("the log ends at entry {last}, and it was begun after entry {}", from - 1));
        }
        Ok(snapshot)
    }

    /// Returns the numbers of those that are finished, in order.
    fn numbers(&self) -> Result<Vec<u64>, StoreError> {
        let listed = self.disk.list();
        let names = listed.map_err(|source| StoreError::File {
            what: "list",
            path: "the data folder".to_owned(),
            source,
        })?;
        let mut numbers: Vec<u64> =
            names.iter().filter_map(|name| name.strip_prefix(SNAPSHOT)?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Takes away all but the newest and the one before it; what was put aside is for people to look at. Returns
    /// from where the log is needed.
    fn keep_two(&self, newest: u64, from: u64) -> Result<u64, StoreError> {
        let mut older: Vec<u64> = self.numbers()?.into_iter().filter(|number| *number < newest).collect();
        let kept = older.pop();
        for number in older {
            self.disk.remove(&name(number)).map_err(failed("remove", number))?;
        }
        let Some(kept) = kept else { return Ok(from) };
        let file = self.disk.open(&name(kept)).map_err(failed("open", kept))?;
        // One that cannot be read is of no use, whatever the log has.
        Ok(file.and_then(|file| reader::from(&*file, kept).ok()).map_or(from, |kept| kept.min(from)))
    }
}

#[cfg(test)]
mod tests;
