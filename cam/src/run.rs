//! T0: the direct interpreter of CAM/2, the executable specification.

use std::sync::Arc;

use crate::value::Value;

/// What a run may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Units of fuel, see [`crate::code::op`].
    pub fuel: u64,
    /// Bytes that may be built up.
    pub memory: u64,
}

/// What a step knows of its surroundings; recorded with the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ctx {
    /// Milliseconds since the Unix epoch; never runs backwards.
    pub now_ms: i64,
    /// The number of this step in the life of the instance, from 1.
    pub seq: i64,
    /// The instance's own key; empty if it has none.
    pub self_key: Arc<str>,
    /// A number for pseudo-random choices.
    pub seed: i64,
}

/// Why a run ended without a result. The state is untouched and nothing was emitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trap {
    /// An integer left the range of 64 bits.
    #[error("integer overflow")]
    Overflow,
    /// A division by zero.
    #[error("division by zero")]
    DivisionByZero,
    /// A value does not fit the limits of its type.
    #[error("value outside the limits of its type")]
    Range,
    /// The program said `fail`.
    #[error("failed: {0}")]
    Fail(Arc<str>),
    /// An invariant does not hold.
    #[error("the invariant \"{0}\" does not hold")]
    Invariant(Arc<str>),
    /// Out of fuel.
    #[error("out of fuel")]
    Fuel,
    /// Out of memory.
    #[error("out of memory")]
    Memory,
}

/// What a step did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The next state.
    pub state: Value,
    /// The answer; `None` for an internal input.
    pub output: Option<Value>,
    /// What the step asks of the world, in order.
    pub effects: Vec<Effect>,
    /// The fuel used.
    pub fuel: u64,
}

/// An effect, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The instance ends after this step.
    Stop,
    /// A line for the log.
    Log(Arc<str>),
    /// Cancels a timer.
    Cancel(Arc<str>),
    /// Starts or replaces a timer.
    Timer {
        /// Its name within the instance.
        name: Arc<str>,
        /// When it fires, from `now`.
        after_ms: i64,
        /// What it fires: an input of the machine.
        input: Value,
    },
    /// Sends a message.
    Send {
        /// Index of the channel in [`crate::code::Machine::channels`].
        channel: u32,
        /// The receiver's key, if the channel is keyed.
        key: Option<Arc<str>>,
        /// The message, of the channel's message type.
        message: Value,
    },
}
