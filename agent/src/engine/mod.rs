//! The engine: all instances of a node and what happens to them, without input or output.
//!
//! Requests and times go in; records, answers and log lines come out as a [`Batch`]. Who drives
//! it makes the records durable and only then gives the answers away: acknowledged means
//! durable. Messages between instances may run ahead within a batch, since a batch is durable as
//! a whole or not at all.
//!
//! What must stay true: what becomes of the instances follows from the records alone, so that
//! [`recover`] and a live run come to the same states; code runs in `step` only; `now` never runs
//! backwards.
//!
//! Where to look: `admit` takes requests in, `again` answers those that are not new, `step` computes, `deliver` runs and commits,
//! `carry` takes one instance over a switch, `applied` gives what a relup applies, `trial` all of them for a try, `switch` goes over.

mod admit;
mod again;
mod applied;
mod carry;
mod deliver;
pub mod instance;
pub mod kept;
mod plan;
mod recover;
mod snapshot;
mod status;
mod step;
pub mod supervise;
mod switch;
mod trial;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_manifests::InstanceAddress;
use camshaft_store::{InstanceSnapshot, Record};

pub use admit::{Refusal, Request};
pub use instance::RequestId;
pub use kept::Identity;
pub use plan::{Plan, PlanError, Way};
pub use recover::{Divergence, ReplayError};
pub use snapshot::LoadError;
pub use switch::reason_not_startable;
pub use switch::{Checks, Switched};
pub(crate) use trial::micros;
pub use trial::{Carryable, Trial};

use crate::release::Release;
use instance::Instance;
use kept::Answered;

/// All instances of a node.
#[derive(Debug)]
pub struct Engine {
    /// The release that runs; none on an empty node.
    release: Option<Arc<Release>>,
    /// The release that was left by going back from it, while nothing else was switched to: its
    /// edges lead to the answers that it gave.
    left: Option<Arc<Release>>,
    /// The number of the last switch.
    switch: u64,
    /// The number of the switch that brought the configuration.
    config: u64,
    /// The node's time.
    now_ms: i64,
    /// Makes the seeds of this node differ from those of another.
    salt: u64,
    instances: BTreeMap<InstanceAddress, Instance>,
    /// Instances of machines that the running release does not have, by the machine that wrote
    /// their states.
    archive: BTreeMap<(InstanceAddress, Digest), InstanceSnapshot>,
    /// The timers of instances that live, in the order in which they fire.
    timers: BTreeSet<(i64, InstanceAddress, Arc<str>)>,
    /// Instances with mail, each once.
    ready: VecDeque<InstanceAddress>,
    /// Requests from outside that wait in mailboxes.
    outside: usize,
    /// What the relup of the last switch applies and was not applied yet, by its place there.
    unapplied: BTreeMap<u32, applied::Unapplied>,
    /// The last number that was given to a change.
    version: u64,
    out: Batch,
}

/// What came out of the engine since the last time it was asked.
#[derive(Debug, Default)]
pub struct Batch {
    /// What must be durable before any of the rest leaves the node.
    pub records: Vec<Record>,
    /// Who gets which answer.
    pub answers: Vec<(RequestId, Reply)>,
    /// Lines that steps wrote to the log.
    pub logs: Vec<LogLine>,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The output in the JSON form of the version that the client speaks, or kind and reason of a trap. `repeated` when it was given
    /// before.
    Answered {
        /// What was answered.
        answer: Answered,
        /// True when the request was answered before and not applied again.
        repeated: bool,
        /// The version that the answer is in.
        speaks: Arc<str>,
    },
    /// The request was not applied; or it was before, and its answer cannot be shown.
    Refused(Refusal),
}

/// A line that a step wrote to the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The instance.
    pub instance: InstanceAddress,
    /// The number of the input.
    pub seq: u64,
    /// The line.
    pub line: String,
}

impl Engine {
    /// Returns the engine of an empty node. Nodes with different salts give their steps
    /// different seeds.
    pub fn new(salt: u64) -> Engine {
        Engine {
            release: None,
            left: None,
            switch: 0,
            config: 0,
            now_ms: 0,
            salt,
            instances: BTreeMap::new(),
            archive: BTreeMap::new(),
            timers: BTreeSet::new(),
            ready: VecDeque::new(),
            outside: 0,
            unapplied: BTreeMap::new(),
            version: 0,
            out: Batch::default(),
        }
    }

    /// Returns the release that runs.
    pub fn release(&self) -> Option<&Arc<Release>> {
        self.release.as_ref()
    }

    /// Tells the engine which release was left by going back from it.
    pub fn set_left(&mut self, left: Option<Arc<Release>>) {
        self.left = left;
    }

    /// Returns the node's time.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Tells the engine the time. A clock that was set back stands still.
    pub fn advance(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// Returns what came out since the last time.
    pub fn take_batch(&mut self) -> Batch {
        std::mem::take(&mut self.out)
    }

    /// Returns when the next timer is due.
    pub fn next_due_ms(&self) -> Option<i64> {
        self.timers.first().map(|(due_ms, ..)| *due_ms)
    }

    /// Returns true when there is mail to deliver or a timer to fire.
    pub fn has_work(&self) -> bool {
        !self.ready.is_empty() || self.next_due_ms().is_some_and(|due_ms| due_ms <= self.now_ms)
    }

    fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Lists an instance among those with mail.
    fn make_ready(&mut self, address: &InstanceAddress) {
        if let Some(instance) = self.instances.get_mut(address)
            && !instance.queued
            && !instance.mailbox.is_empty()
            && instance.held().is_none()
        {
            instance.queued = true;
            self.ready.push_back(address.clone());
        }
    }
}
