//! Capsules of what failed lately: what is needed to see it again elsewhere.
//!
//! In memory only, and gone with the process: what a step failed on is part of the state, which is on the disk already,
//! and a full disk must not stand between an operator and the reason of a failure.
//!
//! What must stay true: a step that does not fail pays for none of it. One that does pays for a copy of pointers:
//! states share their parts, and what there is to write out and to run again is done when somebody asks.

use std::collections::VecDeque;
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::weight_within;
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_cam::verify::VerifiedLink;
use camshaft_manifests::{InstanceAddress, MachineAddress};
use camshaft_store::{Source, Verdict};

use super::Shard;
use super::carry::CAPSULE_CHARS_MAX;
use super::instance::{Instance, State};
use super::step::{Cause, Computed, Input, Surroundings, Task};
use crate::api::{CapsuleOf, CapsuleStatus, KeptCapsule, StepCapsule, TryFailure};
use crate::release::{MachineCode, Release};
use crate::replay::{Played, Scene};

/// How many are kept of each machine and case.
const EACH_MAX: usize = 8;

/// How many are kept of a shard.
const SHARD_MAX: usize = 256;

/// For how long as many as are kept stay, in milliseconds: whoever sends inputs that fail must not keep the shard busy
/// with capsules.
const STAY_MS: i64 = 1_000;

/// The largest state that is kept, by its weight: what is kept after it has changed is held twice.
const WEIGHT_MAX: u64 = 4 << 20;

/// How heavy all states are that a shard keeps.
const SHARD_WEIGHT_MAX: u64 = 64 << 20;

/// The most characters of a value in a capsule.
const CHARS_MAX: usize = 16 << 20;

/// What a shard keeps.
#[derive(Debug, Default)]
pub(super) struct Capsules {
    /// How many there were.
    begun: u64,
    weight: u64,
    kept: VecDeque<Arc<Caught>>,
}

/// Something that failed.
#[derive(Debug)]
pub struct Caught {
    id: u64,
    at_ms: i64,
    address: InstanceAddress,
    release: Arc<Release>,
    of: Of,
    weight: u64,
}

#[derive(Debug)]
enum Of {
    Step(Source, Box<Step>),
    /// State, message or timer could not be taken over a switch.
    Touch(Box<TryFailure>),
}

/// A step that failed, and all that it depends on.
#[derive(Debug)]
struct Step {
    code: Arc<MachineCode>,
    case: Option<usize>,
    kind: String,
    reason: String,
    trace: Option<Arc<str>>,
    before: Before,
    input: Input,
    seq: u64,
    surroundings: Surroundings,
    answer: Option<VerifiedLink>,
}

/// The state before a step.
#[derive(Debug)]
enum Before {
    None,
    Live(Value),
    /// It is too large to be kept.
    TooLarge,
}

impl Before {
    /// Returns a state as it is kept, and what that weighs.
    fn of(state: &Value) -> (Before, u64) {
        match weight_within(state, WEIGHT_MAX) {
            Some(weight) => (Before::Live(state.clone()), weight),
            None => (Before::TooLarge, 0),
        }
    }
}

impl Capsules {
    /// Keeps a step that failed. `fail` is no failure: it is what a program says to an input that it does not want. Where
    /// nobody waits for an answer or finds the input parked, it says so to nobody else.
    #[inline]
    pub(super) fn catch(
        &mut self,
        at: (&Arc<Release>, &InstanceAddress, &Instance),
        task: &Task,
        surroundings: Surroundings,
        computed: &Computed,
    ) {
        if let Verdict::Trapped { kind, reason } = &computed.verdict
            && (kind != "fail" || task.cause.has_no_sender())
        {
            self.catch_step(at, task, surroundings, (computed.case, kind, reason));
        }
    }

    #[cold]
    fn catch_step(
        &mut self,
        (release, address, instance): (&Arc<Release>, &InstanceAddress, &Instance),
        task: &Task,
        surroundings: Surroundings,
        (case, kind, reason): (Option<usize>, &str, &str),
    ) {
        let now_ms = surroundings.now_ms;
        let machine = address.machine_address();
        let same = |other: &Caught| matches!(&other.of, Of::Step(_, step) if step.case == case);
        if !self.makes_room(&machine, same, now_ms) {
            return;
        }
        let (before, weight) = match &instance.state {
            State::Live(state) => Before::of(state),
            State::None | State::Held(_) => (Before::None, 0),
        };
        let step = Step {
            code: instance.code.clone(),
            case,
            kind: kind.to_owned(),
            reason: reason.to_owned(),
            trace: task.trace.clone(),
            before,
            input: task.input.clone(),
            seq: instance.seq + 1,
            surroundings,
            answer: answer(release, address, &task.cause),
        };
        self.keep((release, address), now_ms, Of::Step(task.cause.source(), Box::new(step)), weight);
    }

    /// Keeps what could not be taken over a switch.
    fn catch_touch(&mut self, at: (&Arc<Release>, &InstanceAddress), now_ms: i64, failure: &TryFailure) {
        let machine = at.1.machine_address();
        let same = |other: &Caught| matches!(&other.of, Of::Touch(touch) if touch.step == failure.step);
        if self.makes_room(&machine, same, now_ms) {
            let weight = failure.capsule.value.len() as u64;
            self.keep(at, now_ms, Of::Touch(Box::new(failure.clone())), weight);
        }
    }

    /// Returns false when there are enough of the same already.
    fn makes_room(&mut self, machine: &MachineAddress, same: impl Fn(&Caught) -> bool, now_ms: i64) -> bool {
        let is_same = |other: &Caught| other.address.machine_address() == *machine && same(other);
        let mut all = self.kept.iter().enumerate().filter(|(_, other)| is_same(other));
        let Some((oldest, first)) = all.next() else { return true };
        if all.count() + 1 < EACH_MAX {
            return true;
        }
        if now_ms.saturating_sub(first.at_ms) < STAY_MS {
            return false;
        }
        self.remove(oldest);
        true
    }

    fn remove(&mut self, index: usize) {
        if let Some(caught) = self.kept.remove(index) {
            self.weight -= caught.weight;
        }
    }

    fn keep(
        &mut self,
        (release, address): (&Arc<Release>, &InstanceAddress),
        at_ms: i64,
        of: Of,
        weight: u64,
    ) {
        while self.kept.len() >= SHARD_MAX
            || (self.weight + weight > SHARD_WEIGHT_MAX && !self.kept.is_empty())
        {
            self.remove(0);
        }
        self.weight += weight;
        let (address, release) = (address.clone(), release.clone());
        self.kept.push_back(Arc::new(Caught { id: self.begun, at_ms, address, release, of, weight }));
        self.begun += 1;
    }
}

/// Returns the link by which the output of a step goes back to the sender, where it does.
pub(super) fn answer(release: &Release, address: &InstanceAddress, cause: &Cause) -> Option<VerifiedLink> {
    let sent = cause.sent()?;
    let channel = release.machine(&sent.sender.machine_address())?.channel(&sent.channel)?;
    let goes = channel.answer.is_some() && channel.receiver == address.machine_address();
    goes.then(|| channel.link.clone())
}

impl Shard {
    /// Returns what failed lately, the oldest first.
    pub fn capsules(&self) -> Vec<Arc<Caught>> {
        self.capsules.kept.iter().cloned().collect()
    }

    /// Keeps what could not be taken over a switch.
    pub(super) fn catch_touch(&mut self, address: &InstanceAddress, failure: &TryFailure) {
        if let Some(release) = &self.release {
            self.capsules.catch_touch((release, address), self.now_ms, failure);
        }
    }
}

impl Caught {
    /// Returns its number among those of its shard, from 0.
    pub fn number(&self) -> u64 {
        self.id
    }

    /// Returns when it failed.
    pub fn at_ms(&self) -> i64 {
        self.at_ms
    }

    /// Returns a line of the list of all.
    pub fn status(&self, id: u64) -> CapsuleStatus {
        let (at, kind, reason, who) = match &self.of {
            Of::Step(source, step) => (step.case(), &step.kind, &step.reason, who(source)),
            Of::Touch(failure) => {
                (Some(failure.step.clone()), &failure.kind, &failure.reason, "switch".to_owned())
            }
        };
        CapsuleStatus {
            id,
            at_ms: self.at_ms,
            instance: self.address.to_string(),
            at: at.unwrap_or_default(),
            kind: kind.clone(),
            reason: reason.clone(),
            who,
            release: self.release.reference(),
        }
    }

    /// Returns the whole capsule. What was done is done once more, to count its fuel.
    pub fn capsule(&self, id: u64) -> KeptCapsule {
        let of = match &self.of {
            Of::Step(_, step) => CapsuleOf::Step { step: Box::new(step.capsule(&self.address, CHARS_MAX)) },
            Of::Touch(failure) => CapsuleOf::Migration { failure: failure.clone() },
        };
        KeptCapsule { status: self.status(id), of }
    }
}

impl Step {
    fn case(&self) -> Option<String> {
        let variant = self.code.verified.input().as_variant()?;
        Some(variant.cases.get(self.case?)?.label.to_string())
    }

    /// Returns what is told of it, of each value no more than so many characters.
    fn capsule(&self, address: &InstanceAddress, chars_max: usize) -> StepCapsule {
        let Step { code, .. } = self;
        let machine = &code.verified;
        let (state_ty, input_ty, config_ty) = (machine.state(), machine.input(), machine.config());
        let too_large = matches!(self.before, Before::TooLarge);
        let mut cut = too_large;
        let mut written = |value: &Value, ty: &Ty| {
            let json = value.to_json_redacted(ty);
            match json.char_indices().nth(chars_max) {
                None => json,
                Some((end, _)) => {
                    cut = true;
                    json[..end].to_owned()
                }
            }
        };
        let input = match &self.input {
            Input::Value(value) => Some(value.clone()),
            Input::Bytes(bytes) => Value::from_binary(bytes, input_ty).ok(),
        };
        let input_digest = match &self.input {
            Input::Value(value) => Digest::of(&value.to_binary(input_ty)),
            Input::Bytes(bytes) => Digest::of(bytes),
        };
        let state = match &self.before {
            Before::Live(state) => Some(state),
            Before::None | Before::TooLarge => None,
        };
        let ctx = self.surroundings.ctx(address, self.seq);
        let links = code.channels.iter().map(|channel| &channel.link);
        let fuel = match (&input, too_large) {
            (Some(input), false) => {
                let (links, answer) = (links.clone().collect(), self.answer.as_ref());
                Scene { machine, links, answer, config: &code.config, state, input, ctx: &ctx }.play().fuel
            }
            _ => 0,
        };
        StepCapsule {
            machine: code.digest(),
            case: self.case(),
            kind: self.kind.clone(),
            reason: self.reason.clone(),
            state: state.map(|state| written(state, state_ty)),
            state_digest: state.map(|state| Digest::of(&state.to_binary(state_ty))),
            input: input.as_ref().map(|input| written(input, input_ty)),
            input_digest,
            config: written(&code.config, config_ty),
            config_digest: Digest::of(&code.config.to_binary(config_ty)),
            key: ctx.self_key.to_string(),
            seq: self.seq,
            now_ms: self.surroundings.now_ms,
            seed: self.surroundings.seed,
            trace: self.trace.as_deref().map(str::to_owned),
            links: links.map(VerifiedLink::digest).collect(),
            answer: self.answer.as_ref().map(VerifiedLink::digest),
            fuel,
            redacted: [state_ty, input_ty].iter().any(|ty| ty.holds_secret()),
            cut,
        }
    }
}

/// A step that a trial did, and that failed.
pub(super) struct Tried<'a> {
    pub(super) code: &'a Arc<MachineCode>,
    pub(super) address: &'a InstanceAddress,
    /// The state before it; none: it begins with a birth.
    pub(super) state: Option<&'a Value>,
    pub(super) input: &'a Value,
    /// The number of the input.
    pub(super) seq: u64,
    pub(super) surroundings: Surroundings,
}

impl Tried<'_> {
    /// Does the step.
    pub(super) fn play(&self) -> Played {
        let Tried { code, state, input, .. } = *self;
        let links = code.channels.iter().map(|channel| &channel.link).collect();
        let ctx = self.surroundings.ctx(self.address, self.seq);
        Scene { machine: &code.verified, links, answer: None, config: &code.config, state, input, ctx: &ctx }
            .play()
    }

    /// Returns the capsule of it, with kind and reason of why it fails; of each value no more than a trial tells.
    pub(super) fn capsule(&self, (kind, reason): (&str, &str)) -> StepCapsule {
        let case = match self.input {
            Value::Sum(case, _) => Some(*case as usize),
            _ => None,
        };
        let step = Step {
            code: self.code.clone(),
            case,
            kind: kind.to_owned(),
            reason: reason.to_owned(),
            trace: None,
            before: self.state.map_or(Before::None, |state| Before::of(state).0),
            input: Input::Value(self.input.clone()),
            seq: self.seq,
            surroundings: self.surroundings,
            answer: None,
        };
        step.capsule(self.address, CAPSULE_CHARS_MAX)
    }
}

/// Says who sent an input.
fn who(source: &Source) -> String {
    match source {
        Source::Anonymous => "a client".to_owned(),
        Source::Client { sender, seq, .. } => format!("client {sender}/{seq}"),
        Source::Key { key, .. } => format!("key {key}"),
        Source::Message { sender, seq, channel, .. } => format!("{sender} (input {seq}, channel {channel})"),
        Source::Answer { receiver, seq, .. } => format!("answer of {receiver} to input {seq}"),
        Source::Port { seq, .. } => format!("answer of a port to input {seq}"),
        Source::Relup { switch, .. } => format!("relup of switch {switch}"),
        Source::Timer { name, .. } => format!("timer {name}"),
    }
}
