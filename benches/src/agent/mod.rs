//! `cargo xtask bench agent [--json] [--rounds N] [--only NAME] [--folder DIR]`: what an agent does around a step,
//! and what it holds. Writes its tables of `docs/benchmarks.md`, a part at a time.

mod calls;
mod durable;
mod generate;
mod held;
mod http;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::node::Sample;
use crate::parts::{self, Bench};
use anyhow::Result;

const BENCH: Bench<Setting> = Bench {
    name: "agent",
    parts: &[
        ("calls", calls::run),
        ("durable", durable::run),
        ("http", http::run),
        ("batches", durable::batches),
        ("memory", held::memory),
        ("recovery", held::recovery),
    ],
    setting: |asked| {
        Ok(Setting { sample: Sample::new()?, rounds: asked.rounds, folder: asked.folder.clone() })
    },
};

/// What every part is given.
pub(crate) struct Setting {
    pub(crate) sample: Sample,
    pub(crate) rounds: u32,
    /// A folder on the disk that is measured.
    pub(crate) folder: PathBuf,
}

impl Setting {
    /// Returns how many shards an agent has here.
    pub(crate) fn shards(&self) -> u16 {
        parts::shards()
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // This program is its own child where something has to be measured from outside.
    let ran: Result<()> = match words.first().map(String::as_str) {
        Some("generate") => generate::run(&words[1..]),
        Some("hold") => held::hold(&words[1..]),
        _ => BENCH.run(&words),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}
