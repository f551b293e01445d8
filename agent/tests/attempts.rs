//! Recoveries that the agent does not survive: one input keeps a node down for so long and no longer.

mod common;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use camshaft_cam::digest::Digest;
use camshaft_store::{
    AppendError, Chunk, Class, Control, Job, Journal, MemoryJournal, Record, ShownSnapshot, SnapshotWriter,
    StoreError, Visit, VisitSaved,
};
use common::{TILL_1, World, make};

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
    let open = |journal| world.open(journal, 0).expect("it opens");
    for death in 1..=3 {
        let journal = Deadly(disk.clone(), "shop/till/bad", true, AtomicBool::new(false));
        assert!(catch_unwind(AssertUnwindSafe(|| open(journal))).is_err(), "death {death}");
    }
    for start in ["the fourth", "one after it", "one without notes"] {
        let mut node = open(Deadly(disk.clone(), "shop/till/bad", false, AtomicBool::new(false)));
        let listed = node.instances(None, 9).instances;
        let why = listed
            .iter()
            .find(|instance| instance.address == "shop/till/bad")
            .and_then(|bad| bad.why.clone());
        assert_eq!(why.as_deref(), Some("the agent died three times while it replayed input 1"), "{start}");
        assert_eq!(node.send("shop/till/good", "\"Sum\""), "{\"Sum\":5}", "{start}");
        drop(node);
        assert_eq!(disk.notes().expect("memory"), b"", "{start}: nothing is noted of a recovery that ended");
    }
    let held = disk.records().expect("records").into_iter();
    let held = held.filter(|record| matches!(record, Record::Control(Control::InstanceHeld { .. })));
    assert_eq!(held.count(), 1, "it is told once");
}
