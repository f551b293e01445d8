//! Seeing a failure again, away from the node that told of it: a capsule has the values and names the code, and
//! bundles have the code. Migrations are here, steps in `step`, inputs that were given to two releases in `shadow`.
//!
//! Pure. Code of machines is deterministic, so that the same value fails in the same way, or something is not the
//! same.

mod shadow;
mod step;

use camshaft_cam::code::FuncIx;
use camshaft_cam::digest::Digest;
use camshaft_cam::run::{EdgeArrow, Limits, Trap, check_invariants, edge_arrow, edge_down, edge_keep, init};
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_cam::verify::{VerifiedEdge, VerifiedMachine};
use camshaft_releases::OpenedRelease;

use crate::api::TryFailure;
use crate::engine::trap_kind;
use crate::speech::takes;

pub use shadow::{ReplayedExample, replay_example};
pub(crate) use step::{Played, Scene};
pub use step::{ReplayedStep, replay_step};

/// What came of seeing a failure again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Kind and reason, as the failure has them; none when nothing fails.
    pub failed: Option<(String, String)>,
    /// What the arrow gave, in its JSON form, where it gave something.
    pub gave: Option<String>,
    /// True when the value is that of the capsule to the bit.
    pub same_value: bool,
}

impl Replayed {
    /// Returns true when the same fails in the same way.
    pub fn reproduces(&self, failure: &TryFailure) -> bool {
        self.failed.as_ref().is_some_and(|(kind, reason)| *kind == failure.kind && *reason == failure.reason)
    }
}

/// Why a failure cannot be seen again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// No bundle has the edge.
    #[error("no bundle here has the edge {0}")]
    NoEdge(Digest),
    /// No bundle has the machine.
    #[error("no bundle here has the machine {0}")]
    NoMachine(Digest),
    /// No bundle has the link.
    #[error("no bundle here has the link {0}")]
    NoLink(Digest),
    /// The capsule has the beginning of the value only.
    #[error("the capsule has only the beginning of the value")]
    Cut,
    /// What stands in the capsule is no value.
    #[error("what the capsule has is no value: {0}")]
    NoValue(String),
    /// Nothing was run.
    #[error("nothing was run at `{0}`: what failed is told in full")]
    NothingRan(String),
}

/// Runs once more what failed.
///
/// # Errors
///
/// What is missing for that.
pub fn replay(failure: &TryFailure, releases: &[OpenedRelease]) -> Result<Replayed, ReplayError> {
    let capsule = &failure.capsule;
    if capsule.cut {
        return Err(ReplayError::Cut);
    }
    let again = Again { failure, releases };
    if failure.step == "start" {
        let machine = again.machine(capsule.to)?;
        let config = again.value(&capsule.value, machine.config())?;
        let same_value = capsule.value_digest == Digest::of(&config.to_binary(machine.config()));
        let done = init(machine, &config, Limits::STEP);
        return Ok(replayed(done.map(|state| (state, machine.state())), same_value));
    }
    let Some(digest) = capsule.edge else { return Err(ReplayError::NothingRan(failure.step.clone())) };
    let edge = releases.iter().find_map(|release| release.edges.get(&digest));
    again.along(edge.ok_or(ReplayError::NoEdge(digest))?)
}

/// Reads a value of a capsule.
fn value(json: &str, ty: &Ty) -> Result<Value, ReplayError> {
    Value::from_json(json, ty).map_err(|error| {
        let redacted = json.contains("\"[secret]\"");
        let more = if redacted { "; put a value for each \"[secret]\" into the file" } else { "" };
        ReplayError::NoValue(format!("{error}{more}"))
    })
}

struct Again<'a> {
    failure: &'a TryFailure,
    releases: &'a [OpenedRelease],
}

impl Again<'_> {
    fn machine(&self, digest: Digest) -> Result<&VerifiedMachine, ReplayError> {
        let found = self.releases.iter().find_map(|release| release.machines.get(&digest));
        found.ok_or(ReplayError::NoMachine(digest))
    }

    fn value(&self, json: &str, ty: &Ty) -> Result<Value, ReplayError> {
        value(json, ty)
    }

    fn along(&self, edge: &VerifiedEdge) -> Result<Replayed, ReplayError> {
        let parts = edge.edge();
        let capsule = &self.failure.capsule;
        let up = capsule.from == parts.from;
        let step = self.failure.step.as_str();
        let of = |arrow: FuncIx| -> Result<(Value, bool), ReplayError> {
            let ty = takes(edge, arrow);
            let value = self.value(&capsule.value, ty)?;
            let same = capsule.value_digest == Digest::of(&value.to_binary(ty));
            Ok((value, same))
        };
        let limits = Limits::MIGRATION;
        let (done, same) = match (step, up) {
            ("lift" | "unlift", _) => {
                let arrow = if up { EdgeArrow::Lift } else { EdgeArrow::Unlift };
                let (value, same) = of(if up { parts.lift } else { parts.unlift })?;
                let ty = takes(edge, if up { parts.unlift } else { parts.lift });
                (edge_arrow(edge, arrow, &value, limits).map(|value| (value, ty)), same)
            }
            ("keep" | "up" | "invariant" | "down" | "round-trip", true) => {
                let (value, same) = of(parts.up)?;
                return self.up_and_back(edge, &value, same);
            }
            ("keep" | "down" | "invariant", false) => {
                let ty = self.machine(capsule.from).map(VerifiedMachine::state);
                let ty = ty.unwrap_or_else(|_| edge.module().ty(edge.module().function(parts.up).result));
                let value = self.value(&capsule.value, ty)?;
                let same = capsule.value_digest == Digest::of(&value.to_binary(ty));
                let kept = match (&capsule.kept, edge.kept()) {
                    (Some(json), Some(ty)) => Some(self.value(json, ty)?),
                    _ => None,
                };
                let older = takes(edge, parts.up);
                let done = edge_down(edge, &value, kept.as_ref(), limits);
                let done = match (done, step) {
                    (Ok(state), "invariant") => {
                        check_invariants(self.machine(capsule.to)?, &state, limits).map(|()| (state, older))
                    }
                    (done, _) => done.map(|state| (state, older)),
                };
                (done, same)
            }
            _ => return Err(ReplayError::NothingRan(step.to_owned())),
        };
        Ok(replayed(done, same))
    }

    /// As the trial of an upgrade does it: keep, up, the invariants, down, and the comparison.
    fn up_and_back(&self, edge: &VerifiedEdge, value: &Value, same: bool) -> Result<Replayed, ReplayError> {
        let limits = Limits::MIGRATION;
        let new = self.machine(self.failure.capsule.to)?;
        let older = takes(edge, edge.edge().up);
        let kept = match edge_keep(edge, value, limits) {
            Ok(kept) => kept,
            Err(trap) => return Ok(trapped(&trap, same)),
        };
        let up = edge_arrow(edge, EdgeArrow::Up, value, limits)
            .and_then(|up| check_invariants(new, &up, limits).map(|()| up));
        let up = match up {
            Ok(up) => up,
            Err(trap) => return Ok(trapped(&trap, same)),
        };
        match edge_down(edge, &up, kept.as_ref(), limits) {
            Err(trap) => Ok(trapped(&trap, same)),
            Ok(back) if back == *value => {
                Ok(Replayed { failed: None, gave: Some(up.to_json_redacted(new.state())), same_value: same })
            }
            Ok(back) => {
                let gives = crate::engine::gives_back(&back, older);
                Ok(Replayed { failed: Some(("differs".to_owned(), gives)), gave: None, same_value: same })
            }
        }
    }
}

fn replayed(done: Result<(Value, &Ty), Trap>, same_value: bool) -> Replayed {
    match done {
        Ok((value, ty)) => Replayed { failed: None, gave: Some(value.to_json_redacted(ty)), same_value },
        Err(trap) => trapped(&trap, same_value),
    }
}

fn trapped(trap: &Trap, same_value: bool) -> Replayed {
    Replayed { failed: Some((trap_kind(trap).to_owned(), trap.to_string())), gave: None, same_value }
}
