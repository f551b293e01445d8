//! A folder of files, real or simulated: all that the log, the snapshots and the blobs ask of a disk.
//!
//! [`RealDisk`] is a folder of this machine, [`OverlayDisk`] one that is only read, [`FaultyDisk`] a disk in memory that loses, tears and
//! refuses as real ones do, and the same way each time. What is written here is only what both can
//! promise: bytes are durable once their file was synced, names once the folder was.

mod faulty;
mod overlay;
mod real;

use std::fmt::Debug;
use std::io;
use std::sync::Arc;

pub use faulty::FaultyDisk;
pub use overlay::OverlayDisk;
pub use real::RealDisk;

use crate::journal::StoreError;

/// The bytes that a disk writes as a whole, or not at all, when the power goes.
pub const SECTOR: usize = 512;

/// A folder of files. Names have at most one folder before them: `blobs/…`.
pub trait Disk: Send + Sync + Debug {
    /// Makes a file; one of this name is emptied. Its name is durable after
    /// [`sync_folder`](Disk::sync_folder).
    ///
    /// # Errors
    ///
    /// When it cannot be made.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Opens a file, if it is there.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be opened.
    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>>;

    /// Gives a file another name, in place of whatever had it: at once and as a whole.
    ///
    /// # Errors
    ///
    /// When it is not there or cannot be renamed.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a file away; one that is not there is no error.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be taken away.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Returns the names of all files, in order.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Makes durable which names there are and what they stand for.
    ///
    /// # Errors
    ///
    /// When they are not durable.
    fn sync_folder(&self) -> io::Result<()>;
}

/// Open files, each by what names it.
pub(crate) type OpenFiles<N> = Vec<(N, Arc<dyn DiskFile>)>;

/// An open file. It is read and written at places, so that many may do so through one.
pub trait DiskFile: Send + Sync + Debug {
    /// Returns its length in bytes.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    fn size(&self) -> io::Result<u64>;

    /// Fills `bytes` from a place on.
    ///
    /// # Errors
    ///
    /// When they cannot be read, or the file ends before.
    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` from a place on. They are durable after [`sync`](DiskFile::sync).
    ///
    /// # Errors
    ///
    /// When not all of them were written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Writes zeros behind the end, up to this length, so that later writes up to there need no
    /// more space and change no length.
    ///
    /// # Errors
    ///
    /// When there is no space for them; some may have been written.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Makes durable what was written, and the length. After an error nobody knows what is on the
    /// disk, and calling it again does not tell: the system may have dropped what it could not
    /// write.
    ///
    /// # Errors
    ///
    /// When it is not durable.
    fn sync(&self) -> io::Result<()>;
}

/// Reads a whole file.
pub(crate) fn read_all(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let size = usize::try_from(file.size()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; size];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

impl StoreError {
    /// Returns whether all that is wrong is that there is no space.
    pub fn is_full(&self) -> bool {
        matches!(self, StoreError::File { source, .. } if is_full(source))
    }
}

/// Returns whether an error says that there is no space.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}
