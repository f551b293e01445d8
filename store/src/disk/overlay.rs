//! A folder of this machine that is only read: what is written to it stays in memory, and is gone with it.
//!
//! A log that is opened mends its end, and a node that is opened settles what its last life left open. On such a disk
//! it does so without anything of it reaching the folder, so that a node can be looked at as it would start.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Disk, DiskFile};
use crate::journal::StoreError;
use crate::lock::{LOCK, file};

/// A folder that is only read. No agent can start on it meanwhile, if it has the file with the lock.
#[derive(Debug)]
pub struct OverlayDisk {
    /// None for the files of a backup, which are all known.
    folder: Option<PathBuf>,
    /// The names that were asked for; none: it is not there, or was taken away.
    names: Mutex<BTreeMap<String, Option<Arc<OverlayFile>>>>,
    _lock: Option<File>,
}

/// A file: that of the folder, until something is written.
#[derive(Debug)]
struct OverlayFile(Mutex<Content>);

#[derive(Debug)]
enum Content {
    Of(File),
    /// A part of a file, from a place on, of so many bytes.
    Part(Arc<File>, u64, u64),
    Written(Vec<u8>),
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OverlayDisk {
    /// Opens a folder to read it.
    ///
    /// # Errors
    ///
    /// When an agent runs on it, and when it cannot be read.
    pub fn open(folder: &Path) -> Result<OverlayDisk, StoreError> {
        std::fs::read_dir(folder).map_err(file("read", folder))?;
        let path = folder.join(LOCK);
        let lock = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(file("open", &path)(error)),
            Ok(lock) => match lock.try_lock_shared() {
                Ok(()) => Some(lock),
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Locked { folder: folder.display().to_string() });
                }
                Err(TryLockError::Error(source)) => return Err(file("lock", &path)(source)),
            },
        };
        Ok(OverlayDisk { folder: Some(folder.to_owned()), names: Mutex::default(), _lock: lock })
    }

    /// Returns the disk whose files are parts of one file: by their names, where each begins and how many bytes it has.
    pub(crate) fn of_parts(
        file: &Arc<File>,
        parts: impl Iterator<Item = (String, (u64, u64))>,
    ) -> OverlayDisk {
        let part = |(name, (at, bytes))| {
            let content = Content::Part(file.clone(), at, bytes);
            (name, Some(Arc::new(OverlayFile(Mutex::new(content)))))
        };
        OverlayDisk { folder: None, names: Mutex::new(parts.map(part).collect()), _lock: None }
    }

    fn found(&self, name: &str) -> io::Result<Option<Arc<OverlayFile>>> {
        let mut names = locked(&self.names);
        if let Some(known) = names.get(name) {
            return Ok(known.clone());
        }
        let Some(folder) = &self.folder else { return Ok(None) };
        let found = match File::open(folder.join(name)) {
            Ok(file) => Some(Arc::new(OverlayFile(Mutex::new(Content::Of(file))))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        names.insert(name.to_owned(), found.clone());
        Ok(found)
    }

    /// Adds the names of the folder, or of one in it.
    fn list_into(folder: &Path, below: &Path, names: &mut Vec<String>) -> io::Result<()> {
        for entry in std::fs::read_dir(folder.join(below))? {
            let entry = entry?;
            let name = below.join(entry.file_name());
            if entry.file_type()?.is_dir() && below == Path::new("") {
                OverlayDisk::list_into(folder, &name, names)?;
            } else if let (true, Some(name)) = (entry.file_type()?.is_file(), name.to_str()) {
                names.extend((name != LOCK).then(|| name.to_owned()));
            }
        }
        Ok(())
    }
}

impl Disk for OverlayDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = Arc::new(OverlayFile(Mutex::new(Content::Written(vec![]))));
        locked(&self.names).insert(name.to_owned(), Some(file.clone()));
        Ok(file)
    }

    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>> {
        Ok(self.found(name)?.map(|file| file as Arc<dyn DiskFile>))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.found(from)?.ok_or(io::ErrorKind::NotFound)?;
        let mut names = locked(&self.names);
        names.insert(from.to_owned(), None);
        names.insert(to.to_owned(), Some(file));
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        locked(&self.names).insert(name.to_owned(), None);
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut found = vec![];
        if let Some(folder) = &self.folder {
            OverlayDisk::list_into(folder, Path::new(""), &mut found)?;
        }
        let names = locked(&self.names);
        found.retain(|name| !names.contains_key(name));
        found.extend(names.iter().filter(|(_, file)| file.is_some()).map(|(name, _)| name.clone()));
        found.sort();
        Ok(found)
    }

    fn sync_folder(&self) -> io::Result<()> {
        Ok(())
    }
}

impl OverlayFile {
    /// Changes the bytes, which are in memory from then on.
    fn change(&self, how: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut content = locked(&self.0);
        let from = match &*content {
            Content::Of(file) => Some((file, 0, file.metadata()?.len())),
            Content::Part(file, at, size) => Some((&**file, *at, *size)),
            Content::Written(_) => None,
        };
        if let Some((file, at, size)) = from {
            let mut bytes = vec![0; usize::try_from(size).map_err(io::Error::other)?];
            file.read_exact_at(&mut bytes, at)?;
            *content = Content::Written(bytes);
        }
        if let Content::Written(bytes) = &mut *content {
            how(bytes);
        }
        Ok(())
    }
}

impl DiskFile for OverlayFile {
    fn size(&self) -> io::Result<u64> {
        match &*locked(&self.0) {
            Content::Of(file) => Ok(file.metadata()?.len()),
            Content::Part(_, _, size) => Ok(*size),
            Content::Written(bytes) => Ok(bytes.len() as u64),
        }
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        match &*locked(&self.0) {
            Content::Of(file) => file.read_exact_at(into, offset),
            Content::Part(file, at, size) => {
                let end = offset.checked_add(into.len() as u64);
                end.filter(|end| end <= size).ok_or(io::ErrorKind::UnexpectedEof)?;
                file.read_exact_at(into, at + offset)
            }
            Content::Written(bytes) => {
                let start = usize::try_from(offset).map_err(io::Error::other)?;
                let end = start.checked_add(into.len());
                let part = end.and_then(|end| bytes.get(start..end));
                into.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
        }
    }

    fn write_at(&self, offset: u64, part: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        self.change(|bytes| {
            let end = start + part.len();
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            bytes[start..end].copy_from_slice(part);
        })
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        self.change(|bytes| {
            if bytes.len() < length {
                bytes.resize(length, 0);
            }
        })
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{RealDisk, read_all};

    #[test]
    fn what_is_written_is_read_again_and_never_reaches_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir(path("blobs")).expect("a folder");
        for (name, bytes) in [("a", "one"), ("b", "two"), ("blobs/x", "three"), ("lock", "7\n")] {
            std::fs::write(path(name), bytes).expect("it is written");
        }
        let disk = OverlayDisk::open(folder.path()).expect("it opens");
        assert_eq!(disk.list().expect("it lists"), ["a", "b", "blobs/x"]);
        let a = disk.open("a").expect("no error").expect("it is there");
        a.write_at(1, b"NEWER").expect("it is written");
        a.allocate(8).expect("there is room");
        // Whoever opens it again finds it so.
        let again = disk.open("a").expect("no error").expect("it is there");
        assert_eq!(read_all(&*again).expect("it is read"), b"oNEWER\0\0");
        let past = again.read_at(7, &mut [0; 2]).expect_err("the file ends before");
        assert_eq!(past.kind(), io::ErrorKind::UnexpectedEof);
        disk.create("c").expect("it is made").write_at(0, b"new").expect("it is written");
        disk.rename("b", "blobs/y").expect("it is there");
        disk.remove("blobs/x").expect("it is gone");
        disk.remove("never").expect("what is not there is gone");
        assert!(disk.open("b").expect("no error").is_none());
        assert_eq!(disk.rename("b", "d").expect_err("it is gone").kind(), io::ErrorKind::NotFound);
        disk.sync_folder().expect("it syncs");
        assert_eq!(disk.list().expect("it lists"), ["a", "blobs/y", "c"]);
        let moved = disk.open("blobs/y").expect("no error").expect("it is there");
        assert_eq!(read_all(&*moved).expect("it is read"), b"two");

        drop(disk);
        for (name, bytes) in [("a", "one"), ("b", "two"), ("blobs/x", "three"), ("lock", "7\n")] {
            assert_eq!(std::fs::read_to_string(path(name)).expect("it is there"), bytes, "{name}");
        }
        assert!(!path("c").exists() && !path("blobs/y").exists());
    }

    #[test]
    fn a_folder_that_an_agent_has_is_refused_and_one_that_is_read_has_no_agent() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = folder.path().display().to_string();
        let agent = RealDisk::open(folder.path()).expect("it opens");
        let refused = OverlayDisk::open(folder.path()).expect_err("it is taken");
        assert_eq!(refused.to_string(), format!("another agent runs on {text}"));
        drop(agent);
        let reads = OverlayDisk::open(folder.path()).expect("nobody has it");
        let _too = OverlayDisk::open(folder.path()).expect("many may read");
        let refused = RealDisk::open(folder.path()).expect_err("it is read");
        assert_eq!(refused.to_string(), format!("another agent runs on {text}"));
        drop((reads, _too));
        RealDisk::open(folder.path()).expect("nobody reads it any more");
        let gone = OverlayDisk::open(&folder.path().join("none")).expect_err("it is not there");
        assert!(gone.to_string().starts_with("cannot read "), "{gone}");
    }
}
