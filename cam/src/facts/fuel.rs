//! What instructions cost on top of the table, by the sketches of their operands: the list in
//! the head of [`crate::run`], line by line.

use super::size::{Atom, Bound, Size, Unbounded, sum};
use super::sketch::{Shape, Sketch, Step};
use crate::code::Op;
use crate::ty::{Kind, Ty};
use crate::verify::{count_max, weight_max};

/// The most parts of a type whose greatest weight is asked for.
const TYPE_PARTS_MAX: u32 = 64;

impl Sketch {
    /// Returns the length of a list or map, or the bytes of a Text or Bytes, at most.
    pub(super) fn length(&self) -> Bound {
        self.measured(Atom::Length, &|| count_max(self.ty.unsealed()))
    }

    /// Returns the greatest number that an Int may be, or 0.
    pub(super) fn number(&self) -> Bound {
        let hi = match self.ty.unsealed().kind() {
            Kind::Int { hi, .. } if *hi != i64::MAX => Some(u64::try_from(*hi).unwrap_or(0)),
            _ => None,
        };
        self.measured(Atom::Number, &|| hi)
    }

    /// Returns the greatest weight.
    pub(super) fn weight(&self) -> Bound {
        match self.ty.unsealed().kind() {
            Kind::Text { .. } | Kind::Bytes { .. } => self.length()?.plus(&Size::constant(10)),
            _ if is_small(&self.ty, &mut TYPE_PARTS_MAX.clone()) => match weight_max(&self.ty) {
                Some(weight) => Ok(Size::constant(weight)),
                None => self.weight_by_shape(),
            },
            _ => self.weight_by_shape(),
        }
    }

    fn weight_by_shape(&self) -> Bound {
        match &self.shape {
            Shape::Same(path) => Ok(Size::atom(Atom::Weight(path.clone()))),
            _ => Err(Unbounded::Computed),
        }
    }

    fn measured(&self, atom: fn(super::sketch::Path) -> Atom, by_type: &dyn Fn() -> Option<u64>) -> Bound {
        match &self.shape {
            Shape::Same(path) => Ok(Size::atom(atom(path.clone()))),
            Shape::Sized(size) => Ok((**size).clone()),
            Shape::Number(number) => Ok(Size::constant(u64::try_from(*number).unwrap_or(0))),
            Shape::Or(choices) => choices
                .iter()
                .try_fold(Size::default(), |most, choice| most.max(&choice.measured(atom, by_type)?)),
            Shape::Any | Shape::Product(_) | Shape::Sum(_) => {
                by_type().map(Size::constant).ok_or(Unbounded::Computed)
            }
        }
    }

    /// Returns true when an Int is never below 0.
    pub(super) fn is_natural(&self) -> bool {
        matches!(self.shape, Shape::Number(number) if number >= 0)
            || matches!(self.ty.kind(), Kind::Int { lo, .. } if *lo >= 0)
    }

    fn is_text(&self) -> bool {
        matches!(self.ty.unsealed().kind(), Kind::Text { .. } | Kind::Bytes { .. })
    }
}

/// Returns true for a type of few parts, which may be walked over at each instruction.
fn is_small(ty: &Ty, left: &mut u32) -> bool {
    let Some(rest) = left.checked_sub(1) else { return false };
    *left = rest;
    crate::ty::children(ty.kind()).all(|part| is_small(part, left))
}

/// Returns what an instruction without blocks costs on top of the table. `operands` are those on
/// the stack that it takes, the first pushed first.
pub(super) fn extra(op: &Op, operands: &[Sketch], v: &Sketch, left: &Ty) -> Bound {
    let free = || Ok(Size::default());
    let read = |length: Bound| length?.eighth();
    match (op, operands) {
        (Op::Lt {} | Op::Le {} | Op::Eq {}, [other]) => compared(other, v),
        (Op::Fit { .. }, _) => match left.kind() {
            Kind::Text { max: Some(_) } => read(v.length()),
            _ => free(),
        },
        (Op::Cat {}, [first]) if first.is_text() => read(sum(first.length(), &v.length())),
        (Op::Cat {}, _) => v.length(),
        (Op::Len {}, _) if matches!(v.ty.kind(), Kind::Text { .. }) => read(v.length()),
        (Op::Get {}, [whole]) | (Op::Del {}, [whole]) => lookup(whole, v),
        (Op::Put {}, [whole, key]) => lookup(whole, key),
        (Op::Entries {} | Op::Octets {}, _) => v.length(),
        (Op::Range {}, [from]) => {
            if from.is_natural() {
                v.number()
            } else {
                Err(Unbounded::Computed)
            }
        }
        (Op::Hash { .. }, _) => read(v.weight()),
        (Op::Take {} | Op::Drop {}, [list]) => list.length(),
        (Op::Slice {}, [whole, _]) if whole.is_text() => read(whole.length()),
        (Op::Slice {}, [list, _]) => list.length(),
        (Op::Search {}, [whole]) => read(sum(whole.length(), &v.length())),
        (Op::Split {}, [whole]) => {
            let both = read(sum(whole.length(), &v.length()))?;
            both.plus(&whole.length()?)?.plus(&Size::constant(1))
        }
        (Op::Join {}, [parts]) => {
            let each = sum(parts.part(Step::Each).length(), &v.length())?;
            let length = parts.length()?;
            sum(read(length.times(&each)), &Ok(length))
        }
        (Op::Edit { .. } | Op::Encode {} | Op::Decode {}, _) => read(v.length()),
        (Op::Pack {}, _) => sum(read(v.length()), &v.length()),
        _ => free(),
    }
}

/// Returns what comparing costs: no more than the lighter of both weighs, in eighths.
fn compared(a: &Sketch, b: &Sketch) -> Bound {
    if matches!(a.ty.unsealed().kind(), Kind::Unit | Kind::Bool | Kind::Int { .. } | Kind::Duration) {
        return Ok(Size::default());
    }
    let measure = |sketch: &Sketch| if sketch.is_text() { sketch.length() } else { sketch.weight() };
    let lighter = match (measure(a), measure(b)) {
        (Ok(a), Ok(b)) => match (a.as_constant(), b.as_constant()) {
            (Some(x), Some(y)) if y < x => b,
            (None, Some(_)) => b,
            _ => a,
        },
        (a, b) => a.or(b)?,
    };
    lighter.eighth()
}

fn lookup(whole: &Sketch, key: &Sketch) -> Bound {
    match whole.ty.kind() {
        Kind::Map { .. } => whole.length()?.digits()?.times(&key.weight()?.eighth()?),
        _ => Ok(Size::default()),
    }
}

/// Returns what is known of the size of what an instruction without blocks leaves.
pub(super) fn left_size(op: &Op, operands: &[Sketch], v: &Sketch) -> Bound {
    let one = Size::constant(1);
    match (op, operands) {
        (Op::Nil { .. }, _) => Ok(Size::default()),
        (Op::Append {}, [list]) => list.length()?.plus(&one),
        (Op::Put {}, [map, _]) => map.length()?.plus(&one),
        (Op::Del {} | Op::Take {} | Op::Drop {}, [whole]) => whole.length(),
        (Op::Set {} | Op::Slice {}, [whole, _]) => whole.length(),
        (Op::Cat {}, [first]) => sum(first.length(), &v.length()),
        (Op::Entries {} | Op::Octets {} | Op::Encode {} | Op::Edit { .. } | Op::Len {}, _) => v.length(),
        // The longest is the least Int.
        (Op::Show {}, _) => {
            if v.is_text() {
                v.length()
            } else {
                Ok(Size::constant(20))
            }
        }
        (Op::Range {}, [from]) if from.is_natural() => v.number(),
        (Op::Split {}, [whole]) => whole.length()?.plus(&one),
        (Op::Join {}, [parts]) => parts.length()?.times(&sum(parts.part(Step::Each).length(), &v.length())?),
        (Op::Hash { .. }, _) => Ok(Size::constant(32)),
        (Op::Add {}, [first]) => sum(first.number(), &v.number()),
        (Op::Sub {}, [first]) if v.is_natural() => first.number(),
        _ => Err(Unbounded::Computed),
    }
}
