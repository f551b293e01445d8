//! Chains in one pass: equal to one arrow after the other, and without the values in between.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::{changed, versions};
use crate::code::operand::OperandMut;
use crate::code::{Block, Edge, Entry, FuncIx, Link, Module, ModuleBuilder, Op};
use crate::derive::{Edits, arrow, fuse};
use crate::diagnostic::Source;
use crate::digest::Digest;
use crate::run::{self, EdgeArrow, Limits, Trap};
use crate::testing::program::any_program;
use crate::ty::{Case, Field, Kind, Record, Ty, Variant};
use crate::value::Value;
use crate::verify::{Verified, VerifiedEdge, verify};

/// Builds an edge all of whose arrows one way are one function, and those the other way another.
fn edge_of(builder: ModuleBuilder, forth: FuncIx, back: FuncIx) -> Module {
    let entry = Edge {
        from: Digest::of(b"one"),
        to: Digest::of(b"other"),
        up: forth,
        down: back,
        lift: forth,
        unlift: back,
        lower: back,
        raise: forth,
        channels: vec![],
        keep: None,
    };
    crate::compile::finish(builder, Entry::Edge(entry))
}

fn verified(module: Module) -> VerifiedEdge {
    match verify(module) {
        Ok(Verified::Edge(edge)) => edge,
        other => panic!("{other:?}"),
    }
}

/// Adds a function that calls these one after another.
fn in_a_row(builder: &mut ModuleBuilder, name: &str, ends: [&Ty; 2], calls: &[FuncIx]) -> FuncIx {
    let calls = calls.iter().map(|function| Op::Call { function: *function });
    let ops = std::iter::once(Op::Acc { level: 0 }).chain(calls).collect();
    builder.function(name, &[ends[0].clone()], ends[1], Block(ops))
}

/// Composes the derived arrows along a row of types, forth and back.
fn composed(row: &[Ty]) -> Module {
    let none = Edits::default();
    let mut builder = ModuleBuilder::new("test");
    let (mut forth, mut back) = (vec![], vec![]);
    for pair in row.windows(2) {
        forth.push(arrow(&mut builder, "forth", &pair[0], &pair[1], &none));
        back.insert(0, arrow(&mut builder, "back", &pair[1], &pair[0], &none));
    }
    let (first, last) = (row.first().expect("a type"), row.last().expect("a type"));
    let forth = in_a_row(&mut builder, "all forth", [first, last], &forth);
    let back = in_a_row(&mut builder, "all back", [last, first], &back);
    edge_of(builder, forth, back)
}

/// Returns the least fuel with which the way up does not run out.
fn fuel(edge: &VerifiedEdge, value: &Value) -> u64 {
    let enough = |fuel| {
        let limits = Limits { fuel, ..Limits::MIGRATION };
        run::edge_arrow(edge, EdgeArrow::Up, value, limits) != Err(Trap::Fuel)
    };
    let (mut low, mut high) = (0, 1 << 20);
    while low < high {
        let middle = (low + high) / 2;
        if enough(middle) { high = middle } else { low = middle + 1 }
    }
    low
}

/// Checks that both arrows of one edge do what those of the other do.
fn same(one: &VerifiedEdge, other: &VerifiedEdge, which: EdgeArrow, value: &Value) -> Option<Value> {
    let ran = |edge| run::edge_arrow(edge, which, value, Limits::MIGRATION);
    match (ran(one), ran(other)) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one, other);
            Some(one)
        }
        (
            Err(Trap::Fail(_) | Trap::Guard | Trap::Range | Trap::Overflow | Trap::DivisionByZero),
            Err(Trap::Fail(_) | Trap::Guard | Trap::Range | Trap::Overflow | Trap::DivisionByZero),
        ) => None,
        // How much is used before a trap depends on which of several is met.
        (Err(Trap::Fuel | Trap::Memory), _) => None,
        (one, other) => panic!("{one:?} and {other:?} of {value:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200 * long(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_fused_chain_does_what_its_arrows_do(
        (from, middle, values) in versions(),
        dice in proptest::collection::vec(any::<u8>(), 0..24),
        more in proptest::collection::vec(any::<u8>(), 0..24),
    ) {
        let to = changed(&middle, &mut dice.into_iter());
        let last = changed(&to, &mut more.into_iter());
        let composed = composed(&[from, middle, to, last]);
        let fused = fuse(&composed);
        prop_assert_eq!(&fused, &fuse(&composed), "the same bytes each time");
        let (composed, fused) = (verified(composed), verified(fused));
        for value in values {
            if let Some(up) = same(&composed, &fused, EdgeArrow::Up, &value) {
                let (before, after) = (fuel(&composed, &value), fuel(&fused, &value));
                prop_assert!(after <= before, "{} instead of {} for {:?}", after, before, value);
                same(&composed, &fused, EdgeArrow::Down, &up);
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150 * long(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_fused_program_does_what_it_did(
        program in any_program(),
        dice in proptest::collection::vec(any::<u8>(), 0..24),
    ) {
        let source = Source::new("program.cam", program.text.as_str());
        let Ok(module) = crate::compile::machine(&source, None) else { return Ok(()) };
        let Ok(Verified::Machine(machine)) = verify(module) else { return Ok(()) };
        let Ok(start) = run::init(&machine, &program.config, Limits::STEP) else { return Ok(()) };
        let mut edges = BTreeMap::new();
        let mut state = start;
        for step in program.steps.into_iter().take(8) {
            state = step.jump.unwrap_or(state);
            let Value::Sum(case, payload) = &step.input else { panic!("an input is a variant") };
            let (composed, fused) = edges.entry(*case).or_insert_with(|| {
                let composed = pure_step(machine.module(), *case as usize, &dice);
                let fused = fuse(&composed);
                (verified(composed), verified(fused))
            });
            let arg = Value::product([(**payload).clone(), state.clone(), program.config.clone()]);
            if let Some(done) = same(composed, fused, EdgeArrow::Up, &arg) {
                same(composed, fused, EdgeArrow::Down, &done);
            }
        }
    }
}

/// How many times as long random tests run.
fn long() -> u32 {
    std::env::var("CAMSHAFT_LONG").ok().and_then(|long| long.parse().ok()).unwrap_or(1)
}

/// Adds the functions of a module, without their effects and with a context that is always the same.
fn imported(builder: &mut ModuleBuilder, module: &Module) -> Vec<FuncIx> {
    let number = builder.constant(&Ty::int(), Value::Int(7));
    let text = builder.constant(&Ty::text(), Value::text("self"));
    let mut functions: Vec<FuncIx> = vec![];
    for function in &module.functions {
        let mut body = function.body.clone();
        body.each_op_mut(&mut |op| match op {
            Op::Emit { .. } => *op = Op::Unit {},
            Op::Ctx { field } => *op = Op::Quote { constant: if *field == 2 { text } else { number } },
            _ => op.each_operand_mut(|operand| match operand {
                OperandMut::Type(ty) => *ty = builder.ty(module.ty(*ty)),
                OperandMut::Constant(constant) => {
                    let (ty, value) = &module.constants[constant.0 as usize];
                    *constant = builder.constant(module.ty(*ty), value.clone());
                }
                OperandMut::Function(function) => *function = functions[function.0 as usize],
                OperandMut::Plain | OperandMut::Blocks(_) => {}
            }),
        });
        let params: Vec<Ty> = function.params.iter().map(|ty| module.ty(*ty).clone()).collect();
        functions.push(builder.function("", &params, module.ty(function.result), body));
    }
    functions
}

/// Makes an edge up which a machine does a step that emits nothing and sees a fixed context, and then
/// changes what the step leaves.
fn pure_step(machine: &Module, case: usize, dice: &[u8]) -> Module {
    let Entry::Machine(entry) = &machine.entry else { panic!("a machine") };
    let mut builder = ModuleBuilder::new("test");
    let functions = imported(&mut builder, machine);
    let step = functions[entry.step[case].0 as usize];
    let (params, left) = builder.signature(step).expect("a function that was added");
    let taken = Ty::new(Kind::Tuple(params)).expect("a tuple of three");
    let member = |index| [Op::Acc { level: 0 }, Op::Fld { index }];
    let mut ops = vec![];
    for index in 0..3 {
        ops.extend((index > 0).then_some(Op::Push {}));
        ops.extend(member(index));
    }
    ops.push(Op::Call { function: step });
    let step = builder.function("step", std::slice::from_ref(&taken), &left, Block(ops));
    let to = changed(&left, &mut dice.iter().copied());
    let next = arrow(&mut builder, "next", &left, &to, &Edits::default());
    let forth = in_a_row(&mut builder, "all forth", [&taken, &to], &[step, next]);
    let back = arrow(&mut builder, "back", &to, &taken, &Edits::default());
    edge_of(builder, forth, back)
}

/// Returns how often each instruction stands in the one function of `up`.
fn counts(edge: &VerifiedEdge) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    edge.module().function(edge.edge().up).body.each_op(&mut |op| *counts.entry(op.name()).or_default() += 1);
    counts
}

fn record(fields: &[(&str, Ty)]) -> Ty {
    let fields: Vec<Field> = (0..)
        .zip(fields)
        .map(|(ordinal, (label, ty))| {
            let default = (*ty == Ty::bool()).then_some(Value::Bool(true));
            Field { label: Arc::from(*label), ordinal, ty: ty.clone(), default }
        })
        .collect();
    let declared = (0..fields.len()).filter_map(|index| u16::try_from(index).ok()).collect();
    Ty::new(Kind::Record(Record { fields, declared })).expect("a record")
}

fn variant(cases: &[(&str, Ty)]) -> Ty {
    let case = |(ordinal, (label, payload)): (u32, &(&str, Ty))| Case {
        label: Arc::from(*label),
        ordinal,
        payload: payload.clone(),
    };
    Ty::new(Kind::Variant(Variant { cases: (0..).zip(cases).map(case).collect() })).expect("a variant")
}

fn narrow() -> Ty {
    Ty::new(Kind::Int { lo: 0, hi: 9 }).expect("a range")
}

fn list(item: Ty, max: Option<u32>) -> Ty {
    Ty::new(Kind::List { item, max }).expect("a list")
}

fn map(value: Ty) -> Ty {
    Ty::new(Kind::Map { key: Ty::text(), value }).expect("a map")
}

/// Three versions of a record of eight fields: each adds one.
fn wider() -> [Ty; 3] {
    let labels = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let mut fields: Vec<(&str, Ty)> = labels.map(|label| (label, Ty::int())).to_vec();
    let first = record(&fields);
    fields.push(("new", Ty::bool()));
    let second = record(&fields);
    fields.push(("newer", Ty::bool()));
    [first, second, record(&fields)]
}

fn eight() -> Value {
    Value::product((0..8).map(Value::Int))
}

/// Fuses a chain and runs it on a value; returns what it takes: fuel one after the other and fused.
fn check(row: &[Ty], value: &Value, expected: Result<(), ()>) -> (VerifiedEdge, u64, u64) {
    let composed = composed(row);
    let (composed, fused) = (verified(composed.clone()), verified(fuse(&composed)));
    assert_eq!(same(&composed, &fused, EdgeArrow::Up, value).map(drop).ok_or(()), expected);
    let (before, after) = (fuel(&composed, value), fuel(&fused, value));
    println!("{} -> {}: fuel {before} in a row, {after} fused", row[0], row[row.len() - 1]);
    (fused, before, after)
}

#[test]
fn a_record_in_between_is_not_built() {
    let (fused, before, after) = check(&wider(), &eight(), Ok(()));
    let counts = counts(&fused);
    assert_eq!(counts.get("REC"), Some(&1), "{counts:?}");
    assert_eq!(counts.get("CALL"), None, "{counts:?}");
    assert!(after * 2 < before, "{after} and {before}");
}

#[test]
fn a_renamed_field_is_read_once() {
    let label = |label| record(&[(label, Ty::int()), ("other", Ty::text())]);
    let (a, b, c) = (label("a"), label("b"), label("c"));
    let rename = |from: &Ty, to: &Ty, old: &str, new: &str| Edits {
        renames: vec![(from.clone(), to.clone(), old.into(), new.into())],
        ..Edits::default()
    };
    let mut builder = ModuleBuilder::new("test");
    let first = arrow(&mut builder, "first", &a, &b, &rename(&a, &b, "a", "b"));
    let second = arrow(&mut builder, "second", &b, &c, &rename(&b, &c, "b", "c"));
    let forth = in_a_row(&mut builder, "forth", [&a, &c], &[first, second]);
    let back = arrow(&mut builder, "back", &c, &a, &rename(&c, &a, "c", "a"));
    let composed = edge_of(builder, forth, back);
    let (composed, fused) = (verified(composed.clone()), verified(fuse(&composed)));
    let value = Value::product([Value::Int(1), Value::text("x")]);
    assert_eq!(same(&composed, &fused, EdgeArrow::Up, &value), Some(value));
    assert_eq!((counts(&fused)["REC"], counts(&fused)["FLD"]), (1, 2));
}

#[test]
fn a_map_of_records_is_gone_through_once() {
    let row = wider().map(map);
    let entries = ["x", "y", "z"].map(|key| (Value::text(key), eight()));
    let (fused, before, after) = check(&row, &Value::map(entries), Ok(()));
    let counts = counts(&fused);
    assert_eq!((counts["MAP"], counts["REC"]), (1, 1), "{counts:?}");
    assert!(after * 2 < before, "{after} and {before}");
}

#[test]
fn a_list_with_a_limit_on_the_way_is_gone_through_once() {
    let [first, second, third] = wider();
    let row = [list(first, None), list(second, Some(2)), list(third, None)];
    let (fused, ..) = check(&row, &Value::list([eight()]), Ok(()));
    assert_eq!((counts(&fused)["MAP"], counts(&fused)["FIT"]), (1, 1));
    check(&row, &Value::list([eight(), eight(), eight()]), Err(()));
}

#[test]
fn a_case_in_between_is_not_asked_for() {
    let [first, second, third] = wider();
    let row = [first, second, third].map(|ty| variant(&[("Off", Ty::unit()), ("On", ty)]));
    let (fused, before, after) = check(&row, &Value::sum(1, eight()), Ok(()));
    let counts = counts(&fused);
    assert_eq!((counts["CASE"], counts["REC"]), (1, 1), "{counts:?}");
    assert!(after < before, "{after} and {before}");
    check(&row, &Value::sum(0, Value::Unit), Ok(()));
}

#[test]
fn options_within_options_are_asked_for_once() {
    let option = |ty: &Ty| Ty::option(ty.clone()).expect("an option");
    let row = wider().map(|ty| record(&[("x", option(&ty)), ("y", list(option(&ty), None))]));
    let some = Value::some(eight());
    let value = Value::product([some.clone(), Value::list([some, Value::none()])]);
    let (fused, ..) = check(&row, &value, Ok(()));
    let counts = counts(&fused);
    assert_eq!((counts["CASE"], counts["MAP"], counts["REC"]), (2, 1, 3), "{counts:?}");
}

#[test]
fn a_case_that_is_taken_away_fails_where_it_is_met() {
    let row = [
        variant(&[("A", Ty::int()), ("B", Ty::int()), ("C", Ty::int())]),
        variant(&[("A", Ty::int()), ("B", Ty::int())]),
        variant(&[("A", Ty::int()), ("C", Ty::int())]),
    ];
    let (fused, ..) = check(&row, &Value::sum(0, Value::Int(1)), Ok(()));
    assert_eq!((counts(&fused)["CASE"], counts(&fused)["FAIL"]), (1, 2));
    check(&row, &Value::sum(1, Value::Int(1)), Err(()));
    check(&row, &Value::sum(2, Value::Int(1)), Err(()));
}

#[test]
fn what_may_trap_is_done_even_if_nobody_needs_it() {
    let whole = |b: Ty| record(&[("a", Ty::int()), ("b", b)]);
    let value = |b: Value| Value::product([Value::Int(1), b]);
    let without = record(&[("a", Ty::int())]);

    let row = [whole(Ty::int()), whole(narrow()), without.clone()];
    let (fused, ..) = check(&row, &value(Value::Int(9)), Ok(()));
    assert_eq!(counts(&fused)["FIT"], 1);
    check(&row, &value(Value::Int(10)), Err(()));

    let row = [whole(list(Ty::int(), None)), whole(list(narrow(), None)), without.clone()];
    let (fused, ..) = check(&row, &value(Value::list([Value::Int(9)])), Ok(()));
    assert_eq!(counts(&fused)["MAP"], 1);
    check(&row, &value(Value::list([Value::Int(10)])), Err(()));

    let option = Ty::option(Ty::text()).expect("an option");
    let row = [whole(option), whole(Ty::text()), without.clone()];
    check(&row, &value(Value::some(Value::text("x"))), Ok(()));
    check(&row, &value(Value::none()), Err(()));

    // What cannot trap is not done.
    let row = [whole(list(narrow(), None)), whole(list(Ty::int(), None)), without];
    let (fused, ..) = check(&row, &value(Value::list([Value::Int(9)])), Ok(()));
    assert_eq!(counts(&fused).get("MAP"), None);
}

#[test]
fn a_division_that_is_left_out_still_traps() {
    let pair = Ty::new(Kind::Tuple(vec![Ty::int(), Ty::int()])).expect("a pair");
    let mut builder = ModuleBuilder::new("test");
    let member = |index| [Op::Acc { level: 0 }, Op::Fld { index }];
    let mut ops = member(0).to_vec();
    ops.push(Op::Push {});
    ops.extend(member(0));
    ops.push(Op::Push {});
    ops.extend(member(1));
    ops.extend([Op::Div {}, Op::Cons {}]);
    let divided = builder.function("divided", std::slice::from_ref(&pair), &pair, Block(ops));
    let first = builder.function("first", std::slice::from_ref(&pair), &Ty::int(), Block(member(0).to_vec()));
    let forth = in_a_row(&mut builder, "forth", [&pair, &Ty::int()], &[divided, first]);
    let back = arrow(&mut builder, "back", &Ty::int(), &pair, &Edits::default());
    let composed = edge_of(builder, forth, back);
    let fused = verified(fuse(&composed));
    let ran = |divisor| {
        let value = Value::product([Value::Int(6), Value::Int(divisor)]);
        run::edge_arrow(&fused, EdgeArrow::Up, &value, Limits::MIGRATION)
    };
    assert_eq!(ran(3), Ok(Value::Int(6)));
    assert_eq!(ran(0), Err(Trap::DivisionByZero));
    let counts = counts(&fused);
    assert_eq!((counts.get("CONS"), counts.get("CALL")), (None, None), "{counts:?}");
}

#[test]
fn behind_the_one_way_that_does_not_fail_nothing_is_built_either() {
    let [first, second, third] = wider();
    let option = Ty::option(first).expect("an option");
    let row = [option, second, third].map(|ty| record(&[("x", ty), ("y", Ty::int())]));
    let value = |x| Value::product([x, Value::Int(1)]);
    let (fused, before, after) = check(&row, &value(Value::some(eight())), Ok(()));
    let counts = counts(&fused);
    assert_eq!((counts["CASE"], counts["REC"]), (1, 2), "{counts:?}");
    assert!(after < before, "{after} and {before}");
    check(&row, &value(Value::none()), Err(()));
}

/// Four versions of a machine, and the migrations that a person wrote between them.
const WRITTEN: [(&str, &str, &str); 4] = [
    ("type State = { seen: Int, names: List(Text) }", "{ seen: 0, names: [] }", ""),
    (
        "type Name = { text: Text, size: Int }\ntype State = { seen: Int, names: List(Name), last: Int }",
        "{ seen: 0, names: [], last: 0 }",
        "up (old) = { seen: old.seen, names: old.names.map(text -> { text, size: 1 }), last: old.seen - 1 }\n\
         down (new) = { seen: new.seen, names: new.names.map(name -> name.text) }",
    ),
    (
        "type Mode = Broken | Fine(Int)\ntype Name = { text: Text, size: Int }\n\
         type State = { even: Int, odd: Int, names: List(Name), mode: Mode }",
        "{ even: 0, odd: 0, names: [], mode: Broken }",
        "up (old) = { even: old.seen - old.seen / 2, odd: old.seen / 2,\n\
           names: old.names.map(name -> { ..name, size: name.size + 1 }),\n\
           mode: if old.last < 0 { Broken } else { Fine(12 / old.last) } }\n\
         down (new) = { seen: new.even + new.odd, names: new.names, last: 0 }",
    ),
    (
        "type State = { seen: Int, sizes: List(Int), fine: Int }",
        "{ seen: 0, sizes: [], fine: 0 }",
        "up (old) = { seen: old.even + old.odd, sizes: old.names.map(name -> name.size),\n\
           fine: match old.mode { Broken => 0, Fine(n) => n } }\n\
         down (new) = { even: new.seen, odd: 0, names: [], mode: Broken }",
    ),
];

#[test]
fn written_migrations_become_one_pass_too() {
    let machines: Vec<_> = WRITTEN
        .iter()
        .map(|(types, init, _)| {
            let text =
                format!("machine m\n{types}\ntype Input = | Go\ninit = {init}\non Go => (state, ())\n");
            let module = crate::compile::machine(&Source::new("m.cam", text), None).expect("a machine");
            verify(module).ok().and_then(Verified::into_machine).expect("it verifies")
        })
        .collect();
    let mut builder = ModuleBuilder::new("m");
    let (mut forth, mut back) = (vec![], vec![]);
    for (pair, (_, _, migration)) in machines.windows(2).zip(&WRITTEN[1..]) {
        let source = Source::new("migration.cam", format!("migration m from \"1.0.0\"\n{migration}\n"));
        let edge = crate::compile::edge(&pair[0], &pair[1], Some(&source)).expect("an edge");
        let Entry::Edge(entry) = &edge.entry else { panic!("an edge") };
        let functions = imported(&mut builder, &edge);
        forth.push(functions[entry.up.0 as usize]);
        back.insert(0, functions[entry.down.0 as usize]);
    }
    let (first, last) = (machines[0].state(), machines[3].state());
    let forth = in_a_row(&mut builder, "forth", [first, last], &forth);
    let back = in_a_row(&mut builder, "back", [last, first], &back);
    let composed = edge_of(builder, forth, back);
    let (composed, fused) = (verified(composed.clone()), verified(fuse(&composed)));
    let counts = counts(&fused);
    let built = ["REC", "MAP", "CALL", "INJ", "CASE"].map(|op| counts.get(op).copied().unwrap_or(0));
    assert_eq!(built, [1, 1, 0, 0, 0], "{counts:?}");
    for seen in [0, 1, 2, 3, 40, i64::MIN] {
        let value = Value::product([Value::Int(seen), Value::list(["a", "b", "c"].map(Value::text))]);
        let done = same(&composed, &fused, EdgeArrow::Up, &value);
        // The 12 is divided by one less, and the least number has none below it.
        assert_eq!(done.is_none(), seen == 1 || seen == i64::MIN, "{seen}");
        let Some(done) = done else { continue };
        same(&composed, &fused, EdgeArrow::Down, &done);
        let (before, after) = (fuel(&composed, &value), fuel(&fused, &value));
        println!("written: fuel {before} in a row, {after} fused");
        assert!(after < before, "{after} and {before}");
    }
}

#[test]
fn what_is_one_pass_already_stays_as_it_is() {
    let [first, ..] = wider();
    let mut builder = ModuleBuilder::new("test");
    let message = arrow(&mut builder, "message", &first, &first, &Edits::default());
    let (sender, receiver) = (Digest::of(b"one"), Digest::of(b"other"));
    let link = Link { sender, channel: "c".into(), receiver, message, answer: None };
    let module = crate::compile::finish(builder, Entry::Link(link));
    assert_eq!(fuse(&module), module);

    let once = fuse(&composed(&wider()));
    assert_eq!(fuse(&once), once);
}

#[test]
fn a_function_that_grows_too_much_stays_a_call() {
    // Each function calls the one before twice: entered, the last would have 2^20 instructions.
    let mut builder = ModuleBuilder::new("test");
    let ops = vec![Op::Acc { level: 0 }, Op::Push {}, Op::Acc { level: 0 }, Op::Add {}];
    let mut function = builder.function("f", &[Ty::int()], &Ty::int(), Block(ops));
    for _ in 0..20 {
        function = in_a_row(&mut builder, "f", [&Ty::int(), &Ty::int()], &[function, function]);
    }
    let module = edge_of(builder, function, function);
    let fused = verified(fuse(&module));
    assert!(counts(&fused).contains_key("CALL"));
}
