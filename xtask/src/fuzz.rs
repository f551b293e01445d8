//! `fuzz`: the targets of `fuzz/`, each for a bounded time.
//!
//! The corpus grows in a temporary folder: what is committed is chosen, see `docs/testing.md`. What
//! fails stays in `fuzz/artifacts/TARGET/`, where git does not look.

mod log;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use log::Seen;

/// How long each target runs when nothing else is asked for.
const MINUTES: u32 = 10;

/// Above this, an input counts as one that hangs. A good one takes milliseconds.
const TIMEOUT_SECONDS: u32 = 10;

/// What a target may hold, and what it may ask for at once, in MiB. The instrumentation takes most of
/// the first; an input is at most some tens of kilobytes, and nothing may grow out of proportion.
const MEMORY_MAX: u32 = 1024;
const ALLOCATION_MAX: u32 = 64;

/// The longest inputs in bytes: room for what a target looks at, and short enough to be fast.
const LENGTH_MAX: [(&str, u32); 7] = [
    ("decode", 8 << 10),
    ("verify", 8 << 10),
    ("run", 8 << 10),
    ("parse", 16 << 10),
    ("json", 4 << 10),
    ("values", 4 << 10),
    ("bundle", 64 << 10),
];

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    targets: Vec<String>,
    minutes: u32,
}

/// Runs the targets that were asked for, one after another.
pub fn run(root: &Path, arguments: &[&str]) -> Result<ExitCode> {
    let asked = match asked(&targets(root)?, arguments) {
        Ok(asked) => asked,
        Err(wrong) => {
            eprintln!("error: {wrong}\nhint: cargo xtask fuzz [TARGET] [--minutes N]");
            return Ok(ExitCode::from(1));
        }
    };
    if let Err(wrong) = has_tools(root) {
        eprintln!("error: {wrong}");
        return Ok(ExitCode::from(1));
    }
    let mut failed = false;
    println!(
        "{:<8} {:>12} {:>9} {:>9} {:>7}  result",
        "target", "executions", "coverage", "features", "corpus"
    );
    for target in &asked.targets {
        let seen = fuzz(root, target, asked.minutes)?;
        println!("{}", seen.row(target));
        if let Some(replay) = seen.replay(target) {
            eprintln!("{}\nerror: {target} failed\nhint: replay it: {replay}", seen.tail);
            eprintln!("hint: once mended, keep the input as a test: fuzz/regressions/{target}/WHAT-IT-WAS");
            failed = true;
        }
    }
    Ok(ExitCode::from(u8::from(failed)))
}

/// Returns the targets: the binaries of `fuzz/Cargo.toml`.
fn targets(root: &Path) -> Result<Vec<String>> {
    let text =
        std::fs::read_to_string(root.join("fuzz/Cargo.toml")).context("cannot read fuzz/Cargo.toml")?;
    let manifest: toml::Table = text.parse().context("cannot parse fuzz/Cargo.toml")?;
    let bins =
        manifest.get("bin").and_then(toml::Value::as_array).context("fuzz/Cargo.toml has no [[bin]]")?;
    let name = |bin: &toml::Value| bin.get("name").and_then(toml::Value::as_str).map(str::to_owned);
    Ok(bins.iter().filter_map(name).collect())
}

fn asked(targets: &[String], arguments: &[&str]) -> Result<Asked, String> {
    let mut asked = Asked { targets: vec![], minutes: MINUTES };
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        if *word == "--minutes" {
            let minutes = rest.next().and_then(|minutes| minutes.parse().ok()).filter(|minutes| *minutes > 0);
            asked.minutes = minutes.ok_or("--minutes takes a number from 1")?;
        } else if targets.iter().any(|target| target == word) {
            asked.targets.push((*word).to_owned());
        } else {
            return Err(format!("there is no target `{word}`; there are {}", targets.join(", ")));
        }
    }
    if asked.targets.is_empty() {
        asked.targets = targets.to_vec();
    }
    Ok(asked)
}

/// Says what is missing, and how it is installed.
fn has_tools(root: &Path) -> Result<(), String> {
    let works = |words: &[&str]| {
        let mut probe = Command::new("rustup");
        probe.current_dir(root).args(words).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    };
    let probes: [(&[&str], &str, &str); 3] = [
        (&["--version"], "rustup is not here: fuzzing needs a nightly toolchain", "see https://rustup.rs"),
        (
            &["run", "nightly", "rustc", "--version"],
            "the nightly toolchain is not here: libFuzzer's instrumentation needs it",
            "rustup toolchain install nightly --profile minimal",
        ),
        (
            &["run", "nightly", "cargo", "fuzz", "--version"],
            "cargo-fuzz is not here",
            "cargo install cargo-fuzz",
        ),
    ];
    match probes.iter().find(|(words, _, _)| !works(words)) {
        Some((_, wrong, mend)) => Err(format!("{wrong}\nhint: {mend}")),
        None => Ok(()),
    }
}

/// Returns `cargo fuzz` of the nightly toolchain, whichever toolchain runs this.
fn cargo_fuzz(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.current_dir(root).args(["run", "nightly", "cargo", "fuzz"]).args(words);
    command.args(["--fuzz-dir", "fuzz"]).env_remove("CARGO");
    command
}

fn fuzz(root: &Path, target: &str, minutes: u32) -> Result<Seen> {
    eprintln!("{target}: built with instrumentation");
    let built = cargo_fuzz(root, &["build", target]).status().context("cannot run rustup")?;
    if !built.success() {
        bail!("the target `{target}` does not build");
    }
    let length = LENGTH_MAX.iter().find(|(name, _)| *name == target).map(|(_, length)| length);
    let length = length.with_context(|| format!("`{target}` has no length in xtask/src/fuzz.rs"))?;
    let grown = tempfile::tempdir().context("cannot make a temporary folder")?;
    let artifacts = root.join("fuzz/artifacts").join(target);
    std::fs::create_dir_all(&artifacts).with_context(|| format!("cannot make {}", artifacts.display()))?;

    let mut command = cargo_fuzz(root, &["run", target]);
    command.arg(grown.path());
    for kind in ["corpus", "regressions"] {
        let folder = root.join("fuzz").join(kind).join(target);
        if folder.is_dir() {
            command.arg(folder);
        }
    }
    command.arg("--").args([
        format!("-max_total_time={}", u64::from(minutes) * 60),
        format!("-timeout={TIMEOUT_SECONDS}"),
        format!("-rss_limit_mb={MEMORY_MAX}"),
        format!("-malloc_limit_mb={ALLOCATION_MAX}"),
        format!("-max_len={length}"),
        "-print_final_stats=1".to_owned(),
    ]);
    eprintln!("{target}: runs for {minutes} min");
    let mut child =
        command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().context("cannot run rustup")?;
    let mut seen = Seen::default();
    let said = child.stderr.take().context("the target's words cannot be read")?;
    for line in BufReader::new(said).split(b'\n') {
        let line = line.context("the target's words cannot be read")?;
        seen.line(&String::from_utf8_lossy(&line));
    }
    seen.failed = !child.wait().context("cannot wait for the target")?.success();
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(arguments: &[&str]) -> Result<Asked, String> {
        asked(&["decode".to_owned(), "run".to_owned()], arguments)
    }

    #[test]
    fn without_words_every_target_runs_for_ten_minutes() {
        let all = Asked { targets: vec!["decode".into(), "run".into()], minutes: 10 };
        assert_eq!(ask(&[]), Ok(all));
    }

    #[test]
    fn one_target_runs_as_long_as_asked() {
        let one = Ok(Asked { targets: vec!["run".into()], minutes: 1 });
        assert_eq!(ask(&["run", "--minutes", "1"]), one);
        assert_eq!(ask(&["--minutes", "1", "run"]), one);
    }

    #[test]
    fn what_is_no_target_and_no_time_is_refused() {
        assert_eq!(ask(&["rum"]), Err("there is no target `rum`; there are decode, run".to_owned()));
        for minutes in [&["--minutes"][..], &["--minutes", "0"], &["--minutes", "x"]] {
            assert_eq!(ask(minutes), Err("--minutes takes a number from 1".to_owned()));
        }
    }

    #[test]
    fn every_target_has_a_length_and_every_length_a_target() {
        let found = targets(&crate::tree::root()).expect("fuzz/Cargo.toml can be read");
        let lengths: Vec<&str> = LENGTH_MAX.iter().map(|(name, _)| *name).collect();
        assert_eq!(found, lengths);
    }
}
