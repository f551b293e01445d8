//! What an agent answers over HTTP: the shapes of its JSON, shared with the command line.
//!
//! Names and meanings stay once published; fields may be added, so readers ignore what they do
//! not know. Times are milliseconds since the Unix epoch, lengths of time are microseconds.

mod capsules;
mod shadow;

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::digest::Digest;
use camshaft_manifests::signature::KeyId;
use camshaft_registry::Fetched;
use serde::{Deserialize, Serialize};

pub use capsules::{
    CapsuleList, CapsuleOf, CapsuleStatus, KeptCapsule, RewindCapsule, StepCapsule, ToldEffect, ToldInput,
};
pub use shadow::{ShadowCapsule, ShadowCase, ShadowExample, ShadowReport};

/// The media type of [`Problem`].
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// The header that carries the identity of a message, as `sender/seq`.
///
/// The sender is a name of 1 to 200 visible ASCII characters (slashes allowed), the number is
/// a positive decimal and rises with each new message of the sender.
pub const MESSAGE_HEADER: &str = "camshaft-message";

/// The header that carries the identity of a single request: 1 to 200 visible ASCII characters.
pub const IDEMPOTENCY_HEADER: &str = "idempotency-key";

/// The header that carries the version that a client speaks, such as `1.0.0`, or [`RUNNING`]; in
/// an answer, the version that it is in.
pub const SPEAKS_HEADER: &str = "camshaft-speaks";

/// What a client says in [`SPEAKS_HEADER`] that speaks what runs, whatever that is: an operator's
/// tool. It is never left behind, and has to understand whatever it meets.
pub const RUNNING: &str = "running";

/// The header that carries the signature file of the bundle that is the body, in base64.
pub const SIGNATURES_HEADER: &str = "camshaft-signatures";

/// A release, by all its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRef {
    /// The name.
    pub name: String,
    /// The version; a label.
    pub version: String,
    /// The digest of the bundle; what counts.
    pub digest: Digest,
}

/// Where a release stands on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseState {
    /// On the node, verified, never switched to.
    Staged,
    /// It runs, and an operator has not yet said that it stays.
    Provisional,
    /// It runs, or ran, and stays.
    Permanent,
    /// It ran before.
    Old,
}

/// `GET /v1/node`: how the node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// The version of the agent.
    pub agent: String,
    /// The release that runs; none on an empty node.
    pub running: Option<ReleaseRef>,
    /// Where the running release stands.
    pub state: Option<ReleaseState>,
    /// The release that a rollback would go to, when there is one.
    pub rollback_to: Option<ReleaseRef>,
    /// All releases that the node knows, in the order in which they came.
    pub releases: Vec<KnownRelease>,
    /// The number of the last switch; 0 on an empty node.
    pub switch: u64,
    /// When the last switch was, when there was one.
    pub switched_ms: Option<i64>,
    /// How long the last switch kept inputs waiting, when the agent has lived since.
    pub last_pause_us: Option<u64>,
    /// What the running release has yet to pass, while it is on probation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probation: Option<ProbationStatus>,
    /// How far the trial is that goes on, when one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialStatus>,
    /// The machines of the running release, in dependency order.
    pub machines: Vec<MachineStatus>,
    /// The sums over all instances.
    pub counts: Counts,
    /// The versions that clients may speak; that of the running release is the last.
    #[serde(default)]
    pub speaks: Vec<String>,
    /// The version that a client speaks when it does not say: `[api] default` of the running release.
    #[serde(default)]
    pub api_default: Option<String>,
    /// The requests of clients, by application and what they say of the version that they speak.
    #[serde(default)]
    pub clients: Vec<ClientCount>,
    /// The applications that are unhealthy: they trapped more often lately than they declare.
    #[serde(default)]
    pub unhealthy: Vec<AppStatus>,
    /// True while the disk is full: inputs are refused, and reads are answered.
    #[serde(default)]
    pub disk_full: bool,
    /// The journal of the node.
    #[serde(default)]
    pub journal: Option<JournalStatus>,
    /// The labels that `agent.toml` gives the node.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Whose bundles the node takes.
    #[serde(default)]
    pub trust: Option<TrustStatus>,
    /// The node's time.
    pub now_ms: i64,
}

/// How the probation of a release goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbationStatus {
    /// When it ends.
    pub until_ms: i64,
    /// How long that is from now; 0 when it is over and an operator says what becomes of the release.
    pub left_ms: u64,
    /// True when the release becomes permanent then by itself.
    pub auto_permanent: bool,
    /// True when the node goes back by itself.
    pub auto_return: bool,
    /// How many times the agent ended since the switch without being told to.
    pub ends: u32,
    /// Why the release does not pass, where an operator goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The cases of inputs of which another share traps than before the switch.
    pub cases: Vec<CaseChange>,
}

/// Inputs of one case before a switch and since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseChange {
    /// The machine.
    pub machine: String,
    /// The case.
    pub case: String,
    /// Before the switch.
    pub before: RateStatus,
    /// Since the switch, or the last start of the agent.
    pub since: RateStatus,
}

/// How many inputs of how many trapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateStatus {
    /// How many there were.
    pub inputs: u64,
    /// How many of them trapped.
    pub trapped: u64,
}

/// Whose bundles a node takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustStatus {
    /// What was pinned.
    pub kind: TrustKind,
    /// The metadata that was trusted last, where a root was pinned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<MetadataStatus>,
}

/// The metadata that a node trusts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetadataStatus {
    /// The version of the root.
    pub root: u64,
    /// The version of the timestamp.
    pub timestamp: u64,
    /// The version of the snapshot.
    pub snapshot: u64,
    /// How many releases are listed.
    pub listed: u64,
    /// When the first of the roles expires.
    pub expires_ms: i64,
    /// Which role that is.
    pub expires_first: String,
}

/// What was pinned when an agent was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrustKind {
    /// Nothing: bundles need no signatures, and the agent listens on loopback only.
    Anybody,
    /// The signers of a document.
    Signers,
    /// A root, from which the metadata of a registry says who the signers are.
    Root,
}

/// Somebody who vouched for a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voucher {
    /// The name, in the document that was trusted at that time.
    pub signer: String,
    /// The key.
    pub keyid: KeyId,
}

/// The requests of clients that say the same of the version that they speak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientCount {
    /// The application.
    pub app: String,
    /// The version; `untagged` when they do not say, `running` when they say so.
    pub speaks: String,
    /// How many requests came; a crash may lose the last seconds.
    pub requests: u64,
    /// When the last of them came.
    pub last_seen_ms: i64,
}

/// `GET /v1/node/trial`: how far a trial is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialProgress {
    /// The trial that goes on; none when none does.
    pub trial: Option<TrialStatus>,
}

/// A trial that goes on: of an upgrade, before its switch, or of a way back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialStatus {
    /// The release that it tries.
    pub to: ReleaseRef,
    /// How many instances were tried.
    pub looked: u64,
    /// How many there are.
    pub of: u64,
    /// True when it was cancelled and is about to end.
    pub cancelled: bool,
}

/// A release that a node knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownRelease {
    /// The release.
    #[serde(flatten)]
    pub release: ReleaseRef,
    /// Where it stands.
    pub state: ReleaseState,
}

/// A machine of the running release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineStatus {
    /// `app/machine`.
    pub machine: String,
    /// The version of the application.
    pub version: String,
    /// The digest of the machine that runs.
    pub digest: Digest,
    /// True when there is an instance for each key.
    pub keyed: bool,
    /// The sums over its instances.
    pub counts: Counts,
    /// What came of its inputs since the agent started, or the last switch, by case.
    #[serde(default)]
    pub cases: Vec<CaseCount>,
}

/// Sums over instances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Instances that live.
    pub instances: u64,
    /// Those that are held, with their mailboxes.
    pub held: u64,
    /// Instances of machines that the running release does not have.
    pub archived: u64,
    /// Messages that wait in mailboxes.
    pub queued: u64,
    /// Messages and timers that no arrow accepted: kept, counted, not delivered.
    pub parked: u64,
    /// Timers that run.
    pub timers: u64,
    /// Inputs that were applied, since the instances were born.
    pub applied: u64,
    /// Instances that nobody has used since the last switch: they have not gone over it.
    #[serde(default)]
    pub behind: u64,
}

/// The journal of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalStatus {
    /// The position of the last entry that is durable.
    pub position: u64,
    /// The position that the newest state snapshot covers; 0 without one.
    pub covered: u64,
    /// How many bytes the entries take that are kept; none where that is not counted.
    pub bytes: Option<u64>,
}

/// An application that is unhealthy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppStatus {
    /// The application.
    pub app: String,
    /// Since when.
    pub unhealthy_since_ms: i64,
}

/// What became of the inputs of a machine, of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseCount {
    /// The case; none for inputs that were not of the machine's type.
    pub case: Option<String>,
    /// How many were applied.
    pub applied: u64,
    /// How many the program refused: `fail`.
    pub failed: u64,
    /// How many trapped, by kind; kinds that did not happen are left out.
    #[serde(default)]
    pub trapped: BTreeMap<String, u64>,
}

impl Counts {
    /// Adds others.
    pub fn add(&mut self, other: &Counts) {
        let Counts { instances, held, archived, queued, parked, timers, applied, behind } = other;
        self.instances += instances;
        self.held += held;
        self.archived += archived;
        self.queued += queued;
        self.parked += parked;
        self.timers += timers;
        self.applied += applied;
        self.behind += behind;
    }
}

/// `GET /v1/node/history`: what was done to the node, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The entries.
    pub entries: Vec<HistoryEntry>,
}

/// `GET /v1/node/audit`: every command and switch of a node as its journal has it, in a chain of hashes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// The version of the agent.
    pub agent: String,
    /// The records, the oldest first.
    pub records: Vec<AuditRecord>,
    /// The hash of the last one.
    pub head: Digest,
}

/// A record of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// The SHA-256 of the hash of the record before and the bytes of this one.
    pub hash: Digest,
    /// The bytes as they are in the journal, in Base64.
    pub record: String,
}

/// Something that was done to a node, or was tried and not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The number of the entry, from 1.
    pub number: u64,
    /// When.
    pub at_ms: i64,
    /// Who asked: what the request said of itself, `operator` if nothing, `agent` for what the
    /// node did by itself.
    pub who: String,
    /// What.
    pub what: HistoryKind,
    /// The release that ran before.
    pub from: Option<ReleaseRef>,
    /// The release that it was about.
    pub to: Option<ReleaseRef>,
    /// The number of the switch, when there was one.
    pub switch: Option<u64>,
    /// The reason for programs: a code of [`Problem::code`], empty when all went well.
    pub code: String,
    /// The reason for people; empty when all went well. Of an upgrade, the clients that it left
    /// behind.
    pub why: String,
    /// Who vouched for the release that it was about.
    #[serde(default)]
    pub vouched: Vec<Voucher>,
    /// What the switch does to the instances, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<SwitchCounts>,
}

/// What a switch does to the instances, and to what waits for them: as its trial found it, to the last millisecond before
/// the switch. They go over when they are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchCounts {
    /// Instances for whose states nothing is run: those that stay as they are, and, going back, those that were not used since.
    pub untouched: u64,
    /// Going back: instances that were not written since, and take the state from before.
    pub before_image: u64,
    /// Instances whose states are migrated: by `up`, or by `down` with their later writes.
    pub migrated: u64,
    /// Going back: instances that cannot go down, and do their inputs since the switch again in the older release.
    pub rewound: u64,
    /// Instances that cannot go over, and are held.
    pub held: u64,
    /// Instances whose machines go away, or give up their states.
    pub archived: u64,
    /// Instances whose machines come back.
    pub restored: u64,
    /// Messages and timers that are carried over.
    pub moved: u64,
    /// Messages and timers that are parked.
    pub parked: u64,
}

/// What was done to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HistoryKind {
    /// A release was installed on the empty node.
    Installed,
    /// The node went over to another release.
    Upgraded,
    /// An upgrade was refused before it switched.
    Refused,
    /// An upgrade was switched, did not pass its checks or its probation, and was switched back.
    Undone,
    /// The node went back to the release before.
    RolledBack,
    /// The running release became permanent.
    MadePermanent,
    /// An instance was held.
    Held,
    /// An instance began anew because of its traps, or by command; its state is archived.
    Reset,
    /// An application became unhealthy: more traps lately than it declares.
    Unhealthy,
    /// An application is healthy again.
    Recovered,
    /// What was parked of an instance was delivered anew.
    Redriven,
    /// What was parked of an instance was given up, and all that was archived of it.
    Dropped,
    /// An instance that was held goes on.
    Released,
    /// Another agent took the node over while it ran.
    TakenOver,
    /// A release is kept no more.
    Removed,
}

/// `GET /v1/node/instances`: the instances, by address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instances {
    /// The instances; at most `limit` of the query (1,000 when it says nothing).
    pub instances: Vec<InstanceStatus>,
    /// The address to ask for as `after` to see more.
    pub next: Option<String>,
}

/// `GET /v1/node/parked`: what was not delivered and is kept, by instance, the oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedList {
    /// The entries; at most `limit` of the query (1,000 when it says nothing).
    pub parked: Vec<ParkedStatus>,
    /// What to ask for as `after` to see more.
    pub next: Option<String>,
}

/// Something that is parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedStatus {
    /// The instance that it is for, or of.
    pub instance: String,
    /// The how manieth it is of what is parked of the instance, from 1.
    pub number: u64,
    /// What it is.
    pub what: ParkedKind,
    /// Why it is parked, for people.
    pub why: String,
    /// The number of the switch that parked it; 0 when it was no switch.
    pub switch: u64,
    /// True when the running release does not have its machine: it comes back with it.
    pub archived: bool,
    /// The instance that it comes from, for messages and answers of instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The name of the timer, or the port that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The machine whose input type the input is written in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writer: Option<Digest>,
    /// The size of the input in bytes.
    pub bytes: u64,
    /// The input in its JSON form, without what is secret, or its beginning; none when its type is not
    /// known here any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// True when `input` is only the beginning.
    #[serde(default)]
    pub cut: bool,
}

/// What is parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ParkedKind {
    /// A message.
    Message,
    /// A timer.
    Timer,
    /// A call on a port that was given up.
    Call,
}

/// `POST /v1/node/redrive`: what an operator lets go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redrive {
    /// The instance.
    pub instance: String,
    /// What of it.
    pub what: RedriveWhat,
}

/// What an operator lets go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RedriveWhat {
    /// What is parked is delivered anew, in the types that run.
    Parked,
    /// What is parked is given up, and all that is archived of the instance: by resets, by a restart of its application, by the
    /// end of its machine.
    Dropped,
    /// The instance is no longer held.
    Released,
    /// The instance begins anew; its state is archived.
    Reset,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedriveReport {
    /// The instance.
    pub instance: String,
    /// What was asked for.
    pub what: RedriveWhat,
    /// How many go on, or were given up; 1 for an instance that was released or reset.
    pub driven: u64,
    /// How many stay parked: no edge leads from their types to those that run.
    pub left: u64,
}

/// Where an instance stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// It takes inputs.
    Live,
    /// It may not go on; its mailbox is kept.
    Held,
    /// The running release does not have its machine; it is kept whole.
    Archived,
    /// It stopped by itself and keeps only what answers repeated requests.
    Stopped,
}

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceStatus {
    /// `app/machine` or `app/machine/key`.
    pub address: String,
    /// Where it stands.
    pub state: InstanceState,
    /// Why it is held.
    pub why: Option<String>,
    /// The machine digest that its state was written by.
    pub digest: Digest,
    /// How many inputs were applied to it.
    pub seq: u64,
    /// The size of its state in bytes.
    pub state_bytes: u64,
    /// The digest of its state.
    pub state_digest: Digest,
    /// Messages that wait in its mailbox.
    pub queued: u64,
    /// Messages and timers that are parked.
    pub parked: u64,
    /// The timers that run.
    pub timers: Vec<TimerStatus>,
}

/// A timer that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerStatus {
    /// The name.
    pub name: String,
    /// When it fires.
    pub due_ms: i64,
}

/// What came of trying an upgrade or a rollback on the live state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TryReport {
    /// The release that runs.
    pub from: ReleaseRef,
    /// The release that was tried.
    pub to: ReleaseRef,
    /// True when the switch may be made.
    pub passed: bool,
    /// The machines that change, in dependency order.
    pub machines: Vec<TryMachine>,
    /// Instances that would start because the release adds their machine.
    pub starts: Vec<String>,
    /// Instances that would be archived because the release lacks their machine.
    pub archives: u64,
    /// Queued messages and timers that were carried over.
    pub moved: u64,
    /// Queued messages and timers that no arrow accepts. In an upgrade each of them is a
    /// failure; in a rollback they would be parked.
    pub parks: u64,
    /// Everything that speaks against the switch, at most 100 entries.
    pub failures: Vec<TryFailure>,
    /// The number of failures.
    pub failure_count: u64,
    /// How many of the instances that the failures name would be held; `hold_failing` allows it.
    #[serde(default)]
    pub holds: u64,
    /// How long an input would wait at most for its instance to go over, when it is used first.
    pub pause_us: u64,
    /// States that the way back does not give back exactly.
    pub downgrade_lossy: u64,
    /// What became of the last inputs in both releases, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowReport>,
    /// The machines that promise to do what they did, and what became of the recorded inputs of these. Each difference speaks
    /// against the switch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preserved: Vec<Preserved>,
}

/// A machine that promises to do what it did: `preserves_behaviour` in the appup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preserved {
    /// The machine, by the address that it has before the switch.
    pub machine: String,
    /// How many recorded inputs both releases were given; 0 where the node records none, and nothing was held to the promise.
    pub inputs: u64,
    /// How many of them come out otherwise.
    pub differ: u64,
}

/// A machine that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TryMachine {
    /// `app/machine`.
    pub machine: String,
    /// The digest that runs; none for a machine that is added.
    pub from: Option<Digest>,
    /// The digest that would run; none for a machine that is removed.
    pub to: Option<Digest>,
    /// The states that came over, those that stayed as they are too.
    pub states: u64,
    /// The states that stayed as they are: the edge is zero-touch, and only invariants were checked.
    #[serde(default)]
    pub untouched: u64,
    /// The queued messages and timers that were carried over.
    pub messages: u64,
    /// The size of the states in bytes, before.
    pub bytes_before: u64,
    /// The size of the states in bytes, after.
    pub bytes_after: u64,
    /// The longest that one state took.
    pub worst_us: u64,
}

/// Why an instance cannot go over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TryFailure {
    /// The instance.
    pub instance: String,
    /// What was tried: `keep`, `up`, `invariant`, `down`, `round-trip`, `up-again`, `lift`, `unlift`, `answer`, `start`, `rewind`, `pause`,
    /// `preserve`, `apply`.
    pub step: String,
    /// The kind of trap; `differs` when the way back gives another state; of `preserve` the kind of difference, as in
    /// [`ShadowCase::differ`].
    pub kind: String,
    /// The reason, for people.
    pub reason: String,
    /// What is needed to see the failure again, away from the node.
    pub capsule: Capsule,
}

/// What reproduces a failure: the code by digest, and the value that it fails on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capsule {
    /// The machine digest that wrote the value.
    pub from: Digest,
    /// The machine digest that it was to go to.
    pub to: Digest,
    /// The edge.
    pub edge: Option<Digest>,
    /// The number of the last input that the value has seen.
    pub seq: u64,
    /// The value in the JSON form of its type, or its beginning when it is long.
    pub value: String,
    /// True when `value` is only the beginning.
    pub cut: bool,
    /// What was kept aside of it on the way up, for a value that fails on the way down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<String>,
    /// The digest of the value's canonical bytes.
    pub value_digest: Digest,
    /// The fuel that all arrows and invariants used up to the failure; none where nothing was run, or `value` is cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fuel: Option<u64>,
    /// What the older release was given once more, where that gave something else: for a rewind. `value` is the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rewind: Option<Box<RewindCapsule>>,
    /// The recorded input that comes out otherwise, for a machine that promises to do what it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub example: Option<Box<ShadowExample>>,
    /// The step that fails on what the relup applies, where it came to a step. `value` is the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Box<StepCapsule>>,
}

/// `POST /v1/node/{install,upgrade,rollback,make-permanent}`: what was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// What was done.
    pub what: HistoryKind,
    /// The release that ran before.
    pub from: Option<ReleaseRef>,
    /// The release that runs now.
    pub running: ReleaseRef,
    /// Where the running release stands.
    pub state: ReleaseState,
    /// The number of the switch, when there was one.
    pub switch: Option<u64>,
    /// How long inputs had to wait, when there was a switch.
    pub pause_us: Option<u64>,
    /// The trial that went before, when there was one.
    pub trial: Option<TryReport>,
    /// For a rollback, what became of the instances.
    pub rollback: Option<RollbackCounts>,
    /// What the switch does to the instances, when there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched: Option<SwitchCounts>,
    /// For an upgrade that was undone, why.
    pub undone: Option<Undone>,
    /// The instances that live now.
    pub counts: Counts,
}

/// `POST /v1/node/files/missing`, with the manifest of a bundle: what the node lacks of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesMissing {
    /// The digests of files that no bundle has which the node keeps.
    pub missing: BTreeSet<Digest>,
}

/// The media type of a backup.
pub const BACKUP_TYPE: &str = "application/x-tar";

/// The header of an answer that says how many bytes the files of a backup have, about.
pub const BACKUP_BYTES_HEADER: &str = "camshaft-backup-bytes";

/// The media type of a part of a bundle: its manifest, and the files that the node lacks.
pub const PART_TYPE: &str = "application/vnd.camshaft.bundle-part";

/// A report, and how much of the bundle travelled to the node for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Supplied<T> {
    /// The report.
    #[serde(flatten)]
    pub report: T,
    /// What travelled, where that was less than the whole bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched: Option<Fetched>,
}

/// Why a switch was undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The instance that did not pass, if it was one.
    pub instance: Option<String>,
    /// The reason.
    pub reason: String,
    /// The number of the switch backwards.
    pub switch: u64,
}

/// What became of the instances in a rollback.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RollbackCounts {
    /// Instances that were not used since the switch, and those whose machine or state is the same in both releases: nothing
    /// is run for them.
    pub untouched: u64,
    /// Instances that were not written since the switch, and took the state from before.
    pub before_image: u64,
    /// Instances that were written since, and went down with their later writes.
    pub down: u64,
    /// Instances that could not go down and were rewound: their inputs since the switch gave the same answers in the older
    /// release.
    #[serde(default)]
    pub rewound: u64,
    /// Instances that could not go down, nor be rewound, and are held.
    pub held: u64,
    /// Instances of machines that the old release lacks.
    pub archived: u64,
    /// Instances that came back because the old release has their machine again.
    pub restored: u64,
    /// Messages and timers that were carried back.
    pub moved: u64,
    /// Messages and timers that were parked.
    pub parked: u64,
}

/// An error, as RFC 9457 has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Problem {
    /// The kind of problem: `about:blank`, since `code` says it.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status.
    pub status: u16,
    /// A short text, the same for each problem with this code.
    pub title: String,
    /// What happened this time.
    pub detail: String,
    /// The code, for programs; listed in `problem::CODES`.
    pub code: String,
    /// What to do about it.
    pub hint: String,
    /// What the trial found, when that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<TryReport>,
    /// The upgrade that was undone, when that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
    /// Diagnostics and other lines that belong to the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Whether something was changed: `no`, `undone`, `unsettled`.
    #[serde(default)]
    pub changed: Changed,
    /// More, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<String, String>,
}

/// What a request that ended in a problem left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Changed {
    /// Nothing was changed.
    #[default]
    No,
    /// It was begun, and taken back.
    Undone,
    /// It was begun, and nobody knows yet how it ends.
    Unsettled,
}
