//! What each address does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use camshaft_cam::digest::Digest;
use camshaft_manifests::published::{Stamp, WHO_BYTES_MAX, Yank};
use camshaft_manifests::{AppName, RelativePath, ReleaseName, Version};
use camshaft_releases::bundle::Limits;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::problem::{BAD_REQUEST, FAULT, Failed, METHOD, NOT_FOUND, TOO_LARGE, WRONG_DIGEST};
use super::range::{self, Served};
use super::token::{self, Token};
use crate::error::RegistryError;
use crate::folder::Folder;
use crate::source::{Entry, Publication, Registry as _, SIGNATURE_BYTES_MAX};

/// The header in which a publisher says who it is.
pub const OPERATOR_HEADER: &str = "camshaft-operator";

/// Whoever needs longer for one body has gone to sleep.
const BODY_PATIENCE: Duration = Duration::from_secs(600);

/// How many bodies are in memory at once, each at most a file of a bundle.
const BODIES_MAX: usize = 8;

/// The largest question for what is missing, in bytes: as many digests as a bundle may have files.
const QUESTION_BYTES_MAX: usize = 2 << 20;

/// What the handlers share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) folder: Arc<Folder>,
    pub(super) token: Option<Token>,
    pub(super) clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    pub(super) bodies: Arc<Semaphore>,
    /// Putting a bundle together takes as much memory as one may have; one at a time.
    pub(super) publishing: Arc<Semaphore>,
}

impl Shared {
    pub(super) fn new(
        folder: Folder,
        token: Option<Token>,
        clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    ) -> Shared {
        let (bodies, publishing) = (Arc::new(Semaphore::new(BODIES_MAX)), Arc::new(Semaphore::new(1)));
        Shared { folder: Arc::new(folder), token, clock, bodies, publishing }
    }
}

/// `GET /v1/releases`, `/v1/releases/NAME` and `/v1/apps/APP`.
#[derive(Debug, Serialize, Deserialize)]
pub struct ReleaseList {
    /// The releases, by name and version.
    pub releases: Vec<Entry>,
}

/// `POST /v1/blobs/missing`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MissingQuestion {
    /// Contents, with their sizes.
    pub contents: BTreeMap<Digest, u64>,
}

/// The answer to it.
#[derive(Debug, Serialize, Deserialize)]
pub struct MissingAnswer {
    /// Those of the contents that the registry lacks.
    pub missing: BTreeSet<Digest>,
}

/// `PUT /v1/releases/NAME/VERSION/yank`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct YankRequest {
    /// Why.
    pub reason: String,
}

/// Returns the service of a registry.
pub(super) fn router(shared: Shared) -> Router {
    let release = get(release).put(publish).fallback(wrong_method);
    Router::new()
        .route("/v1/releases", get(list).fallback(wrong_method))
        .route("/v1/releases/{name}", get(releases).fallback(wrong_method))
        .route("/v1/releases/{name}/{version}", release)
        .route("/v1/releases/{name}/{version}/signature", get(signature).fallback(wrong_method))
        .route("/v1/releases/{name}/{version}/yank", put(yank).delete(unyank).fallback(wrong_method))
        .route("/v1/apps/{app}", get(holding).fallback(wrong_method))
        .route("/v1/blobs/missing", post(missing).fallback(wrong_method))
        .route("/v1/blobs/{digest}", get(blob).put(put_blob).fallback(wrong_method))
        .route("/v1/tuf/{*path}", get(tuf).fallback(wrong_method))
        .fallback(nothing_here)
        // Each body has a limit of its own, below.
        .layer(DefaultBodyLimit::disable())
        .with_state(shared)
}

async fn nothing_here() -> Failed {
    NOT_FOUND.problem("this registry has nothing at this address")
}

async fn wrong_method() -> Failed {
    METHOD.problem("this address does not take this method")
}

/// Does something that blocks on a thread of its own.
async fn blocking<T: Send + 'static>(
    shared: &Shared,
    work: impl FnOnce(&Folder) -> Result<T, RegistryError> + Send + 'static,
) -> Result<T, Failed> {
    let folder = shared.folder.clone();
    match tokio::task::spawn_blocking(move || work(&folder)).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(FAULT.problem("the request panicked; this is a fault of ours")),
    }
}

/// Answers in JSON; its ETag is its digest.
fn json(headers: &HeaderMap, value: &impl Serialize) -> Result<Response, Failed> {
    let body = serde_json::to_vec(value).map_err(|error| FAULT.problem(error.to_string()))?;
    let tag = format!("\"{}\"", Digest::of(&body));
    if let Some(unchanged) = range::unchanged(headers, &tag) {
        return Ok(unchanged);
    }
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::ETAG, tag)];
    Ok((StatusCode::OK, headers, body).into_response())
}

type Parts = Result<Path<HashMap<String, String>>, PathRejection>;

/// Returns a part of the path, parsed. What cannot be anything's name is nowhere.
fn part<T: std::str::FromStr<Err: std::fmt::Display>>(parts: &Parts, name: &str) -> Result<T, Failed> {
    let parts = parts.as_ref().map_err(|error| BAD_REQUEST.problem(error.body_text()))?;
    let text = parts.get(name).map_or("", String::as_str);
    text.parse().map_err(|error| NOT_FOUND.problem(format!("the {name}: {error}")))
}

async fn list(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Failed> {
    let releases = blocking(&shared, |folder| folder.list()).await?;
    json(&headers, &ReleaseList { releases })
}

async fn releases(
    State(shared): State<Shared>,
    parts: Parts,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let name: ReleaseName = part(&parts, "name")?;
    let releases = blocking(&shared, move |folder| folder.releases(&name)).await?;
    json(&headers, &ReleaseList { releases })
}

async fn holding(State(shared): State<Shared>, parts: Parts, headers: HeaderMap) -> Result<Response, Failed> {
    let app: AppName = part(&parts, "app")?;
    let releases = blocking(&shared, move |folder| folder.holding(&app)).await?;
    json(&headers, &ReleaseList { releases })
}

async fn release(State(shared): State<Shared>, parts: Parts, headers: HeaderMap) -> Result<Response, Failed> {
    let (name, version): (ReleaseName, Version) = (part(&parts, "name")?, part(&parts, "version")?);
    let shown = format!("there is no {name} {version}");
    let entry = blocking(&shared, move |folder| folder.release(&name, &version)).await?;
    json(&headers, &entry.ok_or_else(|| NOT_FOUND.problem(shown))?)
}

async fn signature(State(shared): State<Shared>, parts: Parts) -> Result<Response, Failed> {
    let (name, version): (ReleaseName, Version) = (part(&parts, "name")?, part(&parts, "version")?);
    let shown = format!("{name} {version} has no signatures");
    let bytes = blocking(&shared, move |folder| folder.signature(&name, &version)).await?;
    let bytes = bytes.ok_or_else(|| NOT_FOUND.problem(shown))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

async fn blob(State(shared): State<Shared>, parts: Parts, headers: HeaderMap) -> Result<Response, Failed> {
    let digest: Digest = part(&parts, "digest")?;
    let found = blocking(&shared, move |folder| folder.locate(digest)).await?;
    let (path, bytes) = found.ok_or_else(|| NOT_FOUND.problem(format!("there is no file {digest}")))?;
    let tag = Some(digest.to_string());
    range::serve(Served { path, bytes, tag, media_type: "application/octet-stream" }, &headers).await
}

/// Files that TUF keeps beside: plain names only, and nothing that a link leads out to.
async fn tuf(State(shared): State<Shared>, parts: Parts, headers: HeaderMap) -> Result<Response, Failed> {
    let path: RelativePath = part(&parts, "path")?;
    let nothing = || NOT_FOUND.problem("there is no such file");
    if path.as_str().split('/').any(|name| name.starts_with('.')) {
        return Err(nothing());
    }
    let found = blocking(&shared, move |folder| {
        let root = folder.root().join("tuf");
        // What cannot be looked at is not there, for whoever asks.
        let found = root.canonicalize().and_then(|root| {
            let path = root.join(path.as_str()).canonicalize()?;
            let data = std::fs::metadata(&path)?;
            Ok((path.starts_with(&root) && data.is_file()).then_some((path, data.len())))
        });
        Ok(found.ok().flatten())
    })
    .await?;
    let (path, bytes) = found.ok_or_else(nothing)?;
    range::serve(Served { path, bytes, tag: None, media_type: "application/json" }, &headers).await
}

/// Reads a body of at most `bytes_max` bytes, of a client that may write.
async fn read_body(body: Body, bytes_max: usize) -> Result<Vec<u8>, Failed> {
    let read = tokio::time::timeout(BODY_PATIENCE, to_bytes(body, bytes_max)).await;
    let read = read.map_err(|_| BAD_REQUEST.problem("the body does not end"))?;
    read.map(Into::into).map_err(|error| {
        let limited = std::error::Error::source(&error)
            .is_some_and(|source| source.to_string().contains("length limit exceeded"));
        match limited {
            true => TOO_LARGE.problem(format!("the body has more than {bytes_max} bytes")),
            false => BAD_REQUEST.problem(format!("the body broke off: {error}")),
        }
    })
}

fn read_json<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failed> {
    serde_json::from_slice(body).map_err(|error| BAD_REQUEST.problem(format!("the body: {error}")))
}

fn stamp(shared: &Shared, headers: &HeaderMap) -> Result<Stamp, Failed> {
    let who = headers.get(OPERATOR_HEADER).map(|who| who.to_str().unwrap_or_default());
    let by = who.unwrap_or("somebody").to_owned();
    if by.is_empty() || by.len() > WHO_BYTES_MAX || !by.bytes().all(|byte| byte.is_ascii_graphic()) {
        let reason =
            format!("the header {OPERATOR_HEADER} has 1 to {WHO_BYTES_MAX} visible ASCII characters");
        return Err(BAD_REQUEST.problem(reason));
    }
    Ok(Stamp { at_ms: (shared.clock)(), by })
}

async fn missing(State(shared): State<Shared>, headers: HeaderMap, body: Body) -> Result<Response, Failed> {
    token::check(shared.token.as_ref(), &headers)?;
    let question: MissingQuestion = read_json(&read_body(body, QUESTION_BYTES_MAX).await?)?;
    let missing = blocking(&shared, move |folder| folder.missing(&question.contents)).await?;
    json(&HeaderMap::new(), &MissingAnswer { missing })
}

async fn put_blob(
    State(shared): State<Shared>,
    parts: Parts,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    token::check(shared.token.as_ref(), &headers)?;
    let digest: Digest = part(&parts, "digest")?;
    let room = shared.bodies.clone().acquire_owned().await;
    let content = read_body(body, Limits::DEFAULT.file_bytes_max).await?;
    let found = Digest::of(&content);
    if found != digest {
        return Err(WRONG_DIGEST.problem(format!("the digest of what came is {found}")));
    }
    blocking(&shared, move |folder| folder.put(&content)).await?;
    drop(room);
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn publish(
    State(shared): State<Shared>,
    parts: Parts,
    query: Result<Query<HashMap<String, String>>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    token::check(shared.token.as_ref(), &headers)?;
    let (name, version): (ReleaseName, Version) = (part(&parts, "name")?, part(&parts, "version")?);
    let Query(query) = query.map_err(|error| BAD_REQUEST.problem(error.body_text()))?;
    let digest = query.get("digest").map_or("", String::as_str);
    let digest: Digest =
        digest.parse().map_err(|error| BAD_REQUEST.problem(format!("the parameter `digest`: {error}")))?;
    let stamp = stamp(&shared, &headers)?;
    let signature = read_body(body, usize::try_from(SIGNATURE_BYTES_MAX).unwrap_or(usize::MAX)).await?;
    let signature = (!signature.is_empty()).then_some(signature);
    let by = stamp.by.clone();
    let publication = Publication { name, version, digest, stamp, signature };
    let (name, version) = (publication.name.clone(), publication.version.clone());
    let alone = shared.publishing.clone().acquire_owned().await;
    let (new, entry) = blocking(&shared, move |folder| {
        let new = folder.publish(&publication)?;
        Ok((new, folder.release(&publication.name, &publication.version)?))
    })
    .await?;
    drop(alone);
    tracing::info!(%name, %version, %digest, by, new, "published");
    let mut response = json(&HeaderMap::new(), &entry)?;
    *response.status_mut() = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok(response)
}

async fn yank(
    State(shared): State<Shared>,
    parts: Parts,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    token::check(shared.token.as_ref(), &headers)?;
    let request: YankRequest = read_json(&read_body(body, QUESTION_BYTES_MAX).await?)?;
    let yank = Yank { reason: request.reason, stamp: stamp(&shared, &headers)? };
    mark(&shared, &parts, Some(yank)).await
}

async fn unyank(State(shared): State<Shared>, parts: Parts, headers: HeaderMap) -> Result<Response, Failed> {
    token::check(shared.token.as_ref(), &headers)?;
    mark(&shared, &parts, None).await
}

async fn mark(shared: &Shared, parts: &Parts, yank: Option<Yank>) -> Result<Response, Failed> {
    let (name, version): (ReleaseName, Version) = (part(parts, "name")?, part(parts, "version")?);
    tracing::info!(%name, %version, yanked = yank.is_some(), "marked");
    let entry = blocking(shared, move |folder| folder.mark(&name, &version, yank.as_ref())).await?;
    json(&HeaderMap::new(), &entry)
}
