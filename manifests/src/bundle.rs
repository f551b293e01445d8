//! `manifest.toml` of a bundle: what every other file of the bundle is, to the byte.
//!
//! The digest of a bundle is the SHA-256 of this document, so there is one way only to write it.

use std::collections::BTreeMap;

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;

use crate::name::ReleaseName;
use crate::path::RelativePath;
use crate::reader::{Reader, Seen, Table, check_canonical};
use crate::version::Version;
use crate::writer::Writer;

/// The format of bundles that this version writes and reads.
pub const FORMAT: u64 = 1;

/// The path of the manifest itself; always the first file.
pub const MANIFEST_PATH: &str = "manifest.toml";

/// What a bundle holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundleManifest {
    /// The name of the release.
    pub name: ReleaseName,
    /// The version of the release.
    pub version: Version,
    /// Every file but the manifest itself.
    pub files: BTreeMap<RelativePath, FileEntry>,
}

/// What one file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileEntry {
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: Digest,
}

impl FileEntry {
    /// Returns the entry of a file with this content.
    pub fn of(content: &[u8]) -> FileEntry {
        FileEntry { size: content.len() as u64, sha256: Digest::of(content) }
    }
}

/// Reads a bundle's `manifest.toml`.
///
/// # Errors
///
/// All faults of the text; a text that is not as [`write`] writes it.
pub fn read(source: &Source) -> Result<BundleManifest, Vec<Diagnostic>> {
    let manifest = Reader::read(source, |_, table| {
        let format = read_format(table, FORMAT);
        let name = table.required("name").and_then(|field| field.word());
        let version = table.required("version").and_then(|field| field.word());
        let files = read_files(table);
        format?;
        Some(BundleManifest { name: name?, version: version?, files: files? })
    })?;
    check_canonical(source, &write(&manifest))?;
    Ok(manifest)
}

/// Reads the list of files.
pub(crate) fn read_files(table: &Table<'_, '_>) -> Option<BTreeMap<RelativePath, FileEntry>> {
    let Some(field) = table.optional("file") else { return Some(BTreeMap::new()) };
    let mut seen = Seen::default();
    let read: Vec<Option<(RelativePath, FileEntry)>> = field
        .items()?
        .iter()
        .map(|item| {
            let (path, entry) = item.table_with(read_file)?;
            seen.note(item, path.clone(), &format!("the file {path}"));
            Some((path, entry))
        })
        .collect();
    read.into_iter().collect()
}

/// Writes the list of files.
pub(crate) fn write_files(writer: &mut Writer, files: &BTreeMap<RelativePath, FileEntry>) {
    for (path, entry) in files {
        writer.item("file");
        writer.text("path", path);
        writer.raw("size", entry.size);
        writer.text("sha256", entry.sha256);
    }
}

pub(crate) fn read_format(table: &Table<'_, '_>, known: u64) -> Option<u64> {
    let field = table.required("format")?;
    let format = field.number(0..=u64::MAX)?;
    if format != known {
        table.forgive_unknown();
        field.refuse(
            "M0121",
            format!("this is format {format}; this version of camshaft knows format {known}"),
        );
    }
    Some(format)
}

fn read_file(table: &Table<'_, '_>) -> Option<(RelativePath, FileEntry)> {
    let path = table.required("path").and_then(|field| {
        let path: RelativePath = field.word()?;
        if path.as_str() == MANIFEST_PATH {
            field.refuse("M0112", "the manifest does not list itself");
        }
        Some(path)
    });
    let size = table.required("size").and_then(|field| field.number(0..=u64::from(u32::MAX)));
    let sha256 = table.required("sha256").and_then(|field| field.word());
    Some((path?, FileEntry { size: size?, sha256: sha256? }))
}

/// Writes a bundle's `manifest.toml`.
pub fn write(manifest: &BundleManifest) -> String {
    let mut writer = Writer::default();
    writer.raw("format", FORMAT);
    writer.text("name", &manifest.name);
    writer.text("version", &manifest.version);
    write_files(&mut writer, &manifest.files);
    writer.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::testing::check;

    fn good() -> String {
        let file = |path: &str| (path.parse().expect("a path"), FileEntry::of(path.as_bytes()));
        write(&BundleManifest {
            name: "shop".parse().expect("a name"),
            version: "1.0.0".parse().expect("a version"),
            files: [file("release.toml"), file("code/a.cam2")].into(),
        })
    }

    #[test]
    fn a_manifest_reads_back_what_it_writes() {
        let text = good();
        let manifest = read(&Source::new("manifest.toml", text.as_str())).expect("good");
        assert_eq!(write(&manifest), text);
        assert_eq!(manifest.files.len(), 2);
    }

    #[test]
    fn each_fault_is_named_and_placed() {
        let refused = |text: &str, expect: &str| check(text, read, expect);
        let garbled = "M0120 `` this is not as the tool writes it: it was edited by hand or garbled";
        refused(&format!("{}# more\n", good()), garbled);
        refused(&good().replace("size = 12", "size = 0xC"), garbled);
        refused(
            &good().replace("format = 1", "format = 7"),
            "M0121 `7` this is format 7; this version of camshaft knows format 1",
        );
        refused(
            &good().replace("release.toml", "code/a.cam2"),
            "M0112 `[[file]]` the file code/a.cam2 stands twice in `file`",
        );
        refused(
            &good().replace("release.toml", "manifest.toml"),
            "M0112 `\"manifest.toml\"` the manifest does not list itself",
        );
        refused(
            &good().replace("size = 12", "size = -1"),
            "M0113 `-1` `file.size` lies between 0 and 4294967295",
        );
        let digest = "sha256 = \"sha256:";
        let entry = good().lines().find(|line| line.starts_with(digest)).expect("a digest").to_owned();
        refused(
            &good().replace(&entry, "sha256 = \"md5:0\""),
            "M0109 `\"md5:0\"` a digest is `sha256:` and 64 lower-case hexadecimal digits, found `md5:0`",
        );
    }
}
