//! The shards of a node and its journal, in one thread or in several.
//!
//! In one thread everything happens when it is asked for: so tests and simulations play every order of
//! events. In several, each shard has a thread, and the journal another ([`crate::host`]).

use camshaft_cam::digest::Digest;
use camshaft_store::{
    AppendError, Chunk, Class, Control, FolderCut, Journal, Record, SnapshotWriter, StoreError,
};

use super::NodeError;
use super::attempts::{Attempts, Life};
use super::pending::{Group, Pending};
use crate::engine::{Answer, Posted, Reply, RequestId, Shard};
use crate::host::Away;
use crate::ports::CallOut;

/// The lane of control records, which no snapshot covers by its cut.
pub(super) const CONTROL_LANE: u16 = u16::MAX;

/// The shards of a node and its journal.
pub(super) enum Crew {
    /// In this thread.
    Here(Box<Here>),
    /// In others.
    Away(Away),
}

/// Shards and journal in this thread.
pub(super) struct Here {
    pub(super) shards: Vec<Shard>,
    pub(super) journal: Box<dyn Journal>,
    /// What came out of the shards and is not durable.
    pending: Pending<RequestId>,
    pub(super) answers: Vec<(RequestId, Reply)>,
    pub(super) calls: Vec<CallOut>,
    full: bool,
}

/// Shards and journal that go to other threads.
pub(crate) struct Departing {
    pub(crate) shards: Vec<Shard>,
    pub(crate) journal: Box<dyn Journal>,
    /// What the first deliveries wrote and a full disk did not take yet, and the calls that hang on it.
    pub(crate) waiting: Vec<Group<RequestId>>,
}

impl Here {
    /// Goes to other threads. No answer waits: a node that is opened has no clients.
    pub(super) fn depart(self) -> Departing {
        Departing { shards: self.shards, journal: self.journal, waiting: self.pending.into_groups() }
    }

    pub(super) fn new(shards: Vec<Shard>, journal: Box<dyn Journal>) -> Here {
        Here { shards, journal, pending: Pending::new(), answers: vec![], calls: vec![], full: false }
    }

    /// Takes what came out of a shard. Its messages go on at once: the records that they hang on are
    /// before all that may come of them.
    pub(super) fn collect(&mut self, index: usize) {
        let out = self.shards[index].take_out();
        if out.chunk.count > 0 || !out.answers.is_empty() || !out.calls.is_empty() {
            let lane = u16::try_from(index).expect("a node has few shards");
            let chunk = (out.chunk.count > 0).then_some(out.chunk);
            self.pending.push(Group { lane, chunk, answers: out.answers, calls: out.calls });
        }
        for line in out.logs {
            tracing::info!(target: "machine", instance = %line.instance, seq = line.seq, "{}", line.line);
        }
        for posted in out.mail {
            self.deliver(posted);
        }
    }

    fn deliver(&mut self, posted: Posted) {
        let index = usize::from(posted.shard);
        if self.shards[index].cut() < posted.cut {
            self.collect(index);
            self.shards[index].begin_saving(posted.cut);
        }
        self.shards[index].receive(posted);
    }

    /// Makes durable what came out of the shards; only then are the answers given away. On a full disk what does
    /// not fit waits.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        if self.full {
            let room = self.journal.make_room()?;
            self.set_full(!room);
        }
        if !self.pending.is_empty() {
            let records = self.pending.has_records();
            let room = self.pending.write(&mut *self.journal)?;
            self.release();
            if !room {
                self.set_full(true);
                return Ok(());
            }
            // There is no other thread for it.
            if records && let Some(chore) = self.journal.chore() {
                chore();
            }
        }
        if !self.full && !self.journal.has_room() {
            // Control records may have turned a segment without any chore.
            let room = self.journal.make_room()?;
            self.set_full(!room);
        }
        Ok(())
    }

    /// Gives away what hangs on nothing that waits.
    fn release(&mut self) {
        let free = self.pending.take_free();
        self.answers.extend(free.answers.into_iter().map(|Answer { who, reply, .. }| (who, reply)));
        self.calls.extend(free.calls);
    }

    fn set_full(&mut self, full: bool) {
        if full != self.full {
            tracing::warn!(
                "{}",
                if full { "the disk is full: inputs are refused" } else { "there is room again" }
            );
        }
        self.full = full;
        for shard in &mut self.shards {
            shard.set_read_only(full);
        }
    }

    /// Takes what came out of all shards, and makes it durable.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        while let Some(index) = self.shards.iter().position(Shard::has_out) {
            self.collect(index);
        }
        self.sync()
    }
}

impl Crew {
    /// Returns how many shards there are.
    pub(super) fn shards(&self) -> u16 {
        match self {
            Crew::Here(here) => u16::try_from(here.shards.len()).expect("a node has few shards"),
            Crew::Away(away) => away.shards(),
        }
    }

    /// Does something with each shard, and returns what came of it, in the order of the shards.
    pub(super) fn each<T: Send + 'static>(
        &mut self,
        job: impl Fn(&mut Shard) -> T + Send + Sync + 'static,
    ) -> Result<Vec<T>, NodeError> {
        match self {
            Crew::Here(here) => {
                let mut results = vec![];
                for index in 0..here.shards.len() {
                    here.collect(index);
                    results.push(job(&mut here.shards[index]));
                    here.collect(index);
                }
                Ok(results)
            }
            Crew::Away(away) => away.each(job),
        }
    }

    /// The same with something for each shard.
    pub(super) fn each_with<A: Send + 'static, T: Send + 'static>(
        &mut self,
        each: Vec<A>,
        job: impl Fn(&mut Shard, A) -> T + Send + Sync + 'static,
    ) -> Result<Vec<T>, NodeError> {
        match self {
            Crew::Here(here) => {
                let mut results = vec![];
                for (index, argument) in each.into_iter().enumerate() {
                    here.collect(index);
                    results.push(job(&mut here.shards[index], argument));
                    here.collect(index);
                }
                Ok(results)
            }
            Crew::Away(away) => away.each_with(each, job),
        }
    }

    /// Lets the shards know of a switch whose record is durable, before any of them goes over.
    pub(super) fn announce(&self, epoch: &std::sync::Arc<crate::engine::Epoch>) {
        if let Crew::Away(away) = self {
            away.announce(epoch);
        }
    }

    /// Makes durable what came out of the shards so far.
    pub(super) fn flush(&mut self) -> Result<(), NodeError> {
        match self {
            Crew::Here(here) => Ok(here.flush()?),
            Crew::Away(away) => away.flush(),
        }
    }

    /// Appends control records, durably, after all that came out of the shards before; returns the
    /// position of the last.
    pub(super) fn append(&mut self, controls: &[Control]) -> Result<u64, NodeError> {
        let mut chunk = Chunk::new(CONTROL_LANE, u64::MAX);
        for control in controls {
            chunk.push(&Record::Control(control.clone()).to_bytes());
        }
        match self {
            Crew::Here(here) => {
                here.flush()?;
                // What is decided now follows from them: they go first, into the room that is set aside.
                let room = here.pending.write_all(&mut *here.journal, Class::Control)?;
                here.release();
                let appended = match room {
                    true => here.journal.append(&[chunk], Class::Control),
                    false => Err(AppendError::Full),
                };
                if matches!(appended, Err(AppendError::Full)) {
                    here.set_full(true);
                }
                appended.map_err(full)
            }
            Crew::Away(away) => away.append(chunk),
        }
    }

    /// Returns the position of the last record that is durable.
    pub(super) fn position(&mut self) -> Result<u64, NodeError> {
        match self {
            Crew::Here(here) => Ok(here.journal.last()),
            Crew::Away(away) => away.journal(|journal| Ok(journal.last())),
        }
    }

    /// Returns how many bytes the records take that are kept, where that is counted.
    pub(super) fn bytes(&mut self) -> Result<Option<u64>, NodeError> {
        match self {
            Crew::Here(here) => Ok(here.journal.bytes()),
            Crew::Away(away) => away.journal(|journal| Ok(journal.bytes())),
        }
    }

    /// Begins a snapshot.
    pub(super) fn begin_snapshot(
        &mut self,
        number: u64,
        from: u64,
    ) -> Result<Box<dyn SnapshotWriter>, NodeError> {
        match self {
            Crew::Here(here) => here.journal.begin_snapshot(number, from).map_err(of_store),
            Crew::Away(away) => {
                away.journal(move |journal| Ok(journal.begin_snapshot(number, from)))?.map_err(of_store)
            }
        }
    }

    /// Notes that an attempt at a recovery has ended, and which life of the agent this is.
    pub(super) fn note_end(&mut self, life: Option<Life>) -> Result<(), NodeError> {
        match self {
            Crew::Here(here) => Attempts::end(&mut *here.journal, life),
            Crew::Away(away) => away.journal(move |journal| {
                Attempts::end(journal, life);
                Ok(())
            })?,
        }
        Ok(())
    }

    /// Lets go of what is below a position.
    pub(super) fn let_go(&mut self, below: u64) -> Result<(), NodeError> {
        match self {
            Crew::Here(here) => Ok(here.journal.let_go(below)?),
            Crew::Away(away) => away.journal(move |journal| journal.let_go(below)),
        }
    }

    /// Keeps bytes.
    pub(super) fn put_blob(&mut self, bytes: &[u8]) -> Result<Digest, NodeError> {
        match self {
            Crew::Here(here) => here.journal.put_blob(bytes).map_err(of_store),
            Crew::Away(away) => {
                let bytes = bytes.to_vec();
                away.journal(move |journal| Ok(journal.put_blob(&bytes)))?.map_err(of_store)
            }
        }
    }

    /// Returns bytes that were kept.
    pub(super) fn blob(&mut self, digest: Digest) -> Result<Option<Vec<u8>>, NodeError> {
        match self {
            Crew::Here(here) => Ok(here.journal.blob(digest)?),
            // One that cannot be read speaks against what it was wanted for, and not against the journal.
            Crew::Away(away) => Ok(away.journal(move |journal| Ok(journal.blob(digest)))??),
        }
    }

    /// Lets go of bytes that were kept. Those that stay only take room: that is said, and ends nothing.
    pub(super) fn remove_blob(&mut self, digest: Digest) -> Result<(), NodeError> {
        let removed = match self {
            Crew::Here(here) => here.journal.remove_blob(digest),
            Crew::Away(away) => away.journal(move |journal| Ok(journal.remove_blob(digest)))?,
        };
        if let Err(error) = removed {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, blob = %digest.hex(), "a bundle that nothing needs cannot be removed; it is tried again");
        }
        Ok(())
    }

    /// Returns what the journal is now, to be copied while it goes on.
    pub(super) fn cut(&mut self) -> Result<Result<FolderCut, StoreError>, NodeError> {
        match self {
            Crew::Here(here) => Ok(here.journal.cut()),
            Crew::Away(away) => away.journal(|journal| Ok(journal.cut())),
        }
    }

    /// Returns true while nothing can be recorded.
    pub(super) fn is_full(&self) -> bool {
        match self {
            Crew::Here(here) => here.full,
            Crew::Away(away) => away.is_full(),
        }
    }
}

/// Returns what a refusal of the disk means: that it is full changes nothing, and all else ends the node.
pub(super) fn of_store(error: StoreError) -> NodeError {
    if error.is_full() {
        let detail = "there is no room for what has to be kept; nothing was changed";
        return NodeError::Refused(crate::problem::DISK_FULL.problem(detail));
    }
    NodeError::Journal(error)
}

/// Returns what a failed append of control records means. There is room set aside for them, so a full
/// disk is as bad as any other failure once that is used up.
pub(crate) fn full(error: AppendError) -> NodeError {
    match error {
        AppendError::Failed(error) => NodeError::Journal(error),
        AppendError::Full => NodeError::Refused(
            crate::problem::DISK_FULL.problem("no room is left for what would be done; nothing was changed"),
        ),
    }
}
