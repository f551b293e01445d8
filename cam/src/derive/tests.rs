//! Derived conversions of random types: they verify, do what the judgement says, and agree with
//! the evaluator's own reading of it.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Edits, Effect, arrow, judge};
use crate::code::{Edge, Entry, ModuleBuilder};
use crate::digest::Digest;
use crate::evaluate;
use crate::run::{self, EdgeArrow, Limits, Trap};
use crate::testing::{any_ty, any_value};
use crate::ty::{Case, Field, Kind, Record, Ty, Variant};
use crate::value::Value;
use crate::verify::{Verified, VerifiedEdge, verify};

/// Changes a type a little, as the next version of a program might: `dice` says where and how.
fn changed(ty: &Ty, dice: &mut impl Iterator<Item = u8>) -> Ty {
    let roll = dice.next().unwrap_or(0);
    if roll % 16 == 6 {
        return ty.clone().sealed().unwrap_or_else(|_| ty.clone());
    }
    if roll % 8 == 7 {
        return Ty::option(ty.clone()).unwrap_or_else(|_| ty.clone());
    }
    let kind = match ty.kind() {
        Kind::Int { .. } if roll % 4 == 1 => Kind::Int { lo: i64::MIN, hi: i64::MAX },
        Kind::Int { .. } if roll % 4 == 2 => Kind::Int { lo: -3, hi: 3 },
        Kind::Text { .. } if roll % 4 == 1 => Kind::Text { max: None },
        Kind::Text { .. } if roll % 4 == 2 => Kind::Text { max: Some(2) },
        Kind::Text { .. } if roll % 4 == 3 => Kind::Bytes { max: (roll % 8 == 3).then_some(9) },
        Kind::Bytes { .. } if roll % 4 == 1 => Kind::Text { max: (roll % 8 == 1).then_some(9) },
        Kind::Record(_) if roll % 16 == 3 => Kind::Unit,
        Kind::Option(item) | Kind::Secret(item) if roll % 4 == 1 => return item.clone(),
        Kind::Secret(item) => Kind::Secret(changed(item.unsealed(), dice).unsealed().clone()),
        Kind::Option(item) => Kind::Option(changed(item, dice)),
        Kind::List { item, max } => {
            let max = if roll % 4 == 1 { Some(2) } else { *max };
            Kind::List { item: changed(item, dice), max }
        }
        Kind::Map { key, value } => {
            let key = match key.kind() {
                Kind::Int { .. } if roll % 4 == 1 => Ty::int(),
                Kind::Text { .. } if roll % 4 == 1 => Ty::text(),
                _ => key.clone(),
            };
            Kind::Map { key, value: changed(value, dice) }
        }
        Kind::Tuple(items) => Kind::Tuple(items.iter().map(|item| changed(item, dice)).collect()),
        Kind::Record(record) => {
            let mut fields: Vec<Field> = record.fields.clone();
            if roll % 4 == 1 && fields.len() > 1 {
                fields.remove(usize::from(roll / 4) % fields.len());
            }
            if roll % 4 == 2 {
                let ordinal = fields.last().map_or(0, |field| field.ordinal + 1);
                let default = Some(Value::Bool(true));
                fields.push(Field {
                    label: format!("new{ordinal}").into(),
                    ordinal,
                    ty: Ty::bool(),
                    default,
                });
            }
            for field in &mut fields {
                let ty = changed(&field.ty, dice);
                if ty != field.ty {
                    *field = Field { ty, default: None, ..field.clone() };
                }
            }
            let declared = (0..fields.len()).rev().filter_map(|index| u16::try_from(index).ok()).collect();
            Kind::Record(Record { fields, declared })
        }
        Kind::Variant(variant) => {
            let mut cases: Vec<Case> = variant.cases.clone();
            if roll % 4 == 1 && cases.len() > 1 {
                cases.remove(usize::from(roll / 4) % cases.len());
            }
            if roll % 4 == 2 {
                let ordinal = cases.last().map_or(0, |case| case.ordinal + 1);
                cases.push(Case { label: format!("New{ordinal}").into(), ordinal, payload: Ty::int() });
            }
            for case in &mut cases {
                case.payload = changed(&case.payload, dice);
            }
            Kind::Variant(Variant { cases })
        }
        kind => kind.clone(),
    };
    Ty::new(kind).unwrap_or_else(|_| ty.clone())
}

/// Builds an edge whose arrows all convert between the two types.
fn edge(from: &Ty, to: &Ty) -> VerifiedEdge {
    let none = Edits::default();
    let mut builder = ModuleBuilder::new("test");
    let forth = arrow(&mut builder, "forth", from, to, &none);
    let back = arrow(&mut builder, "back", to, from, &none);
    let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
    let entry = Edge {
        from: one,
        to: other,
        up: forth,
        down: back,
        lift: forth,
        unlift: back,
        lower: back,
        raise: forth,
        channels: Vec::new(),
        keep: None,
    };
    let module = crate::compile::finish(builder, Entry::Edge(entry));
    match verify(module) {
        Ok(Verified::Edge(edge)) => edge,
        other => panic!("{from} ~> {to}: {other:?}"),
    }
}

/// Two versions of a type, and values of the first.
fn versions() -> impl Strategy<Value = (Ty, Ty, Vec<Value>)> {
    (any_ty(), any_ty(), proptest::collection::vec(any::<u8>(), 0..24)).prop_flat_map(|(ty, other, dice)| {
        // Once in a while two types that have nothing to do with each other.
        let related = dice.first().is_none_or(|first| first % 8 != 0);
        let to = if related { changed(&ty, &mut dice.into_iter()) } else { other };
        let values = proptest::collection::vec(any_value(&ty), 1..6);
        (Just(ty), Just(to), values)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_derived_conversion_does_what_the_judgement_says((from, to, values) in versions()) {
        let none = Edits::default();
        let verdict = judge(&from, &to, &none, "T");
        let edge = edge(&from, &to);
        for value in values {
            let ran = run::edge_arrow(&edge, EdgeArrow::Up, &value, Limits::MIGRATION);
            let said = evaluate::convert(&value, &from, &to, &none);
            match (&ran, &said) {
                (Ok(ran), Ok(said)) => {
                    prop_assert_eq!(ran, said);
                    prop_assert!(ran.has_type(&to));
                    let back = judge(&to, &from, &none, "T");
                    if verdict.is_lossless() && back.worst() != Some(Effect::Open) {
                        // Nothing is lost, so the way back leads to where it began; from a secret
                        // there is none.
                        let back = run::edge_arrow(&edge, EdgeArrow::Down, ran, Limits::MIGRATION);
                        prop_assert_eq!(back.as_ref(), Ok(&value), "{} ~> {}", from, to);
                    }
                }
                (Err(Trap::Fail(_) | Trap::Range), Err(Trap::Fail(_) | Trap::Range)) => {
                    prop_assert!(!verdict.is_total(), "{} ~> {} is judged total", from, to);
                }
                // Code that fails for every item of a list fails before it looks at one.
                (Err(Trap::Fail(_)), Ok(_)) => {
                    prop_assert!(verdict.worst() == Some(Effect::Open), "{} ~> {}: {:?}", from, to, ran);
                }
                _ => prop_assert!(false, "{} ~> {}: {:?} and {:?}", from, to, ran, said),
            }
        }
    }
}

#[test]
fn what_is_public_becomes_secret_and_never_the_other_way() {
    let (text, secret) = (Ty::text(), Ty::text().sealed().expect("a secret"));
    let judged = |from: &Ty, to: &Ty| {
        let verdict = judge(from, to, &Edits::default(), "State");
        (verdict.is_lossless(), verdict.problems().next().map(ToString::to_string))
    };
    let refused = "State: secret Text does not become public by itself";
    assert_eq!(judged(&text, &secret), (true, None));
    assert_eq!(judged(&secret, &text), (false, Some(refused.to_owned())));
    let option = |item: &Ty| Ty::option(item.clone()).expect("an option");
    assert_eq!(judged(&text, &option(&secret)), (true, None));
    assert_eq!(judged(&secret, &option(&secret)), (true, None));
    assert_eq!(judged(&option(&secret), &option(&text)), (false, Some(refused.to_owned())));
    // Which of two Options a `None` would be of is not for the tool to say.
    let hidden = option(&secret).sealed().expect("a secret");
    let nested = judge(&hidden, &option(&secret), &Edits::default(), "State");
    assert_eq!(nested.worst(), Some(Effect::Open));

    let edge = edge(&text, &secret);
    assert_eq!(edge.traps_of_up(), [], "becoming secret cannot fail");
    let value = Value::text("x");
    assert_eq!(run::edge_arrow(&edge, EdgeArrow::Up, &value, Limits::MIGRATION), Ok(value.clone()));
    let why = Trap::Fail("secret Text does not become public by itself".into());
    assert_eq!(run::edge_arrow(&edge, EdgeArrow::Down, &value, Limits::MIGRATION), Err(why));
}

#[test]
fn a_conversion_within_limits_cannot_trap() {
    let list = |item: Ty, max| Ty::new(Kind::List { item, max }).expect("a list");
    let narrow = Ty::new(Kind::Int { lo: 0, hi: 9 }).expect("a range");
    let edge = edge(&list(narrow, Some(3)), &list(Ty::int(), Some(3)));
    let traps = edge.traps_of_up();
    assert!(!traps.contains(&crate::verify::TrapKind::Range), "{traps:?}");
}

#[test]
fn nothing_follows_a_case_whose_branches_all_fail() {
    let variant = |label: &str, payload: Ty| {
        let cases = vec![Case { label: Arc::from(label), ordinal: 0, payload }];
        Ty::new(Kind::Variant(Variant { cases })).expect("a variant")
    };
    let from = variant("Outer", variant("Inner", Ty::text()));
    let to = variant("Outer", variant("Inner", Ty::int()));
    let edge = edge(&from, &to);
    let value = Value::sum(0, Value::sum(0, Value::text("x")));
    let ran = run::edge_arrow(&edge, EdgeArrow::Up, &value, Limits::STEP);
    assert_eq!(ran, Err(Trap::Fail("Text does not become Int".into())));
}

mod chain;
mod compare;
mod fuse;
mod keep;
mod rules;
mod stays;
