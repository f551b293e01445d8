//! What `up` leaves out of a state is kept aside, so that `down` can put it back.
//!
//! What is kept aside of a value is a tree along its type: a record of the fields that are left out or
//! have such parts, a variant of the cases that do, a map by the same keys. Where the new state has a
//! part that the tree does not know (a key that came later, another case), the default of the field
//! stands in; what the tree knows and the new state lacks is not asked for. Below a list nothing is
//! kept aside: its items have no name by which they could be found again.

use super::Edits;
use super::convert::{fail, nests, quote_none, write};
use super::judge::missing_field;
use crate::code::build::ModuleBuilder;
use crate::code::{Block, FuncIx, Op};
use crate::ty::{Case, Field, Kind, Record, Ty, Variant};
use crate::value::Value;

/// What is kept aside of values of one type on their way to another.
#[derive(Debug)]
pub(crate) struct Kept {
    /// The type of what is kept.
    pub(crate) ty: Ty,
    how: How,
}

#[derive(Debug)]
enum How {
    /// Per member that is kept or has a part that is: its index in the old type.
    Product(Vec<(usize, Part)>),
    /// Per case that has such a part: its index in the old type.
    Variant(Vec<(usize, Kept)>),
    Option(Box<Kept>),
    /// Of a value that becomes an Option of itself.
    IntoOption(Box<Kept>),
    Map(Box<Kept>),
    Secret(Box<Kept>),
}

#[derive(Debug)]
enum Part {
    /// The field is left out.
    Whole,
    /// The field stays, and something in it is kept.
    Of(Kept),
}

/// Where `down` finds what was kept aside: a variable of the type `Option(Kept)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'k> {
    pub(super) kept: &'k Kept,
    pub(super) level: usize,
}

/// Returns what is kept aside of values on their way from the old type to the new one: the fields that
/// `edits` drop. `None`: nothing is.
pub(crate) fn kept(from: &Ty, to: &Ty, edits: &Edits) -> Option<Kept> {
    if from == to {
        return None;
    }
    match (from.kind(), to.kind()) {
        (Kind::Secret(item), Kind::Secret(to_item)) => {
            let inner = kept(item, to_item, edits)?;
            Some(Kept { ty: inner.ty.clone().sealed().ok()?, how: How::Secret(Box::new(inner)) })
        }
        (Kind::Option(item), Kind::Option(to_item)) if nests(item) == nests(to_item) => {
            let inner = kept(item, to_item, edits)?;
            Some(Kept { ty: Ty::option(inner.ty.clone()).ok()?, how: How::Option(Box::new(inner)) })
        }
        (Kind::Option(_) | Kind::Secret(_), _) | (_, Kind::Secret(_)) => None,
        (_, Kind::Option(to_item)) => {
            let inner = kept(from, to_item, edits)?;
            Some(Kept { ty: inner.ty.clone(), how: How::IntoOption(Box::new(inner)) })
        }
        (Kind::Map { key, value }, Kind::Map { key: to_key, value: to_value }) if key == to_key => {
            let inner = kept(value, to_value, edits)?;
            let ty = Ty::new(Kind::Map { key: key.clone(), value: inner.ty.clone() }).ok()?;
            Some(Kept { ty, how: How::Map(Box::new(inner)) })
        }
        (Kind::Tuple(items), Kind::Tuple(to_items)) if items.len() == to_items.len() => {
            let parts = items.iter().zip(to_items).enumerate().filter_map(|(index, (item, to_item))| {
                Some((index, format!("item{index}"), kept(item, to_item, edits)?))
            });
            product(parts.map(|(index, label, part)| (index, label, part.ty.clone(), Part::Of(part))))
        }
        (Kind::Record(record), Kind::Record(to_record)) => {
            let parts = record.fields.iter().enumerate().filter_map(|(index, field)| {
                let part = match to_record.index(edits.after(from, to, &field.label)) {
                    Some(new) => Part::Of(kept(&field.ty, &to_record.fields[new].ty, edits)?),
                    None => edits.dropped(from, &field.label).then_some(Part::Whole)?,
                };
                let ty = match &part {
                    Part::Whole => field.ty.clone(),
                    Part::Of(kept) => kept.ty.clone(),
                };
                Some((index, field.label.to_string(), ty, part))
            });
            product(parts)
        }
        (Kind::Variant(variant), Kind::Variant(to_variant)) => {
            let cases = variant.cases.iter().enumerate().filter_map(|(index, case)| {
                let new = to_variant.index(edits.after(from, to, &case.label))?;
                Some((index, kept(&case.payload, &to_variant.cases[new].payload, edits)?))
            });
            let cases: Vec<(usize, Kept)> = cases.collect();
            if cases.is_empty() {
                return None;
            }
            let of = |(ordinal, (index, kept)): (u32, &(usize, Kept))| Case {
                label: variant.cases[*index].label.clone(),
                ordinal,
                payload: kept.ty.clone(),
            };
            let ty = Ty::new(Kind::Variant(Variant { cases: (0..).zip(&cases).map(of).collect() })).ok()?;
            Some(Kept { ty: Ty::option(ty).ok()?, how: How::Variant(cases) })
        }
        _ => None,
    }
}

fn product(parts: impl Iterator<Item = (usize, String, Ty, Part)>) -> Option<Kept> {
    let mut fields = vec![];
    let mut kept = vec![];
    for (ordinal, (index, label, ty, part)) in (0u32..).zip(parts) {
        fields.push(Field { label: label.into(), ordinal, ty, default: None });
        kept.push((index, part));
    }
    let declared = (0..fields.len()).filter_map(|index| u16::try_from(index).ok()).collect();
    if fields.is_empty() {
        return None;
    }
    Some(Kept { ty: Ty::new(Kind::Record(Record { fields, declared })).ok()?, how: How::Product(kept) })
}

/// Adds the function `State -> Kept`.
pub(crate) fn keep_arrow(builder: &mut ModuleBuilder, from: &Ty, kept: &Kept) -> FuncIx {
    let mut ops = vec![Op::Acc { level: 0 }];
    take(builder, from, kept, 1, &mut ops);
    builder.function("keep", std::slice::from_ref(from), &kept.ty, Block(ops))
}

/// Adds the function `(State', Option(Kept)) -> State`.
pub(crate) fn down_arrow(
    builder: &mut ModuleBuilder,
    from: &Ty,
    to: &Ty,
    kept: &Kept,
    takes: &Ty,
    edits: &Edits,
) -> FuncIx {
    let mut ops = vec![
        Op::Acc { level: 0 },
        Op::Fld { index: 1 },
        Op::Let {},
        Op::Acc { level: 0 },
        Op::Fld { index: 0 },
    ];
    if write(builder, from, to, edits, Some(At { kept, level: 1 }), 2, &mut ops).is_ok() {
        ops.push(Op::Unlet { count: 1 });
    }
    builder.function("down", std::slice::from_ref(takes), to, Block(ops))
}

/// Writes the code that takes the value register from an old value to what is kept of it.
fn take(builder: &mut ModuleBuilder, from: &Ty, kept: &Kept, level: usize, ops: &mut Vec<Op>) {
    let some = |builder: &mut ModuleBuilder, ty: &Ty| Op::Inj { ty: builder.ty(ty), case: Value::SOME_INDEX };
    match (&kept.how, from.kind()) {
        (How::Secret(inner), Kind::Secret(item)) => {
            ops.push(Op::Reveal {});
            take(builder, item, inner, level, ops);
            ops.push(Op::Seal {});
        }
        (How::IntoOption(inner), _) => take(builder, from, inner, level, ops),
        (How::Option(inner), Kind::Option(item)) => {
            let none = Block(vec![quote_none(builder, &kept.ty)]);
            let mut inside = vec![];
            take(builder, item, inner, level, &mut inside);
            inside.push(some(builder, &kept.ty));
            ops.push(Op::Case { blocks: vec![none, Block(inside)] });
        }
        (How::Map(inner), Kind::Map { value, .. }) => {
            let mut body = vec![Op::Acc { level: count(level + 1) }];
            take(builder, value, inner, level + 2, &mut body);
            ops.push(Op::Map { ty: builder.ty(&kept.ty), body: Block(body) });
        }
        (How::Product(parts), Kind::Record(_) | Kind::Tuple(_)) => {
            ops.push(Op::Let {});
            for (position, (index, part)) in parts.iter().enumerate() {
                if position > 0 {
                    ops.push(Op::Push {});
                }
                ops.extend([Op::Acc { level: count(level) }, Op::Fld { index: count(*index) }]);
                if let Part::Of(part) = part {
                    take(builder, member(from, *index), part, level + 1, ops);
                }
            }
            ops.extend([Op::Rec { ty: builder.ty(&kept.ty) }, Op::Unlet { count: 1 }]);
        }
        (How::Variant(cases), Kind::Variant(variant)) => {
            let chosen = option_item(&kept.ty);
            let block = |builder: &mut ModuleBuilder, (index, case): (usize, &Case)| {
                let Some((at, (_, part))) = (0u32..).zip(cases).find(|(_, (of, _))| *of == index) else {
                    return Block(vec![quote_none(builder, &kept.ty)]);
                };
                let mut ops = vec![];
                take(builder, &case.payload, part, level, &mut ops);
                ops.push(Op::Inj { ty: builder.ty(chosen), case: at });
                ops.push(Op::Inj { ty: builder.ty(&kept.ty), case: Value::SOME_INDEX });
                Block(ops)
            };
            let blocks = variant.cases.iter().enumerate().map(|case| block(builder, case)).collect();
            ops.push(Op::Case { blocks });
        }
        _ => unreachable!("what is kept was found along this type"),
    }
}

impl<'k> At<'k> {
    /// Returns what is kept of a value within an Option, on the way back to an Option, as code that
    /// leaves `Option(Kept)`.
    pub(super) fn in_option(self, builder: &mut ModuleBuilder) -> Option<(&'k Kept, Vec<Op>)> {
        let How::Option(inner) = &self.kept.how else { return None };
        let none = quote_none(builder, &self.kept.ty);
        Some((inner, self.look(vec![none], vec![])))
    }

    /// Returns where something is kept of a value that became an Option of itself.
    pub(super) fn out_of_option(self) -> Option<At<'k>> {
        let How::IntoOption(kept) = &self.kept.how else { return None };
        Some(At { kept, level: self.level })
    }

    /// Returns what is kept of the values of a map. The code finds the key at the level given.
    pub(super) fn in_map(self, builder: &mut ModuleBuilder, key: usize) -> Option<(&'k Kept, Vec<Op>)> {
        let How::Map(inner) = &self.kept.how else { return None };
        let ty = Ty::option(inner.ty.clone()).expect("GET makes it");
        let none = quote_none(builder, &ty);
        Some((inner, self.look(vec![none], vec![Op::Push {}, Op::Acc { level: count(key) }, Op::Get {}])))
    }

    /// Returns what is kept of a member of a tuple or record that stays.
    pub(super) fn in_member(self, builder: &mut ModuleBuilder, index: usize) -> Option<(&'k Kept, Vec<Op>)> {
        let How::Product(parts) = &self.kept.how else { return None };
        let (at, part) = (0u32..).zip(parts).find_map(|(at, (of, part))| match part {
            Part::Of(part) if *of == index => Some((at, part)),
            _ => None,
        })?;
        let ty = Ty::option(part.ty.clone()).ok()?;
        let none = quote_none(builder, &ty);
        let some = Op::Inj { ty: builder.ty(&ty), case: Value::SOME_INDEX };
        Some((part, self.look(vec![none], vec![Op::Fld { index: at }, some])))
    }

    /// Returns the code that leaves a field which was left out: what was kept, or its default.
    pub(super) fn whole(
        self,
        builder: &mut ModuleBuilder,
        (to, field, index): (&Ty, &Field, usize),
        edits: &Edits,
    ) -> Option<Vec<Op>> {
        let How::Product(parts) = &self.kept.how else { return None };
        let (at, _) =
            (0u32..).zip(parts).find(|(_, (of, part))| *of == index && matches!(part, Part::Whole))?;
        let mut none = vec![];
        match missing_field(to, field, edits) {
            Some(value) => none.push(Op::Quote { constant: builder.constant(&field.ty, value) }),
            None => {
                let why =
                    format!("nothing was kept aside for the field {}, and it has no default", field.label);
                let _ = fail(builder, &why, &mut none);
            }
        }
        Some(self.look(none, vec![Op::Fld { index: at }]))
    }

    /// Returns what is kept of what a case holds.
    pub(super) fn in_case(self, builder: &mut ModuleBuilder, index: usize) -> Option<(&'k Kept, Vec<Op>)> {
        let How::Variant(cases) = &self.kept.how else { return None };
        let (at, (_, part)) = (0usize..).zip(cases).find(|(_, (of, _))| *of == index)?;
        let ty = Ty::option(part.ty.clone()).ok()?;
        let none = quote_none(builder, &ty);
        let some = Op::Inj { ty: builder.ty(&ty), case: Value::SOME_INDEX };
        let blocks =
            (0..cases.len()).map(|case| Block(vec![if case == at { some.clone() } else { none.clone() }]));
        let case = Op::Case { blocks: blocks.collect() };
        let known = Op::Case { blocks: vec![Block(vec![none.clone()]), Block(vec![case])] };
        Some((part, self.look(vec![none], vec![known])))
    }

    /// Returns what is kept of a secret.
    pub(super) fn in_secret(self, builder: &mut ModuleBuilder) -> Option<(&'k Kept, Vec<Op>)> {
        let How::Secret(inner) = &self.kept.how else { return None };
        let ty = Ty::option(inner.ty.clone()).ok()?;
        let none = quote_none(builder, &ty);
        let some = Op::Inj { ty: builder.ty(&ty), case: Value::SOME_INDEX };
        Some((inner, self.look(vec![none], vec![Op::Reveal {}, some])))
    }

    /// Returns the code that looks whether anything is kept.
    fn look(self, none: Vec<Op>, some: Vec<Op>) -> Vec<Op> {
        vec![Op::Acc { level: count(self.level) }, Op::Case { blocks: vec![Block(none), Block(some)] }]
    }
}

fn member(ty: &Ty, index: usize) -> &Ty {
    match ty.kind() {
        Kind::Record(record) => &record.fields[index].ty,
        Kind::Tuple(items) => &items[index],
        _ => unreachable!("it was found along a product"),
    }
}

fn option_item(ty: &Ty) -> &Ty {
    match ty.kind() {
        Kind::Option(item) => item,
        _ => unreachable!("what is kept of a variant is an Option"),
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).expect("types have at most MEMBERS_MAX members, and nest at most DEPTH_MAX deep")
}
