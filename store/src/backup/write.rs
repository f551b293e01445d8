//! Making a backup of a folder whose agent runs.

use std::io::{self, Write};
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use sha2::{Digest as _, Sha256};

use super::{ABOUT, About, BROKEN_OFF, Listed, MANIFEST, Manifest, tar};
use crate::disk::{DiskFile, OpenFiles, read_all};
use crate::journal::StoreError;
use crate::log::LogCut;
use crate::snapshots::{SNAPSHOT, SnapshotFile};

/// How much of a file is in memory at once.
const PART: u64 = 256 << 10;

/// A folder as it is at one position of its log, with its files open: none of them changes any more. Making one reads
/// nothing, so that whoever writes the log hardly waits.
#[derive(Debug)]
pub struct FolderCut {
    pub(crate) log: LogCut,
    /// The position of the first entry of the log that was kept.
    pub(crate) first: u64,
    /// By number, the newest first.
    pub(crate) snapshots: OpenFiles<u64>,
    pub(crate) blobs: OpenFiles<Digest>,
}

/// A folder that is ready to be written into a backup.
#[derive(Debug)]
pub struct Prepared {
    log: LogCut,
    snapshot: Option<(SnapshotFile, Arc<dyn DiskFile>)>,
    blobs: OpenFiles<Digest>,
}

impl FolderCut {
    /// Chooses the newest state snapshot that is whole, and lets go of the part of the log that it does not need.
    /// Reads the state snapshot.
    ///
    /// # Errors
    ///
    /// When there are state snapshots and none can be used, or there is none and the log does not have everything.
    pub fn prepare(mut self) -> Result<Prepared, StoreError> {
        let last = self.log.last();
        let mut reasons = vec![];
        for (number, file) in &self.snapshots {
            let usable = SnapshotFile::verified(file.clone(), *number).and_then(|snapshot| {
                let needed = snapshot.from();
                match needed >= self.first && needed <= last + 1 {
                    true => Ok(snapshot),
                    false => Err(format!("it needs the log from entry {needed} on")),
                }
            });
            match usable {
                Ok(snapshot) => {
                    self.log.begin_at(snapshot.from());
                    let snapshot = Some((snapshot, file.clone()));
                    return Ok(Prepared { log: self.log, snapshot, blobs: self.blobs });
                }
                Err(reason) => reasons.push(format!("{SNAPSHOT}{number:010}: {reason}")),
            }
        }
        if self.first > 1 || !reasons.is_empty() {
            reasons.push(format!("the log begins at entry {}", self.first));
            let what = "the row of state snapshots".to_owned();
            return Err(StoreError::Damaged { what, reason: reasons.join("; ") });
        }
        Ok(Prepared { log: self.log, snapshot: None, blobs: self.blobs })
    }
}

impl Prepared {
    /// Returns the position of the last entry that is in it.
    pub fn position(&self) -> u64 {
        self.log.last()
    }

    /// Returns the number of its state snapshot.
    pub fn snapshot(&self) -> Option<u64> {
        self.snapshot.as_ref().map(|(snapshot, _)| snapshot.number())
    }

    /// Returns how many bytes its files have, about.
    pub fn bytes(&self) -> u64 {
        let log: u64 = self.log.files().iter().map(|(_, bytes)| bytes).sum();
        let blobs: u64 = self.blobs.iter().filter_map(|(_, file)| file.size().ok()).sum();
        log + blobs + self.snapshot.as_ref().map_or(0, |(snapshot, _)| snapshot.bytes())
    }

    /// Writes the backup. What cannot be read of the folder is told in the backup itself, which then is none.
    ///
    /// # Errors
    ///
    /// When `out` takes nothing more.
    pub fn write(&self, about: &About, out: &mut dyn Write) -> io::Result<Result<(), StoreError>> {
        let mut writer = Writer { out, files: vec![] };
        let written = self.write_files(about, &mut writer);
        let outcome = match written {
            Ok(()) => {
                let manifest = Manifest { files: std::mem::take(&mut writer.files) };
                let bytes = serde_json::to_vec(&manifest).map_err(io::Error::other)?;
                writer.whole(MANIFEST, &bytes)?;
                Ok(())
            }
            Err(Stop::Out(error)) => return Err(error),
            Err(Stop::Folder(error)) => {
                let mut reason = error.to_string();
                let mut source = std::error::Error::source(&error);
                while let Some(error) = source {
                    reason += &format!(": {error}");
                    source = error.source();
                }
                writer.whole(BROKEN_OFF, reason.as_bytes())?;
                Err(error)
            }
        };
        writer.out.write_all(&[0; 2 * tar::BLOCK as usize])?;
        writer.out.flush()?;
        Ok(outcome)
    }

    fn write_files(&self, about: &About, writer: &mut Writer<'_>) -> Result<(), Stop> {
        let bytes = serde_json::to_vec_pretty(about).map_err(io::Error::other)?;
        writer.whole(ABOUT, &bytes)?;
        for (digest, file) in &self.blobs {
            let name = crate::blobs::name(*digest);
            let bytes = read_all(&**file).map_err(failed("read", &name))?;
            if Digest::of(&bytes) != *digest {
                let reason = format!("its SHA-256 is {}", Digest::of(&bytes).hex());
                return Err(Stop::Folder(StoreError::Damaged { what: name, reason }));
            }
            writer.whole(&name, &bytes)?;
        }
        if let Some((snapshot, file)) = &self.snapshot {
            writer.file(&format!("{SNAPSHOT}{:010}", snapshot.number()), &**file, snapshot.bytes())?;
        }
        for (place, (name, _)) in self.log.files().iter().enumerate() {
            writer.whole(name, &self.log.read(place)?)?;
        }
        Ok(())
    }
}

/// Why no more is written.
enum Stop {
    /// Nobody takes it.
    Out(io::Error),
    /// The folder is not as it should be.
    Folder(StoreError),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Out(error)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Stop {
        Stop::Folder(error)
    }
}

fn failed(what: &'static str, name: &str) -> impl FnOnce(io::Error) -> StoreError {
    let path = name.to_owned();
    move |source| StoreError::File { what, path, source }
}

struct Writer<'o> {
    out: &'o mut dyn Write,
    files: Vec<Listed>,
}

impl Writer<'_> {
    fn whole(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(&tar::header(name, bytes.len() as u64))?;
        self.out.write_all(bytes)?;
        self.end(name, bytes.len() as u64, Digest::of(bytes))
    }

    fn file(&mut self, name: &str, file: &dyn DiskFile, bytes: u64) -> Result<(), Stop> {
        self.out.write_all(&tar::header(name, bytes))?;
        let (mut sum, mut part) = (Sha256::new(), vec![]);
        let mut at = 0;
        while at < bytes {
            let length = PART.min(bytes - at);
            part.resize(usize::try_from(length).expect("a part is small"), 0);
            // It was whole just now. There is no way back in a tar, so that the rest of it is zeros.
            if let Err(source) = file.read_at(at, &mut part) {
                io::copy(&mut io::Read::take(io::repeat(0), bytes - at + tar::padding(bytes)), self.out)?;
                return Err(Stop::Folder(failed("read", name)(source)));
            }
            sum.update(&part);
            self.out.write_all(&part)?;
            at += length;
        }
        Ok(self.end(name, bytes, Digest::from_bytes(sum.finalize().into()))?)
    }

    fn end(&mut self, name: &str, bytes: u64, sha256: Digest) -> io::Result<()> {
        let padding = usize::try_from(tar::padding(bytes)).expect("less than a block");
        self.out.write_all(&[0; tar::BLOCK as usize][..padding])?;
        self.files.push(Listed { name: name.to_owned(), bytes, sha256 });
        Ok(())
    }
}
