//! How a node is, beside how it has to be.

use camshaft_cam::digest::Digest;
use camshaft_manifests::InstanceAddress;

use super::{Instance, Model, State, Wrong, wrong};
use crate::seen::{InstanceSeen, NodeSeen};

impl Model {
    /// Compares how a node is with how it has to be. Nothing may have happened that was not followed, and no
    /// request may wait.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn compare(&self, seen: &NodeSeen) -> Result<(), Wrong> {
        let running = self.edition().map(|edition| edition.version.to_string());
        let expected = (running, self.provisional, self.switch);
        let is = (seen.running.clone(), seen.provisional, seen.switch);
        if expected != is {
            return wrong("the release that runs", format!("{expected:?}"), format!("{is:?}"));
        }
        let mut expected: Vec<InstanceSeen> =
            self.instances.iter().map(|(address, instance)| shown(address, instance, false)).collect();
        expected.extend(self.archive.iter().map(|((address, _), instance)| shown(address, instance, true)));
        expected.extend(self.resets.iter().map(|(address, instance)| shown(address, instance, true)));
        expected.retain(|instance| !instance.is_blank());
        expected.sort();
        for instance in &seen.instances {
            if !expected.contains(instance) {
                let same = expected.iter().find(|other| {
                    (&other.address, other.stands == "archived")
                        == (&instance.address, instance.stands == "archived")
                });
                return wrong(instance.address.clone(), format!("{same:?}"), format!("{instance:?}"));
            }
        }
        match expected.iter().find(|instance| !seen.instances.contains(instance)) {
            Some(missing) => wrong(missing.address.clone(), format!("{missing:?}"), "nothing"),
            None if expected.len() != seen.instances.len() => {
                let counts = (expected.len(), seen.instances.len());
                wrong("how many instances there are", format!("{}", counts.0), format!("{}", counts.1))
            }
            None => Ok(()),
        }
    }
}

fn shown(address: &InstanceAddress, instance: &Instance, archived: bool) -> InstanceSeen {
    let (stands, bytes) = match &instance.state {
        State::None => ("stopped", vec![]),
        State::Live(state) => ("live", state.to_binary(instance.member.part.verified.state())),
        State::Held { part, state, .. } => {
            ("held", state.as_ref().map_or(vec![], |state| state.to_binary(part.verified.state())))
        }
    };
    InstanceSeen {
        address: address.to_string(),
        stands: if archived { "archived" } else { stands },
        machine: instance.writer(),
        seq: instance.seq,
        state: Digest::of(&bytes),
        queued: instance.mailbox.len() as u64,
        parked: instance.parked.len() as u64,
        timers: instance.timers.iter().map(|(name, timer)| (name.clone(), timer.due_ms)).collect(),
    }
}
