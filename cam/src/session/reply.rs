//! What a session answers, as data.

use std::sync::Arc;

use super::diff::{Change, changes};
use super::instance::{Misfire, Step, Timer};
use crate::diagnostic::Diagnostic;
use crate::run::{Effect, Trap};
use crate::syntax::entry::ItemKey;
use crate::ty::{Kind, Ty};
use crate::value::Value;
use crate::verify::VerifiedMachine;

/// A value with its type, and what the program calls the type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    /// The value.
    pub value: Value,
    /// Its type.
    pub ty: Ty,
    /// The type's name, or the type as written out.
    pub name: String,
}

/// What came of an entry.
#[derive(Debug, Clone)]
pub enum Reply {
    /// An expression has a value.
    Value(Typed),
    /// A name was given to a value.
    Bound(Arc<str>, Typed),
    /// A condition holds.
    Holds,
    /// What was asked about with `:type`, and its type.
    Type(String, String),
    /// Declarations were made; `true`: in the place of one that was there.
    Declared(Vec<(ItemKey, bool)>, Option<Fresh>),
    /// A step was done.
    Stepped(Box<Stepped>),
    /// Time passed.
    Advanced(Box<Advanced>),
    /// The instance as it is.
    State(Box<Standing>),
    /// The configuration.
    Config(Typed, Option<Fresh>),
    /// Bytecode, as a listing.
    Listing(String),
    /// A machine was loaded.
    Loaded(Loading),
    /// The instance begins anew.
    Reset(Typed),
    /// The last change was taken back; so many more can be.
    Undone(usize),
    /// A text for people.
    Help(String),
    /// Something that is not for the session to do.
    Asked(Request),
}

/// What whoever holds the session is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Load this file; without a path, the one that was loaded, again.
    Load(Option<String>),
    /// End.
    Quit,
}

/// Why an instance begins anew, or cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fresh {
    /// The type of the state is another.
    StateType,
    /// The instance is kept, and its timers are gone: the type of inputs is another.
    Timers,
    /// An invariant does not hold of the state that was there.
    Invariant(Trap),
    /// There is no instance: the configuration has fields without a default.
    NoConfig,
    /// There is no instance: `init` traps.
    NoInit(Trap),
}

/// What was loaded.
#[derive(Debug, Clone)]
pub struct Loading {
    /// The name of the machine.
    pub machine: Arc<str>,
    /// True when there is an instance for each key.
    pub keyed: bool,
    /// The cases of its input, with internal ones marked.
    pub inputs: Vec<(String, bool)>,
    /// True when the state of before was kept.
    pub kept: bool,
    /// What became of the instance, when it is not simply there.
    pub fresh: Option<Fresh>,
}

/// A step, with what is needed to show it.
#[derive(Debug, Clone)]
pub struct Stepped {
    /// The step.
    pub step: Step,
    /// The machine.
    pub machine: VerifiedMachine,
    /// What the program calls its output.
    pub output_name: String,
}

/// A stretch of time, with what happened in it.
#[derive(Debug, Clone)]
pub struct Advanced {
    /// How long it was, in milliseconds.
    pub by_ms: i64,
    /// The session's clock at its end.
    pub now_ms: i64,
    /// The timers that fired, in order.
    pub fired: Vec<Result<Step, Misfire>>,
    /// The machine.
    pub machine: VerifiedMachine,
    /// What the program calls its output.
    pub output_name: String,
}

/// The instance as it is.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The state.
    pub state: Typed,
    /// The key; empty without one.
    pub key: Arc<str>,
    /// The session's clock.
    pub now_ms: i64,
    /// How many steps were done.
    pub seq: i64,
    /// The timers that run, by name.
    pub timers: Vec<(Arc<str>, Timer)>,
    /// The type of inputs.
    pub input: Ty,
    /// True when it has stopped.
    pub stopped: bool,
}

/// Why an entry was not done. The session is as it was.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// The compiler refuses it.
    Faults(Vec<Diagnostic>),
    /// It ran, and trapped.
    Trapped {
        /// Why.
        trap: Trap,
        /// How to go on.
        hint: String,
    },
    /// A condition does not hold.
    DoesNotHold {
        /// The two sides of a comparison, where it is one.
        sides: Option<(String, String)>,
    },
    /// It cannot be done here.
    Refused {
        /// Why.
        message: String,
        /// How to go on.
        hint: String,
    },
}

impl Refusal {
    pub(super) fn new(message: impl Into<String>, hint: impl Into<String>) -> Refusal {
        Refusal::Refused { message: message.into(), hint: hint.into() }
    }
}

impl From<Vec<Diagnostic>> for Refusal {
    fn from(faults: Vec<Diagnostic>) -> Refusal {
        Refusal::Faults(faults)
    }
}

impl Stepped {
    /// Returns the answer, if the input has one.
    pub fn output(&self) -> Option<Typed> {
        let value = self.step.output.clone()?;
        Some(Typed { value, ty: self.machine.output().clone(), name: self.output_name.clone() })
    }

    /// Returns what changed in the state.
    pub fn changes(&self) -> Vec<Change> {
        changes("state", self.machine.state(), &self.step.before, &self.step.after)
    }
}

/// Returns an effect as it would be written, with values in the place of expressions; the target
/// of a message follows.
pub fn effect_text(machine: &VerifiedMachine, effect: &Effect) -> String {
    let name = |text: &Arc<str>| Value::Text(text.clone()).to_source(&Ty::text());
    match effect {
        Effect::Stop => "stop".to_owned(),
        Effect::Log(line) => format!("log {}", name(line)),
        Effect::Cancel(timer) => format!("cancel {}", name(timer)),
        Effect::Timer { name: timer, after_ms, input } => {
            let after = Value::Int(*after_ms).to_source(&Ty::duration());
            format!("timer {} after {after} => {}", name(timer), input.to_source(machine.input()))
        }
        Effect::Send { channel, key, message } => {
            let channel = &machine.channels()[*channel as usize];
            let key = key.as_ref().map_or_else(String::new, |key| format!("[{}]", name(key)));
            let message = message.to_source(machine.module().ty(channel.message));
            format!("send {}{key} {message} (to {})", channel.name, channel.target)
        }
        Effect::Call { port, key, message } => {
            let port = &machine.ports()[*port as usize];
            let key = key.as_ref().map_or_else(String::new, |key| format!("[{}]", name(key)));
            format!("call {}{key} {}", port.name, message.to_source(machine.module().ty(port.message)))
        }
    }
}

/// Returns the cases of an input type by name, with whether each is internal.
pub(super) fn cases_of(machine: &VerifiedMachine) -> Vec<(String, bool)> {
    let Kind::Variant(variant) = machine.input().kind() else { return Vec::new() };
    let case =
        |(index, case): (usize, &crate::ty::Case)| (case.label.to_string(), machine.case_is_internal(index));
    variant.cases.iter().enumerate().map(case).collect()
}
