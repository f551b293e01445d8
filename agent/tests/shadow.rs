//! The last inputs of instances through two releases: what is recorded, and what is told of it.

mod common;

use camshaft_agent::api::{ShadowReport, TryReport};
use camshaft_agent::engine::shadow;
use camshaft_agent::node::Holding;
use camshaft_cam::testing::choices::Choices;
use camshaft_cam::testing::program::Program;
use camshaft_store::{MemoryJournal, Redrive};
use common::{Made, TestNode, World, make};

const TILL: &str = "machine till keyed Text
type State = { sum: Int, pin: secret Int = 7 }
type Input = Add { n: Int } | Half | Later | Bye | internal Tick | Get
type Output = Ok | Is(Int)
init = { sum: 0, pin: 7 }
on Add { n } => ({ ..state, sum: state.sum + n }, Ok)
on Half => ({ ..state, sum: state.sum / 2 }, Ok)
on Later {
  timer \"tick\" after 1s => Tick
  (state, Ok)
}
on Bye {
  stop
  (state, Ok)
}
on Tick => { ..state, sum: state.sum + 100 }
on Get => (state, Is(state.sum))
";

fn shop(second: &str) -> (Made, Made) {
    let first = make("1.0.0", &[("shop/till", TILL)], None, &[]);
    let second = make("2.0.0", &[("shop/till", second)], Some(&first), &[]);
    (first, second)
}

fn node(first: &Made, second: &Made) -> TestNode {
    let mut node =
        World::of([first.clone(), second.clone()]).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node
}

fn shadowed(node: &mut TestNode, most: usize) -> ShadowReport {
    let plan = node.node.plan_upgrade(&node.release("2.0.0")).expect("a plan");
    let tapes = node.node.recorded().expect("the node is there").expect("it records");
    shadow(&plan, &tapes, most)
}

/// Returns the cases in a line each: how many inputs there were, and what differs.
fn differ(report: &ShadowReport) -> Vec<String> {
    let mut found: Vec<String> =
        report.cases.iter().map(|case| format!("{} {} {:?}", case.case, case.inputs, case.differ)).collect();
    found.sort();
    found
}

#[test]
fn every_kind_of_difference_is_told_where_it_arises() {
    let second = TILL
        .replace("pin: secret Int = 7", "pin: secret Int = 7, seen: Int = 0")
        .replace("pin: 7 }", "pin: 7, seen: 0 }")
        .replace("sum: state.sum + n }, Ok)", "sum: state.sum + n + n / 10 }, Ok)")
        .replace("sum: state.sum / 2 }", "sum: state.sum / (state.sum - 3) }")
        .replace("after 1s", "after 2s")
        .replace("Is(state.sum))", "Is(state.sum + 1))");
    let (first, second) = shop(&second);
    let mut node = node(&first, &second);
    for input in ["{\"Add\":{\"n\":3}}", "\"Later\"", "\"Get\"", "\"Half\""] {
        assert!(!node.send("shop/till/a", input).starts_with("trap"));
    }
    node.advance(1_000);
    let report = shadowed(&mut node, 100);
    assert_eq!(
        (report.instances, report.inputs, report.same, report.not_reproducible),
        (1, 5, 2, 0),
        "{report:?}"
    );
    let expected =
        ["Add 1 {}", "Get 1 {\"answer\": 1}", "Half 1 {\"end\": 1}", "Later 1 {\"effects\": 1}", "Tick 1 {}"];
    assert_eq!(differ(&report), expected, "a difference is not carried on into the steps after it");
    let told: Vec<_> = report
        .examples
        .iter()
        .map(|example| (example.what.as_str(), example.old.as_str(), example.new.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("effects", "timer tick after 1000 ms: \"Tick\"", "timer tick after 2000 ms: \"Tick\""),
            ("answer", "{\"Is\":3}", "{\"Is\":4}"),
            ("end", "it is applied: \"Ok\"", "division_by_zero: division by zero"),
        ]
    );
    assert_eq!(report.examples[2].state.as_deref(), Some("{\"sum\":3,\"pin\":\"[secret]\"}"));
    assert_eq!(node.send("shop/till/a", "{\"Add\":{\"n\":30}}"), "\"Ok\"");
    let report = shadowed(&mut node, 100);
    let state = report.examples.last().expect("an example");
    assert_eq!((state.what.as_str(), state.input.as_str()), ("state", "{\"Add\":{\"n\":30}}"));
    assert!(state.old.starts_with("{\"sum\":131,") && state.new.starts_with("{\"sum\":134,"), "{state:?}");
}

#[test]
fn what_only_reads_otherwise_is_the_same() {
    let second = TILL.replace("state.sum + n }", "n + state.sum }");
    let (first, second) = shop(&second);
    let mut node = node(&first, &second);
    for round in 0..30 {
        for key in ["a", "b"] {
            let address = format!("shop/till/{key}");
            node.send(&address, "{\"Add\":{\"n\":3}}");
            // Nobody is born by a look, and who stopped is born anew.
            node.send("shop/till/nobody", "\"Get\"");
            node.send(&address, "{\"Add\":{\"n\":\"9223372036854775807\"}}");
            node.send(&address, if round % 3 == 0 { "\"Bye\"" } else { "\"Half\"" });
        }
    }
    let report = shadowed(&mut node, 100);
    assert_eq!((report.differ(), report.not_reproducible), (0, 0), "{report:?}");
    // Parts of 4 inputs: the last and the one before it.
    assert!((10..=24).contains(&report.inputs), "{report:?}");
    assert_eq!(shadowed(&mut node, 3).inputs, 3 * report.instances);
    // A state that changes by something else than a step begins anew.
    let asked = node.asked();
    node.send("shop/till/a", "{\"Add\":{\"n\":3}}");
    node.node.redrive(&asked, &"shop/till/a".parse().expect("an address"), Redrive::Reset).expect("it lives");
    node.send("shop/till/a", "\"Get\"");
    let report = shadowed(&mut node, 100);
    assert_eq!((report.differ(), report.not_reproducible), (0, 0), "{report:?}");
    // What other code did is on no tape.
    node.upgrade("2.0.0").expect("upgrade");
    let tapes = node.node.recorded().expect("the node is there").expect("it records");
    assert!(tapes.is_empty());
}

#[test]
fn what_a_trial_tells_has_no_shadow_unless_it_was_asked_for() {
    let (first, second) = shop(&TILL.replace("Is(state.sum))", "Is(state.sum + 1))"));
    let mut node = node(&first, &second);
    node.send("shop/till/a", "{\"Add\":{\"n\":3}}");
    let report: TryReport = node.try_out("2.0.0").expect("it is tried");
    assert!(report.passed && report.shadow.is_none());
}

/// Trials may begin anew while one goes on to its switch; the report has what was told of recorded inputs all the same.
#[test]
fn a_trial_that_begins_anew_still_tells_what_comes_out_otherwise() {
    let (first, second) = shop(&TILL.replace("Is(state.sum))", "Is(state.sum + 1))"));
    let mut node = node(&first, &second);
    node.send("shop/till/a", "\"Get\"");
    let report = shadowed(&mut node, 100);
    assert_eq!(report.differ(), 1, "{report:?}");
    for ended in [true, false] {
        let plan = node.node.plan_upgrade(&node.release("2.0.0")).expect("a plan");
        let mut trial = node.node.begin_trial(plan).expect("it begins");
        trial.set_shadow(report.clone());
        if ended {
            node.node.end_trial().expect("it ends");
        }
        let upgraded = node.node.upgrade(&node.asked(), trial, b"2.0.0", &[]).expect("upgrade");
        assert_eq!(upgraded.trial.expect("it was tried").shadow.as_ref(), Some(&report), "{ended}");
        node.rollback(Holding::Refuse).expect("rollback");
    }
}

/// Generated programs give the same when they are run again by the same code, whatever they did: births, stops, traps,
/// timers.
#[test]
fn what_is_recorded_of_generated_programs_comes_out_the_same() {
    let mut inputs = 0;
    for seed in 0..60 {
        let program = Program::generate(&mut Choices::random(seed));
        if program.text.contains("\nchannel ") {
            continue;
        }
        let [config_ty, _, input_ty, _] = &program.types;
        let config = program.config.to_json(config_ty);
        let machines = [("shop/m", program.text.as_str())];
        let first = make("1.0.0", &machines, None, &[]).configured("shop/m", &config);
        let second = make("2.0.0", &machines, Some(&first), &[]).configured("shop/m", &config);
        let mut node = World::of([first.clone(), second]).open(MemoryJournal::default(), 0).expect("open");
        if node.install("1.0.0").is_err() {
            continue;
        }
        let address = if program.text.starts_with("machine m keyed") { "shop/m/k" } else { "shop/m" };
        for happening in &program.steps {
            node.now_ms += 1_000;
            node.post(address, &happening.input.to_json(input_ty), None);
            // No more than once: a timer may start itself anew without delay.
            node.node.run(node.now_ms).expect("the journal works");
        }
        let report = shadowed(&mut node, 100);
        assert_eq!((report.differ(), report.not_reproducible), (0, 0), "seed {seed}: {report:?}");
        inputs += report.inputs;
    }
    assert!(inputs > 50, "{inputs}: too few to prove anything");
}
