//! Sketches of values: what is known of a value before any run.
//!
//! What must stay true: a sketch has at most [`NODES_MAX`] parts, so that whatever walks one
//! ends soon. The functions that make sketches see to it: what would be larger becomes
//! [`Shape::Any`], which holds of every value of the type.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::size::{Bound, Size};
use crate::ty::{Kind, Ty};
use crate::value::Value;

/// The most parts of a sketch.
pub const NODES_MAX: u32 = 256;
/// The most sketches that are kept side by side.
const CHOICES_MAX: usize = 4;
/// The most steps of a path; a value further down is anything of its type.
const STEPS_MAX: usize = 16;

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Root {
    /// A parameter of the function.
    Param(u32),
    /// What the rounds of a loop carry; each loop of a function has its number.
    Carried(u32),
}

/// One step from a value to a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// A member of a tuple or record.
    Member(u32),
    /// What a case of a variant or option holds.
    Payload(u32),
    /// An item of a list, or a value of a map: one of them, no matter which.
    Each,
    /// A key of a map: one of them.
    Key,
}

/// A place in a parameter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Path {
    pub(super) root: Root,
    pub(super) steps: Arc<[Step]>,
}

impl Path {
    pub(super) fn root(root: Root) -> Path {
        Path { root, steps: Arc::new([]) }
    }

    /// Returns the place of a part; `None` where that is too far down.
    fn then(&self, step: Step) -> Option<Path> {
        let far = self.steps.len() >= STEPS_MAX;
        (!far).then(|| Path { root: self.root, steps: self.steps.iter().copied().chain([step]).collect() })
    }
}

/// What is known of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sketch {
    pub(super) ty: Ty,
    pub(super) shape: Shape,
    /// How many parts it has.
    nodes: u32,
}

/// The forms of what is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nothing but the type.
    Any,
    /// It is the value at this place.
    Same(Path),
    /// A tuple or record of these members.
    Product(Arc<[Sketch]>),
    /// A variant or option of one of these cases, each with what it holds.
    Sum(Arc<BTreeMap<u32, Sketch>>),
    /// An Int: this one.
    Number(i64),
    /// A list or map of at most this length, a Text or Bytes of at most so many bytes, or an Int
    /// of at most this number.
    Sized(Arc<Size>),
    /// One of these, two or more: places, sizes, and at most one sum. So that a name in a round or a
    /// function keeps its meaning until it is known what it stands for.
    Or(Arc<[Sketch]>),
}

impl Sketch {
    /// Returns the sketch that holds of every value of the type.
    pub(super) fn any(ty: Ty) -> Sketch {
        Sketch { ty, shape: Shape::Any, nodes: 1 }
    }

    /// Returns the sketch of the value at a place.
    pub(super) fn same(ty: Ty, path: Path) -> Sketch {
        Sketch { ty, shape: Shape::Same(path), nodes: 1 }
    }

    /// Returns the sketch of a tuple or record.
    pub(super) fn product(ty: Ty, mut members: Vec<Sketch>) -> Sketch {
        if total(&members) > NODES_MAX {
            // The outline matters more than what a member is in detail.
            for member in members.iter_mut().filter(|member| member.nodes > 8) {
                *member = Sketch::any(member.ty.clone());
            }
        }
        match total(&members) {
            nodes if nodes > NODES_MAX => Sketch::any(ty),
            nodes => Sketch { ty, shape: Shape::Product(members.into()), nodes },
        }
    }

    /// Returns the sketch of a variant or option of these cases.
    pub(super) fn sum(ty: Ty, mut cases: BTreeMap<u32, Sketch>) -> Sketch {
        if total(cases.values()) > NODES_MAX {
            for payload in cases.values_mut() {
                *payload = Sketch::any(payload.ty.clone());
            }
        }
        match total(cases.values()) {
            nodes if nodes > NODES_MAX => Sketch::any(ty),
            nodes => Sketch { ty, shape: Shape::Sum(Arc::new(cases)), nodes },
        }
    }

    /// Returns the sketch of what measures no more than this.
    pub(super) fn sized(ty: Ty, size: Bound) -> Sketch {
        match size {
            Ok(size) => Sketch { ty, shape: Shape::Sized(Arc::new(size)), nodes: 1 },
            Err(_) => Sketch::any(ty),
        }
    }

    /// Returns the sketch of a constant.
    pub(super) fn constant(ty: &Ty, value: &Value) -> Sketch {
        Sketch::constant_within(ty, value, &mut NODES_MAX.clone())
    }

    fn constant_within(ty: &Ty, value: &Value, left: &mut u32) -> Sketch {
        let Some(rest) = left.checked_sub(1) else { return Sketch::any(ty.clone()) };
        *left = rest;
        let sized = |length: usize| Sketch::sized(ty.clone(), Ok(Size::constant(length as u64)));
        match value {
            Value::Int(number) => Sketch { ty: ty.clone(), shape: Shape::Number(*number), nodes: 1 },
            Value::Text(text) => sized(text.len()),
            Value::Bytes(bytes) => sized(bytes.len()),
            Value::List(items) => sized(items.len()),
            Value::Map(map) => sized(map.len()),
            Value::Product(members) if members.len() <= *left as usize => {
                let parts = members.iter().enumerate().map(|(index, member)| {
                    let part = part_ty(ty, Step::Member(u32::try_from(index).unwrap_or(u32::MAX)));
                    Sketch::constant_within(&part, member, left)
                });
                let parts = parts.collect();
                Sketch::product(ty.clone(), parts)
            }
            Value::Sum(case, payload) => {
                let payload = Sketch::constant_within(&part_ty(ty, Step::Payload(*case)), payload, left);
                Sketch::sum(ty.clone(), BTreeMap::from([(*case, payload)]))
            }
            _ => Sketch::any(ty.clone()),
        }
    }

    /// Returns the same knowledge of the same value as a value of another type.
    pub(super) fn retyped(self, ty: Ty) -> Sketch {
        Sketch { ty, ..self }
    }

    /// Returns what is known of a part.
    pub(super) fn part(&self, step: Step) -> Sketch {
        match (&self.shape, step) {
            (Shape::Product(members), Step::Member(index)) => members[index as usize].clone(),
            (Shape::Sum(cases), Step::Payload(case)) if cases.contains_key(&case) => cases[&case].clone(),
            (Shape::Same(path), _) => match path.then(step) {
                Some(path) => Sketch::same(part_ty(&self.ty, step), path),
                None => Sketch::any(part_ty(&self.ty, step)),
            },
            (Shape::Or(choices), _) => {
                let possible = choices.iter().filter(|choice| choice.may_have(step));
                let parts = possible.map(|choice| choice.part(step));
                parts.reduce(|a, b| a.join(&b)).unwrap_or_else(|| Sketch::any(part_ty(&self.ty, step)))
            }
            _ => Sketch::any(part_ty(&self.ty, step)),
        }
    }

    /// Returns what is known of what a case holds.
    pub(super) fn payload(&self, case: u32) -> Sketch {
        self.part(Step::Payload(case))
    }

    /// Returns the members of a tuple or record; `None` when there are too many to tell apart.
    pub(super) fn members(&self) -> Option<Vec<Sketch>> {
        let count = match self.ty.unsealed().kind() {
            Kind::Tuple(items) => items.len(),
            Kind::Record(record) => record.fields.len(),
            _ => return None,
        };
        let count = u32::try_from(count).ok().filter(|count| *count < NODES_MAX)?;
        Some((0..count).map(|index| self.part(Step::Member(index))).collect())
    }

    /// Returns the cases that a variant or option may be, each with what it holds; `None` when
    /// there are too many to tell apart.
    pub(super) fn cases(&self) -> Option<BTreeMap<u32, Sketch>> {
        if let Shape::Sum(cases) = &self.shape {
            return Some((**cases).clone());
        }
        let count = match self.ty.unsealed().kind() {
            Kind::Option(_) => 2,
            Kind::Variant(variant) => u32::try_from(variant.cases.len()).ok()?,
            _ => return None,
        };
        let all = || (0..count).map(|case| (case, self.part(Step::Payload(case))));
        (count < NODES_MAX).then(|| all().filter(|(case, _)| self.may_be(*case)).collect())
    }

    /// Returns true when a variant or option may be this case.
    pub(super) fn may_be(&self, case: u32) -> bool {
        match &self.shape {
            Shape::Sum(cases) => cases.contains_key(&case),
            Shape::Or(choices) => choices.iter().any(|choice| choice.may_be(case)),
            _ => true,
        }
    }

    fn may_have(&self, step: Step) -> bool {
        match step {
            Step::Payload(case) => self.may_be(case),
            Step::Member(_) | Step::Each | Step::Key => true,
        }
    }

    /// Returns the sketch that holds of what either holds of.
    pub(super) fn join(&self, other: &Sketch) -> Sketch {
        self.join_within(other, &mut NODES_MAX.clone())
    }

    /// The same, with at most so many pairs of parts looked at: two places of one large type
    /// have as many parts as the type.
    fn join_within(&self, other: &Sketch, left: &mut u32) -> Sketch {
        if self.shape == other.shape {
            return self.clone();
        }
        let Some(rest) = left.checked_sub(1) else { return Sketch::any(self.ty.clone()) };
        *left = rest;
        if matches!(self.shape, Shape::Any) || matches!(other.shape, Shape::Any) {
            return Sketch::any(self.ty.clone());
        }
        if let (Shape::Sized(mine), Shape::Sized(others)) = (&self.shape, &other.shape) {
            return Sketch::sized(self.ty.clone(), (**mine).clone().max(others));
        }
        if let (Some(mine), Some(others)) = (self.members(), other.members()) {
            let joined = mine.iter().zip(&others).map(|(mine, other)| mine.join_within(other, left));
            let joined = joined.collect();
            return Sketch::product(self.ty.clone(), joined);
        }
        self.choose(other, left)
    }

    /// Returns the sketches of both side by side; all sums are one.
    fn choose(&self, other: &Sketch, left: &mut u32) -> Sketch {
        let mut choices: Vec<Sketch> = vec![];
        let mut sum: Option<Sketch> = None;
        for choice in self.choices().iter().chain(other.choices()) {
            match (&choice.shape, sum.take()) {
                (Shape::Sum(_), Some(before)) => sum = Some(before.joined_cases(choice, left)),
                (Shape::Sum(_), None) => sum = Some(choice.clone()),
                (_, before) => {
                    sum = before;
                    if choices.iter().all(|known| known.shape != choice.shape) {
                        choices.push(choice.clone());
                    }
                }
            }
        }
        choices.extend(sum);
        match choices.len() {
            1 => choices.swap_remove(0),
            count if count <= CHOICES_MAX && total(&choices) <= NODES_MAX => {
                Sketch { ty: self.ty.clone(), nodes: total(&choices), shape: Shape::Or(choices.into()) }
            }
            _ => {
                let whole = choices.into_iter().reduce(|a, b| a.joined_cases(&b, left));
                whole.unwrap_or_else(|| Sketch::any(self.ty.clone()))
            }
        }
    }

    fn choices(&self) -> &[Sketch] {
        match &self.shape {
            Shape::Or(choices) => choices,
            _ => std::slice::from_ref(self),
        }
    }

    /// Returns the sum of all cases of both; anything when they are no variants.
    fn joined_cases(&self, other: &Sketch, left: &mut u32) -> Sketch {
        let (Some(mut joined), Some(others)) = (self.cases(), other.cases()) else {
            return Sketch::any(self.ty.clone());
        };
        for (case, payload) in others {
            let both = joined.get(&case).map(|mine| mine.join_within(&payload, left));
            joined.insert(case, both.unwrap_or(payload));
        }
        Sketch::sum(self.ty.clone(), joined)
    }

    /// Returns the sketch without the parts in which a later one differs.
    pub(super) fn kept(&self, later: &Sketch) -> Sketch {
        if self.shape == later.shape {
            return self.clone();
        }
        match (self.members(), later.members()) {
            (Some(mine), Some(later)) => {
                let kept = mine.iter().zip(&later).map(|(mine, later)| mine.kept(later)).collect();
                Sketch::product(self.ty.clone(), kept)
            }
            _ => Sketch::any(self.ty.clone()),
        }
    }

    /// Returns the sketch with what stands for the roots put in their place.
    pub(super) fn with(&self, replace: &impl Fn(Root) -> Option<Sketch>) -> Sketch {
        match &self.shape {
            Shape::Any | Shape::Number(_) => self.clone(),
            Shape::Sized(size) => Sketch::sized(self.ty.clone(), size.with(replace)),
            Shape::Same(path) => match replace(path.root) {
                None => self.clone(),
                Some(whole) => {
                    let part = path.steps.iter().fold(whole, |whole, step| whole.part(*step));
                    part.retyped(self.ty.clone())
                }
            },
            Shape::Product(members) => {
                Sketch::product(self.ty.clone(), members.iter().map(|member| member.with(replace)).collect())
            }
            Shape::Sum(cases) => {
                let cases = cases.iter().map(|(case, payload)| (*case, payload.with(replace)));
                Sketch::sum(self.ty.clone(), cases.collect())
            }
            Shape::Or(choices) => {
                let choices = choices.iter().map(|choice| choice.with(replace));
                let joined = choices.reduce(|a, b| a.join(&b)).expect("there are two choices or more");
                joined.retyped(self.ty.clone())
            }
        }
    }
}

fn total<'s>(parts: impl IntoIterator<Item = &'s Sketch>) -> u32 {
    parts.into_iter().fold(1u32, |sum, part| sum.saturating_add(part.nodes))
}

/// Returns the type of a part. The verifier has seen that there is such a part.
pub(super) fn part_ty(ty: &Ty, step: Step) -> Ty {
    match (ty.unsealed().kind(), step) {
        (Kind::Tuple(items), Step::Member(index)) => items[index as usize].clone(),
        (Kind::Record(record), Step::Member(index)) => record.fields[index as usize].ty.clone(),
        (Kind::Variant(variant), Step::Payload(case)) => variant.cases[case as usize].payload.clone(),
        (Kind::Option(_), Step::Payload(Value::NONE_INDEX)) => Ty::unit(),
        (Kind::Option(item), Step::Payload(_)) => item.clone(),
        (Kind::List { item, .. }, Step::Each) => item.clone(),
        (Kind::Map { value, .. }, Step::Each) => value.clone(),
        (Kind::Map { key, .. }, Step::Key) => key.clone(),
        _ => unreachable!("the verifier lets parts be taken only where the type has them"),
    }
}
