//! The gap when a new agent takes a running node over: two processes, and requests over HTTP at fixed times.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::measure::{median, quantile};
use crate::report::{Bar, Row};
use anyhow::{Context, Result, anyhow, bail, ensure};
use camshaft_agent::engine::ShardLimits;
use camshaft_agent::ports::Bindings;
use camshaft_agent::{Options, TakeOver, Trust};

use super::Setting;
use super::pair::tally;
use super::probe::{Waited, between};
use super::rig;

/// How many instances there are.
const NUMBERS: [usize; 2] = [1_000, 100_000];

/// How often a client on an open connection is due, and how many of them there are.
const OPEN: Duration = Duration::from_millis(4);
const CLIENTS: usize = 4;

/// How often somebody connects anew.
const ANEW: Duration = Duration::from_millis(4);

/// How long it is listened before a take-over and after it.
const AROUND: Duration = Duration::from_millis(700);

/// Runs an agent on a folder, until it is told to stop: `agent DIR [over]`.
pub(crate) fn agent(words: &[String]) -> Result<()> {
    let (data, over) = match words {
        [data] => (data, false),
        [data, over] if over == "over" => (data, true),
        _ => bail!("a folder is expected"),
    };
    let options = Options {
        data: data.into(),
        listen: "127.0.0.1:0".parse()?,
        labels: Default::default(),
        registry: None,
        trust: Trust::Anybody,
        names: vec![],
        ports: Bindings::default(),
        shards: None,
        waiting: camshaft_agent::host::WAITING_MAX,
        limits: ShardLimits::default(),
        probation: Default::default(),
        max_pause: None,
        take_over: over.then(|| TakeOver { listen: None, who: "bench".to_owned() }),
        again: None,
    };
    Ok(camshaft_agent::serve(&options, |address| println!("{address}"))?)
}

/// An agent in a process of its own.
struct Process {
    child: Child,
    address: SocketAddr,
}

impl Process {
    fn start(folder: &Path, over: bool) -> Result<Process> {
        let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
        command.arg("agent").arg(folder).args(over.then_some("over")).stdout(Stdio::piped());
        let mut child = command.spawn().context("cannot start an agent")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("its output is a pipe")?;
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().parse().with_context(|| format!("the agent says `{line}`"))?;
        Ok(Process { child, address })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who sends requests at fixed times.
struct Client {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Waited>>>,
}

/// Whether a client stays connected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Open,
    Anew,
}

impl Client {
    fn start(address: SocketAddr, manner: Manner, place: usize, number: usize) -> Client {
        let ends = Arc::new(AtomicBool::new(false));
        let told = ends.clone();
        let thread = std::thread::spawn(move || {
            let every = if manner == Manner::Open { OPEN } else { ANEW };
            let (mut at, mut place) = (Instant::now(), place);
            let (mut waited, mut connection) = (vec![], None);
            while !told.load(Ordering::Relaxed) {
                // What is late already goes out at once.
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                place = (place + 7919) % number;
                let mut stream = match connection.take() {
                    Some(stream) => stream,
                    None => connect(address)?,
                };
                let goes_on = ask(&mut stream, &tally(place).to_string(), manner)?;
                connection = goes_on.then_some(stream);
                waited.push(Waited { due: at, took_us: at.elapsed().as_nanos() as f64 / 1e3 });
                at += every;
            }
            Ok(waited)
        });
        Client { ends, thread }
    }

    /// Ends it; that a request failed, be it refused or broken off, is an error.
    fn end(self) -> Result<Vec<Waited>> {
        self.ends.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("a client panicked"))?
    }
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).context("a connection was refused")?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Gives an instance an input, and waits for its answer; returns whether the connection goes on.
fn ask(stream: &mut TcpStream, address: &str, manner: Manner) -> Result<bool> {
    let close = if manner == Manner::Anew { "connection: close\r\n" } else { "" };
    let request = format!(
        "POST /v1/apps/{address} HTTP/1.1\r\nhost: localhost\r\n{close}content-length: 6\r\n\r\n\"Incr\""
    );
    stream.write_all(request.as_bytes()).context("a request was broken off")?;
    let mut answer = vec![];
    let mut some = [0; 1024];
    while !answer.ends_with(b"\r\n\r\n\"Ok\"") {
        let count = stream.read(&mut some).context("an answer was broken off")?;
        let shown = || String::from_utf8_lossy(&answer).into_owned();
        ensure!(count > 0, "an answer was broken off: `{}`", shown());
        answer.extend_from_slice(&some[..count]);
    }
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    ensure!(answer.starts_with("http/1.1 200 "), "a request was not taken: {answer}");
    Ok(!answer.contains("connection: close"))
}

/// What was found of the take-overs with so many instances.
#[derive(Default)]
struct Found {
    /// The longest waits in each.
    open: Vec<f64>,
    anew: Vec<f64>,
    /// From the start of the new process until it serves.
    whole: Vec<f64>,
    /// The longest waits beforehand.
    calm: Vec<f64>,
    requests: usize,
}

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let mut rows = vec![];
    for number in NUMBERS {
        eprintln!("  {number}");
        let folder = tempfile::tempdir_in(&setting.folder).context("cannot make a folder")?;
        let data = folder.path().join("node");
        rig::start(&setting.pair, &data, 0..number)?.stop()?;
        let mut found = Found::default();
        let mut process = Process::start(&data, false)?;
        for _ in 0..setting.rounds {
            process = found.take_over(process, &data, number)?;
        }
        rows.extend(found.rows(number));
    }
    Ok(rows)
}

impl Found {
    fn take_over(&mut self, old: Process, data: &Path, number: usize) -> Result<Process> {
        let start = |manner| move |place| Client::start(old.address, manner, place * 31, number);
        let open: Vec<Client> = (0..CLIENTS).map(start(Manner::Open)).collect();
        let anew = start(Manner::Anew)(CLIENTS);
        std::thread::sleep(AROUND);
        let begin = Instant::now();
        let new = Process::start(data, true)?;
        let done = Instant::now();
        std::thread::sleep(AROUND);
        let mut waits = vec![];
        for client in open {
            waits.extend(client.end()?);
        }
        let anew = anew.end()?;
        self.requests += waits.len() + anew.len();
        let longest = |waited: &[Waited], from, until| {
            between(waited, from, until).into_iter().fold(0.0, f64::max) / 1e3
        };
        self.calm.push(longest(&waits, begin - AROUND / 2, begin));
        self.open.push(longest(&waits, begin, done));
        self.anew.push(longest(&anew, begin, done));
        self.whole.push((done - begin).as_secs_f64() * 1e3);
        // It has ended by itself.
        drop(old);
        Ok(new)
    }

    fn rows(&self, number: usize) -> Vec<Row> {
        let row =
            |name: &str, ours, unit, bar| Row::alone(format!("{number} instances: {name}"), ours, unit, bar);
        let both = |name: &str, figures: &[f64]| {
            [
                row(
                    &format!("longest wait {name}, of all take-overs the median"),
                    median(figures),
                    "ms",
                    None,
                ),
                row(&format!("longest wait {name}, at any take-over"), quantile(figures, 1.0), "ms", None),
            ]
        };
        let mut rows = vec![];
        rows.extend(both("on open connections", &self.open));
        rows.extend(both("of who connects anew", &self.anew));
        rows.extend([
            row("longest wait in as long a time without a take-over, median", median(&self.calm), "ms", None),
            row("from the start of the new process until it serves, median", median(&self.whole), "ms", None),
            row("requests in all", self.requests as f64, "requests", None),
            // A single one ends the bench with an error.
            row(
                "connections refused, requests broken off or not answered",
                0.0,
                "requests",
                Some(Bar::Below(1.0)),
            ),
        ]);
        rows
    }
}
