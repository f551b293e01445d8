//! A node: the engine and its journal, kept in step.
//!
//! Everything that must be durable is appended here before anything that follows from it leaves
//! the node. Time is an argument; the clock, the sockets and the threads are the host's.
//!
//! What must stay true: after an append has failed, nothing more is done ([`NodeError::Journal`]
//! ends the host's loop): what is on the disk is found out by opening anew.

mod clients;
mod install;
mod ledger;
mod open;
mod permanent;
mod rollback;
mod status;
mod switch;
mod upgrade;

use std::sync::Arc;

use camshaft_store::{Control, Journal, Record, Refusal, ReleaseEntry, Stamp, StoreError};

use clients::Clients;
pub use ledger::Ledger;
pub use open::{OpenNodeError, Opener};
pub use rollback::Holding;

use crate::api::Problem;
use crate::engine::{Engine, Reply, Request, RequestId};
use crate::failpoint;
use crate::release::Release;

/// A snapshot is taken when the journal has grown by this many records.
const SNAPSHOT_EVERY: u64 = 50_000;

/// How many steps go into one group of records: enough to share the cost of a sync, few enough
/// for the first of them not to wait long.
const STEPS_MAX: usize = 1024;

/// The engine of a node and its journal.
pub struct Node {
    journal: Box<dyn Journal>,
    opener: Box<Opener>,
    engine: Engine,
    ledger: Ledger,
    /// The release before the running one, when it was needed lately.
    previous: Option<Arc<Release>>,
    /// The position of the last record.
    position: u64,
    /// The position that the newest snapshot covers.
    covered: u64,
    answers: Vec<(RequestId, Reply)>,
    last_pause_us: Option<u64>,
    clients: Clients,
}

/// Why the node does not do what it is asked for.
#[derive(Debug)]
pub enum NodeError {
    /// It is refused.
    Refused(Box<Problem>),
    /// The journal failed: nothing more can be done until it is opened anew.
    Journal(StoreError),
}

impl From<Box<Problem>> for NodeError {
    fn from(problem: Box<Problem>) -> NodeError {
        NodeError::Refused(problem)
    }
}

impl From<StoreError> for NodeError {
    fn from(error: StoreError) -> NodeError {
        NodeError::Journal(error)
    }
}

/// Who asks, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who.
    pub who: String,
    /// Milliseconds since the Unix epoch.
    pub now_ms: i64,
}

impl Node {
    /// Takes a request in; its answer is among those of a later [`Node::take_answers`].
    pub fn request(&mut self, now_ms: i64, request: Request) {
        self.engine.advance(now_ms);
        self.count(&request);
        self.engine.request(request);
    }

    /// Fires what is due, delivers what waits, up to a group's worth, and makes it durable.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub fn run(&mut self, now_ms: i64) -> Result<(), StoreError> {
        self.engine.advance(now_ms);
        self.engine.run(STEPS_MAX);
        self.flush()?;
        if let Some(clients) = self.clients.take_due(self.engine.now_ms()) {
            self.journal.save_clients(&clients)?;
        }
        if self.position - self.covered >= SNAPSHOT_EVERY {
            self.save_snapshot()?;
        }
        Ok(())
    }

    /// Returns true when [`Node::run`] has something to do at once.
    pub fn has_work(&self) -> bool {
        self.engine.has_work()
    }

    /// Returns when the next timer is due.
    pub fn next_due_ms(&self) -> Option<i64> {
        self.engine.next_due_ms()
    }

    /// Returns the answers that may leave the node.
    pub fn take_answers(&mut self) -> Vec<(RequestId, Reply)> {
        std::mem::take(&mut self.answers)
    }

    /// Saves a snapshot, so that the next opening is quick, and the counts of clients.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub fn save_snapshot(&mut self) -> Result<(), StoreError> {
        self.flush()?;
        if let Some(clients) = self.clients.take_unsaved(self.engine.now_ms()) {
            self.journal.save_clients(&clients)?;
        }
        // Until the check of a switch has passed, what its relup applied is known from the records.
        if self.ledger.unchecked.is_some() {
            return Ok(());
        }
        if self.position > self.covered && self.engine.release().is_some() {
            failpoint::pass("snapshot.before");
            self.journal.save_snapshot(&self.engine.save(self.position))?;
            self.covered = self.position;
            failpoint::pass("snapshot.after");
        }
        Ok(())
    }

    /// Makes durable what came out of the engine; only then are its answers given away.
    fn flush(&mut self) -> Result<(), StoreError> {
        let batch = self.engine.take_batch();
        if !batch.records.is_empty() {
            failpoint::pass("append.before");
            self.position = self.journal.append(&batch.records)?;
            failpoint::pass("append.after");
        }
        for line in batch.logs {
            tracing::info!(target: "machine", instance = %line.instance, seq = line.seq, "{}", line.line);
        }
        self.answers.extend(batch.answers);
        Ok(())
    }

    /// Appends control records and takes them into the ledger.
    fn append(&mut self, controls: &[Control]) -> Result<(), StoreError> {
        let records: Vec<Record> = controls.iter().cloned().map(Record::Control).collect();
        self.position = self.journal.append(&records)?;
        for control in controls {
            self.ledger.apply(control);
        }
        Ok(())
    }

    /// Writes into the history that something was refused, and returns the refusal.
    fn refuse(&mut self, asked: &Asked, to: Option<&ReleaseEntry>, problem: Box<Problem>) -> NodeError {
        let refusal = Refusal {
            stamp: self.stamp(asked),
            to: to.cloned(),
            code: problem.code.clone(),
            reason: problem.detail.clone(),
        };
        match self.append(&[Control::Refused(refusal)]) {
            Ok(()) => problem.into(),
            Err(error) => error.into(),
        }
    }

    /// Notes a refusal that was found before the node was asked, such as a bundle that cannot be
    /// read.
    ///
    /// # Errors
    ///
    /// Always: the refusal, or that the journal failed.
    pub fn refused(&mut self, asked: &Asked, to: Option<&ReleaseEntry>, problem: Box<Problem>) -> NodeError {
        self.engine.advance(asked.now_ms);
        self.refuse(asked, to, problem)
    }

    fn stamp(&self, asked: &Asked) -> Stamp {
        Stamp { at_ms: self.engine.now_ms(), who: asked.who.clone() }
    }
}
