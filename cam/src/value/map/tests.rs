//! The map against the standard library's, and the tree against its own rules.

mod changes;
mod shape;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use super::Map;
use crate::value::Value;

fn int(int: i64) -> Value {
    Value::Int(int)
}

fn hash(map: &Map) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(map)
}

fn ints(keys: impl IntoIterator<Item = i64>) -> Map {
    keys.into_iter().map(|key| (int(key), int(key.wrapping_neg()))).collect()
}

/// Holds the map against a model: what it contains in which order, and the rules of its tree.
#[track_caller]
fn check(map: &Map, model: &BTreeMap<Value, Value>) {
    shape::check(map);
    assert_eq!((map.len(), map.is_empty()), (model.len(), model.is_empty()));
    assert!(map.iter().map(|(key, value)| (key.into_owned(), value)).eq(model.iter().map(owned_key)));
    assert!(map.iter().rev().map(|(k, v)| (k.into_owned(), v)).eq(model.iter().rev().map(owned_key)));
    for (key, value) in model {
        assert_eq!(map.get(key), Some(value), "{key:?}");
    }
}

fn owned_key<'m>((key, value): (&Value, &'m Value)) -> (Value, &'m Value) {
    (key.clone(), value)
}

#[test]
fn the_empty_map_has_no_memory_and_no_entries() {
    let mut map = Map::new();
    assert!(map.is_empty() && map.0.is_none());
    assert_eq!((map.get(&int(1)), map.get_int(1), map.first(), map.last()), (None, None, None, None));
    assert_eq!(map.get_mut(&int(1)), None);
    assert_eq!(map.get_int_mut(1), None);
    assert_eq!((map.remove(&int(1)), map.iter().next(), map.iter().next_back()), (None, None, None));
    assert_eq!((format!("{map:?}"), Map::from_iter([])), ("{}".to_owned(), Map::default()));
    map.insert(Value::text("a"), int(1));
    assert_eq!(map.remove(&Value::text("a")), Some(int(1)));
    assert!(map.0.is_none(), "the last entry takes the memory with it");
}

#[test]
fn the_extremes_of_int_are_keys_like_others() {
    let keys = [i64::MIN, i64::MIN + 1, -1, 0, 1, i64::MAX - 1, i64::MAX];
    let mut map = ints(keys);
    assert_eq!(map.keys().map(|key| key.into_owned()).collect::<Vec<_>>(), keys.map(int));
    for key in keys {
        *map.get_int_mut(key).expect("it is there") = int(7);
        assert_eq!((map.get_int(key), map.get(&int(key))), (Some(&int(7)), Some(&int(7))));
    }
    assert_eq!(map.first(), Some((std::borrow::Cow::Owned(int(i64::MIN)), &int(7))));
    assert_eq!(map.last(), Some((std::borrow::Cow::Owned(int(i64::MAX)), &int(7))));
    assert_eq!(map.remove(&int(i64::MIN)), Some(int(7)));
    assert_eq!((map.get_int(i64::MIN), map.len()), (None, 6));
}

#[test]
fn keys_come_in_the_canonical_order() {
    let texts = ["", "Z", "a", "aa", "ab", "é", "\u{ffff}", "\u{10000}"].map(Value::text);
    let bytes = [&[][..], &[0], &[0, 0], &[1], &[255]].map(|bytes| Value::Bytes(bytes.into()));
    let tuples = [(0, "b"), (1, "a"), (1, "b")].map(|(a, b)| Value::product([int(a), Value::text(b)]));
    let cases = [Value::sum(0, Value::Unit), Value::sum(1, int(-1)), Value::sum(1, int(2))];
    for keys in [&texts[..], &bytes, &tuples, &cases, &[Value::Bool(false), Value::Bool(true)]] {
        let map: Map = keys.iter().rev().map(|key| (key.clone(), Value::Unit)).collect();
        assert!(map.keys().map(|key| key.into_owned()).eq(keys.iter().cloned()), "{map:?}");
    }
}

#[test]
fn of_two_entries_with_one_key_the_later_stays() {
    let entries = [(2, 0), (1, 1), (2, 2), (1, 3), (3, 4), (2, 5)].map(|(k, v)| (int(k), int(v)));
    let map: Map = entries.into_iter().collect();
    assert_eq!(format!("{map:?}"), "{Int(1): Int(3), Int(2): Int(5), Int(3): Int(4)}");
}

/// The language never mixes kinds of keys. A map bears it all the same.
#[test]
fn kinds_of_keys_may_be_mixed() {
    let mut map = ints(0..100);
    assert_eq!(map.get(&Value::text("a")), None);
    assert_eq!(map.remove(&Value::text("a")), None);
    assert_eq!(map.get_mut(&Value::Unit), None);
    let before = map.clone();
    assert_eq!(map.insert(Value::text("a"), int(1)), None);
    assert_eq!(
        (map.len(), map.get_int(99), map.get(&Value::text("a"))),
        (101, Some(&int(-99)), Some(&int(1)))
    );
    assert_eq!((map.insert(int(-1), int(1)), map.get_int_mut(-1)), (None, Some(&mut int(1))));
    shape::check(&map);
    // Without the text it is a map of Int again, in another form: no difference may be seen.
    assert_eq!((map.remove(&Value::text("a")), map.remove(&int(-1))), (Some(int(1)), Some(int(1))));
    assert_eq!((map == before, map.cmp(&before), hash(&map)), (true, Ordering::Equal, hash(&before)));
}

#[test]
fn maps_compare_by_their_entries_in_order() {
    let of = |entries: &[(i64, i64)]| entries.iter().map(|(k, v)| (int(*k), int(*v))).collect::<Map>();
    let rising = [
        of(&[]),
        of(&[(1, 1)]),
        of(&[(1, 1), (2, 0)]),
        of(&[(1, 1), (3, 0)]),
        of(&[(1, 2)]),
        of(&[(2, 0)]),
        ints(3..200),
    ];
    for (i, a) in rising.iter().enumerate() {
        for (j, b) in rising.iter().enumerate() {
            assert_eq!((a.cmp(b), a == b, a.ptr_eq(b)), (i.cmp(&j), i == j, i == j), "{a:?} {b:?}");
        }
    }
}

#[test]
fn equality_does_not_depend_on_how_a_map_came_about() {
    let collected = ints(0..1000);
    let mut grown = Map::new();
    for key in (0..1000).rev() {
        grown.insert(int(key), int(-key));
    }
    assert!(!grown.ptr_eq(&collected) && grown.clone().ptr_eq(&grown));
    assert_eq!((grown == collected, hash(&grown)), (true, hash(&collected)));
    *grown.get_int_mut(500).expect("it is there") = int(0);
    assert_eq!((grown == collected, grown.cmp(&collected)), (false, Ordering::Greater));
}

#[test]
fn both_ends_of_an_iteration_meet() {
    for count in [1, 2, 31, 33, 100, 1000] {
        let map = ints(0..count);
        for from_front in [0, 1, count / 3, count - 1, count] {
            let mut iter = map.iter();
            let mut seen: Vec<_> = iter.by_ref().take(from_front as usize).collect();
            assert_eq!(iter.len() as i64, count - from_front);
            let mut back: Vec<_> = iter.by_ref().rev().collect();
            assert_eq!((iter.next(), iter.next_back(), iter.len()), (None, None, 0));
            back.reverse();
            seen.append(&mut back);
            assert!(seen.into_iter().eq(&map));
        }
        assert!(map.keys().map(|key| key.into_owned()).eq((0..count).map(int)));
        assert!(map.values().cloned().eq((0..count).map(|key| int(-key))));
        assert!(map.values().rev().cloned().eq((0..count).rev().map(|key| int(-key))));
        assert_eq!((map.keys().len(), map.values().len()), (map.len(), map.len()));
    }
}

#[test]
fn what_is_taken_down_is_taken_down_leaf_by_leaf_and_what_others_hold_stays() {
    let pauses = |value: Value| {
        let mut pauses = 0;
        value.take_down(&mut || pauses += 1);
        pauses
    };
    let map = ints(0..10_000);
    let (parts, mut changed) = (map.parts().len(), map.clone());
    changed.insert(int(5), int(5));
    let state = |map: Map| Value::product([int(1), Value::sum(1, Value::Map(map))]);
    let way = pauses(state(changed));
    assert!((3..12).contains(&way), "{way}: the way to a leaf is all that nobody else holds");
    shape::check(&map);
    let within = Value::map([(int(1), Value::Map(map.clone())), (int(2), Value::Map(ints(0..10_000)))]);
    drop(map);
    assert!(pauses(within) > 2 * parts, "maps within maps as well");
    assert_eq!(pauses(state(Map::new())), 4, "one for each value");
}

#[test]
fn a_value_is_large_by_all_its_parts() {
    let lists = |count: i64, each: i64| Value::list((0..count).map(|_| Value::list((0..each).map(int))));
    let maps = |count: i64, each: i64| Value::map((0..count).map(|k| (int(k), Value::Map(ints(0..each)))));
    for small in
        [int(1), Value::text(&"a".repeat(5_000)), Value::Map(ints(0..500)), lists(15, 30), maps(30, 16)]
    {
        assert!(!small.is_large(), "{small:?}");
    }
    for large in [Value::Map(ints(0..2_000)), lists(50, 50), maps(40, 40), lists(2_000, 0)] {
        assert!(large.is_large());
        assert!(Value::product([int(1), Value::some(Value::product([large]))]).is_large());
    }
}
