//! `compare-systools`: pairs of releases planned by OTP's `systools:make_relup` and by us.
//!
//! Each pair is made by chance from a number, written for both worlds, and planned by both: all by one process
//! of Erlang, and all by one of ours. What differs has to be one of the [`rules`], most of which name a fault of
//! OTP with the experiment that shows it; anything else fails, with the number and both plans.
//!
//! And the `.appup` files of OTP itself, and made ones: for which versions which entry is, as OTP chooses it and as
//! `appup import` does ([`entries`]); and what the plans that come of OTP's do to the application ([`real`]).

mod cases;
mod entries;
mod judge;
mod plans;
mod real;
mod rules;
#[cfg(test)]
mod tests;
mod worlds;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use cases::Case;
use judge::Findings;
use plans::{Both, Planned};

/// How many pairs the short form has.
pub const SHORT: u32 = 20;

/// What the command is told.
struct Wanted {
    releases: u32,
    seed: u64,
    keep: Option<PathBuf>,
}

/// Runs the comparison.
pub fn run(root: &Path, words: &[&str]) -> Result<ExitCode> {
    let Some(wanted) = wanted(words) else {
        eprintln!("error: {}\nhint: cargo xtask compare-systools --releases 200 --seed 1", words.join(" "));
        return Ok(ExitCode::from(1));
    };
    if !is_there() {
        eprintln!(
            "error: there is no erl\nhint: on Debian: apt-get install --no-install-recommends erlang-base"
        );
        return Ok(ExitCode::from(1));
    }
    let temporary = tempfile::tempdir().context("cannot make a temporary folder")?;
    let folder = wanted.keep.clone().unwrap_or_else(|| temporary.path().to_owned());
    let cases: BTreeMap<String, Case> = (0..u64::from(wanted.releases))
        .map(|at| (format!("{at:06}"), cases::case(wanted.seed.wrapping_add(at))))
        .collect();
    let (erts, base) = installed()?;
    for (name, case) in &cases {
        worlds::write_otp(&folder.join("otp").join(name), case, &base, &erts)?;
        worlds::write_ours(&folder.join("ours").join(name), case)?;
    }
    let plans = folder.join("otp").display().to_string();
    let otp = plans::read(&by_otp(root, &[&plans])?)?;
    let plans = folder.join("ours").display().to_string();
    let ours = plans::read(&by_us(root, &[&plans])?)?;
    let planned = report(&cases, &otp, &ours);
    let chosen = entries::compare(root, &folder.join("appups"), wanted.seed)?;
    let real = real::compare(root, &folder.join("real"), &base, &erts)?;
    Ok(ExitCode::from(u8::from(!(planned && chosen && real))))
}

/// Returns true when Erlang is installed.
pub fn is_there() -> bool {
    let mut erl = Command::new("erl");
    erl.args(["-noshell", "-eval", "halt()."])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    erl.status().is_ok_and(|status| status.success())
}

fn wanted(words: &[&str]) -> Option<Wanted> {
    let mut wanted = Wanted { releases: SHORT, seed: 1, keep: None };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next()?;
        match *word {
            "--releases" => wanted.releases = value.parse().ok()?,
            "--seed" => wanted.seed = value.parse().ok()?,
            "--keep" => wanted.keep = Some(value.into()),
            _ => return None,
        }
    }
    Some(wanted)
}

/// Returns the version of the emulator that is installed, and those of the applications that every release has.
fn installed() -> Result<(String, worlds::Base)> {
    let apps = ["kernel", "stdlib", "sasl"];
    let ask = format!(
        "io:format(\"~s~n\", [erlang:system_info(version)]), [begin application:load(A), {{ok, V}} = \
         application:get_key(A, vsn), io:format(\"~s~n\", [V]) end || A <- [{}]], halt().",
        apps.join(",")
    );
    let told = output(Command::new("erl").args(["-noshell", "-eval", &ask]))?;
    let lines: Vec<&str> = told.lines().collect();
    let [erts, versions @ ..] = &lines[..] else { bail!("erl does not tell its version: {told}") };
    let base = apps.into_iter().zip(versions).map(|(app, version)| (app.to_owned(), (*version).to_owned()));
    Ok(((*erts).to_owned(), base.collect()))
}

/// Runs the program of Erlang.
fn by_otp(root: &Path, words: &[&str]) -> Result<String> {
    output(Command::new("escript").arg(root.join("xtask/src/systools/plan.escript")).args(words))
}

/// Runs the program of ours.
fn by_us(root: &Path, words: &[&str]) -> Result<String> {
    let mut command = Command::new(crate::ci::cargo_program());
    command.current_dir(root);
    command.args(["run", "--quiet", "--package", "camshaft-releases", "--example", "relups", "--"]);
    output(command.args(words))
}

fn output(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let done = done.with_context(|| format!("cannot run {}", command.get_program().to_string_lossy()))?;
    if !done.status.success() {
        bail!(
            "{} failed: {}",
            command.get_program().to_string_lossy(),
            String::from_utf8_lossy(&done.stdout)
        );
    }
    String::from_utf8(done.stdout).context("what it printed is no text")
}

/// Prints what was found, and fails at a difference that is not known.
fn report(
    cases: &BTreeMap<String, Case>,
    otp: &BTreeMap<String, Planned>,
    ours: &BTreeMap<String, Planned>,
) -> bool {
    let mut all = Findings::default();
    let mut failed = 0;
    for (name, case) in cases {
        let found = match (otp.get(name), ours.get(name)) {
            (Some(Ok(otp)), Some(Ok(ours))) => judge::compare(case, otp, ours),
            (otp, ours) => {
                let reason = format!("not planned: OTP: {}; ours: {}", why_not(otp), why_not(ours));
                Findings { unknown: vec![reason], ..Findings::default() }
            }
        };
        all.agreed += found.agreed;
        for (rule, count) in found.known {
            *all.known.entry(rule).or_default() += count;
        }
        if !found.unknown.is_empty() {
            failed += 1;
            println!("seed {}: {}", case.seed, found.unknown.join("\n  "));
            println!("OTP:  {}\nours: {}", shown(otp.get(name)), shown(ours.get(name)));
            println!("again: cargo xtask compare-systools --releases 1 --seed {} --keep DIR\n", case.seed);
        }
    }
    println!("{} pairs of releases, up and down: {} times the same", cases.len(), all.agreed);
    for (rule, count) in &all.known {
        let text = rule.text();
        println!(
            "{count:6}  {} ({})\n        OTP:  {}\n        ours: {}",
            text.name, text.shown_by, text.otp, text.ours
        );
    }
    println!("compare-systools: {failed} pairs with a difference that is not known");
    failed == 0
}

fn why_not(plan: Option<&Planned>) -> String {
    match plan {
        None => "nothing was said".to_owned(),
        Some(Err(reason)) => reason.clone(),
        Some(Ok(_)) => "planned".to_owned(),
    }
}

fn shown(plan: Option<&Planned>) -> String {
    let Some(Ok(Both { up, down })) = plan else { return why_not(plan) };
    let one = |plan: &plans::Plan| {
        let events = plan.events.iter().map(|(at, event)| format!("{at}:{event:?}"));
        events.collect::<Vec<_>>().join(" ")
    };
    format!("up {}\n      down {}", one(up), one(down))
}
