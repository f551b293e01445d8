//! `compat add NAME SOURCE.cam|MODULE.cam2|BUNDLE.tar.gz INPUTS.json`: records an artefact of today.

use std::path::Path;
use std::process::ExitCode;

use camshaft_tests::{compat, repository};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ["add", name, file, inputs] = words[..] else {
        eprintln!("usage: cargo xtask compat add NAME SOURCE.cam|MODULE.cam2|BUNDLE.tar.gz INPUTS.json");
        return ExitCode::from(1);
    };
    let root = repository().join("tests/compat");
    match compat::folder::add(&root, name, Path::new(file), Path::new(inputs)) {
        Ok(artefact) => {
            println!("tests/compat/v{}/{}", artefact.generation, artefact.name);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}\nhint: docs/testing.md tells what an artefact is");
            ExitCode::from(1)
        }
    }
}
