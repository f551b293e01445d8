//! The arrows of edges, from the text and from T0, which have to agree.

use camshaft_cam::evaluate::arrows;
use camshaft_cam::run::{EdgeArrow, Limits, Trap, edge_arrow, edge_down, edge_keep};
use camshaft_cam::value::Value;

use super::{Wrong, wrong};
use crate::world::build::{Part, Way};

/// What an arrow came to: a value, or a trap.
pub(super) type Came = Result<Value, Trap>;

/// Compares what the text says with what T0 does. Which trap it is may differ where nothing is written.
fn agree(which: &str, said: Option<Came>, done: Came) -> Result<Came, Wrong> {
    match (&said, &done) {
        (None, _) | (Some(Err(_)), Err(_)) => Ok(done),
        (Some(Ok(said)), Ok(done_value)) if said == done_value => Ok(done),
        (Some(said), _) => {
            wrong(format!("the arrow {which}, in T0"), format!("{said:?}"), format!("{done:?}"))
        }
    }
}

/// Takes a value along an arrow between two machines.
pub(super) fn along(
    way: &Way,
    which: EdgeArrow,
    value: &Value,
    old: &Part,
    new: &Part,
) -> Result<Came, Wrong> {
    let (old, new) = (&old.verified, &new.verified);
    let types = match which {
        EdgeArrow::Up => (old.state(), new.state()),
        EdgeArrow::Down => (new.state(), old.state()),
        EdgeArrow::Lift => (old.input(), new.input()),
        EdgeArrow::Unlift => (new.input(), old.input()),
        EdgeArrow::Lower => (new.output(), old.output()),
        EdgeArrow::Raise => (old.output(), new.output()),
    };
    let said = arrows::arrow(way.checked.as_ref(), which, value, types);
    agree(&format!("{which:?}"), Some(said), edge_arrow(&way.verified, which, value, Limits::MIGRATION))
}

/// Returns what is kept aside of an old state.
pub(super) fn keep(way: &Way, state: &Value) -> Result<Result<Option<Value>, Trap>, Wrong> {
    let said = arrows::keep(way.checked.as_ref(), state);
    Ok(match edge_keep(&way.verified, state, Limits::MIGRATION) {
        Ok(None) => Ok(None),
        Ok(Some(kept)) => agree("keep", said, Ok(kept))?.map(Some),
        Err(trap) => agree("keep", said, Err(trap))?.map(Some),
    })
}

/// Takes a new state back.
pub(super) fn down(
    way: &Way,
    state: &Value,
    kept: Option<&Value>,
    old: &Part,
    new: &Part,
) -> Result<Came, Wrong> {
    let types = (new.verified.state(), old.verified.state());
    let keeps = way.verified.kept().is_some();
    let said = arrows::down(way.checked.as_ref(), state, kept, types, keeps);
    agree("down", said, edge_down(&way.verified, state, kept, Limits::MIGRATION))
}
