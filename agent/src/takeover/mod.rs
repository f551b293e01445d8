//! A new agent takes a running node over: same folder, same sockets, and no connection refused.
//!
//! ```text
//! the new agent                         the agent that runs
//!   hello: what I read            ──▶   is it the same user? does another command run?
//!                                 ◀──   welcome: what I write; every bundle that a start needs
//!   reads, verifies, checks all
//!   verified                      ──▶   makes a state snapshot; serves on
//!                                 ◀──   saved
//!   loads it, beside the other
//!   loaded                        ──▶   takes no connection in, answers what is under way, syncs, closes the journal
//!                                 ◀──   yours: the lock, the listening socket, the connections between two requests
//!   replays the rest, notes it
//!   opened                        ──▶   ends
//!   serves
//! ```
//!
//! What must stay true: one of the two has the journal open, never both. The agent that ran goes back to work when
//! the new one ends, says that it will not, or takes too long (then it is killed first), and opens the folder anew:
//! what is on the disk counts. Before *loaded* nothing of this is noticed by any client.
//! Why it is so: `docs/decisions/0032-takeover.md`.

mod again;
mod giving;
mod socket;
pub mod supervisor;
mod taking;
#[cfg(test)]
mod tests;
mod wire;

use std::net::SocketAddr;

use camshaft_store::Formats;
use serde::{Deserialize, Serialize};

pub use again::Again;
pub(crate) use giving::{Giver, Leaving, Outcome};
pub use taking::TakeOverError;
pub(crate) use taking::{Link, Taken, Taker, take};

/// The way in which the two agents speak. A new number means that they cannot.
const PROTOCOL: u32 = 1;

/// The version of this agent.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// That a node is to be taken over, and how.
#[derive(Debug, Clone)]
pub struct TakeOver {
    /// Where the new agent was told to listen, if it was.
    pub listen: Option<SocketAddr>,
    /// Who takes the node over, for its history.
    pub who: String,
}

/// What a new agent says of itself. What stands here stays in every protocol; what is unknown is left alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Hello {
    /// See [`PROTOCOL`].
    protocol: u32,
    /// Its version.
    agent: String,
    /// What it reads.
    reads: Formats,
    /// Who started it.
    who: String,
}

/// What the agent that runs says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Welcome {
    /// Its version.
    agent: String,
    /// What it writes.
    writes: Formats,
    /// Where it listens.
    listen: SocketAddr,
    /// How many bundles follow.
    bundles: usize,
}
