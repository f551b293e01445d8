//! What lowering knows of a value before there is one: which registers and places it is made of.

use std::rc::Rc;

use super::code::{Base, Place, R, W};
use crate::ty::{Kind, Ty};

/// A value in the making. What is not asked for costs nothing at run time.
#[derive(Debug, Clone)]
pub(super) enum Sym {
    Unit,
    /// An Int, Bool or Duration in a register.
    Word(W),
    /// A value within another one, or in a ref register.
    Place(Rc<Place>),
    /// A tuple or record, member by member.
    Product(Rc<[Sym]>),
    /// A case that is known here.
    Case(u32, Rc<Sym>),
    /// A case that a register names, with the payload of each case.
    Sum(W, Rc<[Sym]>),
    /// A map of the state with a key set or removed. It is changed when the step commits, in
    /// place; a second look at it before makes a copy.
    Changed(Rc<Change>),
}

/// One change of a map.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) map: Sym,
    pub(super) key: Typed,
    /// `None` removes.
    pub(super) value: Option<Typed>,
    /// The size after the change.
    pub(super) size: W,
}

/// A value in the making, with its type.
#[derive(Debug, Clone)]
pub(super) struct Typed {
    pub(super) sym: Sym,
    pub(super) ty: Ty,
}

/// How a word stands for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordKind {
    Int,
    Bool,
}

/// Returns how values of the type stand in a word, if they do.
pub(super) fn word_kind(ty: &Ty) -> Option<WordKind> {
    match ty.kind() {
        Kind::Int { .. } | Kind::Duration => Some(WordKind::Int),
        Kind::Bool => Some(WordKind::Bool),
        // A secret stands like what it holds.
        Kind::Secret(item) => word_kind(item),
        _ => None,
    }
}

/// Returns the types of the members of a tuple or record.
pub(super) fn members(ty: &Ty) -> Option<Vec<&Ty>> {
    match ty.kind() {
        Kind::Tuple(items) => Some(items.iter().collect()),
        Kind::Record(record) => Some(record.fields.iter().map(|field| &field.ty).collect()),
        Kind::Secret(item) => members(item),
        _ => None,
    }
}

/// Returns the types of the payloads of a variant or option.
pub(super) fn payloads(ty: &Ty) -> Option<Vec<Ty>> {
    match ty.kind() {
        Kind::Option(item) => Some(vec![Ty::unit(), item.clone()]),
        Kind::Variant(variant) => Some(variant.cases.iter().map(|case| case.payload.clone()).collect()),
        Kind::Secret(item) => payloads(item),
        _ => None,
    }
}

impl Sym {
    /// Returns what a ref register holds.
    pub(super) fn own(register: R) -> Sym {
        Sym::Place(Rc::new(Place { base: Base::Ref(register), path: vec![] }))
    }

    /// Returns the place within this one, if this is one.
    pub(super) fn within(&self, step: u32) -> Option<Sym> {
        let Sym::Place(place) = self else { return None };
        let mut path = place.path.clone();
        path.push(step);
        Some(Sym::Place(Rc::new(Place { base: place.base, path })))
    }

    /// Returns true for values that are known to be the same.
    pub(super) fn same(&self, other: &Sym) -> bool {
        match (self, other) {
            (Sym::Unit, Sym::Unit) => true,
            (Sym::Word(a), Sym::Word(b)) => a == b,
            (Sym::Place(a), Sym::Place(b)) => a == b,
            (Sym::Product(a), Sym::Product(b)) => Rc::ptr_eq(a, b),
            (Sym::Changed(a), Sym::Changed(b)) => Rc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Returns true when a register may be a part of it.
    pub(super) fn reads(&self, is: &dyn Fn(Read) -> bool) -> bool {
        match self {
            Sym::Unit => false,
            Sym::Word(word) => is(Read::Word(*word)),
            Sym::Place(place) => matches!(place.base, Base::Ref(register) if is(Read::Ref(register))),
            Sym::Product(members) => members.iter().any(|member| member.reads(is)),
            Sym::Case(_, payload) => payload.reads(is),
            Sym::Sum(tag, payloads) => {
                is(Read::Word(*tag)) || payloads.iter().any(|payload| payload.reads(is))
            }
            Sym::Changed(change) => {
                change.map.reads(is)
                    || change.key.sym.reads(is)
                    || change.value.as_ref().is_some_and(|value| value.sym.reads(is))
            }
        }
    }
}

/// A register that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    Word(W),
    Ref(R),
}
