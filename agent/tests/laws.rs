//! The laws of edges, on live states: what a trial finds that no generated state showed, and what a release sets aside.

mod common;

use camshaft_agent::api::{TryFailure, TryReport};
use camshaft_agent::node::{Holding, NodeError};
use camshaft_agent::replay::replay;
use camshaft_store::MemoryJournal;
use common::{Made, TestNode, World, make};

const COUNT: &str = "machine count keyed Text\n\
    type State = { n: Int }\n\
    type Input = Add { n: Int } | Get\n\
    type Output = Ok | Is(Int)\n\
    init = { n: 0 }\n\
    on Add { n } => ({ ..state, n: state.n + n }, Ok)\n\
    on Get => (state, Is(state.n))\n";

/// The newer machine, and a migration that is lossy for numbers above 5.
fn lossy() -> (Made, Made) {
    let one = make("1.0.0", &[("app/count", COUNT)], None, &[]);
    let newer = COUNT.replace("{ n: Int }\ntype Input", "{ n: Int, tag: Int = 0 }\ntype Input");
    let migration = "migration count from \"1.0.0\"\n\
        up (old) = if old.n > 5 { { n: old.n + 1, tag: 0 } } else { { n: old.n, tag: 0 } }\n\
        down (new) = { n: new.n }\n";
    let two = make("2.0.0", &[("app/count", &newer)], Some(&one), &[("app/count", migration)]);
    (one, two)
}

fn node(made: [&Made; 2], states: &[(&str, i64)]) -> TestNode {
    let mut node = World::of(made.map(Made::clone)).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    for (key, n) in states {
        assert_eq!(node.send(&format!("app/count/{key}"), &format!("{{\"Add\":{{\"n\":{n}}}}}")), "\"Ok\"");
    }
    node
}

fn steps(trial: &TryReport) -> Vec<(&str, &str, &str)> {
    fn told(failure: &TryFailure) -> (&str, &str, &str) {
        (&failure.instance, &failure.step, &failure.kind)
    }
    trial.failures.iter().map(told).collect()
}

#[test]
fn a_state_that_comes_down_and_up_again_as_another_fails_and_is_seen_again() {
    let (one, two) = lossy();
    // It comes back as it went; what the newer machine makes of it later does not.
    let mut node = node([&one, &two], &[("a", 3)]);
    let trial = node.try_out("2.0.0").expect("a trial");
    assert!(!trial.passed);
    assert_eq!(steps(&trial), [("app/count/a", "up-again", "differs")]);
    let failure = &trial.failures[0];
    assert!(failure.reason.starts_with("law L2: after {\"Add\":"), "{}", failure.reason);
    assert!(failure.reason.contains("the way down gives {\"n\":"), "{}", failure.reason);
    assert_eq!((trial.holds, trial.downgrade_lossy), (0, 0));
    let seen = replay(failure, &[one.opened(), two.opened()]).expect("it runs");
    assert!(seen.reproduces(failure) && seen.same_value, "{seen:?}");
    // The same states, the same inputs: who tries again is told the same.
    assert_eq!(node.try_out("2.0.0").expect("a trial").failures, trial.failures);
    assert!(
        matches!(node.upgrade("2.0.0"), Err(NodeError::Refused(problem)) if problem.code == "trial-failed")
    );
}

#[test]
fn a_law_that_the_release_sets_aside_fails_nothing_and_is_counted() {
    let (one, two) = lossy();
    let states = [("a", 3), ("b", 9)];
    let mut asked = node([&one, &two], &states);
    let trial = asked.try_out("2.0.0").expect("a trial");
    assert_eq!(
        steps(&trial),
        [("app/count/a", "up-again", "differs"), ("app/count/b", "round-trip", "differs")]
    );
    let of_back = two.clone().waiving("app", "L1");
    let trial = node([&one, &of_back], &states).try_out("2.0.0").expect("a trial");
    assert_eq!(steps(&trial), [("app/count/a", "up-again", "differs")], "the other law holds as before");
    assert_eq!((trial.passed, trial.downgrade_lossy), (false, 1));
    let of_both = of_back.waiving("app", "L2");
    let mut node = node([&one, &of_both], &states);
    let trial = node.try_out("2.0.0").expect("a trial");
    assert_eq!((trial.passed, trial.downgrade_lossy, steps(&trial)), (true, 1, vec![]));
    node.upgrade("2.0.0").expect("upgrade");
    assert_eq!(node.send("app/count/b", "\"Get\""), "{\"Is\":10}");
    // Nothing was written since: it comes back as it was all the same.
    node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(node.send("app/count/b", "\"Get\""), "{\"Is\":9}");
}
