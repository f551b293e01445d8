//! An input that a rewind gave to the older release, given to it once more.

use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::{Ctx, Limits, arrow_counting};
use camshaft_cam::value::Value;
use camshaft_cam::verify::{VerifiedEdge, VerifiedLink};
use camshaft_releases::OpenedRelease;

use super::shadow::links;
use super::{ReplayError, Replayed, Scene, value};
use crate::api::{RewindCapsule, TryFailure};
use crate::engine::{Again, Moment, Side, differs, recorded, told};

/// What stands between why a state does not go down and why it cannot be rewound.
pub(crate) const BETWEEN: &str = "; and it cannot be rewound: ";

/// The kind of a failure where what a rewind needs was not kept.
pub(crate) const LET_GO: &str = "let-go";

/// An older release that is given an input of a newer one.
pub(crate) struct Back<'a> {
    pub(crate) edge: &'a VerifiedEdge,
    /// True when the input is in its own types.
    pub(crate) older: bool,
    pub(crate) side: &'a Side<'a>,
    /// The link by which the output goes back to the sender, where it does.
    pub(crate) answer: Option<&'a VerifiedLink>,
}

impl Back<'_> {
    /// Does the step. Returns what it gives, or why the input has no form, and the fuel that both used.
    pub(crate) fn play(&self, moment: &Moment<'_>) -> (Result<Again, String>, u64) {
        let mut fuel = 0;
        let unlift = (self.edge.verified_module(), self.edge.edge().unlift);
        let moved = match self.older {
            true => Ok(moment.input.clone()),
            false => {
                arrow_counting(unlift.0, unlift.1, vec![moment.input.clone()], Limits::MIGRATION, &mut fuel)
            }
        };
        let input = match moved {
            Ok(input) => input,
            Err(trap) => return (Err(format!("has no form in the older release: {trap}")), fuel),
        };
        let Side { machine, links, config } = self.side;
        let Moment { state, ctx, .. } = *moment;
        let scene =
            Scene { machine, links: links.clone(), answer: self.answer, config, state, input: &input, ctx };
        let played = scene.play();
        let again = match played.end {
            Err(trapped) => Again { end: Err(trapped), effects: vec![] },
            Ok(outcome) => {
                let line = |effect| told(&recorded(effect, machine, ctx.now_ms), machine);
                let effects = outcome.effects.iter().map(line).collect();
                Again { end: Ok(outcome.output), effects }
            }
        };
        (Ok(again), fuel + played.fuel)
    }
}

/// Gives the input to the older release once more.
///
/// # Errors
///
/// What is missing for that.
pub(super) fn replay_rewind(
    failure: &TryFailure,
    capsule: &RewindCapsule,
    releases: &[OpenedRelease],
) -> Result<Replayed, ReplayError> {
    if capsule.cut {
        return Err(ReplayError::Cut);
    }
    let base = &failure.capsule;
    let machine = |digest: Digest| {
        let found = releases.iter().find_map(|release| release.machines.get(&digest));
        found.ok_or(ReplayError::NoMachine(digest))
    };
    let (newer, older) = (machine(base.from)?, machine(base.to)?);
    let digest = base.edge.ok_or_else(|| ReplayError::NoValue("it names no edge".to_owned()))?;
    let edge = releases.iter().find_map(|release| release.edges.get(&digest));
    let edge = edge.ok_or(ReplayError::NoEdge(digest))?;
    edge.check_ends(older, newer).map_err(|error| ReplayError::NoValue(error.to_string()))?;
    let input_ty = if capsule.older { older.input() } else { newer.input() };
    let input = value(&base.value, input_ty)?;
    let state = capsule.state.as_ref().map(|json| value(json, older.state())).transpose()?;
    let config = value(&capsule.config, older.config())?;
    let answer = capsule.was.answer.as_ref().map(|json| value(json, newer.output())).transpose()?;
    let state_digest = state.as_ref().map(|state: &Value| Digest::of(&state.to_binary(older.state())));
    let same_value =
        state_digest == capsule.state_digest && Digest::of(&input.to_binary(input_ty)) == base.value_digest;
    let back = capsule.answer.map(|digest| {
        let found = releases.iter().find_map(|release| release.links.get(&digest));
        found.ok_or(ReplayError::NoLink(digest))
    });
    let side = Side { machine: older, links: links(older, &capsule.links, releases)?, config: &config };
    let ctx = Ctx {
        now_ms: capsule.now_ms,
        seq: i64::try_from(base.seq).unwrap_or(i64::MAX),
        self_key: Arc::from(capsule.key.as_str()),
        seed: capsule.seed,
    };
    let moment = Moment { state: state.as_ref(), input: &input, ctx: &ctx };
    let back = Back { edge, older: capsule.older, side: &side, answer: back.transpose()? };
    let (came, fuel) = back.play(&moment);
    let found = match came {
        Err(why) => Some(("input", why)),
        Ok(again) => {
            let types = (newer.output(), older.output());
            differs(edge, types, (&capsule.was, answer.as_ref()), &again)
        }
    };
    let head = failure.reason.split_once(BETWEEN).map_or("", |(head, _)| head);
    let reason =
        |(kind, why): (&str, String)| (kind.to_owned(), format!("{head}{BETWEEN}input {} {why}", base.seq));
    let failed = found.map(reason);
    let gave = failed.is_none().then(|| "what the newer release gave".to_owned());
    Ok(Replayed { failed, gave, fuel, same_value })
}
