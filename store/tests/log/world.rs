//! A log, and a list of what must be in it.

use std::sync::Arc;

use camshaft_store::{AppendError, Chunk, Class, Disk as _, FaultyDisk, Log, LogOptions, StoreError};

use crate::script::Step;

type Plain = (u16, u64, Vec<u8>);

pub struct World {
    disk: FaultyDisk,
    log: Option<Log>,
    /// All entries that were acknowledged, or found later, from the first of all on.
    entries: Vec<Plain>,
    /// The group that was being written.
    unacknowledged: Vec<Plain>,
    /// What was let go of, as a position: everything from it on must be there.
    let_go: u64,
}

pub const OPTIONS: LogOptions =
    LogOptions { segment_bytes: 4_096, reserve_bytes: 1_024, spares: 1, identity: Some(7) };

fn plain(chunks: &[Chunk]) -> Vec<Plain> {
    let entries = |chunk: &Chunk| {
        let (mut bytes, mut found) = (chunk.bytes.as_slice(), Vec::new());
        while !bytes.is_empty() {
            // Lengths here have two bytes at most.
            let (length, rest) = match bytes[0] {
                low @ ..0x80 => (usize::from(low), &bytes[1..]),
                low => (usize::from(low & 0x7f) | usize::from(bytes[1]) << 7, &bytes[2..]),
            };
            found.push((chunk.lane, chunk.cut, rest[..length].to_vec()));
            bytes = &rest[length..];
        }
        found
    };
    chunks.iter().flat_map(entries).collect()
}

impl World {
    /// A log that is not open yet: that may fail too.
    pub fn new(disk: FaultyDisk) -> World {
        World { disk, log: None, entries: Vec::new(), unacknowledged: Vec::new(), let_go: 1 }
    }

    pub fn last(&self) -> u64 {
        self.entries.len() as u64
    }

    pub fn let_go_so_far(&self) -> u64 {
        self.let_go
    }

    pub fn moves_to(&mut self, disk: FaultyDisk) {
        (self.disk, self.log) = (disk, None);
    }

    /// Does steps until one fails.
    pub fn run(&mut self, steps: &[Step]) -> Result<(), StoreError> {
        if self.log.is_none() {
            self.log = Some(Log::open(Arc::new(self.disk.clone()), OPTIONS)?.0);
        }
        steps.iter().try_for_each(|step| self.step(step))
    }

    fn step(&mut self, step: &Step) -> Result<(), StoreError> {
        let log = self.log.as_mut().expect("it was opened");
        match step {
            Step::Append(chunks, class) => return self.append(chunks, *class),
            Step::KeepLast(count) => {
                let before = (log.last() + 1).saturating_sub(*count);
                log.let_go(before);
                self.let_go = self.let_go.max(before);
            }
            Step::Chore => {
                if let Some(chore) = log.chore() {
                    assert!(log.chore().is_none(), "one at a time");
                    chore.run();
                }
            }
            Step::Leave(bytes) => self.disk.set_quota(bytes.map(|bytes| self.disk.used() + bytes)),
            Step::MakeRoom => {
                let room = log.make_room()?;
                assert_eq!(room, log.has_room());
            }
        }
        Ok(())
    }

    fn append(&mut self, chunks: &[Chunk], class: Class) -> Result<(), StoreError> {
        let log = self.log.as_mut().expect("it was opened");
        let group = plain(chunks);
        match log.append(chunks, class) {
            Ok(last) => {
                self.entries.extend(group);
                assert_eq!((last, log.last()), (self.last(), self.last()));
                Ok(())
            }
            Err(AppendError::Full) => {
                assert!(!log.has_room(), "who was refused is told that there is no room");
                assert_eq!(log.last(), self.last());
                Ok(())
            }
            Err(AppendError::Failed(error)) => {
                self.unacknowledged = group;
                Err(error)
            }
        }
    }

    /// A log that failed takes nothing more, and says so.
    pub fn refuses_all_after_it_failed(&mut self) {
        let Some(log) = self.log.as_mut() else { return };
        let mut chunk = Chunk::new(0, 0);
        chunk.push(b"more");
        for _ in 0..2 {
            let refused = log.append(&[chunk.clone()], Class::Control);
            assert!(matches!(refused, Err(AppendError::Failed(_))), "{refused:?}");
        }
        let refused = log.append(&[chunk], Class::Input);
        assert!(matches!(refused, Err(AppendError::Failed(StoreError::Stopped { .. }))), "{refused:?}");
        assert!(!log.has_room() && log.chore().is_none());
    }

    /// Opens the log anew, and returns whether that could be done. Only the power may be a reason.
    pub fn try_reopen(&mut self) -> bool {
        self.log = None;
        match Log::open(Arc::new(self.disk.clone()), OPTIONS) {
            Ok(_) => true,
            Err(error) => {
                assert!(self.disk.is_off(), "{error}");
                false
            }
        }
    }

    /// Opens the log anew, and holds what is there against the list.
    pub fn reopened(&mut self, what: &str) {
        self.log = None;
        let opened = Log::open(Arc::new(self.disk.clone()), OPTIONS);
        let (log, opened) = opened.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(
            opened.first <= self.let_go,
            "{what}: begins at {}, needed from {}",
            opened.first,
            self.let_go
        );
        assert_eq!((opened.first, opened.last), (log.first(), log.last()), "{what}");
        let mut found = Vec::new();
        log.read(opened.first, &mut |entry| {
            assert_eq!(entry.position, opened.first + found.len() as u64, "{what}");
            found.push((entry.lane, entry.cut, entry.bytes.to_vec()));
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{what}: {error}"));
        let skipped = usize::try_from(opened.first - 1).expect("it is small");
        let mut all = self.entries[..skipped].to_vec();
        all.append(&mut found);
        let acknowledged = self.entries.len();
        assert!(all.len() >= acknowledged, "{what}: {acknowledged} acknowledged, {} there", all.len());
        assert!(
            all[..acknowledged] == self.entries,
            "{what}: other entries than those that were acknowledged"
        );
        let more = &all[acknowledged..];
        assert!(more.is_empty() || more == self.unacknowledged, "{what}: half a group, or one of nobody");
        assert_eq!(all.len() as u64, log.last(), "{what}");
        (self.entries, self.log) = (all, Some(log));
        self.unacknowledged.clear();
    }

    /// The log works as if nothing had happened, and remembers that too.
    pub fn goes_on(&mut self) {
        self.disk.set_quota(None);
        let mut dice = crate::script::Dice::new(self.last());
        let steps: Vec<Step> =
            (0..6).map(|_| Step::random(&mut dice)).filter(|step| !matches!(step, Step::Leave(_))).collect();
        self.run(&steps).expect("nothing fails any more");
        self.reopened("going on");
        self.disk.power_on();
        self.reopened("going on, after a power cut");
        assert!(self.disk.list().expect("it lists").iter().all(|name| !name.ends_with(".tmp")));
    }
}
