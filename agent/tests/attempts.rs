//! Recoveries that the agent does not survive: one thing keeps a node down for so long and no longer.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use camshaft_cam::digest::Digest;
use camshaft_manifests::app::{After, OnTrap, Supervision};
use camshaft_store::{
    AppendError, Chunk, Class, Control, HeldBefore, Job, Journal, MemoryJournal, Record, Redrive,
    ShownSnapshot, SnapshotWriter, StoreError, Visit, VisitSaved,
};
use common::{TILL_1, TestNode, World, make};

/// A journal whose agent dies once it has noted that it is at an instance; or, when it is to die and notes nothing of
/// inputs, once it has read.
struct Deadly(MemoryJournal, &'static str, bool, AtomicBool);

impl Journal for Deadly {
    fn append(&mut self, chunks: &[Chunk], class: Class) -> Result<u64, AppendError> {
        self.0.append(chunks, class)
    }
    fn last(&self) -> u64 {
        self.0.last()
    }
    fn read(&self, from: u64, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.0.read(from, visit)?;
        self.3.store(true, Ordering::Relaxed);
        assert!(!self.2 || self.0.notes()? != b"begun 1\nend\n", "it dies while it replays");
        Ok(())
    }
    fn let_go(&mut self, below: u64) -> Result<(), StoreError> {
        self.0.let_go(below)
    }
    fn has_room(&self) -> bool {
        self.0.has_room()
    }
    fn make_room(&mut self) -> Result<bool, StoreError> {
        self.0.make_room()
    }
    fn chore(&mut self) -> Option<Job> {
        self.0.chore()
    }
    fn begin_snapshot(&self, number: u64, from: u64) -> Result<Box<dyn SnapshotWriter>, StoreError> {
        self.0.begin_snapshot(number, from)
    }
    fn snapshot(&self, visit: &mut VisitSaved<'_>) -> Result<Option<ShownSnapshot>, StoreError> {
        self.0.snapshot(visit)
    }
    fn put_blob(&mut self, bytes: &[u8]) -> Result<Digest, StoreError> {
        self.0.put_blob(bytes)
    }
    fn remove_blob(&mut self, digest: Digest) -> Result<(), StoreError> {
        self.0.remove_blob(digest)
    }
    fn blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.blob(digest)
    }
    fn notes(&self) -> Result<Vec<u8>, StoreError> {
        self.0.notes()
    }
    fn note(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.note(bytes)?;
        let text = String::from_utf8_lossy(bytes).into_owned();
        let at = text.lines().find(|line| line.starts_with("at ")).unwrap_or_default();
        let replays = self.3.load(Ordering::Relaxed);
        assert!(!replays || !at.contains(self.1), "it dies at {at}");
        Ok(())
    }
}

fn reason(node: &mut TestNode, address: &str) -> Option<String> {
    let listed = node.instances(None, 9).instances;
    listed.into_iter().find(|instance| instance.address == address).and_then(|found| found.why)
}

fn holds(disk: &MemoryJournal) -> Vec<(String, HeldBefore)> {
    let held = |record| match record {
        Record::Control(Control::RecoveryHeld { instance, before, .. }) => Some((instance, before)),
        _ => None,
    };
    disk.records().expect("records").into_iter().filter_map(held).collect()
}

/// Lets three recoveries die at an instance.
fn die_three_times(world: &World, disk: &MemoryJournal, instance: &'static str) {
    for death in 1..=3 {
        let journal = Deadly(disk.clone(), instance, true, AtomicBool::new(false));
        let opened = catch_unwind(AssertUnwindSafe(|| world.open(journal, 0)));
        assert!(opened.is_err(), "death {death}");
    }
}

#[test]
fn an_input_that_ends_three_recoveries_is_held_and_stays_so() {
    let world = World::of([make("1.0.0", &[("shop/till", TILL_1)], None, &[])]);
    let disk = MemoryJournal::default();
    let mut node = world.open(disk.clone(), 0).expect("it opens");
    node.install("1.0.0").expect("it is installed");
    for (key, count) in [("bad", 1), ("good", 2), ("good", 3), ("bad", 4)] {
        let json = format!(r#"{{"Add":{{"count":{count}}}}}"#);
        assert_eq!(node.send(&format!("shop/till/{key}"), &json), "\"Ok\"");
    }
    drop(node);
    die_three_times(&world, &disk, "shop/till/bad");
    for start in ["the fourth", "one after it", "one without notes"] {
        let journal = Deadly(disk.clone(), "shop/till/bad", false, AtomicBool::new(false));
        let mut node = world.open(journal, 0).expect("it opens");
        let why = reason(&mut node, "shop/till/bad");
        assert_eq!(why.as_deref(), Some("the agent died three times while it replayed input 1"), "{start}");
        assert_eq!(node.send("shop/till/good", "\"Sum\""), "{\"Sum\":5}", "{start}");
        drop(node);
        assert_eq!(disk.notes().expect("memory"), b"", "{start}: nothing is noted of a recovery that ended");
    }
    assert_eq!(holds(&disk).len(), 1, "it is told once");
}

/// One that an operator let go on goes on from before the input that was held, under the same numbers. What comes then
/// may be as deadly, and is told as well: else it would be forgotten with the notes.
#[test]
fn who_was_let_go_on_and_is_held_again_is_told_again() {
    let world = World::of([make("1.0.0", &[("shop/till", TILL_1)], None, &[])]);
    let disk = MemoryJournal::default();
    let mut node = world.open(disk.clone(), 0).expect("it opens");
    node.install("1.0.0").expect("it is installed");
    let add = r#"{"Add":{"count":1}}"#;
    node.send("shop/till/bad", add);
    drop(node);
    for times in 1..=2 {
        die_three_times(&world, &disk, "shop/till/bad");
        let mut node = world.open(disk.clone(), 0).expect("it opens");
        let why = "the agent died three times while it replayed input 1";
        assert_eq!(reason(&mut node, "shop/till/bad").as_deref(), Some(why), "{times}");
        assert_eq!(holds(&disk).len(), times);
        let (asked, address) = (node.asked(), "shop/till/bad".parse().expect("an address"));
        node.node.redrive(&asked, &address, Redrive::Released).expect("it goes on");
        assert_eq!(node.send("shop/till/bad", add), "\"Ok\"");
    }
    // The last one lets it go on, and there it is.
    let mut node = world.open(disk.clone(), 0).expect("it opens");
    assert_eq!(node.send("shop/till/bad", "\"Sum\""), "{\"Sum\":1}");
    let positions: Vec<HeldBefore> = holds(&disk).into_iter().map(|(_, before)| before).collect();
    assert!(matches!(positions[..], [HeldBefore::Record(one), HeldBefore::Record(other)] if one < other));
}

/// A hold because of traps is told in the history too; that is no hold of a recovery.
#[test]
fn who_is_held_because_of_traps_keeps_its_state_when_the_agent_dies() {
    const TILL: &str = "machine till keyed Text
type State = Int(0..=9)
type Input = Add(Int)
type Output = Sum(Int)
init = 0
on Add(count) => (state + count, Sum(state + count))
";
    let supervision = Supervision {
        machines: [("till".parse().expect("a name"), OnTrap::Hold(After::default()))].into_iter().collect(),
        ..Supervision::default()
    };
    let world =
        World::of([make("1.0.0", &[("shop/till", TILL)], None, &[]).looked_after("shop", supervision)]);
    let disk = MemoryJournal::default();
    let mut node = world.open(disk.clone(), 0).expect("it opens");
    node.install("1.0.0").expect("it is installed");
    assert_eq!(node.send("shop/till/a", r#"{"Add":5}"#), "{\"Sum\":5}");
    assert!(node.send("shop/till/a", r#"{"Add":5}"#).starts_with("trap"), "it has no room for more");
    assert!(reason(&mut node, "shop/till/a").is_some(), "it is held");
    drop(node);
    let mut node = world.open(disk.clone(), 0).expect("it opens");
    assert!(reason(&mut node, "shop/till/a").is_some(), "it is held still");
    let (asked, address) = (node.asked(), "shop/till/a".parse().expect("an address"));
    node.node.redrive(&asked, &address, Redrive::Released).expect("it goes on");
    assert_eq!(node.send("shop/till/a", r#"{"Add":1}"#), "{\"Sum\":6}");
}

const BELL: &str = "machine bell
type State = Int
type Input = Wind | internal Ring | Ask
type Output = Ok | Rung(Int)
init = 0
on Wind {
  timer \"ring\" after 1s => Ring
  (state, Ok)
}
on Ring => state + 1
on Ask => (state, Rung(state))
";

/// A node with a bell that rings when a second has gone by.
fn wound(disk: &MemoryJournal) -> World {
    let world = World::of([make("1.0.0", &[("church/bell", BELL)], None, &[])]);
    let mut node = world.open(disk.clone(), 0).expect("it opens");
    node.install("1.0.0").expect("it is installed");
    assert_eq!(node.send("church/bell", "\"Wind\""), "\"Ok\"");
    world
}

fn notes(disk: &MemoryJournal) -> String {
    String::from_utf8(disk.notes().expect("memory")).expect("they are text")
}

#[test]
fn an_attempt_lasts_until_what_waited_at_the_start_is_delivered_and_durable() {
    let disk = MemoryJournal::default();
    let world = wound(&disk);
    assert_eq!(notes(&disk), "", "nothing waited");
    drop(world.open(disk.clone(), 999).expect("it opens"));
    assert_eq!(notes(&disk), "", "nothing is due");
    let mut node = world.open(disk.clone(), 1000).expect("it opens");
    assert_eq!(notes(&disk), "begun 1\nend\n", "the bell is to ring");
    let before = disk.records().expect("records").len();
    node.settle();
    assert_eq!(disk.records().expect("records").len(), before + 1, "it rang");
    assert_eq!(notes(&disk), "");
}

#[test]
fn the_attempt_after_one_that_died_delivers_what_waits_before_the_node_is_open() {
    let disk = MemoryJournal::default();
    let world = wound(&disk);
    drop(world.open(disk.clone(), 1000).expect("it opens"));
    let before = disk.records().expect("records").len();
    let mut node = world.open(disk.clone(), 1000).expect("it opens");
    assert_eq!(disk.records().expect("records").len(), before + 1, "it rang");
    assert_eq!(notes(&disk), "");
    assert_eq!(node.send("church/bell", "\"Ask\""), "{\"Rung\":1}");
}
