//! The symbolic cost of a function: an upper bound of its fuel, in terms of its arguments.

use std::fmt::Write as _;

use super::size::{Atom, Bound, Size, Unbounded};
use super::sketch::{Path, Root, Step, part_ty};
use crate::run::meter::weight_within;
use crate::ty::{Kind, Ty};
use crate::value::Value;

/// An upper bound of the fuel of a function, in terms of its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    pub(super) bound: Bound,
    /// The parameters: what people call each, and its type.
    pub(super) params: Vec<(String, Ty)>,
}

impl Cost {
    /// Returns the most fuel that a run with these arguments uses; `None` where that cannot be
    /// said. Takes time by the size of the arguments.
    pub fn bound(&self, args: &[Value]) -> Option<u64> {
        let measured = |atom: &Atom, path: &Path| {
            let Root::Param(number) = path.root else { return u64::MAX };
            args.get(number as usize).map_or(u64::MAX, |arg| measure(atom, arg, &path.steps))
        };
        self.bound.as_ref().ok().map(|size| size.evaluate(&measured))
    }

    /// Returns the bound where it is one number, whatever the arguments are.
    pub fn constant(&self) -> Option<u64> {
        self.bound.as_ref().ok().and_then(Size::as_constant)
    }

    /// Returns why there is no bound.
    pub fn reason_unbounded(&self) -> Option<Unbounded> {
        self.bound.as_ref().err().copied()
    }

    fn size(&self, size: &Size) -> String {
        let terms = size.terms().map(|(product, count)| {
            let factors: Vec<String> = product.iter().map(|atom| self.atom(atom)).collect();
            match (count, factors.is_empty()) {
                (_, true) => count.to_string(),
                (1, false) => factors.join("*"),
                (_, false) => format!("{count}*{}", factors.join("*")),
            }
        });
        let terms: Vec<String> = terms.collect();
        if terms.is_empty() { "0".to_owned() } else { terms.join(" + ") }
    }

    fn atom(&self, atom: &Atom) -> String {
        match atom {
            Atom::Length(path) => format!("|{}|", self.path(path)),
            Atom::Number(path) => self.path(path),
            Atom::Weight(path) => format!("weight({})", self.path(path)),
            Atom::Eighth(size) => format!("({})/8", self.size(size)),
            Atom::Digits(size) => format!("digits({})", self.size(size)),
        }
    }

    fn path(&self, path: &Path) -> String {
        let Root::Param(number) = path.root else { return "?".to_owned() };
        let Some((name, ty)) = self.params.get(number as usize) else { return "?".to_owned() };
        let (mut text, mut ty) = (name.clone(), ty.clone());
        for step in path.steps.iter() {
            let _ = match (step, ty.unsealed().kind()) {
                (Step::Each, _) => write!(text, "[*]"),
                (Step::Key, _) => write!(text, ".keys"),
                (Step::Member(index), Kind::Record(record)) => {
                    write!(text, ".{}", record.fields[*index as usize].label)
                }
                (Step::Payload(case), Kind::Variant(variant)) => {
                    write!(text, ".{}", variant.cases[*case as usize].label)
                }
                (Step::Member(index), _) => write!(text, ".{index}"),
                (Step::Payload(_), _) => write!(text, ".Some"),
            };
            ty = part_ty(&ty, *step);
        }
        text
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.bound {
            Ok(size) => f.write_str(&self.size(size)),
            Err(why) => write!(f, "unbounded: {why}"),
        }
    }
}

/// Returns the greatest of what the values at a place measure; 0 where there is none.
fn measure(atom: &Atom, value: &Value, steps: &[Step]) -> u64 {
    let Some((step, rest)) = steps.split_first() else { return measure_here(atom, value) };
    match (step, value) {
        (Step::Member(index), Value::Product(members)) => {
            members.get(*index as usize).map_or(0, |member| measure(atom, member, rest))
        }
        (Step::Payload(case), Value::Sum(found, payload)) if case == found => measure(atom, payload, rest),
        (Step::Each, Value::List(items)) => {
            items.iter().map(|item| measure(atom, item, rest)).max().unwrap_or(0)
        }
        (Step::Each, Value::Map(map)) => {
            map.iter().map(|(_, item)| measure(atom, item, rest)).max().unwrap_or(0)
        }
        (Step::Key, Value::Map(map)) => {
            map.iter().map(|(key, _)| measure(atom, &key, rest)).max().unwrap_or(0)
        }
        _ => 0,
    }
}

fn measure_here(atom: &Atom, value: &Value) -> u64 {
    match (atom, value) {
        (Atom::Weight(_), _) => weight_within(value, u64::MAX).unwrap_or(u64::MAX),
        (Atom::Number(_), Value::Int(number)) => u64::try_from(*number).unwrap_or(0),
        (Atom::Length(_), Value::Text(text)) => text.len() as u64,
        (Atom::Length(_), Value::Bytes(bytes)) => bytes.len() as u64,
        (Atom::Length(_), Value::List(items)) => items.len() as u64,
        (Atom::Length(_), Value::Map(map)) => map.len() as u64,
        _ => 0,
    }
}
