//! What a run did, held against what is known of the code.

use super::reach::{Answers, Reach};
use crate::run::{Effect, Outcome, Trap};
use crate::value::Value;
use crate::verify::VerifiedMachine;

/// Returns what a step of this case did that lies out of its reach.
pub(crate) fn reason_out_of_reach(
    machine: &VerifiedMachine,
    case: usize,
    before: &Value,
    found: &Result<Outcome, Trap>,
) -> Option<String> {
    let reach = machine.reach(case);
    let outcome = match found {
        Ok(outcome) => outcome,
        Err(trap @ (Trap::Fail(_) | Trap::Guard)) if !reach.fails => return Some(trap.to_string()),
        Err(_) => return None,
    };
    let answers = match (&reach.answers, &outcome.output) {
        (Answers::Nobody, None) | (Answers::Any, Some(_)) => true,
        (Answers::Cases(cases), Some(Value::Sum(case, _))) => cases.contains(case),
        _ => false,
    };
    if !answers {
        return Some(format!("the answer {:?}, beyond {:?}", outcome.output, reach.answers));
    }
    if let Some(effect) = outcome.effects.iter().find(|effect| !emits(reach, effect)) {
        return Some(format!("the effect {effect:?}, beyond {:?}", reach.emits));
    }
    let parts = |value: &Value| match value {
        Value::Product(members) => members.to_vec(),
        _ => vec![value.clone()],
    };
    let (before, after) = (parts(before), parts(&outcome.state));
    let written = (0u32..).zip(before.iter().zip(&after)).filter(|(_, (before, after))| before != after);
    let mut beyond = written.filter(|(index, _)| !reach.writes.contains(index));
    beyond.next().map(|(index, _)| format!("member {index} of the state was written"))
}

fn emits(reach: &Reach, effect: &Effect) -> bool {
    let emits = &reach.emits;
    match effect {
        Effect::Stop => emits.stops,
        Effect::Log(_) => emits.logs,
        Effect::Cancel(_) => emits.cancels,
        Effect::Timer { input: Value::Sum(case, _), .. } => emits.timers.contains(case),
        Effect::Timer { .. } => unreachable!("a timer fires an input, which is a variant"),
        Effect::Send { channel, .. } => emits.channels.contains(channel),
        Effect::Call { port, .. } => emits.ports.contains(port),
    }
}
