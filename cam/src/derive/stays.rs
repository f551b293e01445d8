//! Edges that leave states as they are: recognised by types and by code.

use super::convert::nests;
use super::judge::limits_fit;
use super::{Edits, arrow};
use crate::code::build::ModuleBuilder;
use crate::code::{Entry, FuncIx, Link};
use crate::digest::Digest;
use crate::ty::{Kind, Ty};
use crate::verify::{TrapKind, VerifiedEdge, function_digest};

/// Compares two types member by member and case by case, by their places alone. Returns `None`
/// unless every value of the one, as it is in memory and in its bytes, is a value of the other; else the
/// renames under which a conversion takes each part to the one in its place.
pub(super) fn stays(from: &Ty, to: &Ty) -> Option<Edits> {
    let mut edits = Edits::default();
    stay(from, to, &mut edits).then_some(edits)
}

fn stay(from: &Ty, to: &Ty, edits: &mut Edits) -> bool {
    if from == to {
        return true;
    }
    match (from.kind(), to.kind()) {
        // A secret is written as what it holds. What it holds never becomes public.
        (Kind::Secret(from), Kind::Secret(to)) => stay(from, to, edits),
        (_, Kind::Secret(to)) => stay(from, to, edits),
        (Kind::Int { .. }, Kind::Int { .. })
        | (Kind::Text { .. }, Kind::Text { .. })
        | (Kind::Bytes { .. }, Kind::Bytes { .. }) => limits_fit(from, to),
        (Kind::Option(item), Kind::Option(to_item)) => {
            nests(item) == nests(to_item) && stay(item, to_item, edits)
        }
        (Kind::List { item, .. }, Kind::List { item: to_item, .. }) => {
            limits_fit(from, to) && stay(item, to_item, edits)
        }
        // Keys that differ are put into a new map, though it would be the same one.
        (Kind::Map { key, value }, Kind::Map { key: to_key, value: to_value }) => {
            key == to_key && stay(value, to_value, edits)
        }
        (Kind::Tuple(items), Kind::Tuple(to_items)) => {
            items.len() == to_items.len()
                && items.iter().zip(to_items).all(|(item, to_item)| stay(item, to_item, edits))
        }
        // The count of its fields stands before them.
        (Kind::Record(record), Kind::Record(to_record)) => {
            record.fields.len() == to_record.fields.len()
                && record.fields.iter().zip(&to_record.fields).all(|(field, other)| {
                    if field.label != other.label {
                        let labels = (field.label.clone(), other.label.clone());
                        edits.renames.push((from.clone(), to.clone(), labels.0, labels.1));
                    }
                    field.ordinal == other.ordinal && stay(&field.ty, &other.ty, edits)
                })
        }
        // In memory a case is its index, in bytes its ordinal.
        (Kind::Variant(variant), Kind::Variant(to_variant)) => {
            variant.cases.len() <= to_variant.cases.len()
                && variant.cases.iter().zip(&to_variant.cases).all(|(case, other)| {
                    if case.label != other.label {
                        let labels = (case.label.clone(), other.label.clone());
                        edits.renames.push((from.clone(), to.clone(), labels.0, labels.1));
                    }
                    case.ordinal == other.ordinal && stay(&case.payload, &other.payload, edits)
                })
        }
        _ => false,
    }
}

impl VerifiedEdge {
    /// Returns true when `up` leaves every state as it is, in memory and in its bytes. Found out from types
    /// and code, at the first call: by the types it could, and the code is that of the conversion which takes
    /// each part to the one in its place. What a person wrote is not looked into.
    pub fn is_zero_touch(&self) -> bool {
        *self.verified_module().zero_touch.get_or_init(|| {
            let up = self.edge().up;
            let function = self.module().function(up);
            let (from, to) = (self.module().ty(function.params[0]), self.module().ty(function.result));
            let Some(edits) = stays(from, to) else { return false };
            // Of a value that stays, a conversion can but take more than there is: a long map.
            let fails = |trap: &TrapKind| matches!(trap, TrapKind::Fail | TrapKind::Range);
            self.edge().keep.is_none()
                && !self.traps_of_up().iter().any(fails)
                && function_digest(self.verified_module(), up) == derived(from, to, &edits)
        })
    }
}

/// Returns the digest of the conversion that is derived between two types.
fn derived(from: &Ty, to: &Ty, edits: &Edits) -> Digest {
    let mut builder = ModuleBuilder::new("");
    let message: FuncIx = arrow(&mut builder, "", from, to, edits);
    let nobody = Digest::from_bytes([0; 32]);
    let link = Link { sender: nobody, channel: "".into(), receiver: nobody, message, answer: None };
    crate::code::encode::digest(&crate::compile::finish(builder, Entry::Link(link)))
}
