//! What a run may still use: fuel for its time, memory for what it builds.
//!
//! What must stay true: each charge depends on the instruction and on the values alone, never on
//! how a value is represented, so that every way to run charges the same; and each charge comes
//! before the work or the allocation that it pays for.

use std::cmp::Ordering;

use super::{Limits, Trap};
use crate::value::Value;

/// What making a tuple, record or case costs, without its members.
pub(crate) const NODE: u64 = 16;
/// What a value takes in a tuple, record or case.
pub(crate) const SLOT: u64 = 32;
/// What an item takes in a list.
pub(crate) const ITEM: u64 = 64;
/// What an entry takes in a map.
pub(crate) const ENTRY: u64 = 128;
/// What a changed map may copy per binary digit of its size: the way from the root to the entry.
pub(crate) const MAP_LEVEL: u64 = 32;
/// What a list may copy per binary digit of its length.
pub(crate) const LIST_LEVEL: u64 = 16;

/// What is left of the [`Limits`].
#[derive(Debug)]
pub(super) struct Meter {
    fuel: u64,
    memory: u64,
}

impl Meter {
    pub(super) fn new(limits: Limits) -> Meter {
        Meter { fuel: limits.fuel, memory: limits.memory }
    }

    pub(super) fn fuel_left(&self) -> u64 {
        self.fuel
    }

    /// Returns the fuel that is left, to be taken from.
    pub(super) fn fuel_mut(&mut self) -> &mut u64 {
        &mut self.fuel
    }

    #[cfg(test)]
    pub(super) fn memory_left(&self) -> u64 {
        self.memory
    }

    /// Returns what is left.
    pub(super) fn left(&self) -> Limits {
        Limits { fuel: self.fuel, memory: self.memory }
    }

    /// Takes what the same work took before. Returns false and takes nothing when it is not there: who does the work
    /// anew then finds out where it ends.
    pub(super) fn pay(&mut self, cost: Limits) -> bool {
        let (fuel, memory) = (self.fuel.checked_sub(cost.fuel), self.memory.checked_sub(cost.memory));
        let (Some(fuel), Some(memory)) = (fuel, memory) else { return false };
        (self.fuel, self.memory) = (fuel, memory);
        true
    }

    /// Takes fuel.
    pub(super) fn work(&mut self, fuel: u64) -> Result<(), Trap> {
        self.fuel = self.fuel.checked_sub(fuel).ok_or(Trap::Fuel)?;
        Ok(())
    }

    /// Takes fuel for looking at some bytes.
    pub(super) fn read(&mut self, bytes: usize) -> Result<(), Trap> {
        self.work(bytes as u64 / 8)
    }

    /// Takes memory.
    pub(super) fn build(&mut self, bytes: u64) -> Result<(), Trap> {
        self.memory = self.memory.checked_sub(bytes).ok_or(Trap::Memory)?;
        Ok(())
    }

    /// Takes memory for parts of `each` bytes, and fuel, one per part.
    pub(super) fn build_many(&mut self, count: usize, each: u64) -> Result<(), Trap> {
        self.work(count as u64)?;
        self.build((count as u64).saturating_mul(each))
    }

    /// Takes memory for a tuple or record of `count` members.
    pub(super) fn product(&mut self, count: usize) -> Result<(), Trap> {
        self.build(NODE + SLOT * count as u64)
    }

    /// Takes memory for a case with its payload.
    pub(super) fn sum(&mut self) -> Result<(), Trap> {
        self.build(NODE + SLOT)
    }

    /// Takes memory for a text or bytes.
    pub(super) fn octets(&mut self, length: usize) -> Result<(), Trap> {
        self.build(NODE + length as u64)
    }

    /// Takes fuel for finding a key: so many comparisons as the size has binary digits, each
    /// with the whole key at most.
    pub(super) fn lookup(&mut self, size: usize, key: &Value) -> Result<(), Trap> {
        let comparison = self.weight_paid(key)? / 8;
        self.work(digits(size).saturating_mul(comparison))
    }

    /// Takes fuel for finding an Int: as [`Meter::lookup`] does for one.
    pub(super) fn lookup_int(&mut self, size: usize) -> Result<(), Trap> {
        if self.fuel == 0 {
            return Err(Trap::Fuel);
        }
        self.work(digits(size))
    }

    /// Takes memory for a value that leaves the run as bytes.
    pub(super) fn emit(&mut self, value: &Value) -> Result<(), Trap> {
        let weight = weight_within(value, self.memory).ok_or(Trap::Memory)?;
        self.build(weight)
    }

    /// Takes fuel and memory for the hash of a value.
    pub(super) fn hash(&mut self, value: &Value) -> Result<(), Trap> {
        let weight = self.weight_paid(value)?;
        self.work(weight / 8)?;
        self.build(weight)
    }

    /// Returns the weight of a value, when the fuel suffices for one per eight of it.
    fn weight_paid(&self, value: &Value) -> Result<u64, Trap> {
        weight_within(value, self.fuel.saturating_mul(8).saturating_add(7)).ok_or(Trap::Fuel)
    }

    /// Compares two values of one type in the canonical order. Takes one fuel for each pair of
    /// parts it comes to below the first, and one per eight bytes of the shorter of two texts.
    pub(super) fn compare(&mut self, a: &Value, b: &Value) -> Result<Ordering, Trap> {
        match (a, b) {
            (Value::Unit, Value::Unit) => Ok(Ordering::Equal),
            (Value::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
            (Value::Int(a), Value::Int(b)) => Ok(a.cmp(b)),
            (Value::Text(a), Value::Text(b)) => {
                self.read(a.len().min(b.len()))?;
                Ok(a.cmp(b))
            }
            (Value::Bytes(a), Value::Bytes(b)) => {
                self.read(a.len().min(b.len()))?;
                Ok(a.cmp(b))
            }
            (Value::Product(a), Value::Product(b)) => self.compare_all(a.iter().zip(b.iter())),
            (Value::Sum(i, a), Value::Sum(j, b)) if i == j => self.compare_all([(&**a, &**b)]),
            (Value::Sum(i, _), Value::Sum(j, _)) => Ok(i.cmp(j)),
            (Value::List(a), Value::List(b)) => {
                Ok(self.compare_all(a.iter().zip(b.iter()))?.then(a.len().cmp(&b.len())))
            }
            (Value::Map(a), Value::Map(b)) => {
                for ((k, v), (l, w)) in a.iter().zip(b) {
                    match self.compare_all([(&*k, &*l), (v, w)])? {
                        Ordering::Equal => {}
                        unequal => return Ok(unequal),
                    }
                }
                Ok(a.len().cmp(&b.len()))
            }
            _ => unreachable!("the verifier lets only values of one type be compared"),
        }
    }

    fn compare_all<'v>(
        &mut self,
        pairs: impl IntoIterator<Item = (&'v Value, &'v Value)>,
    ) -> Result<Ordering, Trap> {
        for (a, b) in pairs {
            self.work(1)?;
            match self.compare(a, b)? {
                Ordering::Equal => {}
                unequal => return Ok(unequal),
            }
        }
        Ok(Ordering::Equal)
    }
}

/// The number of binary digits: how deep a balanced tree of so many entries is.
pub(super) fn digits(size: usize) -> u64 {
    u64::from(usize::BITS - size.leading_zeros())
}

/// Returns the weight of a value, if it is at most `max`: ten for each part, and the bytes of
/// texts. An upper bound of the canonical size.
///
/// The walk ends where the weight passes `max`. That matters: a list of lists that holds one
/// long list many times is built for little, and would not end being written out.
pub fn weight_within(value: &Value, max: u64) -> Option<u64> {
    fn take(left: &mut u64, value: &Value) -> Option<()> {
        let octets = match value {
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        };
        *left = left.checked_sub(octets as u64 + 10)?;
        match value {
            Value::Unit | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Bytes(_) => Some(()),
            Value::Product(members) => members.iter().try_for_each(|member| take(left, member)),
            Value::Sum(_, payload) => take(left, payload),
            Value::List(items) => items.iter().try_for_each(|item| take(left, item)),
            Value::Map(map) => map.iter().try_for_each(|(key, value)| {
                take(left, &key)?;
                take(left, value)
            }),
        }
    }
    let mut left = max;
    take(&mut left, value)?;
    Some(max - left)
}
