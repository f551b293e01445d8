//! `cargo xtask bench agent [--json] [--rounds N] [--only NAME] [--folder DIR]`: what an agent does around a step,
//! and what it holds. Writes its tables of `docs/benchmarks.md`, a part at a time.

mod calls;
mod durable;
mod generate;
mod held;
mod http;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::node::Sample;
use crate::report::{self, Row};
use anyhow::{Context, Result, bail, ensure};

const HELP: &str = "usage: cargo xtask bench agent [--json] [--rounds N] [--folder DIR] \
                    [--only calls|durable|http|batches|memory|recovery]";

/// What can be measured, by its name in the document.
type Part = (&'static str, fn(&Setting) -> Result<Vec<Row>>);

const PARTS: [Part; 6] = [
    ("calls", calls::run),
    ("durable", durable::run),
    ("http", http::run),
    ("batches", durable::batches),
    ("memory", held::memory),
    ("recovery", held::recovery),
];

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
        std::thread::available_parallelism()
            .map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(16))
            .min(16)
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // This program is its own child where something has to be measured from outside.
    let ran = match words.first().map(String::as_str) {
        Some("generate") => generate::run(&words[1..]),
        Some("hold") => held::hold(&words[1..]),
        _ => run(&words),
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}

struct Arguments {
    json: bool,
    rounds: u32,
    only: Option<String>,
    folder: PathBuf,
}

fn run(words: &[String]) -> Result<()> {
    let arguments = arguments_of(words)?;
    let setting = Setting { sample: Sample::new()?, rounds: arguments.rounds, folder: arguments.folder };
    let mut all = vec![];
    for (name, part) in PARTS {
        if arguments.only.as_deref().is_some_and(|only| only != name) {
            continue;
        }
        eprintln!("{name}");
        let rows = part(&setting)?;
        write_document(name, &rows)?;
        all.extend(rows);
    }
    match arguments.json {
        true => println!("{:#}", all.iter().map(Row::to_json).collect::<serde_json::Value>()),
        false => print!("{}", report::table(&all)),
    }
    Ok(())
}

fn arguments_of(words: &[String]) -> Result<Arguments> {
    // Not where temporary files are: that is memory on many systems.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    let mut found = Arguments { json: false, rounds: 5, only: None, folder };
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "--json" => found.json = true,
            "--rounds" => found.rounds = rest.next().and_then(|rounds| rounds.parse().ok()).context(HELP)?,
            "--only" => found.only = Some(rest.next().context(HELP)?.clone()),
            "--folder" => found.folder = rest.next().context(HELP)?.into(),
            other => bail!("`{other}` is not known\n{HELP}"),
        }
    }
    ensure!(found.rounds > 0, "there is nothing to say after no rounds\n{HELP}");
    if let Some(only) = &found.only {
        ensure!(PARTS.iter().any(|(name, _)| name == only), "there is no part `{only}`\n{HELP}");
    }
    std::fs::create_dir_all(&found.folder).context("cannot make the folder")?;
    Ok(found)
}

/// Returns how busy the machine was in the last minute, for whoever reads the figures.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("unknown").to_owned()
}

fn write_document(part: &str, rows: &[Row]) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
    let document =
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let machine = report::machine(&format!("load at the end {}", load()));
    let content = format!("{machine}\n{}", report::table(rows));
    let document = report::replaced(&document, &format!("agent {part}"), &content)?;
    std::fs::write(&path, document).with_context(|| format!("cannot write {}", path.display()))
}
