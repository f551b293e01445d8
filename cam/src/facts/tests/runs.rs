//! Runs of whole programs stay within what is known of them.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::machine;
use crate::facts::within::reason_out_of_reach;
use crate::run::{self, Ctx, Limits, Outcome, Trap};
use crate::testing::any_value;
use crate::value::Value;
use crate::verify::VerifiedMachine;

/// The programs: together they use the whole language.
const PROGRAMS: &[&str] = &[
    include_str!("../../../tests/fixtures/everything.cam"),
    include_str!("../../../tests/fixtures/library.cam"),
    include_str!("../../../tests/fixtures/stock.cam"),
    include_str!("../../../../examples/pingpong/v3/apps/ping/machines/client.cam"),
    include_str!("../../../../examples/pingpong/v3/apps/pong/machines/server.cam"),
    include_str!("../../../../examples/counter/v3/apps/counter/machines/counter.cam"),
];

/// Runs steps of every program from generated states, and shows each to `see`.
fn each_run(
    see: impl Fn(&VerifiedMachine, usize, &[Value], &Ctx, &Result<Outcome, Trap>) -> Result<(), TestCaseError>,
) {
    let long: u32 = std::env::var("CAMSHAFT_LONG").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    for program in PROGRAMS {
        let machine = machine(program);
        let values = (
            any_value(machine.input()),
            any_value(machine.state()),
            any_value(machine.config()),
            "[a-c]{0,9}",
        );
        let mut runner = TestRunner::new(Config::with_cases(500 * long));
        let done = runner.run(&values, |(input, state, config, key)| {
            let ctx = Ctx { now_ms: 1, seq: 2, self_key: key.into(), seed: 3 };
            let Value::Sum(case, _) = &input else { unreachable!("an input is a variant") };
            let (case, outcome) =
                (*case as usize, run::step(&machine, &input, &state, &ctx, &config, Limits::MIGRATION));
            see(&machine, case, &[input, state, config], &ctx, &outcome)
        });
        done.unwrap_or_else(|error| panic!("{}: {error}", machine.module().debug.name));
    }
}

#[test]
fn whatever_a_run_does_lies_within_reach() {
    each_run(|machine, case, values, _, outcome| {
        let reason = reason_out_of_reach(machine, case, &values[1], outcome);
        prop_assert_eq!(reason, None);
        Ok(())
    });
}

#[test]
fn no_run_uses_more_fuel_than_its_cost_says() {
    each_run(|machine, _, values, _, outcome| {
        let bound = machine.step_fuel_bound(&values[0], &values[1], &values[2]);
        if let (Ok(outcome), Some(bound)) = (outcome, bound) {
            prop_assert!(outcome.fuel <= bound, "{} used, {bound} said", outcome.fuel);
        }
        Ok(())
    });
}
