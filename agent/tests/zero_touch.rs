//! An upgrade that leaves states as they are touches none: what is in memory and its digest stay.

mod common;

use camshaft_agent::node::Holding;
use camshaft_cam::digest::Digest;
use camshaft_store::MemoryJournal;
use common::{TestNode, World, make};

const OLD: &str = "machine count keyed Text\n\
    type Kind = Even | Odd\n\
    type State = { n: Int(0..=9), kind: Kind = Even }\n\
    type Input = Add { n: Int(0..=9) } | Get\n\
    type Output = Ok | Is(Int)\n\
    init = { n: 0 }\n\
    on Add { n } => ({ n, kind: if n % 2 == 0 { Even } else { Odd } }, Ok)\n\
    on Get => (state, Is(state.n))\n";

/// With a wider range, and a case more.
fn wider(invariant: &str) -> String {
    let new = OLD.replace("Kind = Even | Odd", "Kind = Even | Odd | Other");
    let new = new.replace("State = { n: Int(0..=9)", "State = { n: Int(0..=99)");
    new.replace("init", &format!("{invariant}init"))
}

fn world(new: &str, migration: &str) -> World {
    let one = make("1.0.0", &[("shop/count", OLD)], None, &[]);
    let text = format!("migration count from \"1.0.0\"\n{migration}");
    let written = [("shop/count", text.as_str())];
    let written: &[_] = if migration.is_empty() { &[] } else { &written };
    let two = make("2.0.0", &[("shop/count", new)], Some(&one), written);
    World::of([one, two])
}

/// The digest of an instance's state.
fn digest(node: &mut TestNode, key: &str) -> Digest {
    let all = node.instances(None, 100).instances;
    let found = all.iter().find(|instance| instance.address == format!("shop/count/{key}"));
    found.expect("the instance is there").state_digest
}

#[test]
fn states_that_stay_as_they_are_keep_their_digest_and_come_back() {
    let journal = MemoryJournal::default();
    let mut node = world(&wider(""), "").open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    for (key, n) in [("a", 3), ("b", 4)] {
        node.send(&format!("shop/count/{key}"), &format!("{{\"Add\":{{\"n\":{n}}}}}"));
    }
    let before = ["a", "b"].map(|key| digest(&mut node, key));
    let trial = node.try_out("2.0.0").expect("a trial");
    assert!(trial.passed, "{:?}", trial.failures);
    let machine = &trial.machines[0];
    assert_eq!((machine.states, machine.untouched), (2, 2));
    assert_eq!((trial.downgrade_lossy, machine.bytes_before), (0, machine.bytes_after));
    node.upgrade("2.0.0").expect("upgrade");
    assert_eq!(["a", "b"].map(|key| digest(&mut node, key)), before);
    // Once from the journal, once from a snapshot.
    for _ in 0..2 {
        drop(node);
        node = world(&wider(""), "").open(journal.clone(), 0).expect("open");
        assert_eq!(node.running(), "2.0.0");
        assert_eq!(["a", "b"].map(|key| digest(&mut node, key)), before);
        node.node.save_snapshot().expect("snapshot");
    }
    assert_eq!(node.send("shop/count/a", "\"Get\""), "{\"Is\":3}");
    node.send("shop/count/b", "{\"Add\":{\"n\":5}}");
    let counts = node.rollback(Holding::Refuse).expect("rollback").rollback.expect("counts");
    assert_eq!(counts.held, 0);
    assert_eq!(digest(&mut node, "a"), before[0]);
    assert_eq!(node.send("shop/count/b", "\"Get\""), "{\"Is\":5}");
}

#[test]
fn a_new_invariant_is_checked_of_states_that_stay() {
    for (least, passes) in [(3, true), (4, false)] {
        let new = wider(&format!("invariant \"large\" = state.n == 0 || state.n >= {least}\n"));
        let mut node = world(&new, "").open(MemoryJournal::default(), 0).expect("open");
        node.install("1.0.0").expect("install");
        node.send("shop/count/a", "{\"Add\":{\"n\":3}}");
        let trial = node.try_out("2.0.0").expect("a trial");
        assert_eq!(trial.passed, passes, "{:?}", trial.failures);
        if !passes {
            assert_eq!(trial.failures[0].step, "invariant");
            assert_eq!((trial.machines[0].states, trial.machines[0].untouched), (1, 0));
        }
    }
}

#[test]
fn what_a_migration_writes_is_run() {
    let migration = "up (old) = { n: old.n, kind: Even }\ndown (new) = { n: 3, kind: Odd }\n";
    let new = OLD.replace("Kind = Even | Odd", "Kind = Even | Odd | Other");
    let mut node = world(&new, migration).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.send("shop/count/a", "{\"Add\":{\"n\":3}}");
    let before = digest(&mut node, "a");
    let trial = node.try_out("2.0.0").expect("a trial");
    assert_eq!((trial.machines[0].states, trial.machines[0].untouched), (1, 0));
    node.upgrade("2.0.0").expect("upgrade");
    assert_ne!(digest(&mut node, "a"), before, "it is even now");
}
