//! Patch bundles: the way to a release for a node on another one that the release does not name.
//!
//! A release that was published stays as it is. When a node runs a hotfix that it does not name, the
//! relup and the edges come in an archive of their own, `NAME-A--B.tar.gz`: `patch.toml`, the
//! resolved release as it would stand in the bundle with A among its predecessors, `relup/A.toml`, and the
//! edges that the bundle does not have. Held together with the bundle it is opened as if
//! the bundle had been built so: the same verifier, the same checker.
//!
//! What must stay true: a patch adds one predecessor and its edges, and changes nothing else of a release; it fits
//! one bundle only, by its digest.
//!
//! What a node keeps is both in one piece ([`join`]), so that the one is never found without the other.

use std::collections::BTreeMap;

use camshaft_cam::code::encode::encode;
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;
use camshaft_manifests::bundle::FileEntry;
use camshaft_manifests::patch::{self as document, PATCH_PATH, PatchEnd, PatchManifest};
use camshaft_manifests::resolved::{self, ResolvedRelease};
use camshaft_manifests::{RelativePath, ReleaseName, Version, relup};

use crate::archive;
use crate::bundle::{Bundle, BundleError, Limits, Packed, check_file};
use crate::crossing::Crossing;
use crate::open::{self, OpenError, OpenedRelease, RELEASE_PATH, edge_path, relup_path};

/// The files of a patch bundle, each proved to be what `patch.toml` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    manifest: PatchManifest,
    digest: Digest,
    files: BTreeMap<RelativePath, Vec<u8>>,
}

/// Why a patch bundle is none, or does not fit.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// The archive.
    #[error("the patch: {0}")]
    Archive(#[from] BundleError),
    /// The first file is another.
    #[error("this is no patch bundle: the first file is not {PATCH_PATH}")]
    NoManifest,
    /// The document has faults.
    #[error("{PATCH_PATH} is refused: {}", .0.first().map_or_else(String::new, Diagnostic::one_line))]
    Manifest(Vec<Diagnostic>),
    /// A file that has no place in a patch.
    #[error("a patch has no file {path}")]
    Place {
        /// The file.
        path: RelativePath,
    },
    /// It is a patch of another bundle.
    #[error("this patch leads to {patch}, and the bundle is {bundle}")]
    Bundle {
        /// Where it leads.
        patch: String,
        /// What it was given with.
        bundle: String,
    },
    /// A way that needs no patch, or for which none can be made.
    #[error("there is no patch to make: {0}")]
    Needless(String),
    /// The bundle with the patch is no release.
    #[error("with the patch: {0}")]
    Open(#[from] OpenError),
    /// It changes what it must not.
    #[error("the patch changes more than a way from {from}: {what}")]
    Changes {
        /// Where it begins.
        from: Version,
        /// What is another.
        what: &'static str,
    },
    /// A bundle and a patch that were not put together by [`join`].
    #[error("this is no bundle with a patch: {0}")]
    Joined(&'static str),
}

impl Patch {
    /// Returns what the patch joins, and what it holds.
    pub fn manifest(&self) -> &PatchManifest {
        &self.manifest
    }

    /// Returns the digest of the patch: the SHA-256 of `patch.toml`.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// Returns the name of the file that a patch bundle is kept in.
pub fn file_name(name: &ReleaseName, from: &Version, to: &Version) -> String {
    format!("{name}-{from}--{to}.tar.gz")
}

/// Writes the patch for a way that was found. The same way gives the same bytes on every machine.
///
/// # Errors
///
/// When the release names the predecessor itself, when the way is not complete or breaks a rule, and when it is too large.
pub fn write(crossing: &Crossing, bundle: &Bundle) -> Result<Packed, PatchError> {
    let (from, to) = (&crossing.from, &crossing.release.resolved);
    if crossing.recorded {
        return Err(PatchError::Needless(format!("{} names {} itself", to.version, from.version)));
    }
    if let Some(missing) = crossing.missing.first() {
        return Err(PatchError::Needless(format!("nothing leads over for {}", missing.machine)));
    }
    let place = |path: String| path.parse::<RelativePath>().expect("paths of bundles are plain");
    let mut files = BTreeMap::new();
    for (digest, edge) in &crossing.release.edges {
        let path = place(edge_path(*digest));
        if bundle.file(path.as_str()).is_none() {
            files.insert(path, encode(edge.module()));
        }
    }
    files.insert(place(relup_path(&from.version)), relup::write(&crossing.relup).into_bytes());
    files.insert(place(RELEASE_PATH.to_owned()), resolved::write(to).into_bytes());
    let manifest = PatchManifest {
        name: to.name.clone(),
        from: PatchEnd { version: from.version.clone(), digest: from.digest },
        to: PatchEnd { version: to.version.clone(), digest: bundle.digest() },
        files: files.iter().map(|(path, content)| (path.clone(), FileEntry::of(content))).collect(),
    };
    let text = document::write(&manifest);
    let rest = files.iter().map(|(path, content)| (path.as_str(), content.as_slice()));
    let bytes = archive::pack(std::iter::once((PATCH_PATH, text.as_bytes())).chain(rest));
    let packed = Packed { bytes, digest: Digest::of(text.as_bytes()) };
    // As a stranger would, so that no patch leaves that a node refuses.
    open(bundle, &read(&packed.bytes)?)?;
    Ok(packed)
}

/// Reads a patch bundle from bytes that nobody has looked at yet.
///
/// # Errors
///
/// The first thing that is not as [`write`] would have written it.
pub fn read(bytes: &[u8]) -> Result<Patch, PatchError> {
    let mut reader = archive::Reader::open(bytes, &Limits::DEFAULT)?;
    let first = reader.next()?.filter(|entry| entry.path.as_str() == PATCH_PATH);
    let content = reader.content(&first.ok_or(PatchError::NoManifest)?)?;
    let source = Source::new(PATCH_PATH, String::from_utf8_lossy(&content));
    let manifest = document::read(&source).map_err(PatchError::Manifest)?;
    let mut files = BTreeMap::new();
    let mut expected = manifest.files.iter();
    while let Some(entry) = reader.next()? {
        let path = entry.path.clone();
        if !manifest.files.contains_key(&path) {
            return Err(BundleError::Surplus { path }.into());
        }
        let Some((_, listed)) = expected.next().filter(|(listed, _)| **listed == path) else {
            return Err(BundleError::Order { path }.into());
        };
        let content = reader.content(&entry)?;
        check_file(&path, listed, &content)?;
        files.insert(path, content);
    }
    if let Some((path, _)) = expected.next() {
        return Err(BundleError::Missing { path: path.clone() }.into());
    }
    let relup = relup_path(&manifest.from.version);
    let has_place = |path: &str| path == RELEASE_PATH || path == relup || path.starts_with("edges/");
    if let Some(path) = files.keys().find(|path| !has_place(path.as_str())) {
        return Err(PatchError::Place { path: path.clone() });
    }
    Ok(Patch { manifest, digest: Digest::of(&content), files })
}

/// Opens a bundle with a patch: the release, with the way that the patch brings.
///
/// # Errors
///
/// The first thing that is wrong with the bundle, with the patch, or with both together.
pub fn open(bundle: &Bundle, patch: &Patch) -> Result<OpenedRelease, PatchError> {
    let PatchManifest { name, from, to, .. } = &patch.manifest;
    let whole = bundle.manifest();
    if (name, &to.version, to.digest) != (&whole.name, &whole.version, bundle.digest()) {
        let shown = |name, version, digest: Digest| format!("{name} {version} ({})", digest.short());
        return Err(PatchError::Bundle {
            patch: shown(name, &to.version, to.digest),
            bundle: shown(&whole.name, &whole.version, bundle.digest()),
        });
    }
    // What the bundle has stays what it is; only the document says more.
    if let Some(path) =
        patch.files.keys().find(|path| path.as_str() != RELEASE_PATH && bundle.files().contains_key(*path))
    {
        return Err(PatchError::Place { path: path.clone() });
    }
    let alone = open::open(bundle)?;
    let opened = open::open(&bundle.with(&patch.files))?;
    if let Some(what) = reason_not_only_added(&alone.resolved, &opened.resolved, from) {
        return Err(PatchError::Changes { from: from.version.clone(), what });
    }
    Ok(OpenedRelease { digest: bundle.digest(), ..opened })
}

/// Returns what a patch changes beside adding a predecessor and its edges.
fn reason_not_only_added(
    alone: &ResolvedRelease,
    patched: &ResolvedRelease,
    from: &PatchEnd,
) -> Option<&'static str> {
    let mut rest = patched.clone();
    let (added, others) = rest
        .predecessors
        .into_iter()
        .partition::<Vec<_>, _>(|one| one.version == from.version && one.digest == from.digest);
    let [added] = &added[..] else { return Some("it does not add the release that it starts from") };
    if alone.predecessors.iter().any(|one| one.version == from.version) {
        return Some("the release names this version itself");
    }
    rest.predecessors = others;
    let (edges, new) = rest.edges.into_iter().partition::<Vec<_>, _>(|edge| alone.edges.contains(edge));
    rest.edges = edges;
    let begins = |edge: &resolved::ResolvedEdge| {
        let machine = added.composition.machine(&edge.machine);
        machine.is_some_and(|machine| machine.digest == edge.from)
    };
    if !new.iter().all(begins) {
        return Some("it adds an edge from elsewhere");
    }
    (rest != *alone).then_some("the release itself is another")
}

/// What stands before a bundle that was joined with a patch. No bundle begins so: they begin as gzip does.
const JOINED: &[u8] = b"camshaft bundle and patch 1\n";

/// Puts a bundle and a patch into one piece, for a node to take and to keep.
pub fn join(bundle: &[u8], patch: &[u8]) -> Vec<u8> {
    [JOINED, &(bundle.len() as u64).to_le_bytes(), bundle, patch].concat()
}

/// Takes apart what [`join`] put together; what was not joined is a bundle alone.
///
/// # Errors
///
/// When it begins as something joined, and is not.
pub fn split(bytes: &[u8]) -> Result<(&[u8], Option<&[u8]>), PatchError> {
    let Some(rest) = bytes.strip_prefix(JOINED) else { return Ok((bytes, None)) };
    let (length, rest) = rest.split_first_chunk::<8>().ok_or(PatchError::Joined("its length is cut off"))?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok().filter(|length| *length <= rest.len());
    let (bundle, patch) = rest.split_at(length.ok_or(PatchError::Joined("the bundle is cut off"))?);
    if patch.is_empty() {
        return Err(PatchError::Joined("there is no patch in it"));
    }
    Ok((bundle, Some(patch)))
}

#[cfg(test)]
mod tests;
