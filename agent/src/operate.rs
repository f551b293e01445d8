//! The commands of an operator, one at a time: read the bundle, ask the node, try on copies,
//! switch, check.
//!
//! All of it blocks, and most of it happens outside the node's thread, so that the service goes
//! on; only what must be settled at one moment is done there.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

use camshaft_manifests::{InstanceAddress, Version};
use camshaft_registry::Place;
use camshaft_store::ReleaseEntry;

use crate::api::{
    Changed, FilesMissing, History, NodeStatus, Problem, Redrive, RedriveReport, RedriveWhat, Report,
    Supplied, TryReport,
};
use crate::engine::{Copies, Trial};
use crate::failpoint;
use crate::host::Host;
use crate::node::{Asked, Holding, Node, NodeError};
use crate::ports::{Bindings, Unbound};
use crate::problem;
use crate::release::Release;
use crate::stage::{Unopened, of_stage_error};
use crate::supply::{self, Offer, Supply};
use crate::trust::{Admission, Gate};

/// The longest rest of a trial after a batch.
const REST_MAX: Duration = Duration::from_millis(20);

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

/// What an operator allows an upgrade to do that it would be refused for.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// Clients that speak these versions may be left behind.
    pub dropped: Vec<Version>,
    /// How many instances may be held because they cannot go over.
    pub hold_failing: u64,
}

/// A bundle that may not be used, with its names as far as they are known.
type Refused = (Option<ReleaseEntry>, Box<Problem>);

/// Returns the problem of ports that nothing is bound to: a call would go nowhere.
fn of_unbound(unbound: &Unbound) -> Box<Problem> {
    let mut problem = problem::UNBOUND_PORT.problem(unbound.to_string());
    problem.notes = unbound.lines().lines().map(str::to_owned).collect();
    problem
}

/// Returns what is told of an upgrade that was made and did not become permanent.
fn only_upgraded(mut problem: Box<Problem>, report: &Report) -> Box<Problem> {
    let running = &report.running;
    problem.detail =
        format!("{} {} runs, and is not permanent: {}", running.name, running.version, problem.detail);
    problem.changed = Changed::Unsettled;
    problem.report = Some(report.clone());
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

    /// Tries an upgrade on the live state and changes nothing.
    ///
    /// # Errors
    ///
    /// Why it cannot be tried; that it did not pass is no error but in the report.
    pub fn try_upgrade(&self, offer: Offer, allowed: Allowed) -> Outcome<Supplied<TryReport>> {
        let Allowed { dropped, hold_failing } = allowed;
        let _busy = self.begin()?;
        let Supply { upload, fetched } = self.supply(offer)?;
        let (release, _) = self.stage(&upload).map_err(|(_, problem)| problem)?;
        let now_ms = (self.clock)();
        let trial = self.host.call(move |node| {
            let plan = node.plan_upgrade(&release)?;
            node.leave_behind(&release, &dropped, now_ms)?;
            node.begin_trial(plan)
        })?;
        let mut trial = self.tried(trial)?;
        trial.allow_holding(hold_failing);
        self.host.call(Node::end_trial)?;
        Ok(Supplied { report: trial.report(), fetched })
    }

    /// Upgrades: reads and verifies everything, tries on copies, switches, checks, and undoes the
    /// switch if the check fails.
    ///
    /// # Errors
    ///
    /// Why not; the problem says whether something was changed.
    pub fn upgrade(&self, who: &str, offer: Offer, allowed: Allowed) -> Outcome<Supplied<Report>> {
        let Allowed { dropped, hold_failing } = allowed;
        let _busy = self.begin()?;
        let Supply { upload, fetched } = self.supply(offer)?;
        let release = self.staged(who, &upload)?;
        failpoint::pass("upgrade.staged");
        let asked = self.asked(who);
        let leaving = dropped.clone();
        let trial = self.host.call(move |node| {
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
            node.begin_trial(plan)
        })?;
        let makes_permanent = trial.plan().makes_permanent;
        let mut trial = self.tried(trial)?;
        trial.allow_holding(hold_failing);
        let asked = self.asked(who);
        let report = self.host.call(move |node| node.upgrade(&asked, trial, &upload.bundle, &dropped))?;
        let asked = self.asked(who);
        self.host.call(move |node| node.settle_check(&asked, Ok(())).map(drop))?;
        if makes_permanent {
            let permanent = self.permanent(who).map_err(|problem| only_upgraded(problem, &report))?;
            let report = Report { state: permanent.state, ..report };
            return Ok(Supplied { report, fetched });
        }
        Ok(Supplied { report, fetched })
    }

    /// Tries what was not tried yet, in batches, and rests as long as it works: inputs come first. What
    /// changed since is tried again when the switch is made.
    fn tried(&self, mut trial: Trial) -> Outcome<Trial> {
        loop {
            let start = Instant::now();
            let copies = self.host.call(Node::copies)?;
            let done = copies.iter().all(Copies::is_empty);
            copies.into_iter().for_each(|copies| trial.add(copies));
            let (looked, all) = trial.progress();
            if done || looked >= all {
                return Ok(trial);
            }
            std::thread::sleep(start.elapsed().min(REST_MAX));
        }
    }

    /// Goes back to the release before.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn rollback(&self, who: &str, holding: Holding) -> Outcome<Report> {
        let _busy = self.begin()?;
        let trial = self.host.call(|node| {
            let plan = node.plan_rollback()?;
            node.begin_trial(plan)
        })?;
        let trial = self.tried(trial)?;
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
