//! Capsules: what failed on a node, and what is needed to see it again elsewhere.

use camshaft_cam::digest::Digest;
use serde::{Deserialize, Serialize};

use super::{ReleaseRef, TryFailure};

/// `GET /v1/node/capsules`: what failed lately, the oldest first. Gone with the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapsuleList {
    /// The capsules.
    pub capsules: Vec<CapsuleStatus>,
}

/// What a capsule is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapsuleStatus {
    /// Its number on this node, since its agent started.
    pub id: u64,
    /// When it failed.
    pub at_ms: i64,
    /// The instance.
    pub instance: String,
    /// The case of the input; or what of a migration, as in [`TryFailure::step`]. Empty for an input that cannot be read.
    pub at: String,
    /// The kind of trap.
    pub kind: String,
    /// The reason, for people.
    pub reason: String,
    /// Who sent the input; `switch` where none did.
    pub who: String,
    /// The release that ran.
    pub release: ReleaseRef,
}

/// `GET /v1/node/capsules/{id}`: what is needed to see a failure again, away from the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptCapsule {
    /// What it is of.
    #[serde(flatten)]
    pub status: CapsuleStatus,
    /// What it holds.
    #[serde(flatten)]
    pub of: CapsuleOf,
}

/// What a capsule holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum CapsuleOf {
    /// A step, an invariant after it included.
    Step {
        /// The step.
        step: Box<StepCapsule>,
    },
    /// What could not be taken over a switch.
    Migration {
        /// Why.
        failure: Box<TryFailure>,
    },
}

/// What reproduces a step: the code by digest, and all that a step sees. Values are in their JSON form, without what is
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCapsule {
    /// The machine digest.
    pub machine: Digest,
    /// The case of the input.
    pub case: Option<String>,
    /// The kind of trap.
    pub kind: String,
    /// The reason, for people.
    pub reason: String,
    /// The state before the step; none where the step begins with a birth.
    pub state: Option<String>,
    /// The digest of the canonical bytes of the state.
    pub state_digest: Option<Digest>,
    /// The input; none when it is not of the machine's type.
    pub input: Option<String>,
    /// The digest of the canonical bytes of the input.
    pub input_digest: Digest,
    /// The configuration.
    pub config: String,
    /// The digest of its canonical bytes.
    pub config_digest: Digest,
    /// The key of the instance; empty if it has none.
    pub key: String,
    /// The number of the input.
    pub seq: u64,
    /// The time that the step sees.
    pub now_ms: i64,
    /// The number that its pseudo-random choices come from; as text, since it has 64 bits.
    #[serde(with = "as_text")]
    pub seed: i64,
    /// The trace that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// The links of the machine's channels, in their order.
    #[serde(default)]
    pub links: Vec<Digest>,
    /// The link by which the output goes back to the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Digest>,
    /// The fuel that birth, step and invariants used up to the failure.
    pub fuel: u64,
    /// True when something secret is left out.
    pub redacted: bool,
    /// True when a value is too large, and not or not wholly here.
    pub cut: bool,
}

/// What a rewind gave to the older release and compared: all that the step sees, and what came of the input in the newer one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RewindCapsule {
    /// True when the input is in the types of the older machine: it had waited since before the switch.
    pub older: bool,
    /// The state before the step, as the older code has come to it; none where the step begins with a birth.
    pub state: Option<String>,
    /// The digest of the canonical bytes of the state.
    pub state_digest: Option<Digest>,
    /// The configuration of the older release.
    pub config: String,
    /// The key of the instance; empty if it has none.
    pub key: String,
    /// The time that the step sees.
    pub now_ms: i64,
    /// The number that its pseudo-random choices come from; as text, since it has 64 bits.
    #[serde(with = "as_text")]
    pub seed: i64,
    /// The links of the channels of the older machine, in the order of the code.
    pub links: Vec<Digest>,
    /// The link by which the output goes back to the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Digest>,
    /// What came of the input in the newer release.
    pub was: ToldInput,
    /// True when something secret is left out.
    pub redacted: bool,
    /// True when a value is too large, and not wholly here.
    pub cut: bool,
}

/// What came of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldInput {
    /// Kind and reason of the trap in which it ended, if it did.
    pub trapped: Option<(String, String)>,
    /// The answer that was given, in the type of the newer release.
    pub answer: Option<String>,
    /// The effects in the form that the older release has for them.
    pub effects: Vec<ToldEffect>,
}

/// An effect. Two are the same where all of this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldEffect {
    /// What it is.
    pub words: String,
    /// What is in it, without what is secret.
    pub more: String,
    /// The digest of what is in it.
    pub digest: Digest,
    /// Why the older release has no form for it, where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_form: Option<String>,
}

/// Numbers as text.
pub(super) mod as_text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde says so")]
    pub(in crate::api) fn serialize<S: Serializer>(number: &i64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(number)
    }

    pub(in crate::api) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| serde::de::Error::custom(format!("`{text}` is no number of 64 bits")))
    }
}
