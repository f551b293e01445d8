//! The committed corpora and all inputs that once failed, on every change.

use std::path::{Path, PathBuf};

use super::*;
use crate::testing::program::Program;

fn files(kind: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(kind).join(target);
    let mut files: Vec<PathBuf> = match std::fs::read_dir(&folder) {
        Ok(entries) => entries.map(|entry| entry.expect("an entry can be read").path()).collect(),
        Err(_) => vec![],
    };
    files.sort();
    files
}

fn replay(target: &str) {
    let (_, body) = TARGETS.iter().find(|(name, _)| *name == target).expect("it is a target");
    let corpus = files("corpus", target);
    assert!(corpus.len() >= 10, "the corpus of {target} is not there: {} files", corpus.len());
    assert!(corpus.len() <= 60, "{} files: choose those that add most, see docs/testing.md", corpus.len());
    for file in corpus.into_iter().chain(files("regressions", target)) {
        let data = std::fs::read(&file).expect("a file of the corpus can be read");
        // Said by the runner only when the test fails.
        eprintln!("{}", file.display());
        body(&data);
    }
}

#[test]
fn decode_replayed() {
    replay("decode");
}

#[test]
fn verify_replayed() {
    replay("verify");
}

#[test]
fn run_replayed() {
    replay("run");
}

#[test]
fn parse_replayed() {
    replay("parse");
}

#[test]
fn json_replayed() {
    replay("json");
}

#[test]
fn values_replayed() {
    replay("values");
}

#[test]
fn every_target_has_a_corpus_and_a_test() {
    let this = include_str!("tests.rs");
    for (target, _) in TARGETS {
        assert!(this.contains(&format!("replay(\"{target}\")")), "{target} is replayed");
    }
}

#[test]
fn corpora_do_what_they_are_for() {
    let all = |target: &str| -> Vec<Vec<u8>> {
        files("corpus", target).iter().map(|file| std::fs::read(file).expect("readable")).collect()
    };
    let some = |what: &str, count: usize| assert!(count >= 5, "{what}: only {count} files of the corpus");
    some("decode", all("decode").iter().filter(|data| crate::code::decode::decode(data).is_ok()).count());
    some("verify", all("verify").iter().filter(|data| load(data).is_ok()).count());
    some("run", all("run").iter().filter(|data| load(with_tape(data).1).is_ok()).count());
    let is_good = |data: &Vec<u8>| {
        let source = crate::diagnostic::Source::new("any.cam", String::from_utf8_lossy(data));
        crate::compile::machine(&source, None).is_ok()
    };
    some("parse", all("parse").iter().filter(|data| is_good(data)).count());
    let read = |data: &Vec<u8>, json: bool| {
        let (mut choices, rest) = with_tape(data);
        let ty = any_ty(&mut choices);
        match json {
            true => Value::from_json(&String::from_utf8_lossy(rest), &ty).is_ok(),
            false => Value::from_binary(rest, &ty).is_ok(),
        }
    };
    some("json", all("json").iter().filter(|data| read(data, true)).count());
    some("values", all("values").iter().filter(|data| read(data, false)).count());
}

#[test]
fn a_changed_module_is_one_that_the_decoder_takes_and_often_the_verifier_too() {
    let (mut changed, mut verified) = (0, 0);
    for program in 0..20 {
        let program = Program::generate(&mut Choices::random(program));
        let source = crate::diagnostic::Source::new("any.cam", program.text);
        let mut module = crate::compile::machine(&source, None).expect("a generated program compiles");
        // Changing a module takes its names away, which would be a change by itself.
        module.debug = crate::code::Debug::default();
        let bytes = encode(&canonical::canonical(&module).expect("it names what it has"));
        for seed in 0..20 {
            let Some(other) = mutate::module(&bytes, seed) else { continue };
            changed += usize::from(other != bytes && decode::decode(&other).is_ok());
            verified += usize::from(other != bytes && load(&other).is_ok());
        }
    }
    eprintln!("{changed} of 400 are decoded, {verified} verify");
    assert!(changed > 200, "only {changed} changed modules are decoded");
    assert!(verified > 40, "only {verified} changed modules verify");
}
