//! The probation of a release: what is counted before and since its switch, and what the node does by itself.
//! The rules are in [`crate::engine::supervise::probation`].

use std::collections::BTreeMap;
use std::time::Instant;

use camshaft_manifests::MachineAddress;
use camshaft_store::{CaseRate, Control, Probation};

use super::attempts::{Attempts, Life};
use super::owed::unless_undone;
use super::switch::Failed;
use super::{AGENT, Asked, Node, NodeError};
use crate::api::{CaseChange, ProbationStatus, RateStatus};
use crate::engine::supervise::probation::{Case, Rate, Seen, Step, Why, judge};
use crate::engine::supervise::{CaseCounts, Counters};
use crate::engine::{Plan, Sample, Shard};
use crate::problem;
use crate::release::MachineCode;

/// What a release has to pass after an upgrade, as `agent.toml` says it.
pub type Policy = camshaft_manifests::agent::Probation;

/// How many states of a shard are looked at each time: few enough to be nothing beside what a shard does anyway.
const SAMPLE: usize = 16;

/// How many times as long as the check of a large state took none is checked: so it takes a fiftieth of a core.
const LARGE_REST: i64 = 50;

/// After which time what was refused is asked for again, in milliseconds.
const AGAIN_AFTER_MS: i64 = 10_000;

impl Node {
    /// Says what releases that are switched to from now on have to pass; with none, nothing is looked at.
    pub fn set_probation(&mut self, policy: Option<Policy>) {
        self.policy = policy;
    }

    /// Returns what the release of a plan will have to pass.
    pub(super) fn begin_probation(
        &mut self,
        plan: &Plan,
        switch: u64,
    ) -> Result<Option<Probation>, NodeError> {
        let Some(policy) = self.policy.filter(|_| !plan.makes_permanent) else { return Ok(None) };
        let counters = self.counters()?;
        let mut before = vec![];
        for code in plan.from.machines() {
            let (Some(counters), Some(machine)) = (counters.get(&code.address), plan.address_of(code)) else {
                continue;
            };
            before.extend(cases(code, counters).filter(|(_, rate)| rate.taken > 0).map(|(case, rate)| {
                let Rate { taken, trapped } = rate;
                CaseRate { machine: machine.to_string(), case: case.to_owned(), taken, trapped }
            }));
        }
        use camshaft_manifests::agent::By;
        Ok(Some(Probation {
            switch,
            until_ms: self.now_ms.saturating_add_unsigned(policy.time.0),
            auto_permanent: policy.permanent == By::Itself,
            auto_return: policy.goes_back == By::Itself,
            traps: u64::from(policy.traps),
            rise: policy.rise,
            ends: policy.ends,
            before,
        }))
    }

    /// Returns what the release that runs has to pass, while it is provisional.
    fn on_probation(&self) -> Option<&Probation> {
        self.ledger.probation.as_ref().filter(|_| self.ledger.provisional)
    }

    /// Returns true when the node may go back by itself, be it from a release that has nothing to pass.
    pub(super) fn may_return(&self) -> bool {
        self.on_probation().is_none_or(|policy| policy.auto_return)
    }

    /// Looks how a release on probation does, and does what follows.
    pub(super) fn look_at_probation(&mut self, now_ms: i64) -> Result<(), NodeError> {
        if self.on_probation().is_none() || self.ledger.unchecked.is_some() {
            return Ok(());
        }
        self.now_ms = self.now_ms.max(now_ms);
        if self.put_off_ms.is_some_and(|at_ms| self.now_ms - at_ms < AGAIN_AFTER_MS) {
            return Ok(());
        }
        let Some((_, step)) = self.judged()? else { return Ok(()) };
        let asked = Asked { who: AGENT.to_owned(), now_ms: self.now_ms };
        match step {
            Step::GoOn | Step::Over | Step::Wait(_) => Ok(()),
            Step::Return(why) => {
                let instance = why.instance().map(str::to_owned);
                let failed = Failed { code: Some(code(&why)), instance, reason: why.to_string() };
                let undone = self.undo(&asked, self.ledger.switch, failed);
                match unless_undone(undone.map(drop)) {
                    // The bundle of the release before cannot be read, say. A node that goes on is better than none.
                    Err(NodeError::Refused(problem)) => {
                        self.put_off_ms = Some(self.now_ms);
                        tracing::error!(
                            "the release does not pass ({why}), and is not left: {}",
                            problem.detail
                        );
                        Ok(())
                    }
                    result => result,
                }
            }
            Step::MakePermanent => match self.make_permanent(&asked) {
                Err(NodeError::Refused(problem)) => {
                    self.put_off_ms = Some(self.now_ms);
                    tracing::warn!("the release is not made permanent yet: {}", problem.detail);
                    Ok(())
                }
                result => result.map(drop),
            },
        }
    }

    /// Returns what was seen since the switch, and what follows from it.
    fn judged(&mut self) -> Result<Option<(Seen, Step)>, NodeError> {
        let Some(policy) = self.on_probation().cloned() else { return Ok(None) };
        if self.flawed.is_none() {
            let large = self.now_ms >= self.sample_large_ms;
            let samples = self.crew.each(move |shard| shard.sample(SAMPLE, large))?;
            let (begin, any) = (Instant::now(), samples.iter().any(Sample::is_large));
            self.flawed = samples.into_iter().find_map(Sample::judged);
            if any {
                let took_ms = i64::try_from(begin.elapsed().as_millis()).unwrap_or(i64::MAX);
                let rest_ms = took_ms.saturating_add(1).saturating_mul(LARGE_REST);
                self.sample_large_ms = self.now_ms.saturating_add(rest_ms);
            }
        }
        let cases = self.cases_since(&policy)?;
        let seen = Seen { now_ms: self.now_ms, cases, invariant: self.flawed.clone(), ends: self.ended };
        let step = judge(&policy, &seen);
        Ok(Some((seen, step)))
    }

    /// Returns what became of inputs since the switch, of the cases that there were before it.
    fn cases_since(&mut self, policy: &Probation) -> Result<Vec<Case>, NodeError> {
        if policy.before.is_empty() {
            return Ok(vec![]);
        }
        let counters = self.counters()?;
        let Some(release) = &self.release else { return Ok(vec![]) };
        let mut since: BTreeMap<(String, &str), Rate> = BTreeMap::new();
        for code in release.machines() {
            let Some(counters) = counters.get(&code.address) else { continue };
            let machine = code.address.to_string();
            since.extend(cases(code, counters).map(|(case, rate)| ((machine.clone(), case), rate)));
        }
        let case = |before: &CaseRate| {
            let CaseRate { machine, case, taken, trapped } = before.clone();
            let since = since.get(&(machine.clone(), case.as_str())).copied()?;
            Some(Case { machine, case, before: Rate { taken, trapped }, since })
        };
        Ok(policy.before.iter().filter_map(case).collect())
    }

    /// Returns what came of the inputs of each machine, in all shards.
    pub(super) fn counters(&mut self) -> Result<BTreeMap<MachineAddress, Counters>, NodeError> {
        let mut all: BTreeMap<MachineAddress, Counters> = BTreeMap::new();
        for of_shard in self.crew.each(|shard| shard.counters())? {
            for (machine, counters) in of_shard {
                match all.get_mut(&machine) {
                    Some(sum) => sum.merge(&counters),
                    None => drop(all.insert(machine, counters)),
                }
            }
        }
        Ok(all)
    }

    /// Returns how the probation goes, for the status.
    pub(super) fn probation(&mut self) -> Result<Option<ProbationStatus>, NodeError> {
        let Some((seen, step)) = self.judged()? else { return Ok(None) };
        let Some(policy) = self.on_probation() else { return Ok(None) };
        let rate = |rate: Rate| RateStatus { inputs: rate.taken, trapped: rate.trapped };
        let change = |case: Case| CaseChange {
            machine: case.machine,
            case: case.case,
            before: rate(case.before),
            since: rate(case.since),
        };
        let differs = |case: &Case| case.before.differs(case.since);
        let why = match step {
            Step::Wait(why) | Step::Return(why) => Some(why.to_string()),
            Step::GoOn | Step::Over | Step::MakePermanent => None,
        };
        Ok(Some(ProbationStatus {
            until_ms: policy.until_ms,
            left_ms: u64::try_from(policy.until_ms.saturating_sub(self.now_ms)).unwrap_or(0),
            auto_permanent: policy.auto_permanent,
            auto_return: policy.auto_return,
            ends: seen.ends,
            why,
            cases: seen.cases.into_iter().filter(differs).map(change).collect(),
        }))
    }

    /// Returns how far the node's time is known to have gone on before this start.
    pub(super) fn lived_until(&mut self) -> i64 {
        let shards = self.here().shards.iter().map(Shard::now_ms).max();
        let known = [shards, self.ledger.switched_ms, self.ledger.resumed_ms];
        known.into_iter().flatten().fold(self.now_ms, i64::max)
    }

    /// Goes on with a probation: the time without an agent does not count, and a life that was not ended in order
    /// does.
    pub(super) fn resume_probation(
        &mut self,
        lived_ms: i64,
        attempts: &mut Attempts,
    ) -> Result<(), NodeError> {
        let noted = attempts.life.take();
        let Some(Probation { switch, until_ms, .. }) = self.on_probation().cloned() else { return Ok(()) };
        self.ended =
            noted.filter(|life| life.switch == switch).map_or(0, |life| life.begun.saturating_sub(1));
        let away_ms = self.now_ms.saturating_sub(lived_ms);
        if away_ms > 0 && until_ms > lived_ms {
            let until_ms = until_ms.saturating_add(away_ms);
            self.append(&[Control::ProbationResumed { switch, at_ms: self.now_ms, until_ms }])?;
        }
        self.look_at_probation(self.now_ms)?;
        if self.on_probation().is_some() {
            let life = Some(Life { switch, begun: self.ended + 1 });
            (self.life, attempts.life) = (life, life);
            attempts.note(&mut *self.here().journal);
        }
        Ok(())
    }

    /// Notes that an agent lives through a probation that has just begun, or that there is none any more.
    pub(super) fn begin_life(&mut self) -> Result<(), NodeError> {
        let switch = self.on_probation().map(|policy| policy.switch);
        (self.ended, self.flawed, self.put_off_ms) = (0, None, None);
        self.note_life(switch.map(|switch| Life { switch, begun: 1 }))
    }

    /// Notes that no release is on probation any more.
    pub(super) fn end_life(&mut self) -> Result<(), NodeError> {
        (self.ended, self.flawed, self.put_off_ms) = (0, None, None);
        self.note_life(None)
    }

    fn note_life(&mut self, life: Option<Life>) -> Result<(), NodeError> {
        if self.life == life {
            return Ok(());
        }
        self.life = life;
        // While an attempt at a recovery goes on, its end notes the life as well.
        if self.watched.is_some() { Ok(()) } else { self.crew.note_end(life) }
    }

    /// Ends the node in order: what there is to save is saved, and nobody takes this end for a death.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub fn stop(&mut self, now_ms: i64) -> Result<(), NodeError> {
        self.advance(now_ms)?;
        match self.save_snapshot() {
            // There is no room for it, say.
            Ok(()) | Err(NodeError::Refused(_)) => {}
            Err(error) => return Err(error),
        }
        self.end_in_order()
    }

    /// Ends the node in order, without a state snapshot: another process goes on with the folder.
    ///
    /// # Errors
    ///
    /// When the journal fails.
    pub fn leave(&mut self, now_ms: i64) -> Result<(), NodeError> {
        self.advance(now_ms)?;
        self.settle_records()?;
        self.end_in_order()
    }

    fn end_in_order(&mut self) -> Result<(), NodeError> {
        let life = self.life.take();
        if self.watched.take().is_none() && life.is_none() {
            return Ok(());
        }
        self.crew.note_end(life.and_then(Life::unlived))
    }
}

impl Rate {
    /// Returns true when another share traps.
    fn differs(self, other: Rate) -> bool {
        let times = |a: u64, b: u64| u128::from(a) * u128::from(b);
        other.taken > 0 && times(self.trapped, other.taken) != times(other.trapped, self.taken)
    }
}

/// Returns the rates of a machine's cases by their labels.
fn cases<'c>(code: &'c MachineCode, counters: &'c Counters) -> impl Iterator<Item = (&'c str, Rate)> {
    let labels = code.verified.input().as_variant().map(|variant| variant.cases.iter());
    let labels = labels.into_iter().flatten().map(|case| &*case.label);
    labels.zip(counters.cases()).map(|(label, counts)| (label, rate(counts)))
}

fn rate(counts: &CaseCounts) -> Rate {
    Rate { taken: counts.taken(), trapped: counts.trapped() }
}

/// Returns the reason for programs.
fn code(why: &Why) -> &'static str {
    match why {
        Why::Traps(_) => problem::PROBATION_TRAPS.code,
        Why::Invariant { .. } => problem::PROBATION_INVARIANT.code,
        Why::Ends(_) => problem::PROBATION_ENDS.code,
    }
}
