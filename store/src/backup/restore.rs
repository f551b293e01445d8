//! Making a data folder of a backup: beside its place, and then under its name.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use camshaft_cam::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::read::{Backup, Part};
use crate::journal::StoreError;
use crate::lock::FolderLock;

/// How much of a file is in memory at once.
const PART: u64 = 1 << 20;

/// Why a backup is not restored. What is at the place of the folder was not touched.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// Something is there.
    #[error("{0} is there already and is no empty folder")]
    NotEmpty(PathBuf),
    /// It cannot have a folder beside it.
    #[error("{0} is no place for a data folder")]
    NoPlace(PathBuf),
    /// Another process makes the same folder.
    #[error("another restore is at work on {0}")]
    AtWork(PathBuf),
    /// The disk.
    #[error("cannot {what} {path}")]
    Disk {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// The reason.
        #[source]
        source: io::Error,
    },
    /// The file changed after it was checked.
    #[error("`{0}` is not what it was when the backup was checked")]
    Changed(String),
}

/// A data folder that is durable and has not its name yet. When it is dropped without, nothing is at its place; what
/// lies beside that is used by nobody, and the next restore takes it away.
#[derive(Debug)]
pub struct Restored {
    beside: PathBuf,
    folder: PathBuf,
    parent: PathBuf,
    _lock: FolderLock,
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RestoreError {
    let path = path.to_owned();
    move |source| RestoreError::Disk { what, path, source }
}

/// Returns why nothing can be restored to a place.
fn check_place(folder: &Path) -> Result<(), RestoreError> {
    match fs::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed("look at", folder)(error)),
        Ok(data) if data.is_dir() => match fs::read_dir(folder).map_err(failed("read", folder))?.next() {
            None => Ok(()),
            Some(_) => Err(RestoreError::NotEmpty(folder.to_owned())),
        },
        Ok(_) => Err(RestoreError::NotEmpty(folder.to_owned())),
    }
}

impl Backup {
    /// Writes all files into a folder beside the one that is wanted, and makes them durable.
    ///
    /// # Errors
    ///
    /// When there is something at the place, and when the disk refuses; nothing is left beside it then.
    pub fn restore(&self, folder: &Path, progress: &dyn Fn(u64, u64)) -> Result<Restored, RestoreError> {
        check_place(folder)?;
        let (Some(name), Some(parent)) = (folder.file_name(), folder.parent()) else {
            return Err(RestoreError::NoPlace(folder.to_owned()));
        };
        let parent = if parent == Path::new("") { Path::new(".") } else { parent };
        fs::create_dir_all(parent).map_err(failed("make the folder", parent))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(".restoring");
        let beside = parent.join(hidden);
        let lock = || match FolderLock::take(&beside) {
            Ok(lock) => Ok(lock),
            Err(StoreError::Locked { .. }) => Err(RestoreError::AtWork(folder.to_owned())),
            Err(error) => Err(failed("lock", &beside)(io::Error::other(error.to_string()))),
        };
        if beside.exists() {
            // Of one that was killed: while it has the lock, nobody else is at it.
            let _left = lock()?;
            fs::remove_dir_all(&beside).map_err(failed("remove", &beside))?;
        }
        let lock = lock()?;
        let restored = Restored {
            beside: beside.clone(),
            folder: folder.to_owned(),
            parent: parent.to_owned(),
            _lock: lock,
        };
        match self.write_into(&beside, progress) {
            Ok(()) => Ok(restored),
            Err(error) => {
                // The first error tells more than that this fails as well.
                let _ = fs::remove_dir_all(&beside);
                Err(error)
            }
        }
    }

    fn write_into(&self, folder: &Path, progress: &dyn Fn(u64, u64)) -> Result<(), RestoreError> {
        let blobs = folder.join(crate::blobs::FOLDER);
        fs::create_dir(&blobs).map_err(failed("make the folder", &blobs))?;
        let all: u64 = self.parts.iter().map(|part| part.listed.bytes).sum();
        let mut done = 0;
        for part in &self.parts {
            self.write_part(part, &folder.join(&part.listed.name), &mut |bytes| {
                done += bytes;
                progress(done, all);
            })?;
        }
        for folder in [&blobs, folder] {
            sync(folder)?;
        }
        Ok(())
    }

    fn write_part(
        &self,
        part: &Part,
        path: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), RestoreError> {
        let mut file = File::create_new(path).map_err(failed("make", path))?;
        let (mut sum, mut bytes, mut done) = (Sha256::new(), vec![], 0);
        while done < part.listed.bytes {
            let length = PART.min(part.listed.bytes - done);
            bytes.resize(usize::try_from(length).expect("a part is small"), 0);
            self.file.read_exact_at(&mut bytes, part.at + done).map_err(failed("read", path))?;
            sum.update(&bytes);
            file.write_all(&bytes).map_err(failed("write", path))?;
            done += length;
            progress(length);
        }
        if Digest::from_bytes(sum.finalize().into()) != part.listed.sha256 {
            return Err(RestoreError::Changed(part.listed.name.clone()));
        }
        file.sync_all().map_err(failed("sync", path))
    }
}

impl Restored {
    /// Gives the folder its name. It is an agent's from then on.
    ///
    /// # Errors
    ///
    /// When something came to be at its place meanwhile, and when the system refuses: it is a mount point, for instance.
    pub fn give_name(self) -> Result<(), RestoreError> {
        let Restored { beside, folder, parent, .. } = &self;
        check_place(folder)?;
        if let Err(error) = fs::rename(beside, folder) {
            let _ = fs::remove_dir_all(beside);
            return Err(failed("rename what was restored to", folder)(error));
        }
        sync(parent)
    }
}

fn sync(folder: &Path) -> Result<(), RestoreError> {
    File::open(folder).and_then(|open| open.sync_all()).map_err(failed("sync", folder))
}
