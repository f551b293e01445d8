//! What becomes of one instance that goes over a switch: its state, and all that waits for it.

use camshaft_cam::digest::Digest;
use camshaft_cam::evaluate::arrows::check_invariants;
use camshaft_cam::run::EdgeArrow;
use camshaft_cam::value::Value;
use camshaft_manifests::{InstanceAddress, MachineAddress};

use super::arrows::{along, down, keep};
use super::switch::{Change, Plan};
use super::{Instance, Mail, Model, Origin, Parked, State, Timer, Trail, Wrong};
use crate::world::build::Member;

/// An instance after a switch.
pub(super) struct Carried {
    pub(super) instance: Instance,
    /// What went wrong.
    pub(super) failures: Vec<String>,
    pub(super) moved: bool,
    pub(super) put_back: bool,
    pub(super) rewound: bool,
    pub(super) parked: u64,
    pub(super) unparked: u64,
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

impl Model {
    /// Returns the way between a machine and the one that it becomes: the edge of the newer of both.
    pub(super) fn way<'m>(
        &'m self,
        plan: &Plan,
        before: &'m Member,
        after: &'m Member,
    ) -> Option<&'m crate::world::build::Way> {
        if plan.up { after.edge.as_deref() } else { before.edge.as_deref() }
    }

    pub(super) fn carry(
        &self,
        plan: &Plan,
        address: &InstanceAddress,
        instance: &Instance,
    ) -> Result<Carried, Wrong> {
        let change = &plan.changes[&address.machine_address()];
        let (Change::Stays(after) | Change::Moves(after)) = change else { unreachable!("its states go on") };
        let to = &self.world.editions[plan.to].members[after];
        let mut carried = Carried::of(Instance { member: to.clone(), ..instance.clone() });
        if plan.up {
            // It is that of an earlier switch.
            (carried.instance.before, carried.instance.rewind) = (None, None);
        }
        self.rename_dead(plan, &mut carried.instance);
        go_on(plan, &mut carried.instance);
        if matches!(change, Change::Moves(_)) {
            carried.instance.rewind = None;
            self.carry_state(plan, address, instance, &mut carried)?;
        }
        if carried.instance.is_held() {
            return Ok(carried);
        }
        self.carry_inputs(plan, &plan.after(address).machine_address(), &mut carried)?;
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
    pub(super) fn settled_held(
        &mut self,
        address: &InstanceAddress,
        instance: Instance,
    ) -> Result<Instance, Wrong> {
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
                    self.rename_along(&mail.trail.legs, &mut mail.origin);
                    mail.trail = Trail::default();
                }
                Parked::Timer(_, timer) => timer.trail = Trail::default(),
                Parked::Dead(_) => {}
            }
        }
        self.instances = instances;
    }

    /// Calls who wrote as it is called after some switches.
    pub(super) fn rename_along(&self, legs: &[(usize, usize)], origin: &mut Origin) {
        for plan in self.plans(legs) {
            rename(&plan, origin);
        }
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
}

/// Returns the mail with what each sender sent in the order in which it was sent; different senders have none.
pub(super) fn in_order(mut mail: Vec<Mail>) -> Vec<Mail> {
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
