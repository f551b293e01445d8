//! Reads a state snapshot, and blobs, of a folder that another process has.
//!
//! Both are files that are never changed once they have their names, so reading them needs no lock. Nothing is
//! written, and nothing is tidied up: that is for the owner to do.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use camshaft_cam::digest::Digest;

use crate::blobs::Blobs;
use crate::disk::{Disk, DiskFile};
use crate::journal::{Job, Journal, ShownSnapshot, SnapshotWriter, StoreError, Visit, VisitSaved};
use crate::log::{AppendError, Chunk, Class};
use crate::snapshots::Snapshots;

/// A journal of which nothing but one state snapshot and the blobs can be read.
#[derive(Debug)]
pub struct Onlooker {
    snapshots: Snapshots,
    blobs: Blobs,
    number: u64,
}

impl Onlooker {
    /// Looks at the state snapshot of this number in a folder.
    pub fn at(folder: &Path, number: u64) -> Onlooker {
        let disk: Arc<dyn Disk> = Arc::new(ReadOnly(folder.to_owned()));
        Onlooker { snapshots: Snapshots::of(disk.clone()), blobs: Blobs::of(disk), number }
    }
}

fn refused() -> StoreError {
    StoreError::Refused("another process has the folder: it is only looked at".to_owned())
}

impl Journal for Onlooker {
    fn append(&mut self, _: &[Chunk], _: Class) -> Result<u64, AppendError> {
        Err(AppendError::Failed(refused()))
    }

    fn last(&self) -> u64 {
        0
    }

    fn read(&self, _: u64, _: &mut Visit<'_>) -> Result<(), StoreError> {
        Err(refused())
    }

    fn let_go(&mut self, _: u64) -> Result<(), StoreError> {
        Err(refused())
    }

    fn has_room(&self) -> bool {
        false
    }

    fn make_room(&mut self) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn chore(&mut self) -> Option<Job> {
        None
    }

    fn begin_snapshot(&self, _: u64, _: u64) -> Result<Box<dyn SnapshotWriter>, StoreError> {
        Err(refused())
    }

    fn snapshot(&self, visit: &mut VisitSaved<'_>) -> Result<Option<ShownSnapshot>, StoreError> {
        self.snapshots.numbered(self.number)?.read(visit)?;
        Ok(Some(ShownSnapshot { number: self.number, damaged: None }))
    }

    fn put_blob(&mut self, _: &[u8]) -> Result<Digest, StoreError> {
        Err(refused())
    }

    fn blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.blobs.get(digest)
    }

    fn remove_blob(&mut self, _: Digest) -> Result<(), StoreError> {
        Err(refused())
    }

    fn notes(&self) -> Result<Vec<u8>, StoreError> {
        Ok(vec![])
    }

    fn note(&mut self, _: &[u8]) -> Result<(), StoreError> {
        Err(refused())
    }
}

/// A folder that is only read.
#[derive(Debug)]
struct ReadOnly(PathBuf);

fn only_read() -> io::Error {
    io::Error::from(io::ErrorKind::ReadOnlyFilesystem)
}

impl Disk for ReadOnly {
    fn create(&self, _: &str) -> io::Result<Arc<dyn DiskFile>> {
        Err(only_read())
    }

    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>> {
        match File::open(self.0.join(name)) {
            Ok(file) => Ok(Some(Arc::new(ReadFile(file)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(only_read())
    }

    fn remove(&self, _: &str) -> io::Result<()> {
        Err(only_read())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Err(only_read())
    }

    fn sync_folder(&self) -> io::Result<()> {
        Err(only_read())
    }
}

#[derive(Debug)]
struct ReadFile(File);

impl DiskFile for ReadFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(only_read())
    }

    fn allocate(&self, _: u64) -> io::Result<()> {
        Err(only_read())
    }

    fn sync(&self) -> io::Result<()> {
        Err(only_read())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FolderJournal;

    #[test]
    fn a_snapshot_of_a_folder_that_another_has_is_read_and_nothing_is_changed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut journal, _, _) = FolderJournal::open(folder.path()).expect("it opens");
        let digest = journal.put_blob(b"blob").expect("there is room");
        let mut writer = journal.begin_snapshot(3, 1).expect("there is room");
        writer.put(7, b"entry").expect("there is room");
        writer.finish().expect("there is room");
        // What the owner is writing is not tidied up by who looks on.
        let _unfinished = journal.begin_snapshot(4, 1).expect("there is room");

        let onlooker = Onlooker::at(folder.path(), 3);
        let mut seen = vec![];
        let shown = onlooker.snapshot(&mut |lane, bytes| {
            seen.push((lane, bytes.to_vec()));
            Ok(())
        });
        assert_eq!(shown.expect("it is whole"), Some(ShownSnapshot { number: 3, damaged: None }));
        assert_eq!(seen, [(7, b"entry".to_vec())]);
        assert_eq!(onlooker.blob(digest).expect("it is whole"), Some(b"blob".to_vec()));
        let absent =
            Onlooker::at(folder.path(), 4).snapshot(&mut |_, _| Ok(())).expect_err("it is not finished");
        assert_eq!(absent.to_string(), "snapshot-0000000004 is damaged: it is not there");
        assert!(folder.path().join("snapshot-0000000004.tmp").is_file());
        assert_eq!(journal.newest_snapshot().expect("the folder can be read"), 3);
    }

    #[test]
    fn who_looks_on_can_write_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut onlooker = Onlooker::at(folder.path(), 1);
        let reason = "another process has the folder: it is only looked at";
        assert_eq!(onlooker.put_blob(b"b").expect_err("refused").to_string(), reason);
        assert_eq!(onlooker.let_go(1).expect_err("refused").to_string(), reason);
        assert_eq!(onlooker.begin_snapshot(1, 1).err().expect("refused").to_string(), reason);
        assert!(matches!(onlooker.append(&[], Class::Control), Err(AppendError::Failed(_))));
        assert!(std::fs::read_dir(folder.path()).expect("the folder").next().is_none());
    }
}
