//! After a switch that is for good: the sweeper lets the instances go over it that nobody used since, a few at a time.
//! Then nothing needs the code before it any more.

use camshaft_store::Control;

use super::owed::{is_full, unless_undone};
use super::switch::Failed;
use super::{Asked, Node, NodeError};

/// How many instances of a shard go over at a time: so few that no input waits for long.
const BATCH: usize = 256;

impl Node {
    /// Returns true while there is something to sweep.
    pub fn is_sweeping(&self) -> bool {
        let ledger = &self.ledger;
        let settled = !ledger.provisional && ledger.unchecked.is_none();
        settled && ledger.swept < ledger.switch && ledger.switch > 1 && !self.crew.is_full()
    }

    /// Returns how many parts of large states were taken over so far from what trials remembered, when those states went
    /// over switches.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn recalled(&mut self) -> Result<u64, NodeError> {
        Ok(self.crew.each(|shard| shard.recalled())?.into_iter().sum())
    }

    /// Lets some instances go over the last switch, if it is for good. Once all have, the journal says so.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub fn sweep_if_due(&mut self) -> Result<(), NodeError> {
        if !self.is_sweeping() {
            return Ok(());
        }
        let done = self.crew.each(|shard| shard.sweep_some(BATCH))?;
        if !done.into_iter().all(|done| done) {
            return Ok(());
        }
        let switch = self.ledger.switch;
        match self.append(&[Control::Swept { switch }]) {
            // It is found to be so again when there is room.
            Err(error) if is_full(&error) => return Ok(()),
            appended => appended?,
        }
        self.crew.each(move |shard| shard.forget_road(switch))?;
        tracing::debug!(switch, "all instances have gone over the switch");
        Ok(())
    }

    /// Goes back when instances could not go over the last switch, while that is not for good.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub(super) fn heed_troubles(&mut self) -> Result<(), NodeError> {
        let troubles = self.crew.each(crate::engine::Shard::take_troubles)?;
        let troubles: Vec<_> = troubles.into_iter().flatten().collect();
        let Some(first) = troubles.first() else { return Ok(()) };
        self.troubled += troubles.len() as u64;
        if !self.ledger.provisional || self.troubled <= self.ledger.may_hold || !self.may_return() {
            return Ok(());
        }
        let asked = Asked { who: super::AGENT.to_owned(), now_ms: self.now_ms };
        let reason = format!("{}: {}", first.step, first.reason);
        let why = Failed { code: None, instance: Some(first.instance.clone()), reason };
        let undone = self.undo(&asked, self.ledger.switch, why);
        unless_undone(undone.map(drop))
    }
}
