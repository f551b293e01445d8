//! The machines that are measured do the same as native Rust, and what the workload asks for.

use std::collections::{BTreeMap, HashMap};

use camshaft_benches::engine::{self, COUNTER, LEDGER, Machine, T0, drive};
use camshaft_benches::native::{Count, NativeCounter, NativeLedger};
use camshaft_benches::workload::{self, CHECK, LEDGER_PASSES, Order};
use camshaft_cam::value::Value;
use rpds::RedBlackTreeMapSync;

#[test]
fn native_ledgers_end_in_the_check_list() {
    fn ends<M: Machine<Input = Order>>(mut machine: M) {
        drive(&mut machine, &workload::orders(), LEDGER_PASSES, Some(100));
        assert_eq!(machine.figures(), CHECK);
    }
    ends(NativeLedger::<BTreeMap<i64, i64>>::default());
    ends(NativeLedger::<HashMap<i64, i64>>::default());
    ends(NativeLedger::<RedBlackTreeMapSync<i64, i64>>::default());
}

/// Runs the ledger in some way beside the native one, answer by answer.
fn agrees<M: Machine<Input = Value, Output = Option<Value>>>(
    ledger: &camshaft_cam::verify::VerifiedMachine,
    mut ours: M,
) {
    let orders = workload::orders();
    let inputs = engine::inputs(ledger, orders.iter().map(Order::to_json)).expect("they are its inputs");
    let mut native = NativeLedger::<BTreeMap<i64, i64>>::default();
    for pass in 0..LEDGER_PASSES {
        for (order, input) in orders.iter().zip(&inputs) {
            let found = ours.step(input).expect("no input is internal");
            let expected = native.step(order).expect("nothing overflows");
            // JSON is slow; the first pass has every kind of answer.
            if pass == 0 {
                assert_eq!(found.to_json(ledger.output()), expected.to_json(), "{order:?}");
            }
        }
        assert_eq!(ours.figures(), native.figures(), "pass {pass}");
    }
    assert_eq!(ours.figures(), CHECK);
}

#[test]
fn t0_answers_as_native_does_and_ends_in_the_check_list() {
    let ledger = engine::compiled("ledger.cam", LEDGER).expect("it compiles");
    agrees(&ledger, T0::new(&ledger));
}

#[test]
fn t0_counts_as_native_does() {
    let counter = engine::compiled("counter.cam", COUNTER).expect("it compiles");
    let inputs = [r#""Incr""#, r#""Count""#, r#""Incr""#].map(str::to_owned);
    let inputs = engine::inputs(&counter, inputs).expect("they are its inputs");
    let (mut ours, mut native) = (T0::new(&counter), NativeCounter::default());
    drive(&mut ours, &inputs, 1000, Some(2));
    drive(&mut native, &[Count::Incr, Count::Count, Count::Incr], 1000, Some(2));
    assert_eq!((ours.figures(), native.figures()), (vec![2000], vec![2000]));
    let asked = ours.step(&inputs[1]).expect("it answers").to_json(counter.output());
    assert_eq!((asked.as_str(), native.step(&Count::Count)), (r#"{"Count":2000}"#, Some(Some(2000))));
}
