//! What `up` leaves out is kept aside, and `down` puts it back.

use std::sync::Arc;

use proptest::prelude::*;

use super::versions;
use crate::code::{Edge, Entry, ModuleBuilder};
use crate::derive::{Edits, Effect, Way, arrow, down_arrow, judge_state, keep_arrow, kept};
use crate::digest::Digest;
use crate::run::{self, EdgeArrow, Limits, Trap};
use crate::ty::{Case, Field, Kind, Record, Ty, Variant};
use crate::value::Value;
use crate::verify::{Verified, VerifiedEdge, taken_by_down, verify};

/// Says that every field may be dropped.
pub(super) fn everything_may_go(ty: &Ty, edits: &mut Edits) {
    match ty.kind() {
        Kind::Option(item) | Kind::Secret(item) | Kind::List { item, .. } => everything_may_go(item, edits),
        Kind::Map { value, .. } => everything_may_go(value, edits),
        Kind::Tuple(items) => items.iter().for_each(|item| everything_may_go(item, edits)),
        Kind::Record(record) => {
            for field in &record.fields {
                edits.drops.push((ty.clone(), field.label.clone(), None));
                everything_may_go(&field.ty, edits);
            }
        }
        Kind::Variant(variant) => {
            variant.cases.iter().for_each(|case| everything_may_go(&case.payload, edits));
        }
        _ => {}
    }
}

/// Builds an edge of states between the two types; the other arrows are of `()`.
fn edge(from: &Ty, to: &Ty, edits: &Edits) -> Option<VerifiedEdge> {
    let kept = kept(from, to, edits)?;
    let takes = taken_by_down(to, &kept.ty).ok()?;
    let mut builder = ModuleBuilder::new("test");
    let up = arrow(&mut builder, "up", from, to, edits);
    let down = down_arrow(&mut builder, to, from, &kept, &takes, &edits.reversed());
    let keep = Some(keep_arrow(&mut builder, from, &kept));
    let none = arrow(&mut builder, "none", &Ty::unit(), &Ty::unit(), &Edits::default());
    let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
    let entry = Edge {
        from: one,
        to: other,
        up,
        down,
        lift: none,
        unlift: none,
        lower: none,
        raise: none,
        channels: vec![],
        keep,
    };
    match verify(crate::compile::finish(builder, Entry::Edge(entry))) {
        Ok(Verified::Edge(edge)) => Some(edge),
        other => panic!("{from} ~> {to}: {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_kept_aside_leads_back_to_where_it_began((from, to, values) in versions()) {
        let mut edits = Edits::default();
        everything_may_go(&from, &mut edits);
        let Some(edge) = edge(&from, &to, &edits) else { return Ok(()) };
        let forth = judge_state(Way::Forth, &from, &to, &edits);
        let back = judge_state(Way::Back, &to, &from, &edits.reversed());
        prop_assert!(back.changes.iter().any(|change| change.effect == Effect::Kept));
        let exact = forth.is_lossless() && forth.unkept.is_empty() && !back.problems().any(|problem| problem.effect == Effect::Open);
        for value in values {
            let Ok(up) = run::edge_arrow(&edge, EdgeArrow::Up, &value, Limits::MIGRATION) else { continue };
            let kept = run::edge_keep(&edge, &value, Limits::MIGRATION).expect("what goes up is kept");
            let down = run::edge_down(&edge, &up, kept.as_ref(), Limits::MIGRATION);
            if exact {
                prop_assert_eq!(down.as_ref(), Ok(&value), "{} ~> {}", from, to);
            }
            // Born later: defaults stand in, or there is no way back.
            match run::edge_down(&edge, &up, None, Limits::MIGRATION) {
                Ok(down) => prop_assert!(down.has_type(&from)),
                Err(trap) => prop_assert!(matches!(trap, Trap::Fail(_) | Trap::Range), "{:?}", trap),
            }
        }
    }
}

fn record(fields: &[(&str, Ty)]) -> Ty {
    let field = |(ordinal, (label, ty)): (u32, &(&str, Ty))| Field {
        label: Arc::from(*label),
        ordinal,
        ty: ty.clone(),
        default: None,
    };
    let fields: Vec<Field> = (0..).zip(fields).map(field).collect();
    let declared = (0..fields.len()).filter_map(|index| u16::try_from(index).ok()).collect();
    Ty::new(Kind::Record(Record { fields, declared })).expect("a record")
}

fn dropping(ty: &Ty, label: &str, other: Option<Value>) -> Edits {
    Edits { drops: vec![(ty.clone(), label.into(), other)], ..Edits::default() }
}

/// A map whose entries lose a field, with an entry that goes, one that comes and one that changes.
#[test]
fn below_a_map_each_key_has_its_own() {
    let map = |value: &Ty| Ty::new(Kind::Map { key: Ty::text(), value: value.clone() }).expect("a map");
    let old = record(&[("count", Ty::int()), ("note", Ty::text())]);
    let new = record(&[("count", Ty::int())]);
    let (from, to) = (map(&old), map(&new));
    let entry = |key: &str, value: Value| (Value::text(key), value);
    let noted = |count, note| Value::product(vec![Value::Int(count), Value::text(note)]);
    let plain = |count| Value::product(vec![Value::Int(count)]);
    let before = Value::map(vec![entry("a", noted(1, "one")), entry("b", noted(2, "two"))]);
    let after = Value::map(vec![entry("b", plain(20)), entry("c", plain(3))]);
    let down = |other: Option<Value>| {
        let edge = edge(&from, &to, &dropping(&old, "note", other)).expect("something is kept");
        let kept = run::edge_keep(&edge, &before, Limits::STEP).expect("it is kept");
        run::edge_down(&edge, &after, kept.as_ref(), Limits::STEP)
    };
    let expected = Value::map(vec![entry("b", noted(20, "two")), entry("c", noted(3, "new"))]);
    assert_eq!(down(Some(Value::text("new"))), Ok(expected));
    let why = "nothing was kept aside for the field note, and it has no default";
    assert_eq!(down(None), Err(Trap::Fail(why.into())));
}

/// What was kept of one case is not put into another.
#[test]
fn another_case_has_nothing_kept_aside() {
    let old = record(&[("by", Ty::text()), ("why", Ty::text())]);
    let new = record(&[("by", Ty::text())]);
    let variant = |payload: &Ty| {
        let case = |(ordinal, label): (u32, &str), payload: &Ty| Case {
            label: label.into(),
            ordinal,
            payload: payload.clone(),
        };
        let cases =
            vec![case((0, "Open"), payload), case((1, "Shut"), payload), case((2, "Gone"), &Ty::unit())];
        Ty::new(Kind::Variant(Variant { cases })).expect("a variant")
    };
    let (from, to) = (variant(&old), variant(&new));
    let edge = edge(&from, &to, &dropping(&old, "why", Some(Value::text("-")))).expect("something is kept");
    let of =
        |case, parts: &[&str]| Value::sum(case, Value::product(parts.iter().map(|part| Value::text(part))));
    let kept = run::edge_keep(&edge, &of(0, &["ann", "late"]), Limits::STEP).expect("it is kept");
    let down = |value: &Value| run::edge_down(&edge, value, kept.as_ref(), Limits::STEP);
    assert_eq!(down(&of(0, &["bob"])), Ok(of(0, &["bob", "late"])));
    assert_eq!(down(&of(1, &["bob"])), Ok(of(1, &["bob", "-"])));
    assert_eq!(down(&Value::sum(2, Value::Unit)), Ok(Value::sum(2, Value::Unit)));
}

#[test]
fn below_a_list_nothing_is_kept_aside() {
    let list = |item: &Ty| Ty::list(item.clone()).expect("a list");
    let old = record(&[("count", Ty::int()), ("note", Ty::text())]);
    let new = record(&[("count", Ty::int())]);
    let (from, to) = (list(&old), list(&new));
    let said = |other: Option<Value>| {
        let edits = dropping(&old, "note", other);
        assert!(kept(&from, &to, &edits).is_none());
        let back = judge_state(Way::Back, &to, &from, &edits.reversed());
        back.changes.iter().map(|change| (change.to_string(), change.effect)).collect::<Vec<_>>()
    };
    let open = "State[..].note: was dropped where nothing can be kept aside";
    assert_eq!(said(None), [(open.to_owned(), Effect::Open)]);
    let lost = "State[..].note: is \"-\" again, whatever it was: nothing can be kept aside here";
    assert_eq!(said(Some(Value::text("-"))), [(lost.to_owned(), Effect::Lost)]);
}
