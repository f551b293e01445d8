//! Faults at every operation on the disk of a run: the power goes, or a sync fails.
//!
//! A script of inputs, timers, messages, upgrades, ways back, state snapshots and a full disk runs on a
//! disk that fails at operation number N, as [`FaultyDisk`] does it. The node is opened anew from what is there
//! then, and the script goes on where it broke off: an input that was not acknowledged is sent again under its
//! identity, a command that did not end is given again unless it turns out to be done. After each start the old
//! release runs or the new one, and an input is there whole or not at all; in the end every input was applied once.

mod common;
#[path = "disk/machines.rs"]
mod machines;
#[path = "disk/script.rs"]
mod script;

use camshaft_store::FaultyDisk;
use common::World;
use script::{Run, SCRIPT, Step};

/// What is wrong with the disk.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The power goes; what was written and not synced may be there, in part, or not.
    Power,
    /// The power goes when the operation is done, and nobody was told that it is.
    PowerAfter,
    /// The power goes, and again while the agent starts.
    PowerTwice,
    /// A sync fails; the agent is started anew on the same system.
    Sync,
    /// The same, and the power goes before it is started anew.
    SyncAndPower,
}

impl Fault {
    fn plan(self, disk: &FaultyDisk, operation: u64) {
        match self {
            Fault::None => {}
            Fault::Power | Fault::PowerTwice => disk.power_off_at(operation),
            Fault::PowerAfter => disk.power_off_after(operation),
            Fault::Sync | Fault::SyncAndPower => disk.fail_sync_from(operation),
        }
    }

    /// Starts the node again on the disk as the fault leaves it. The first start may fail as well.
    fn restart(self, run: &mut Run<'_>, seed: u64) {
        run.disk.fail_sync_from(u64::MAX);
        run.disk.set_quota(None);
        if self != Fault::Sync {
            run.disk.power_on();
        }
        if self == Fault::PowerTwice {
            run.disk.power_off_at(run.disk.operations() + 1 + seed % STARTS);
            let opened = run.open();
            run.disk.power_off_at(u64::MAX);
            // The last operation of a start is a note, which may be missing.
            if opened.is_ok() && !run.disk.is_off() {
                return;
            }
            run.disk.power_on();
        }
        run.open().unwrap_or_else(|error| panic!("it does not start: {error}"));
    }
}

/// During how many of its operations a start is cut off at most.
const STARTS: u64 = 12;

/// Says which run it was that did not hold.
struct Context(String);

impl Drop for Context {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// How a run used its disk.
struct Used {
    operations: u64,
    syncs: Vec<u64>,
    /// How many hits there were at each switch.
    at_switches: Vec<i64>,
    rewound: u64,
    /// A step broke off, or the first start.
    broken: bool,
}

/// Runs the script with a fault at one operation.
fn run(world: &World, fault: Fault, operation: u64, seed: u64) -> Used {
    let _context = Context(format!("{fault:?} at operation {operation}, seed {seed}"));
    let mut run = Run::new(world, FaultyDisk::new(seed));
    fault.plan(&run.disk, operation);
    let mut broken = run.open().is_err();
    if broken {
        fault.restart(&mut run, seed);
    }
    for step in SCRIPT {
        let before = run.running();
        let Err(error) = run.go(*step, false) else { continue };
        let _context = Context(format!("{step:?} broke off: {error}"));
        assert!(!broken, "there is one fault");
        broken = true;
        fault.restart(&mut run, seed);
        let now = run.running();
        match step {
            Step::Install => assert!(["", "1.0.0"].contains(&now.as_str()), "{now} runs"),
            Step::Upgrade | Step::Rollback => {
                assert!(["1.0.0", "2.0.0"].contains(&now.as_str()), "{now} runs")
            }
            _ => assert_eq!(now, before, "only an operator changes the release"),
        }
        run.look().and_then(|()| run.go(*step, true)).unwrap_or_else(|error| panic!("{error}"));
    }
    let (operations, syncs) = (run.disk.operations(), run.disk.syncs());
    let at_switches = std::mem::take(&mut run.at_switches);
    let rewound = run.rewound;
    for _ in 0..2 {
        run.disk.power_on();
        run.open().and_then(|()| run.audit()).unwrap_or_else(|error| panic!("{error}"));
    }
    Used { operations, syncs, at_switches, rewound, broken }
}

/// With how many seeds each operation is looked at in the short form.
const SEEDS: u64 = 4;

/// Returns with how many seeds each operation is looked at.
fn seeds() -> u64 {
    let times: Option<u64> = std::env::var("CAMSHAFT_LONG").ok().and_then(|times| times.parse().ok());
    SEEDS * times.unwrap_or(1)
}

fn at_every(fault: Fault, which: impl Fn(&Used) -> Vec<u64>) {
    let world = machines::world();
    let whole = run(&world, Fault::None, 0, 1);
    assert_eq!(whole.rewound, 1, "the way back that comes before the release is permanent rewinds one");
    assert!(!whole.broken && whole.syncs.len() > SCRIPT.len(), "each step syncs: {:?}", whole.syncs);
    let places = which(&whole);
    let (mut broken, mut runs) = (0, 0);
    for operation in &places {
        for seed in 0..seeds() {
            runs += 1;
            broken += u64::from(run(&world, fault, *operation, operation << 16 | seed).broken);
        }
    }
    eprintln!("{fault:?}: {runs} runs at {} operations, {broken} broke off", places.len());
    // What fails last of all, or is tidied up while nobody waits for it, breaks off nothing.
    assert!(broken * 10 > runs * 9, "{broken} of {runs} faults were met");
}

fn operations(whole: &Used) -> Vec<u64> {
    (1..=whole.operations).collect()
}

fn syncs(whole: &Used) -> Vec<u64> {
    whole.syncs.clone()
}

#[test]
fn messages_are_on_their_way_at_each_switch() {
    if std::env::var_os("CAMSHAFT_SHARDS").is_some() {
        // In one shard they say to each other all that they have to say at once.
        return;
    }
    let whole = run(&machines::world(), Fault::None, 0, 1);
    assert_eq!(whole.at_switches.len(), 5, "{:?}", whole.at_switches);
    let apart = whole.at_switches.windows(2).all(|two| two[0] < two[1]);
    assert!(
        apart && whole.at_switches.iter().all(|hits| (1..machines::HITS).contains(hits)),
        "{:?}",
        whole.at_switches
    );
}

#[test]
fn the_power_goes_during_any_operation() {
    at_every(Fault::Power, operations);
}

#[test]
fn the_power_goes_during_any_operation_and_during_the_start_after_it() {
    at_every(Fault::PowerTwice, operations);
}

#[test]
fn the_power_goes_when_any_sync_is_done() {
    at_every(Fault::PowerAfter, syncs);
}

#[test]
fn any_sync_fails() {
    at_every(Fault::Sync, syncs);
}

#[test]
fn any_sync_fails_and_then_the_power_goes() {
    at_every(Fault::SyncAndPower, syncs);
}
