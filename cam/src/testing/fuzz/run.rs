//! The target `run`: what verifies runs, in all ways alike.

use super::with_tape;
use crate::code::{Entry, FuncIx};
use crate::proof::engine::{self, Asked, Did};
use crate::proof::facts;
use crate::run::{self, Ctx, Limits, meter, t1};
use crate::testing::choices::Choices;
use crate::testing::program::any_value;
use crate::ty::Ty;
use crate::value::Value;
use crate::verify::{Verified, VerifiedMachine, VerifiedModule, load};

/// How many functions of a module are called, and how many steps a machine does: an input is to take
/// milliseconds.
const FUNCTIONS_MAX: usize = 12;
const STEPS: usize = 4;

/// Ample limits here: a twentieth of a step's, so that a loop that runs out is no long one.
const AMPLE: Limits = Limits { fuel: Limits::STEP.fuel / 20, memory: 1 << 20 };

/// The greatest weight of a value that is written and compared. Parts are shared, so that a value may
/// weigh far more than what it was paid for.
const WEIGHT_MAX: u64 = 1 << 20;

/// A tape for values, and bytes of a module. What the verifier lets pass runs in T0 and T1, which
/// agree on results, states, effects, traps and fuel, under ample and under low limits; and what it
/// found out holds.
pub fn run(data: &[u8]) {
    let (mut choices, bytes) = with_tape(data);
    let Ok(verified) = load(bytes) else { return };
    functions(verified.verified_module(), &mut choices);
    if let Verified::Machine(machine) = verified {
        steps(&machine, &mut choices);
    }
}

/// Calls functions that are no steps.
fn functions(module: &VerifiedModule, choices: &mut Choices) {
    let steps: &[FuncIx] = match &module.module.entry {
        Entry::Machine(machine) => &machine.step,
        Entry::Edge(_) | Entry::Link(_) => &[],
    };
    // The last ones call those before them.
    let functions = (0..module.module.functions.len() as u32).rev().map(FuncIx);
    for function in functions.filter(|function| !steps.contains(function)).take(FUNCTIONS_MAX) {
        let declared = module.module.function(function);
        let args: Vec<Value> =
            declared.params.iter().map(|param| any_value(choices, module.module.ty(*param))).collect();
        let arrow = t1::Arrow::new(module, function);
        let mut registers = arrow.registers();
        for limits in [AMPLE, low(choices), AMPLE] {
            let expected = run::call(module, function, args.clone(), limits);
            let found = arrow.call(&mut registers, &args.iter().collect::<Vec<_>>(), limits);
            let light = |value: &Value| meter::weight_within(value, WEIGHT_MAX).is_some();
            match (&expected, &found) {
                (Ok(expected), Ok(found)) if !light(expected) || !light(found) => continue,
                _ => assert_eq!(found, expected, "T1 and T0 agree on function {}, {limits:?}", function.0),
            }
            if let Ok(value) = &expected {
                assert!(value.has_type(module.module.ty(declared.result)), "a result is of its type");
            }
        }
    }
}

/// Does steps of an instance, from any state of the machine's type.
fn steps(machine: &VerifiedMachine, choices: &mut Choices) {
    let config = any_value(choices, machine.config());
    let first = run::init(machine, &config, AMPLE);
    let mut state = match choices.chance(50) {
        true => any_value(choices, machine.state()),
        false => first.unwrap_or_else(|_| any_value(choices, machine.state())),
    };
    let mut engines = engine::all(machine);
    for seq in 1..=STEPS {
        if meter::weight_within(&state, WEIGHT_MAX).is_none() {
            return;
        }
        let (input, ctx) = (any_value(choices, machine.input()), any_ctx(choices, seq));
        let asked = Asked { input: &input, ctx: &ctx, config: &config };
        facts_hold(machine, &state, &asked);
        let mut after = state.clone();
        for limits in [low(choices), AMPLE] {
            let expected =
                run::step(machine, asked.input, &state, asked.ctx, asked.config, limits).map(|done| {
                    (done.state, Did { output: done.output, effects: done.effects, fuel: done.fuel })
                });
            if expected.as_ref().is_ok_and(|(state, _)| meter::weight_within(state, WEIGHT_MAX).is_none()) {
                return;
            }
            for engine in &mut engines {
                engine.set(&state);
                let found = engine.step(&asked, limits).map(|did| (engine.state().clone(), did));
                assert_eq!(found, expected, "{} and T0 agree, {limits:?}", engine.name());
            }
            if let Ok((next, _)) = expected {
                after = next;
            }
        }
        state = after;
    }
}

/// Holds what the verifier found out against one step. What it says of fuel and memory is about the
/// limits of a step, so this one has those.
fn facts_hold(machine: &VerifiedMachine, state: &Value, asked: &Asked<'_>) {
    let Value::Sum(case, _) = asked.input else { panic!("an input is a variant") };
    let entry = machine.machine().step[*case as usize];
    let found = run::step(machine, asked.input, state, asked.ctx, asked.config, Limits::STEP);
    let foreseen = facts::foreseen(machine, &found, entry);
    let typed = found.as_ref().map_or(Ok(()), |done| match meter::weight_within(&done.state, WEIGHT_MAX) {
        Some(_) => facts::typed(machine, done).and(facts::reached(machine, *case, state, &found)),
        None => Ok(()),
    });
    assert_eq!(foreseen.and(typed), Ok(()), "what the verifier says holds");
    let max = machine.facts(entry).fuel_max.unwrap_or(u64::MAX);
    assert!(
        found.is_err() || found.is_ok_and(|done| done.fuel <= max),
        "no more fuel than the verifier says"
    );
}

fn any_ctx(choices: &mut Choices, seq: usize) -> Ctx {
    let Value::Text(self_key) = any_value(choices, &Ty::text()) else { panic!("a Text is one") };
    Ctx { now_ms: choices.int(), seq: seq as i64, self_key, seed: choices.int() }
}

/// Limits that something may run out of.
fn low(choices: &mut Choices) -> Limits {
    let memory = *choices.pick(&[1 << 20, 1 << 10, 1 << 12, 100, 1 << 14]);
    Limits { fuel: u64::from(choices.below(256)) * u64::from(1 + choices.below(8)), memory }
}
