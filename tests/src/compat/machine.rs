//! What the bytes of a machine are and do.

use camshaft_cam::code::FuncIx;
use camshaft_cam::code::encode::encode;
use camshaft_cam::compile;
use camshaft_cam::diagnostic::Source;
use camshaft_cam::digest::Digest;
use camshaft_cam::run::{self, Ctx, Effect, Limits, Trap, t1};
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_cam::verify::{FunctionFacts, VerifiedMachine, load};
use serde_json::{Value as Json, json};

use super::{read_back, told, trap_name};

/// What a step did, or why not, in one of the ways to run it.
type Did = Result<(Value, Option<Value>, Vec<Effect>, u64), Trap>;

/// Compiles a source to bytes as they are shipped.
///
/// # Errors
///
/// When it does not compile.
pub fn compiled(source: &str) -> Result<Vec<u8>, String> {
    let lines = |faults: Vec<camshaft_cam::diagnostic::Diagnostic>| {
        faults.iter().map(|fault| format!("{}\n", fault.one_line())).collect::<String>()
    };
    compile::machine(&Source::new("source.cam", source), None).map(|module| encode(&module)).map_err(lines)
}

/// Loads bytes, gives the machine its inputs in T0 and in T1, and tells all there is to tell. With
/// what was told before, the old forms of its values are read as well.
///
/// # Errors
///
/// When the bytes do not load, the inputs are none of the machine, or two ways to run it differ.
pub fn expected_of_machine(bytes: &[u8], inputs: &str, before: Option<&Json>) -> Result<Json, String> {
    let verified = load(bytes).map_err(|error| format!("the bytes do not load: {error}"))?;
    let machine = verified.into_machine().ok_or("the module is no machine")?;
    let inputs: Json =
        serde_json::from_str(inputs).map_err(|error| format!("the inputs are no JSON: {error}"))?;
    let facts =
        (0..machine.module().functions.len() as u32).map(|index| told_facts(machine.facts(FuncIx(index))));
    let digests = |ty: &Ty| ty.digest().hex();
    let (init, steps) = instance(&machine, &inputs)?;
    if let Some(before) = before {
        old_states(&machine, before)?;
    }
    Ok(json!({
        "digest": machine.digest().hex(),
        "bytes": Digest::of(bytes).hex(),
        "types": {
            "config": digests(machine.config()),
            "state": digests(machine.state()),
            "input": digests(machine.input()),
            "output": digests(machine.output()),
        },
        "verdict": facts.collect::<Vec<_>>(),
        "init": init,
        "steps": steps,
    }))
}

fn told_facts(facts: &FunctionFacts) -> Json {
    json!({
        "environment_max": facts.environment_max,
        "stack_max": facts.stack_max,
        "nesting": facts.nesting,
        "fuel_max": facts.fuel_max,
        "memory_max": facts.memory_max,
        "may_trap": facts.traps_in_words(),
    })
}

/// Runs an instance from its birth.
fn instance(machine: &VerifiedMachine, inputs: &Json) -> Result<(Json, Vec<Json>), String> {
    let config = match &inputs["config"] {
        Json::Null => Value::Unit,
        config => value(config, machine.config())?,
    };
    if !config.has_type(machine.config()) {
        return Err("`config` is missing in the inputs".to_owned());
    }
    let first = first_state(machine, &config)?;
    let init = told_end(first.as_ref().map(|state| told(state, machine.state())));
    let mut state = first.ok();
    let mut steps = Vec::new();
    let asked = inputs["steps"].as_array().ok_or("the inputs have no list `steps`")?;
    for (step, seq) in asked.iter().zip(1..) {
        let wrong = |error| format!("step {seq}: {error}");
        if !step["state"].is_null() {
            state = Some(value(&step["state"], machine.state()).map_err(wrong)?);
        }
        let before = state.clone().ok_or("the machine has no first state: a step needs its own `state`")?;
        let input = value(&step["input"], machine.input()).map_err(wrong)?;
        let (ctx, limits) = (ctx(step, seq), limits(step));
        let did = agreed(machine, &before, (&input, &ctx, &config), limits).map_err(wrong)?;
        let mut told = told_end(did.as_ref().map(|did| told_step(machine, did)));
        let after = did.map_or(before, |did| did.0);
        told["invariants"] = invariants(machine, &after).map_err(wrong)?;
        steps.push(told);
        state = Some(after);
    }
    Ok((init, steps))
}

fn told_end(end: Result<Json, &Trap>) -> Json {
    end.unwrap_or_else(|trap| json!({ "trap": trap_name(trap) }))
}

fn first_state(machine: &VerifiedMachine, config: &Value) -> Result<Result<Value, Trap>, String> {
    let made = both(machine, machine.machine().init, config)?;
    let first = run::init(machine, config, Limits::STEP);
    match first == made || matches!(first, Err(Trap::Invariant(_))) {
        true => Ok(first),
        false => Err(format!("init gives {first:?}, and its function {made:?}")),
    }
}

/// Calls a function of one parameter in T0 and in T1.
fn both(machine: &VerifiedMachine, function: FuncIx, arg: &Value) -> Result<Result<Value, Trap>, String> {
    let module = machine.verified_module();
    let interpreted = run::call(module, function, vec![arg.clone()], Limits::STEP);
    let arrow = t1::Arrow::new(module, function);
    let lowered = arrow.call(&mut arrow.registers(), &[arg], Limits::STEP);
    match interpreted == lowered {
        true => Ok(interpreted),
        false => Err(format!("function {}: T0 gives {interpreted:?}, T1 {lowered:?}", function.0)),
    }
}

/// Tells of each invariant whether it holds of a state, also of those that steps do not check.
fn invariants(machine: &VerifiedMachine, state: &Value) -> Result<Json, String> {
    let told = machine.machine().invariants.iter().map(|(text, function)| {
        let holds = match both(machine, *function, state)? {
            Ok(value) => json!(value == Value::Bool(true)),
            Err(trap) => json!({ "trap": trap_name(&trap) }),
        };
        Ok(json!({ "invariant": **text, "holds": holds }))
    });
    told.collect::<Result<Vec<Json>, String>>().map(Json::Array)
}

/// Does one step in T0, in T1, and in T1 with a state that somebody else holds too.
fn agreed(
    machine: &VerifiedMachine,
    before: &Value,
    (input, ctx, config): (&Value, &Ctx, &Value),
    limits: Limits,
) -> Result<Did, String> {
    let interpreted = run::step(machine, input, before, ctx, config, limits)
        .map(|done| (done.state, done.output, done.effects, done.fuel));
    let lowered = t1::Lowered::new(machine);
    let bytes = before.to_binary(machine.state());
    for shared in [false, true] {
        let mut registers = lowered.registers();
        let mut state = Value::from_binary(&bytes, machine.state()).map_err(|error| error.to_string())?;
        let held = shared.then(|| state.clone());
        let done = lowered.step(&mut registers, input, &mut state, ctx, config, limits);
        let done = done.map(|done| (done.output.take(), std::mem::take(&mut done.effects), done.fuel));
        if done.is_err() && state != *before || held.is_some_and(|held| held != *before) {
            return Err("T1 changed a state that it must not change".to_owned());
        }
        let did = done.map(|(output, effects, fuel)| (state, output, effects, fuel));
        if did != interpreted {
            return Err(format!("T0 does {interpreted:?}, T1 {did:?}"));
        }
    }
    Ok(interpreted)
}

fn told_step(
    machine: &VerifiedMachine,
    (state, output, effects, fuel): &(Value, Option<Value>, Vec<Effect>, u64),
) -> Json {
    json!({
        "state": told(state, machine.state()),
        "output": output.as_ref().map(|output| told(output, machine.output())),
        "effects": effects.iter().map(|effect| told_effect(machine, effect)).collect::<Vec<_>>(),
        "fuel": fuel,
    })
}

fn told_effect(machine: &VerifiedMachine, effect: &Effect) -> Json {
    let ty = |index| machine.module().ty(index);
    match effect {
        Effect::Stop => json!("stop"),
        Effect::Log(line) => json!({ "log": **line }),
        Effect::Cancel(name) => json!({ "cancel": **name }),
        Effect::Timer { name, after_ms, input } => {
            json!({ "timer": **name, "after_ms": after_ms, "input": told(input, machine.input()) })
        }
        Effect::Send { channel, key, message } => {
            let channel = &machine.channels()[*channel as usize];
            json!({ "send": *channel.name, "key": key.as_deref(), "message": told(message, ty(channel.message)) })
        }
        Effect::Call { port, key, message } => {
            let port = &machine.ports()[*port as usize];
            json!({ "call": *port.name, "key": key.as_deref(), "message": told(message, ty(port.message)) })
        }
    }
}

/// Reads every state and output that was once written.
fn old_states(machine: &VerifiedMachine, before: &Json) -> Result<(), String> {
    let steps = before["steps"].as_array().ok_or("what was told has no list `steps`")?;
    for part in std::iter::once(&before["init"]).filter(|init| init["trap"].is_null()) {
        read_back(part, machine.state())?;
    }
    for step in steps.iter().filter(|step| step["trap"].is_null()) {
        read_back(&step["state"], machine.state())?;
        if !step["output"].is_null() {
            read_back(&step["output"], machine.output())?;
        }
    }
    Ok(())
}

fn value(json: &Json, ty: &Ty) -> Result<Value, String> {
    Value::from_json(&json.to_string(), ty).map_err(|error| format!("{json}: {error}"))
}

/// The context of a step: that of the step before and a little more, unless the step says another.
fn ctx(step: &Json, seq: i64) -> Ctx {
    let number = |name: &str, usual: i64| step[name].as_i64().unwrap_or(usual);
    Ctx {
        now_ms: number("now", 1_700_000_000_000 + 1_000 * seq),
        seq: number("seq", seq),
        self_key: step["self"].as_str().unwrap_or("k").into(),
        seed: number("seed", 7 * seq),
    }
}

fn limits(step: &Json) -> Limits {
    let number = |name: &str, usual: u64| step[name].as_u64().unwrap_or(usual);
    Limits { fuel: number("fuel", Limits::STEP.fuel), memory: number("memory", Limits::STEP.memory) }
}
