//! Sizes: sums of products of what parts of the parameters measure, such as
//! `35 + 12*|state.orders|`.
//!
//! A size only grows when a measure does, so an upper bound may stand for a measure anywhere.
//! All arithmetic saturates. What must stay true: a size has at most [`PARTS_MAX`] parts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::sketch::{Path, Root, Sketch};

/// The most parts of a size; a longer one is not said.
pub const PARTS_MAX: usize = 48;

/// Why there is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unbounded {
    /// Work on a value that the code computes, and whose size neither its type limits nor the
    /// parameters tell.
    #[error("it depends on the size of a computed value")]
    Computed,
    /// There is a bound, and it would be too long to say.
    #[error("the bound would have more than {PARTS_MAX} parts")]
    Long,
    /// The module has too many instructions to be looked into.
    #[error("the module has more than {} instructions", super::OPS_FOLLOWED_MAX)]
    Large,
}

/// What a size is made of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Atom {
    /// The length of a list or map, the bytes of a Text or Bytes, at this place. Where the path
    /// goes through items, the greatest; as in the next two.
    Length(Path),
    /// An Int; nothing where it is below 0.
    Number(Path),
    /// The weight of a value, see [`crate::run`].
    Weight(Path),
    /// An eighth, rounded down.
    Eighth(Arc<Size>),
    /// How many binary digits it has.
    Digits(Arc<Size>),
}

/// A sum: how often each product of atoms counts. The empty product is 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Size(BTreeMap<Vec<Atom>, u64>);

/// A size, or why there is none.
pub(super) type Bound = Result<Size, Unbounded>;

impl Size {
    pub(super) fn constant(number: u64) -> Size {
        Size(if number == 0 { BTreeMap::new() } else { BTreeMap::from([(vec![], number)]) })
    }

    pub(super) fn atom(atom: Atom) -> Size {
        Size(BTreeMap::from([(vec![atom], 1)]))
    }

    /// Returns the products and how often each counts; the constant first.
    pub(super) fn terms(&self) -> impl Iterator<Item = (&[Atom], u64)> {
        self.0.iter().map(|(product, count)| (&product[..], *count))
    }

    pub(super) fn as_constant(&self) -> Option<u64> {
        match self.0.len() {
            0 => Some(0),
            1 => self.0.get(&vec![]).copied(),
            _ => None,
        }
    }

    fn parts(&self) -> usize {
        let atom = |atom: &Atom| match atom {
            Atom::Eighth(size) | Atom::Digits(size) => 1 + size.parts(),
            Atom::Length(_) | Atom::Number(_) | Atom::Weight(_) => 1,
        };
        self.0.keys().map(|product| 1 + product.iter().map(atom).sum::<usize>()).sum()
    }

    fn checked(self) -> Bound {
        if self.parts() > PARTS_MAX { Err(Unbounded::Long) } else { Ok(self) }
    }

    pub(super) fn plus(mut self, other: &Size) -> Bound {
        for (product, count) in &other.0 {
            let sum = self.0.entry(product.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
        self.checked()
    }

    pub(super) fn times(&self, other: &Size) -> Bound {
        let mut whole = Size::default();
        for (left, many) in &self.0 {
            for (right, times) in &other.0 {
                let mut product = [&left[..], &right[..]].concat();
                product.sort();
                let sum = whole.0.entry(product).or_default();
                *sum = sum.saturating_add(many.saturating_mul(*times));
            }
        }
        whole.checked()
    }

    /// Returns what is no less than either: of each product the greater count. Exact where one
    /// is the greater in all.
    pub(super) fn max(mut self, other: &Size) -> Bound {
        for (product, count) in &other.0 {
            let most = self.0.entry(product.clone()).or_default();
            *most = (*most).max(*count);
        }
        self.checked()
    }

    pub(super) fn eighth(self) -> Bound {
        match self.as_constant() {
            Some(number) => Ok(Size::constant(number / 8)),
            None => Size::atom(Atom::Eighth(Arc::new(self))).checked(),
        }
    }

    pub(super) fn digits(self) -> Bound {
        match self.as_constant() {
            Some(number) => Ok(Size::constant(digits(number))),
            None => Size::atom(Atom::Digits(Arc::new(self))).checked(),
        }
    }

    /// Returns the size with what stands for the roots put in their place.
    pub(super) fn with(&self, replace: &impl Fn(Root) -> Option<Sketch>) -> Bound {
        let mut whole = Size::default();
        for (product, count) in &self.0 {
            let mut term = Size::constant(*count);
            for atom in product {
                term = term.times(&atom.with(replace)?)?;
            }
            whole = whole.plus(&term)?;
        }
        Ok(whole)
    }

    /// Returns the number, where each atom at a place is the number that `measure` says.
    pub(super) fn evaluate(&self, measure: &impl Fn(&Atom, &Path) -> u64) -> u64 {
        let term = |(product, count): (&Vec<Atom>, &u64)| {
            let factors = product.iter().map(|atom| atom.evaluate(measure));
            factors.fold(*count, u64::saturating_mul)
        };
        self.0.iter().map(term).fold(0, u64::saturating_add)
    }
}

impl Atom {
    fn with(&self, replace: &impl Fn(Root) -> Option<Sketch>) -> Bound {
        let part = |path: &Path| {
            replace(path.root).map(|whole| path.steps.iter().fold(whole, |whole, step| whole.part(*step)))
        };
        match self {
            Atom::Length(path) => part(path).map_or(Ok(Size::atom(self.clone())), |part| part.length()),
            Atom::Number(path) => part(path).map_or(Ok(Size::atom(self.clone())), |part| part.number()),
            Atom::Weight(path) => part(path).map_or(Ok(Size::atom(self.clone())), |part| part.weight()),
            Atom::Eighth(size) => size.with(replace)?.eighth(),
            Atom::Digits(size) => size.with(replace)?.digits(),
        }
    }

    fn evaluate(&self, measure: &impl Fn(&Atom, &Path) -> u64) -> u64 {
        match self {
            Atom::Length(path) | Atom::Number(path) | Atom::Weight(path) => measure(self, path),
            Atom::Eighth(size) => size.evaluate(measure) / 8,
            Atom::Digits(size) => digits(size.evaluate(measure)),
        }
    }
}

fn digits(number: u64) -> u64 {
    u64::from(u64::BITS - number.leading_zeros())
}

/// Adds two bounds.
pub(super) fn sum(left: Bound, right: &Bound) -> Bound {
    left?.plus(right.as_ref().map_err(|why| *why)?)
}
