//! The last inputs of some instances, kept to be given to another release before it runs ([`super::shadow`]).
//!
//! In memory, off unless `limits.shadow` of `agent.toml` says how many. A tape has parts: the state before the first
//! input, by pointer, and the inputs after it; so a state is held a second time, and copied where it then changes, only
//! once for so many inputs.
//!
//! What must stay true: whatever changes a state and is no step ends its tape; steps of other code than the running
//! one are on none.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use camshaft_cam::run::weight_within;
use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;
use camshaft_store::Verdict;
use rustc_hash::FxHasher;

use super::Shard;
use super::instance::{Instance, State};
use super::step::{Computed, Input, Surroundings, Task};
use super::table::Slot;
use crate::release::MachineCode;

/// How many instances of a shard are recorded: the first that are used.
const INSTANCES_MAX: usize = 256;

/// The heaviest state that is kept, and the heaviest input or output: what they take is bounded by these.
const STATE_MAX: u64 = 64 << 10;
const VALUE_MAX: u64 = 4 << 10;

/// What a shard records.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// How many inputs a part has; 0: nothing is recorded.
    each: usize,
    tapes: HashMap<Slot, Tape, BuildHasherDefault<FxHasher>>,
}

/// The last inputs of an instance.
#[derive(Debug, Clone)]
pub struct Tape {
    pub(super) address: InstanceAddress,
    pub(super) code: Arc<MachineCode>,
    /// The number of the last input; what follows it goes on from there.
    seq: u64,
    /// The part before the last, and the last.
    parts: [Option<Part>; 2],
    /// True while its state is too large.
    skipped: bool,
}

/// A state, and the inputs after it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) before: Option<Value>,
    pub(super) inputs: Vec<Recorded>,
}

/// An input, and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    input: Input,
    pub(super) seq: u64,
    pub(super) surroundings: Surroundings,
    /// The output, or kind and reason of why it was not applied.
    pub(super) end: Result<Option<Value>, (String, String)>,
    /// True when the instance was born in it and, since nothing was to be remembered, was not afterwards.
    pub(super) unborn_again: bool,
}

impl Recorded {
    /// Returns the input; none when it is not of the machine's type.
    pub(super) fn input(&self, code: &MachineCode) -> Option<Value> {
        match &self.input {
            Input::Value(value) => Some(value.clone()),
            Input::Bytes(bytes) => Value::from_binary(bytes, code.verified.input()).ok(),
        }
    }
}

impl Tape {
    /// Returns its parts.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().flatten()
    }
}

impl Recorder {
    pub(super) fn new(each: usize) -> Recorder {
        Recorder { each, ..Recorder::default() }
    }

    /// Notes the state before a step, where that begins a part.
    #[inline]
    pub(super) fn begin(&mut self, slot: Slot, address: &InstanceAddress, instance: &Instance) {
        if self.each > 0 {
            self.begin_part(slot, address, instance);
        }
    }

    fn begin_part(&mut self, slot: Slot, address: &InstanceAddress, instance: &Instance) {
        let each = self.each;
        if let Some(tape) = self.tapes.get(&slot)
            && (tape.address != *address || tape.seq != instance.seq)
        {
            self.tapes.remove(&slot);
        }
        if !self.tapes.contains_key(&slot) {
            if self.tapes.len() >= INSTANCES_MAX {
                return;
            }
            let (address, code) = (address.clone(), instance.code.clone());
            let tape = Tape { address, code, seq: instance.seq, parts: [None, None], skipped: false };
            self.tapes.insert(slot, tape);
        }
        let Some(tape) = self.tapes.get_mut(&slot) else { return };
        if tape.skipped || tape.parts[1].as_ref().is_some_and(|part| part.inputs.len() < each) {
            return;
        }
        let before = match &instance.state {
            State::Live(state) if weight_within(state, STATE_MAX).is_none() => {
                tape.skipped = true;
                tape.parts = [None, None];
                return;
            }
            State::Live(state) => Some(state.clone()),
            State::None | State::Held(_) => None,
        };
        tape.parts[0] = tape.parts[1].replace(Part { before, inputs: vec![] });
    }

    /// Notes a step that was done.
    #[inline]
    pub(super) fn push(
        &mut self,
        slot: Slot,
        task: &Task,
        (seq, surroundings): (u64, Surroundings),
        computed: &Computed,
        forgotten: bool,
    ) {
        if self.each > 0 {
            self.push_on(slot, task, (seq, surroundings), computed, forgotten);
        }
    }

    fn push_on(
        &mut self,
        slot: Slot,
        task: &Task,
        (seq, surroundings): (u64, Surroundings),
        computed: &Computed,
        forgotten: bool,
    ) {
        let Some(tape) = self.tapes.get_mut(&slot) else { return };
        // What is forgotten has used no number.
        tape.seq = if forgotten { seq - 1 } else { seq };
        let light = |value: &Value| weight_within(value, VALUE_MAX).is_some();
        let is_light = match &task.input {
            Input::Value(value) => light(value),
            Input::Bytes(bytes) => bytes.len() as u64 <= VALUE_MAX,
        };
        if !is_light || computed.output.as_ref().is_some_and(|output| !light(output)) {
            tape.parts = [None, None];
            return;
        }
        let Some(part) = &mut tape.parts[1] else { return };
        let end = match &computed.verdict {
            Verdict::Applied { .. } => Ok(computed.output.clone()),
            Verdict::Trapped { kind, reason } => Err((kind.clone(), reason.clone())),
        };
        let unborn_again = forgotten && computed.born;
        part.inputs.push(Recorded { input: task.input.clone(), seq, surroundings, end, unborn_again });
    }

    /// Ends the tape of an instance: its state changes by something else than a step.
    pub(super) fn forget(&mut self, slot: Slot) {
        if self.each > 0 {
            self.tapes.remove(&slot);
        }
    }

    /// Ends all tapes: other code runs from here on.
    pub(super) fn forget_all(&mut self) {
        self.tapes.clear();
    }
}

impl Shard {
    /// Returns what is recorded; none where nothing is.
    pub fn recorded(&self) -> Option<Vec<Tape>> {
        (self.recorder.each > 0).then(|| self.recorder.tapes.values().cloned().collect())
    }
}
