//! Snapshots: the instances as they were when their shards were cut.
//!
//! A snapshot shortens recovery; it never says anything that the journal before it did not.
//! States and inputs are canonical bytes beside the digest of the machine that wrote them.

use camshaft_cam::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::codec::{digest_bytes, optional_digest_bytes};
use crate::record::{ClientSeen, Control, Verdict};

/// An entry of a snapshot. The first is [`Saved::Node`]; each lane has one [`Saved::Lane`] before its
/// others, and [`Saved::End`] after them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "nearly all entries are instances")]
pub enum Saved {
    /// What is said of the whole node.
    Node(SavedNode),
    /// What is said of a lane.
    Lane(SavedLane),
    /// An instance.
    Instance(InstanceSnapshot),
    /// A message that was on its way to an instance when its shard had saved it.
    Mail(SavedMail),
    /// All of a lane has been said.
    End {
        /// How many instances and messages were said.
        count: u64,
    },
}

/// What a snapshot says of the whole node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedNode {
    /// The number of the snapshot: chunks with a lower cut are covered by it.
    pub number: u64,
    /// The position before which every chunk is covered, whatever its cut.
    pub position: u64,
    /// All control records up to that position.
    pub controls: Vec<(u64, Control)>,
    /// How many lanes it has.
    pub lanes: u16,
    /// The names that applications had when the first release came, by later names of theirs: what was put
    /// away under an earlier name is of the same shard.
    pub homes: Vec<(String, String)>,
}

/// What a snapshot says of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedLane {
    /// The number of the switch that was in force.
    pub switch: u64,
    /// The number of the switch that brought the configuration in force.
    pub config: u64,
    /// The node's time.
    pub now_ms: i64,
    /// What was seen of clients.
    pub clients: Vec<ClientSeen>,
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedMail {
    /// The receiver.
    pub to: String,
    /// The message.
    pub mail: MailSnapshot,
    /// Which life of the receiver an answer is for.
    pub expects: Option<u64>,
}

impl Saved {
    /// Returns the entry's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        crate::codec::encode(self)
    }

    /// Returns the entry of these bytes.
    ///
    /// # Errors
    ///
    /// When they are none.
    pub fn read(bytes: &[u8]) -> Result<Saved, crate::CodecError> {
        crate::codec::decode_saved(bytes)
    }
}

/// The instances of a node after a certain record, as formats 1 to 4 had them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldSnapshot {
    /// The position of the last record that the snapshot has seen.
    pub position: u64,
    /// The number of the switch that was in force.
    pub switch: u64,
    /// The number of the switch that brought the configuration in force.
    pub config: u64,
    /// The node's time.
    pub now_ms: i64,
    /// The instances, in any order. The same address may stand several times, archived under
    /// several machine digests.
    pub instances: Vec<InstanceSnapshot>,
}

/// An instance in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSnapshot {
    /// The address.
    pub address: String,
    /// Where it stands.
    pub status: Status,
    /// The number of the last switch that it went over; 0 for that of its lane.
    pub switch: u64,
    /// The machine digest whose types the state is written in.
    #[serde(with = "digest_bytes")]
    pub machine: Digest,
    /// The number of the last input that was applied.
    pub seq: u64,
    /// How often it was born.
    pub life: u64,
    /// The state; none when it stopped.
    pub state: Option<Vec<u8>>,
    /// The messages that wait, in order.
    pub mailbox: Vec<MailSnapshot>,
    /// The timers.
    pub timers: Vec<TimerSnapshot>,
    /// How many timers were ever started.
    pub timer_generation: u64,
    /// The answers that are kept for repeated requests.
    pub kept: Vec<KeptSender>,
    /// The state from before the last switch, while it is still exact.
    pub before: Option<BeforeImage>,
    /// What no arrow accepted.
    pub parked: Vec<Parked>,
    /// What was kept aside of the state when it went up an edge, for the way down.
    pub aside: Option<AsideSnapshot>,
    /// Calls on ports that have not ended, in order.
    pub calls: Vec<CallSnapshot>,
    /// What a rewind needs, while the way back may need one.
    pub rewind: Option<RewindSnapshot>,
}

/// What is kept of an instance so that the release before can do over again what it did since the switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RewindSnapshot {
    /// From where it begins, and what came since.
    Kept {
        /// The state from before the switch; none for one that was not born.
        start: Option<BeforeImage>,
        /// The inputs since, in order.
        inputs: Vec<TakenSnapshot>,
    },
    /// It was let go, and why, for people.
    LetGo(String),
}

/// An input of an instance and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenSnapshot {
    /// Its number.
    pub seq: u64,
    /// The input; in the types of the older machine if `older` says so.
    pub input: Vec<u8>,
    /// True when it had waited since before the switch, and is as it was then.
    pub older: bool,
    /// The time that the step saw.
    pub now_ms: i64,
    /// The seed that the step saw.
    pub seed: i64,
    /// The message that it was: who is told of the answer, and on which channel.
    pub asked: Option<(String, String)>,
    /// What came of it.
    pub verdict: Verdict,
}

/// A call on a port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallSnapshot {
    /// The number of the input that called.
    pub seq: u64,
    /// The place among that step's effects.
    pub effect: u32,
    /// What the instance was called when it called: receivers know the call by that.
    pub caller: String,
    /// The port.
    pub port: String,
    /// The key that the call names.
    pub key: Option<String>,
    /// The message in its JSON form.
    pub message: String,
    /// Which life of the instance called.
    pub life: u64,
    /// The trace that it belongs to.
    pub trace: Option<String>,
}

/// What was kept aside of a state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsideSnapshot {
    /// The digest of the edge that it went up.
    #[serde(with = "digest_bytes")]
    pub edge: Digest,
    /// The canonical bytes of what was kept, in the type that the edge has for it.
    pub kept: Vec<u8>,
}

/// Where an instance stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// It takes inputs.
    Live,
    /// It may not go on, and why. A switch to its machine lets it go on again only when it is
    /// held because a switch could not take it along.
    Held {
        /// The reason, for people.
        reason: String,
        /// True when a switch could not take it along.
        left_behind: bool,
    },
    /// The running release does not have its machine.
    Archived {
        /// What its status was when it was held before.
        held: Option<(String, bool)>,
    },
    /// It began anew while its machine went on; this is what it was before.
    Reset,
}

/// A message in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailSnapshot {
    /// What it is.
    pub origin: MailOrigin,
    /// The machine digest whose input type the input is written in.
    #[serde(with = "digest_bytes")]
    pub writer: Digest,
    /// The input.
    pub input: Vec<u8>,
    /// The trace that it belongs to.
    pub trace: Option<String>,
    /// The number of the last switch that it went over; 0 for that of its lane.
    pub switch: u64,
}

/// What a message in a mailbox is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailOrigin {
    /// A message of another instance, or of itself.
    Message {
        /// The sender.
        sender: String,
        /// The number of the sender's input that sent it.
        seq: u64,
        /// The place among that step's effects.
        effect: u32,
        /// The sender's channel.
        channel: String,
        /// Which life of the sender sent it.
        life: u64,
    },
    /// An answer.
    Answer {
        /// Who answers.
        receiver: String,
        /// The number of the input that sent the message.
        seq: u64,
        /// The place of the send among that step's effects.
        effect: u32,
    },
    /// An input that the relup of a switch applies.
    Relup {
        /// The number of the switch.
        switch: u64,
        /// The place among what the relup applies.
        index: u32,
    },
    /// What came back from a call on a port.
    Port {
        /// The number of the input that called.
        seq: u64,
        /// The place among that step's effects.
        effect: u32,
    },
}

/// A timer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerSnapshot {
    /// The name.
    pub name: String,
    /// Which one of this name.
    pub generation: u64,
    /// When it fires, in milliseconds since the Unix epoch.
    pub due_ms: i64,
    /// The machine digest whose input type the input is written in.
    #[serde(with = "digest_bytes")]
    pub writer: Digest,
    /// The input that it fires.
    pub input: Vec<u8>,
    /// The trace that it belongs to.
    pub trace: Option<String>,
    /// The number of the last switch that it went over; 0 for that of its lane.
    pub switch: u64,
}

/// The answers that are kept for one sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSender {
    /// The client, or the key of a single request.
    pub sender: String,
    /// True for the key of a single request.
    pub single: bool,
    /// Numbers up to this one were answered, and their answers are gone.
    pub floor: u64,
    /// The answers, oldest first.
    pub answers: Vec<KeptAnswer>,
}

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// The number of the message.
    pub seq: u64,
    /// The digest of what was sent.
    #[serde(with = "digest_bytes")]
    pub content: Digest,
    /// When it was answered.
    pub at_ms: i64,
    /// The answer as JSON, or the kind and reason of a trap.
    pub answer: Result<String, (String, String)>,
    /// The machine digest whose output type the JSON is of; none for answers that were kept
    /// before format 3.
    #[serde(with = "optional_digest_bytes")]
    pub writer: Option<Digest>,
}

/// A state from before a switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeforeImage {
    /// The machine digest whose types it is written in.
    #[serde(with = "digest_bytes")]
    pub machine: Digest,
    /// The state.
    pub state: Vec<u8>,
    /// What was kept aside of it before.
    pub aside: Option<AsideSnapshot>,
}

/// Something that no arrow accepted. It comes back when its machine runs again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    /// What it is.
    pub item: ParkedItem,
    /// Why it is parked.
    pub reason: String,
    /// The number of the switch that parked it.
    pub switch: u64,
}

/// What is parked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ParkedItem {
    /// A message.
    Mail(MailSnapshot),
    /// A timer.
    Timer(TimerSnapshot),
    /// A call on a port that was given up.
    Call(CallSnapshot),
}
