//! Samples of states while a release is on probation: the invariants of its machines hold for all of them.
//!
//! Every step and every migration has checked that already. What is found here is a state that changed without
//! either: a fault of ours, or of the machine that the agent runs on.
//!
//! A large state is shown to whoever asks and checked there, where no input waits for it, and one at a time.

use std::sync::Arc;

use camshaft_cam::run::{Limits, check_invariants};
use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;

use super::Shard;
use super::instance::State;
use crate::failpoint;
use crate::release::MachineCode;

/// What was seen of some states.
#[derive(Debug, Default)]
pub struct Sample {
    /// An instance whose state is not as its machine says, and why.
    flawed: Option<(String, String)>,
    /// A large state that is yet to be checked.
    large: Option<(InstanceAddress, Arc<MachineCode>, Value)>,
}

impl Sample {
    /// Returns true when it has a state that is yet to be checked, which takes a while.
    pub fn is_large(&self) -> bool {
        self.large.is_some()
    }

    /// Returns an instance whose state is not as its machine says, and why.
    pub fn judged(self) -> Option<(String, String)> {
        let large = self.large.as_ref();
        self.flawed.or_else(|| large.and_then(|(address, code, state)| flaw(address, code, state)))
    }
}

impl Shard {
    /// Looks at up to `most` instances further on, from the first again after the last, and at a large one among them only
    /// where that is wanted. What has not gone over the last switch says nothing of its release.
    pub fn sample(&mut self, most: usize, large: bool) -> Sample {
        let mut sample = Sample::default();
        let slots = self.table.slots();
        for _ in 0..most.min(slots) {
            let place = self.sampled % slots;
            self.sampled = place + 1;
            let Some((_, resident)) = self.table.at(place) else { continue };
            let (instance, address) = (&resident.instance, &resident.address);
            let State::Live(state) = &instance.state else { continue };
            if instance.switch < self.switch {
                continue;
            }
            if state.is_large() {
                if large {
                    sample.large = Some((address.clone(), instance.code.clone(), state.clone()));
                    return sample;
                }
                continue;
            }
            sample.flawed = flaw(address, &instance.code, state);
            if sample.flawed.is_some() {
                return sample;
            }
        }
        sample
    }
}

fn flaw(address: &InstanceAddress, code: &MachineCode, state: &Value) -> Option<(String, String)> {
    let reason = match check_invariants(&code.verified, state, Limits::MIGRATION) {
        Err(trap) => trap.to_string(),
        Ok(()) if failpoint::fault("invariant") => "the environment asks for this failure".to_owned(),
        Ok(()) => return None,
    };
    Some((address.to_string(), reason))
}
