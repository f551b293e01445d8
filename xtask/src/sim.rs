//! `sim`: the simulation of `sim/`, built optimised and run with what was asked for.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::ci::cargo;

/// Runs seeds.
pub fn run(root: &Path, arguments: &[&str]) -> Result<ExitCode> {
    let mut words = vec!["run", "--release", "--quiet", "--package", "camshaft-sim", "--bin", "sim", "--"];
    words.extend(arguments);
    Ok(ExitCode::from(u8::from(!cargo(root, &words, &[])?)))
}
