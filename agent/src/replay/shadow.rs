//! An input of which something else came in another release, given to both once more.

use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::Ctx;
use camshaft_cam::verify::{VerifiedLink, VerifiedMachine};
use camshaft_releases::OpenedRelease;

use super::{ReplayError, value};
use crate::api::{ShadowCapsule, ShadowExample};
use crate::engine::{Both, Moment, Side};

/// What came of giving an input to both releases once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayedExample {
    /// What came of it before and what comes of it now, in the kind of the example; none when that is the same.
    pub came: Option<(String, String)>,
    /// The fuel that the two steps used.
    pub fuel: [u64; 2],
    /// True when state and input are those of the node to the bit.
    pub same_value: bool,
}

impl ReplayedExample {
    /// Returns what is not as the example says; nothing when the same comes out otherwise in the same way.
    pub fn differences(&self, example: &ShadowExample, capsule: &ShadowCapsule) -> Vec<String> {
        let mut differences = vec![];
        match &self.came {
            Some((old, new)) if *old == example.old && *new == example.new => {}
            Some((old, new)) => differences.push(format!("{} was {old}, is {new}", example.what)),
            None => differences.push("the same comes of it in both".to_owned()),
        }
        if self.fuel != [capsule.fuel, capsule.fuel_after] {
            let ([was, is], ShadowCapsule { fuel, fuel_after, .. }) = (self.fuel, capsule);
            differences.push(format!("it takes {was} and {is} fuel instead of {fuel} and {fuel_after}"));
        }
        differences
    }
}

/// Gives an input to both releases once more.
///
/// # Errors
///
/// What is missing for that.
pub fn replay_example(
    example: &ShadowExample,
    releases: &[OpenedRelease],
) -> Result<ReplayedExample, ReplayError> {
    let Some(capsule) = &example.capsule else { return Err(ReplayError::NothingRan("shadow".to_owned())) };
    if capsule.cut {
        return Err(ReplayError::Cut);
    }
    let machine = |digest: Digest| {
        let found = releases.iter().find_map(|release| release.machines.get(&digest));
        found.ok_or(ReplayError::NoMachine(digest))
    };
    let (from, to) = (machine(capsule.from)?, machine(capsule.to)?);
    let edge = |digest: Digest| {
        let found = releases.iter().find_map(|release| release.edges.get(&digest));
        found.ok_or(ReplayError::NoEdge(digest))
    };
    let edge = capsule.edge.map(edge).transpose()?;
    if let Some(edge) = edge {
        edge.check_ends(from, to).map_err(|error| ReplayError::NoValue(error.to_string()))?;
    } else if capsule.from != capsule.to {
        return Err(ReplayError::NoValue("it names two machines and no edge".to_owned()));
    }
    let state = capsule.state.as_ref().map(|json| value(json, from.state())).transpose()?;
    let input = value(&capsule.input, from.input())?;
    let same_value = state.as_ref().map(|state| Digest::of(&state.to_binary(from.state())))
        == capsule.state_digest
        && Digest::of(&input.to_binary(from.input())) == capsule.input_digest;
    let configs = [value(&capsule.config, from.config())?, value(&capsule.config_after, to.config())?];
    let both = Both {
        from: Side { machine: from, links: links(from, &capsule.links, releases)?, config: &configs[0] },
        to: Side { machine: to, links: links(to, &capsule.links_after, releases)?, config: &configs[1] },
        edge,
    };
    let ctx = Ctx {
        now_ms: capsule.now_ms,
        seq: i64::try_from(example.seq).unwrap_or(i64::MAX),
        self_key: Arc::from(capsule.key.as_str()),
        seed: capsule.seed,
    };
    let moment = Moment { state: state.as_ref(), input: &input, ctx: &ctx };
    let old = both.from.play(&moment);
    let (found, fuel_after) = both.differences(&moment, &old.end);
    let came = found.into_iter().find(|one| one.what == example.what).map(|one| (one.old, one.new));
    Ok(ReplayedExample { came, fuel: [old.fuel, fuel_after], same_value })
}

pub(super) fn links<'r>(
    machine: &VerifiedMachine,
    digests: &[Digest],
    releases: &'r [OpenedRelease],
) -> Result<Vec<&'r VerifiedLink>, ReplayError> {
    if digests.len() != machine.channels().len() {
        return Err(ReplayError::NoValue("it names other links than the machine has channels".to_owned()));
    }
    let link = |digest: &Digest| {
        let found = releases.iter().find_map(|release| release.links.get(digest));
        found.ok_or(ReplayError::NoLink(*digest))
    };
    digests.iter().map(link).collect()
}
