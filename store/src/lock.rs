//! One process per data folder: a lock on the file `lock` in it, which the system lets go of when
//! the process dies in whatever way.
//!
//! What is locked is the open file, not the process: who is handed it over a socket has the lock too, and a
//! folder that one process hands to another is never without.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use crate::journal::StoreError;

/// The name of the file that is locked.
pub(crate) const LOCK: &str = "lock";

/// The lock of a data folder, for as long as this or a copy of it lives, here or in another process.
#[derive(Debug, Clone)]
pub struct FolderLock(Arc<File>);

impl FolderLock {
    /// Takes the lock of a folder, which is made when it is not there, and writes into it who has it, for people.
    ///
    /// # Errors
    ///
    /// When another process has it, and when the folder cannot be made or locked.
    pub fn take(folder: &Path) -> Result<FolderLock, StoreError> {
        std::fs::create_dir_all(folder).map_err(file("make the folder", folder))?;
        let path = folder.join(LOCK);
        let mut options = OpenOptions::new();
        let lock = options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(file("open", &path))?;
        FolderLock::of(lock, folder)
    }

    /// Returns the lock of a folder whose open file was handed over by who had it.
    ///
    /// # Errors
    ///
    /// When it is another file than the folder's, and when it cannot be locked.
    pub fn handed(handed: OwnedFd, folder: &Path) -> Result<FolderLock, StoreError> {
        let path = folder.join(LOCK);
        let handed = File::from(handed);
        let of_folder = std::fs::metadata(&path).map_err(file("look at", &path))?;
        let of_handed = handed.metadata().map_err(file("look at", &path))?;
        if (of_folder.dev(), of_folder.ino()) != (of_handed.dev(), of_handed.ino()) {
            let what = format!("the lock that was handed over for {}", folder.display());
            let reason = "it is that of another folder".to_owned();
            return Err(StoreError::Damaged { what, reason });
        }
        FolderLock::of(handed, folder)
    }

    fn of(mut lock: File, folder: &Path) -> Result<FolderLock, StoreError> {
        let path = folder.join(LOCK);
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::Locked { folder: folder.display().to_string() });
            }
            Err(TryLockError::Error(source)) => return Err(file("lock", &path)(source)),
        }
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(file("write", &path))?;
        Ok(FolderLock(Arc::new(lock)))
    }
}

impl AsFd for FolderLock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Returns what makes the error of a file from what the system says.
pub(crate) fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.display().to_string();
    move |source| StoreError::File { what, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_handed_over_is_the_same_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = FolderLock::take(folder.path()).expect("nobody has it");
        let handed = first.as_fd().try_clone_to_owned().expect("a file can be handed over");
        let second = FolderLock::handed(handed, folder.path()).expect("it is this folder's");
        drop(first);
        let taken = FolderLock::take(folder.path()).expect_err("it was never let go of");
        assert_eq!(taken.to_string(), format!("another agent runs on {}", folder.path().display()));
        drop(second);
        FolderLock::take(folder.path()).expect("the last one let go of it");
    }

    #[test]
    fn a_lock_of_another_folder_is_refused() {
        let (folder, other) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (_lock, of_other) = (FolderLock::take(folder.path()), FolderLock::take(other.path()));
        let handed = of_other.expect("nobody has it").as_fd().try_clone_to_owned().expect("it can be");
        let refused = FolderLock::handed(handed, folder.path()).expect_err("it is another one's");
        let path = folder.path().display();
        assert_eq!(
            refused.to_string(),
            format!("the lock that was handed over for {path} is damaged: it is that of another folder")
        );
    }
}
