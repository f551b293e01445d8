//! The commands of an operator, one at a time: read the bundle, ask the node, try on copies,
//! switch, check.
//!
//! All of it blocks, and most of it happens outside the node's thread, so that the service goes
//! on; only what must be settled at one moment is done there.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use camshaft_manifests::{InstanceAddress, Version};
use camshaft_registry::Place;
use camshaft_store::ReleaseEntry;

use crate::api::{
    FilesMissing, History, NodeStatus, Problem, Redrive, RedriveReport, RedriveWhat, Report, Supplied,
    TryReport,
};
use crate::engine::Trial;
use crate::failpoint;
use crate::host::Host;
use crate::node::{Asked, Holding, NodeError};
use crate::ports::{Bindings, Unbound};
use crate::problem;
use crate::release::Release;
use crate::stage::{Unopened, of_stage_error};
use crate::supply::{self, Offer, Supply};
use crate::trust::{Admission, Gate};

/// Does the commands of operators, one at a time.
pub struct Operator {
    host: Host,
    gate: Gate,
    clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    registry: Option<Place>,
    ports: Bindings,
    busy: Mutex<()>,
}

/// A bundle as it came.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Its bytes.
    pub bundle: Vec<u8>,
    /// Its signature file, if one came with it.
    pub signatures: Option<Vec<u8>>,
}

/// A bundle that may not be used, with its names as far as they are known.
type Refused = (Option<ReleaseEntry>, Box<Problem>);

/// Returns the problem of ports that nothing is bound to: a call would go nowhere.
fn of_unbound(unbound: &Unbound) -> Box<Problem> {
    let mut problem = problem::UNBOUND_PORT.problem(unbound.to_string());
    problem.notes = unbound.lines().lines().map(str::to_owned).collect();
    problem
}

/// What a command came to.
pub type Outcome<T> = Result<T, Box<Problem>>;

impl Operator {
    /// Returns an operator of a node, which fetches bundles that are named from `registry`, and has
    /// these ports bound.
    pub fn new(
        host: Host,
        gate: Gate,
        clock: Arc<dyn Fn() -> i64 + Send + Sync>,
        registry: Option<Place>,
        ports: Bindings,
    ) -> Operator {
        Operator { host, gate, clock, registry, ports, busy: Mutex::new(()) }
    }

    /// Returns what the node lacks of a bundle, given by its manifest. Nothing changes.
    ///
    /// # Errors
    ///
    /// When the manifest is refused.
    pub fn missing(&self, manifest: &[u8]) -> Outcome<FilesMissing> {
        supply::missing(&self.host, manifest)
    }

    fn supply(&self, offer: Offer) -> Outcome<supply::Supply> {
        supply::supply(&self.host, self.registry.as_ref(), offer)
    }

    /// Returns how the node is.
    ///
    /// # Errors
    ///
    /// When the node has ended.
    pub fn status(&self) -> Outcome<NodeStatus> {
        let status = self.host.call(crate::node::Node::status)?;
        Ok(NodeStatus { trust: Some(self.gate.status()), ..status })
    }

    /// Returns what was done to the node, and who vouched for what it was about.
    ///
    /// # Errors
    ///
    /// When the node has ended.
    pub fn history(&self) -> Outcome<History> {
        let mut history = self.host.call(|node| Ok(node.history()))?;
        for entry in &mut history.entries {
            entry.vouched = entry.to.as_ref().map(|to| self.gate.vouchers(to.digest)).unwrap_or_default();
        }
        Ok(history)
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

    /// Reads a bundle, asks whether it is trusted, and only then opens it.
    fn stage(&self, upload: &Upload) -> Result<(Arc<Release>, Admission), Refused> {
        let unopened = Unopened::read(&upload.bundle).map_err(|error| (None, of_stage_error(&error)))?;
        let refused = |problem| (Some(unopened.entry()), problem);
        let statement = unopened.statement();
        // The node is asked where the answer counts only: it may be busy.
        let ran = self.gate.judges()
            && self.host.call(move |node| Ok(node.ran(statement.digest))).map_err(refused)?;
        let signatures = upload.signatures.as_deref();
        let admission =
            self.gate.admit(&unopened.statement(), ran, signatures, (self.clock)()).map_err(refused)?;
        if let Some(patch) = unopened.statement_of_patch() {
            // Its edges are code. Nothing signs patches yet, so a node that trusts signers takes none.
            self.gate.admit(&patch, false, None, (self.clock)()).map_err(refused)?;
        }
        let release = unopened.open().map_err(|error| refused(of_stage_error(&error)))?;
        if let Err(unbound) = self.ports.check(release.ports()) {
            return Err(refused(of_unbound(&unbound)));
        }
        Ok((Arc::new(release), admission))
    }

    /// Does the same for a bundle that is to be switched to: what cannot be used is noted in the
    /// history, and who vouched for what can.
    fn staged(&self, who: &str, upload: &Upload) -> Outcome<Arc<Release>> {
        match self.stage(upload) {
            Ok((release, admission)) => {
                self.gate.note(admission, (self.clock)())?;
                Ok(release)
            }
            Err((entry, problem)) => {
                let asked = self.asked(who);
                self.host.call(move |node| Err(node.refused(&asked, entry.as_ref(), problem)))
            }
        }
    }

    /// Installs a release on the empty node.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn install(&self, who: &str, offer: Offer) -> Outcome<Supplied<Report>> {
        let _busy = self.begin()?;
        let Supply { upload, fetched } = self.supply(offer)?;
        let release = self.staged(who, &upload)?;
        let asked = self.asked(who);
        let report = self.host.call(move |node| node.install(&asked, release, &upload.bundle))?;
        Ok(Supplied { report, fetched })
    }

    /// Tries an upgrade on the live state and changes nothing. Clients that speak versions among
    /// `dropped` may be left behind.
    ///
    /// # Errors
    ///
    /// Why it cannot be tried; that it did not pass is no error but in the report.
    pub fn try_upgrade(&self, offer: Offer, dropped: Vec<Version>) -> Outcome<Supplied<TryReport>> {
        let _busy = self.begin()?;
        let Supply { upload, fetched } = self.supply(offer)?;
        let (release, _) = self.stage(&upload).map_err(|(_, problem)| problem)?;
        let now_ms = (self.clock)();
        let (plan, copies) = self.host.call(move |node| {
            let plan = node.plan_upgrade(&release)?;
            node.leave_behind(&release, &dropped, now_ms)?;
            let copies = node.carryable(&plan)?;
            Ok((plan, copies))
        })?;
        let trial = Trial::new(plan, copies);
        let report = self.host.call(move |node| node.report_trial(&trial))?;
        Ok(Supplied { report, fetched })
    }

    /// Upgrades: reads and verifies everything, tries on copies, switches, checks, and undoes the
    /// switch if the check fails. Clients that speak versions among `dropped` may be left behind.
    ///
    /// # Errors
    ///
    /// Why not; the problem says whether something was changed.
    pub fn upgrade(&self, who: &str, offer: Offer, dropped: Vec<Version>) -> Outcome<Supplied<Report>> {
        let _busy = self.begin()?;
        let Supply { upload, fetched } = self.supply(offer)?;
        let release = self.staged(who, &upload)?;
        failpoint::pass("upgrade.staged");
        let asked = self.asked(who);
        let leaving = dropped.clone();
        let (plan, copies) = self.host.call(move |node| {
            let plan = node.plan_upgrade(&release).map_err(NodeError::from);
            let kept =
                plan.and_then(|plan| node.leave_behind(&release, &leaving, asked.now_ms).map(|_| plan));
            let plan = match kept {
                Ok(plan) => plan,
                Err(NodeError::Refused(problem)) => {
                    return Err(node.refused(&asked, Some(&release.entry), problem));
                }
                Err(error) => return Err(error),
            };
            let copies = node.carryable(&plan)?;
            Ok((plan, copies))
        })?;
        let makes_permanent = plan.makes_permanent;
        let trial = Trial::new(plan, copies);
        let asked = self.asked(who);
        let (report, checks) = self.host.call(move |node| {
            let report = node.upgrade(&asked, trial, &upload.bundle, &dropped)?;
            Ok((report, node.checks()?))
        })?;
        let checked = checks.run();
        let asked = self.asked(who);
        self.host.call(move |node| node.settle_check(&asked, checked).map(drop))?;
        if makes_permanent {
            let permanent = self.permanent(who)?;
            let report = Report { state: permanent.state, ..report };
            return Ok(Supplied { report, fetched });
        }
        Ok(Supplied { report, fetched })
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
            let copies = node.carryable(&plan)?;
            Ok((plan, copies))
        })?;
        let trial = Trial::new(plan, copies);
        let asked = self.asked(who);
        self.host.call(move |node| node.rollback(&asked, trial, holding))
    }

    /// Lets something of an instance go on: what is parked, or the instance itself.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn redrive(&self, who: &str, asked: &Redrive) -> Outcome<RedriveReport> {
        let _busy = self.begin()?;
        let address: InstanceAddress = asked.instance.parse().map_err(|error| {
            let reason = format!("`{}` is no address of an instance: {error}", asked.instance);
            problem::BAD_REQUEST.problem(reason)
        })?;
        let what = match asked.what {
            RedriveWhat::Parked => camshaft_store::Redrive::Parked,
            RedriveWhat::Dropped => camshaft_store::Redrive::Dropped,
            RedriveWhat::Released => camshaft_store::Redrive::Released,
            RedriveWhat::Reset => camshaft_store::Redrive::Reset,
        };
        let (instance, who) = (address.to_string(), self.asked(who));
        let redriven = self.host.call(move |node| node.redrive(&who, &address, what))?;
        Ok(RedriveReport { instance, what: asked.what, driven: redriven.driven, left: redriven.left })
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
