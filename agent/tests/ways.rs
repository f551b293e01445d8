//! What persons say of the way from one release to another, followed by a node: renames, restarts,
//! inputs that are applied; on the way up, on the way back, and over restarts of the agent.

mod common;

use camshaft_agent::engine::Identity;
use camshaft_agent::node::{Holding, NodeError};
use camshaft_manifests::relup::Apply;
use camshaft_manifests::transition::Transition;
use camshaft_manifests::{AppName, MachineAddress};
use camshaft_store::MemoryJournal;
use common::{Made, TestNode, World, make, make_said};

fn app(text: &str) -> AppName {
    text.parse().expect("a name")
}

fn machine(text: &str) -> MachineAddress {
    text.parse().expect("an address")
}

const COUNT: &str = "machine count keyed Text\n\
    type State = { n: Int }\n\
    type Input = Add { n: Int } | Limit { n: Int } | Get\n\
    type Output = Ok | Is(Int)\n\
    init = { n: 0 }\n\
    on Add { n } => ({ n: state.n + n }, Ok)\n\
    on Limit { n } => if n < 0 { fail \"no limit is below nothing\" } else { (least(state, n), Ok) }\n\
    on Get => (state, Is(state.n))\n\
    fn least(state: State, n: Int) -> State = if state.n < n { state } else { { ..state, n } }\n";

const CLIENT: &str = "machine client\n\
    type Message = Ping { number: Int }\n\
    type Answer = Pong { number: Int }\n\
    type State = { goal: Int = 0, sent: Int = 0, good: Int = 0 }\n\
    type Input = Start { count: Int } | Report | internal Answered { answer: Option(Answer) }\n\
    type Output = Ok | Counts { sent: Int, good: Int }\n\
    channel server = pong/server(Message) -> Answered\n\
    init = { goal: 0 }\n\
    on Start { count } {\n\
      send server Ping { number: state.sent }\n\
      ({ ..state, goal: state.goal + count, sent: state.sent + 1 }, Ok)\n\
    }\n\
    on Report => (state, Counts { sent: state.sent, good: state.good })\n\
    on Answered { answer } {\n\
      let s = match answer {\n\
        Some(Pong { number }) => if number == state.good { { ..state, good: state.good + 1 } } else { state }\n\
        None => state\n\
      }\n\
      if s.sent < s.goal {\n\
        send server Ping { number: s.sent }\n\
        { ..s, sent: s.sent + 1 }\n\
      } else { s }\n\
    }\n";

const SERVER: &str = "machine server\n\
    type Input = Ping { number: Int }\n\
    type Output = Pong { number: Int }\n\
    type State = Int\n\
    init = 0\n\
    on Ping { number } => (state + 1, Pong { number })\n";

#[test]
fn messages_on_their_way_find_those_who_have_new_names() {
    let one = make("1.0.0", &[("ping/client", CLIENT), ("pong/server", SERVER)], None, &[]);
    let said = Transition {
        renamed_apps: [(app("caller"), app("ping")), (app("listener"), app("pong"))].into(),
        ..Transition::default()
    };
    let client = CLIENT.replace("pong/server", "listener/server");
    let machines = [("caller/client", client.as_str()), ("listener/server", SERVER)];
    let two = make_said("2.0.0", &machines, Some(&one), &[], said);
    let world = World::of([one, two]);
    let journal = MemoryJournal::default();
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    // The upgrade comes while the first message waits with its receiver.
    node.post("ping/client", "{\"Start\":{\"count\":5}}", None);
    node.upgrade("2.0.0").expect("upgrade");
    node.settle();
    assert_eq!(node.send("caller/client", "\"Report\""), "{\"Counts\":{\"sent\":5,\"good\":5}}");
    node.post("caller/client", "{\"Start\":{\"count\":3}}", None);
    node.rollback(Holding::Refuse).expect("rollback");
    node.settle();
    for _ in 0..2 {
        assert_eq!(node.send("ping/client", "\"Report\""), "{\"Counts\":{\"sent\":8,\"good\":8}}");
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
    }
}

fn add(node: &mut TestNode, address: &str, n: i64) {
    assert_eq!(node.send(address, &format!("{{\"Add\":{{\"n\":{n}}}}}")), "\"Ok\"");
}

fn get(node: &mut TestNode, address: &str) -> String {
    node.send(address, "\"Get\"")
}

/// Both releases, and a node on the first with `a` at 3 and `b` at 4.
fn node(old: &str, new: Made, one: Made) -> (World, MemoryJournal, TestNode) {
    let world = World::of([one, new]);
    let journal = MemoryJournal::default();
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    add(&mut node, &format!("{old}/a"), 3);
    add(&mut node, &format!("{old}/b"), 4);
    (world, journal, node)
}

fn renamed(text: &str) -> (Made, Made) {
    let one = make("1.0.0", &[("stock/count", COUNT)], None, &[]);
    let said = Transition {
        renamed_apps: [(app("store"), app("stock"))].into(),
        renamed_machines: [(machine("store/tally"), machine("stock/count"))].into(),
        ..Transition::default()
    };
    let text = text.replace("machine count", "machine tally");
    let two = make_said("2.0.0", &[("store/tally", &text)], Some(&one), &[], said);
    (one, two)
}

#[test]
fn instances_go_on_under_new_names_and_back() {
    let grown = COUNT.replace("State = { n: Int }", "State = { n: Int, more: Int = 7 }");
    let grown = grown.replace("({ n: state.n + n }, Ok)", "({ ..state, n: state.n + n }, Ok)");
    for text in [COUNT.to_owned(), grown] {
        let (one, two) = renamed(&text);
        let (world, journal, mut node) = node("stock/count", two, one);
        let trial = node.try_out("2.0.0").expect("a trial");
        assert!(trial.passed, "{:?}", trial.failures);
        assert_eq!(trial.archives, 0);
        node.upgrade("2.0.0").expect("upgrade");
        assert_eq!(get(&mut node, "store/tally/a"), "{\"Is\":3}");
        assert_eq!(
            get(&mut node, "stock/count/a"),
            "refused: the running release has no machine stock/count",
            "who speaks what runs uses its names"
        );
        // A client of the old version uses the old names.
        assert_eq!(node.speak("1.0.0", "stock/count/b", "\"Get\"", None), "{\"Is\":4}");
        add(&mut node, "store/tally/a", 10);
        let key = || Some(Identity::Key("k".into()));
        assert_eq!(node.speak("1.0.0", "stock/count/b", "{\"Add\":{\"n\":1}}", key()), "\"Ok\"");
        // Once from the journal, once from a snapshot.
        for _ in 0..2 {
            drop(node);
            node = world.open(journal.clone(), 0).expect("open");
            assert_eq!(get(&mut node, "store/tally/a"), "{\"Is\":13}");
            assert_eq!(
                node.speak("1.0.0", "stock/count/b", "{\"Add\":{\"n\":1}}", key()),
                "\"Ok\" again",
                "what was answered is known again"
            );
            node.node.save_snapshot().expect("snapshot");
        }
        let counts = node.rollback(Holding::Refuse).expect("rollback").rollback.expect("counts");
        assert_eq!((counts.held, counts.archived), (0, 0));
        assert_eq!(get(&mut node, "stock/count/a"), "{\"Is\":13}");
        assert_eq!(get(&mut node, "stock/count/b"), "{\"Is\":5}");
        drop(node);
        let mut node = world.open(journal.clone(), 0).expect("open");
        assert_eq!(get(&mut node, "stock/count/a"), "{\"Is\":13}");
        assert_eq!(node.instances(None, 100).instances.len(), 2);
    }
}

#[test]
fn a_name_that_is_free_again_can_be_another_machine() {
    let one = make("1.0.0", &[("stock/count", COUNT)], None, &[]);
    let said = Transition { renamed_apps: [(app("store"), app("stock"))].into(), ..Transition::default() };
    let other = COUNT.replace("init = { n: 0 }", "init = { n: 100 }");
    let two = make_said("2.0.0", &[("store/count", COUNT), ("stock/count", &other)], Some(&one), &[], said);
    let (_, _, mut node) = node("stock/count", two, one);
    node.upgrade("2.0.0").expect("upgrade");
    assert_eq!(get(&mut node, "store/count/a"), "{\"Is\":3}");
    assert_eq!(get(&mut node, "stock/count/a"), "{\"Is\":100}");
    // The old name, in the words of an old client, is the old machine.
    assert_eq!(node.speak("1.0.0", "stock/count/a", "\"Get\"", None), "{\"Is\":3}");
    add(&mut node, "stock/count/a", 1);
    node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(get(&mut node, "stock/count/a"), "{\"Is\":3}");
}

#[test]
fn an_application_cannot_take_a_name_that_states_of_another_are_put_away_under() {
    let one = make("1.0.0", &[("shop/count", COUNT), ("stock/count", COUNT)], None, &[]);
    let called =
        || Transition { renamed_apps: [(app("stock"), app("shop"))].into(), ..Transition::default() };
    let at_once = make_said("2.0.0", &[("stock/count", COUNT)], Some(&one), &[], called());
    let goes = make("2.1.0", &[("shop/count", COUNT)], Some(&one), &[]);
    let later = make_said("3.0.0", &[("stock/count", COUNT)], Some(&goes), &[], called());
    let world = World::of([one, at_once, goes, later]);
    let journal = MemoryJournal::default();
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    add(&mut node, "shop/count/a", 1);
    add(&mut node, "stock/count/a", 5);
    let refused = |node: &mut TestNode, version: &str| match node.upgrade(version) {
        Err(NodeError::Refused(problem)) => (problem.code, problem.detail),
        other => panic!("{other:?}"),
    };
    let (code, detail) = refused(&mut node, "2.0.0");
    assert_eq!(code, "name-taken");
    assert_eq!(
        detail,
        "the release calls shop stock, and puts the states of stock/count away under that name, for the way back"
    );
    node.upgrade("2.1.0").expect("upgrade");
    node.node.make_permanent(&node.asked()).expect("it stays");
    for _ in 0..2 {
        let (code, detail) = refused(&mut node, "3.0.0");
        assert_eq!(code, "name-taken");
        assert_eq!(
            detail,
            "the release calls shop stock, and a state of stock/count/a is archived under that name"
        );
        node.node.save_snapshot().expect("a snapshot");
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
    }
    // And the way back still finds it.
    node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(get(&mut node, "stock/count/a"), "{\"Is\":5}");
    assert_eq!(get(&mut node, "shop/count/a"), "{\"Is\":1}");
}

/// Two applications that take each other's names: nothing is put away.
#[test]
fn applications_take_each_others_names_and_give_them_back() {
    const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let machines = [("shop/count", COUNT), ("stock/count", COUNT)];
    let one = make("1.0.0", &machines, None, &[]);
    let said = Transition {
        renamed_apps: [(app("stock"), app("shop")), (app("shop"), app("stock"))].into(),
        ..Transition::default()
    };
    let two = make_said("2.0.0", &machines, Some(&one), &[], said);
    for save in [false, true] {
        let world = World::of([one.clone(), two.clone()]);
        let journal = MemoryJournal::default();
        let mut node = world.open(journal.clone(), 0).expect("open");
        node.install("1.0.0").expect("install");
        let (mut one, mut other) = ("shop", "stock");
        for key in KEYS {
            add(&mut node, &format!("{one}/count/{key}"), 1);
            add(&mut node, &format!("{other}/count/{key}"), 5);
        }
        for turn in 0..4 {
            match turn % 2 {
                0 => drop(node.upgrade("2.0.0").expect("upgrade")),
                _ => drop(node.rollback(Holding::Refuse).expect("rollback")),
            }
            (one, other) = (other, one);
            if save {
                node.node.save_snapshot().expect("a snapshot");
                drop(node);
                node = world.open(journal.clone(), 0).expect("open");
            }
            for key in KEYS {
                assert_eq!(get(&mut node, &format!("{one}/count/{key}")), "{\"Is\":1}", "{turn}");
                assert_eq!(get(&mut node, &format!("{other}/count/{key}")), "{\"Is\":5}", "{turn}");
            }
        }
    }
}

fn restarting(text: &str) -> (Made, Made) {
    let one = make("1.0.0", &[("cache/count", COUNT)], None, &[]);
    let said = Transition {
        restarts: [(app("cache"), "it fills itself".to_owned())].into(),
        ..Transition::default()
    };
    let two = make_said("2.0.0", &[("cache/count", text)], Some(&one), &[], said);
    (one, two)
}

#[test]
fn an_application_that_restarts_gives_up_its_states_and_gets_them_back() {
    let other = COUNT.replace("init = { n: 0 }", "init = { n: 100 }");
    // The same machine, another machine, one of which no state can become.
    let torn = COUNT.replace("State = { n: Int }", "State = { m: Text }");
    let torn = torn.replace("init = { n: 0 }", "init = { m: \"\" }");
    let torn = torn.replace("({ n: state.n + n }, Ok)", "({ m: \"some\" }, Ok)");
    let torn = torn.replace("Is(state.n)", "Is(0)");
    let torn = torn.replace("if state.n < n { state } else { { ..state, n } }", "state");
    for (text, fresh) in [(COUNT.to_owned(), 0), (other, 100), (torn, 0)] {
        let (one, two) = restarting(&text);
        let (world, journal, mut node) = node("cache/count", two, one);
        let trial = node.try_out("2.0.0").expect("a trial");
        assert!(trial.passed, "{:?}", trial.failures);
        assert_eq!(trial.archives, 2, "both instances are given up");
        node.upgrade("2.0.0").expect("upgrade");
        assert_eq!(get(&mut node, "cache/count/a"), format!("{{\"Is\":{fresh}}}"));
        add(&mut node, "cache/count/a", 1);
        for _ in 0..2 {
            drop(node);
            node = world.open(journal.clone(), 0).expect("open");
            node.node.save_snapshot().expect("snapshot");
        }
        let counts = node.rollback(Holding::Refuse).expect("rollback").rollback.expect("counts");
        assert_eq!((counts.archived, counts.restored), (1, 2));
        assert_eq!(get(&mut node, "cache/count/a"), "{\"Is\":3}");
        assert_eq!(get(&mut node, "cache/count/b"), "{\"Is\":4}");
        // Once more: what was given up first is not mistaken for what is given up now.
        add(&mut node, "cache/count/a", 2);
        node.upgrade("2.0.0").expect("upgrade");
        assert_eq!(get(&mut node, "cache/count/b"), format!("{{\"Is\":{fresh}}}"));
        node.rollback(Holding::Refuse).expect("rollback");
        assert_eq!(get(&mut node, "cache/count/a"), "{\"Is\":5}");
        drop(node);
        let mut node = world.open(journal.clone(), 0).expect("open");
        assert_eq!(get(&mut node, "cache/count/a"), "{\"Is\":5}");
        assert_eq!(get(&mut node, "cache/count/b"), "{\"Is\":4}");
    }
}

fn apply(to: &str, key: &str, input: &str, inverse: Option<&str>) -> Apply {
    Apply {
        machine: machine(to),
        key: Some(key.parse().expect("a key")),
        input: input.to_owned(),
        inverse: inverse.map(str::to_owned),
    }
}

fn applying(applies: Vec<Apply>) -> (Made, Made) {
    let one = make("1.0.0", &[("stock/count", COUNT)], None, &[]);
    let said = Transition { applies, ..Transition::default() };
    let machines = [("stock/count", COUNT), ("new/count", COUNT)];
    let two = make_said("2.0.0", &machines, Some(&one), &[], said);
    (one, two)
}

fn adding(n: i64) -> String {
    format!("{{\"Add\":{{\"n\":{n}}}}}")
}

#[test]
fn inputs_are_applied_once_and_undone_once() {
    let applies = vec![
        apply("stock/count", "a", &adding(10), Some(&adding(-10))),
        apply("stock/count", "a", "{\"Limit\":{\"n\":12}}", Some(&adding(1))),
        apply("stock/count", "z", &adding(5), Some(&adding(-5))),
        apply("new/count", "n", &adding(7), None),
    ];
    let (one, two) = applying(applies);
    let (world, journal, mut node) = node("stock/count", two, one);
    let trial = node.try_out("2.0.0").expect("a trial");
    assert!(trial.passed, "{:?}", trial.failures);
    node.upgrade("2.0.0").expect("upgrade");
    for _ in 0..2 {
        assert_eq!(get(&mut node, "stock/count/a"), "{\"Is\":12}");
        assert_eq!(get(&mut node, "stock/count/b"), "{\"Is\":4}");
        assert_eq!(get(&mut node, "stock/count/z"), "{\"Is\":5}");
        assert_eq!(get(&mut node, "new/count/n"), "{\"Is\":7}");
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
        node.node.save_snapshot().expect("snapshot");
    }
    node.rollback(Holding::Refuse).expect("rollback");
    for _ in 0..2 {
        assert_eq!(get(&mut node, "stock/count/a"), "{\"Is\":3}", "12 + 1 - 10");
        assert_eq!(get(&mut node, "stock/count/z"), "{\"Is\":0}");
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
        node.node.save_snapshot().expect("snapshot");
    }
}

#[test]
fn an_input_that_cannot_be_applied_refuses_the_upgrade_when_it_is_tried() {
    for key in ["a", "nobody"] {
        let limit = "{\"Limit\":{\"n\":-1}}";
        let applies = vec![apply("stock/count", key, limit, Some(&adding(0)))];
        let (one, two) = applying(applies);
        let (_, _, mut node) = node("stock/count", two, one);
        let trial = node.try_out("2.0.0").expect("a trial");
        assert!(!trial.passed);
        let failure = &trial.failures[0];
        let instance = format!("stock/count/{key}");
        assert_eq!((failure.instance.as_str(), failure.step.as_str()), (instance.as_str(), "apply"));
        assert_eq!(
            (failure.kind.as_str(), failure.reason.as_str()),
            ("fail", "failed: no limit is below nothing")
        );
        assert_eq!(failure.capsule.value, limit);
        match node.upgrade("2.0.0") {
            Err(NodeError::Refused(problem)) => assert_eq!(problem.code, "trial-failed"),
            other => panic!("{other:?}"),
        }
        assert_eq!(
            (node.running().as_str(), get(&mut node, "stock/count/a").as_str()),
            ("1.0.0", "{\"Is\":3}")
        );
    }
}

/// A machine that takes what is below nothing in a trial only, whose seed is 0.
const FICKLE: &str = "machine count keyed Text\n\
    type State = { n: Int }\n\
    type Input = Add { n: Int } | Get\n\
    type Output = Ok | Is(Int)\n\
    init = { n: 0 }\n\
    on Add { n } => if n < 0 && ctx.seed != 0 { fail \"not now\" } else { ({ n: state.n + n }, Ok) }\n\
    on Get => (state, Is(state.n))\n";

#[test]
fn an_input_that_traps_after_the_switch_undoes_it_and_what_was_applied_before_it() {
    let one = make("1.0.0", &[("stock/count", COUNT)], None, &[]);
    let applies = vec![
        apply("stock/count", "a", &adding(10), Some(&adding(-10))),
        apply("stock/count", "b", &adding(-1), Some(&adding(1000))),
    ];
    let said = Transition { applies, ..Transition::default() };
    let fickle = FICKLE.replace("Input = Add { n: Int }", "Input = Add { n: Int } | Limit { n: Int }");
    let fickle = fickle.replace("on Get", "on Limit { n } => (state, Ok)\non Get");
    let two = make_said("2.0.0", &[("stock/count", &fickle)], Some(&one), &[], said);
    let (world, journal, mut node) = node("stock/count", two, one);
    let trial = node.try_out("2.0.0").expect("a trial");
    assert!(trial.passed, "{:?}", trial.failures);
    match node.upgrade("2.0.0") {
        Err(NodeError::Refused(problem)) => {
            assert_eq!(problem.code, "undone");
            assert_eq!(
                problem.detail,
                "2.0.0 is undone: stock/count/b: the input that is applied traps (fail): failed: not now"
            );
        }
        other => panic!("{other:?}"),
    }
    for _ in 0..2 {
        assert_eq!(node.running(), "1.0.0");
        assert_eq!(get(&mut node, "stock/count/a"), "{\"Is\":3}", "what was applied is undone");
        assert_eq!(get(&mut node, "stock/count/b"), "{\"Is\":4}", "what was not applied is not");
        drop(node);
        node = world.open(journal.clone(), 0).expect("open");
        node.node.save_snapshot().expect("snapshot");
    }
}
