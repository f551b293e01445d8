//! Trying a switch on all live instances, without changing any.
//!
//! A trial works on copies, so that the service goes on meanwhile. What was tried is kept: when
//! the switch is made, only the instances that changed since are carried once more.

use std::collections::btree_map::IntoIter;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;
use std::time::Instant;

use camshaft_manifests::{AppName, InstanceAddress, MachineAddress};

use super::applied::try_applies;
use super::carry::{Carried, Passage, carry, check_way_back};
use super::instance::Instance;
use super::plan::{Change, Plan, Way};
use super::step::birth;
use super::table::Resident;
use super::{Shard, shard_of};
use crate::api::{Capsule, TryFailure, TryMachine, TryReport};

/// How many failures a report lists.
const FAILURES_MAX: usize = 100;

/// Copies of instances, to be tried elsewhere.
#[derive(Debug, Default)]
pub struct Carryable {
    instances: Vec<(InstanceAddress, Instance)>,
    number: u64,
    now_ms: i64,
}

/// What came of trying a switch.
#[derive(Debug)]
pub struct Trial {
    plan: Plan,
    /// By instance: the version that was tried, and what came of it.
    tried: BTreeMap<InstanceAddress, (u64, Tried)>,
    number: u64,
    now_ms: i64,
    starts: Vec<InstanceAddress>,
    start_failures: Vec<TryFailure>,
    /// How long the last round took, in microseconds.
    round_us: u64,
}

/// What was tried, by rising address.
#[derive(Debug)]
pub struct TriedInOrder {
    rest: Peekable<IntoIter<InstanceAddress, (u64, Tried)>>,
}

impl Default for TriedInOrder {
    fn default() -> TriedInOrder {
        TriedInOrder { rest: BTreeMap::new().into_iter().peekable() }
    }
}

impl TriedInOrder {
    /// Returns what an instance was carried over to, when it is still the one that was tried.
    /// Addresses are asked for in rising order.
    pub(super) fn take(&mut self, address: &InstanceAddress, version: u64) -> Option<Carried> {
        while self.rest.next_if(|(tried, _)| tried < address).is_some() {}
        let (_, (tried, found)) = self.rest.next_if(|(tried, _)| tried == address)?;
        (tried == version).then_some(found.carried)
    }
}

#[derive(Debug)]
struct Tried {
    machine: MachineAddress,
    carried: Carried,
    /// What is wrong with the way back.
    way_back: Option<TryFailure>,
    /// What is wrong with what the relup applies to it.
    apply: Option<TryFailure>,
    took_us: u64,
}

/// Returns the time since `start` in microseconds.
pub(crate) fn micros(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

impl Shard {
    /// Returns copies of all instances that a plan carries over.
    pub fn carryable(&self, plan: &Plan) -> Carryable {
        self.carryable_if(plan, |_, _| true)
    }

    /// Returns copies of the instances that changed since they were tried. `versions` are those that
    /// were tried.
    pub fn carryable_since(&self, plan: &Plan, versions: &Versions) -> Carryable {
        self.carryable_if(plan, |address, instance| {
            versions.0.get(address).is_none_or(|version| *version != instance.version)
        })
    }

    fn carryable_if(&self, plan: &Plan, wanted: impl Fn(&InstanceAddress, &Instance) -> bool) -> Carryable {
        let stays = |address: &InstanceAddress| {
            matches!(
                plan.pairs.get(&address.machine_address()),
                Some(Change::Stays { .. } | Change::Moves { .. })
            )
        };
        let copy = |Resident { address, instance }: &Resident| {
            (stays(address) && wanted(address, instance)).then(|| (address.clone(), instance.clone()))
        };
        Carryable {
            instances: self.table.iter().filter_map(copy).collect(),
            number: self.switch + 1,
            now_ms: self.now_ms,
        }
    }
}

/// Which versions of instances were tried.
#[derive(Debug, Clone, Default)]
pub struct Versions(BTreeMap<InstanceAddress, u64>);

impl Carryable {
    /// Returns these and those of another shard.
    #[must_use]
    pub fn with(mut self, other: Carryable) -> Carryable {
        self.instances.extend(other.instances);
        self.now_ms = self.now_ms.max(other.now_ms);
        self
    }
}

impl Trial {
    /// Tries a plan on copies of the instances.
    pub fn new(plan: Plan, copies: Carryable) -> Trial {
        let (mut starts, mut start_failures) = (vec![], vec![]);
        for code in plan.to.machines() {
            let begins = plan.added.contains_key(&code.address)
                || plan.restarted().any(|other| other.address == code.address);
            if !code.keyed() && begins {
                let machine = code.address.clone();
                let address = InstanceAddress { app: machine.app, machine: machine.machine, key: None };
                if let Err((kind, reason)) = birth(code) {
                    let value = code.config.to_json_redacted(code.verified.config());
                    let capsule = Capsule {
                        from: code.digest(),
                        to: code.digest(),
                        edge: None,
                        seq: 0,
                        value_digest: camshaft_cam::digest::Digest::of(
                            &code.config.to_binary(code.verified.config()),
                        ),
                        value,
                        cut: false,
                    };
                    start_failures.push(TryFailure {
                        instance: address.to_string(),
                        step: "start".to_owned(),
                        kind: kind.to_owned(),
                        reason,
                        capsule,
                    });
                }
                starts.push(address);
            }
        }
        let (number, now_ms) = (copies.number, copies.now_ms);
        let tried = BTreeMap::new();
        let mut trial = Trial { plan, tried, number, now_ms, starts, start_failures, round_us: 0 };
        trial.again(copies);
        trial
    }

    /// Tries instances once more that changed since.
    pub fn again(&mut self, copies: Carryable) {
        let round = Instant::now();
        for (address, instance) in copies.instances {
            let machine = address.machine_address();
            let change = &self.plan.pairs[&machine];
            let start = Instant::now();
            let carried = carry(&self.plan, change, &address, &instance, self.number);
            // Going back, the newer state is given up on purpose.
            let way_back = match self.plan.way {
                Way::Up => check_way_back(change, &address, &instance, &carried),
                Way::Down => None,
            };
            let after = self.plan.address_after(&address);
            let apply = try_applies(&self.plan, &after, Some(&carried.instance), self.now_ms);
            let tried = Tried { machine, carried, way_back, apply, took_us: micros(start) };
            self.tried.insert(address, (instance.version, tried));
        }
        self.round_us = micros(round);
    }

    /// Returns which versions of instances were tried.
    pub fn versions(&self) -> Versions {
        Versions(self.tried.iter().map(|(address, (version, _))| (address.clone(), *version)).collect())
    }

    /// Returns the plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Gives everything that was tried away, to each shard its own.
    pub fn take_all(&mut self, shards: u16, homes: &BTreeMap<AppName, AppName>) -> Vec<TriedInOrder> {
        let mut parts: Vec<BTreeMap<_, _>> = (0..shards).map(|_| BTreeMap::new()).collect();
        for (address, tried) in std::mem::take(&mut self.tried) {
            let shard = shard_of(homes, shards, &address);
            parts[usize::from(shard)].insert(address, tried);
        }
        parts.into_iter().map(|part| TriedInOrder { rest: part.into_iter().peekable() }).collect()
    }

    /// Returns what is wrong with what the relup applies to instances that are not there yet.
    fn failures_of_new(&self) -> Vec<TryFailure> {
        let there: BTreeSet<InstanceAddress> =
            self.tried.keys().map(|address| self.plan.address_after(address)).collect();
        let new: BTreeSet<&InstanceAddress> =
            self.plan.applies.iter().map(|apply| &apply.address).filter(|at| !there.contains(at)).collect();
        new.into_iter().filter_map(|address| try_applies(&self.plan, address, None, self.now_ms)).collect()
    }

    /// Returns the instances that would be held.
    pub fn holds(&self) -> u64 {
        self.tried.values().filter(|(_, tried)| tried.carried.passage == Passage::Held).count() as u64
    }

    /// Returns what came of it. `archives` is the number of instances whose machines go away.
    pub fn report(&self, archives: u64) -> TryReport {
        let mut machines: BTreeMap<&MachineAddress, TryMachine> = BTreeMap::new();
        let changes = self.plan.pairs.iter().filter_map(|(address, change)| match change {
            Change::Stays { .. } => None,
            Change::Moves { from, to, .. } | Change::Restarts { from, to } => {
                Some((address, Some(from.digest()), Some(to.digest())))
            }
            Change::Removed { from } => Some((address, Some(from.digest()), None)),
        });
        let added = self.plan.added.iter().map(|(address, to)| (address, None, Some(to.digest())));
        for (address, from, to) in changes.chain(added) {
            let machine = TryMachine {
                machine: address.to_string(),
                from,
                to,
                states: 0,
                untouched: 0,
                messages: 0,
                bytes_before: 0,
                bytes_after: 0,
                worst_us: 0,
            };
            machines.insert(address, machine);
        }
        let of_new = self.failures_of_new();
        let mut failures: Vec<&TryFailure> = self.start_failures.iter().chain(&of_new).collect();
        let (mut moved, mut parks, mut lossy) = (0, 0, 0);
        for (_, tried) in self.tried.values() {
            let Carried { passage, moved: carried, parked, bytes, .. } = &tried.carried;
            moved += carried;
            parks += parked;
            lossy += u64::from(tried.way_back.is_some());
            failures.extend(&tried.carried.failures);
            failures.extend(&tried.way_back);
            failures.extend(&tried.apply);
            if let Some(machine) = machines.get_mut(&tried.machine) {
                machine.states += u64::from(*passage != Passage::Untouched);
                machine.untouched += u64::from(*passage == Passage::AsItIs);
                machine.messages += carried;
                machine.bytes_before += bytes.0;
                machine.bytes_after += bytes.1;
                machine.worst_us = machine.worst_us.max(tried.took_us);
            }
        }
        let order = self.plan.to.machines().chain(self.plan.from.machines());
        let mut in_order = vec![];
        for code in order {
            in_order.extend(machines.remove(&code.address));
        }
        // Going back, what no arrow accepts is parked and speaks against nothing.
        let passed = match self.plan.way {
            Way::Up => failures.is_empty(),
            Way::Down => self.holds() == 0 && self.start_failures.is_empty(),
        };
        TryReport {
            from: self.plan.from.reference(),
            to: self.plan.to.reference(),
            passed,
            machines: in_order,
            starts: self.starts.iter().map(ToString::to_string).collect(),
            archives,
            moved,
            parks,
            failure_count: failures.len() as u64,
            failures: failures.into_iter().take(FAILURES_MAX).cloned().collect(),
            pause_us: self.round_us,
            downgrade_lossy: lossy,
        }
    }
}
