//! What the last switch still owes: that its check is noted as passed, or that it is undone. On a full disk there may
//! be no room for the record, and the node makes it by itself once there is.

use super::switch::Failed;
use super::{Asked, Node, NodeError};
use crate::api::{Changed, Problem};
use crate::problem;

/// What is to be recorded of the last switch.
#[derive(Debug)]
pub(super) enum Owed {
    /// That its check passed.
    Check,
    /// That it is undone, because of what an instance showed.
    Undo(Failed),
}

/// Returns true for what is refused for want of room.
pub(super) fn is_full(error: &NodeError) -> bool {
    matches!(error, NodeError::Refused(problem) if problem.code == problem::DISK_FULL.code)
}

impl Node {
    /// Does what the last switch owes, if there is room.
    pub(super) fn pay(&mut self) -> Result<(), NodeError> {
        if self.owed.is_none() || self.crew.is_full() {
            return Ok(());
        }
        self.pay_now()
    }

    /// Does what the last switch owes, before something else follows on it.
    pub(super) fn pay_first(&mut self) -> Result<(), NodeError> {
        self.pay_now()?;
        match self.owed {
            None => Ok(()),
            Some(_) => {
                let detail = "there is no room to note how the last switch ended; nothing was changed";
                Err(problem::DISK_FULL.problem(detail).into())
            }
        }
    }

    fn pay_now(&mut self) -> Result<(), NodeError> {
        let asked = Asked { who: "agent".to_owned(), now_ms: self.now_ms };
        let done = match self.owed.take() {
            None => return Ok(()),
            Some(Owed::Check) => self.settle_check(&asked, Ok(())),
            Some(Owed::Undo(why)) => self.undo(&asked, self.ledger.switch, why),
        };
        unless_undone(done.map(drop))
    }
}

/// Lets pass that a switch was undone, or will be once there is room, where nobody asked for it.
pub(super) fn unless_undone(result: Result<(), NodeError>) -> Result<(), NodeError> {
    match result {
        Err(NodeError::Refused(problem)) if problem.code == problem::UNDONE.code => {
            tracing::error!("{}", problem.detail);
            Ok(())
        }
        Err(error) if is_full(&error) => {
            tracing::warn!("there is no room to note how the last switch ends; it waits for room");
            Ok(())
        }
        result => result,
    }
}

/// Returns what is told of an upgrade that is to be undone, and there is no room for it.
pub(super) fn undone_later(reason: &str) -> Box<Problem> {
    let detail = format!("its check failed: {reason}; it runs, and is undone as soon as there is room");
    let mut problem = problem::DISK_FULL.problem(detail);
    problem.changed = Changed::Unsettled;
    problem
}
