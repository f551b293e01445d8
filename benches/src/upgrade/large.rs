//! One large state, whose map changes its values' type: who waits for it, and how long.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::measure::{cpu_time, median, quantile};
use crate::node::{INCR, Rig, expect_ok, input, shard};
use crate::parts::shards;
use crate::report::{Bar, Row};
use anyhow::{Context, Result, anyhow, ensure};
use camshaft_agent::engine::{Discarded, Epoch, Reply, Shard, Trial, shard_of};
use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;

use super::Setting;
use super::pair::{Pair, SIZE, large, tally};
use super::probe::{Probe, Waited, between};
use super::rig::{self, Way};

/// How many entries the map has.
const ENTRIES: usize = 1_000_000;

/// How many are put into it by an input.
const FILL: usize = 1_000;

/// How often each of the probes is due.
const EVERY: Duration = Duration::from_millis(1);

/// How long it is listened after the switch, until the state has gone over for sure; and before the trial begins.
const AFTER: Duration = Duration::from_secs(2);

/// The longest waits of the probes from the command of a switch until [`AFTER`] it, in microseconds.
#[derive(Default)]
struct Found {
    itself: Vec<f64>,
    /// Before the trial, in as long a time in which nothing is done.
    idle: Vec<f64>,
    /// On the way back, which a state that was written since goes down.
    back: Vec<f64>,
    same_shard: Vec<f64>,
    other_shard: Vec<f64>,
    /// How many of those that came to the large state waited for more than a millisecond.
    late: Vec<f64>,
    trial: Vec<f64>,
    /// What one that was tried took, without threads.
    known: Vec<Alone>,
    /// The same where no trial was made.
    whole: Vec<Alone>,
}

/// What a large state took without threads: CPU times in microseconds.
struct Alone {
    /// Its first use after the switch.
    over: f64,
    /// Taking down what it needed no more then.
    down: f64,
    /// Its form in a state snapshot.
    written: f64,
    /// How many parts its trial remembered.
    parts: f64,
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
            // Each changes another entry.
            let itself = Probe::start(&rig.host, EVERY, move |number| {
                let from = number % ENTRIES;
                input(asked.clone(), &format!(r#"{{"Fill":{{"from":{from},"to":{}}}}}"#, from + 1))
            })?;
            let probe = |address: &InstanceAddress| {
                let address = address.clone();
                Probe::start(&rig.host, EVERY, move |_| input(address.clone(), INCR))
            };
            let same = probe(&same)?;
            let other = other.as_ref().map(probe).transpose()?;
            let idle = Instant::now();
            std::thread::sleep(AFTER);
            let times = rig::switch(&rig, &setting.pair, way)?;
            std::thread::sleep(AFTER);
            let (itself, same) = (itself.end()?, same.end()?);
            let other = other.map(Probe::end).transpose()?;
            let waited = between(&itself, idle, times.trial.0);
            found.idle.push(waited.into_iter().fold(0.0, f64::max));
            if way == Way::Up {
                found.add(times, &itself, &same, other.as_deref());
            } else {
                found.back.push(longest(times, &itself));
                rig::swept(&rig)?;
            }
        }
    }
    rig.stop()?;
    for remembered in [true, false] {
        let took = (0..setting.rounds).map(|_| goes_over(&setting.pair, &large, remembered));
        let figures = if remembered { &mut found.known } else { &mut found.whole };
        *figures = took.collect::<Result<_>>()?;
    }
    let peer = setting.peer.as_ref();
    let theirs = peer.map(|peer| peer.large(ENTRIES, setting.rounds.max(7))).transpose()?;
    Ok(found.rows(theirs.map(|theirs| theirs.middle)))
}

/// Lets a state go over a switch that changed in ten entries since the trial.
fn goes_over(pair: &Pair, address: &InstanceAddress, remembered: bool) -> Result<Alone> {
    let mut shard = shard(&pair.before, false);
    let call = |shard: &mut Shard, from: usize, to: usize| -> Result<()> {
        let code = shard.release().and_then(|release| release.machine(&address.machine_address()));
        let json = format!(r#"{{"Fill":{{"from":{from},"to":{to}}}}}"#);
        let input = Value::from_json(&json, code.context("the machine is there")?.verified.input())?;
        ensure!(matches!(shard.call(address, input), Ok(Ok(_))), "the input is taken");
        Ok(())
    };
    for from in (0..ENTRIES).step_by(FILL) {
        call(&mut shard, from, from + FILL)?;
    }
    let plan = pair.up()?;
    let mut epoch = Epoch::of(plan.clone(), 2, &BTreeMap::new());
    if remembered {
        let begun = shard.begin_trial(&plan);
        let mut trial = Trial::new(1, plan, &[begun]);
        trial.add(shard.copy_some(1));
        epoch.memos = trial.take_memos();
    }
    for number in 0..10 {
        let from = number * ENTRIES / 10;
        call(&mut shard, from, from + 1)?;
    }
    shard.enter_once(&epoch);
    let since = |begin: Duration| (cpu_time() - begin).as_nanos() as f64 / 1e3;
    let begin = cpu_time();
    call(&mut shard, 1, 2)?;
    let over = since(begin);
    ensure!(shard.take_troubles().is_empty(), "it goes over");
    let discarded = shard.take_out().discarded;
    let parts = discarded.iter().map(|one| match one {
        Discarded::Memo(memo) => memo.parts(),
        Discarded::State(_) => 0,
    });
    let parts = parts.sum::<usize>() as f64;
    let begin = cpu_time();
    drop(discarded);
    let down = since(begin);
    shard.begin_saving(1);
    shard.save_some(1);
    let begin = cpu_time();
    let bytes: usize = shard.take_saved().into_iter().map(|entry| entry.into_bytes().len()).sum();
    let written = since(begin);
    ensure!(bytes > ENTRIES, "all of it is written");
    Ok(Alone { over, down, written, parts })
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

fn after(times: rig::Times, waited: &[Waited]) -> Vec<f64> {
    between(waited, times.switch.0, Instant::now())
}

fn longest(times: rig::Times, waited: &[Waited]) -> f64 {
    after(times, waited).into_iter().fold(0.0, f64::max)
}

impl Found {
    fn add(&mut self, times: rig::Times, itself: &[Waited], same: &[Waited], other: Option<&[Waited]>) {
        self.itself.push(longest(times, itself));
        self.same_shard.push(longest(times, same));
        self.other_shard.extend(other.map(|other| longest(times, other)));
        self.late.push(after(times, itself).iter().filter(|took| **took > 1e3).count() as f64);
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
            alone(
                "the same in as long a time before the trial, when nothing is done, median",
                ms(&self.idle),
                None,
            ),
            alone("the longest of all switches", quantile(&self.itself, 1.0) / 1e3, None),
            alone("the longest of all times when nothing is done", quantile(&self.idle, 1.0) / 1e3, None),
            alone(
                "on the way back, which keeps what was written: longest wait of its own inputs, median",
                ms(&self.back),
                Some(Bar::Below(1.0)),
            ),
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
        let of =
            |all: &[Alone], figure: fn(&Alone) -> f64| median(&all.iter().map(figure).collect::<Vec<_>>());
        let us = |bench: &str, figure, bar| Row::alone(bench.to_owned(), figure, "us", bar);
        let bench = "its first use after the switch, ten entries changed since the trial, CPU time";
        rows.push(us(bench, of(&self.known, |alone| alone.over), Some(Bar::Below(1e3))));
        let whole = of(&self.whole, |alone| alone.over);
        rows.push(us("the same without a trial, as after a restart", whole, None));
        let bench = "taking down the state from before, where nobody waits, CPU time";
        rows.push(us(bench, of(&self.whole, |alone| alone.down), None));
        let bench = "the same with what the trial remembered";
        rows.push(us(bench, of(&self.known, |alone| alone.down), None));
        let bench = "its form in a state snapshot, made where nobody waits, CPU time";
        rows.push(us(bench, of(&self.whole, |alone| alone.written), None));
        let parts = of(&self.known, |alone| alone.parts);
        rows.push(Row::alone("parts that the trial remembers of it".to_owned(), parts, "parts", None));
        let bench = "inputs of the map, one a millisecond, that waited for more than a millisecond, a switch";
        rows.push(Row::alone(bench.to_owned(), median(&self.late), "inputs", None));
        rows
    }
}
