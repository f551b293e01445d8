//! Reading metadata that may be hostile: from a root that was pinned, over what was trusted last, to
//! what is trusted now.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use camshaft_cam::diagnostic::{Diagnostic, Source as Text};
use camshaft_cam::digest::Digest;
use camshaft_manifests::signers::{self, Signers};
use camshaft_manifests::{ReleaseName, Version};
use reqwest::Url;
use tough::error::Error as Tough;
use tough::schema::Role;
use tough::{
    ExpirationEnforcement, IntoVec, Limits, Repository, RepositoryLoader, TargetName, Transport,
    TransportError, TransportErrorKind, TransportStream,
};

use super::source::{Source, SourceError};
use super::{FILE_BYTES_MAX, RELEASES, SIGNERS, release_target};

/// Files by their path within `tuf/`: what was trusted, kept to be verified again.
pub type Files = BTreeMap<String, Vec<u8>>;

/// No URL is ever asked for; tough names files by them.
const BASE: &str = "tuf://registry/";

/// How many roots may follow the one that is trusted.
const ROOTS_MAX: u64 = 256;

/// Metadata that was verified.
#[derive(Debug, Clone)]
pub struct Trusted {
    /// The version of the root.
    pub root: u64,
    /// The version of the timestamp.
    pub timestamp: u64,
    /// The version of the snapshot.
    pub snapshot: u64,
    /// Who may sign which releases.
    pub signers: Signers,
    /// When each role expires.
    expires: Vec<(&'static str, i64)>,
    listed: BTreeMap<String, (Digest, Option<String>)>,
    /// All files that it was verified from.
    pub files: Files,
}

/// What the metadata says of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// Nothing: it was not published there, or was hidden.
    No,
    /// It has this digest.
    As(Digest),
    /// It has this digest and is not to be used any more.
    Yanked(Digest, String),
}

/// Why metadata is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// A file does not come.
    #[error("the metadata cannot be had: {0}")]
    Unavailable(String),
    /// Older than what was trusted before.
    #[error("the metadata is older than what was trusted before: {0}")]
    Older(String),
    /// Files that do not belong together.
    #[error("the metadata does not belong together: {0}")]
    Mixed(String),
    /// Larger than may be.
    #[error("the metadata is too large: {0}")]
    TooLarge(String),
    /// Not signed as it has to be.
    #[error("the metadata is not signed as it has to be: {0}")]
    Signature(String),
    /// Not what metadata looks like.
    #[error("the metadata is garbled: {0}")]
    Garbled(String),
    /// It does not say who may sign.
    #[error("the metadata does not say who may sign: {0}")]
    Signers(String),
    /// Its time is over.
    #[error("the {role} of the metadata expired {hours} h ago")]
    Expired {
        /// Of which role.
        role: &'static str,
        /// Since when.
        hours: i64,
    },
    /// Something of this machine.
    #[error("the metadata cannot be checked: {0}")]
    System(String),
}

impl MetadataError {
    /// Returns the reason for programs.
    pub fn code(&self) -> &'static str {
        match self {
            MetadataError::Unavailable(_) => "metadata-unavailable",
            MetadataError::Older(_) => "metadata-older",
            MetadataError::Mixed(_) => "metadata-mixed",
            MetadataError::TooLarge(_) => "metadata-too-large",
            MetadataError::Signature(_) => "metadata-signature",
            MetadataError::Garbled(_) | MetadataError::Signers(_) => "metadata-garbled",
            MetadataError::Expired { .. } => "metadata-expired",
            MetadataError::System(_) => "metadata-system",
        }
    }
}

impl Trusted {
    /// Returns why the metadata may not be relied on at a time, for what was not verified before. A
    /// clock that was set back makes it young again, and nothing else.
    pub fn reason_expired(&self, now_ms: i64) -> Option<MetadataError> {
        let expired = self.expires.iter().filter(|(_, at)| *at <= now_ms).min_by_key(|(_, at)| *at);
        expired.map(|(role, at)| MetadataError::Expired { role, hours: (now_ms - at) / 3_600_000 })
    }

    /// Returns the role that expires first, and when.
    pub fn expires(&self) -> (&'static str, i64) {
        let first = self.expires.iter().min_by_key(|(_, at)| *at);
        first.copied().unwrap_or(("root", i64::MIN))
    }

    /// Returns what the metadata says of a release.
    pub fn listing(&self, name: &ReleaseName, version: &Version) -> Listing {
        match self.listed.get(&release_target(name.as_str(), &version.to_string())) {
            None => Listing::No,
            Some((digest, None)) => Listing::As(*digest),
            Some((digest, Some(why))) => Listing::Yanked(*digest, why.clone()),
        }
    }

    /// Returns how many releases are listed.
    pub fn listed_count(&self) -> usize {
        self.listed.len()
    }

    /// Returns the newest root, for who trusted an older one.
    fn newest_root(&self) -> Option<&Vec<u8>> {
        self.files.get(&format!("metadata/{}.root.json", self.root))
    }
}

/// Loads the newest metadata of a source. What was trusted `before` came from the same pinned root;
/// nothing older than it is trusted, and its roots are known even where the source hides them.
///
/// # Errors
///
/// Why the metadata is not trusted. Its time is not asked for here.
pub fn load(
    pinned: &[u8],
    before: Option<&Trusted>,
    source: Arc<dyn Source>,
) -> Result<Trusted, MetadataError> {
    let system = |error: std::io::Error| MetadataError::System(error.to_string());
    // tough's own notes are made anew each time: from what was verified, and without its clock.
    let notes = tempfile::tempdir().map_err(system)?;
    let mut fetched = Files::new();
    if let Some(before) = before {
        let snapshot = format!("metadata/{}.snapshot.json", before.snapshot);
        for (path, note) in [("metadata/timestamp.json", "timestamp.json"), (&*snapshot, "snapshot.json")] {
            if let Some(bytes) = before.files.get(path) {
                std::fs::write(notes.path().join(note), bytes).map_err(system)?;
            }
        }
        let roots = before.files.iter().filter(|(path, _)| path.ends_with(".root.json"));
        fetched.extend(roots.map(|(path, bytes)| (path.clone(), bytes.clone())));
    }
    let root = before.and_then(Trusted::newest_root).map_or(pinned, Vec::as_slice);
    let transport = Recorder { source, fetched: Arc::new(Mutex::new(fetched)) };
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(system)?;
    runtime.block_on(verify(root, notes.path(), transport))
}

async fn verify(root: &[u8], notes: &std::path::Path, transport: Recorder) -> Result<Trusted, MetadataError> {
    let base = |folder: &str| Url::parse(&format!("{BASE}{folder}/"));
    let urls = base("metadata").and_then(|metadata| Ok((metadata, base("targets")?)));
    let (metadata, targets) = urls.map_err(|error| MetadataError::System(error.to_string()))?;
    let repository = RepositoryLoader::new(&root, metadata, targets)
        .transport(transport.clone())
        .datastore(notes)
        .limits(Limits {
            max_root_size: FILE_BYTES_MAX,
            max_targets_size: FILE_BYTES_MAX,
            max_timestamp_size: FILE_BYTES_MAX,
            max_snapshot_size: FILE_BYTES_MAX,
            max_root_updates: ROOTS_MAX,
        })
        // Not unsafe here: who relies on it asks `reason_expired`, with a time of its own.
        .expiration_enforcement(ExpirationEnforcement::Unsafe)
        .load()
        .await
        .map_err(|error| of_tough(&error))?;
    let signers = read_signers(&repository).await?;
    let releases = repository.delegated_role(RELEASES).and_then(|role| role.targets.as_ref());
    let releases = releases.ok_or_else(|| MetadataError::Mixed("it lists no releases".to_owned()))?;
    let millis = |at: &jiff::Timestamp| at.as_millisecond();
    let expires = vec![
        ("root", millis(&repository.root().signed.expires())),
        ("timestamp", millis(&repository.timestamp().signed.expires())),
        ("snapshot", millis(&repository.snapshot().signed.expires())),
        ("targets", millis(&repository.targets().signed.expires())),
        (RELEASES, millis(&releases.signed.expires())),
    ];
    let mut listed = BTreeMap::new();
    for (name, target) in &releases.signed.targets {
        let sha256: Result<[u8; 32], _> = target.hashes.sha256.as_ref().try_into();
        let sha256 = sha256.map_err(|_| MetadataError::Garbled(format!("{} has no SHA-256", name.raw())))?;
        let yanked = target.custom.get("yanked").map(|why| why.as_str().unwrap_or("yanked").to_owned());
        listed.insert(name.raw().to_owned(), (Digest::from_bytes(sha256), yanked));
    }
    let mut files = transport.take();
    let version = repository.root().signed.version.get();
    // A root that was pinned was not fetched; the next start needs it no less.
    files.entry(format!("metadata/{version}.root.json")).or_insert_with(|| root.to_vec());
    Ok(Trusted {
        root: version,
        timestamp: repository.timestamp().signed.version.get(),
        snapshot: repository.snapshot().signed.version.get(),
        signers,
        expires,
        listed,
        files,
    })
}

async fn read_signers(repository: &Repository) -> Result<Signers, MetadataError> {
    let name = TargetName::new(SIGNERS).map_err(|error| of_tough(&error))?;
    let stream = repository.read_target(&name).await.map_err(|error| of_tough(&error))?;
    let stream = stream.ok_or_else(|| MetadataError::Signers(format!("it has no {SIGNERS}")))?;
    let bytes = stream.into_vec().await.map_err(|error| of_tough(&error))?;
    let text =
        String::from_utf8(bytes).map_err(|_| MetadataError::Signers(format!("{SIGNERS} is no text")))?;
    signers::read(&Text::new(SIGNERS, text)).map_err(|faults| {
        MetadataError::Signers(faults.first().map(Diagnostic::one_line).unwrap_or_default())
    })
}

/// Sorts what tough refuses by what an operator can do about it.
fn of_tough(error: &Tough) -> MetadataError {
    let text = crate::error::chain(error);
    // What goes wrong within a file that comes is told as a fault of its coming.
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = cause.source() {
        cause = source;
        if let Some(Tough::HashMismatch { .. } | Tough::MaxSizeExceeded { .. }) = cause.downcast_ref() {
            break;
        }
    }
    match cause.downcast_ref::<Tough>() {
        Some(Tough::HashMismatch { .. }) => return MetadataError::Mixed(text),
        Some(Tough::MaxSizeExceeded { .. }) => return MetadataError::TooLarge(text),
        _ => {}
    }
    match error {
        Tough::OlderMetadata { .. }
        | Tough::OlderSnapshotInTimestamp { .. }
        | Tough::SnapshotRoleMissing { .. }
        | Tough::SnapshotRoleRollback { .. } => MetadataError::Older(text),
        Tough::VersionMismatch { .. }
        | Tough::MetaMissing { .. }
        | Tough::MissingSnapshotMeta { .. }
        | Tough::SnapshotTargetsMetaMissing { .. }
        | Tough::TimestampMetaLength { .. } => MetadataError::Mixed(text),
        Tough::HashMismatch { .. } => MetadataError::Mixed(text),
        Tough::MaxSizeExceeded { .. } | Tough::MaxUpdatesExceeded { .. } => MetadataError::TooLarge(text),
        Tough::VerifyMetadata { .. }
        | Tough::VerifyRoleMetadata { .. }
        | Tough::VerifyTrustedMetadata { .. } => MetadataError::Signature(text),
        Tough::ParseMetadata { .. } | Tough::ParseTrustedMetadata { .. } => MetadataError::Garbled(text),
        Tough::Transport { .. } => MetadataError::Unavailable(text),
        _ => MetadataError::System(text),
    }
}

/// Hands files of a source to tough and keeps them. Roots that are known come from memory: who
/// hides a newer root from us does not bring back the older one.
#[derive(Debug, Clone)]
struct Recorder {
    source: Arc<dyn Source>,
    fetched: Arc<Mutex<Files>>,
}

impl Recorder {
    fn take(&self) -> Files {
        std::mem::take(&mut *self.fetched.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, SourceError> {
        let known = self.fetched.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let fetched = self.source.fetch(path)?;
        if let Some(bytes) = &fetched {
            let mut files = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
            files.insert(path.to_owned(), bytes.clone());
        }
        Ok(fetched)
    }
}

#[tough::async_trait]
impl Transport for Recorder {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        let path = url.path().trim_start_matches('/').to_owned();
        let recorder = self.clone();
        let fetched = tokio::task::spawn_blocking(move || Recorder::fetch(&recorder, &path)).await;
        let other = |cause: Box<dyn std::error::Error + Send + Sync>| {
            TransportError::new_with_cause(TransportErrorKind::Other, url.as_str(), cause)
        };
        match fetched {
            Ok(Ok(Some(bytes))) => Ok(Box::pin(futures_util::stream::iter([Ok(tough::Bytes::from(bytes))]))),
            Ok(Ok(None)) => Err(TransportError::new(TransportErrorKind::FileNotFound, url.as_str())),
            Ok(Err(error)) => Err(other(error.into())),
            Err(error) => Err(other(error.into())),
        }
    }
}

impl Source for Files {
    fn fetch(&self, path: &str) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(self.get(path).cloned())
    }
}
