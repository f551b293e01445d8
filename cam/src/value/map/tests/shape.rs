//! The rules of the tree, and which changes lead where: splits, joins, levels, memory.

use triomphe::Arc;

use super::super::search::Key;
use super::super::tree::{INNER_MAX, INNER_MIN, LEAF_MAX, LEAF_MIN, Node, Tree};
use super::super::{Entries, Map};
use super::{int, ints};
use crate::value::Value;

/// Checks every rule that the documentation of the tree names.
#[track_caller]
pub(super) fn check(map: &Map) {
    let [len, seen] = match map.0.as_deref() {
        None => return,
        Some(Entries::Int(tree)) => [tree.len(), entries(tree)],
        Some(Entries::Any(tree)) => [tree.len(), entries(tree)],
    };
    assert!(len > 0, "a map without entries has no tree");
    assert_eq!(len, seen, "the tree knows how many entries it has");
}

#[track_caller]
fn entries<K: Key>(tree: &Tree<K>) -> usize {
    let root = Bounds { fewest: [1, 2], above: None, below: None };
    let (len, _) = check_node(tree.root(), root);
    len
}

/// What must hold of a node: how few entries or children it may have, and between which
/// separators its keys lie.
struct Bounds<'t, K> {
    fewest: [usize; 2],
    above: Option<&'t K>,
    below: Option<&'t K>,
}

/// Returns how many entries and levels there are from here down.
#[track_caller]
fn check_node<K: Key>(node: &Node<K>, bounds: Bounds<'_, K>) -> (usize, usize) {
    let keys = match node {
        Node::Leaf(leaf) => &leaf.keys,
        Node::Inner(inner) => &inner.separators,
    };
    assert!(keys.is_sorted_by(|a, b| a < b), "keys strictly rise");
    assert!(bounds.above.is_none_or(|above| keys.first().is_none_or(|key| above <= key)), "left separator");
    assert!(bounds.below.is_none_or(|below| keys.last().is_none_or(|key| key < below)), "right separator");
    match node {
        Node::Leaf(leaf) => {
            let count = leaf.keys.len();
            assert!((bounds.fewest[0]..=LEAF_MAX).contains(&count), "a leaf of {count}");
            assert!(leaf.keys.capacity() <= LEAF_MAX && leaf.values.capacity() <= LEAF_MAX, "spare room");
            assert_eq!(count, leaf.values.len(), "a value for each key");
            (count, 1)
        }
        Node::Inner(inner) => {
            let count = inner.children.len();
            assert!((bounds.fewest[1]..=INNER_MAX).contains(&count), "an inner node of {count}");
            assert_eq!(count, inner.separators.len() + 1, "a separator between each two children");
            let below = |at: usize| inner.separators.get(at).or(bounds.below);
            let above = |at: usize| at.checked_sub(1).map_or(bounds.above, |at| inner.separators.get(at));
            let bounds = |at| Bounds { fewest: [LEAF_MIN, INNER_MIN], above: above(at), below: below(at) };
            let children = inner.children.iter().enumerate();
            let parts: Vec<_> = children.map(|(at, child)| check_node(child, bounds(at))).collect();
            assert!(parts.iter().all(|(_, levels)| *levels == parts[0].1), "all leaves are equally deep");
            (parts.iter().map(|(len, _)| len).sum(), parts[0].1 + 1)
        }
    }
}

fn tree(map: &Map) -> &Tree<i64> {
    match map.0.as_deref() {
        Some(Entries::Int(tree)) => tree,
        _ => panic!("a map of Int was expected"),
    }
}

fn levels(map: &Map) -> usize {
    check_node(tree(map).root(), Bounds { fewest: [1, 2], above: None, below: None }).1
}

fn leaves(map: &Map) -> Vec<(*const i64, usize)> {
    fn walk(node: &Node<i64>, leaves: &mut Vec<(*const i64, usize)>) {
        match node {
            Node::Leaf(leaf) => leaves.push((leaf.keys.as_ptr(), leaf.keys.len())),
            Node::Inner(inner) => inner.children.iter().for_each(|child| walk(child, leaves)),
        }
    }
    let mut leaves = vec![];
    walk(tree(map).root(), &mut leaves);
    leaves
}

#[test]
fn a_tree_gains_and_loses_levels() {
    let count = (4 * LEAF_MAX * INNER_MAX * INNER_MAX) as i64;
    let mut map = Map::new();
    for key in 0..count {
        map.insert(int(key), Value::Unit);
    }
    check(&map);
    assert_eq!(levels(&map), 4);
    // From both ends and the middle, so that every side of a node is joined once.
    for key in (0..count / 4).chain((count / 2..count).rev()).chain(count / 4..count / 2) {
        assert_eq!(map.remove(&int(key)), Some(Value::Unit));
        if map.len().is_multiple_of(97) {
            check(&map);
        }
    }
    assert!(map.is_empty());
}

#[test]
fn collected_maps_have_the_fewest_nodes() {
    for count in [1, LEAF_MAX, LEAF_MAX + 1, LEAF_MAX * INNER_MAX, LEAF_MAX * INNER_MAX + 1, 100_000] {
        let map = ints(0..count as i64);
        check(&map);
        assert_eq!((map.len(), leaves(&map).len()), (count, count.div_ceil(LEAF_MAX)));
    }
}

#[test]
fn maps_that_grow_at_their_end_are_three_quarters_full() {
    let mut map = Map::new();
    for key in 0..10_000 {
        map.insert(int(key), Value::Unit);
    }
    check(&map);
    assert!(leaves(&map).len() <= 10_000_usize.div_ceil(LEAF_MAX * 3 / 4));
}

#[test]
fn small_maps_have_little_room_to_spare() {
    for (map, room) in [(ints(0..3), 3), (ints([1]), 1)] {
        let Node::Leaf(leaf) = tree(&map).root() else { panic!("three entries are one leaf") };
        assert_eq!((leaf.keys.capacity(), leaf.values.capacity()), (room, room));
    }
    let mut grown = Map::new();
    (0..3).for_each(|key| drop(grown.insert(int(key), Value::Unit)));
    let Node::Leaf(leaf) = tree(&grown).root() else { panic!("three entries are one leaf") };
    assert_eq!((leaf.keys.capacity(), leaf.values.capacity()), (4, 4));
    assert_eq!(size_of::<Map>(), size_of::<usize>());
}

#[test]
fn a_map_owned_alone_is_changed_in_place() {
    let mut map = ints(0..1000);
    let before = leaves(&map);
    map.insert(int(500), Value::Unit);
    *map.get_mut(&int(900)).expect("it is there") = Value::Unit;
    let map = map.try_map_values(|_, value| Ok::<_, ()>(value)).expect("no entry fails");
    assert_eq!(leaves(&map), before);
}

/// A clone shares everything; the first change copies one way, and the second one finds it owned.
#[test]
fn a_shared_map_copies_one_way() {
    let shared = ints(0..1000);
    let mut map = shared.clone();
    assert!(map.ptr_eq(&shared));
    let differing = |map: &Map| leaves(map).iter().zip(leaves(&shared)).filter(|(a, b)| **a != *b).count();
    map.insert(int(500), Value::Unit);
    assert_eq!(differing(&map), 1);
    let after_one = leaves(&map);
    map.insert(int(501), Value::Unit);
    assert_eq!(leaves(&map), after_one);
    map.get_int_mut(0);
    assert_eq!(differing(&map), 2);
    assert_eq!((shared.get_int(500), shared.get_int(501)), (Some(&int(-500)), Some(&int(-501))));
    check(&shared);
}

#[test]
fn removing_an_absent_key_copies_nothing() {
    let shared = ints(0..100);
    let mut map = shared.clone();
    assert_eq!((map.remove(&int(100)), map.remove(&Value::Unit)), (None, None));
    assert!(map.ptr_eq(&shared));
}

#[test]
fn values_owned_alone_are_handed_over_alone() {
    let alone = |value: &mut Value| match value {
        Value::Product(members) => Arc::get_mut(members).is_some(),
        _ => false,
    };
    let map: Map = (0..100).map(|key| (int(key), Value::product([int(key)]))).collect();
    let mut count = 0;
    let mapped = map.try_map_values(|key, mut value| {
        count += usize::from(alone(&mut value));
        assert_eq!(Value::product([key]), value);
        Ok::<_, ()>(value)
    });
    assert_eq!((count, mapped.map(|map| map.len())), (100, Ok(100)));
}

#[test]
fn mapping_stops_at_the_first_error_and_leaves_clones_alone() {
    let shared = ints(0..100);
    let mut seen = vec![];
    let failed = shared.clone().try_map_values(|key, _| {
        seen.push(key);
        if seen.len() == 70 { Err("seventy") } else { Ok(Value::Unit) }
    });
    assert_eq!((failed, seen), (Err("seventy"), (0..70).map(int).collect()));
    assert_eq!(shared, ints(0..100));
}
