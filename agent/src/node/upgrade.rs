//! Going up to another release: plan, try, switch, check.
//!
//! Planning and switching happen here, in the node's thread; trying and checking happen on
//! copies wherever the host wants, so that the service goes on.

use std::sync::Arc;

use camshaft_manifests::Version;
use camshaft_store::Direction;

use super::{Asked, Node, NodeError};
use crate::api::{HistoryKind, Problem, Report};
use crate::engine::{Plan, PlanError, Trial, Way};
use crate::failpoint;
use crate::problem;
use crate::release::Release;

impl Node {
    /// Returns the plan of an upgrade from the running release to another.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn plan_upgrade(&self, to: &Arc<Release>) -> Result<Plan, Box<Problem>> {
        let Some(from) = &self.release else {
            return Err(problem::EMPTY.problem("no release is installed on this node"));
        };
        let running = &from.entry;
        if running.name != to.entry.name {
            let detail =
                format!("this node runs {}, the bundle is a release of {}", running.name, to.entry.name);
            return Err(problem::OTHER_BASE.problem(other_base(&detail)));
        }
        let relup = to.relups.iter().find(|(_, relup)| relup.from.digest == running.digest);
        let Some((digest, relup)) = relup else {
            return Err(problem::OTHER_BASE.problem(other_base(&reason_no_relup(from, to))));
        };
        if self.ledger.provisional {
            let detail =
                format!("{} {} is provisional: it can still be rolled back", running.name, running.version);
            return Err(problem::PROVISIONAL.problem(detail));
        }
        Plan::new(from, to, Way::Up, (digest, relup)).map_err(|error| of_plan_error(&error))
    }

    /// Makes the switch of an upgrade that was tried, if it passes on what changed since. Clients
    /// that speak versions among `dropped` may be left behind.
    ///
    /// # Errors
    ///
    /// When an instance does not pass, or clients would be left behind: then nothing is changed.
    pub fn upgrade(
        &mut self,
        asked: &Asked,
        trial: Trial,
        bundle: &[u8],
        dropped: &[Version],
    ) -> Result<Report, NodeError> {
        failpoint::pass("upgrade.tried");
        let to = trial.plan().to.entry.clone();
        if let Err(problem) = self.reason_stale(&trial) {
            return Err(self.refuse(asked, Some(&to), problem));
        }
        // Asked for once more: a client may have come while the upgrade was tried.
        let left = match self.leave_behind(&trial.plan().to, dropped, asked.now_ms) {
            Ok(left) => left,
            Err(NodeError::Refused(problem)) => return Err(self.refuse(asked, Some(&to), problem)),
            Err(error) => return Err(error),
        };
        failpoint::pass("upgrade.before-blob");
        self.crew.put_blob(bundle)?;
        let switched = self.switch(asked, trial, Direction::Up, left, |report| report.passed)?;
        failpoint::pass("upgrade.switched");
        Ok(Report {
            what: HistoryKind::Upgraded,
            trial: Some(switched.trial),
            switched: Some(switched.counts),
            pause_us: Some(switched.pause_us),
            from: Some(switched.from),
            ..self.report(HistoryKind::Upgraded)?
        })
    }
}

/// Returns the problem of a plan that cannot be.
pub(super) fn of_plan_error(error: &PlanError) -> Box<Problem> {
    match error {
        PlanError::OtherBase(_) => problem::OTHER_BASE.problem(error.to_string()),
        PlanError::Unfit(_) | PlanError::Instruction(_) => problem::BAD_RELUP.problem(error.to_string()),
    }
}

fn other_base(detail: &str) -> String {
    PlanError::OtherBase(detail.to_owned()).to_string()
}

fn reason_no_relup(from: &Release, to: &Release) -> String {
    let (running, next) = (&from.entry, &to.entry);
    if running.digest == next.digest {
        return format!("{} {} runs already", next.name, next.version);
    }
    let runs = format!("{} {} ({})", running.name, running.version, running.digest.short());
    let same = to.relups.iter().find(|(_, relup)| relup.from.version.to_string() == running.version);
    if let Some((_, relup)) = same {
        let other = relup.from.digest.short();
        return format!("it runs {runs}; the upgrade starts from another {} ({other})", running.version);
    }
    let starts: Vec<String> = to.relups.iter().map(|(_, relup)| relup.from.version.to_string()).collect();
    let starts = if starts.is_empty() { "no release".to_owned() } else { starts.join(", ") };
    format!("it runs {runs}; {} {} can be reached from {starts}", next.name, next.version)
}
