//! What became of recorded inputs in both releases of an upgrade.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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
}
