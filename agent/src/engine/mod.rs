//! The engine: the instances of a node and what happens to them, without input or output.
//!
//! A node has one or more [`Shard`]s. Each owns its instances alone; which shard an instance belongs
//! to follows from its application and key. Requests, messages of other shards and times go in;
//! records, answers, messages for other shards and log lines come out as an [`Out`]. Who drives the
//! shards hands the records to the journal before it hands the messages on, and gives the answers
//! away when the records are durable: acknowledged means durable, and whatever is durable has its
//! causes before it.
//!
//! What must stay true: what becomes of the instances follows from the records alone, so that
//! [`recover`] and a live run come to the same states; code runs in `step` only; `now` never runs
//! backwards; a shard that is told of a higher switch goes over before anything else.
//!
//! Where to look: `admit` takes requests in, `again` answers those that are not new, `step` computes, `deliver` runs and commits, `discard` lets go of what is large,
//! `post` takes messages, `road` knows the switches that lie behind, `touch` lets what is used go over them, `ahead` works out what becomes of large states before that, `carry` takes
//! one instance along, `rewind` does over again in the release before what was done since, `capsules` keeps what fails, `recorder` the last inputs and `shadow` compares what another release makes of them, `applied` gives what a relup applies, `trial` tries a switch on copies, `switch` goes over, `saving` makes
//! state snapshots while the service goes on, `watch` is asked by a recovery before code runs that it may not survive, `walk`
//! counts and lists a slice at a time, `sample` looks at states while a release is on probation.

mod admit;
mod again;
mod ahead;
mod applied;
mod aside;
mod calls;
mod capsules;
mod care;
mod carry;
mod deliver;
mod discard;
pub mod instance;
pub mod kept;
mod laws;
mod parked;
mod plan;
mod post;
mod recorder;
mod recover;
mod redrive;
mod rewind;
mod road;
mod sample;
mod saving;
mod seen;
mod shadow;
mod snapshot;
mod status;
mod step;
pub mod supervise;
mod switch;
mod table;
mod told;
mod touch;
mod trial;
mod users;
mod walk;
mod watch;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::Memo;
use camshaft_manifests::{AppName, InstanceAddress, MachineAddress};
use camshaft_store::{Chunk, InstanceSnapshot, RecordRef};
use rustc_hash::FxHasher;

pub use admit::{Refusal, Request};
pub use ahead::{Ahead, Behind, BehindSome};
pub use capsules::Caught;
pub use care::Told;
pub(crate) use carry::gives_back;
pub use discard::Discarded;
pub use instance::RequestId;
pub use kept::Identity;
pub(crate) use laws::up_again;
pub use parked::ParkedPlace;
pub use plan::{Plan, PlanError, Way};
pub use post::Posted;
pub use recorder::Tape;
pub use recover::{Divergence, ReplayError};
pub use redrive::Redriven;
pub use rewind::{REWIND_BYTES_MAX, REWIND_INPUTS_MAX};
pub use sample::Sample;
pub use seen::Seen;
pub(crate) use shadow::{Both, Moment, Side};
pub use shadow::{shadow, shadow_preserved};
pub use snapshot::LoadError;
pub use status::{Listed, Listing, merged};
pub(crate) use step::{key_of, kind as trap_kind};
pub use switch::reason_not_startable;
pub use switch::{Epoch, Memos, Switched};
pub(crate) use told::{Again, differs, recorded, told};
use trial::Trying;
pub use trial::{Begun, Copies, Trial};
pub(crate) use trial::{PARTS_MAX, micros};
pub use users::{Users, Uses};
pub use walk::{CountPlace, Counted, Found, SLICE};
pub use watch::{Risk, Unwatched, Watch};

use crate::api::TryFailure;
use crate::ports::CallOut;
use crate::release::Release;
use capsules::Capsules;
use care::Caring;
use instance::Instance;
use kept::Answered;
use recorder::Recorder;
use road::Road;
pub use saving::SavedEntry;
use saving::Saving;
use step::Runner;
use table::{Slot, Table};

/// What bounds a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardLimits {
    /// How many messages may wait at one instance before it takes no more inputs from outside.
    pub mailbox: usize,
    /// How many of the last inputs of an instance are kept at least, for `--shadow`; 0: none.
    pub shadow: usize,
}

impl Default for ShardLimits {
    fn default() -> ShardLimits {
        ShardLimits { mailbox: 256, shadow: 0 }
    }
}

/// What makes a shard this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardConfig {
    /// Its number.
    pub index: u16,
    /// How many shards the node has.
    pub shards: u16,
    /// Makes the seeds of this node differ from those of another.
    pub salt: u64,
    /// What bounds it.
    pub limits: ShardLimits,
    /// True when records are made; false only for measuring what they cost.
    pub journalled: bool,
}

/// What was put away, by address and by the machine that wrote it. Numbers above 0 are of states that an
/// instance had before it began anew while its machine went on: those are for people to look at, and never
/// go on by themselves.
type Archive = BTreeMap<(InstanceAddress, Digest, u32), InstanceSnapshot>;

/// Some of the instances of a node.
#[derive(Debug)]
pub struct Shard {
    config_of: ShardConfig,
    /// The release that runs; none on an empty node.
    release: Option<Arc<Release>>,
    /// The release that was left by going back from it, while nothing else was switched to: its
    /// edges lead to the answers that it gave.
    left: Option<Arc<Release>>,
    /// The number of the last switch.
    switch: u64,
    /// What came of a switch that the shard went over before it was told to.
    switched: Switched,
    /// The switches that instances may have yet to go over.
    road: Road,
    /// Instances that a switch left behind or parked something of, and maybe others: the next switch looks at
    /// them at once.
    stuck: BTreeSet<Slot>,
    /// What went wrong with instances that were used since a switch.
    troubles: Vec<TryFailure>,
    /// What failed lately.
    capsules: Capsules,
    recorder: Recorder,
    /// What is being tried.
    trying: Option<Trying>,
    /// What the trial of the last switch, or who works ahead, remembers of large states that have yet to go over it, by the
    /// number of the slot.
    memos: HashMap<usize, Memo>,
    /// True while somebody works ahead.
    working_ahead: bool,
    /// How many parts of large states were taken from there.
    recalled: u64,
    /// Where the sweeper is: all before it have gone over the last switch.
    swept: usize,
    /// Where the next sample of states begins.
    sampled: usize,
    /// The number of the switch that brought the configuration.
    config: u64,
    /// The names that applications had when the first release of this process ran, by those that they
    /// have now: an instance never changes its shard.
    homes: Arc<BTreeMap<AppName, AppName>>,
    /// The node's time.
    now_ms: i64,
    machines: HashMap<MachineAddress, usize, BuildHasherDefault<FxHasher>>,
    runners: Vec<Runner>,
    table: Table,
    /// Instances of machines that the running release does not have, and states that were given up.
    archive: Archive,
    /// The timers of instances that live, in the order in which they fire.
    timers: BTreeSet<(i64, InstanceAddress, Arc<str>)>,
    /// Instances with mail, each once.
    ready: VecDeque<Slot>,
    /// What the relup of the last switch applies and was not applied yet, by its place there.
    unapplied: BTreeMap<u32, applied::Unapplied>,
    /// The last number that was given to a change.
    version: u64,
    /// How many state snapshots were begun.
    cut: u64,
    saving: Option<Saving>,
    /// Entries of the state snapshot that is being made.
    saved: Vec<SavedEntry>,
    /// True while nothing can be recorded: the disk is full.
    read_only: bool,
    care: Caring,
    seen: Seen,
    /// Where addresses are written out.
    text: String,
    out: Out,
}

/// What came out of a shard since the last time it was asked.
#[derive(Debug, Default)]
pub struct Out {
    /// What must be durable before the answers and calls leave the node, and be handed to the journal
    /// before the messages are handed to other shards.
    pub chunk: Chunk,
    /// Who gets which answer.
    pub answers: Vec<Answer<RequestId>>,
    /// Messages for instances of other shards.
    pub mail: Vec<Posted>,
    /// Calls on ports.
    pub calls: Vec<CallOut>,
    /// Lines that steps wrote to the log.
    pub logs: Vec<LogLine>,
    /// What is needed no more, to be dropped where nobody waits.
    pub discarded: Vec<Discarded>,
}

impl Out {
    /// Returns true when nothing came out.
    pub fn is_empty(&self) -> bool {
        self.chunk.count == 0
            && self.answers.is_empty()
            && self.mail.is_empty()
            && self.calls.is_empty()
            && self.logs.is_empty()
            && self.discarded.is_empty()
    }
}

/// An answer, and what it hangs on.
#[derive(Debug, Clone)]
pub struct Answer<W> {
    /// Who gets it.
    pub who: W,
    /// What is said.
    pub reply: Reply,
    /// How many records had come out with it before, which it may tell of.
    pub after: u32,
    /// True when the request made records itself.
    pub changed: bool,
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

impl Shard {
    /// Returns a shard of an empty node.
    pub fn new(config_of: ShardConfig) -> Shard {
        Shard {
            config_of,
            release: None,
            left: None,
            switch: 0,
            switched: Switched::default(),
            road: Road::default(),
            stuck: BTreeSet::new(),
            troubles: vec![],
            capsules: Capsules::default(),
            recorder: Recorder::new(config_of.limits.shadow),
            trying: None,
            memos: HashMap::new(),
            working_ahead: false,
            recalled: 0,
            swept: 0,
            sampled: 0,
            config: 0,
            homes: Arc::default(),
            now_ms: 0,
            machines: HashMap::default(),
            runners: vec![],
            table: Table::default(),
            archive: BTreeMap::new(),
            timers: BTreeSet::new(),
            ready: VecDeque::new(),
            unapplied: BTreeMap::new(),
            version: 0,
            cut: 0,
            saving: None,
            saved: vec![],
            read_only: false,
            care: Caring::default(),
            seen: Seen::default(),
            text: String::new(),
            out: Out { chunk: Chunk::new(config_of.index, 0), ..Out::default() },
        }
    }

    /// Returns the lane of its records.
    pub fn lane(&self) -> u16 {
        self.config_of.index
    }

    /// Returns the release that runs.
    pub fn release(&self) -> Option<&Arc<Release>> {
        self.release.as_ref()
    }

    /// Returns the number of the last switch.
    pub fn switch_number(&self) -> u64 {
        self.switch
    }

    /// Returns the node's time.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Tells the shard the time. A clock that was set back stands still.
    pub fn advance(&mut self, now_ms: i64) {
        self.now_ms = self.now_ms.max(now_ms);
    }

    /// Says whether anything can be recorded. While nothing can, what changes something is refused,
    /// and no timer fires and no message is delivered.
    pub fn set_read_only(&mut self, read_only: bool) {
        self.read_only = read_only;
    }

    /// Returns what came out since the last time.
    pub fn take_out(&mut self) -> Out {
        let chunk = Chunk::new(self.config_of.index, self.cut);
        std::mem::replace(&mut self.out, Out { chunk, ..Out::default() })
    }

    /// Returns how many bytes of records came out since the last time.
    pub fn chunk_bytes(&self) -> usize {
        self.out.chunk.bytes.len()
    }

    /// Returns true when something came out since the last time.
    pub fn has_out(&self) -> bool {
        !self.out.is_empty()
    }

    /// Returns when the next timer is due.
    pub fn next_due_ms(&self) -> Option<i64> {
        self.timers.first().map(|(due_ms, ..)| *due_ms)
    }

    /// Returns true when there is mail to deliver or a timer to fire.
    pub fn has_work(&self) -> bool {
        !self.read_only
            && (!self.ready.is_empty() || self.next_due_ms().is_some_and(|due_ms| due_ms <= self.now_ms))
    }

    /// Returns how many instances there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Returns true when there are none.
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    /// Returns which shard an instance belongs to.
    pub fn shard_of(&self, address: &InstanceAddress) -> u16 {
        shard_of(&self.homes, self.config_of.shards, address)
    }

    /// Makes a record.
    fn record(&mut self, record: RecordRef<'_>) {
        if self.config_of.journalled {
            self.out.chunk.push_with(|bytes| *bytes = record.write(std::mem::take(bytes)));
        }
    }

    /// Puts an instance to an address where none is.
    fn insert(&mut self, address: InstanceAddress, mut instance: Instance) -> Slot {
        let place = self.place_of(&address);
        instance.runner = u32::try_from(place).unwrap_or(0);
        // The names are shared with the code: a node has many instances of a machine.
        let machine = &self.runners[place].code.address;
        let address =
            InstanceAddress { app: machine.app.clone(), machine: machine.machine.clone(), key: address.key };
        let slot = self.table.insert(address, instance);
        self.changed(slot);
        slot
    }

    /// Returns the place of the code of an instance.
    fn place_of(&self, address: &InstanceAddress) -> usize {
        let place = self.machines.get(&address.machine_address());
        *place.expect("the instances of a shard are of machines that run")
    }

    /// Lists an instance among those with mail.
    fn make_ready(&mut self, slot: Slot) {
        let instance = &mut self.table[slot].instance;
        if !instance.queued && !instance.rest().mailbox.is_empty() && instance.held().is_none() {
            instance.queued = true;
            self.ready.push_back(slot);
        }
    }

    /// Returns an instance that is about to change.
    fn touch(&mut self, slot: Slot) -> &mut Instance {
        if self.saving.is_some() {
            self.save_before_change(slot);
        }
        self.changed(slot);
        self.version += 1;
        let instance = &mut self.table[slot].instance;
        instance.version = self.version;
        instance
    }

    /// Notes for a trial that what it tried is not so any more.
    fn changed(&mut self, slot: Slot) {
        if let Some(trying) = &mut self.trying {
            trying.changed(slot);
        }
    }
}

/// Returns which of `shards` shards an instance belongs to.
pub fn shard_of(homes: &BTreeMap<AppName, AppName>, shards: u16, address: &InstanceAddress) -> u16 {
    use std::hash::{Hash as _, Hasher as _};
    if shards <= 1 {
        return 0;
    }
    let app = if homes.is_empty() { &address.app } else { homes.get(&address.app).unwrap_or(&address.app) };
    let mut hasher = FxHasher::default();
    app.hash(&mut hasher);
    address.key.hash(&mut hasher);
    // The lowest bits of this hash are the weakest.
    u16::try_from((hasher.finish() >> 40) % u64::from(shards)).unwrap_or(0)
}
