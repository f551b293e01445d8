//! Making the running release permanent: the states from before it are given up.

use camshaft_store::Control;

use super::{Asked, Node, NodeError};
use crate::api::{HistoryKind, Report};
use crate::failpoint;
use crate::problem;

impl Node {
    /// Makes the running release permanent.
    ///
    /// # Errors
    ///
    /// When there is none, or it is permanent already.
    pub fn make_permanent(&mut self, asked: &Asked) -> Result<Report, NodeError> {
        self.advance(asked.now_ms)?;
        self.pay_first()?;
        let Some(running) = self.ledger.running() else {
            return Err(problem::EMPTY.problem("no release is installed on this node").into());
        };
        if !self.ledger.provisional {
            let detail = format!("{} {} is permanent", running.name, running.version);
            return Err(problem::NOT_PROVISIONAL.problem(detail).into());
        }
        self.drop_snapshot()?;
        self.crew.flush()?;
        failpoint::pass("permanent.before-record");
        let stamp = self.stamp(asked);
        self.append(&[Control::Permanent { stamp, switch: self.ledger.switch }])?;
        failpoint::pass("permanent.after-record");
        self.crew.each(crate::engine::Shard::make_permanent)?;
        self.end_life()?;
        Ok(Report { switch: None, ..self.report(HistoryKind::MadePermanent)? })
    }
}
