//! A full disk: inputs are refused, reads are answered, what was admitted is done when there is room, and commands
//! say what is so.

mod common;

use std::sync::Arc;

use camshaft_agent::api::Changed;
use camshaft_agent::host::{Host, Input};
use camshaft_agent::node::NodeError;
use camshaft_agent::problem;
use camshaft_agent::speech::Says;
use camshaft_store::{FaultyDisk, FolderJournal, LogOptions, MemoryJournal};
use common::{COUNTER_1, TestNode, World, client, counters, make, refusal};

const FULL: &str = "refused: the disk of this node is full; what changes nothing is still answered";

/// A node with counters by key, in two shards.
fn keyed() -> World {
    let text = COUNTER_1.replace("machine counter\n", "machine counter keyed Text\n");
    World::of([make("1.0.0", &[("counter/counter", &text)], None, &[])])
}

/// Opens a node of the world, and counts once at two instances of different shards.
fn two_lanes(world: &World, disk: &MemoryJournal) -> (TestNode, String, String) {
    let mut node = world.open(disk.clone(), 0).expect("it opens");
    node.install("1.0.0").expect("it installs");
    let mine = "counter/counter/a".to_owned();
    let lane = |node: &mut TestNode, at: &str| node.node.look()[0].shard_of(&at.parse().expect("an address"));
    let first = lane(&mut node, &mine);
    let others = ('b'..='z').map(|key| format!("counter/counter/{key}"));
    let other = others.into_iter().find(|at| lane(&mut node, at) != first).expect("one of another shard");
    for at in [&mine, &other] {
        assert_eq!(node.send(at, "\"Incr\""), "\"Ok\"");
    }
    (node, mine, other)
}

#[test]
fn what_was_admitted_has_room_and_all_reads_are_answered() {
    let (world, disk) = (keyed(), MemoryJournal::default());
    let (mut node, mine, other) = two_lanes(&world, &disk);
    disk.set_room(Some(0));
    disk.set_reserve(1 << 10);
    let admitted = node.post(&mine, "\"Incr\"", client("a", 1));
    assert_eq!(node.send(&mine, "\"Read\""), "{\"Count\":2}", "it was admitted before, and is durable");
    assert!(admitted > 0 && node.status().disk_full);
    assert_eq!(node.send(&other, "\"Read\""), "{\"Count\":1}");
    assert_eq!(node.send(&mine, "\"Incr\""), FULL);
    assert_eq!(node.send_as(&mine, "\"Incr\"", client("a", 1)), "\"Ok\" again");
    drop(node);
    let mut node = world.open(disk.clone(), 0).expect("it opens");
    assert_eq!(node.send(&mine, "\"Read\""), "{\"Count\":2}", "what was answered is there");
}

#[test]
fn reads_are_answered_while_an_input_waits_for_room() {
    let (world, disk) = (keyed(), MemoryJournal::default());
    let (mut node, mine, other) = two_lanes(&world, &disk);
    disk.set_room(Some(0));
    assert_eq!(node.send_as(&mine, "\"Incr\"", client("a", 1)), "nothing", "it waits for room");
    assert_eq!(node.send(&other, "\"Read\""), "{\"Count\":1}", "another lane has nothing that waits");
    assert_eq!(node.send(&mine, "\"Read\""), FULL, "it would see what waits");
    assert_eq!(node.send_as(&mine, "\"Read\"", client("a", 1)), FULL, "so would this, of another content");
    assert_eq!(
        node.send_as(&mine, "\"Incr\"", client("a", 1)),
        "nothing",
        "it was not refused: it waits too"
    );
    disk.set_room(None);
    node.settle();
    let answers: Vec<String> =
        node.node.take_answers().iter().map(|(_, reply)| common::line(reply)).collect();
    assert_eq!(answers, ["\"Ok\"", "\"Ok\" again"]);
    assert_eq!(node.send(&mine, "\"Read\""), "{\"Count\":2}");
}

#[test]
fn an_input_that_waits_for_room_and_was_not_answered_may_be_lost() {
    let (world, disk) = (keyed(), MemoryJournal::default());
    let (mut node, mine, _) = two_lanes(&world, &disk);
    disk.set_room(Some(0));
    assert_eq!(node.send_as(&mine, "\"Incr\"", client("a", 1)), "nothing");
    drop(node);
    let mut node = world.open(disk.clone(), 0).expect("it opens");
    let (first, read) = (node.post(&mine, "\"Read\"", None), "{\"Count\":1}");
    let (input, seen) = (node.post(&mine, "\"Incr\"", None), node.post(&mine, "\"Read\"", None));
    node.settle();
    let answers: Vec<_> =
        node.node.take_answers().iter().map(|(id, reply)| (id.0, common::line(reply))).collect();
    // All in one group, of which the input waits: nobody was told that the first one is there.
    assert_eq!(answers, [(first, read.to_owned()), (seen, FULL.to_owned())], "{input} waits");
    drop(node);
    let mut node = world.open(disk.clone(), 0).expect("it opens");
    assert_eq!(node.send(&mine, "\"Read\""), read);
    disk.set_room(None);
    node.settle();
    assert_eq!(node.send_as(&mine, "\"Incr\"", client("a", 1)), "\"Ok\"", "it is no repetition");
}

/// Opens a node whose log has room for few control records once its disk is full.
fn small(world: &World, disk: &FaultyDisk, now_ms: i64) -> TestNode {
    let options = LogOptions {
        segment_bytes: 8 << 10,
        reserve_bytes: 4 << 10,
        identity: Some(7),
        ..LogOptions::default()
    };
    let (journal, _) = FolderJournal::on(Arc::new(disk.clone()), options).expect("the log opens");
    world.open(journal, now_ms).expect("the node opens")
}

/// Tries an upgrade on a full disk that has taken so many control records, and returns whether it was made.
fn upgraded_after(taken: u64) -> bool {
    let (world, disk) = (counters(), FaultyDisk::new(taken));
    let mut node = small(&world, &disk, 0);
    node.install("1.0.0").expect("it installs");
    assert_eq!(node.send("counter/counter", "\"Incr\""), "\"Ok\"");
    // The bundle is there already: only records need room.
    disk.set_quota(Some(disk.used() + 64));
    while !node.status().disk_full {
        node.send("counter/counter", "\"Incr\"");
    }
    let before = node.send("counter/counter", "\"Read\"");
    for _ in 0..taken {
        let problem = problem::BAD_BUNDLE.problem("nothing but a record in the history");
        let refused = node.node.refused(&node.asked(), None, problem);
        assert!(matches!(refused, NodeError::Refused(_)));
    }
    let done = node.upgrade("2.0.0");
    let ran = node.running();
    let made = match done {
        Ok(report) => {
            assert_eq!((report.running.version.as_str(), ran.as_str()), ("2.0.0", "2.0.0"));
            true
        }
        Err(NodeError::Refused(problem)) => {
            assert_eq!((problem.code.as_str(), problem.changed), ("disk-full", Changed::No));
            assert_eq!(ran, "1.0.0", "nothing was changed");
            false
        }
        Err(NodeError::Journal(error)) => panic!("a full disk is no failure: {error}"),
    };
    assert_eq!(node.send("counter/counter", "\"Read\""), before, "reads are answered");
    // Whether the node stops now or goes on: it comes to the same.
    if taken % 2 == 1 {
        drop(node);
        node = small(&world, &disk, 0);
        assert_eq!(node.running(), ran);
    }
    disk.set_quota(None);
    node.settle();
    assert_eq!(node.running(), ran);
    assert_eq!(node.send("counter/counter", "\"Incr\""), "\"Ok\"", "it goes on by itself");
    if made {
        node.node.make_permanent(&node.asked()).expect("its check is noted as passed");
        node.settle();
        node.node.save_snapshot().expect("the disk works");
    } else {
        node.upgrade("2.0.0").expect("there is room");
    }
    drop(node);
    assert_eq!(small(&world, &disk, 0).running(), "2.0.0");
    made
}

#[test]
fn an_upgrade_on_a_full_disk_says_what_is_so() {
    let made: Vec<bool> = (0..10).map(upgraded_after).collect();
    assert!(made[0], "there is room for control records");
    assert!(!made[9], "until it is used up");
}

#[test]
fn what_changes_something_is_refused_on_a_full_disk() {
    let (world, disk) = (counters(), MemoryJournal::default());
    let mut node = world.open(disk.clone(), 0).expect("it opens");
    node.install("1.0.0").expect("it installs");
    disk.set_room(Some(0));
    node.settle();
    assert_eq!(node.send("counter/counter", "\"Incr\""), FULL);
    let address = "counter/counter".parse().expect("an address");
    let asked = node.asked();
    let redriven = node.node.redrive(&asked, &address, camshaft_store::Redrive::Parked);
    assert_eq!(refusal(redriven).0, "disk-full");
}

#[test]
fn threads_answer_reads_while_an_input_waits_for_room() {
    let (world, disk) = (keyed(), MemoryJournal::default());
    let (node, mine, other) = two_lanes(&world, &disk);
    let (ended, _) = tokio::sync::oneshot::channel();
    let (host, threads) = Host::start(node.node, Arc::new(|| 0), 16, ended, None).expect("it starts");
    // As the last bytes before a disk is full: nobody knows yet that an input is too large for them.
    disk.set_room(Some(1));
    let input = |address: &str, json: &str| Input {
        address: address.parse().expect("an address"),
        json: json.to_owned(),
        says: Says::Running,
        identity: None,
        trace: None,
    };
    let (to, mut answers) = tokio::sync::mpsc::unbounded_channel();
    let mut next = || answers.blocking_recv().map(|(number, reply)| (number, common::line(&reply)));
    let inputs = [input(&mine, "\"Read\""), input(&mine, "\"Incr\""), input(&mine, "\"Read\"")];
    host.input_all(&mut inputs.into_iter().enumerate().collect(), &to).expect("it takes them");
    assert_eq!(next(), Some((0, "{\"Count\":1}".to_owned())), "it was there before");
    assert_eq!(next(), Some((2, FULL.to_owned())), "it would see what waits");
    disk.set_room(Some(0));
    host.input_all(&mut vec![(3, input(&other, "\"Read\""))], &to).expect("it takes it");
    assert_eq!(next(), Some((3, "{\"Count\":1}".to_owned())));
    host.input_all(&mut vec![(4, input(&other, "\"Incr\""))], &to).expect("it takes it");
    assert_eq!(next(), Some((4, FULL.to_owned())));
    disk.set_room(None);
    assert_eq!(next(), Some((1, "\"Ok\"".to_owned())), "it was admitted, and is durable now");
    host.stop();
    drop(host);
    threads.join().expect("nothing failed");
    let mut node = world.open(disk, 0).expect("it opens");
    assert_eq!(node.send(&mine, "\"Read\""), "{\"Count\":2}");
}
