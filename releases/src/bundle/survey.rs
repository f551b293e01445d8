//! What can be said of a bundle that is refused: for who has one and wants to know what is left of it.
//!
//! Nothing that comes from here is used for anything but to be shown.

use std::collections::BTreeSet;
use std::io::Read;

use camshaft_cam::diagnostic::Source;
use camshaft_cam::digest::Digest;
use camshaft_manifests::RelativePath;
use camshaft_manifests::bundle::BundleManifest;
use camshaft_manifests::resolved::{self, ResolvedRelease};

use super::parts::{self, Outline};
use super::{BundleError, Limits};
use crate::archive::Reader;
use crate::open::RELEASE_PATH;

/// What was found in a bundle, as far as it could be read.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// Its manifest, and the digest of it: who made the bundle may have signed just this.
    pub manifest: Option<(BundleManifest, Digest)>,
    /// The files of the manifest and those that came beside, in the order in which they were met; then
    /// those that were not.
    pub files: Vec<(RelativePath, Found)>,
    /// The release that it holds, when its document is what the manifest says and can be read.
    pub release: Option<ResolvedRelease>,
    /// Why reading ended before the end.
    pub ended: Option<BundleError>,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is what the manifest says.
    Good,
    /// It is something else.
    Damaged(BundleError),
    /// The manifest does not have it.
    Surplus,
    /// The manifest has it, and it never came.
    Missing,
    /// Reading ended before it.
    Unread,
}

impl Found {
    /// Returns the word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Found::Good => "good",
            Found::Damaged(_) => "damaged",
            Found::Surplus => "surplus",
            Found::Missing => "missing",
            Found::Unread => "not read",
        }
    }
}

/// Goes through a bundle as far as it can be read, within the limits that hold for any bundle.
pub fn survey(source: impl Read, limits: &Limits) -> Survey {
    let mut survey = Survey::default();
    if let Err(error) = go(source, limits, &mut survey) {
        survey.ended = Some(error);
    }
    let met: BTreeSet<&RelativePath> = survey.files.iter().map(|(path, _)| path).collect();
    let rest = survey.manifest.iter().flat_map(|(manifest, _)| manifest.files.keys());
    let rest: Vec<RelativePath> = rest.filter(|path| !met.contains(path)).cloned().collect();
    let state = if survey.ended.is_some() { Found::Unread } else { Found::Missing };
    survey.files.extend(rest.into_iter().map(|path| (path, state.clone())));
    survey
}

fn go(source: impl Read, limits: &Limits, survey: &mut Survey) -> Result<(), BundleError> {
    let mut reader = Reader::open(source, limits)?;
    let Outline { manifest, digest } = parts::read_manifest(&mut reader, limits)?;
    survey.manifest = Some((manifest.clone(), digest));
    while let Some(entry) = reader.next()? {
        let content = reader.content(&entry)?;
        let found = match manifest.files.get(&entry.path) {
            None => Found::Surplus,
            Some(expected) => match parts::check_file(&entry.path, expected, &content) {
                Ok(()) => Found::Good,
                Err(error) => Found::Damaged(error),
            },
        };
        if entry.path.as_str() == RELEASE_PATH && found == Found::Good {
            let text = Source::new(RELEASE_PATH, String::from_utf8_lossy(&content));
            survey.release = resolved::read(&text).ok();
        }
        survey.files.push((entry.path, found));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bundle;

    fn files() -> std::collections::BTreeMap<RelativePath, Vec<u8>> {
        ["a", "b", "c"].map(|path| (path.parse().expect("a path"), path.repeat(600).into_bytes())).into()
    }

    /// The states of the files, a word each, and why reading ended.
    fn told(bytes: &[u8]) -> (String, Option<String>) {
        let survey = survey(bytes, &Limits::DEFAULT);
        let words: Vec<String> =
            survey.files.iter().map(|(path, found)| format!("{path} {}", found.word())).collect();
        (words.join(", "), survey.ended.map(|error| error.to_string()))
    }

    /// An archive of these files, whatever the manifest says of them.
    fn packed(content: &[(&str, &[u8])]) -> Vec<u8> {
        let name = "shop".parse().expect("a name");
        let manifest = camshaft_manifests::bundle::write(&BundleManifest {
            name,
            version: "1.0.0".parse().expect("a version"),
            files: files()
                .iter()
                .map(|(path, content)| (path.clone(), camshaft_manifests::bundle::FileEntry::of(content)))
                .collect(),
        });
        let manifest = ("manifest.toml", manifest.as_bytes());
        crate::archive::pack(std::iter::once(manifest).chain(content.iter().copied()))
    }

    #[test]
    fn every_file_is_told_as_it_was_found() {
        let (name, version) = ("shop".parse().expect("a name"), "1.0.0".parse().expect("a version"));
        let good = bundle::write(&name, &version, &files()).expect("it fits").bytes;
        assert_eq!(told(&good), ("a good, b good, c good".to_owned(), None));
        let [a, b, c] = ["a", "b", "c"].map(|text| text.repeat(600));
        let mixed = packed(&[("a", a.as_bytes()), ("b", c.as_bytes()), ("x", b"more")]);
        assert_eq!(told(&mixed), ("a good, b damaged, x surplus, c missing".to_owned(), None));
        assert!(bundle::read(&mixed).is_err());
        let whole = packed(&[("a", a.as_bytes()), ("b", b.as_bytes()), ("c", c.as_bytes())]);
        assert_eq!(whole, good);
    }

    #[test]
    fn what_cannot_be_read_any_further_is_told_as_far_as_it_was() {
        let (name, version) = ("shop".parse().expect("a name"), "1.0.0".parse().expect("a version"));
        let good = bundle::write(&name, &version, &files()).expect("it fits").bytes;
        let mut read = std::collections::BTreeSet::new();
        for end in 0..good.len() {
            let (words, ended) = told(&good[..end]);
            assert!(ended.is_some(), "cut at {end}: {words}");
            read.insert(words);
        }
        assert!(read.contains(""), "nothing is known before the manifest");
        assert!(read.contains("a not read, b not read, c not read"), "{read:?}");
        assert!(read.contains("a good, b good, c good"), "only the end is missing: {read:?}");
        assert_eq!(
            told(b"no bundle at all"),
            (
                String::new(),
                Some(
                    "this is no bundle: it does not begin with the gzip header that bundles have".to_owned()
                )
            )
        );
    }
}
