//! Instances to and from the form that snapshots and the archive have.

use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_manifests::{InstanceAddress, MachineAddress};
use camshaft_store::{BeforeImage, InstanceSnapshot, ParkedItem, SavedLane, SavedMail, Status};

use super::Shard;
use super::aside::KeptAside;
use super::instance::{Before, Held, Instance, Mail, State, Timer};
use super::kept::Kept;
use super::rewind::Rewind;
use super::road::Step;
use crate::release::MachineCode;

/// Why the form of a snapshot is no instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("instance {address}: {reason}")]
pub struct LoadError {
    /// The instance.
    pub address: String,
    /// What is wrong.
    pub reason: String,
}

impl Instance {
    /// Returns the form for a snapshot.
    pub(super) fn save(&self, address: &InstanceAddress) -> InstanceSnapshot {
        let (status, state) = match &self.state {
            State::None => (Status::Live, None),
            State::Live(_) => (Status::Live, self.state_bytes()),
            State::Held(held) => {
                let (reason, left_behind) = (held.reason.clone(), held.left_behind);
                (Status::Held { reason, left_behind }, held.state.clone())
            }
        };
        let rest = self.rest();
        InstanceSnapshot {
            address: address.to_string(),
            status,
            switch: self.switch,
            machine: self.writer(),
            seq: self.seq,
            life: self.life,
            state,
            mailbox: rest.mailbox.iter().filter_map(Mail::save).collect(),
            timers: rest.timers.iter().map(|(name, timer)| timer.save(name)).collect(),
            timer_generation: rest.timer_generation,
            kept: rest.kept.save(),
            before: rest.before.as_ref().map(Before::save),
            parked: rest.parked.clone(),
            aside: rest.aside.as_ref().map(KeptAside::save),
            calls: rest.calls.clone(),
            rewind: rest.rewind.as_ref().map(Rewind::save),
        }
    }

    /// Returns the instance of a snapshot. `state_type` gives the type of states from before.
    pub(super) fn load(
        saved: InstanceSnapshot,
        code: &Arc<MachineCode>,
        state_type: &dyn Fn(Digest) -> Option<Ty>,
    ) -> Result<Instance, LoadError> {
        let address = saved.address.clone();
        let damaged = |reason: String| LoadError { address: address.clone(), reason };
        let state = match saved.status {
            Status::Held { reason, left_behind } | Status::Archived { held: Some((reason, left_behind)) } => {
                let held = Held { reason, left_behind, machine: saved.machine, state: saved.state };
                State::Held(Box::new(held))
            }
            Status::Live | Status::Archived { held: None } | Status::Reset
                if saved.machine != code.digest() =>
            {
                let writer = saved.machine.short();
                return Err(damaged(format!(
                    "its state was written by machine {writer}, which does not run"
                )));
            }
            Status::Live | Status::Archived { held: None } | Status::Reset => match saved.state {
                None => State::None,
                Some(bytes) => {
                    let ty = code.verified.state();
                    let value = Value::from_binary(&bytes, ty)
                        .map_err(|error| damaged(format!("its state is damaged: {error}")))?;
                    State::Live(value)
                }
            },
        };
        let image = |BeforeImage { machine, state, aside }: BeforeImage| {
            let ty =
                state_type(machine).ok_or_else(|| format!("machine {} is not known", machine.short()))?;
            let value = Value::from_binary(&state, &ty)
                .map_err(|error| format!("its state from before is damaged: {error}"))?;
            Ok(Before { machine, ty, value, aside: aside.map(KeptAside::load) })
        };
        let before = saved.before.map(image).transpose().map_err(damaged)?;
        let rewind = saved.rewind.map(|saved| Rewind::load(saved, image)).transpose().map_err(damaged)?;
        let mailbox: Result<_, String> = saved.mailbox.into_iter().map(Mail::load).collect();
        let mut instance = Instance::unborn(code.clone(), saved.switch);
        instance.seq = saved.seq;
        instance.life = saved.life;
        instance.state = state;
        let rest = instance.rest_mut();
        rest.mailbox = mailbox.map_err(damaged)?;
        rest.timers = saved.timers.into_iter().map(Timer::load).collect();
        rest.timer_generation = saved.timer_generation;
        rest.kept = Arc::new(Kept::load(saved.kept));
        rest.before = before;
        rest.rewind = rewind;
        rest.aside = saved.aside.map(KeptAside::load);
        rest.parked = saved.parked;
        rest.calls = saved.calls;
        instance.shrink();
        Ok(instance)
    }
}

impl Shard {
    /// Takes over what a state snapshot says of a lane. Of several lanes the first are overwritten: they
    /// were cut at one switch.
    pub fn load_lane(&mut self, lane: &SavedLane) {
        self.switch = lane.switch;
        self.config = lane.config;
        self.advance(lane.now_ms);
    }

    /// Takes an instance of a state snapshot over.
    ///
    /// # Errors
    ///
    /// When the instance is not what it should be.
    pub fn load(&mut self, mut saved: InstanceSnapshot) -> Result<(), LoadError> {
        let road = &self.road;
        let state_type = |digest: Digest| {
            let mut releases = road.after(0).iter().map(|step| &step.plan.from);
            let code = releases.find_map(|from| from.machines().find(|code| code.digest() == digest))?;
            Some(code.verified.state().clone())
        };
        say_switches(&mut saved, self.switch);
        let address: InstanceAddress = saved.address.parse().map_err(|error| LoadError {
            address: saved.address.clone(),
            reason: format!("it has no address: {error}"),
        })?;
        let archived = matches!(saved.status, Status::Archived { .. } | Status::Reset);
        match self.code_at(&address.machine_address(), saved.switch) {
            Some(code) if !archived => {
                let instance = Instance::load(saved, &code, &state_type)?;
                if self.table.find(&address).is_some() {
                    let reason = "it is there twice".to_owned();
                    return Err(LoadError { address: address.to_string(), reason });
                }
                self.insert(address, instance);
            }
            _ => {
                let reset = match saved.status {
                    Status::Reset => self.last_reset(&address) + 1,
                    _ => 0,
                };
                self.archive.insert((address, saved.machine, reset), saved);
            }
        }
        Ok(())
    }

    /// Returns the code that a machine ran after a switch; it has this address now.
    fn code_at(&self, machine: &MachineAddress, switch: u64) -> Option<Arc<MachineCode>> {
        let steps = self.road.after(switch);
        let Some(first) = steps.first() else { return self.release.as_ref()?.machine(machine).cloned() };
        let before = |at: MachineAddress, step: &Step| step.plan.address_before(&at);
        first.plan.from.machine(&steps.iter().rev().fold(machine.clone(), before)).cloned()
    }

    /// Takes a message over that was on its way.
    ///
    /// # Errors
    ///
    /// When it is not what it should be.
    pub fn load_mail(&mut self, mut saved: SavedMail) -> Result<(), LoadError> {
        say(&mut saved.mail.switch, self.switch);
        let address = saved.to.clone();
        self.accept_saved(saved).map_err(|reason| LoadError { address, reason })
    }

    /// Lists what waits, after everything was loaded.
    pub fn loaded(&mut self) {
        self.list_anew();
    }
}

/// Says which switch something went over last where a format before 6 left it out: that of its lane.
fn say(switch: &mut u64, lane: u64) {
    if *switch == 0 {
        *switch = lane;
    }
}

fn say_switches(saved: &mut InstanceSnapshot, lane: u64) {
    say(&mut saved.switch, lane);
    let parked = saved.parked.iter_mut().filter_map(|parked| match &mut parked.item {
        ParkedItem::Mail(mail) => Some(&mut mail.switch),
        ParkedItem::Timer(timer) => Some(&mut timer.switch),
        ParkedItem::Call(_) => None,
    });
    let waiting = saved.mailbox.iter_mut().map(|mail| &mut mail.switch);
    let timers = saved.timers.iter_mut().map(|timer| &mut timer.switch);
    for switch in waiting.chain(timers).chain(parked) {
        say(switch, lane);
    }
}
