//! What operators let go on: dead letters, and instances that are held.

use std::collections::VecDeque;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::{EdgeArrow, Limits, edge_arrow};
use camshaft_cam::value::Value;
use camshaft_manifests::{InstanceAddress, MachineAddress};
use camshaft_store::{Aside, InstanceSnapshot, MailSnapshot, ParkedItem, RecordRef, Redrive, Stamp, Status};

use super::Shard;
use super::carry::restore_order;
use super::instance::{Mail, State, Timer};
use super::plan::Change;
use super::rewind::Rewind;
use super::table::Slot;
use crate::speech::{edge, takes};

/// What came of letting something go on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Redriven {
    /// How many of what was parked go on.
    pub driven: u64,
    /// How many stay parked: they are of types that no edge leads here from.
    pub left: u64,
}

/// Returns true for an archived instance of which nothing is left but its numbers and kept answers: nothing of it is
/// written in the types of its machine.
pub(super) fn is_husk(saved: &InstanceSnapshot) -> bool {
    let InstanceSnapshot { status, state, mailbox, timers, before, parked, aside, calls, rewind, .. } = saved;
    *status == Status::Archived { held: None }
        && state.is_none()
        && before.is_none()
        && rewind.is_none()
        && aside.is_none()
        && mailbox.is_empty()
        && timers.is_empty()
        && parked.is_empty()
        && calls.is_empty()
}

/// Returns what is left of an archived instance that is given up.
fn husk(saved: InstanceSnapshot) -> InstanceSnapshot {
    InstanceSnapshot {
        status: Status::Archived { held: None },
        state: None,
        mailbox: vec![],
        timers: vec![],
        before: None,
        parked: vec![],
        aside: None,
        calls: vec![],
        rewind: None,
        ..saved
    }
}

impl Shard {
    /// Lets something of an instance go on, and records it.
    ///
    /// # Errors
    ///
    /// Why there is nothing to do; nothing is changed then.
    pub fn redrive(
        &mut self,
        address: &InstanceAddress,
        stamp: Stamp,
        what: Redrive,
    ) -> Result<Redriven, String> {
        if what == Redrive::Dropped {
            return self.drop_all(address, stamp);
        }
        let slot = self.table.find(address).ok_or_else(|| format!("there is no instance {address}"))?;
        self.meet(slot);
        // A refusal makes no record, so it may not change what waits either.
        let instance = self.gone_over(&self.table[slot]);
        let held = instance.held();
        match what {
            Redrive::Parked if instance.rest().parked.is_empty() => {
                return Err(format!("nothing is parked of {address}"));
            }
            Redrive::Parked if held.is_some() => {
                return Err(format!("{address} is held: let it go on first"));
            }
            Redrive::Released => match held {
                None => return Err(format!("{address} is not held")),
                Some(held) if held.machine != instance.code.digest() => {
                    let writer = held.machine.short();
                    return Err(format!("the state of {address} is of machine {writer}, which does not run"));
                }
                Some(_) => {}
            },
            _ => {}
        }
        drop(instance);
        let instance = address.to_string();
        let aside = Aside::Redriven { instance, switch: self.switch, stamp, what };
        self.record(RecordRef::Aside(&aside));
        Ok(self.redriven(slot, what))
    }

    /// Returns true for a machine of the release that runs.
    fn runs(&self, machine: &MachineAddress) -> bool {
        self.machines.contains_key(machine)
    }

    /// Gives up all of an instance that does not live, and records it: what is parked of it, and each state that is archived
    /// of it, whatever put it there and whosever code it is in. The machine may be gone, or go on in other code.
    fn drop_all(&mut self, address: &InstanceAddress, stamp: Stamp) -> Result<Redriven, String> {
        let slot = self.table.find(address);
        let mut any = self.archived_of(address).any(|(_, saved)| !is_husk(saved));
        if let Some(slot) = slot {
            self.meet(slot);
            // A refusal makes no record, so it may not change what waits either.
            any |= !self.gone_over(&self.table[slot]).rest().parked.is_empty();
        }
        if !any {
            return Err(match slot {
                Some(_) => format!("nothing is parked or archived of {address}"),
                None => format!("there is no instance {address}, nor is one archived"),
            });
        }
        let aside = Aside::Dropped { instance: address.to_string(), switch: self.switch, stamp };
        self.record(RecordRef::Aside(&aside));
        Ok(self.dropped_all(address))
    }

    /// Does what the record of that says.
    fn dropped_all(&mut self, address: &InstanceAddress) -> Redriven {
        let mut dropped = self.dropped_archived(address);
        if let Some(slot) = self.table.find(address) {
            self.meet(slot);
            dropped.driven += self.drop_parked(slot);
        }
        dropped
    }

    /// Gives up what is parked of an instance; returns how much that was.
    fn drop_parked(&mut self, slot: Slot) -> u64 {
        // What is parked must not depend on what was delivered yet.
        self.settle(slot);
        std::mem::take(&mut self.touch(slot).rest_mut().parked).len() as u64
    }

    /// Does what the record of such a command says.
    ///
    /// # Errors
    ///
    /// When the record does not follow from those before it.
    pub(super) fn replay_dropped_all(&mut self, instance: &str, switch: u64) -> Result<(), String> {
        let address: InstanceAddress = instance.parse().map_err(|_| "its instance has no address")?;
        if switch != self.switch {
            return Err(format!("it belongs to switch {switch}, not {}", self.switch));
        }
        self.dropped_all(&address);
        Ok(())
    }

    /// Returns the release that the node may go back to while the one that runs is provisional, if that brings back what is
    /// archived of an instance.
    pub fn brought_back(&self, address: &InstanceAddress) -> Option<String> {
        let plan = &self.road.provisional()?.plan;
        let (Change::Removed { from } | Change::Restarts { from, .. }) =
            plan.pairs.get(&address.machine_address())?
        else {
            return None;
        };
        let saved = self.archive.get(&(address.clone(), from.digest(), 0))?;
        let entry = &plan.from.entry;
        (!is_husk(saved)).then(|| format!("{} {}", entry.name, entry.version))
    }

    /// Gives up what is archived of an instance. Its numbers stay, and with them the answers that are kept: should that
    /// code come back, neither may be given away twice.
    fn dropped_archived(&mut self, address: &InstanceAddress) -> Redriven {
        let of_it = self.archived_of(address).filter(|(_, saved)| !is_husk(saved));
        let keys: Vec<_> = of_it.map(|(key, _)| key.clone()).collect();
        let driven = keys.len() as u64;
        for key in keys {
            let Some(saved) = self.archive.remove(&key) else { continue };
            // The states from before resets have the numbers of an earlier time.
            if key.2 == 0 {
                self.archive.insert(key, husk(saved));
            }
        }
        Redriven { driven, left: 0 }
    }

    /// Does what the record of an earlier version says that gave up what is archived of an instance whose machine does not
    /// run; returns false when it is none such.
    pub(super) fn replay_dropped(&mut self, instance: &str, switch: u64, what: Redrive) -> bool {
        let Ok(address) = instance.parse::<InstanceAddress>() else { return false };
        let of_it =
            what == Redrive::Dropped && switch == self.switch && !self.runs(&address.machine_address());
        if of_it {
            self.dropped_archived(&address);
        }
        of_it
    }

    /// Returns all that is archived under an address.
    pub(super) fn archived_of(
        &self,
        address: &InstanceAddress,
    ) -> impl Iterator<Item = (&(InstanceAddress, Digest, u32), &InstanceSnapshot)> {
        let from = (address.clone(), Digest::from_bytes([0; 32]), 0);
        self.archive.range(from..).take_while(move |((at, ..), _)| at == address)
    }

    /// Does what the record of a redrive says.
    pub(super) fn redriven(&mut self, slot: Slot, what: Redrive) -> Redriven {
        // What is parked must not depend on what was delivered yet.
        self.settle(slot);
        match what {
            Redrive::Parked => self.drive_parked(slot),
            // By an earlier version, which left what it could not know to be meant.
            Redrive::Dropped => {
                let parked = self.drop_parked(slot);
                let address = self.table[slot].address.clone();
                let before = self.archive.len();
                self.archive.retain(|(at, _, reset), _| *at != address || *reset == 0);
                let resets = before - self.archive.len();
                Redriven { driven: parked + resets as u64, left: 0 }
            }
            Redrive::Released => {
                self.release_held(slot);
                Redriven { driven: 1, left: 0 }
            }
            Redrive::Reset => {
                self.reset(slot);
                Redriven { driven: 1, left: 0 }
            }
        }
    }

    fn drive_parked(&mut self, slot: Slot) -> Redriven {
        let parked = std::mem::take(&mut self.touch(slot).rest_mut().parked);
        let mut redriven = Redriven::default();
        let (mut mail, mut left) = (VecDeque::new(), vec![]);
        for entry in parked {
            match &entry.item {
                ParkedItem::Mail(saved) => match self.as_it_runs(slot, saved) {
                    Some(loaded) => mail.push_back(loaded),
                    None => left.push(entry),
                },
                ParkedItem::Call(call) => {
                    self.call_again(slot, call.clone());
                    redriven.driven += 1;
                }
                ParkedItem::Timer(saved) if saved.writer == self.table[slot].instance.code.digest() => {
                    let (name, mut timer) = Timer::load(saved.clone());
                    timer.switch = self.switch;
                    self.start_timer(slot, name, timer);
                    redriven.driven += 1;
                }
                ParkedItem::Timer(_) => left.push(entry),
            }
        }
        redriven.driven += mail.len() as u64;
        redriven.left = left.len() as u64;
        let rest = self.table[slot].instance.rest_mut();
        rest.mailbox.append(&mut mail);
        rest.parked = left;
        // All of it has gone over the last switch, and calls its senders as they are called now.
        restore_order(&mut rest.mailbox, |mail| mail.origin.clone());
        self.make_ready(slot);
        redriven
    }

    fn start_timer(&mut self, slot: Slot, name: std::sync::Arc<str>, timer: Timer) {
        let address = self.table[slot].address.clone();
        let timers = &mut self.table[slot].instance.rest_mut().timers;
        // One that was started anew under the same name replaces it, as it always does.
        if let std::collections::btree_map::Entry::Vacant(place) = timers.entry(name.clone()) {
            self.timers.insert((timer.due_ms, address, name));
            place.insert(timer);
        }
    }

    /// Returns a parked message in the types that run, if it is of them or an edge leads there.
    fn as_it_runs(&self, slot: Slot, saved: &MailSnapshot) -> Option<Mail> {
        let resident = &self.table[slot];
        let code = &resident.instance.code;
        let mut mail = Mail::load(saved.clone()).ok()?;
        mail.switch = self.switch;
        if mail.writer != code.digest() {
            let release = self.release.as_ref()?;
            let machine = resident.address.machine_address();
            let edge = edge(&release.resolved, &release.edges, &machine, mail.writer)?;
            let value = Value::from_binary(&mail.input, takes(&edge, edge.edge().lift)).ok()?;
            let lifted = edge_arrow(&edge, EdgeArrow::Lift, &value, Limits::STEP).ok()?;
            mail.input = lifted.to_binary(code.verified.input()).into();
            mail.writer = code.digest();
        }
        Some(mail)
    }

    fn release_held(&mut self, slot: Slot) {
        let instance = self.touch(slot);
        let State::Held(held) = &instance.state else { return };
        let ty = instance.code.verified.state();
        let state = held.state.as_deref().map(|bytes| Value::from_binary(bytes, ty));
        match state.transpose() {
            Ok(state) => instance.state = state.map_or(State::None, State::Live),
            // Only damage could do this, and the journal has checksums: it stays held.
            Err(error) => {
                tracing::error!(%error, "a held state is damaged");
                return;
            }
        }
        let Shard { table, timers, .. } = self;
        let resident = &table[slot];
        for (name, timer) in &resident.instance.rest().timers {
            timers.insert((timer.due_ms, resident.address.clone(), name.clone()));
        }
        self.make_ready(slot);
    }

    /// Returns the number of the last state that was archived because an instance began anew; 0 when none is.
    pub(super) fn last_reset(&self, address: &InstanceAddress) -> u32 {
        let from = (address.clone(), Digest::from_bytes([0; 32]), 0);
        let of = self.archive.range(from..).take_while(|((at, ..), _)| at == address);
        of.map(|((_, _, reset), _)| *reset).max().unwrap_or(0)
    }

    /// Lets an instance begin anew: its state goes to the archive, its messages wait on.
    pub(super) fn reset(&mut self, slot: Slot) {
        self.recorder.forget(slot);
        self.touch(slot);
        let resident = &self.table[slot];
        let address = resident.address.clone();
        let mut saved = resident.instance.save(&address);
        // What waits, waits for the one that begins anew.
        saved.mailbox.clear();
        saved.timers.clear();
        saved.before = None;
        saved.rewind = None;
        saved.kept.clear();
        saved.calls.clear();
        saved.parked.clear();
        saved.status = Status::Reset;
        let writer = resident.instance.writer();
        let number = self.last_reset(&address) + 1;
        self.archive.insert((address.clone(), writer, number), saved);
        let Shard { table, timers, out, care, .. } = self;
        care.forget(&address);
        let instance = &mut table[slot].instance;
        let state = std::mem::replace(&mut instance.state, State::None);
        out.discard(state);
        let rest = instance.rest_mut();
        out.discard(rest.before.take());
        out.discard(rest.rewind.take());
        out.discard(rest.aside.take());
        for (name, timer) in std::mem::take(&mut rest.timers) {
            timers.remove(&(timer.due_ms, address.clone(), name));
        }
        // Nobody is left who asked.
        rest.drop_asked();
        if !self.table[slot].instance.code.keyed() {
            // A machine without keys has its one instance while its application runs.
            let runner = self.table[slot].instance.runner as usize;
            if let Ok(state) = super::step::birth(&self.table[slot].instance.code) {
                let instance = &mut self.table[slot].instance;
                instance.state = State::Live(state);
                instance.life += 1;
                if self.runners[runner].older.is_some() {
                    // Before the switch there was nothing of what lives now.
                    instance.rest_mut().rewind = Some(Rewind::begin(None));
                }
            }
        }
        self.make_ready(slot);
    }
}
