//! What a trial of an upgrade asks of live states beyond that they go up and come back: the second law of edges, for some
//! of them, and which laws a release sets aside.

use std::collections::BTreeMap;

use camshaft_cam::derive::DownClass;
use camshaft_cam::digest::Digest;
use camshaft_cam::suite::laws::{Ends, Law, check_forth};
use camshaft_cam::value::Value;
use camshaft_manifests::MachineAddress;

use super::carry::short;
use super::plan::{Change, Plan, Way};

/// How many instances of a node are held against the second law, about: each takes some inputs and four arrows, several times,
/// which is far more than going over.
const SAMPLES: usize = 128;

/// States above this size, in canonical bytes, are not.
const SAMPLE_BYTES_MAX: usize = 64 << 10;

/// What is asked of the machines of a plan.
#[derive(Debug, Default)]
pub(super) struct Laws {
    /// By the addresses before the switch: those that go along an edge.
    machines: BTreeMap<MachineAddress, Asked>,
    /// Of so many slots, one is held against the second law.
    stride: usize,
}

/// What is asked of a machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Asked {
    /// True when the way down gives up nothing that is only new.
    exact: bool,
    /// True when the release says that the way down does not give back what was there: law L1 is set aside.
    pub(super) lossy: bool,
    /// True when law L2 is set aside.
    not_again: bool,
}

impl Laws {
    /// Returns what is asked when a plan is tried on so many slots.
    pub(super) fn of(plan: &Plan, slots: usize) -> Laws {
        if plan.way == Way::Down {
            return Laws::default();
        }
        let to = &plan.to.resolved;
        let asked = |(machine, change): (&MachineAddress, &Change)| {
            let Change::Moves { from, to: code, edge } = change else { return None };
            let digest = edge.digest();
            let resolved = to.edges.iter().find(|edge| edge.machine == code.address && edge.digest == digest);
            let class = resolved.and_then(|edge| edge.class).unwrap_or(DownClass::D4);
            let app = to.apps.iter().find(|app| app.name == code.address.app);
            let version = from.version.parse().ok();
            let sets_aside = |law: Law| {
                let waivers = app.map(|app| app.waivers.as_slice()).unwrap_or_default();
                let aside = |version| {
                    waivers.iter().any(|waiver| waiver.sets_aside(law.id(), &code.address.machine, version))
                };
                version.as_ref().is_some_and(aside)
            };
            let asked = Asked {
                exact: class == DownClass::D0,
                lossy: sets_aside(Law::Back),
                not_again: sets_aside(Law::Forth),
            };
            Some((machine.clone(), asked))
        };
        Laws {
            machines: plan.pairs.iter().filter_map(asked).collect(),
            stride: slots.div_ceil(SAMPLES).max(1),
        }
    }

    /// Returns what is asked of a machine.
    pub(super) fn asked(&self, machine: &MachineAddress) -> Asked {
        self.machines.get(machine).copied().unwrap_or_default()
    }

    /// Returns true for a slot whose instance is held against the second law.
    pub(super) fn samples(&self, slot: u32) -> bool {
        self.stride > 0 && (slot as usize).is_multiple_of(self.stride)
    }
}

impl Asked {
    /// Holds a state against the second law; returns what differs, for people.
    pub(super) fn up_again(self, ends: Ends<'_>, state: &Value) -> Option<String> {
        if self.not_again {
            return None;
        }
        let bytes = state.to_binary(ends.old.state());
        if bytes.len() > SAMPLE_BYTES_MAX {
            return None;
        }
        up_again(ends, self.exact, state, Digest::of(&bytes))
    }
}

/// Holds a state against the second law, with inputs that follow from its digest: returns what differs, for people.
/// Nothing secret is in it.
pub(crate) fn up_again(ends: Ends<'_>, exact: bool, state: &Value, digest: Digest) -> Option<String> {
    let seed = digest.as_bytes().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    let apart = check_forth(ends, exact, state, seed).err()?;
    let inputs: Vec<String> =
        apart.inputs.iter().map(|input| input.to_json_redacted(ends.new.input())).collect();
    let after = match inputs.as_slice() {
        [] => String::new(),
        inputs => format!("after {}: ", short(&inputs.join(", "))),
    };
    let ty = if apart.older { ends.old.state() } else { ends.new.state() };
    let [expected, found] = [&apart.expected, &apart.found].map(|value| short(&value.to_json_redacted(ty)));
    Some(if apart.older {
        format!("law L2: {after}the way down gives {expected}, and up and down once more gives {found}")
    } else {
        format!("law L2: {after}it is {expected}, and down and up again makes {found} of it")
    })
}
