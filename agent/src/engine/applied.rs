//! The inputs that a relup applies: given by the switch, first in the mailboxes of their instances.
//!
//! Like everything that a switch does they follow from its record, so that a replay posts the
//! same ones. Each is delivered once and recorded like any other input. What was not applied is
//! not undone by the way back.

use camshaft_cam::run::Effect;
use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;
use camshaft_store::Verdict;

use super::Shard;
use super::capsules::Tried;
use super::instance::{Instance, Mail, Origin, State};
use super::plan::{Applied, Plan, Way};
use super::step::Surroundings;
use super::table::{Resident, Slot};
use crate::api::{Capsule, StepCapsule, TryFailure};
use crate::release::MachineCode;

/// An input of the last switch that was not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unapplied {
    /// The instance that it is for.
    pub(super) address: InstanceAddress,
    /// Why it cannot be; none while it waits.
    pub(super) reason: Option<String>,
}

impl Shard {
    /// Gives the instances of a plan their inputs. Going back, what was never applied is not undone.
    pub(super) fn post_applies(&mut self, plan: &Plan, number: u64) {
        let before = std::mem::take(&mut self.unapplied);
        let never: Vec<u32> = match plan.way {
            Way::Up => vec![],
            Way::Down => before.into_keys().collect(),
        };
        // Each goes to the front of its mailbox, so the last one goes in first.
        let numbered: Vec<_> = (0u32..).zip(&plan.applies).collect();
        for (index, apply) in numbered.into_iter().rev() {
            if self.shard_of(&apply.address) != self.config_of.index
                || apply.undoes.is_some_and(|undone| never.contains(&undone))
            {
                continue;
            }
            let mail = Mail {
                origin: Origin::Relup { switch: number, index },
                writer: apply.writer,
                input: apply.input.clone(),
                trace: None,
                switch: number,
            };
            let slot = self.slot(&apply.address);
            self.meet(slot);
            self.post_first(apply.address.clone(), mail);
            if plan.way == Way::Up {
                let held = self.table.get(&apply.address).and_then(|instance| instance.held());
                let reason = held.map(|held| format!("it is held: {}", held.reason));
                let waits = Unapplied { address: apply.address.clone(), reason };
                self.unapplied.insert(index, waits);
            }
        }
    }

    /// Delivers what the relup of the last switch applies, before anything else reaches these instances.
    pub fn settle_applies(&mut self) {
        while self.apply_once() {}
    }

    /// Delivers the first input of the last switch that waits; returns false when there is none, or it cannot be.
    pub fn apply_once(&mut self) -> bool {
        let next = self.next_apply();
        next.is_some_and(|slot| self.deliver_at(slot))
    }

    /// Returns whom [`Shard::apply_once`] is for, and the number of the input.
    pub fn upcoming_apply(&self) -> Option<(InstanceAddress, u64)> {
        let Resident { address, instance } = &self.table[self.next_apply()?];
        Some((address.clone(), instance.seq + 1))
    }

    fn next_apply(&self) -> Option<Slot> {
        let waits = |slot: &Slot| {
            let instance = &self.table[*slot].instance;
            let first = instance.rest().mailbox.front().filter(|_| instance.held().is_none());
            first.is_some_and(|mail| matches!(mail.origin, Origin::Relup { .. }))
        };
        let applies = self.road.after(0).last().into_iter().flat_map(|step| &step.plan.applies);
        applies.filter_map(|apply| self.table.find(&apply.address)).find(waits)
    }

    /// Notes what came of an input of the last switch.
    pub(super) fn note_applied(&mut self, index: u32, verdict: &Verdict) {
        match verdict {
            Verdict::Applied { .. } => drop(self.unapplied.remove(&index)),
            Verdict::Trapped { kind, reason } => {
                if let Some(waits) = self.unapplied.get_mut(&index) {
                    waits.reason = Some(format!("the input that is applied traps ({kind}): {reason}"));
                }
            }
        }
    }

    /// Returns the first input of the last switch that was not applied, and why.
    ///
    /// # Errors
    ///
    /// The instance that it was for, and the reason.
    pub fn check_applied(&self) -> Result<(), (InstanceAddress, String)> {
        match self.unapplied.values().next() {
            None => Ok(()),
            Some(Unapplied { address, reason }) => {
                let reason = reason.clone().unwrap_or_else(|| "the input was not delivered".to_owned());
                Err((address.clone(), reason))
            }
        }
    }
}

/// Tries what a plan applies to an instance as it is after the switch, none if it is not there, and
/// throws the result away. What a step sees of time is not what it will see, so that one that asks
/// for it may yet decide otherwise; the check after the switch tells.
pub(super) fn try_applies(
    plan: &Plan,
    address: &InstanceAddress,
    instance: Option<&Instance>,
    now_ms: i64,
) -> Option<TryFailure> {
    let mut applies = plan.applies.iter().filter(|apply| apply.address == *address).peekable();
    let first = *applies.peek()?;
    let code = plan.to.machine(&address.machine_address())?;
    let before = instance.map_or(0, |instance| instance.seq);
    let nothing_ran = |apply, kind, reason| Some(failure(code, apply, before, (kind, reason), None));
    let mut state = match instance.map(|instance| &instance.state) {
        Some(State::Held(held)) => return nothing_ran(first, "held", format!("it is held: {}", held.reason)),
        Some(State::Live(value)) => Some(value.clone()),
        Some(State::None) | None => None,
    };
    for (step, apply) in (1u64..).zip(applies) {
        let input = match Value::from_binary(&apply.input, code.verified.input()) {
            Ok(input) => input,
            Err(error) => return nothing_ran(apply, "input", error.to_string()),
        };
        let tried = Tried {
            code,
            address,
            state: state.as_ref(),
            input: &input,
            seq: before.saturating_add(step),
            surroundings: Surroundings { now_ms, seed: 0 },
        };
        match tried.play().end {
            Ok(outcome) if outcome.effects.contains(&Effect::Stop) => state = None,
            Ok(outcome) => state = Some(outcome.state),
            Err((kind, reason)) => {
                let capsule = tried.capsule((&kind, &reason));
                return Some(failure(code, apply, before, (&kind, reason), Some(capsule)));
            }
        }
    }
    None
}

/// Returns the failure of an input that is applied, with the step that fails on it, if it came to one.
fn failure(
    code: &MachineCode,
    apply: &Applied,
    seq: u64,
    (kind, reason): (&str, String),
    step: Option<StepCapsule>,
) -> TryFailure {
    let ty = code.verified.input();
    let value = Value::from_binary(&apply.input, ty).map(|value| value.to_json_redacted(ty));
    let cut = step.as_ref().is_some_and(|step| step.cut);
    TryFailure {
        instance: apply.address.to_string(),
        step: "apply".to_owned(),
        kind: kind.to_owned(),
        reason,
        capsule: Capsule {
            from: code.digest(),
            to: code.digest(),
            edge: None,
            seq,
            value: value.unwrap_or_default(),
            value_digest: camshaft_cam::digest::Digest::of(&apply.input),
            cut,
            kept: None,
            fuel: step.as_ref().filter(|_| !cut).map(|step| step.fuel),
            rewind: None,
            example: None,
            step: step.map(Box::new),
        },
    }
}
