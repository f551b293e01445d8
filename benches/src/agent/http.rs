//! An agent as a process, and a generator of load as another one.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::measure::median;
use crate::report::{Bar, Row};
use anyhow::{Context, Result, ensure};
use serde_json::Value as Json;

use super::Setting;

/// How many connections there are.
const CONNECTIONS: usize = 64;

/// How many send batches, and how many lines a batch has: all together fewer than a node lets wait of batches, since
/// it would refuse one.
const BATCH_CONNECTIONS: usize = 3;
const BATCH_LINES: usize = 1_000;

/// How long the generator goes on in a round, in milliseconds.
const TIME: &str = "3000";

/// Requests a second, where they come at fixed times.
const RATES: [u32; 2] = [2_000, 8_000];

/// How many ticks of a process's time are in a second on Linux.
const TICKS: f64 = 100.0;

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir_in(&setting.folder).context("cannot make a folder")?;
    let agent = Agent::start(folder.path())?;
    agent.install(&setting.sample.bundle)?;
    let mut rows = vec![];
    let mut closed = Figures::default();
    let mut open = RATES.map(|rate| (rate, Figures::default()));
    for round in 0..=setting.rounds {
        let one = |rate: u32, figures: &mut Figures| -> Result<()> {
            let found = agent.measured(CONNECTIONS, rate, 0)?;
            if round > 0 {
                figures.add(&found);
            }
            Ok(())
        };
        one(0, &mut closed)?;
        for (rate, figures) in &mut open {
            one(*rate, figures)?;
        }
    }
    rows.extend(closed.rows("as fast as answers come", Some(Bar::AtLeast(20_000.0))));
    for (rate, figures) in &open {
        rows.extend(figures.rows(&format!("{rate} a second, at fixed times"), None));
    }
    Ok(rows)
}

/// Batches over HTTP.
pub(crate) fn batches(setting: &Setting) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir_in(&setting.folder).context("cannot make a folder")?;
    let agent = Agent::start(folder.path())?;
    agent.install(&setting.sample.bundle)?;
    let mut figures = Figures::default();
    for round in 0..=setting.rounds {
        let found = agent.measured(BATCH_CONNECTIONS, 0, BATCH_LINES)?;
        if round > 0 {
            figures.add(&found);
        }
    }
    let what = format!("POST /v1/batch, {BATCH_LINES} lines each, {BATCH_CONNECTIONS} connections");
    let row = |name: &str, figures: &[f64], unit, bar| {
        Row::alone(format!("{what}{name}"), median(figures), unit, bar)
    };
    Ok(vec![
        row("", &figures.rate, "inputs/s", Some(Bar::AtLeast(300_000.0))),
        row(": a batch, p50", &figures.took[0], "us", None),
        row(": a batch, p99", &figures.took[1], "us", None),
        row(": CPU time of the agent, an input", &figures.agent, "us", None),
        row(": CPU time of the generator, an input", &figures.generator, "us", None),
    ])
}

/// What the rounds found.
#[derive(Default)]
struct Figures {
    rate: Vec<f64>,
    took: [Vec<f64>; 3],
    agent: Vec<f64>,
    generator: Vec<f64>,
}

/// What one run found.
struct Found {
    rate: f64,
    took: [f64; 3],
    /// CPU time of an input, in microseconds.
    agent: f64,
    generator: f64,
}

impl Figures {
    fn add(&mut self, found: &Found) {
        self.rate.push(found.rate);
        self.agent.push(found.agent);
        self.generator.push(found.generator);
        for (all, took) in self.took.iter_mut().zip(found.took) {
            all.push(took);
        }
    }

    fn rows(&self, how: &str, bar: Option<Bar>) -> Vec<Row> {
        let what = format!("{CONNECTIONS} connections, {how}");
        let row = |name: &str, figures: &[f64], unit, bar| {
            Row::alone(format!("{what}{name}"), median(figures), unit, bar)
        };
        let mut rows = vec![row("", &self.rate, "inputs/s", bar)];
        for (name, took) in ["p50", "p99", "p99.9"].iter().zip(&self.took) {
            rows.push(row(&format!(": {name}"), took, "us", None));
        }
        rows.push(row(": CPU time of the agent, an input", &self.agent, "us", None));
        rows.push(row(": CPU time of the generator, an input", &self.generator, "us", None));
        rows
    }
}

/// An agent that runs. It is killed when the guard goes.
struct Agent {
    child: Child,
    address: String,
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Agent {
    fn start(folder: &Path) -> Result<Agent> {
        let program = std::env::current_exe()?.with_file_name("camshaft");
        let mut command = Command::new(&program);
        command.args(["agent", "--listen", "127.0.0.1:0", "--json", "--data"]).arg(folder.join("data"));
        let log = std::fs::File::create(folder.join("log"))?;
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().with_context(|| {
            format!("cannot run {}; it comes from `cargo build --release -p camshaft-cli`", program.display())
        })?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("stdout is a pipe")?).read_line(&mut line)?;
        let ready: Json = serde_json::from_str(&line).context("the agent does not start")?;
        let url = ready["listening"].as_str().context("the agent does not say where it listens")?;
        let address = url.trim_start_matches("http://").to_owned();
        Ok(Agent { child, address })
    }

    fn install(&self, bundle: &[u8]) -> Result<()> {
        self.post("/v1/node/install", bundle).map(drop)
    }

    /// Posts something over a connection of its own, and returns the answer.
    fn post(&self, path: &str, body: &[u8]) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        Ok(answer)
    }

    /// Returns how many inputs the counters of all connections took.
    fn counted(&self) -> Result<u64> {
        let mut sum = 0;
        for connection in 0..CONNECTIONS {
            let path = format!("/v1/apps/{}/c{connection}", crate::node::TALLY_ADDRESS);
            let answer = self.post(&path, b"\"Count\"")?;
            let body = answer.split("\r\n\r\n").nth(1).context("an answer has a body")?;
            let count: Json = serde_json::from_str(body)?;
            sum += count["Count"].as_u64().with_context(|| format!("{body} is no count"))?;
        }
        Ok(sum)
    }

    /// Returns the CPU time that the agent has used, in seconds.
    fn cpu(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The name of the program may have spaces; what comes after it has none.
        let (_, rest) = stat.rsplit_once(") ").context("the system says what a process uses")?;
        let field = |place: usize| rest.split(' ').nth(place).and_then(|ticks| ticks.parse::<f64>().ok());
        let (user, system) = (field(11), field(12));
        Ok((user.context("user time")? + system.context("system time")?) / TICKS)
    }

    /// Has the generator send requests, batches of so many lines if there are any.
    fn measured(&self, connections: usize, rate: u32, lines: usize) -> Result<Found> {
        let (before, spent) = (self.counted()?, self.cpu()?);
        let mut command = Command::new(std::env::current_exe()?);
        let numbers = [connections.to_string(), TIME.to_owned(), rate.to_string(), lines.to_string()];
        let done = command.args(["generate", &self.address]).args(numbers).output()?;
        let spent = self.cpu()? - spent;
        ensure!(done.status.success(), "the generator: {}", String::from_utf8_lossy(&done.stderr));
        let found: Json = serde_json::from_slice(&done.stdout)?;
        let figure = |name: &str| found[name].as_f64().with_context(|| format!("no {name} in {found}"));
        let answered = figure("answered")?;
        ensure!((self.counted()? - before) as f64 == answered, "every input was applied once");
        Ok(Found {
            rate: answered / figure("seconds")?,
            took: [figure("p50")?, figure("p99")?, figure("p999")?],
            agent: spent / answered * 1e6,
            generator: figure("cpu")? / answered * 1e6,
        })
    }
}
