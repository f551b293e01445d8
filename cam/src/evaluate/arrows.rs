//! The arrows of an edge, as the text of its migration says them.
//!
//! What a migration leaves to be derived is the conversion by label. Only how a dropped field is kept
//! aside and put back is not evaluated here: that stands in no text.

use std::collections::BTreeMap;

use super::{Evaluation, convert, invariants};
use crate::check::machine::CheckedMachine;
use crate::check::migration::CheckedMigration;
use crate::hir::Function;
use crate::run::{EdgeArrow, Trap};
use crate::ty::Ty;
use crate::value::Value;

/// Returns what an arrow other than `down` makes of a value; of an edge without a migration file, too.
///
/// # Errors
///
/// When the arrow traps. Where it is derived and has no counterpart, the trap is not the one of the code.
pub fn arrow(
    migration: Option<&CheckedMigration>,
    which: EdgeArrow,
    value: &Value,
    (from, to): (&Ty, &Ty),
) -> Result<Value, Trap> {
    let written = migration.and_then(|migration| match which {
        EdgeArrow::Up => migration.up.as_ref(),
        EdgeArrow::Down => migration.down.as_ref(),
        EdgeArrow::Lift => migration.lift.as_ref(),
        EdgeArrow::Unlift => migration.unlift.as_ref(),
        EdgeArrow::Lower => migration.lower.as_ref(),
        EdgeArrow::Raise => migration.raise.as_ref(),
    });
    if let (Some(migration), Some(function)) = (migration, written) {
        return call(migration, function, value.clone());
    }
    let forth = matches!(which, EdgeArrow::Up | EdgeArrow::Lift | EdgeArrow::Raise);
    let edits = migration.map(|migration| &*migration.edits).cloned().unwrap_or_default();
    convert(value, from, to, &if forth { edits } else { edits.reversed() })
}

/// Returns what a migration keeps aside of an old state; none where the text does not say it.
pub fn keep(migration: Option<&CheckedMigration>, state: &Value) -> Option<Result<Value, Trap>> {
    let migration = migration?;
    Some(call(migration, migration.keep.as_ref()?, state.clone()))
}

/// Returns the old state of a new one, with what was kept aside; none where the text does not say it.
pub fn down(
    migration: Option<&CheckedMigration>,
    state: &Value,
    kept: Option<&Value>,
    (from, to): (&Ty, &Ty),
    keeps: bool,
) -> Option<Result<Value, Trap>> {
    match migration.and_then(|migration| Some((migration, migration.down.as_ref()?))) {
        Some((migration, function)) if migration.down_takes_kept => {
            let kept = kept.map_or_else(Value::none, |kept| Value::some(kept.clone()));
            Some(call(migration, function, Value::product([state.clone(), kept])))
        }
        None if keeps => None,
        _ => Some(arrow(migration, EdgeArrow::Down, state, (from, to))),
    }
}

/// Checks that all invariants hold of a state.
///
/// # Errors
///
/// The first that does not hold, or the trap in which it ends.
pub fn check_invariants(machine: &CheckedMachine, state: &Value) -> Result<(), Trap> {
    invariants(machine, state, |_| true)
}

fn call(migration: &CheckedMigration, function: &Function, value: Value) -> Result<Value, Trap> {
    let functions = &migration.functions;
    let mut evaluation = Evaluation { functions, ctx: None, names: BTreeMap::new(), effects: Vec::new() };
    evaluation.function(function, vec![value])
}
