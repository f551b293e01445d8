//! What is seen of a node from outside: its durable history, its answers, its instances.
//!
//! The model knows these shapes and no others, so that a change of the engine's or the store's own shapes
//! ends in [`crate::node`].

use camshaft_cam::digest::Digest;
use camshaft_manifests::{AppName, InstanceAddress};

/// An entry of the durable history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// An input was applied.
    Input(Input),
    /// The first release was installed.
    Installed {
        /// Its version.
        to: String,
    },
    /// The node went over to another release.
    Switch {
        /// The number.
        number: u64,
        /// The version that ran.
        from: String,
        /// The version that runs.
        to: String,
        /// Which way.
        way: Way,
    },
    /// The checks of a switch passed.
    CheckPassed {
        /// The number of the switch.
        switch: u64,
    },
    /// The checks of a switch failed.
    CheckFailed {
        /// The number of the switch.
        switch: u64,
    },
    /// The running release became permanent.
    Permanent,
    /// An instance was held, because its replay differs.
    Held {
        /// Which.
        instance: String,
        /// Why.
        reason: String,
    },
    /// A command was refused.
    Refused {
        /// The reason, for programs.
        code: String,
        /// The reason, for people.
        reason: String,
    },
    /// Clients were left behind.
    ClientsDropped,
    /// What the next switch does is counted.
    Counted {
        /// Its number.
        switch: u64,
    },
    /// Clients were counted.
    Clients,
    /// What waits for an instance went over the last switch before it was delivered.
    Settled {
        /// The instance.
        instance: InstanceAddress,
    },
    /// All instances have gone over the last switch.
    Swept,
    /// A release is kept no more.
    Removed {
        /// Its version.
        version: String,
    },
    /// An operator let something of an instance go on, or gave it up.
    Redriven {
        /// The instance.
        instance: InstanceAddress,
        /// The number of the switch in force.
        switch: u64,
        /// What.
        what: Redrive,
    },
    /// What is declared of traps was done.
    Cared {
        /// The number of the switch in force.
        switch: u64,
        /// When.
        at_ms: i64,
        /// What was done: with the instance that trapped first, then with its siblings.
        deeds: Vec<Deed>,
    },
    /// The history tells of what was done because of traps.
    CareTold(Deed),
    /// An application became unhealthy, after so many traps, or healthy again.
    Health {
        /// The application.
        app: AppName,
        /// How many traps there were.
        traps: Option<u64>,
    },
    /// The history tells of what an operator let go on or gave up.
    RedriveTold {
        /// The instance.
        instance: InstanceAddress,
        /// What.
        what: Redrive,
        /// How many go on, or were given up.
        driven: u64,
        /// How many stay parked.
        left: u64,
    },
    /// Something else, which no world makes happen.
    Other(String),
}

/// Which way a switch goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To a newer release.
    Up,
    /// Back, as an operator said.
    Down,
    /// Back, because a check failed.
    Undo,
}

/// What was done with an instance because of traps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// The instance.
    pub instance: InstanceAddress,
    /// True when it began anew; else it is held.
    pub resets: bool,
    /// The reason, for people.
    pub reason: String,
}

/// What an operator lets go on, or gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redrive {
    /// What is parked is delivered.
    Parked,
    /// What is parked is given up, and all that is archived.
    Dropped,
    /// An instance that is held goes on.
    Released,
    /// The instance begins anew, and its state is archived.
    Reset,
}

/// An input that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The number of the switch whose code ran.
    pub switch: u64,
    /// The instance.
    pub instance: InstanceAddress,
    /// The number in the life of the instance.
    pub seq: u64,
    /// Where it comes from.
    pub source: Source,
    /// Its canonical bytes.
    pub input: Vec<u8>,
    /// The time that the step saw.
    pub now_ms: i64,
    /// The seed that the step saw.
    pub seed: i64,
    /// What came of it.
    pub verdict: Verdict,
}

/// Where an input comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// From outside, without a name.
    Anonymous,
    /// From outside, with a name.
    Named(Identity),
    /// A message of another instance.
    Message(Sent),
    /// The answer to a message of this instance: who answers, and the message.
    Answer(Sent),
    /// A timer of this instance.
    Timer {
        /// The name.
        name: String,
        /// Which one of this name.
        generation: u64,
    },
    /// What the relup of a switch applies.
    Relup {
        /// The number of the switch.
        switch: u64,
        /// The place there.
        index: u32,
    },
}

/// Which message: of a sender, or answered by a receiver.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// The sender of the message, or whoever answers it.
    pub peer: InstanceAddress,
    /// The number of the input that sent it.
    pub seq: u64,
    /// The place among the effects.
    pub effect: u32,
}

/// What makes a request that one and no other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// A message of a client, with its number.
    Client(String, u64),
    /// A key for one request.
    Key(String),
}

/// What came of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The step was done.
    Applied {
        /// The canonical bytes of the output.
        output: Option<Vec<u8>>,
        /// What the step asked of the world.
        effects: Vec<Effect>,
    },
    /// The step trapped.
    Trapped {
        /// The kind.
        kind: String,
        /// The reason.
        reason: String,
    },
}

/// An effect of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The instance ends.
    Stop,
    /// A line for the log.
    Log(String),
    /// A timer is cancelled.
    Cancel(String),
    /// A timer starts: name, when it is due, the input.
    Timer(String, i64, Vec<u8>),
    /// A message is sent: channel, receiver, the message in the sender's type.
    Send(String, InstanceAddress, Vec<u8>),
}

/// What a client says of the version that it speaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Says {
    /// Nothing.
    Nothing,
    /// What runs.
    Running,
    /// A version.
    Version(String),
}

/// A request as it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The number of the request in the run.
    pub id: u64,
    /// The instance.
    pub address: InstanceAddress,
    /// The input.
    pub json: String,
    /// What the client says that it speaks.
    pub says: Says,
    /// What makes it this request.
    pub identity: Option<Identity>,
}

/// What a client is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It was applied.
    Answered {
        /// The output in the words of the client, or kind and reason of a trap.
        answer: Result<String, (String, String)>,
        /// True when it was applied before.
        repeated: bool,
        /// The version whose words these are.
        speaks: String,
    },
    /// It was not applied, or cannot be told what came of it.
    Refused(Refused),
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The node is empty.
    NoRelease,
    /// No such machine.
    UnknownMachine,
    /// The running release does not speak the version.
    UnknownVersion,
    /// The version has no such machine, or its clients cannot be understood.
    MachineUnspoken,
    /// The machine is keyed and the address is not.
    KeyMissing,
    /// The address is keyed and the machine is not.
    KeyUnwanted,
    /// It is no input of the machine.
    WrongType,
    /// It may not come from outside.
    Internal,
    /// The input has no counterpart in what runs.
    NotLifted,
    /// The answer would have no counterpart in what the client speaks.
    NoAnswer,
    /// It was applied, and the answer has no counterpart in what the client speaks.
    AnswerUntold,
    /// Another input was sent under the same identity.
    Conflict,
    /// It was applied, and the answer is gone.
    Expired,
    /// Too much waits, or the node cannot write.
    Busy,
    /// The instance is held.
    Held,
    /// The disk is full.
    DiskFull,
}

/// How an instance is seen to be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstanceSeen {
    /// The address.
    pub address: String,
    /// `live`, `held`, `stopped` or `archived`.
    pub stands: &'static str,
    /// The machine that wrote the state.
    pub machine: Digest,
    /// The number of the last input.
    pub seq: u64,
    /// The digest of the state.
    pub state: Digest,
    /// Messages that wait.
    pub queued: u64,
    /// Messages and timers that are parked.
    pub parked: u64,
    /// The timers, and when they are due.
    pub timers: Vec<(String, i64)>,
}

impl InstanceSeen {
    /// Returns true when there is nothing to remember of it.
    pub fn is_blank(&self) -> bool {
        self.seq == 0 && self.is_empty()
    }

    /// Returns true when it is but a number.
    pub fn is_empty(&self) -> bool {
        let stopped = self.stands != "held" && self.state == Digest::of(b"");
        stopped && self.queued == 0 && self.parked == 0 && self.timers.is_empty()
    }
}

/// How a node is seen to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSeen {
    /// The version that runs.
    pub running: Option<String>,
    /// True while it is provisional.
    pub provisional: bool,
    /// The number of the last switch.
    pub switch: u64,
    /// The instances, sorted, without blank ones.
    pub instances: Vec<InstanceSeen>,
}
