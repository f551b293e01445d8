//! State snapshots on a full disk.

mod common;

use std::sync::Arc;

use camshaft_store::{FaultyDisk, FolderJournal, LogOptions, MemoryJournal};
use common::{client, counters};

#[test]
fn a_snapshot_has_nothing_that_waits_for_room() {
    let (world, disk) = (counters(), MemoryJournal::default());
    let mut node = world.open(disk.clone(), 0).expect("it opens");
    node.install("1.0.0").expect("it installs");
    assert_eq!(node.send("counter/counter", "\"Incr\""), "\"Ok\"");
    disk.set_room(Some(0));
    assert_eq!(node.send_as("counter/counter", "\"Incr\"", client("a", 1)), "nothing", "it waits for room");
    node.node.save_snapshot().expect("it is left out, which is no failure");
    drop(node);
    disk.set_room(None);
    let mut node = world.open(disk, 0).expect("it opens");
    assert_eq!(node.send("counter/counter", "\"Read\""), "{\"Count\":1}");
    assert_eq!(node.send_as("counter/counter", "\"Incr\"", client("a", 1)), "\"Ok\"", "it is no repetition");
    assert_eq!(node.send("counter/counter", "\"Read\""), "{\"Count\":2}");
}

/// The one who takes over then replays more; the one who gives has lost nothing and serves on, should it come to that.
#[test]
fn a_take_over_without_room_for_its_state_snapshot_begins_at_the_one_before() {
    let (world, disk) = (counters(), FaultyDisk::new(1));
    let open = || FolderJournal::on(Arc::new(disk.clone()), LogOptions::default()).expect("it opens").0;
    let mut node = world.open(open(), 0).expect("it opens");
    node.install("1.0.0").expect("it installs");
    assert_eq!(node.send("counter/counter", "\"Incr\""), "\"Ok\"");
    node.node.save_snapshot().expect("there is room");
    let before = node.node.handed_over().expect("none is being made");
    assert!(before > 0);
    assert_eq!(node.send("counter/counter", "\"Incr\""), "\"Ok\"");
    disk.set_quota(Some(0));
    node.node.begin_to_hand_over().expect("that there is no room is no failure");
    while node.node.is_saving() {
        node.node.snapshot_if_due().expect("that there is no room is no failure");
    }
    assert_eq!(node.node.handed_over(), Some(before));
    node.node.hand_over_no_more();
    assert_eq!(node.send("counter/counter", "\"Incr\""), "\"Ok\"", "the segment of the log has room");
    drop(node);
    disk.set_quota(None);
    let mut node = world.open(open(), 0).expect("it opens");
    assert_eq!(node.send("counter/counter", "\"Read\""), "{\"Count\":3}");
}
