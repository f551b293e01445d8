//! Edges one after another are one edge that does the same.

use proptest::prelude::*;

use super::changed;
use crate::code::{Edge, Entry, ModuleBuilder};
use crate::derive::{ChainError, Edits, arrow, chain, down_arrow, keep_arrow, kept};
use crate::digest::Digest;
use crate::run::{self, EdgeArrow, Limits, Trap};
use crate::testing::{any_ty, any_value};
use crate::ty::Ty;
use crate::value::Value;
use crate::verify::{VerifiedEdge, taken_by_down, verify};

/// Builds an edge of states with inputs and outputs of the same types.
fn edge(from: &Ty, to: &Ty, ends: (&str, &str)) -> VerifiedEdge {
    let mut edits = Edits::default();
    super::keep::everything_may_go(from, &mut edits);
    let back = edits.reversed();
    let mut builder = ModuleBuilder::new("test");
    let forth = arrow(&mut builder, "forth", from, to, &edits);
    let plain = arrow(&mut builder, "back", to, from, &back);
    let kept = kept(from, to, &edits).and_then(|kept| Some((taken_by_down(to, &kept.ty).ok()?, kept)));
    let (down, keep) = match &kept {
        None => (plain, None),
        Some((takes, kept)) => (
            down_arrow(&mut builder, to, from, kept, takes, &back),
            Some(keep_arrow(&mut builder, from, kept)),
        ),
    };
    let entry = Edge {
        from: Digest::of(ends.0.as_bytes()),
        to: Digest::of(ends.1.as_bytes()),
        up: forth,
        down,
        lift: forth,
        unlift: plain,
        lower: plain,
        raise: forth,
        channels: vec![],
        keep,
    };
    let module = crate::compile::finish(builder, Entry::Edge(entry));
    verify(module).expect("it verifies").into_edge().expect("an edge")
}

fn versions() -> impl Strategy<Value = ([Ty; 3], Vec<Value>)> {
    let dice = || proptest::collection::vec(any::<u8>(), 0..24);
    (any_ty(), dice(), dice()).prop_flat_map(|(one, first, second)| {
        let two = changed(&one, &mut first.into_iter());
        let three = changed(&two, &mut second.into_iter());
        let values = proptest::collection::vec(any_value(&one), 1..6);
        (Just([one, two, three]), values)
    })
}

/// What stands for a trap: one that comes first may hide another.
fn settled(result: Result<Value, Trap>) -> Option<Value> {
    match result {
        Ok(value) => Some(value),
        Err(Trap::Fail(_) | Trap::Range) => None,
        Err(trap) => panic!("{trap:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_chain_does_what_its_edges_do_one_after_the_other((types, values) in versions()) {
        let [one, two, three] = &types;
        let (first, second) = (edge(one, two, ("a", "b")), edge(two, three, ("b", "c")));
        let module = match chain(&first, &second) {
            Ok(module) => module,
            Err(error) => { prop_assert_eq!(error, ChainError::Kept); return Ok(()) }
        };
        let whole = verify(module).expect("a chain verifies").into_edge().expect("an edge");
        prop_assert_eq!((whole.edge().from, whole.edge().to), (Digest::of(b"a"), Digest::of(b"c")));
        let limits = Limits::MIGRATION;
        for value in values {
            for arrow in [EdgeArrow::Up, EdgeArrow::Lift, EdgeArrow::Raise] {
                let steps = run::edge_arrow(&first, arrow, &value, limits);
                let steps = steps.and_then(|between| run::edge_arrow(&second, arrow, &between, limits));
                prop_assert_eq!(settled(run::edge_arrow(&whole, arrow, &value, limits)), settled(steps));
            }
            let Ok(between) = run::edge_arrow(&first, EdgeArrow::Up, &value, limits) else { continue };
            let Ok(after) = run::edge_arrow(&second, EdgeArrow::Up, &between, limits) else { continue };
            for arrow in [EdgeArrow::Unlift, EdgeArrow::Lower] {
                let steps = run::edge_arrow(&second, arrow, &after, limits);
                let steps = steps.and_then(|between| run::edge_arrow(&first, arrow, &between, limits));
                prop_assert_eq!(settled(run::edge_arrow(&whole, arrow, &after, limits)), settled(steps));
            }
            let keep = |edge: &VerifiedEdge, state: &Value| run::edge_keep(edge, state, limits).expect("it is kept");
            let (aside, older, newer) = (keep(&whole, &value), keep(&first, &value), keep(&second, &between));
            for born_later in [false, true] {
                let of = |kept: &Option<Value>| kept.clone().filter(|_| !born_later);
                let steps = run::edge_down(&second, &after, of(&newer).as_ref(), limits);
                let steps = steps.and_then(|state| run::edge_down(&first, &state, of(&older).as_ref(), limits));
                let down = run::edge_down(&whole, &after, of(&aside).as_ref(), limits);
                prop_assert_eq!(settled(down), settled(steps));
            }
        }
    }
}

#[test]
fn edges_that_do_not_meet_make_no_chain() {
    let int = Ty::int();
    let (first, second) = (edge(&int, &int, ("a", "b")), edge(&int, &int, ("x", "c")));
    let apart = ChainError::Ends { first: Digest::of(b"b"), second: Digest::of(b"x") };
    assert_eq!(chain(&first, &second), Err(apart));
}
