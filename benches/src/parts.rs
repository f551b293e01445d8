//! Benches of several parts: each is run by itself or all in turn, and each writes a table of its own into
//! `docs/benchmarks.md`, with the load of the machine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::report::{self, Row};

/// What can be measured, by its name in the document.
pub type Part<S> = (&'static str, fn(&S) -> Result<Vec<Row>>);

/// A bench.
pub struct Bench<S: 'static> {
    /// Its name, after `cargo xtask bench` and in the document.
    pub name: &'static str,
    /// Its parts, in order.
    pub parts: &'static [Part<S>],
    /// Makes what every part is given.
    pub setting: fn(&Arguments) -> Result<S>,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    json: bool,
    /// How often each thing is measured.
    pub rounds: u32,
    only: Option<String>,
    /// A folder on the disk that is measured.
    pub folder: PathBuf,
}

impl<S> Bench<S> {
    /// Runs what was asked for, and writes what was found.
    ///
    /// # Errors
    ///
    /// When a part fails, and when what was asked for is unclear.
    pub fn run(&self, words: &[String]) -> Result<()> {
        let arguments = self.arguments(words)?;
        std::fs::create_dir_all(&arguments.folder).context("cannot make the folder")?;
        let setting = (self.setting)(&arguments)?;
        let mut all = vec![];
        for (name, part) in self.parts {
            if arguments.only.as_deref().is_some_and(|only| only != *name) {
                continue;
            }
            eprintln!("{name}");
            let rows = part(&setting)?;
            self.write_document(name, &rows)?;
            all.extend(rows);
        }
        match arguments.json {
            true => println!("{:#}", all.iter().map(Row::to_json).collect::<serde_json::Value>()),
            false => print!("{}", report::table(&all)),
        }
        Ok(())
    }

    fn help(&self) -> String {
        let names: Vec<&str> = self.parts.iter().map(|(name, _)| *name).collect();
        let (name, parts) = (self.name, names.join("|"));
        format!("usage: cargo xtask bench {name} [--json] [--rounds N] [--folder DIR] [--only {parts}]")
    }

    fn arguments(&self, words: &[String]) -> Result<Arguments> {
        // Not where temporary files are: that is memory on many systems.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        let mut found = Arguments { json: false, rounds: 5, only: None, folder };
        let help = || self.help();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            match word.as_str() {
                "--json" => found.json = true,
                "--rounds" => {
                    found.rounds = rest.next().and_then(|rounds| rounds.parse().ok()).with_context(help)?;
                }
                "--only" => found.only = Some(rest.next().with_context(help)?.clone()),
                "--folder" => found.folder = rest.next().with_context(help)?.into(),
                other => bail!("`{other}` is not known\n{}", self.help()),
            }
        }
        ensure!(found.rounds > 0, "there is nothing to say after no rounds\n{}", self.help());
        if let Some(only) = &found.only {
            let known = self.parts.iter().any(|(name, _)| name == only);
            ensure!(known, "there is no part `{only}`\n{}", self.help());
        }
        Ok(found)
    }

    fn write_document(&self, part: &str, rows: &[Row]) -> Result<()> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
        let document =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let machine = report::machine(&format!("load at the end {}", load()));
        let content = format!("{machine}\n{}", report::table(rows));
        let document = report::replaced(&document, &format!("{} {part}", self.name), &content)?;
        std::fs::write(&path, document).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Returns how busy the machine was in the last minute, for whoever reads the figures.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("unknown").to_owned()
}

/// Returns how many shards an agent has here.
pub fn shards() -> u16 {
    std::thread::available_parallelism().map_or(1, |cores| u16::try_from(cores.get()).unwrap_or(16)).min(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BENCH: Bench<()> = Bench {
        name: "some",
        parts: &[("one", |()| Ok(vec![])), ("two", |()| Ok(vec![]))],
        setting: |_| Ok(()),
    };

    fn arguments(words: &[&str]) -> Result<Arguments, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        BENCH.arguments(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let found = arguments(&["--json", "--rounds", "2", "--only", "two", "--folder", "there"]);
        let expected =
            Arguments { json: true, rounds: 2, only: Some("two".to_owned()), folder: "there".into() };
        assert_eq!(found, Ok(expected));
        assert_eq!(arguments(&[]).map(|found| (found.json, found.rounds, found.only)), Ok((false, 5, None)));
    }

    #[test]
    fn what_is_unclear_is_refused_with_the_usage() {
        let help = "usage: cargo xtask bench some [--json] [--rounds N] [--folder DIR] [--only one|two]";
        for (words, reason) in [
            (&["--only", "three"][..], "there is no part `three`\n"),
            (&["--rounds", "0"], "there is nothing to say after no rounds\n"),
            (&["--rounds", "some"], ""),
            (&["--folder"], ""),
            (&["three"], "`three` is not known\n"),
        ] {
            assert_eq!(arguments(words), Err(format!("{reason}{help}")), "{words:?}");
        }
    }
}
