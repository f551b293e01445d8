//! What a person says about a change of types that cannot be seen in the types themselves.

use std::sync::Arc;

use crate::ty::Ty;
use crate::value::Value;

/// The declared edits between the types of two versions: renamed, dropped and added members.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Edits {
    /// Old type, new type, old label, new label; of a field or a case.
    pub(crate) renames: Vec<(Ty, Ty, Arc<str>, Arc<str>)>,
    /// Old type and the label of a field that may be left out, and what stands in for it on the way
    /// back where nothing was kept aside.
    pub(crate) drops: Vec<(Ty, Arc<str>, Option<Value>)>,
    /// New type, the label of a field, and its value where the old type has none.
    pub(crate) adds: Vec<(Ty, Arc<str>, Value)>,
    /// On the way back, the old type and the label of a field that was left out.
    pub(crate) returns: Vec<(Ty, Arc<str>)>,
}

impl Edits {
    /// Returns the same edits for the way back. What was dropped comes back, as far as it was kept
    /// aside or something stands in for it, and what was added may be left out again.
    pub fn reversed(&self) -> Edits {
        Edits {
            renames: self
                .renames
                .iter()
                .map(|(old, new, before, after)| (new.clone(), old.clone(), after.clone(), before.clone()))
                .collect(),
            drops: self.adds.iter().map(|(ty, label, _)| (ty.clone(), label.clone(), None)).collect(),
            adds: self
                .drops
                .iter()
                .filter_map(|(ty, label, other)| Some((ty.clone(), label.clone(), other.clone()?)))
                .collect(),
            returns: self.drops.iter().map(|(ty, label, _)| (ty.clone(), label.clone())).collect(),
        }
    }

    /// Returns the label that a member of the new type has in the old one.
    pub(crate) fn before<'l>(&'l self, from: &Ty, to: &Ty, label: &'l str) -> &'l str {
        let renamed =
            self.renames.iter().find(|(old, new, _, after)| old == from && new == to && &**after == label);
        renamed.map_or(label, |(_, _, before, _)| before)
    }

    /// Returns the label that a member of the old type has in the new one.
    pub(crate) fn after<'l>(&'l self, from: &Ty, to: &Ty, label: &'l str) -> &'l str {
        let renamed =
            self.renames.iter().find(|(old, new, before, _)| old == from && new == to && &**before == label);
        renamed.map_or(label, |(_, _, _, after)| after)
    }

    /// Returns true when a field of the old type may be left out.
    pub(crate) fn dropped(&self, from: &Ty, label: &str) -> bool {
        self.drops.iter().any(|(ty, dropped, _)| ty == from && &**dropped == label)
    }

    /// Returns true when a field of the old type was left out, on the way back.
    pub(crate) fn returns(&self, to: &Ty, label: &str) -> bool {
        self.returns.iter().any(|(ty, returned)| ty == to && &**returned == label)
    }

    /// Returns the value of a field that only the new type has.
    pub(crate) fn added(&self, to: &Ty, label: &str) -> Option<&Value> {
        self.adds.iter().find(|(ty, added, _)| ty == to && &**added == label).map(|(_, _, value)| value)
    }
}
