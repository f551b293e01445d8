//! A shard takes nothing large down itself: whatever it needs no more comes out of it, to be dropped where nobody waits.
//!
//! One test alone in its program, because it counts what the program holds: while what came out is not dropped, no
//! phase of a large state's life gives back more than small change.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use camshaft_agent::engine::{Epoch, Plan, REWIND_INPUTS_MAX, Shard, ShardConfig, ShardLimits, Trial, Way};
use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;
use camshaft_store::{Redrive, Stamp};
use common::{World, make};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const ENTRIES: i64 = 40_000;

/// How many entries an input puts in: what a step has fuel for.
const FILL: i64 = 1_000;

/// What a phase may give back: records, JSON and the ways to entries, but no state, which takes some megabytes.
const SMALL: usize = 512 << 10;

/// Its way up keeps something aside, and its way back may fail, so that inputs are kept for a rewind.
const FIRST: &str = "machine large keyed Text
type Entry = { value: Int = 0, old: Text = \"\" }
type State = { m: Map(Int, Entry), limit: Int = 1_000_000 }
invariant \"no value is above the limit\" = state.m.all((_, v) -> v.value <= state.limit)
type Input = Fill(Int) | Set { key: Int, value: Int } | Get(Int) | Quit
type Output = Ok | Value(Int)
init = { m: [:], limit: 1_000_000 }
on Fill(n) => ({ ..state, m: 0.to(n).fold(state.m, (m, k) -> m.put(state.m.len() + k, { value: k, old: \"{k}\" })) }, Ok)
on Set { key, value } => ({ ..state, m: state.m.put(key, { value: value, old: \"\" }) }, Ok)
on Get(key) => (state, Value(state.m[key].map(v -> v.value).or(-1)))
on Quit { stop; (state, Ok) }
";

const MIGRATION: &str = "migration large from \"1.0.0\"\ndrop Entry.old else \"\"\n";

struct Bench {
    shard: Shard,
    address: InstanceAddress,
    world: World,
    /// The number of the last switch.
    switch: u64,
    /// What phases let go of: how many things, by phase.
    let_go: BTreeMap<&'static str, usize>,
}

impl Bench {
    fn new() -> Bench {
        let first = make("1.0.0", &[("a/large", FIRST)], None, &[]);
        let second = FIRST.replace(", old: Text = \"\"", "").replace(", old: \"{k}\"", "");
        let second = second.replace(", old: \"\"", "");
        let second = make("2.0.0", &[("a/large", &second)], Some(&first), &[("a/large", MIGRATION)]);
        let world = World::of([first, second]);
        let limits = ShardLimits::default();
        let mut shard = Shard::new(ShardConfig { index: 0, shards: 1, salt: 7, limits, journalled: true });
        shard.enter_once(&Epoch::install(world.release("1.0.0")));
        let address = "a/large/one".parse().expect("an address");
        Bench { shard, address, world, switch: 1, let_go: BTreeMap::new() }
    }

    fn send(&mut self, json: &str) {
        let running = self.shard.release().expect("a release runs").clone();
        let code = running.machine(&self.address.machine_address()).expect("the machine is there");
        let input = Value::from_json(json, code.verified.input()).expect("an input");
        self.shard.call(&self.address, input).expect("it is taken").expect("it is applied");
    }

    fn set(&mut self, key: i64) {
        self.send(&format!("{{\"Set\":{{\"key\":{key},\"value\":{key}}}}}"));
    }

    fn fill(&mut self) {
        for _ in 0..ENTRIES / FILL {
            self.send(&format!("{{\"Fill\":{FILL}}}"));
        }
        self.shard.take_out();
    }

    /// Does something that lets go of something large, and holds that none of it was taken down.
    #[track_caller]
    fn phase(&mut self, name: &'static str, phase: impl FnOnce(&mut Bench)) {
        let before = MEMORY.current_usage();
        phase(self);
        let out = self.shard.take_out();
        let held = MEMORY.current_usage();
        assert!(held + SMALL > before, "{name}: {} bytes were given back", before - held);
        self.let_go.insert(name, out.discarded.len());
    }

    /// Tries a switch, which is the work of others, in rounds.
    fn tried(&mut self, way: Way) -> Trial {
        let (first, second) = (self.world.release("1.0.0"), self.world.release("2.0.0"));
        let (digest, relup) = second.relups.first().expect("there is a way");
        let plan = Arc::new(match way {
            Way::Up => Plan::new(&first, &second, way, (digest, relup)).expect("a plan"),
            Way::Down => Plan::new(&second, &first, way, (digest, relup)).expect("a plan"),
        });
        let begun = self.shard.begin_trial(&plan);
        let mut trial = Trial::new(1, plan, &[begun]);
        trial.add(self.shard.copy_some(10));
        let report = trial.report();
        assert!(report.passed, "{report:?}");
        trial
    }

    fn switch(&mut self, mut trial: Trial) {
        self.switch += 1;
        let memos = trial.take_memos();
        let epoch = Epoch { memos, ..Epoch::of(trial.plan().clone(), self.switch, &BTreeMap::new()) };
        self.shard.enter_once(&epoch);
    }

    /// The way that a trial went, and the first use after it.
    #[track_caller]
    fn goes(&mut self, name: &'static str, way: Way) {
        let trial = self.tried(way);
        self.phase(name, |bench| {
            bench.switch(trial);
            bench.send("{\"Get\":1}");
        });
    }
}

#[test]
fn nothing_large_is_taken_down_by_a_shard() {
    let mut bench = Bench::new();
    bench.fill();
    bench.goes("it goes over", Way::Up);
    bench.goes("it takes the state from before", Way::Down);
    bench.goes("it goes over again", Way::Up);
    bench.phase("it is written first", |bench| bench.set(2));
    bench.phase("too much was taken for a rewind", |bench| {
        for key in 0..=i64::try_from(REWIND_INPUTS_MAX).expect("a small number") {
            bench.set(key);
        }
    });
    bench.goes("it goes back and keeps what was written", Way::Down);
    bench.goes("it goes over, and is written a little", Way::Up);
    bench.set(5);
    bench.shard.take_out();
    bench.goes("it goes back, and needs no rewind", Way::Down);
    bench.goes("it goes over for good", Way::Up);
    bench.phase("it is swept", |bench| {
        bench.shard.make_permanent();
        assert!(bench.shard.sweep_some(10));
    });

    bench.phase("a state snapshot is broken off", |bench| {
        bench.shard.begin_saving(1);
        bench.shard.save_some(10);
        bench.set(3);
        bench.shard.drop_saving();
    });
    bench.phase("it is reset", |bench| {
        let stamp = Stamp { at_ms: 0, who: "test".to_owned() };
        bench.shard.redrive(&bench.address.clone(), stamp, Redrive::Reset).expect("it is there");
    });
    bench.fill();
    bench.phase("it stops", |bench| bench.send("\"Quit\""));
    bench.fill();
    bench.phase("it is held", |bench| assert!(bench.shard.hold_now(&bench.address.clone(), "so")));

    let none: Vec<_> = bench.let_go.iter().filter(|(_, count)| **count == 0).collect();
    assert!(none.is_empty(), "nothing large came out: {none:?}");
}
