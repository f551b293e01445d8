//! The journal of a data folder: log, snapshots and blobs on one disk. `docs/journal.md` has the files.

use std::path::Path;
use std::sync::Arc;

use camshaft_cam::digest::Digest;

use crate::backup::{Backup, BackupError, FolderCut};
use crate::blobs::Blobs;
use crate::disk::{Disk, OverlayDisk, RealDisk, read_all};
use crate::journal::{Job, Journal, ShownSnapshot, SnapshotWriter, StoreError, Visit, VisitSaved};
use crate::lock::FolderLock;
use crate::log::{AppendError, Chunk, Class, Log, LogOptions, Opened};
use crate::snapshots::{self, Snapshots};
use crate::sqlite::OldFolder;

/// The file with the notes on how recoveries went.
pub(crate) const NOTES: &str = "recovery";

/// The journal of a data folder.
#[derive(Debug)]
pub struct FolderJournal {
    disk: Arc<dyn Disk>,
    log: Log,
    snapshots: Snapshots,
    blobs: Blobs,
}

impl FolderJournal {
    /// Opens the journal of a folder; both are made when they are not there. When the folder has the form of
    /// a version before, the journal is empty, and what comes with it is to be taken over into it.
    ///
    /// # Errors
    ///
    /// When another process has the folder, when what is in it was written by another version or is damaged,
    /// and when the system refuses.
    pub fn open(folder: &Path) -> Result<(FolderJournal, Opened, Option<OldFolder>), StoreError> {
        FolderJournal::open_with(folder, FolderLock::take(folder)?)
    }

    /// Does what [`open`](FolderJournal::open) does with a lock that was taken before.
    ///
    /// # Errors
    ///
    /// When what is in the folder was written by another version or is damaged, and when the system refuses.
    pub fn open_with(
        folder: &Path,
        lock: FolderLock,
    ) -> Result<(FolderJournal, Opened, Option<OldFolder>), StoreError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::with(folder, lock)?);
        let old = OldFolder::find(folder, disk.clone())?;
        let (journal, opened) = FolderJournal::on(disk, LogOptions::default())?;
        if let Some(old) = &old {
            old.begin(journal.last())?;
        }
        Ok((journal, opened, old))
    }

    /// Opens the journal of a folder to read it: what is done with it stays in memory.
    ///
    /// # Errors
    ///
    /// When an agent runs on the folder, when there is no journal in it or one of a version before, when what is
    /// in it is damaged, and when the system refuses.
    pub fn read_only(folder: &Path) -> Result<(FolderJournal, Opened), StoreError> {
        let disk: Arc<dyn Disk> = Arc::new(OverlayDisk::open(folder)?);
        let listed = disk.list().map_err(|source| StoreError::File {
            what: "list",
            path: folder.display().to_string(),
            source,
        })?;
        if OldFolder::is_in(&listed) {
            return Err(StoreError::Refused(
                "it has the form of an earlier version: start an agent on a copy of it, which takes it over"
                    .to_owned(),
            ));
        }
        if !listed.iter().any(|name| name.starts_with("log-")) {
            return Err(StoreError::Refused("there is no journal in it".to_owned()));
        }
        FolderJournal::on(disk, LogOptions::default())
    }

    /// Returns the number of the newest state snapshot, whole or not; 0 when there is none.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn newest_snapshot(&self) -> Result<u64, StoreError> {
        self.snapshots.newest_number()
    }

    /// Opens the journal of a backup to read it, after all of the backup was checked: what is done with it stays in
    /// memory.
    ///
    /// # Errors
    ///
    /// What is wrong with the backup.
    pub fn of_backup(path: &Path) -> Result<FolderJournal, BackupError> {
        Ok(Backup::open(path, &|_, _| {})?.journal()?)
    }

    /// Opens the journal of any disk.
    ///
    /// # Errors
    ///
    /// When what is there was written by another version or is damaged, and when the disk refuses.
    pub fn on(disk: Arc<dyn Disk>, options: LogOptions) -> Result<(FolderJournal, Opened), StoreError> {
        let (log, opened) = Log::open(disk.clone(), options)?;
        let snapshots = Snapshots::open(disk.clone())?;
        let blobs = Blobs::open(disk.clone())?;
        Ok((FolderJournal { disk, log, snapshots, blobs }, opened))
    }
}

/// Returns the notes on how recoveries went, of a folder whose journal is not open.
///
/// # Errors
///
/// When they cannot be read.
pub fn notes_of(folder: &Path) -> Result<Vec<u8>, StoreError> {
    match std::fs::read(folder.join(NOTES)) {
        Ok(notes) => Ok(notes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
        Err(source) => Err(StoreError::File { what: "read", path: NOTES.to_owned(), source }),
    }
}

impl Journal for FolderJournal {
    fn append(&mut self, chunks: &[Chunk], class: Class) -> Result<u64, AppendError> {
        self.log.append(chunks, class)
    }

    fn last(&self) -> u64 {
        self.log.last()
    }

    fn bytes(&self) -> Option<u64> {
        Some(self.log.bytes())
    }

    fn read(&self, from: u64, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.log.read(from, visit)
    }

    fn let_go(&mut self, below: u64) -> Result<(), StoreError> {
        self.log.let_go(below);
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.log.has_room()
    }

    fn make_room(&mut self) -> Result<bool, StoreError> {
        self.log.make_room()
    }

    fn chore(&mut self) -> Option<Job> {
        let chore = self.log.chore()?;
        Some(Box::new(move || chore.run()))
    }

    fn begin_snapshot(&self, number: u64, from: u64) -> Result<Box<dyn SnapshotWriter>, StoreError> {
        Ok(Box::new(Writer(self.snapshots.begin(number, from)?)))
    }

    fn snapshot(&self, visit: &mut VisitSaved<'_>) -> Result<Option<ShownSnapshot>, StoreError> {
        let Some(newest) = self.snapshots.newest(self.log.first(), self.log.last())? else { return Ok(None) };
        newest.snapshot.read(visit)?;
        Ok(Some(ShownSnapshot { number: newest.snapshot.number(), damaged: newest.damaged }))
    }

    fn put_blob(&mut self, bytes: &[u8]) -> Result<Digest, StoreError> {
        self.blobs.put(bytes)
    }

    fn blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.blobs.get(digest)
    }

    fn remove_blob(&mut self, digest: Digest) -> Result<(), StoreError> {
        self.blobs.remove(digest)
    }

    fn cut(&mut self) -> Result<FolderCut, StoreError> {
        let snapshots = self.snapshots.open_all()?;
        let first = self.log.first();
        let needed = snapshots.iter().filter_map(|(number, file)| Snapshots::needs(*number, &**file)).min();
        let log = self.log.cut(needed.unwrap_or(first).max(first))?;
        Ok(FolderCut { log, first, snapshots, blobs: self.blobs.open_all()? })
    }

    fn notes(&self) -> Result<Vec<u8>, StoreError> {
        let refused = |source| StoreError::File { what: "read", path: NOTES.to_owned(), source };
        match self.disk.open(NOTES).map_err(refused)? {
            None => Ok(vec![]),
            Some(file) => read_all(&*file).map_err(refused),
        }
    }

    fn note(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let refused = |source| StoreError::File { what: "write", path: NOTES.to_owned(), source };
        let file = self.disk.create(NOTES).map_err(refused)?;
        file.write_at(0, bytes).map_err(refused)
    }
}

struct Writer(snapshots::SnapshotWriter);

impl SnapshotWriter for Writer {
    fn put(&mut self, lane: u16, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.append(lane, bytes)
    }

    fn finish(self: Box<Self>) -> Result<(), StoreError> {
        self.0.finish().map(drop)
    }
}
