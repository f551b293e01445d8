//! Instances to and from the form that snapshots and the archive have.

use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;
use camshaft_store::{BeforeImage, InstanceSnapshot, Snapshot, Status};

use super::Engine;
use super::instance::{Before, Held, Instance, Live, Mail, State, Timer};
use super::kept::Kept;
use crate::release::{MachineCode, Release};

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
    /// Returns the form for a snapshot. Requests from outside are left out: they are not durable.
    pub(super) fn save(&self, address: &InstanceAddress) -> InstanceSnapshot {
        let (status, state) = match &self.state {
            State::None => (Status::Live, None),
            State::Live(live) => (Status::Live, Some(live.value.to_binary(self.code.verified.state()))),
            State::Held(held) => {
                let (reason, left_behind) = (held.reason.clone(), held.left_behind);
                (Status::Held { reason, left_behind }, held.state.clone())
            }
        };
        let before = self.before.as_ref();
        InstanceSnapshot {
            address: address.to_string(),
            status,
            machine: self.writer(),
            seq: self.seq,
            life: self.life,
            state,
            mailbox: self.mailbox.iter().filter_map(Mail::save).collect(),
            timers: self.timers.iter().map(|(name, timer)| timer.save(name)).collect(),
            timer_generation: self.timer_generation,
            kept: self.kept.save(),
            before: before.map(|before| BeforeImage {
                machine: before.machine,
                state: before.value.to_binary(&before.ty),
            }),
            parked: self.parked.clone(),
            aside: self.aside.clone(),
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
                State::Held(Held { reason, left_behind, machine: saved.machine, state: saved.state })
            }
            Status::Live | Status::Archived { held: None } if saved.machine != code.digest() => {
                let writer = saved.machine.short();
                return Err(damaged(format!(
                    "its state was written by machine {writer}, which does not run"
                )));
            }
            Status::Live | Status::Archived { held: None } => match saved.state {
                None => State::None,
                Some(bytes) => {
                    let ty = code.verified.state();
                    let value = Value::from_binary(&bytes, ty)
                        .map_err(|error| damaged(format!("its state is damaged: {error}")))?;
                    State::Live(Live::new(value, ty))
                }
            },
        };
        let before = match saved.before {
            None => None,
            Some(BeforeImage { machine, state }) => {
                let ty = state_type(machine)
                    .ok_or_else(|| damaged(format!("machine {} is not known", machine.short())))?;
                let value = Value::from_binary(&state, &ty)
                    .map_err(|error| damaged(format!("its state from before is damaged: {error}")))?;
                Some(Before { machine, ty, value })
            }
        };
        let mailbox: Result<_, String> = saved.mailbox.into_iter().map(Mail::load).collect();
        Ok(Instance {
            code: code.clone(),
            seq: saved.seq,
            life: saved.life,
            state,
            mailbox: mailbox.map_err(damaged)?,
            timers: saved.timers.into_iter().map(Timer::load).collect(),
            timer_generation: saved.timer_generation,
            kept: Arc::new(Kept::load(saved.kept)),
            before,
            aside: saved.aside,
            parked: saved.parked,
            version: 0,
            queued: false,
        })
    }
}

impl Engine {
    /// Returns all instances as they are after the record at `position`. All that came out of
    /// the engine has to be durable.
    pub fn save(&self, position: u64) -> Snapshot {
        debug_assert!(self.out.records.is_empty(), "a snapshot covers durable records only");
        let live = self.instances.iter().map(|(address, instance)| instance.save(address));
        Snapshot {
            position,
            switch: self.switch,
            config: self.config,
            now_ms: self.now_ms,
            instances: live.chain(self.archive.values().cloned()).collect(),
        }
    }

    /// Takes the instances of a snapshot over. `previous` is the release that ran before the
    /// last switch, while its states are kept.
    ///
    /// # Errors
    ///
    /// When an instance is not what it should be.
    pub fn load(
        &mut self,
        snapshot: Snapshot,
        release: Arc<Release>,
        previous: Option<&Release>,
    ) -> Result<(), LoadError> {
        let state_type = |digest: Digest| {
            let code = previous?.machines().find(|code| code.digest() == digest)?;
            Some(code.verified.state().clone())
        };
        self.switch = snapshot.switch;
        self.config = snapshot.config;
        self.now_ms = snapshot.now_ms;
        for saved in snapshot.instances {
            let address: InstanceAddress = saved.address.parse().map_err(|error| LoadError {
                address: saved.address.clone(),
                reason: format!("it has no address: {error}"),
            })?;
            let archived = matches!(saved.status, Status::Archived { .. });
            match release.machine(&address.machine_address()) {
                Some(code) if !archived => {
                    let instance = Instance::load(saved, code, &state_type)?;
                    self.instances.insert(address, instance);
                }
                _ => {
                    self.archive.insert((address, saved.machine), saved);
                }
            }
        }
        self.release = Some(release);
        self.list_anew();
        Ok(())
    }
}
