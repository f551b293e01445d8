//! A run with a memo against the same run without: the same result, the same costs, and little done twice.

use super::*;
use crate::run::memo::{ENTRIES_MIN, Memo};
use crate::value::Map;

const LIMITS: Limits = Limits { fuel: 10_000_000, memory: 1 << 30 };

/// A function of a map and an Int, in a module.
struct Tested {
    module: Verified,
    function: FuncIx,
}

fn int_map() -> Ty {
    map_of(Ty::int(), Ty::int())
}

fn tested(result: &Ty, body: impl FnOnce(&mut ModuleBuilder) -> Vec<Op>) -> Tested {
    let args = [(int_map(), table(&[(1, 1)])), (Ty::int(), int(0))];
    let (module, function) = module(&args, result, body);
    Tested { module: verified(module), function }
}

impl Tested {
    fn run(
        &self,
        map: &Map,
        number: i64,
        limits: Limits,
        memo: Option<&mut Memo>,
    ) -> (Result<Value, Trap>, Limits) {
        self.run_on(&[Value::Map(map.clone()), int(number)], limits, memo)
    }

    fn run_on(
        &self,
        args: &[Value],
        limits: Limits,
        memo: Option<&mut Memo>,
    ) -> (Result<Value, Trap>, Limits) {
        let mut effects = vec![];
        let mut run = Run::new(self.module.module(), None, limits, &mut effects);
        run.memo = memo;
        let result = run.function(self.function, args.to_vec());
        (result, run.meter.left())
    }

    /// Runs with the memo and without, and returns what came of it.
    #[track_caller]
    fn agrees(&self, map: &Map, number: i64, memo: &mut Memo) -> Result<Value, Trap> {
        let without = self.run(map, number, LIMITS, None);
        let with = self.run(map, number, LIMITS, Some(memo));
        assert_eq!(with, without);
        with.0
    }
}

fn many(count: usize) -> Map {
    (0..i64::try_from(count).expect("a small number")).map(|key| (int(2 * key), int(key))).collect()
}

/// Doubles each value, and adds the number to it if `sees`.
fn doubles(sees: bool) -> Tested {
    tested(&int_map(), |builder| {
        let mut body = vec![acc(3), Op::Push {}, acc(3), Op::Add {}];
        if sees {
            body.extend([Op::Push {}, acc(1), Op::Add {}]);
        }
        vec![acc(0), Op::Map { ty: builder.ty(&int_map()), body: Block(body) }]
    })
}

/// True when no value is above the number.
fn all_at_most() -> Tested {
    tested(&ty(Kind::Bool), |builder| {
        let truth = |builder: &mut ModuleBuilder, truth| Op::Quote {
            constant: builder.constant(&ty(Kind::Bool), Value::Bool(truth)),
        };
        let (yes, no) = (truth(builder, true), truth(builder, false));
        let holds = Block(vec![acc(4), Op::Push {}, acc(1), Op::Le {}]);
        let body = Block(vec![acc(2), Op::If { yes: holds, no: Block(vec![no]) }]);
        vec![acc(0), Op::Push {}, yes, Op::Fold { body }]
    })
}

fn sum() -> Tested {
    tested(&Ty::int(), |_| {
        let body = Block(vec![acc(2), Op::Push {}, acc(4), Op::Add {}]);
        vec![acc(0), Op::Push {}, acc(1), Op::Fold { body }]
    })
}

#[test]
fn a_map_that_changed_in_an_entry_is_mapped_anew_on_the_way_to_it_alone() {
    let (tested, mut memo, mut map) = (doubles(false), Memo::default(), many(20_000));
    let first = tested.agrees(&map, 0, &mut memo).expect("it does not trap");
    assert_eq!(memo.parts(), map.parts().len());
    let Value::Map(first) = first else { panic!("it is a map") };
    map.insert(int(4_000), int(7));
    map.insert(int(-1), int(7));
    map.remove(&int(39_998));
    let before = memo.parts();
    let Ok(Value::Map(second)) = tested.agrees(&map, 0, &mut memo) else { panic!("it is a map") };
    let anew = memo.parts() - before;
    assert!(
        (1..=12).contains(&anew),
        "{anew} parts for three changes, one of which splits a leaf, three levels below the root"
    );
    assert_eq!(second.get_int(4_000), Some(&int(14)));
    let shared = second.parts().into_iter().filter(|part| first.parts().contains(part)).count();
    assert!(shared >= second.parts().len() - 12, "{shared} of {} parts are shared", second.parts().len());
    assert_eq!(tested.agrees(&map, 5, &mut memo), Ok(Value::Map(second)), "the body does not see the number");
    assert_eq!(memo.parts(), before + anew);
}

#[test]
fn a_body_that_sees_something_else_is_remembered_for_that_alone() {
    let (tested, mut memo, map) = (doubles(true), Memo::default(), many(5_000));
    for number in [1, 2, 2, 1] {
        let Ok(Value::Map(mapped)) = tested.agrees(&map, number, &mut memo) else { panic!("it is a map") };
        assert_eq!(mapped.get_int(20), Some(&int(20 + number)));
    }
    assert_eq!(memo.parts(), map.parts().len(), "what was made of another number is forgotten");
}

#[test]
fn of_a_record_that_a_body_sees_only_the_member_counts_that_it_reads() {
    let (pair, truth) = (pair_of(pair_of(Ty::int(), Ty::int()), int_map()), ty(Kind::Bool));
    let state = |limit: i64, other: i64, map: &Map| {
        Value::product([Value::product([int(limit), int(other)]), Value::Map(map.clone())])
    };
    let args = [(pair, state(1, 1, &many(1)))];
    let (module, function) = module(&args, &truth, |builder| {
        let truth = |builder: &mut ModuleBuilder, holds| Op::Quote {
            constant: builder.constant(&ty(Kind::Bool), Value::Bool(holds)),
        };
        let (yes, no) = (truth(builder, true), truth(builder, false));
        let holds = Block(vec![acc(3), Op::Push {}, acc(0), Op::Fst {}, Op::Fst {}, Op::Le {}]);
        let body = Block(vec![acc(1), Op::If { yes: holds, no: Block(vec![no]) }]);
        vec![acc(0), Op::Snd {}, Op::Push {}, yes, Op::Fold { body }]
    });
    let tested = Tested { module: verified(module), function };
    let (mut memo, map) = (Memo::default(), many(5_000));
    let mut holds = |limit, other, map: &Map| {
        let args = [state(limit, other, map)];
        let with = tested.run_on(&args, LIMITS, Some(&mut memo));
        assert_eq!(with, tested.run_on(&args, LIMITS, None));
        (with.0.expect("it does not trap"), memo.done())
    };
    let (all, first) = holds(5_000, 1, &map);
    assert_eq!(all, Value::Bool(true));
    let mut changed = map.clone();
    changed.insert(int(4), int(4));
    let (_, other_member) = holds(5_000, 2, &changed);
    assert!((1..=3).contains(&(other_member - first)), "{other_member} after {first}");
    let (less, _) = holds(10, 2, &changed);
    assert_eq!(less, Value::Bool(false), "what was known of another limit is not used");
}

#[test]
fn a_fold_is_remembered_where_it_leaves_what_was_folded() {
    let (tested, mut memo, mut map) = (all_at_most(), Memo::default(), many(20_000));
    assert_eq!(tested.agrees(&map, 20_000, &mut memo), Ok(Value::Bool(true)));
    assert_eq!(memo.parts(), map.parts().len());
    map.insert(int(8_000), int(1));
    let before = memo.parts();
    assert_eq!(tested.agrees(&map, 20_000, &mut memo), Ok(Value::Bool(true)));
    assert!((1..=3).contains(&(memo.parts() - before)));
    map.insert(int(8_000), int(30_000));
    assert_eq!(tested.agrees(&map, 20_000, &mut memo), Ok(Value::Bool(false)));
    assert_eq!(tested.agrees(&map, 20_000, &mut memo), Ok(Value::Bool(false)));
    assert_eq!(tested.agrees(&map, 30_000, &mut memo), Ok(Value::Bool(true)));
    assert_eq!(tested.agrees(&map, 10, &mut memo), Ok(Value::Bool(false)));

    let (tested, mut memo) = (sum(), Memo::default());
    assert_eq!(tested.agrees(&map, 1, &mut memo), tested.agrees(&map, 1, &mut memo));
    assert_eq!((memo.parts(), memo.done()), (map.parts().len(), map.parts().len()));
    let mut done = memo.done();
    let mut anew = |map: &Map, number, memo: &mut Memo| {
        tested.agrees(map, number, memo).expect("it does not trap");
        let before = std::mem::replace(&mut done, memo.done());
        memo.done() - before
    };
    assert_eq!(anew(&map, 2, &mut memo), map.parts().len(), "what was folded before is another everywhere");
    map.insert(int(39_998), int(5));
    assert!((1..=3).contains(&anew(&map, 2, &mut memo)), "what comes before the change is known");
    map.insert(int(0), int(5));
    assert_eq!(anew(&map, 2, &mut memo), map.parts().len(), "what comes after it is not");
    let mut memo = Memo::default();
    let zeros: Map = (0..5_000).map(|key| (int(key), int(0))).collect();
    assert_eq!(tested.agrees(&zeros, 1, &mut memo), Ok(int(1)));
    assert_eq!(memo.parts(), zeros.parts().len());
    assert_eq!(tested.agrees(&zeros, 2, &mut memo), Ok(int(2)), "what was folded before is another");
}

#[test]
fn costs_run_out_where_they_do_without_a_memo() {
    for tested in [doubles(false), doubles(true), all_at_most(), sum()] {
        let (mut memo, map) = (Memo::default(), many(3_000));
        let (_, left) = tested.run(&map, 9_000, LIMITS, Some(&mut memo));
        let used = Limits { fuel: LIMITS.fuel - left.fuel, memory: LIMITS.memory - left.memory };
        for share in 0..=64 {
            let fuel = Limits { fuel: used.fuel * share / 64, ..LIMITS };
            let memory = Limits { memory: used.memory * share / 64, ..LIMITS };
            for limits in [fuel, memory] {
                let without = tested.run(&map, 9_000, limits, None);
                assert_eq!(tested.run(&map, 9_000, limits, Some(&mut memo)), without, "{limits:?}");
            }
        }
    }
}

#[test]
fn a_trap_leaves_a_memo_that_can_go_on() {
    let (tested, mut memo, mut map) = (doubles(false), Memo::default(), many(5_000));
    map.insert(int(6_000), int(i64::MAX));
    assert_eq!(tested.agrees(&map, 0, &mut memo), Err(Trap::Overflow));
    let before = memo.parts();
    assert!(before > 50, "{before} parts before the entry were done");
    assert_eq!(tested.agrees(&map, 0, &mut memo), Err(Trap::Overflow));
    assert_eq!(memo.parts(), before);
    map.insert(int(6_000), int(1));
    tested.agrees(&map, 0, &mut memo).expect("nothing overflows");
}

#[test]
fn small_maps_are_not_remembered() {
    let (tested, mut memo) = (doubles(false), Memo::default());
    tested.agrees(&many(ENTRIES_MIN - 1), 0, &mut memo).expect("it does not trap");
    assert!(memo.is_empty());
    tested.agrees(&many(ENTRIES_MIN), 0, &mut memo).expect("it does not trap");
    assert!(!memo.is_empty());
}

#[test]
fn any_changes_give_what_they_give_without_a_memo() {
    for tested in [doubles(false), all_at_most(), sum()] {
        let (mut memo, mut map, mut random) = (Memo::default(), many(2_000), 1_u64);
        for round in 0..60 {
            for _ in 0..round {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let key = int(i64::try_from(random >> 33).expect("31 bits") % 5_000);
                match random >> 30 & 3 {
                    0 => drop(map.remove(&key)),
                    _ => drop(map.insert(key, int(i64::try_from(random >> 40).expect("24 bits")))),
                }
            }
            tested.agrees(&map, 1 << 23, &mut memo).expect("nothing overflows");
        }
    }
}

#[test]
fn of_two_maps_that_were_equal_only_what_changed_is_compared() {
    let (tested, mut memo, mut map) = (doubles(false), Memo::default(), many(20_000));
    // What is made of it comes back as another map of the same shape.
    let back = |map: &Map, memo: &mut Memo| {
        let halves = |_, value: Value| match value {
            Value::Int(int) => Ok::<_, Trap>(Value::Int(int / 2)),
            other => Ok(other),
        };
        let Ok(Value::Map(doubled)) = tested.agrees(map, 0, memo) else { panic!("it is a map") };
        doubled.try_map_values(halves).expect("it does not fail")
    };
    let state = |map: &Map| Value::product([int(1), Value::Map(map.clone())]);
    let came_back = back(&map, &mut memo);
    let before = memo.parts();
    assert!(memo.is_equal(&state(&came_back), &state(&map)));
    assert_eq!(memo.parts() - before, map.parts().len());
    let (before, mut changed) = (memo.parts(), came_back);
    for (key, value) in [(4_000, 7), (4_002, 8)] {
        map.insert(int(key), int(value));
        changed.insert(int(key), int(value));
    }
    assert!(memo.is_equal(&state(&changed), &state(&map)));
    assert!((1..=3).contains(&(memo.parts() - before)), "both changes are in one leaf, or in two");
    for (key, value) in [(4_000, 0), (4_001, 0), (39_998, 0), (-1, 0)] {
        let mut other = changed.clone();
        other.insert(int(key), int(value));
        assert!(!memo.is_equal(&state(&other), &state(&map)), "{key}");
        assert!(!memo.is_equal(&state(&map), &state(&other)), "{key}");
        let mut less = map.clone();
        less.remove(&int(39_998));
        assert!(!memo.is_equal(&state(&changed), &state(&less)), "an entry less");
    }
    // The same entries in a tree of another shape.
    let sorted: Map = map.iter().map(|(key, value)| (key.into_owned(), value.clone())).collect();
    let mut grown = Map::new();
    for (key, value) in &map {
        grown.insert(key.into_owned(), value.clone());
    }
    assert_ne!(sorted.parts().len(), grown.parts().len());
    assert!(memo.is_equal(&Value::Map(sorted.clone()), &Value::Map(grown)));
    assert!(Memo::blind().is_equal(&Value::Map(sorted), &Value::Map(map)));
}

#[test]
fn a_memo_is_taken_down_piece_by_piece_and_takes_nothing_of_others_with_it() {
    let (tested, mut memo, map) = (doubles(false), Memo::default(), many(20_000));
    let Ok(Value::Map(made)) = tested.agrees(&map, 0, &mut memo) else { panic!("it is a map") };
    let mut pauses = 0;
    memo.take_down(&mut || pauses += 1);
    assert_eq!(pauses, 0, "both maps are held here");
    assert_eq!((map.get_int(39_998), made.get_int(39_998)), (Some(&int(19_999)), Some(&int(39_998))));

    let mut memo = Memo::default();
    let made = tested.agrees(&map, 0, &mut memo);
    let parts = map.parts().len();
    drop((map, made));
    let mut pauses = 0;
    memo.take_down(&mut || pauses += 1);
    assert_eq!(pauses, 2 * parts, "those of both maps");
}
