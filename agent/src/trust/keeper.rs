//! The metadata that a node trusts: from the root that was pinned, kept in `trust/metadata.json` of its
//! data folder, and never older than it was.
//!
//! What is kept is the files themselves. They are verified again whenever the agent starts, so a copy that is
//! damaged is seen by its signatures.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camshaft_registry::tuf::{self, Files, MetadataError, Source, Trusted};
use serde::{Deserialize, Serialize};

use super::book::{BookError, FOLDER, replace};

const FILE: &str = "metadata.json";

/// The format that this version writes and reads.
const FORMAT: u64 = 1;

#[derive(Serialize, Deserialize)]
struct Wire {
    format: u64,
    /// Base64 by path.
    files: BTreeMap<String, String>,
}

/// The metadata of a node.
pub struct Keeper {
    root: Vec<u8>,
    source: Option<Arc<dyn Source>>,
    folder: PathBuf,
    trusted: Option<Trusted>,
}

impl Keeper {
    /// Opens what was trusted last, from the root that is pinned.
    ///
    /// # Errors
    ///
    /// When the root is none, or what was kept does not follow from it.
    pub fn open(root: Vec<u8>, source: Option<Arc<dyn Source>>, data: &Path) -> Result<Keeper, BookError> {
        // Nothing follows from a good root yet; what is wrong with a bad one is told at once.
        match tuf::load(&root, None, Arc::new(Files::new())) {
            Err(MetadataError::Unavailable(_)) | Ok(_) => {}
            Err(error) => return Err(BookError::Root(error.to_string())),
        }
        let folder = data.join(FOLDER);
        let path = folder.join(FILE);
        let trusted = match fs::read(&path) {
            Ok(bytes) => {
                let files = read(&bytes).map_err(|reason| damaged(&path, reason))?;
                let trusted = tuf::load(&root, None, Arc::new(files));
                Some(trusted.map_err(|error| damaged(&path, error.to_string()))?)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(BookError::Disk { operation: "read", path, source }),
        };
        Ok(Keeper { root, source, folder, trusted })
    }

    /// Returns the metadata to rely on now: the newest that can be had. Where the source cannot be
    /// reached it is what was trusted last, for as long as it is good.
    ///
    /// # Errors
    ///
    /// When the source has what is not to be trusted, or there is nothing whose time is not over.
    pub fn newest(&mut self, now_ms: i64) -> Result<&Trusted, MetadataError> {
        match self.load() {
            Ok(()) => {}
            Err(MetadataError::Unavailable(reason)) if self.trusted.is_some() => {
                tracing::warn!("the metadata cannot be had, and what was trusted last is used: {reason}");
            }
            Err(error) => return Err(error),
        }
        let none =
            || MetadataError::Unavailable("none was ever trusted here, and no source is named".to_owned());
        let trusted = self.trusted.as_ref().ok_or_else(none)?;
        match trusted.reason_expired(now_ms) {
            Some(error) => Err(error),
            None => Ok(trusted),
        }
    }

    fn load(&mut self) -> Result<(), MetadataError> {
        let Some(source) = &self.source else { return Ok(()) };
        let trusted = tuf::load(&self.root, self.trusted.as_ref(), source.clone())?;
        if self.trusted.as_ref().is_none_or(|before| before.files != trusted.files) {
            // Durable before it is relied on: after a crash nothing older is trusted.
            let kept = replace(&self.folder, FILE, write(&trusted.files).as_bytes());
            kept.map_err(|error| MetadataError::System(error.to_string()))?;
        }
        self.trusted = Some(trusted);
        Ok(())
    }

    /// Returns what was trusted last.
    pub fn trusted(&self) -> Option<&Trusted> {
        self.trusted.as_ref()
    }
}

fn damaged(path: &Path, reason: String) -> BookError {
    BookError::Metadata { path: path.to_owned(), reason }
}

fn read(bytes: &[u8]) -> Result<Files, String> {
    let wire: Wire = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if wire.format != FORMAT {
        return Err(format!("it has format {}; this version of camshaft knows format {FORMAT}", wire.format));
    }
    let file = |(path, text): (String, String)| match STANDARD.decode(text) {
        Ok(bytes) => Ok((path, bytes)),
        Err(_) => Err(format!("{path} is no base64")),
    };
    wire.files.into_iter().map(file).collect()
}

fn write(files: &Files) -> String {
    let files = files.iter().map(|(path, bytes)| (path.clone(), STANDARD.encode(bytes)));
    let wire = Wire { format: FORMAT, files: files.collect() };
    serde_json::to_string_pretty(&wire).expect("texts always have a JSON form") + "\n"
}
