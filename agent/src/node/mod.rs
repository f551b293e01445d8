//! A node: its shards and its journal, kept in step, and what operators do to them.
//!
//! Everything that must be durable is appended before anything that follows from it leaves the node.
//! Time is an argument; the clock, the sockets and the threads are the host's. In one thread
//! ([`Node::request`], [`Node::run`]) a node does nothing but what it is asked for; the host takes
//! shards and journal to threads of their own ([`Node::depart`]), and what is said here of operators
//! stays the same.
//!
//! What must stay true: after an append has failed, nothing more is done ([`NodeError::Journal`]
//! ends the host's threads): what is on the disk is found out by opening anew.

mod ahead;
mod attempts;
mod backup;
mod capsules;
mod care;
mod clients;
mod crew;
mod install;
mod ledger;
mod old;
mod open;
mod order;
mod owed;
mod pending;
mod permanent;
mod probation;
mod redrive;
mod remove;
mod rollback;
mod snapshot;
mod status;
mod sweep;
mod switch;
mod takeover;
mod trying;
mod upgrade;
mod watch;

use std::sync::Arc;

use camshaft_store::{Control, Refusal, ReleaseEntry, Stamp, StoreError};

pub use ahead::{LargeState, Walk, WorkedOut};
use attempts::Life;
use crew::{Crew, Here};
pub(crate) use crew::{Departing, full};
pub use ledger::Ledger;
pub use open::{OpenNodeError, Opener, Settings};
pub(crate) use pending::{Group, Pending};
pub use probation::Policy;
pub use remove::WayBack;
pub use rollback::Holding;
pub use takeover::Preloaded;

use crate::api::Problem;
use crate::engine::{Epoch, Reply, Request, RequestId, Shard, shard_of};
use crate::host::Away;
use crate::ports::{CallEnd, CallId, CallOut};
use crate::release::Release;
use snapshot::Saving;

/// How many steps go into one group of records: enough to share the cost of a sync, few enough
/// for the first of them not to wait long.
const STEPS_MAX: usize = 1024;

/// Who asks for what the node does by itself.
const AGENT: &str = "agent";

/// The shards of a node and its journal.
pub struct Node {
    crew: Crew,
    opener: Box<Opener>,
    ledger: Ledger,
    /// The release that runs.
    release: Option<Arc<Release>>,
    /// The switch that brought it.
    epoch: Option<Arc<Epoch>>,
    /// The release before the running one, when it was needed lately.
    previous: Option<Arc<Release>>,
    /// All control records, with their positions.
    controls: Vec<(u64, Control)>,
    /// The node's time, as far as operators know it.
    now_ms: i64,
    /// The number of the last state snapshot that was begun.
    cut: u64,
    /// The number of the newest state snapshot that is durable; 0 when there is none.
    newest: u64,
    /// True while another agent is to take the node over from the newest state snapshot.
    handing: bool,
    /// The position that the newest state snapshot covers.
    covered: u64,
    /// The same of the snapshot before it, which is kept as well; 0 when it is not known.
    covered_before: u64,
    saving: Option<Saving>,
    /// What the last switch owes.
    owed: Option<owed::Owed>,
    /// How many entries the newest state snapshot has, as far as that is known.
    saved: u64,
    last_pause_us: Option<u64>,
    /// How many instances could not go over the last switch when they were used.
    troubled: u64,
    /// What the next upgrade leads to has to pass; none, and nothing is looked at.
    policy: Option<Policy>,
    /// Which life of the agent this is of those in the probation of a release, as it is noted.
    life: Option<Life>,
    /// How many of those before it ended without being told to.
    ended: u32,
    /// An instance of a release on probation whose state is not as its machine says, and why.
    flawed: Option<(String, String)>,
    /// When a large state is looked at again whether it is.
    sample_large_ms: i64,
    /// When what follows from a probation was refused the last time: it is asked for again after a while.
    put_off_ms: Option<i64>,
    /// How many trials were begun or ended.
    trials: u64,
    health: care::Health,
    /// While the attempt at the recovery goes on that opened this node: how often it is still looked whether it has ended.
    watched: Option<u32>,
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
    fn here(&mut self) -> &mut Here {
        match &mut self.crew {
            Crew::Here(here) => here,
            Crew::Away(_) => unreachable!("its shards are in other threads"),
        }
    }

    /// Takes a request in; its answer is among those of a later [`Node::take_answers`].
    pub fn request(&mut self, now_ms: i64, request: Request) {
        let homes = self.epoch.as_ref().map(|epoch| epoch.homes.clone()).unwrap_or_default();
        // A client uses the names of the version that it speaks; the shard is that of those that run.
        let speech = self.release.as_ref().map(|release| &release.speech);
        let moved = speech.and_then(|speech| speech.moved(&request.says, &request.address));
        let address = moved.map(|moved| request.address.at(moved));
        let shard = shard_of(&homes, self.crew.shards(), address.as_ref().unwrap_or(&request.address));
        self.request_at(now_ms, shard, request);
    }

    fn request_at(&mut self, now_ms: i64, shard: u16, request: Request) {
        let shard = &mut self.here().shards[usize::from(shard)];
        shard.advance(now_ms);
        shard.request(request);
    }

    /// Takes in how a call on a port ended.
    pub fn end_call(&mut self, now_ms: i64, id: &CallId, end: CallEnd) {
        let homes = self.epoch.as_ref().map(|epoch| epoch.homes.clone()).unwrap_or_default();
        let shard = shard_of(&homes, self.crew.shards(), &id.instance);
        let shard = &mut self.here().shards[usize::from(shard)];
        shard.advance(now_ms);
        shard.end_call(id, end);
    }

    /// Fires what is due, delivers what waits, up to a group's worth in each shard, and makes it durable.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub fn run(&mut self, now_ms: i64) -> Result<(), StoreError> {
        for index in 0..self.here().shards.len() {
            self.run_shard(index, now_ms);
        }
        self.sync()?;
        self.look_after(now_ms).map_err(store_error)?;
        self.sweep_if_due().map_err(store_error)?;
        self.snapshot_if_due().map_err(store_error)
    }

    /// Lets one shard fire what is due and deliver what waits, up to a group's worth. Its messages reach
    /// the other shards; nothing of it is durable before [`Node::sync`].
    pub fn run_shard(&mut self, index: usize, now_ms: i64) {
        let here = self.here();
        let shard = &mut here.shards[index];
        shard.advance(now_ms);
        shard.run(STEPS_MAX);
        shard.record_seen(false);
        here.collect(index);
    }

    /// Makes durable what came out of the shards, and gives the answers free that hang on it.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        self.here().sync()?;
        self.look_at_first().map_err(store_error)
    }

    /// Returns how many shards there are.
    pub fn shards(&self) -> u16 {
        self.crew.shards()
    }

    /// Returns the shards of a node that is in one thread, to be looked at.
    pub fn look(&mut self) -> &[Shard] {
        &self.here().shards
    }

    /// Returns true when [`Node::run`] has something to do at once.
    pub fn has_work(&mut self) -> bool {
        self.here().shards.iter().any(Shard::has_work)
    }

    /// Returns when the next timer is due.
    pub fn next_due_ms(&mut self) -> Option<i64> {
        self.here().shards.iter().filter_map(Shard::next_due_ms).min()
    }

    /// Returns the answers that may leave the node.
    pub fn take_answers(&mut self) -> Vec<(RequestId, Reply)> {
        std::mem::take(&mut self.here().answers)
    }

    /// Returns the calls on ports that may be made.
    pub fn take_calls(&mut self) -> Vec<CallOut> {
        std::mem::take(&mut self.here().calls)
    }

    /// Gives shards and journal away, to go on in other threads; what is left here does what operators
    /// ask for.
    ///
    /// # Errors
    ///
    /// What `host` refuses.
    pub(crate) fn depart<E>(
        mut self,
        host: impl FnOnce(Departing, Option<Arc<Epoch>>) -> Result<Away, E>,
    ) -> Result<Node, E> {
        let epoch = self.epoch.clone();
        match self.crew {
            Crew::Here(here) => {
                self.crew = Crew::Away(host(here.depart(), epoch)?);
                Ok(self)
            }
            Crew::Away(_) => Ok(self),
        }
    }

    /// Begins a command: no shard is behind its time, and the history tells what happened before it.
    fn advance(&mut self, now_ms: i64) -> Result<(), NodeError> {
        self.now_ms = self.now_ms.max(now_ms);
        let now_ms = self.now_ms;
        let told = self.crew.each(move |shard| {
            shard.advance(now_ms);
            (shard.take_told(), shard.now_ms())
        })?;
        self.now_ms = told.iter().map(|(_, now_ms)| *now_ms).fold(self.now_ms, i64::max);
        self.tell(told, now_ms)
    }

    /// Appends control records and takes them into the ledger.
    fn append(&mut self, controls: &[Control]) -> Result<(), NodeError> {
        let last = self.crew.append(controls)?;
        let first = last + 1 - controls.len() as u64;
        for (position, control) in (first..).zip(controls) {
            self.ledger.apply(control);
            self.controls.push((position, control.clone()));
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
            Err(error) => error,
        }
    }

    /// Notes a refusal that was found before the node was asked, such as a bundle that cannot be
    /// read.
    ///
    /// # Errors
    ///
    /// Always: the refusal, or that the journal failed.
    pub fn refused(&mut self, asked: &Asked, to: Option<&ReleaseEntry>, problem: Box<Problem>) -> NodeError {
        match self.advance(asked.now_ms) {
            Ok(()) => self.refuse(asked, to, problem),
            Err(error) => error,
        }
    }

    fn stamp(&self, asked: &Asked) -> Stamp {
        Stamp { at_ms: self.now_ms, who: asked.who.clone() }
    }
}

/// Returns the failure of a journal; nothing else ends what only looks after it.
fn store_error(error: NodeError) -> StoreError {
    match error {
        NodeError::Journal(error) => error,
        NodeError::Refused(problem) => StoreError::Refused(problem.detail),
    }
}
