//! A registry in a folder.
//!
//! ```text
//! registry.toml                      format = 1
//! blobs/sha256/ab/abcd...            every file of every bundle, by its digest; manifests too
//! releases/NAME/VERSION.toml         the record of a release
//! signatures/NAME-VERSION.sig.json   signatures, where there are some
//! tmp/                               files on the way to their names
//! lock                               held by who publishes or yanks
//! ```
//!
//! What must stay true: a file gets its name when its content is durable, and a release its
//! record when all its files have theirs. So a crash leaves a release whole or unseen, and at
//! most something in `tmp/` or a blob that nobody names. Other folders beside these are no concern
//! of this module.

mod publish;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;
use camshaft_manifests::published::{self, PublishedRelease, Yank};
use camshaft_manifests::{ReleaseName, Version};
use camshaft_releases::bundle::Limits;

use crate::disk::{Disk, SystemDisk};
use crate::error::RegistryError;
use crate::source::{Entry, Publication, Registry, SIGNATURE_BYTES_MAX};

pub use verify::{Fault, Verified};

const REGISTRY: &str = "registry.toml";
const TMP: &str = "tmp";
const LOCK: &str = "lock";

/// No record is larger, in bytes.
const RECORD_BYTES_MAX: u64 = 4 << 20;

/// A registry in a folder.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    disk: Box<dyn Disk>,
}

impl Folder {
    /// Opens a registry.
    ///
    /// # Errors
    ///
    /// When there is none, or one of a format that this version does not know.
    pub fn open(root: &Path) -> Result<Folder, RegistryError> {
        Folder::open_on(root, Box::new(SystemDisk))
    }

    /// Opens a registry; an empty folder, or none, becomes one.
    ///
    /// # Errors
    ///
    /// When something else lies there.
    pub fn create(root: &Path) -> Result<Folder, RegistryError> {
        Folder::create_on(root, Box::new(SystemDisk))
    }

    /// Opens a registry on a disk.
    ///
    /// # Errors
    ///
    /// As [`Folder::open`].
    pub fn open_on(root: &Path, disk: Box<dyn Disk>) -> Result<Folder, RegistryError> {
        let folder = Folder { root: root.to_owned(), disk };
        let refuse = |reason: String| RegistryError::NoRegistry { path: root.to_owned(), reason };
        let Some(bytes) = read_file(&root.join(REGISTRY), RECORD_BYTES_MAX)? else {
            return Err(refuse(format!("it has no {REGISTRY}")));
        };
        let source = Source::new(REGISTRY, String::from_utf8_lossy(&bytes));
        published::read_registry(&source).map_err(|faults| refuse(first(&faults)))?;
        Ok(folder)
    }

    /// Opens a registry on a disk; an empty folder, or none, becomes one.
    ///
    /// # Errors
    ///
    /// As [`Folder::create`].
    pub fn create_on(root: &Path, disk: Box<dyn Disk>) -> Result<Folder, RegistryError> {
        if root.join(REGISTRY).exists() {
            return Folder::open_on(root, disk);
        }
        let refuse =
            |reason: &str| RegistryError::NoRegistry { path: root.to_owned(), reason: reason.to_owned() };
        match fs::read_dir(root) {
            Ok(entries) => {
                // What a crash leaves of a registry in the making is none of anybody else.
                let strange = |name: &std::ffi::OsStr| name != TMP && name != LOCK;
                if entries.flatten().any(|entry| strange(&entry.file_name())) {
                    return Err(refuse(&format!("it is not empty and has no {REGISTRY}")));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir_all(root).map_err(failed("make the folder", root))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(refuse("it is no folder"));
            }
            Err(error) => return Err(failed("read", root)(error)),
        }
        let folder = Folder { root: root.to_owned(), disk };
        let _lock = folder.lock()?;
        folder.put_file(Path::new(REGISTRY), published::write_registry().as_bytes())?;
        Ok(folder)
    }

    /// Returns the folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Waits until nobody else publishes or yanks. The system lets go of the lock of a process
    /// that ended.
    fn lock(&self) -> Result<File, RegistryError> {
        let path = self.root.join(LOCK);
        let open = File::options().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(failed("open", &path))?;
        file.lock().map_err(failed("lock", &path))?;
        Ok(file)
    }

    /// Writes a file so that a reader sees the old bytes or the new ones, and a crash leaves no
    /// half of it under its name.
    fn put_file(&self, path: &Path, bytes: &[u8]) -> Result<(), RegistryError> {
        self.make_folders(Path::new(TMP))?;
        let target = self.root.join(path);
        let parent = path.parent().unwrap_or(Path::new(""));
        self.make_folders(parent)?;
        let passing = self.root.join(TMP).join(unique());
        self.disk.write_new(&passing, bytes).map_err(failed("write", &passing))?;
        if let Err(error) = self.disk.rename(&passing, &target) {
            // It is harmless where it is; what is told is why it did not get its name.
            let _ = fs::remove_file(&passing);
            return Err(failed("write", &target)(error));
        }
        let parent = self.root.join(parent);
        self.disk.sync_folder(&parent).map_err(failed("sync", &parent))
    }

    /// Makes the folders down to `path`, each durable before something is put into it.
    fn make_folders(&self, path: &Path) -> Result<(), RegistryError> {
        let mut at = self.root.clone();
        for part in path.components() {
            let above = at.clone();
            at.push(part);
            if !at.is_dir() {
                self.disk.create_folder(&at).map_err(failed("make the folder", &at))?;
                self.disk.sync_folder(&above).map_err(failed("sync", &above))?;
            }
        }
        Ok(())
    }

    /// Returns a content whose digest was checked; `None` when it is not there.
    fn blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, RegistryError> {
        let path = self.root.join(blob_path(digest));
        let Some(bytes) = read_file(&path, Limits::DEFAULT.file_bytes_max as u64)? else { return Ok(None) };
        let found = Digest::of(&bytes);
        if found == digest {
            return Ok(Some(bytes));
        }
        Err(RegistryError::Damaged {
            what: format!("the file {}", path.display()),
            reason: format!("its digest is {found}"),
        })
    }

    /// Returns where a content lies, and its size; for those who read it piece by piece and leave
    /// the check of its digest to who gets it.
    ///
    /// # Errors
    ///
    /// When it cannot be looked at.
    pub fn locate(&self, digest: Digest) -> Result<Option<(PathBuf, u64)>, RegistryError> {
        let path = self.root.join(blob_path(digest));
        match fs::metadata(&path) {
            Ok(data) if data.is_file() => Ok(Some((path, data.len()))),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// Returns one release, if it is there.
    ///
    /// # Errors
    ///
    /// When its record cannot be read.
    pub fn release(&self, name: &ReleaseName, version: &Version) -> Result<Option<Entry>, RegistryError> {
        let path = self.root.join(record_path(name, version));
        let Some(bytes) = read_file(&path, RECORD_BYTES_MAX)? else { return Ok(None) };
        let source = Source::new(path.display().to_string(), String::from_utf8_lossy(&bytes));
        let damaged = |reason: String| RegistryError::Damaged {
            what: format!("the record {}", path.display()),
            reason,
        };
        let release: PublishedRelease = published::read(&source).map_err(|faults| damaged(first(&faults)))?;
        if (&release.name, &release.version) != (name, version) {
            return Err(damaged(format!("it is that of {} {}", release.name, release.version)));
        }
        let signed = self.root.join(signature_path(name, version)).is_file();
        Ok(Some(Entry { release, signed }))
    }

    /// Returns the names of releases. What is no name is not ours.
    fn names(&self) -> Result<BTreeSet<ReleaseName>, RegistryError> {
        let names = names_in(&self.root.join("releases"))?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }
}

impl Registry for Folder {
    fn place(&self) -> String {
        self.root.display().to_string()
    }

    fn list(&self) -> Result<Vec<Entry>, RegistryError> {
        let mut entries = Vec::new();
        for name in self.names()? {
            entries.extend(self.releases(&name)?);
        }
        Ok(entries)
    }

    fn releases(&self, name: &ReleaseName) -> Result<Vec<Entry>, RegistryError> {
        let files = names_in(&self.root.join("releases").join(name.as_str()))?;
        let versions: BTreeSet<Version> =
            files.iter().filter_map(|file| file.strip_suffix(".toml")?.parse().ok()).collect();
        let entries = versions.iter().map(|version| self.release(name, version));
        entries.filter_map(Result::transpose).collect()
    }

    fn content(&self, digest: Digest, bytes: Option<u64>) -> Result<Vec<u8>, RegistryError> {
        let content = self.blob(digest)?.ok_or(RegistryError::NoContent(digest))?;
        match bytes {
            Some(bytes) if bytes != content.len() as u64 => Err(RegistryError::Damaged {
                what: format!("the file {digest}"),
                reason: format!("it has {} bytes, the manifest says {bytes}", content.len()),
            }),
            _ => Ok(content),
        }
    }

    fn signature(&self, name: &ReleaseName, version: &Version) -> Result<Option<Vec<u8>>, RegistryError> {
        read_file(&self.root.join(signature_path(name, version)), SIGNATURE_BYTES_MAX)
    }

    fn missing(&self, contents: &BTreeMap<Digest, u64>) -> Result<BTreeSet<Digest>, RegistryError> {
        let mut missing = BTreeSet::new();
        for digest in contents.keys() {
            match self.blob(*digest) {
                Ok(Some(_)) => {}
                // What is damaged is to be sent again, which mends it.
                Ok(None) | Err(RegistryError::Damaged { .. }) => drop(missing.insert(*digest)),
                Err(error) => return Err(error),
            }
        }
        Ok(missing)
    }

    fn put(&self, content: &[u8]) -> Result<(), RegistryError> {
        let (bytes, max) = (content.len() as u64, Limits::DEFAULT.file_bytes_max as u64);
        if bytes > max {
            return Err(RegistryError::ContentTooLarge { bytes, max });
        }
        let digest = Digest::of(content);
        match self.blob(digest) {
            Ok(Some(_)) => Ok(()),
            Ok(None) | Err(RegistryError::Damaged { .. }) => self.put_file(&blob_path(digest), content),
            Err(error) => Err(error),
        }
    }

    fn publish(&self, publication: &Publication) -> Result<bool, RegistryError> {
        publish::publish(self, publication)
    }

    fn mark(
        &self,
        name: &ReleaseName,
        version: &Version,
        yank: Option<&Yank>,
    ) -> Result<Entry, RegistryError> {
        publish::mark(self, name, version, yank)
    }
}

fn blob_path(digest: Digest) -> PathBuf {
    let hex = digest.hex();
    ["blobs", "sha256", &hex[..2], &hex].iter().collect()
}

fn record_path(name: &ReleaseName, version: &Version) -> PathBuf {
    ["releases", name.as_str(), &format!("{version}.toml")].iter().collect()
}

fn signature_path(name: &ReleaseName, version: &Version) -> PathBuf {
    ["signatures", &format!("{name}-{version}.sig.json")].iter().collect()
}

/// A name that no other writer takes, of this process or another, now or before a crash.
fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}-{:016x}", std::process::id(), RandomState::new().hash_one(count))
}

fn first(faults: &[Diagnostic]) -> String {
    faults.first().map_or_else(String::new, Diagnostic::one_line)
}

fn failed(operation: &'static str, path: &Path) -> impl Fn(io::Error) -> RegistryError {
    let path = path.to_owned();
    move |source| RegistryError::File { operation, path: path.clone(), source }
}

/// Reads a regular file of at most `bytes_max` bytes; `None` when it is not there.
fn read_file(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, RegistryError> {
    let damaged = |reason: String| RegistryError::Damaged { what: path.display().to_string(), reason };
    let data = match fs::metadata(path) {
        Ok(data) => data,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("read", path)(error)),
    };
    if !data.is_file() {
        return Err(damaged("it is no regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed("read", path))?;
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(failed("read", path))?;
    if bytes.len() as u64 > bytes_max {
        return Err(damaged(format!("it has more than {bytes_max} bytes")));
    }
    Ok(Some(bytes))
}

/// Returns the names in a folder, sorted; none when it is not there.
fn names_in(path: &Path) -> Result<BTreeSet<String>, RegistryError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let mut names = BTreeSet::new();
    for entry in entries {
        // A name that is no text is none of ours.
        names.extend(entry.map_err(failed("read", path))?.file_name().into_string().ok());
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
