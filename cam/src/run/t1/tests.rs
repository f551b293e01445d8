//! T1 against T0.

use super::lower::lower_within;
use super::*;
use crate::compile;
use crate::diagnostic::Source;
use crate::run::Outcome;
use crate::verify::verify;

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
                assert!(done.changed || after == own(), "what is not told to be changed is what it was");
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

fn machine(text: &str) -> VerifiedMachine {
    let source = Source::new("test.cam", text);
    let module = compile::machine(&source, None).unwrap_or_else(|faults| panic!("{faults:?}"));
    verify(module).expect("the compiler's code verifies").into_machine().expect("it is a machine")
}

/// Does steps with a state that nobody else holds, each compared with T0, and returns the state.
fn run(machine: &VerifiedMachine, inputs: &[&str]) -> Value {
    let lowered = Lowered::new(machine);
    let mut registers = lowered.registers();
    let mut state = crate::run::init(machine, &Value::Unit, Limits::STEP).expect("it begins");
    let ctx = Ctx { now_ms: 0, seq: 1, self_key: "".into(), seed: 0 };
    for input in inputs {
        let input = Value::from_json(input, machine.input()).expect("the test's input is one");
        steps_agree(&lowered, &mut registers, (&input, &state, &ctx, &Value::Unit), Limits::STEP);
        let _ = lowered.step(&mut registers, &input, &mut state, &ctx, &Value::Unit, Limits::STEP);
    }
    state
}

const HELD: &str = r#"machine held
type State = { total: Int = 0, by: Map(Text, Int), log: List(List(Int)) }
type Input = Put { key: Text, n: Int } | Twice { a: Text, b: Text } | Drop { key: Text } | Look { key: Text }
type Output = Ok | Sum(Int)
invariant "no more than 100" = state.total <= 100
init = { by: [:], log: [] }
on Put { key, n } => ({ ..state, by[key]: n, total: state.total + n, log: state.log.push([n]) }, Ok)
on Twice { a, b } {
  let by = state.by.put(a, 7).put(b, 8).remove(a)
  ({ ..state, by, total: by.fold(0, (sum, _, n) -> sum + n) }, Sum(by.len()))
}
on Drop { key } => ({ ..state, by: state.by.remove(key).remove("x") }, Ok)
on Look { key } {
  let by = state.by.put(key, 1)
  ({ ..state, total: by[key].or(0) + state.by[key].or(5) }, Sum(by.len()))
}
"#;

#[test]
fn what_an_invariant_refuses_is_taken_back() {
    let machine = machine(HELD);
    let good = [r#"{"Put":{"key":"a","n":60}}"#, r#"{"Put":{"key":"b","n":40}}"#];
    let before = run(&machine, &good);
    let refused = [
        good[0],
        good[1],
        r#"{"Put":{"key":"a","n":1}}"#,
        r#"{"Put":{"key":"c","n":1}}"#,
        r#"{"Put":{"key":"c","n":9223372036854775807}}"#,
    ];
    assert_eq!(run(&machine, &refused), before, "numbers, entries that were there, and new ones");
}

#[test]
fn an_invariant_that_may_cost_much_is_not_checked_after_a_step() {
    let machine = machine(
        "machine m\ntype State = { all: List(Int), n: Int }\ntype Input = All { n: Int } | N { n: Int }\n\
         invariant \"n\" = state.n < 5\n\
         invariant \"all\" = state.all.fold(true, (ok, n) -> ok && n < 5)\n\
         init = { all: [], n: 0 }\n\
         on All { n } => ({ ..state, all: [n] }, ())\non N { n } => ({ ..state, n }, ())\n",
    );
    assert_eq!(machine.invariants_of_steps().collect::<Vec<_>>(), [0]);
    let inputs = ["All", "N"].map(|case| format!(r#"{{"{case}":{{"n":7}}}}"#));
    let state = run(&machine, &inputs.each_ref().map(String::as_str));
    assert_eq!(state.to_json(machine.state()), r#"{"all":[7],"n":0}"#);
    let broken = crate::run::check_invariants(&machine, &state, Limits::STEP);
    assert_eq!(broken, Err(Trap::Invariant("all".into())));
    let before = crate::run::init(&machine, &Value::Unit, Limits::STEP).expect("it begins");
    let input = Value::from_json(&inputs[0], machine.input()).expect("it is an input");
    let ctx = Ctx { now_ms: 0, seq: 1, self_key: "".into(), seed: 0 };
    let careful = crate::run::step_checking_all(&machine, &input, &before, &ctx, &Value::Unit, Limits::STEP);
    assert_eq!(careful.map(|done| done.fuel), Err(Trap::Invariant("all".into())));
}

#[test]
fn maps_change_once_twice_and_while_they_are_looked_at() {
    let machine = machine(HELD);
    let inputs = [
        r#"{"Twice":{"a":"p","b":"q"}}"#,
        r#"{"Twice":{"a":"q","b":"q"}}"#,
        r#"{"Look":{"key":"q"}}"#,
        r#"{"Look":{"key":"new"}}"#,
        r#"{"Drop":{"key":"q"}}"#,
        r#"{"Drop":{"key":"q"}}"#,
    ];
    let state = run(&machine, &inputs);
    assert_eq!(state.to_json(machine.state()), r#"{"total":6,"by":{},"log":[]}"#);
}

#[test]
fn a_state_that_nobody_else_holds_stays_where_it_is() {
    let text = "machine m\ntype State = { n: Int = 0, by: Map(Int, Int) }\ntype Input = Put { k: Int }\n\
        type Output = Ok | No\ninit = { by: [1: 1] }\non Put { k } => ({ ..state, n: state.n + 1, by[k]: 5 }, Ok)\n";
    let machine = machine(text);
    let lowered = Lowered::new(&machine);
    let mut registers = lowered.registers();
    let mut state = crate::run::init(&machine, &Value::Unit, Limits::STEP).expect("it begins");
    let at = |state: &Value| match state {
        Value::Product(members) => members.as_ptr(),
        _ => panic!("the state is a record"),
    };
    let ctx = Ctx { now_ms: 0, seq: 1, self_key: "".into(), seed: 0 };
    let input = Value::from_json(r#"{"Put":{"k":1}}"#, machine.input()).expect("it is an input");
    let mut step = |state: &mut Value| {
        lowered
            .step(&mut registers, &input, state, &ctx, &Value::Unit, Limits::STEP)
            .map(drop)
            .expect("it runs");
    };
    // `init` shares its constants with the code, so that the first step copies.
    step(&mut state);
    let before = at(&state);
    step(&mut state);
    assert_eq!(at(&state), before, "changed in place");
    let held = state.clone();
    step(&mut state);
    assert_ne!(at(&state), before, "copied, since it is held");
    assert_eq!(held.to_json(machine.state()), r#"{"n":2,"by":[[1,5]]}"#);
    assert_eq!(state.to_json(machine.state()), r#"{"n":3,"by":[[1,5]]}"#);
}

#[test]
fn what_grows_too_large_is_left_to_t0() {
    // Each function calls the one before it twice: 2^20 copies of the first.
    let mut text = "machine m\ntype State = Int\ntype Input = | Go\ntype Output = Ok | No\ninit = 0\n\
        fn f0(n: Int) -> Int = if n > 0 { n - 1 } else { n }\n"
        .to_owned();
    for level in 1..=20 {
        text.push_str(&format!("fn f{level}(n: Int) -> Int = f{0}(f{0}(n))\n", level - 1));
    }
    text.push_str("on Go => (if state < 0 { f20(state) } else { state + 1 }, Ok)\n");
    let machine = machine(&text);
    assert_eq!(Lowered::new(&machine).left_to_t0(), 1);
    assert_eq!(run(&machine, &["\"Go\"", "\"Go\""]), Value::Int(2));
}

/// A change of a map pays by its size, and whether the change before it added a key is known here
/// from lookups: of the right key, of the other one, and of none.
#[test]
fn a_key_that_was_looked_up_is_known_to_be_there() {
    let text = "machine m\ntype State = Map(Int, Int)\ntype Input = Move { a: Int, b: Int } | Other { a: Int, b: Int } | Fill { n: Int }\n\
        type Output = Ok | No\ninit = [:]\n\
        on Fill { n } => (0.to(n).fold([:], (m, k) -> m.put(k, k)), Ok)\n\
        on Move { a, b } => match (state[a], state[b]) {\n\
          (Some(x), Some(y)) => (state.put(a, x - 1).put(b, y + 1), Ok)\n\
          (Some(x), None) => (state.put(b, x).put(a, 0), Ok)\n\
          _ => (state, No)\n\
        }\n\
        on Other { a, b } => match state[b] { Some(y) => (state.put(a, y).put(b, 0), Ok), None => (state.put(a, 1).put(b, 2), No) }\n";
    let machine = machine(text);
    for size in 0..70 {
        let fill = format!(r#"{{"Fill":{{"n":{size}}}}}"#);
        for (a, b) in [(0, 1), (0, 0), (0, 99), (99, 0), (98, 99), (99, 99)] {
            for input in ["Move", "Other"] {
                run(&machine, &[&fill, &format!(r#"{{"{input}":{{"a":{a},"b":{b}}}}}"#)]);
            }
        }
    }
}
