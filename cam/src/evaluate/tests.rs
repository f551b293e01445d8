//! Bytecode against the text: the evaluator, T0 and T1 agree on outputs, states, effects and traps, and T0
//! and T1 on fuel.

use proptest::prelude::Rng as _;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::check::machine;
use crate::code::{decode, encode};
use crate::compile;
use crate::diagnostic::Source;
use crate::run::{self, Ctx, Limits, Trap, t1};
use crate::syntax::{ast, parse_file};
use crate::testing::any_value;
use crate::ty::Ty;
use crate::value::Value;
use crate::verify::{Verified, verify};

const PROGRAMS: &[&str] = &[
    include_str!("../../tests/fixtures/stock.cam"),
    include_str!("../../tests/fixtures/everything.cam"),
    include_str!("../../tests/fixtures/library.cam"),
    include_str!("../../../examples/counter/v3/apps/counter/machines/counter.cam"),
    include_str!("../../../examples/pingpong/v3/apps/ping/machines/client.cam"),
    include_str!("../../../examples/pingpong/v3/apps/pong/machines/server.cam"),
];

/// How many programs, and inputs for each. `CAMSHAFT_LONG`, when the tests are built, multiplies the programs.
const ROUNDS: usize = 600;
const INPUTS: usize = 12;

fn some(runner: &mut TestRunner, ty: &Ty) -> Value {
    any_value(ty).new_tree(runner).expect("the generators reject nothing").current()
}

/// The trap that T0 may end in where the evaluator goes on: it alone counts what a run costs.
fn costs(trap: &Trap) -> bool {
    matches!(trap, Trap::Fuel | Trap::Memory)
}

/// Runs one program both ways; returns how many steps were compared.
fn compare(text: &str, runner: &mut TestRunner) -> usize {
    let source = Source::new("program.cam", text);
    let Ok(module) = compile::machine(&source, None) else { return 0 };
    let Ok(ast::File::Machine(file)) = parse_file(&source) else { panic!("it compiled\n{text}") };
    let checked = machine::check(&source, &file, None).unwrap_or_else(|_| panic!("it compiled\n{text}"));
    let module = decode::decode(&encode::encode(&module)).expect("what was encoded decodes");
    let Ok(Verified::Machine(machine)) = verify(module) else { panic!("does not verify\n{text}") };

    let lowered = t1::Lowered::new(&machine);
    let mut registers = lowered.registers();
    assert_eq!(lowered.left_to_t0(), 0, "a program of a page is small enough\n{text}");
    let config = some(runner, machine.config());
    let first = (run::init(&machine, &config, Limits::STEP), super::init(&checked, &config));
    if !first.0.as_ref().is_err_and(costs) {
        assert_eq!(first.0, first.1, "init\n{text}");
    }
    let mut state = match (first.0, runner.rng().next_u32() % 2) {
        (Ok(state), 0) => state,
        _ => some(runner, machine.state()),
    };
    let mut compared = 0;
    for seq in 1..=INPUTS as i64 {
        let input = some(runner, machine.input());
        let ctx = Ctx { now_ms: seq * 7, seq, self_key: "me".into(), seed: seq * 31 };
        let ran = run::step(&machine, &input, &state, &ctx, &config, Limits::STEP);
        for limits in
            [Limits::STEP, Limits { fuel: u64::from(runner.rng().next_u32() % 400), ..Limits::STEP }]
        {
            t1::tests::steps_agree(&lowered, &mut registers, (&input, &state, &ctx, &config), limits);
        }
        if ran.as_ref().is_err_and(costs) {
            continue;
        }
        let after_steps = |index| machine.invariants_of_steps().any(|other| other == index);
        let said = super::step(&checked, &input, &state, &ctx, &config, after_steps);
        let ran =
            ran.map(|done| super::Done { state: done.state, output: done.output, effects: done.effects });
        assert_eq!(ran, said, "input {input:?}\nstate {state:?}\n{text}");
        compared += 1;
        if let Ok(done) = ran {
            assert!(done.state.has_type(machine.state()), "{text}");
            state = done.state;
        }
    }
    compared
}

#[test]
fn bytecode_does_what_the_text_says() {
    let times = option_env!("CAMSHAFT_LONG").and_then(|times| times.parse().ok()).unwrap_or(1);
    let mut runner = TestRunner::deterministic();
    let mut compared = 0;
    for text in PROGRAMS {
        for _ in 0..20 {
            let steps = compare(text, &mut runner);
            assert!(steps > 0, "a good program runs\n{text}");
            compared += steps;
        }
    }
    for round in 0..ROUNDS * times {
        let words: Vec<&str> = PROGRAMS[round % PROGRAMS.len()]
            .split_inclusive([' ', '(', ')', '{', '}', ',', '.', '\n'])
            .collect();
        let mut changed = words.clone();
        for _ in 0..=runner.rng().next_u32() % 2 {
            let a = runner.rng().next_u32() as usize % changed.len();
            let b = runner.rng().next_u32() as usize % words.len();
            changed[a] = words[b];
        }
        compared += compare(&changed.concat(), &mut runner);
    }
    assert!(compared > 1_000, "enough was compared: {compared}");
}
