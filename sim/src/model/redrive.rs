//! What operators let go on, and what they give up: what is parked, instances that are held, archived states.

use camshaft_cam::digest::Digest;
use camshaft_cam::run::EdgeArrow;
use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;

use super::arrows::along;
use super::carry::in_order;
use super::step::birth;
use super::switch::Change;
use super::{Instance, Mail, Model, Origin, Parked, State, Timer, Trail, Wrong, wrong};
use crate::seen::Redrive;

/// What was let go on or given up, as the history tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) instance: InstanceAddress,
    pub(super) what: Redrive,
    pub(super) driven: u64,
    pub(super) left: u64,
}

impl Instance {
    /// Returns true when nothing is left of one that was put away but its numbers and kept answers.
    fn is_husk(&self) -> bool {
        matches!(self.state, State::None)
            && self.aside.is_none()
            && self.mailbox.is_empty()
            && self.timers.is_empty()
            && self.parked.is_empty()
    }

    /// Returns true when there is nothing of it that a node need know of.
    fn is_blank(&self) -> bool {
        self.is_husk() && self.seq == 0
    }
}

/// Returns true for what came back, for the life that asked.
fn answers(mail: &Mail) -> bool {
    matches!(mail.origin, Origin::Answer(_))
}

/// Forgets what waits for a life that is over: its timers, and what it asked for. What others sent waits on.
pub(super) fn forget_life(instance: &mut Instance) {
    instance.timers.clear();
    instance.mailbox.retain(|mail| !answers(mail));
    instance.parked.retain(|parked| match parked {
        Parked::Mail(mail) => !answers(mail),
        Parked::Timer(..) => false,
        Parked::Dead(_) => true,
    });
}

impl Model {
    /// Returns what waits for an operator: instances, and what may be done with each.
    pub fn waits_for_operator(&self) -> Vec<(InstanceAddress, Redrive)> {
        let mut waits = vec![];
        for (address, instance) in &self.instances {
            if !instance.parked.is_empty() {
                // To be delivered is what most of it is parked for.
                let ways = [Redrive::Parked, Redrive::Parked, Redrive::Parked, Redrive::Dropped];
                waits.extend(ways.map(|what| (address.clone(), what)));
            }
            if instance.is_held() {
                let ways = [Redrive::Released, Redrive::Released, Redrive::Reset];
                waits.extend(ways.map(|what| (address.clone(), what)));
            }
        }
        let archived = self.archive.iter().filter(|(_, instance)| !instance.is_husk());
        let archived = archived.map(|((address, _), _)| address);
        let archived = archived.chain(self.resets.iter().map(|(address, _)| address));
        waits.extend(archived.map(|address| (address.clone(), Redrive::Dropped)));
        waits
    }

    /// Returns true when going back from the release that runs would bring back what is archived of an instance.
    fn brings_back(&self, address: &InstanceAddress) -> bool {
        let (Some(from), Some(to)) = (self.previous().filter(|_| self.provisional), self.running()) else {
            return false;
        };
        let machine = address.machine_address();
        let (Some(Change::Removed | Change::Restarts(_)), Some(member)) =
            (self.plan(from, to).changes.get(&machine), self.world.editions[from].members.get(&machine))
        else {
            return false;
        };
        self.archive.get(&(address.clone(), member.part.digest())).is_some_and(|one| !one.is_husk())
    }

    /// Returns true for a machine of the release that runs.
    fn runs(&self, address: &InstanceAddress) -> bool {
        self.member(&address.machine_address()).is_some()
    }

    fn has_resets(&self, address: &InstanceAddress) -> bool {
        self.resets.iter().any(|(of, _)| of == address)
    }

    /// Returns what is archived of an instance, apart from numbers and kept answers.
    fn left_of(&self, address: &InstanceAddress) -> Vec<(InstanceAddress, Digest)> {
        let of_it = self.archive.iter().filter(|((of, _), instance)| of == address && !instance.is_husk());
        of_it.map(|(key, _)| key.clone()).collect()
    }

    /// Returns why there is nothing that could go on or be given up.
    fn reason_not_redriven(&self, address: &InstanceAddress, what: Redrive) -> Option<&'static str> {
        if what == Redrive::Dropped {
            let parked = self.instances.get(address).is_some_and(|instance| !instance.parked.is_empty());
            let nothing = !parked && self.left_of(address).is_empty() && !self.has_resets(address);
            return nothing.then_some("nothing is parked or archived of it");
        }
        let Some(instance) = self.instances.get(address) else { return Some("it is not there") };
        match (what, &instance.state) {
            (Redrive::Parked, _) if instance.parked.is_empty() => Some("nothing is parked of it"),
            (Redrive::Parked, State::Held { .. }) => Some("it is held"),
            (Redrive::Released, State::Held { part, .. }) => {
                let other = part.digest() != instance.member.part.digest();
                other.then_some("its state is of a machine that does not run")
            }
            (Redrive::Released, _) => Some("it is not held"),
            _ => None,
        }
    }

    /// Returns the codes with which such a command may be refused.
    pub(super) fn reasons_not_redriven(&self, address: &InstanceAddress, what: Redrive) -> Vec<&'static str> {
        if what == Redrive::Dropped && self.brings_back(address) {
            return vec!["provisional"];
        }
        // A node may or may not remember one of which there is nothing.
        let blank = self.instances.get(address).is_some_and(Instance::is_blank);
        match self.reason_not_redriven(address, what) {
            None if !blank => vec![],
            _ => vec!["nothing-to-redrive"],
        }
    }

    pub(super) fn follow_redriven(
        &mut self,
        address: &InstanceAddress,
        switch: u64,
        what: Redrive,
    ) -> Result<(), Wrong> {
        let which = || format!("{what:?} of {address}");
        if switch != self.switch {
            return wrong(which(), format!("switch {}", self.switch), format!("switch {switch}"));
        }
        if what == Redrive::Dropped && self.brings_back(address) {
            return wrong(which(), "a refusal, for going back brings its machine back", "it was done");
        }
        if let Some(reason) = self.reason_not_redriven(address, what) {
            return wrong(which(), format!("a refusal: {reason}"), "it was done");
        }
        if self.runs(address) {
            // What is parked must not depend on what was delivered by then.
            self.follow_settled(address)?;
        }
        let (driven, left) = match what {
            Redrive::Parked => self.drive_parked(address)?,
            Redrive::Dropped => (self.drop_archived(address) + self.drop_parked(address), 0),
            Redrive::Released => (self.release(address), 0),
            Redrive::Reset => {
                self.tally.reset += 1;
                self.begin_anew(address);
                (1, 0)
            }
        };
        self.untold.push(Told { instance: address.clone(), what, driven, left });
        self.look_again(address)
    }

    pub(super) fn follow_told(&mut self, told: Told) -> Result<(), Wrong> {
        let Some(place) = self.untold.iter().position(|other| *other == told) else {
            return wrong(
                "what an operator did, as it is told",
                format!("one of {:?}", self.untold),
                format!("{told:?}"),
            );
        };
        self.untold.remove(place);
        Ok(())
    }

    /// Returns what operators did and the history does not tell.
    ///
    /// # Errors
    ///
    /// When there is such a thing.
    pub fn check_told(&self) -> Result<(), Wrong> {
        if let Some(untold) = self.untold.first() {
            return wrong("what operators did", "all of it is in the history", format!("not {untold:?}"));
        }
        Ok(())
    }

    /// Lets what is parked be delivered, in the types that run; returns how many go on and how many stay.
    fn drive_parked(&mut self, address: &InstanceAddress) -> Result<(u64, u64), Wrong> {
        let mut instance = self.instances.remove(address).expect("it was looked at");
        let (mut mails, mut stay, mut driven) = (vec![], vec![], 0);
        for parked in std::mem::take(&mut instance.parked) {
            let goes_on = match &parked {
                Parked::Mail(mail) | Parked::Dead(mail) => match self.now_of(&instance, mail)? {
                    Some(mail) => {
                        mails.push(mail);
                        true
                    }
                    None => false,
                },
                Parked::Timer(name, timer) => match self.timer_now(&instance, timer)? {
                    Some(timer) => {
                        driven += 1;
                        // One that was started since replaces it.
                        instance.timers.entry(name.clone()).or_insert(timer);
                        true
                    }
                    None => false,
                },
            };
            if !goes_on {
                stay.push(parked);
            }
        }
        driven += mails.len() as u64;
        let left = stay.len() as u64;
        instance.parked = stay;
        instance.mailbox.extend(mails);
        instance.mailbox = in_order(instance.mailbox.into()).into();
        self.tally.redriven += driven;
        self.tally.left += left;
        self.instances.insert(address.clone(), instance);
        Ok((driven, left))
    }

    /// Returns a parked message in the types and names that run, if it has a form there.
    fn now_of(&self, instance: &Instance, mail: &Mail) -> Result<Option<Mail>, Wrong> {
        let came = mail.trail.came.as_deref().cloned();
        let (mut origin, writer, input) =
            came.unwrap_or_else(|| (mail.origin.clone(), mail.writer, mail.input.clone()));
        self.rename_along(&mail.trail.legs, &mut origin);
        let input = self.in_what_runs(instance, writer, &input)?;
        let writer = instance.member.part.digest();
        Ok(input.map(|input| Mail { origin, writer, input, trail: Trail::default() }))
    }

    fn timer_now(&self, instance: &Instance, timer: &Timer) -> Result<Option<Timer>, Wrong> {
        let came = timer.trail.came.as_deref().cloned();
        let (writer, input) = came.unwrap_or_else(|| (timer.writer, timer.input.clone()));
        let input = self.in_what_runs(instance, writer, &input)?;
        let writer = instance.member.part.digest();
        let Timer { generation, due_ms, .. } = *timer;
        Ok(input.map(|input| Timer { generation, due_ms, writer, input, trail: Trail::default() }))
    }

    /// Returns an input in the types of the machine that runs, if it is of them or an edge leads there.
    fn in_what_runs(
        &self,
        instance: &Instance,
        writer: Digest,
        input: &Value,
    ) -> Result<Option<Value>, Wrong> {
        let runs = &instance.member;
        if writer == runs.part.digest() {
            return Ok(Some(input.clone()));
        }
        let Some(way) = runs.edge.as_deref().filter(|way| way.verified.edge().from == writer) else {
            return Ok(None);
        };
        let old = self.world.part(writer).expect("an edge leads from a machine of the world");
        Ok(along(way, EdgeArrow::Lift, input, old, &runs.part)?.ok())
    }

    fn drop_parked(&mut self, address: &InstanceAddress) -> u64 {
        let Some(instance) = self.instances.get_mut(address) else { return 0 };
        let parked = std::mem::take(&mut instance.parked).len() as u64;
        self.tally.dropped += parked;
        parked
    }

    fn drop_resets(&mut self, address: &InstanceAddress) -> u64 {
        let before = self.resets.len();
        self.resets.retain(|(of, _)| of != address);
        let states = (before - self.resets.len()) as u64;
        self.tally.dropped_states += states;
        states
    }

    /// Gives up what is archived of an instance; its numbers and kept answers stay.
    fn drop_archived(&mut self, address: &InstanceAddress) -> u64 {
        let keys = self.left_of(address);
        let states = keys.len() as u64;
        self.tally.dropped_states += states;
        for key in keys {
            let instance = self.archive.get_mut(&key).expect("it was found just now");
            if let State::Held { part, .. } = &instance.state {
                instance.member.part = part.clone();
            }
            (instance.state, instance.aside) = (State::None, None);
            instance.mailbox.clear();
            instance.timers.clear();
            instance.parked.clear();
        }
        states + self.drop_resets(address)
    }

    /// Lets an instance that is held go on with its state.
    fn release(&mut self, address: &InstanceAddress) -> u64 {
        let instance = self.instances.get_mut(address).expect("it was looked at");
        if let State::Held { state, .. } = &mut instance.state {
            instance.state = state.take().map_or(State::None, State::Live);
        }
        self.tally.released += 1;
        1
    }

    /// Lets an instance begin anew: its state is archived, and what others sent it waits on.
    pub(super) fn begin_anew(&mut self, address: &InstanceAddress) {
        let older = self.older.contains_key(&address.machine_address());
        let instance = self.instances.get_mut(address).expect("it is there");
        let archived = Instance {
            mailbox: Default::default(),
            timers: Default::default(),
            parked: vec![],
            before: None,
            rewind: None,
            ..instance.clone()
        };
        (instance.state, instance.before, instance.rewind, instance.aside) = (State::None, None, None, None);
        forget_life(instance);
        if !instance.member.part.checked.keyed
            && let Ok(state) = birth(&instance.member)
        {
            // A machine without keys has its one instance while its application runs.
            instance.state = State::Live(state);
            instance.life += 1;
            instance.rewind = older.then(super::Rewind::of_nothing);
        }
        self.resets.push((address.clone(), archived));
        self.care.forget(address);
    }
}
