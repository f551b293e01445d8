//! A step that failed, done again: by the node for what it tells of it, and elsewhere from what it told.
//!
//! What must stay true: a step is done here as `engine::step` does it, what its effects need included. It is run by
//! T0, which says what a step is; [`replay_step`] holds what agents run against it.

use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::t1::Lowered;
use camshaft_cam::run::{Ctx, Effect, Limits, Outcome, Trap, arrow_counting, check_invariants_counting};
use camshaft_cam::run::{link_answer, link_message, step_counting};
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_cam::verify::{VerifiedLink, VerifiedMachine};
use camshaft_releases::OpenedRelease;

use super::ReplayError;
use crate::api::StepCapsule;
use crate::engine::{key_of, trap_kind};

/// All that a step depends on.
pub(crate) struct Scene<'a> {
    pub(crate) machine: &'a VerifiedMachine,
    /// The links of its channels, in the order of the code's.
    pub(crate) links: Vec<&'a VerifiedLink>,
    /// The link by which its output goes back to the sender, where it does.
    pub(crate) answer: Option<&'a VerifiedLink>,
    pub(crate) config: &'a Value,
    /// None: it begins with a birth.
    pub(crate) state: Option<&'a Value>,
    pub(crate) input: &'a Value,
    pub(crate) ctx: &'a Ctx,
}

/// What came of it.
pub(crate) struct Played {
    /// What it did, or kind and reason of why not.
    pub(crate) end: Result<Outcome, (String, String)>,
    /// The fuel that was used: by birth, step and invariants.
    pub(crate) fuel: u64,
}

impl Scene<'_> {
    /// Does the step.
    pub(crate) fn play(&self) -> Played {
        let mut fuel = 0;
        let end = self.end(&mut fuel);
        Played { end, fuel }
    }

    fn end(&self, fuel: &mut u64) -> Result<Outcome, (String, String)> {
        let born;
        let state = match self.state {
            Some(state) => state,
            None => {
                born = self.birth(fuel).map_err(|trap| trapped(&trap))?;
                &born
            }
        };
        let outcome =
            step_counting(self.machine, (self.input, state, self.ctx, self.config), Limits::STEP, fuel)
                .map_err(|trap| trapped(&trap))?;
        for effect in &outcome.effects {
            let Effect::Send { channel, key, message } = effect else { continue };
            let channel = *channel as usize;
            if let Some(key) = key {
                key_of(&self.machine.channels()[channel].name, key)
                    .map_err(|(kind, reason)| (kind.to_owned(), reason))?;
            }
            link_message(self.links[channel], message, Limits::STEP).map_err(|trap| trapped(&trap))?;
        }
        if let (Some(link), Some(output)) = (self.answer, &outcome.output) {
            link_answer(link, output, Limits::STEP).map_err(|trap| trapped(&trap))?;
        }
        Ok(outcome)
    }

    fn birth(&self, fuel: &mut u64) -> Result<Value, Trap> {
        let (limits, config) = (Limits::STEP, vec![self.config.clone()]);
        let init = self.machine.machine().init;
        let state = arrow_counting(self.machine.verified_module(), init, config, limits, fuel)?;
        check_invariants_counting(self.machine, &state, limits, fuel)?;
        Ok(state)
    }

    /// Says where the way in which agents run steps comes to something else.
    fn reason_otherwise_in_t1(&self) -> Option<String> {
        let mut state = match self.state {
            Some(state) => state.clone(),
            None => self.birth(&mut 0).ok()?,
        };
        let step = (self.input, &state, self.ctx, self.config);
        let expected = step_counting(self.machine, step, Limits::STEP, &mut 0);
        let lowered = Lowered::new(self.machine);
        let mut registers = lowered.registers();
        let found = lowered.step(&mut registers, self.input, &mut state, self.ctx, self.config, Limits::STEP);
        match (found, &expected) {
            (Ok(done), Ok(outcome)) => {
                let found = (&done.output, &done.effects, done.fuel);
                let same = found == (&outcome.output, &outcome.effects, outcome.fuel);
                (!same || state != outcome.state).then(|| "T1 gives something else than T0".to_owned())
            }
            (Err(trap), Err(other)) if trap == *other => None,
            (Err(trap), _) => Some(format!("in T1 it ends in: {trap}")),
            (Ok(_), Err(_)) => Some("in T1 the step does not fail".to_owned()),
        }
    }
}

fn trapped(trap: &Trap) -> (String, String) {
    (trap_kind(trap).to_owned(), trap.to_string())
}

/// What came of seeing a step again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayedStep {
    /// Kind and reason; none when it does not fail.
    pub failed: Option<(String, String)>,
    /// The fuel that was used.
    pub fuel: u64,
    /// The output in its JSON form, where the step gave one.
    pub gave: Option<String>,
    /// Where the two ways to run a step come to different ends, which would be a fault of ours.
    pub otherwise: Option<String>,
    /// True when state, input and configuration are those of the node to the bit.
    pub same_value: bool,
}

impl ReplayedStep {
    /// Returns what is not as the capsule says; nothing when the same fails in the same way.
    pub fn differences(&self, capsule: &StepCapsule) -> Vec<String> {
        let mut differences: Vec<String> = self.otherwise.iter().cloned().collect();
        match &self.failed {
            Some((kind, reason)) if *kind == capsule.kind && *reason == capsule.reason => {}
            Some((kind, reason)) => differences.push(format!("{kind}: {reason}")),
            None => {
                let gave = self.gave.as_deref().unwrap_or("no output");
                differences.push(format!("it does not fail; it gives {gave}"));
            }
        }
        if self.fuel != capsule.fuel {
            differences.push(format!("it takes {} fuel instead of {}", self.fuel, capsule.fuel));
        }
        differences
    }
}

/// Does a step once more that failed on a node.
///
/// # Errors
///
/// What is missing for that.
pub fn replay_step(capsule: &StepCapsule, releases: &[OpenedRelease]) -> Result<ReplayedStep, ReplayError> {
    if capsule.cut {
        return Err(ReplayError::Cut);
    }
    let digest = capsule.machine;
    let machine = releases.iter().find_map(|release| release.machines.get(&digest));
    let machine = machine.ok_or(ReplayError::NoMachine(digest))?;
    let link = |digest: &Digest| {
        let found = releases.iter().find_map(|release| release.links.get(digest));
        found.ok_or(ReplayError::NoLink(*digest))
    };
    let links = capsule.links.iter().map(link).collect::<Result<Vec<_>, _>>()?;
    let answer = capsule.answer.as_ref().map(link).transpose()?;
    if links.len() != machine.channels().len() {
        return Err(ReplayError::NoValue("it names other links than the machine has channels".to_owned()));
    }
    let Some(input) = &capsule.input else {
        return Err(ReplayError::NothingRan("input".to_owned()));
    };
    let mut same_value = true;
    let mut read = |json: &str, digest: Digest, ty: &Ty| -> Result<Value, ReplayError> {
        let value = super::value(json, ty)?;
        same_value &= Digest::of(&value.to_binary(ty)) == digest;
        Ok(value)
    };
    let input = read(input, capsule.input_digest, machine.input())?;
    let state = match (&capsule.state, capsule.state_digest) {
        (None, _) => None,
        (Some(_), None) => return Err(ReplayError::NoValue("a state without its digest".to_owned())),
        (Some(json), Some(digest)) => Some(read(json, digest, machine.state())?),
    };
    let config = read(&capsule.config, capsule.config_digest, machine.config())?;
    let ctx = Ctx {
        now_ms: capsule.now_ms,
        seq: i64::try_from(capsule.seq).unwrap_or(i64::MAX),
        self_key: Arc::from(capsule.key.as_str()),
        seed: capsule.seed,
    };
    let state = state.as_ref();
    let scene = Scene { machine, links, answer, config: &config, state, input: &input, ctx: &ctx };
    let played = scene.play();
    let otherwise = scene.reason_otherwise_in_t1();
    let gave = match &played.end {
        Ok(Outcome { output: Some(output), .. }) => Some(output.to_json_redacted(machine.output())),
        _ => None,
    };
    Ok(ReplayedStep { failed: played.end.err(), fuel: played.fuel, gave, otherwise, same_value })
}
