//! What became of recorded inputs in both releases of an upgrade.

use std::collections::BTreeMap;

use camshaft_cam::digest::Digest;
use serde::{Deserialize, Serialize};

use super::capsules::as_text;

/// What became of recorded inputs in both releases.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowReport {
    /// The instances of which inputs are recorded.
    pub instances: u64,
    /// The inputs that were compared.
    pub inputs: u64,
    /// Those of which the same comes.
    pub same: u64,
    /// Steps that did not come to what was recorded when they were done again, and were not compared.
    pub not_reproducible: u64,
    /// By machine and case of the input.
    pub cases: Vec<ShadowCase>,
    /// Up to three examples of each machine, case and kind of difference.
    pub examples: Vec<ShadowExample>,
}

impl ShadowReport {
    /// Returns how many inputs something else comes of.
    pub fn differ(&self) -> u64 {
        self.inputs - self.same
    }
}

/// The recorded inputs of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowCase {
    /// The machine, by the address that it has before the switch.
    pub machine: String,
    /// The case.
    pub case: String,
    /// The inputs that were compared.
    pub inputs: u64,
    /// How many of them come out otherwise, in whatever.
    #[serde(default)]
    pub differing: u64,
    /// How many of them differ, by kind: `input` (it is not taken any more), `end` (one traps, or both and not in the same way),
    /// `answer`, `state`, `effects`.
    pub differ: BTreeMap<String, u64>,
}

/// An input of which something else comes. Values are in their JSON form, without what is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowExample {
    /// The instance.
    pub instance: String,
    /// The number of the input.
    pub seq: u64,
    /// The case of the input.
    pub case: String,
    /// The kind of difference, as in [`ShadowCase::differ`].
    pub what: String,
    /// The state before it, as the old code has it; none where the step begins with a birth.
    pub state: Option<String>,
    /// The input, as the old code has it.
    pub input: String,
    /// What came of it in the old code: an answer as its clients see it, a state in the new types.
    pub old: String,
    /// What comes of it in the new code.
    pub new: String,
    /// What is needed to see it again, away from the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capsule: Option<Box<ShadowCapsule>>,
}

/// What reproduces a difference: the code of both releases by digest, and all that the two steps see. Values are in their
/// JSON form, without what is secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowCapsule {
    /// The machine digest before the switch.
    pub from: Digest,
    /// The machine digest after it.
    pub to: Digest,
    /// The edge; none where the code stays.
    pub edge: Option<Digest>,
    /// The state before the step, as the old code has it; none where the step begins with a birth.
    pub state: Option<String>,
    /// The digest of the canonical bytes of the state.
    pub state_digest: Option<Digest>,
    /// The input, as the old code has it.
    pub input: String,
    /// The digest of the canonical bytes of the input.
    pub input_digest: Digest,
    /// The configuration before the switch.
    pub config: String,
    /// The configuration after it.
    pub config_after: String,
    /// The key of the instance; empty if it has none.
    pub key: String,
    /// The time that the step sees.
    pub now_ms: i64,
    /// The number that its pseudo-random choices come from; as text, since it has 64 bits.
    #[serde(with = "as_text")]
    pub seed: i64,
    /// The links of the channels before the switch, in the order of the code.
    pub links: Vec<Digest>,
    /// The same after it.
    pub links_after: Vec<Digest>,
    /// The fuel that the step of the old code used, its birth and invariants included.
    pub fuel: u64,
    /// The fuel that the step of the new code used; 0 where the input is not taken any more.
    pub fuel_after: u64,
    /// True when something secret is left out.
    pub redacted: bool,
    /// True when a value is too large, and not wholly here.
    pub cut: bool,
}
