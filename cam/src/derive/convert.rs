//! The code of a conversion.

use super::Edits;
use super::judge::{keys_stay, limits_fit, missing_field};
use super::keep::{At, Kept};
use crate::code::build::ModuleBuilder;
use crate::code::{Block, Op};
use crate::ty::{Kind, Ty};
use crate::value::Value;

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
    let goes_on = write(builder, from, to, edits, None, level, &mut ops).is_ok();
    (ops, goes_on)
}

/// Nothing that is written after this point is reached.
pub(super) struct Diverged;

/// Writes the code of a conversion, which on the way down finds in `aside` what was kept aside.
pub(super) fn write(
    builder: &mut ModuleBuilder,
    from: &Ty,
    to: &Ty,
    edits: &Edits,
    aside: Option<At<'_>>,
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
            let found = aside.and_then(|aside| aside.in_secret(builder));
            beside(builder, found, (from.unsealed(), to), edits, level, ops)?;
            ops.push(Op::Seal {});
        }
        (_, Kind::Unit) if !matches!(from.kind(), Kind::Secret(_)) => ops.push(Op::Unit {}),
        (Kind::Option(item), Kind::Option(to_item)) => {
            if nests(item) != nests(to_item) {
                return fail(builder, &format!("{from} does not become {to} by itself"), ops);
            }
            let none = Block(vec![quote_none(builder, to)]);
            let found = aside.and_then(|aside| aside.in_option(builder));
            // `None` always goes on, whatever becomes of the other.
            let (some, _) = case(builder, found, (item, to_item), to, edits, Value::SOME_INDEX, level);
            ops.push(Op::Case { blocks: vec![none, some] });
        }
        (Kind::Secret(_), Kind::Option(_)) if nests_secretly(from) => {
            return fail(builder, &format!("{from} does not become {to} by itself"), ops);
        }
        (_, Kind::Option(item)) => {
            write(builder, from, item, edits, None, level, ops)?;
            let ty = builder.ty(to);
            ops.push(Op::Inj { ty, case: Value::SOME_INDEX });
        }
        (Kind::Option(item), _) => {
            let mut none = Vec::new();
            let _ = fail(builder, "None has no counterpart", &mut none);
            let mut some = Vec::new();
            let aside = aside.and_then(At::out_of_option);
            let diverged = write(builder, item, to, edits, aside, level, &mut some);
            ops.push(Op::Case { blocks: vec![Block(none), Block(some)] });
            diverged?;
        }
        (Kind::List { item, .. }, Kind::List { item: to_item, .. }) => {
            if item != to_item {
                let mut body = vec![Op::Acc { level: count(level) }];
                if write(builder, item, to_item, edits, None, level + 1, &mut body).is_err() {
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
            let found = aside.and_then(|aside| aside.in_map(builder, level));
            if beside(builder, found, (value, to_value), edits, level + 2, &mut body).is_err() {
                return fail(builder, &format!("{from} does not become {to}"), ops);
            }
            let ty = builder.ty(to);
            ops.push(Op::Map { ty, body: Block(body) });
        }
        (Kind::Map { key, value }, Kind::Map { key: to_key, value: to_value }) if keys_stay(key, to_key) => {
            // The new map with the entries so far, key, value.
            let mut body =
                vec![Op::Acc { level: count(level) }, Op::Push {}, Op::Acc { level: count(level + 1) }];
            let kept = write(builder, key, to_key, edits, None, level + 3, &mut body);
            assert!(kept.is_ok(), "some of such keys have counterparts");
            body.extend([Op::Push {}, Op::Acc { level: count(level + 2) }]);
            if write(builder, value, to_value, edits, None, level + 3, &mut body).is_err() {
                return fail(builder, &format!("{from} does not become {to}"), ops);
            }
            body.push(Op::Put {});
            let ty = builder.ty(to);
            ops.extend([Op::Push {}, Op::Nil { ty }, Op::Fold { body: Block(body) }]);
        }
        (Kind::Tuple(items), Kind::Tuple(to_items)) if items.len() == to_items.len() => {
            let members = (0u32..).zip(items.iter().zip(to_items));
            let members: Vec<Member<'_>> =
                members.map(|(index, (item, to))| Member { from: Source::Member(index, item), to }).collect();
            product(builder, &members, to, edits, aside, level, ops)?;
        }
        (Kind::Record(record), Kind::Record(to_record)) => {
            let mut members = Vec::new();
            for (position, field) in to_record.fields.iter().enumerate() {
                let before = record.index(edits.before(from, to, &field.label));
                let put_back = match (before, aside) {
                    (None, Some(aside)) => aside.whole(builder, (to, field, position), edits),
                    _ => None,
                };
                let from = match (before, put_back, missing_field(to, field, edits)) {
                    (Some(index), ..) => Source::Member(count(index), &record.fields[index].ty),
                    (None, Some(code), _) => Source::Code(code),
                    (None, None, Some(value)) => Source::Constant(value),
                    (None, None, None) => {
                        let why = format!("the field {} is new and has no default", field.label);
                        return fail(builder, &why, ops);
                    }
                };
                members.push(Member { from, to: &field.ty });
            }
            product(builder, &members, to, edits, aside, level, ops)?;
        }
        (Kind::Variant(variant), Kind::Variant(to_variant)) => {
            let mut blocks = Vec::new();
            let mut reached = false;
            for from_case in &variant.cases {
                blocks.push(match to_variant.index(edits.after(from, to, &from_case.label)) {
                    Some(index) => {
                        let payload = &to_variant.cases[index].payload;
                        let found = aside.and_then(|aside| aside.in_case(builder, index));
                        let ends = (&from_case.payload, payload);
                        let (block, goes_on) = case(builder, found, ends, to, edits, count(index), level);
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
        (Kind::Int { .. }, Kind::Int { .. })
        | (Kind::Text { .. }, Kind::Text { .. })
        | (Kind::Bytes { .. }, Kind::Bytes { .. }) => {
            let ty = builder.ty(to);
            ops.push(Op::Fit { ty });
        }
        (Kind::Text { .. }, Kind::Bytes { max }) => {
            ops.push(Op::Encode {});
            if max.is_some() {
                let ty = builder.ty(to);
                ops.push(Op::Fit { ty });
            }
        }
        (Kind::Bytes { .. }, Kind::Text { max }) => {
            ops.push(Op::Decode {});
            let mut none = Vec::new();
            let _ = fail(builder, "the Bytes are not UTF-8", &mut none);
            let fit = max.map(|_| Op::Fit { ty: builder.ty(to) });
            ops.push(Op::Case { blocks: vec![Block(none), Block(fit.into_iter().collect())] });
        }
        (Kind::Secret(_), _) => {
            return fail(builder, &format!("{from} does not become public by itself"), ops);
        }
        _ => return fail(builder, &format!("{from} does not become {to}"), ops),
    }
    Ok(())
}

/// Returns true for an Option, be it secret.
pub(crate) fn nests(item: &Ty) -> bool {
    matches!(item.unsealed().kind(), Kind::Option(_))
}

/// Returns true for a secret Option: it goes into no other by itself, since it could be the same one in
/// public or the first of two.
pub(crate) fn nests_secretly(from: &Ty) -> bool {
    matches!(from.kind(), Kind::Secret(_)) && nests(from)
}

/// Returns the instruction that leaves a `None`.
pub(super) fn quote_none(builder: &mut ModuleBuilder, ty: &Ty) -> Op {
    Op::Quote { constant: builder.constant(ty, Value::none()) }
}

/// Writes the end of an arrow where a value has no counterpart.
pub(super) fn fail(builder: &mut ModuleBuilder, why: &str, ops: &mut Vec<Op>) -> Result<(), Diverged> {
    let constant = builder.constant(&Ty::text(), Value::text(why));
    ops.extend([Op::Quote { constant }, Op::Fail {}]);
    Err(Diverged)
}

/// Writes a conversion beside which something is found that was kept aside: the code that finds it
/// leaves `Option(Kept)`.
fn beside(
    builder: &mut ModuleBuilder,
    found: Option<(&Kept, Vec<Op>)>,
    (from, to): (&Ty, &Ty),
    edits: &Edits,
    level: usize,
    ops: &mut Vec<Op>,
) -> Result<(), Diverged> {
    let Some((kept, find)) = found else { return write(builder, from, to, edits, None, level, ops) };
    ops.push(Op::Let {});
    ops.extend(find);
    ops.extend([Op::Let {}, Op::Acc { level: count(level) }]);
    write(builder, from, to, edits, Some(At { kept, level: level + 1 }), level + 2, ops)?;
    ops.push(Op::Unlet { count: 2 });
    Ok(())
}

fn case(
    builder: &mut ModuleBuilder,
    found: Option<(&Kept, Vec<Op>)>,
    (from, to): (&Ty, &Ty),
    whole: &Ty,
    edits: &Edits,
    index: u32,
    level: usize,
) -> (Block, bool) {
    let mut ops = Vec::new();
    let goes_on = beside(builder, found, (from, to), edits, level, &mut ops).is_ok();
    if goes_on {
        let ty = builder.ty(whole);
        ops.push(Op::Inj { ty, case: index });
    }
    (Block(ops), goes_on)
}

/// A member of a new tuple or record.
struct Member<'t> {
    from: Source<'t>,
    to: &'t Ty,
}

/// Where a member comes from.
enum Source<'t> {
    /// A member of the old tuple or record.
    Member(u32, &'t Ty),
    Constant(Value),
    /// Code that leaves it.
    Code(Vec<Op>),
}

fn product(
    builder: &mut ModuleBuilder,
    members: &[Member<'_>],
    to: &Ty,
    edits: &Edits,
    aside: Option<At<'_>>,
    level: usize,
    ops: &mut Vec<Op>,
) -> Result<(), Diverged> {
    ops.push(Op::Let {});
    for (position, member) in members.iter().enumerate() {
        if position > 0 {
            ops.push(Op::Push {});
        }
        match &member.from {
            Source::Member(index, from) => {
                ops.extend([Op::Acc { level: count(level) }, Op::Fld { index: *index }]);
                let found = aside.and_then(|aside| aside.in_member(builder, position));
                beside(builder, found, (from, member.to), edits, level + 1, ops)?;
            }
            Source::Code(code) => ops.extend(code.iter().cloned()),
            Source::Constant(value) => {
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
