//! Going over the entries of a map, from both ends.

use std::borrow::Cow;
use std::iter::{FusedIterator, Zip};
use std::slice;

use triomphe::Arc;

use super::super::Value;
use super::Entries;
use super::tree::{Node, Tree};

/// A key with what it leads to.
pub(super) type Entry<'m> = (Cow<'m, Value>, &'m Value);

/// The entries of a map, in the order of their keys.
#[derive(Clone)]
pub struct Iter<'m>(Side<'m>);

#[derive(Clone)]
enum Side<'m> {
    Empty,
    Int(TreeIter<'m, i64>),
    Any(TreeIter<'m, Value>),
}

impl<'m> Iter<'m> {
    pub(super) fn new(entries: Option<&'m Entries>) -> Iter<'m> {
        Iter(match entries {
            None => Side::Empty,
            Some(Entries::Int(tree)) => Side::Int(TreeIter::new(tree)),
            Some(Entries::Any(tree)) => Side::Any(TreeIter::new(tree)),
        })
    }
}

impl<'m> Iterator for Iter<'m> {
    type Item = Entry<'m>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'m>> {
        match &mut self.0 {
            Side::Empty => None,
            Side::Int(tree) => tree.next().map(owned),
            Side::Any(tree) => tree.next().map(borrowed),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match &self.0 {
            Side::Empty => 0,
            Side::Int(tree) => tree.left,
            Side::Any(tree) => tree.left,
        };
        (left, Some(left))
    }
}

impl<'m> DoubleEndedIterator for Iter<'m> {
    fn next_back(&mut self) -> Option<Entry<'m>> {
        match &mut self.0 {
            Side::Empty => None,
            Side::Int(tree) => tree.next_back().map(owned),
            Side::Any(tree) => tree.next_back().map(borrowed),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl FusedIterator for Iter<'_> {}

#[inline]
fn owned<'m>((key, value): (&i64, &'m Value)) -> Entry<'m> {
    (Cow::Owned(Value::Int(*key)), value)
}

#[inline]
fn borrowed<'m>((key, value): (&'m Value, &'m Value)) -> Entry<'m> {
    (Cow::Borrowed(key), value)
}

/// The keys of a map in order.
#[derive(Clone)]
pub struct Keys<'m>(pub(super) Iter<'m>);

/// The values of a map, in the order of their keys.
#[derive(Clone)]
pub struct Values<'m>(pub(super) Iter<'m>);

macro_rules! half_of_the_entries {
    ($name:ident, $item:ty, $half:tt) => {
        impl<'m> Iterator for $name<'m> {
            type Item = $item;

            #[inline]
            fn next(&mut self) -> Option<$item> {
                self.0.next().map(|entry| entry.$half)
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                self.0.size_hint()
            }
        }

        impl<'m> DoubleEndedIterator for $name<'m> {
            fn next_back(&mut self) -> Option<$item> {
                self.0.next_back().map(|entry| entry.$half)
            }
        }

        impl ExactSizeIterator for $name<'_> {}
        impl FusedIterator for $name<'_> {}
    };
}

half_of_the_entries!(Keys, Cow<'m, Value>, 0);
half_of_the_entries!(Values, &'m Value, 1);

/// The two ends of what is left do not know of each other; the count tells when they meet.
#[derive(Clone)]
struct TreeIter<'t, K> {
    front: End<'t, K>,
    back: End<'t, K>,
    left: usize,
}

/// One end: what is left of a leaf, and of the children of each node above it.
#[derive(Clone)]
struct End<'t, K> {
    leaf: Zip<slice::Iter<'t, K>, slice::Iter<'t, Value>>,
    above: Vec<slice::Iter<'t, Arc<Node<K>>>>,
}

impl<'t, K> TreeIter<'t, K> {
    fn new(tree: &'t Tree<K>) -> TreeIter<'t, K> {
        TreeIter { front: End::new(tree.root()), back: End::new(tree.root()), left: tree.len() }
    }

    #[inline]
    fn next(&mut self) -> Option<(&'t K, &'t Value)> {
        self.left = self.left.checked_sub(1)?;
        loop {
            match self.front.leaf.next() {
                Some(entry) => return Some(entry),
                None => self.front.next_leaf(|children| children.next()),
            }
        }
    }

    #[inline]
    fn next_back(&mut self) -> Option<(&'t K, &'t Value)> {
        self.left = self.left.checked_sub(1)?;
        loop {
            match self.back.leaf.next_back() {
                Some(entry) => return Some(entry),
                None => self.back.next_leaf(|children| children.next_back()),
            }
        }
    }
}

impl<'t, K> End<'t, K> {
    fn new(root: &'t Node<K>) -> End<'t, K> {
        let mut end = End { leaf: [].iter().zip(&[]), above: vec![] };
        end.enter(root);
        end
    }

    fn enter(&mut self, node: &'t Node<K>) {
        match node {
            Node::Leaf(leaf) => self.leaf = leaf.keys.iter().zip(&leaf.values),
            Node::Inner(inner) => self.above.push(inner.children.iter()),
        }
    }

    /// Comes one node closer to the next leaf.
    fn next_leaf(&mut self, next: impl Fn(&mut slice::Iter<'t, Arc<Node<K>>>) -> Option<&'t Arc<Node<K>>>) {
        let children = self.above.last_mut().expect("the count says that there are entries left");
        match next(children) {
            Some(child) => self.enter(child),
            None => drop(self.above.pop()),
        }
    }
}
