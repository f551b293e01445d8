//! The committed corpus and all inputs that once failed, on every change.

use std::path::{Path, PathBuf};

use super::*;

fn files(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(kind).join("bundle");
    let mut files: Vec<PathBuf> = match std::fs::read_dir(&folder) {
        Ok(entries) => entries.map(|entry| entry.expect("an entry can be read").path()).collect(),
        Err(_) => vec![],
    };
    files.sort();
    files
}

#[test]
fn bundle_replayed() {
    let corpus = files("corpus");
    assert!(corpus.len() >= 10, "the corpus is not there: {} files", corpus.len());
    assert!(corpus.len() <= 60, "{} files: choose those that add most, see docs/testing.md", corpus.len());
    for file in corpus.into_iter().chain(files("regressions")) {
        // Said by the runner only when the test fails.
        eprintln!("{}", file.display());
        bundle(&std::fs::read(&file).expect("a file of the corpus can be read"));
    }
}

#[test]
fn the_corpus_has_releases_that_open() {
    let opens = |file: &PathBuf| {
        let data = std::fs::read(file).expect("readable");
        let bytes = match data.split_first() {
            Some((0, rest)) => rest.to_vec(),
            Some((1, rest)) => archive::gzip(rest, Compression::fast()),
            Some((_, rest)) => written(rest).unwrap_or_default(),
            None => vec![],
        };
        bundle::read_within(&bytes[..], &LIMITS).is_ok_and(|found| open(&found).is_ok())
    };
    assert!(files("corpus").iter().filter(|file| opens(file)).count() >= 5);
}
