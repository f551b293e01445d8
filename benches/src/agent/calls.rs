//! Calls within a process: a shard beside a `gen_server`, and through the threads of a node.

use std::time::{Duration, Instant};

use crate::engine;
use crate::erlang::Erlang;
use crate::measure::{Candidate, alternate, median, process_cpu_time};
use crate::node::{COUNTER_ADDRESS, INCR, LEDGER_ADDRESS, Rig, Sample, shard_recording};
use crate::report::{Bar, Row};
use crate::workload;
use anyhow::{Context, Result, ensure};
use camshaft_agent::engine::Shard;
use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;
use camshaft_store::MemoryJournal;

use super::Setting;

/// How often the counter takes the workload's length of inputs in a round.
const COUNTER_PASSES: u32 = 200;

/// How many calls are made before the records that came of them are dropped.
const GROUP: usize = 1024;

/// How long callers of a node go on in a round.
const TIME: Duration = Duration::from_millis(1000);

/// The shards that are measured: whether they make records, how many inputs they record for another release, and what
/// is told of them.
const SHARDS: [(bool, usize, &str); 3] = [
    (false, 0, "no journal"),
    (true, 0, "records made and dropped"),
    (false, 8, "no journal, the last 8 inputs recorded"),
];

/// A machine of the sample, its inputs, and what it says of itself afterwards.
struct Work {
    name: &'static str,
    address: InstanceAddress,
    inputs: Vec<Value>,
    passes: u32,
    asks: Value,
    says: String,
}

pub(crate) fn run(setting: &Setting) -> Result<Vec<Row>> {
    let erlang = Erlang::new()?;
    let sample = &setting.sample;
    let works = works(sample)?;
    let mut candidates = vec![];
    for (journalled, shadow, _) in SHARDS {
        for work in &works {
            let calls = u64::from(work.passes) * work.inputs.len() as u64;
            candidates.push(Candidate::new(calls, move || drive(sample, work, (journalled, shadow))));
        }
    }
    let mut ours = vec![vec![]; candidates.len()];
    let mut theirs = [vec![], vec![]];
    for _ in 0..setting.rounds {
        for (ours, figures) in ours.iter_mut().zip(alternate(&mut candidates, 1)) {
            ours.extend(figures);
        }
        if let Some(erlang) = &erlang {
            let calls = erlang.calls()?;
            theirs[0].push(calls.counter);
            theirs[1].push(calls.ledger);
        }
    }
    let mut rows = vec![];
    for (index, ours) in ours.iter().enumerate() {
        let (work, (journalled, shadow, what)) = (&works[index % 2], SHARDS[index / 2]);
        rows.push(Row {
            bench: format!("{}, call in process, {what}", work.name),
            ours: median(ours),
            against: Some("gen_server:call"),
            peer: erlang.as_ref().map(|_| median(&theirs[index % 2])),
            unit: "ns",
            bar: (!journalled && shadow == 0).then_some(Bar::Below(300.0)),
        });
    }
    rows.extend(through_threads(setting)?);
    Ok(rows)
}

fn works(sample: &Sample) -> Result<[Work; 2]> {
    let counter = engine::compiled("counter.cam", engine::COUNTER)?;
    let ledger = engine::compiled("ledger.cam", engine::LEDGER)?;
    let one = |machine, json: &str| -> Result<Value> {
        engine::inputs(machine, [json.to_owned()])?.pop().context("one was read")
    };
    let address = |text: &str| -> Result<InstanceAddress> {
        let address: InstanceAddress = text.parse()?;
        ensure!(sample.release.machine(&address.machine_address()).is_some(), "the sample has no {text}");
        Ok(address)
    };
    let [count, total, rejected, ..] = workload::CHECK;
    Ok([
        Work {
            name: "counter",
            address: address(COUNTER_ADDRESS)?,
            inputs: engine::inputs(&counter, vec![INCR.to_owned(); workload::LENGTH])?,
            passes: COUNTER_PASSES,
            asks: one(&counter, "\"Count\"")?,
            says: format!(r#"{{"Count":{}}}"#, COUNTER_PASSES as usize * workload::LENGTH),
        },
        Work {
            name: "ledger",
            address: address(LEDGER_ADDRESS)?,
            inputs: engine::inputs(&ledger, workload::orders().iter().map(workload::Order::to_json))?,
            passes: workload::LEDGER_PASSES,
            asks: one(&ledger, "\"Stats\"")?,
            says: format!(r#"{{"Stats":{{"count":{count},"total":{total},"rejected":{rejected}}}}}"#),
        },
    ])
}

/// Gives all inputs to an instance of a new shard, one call each.
fn drive(sample: &Sample, work: &Work, (journalled, shadow): (bool, usize)) {
    let mut shard = shard_recording(&sample.release, journalled, shadow);
    for _ in 0..work.passes {
        for some in work.inputs.chunks(GROUP) {
            for input in some {
                call(&mut shard, work, input);
            }
            drop(shard.take_out());
        }
    }
    let said = call(&mut shard, work, &work.asks).expect("it answers");
    let code = sample.release.machine(&work.address.machine_address()).expect("it was found before");
    assert_eq!(said.to_json(code.verified.output()), work.says, "{}: it did other work", work.name);
}

fn call(shard: &mut Shard, work: &Work, input: &Value) -> Option<Value> {
    let called = shard.call(&work.address, input.clone());
    called.expect("no input of the workload is refused").expect("no input of the workload traps")
}

/// The way of a request through the threads of a node, with the journal in memory.
fn through_threads(setting: &Setting) -> Result<Vec<Row>> {
    let mut rows = vec![];
    let mut figures = [1, 64].map(|callers| (callers, vec![], vec![]));
    for _ in 0..setting.rounds {
        for (callers, wall, cpu) in &mut figures {
            let rig = Rig::start(setting.sample.node(Box::new(MemoryJournal::default()), 1)?)?;
            let (started, spent) = (Instant::now(), process_cpu_time());
            let answered = rig.call_for(*callers, TIME)? as f64;
            cpu.push((process_cpu_time() - spent).as_nanos() as f64 / answered);
            wall.push(started.elapsed().as_nanos() as f64 / answered);
            rig.stop()?;
        }
    }
    for (callers, wall, cpu) in &figures {
        for (what, figures) in [("time", wall), ("CPU time of all threads", cpu)] {
            let who = if *callers == 1 { "1 caller".to_owned() } else { format!("{callers} callers") };
            let bench =
                format!("keyed counter, through the node's threads, journal in memory, {who}: {what}");
            rows.push(Row::alone(bench, median(figures), "ns", None));
        }
    }
    Ok(rows)
}
