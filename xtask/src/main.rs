//! Tasks for those who work on Camshaft: `cargo xtask TASK`.
//!
//! This package imports none of ours, so that it builds when everything else is broken. The
//! checks are functions from the root of a source tree to a list of [`fault::Fault`]s; their
//! tests plant a fault in a small tree and expect it to be found.

mod bench;
mod ci;
mod compat;
mod deps;
mod fault;
mod fuzz;
mod lock;
mod rules;
mod sim;
mod systools;
mod tidy;
mod tree;

use std::process::ExitCode;

use anyhow::Result;

const HELP: &str = "\
usage: cargo xtask TASK

  ci           everything that must be green: fmt, clippy, tests, doc tests, tidy, check-deps
  tidy         house rules: code map, machine paths, purity, forgotten files, lengths, links
  check-deps   who imports whom, against the table in docs/architecture.md
  lock         the locks of the examples, made anew after a change of what is compiled
  bench steps [--json] [--rounds N]
               ours beside Erlang and native Rust, in one run; writes the table of docs/benchmarks.md
  bench bundle [--json] [--rounds N]
               bundles beside tar and sha256sum, and the planning of a large release; the same
  bench journal [--json] [--rounds N] [--folder DIR]
               the log beside a plain file and SQLite, on the disk of that folder; the same
  bench agent [--json] [--rounds N] [--folder DIR] [--only PART]
               what an agent does around a step: calls, durable inputs, HTTP, batches, memory, recovery; the same
  bench upgrade [--json] [--rounds N] [--folder DIR] [--only PART]
               how long a live upgrade keeps instances from answering, beside Erlang's, and what it costs; the same
  fuzz [TARGET] [--minutes N]
               hostile inputs by libFuzzer, every target or one (default: 10 minutes each); needs nightly and cargo-fuzz
  compat add NAME SOURCE.cam|MODULE.cam2|BUNDLE.tar.gz INPUTS.json
               records what is written today under tests/compat; never writes over anything
  compare-systools [--releases N] [--seed S] [--keep DIR]
               pairs of releases planned by Erlang's systools and by us: every difference is a known one
  sim agent [--seeds N] [--from S] [--seed S] [--steps N] [--skip A-B,C]
               a node and its clients, simulated from seeds beside a plain model (default: 1,000 seeds)
  long [N]     the crash and ping-pong tests in their long form, N times the short one (default 20)
  long sim     100,000 seeds of the simulation
  long programs [N]   generated programs in all ways to run them, N times the short form (default 50)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode> {
    let root = tree::root();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["ci"] => ci::run(&root),
        ["tidy"] => Ok(fault::report("tidy", &tidy::check(&root)?)),
        ["lock"] => lock::run(&root),
        ["check-deps"] => Ok(fault::report("check-deps", &deps::check(&root)?)),
        ["bench", rest @ ..] => bench::run(&root, rest),
        ["compat", rest @ ..] => compat::run(&root, rest),
        ["compare-systools", rest @ ..] => systools::run(&root, rest),
        ["fuzz", rest @ ..] => fuzz::run(&root, rest),
        ["sim", rest @ ..] => sim::run(&root, rest),
        ["long", "sim"] => sim::run(&root, &["agent", "--seeds", "100000"]),
        ["long"] => ci::long(&root, 20),
        ["long", "programs"] => ci::long_programs(&root, 50),
        ["long", "programs", times] => match number(times, "cargo xtask long programs 50") {
            Some(times) => ci::long_programs(&root, times),
            None => Ok(ExitCode::from(1)),
        },
        ["long", times] => match number(times, "cargo xtask long 20") {
            Some(times) => ci::long(&root, times),
            None => Ok(ExitCode::from(1)),
        },
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprint!("{HELP}");
            Ok(ExitCode::from(1))
        }
    }
}

/// Reads a number of a command; says how the command is written when it is none.
fn number(text: &str, hint: &str) -> Option<u32> {
    let number = text.parse().ok();
    if number.is_none() {
        eprintln!("error: `{text}` is not a number\nhint: {hint}");
    }
    number
}
