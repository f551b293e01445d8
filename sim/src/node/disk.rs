//! The disk of a node, and everything that may happen to it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camshaft_cam::digest::Digest;
use camshaft_store::{
    AppendError, Chunk, Class, FaultyDisk, FolderJournal, Job, Journal, LogOptions, MemoryJournal, Record,
    Saved, ShownSnapshot, SnapshotWriter, StoreError, Visit, VisitSaved,
};

use super::Fault;

/// The size of a segment of the log: small, so that there are several.
const SEGMENT_BYTES: u64 = 16 << 10;

/// What a node's journal is kept on.
#[derive(Debug, Clone)]
enum Medium {
    /// A journal that is durable at once.
    Memory(MemoryJournal),
    /// Files on a disk that tears and forgets what was not synced.
    Files(FaultyDisk),
}

#[derive(Debug, Default)]
struct Gate {
    /// Writes until the one that fails; none while nothing fails.
    left: Option<u64>,
    /// True when the write that fails is durable all the same.
    durable: bool,
    broken: bool,
    fault: Option<Fault>,
    /// What was said to be durable and is not.
    withheld: Vec<Chunk>,
    /// What became durable and was not shown yet.
    fresh: Vec<Vec<u8>>,
    /// The first entry that was not let go.
    first: u64,
}

/// A disk that outlives the nodes that run on it.
#[derive(Debug, Clone)]
pub(super) struct NodeDisk {
    medium: Medium,
    gate: Arc<Mutex<Gate>>,
    /// The digest of each entry that was ever shown.
    shown: Vec<Digest>,
    failing: bool,
}

fn options() -> LogOptions {
    LogOptions { segment_bytes: SEGMENT_BYTES, reserve_bytes: 8 << 10, spares: 1, identity: Some(7) }
}

impl NodeDisk {
    pub(super) fn new(seed: u64, files: bool, fault: Option<Fault>) -> NodeDisk {
        let medium = match files {
            true => Medium::Files(FaultyDisk::new(seed)),
            false => Medium::Memory(MemoryJournal::default()),
        };
        NodeDisk {
            medium,
            gate: Arc::new(Mutex::new(Gate { fault, ..Gate::default() })),
            shown: vec![],
            failing: false,
        }
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the journal for a node.
    pub(super) fn journal(&self) -> Result<Box<dyn Journal>, StoreError> {
        Ok(Box::new(Tap { inner: self.inner()?, gate: self.gate.clone() }))
    }

    fn inner(&self) -> Result<Box<dyn Journal>, StoreError> {
        Ok(match &self.medium {
            Medium::Memory(journal) => Box::new(journal.clone()),
            Medium::Files(disk) => Box::new(FolderJournal::on(Arc::new(disk.clone()), options())?.0),
        })
    }

    /// Lets a write fail: the one after so many others. In memory it may be durable all the same; of files
    /// the disk decides what is left.
    pub(super) fn fail_after(&mut self, writes: u64, durable: bool) {
        self.failing = true;
        match &self.medium {
            Medium::Memory(_) => {
                let mut gate = self.gate();
                (gate.left, gate.durable) = (Some(writes), durable);
            }
            Medium::Files(disk) if durable => disk.fail_sync_from(disk.operations() + writes + 1),
            Medium::Files(disk) => disk.power_off_at(disk.operations() + writes + 1),
        }
    }

    /// Returns true when a write was told to fail, whether it did or not.
    pub(super) fn is_failing(&self) -> bool {
        self.failing || self.gate().left.is_some()
    }

    /// Says whether there is room for inputs.
    pub(super) fn fill(&self, full: bool, bytes: u64) {
        match &self.medium {
            Medium::Memory(journal) => journal.set_room(full.then_some(bytes)),
            Medium::Files(disk) => disk.set_quota(full.then(|| disk.used() + bytes)),
        }
    }

    /// Ends what was written by a node that is gone, as a power cut would.
    pub(super) fn cut(&mut self) {
        self.failing = false;
        if let Medium::Files(disk) = &self.medium {
            disk.power_on();
        }
        let mut gate = self.gate();
        let Gate { fault, first, .. } = *gate;
        // What was said to be durable is to be found after it.
        let fresh = std::mem::take(&mut gate.fresh);
        *gate = Gate { fault, first, fresh, ..Gate::default() };
        drop(gate);
        match fault {
            Some(Fault::LosesRecord) => self.rewrite(|entries| drop(entries.pop())),
            Some(Fault::SwitchIsLost) => self.rewrite(|entries| {
                let is_switch = |bytes: &(u16, Vec<u8>)| {
                    let record = Record::read(&bytes.1);
                    matches!(record, Ok(Record::Control(camshaft_store::Control::Switch { .. })))
                };
                let switch = entries.iter().rposition(is_switch);
                entries.truncate(switch.unwrap_or(entries.len()));
            }),
            _ => {}
        }
    }

    /// Takes the notes away if something is true of them; returns whether it is.
    pub(super) fn lose_notes(&mut self, are: impl Fn(&str) -> bool) -> Result<bool, String> {
        let mut journal = self.inner().map_err(|error| super::chain(&error))?;
        let notes = journal.notes().map_err(|error| super::chain(&error))?;
        let are = std::str::from_utf8(&notes).is_ok_and(are);
        if are {
            journal.note(&[]).map_err(|error| super::chain(&error))?;
        }
        Ok(are)
    }

    /// Makes the journal anew with other entries, for a fault that does such a thing.
    fn rewrite(&mut self, change: impl FnOnce(&mut Vec<(u16, Vec<u8>)>)) {
        let Medium::Memory(journal) = &self.medium else { return };
        let mut entries = vec![];
        let read = journal.read(1, &mut |entry| {
            entries.push((entry.lane, entry.bytes.to_vec()));
            Ok(())
        });
        let before = entries.len();
        change(&mut entries);
        if read.is_err() || entries.len() == before || before < self.shown.len() {
            return;
        }
        let mut other = MemoryJournal::default();
        for (lane, bytes) in entries {
            let mut chunk = Chunk::new(lane, 0);
            chunk.push(&bytes);
            other.append(&[chunk], Class::Control).expect("memory does not fail");
        }
        self.medium = Medium::Memory(other);
    }

    /// Returns the entries that became durable and were not shown yet. While a node runs these are what it
    /// was told is durable; without one, what is on the disk.
    pub(super) fn fresh(&mut self, runs: bool) -> Result<Vec<Record>, String> {
        let fresh = match runs {
            true => std::mem::take(&mut self.gate().fresh),
            false => self.left()?,
        };
        let mut records = vec![];
        for bytes in fresh {
            self.shown.push(Digest::of(&bytes));
            records.push(Record::read(&bytes).map_err(|error| error.to_string())?);
        }
        Ok(records)
    }

    /// Returns what is on the disk beyond what was shown. All that was said to be durable has to be there, but for
    /// what was let go since: of that the bytes are known from when it was appended.
    fn left(&self) -> Result<Vec<Vec<u8>>, String> {
        let mut left = std::mem::take(&mut self.gate().fresh);
        let durable: Vec<Digest> =
            self.shown.iter().copied().chain(left.iter().map(|bytes| Digest::of(bytes))).collect();
        let journal = self.inner().map_err(|error| super::chain(&error))?;
        if journal.last() < durable.len() as u64 {
            return Err(format!("{} records were durable, and {} are", durable.len(), journal.last()));
        }
        let first = self.gate().first.max(1);
        let read = journal.read(first, &mut |entry| {
            let place = usize::try_from(entry.position - 1).unwrap_or(usize::MAX);
            match durable.get(place) {
                Some(digest) if *digest != Digest::of(entry.bytes) => {
                    Err(StoreError::Refused(format!("record {} is another one than it was", entry.position)))
                }
                Some(_) => Ok(()),
                None => {
                    left.push(entry.bytes.to_vec());
                    Ok(())
                }
            }
        });
        read.map_err(|error| super::chain(&error))?;
        Ok(left)
    }
}

/// A journal that shows what became durable, and fails when it is told to.
struct Tap {
    inner: Box<dyn Journal>,
    gate: Arc<Mutex<Gate>>,
}

fn open(gate: &Mutex<Gate>) -> MutexGuard<'_, Gate> {
    gate.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What becomes of a write.
enum Fate {
    Done,
    Lost,
    DoneAndFails,
}

fn fate(gate: &Mutex<Gate>) -> Fate {
    let mut gate = open(gate);
    if gate.broken {
        return Fate::Lost;
    }
    match &mut gate.left {
        Some(0) => {
            gate.broken = true;
            if gate.durable { Fate::DoneAndFails } else { Fate::Lost }
        }
        Some(left) => {
            *left -= 1;
            Fate::Done
        }
        None => Fate::Done,
    }
}

impl Tap {
    fn write<T>(
        &mut self,
        write: impl FnOnce(&mut dyn Journal) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match fate(&self.gate) {
            Fate::Done => write(&mut *self.inner),
            Fate::Lost => Err(StoreError::Told),
            Fate::DoneAndFails => write(&mut *self.inner).and(Err(StoreError::Told)),
        }
    }

    fn append_all(&mut self, chunks: &[Chunk], class: Class) -> Result<u64, AppendError> {
        let fate = fate(&self.gate);
        if matches!(fate, Fate::Lost) {
            return Err(AppendError::Failed(StoreError::Told));
        }
        let last = self.inner.append(chunks, class)?;
        if matches!(fate, Fate::DoneAndFails) {
            return Err(AppendError::Failed(StoreError::Told));
        }
        let entries = chunks.iter().flat_map(Chunk::entries).map(<[u8]>::to_vec);
        open(&self.gate).fresh.extend(entries);
        Ok(last)
    }
}

impl Journal for Tap {
    fn append(&mut self, chunks: &[Chunk], class: Class) -> Result<u64, AppendError> {
        if open(&self.gate).fault != Some(Fault::AnswersBeforeDurable) {
            return self.append_all(chunks, class);
        }
        let mut late = std::mem::take(&mut open(&self.gate).withheld);
        late.extend(chunks.iter().cloned());
        if class == Class::Control {
            return self.append_all(&late, class);
        }
        let last = self.inner.last() + late.iter().map(|chunk| u64::from(chunk.count)).sum::<u64>();
        open(&self.gate).withheld = late;
        Ok(last)
    }
    fn last(&self) -> u64 {
        self.inner.last()
    }
    fn read(&self, from: u64, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        self.inner.read(from, visit)
    }
    fn let_go(&mut self, below: u64) -> Result<(), StoreError> {
        // It may be gone when this fails.
        let mut gate = open(&self.gate);
        gate.first = gate.first.max(below);
        drop(gate);
        self.write(|journal| journal.let_go(below))
    }
    fn has_room(&self) -> bool {
        self.inner.has_room()
    }
    fn make_room(&mut self) -> Result<bool, StoreError> {
        self.inner.make_room()
    }
    fn chore(&mut self) -> Option<Job> {
        self.inner.chore()
    }
    fn begin_snapshot(&self, number: u64, from: u64) -> Result<Box<dyn SnapshotWriter>, StoreError> {
        let inner = self.inner.begin_snapshot(number, from)?;
        Ok(Box::new(TapSnapshot { inner, gate: self.gate.clone() }))
    }
    fn snapshot(&self, visit: &mut VisitSaved<'_>) -> Result<Option<ShownSnapshot>, StoreError> {
        self.inner.snapshot(visit)
    }
    fn put_blob(&mut self, bytes: &[u8]) -> Result<Digest, StoreError> {
        self.write(|journal| journal.put_blob(bytes))
    }
    fn blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.blob(digest)
    }
    fn remove_blob(&mut self, digest: Digest) -> Result<(), StoreError> {
        self.write(|journal| journal.remove_blob(digest))
    }
    fn notes(&self) -> Result<Vec<u8>, StoreError> {
        self.inner.notes()
    }
    fn note(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.inner.note(bytes)
    }
}

/// A snapshot whose end may fail, and that may leave something out.
struct TapSnapshot {
    inner: Box<dyn SnapshotWriter>,
    gate: Arc<Mutex<Gate>>,
}

impl SnapshotWriter for TapSnapshot {
    fn put(&mut self, lane: u16, bytes: &[u8]) -> Result<(), StoreError> {
        let fault = open(&self.gate).fault;
        let mut saved = match (fault, Saved::read(bytes)) {
            (Some(_), Ok(Saved::Instance(saved))) => saved,
            _ => return self.inner.put(lane, bytes),
        };
        match fault {
            Some(Fault::SnapshotLosesMail) => drop(saved.mailbox.pop()),
            Some(Fault::SnapshotLosesAnswers) => saved.kept.clear(),
            Some(Fault::SnapshotLosesTimers) => saved.timers.clear(),
            Some(Fault::SnapshotLosesParked) => saved.parked.clear(),
            Some(Fault::SnapshotLosesWayBack) => (saved.before, saved.aside) = (None, None),
            _ => {}
        }
        self.inner.put(lane, &Saved::Instance(saved).to_bytes())
    }

    fn finish(self: Box<Self>) -> Result<(), StoreError> {
        if open(&self.gate).fault == Some(Fault::AnswersBeforeDurable) {
            return Err(StoreError::Told);
        }
        match fate(&self.gate) {
            Fate::Done => self.inner.finish(),
            Fate::Lost => Err(StoreError::Told),
            Fate::DoneAndFails => self.inner.finish().and(Err(StoreError::Told)),
        }
    }
}
