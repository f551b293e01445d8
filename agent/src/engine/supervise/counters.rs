//! What became of inputs: plain counters of one machine, case by case of its inputs.
//!
//! Every shard has its own, so that counting is an addition at an index; whoever looks adds them up. Probation
//! compares them with those from before a switch, metrics show them.

use super::{Outcome, TrapKind};
use crate::api::CaseCount;

/// What became of the inputs of one machine, in one shard or in all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    cases: Box<[CaseCounts]>,
    /// Inputs of which no case is known, because they are not of the machine's type.
    unreadable: u64,
}

/// What became of the inputs of one case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CaseCounts {
    /// How many were applied.
    pub applied: u64,
    /// How many the program refused: `fail`.
    pub failed: u64,
    /// How many trapped, by kind as [`TrapKind::ALL`] has them.
    trapped: [u64; TrapKind::ALL.len()],
}

impl CaseCounts {
    /// Returns how many trapped so.
    pub fn trapped_by(&self, kind: TrapKind) -> u64 {
        self.trapped[kind as usize]
    }

    /// Returns how many trapped.
    pub fn trapped(&self) -> u64 {
        self.trapped.iter().sum()
    }

    /// Returns how many there were: what a rate of traps is a share of.
    pub fn taken(&self) -> u64 {
        self.applied + self.failed + self.trapped()
    }

    /// Returns each number with the other's.
    fn with(&mut self, other: &CaseCounts, with: impl Fn(u64, u64) -> u64) {
        self.applied = with(self.applied, other.applied);
        self.failed = with(self.failed, other.failed);
        for (own, other) in self.trapped.iter_mut().zip(&other.trapped) {
            *own = with(*own, *other);
        }
    }
}

impl Counters {
    /// Returns the counters of a machine whose inputs have so many cases, all at zero.
    pub fn new(cases: usize) -> Counters {
        Counters { cases: vec![CaseCounts::default(); cases].into(), unreadable: 0 }
    }

    /// Counts an input that was applied.
    #[inline]
    pub fn applied(&mut self, case: usize) {
        self.cases[case].applied += 1;
    }

    /// Counts an input. `case`: none when it could not be read.
    pub fn note(&mut self, case: Option<usize>, outcome: Outcome) {
        match (case.map(|case| &mut self.cases[case]), outcome) {
            (None, _) => self.unreadable += 1,
            (Some(counts), Outcome::Applied) => counts.applied += 1,
            (Some(counts), Outcome::Failed) => counts.failed += 1,
            (Some(counts), Outcome::Trapped(kind)) => counts.trapped[kind as usize] += 1,
        }
    }

    /// Returns what became of inputs, case by case.
    pub fn cases(&self) -> &[CaseCounts] {
        &self.cases
    }

    /// Returns how many inputs were not of the machine's type.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Adds what another shard counted of the same machine.
    pub fn merge(&mut self, other: &Counters) {
        self.with(other, |own, other| own + other);
    }

    /// Returns what was counted since `earlier`, a copy of these counters.
    pub fn since(&self, earlier: &Counters) -> Counters {
        let mut since = self.clone();
        since.with(earlier, u64::saturating_sub);
        since
    }

    fn with(&mut self, other: &Counters, with: impl Fn(u64, u64) -> u64) {
        assert_eq!(self.cases.len(), other.cases.len(), "counters of one machine have the same cases");
        for (own, other) in self.cases.iter_mut().zip(&other.cases) {
            own.with(other, &with);
        }
        self.unreadable = with(self.unreadable, other.unreadable);
    }

    /// Returns the counts of cases that there were, for the status. `names` are those of the cases.
    pub fn status<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Vec<CaseCount> {
        let cases = self.cases.iter().zip(names).filter(|(counts, _)| counts.taken() > 0);
        let mut told: Vec<CaseCount> = cases.map(|(counts, name)| counts.told(name)).collect();
        if self.unreadable > 0 {
            let trapped = [(TrapKind::Input.word().to_owned(), self.unreadable)].into();
            told.push(CaseCount { case: None, applied: 0, failed: 0, trapped });
        }
        told
    }
}

impl CaseCounts {
    fn told(&self, name: &str) -> CaseCount {
        let kinds = TrapKind::ALL.into_iter().map(|kind| (kind.word().to_owned(), self.trapped_by(kind)));
        CaseCount {
            case: Some(name.to_owned()),
            applied: self.applied,
            failed: self.failed,
            trapped: kinds.filter(|(_, count)| *count > 0).collect(),
        }
    }
}
