//! Bundles: the files of a release in one archive, deterministic to the byte.
//!
//! A [`Bundle`] exists only when every file is what the manifest says it is, in size and
//! SHA-256, with none missing and none surplus. What the files mean is judged in [`crate::open`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use camshaft_cam::diagnostic::Diagnostic;
use camshaft_cam::digest::Digest;
use camshaft_manifests::bundle::{self as document, BundleManifest, FileEntry, MANIFEST_PATH};
use camshaft_manifests::path::PathError;
use camshaft_manifests::{RelativePath, ReleaseName, Version};

use crate::archive;

mod parts;
mod survey;

pub(crate) use parts::check_file;
pub use parts::{Outline, Part, read_part};
pub use survey::{Found, Survey, survey};

/// What a reader of bundles holds at most. Checked before anything is parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The size of the bundle as it comes, in bytes.
    pub compressed_bytes_max: usize,
    /// The size of the archive inside, in bytes; what a bomb would blow up.
    pub unpacked_bytes_max: usize,
    /// The size of one file, in bytes.
    pub file_bytes_max: usize,
    /// The number of files.
    pub files_max: usize,
}

impl Limits {
    /// The limits of agents and of the command line: some ten thousand times a small release,
    /// and what a small node can still hold.
    pub const DEFAULT: Limits = Limits {
        compressed_bytes_max: 64 << 20,
        unpacked_bytes_max: 256 << 20,
        file_bytes_max: 16 << 20,
        // A release of 5,000 machines that all change, from three predecessors, has 20,000 pieces of code.
        files_max: 32_768,
    };
}

/// Why bytes are no bundle.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The source gave no more, for a reason that is not the bundle's.
    #[error("the bundle cannot be read: {0}")]
    Read(String),
    /// Above [`Limits::compressed_bytes_max`].
    #[error("the bundle has more than {max} bytes")]
    TooLarge {
        /// The limit.
        max: usize,
    },
    /// Above [`Limits::unpacked_bytes_max`].
    #[error("the bundle unpacks to more than {max} bytes")]
    UnpackedTooLarge {
        /// The limit.
        max: usize,
    },
    /// Above [`Limits::file_bytes_max`].
    #[error("the file {path} has more than {max} bytes")]
    FileTooLarge {
        /// The file.
        path: RelativePath,
        /// The limit.
        max: usize,
    },
    /// Above [`Limits::files_max`].
    #[error("the bundle has more than {max} files")]
    TooManyFiles {
        /// The limit.
        max: usize,
    },
    /// Cut off.
    #[error("the bundle is truncated: it ends within {0}")]
    Truncated(&'static str),
    /// No gzip, or with optional fields.
    #[error("this is no bundle: it does not begin with the gzip header that bundles have")]
    GzipHeader,
    /// The compressed data makes no sense.
    #[error("the compressed data is damaged")]
    Deflate,
    /// The gzip checksum is another.
    #[error("the bundle is damaged: its checksum does not match")]
    Checksum,
    /// Something follows the end: bytes, another gzip member, another archive.
    #[error("something follows the end of the bundle")]
    AfterEnd,
    /// An entry that is no regular file.
    #[error("the entry `{path}` is {kind}; a bundle holds regular files only")]
    Kind {
        /// The entry.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A header that bundles do not have: another owner, time, mode, form of size, checksum.
    #[error("the header of `{path}` is not as bundles have it")]
    Header {
        /// The entry.
        path: String,
    },
    /// A path that leads elsewhere.
    #[error("the entry `{path}` has a path that bundles do not have")]
    Path {
        /// The path.
        path: String,
        /// What is wrong with it.
        source: PathError,
    },
    /// A path above what an archive header holds.
    #[error("the path {path} has more than {} bytes", archive::PATH_BYTES_MAX)]
    LongPath {
        /// The path.
        path: RelativePath,
    },
    /// The filling after a file is not zeros.
    #[error("something is hidden after the end of {path}")]
    Padding {
        /// The file before it.
        path: RelativePath,
    },
    /// Two files of one path.
    #[error("the file {path} stands twice")]
    Doubled {
        /// The path.
        path: RelativePath,
    },
    /// The manifest is missing or not first.
    #[error("the first file is not {MANIFEST_PATH}")]
    NoManifest,
    /// The manifest has faults.
    #[error("{MANIFEST_PATH} is refused: {}", .0.first().map_or_else(String::new, Diagnostic::one_line))]
    Manifest(Vec<Diagnostic>),
    /// A file of the manifest is not there.
    #[error("the file {path} of the manifest is missing")]
    Missing {
        /// The file.
        path: RelativePath,
    },
    /// A file that the manifest does not have.
    #[error("the manifest has no file {path}")]
    Surplus {
        /// The file.
        path: RelativePath,
    },
    /// Files that do not stand in the order of the manifest.
    #[error("the file {path} does not stand where the manifest has it")]
    Order {
        /// The first such file.
        path: RelativePath,
    },
    /// A file of another size.
    #[error("the file {path} has {found} bytes, the manifest says {expected}")]
    Size {
        /// The file.
        path: RelativePath,
        /// What the manifest says.
        expected: u64,
        /// What is there.
        found: u64,
    },
    /// A file with other content.
    #[error("the file {path} was changed: its digest is {found}, the manifest says {expected}")]
    FileDigest {
        /// The file.
        path: RelativePath,
        /// What the manifest says.
        expected: Digest,
        /// What is there.
        found: Digest,
    },
}

/// The files of a release, each proved to be what the manifest says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    manifest: BundleManifest,
    digest: Digest,
    files: BTreeMap<RelativePath, Vec<u8>>,
}

/// A bundle as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    /// The bytes of `NAME-VERSION.tar.gz`.
    pub bytes: Vec<u8>,
    /// The digest of the bundle.
    pub digest: Digest,
}

impl Bundle {
    /// Returns a bundle with some files more, or others in their place. It is another bundle, which nobody packed.
    pub(crate) fn with(&self, more: &BTreeMap<RelativePath, Vec<u8>>) -> Bundle {
        let mut files = self.files.clone();
        files.extend(more.iter().map(|(path, content)| (path.clone(), content.clone())));
        let listed = files.iter().map(|(path, content)| (path.clone(), FileEntry::of(content))).collect();
        let manifest = BundleManifest { files: listed, ..self.manifest.clone() };
        let digest = Digest::of(document::write(&manifest).as_bytes());
        Bundle { manifest, digest, files }
    }

    /// Returns what the bundle holds.
    pub fn manifest(&self) -> &BundleManifest {
        &self.manifest
    }

    /// Returns the digest of the bundle: the SHA-256 of its manifest.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the files, without the manifest.
    pub fn files(&self) -> &BTreeMap<RelativePath, Vec<u8>> {
        &self.files
    }

    /// Returns the content of a file.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }
}

/// Returns the name of the file that a bundle is kept in.
pub fn file_name(name: &ReleaseName, version: &Version) -> String {
    format!("{name}-{version}.tar.gz")
}

/// Writes a bundle. The same files give the same bytes on every machine.
///
/// # Errors
///
/// When [`read`] would refuse the bundle because it is too large, has too many files or too long
/// a path.
pub fn write(
    name: &ReleaseName,
    version: &Version,
    files: &BTreeMap<RelativePath, Vec<u8>>,
) -> Result<Packed, BundleError> {
    let limits = Limits::DEFAULT;
    let manifest = BundleManifest {
        name: name.clone(),
        version: version.clone(),
        files: files.iter().map(|(path, content)| (path.clone(), FileEntry::of(content))).collect(),
    };
    let text = document::write(&manifest);
    parts::check_limits(&manifest, text.len(), &limits)?;
    let rest = files.iter().map(|(path, content)| (path.as_str(), content.as_slice()));
    let bytes = archive::pack(std::iter::once((MANIFEST_PATH, text.as_bytes())).chain(rest));
    if bytes.len() > limits.compressed_bytes_max {
        return Err(BundleError::TooLarge { max: limits.compressed_bytes_max });
    }
    Ok(Packed { bytes, digest: Digest::of(text.as_bytes()) })
}

/// Reads a bundle from bytes that nobody has looked at yet.
///
/// # Errors
///
/// The first thing that is not as [`write`] would have written it.
pub fn read(bytes: &[u8]) -> Result<Bundle, BundleError> {
    read_within(bytes, &Limits::DEFAULT)
}

/// Reads a bundle from anywhere, within other limits than the usual. Besides the files, no more is
/// held than some buffers of fixed size; a file has its memory only as its bytes come.
///
/// # Errors
///
/// The first thing that is not as [`write`] would have written it, or that exceeds the limits.
pub fn read_within(source: impl Read, limits: &Limits) -> Result<Bundle, BundleError> {
    let mut files = BTreeMap::new();
    let outline = scan(source, limits, |path, content| {
        files.insert(path.clone(), content);
    })?;
    let Outline { manifest, digest } = outline;
    Ok(Bundle { manifest, digest, files })
}

/// Goes through a bundle and hands out each file when it is proved to be what the manifest says,
/// one at a time. That the bundle as a whole is in order is known only when this returns.
///
/// # Errors
///
/// As with [`read_within`].
pub fn scan(
    source: impl Read,
    limits: &Limits,
    mut each: impl FnMut(&RelativePath, Vec<u8>),
) -> Result<Outline, BundleError> {
    let mut reader = archive::Reader::open(source, limits)?;
    let outline = parts::read_manifest(&mut reader, limits)?;
    let mut expected = outline.manifest.files.keys();
    let mut displaced = None;
    let mut found: BTreeSet<RelativePath> = BTreeSet::new();
    while let Some(entry) = reader.next()? {
        let content = parts::read_file(&mut reader, &outline, &entry)?;
        if displaced.is_none() && expected.next() != Some(&entry.path) {
            displaced = Some(entry.path.clone());
        }
        each(&entry.path, content);
        found.insert(entry.path);
    }
    if let Some(path) = outline.manifest.files.keys().find(|path| !found.contains(*path)) {
        return Err(BundleError::Missing { path: path.clone() });
    }
    // Only now is it known that the file was not displaced by one that is missing.
    match displaced {
        Some(path) => Err(BundleError::Order { path }),
        None => Ok(outline),
    }
}

#[cfg(test)]
mod tests;
