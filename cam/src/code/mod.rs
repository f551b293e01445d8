//! CAM/2 modules: what a compiled machine, edge or link is made of.
//!
//! A module is data without authority. It becomes runnable only through [`crate::verify`].
//! The byte form is in [`encode`] and [`decode`]; the instructions in [`op`].

pub mod build;
pub mod canonical;
pub mod decode;
pub mod disassemble;
pub mod encode;
#[cfg(test)]
pub(crate) mod generate;
pub mod op;
pub mod operand;

use std::sync::Arc;

pub use build::ModuleBuilder;
pub use op::{Block, EffectKind, Op};

use crate::ty::Ty;
use crate::value::Value;

/// The version of the semantics that this crate implements: what opcodes mean and what they
/// cost. Part of every machine digest.
pub const SEMANTICS: u32 = 1;

/// An index into [`Module::types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeIx(pub u32);

/// An index into [`Module::constants`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConstIx(pub u32);

/// An index into [`Module::functions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FuncIx(pub u32);

/// A unit of bytecode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// The types that the code names. Parts stand before the types made of them.
    pub types: Vec<Ty>,
    /// The constants, each with its type.
    pub constants: Vec<(TypeIx, Value)>,
    /// The functions. A function calls only functions before it, so that there is no recursion.
    pub functions: Vec<Function>,
    /// What the module is for, and where it is entered.
    pub entry: Entry,
    /// Names for people; outside the digest.
    pub debug: Debug,
}

/// A pure function from parameters to a result.
///
/// Its environment begins with the parameters; `ACC 0` is the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// The types of the parameters.
    pub params: Vec<TypeIx>,
    /// The type of the result, which the body leaves in the value register.
    pub result: TypeIx,
    /// The body. It starts with `()` in the value register and an empty operand stack.
    pub body: Block,
}

/// What a module is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A state machine.
    Machine(Machine),
    /// The arrows between two machines.
    Edge(Edge),
    /// The arrows of one channel from a sender to a receiver of the same release.
    Link(Link),
}

/// The entry points and signature of a state machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// True when there is one instance for each key (a Text), false when there is exactly one.
    pub keyed: bool,
    /// The type of the configuration; `()` when there is none.
    pub config: TypeIx,
    /// The type of the state.
    pub state: TypeIx,
    /// The type of the inputs: a variant.
    pub input: TypeIx,
    /// Per case of the input: true when it comes from timers and answers only.
    pub internal: Vec<bool>,
    /// The type of the outputs.
    pub output: TypeIx,
    /// `Config -> State`.
    pub init: FuncIx,
    /// The step, as one arrow per input case, in the order of the cases:
    /// `Payload x State x Config -> (State, Output)`, or `-> State` for an internal case.
    /// Docs: `docs/decisions/0002-step-by-case.md`.
    pub step: Vec<FuncIx>,
    /// What holds of every state: a text for people, and `State -> Bool`.
    pub invariants: Vec<(Arc<str>, FuncIx)>,
    /// Where the machine sends to.
    pub channels: Vec<Channel>,
    /// What it calls outside of the node.
    pub ports: Vec<Port>,
}

/// A channel to another machine, in the sender's own types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// The name that `send` uses.
    pub name: Arc<str>,
    /// The receiver: `app/machine`.
    pub target: Arc<str>,
    /// True when a send names a key.
    pub keyed: bool,
    /// The type of the messages, as this machine emits them.
    pub message: TypeIx,
    /// How answers come back, if they do.
    pub answer: Option<Answer>,
}

/// A port to something outside of the node, in the machine's own types. What stands behind it is
/// no part of a release: the node binds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// The name that `call` uses, and that the node binds.
    pub name: Arc<str>,
    /// True when a call names a key, which comes back with its answer.
    pub keyed: bool,
    /// The type of the messages, as this machine emits them.
    pub message: TypeIx,
    /// How answers come back, if they do.
    pub answer: Option<Answer>,
}

/// How the answers of a channel or port come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The internal input case that takes them. Its payload is a record with the field
    /// `answer: Option(T)` and at most one other, `from: Text`: the key that the send or call
    /// named (empty if it named none).
    pub case: u32,
    /// The type `T`.
    pub ty: TypeIx,
}

/// The arrows of an edge. Types are those of the two machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edge {
    /// The machine digest that the edge comes from.
    pub from: crate::digest::Digest,
    /// The machine digest that it leads to.
    pub to: crate::digest::Digest,
    /// `State -> State'`.
    pub up: FuncIx,
    /// `State' -> State`; with `keep`, `(State', Option(Kept)) -> State`.
    pub down: FuncIx,
    /// `Input -> Input'`: queued messages and timers on the way up.
    pub lift: FuncIx,
    /// `Input' -> Input`, partial: the same on the way down.
    pub unlift: FuncIx,
    /// `Output' -> Output`: new answers for old clients.
    pub lower: FuncIx,
    /// `Output -> Output'`, partial: recorded answers for new clients.
    pub raise: FuncIx,
    /// The channels and ports that both machines have, by name: messages on their way move by
    /// `Message -> Message'` and back.
    pub channels: Vec<ChannelEdge>,
    /// `State -> Kept`: what `up` leaves out of a state, kept aside for `down`. An instance that was born
    /// after the upgrade has nothing kept aside, and `down` sees `None`.
    pub keep: Option<FuncIx>,
}

/// The arrows of one channel or port of an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelEdge {
    /// The name of the channel or port in both machines.
    pub name: Arc<str>,
    /// `Message -> Message'`, partial.
    pub up: FuncIx,
    /// `Message' -> Message`, partial.
    pub down: FuncIx,
}

/// The arrows of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The machine digest of the sender.
    pub sender: crate::digest::Digest,
    /// The channel's name in the sender.
    pub channel: Arc<str>,
    /// The machine digest of the receiver.
    pub receiver: crate::digest::Digest,
    /// The sender's message to the receiver's input.
    pub message: FuncIx,
    /// The receiver's output to the sender's answer, when the channel takes answers.
    pub answer: Option<FuncIx>,
}

/// Names for people, and for the compiler of the next version. Not covered by the digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Debug {
    /// The name of the machine.
    pub name: Arc<str>,
    /// The declared types by name; the next version takes its ordinals from them.
    pub types: Vec<(Arc<str>, TypeIx)>,
    /// A name per function, in their order; may be shorter.
    pub functions: Vec<Arc<str>>,
    /// The names that fields and cases of earlier releases had, and these types have not; by type,
    /// path, kind, name and ordinal.
    pub retired: Vec<Retired>,
}

/// The name that a field or case had in an earlier release. No other gets its ordinal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired {
    /// The declared type that it stood in.
    pub name: Arc<str>,
    /// The way from there to its record or variant, such as `.items[..]`; empty for the type itself.
    pub path: Arc<str>,
    /// True for a case, false for a field.
    pub case: bool,
    /// What it was called.
    pub label: Arc<str>,
    /// Its ordinal.
    pub ordinal: u32,
    /// The type that it had last.
    pub ty: TypeIx,
}

impl Module {
    /// Returns the type at an index.
    ///
    /// # Panics
    ///
    /// When the index is out of range; a verified module has no such index.
    pub fn ty(&self, index: TypeIx) -> &Ty {
        &self.types[index.0 as usize]
    }

    /// Returns the function at an index.
    ///
    /// # Panics
    ///
    /// When the index is out of range; a verified module has no such index.
    pub fn function(&self, index: FuncIx) -> &Function {
        &self.functions[index.0 as usize]
    }
}
