//! State snapshots on a full disk.

mod common;

use camshaft_store::MemoryJournal;
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
