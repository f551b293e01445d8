//! What a switch costs in CPU time and memory: trying, the switch, the first use of an instance after it and every
//! other one, the sweeper, and what is kept of states while they can go back.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use crate::measure::{cpu_time, median, resident};
use crate::node::{INCR, shard};
use crate::report::{Bar, Row};
use anyhow::{Context, Result, ensure};
use camshaft_agent::engine::{Epoch, Plan, REWIND_INPUTS_MAX, Shard, Trial};
use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;

use super::Setting;
use super::pair::{Pair, tally};
use super::rig::{self, Way};

/// How many instances a shard has that is measured.
const INSTANCES: usize = 200_000;

/// How many instances the sweeper of a node has to look at.
const SWEPT: usize = 1_000_000;

/// How many instances a process has whose memory is measured.
const HELD: usize = 500_000;

/// The same where all keep what a rewind needs.
const HELD_REWINDS: usize = 100_000;

/// How many inputs of each are kept then.
const KEPT_EACH: usize = 64;

/// How many are copied or swept at a time, as in a node.
const BATCH: usize = 256;

/// How many calls are made before what came of them is dropped.
const GROUP: usize = 1024;

/// What a round found, in nanoseconds of CPU time for each instance; the switch in microseconds.
#[derive(Default)]
struct Found {
    plain: Vec<f64>,
    tried: Vec<f64>,
    switch: Vec<f64>,
    renamed: Vec<f64>,
    removed: Vec<f64>,
    first: Vec<f64>,
    second: Vec<f64>,
    sweep: Vec<f64>,
    sweep_gone: Vec<f64>,
    keeping: Vec<f64>,
    let_go: Vec<f64>,
}

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let pair = &setting.pair;
    let (partial, renamed, removed) = (Pair::partial()?, Pair::renamed()?, Pair::removed()?);
    let mut found = Found::default();
    for _ in 0..setting.rounds {
        round(pair, &mut found)?;
        keeping(&partial, &mut found)?;
        for (pair, figures) in [(&renamed, &mut found.renamed), (&removed, &mut found.removed)] {
            figures.push(switch(pair)?);
        }
    }
    let alone =
        |bench: &str, figures: &[f64], unit| Row::alone(bench.to_owned(), median(figures), unit, None);
    let rate =
        |bench: &str, figures: &[f64]| Row::alone(bench.to_owned(), 1e9 / median(figures), "states/s", None);
    Ok(vec![
        rate("trying, one core", &found.tried),
        alone("the switch itself, in a shard of 200,000 instances", &found.switch, "us"),
        alone("the same, and all of them get another name", &found.renamed, "us"),
        alone("the same, and all of them are put away: their machine is gone", &found.removed, "us"),
        alone("a call in process, in a shard that never switched", &found.plain, "ns"),
        alone("the first call of an instance after a switch: it goes over", &found.first, "ns"),
        alone("every other call after it", &found.second, "ns"),
        alone(
            "a call of 781 instances in turn, while a rewind of each is kept: the way down can fail",
            &found.keeping,
            "ns",
        ),
        alone("the same once those are let go: more than 256 inputs since the switch", &found.let_go, "ns"),
        rate("the sweeper, one core, when nobody used them since", &found.sweep),
        rate("the sweeper, one core, when all of them have gone over", &found.sweep_gone),
        rate_of_node(setting)?,
    ])
}

/// Returns how many nanoseconds of CPU time something took for each instance.
fn each(what: impl FnOnce() -> Result<()>) -> Result<f64> {
    let begin = cpu_time();
    what()?;
    Ok((cpu_time() - begin).as_nanos() as f64 / INSTANCES as f64)
}

fn round(pair: &Pair, found: &mut Found) -> Result<()> {
    let incr = incr(pair)?;
    let addresses: Vec<_> = (0..INSTANCES).map(tally).collect();
    for used in [true, false] {
        let mut shard = shard(&pair.before, false);
        call_all(&mut shard, &incr, &addresses)?;
        found.plain.push(each(|| call_all(&mut shard, &incr, &addresses))?);
        let plan = pair.up()?;
        found.tried.push(each(|| try_all(&mut shard, &plan))?);
        let begin = cpu_time();
        shard.enter_once(&epoch(&plan));
        found.switch.push((cpu_time() - begin).as_nanos() as f64 / 1e3);
        if used {
            found.first.push(each(|| call_all(&mut shard, &incr, &addresses))?);
            found.second.push(each(|| call_all(&mut shard, &incr, &addresses))?);
        }
        shard.make_permanent();
        let figures = if used { &mut found.sweep_gone } else { &mut found.sweep };
        figures.push(each(|| {
            while !shard.sweep_some(BATCH) {}
            Ok(())
        })?);
        ensure!(shard.take_troubles().is_empty(), "all of them go over");
    }
    Ok(())
}

/// Returns how many microseconds a switch takes in a shard whose instances were all used.
fn switch(pair: &Pair) -> Result<f64> {
    let addresses: Vec<_> = (0..INSTANCES).map(tally).collect();
    let mut shard = shard(&pair.before, false);
    call_all(&mut shard, &incr(pair)?, &addresses)?;
    let plan = pair.up()?;
    let begin = cpu_time();
    shard.enter_once(&epoch(&plan));
    Ok((cpu_time() - begin).as_nanos() as f64 / 1e3)
}

/// Calls of instances whose inputs are kept for a rewind, and once there were too many of them.
fn keeping(pair: &Pair, found: &mut Found) -> Result<()> {
    let (incr, plan) = (incr(pair)?, pair.up()?);
    let addresses: Vec<_> = (0..INSTANCES / REWIND_INPUTS_MAX).map(tally).collect();
    let mut shard = shard(&pair.before, false);
    call_all(&mut shard, &incr, &addresses)?;
    shard.enter_once(&epoch(&plan));
    call_all(&mut shard, &incr, &addresses)?;
    let calls = |shard: &mut Shard, rounds: usize| -> Result<f64> {
        let begin = cpu_time();
        for _ in 0..rounds {
            call_all(shard, &incr, &addresses)?;
        }
        Ok((cpu_time() - begin).as_nanos() as f64 / (rounds * addresses.len()) as f64)
    };
    // The first was the first input, and the last goes over the limit.
    found.keeping.push(calls(&mut shard, REWIND_INPUTS_MAX - 1)?);
    calls(&mut shard, 1)?;
    found.let_go.push(calls(&mut shard, REWIND_INPUTS_MAX)?);
    Ok(())
}

fn incr(pair: &Pair) -> Result<Value> {
    let code = pair.before.machine(&tally(0).machine_address());
    Ok(Value::from_json(INCR, code.context("the release has the machine")?.verified.input())?)
}

fn epoch(plan: &Arc<Plan>) -> Epoch {
    Epoch::of(plan.clone(), 2, &std::collections::BTreeMap::new())
}

fn call_all(shard: &mut Shard, incr: &Value, addresses: &[InstanceAddress]) -> Result<()> {
    for (number, address) in addresses.iter().enumerate() {
        ensure!(matches!(shard.call(address, incr.clone()), Ok(Ok(_))), "the input is taken");
        if number % GROUP == 0 {
            drop(shard.take_out());
        }
    }
    Ok(())
}

fn try_all(shard: &mut Shard, plan: &Arc<Plan>) -> Result<()> {
    let begun = shard.begin_trial(plan);
    let mut trial = Trial::new(1, plan.clone(), &[begun]);
    loop {
        let copies = shard.copy_some(BATCH);
        if copies.is_empty() {
            break;
        }
        trial.add(copies);
    }
    shard.end_trial();
    let report = trial.report();
    ensure!(report.passed && trial.progress().0 >= INSTANCES, "all of them were tried, and pass");
    Ok(())
}

/// Returns the rate of the sweeper in a node, which rests between batches so that inputs come first.
fn rate_of_node(setting: &Setting) -> Result<Row> {
    let folder = tempfile::tempdir_in(&setting.folder).context("cannot make a folder")?;
    let rig = rig::start(&setting.pair, &folder.path().join("node"), 0..SWEPT)?;
    rig::switch(&rig, &setting.pair, Way::Up)?;
    rig::make_permanent(&rig)?;
    let begin = Instant::now();
    rig::swept(&rig)?;
    let rate = SWEPT as f64 / begin.elapsed().as_secs_f64();
    rig.stop()?;
    Ok(Row::alone("the sweeper of a node, with its rests".to_owned(), rate, "states/s", None))
}

/// The memory of what is kept while a release is provisional, in a process that does nothing else.
pub(crate) fn memory(_: &Setting) -> Result<Vec<Row>> {
    let done = Command::new(std::env::current_exe()?).args(["hold", &HELD.to_string()]).output()?;
    ensure!(done.status.success(), "the child: {}", String::from_utf8_lossy(&done.stderr));
    let out = String::from_utf8_lossy(&done.stdout);
    let figures: Vec<f64> = out.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [before, switched, used, swept] = figures[..] else {
        anyhow::bail!("the child says {out}");
    };
    let done = Command::new(std::env::current_exe()?)
        .args(["hold", &HELD_REWINDS.to_string(), "rewinds"])
        .output()?;
    ensure!(done.status.success(), "the child: {}", String::from_utf8_lossy(&done.stderr));
    let out = String::from_utf8_lossy(&done.stdout);
    let figures: Vec<f64> = out.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [one, full] = figures[..] else { anyhow::bail!("the child says {out}") };
    let alone = |bench: &str, ours, bar| Row::alone(bench.to_owned(), ours, "bytes", bar);
    Ok(vec![
        alone("an instance before the switch, with its state", before, None),
        alone("more after the switch, before it is used", switched, Some(Bar::Below(1.0))),
        alone("more once it was used, with what is kept of it to go back", used, None),
        alone(
            "of that, given back to the system when the release is permanent and swept",
            used - swept,
            None,
        ),
        alone("more where a rewind is kept, with one input since the switch", one - used, None),
        alone("and for each further input of it", full, None),
    ])
}

/// `hold COUNT rewinds`: prints how many bytes the process has more for each instance once it was used after a switch whose
/// way down can fail, and for each further input. `hold COUNT`: prints how many bytes the process has more for each instance: before a switch, after it, once
/// all were used, and once that is permanent.
pub(crate) fn hold(words: &[String]) -> Result<()> {
    let count: usize = words.first().context("a number is expected")?.parse()?;
    let rewinds = words.get(1).is_some_and(|word| word == "rewinds");
    let pair = if rewinds { Pair::partial()? } else { Pair::new()? };
    let (incr, plan) = (incr(&pair)?, pair.up()?);
    let addresses: Vec<_> = (0..count).map(tally).collect();
    let mut shard = shard(&pair.before, false);
    let empty = resident()?;
    call_all(&mut shard, &incr, &addresses)?;
    let before = resident()?;
    shard.enter_once(&epoch(&plan));
    let switched = resident()?;
    call_all(&mut shard, &incr, &addresses)?;
    let used = resident()?;
    let each = |bytes: f64| bytes / count as f64;
    if rewinds {
        for _ in 0..KEPT_EACH {
            call_all(&mut shard, &incr, &addresses)?;
        }
        let full = resident()?;
        println!("{} {}", each(used - switched), each(full - used) / KEPT_EACH as f64);
        return Ok(());
    }
    shard.make_permanent();
    while !shard.sweep_some(BATCH) {}
    let swept = resident()?;
    println!(
        "{} {} {} {}",
        each(before - empty),
        each(switched - before),
        each(used - switched),
        each(swept - switched)
    );
    Ok(())
}
