//! Bundles file by file: what is kept apart in a registry, and sent to who has most of it already.
//!
//! An [`Outline`] is a manifest alone, held against the limits before a single file is fetched.
//! Filled with its files it is a [`Bundle`], and packed again it is the same archive to the byte,
//! because there is one way only to write one. A *part* is an archive with the manifest and some
//! of the files; whoever gets it has the others.
//!
//! What must stay true: no file gets into a bundle that is not, in size and SHA-256, what the
//! manifest says.

use std::collections::BTreeMap;
use std::io::Read;

use camshaft_cam::diagnostic::Source;
use camshaft_cam::digest::Digest;
use camshaft_manifests::RelativePath;
use camshaft_manifests::bundle::{self as document, BundleManifest, FileEntry, MANIFEST_PATH};

use super::{Bundle, BundleError, Limits, Packed, write};
use crate::archive;

/// The manifest of a bundle without the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outline {
    pub(super) manifest: BundleManifest,
    pub(super) digest: Digest,
}

/// An outline, and some of its files by their digests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What the bundle holds.
    pub outline: Outline,
    /// The files that came with it, each what the outline says.
    pub contents: BTreeMap<Digest, Vec<u8>>,
}

impl Outline {
    /// Reads a manifest that nobody has looked at yet.
    ///
    /// # Errors
    ///
    /// Its faults; and when a bundle that is what it says would be above the limits.
    pub fn read(bytes: &[u8], limits: &Limits) -> Result<Outline, BundleError> {
        check_manifest_bytes(bytes.len(), limits)?;
        // Text that is no UTF-8 is refused as any other garbled manifest: it is not what we write.
        let source = Source::new(MANIFEST_PATH, String::from_utf8_lossy(bytes));
        let manifest = document::read(&source).map_err(BundleError::Manifest)?;
        check_limits(&manifest, bytes.len(), limits)?;
        Ok(Outline { manifest, digest: Digest::of(bytes) })
    }

    /// Returns the outline of a bundle.
    pub fn of(bundle: &Bundle) -> Outline {
        Outline { manifest: bundle.manifest.clone(), digest: bundle.digest }
    }

    /// Returns what the bundle holds.
    pub fn manifest(&self) -> &BundleManifest {
        &self.manifest
    }

    /// Returns the digest of the bundle.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the manifest as it stands in the bundle.
    pub fn bytes(&self) -> Vec<u8> {
        document::write(&self.manifest).into_bytes()
    }

    /// Returns the contents of the files, each once, with their sizes. The manifest is not among them.
    pub fn contents(&self) -> BTreeMap<Digest, u64> {
        self.manifest.files.values().map(|entry| (entry.sha256, entry.size)).collect()
    }

    /// Fills the outline: `find` gives the content of a digest.
    ///
    /// # Errors
    ///
    /// The first file that is not there, or not what the manifest says.
    pub fn fill(self, mut find: impl FnMut(Digest) -> Option<Vec<u8>>) -> Result<Bundle, BundleError> {
        let mut files = BTreeMap::new();
        for (path, entry) in &self.manifest.files {
            let content = find(entry.sha256).ok_or_else(|| BundleError::Missing { path: path.clone() })?;
            check_file(path, entry, &content)?;
            files.insert(path.clone(), content);
        }
        Ok(Bundle { manifest: self.manifest, digest: self.digest, files })
    }
}

impl Bundle {
    /// Returns the bundle as bytes: those that it was read from.
    ///
    /// # Errors
    ///
    /// When it is above the usual limits.
    pub fn pack(&self) -> Result<Packed, BundleError> {
        let packed = write(&self.manifest.name, &self.manifest.version, &self.files)?;
        assert_eq!(packed.digest, self.digest, "a manifest has one way only to be written");
        Ok(packed)
    }

    /// Returns the contents of the files by their digests.
    pub fn into_contents(self) -> BTreeMap<Digest, Vec<u8>> {
        let manifest = self.manifest;
        let digest = |path: &RelativePath| manifest.files.get(path).map(|entry| entry.sha256);
        self.files.into_iter().filter_map(|(path, content)| Some((digest(&path)?, content))).collect()
    }

    /// Writes an archive with the manifest and those files whose contents are `wanted`, each
    /// content once.
    pub fn write_part(&self, mut wanted: impl FnMut(Digest) -> bool) -> Vec<u8> {
        let manifest = document::write(&self.manifest);
        let mut sent = std::collections::BTreeSet::new();
        let chosen = self.manifest.files.iter().filter_map(|(path, entry)| {
            let first = wanted(entry.sha256) && sent.insert(entry.sha256);
            first.then(|| (path.as_str(), self.files[path].as_slice()))
        });
        archive::pack(std::iter::once((MANIFEST_PATH, manifest.as_bytes())).chain(chosen))
    }
}

/// Reads a part of a bundle from a source that nobody has looked at yet.
///
/// # Errors
///
/// The first thing that is not as [`Bundle::write_part`] would have written it, or that exceeds
/// the limits.
pub fn read_part(source: impl Read, limits: &Limits) -> Result<Part, BundleError> {
    let mut reader = archive::Reader::open(source, limits)?;
    let outline = read_manifest(&mut reader, limits)?;
    let mut contents = BTreeMap::new();
    let mut before: Option<RelativePath> = None;
    while let Some(entry) = reader.next()? {
        let content = read_file(&mut reader, &outline, &entry)?;
        if before.as_ref().is_some_and(|before| *before >= entry.path) {
            return Err(BundleError::Order { path: entry.path });
        }
        contents.insert(outline.manifest.files[&entry.path].sha256, content);
        before = Some(entry.path);
    }
    Ok(Part { outline, contents })
}

/// Reads the first file, which is the manifest.
pub(super) fn read_manifest<R: Read>(
    reader: &mut archive::Reader<R>,
    limits: &Limits,
) -> Result<Outline, BundleError> {
    match reader.next()? {
        Some(entry) if entry.path.as_str() == MANIFEST_PATH => {
            check_manifest_bytes(entry.size, limits)?;
            Outline::read(&reader.content(&entry)?, limits)
        }
        _ => Err(BundleError::NoManifest),
    }
}

/// Reads a file that has to be what the manifest says. One that is not in it, or has another size,
/// is refused before any of its content is read.
pub(super) fn read_file<R: Read>(
    reader: &mut archive::Reader<R>,
    outline: &Outline,
    entry: &archive::Entry,
) -> Result<Vec<u8>, BundleError> {
    let path = &entry.path;
    let Some(expected) = outline.manifest.files.get(path) else {
        return Err(BundleError::Surplus { path: path.clone() });
    };
    check_size(path, expected, entry.size as u64)?;
    let content = reader.content(entry)?;
    check_file(path, expected, &content)?;
    Ok(content)
}

/// The room that one file takes in a manifest at most, in bytes: a path of which every byte is
/// written as two, ten digits, a digest, and the words around them.
const ENTRY_BYTES_MAX: usize = 384;

/// Refuses a manifest that is longer than one of the most files that are allowed: what is read as
/// TOML takes many times its length.
fn check_manifest_bytes(bytes: usize, limits: &Limits) -> Result<(), BundleError> {
    let max = limits.file_bytes_max.min(limits.files_max.saturating_add(1).saturating_mul(ENTRY_BYTES_MAX));
    if bytes > max {
        let path = MANIFEST_PATH.parse().map_err(|_| BundleError::NoManifest)?;
        return Err(BundleError::FileTooLarge { path, max });
    }
    Ok(())
}

/// Refuses a bundle that is above the limits if it is what its manifest says.
pub(super) fn check_limits(
    manifest: &BundleManifest,
    manifest_bytes: usize,
    limits: &Limits,
) -> Result<(), BundleError> {
    // The manifest is a file too.
    if manifest.files.len() >= limits.files_max {
        return Err(BundleError::TooManyFiles { max: limits.files_max });
    }
    check_manifest_bytes(manifest_bytes, limits)?;
    let mut archive = archive::bytes_of(manifest_bytes as u64) + archive::END_BYTES;
    for (path, entry) in &manifest.files {
        if path.as_str().len() > archive::PATH_BYTES_MAX {
            return Err(BundleError::LongPath { path: path.clone() });
        }
        if entry.size > limits.file_bytes_max as u64 {
            return Err(BundleError::FileTooLarge { path: path.clone(), max: limits.file_bytes_max });
        }
        archive += archive::bytes_of(entry.size);
    }
    if archive > limits.unpacked_bytes_max as u64 {
        return Err(BundleError::UnpackedTooLarge { max: limits.unpacked_bytes_max });
    }
    Ok(())
}

/// Refuses a file that is not what the manifest says.
pub(crate) fn check_file(path: &RelativePath, entry: &FileEntry, content: &[u8]) -> Result<(), BundleError> {
    let found = FileEntry::of(content);
    check_size(path, entry, found.size)?;
    if found.sha256 != entry.sha256 {
        let (expected, found) = (entry.sha256, found.sha256);
        return Err(BundleError::FileDigest { path: path.clone(), expected, found });
    }
    Ok(())
}

fn check_size(path: &RelativePath, entry: &FileEntry, found: u64) -> Result<(), BundleError> {
    if found != entry.size {
        return Err(BundleError::Size { path: path.clone(), expected: entry.size, found });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle::read;

    fn packed() -> Packed {
        let file = |path: &str, content: &[u8]| (path.parse().expect("a path"), content.to_vec());
        let files = [file("a", b"one"), file("b", b"two"), file("c/d", b"one")].into();
        let (name, version) = ("shop".parse().expect("a name"), "1.0.0".parse().expect("a version"));
        write(&name, &version, &files).expect("a small bundle")
    }

    fn bundle() -> Bundle {
        read(&packed().bytes).expect("it was just written")
    }

    #[test]
    fn a_bundle_taken_apart_and_put_together_is_the_same_archive_to_the_byte() {
        let bundle = bundle();
        let outline = Outline::read(&Outline::of(&bundle).bytes(), &Limits::DEFAULT).expect("a manifest");
        assert_eq!(outline, Outline::of(&bundle));
        assert_eq!(outline.contents().len(), 2, "two files are the same");
        let contents = bundle.clone().into_contents();
        let again = outline.fill(|digest| contents.get(&digest).cloned()).expect("all are there");
        assert_eq!(again, bundle);
        assert_eq!(again.pack().expect("small"), packed());
    }

    #[test]
    fn a_part_has_what_was_wanted_and_says_what_it_lacks() {
        let bundle = bundle();
        let (one, two) = (Digest::of(b"one"), Digest::of(b"two"));
        let part =
            read_part(&bundle.write_part(|digest| digest == two)[..], &Limits::DEFAULT).expect("a part");
        assert_eq!(part.contents, [(two, b"two".to_vec())].into());
        let lacking = part.outline.clone().fill(|digest| part.contents.get(&digest).cloned());
        assert_eq!(lacking, Err(BundleError::Missing { path: "a".parse().expect("a path") }));
        let all = part.outline.fill(|digest| {
            if digest == one { Some(b"one".to_vec()) } else { part.contents.get(&digest).cloned() }
        });
        assert_eq!(all, Ok(bundle.clone()));
        assert_eq!(
            read(&bundle.write_part(|_| false)),
            Err(BundleError::Missing { path: "a".parse().expect("a path") })
        );
    }

    #[test]
    fn a_file_that_is_not_what_the_manifest_says_never_gets_in() {
        let bundle = bundle();
        let other = |content: &'static [u8]| Outline::of(&bundle).fill(|_| Some(content.to_vec()));
        let path: RelativePath = "a".parse().expect("a path");
        assert_eq!(
            other(b"eno"),
            Err(BundleError::FileDigest {
                path: path.clone(),
                expected: Digest::of(b"one"),
                found: Digest::of(b"eno")
            })
        );
        assert_eq!(other(b"longer"), Err(BundleError::Size { path: path.clone(), expected: 3, found: 6 }));

        let manifest = Outline::of(&bundle).bytes();
        let with = |path: &str, content: &[u8]| {
            let files = [(MANIFEST_PATH, manifest.as_slice()), (path, content)];
            read_part(&archive::pack(files)[..], &Limits::DEFAULT).expect_err("refused")
        };
        assert_eq!(with("x", b"one"), BundleError::Surplus { path: "x".parse().expect("a path") });
        assert_eq!(with("a", b"longer"), BundleError::Size { path, expected: 3, found: 6 });
        let turned = [(MANIFEST_PATH, manifest.as_slice()), ("b", b"two"), ("a", b"one")];
        assert_eq!(
            read_part(&archive::pack(turned)[..], &Limits::DEFAULT),
            Err(BundleError::Order { path: "a".parse().expect("a path") })
        );
        assert_eq!(
            read_part(&archive::pack([("a", b"one".as_slice())])[..], &Limits::DEFAULT),
            Err(BundleError::NoManifest)
        );
    }

    #[test]
    fn an_outline_above_the_limits_is_refused_before_any_file_is_fetched() {
        let manifest = Outline::of(&bundle()).bytes();
        let within = |limits: Limits| Outline::read(&manifest, &limits).expect_err("above the limits");
        let limits = Limits::DEFAULT;
        assert_eq!(within(Limits { files_max: 3, ..limits }), BundleError::TooManyFiles { max: 3 });
        let path = |path: &str| path.parse().expect("a path");
        assert_eq!(
            within(Limits { file_bytes_max: 2, ..limits }),
            BundleError::FileTooLarge { path: path(MANIFEST_PATH), max: 2 }
        );
        // Four headers, four contents in blocks, and the end: the manifest takes one block or two.
        let needed = (4 + 3 + manifest.len().div_ceil(512) + 2) * 512;
        assert!(Outline::read(&manifest, &Limits { unpacked_bytes_max: needed, ..limits }).is_ok());
        assert_eq!(
            within(Limits { unpacked_bytes_max: needed - 1, ..limits }),
            BundleError::UnpackedTooLarge { max: needed - 1 }
        );
        let large =
            String::from_utf8(manifest.clone()).expect("text").replacen("size = 3", "size = 16777217", 1);
        assert_eq!(
            Outline::read(large.as_bytes(), &limits),
            Err(BundleError::FileTooLarge { path: path("a"), max: limits.file_bytes_max })
        );
    }
}
