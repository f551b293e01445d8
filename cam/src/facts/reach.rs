//! What an input case of a machine can lead to.

use std::collections::BTreeSet;

use super::flow::Summary;
use super::sketch::{Path, Root, Sketch, Step};
use crate::code::{EffectKind, Machine, Module};
use crate::ty::{Kind, Ty};
use crate::verify::{VerifiedModule, is_invariant_of_steps};

/// The parameter of a step function that is the state.
const STATE: u32 = 1;

/// What an input case can lead to. Never too little; sometimes too much.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// What it may answer.
    pub answers: Answers,
    /// What it may emit.
    pub emits: Emissions,
    /// True when it may come to a `fail` or a guard, in the step or in an invariant after it.
    /// Other traps are in [`crate::verify::FunctionFacts::may_trap`].
    pub fails: bool,
    /// The members of the state, by index, that may be others afterwards than before. Of a state
    /// that is no record or tuple, 0 stands for the whole.
    pub writes: BTreeSet<u32>,
}

/// What an input case may answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answers {
    /// The case is internal: nobody waits for an answer.
    Nobody,
    /// These cases of the output, by index. None of them when each run fails.
    Cases(BTreeSet<u32>),
    /// Any value of the output, which is no variant.
    Any,
}

/// What may be emitted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Emissions {
    /// The channels that it may send on, by index.
    pub channels: BTreeSet<u32>,
    /// The ports that it may call, by index.
    pub ports: BTreeSet<u32>,
    /// The input cases that the timers which it starts may fire; without one, it starts none.
    pub timers: BTreeSet<u32>,
    /// True when it may cancel a timer.
    pub cancels: bool,
    /// True when it may write to the log.
    pub logs: bool,
    /// True when it may end the instance.
    pub stops: bool,
}

impl Emissions {
    /// Returns all that a machine can emit.
    pub(super) fn any(module: &Module, machine: &Machine) -> Emissions {
        let below = |count: usize| (0..u32::try_from(count).unwrap_or(u32::MAX)).collect();
        Emissions {
            channels: below(machine.channels.len()),
            ports: below(machine.ports.len()),
            timers: case_indices(module.ty(machine.input)),
            cancels: true,
            logs: true,
            stops: true,
        }
    }

    /// Adds an effect that may be emitted with such a value.
    pub(super) fn add(&mut self, effect: EffectKind, v: &Sketch) {
        match effect {
            EffectKind::Stop => self.stops = true,
            EffectKind::Log => self.logs = true,
            EffectKind::Cancel => self.cancels = true,
            EffectKind::Timer => self.timers.extend(cases_of(&v.part(Step::Member(2)))),
            EffectKind::Send(channel) => drop(self.channels.insert(channel)),
            EffectKind::Call(port) => drop(self.ports.insert(port)),
        }
    }
}

/// Returns what an input case can lead to, by its step function.
pub(super) fn of_case(verified: &VerifiedModule, machine: &Machine, case: usize, known: &[Summary]) -> Reach {
    let module = verified.module();
    let step = &known[machine.step[case].0 as usize];
    let internal = machine.internal[case];
    let (state, output) = match (&step.result, internal) {
        (None, _) => (None, None),
        (Some(state), true) => (Some(state.clone()), None),
        (Some(both), false) => (Some(both.part(Step::Member(0))), Some(both.part(Step::Member(1)))),
    };
    let output_ty = module.ty(machine.output);
    let answers = match (internal, output_ty.kind()) {
        (true, _) => Answers::Nobody,
        (false, Kind::Variant(_)) => Answers::Cases(output.as_ref().map(cases_of).unwrap_or_default()),
        (false, _) => Answers::Any,
    };
    let writes = state.as_ref().map(written).unwrap_or_default();
    let invariants = machine.invariants.iter().map(|(_, invariant)| *invariant);
    let of_steps = invariants.filter(|invariant| is_invariant_of_steps(verified, *invariant));
    let mut checked = of_steps.map(|invariant| &known[invariant.0 as usize]);
    let fails = step.fails || checked.any(|invariant| invariant.fails);
    Reach { answers, emits: step.emits.clone(), fails, writes }
}

/// Returns the cases that a variant may be.
fn cases_of(variant: &Sketch) -> BTreeSet<u32> {
    case_indices(&variant.ty).into_iter().filter(|case| variant.may_be(*case)).collect()
}

fn case_indices(variant: &Ty) -> BTreeSet<u32> {
    let count = variant.as_variant().map_or(0, |variant| variant.cases.len());
    (0..u32::try_from(count).unwrap_or(u32::MAX)).collect()
}

/// Returns the members of the next state that may differ from those of the state.
fn written(next: &Sketch) -> BTreeSet<u32> {
    let before = Sketch::same(next.ty.clone(), Path::root(Root::Param(STATE)));
    if next.shape == before.shape {
        return BTreeSet::new();
    }
    let kind = next.ty.unsealed().kind();
    let count = match kind {
        Kind::Tuple(_) | Kind::Record(_) => crate::ty::children(kind).count(),
        _ => 1,
    };
    let all = 0..u32::try_from(count).unwrap_or(u32::MAX);
    match (before.members(), next.members()) {
        (Some(before), Some(next)) => {
            all.filter(|index| before[*index as usize] != next[*index as usize]).collect()
        }
        _ => all.collect(),
    }
}
