//! Each instruction with what it leaves, its traps and its costs; then the entry points.

use super::t0::Run;
use super::*;
use crate::code::{
    Block, Channel, ChannelEdge, Edge, EffectKind, Entry, Link, Machine, Module, ModuleBuilder, Op, Port,
};
use crate::digest::Digest;
use crate::ty::{Case, Field, Kind, Record, Variant};
use crate::verify::{TrapKind, Verified, verify};

fn ty(kind: Kind) -> Ty {
    Ty::new(kind).expect("the test's type is well formed")
}

fn list_of(item: Ty) -> Ty {
    Ty::list(item).expect("the test's type is well formed")
}

fn option_of(item: Ty) -> Ty {
    Ty::option(item).expect("the test's type is well formed")
}

fn map_of(key: Ty, value: Ty) -> Ty {
    ty(Kind::Map { key, value })
}

fn pair_of(left: Ty, right: Ty) -> Ty {
    ty(Kind::Tuple(vec![left, right]))
}

fn variant_of(cases: &[(&str, Ty)]) -> Ty {
    let case = |(ordinal, (label, payload)): (u32, &(&str, Ty))| Case {
        label: (*label).into(),
        ordinal,
        payload: payload.clone(),
    };
    ty(Kind::Variant(Variant { cases: (0..).zip(cases).map(case).collect() }))
}

fn record_of(fields: &[(&str, Ty)]) -> Ty {
    let field = |(ordinal, (label, ty)): (u32, &(&str, Ty))| Field {
        label: (*label).into(),
        ordinal,
        ty: ty.clone(),
        default: None,
    };
    ty(Kind::Record(Record {
        fields: (0..).zip(fields).map(field).collect(),
        declared: (0..).take(fields.len()).collect(),
    }))
}

fn int(value: i64) -> Value {
    Value::Int(value)
}

fn ints(values: &[i64]) -> Value {
    Value::list(values.iter().copied().map(Value::Int))
}

/// A map of Int to Int.
fn table(entries: &[(i64, i64)]) -> Value {
    Value::map(entries.iter().map(|(key, value)| (int(*key), int(*value))))
}

fn acc(level: u32) -> Op {
    Op::Acc { level }
}

fn verified(module: Module) -> Verified {
    verify(module).unwrap_or_else(|error| panic!("{error}"))
}

/// Builds a function of these arguments and a link to hold it; its message arrow calls it.
fn module(
    args: &[(Ty, Value)],
    result: &Ty,
    body: impl FnOnce(&mut ModuleBuilder) -> Vec<Op>,
) -> (Module, FuncIx) {
    let mut builder = ModuleBuilder::new("test");
    let params: Vec<Ty> = args.iter().map(|(ty, _)| ty.clone()).collect();
    let body = Block(body(&mut builder));
    let function = builder.function("tested", &params, result, body);
    let mut load = vec![];
    for (index, (ty, value)) in args.iter().enumerate() {
        if index > 0 {
            load.push(Op::Push {});
        }
        load.push(Op::Quote { constant: builder.constant(ty, value.clone()) });
    }
    load.push(Op::Call { function });
    let message = builder.function("message", &[Ty::unit()], result, Block(load));
    let module = builder.finish(link(message, None)).expect("the test names what the builder gave out");
    // The message arrow calls the function last, so it stands directly before it.
    let function = FuncIx(u32::try_from(module.functions.len()).expect("few functions") - 2);
    (module, function)
}

fn link(message: FuncIx, answer: Option<FuncIx>) -> Entry {
    Entry::Link(Link {
        sender: Digest::of(b"sender"),
        channel: "channel".into(),
        receiver: Digest::of(b"receiver"),
        message,
        answer,
    })
}

fn kind_of(trap: &Trap) -> TrapKind {
    match trap {
        Trap::Overflow => TrapKind::Overflow,
        Trap::DivisionByZero => TrapKind::DivisionByZero,
        Trap::Range => TrapKind::Range,
        Trap::Fail(_) | Trap::Guard => TrapKind::Fail,
        Trap::Fuel => TrapKind::Fuel,
        Trap::Memory => TrapKind::Memory,
        Trap::Invariant(_) => unreachable!("a function alone checks no invariants"),
    }
}

/// What a run left, and what it used of fuel and memory.
#[derive(Debug, PartialEq)]
struct Used {
    value: Value,
    fuel: u64,
    memory: u64,
}

fn measure(
    args: &[(Ty, Value)],
    result: &Ty,
    body: impl FnOnce(&mut ModuleBuilder) -> Vec<Op>,
) -> Result<Used, Trap> {
    let values: Vec<Value> = args.iter().map(|(_, value)| value.clone()).collect();
    assert!(args.iter().all(|(ty, value)| value.has_type(ty)), "the test's arguments have their types");
    let (module, function) = module(args, result, body);
    let verified = verified(module);
    let mut effects = vec![];
    let mut run = Run::new(verified.module(), None, Limits::STEP, &mut effects);
    let result_or_trap = run.function(function, values.clone());
    t1::tests::agrees(verified.verified_module(), function, &values);
    let (fuel, memory) =
        (Limits::STEP.fuel - run.meter.fuel_left(), Limits::STEP.memory - run.meter.memory_left());
    // What the verifier found out holds of every run.
    let facts = verified.verified_module().facts(function);
    assert!(facts.fuel_max.is_none_or(|max| fuel <= max), "{fuel} of {:?}", facts.fuel_max);
    assert!(facts.memory_max.is_none_or(|max| memory <= max), "{memory} of {:?}", facts.memory_max);
    let value = result_or_trap.inspect_err(|trap| {
        let kind = kind_of(trap);
        assert!(facts.may_trap.contains(&kind), "{kind:?} in {:?}", facts.may_trap);
    })?;
    assert!(value.has_type(result), "{value:?} is a {result}");
    Ok(Used { value, fuel, memory })
}

fn eval(
    args: &[(Ty, Value)],
    result: &Ty,
    body: impl FnOnce(&mut ModuleBuilder) -> Vec<Op>,
) -> Result<Value, Trap> {
    measure(args, result, body).map(|used| used.value)
}

/// Runs an instruction on one value.
fn unary(arg: (Ty, Value), result: &Ty, op: Op) -> Result<Value, Trap> {
    eval(&[arg], result, |_| vec![acc(0), op])
}

/// Runs an instruction with the left value on the stack and the right one in the register.
fn binary(left: (Ty, Value), right: (Ty, Value), result: &Ty, op: Op) -> Result<Value, Trap> {
    eval(&[left, right], result, |_| vec![acc(0), Op::Push {}, acc(1), op])
}

fn arithmetic(left: i64, right: i64, op: Op) -> Result<i64, Trap> {
    match binary((Ty::int(), int(left)), (Ty::int(), int(right)), &Ty::int(), op)? {
        Value::Int(int) => Ok(int),
        other => panic!("{other:?} is no Int"),
    }
}

mod compiled;
mod entries;
mod loops;
mod memo;
mod plain;
mod texts;
