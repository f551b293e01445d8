//! `cargo xtask bench steps [--json] [--rounds N]`: one step of ours beside one of Erlang's and of
//! native Rust, and how fast code is compiled, decoded and verified. Writes the table of
//! `docs/benchmarks.md`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use camshaft_benches::engine::{self, COUNTER, LEDGER, Machine, T0, T1, drive};
use camshaft_benches::erlang::{self, Erlang};
use camshaft_benches::measure::{Candidate, alternate, median};
use camshaft_benches::native::{Count, NativeCounter, NativeLedger};
use camshaft_benches::report::{self, Bar, Row};
use camshaft_benches::{program, workload};
use camshaft_cam::code::decode::decode;
use camshaft_cam::code::encode::encode;
use camshaft_cam::verify::load;
use rpds::RedBlackTreeMapSync;

const HELP: &str = "usage: cargo xtask bench steps [--json] [--rounds N]";

const ERLANG: &str = "Erlang function";
const NATIVE: &str = "native Rust";
const BTREE: &str = "native Rust, BTreeMap";
const PERSISTENT: &str = "native Rust, persistent map";

fn main() -> ExitCode {
    match run(&std::env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let (json, rounds) = arguments_of(arguments)?;
    let erlang = Erlang::new()?;
    if erlang.is_none() {
        eprintln!("{}", erlang::MISSING);
    }
    let mut rows = steps(rounds, erlang.as_ref())?;
    rows.extend(code(rounds)?);
    write_document(&rows, erlang.as_ref())?;
    match json {
        true => println!("{:#}", rows.iter().map(Row::to_json).collect::<serde_json::Value>()),
        false => print!("{}", report::table(&rows)),
    }
    Ok(())
}

fn arguments_of(arguments: &[String]) -> Result<(bool, u32)> {
    let (mut json, mut rounds) = (false, 7);
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.as_str() {
            "--json" => json = true,
            "--rounds" => rounds = rest.next().and_then(|rounds| rounds.parse().ok()).context(HELP)?,
            other => bail!("`{other}` is not known\n{HELP}"),
        }
    }
    if rounds == 0 {
        bail!("there is nothing to say after no rounds\n{HELP}");
    }
    Ok((json, rounds))
}

/// How often the state is kept, from never to before each step.
const HOLDS: [(&str, Option<usize>); 4] = [
    ("ledger step", None),
    ("ledger step during a dry run (state kept, anew every 4,096 steps)", Some(4096)),
    ("ledger step during state snapshots (anew every 128 steps)", Some(128)),
    ("ledger step, the state before it kept each time", Some(1)),
];

/// Everything that is run beside each other, by (what, who).
struct Field<'f> {
    names: Vec<(&'static str, &'static str)>,
    candidates: Vec<Candidate<'f>>,
}

impl<'f> Field<'f> {
    /// Adds a machine that starts anew in each round and has to end in these figures.
    fn add<M: Machine>(
        &mut self,
        name: (&'static str, &'static str),
        inputs: &'f [M::Input],
        (passes, hold_every): (u32, Option<usize>),
        figures: &'f [i64],
        start: impl Fn() -> M + 'f,
    ) {
        self.names.push(name);
        self.candidates.push(Candidate::new(u64::from(passes) * inputs.len() as u64, move || {
            let mut machine = start();
            drive(&mut machine, inputs, passes, hold_every);
            assert_eq!(machine.figures(), figures, "{} of {}: it did other work", name.0, name.1);
        }));
    }
}

/// Ours, with their names: another way to run is a line here.
macro_rules! for_each_engine {
    ($add:ident) => {
        $add!("T0", T0::new);
        $add!("T1", T1::new);
    };
}

const OURS: [&str; 2] = ["T0", "T1"];
const COUNTER_STEP: &str = "counter step";

fn steps(rounds: u32, erlang: Option<&Erlang>) -> Result<Vec<Row>> {
    let counter = engine::compiled("counter.cam", COUNTER)?;
    let ledger = engine::compiled("ledger.cam", LEDGER)?;
    let incr = vec![Count::Incr; workload::LENGTH];
    let incr_values = engine::inputs(&counter, vec!["\"Incr\"".to_owned(); workload::LENGTH])?;
    let orders = workload::orders();
    let order_values = engine::inputs(&ledger, orders.iter().map(workload::Order::to_json))?;
    let counted = [i64::from(workload::COUNTER_PASSES) * workload::LENGTH as i64];
    let once = (workload::COUNTER_PASSES, None);

    let mut field = Field { names: vec![], candidates: vec![] };
    field.add((COUNTER_STEP, NATIVE), &incr, once, &counted, NativeCounter::default);
    macro_rules! add_ours {
        ($name:literal, $start:path) => {
            field.add((COUNTER_STEP, $name), &incr_values, once, &counted, || $start(&counter));
            for (what, hold) in HOLDS {
                let passes = (workload::LEDGER_PASSES, hold);
                field.add((what, $name), &order_values, passes, &workload::CHECK, || $start(&ledger));
            }
        };
    }
    for_each_engine!(add_ours);
    for (what, hold) in HOLDS {
        let passes = (workload::LEDGER_PASSES, hold);
        let persistent = NativeLedger::<RedBlackTreeMapSync<i64, i64>>::default;
        field.add((what, PERSISTENT), &orders, passes, &workload::CHECK, persistent);
    }
    let btree = NativeLedger::<BTreeMap<i64, i64>>::default;
    field.add((HOLDS[0].0, BTREE), &orders, (workload::LEDGER_PASSES, None), &workload::CHECK, btree);

    let mut peers: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
    let Field { names, mut candidates } = field;
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for (name, figures) in names.iter().zip(alternate(&mut candidates, 1)) {
            peers.entry(*name).or_default().extend(figures);
        }
        if let Some(erlang) = erlang {
            let found = erlang.steps()?;
            peers.entry((COUNTER_STEP, ERLANG)).or_default().push(found.counter);
            for (what, _) in HOLDS {
                // Its data are immutable: keeping a state costs it nothing more.
                peers.entry((what, ERLANG)).or_default().push(found.ledger);
            }
        }
    }
    let medians = peers.into_iter().map(|(name, figures)| (name, median(&figures))).collect();
    Ok(step_rows(&medians))
}

/// Puts ours beside each peer.
fn step_rows(medians: &BTreeMap<(&str, &str), f64>) -> Vec<Row> {
    let mut rows = Vec::new();
    for what in std::iter::once(COUNTER_STEP).chain(HOLDS.map(|(what, _)| what)) {
        for ours in OURS {
            for peer in [ERLANG, NATIVE, PERSISTENT, BTREE] {
                let found = medians.get(&(what, peer)).copied();
                if found.is_none() && peer != ERLANG {
                    continue;
                }
                // The bars are those of the agents' way to run.
                let bar = match (ours, what, peer) {
                    // Held before every step is what nothing does; the row is there to know the price.
                    ("T1", _, ERLANG) if what != HOLDS[3].0 => Some(Bar::RatioBelow(1.0)),
                    ("T1", COUNTER_STEP, NATIVE) => Some(Bar::RatioBelow(15.0)),
                    _ => None,
                };
                rows.push(Row {
                    bench: format!("{what}, {ours}"),
                    ours: medians[&(what, ours)],
                    against: Some(peer),
                    peer: found,
                    unit: "ns",
                    bar,
                });
            }
        }
    }
    rows
}

/// How fast code is compiled, decoded and verified.
fn code(rounds: u32) -> Result<Vec<Row>> {
    let text = program::machine(1000);
    let large = engine::compiled("large.cam", &program::machine(4000))?;
    let bytes = encode(large.module());
    // What is made is kept, as a node keeps it: letting go of it is not measured.
    let (mut modules, mut machines) = (Vec::new(), Vec::new());
    let mut candidates = [
        Candidate::new(1, || {
            drop(engine::compiled("inventory.cam", &text).expect("the program is in order"))
        }),
        Candidate::new(10, || modules.extend((0..10).map(|_| decode(&bytes).expect("it was encoded")))),
        Candidate::new(10, || {
            machines.extend((0..10).map(|_| load(&bytes).expect("it was verified before")))
        }),
    ];
    let times = alternate(&mut candidates, rounds);
    let [compile, decode, both] = [0, 1, 2].map(|index: usize| median(&times[index]));
    let row = |bench: String, ours: f64, unit, bar| Row { bench, ours, against: None, peer: None, unit, bar };
    let speed = |nanoseconds: f64| bytes.len() as f64 / nanoseconds * 1e3;
    let lines = text.lines().count();
    let size = bytes.len() / 1000;
    let bar = Some(Bar::AtLeast(50.0));
    Ok(vec![
        row(
            format!("compile and verify a machine of {lines} lines"),
            compile / 1e6,
            "ms",
            Some(Bar::Below(50.0)),
        ),
        row(format!("decode {size} kB of bytecode"), speed(decode), "MB/s", bar),
        row(format!("verify {size} kB of bytecode, decoded"), speed(both - decode), "MB/s", bar),
        row(format!("load {size} kB of bytecode: both"), speed(both), "MB/s", None),
    ])
}

fn write_document(rows: &[Row], erlang: Option<&Erlang>) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
    let document =
        std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let peers = match erlang {
        Some(erlang) => format!("Erlang/OTP {}", erlang.release()?),
        None => "Erlang was not installed".to_owned(),
    };
    let content = format!("{}\n{}", report::machine(&peers), report::table(rows));
    let document = report::replaced(&document, "steps", &content)?;
    std::fs::write(&path, document).with_context(|| format!("cannot write {}", path.display()))
}
