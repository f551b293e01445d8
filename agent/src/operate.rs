//! The commands of an operator, one at a time: read the bundle, ask the node, try on copies,
//! switch, check.
//!
//! All of it blocks, and most of it happens outside the node's thread, so that the service goes
//! on; only what must be settled at one moment is done there.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use camshaft_manifests::Version;

use crate::api::{Problem, Report, TryReport};
use crate::engine::Trial;
use crate::failpoint;
use crate::host::Host;
use crate::node::{Asked, Holding};
use crate::problem;
use crate::release::Release;
use crate::stage::{of_stage_error, stage};

/// Does the commands of operators, one at a time.
pub struct Operator {
    host: Host,
    clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    busy: Mutex<()>,
}

/// What a command came to.
pub type Outcome<T> = Result<T, Box<Problem>>;

impl Operator {
    /// Returns an operator of a node.
    pub fn new(host: Host, clock: Arc<dyn Fn() -> i64 + Send + Sync>) -> Operator {
        Operator { host, clock, busy: Mutex::new(()) }
    }

    fn asked(&self, who: &str) -> Asked {
        Asked { who: who.to_owned(), now_ms: (self.clock)() }
    }

    fn begin(&self) -> Outcome<MutexGuard<'_, ()>> {
        match self.busy.try_lock() {
            Ok(guard) => Ok(guard),
            // A command that panicked is over.
            Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                Err(problem::OPERATION_RUNS.problem("another command is at work on this node"))
            }
        }
    }

    /// Reads a bundle; what cannot be read is noted in the history when it was to be switched to.
    fn stage(&self, bytes: &[u8]) -> Outcome<Arc<Release>> {
        stage(bytes).map(Arc::new).map_err(|error| of_stage_error(&error))
    }

    fn staged(&self, who: &str, bytes: &[u8]) -> Outcome<Arc<Release>> {
        let staged = self.stage(bytes);
        if let Err(problem) = &staged {
            let (asked, problem) = (self.asked(who), problem.clone());
            self.host.call(move |node| Err::<(), _>(node.refused(&asked, None, problem)))?;
        }
        staged
    }

    /// Installs a release on the empty node.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn install(&self, who: &str, bytes: Vec<u8>) -> Outcome<Report> {
        let _busy = self.begin()?;
        let release = self.staged(who, &bytes)?;
        let asked = self.asked(who);
        self.host.call(move |node| node.install(&asked, release, &bytes))
    }

    /// Tries an upgrade on the live state and changes nothing. Clients that speak versions among
    /// `dropped` may be left behind.
    ///
    /// # Errors
    ///
    /// Why it cannot be tried; that it did not pass is no error but in the report.
    pub fn try_upgrade(&self, bytes: &[u8], dropped: Vec<Version>) -> Outcome<TryReport> {
        let _busy = self.begin()?;
        let release = self.stage(bytes)?;
        let now_ms = (self.clock)();
        let (plan, copies) = self.host.call(move |node| {
            let plan = node.plan_upgrade(&release)?;
            node.leave_behind(&release, &dropped, now_ms)?;
            let copies = node.carryable(&plan);
            Ok((plan, copies))
        })?;
        let trial = Trial::new(plan, copies);
        self.host.call(move |node| Ok(node.report_trial(&trial)))
    }

    /// Upgrades: reads and verifies everything, tries on copies, switches, checks, and undoes the
    /// switch if the check fails. Clients that speak versions among `dropped` may be left behind.
    ///
    /// # Errors
    ///
    /// Why not; the problem says whether something was changed.
    pub fn upgrade(&self, who: &str, bytes: Vec<u8>, dropped: Vec<Version>) -> Outcome<Report> {
        let _busy = self.begin()?;
        let release = self.staged(who, &bytes)?;
        failpoint::pass("upgrade.staged");
        let asked = self.asked(who);
        let leaving = dropped.clone();
        let (plan, copies) = self.host.call(move |node| {
            let plan = node.plan_upgrade(&release);
            let kept =
                plan.and_then(|plan| node.leave_behind(&release, &leaving, asked.now_ms).map(|_| plan));
            let plan = match kept {
                Ok(plan) => plan,
                Err(problem) => return Err(node.refused(&asked, Some(&release.entry), problem)),
            };
            let copies = node.carryable(&plan);
            Ok((plan, copies))
        })?;
        let makes_permanent = plan.makes_permanent;
        let trial = Trial::new(plan, copies);
        let asked = self.asked(who);
        let (report, checks) = self.host.call(move |node| {
            let report = node.upgrade(&asked, trial, &bytes, &dropped)?;
            Ok((report, node.checks()))
        })?;
        let checked = checks.run();
        let asked = self.asked(who);
        self.host.call(move |node| node.settle_check(&asked, checked).map(drop))?;
        if makes_permanent {
            let permanent = self.permanent(who)?;
            return Ok(Report { state: permanent.state, ..report });
        }
        Ok(report)
    }

    /// Goes back to the release before.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn rollback(&self, who: &str, holding: Holding) -> Outcome<Report> {
        let _busy = self.begin()?;
        let (plan, copies) = self.host.call(|node| {
            let plan = node.plan_rollback()?;
            let copies = node.carryable(&plan);
            Ok((plan, copies))
        })?;
        let trial = Trial::new(plan, copies);
        let asked = self.asked(who);
        self.host.call(move |node| node.rollback(&asked, trial, holding))
    }

    /// Makes the running release permanent.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn make_permanent(&self, who: &str) -> Outcome<Report> {
        let _busy = self.begin()?;
        self.permanent(who)
    }

    fn permanent(&self, who: &str) -> Outcome<Report> {
        let asked = self.asked(who);
        self.host.call(move |node| node.make_permanent(&asked))
    }
}
