//! One process per data folder: a lock on the file `lock` in it, which the system lets go of when
//! the process dies in whatever way.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Seek as _, Write as _};
use std::path::Path;

use crate::journal::StoreError;

/// The name of the file that is locked.
pub(crate) const LOCK: &str = "lock";

/// Takes the folder's lock, and writes into it who has it, for people.
pub(crate) fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join(LOCK);
    let mut options = OpenOptions::new();
    let mut lock = options
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(&path)
        .map_err(file("open", &path))?;
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
    Ok(lock)
}

/// Returns what makes the error of a file from what the system says.
pub(crate) fn file(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.display().to_string();
    move |source| StoreError::File { what, path, source }
}
