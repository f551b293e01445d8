//! From source text to what a client sees: the example of the language page, step by step.

use super::*;
use crate::diagnostic::Source;

/// An instance and what happened to it, in the words of a client.
struct Instance {
    machine: VerifiedMachine,
    config: Value,
    state: Value,
    seq: i64,
}

impl Instance {
    fn new(config: &str) -> Instance {
        let source = Source::new("stock.cam", include_str!("../../../tests/fixtures/stock.cam"));
        let machine = match crate::compile::machine(&source, None) {
            Ok(module) => verified(module).into_machine().expect("it was compiled as a machine"),
            Err(errors) => panic!("{}", errors[0].one_line()),
        };
        let config = Value::from_json(config, machine.config()).unwrap_or_else(|error| panic!("{error}"));
        let state = init(&machine, &config, Limits::STEP).expect("the initial state keeps the invariant");
        Instance { machine, config, state, seq: 0 }
    }

    /// Does a step and tells the answer, or the trap.
    fn step(&mut self, input: &str) -> (String, Vec<Effect>) {
        let input = Value::from_json(input, self.machine.input()).unwrap_or_else(|error| panic!("{error}"));
        self.seq += 1;
        let ctx = Ctx { now_ms: 0, seq: self.seq, self_key: "nuts".into(), seed: 0 };
        match step(&self.machine, &input, &self.state, &ctx, &self.config, Limits::STEP) {
            Ok(outcome) => {
                self.state = outcome.state;
                let output = outcome.output.map(|output| output.to_json(self.machine.output()));
                (output.unwrap_or_else(|| "-".into()), outcome.effects)
            }
            Err(trap) => (trap.to_string(), vec![]),
        }
    }

    #[track_caller]
    fn gives(&mut self, input: &str, output: &str) {
        assert_eq!(self.step(input), (output.to_owned(), vec![]), "{input}");
    }

    #[track_caller]
    fn is(&self, state: &str) {
        assert_eq!(self.state.to_json(self.machine.state()), state);
    }
}

const EMPTY: &str = r#"{"items":{},"holds":{},"reserved":0}"#;

#[test]
fn the_example_of_the_language_page_runs() {
    let mut stock = Instance::new("{}");
    stock.is(EMPTY);
    stock.gives(r#""Total""#, r#"{"Sum":0}"#);
    stock.gives(r#"{"Add":{"item":"nut","count":5}}"#, r#""Ok""#);
    stock.gives(r#"{"Add":{"item":"bolt","count":3}}"#, r#""Ok""#);
    stock.gives(r#""Total""#, r#"{"Sum":8}"#);
    stock.gives(r#"{"Reserve":{"order":"o","item":"screw","count":1}}"#, r#"{"Refused":"Unknown"}"#);
    stock
        .gives(r#"{"Reserve":{"order":"o","item":"nut","count":6}}"#, r#"{"Refused":{"TooFew":{"have":5}}}"#);
    stock.gives(r#"{"Reprice":{"percent":150}}"#, r#""Ok""#);
    let (output, effects) = stock.step(r#"{"Reserve":{"order":"o","item":"nut","count":2}}"#);
    assert_eq!(output, r#""Ok""#);
    let [
        Effect::Send { channel: 0, key: Some(key), message },
        Effect::Timer { name, after_ms: 900_000, input },
    ] = &effects[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!((&**key, &**name), ("o", "o"));
    let message_ty = stock.machine.module().ty(stock.machine.channels()[0].message);
    assert_eq!(message.to_json(message_ty), r#"{"Charge":{"cents":0}}"#);
    let fired = input.to_json(stock.machine.input());
    assert_eq!(fired, r#"{"Expire":{"order":"o"}}"#);
    stock.is(concat!(
        r#"{"items":{"bolt":{"count":3,"price":0,"note":null},"nut":{"count":5,"price":0,"note":null}},"#,
        r#""holds":{"o":{"item":"nut","count":2}},"reserved":2}"#
    ));
    stock.gives(&fired, "-");
    stock.gives(&fired, "-");
    let (output, effects) = stock.step(r#"{"Answered":{"from":"o","answer":"Paid"}}"#);
    assert_eq!(output, "-");
    assert_eq!(effects, vec![Effect::Cancel("o".into()), Effect::Log("order o settled".into())]);
}

#[test]
fn a_config_is_read_by_steps() {
    let mut stock = Instance::new(r#"{"hold":1500}"#);
    stock.gives(r#"{"Add":{"item":"nut","count":5}}"#, r#""Ok""#);
    let (_, effects) = stock.step(r#"{"Reserve":{"order":"o","item":"nut","count":2}}"#);
    assert!(matches!(effects[1], Effect::Timer { after_ms: 1500, .. }), "{effects:?}");
}

#[test]
fn a_trap_is_told_and_changes_nothing() {
    let mut stock = Instance::new("{}");
    stock.gives(r#"{"Add":{"item":"nut","count":1000001}}"#, "value outside the limits of its type");
    stock.is(EMPTY);
    stock.gives(r#"{"Add":{"item":"nut","count":5}}"#, r#""Ok""#);
    let before = stock.state.clone();
    stock.state = {
        // A hold that `reserved` does not count: an instance gone bad.
        let state_ty = stock.machine.state().clone();
        let bad = r#"{"items":{},"holds":{"o":{"item":"nut","count":1}},"reserved":7}"#;
        Value::from_json(bad, &state_ty).expect("a state of the machine's type")
    };
    // The invariant goes over all holds, so that steps do not check it.
    stock.gives(r#""Total""#, r#"{"Sum":0}"#);
    let broken = crate::run::check_invariants(&stock.machine, &stock.state, Limits::MIGRATION);
    assert_eq!(broken, Err(Trap::Invariant("reserved is what is held".into())));
    stock.state = before;
    stock.gives(r#""Total""#, r#"{"Sum":5}"#);
}
