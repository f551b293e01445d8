//! Do an edge or a link and the two machines at its ends belong together?
//!
//! Digests alone would do if every edge were made by our compiler. They come from bundles,
//! though, and a verified edge is well typed only in itself; so the types are compared too.

use std::sync::Arc;

use super::fault::short;
use super::{TrapKind, VerifiedEdge, VerifiedLink, VerifiedMachine, VerifiedModule};
use crate::code::{Block, Debug, Entry, FuncIx, Link, Module, Op};
use crate::derive::DownClass;
use crate::digest::Digest;
use crate::facts::Cost;
use crate::ty::Ty;

/// Why an edge does not lead from one machine to another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EdgeEndsError {
    /// It begins at another machine.
    #[error("the edge begins at machine {expected}, not at {found}")]
    From {
        /// Where it begins.
        expected: Digest,
        /// The machine that was given.
        found: Digest,
    },
    /// It leads to another machine.
    #[error("the edge leads to machine {expected}, not to {found}")]
    To {
        /// Where it leads.
        expected: Digest,
        /// The machine that was given.
        found: Digest,
    },
    /// An arrow with other types than the machines have. The arrow back has the same types.
    #[error(
        "the arrow {arrow} goes from {from} to {to}, the machines ask for {expected_from} to {expected_to}"
    )]
    Arrow {
        /// The arrow.
        arrow: String,
        /// Where it begins.
        from: String,
        /// Where it leads.
        to: String,
        /// Where it should begin.
        expected_from: String,
        /// Where it should lead.
        expected_to: String,
    },
    /// Arrows of a channel or port that one of the machines lacks.
    #[error("the edge has arrows for the channel or port `{name}`, which the {side} machine does not have")]
    UnknownChannel {
        /// The channel or port.
        name: Arc<str>,
        /// Which machine.
        side: ChannelSide,
    },
    /// No arrows for a channel that both machines have and that waits for answers.
    #[error("the edge has no arrows for the channel `{name}`, which both machines have")]
    MissingChannel {
        /// The channel.
        name: Arc<str>,
    },
    /// No arrows for a port that both machines have: calls wait in the old type.
    #[error("the edge has no arrows for the port `{name}`, which both machines have")]
    MissingPort {
        /// The port.
        name: Arc<str>,
    },
}

/// One of the two machines of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelSide {
    /// The machine that the edge comes from.
    Old,
    /// The machine that it leads to.
    New,
}

impl std::fmt::Display for ChannelSide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            ChannelSide::Old => "old",
            ChannelSide::New => "new",
        })
    }
}

/// Why a link does not lead from one machine to another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkEndsError {
    /// It begins at another machine.
    #[error("the link begins at machine {expected}, not at {found}")]
    Sender {
        /// Where it begins.
        expected: Digest,
        /// The machine that was given.
        found: Digest,
    },
    /// It leads to another machine.
    #[error("the link leads to machine {expected}, not to {found}")]
    Receiver {
        /// Where it leads.
        expected: Digest,
        /// The machine that was given.
        found: Digest,
    },
    /// The sender has no such channel.
    #[error("the sender has no channel `{name}`")]
    Channel {
        /// The channel of the link.
        name: Arc<str>,
    },
    /// The channel sends to a key, and the receiver has none.
    #[error("the channel `{name}` sends to a key, and the receiver has none")]
    Keyed {
        /// The channel.
        name: Arc<str>,
    },
    /// An arrow with other types than the machines have.
    #[error(
        "the arrow {arrow} goes from {from} to {to}, the machines ask for {expected_from} to {expected_to}"
    )]
    Arrow {
        /// The arrow.
        arrow: &'static str,
        /// Where it begins.
        from: String,
        /// Where it leads.
        to: String,
        /// Where it should begin.
        expected_from: String,
        /// Where it should lead.
        expected_to: String,
    },
    /// The channel takes answers and the link has no arrow for them, or the other way round.
    #[error("the channel `{name}` and the link do not agree on whether answers come back")]
    Answer {
        /// The channel.
        name: Arc<str>,
    },
}

impl VerifiedEdge {
    /// Checks that the edge leads from one machine to the other, by digests and by types.
    ///
    /// # Errors
    ///
    /// The first thing that does not belong together.
    pub fn check_ends(&self, from: &VerifiedMachine, to: &VerifiedMachine) -> Result<(), EdgeEndsError> {
        let edge = self.edge();
        if edge.from != from.digest() {
            return Err(EdgeEndsError::From { expected: edge.from, found: from.digest() });
        }
        if edge.to != to.digest() {
            return Err(EdgeEndsError::To { expected: edge.to, found: to.digest() });
        }
        self.check_arrow("up", edge.up, from.state(), to.state())?;
        self.check_arrow("lift", edge.lift, from.input(), to.input())?;
        self.check_arrow("raise", edge.raise, from.output(), to.output())?;
        for arrows in &edge.channels {
            let unknown = |side| EdgeEndsError::UnknownChannel { name: arrows.name.clone(), side };
            let (is_port, old) = message_of(from, &arrows.name).ok_or_else(|| unknown(ChannelSide::Old))?;
            // A port of the name of an old channel is something new.
            let (_, new) = message_of(to, &arrows.name)
                .filter(|(other, _)| *other == is_port)
                .ok_or_else(|| unknown(ChannelSide::New))?;
            self.check_arrow(&format!("`{}` up", arrows.name), arrows.up, old, new)?;
        }
        let kept = from.ports().iter().find(|port| {
            to.port(&port.name).is_some() && !edge.channels.iter().any(|arrows| arrows.name == port.name)
        });
        if let Some(port) = kept {
            return Err(EdgeEndsError::MissingPort { name: port.name.clone() });
        }
        for channel in from.channels().iter().filter(|channel| channel.answer.is_some()) {
            let kept = to.channel(&channel.name).is_some_and(|channel| channel.answer.is_some());
            if kept && !edge.channels.iter().any(|arrows| arrows.name == channel.name) {
                return Err(EdgeEndsError::MissingChannel { name: channel.name.clone() });
            }
        }
        Ok(())
    }

    /// The arrow back needs no check: V17 says that it has the same types.
    fn check_arrow(&self, name: &str, arrow: FuncIx, from: &Ty, to: &Ty) -> Result<(), EdgeEndsError> {
        match self.0.ends(arrow) {
            ends if ends == (from, to) => Ok(()),
            ends => Err(EdgeEndsError::Arrow {
                arrow: name.to_owned(),
                from: short(ends.0),
                to: short(ends.1),
                expected_from: short(from),
                expected_to: short(to),
            }),
        }
    }

    /// Returns why the upgrade along this edge may fail, or nothing when it is certified: `up`
    /// cannot trap, and the new state holds the new machine's invariants because they held of
    /// the old one. Something is known of the latter only where `up` changes nothing and the old
    /// machine has the same invariants; whatever else an `up` does, they could break.
    pub fn reason_not_certified(&self, from: &VerifiedMachine, to: &VerifiedMachine) -> Option<String> {
        let traps = self.traps_of_up();
        if !traps.is_empty() {
            let words: Vec<&str> = traps.iter().map(|trap| trap.words()).collect();
            return Some(format!("the migration may trap: {}", words.join(", ")));
        }
        let held: Vec<Digest> = match self.changes_nothing() {
            true => from.machine().invariants.iter().map(|(_, f)| function_digest(&from.0, *f)).collect(),
            false => vec![],
        };
        let new = |(_, function): &&(Arc<str>, FuncIx)| !held.contains(&function_digest(&to.0, *function));
        let (text, _) = to.machine().invariants.iter().find(new)?;
        Some(match self.changes_nothing() {
            true => format!("the new machine adds the invariant \"{text}\""),
            false => format!("the migrated state may break the invariant \"{text}\""),
        })
    }

    /// Returns why the way back along this edge may fail, or nothing when it cannot: `down` cannot trap, and the old state
    /// holds the old machine's invariants because the new one did.
    ///
    /// Fuel and memory do not count, for without a limit of its type every list and map could be too large: the limits of
    /// a migration are far above those of the steps that made the state.
    pub fn reason_down_may_fail(&self, from: &VerifiedMachine, to: &VerifiedMachine) -> Option<String> {
        let down = self.edge().down;
        let size = [TrapKind::Fuel, TrapKind::Memory];
        let mut traps = self.0.facts(down).may_trap.iter().filter(|trap| !size.contains(trap)).peekable();
        if traps.peek().is_some() {
            let words: Vec<&str> = traps.map(|trap| trap.words()).collect();
            return Some(format!("the way back may trap: {}", words.join(", ")));
        }
        let held: Vec<Digest> = match self.leaves_as_it_is(down) {
            true => to.machine().invariants.iter().map(|(_, f)| function_digest(&to.0, *f)).collect(),
            false => vec![],
        };
        let old = |(_, function): &&(Arc<str>, FuncIx)| !held.contains(&function_digest(&from.0, *function));
        let (text, _) = from.machine().invariants.iter().find(old)?;
        Some(format!("the state that goes back may break the invariant \"{text}\""))
    }

    /// Returns how states find their way down, as far as the code tells: for ways down that a person
    /// wrote. That the way down is exact where it is defined is for the laws to find out.
    pub fn class_of_written_down(&self) -> DownClass {
        let down = self.edge().down;
        let partial = [TrapKind::Fail, TrapKind::Range, TrapKind::Overflow, TrapKind::DivisionByZero];
        match &self.module().function(down).body.0[..] {
            [.., Op::Fail {}] => DownClass::D4,
            _ if self.edge().keep.is_some() => DownClass::D3,
            _ if partial.iter().any(|trap| self.0.facts(down).may_trap.contains(trap)) => DownClass::D2,
            _ => DownClass::D1,
        }
    }

    /// Returns the symbolic cost of migrating a state: a bound of its fuel in terms of the state.
    pub fn up_cost(&self) -> &Cost {
        self.0.cost(self.edge().up)
    }

    /// Returns the traps that migrating a state may end in; empty: none.
    pub fn traps_of_up(&self) -> Vec<TrapKind> {
        self.0.facts(self.edge().up).may_trap.iter().copied().collect()
    }

    fn changes_nothing(&self) -> bool {
        self.leaves_as_it_is(self.edge().up)
    }

    fn leaves_as_it_is(&self, arrow: FuncIx) -> bool {
        let (from, to) = self.0.ends(arrow);
        from == to && self.module().function(arrow).body == Block(vec![Op::Acc { level: 0 }])
    }
}

impl VerifiedLink {
    /// Checks that the link leads from the sender's channel to the receiver, by digests and by
    /// types.
    ///
    /// # Errors
    ///
    /// The first thing that does not belong together.
    pub fn check_ends(
        &self,
        sender: &VerifiedMachine,
        receiver: &VerifiedMachine,
    ) -> Result<(), LinkEndsError> {
        let link = self.link();
        if link.sender != sender.digest() {
            return Err(LinkEndsError::Sender { expected: link.sender, found: sender.digest() });
        }
        if link.receiver != receiver.digest() {
            return Err(LinkEndsError::Receiver { expected: link.receiver, found: receiver.digest() });
        }
        let name = link.channel.clone();
        let Some(channel) = sender.channel(&name) else { return Err(LinkEndsError::Channel { name }) };
        if channel.keyed && !receiver.machine().keyed {
            return Err(LinkEndsError::Keyed { name });
        }
        let message = sender.module().ty(channel.message);
        self.check_arrow("message", link.message, message, receiver.input())?;
        match (link.answer, channel.answer) {
            (Some(arrow), Some(answer)) => {
                self.check_arrow("answer", arrow, receiver.output(), sender.module().ty(answer.ty))
            }
            (None, None) => Ok(()),
            _ => Err(LinkEndsError::Answer { name }),
        }
    }

    fn check_arrow(
        &self,
        name: &'static str,
        arrow: FuncIx,
        from: &Ty,
        to: &Ty,
    ) -> Result<(), LinkEndsError> {
        match self.0.ends(arrow) {
            ends if ends == (from, to) => Ok(()),
            ends => Err(LinkEndsError::Arrow {
                arrow: name,
                from: short(ends.0),
                to: short(ends.1),
                expected_from: short(from),
                expected_to: short(to),
            }),
        }
    }
}

/// Returns the message type of a channel or port, and whether it is a port.
fn message_of<'m>(machine: &'m VerifiedMachine, name: &str) -> Option<(bool, &'m Ty)> {
    let channel = machine.channel(name).map(|channel| (false, channel.message));
    let port = || machine.port(name).map(|port| (true, port.message));
    channel.or_else(port).map(|(is_port, message)| (is_port, machine.module().ty(message)))
}

/// Returns a digest of a function and all that it calls, the same in whichever module it stands:
/// that of a module with this function alone.
pub(crate) fn function_digest(module: &VerifiedModule, function: FuncIx) -> Digest {
    let nobody = Digest::from_bytes([0; 32]);
    let link = Link { sender: nobody, channel: "".into(), receiver: nobody, message: function, answer: None };
    let alone = Module {
        types: module.module.types.clone(),
        constants: module.module.constants.clone(),
        functions: module.module.functions.clone(),
        entry: Entry::Link(link),
        debug: Debug::default(),
    };
    let alone = crate::code::canonical::canonical(&alone).expect("a verified module names only what it has");
    crate::code::encode::digest(&alone)
}
