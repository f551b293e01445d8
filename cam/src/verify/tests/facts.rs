//! Which traps are possible, and how much a function may cost.

use super::*;
use crate::verify::TrapKind::{DivisionByZero, Fail, Fuel, Memory, Overflow, Range};

/// Returns the facts of the one arrow.
fn facts(param: Ty, result: Ty, body: impl FnOnce(&mut ModuleBuilder) -> Vec<Op>) -> FunctionFacts {
    let verified = verify(arrow(param, result, body)).unwrap_or_else(|error| panic!("{error}"));
    verified.verified_module().facts(FuncIx(0)).clone()
}

/// Returns the traps of a binary instruction on two Ints with these limits.
fn binary(left: Ty, right: Ty, op: Op) -> Vec<TrapKind> {
    let found =
        facts(pair(left, right), Ty::int(), |_| vec![acc(), Op::Fst {}, Op::Push {}, acc(), Op::Snd {}, op]);
    found.may_trap.into_iter().collect()
}

#[test]
fn arithmetic_traps_where_the_limits_let_it() {
    let int = Ty::int;
    assert_eq!(binary(int(), int(), Op::Add {}), [Overflow]);
    assert_eq!(binary(small_int(0, 9), small_int(-9, 0), Op::Add {}), []);
    assert_eq!(binary(small_int(i64::MIN, 0), small_int(0, 1), Op::Sub {}), [Overflow]);
    assert_eq!(binary(small_int(0, i64::MAX), small_int(0, i64::MAX), Op::Sub {}), []);
    assert_eq!(binary(small_int(0, 1 << 40), small_int(0, 1 << 40), Op::Mul {}), [Overflow]);
    assert_eq!(binary(small_int(-100, 100), small_int(-100, 100), Op::Mul {}), []);
    assert_eq!(binary(int(), int(), Op::Div {}), [Overflow, DivisionByZero]);
    assert_eq!(binary(int(), small_int(1, 100), Op::Div {}), []);
    assert_eq!(binary(int(), small_int(-1, -1), Op::Div {}), [Overflow]);
    assert_eq!(binary(int(), small_int(0, 1), Op::Mod {}), [DivisionByZero]);
    assert_eq!(binary(int(), small_int(-1, -1), Op::Mod {}), []);
    let neg = |ty| facts(ty, Ty::int(), |_| vec![acc(), Op::Neg {}]).may_trap;
    assert_eq!(neg(Ty::int()), BTreeSet::from([Overflow]));
    assert_eq!(neg(small_int(-i64::MAX, 0)), BTreeSet::new());
}

#[test]
fn a_fit_traps_unless_it_only_widens() {
    let fit = |from: Ty, to: Ty| {
        let found = facts(from, to.clone(), |builder| vec![acc(), Op::Fit { ty: builder.ty(&to) }]);
        found.may_trap.contains(&Range)
    };
    let text = |max| ty(Kind::Text { max });
    let items = |max| ty(Kind::List { item: Ty::int(), max });
    assert!(fit(Ty::int(), small_int(0, 9)));
    assert!(!fit(small_int(1, 8), small_int(0, 9)));
    assert!(!fit(Ty::duration(), Ty::int()));
    assert!(!fit(small_int(0, 9), Ty::duration()));
    assert!(fit(Ty::duration(), small_int(0, 9)));
    assert!(fit(text(None), text(Some(9))));
    assert!(fit(text(Some(10)), text(Some(9))));
    assert!(!fit(text(Some(9)), text(Some(9))));
    assert!(!fit(text(Some(9)), text(None)));
    assert!(fit(items(None), items(Some(1))));
    assert!(!fit(items(Some(1)), items(Some(2))));
}

#[test]
fn fail_and_guard_count_also_through_a_call() {
    let mut builder = ModuleBuilder::new("test");
    let callee = builder.function("callee", &[Ty::bool()], &Ty::unit(), block(&[acc(), Op::Guard {}]));
    let caller = builder.function(
        "caller",
        &[Ty::bool()],
        &Ty::unit(),
        block(&[acc(), Op::Call { function: callee }]),
    );
    let module = builder.finish(link(caller)).expect("the test uses what the builder gave out");
    let verified = verify(module).expect("it keeps the rules");
    let facts = verified.verified_module().facts(FuncIx(1));
    assert_eq!(facts.may_trap, BTreeSet::from([Fail]));
    assert_eq!((facts.fuel_max, facts.memory_max), (Some(1 + 2 + 1 + 1), Some(0)));
    assert_eq!((facts.nesting, facts.environment_max, facts.stack_max), (2, 1, 0));
}

#[test]
fn a_loop_costs_as_much_as_its_list_is_long() {
    let sum = |max| {
        let items = ty(Kind::List { item: small_int(0, 9), max });
        facts(items, Ty::int(), |builder| {
            let zero = builder.constant(&Ty::int(), Value::Int(0));
            let body = block(&[Op::Acc { level: 1 }, Op::Push {}, Op::Acc { level: 2 }, Op::Add {}]);
            vec![acc(), Op::Push {}, Op::Quote { constant: zero }, Op::Fold { body }]
        })
    };
    assert_eq!(sum(Some(10)).fuel_max, Some(4 + 10 * (1 + 4)));
    assert_eq!(sum(Some(10)).may_trap, BTreeSet::from([Overflow]));
    assert_eq!(sum(None).fuel_max, None);
    assert_eq!(sum(None).may_trap, BTreeSet::from([Overflow, Fuel]));
    // Bounded, and above the limit of a step all the same.
    assert_eq!(sum(Some(1_000_000)).fuel_max, Some(4 + 1_000_000 * 5));
    assert_eq!(sum(Some(1_000_000)).may_trap, BTreeSet::from([Overflow, Fuel]));
}

#[test]
fn a_branch_costs_its_dearer_block() {
    let found = facts(Ty::bool(), Ty::bool(), |_| {
        let dear = block(&[Op::Unit {}, Op::Unit {}, acc()]);
        vec![acc(), Op::If { yes: dear, no: block(&[acc()]) }]
    });
    assert_eq!(found.fuel_max, Some(2 + 3));
}

#[test]
fn what_grows_with_a_text_has_a_bound_only_with_a_limit() {
    let twice = |max| {
        let text = ty(Kind::Text { max });
        facts(text, Ty::text(), |_| vec![acc(), Op::Push {}, Op::Cat {}])
    };
    // Two texts of at most ten scalar values of four bytes each.
    assert_eq!(twice(Some(10)).memory_max, Some(16 + 80));
    assert_eq!(twice(Some(10)).fuel_max, Some(1 + 1 + 2 + 10));
    assert_eq!(twice(None).may_trap, BTreeSet::from([Fuel, Memory]));
    let same = |ty: Ty| facts(ty, Ty::bool(), |_| vec![acc(), Op::Push {}, Op::Eq {}]).may_trap;
    assert_eq!(same(pair(Ty::int(), Ty::bool())), BTreeSet::new());
    assert_eq!(same(Ty::text()), BTreeSet::from([Fuel]));
}

#[test]
fn a_map_has_a_bound_where_its_keys_have_one() {
    let keep = |key: Ty| {
        facts(map(key.clone(), Ty::int()), map(key, Ty::int()), |builder| {
            let yes = yes(builder);
            vec![acc(), Op::Filter { body: block(&[yes]) }]
        })
    };
    assert_eq!(keep(Ty::bool()).memory_max, Some(2 * 128));
    assert_eq!(keep(small_int(1, 10)).fuel_max, Some(2 + 10 * 2));
    assert_eq!(keep(Ty::int()).memory_max, None);
    assert_eq!(keep(Ty::text()).may_trap, BTreeSet::from([Fuel, Memory]));
}

#[test]
fn results_are_charged_at_entry_points() {
    // A step pays for the weight of its output, here ten for a Bool; CONS takes 80.
    let verified = verify(machine(|_, _| ())).expect("it keeps the rules");
    let Entry::Machine(entry) = &verified.module().entry else { unreachable!("it was built as a machine") };
    let module = verified.verified_module();
    assert_eq!(module.facts(entry.step[0]).memory_max, Some(80 + 10));
    assert_eq!(module.facts(entry.step[1]).memory_max, Some(0));
    // A list within a list may be greater than what was paid for it.
    let nested = list(list(Ty::int()));
    let found = facts(nested.clone(), nested, |_| vec![acc()]);
    assert_eq!(found.may_trap, BTreeSet::from([Memory]));
    let flat = list(Ty::int());
    assert_eq!(facts(flat.clone(), flat, |_| vec![acc()]).may_trap, BTreeSet::new());
}
