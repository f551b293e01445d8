//! Values of the machine language, and their outer forms.
//!
//! [`binary`] is canonical: one value of a type has exactly one encoding; it is what is hashed,
//! stored and signed. [`json`] is for people and clients and is never hashed. As source text
//! ([`Value::to_source`]) a value is shown to who writes machines.

pub mod binary;
pub mod json;
mod lines;
pub mod map;
mod payload;
pub mod source;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rpds::VectorSync;
use triomphe::Arc as Node;

use crate::ty::{Kind, Ty};
pub use map::Map;
pub use payload::Payload;

/// The most parts of a value that is not large: to go through them takes well under a tenth of a millisecond.
const PARTS_OF_SMALL: usize = 1_024;

/// A value. It does not know its type; whoever holds one holds the type beside it.
///
/// The order is the canonical one: Int by value, Text by UTF-8 bytes, variants by ordinal,
/// products left to right.
///
/// Parts are shared between clones. Whoever owns a value alone may change it in place; the counts
/// of `triomphe` tell that with one load.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// `()`, and the payload of a case without one.
    Unit,
    /// A Bool.
    Bool(bool),
    /// An Int of any range, or a Duration in milliseconds.
    Int(i64),
    /// A Text.
    Text(Arc<str>),
    /// Bytes.
    Bytes(Arc<[u8]>),
    /// A tuple, or a record: the fields in the order of [`crate::ty::Record::fields`].
    Product(Node<[Value]>),
    /// A case of a variant: its index in [`crate::ty::Variant::cases`], and its payload. An
    /// Option is [`Value::NONE_INDEX`] with `Unit`, or [`Value::SOME_INDEX`] with its value.
    Sum(u32, Payload),
    /// A List.
    List(VectorSync<Value>),
    /// A Map.
    Map(Map),
}

impl Value {
    /// The index of `None` in an Option.
    pub const NONE_INDEX: u32 = 0;
    /// The index of `Some` in an Option.
    pub const SOME_INDEX: u32 = 1;

    /// Returns a text.
    pub fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    /// Returns `None`.
    pub fn none() -> Value {
        Value::Sum(Value::NONE_INDEX, Payload::UNIT)
    }

    /// Returns `Some(value)`.
    pub fn some(value: Value) -> Value {
        Value::Sum(Value::SOME_INDEX, Payload::new(value))
    }

    /// Returns a tuple or record of these fields.
    pub fn product(fields: impl IntoIterator<Item = Value>) -> Value {
        Value::Product(fields.into_iter().collect())
    }

    /// Returns case `index` with this payload.
    pub fn sum(index: usize, payload: Value) -> Value {
        Value::Sum(
            u32::try_from(index).expect("a variant has at most MEMBERS_MAX cases"),
            Payload::new(payload),
        )
    }

    /// Returns a list of these items.
    pub fn list(items: impl IntoIterator<Item = Value>) -> Value {
        Value::List(items.into_iter().collect())
    }

    /// Returns a map of these entries; of two with the same key the later one stays.
    pub fn map(entries: impl IntoIterator<Item = (Value, Value)>) -> Value {
        Value::Map(entries.into_iter().collect())
    }

    /// Returns true when it has many parts, on whatever level: it takes a while to go through it, or to take it down. Looks
    /// at no more parts than one that is not large may have.
    pub fn is_large(&self) -> bool {
        /// Takes the parts of a value from what is left; returns false when there are more.
        fn fits(value: &Value, left: &mut usize) -> bool {
            let parts = match value {
                Value::Map(map) => map.len(),
                Value::List(items) => items.len(),
                _ => 1,
            };
            *left = match left.checked_sub(parts) {
                Some(left) => left,
                None => return false,
            };
            match value {
                Value::Product(parts) => parts.iter().all(|part| fits(part, left)),
                Value::Sum(_, payload) => fits(payload, left),
                Value::List(items) => items.iter().all(|item| fits(item, left)),
                Value::Map(map) => map.values().all(|value| fits(value, left)),
                Value::Unit | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Bytes(_) => true,
            }
        }
        !fits(self, &mut { PARTS_OF_SMALL })
    }

    /// Takes it down, as far as nobody else holds it, and calls `pause` again and again meanwhile: after each part of a map,
    /// of which a large one has many. What is large and no map is taken down in one go.
    pub fn take_down(self, pause: &mut dyn FnMut()) {
        match self {
            Value::Map(map) => map.take_down(pause),
            Value::Product(mut members) => {
                for member in Node::get_mut(&mut members).into_iter().flatten() {
                    std::mem::replace(member, Value::Unit).take_down(pause);
                }
            }
            Value::Sum(_, payload) if !payload.is_unit() => payload.into_value().take_down(pause),
            _ => {}
        }
        pause();
    }

    /// Returns true when both are equal, and that can be seen at a glance: plain values, or the same
    /// memory. False says nothing.
    pub(crate) fn is_same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Unit, Value::Unit) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Int(a), Value::Int(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => Arc::ptr_eq(a, b),
            (Value::Bytes(a), Value::Bytes(b)) => Arc::ptr_eq(a, b),
            (Value::Product(a), Value::Product(b)) => Node::ptr_eq(a, b),
            (Value::Sum(a, held), Value::Sum(b, other)) => a == b && held.is_same(other),
            (Value::List(a), Value::List(b)) => a.is_empty() && b.is_empty(),
            (Value::Map(a), Value::Map(b)) => a.ptr_eq(b),
            _ => false,
        }
    }

    /// Returns true when this is a value of the type.
    pub fn has_type(&self, ty: &Ty) -> bool {
        let within = |length: usize, max: &Option<u32>| max.is_none_or(|max| length <= max as usize);
        match (ty.kind(), self) {
            (Kind::Unit, Value::Unit) | (Kind::Bool, Value::Bool(_)) | (Kind::Duration, Value::Int(_)) => {
                true
            }
            (Kind::Int { lo, hi }, Value::Int(int)) => (lo..=hi).contains(&int),
            (Kind::Text { max }, Value::Text(text)) => max.is_none() || within(text.chars().count(), max),
            (Kind::Bytes { max }, Value::Bytes(bytes)) => within(bytes.len(), max),
            (Kind::Option(_), Value::Sum(Value::NONE_INDEX, payload)) => **payload == Value::Unit,
            (Kind::Option(item), Value::Sum(Value::SOME_INDEX, payload)) => payload.has_type(item),
            (Kind::List { item, max }, Value::List(items)) => {
                within(items.len(), max) && items.iter().all(|value| value.has_type(item))
            }
            (Kind::Map { key, value }, Value::Map(map)) => {
                map.iter().all(|(k, v)| k.has_type(key) && v.has_type(value))
            }
            (Kind::Tuple(items), Value::Product(values)) => {
                items.len() == values.len()
                    && items.iter().zip(values.iter()).all(|(ty, value)| value.has_type(ty))
            }
            (Kind::Record(record), Value::Product(values)) => {
                record.fields.len() == values.len()
                    && record.fields.iter().zip(values.iter()).all(|(field, value)| value.has_type(&field.ty))
            }
            (Kind::Variant(variant), Value::Sum(index, payload)) => {
                variant.cases.get(*index as usize).is_some_and(|case| payload.has_type(&case.payload))
            }
            (Kind::Secret(item), value) => value.has_type(item),
            _ => false,
        }
    }
}
