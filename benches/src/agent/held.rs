//! What a node holds: memory of idle instances, and how long it takes to have them back.

use std::process::Command;
use std::time::Instant;

use crate::measure::{median, resident};
use crate::node::{INCR, Sample, fill, of_node, open, tally};
use crate::report::{Bar, Row};
use anyhow::{Context, Result, ensure};
use camshaft_agent::node::Node;
use camshaft_cam::value::Value;
use camshaft_store::{FolderJournal, Journal as _, Record, Saved};

use super::Setting;

/// How many instances there are.
const INSTANCES: usize = 1_000_000;

/// How many records come after the state snapshot.
const RECORDS: usize = 200_000;

/// The memory of idle instances, in a process that does nothing else.
pub(crate) fn memory(_: &Setting) -> Result<Vec<Row>> {
    let done = Command::new(std::env::current_exe()?).args(["hold", &INSTANCES.to_string()]).output()?;
    ensure!(done.status.success(), "the child: {}", String::from_utf8_lossy(&done.stderr));
    let bytes: f64 = String::from_utf8_lossy(&done.stdout).trim().parse()?;
    let state = std::mem::size_of::<Value>();
    let bench = format!("an idle instance of a keyed counter, beside its state of {state} bytes");
    Ok(vec![Row::alone(bench, bytes - state as f64, "bytes", Some(Bar::Below(400.0)))])
}

/// `hold COUNT`: makes instances and prints how many bytes the process grew by for each.
pub(crate) fn hold(words: &[String]) -> Result<()> {
    let count: usize = words.first().context("a number is expected")?.parse()?;
    let sample = Sample::new()?;
    let mut shard = sample.shard(false);
    let code = sample.release.machine(&tally(0).machine_address());
    let incr = Value::from_json(INCR, code.context("the sample has the machine")?.verified.input())?;
    let before = resident()?;
    for number in 0..count {
        ensure!(shard.call(&tally(number), incr.clone()).is_ok(), "the input is taken");
    }
    ensure!(shard.len() >= count, "they are all there");
    println!("{}", (resident()? - before) / count as f64);
    Ok(())
}

/// A node that comes back.
pub(crate) fn recovery(setting: &Setting) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir_in(&setting.folder).context("cannot make a folder")?;
    let path = folder.path().join("node");
    let shards = setting.shards();
    let mut node = setting.sample.node(Box::new(FolderJournal::open(&path)?.0), shards)?;
    fill(&mut node, 0..INSTANCES)?;
    let started = Instant::now();
    node.save_snapshot().map_err(of_node)?;
    let saving = started.elapsed().as_secs_f64();
    drop(node);
    let opened = || -> Result<(Node, f64)> {
        let started = Instant::now();
        let node = open(Box::new(FolderJournal::open(&path)?.0), shards)?;
        Ok((node, started.elapsed().as_secs_f64()))
    };
    let mut alone = vec![];
    for _ in 0..setting.rounds {
        alone.push(opened()?.1);
    }
    let (mut node, _) = opened()?;
    fill(&mut node, (0..RECORDS).map(|number| number * 7919 % INSTANCES))?;
    drop(node);
    let mut all = vec![];
    for _ in 0..setting.rounds {
        let (mut node, seconds) = opened()?;
        let count: usize = node.look().iter().map(camshaft_agent::engine::Shard::len).sum();
        ensure!(count >= INSTANCES, "they are all back");
        all.push(seconds);
    }
    let phases = phases(&path, setting.rounds)?;
    let row = |bench: &str, figure: f64| Row::alone(bench.to_owned(), figure, "s", None);
    let mut rows = vec![
        row("1,000,000 instances, from snapshot and 200,000 records", median(&all)),
        row("the same, from the snapshot alone", median(&alone)),
    ];
    rows.extend(phases.into_iter().map(|(name, seconds)| row(name, seconds)));
    rows.push(row("making the snapshot, all at once", saving));
    Ok(rows)
}

/// What of it is reading: from files alone, and with what makes values of bytes.
fn phases(path: &std::path::Path, rounds: u32) -> Result<[(&'static str, f64); 4]> {
    let journal = FolderJournal::open(path)?.0;
    let mut times = [const { Vec::new() }; 4];
    let from = journal.last() + 1 - RECORDS as u64;
    for _ in 0..rounds {
        let started = Instant::now();
        journal.snapshot(&mut |_, _| Ok(()))?;
        times[0].push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        let mut unread = 0;
        journal.snapshot(&mut |_, bytes| {
            unread += usize::from(Saved::read(bytes).is_err());
            Ok(())
        })?;
        times[1].push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        journal.read(from, &mut |_| Ok(()))?;
        times[2].push(started.elapsed().as_secs_f64());
        let started = Instant::now();
        journal.read(from, &mut |entry| {
            unread += usize::from(Record::read(entry.bytes).is_err());
            Ok(())
        })?;
        times[3].push(started.elapsed().as_secs_f64());
        ensure!(unread == 0, "all of it can be read");
    }
    let names = [
        "of it: reading the snapshot's file, with its checksums",
        "of it: the same, with its entries decoded",
        "of it: reading the records' files, with their checksums",
        "of it: the same, with the records decoded",
    ];
    let mut times = times.iter().map(|times| median(times));
    Ok(names.map(|name| (name, times.next().unwrap_or_default())))
}
