//! One refused module per rule, with the exact fault; then what is accepted, and the facts.

use std::collections::BTreeSet;

use super::*;
use crate::code::decode::{DecodeError, VALUE_BYTES_MAX};
use crate::code::{
    Answer, Block, Channel, ConstIx, Edge, EffectKind, Entry, Link, Machine, ModuleBuilder, Op, Port, TypeIx,
};
use crate::ty::{Case, Field, Kind, MEMBERS_MAX, Record, Ty, Variant};
use crate::value::Value;

mod ends;
mod facts;
mod mutants;
mod texts;

fn ty(kind: Kind) -> Ty {
    Ty::new(kind).expect("the test's type is well formed")
}

fn pair(left: Ty, right: Ty) -> Ty {
    ty(Kind::Tuple(vec![left, right]))
}

fn small_int(lo: i64, hi: i64) -> Ty {
    ty(Kind::Int { lo, hi })
}

fn list(item: Ty) -> Ty {
    Ty::list(item).expect("the test's type is well formed")
}

fn option(item: Ty) -> Ty {
    Ty::option(item).expect("the test's type is well formed")
}

fn secret(item: Ty) -> Ty {
    ty(Kind::Secret(item))
}

fn map(key: Ty, value: Ty) -> Ty {
    ty(Kind::Map { key, value })
}

fn variant(cases: &[(&str, Ty)]) -> Ty {
    let cases = cases.iter().zip(0..).map(|((label, payload), ordinal)| Case {
        label: (*label).into(),
        ordinal,
        payload: payload.clone(),
    });
    ty(Kind::Variant(Variant { cases: cases.collect() }))
}

fn record(fields: &[(&str, Ty)]) -> Ty {
    let declared = (0..).take(fields.len()).collect();
    let fields = fields.iter().zip(0..).map(|((label, ty), ordinal)| Field {
        label: (*label).into(),
        ordinal,
        ty: ty.clone(),
        default: None,
    });
    ty(Kind::Record(Record { fields: fields.collect(), declared }))
}

fn nobody() -> Digest {
    Digest::of(b"nobody")
}

fn link(message: FuncIx) -> Entry {
    Entry::Link(Link { sender: nobody(), channel: "c".into(), receiver: nobody(), message, answer: None })
}

/// A link whose message arrow is this function.
fn arrow(param: Ty, result: Ty, body: impl FnOnce(&mut ModuleBuilder) -> Vec<Op>) -> Module {
    let mut builder = ModuleBuilder::new("test");
    let body = Block(body(&mut builder));
    let function = builder.function("arrow", &[param], &result, body);
    builder.finish(link(function)).expect("the test uses what the builder gave out")
}

/// An arrow from Int to Int.
fn on_int(ops: Vec<Op>) -> Module {
    arrow(Ty::int(), Ty::int(), |_| ops)
}

/// An arrow from Int to Int that contains an integer constant, which `ops` gets.
fn with_one(ops: impl FnOnce(ConstIx) -> Vec<Op>) -> Module {
    arrow(Ty::int(), Ty::int(), |builder| {
        let one = builder.constant(&Ty::int(), Value::Int(1));
        ops(one)
    })
}

fn acc() -> Op {
    Op::Acc { level: 0 }
}

fn block(ops: &[Op]) -> Block {
    Block(ops.to_vec())
}

/// Leaves true.
fn yes(builder: &mut ModuleBuilder) -> Op {
    Op::Quote { constant: builder.constant(&Ty::bool(), Value::Bool(true)) }
}

/// Ends a block in FAIL.
fn fail(builder: &mut ModuleBuilder) -> Vec<Op> {
    vec![Op::Quote { constant: builder.constant(&Ty::text(), Value::text("no")) }, Op::Fail {}]
}

/// A machine with the cases `Go` (from outside) and `Back` (internal), state Int and output Bool.
/// `change` may break it.
fn machine(change: impl FnOnce(&mut Machine, &mut ModuleBuilder)) -> Module {
    let mut builder = ModuleBuilder::new("test");
    let entry = machine_parts(&mut builder, |builder| vec![acc(), Op::Push {}, yes(builder), Op::Cons {}]);
    let mut entry = entry;
    change(&mut entry, &mut builder);
    builder.finish(Entry::Machine(entry)).expect("the test uses what the builder gave out")
}

fn back() -> Ty {
    record(&[("answer", option(Ty::bool())), ("from", Ty::text())])
}

fn input() -> Ty {
    variant(&[("Go", Ty::int()), ("Back", back())])
}

/// The step of `Go` is `Int x Int x () -> (Int, Bool)`.
fn machine_parts(builder: &mut ModuleBuilder, go: impl FnOnce(&mut ModuleBuilder) -> Vec<Op>) -> Machine {
    let zero = builder.constant(&Ty::int(), Value::Int(0));
    let body = Block(go(builder));
    let state = Op::Acc { level: 1 };
    Machine {
        keyed: false,
        config: builder.ty(&Ty::unit()),
        state: builder.ty(&Ty::int()),
        input: builder.ty(&input()),
        internal: vec![false, true],
        output: builder.ty(&Ty::bool()),
        init: builder.function("init", &[Ty::unit()], &Ty::int(), block(&[Op::Quote { constant: zero }])),
        step: vec![
            builder.function("go", &[Ty::int(), Ty::int(), Ty::unit()], &pair(Ty::int(), Ty::bool()), body),
            builder.function("back", &[back(), Ty::int(), Ty::unit()], &Ty::int(), block(&[state])),
        ],
        invariants: vec![],
        channels: vec![],
        ports: vec![],
    }
}

fn stepping(go: impl FnOnce(&mut ModuleBuilder) -> Vec<Op>) -> Module {
    let mut builder = ModuleBuilder::new("test");
    let entry = machine_parts(&mut builder, go);
    builder.finish(Entry::Machine(entry)).expect("the test uses what the builder gave out")
}

fn channel(builder: &mut ModuleBuilder, name: &str, answer: Option<u32>) -> Channel {
    let ty = builder.ty(&Ty::bool());
    Channel {
        name: name.into(),
        target: "app/other".into(),
        keyed: true,
        message: ty,
        answer: answer.map(|case| Answer { case, ty }),
    }
}

fn port(builder: &mut ModuleBuilder, name: &str, answer: Option<u32>) -> Port {
    let ty = builder.ty(&Ty::bool());
    Port { name: name.into(), keyed: true, message: ty, answer: answer.map(|case| Answer { case, ty }) }
}

fn operand(op: &str, expected: &str, found: &str) -> Fault {
    Fault::Operand { op: op.into(), expected: expected.into(), found: found.into() }
}

/// Modules and why they are refused. Each rule has one at least.
fn refused() -> Vec<(Module, Fault)> {
    let deep = (0..NESTING_MAX).fold(vec![acc()], |inside, _| {
        vec![acc(), Op::Push {}, acc(), Op::Eq {}, Op::If { yes: Block(inside), no: block(&[acc()]) }]
    });
    let mut wrong_type = on_int(vec![acc()]);
    wrong_type.functions[0].result = TypeIx(7);
    let mut unused_type = on_int(vec![acc()]);
    unused_type.types.push(Ty::bool());
    let mut recursive = on_int(vec![acc(), Op::Call { function: FuncIx(0) }]);
    recursive.debug = Default::default();
    let mut long_chain = ModuleBuilder::new("test");
    let first = long_chain.function("f", &[Ty::int()], &Ty::int(), block(&[acc()]));
    let last = (0..crate::run::NESTING_MAX).fold(first, |callee, _| {
        let body = block(&[acc(), Op::Call { function: callee }]);
        long_chain.function("f", &[Ty::int()], &Ty::int(), body)
    });
    let long_chain = long_chain.finish(link(last)).expect("the test uses what the builder gave out");
    let too_deep = std::iter::successors(Some(option(Ty::int())), |ty| Ty::option(ty.clone()).ok());
    let deepest = too_deep.last().expect("there is a first");

    vec![
        // V01
        (on_int(vec![Op::Acc { level: 1 }]), Fault::Index { what: "binding", index: 1, count: 1 }),
        (
            arrow(pair(Ty::int(), Ty::int()), Ty::int(), |_| vec![acc(), Op::Fld { index: 2 }]),
            Fault::Index { what: "member", index: 2, count: 2 },
        ),
        (
            arrow(Ty::int(), option(Ty::int()), |builder| {
                vec![acc(), Op::Inj { ty: builder.ty(&option(Ty::int())), case: 2 }]
            }),
            Fault::Index { what: "case", index: 2, count: 2 },
        ),
        (
            stepping(|_| vec![Op::Ctx { field: 4 }]),
            Fault::Index { what: "context field", index: 4, count: 4 },
        ),
        (
            stepping(|_| vec![Op::Emit { effect: EffectKind::Send(0) }]),
            Fault::Index { what: "channel", index: 0, count: 0 },
        ),
        (
            stepping(|_| vec![Op::Emit { effect: EffectKind::Call(0) }]),
            Fault::Index { what: "port", index: 0, count: 0 },
        ),
        (wrong_type, Fault::Index { what: "type", index: 7, count: 1 }),
        // V02
        (on_int(deep), Fault::Limit { what: "blocks within each other", max: NESTING_MAX as usize }),
        (
            long_chain,
            Fault::Limit {
                what: "blocks within each other, calls included",
                max: crate::run::NESTING_MAX as usize,
            },
        ),
        (on_int(vec![Op::Unit {}; OPS_MAX + 1]), Fault::Limit { what: "instructions", max: OPS_MAX }),
        (
            on_int(vec![Op::Push {}; DEPTH_MAX + 1]),
            Fault::Limit { what: "bindings or operands at once", max: DEPTH_MAX },
        ),
        (
            on_int(vec![Op::Let {}; DEPTH_MAX]),
            Fault::Limit { what: "bindings or operands at once", max: DEPTH_MAX },
        ),
        // V03
        (unused_type, Fault::NotCanonical {}),
        // V04
        (
            arrow(Ty::int(), Ty::bool(), |builder| {
                vec![Op::Quote { constant: builder.constant(&Ty::bool(), Value::Int(1)) }]
            }),
            Fault::Constant { index: 0, ty: "Bool".into() },
        ),
        // V05
        (recursive, Fault::Call { callee: 0 }),
        // V06
        (on_int(vec![Op::Unit {}, Op::Neg {}]), operand("NEG", "Int", "()")),
        (on_int(vec![acc(), Op::Push {}, Op::Unit {}, Op::Add {}]), operand("ADD", "Int", "()")),
        (on_int(vec![acc(), Op::Not {}]), operand("NOT", "Bool", "Int")),
        (
            on_int(vec![acc(), Op::If { yes: Block::default(), no: Block::default() }]),
            operand("IF", "Bool", "Int"),
        ),
        (on_int(vec![acc(), Op::Fst {}]), operand("FST", "a pair", "Int")),
        (on_int(vec![acc(), Op::Fld { index: 0 }]), operand("FLD", "a tuple or record", "Int")),
        (
            on_int(vec![acc(), Op::Push {}, Op::Unit {}, Op::Eq {}]),
            operand("EQ", "two alike, one is Int", "()"),
        ),
        (on_int(vec![acc(), Op::Fail {}]), operand("FAIL", "Text", "Int")),
        (
            arrow(Ty::int(), Ty::text(), |builder| vec![acc(), Op::Fit { ty: builder.ty(&Ty::text()) }]),
            operand("FIT", "what may fit Text", "Int"),
        ),
        (
            arrow(Ty::int(), map(Ty::int(), Ty::int()), |builder| {
                let whole = map(Ty::int(), small_int(0, 9));
                let nil = Op::Nil { ty: builder.ty(&whole) };
                vec![nil, Op::Push {}, acc(), Op::Push {}, acc(), Op::Put {}]
            }),
            operand("PUT", "Int(0..=9)", "Int"),
        ),
        (
            arrow(ty(Kind::List { item: Ty::int(), max: Some(3) }), Ty::int(), |builder| {
                let to = builder.ty(&ty(Kind::List { item: Ty::int(), max: Some(2) }));
                vec![acc(), Op::Map { ty: to, body: block(&[Op::Acc { level: 1 }]) }]
            }),
            operand("MAP", "what becomes List(Int, ..=2)", "List(Int, ..=3)"),
        ),
        (stepping(|_| vec![acc(), Op::Emit { effect: EffectKind::Stop }]), operand("EMIT", "()", "Int")),
        (stepping(|_| vec![Op::Emit { effect: EffectKind::Log }]), operand("EMIT", "Text", "()")),
        (stepping(|_| vec![Op::Emit { effect: EffectKind::Cancel }]), operand("EMIT", "Text", "()")),
        (
            stepping(|_| vec![Op::Emit { effect: EffectKind::Timer }]),
            operand("EMIT", "(Text, Duration, the machine's input)", "()"),
        ),
        (
            machine(|machine, builder| {
                machine.channels = vec![channel(builder, "c", None)];
                let body = block(&[Op::Emit { effect: EffectKind::Send(0) }]);
                let result = pair(Ty::int(), Ty::bool());
                machine.step[0] = builder.function("go", &[Ty::int(), Ty::int(), Ty::unit()], &result, body);
            }),
            operand("EMIT", "(Text, Bool)", "()"),
        ),
        (
            machine(|machine, builder| {
                machine.ports = vec![port(builder, "p", None)];
                let body = block(&[Op::Emit { effect: EffectKind::Call(0) }]);
                let result = pair(Ty::int(), Ty::bool());
                machine.step[0] = builder.function("go", &[Ty::int(), Ty::int(), Ty::unit()], &result, body);
            }),
            operand("EMIT", "(Text, Bool)", "()"),
        ),
        (on_int(vec![acc(), Op::Reveal {}]), operand("REVEAL", "a secret", "Int")),
        (
            arrow(secret(Ty::text()), Ty::text(), |_| vec![acc(), Op::Show {}]),
            operand("SHOW", "Int, Bool, Duration or Text", "secret Text"),
        ),
        (
            arrow(option(secret(Ty::int())), Ty::bool(), |_| vec![acc(), Op::Push {}, Op::Lt {}]),
            operand("LT", "what holds no secret", "Option(secret Int)"),
        ),
        (
            arrow(secret(Ty::int()), Ty::bool(), |_| vec![acc(), Op::Push {}, Op::Le {}]),
            operand("LE", "what holds no secret", "secret Int"),
        ),
        (
            arrow(list(secret(Ty::int())), Ty::bytes(), |builder| {
                vec![acc(), Op::Hash { ty: builder.ty(&list(secret(Ty::int()))) }]
            }),
            operand("HASH", "what holds no secret", "List(secret Int)"),
        ),
        // V07
        (
            arrow(secret(Ty::int()), Ty::int(), |_| vec![acc(), Op::Seal {}]),
            Fault::Made { op: "SEAL".into(), error: crate::ty::TyError::DoubledSecret },
        ),
        (
            arrow(deepest.clone(), Ty::int(), |_| vec![acc(), Op::Push {}, Op::Cons {}]),
            Fault::Made { op: "CONS".into(), error: crate::ty::TyError::TooDeep },
        ),
        // V08
        (on_int(vec![acc(), Op::Add {}]), Fault::StackReach { op: "ADD".into() }),
        (
            arrow(Ty::bool(), Ty::bool(), |_| {
                let block = block(&[Op::Swap {}]);
                vec![acc(), Op::Push {}, Op::If { yes: block.clone(), no: block }]
            }),
            Fault::StackReach { op: "SWAP".into() },
        ),
        // V09
        (on_int(vec![acc(), Op::Unlet { count: 1 }]), Fault::UnletReach { count: 1, own: 0 }),
        (
            arrow(Ty::bool(), Ty::unit(), |_| {
                let block = block(&[Op::Unlet { count: 1 }]);
                vec![acc(), Op::Let {}, Op::If { yes: block.clone(), no: block }, Op::Unlet { count: 1 }]
            }),
            Fault::UnletReach { count: 1, own: 0 },
        ),
        // V10
        (on_int(vec![acc(), Op::Let {}]), Fault::BlockDepth { bindings: 1, operands: 0 }),
        (on_int(vec![acc(), Op::Push {}]), Fault::BlockDepth { bindings: 0, operands: 1 }),
        // V11
        (
            arrow(Ty::bool(), Ty::int(), |_| {
                vec![acc(), Op::If { yes: block(&[acc()]), no: Block::default() }]
            }),
            Fault::Join { op: "IF".into(), first: "Bool".into(), second: "()".into() },
        ),
        (
            arrow(list(Ty::bool()), Ty::unit(), |_| {
                vec![acc(), Op::Push {}, Op::Unit {}, Op::Fold { body: block(&[acc()]) }]
            }),
            Fault::Join { op: "FOLD".into(), first: "()".into(), second: "List(Bool)".into() },
        ),
        (
            arrow(list(Ty::int()), Ty::unit(), |_| vec![acc(), Op::Filter { body: Block::default() }]),
            Fault::Join { op: "FILTER".into(), first: "Bool".into(), second: "()".into() },
        ),
        // V12
        (
            arrow(option(Ty::int()), Ty::unit(), |_| {
                vec![acc(), Op::Case { blocks: vec![Block::default()] }]
            }),
            Fault::Cases { blocks: 1, cases: 2 },
        ),
        // V13
        (
            arrow(Ty::int(), Ty::int(), |builder| {
                let mut ops = fail(builder);
                ops.push(acc());
                ops
            }),
            Fault::AfterFail { op: "ACC".into() },
        ),
        (
            arrow(Ty::bool(), Ty::bool(), |builder| {
                let (yes, no) = (Block(fail(builder)), Block(fail(builder)));
                vec![acc(), Op::If { yes, no }, acc()]
            }),
            Fault::AfterFail { op: "ACC".into() },
        ),
        // V14
        (on_int(vec![Op::Unit {}]), Fault::Result { expected: "Int".into(), found: "()".into() }),
        // V15
        (on_int(vec![Op::Ctx { field: 0 }]), Fault::StepOnly { op: "CTX".into() }),
        (
            arrow(Ty::int(), Ty::unit(), |_| vec![Op::Emit { effect: EffectKind::Stop }]),
            Fault::StepOnly { op: "EMIT".into() },
        ),
        // V16
        (
            machine(|machine, builder| {
                let body = block(&[
                    acc(),
                    Op::Push {},
                    acc(),
                    Op::Push {},
                    Op::Unit {},
                    Op::Call { function: machine.step[0] },
                    Op::Fst {},
                ]);
                machine.init = builder.function("init", &[Ty::unit()], &Ty::int(), body);
            }),
            Fault::StepReused { index: 0 },
        ),
        (machine(|machine, _| machine.init = machine.step[1]), Fault::StepReused { index: 0 }),
        // V17
        (
            machine(|machine, builder| {
                machine.init = builder.function(
                    "init",
                    &[Ty::bool()],
                    &Ty::int(),
                    block(&[Op::Quote { constant: ConstIx(0) }]),
                );
            }),
            Fault::Signature {
                what: "init".into(),
                expected: "(()) -> Int".into(),
                found: "(Bool) -> Int".into(),
            },
        ),
        (
            machine(|machine, _| machine.internal[1] = false),
            Fault::Signature {
                what: "the step of `Back`".into(),
                expected: "({ answer: Option(Bool), from: Text }, Int, ()) -> (Int, Bool)".into(),
                found: "({ answer: Option(Bool), from: Text }, Int, ()) -> Int".into(),
            },
        ),
        (
            edge(&Ty::int(), &Ty::bool(), |edge, _| edge.down = edge.up),
            Fault::Signature {
                what: "down".into(),
                expected: "(Bool) -> Int".into(),
                found: "(Int) -> Bool".into(),
            },
        ),
        (
            edge(&Ty::int(), &Ty::bool(), |edge, builder| {
                edge.up = builder.function("up", &[], &Ty::unit(), Block::default());
            }),
            Fault::Signature {
                what: "up".into(),
                expected: "one parameter".into(),
                found: "0 of them".into(),
            },
        ),
        // A way down from the state alone, where something is kept aside; and what is kept of another state.
        (
            edge(&Ty::int(), &Ty::bool(), |edge, builder| {
                let failing = Block(fail(builder));
                edge.keep = Some(builder.function("keep", &[Ty::int()], &Ty::text(), failing));
            }),
            Fault::Signature {
                what: "down".into(),
                expected: "((Bool, Option(Text))) -> Int".into(),
                found: "(Bool) -> Int".into(),
            },
        ),
        (
            edge(&Ty::int(), &Ty::bool(), |edge, _| edge.keep = Some(edge.down)),
            Fault::Signature {
                what: "keep".into(),
                expected: "(Int) -> Int".into(),
                found: "(Bool) -> Int".into(),
            },
        ),
        // V18
        (machine(|machine, _| machine.input = machine.state), Fault::PerCase { what: "function" }),
        (machine(|machine, _| machine.internal.push(true)), Fault::PerCase { what: "flag" }),
        (
            machine(|machine, _| {
                machine.step.pop();
            }),
            Fault::PerCase { what: "function" },
        ),
        // V19
        (
            machine(|machine, builder| {
                machine.channels = vec![channel(builder, "c", None), channel(builder, "c", Some(1))];
            }),
            Fault::DoubledChannel { name: "c".into() },
        ),
        (
            machine(|machine, builder| {
                machine.channels = vec![channel(builder, "c", None)];
                machine.ports = vec![port(builder, "c", None)];
            }),
            Fault::DoubledChannel { name: "c".into() },
        ),
        // V20
        (
            machine(|machine, builder| machine.ports = vec![port(builder, "p", Some(0))]),
            Fault::Answer { name: "p".into(), why: "the case is not internal" },
        ),
        (
            machine(|machine, builder| machine.channels = vec![channel(builder, "c", Some(2))]),
            Fault::Answer { name: "c".into(), why: "the input has no such case" },
        ),
        (
            machine(|machine, builder| machine.channels = vec![channel(builder, "c", Some(0))]),
            Fault::Answer { name: "c".into(), why: "the case is not internal" },
        ),
        (
            machine(|machine, builder| {
                let mut channel = channel(builder, "c", Some(1));
                channel.answer = Some(Answer { case: 1, ty: builder.ty(&Ty::int()) });
                machine.channels = vec![channel];
            }),
            Fault::Answer { name: "c".into(), why: "the field `answer` is no Option of the answer" },
        ),
        // V22
        (
            machine(|machine, builder| {
                let config = list(secret(Ty::text()));
                machine.config = builder.ty(&config);
                let zero = Op::Quote { constant: builder.constant(&Ty::int(), Value::Int(0)) };
                machine.init = builder.function("init", &[config], &Ty::int(), block(&[zero]));
            }),
            Fault::SecretConfig {},
        ),
        // V21
        (
            arrow(Ty::int(), Ty::bytes(), |builder| {
                let long = Value::Bytes(vec![0; VALUE_BYTES_MAX].into());
                vec![Op::Quote { constant: builder.constant(&Ty::bytes(), long) }]
            }),
            Fault::ByteForm {
                error: DecodeError::Count {
                    offset: 37,
                    what: "bytes of values",
                    count: VALUE_BYTES_MAX as u64 + 3,
                    max: VALUE_BYTES_MAX,
                },
            },
        ),
        (
            machine(|machine, builder| {
                let body = Block(vec![yes(builder)]);
                let holds = builder.function("holds", &[Ty::int()], &Ty::bool(), body);
                machine.invariants = vec![("".into(), holds); MEMBERS_MAX + 1];
            }),
            Fault::ByteForm {
                error: DecodeError::Count {
                    offset: 135,
                    what: "invariants",
                    count: MEMBERS_MAX as u64 + 1,
                    max: MEMBERS_MAX,
                },
            },
        ),
    ]
}

/// An edge between machines with these states, Bool as input and Int as output. The arrows of
/// the state always fail.
fn edge(from: &Ty, to: &Ty, change: impl FnOnce(&mut Edge, &mut ModuleBuilder)) -> Module {
    let mut builder = ModuleBuilder::new("test");
    let failing = Block(fail(&mut builder));
    let up = builder.function("up", std::slice::from_ref(from), to, failing.clone());
    let down = builder.function("down", std::slice::from_ref(to), from, failing);
    let same_input = builder.function("lift", &[Ty::bool()], &Ty::bool(), block(&[acc()]));
    let same_output = builder.function("lower", &[Ty::int()], &Ty::int(), block(&[acc()]));
    let mut edge = Edge {
        from: nobody(),
        to: nobody(),
        up,
        down,
        lift: same_input,
        unlift: same_input,
        lower: same_output,
        raise: same_output,
        channels: vec![],
        keep: None,
    };
    change(&mut edge, &mut builder);
    builder.finish(Entry::Edge(edge)).expect("the test uses what the builder gave out")
}

#[test]
fn each_rule_refuses_for_its_own_reason() {
    for (index, (module, fault)) in refused().into_iter().enumerate() {
        match verify(module) {
            Ok(_) => panic!("case {index} was let through, not refused with {fault:?}"),
            Err(error) => assert_eq!(error.fault, fault, "case {index}: {error}"),
        }
    }
}

#[test]
fn no_rule_is_without_a_case() {
    let covered: BTreeSet<&str> = refused().iter().map(|(_, fault)| fault.rule()).collect();
    assert_eq!(covered, RULES.iter().copied().collect());
}

#[test]
fn the_head_of_the_module_lists_each_rule_once() {
    let head = include_str!("../verify.rs");
    for rule in RULES {
        assert_eq!(head.matches(&format!("//! | {rule} |")).count(), 1, "{rule}");
    }
    assert_eq!(head.matches("//! | V").count(), RULES.len());
}

#[test]
fn an_error_says_where_and_which_rule() {
    let error = verify(with_one(|one| vec![Op::Quote { constant: one }, Op::Not {}])).unwrap_err();
    assert_eq!(error.to_string(), "function 0 `arrow`, instruction 1: NOT takes Bool, found Int (V06)");
    let error = verify(machine(|machine, _| machine.internal.clear())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "entry points: a machine has a variant as input, and per case of it one flag (V18)"
    );
}

/// Modules that pass, one per thing that could wrongly be refused.
#[test]
fn what_keeps_the_rules_passes() {
    let good = vec![
        // A parameter stays, own bindings go; blocks read bindings from outside.
        with_one(|one| {
            vec![
                acc(),
                Op::Let {},
                Op::Push {},
                Op::Quote { constant: one },
                Op::Lt {},
                Op::If { yes: block(&[Op::Acc { level: 1 }]), no: block(&[acc()]) },
                Op::Unlet { count: 1 },
            ]
        }),
        // FAIL joins anything, also with things left behind; and a body may always fail.
        arrow(Ty::bool(), Ty::bool(), |builder| {
            let mut no = vec![Op::Let {}, Op::Push {}];
            no.extend(fail(builder));
            vec![acc(), Op::If { yes: block(&[acc()]), no: Block(no) }]
        }),
        arrow(Ty::bool(), Ty::int(), fail),
        // None sees (), Some its value.
        arrow(option(Ty::int()), Ty::int(), |builder| {
            let one = builder.constant(&Ty::int(), Value::Int(1));
            let none = block(&[Op::Quote { constant: one }]);
            vec![acc(), Op::Case { blocks: vec![none, Block::default()] }]
        }),
        // Limits do not stand in the way of comparing, adding and joining.
        arrow(small_int(0, 9), Ty::int(), |builder| {
            let one = builder.constant(&Ty::int(), Value::Int(1));
            vec![acc(), Op::Push {}, Op::Quote { constant: one }, Op::Add {}]
        }),
        stepping(|builder| {
            let due = builder.constant(&Ty::duration(), Value::Int(5));
            let name = builder.constant(&ty(Kind::Text { max: Some(9) }), Value::text("t"));
            let timer = ty(Kind::Tuple(vec![ty(Kind::Text { max: Some(9) }), Ty::duration(), input()]));
            vec![
                Op::Quote { constant: name },
                Op::Push {},
                Op::Quote { constant: due },
                Op::Push {},
                acc(),
                Op::Inj { ty: builder.ty(&input()), case: 0 },
                Op::Rec { ty: builder.ty(&timer) },
                Op::Emit { effect: EffectKind::Timer },
                Op::Ctx { field: 0 },
                Op::Push {},
                yes(builder),
                Op::Cons {},
            ]
        }),
        machine(|machine, builder| machine.channels = vec![channel(builder, "c", Some(1))]),
        edge(&Ty::int(), &Ty::bool(), |_, _| ()),
    ];
    for (index, module) in good.into_iter().enumerate() {
        if let Err(error) = verify(module) {
            panic!("case {index}: {error}");
        }
    }
}

#[test]
fn the_greatest_module_is_verified_on_a_small_stack() {
    // As many nested blocks as a function may have, called as deep as calls may nest.
    let nested = (1..NESTING_MAX).fold(vec![acc()], |inside, _| {
        vec![acc(), Op::Push {}, acc(), Op::Eq {}, Op::If { yes: Block(inside), no: block(&[acc()]) }]
    });
    let mut builder = ModuleBuilder::new("test");
    let inner = builder.function("inner", &[Ty::int()], &Ty::int(), Block(nested));
    let call = block(&[acc(), Op::Call { function: inner }]);
    let outer = builder.function("outer", &[Ty::int()], &Ty::int(), call);
    let module = builder.finish(link(outer)).expect("the test uses what the builder gave out");
    let worker = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        let bytes = crate::code::encode::encode(&module);
        let decoded = crate::code::decode::decode(&bytes).expect("it is as deep as it may be");
        let _ = crate::code::disassemble::disassemble(&decoded);
        let verified = verify(decoded).expect("it keeps all rules");
        verified.verified_module().facts(FuncIx(1)).nesting
    });
    let nesting = worker.expect("a thread can be started").join().expect("it neither panics nor overflows");
    assert_eq!(nesting, NESTING_MAX + 1);
}
