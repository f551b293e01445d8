//! Ours alone, under criterion: for comparing one change with another
//! (`cargo bench -p camshaft-benches -- --save-baseline before`).

use std::hint::black_box;

use camshaft_benches::engine::{self, COUNTER, LEDGER, Machine, T0};
use camshaft_benches::{program, workload};
use camshaft_cam::code::decode::decode;
use camshaft_cam::code::encode::encode;
use camshaft_cam::diagnostic::Source;
use camshaft_cam::verify::{load, verify};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn steps(criterion: &mut Criterion) {
    let counter = engine::compiled("counter.cam", COUNTER).expect("it compiles");
    let incr = engine::inputs(&counter, ["\"Incr\"".to_owned()]).expect("it is an input");
    criterion.bench_function("counter/T0", |bencher| {
        let mut machine = T0::new(&counter);
        bencher.iter(|| machine.step(black_box(&incr[0])));
    });

    let ledger = engine::compiled("ledger.cam", LEDGER).expect("it compiles");
    let orders = workload::orders().into_iter().map(|order| order.to_json());
    let orders = engine::inputs(&ledger, orders).expect("they are inputs");
    criterion.bench_function("ledger/T0", |bencher| {
        let mut machine = T0::new(&ledger);
        let mut next = orders.iter().cycle();
        bencher.iter(|| machine.step(black_box(next.next().expect("a cycle has no end"))));
    });
}

fn code(criterion: &mut Criterion) {
    let text = program::machine(1000);
    let source = Source::new("inventory.cam", text.as_str());
    let module = camshaft_cam::compile::machine(&source, None).expect("it compiles");
    let bytes = encode(&module);
    let mut group = criterion.benchmark_group("inventory");
    group.bench_function("compile", |bencher| {
        bencher.iter(|| camshaft_cam::compile::machine(black_box(&source), None).expect("it compiles"));
    });
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("decode", |bencher| {
        bencher.iter_with_large_drop(|| decode(black_box(&bytes)).expect("it was encoded"))
    });
    group.bench_function("load", |bencher| {
        bencher.iter_with_large_drop(|| load(black_box(&bytes)).expect("it keeps the rules"));
    });
    group.bench_function("verify", |bencher| {
        bencher.iter_batched(
            || module.clone(),
            |module| verify(module).expect("it keeps the rules"),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, steps, code);
criterion_main!(benches);
