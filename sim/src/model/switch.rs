//! Going from one release to another and back: which it may be, and what becomes of every instance.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::digest::Digest;
use camshaft_cam::evaluate::arrows::check_invariants;
use camshaft_cam::run::EdgeArrow;
use camshaft_cam::value::Value;
use camshaft_manifests::{InstanceAddress, MachineAddress};

use super::arrows::{along, down, keep};
use super::step::{Cause, Sees, birth};
use super::{Instance, Mail, Model, Origin, Parked, State, Timer, Trail, Unapplied, Wrong, wrong};
use crate::node::Command;
use crate::seen::Way;
use crate::world::build::Member;

/// What becomes of a machine that runs.
#[derive(Debug, Clone)]
enum Change {
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
    changes: BTreeMap<MachineAddress, Change>,
    added: Vec<MachineAddress>,
    /// Inputs that are given after it; the place of the one that each undoes.
    applies: Vec<(InstanceAddress, Value, Option<u32>)>,
}

/// An instance after a switch.
struct Carried {
    instance: Instance,
    /// What went wrong.
    failures: Vec<String>,
    moved: bool,
    put_back: bool,
    rewound: bool,
    parked: u64,
    unparked: u64,
}

impl Carried {
    /// Returns an instance to which nothing has happened yet.
    fn of(instance: Instance) -> Carried {
        Carried {
            instance,
            failures: vec![],
            moved: false,
            put_back: false,
            rewound: false,
            parked: 0,
            unparked: 0,
        }
    }
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
    fn plan(&self, from: usize, to: usize) -> Plan {
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

    /// Returns the way between a machine and the one that it becomes: the edge of the newer of both.
    fn way<'m>(
        &'m self,
        plan: &Plan,
        before: &'m Member,
        after: &'m Member,
    ) -> Option<&'m crate::world::build::Way> {
        if plan.up { after.edge.as_deref() } else { before.edge.as_deref() }
    }

    fn carry(&self, plan: &Plan, address: &InstanceAddress, instance: &Instance) -> Result<Carried, Wrong> {
        let change = &plan.changes[&address.machine_address()];
        let (Change::Stays(after) | Change::Moves(after)) = change else { unreachable!("its states go on") };
        let to = &self.world.editions[plan.to].members[after];
        let mut carried = Carried::of(Instance { member: to.clone(), ..instance.clone() });
        self.rename_dead(plan, &mut carried.instance);
        go_on(plan, &mut carried.instance);
        if matches!(change, Change::Moves(_)) {
            carried.instance.rewind = None;
            self.carry_state(plan, address, instance, &mut carried)?;
        }
        if carried.instance.is_held() {
            return Ok(carried);
        }
        self.carry_inputs(plan, &address_after(plan, address), &mut carried)?;
        Ok(carried)
    }

    /// Calls those who wrote dead letters as they are called now.
    fn rename_dead(&self, plan: &Plan, instance: &mut Instance) {
        for parked in &mut instance.parked {
            if let Parked::Dead(mail) = parked {
                rename(plan, &mut mail.origin);
            }
        }
    }

    fn carry_state(
        &self,
        plan: &Plan,
        address: &InstanceAddress,
        before: &Instance,
        carried: &mut Carried,
    ) -> Result<(), Wrong> {
        let to = carried.instance.member.clone();
        let digest = to.part.digest();
        match &before.state {
            State::None => {}
            State::Held { part, state, left_behind: true } if part.digest() == digest => {
                carried.instance.state = state.clone().map_or(State::None, State::Live);
            }
            State::Held { .. } => {}
            State::Live(state) => {
                let image = before.before.as_ref().filter(|(part, ..)| !plan.up && part.digest() == digest);
                if let Some((_, image, aside)) = image {
                    carried.instance.state = State::Live(image.clone());
                    (carried.instance.before, carried.instance.aside) = (None, aside.clone());
                    carried.put_back = true;
                    return Ok(());
                }
                match self.moved_state(plan, before, state, &to)? {
                    Ok((moved, aside)) => {
                        carried.moved = true;
                        carried.instance.state = State::Live(moved);
                        carried.instance.before = plan
                            .up
                            .then(|| (before.member.part.clone(), state.clone(), before.aside.clone()));
                        carried.instance.aside = aside;
                    }
                    Err(reason) => {
                        carried.instance.before = None;
                        if let Some((state, aside)) = self.rewound(plan, address, before, &to)? {
                            carried.instance.state = State::Live(state);
                            carried.instance.aside = aside;
                            carried.rewound = true;
                            return Ok(());
                        }
                        carried.failures.push(reason);
                        let (part, state) = (before.member.part.clone(), Some(state.clone()));
                        carried.instance.state = State::Held { part, state, left_behind: true };
                    }
                }
            }
        }
        Ok(())
    }

    /// Returns the state at the other end, and what is kept aside of it; or why it cannot be.
    #[expect(
        clippy::type_complexity,
        reason = "what goes wrong with the state, and what is wrong with the node"
    )]
    fn moved_state(
        &self,
        plan: &Plan,
        before: &Instance,
        state: &Value,
        to: &Member,
    ) -> Result<Result<(Value, Option<(Digest, Value)>), String>, Wrong> {
        let way = self.way(plan, &before.member, to).expect("a machine that changes has an edge");
        let (moved, aside) = if plan.up {
            let kept = match keep(way, state)? {
                Ok(kept) => kept,
                Err(trap) => return Ok(Err(trap.to_string())),
            };
            let moved = along(way, EdgeArrow::Up, state, &before.member.part, &to.part)?;
            (moved, kept.map(|kept| (way.verified.digest(), kept)))
        } else {
            let kept = before.aside.as_ref().filter(|(edge, _)| *edge == way.verified.digest());
            let kept = kept.map(|(_, kept)| kept);
            (down(way, state, kept, &to.part, &before.member.part)?, None)
        };
        let moved = match moved {
            Ok(moved) => moved,
            Err(trap) => return Ok(Err(trap.to_string())),
        };
        Ok(match check_invariants(&to.part.checked, &moved) {
            Ok(()) => Ok((moved, aside)),
            Err(trap) => Err(trap.to_string()),
        })
    }

    /// Takes all that waits along its trail, from the form in which it came.
    fn carry_inputs(&self, plan: &Plan, at: &MachineAddress, carried: &mut Carried) -> Result<(), Wrong> {
        let digest = carried.instance.member.part.digest();
        let (mut back, mut stay) = (vec![], vec![]);
        for parked in std::mem::take(&mut carried.instance.parked) {
            match parked {
                Parked::Mail(mail) => match self.form(plan, at, &mail)? {
                    Ok((origin, input)) => back.push(Mail { origin, writer: digest, input, ..mail }),
                    Err(_) => stay.push(Parked::Mail(mail)),
                },
                Parked::Timer(name, timer) => match self.timer_form(plan, at, &timer)? {
                    Ok(input) => {
                        carried.unparked += 1;
                        let timer = Timer { writer: digest, input, ..timer };
                        carried.instance.timers.entry(name).or_insert(timer);
                    }
                    Err(_) => stay.push(Parked::Timer(name, timer)),
                },
                dead @ Parked::Dead(_) => stay.push(dead),
            }
        }
        carried.unparked += back.len() as u64;
        carried.instance.parked = stay;
        self.settle(plan, at, back, carried)
    }

    /// Takes mailbox and timers along their trails, behind what comes back of what was parked.
    fn settle(
        &self,
        plan: &Plan,
        at: &MachineAddress,
        mut back: Vec<Mail>,
        carried: &mut Carried,
    ) -> Result<(), Wrong> {
        let digest = carried.instance.member.part.digest();
        let came_back = back.len();
        for mail in std::mem::take(&mut carried.instance.mailbox) {
            match self.form(plan, at, &mail)? {
                Ok((origin, input)) => back.push(Mail { origin, writer: digest, input, ..mail }),
                Err(reason) => {
                    carried.failures.push(reason);
                    carried.parked += 1;
                    carried.instance.parked.push(Parked::Mail(mail));
                }
            }
        }
        carried.instance.mailbox = if came_back > 0 { in_order(back) } else { back }.into();
        for (name, timer) in std::mem::take(&mut carried.instance.timers) {
            match self.timer_form(plan, at, &timer)? {
                Ok(input) => {
                    let timer = Timer { writer: digest, input, ..timer };
                    carried.instance.timers.insert(name, timer);
                }
                Err(reason) => {
                    carried.failures.push(reason);
                    carried.parked += 1;
                    carried.instance.parked.push(Parked::Timer(name, timer));
                }
            }
        }
        Ok(())
    }

    /// Returns what a message is at the end of its trail; `last` is the last switch of it, at the end of which the
    /// receiver is at `at`.
    fn form(
        &self,
        last: &Plan,
        at: &MachineAddress,
        mail: &Mail,
    ) -> Result<Result<(Origin, Value), String>, Wrong> {
        let Some(came) = mail.trail.came.as_deref() else {
            let input = self.as_it_is(last, at, mail.writer, &mail.input);
            return Ok(input.map(|input| (mail.origin.clone(), input)));
        };
        let (mut origin, writer, input) = came.clone();
        let plans = self.plans(&mail.trail.legs);
        for plan in &plans {
            rename(plan, &mut origin);
            let seen = Mail { origin: origin.clone(), ..mail.clone() };
            if self.is_owed(plan, &seen) {
                return Ok(Err("nobody is left to take the answer".to_owned()));
            }
        }
        Ok(self.along_all(last, &plans, at, writer, &input)?.map(|input| (origin, input)))
    }

    fn timer_form(
        &self,
        last: &Plan,
        at: &MachineAddress,
        timer: &Timer,
    ) -> Result<Result<Value, String>, Wrong> {
        let Some(came) = timer.trail.came.as_deref() else {
            return Ok(self.as_it_is(last, at, timer.writer, &timer.input));
        };
        let (writer, input) = came.clone();
        self.along_all(last, &self.plans(&timer.trail.legs), at, writer, &input)
    }

    /// Returns what is back where it came from. That may be a release that has no form for it: it was parked there.
    fn as_it_is(
        &self,
        last: &Plan,
        at: &MachineAddress,
        writer: Digest,
        input: &Value,
    ) -> Result<Value, String> {
        if writer == self.world.editions[last.to].members[at].part.digest() {
            return Ok(input.clone());
        }
        Err("it was written by another machine".to_owned())
    }

    fn plans(&self, legs: &[(usize, usize)]) -> Vec<Plan> {
        legs.iter().map(|(from, to)| self.plan(*from, *to)).collect()
    }

    fn along_all(
        &self,
        last: &Plan,
        plans: &[Plan],
        at: &MachineAddress,
        writer: Digest,
        input: &Value,
    ) -> Result<Result<Value, String>, Wrong> {
        let runs = self.world.editions[last.to].members[at].part.digest();
        if writer == runs {
            return Ok(Ok(input.clone()));
        }
        // Where the receiver was before each of them.
        let mut places = vec![at.clone()];
        for plan in plans.iter().rev() {
            let after = places.last().expect("there is one");
            let before = plan
                .changes
                .iter()
                .find(|(_, change)| matches!(change, Change::Stays(to) | Change::Moves(to) if to == after));
            places.push(before.map_or_else(|| after.clone(), |(before, _)| before.clone()));
        }
        places.reverse();
        let (mut writer, mut input) = (writer, input.clone());
        for (plan, ends) in plans.iter().zip(places.windows(2)) {
            let members = (
                self.world.editions[plan.from].members.get(&ends[0]),
                self.world.editions[plan.to].members.get(&ends[1]),
            );
            let (Some(before), Some(to)) = members else { continue };
            if writer == before.part.digest() && writer != to.part.digest() {
                match self.moved_input(plan, before, to, writer, &input)? {
                    Ok(moved) => (writer, input) = (to.part.digest(), moved),
                    Err(reason) => return Ok(Err(reason)),
                }
            }
        }
        Ok(if writer == runs { Ok(input) } else { Err("it was written by another machine".to_owned()) })
    }

    /// The sweeper took over what waits for an instance, which for one that is held is the first time that it goes over.
    pub(super) fn follow_settled(&mut self, address: &InstanceAddress) -> Result<(), Wrong> {
        let held = self.instances.get(address).filter(|instance| instance.is_held());
        if let Some(instance) = held.cloned() {
            let settled = self.settled_held(address, instance)?;
            self.instances.insert(address.clone(), settled);
        }
        self.forget_trails(address);
        Ok(())
    }

    /// Takes what waits for an instance that is held over the last switch.
    fn settled_held(&mut self, address: &InstanceAddress, instance: Instance) -> Result<Instance, Wrong> {
        let (Some(from), Some(to)) = (self.left.or(self.previous()), self.running()) else {
            return Ok(instance);
        };
        let plan = self.plan(from, to);
        let mut carried = Carried::of(instance);
        self.settle(&plan, &address.machine_address(), vec![], &mut carried)?;
        self.tally.parked += carried.parked;
        Ok(carried.instance)
    }

    /// What waits for an instance has gone over all switches for good.
    pub(super) fn forget_trails(&mut self, address: &InstanceAddress) {
        let Some(instance) = self.instances.get_mut(address) else { return };
        instance.mailbox.iter_mut().for_each(|mail| mail.trail = Trail::default());
        instance.timers.values_mut().for_each(|timer| timer.trail = Trail::default());
    }

    /// Nobody knows any more how what is parked came.
    pub(super) fn forget_parked_trails(&mut self) {
        let mut instances = std::mem::take(&mut self.instances);
        for parked in instances.values_mut().flat_map(|instance| &mut instance.parked) {
            match parked {
                Parked::Mail(mail) => {
                    for plan in self.plans(&mail.trail.legs) {
                        rename(&plan, &mut mail.origin);
                    }
                    mail.trail = Trail::default();
                }
                Parked::Timer(_, timer) => timer.trail = Trail::default(),
                Parked::Dead(_) => {}
            }
        }
        self.instances = instances;
    }

    fn moved_input(
        &self,
        plan: &Plan,
        before: &Member,
        to: &Member,
        writer: Digest,
        input: &Value,
    ) -> Result<Result<Value, String>, Wrong> {
        if writer == to.part.digest() {
            return Ok(Ok(input.clone()));
        }
        if writer != before.part.digest() {
            return Ok(Err("it was written by another machine".to_owned()));
        }
        let way = self.way(plan, before, to).expect("a machine that changes has an edge");
        let came = match plan.up {
            true => along(way, EdgeArrow::Lift, input, &before.part, &to.part)?,
            false => along(way, EdgeArrow::Unlift, input, &to.part, &before.part)?,
        };
        Ok(came.map_err(|trap| trap.to_string()))
    }

    /// Returns true for a message whose sender waits for an answer and would have no place for it after the
    /// switch.
    fn is_owed(&self, plan: &Plan, mail: &Mail) -> bool {
        let Origin::Message { sent, channel, .. } = &mail.origin else { return false };
        let after = sent.peer.machine_address();
        let renamed = plan.changes.iter().find(|(before, change)| match change {
            Change::Stays(to) | Change::Moves(to) => *to == after && **before != after,
            Change::Restarts(_) | Change::Removed => false,
        });
        let before = renamed.map_or(&after, |(before, _)| before);
        let waits = |place: usize, machine: &MachineAddress| {
            let member = self.world.editions[place].members.get(machine);
            member
                .and_then(|member| member.part.channel(channel))
                .is_some_and(|channel| channel.answer.is_some())
        };
        waits(plan.from, before) && !waits(plan.to, &after)
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
        Ok(match (*command, running) {
            (Command::Install(_), Some(_)) => vec!["not-empty"],
            (Command::Install(_), None) => vec![],
            (Command::Remove { place, .. }, _) if !self.kept.contains(&place) => vec!["unknown-release"],
            (Command::Remove { place, gives_up }, Some(_)) => {
                // What still needs it depends on how far the node is with what nobody asked for.
                let leads_back = self.lineage.contains(&place) && !gives_up;
                let way_back = leads_back.then_some("way-back");
                ["release-needed"].into_iter().chain(way_back).collect()
            }
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
        self.close_requests();
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
        self.instances.insert(address.clone(), Instance { member, ..instance });
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

/// Returns the mail with what each sender sent in the order in which it was sent; different senders have none.
fn in_order(mut mail: Vec<Mail>) -> Vec<Mail> {
    let by = |mail: &Mail| match &mail.origin {
        Origin::Message { sent, life, .. } => {
            Some((false, sent.peer.clone(), (*life, sent.seq, sent.effect)))
        }
        Origin::Answer(sent) => Some((true, sent.peer.clone(), (0, sent.seq, sent.effect))),
        Origin::Relup { .. } => None,
    };
    for last in (1..mail.len()).rev() {
        for place in 0..last {
            let (Some(a), Some(b)) = (by(&mail[place]), by(&mail[last])) else { continue };
            if (a.0, &a.1) == (b.0, &b.1) && a.2 > b.2 {
                mail.swap(place, last);
            }
        }
    }
    mail
}

fn address_after(plan: &Plan, address: &InstanceAddress) -> MachineAddress {
    plan.after(address).machine_address()
}

fn rename(plan: &Plan, origin: &mut Origin) {
    match origin {
        Origin::Message { sent, .. } | Origin::Answer(sent) => sent.peer = plan.after(&sent.peer),
        Origin::Relup { .. } => {}
    }
}

/// Lets all that waits for an instance go on along a switch: back where it came from, if that is the way back.
fn go_on(plan: &Plan, instance: &mut Instance) {
    if !plan.up {
        // What the way up applies is not to be applied any more.
        instance.mailbox.retain(|mail| !matches!(mail.origin, Origin::Relup { .. }));
    }
    let leg = (plan.from, plan.to);
    let mails = instance.parked.iter_mut().filter_map(|parked| match parked {
        Parked::Mail(mail) => Some(mail),
        Parked::Timer(..) | Parked::Dead(_) => None,
    });
    for mail in instance.mailbox.iter_mut().chain(mails) {
        let is = (mail.origin.clone(), mail.writer, mail.input.clone());
        if let Some((origin, writer, input)) = mail.trail.go(leg, is) {
            (mail.origin, mail.writer, mail.input) = (origin, writer, input);
        }
    }
    let timers = instance.parked.iter_mut().filter_map(|parked| match parked {
        Parked::Timer(_, timer) => Some(timer),
        Parked::Mail(_) | Parked::Dead(_) => None,
    });
    for timer in instance.timers.values_mut().chain(timers) {
        let is = (timer.writer, timer.input.clone());
        if let Some((writer, input)) = timer.trail.go(leg, is) {
            (timer.writer, timer.input) = (writer, input);
        }
    }
}

impl<T: Clone> Trail<T> {
    /// Goes along a switch; `is` is what it is now. Returns what it came as, when it is back there.
    fn go(&mut self, leg: (usize, usize), is: T) -> Option<T> {
        if self.legs.last() == Some(&(leg.1, leg.0)) {
            self.legs.pop();
            return if self.legs.is_empty() { self.came.take().map(|came| *came) } else { None };
        }
        self.came.get_or_insert_with(|| Box::new(is));
        self.legs.push(leg);
        None
    }
}
