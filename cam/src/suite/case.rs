//! What happens in one run of a test.

use super::world::{Owed, Step};
use crate::value::Value;

/// What was generated for one run of a property.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Case {
    /// The arguments.
    pub(super) arguments: Vec<Value>,
    /// `ctx.seed`, where the property does not give it.
    pub(super) seed: i64,
    /// What happens in each `for all inputs` that was met.
    pub(super) runs: Vec<Vec<Event>>,
}

/// Something that happens to an instance in `for all inputs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// An input from outside.
    Input(Value),
    /// Time goes by, and timers fire.
    Wait(i64),
    /// One of the messages that wait is answered; counted in a circle.
    Answer(usize, Option<Value>),
}

/// Something that a test did to the instance, and the steps that it took.
#[derive(Debug, Clone)]
pub(super) struct Act {
    pub(super) what: What,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    Run(Value),
    Advance(i64),
    Answer(Owed, Option<Value>),
}
