//! A release on probation: the node goes back by itself when it traps more often than the one before, when the agent
//! ends again and again, and for nothing else; and it becomes permanent when it is time.

mod common;

use camshaft_agent::api::{HistoryEntry, HistoryKind, ReleaseState};
use camshaft_agent::node::{Holding, Policy};
use camshaft_manifests::agent::By;
use camshaft_manifests::duration::Millis;
use camshaft_store::MemoryJournal;
use common::{TestNode, World, make};

const OLD: &str = "machine till keyed Text
type State = Int
type Input = Add { n: Int } | Halve { by: Int } | Refuse | Get
type Output = Ok | Is(Int)
init = 0
on Add { n } => (state + n, Ok)
on Halve { by } => (state / by, Ok)
on Refuse => (state, Ok)
on Get => (state, Is(state))
";

const MINUTE: i64 = 60_000;
const ADD: &str = "{\"Add\":{\"n\":1}}";
const BY_ZERO: &str = "{\"Halve\":{\"by\":0}}";

/// The second release traps at what the first took, and refuses what it took.
fn new() -> String {
    OLD.replace("(state + n, Ok)", "(state + n / (n - 1), Ok)")
        .replace("on Refuse => (state, Ok)", "on Refuse => fail \"no\"")
}

fn world() -> World {
    let one = make("1.0.0", &[("shop/till", OLD)], None, &[]);
    let two = make("2.0.0", &[("shop/till", &new())], Some(&one), &[]);
    World::of([one, two])
}

fn usual() -> Policy {
    Policy::default()
}

/// A node that served the first release for a while.
fn served(world: &World, journal: &MemoryJournal) -> TestNode {
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    for index in 0..30 {
        let key = index % 3;
        assert_eq!(send(&mut node, key, ADD), "\"Ok\"");
        assert_eq!(send(&mut node, key, "\"Refuse\""), "\"Ok\"");
        assert!(send(&mut node, key, BY_ZERO).starts_with("trap division_by_zero"));
    }
    node
}

/// The same, upgraded.
fn upgraded(world: &World, journal: &MemoryJournal, policy: Policy) -> TestNode {
    let mut node = served(world, journal);
    node.node.set_probation(Some(policy));
    node.upgrade("2.0.0").expect("upgrade");
    node
}

fn send(node: &mut TestNode, key: u32, json: &str) -> String {
    node.send(&format!("shop/till/{key}"), json)
}

fn trap(node: &mut TestNode, times: u32) {
    for _ in 0..times {
        send(node, 1, ADD);
    }
}

fn last(node: &TestNode) -> HistoryEntry {
    node.node.history().entries.last().expect("something was done").clone()
}

#[test]
fn a_release_that_traps_at_what_the_one_before_took_is_left_and_later_writes_stay() {
    let (world, journal) = (world(), MemoryJournal::default());
    let mut node = upgraded(&world, &journal, usual());
    assert_eq!(send(&mut node, 0, "{\"Add\":{\"n\":2}}"), "\"Ok\"");
    trap(&mut node, 9);
    assert_eq!(node.running(), "2.0.0", "that may be one client that tries again and again");
    let on = node.status().probation.expect("it is on probation");
    assert_eq!((on.until_ms, on.auto_permanent, on.auto_return, on.ends), (10 * MINUTE, false, true, 0));
    assert_eq!(on.cases.len(), 1, "{:?}", on.cases);
    let add = &on.cases[0];
    assert_eq!((add.machine.as_str(), add.case.as_str()), ("shop/till", "Add"));
    assert_eq!((add.before.inputs, add.before.trapped, add.since.inputs, add.since.trapped), (30, 0, 10, 9));
    trap(&mut node, 1);
    assert_eq!(node.running(), "1.0.0");
    let entry = last(&node);
    assert_eq!(
        (entry.what, entry.code.as_str(), entry.who.as_str()),
        (HistoryKind::Undone, "probation-traps", "agent")
    );
    let why = "shop/till traps at Add more often: 10 of 11 inputs since the switch, 0 of 30 inputs before";
    assert_eq!(entry.why, why);
    for _ in 0..2 {
        assert_eq!((node.running().as_str(), node.status().probation), ("1.0.0", None));
        assert_eq!(
            send(&mut node, 0, "\"Get\""),
            "{\"Is\":12}",
            "10 from before, and 2 from the release that was left"
        );
        assert_eq!(send(&mut node, 3, ADD), "\"Ok\"");
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
    }
}

#[test]
fn what_trapped_before_and_what_is_refused_does_not_count() {
    let mut node = upgraded(&world(), &MemoryJournal::default(), usual());
    for index in 0..200 {
        let key = index % 3;
        assert!(send(&mut node, key, BY_ZERO).starts_with("trap division_by_zero"));
        assert!(send(&mut node, key, "\"Refuse\"").starts_with("trap fail"));
    }
    assert_eq!(node.running(), "2.0.0");
    assert_eq!(node.status().probation.expect("it goes on").cases, []);
}

#[test]
fn without_a_policy_nothing_is_looked_at() {
    let mut node = served(&world(), &MemoryJournal::default());
    node.upgrade("2.0.0").expect("upgrade");
    trap(&mut node, 100);
    assert_eq!((node.running().as_str(), node.status().probation), ("2.0.0", None));
}

#[test]
fn an_operator_who_goes_back_is_told_why() {
    let policy = Policy { goes_back: By::Operator, permanent: By::Itself, ..usual() };
    let mut node = upgraded(&world(), &MemoryJournal::default(), policy);
    trap(&mut node, 50);
    node.advance(20 * MINUTE);
    let status = node.status();
    assert_eq!((node.running().as_str(), status.state), ("2.0.0", Some(ReleaseState::Provisional)));
    let why = status.probation.expect("it is on probation").why.expect("there is a reason");
    assert_eq!(
        why,
        "shop/till traps at Add more often: 50 of 50 inputs since the switch, 0 of 30 inputs before"
    );
    node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(node.running(), "1.0.0");
}

#[test]
fn it_becomes_permanent_when_its_time_is_over_if_that_was_said() {
    let policy = Policy { permanent: By::Itself, time: Millis(5000), ..usual() };
    let mut node = upgraded(&world(), &MemoryJournal::default(), policy);
    node.advance(4999);
    assert_eq!(node.status().state, Some(ReleaseState::Provisional));
    node.advance(1);
    assert_eq!(node.status().state, Some(ReleaseState::Permanent));
    let entry = last(&node);
    let told = (entry.what, entry.who.as_str(), entry.why.as_str());
    assert_eq!(told, (HistoryKind::MadePermanent, "agent", "it passed its probation"));
    trap(&mut node, 100);
    assert_eq!((node.running().as_str(), node.status().probation), ("2.0.0", None));
}

#[test]
fn otherwise_an_operator_decides_when_its_time_is_over() {
    let mut node = upgraded(&world(), &MemoryJournal::default(), usual());
    node.advance(10 * MINUTE);
    trap(&mut node, 100);
    let status = node.status();
    assert_eq!((node.running().as_str(), status.state), ("2.0.0", Some(ReleaseState::Provisional)));
    assert_eq!(status.probation.map(|on| (on.left_ms, on.why)), Some((0, None)));
    let asked = node.asked();
    node.node.make_permanent(&asked).expect("it is provisional");
    assert_eq!((last(&node).who.as_str(), last(&node).why.as_str()), ("test", ""));
}

#[test]
fn a_restart_goes_on_with_the_time_and_the_rates_that_were_left() {
    let (world, journal) = (world(), MemoryJournal::default());
    let mut node = upgraded(&world, &journal, Policy { permanent: By::Itself, ..usual() });
    node.advance(4 * MINUTE);
    node.node.stop(node.now_ms).expect("it stops");
    drop(node);
    // Whatever the agent is configured with now.
    for start in 1..=5 {
        let mut node = world.open(journal.clone(), 100 * start * MINUTE).expect("open");
        let on = node.status().probation.expect("it goes on");
        assert_eq!((on.left_ms, on.ends), (6 * MINUTE as u64, 0), "start {start}");
        node.node.stop(100 * start * MINUTE).expect("it stops");
    }
    let mut node = world.open(journal.clone(), 1000 * MINUTE).expect("open");
    trap(&mut node, 30);
    assert_eq!((node.running().as_str(), last(&node).code.as_str()), ("1.0.0", "probation-traps"));
}

#[test]
fn three_ends_that_nobody_asked_for_return_at_the_next_start() {
    let (world, journal) = (world(), MemoryJournal::default());
    drop(upgraded(&world, &journal, usual()));
    for ends in 1..=2 {
        let mut node = world.open(journal.clone(), 0).expect("open");
        assert_eq!(node.status().probation.map(|on| on.ends), Some(ends));
        // One in order between them changes nothing.
        node.node.stop(0).expect("it stops");
        drop(node);
        drop(world.open(journal.clone(), 0).expect("open"));
    }
    let mut node = world.open(journal.clone(), 0).expect("open");
    assert_eq!((node.running().as_str(), last(&node).code.as_str()), ("1.0.0", "probation-ends"));
    assert_eq!(last(&node).why, "the agent ended 3 times since the switch and was not told to");
    assert_eq!(send(&mut node, 0, ADD), "\"Ok\"");
    // What was counted is of that switch alone.
    node.node.set_probation(Some(usual()));
    node.upgrade("2.0.0").expect("upgrade");
    drop(node);
    let mut node = world.open(journal.clone(), 0).expect("open");
    assert_eq!(node.status().probation.map(|on| on.ends), Some(1));
    let asked = node.asked();
    node.node.make_permanent(&asked).expect("it is provisional");
    drop(node);
    assert_eq!(
        camshaft_store::Journal::notes(&journal).expect("memory"),
        b"",
        "nothing is noted of a release that is permanent"
    );
}
