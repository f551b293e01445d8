//! Instances go over a switch when they are used, and when that cannot be the node goes back.

mod common;

use camshaft_agent::api::{HistoryKind, InstanceState, ReleaseState};
use camshaft_agent::node::Holding;
use camshaft_cam::digest::Digest;
use camshaft_manifests::MachineAddress;
use camshaft_manifests::transition::Transition;
use camshaft_store::{
    Chunk, Class, Control, Direction, Journal as _, MemoryJournal, Probation, Record, Stamp,
};
use common::{TestNode, World, make, make_said, refusal};

const OLD: &str = "machine count keyed Text\n\
    type State = Int\n\
    type Input = Add(Int) | Get\n\
    type Output = Ok | Is(Int)\n\
    init = 0\n\
    on Add(n) => (state + n, Ok)\n\
    on Get => (state, Is(state))\n";

const NEW: &str = "machine count keyed Text\n\
    type State = { sum: Int }\n\
    type Input = Add(Int) | Get\n\
    type Output = Ok | Is(Int)\n\
    init = { sum: 0 }\n\
    on Add(n) => ({ sum: state.sum + n }, Ok)\n\
    on Get => (state, Is(state.sum))\n";

const MIGRATION: &str = "migration count from \"1.0.0\"\n\
    up (old) = if old == 7 { fail \"seven\" } else { { sum: old } }\n\
    down (new) = new.sum\n";

fn world() -> World {
    let one = make("1.0.0", &[("shop/count", OLD)], None, &[]);
    let two = make("2.0.0", &[("shop/count", NEW)], Some(&one), &[("shop/count", MIGRATION)]);
    World::of([one, two])
}

/// A node whose instances have these states, by the letters from `a` on.
fn node_with(journal: &MemoryJournal, states: &[i64]) -> TestNode {
    let mut node = world().open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    for (key, state) in ('a'..).zip(states) {
        assert_eq!(node.send(&format!("shop/count/{key}"), &format!("{{\"Add\":{state}}}")), "\"Ok\"");
    }
    node
}

fn behind(node: &mut TestNode) -> u64 {
    node.status().counts.behind
}

#[test]
fn a_switch_touches_nobody_and_a_use_only_whom_it_uses() {
    let journal = MemoryJournal::default();
    let mut node = node_with(&journal, &[1, 2, 3]);
    assert_eq!(behind(&mut node), 0);
    node.upgrade("2.0.0").expect("upgrade");
    assert_eq!(behind(&mut node), 3);
    let records = journal.records().expect("records").len();
    assert_eq!(node.send("shop/count/a", "\"Get\""), "{\"Is\":1}");
    assert_eq!(behind(&mut node), 2);
    assert_eq!(journal.records().expect("records").len(), records, "who looks changes nothing");
    assert_eq!(node.send("shop/count/b", "{\"Add\":5}"), "\"Ok\"");
    assert_eq!(behind(&mut node), 1);

    // A start takes over what the records take over, and a snapshot keeps everyone where it is.
    for _ in 0..2 {
        drop(node);
        node = world().open(journal.clone(), 0).expect("open");
        assert_eq!(behind(&mut node), 2);
        node.node.save_snapshot().expect("a snapshot");
    }

    let counts = node.rollback(Holding::Refuse).expect("rollback").rollback.expect("counts");
    assert_eq!((counts.untouched, counts.before_image, counts.down, counts.held), (2, 0, 1, 0));
    for (key, is) in [("a", 1), ("b", 7), ("c", 3)] {
        assert_eq!(node.send(&format!("shop/count/{key}"), "\"Get\""), format!("{{\"Is\":{is}}}"), "{key}");
    }
}

#[test]
fn once_a_release_is_permanent_the_sweeper_takes_the_rest_over_and_says_so() {
    let journal = MemoryJournal::default();
    let mut node = node_with(&journal, &[1, 2, 3]);
    node.upgrade("2.0.0").expect("upgrade");
    node.settle();
    assert_eq!(behind(&mut node), 3, "nothing is swept while the release is provisional");
    node.node.make_permanent(&node.asked()).expect("permanent");
    node.node.run(0).expect("run");
    assert_eq!(behind(&mut node), 0);
    let swept = |record: &Record| matches!(record, Record::Control(Control::Swept { switch: 2 }));
    assert_eq!(journal.records().expect("records").iter().filter(|record| swept(record)).count(), 1);
    drop(node);
    let mut node = world().open(journal, 0).expect("open");
    assert_eq!(behind(&mut node), 0, "the record says that all have gone over");
    let counts = node.rollback(Holding::Refuse).expect("rollback").rollback.expect("counts");
    assert_eq!((counts.untouched, counts.before_image, counts.down), (0, 0, 3));
    assert_eq!(node.send("shop/count/c", "\"Get\""), "{\"Is\":3}");
}

#[test]
fn one_failing_instance_refuses_an_upgrade_unless_it_may_be_held() {
    let journal = MemoryJournal::default();
    let mut node = node_with(&journal, &[1, 7, 7]);
    let (code, detail) = refusal(node.upgrade("2.0.0"));
    assert_eq!(code, "trial-failed");
    assert_eq!(detail, "shop/count/b: up: failed: seven (and 1 more)");
    // One too many.
    let release = world().release("2.0.0");
    for (most, passes) in [(1, false), (2, true)] {
        let plan = node.node.plan_upgrade(&release).expect("a plan");
        let mut trial = node.node.try_all(plan).expect("a trial");
        trial.allow_holding(most);
        assert_eq!((trial.report().passed, trial.report().holds), (passes, 2));
        let upgraded = node.node.upgrade(&node.asked(), trial, b"2.0.0", &[]);
        assert_eq!(upgraded.is_ok(), passes, "{most}");
    }
    node.node.settle_check(&node.asked(), Ok(())).expect("it passes");
    assert!(node.send("shop/count/b", "\"Get\"").starts_with("refused: shop/count/b is held: failed: seven"));
    assert_eq!(node.send("shop/count/a", "\"Get\""), "{\"Is\":1}");
    node.settle();
    assert_eq!((node.running().as_str(), node.status().counts.held), ("2.0.0", 1));
    let why = node.node.history().entries.pop().expect("an entry").why;
    assert_eq!(why, "up to 2 instances may be held");
    // It is held before it is used, too: that is what will be.
    let listed = node.instances(None, 9).instances;
    let held: Vec<_> = listed.iter().filter(|one| one.state == InstanceState::Held).collect();
    assert_eq!(held.len(), 2);
    let found = node.node.held_instances(None, 9).expect("a list").page();
    assert_eq!(found.instances.len(), 2);
    node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(node.send("shop/count/b", "\"Get\""), "{\"Is\":7}");
}

/// A journal in which the second release was switched to, while a state is there that cannot go over: what a trial lets
/// pass can still fail, when the instance changes in the very moment of the switch. The record is written by
/// hand, so that nothing was tried.
fn switched_untried(probation: Option<Probation>) -> MemoryJournal {
    let journal = MemoryJournal::default();
    drop(node_with(&journal, &[1, 7, 3]));
    let (one, two) = (world().release("1.0.0"), world().release("2.0.0"));
    let (relup, _) = two.relups.first().expect("a way");
    let mut switched = journal.clone();
    camshaft_store::Journal::put_blob(&mut switched, b"2.0.0").expect("memory");
    let stamp = Stamp { at_ms: 0, who: "test".to_owned() };
    let mut chunk = Chunk::new(u16::MAX, u64::MAX);
    let switch = Control::Switch {
        stamp,
        number: 2,
        from: one.entry.clone(),
        to: two.entry.clone(),
        direction: Direction::Up,
        relup: *relup,
    };
    let probation = probation.map(Control::Probation);
    for control in probation.into_iter().chain([switch, Control::CheckPassed { switch: 2 }]) {
        chunk.push(&Record::Control(control).to_bytes());
    }
    switched.append(&[chunk], Class::Control).expect("memory");
    journal
}

#[test]
fn an_instance_that_cannot_go_over_makes_a_provisional_node_go_back() {
    let one = world().release("1.0.0");
    let journal = switched_untried(None);
    let mut node = world().open(journal, 0).expect("open");
    assert_eq!(node.running(), "2.0.0");
    assert_eq!(node.send("shop/count/a", "{\"Add\":10}"), "\"Ok\"");
    assert_eq!(node.status().state, Some(ReleaseState::Provisional));
    // It is held at its touch, and the node goes back: nothing of it, and nothing of the others, is lost.
    assert!(node.send("shop/count/b", "{\"Add\":1}").starts_with("refused: shop/count/b is held"));
    node.settle();
    assert_eq!(node.running(), "1.0.0");
    let undone = node.node.history().entries.into_iter().find(|entry| entry.what == HistoryKind::Undone);
    assert_eq!(undone.expect("it is told").why, "shop/count/b: up: failed: seven");
    for (key, is) in [("a", 11), ("b", 7), ("c", 3)] {
        assert_eq!(node.send(&format!("shop/count/{key}"), "\"Get\""), format!("{{\"Is\":{is}}}"), "{key}");
    }
    let digest: Digest = one.entry.digest;
    assert_eq!(node.status().running.expect("a release").digest, digest);
}

#[test]
fn where_operators_go_back_a_failed_instance_is_held_and_the_release_stays() {
    let probation = Probation {
        switch: 2,
        until_ms: 60_000,
        auto_permanent: false,
        auto_return: false,
        traps: 10,
        rise: 1,
        ends: 3,
        before: vec![],
    };
    let mut node = world().open(switched_untried(Some(probation)), 0).expect("open");
    assert!(node.send("shop/count/b", "{\"Add\":1}").starts_with("refused: shop/count/b is held"));
    node.settle();
    let status = node.status();
    assert_eq!((node.running().as_str(), status.counts.held), ("2.0.0", 1));
    assert_eq!(status.state, Some(ReleaseState::Provisional));
    node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(node.send("shop/count/b", "\"Get\""), "{\"Is\":7}");
}

/// A machine with a state that takes a while to go over, in two versions.
fn books() -> (String, String) {
    let old = "machine book keyed Text\n\
               type State = { m: Map(Int, { value: Int = 0 }) }\n\
               type Input = Fill { to: Int } | Size\n\
               type Output = Ok | Size(Int)\n\
               init = { m: [:] }\n\
               on Fill { to } => ({ m: 1.to(to).fold(state.m, (m, k) -> m.put(k, { value: k })) }, Ok)\n\
               on Size => (state, Size(state.m.len()))\n";
    let new = old.replace("value: Int = 0 }", "value: Int = 0, more: Int = 0 }");
    let new = new.replace("{ value: k }", "{ value: k, more: 0 }");
    (old.to_owned(), new)
}

/// A state that takes longer than inputs may wait is named, and nothing is switched.
#[test]
fn an_instance_that_takes_too_long_to_go_over_refuses_the_upgrade() {
    let (old, new) = books();
    let one = make("1.0.0", &[("shop/book", &old)], None, &[]);
    let two = make("2.0.0", &[("shop/book", &new)], Some(&one), &[]);
    let mut node = World::of([one, two]).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    assert_eq!(node.send("shop/book/large", "{\"Fill\":{\"to\":500}}"), "\"Ok\"");
    let release = node.release("2.0.0");
    for (max_us, passes) in [(0, false), (u64::MAX, true)] {
        let plan = node.node.plan_upgrade(&release).expect("a plan");
        let mut trial = node.node.begin_trial(plan).expect("it begins");
        trial.limit_pause(Some(max_us));
        for _ in 0..2 {
            // The second is another one of the same plan, and as strict.
            let refused = node.node.upgrade(&node.asked(), trial, b"2.0.0", &[]);
            assert_eq!(refused.is_ok(), passes, "{max_us}");
            if passes {
                break;
            }
            let (code, detail) = refusal(refused);
            assert_eq!(code, "trial-failed");
            assert!(detail.starts_with("shop/book/large: pause: it takes "), "{detail}");
            assert!(
                detail.ends_with(" ms to go over, and its inputs may wait 0 ms for an upgrade"),
                "{detail}"
            );
            let plan = node.node.plan_upgrade(&release).expect("a plan");
            trial = node.node.begin_trial(plan).expect("it begins");
            trial.limit_pause(Some(max_us));
            node.node.end_trial().expect("it ends");
        }
    }
    assert_eq!(node.running(), "2.0.0");
}

/// The failure names the code that the state is in, also where the machine has another name after the switch.
#[test]
fn an_instance_that_takes_too_long_is_told_with_the_code_from_before_a_rename() {
    let (old, new) = books();
    let one = make("1.0.0", &[("shop/book", &old)], None, &[]);
    let machine = |address: &str| -> MachineAddress { address.parse().expect("an address") };
    let said = Transition {
        renamed_machines: [(machine("shop/ledger"), machine("shop/book"))].into(),
        ..Transition::default()
    };
    let new = new.replace("machine book", "machine ledger");
    let two = make_said("2.0.0", &[("shop/ledger", &new)], Some(&one), &[], said);
    let mut node = World::of([one, two]).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    assert_eq!(node.send("shop/book/large", "{\"Fill\":{\"to\":500}}"), "\"Ok\"");
    let plan = node.node.plan_upgrade(&node.release("2.0.0")).expect("a plan");
    let mut trial = node.node.begin_trial(plan).expect("it begins");
    trial.limit_pause(Some(0));
    node.node.copies().expect("the node is here").into_iter().for_each(|copies| trial.add(copies));
    let report = trial.report();
    let [failure] = &report.failures[..] else { panic!("{report:?}") };
    assert_eq!((failure.instance.as_str(), failure.kind.as_str()), ("shop/ledger/large", "max-pause"));
    let code = |version: &str| node.release(version).machines().next().expect("a machine").digest();
    assert_eq!((failure.capsule.from, failure.capsule.to), (code("1.0.0"), code("2.0.0")));
}

/// A message of a kind that only the newest release knows waits while the node goes back, is parked, and then put away with
/// its receiver. Whoever brings both back again delivers it, although nobody uses the receiver.
#[test]
fn what_was_parked_and_put_away_is_delivered_when_the_release_comes_back_that_knows_it() {
    let ear = "machine ear keyed Text\ntype State = Int\ntype Input = Tell | Read\ntype Output = Ok | Is(Int)\n\
               init = 0\non Tell => (state + 1, Ok)\non Read => (state, Is(state))\n";
    let louder = ear.replace("Tell |", "Tell | Shout |") + "on Shout => (state + 10, Ok)\n";
    let fan = "machine fan\ntype Message = | Tell\ntype State = Int\ntype Input = | Say\ntype Output = | Ok\n\
               channel ears = news/ear(Message)\ninit = 0\non Say {\n  send ears[\"k\"] Tell\n  (state, Ok)\n}\n";
    let shouts = fan.replace("Message = | Tell", "Message = Tell | Shout").replace("] Tell", "] Shout");
    let one = make("1.0.0", &[("shop/count", OLD)], None, &[]);
    let machines = [("shop/count", OLD), ("news/fan", fan), ("news/ear", ear)];
    let two = make("2.0.0", &machines, Some(&one), &[]);
    let machines = [("shop/count", OLD), ("news/fan", &shouts), ("news/ear", &louder)];
    let three = make("3.0.0", &machines, Some(&two), &[]);
    let world = World::of([one, two, three]);
    let permanent = |node: &mut TestNode| drop(node.node.make_permanent(&node.asked()).expect("it stays"));
    for restarts in [false, true] {
        let journal = MemoryJournal::default();
        let mut node = world.open(journal.clone(), 0).expect("open");
        node.install("1.0.0").expect("install");
        node.upgrade("2.0.0").expect("upgrade");
        permanent(&mut node);
        node.upgrade("3.0.0").expect("upgrade");
        node.post("news/fan", "\"Say\"", None);
        node.rollback(Holding::Refuse).expect("rollback");
        node.settle();
        assert_eq!(node.send("news/ear/k", "\"Read\""), "{\"Is\":0}", "it is parked");
        node.rollback(Holding::Refuse).expect("rollback");
        if restarts {
            drop(node);
            node = world.open(journal.clone(), 0).expect("open");
        }
        node.upgrade("2.0.0").expect("upgrade");
        permanent(&mut node);
        node.upgrade("3.0.0").expect("upgrade");
        assert!(node.node.has_work(), "it waits, and nobody asks for its receiver");
        node.settle();
        assert_eq!(node.send("news/ear/k", "\"Read\""), "{\"Is\":10}");
    }
}

/// That it is held was allowed, and a start that replays the journal finds it out once more.
#[test]
fn who_an_earlier_way_back_held_does_not_speak_against_a_later_upgrade() {
    let migration = "migration count from \"1.0.0\"\n\
        up (old) = { sum: old }\n\
        down (new) = if new.sum > 5 { fail \"too large\" } else { new.sum }\n";
    let one = make("1.0.0", &[("shop/count", OLD)], None, &[]);
    let two = make("2.0.0", &[("shop/count", NEW)], Some(&one), &[("shop/count", migration)]);
    let (world, journal) = (World::of([one, two]), MemoryJournal::default());
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.upgrade("2.0.0").expect("upgrade");
    let asked = node.asked();
    node.node.make_permanent(&asked).expect("it is provisional");
    assert_eq!(node.send("shop/count/a", "{\"Add\":9}"), "\"Ok\"");
    node.rollback(Holding::Hold).expect("it may be held");
    node.settle();
    assert_eq!(node.status().counts.held, 1);
    node.upgrade("2.0.0").expect("upgrade");
    for _ in 0..2 {
        node.settle();
        assert_eq!(node.running(), "2.0.0");
        assert_eq!(node.send("shop/count/a", "\"Get\""), "{\"Is\":9}");
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
    }
}
