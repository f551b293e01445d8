//! Any changes in any order, with clones taken in between, against the standard library's map.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::Map;
use super::{check, int};
use crate::value::Value;

/// One change; those over a run of keys make trees of several levels in few changes.
#[derive(Debug, Clone)]
enum Change {
    Insert { from: usize, count: usize, stride: usize },
    Remove { from: usize, count: usize, stride: usize },
    Update { from: usize, count: usize },
    Map,
    Keep,
    Collect,
}

/// Keys are numbered, so that each kind of key goes through the same changes.
const KEYS: usize = 3000;

fn any_change() -> impl Strategy<Value = Change> {
    let count = || prop_oneof![3 => 1..4usize, 2 => 1..60usize, 1 => 1..KEYS];
    let stride = || prop_oneof![Just(1), Just(KEYS - 1), 1..KEYS];
    prop_oneof![
        4 => (0..KEYS, count(), stride())
            .prop_map(|(from, count, stride)| Change::Insert { from, count, stride }),
        4 => (0..KEYS, count(), stride())
            .prop_map(|(from, count, stride)| Change::Remove { from, count, stride }),
        2 => (0..KEYS, count()).prop_map(|(from, count)| Change::Update { from, count }),
        1 => Just(Change::Map),
        2 => Just(Change::Keep),
        1 => Just(Change::Collect),
    ]
}

fn int_key(number: usize) -> Value {
    match number {
        0 => int(i64::MIN),
        1 => int(i64::MAX),
        number => int(number as i64 - KEYS as i64 / 2),
    }
}

/// In an order that is not that of the numbers, and with texts that begin alike.
fn text_key(number: usize) -> Value {
    Value::text(&format!("{:.*}-{number:x}", number % 9, "customer"))
}

fn tuple_key(number: usize) -> Value {
    Value::product([int(number as i64 % 7), text_key(number / 7), Value::Bool(number.is_multiple_of(2))])
}

fn apply(change: &Change, key: impl Fn(usize) -> Value, map: &mut Map, model: &mut BTreeMap<Value, Value>) {
    let run = |from: usize, count: usize, stride: usize| {
        (0..count).map(move |index| (from + index * stride) % KEYS).map(&key)
    };
    match *change {
        Change::Insert { from, count, stride } => {
            for (index, key) in run(from, count, stride).enumerate() {
                let value = int((from + index) as i64);
                assert_eq!(map.insert(key.clone(), value.clone()), model.insert(key, value));
            }
        }
        Change::Remove { from, count, stride } => {
            for key in run(from, count, stride) {
                assert_eq!(map.remove(&key), model.remove(&key));
                assert_eq!(map.get(&key), None);
            }
        }
        Change::Update { from, count } => {
            for key in run(from, count, 1) {
                let found = model.get_mut(&key).map(|value| *value = Value::Unit);
                assert_eq!(map.get_mut(&key).map(|value| *value = Value::Unit), found);
                if let Value::Int(key) = key {
                    assert_eq!(map.get_int(key).is_some(), found.is_some());
                }
            }
        }
        Change::Map => {
            let pair = |key, value| Value::product([key, value]);
            let shallow =
                |value: &Value| if let Value::Product(_) = value { Value::Unit } else { value.clone() };
            let taken = std::mem::take(map);
            *map = taken
                .try_map_values(|key, value| Ok::<_, ()>(pair(key, shallow(&value))))
                .expect("no entry fails");
            model.iter_mut().for_each(|(key, value)| *value = pair(key.clone(), shallow(value)));
        }
        Change::Collect => *map = model.iter().rev().map(|(k, v)| (k.clone(), v.clone())).collect(),
        Change::Keep => unreachable!("`hold` keeps"),
    }
}

/// Does the changes to a map and to its model, and holds them against each other after each one;
/// in the end also the clones that were kept, from before the changes that came after.
fn hold(changes: &[Change], key: fn(usize) -> Value) {
    let (mut map, mut model) = (Map::new(), BTreeMap::new());
    let mut kept = vec![];
    for change in changes {
        match change {
            Change::Keep => kept.push((map.clone(), model.clone())),
            change => apply(change, key, &mut map, &mut model),
        }
        check(&map, &model);
    }
    for (map, model) in &kept {
        check(map, model);
    }
}

/// `CAMSHAFT_LONG` multiplies the number of sequences.
fn config() -> ProptestConfig {
    let times = std::env::var("CAMSHAFT_LONG").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    ProptestConfig { cases: 48 * times, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn changes_with_int_keys(changes in vec(any_change(), 1..24)) {
        hold(&changes, int_key);
    }

    #[test]
    fn changes_with_text_keys(changes in vec(any_change(), 1..24)) {
        hold(&changes, text_key);
    }

    #[test]
    fn changes_with_tuple_keys(changes in vec(any_change(), 1..16)) {
        hold(&changes, tuple_key);
    }

    #[test]
    fn collecting_is_inserting_one_after_another(
        entries in vec((-40..40i64, any::<i64>()), 0..200),
    ) {
        let entries = entries.into_iter().map(|(key, value)| (int(key), int(value)));
        let collected: Map = entries.clone().collect();
        let mut inserted = Map::new();
        entries.clone().for_each(|(key, value)| drop(inserted.insert(key, value)));
        prop_assert_eq!(&collected, &inserted);
        check(&collected, &entries.collect());
    }
}
