//! What traps lead to, as applications declare it: counted here, judged by [`super::supervise`], recorded and done.

use std::collections::BTreeMap;

use camshaft_manifests::resolved::ResolvedRelease;
use camshaft_manifests::{AppName, InstanceAddress, MachineAddress};
use camshaft_store::{Aside, Deed, RecordRef, Verdict};

use super::Shard;
use super::instance::{Instance, State};
use super::step::Computed;
use super::supervise::{
    Being, Care, Counters, Outcome, TrapKind, TrapWindow, Trapped, Verdict as Judged, Watches,
};
use super::table::{Resident, Slot};
use crate::release::MachineCode;

/// What a shard knows of traps.
#[derive(Debug, Default)]
pub(super) struct Caring {
    /// By the place of the application in the release.
    apps: Vec<App>,
    watches: Watches<InstanceAddress>,
    /// What was done, for the history.
    deeds: Vec<(i64, Deed)>,
    /// True when there was a trap since the windows were looked at.
    trapped: bool,
}

#[derive(Debug)]
struct App {
    name: AppName,
    care: Care,
    window: Option<TrapWindow>,
}

/// What a shard has to tell of traps.
#[derive(Debug, Default)]
pub struct Told {
    /// What was done with instances, and when.
    pub deeds: Vec<(i64, Deed)>,
    /// The windows of applications, when there was a trap.
    pub windows: Vec<(AppName, TrapWindow)>,
}

impl Caring {
    /// Forgets the traps of an instance whose life is over: what is born next has made none.
    pub(super) fn forget(&mut self, address: &InstanceAddress) {
        self.watches.forget(address);
    }

    /// Takes up what a release declares. Windows go on where the intensity stays.
    pub(super) fn take_up(&mut self, resolved: &ResolvedRelease) {
        let mut before = std::mem::take(&mut self.apps);
        let take_up = |app| {
            let care = Care::new(app);
            let old = before.iter_mut().find(|old| old.name == app.name);
            let same = old.filter(|old| old.care.intensity() == care.intensity());
            let window = same.and_then(|old| old.window.take());
            let window = window.or_else(|| care.intensity().map(TrapWindow::new));
            App { name: app.name.clone(), care, window }
        };
        self.apps = resolved.apps.iter().map(take_up).collect();
    }
}

impl Shard {
    /// Counts what came of an input, and does what is declared of a trap. `being` is what there was of the
    /// instance before.
    pub(super) fn attend(&mut self, slot: Slot, computed: &Computed, being: Being) {
        let runner = &mut self.runners[self.table[slot].instance.runner as usize];
        let outcome = match &computed.verdict {
            Verdict::Applied { .. } => {
                if let Some(case) = computed.case {
                    runner.counters.applied(case);
                }
                return;
            }
            Verdict::Trapped { kind, .. } => Outcome::of_word(kind),
        };
        let Some(outcome) = outcome else { return };
        runner.counters.note(computed.case, outcome);
        if let Outcome::Trapped(kind) = outcome
            && !self.read_only
        {
            self.trapped(slot, computed.case, kind, being);
        }
    }

    fn trapped(&mut self, slot: Slot, case: Option<usize>, kind: TrapKind, being: Being) {
        let Resident { address, instance } = &self.table[slot];
        let (app, machine) = self.runners[instance.runner as usize].place;
        let label = case.and_then(|case| label(&instance.code, case)).unwrap_or_default();
        let Some(of_app) = self.care.apps.get_mut(app) else { return };
        if let Some(window) = &mut of_app.window {
            window.note(self.now_ms);
            self.care.trapped = true;
        }
        let trapped = Trapped { now_ms: self.now_ms, kind, case: &label, being };
        let mut watches = std::mem::take(&mut self.care.watches);
        let care = &self.care.apps[app].care;
        let sibling = |other: usize| self.sibling(address, app, other);
        let deeds = care.judge(&mut watches, (machine, address), &trapped, sibling);
        self.care.watches = watches;
        let deeds: Vec<Deed> = deeds
            .into_iter()
            .filter_map(|deed| {
                let (resets, reason) = match deed.verdict {
                    Judged::Refuse => return None,
                    Judged::Hold(reason) => (false, reason.to_string()),
                    Judged::Reset(reason) => (true, reason.to_string()),
                };
                Some(Deed { instance: deed.instance.to_string(), resets, reason })
            })
            .collect();
        if deeds.is_empty() {
            return;
        }
        let at_ms = self.now_ms;
        let aside = Aside::Cared { switch: self.switch, at_ms, deeds };
        self.record(RecordRef::Aside(&aside));
        if let Aside::Cared { deeds, .. } = aside {
            self.cared(&deeds);
            self.care.deeds.extend(deeds.into_iter().map(|deed| (at_ms, deed)));
        }
    }

    /// Does what a record says was done because of traps.
    pub(super) fn cared(&mut self, deeds: &[Deed]) {
        for deed in deeds {
            let address: Option<InstanceAddress> = deed.instance.parse().ok();
            let Some(slot) = address.and_then(|address| self.table.find(&address)) else { continue };
            self.meet(slot);
            if deed.resets {
                self.reset(slot);
            } else {
                self.hold(slot, deed.reason.clone());
            }
        }
    }

    /// Returns what there is of an instance, as far as supervision asks.
    pub(super) fn being(&self, address: &InstanceAddress, instance: &Instance) -> Being {
        match instance.state {
            State::None => Being::Unborn,
            State::Held(_) => Being::Held,
            State::Live(_) if self.archive.is_empty() => Being::Lives { archived: 0 },
            State::Live(_) => Being::Lives { archived: self.last_reset(address) },
        }
    }

    /// Returns the instance of another machine of an application that has the same key.
    fn sibling(&self, address: &InstanceAddress, app: usize, other: usize) -> (InstanceAddress, Being) {
        let found = self.runners.iter().find(|runner| runner.place == (app, other));
        let machine = found.map_or_else(|| address.machine_address(), |runner| runner.code.address.clone());
        let sibling = address.at(&machine);
        let being = self.table.get(&sibling).map_or(Being::Unborn, |instance| self.being(&sibling, instance));
        (sibling, being)
    }

    /// Returns what is to be told of traps since the last time.
    pub fn take_told(&mut self) -> Told {
        let deeds = std::mem::take(&mut self.care.deeds);
        let trapped = std::mem::take(&mut self.care.trapped);
        let windows = self.care.apps.iter().filter(|_| trapped);
        let windows = windows.filter_map(|app| Some((app.name.clone(), app.window.clone()?))).collect();
        Told { deeds, windows }
    }

    /// Returns what came of the inputs of each machine.
    pub fn counters(&self) -> BTreeMap<MachineAddress, Counters> {
        self.runners.iter().map(|runner| (runner.code.address.clone(), runner.counters.clone())).collect()
    }
}

/// Returns the label of a case.
fn label(code: &MachineCode, case: usize) -> Option<String> {
    let variant = code.verified.input().as_variant()?;
    Some(variant.cases.get(case)?.label.to_string())
}
