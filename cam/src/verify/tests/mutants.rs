//! Good machines with some instructions changed: whatever the verifier still lets through runs
//! without a panic, and leaves values of the promised types.

use proptest::prelude::*;

use super::*;
use crate::code::encode::encode;
use crate::code::generate::{any_op, small_machine};
use crate::compile;
use crate::diagnostic::Source;
use crate::run::{self, Ctx, Limits};
use crate::testing::any_value;

fn stock() -> Module {
    let text = include_str!("../../../tests/fixtures/stock.cam");
    compile::machine(&Source::new("stock.cam", text), None).expect("the example compiles")
}

/// Replaces, removes or doubles the instruction with this number.
fn mutate(module: &mut Module, place: usize, kind: u8, choices: &[u8]) {
    let counts = [module.types.len(), module.constants.len(), module.functions.len()]
        .map(|count| u32::try_from(count).expect("far below"));
    let mut rest = place;
    for function in &mut module.functions {
        if mutate_block(&mut function.body, &mut rest, kind, &any_op(choices, counts)) {
            return;
        }
    }
}

fn mutate_block(block: &mut Block, rest: &mut usize, kind: u8, other: &Op) -> bool {
    for index in 0..block.0.len() {
        if *rest == 0 {
            match kind {
                0 => block.0[index] = other.clone(),
                1 => block.0.insert(index, other.clone()),
                2 => drop(block.0.remove(index)),
                _ => block.0.insert(index, block.0[index].clone()),
            }
            return true;
        }
        *rest -= 1;
        let mut done = false;
        block.0[index].each_operand_mut(|operand| {
            if let crate::code::operand::OperandMut::Blocks(blocks) = operand {
                done = done || blocks.iter_mut().any(|block| mutate_block(block, rest, kind, other));
            }
        });
        if done {
            return true;
        }
    }
    false
}

/// Runs all entry points of a machine on values of their types.
fn exercise(machine: &VerifiedMachine, config: &Value, input: &Value, state: &Value) {
    let ctx = Ctx { now_ms: 1, seq: 1, self_key: "key".into(), seed: 7 };
    let limits = Limits { fuel: 2_000, memory: 1 << 20 };
    if let Ok(state) = run::init(machine, config, limits) {
        assert!(state.has_type(machine.state()));
    }
    let lowered = run::t1::Lowered::new(machine);
    let with = (input, state, &ctx, config);
    run::t1::tests::steps_agree(&lowered, &mut lowered.registers(), with, limits);
    if let Ok(outcome) = run::step(machine, input, state, &ctx, config, limits) {
        assert!(outcome.state.has_type(machine.state()));
        assert!(outcome.output.is_none_or(|output| output.has_type(machine.output())));
    }
}

fn mutants(of: fn() -> Module) -> impl Strategy<Value = Module> {
    let change = (0..300usize, 0..4u8, proptest::collection::vec(any::<u8>(), 6));
    proptest::collection::vec(change, 1..3).prop_map(move |changes| {
        let mut module = of();
        for (place, kind, choices) in changes {
            mutate(&mut module, place, kind, &choices);
        }
        canonical(&module).expect("all indices are below the counts")
    })
}

/// Returns true when the module verified.
fn check(module: Module, runner: &mut proptest::test_runner::TestRunner) -> bool {
    let bytes = encode(&module);
    assert_eq!(crate::code::decode::decode(&bytes).as_ref(), Ok(&module));
    let (built, loaded) = (verify(module), load(&bytes));
    let outline = |verified: &Verified| (verified.digest(), verified.verified_module().facts.clone());
    assert_eq!(
        built.as_ref().map(outline).map_err(|error| LoadError::Verify(error.clone())),
        loaded.as_ref().map(outline).map_err(LoadError::clone),
        "verifying a module and loading its bytes come to the same"
    );
    let Ok(Verified::Machine(machine)) = built else { return false };
    let values = (any_value(machine.config()), any_value(machine.input()), any_value(machine.state()));
    for _ in 0..4 {
        let tree = values.new_tree(runner).expect("every type has values");
        let (config, input, state) = proptest::strategy::ValueTree::current(&tree);
        exercise(&machine, &config, &input, &state);
    }
    true
}

#[test]
fn a_changed_machine_that_verifies_runs() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for (of, rounds) in [(small_machine as fn() -> Module, 1500), (stock, 1500)] {
        let mutants = mutants(of);
        let mut verified = 0;
        for _ in 0..rounds {
            let tree = mutants.new_tree(&mut runner).expect("the strategy rejects nothing");
            verified += u32::from(check(proptest::strategy::ValueTree::current(&tree), &mut runner));
        }
        assert!(verified > rounds / 20, "only {verified} of {rounds} verified, so that little was tried");
    }
}
