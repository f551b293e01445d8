//! A large state goes over a switch by what its trial found out: only what changed meanwhile is left to be done, and
//! what is large is dropped where nobody waits.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use camshaft_agent::engine::{Ahead, BehindSome, Discarded, Epoch, Plan, Shard, ShardConfig, ShardLimits};
use camshaft_agent::engine::{Trial, Way, shard_of};
use camshaft_agent::host::{Host, Input};
use camshaft_agent::node::{Holding, Node};
use camshaft_agent::release::Release;
use camshaft_agent::speech::Says;
use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;

use camshaft_store::MemoryJournal;

use common::{Made, TestNode, World, make};

const ENTRIES: i64 = 40_000;

const FIRST: &str = "machine large keyed Text
type Entry = { value: Int = 0 }
type State = { m: Map(Int, Entry), limit: Int = 1_000_000 }
invariant \"no value is above the limit\" = state.m.all((_, v) -> v.value <= state.limit)
type Input = Fill(Int) | Set { key: Int, value: Int } | Get(Int)
type Output = Ok | Value(Int)
init = { m: [:], limit: 1_000_000 }
on Fill(n) => ({ ..state, m: 0.to(n).fold(state.m, (m, k) -> m.put(state.m.len() + k, { value: k })) }, Ok)
on Set { key, value } => ({ ..state, m: state.m.put(key, { value: value }) }, Ok)
on Get(key) => (state, Value(state.m[key].map(v -> v.value).or(-1)))
";

/// How many entries an input puts in: what a step has fuel for.
const FILL: i64 = 1_000;

fn releases() -> [Made; 2] {
    let first = make("1.0.0", &[("a/large", FIRST)], None, &[]);
    let second = FIRST.replace("value: Int = 0 }", "value: Int = 0, more: Int = 0 }");
    let second = second.replace("{ value: k }", "{ value: k, more: 0 }");
    let second = second.replace("{ value: value }", "{ value: value, more: 0 }");
    let second = make("2.0.0", &[("a/large", &second)], Some(&first), &[]);
    [first, second]
}

struct Bench {
    shard: Shard,
    address: InstanceAddress,
    world: World,
}

impl Bench {
    fn new() -> Bench {
        Bench::of(releases())
    }

    fn of(releases: [Made; 2]) -> Bench {
        let world = World::of(releases);
        let limits = ShardLimits::default();
        let mut shard = Shard::new(ShardConfig { index: 0, shards: 1, salt: 7, limits, journalled: true });
        shard.enter_once(&Epoch::install(world.release("1.0.0")));
        let mut bench = Bench { shard, address: "a/large/one".parse().expect("an address"), world };
        for _ in 0..ENTRIES / FILL {
            bench.send(&format!("{{\"Fill\":{FILL}}}"));
        }
        assert_ne!(bench.send(&format!("{{\"Get\":{}}}", ENTRIES - 1)), int("Value", -1));
        bench.shard.take_out();
        bench
    }

    fn release(&self, version: &str) -> Arc<Release> {
        self.world.release(version)
    }

    fn send(&mut self, json: &str) -> Value {
        let running = self.shard.release().expect("a release runs").clone();
        let code = running.machine(&self.address.machine_address()).expect("the machine is there");
        let input = Value::from_json(json, code.verified.input()).expect("an input");
        let answered = self.shard.call(&self.address, input).expect("it is taken").expect("it is applied");
        answered.expect("there is an answer")
    }

    fn plan(&self, way: Way) -> Arc<Plan> {
        let (first, second) = (self.release("1.0.0"), self.release("2.0.0"));
        let (digest, relup) = second.relups.first().expect("there is a way");
        Arc::new(match way {
            Way::Up => Plan::new(&first, &second, way, (digest, relup)).expect("a plan"),
            Way::Down => Plan::new(&second, &first, way, (digest, relup)).expect("a plan"),
        })
    }

    fn begin(&mut self, way: Way) -> Trial {
        let plan = self.plan(way);
        let begun = self.shard.begin_trial(&plan);
        let mut trial = Trial::new(1, plan, &[begun]);
        trial.add(self.shard.copy_some(10));
        trial
    }

    /// Makes the switch, and returns how many parts its trial did.
    fn switch(&mut self, mut trial: Trial, number: u64) -> usize {
        let (plan, memos) = (trial.plan().clone(), trial.take_memos());
        assert!(trial.report().passed, "{:?}", trial.report());
        let done = memos.done();
        self.shard.enter_once(&Epoch { memos, ..Epoch::of(plan, number, &BTreeMap::new()) });
        done
    }

    /// Returns what was discarded: how many parts each memo had done, and how many states there were.
    fn discarded(&mut self) -> (Vec<usize>, usize) {
        let all = self.shard.take_out().discarded;
        let parts = all.iter().filter_map(|one| match one {
            Discarded::Memo(memo) => Some(memo.done()),
            Discarded::State(_) => None,
        });
        let parts: Vec<usize> = parts.collect();
        (parts.clone(), all.len() - parts.len())
    }
}

fn int(case: &str, number: i64) -> Value {
    let index = ["Ok", "Value"].iter().position(|name| *name == case).expect("a case");
    Value::sum(index, if case == "Ok" { Value::Unit } else { Value::Int(number) })
}

#[test]
fn what_changed_since_the_trial_is_all_that_is_done_when_the_state_goes_over() {
    let mut bench = Bench::new();
    let mut trial = bench.begin(Way::Up);
    // One round for what changes while it is tried, and more afterwards.
    bench.send(r#"{"Set":{"key":7,"value":70}}"#);
    trial.add(bench.shard.copy_some(10));
    bench.send(r#"{"Set":{"key":20000,"value":5}}"#);
    bench.send(r#"{"Set":{"key":-1,"value":6}}"#);
    let tried = bench.switch(trial, 2);
    assert_eq!(bench.discarded(), (vec![], 0), "nothing was touched yet");
    assert_eq!(bench.send(r#"{"Get":20000}"#), int("Value", 5));
    assert_eq!(bench.send(r#"{"Get":-1}"#), int("Value", 6));
    assert_eq!(bench.send(r#"{"Get":7}"#), int("Value", 70));
    assert_eq!(bench.send(r#"{"Get":39999}"#), int("Value", 999));
    let (memos, states) = bench.discarded();
    let [touched] = memos[..] else { panic!("one memo was used: {memos:?}") };
    // Per change the way to a leaf, for the edge and for the invariant.
    assert!(
        (2..=20).contains(&(touched - tried)) && tried > 3_000,
        "{touched} parts, {tried} when it was tried"
    );
    assert_eq!(states, 0, "the state from before is kept while nothing is written");
    bench.send(r#"{"Set":{"key":1,"value":1}}"#);
    assert_eq!(bench.discarded(), (vec![], 1), "the state from before goes with the first write");
}

#[test]
fn a_way_back_that_was_tried_is_remembered_as_well() {
    let mut bench = Bench::new();
    let trial = bench.begin(Way::Up);
    bench.switch(trial, 2);
    bench.send(r#"{"Set":{"key":1,"value":11}}"#);
    bench.shard.take_out();
    let trial = bench.begin(Way::Down);
    bench.send(r#"{"Set":{"key":2,"value":12}}"#);
    let tried = bench.switch(trial, 3);
    assert_eq!(bench.send(r#"{"Get":1}"#), int("Value", 11), "later writes are kept");
    assert_eq!(bench.send(r#"{"Get":2}"#), int("Value", 12));
    let (memos, states) = bench.discarded();
    let [touched] = memos[..] else { panic!("one memo was used: {memos:?}") };
    assert!(
        (2..=8).contains(&(touched - tried)) && tried > 2_000,
        "{touched} parts, {tried} when it was tried"
    );
    assert_eq!(
        states, 2,
        "the newer state, and the one that a rewind would have begun with, are dropped elsewhere"
    );
}

#[test]
fn what_is_kept_aside_of_a_large_state_is_remembered_both_ways() {
    let first = FIRST.replace("value: Int = 0 }", "value: Int = 0, old: Int = 3 }");
    let first = first
        .replace("{ value: k }", "{ value: k, old: 4 }")
        .replace("{ value: value }", "{ value: value, old: 5 }");
    let first = first.replace("v -> v.value).or", "v -> v.value * 10 + v.old).or");
    let first = make("1.0.0", &[("a/large", &first)], None, &[]);
    let migration = "migration large from \"1.0.0\"\ndrop Entry.old else 6\n";
    let second = make("2.0.0", &[("a/large", FIRST)], Some(&first), &[("a/large", migration)]);
    let mut bench = Bench::of([first, second]);
    let trial = bench.begin(Way::Up);
    bench.send(r#"{"Set":{"key":9,"value":90}}"#);
    let tried = bench.switch(trial, 2);
    bench.send(r#"{"Set":{"key":7,"value":70}}"#);
    let (memos, _) = bench.discarded();
    let [touched] = memos[..] else { panic!("one memo was used: {memos:?}") };
    // The way up, what is kept, and the invariant.
    assert!(
        (3..=12).contains(&(touched - tried)) && tried > 5_000,
        "{touched} parts, {tried} when it was tried"
    );
    let trial = bench.begin(Way::Down);
    bench.send(r#"{"Set":{"key":8,"value":80}}"#);
    let tried = bench.switch(trial, 3);
    assert_eq!(
        bench.send(r#"{"Get":7}"#),
        int("Value", 704),
        "what was kept aside comes back, and the write stays"
    );
    assert_eq!(bench.send(r#"{"Get":8}"#), int("Value", 804));
    assert_eq!(bench.send(r#"{"Get":9}"#), int("Value", 905));
    let (memos, _) = bench.discarded();
    let [touched] = memos[..] else { panic!("one memo was used: {memos:?}") };
    assert!(
        (2..=8).contains(&(touched - tried)) && tried > 2_000,
        "{touched} parts, {tried} when it was tried"
    );
}

#[test]
fn a_state_that_no_trial_saw_goes_over_all_the_same() {
    let mut bench = Bench::new();
    bench.send(r#"{"Set":{"key":3,"value":33}}"#);
    let plan = bench.plan(Way::Up);
    bench.shard.enter_once(&Epoch::of(plan, 2, &BTreeMap::new()));
    assert_eq!(bench.send(r#"{"Get":3}"#), int("Value", 33));
    assert_eq!(bench.discarded(), (vec![], 0));
}

impl Bench {
    /// Goes up as after a start: what the trial remembered is gone.
    fn forgetful(&mut self) {
        let plan = self.plan(Way::Up);
        self.shard.enter_once(&Epoch::of(plan, 2, &BTreeMap::new()));
        self.discarded();
    }

    /// Works out ahead what is behind. Returns that, and how often there was time for something else.
    fn work_out(&self) -> (Ahead, usize) {
        let BehindSome { found, next } = self.shard.behind_some(0, 100);
        assert_eq!(next, Some(1), "there is one instance");
        let pauses = Arc::new(AtomicUsize::new(0));
        let paused = pauses.clone();
        let pause = Box::new(move || {
            paused.fetch_add(1, Ordering::Relaxed);
        });
        let ahead = found.expect("it is behind").work_out(pause);
        (ahead, pauses.load(Ordering::Relaxed))
    }

    fn is_behind(&self) -> bool {
        self.shard.behind_some(0, 100).found.is_some()
    }
}

#[test]
fn after_a_start_what_is_worked_out_ahead_is_not_done_when_the_state_goes_over() {
    let mut bench = Bench::new();
    bench.send(r#"{"Set":{"key":3,"value":33}}"#);
    assert!(!bench.is_behind(), "there was no switch");
    bench.forgetful();
    let (ahead, pauses) = bench.work_out();
    let done = ahead.done();
    assert!(done > 3_000 && pauses >= done, "{done} parts with {pauses} pauses");
    assert!(bench.shard.remember(ahead));
    assert!(!bench.is_behind(), "it is known");
    assert_eq!((bench.shard.recalled(), bench.discarded()), (0, (vec![], 0)));
    assert_eq!(bench.send(r#"{"Get":3}"#), int("Value", 33));
    assert_eq!(bench.discarded(), (vec![done], 0), "no part of it was done in the shard");
    // The parts below the root of the map, for the edge and for the invariant.
    assert!((2..200).contains(&bench.shard.recalled()), "{}", bench.shard.recalled());
    assert!(!bench.is_behind(), "it is over");
    assert_eq!(bench.send(r#"{"Get":39999}"#), int("Value", 999));
}

#[test]
fn a_state_that_is_used_before_its_turn_goes_over_as_a_whole() {
    let mut bench = Bench::new();
    bench.forgetful();
    let (ahead, _) = bench.work_out();
    let done = ahead.done();
    assert_eq!(bench.send(r#"{"Get":3}"#), int("Value", 3));
    assert_eq!((bench.shard.recalled(), bench.discarded()), (0, (vec![], 0)));
    assert!(!bench.shard.remember(ahead), "it comes too late");
    assert_eq!(bench.discarded(), (vec![done], 0), "and is dropped elsewhere");
}

#[test]
fn what_was_worked_out_ahead_is_of_no_use_behind_another_switch() {
    let mut bench = Bench::new();
    bench.forgetful();
    let (ahead, _) = bench.work_out();
    bench.shard.enter_once(&Epoch::of(bench.plan(Way::Down), 3, &BTreeMap::new()));
    assert!(!bench.shard.remember(ahead));
    assert!(!bench.is_behind(), "there and back is nothing");
    assert_eq!(bench.send(r#"{"Get":3}"#), int("Value", 3));
    assert_eq!(bench.shard.recalled(), 0);
}

#[test]
fn the_sweeper_waits_for_who_works_ahead() {
    for waits in [true, false] {
        let mut bench = Bench::new();
        bench.forgetful();
        bench.shard.make_permanent();
        bench.shard.set_working_ahead(true);
        assert!(!bench.shard.sweep_some(100) && !bench.shard.sweep_some(100), "it waits");
        let (ahead, _) = bench.work_out();
        let done = ahead.done();
        if waits {
            assert!(bench.shard.remember(ahead));
        } else {
            // Whoever worked has ended, whatever came of it.
            bench.shard.set_working_ahead(false);
        }
        assert!(bench.shard.sweep_some(100), "it goes on");
        let (memos, _) = bench.discarded();
        assert_eq!(
            (memos, bench.shard.recalled() > 0),
            if waits { (vec![done], true) } else { (vec![], false) }
        );
        assert_eq!(bench.send(r#"{"Get":3}"#), int("Value", 3));
    }
}

/// A large state that fails is held when it is used, worked out or not.
#[test]
fn what_fails_ahead_of_its_use_fails_when_it_is_used() {
    for worked_out in [true, false] {
        let mut bench = Bench::new();
        bench.send(r#"{"Set":{"key":2,"value":2000000}}"#);
        bench.forgetful();
        if worked_out {
            let (ahead, _) = bench.work_out();
            assert!(bench.shard.remember(ahead));
            assert!(bench.shard.take_troubles().is_empty(), "nobody used it yet");
        }
        let running = bench.release("2.0.0");
        let code = running.machine(&bench.address.machine_address()).expect("the machine is there");
        let input = Value::from_json(r#"{"Get":2}"#, code.verified.input()).expect("an input");
        bench.shard.call(&bench.address.clone(), input).expect_err("it is held");
        let [trouble] = &bench.shard.take_troubles()[..] else { panic!("one instance is in trouble") };
        assert!(trouble.reason.contains("no value is above the limit"), "{}", trouble.reason);
    }
}

#[test]
fn a_listing_takes_no_large_state_over_in_its_shard() {
    let mut bench = Bench::new();
    for behind in [false, true] {
        if behind {
            bench.forgetful();
        }
        let mut listed = bench.shard.list(None, 10);
        assert!(listed.len() == 1 && listed[0].is_large(), "its shard gives a copy");
        let shown = listed.remove(0).status();
        let held = bench.shard.held_some(None, 10, 10).found;
        assert_eq!(held.len(), usize::from(behind), "whether it can go over is found out elsewhere");
        assert!(held.into_iter().all(|listed| listed.is_large() && listed.held().is_none()));
        assert_eq!(bench.shard.recalled(), 0);
        bench.send(r#"{"Get":3}"#);
        let after = bench.shard.list(None, 10).remove(0).status();
        assert_eq!(
            (after.state_digest, after.digest, after.state),
            (shown.state_digest, shown.digest, shown.state)
        );
    }
    let mut bench = Bench::new();
    bench.send(r#"{"Set":{"key":2,"value":2000000}}"#);
    bench.forgetful();
    let held = bench.shard.held_some(None, 10, 10).found.remove(0).held().expect("it cannot go over");
    let why = held.status().why.expect("a reason");
    assert!(why.contains("no value is above the limit"), "{why}");
}

/// Fills the large states of a node on 1.0.0, upgrades it, and opens it anew.
fn started_behind(journal: &MemoryJournal) -> TestNode {
    let world = World::of(releases());
    let mut node = world.open(journal.clone(), 0).expect("it opens");
    node.install("1.0.0").expect("it is installed");
    for address in &of_each_shard() {
        for _ in 0..ENTRIES / FILL {
            assert_eq!(node.send(address, &format!("{{\"Fill\":{FILL}}}")), "\"Ok\"");
        }
    }
    assert!(node.node.begin_ahead().expect("the node is here").is_none(), "there was no switch");
    node.upgrade("2.0.0").expect("it is upgraded");
    node.node.save_snapshot().expect("a snapshot");
    drop(node);
    world.open(journal.clone(), 0).expect("it opens")
}

#[test]
fn a_node_that_started_works_out_the_states_of_all_its_shards() {
    let mut node = started_behind(&MemoryJournal::default());
    let mut walk = node.node.begin_ahead().expect("the node is here").expect("there was a switch");
    let mut states = 0;
    loop {
        let (found, next) = node.node.look_ahead(walk).expect("the node is here");
        for found in found {
            let worked_out = found.work_out(Box::new(|| {}));
            assert!(worked_out.done() > 1_000);
            assert!(node.node.remember_ahead(worked_out).expect("the node is here"));
            states += 1;
        }
        match next {
            Some(next) => walk = next,
            None => break,
        }
    }
    node.node.end_ahead().expect("the node is here");
    assert_eq!(states, 2);
    let (known, parts) = node.node.remembered().expect("the node is here");
    assert!(known == 2 && parts > 2_000, "{known} states, {parts} parts");
    let mut recalled = node.node.recalled().expect("the node is here");
    assert_eq!(recalled, 0, "nobody used them yet");
    for address in &of_each_shard() {
        assert_eq!(node.send(address, "{\"Get\":9}"), "{\"Value\":9}");
        let before = std::mem::replace(&mut recalled, node.node.recalled().expect("the node is here"));
        assert!(recalled > before, "{address} goes over by what is remembered");
    }
    assert_eq!(node.node.remembered().expect("the node is here"), (0, 0));
}

/// The same in threads: nobody has to ask for it.
#[test]
fn the_threads_of_a_node_work_ahead_after_a_start() {
    let node = started_behind(&MemoryJournal::default());
    let (ended, _) = tokio::sync::oneshot::channel();
    let (host, threads) = Host::start(node.node, Arc::new(|| 0), 16, ended, None).expect("it starts");
    let states = || host.call(Node::remembered).expect("the node is here").0;
    while states() < 2 {
        std::thread::yield_now();
    }
    let input = Input {
        address: of_each_shard()[0].parse().expect("an address"),
        json: "{\"Get\":9}".to_owned(),
        says: Says::Running,
        identity: None,
        trace: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(host.input(input)).expect("it is taken");
    assert!(host.call(Node::recalled).expect("the node is here") > 0);
    host.stop();
    threads.join().expect("they end");
}

#[test]
fn memos_of_a_switch_that_nobody_needed_go_with_the_next() {
    let mut bench = Bench::new();
    let trial = bench.begin(Way::Up);
    bench.switch(trial, 2);
    let trial = bench.begin(Way::Down);
    bench.switch(trial, 3);
    let (memos, _) = bench.discarded();
    assert_eq!(memos.len(), 1, "{memos:?}");
    assert_eq!(bench.send(r#"{"Get":5}"#), int("Value", 5), "there and back is nothing");
}

#[test]
fn a_change_that_breaks_the_invariant_is_seen_beside_what_is_remembered() {
    let mut bench = Bench::new();
    let trial = bench.begin(Way::Up);
    // The first release would not look either: such an invariant is not checked after each step.
    bench.send(r#"{"Set":{"key":2,"value":2000000}}"#);
    bench.switch(trial, 2);
    let running = bench.release("2.0.0");
    let code = running.machine(&bench.address.machine_address()).expect("the machine is there");
    let input = Value::from_json(r#"{"Get":2}"#, code.verified.input()).expect("an input");
    let refusal = bench.shard.call(&bench.address.clone(), input).expect_err("it is held");
    assert!(refusal.to_string().contains("held"), "{refusal}");
    let [trouble] = &bench.shard.take_troubles()[..] else { panic!("one instance is in trouble") };
    assert!(trouble.reason.contains("no value is above the limit"), "{}", trouble.reason);
}

/// Returns an instance of each shard.
fn of_each_shard() -> [String; 2] {
    [0, 1].map(|shard| {
        let addresses = (0..100).map(|number| format!("a/large/{number}"));
        let mut addresses = addresses
            .filter(|address| shard_of(&BTreeMap::new(), 2, &address.parse().expect("an address")) == shard);
        addresses.next().expect("each shard has some")
    })
}

#[test]
fn a_node_hands_what_its_trial_remembers_to_each_of_its_shards() {
    let world = World::of(releases());
    let mut node = world.open(MemoryJournal::default(), 0).expect("it opens");
    node.install("1.0.0").expect("it is installed");
    let addresses = of_each_shard();
    for address in &addresses {
        for _ in 0..ENTRIES / FILL {
            assert_eq!(node.send(address, &format!("{{\"Fill\":{FILL}}}")), "\"Ok\"");
        }
    }
    let mut known = 0;
    let mut recalled = |node: &mut TestNode| {
        let all = node.node.recalled().expect("the node is here");
        all - std::mem::replace(&mut known, all)
    };
    let set = |node: &mut TestNode, number: i64| {
        for address in &addresses {
            assert_eq!(
                node.send(address, &format!("{{\"Set\":{{\"key\":9,\"value\":{number}}}}}")),
                "\"Ok\""
            );
        }
    };
    node.upgrade_meanwhile("2.0.0", |node| set(node, 90)).expect("it is upgraded");
    assert_eq!(recalled(&mut node), 0, "nothing was used yet");
    for address in &addresses {
        assert_eq!(node.send(address, "{\"Get\":9}"), "{\"Value\":90}");
        let taken = recalled(&mut node);
        // What lies beside the way to the change: for the edge and for the invariant.
        assert!((20..200).contains(&taken), "{address} took {taken} parts over");
    }
    set(&mut node, 91);
    assert_eq!(recalled(&mut node), 0, "it is over");
    node.rollback(Holding::Refuse).expect("it goes back");
    for address in &addresses {
        assert_eq!(node.send(address, "{\"Get\":9}"), "{\"Value\":91}");
    }
    // The way back is for good, so both have gone it by now, one of them by the sweeper.
    let taken = recalled(&mut node);
    assert!((40..400).contains(&taken), "they took {taken} parts over on their way back");
}

#[test]
fn what_a_snapshot_has_of_a_large_state_is_that_of_its_cut() {
    let world = World::of(releases());
    let journal = MemoryJournal::default();
    let mut node = world.open(journal.clone(), 0).expect("it opens");
    node.install("1.0.0").expect("it is installed");
    let send = |node: &mut TestNode, json: &str| node.send("a/large/one", json);
    for _ in 0..ENTRIES / FILL {
        assert_eq!(send(&mut node, &format!("{{\"Fill\":{FILL}}}")), "\"Ok\"");
    }
    assert!(node.node.begin_snapshot().expect("the journal works"));
    // Each puts an entry behind the last: applied twice it would put two.
    assert_eq!(send(&mut node, "{\"Fill\":1}"), "\"Ok\"");
    while !node.node.go_on_with_snapshot().expect("the journal works") {}
    assert_eq!(send(&mut node, "{\"Fill\":1}"), "\"Ok\"");
    drop(node);
    let mut node = world.open(journal, 0).expect("it opens");
    let get = |node: &mut TestNode, key: i64| send(node, &format!("{{\"Get\":{key}}}"));
    assert_eq!(get(&mut node, ENTRIES - 1), format!("{{\"Value\":{}}}", FILL - 1));
    assert_eq!(get(&mut node, ENTRIES), "{\"Value\":0}");
    assert_eq!(get(&mut node, ENTRIES + 1), "{\"Value\":0}");
    assert_eq!(get(&mut node, ENTRIES + 2), "{\"Value\":-1}");
}
