//! Finding a key among the sorted keys of one node.
//!
//! Which way a search goes cannot be foretold, and a wrongly foretold branch costs as much as ten
//! comparisons. So numbers are halved and counted without a branch.

use std::hint::select_unpredictable;

use super::super::Value;

/// What a tree can be ordered by.
pub(super) trait Key: Clone + Ord {
    /// Returns the index of the key, or of where it would be inserted.
    fn find(keys: &[Self], key: &Self) -> Result<usize, usize>;

    /// Returns how many separators are at most the key: the index of the child to go to.
    fn child(separators: &[Self], key: &Self) -> usize;
}

impl Key for i64 {
    #[inline]
    fn find(keys: &[i64], key: &i64) -> Result<usize, usize> {
        let at = count(keys, |other| other < *key);
        if keys.get(at) == Some(key) { Ok(at) } else { Err(at) }
    }

    #[inline]
    fn child(separators: &[i64], key: &i64) -> usize {
        count(separators, |other| other <= *key)
    }
}

/// So many keys are counted faster than halved.
const COUNTED: usize = 8;

/// Counts the keys below something; they are all in front.
#[inline]
fn count(keys: &[i64], below: impl Fn(i64) -> bool) -> usize {
    let (mut first, mut rest) = (0, keys);
    while rest.len() > COUNTED {
        let half = rest.len() / 2;
        let (low, high) = rest.split_at(half);
        let up = below(low[half - 1]);
        first = select_unpredictable(up, first + half, first);
        rest = select_unpredictable(up, high, low);
    }
    first + rest.iter().map(|key| usize::from(below(*key))).sum::<usize>()
}

impl Key for Value {
    fn find(keys: &[Value], key: &Value) -> Result<usize, usize> {
        match key {
            Value::Text(text) => keys.binary_search_by(|other| match other {
                Value::Text(other) => other.as_bytes().cmp(text.as_bytes()),
                _ => other.cmp(key),
            }),
            _ => keys.binary_search(key),
        }
    }

    fn child(separators: &[Value], key: &Value) -> usize {
        match Value::find(separators, key) {
            Ok(at) => at + 1,
            Err(at) => at,
        }
    }
}
