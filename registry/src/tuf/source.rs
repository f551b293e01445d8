//! Where metadata comes from: a folder, or a server. Nothing that comes is believed.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use reqwest::blocking::Client;

use super::{FILE_BYTES_MAX, FOLDER};

/// How long to wait for a connection, and for one whole file.
const CONNECT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a file does not come.
#[derive(Debug, thiserror::Error)]
#[error("cannot get {path} from {place}: {reason}")]
pub struct SourceError {
    /// Where it was looked for.
    pub place: String,
    /// The file.
    pub path: String,
    /// Why not.
    pub reason: String,
}

/// Where the files of `tuf/` come from.
pub trait Source: Send + Sync + std::fmt::Debug {
    /// Returns a file, or none if there is no such file. Of a file above [`FILE_BYTES_MAX`] one byte
    /// more than that is returned, so that an endless one ends and is seen to be too large.
    ///
    /// # Errors
    ///
    /// When it cannot be known whether there is one.
    fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, SourceError>;
}

/// The folder of a registry, or a copy of its folder `tuf`.
#[derive(Debug, Clone)]
pub struct FolderSource {
    root: PathBuf,
}

impl FolderSource {
    /// Returns the metadata in a folder.
    pub fn new(folder: &Path) -> FolderSource {
        let inner = folder.join(FOLDER);
        FolderSource { root: if inner.is_dir() { inner } else { folder.to_owned() } }
    }
}

impl Source for FolderSource {
    fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, SourceError> {
        let at = self.root.join(path);
        let error = |error: std::io::Error| SourceError {
            place: self.root.display().to_string(),
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let file = match File::open(&at) {
            Ok(file) => file,
            Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(reason) => return Err(error(reason)),
        };
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(error)?;
        Ok(Some(bytes))
    }
}

/// A registry that is reached over HTTP.
#[derive(Debug, Clone)]
pub struct HttpSource {
    base: Url,
}

impl HttpSource {
    /// Returns the metadata of the registry at an address.
    ///
    /// # Errors
    ///
    /// When it is no address.
    pub fn at(address: &str) -> Result<HttpSource, SourceError> {
        let refused = |reason: String| SourceError { place: address.to_owned(), path: String::new(), reason };
        let base = Url::parse(&format!("{}/v1/tuf/", address.trim_end_matches('/')));
        let base = base.map_err(|error| refused(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(refused("it begins with neither https:// nor http://".to_owned()));
        }
        Ok(HttpSource { base })
    }
}

impl Source for HttpSource {
    fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, SourceError> {
        let error =
            |reason: String| SourceError { place: self.base.to_string(), path: path.to_owned(), reason };
        let url = self.base.join(path).map_err(|reason| error(reason.to_string()))?;
        // Made and dropped here, on a thread that may block: an agent ends on one that may not.
        let client = Client::builder().connect_timeout(CONNECT).timeout(PATIENCE);
        let client = client.redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|reason| error(crate::error::chain(&reason)))?;
        let answer = client.get(url).send().map_err(|reason| error(crate::error::chain(&reason)))?;
        match answer.status().as_u16() {
            200 => {}
            404 => return Ok(None),
            status => return Err(error(format!("HTTP status {status}"))),
        }
        let mut bytes = Vec::new();
        let read = answer.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
        read.map_err(|reason| error(reason.to_string()))?;
        Ok(Some(bytes))
    }
}
