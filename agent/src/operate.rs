//! The commands of an operator, one at a time: read the bundle, ask the node, try on copies,
//! switch, check.
//!
//! All of it blocks, and most of it happens outside the node's thread, so that the service goes
//! on; only what must be settled at one moment is done there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use camshaft_cam::words::{comes, counted};
use camshaft_manifests::agent::By;
use camshaft_manifests::duration::Millis;
use camshaft_manifests::{InstanceAddress, Version};
use camshaft_registry::Place;
use camshaft_store::{About, BACKUP_FORMAT, Formats, Prepared, ReleaseEntry};

use crate::api::{
    Audit, Changed, FilesMissing, History, NodeStatus, Problem, Redrive, RedriveReport, RedriveWhat, Report,
    ShadowReport, Supplied, TrialProgress, TryReport,
};
use crate::engine::{Copies, Trial, shadow, shadow_preserved};
use crate::failpoint;
use crate::host::Host;
use crate::node::{Asked, Holding, Node, NodeError, Policy, WayBack};
use crate::ports::{Bindings, Unbound};
use crate::problem;
use crate::progress::Trials;
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
    probation: Policy,
    max_pause: Option<Millis>,
    busy: Arc<AtomicBool>,
    trials: Trials,
    /// True while a backup is made, which other commands do not wait for.
    backing: Arc<AtomicBool>,
}

/// Says that a command is at work, for as long as it lives.
#[derive(Debug)]
pub struct Busy(Arc<AtomicBool>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// A backup that is being made; while it lives, no other one is.
#[derive(Debug)]
pub struct Making {
    /// The files.
    pub prepared: Prepared,
    /// What it is of.
    pub about: About,
    _busy: Busy,
}

/// A bundle as it came.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Its bytes.
    pub bundle: Vec<u8>,
    /// Its signature file, if one came with it.
    pub signatures: Option<Vec<u8>>,
}

/// What an operator allows an upgrade to do that it would be refused for, and how it ends.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// Clients that speak these versions may be left behind.
    pub dropped: Vec<Version>,
    /// How many instances may be held because they cannot go over.
    pub hold_failing: u64,
    /// How many of the last inputs of each instance are given to both releases.
    pub shadow: Option<usize>,
    /// They may come out otherwise.
    pub allow_differences: bool,
    /// How long the probation lasts, where it is not as the node has it.
    pub probation: Option<Millis>,
    /// The release becomes permanent when its probation is over.
    pub auto_permanent: bool,
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
        let (probation, busy, trials) = (Policy::default(), Arc::default(), Trials::default());
        let backing = Arc::default();
        Operator { host, gate, clock, registry, ports, probation, max_pause: None, busy, trials, backing }
    }

    /// The same, with what releases have to pass after an upgrade.
    pub fn with_probation(self, probation: Policy) -> Operator {
        Operator { probation, ..self }
    }

    /// The same, with how long inputs may wait for an upgrade.
    pub fn with_max_pause(self, max_pause: Option<Millis>) -> Operator {
        Operator { max_pause, ..self }
    }

    /// Sets what a trial of an upgrade allows and refuses.
    fn judge_by(&self, trial: &mut Trial, hold_failing: u64) {
        trial.allow_holding(hold_failing);
        trial.limit_pause(self.max_pause.map(|Millis(ms)| ms.saturating_mul(1_000)));
    }

    /// Returns what the release of an upgrade has to pass.
    fn probation(&self, allowed: &Allowed) -> Policy {
        let mut policy = self.probation;
        policy.time = allowed.probation.unwrap_or(policy.time);
        if allowed.auto_permanent {
            policy.permanent = By::Itself;
        }
        policy
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
        Ok(NodeStatus { trust: Some(self.gate.status()), trial: self.trials.status(), ..status })
    }

    /// Returns every command and switch of the node, in a chain of hashes.
    ///
    /// # Errors
    ///
    /// When the node has ended.
    pub fn audit(&self) -> Outcome<Audit> {
        self.host.call(|node| Ok(node.audit()))
    }

    /// Returns all that a backup of the node is made of. One is made at a time.
    ///
    /// # Errors
    ///
    /// When another one is being made, when there is nothing to back up, and when the data folder cannot be read.
    pub fn backup(&self) -> Outcome<Making> {
        if self.backing.swap(true, Ordering::AcqRel) {
            return Err(problem::OPERATION_RUNS.problem("another backup of this node is being made"));
        }
        let busy = Busy(self.backing.clone());
        let (cut, release) = self.host.call(crate::node::Node::cut)?;
        let at_ms = (self.clock)();
        let prepared = cut.prepare().map_err(|error| problem::of_backup(&error))?;
        let about = About {
            format: BACKUP_FORMAT,
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            at_ms,
            formats: Formats::OURS,
            position: prepared.position(),
            snapshot: prepared.snapshot(),
            release,
        };
        Ok(Making { prepared, about, _busy: busy })
    }

    /// Returns how far the trial is that goes on.
    pub fn trial(&self) -> TrialProgress {
        TrialProgress { trial: self.trials.status() }
    }

    /// Lets the trial that goes on end before its time. The command that waits for it is refused, and nothing was
    /// changed; when the trial was just over, the command goes on, and tells what came of it.
    ///
    /// # Errors
    ///
    /// When none goes on.
    pub fn cancel(&self) -> Outcome<TrialProgress> {
        Ok(TrialProgress { trial: Some(self.trials.cancel()?) })
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

    /// Begins a command: while what is returned lives, others are refused.
    ///
    /// # Errors
    ///
    /// When another one is at work.
    pub fn begin(&self) -> Outcome<Busy> {
        match self.busy.swap(true, Ordering::AcqRel) {
            false => Ok(Busy(self.busy.clone())),
            true => Err(problem::OPERATION_RUNS.problem("another command is at work on this node")),
        }
    }

    /// Writes into the history that a take-over was refused, or did not succeed.
    pub fn note_refused(&self, who: &str, refused: Box<Problem>) {
        let (asked, code) = (self.asked(who), refused.code.clone());
        let noted: Outcome<()> = self.host.call(move |node| Err(node.refused(&asked, None, refused)));
        // It always comes back; another problem says that it could not be noted.
        if let Err(problem) = noted
            && problem.code != code
        {
            tracing::warn!(code, "a refused take-over is not in the history: {}", problem.detail);
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
        let Allowed { dropped, hold_failing, shadow, .. } = allowed;
        let _busy = self.begin()?;
        let Supply { upload, fetched } = self.supply(offer)?;
        let (release, _) = self.stage(&upload).map_err(|(_, problem)| problem)?;
        let now_ms = (self.clock)();
        let mut trial = self.host.call(move |node| {
            let plan = node.plan_upgrade(&release)?;
            node.leave_behind(&release, &dropped, now_ms)?;
            node.begin_trial(plan)
        })?;
        self.judge_by(&mut trial, hold_failing);
        let mut trial = self.tried(trial)?;
        self.host.call(Node::end_trial)?;
        self.hold_to_promises(&mut trial)?;
        if let Some(most) = shadow {
            self.shadow(&mut trial, most)?;
        }
        Ok(Supplied { report: trial.report(), fetched })
    }

    /// Upgrades: reads and verifies everything, tries on copies, switches, checks, and undoes the
    /// switch if the check fails.
    ///
    /// # Errors
    ///
    /// Why not; the problem says whether something was changed.
    pub fn upgrade(&self, who: &str, offer: Offer, allowed: Allowed) -> Outcome<Supplied<Report>> {
        let policy = self.probation(&allowed);
        let Allowed { dropped, hold_failing, shadow, allow_differences, .. } = allowed;
        let _busy = self.begin()?;
        let Supply { upload, fetched } = self.supply(offer)?;
        let release = self.staged(who, &upload)?;
        failpoint::pass("upgrade.staged");
        let asked = self.asked(who);
        let leaving = dropped.clone();
        let mut trial = self.host.call(move |node| {
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
        self.judge_by(&mut trial, hold_failing);
        let mut trial = self.tried(trial)?;
        self.hold_to_promises(&mut trial)?;
        if let Some(most) = shadow
            && let Err(problem) = self.gate_by_shadow(&mut trial, most, allow_differences)
        {
            let (asked, entry) = (self.asked(who), trial.plan().to.entry.clone());
            return self.host.call(move |node| {
                node.end_trial()?;
                Err(node.refused(&asked, Some(&entry), problem))
            });
        }
        let asked = self.asked(who);
        let report = self.host.call(move |node| {
            node.set_probation(Some(policy));
            node.upgrade(&asked, trial, &upload.bundle, &dropped)
        })?;
        let asked = self.asked(who);
        self.host.call(move |node| node.settle_check(&asked, Ok(())).map(drop))?;
        if makes_permanent {
            let permanent = self.permanent(who).map_err(|problem| only_upgraded(problem, &report))?;
            let report = Report { state: permanent.state, ..report };
            return Ok(Supplied { report, fetched });
        }
        Ok(Supplied { report, fetched })
    }

    /// Gives the last inputs of instances to both releases, outside of the node's threads.
    fn shadow(&self, trial: &mut Trial, most: usize) -> Outcome<ShadowReport> {
        let Some(tapes) = self.host.call(Node::recorded)? else {
            return Err(problem::NOT_RECORDED.problem("this agent records no inputs"));
        };
        let report = shadow(trial.plan(), &tapes, most);
        trial.set_shadow(report.clone());
        Ok(report)
    }

    /// Holds the machines that promise to do what they did to that, by what is recorded of them.
    fn hold_to_promises(&self, trial: &mut Trial) -> Outcome<()> {
        if trial.plan().preserved().next().is_some() {
            let tapes = self.host.call(Node::recorded)?.unwrap_or_default();
            let report = shadow_preserved(trial.plan(), &tapes);
            trial.hold_to_promises(&report);
        }
        Ok(())
    }

    /// The same for an upgrade, which is refused when they come out otherwise. One that saw nothing passes nothing.
    fn gate_by_shadow(&self, trial: &mut Trial, most: usize, allowed: bool) -> Outcome<()> {
        let report = self.shadow(trial, most)?;
        if report.inputs == 0 {
            return Err(problem::NOT_RECORDED.problem("nothing was recorded of machines that go on"));
        }
        if report.differ() == 0 || allowed {
            return Ok(());
        }
        let detail = {
            let (differ, all) = (report.differ(), counted(report.inputs, "recorded input"));
            format!("{differ} of {all} {} out otherwise", comes(differ))
        };
        let mut problem = problem::SHADOW_DIFFERS.problem(detail);
        problem.trial = Some(trial.report());
        Err(problem)
    }

    /// Tries what was not tried yet, in batches, and rests as long as it works: inputs come first. What
    /// changed since is tried again when the switch is made.
    fn tried(&self, mut trial: Trial) -> Outcome<Trial> {
        let going = self.trials.begin(&trial);
        loop {
            if let Some(cancelled) = going.cancelled() {
                self.host.call(Node::end_trial)?;
                return Err(cancelled);
            }
            let start = Instant::now();
            let copies = self.host.call(Node::copies)?;
            let done = copies.iter().all(Copies::is_empty);
            copies.into_iter().for_each(|copies| trial.add(copies));
            going.note(&trial);
            let (looked, all) = trial.progress();
            if (done || looked >= all) && !failpoint::fault("endless-trial") {
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

    /// Removes a release that nothing needs any more; it is named by its version, or by its digest.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn remove(&self, who: &str, release: &str, way_back: WayBack) -> Outcome<Report> {
        let _busy = self.begin()?;
        let (asked, release) = (self.asked(who), release.to_owned());
        self.host.call(move |node| node.remove(&asked, &release, way_back))
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
