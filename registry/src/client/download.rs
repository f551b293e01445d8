//! Fetching a file: as many bytes as it has to have, resumed where a connection broke off.

use camshaft_cam::digest::Digest;
use camshaft_releases::bundle::Limits;
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, IF_RANGE, RANGE};
use reqwest::{Method, StatusCode};

use super::pace::Attempts;
use super::{Failure, HttpRegistry};
use crate::error::RegistryError;
use crate::source::Registry as _;

/// Returns the content of a digest.
pub(super) fn content(
    registry: &HttpRegistry,
    digest: Digest,
    bytes: Option<u64>,
) -> Result<Vec<u8>, RegistryError> {
    let file_bytes_max = Limits::DEFAULT.file_bytes_max as u64;
    let bytes_max = bytes.unwrap_or(file_bytes_max).min(file_bytes_max);
    let mut fetch = Fetch { registry, digest, bytes, bytes_max, got: Vec::new(), resumed: false };
    let mut attempts = Attempts::new(&*registry.pace);
    loop {
        let before = fetch.got.len();
        let failed = match fetch.attempt() {
            Ok(()) => match fetch.check() {
                Ok(()) => return Ok(fetch.got),
                // Pieces that do not fit together are fetched again as one, once.
                Err(_) if fetch.resumed => {
                    (fetch.got, fetch.resumed) = (Vec::new(), false);
                    continue;
                }
                Err(error) => return Err(error),
            },
            Err(failed) => failed,
        };
        let (error, asked) = match failed {
            Failure::Lasting(error) => match *error {
                RegistryError::Refused(problem) if problem.status == 404 => {
                    return Err(RegistryError::NoContent(digest));
                }
                error => return Err(error),
            },
            Failure::Passing(error, asked) => (*error, asked),
        };
        if fetch.got.len() > before {
            attempts.progressed();
        }
        if !attempts.again(asked) {
            return Err(error);
        }
    }
}

struct Fetch<'r> {
    registry: &'r HttpRegistry,
    digest: Digest,
    bytes: Option<u64>,
    bytes_max: u64,
    got: Vec<u8>,
    /// True when what is there came in more than one piece.
    resumed: bool,
}

impl Fetch<'_> {
    /// Asks for what is not there yet, and takes what comes.
    fn attempt(&mut self) -> Result<(), Failure> {
        let digest = self.digest.to_string();
        let mut request = self.registry.request(Method::GET, &["blobs", &digest]);
        let there = self.got.len() as u64;
        if there > 0 {
            let tag = format!("\"{digest}\"");
            request = request.header(RANGE, format!("bytes={there}-")).header(IF_RANGE, tag);
        }
        let response = self.registry.attempt(request)?;
        let strange = |reason: String| super::lasting(self.registry.strange(reason));
        match response.status() {
            StatusCode::PARTIAL_CONTENT if there > 0 => {
                let range = text(response.headers(), CONTENT_RANGE);
                if !range.starts_with(&format!("bytes {there}-")) {
                    let range = super::harmless(range);
                    return Err(strange(format!("asked for bytes from {there} on, it sends `{range}`")));
                }
                self.resumed = true;
            }
            StatusCode::OK => self.got.clear(),
            status => return Err(strange(format!("asked for a file, it answers with status {status}"))),
        }
        let announced: Option<u64> = text(response.headers(), CONTENT_LENGTH).parse().ok();
        let left = self.bytes_max - self.got.len() as u64;
        if announced.is_some_and(|announced| announced > left) {
            let announced = announced.unwrap_or_default();
            return Err(strange(format!(
                "it has {announced} bytes for {digest}, which has at most {left} more"
            )));
        }
        let (registry, bytes_max) = (self.registry, self.bytes_max);
        registry.read(response, &mut self.got, bytes_max)?;
        match self.bytes {
            Some(bytes) if (self.got.len() as u64) < bytes => {
                let got = self.got.len();
                let reason = format!("the answer broke off after {got} of {bytes} bytes");
                Err(super::passing(self.registry.no_answer(reason)))
            }
            _ => Ok(()),
        }
    }

    fn check(&self) -> Result<(), RegistryError> {
        let found = Digest::of(&self.got);
        if found == self.digest {
            return Ok(());
        }
        let place = self.registry.place();
        Err(RegistryError::WrongContent { place, digest: self.digest, found })
    }
}

fn text(headers: &HeaderMap, name: reqwest::header::HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}
