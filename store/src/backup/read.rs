//! Reading a backup, which may be damaged, cut off, or made by somebody who means no good.
//!
//! All of it is read and checked before anything of it is used: every header and every digest; that the log follows from
//! its first frame to its last and ends where it says; that the state snapshot is whole.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::{ABOUT, About, BACKUP_FORMAT, BROKEN_OFF, Listed, MANIFEST, Manifest, tar};
use crate::disk::{Disk, OverlayDisk};
use crate::folder::FolderJournal;
use crate::formats::Formats;
use crate::journal::StoreError;
use crate::log::{LogOptions, SEGMENT};
use crate::snapshots::{SNAPSHOT, Snapshots};

/// How much of a file is in memory at once.
const PART: u64 = 1 << 20;

/// How large those files may be that are text.
const TEXT_MAX: u64 = 64 << 20;

/// How much of a reason is told, in bytes.
const REASON_MAX: usize = 4 << 10;

/// Why a file is no backup that can be used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file.
    #[error("cannot be read")]
    Read(#[from] io::Error),
    /// It is something else.
    #[error("it is no backup: {0}")]
    None(String),
    /// It ends too early.
    #[error("it was cut off: {0}")]
    CutOff(String),
    /// The node could not go on.
    #[error("the node broke it off: {0}")]
    BrokenOff(String),
    /// It is not what was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// Another version made it.
    #[error("it is of another version: {0}")]
    Newer(String),
    /// What is in it is no data folder.
    #[error("what is in it cannot be used")]
    Folder(#[from] StoreError),
}

/// A file of a backup, with its place.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) listed: Listed,
    pub(super) at: u64,
}

/// A backup that was checked from its first byte to its last.
#[derive(Debug)]
pub struct Backup {
    about: About,
    pub(super) file: Arc<File>,
    pub(super) parts: Vec<Part>,
    bytes: u64,
}

/// Tells who waits how many bytes were looked at, and of how many.
pub(super) type Progress<'p> = &'p dyn Fn(u64, u64);

impl Backup {
    /// Opens a backup and checks all of it.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn open(path: &Path, progress: &dyn Fn(u64, u64)) -> Result<Backup, BackupError> {
        let file = File::open(path)?;
        let data = file.metadata()?;
        if !data.is_file() {
            return Err(BackupError::None("it is no regular file".to_owned()));
        }
        let mut reader = Reader { file: &file, size: data.len(), at: 0, parts: vec![], progress };
        let about = reader.all()?;
        let parts = std::mem::take(&mut reader.parts);
        let backup = Backup { about, file: Arc::new(file), parts, bytes: data.len() };
        backup.check_folder()?;
        Ok(backup)
    }

    /// Returns what it is of.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Returns its files.
    pub fn files(&self) -> impl Iterator<Item = &Listed> {
        self.parts.iter().map(|part| &part.listed)
    }

    /// Returns its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the journal that is in it, to be read: what is done with it stays in memory.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn journal(&self) -> Result<FolderJournal, StoreError> {
        FolderJournal::on(self.disk(), LogOptions::default()).map(|(journal, _)| journal)
    }

    fn disk(&self) -> Arc<dyn Disk> {
        let files = self.parts.iter().map(|Part { listed, at }| (listed.name.clone(), (*at, listed.bytes)));
        Arc::new(OverlayDisk::of_parts(&self.file, files))
    }

    /// Checks that what is in it is the folder that it says.
    fn check_folder(&self) -> Result<(), BackupError> {
        let disk = self.disk();
        let About { position, snapshot, .. } = self.about;
        let (journal, opened) = FolderJournal::on(disk.clone(), LogOptions::default())?;
        if opened.torn.is_some() || opened.last != position {
            let reason = format!("its log ends at entry {}, and not at {position}", opened.last);
            return Err(BackupError::Damaged(reason));
        }
        drop(journal);
        let found = Snapshots::of(disk).newest(opened.first, opened.last)?;
        let found = found.filter(|newest| newest.damaged.is_none()).map(|newest| newest.snapshot.number());
        if found != snapshot {
            let reason = format!("its state snapshot is {found:?}, and not {snapshot:?}");
            return Err(BackupError::Damaged(reason));
        }
        Ok(())
    }
}

/// Returns true for the name of a file that a folder is made of. Nothing else has a place in a backup, so that no
/// name leads anywhere else.
fn is_of_folder(name: &str) -> bool {
    let numbered = |prefix: &str| {
        let number = name.strip_prefix(prefix)?.parse::<u64>().ok()?;
        (name == format!("{prefix}{number:010}")).then_some(())
    };
    numbered(SEGMENT).or_else(|| numbered(SNAPSHOT)).is_some() || of_blob(name).is_some()
}

/// Returns the digest that a blob is named by.
fn of_blob(name: &str) -> Option<Digest> {
    let digest: Digest = format!("sha256:{}", name.strip_prefix(crate::blobs::FOLDER)?).parse().ok()?;
    (name == crate::blobs::name(digest)).then_some(digest)
}

struct Reader<'f> {
    file: &'f File,
    size: u64,
    at: u64,
    parts: Vec<Part>,
    progress: Progress<'f>,
}

impl Reader<'_> {
    /// Reads all of the file. What it is of is among its parts no more.
    fn all(&mut self) -> Result<About, BackupError> {
        let mut about: Option<About> = None;
        let mut all: Vec<Listed> = vec![];
        let mut names = BTreeMap::new();
        loop {
            let (name, bytes) = self.header()?;
            let part = self.content(&name, bytes)?;
            match name.as_str() {
                ABOUT if about.is_none() => about = Some(self.about(&part)?),
                _ if about.is_none() => {
                    return Err(BackupError::None(format!(
                        "it begins with `{name}`, and not with `{ABOUT}`"
                    )));
                }
                MANIFEST => {
                    self.end(&part, &all)?;
                    break;
                }
                BROKEN_OFF => {
                    let reason = self.text(&part)?;
                    let reason =
                        String::from_utf8_lossy(&reason[..reason.len().min(REASON_MAX)]).into_owned();
                    return Err(BackupError::BrokenOff(reason));
                }
                _ => self.parts.push(part.clone()),
            }
            if names.insert(name.clone(), ()).is_some() {
                return Err(BackupError::Damaged(format!("`{name}` is there twice")));
            }
            all.push(part.listed);
        }
        about.ok_or_else(|| BackupError::None("it says not what it is of".to_owned()))
    }

    /// Reads the header of the next file; its name is one that has a place in a backup.
    fn header(&mut self) -> Result<(String, u64), BackupError> {
        let mut header: tar::Header = [0; tar::BLOCK as usize];
        if self.size - self.at < tar::BLOCK {
            let reason = format!("it ends at byte {}, before its manifest", self.size);
            // What is shorter than a header may be anything.
            return Err(if self.at == 0 { BackupError::None(reason) } else { BackupError::CutOff(reason) });
        }
        self.file.read_exact_at(&mut header, self.at)?;
        let at = self.at;
        let wrong = |reason: String| match at {
            0 => BackupError::None(reason),
            _ => BackupError::Damaged(format!("at byte {at}: {reason}")),
        };
        let (name, bytes) = tar::read(&header).map_err(wrong)?.ok_or_else(|| {
            let reason = "it has no manifest".to_owned();
            if at == 0 { BackupError::None(reason) } else { BackupError::CutOff(reason) }
        })?;
        if ![ABOUT, MANIFEST, BROKEN_OFF].contains(&name.as_str()) && !is_of_folder(&name) {
            return Err(wrong(format!("`{name}` is no file of a data folder")));
        }
        self.at += tar::BLOCK;
        Ok((name, bytes))
    }

    /// Reads the bytes of a file, for their digest.
    fn content(&mut self, name: &str, bytes: u64) -> Result<Part, BackupError> {
        let left = self.size - self.at;
        // Before anything is done with such a number.
        if bytes > left || bytes + tar::padding(bytes) > left {
            return Err(BackupError::CutOff(format!("`{name}` has {bytes} bytes, and {left} are left")));
        }
        let at = self.at;
        let (mut sum, mut part) = (Sha256::new(), vec![]);
        while self.at < at + bytes {
            let length = PART.min(at + bytes - self.at);
            part.resize(usize::try_from(length).expect("a part is small"), 0);
            self.file.read_exact_at(&mut part, self.at)?;
            sum.update(&part);
            self.at += length;
            (self.progress)(self.at, self.size);
        }
        let sha256 = Digest::from_bytes(sum.finalize().into());
        self.zeros(tar::padding(bytes), name)?;
        if let Some(digest) = of_blob(name)
            && digest != sha256
        {
            return Err(BackupError::Damaged(format!("the SHA-256 of `{name}` is {}", sha256.hex())));
        }
        Ok(Part { listed: Listed { name: name.to_owned(), bytes, sha256 }, at })
    }

    fn zeros(&mut self, count: u64, behind: &str) -> Result<(), BackupError> {
        let mut zeros = vec![1; usize::try_from(count).expect("a few blocks")];
        self.file.read_exact_at(&mut zeros, self.at)?;
        if zeros.iter().any(|byte| *byte != 0) {
            return Err(BackupError::Damaged(format!("something stands behind `{behind}`")));
        }
        self.at += count;
        Ok(())
    }

    fn text(&self, part: &Part) -> Result<Vec<u8>, BackupError> {
        if part.listed.bytes > TEXT_MAX {
            let reason = format!("`{}` has more than {TEXT_MAX} bytes", part.listed.name);
            return Err(BackupError::Damaged(reason));
        }
        let mut bytes = vec![0; usize::try_from(part.listed.bytes).expect("it is small")];
        self.file.read_exact_at(&mut bytes, part.at)?;
        Ok(bytes)
    }

    fn about(&self, part: &Part) -> Result<About, BackupError> {
        #[derive(serde::Deserialize)]
        struct Form {
            format: u32,
        }
        let bytes = self.text(part)?;
        let wrong = |error: serde_json::Error| BackupError::Damaged(format!("`{ABOUT}`: {error}"));
        // Another form may say anything else.
        let Form { format } = serde_json::from_slice(&bytes).map_err(wrong)?;
        if format != BACKUP_FORMAT {
            let reason = format!("the backup has form {format}, and this version knows form {BACKUP_FORMAT}");
            return Err(BackupError::Newer(reason));
        }
        let about: About = serde_json::from_slice(&bytes).map_err(wrong)?;
        match Formats::OURS.reason_unreadable(&about.formats) {
            Some(reason) => Err(BackupError::Newer(reason)),
            None => Ok(about),
        }
    }

    /// Checks that a manifest has just what is before it, and that it is the end.
    fn end(&mut self, part: &Part, all: &[Listed]) -> Result<(), BackupError> {
        let manifest: Manifest = serde_json::from_slice(&self.text(part)?)
            .map_err(|error| BackupError::Damaged(format!("`{MANIFEST}`: {error}")))?;
        if let Some(lacking) = manifest.files.iter().find(|file| !all.iter().any(|one| one.name == file.name))
        {
            return Err(BackupError::Damaged(format!("`{}` is missing", lacking.name)));
        }
        for one in all {
            match manifest.files.iter().find(|file| file.name == one.name) {
                Some(file) if file == one => {}
                Some(_) => {
                    let reason = format!("`{}` is not what its manifest says", one.name);
                    return Err(BackupError::Damaged(reason));
                }
                None => {
                    return Err(BackupError::Damaged(format!("its manifest does not know `{}`", one.name)));
                }
            }
        }
        if self.size - self.at != 2 * tar::BLOCK {
            let reason = "it does not end where its manifest does".to_owned();
            return Err(match self.size - self.at < 2 * tar::BLOCK {
                true => BackupError::CutOff(reason),
                false => BackupError::Damaged(reason),
            });
        }
        self.zeros(2 * tar::BLOCK, MANIFEST)?;
        (self.progress)(self.size, self.size);
        Ok(())
    }
}
