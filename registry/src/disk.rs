//! What a registry does to its disk, as few operations as will do; tests let each of them fail.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// The operations that change a disk.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Makes a folder. One that is there already is no error.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Writes a file that was not there, and waits until its content is durable.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Renames a file over another, if there is one, at once.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Waits until the names in a folder are durable.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// The disk of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made,
        }
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::options().write(true).create_new(true).open(path)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all());
        if written.is_err() {
            // Half a file under a temporary name is harmless; a full disk is better off without.
            let _ = fs::remove_file(path);
        }
        written
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    #[cfg(unix)]
    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    #[cfg(not(unix))]
    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        // Folders cannot be opened there; names are durable with the files.
        Ok(())
    }
}
