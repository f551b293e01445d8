//! What goes wrong in upgrades of OTP and no other test has: slow migrations, a second try, two upgrades at once, what
//! cannot begin. The numbers are those of `docs/otp-experiments.md`.

mod common;

use camshaft_agent::api::HistoryKind;
use camshaft_store::MemoryJournal;
use common::{COUNT, TestNode, World, make, refusal};

const NEW: &str = "machine count keyed Text
type State = { sum: Int }
type Input = Add(Int) | Get
type Output = Ok | Is(Int)
init = { sum: 0 }
on Add(n) => ({ sum: state.sum + n }, Ok)
on Get => (state, Is(state.sum))
";

const PLAIN: &str = "migration count from \"1.0.0\"
up (old) = { sum: old }
down (new) = new.sum
";

/// Goes on for a hundred times as long as a migration may, where the state is seven.
const SLOW: &str = "migration count from \"1.0.0\"
fn long(n: Int) -> Int {
  let all = [n].repeat(100_000)
  all.fold(0, (sum, x) -> all.fold(sum, (inner, y) -> inner + y))
}
up (old) = { sum: if old == 7 { long(0) } else { old } }
down (new) = new.sum
";

/// Fails where the state is seven.
const FAILS: &str = "migration count from \"1.0.0\"
up (old) = if old == 7 { fail \"seven\" } else { { sum: old } }
down (new) = new.sum
";

/// A node on 1.0.0 whose instances `a`, `b` have these states; 2.0.0 and 3.0.0 are both made for it.
fn node_with(migration: &str, states: [i64; 2]) -> TestNode {
    let one = make("1.0.0", &[("shop/count", COUNT)], None, &[]);
    let two = make("2.0.0", &[("shop/count", NEW)], Some(&one), &[("shop/count", migration)]);
    let three = make("3.0.0", &[("shop/count", NEW)], Some(&one), &[("shop/count", PLAIN)]);
    let world = World::of([one, two, three]);
    let mut node = world.open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    for (key, state) in ["a", "b"].into_iter().zip(states) {
        assert_eq!(node.send(&format!("shop/count/{key}"), &format!("{{\"Add\":{state}}}")), "\"Ok\"");
    }
    node
}

fn get(node: &mut TestNode, key: &str) -> String {
    node.send(&format!("shop/count/{key}"), "\"Get\"")
}

/// E5, E5b: how long a migration may take is bounded by what it costs, and found out when it is tried.
#[test]
fn a_migration_that_takes_too_long_is_refused_when_it_is_tried() {
    let mut node = node_with(SLOW, [1, 7]);
    let (code, detail) = refusal(node.upgrade("2.0.0"));
    assert_eq!((code.as_str(), detail.as_str()), ("trial-failed", "shop/count/b: up: out of fuel"));
    assert_eq!(node.running(), "1.0.0");
    assert_eq!((get(&mut node, "a").as_str(), get(&mut node, "b").as_str()), ("{\"Is\":1}", "{\"Is\":7}"));
}

/// E42: of two upgrades that were tried side by side one is made, and the other one is told why it is not.
#[test]
fn of_two_upgrades_at_once_one_is_made_and_the_other_refused() {
    let mut node = node_with(PLAIN, [1, 2]);
    let (two, three) = (node.release("2.0.0"), node.release("3.0.0"));
    let plan = node.node.plan_upgrade(&two).expect("a plan");
    let first = node.node.try_all(plan).expect("a trial");
    let plan = node.node.plan_upgrade(&three).expect("a plan");
    let second = node.node.try_all(plan).expect("a trial");
    node.node.upgrade(&node.asked(), first, b"2.0.0", &[]).expect("the first to come");
    let (code, detail) = refusal(node.node.upgrade(&node.asked(), second, b"3.0.0", &[]));
    let why = "another release was switched to while this one was tried";
    assert_eq!((code.as_str(), detail.as_str()), ("operation-runs", why));
    node.node.settle_check(&node.asked(), Ok(())).expect("it passes");
    assert_eq!(node.running(), "2.0.0");
    assert_eq!(get(&mut node, "b"), "{\"Is\":2}");
}

/// E2, E48: what was refused can be tried again, and in the end it is as if it had never been refused.
#[test]
fn a_refused_upgrade_leaves_nothing_that_a_next_try_meets() {
    let mut node = node_with(FAILS, [1, 7]);
    for _ in 0..2 {
        assert_eq!(refusal(node.upgrade("2.0.0")).0, "trial-failed");
    }
    node.send("shop/count/b", "{\"Add\":1}");
    node.upgrade("2.0.0").expect("no state is seven any more");
    assert_eq!((get(&mut node, "a").as_str(), get(&mut node, "b").as_str()), ("{\"Is\":1}", "{\"Is\":8}"));
    let told: Vec<HistoryKind> = node.node.history().entries.iter().map(|entry| entry.what).collect();
    let expected =
        [HistoryKind::Installed, HistoryKind::Refused, HistoryKind::Refused, HistoryKind::Upgraded];
    assert_eq!(told, expected);
}

/// E60, E61: a new application that cannot begin is not started all the same, and nothing falls with it.
#[test]
fn a_new_application_that_cannot_begin_takes_nobody_along() {
    let broken =
        COUNT.replace("machine count keyed Text", "machine broken").replace("init = 0", "init = 1 / (1 - 1)");
    let one = make("1.0.0", &[("shop/count", COUNT)], None, &[]);
    let two = make("2.0.0", &[("shop/count", COUNT), ("new/broken", &broken)], Some(&one), &[]);
    let mut node = World::of([one, two]).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.send("shop/count/a", "{\"Add\":3}");
    let trial = node.try_out("2.0.0").expect("a trial");
    let failure = &trial.failures[0];
    assert_eq!((trial.passed, failure.step.as_str()), (false, "start"));
    let told = refusal(node.upgrade("2.0.0"));
    let detail = "new/broken: start: division by zero".to_owned();
    assert_eq!(told, ("trial-failed".to_owned(), detail));
    assert_eq!(node.running(), "1.0.0");
    assert_eq!(get(&mut node, "a"), "{\"Is\":3}", "nobody else notices");
}
