//! A registry that is reached over HTTP.
//!
//! What must stay true: nothing that the server sends is believed. Answers are read up to a limit,
//! files up to the size that they have to have, and used once their digest is right. Only what may
//! pass is tried again: a connection that fails or breaks off, a server that is busy. Everything
//! that is asked for may be asked for twice.

mod download;
pub mod pace;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use camshaft_cam::digest::Digest;
use camshaft_manifests::published::Yank;
use camshaft_manifests::{AppName, ReleaseName, Version};
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{AUTHORIZATION, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;

use crate::error::RegistryError;
use crate::http::problem::Problem;
use crate::http::{MissingAnswer, MissingQuestion, OPERATOR_HEADER, ReleaseList, Token, YankRequest};
use crate::source::{Entry, Publication, Registry, SIGNATURE_BYTES_MAX};

use pace::{Attempts, Pace, SystemPace};

/// How long to wait for a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// How long to wait for the next bytes, or for a server that verifies what it got.
const SILENCE: Duration = Duration::from_secs(60);

/// How long one answer may take, from the first byte to the last.
const ANSWER: Duration = Duration::from_secs(600);

/// No answer but a file is larger, in bytes.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// What a server says is shown up to this length, in characters.
const SHOWN_MAX: usize = 200;

/// A registry that is reached over HTTP.
#[derive(Debug)]
pub struct HttpRegistry {
    base: Url,
    client: Client,
    token: Option<Token>,
    pace: Arc<dyn Pace>,
}

/// What came of an attempt that failed.
enum Failure {
    /// It may pass; the server asked for this wait.
    Passing(Box<RegistryError>, Option<Duration>),
    /// It will not.
    Lasting(Box<RegistryError>),
}

fn passing(error: RegistryError) -> Failure {
    Failure::Passing(Box::new(error), None)
}

fn lasting(error: RegistryError) -> Failure {
    Failure::Lasting(Box::new(error))
}

impl HttpRegistry {
    /// Returns the registry at an address such as `https://registry.example/camshaft`.
    ///
    /// # Errors
    ///
    /// When it is no such address.
    pub fn at(address: &str, token: Option<Token>) -> Result<HttpRegistry, RegistryError> {
        HttpRegistry::with_pace(address, token, Arc::new(SystemPace))
    }

    /// Does what [`HttpRegistry::at`] does with another clock.
    ///
    /// # Errors
    ///
    /// When it is no such address.
    pub fn with_pace(
        address: &str,
        token: Option<Token>,
        pace: Arc<dyn Pace>,
    ) -> Result<HttpRegistry, RegistryError> {
        let refused =
            |why: &str| RegistryError::Address { address: harmless(address), reason: why.to_owned() };
        let base = Url::parse(address).map_err(|error| refused(&error.to_string()))?;
        let secure = match base.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(refused("it does not begin with https:// or http://")),
        };
        if base.host_str().is_none_or(str::is_empty) {
            return Err(refused("it names no host"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(refused("it carries a user name or password"));
        }
        if base.query().is_some() || base.fragment().is_some() {
            return Err(refused("something stands behind its path"));
        }
        let here = is_loopback(&base);
        if token.is_some() && !secure && !here {
            return Err(refused("a token goes over https, or to this machine"));
        }
        let builder = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(SILENCE)
            // A registry does not send elsewhere; who does has something else in mind.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("camshaft/", env!("CARGO_PKG_VERSION")));
        // Elsewhere is reached as the environment says (HTTPS_PROXY, NO_PROXY).
        let builder = if here { builder.no_proxy() } else { builder };
        let client = builder.build().map_err(|error| refused(&crate::error::chain(&error)))?;
        Ok(HttpRegistry { base, client, token, pace })
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().push("v1").extend(path);
        }
        url
    }

    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.client.request(method, self.url(path))
    }

    /// A request of who may write.
    fn writing(&self, method: Method, path: &[&str]) -> RequestBuilder {
        self.with_token(self.request(method, path))
    }

    fn with_token(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.header(AUTHORIZATION, token.header()),
            None => request,
        }
    }

    /// Sends a request until it is answered, and returns an answer that agrees.
    fn send(&self, request: impl Fn() -> RequestBuilder) -> Result<(StatusCode, Vec<u8>), RegistryError> {
        let mut attempts = Attempts::new(&*self.pace);
        loop {
            match self.attempt(request()).and_then(|response| self.body(response, ANSWER_BYTES_MAX)) {
                Ok(answer) => return Ok(answer),
                Err(Failure::Lasting(error)) => return Err(*error),
                Err(Failure::Passing(error, asked)) => {
                    if !attempts.again(asked) {
                        return Err(*error);
                    }
                }
            }
        }
    }

    fn json<T: DeserializeOwned>(&self, request: impl Fn() -> RequestBuilder) -> Result<T, RegistryError> {
        let (_, body) = self.send(request)?;
        serde_json::from_slice(&body).map_err(|error| self.strange(format!("its answer: {error}")))
    }

    /// Sends a request once. An answer that refuses is a failure.
    fn attempt(&self, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().map_err(|error| {
            let ours = error.is_builder();
            let error = Box::new(self.no_answer(crate::error::chain(&error)));
            if ours { Failure::Lasting(error) } else { Failure::Passing(error, None) }
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status.is_redirection() {
            let to = response
                .headers()
                .get(LOCATION)
                .map(|to| String::from_utf8_lossy(to.as_bytes()).into_owned());
            let to = harmless(&to.unwrap_or_default());
            return Err(lasting(self.strange(format!("it sends elsewhere, to `{to}`"))));
        }
        let asked = response.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
        let may_pass = matches!(status.as_u16(), 408 | 429 | 500 | 502 | 503 | 504);
        let (_, body) = self.body(response, SIGNATURE_BYTES_MAX)?;
        let error = Box::new(self.refusal(status, &body));
        Err(match may_pass {
            true => Failure::Passing(error, asked.map(Duration::from_secs)),
            false => Failure::Lasting(error),
        })
    }

    /// Reads an answer of at most `bytes_max` bytes.
    fn body(&self, response: Response, bytes_max: u64) -> Result<(StatusCode, Vec<u8>), Failure> {
        let status = response.status();
        let mut body = Vec::new();
        self.read(response, &mut body, bytes_max)?;
        Ok((status, body))
    }

    /// Reads what comes to the end of `into`, which is to have at most `bytes_max` bytes.
    fn read(&self, response: Response, into: &mut Vec<u8>, bytes_max: u64) -> Result<(), Failure> {
        let until = self.pace.now() + ANSWER;
        let mut response = response.take((bytes_max + 1).saturating_sub(into.len() as u64));
        let mut chunk = vec![0; 64 << 10];
        loop {
            let count = response
                .read(&mut chunk)
                .map_err(|error| passing(self.no_answer(format!("the answer broke off: {error}"))))?;
            if count == 0 {
                return Ok(());
            }
            into.extend_from_slice(&chunk[..count]);
            if into.len() as u64 > bytes_max {
                return Err(lasting(self.strange(format!("it sends more than {bytes_max} bytes"))));
            }
            if self.pace.now() > until {
                return Err(lasting(self.no_answer("the answer takes too long".to_owned())));
            }
        }
    }

    fn refusal(&self, status: StatusCode, body: &[u8]) -> RegistryError {
        match serde_json::from_slice::<Problem>(body) {
            Ok(problem) => {
                let [title, detail, hint] =
                    [&problem.title, &problem.detail, &problem.hint].map(|text| harmless(text));
                RegistryError::Refused(Box::new(Problem { title, detail, hint, ..problem }))
            }
            Err(_) => {
                self.strange(format!("HTTP status {status}: {}", harmless(&String::from_utf8_lossy(body))))
            }
        }
    }

    fn no_answer(&self, reason: String) -> RegistryError {
        RegistryError::NoAnswer { place: self.place(), reason }
    }

    fn strange(&self, reason: String) -> RegistryError {
        RegistryError::Strange { place: self.place(), reason }
    }

    fn entries(&self, path: &[&str]) -> Result<Vec<Entry>, RegistryError> {
        let list: ReleaseList = self.json(|| self.request(Method::GET, path))?;
        Ok(list.releases)
    }
}

impl Registry for HttpRegistry {
    fn place(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    fn list(&self) -> Result<Vec<Entry>, RegistryError> {
        self.entries(&["releases"])
    }

    fn releases(&self, name: &ReleaseName) -> Result<Vec<Entry>, RegistryError> {
        self.entries(&["releases", name.as_str()])
    }

    fn holding(&self, app: &AppName) -> Result<Vec<Entry>, RegistryError> {
        let mut entries = self.entries(&["apps", app.as_str()])?;
        entries.retain(|entry| entry.release.apps.iter().any(|held| held.name == *app));
        Ok(entries)
    }

    fn content(&self, digest: Digest, bytes: Option<u64>) -> Result<Vec<u8>, RegistryError> {
        download::content(self, digest, bytes)
    }

    fn signature(&self, name: &ReleaseName, version: &Version) -> Result<Option<Vec<u8>>, RegistryError> {
        let version = version.to_string();
        let path = ["releases", name.as_str(), &version, "signature"];
        match self.send(|| self.request(Method::GET, &path)) {
            Ok((_, bytes)) if bytes.len() as u64 > SIGNATURE_BYTES_MAX => {
                let bytes = bytes.len() as u64;
                Err(RegistryError::SignatureTooLarge { bytes, max: SIGNATURE_BYTES_MAX })
            }
            Ok((_, bytes)) => Ok(Some(bytes)),
            Err(RegistryError::Refused(problem)) if problem.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn missing(&self, contents: &BTreeMap<Digest, u64>) -> Result<BTreeSet<Digest>, RegistryError> {
        let question = MissingQuestion { contents: contents.clone() };
        let ask = || self.writing(Method::POST, &["blobs", "missing"]).json(&question);
        self.json::<MissingAnswer>(ask).map(|answer| answer.missing)
    }

    fn put(&self, content: &[u8]) -> Result<(), RegistryError> {
        let digest = Digest::of(content).to_string();
        let put = || self.writing(Method::PUT, &["blobs", &digest]).body(content.to_vec());
        self.send(put).map(drop)
    }

    fn publish(&self, publication: &Publication) -> Result<bool, RegistryError> {
        let (version, digest) = (publication.version.to_string(), publication.digest.to_string());
        let path = ["releases", publication.name.as_str(), &version];
        let mut url = self.url(&path);
        url.query_pairs_mut().append_pair("digest", &digest);
        let (status, _) = self.send(|| {
            self.with_token(self.client.request(Method::PUT, url.clone()))
                .header(OPERATOR_HEADER, &publication.stamp.by)
                .body(publication.signature.clone().unwrap_or_default())
        })?;
        Ok(status == StatusCode::CREATED)
    }

    fn mark(
        &self,
        name: &ReleaseName,
        version: &Version,
        yank: Option<&Yank>,
    ) -> Result<Entry, RegistryError> {
        let version = version.to_string();
        let path = ["releases", name.as_str(), &version, "yank"];
        self.json(|| match yank {
            Some(yank) => self
                .writing(Method::PUT, &path)
                .header(OPERATOR_HEADER, &yank.stamp.by)
                .json(&YankRequest { reason: yank.reason.clone() }),
            None => self.writing(Method::DELETE, &path),
        })
    }
}

/// Returns true when an address leads to this machine.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns what a server says in a form that does no harm where it is shown.
fn harmless(text: &str) -> String {
    let shown = text.trim().chars().take(SHOWN_MAX);
    shown.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
