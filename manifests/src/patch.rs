//! `patch.toml` of a patch bundle: which two releases it joins, and what every other file is, to the byte.
//!
//! The digest of a patch bundle is the SHA-256 of this document. It is another document than the manifest
//! of a bundle, at another path and with another format number, so that the one is never taken for the other.

use std::collections::BTreeMap;

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;

use crate::bundle::{FileEntry, read_files, read_format, write_files};
use crate::name::ReleaseName;
use crate::path::RelativePath;
use crate::reader::{Reader, Table, check_canonical};
use crate::version::Version;
use crate::writer::Writer;

/// The format of patch bundles that this version writes and reads. It is no format of bundles, so that even a
/// renamed document is refused.
pub const FORMAT: u64 = 1001;

/// The path of the document itself; always the first file.
pub const PATCH_PATH: &str = "patch.toml";

/// What a patch bundle joins, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchManifest {
    /// The name of both releases.
    pub name: ReleaseName,
    /// The release that a node runs, and that the newer one does not name.
    pub from: PatchEnd,
    /// The release that it is to run.
    pub to: PatchEnd,
    /// Every file but this document.
    pub files: BTreeMap<RelativePath, FileEntry>,
}

/// A release at an end of a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchEnd {
    /// The version; a label.
    pub version: Version,
    /// The digest of the bundle; what counts.
    pub digest: Digest,
}

/// Reads a `patch.toml`.
///
/// # Errors
///
/// All faults of the text; a text that is not as [`write`] writes it.
pub fn read(source: &Source) -> Result<PatchManifest, Vec<Diagnostic>> {
    let manifest = Reader::read(source, |_, table| {
        let format = read_format(table, FORMAT);
        let name = table.required("name").and_then(|field| field.word());
        let from = table.required("from").and_then(|field| field.table_with(read_end));
        let to = table.required("to").and_then(|field| field.table_with(read_end));
        let files = read_files(table);
        format?;
        Some(PatchManifest { name: name?, from: from?, to: to?, files: files? })
    })?;
    check_canonical(source, &write(&manifest))?;
    Ok(manifest)
}

fn read_end(table: &Table<'_, '_>) -> Option<PatchEnd> {
    let version = table.required("version").and_then(|field| field.word());
    let digest = table.required("digest").and_then(|field| field.word());
    Some(PatchEnd { version: version?, digest: digest? })
}

/// Writes a `patch.toml`.
pub fn write(manifest: &PatchManifest) -> String {
    let mut writer = Writer::default();
    writer.raw("format", FORMAT);
    writer.text("name", &manifest.name);
    for (key, end) in [("from", &manifest.from), ("to", &manifest.to)] {
        writer.table(key);
        writer.text("version", &end.version);
        writer.text("digest", end.digest);
    }
    write_files(&mut writer, &manifest.files);
    writer.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::testing::check;

    fn good() -> String {
        let end = |version: &str| PatchEnd {
            version: version.parse().expect("a version"),
            digest: Digest::of(version.as_bytes()),
        };
        let file = |path: &str| (path.parse().expect("a path"), FileEntry::of(path.as_bytes()));
        write(&PatchManifest {
            name: "shop".parse().expect("a name"),
            from: end("1.0.1"),
            to: end("2.0.0"),
            files: [file("release.toml"), file("relup/1.0.1.toml")].into(),
        })
    }

    #[test]
    fn what_is_written_is_read_again() {
        let source = Source::new(PATCH_PATH, good());
        let read = read(&source).expect("it was just written");
        assert_eq!(write(&read), *source.text);
        assert_eq!((read.files.len(), read.to.version.to_string()), (2, "2.0.0".to_owned()));
    }

    #[test]
    fn the_manifest_of_a_bundle_is_none_and_the_other_way() {
        let of_bundle = crate::bundle::write(&crate::bundle::BundleManifest {
            name: "shop".parse().expect("a name"),
            version: "2.0.0".parse().expect("a version"),
            files: BTreeMap::new(),
        });
        let refused =
            |faults: Vec<Diagnostic>| faults.into_iter().map(|fault| fault.code).collect::<Vec<_>>();
        let taken = read(&Source::new(PATCH_PATH, of_bundle)).expect_err("another document");
        assert!(refused(taken).contains(&"M0121"));
        let taken = crate::bundle::read(&Source::new("manifest.toml", good())).expect_err("another document");
        assert!(refused(taken).contains(&"M0121"));
    }

    #[test]
    fn what_is_missing_or_not_as_written_is_told() {
        let refused = |text: &str, expected: &str| check(text, read, expected);
        refused(&good().replace("name = \"shop\"\n", ""), "M0103 `` the document needs the key `name`");
        refused(
            &good().replace("[to]", "# why\n[to]"),
            "M0120 `` this is not as the tool writes it: it was edited by hand or garbled",
        );
    }
}
