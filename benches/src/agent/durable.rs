//! Durable inputs: clients within the process, each with one input under way, beside one record per sync.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::measure::{median, process_cpu_time};
use crate::node::{INCR, Rig, expect_ok, input, tally};
use crate::report::{Bar, Row};
use anyhow::{Context, Result, ensure};
use camshaft_agent::host::Input;
use camshaft_store::{Chunk, Class, FolderJournal, Log, LogOptions, RealDisk};
use tokio::sync::mpsc;

use super::Setting;

/// How many clients have an input under way.
const CLIENTS: usize = 64;

/// How long each of the two goes on in a round.
const TIME: Duration = Duration::from_millis(1500);

/// How many inputs are in a batch, and how many batches are under way.
const BATCH: usize = 256;
const BATCHES: usize = 4;

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let record = record(setting)?;
    let folder = tempfile::tempdir_in(&setting.folder).context("cannot make a folder")?;
    let journal = FolderJournal::open(&folder.path().join("node"))?.0;
    let rig = Rig::start(setting.sample.node(Box::new(journal), setting.shards())?)?;
    let mut plain = Plain::new(folder.path().join("plain"), record.clone())?;
    let mut log = OneByOne::new(&folder.path().join("log"), record)?;
    let [mut ours, mut cpu, mut plain_rates, mut log_rates] = [const { Vec::new() }; 4];
    for round in 0..=setting.rounds {
        let (started, spent) = (Instant::now(), process_cpu_time());
        let answered = rig.call_for(CLIENTS, TIME)? as f64;
        let (seconds, spent) = (started.elapsed().as_secs_f64(), process_cpu_time() - spent);
        let plain = rate_of(TIME, || plain.append())?;
        let log = rate_of(TIME, || log.append())?;
        // The first round makes files and caches ready.
        if round > 0 {
            ours.push(answered / seconds);
            cpu.push(spent.as_nanos() as f64 / answered / 1e3);
            plain_rates.push(plain);
            log_rates.push(log);
        }
    }
    rig.stop()?;
    let row = |against, peer: &[f64], bar| Row {
        bench: format!("{CLIENTS} clients in process, journal on disk"),
        ours: median(&ours),
        against: Some(against),
        peer: Some(median(peer)),
        unit: "inputs/s",
        bar,
    };
    let cpu_row = format!("{CLIENTS} clients in process, journal on disk: CPU time of an input");
    Ok(vec![
        row("write, fdatasync of one record", &plain_rates, Some(Bar::RatioAtLeast(20.0))),
        row("our log, one record a sync", &log_rates, None),
        Row::alone(cpu_row, median(&cpu), "us", None),
    ])
}

/// Returns how often a second something can be done.
fn rate_of(time: Duration, mut what: impl FnMut() -> Result<()>) -> Result<f64> {
    let started = Instant::now();
    let mut times = 0_u32;
    while started.elapsed() < time {
        what()?;
        times += 1;
    }
    Ok(f64::from(times) / started.elapsed().as_secs_f64())
}

/// Returns the bytes of the record of an input.
fn record(setting: &Setting) -> Result<Vec<u8>> {
    let mut shard = setting.sample.shard(true);
    let Input { address, .. } = input(tally(0), INCR);
    let code = setting.sample.release.machine(&address.machine_address());
    let code = code.context("the sample has the machine")?;
    let incr = camshaft_cam::value::Value::from_json(INCR, code.verified.input())?;
    drop(shard.take_out());
    ensure!(shard.call(&address, incr).is_ok(), "the input is taken");
    Ok(shard.take_out().chunk.bytes)
}

/// A plain file that grows.
struct Plain {
    file: File,
    end: u64,
    record: Vec<u8>,
}

impl Plain {
    fn new(path: std::path::PathBuf, record: Vec<u8>) -> Result<Plain> {
        Ok(Plain { file: File::create_new(path).context("cannot make a file")?, end: 0, record })
    }

    fn append(&mut self) -> Result<()> {
        self.file.write_all_at(&self.record, self.end)?;
        self.end += self.record.len() as u64;
        Ok(self.file.sync_data()?)
    }
}

/// Our log, with one record in each group.
struct OneByOne {
    log: Log,
    record: Vec<u8>,
}

impl OneByOne {
    fn new(folder: &std::path::Path, record: Vec<u8>) -> Result<OneByOne> {
        let disk = RealDisk::open(folder).context("cannot open a folder")?;
        let mut log = Log::open(Arc::new(disk), LogOptions::default())?.0;
        log.make_room()?;
        Ok(OneByOne { log, record })
    }

    fn append(&mut self) -> Result<()> {
        let mut chunk = Chunk::new(0, 0);
        chunk.push_with(|bytes| bytes.extend_from_slice(&self.record));
        self.log.append(&[chunk], Class::Input)?;
        Ok(())
    }
}

/// Batches: so many inputs at once, and so many batches under way.
pub(crate) fn batches(setting: &Setting) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir_in(&setting.folder).context("cannot make a folder")?;
    let journal = FolderJournal::open(&folder.path().join("node"))?.0;
    let rig = Rig::start(setting.sample.node(Box::new(journal), setting.shards())?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (mut rates, mut cpus) = (vec![], vec![]);
    for round in 0..=setting.rounds {
        let (started, spent) = (Instant::now(), process_cpu_time());
        let answered = runtime.block_on(batches_for(&rig, TIME))? as f64;
        let (seconds, spent) = (started.elapsed().as_secs_f64(), process_cpu_time() - spent);
        if round > 0 {
            rates.push(answered / seconds);
            cpus.push(spent.as_nanos() as f64 / answered);
        }
    }
    rig.stop()?;
    let what = format!("{BATCH} inputs a batch, {BATCHES} batches under way, in process, journal on disk");
    let mut rows = vec![
        Row::alone(what.clone(), median(&rates), "inputs/s", Some(Bar::AtLeast(300_000.0))),
        Row::alone(format!("{what}: CPU time of an input"), median(&cpus), "ns", None),
    ];
    rows.extend(super::http::batches(setting)?);
    Ok(rows)
}

async fn batches_for(rig: &Rig, time: Duration) -> Result<u64> {
    let until = Instant::now() + time;
    let mut tasks = tokio::task::JoinSet::new();
    for batch in 0..BATCHES {
        let host = rig.host.clone();
        tasks.spawn(async move {
            let addresses: Vec<_> = (0..BATCH).map(|place| tally(batch * BATCH + place)).collect();
            let mut answered = 0;
            while Instant::now() < until {
                let (answers, mut replies) = mpsc::unbounded_channel();
                let inputs = addresses.iter().map(|address| input(address.clone(), INCR));
                let mut inputs = inputs.enumerate().collect();
                host.input_all(&mut inputs, &answers).map_err(|problem| anyhow::anyhow!(problem.detail))?;
                ensure!(inputs.is_empty(), "the node takes a batch as a whole");
                drop(answers);
                let mut count = 0;
                while let Some((_, reply)) = replies.recv().await {
                    expect_ok(&reply)?;
                    count += 1;
                }
                ensure!(count == BATCH, "all of a batch are answered");
                answered += count as u64;
            }
            Ok::<u64, anyhow::Error>(answered)
        });
    }
    let mut answered = 0;
    while let Some(done) = tasks.join_next().await {
        answered += done??;
    }
    Ok(answered)
}
