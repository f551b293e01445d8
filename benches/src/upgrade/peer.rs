//! Erlang's own upgrade of running processes: `peers/erlang/upgrade_bench.erl`, compiled and run as its own process.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

/// The compiled programs, in a folder as `upgrade_bench` expects it.
pub(crate) struct Peer {
    folder: TempDir,
}

/// How long processes did not answer, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Silence {
    /// The median of the upgrades.
    pub(crate) middle: f64,
    /// The longest of them.
    pub(crate) longest: f64,
}

impl Peer {
    /// Compiles the programs. `None` where Erlang is not installed.
    pub(crate) fn new() -> Result<Option<Peer>> {
        match Command::new("erlc").arg("-v").output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.context("cannot run erlc")?,
        };
        let folder = tempfile::tempdir().context("cannot make a folder for what Erlang compiles")?;
        let at = folder.path();
        compile(&at.join("ebin"), &["upgrade_bench", "up_sup"], None)?;
        for version in [1, 2] {
            let define = format!("-DV={version}");
            let ebin = at.join(format!("rel/up-{version}/ebin"));
            compile(&at.join(format!("v{version}")), &["up_srv"], Some(&define))?;
            compile(&ebin, &["up_srv", "up_app", "up_sup"], Some(&define))?;
            fs::write(ebin.join("up.app"), resource(version))?;
            fs::write(ebin.join("up.appup"), appup(version))?;
        }
        Ok(Some(Peer { folder }))
    }

    /// Upgrades and downgrades an application of so many processes.
    pub(crate) fn many(&self, processes: usize, upgrades: u32) -> Result<Silence> {
        self.run(&["relup", &processes.to_string(), &upgrades.to_string()])
    }

    /// Upgrades and downgrades a process with a map of so many entries, each of which changes.
    pub(crate) fn large(&self, entries: usize, upgrades: u32) -> Result<Silence> {
        self.run(&["big", &entries.to_string(), &upgrades.to_string(), "mapall"])
    }

    fn run(&self, words: &[&str]) -> Result<Silence> {
        let mut command = Command::new("erl");
        command.args(["-noshell", "+P", "2000000", "-pa", "ebin", "-sasl", "errlog_type", "error"]);
        command.args(["-kernel", "logger_level", "error", "-s", "upgrade_bench", "main", "-extra"]);
        let done = command.args(words).current_dir(self.folder.path()).output().context("cannot run erl")?;
        let out = String::from_utf8_lossy(&done.stdout);
        ensure!(done.status.success(), "erl failed: {}{out}", String::from_utf8_lossy(&done.stderr));
        parse(&out).with_context(|| format!("the programs say {out:?}"))
    }
}

fn compile(to: &Path, names: &[&str], define: Option<&str>) -> Result<()> {
    fs::create_dir_all(to)?;
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/erlang");
    let mut command = Command::new("erlc");
    command.arg("-o").arg(to).args(define);
    command.args(names.iter().map(|name| sources.join(format!("{name}.erl"))));
    let done = command.output().context("cannot run erlc")?;
    match done.status.success() {
        true => Ok(()),
        false => bail!("erlc refuses {names:?}: {}", String::from_utf8_lossy(&done.stdout)),
    }
}

fn resource(version: u32) -> String {
    format!(
        "{{application, up, [{{description, \"upgrade benchmark\"}}, {{vsn, \"{version}\"}}, \
         {{modules, [up_app, up_sup, up_srv]}}, {{registered, [up_sup]}}, {{applications, [kernel, stdlib]}}, \
         {{mod, {{up_app, []}}}}]}}.\n"
    )
}

fn appup(version: u32) -> String {
    let other = 3 - version;
    let way = format!("[{{\"{other}\", [{{update, up_srv, {{advanced, []}}}}]}}]");
    format!("{{\"{version}\", {way}, {way}}}.\n")
}

/// Reads a line of name, number of figures, median, longest.
fn parse(out: &str) -> Result<Silence> {
    let line =
        out.lines().find_map(|line| line.strip_prefix("silence\t")).context("there is no such line")?;
    let figures: Vec<f64> = line.split('\t').map(str::parse).collect::<Result<_, _>>()?;
    let [_, middle, longest] = figures[..] else { bail!("three figures are expected") };
    Ok(Silence { middle, longest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_programs_print_is_read() {
        let found = parse("some noise\nsilence\t11\t1500.0\t2300.5\n").expect("it is in order");
        assert_eq!(found, Silence { middle: 1500.0, longest: 2300.5 });
        assert_eq!(parse("").expect_err("nothing").to_string(), "there is no such line");
        assert_eq!(parse("silence\t1\t2\n").expect_err("too few").to_string(), "three figures are expected");
    }
}
