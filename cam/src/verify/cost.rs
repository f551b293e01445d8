//! Upper bounds of what code may cost, from types alone.
//!
//! The costs are those that the head of [`crate::run`] lists. Where an instruction's cost grows
//! with a value, the greatest value of its type counts: `Text(..=200)` has at most 800 bytes,
//! `List(Bool, ..=10)` at most ten items, a map with Bool keys at most two entries; `Text`,
//! `List(A)` and most maps have no bound, and neither has what walks or compares them.

use std::collections::HashMap;

use crate::digest::Digest;
use crate::ty::{Kind, Ty};

/// A bound that is none.
pub(super) const UNBOUNDED: u64 = u64::MAX;

/// An upper bound of fuel and memory; [`UNBOUNDED`] where there is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub(super) fuel: u64,
    pub(super) memory: u64,
}

impl Cost {
    pub(super) fn fuel(fuel: u64) -> Cost {
        Cost { fuel, memory: 0 }
    }

    pub(super) fn memory(memory: u64) -> Cost {
        Cost { fuel: 0, memory }
    }

    /// Returns the cost of one after the other.
    pub(super) fn then(self, other: Cost) -> Cost {
        Cost { fuel: self.fuel.saturating_add(other.fuel), memory: self.memory.saturating_add(other.memory) }
    }

    /// Returns the cost of one or the other.
    pub(super) fn or(self, other: Cost) -> Cost {
        Cost { fuel: self.fuel.max(other.fuel), memory: self.memory.max(other.memory) }
    }

    /// Returns the cost of doing it so many times. What costs nothing costs nothing however
    /// often, since the count itself has a cost of its own.
    pub(super) fn times(self, count: u64) -> Cost {
        Cost { fuel: self.fuel.saturating_mul(count), memory: self.memory.saturating_mul(count) }
    }
}

/// Returns one per eight, where there is a bound.
pub(super) fn eighth(bound: u64) -> u64 {
    if bound == UNBOUNDED { UNBOUNDED } else { bound / 8 }
}

/// What is asked of types again and again, over all functions of a module.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    pub(super) weights: Weights,
    /// The types that instructions made; the first [`crate::code::decode::TYPES_MAX`] of them.
    pub(super) made: HashMap<Kind, Ty>,
}

/// The weights of types, remembered: types share parts, and a walk over all of them would not
/// end in reasonable time.
#[derive(Debug, Default)]
pub(super) struct Weights(HashMap<Digest, u64>);

impl Weights {
    /// Returns the greatest weight (see [`crate::run`]) of a value of the type. Recursion is
    /// bounded by [`crate::ty::DEPTH_MAX`].
    pub(super) fn weight(&mut self, ty: &Ty) -> u64 {
        if let Some(weight) = self.0.get(&ty.digest()) {
            return *weight;
        }
        if let Kind::Secret(item) = ty.kind() {
            return self.weight(item);
        }
        let parts = match ty.kind() {
            Kind::Secret(_) => unreachable!("it was unwrapped above"),
            Kind::Unit | Kind::Bool | Kind::Int { .. } | Kind::Duration => 0,
            Kind::Text { .. } | Kind::Bytes { .. } => octets(ty),
            Kind::Option(item) => self.weight(item).max(10),
            Kind::List { item, .. } => self.weight(item).saturating_mul(count(ty)),
            Kind::Map { key, value } => {
                self.weight(key).saturating_add(self.weight(value)).saturating_mul(count(ty))
            }
            Kind::Tuple(items) => self.sum(items.iter()),
            Kind::Record(record) => self.sum(record.fields.iter().map(|field| &field.ty)),
            Kind::Variant(variant) => {
                variant.cases.iter().map(|case| self.weight(&case.payload)).max().unwrap_or(0)
            }
        };
        let weight = parts.saturating_add(10);
        self.0.insert(ty.digest(), weight);
        weight
    }

    fn sum<'t>(&mut self, parts: impl Iterator<Item = &'t Ty>) -> u64 {
        parts.fold(0u64, |sum, part| sum.saturating_add(self.weight(part)))
    }
}

/// Returns the most bytes of a Text or Bytes, the most items of a list, the most entries of a
/// map.
pub(super) fn count(ty: &Ty) -> u64 {
    let bound = |max: &Option<u32>| max.map_or(UNBOUNDED, u64::from);
    match ty.kind() {
        Kind::Text { .. } | Kind::Bytes { .. } => octets(ty),
        Kind::List { max, .. } => bound(max),
        Kind::Map { key, .. } => match key.kind() {
            Kind::Bool => 2,
            Kind::Int { lo, hi } => u64::try_from(i128::from(*hi) - i128::from(*lo) + 1).unwrap_or(UNBOUNDED),
            Kind::Variant(variant) => variant.cases.len() as u64,
            _ => UNBOUNDED,
        },
        _ => UNBOUNDED,
    }
}

fn octets(ty: &Ty) -> u64 {
    match ty.kind() {
        // A scalar value takes up to four bytes in UTF-8.
        Kind::Text { max: Some(max) } => u64::from(*max) * 4,
        Kind::Bytes { max: Some(max) } => u64::from(*max),
        _ => UNBOUNDED,
    }
}
