//! The symbolic cost, case by case.

use super::machine;
use crate::facts::Unbounded;
use crate::run::{self, Ctx, Limits};
use crate::value::Value;

const HEAD: &str = "machine test
type Line = { count: Int, tags: List(Int) }
type State = { n: Int, orders: List(Line) = [], short: List(Int, ..=3) = [], seen: Map(Int, Int) = [:] }
type Output = Ok | Sum(Int)
type Input = Go { n: Int, text: Text }
init = { n: 0 }
";

#[track_caller]
fn go(handler: &str) -> String {
    machine(&format!("{HEAD}on Go {{ n, text }} {handler}")).step_cost(0).to_string()
}

#[test]
fn code_without_loops_costs_a_number_and_exactly_that() {
    let counter = machine(
        "machine counter\ntype State = Int\ntype Output = Int\ntype Input = Add(Int)\ninit = 0\non Add(n) => (state + n, state + n)",
    );
    let ctx = Ctx { now_ms: 0, seq: 1, self_key: "".into(), seed: 0 };
    let (input, state) = (Value::sum(0, Value::Int(2)), Value::Int(3));
    let used = run::step(&counter, &input, &state, &ctx, &Value::Unit, Limits::STEP).expect("it adds").fuel;
    assert_eq!(counter.step_fuel_bound(&input, &state, &Value::Unit), Some(used));
    assert_eq!(counter.step_cost(0).constant(), Some(used));
}

#[test]
fn a_loop_costs_its_rounds() {
    ends_with(
        &go("=> (state, Sum(state.orders.fold(0, (sum, line) -> sum + line.count)))"),
        "|state.orders|",
    );
    ends_with(&go("=> (state, Sum(state.short.fold(0, (sum, n) -> sum + n)))"), "|state.short|");
    let nested =
        "=> (state, Sum(state.orders.fold(0, (sum, line) -> line.tags.fold(sum, (sum, n) -> sum + n))))";
    ends_with(&go(nested), "*|state.orders|*|state.orders[*].tags|");
    ends_with(
        &go("=> (state, Sum(state.orders.filter(line -> line.count > 0).fold(0, (sum, line) -> sum + 1)))"),
        "|state.orders|",
    );
}

#[test]
fn a_lookup_costs_the_digits_of_the_map() {
    ends_with(&go("=> (state, Sum(state.seen[n].or(0)))"), "digits(|state.seen|)");
}

#[test]
fn what_a_computed_number_bounds_is_not_said() {
    let machine = machine(&format!(
        "{HEAD}on Go {{ n, text }} => (state, Sum(0.to(n * n).fold(0, (sum, i) -> sum + i)))"
    ));
    assert_eq!(machine.step_cost(0).reason_unbounded(), Some(Unbounded::Computed));
    assert_eq!(machine.step_cost(0).to_string(), "unbounded: it depends on the size of a computed value");
    ends_with(&go("=> (state, Sum(0.to(n).fold(0, (sum, i) -> sum + i)))"), "*input.n");
}

#[track_caller]
fn ends_with(found: &str, end: &str) {
    assert!(found.ends_with(end), "{found}");
}
