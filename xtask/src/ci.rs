//! `ci`: everything that must be green, in the order in which it fails fastest.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};

use crate::fault;
use crate::{deps, systools, tidy};

/// Runs all checks and stops at the first that fails.
pub fn run(root: &Path) -> Result<ExitCode> {
    for (task, faults) in [("tidy", tidy::check(root)?), ("check-deps", deps::check(root)?)] {
        let code = fault::report(task, &faults);
        if code != ExitCode::SUCCESS {
            return Ok(code);
        }
    }
    let test: &[&str] = match has_nextest(root) {
        true => &["nextest", "run", "--workspace", "--no-fail-fast"],
        false => &["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"],
    };
    let steps: [&[&str]; 5] = [
        &["fmt", "--all", "--check"],
        // A workspace of its own.
        &["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"],
        &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        &["test", "--workspace", "--doc"],
        // Last, so that the closing line of the run is the runner's own summary.
        test,
    ];
    for step in &steps[..steps.len() - 1] {
        if !passes(root, step)? {
            return Ok(ExitCode::from(1));
        }
    }
    if systools::is_there() {
        eprintln!("$ cargo xtask compare-systools");
        let compared = systools::run(root, &[])?;
        if compared != ExitCode::SUCCESS {
            return Ok(compared);
        }
    } else {
        eprintln!("warning: there is no erl, so that no plan is compared with those of systools");
    }
    Ok(ExitCode::from(u8::from(!passes(root, steps[steps.len() - 1])?)))
}

/// Runs a step of cargo, and says when it fails.
fn passes(root: &Path, step: &[&str]) -> Result<bool> {
    let passes = cargo(root, step, &[])?;
    if !passes {
        eprintln!("error: `cargo {}` failed", step.join(" "));
    }
    Ok(passes)
}

/// Runs the tests that have a long form, `times` as long.
pub fn long(root: &Path, times: u32) -> Result<ExitCode> {
    let step = [
        "test",
        "--release",
        "--package",
        "camshaft-tests",
        "--test",
        "crash",
        "--test",
        "kills",
        "--test",
        "pingpong",
        "--",
        "--nocapture",
    ];
    let green = cargo(root, &step, &[("CAMSHAFT_LONG", &times.to_string())])?;
    Ok(ExitCode::from(u8::from(!green)))
}

/// Runs `times` as many generated programs as the short form does.
pub fn long_programs(root: &Path, times: u32) -> Result<ExitCode> {
    let step = ["test", "--release", "--package", "camshaft-cam", "--lib", "proof::", "--", "--nocapture"];
    let green = cargo(root, &step, &[("CAMSHAFT_LONG", &times.to_string())])?;
    Ok(ExitCode::from(u8::from(!green)))
}

fn has_nextest(root: &Path) -> bool {
    let mut probe = Command::new(cargo_program());
    probe.current_dir(root).args(["nextest", "--version"]).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

pub fn cargo(root: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Result<bool> {
    eprintln!("$ cargo {}", arguments.join(" "));
    let mut command = Command::new(cargo_program());
    command.current_dir(root).args(arguments).envs(environment.iter().copied());
    let status = command.status().with_context(|| format!("cannot run cargo {}", arguments.join(" ")))?;
    Ok(status.success())
}

/// Cargo tells the programs it starts where it is itself.
pub fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
