//! The records of a journal.
//!
//! The shapes are serialised as they stand here, see [`crate::FORMAT`]. What a format before had
//! in another place is read in `old`. Those who write many records use [`InputRef`], which has the
//! same bytes as an [`InputRecord`] and borrows what it is made of.

use camshaft_cam::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::codec::digest_bytes;

/// A record of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// An input that was given to an instance, and what came of it.
    Input(InputRecord),
    /// Something that was done to the node.
    Control(Control),
    /// Something that a shard did that is no input.
    Aside(Aside),
}

/// Something that a shard did that is no input of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aside {
    /// What is declared of traps was done: with an instance, and with its siblings that go along.
    Cared {
        /// The number of the switch in force.
        switch: u64,
        /// When, in milliseconds since the Unix epoch.
        at_ms: i64,
        /// What was done.
        deeds: Vec<Deed>,
    },
    /// What a shard has seen of clients since it said so last.
    Clients(Vec<ClientSeen>),
    /// A call on a port has ended: it is called no more.
    Called {
        /// The instance that called.
        instance: String,
        /// The number of the switch in force.
        switch: u64,
        /// The number of the input that called.
        seq: u64,
        /// The place among that step's effects.
        effect: u32,
        /// Why it was given up; none when it was delivered.
        given_up: Option<String>,
    },
    /// An operator let an instance that was held go on, or what was parked be delivered.
    Redriven {
        /// The instance.
        instance: String,
        /// The number of the switch in force.
        switch: u64,
        /// Who and when.
        stamp: Stamp,
        /// What.
        what: Redrive,
    },
    /// What waited for an instance went over the last switch, long before it is delivered: what is older is
    /// needed no more.
    Settled {
        /// The instance.
        instance: String,
        /// The number of the switch in force.
        switch: u64,
    },
    /// An operator gave up all of an instance that does not live: what is parked of it, and every state that is archived
    /// of it. Earlier versions recorded [`Redrive::Dropped`], which left some of these where the machine goes on.
    Dropped {
        /// The instance.
        instance: String,
        /// The number of the switch in force.
        switch: u64,
        /// Who and when.
        stamp: Stamp,
    },
}

/// What was done with an instance because of traps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// The instance.
    pub instance: String,
    /// True when it began anew and its state was archived; else it is held.
    pub resets: bool,
    /// The reason, for people.
    pub reason: String,
}

/// What an operator lets go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Redrive {
    /// All that is parked of the instance is delivered anew.
    Parked,
    /// All that is parked of the instance is given up, and all that is archived. In an [`Aside::Redriven`] of an earlier version:
    /// what is parked, and the states from before it began anew; of a machine that does not run all.
    Dropped,
    /// The instance is no longer held.
    Released,
    /// The instance begins anew; its state is archived.
    Reset,
}

/// An input that was given to an instance, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputRecord {
    /// The number of the switch whose code ran.
    pub switch: u64,
    /// The instance: `app/machine` or `app/machine/key`.
    pub instance: String,
    /// The number of this input in the life of the instance, from 1.
    pub seq: u64,
    /// Where the input comes from.
    pub source: Source,
    /// The canonical bytes of the input, in the input type that the machine has at that switch.
    pub input: Vec<u8>,
    /// The time that the step saw, in milliseconds since the Unix epoch.
    pub now_ms: i64,
    /// The seed that the step saw.
    pub seed: i64,
    /// The number of the switch that brought the configuration that the step saw.
    pub config: u64,
    /// The trace that the input belongs to, as the caller sent it.
    pub trace: Option<String>,
    /// What came of it.
    pub verdict: Verdict,
}

/// Where an input comes from: what makes it that input and no other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// From outside, without a name: it cannot be told from a repetition.
    Anonymous,
    /// From outside, the message of this number of a client.
    Client {
        /// The client.
        sender: String,
        /// The number.
        seq: u64,
        /// The digest of what was sent, to tell a repetition from a reuse.
        #[serde(with = "digest_bytes")]
        content: Digest,
    },
    /// From outside, with a key for this request alone.
    Key {
        /// The key.
        key: String,
        /// The digest of what was sent.
        #[serde(with = "digest_bytes")]
        content: Digest,
    },
    /// A message of another instance.
    Message {
        /// The sender.
        sender: String,
        /// The number of the sender's input that sent it.
        seq: u64,
        /// The place of the send among that step's effects.
        effect: u32,
        /// The sender's channel.
        channel: String,
        /// Which life of the sender sent it.
        life: u64,
    },
    /// The answer to a message that this instance sent.
    Answer {
        /// The receiver of the message, which answers.
        receiver: String,
        /// The number of the input that sent the message.
        seq: u64,
        /// The place of the send among that step's effects.
        effect: u32,
    },
    /// A timer of this instance.
    Timer {
        /// The name.
        name: String,
        /// Which one of this name.
        generation: u64,
    },
    /// A switch, whose relup applies it.
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

/// What came of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The step was done.
    Applied {
        /// The canonical bytes of the output; none for an internal input.
        output: Option<Vec<u8>>,
        /// What the step asked of the world, in order.
        effects: Vec<Effect>,
    },
    /// The step trapped: the state is what it was, and nothing was emitted.
    Trapped {
        /// The kind of trap.
        kind: String,
        /// The reason, for people.
        reason: String,
    },
}

/// An effect of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// The instance ends.
    Stop,
    /// A line for the log.
    Log(String),
    /// A timer is cancelled.
    Cancel(String),
    /// A timer is started.
    Timer {
        /// The name.
        name: String,
        /// When it fires, in milliseconds since the Unix epoch.
        due_ms: i64,
        /// The canonical bytes of the input that it fires.
        input: Vec<u8>,
    },
    /// A message is sent.
    Send {
        /// The sender's channel.
        channel: String,
        /// The receiver.
        to: String,
        /// The canonical bytes of the message, in the sender's type.
        message: Vec<u8>,
    },
    /// Something outside of the node is called.
    Call {
        /// The port.
        port: String,
        /// The key that the call names.
        key: Option<String>,
        /// The canonical bytes of the message.
        message: Vec<u8>,
    },
}

/// Who asked for something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Who asked.
    pub who: String,
}

/// A release, and where its bundle is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseEntry {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The digest of the bundle.
    #[serde(with = "digest_bytes")]
    pub digest: Digest,
    /// The digest of the bundle's archive, under which the blob is kept.
    #[serde(with = "digest_bytes")]
    pub archive: Digest,
}

/// Which way a switch goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// To a newer release.
    Up,
    /// Back to the release before, because an operator said so.
    Down,
    /// Back to the release before, because a check after the switch failed.
    Undo,
}

/// Something that was done to the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control {
    /// A release was installed on the empty node. This is switch number 1.
    Installed {
        /// Who and when.
        stamp: Stamp,
        /// The release.
        release: ReleaseEntry,
    },
    /// The node went from one release to another.
    ///
    /// What becomes of instances, messages and timers follows from this record and the journal
    /// before it alone: the code is pure. So what is parked or held needs no record of its own.
    Switch {
        /// Who and when.
        stamp: Stamp,
        /// The number of the switch; only ever grows.
        number: u64,
        /// The release that ran.
        from: ReleaseEntry,
        /// The release that runs.
        to: ReleaseEntry,
        /// Which way.
        direction: Direction,
        /// The digest of the relup whose instructions were followed.
        #[serde(with = "digest_bytes")]
        relup: Digest,
    },
    /// The checks after a switch passed.
    CheckPassed {
        /// The number of the switch.
        switch: u64,
    },
    /// The checks after a switch failed; a switch backwards follows in the same group.
    CheckFailed {
        /// Who and when.
        stamp: Stamp,
        /// The number of the switch that is undone.
        switch: u64,
        /// The instance that did not pass, if it was one.
        instance: Option<String>,
        /// The reason, for people.
        reason: String,
    },
    /// The running release is permanent.
    Permanent {
        /// Who and when.
        stamp: Stamp,
        /// The number of the switch that brought it.
        switch: u64,
    },
    /// An instance may not go on.
    InstanceHeld {
        /// Who and when.
        stamp: Stamp,
        /// The instance.
        instance: String,
        /// The number of the last input that was applied to it, when a replay did not go on with the next one;
        /// the greatest number when its traps led to it, which its shard has recorded in its place.
        seq: u64,
        /// The reason, for people.
        reason: String,
    },
    /// Something was asked for and refused; nothing was changed.
    Refused(Refusal),
    /// Clients that the release of the next switch does not speak to any more, as an operator
    /// allowed. The switch follows in the same group.
    ClientsDropped {
        /// The number of the switch.
        switch: u64,
        /// The clients, as they were counted.
        clients: Vec<ClientSeen>,
    },
    /// An instance began anew because of its traps; its shard has done and recorded it.
    InstanceReset {
        /// Who and when.
        stamp: Stamp,
        /// The instance.
        instance: String,
        /// The reason, for people.
        reason: String,
    },
    /// An application became unhealthy, or healthy again.
    Health {
        /// Who and when.
        stamp: Stamp,
        /// The application.
        app: String,
        /// How many traps there were lately; none when it is healthy again.
        traps: Option<u64>,
    },
    /// A recovery held an instance: before something that gave another result than the journal has, or that the
    /// agent did not survive. Every recovery that comes there holds it again.
    RecoveryHeld {
        /// Who and when.
        stamp: Stamp,
        /// The instance.
        instance: String,
        /// Before what.
        before: HeldBefore,
        /// The reason, for people.
        reason: String,
    },
    /// An operator let something of an instance go on, or gave it up; its shard has done and recorded it.
    Redriven {
        /// Who and when.
        stamp: Stamp,
        /// The instance.
        instance: String,
        /// What.
        what: Redrive,
        /// How many go on, or were given up.
        driven: u64,
        /// How many stay parked.
        left: u64,
    },
    /// An operator allows the next switch to hold instances that cannot go over. It follows in the same group.
    MayHold {
        /// The number of the switch.
        switch: u64,
        /// How many.
        instances: u64,
    },
    /// All instances, and all that waits for them, have gone over a switch: what ran before it is needed no
    /// more to read them.
    Swept {
        /// The number of the switch.
        switch: u64,
    },
    /// The release that the next switch leads to is on probation. The switch follows in the same group.
    Probation(Probation),
    /// An agent began to run while a release was on probation: the time without an agent does not count.
    ProbationResumed {
        /// The number of the switch.
        switch: u64,
        /// When it began, in milliseconds since the Unix epoch.
        at_ms: i64,
        /// When the probation ends now.
        until_ms: i64,
    },
    /// A release did not pass its probation; a switch backwards follows in the same group.
    Returned {
        /// When, and that it was the agent.
        stamp: Stamp,
        /// The number of the switch that is undone.
        switch: u64,
        /// The reason, for programs.
        code: String,
        /// The instance that gave the reason, if it was one.
        instance: Option<String>,
        /// The reason, for people.
        reason: String,
    },
    /// An agent took the node over from another one that ran.
    TakenOver {
        /// Who and when.
        stamp: Stamp,
        /// The version of the agent that ran.
        from: String,
        /// The version of the agent that runs.
        to: String,
    },
    /// A release is kept no more: neither its bundle nor a way back to it.
    Removed {
        /// When, and who did it.
        stamp: Stamp,
        /// The release.
        release: ReleaseEntry,
    },
    /// What a switch does to the instances, as its trial found it. The switch follows in the same group. Nothing but the
    /// history depends on it: what becomes of each instance follows from the switch.
    Counted {
        /// The number of the switch.
        switch: u64,
        /// How many go over in which way.
        counts: SwitchCounts,
    },
}

/// What a switch does to the instances, and to what waits for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchCounts {
    /// Instances for whose states nothing is run.
    pub untouched: u64,
    /// Instances that take the state from before the switch that is undone.
    pub before_image: u64,
    /// Instances whose states go along an edge.
    pub migrated: u64,
    /// Instances that do again in the older release what they did since.
    pub rewound: u64,
    /// Instances that are held, because they cannot go over.
    pub held: u64,
    /// Instances whose machines go away, or give up their states.
    pub archived: u64,
    /// Instances whose machines come back.
    pub restored: u64,
    /// Messages and timers that go along an edge.
    pub moved: u64,
    /// Messages and timers that no arrow accepts.
    pub parked: u64,
}

/// What holds of a release that is on probation. It stands in the journal, so that another configuration of the agent
/// changes nothing about a switch that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probation {
    /// The number of the switch that leads to it.
    pub switch: u64,
    /// When it ends, in milliseconds since the Unix epoch.
    pub until_ms: i64,
    /// True when the release becomes permanent then by itself.
    pub auto_permanent: bool,
    /// True when the node goes back by itself.
    pub auto_return: bool,
    /// How many inputs of one case have to trap before their rate counts.
    pub traps: u64,
    /// By how many percent of its inputs a case has to trap more than before.
    pub rise: u8,
    /// How many ends of the agent that nobody asked for are too many.
    pub ends: u32,
    /// What became of inputs before the switch.
    pub before: Vec<CaseRate>,
}

/// How often inputs of one case trapped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseRate {
    /// The machine, by the name that it has after the switch.
    pub machine: String,
    /// The case.
    pub case: String,
    /// How many inputs there were.
    pub taken: u64,
    /// How many of them trapped.
    pub trapped: u64,
}

/// What a recovery held an instance before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HeldBefore {
    /// The record at this position of the journal.
    Record(u64),
    /// What the switch of this number does to it: it is taken over, or born.
    Switch(u64),
    /// All that comes behind the record that says so.
    Rest,
}

/// What was seen of the clients of an application that say the same of what they speak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSeen {
    /// What they say.
    pub says: ClientSays,
    /// The application.
    pub app: String,
    /// How many requests came.
    pub requests: u64,
    /// When the last of them came, in milliseconds since the Unix epoch.
    pub last_ms: i64,
}

/// What a client says of the version that it speaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ClientSays {
    /// Nothing.
    Nothing,
    /// That it speaks what runs.
    Running,
    /// The version of a release.
    Version(String),
}

/// Something that was asked for and refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Who and when.
    pub stamp: Stamp,
    /// The release that was to be switched to, as far as it could be read.
    pub to: Option<ReleaseEntry>,
    /// The reason, for programs.
    pub code: String,
    /// The reason, for people.
    pub reason: String,
}

/// An [`InputRecord`] that borrows its parts, for those who write many. Its bytes are the same.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct InputRef<'a> {
    /// The number of the switch whose code ran.
    pub switch: u64,
    /// The instance.
    pub instance: &'a str,
    /// The number of this input in the life of the instance, from 1.
    pub seq: u64,
    /// Where the input comes from.
    pub source: &'a Source,
    /// The canonical bytes of the input.
    pub input: &'a [u8],
    /// The time that the step saw.
    pub now_ms: i64,
    /// The seed that the step saw.
    pub seed: i64,
    /// The number of the switch that brought the configuration.
    pub config: u64,
    /// The trace that the input belongs to.
    pub trace: Option<&'a str>,
    /// What came of it.
    pub verdict: &'a Verdict,
}

/// A [`Record`] that is written and not kept.
#[derive(Debug, Clone, Copy, Serialize)]
pub enum RecordRef<'a> {
    /// As [`Record::Input`].
    Input(InputRef<'a>),
    /// As [`Record::Control`].
    Control(&'a Control),
    /// As [`Record::Aside`].
    Aside(&'a Aside),
}

impl RecordRef<'_> {
    /// Appends the record's bytes to a buffer.
    pub fn write(&self, buffer: Vec<u8>) -> Vec<u8> {
        crate::codec::encode_to(self, buffer)
    }
}

impl Record {
    /// Returns the record of bytes that [`RecordRef::write`] wrote, or an earlier version.
    ///
    /// # Errors
    ///
    /// When the bytes are no record.
    pub fn read(bytes: &[u8]) -> Result<Record, crate::CodecError> {
        crate::codec::decode_record(bytes)
    }

    /// Returns the bytes of the record.
    pub fn to_bytes(&self) -> Vec<u8> {
        crate::codec::encode(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_borrows_its_parts_has_the_same_bytes() {
        let source = Source::Client { sender: "c".to_owned(), seq: 4, content: Digest::of(b"c") };
        let verdict = Verdict::Applied { output: Some(vec![1]), effects: vec![Effect::Stop] };
        let record = InputRecord {
            switch: 300,
            instance: "a/m/k".to_owned(),
            seq: 7,
            source: source.clone(),
            input: vec![1, 2, 3],
            now_ms: -5,
            seed: i64::MIN,
            config: 2,
            trace: Some("t".to_owned()),
            verdict: verdict.clone(),
        };
        let borrowed = InputRef {
            switch: 300,
            instance: "a/m/k",
            seq: 7,
            source: &source,
            input: &[1, 2, 3],
            now_ms: -5,
            seed: i64::MIN,
            config: 2,
            trace: Some("t"),
            verdict: &verdict,
        };
        let owned = Record::Input(record).to_bytes();
        assert_eq!(RecordRef::Input(borrowed).write(vec![]), owned);
        let aside = Aside::Clients(vec![]);
        assert_eq!(RecordRef::Aside(&aside).write(vec![]), Record::Aside(aside.clone()).to_bytes());
        assert_eq!(Record::read(&owned).map(|record| record.to_bytes()), Ok(owned));
    }
}
