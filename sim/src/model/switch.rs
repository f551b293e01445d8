//! Going from one release to another and back: which it may be, and what becomes of every instance.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::digest::Digest;
use camshaft_cam::evaluate::arrows::check_invariants;
use camshaft_cam::value::Value;
use camshaft_manifests::{InstanceAddress, MachineAddress};

use super::arrows::down;
use super::carry::Carried;
use super::step::{Cause, Sees, birth};
use super::{Instance, Mail, Model, Origin, State, Trail, Unapplied, Wrong, wrong};
use crate::node::Command;
use crate::seen::Way;
use crate::world::build::Member;

/// What becomes of a machine that runs.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Stays(MachineAddress),
    Moves(MachineAddress),
    Restarts(MachineAddress),
    Removed,
}

/// A switch, worked out from what the two releases say.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) up: bool,
    /// By the addresses before.
    pub(super) changes: BTreeMap<MachineAddress, Change>,
    added: Vec<MachineAddress>,
    /// Inputs that are given after it; the place of the one that each undoes.
    applies: Vec<(InstanceAddress, Value, Option<u32>)>,
}

impl Plan {
    /// Returns the address after the switch.
    pub(super) fn after(&self, address: &InstanceAddress) -> InstanceAddress {
        match self.changes.get(&address.machine_address()) {
            Some(Change::Stays(to) | Change::Moves(to)) => address.at(to),
            _ => address.clone(),
        }
    }

    /// Returns the machines that become others: where each is before and after.
    pub(super) fn moves(&self) -> impl Iterator<Item = (&MachineAddress, &MachineAddress)> {
        self.changes.iter().filter_map(|(was, change)| match change {
            Change::Moves(is) => Some((was, is)),
            Change::Stays(_) | Change::Restarts(_) | Change::Removed => None,
        })
    }

    fn restarted(&self) -> impl Iterator<Item = &MachineAddress> {
        self.changes.values().filter_map(|change| match change {
            Change::Restarts(to) => Some(to),
            _ => None,
        })
    }
}

impl Model {
    pub(super) fn plan(&self, from: usize, to: usize) -> Plan {
        let up = to > from;
        let (old, new) = (&self.world.editions[from.min(to)], &self.world.editions[from.max(to)]);
        let mut pairs = vec![];
        let mut new_only = vec![];
        for (address, member) in &new.members {
            let was = new.said.was(address).filter(|was| old.members.contains_key(was));
            match was {
                Some(was) => {
                    let restarts = new.said.restarts.contains_key(&address.app);
                    let stays = old.members[&was].part.digest() == member.part.digest();
                    pairs.push((was, address.clone(), restarts, stays));
                }
                None => new_only.push(address.clone()),
            }
        }
        let paired: BTreeSet<&MachineAddress> = pairs.iter().map(|(was, ..)| was).collect();
        let old_only: Vec<MachineAddress> =
            old.members.keys().filter(|address| !paired.contains(address)).cloned().collect();
        let (added, removed) = if up { (new_only, old_only) } else { (old_only, new_only) };
        let mut changes: BTreeMap<_, _> =
            removed.into_iter().map(|address| (address, Change::Removed)).collect();
        for (was, address, restarts, stays) in pairs {
            let (before, after) = if up { (was, address) } else { (address, was) };
            let change = match (restarts, stays) {
                (true, _) => Change::Restarts(after),
                (false, true) => Change::Stays(after),
                (false, false) => Change::Moves(after),
            };
            changes.insert(before, change);
        }
        let applies = self.applies(old, new, up);
        Plan { from, to, up, changes, added, applies }
    }

    fn applies(
        &self,
        old: &crate::world::build::Edition,
        new: &crate::world::build::Edition,
        up: bool,
    ) -> Vec<(InstanceAddress, Value, Option<u32>)> {
        let mut applies = vec![];
        for (place, apply) in (0u32..).zip(&new.said.applies) {
            let (edition, machine, json) = if up {
                (new, Some(apply.machine.clone()), Some(&apply.input))
            } else {
                (old, new.said.was(&apply.machine), apply.inverse.as_ref())
            };
            let (Some(machine), Some(json)) = (machine, json) else { continue };
            let ty = edition.members[&machine].part.verified.input();
            let input = Value::from_json(json, ty).expect("the pool's inputs are good");
            let address =
                InstanceAddress { app: machine.app, machine: machine.machine, key: apply.key.clone() };
            applies.push((address, input, (!up).then_some(place)));
        }
        if !up {
            applies.reverse();
        }
        applies
    }

    /// Returns why a switch would be refused when it is tried now.
    pub(super) fn reason_not_to(&self, to: usize, up: bool) -> Result<Option<String>, Wrong> {
        let plan = self.plan(self.running().expect("a release runs"), to);
        for machine in plan.added.iter().chain(plan.restarted()) {
            let member = &self.world.editions[to].members[machine];
            if let (false, Err((kind, reason))) = (member.part.checked.keyed, birth(member)) {
                return Ok(Some(format!("{machine} does not start: {kind}: {reason}")));
            }
        }
        let mut there = BTreeSet::new();
        for (address, instance) in &self.instances {
            if !matches!(plan.changes[&address.machine_address()], Change::Stays(_) | Change::Moves(_)) {
                continue;
            }
            let carried = self.carry(&plan, address, instance)?;
            let after = plan.after(address);
            there.insert(after.clone());
            if !up {
                if carried.instance.is_held() && !instance.is_held() {
                    return Ok(Some(format!("{address} would be held: {:?}", carried.failures)));
                }
                continue;
            }
            if let Some(failure) = carried.failures.first() {
                return Ok(Some(format!("{address}: {failure}")));
            }
            if let Some(reason) = self.reason_not_back(&plan, instance, &carried)? {
                return Ok(Some(format!("{address}: {reason}")));
            }
            if let Some(reason) = self.reason_not_applied(&plan, &after, Some(&carried.instance)) {
                return Ok(Some(format!("{after}: {reason}")));
            }
        }
        let new = plan
            .applies
            .iter()
            .map(|(address, ..)| address)
            .filter(|address| up && !there.contains(*address));
        Ok(new.filter_map(|address| self.reason_not_applied(&plan, address, None)).next())
    }

    /// A state that went up must come back as it was.
    fn reason_not_back(
        &self,
        plan: &Plan,
        before: &Instance,
        carried: &Carried,
    ) -> Result<Option<String>, Wrong> {
        let (true, State::Live(old), State::Live(new)) =
            (carried.moved, &before.state, &carried.instance.state)
        else {
            return Ok(None);
        };
        let to = &carried.instance.member;
        let way = self.way(plan, &before.member, to).expect("a machine that changes has an edge");
        let kept = carried.instance.aside.as_ref().map(|(_, kept)| kept);
        Ok(match down(way, new, kept, &before.member.part, &to.part)? {
            Ok(back) if back == *old => None,
            Ok(back) => Some(format!("the way back gives {back:?}")),
            Err(trap) => Some(trap.to_string()),
        })
    }

    /// Tries what a relup applies to an instance, without what only the real step can see.
    fn reason_not_applied(
        &self,
        plan: &Plan,
        address: &InstanceAddress,
        instance: Option<&Instance>,
    ) -> Option<String> {
        let mut applies = plan.applies.iter().filter(|(to, ..)| to == address).peekable();
        applies.peek()?;
        let member = self.world.editions[plan.to].members[&address.machine_address()].clone();
        let mut instance = instance.cloned().unwrap_or_else(|| Instance::unborn(member));
        if instance.is_held() {
            return Some("it is held".to_owned());
        }
        // Outputs and effects are of no interest; a model of the other release would send them elsewhere.
        let mut after = self.clone();
        after.lineage = vec![plan.to];
        for (_, input, _) in applies {
            let sees = Sees { now_ms: self.now_ms, seed: 0 };
            match after.compute(address, &instance, input, sees, &Cause::Other).outcome {
                Ok(outcome) => {
                    instance.state = State::Live(outcome.into_state());
                    instance.seq += 1;
                }
                Err((kind, reason)) => return Some(format!("{kind}: {reason}")),
            }
        }
        None
    }

    /// Returns why the last switch has to be undone.
    pub(super) fn reason_to_undo(&self) -> Option<String> {
        if let Some(unapplied) = self.unapplied.values().next() {
            let word = if unapplied.failed { "traps" } else { "waits" };
            return Some(format!("an input for {} {word}", unapplied.address));
        }
        self.instances.iter().find_map(|(address, instance)| {
            let State::Live(state) = &instance.state else { return None };
            let trap = check_invariants(&instance.member.part.checked, state).err()?;
            Some(format!("{address}: {trap}"))
        })
    }

    /// Returns the codes with which a command may be refused; none of them when it must be done.
    ///
    /// # Errors
    ///
    /// When the arrows of an edge contradict its text.
    pub fn reasons_to_refuse(&self, command: &Command) -> Result<Vec<&'static str>, Wrong> {
        let running = self.running();
        Ok(match (command.clone(), running) {
            (Command::Install(_), Some(_)) => vec!["not-empty"],
            (Command::Install(_), None) => vec![],
            (Command::Remove { place, .. }, _) if !self.kept.contains(&place) => vec!["unknown-release"],
            (Command::Remove { place, gives_up }, Some(_)) => {
                // What still needs it depends on how far the node is with what nobody asked for.
                let leads_back = self.lineage.contains(&place) && !gives_up;
                let way_back = leads_back.then_some("way-back");
                ["release-needed"].into_iter().chain(way_back).collect()
            }
            (Command::Redrive { address, what }, _) => self.reasons_not_redriven(&address, what),
            (_, None) => vec!["empty"],
            (Command::Permanent, Some(_)) if !self.provisional => vec!["not-provisional"],
            (Command::Permanent, Some(_)) => vec![],
            (Command::Try(to), Some(from)) => self.reasons_not_up(from, to, false)?,
            (Command::Upgrade { to, drops }, Some(from)) => self.reasons_not_up(from, to, drops)?,
            (Command::Rollback { hold }, Some(_)) => match self.previous() {
                None => vec!["nothing-to-roll-back"],
                Some(_) if hold => vec![],
                Some(to) => self.reason_not_to(to, false)?.map(|_| "would-hold").into_iter().collect(),
            },
        })
    }

    fn reasons_not_up(&self, from: usize, to: usize, drops: bool) -> Result<Vec<&'static str>, Wrong> {
        if to != from + 1 {
            return Ok(vec!["other-base"]);
        }
        if self.provisional {
            return Ok(vec!["provisional"]);
        }
        let left = if drops { Some(false) } else { self.leaves_behind(to) };
        let tried = self.reason_not_to(to, true)?.map(|_| "trial-failed");
        Ok(match left {
            Some(true) => vec!["clients-left-behind"],
            Some(false) => tried.into_iter().collect(),
            // Uncertain: either is well.
            None => vec!["clients-left-behind", tried.unwrap_or("")],
        })
    }

    pub(super) fn follow_switch(&mut self, number: u64, from: &str, to: &str, way: Way) -> Result<(), Wrong> {
        let what = format!("switch {number}, {}", Model::way_word(way));
        let (from_place, to_place) = (self.place(from)?, self.place(to)?);
        if Some(from_place) != self.running() {
            return wrong(what, format!("from {}", self.version()), format!("from {from}"));
        }
        if number != self.switch + 1 {
            return wrong(what, format!("switch {}", self.switch + 1), format!("switch {number}"));
        }
        let up = way == Way::Up;
        let expected = if up { Some(from_place + 1) } else { self.previous() };
        if expected != Some(to_place) {
            return wrong(what, format!("to the release of place {expected:?}"), format!("to {to}"));
        }
        if up && let Some(reason) = self.reason_not_to(to_place, true)? {
            return wrong(what, format!("a refusal: {reason}"), "the switch");
        }
        match way {
            Way::Up => self.tally.ups += 1,
            Way::Down => self.tally.downs += 1,
            Way::Undo => self.tally.undone += 1,
        }
        if !self.may_be_full
            && way != Way::Undo
            && let Some(deed) = self.care.first_untold()
        {
            return wrong(what, "what was done because of traps is told before", format!("{deed:?}"));
        }
        self.close_requests();
        let apps = &self.world.editions[to_place].resolved.apps;
        self.care.switched(|app| apps.iter().any(|of| of.name == *app));
        let plan = self.plan(from_place, to_place);
        self.go_over(&plan, number)?;
        self.note_older(&plan);
        self.switch = number;
        self.provisional = up;
        self.unchecked = up;
        if !up {
            self.lineage.pop();
            self.left = Some(from_place);
        } else {
            self.lineage.push(to_place);
            self.kept.insert(to_place);
            self.left = None;
        }
        for machine in plan.added.iter().chain(plan.restarted()).cloned().collect::<Vec<_>>() {
            self.begin(&machine);
        }
        self.post_applies(&plan, number);
        Ok(())
    }

    fn go_over(&mut self, plan: &Plan, number: u64) -> Result<(), Wrong> {
        debug_assert_eq!(number, self.switch + 1, "it was looked at");
        let back = self.take_given_up(plan);
        let mut after = BTreeMap::new();
        for (address, instance) in std::mem::take(&mut self.instances) {
            if let Change::Removed | Change::Restarts(_) = plan.changes[&address.machine_address()] {
                self.tally.archived += 1;
                self.care.forget(&address);
                // What waits is settled before it is put away, of one that is held as well.
                let instance =
                    if instance.is_held() { self.settled_held(&address, instance)? } else { instance };
                let key = (address, instance.writer());
                // A state from before a switch is of use to who goes back from it, and nobody will.
                self.archive.insert(key, Instance { before: None, rewind: None, ..instance });
                continue;
            }
            let carried = self.carry(plan, &address, &instance)?;
            self.tally.moved += u64::from(carried.moved);
            self.tally.put_back += u64::from(carried.put_back);
            self.tally.rewound += u64::from(carried.rewound);
            self.tally.held += u64::from(carried.instance.is_held());
            self.tally.parked += carried.parked;
            self.tally.unparked += carried.unparked;
            self.tally.asides += u64::from(!plan.up && carried.moved && instance.aside.is_some());
            after.insert(plan.after(&address), carried.instance);
        }
        self.instances = after;
        for machine in &plan.added {
            let member = self.world.editions[plan.to].members[machine].clone();
            let digest = member.part.digest();
            let fits = |(address, writer): &(InstanceAddress, Digest)| {
                *writer == digest && address.machine_address() == *machine
            };
            let keys: Vec<_> = self.archive.keys().filter(|key| fits(key)).cloned().collect();
            for key in keys {
                let instance = self.archive.remove(&key).expect("it was there just now");
                self.restore(key.0, instance, member.clone());
            }
        }
        for (address, instance) in back {
            let member = self.world.editions[plan.to].members[&address.machine_address()].clone();
            self.restore(address, instance, member);
        }
        Ok(())
    }

    fn restore(&mut self, address: InstanceAddress, instance: Instance, member: Member) {
        self.tally.restored += 1;
        // No number is given to two inputs, also where another life came in between.
        let archived = self.archive.iter().filter(|((archived, _), _)| *archived == address);
        let seq = archived.map(|(_, archived)| archived.seq).fold(instance.seq, u64::max);
        self.instances.insert(address.clone(), Instance { member, seq, ..instance });
        // It was put away as it was then.
        self.forget_trails(&address);
    }

    /// Takes what machines gave up when they restarted out of the archive: going back, they go on with it;
    /// restarting again, it is forgotten.
    fn take_given_up(&mut self, plan: &Plan) -> Vec<(InstanceAddress, Instance)> {
        let mut found = vec![];
        for (was, change) in &plan.changes {
            let Change::Restarts(to) = change else { continue };
            let (place, machine) = if plan.up { (plan.from, was) } else { (plan.to, to) };
            let digest = self.world.editions[place].members[machine].part.digest();
            let fits = |(address, writer): &(InstanceAddress, Digest)| {
                *writer == digest && address.machine_address() == *machine
            };
            let keys: Vec<_> = self.archive.keys().filter(|key| fits(key)).cloned().collect();
            for key in keys {
                let instance = self.archive.remove(&key).expect("it was there just now");
                if !plan.up {
                    found.push((key.0, instance));
                }
            }
        }
        found
    }

    /// Starts the one instance of a machine without keys, unless it is there.
    pub(super) fn begin(&mut self, machine: &MachineAddress) {
        let Some(member) = self.member(machine).filter(|member| !member.part.checked.keyed).cloned() else {
            return;
        };
        let address =
            InstanceAddress { app: machine.app.clone(), machine: machine.machine.clone(), key: None };
        if self.instances.contains_key(&address) {
            return;
        }
        let mut instance = self.unborn(&address, member);
        if let Ok(state) = birth(&instance.member) {
            instance.state = State::Live(state);
            instance.life += 1;
        }
        self.instances.insert(address, instance);
    }

    fn post_applies(&mut self, plan: &Plan, number: u64) {
        let never: Vec<u32> = std::mem::take(&mut self.unapplied).into_keys().collect();
        let numbered: Vec<_> = (0u32..).zip(&plan.applies).collect();
        for (index, (address, input, undoes)) in numbered.into_iter().rev() {
            if undoes.is_some_and(|undone| never.contains(&undone)) {
                continue;
            }
            let member = self.member(&address.machine_address()).expect("it is of the release").clone();
            let writer = member.part.digest();
            let unborn = self.unborn(address, member);
            let instance = self.instances.entry(address.clone()).or_insert(unborn);
            let origin = Origin::Relup { switch: number, index };
            let trail = Trail::default();
            instance.mailbox.push_front(Mail { origin, writer, input: input.clone(), trail });
            if plan.up {
                self.unapplied.insert(index, Unapplied { address: address.clone(), failed: false });
            }
        }
    }
}
