//! What the control records say: which releases the node knows, which runs, and what was done.
//!
//! Pure: the same control records always give the same ledger.

use std::collections::BTreeSet;

use camshaft_cam::digest::Digest;
use camshaft_cam::words::counted;
use camshaft_store::{Control, Direction, Probation, Redrive, ReleaseEntry, Stamp};

use crate::api::{HistoryEntry, HistoryKind, KnownRelease, ReleaseRef, ReleaseState, SwitchCounts};
use crate::release::reference;

/// What the control records say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The releases that led to the running one, which is the last.
    lineage: Vec<ReleaseEntry>,
    /// Every release that ever ran, in the order in which they came.
    known: Vec<ReleaseEntry>,
    /// The number of the last switch.
    pub switch: u64,
    /// When it was.
    pub switched_ms: Option<i64>,
    /// True while the running release is provisional.
    pub provisional: bool,
    /// The last switch, while its checks have not passed.
    pub unchecked: Option<u64>,
    /// What was done, oldest first.
    pub history: Vec<HistoryEntry>,
    /// The release that was left by going back from it, while nothing else was switched to.
    pub left: Option<ReleaseEntry>,
    /// Clients that the next switch leaves behind, in lines.
    dropping: Vec<String>,
    /// The last switch that all instances have gone over.
    pub swept: u64,
    /// How many instances the release that runs may hold because they cannot go over.
    pub may_hold: u64,
    /// The same of the release that the next switch leads to.
    holding: u64,
    /// What the next switch does to the instances.
    counting: Option<SwitchCounts>,
    /// What holds of the probation of the release that runs, while it is provisional.
    pub probation: Option<Probation>,
    /// The same of the release that the next switch leads to.
    probing: Option<Probation>,
    /// When an agent last began to run while a release was on probation.
    pub resumed_ms: Option<i64>,
    /// Instances that were held, with the number of their last input, as earlier versions told of replays that differ.
    pub held: BTreeSet<(String, u64)>,
}

impl Ledger {
    /// Returns the release that runs.
    pub fn running(&self) -> Option<&ReleaseEntry> {
        self.lineage.last()
    }

    /// Returns the release that a rollback goes to.
    pub fn previous(&self) -> Option<&ReleaseEntry> {
        self.lineage.len().checked_sub(2).and_then(|index| self.lineage.get(index))
    }

    /// Returns the releases without which the node cannot be opened: those that run, or may be gone back to, or were left
    /// with something that waits for them.
    pub fn needed(&self) -> Vec<ReleaseEntry> {
        let mut needed: Vec<ReleaseEntry> = vec![];
        let previous = self.previous().filter(|_| self.provisional);
        for entry in self.running().into_iter().chain(previous).chain(&self.left) {
            if !needed.contains(entry) {
                needed.push(entry.clone());
            }
        }
        needed
    }

    /// Returns where the running release stands.
    pub fn state(&self) -> Option<ReleaseState> {
        self.running()
            .map(|_| if self.provisional { ReleaseState::Provisional } else { ReleaseState::Permanent })
    }

    /// Returns true for a bundle that ever ran here.
    pub fn ran(&self, digest: Digest) -> bool {
        self.known.iter().any(|known| known.digest == digest)
    }

    /// Returns every release that the node knows.
    pub fn releases(&self) -> Vec<KnownRelease> {
        let running = self.running().map(|entry| entry.digest);
        let known = |entry: &ReleaseEntry| KnownRelease {
            release: reference(entry),
            state: if Some(entry.digest) == running {
                self.state().unwrap_or(ReleaseState::Permanent)
            } else {
                ReleaseState::Old
            },
        };
        self.known.iter().map(known).collect()
    }

    /// Returns the entry of every release that the node knows, in the order in which they came.
    pub fn entries(&self) -> &[ReleaseEntry] {
        &self.known
    }

    /// Returns true for a release that the node can go back to, be it over others.
    pub fn leads_back_to(&self, digest: Digest) -> bool {
        let before = self.lineage.len().saturating_sub(1);
        self.lineage.iter().take(before).any(|entry| entry.digest == digest)
    }

    /// Returns the archives of the releases that the node knows, the newest first.
    pub fn archives(&self) -> Vec<Digest> {
        self.known.iter().rev().map(|entry| entry.archive).collect()
    }

    /// Takes a control record in.
    pub fn apply(&mut self, control: &Control) {
        match control {
            Control::Installed { stamp, release } => {
                self.lineage = vec![release.clone()];
                self.come(release);
                self.switch = 1;
                self.switched_ms = Some(stamp.at_ms);
                self.note(stamp, HistoryKind::Installed, None, Some(release), Some(1), ("", ""));
            }
            Control::Switch { stamp, number, from, to, direction, .. } => {
                match direction {
                    Direction::Up => {
                        self.left = None;
                        self.lineage.push(to.clone());
                        self.come(to);
                        self.provisional = true;
                        self.unchecked = Some(*number);
                    }
                    Direction::Down | Direction::Undo => {
                        self.lineage.pop();
                        self.left = Some(from.clone());
                        // Nothing is switched on top of a provisional release, so what the node
                        // goes back to was permanent.
                        self.provisional = false;
                        // Every state was checked on its way down, and there is no way further.
                        self.unchecked = None;
                    }
                }
                self.switch = *number;
                self.switched_ms = Some(stamp.at_ms);
                self.may_hold = std::mem::take(&mut self.holding);
                self.probation = self.probing.take();
                let kind = match direction {
                    Direction::Up => HistoryKind::Upgraded,
                    Direction::Down => HistoryKind::RolledBack,
                    // The check that failed has its entry already.
                    Direction::Undo => {
                        if let Some(undone) = self.history.last_mut() {
                            undone.counts = self.counting.take();
                        }
                        return;
                    }
                };
                let left = std::mem::take(&mut self.dropping);
                let mut why =
                    if left.is_empty() { String::new() } else { format!("left behind: {}", left.join("; ")) };
                if self.may_hold > 0 {
                    let comma = if why.is_empty() { "" } else { "; " };
                    let held = counted(self.may_hold, "instance");
                    why = format!("{why}{comma}up to {held} may be held");
                }
                self.note(stamp, kind, Some(from), Some(to), Some(*number), ("", &why));
                if let Some(entry) = self.history.last_mut() {
                    entry.counts = self.counting.take();
                }
            }
            Control::Counted { counts, .. } => self.counting = Some(SwitchCounts::from(*counts)),
            Control::CheckPassed { .. } => self.unchecked = None,
            Control::Swept { switch } => self.swept = *switch,
            Control::MayHold { instances, .. } => self.holding = *instances,
            Control::Probation(probation) => self.probing = Some(probation.clone()),
            Control::ProbationResumed { at_ms, until_ms, .. } => {
                self.resumed_ms = Some(*at_ms);
                if let Some(probation) = &mut self.probation {
                    probation.until_ms = *until_ms;
                }
            }
            Control::CheckFailed { stamp, switch, instance, reason }
            | Control::Returned { stamp, switch, instance, reason, .. } => {
                self.unchecked = None;
                let why = match instance {
                    Some(instance) => format!("{instance}: {reason}"),
                    None => reason.clone(),
                };
                let (from, to) = (self.running().cloned(), self.previous().cloned());
                let code = match control {
                    Control::Returned { code, .. } => code,
                    _ => crate::problem::UNDONE.code,
                };
                let reason = (code, why.as_str());
                // The number may be any where the record was written by somebody else.
                let back = Some(switch.saturating_add(1));
                self.note(stamp, HistoryKind::Undone, from.as_ref(), to.as_ref(), back, reason);
            }
            Control::Permanent { stamp, switch } => {
                self.provisional = false;
                let running = self.running().cloned();
                let passed = self.probation.take().is_some() && stamp.who == super::AGENT;
                let why = if passed { "it passed its probation" } else { "" };
                self.note(
                    stamp,
                    HistoryKind::MadePermanent,
                    None,
                    running.as_ref(),
                    Some(*switch),
                    ("", why),
                );
            }
            Control::InstanceHeld { stamp, instance, reason, .. }
            | Control::RecoveryHeld { stamp, instance, reason, .. } => {
                if let Control::InstanceHeld { seq, .. } = control {
                    self.held.insert((instance.clone(), *seq));
                }
                let why = format!("{instance}: {reason}");
                let running = self.running().cloned();
                let reason = (crate::problem::HELD.code, why.as_str());
                self.note(stamp, HistoryKind::Held, None, running.as_ref(), None, reason);
            }
            Control::InstanceReset { stamp, instance, reason } => {
                let why = format!("{instance}: {reason}");
                let running = self.running().cloned();
                self.note(stamp, HistoryKind::Reset, None, running.as_ref(), None, ("", why.as_str()));
            }
            Control::Health { stamp, app, traps } => {
                let running = self.running().cloned();
                let (kind, why) = match traps {
                    Some(traps) => {
                        (HistoryKind::Unhealthy, format!("{app}: {} lately", counted(*traps, "trap")))
                    }
                    None => (HistoryKind::Recovered, app.clone()),
                };
                self.note(stamp, kind, None, running.as_ref(), None, ("", why.as_str()));
            }
            Control::Redriven { stamp, instance, what, driven, left } => {
                let (kind, why) = match what {
                    Redrive::Parked => {
                        (HistoryKind::Redriven, format!("{instance}: {driven} go on, {left} stay parked"))
                    }
                    Redrive::Dropped => (HistoryKind::Dropped, format!("{instance}: {driven} are given up")),
                    Redrive::Released => (HistoryKind::Released, instance.clone()),
                    Redrive::Reset => (HistoryKind::Reset, format!("{instance}: by command")),
                };
                let running = self.running().cloned();
                self.note(stamp, kind, None, running.as_ref(), None, ("", why.as_str()));
            }
            Control::Removed { stamp, release } => {
                self.known.retain(|known| known.digest != release.digest);
                if let Some(place) = self.lineage.iter().position(|entry| entry.digest == release.digest) {
                    self.lineage.drain(..=place);
                }
                self.note(stamp, HistoryKind::Removed, Some(release), None, None, ("", ""));
            }
            Control::ClientsDropped { clients, .. } => {
                self.dropping = clients.iter().map(|seen| super::clients::line(seen, None)).collect();
            }
            Control::TakenOver { stamp, from, to } => {
                let running = self.running().cloned();
                let why = format!("agent {from} -> {to}");
                self.note(stamp, HistoryKind::TakenOver, None, running.as_ref(), None, ("", why.as_str()));
            }
            Control::Refused(refusal) => {
                let running = self.running().cloned();
                let reason = (refusal.code.as_str(), refusal.reason.as_str());
                let to = refusal.to.as_ref();
                self.note(&refusal.stamp, HistoryKind::Refused, running.as_ref(), to, None, reason);
            }
        }
    }

    fn come(&mut self, release: &ReleaseEntry) {
        if !self.known.iter().any(|known| known.digest == release.digest) {
            self.known.push(release.clone());
        }
    }

    fn note(
        &mut self,
        stamp: &Stamp,
        what: HistoryKind,
        from: Option<&ReleaseEntry>,
        to: Option<&ReleaseEntry>,
        switch: Option<u64>,
        (code, why): (&str, &str),
    ) {
        let name = |entry: &ReleaseEntry| -> ReleaseRef { reference(entry) };
        self.history.push(HistoryEntry {
            number: self.history.len() as u64 + 1,
            at_ms: stamp.at_ms,
            who: stamp.who.clone(),
            what,
            from: from.map(name),
            to: to.map(name),
            switch,
            code: code.to_owned(),
            why: why.to_owned(),
            vouched: vec![],
            counts: None,
        });
    }
}
