//! What the instructions on texts, bytes, items, bits, ends of maps and loops refuse.

use super::*;

/// Refuses an instruction after its operands, which are parameters: the last is in the register.
fn refused(params: &[Ty], op: Op) -> Fault {
    let mut builder = ModuleBuilder::new("test");
    let mut ops = vec![];
    for level in (0..).take(params.len()) {
        if level > 0 {
            ops.push(Op::Push {});
        }
        ops.push(Op::Acc { level });
    }
    ops.push(op);
    let function = builder.function("arrow", params, &Ty::int(), Block(ops));
    let module = builder.finish(link(function)).expect("the test uses what the builder gave out");
    verify(module).expect_err("the operands are wrong").fault
}

#[test]
fn operands_of_other_types_are_refused() {
    let (int, text, bytes) = (Ty::int, Ty::text, Ty::bytes);
    let ints = || list(int());
    let cases: Vec<(Vec<Ty>, Op, Fault)> = vec![
        (vec![ints(), int(), text()], Op::Set {}, operand("SET", "Int", "Text")),
        (vec![ints(), text(), int()], Op::Set {}, operand("SET", "Int", "Text")),
        (vec![text(), int(), text()], Op::Set {}, operand("SET", "a list", "Text")),
        (vec![ints(), int(), text()], Op::Slice {}, operand("SLICE", "Int", "Text")),
        (vec![ints(), text(), int()], Op::Slice {}, operand("SLICE", "Int", "Text")),
        (vec![int(), int(), int()], Op::Slice {}, operand("SLICE", "Text, Bytes or a list", "Int")),
        (vec![bytes(), text()], Op::Search {}, operand("SEARCH", "Text", "Bytes")),
        (vec![text(), bytes()], Op::Search {}, operand("SEARCH", "Text", "Bytes")),
        (vec![ints(), text()], Op::Split {}, operand("SPLIT", "Text", "List(Int)")),
        (vec![text(), int()], Op::Split {}, operand("SPLIT", "Text", "Int")),
        (vec![text(), text()], Op::Join {}, operand("JOIN", "a list", "Text")),
        (vec![ints(), text()], Op::Join {}, operand("JOIN", "Text", "Int")),
        (vec![list(text()), int()], Op::Join {}, operand("JOIN", "Text", "Int")),
        (vec![bytes()], Op::Edit { how: 0 }, operand("EDIT", "Text", "Bytes")),
        (vec![bytes()], Op::Encode {}, operand("ENCODE", "Text", "Bytes")),
        (vec![text()], Op::Decode {}, operand("DECODE", "Bytes", "Text")),
        (vec![text()], Op::Octets {}, operand("OCTETS", "Bytes", "Text")),
        (vec![int()], Op::Pack {}, operand("PACK", "a list", "Int")),
        (vec![list(text())], Op::Pack {}, operand("PACK", "Int", "Text")),
        (vec![int(), Ty::bool()], Op::Bits { how: 0 }, operand("BITS", "Int", "Bool")),
        (vec![Ty::bool(), int()], Op::Bits { how: 0 }, operand("BITS", "Int", "Bool")),
        (vec![ints()], Op::Outer { end: 0 }, operand("OUTER", "a map", "List(Int)")),
    ];
    for (params, op, fault) in cases {
        assert_eq!(refused(&params, op.clone()), fault, "{op:?} on {params:?}");
    }
}

#[test]
fn ways_that_do_not_exist_are_refused() {
    let index = |what, index, count| Fault::Index { what, index, count };
    assert_eq!(refused(&[Ty::text()], Op::Edit { how: 5 }), index("way to edit", 5, 5));
    assert_eq!(refused(&[Ty::int(), Ty::int()], Op::Bits { how: 3 }), index("way to join bits", 3, 3));
    assert_eq!(refused(&[map(Ty::int(), Ty::int())], Op::Outer { end: 2 }), index("end of a map", 2, 2));
}

#[test]
fn a_loop_tests_and_goes_on_with_what_it_started_from() {
    let int = Ty::int;
    let looping = |test: &[Op], body: &[Op]| Op::Loop { test: block(test), body: block(body) };
    let (is_true, next) = ([Op::Acc { level: 0 }], [Op::Acc { level: 2 }]);
    let params = |times: Ty| [Ty::bool(), times];
    let join = |first: &str, second: &str| Fault::Join {
        op: "LOOP".into(),
        first: first.into(),
        second: second.into(),
    };
    assert_eq!(refused(&params(Ty::text()), looping(&is_true, &next)), operand("LOOP", "Int", "Text"));
    assert_eq!(refused(&params(int()), looping(&[Op::Acc { level: 1 }], &next)), join("Bool", "Int"));
    assert_eq!(refused(&params(int()), looping(&is_true, &[Op::Acc { level: 1 }])), join("Bool", "Int"));
    assert_eq!(refused(&[int()], looping(&is_true, &next)), Fault::StackReach { op: "LOOP".into() });
}
