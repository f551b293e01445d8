//! A journal in memory, for tests and simulations.
//!
//! Clones share what is "on disk", so that a test drops one and opens another to play a crash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camshaft_cam::digest::Digest;

use crate::codec::CodecError;
use crate::journal::{Job, Journal, ShownSnapshot, SnapshotWriter, StoreError, Visit, VisitSaved};
use crate::log::{AppendError, Chunk, Class, Entry};
use crate::record::Record;

/// A journal in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    /// The position before the first entry that is still there.
    gone: u64,
    entries: Vec<(u16, u64, Vec<u8>)>,
    snapshot: Option<(u64, Saved)>,
    blobs: BTreeMap<Digest, Vec<u8>>,
    notes: Vec<u8>,
    /// How many bytes inputs may still take; none when there is no bound.
    room: Option<u64>,
    /// How many more bytes what was admitted may take then.
    reserve: u64,
}

/// The entries of a snapshot: the lane and the bytes of each.
type Saved = Vec<(u16, Vec<u8>)>;

impl MemoryJournal {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        // A test that panics while it holds the lock has failed already.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the records that are still there, for tests that look at them.
    ///
    /// # Errors
    ///
    /// When a record cannot be read.
    pub fn records(&self) -> Result<Vec<Record>, CodecError> {
        self.memory().entries.iter().map(|(_, _, bytes)| Record::read(bytes)).collect()
    }

    /// Says how many bytes inputs may still take; none: as many as there are.
    pub fn set_room(&self, room: Option<u64>) {
        self.memory().room = room;
    }

    /// Says how many bytes what was admitted may take when inputs may take no more; 0 at first.
    pub fn set_reserve(&self, reserve: u64) {
        self.memory().reserve = reserve;
    }

    /// Returns the number of the snapshot, for tests.
    pub fn snapshot_number(&self) -> Option<u64> {
        self.memory().snapshot.as_ref().map(|(number, _)| *number)
    }
}

impl Journal for MemoryJournal {
    fn append(&mut self, chunks: &[Chunk], class: Class) -> Result<u64, AppendError> {
        let mut memory = self.memory();
        let bytes: u64 = chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum();
        match (class, memory.room) {
            (Class::Input, Some(room)) => {
                memory.room = Some(room.checked_sub(bytes).ok_or(AppendError::Full)?);
            }
            (Class::Admitted, Some(_)) => {
                memory.reserve = memory.reserve.checked_sub(bytes).ok_or(AppendError::Full)?;
                // No room is left for inputs, as in a log that has come to its reserve.
                memory.room = Some(0);
            }
            (Class::Control, _) | (_, None) => {}
        }
        for chunk in chunks {
            let entries = chunk.entries().map(|entry| (chunk.lane, chunk.cut, entry.to_vec()));
            memory.entries.extend(entries);
        }
        Ok(memory.gone + memory.entries.len() as u64)
    }

    fn last(&self) -> u64 {
        let memory = self.memory();
        memory.gone + memory.entries.len() as u64
    }

    fn read(&self, from: u64, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let (gone, entries) = {
            let memory = self.memory();
            (memory.gone, memory.entries.clone())
        };
        for (position, (lane, cut, bytes)) in (gone + 1..).zip(&entries) {
            if position >= from {
                visit(Entry { position, lane: *lane, cut: *cut, bytes })?;
            }
        }
        Ok(())
    }

    fn let_go(&mut self, below: u64) -> Result<(), StoreError> {
        let mut memory = self.memory();
        let count = usize::try_from(below.saturating_sub(memory.gone + 1)).unwrap_or(usize::MAX);
        let count = count.min(memory.entries.len());
        memory.entries.drain(..count);
        memory.gone += count as u64;
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.memory().room != Some(0)
    }

    fn make_room(&mut self) -> Result<bool, StoreError> {
        Ok(self.has_room())
    }

    fn chore(&mut self) -> Option<Job> {
        None
    }

    fn begin_snapshot(&self, number: u64, _from: u64) -> Result<Box<dyn SnapshotWriter>, StoreError> {
        Ok(Box::new(Writer { journal: self.clone(), number, saved: vec![] }))
    }

    fn snapshot(&self, visit: &mut VisitSaved<'_>) -> Result<Option<ShownSnapshot>, StoreError> {
        let Some((number, saved)) = self.memory().snapshot.clone() else { return Ok(None) };
        for (lane, bytes) in &saved {
            visit(*lane, bytes)?;
        }
        Ok(Some(ShownSnapshot { number, damaged: None }))
    }

    fn put_blob(&mut self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        self.memory().blobs.insert(digest, bytes.to_vec());
        Ok(digest)
    }

    fn blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.memory().blobs.get(&digest).cloned())
    }

    fn remove_blob(&mut self, digest: Digest) -> Result<(), StoreError> {
        self.memory().blobs.remove(&digest);
        Ok(())
    }

    fn notes(&self) -> Result<Vec<u8>, StoreError> {
        Ok(self.memory().notes.clone())
    }

    fn note(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.memory().notes = bytes.to_vec();
        Ok(())
    }
}

struct Writer {
    journal: MemoryJournal,
    number: u64,
    saved: Saved,
}

impl SnapshotWriter for Writer {
    fn put(&mut self, lane: u16, bytes: &[u8]) -> Result<(), StoreError> {
        self.saved.push((lane, bytes.to_vec()));
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), StoreError> {
        self.journal.memory().snapshot = Some((self.number, self.saved));
        Ok(())
    }
}
