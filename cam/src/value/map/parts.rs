//! Going over a map part by part, so that what a part gave before need not be found out again.
//!
//! Maps share their parts with the maps that they were changed from: of two that differ in one entry, all nodes
//! of the tree but those on the way to it are the same in memory. A part that somebody holds never changes, and no
//! other takes its place in memory.

use triomphe::Arc;

use super::super::Value;
use super::search::Key;
use super::tree::{Inner, Leaf, Node, Tree};
use super::{Entries, Map};

/// A part of a map.
#[derive(Clone)]
pub(crate) struct Part(Side);

#[derive(Clone)]
enum Side {
    /// All keys of the map are Int.
    Int(Arc<Node<i64>>),
    /// Any other.
    Any(Arc<Node<Value>>),
}

/// Makes a map of a map, with the same keys.
pub(crate) trait MapParts {
    /// Why it ends early.
    type Error;
    /// What is known when a part is begun.
    type Mark;

    /// Returns what was made of the part at this address, if it is known and may be used.
    fn recall(&mut self, address: usize) -> Option<Part>;
    /// Begins with a part that is not known.
    fn begin(&mut self) -> Self::Mark;
    /// Returns what becomes of a value.
    fn value(&mut self, key: Value, value: Value) -> Result<Value, Self::Error>;
    /// Takes note of what was made of a part.
    fn learn(&mut self, from: Part, made: Part, mark: Self::Mark);
}

/// Goes over a map in the order of its keys.
pub(crate) trait FoldParts {
    /// Why it ends early.
    type Error;
    /// What is known when a part is begun.
    type Mark;

    /// Returns true when what the part at this address leaves is known, and was taken over.
    fn recall(&mut self, address: usize) -> bool;
    /// Begins with a part that is not known.
    fn begin(&mut self) -> Self::Mark;
    /// Takes an entry.
    fn entry(&mut self, key: Value, value: &Value) -> Result<(), Self::Error>;
    /// Takes note of a part that was gone over.
    fn learn(&mut self, part: Part, mark: Self::Mark);
}

/// Compares two maps.
pub(crate) trait SameParts {
    /// Returns true when the parts at these addresses are known to be equal.
    fn recall(&self, addresses: (usize, usize)) -> bool;
    /// Takes note of parts that are equal.
    fn learn(&mut self, one: Part, other: Part);
}

/// A key whose nodes are parts.
trait PartKey: Key {
    fn part(node: Arc<Node<Self>>) -> Part;
    fn node(part: Part) -> Option<Arc<Node<Self>>>;
    fn value(&self) -> Value;
}

impl PartKey for i64 {
    fn part(node: Arc<Node<i64>>) -> Part {
        Part(Side::Int(node))
    }

    fn node(part: Part) -> Option<Arc<Node<i64>>> {
        match part.0 {
            Side::Int(node) => Some(node),
            Side::Any(_) => None,
        }
    }

    fn value(&self) -> Value {
        Value::Int(*self)
    }
}

impl PartKey for Value {
    fn part(node: Arc<Node<Value>>) -> Part {
        Part(Side::Any(node))
    }

    fn node(part: Part) -> Option<Arc<Node<Value>>> {
        match part.0 {
            Side::Any(node) => Some(node),
            Side::Int(_) => None,
        }
    }

    fn value(&self) -> Value {
        self.clone()
    }
}

impl Part {
    /// Returns where it is in memory: no other part is there while this is held.
    pub(crate) fn address(&self) -> usize {
        match &self.0 {
            Side::Int(node) => address(node),
            Side::Any(node) => address(node),
        }
    }

    /// As [`Map::take_down`].
    pub(crate) fn take_down(self, pause: &mut dyn FnMut()) {
        match self.0 {
            Side::Int(node) => take_down_shared(node, pause),
            Side::Any(node) => take_down_shared(node, pause),
        }
    }
}

fn address<K>(node: &Arc<Node<K>>) -> usize {
    Arc::as_ptr(node) as usize
}

impl Map {
    /// Returns the map with the same keys and, for each in order, what `by` makes of the entry.
    ///
    /// # Errors
    ///
    /// The first error of `by`.
    pub(crate) fn map_parts<M: MapParts>(&self, by: &mut M) -> Result<Map, M::Error> {
        Ok(Map(match self.0.as_deref() {
            None => None,
            Some(Entries::Int(tree)) => Some(Arc::new(Entries::Int(mapped_tree(tree, by)?))),
            Some(Entries::Any(tree)) => Some(Arc::new(Entries::Any(mapped_tree(tree, by)?))),
        }))
    }

    /// Shows `by` the entries in the order of their keys.
    ///
    /// # Errors
    ///
    /// The first error of `by`.
    pub(crate) fn fold_parts<F: FoldParts>(&self, by: &mut F) -> Result<(), F::Error> {
        match self.0.as_deref() {
            None => Ok(()),
            Some(Entries::Int(tree)) => fold(tree.root(), by),
            Some(Entries::Any(tree)) => fold(tree.root(), by),
        }
    }

    /// Returns true when the maps are equal. Of maps of one shape, as one has that was made of the other, only parts
    /// are looked at that are not known to be equal.
    pub(crate) fn eq_parts<S: SameParts>(&self, other: &Map, by: &mut S) -> bool {
        if self.ptr_eq(other) {
            return true;
        }
        let same = match (self.0.as_deref(), other.0.as_deref()) {
            (Some(Entries::Int(one)), Some(Entries::Int(other))) => same(one.root(), other.root(), by),
            (Some(Entries::Any(one)), Some(Entries::Any(other))) => same(one.root(), other.root(), by),
            _ => None,
        };
        same.unwrap_or_else(|| self == other)
    }

    /// Takes down what nobody else holds of it, and calls `pause` after each part.
    pub(crate) fn take_down(self, pause: &mut dyn FnMut()) {
        match self.0.map(Arc::try_unwrap) {
            None | Some(Err(_)) => {}
            Some(Ok(Entries::Int(tree))) => take_down(tree.into_root(), pause),
            Some(Ok(Entries::Any(tree))) => take_down(tree.into_root(), pause),
        }
    }

    /// Returns where its parts are in memory.
    #[cfg(test)]
    pub(crate) fn parts(&self) -> Vec<usize> {
        fn below<K>(node: &Node<K>, found: &mut Vec<usize>) {
            if let Node::Inner(inner) = node {
                for child in &inner.children {
                    found.push(address(child));
                    below(child, found);
                }
            }
        }
        let mut found = vec![];
        match self.0.as_deref() {
            None => {}
            Some(Entries::Int(tree)) => below(tree.root(), &mut found),
            Some(Entries::Any(tree)) => below(tree.root(), &mut found),
        }
        found
    }
}

fn mapped_tree<K: PartKey, M: MapParts>(tree: &Tree<K>, by: &mut M) -> Result<Tree<K>, M::Error> {
    Ok(Tree::of_shape(tree, mapped(tree.root(), by)?))
}

/// Calls itself once for each level, of which there are few.
fn mapped<K: PartKey, M: MapParts>(node: &Node<K>, by: &mut M) -> Result<Node<K>, M::Error> {
    Ok(match node {
        Node::Leaf(Leaf { keys, values }) => {
            let entries = keys.iter().zip(values);
            let values = entries.map(|(key, value)| by.value(key.value(), value.clone()));
            Node::Leaf(Leaf { values: values.collect::<Result<_, _>>()?, keys: keys.clone() })
        }
        Node::Inner(Inner { separators, children }) => {
            let children = children.iter().map(|child| mapped_child(child, by));
            Node::Inner(Inner {
                children: children.collect::<Result<_, _>>()?,
                separators: separators.clone(),
            })
        }
    })
}

fn mapped_child<K: PartKey, M: MapParts>(child: &Arc<Node<K>>, by: &mut M) -> Result<Arc<Node<K>>, M::Error> {
    if let Some(made) = by.recall(address(child)).and_then(K::node) {
        return Ok(made);
    }
    let mark = by.begin();
    let made = Arc::new(mapped(child, by)?);
    by.learn(K::part(child.clone()), K::part(made.clone()), mark);
    Ok(made)
}

fn fold<K: PartKey, F: FoldParts>(node: &Node<K>, by: &mut F) -> Result<(), F::Error> {
    match node {
        Node::Leaf(Leaf { keys, values }) => {
            keys.iter().zip(values).try_for_each(|(key, value)| by.entry(key.value(), value))
        }
        Node::Inner(inner) => {
            for child in &inner.children {
                if by.recall(address(child)) {
                    continue;
                }
                let mark = by.begin();
                fold(child, by)?;
                by.learn(K::part(child.clone()), mark);
            }
            Ok(())
        }
    }
}

/// Returns whether two nodes with as many entries before them are equal; nothing where their shapes differ, which says
/// nothing of their entries.
fn same<K: PartKey, S: SameParts>(one: &Node<K>, other: &Node<K>, by: &mut S) -> Option<bool> {
    match (one, other) {
        (Node::Leaf(one), Node::Leaf(other)) if one.keys.len() == other.keys.len() => {
            Some(one.keys == other.keys && one.values == other.values)
        }
        (Node::Inner(one), Node::Inner(other)) if one.children.len() == other.children.len() => {
            for (one, other) in one.children.iter().zip(&other.children) {
                if Arc::ptr_eq(one, other) || by.recall((address(one), address(other))) {
                    continue;
                }
                if !same(one, other, by)? {
                    return Some(false);
                }
                by.learn(K::part(one.clone()), K::part(other.clone()));
            }
            Some(true)
        }
        _ => None,
    }
}

fn take_down_shared<K>(node: Arc<Node<K>>, pause: &mut dyn FnMut()) {
    if let Ok(node) = Arc::try_unwrap(node) {
        take_down(node, pause);
    }
}

fn take_down<K>(node: Node<K>, pause: &mut dyn FnMut()) {
    match node {
        Node::Leaf(Leaf { keys: _, values }) => {
            for value in values {
                if let Value::Map(map) = value {
                    map.take_down(pause);
                }
            }
        }
        Node::Inner(inner) => inner.children.into_iter().for_each(|child| take_down_shared(child, pause)),
    }
    pause();
}
