//! Seeing a failure again, away from the node that told of it: a capsule has the values and names the code, and
//! bundles have the code. What goes over a switch is in `migration`, inputs of a rewind in `rewind`, steps in `step`, inputs that were given to two releases in
//! `shadow`.
//!
//! Pure. Code of machines is deterministic, so that the same value fails in the same way, or something is not the
//! same.

mod migration;
mod rewind;
mod shadow;
mod step;

use camshaft_cam::derive::DownClass;
use camshaft_cam::digest::Digest;
use camshaft_cam::run::{Limits, Trap, arrow_counting, check_invariants_counting};
use camshaft_cam::suite::laws::Ends;
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_cam::verify::{VerifiedEdge, VerifiedMachine};
use camshaft_releases::OpenedRelease;

use crate::api::TryFailure;
use crate::engine::{trap_kind, up_again};
use crate::speech::takes;

pub(crate) use migration::Passing;
pub(crate) use rewind::{BETWEEN, Back, LET_GO};
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
    /// The fuel that was used up to there.
    pub fuel: u64,
    /// True when the value is that of the capsule to the bit.
    pub same_value: bool,
}

impl Replayed {
    /// Returns true when the same fails in the same way.
    pub fn reproduces(&self, failure: &TryFailure) -> bool {
        let same = |(kind, reason): &(String, String)| *kind == failure.kind && *reason == failure.reason;
        self.failed.as_ref().is_some_and(same) && failure.capsule.fuel.is_none_or(|fuel| fuel == self.fuel)
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
    if ran_nothing(failure) {
        return Err(ReplayError::NothingRan(failure.step.clone()));
    }
    if capsule.cut {
        return Err(ReplayError::Cut);
    }
    if let Some(step) = &capsule.step {
        let ReplayedStep { failed, fuel, gave, otherwise, same_value } = replay_step(step, releases)?;
        // That both ways to run a step come to the same is part of it.
        let failed = otherwise.map(|why| ("otherwise".to_owned(), why)).or(failed);
        return Ok(Replayed { failed, gave, fuel, same_value });
    }
    if let Some(rewind) = &capsule.rewind {
        return rewind::replay_rewind(failure, rewind, releases);
    }
    let again = Again { failure, releases };
    if failure.step == "start" {
        let machine = again.machine(capsule.to)?;
        let config = again.value(&capsule.value, machine.config())?;
        let same_value = capsule.value_digest == Digest::of(&config.to_binary(machine.config()));
        let (born, fuel) = birth_again(machine, &config);
        let (failed, gave) = match born {
            Ok(state) => (None, Some(state.to_json_redacted(machine.state()))),
            Err(trap) => (Some((trap_kind(&trap).to_owned(), trap.to_string())), None),
        };
        return Ok(Replayed { failed, gave, fuel, same_value });
    }
    let Some(digest) = capsule.edge else { return Err(ReplayError::NothingRan(failure.step.clone())) };
    let edge = releases.iter().find_map(|release| release.edges.get(&digest));
    again.along(edge.ok_or(ReplayError::NoEdge(digest))?)
}

/// Returns true where no code was run that could be run again: it was found out from the releases alone, by a clock, or
/// before there was a value.
fn ran_nothing(failure: &TryFailure) -> bool {
    match (failure.step.as_str(), failure.kind.as_str()) {
        // The sender waits on a channel that is gone; going over takes too long.
        ("answer" | "pause", _) => true,
        // No edge takes what this machine wrote; bytes that are none of its type.
        (_, "writer" | "damaged") => true,
        ("apply", _) => failure.capsule.step.is_none(),
        _ => false,
    }
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
        let (step, up) = (self.failure.step.as_str(), capsule.from == parts.from);
        if step == "up-again" {
            return self.up_again(edge);
        }
        // What it did since the switch was not kept: all there is to do again is the way down, with what has to hold there.
        let let_go = step == "rewind" && self.failure.kind == LET_GO;
        let step = if let_go { "invariant" } else { step };
        let input = matches!(step, "lift" | "unlift");
        if !input && !matches!(step, "keep" | "up" | "invariant" | "down" | "round-trip") {
            return Err(ReplayError::NothingRan(step.to_owned()));
        }
        let newer = || edge.module().ty(edge.module().function(parts.up).result);
        let ty = match (input, up) {
            (true, true) => takes(edge, parts.lift),
            (true, false) => takes(edge, parts.unlift),
            (false, true) => takes(edge, parts.up),
            (false, false) => self.machine(capsule.from).map_or_else(|_| newer(), VerifiedMachine::state),
        };
        // The invariants of where it goes to are asked for on the way up, and where one of them failed.
        let asks = !input && (up || step == "invariant");
        let to = if asks { Some(self.machine(capsule.to)?) } else { None };
        let value = self.value(&capsule.value, ty)?;
        let same_value = capsule.value_digest == Digest::of(&value.to_binary(ty));
        let kept = match (&capsule.kept, edge.kept()) {
            (Some(json), Some(ty)) => Some(self.value(json, ty)?),
            _ => None,
        };
        let passing = Passing { edge, up, step, to, value: &value, kept: kept.as_ref() };
        let Some(passed) = passing.pass() else { return Err(ReplayError::NothingRan(step.to_owned())) };
        let (failed, gave) = match passed.end {
            Ok((value, ty)) => (None, Some(value.to_json_redacted(ty))),
            Err((_, reason)) if let_go => (Some((LET_GO.to_owned(), self.not_rewound(&reason))), None),
            Err(failed) => (Some(failed), None),
        };
        Ok(Replayed { failed, gave, fuel: passed.fuel, same_value })
    }

    /// Returns the reason of a state that does not go down, with why it could not be rewound either.
    fn not_rewound(&self, reason: &str) -> String {
        let why = self.failure.reason.split_once(BETWEEN).map_or("", |(_, why)| why);
        format!("{reason}{BETWEEN}{why}")
    }

    /// The second law, as the trial of an upgrade holds some states against it. It has no fuel of its own: what is done
    /// depends on nothing but the state.
    fn up_again(&self, edge: &VerifiedEdge) -> Result<Replayed, ReplayError> {
        let capsule = &self.failure.capsule;
        let (old, new) = (self.machine(capsule.from)?, self.machine(capsule.to)?);
        let value = self.value(&capsule.value, old.state())?;
        let value_digest = Digest::of(&value.to_binary(old.state()));
        let digest = edge.digest();
        let resolved = self.releases.iter().flat_map(|release| &release.resolved.edges);
        let class = resolved.filter(|edge| edge.digest == digest).find_map(|edge| edge.class);
        let apps = self.releases.iter().flat_map(|release| &release.resolved.apps);
        let mut machines = apps.flat_map(|app| &app.machines);
        let machine = machines.find(|machine| machine.digest == capsule.to);
        let config = &machine.ok_or(ReplayError::NoMachine(capsule.to))?.config;
        let config = self.value(config, new.config())?;
        // The law asks nothing of the older machine's configuration.
        let ends = Ends { old, old_config: &config, new, new_config: &config, edge };
        let reason = up_again(ends, class == Some(DownClass::D0), &value, value_digest);
        let failed = reason.map(|reason| ("differs".to_owned(), reason));
        Ok(Replayed { failed, gave: None, fuel: 0, same_value: capsule.value_digest == value_digest })
    }
}

/// Lets an instance be born once more, and returns the fuel that it takes, with its invariants.
pub(crate) fn birth_again(machine: &VerifiedMachine, config: &Value) -> (Result<Value, Trap>, u64) {
    let (mut fuel, limits) = (0, Limits::STEP);
    let (init, module) = (machine.machine().init, machine.verified_module());
    let born = arrow_counting(module, init, vec![config.clone()], limits, &mut fuel)
        .and_then(|state| check_invariants_counting(machine, &state, limits, &mut fuel).map(|()| state));
    (born, fuel)
}
