//! `bench`: the programs of `benches/`, built optimised and run with what was asked for.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;

use crate::ci::cargo;

/// What can be measured so far.
const BENCHES: [&str; 5] = ["steps", "bundle", "journal", "agent", "upgrade"];

/// Runs one bench.
pub fn run(root: &Path, arguments: &[&str]) -> Result<ExitCode> {
    let Some((name, rest)) = arguments.split_first().filter(|(name, _)| BENCHES.contains(name)) else {
        eprintln!("usage: cargo xtask bench {} [--json] [--rounds N]", BENCHES.join("|"));
        return Ok(ExitCode::from(1));
    };
    // The agent is measured as a process too: its program has to be there.
    if *name == "agent" && !cargo(root, &["build", "--release", "--quiet", "--package", "camshaft-cli"], &[])?
    {
        return Ok(ExitCode::from(1));
    }
    let program = format!("bench-{name}");
    let mut words =
        vec!["run", "--release", "--quiet", "--package", "camshaft-benches", "--bin", &program, "--"];
    words.extend(rest);
    Ok(ExitCode::from(u8::from(!cargo(root, &words, &[])?)))
}
