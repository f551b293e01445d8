//! Instructions without blocks.

use super::*;

#[test]
fn registers_stack_and_environment() {
    let two = || vec![(Ty::int(), int(1)), (Ty::int(), int(2))];
    let pair = pair_of(Ty::int(), Ty::int());
    let both = |a, b| Ok(Value::product([int(a), int(b)]));
    assert_eq!(eval(&two(), &pair, |_| vec![acc(0), Op::Push {}, acc(1), Op::Cons {}]), both(1, 2));
    assert_eq!(
        eval(&two(), &pair, |_| vec![acc(0), Op::Push {}, acc(1), Op::Swap {}, Op::Cons {}]),
        both(2, 1)
    );
    let arg = || (pair.clone(), Value::product([int(1), int(2)]));
    assert_eq!(unary(arg(), &Ty::int(), Op::Fst {}), Ok(int(1)));
    assert_eq!(unary(arg(), &Ty::int(), Op::Snd {}), Ok(int(2)));
    assert_eq!(unary(arg(), &Ty::unit(), Op::Unit {}), Ok(Value::Unit));
    let bound = |_: &mut ModuleBuilder| {
        vec![
            acc(1),
            Op::Let {},
            acc(0),
            Op::Let {},
            acc(2),
            Op::Push {},
            acc(3),
            Op::Cons {},
            Op::Unlet { count: 2 },
        ]
    };
    assert_eq!(eval(&two(), &pair, bound), both(2, 1));
    let quoted = |builder: &mut ModuleBuilder| {
        vec![Op::Quote { constant: builder.constant(&Ty::text(), Value::text("hi")) }]
    };
    assert_eq!(eval(&[], &Ty::text(), quoted), Ok(Value::text("hi")));
}

#[test]
fn secrets_have_the_values_of_what_they_hold() {
    let secret = ty(Kind::Secret(Ty::int()));
    assert_eq!(unary((Ty::int(), int(1)), &secret, Op::Seal {}), Ok(int(1)));
    assert_eq!(unary((secret.clone(), int(1)), &Ty::int(), Op::Reveal {}), Ok(int(1)));
    let both = [(secret.clone(), int(1)), (secret, int(1))];
    let equal = eval(&both, &Ty::bool(), |_| vec![acc(0), Op::Push {}, acc(1), Op::Eq {}]);
    assert_eq!(equal, Ok(Value::Bool(true)));
}

#[test]
fn products_and_sums() {
    let record = record_of(&[("a", Ty::int()), ("b", Ty::bool()), ("c", Ty::int())]);
    let value = || Value::product([int(1), Value::Bool(true), int(3)]);
    let made = eval(&[], &record, |builder| {
        let ty = builder.ty(&record);
        let mut quote = |ty: Ty, value| Op::Quote { constant: builder.constant(&ty, value) };
        let (one, yes, three) =
            (quote(Ty::int(), int(1)), quote(Ty::bool(), Value::Bool(true)), quote(Ty::int(), int(3)));
        vec![one, Op::Push {}, yes, Op::Push {}, three, Op::Rec { ty }]
    });
    assert_eq!(made, Ok(value()));
    let single = record_of(&[("a", Ty::int())]);
    assert_eq!(
        eval(&[(Ty::int(), int(1))], &single, |builder| vec![acc(0), Op::Rec { ty: builder.ty(&single) }]),
        Ok(Value::product([int(1)]))
    );
    assert_eq!(unary((record.clone(), value()), &Ty::int(), Op::Fld { index: 2 }), Ok(int(3)));
    // The old record stays what it was: here it is read once more after the update.
    let updated = eval(&[(record.clone(), value()), (Ty::int(), int(9))], &Ty::int(), |_| {
        vec![
            acc(0),
            Op::Push {},
            acc(1),
            Op::Upd { index: 0 },
            Op::Fld { index: 0 },
            Op::Push {},
            acc(0),
            Op::Fld { index: 0 },
            Op::Sub {},
        ]
    });
    assert_eq!(updated, Ok(int(8)));
    let variant = variant_of(&[("A", Ty::unit()), ("B", Ty::int())]);
    let inject =
        |ty: Ty, case| eval(&[(Ty::int(), int(5))], &ty, |b| vec![acc(0), Op::Inj { ty: b.ty(&ty), case }]);
    assert_eq!(inject(variant, 1), Ok(Value::sum(1, int(5))));
    assert_eq!(inject(option_of(Ty::int()), Value::SOME_INDEX), Ok(Value::some(int(5))));
}

#[test]
fn arithmetic_is_checked_and_euclidean() {
    let (min, max) = (i64::MIN, i64::MAX);
    assert_eq!(arithmetic(2, 3, Op::Add {}), Ok(5));
    assert_eq!(arithmetic(max, 1, Op::Add {}), Err(Trap::Overflow));
    assert_eq!(arithmetic(2, 3, Op::Sub {}), Ok(-1));
    assert_eq!(arithmetic(min, 1, Op::Sub {}), Err(Trap::Overflow));
    assert_eq!(arithmetic(-4, 3, Op::Mul {}), Ok(-12));
    assert_eq!(arithmetic(max, 2, Op::Mul {}), Err(Trap::Overflow));
    for (a, b, quotient, rest) in [(7, 2, 3, 1), (-7, 2, -4, 1), (7, -2, -3, 1), (-7, -2, 4, 1)] {
        assert_eq!(arithmetic(a, b, Op::Div {}), Ok(quotient), "{a} / {b}");
        assert_eq!(arithmetic(a, b, Op::Mod {}), Ok(rest), "{a} % {b}");
    }
    assert_eq!(arithmetic(1, 0, Op::Div {}), Err(Trap::DivisionByZero));
    assert_eq!(arithmetic(1, 0, Op::Mod {}), Err(Trap::DivisionByZero));
    assert_eq!(arithmetic(min, -1, Op::Div {}), Err(Trap::Overflow));
    assert_eq!(arithmetic(min, -1, Op::Mod {}), Ok(0));
    assert_eq!(unary((Ty::int(), int(5)), &Ty::int(), Op::Neg {}), Ok(int(-5)));
    assert_eq!(unary((Ty::int(), int(min)), &Ty::int(), Op::Neg {}), Err(Trap::Overflow));
    assert_eq!(unary((Ty::bool(), Value::Bool(true)), &Ty::bool(), Op::Not {}), Ok(Value::Bool(false)));
}

#[test]
fn comparison_is_canonical() {
    let compare = |ty: &Ty, a: &Value, b: &Value| {
        let run = |op| match binary((ty.clone(), a.clone()), (ty.clone(), b.clone()), &Ty::bool(), op) {
            Ok(Value::Bool(bool)) => bool,
            other => panic!("{other:?} is no Bool"),
        };
        (run(Op::Lt {}), run(Op::Le {}), run(Op::Eq {}))
    };
    let (below, same, above) = ((true, true, false), (false, true, true), (false, false, false));
    let variant = variant_of(&[("A", Ty::int()), ("B", Ty::unit())]);
    let rising = [
        (Ty::int(), vec![int(-1), int(0), int(7)]),
        (Ty::bool(), vec![Value::Bool(false), Value::Bool(true)]),
        (Ty::text(), ["", "Z", "a", "aa", "é", "𝄞"].map(Value::text).to_vec()),
        (option_of(Ty::int()), vec![Value::none(), Value::some(int(-5)), Value::some(int(1))]),
        (variant, vec![Value::sum(0, int(1)), Value::sum(0, int(2)), Value::sum(1, Value::Unit)]),
        (list_of(Ty::int()), vec![ints(&[]), ints(&[1]), ints(&[1, 0]), ints(&[2])]),
        (
            map_of(Ty::int(), Ty::int()),
            vec![table(&[]), table(&[(1, 5)]), table(&[(1, 5), (2, 0)]), table(&[(1, 6)]), table(&[(2, 0)])],
        ),
    ];
    for (ty, values) in rising {
        for (i, a) in values.iter().enumerate() {
            for (j, b) in values.iter().enumerate() {
                let expected = match i.cmp(&j) {
                    std::cmp::Ordering::Less => below,
                    std::cmp::Ordering::Equal => same,
                    std::cmp::Ordering::Greater => above,
                };
                assert_eq!(compare(&ty, a, b), expected, "{a:?} and {b:?}");
                assert_eq!(a.cmp(b), i.cmp(&j), "the order of values is the same");
            }
        }
    }
}

#[test]
fn limits_are_checked_on_the_way_in() {
    let fit = |from: Ty, value: Value, to: Ty| {
        eval(&[(from, value)], &to, |builder| vec![acc(0), Op::Fit { ty: builder.ty(&to) }])
    };
    let small = || ty(Kind::Int { lo: 0, hi: 9 });
    assert_eq!(fit(Ty::int(), int(9), small()), Ok(int(9)));
    assert_eq!(fit(Ty::int(), int(10), small()), Err(Trap::Range));
    assert_eq!(fit(Ty::int(), int(-1), small()), Err(Trap::Range));
    assert_eq!(fit(small(), int(5), Ty::int()), Ok(int(5)));
    assert_eq!(fit(Ty::int(), int(-5), Ty::duration()), Ok(int(-5)));
    assert_eq!(fit(Ty::duration(), int(10), small()), Err(Trap::Range));
    let text = |max| ty(Kind::Text { max: Some(max) });
    assert_eq!(fit(Ty::text(), Value::text("éé"), text(2)), Ok(Value::text("éé")));
    assert_eq!(fit(Ty::text(), Value::text("ééé"), text(2)), Err(Trap::Range));
    assert_eq!(fit(text(2), Value::text("é"), Ty::text()), Ok(Value::text("é")));
    let bytes = |octets: &[u8]| Value::Bytes(octets.into());
    let two_bytes = || ty(Kind::Bytes { max: Some(2) });
    assert_eq!(fit(Ty::bytes(), bytes(&[1, 2]), two_bytes()), Ok(bytes(&[1, 2])));
    assert_eq!(fit(Ty::bytes(), bytes(&[1, 2, 3]), two_bytes()), Err(Trap::Range));
    let list = |max| ty(Kind::List { item: Ty::int(), max });
    assert_eq!(fit(list(None), ints(&[1]), list(Some(1))), Ok(ints(&[1])));
    assert_eq!(fit(list(None), ints(&[1, 2]), list(Some(1))), Err(Trap::Range));
}

#[test]
fn texts_and_bytes() {
    let text = |text: &str| (Ty::text(), Value::text(text));
    let bytes = |octets: &[u8]| (Ty::bytes(), Value::Bytes(octets.into()));
    assert_eq!(binary(text("añ"), text("b"), &Ty::text(), Op::Cat {}), Ok(Value::text("añb")));
    assert_eq!(binary(bytes(&[1]), bytes(&[2, 3]), &Ty::bytes(), Op::Cat {}), Ok(bytes(&[1, 2, 3]).1));
    assert_eq!(unary(text("añ𝄞"), &Ty::int(), Op::Len {}), Ok(int(3)));
    assert_eq!(unary(bytes(&[0, 0]), &Ty::int(), Op::Len {}), Ok(int(2)));
    for (ty, value, shown) in [
        (Ty::int(), int(-12), "-12"),
        (Ty::bool(), Value::Bool(true), "true"),
        (Ty::duration(), int(1500), "1500"),
        (Ty::text(), Value::text("as is"), "as is"),
    ] {
        assert_eq!(unary((ty, value), &Ty::text(), Op::Show {}), Ok(Value::text(shown)));
    }
    let parse = |source: &str| unary(text(source), &option_of(Ty::int()), Op::Parse {});
    for int in [0, 1, -1, i64::MAX, i64::MIN] {
        assert_eq!(parse(&int.to_string()), Ok(Value::some(Value::Int(int))));
    }
    let no_numbers = ["", "-", "+1", "01", "-0", " 1", "1 ", "1.0", "1e3", "0x1", "9223372036854775808", "١"];
    for source in no_numbers {
        assert_eq!(parse(source), Ok(Value::none()), "{source:?}");
    }
}

#[test]
fn lists() {
    let numbers = |items: &[i64]| (list_of(Ty::int()), ints(items));
    let number = |value| (Ty::int(), int(value));
    let list = list_of(Ty::int());
    assert_eq!(eval(&[], &list, |builder| vec![Op::Nil { ty: builder.ty(&list) }]), Ok(ints(&[])));
    assert_eq!(binary(numbers(&[1]), number(2), &list, Op::Append {}), Ok(ints(&[1, 2])));
    assert_eq!(binary(numbers(&[1]), numbers(&[2, 3]), &list, Op::Cat {}), Ok(ints(&[1, 2, 3])));
    assert_eq!(unary(numbers(&[4, 5]), &Ty::int(), Op::Len {}), Ok(int(2)));
    let get = |index| binary(numbers(&[4, 5]), number(index), &option_of(Ty::int()), Op::Get {});
    assert_eq!(get(1), Ok(Value::some(int(5))));
    for outside in [2, -1, i64::MAX, i64::MIN] {
        assert_eq!(get(outside), Ok(Value::none()));
    }
    let range = |from, to| binary(number(from), number(to), &list, Op::Range {});
    assert_eq!(range(-1, 2), Ok(ints(&[-1, 0, 1])));
    assert_eq!(range(2, 2), Ok(ints(&[])));
    assert_eq!(range(i64::MAX, i64::MIN), Ok(ints(&[])));
    assert_eq!(range(i64::MIN, i64::MAX), Err(Trap::Fuel));
    let part = |op, count| binary(numbers(&[1, 2, 3]), number(count), &list, op);
    for (count, head, tail) in
        [(2, &[1, 2][..], &[3][..]), (0, &[], &[1, 2, 3]), (-1, &[], &[1, 2, 3]), (i64::MAX, &[1, 2, 3], &[])]
    {
        assert_eq!(part(Op::Take {}, count), Ok(ints(head)));
        assert_eq!(part(Op::Drop {}, count), Ok(ints(tail)));
    }
}

#[test]
fn maps() {
    let map = map_of(Ty::int(), Ty::int());
    let entries = |entries: &[(i64, i64)]| (map.clone(), table(entries));
    let number = |value| (Ty::int(), int(value));
    assert_eq!(eval(&[], &map, |builder| vec![Op::Nil { ty: builder.ty(&map) }]), Ok(table(&[])));
    let put = |key, value| {
        eval(&[entries(&[(1, 10)]), number(key), number(value)], &map, |_| {
            vec![acc(0), Op::Push {}, acc(1), Op::Push {}, acc(2), Op::Put {}]
        })
    };
    assert_eq!(put(0, 5), Ok(table(&[(0, 5), (1, 10)])));
    assert_eq!(put(1, 5), Ok(table(&[(1, 5)])));
    let del = |key| binary(entries(&[(1, 10)]), number(key), &map, Op::Del {});
    assert_eq!(del(1), Ok(table(&[])));
    assert_eq!(del(2), Ok(table(&[(1, 10)])));
    let get = |key| binary(entries(&[(1, 10)]), number(key), &option_of(Ty::int()), Op::Get {});
    assert_eq!(get(1), Ok(Value::some(int(10))));
    assert_eq!(get(2), Ok(Value::none()));
    assert_eq!(unary(entries(&[(1, 10), (2, 0)]), &Ty::int(), Op::Len {}), Ok(int(2)));
    assert_eq!(
        unary(entries(&[(2, 20), (1, 10)]), &list_of(pair_of(Ty::int(), Ty::int())), Op::Entries {}),
        Ok(Value::list([Value::product([int(1), int(10)]), Value::product([int(2), int(20)])]))
    );
}

#[test]
fn failing_and_guarding() {
    let why = (Ty::text(), Value::text("no stock"));
    assert_eq!(unary(why, &Ty::int(), Op::Fail {}), Err(Trap::Fail("no stock".into())));
    let guard = |holds| unary((Ty::bool(), Value::Bool(holds)), &Ty::unit(), Op::Guard {});
    assert_eq!(guard(true), Ok(Value::Unit));
    assert_eq!(guard(false), Err(Trap::Guard));
}

#[test]
fn a_hash_is_that_of_the_canonical_form() {
    let ty = variant_of(&[("A", Ty::unit()), ("B", Ty::text())]);
    let value = Value::sum(1, Value::text("x"));
    let hashed =
        eval(&[(ty.clone(), value)], &Ty::bytes(), |builder| vec![acc(0), Op::Hash { ty: builder.ty(&ty) }]);
    assert_eq!(hashed, Ok(Value::Bytes(Digest::of(&[1, 1, b'x']).as_bytes().as_slice().into())));
}

#[test]
fn the_costs_are_those_of_the_table() {
    // The arguments are loaded by ACC, PUSH, ACC: 3. What follows is the instruction's own.
    let cost = |args: &[(Ty, Value)], result: &Ty, op: Op| {
        let body = |_: &mut ModuleBuilder| match args.len() {
            1 => vec![acc(0), op],
            _ => vec![acc(0), Op::Push {}, acc(1), op],
        };
        let used = measure(args, result, body).expect("the instruction does not trap");
        (used.fuel - if args.len() == 1 { 1 } else { 3 }, used.memory)
    };
    let number = |value| (Ty::int(), int(value));
    let text = |length: usize| (Ty::text(), Value::text(&"x".repeat(length)));
    let hundred =
        || (map_of(Ty::int(), Ty::int()), table(&(0..100).map(|key| (key, key)).collect::<Vec<_>>()));
    let list = |length: i64| (list_of(Ty::int()), ints(&(0..length).collect::<Vec<_>>()));
    let option = option_of(Ty::int());
    assert_eq!(cost(&[number(1), number(2)], &Ty::int(), Op::Add {}), (1, 0));
    assert_eq!(cost(&[number(1), number(2)], &pair_of(Ty::int(), Ty::int()), Op::Cons {}), (1, 80));
    assert_eq!(cost(&[number(1), number(2)], &Ty::bool(), Op::Eq {}), (1, 0));
    assert_eq!(cost(&[text(80), text(800)], &Ty::bool(), Op::Eq {}), (1 + 10, 0));
    assert_eq!(cost(&[list(10), list(20)], &Ty::bool(), Op::Lt {}), (1 + 10, 0));
    assert_eq!(cost(&[text(8), text(8)], &Ty::text(), Op::Cat {}), (2 + 2, 16 + 16));
    assert_eq!(cost(&[list(4), list(3)], &list_of(Ty::int()), Op::Cat {}), (2 + 3, 3 * 64 + 3 * 16));
    assert_eq!(cost(&[list(4), number(3)], &list_of(Ty::int()), Op::Append {}), (2, 64 + 3 * 16));
    assert_eq!(cost(&[list(4), number(3)], &list_of(Ty::int()), Op::Take {}), (2 + 3, 3 * 64));
    assert_eq!(cost(&[list(4), number(3)], &option, Op::Get {}), (2, 48));
    // A hundred entries have seven binary digits; an Int weighs 10, and 10 / 8 is 1.
    assert_eq!(cost(&[hundred(), number(3)], &option, Op::Get {}), (2 + 7, 48));
    assert_eq!(cost(&[hundred(), number(3)], &hundred().0, Op::Del {}), (3 + 7, 7 * 32));
    assert_eq!(
        cost(&[hundred()], &list_of(pair_of(Ty::int(), Ty::int())), Op::Entries {}),
        (2 + 100, 100 * 128)
    );
    assert_eq!(cost(&[text(80)], &Ty::int(), Op::Len {}), (1 + 10, 0));
    assert_eq!(cost(&[number(0), number(5)], &list_of(Ty::int()), Op::Range {}), (1 + 5, 5 * 64));
}

#[test]
fn what_is_not_paid_for_is_not_done() {
    // Doubles a text in a fold: 2^40 bytes are asked for, and refused before they are built.
    let doubled = eval(&[(Ty::text(), Value::text("12345678"))], &Ty::text(), |builder| {
        let mut quote = |value| Op::Quote { constant: builder.constant(&Ty::int(), int(value)) };
        let (from, to) = (quote(0), quote(40));
        let body = Block(vec![acc(1), Op::Push {}, acc(1), Op::Cat {}]);
        vec![from, Op::Push {}, to, Op::Range {}, Op::Push {}, acc(0), Op::Fold { body }]
    });
    assert_eq!(doubled, Err(Trap::Fuel));
    let range = |limits: Limits| {
        let (module, function) = module(&[(Ty::int(), int(10))], &list_of(Ty::int()), |builder| {
            let zero = Op::Quote { constant: builder.constant(&Ty::int(), int(0)) };
            vec![zero, Op::Push {}, acc(0), Op::Range {}]
        });
        call(verified(module).verified_module(), function, vec![int(10)], limits).map(|_| ())
    };
    assert_eq!(range(Limits { fuel: 14, memory: 640 }), Ok(()));
    assert_eq!(range(Limits { fuel: 13, memory: 640 }), Err(Trap::Fuel));
    assert_eq!(range(Limits { fuel: 3, memory: 640 }), Err(Trap::Fuel));
    assert_eq!(range(Limits { fuel: 14, memory: 639 }), Err(Trap::Memory));
}

proptest::proptest! {
    #[test]
    fn the_comparison_of_a_run_is_the_order_of_values((_, a, b) in crate::testing::any_typed_pair()) {
        let compared = crate::run::meter::Meter::new(Limits::STEP).compare(&a, &b);
        proptest::prop_assert_eq!(compared, Ok(a.cmp(&b)));
    }

    #[test]
    fn a_weight_is_no_less_than_the_canonical_size((ty, value) in crate::testing::any_typed_value()) {
        let size = value.to_binary(&ty).len() as u64;
        let weight = crate::run::meter::weight_within(&value, u64::MAX);
        proptest::prop_assert!(weight.is_some_and(|weight| weight >= size));
        proptest::prop_assert_eq!(crate::run::meter::weight_within(&value, size - 1), None);
    }
}
