//! What fuzzing looks at here: any bytes to the reader of bundles. `fuzz/` hands this to libFuzzer;
//! the test below hands it the committed corpus, and all that once failed.
//!
//! Checksums and digests keep changed bytes from what lies behind them. So an input says in its first
//! byte how far it is prepared, see [`bundle`].

use std::collections::BTreeMap;

use camshaft_manifests::RelativePath;
use flate2::Compression;

use crate::archive;
use crate::bundle::{self, Bundle, BundleError, Limits};
use crate::open::open;

/// Limits so low that what goes beyond them is seen.
const LIMITS: Limits = Limits {
    compressed_bytes_max: 1 << 20,
    unpacked_bytes_max: 4 << 20,
    file_bytes_max: 1 << 20,
    files_max: 200,
};

/// Any bytes to the reader of bundles. By their first byte:
///
/// - 0: the rest is a bundle as it comes from outside;
/// - 1: the rest is the archive in it, which is compressed first;
/// - else: the rest are files (a byte, so many bytes of path, three bytes, so many bytes of content),
///   which become a bundle with its manifest; only what they mean can be wrong.
///
/// What is read as a bundle is written to the same bytes, and is within the limits.
pub fn bundle(data: &[u8]) {
    let Some((form, rest)) = data.split_first() else { return };
    let bytes = match form {
        0 => rest.to_vec(),
        1 => archive::gzip(rest, Compression::fast()),
        _ => match written(rest) {
            Some(bytes) => bytes,
            None => return,
        },
    };
    match bundle::read_within(&bytes[..], &LIMITS) {
        Ok(found) => read(&found, &bytes),
        Err(error) => assert!(!error.to_string().is_empty(), "a refusal has a reason"),
    }
}

fn read(found: &Bundle, bytes: &[u8]) {
    let size: usize = found.files().values().map(Vec::len).sum();
    assert!(
        size <= LIMITS.unpacked_bytes_max && found.files().len() <= LIMITS.files_max,
        "within the limits"
    );
    let manifest = found.manifest();
    match bundle::write(&manifest.name, &manifest.version, found.files()) {
        // The same content may be compressed in more than one way; the bundle is its manifest.
        Ok(packed) => assert_eq!(packed.digest, found.digest(), "the same files are the same bundle"),
        Err(error) => panic!("{} bytes were read, and are not written: {error}", bytes.len()),
    }
    if let Ok(release) = open(found) {
        assert_eq!(release.digest, found.digest(), "a release is told by its bundle's digest");
        assert_eq!(release.resolved.name, manifest.name, "a release has its bundle's name");
    }
}

/// Makes a bundle of the files that an input tells.
fn written(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut files = BTreeMap::new();
    while let Some((length, after)) = rest.split_first() {
        let (path, after) = after.split_at_checked(usize::from(*length))?;
        let (size, after) = after.split_at_checked(3)?;
        let size = size.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
        let (content, after) = after.split_at(size.min(after.len()));
        let path: RelativePath = std::str::from_utf8(path).ok()?.parse().ok()?;
        files.insert(path, content.to_vec());
        rest = after;
    }
    let (name, version) = named(&files).unwrap_or(("counter".to_owned(), "1.0.0".to_owned()));
    let packed = bundle::write(&name.parse().ok()?, &version.parse().ok()?, &files);
    match packed {
        Ok(packed) => Some(packed.bytes),
        Err(
            BundleError::TooLarge { .. } | BundleError::TooManyFiles { .. } | BundleError::LongPath { .. },
        ) => None,
        Err(BundleError::FileTooLarge { .. } | BundleError::UnpackedTooLarge { .. }) => None,
        Err(error) => panic!("a bundle is not written: {error}"),
    }
}

/// Returns name and version as the release has them, so that the manifest has the same.
fn named(files: &BTreeMap<RelativePath, Vec<u8>>) -> Option<(String, String)> {
    let text = std::str::from_utf8(files.get(crate::open::RELEASE_PATH)?).ok()?;
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='))?;
        Some(line.trim().trim_matches('"').to_owned())
    };
    Some((value("name")?, value("version")?))
}

/// Returns the input of [`bundle`] that is these files.
///
/// # Panics
///
/// When a file or path is too large for a bundle.
pub fn of_files(files: &BTreeMap<RelativePath, Vec<u8>>) -> Vec<u8> {
    let mut input = vec![2];
    for (path, content) in files {
        let size = u32::try_from(content.len()).expect("a file is no larger than a few megabytes");
        input.push(u8::try_from(path.as_str().len()).expect("a path has at most 100 bytes"));
        input.extend(path.as_str().bytes());
        input.extend(&size.to_be_bytes()[1..]);
        input.extend(content);
    }
    input
}

/// Returns the input of [`bundle`] that is the archive within a bundle.
///
/// # Panics
///
/// When it is no bundle.
pub fn of_archive(bytes: &[u8]) -> Vec<u8> {
    let mut input = vec![1];
    let mut archive = flate2::bufread::GzDecoder::new(bytes);
    std::io::Read::read_to_end(&mut archive, &mut input).expect("a bundle holds an archive");
    input
}

#[cfg(test)]
mod tests;
