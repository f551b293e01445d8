//! `kill -9`, at every named point of an upgrade and at random moments under load: afterwards the
//! node runs exactly the old or the new release, and every acknowledged input was applied once.
//!
//! The client keeps its own account. It sends one `Incr` after another, each with an identifier
//! of its own, and repeats one until it is acknowledged. So the counter must stand at the number
//! of acknowledged inputs, or one above it while an answer is on its way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use camshaft_agent::failpoint;
use camshaft_releases::patch;
use camshaft_tests::project::hotfixed_counter;
use camshaft_tests::{Agent, Answered, Client, Death, Random, World, times, until};
use serde_json::json;

/// Kills at random moments in the short form.
const KILLS: u32 = 200;

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

fn post(client: &Client, path: &str, bundle: Option<&Path>) -> Result<Answered, reqwest::Error> {
    let bytes = bundle.map(|bundle| std::fs::read(bundle).expect("the bundle was built"));
    client.post(path, &[], bytes.unwrap_or_default())
}

fn release(client: &Client) -> (String, bool) {
    client.release().expect("a release runs")
}

fn count(client: &Client) -> u64 {
    let read = client.send("counter/counter", "\"Read\"");
    read["Count"].as_u64().unwrap_or_else(|| panic!("no count in {read}"))
}

/// A client that counts, and keeps on through every death of the agent.
struct Load {
    acknowledged: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    node: Arc<Mutex<Option<String>>>,
    thread: JoinHandle<()>,
}

impl Load {
    fn start() -> Load {
        let acknowledged = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let node = Arc::new(Mutex::new(None::<String>));
        let thread = {
            let (acknowledged, stop, node) = (acknowledged.clone(), stop.clone(), node.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let url = node.lock().expect("nobody panics with the lock").clone();
                    let next = acknowledged.load(Ordering::SeqCst) + 1;
                    let answered = url.map(|url| {
                        let id = format!("load/{next}");
                        let headers = [("camshaft-message", id.as_str())];
                        Client::new(&url).post("/v1/apps/counter/counter", &headers, "\"Incr\"")
                    });
                    match answered {
                        Some(Ok(answered)) if answered.status == 200 => {
                            assert_eq!(answered.json(), "Ok");
                            acknowledged.store(next, Ordering::SeqCst);
                        }
                        // Busy, or between two releases: the same input again.
                        Some(Ok(answered)) if matches!(answered.status, 429 | 503) => {}
                        Some(Ok(answered)) => panic!("input {next}: {answered:?}"),
                        Some(Err(_)) | None => std::thread::yield_now(),
                    }
                }
            })
        };
        Load { acknowledged, stop, node, thread }
    }

    fn aim(&self, agent: Option<&Agent>) {
        *self.node.lock().expect("nobody panics with the lock") = agent.map(|agent| agent.url().to_owned());
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Compares the counter with the account; nothing may be sent meanwhile.
    fn audit(&self, client: &Client, context: &str) {
        let (acknowledged, counted) = (self.acknowledged(), count(client));
        assert!(
            counted == acknowledged || counted == acknowledged + 1,
            "acknowledged {acknowledged}, counted {counted}; {context}"
        );
    }

    fn end(self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("the load met only answers that it knows");
        self.acknowledged.load(Ordering::SeqCst)
    }
}

#[test]
fn two_hundred_random_kills_under_load_lose_and_double_nothing() {
    let world = world();
    let (v1, v2) = (world.build("counter/v1"), world.build("counter/v2"));
    let mut random = Random::of_this_run();
    let seed = random.seed();
    let load = Load::start();
    let agent = Agent::start(&world, "d");
    assert_eq!(post(&agent.client(), "/v1/node/install", Some(&v1)).expect("an answer").status, 200);
    agent.kill();
    let mut seen: BTreeMap<(String, bool), u32> = BTreeMap::new();
    let mut broken_off = 0;
    for round in 0..KILLS * times() {
        let context = format!("kill {round}, seed {seed}");
        let agent = Agent::start(&world, "d");
        let client = agent.client();
        let (version, provisional) = release(&client);
        assert!(matches!(version.as_str(), "1.0.0" | "2.0.0"), "{version}; {context}");
        load.audit(&client, &context);
        *seen.entry((version.clone(), provisional)).or_default() += 1;

        // An operator moves the node between the releases while the load goes on.
        let operator = {
            let (client, v2) = (client.clone(), v2.clone());
            std::thread::spawn(move || {
                let mut provisional = provisional;
                loop {
                    let answered = match provisional {
                        true => post(&client, "/v1/node/rollback", None),
                        false => post(&client, "/v1/node/upgrade", Some(&v2)),
                    };
                    match answered {
                        Ok(answered) if answered.status == 200 => provisional = !provisional,
                        Ok(answered) => panic!("{answered:?}"),
                        Err(_) => return,
                    }
                }
            })
        };
        let before = load.acknowledged();
        load.aim(Some(&agent));
        if random.below(4) > 0 {
            until("an acknowledged input", || (load.acknowledged() > before).then_some(()));
        }
        // Not waiting for anything: the moment is to be a random one.
        std::thread::sleep(Duration::from_micros(random.below(40_000)));
        agent.kill();
        load.aim(None);
        operator.join().unwrap_or_else(|_| panic!("the operator met a refusal; {context}"));
        broken_off += 1;
    }
    let agent = Agent::start(&world, "d");
    load.aim(Some(&agent));
    let before = load.acknowledged();
    until("the load to go on", || (load.acknowledged() > before).then_some(()));
    let acknowledged = load.end();
    assert_eq!(count(&agent.client()), acknowledged, "seed {seed}");
    println!(
        "inputs {acknowledged}, lost 0, doubled 0; {broken_off} kills; found after them: {seen:?}; seed {seed}"
    );
}

/// What runs, as (version, provisional).
type Running = (&'static str, bool);

/// Something that an operator does, and what runs before and after it.
struct Move {
    verb: &'static str,
    takes_bundle: bool,
    before: Running,
    after: Running,
}

const UPGRADE: Move =
    Move { verb: "upgrade", takes_bundle: true, before: ("1.0.0", false), after: ("2.0.0", true) };
const ROLLBACK: Move =
    Move { verb: "rollback", takes_bundle: false, before: ("2.0.0", true), after: ("1.0.0", false) };
const SETTLE: Move =
    Move { verb: "make-permanent", takes_bundle: false, before: ("2.0.0", true), after: ("2.0.0", false) };

/// The points that only an upgrade that is undone passes.
const UNDOING: [&str; 3] = ["undo.before-record", "undo.after-record", "undo.switched"];

/// The points that only a long life passes; see `kills.rs`.
const SNAPSHOTS: [&str; 6] = [
    "snapshot.before",
    "snapshot.begun",
    "snapshot.part",
    "snapshot.before-finish",
    "snapshot.finished",
    "snapshot.after",
];

/// The points that are passed with the name of an instance; see the test of recoveries.
const RECOVERIES: [&str; 6] =
    ["replay.input", "replay.aside", "replay.birth", "replay.carry", "replay.over", "deliver.step"];

/// The points that the removal of a release passes; see `lifecycle.rs`.
const REMOVALS: [&str; 2] = ["remove.before-record", "remove.after-record"];

/// The points that only the first start on a data folder of an earlier version passes.
const TAKING: [&str; 2] = ["taking.before-rename", "taking.after-rename"];

#[test]
fn a_kill_at_every_named_point_leaves_the_old_release_or_the_new() {
    let world = world();
    let (v1, v2) = (world.build("counter/v1"), world.build("counter/v2"));
    let mut reached = Vec::new();
    for name in failpoint::FAILPOINTS {
        for passage in 1..=2 {
            if kill_at(&world, ("1.0.0", &v1), &v2, name, passage) {
                reached.push(*name);
            }
        }
    }
    let elsewhere = [&UNDOING[..], &SNAPSHOTS, &TAKING, &RECOVERIES, &REMOVALS].concat();
    // Those of one agent that takes a node over from another are passed in `takeover.rs`.
    let of_two = |name: &str| name.starts_with("handing.") || name.starts_with("takeover.");
    let all = failpoint::FAILPOINTS.iter().filter(|name| !elsewhere.contains(name) && !of_two(name));
    let missed: Vec<_> = all.filter(|name| !reached.contains(name)).collect();
    assert!(missed.is_empty(), "no move of this test passes {missed:?}");
}

/// The points that an upgrade by a patch bundle passes in its own way: bundle and patch are one piece, which is kept,
/// named by the record, and opened again.
const PATCHING: [&str; 8] = [
    "upgrade.staged",
    "upgrade.before-blob",
    "upgrade.before-switch",
    "upgrade.after-switch",
    "check.after-record",
    "rollback.before-switch",
    "rollback.after-switch",
    "permanent.after-record",
];

#[test]
fn a_kill_while_a_patch_is_taken_leaves_the_hotfix_or_the_new_release() {
    let world = world();
    let [hotfix, v2, patch] = hotfixed_counter(&world);
    let read = |path: &Path| std::fs::read(path).expect("it was built");
    world.write("both", patch::join(&read(&v2), &read(&patch)));
    let both = world.at("both");
    for name in PATCHING {
        assert!(kill_at(&world, ("1.0.1", &hotfix), &both, name, 1), "{name} is not passed");
    }
}

/// The same for an upgrade that is switched, does not pass the check after the switch, and is undone.
#[test]
fn a_kill_while_an_upgrade_is_undone_leaves_the_old_release() {
    let world = world();
    let (v1, v2) = (world.build("counter/v1"), world.build("counter/v2"));
    for name in UNDOING {
        let agent = Agent::start(&world, name);
        assert_eq!(post(&agent.client(), "/v1/node/install", Some(&v1)).expect("an answer").status, 200);
        agent.client().send("counter/counter", "\"Incr\"");
        agent.kill();
        let agent =
            Agent::start_with(&world, name, &[("CAMSHAFT_FAULT", "check"), ("CAMSHAFT_FAILPOINT", name)]);
        let answered = post(&agent.client(), "/v1/node/upgrade", Some(&v2));
        assert!(answered.is_err(), "{name} is not passed: {answered:?}");
        assert_eq!(agent.died(), Death::Signal(9), "{name}");
        let agent = Agent::start(&world, name);
        let found = release(&agent.client());
        let [old, new] = [("1.0.0", false), ("2.0.0", true)].map(|(version, it)| (version.to_owned(), it));
        assert!(found == old || found == new, "{name}: found {found:?}");
        assert_eq!(count(&agent.client()), 1, "{name}");
        // Before the record of the undoing the switch stands, and an operator takes it back.
        if found == new {
            assert_eq!(name, "undo.before-record");
            assert_eq!(post(&agent.client(), "/v1/node/rollback", None).expect("an answer").status, 200);
        }
        assert_eq!(count(&agent.client()), 1, "{name}");
    }
}

#[test]
fn an_upgrade_that_does_not_pass_its_check_is_undone() {
    let world = world();
    let (v1, v2) = (world.build("counter/v1"), world.build("counter/v2"));
    let agent = Agent::start_with(&world, "d", &[("CAMSHAFT_FAULT", "check")]);
    assert_eq!(post(&agent.client(), "/v1/node/install", Some(&v1)).expect("an answer").status, 200);
    agent.client().send("counter/counter", "\"Incr\"");
    let v2 = v2.to_string_lossy();
    let done = world.run(&["node", "upgrade", &v2, "--node", agent.url()]).expect(3);
    assert!(done.stderr.contains("hint: "), "{done:#?}");
    assert_eq!(release(&agent.client()), ("1.0.0".to_owned(), false));
    assert_eq!(count(&agent.client()), 1);
    let history = world.run(&["node", "history", "--json", "--node", agent.url()]).expect(0).json();
    assert_eq!(history["entries"][2]["what"], "undone", "{history}");
}

/// Runs all moves with a failpoint set, and again after the death. Returns false when the node
/// did not die.
fn kill_at(world: &World, (old, v1): (&str, &Path), v2: &Path, name: &str, passage: u32) -> bool {
    let data = format!("d-{name}-{passage}");
    let context = format!("failpoint {name}:{passage}");
    let failpoint = format!("{name}:{passage}");
    let environment = [("CAMSHAFT_FAILPOINT", failpoint.as_str())];
    let mut deaths = 0;
    let mut load = 0;
    let mut agent = Agent::start_with(world, &data, &environment);

    // The way in: an empty node becomes one that runs 1.0.0, or stays empty.
    if post(&agent.client(), "/v1/node/install", Some(v1)).is_err() {
        assert_eq!(agent.died(), Death::Signal(9), "{context}");
        deaths += 1;
        agent = Agent::start(world, &data);
        if agent.client().release().is_none() {
            let again = post(&agent.client(), "/v1/node/install", Some(v1)).expect("an answer");
            assert_eq!(again.status, 200, "{context}: {again:?}");
        }
    }
    for (step, next) in [UPGRADE, ROLLBACK, UPGRADE, SETTLE].into_iter().enumerate() {
        let Move { verb, takes_bundle, .. } = next;
        let of_test = |(version, provisional): Running| match version {
            "1.0.0" => (old, provisional),
            version => (version, provisional),
        };
        let (before, after) = (of_test(next.before), of_test(next.after));
        let client = agent.client();
        load += 1;
        let id = format!("load/{load}");
        let mut incr = client.post("/v1/apps/counter/counter", &[("camshaft-message", &id)], "\"Incr\"");
        if incr.is_err() {
            assert_eq!(agent.died(), Death::Signal(9), "{context}");
            deaths += 1;
            agent = Agent::start(world, &data);
            incr = agent.client().post("/v1/apps/counter/counter", &[("camshaft-message", &id)], "\"Incr\"");
        }
        assert_eq!(incr.expect("an answer").json(), json!("Ok"), "{context}");
        let client = agent.client();
        let path = format!("/v1/node/{verb}");
        let bundle = takes_bundle.then_some(v2);
        match post(&client, &path, bundle) {
            Ok(answered) => assert_eq!(answered.status, 200, "{context}, move {step}: {answered:?}"),
            Err(_) => {
                assert_eq!(agent.died(), Death::Signal(9), "{context}, move {step}");
                deaths += 1;
                agent = Agent::start(world, &data);
                let client = agent.client();
                let found = release(&client);
                let found = (found.0.as_str(), found.1);
                assert!(found == before || found == after, "{context}, move {step}: found {found:?}");
                assert_eq!(count(&client), load, "{context}, move {step}");
                // An operator who asks again gets there.
                if found == before {
                    let again = post(&client, &path, bundle).expect("an answer");
                    assert_eq!(again.status, 200, "{context}, move {step}: {again:?}");
                }
            }
        }
        let found = release(&agent.client());
        assert_eq!((found.0.as_str(), found.1), after, "{context}, move {step}");
        assert_eq!(count(&agent.client()), load, "{context}, move {step}");
    }
    assert!(deaths <= 1, "{context}: died {deaths} times");
    deaths == 1
}
