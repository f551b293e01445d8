//! Capsules of what fails while a node works: what is kept, and that it is seen again elsewhere to the bit.

mod common;

use camshaft_agent::api::{CapsuleOf, KeptCapsule, StepCapsule, TryFailure};
use camshaft_agent::replay::{ReplayError, replay, replay_step};
use camshaft_cam::testing::choices::Choices;
use camshaft_cam::testing::program::Program;
use camshaft_manifests::relup::Apply;
use camshaft_manifests::transition::Transition;
use camshaft_releases::OpenedRelease;
use camshaft_store::MemoryJournal;
use common::{Made, TestNode, World, make, make_said};

const TILL: &str = "machine till keyed Text
type State = { sum: Int, pin: secret Int }
type Input = Add { n: Int } | Sell { n: Int } | Refuse | To { key: Text } | Loop | Later | internal Tick | Get
type Output = Ok | Is(Int)
channel log = shop/log(Line)
type Line = Note { n: Int }
init = { sum: 0, pin: 1234 }
invariant \"never below zero\" = state.sum >= 0
on Add { n } => ({ ..state, sum: state.sum + n }, Ok)
on Sell { n } => ({ ..state, sum: state.sum - n }, Ok)
on Refuse => fail \"no\"
on To { key } {
  send log[key] Note { n: state.sum }
  (state, Ok)
}
on Loop => ({ ..state, sum: [1].repeat(150000).len() }, Ok)
on Later {
  timer \"tick\" after 1s => Tick
  (state, Ok)
}
on Tick => { ..state, sum: state.sum / (state.sum - state.sum) }
on Get => (state, Is(state.sum))
";

const LOG: &str = "machine log keyed Text
type State = Int
type Input = Note { n: Int }
type Output = | Ok
init = 0
on Note { n } => (state + n, Ok)
";

const HUGE: &str = "{\"Add\":{\"n\":\"9223372036854775807\"}}";

fn shop() -> (Made, TestNode) {
    let made = make("1.0.0", &[("shop/till", TILL), ("shop/log", LOG)], None, &[]);
    let mut node = World::of([made.clone()]).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    (made, node)
}

/// Returns all capsules of a node, as somebody elsewhere has them.
fn capsules(node: &mut TestNode) -> Vec<KeptCapsule> {
    let capsules = node.node.capsules().expect("the node is there");
    let written = capsules.iter().map(|(id, caught)| serde_json::to_string(&caught.capsule(*id)));
    let read = |json: Result<String, _>| serde_json::from_str(&json.expect("JSON")).expect("a capsule");
    written.map(read).collect()
}

fn step(capsule: &KeptCapsule) -> &StepCapsule {
    match &capsule.of {
        CapsuleOf::Step { step } => step,
        CapsuleOf::Migration { failure } => panic!("a migration: {failure:?}"),
    }
}

/// Sees a step again, and holds that nothing differs. Returns whether the values were those of the node.
fn reproduces(step: &StepCapsule, releases: &[OpenedRelease]) -> bool {
    let seen = replay_step(step, releases).unwrap_or_else(|error| panic!("{error}: {step:?}"));
    assert_eq!(seen.differences(step), [] as [String; 0], "{step:?}");
    seen.same_value
}

#[test]
fn every_kind_of_failure_of_a_step_is_kept_and_seen_again() {
    let (made, mut node) = shop();
    let opened = [made.opened()];
    node.send("shop/till/a", "{\"Add\":{\"n\":1}}");
    let long = "x".repeat(300);
    for input in [
        HUGE,
        "{\"Sell\":{\"n\":2}}",
        "\"Loop\"",
        &format!("{{\"To\":{{\"key\":\"{long}\"}}}}"),
        "\"Refuse\"",
        "\"Later\"",
    ] {
        node.send("shop/till/a", input);
    }
    node.advance(1_000);
    let capsules = capsules(&mut node);
    let told = capsules.iter().map(|capsule| {
        let status = &capsule.status;
        (status.at.as_str(), status.kind.as_str(), status.who.as_str(), step(capsule).seq)
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            ("Add", "overflow", "a client", 2),
            ("Sell", "invariant", "a client", 2),
            ("Loop", "fuel", "a client", 2),
            ("To", "key", "a client", 2),
            ("Tick", "division_by_zero", "timer tick", 3),
        ],
        "what a program refuses is no failure"
    );
    for capsule in &capsules {
        let step = step(capsule);
        assert!(step.fuel > 0 && step.redacted && !step.cut);
        assert_eq!(step.state.as_deref(), Some("{\"sum\":1,\"pin\":\"[secret]\"}"));
        // A number that is secret has to be put in by hand.
        let hint = "put a value for each \"[secret]\"";
        let refused = replay_step(step, &opened).expect_err("the secret is not there").to_string();
        assert!(refused.contains(hint), "{refused}");
        let filled = |pin: &str| StepCapsule {
            state: step.state.as_ref().map(|state| state.replace("\"[secret]\"", pin)),
            ..step.clone()
        };
        assert!(reproduces(&filled("1234"), &opened), "with the secret it is what failed");
        assert!(!reproduces(&filled("9"), &opened), "the step does not read it");
    }
}

#[test]
fn another_bundle_is_refused_and_another_end_is_told() {
    let (made, mut node) = shop();
    let releases = [made.opened()];
    assert!(node.send("shop/till/a", HUGE).starts_with("\"Ok\""));
    assert!(node.send("shop/till/a", "{\"Add\":{\"n\":1}}").starts_with("trap overflow"));
    let capsules = capsules(&mut node);
    let mut step = step(&capsules[0]).clone();
    step.state = step.state.map(|state| state.replace("\"[secret]\"", "1234"));
    assert!(reproduces(&step, &releases));
    let other = make("1.0.1", &[("shop/log", LOG)], None, &[]).opened();
    assert_eq!(replay_step(&step, &[other]), Err(ReplayError::NoMachine(step.machine)));
    let mut unlinked = made.opened();
    unlinked.links.clear();
    assert_eq!(replay_step(&step, &[unlinked]), Err(ReplayError::NoLink(step.links[0])));
    let of = |change: &dyn Fn(&mut StepCapsule)| {
        let mut other = step.clone();
        change(&mut other);
        let seen = replay_step(&other, &releases).expect("it runs");
        (seen.differences(&other), seen.same_value)
    };
    let fuel = step.fuel;
    assert_eq!(
        of(&|step| step.fuel += 1),
        (vec![format!("it takes {fuel} fuel instead of {}", fuel + 1)], true)
    );
    assert_eq!(of(&|step| step.kind = "range".to_owned()).0, ["overflow: integer overflow"]);
    let state = "{\"sum\":1,\"pin\":1234}".to_owned();
    let (differences, same) = of(&|step| step.state = Some(state.clone()));
    assert_eq!((differences[0].as_str(), same), ("it does not fail; it gives \"Ok\"", false));
    assert_eq!(replay_step(&StepCapsule { cut: true, ..step.clone() }, &releases), Err(ReplayError::Cut));
}

#[test]
fn the_last_of_each_case_are_kept_and_no_more_than_so_many_in_a_second() {
    let (_, mut node) = shop();
    let add = |node: &mut TestNode, count: usize| {
        for _ in 0..count {
            assert!(node.send("shop/till/a", "{\"Add\":{\"n\":1}}").starts_with("trap overflow"));
        }
    };
    node.send("shop/till/a", HUGE);
    add(&mut node, 20);
    node.send("shop/till/a", "\"Loop\"");
    let of = |node: &mut TestNode| {
        let all = capsules(node);
        let ids: Vec<_> = all.iter().map(|capsule| capsule.status.id).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
        all.into_iter().map(|capsule| (capsule.status.at, capsule.status.at_ms)).collect::<Vec<_>>()
    };
    let first = of(&mut node);
    assert_eq!(first.iter().filter(|(at, _)| at == "Add").count(), 8);
    assert_eq!(first.iter().filter(|(at, _)| at == "Loop").count(), 1, "another case has its own");
    node.advance(1_000);
    add(&mut node, 3);
    let later = of(&mut node);
    let adds: Vec<_> = later.iter().filter(|(at, _)| at == "Add").map(|(_, at_ms)| *at_ms).collect();
    assert_eq!(adds, [vec![0; 5], vec![1_000; 3]].concat(), "the oldest made room");
}

#[test]
fn what_cannot_go_over_a_switch_is_kept_too() {
    let till = "machine till keyed Text
type State = Int
type Input = Add { n: Int } | Get
type Output = Ok | Is(Int)
init = 0
on Add { n } => (state + n, Ok)
on Get => (state, Is(state))
";
    let newer = till
        .replace("type State = Int", "type State = { sum: Int }")
        .replace("init = 0", "init = { sum: 0 }");
    let newer = newer
        .replace("(state + n, Ok)", "({ sum: state.sum + n }, Ok)")
        .replace("Is(state)", "Is(state.sum)");
    let migration = "migration till from \"1.0.0\"
up (old) = if old == 7 { fail \"seven\" } else { { sum: old } }
down (new) = new.sum
";
    let first = make("1.0.0", &[("shop/till", till)], None, &[]);
    let second = make("2.0.0", &[("shop/till", &newer)], Some(&first), &[("shop/till", migration)]);
    let mut node =
        World::of([first.clone(), second.clone()]).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.send("shop/till/a", "{\"Add\":{\"n\":7}}");
    let plan = node.node.plan_upgrade(&node.release("2.0.0")).expect("a plan");
    let mut trial = node.node.try_all(plan).expect("a trial");
    trial.allow_holding(1);
    node.node.upgrade(&node.asked(), trial, b"2.0.0", &[]).expect("it may be held");
    node.node.settle_check(&node.asked(), Ok(())).expect("it passes");
    assert!(capsules(&mut node).is_empty(), "nobody used it yet");
    node.send("shop/till/a", "\"Get\"");
    let capsules = capsules(&mut node);
    let CapsuleOf::Migration { failure } = &capsules[0].of else { panic!("{capsules:?}") };
    assert_eq!((capsules.len(), failure.step.as_str(), failure.reason.as_str()), (1, "up", "failed: seven"));
    let seen = replay(failure, &[second.opened()]).expect("it runs");
    assert!(seen.reproduces(failure) && seen.same_value);
}

/// A machine whose timer waits, in two releases.
const COUNT: &str = "machine count keyed Text
type State = { sum: Int, name: Text = \"\" }
type Input = Add { n: Int } | Later { n: Int } | internal Tick { n: Int }
type Output = | Ok
init = { sum: 0, name: \"\" }
on Add { n } => ({ ..state, sum: state.sum + n }, Ok)
on Later { n } {
  timer \"tick\" after 1h => Tick { n }
  (state, Ok)
}
on Tick { n } => { ..state, sum: state.sum + n }
";

/// Sees each failure again with the bundles of both releases, and holds that it is the same to the last unit of fuel.
fn seen_again(failures: &[TryFailure], releases: &[OpenedRelease]) -> Vec<(String, String)> {
    let each = failures.iter().map(|failure| {
        let json = serde_json::to_string(failure).expect("JSON");
        let read: TryFailure = serde_json::from_str(&json).expect("a failure");
        let seen = replay(&read, releases).unwrap_or_else(|error| panic!("{error}: {read:?}"));
        assert!(seen.reproduces(&read) && seen.same_value, "{seen:?}: {read:?}");
        assert_eq!(read.capsule.fuel, Some(seen.fuel));
        assert!(seen.fuel > 0, "{read:?}");
        let mut other = read.clone();
        other.capsule.fuel = Some(seen.fuel + 1);
        assert!(!seen.reproduces(&other), "fuel counts");
        (read.step, read.kind)
    });
    each.collect()
}

#[test]
fn whatever_fails_on_its_way_over_a_switch_takes_the_same_fuel_when_it_is_seen_again() {
    let more = COUNT
        .replace("name: Text = \"\" }", "name: Text = \"\", more: Int = 0 }")
        .replace("name: \"\" }", "name: \"\", more: 0 }");
    let lossless = "down (new) = { sum: new.sum, name: new.name }\n";
    let up = "up (old) = { sum: old.sum * 2, name: old.name, more: 1 }\n";
    let small = more.replace("init =", "invariant \"small\" = state.sum < 7\ninit =");
    let same = COUNT.replace("init =", "invariant \"small\" = state.sum + 1 < 7\ninit =");
    let cases: [(&str, String, &str, &str); 6] = [
        (
            &more,
            format!("up (old) = {{ sum: old.sum / (old.sum - 7), name: old.name, more: 0 }}\n{lossless}"),
            "up",
            "division_by_zero",
        ),
        (&small, format!("{up}{}", lossless.replace("new.sum", "new.sum / 2")), "invariant", "invariant"),
        // Nothing is run on such a state but the invariants.
        (&same, String::new(), "invariant", "invariant"),
        (
            &more,
            format!("{up}down (new) = {{ sum: new.sum / 2 / (new.sum - 14), name: new.name }}\n"),
            "down",
            "division_by_zero",
        ),
        (&more, format!("{up}{lossless}"), "round-trip", "differs"),
        (
            &more,
            format!(
                "{up}{}lift Tick {{ n }} => Tick {{ n: 1 / n }}\n",
                lossless.replace("new.sum", "new.sum / 2")
            ),
            "lift",
            "division_by_zero",
        ),
    ];
    for (newer, way, step, kind) in cases {
        let way = if way.is_empty() { way } else { format!("migration count from \"1.0.0\"\n{way}") };
        let said: &[(&str, &str)] = if way.is_empty() { &[] } else { &[("shop/count", way.as_str())] };
        let first = make("1.0.0", &[("shop/count", COUNT)], None, &[]);
        let second = make("2.0.0", &[("shop/count", newer)], Some(&first), said);
        let mut node =
            World::of([first.clone(), second.clone()]).open(MemoryJournal::default(), 0).expect("open");
        node.install("1.0.0").expect("install");
        node.send("shop/count/a", "{\"Add\":{\"n\":7}}");
        node.send("shop/count/a", "{\"Later\":{\"n\":0}}");
        let report = node.try_out("2.0.0").expect("it is tried");
        let told = seen_again(&report.failures, &[first.opened(), second.opened()]);
        assert_eq!(told, [(step.to_owned(), kind.to_owned())], "{way}");
    }
}

#[test]
fn whatever_fails_on_its_way_back_takes_the_same_fuel_when_it_is_seen_again() {
    let newer = COUNT
        .replace("init =", "invariant \"any\" = state.sum >= 0\ninit =")
        .replace("type Input = Add { n: Int }", "type Input = Less { n: Int } | Add { n: Int }")
        .replace("on Add", "on Less { n } => ({ ..state, sum: state.sum - n }, Ok)\non Add");
    let older = COUNT.replace("init =", "invariant \"small\" = state.sum < 100\ninit =");
    for (down, input, step, kind) in [
        ("sum: 70 / (new.sum - 9)", "{\"Add\":{\"n\":2}}", "down", "division_by_zero"),
        ("sum: new.sum * 100", "{\"Add\":{\"n\":2}}", "invariant", "invariant"),
    ] {
        let way = format!(
            "migration count from \"1.0.0\"\nup (old) = {{ sum: old.sum, name: old.name }}\ndown (new) = {{ {down}, name: new.name }}\n"
        );
        let first = make("1.0.0", &[("shop/count", &older)], None, &[]);
        let second = make("2.0.0", &[("shop/count", &newer)], Some(&first), &[("shop/count", &way)]);
        let mut node =
            World::of([first.clone(), second.clone()]).open(MemoryJournal::default(), 0).expect("open");
        node.install("1.0.0").expect("install");
        node.upgrade("2.0.0").expect("nobody is there yet");
        let asked = node.asked();
        node.node.make_permanent(&asked).expect("permanent");
        node.settle();
        node.send("shop/count/a", "{\"Add\":{\"n\":7}}");
        node.send("shop/count/a", input);
        let plan = node.node.plan_rollback().expect("a plan");
        let report = node.node.try_all(plan).expect("a trial").report();
        node.node.end_trial().expect("it ends");
        let told = seen_again(&report.failures, &[first.opened(), second.opened()]);
        assert_eq!(told, [(step.to_owned(), kind.to_owned())]);
    }
}

#[test]
fn a_machine_that_cannot_be_born_takes_the_same_fuel_when_it_is_seen_again() {
    let first = make("1.0.0", &[("shop/count", COUNT)], None, &[]);
    let born = "machine one\ntype State = Int\ntype Input = | Get\ntype Output = | Ok\ninvariant \"some\" = state > 6\ninit = 6\non Get => (state, Ok)\n";
    let second = make("2.0.0", &[("shop/count", COUNT), ("shop/one", born)], Some(&first), &[]);
    let mut node =
        World::of([first.clone(), second.clone()]).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    let report = node.try_out("2.0.0").expect("it is tried");
    let told = seen_again(&report.failures, &[second.opened()]);
    assert_eq!(told, [("start".to_owned(), "invariant".to_owned())]);
}

/// The till with what a trial and the real thing tell apart: a trial has the seed 0.
fn fickle() -> String {
    TILL.replace("| Refuse |", "| Refuse | Put { n: Int } |").replace(
        "on Refuse",
        "on Put { n } => if ctx.seed != 0 { fail \"not now\" } else { ({ ..state, sum: n }, Ok) }\non Refuse",
    )
}

/// Keys of tills, and inputs for them.
type Applies<'a> = &'a [(&'a str, &'a str)];

/// Two releases, the second of which applies inputs to tills; the machine of the second has this text.
fn applying(second: &str, applies: Applies<'_>) -> [Made; 2] {
    let one = make("1.0.0", &[("shop/till", TILL), ("shop/log", LOG)], None, &[]);
    let apply = |(key, input): &(&str, &str)| Apply {
        machine: "shop/till".parse().expect("an address"),
        key: Some(key.parse().expect("a key")),
        input: (*input).to_owned(),
        inverse: Some("\"Get\"".to_owned()),
    };
    let said = Transition { applies: applies.iter().map(apply).collect(), ..Transition::default() };
    let two = make_said("2.0.0", &[("shop/till", second), ("shop/log", LOG)], Some(&one), &[], said);
    [one, two]
}

fn installed(releases: &[Made; 2]) -> TestNode {
    let mut node = World::of(releases.clone()).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    assert_eq!(node.send("shop/till/a", "{\"Add\":{\"n\":1}}"), "\"Ok\"");
    node
}

#[test]
fn what_a_relup_applies_and_fails_in_a_trial_is_seen_again() {
    let long = format!("{{\"To\":{{\"key\":\"{}\"}}}}", "x".repeat(300));
    let unborn = TILL.replace("sum: 0, pin: 1234", "sum: -1, pin: 1234");
    let sell = "{\"Sell\":{\"n\":2}}";
    // What is applied to whom, how it fails, and the sum that it fails on.
    let cases: [(&str, Applies<'_>, &str, Option<i64>); 7] = [
        (TILL, &[("a", HUGE)], "overflow", Some(1)),
        (TILL, &[("a", sell)], "invariant", Some(1)),
        // An answer that says no undoes an upgrade as well.
        (TILL, &[("a", "\"Refuse\"")], "fail", Some(1)),
        // What its effects need is part of a step.
        (TILL, &[("a", &long)], "key", Some(1)),
        // The state that the second one finds is that after the first.
        (TILL, &[("a", "{\"Add\":{\"n\":4}}"), ("a", "{\"Sell\":{\"n\":6}}")], "invariant", Some(5)),
        // Nobody is there: the step begins with a birth, or does not get beyond it.
        (TILL, &[("nobody", sell)], "invariant", None),
        (&unborn, &[("nobody", "\"Get\"")], "invariant", None),
    ];
    for (text, applies, kind, sum) in cases {
        let releases = applying(text, applies);
        let mut node = installed(&releases);
        let report = node.try_out("2.0.0").expect("it is tried");
        assert_eq!(report.failures.len(), 1, "{:?}", report.failures);
        let json = serde_json::to_string(&report.failures[0]).expect("JSON");
        let mut failure: TryFailure = serde_json::from_str(&json).expect("a failure");
        assert_eq!((failure.step.as_str(), failure.kind.as_str()), ("apply", kind));
        assert!(!json.contains("1234"), "{json}");
        let step = failure.capsule.step.as_mut().expect("it came to a step");
        let state = sum.map(|sum| format!("{{\"sum\":{sum},\"pin\":\"[secret]\"}}"));
        assert_eq!(step.state, state);
        assert!(step.redacted && !step.cut && step.fuel > 0);
        if let Some(state) = &mut step.state {
            *state = state.replace("\"[secret]\"", "1234");
        }
        let opened = releases.map(|made| made.opened());
        assert_eq!(
            seen_again(std::slice::from_ref(&failure), &opened[1..]),
            [("apply".to_owned(), kind.to_owned())]
        );
        // Of another state or input something else comes, or it is told that the value is another one.
        let mut other = failure.clone();
        let step = other.capsule.step.as_mut().expect("it came to a step");
        step.input = Some("{\"Add\":{\"n\":3}}".to_owned());
        let seen = replay(&other, &opened).expect("it runs");
        assert!(!seen.same_value);
        assert_eq!(seen.reproduces(&other), text == unborn, "{seen:?}");
        if text == TILL {
            assert!(
                matches!(replay(&failure, &[]), Err(ReplayError::NoMachine(_))),
                "the code is in the bundles"
            );
        }
    }
}

#[test]
fn an_input_that_stops_its_instance_leaves_a_birth_to_the_next_one() {
    let till = fickle().replace("on Refuse => fail \"no\"", "on Refuse { stop; (state, Ok) }");
    let releases = applying(&till, &[("a", "\"Refuse\""), ("a", "{\"Sell\":{\"n\":1}}")]);
    let mut node = installed(&releases);
    let report = node.try_out("2.0.0").expect("it is tried");
    let failure = &report.failures[0];
    assert_eq!((failure.step.as_str(), failure.kind.as_str()), ("apply", "invariant"));
    let step = failure.capsule.step.as_ref().expect("it came to a step");
    assert_eq!((step.state.as_deref(), step.seq), (None, 3));
    seen_again(std::slice::from_ref(failure), &[releases[1].opened()]);
}

#[test]
fn what_a_relup_applies_and_fails_after_the_switch_is_kept_also_where_the_program_says_no() {
    let releases = applying(&fickle(), &[("a", "{\"Put\":{\"n\":2}}")]);
    let mut node = installed(&releases);
    node.upgrade("2.0.0").expect_err("it is undone");
    assert_eq!(node.running(), "1.0.0");
    let capsules = capsules(&mut node);
    let [capsule] = &capsules[..] else { panic!("{capsules:?}") };
    let status = &capsule.status;
    assert_eq!(
        (status.at.as_str(), status.kind.as_str(), status.who.as_str(), status.release.version.as_str()),
        ("Put", "fail", "relup of switch 2", "2.0.0")
    );
    let mut step = step(capsule).clone();
    step.state = step.state.map(|state| state.replace("\"[secret]\"", "1234"));
    assert!(reproduces(&step, &[releases[1].opened()]));
}

#[test]
fn what_a_timer_fires_and_the_program_does_not_want_is_kept() {
    let till = TILL.replace("sum: state.sum / (state.sum - state.sum)", "sum: least(state.sum)")
        + "fn least(n: Int) -> Int = if n < 9 { fail \"too little\" } else { n }\n";
    let made = make("1.0.0", &[("shop/till", &till), ("shop/log", LOG)], None, &[]);
    let mut node = World::of([made.clone()]).open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    assert_eq!(node.send("shop/till/a", "\"Later\""), "\"Ok\"");
    node.advance(1_000);
    let capsules = capsules(&mut node);
    let [capsule] = &capsules[..] else { panic!("{capsules:?}") };
    let told = (capsule.status.at.as_str(), capsule.status.kind.as_str(), capsule.status.who.as_str());
    assert_eq!(told, ("Tick", "fail", "timer tick"), "nobody else was told");
    let mut step = step(capsule).clone();
    step.state = step.state.map(|state| state.replace("\"[secret]\"", "1234"));
    assert!(reproduces(&step, &[made.opened()]));
}

/// What was found out from the releases alone, by a clock, or before there was a value, is told in full.
#[test]
fn where_nothing_was_run_nothing_is_seen_again_and_that_is_said() {
    let releases = applying(TILL, &[("a", HUGE)]);
    let mut node = installed(&releases);
    let failure = node.try_out("2.0.0").expect("it is tried").failures.remove(0);
    let opened = releases.map(|made| made.opened());
    for (step, kind) in [
        ("pause", "max-pause"),
        ("answer", "channel"),
        ("lift", "writer"),
        ("unlift", "damaged"),
        ("keep", "damaged"),
        ("apply", "held"),
    ] {
        let mut other = TryFailure { step: step.to_owned(), kind: kind.to_owned(), ..failure.clone() };
        other.capsule.step = None;
        // A state that takes too long is too large to be told.
        other.capsule.cut = step == "pause";
        assert_eq!(replay(&other, &opened), Err(ReplayError::NothingRan(step.to_owned())), "{kind}");
    }
}

/// Programs by a generator that knows nothing of capsules: whatever ends in a trap is seen again, to the last unit of
/// fuel.
#[test]
fn what_generated_programs_fail_in_is_seen_again() {
    let long: usize = std::env::var("CAMSHAFT_LONG").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let (mut exact, mut redacted, mut births) = (0, 0, 0);
    for seed in 0..160 * long as u64 {
        let mut choices = Choices::random(seed);
        let program = Program::generate(&mut choices);
        if program.text.contains("\nchannel ") {
            continue; // There is nobody to receive.
        }
        let made = make("1.0.0", &[("shop/m", &program.text)], None, &[]);
        let [config_ty, _, input_ty, _] = &program.types;
        let made = made.configured("shop/m", &program.config.to_json(config_ty));
        let mut node = World::of([made.clone()]).open(MemoryJournal::default(), 0).expect("open");
        // One without keys that cannot be born is no release.
        if node.install("1.0.0").is_err() {
            continue;
        }
        let keyed = program.text.starts_with("machine m keyed");
        for happening in &program.steps {
            let address = if keyed { "shop/m/k" } else { "shop/m" };
            node.now_ms += 1_000;
            node.post(address, &happening.input.to_json(input_ty), None);
            // No more than once: a timer may start itself anew without delay.
            node.node.run(node.now_ms).expect("the journal works");
        }
        let releases = [made.opened()];
        for capsule in capsules(&mut node) {
            let step = step(&capsule);
            births += u64::from(step.state.is_none());
            match replay_step(step, &releases) {
                Err(ReplayError::NoValue(_)) => assert!(step.redacted),
                Err(error) => panic!("seed {seed}: {error}: {step:?}"),
                Ok(seen) if !seen.same_value => {
                    assert!(step.redacted);
                    redacted += 1;
                }
                Ok(seen) => {
                    assert_eq!(seen.differences(step), [] as [String; 0], "seed {seed}: {step:?}");
                    exact += 1;
                }
            }
        }
    }
    assert!(
        exact >= 15 && births > 0,
        "{exact} of {redacted} and more, {births} births: too few to prove anything"
    );
}
