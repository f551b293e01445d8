//! What the tests share: entries, and small releases made from text.

use std::collections::BTreeMap;

use camshaft_cam::digest::Digest;
use camshaft_manifests::published::{PublishedRelease, Stamp, Yank};
use camshaft_releases::bundle::{self, Bundle};
use camshaft_releases::project::{self, Files, Locking};

use crate::source::Entry;

pub(crate) fn stamp() -> Stamp {
    Stamp { at_ms: 1_700_000_000_000, by: "ann".to_owned() }
}

pub(crate) fn yank() -> Yank {
    Yank { reason: "it was bad".to_owned(), stamp: stamp() }
}

/// An entry that a text such as `1.0.0` or `1.0.0 yanked` describes.
pub(crate) fn entry(name: &str, text: &str) -> Entry {
    let (version, yanked) = match text.split_once(' ') {
        Some((version, _)) => (version, Some(yank())),
        None => (text, None),
    };
    let release = PublishedRelease {
        name: name.parse().expect("a name"),
        version: version.parse().expect("a version"),
        digest: Digest::of(version.as_bytes()),
        archive_bytes: 1,
        files: 1,
        bytes: 1,
        published: stamp(),
        apps: vec![],
        predecessors: BTreeMap::new(),
        yanked,
    };
    Entry { release, signed: false }
}

/// A release with one counter of this application version; `start` is where it begins.
pub(crate) fn counter(name: &str, version: &str, app: &str, start: u32) -> Bundle {
    let machine = format!(
        "machine counter\ntype State = {{ count: Int = {start} }}\ntype Input = | Add\ntype Output = | Ok\n\
         init = {{ count: {start} }}\non Add => ({{ ..state, count: state.count + 1 }}, Ok)\n"
    );
    let files: Files = [
        ("release.toml", format!("name = \"{name}\"\nversion = \"{version}\"\n\n[apps]\ncounter = {{ path = \"apps/counter\" }}\n")),
        ("apps/counter/app.toml", format!("name = \"counter\"\nversion = \"{app}\"\nmachines = [\"counter\"]\n")),
        ("apps/counter/machines/counter.cam", machine),
    ]
    .into_iter()
    .map(|(path, text)| (path.to_owned(), text))
    .collect();
    let built =
        project::build(&files, &|_, _| None, Locking::Update).unwrap_or_else(|faults| panic!("{faults:#?}"));
    bundle::read(&built.packed.bytes).expect("it was just built")
}
