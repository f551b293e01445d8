//! Runs seeds: what `cargo xtask sim` calls.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use camshaft_sim::model::Tally;
use camshaft_sim::run::{Failure, Options, STEPS, run};
use camshaft_sim::shrink::{shrink, steps_of};

const USAGE: &str =
    "usage: cargo xtask sim agent [--seeds N] [--from S] [--seed S] [--steps N] [--skip A-B,C] [--shards N]";

/// What was asked for.
struct Asked {
    seeds: u64,
    /// The first of them.
    from: u64,
    seed: Option<u64>,
    steps: u64,
    skip: Vec<u64>,
    shards: Option<u16>,
}

fn asked(arguments: &[String]) -> Option<Asked> {
    let mut asked = Asked { seeds: 1_000, from: 0, seed: None, steps: STEPS, skip: vec![], shards: None };
    let mut rest = arguments.iter();
    if rest.next()? != "agent" {
        return None;
    }
    while let Some(word) = rest.next() {
        let value = rest.next()?;
        match word.as_str() {
            "--seeds" => asked.seeds = value.parse().ok()?,
            "--from" => asked.from = value.parse().ok()?,
            "--shards" => asked.shards = Some(value.parse().ok()?),
            "--seed" => asked.seed = Some(value.parse().ok()?),
            "--steps" => asked.steps = value.parse().ok()?,
            "--skip" => asked.skip = steps_of(value)?,
            _ => return None,
        }
    }
    Some(asked)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(asked) = asked(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(1);
    };
    let begun = Instant::now();
    let (failure, tally) = match asked.seed {
        Some(seed) => (one(seed, &asked), None),
        None => many(&asked),
    };
    match failure {
        Some(failure) => {
            println!("{failure}");
            ExitCode::from(1)
        }
        None => {
            let seeds = if asked.seed.is_some() { 1 } else { asked.seeds };
            println!("{seeds} seeds, nothing found, {:.1} s", begun.elapsed().as_secs_f64());
            if let Some(tally) = tally {
                let counts = tally.named().into_iter().map(|(what, count)| format!("{what} {count}"));
                println!("they came to: {}", counts.collect::<Vec<_>>().join(", "));
            }
            ExitCode::SUCCESS
        }
    }
}

fn one(seed: u64, asked: &Asked) -> Option<Box<Failure>> {
    let options =
        Options { steps: asked.steps, skip: asked.skip.clone(), shards: asked.shards, ..Options::of(seed) };
    let failure = run(&options).err()?;
    // What was made small before is shown as it is.
    Some(if asked.skip.is_empty() { shrink(failure) } else { failure })
}

/// Runs all seeds, until one fails; returns that one, or how often things came up.
fn many(asked: &Asked) -> (Option<Box<Failure>>, Option<Tally>) {
    let (next, stop, found) =
        (AtomicU64::new(asked.from), AtomicBool::new(false), Mutex::new(None::<Box<Failure>>));
    let sum = Mutex::new(Tally::default());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed - asked.from >= asked.seeds {
                        return;
                    }
                    match run(&Options { steps: asked.steps, shards: asked.shards, ..Options::of(seed) }) {
                        Ok(tally) => {
                            if let Ok(mut sum) = sum.lock() {
                                *sum = sum.plus(&tally);
                            }
                        }
                        Err(failure) => {
                            stop.store(true, Ordering::Relaxed);
                            if let Ok(mut found) = found.lock() {
                                found.get_or_insert(failure);
                            }
                        }
                    }
                }
            });
        }
    });
    (found.into_inner().ok().flatten().map(shrink), sum.into_inner().ok())
}
