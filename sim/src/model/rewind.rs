//! Doing over again in the release before what an instance did since the switch, where it does not go down.

use camshaft_agent::engine::{REWIND_BYTES_MAX, REWIND_INPUTS_MAX};
use camshaft_cam::digest::Digest;
use camshaft_cam::run::EdgeArrow;
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_manifests::{InstanceAddress, MachineAddress};

use super::arrows::along;
use super::step::{Cause, Computed, Outcome, Sees, birth};
use super::switch::Plan;
use super::{Before, Instance, Model, State, Wrong};
use crate::seen::{Effect, Input};
use crate::world::build::{Member, Part, Way};

/// What is kept of an instance for that.
#[derive(Debug, Clone)]
pub(super) struct Rewind {
    /// The state from before the switch; none for one that was not born.
    start: Option<Before>,
    taken: Vec<Taken>,
    bytes: usize,
    /// It was too much: nothing is left.
    let_go: bool,
}

/// An input and what came of it.
#[derive(Debug, Clone)]
struct Taken {
    seq: u64,
    input: Value,
    /// True when it is in the types of the older machine, in which it had waited.
    older: bool,
    sees: Sees,
    cause: Cause,
    outcome: Result<Outcome, (String, String)>,
}

impl Rewind {
    /// Returns what is kept of an instance of which there was nothing before the switch.
    pub(super) fn of_nothing() -> Rewind {
        Rewind { start: None, taken: vec![], bytes: 0, let_go: false }
    }
}

/// What waited, in the types of the machine before, if it had come in those.
pub(super) type Written = Option<(Digest, Value)>;

impl Model {
    /// Keeps an input, before what came of it is committed.
    pub(super) fn keep_taken(
        &mut self,
        seen: &Input,
        (input, cause): (&Value, &Cause),
        written: Written,
        computed: &Computed,
    ) {
        let Some(older) = self.older.get(&seen.instance.machine_address()) else { return };
        let (older, ty) = (older.part.digest(), older.part.verified.input().clone());
        let instance = self.instances.get_mut(&seen.instance).expect("it took the input");
        if computed.outcome.as_ref().is_ok_and(Outcome::stops) {
            instance.rewind = None;
            return;
        }
        let born = computed.outcome.as_ref().is_ok_and(Outcome::born);
        let before = instance.before.as_ref().filter(|(part, ..)| part.digest() == older);
        if instance.rewind.is_none() {
            if before.is_none() && !born {
                return;
            }
            let start = before.cloned();
            instance.rewind = Some(Rewind { start, ..Rewind::of_nothing() });
        }
        let part = instance.member.part.clone();
        let rewind = instance.rewind.as_mut().expect("it was made just now");
        let written = written.filter(|(writer, _)| *writer == older).map(|(_, input)| input);
        let ty = if written.is_some() { &ty } else { part.verified.input() };
        let taken = Taken {
            seq: seen.seq,
            older: written.is_some(),
            input: written.unwrap_or_else(|| input.clone()),
            sees: Sees { now_ms: seen.now_ms, seed: seen.seed },
            cause: cause.clone(),
            outcome: computed.outcome.clone(),
        };
        rewind.bytes += 64 + taken.input.to_binary(ty).len() + size(&taken.outcome, &part);
        if rewind.taken.len() >= REWIND_INPUTS_MAX || rewind.bytes > REWIND_BYTES_MAX {
            rewind.let_go = true;
            rewind.taken.clear();
        }
        if !rewind.let_go {
            rewind.taken.push(taken);
        }
    }

    /// Returns the state that an instance comes to, and what was kept aside of it, if all comes out as it did.
    pub(super) fn rewound(
        &self,
        plan: &Plan,
        address: &InstanceAddress,
        before: &Instance,
        to: &Member,
    ) -> Result<Option<Rewound>, Wrong> {
        let exact = !plan.up && self.provisional;
        let Some(rewind) = before.rewind.as_ref().filter(|rewind| exact && !rewind.let_go) else {
            return Ok(None);
        };
        let mut there = self.clone();
        there.lineage = vec![plan.to];
        let mut instance = Instance::unborn(to.clone());
        let mut aside = None;
        if let Some((_, state, kept)) = &rewind.start {
            instance.state = State::Live(state.clone());
            aside.clone_from(kept);
        }
        let way = before.member.edge.as_deref().expect("a machine that changes has an edge");
        let ends = Ends { plan, way, newer: &before.member.part, older: &to.part };
        let after = plan.after(address);
        for taken in &rewind.taken {
            let input = match taken.older {
                true => taken.input.clone(),
                false => match ends.along(EdgeArrow::Unlift, &taken.input)? {
                    Some(input) => input,
                    None => return Ok(None),
                },
            };
            let mut cause = taken.cause.clone();
            if let Cause::Message { sent, .. } = &mut cause {
                sent.peer = plan.after(&sent.peer);
            }
            instance.seq = taken.seq - 1;
            let computed = there.compute(&after, &instance, &input, taken.sees, &cause);
            let outcome = match (&taken.outcome, computed.outcome) {
                (Err(was), Err(is)) if *was == is => continue,
                (Ok(was), Ok(is)) if ends.same(was, &is)? => is,
                _ => return Ok(None),
            };
            instance.life += u64::from(outcome.born());
            instance.state = State::Live(outcome.into_state());
        }
        match instance.state {
            State::Live(state) => Ok(Some((state, aside))),
            // It began anew and took nothing since.
            State::None => Ok(birth(to).ok().map(|state| (state, None))),
            State::Held { .. } => unreachable!("no step holds an instance"),
        }
    }

    /// Notes from which machines those that run came by the last switch up, while it is provisional.
    pub(super) fn note_older(&mut self, plan: &Plan) {
        self.older.clear();
        if plan.up {
            let moves = plan.moves().map(|(was, is)| (was.clone(), is.clone()));
            let moves: Vec<(MachineAddress, MachineAddress)> = moves.collect();
            for (was, is) in moves {
                self.older.insert(is, self.world.editions[plan.from].members[&was].clone());
            }
        }
    }
}

/// A state, and what was kept aside of it.
type Rewound = (Value, Option<(Digest, Value)>);

struct Ends<'a> {
    plan: &'a Plan,
    way: &'a Way,
    newer: &'a Part,
    older: &'a Part,
}

impl Ends<'_> {
    fn along(&self, arrow: EdgeArrow, value: &Value) -> Result<Option<Value>, Wrong> {
        Ok(along(self.way, arrow, value, self.older, self.newer)?.ok())
    }

    /// Returns true if both releases told and did the same.
    fn same(&self, was: &Outcome, is: &Outcome) -> Result<bool, Wrong> {
        let told = match &was.output {
            None => None,
            Some(output) => match self.along(EdgeArrow::Lower, output)? {
                Some(lowered) => Some(lowered),
                None => return Ok(false),
            },
        };
        if told != is.output || was.effects.len() != is.effects.len() {
            return Ok(false);
        }
        let mut inputs = was.timer_inputs();
        for (was, is) in was.effects.iter().zip(&is.effects) {
            let same = match was {
                Effect::Timer(name, due_ms, _) => {
                    let input = inputs.next().expect("each timer has its input");
                    let Some(input) = self.along(EdgeArrow::Unlift, input)? else { return Ok(false) };
                    let bytes = input.to_binary(self.older.verified.input());
                    *is == Effect::Timer(name.clone(), *due_ms, bytes)
                }
                Effect::Send(channel, to, bytes) => {
                    message(self.newer, channel) == message(self.older, channel)
                        && *is == Effect::Send(channel.clone(), self.plan.after(to), bytes.clone())
                }
                Effect::Stop | Effect::Log(_) | Effect::Cancel(_) => was == is,
            };
            if !same {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Returns the type of what a machine sends on a channel.
fn message<'a>(part: &'a Part, channel: &str) -> Option<&'a Ty> {
    let channel = part.verified.channel(channel)?;
    Some(part.verified.module().ty(channel.message))
}

/// Returns how much of the bounds an outcome takes.
fn size(outcome: &Result<Outcome, (String, String)>, part: &Part) -> usize {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err((kind, reason)) => return kind.len() + reason.len(),
    };
    let of_effect = |effect: &Effect| match effect {
        Effect::Stop => 0,
        Effect::Log(text) | Effect::Cancel(text) => text.len(),
        Effect::Timer(name, _, input) => name.len() + input.len(),
        Effect::Send(channel, to, message) => channel.len() + to.to_string().len() + message.len(),
    };
    let output = outcome.output.as_ref().map_or(0, |output| output.to_binary(part.verified.output()).len());
    output + outcome.effects.iter().map(|effect| 64 + of_effect(effect)).sum::<usize>()
}
