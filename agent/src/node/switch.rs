//! The switch itself, for both ways: the last trial, one durable record, one pointer.

use std::sync::Arc;
use std::time::Instant;

use camshaft_store::{self as store, ClientSeen, Control, Direction, Stamp};

use super::owed::{Owed, is_full, undone_later};
use super::{Asked, Node, NodeError};
use camshaft_manifests::InstanceAddress;

use crate::api::{HistoryKind, Problem, ReleaseRef, Report, RollbackCounts, SwitchCounts, TryReport, Undone};
use crate::engine::{Epoch, Memos, Plan, Switched, Trial, Way};
use crate::failpoint;
use crate::problem;

/// Why a switch is undone.
#[derive(Debug)]
pub(super) struct Failed {
    /// The reason, for programs, where it is another than that the check failed.
    pub(super) code: Option<&'static str>,
    /// The instance that gave the reason, if it was one.
    pub(super) instance: Option<String>,
    /// The reason, for people.
    pub(super) reason: String,
}

impl Failed {
    fn record(&self, stamp: Stamp, switch: u64) -> Control {
        let (instance, reason) = (self.instance.clone(), self.reason.clone());
        match self.code {
            None => Control::CheckFailed { stamp, switch, instance, reason },
            Some(code) => Control::Returned { stamp, switch, code: code.to_owned(), instance, reason },
        }
    }
}

/// What a switch did.
pub(super) struct Done {
    pub(super) from: ReleaseRef,
    pub(super) trial: TryReport,
    pub(super) counts: SwitchCounts,
    /// The same as a rollback tells it.
    pub(super) rollback: RollbackCounts,
    pub(super) pause_us: u64,
}

impl Node {
    /// Returns why a trial can no longer be followed: another switch came in between.
    pub(super) fn reason_stale(&self, trial: &Trial) -> Result<(), Box<Problem>> {
        let plan = trial.plan();
        if self.release.as_ref().is_some_and(|running| running.entry == plan.from.entry) {
            return Ok(());
        }
        Err(problem::OPERATION_RUNS.problem("another release was switched to while this one was tried"))
    }

    /// Makes a switch, if what `passes` says of the trial holds for what changed since as well.
    /// `left` are the clients that are left behind.
    pub(super) fn switch(
        &mut self,
        asked: &Asked,
        mut trial: Trial,
        direction: Direction,
        left: Vec<ClientSeen>,
        passes: impl Fn(&TryReport) -> bool,
    ) -> Result<Done, NodeError> {
        self.advance(asked.now_ms)?;
        self.pay_first()?;
        self.reason_stale(&trial)?;
        self.drop_snapshot()?;
        self.crew.flush()?;
        let plan = trial.plan().clone();
        if let Err(error) = self.catch_up(&mut trial) {
            return Err(match error {
                NodeError::Refused(problem) => self.refuse(asked, Some(&plan.to.entry), problem),
                error => error,
            });
        }
        let report = trial.report();
        if !passes(&report) {
            self.end_trial()?;
            let problem = failed(direction, report);
            return Err(self.refuse(asked, Some(&plan.to.entry), problem));
        }
        let number = self.ledger.switch + 1;
        let (before, after) = match direction {
            Direction::Up => ("upgrade.before-switch", "upgrade.after-switch"),
            // An undo is not tried first and goes its own way, see below.
            Direction::Down | Direction::Undo => ("rollback.before-switch", "rollback.after-switch"),
        };
        failpoint::pass(before);
        let mut records = vec![];
        if !left.is_empty() {
            records.push(Control::ClientsDropped { switch: number, clients: left });
        }
        if trial.may_hold() > 0 && report.holds > 0 {
            records.push(Control::MayHold { switch: number, instances: trial.may_hold() });
        }
        if direction == Direction::Up {
            records.extend(self.begin_probation(&plan, number)?.map(Control::Probation));
        }
        let counts = self.counted(&trial)?;
        records.push(Control::Counted { switch: number, counts });
        records.push(self.record(asked, &plan, number, direction));
        if let Err(error) = self.append(&records) {
            self.end_trial()?;
            return Err(error);
        }
        failpoint::pass(after);
        let from = plan.from.clone();
        let reference = from.reference();
        let start = Instant::now();
        let switched = self.enter(self.epoch_of(plan, number, trial.take_memos()))?;
        let pause_us = crate::engine::micros(start);
        self.previous = (direction == Direction::Up).then_some(from);
        self.crew.flush()?;
        self.last_pause_us = Some(pause_us);
        self.begin_life()?;
        let rollback =
            RollbackCounts { archived: switched.archived, restored: switched.restored, ..trial.counts() };
        Ok(Done { from: reference, trial: report, counts: counts.into(), rollback, pause_us })
    }

    fn epoch_of(&self, plan: Arc<Plan>, number: u64, memos: Memos) -> Epoch {
        let homes = self.epoch.as_ref().map(|epoch| epoch.homes.clone()).unwrap_or_default();
        Epoch { memos, ..Epoch::of(plan, number, &homes) }
    }

    /// Lets every shard go over a switch, whose record is durable.
    pub(super) fn enter(&mut self, epoch: Epoch) -> Result<Switched, NodeError> {
        let epoch = Arc::new(epoch);
        self.troubled = 0;
        self.owed = None;
        self.health.go_over(self.release.as_deref(), &epoch.release);
        self.release = Some(epoch.release.clone());
        self.epoch = Some(epoch.clone());
        self.crew.announce(&epoch);
        let mut all = Switched::default();
        for switched in self.crew.each(move |shard| shard.enter_once(&epoch))? {
            all.add(switched);
        }
        // A round for what was sent before the switch and is on its way.
        self.crew.each(|_| ())?;
        Ok(all)
    }

    /// Returns what a switch does to the instances, as it was tried.
    fn counted(&mut self, trial: &Trial) -> Result<store::SwitchCounts, NodeError> {
        let plan = trial.plan().clone();
        let restored = self.crew.each(move |shard| shard.count_restored(&plan))?.into_iter().sum();
        let RollbackCounts { untouched, before_image, down, rewound, held, moved, parked, .. } =
            trial.counts();
        Ok(store::SwitchCounts {
            untouched,
            before_image,
            migrated: down,
            rewound,
            held,
            archived: trial.archives(),
            restored,
            moved,
            parked,
        })
    }

    /// Goes over a switch in memory alone, to see what it makes of the instances: for a node that nobody serves. Nothing is
    /// tried before, and nothing is recorded.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn go_over(&mut self, plan: Plan) -> Result<(), NodeError> {
        let number = self.ledger.switch + 1;
        self.enter(self.epoch_of(Arc::new(plan), number, Memos::default())).map(drop)
    }

    fn record(&self, asked: &Asked, plan: &Plan, number: u64, direction: Direction) -> Control {
        Control::Switch {
            stamp: self.stamp(asked),
            number,
            from: plan.from.entry.clone(),
            to: plan.to.entry.clone(),
            direction,
            relup: plan.relup,
        }
    }

    /// Ends an upgrade by what its checks found, here and elsewhere: it stays, or it is undone. The invariants
    /// of every state were checked when it was tried, and are checked when it goes over.
    ///
    /// # Errors
    ///
    /// When the checks failed: the upgrade is undone then.
    pub fn settle_check(
        &mut self,
        asked: &Asked,
        checked: Result<(), (InstanceAddress, String)>,
    ) -> Result<Option<Report>, NodeError> {
        let Some(switch) = self.ledger.unchecked else { return Ok(None) };
        self.advance(asked.now_ms)?;
        let applied: Result<(), _> = self.crew.each(|shard| shard.check_applied())?.into_iter().collect();
        let checked = match applied.and(checked) {
            Ok(()) if failpoint::fault("check") => {
                Err((None, "the environment asks for this failure".to_owned()))
            }
            Ok(()) => Ok(()),
            Err((instance, reason)) => Err((Some(instance.to_string()), reason)),
        };
        match checked {
            Ok(()) => {
                failpoint::pass("check.before-record");
                match self.append(&[Control::CheckPassed { switch }]) {
                    // The switch is durable, and so is what it says of its check: nothing yet.
                    Err(error) if is_full(&error) => self.owed = Some(Owed::Check),
                    appended => appended?,
                }
                failpoint::pass("check.after-record");
                Ok(None)
            }
            Err((instance, reason)) => self.undo(asked, switch, Failed { code: None, instance, reason }),
        }
    }

    /// Goes back, because a check failed, or what came later. Nobody can be asked whether instances may be held, so
    /// those that cannot go back are.
    pub(super) fn undo(
        &mut self,
        asked: &Asked,
        switch: u64,
        why: Failed,
    ) -> Result<Option<Report>, NodeError> {
        let plan = self.plan_rollback()?;
        self.drop_snapshot()?;
        self.crew.flush()?;
        let mut trial = self.try_all(plan)?;
        let plan = trial.plan().clone();
        let number = switch + 1;
        let failed = why.record(self.stamp(asked), switch);
        let counts = self.counted(&trial)?;
        let counted = Control::Counted { switch: number, counts };
        failpoint::pass("undo.before-record");
        match self.append(&[failed, counted, self.record(asked, &plan, number, Direction::Undo)]) {
            Err(error) if is_full(&error) => {
                self.end_trial()?;
                let problem = undone_later(&why.reason);
                self.owed = Some(Owed::Undo(why));
                return Err(problem.into());
            }
            appended => appended?,
        }
        let Failed { instance, reason, .. } = why;
        failpoint::pass("undo.after-record");
        let from = plan.from.clone();
        let switched = self.enter(self.epoch_of(plan, number, trial.take_memos()))?;
        self.crew.flush()?;
        self.previous = None;
        self.end_life()?;
        failpoint::pass("undo.switched");
        let subject = instance.as_ref().map_or_else(String::new, |instance| format!("{instance}: "));
        let detail = format!("{} is undone: {subject}{reason}", from.entry.version);
        let mut problem = problem::UNDONE.problem(detail);
        problem.changed = crate::api::Changed::Undone;
        problem.report = Some(Report {
            from: Some(from.reference()),
            rollback: Some(RollbackCounts {
                archived: switched.archived,
                restored: switched.restored,
                ..trial.counts()
            }),
            switched: Some(counts.into()),
            undone: Some(Undone { instance, reason, switch: number }),
            ..self.report(HistoryKind::Undone)?
        });
        Err(problem.into())
    }

    /// Returns a report on how the node is now.
    pub(super) fn report(&mut self, what: HistoryKind) -> Result<Report, NodeError> {
        let counts = self.counts()?;
        let running = self.release.as_ref().expect("there is a release after something was done");
        Ok(Report {
            what,
            from: None,
            running: running.reference(),
            state: self.ledger.state().expect("there is a release after something was done"),
            switch: Some(self.ledger.switch),
            pause_us: None,
            trial: None,
            rollback: None,
            switched: None,
            undone: None,
            counts,
        })
    }
}

impl From<store::SwitchCounts> for SwitchCounts {
    fn from(counts: store::SwitchCounts) -> SwitchCounts {
        let store::SwitchCounts {
            untouched,
            before_image,
            migrated,
            rewound,
            held,
            archived,
            restored,
            moved,
            parked,
        } = counts;
        SwitchCounts { untouched, before_image, migrated, rewound, held, archived, restored, moved, parked }
    }
}

fn failed(direction: Direction, report: TryReport) -> Box<Problem> {
    let mut problem = match direction {
        Direction::Up => problem::TRIAL_FAILED.problem(first_failure(&report)),
        Direction::Down | Direction::Undo => problem::WOULD_HOLD.problem(first_failure(&report)),
    };
    problem.trial = Some(report);
    problem
}

/// Returns the first failure in a line, and how many there are.
fn first_failure(report: &TryReport) -> String {
    let Some(failure) = report.failures.first() else { return "it does not pass".to_owned() };
    let more = match report.failure_count {
        0 | 1 => String::new(),
        count => format!(" (and {} more)", count - 1),
    };
    format!("{}: {}: {}{more}", failure.instance, failure.step, failure.reason)
}

impl Node {
    /// Returns the plan of going back to the release before.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn plan_rollback(&mut self) -> Result<Plan, Box<Problem>> {
        let Some(from) = self.release.clone() else {
            return Err(problem::EMPTY.problem("no release is installed on this node"));
        };
        let Some(previous) = self.ledger.previous().cloned() else {
            let detail = format!(
                "{} {} is the first release that this node keeps",
                from.entry.name, from.entry.version
            );
            return Err(problem::NOTHING_TO_ROLL_BACK.problem(detail));
        };
        let to = self.load_release(&previous).map_err(|error| problem::FAULT.problem(error.to_string()))?;
        self.previous = Some(to.clone());
        let relup = from.relups.iter().find(|(_, relup)| relup.from.digest == previous.digest);
        let Some((digest, relup)) = relup else {
            let detail = format!("{} has no way back to {}", from.entry.version, previous.version);
            return Err(problem::BAD_RELUP.problem(detail));
        };
        Plan::new(&from, &to, Way::Down, (digest, relup))
            .map_err(|error| super::upgrade::of_plan_error(&error))
    }
}
