//! The type rules of the instructions on texts and bytes.

use super::block::Pass;
use super::cost::{Cost, UNBOUNDED, count, eighth};
use super::fault::VerifyError;
use super::plain::SUM;
use crate::code::Op;
use crate::run::meter::{ITEM, NODE};
use crate::ty::{Kind, Ty};

impl Pass<'_> {
    /// Returns what taking a part of a Text, Bytes or List costs.
    pub(super) fn slice(&self, op: &Op, whole: &Ty) -> Result<Cost, VerifyError> {
        match whole.kind() {
            Kind::Text { .. } | Kind::Bytes { .. } => Ok(built(count(whole))),
            Kind::List { .. } => Ok(Cost { fuel: 1, memory: ITEM }.times(count(whole))),
            _ => Err(self.mistyped(op, "Text, Bytes or a list", whole)),
        }
    }

    /// Checks SEARCH, SPLIT and JOIN.
    pub(super) fn two_texts(&mut self, op: &Op, left: &Ty, v: &Ty) -> Result<(Ty, Cost), VerifyError> {
        if let Op::Join {} = op {
            return self.joined(op, left, v);
        }
        self.text(op, left)?;
        self.text(op, v)?;
        let read = Cost::fuel(eighth(count(left).saturating_add(count(v))));
        if let Op::Search {} = op {
            return Ok((self.made(op, Kind::Option(Ty::int()))?, read.then(SUM)));
        }
        // At most one item more than there are bytes.
        let items = Cost { fuel: 1, memory: ITEM + NODE }.times(count(left).saturating_add(1));
        let parts = self.made(op, Kind::List { item: Ty::text(), max: None })?;
        Ok((parts, read.then(items).then(Cost::memory(count(left)))))
    }

    fn joined(&self, op: &Op, parts: &Ty, between: &Ty) -> Result<(Ty, Cost), VerifyError> {
        let item = self.list(op, parts)?;
        self.text(op, &item)?;
        self.text(op, between)?;
        let each = count(&item).saturating_add(count(between));
        let length = each.saturating_mul(count(parts));
        Ok((Ty::text(), built(length).then(Cost::fuel(count(parts)))))
    }

    /// Checks EDIT, ENCODE, DECODE, OCTETS and PACK.
    pub(super) fn one_text(&mut self, op: &Op, v: &Ty) -> Result<(Ty, Cost), VerifyError> {
        match op {
            Op::Edit { how } => {
                self.text(op, v)?;
                self.indexed("way to edit", *how, &[(); 5])?;
                Ok((Ty::text(), built(count(v))))
            }
            Op::Encode {} => {
                self.text(op, v)?;
                Ok((Ty::bytes(), built(count(v))))
            }
            Op::Pack {} => {
                let item = self.list(op, v)?;
                self.int(op, &item)?;
                let cost = built(count(v)).then(SUM).then(Cost::fuel(count(v)));
                Ok((self.made(op, Kind::Option(Ty::bytes()))?, cost))
            }
            _ if !matches!(v.kind(), Kind::Bytes { .. }) => Err(self.mistyped(op, "Bytes", v)),
            Op::Decode {} => Ok((self.made(op, Kind::Option(Ty::text()))?, built(count(v)).then(SUM))),
            _ => {
                let octets = self.made(op, Kind::List { item: Ty::int(), max: None })?;
                Ok((octets, Cost { fuel: 1, memory: ITEM }.times(count(v))))
            }
        }
    }
}

/// The cost of reading so many bytes, and of building as many.
fn built(length: u64) -> Cost {
    let memory = if length == UNBOUNDED { UNBOUNDED } else { length.saturating_add(NODE) };
    Cost { fuel: eighth(length), memory }
}
