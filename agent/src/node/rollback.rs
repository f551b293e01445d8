//! Going back to the release before.

use camshaft_store::Direction;

use super::{Asked, Node, NodeError};
use crate::api::{HistoryKind, Report};
use crate::engine::Trial;
use crate::failpoint;

/// What to do with instances that cannot go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// Refuse the rollback.
    Refuse,
    /// Hold them with their mailboxes and go back with the rest.
    Hold,
}

impl Node {
    /// Goes back to the release before, as it was tried.
    ///
    /// Instances that were not written since the last switch take the state from before it; the
    /// others go down the edge and keep what was written.
    ///
    /// # Errors
    ///
    /// When instances would have to be held, and that is not wanted.
    pub fn rollback(&mut self, asked: &Asked, trial: Trial, holding: Holding) -> Result<Report, NodeError> {
        failpoint::pass("rollback.tried");
        if let Err(problem) = self.reason_stale(&trial) {
            let to = trial.plan().to.entry.clone();
            return Err(self.refuse(asked, Some(&to), problem));
        }
        let done = self.switch(asked, trial, Direction::Down, vec![], |report| {
            report.passed || holding == Holding::Hold
        })?;
        failpoint::pass("rollback.switched");
        Ok(Report {
            from: Some(done.from),
            trial: Some(done.trial),
            rollback: Some(done.rollback),
            switched: Some(done.counts),
            pause_us: Some(done.pause_us),
            ..self.report(HistoryKind::RolledBack)?
        })
    }
}
