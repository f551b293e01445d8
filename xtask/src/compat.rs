//! `compat`: records what is written today, so that it is read for ever. `tests/src/compat/` does it;
//! this package imports none of ours.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::ci::cargo;

/// Runs the program that records artefacts.
pub fn run(root: &Path, arguments: &[&str]) -> Result<ExitCode> {
    let ["add", name, file, inputs] = arguments else {
        eprintln!("usage: cargo xtask compat add NAME SOURCE.cam|MODULE.cam2|BUNDLE.tar.gz INPUTS.json");
        return Ok(ExitCode::from(1));
    };
    // Cargo runs in the root, and the paths are those of who asks.
    let here = std::env::current_dir().context("there is no current folder")?;
    let (file, inputs) = (here.join(file).display().to_string(), here.join(inputs).display().to_string());
    let words = [
        "run",
        "--quiet",
        "--package",
        "camshaft-tests",
        "--bin",
        "compat",
        "--",
        "add",
        name,
        &file,
        &inputs,
    ];
    Ok(ExitCode::from(u8::from(!cargo(root, &words, &[])?)))
}
