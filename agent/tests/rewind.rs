//! Where the way down is not defined for a state, the release before does over again what the instance did since
//! the switch; it is held when something else comes of it.

mod common;

use camshaft_agent::api::{RollbackCounts, TryFailure};
use camshaft_agent::engine::{REWIND_BYTES_MAX, REWIND_INPUTS_MAX};
use camshaft_agent::node::Holding;
use camshaft_agent::replay::{ReplayError, replay};
use camshaft_manifests::app::{After, OnTrap, Supervision};
use camshaft_manifests::transition::Transition;
use camshaft_store::{Journal as _, MemoryJournal, Redrive, RewindSnapshot, Saved};
use common::{Made, TestNode, World, client, make, make_said, refusal};

const OLD: &str = "machine count keyed Text\n\
    type Note = Note(Int)\n\
    type State = Int\n\
    type Input = Add(Int) | Tell(Int) | Say(Text) | Wait(Text) | Now | Quit | Get | internal Rang { name: Text }\n\
    type Output = Ok | Is(Int)\n\
    channel book = shop/book(Note)\n\
    init = 0\n\
    on Add(n) => if n == 13 { fail \"thirteen\" } else { (state + n, Ok) }\n\
    on Tell(n) { send book Note(n); (state + n, Ok) }\n\
    on Say(text) { log \"{text}\"; (state + 1, Ok) }\n\
    on Wait(name) { timer name after 1s => Rang { name }; (state + 1, Ok) }\n\
    on Now => (ctx.now + ctx.seq + ctx.seed % 7, Is(ctx.seq))\n\
    on Quit { stop; (state, Ok) }\n\
    on Get => (state, Is(state))\n\
    on Rang { name } { log \"{name}\"; state + 100 }\n";

/// It counts what was added; with other ends for some inputs.
const NEW: &str = "machine count keyed Text\n\
    type Note = Note(Int)\n\
    type State = { sum: Int, adds: Int }\n\
    type Input = Add(Int) | Tell(Int) | Say(Text) | Wait(Text) | Now | Quit | Get | internal Rang { name: Text, loud: Bool = false } | Double\n\
    type Output = Ok | Is(Int) | Twice(Int)\n\
    channel book = shop/book(Note)\n\
    init = { sum: 0, adds: 0 }\n\
    on Add(n) => if n == 14 { fail \"fourteen\" } else { (more(state, n), if n == 50 { Is(n) } else { Ok }) }\n\
    on Tell(n) { send book Note(if n == 50 { 51 } else { n }); if n == 60 { send book Note(n) }; (more(state, n), Ok) }\n\
    on Say(text) { log if text == \"quiet\" { \"\" } else { text }; (more(state, 1), Ok) }\n\
    on Wait(name) { timer name after (if name == \"late\" { 2s } else { 1s }) => Rang { name, loud: name == \"loud\" }; (more(state, 1), Ok) }\n\
    on Now => (more({ ..state, sum: 0 }, ctx.now + ctx.seq + ctx.seed % 7), Is(ctx.seq))\n\
    on Quit { stop; (state, Ok) }\n\
    on Get => (state, Is(state.sum))\n\
    on Rang { name, loud } { log name; more(state, 100) }\n\
    on Double => (more(state, state.sum), Twice(state.sum))\n\
    fn more(state: State, n: Int) -> State = { sum: state.sum + n, adds: state.adds + 1 }\n";

const UP: &str = "migration count from \"1.0.0\"\n\
    up (old) = { sum: old, adds: 0 }\n\
    down (new) = if new.adds > 0 { fail \"it was written\" } else { new.sum }\n\
    unlift Rang { name, loud } => if loud { fail \"too loud\" } else { Rang { name } }\n\
    unlift Double => fail \"no doubling\"\n\
    lower Twice(n) => Is(n)\n";

const BOOK: &str = "machine book\n\
    type Input = Note(Int) | Sum\n\
    type Output = Ok | Is(Int)\n\
    type State = Int\n\
    init = 0\n\
    on Note(n) => (state + n, Ok)\n\
    on Sum => (state, Is(state))\n";

fn made() -> [Made; 2] {
    let one = make("1.0.0", &[("shop/book", BOOK), ("shop/count", OLD)], None, &[]);
    let two = make("2.0.0", &[("shop/book", BOOK), ("shop/count", NEW)], Some(&one), &[("shop/count", UP)]);
    [one, two]
}

fn world() -> World {
    World::of(made())
}

/// Gives the input of a failed rewind to the older release elsewhere, and expects that it differs in the same way.
fn seen_again(failure: &TryFailure) {
    let json = serde_json::to_string(failure).expect("JSON");
    let failure: TryFailure = serde_json::from_str(&json).expect("a failure");
    let releases = made().map(|made| made.opened());
    let seen = replay(&failure, &releases).unwrap_or_else(|error| panic!("{error}: {failure:?}"));
    assert!(seen.reproduces(&failure) && seen.same_value && seen.fuel > 0, "{seen:?}: {failure:?}");
    assert_eq!(failure.capsule.fuel, Some(seen.fuel));
    // What was told of the newer release is held against it, too.
    let mut other = failure.clone();
    let was = &mut other.capsule.rewind.as_mut().expect("it has what the older release was given").was;
    (was.trapped, was.answer) = (Some(("fail".to_owned(), "failed: else".to_owned())), None);
    if failure.kind != "input" {
        assert!(!replay(&other, &releases).expect("it runs").reproduces(&failure));
    }
    assert!(matches!(replay(&failure, &releases[1..]), Err(ReplayError::NoMachine(_))));
}

/// Of what was not kept there is nothing to do again but the way down, which fails in the same way elsewhere.
fn not_going_down_is_seen_again(node: &mut TestNode, why: &str) {
    let plan = node.node.plan_rollback().expect("a plan");
    let report = node.node.try_all(plan).expect("a trial").report();
    node.node.end_trial().expect("it ends");
    let failure = &report.failures[0];
    assert_eq!((failure.step.as_str(), failure.reason.as_str()), ("rewind", why));
    let releases = made().map(|made| made.opened());
    let seen = replay(failure, &releases).expect("it runs");
    assert!(seen.reproduces(failure) && seen.same_value && seen.fuel > 0, "{seen:?}: {failure:?}");
    assert_eq!(failure.capsule.fuel, Some(seen.fuel));
    let mut other = failure.clone();
    other.capsule.value = other.capsule.value.replace("\"adds\":", "\"adds\":-");
    assert!(!replay(&other, &releases).expect("it runs").reproduces(failure), "{other:?}");
}

/// A node on 1.0.0, where `a` has 5.
fn node(journal: &MemoryJournal) -> TestNode {
    let mut node = world().open(journal.clone(), 1_000).expect("open");
    node.install("1.0.0").expect("install");
    assert_eq!(node.send("shop/count/a", "{\"Add\":5}"), "\"Ok\"");
    node
}

/// The same, on 2.0.0, which is provisional.
fn upgraded(journal: &MemoryJournal) -> TestNode {
    let mut node = node(journal);
    node.upgrade("2.0.0").expect("upgrade");
    node
}

fn get(node: &mut TestNode, key: &str) -> String {
    node.send(&format!("shop/count/{key}"), "\"Get\"")
}

fn counts(node: &mut TestNode) -> RollbackCounts {
    node.rollback(Holding::Refuse).expect("rollback").rollback.expect("counts")
}

/// Rolls back and expects that an instance would be held, for this reason.
fn refused(node: &mut TestNode) -> String {
    let (code, detail) = refusal(node.rollback(Holding::Refuse));
    assert_eq!(code, "would-hold");
    detail
}

fn again(journal: &MemoryJournal, node: TestNode) -> TestNode {
    let now_ms = node.now_ms;
    drop(node);
    world().open(journal.clone(), now_ms).expect("open")
}

/// Returns what the newest state snapshot has of an instance for a rewind.
fn saved(journal: &MemoryJournal, node: &mut TestNode, key: &str) -> Option<RewindSnapshot> {
    node.node.save_snapshot().expect("a snapshot");
    let address = format!("shop/count/{key}");
    let mut found = None;
    let mut visit = |_: u16, bytes: &[u8]| {
        match Saved::read(bytes).expect("an entry") {
            Saved::Instance(instance) if instance.address == address => found = instance.rewind,
            _ => {}
        }
        Ok(())
    };
    journal.snapshot(&mut visit).expect("it is there");
    found
}

#[test]
fn what_gave_the_same_answers_is_done_over_again() {
    // At once, and over restarts: from the log, and from a state snapshot.
    for restarts in 0..3 {
        let journal = MemoryJournal::default();
        let mut node = upgraded(&journal);
        assert_eq!(node.send("shop/count/a", "{\"Add\":4}"), "\"Ok\"");
        assert_eq!(node.send_as("shop/count/a", "{\"Tell\":3}", client("zoe", 1)), "\"Ok\"");
        assert_eq!(node.send("shop/count/a", "{\"Say\":\"hello\"}"), "\"Ok\"");
        assert_eq!(node.send("shop/count/a", "{\"Wait\":\"soon\"}"), "\"Ok\"");
        for restart in 0..restarts {
            if restart == 1 {
                node.node.save_snapshot().expect("a snapshot");
            }
            node = again(&journal, node);
        }
        assert_eq!(get(&mut node, "a"), "{\"Is\":14}");
        let counts = counts(&mut node);
        assert_eq!((counts.rewound, counts.down, counts.held, counts.parked), (1, 0, 0, 0), "{restarts}");
        for _ in 0..2 {
            assert_eq!(get(&mut node, "a"), "{\"Is\":14}");
            assert_eq!(node.send("shop/book", "\"Sum\""), "{\"Is\":3}", "nothing is sent again");
            let again_told = node.send_as("shop/count/a", "{\"Tell\":3}", client("zoe", 1));
            assert_eq!(again_told, "\"Ok\" again");
            node = again(&journal, node);
        }
        // The timer that waited is one of the older release.
        node.advance(1_000);
        assert_eq!(get(&mut node, "a"), "{\"Is\":114}");
    }
}

#[test]
fn a_step_sees_again_what_it_saw() {
    let journal = MemoryJournal::default();
    let mut node = upgraded(&journal);
    node.advance(77);
    let told = node.send("shop/count/a", "\"Now\"");
    assert_eq!(told, "{\"Is\":2}");
    let is = get(&mut node, "a");
    node.advance(5_000);
    assert_eq!(counts(&mut node).rewound, 1);
    assert_eq!(get(&mut node, "a"), is);
}

#[test]
fn an_instance_that_was_born_since_is_born_over_again() {
    let journal = MemoryJournal::default();
    let mut node = upgraded(&journal);
    node.send("shop/count/b", "{\"Add\":4}");
    // This one ended, and the one that is there now has nothing to do with what it did.
    node.send("shop/count/a", "{\"Add\":50}");
    node.send("shop/count/a", "\"Quit\"");
    node.send("shop/count/a", "{\"Add\":9}");
    // And this one is nothing any more.
    node.send("shop/count/c", "{\"Add\":1}");
    node.send("shop/count/c", "\"Quit\"");
    let counts = counts(&mut node);
    assert_eq!((counts.rewound, counts.held), (2, 0));
    for (key, is) in [("a", 9), ("b", 4), ("c", 0)] {
        assert_eq!(get(&mut node, key), format!("{{\"Is\":{is}}}"));
    }
}

#[test]
fn what_comes_out_otherwise_holds_and_says_which_input_and_what() {
    let it = "shop/count/a: rewind: failed: it was written; and it cannot be rewound: input";
    for (input, why) in [
        ("{\"Add\":50}", "was answered {\"Is\":50}, and would be answered \"Ok\" in the older release"),
        ("{\"Add\":13}", "was applied, and would end in \"failed: thirteen\" in the older release"),
        ("{\"Tell\":50}", "came to a message on `book` to shop/book, which is another in the older release"),
        ("{\"Tell\":60}", "came to a message on `book` to shop/book, where the older release has nothing"),
        ("{\"Say\":\"quiet\"}", "came to a line for the log, which is another in the older release"),
        ("{\"Wait\":\"late\"}", "came to timer `late`, which is another in the older release"),
        (
            "{\"Wait\":\"loud\"}",
            "came to timer `loud`, which has no form in the older release: failed: too loud",
        ),
        ("\"Double\"", "has no form in the older release: failed: no doubling"),
    ] {
        let journal = MemoryJournal::default();
        let mut node = upgraded(&journal);
        node.send("shop/count/a", "{\"Add\":1}");
        node.send("shop/count/a", input);
        node.send("shop/count/a", "{\"Add\":2}");
        let expected = format!("{it} 3 {why}");
        assert_eq!(refused(&mut node), expected);
        // Nothing was changed by that, and what is held by force says why.
        assert_eq!(node.running(), "2.0.0");
        let report = node.rollback(Holding::Hold).expect("rollback");
        let counts = report.rollback.expect("counts");
        assert_eq!((counts.rewound, counts.held), (0, 1), "{input}");
        let failure = &report.trial.map(|trial| trial.failures).unwrap_or_default();
        let [failure] = &failure[..] else { panic!("{failure:?}") };
        assert_eq!((failure.step.as_str(), failure.capsule.seq), ("rewind", 3));
        assert_eq!(failure.capsule.value, input, "the capsule has the input");
        seen_again(failure);
        let reason = expected.strip_prefix("shop/count/a: rewind: ").expect("it begins so");
        assert_eq!(get(&mut node, "a"), format!("refused: shop/count/a is held: {reason}"));
        // The newer release wakes it with all that it has.
        node.upgrade("2.0.0").expect("upgrade");
        assert!(get(&mut node, "a").starts_with("{\"Is\":"), "{input}");
    }
}

#[test]
fn a_trap_has_to_be_the_same() {
    let journal = MemoryJournal::default();
    let mut node = upgraded(&journal);
    node.send("shop/count/a", "{\"Add\":1}");
    // Both releases overflow; one with a name is recorded.
    let most = "{\"Add\":9223372036854775807}";
    assert_eq!(node.send_as("shop/count/a", most, client("zoe", 1)), "trap overflow: integer overflow");
    assert_eq!(counts(&mut node).rewound, 1);
    assert_eq!(get(&mut node, "a"), "{\"Is\":6}");

    node.upgrade("2.0.0").expect("upgrade");
    node.send("shop/count/a", "{\"Add\":1}");
    assert_eq!(node.send_as("shop/count/a", "{\"Add\":14}", client("zoe", 2)), "trap fail: failed: fourteen");
    let why = "input 5 ended in \"failed: fourteen\", and would be applied in the older release";
    assert!(refused(&mut node).ends_with(why));
}

#[test]
fn what_waited_since_before_the_switch_is_done_as_it_was() {
    let journal = MemoryJournal::default();
    let mut node = node(&journal);
    node.send("shop/count/a", "{\"Wait\":\"soon\"}");
    node.upgrade("2.0.0").expect("upgrade");
    node.advance(1_000);
    assert_eq!(get(&mut node, "a"), "{\"Is\":106}");
    assert!(matches!(
        saved(&journal, &mut node, "a"),
        Some(RewindSnapshot::Kept { inputs, .. }) if inputs.len() == 1 && inputs[0].older
    ));
    let mut node = again(&journal, node);
    assert_eq!(counts(&mut node).rewound, 1);
    assert_eq!(get(&mut node, "a"), "{\"Is\":106}");
}

#[test]
fn beyond_its_bounds_what_is_kept_is_let_go() {
    let adds = |node: &mut TestNode, count: usize| {
        for _ in 0..count {
            node.post("shop/count/a", "{\"Add\":1}", None);
        }
        node.settle();
    };
    let journal = MemoryJournal::default();
    let mut node = upgraded(&journal);
    adds(&mut node, REWIND_INPUTS_MAX);
    let Some(RewindSnapshot::Kept { inputs, .. }) = saved(&journal, &mut node, "a") else {
        panic!("it is kept")
    };
    assert_eq!(inputs.len(), REWIND_INPUTS_MAX);
    adds(&mut node, 1);
    let why = "failed: it was written; and it cannot be rewound: it took more than 256 inputs since the switch, \
               which are not kept";
    for _ in 0..2 {
        assert_eq!(refused(&mut node), format!("shop/count/a: rewind: {why}"));
        not_going_down_is_seen_again(&mut node, why);
        assert!(matches!(saved(&journal, &mut node, "a"), Some(RewindSnapshot::LetGo(_))));
        node = again(&journal, node);
    }

    let journal = MemoryJournal::default();
    let mut node = upgraded(&journal);
    let long = format!("{{\"Say\":\"{}\"}}", "x".repeat(REWIND_BYTES_MAX / 4));
    node.send("shop/count/a", &long);
    assert!(matches!(saved(&journal, &mut node, "a"), Some(RewindSnapshot::Kept { .. })));
    node.send("shop/count/a", &long);
    let why = "its inputs and answers since the switch take more than 32 KiB, and are not kept";
    assert!(refused(&mut node).ends_with(why));
}

#[test]
fn an_edge_whose_way_down_cannot_fail_keeps_nothing() {
    let sure = UP.replace("if new.adds > 0 { fail \"it was written\" } else { new.sum }", "new.sum");
    let one = make("1.0.0", &[("shop/book", BOOK), ("shop/count", OLD)], None, &[]);
    let with = |up: &str| {
        let machines = [("shop/book", BOOK), ("shop/count", NEW)];
        World::of([one.clone(), make("2.0.0", &machines, Some(&one), &[("shop/count", up)])])
    };
    for (up, keeps) in [(sure.as_str(), false), (UP, true)] {
        let journal = MemoryJournal::default();
        let mut node = with(up).open(journal.clone(), 0).expect("open");
        node.install("1.0.0").expect("install");
        node.upgrade("2.0.0").expect("upgrade");
        node.send("shop/count/a", "{\"Add\":5}");
        assert_eq!(saved(&journal, &mut node, "a").is_some(), keeps);
    }
}

#[test]
fn once_the_release_is_permanent_nothing_is_kept() {
    let journal = MemoryJournal::default();
    let mut node = upgraded(&journal);
    node.send("shop/count/a", "{\"Add\":1}");
    assert!(saved(&journal, &mut node, "a").is_some());
    node.node.make_permanent(&node.asked()).expect("permanent");
    node.settle();
    assert_eq!(saved(&journal, &mut node, "a"), None);
    node.send("shop/count/a", "{\"Add\":1}");
    assert_eq!(saved(&journal, &mut node, "a"), None);
    for _ in 0..2 {
        assert_eq!(refused(&mut node), "shop/count/a: down: failed: it was written");
        node = again(&journal, node);
    }
}

/// The sweeper may come by long after the next upgrade.
#[test]
fn who_goes_back_late_is_rewound_as_at_once() {
    let journal = MemoryJournal::default();
    let mut node = upgraded(&journal);
    node.send("shop/count/a", "{\"Add\":1}");
    node.send("shop/count/b", "{\"Add\":2}");
    assert_eq!(counts(&mut node).rewound, 2);
    node.upgrade("2.0.0").expect("upgrade");
    node.node.make_permanent(&node.asked()).expect("permanent");
    assert_eq!(get(&mut node, "a"), "{\"Is\":6}");
    node.settle();
    assert_eq!(node.status().counts.behind, 0);
    for key in ["a", "b"] {
        assert!(get(&mut node, key).starts_with("{\"Is\":"), "{key}");
    }
    let mut node = again(&journal, node);
    assert_eq!(get(&mut node, "b"), "{\"Is\":2}");
}

#[test]
fn a_reset_ends_what_was_before_it() {
    let journal = MemoryJournal::default();
    let mut node = upgraded(&journal);
    for key in ["a", "b"] {
        node.send(&format!("shop/count/{key}"), "{\"Add\":50}");
    }
    let (asked, address) = (node.asked(), "shop/count/a".parse().expect("an address"));
    node.node.redrive(&asked, &address, Redrive::Reset).expect("it begins anew");
    node.send("shop/count/a", "{\"Add\":7}");
    let mut node = again(&journal, node);
    assert!(refused(&mut node).starts_with("shop/count/b: rewind: "), "the other one is as it was");
    let counts = node.rollback(Holding::Hold).expect("rollback").rollback.expect("counts");
    assert_eq!((counts.rewound, counts.held), (1, 1));
    assert_eq!(get(&mut node, "a"), "{\"Is\":7}");
}

/// The one instance of a machine without keys is born by its reset.
#[test]
fn who_was_born_by_a_reset_is_born_over_again() {
    let (old, new) = (OLD.replace(" keyed Text", ""), NEW.replace(" keyed Text", ""));
    let new = new.replace("init = { sum: 0, adds: 0 }", "init = { sum: 0, adds: 1 }");
    let one = make("1.0.0", &[("shop/book", BOOK), ("shop/count", &old)], None, &[]);
    let two = make("2.0.0", &[("shop/book", BOOK), ("shop/count", &new)], Some(&one), &[("shop/count", UP)]);
    let world = World::of([one, two]);
    let journal = MemoryJournal::default();
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.send("shop/count", "{\"Add\":3}");
    node.upgrade("2.0.0").expect("upgrade");
    let (asked, address) = (node.asked(), "shop/count".parse().expect("an address"));
    node.node.redrive(&asked, &address, Redrive::Reset).expect("it begins anew");
    drop(node);
    let mut node = world.open(journal, 0).expect("open");
    assert_eq!(counts(&mut node).rewound, 1);
    assert_eq!(node.send("shop/count", "\"Get\""), "{\"Is\":0}");
}

#[test]
fn who_was_held_and_let_go_on_is_rewound_with_the_trap_that_held_it() {
    let supervision = || Supervision {
        machines: [("count".parse().expect("a name"), OnTrap::Hold(After::First))].into(),
        ..Supervision::default()
    };
    let one = make("1.0.0", &[("shop/book", BOOK), ("shop/count", OLD)], None, &[]);
    let one = one.looked_after("shop", supervision());
    let two = make("2.0.0", &[("shop/book", BOOK), ("shop/count", NEW)], Some(&one), &[("shop/count", UP)]);
    let world = World::of([one, two.looked_after("shop", supervision())]);
    let journal = MemoryJournal::default();
    let mut node = world.open(journal.clone(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.upgrade("2.0.0").expect("upgrade");
    for key in ["a", "b"] {
        let address = format!("shop/count/{key}");
        node.send(&address, "{\"Add\":1}");
        let most = "{\"Add\":9223372036854775807}";
        assert_eq!(node.send_as(&address, most, client("zoe", 1)), "trap overflow: integer overflow");
        assert!(node.send(&address, "{\"Add\":1}").contains("is held"), "{key}");
    }
    let (asked, address) = (node.asked(), "shop/count/a".parse().expect("an address"));
    node.node.redrive(&asked, &address, Redrive::Released).expect("it goes on");
    node.send("shop/count/a", "{\"Add\":4}");
    drop(node);
    let mut node = world.open(journal, 0).expect("open");
    let counts = counts(&mut node);
    assert_eq!((counts.rewound, counts.held), (1, 0), "who was held before is not held by this");
    assert_eq!(get(&mut node, "a"), "{\"Is\":5}");
    assert!(get(&mut node, "b").contains("is held"));
}

#[test]
fn messages_go_by_the_names_that_the_older_release_has() {
    let one = make("1.0.0", &[("shop/book", BOOK), ("shop/count", OLD)], None, &[]);
    let said = Transition {
        renamed_apps: [("store".parse().expect("a name"), "shop".parse().expect("a name"))].into(),
        ..Transition::default()
    };
    let new = NEW.replace("shop/book", "store/book");
    let machines = [("store/book", BOOK), ("store/count", new.as_str())];
    let two = make_said("2.0.0", &machines, Some(&one), &[("store/count", UP)], said);
    let world = World::of([one, two]);
    let mut node = world.open(MemoryJournal::default(), 0).expect("open");
    node.install("1.0.0").expect("install");
    node.upgrade("2.0.0").expect("upgrade");
    node.send("store/count/a", "{\"Tell\":3}");
    assert_eq!(counts(&mut node).rewound, 1);
    assert_eq!(get(&mut node, "a"), "{\"Is\":3}");
}

/// Random inputs, upgrades and ways back on one node; one that never leaves 1.0.0 gets the same inputs.
#[test]
fn who_is_rewound_is_as_if_there_had_been_no_upgrade() {
    const INPUTS: [(&str, bool); 9] = [
        ("{\"Add\":3}", true),
        ("{\"Add\":8}", true),
        ("{\"Tell\":2}", true),
        ("{\"Say\":\"x\"}", true),
        ("{\"Wait\":\"soon\"}", true),
        ("\"Quit\"", true),
        ("\"Get\"", true),
        ("{\"Add\":50}", false),
        ("\"Double\"", false),
    ];
    let (mut rewound, mut held) = (0, 0);
    for seed in 1..=30_u64 {
        let mut bits = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut draw = |of: u64| {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            bits % of
        };
        let journal = MemoryJournal::default();
        let mut node = world().open(journal.clone(), 0).expect("open");
        let mut plain = world().open(MemoryJournal::default(), 0).expect("open");
        for node in [&mut node, &mut plain] {
            node.install("1.0.0").expect("install");
        }
        for _ in 0..4 {
            node.upgrade("2.0.0").expect("upgrade");
            // Which instances had something that ends otherwise, and lived on with it.
            let mut differs = [false; 3];
            for _ in 0..draw(12) {
                let which = draw(3);
                let key = ["a", "b", "c"][usize::try_from(which).expect("it is small")];
                // What differs is rare.
                let most = if draw(4) == 0 { INPUTS.len() } else { INPUTS.len() - 2 };
                let (input, same) = INPUTS[usize::try_from(draw(most as u64)).expect("it is small")];
                let address = format!("shop/count/{key}");
                let told = node.send(&address, input);
                let flag = &mut differs[usize::try_from(which).expect("it is small")];
                *flag = (*flag || !same) && input != "\"Quit\"";
                match input {
                    "\"Double\"" => {}
                    _ => {
                        let plainly = plain.send(&address, input);
                        assert!(told == plainly || differs.contains(&true), "{told} {plainly}");
                    }
                }
                if draw(8) == 0 {
                    node.node.save_snapshot().expect("a snapshot");
                    node = again(&journal, node);
                }
                for node in [&mut node, &mut plain] {
                    node.advance(300);
                }
            }
            if differs.contains(&true) {
                let (code, _) = refusal(node.rollback(Holding::Refuse));
                assert_eq!(code, "would-hold", "seed {seed}");
                held += 1;
                break;
            }
            let counts = counts(&mut node);
            rewound += counts.rewound;
            assert_eq!(counts.held, 0, "seed {seed}");
            for key in ["a", "b", "c"] {
                assert_eq!(get(&mut node, key), get(&mut plain, key), "seed {seed}, {key}");
            }
        }
    }
    assert!(rewound > 50 && held > 5, "{rewound} and {held}");
}
