//! `kill -9` with several clients on several shards: at every named point of a switch and of a state
//! snapshot, at random moments, and while the agent stops.
//!
//! Each client keeps its own account, and has a till on the node that says with each answer how many
//! payments it made: so each answer, first or repeated, has one right form. The tills pay to accounts by
//! messages, which are answered. After each death the tills must have what was acknowledged, and of what is
//! in doubt the first so many; every other time the node may come to rest first, and then each account must
//! have exactly what the tills sent.

#[path = "kills/audit.rs"]
mod audit;
#[path = "kills/bank.rs"]
mod bank;
#[path = "kills/client.rs"]
mod client;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use audit::{audit, retries};
use camshaft_tests::{Agent, Client, Death, Random, World, times, until};
use client::{Load, Manner};

/// Points that a node which goes to and fro between two releases passes again and again.
const MOVING: [&str; 12] = [
    "upgrade.staged",
    "upgrade.tried",
    "upgrade.before-blob",
    "upgrade.before-switch",
    "upgrade.after-switch",
    "upgrade.switched",
    "check.before-record",
    "check.after-record",
    "rollback.tried",
    "rollback.before-switch",
    "rollback.after-switch",
    "rollback.switched",
];

/// Points that a node passes by itself: of groups of records, and of a state snapshot, which is made while the
/// inputs go on.
const ALONE: [&str; 8] = [
    "append.before",
    "append.after",
    "snapshot.before",
    "snapshot.begun",
    "snapshot.part",
    "snapshot.before-finish",
    "snapshot.finished",
    "snapshot.after",
];

/// Points that a node passes when it starts, too: one that died between a switch and the record of its check
/// makes the check before it is ready.
const OWED: [&str; 2] = ["check.before-record", "check.after-record"];

/// How many deaths at random moments come with those at named points.
const RANDOM: usize = 36;

/// How an agent ends.
#[derive(Debug, Clone, Copy)]
enum Fall {
    /// At a passage of a point.
    At(&'static str),
    /// At any moment.
    Killed,
    /// A little after it was asked to stop: it saves a state snapshot then.
    Stopping,
}

fn shuffle<T>(random: &mut Random, items: &mut [T]) {
    for last in (1..items.len()).rev() {
        items.swap(last, usize::try_from(random.below(last as u64 + 1)).expect("a small number"));
    }
}

/// All falls of a round, in any order; but between two at a point that the node passes by itself is another
/// one, since only that lets the node be looked at first.
fn falls(random: &mut Random) -> Vec<Fall> {
    let others = (0..RANDOM).map(|index| if index % 2 == 0 { Fall::Killed } else { Fall::Stopping });
    let mut falls: Vec<Fall> = MOVING.iter().map(|point| Fall::At(point)).chain(others).collect();
    let mut alone = ALONE;
    shuffle(random, &mut falls);
    shuffle(random, &mut alone);
    for (index, point) in alone.into_iter().enumerate() {
        falls.insert(4 * index, Fall::At(point));
    }
    falls
}

/// An operator who moves the node between the releases until there is no node.
struct Operator {
    client: Client,
    second: Vec<u8>,
    random: Random,
    /// True when the agent was asked to stop: commands may be refused then.
    stopping: Arc<AtomicBool>,
}

impl Operator {
    fn run(mut self) {
        let Ok(node) = self.client.get("/v1/node") else { return };
        let mut provisional = node.json()["state"] == "provisional";
        loop {
            let answered = match provisional {
                true => self.client.post("/v1/node/rollback", &[], ""),
                false => self.client.post("/v1/node/upgrade", &[], self.second.clone()),
            };
            match answered {
                Ok(answered) if answered.status == 200 => provisional = !provisional,
                Ok(answered) if self.stopping.load(Ordering::SeqCst) => {
                    assert!(answered.status >= 500, "{answered:?}");
                    return;
                }
                Ok(answered) => panic!("{answered:?}"),
                Err(_) => return,
            }
            std::thread::sleep(Duration::from_micros(self.random.below(30_000)));
        }
    }
}

/// The figures of a start: how many shards, and how often and in how large parts snapshots are made.
fn environment(random: &mut Random, fall: Fall) -> Vec<(&'static str, String)> {
    let mut environment = vec![
        ("CAMSHAFT_FIGURE_SHARDS", (2 + random.below(3)).to_string()),
        ("CAMSHAFT_FIGURE_SNAPSHOT_EVERY", (10 + random.below(100)).to_string()),
        ("CAMSHAFT_FIGURE_SNAPSHOT_BATCH", (1 + random.below(3)).to_string()),
    ];
    if let Fall::At(point) = fall {
        environment.push(("CAMSHAFT_FAILPOINT", format!("{point}:{}", 1 + random.below(3))));
    }
    environment
}

/// A node through all its deaths, and what was seen of it.
struct Life {
    world: World,
    second: Vec<u8>,
    random: Random,
    load: Load,
    found: BTreeMap<(String, bool), u32>,
    half_written: u32,
}

impl Life {
    /// Starts the node, looks at it, lets it work, and ends it.
    fn round(&mut self, round: usize, fall: Fall) {
        let environment = environment(&mut self.random, fall);
        let seed = self.random.seed();
        let context = format!("start {round} with {environment:?}, to be ended {fall:?}, seed {seed}");
        let borrowed: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        // Such a node may die before anything is asked of it; the next one is looked at.
        let by_itself = matches!(fall, Fall::At(point) if ALONE.contains(&point));
        let at_start = by_itself || matches!(fall, Fall::At(point) if OWED.contains(&point));
        let agent = match Agent::try_start(&self.world, "d", &borrowed) {
            Ok(agent) => agent,
            Err((_, Death::Signal(9))) if at_start => return,
            Err((log, death)) => panic!("it did not start ({death:?}): {log}\n{context}"),
        };
        if !by_itself {
            let (version, provisional) = agent.client().release().expect("a release runs");
            assert!(matches!(version.as_str(), "1.0.0" | "2.0.0"), "{version}; {context}");
            *self.found.entry((version, provisional)).or_default() += 1;
            audit(&self.load, &agent.client(), self.random.below(2) == 0, &context);
        }
        let stopping = Arc::new(AtomicBool::new(false));
        let moves = matches!(fall, Fall::At(point) if MOVING.contains(&point)) || self.random.below(2) == 0;
        let operator = moves.then(|| Operator {
            client: agent.client(),
            second: self.second.clone(),
            random: self.random.fork(),
            stopping: stopping.clone(),
        });
        let operator = operator.map(|operator| std::thread::spawn(|| operator.run()));
        self.load.aim(Some(&agent));
        self.end(agent, fall, &stopping, &context);
        self.load.aim(None);
        if let Some(operator) = operator {
            operator.join().unwrap_or_else(|_| panic!("the operator met a refusal; {context}"));
        }
        self.half_written += u32::from(is_half_written(&self.world));
    }

    fn end(&mut self, agent: Agent, fall: Fall, stopping: &AtomicBool, context: &str) {
        if let Fall::At(_) = fall {
            assert_eq!(agent.died(), Death::Signal(9), "{context}");
            return;
        }
        let wanted = self.load.acknowledged() + 20 + self.random.below(200);
        until("some inputs", || (self.load.acknowledged() > wanted).then_some(()));
        if let Fall::Stopping = fall {
            stopping.store(true, Ordering::SeqCst);
            agent.ask_to_stop();
        }
        // Not waiting for anything: the moment is to be a random one.
        std::thread::sleep(Duration::from_micros(self.random.below(50_000)));
        agent.kill();
    }
}

#[test]
fn several_clients_on_several_shards_lose_and_double_nothing() {
    let world = World::new(env!("CARGO_BIN_EXE_camshaft-under-test"));
    let [first, second] = bank::releases(&world).map(|path| std::fs::read(path).expect("it was built"));
    let mut random = Random::of_this_run();
    let seed = random.seed();
    let manners = [Manner::Single, Manner::Single, Manner::Single, Manner::Batch, Manner::Deposit];
    let load = Load::start(&manners, &mut random);
    let agent = Agent::start(&world, "d");
    assert_eq!(agent.client().post("/v1/node/install", &[], first).expect("an answer").status, 200);
    agent.kill();
    let falls: Vec<Fall> = (0..times()).flat_map(|_| falls(&mut random)).collect();
    let mut life = Life { world, second, random, load, found: BTreeMap::new(), half_written: 0 };
    for (round, fall) in falls.iter().enumerate() {
        life.round(round, *fall);
    }
    let Life { world, load, found, half_written, .. } = life;
    let agent = Agent::start(&world, "d");
    audit(&load, &agent.client(), true, &format!("the last start, seed {seed}"));
    let before = load.acknowledged();
    load.aim(Some(&agent));
    until("the load to go on", || (load.acknowledged() > before).then_some(()));
    load.aim(None);
    audit(&load, &agent.client(), true, &format!("the end, seed {seed}"));
    let (acknowledged, retries) = (load.acknowledged(), retries(&load).len());
    load.end();
    assert!(half_written > 0, "no death met a state snapshot that was being written; seed {seed}");
    assert!(retries > 0, "no death met an input; seed {seed}");
    println!(
        "inputs {acknowledged}, of them repeated {retries}, lost 0, doubled 0; {} deaths, {half_written} of them with \
         a state snapshot half written; found after them: {found:?}; seed {seed}",
        falls.len()
    );
}

/// Returns true when a state snapshot was being written when the agent died.
fn is_half_written(world: &World) -> bool {
    let entries = std::fs::read_dir(world.at("d")).expect("the data folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
    names.into_iter().any(|name| name.starts_with("snapshot-") && name.ends_with(".tmp"))
}
