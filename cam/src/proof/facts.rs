//! What the verifier said of a machine, held against what a run did.

use crate::code::FuncIx;
use crate::facts::within::reason_out_of_reach;
use crate::run::{Effect, Outcome, Trap};
use crate::value::Value;
use crate::verify::{TrapKind, VerifiedMachine};

/// What does not agree, in words.
pub(crate) type Agreed<T = ()> = Result<T, String>;

macro_rules! agree {
    ($holds:expr, $($words:tt)*) => {
        if !$holds {
            return Err(format!($($words)*));
        }
    };
}
#[cfg(test)]
pub(crate) use agree;

/// Checks that a trap is among those that the verifier foresaw.
pub(crate) fn foreseen<T>(machine: &VerifiedMachine, found: &Result<T, Trap>, entry: FuncIx) -> Agreed {
    let Err(trap) = found else { return Ok(()) };
    let kind = match trap {
        Trap::Overflow => TrapKind::Overflow,
        Trap::DivisionByZero => TrapKind::DivisionByZero,
        Trap::Range => TrapKind::Range,
        Trap::Fail(_) | Trap::Guard => TrapKind::Fail,
        Trap::Fuel => TrapKind::Fuel,
        Trap::Memory => TrapKind::Memory,
        Trap::Invariant(_) => return Ok(()),
    };
    let invariants = machine.machine().invariants.iter().map(|(_, function)| *function);
    let foreseen = invariants.chain([entry]).any(|entry| machine.facts(entry).may_trap.contains(&kind));
    agree!(foreseen, "{trap:?} was not foreseen by the verifier");
    Ok(())
}

/// Checks that what a step did lies within the reach of its case.
pub(crate) fn reached(
    machine: &VerifiedMachine,
    case: u32,
    before: &Value,
    found: &Result<Outcome, Trap>,
) -> Agreed {
    let reason = reason_out_of_reach(machine, case as usize, before, found);
    agree!(reason.is_none(), "out of reach: {}", reason.unwrap_or_default());
    Ok(())
}

/// Checks that what a step leaves is of the types of the machine.
pub(crate) fn typed(machine: &VerifiedMachine, done: &Outcome) -> Agreed {
    agree!(done.state.has_type(machine.state()), "the state is not of its type: {:?}", done.state);
    if let Some(output) = &done.output {
        agree!(output.has_type(machine.output()), "the output is not of its type: {output:?}");
    }
    let message = |ty, message: &Value| message.has_type(machine.module().ty(ty));
    for effect in &done.effects {
        let typed = match effect {
            Effect::Timer { input, .. } => input.has_type(machine.input()),
            Effect::Send { channel, message: sent, key } => {
                let channel = &machine.channels()[*channel as usize];
                channel.keyed == key.is_some() && message(channel.message, sent)
            }
            Effect::Call { port, message: sent, key } => {
                let port = &machine.machine().ports[*port as usize];
                port.keyed == key.is_some() && message(port.message, sent)
            }
            Effect::Stop | Effect::Log(_) | Effect::Cancel(_) => true,
        };
        agree!(typed, "an effect is not of its type: {effect:?}");
    }
    Ok(())
}
