//! Going on with a node that another process has: everything but the end of the journal is read before it is let go of.

use camshaft_store::{Control, Journal, ReleaseEntry};

use super::attempts::Attempts;
use super::open::{Reading, stopped};
use super::{Asked, Node, NodeError, OpenNodeError, Opener, Settings};

/// A node as its newest state snapshot has it, while another process still goes on with it.
pub struct Preloaded {
    node: Node,
    reading: Reading,
    number: u64,
}

impl Node {
    /// Loads the state snapshot of a journal that is only read.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or used.
    pub fn preload(
        journal: Box<dyn Journal>,
        opener: Box<Opener>,
        settings: Settings,
    ) -> Result<Preloaded, OpenNodeError> {
        let mut node = Node::empty(journal, opener, settings);
        let mut reading = Reading::default();
        let number = node.load_snapshot(&mut reading)?;
        Ok(Preloaded { node, reading, number })
    }

    /// Writes into the history that this agent has taken the node over.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub fn taken_over(&mut self, asked: &Asked, from: &str, to: &str) -> Result<(), OpenNodeError> {
        self.advance(asked.now_ms).map_err(stopped)?;
        let stamp = self.stamp(asked);
        let control = Control::TakenOver { stamp, from: from.to_owned(), to: to.to_owned() };
        self.append(&[control]).map_err(stopped)
    }

    /// Returns true while nothing can be recorded.
    pub fn is_full(&self) -> bool {
        self.crew.is_full()
    }

    /// Returns the releases that a start needs, with the bytes of their bundles.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn needed_bundles(&mut self) -> Result<Vec<(ReleaseEntry, Vec<u8>)>, NodeError> {
        let mut needed = vec![];
        for entry in self.ledger.needed() {
            if let Some(bytes) = self.archive(entry.archive)? {
                needed.push((entry, bytes));
            }
        }
        Ok(needed)
    }
}

impl Preloaded {
    /// Returns the number of the state snapshot.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Goes on with the journal: replays what came after the state snapshot, as [`Node::open`] does.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read or contradicts itself.
    pub fn open(self, journal: Box<dyn Journal>, now_ms: i64) -> Result<Node, OpenNodeError> {
        let Preloaded { mut node, mut reading, number } = self;
        node.here().journal = journal;
        reading.holds.attempts = Attempts::begin(&mut *node.here().journal)?;
        node.replay_all(number, &mut reading)?;
        node.finish(reading, now_ms)?;
        Ok(node)
    }
}
