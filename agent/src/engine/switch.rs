//! Going over from one release to another, once its record is durable.
//!
//! What becomes of every instance follows from the plan and the instances alone, so that a
//! replay of the journal comes to the same.

use std::sync::Arc;

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
use crate::release::Release;

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
        // In the order of the addresses: then the new map is built in one go.
        let mut over = vec![];
        for (address, instance) in std::mem::take(&mut self.instances) {
            let change = plan.pairs.get(&address.machine_address());
            match change.expect("a plan says what becomes of every machine") {
                Change::Removed { .. } => {
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
                    over.push((address, instance));
                }
            }
        }
        self.instances = over.into_iter().collect();
        self.switch = number;
        self.config = number;
        self.release = Some(plan.to.clone());
        self.left = (plan.way == Way::Down).then(|| plan.from.clone());
        for code in plan.to.machines() {
            if matches!(plan.pairs.get(&code.address), Some(Change::Added { .. })) {
                switched.counts.restored += self.bring_back(&code.address);
                if !code.keyed() {
                    self.start(&code.address);
                }
            }
        }
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

    /// Brings the instances of a machine back that were put away under the code that it has now.
    fn bring_back(&mut self, machine: &MachineAddress) -> u64 {
        let release = self.release.clone().expect("a switch leads to a release");
        let Some(code) = release.machine(machine) else { return 0 };
        let digest = code.digest();
        let fits = |(address, writer): &(InstanceAddress, camshaft_cam::digest::Digest)| {
            *writer == digest && address.machine_address() == *machine
        };
        let found: Vec<_> = self.archive.keys().filter(|key| fits(key)).cloned().collect();
        let mut restored = 0;
        for key in found {
            let Some(saved) = self.archive.remove(&key) else { continue };
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

    /// Returns how many instances a plan would put away.
    pub fn archives(&self, plan: &Plan) -> u64 {
        let removed = |address: &&InstanceAddress| {
            matches!(plan.pairs.get(&address.machine_address()), Some(Change::Removed { .. }))
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
