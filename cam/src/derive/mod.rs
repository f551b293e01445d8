//! Derived arrows: the judgement `A ~> B`, and the code that follows from it.
//!
//! [`judge`] says what stands between two types, [`convert`] writes the code, and [`link`]
//! compiles the arrows of a channel. Whatever cannot be carried over is a problem with a path;
//! in code it is a `FAIL` that says so. Nothing is ever dropped or defaulted in silence: what is
//! left out is a loss, and the caller decides whether it may be.

mod edits;
mod link;

pub use edits::Edits;
pub(crate) use link::arrow;
pub use link::link;

use std::fmt;

use crate::code::build::ModuleBuilder;
use crate::code::{Block, Op};
use crate::ty::{Kind, Ty};
use crate::value::Value;

/// What stands between two types.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Values that have no counterpart; empty: the conversion is total.
    pub problems: Vec<Problem>,
    /// Fields that are left out; empty: nothing is lost.
    pub losses: Vec<String>,
}

/// A part of a type for which some or all values have no counterpart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where, such as `State.items[..].count`.
    pub path: String,
    /// What is wrong there.
    pub what: String,
    /// True when no value of the part has a counterpart.
    pub always: bool,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.what)
    }
}

impl Verdict {
    /// Returns true when every value has a counterpart.
    pub fn is_total(&self) -> bool {
        self.problems.is_empty()
    }

    /// Returns true when every value has a counterpart and nothing is left out.
    pub fn is_lossless(&self) -> bool {
        self.is_total() && self.losses.is_empty()
    }
}

/// Judges the conversion from one type to another. `root` begins the paths.
pub fn judge(from: &Ty, to: &Ty, edits: &Edits, root: &str) -> Verdict {
    let mut verdict = Verdict::default();
    judge_into(from, to, edits, root, &mut verdict);
    verdict
}

fn judge_into(from: &Ty, to: &Ty, edits: &Edits, path: &str, verdict: &mut Verdict) {
    if from == to {
        return;
    }
    match (from.kind(), to.kind()) {
        // What is public may become secret; the other way is for a person to say.
        (_, Kind::Secret(to)) => judge_into(from.unsealed(), to, edits, path, verdict),
        (Kind::Secret(_), Kind::Option(to)) => judge_into(from, to, edits, path, verdict),
        (Kind::Secret(_), _) => {
            verdict.problem(path, &format!("{from} does not become public by itself"), true);
        }
        (Kind::Option(from), Kind::Option(to)) => judge_into(from, to, edits, path, verdict),
        (_, Kind::Option(to)) => judge_into(from, to, edits, path, verdict),
        (Kind::Option(item), _) => {
            verdict.problem(path, "None has no counterpart", false);
            judge_into(item, to, edits, path, verdict);
        }
        (Kind::List { item, .. }, Kind::List { item: to_item, .. }) => {
            if !limits_fit(from, to) {
                verdict.problem(path, &format!("{to} is shorter than {from}"), false);
            }
            judge_into(item, to_item, edits, &format!("{path}[..]"), verdict);
        }
        (Kind::Map { key, value }, Kind::Map { key: to_key, value: to_value }) => {
            if key != to_key {
                verdict.problem(path, &format!("the keys changed from {key} to {to_key}"), true);
            }
            judge_into(value, to_value, edits, &format!("{path}[..]"), verdict);
        }
        (Kind::Tuple(items), Kind::Tuple(to_items)) if items.len() == to_items.len() => {
            for (index, (item, to_item)) in items.iter().zip(to_items).enumerate() {
                judge_into(item, to_item, edits, &format!("{path}.{index}"), verdict);
            }
        }
        (Kind::Record(record), Kind::Record(to_record)) => {
            for field in &to_record.fields {
                let path = format!("{path}.{}", field.label);
                match record.index(edits.before(from, to, &field.label)) {
                    Some(index) => judge_into(&record.fields[index].ty, &field.ty, edits, &path, verdict),
                    None if missing_field(to, field, edits).is_some() => {}
                    None => verdict.problem(&path, "the field is new and has no default", true),
                }
            }
            for field in &record.fields {
                let kept = to_record.index(edits.after(from, to, &field.label)).is_some();
                if !kept && !edits.dropped(from, &field.label) {
                    verdict.losses.push(format!("{path}.{}", field.label));
                }
            }
        }
        (Kind::Variant(variant), Kind::Variant(to_variant)) => {
            for case in &variant.cases {
                let path = format!("{path}.{}", case.label);
                match to_variant.index(edits.after(from, to, &case.label)) {
                    Some(index) => {
                        judge_into(&case.payload, &to_variant.cases[index].payload, edits, &path, verdict)
                    }
                    None => verdict.problem(&path, "the case has no counterpart", false),
                }
            }
        }
        _ if narrows(from, to) => {
            if !limits_fit(from, to) {
                verdict.problem(path, &format!("{from} does not always fit {to}"), false);
            }
        }
        _ => verdict.problem(path, &format!("{from} does not become {to} by itself"), true),
    }
}

impl Verdict {
    fn problem(&mut self, path: &str, what: &str, always: bool) {
        self.problems.push(Problem { path: path.to_owned(), what: what.to_owned(), always });
    }
}

/// Returns the value of a field that the other side lacks.
fn missing_field(to: &Ty, field: &crate::ty::Field, edits: &Edits) -> Option<Value> {
    match (edits.added(to, &field.label), &field.default, field.ty.unsealed().kind()) {
        (Some(value), ..) | (None, Some(value), _) => Some(value.clone()),
        (None, None, Kind::Option(_)) => Some(Value::none()),
        _ => None,
    }
}

/// Returns true for two types that differ in their limits alone.
fn narrows(from: &Ty, to: &Ty) -> bool {
    matches!(
        (from.kind(), to.kind()),
        (Kind::Int { .. }, Kind::Int { .. })
            | (Kind::Text { .. }, Kind::Text { .. })
            | (Kind::Bytes { .. }, Kind::Bytes { .. })
    )
}

/// Returns true when every value within the limits of one type is within those of the other.
fn limits_fit(from: &Ty, to: &Ty) -> bool {
    let wider = |from: &Option<u32>, to: &Option<u32>| match (from, to) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(from), Some(to)) => from <= to,
    };
    match (from.kind(), to.kind()) {
        (Kind::Int { lo, hi }, Kind::Int { lo: to_lo, hi: to_hi }) => to_lo <= lo && hi <= to_hi,
        (Kind::Text { max }, Kind::Text { max: to })
        | (Kind::Bytes { max }, Kind::Bytes { max: to })
        | (Kind::List { max, .. }, Kind::List { max: to, .. }) => wider(max, to),
        _ => true,
    }
}

/// Writes the code of a conversion: it takes the value register from one type to the other, and
/// ends in FAIL for a value without a counterpart. `level` is how many variables the environment
/// has where the code stands.
///
/// Returns whether any value has a counterpart; where none has, nothing may follow the code.
pub(crate) fn convert(
    builder: &mut ModuleBuilder,
    from: &Ty,
    to: &Ty,
    edits: &Edits,
    level: usize,
) -> (Vec<Op>, bool) {
    let mut ops = Vec::new();
    let goes_on = write(builder, from, to, edits, level, &mut ops).is_ok();
    (ops, goes_on)
}

/// Nothing that is written after this point is reached.
struct Diverged;

fn write(
    builder: &mut ModuleBuilder,
    from: &Ty,
    to: &Ty,
    edits: &Edits,
    level: usize,
    ops: &mut Vec<Op>,
) -> Result<(), Diverged> {
    if from == to {
        return Ok(());
    }
    match (from.kind(), to.kind()) {
        (_, Kind::Secret(to)) => {
            if matches!(from.kind(), Kind::Secret(_)) {
                ops.push(Op::Reveal {});
            }
            write(builder, from.unsealed(), to, edits, level, ops)?;
            ops.push(Op::Seal {});
        }
        (Kind::Option(item), Kind::Option(to_item)) => {
            let none = Block(vec![Op::Quote { constant: builder.constant(to, Value::none()) }]);
            // `None` always goes on, whatever becomes of the other.
            let (some, _) = case(builder, (item, to_item), to, edits, Value::SOME_INDEX, level);
            ops.push(Op::Case { blocks: vec![none, some] });
        }
        (_, Kind::Option(item)) => {
            write(builder, from, item, edits, level, ops)?;
            let ty = builder.ty(to);
            ops.push(Op::Inj { ty, case: Value::SOME_INDEX });
        }
        (Kind::Option(item), _) => {
            let mut none = Vec::new();
            let _ = fail(builder, "None has no counterpart", &mut none);
            let mut some = Vec::new();
            let diverged = write(builder, item, to, edits, level, &mut some);
            ops.push(Op::Case { blocks: vec![Block(none), Block(some)] });
            diverged?;
        }
        (Kind::List { item, .. }, Kind::List { item: to_item, .. }) => {
            if item != to_item {
                let mut body = vec![Op::Acc { level: count(level) }];
                if write(builder, item, to_item, edits, level + 1, &mut body).is_err() {
                    return fail(builder, &format!("{from} does not become {to}"), ops);
                }
                // Straight into the limit where the length cannot pass it.
                let mapped = if limits_fit(from, to) {
                    to.clone()
                } else {
                    Ty::list(to_item.clone()).expect("a part of a type that exists")
                };
                let ty = builder.ty(&mapped);
                ops.push(Op::Map { ty, body: Block(body) });
            }
            if item == to_item || !limits_fit(from, to) {
                let ty = builder.ty(to);
                ops.push(Op::Fit { ty });
            }
        }
        (Kind::Map { key, value }, Kind::Map { key: to_key, value: to_value }) if key == to_key => {
            let mut body = vec![Op::Acc { level: count(level + 1) }];
            if write(builder, value, to_value, edits, level + 2, &mut body).is_err() {
                return fail(builder, &format!("{from} does not become {to}"), ops);
            }
            let ty = builder.ty(to);
            ops.push(Op::Map { ty, body: Block(body) });
        }
        (Kind::Tuple(items), Kind::Tuple(to_items)) if items.len() == to_items.len() => {
            let members = (0u32..).zip(items.iter().zip(to_items));
            let members: Vec<Member<'_>> =
                members.map(|(index, (item, to))| Member { from: Ok((index, item)), to }).collect();
            product(builder, &members, to, edits, level, ops)?;
        }
        (Kind::Record(record), Kind::Record(to_record)) => {
            let mut members = Vec::new();
            for field in &to_record.fields {
                let from = match (
                    record.index(edits.before(from, to, &field.label)),
                    missing_field(to, field, edits),
                ) {
                    (Some(index), _) => Ok((count(index), &record.fields[index].ty)),
                    (None, Some(value)) => Err(value),
                    (None, None) => {
                        let why = format!("the field {} is new and has no default", field.label);
                        return fail(builder, &why, ops);
                    }
                };
                members.push(Member { from, to: &field.ty });
            }
            product(builder, &members, to, edits, level, ops)?;
        }
        (Kind::Variant(variant), Kind::Variant(to_variant)) => {
            let mut blocks = Vec::new();
            let mut reached = false;
            for from_case in &variant.cases {
                blocks.push(match to_variant.index(edits.after(from, to, &from_case.label)) {
                    Some(index) => {
                        let payload = &to_variant.cases[index].payload;
                        let (block, goes_on) =
                            case(builder, (&from_case.payload, payload), to, edits, count(index), level);
                        reached |= goes_on;
                        block
                    }
                    None => {
                        let mut ops = Vec::new();
                        let why = format!("the case {} has no counterpart", from_case.label);
                        let _ = fail(builder, &why, &mut ops);
                        Block(ops)
                    }
                });
            }
            ops.push(Op::Case { blocks });
            if !reached {
                return Err(Diverged);
            }
        }
        _ if narrows(from, to) => {
            let ty = builder.ty(to);
            ops.push(Op::Fit { ty });
        }
        (Kind::Secret(_), _) => {
            return fail(builder, &format!("{from} does not become public by itself"), ops);
        }
        _ => return fail(builder, &format!("{from} does not become {to}"), ops),
    }
    Ok(())
}

/// Writes the end of an arrow where a value has no counterpart.
fn fail(builder: &mut ModuleBuilder, why: &str, ops: &mut Vec<Op>) -> Result<(), Diverged> {
    let constant = builder.constant(&Ty::text(), Value::text(why));
    ops.extend([Op::Quote { constant }, Op::Fail {}]);
    Err(Diverged)
}

fn case(
    builder: &mut ModuleBuilder,
    (from, to): (&Ty, &Ty),
    whole: &Ty,
    edits: &Edits,
    index: u32,
    level: usize,
) -> (Block, bool) {
    let mut ops = Vec::new();
    let goes_on = write(builder, from, to, edits, level, &mut ops).is_ok();
    if goes_on {
        let ty = builder.ty(whole);
        ops.push(Op::Inj { ty, case: index });
    }
    (Block(ops), goes_on)
}

/// A member of a new tuple or record: from a member of the old one, or a constant.
struct Member<'t> {
    from: Result<(u32, &'t Ty), Value>,
    to: &'t Ty,
}

fn product(
    builder: &mut ModuleBuilder,
    members: &[Member<'_>],
    to: &Ty,
    edits: &Edits,
    level: usize,
    ops: &mut Vec<Op>,
) -> Result<(), Diverged> {
    ops.push(Op::Let {});
    for (position, member) in members.iter().enumerate() {
        if position > 0 {
            ops.push(Op::Push {});
        }
        match &member.from {
            Ok((index, from)) => {
                ops.extend([Op::Acc { level: count(level) }, Op::Fld { index: *index }]);
                write(builder, from, member.to, edits, level + 1, ops)?;
            }
            Err(value) => {
                let constant = builder.constant(member.to, value.clone());
                ops.push(Op::Quote { constant });
            }
        }
    }
    let ty = builder.ty(to);
    ops.extend([Op::Rec { ty }, Op::Unlet { count: 1 }]);
    Ok(())
}

fn count(count: usize) -> u32 {
    u32::try_from(count).expect("types have at most MEMBERS_MAX members, and nest at most DEPTH_MAX deep")
}

#[cfg(test)]
mod tests;
