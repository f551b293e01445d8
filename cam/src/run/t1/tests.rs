//! T1 against T0.

use super::lower::lower_within;
use super::*;
use crate::run::Outcome;

/// Checks that a function does the same in both, with all of the limits and with each part of them.
/// Every test of an instruction comes through here.
pub(in crate::run) fn agrees(module: &VerifiedModule, function: FuncIx, args: &[Value]) {
    let refs: Vec<&Value> = args.iter().collect();
    // One that counts memory, since here limits are low.
    let code = lower_within(module, function, Root::Function, None).expect("a test is small");
    let metered = Arrow { module: module.clone(), function, codes: Codes([Some(code)].into()) };
    let plain = Arrow::new(module, function);
    let check = |limits: Limits| {
        let expected = run_t0(module, function, args, limits);
        for arrow in [&metered, &plain] {
            let mut registers = arrow.registers();
            let found = run_t1(arrow, &mut registers, &refs, limits);
            assert_eq!(found, expected, "{limits:?}\n{:#?}", arrow.codes);
            assert!(registers.refs.iter().all(|value| *value == Value::Unit), "registers hold nothing");
        }
        expected.1
    };
    let fuel = check(Limits::STEP);
    let memory = Limits::STEP.memory;
    for fuel in few(fuel) {
        check(Limits { fuel, memory });
    }
    for memory in few(4096) {
        check(Limits { memory, ..Limits::STEP });
    }
}

/// Checks that a step does the same in both: with a state that nobody else holds, which is changed in
/// place, and with one that is shared, which stays what it was.
pub(crate) fn steps_agree(
    lowered: &Lowered,
    registers: &mut Registers,
    (input, state, ctx, config): (&Value, &Value, &Ctx, &Value),
    limits: Limits,
) {
    let machine = lowered.machine();
    let expected = crate::run::step(machine, input, state, ctx, config, limits);
    let ty = machine.state();
    let bytes = state.to_binary(ty);
    let own = || Value::from_binary(&bytes, ty).expect("what was written is read");
    for shared in [false, true] {
        let mut after = own();
        let held = shared.then(|| after.clone());
        let found = lowered.step(registers, input, &mut after, ctx, config, limits).map(|done| done.clone());
        match (&expected, found) {
            (Ok(expected), Ok(done)) => {
                let done =
                    Outcome { state: after, output: done.output, effects: done.effects, fuel: done.fuel };
                assert_eq!(done, *expected, "{input:?} {state:?} {limits:?}");
            }
            (Err(expected), Err(trap)) => {
                assert_eq!(trap, *expected, "{input:?} {state:?} {limits:?}");
                assert_eq!(after, own(), "a trap leaves the state what it was");
            }
            (expected, found) => panic!("{expected:?} but {found:?}: {input:?} {state:?} {limits:?}"),
        }
        assert!(held.is_none_or(|held| held == own()), "what somebody else holds stays what it was");
        assert!(registers.refs.iter().all(|value| *value == Value::Unit), "registers hold nothing");
    }
}

/// Numbers up to a greatest one, not too many.
fn few(max: u64) -> impl Iterator<Item = u64> {
    (0..max).step_by(usize::try_from(max / 50 + 1).expect("few"))
}

fn run_t0(
    module: &VerifiedModule,
    function: FuncIx,
    args: &[Value],
    limits: Limits,
) -> (Result<Value, Trap>, u64) {
    let mut effects = vec![];
    let mut run = Run::new(&module.module, None, limits, &mut effects);
    let result = run.function(function, args.to_vec());
    let used = limits.fuel - run.meter.fuel_left();
    // What was used up to a trap is nobody's concern.
    (result.clone(), if result.is_ok() { used } else { 0 })
}

fn run_t1(
    arrow: &Arrow,
    registers: &mut Registers,
    args: &[&Value],
    limits: Limits,
) -> (Result<Value, Trap>, u64) {
    let Some(code) = arrow.codes.runnable(0, limits) else {
        return run_t0(
            &arrow.module,
            arrow.function,
            &args.iter().map(|a| (*a).clone()).collect::<Vec<_>>(),
            limits,
        );
    };
    let mut exec = registers.begin(&arrow.codes, 0, code, args, (&arrow.module, None, limits));
    let result = match exec.start() {
        Ok(Exit::Value(arg)) => Ok(exec.file.value(exec.params, arg)),
        Ok(_) => unreachable!("a function ends in a value"),
        Err(trap) => Err(trap),
    };
    let used = if result.is_ok() { limits.fuel - exec.run.meter.fuel_left() } else { 0 };
    registers.clear(code);
    (result, used)
}
