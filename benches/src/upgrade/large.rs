//! One large state, whose map changes its values' type: who waits for it, and how long.

use std::time::{Duration, Instant};

use crate::measure::{median, quantile};
use crate::node::{INCR, Rig, expect_ok, input};
use crate::parts::shards;
use crate::report::{Bar, Row};
use anyhow::{Context, Result, anyhow, ensure};
use camshaft_agent::engine::{Reply, shard_of};
use camshaft_manifests::InstanceAddress;

use super::Setting;
use super::pair::{SIZE, large, tally};
use super::probe::{Probe, Waited, between};
use super::rig::{self, Way};

/// How many entries the map has.
const ENTRIES: usize = 1_000_000;

/// How many are put into it by an input.
const FILL: usize = 1_000;

/// How often each of the probes is due.
const EVERY: Duration = Duration::from_millis(1);

/// How long it is listened before the trial begins.
const BEFORE: Duration = Duration::from_millis(200);

/// How long after the switch: until the state has gone over for sure.
const AFTER: Duration = Duration::from_secs(2);

/// The longest waits of the probes from the command of a switch until [`AFTER`] it, in microseconds.
#[derive(Default)]
struct Found {
    itself: Vec<f64>,
    same_shard: Vec<f64>,
    other_shard: Vec<f64>,
    /// How many of those that came to the large state waited for more than a millisecond.
    late: Vec<f64>,
    trial: Vec<f64>,
}

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir_in(&setting.folder).context("cannot make a folder")?;
    let rig = rig::start(&setting.pair, &folder.path().join("node"), 0..16)?;
    let large = large()?;
    fill(&rig, &large)?;
    let (same, other) = (beside(&large, true)?, beside(&large, false).ok());
    let mut found = Found::default();
    for _ in 0..setting.rounds {
        for way in [Way::Up, Way::Back] {
            let asked = large.clone();
            // A read: what changes such a state without an end is tried without an end, and never switched.
            let itself = Probe::start(&rig.host, EVERY, move |_| input(asked.clone(), SIZE))?;
            let probe = |address: &InstanceAddress| {
                let address = address.clone();
                Probe::start(&rig.host, EVERY, move |_| input(address.clone(), INCR))
            };
            let same = probe(&same)?;
            let other = other.as_ref().map(probe).transpose()?;
            std::thread::sleep(BEFORE);
            let times = rig::switch(&rig, &setting.pair, way)?;
            std::thread::sleep(AFTER);
            // Back, nothing is migrated: the state takes what was kept from before.
            let (itself, same) = (itself.end()?, same.end()?);
            let other = other.map(Probe::end).transpose()?;
            if way == Way::Up {
                found.add(times, &itself, &same, other.as_deref());
            } else {
                rig::swept(&rig)?;
            }
        }
    }
    rig.stop()?;
    let peer = setting.peer.as_ref();
    let theirs = peer.map(|peer| peer.large(ENTRIES, setting.rounds.max(7))).transpose()?;
    Ok(found.rows(theirs.map(|theirs| theirs.middle)))
}

/// Fills the map.
fn fill(rig: &Rig, large: &InstanceAddress) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let ask = |json: &str| -> Result<Reply> {
        let reply = runtime.block_on(rig.host.input(input(large.clone(), json)));
        reply.map_err(|problem| anyhow!(problem.detail))
    };
    for from in (0..ENTRIES).step_by(FILL) {
        expect_ok(&ask(&format!(r#"{{"Fill":{{"from":{from},"to":{}}}}}"#, from + FILL))?)?;
    }
    let size = ask(SIZE)?;
    let Reply::Answered { answer: Ok(size), .. } = &size else { return expect_ok(&size) };
    ensure!(**size == *format!(r#"{{"Size":{ENTRIES}}}"#), "the map says {size}");
    Ok(())
}

/// Returns a counter of the same shard, or of another.
fn beside(large: &InstanceAddress, same: bool) -> Result<InstanceAddress> {
    let shard = |address: &InstanceAddress| shard_of(&std::collections::BTreeMap::new(), shards(), address);
    let counter = (0..16).map(tally).find(|counter| (shard(counter) == shard(large)) == same);
    counter.context("there is a counter in each shard")
}

impl Found {
    fn add(&mut self, times: rig::Times, itself: &[Waited], same: &[Waited], other: Option<&[Waited]>) {
        let commanded = times.switch.0;
        let after = |waited: &[Waited]| between(waited, commanded, Instant::now());
        let longest = |waited: &[Waited]| after(waited).into_iter().fold(0.0, f64::max);
        self.itself.push(longest(itself));
        self.same_shard.push(longest(same));
        self.other_shard.extend(other.map(longest));
        self.late.push(after(itself).iter().filter(|took| **took > 1e3).count() as f64);
        self.trial.push((times.trial.1 - times.trial.0).as_secs_f64() * 1e3);
    }

    fn rows(&self, theirs: Option<f64>) -> Vec<Row> {
        let ms = |figures: &[f64]| median(figures) / 1e3;
        let alone = |bench: &str, ours, bar| Row::alone(bench.to_owned(), ours, "ms", bar);
        let bench = "a map of 1,000,000 entries, all of which change: longest wait of its own inputs, median";
        let mut rows = vec![
            Row {
                bench: bench.to_owned(),
                ours: ms(&self.itself),
                against: Some("gen_server, maps:map"),
                peer: theirs.map(|theirs| theirs / 1e3),
                unit: "ms",
                bar: Some(Bar::Below(1.0)),
            },
            alone("the same, the longest of all switches", quantile(&self.itself, 1.0) / 1e3, None),
            alone(
                "an instance of the same shard: longest wait, median",
                ms(&self.same_shard),
                Some(Bar::Below(1.0)),
            ),
        ];
        if !self.other_shard.is_empty() {
            let bench = "an instance of another shard: longest wait, median";
            rows.push(alone(bench, ms(&self.other_shard), Some(Bar::Below(1.0))));
        }
        rows.push(alone(
            "the trial before it, during which all of them are answered",
            median(&self.trial),
            None,
        ));
        let bench = "inputs of the map, one a millisecond, that waited for more than a millisecond, a switch";
        rows.push(Row::alone(bench.to_owned(), median(&self.late), "inputs", None));
        rows
    }
}
