//! What traps lead to, as releases declare it: holds and resets, of the instance that trapped and of its siblings.
//!
//! Not every trap is in the journal: one of a request without a name is not. When such a one was is known only as
//! far as it is told. So a window has traps that are sure and others that may be in it. Who has enough of the sure
//! ones has to be held or reset at once, and nobody is without enough of both.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use camshaft_cam::value::Value;
use camshaft_manifests::app::{After, OnTrap, Strategy, Supervision};
use camshaft_manifests::{AppName, InstanceAddress};

use super::{Instance, Model, State, Wrong, wrong};
use crate::seen::{Deed, Entry};

/// How many states of an instance resets archive.
const RESETS_MAX: usize = 8;

/// The traps of an instance, since the node was started.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    sure: VecDeque<i64>,
    /// Those of which it is not known when exactly they were, or whether they count: from when to when.
    maybe: Vec<(i64, i64)>,
}

impl Window {
    /// Returns how many traps there are within so long before a time: surely, and at most.
    fn count(&self, at_ms: i64, within_ms: i64) -> (usize, usize) {
        let sure = self.sure.iter().filter(|trap_ms| **trap_ms + within_ms >= at_ms).count();
        let maybe = self.maybe.iter().filter(|(_, last_ms)| *last_ms + within_ms >= at_ms).count();
        (sure, sure + maybe)
    }
}

/// A step that trapped, as far as it counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trapped {
    pub(super) kind: String,
    /// The case of the input.
    pub(super) case: String,
}

impl Trapped {
    /// Returns a trap that counts: `fail` is none, and who is not born has nothing to look after.
    pub(super) fn of(
        instance: &Instance,
        input: &Value,
        outcome: Option<&(String, String)>,
    ) -> Option<Trapped> {
        let (kind, _) = outcome.filter(|(kind, _)| kind != "fail")?;
        let State::Live(_) = instance.state else { return None };
        let cases = &instance.member.part.verified.input().as_variant().expect("inputs are variants").cases;
        let Value::Sum(case, _) = input else { unreachable!("inputs are variants") };
        Some(Trapped { kind: kind.clone(), case: cases[*case as usize].label.to_string() })
    }
}

/// A trap that the journal has, which leads or may lead to something.
#[derive(Debug, Clone)]
pub(super) struct Due {
    instance: InstanceAddress,
    at_ms: i64,
    trapped: Trapped,
    must: bool,
}

/// What the model knows of traps.
#[derive(Debug, Clone, Default)]
pub(super) struct Care {
    windows: BTreeMap<InstanceAddress, Window>,
    due: Option<Due>,
    /// What was done and the history does not tell yet.
    untold: Vec<Deed>,
    /// Applications that are unhealthy, as the history tells.
    unhealthy: BTreeSet<AppName>,
    /// How many traps of each application there were at most since the node was started.
    traps: BTreeMap<AppName, u64>,
}

impl Care {
    /// The node died: no window is durable.
    pub(super) fn died(&mut self) {
        *self = Care::default();
    }

    /// A life of an instance is over, or it was put away: its traps count no more.
    pub(super) fn forget(&mut self, address: &InstanceAddress) {
        self.windows.remove(address);
    }

    /// Another release may count otherwise, and have other applications.
    pub(super) fn switched(&mut self, has: impl Fn(&AppName) -> bool) {
        self.unhealthy.retain(has);
        for window in self.windows.values_mut() {
            let sure = window.sure.drain(..).map(|at_ms| (at_ms, at_ms));
            window.maybe.extend(sure);
        }
    }

    /// Returns what is declared to have been done and is not.
    pub(super) fn reason_owed(&self) -> Option<String> {
        let due = self.due.as_ref().filter(|due| due.must)?;
        Some(format!("{} is held or reset, after {:?} at {}", due.instance, due.trapped, due.at_ms))
    }

    /// Returns what was done and the history does not tell.
    pub(super) fn first_untold(&self) -> Option<&Deed> {
        self.untold.first()
    }
}

impl Model {
    /// Counts a trap of an application, whatever there is of its instance.
    pub(super) fn count_trap(&mut self, app: &AppName, kind: &str) {
        if kind != "fail" {
            *self.care.traps.entry(app.clone()).or_default() += 1;
        }
    }

    fn supervision(&self, app: &AppName) -> Option<&Supervision> {
        let apps = &self.edition()?.resolved.apps;
        Some(&apps.iter().find(|of| of.name == *app)?.supervision)
    }

    fn on_trap(&self, address: &InstanceAddress) -> OnTrap {
        let supervision = self.supervision(&address.app);
        supervision.map_or(OnTrap::Refuse, |supervision| supervision.on_trap(&address.machine))
    }

    /// Returns true when traps of an instance may lead to something.
    pub fn is_looked_after(&self, address: &InstanceAddress) -> bool {
        self.on_trap(address) != OnTrap::Refuse
    }

    /// Takes note of a trap that the journal has.
    pub(super) fn trapped(&mut self, address: &InstanceAddress, at_ms: i64, trapped: Trapped) {
        let Some(after) = self.on_trap(address).after() else {
            self.care.forget(address);
            return;
        };
        let window = self.care.windows.entry(address.clone()).or_default();
        window.sure.push_back(at_ms);
        let (must, may) = match after {
            After::First => (true, true),
            After::Within(intensity) => {
                let (sure, most) = window.count(at_ms, i64::try_from(intensity.within.0).unwrap_or(i64::MAX));
                (sure >= intensity.traps as usize, most >= intensity.traps as usize)
            }
        };
        self.care.due = may.then(|| Due { instance: address.clone(), at_ms, trapped, must });
    }

    /// Takes note of a trap that no record tells of, when its client is told of it. `exact` says that nothing happened
    /// between request and answer.
    pub(super) fn trapped_silently(
        &mut self,
        address: &InstanceAddress,
        (first_ms, last_ms): (i64, i64),
        exact: bool,
    ) -> Result<(), Wrong> {
        let Some(after) = self.on_trap(address).after() else { return Ok(()) };
        let window = self.care.windows.entry(address.clone()).or_default();
        let enough = match after {
            After::First => true,
            After::Within(intensity) => {
                let within_ms = i64::try_from(intensity.within.0).unwrap_or(i64::MAX);
                window.count(last_ms, within_ms).0 + 1 >= intensity.traps as usize
            }
        };
        if exact && enough {
            let seen = format!("it goes on: {window:?}");
            return wrong(format!("a trap of {address}"), "it is held or reset", seen);
        }
        if exact && first_ms == last_ms {
            window.sure.push_back(first_ms);
        } else {
            window.maybe.push((first_ms, last_ms));
        }
        Ok(())
    }

    /// Looks whether an entry follows on what was due.
    pub(super) fn check_due(&mut self, entry: Option<&Entry>) -> Result<Option<Due>, Wrong> {
        let due = self.care.due.take();
        match (&due, entry) {
            (Some(Due { instance, must: true, trapped, .. }), entry) => {
                let first = match entry {
                    Some(Entry::Cared { deeds, .. }) => deeds.first().map(|deed| &deed.instance),
                    _ => None,
                };
                if first != Some(instance) {
                    let what = format!("{trapped:?} of {instance}");
                    return wrong(what, "it is held or reset at once", format!("{entry:?}"));
                }
                Ok(due)
            }
            _ => Ok(due),
        }
    }

    /// Follows what was done because of traps.
    pub(super) fn follow_cared(
        &mut self,
        due: Option<Due>,
        switch: u64,
        at_ms: i64,
        deeds: &[Deed],
    ) -> Result<(), Wrong> {
        let Some(first) = deeds.first() else {
            return wrong("what traps lead to", "something", "nothing");
        };
        let address = &first.instance;
        let what = || format!("what traps of {address} lead to");
        if switch != self.switch {
            return wrong(what(), format!("switch {}", self.switch), format!("switch {switch}"));
        }
        // Where it may have been another trap, the reason tells which it was.
        let due = due.filter(|due| due.instance == *address && due.at_ms == at_ms);
        let due = due.filter(|due| due.must || says(&first.reason, &due.trapped));
        let trapped = match due {
            Some(due) => due.trapped,
            None => self.take_silent(first, at_ms)?,
        };
        let on_trap = self.on_trap(address);
        self.check_reason(address, on_trap, &first.reason, &trapped)?;
        let expected = self.deeds(address, on_trap);
        let done: Vec<(InstanceAddress, bool)> =
            deeds.iter().map(|deed| (deed.instance.clone(), deed.resets)).collect();
        if expected != done {
            return wrong(what(), format!("{expected:?}"), format!("{done:?}"));
        }
        for deed in deeds {
            self.care.forget(&deed.instance);
            self.tally.siblings += u64::from(deed.instance != *address);
            if deed.resets {
                self.tally.reset_by_traps += 1;
                self.begin_anew(&deed.instance);
            } else {
                self.tally.held_by_traps += 1;
                // What waits for it has gone over the last switch by then.
                self.forget_trails(&deed.instance);
                self.hold(&deed.instance);
            }
            self.look_again(&deed.instance)?;
        }
        self.care.untold.extend(deeds.iter().cloned());
        Ok(())
    }

    /// Finds the request without a name whose trap led to something.
    fn take_silent(&mut self, deed: &Deed, at_ms: i64) -> Result<Trapped, Wrong> {
        let address = &deed.instance;
        let within_ms = match self.on_trap(address).after() {
            Some(After::Within(intensity)) => {
                let within_ms = i64::try_from(intensity.within.0).unwrap_or(i64::MAX);
                Some((within_ms, intensity.traps as usize))
            }
            _ => None,
        };
        // The others that may have trapped by then.
        let others = self.silent_at(address).saturating_sub(1);
        if let Some((within_ms, traps)) = within_ms {
            let most = self.care.windows.get(address).map_or(0, |window| window.count(at_ms, within_ms).1);
            if most + others + 1 < traps {
                let seen = format!("at most {} of them: {deed:?}", most + others + 1);
                return wrong(format!("traps of {address}"), format!("{traps} traps"), seen);
            }
        }
        let found = self.claim_silent(address, |trapped| says(&deed.reason, trapped));
        match found {
            Some(trapped) => Ok(trapped),
            None => wrong(format!("traps of {address}"), "a trap that led to it", format!("{deed:?}")),
        }
    }

    fn check_reason(
        &self,
        address: &InstanceAddress,
        on_trap: OnTrap,
        reason: &str,
        trapped: &Trapped,
    ) -> Result<(), Wrong> {
        let begins = match on_trap.after() {
            None => return wrong(format!("a trap of {address}"), "its input is refused, no more", reason),
            Some(After::First) => "a trap: ".to_owned(),
            Some(After::Within(intensity)) => {
                format!("{} traps within {}, the last: ", intensity.traps, intensity.within)
            }
        };
        let expected = format!("{begins}{} at {}", trapped.kind, trapped.case);
        if !reason.starts_with(&expected) {
            return wrong(format!("why {address} is held or reset"), expected, reason);
        }
        Ok(())
    }

    /// Returns what has to be done: with an instance, and with its siblings that go along.
    fn deeds(&self, address: &InstanceAddress, on_trap: OnTrap) -> Vec<(InstanceAddress, bool)> {
        let archived = |of: &InstanceAddress| self.resets.iter().filter(|(at, _)| at == of).count();
        let resets = matches!(on_trap, OnTrap::Reset(_)) && archived(address) < RESETS_MAX;
        let mut deeds = vec![(address.clone(), resets)];
        let edition = self.edition().expect("a release runs");
        let app = edition.resolved.apps.iter().find(|app| app.name == address.app).expect("it runs");
        let own = app.machines.iter().position(|machine| machine.name == address.machine).expect("it runs");
        for (place, machine) in app.machines.iter().enumerate() {
            let shares = match app.supervision.strategy {
                Strategy::OneForOne => false,
                Strategy::RestForOne => place > own,
                Strategy::OneForAll => place != own,
            };
            // An instance without a key has siblings without one only.
            if !shares || machine.keyed != address.key.is_some() {
                continue;
            }
            let sibling = InstanceAddress { machine: machine.name.clone(), ..address.clone() };
            let lives = self.instances.get(&sibling).is_some_and(|one| matches!(one.state, State::Live(_)));
            if lives {
                let resets = resets && archived(&sibling) < RESETS_MAX;
                deeds.push((sibling, resets));
            }
        }
        deeds
    }

    fn hold(&mut self, address: &InstanceAddress) {
        let instance = self.instances.get_mut(address).expect("it lives");
        if let State::Live(state) = &instance.state {
            let (part, state) = (instance.member.part.clone(), Some(state.clone()));
            instance.state = State::Held { part, state, left_behind: false };
        }
    }

    /// Follows that the history tells of what was done.
    pub(super) fn follow_care_told(&mut self, deed: &Deed) -> Result<(), Wrong> {
        let Some(place) = self.care.untold.iter().position(|other| other == deed) else {
            let expected = format!("one of {:?}", self.care.untold);
            return wrong("what traps led to, as it is told", expected, format!("{deed:?}"));
        };
        self.care.untold.remove(place);
        Ok(())
    }

    /// Follows that an application became unhealthy or healthy again.
    pub(super) fn follow_health(&mut self, app: &AppName, traps: Option<u64>) -> Result<(), Wrong> {
        let what = || format!("the health of {app}");
        if self.may_be_full {
            // It may be told when there is room, long after it was so.
            match traps {
                Some(_) => drop(self.care.unhealthy.insert(app.clone())),
                None => drop(self.care.unhealthy.remove(app)),
            }
            return Ok(());
        }
        let Some(traps) = traps else {
            return match self.care.unhealthy.remove(app) {
                true => Ok(()),
                false => wrong(what(), "it was healthy all the time", "healthy again"),
            };
        };
        self.tally.unhealthy += 1;
        let intensity = self.supervision(app).and_then(|supervision| supervision.intensity);
        let Some(intensity) = intensity else {
            return wrong(what(), "nothing, for it has no intensity", format!("{traps} traps"));
        };
        let most = self.care.traps.get(app).copied().unwrap_or(0) + self.silent_in(app);
        if traps < u64::from(intensity.traps) || traps > most {
            let expected = format!("from {} to {most} traps", intensity.traps);
            return wrong(what(), expected, format!("{traps} traps"));
        }
        match self.care.unhealthy.insert(app.clone()) {
            true => Ok(()),
            false => wrong(what(), "it is unhealthy already", format!("{traps} traps")),
        }
    }
}

/// Returns true when a reason tells of a trap.
fn says(reason: &str, trapped: &Trapped) -> bool {
    let end = format!("{} at {}", trapped.kind, trapped.case);
    reason.ends_with(&end) || reason.contains(&format!("{end};"))
}
