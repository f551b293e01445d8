//! Touching: an instance goes over the switches that lie behind it when it is next used, and what waits
//! for it when it is delivered.
//!
//! The switch itself does not look at instances, so that its pause does not depend on their number. When an
//! instance is touched makes no difference to what becomes of it: whoever only looks at one makes no
//! record, and yet a replay must come to the same.

use std::borrow::Cow;
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::Memo;
use camshaft_manifests::InstanceAddress;
use camshaft_store::{Aside, Parked, ParkedItem, RecordRef};

use super::Shard;
use super::carry::{Inputs, bring, forget_way, reason, settle, unpark};
use super::instance::{Instance, Mail, Timer};
use super::road::Road;
use super::table::{Resident, Slot, Table};
use super::watch::{Risk, Watch};
use crate::api::TryFailure;
use crate::release::MachineCode;

/// A copy of an instance, with the switches that it has yet to go over away from its shard. It shares the parts of its state.
#[derive(Debug)]
pub(super) struct Crossing {
    pub(super) road: Road,
    pub(super) address: InstanceAddress,
    pub(super) instance: Instance,
    /// The code that it runs then.
    pub(super) to: Arc<MachineCode>,
    /// The number of the last switch.
    pub(super) number: u64,
}

impl Crossing {
    /// Returns its address, and the instance as it will be when it is used.
    pub(super) fn over(self) -> (InstanceAddress, Instance) {
        let Crossing { road, address, mut instance, to, number } = self;
        if instance.switch != number || instance.waits_from_before(number) {
            let inputs = Inputs { road: &road, address: &address, to: &to, number, seq: instance.seq };
            over_all(&inputs, &mut instance);
        }
        (address, instance)
    }
}

/// Takes an instance over all that it has yet to go over, and what waits for it.
fn over_all(inputs: &Inputs<'_>, instance: &mut Instance) {
    let Inputs { road, address, to, number, .. } = *inputs;
    bring(road, address, instance, (to, number), &mut Memo::blind());
    if instance.held().is_none() {
        unpark(inputs, instance);
        settle(inputs, instance);
    }
}

impl Shard {
    /// Lets an instance that is about to be used go over the switches that lie behind it.
    #[inline]
    pub(super) fn meet(&mut self, slot: Slot) {
        if self.table[slot].instance.switch != self.switch {
            self.go_over(slot);
        }
    }

    /// The same, and somebody is asked before.
    pub(super) fn meet_watched(&mut self, slot: Slot, watch: &mut dyn Watch) {
        let Resident { address, instance } = &self.table[slot];
        if instance.switch == self.switch {
            return;
        }
        let address = address.clone();
        match watch.before(Risk::Carry, &address) {
            Some(reason) => self.leave_behind(slot, reason),
            None => self.go_over(slot),
        }
    }

    /// Holds an instance that does not go over what lies behind it. A switch back to its machine wakes it.
    pub(super) fn leave_behind(&mut self, slot: Slot, reason: String) {
        let state = self.touch(slot).hold(reason, true);
        self.out.discard(state);
        let place = self.place_of(&self.table[slot].address);
        let instance = &mut self.table[slot].instance;
        instance.code = self.runners[place].code.clone();
        instance.runner = u32::try_from(place).unwrap_or(0);
        instance.switch = self.switch;
        self.unlist(slot);
        self.stuck.insert(slot);
    }

    #[cold]
    fn go_over(&mut self, slot: Slot) {
        self.recorder.forget(slot);
        self.touch(slot);
        let place = self.place_of(&self.table[slot].address);
        let to = self.runners[place].code.clone();
        let Resident { address, instance } = &mut self.table[slot];
        let was_held = instance.held().is_some();
        let remembered = self.memos.remove(&Table::number(slot));
        let mut memo = remembered.unwrap_or_else(Memo::blind);
        let before = memo.recalled();
        let brought = bring(&self.road, address, instance, (&to, self.switch), &mut memo);
        self.recalled += memo.recalled() - before;
        self.out.discarded.extend(brought.discarded);
        self.out.discard(memo);
        instance.runner = u32::try_from(place).unwrap_or(0);
        if instance.held().is_none() {
            let inputs =
                Inputs { road: &self.road, address, to: &to, number: self.switch, seq: instance.seq };
            unpark(&inputs, instance);
        }
        let is_held = instance.held().is_some();
        if let Some(failure) = brought.failure {
            tracing::error!(instance = failure.instance, step = failure.step, "held: {}", failure.reason);
            let address = address.clone();
            self.catch_touch(&address, &failure);
            self.troubles.push(*failure);
        }
        if is_held && !was_held {
            self.unlist(slot);
        } else if !is_held {
            self.enlist(slot);
        }
        self.note_stuck(slot);
    }

    /// Lists an instance among those that the next switch looks at, if it has something of the last.
    pub(super) fn note_stuck(&mut self, slot: Slot) {
        let instance = &self.table[slot].instance;
        let left_behind = instance.held().is_some_and(|held| held.left_behind);
        if left_behind || instance.rest().parked.iter().any(|parked| parked.switch > 0) {
            self.stuck.insert(slot);
        }
    }

    /// Lists the timers and the mail of an instance that is not held.
    pub(super) fn enlist(&mut self, slot: Slot) {
        let Shard { table, timers, .. } = self;
        let Resident { address, instance } = &table[slot];
        timers.extend(
            instance.rest().timers.iter().map(|(name, timer)| (timer.due_ms, address.clone(), name.clone())),
        );
        self.make_ready(slot);
    }

    /// Takes the timers and the mail of an instance off the lists.
    pub(super) fn unlist(&mut self, slot: Slot) {
        let Shard { table, timers, ready, .. } = self;
        let Resident { address, instance } = &mut table[slot];
        for (name, timer) in &instance.rest().timers {
            timers.remove(&(timer.due_ms, address.clone(), name.clone()));
        }
        if instance.queued {
            instance.queued = false;
            ready.retain(|other| *other != slot);
        }
    }

    /// Takes the timers and the mail of many instances off the lists, of which that of the mail is gone through once.
    pub(super) fn unlist_all(&mut self, slots: &[Slot]) {
        let Shard { table, timers, ready, .. } = self;
        for slot in slots {
            let Resident { address, instance } = &mut table[*slot];
            for (name, timer) in &instance.rest().timers {
                timers.remove(&(timer.due_ms, address.clone(), name.clone()));
            }
            instance.queued = false;
        }
        ready.retain(|slot| table[*slot].instance.queued);
    }

    fn inputs<'a>(&'a self, resident: &'a Resident) -> Inputs<'a> {
        let Resident { address, instance } = resident;
        Inputs { road: &self.road, address, to: &instance.code, number: self.switch, seq: instance.seq }
    }

    /// Returns an input that is about to be taken over as it is, if it is in the types from before the last switch and a
    /// rewind may need it.
    pub(super) fn written(&self, slot: Slot, writer: Digest, input: &Arc<[u8]>) -> Option<Arc<[u8]>> {
        let runner = &self.runners[self.table[slot].instance.runner as usize];
        (runner.older == Some(writer)).then(|| input.clone())
    }

    /// Takes a message over that is about to be delivered to an instance, which has gone over itself. One
    /// that cannot be is parked.
    pub(super) fn mail_at(&mut self, slot: Slot, mail: Mail) -> Option<Mail> {
        if mail.switch == self.switch {
            return Some(mail);
        }
        match self.inputs(&self.table[slot]).mail(&mail) {
            Ok((mail, _)) => Some(mail),
            Err(failure) => {
                let saved = mail.save().expect("no request from outside waits");
                self.park(slot, ParkedItem::Mail(saved), &failure);
                None
            }
        }
    }

    /// Takes a timer over that is about to fire. One that cannot be is parked, and runs no more.
    pub(super) fn timer_at(&mut self, slot: Slot, name: &std::sync::Arc<str>, timer: Timer) -> Option<Timer> {
        if timer.switch == self.switch {
            return Some(timer);
        }
        match self.inputs(&self.table[slot]).timer(&timer) {
            Ok((timer, _)) => Some(timer),
            Err(failure) => {
                let address = self.table[slot].address.clone();
                self.timers.remove(&(timer.due_ms, address, name.clone()));
                self.touch(slot).rest_mut().timers.remove(name);
                self.park(slot, ParkedItem::Timer(timer.save(name)), &failure);
                None
            }
        }
    }

    fn park(&mut self, slot: Slot, item: ParkedItem, failure: &TryFailure) {
        let address = self.table[slot].address.clone();
        self.catch_touch(&address, failure);
        let parked = Parked { item, reason: reason(failure), switch: self.switch };
        self.touch(slot).rest_mut().parked.push(parked);
        self.stuck.insert(slot);
    }

    /// Takes all that waits for an instance over; what cannot be taken is parked. The instance has gone over
    /// itself.
    pub(super) fn settle(&mut self, slot: Slot) {
        if !self.table[slot].instance.waits_from_before(self.switch) {
            return;
        }
        self.touch(slot);
        let held = self.table[slot].instance.held().is_some();
        self.unlist(slot);
        let to = self.table[slot].instance.code.clone();
        let Shard { table, road, switch, .. } = self;
        let Resident { address, instance } = &mut table[slot];
        let inputs = Inputs { road, address, to: &to, number: *switch, seq: instance.seq };
        settle(&inputs, instance);
        if !held {
            self.enlist(slot);
        }
        self.note_stuck(slot);
    }

    /// Lets up to `max` instances go over what lies behind them, once that is for good. Returns true when all
    /// of them have.
    pub fn sweep_some(&mut self, max: usize) -> bool {
        let until = self.table.slots().min(self.swept.saturating_add(max));
        while self.swept < until {
            if let Some((slot, _)) = self.table.at(self.swept)
                && !self.sweep(slot)
            {
                return false;
            }
            self.swept += 1;
        }
        let done = self.swept >= self.table.slots();
        if done {
            // Of instances that ended before they went over.
            self.memos.drain().for_each(|(_, memo)| self.out.discard(memo));
        }
        done
    }

    /// Returns false when that has to wait: for room on the disk, or for who works ahead.
    fn sweep(&mut self, slot: Slot) -> bool {
        if self.working_ahead && self.is_behind(slot) && self.may_remember() {
            return false;
        }
        self.meet(slot);
        let rest = self.table[slot].instance.rest();
        if rest.before.is_some() || rest.rewind.is_some() {
            let rest = self.touch(slot).rest_mut();
            let (before, rewind) = (rest.before.take(), rest.rewind.take());
            self.out.discard(before);
            self.out.discard(rewind);
        }
        if self.table[slot].instance.waits_from_before(self.switch) {
            if self.read_only {
                return false;
            }
            // What waits says nothing of when it went over, so that must be known.
            let instance = self.table[slot].address.to_string();
            self.record(RecordRef::Aside(&Aside::Settled { instance, switch: self.switch }));
            self.settle(slot);
        }
        self.table[slot].instance.shrink();
        true
    }

    /// Returns an instance as it will be when it is used.
    pub(super) fn gone_over<'a>(&self, resident: &'a Resident) -> Cow<'a, Instance> {
        let Resident { address, instance } = resident;
        if instance.switch == self.switch && !instance.waits_from_before(self.switch) {
            return Cow::Borrowed(instance);
        }
        let to = &self.runners[self.place_of(address)].code;
        let mut copy = instance.clone();
        let inputs = Inputs { road: &self.road, address, to, number: self.switch, seq: instance.seq };
        over_all(&inputs, &mut copy);
        Cow::Owned(copy)
    }

    /// Returns a copy of an instance and all that it needs to go over elsewhere.
    pub(super) fn crossing(&self, resident: &Resident) -> Crossing {
        let Resident { address, instance } = resident;
        let to = self.runners[self.place_of(address)].code.clone();
        let (address, instance) = (address.clone(), instance.clone());
        Crossing { road: self.road.clone(), address, instance, to, number: self.switch }
    }

    /// Does what the sweeper had done by the record that says so. Somebody is asked before code of a machine runs.
    pub fn sweep_all(&mut self, watch: &mut dyn Watch) {
        for number in 0..self.table.slots() {
            if let Some((slot, _)) = self.table.at(number) {
                self.meet_watched(slot, watch);
            }
        }
        self.swept = 0;
        while !self.sweep_some(usize::MAX) {
            // What had to be recorded was: the journal has it before.
            self.swept += 1;
        }
        self.out.chunk = camshaft_store::Chunk::new(self.config_of.index, self.cut);
    }

    /// Forgets switches that everything has gone over.
    pub fn forget_road(&mut self, until: u64) {
        let Shard { table, road, switch, .. } = self;
        for slot in &self.stuck {
            if table.at(Table::number(*slot)).is_none() {
                continue;
            }
            let Resident { address, instance } = &mut table[*slot];
            let to = instance.code.clone();
            let inputs = Inputs { road, address, to: &to, number: *switch, seq: instance.seq };
            if let Some(rest) = instance.rest_if_any() {
                forget_way(&inputs, &mut rest.parked);
            }
        }
        self.road.forget(until);
    }

    /// Returns how many parts of large states were taken over when those went over switches, from what the trials
    /// remembered.
    pub fn recalled(&self) -> u64 {
        self.recalled
    }

    /// Returns what went wrong with instances that were used since a switch, since the last time.
    pub fn take_troubles(&mut self) -> Vec<TryFailure> {
        std::mem::take(&mut self.troubles)
    }
}

impl Instance {
    /// Returns true when something waits that has not gone over the last switch.
    pub(super) fn waits_from_before(&self, switch: u64) -> bool {
        let rest = self.rest();
        rest.mailbox.iter().any(|mail| mail.switch < switch)
            || rest.timers.values().any(|timer| timer.switch < switch)
    }
}
