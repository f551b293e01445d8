//! Installing the first release on an empty node.

use std::sync::Arc;

use camshaft_store::Control;

use super::{Asked, Node, NodeError};
use crate::api::{HistoryKind, ReleaseState, Report};
use crate::engine::Epoch;
use crate::failpoint;
use crate::problem;
use crate::release::Release;

impl Node {
    /// Installs a release on the empty node. `bundle` is what `release` was read from.
    ///
    /// # Errors
    ///
    /// When the node is not empty, or a machine of the release cannot start.
    pub fn install(
        &mut self,
        asked: &Asked,
        release: Arc<Release>,
        bundle: &[u8],
    ) -> Result<Report, NodeError> {
        self.advance(asked.now_ms)?;
        failpoint::pass("install.staged");
        if let Some(running) = self.ledger.running() {
            let detail = format!("{} {} runs on this node", running.name, running.version);
            return Err(self.refuse(asked, Some(&release.entry), problem::NOT_EMPTY.problem(detail)));
        }
        if let Some((machine, reason)) = crate::engine::reason_not_startable(&release) {
            let detail = format!("{machine} cannot start: {reason}");
            let problem = Box::new(crate::api::Problem {
                hint: "mend `init` or the configuration and build again; nothing was changed".to_owned(),
                ..*problem::TRIAL_FAILED.problem(detail)
            });
            return Err(self.refuse(asked, Some(&release.entry), problem));
        }
        failpoint::pass("install.before-blob");
        self.crew.put_blob(bundle)?;
        failpoint::pass("install.before-record");
        let entry = release.entry.clone();
        self.append(&[Control::Installed { stamp: self.stamp(asked), release: entry }])?;
        failpoint::pass("install.after-record");
        self.enter(Epoch::install(release.clone()))?;
        self.crew.flush()?;
        failpoint::pass("install.started");
        Ok(Report {
            what: HistoryKind::Installed,
            from: None,
            running: release.reference(),
            state: ReleaseState::Permanent,
            switch: Some(1),
            pause_us: None,
            trial: None,
            rollback: None,
            switched: None,
            undone: None,
            counts: self.counts()?,
        })
    }
}
