//! Clients of older versions: what they send is lifted and what they get is lowered, or nothing
//! is done at all.

mod common;

use camshaft_agent::api::ReleaseState;
use camshaft_agent::node::Holding;
use camshaft_store::{Aside, MemoryJournal, Record};
use common::{Made, TILL_1, TILL_2, TILL_UP, TestNode, World, client, make, refusal};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

const TILL_3: &str = "machine till keyed Text
type State = { sum: Int, adds: Int }
type Input = Add { count: Int, note: Text = \"\" } | Set(Int) | Sum
type Output = Ok | Total { sum: Int, adds: Int, more: Int = 5 }
init = { sum: 0, adds: 0 }
on Add { count, note } => ({ sum: state.sum + count, adds: state.adds + 1 }, Ok)
on Set(sum) => ({ ..state, sum }, Ok)
on Sum => (state, Total { sum: state.sum, adds: state.adds })
";

const CLOCK: &str = "machine clock
type State = Int
type Input = Tick | Tock
type Output = Ok | No
init = 0
on Tick => (state + 1, Ok)
on Tock => (state, No)
";

fn one() -> Made {
    make("1.0.0", &[("shop/till", TILL_1)], None, &[])
}

fn two() -> Made {
    make("2.0.0", &[("shop/till", TILL_2), ("shop/clock", CLOCK)], Some(&one()), &[("shop/till", TILL_UP)])
}

/// 3.0.0 comes from 2.0.0 alone, so that it does not speak 1.0.0.
fn world() -> World {
    let machines = [("shop/till", TILL_3), ("shop/clock", CLOCK)];
    let three = make("3.0.0", &machines, Some(&two()), &[]).speaking("3.0.0");
    let moved = make("2.1.0", &[("shop/till", TILL_2)], Some(&one()), &[("shop/till", TILL_UP)]);
    World::of([one(), two(), three, moved.speaking("2.1.0")])
}

/// A node that runs a version, which clients of 1.0.0 may speak to.
fn upgraded(version: &str) -> (MemoryJournal, TestNode) {
    let disk = MemoryJournal::default();
    let mut node = world().open(disk.clone(), 0).expect("an empty journal opens");
    node.install("1.0.0").expect("install");
    if version != "1.0.0" {
        node.upgrade(version).expect("upgrade");
    }
    (disk, node)
}

/// What an old client could have changed: records, instances, everything but the counts of clients.
fn traces(disk: &MemoryJournal, node: &mut TestNode) -> String {
    let mut records: Vec<Record> = disk.records().expect("it reads");
    records.retain(|record| !matches!(record, Record::Aside(Aside::Clients(_))));
    format!("{records:?} {:?} {:?}", node.instances(None, 100), node.status().counts)
}

#[test]
fn an_old_client_sends_and_gets_its_own_types() {
    let (_, mut node) = upgraded("2.0.0");
    assert_eq!(node.speak("1.0.0", "shop/till/a", "{\"Add\":{\"count\":3}}", None), "\"Ok\"");
    assert_eq!(node.speak("1.0.0", "shop/till/a", "\"Sum\"", None), "{\"Sum\":3}");
    assert_eq!(node.speak("2.0.0", "shop/till/a", "\"Sum\"", None), "{\"Total\":{\"sum\":3,\"adds\":1}}");
    assert_eq!(node.send("shop/till/a", "\"Sum\""), "{\"Total\":{\"sum\":3,\"adds\":1}}", "what runs");
    assert_eq!(node.speak("", "shop/till/a", "\"Sum\"", None), "{\"Sum\":3}", "nobody moved the default");
    node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(node.speak("1.0.0", "shop/till/a", "\"Sum\"", None), "{\"Sum\":3}");
    assert_eq!(node.speak("", "shop/till/a", "\"Sum\"", None), "{\"Sum\":3}");
    let gone = node.speak("2.0.0", "shop/till/a", "\"Sum\"", None);
    assert_eq!(gone, "refused: the running release does not speak 2.0.0; it speaks 1.0.0");
}

#[test]
fn a_release_that_could_not_understand_its_predecessor_is_none() {
    let error = two().without_edges().try_release().expect_err("no edge");
    assert_eq!(error.to_string(), "shop/till is another machine than in 1.0.0, and there is no edge from it");
}

#[test]
fn a_moved_default_is_that_of_the_release_and_goes_back_with_it() {
    let (_, mut node) = upgraded("2.1.0");
    assert_eq!(node.speak("", "shop/till/a", "\"Sum\"", None), "{\"Total\":{\"sum\":0,\"adds\":0}}");
    assert_eq!(node.speak("1.0.0", "shop/till/a", "\"Sum\"", None), "{\"Sum\":0}");
    assert_eq!(node.status().api_default.as_deref(), Some("2.1.0"));
    node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(node.speak("", "shop/till/a", "\"Sum\"", None), "{\"Sum\":0}");
    assert_eq!(node.status().api_default.as_deref(), Some("1.0.0"));
}

#[test]
fn the_journal_has_the_input_that_was_lifted_and_a_replay_comes_to_the_same() {
    let (disk, mut node) = upgraded("2.0.0");
    node.speak("1.0.0", "shop/till/a", "{\"Add\":{\"count\":3}}", client("c", 1));
    node.speak("1.0.0", "shop/till/a", "{\"Set\":7}", client("c", 2));
    let before = format!("{:?}", node.instances(None, 100));
    drop(node);
    let mut node = world().open(disk, 0).expect("it opens");
    assert_eq!(format!("{:?}", node.instances(None, 100)), before);
    let again = node.speak("1.0.0", "shop/till/a", "{\"Set\":7}", client("c", 2));
    assert_eq!(again, "{\"Sum\":7} again");
    let again = node.speak("2.0.0", "shop/till/a", "{\"Set\":7}", client("c", 2));
    assert_eq!(again, "{\"Total\":{\"sum\":7,\"adds\":1}} again", "in what the client speaks now");
}

#[test]
fn what_is_refused_leaves_nothing_behind() {
    let (disk, mut node) = upgraded("2.0.0");
    node.speak("2.0.0", "shop/till/a", "{\"Set\":1000}", None);
    let before = traces(&disk, &mut node);
    let cases = [
        // The step would be done; its answer has no counterpart.
        (
            "1.0.0",
            "shop/till/a",
            "{\"Set\":2000}",
            "the answer has no counterpart in 1.0.0: failed: too large for a sum; the input was not applied",
        ),
        // Neither state nor answer, of an instance that is not there either.
        (
            "1.0.0",
            "shop/till/new",
            "{\"Set\":2000}",
            "the answer has no counterpart in 1.0.0: failed: too large for a sum; the input was not applied",
        ),
        // A step that would change nothing.
        (
            "1.0.0",
            "shop/till/a",
            "\"Sum\"",
            "the answer has no counterpart in 1.0.0: failed: too large for a sum; the input was not applied",
        ),
        (
            "1.0.0",
            "shop/till/a",
            "{\"Add\":{\"count\":101}}",
            "this input of 1.0.0 has no counterpart in the running release: failed: too many",
        ),
        (
            "1.0.0",
            "shop/till/a",
            "{\"Add\":{\"count\":1,\"note\":\"n\"}}",
            "$.Add: there is no field \"note\" (in the types of 1.0.0)",
        ),
        (
            "1.0.0",
            "shop/clock",
            "\"Tick\"",
            "release 1.0.0, which this client speaks, has no machine shop/clock",
        ),
        (
            "0.9.0",
            "shop/till/a",
            "\"Sum\"",
            "the running release does not speak 0.9.0; it speaks 1.0.0, 2.0.0",
        ),
        ("one", "shop/till/a", "\"Sum\"", "the running release does not speak one; it speaks 1.0.0, 2.0.0"),
    ];
    for identity in [None, client("c", 1)] {
        for (version, address, json, reason) in &cases {
            let answer = node.speak(version, address, json, identity.clone());
            assert_eq!(answer, format!("refused: {reason}"), "{version} {json}");
            assert_eq!(traces(&disk, &mut node), before, "{version} {json}");
        }
    }
    let number = node.speak("1.0.0", "shop/till/a", "{\"Set\":1}", client("c", 1));
    assert_eq!(number, "{\"Sum\":1}", "the identity was not used up");
}

#[test]
fn a_repeated_request_is_answered_in_what_the_client_speaks_after_an_upgrade() {
    let (disk, mut node) = upgraded("1.0.0");
    node.speak("1.0.0", "shop/till/a", "{\"Add\":{\"count\":3}}", None);
    assert_eq!(node.speak("1.0.0", "shop/till/a", "\"Sum\"", client("c", 1)), "{\"Sum\":3}");
    node.upgrade("2.0.0").expect("upgrade");
    let same = |node: &mut TestNode| {
        assert_eq!(node.speak("1.0.0", "shop/till/a", "\"Sum\"", client("c", 1)), "{\"Sum\":3} again");
        let raised = node.speak("2.0.0", "shop/till/a", "\"Sum\"", client("c", 1));
        assert_eq!(raised, "{\"Total\":{\"sum\":3,\"adds\":0}} again");
        let other = node.speak("2.0.0", "shop/till/a", "{\"Set\":1}", client("c", 1));
        assert_eq!(other, "refused: another input was sent under the same identity before");
    };
    same(&mut node);
    node.node.save_snapshot().expect("saved");
    drop(node);
    same(&mut world().open(disk, 0).expect("it opens"));
}

#[test]
fn a_repeated_request_is_answered_in_what_the_client_speaks_after_a_rollback() {
    let (disk, mut node) = upgraded("2.0.0");
    let sent = [
        ("{\"Set\":7}", "{\"Total\":{\"sum\":7,\"adds\":0}}"),
        ("{\"Set\":2000}", "{\"Total\":{\"sum\":2000,\"adds\":0}}"),
    ];
    for (number, (json, answer)) in (1..).zip(sent) {
        assert_eq!(node.speak("2.0.0", "shop/till/a", json, client("c", number)), answer);
    }
    node.rollback(Holding::Refuse).expect("rollback");
    let same = |node: &mut TestNode| {
        assert_eq!(node.speak("1.0.0", "shop/till/a", "{\"Set\":7}", client("c", 1)), "{\"Sum\":7} again");
        let untold = node.speak("1.0.0", "shop/till/a", "{\"Set\":2000}", client("c", 2));
        let reason = "the input was applied before, and its answer cannot be told in 1.0.0: failed: too large for a sum";
        assert_eq!(untold, format!("refused: {reason}"));
    };
    same(&mut node);
    // From the records, then from a snapshot: both know which release was left.
    drop(node);
    let mut node = world().open(disk.clone(), 0).expect("it opens");
    same(&mut node);
    node.node.save_snapshot().expect("saved");
    drop(node);
    same(&mut world().open(disk, 0).expect("it opens"));
}

#[test]
fn an_answer_of_two_releases_ago_is_told_only_where_it_needs_no_edge() {
    let (_, mut node) = upgraded("1.0.0");
    assert_eq!(node.speak("", "shop/till/a", "{\"Set\":4}", client("c", 1)), "\"Ok\"");
    assert_eq!(node.send("shop/till/a", "\"Sum\""), "{\"Sum\":4}");
    node.upgrade("2.0.0").expect("upgrade");
    node.node.make_permanent(&node.asked()).expect("permanent");
    assert_eq!(node.status().state, Some(ReleaseState::Permanent));
    node.upgrade_with("3.0.0", &["1.0.0"], |_| {}).expect("upgrade");
    let untold = node.speak("3.0.0", "shop/till/a", "{\"Set\":4}", client("c", 1));
    assert!(
        untold.contains("its answer cannot be told in 3.0.0: no edge leads here from machine "),
        "{untold}"
    );
    assert_eq!(node.send("shop/till/a", "\"Sum\""), "{\"Total\":{\"sum\":4,\"adds\":0,\"more\":5}}");
}

fn counted(node: &mut TestNode) -> Vec<(String, u64, i64)> {
    let clients = node.status().clients.into_iter();
    clients
        .map(|count| (format!("{} {}", count.app, count.speaks), count.requests, count.last_seen_ms))
        .collect()
}

#[test]
fn clients_are_counted_by_what_they_say_and_over_restarts() {
    let (disk, mut node) = upgraded("2.0.0");
    node.speak("1.0.0", "shop/till/a", "\"Sum\"", None);
    node.advance(5);
    node.speak("1.0.0", "shop/till/a", "nonsense", None);
    node.speak("", "shop/till/a", "\"Sum\"", None);
    node.send("shop/till/a", "\"Sum\"");
    // What nobody speaks, and what is not there, is not counted: anybody could make up more.
    node.speak("0.1.0", "shop/till/a", "\"Sum\"", None);
    node.speak("1.0.0", "shoe/till/a", "\"Sum\"", None);
    let expected = [("shop untagged", 1, 5), ("shop running", 1, 5), ("shop 1.0.0", 2, 5)]
        .map(|(who, requests, last)| (who.to_owned(), requests, last));
    assert_eq!(counted(&mut node), expected);
    // Whoever is new is saved at once, the numbers of the others now and then.
    drop(node);
    let mut node = world().open(disk.clone(), 5).expect("it opens");
    assert_eq!(counted(&mut node), expected);
    node.speak("1.0.0", "shop/till/a", "\"Sum\"", None);
    drop(node);
    let mut node = world().open(disk.clone(), 5).expect("it opens");
    assert_eq!(counted(&mut node), expected, "a crash loses the last seconds");
    node.speak("1.0.0", "shop/till/a", "\"Sum\"", None);
    node.advance(10_000);
    drop(node);
    let mut node = world().open(disk, 5).expect("it opens");
    assert_eq!(counted(&mut node)[2], ("shop 1.0.0".to_owned(), 3, 5));
}

#[test]
fn an_upgrade_that_leaves_clients_behind_is_refused_until_they_are_gone() {
    for version in ["1.0.0", ""] {
        let (disk, mut node) = upgraded("2.0.0");
        node.speak(version, "shop/till/a", "\"Sum\"", None);
        node.speak("2.0.0", "shop/till/a", "\"Sum\"", None);
        node.send("shop/till/a", "\"Sum\"");
        node.node.make_permanent(&node.asked()).expect("permanent");
        let before = traces(&disk, &mut node);
        let tried = node.try_out("3.0.0").expect_err("refused");
        assert_eq!((tried.code.as_str(), tried.more["versions"].as_str()), ("clients-left-behind", "1.0.0"));
        assert_eq!(traces(&disk, &mut node), before);
        let who = if version.is_empty() { "untagged, which is 1.0.0" } else { "1.0.0" };
        assert_eq!(tried.notes, [format!("{who}: 1 request to shop, the last at 0 ms since 1970")]);
        let (code, detail) = refusal(node.upgrade("3.0.0"));
        assert_eq!(code, "clients-left-behind");
        assert!(
            detail.starts_with("test 3.0.0 does not speak 1.0.0, which clients spoke within"),
            "{detail}"
        );
        assert_eq!(node.running(), "2.0.0");
        node.advance(DAY_MS);
        assert_eq!(refusal(node.upgrade("3.0.0")).0, "clients-left-behind", "still within a day");
        node.advance(1);
        node.upgrade("3.0.0").expect("nobody is left behind");
        let history = node.node.history().entries;
        assert_eq!(history.last().map(|entry| entry.why.as_str()), Some(""));
    }
}

#[test]
fn clients_are_left_behind_when_that_is_asked_for_and_the_history_says_so() {
    let (disk, mut node) = upgraded("2.0.0");
    node.speak("1.0.0", "shop/till/a", "\"Sum\"", None);
    node.node.make_permanent(&node.asked()).expect("permanent");
    assert_eq!(refusal(node.upgrade_with("3.0.0", &["2.0.0"], |_| {})).0, "clients-left-behind");
    node.upgrade_with("3.0.0", &["1.0.0"], |_| {}).expect("upgrade");
    let why = "left behind: 1.0.0: 1 request to shop, the last at 0 ms since 1970";
    let last = |node: &TestNode| node.node.history().entries.last().map(|entry| entry.why.clone());
    assert_eq!(last(&mut node).as_deref(), Some(why));
    drop(node);
    let mut node = world().open(disk, 0).expect("it opens");
    assert_eq!(last(&mut node).as_deref(), Some(why));
    // The way back asks nobody, also not those of 3.0.0 that 2.0.0 does not know.
    node.speak("3.0.0", "shop/till/a", "\"Sum\"", None);
    node.rollback(Holding::Refuse).expect("rollback");
    assert_eq!(node.running(), "2.0.0");
}

#[test]
fn a_client_that_comes_while_an_upgrade_is_tried_is_not_left_behind_either() {
    let (_, mut node) = upgraded("2.0.0");
    node.node.make_permanent(&node.asked()).expect("permanent");
    let refused = node.upgrade_meanwhile("3.0.0", |node| {
        node.speak("1.0.0", "shop/till/a", "\"Sum\"", None);
    });
    assert_eq!(refusal(refused).0, "clients-left-behind");
    assert_eq!(node.running(), "2.0.0");
}
