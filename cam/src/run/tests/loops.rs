//! Instructions with blocks, and calls.

use super::*;
use crate::verify::Fault;

fn numbers(items: &[i64]) -> (Ty, Value) {
    (list_of(Ty::int()), ints(items))
}

fn entries(entries: &[(i64, i64)]) -> (Ty, Value) {
    (map_of(Ty::int(), Ty::int()), table(entries))
}

fn quote(builder: &mut ModuleBuilder, value: i64) -> Op {
    Op::Quote { constant: builder.constant(&Ty::int(), int(value)) }
}

/// A body that leaves whether binding `level` is above two.
fn above_two(builder: &mut ModuleBuilder, level: u32) -> Block {
    Block(vec![quote(builder, 2), Op::Push {}, acc(level), Op::Lt {}])
}

#[test]
fn a_case_runs_its_block_with_the_payload() {
    let variant = variant_of(&[("A", Ty::unit()), ("B", Ty::int())]);
    let run = |value| {
        eval(&[(variant.clone(), value)], &Ty::int(), |builder| {
            let blocks = vec![Block(vec![quote(builder, 7)]), Block(vec![Op::Neg {}])];
            vec![acc(0), Op::Case { blocks }]
        })
    };
    assert_eq!(run(Value::sum(0, Value::Unit)), Ok(int(7)));
    assert_eq!(run(Value::sum(1, int(5))), Ok(int(-5)));
    let or_zero = |value| {
        eval(&[(option_of(Ty::int()), value)], &Ty::int(), |builder| {
            let blocks = vec![Block(vec![quote(builder, 0)]), Block(vec![])];
            vec![acc(0), Op::Case { blocks }]
        })
    };
    assert_eq!(or_zero(Value::none()), Ok(int(0)));
    assert_eq!(or_zero(Value::some(int(3))), Ok(int(3)));
}

#[test]
fn an_if_runs_one_block_and_pays_for_it_alone() {
    let run = |condition| {
        measure(&[(Ty::bool(), Value::Bool(condition))], &Ty::int(), |builder| {
            let no = vec![quote(builder, 1), Op::Push {}, quote(builder, 1), Op::Add {}];
            vec![acc(0), Op::If { yes: Block(vec![quote(builder, 1)]), no: Block(no) }]
        })
    };
    let used = |value, fuel| Ok(Used { value: int(value), fuel, memory: 0 });
    assert_eq!(run(true), used(1, 2 + 1));
    assert_eq!(run(false), used(2, 2 + 4));
}

#[test]
fn a_fold_goes_in_order_and_sees_what_was_folded() {
    // acc * 10 + item
    let digits = |over: (Ty, Value), item| {
        measure(&[over], &Ty::int(), |builder| {
            let (zero, ten) = (quote(builder, 0), quote(builder, 10));
            let body = vec![acc(1), Op::Push {}, ten, Op::Mul {}, Op::Push {}, acc(item), Op::Add {}];
            vec![acc(0), Op::Push {}, zero, Op::Fold { body: Block(body) }]
        })
    };
    let used = |value, fuel| Ok(Used { value: int(value), fuel, memory: 0 });
    assert_eq!(digits(numbers(&[1, 2, 3]), 2), used(123, 4 + 3 * (1 + 7)));
    assert_eq!(digits(numbers(&[]), 2), used(0, 4));
    // Over a map: its keys are binding 2, its values binding 3.
    assert_eq!(digits(entries(&[(2, 8), (1, 9)]), 2), used(12, 4 + 2 * 8));
    assert_eq!(digits(entries(&[(2, 8), (1, 9)]), 3), used(98, 4 + 2 * 8));
}

#[test]
fn a_map_changes_items_and_values() {
    let negate = |over: (Ty, Value), item| {
        let ty = over.0.clone();
        eval(&[over], &ty, |builder| {
            vec![acc(0), Op::Map { ty: builder.ty(&ty), body: Block(vec![acc(item), Op::Neg {}]) }]
        })
    };
    assert_eq!(negate(numbers(&[1, -2]), 1), Ok(ints(&[-1, 2])));
    assert_eq!(negate(entries(&[(1, 5), (2, 6)]), 2), Ok(table(&[(1, -5), (2, -6)])));
    assert_eq!(negate(entries(&[(1, 5), (2, 6)]), 1), Ok(table(&[(1, -1), (2, -2)])));
}

#[test]
fn a_filter_keeps_and_a_find_stops() {
    let filter = |over: (Ty, Value), item| {
        let ty = over.0.clone();
        eval(&[over], &ty, |builder| vec![acc(0), Op::Filter { body: above_two(builder, item) }])
    };
    assert_eq!(filter(numbers(&[3, 1, 4]), 1), Ok(ints(&[3, 4])));
    assert_eq!(filter(entries(&[(1, 5), (9, 2)]), 2), Ok(table(&[(1, 5)])));
    let find = |items: &[i64]| {
        measure(&[numbers(items)], &option_of(Ty::int()), |builder| {
            vec![acc(0), Op::Find { body: above_two(builder, 1) }]
        })
        .map(|used| (used.value, used.fuel))
    };
    assert_eq!(find(&[1, 3, 4]), Ok((Value::some(int(3)), 2 + 2 * (1 + 4))));
    assert_eq!(find(&[1, 2]), Ok((Value::none(), 2 + 2 * (1 + 4))));
}

#[test]
fn a_trap_within_a_loop_ends_the_run() {
    let halves = |items: &[i64]| {
        let list = list_of(Ty::int());
        eval(&[numbers(items)], &list, |builder| {
            let body = Block(vec![quote(builder, 12), Op::Push {}, acc(1), Op::Div {}]);
            vec![acc(0), Op::Map { ty: builder.ty(&list), body }]
        })
    };
    assert_eq!(halves(&[3, 4]), Ok(ints(&[4, 3])));
    assert_eq!(halves(&[3, 0]), Err(Trap::DivisionByZero));
}

#[test]
fn a_call_has_its_own_registers() {
    let ints = [Ty::int(), Ty::int()];
    let three_times = eval(&[(Ty::int(), int(5)), (Ty::int(), int(2))], &Ty::int(), |builder| {
        let one = quote(builder, 1);
        let constant = builder.function("one", &[], &Ty::int(), Block(vec![one]));
        // The callee sees its own arguments alone.
        let subtract =
            builder.function("sub", &ints, &Ty::int(), Block(vec![acc(0), Op::Push {}, acc(1), Op::Sub {}]));
        vec![
            Op::Call { function: constant },
            Op::Push {},
            acc(0),
            Op::Push {},
            acc(1),
            Op::Call { function: subtract },
            Op::Add {},
        ]
    });
    assert_eq!(three_times, Ok(int(1 + 3)));
}

#[test]
fn nesting_is_bounded_and_fits_the_stack_of_a_thread() {
    // Each call nests a body in a block: the costliest way to recurse.
    let nested = |calls: usize| {
        let list = list_of(Ty::int());
        module(&[(list.clone(), ints(&[1]))], &list, |builder| {
            let one = std::slice::from_ref(&list);
            let mut function = builder.function("leaf", one, &list, Block(vec![acc(0)]));
            let ty = builder.ty(&list);
            for _ in 0..calls {
                let inner = vec![acc(0), Op::Call { function }, Op::Len {}];
                let body = Block(vec![acc(0), Op::Map { ty, body: Block(inner) }]);
                function = builder.function("nest", one, &list, body);
            }
            vec![acc(0), Op::Call { function }]
        })
        .0
    };
    // Two blocks a call, and one each for the leaf, the tested function and the message arrow.
    let fitting = (NESTING_MAX as usize - 3) / 2;
    let run = |module: &Module| {
        let Entry::Link(link) = &module.entry else { unreachable!("it was built as a link") };
        Run::new(module, None, Limits::STEP, &mut vec![]).function(link.message, vec![Value::Unit])
    };
    let verified = verified(nested(fitting));
    assert_eq!(run(verified.module()), Ok(ints(&[1])));
    // Deeper is refused by the verifier, and by the interpreter all the same.
    let deeper = nested(fitting + 1);
    assert_eq!(run(&deeper), Err(Trap::Memory));
    let refused = verify(deeper).map(|_| ()).map_err(|error| error.fault);
    let limit = Fault::Limit { what: "blocks within each other, calls included", max: NESTING_MAX as usize };
    assert_eq!(refused, Err(limit));
}
