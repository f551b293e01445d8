//! What carries a machine's `call port message` out of the node: webhooks.
//!
//! ```text
//! a call that is durable ──▶ client (sockets, clock) ──▶ plan (what begins when, what ends how)
//!          CallOut                  │    ▲                    │
//!                                   ▼    └── judge: what an answer means
//! how it ended  ◀── Ended ── request: headers, key, signature ──▶ the receiver
//! ```
//!
//! What must stay true:
//!
//! - At least once: a call ends because its receiver answered or refused it, or because its attempts are
//!   used up, and for no other reason. Who started a call and has no end of it starts it again.
//! - All attempts of a call, over restarts too, carry the same key; no other call on any node has it.
//! - There are never two attempts of one call at a time, and a call begins when the one before it, of the
//!   same instance on the same port, has ended.
//!
//! Nothing here is durable: calls are, in the outbox of their instance, until their end is recorded.

pub mod bindings;
pub mod client;
pub mod judge;
pub mod key;
pub mod plan;
mod request;
pub mod secret;

use std::fmt;

use camshaft_manifests::address::InstanceAddress;
use camshaft_manifests::agent::PortAddress;

pub use bindings::{BindError, Bindings, Unbound};
pub use client::{Ends, Ports, Settings, StartError, start};
pub use key::Identity;
pub use plan::{Bounds, Counts};

/// Which call: unique on the node for ever.
///
/// It is what it was when the call was recorded, also after the instance got another address: the key that
/// receivers know the call by follows from it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// The instance that calls.
    pub instance: InstanceAddress,
    /// The number of the input, in whose step it called.
    pub seq: u64,
    /// Which of the effects of that step.
    pub effect: u32,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {}.{} of {}", self.seq, self.effect, self.instance)
    }
}

/// A call that is durable and has no end yet.
#[derive(Clone, PartialEq, Eq)]
pub struct CallOut {
    /// Which one.
    pub id: CallId,
    /// The port.
    pub port: PortAddress,
    /// The key that the call names, `call mail[key] ...`.
    pub key: Option<String>,
    /// The message as JSON. Secrets are plain in it: the machine asked something outside to use them.
    pub message: String,
    /// True when the port has a type of answers, so that what comes back is read.
    pub answers: bool,
    /// The `traceparent` of what caused it.
    pub trace: Option<String>,
}

/// Without key and message, which may hold what is not shown.
impl fmt::Debug for CallOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CallOut { id, port, key: _, message: _, answers, trace } = self;
        f.debug_struct("CallOut")
            .field("id", id)
            .field("port", port)
            .field("answers", answers)
            .field("trace", trace)
            .finish_non_exhaustive()
    }
}

/// How a call ended.
#[derive(Clone, PartialEq, Eq)]
pub enum CallEnd {
    /// The receiver answered. Whether that is JSON of the port's type of answers is not known here.
    Answered {
        /// What it answered.
        json: String,
    },
    /// The receiver took it; the port has no type of answers.
    Delivered,
    /// Nothing more is tried.
    GivenUp {
        /// The reason, for people. It may hold a short part of what the receiver said.
        reason: String,
        /// How many attempts there were since the agent started.
        attempts: u32,
    },
}

/// Without the answer, which may hold what is not shown.
impl fmt::Debug for CallEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallEnd::Answered { json } => write!(f, "Answered {{ {} bytes }}", json.len()),
            CallEnd::Delivered => f.write_str("Delivered"),
            CallEnd::GivenUp { reason, attempts } => {
                f.debug_struct("GivenUp").field("reason", reason).field("attempts", attempts).finish()
            }
        }
    }
}

/// The end of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Which one.
    pub id: CallId,
    /// How.
    pub end: CallEnd,
}
