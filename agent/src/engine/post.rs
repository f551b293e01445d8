//! Messages on their way to an instance, from this shard or another.

use std::collections::VecDeque;

use camshaft_manifests::InstanceAddress;
use camshaft_store::SavedMail;

use super::Shard;
use super::instance::{Instance, Mail, Origin, State};
use super::plan::Change;
use super::step::Outgoing;
use super::table::Slot;

/// A message for an instance of another shard.
#[derive(Debug, Clone)]
pub struct Posted {
    /// The shard of the receiver.
    pub shard: u16,
    /// The number of the switch in force at the sender.
    pub switch: u64,
    /// How many state snapshots the sender's shard had begun.
    pub cut: u64,
    out: Outgoing,
}

impl Posted {
    /// Returns the receiver.
    pub fn to(&self) -> &InstanceAddress {
        &self.out.to
    }
}

impl Shard {
    /// Sends a message that came of a step here.
    pub(super) fn send(&mut self, out: Outgoing) {
        let shard = self.shard_of(&out.to);
        if shard == self.config_of.index {
            self.accept(out);
            return;
        }
        self.out.mail.push(Posted { shard, switch: self.switch, cut: self.cut, out });
    }

    /// Takes a message from another shard. One that was sent after a switch, or after the beginning of
    /// a state snapshot, is given to the shard only when it has gone over, or begun, itself.
    pub fn receive(&mut self, posted: Posted) {
        debug_assert!(posted.switch <= self.switch, "old code never meets what is newer");
        debug_assert!(posted.cut <= self.cut, "a message from after a cut comes after the cut");
        if posted.cut < self.cut {
            self.save_on_its_way(&posted);
        }
        self.accept_from(posted.switch, posted.out);
    }

    /// Takes up a message that a state snapshot found on its way.
    pub(super) fn accept_saved(&mut self, saved: SavedMail) -> Result<(), String> {
        let to = saved.to.parse().map_err(|error| format!("`{}` is no address: {error}", saved.to))?;
        let switch = saved.mail.switch;
        self.accept_from(switch, Outgoing { to, mail: Mail::load(saved.mail)?, expects: saved.expects });
        Ok(())
    }

    /// Puts a message into its mailbox, unless nobody is left who waits for it.
    pub(super) fn accept(&mut self, out: Outgoing) {
        if let Some(life) = out.expects
            && !self.table.get(&out.to).is_some_and(|asker| asker.awaits(life))
        {
            return;
        }
        self.post(out.to, out.mail);
    }

    /// Takes a message that was sent after `switch`. Its receiver may have got another name since, or have been
    /// put away: then its mail goes with it.
    fn accept_from(&mut self, switch: u64, mut out: Outgoing) {
        let mut away = None;
        for step in self.road.after(switch) {
            match step.plan.pairs.get(&out.to.machine_address()) {
                Some(Change::Removed { from } | Change::Restarts { from, .. }) => {
                    away = Some(from.clone());
                    break;
                }
                Some(_) => out.to = step.plan.address_after(&out.to),
                None => {}
            }
        }
        match away {
            Some(from) => self.put_to_archive(&out.to, &from, &out.mail),
            None => self.accept(out),
        }
    }

    /// Puts a message into a mailbox. An instance that is not there yet is born when it is
    /// delivered.
    pub(super) fn post(&mut self, address: InstanceAddress, mail: Mail) {
        self.post_at(address, mail, VecDeque::push_back);
    }

    /// Puts a message before all others into a mailbox.
    pub(super) fn post_first(&mut self, address: InstanceAddress, mail: Mail) {
        self.post_at(address, mail, VecDeque::push_front);
    }

    fn post_at(&mut self, address: InstanceAddress, mail: Mail, put: fn(&mut VecDeque<Mail>, Mail)) {
        let slot = self.slot(&address);
        put(&mut self.touch(slot).rest_mut().mailbox, mail);
        self.make_ready(slot);
    }

    /// Returns the slot of an instance, which is put there when it was missing.
    pub(super) fn slot(&mut self, address: &InstanceAddress) -> Slot {
        match self.table.find(address) {
            Some(slot) => slot,
            None => {
                let Some(instance) = self.unborn(address) else {
                    unreachable!("mail goes to machines of the running release only: {address}")
                };
                self.insert(address.clone(), instance)
            }
        }
    }

    /// Returns an instance that is not yet born. When an archived one had its address, numbers
    /// and kept answers go on from there: they must not be given away twice.
    pub(super) fn unborn(&self, address: &InstanceAddress) -> Option<Instance> {
        let code = self.release.as_ref()?.machine(&address.machine_address())?.clone();
        let mut instance = Instance::unborn(code, self.switch);
        // It is too new for a state snapshot that is being made.
        instance.cut = self.cut;
        if !self.archive.is_empty() {
            self.go_on_from_archive(address, &mut instance);
        }
        Some(instance)
    }
}

impl Instance {
    /// Returns true while the life that sent a message goes on.
    fn awaits(&self, life: u64) -> bool {
        self.life == life && !matches!(self.state, State::None)
    }
}

impl Posted {
    /// Returns the form for a state snapshot.
    pub(super) fn save(&self) -> Option<SavedMail> {
        debug_assert!(!matches!(self.out.mail.origin, Origin::Outside { .. }), "machines send it");
        let mail = self.out.mail.save()?;
        Some(SavedMail { to: self.out.to.to_string(), mail, expects: self.out.expects })
    }
}
