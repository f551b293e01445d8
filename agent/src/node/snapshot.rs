//! State snapshots: begun when the journal has grown, made in batches while the service goes on.

use camshaft_store::{Saved, SavedNode, SnapshotWriter};

use super::crew::{CONTROL_LANE, of_store};
use super::{Node, NodeError};
use crate::failpoint;

/// A snapshot is begun when the journal has grown by this many records at least, and by twice as many as the
/// snapshot before had entries: so that what is written for snapshots stays below what is written anyway.
const SNAPSHOT_EVERY: u64 = 50_000;

/// How many instances of a shard are saved at a time.
const BATCH: usize = 512;

fn snapshot_every() -> u64 {
    failpoint::figure("SNAPSHOT_EVERY").unwrap_or(SNAPSHOT_EVERY)
}

fn batch() -> usize {
    failpoint::figure("SNAPSHOT_BATCH").unwrap_or(BATCH)
}

/// A snapshot that is being made.
pub(super) struct Saving {
    number: u64,
    /// Every chunk up to here is from before the cut.
    position: u64,
    writer: Box<dyn SnapshotWriter>,
    /// How many entries were written.
    entries: u64,
}

impl Node {
    /// Saves a snapshot, so that the next opening is quick, and the counts of clients.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub fn save_snapshot(&mut self) -> Result<(), NodeError> {
        let saved = self.save_whole();
        self.unless_full(saved)
    }

    /// Makes durable what came out of the shards, with the counts of clients: the records say everything.
    pub(super) fn settle_records(&mut self) -> Result<(), NodeError> {
        self.drop_snapshot()?;
        self.crew.each(|shard| shard.record_seen(true))?;
        self.crew.flush()
    }

    /// Begins the state snapshot that another agent starts from, unless the newest has everything; and no further one
    /// is begun until [`Node::hand_over_no_more`].
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub fn begin_to_hand_over(&mut self) -> Result<(), NodeError> {
        self.handing = true;
        let begun = self.begin_for_another();
        self.unless_full(begun)
    }

    fn begin_for_another(&mut self) -> Result<(), NodeError> {
        // One that is being made is older, and would leave more to be replayed.
        while self.saving.is_some() {
            self.go_on_with_snapshot()?;
        }
        if self.crew.position()? != self.covered {
            self.begin_snapshot()?;
        }
        Ok(())
    }

    /// Returns the number of the state snapshot that another agent can start from, or none while it is being made.
    /// It is 0 when there is none.
    pub fn handed_over(&self) -> Option<u64> {
        self.saving.is_none().then_some(self.newest)
    }

    /// Makes state snapshots again as the journal grows.
    pub fn hand_over_no_more(&mut self) {
        self.handing = false;
    }

    /// Lets go of a snapshot that there is no room for: the journal has everything, and room may come.
    fn unless_full(&mut self, result: Result<(), NodeError>) -> Result<(), NodeError> {
        match result {
            Err(NodeError::Refused(problem)) if problem.code == crate::problem::DISK_FULL.code => {
                tracing::warn!("there is no room for a state snapshot");
                self.drop_snapshot()
            }
            result => result,
        }
    }

    fn save_whole(&mut self) -> Result<(), NodeError> {
        self.crew.each(|shard| shard.record_seen(true))?;
        self.crew.flush()?;
        if self.crew.position()? == self.covered && self.saving.is_none() {
            return Ok(());
        }
        self.begin_and_end()
    }

    /// Saves a snapshot also when nothing has changed since the last one.
    pub(super) fn renew_snapshot(&mut self) -> Result<(), NodeError> {
        let saved = self.begin_and_end();
        self.unless_full(saved)
    }

    fn begin_and_end(&mut self) -> Result<(), NodeError> {
        if self.saving.is_none() && !self.begin_snapshot()? {
            return Ok(());
        }
        while !self.go_on_with_snapshot()? {}
        Ok(())
    }

    /// Begins a snapshot when the journal has grown, and goes on with one that was begun.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub fn snapshot_if_due(&mut self) -> Result<(), NodeError> {
        let done = self.go_on_if_due();
        self.unless_full(done)
    }

    fn go_on_if_due(&mut self) -> Result<(), NodeError> {
        if self.saving.is_some() {
            return self.go_on_with_snapshot().map(drop);
        }
        if self.crew.position()?.saturating_sub(self.covered) >= snapshot_every().max(2 * self.saved)
            && !self.crew.is_full()
            && !self.handing
        {
            self.begin_snapshot()?;
        }
        Ok(())
    }

    /// Returns true while a snapshot is being made.
    pub fn is_saving(&self) -> bool {
        self.saving.is_some()
    }

    /// Begins a snapshot, unless this is no time for one. Returns true when it was begun.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub fn begin_snapshot(&mut self) -> Result<bool, NodeError> {
        // Until the check of a switch has passed, what its relup applied is known from the records.
        if self.ledger.unchecked.is_some() || self.release.is_none() || self.saving.is_some() {
            return Ok(false);
        }
        failpoint::pass("snapshot.before");
        // First, so that all that is durable by now is from before the cut.
        let position = self.crew.position()?;
        let number = self.cut + 1;
        let mut writer = self.crew.begin_snapshot(number, position + 1)?;
        let controls = self.controls.iter().filter(|(at, _)| *at <= position).cloned().collect();
        let homes = self.epoch.as_ref().map(|epoch| epoch.homes.clone()).unwrap_or_default();
        let homes = homes.iter().map(|(app, home)| (app.to_string(), home.to_string())).collect();
        let head = SavedNode { number, position, controls, lanes: self.crew.shards(), homes };
        writer.put(CONTROL_LANE, &Saved::Node(head).to_bytes()).map_err(of_store)?;
        self.cut = number;
        self.crew.each(move |shard| shard.begin_saving(number))?;
        self.saving = Some(Saving { number, position, writer, entries: 0 });
        failpoint::pass("snapshot.begun");
        Ok(true)
    }

    /// Goes on with a snapshot; returns true when it is done.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub fn go_on_with_snapshot(&mut self) -> Result<bool, NodeError> {
        // Each round comes after all messages that were sent before the round before it.
        let batch = batch();
        let walked = self.crew.each(move |shard| (shard.save_some(batch), shard.take_saved()))?;
        let Some(saving) = &mut self.saving else { return Ok(true) };
        let mut all = true;
        for (lane, (walked, saved)) in (0u16..).zip(walked) {
            all &= walked;
            for entry in saved {
                saving.writer.put(lane, &entry.into_bytes()).map_err(of_store)?;
                saving.entries += 1;
            }
        }
        failpoint::pass("snapshot.part");
        if all {
            self.end_snapshot()?;
        }
        Ok(all)
    }

    fn end_snapshot(&mut self) -> Result<(), NodeError> {
        let ends = self.crew.each(|shard| {
            shard.end_saving();
            shard.take_saved()
        })?;
        let Some(mut saving) = self.saving.take() else { return Ok(()) };
        for (lane, saved) in (0u16..).zip(ends) {
            for entry in saved {
                saving.writer.put(lane, &entry.into_bytes()).map_err(of_store)?;
            }
        }
        // Not before the records of what is in it: else a fall back to the one before would miss them.
        self.crew.flush()?;
        if self.crew.is_full() {
            // They may wait for room: a state that only the snapshot knows of would come from nowhere.
            let detail = "what is in the state snapshot is not durable yet; nothing was changed";
            return Err(NodeError::Refused(crate::problem::DISK_FULL.problem(detail)));
        }
        failpoint::pass("snapshot.before-finish");
        saving.writer.finish().map_err(of_store)?;
        failpoint::pass("snapshot.finished");
        let before = std::mem::replace(&mut self.covered, saving.position);
        self.saved = saving.entries;
        self.newest = saving.number;
        tracing::debug!(number = saving.number, position = saving.position, "a state snapshot was made");
        // The one before it stays readable: with its records it says the same.
        self.covered_before = before;
        self.crew.let_go(before + 1)?;
        failpoint::pass("snapshot.after");
        Ok(())
    }

    /// Breaks a snapshot off that is being made: what comes changes all instances.
    pub(super) fn drop_snapshot(&mut self) -> Result<(), NodeError> {
        if self.saving.take().is_some() {
            self.crew.each(crate::engine::Shard::drop_saving)?;
        }
        Ok(())
    }
}
