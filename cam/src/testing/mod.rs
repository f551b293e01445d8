//! Generators of types, values and whole programs, for property tests here and (feature `testing`)
//! elsewhere; and what fuzzing looks at.

pub mod choices;
pub mod fuzz;
pub mod program;

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::ty::{Case, Field, Kind, Record, Ty, Variant};
use crate::value::Value;

/// Any type, a few levels deep; records and variants with gaps in their ordinals.
pub fn any_ty() -> BoxedStrategy<Ty> {
    let leaf = prop_oneof![Just(Ty::unit()), key_leaf()];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|item| ty(Kind::Option(item))),
            inner.clone().prop_map(|item| item.sealed().expect("the generators build well-formed types")),
            (inner.clone(), proptest::option::of(0..6u32))
                .prop_map(|(item, max)| ty(Kind::List { item, max })),
            (any_key_ty(), inner.clone()).prop_map(|(key, value)| ty(Kind::Map { key, value })),
            vec(inner.clone(), 2..4).prop_map(|items| ty(Kind::Tuple(items))),
            any_record(inner.clone()),
            any_variant(inner),
        ]
    })
    .boxed()
}

/// Any type that a map may have as key.
pub fn any_key_ty() -> BoxedStrategy<Ty> {
    key_leaf()
        .prop_recursive(2, 6, 3, |inner| {
            prop_oneof![
                vec(inner, 2..4).prop_map(|items| ty(Kind::Tuple(items))),
                any_variant(Just(Ty::unit()).boxed()),
            ]
        })
        .boxed()
}

/// Any value of a type. Numbers, texts and lengths at the limits of the type are likely.
pub fn any_value(ty: &Ty) -> BoxedStrategy<Value> {
    match ty.kind() {
        Kind::Unit => Just(Value::Unit).boxed(),
        Kind::Secret(item) => any_value(item),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Int { lo, hi } => {
            let (lo, hi) = (*lo, *hi);
            let near_zero = prop_oneof![-9..9i64, Just(1 << 53), Just(-(1 << 53)), Just((1 << 53) - 1)];
            prop_oneof![lo..=hi, Just(lo), Just(hi), near_zero.prop_map(move |int| int.clamp(lo, hi))]
                .prop_map(Value::Int)
                .boxed()
        }
        Kind::Duration => any::<i64>().prop_map(Value::Int).boxed(),
        Kind::Text { max } => {
            let length = max.map_or(6, |max| max.min(6)) as usize;
            let scalar = prop_oneof![any::<char>(), proptest::char::range('a', 'c')];
            vec(scalar, 0..=length)
                .prop_map(|text| Value::text(&text.into_iter().collect::<String>()))
                .boxed()
        }
        Kind::Bytes { max } => {
            let length = max.map_or(6, |max| max.min(6)) as usize;
            vec(any::<u8>(), 0..=length).prop_map(|octets| Value::Bytes(octets.into())).boxed()
        }
        Kind::Option(item) => prop_oneof![Just(Value::none()), any_value(item).prop_map(Value::some)].boxed(),
        Kind::List { item, max } => {
            let length = max.map_or(4, |max| max.min(4)) as usize;
            vec(any_value(item), 0..=length).prop_map(Value::list).boxed()
        }
        Kind::Map { key, value } => {
            vec((any_value(key), any_value(value)), 0..=4).prop_map(Value::map).boxed()
        }
        Kind::Tuple(items) => {
            items.iter().map(any_value).collect::<Vec<_>>().prop_map(Value::product).boxed()
        }
        Kind::Record(record) => {
            let fields: Vec<_> = record.fields.iter().map(|field| any_value(&field.ty)).collect();
            fields.prop_map(Value::product).boxed()
        }
        Kind::Variant(variant) => {
            let payloads = variant.cases.iter().map(|case| any_value(&case.payload)).enumerate();
            let cases = payloads
                .map(|(index, payload)| payload.prop_map(move |payload| Value::sum(index, payload)).boxed());
            proptest::strategy::Union::new(cases).boxed()
        }
    }
}

/// Any type with one of its values.
pub fn any_typed_value() -> BoxedStrategy<(Ty, Value)> {
    any_ty().prop_flat_map(|ty| any_value(&ty).prop_map(move |value| (ty.clone(), value))).boxed()
}

/// Any type with two of its values, often equal or nearly so.
pub fn any_typed_pair() -> BoxedStrategy<(Ty, Value, Value)> {
    any_ty()
        .prop_flat_map(|ty| {
            let both = (any_value(&ty), any_value(&ty));
            prop_oneof![
                3 => both.clone(),
                1 => both.prop_map(|(value, _)| (value.clone(), value)),
            ]
            .prop_map(move |(left, right)| (ty.clone(), left, right))
        })
        .boxed()
}

fn ty(kind: Kind) -> Ty {
    Ty::new(kind).expect("the generators build well-formed types")
}

fn key_leaf() -> BoxedStrategy<Ty> {
    let max = || proptest::option::of(0..6u32);
    prop_oneof![
        Just(Ty::bool()),
        Just(Ty::int()),
        (any::<i64>(), any::<i64>()).prop_map(|(a, b)| ty(Kind::Int { lo: a.min(b), hi: a.max(b) })),
        (-9..=0i64, 0..9i64).prop_map(|(lo, hi)| ty(Kind::Int { lo, hi })),
        max().prop_map(|max| ty(Kind::Text { max })),
        max().prop_map(|max| ty(Kind::Bytes { max })),
        Just(Ty::duration()),
    ]
    .boxed()
}

/// Labels and rising ordinals with gaps.
fn members(count: usize) -> impl Strategy<Value = Vec<(Arc<str>, u32)>> {
    (vec(0..3u32, count), Just(["a", "b", "with_a_long_name", "d"]).prop_shuffle()).prop_map(
        |(gaps, labels)| {
            let mut ordinal = 0;
            let mut next = |gap: u32| {
                ordinal += gap + 1;
                ordinal
            };
            labels.iter().zip(gaps).map(|(label, gap)| ((*label).into(), next(gap))).collect()
        },
    )
}

fn any_record(inner: BoxedStrategy<Ty>) -> BoxedStrategy<Ty> {
    let field = inner.prop_flat_map(|ty| {
        let default = proptest::option::weighted(0.3, any_value(&ty));
        default.prop_map(move |default| (ty.clone(), default))
    });
    vec(field, 1..4)
        .prop_flat_map(|fields| {
            let declared: Vec<u16> = (0..).take(fields.len()).collect();
            (members(fields.len()), Just(declared).prop_shuffle(), Just(fields))
        })
        .prop_map(|(members, declared, fields)| {
            let field = |((label, ordinal), (ty, default))| Field { label, ordinal, ty, default };
            ty(Kind::Record(Record {
                fields: members.into_iter().zip(fields).map(field).collect(),
                declared,
            }))
        })
        .boxed()
}

fn any_variant(inner: BoxedStrategy<Ty>) -> BoxedStrategy<Ty> {
    vec(prop_oneof![Just(Ty::unit()), inner], 1..4)
        .prop_flat_map(|payloads| (members(payloads.len()), Just(payloads)))
        .prop_map(|(members, payloads)| {
            let case = |((label, ordinal), payload)| Case { label, ordinal, payload };
            ty(Kind::Variant(Variant { cases: members.into_iter().zip(payloads).map(case).collect() }))
        })
        .boxed()
}
