//! `cargo xtask bench upgrade [--json] [--rounds N] [--only NAME] [--folder DIR]`: how long a live upgrade keeps
//! instances from answering, and what it costs. Writes its tables of `docs/benchmarks.md`, a part at a time.

mod costs;
mod gap;
mod large;
mod pair;
mod peer;
mod probe;
mod rig;
mod silence;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::erlang;
use crate::parts::{self, Bench};
use anyhow::Result;

use pair::Pair;
use peer::Peer;

const BENCH: Bench<Setting> = Bench {
    name: "upgrade",
    parts: &[
        ("silence", silence::run),
        ("silence-memory", silence::in_memory),
        ("large", large::run),
        ("costs", costs::run),
        ("memory", costs::memory),
        ("gap", gap::run),
    ],
    setting: Setting::new,
};

/// What every part is given.
pub(crate) struct Setting {
    pair: Pair,
    /// Erlang's upgrade; none where it is not installed.
    peer: Option<Peer>,
    rounds: u32,
    /// A folder on the disk that is measured.
    folder: PathBuf,
}

impl Setting {
    fn new(asked: &parts::Arguments) -> Result<Setting> {
        let peer = Peer::new()?;
        if peer.is_none() {
            eprintln!("{}; its column stays empty", erlang::MISSING);
        }
        Ok(Setting { pair: Pair::new()?, peer, rounds: asked.rounds, folder: asked.folder.clone() })
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // This program is its own child where memory is measured, and where one agent takes over from another.
    let ran = match words.first().map(String::as_str) {
        Some("hold") => costs::hold(&words[1..]),
        Some("agent") => gap::agent(&words[1..]),
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
