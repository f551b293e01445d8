//! Zero-touch: what is judged to stay as it is stays, in memory and in its bytes, and an edge is known
//! for it by its code.

use proptest::prelude::*;

use super::super::stays::stays;
use super::super::{Edits, Effect, arrow, judge};
use super::{changed, edge, versions};
use crate::code::build::ModuleBuilder;
use crate::code::{Block, Edge, Entry, Op};
use crate::digest::Digest;
use crate::run::{self, EdgeArrow, Limits};
use crate::testing::{any_ty, any_value};
use crate::ty::{Case, Field, Kind, Record, Ty, Variant};
use crate::value::Value;
use crate::verify::{Verified, VerifiedEdge, verify};

/// Changes a type in ways that leave values as they are.
fn stretched(ty: &Ty, dice: &mut impl Iterator<Item = u8>) -> Ty {
    let roll = dice.next().unwrap_or(0);
    if roll % 8 == 7 {
        return ty.clone().sealed().unwrap_or_else(|_| ty.clone());
    }
    let does = roll % 2 == 1;
    let kind = match ty.kind() {
        Kind::Int { .. } if does => Kind::Int { lo: i64::MIN, hi: i64::MAX },
        Kind::Text { .. } if does => Kind::Text { max: None },
        Kind::Bytes { .. } if does => Kind::Bytes { max: None },
        Kind::Option(item) => Kind::Option(stretched(item, dice)),
        Kind::List { item, max } => {
            Kind::List { item: stretched(item, dice), max: if does { None } else { *max } }
        }
        Kind::Map { key, value } => Kind::Map { key: key.clone(), value: stretched(value, dice) },
        Kind::Tuple(items) => Kind::Tuple(items.iter().map(|item| stretched(item, dice)).collect()),
        Kind::Record(record) => {
            let mut fields = record.fields.clone();
            for field in &mut fields {
                let ty = stretched(&field.ty, dice);
                if ty != field.ty {
                    *field = Field { ty, default: None, ..field.clone() };
                }
            }
            if does {
                fields[0].label = "renamed".into();
            }
            Kind::Record(Record { fields, declared: record.declared.clone() })
        }
        Kind::Variant(variant) => {
            let mut cases = variant.cases.clone();
            for case in &mut cases {
                case.payload = stretched(&case.payload, dice);
            }
            if roll % 4 == 1 {
                cases[0].label = "Renamed".into();
            }
            if does {
                let ordinal = cases.last().map_or(0, |case| case.ordinal + 1);
                cases.push(Case { label: "Last".into(), ordinal, payload: Ty::int() });
            }
            Kind::Variant(Variant { cases })
        }
        kind => kind.clone(),
    };
    Ty::new(kind).unwrap_or_else(|_| ty.clone())
}

fn stretches() -> impl Strategy<Value = (Ty, Ty, Vec<Value>)> {
    (any_ty(), proptest::collection::vec(any::<u8>(), 0..24)).prop_flat_map(|(ty, dice)| {
        let to = stretched(&ty, &mut dice.into_iter());
        let values = proptest::collection::vec(any_value(&ty), 1..6);
        (Just(ty), Just(to), values)
    })
}

/// Builds an edge with this `up`; its other arrows do not matter.
fn edge_with(from: &Ty, to: &Ty, edits: &Edits) -> VerifiedEdge {
    let mut builder = ModuleBuilder::new("test");
    let forth = arrow(&mut builder, "forth", from, to, edits);
    let back = arrow(&mut builder, "back", to, from, &edits.reversed());
    finished(builder, forth, back)
}

fn finished(builder: ModuleBuilder, up: crate::code::FuncIx, down: crate::code::FuncIx) -> VerifiedEdge {
    let (from, to) = (Digest::of(b"one"), Digest::of(b"other"));
    let (lift, unlift, lower, raise, channels, keep) = (up, down, down, up, vec![], None);
    let entry = Edge { from, to, up, down, lift, unlift, lower, raise, channels, keep };
    match verify(crate::compile::finish(builder, Entry::Edge(entry))) {
        Ok(Verified::Edge(edge)) => edge,
        other => panic!("{other:?}"),
    }
}

/// Old values, as they are, are new ones: in memory, in bytes, and as `up` has them.
fn check_untouched(from: &Ty, to: &Ty, edge: &VerifiedEdge, values: &[Value]) -> Result<(), TestCaseError> {
    for value in values {
        let bytes = value.to_binary(from);
        prop_assert!(value.has_type(to), "{} ~> {}: {:?}", from, to, value);
        let read = Value::from_binary(&bytes, to);
        prop_assert_eq!(read.as_ref(), Ok(value), "{} ~> {}", from, to);
        prop_assert_eq!(&value.to_binary(to), &bytes, "{} ~> {}", from, to);
        let up = run::edge_arrow(edge, EdgeArrow::Up, value, Limits::MIGRATION);
        prop_assert_eq!(up.as_ref(), Ok(value), "{} ~> {}", from, to);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_judged_zero_touch_stays((from, to, values) in versions()) {
        let none = Edits::default();
        let edge = edge(&from, &to);
        let judged = judge(&from, &to, &none, "T").is_zero_touch();
        prop_assert_eq!(edge.is_zero_touch(), judged, "{} ~> {}", from, to);
        if judged {
            check_untouched(&from, &to, &edge, &values)?;
        }
    }

    #[test]
    fn what_only_grows_or_is_renamed_is_zero_touch((from, to, values) in stretches()) {
        let edits = stays(&from, &to);
        prop_assert!(edits.is_some(), "{} ~> {}", from, to);
        let edits = edits.unwrap_or_default();
        let verdict = judge(&from, &to, &edits, "T");
        prop_assert!(verdict.is_zero_touch(), "{} ~> {}: {:?}", from, to, verdict);
        let edge = edge_with(&from, &to, &edits);
        prop_assert!(edge.is_zero_touch(), "{} ~> {}", from, to);
        check_untouched(&from, &to, &edge, &values)?;
    }

    #[test]
    fn what_stays_by_its_places_stays_whatever_changed((ty, dice) in (any_ty(), proptest::collection::vec(any::<u8>(), 0..24))) {
        // Types that stay have values that stay, also where nobody judged them.
        let to = changed(&ty, &mut dice.into_iter());
        if let Some(edits) = stays(&ty, &to) {
            prop_assert!(judge(&ty, &to, &edits, "T").is_zero_touch(), "{} ~> {}", ty, to);
        }
    }
}

fn record(fields: &[(&str, u32)]) -> Ty {
    let field = |(label, ordinal): &(&str, u32)| Field {
        label: (*label).into(),
        ordinal: *ordinal,
        ty: Ty::int(),
        default: None,
    };
    let declared = (0u16..).take(fields.len()).collect();
    Ty::new(Kind::Record(Record { fields: fields.iter().map(field).collect(), declared })).expect("a record")
}

fn renamed(from: &Ty, to: &Ty, labels: &[(&str, &str)]) -> Edits {
    let rename = |(old, new): &(&str, &str)| (from.clone(), to.clone(), (*old).into(), (*new).into());
    Edits { renames: labels.iter().map(rename).collect(), ..Edits::default() }
}

#[test]
fn fields_that_change_places_beside_a_renamed_one_do_not_stay() {
    let from = record(&[("a", 0), ("b", 1), ("c", 2)]);
    let to = record(&[("x", 0), ("c", 1), ("b", 2)]);
    let edits = renamed(&from, &to, &[("a", "x")]);
    let verdict = judge(&from, &to, &edits, "T");
    assert_eq!(verdict.worst(), Some(Effect::Made), "{verdict:?}");
    let moves = edge_with(&from, &to, &edits);
    assert!(!moves.is_zero_touch());
    // The same two types, where each field has the name of the other now: then nothing moves.
    let edits = renamed(&from, &to, &[("a", "x"), ("b", "c"), ("c", "b")]);
    assert!(judge(&from, &to, &edits, "T").is_zero_touch());
    assert!(edge_with(&from, &to, &edits).is_zero_touch());
}

#[test]
fn what_a_person_wrote_is_not_believed() {
    let (narrow, wide) = (Ty::new(Kind::Int { lo: 0, hi: 9 }).expect("a range"), Ty::int());
    assert!(edge(&narrow, &wide).is_zero_touch());
    assert!(!edge(&wide, &narrow).is_zero_touch(), "not all of them are in the range");
    for (from, to) in [(&narrow, &wide), (&wide, &wide)] {
        let mut builder = ModuleBuilder::new("test");
        // The types fit, and it is always 7.
        let constant = builder.constant(to, Value::Int(7));
        let up = builder.function("up", std::slice::from_ref(from), to, Block(vec![Op::Quote { constant }]));
        let down = arrow(&mut builder, "down", to, from, &Edits::default());
        assert!(!finished(builder, up, down).is_zero_touch(), "{from} ~> {to}");
    }
    assert!(edge(&wide, &wide).is_zero_touch());
}

#[test]
fn a_field_more_or_other_ordinals_do_not_stay() {
    let two = record(&[("a", 0), ("b", 1)]);
    for other in [record(&[("a", 0), ("b", 1), ("c", 2)]), record(&[("a", 0), ("b", 2)]), record(&[("a", 0)])]
    {
        assert_eq!(stays(&two, &other), None, "{other}");
    }
    let case = |label: &str, ordinal| Case { label: label.into(), ordinal, payload: Ty::unit() };
    let variant =
        |cases: &[Case]| Ty::new(Kind::Variant(Variant { cases: cases.to_vec() })).expect("a variant");
    let one = variant(&[case("A", 1)]);
    assert_eq!(stays(&one, &variant(&[case("A", 2)])), None, "bytes hold the ordinal");
    assert_eq!(stays(&one, &variant(&[case("B", 0), case("A", 1)])), None, "memory holds the index");
    assert!(stays(&one, &variant(&[case("A", 1), case("B", 2)])).is_some());
    let secret = Ty::int().sealed().expect("a secret");
    assert!(stays(&Ty::int(), &secret).is_some());
    assert_eq!(stays(&secret, &Ty::int()), None, "a secret does not become public");
}
