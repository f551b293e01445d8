//! The map of the machine language: persistent, ordered by key, and changed in place by whoever
//! owns it alone.
//!
//! What must stay true:
//! - a map is its entries: two maps of the same entries are equal, compare and hash alike, however
//!   each came about;
//! - a clone is as good as a copy: no change of one is ever seen through the other;
//! - an empty map has no memory of its own.
//!
//! A map whose keys are all Int (or Duration) keeps them as plain numbers; any other keeps the
//! keys as values. The tree is the same, see [`tree`].

mod iter;
pub(crate) mod parts;
mod search;
#[cfg(test)]
mod tests;
mod tree;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem;

use triomphe::Arc;

use super::Value;
pub use iter::{Iter, Keys, Values};
use tree::Tree;

/// A map from values to values, in the canonical order of the keys.
///
/// A clone costs a count. A change is made in place where nothing else shares the way from the
/// root to the entry; otherwise that way is copied, and the rest stays shared.
#[derive(Clone, Default)]
pub struct Map(Option<Arc<Entries>>);

/// The entries of a map that has some.
#[derive(Clone)]
enum Entries {
    /// All keys are Int.
    Int(Tree<i64>),
    /// There was a key of another kind. The types of the language never mix kinds; a map that does
    /// all the same ends here.
    Any(Tree<Value>),
}

impl Map {
    /// Returns the map without entries.
    pub const fn new() -> Map {
        Map(None)
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        match self.0.as_deref() {
            None => 0,
            Some(Entries::Int(tree)) => tree.len(),
            Some(Entries::Any(tree)) => tree.len(),
        }
    }

    /// Returns true when there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns true when both are one map in memory, and therefore equal. False says nothing.
    pub fn ptr_eq(&self, other: &Map) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (a, b) => a.is_none() && b.is_none(),
        }
    }

    /// Returns what the key leads to.
    #[inline]
    pub fn get(&self, key: &Value) -> Option<&Value> {
        match (self.0.as_deref()?, key) {
            (Entries::Int(tree), Value::Int(key)) => tree.get(key),
            (Entries::Int(_), _) => None,
            (Entries::Any(tree), key) => tree.get(key),
        }
    }

    /// Returns what an Int leads to: [`Map::get`] for those who have no [`Value`] of it.
    #[inline]
    pub fn get_int(&self, key: i64) -> Option<&Value> {
        match self.0.as_deref()? {
            Entries::Int(tree) => tree.get(&key),
            Entries::Any(tree) => tree.get(&Value::Int(key)),
        }
    }

    /// Returns true when there is an entry with the key.
    pub fn contains_key(&self, key: &Value) -> bool {
        self.get(key).is_some()
    }

    /// Returns what the key leads to, to be changed. Copies the way there if it is shared, even the
    /// way to where an absent key would be.
    #[inline]
    pub fn get_mut(&mut self, key: &Value) -> Option<&mut Value> {
        match (Arc::make_mut(self.0.as_mut()?), key) {
            (Entries::Int(tree), Value::Int(key)) => tree.get_mut(key),
            (Entries::Int(_), _) => None,
            (Entries::Any(tree), key) => tree.get_mut(key),
        }
    }

    /// Returns what an Int leads to, to be changed: as [`Map::get_mut`].
    #[inline]
    pub fn get_int_mut(&mut self, key: i64) -> Option<&mut Value> {
        match Arc::make_mut(self.0.as_mut()?) {
            Entries::Int(tree) => tree.get_mut(&key),
            Entries::Any(tree) => tree.get_mut(&Value::Int(key)),
        }
    }

    /// Adds an entry, or replaces what its key led to and returns that.
    #[inline]
    pub fn insert(&mut self, key: Value, value: Value) -> Option<Value> {
        match (self.0.as_mut().map(Arc::make_mut), key) {
            (Some(Entries::Int(tree)), Value::Int(key)) => tree.insert(key, value),
            (Some(Entries::Any(tree)), key) => tree.insert(key, value),
            (_, key) => self.insert_of_other_kind(key, value),
        }
    }

    /// Adds the first entry, or the first one whose key is not an Int.
    #[cold]
    fn insert_of_other_kind(&mut self, key: Value, value: Value) -> Option<Value> {
        let before = mem::take(self);
        *self = before.iter().map(|(k, v)| (k.into_owned(), v.clone())).chain([(key, value)]).collect();
        None
    }

    /// Removes an entry and returns what its key led to. Copies nothing for a key that is absent.
    pub fn remove(&mut self, key: &Value) -> Option<Value> {
        if !self.contains_key(key) {
            return None;
        }
        let (removed, left) = match (Arc::make_mut(self.0.as_mut()?), key) {
            (Entries::Int(tree), Value::Int(key)) => (tree.remove(key), tree.len()),
            (Entries::Int(_), _) => unreachable!("all keys are Int, and the key is one of them"),
            (Entries::Any(tree), key) => (tree.remove(key), tree.len()),
        };
        if left == 0 {
            self.0 = None;
        }
        removed
    }

    /// Returns the entries in the order of their keys. A key that is kept as a number comes as a
    /// value of its own, hence the `Cow`.
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self.0.as_deref())
    }

    /// Returns the keys in order.
    pub fn keys(&self) -> Keys<'_> {
        Keys(self.iter())
    }

    /// Returns the values in the order of their keys.
    pub fn values(&self) -> Values<'_> {
        Values(self.iter())
    }

    /// Returns the entry with the least key.
    pub fn first(&self) -> Option<iter::Entry<'_>> {
        self.iter().next()
    }

    /// Returns the entry with the greatest key.
    pub fn last(&self) -> Option<iter::Entry<'_>> {
        self.iter().next_back()
    }

    /// Returns the map with the same keys and, for each in order, what `f` makes of the entry.
    /// Values that nothing else shares are handed over as they are, so that `f` may change them in
    /// place.
    ///
    /// # Errors
    ///
    /// The first error of `f`.
    pub fn try_map_values<E>(
        mut self,
        mut f: impl FnMut(Value, Value) -> Result<Value, E>,
    ) -> Result<Map, E> {
        match self.0.as_mut().map(Arc::make_mut) {
            None => {}
            Some(Entries::Int(tree)) => tree.try_map_values(&mut |key, value| f(Value::Int(*key), value))?,
            Some(Entries::Any(tree)) => {
                tree.try_map_values(&mut |key: &Value, value| f(key.clone(), value))?
            }
        }
        Ok(self)
    }

    /// Builds the map of entries whose keys strictly rise.
    fn from_rising(entries: Vec<(Value, Value)>) -> Map {
        let (Some((first, _)), Some((last, _))) = (entries.first(), entries.last()) else {
            return Map::new();
        };
        // The order of values goes by kind first: between two Int there are only Int.
        Map(Some(Arc::new(match (first, last) {
            (Value::Int(_), Value::Int(_)) => {
                let int = |key| match key {
                    Value::Int(int) => int,
                    _ => unreachable!("between two Int there are only Int"),
                };
                Entries::Int(Tree::from_rising(entries.into_iter().map(|(key, value)| (int(key), value))))
            }
            _ => Entries::Any(Tree::from_rising(entries.into_iter())),
        })))
    }
}

/// Takes entries in any order; of two with the same key the later one stays. Entries whose keys
/// already rise are neither sorted nor searched.
impl FromIterator<(Value, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (Value, Value)>>(entries: I) -> Map {
        let mut entries: Vec<_> = entries.into_iter().collect();
        if !entries.is_sorted_by(|(a, _), (b, _)| a < b) {
            // Stable, so that of equal keys the later one stays the later one.
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    mem::swap(&mut later.1, &mut kept.1);
                }
                same
            });
        }
        Map::from_rising(entries)
    }
}

impl<'m> IntoIterator for &'m Map {
    type Item = iter::Entry<'m>;
    type IntoIter = Iter<'m>;

    fn into_iter(self) -> Iter<'m> {
        self.iter()
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Map) -> bool {
        self.ptr_eq(other) || (self.len() == other.len() && self.iter().eq(other.iter()))
    }
}

impl Eq for Map {}

impl PartialOrd for Map {
    fn partial_cmp(&self, other: &Map) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Map {
    fn cmp(&self, other: &Map) -> Ordering {
        match self.ptr_eq(other) {
            true => Ordering::Equal,
            false => self.iter().cmp(other.iter()),
        }
    }
}

impl Hash for Map {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.len().hash(state);
        self.iter().for_each(|entry| entry.hash(state));
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}
