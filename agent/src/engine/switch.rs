//! Going over from one release to another, once its record is durable.
//!
//! What becomes of every instance follows from the plan and the instances alone, so that a
//! replay of the journal comes to the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::{Limits, check_invariants};
use camshaft_manifests::{AppName, InstanceAddress, MachineAddress};
use camshaft_store::{InstanceSnapshot, Status};

use super::carry::{Passage, carry, leave_behind};
use super::instance::{Instance, Mail, State};
use super::kept::Kept;
use super::plan::{Change, Plan, Way};
use super::step::{Runner, birth};
use super::supervise::Counters;
use super::table::Resident;
use super::trial::TriedInOrder;
use super::watch::{Risk, Unwatched, Watch};
use super::{Archive, Shard};
use crate::api::RollbackCounts;
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
}

/// What a switch did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Switched {
    /// What became of the instances.
    pub counts: RollbackCounts,
    /// Instances that are held now, and why.
    pub held: Vec<(InstanceAddress, String)>,
}

impl Switched {
    /// Adds what another shard did.
    pub fn add(&mut self, other: Switched) {
        let RollbackCounts { untouched, before_image, down, held, moved, parked, archived, restored } =
            other.counts;
        let counts = &mut self.counts;
        counts.untouched += untouched;
        counts.before_image += before_image;
        counts.down += down;
        counts.held += held;
        counts.moved += moved;
        counts.parked += parked;
        counts.archived += archived;
        counts.restored += restored;
        self.held.extend(other.held);
    }
}

impl Epoch {
    /// Returns the switch that installs the first release.
    pub fn install(release: Arc<Release>) -> Epoch {
        Epoch { number: 1, release, plan: None, homes: Arc::default() }
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
        Epoch { number, release: plan.to.clone(), plan: Some(plan), homes: Arc::new(next) }
    }
}

impl Shard {
    /// Goes over a switch. What was tried and did not change since is taken over from the trial.
    pub fn enter(&mut self, epoch: &Epoch, tried: TriedInOrder) -> Switched {
        self.enter_watched(epoch, tried, &mut Unwatched)
    }

    /// The same, and somebody is asked before code of a machine runs.
    pub fn enter_watched(&mut self, epoch: &Epoch, tried: TriedInOrder, watch: &mut dyn Watch) -> Switched {
        debug_assert!(epoch.number > self.switch, "switches are gone over once, in order");
        self.drop_saving();
        self.homes = epoch.homes.clone();
        match &epoch.plan {
            None => {
                self.run_release(&epoch.release);
                (self.switch, self.config) = (epoch.number, epoch.number);
                self.start_all(|_| true, watch);
                Switched::default()
            }
            Some(plan) => self.enter_by(plan, epoch.number, tried, watch),
        }
    }

    /// The same for a shard that may have gone over already, because of a message from one that had.
    pub fn enter_once(&mut self, epoch: &Epoch, tried: TriedInOrder) -> Switched {
        self.enter_early(epoch, tried);
        std::mem::take(&mut self.switched)
    }

    /// Goes over a switch because of a message from a shard that has.
    pub fn enter_early(&mut self, epoch: &Epoch, tried: TriedInOrder) {
        if self.switch < epoch.number {
            self.switched = self.enter(epoch, tried);
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
        };
        self.runners = release.machines().map(runner).collect();
        self.care.take_up(&release.resolved);
        self.machines = self
            .runners
            .iter()
            .enumerate()
            .map(|(place, runner)| (runner.code.address.clone(), place))
            .collect();
    }

    /// Takes up the release that runs, with what the switch before it left, before instances are loaded.
    pub fn resume(&mut self, epoch: &Epoch, left: Option<Arc<Release>>) {
        self.run_release(&epoch.release);
        self.homes = epoch.homes.clone();
        self.left = left;
    }

    fn enter_by(
        &mut self,
        plan: &Arc<Plan>,
        number: u64,
        mut tried: TriedInOrder,
        watch: &mut dyn Watch,
    ) -> Switched {
        let mut switched = Switched::default();
        let mut back = self.take_given_up(plan);
        // In the order of the addresses, as they were tried.
        let residents = self.table.take_all();
        self.run_release(&plan.to);
        for Resident { address, instance } in residents {
            let change = plan.pairs.get(&address.machine_address());
            match change.expect("a plan says what becomes of every machine") {
                Change::Removed { .. } | Change::Restarts { .. } => {
                    self.put_away(&address, &instance);
                    switched.counts.archived += 1;
                }
                change => {
                    let after = plan.address_after(&address);
                    let carried = tried.take(&address, instance.version).unwrap_or_else(|| {
                        let runs = matches!(change, Change::Moves { .. }) && instance.held().is_none();
                        match runs.then(|| watch.before(Risk::Carry, &after)).flatten() {
                            Some(reason) => leave_behind(plan, change, &address, &instance, reason),
                            None => carry(plan, change, &address, &instance, number),
                        }
                    });
                    match carried.passage {
                        Passage::Untouched | Passage::AsItIs => switched.counts.untouched += 1,
                        Passage::BeforeImage => switched.counts.before_image += 1,
                        Passage::Edge => switched.counts.down += 1,
                        Passage::Held => {
                            switched.counts.held += 1;
                            let reason = carried.instance.held().map_or("", |held| &held.reason).to_owned();
                            switched.held.push((address.clone(), reason));
                        }
                    }
                    switched.counts.moved += carried.moved;
                    switched.counts.parked += carried.parked;
                    let mut instance = carried.instance;
                    instance.version = self.next_version();
                    instance.queued = false;
                    instance.cut = self.cut;
                    self.insert(after, instance);
                }
            }
        }
        self.switch = number;
        self.config = number;
        self.plan = Some(plan.clone());
        self.left = (plan.way == Way::Down).then(|| plan.from.clone());
        let restarted: BTreeSet<&MachineAddress> = plan.restarted().map(|code| &code.address).collect();
        for code in plan.to.machines() {
            if plan.added.contains_key(&code.address) {
                switched.counts.restored += self.bring_back(&code.address);
            } else if restarted.contains(&code.address) {
                let (mine, rest) =
                    back.into_iter().partition(|((at, ..), _)| at.machine_address() == code.address);
                back = rest;
                switched.counts.restored += self.restore(mine, code);
            }
        }
        let comes =
            |code: &MachineCode| plan.added.contains_key(&code.address) || restarted.contains(&code.address);
        self.start_all(comes, watch);
        self.post_applies(plan, number);
        self.list_anew();
        switched
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

    /// Gives up the states from before the switch: the release stays.
    pub fn make_permanent(&mut self) {
        for Resident { instance, .. } in self.table.iter_mut() {
            // Two copies with the same number are the same, but for what is of no use any more.
            if let Some(rest) = instance.rest_if_any() {
                rest.before = None;
            }
            instance.shrink();
        }
    }

    /// Returns copies of all states with the code to check them, so that it can be done
    /// elsewhere.
    pub fn checks(&self) -> Checks {
        let copy = |resident: &Resident| (resident.address.clone(), resident.instance.clone());
        Checks(self.table.iter().map(copy).collect())
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
            instance.hold(reason, false);
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
        saved.status = match saved.status {
            Status::Held { reason, left_behind } => Status::Archived { held: Some((reason, left_behind)) },
            Status::Live | Status::Archived { .. } | Status::Reset => Status::Archived { held: None },
        };
        self.archive.insert((address.clone(), instance.writer(), 0), saved);
    }

    /// Puts a message that came late into the archive, to those that its receiver left there.
    pub(super) fn put_to_archive(&mut self, address: &InstanceAddress, mail: &Mail) {
        let Some(plan) = self.plan.clone() else { return };
        let Some(Change::Removed { from } | Change::Restarts { from, .. }) =
            plan.pairs.get(&address.machine_address())
        else {
            return;
        };
        let key = (address.clone(), from.digest(), 0);
        let saved = self.archive.entry(key).or_insert_with(|| {
            let mut saved = Instance::unborn(from.clone()).save(address);
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

    /// Lets archived instances go on.
    fn restore(&mut self, found: Archive, code: &Arc<MachineCode>) -> u64 {
        let mut restored = 0;
        for (key, saved) in found {
            match Instance::load(saved.clone(), code, &|_| None) {
                Ok(mut instance) => {
                    instance.version = self.next_version();
                    instance.cut = self.cut;
                    // Late mail may have made one that is not yet born.
                    if let Some(slot) = self.table.find(&key.0) {
                        self.table.remove(slot);
                    }
                    self.insert(key.0, instance);
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

    /// Lets a new instance go on with the numbers and kept answers of an archived one.
    pub(super) fn go_on_from_archive(&self, address: &InstanceAddress, instance: &mut Instance) {
        let from = (address.clone(), Digest::from_bytes([0; 32]), 0);
        let archived = self.archive.range(from..).take_while(|((archived, ..), _)| archived == address);
        let archived = archived.filter(|((_, _, reset), _)| *reset == 0);
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

    /// Lists timers and mail anew.
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
    }

    /// Returns how many instances a plan would put away: their machines go, or give up their states.
    pub fn archives(&self, plan: &Plan) -> u64 {
        let removed = |resident: &&Resident| {
            let change = plan.pairs.get(&resident.address.machine_address());
            matches!(change, Some(Change::Removed { .. } | Change::Restarts { .. }))
        };
        self.table.iter().filter(removed).count() as u64
    }
}

/// Returns the first machine of a release that cannot start on an empty node, and why.
pub fn reason_not_startable(release: &Release) -> Option<(MachineAddress, String)> {
    let unkeyed = release.machines().filter(|code| !code.keyed());
    unkeyed.into_iter().find_map(|code| Some((code.address.clone(), birth(code).err()?.1)))
}

/// Copies of all states, with the code to check them.
#[derive(Debug, Default)]
pub struct Checks(Vec<(InstanceAddress, Instance)>);

impl Checks {
    /// Adds those of another shard.
    pub fn add(&mut self, other: Checks) {
        self.0.extend(other.0);
    }

    /// Checks the invariants of every state.
    ///
    /// # Errors
    ///
    /// The first instance of which an invariant does not hold, and the reason.
    pub fn run(&self) -> Result<(), (InstanceAddress, String)> {
        self.run_watched(|_| None)
    }

    /// The same. `before` is asked before a state is checked; what it returns is the reason why the state does not
    /// pass, and it is not checked.
    ///
    /// # Errors
    ///
    /// The first instance that does not pass, and the reason.
    pub fn run_watched(
        &self,
        mut before: impl FnMut(&InstanceAddress) -> Option<String>,
    ) -> Result<(), (InstanceAddress, String)> {
        for (address, instance) in &self.0 {
            if let State::Live(value) = &instance.state {
                if let Some(reason) = before(address) {
                    return Err((address.clone(), reason));
                }
                check_invariants(&instance.code.verified, value, Limits::MIGRATION)
                    .map_err(|trap| (address.clone(), trap.to_string()))?;
            }
        }
        Ok(())
    }
}
