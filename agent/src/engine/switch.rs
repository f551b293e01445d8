//! Going over from one release to another, once its record is durable.
//!
//! The shard takes up the new code and puts the switch on its road; instances go over it when they are next
//! used ([`super::touch`]). Only what cannot wait is done at once: what goes away or begins anew is put
//! away, what has another name is found under it, and what the last switch left behind or parked is
//! looked at. What becomes of every instance follows from the plan and the instances alone, so that a
//! replay of the journal comes to the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use camshaft_cam::digest::Digest;
use camshaft_cam::run::Memo;
use camshaft_manifests::{AppName, InstanceAddress, MachineAddress};
use camshaft_store::{InstanceSnapshot, Status};

use super::instance::{Instance, Mail, State};
use super::kept::Kept;
use super::plan::{Change, Plan, Way};
use super::step::{Runner, birth};
use super::supervise::Counters;
use super::table::{Resident, Slot, Table};
use super::watch::{Risk, Unwatched, Watch};
use super::{Archive, Shard};
use crate::release::{MachineCode, Release};

/// A switch, as every shard goes over it.
#[derive(Debug, Clone)]
pub struct Epoch {
    /// The number of the switch.
    pub number: u64,
    /// The release that runs afterwards.
    pub release: Arc<Release>,
    /// How instances go over; none when the first release is installed.
    pub plan: Option<Arc<Plan>>,
    /// Where applications had their shards first, by the names that they have after it.
    pub homes: Arc<BTreeMap<AppName, AppName>>,
    /// What its trial remembers of large states.
    pub memos: Memos,
}

/// What a trial remembers of large states, by shard and the number of the slot. Each shard takes its own, once.
#[derive(Debug, Clone, Default)]
pub struct Memos(Arc<Mutex<BTreeMap<(u16, u32), Memo>>>);

impl Memos {
    pub(super) fn new(memos: BTreeMap<(u16, u32), Memo>) -> Memos {
        Memos(Arc::new(Mutex::new(memos)))
    }

    /// Returns how many parts of large states were done by the trial.
    pub fn done(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().map(Memo::done).sum()
    }

    fn take(&self, shard: u16) -> HashMap<usize, Memo> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut mine = all.split_off(&(shard, 0));
        if let Some(next) = shard.checked_add(1) {
            all.append(&mut mine.split_off(&(next, 0)));
        }
        mine.into_iter().map(|((_, slot), memo)| (slot as usize, memo)).collect()
    }
}

/// What a switch did at once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Switched {
    /// Instances that were put away.
    pub archived: u64,
    /// Instances that were brought back.
    pub restored: u64,
}

impl Switched {
    /// Adds what another shard did.
    pub fn add(&mut self, other: Switched) {
        self.archived += other.archived;
        self.restored += other.restored;
    }
}

impl Epoch {
    /// Returns the switch that installs the first release.
    pub fn install(release: Arc<Release>) -> Epoch {
        Epoch { number: 1, release, plan: None, homes: Arc::default(), memos: Memos::default() }
    }

    /// Returns the switch of a plan. `homes` is that of the switch before.
    pub fn of(plan: Arc<Plan>, number: u64, homes: &BTreeMap<AppName, AppName>) -> Epoch {
        let mut next = homes.clone();
        for (from, to) in &plan.moved {
            if from.app != to.app {
                let home = homes.get(&from.app).unwrap_or(&from.app).clone();
                next.insert(to.app.clone(), home);
            }
        }
        let (release, homes) = (plan.to.clone(), Arc::new(next));
        Epoch { number, release, plan: Some(plan), homes, memos: Memos::default() }
    }
}

impl Shard {
    /// Goes over a switch.
    pub fn enter(&mut self, epoch: &Epoch) -> Switched {
        self.enter_watched(epoch, &mut Unwatched)
    }

    /// The same, and somebody is asked before code of a machine runs.
    pub fn enter_watched(&mut self, epoch: &Epoch, watch: &mut dyn Watch) -> Switched {
        debug_assert!(epoch.number > self.switch, "switches are gone over once, in order");
        self.drop_saving();
        self.trying = None;
        let before = std::mem::replace(&mut self.memos, epoch.memos.take(self.config_of.index));
        before.into_values().for_each(|memo| self.out.discard(memo));
        self.homes = epoch.homes.clone();
        match &epoch.plan {
            None => {
                self.run_release(&epoch.release);
                (self.switch, self.config) = (epoch.number, epoch.number);
                self.start_all(|_| true, watch);
                Switched::default()
            }
            Some(plan) => self.enter_by(plan, epoch.number, watch),
        }
    }

    /// The same for a shard that may have gone over already, because of a message from one that had.
    pub fn enter_once(&mut self, epoch: &Epoch) -> Switched {
        self.enter_early(epoch);
        std::mem::take(&mut self.switched)
    }

    /// Goes over a switch because of a message from a shard that has.
    pub fn enter_early(&mut self, epoch: &Epoch) {
        if self.switch < epoch.number {
            self.switched = self.enter(epoch);
            self.settle_applies();
        }
    }

    /// Takes up the code of a release.
    pub(super) fn run_release(&mut self, release: &Arc<Release>) {
        self.release = Some(release.clone());
        let place = |at: &MachineAddress| {
            let app = release.resolved.apps.iter().position(|app| app.name == at.app).unwrap_or(0);
            let machines = &release.resolved.apps[app].machines;
            (app, machines.iter().position(|machine| machine.name == at.machine).unwrap_or(0))
        };
        let runner = |code: &Arc<MachineCode>| Runner {
            code: code.clone(),
            registers: code.registers(),
            counters: Counters::new(code.cases()),
            place: place(&code.address),
            older: None,
        };
        self.runners = release.machines().map(runner).collect();
        self.recorder.forget_all();
        self.care.take_up(&release.resolved);
        self.machines = self
            .runners
            .iter()
            .enumerate()
            .map(|(place, runner)| (runner.code.address.clone(), place))
            .collect();
    }

    /// Takes up the release that runs, with what the switch before it left, and the switches that instances
    /// may have yet to go over, before instances are loaded.
    pub fn resume(&mut self, epoch: &Epoch, road: &[(Arc<Epoch>, bool)], left: Option<Arc<Release>>) {
        self.run_release(&epoch.release);
        self.homes = epoch.homes.clone();
        self.left = left;
        for (epoch, permanent) in road {
            if let Some(plan) = &epoch.plan {
                self.road.push(epoch.number, plan.clone());
                if *permanent {
                    self.road.make_permanent();
                }
            }
        }
        self.note_rewinds();
    }

    fn enter_by(&mut self, plan: &Arc<Plan>, number: u64, watch: &mut dyn Watch) -> Switched {
        let mut switched = Switched::default();
        let mut back = self.take_given_up(plan);
        for (machine, change) in &plan.pairs {
            if matches!(change, Change::Removed { .. } | Change::Restarts { .. }) {
                switched.archived += self.put_all_away(machine, watch);
            }
        }
        // What could not go over an earlier switch says nothing against this one, also when a replay finds it out anew.
        self.troubles.clear();
        self.run_release(&plan.to);
        self.rename(plan);
        self.switch = number;
        self.config = number;
        self.swept = 0;
        self.road.push(number, plan.clone());
        self.note_rewinds();
        self.left = (plan.way == Way::Down).then(|| plan.from.clone());
        let restarted: BTreeSet<&MachineAddress> = plan.restarted().map(|code| &code.address).collect();
        for code in plan.to.machines() {
            if plan.added.contains_key(&code.address) {
                switched.restored += self.bring_back(&code.address);
            } else if restarted.contains(&code.address) {
                let (mine, rest) =
                    back.into_iter().partition(|((at, ..), _)| at.machine_address() == code.address);
                back = rest;
                switched.restored += self.restore(mine, code);
            }
        }
        let comes =
            |code: &MachineCode| plan.added.contains_key(&code.address) || restarted.contains(&code.address);
        self.start_all(comes, watch);
        self.post_applies(plan, number);
        for slot in std::mem::take(&mut self.stuck) {
            if self.table.at(Table::number(slot)).is_some() {
                self.meet_watched(slot, watch);
            }
            // Who was brought back by this switch is over it, and has what the next one may wake.
            if self.table.at(Table::number(slot)).is_some() {
                self.note_stuck(slot);
            }
        }
        switched
    }

    /// Puts all instances of a machine away, as they are after all that lies behind them.
    fn put_all_away(&mut self, machine: &MachineAddress, watch: &mut dyn Watch) -> u64 {
        let slots = self.table.of_machine(machine);
        for slot in &slots {
            self.meet_watched(*slot, watch);
            self.settle(*slot);
        }
        self.unlist_all(&slots);
        for slot in self.table.take_names(machine).slots() {
            let resident = self.table.remove_nameless(slot);
            self.stuck.remove(&slot);
            self.care.forget(&resident.address);
            self.put_away(&resident.address, &resident.instance);
            self.out.discard(resident.instance);
        }
        slots.len() as u64
    }

    /// Finds the instances of machines that have other addresses now under these.
    fn rename(&mut self, plan: &Plan) {
        // One may get the name that another one had, so that all lose theirs first.
        let mut all = vec![];
        for (from, to) in &plan.moved {
            let nameless = self.table.take_names(from);
            for slot in nameless.slots() {
                let Resident { address, instance } = &self.table[slot];
                for (name, timer) in &instance.rest().timers {
                    self.timers.remove(&(timer.due_ms, address.clone(), name.clone()));
                }
            }
            all.push((nameless, to));
        }
        for (nameless, to) in all {
            let slots: Vec<Slot> = nameless.slots().collect();
            self.table.give_names(nameless, to);
            for slot in slots {
                let Resident { address, instance } = &self.table[slot];
                if instance.held().is_some() {
                    continue;
                }
                for (name, timer) in &instance.rest().timers {
                    self.timers.insert((timer.due_ms, address.clone(), name.clone()));
                }
            }
        }
    }

    /// Starts the instances of machines without keys that belong here.
    fn start_all(&mut self, wanted: impl Fn(&MachineCode) -> bool, watch: &mut dyn Watch) {
        let codes: Vec<Arc<MachineCode>> = self.runners.iter().map(|runner| runner.code.clone()).collect();
        for code in codes {
            if !code.keyed() && wanted(&code) {
                self.start(&code.address, watch);
            }
        }
    }

    /// The release stays: the states from before the switch are of no use any more, and the sweeper may begin.
    pub fn make_permanent(&mut self) {
        self.road.make_permanent();
        self.note_rewinds();
        self.swept = 0;
    }

    /// Starts the one instance of a machine, unless it is there.
    fn start(&mut self, machine: &MachineAddress, watch: &mut dyn Watch) {
        let address =
            InstanceAddress { app: machine.app.clone(), machine: machine.machine.clone(), key: None };
        if self.shard_of(&address) != self.config_of.index || self.table.find(&address).is_some() {
            return;
        }
        let Some(mut instance) = self.unborn(&address) else { return };
        // A start that traps was refused when it was tried; in a replay its first input will
        // tell.
        if let Some(reason) = watch.before(Risk::Birth, &address) {
            let state = instance.hold(reason, false);
            debug_assert!(matches!(state, State::None), "it is not yet born");
        } else if let Ok(value) = birth(&instance.code) {
            instance.state = State::Live(value);
            instance.life += 1;
        }
        instance.version = self.next_version();
        self.insert(address, instance);
    }

    /// Puts an instance into the archive.
    fn put_away(&mut self, address: &InstanceAddress, instance: &Instance) {
        let mut saved = instance.save(address);
        // A state from before is of use to a rollback of this machine only, and it goes away.
        saved.before = None;
        saved.rewind = None;
        saved.status = match saved.status {
            Status::Held { reason, left_behind } => Status::Archived { held: Some((reason, left_behind)) },
            Status::Live | Status::Archived { .. } | Status::Reset => Status::Archived { held: None },
        };
        self.archive.insert((address.clone(), instance.writer(), 0), saved);
    }

    /// Puts a message that came late into the archive, to those that its receiver left there.
    pub(super) fn put_to_archive(&mut self, address: &InstanceAddress, from: &Arc<MachineCode>, mail: &Mail) {
        let key = (address.clone(), from.digest(), 0);
        let saved = self.archive.entry(key).or_insert_with(|| {
            let mut saved = Instance::unborn(from.clone(), mail.switch).save(address);
            saved.status = Status::Archived { held: None };
            saved
        });
        saved.mailbox.extend(mail.save());
    }

    /// Takes what machines gave up when they restarted out of the archive: going back, it is what they
    /// go on with, and coming anew it is forgotten.
    fn take_given_up(&mut self, plan: &Plan) -> Archive {
        let mut found = Archive::default();
        for (was, change) in &plan.pairs {
            let Change::Restarts { from, to } = change else { continue };
            let (machine, digest) = match plan.way {
                Way::Up => (was, from.digest()),
                Way::Down => (&to.address, to.digest()),
            };
            let fits = |(address, writer, reset): &(InstanceAddress, Digest, u32)| {
                *writer == digest && *reset == 0 && address.machine_address() == *machine
            };
            let keys: Vec<_> = self.archive.keys().filter(|key| fits(key)).cloned().collect();
            for key in keys {
                let saved = self.archive.remove(&key).expect("it was there just now");
                if plan.way == Way::Down {
                    found.insert(key, saved);
                }
            }
        }
        found
    }

    /// Returns an instance of one of some applications of which something is archived.
    pub fn archived_in(&self, apps: &BTreeSet<AppName>) -> Option<InstanceAddress> {
        self.archive.keys().map(|(address, ..)| address).find(|address| apps.contains(&address.app)).cloned()
    }

    /// Brings the instances of a machine back that were put away under the code that it has now.
    fn bring_back(&mut self, machine: &MachineAddress) -> u64 {
        let release = self.release.clone().expect("a switch leads to a release");
        let Some(code) = release.machine(machine) else { return 0 };
        let digest = code.digest();
        let fits = |(address, writer, reset): &(InstanceAddress, Digest, u32)| {
            *writer == digest && *reset == 0 && address.machine_address() == *machine
        };
        let keys: Vec<_> = self.archive.keys().filter(|key| fits(key)).cloned().collect();
        let found = keys.into_iter().filter_map(|key| Some((key.clone(), self.archive.remove(&key)?)));
        let found: Archive = found.collect();
        self.restore(found, code)
    }

    /// Returns how many instances a switch would bring back.
    pub fn count_restored(&self, plan: &Plan) -> u64 {
        let comes = |machine: &MachineAddress| {
            if let Some(code) = plan.added.get(machine) {
                return Some(code.digest());
            }
            let mut restarted = plan.restarted().filter(|_| plan.way == Way::Down);
            restarted.find(|code| code.address == *machine).map(|code| code.digest())
        };
        let fits = |(address, writer, reset): &&(InstanceAddress, Digest, u32)| {
            *reset == 0 && comes(&address.machine_address()) == Some(*writer)
        };
        self.archive.keys().filter(fits).count() as u64
    }

    /// Lets archived instances go on.
    fn restore(&mut self, found: Archive, code: &Arc<MachineCode>) -> u64 {
        let mut restored = 0;
        for (key, saved) in found {
            match Instance::load(saved.clone(), code, &|_| None) {
                Ok(mut instance) => {
                    instance.version = self.next_version();
                    instance.cut = self.cut;
                    // It was put away under the code that it has now, after all that lay behind it.
                    instance.is_at(self.switch);
                    // Another life may have come after it under its address, and is archived now: its numbers were
                    // given away, in keys of calls and in what it sent.
                    instance.seq = instance.seq.max(self.archived_seq(&key.0));
                    // Late mail may have made one that is not yet born.
                    if let Some(slot) = self.table.find(&key.0) {
                        self.unlist(slot);
                        self.table.remove(slot);
                    }
                    let slot = self.insert(key.0, instance);
                    if self.table[slot].instance.held().is_none() {
                        self.enlist(slot);
                    }
                    self.note_stuck(slot);
                    restored += 1;
                }
                Err(error) => {
                    tracing::error!(instance = %key.0, %error, "an archived instance is damaged");
                    self.archive.insert(key, saved);
                }
            }
        }
        restored
    }

    /// Returns the highest number of an input that what is archived under an address had; 0 when nothing is.
    pub(super) fn archived_seq(&self, address: &InstanceAddress) -> u64 {
        self.archived_of(address).map(|(_, saved)| saved.seq).max().unwrap_or(0)
    }

    /// Lets a new instance go on with the numbers and kept answers of an archived one.
    pub(super) fn go_on_from_archive(&self, address: &InstanceAddress, instance: &mut Instance) {
        let archived = self.archived_of(address).filter(|((_, _, reset), _)| *reset == 0);
        if let Some(saved) =
            archived.map(|(_, saved)| saved).max_by_key(|saved: &&InstanceSnapshot| saved.seq)
        {
            instance.seq = saved.seq;
            instance.life = saved.life;
            let rest = instance.rest_mut();
            rest.timer_generation = saved.timer_generation;
            rest.kept = Arc::new(Kept::load(saved.kept.clone()));
        }
    }

    /// Lists timers and mail anew, after everything was loaded.
    pub(super) fn list_anew(&mut self) {
        self.timers.clear();
        self.ready.clear();
        let waits = |resident: &&Resident| {
            let rest = resident.instance.rest();
            resident.instance.held().is_none() && !(rest.timers.is_empty() && rest.mailbox.is_empty())
        };
        let waiting: Vec<InstanceAddress> =
            self.table.iter().filter(waits).map(|resident| resident.address.clone()).collect();
        for Resident { instance, .. } in self.table.iter_mut() {
            instance.queued = false;
        }
        for address in waiting {
            let Some(slot) = self.table.find(&address) else { continue };
            let rest = self.table[slot].instance.rest();
            self.timers.extend(
                rest.timers.iter().map(|(name, timer)| (timer.due_ms, address.clone(), name.clone())),
            );
            self.make_ready(slot);
        }
        let slots: Vec<Slot> = (0..self.table.slots()).filter_map(|at| Some(self.table.at(at)?.0)).collect();
        for slot in slots {
            self.note_stuck(slot);
        }
    }
}

/// Returns the first machine of a release that cannot start on an empty node, and why.
pub fn reason_not_startable(release: &Release) -> Option<(MachineAddress, String)> {
    let unkeyed = release.machines().filter(|code| !code.keyed());
    unkeyed.into_iter().find_map(|code| Some((code.address.clone(), birth(code).err()?.1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shard_takes_what_is_remembered_of_its_own_instances_and_takes_it_once() {
        let places = [(0, 0), (0, 9), (1, 0), (1, 4), (1, u32::MAX), (2, 0), (u16::MAX, 3)];
        let memos = Memos::new(places.map(|place| (place, Memo::default())).into());
        let taken = |shard: u16| {
            let mut slots: Vec<usize> = memos.take(shard).into_keys().collect();
            slots.sort_unstable();
            slots
        };
        assert_eq!(taken(1), [0, 4, u32::MAX as usize]);
        assert_eq!(taken(1), [0; 0], "a shard that goes over early takes them then");
        assert_eq!((taken(u16::MAX), taken(0)), (vec![3], vec![0, 9]));
        assert_eq!((taken(3), taken(2), taken(2)), (vec![], vec![0], vec![]));
    }
}
