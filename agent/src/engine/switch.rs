//! Going over from one release to another, once its record is durable.
//!
//! What becomes of every instance follows from the plan and the instances alone, so that a
//! replay of the journal comes to the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::{Limits, check_invariants};
use camshaft_manifests::{InstanceAddress, MachineAddress};
use camshaft_store::{InstanceSnapshot, Status};

use super::carry::{Passage, carry};
use super::instance::{Instance, State};
use super::plan::{Change, Plan, Way};

use super::step::birth;
use super::trial::Trial;
use super::{Engine, kept::Kept};
use crate::api::RollbackCounts;
use crate::release::{MachineCode, Release};

/// Instances that were put away, by address and by the machine that wrote them.
type Archived = BTreeMap<(InstanceAddress, Digest), InstanceSnapshot>;

/// What a switch did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Switched {
    /// What became of the instances.
    pub counts: RollbackCounts,
    /// Instances that are held now, and why.
    pub held: Vec<(InstanceAddress, String)>,
}

impl Engine {
    /// Installs the first release. This is switch number 1.
    pub fn install(&mut self, release: Arc<Release>) {
        self.switch = 1;
        self.config = 1;
        self.release = Some(release.clone());
        for code in release.machines() {
            if !code.keyed() {
                self.start(&code.address);
            }
        }
    }

    /// Goes over to the plan's release. What was tried and did not change since is taken over
    /// from the trial.
    pub fn switch(&mut self, plan: &Plan, number: u64, trial: Option<&mut Trial>) -> Switched {
        debug_assert_eq!(self.outside, 0, "requests from outside are answered before a switch");
        let mut switched = Switched::default();
        let mut tried = trial.map(Trial::take_all).unwrap_or_default();
        let mut back = self.take_given_up(plan);
        // In the order of the addresses: then the new map is built in one go.
        let mut over = vec![];
        for (address, instance) in std::mem::take(&mut self.instances) {
            let change = plan.pairs.get(&address.machine_address());
            match change.expect("a plan says what becomes of every machine") {
                Change::Removed { .. } | Change::Restarts { .. } => {
                    self.put_away(&address, &instance);
                    switched.counts.archived += 1;
                }
                change => {
                    let carried = tried
                        .take(&address, instance.version)
                        .unwrap_or_else(|| carry(plan, change, &address, &instance, number));
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
                    over.push((plan.address_after(&address), instance));
                }
            }
        }
        self.instances = over.into_iter().collect();
        self.switch = number;
        self.config = number;
        self.release = Some(plan.to.clone());
        self.left = (plan.way == Way::Down).then(|| plan.from.clone());
        let restarted: BTreeSet<&MachineAddress> = plan.restarted().map(|code| &code.address).collect();
        for code in plan.to.machines() {
            let restarts = restarted.contains(&code.address);
            if plan.added.contains_key(&code.address) {
                switched.counts.restored += self.bring_back(&code.address);
            } else if restarts {
                let (mine, rest) =
                    back.into_iter().partition(|((at, _), _)| at.machine_address() == code.address);
                back = rest;
                switched.counts.restored += self.restore(mine, code);
            } else {
                continue;
            }
            if !code.keyed() {
                self.start(&code.address);
            }
        }
        self.post_applies(plan, number);
        self.list_anew();
        switched
    }

    /// Gives up the states from before the switch: the release stays.
    pub fn make_permanent(&mut self) {
        for instance in self.instances.values_mut() {
            instance.before = None;
        }
    }

    /// Returns the first instance of which an invariant does not hold, and the reason.
    pub fn check_all(&self) -> Result<(), (InstanceAddress, String)> {
        self.checks().run()
    }

    /// Returns copies of all states with the code to check them, so that it can be done
    /// elsewhere.
    pub fn checks(&self) -> Checks {
        Checks(self.instances.iter().map(|(address, instance)| (address.clone(), instance.clone())).collect())
    }

    /// Starts the one instance of a machine, unless it is there.
    fn start(&mut self, machine: &MachineAddress) {
        let address =
            InstanceAddress { app: machine.app.clone(), machine: machine.machine.clone(), key: None };
        if self.instances.contains_key(&address) {
            return;
        }
        let Some(mut instance) = self.unborn(&address) else { return };
        // A start that traps was refused when it was tried; in a replay its first input will
        // tell.
        if let Ok(live) = birth(&instance.code) {
            instance.state = State::Live(live);
            instance.life += 1;
        }
        instance.version = self.next_version();
        self.instances.insert(address, instance);
    }

    /// Puts an instance into the archive.
    fn put_away(&mut self, address: &InstanceAddress, instance: &Instance) {
        let mut saved = instance.save(address);
        // A state from before is of use to a rollback of this machine only, and it goes away.
        saved.before = None;
        saved.status = match saved.status {
            Status::Held { reason, left_behind } => Status::Archived { held: Some((reason, left_behind)) },
            Status::Live | Status::Archived { .. } => Status::Archived { held: None },
        };
        self.archive.insert((address.clone(), instance.writer()), saved);
    }

    /// Takes what machines gave up when they restarted out of the archive: going back, it is what they
    /// go on with, and coming anew it is forgotten.
    fn take_given_up(&mut self, plan: &Plan) -> Archived {
        let mut found = Archived::default();
        for (was, change) in &plan.pairs {
            let Change::Restarts { from, to } = change else { continue };
            let (machine, digest) = match plan.way {
                Way::Up => (was, from.digest()),
                Way::Down => (&to.address, to.digest()),
            };
            let fits = |(address, writer): &(InstanceAddress, Digest)| {
                *writer == digest && address.machine_address() == *machine
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
        let fits = |(address, writer): &(InstanceAddress, Digest)| {
            *writer == digest && address.machine_address() == *machine
        };
        let keys: Vec<_> = self.archive.keys().filter(|key| fits(key)).cloned().collect();
        let found = keys.into_iter().filter_map(|key| Some((key.clone(), self.archive.remove(&key)?)));
        let found: Archived = found.collect();
        self.restore(found, code)
    }

    /// Lets archived instances go on.
    fn restore(&mut self, found: Archived, code: &Arc<MachineCode>) -> u64 {
        let mut restored = 0;
        for (key, saved) in found {
            match Instance::load(saved.clone(), code, &|_| None) {
                Ok(mut instance) => {
                    instance.version = self.next_version();
                    self.instances.insert(key.0, instance);
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
        let archived = self.archive.iter().filter(|((archived, _), _)| archived == address);
        if let Some(saved) =
            archived.map(|(_, saved)| saved).max_by_key(|saved: &&InstanceSnapshot| saved.seq)
        {
            instance.seq = saved.seq;
            instance.life = saved.life;
            instance.timer_generation = saved.timer_generation;
            instance.kept = Arc::new(Kept::load(saved.kept.clone()));
        }
    }

    /// Lists timers and mail anew.
    pub(super) fn list_anew(&mut self) {
        self.timers.clear();
        self.ready.clear();
        for (address, instance) in &mut self.instances {
            instance.queued = false;
            if instance.held().is_some() {
                continue;
            }
            for (name, timer) in &instance.timers {
                self.timers.insert((timer.due_ms, address.clone(), name.clone()));
            }
            if !instance.mailbox.is_empty() {
                instance.queued = true;
                self.ready.push_back(address.clone());
            }
        }
    }

    /// Returns how many instances a plan would put away: their machines go, or give up their states.
    pub fn archives(&self, plan: &Plan) -> u64 {
        let removed = |address: &&InstanceAddress| {
            let change = plan.pairs.get(&address.machine_address());
            matches!(change, Some(Change::Removed { .. } | Change::Restarts { .. }))
        };
        self.instances.keys().filter(removed).count() as u64
    }
}

/// Returns the first machine of a release that cannot start on an empty node, and why.
pub fn reason_not_startable(release: &Release) -> Option<(MachineAddress, String)> {
    let unkeyed = release.machines().filter(|code| !code.keyed());
    unkeyed.into_iter().find_map(|code| Some((code.address.clone(), birth(code).err()?.1)))
}

/// Copies of all states, with the code to check them.
#[derive(Debug)]
pub struct Checks(Vec<(InstanceAddress, Instance)>);

impl Checks {
    /// Checks the invariants of every state.
    ///
    /// # Errors
    ///
    /// The first instance of which an invariant does not hold, and the reason.
    pub fn run(&self) -> Result<(), (InstanceAddress, String)> {
        for (address, instance) in &self.0 {
            if let State::Live(live) = &instance.state {
                check_invariants(&instance.code.verified, &live.value, Limits::MIGRATION)
                    .map_err(|trap| (address.clone(), trap.to_string()))?;
            }
        }
        Ok(())
    }
}
