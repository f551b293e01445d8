//! A folder of this machine.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Disk, DiskFile};
use crate::journal::StoreError;
use crate::lock::{FolderLock, LOCK, file};

/// How much is written at once where zeros are.
const ZEROS: usize = 1 << 20;

/// A folder of this machine, locked for as long as this lives.
#[derive(Debug)]
pub struct RealDisk {
    folder: PathBuf,
    /// The folders in which names changed since they were last synced; the empty path is the
    /// folder itself.
    changed: Mutex<BTreeSet<PathBuf>>,
    _lock: FolderLock,
}

impl RealDisk {
    /// Opens a folder, which is made when it is not there, and takes its lock.
    ///
    /// # Errors
    ///
    /// When another process has it, and when it cannot be made or locked.
    pub fn open(folder: &Path) -> Result<RealDisk, StoreError> {
        RealDisk::with(folder, FolderLock::take(folder)?)
    }

    /// Opens a folder whose lock was taken before.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn with(folder: &Path, lock: FolderLock) -> Result<RealDisk, StoreError> {
        // The first sync is of all that a process before this one may have left undone.
        let changed = Mutex::new(BTreeSet::from([PathBuf::new()]));
        let disk = RealDisk { folder: folder.to_owned(), changed, _lock: lock };
        for name in disk.folders().map_err(file("list", folder))? {
            disk.note(&name);
        }
        Ok(disk)
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn folders(&self) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                found.push(PathBuf::from(entry.file_name()));
            }
        }
        Ok(found)
    }

    fn note(&self, folder: &Path) {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned());
    }

    /// Changes a name. It is noted afterwards: a sync between the note and the change would take
    /// the note away and miss the change.
    fn change<T>(&self, name: &str, how: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
        let parent = Path::new(name).parent().unwrap_or(Path::new(""));
        if parent != Path::new("") && !self.folder.join(parent).is_dir() {
            std::fs::create_dir_all(self.folder.join(parent))?;
            self.note(Path::new(""));
        }
        let done = how(&self.folder.join(name));
        self.note(parent);
        done
    }
}

impl Disk for RealDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.change(name, |path| {
            OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path)
        })?;
        Ok(Arc::new(RealFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>> {
        match OpenOptions::new().read(true).write(true).open(self.folder.join(name)) {
            Ok(file) => Ok(Some(Arc::new(RealFile(file)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.change(from, |from| self.change(to, |to| std::fs::rename(from, to)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match self.change(name, |path| std::fs::remove_file(path)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        let mut folders = self.folders()?;
        folders.push(PathBuf::new());
        for folder in folders {
            for entry in std::fs::read_dir(self.folder.join(&folder))? {
                let entry = entry?;
                let name = folder.join(entry.file_name());
                // No name of ours is anything but ASCII: others are not ours.
                if let (true, Some(name)) = (entry.file_type()?.is_file(), name.to_str()) {
                    names.extend((name != LOCK).then(|| name.to_owned()));
                }
            }
        }
        names.sort();
        Ok(names)
    }

    fn sync_folder(&self) -> io::Result<()> {
        // Held until all is synced: who finds nothing to sync may rely on it.
        let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        for folder in changed.iter() {
            File::open(self.folder.join(folder)).and_then(|folder| folder.sync_all())?;
        }
        changed.clear();
        Ok(())
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        // Zeros and no `fallocate`: what was only reserved is written over more slowly, as the first
        // write to each part changes what the file system knows of it.
        let zeros = vec![0; ZEROS];
        let mut end = self.size()?;
        while end < length {
            let part = usize::try_from(length - end).map_or(ZEROS, |rest| rest.min(ZEROS));
            self.0.write_all_at(&zeros[..part], end)?;
            end += part as u64;
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_listed_with_its_folders_and_without_its_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = RealDisk::open(folder.path()).expect("it opens");
        for name in ["b", "blobs/x", "a"] {
            disk.create(name).expect("it is made");
        }
        disk.rename("b", "c").expect("it is there");
        disk.remove("never").expect("what is not there is gone");
        disk.sync_folder().expect("it syncs");
        assert_eq!(disk.list().expect("it lists"), ["a", "blobs/x", "c"]);
    }

    #[test]
    fn a_folder_has_one_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = RealDisk::open(folder.path()).expect("it opens");
        let path = folder.path().display().to_string();
        let refused = RealDisk::open(folder.path()).expect_err("it is taken");
        assert_eq!(refused.to_string(), format!("another agent runs on {path}"));
        drop(disk);
        RealDisk::open(folder.path()).expect("the lock went with its owner");
    }

    #[test]
    fn what_is_allocated_is_zero_and_what_was_there_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = RealDisk::open(folder.path()).expect("it opens");
        let file = disk.create("a").expect("it is made");
        file.write_at(0, b"abc").expect("it is written");
        file.allocate(ZEROS as u64 + 5).expect("there is space");
        file.sync().expect("it syncs");
        assert_eq!(file.size().expect("it has one"), ZEROS as u64 + 5);
        let mut bytes = [1; 5];
        file.read_at(0, &mut bytes).expect("it is there");
        assert_eq!(&bytes, b"abc\0\0");
        let past = file.read_at(ZEROS as u64 + 1, &mut bytes).expect_err("the file ends before");
        assert_eq!(past.kind(), io::ErrorKind::UnexpectedEof);
        assert!(disk.open("b").expect("no error").is_none());
    }
}
