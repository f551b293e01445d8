//! State snapshots, made while the service goes on.
//!
//! When snapshot n begins, the shard is *cut*: from here on its chunks carry n. Its instances are saved
//! in batches between steps; one that is about to change before its turn is saved first. So what is
//! saved is the shard at the cut, exactly, and recovery replays the chunks that carry n or more.
//! A large instance is handed on as it is, which costs nothing, and gets its form where no input waits for it.
//! Messages carry the cut of their sender too: one from before it that arrives after it belongs to the
//! snapshot, and is saved as being on its way.

use camshaft_manifests::InstanceAddress;
use camshaft_store::{Saved, SavedLane};

use super::discard::{Discarded, LetGo};
use super::instance::Instance;
use super::table::{Resident, Slot, Table};
use super::{Posted, Shard};

/// An entry of a state snapshot.
#[derive(Debug)]
pub struct SavedEntry(Form);

#[derive(Debug)]
enum Form {
    Written(Vec<u8>),
    Large(Box<(InstanceAddress, Instance)>),
}

impl LetGo for SavedEntry {
    fn let_go(self, discarded: &mut Vec<Discarded>) {
        match self.0 {
            Form::Written(_) => {}
            Form::Large(large) => large.1.let_go(discarded),
        }
    }
}

impl SavedEntry {
    fn new(saved: &Saved) -> SavedEntry {
        SavedEntry(Form::Written(saved.to_bytes()))
    }

    fn of_instance(address: &InstanceAddress, instance: &Instance) -> SavedEntry {
        match instance.is_large() {
            true => SavedEntry(Form::Large(Box::new((address.clone(), instance.clone())))),
            false => SavedEntry::new(&Saved::Instance(instance.save(address))),
        }
    }

    /// Returns the entry in its written form. That of a large state takes time by its size: `docs/benchmarks.md` has it.
    pub fn into_bytes(self) -> Vec<u8> {
        match self.0 {
            Form::Written(bytes) => bytes,
            Form::Large(large) => Saved::Instance(large.1.save(&large.0)).to_bytes(),
        }
    }
}

/// A snapshot that is being made.
#[derive(Debug)]
pub(super) struct Saving {
    /// The number of the next slot.
    next: usize,
    /// The number of slots at the cut: what came later is too new.
    end: usize,
    /// How many entries were saved.
    count: u64,
    /// True when all instances are saved, and messages may still come that were on their way.
    walked: bool,
}

impl Shard {
    /// Returns how many state snapshots were begun.
    pub fn cut(&self) -> u64 {
        self.cut
    }

    /// Says how many state snapshots were begun before.
    pub fn set_cut(&mut self, cut: u64) {
        self.cut = cut;
        self.out.chunk.cut = cut;
    }

    /// Begins state snapshot `number`. What came out before has been taken.
    /// Does nothing when it was begun already, because of a message from a shard that had.
    pub fn begin_saving(&mut self, number: u64) {
        if self.cut >= number {
            return;
        }
        debug_assert_eq!(self.out.chunk.count, 0, "a chunk is of one cut");
        self.set_cut(number);
        let head = Saved::Lane(SavedLane {
            switch: self.switch,
            config: self.config,
            now_ms: self.now_ms,
            clients: self.seen.list(),
        });
        self.saved.push(SavedEntry::new(&head));
        let mut saving = Saving { next: 0, end: self.table.slots(), count: 0, walked: false };
        // They change at a switch only, and none is made meanwhile.
        for archived in self.archive.values() {
            self.saved.push(SavedEntry::new(&Saved::Instance(archived.clone())));
            saving.count += 1;
        }
        self.saving = Some(saving);
    }

    /// Saves up to `max` instances. Returns true when all of them are saved.
    pub fn save_some(&mut self, max: usize) -> bool {
        let Some(saving) = &self.saving else { return true };
        let (next, end) = (saving.next, saving.end);
        let until = end.min(next.saturating_add(max));
        for number in next..until {
            if let Some((slot, resident)) = self.table.at(number)
                && resident.instance.cut < self.cut
            {
                self.save_one(slot);
            }
        }
        let saving = self.saving.as_mut().expect("it is being made");
        saving.next = until;
        saving.walked = until == end;
        saving.walked
    }

    /// Saves an instance before it changes, if its turn has not come.
    pub(super) fn save_before_change(&mut self, slot: Slot) {
        let Some(saving) = &self.saving else { return };
        let Resident { instance, .. } = &self.table[slot];
        if instance.cut < self.cut && Table::number(slot) >= saving.next {
            self.save_one(slot);
        }
    }

    fn save_one(&mut self, slot: Slot) {
        let cut = self.cut;
        let Resident { address, instance } = &mut self.table[slot];
        instance.cut = cut;
        self.saved.push(SavedEntry::of_instance(address, instance));
        if let Some(saving) = &mut self.saving {
            saving.count += 1;
        }
    }

    /// Saves a message that was sent before the cut and came after it.
    pub(super) fn save_on_its_way(&mut self, posted: &Posted) {
        // A snapshot that was broken off needs it no more.
        let Some(saving) = &mut self.saving else { return };
        if let Some(mail) = posted.save() {
            saving.count += 1;
            self.saved.push(SavedEntry::new(&Saved::Mail(mail)));
        }
    }

    /// Returns what was saved since the last time.
    pub fn take_saved(&mut self) -> Vec<SavedEntry> {
        std::mem::take(&mut self.saved)
    }

    /// Ends the shard's part of the snapshot. All instances are saved, and every message that was on its
    /// way at the cut has come.
    pub fn end_saving(&mut self) {
        if let Some(saving) = self.saving.take() {
            debug_assert!(saving.walked, "all instances are saved");
            self.saved.push(SavedEntry::new(&Saved::End { count: saving.count }));
        }
    }

    /// Breaks a snapshot off; it is as if it had never begun.
    pub fn drop_saving(&mut self) {
        self.saving = None;
        self.saved.drain(..).for_each(|entry| self.out.discard(entry));
    }

    /// Returns true while a snapshot is being made.
    pub fn is_saving(&self) -> bool {
        self.saving.is_some()
    }
}
