//! Samples of states while a release is on probation: the invariants of its machines hold for all of them.
//!
//! Every step and every migration has checked that already. What is found here is a state that changed without
//! either: a fault of ours, or of the machine that the agent runs on.

use camshaft_cam::run::{Limits, check_invariants};

use super::Shard;
use super::instance::State;
use crate::failpoint;

impl Shard {
    /// Looks at up to `most` instances further on, from the first again after the last; returns one whose state is not
    /// as its machine says, and why. What has not gone over the last switch says nothing of its release.
    pub fn sample(&mut self, most: usize) -> Option<(String, String)> {
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
            let checked = check_invariants(&instance.code.verified, state, Limits::MIGRATION);
            let reason = match checked {
                Err(trap) => trap.to_string(),
                Ok(()) if failpoint::fault("invariant") => "the environment asks for this failure".to_owned(),
                Ok(()) => continue,
            };
            return Some((address.to_string(), reason));
        }
        None
    }
}
