//! Rewinding: where the way down is not defined for a state, the release before does over again what the instance
//! did since the switch, from the state before it.
//!
//! While a switch up is provisional, an instance whose way down can fail keeps each of its inputs with what the step
//! saw and what came of it. All of that follows from its records, so that a replay of the journal keeps
//! the same. Going back, the inputs are done again by the older code, and the state that comes of them counts if
//! every answer, trap and effect is what was recorded: then nobody who was answered, and nobody who was sent
//! something, can tell that it was the newer release.
//!
//! What must stay true: nothing is kept for an edge whose way down cannot fail; what is kept is whole or
//! let go, with the reason; after a first difference nothing of it counts.

use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::{Ctx, EdgeArrow, Limits, edge_arrow};
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_cam::verify::VerifiedLink;
use camshaft_manifests::InstanceAddress;
use camshaft_store::{Effect, RewindSnapshot, TakenSnapshot, Verdict};

use super::Shard;
use super::aside::KeptAside;
use super::capsules;
use super::carry::{Along, CAPSULE_CHARS_MAX, Subject, moved_input};
use super::instance::{Before, Instance, Origin, Sent, State};
use super::plan::{Change, Plan, Way};
use super::shadow::{Moment, Side};
use super::step::{Cause, Computed, Input, Place, Runner, Surroundings, Task, birth, compute};
use super::supervise::Counters;
use super::table::Slot;
use super::told::{Again, Differs, differs, told, words};
use crate::api::{RewindCapsule, ToldEffect, ToldInput, TryFailure};
use crate::release::MachineCode;
use crate::replay::{BETWEEN, Back, LET_GO};

/// How many inputs are kept of an instance. To do them again takes a quarter of a millisecond where a step takes a
/// microsecond, and the first input after the way back waits for that.
pub const REWIND_INPUTS_MAX: usize = 256;

/// How many bytes of inputs, answers and effects are kept of an instance: a thousand instances that are written
/// all the time take 32 MiB. No setting: a replay has to let go where the live run did.
pub const REWIND_BYTES_MAX: usize = 32 << 10;

/// What an input takes beside its bytes.
const TAKEN_BYTES: usize = 64;

/// What is kept of an instance for a rewind.
#[derive(Debug, Clone)]
pub enum Rewind {
    /// All that it needs. Shared with copies that are tried.
    Kept(Arc<Since>),
    /// It was let go, and why, for people.
    LetGo(Arc<str>),
}

/// What an instance did since the switch.
#[derive(Debug, Clone)]
pub struct Since {
    /// The state from before the switch; none for one that was not born.
    pub(super) start: Option<Before>,
    taken: Vec<Taken>,
    bytes: usize,
}

/// An input, and what came of it.
#[derive(Debug, Clone)]
struct Taken {
    seq: u64,
    input: Arc<[u8]>,
    /// True when the input is in the types of the older machine: it had waited since before the switch.
    older: bool,
    surroundings: Surroundings,
    /// Who is told of the answer, and on which channel.
    asked: Option<(InstanceAddress, Arc<str>)>,
    verdict: Verdict,
}

impl Taken {
    fn bytes(&self) -> usize {
        let of_effect = |effect: &Effect| match effect {
            Effect::Stop => 0,
            Effect::Log(text) | Effect::Cancel(text) => text.len(),
            Effect::Timer { name, input, .. } => name.len() + input.len(),
            Effect::Send { channel, to, message } => channel.len() + to.len() + message.len(),
            Effect::Call { port, key, message } => {
                port.len() + key.as_ref().map_or(0, String::len) + message.len()
            }
        };
        let of_verdict = match &self.verdict {
            Verdict::Applied { output, effects } => {
                let effects: usize = effects.iter().map(|effect| TAKEN_BYTES + of_effect(effect)).sum();
                output.as_ref().map_or(0, Vec::len) + effects
            }
            Verdict::Trapped { kind, reason } => kind.len() + reason.len(),
        };
        TAKEN_BYTES + self.input.len() + of_verdict
    }
}

impl Rewind {
    /// Returns what is kept at the beginning: before the switch there was this state, or none.
    pub(super) fn begin(start: Option<Before>) -> Rewind {
        Rewind::Kept(Arc::new(Since { start, taken: vec![], bytes: 0 }))
    }

    /// Returns the state from before the switch, if there is one.
    pub(super) fn start(&self) -> Option<&Before> {
        match self {
            Rewind::Kept(since) => since.start.as_ref(),
            Rewind::LetGo(_) => None,
        }
    }

    /// Keeps an input. Returns what was kept, where that is too much now.
    fn take(&mut self, taken: Taken) -> Option<Rewind> {
        let Rewind::Kept(since) = self else { return None };
        let bytes = since.bytes + taken.bytes();
        let reason = if since.taken.len() >= REWIND_INPUTS_MAX {
            format!("it took more than {REWIND_INPUTS_MAX} inputs since the switch, which are not kept")
        } else if bytes > REWIND_BYTES_MAX {
            let most = REWIND_BYTES_MAX >> 10;
            format!("its inputs and answers since the switch take more than {most} KiB, and are not kept")
        } else {
            let since = Arc::make_mut(since);
            since.bytes = bytes;
            since.taken.push(taken);
            return None;
        };
        Some(std::mem::replace(self, Rewind::LetGo(reason.into())))
    }

    /// Returns the form for a snapshot.
    pub(super) fn save(&self) -> RewindSnapshot {
        let since = match self {
            Rewind::LetGo(reason) => return RewindSnapshot::LetGo(reason.to_string()),
            Rewind::Kept(since) => since,
        };
        let saved = |taken: &Taken| TakenSnapshot {
            seq: taken.seq,
            input: taken.input.to_vec(),
            older: taken.older,
            now_ms: taken.surroundings.now_ms,
            seed: taken.surroundings.seed,
            asked: taken.asked.as_ref().map(|(sender, channel)| (sender.to_string(), channel.to_string())),
            verdict: taken.verdict.clone(),
        };
        RewindSnapshot::Kept {
            start: since.start.as_ref().map(Before::save),
            inputs: since.taken.iter().map(saved).collect(),
        }
    }

    /// Returns what a snapshot has. `before` reads a state from before.
    ///
    /// # Errors
    ///
    /// What is damaged.
    pub(super) fn load(
        saved: RewindSnapshot,
        before: impl FnOnce(camshaft_store::BeforeImage) -> Result<Before, String>,
    ) -> Result<Rewind, String> {
        let (start, inputs) = match saved {
            RewindSnapshot::LetGo(reason) => return Ok(Rewind::LetGo(reason.into())),
            RewindSnapshot::Kept { start, inputs } => (start, inputs),
        };
        let mut since = Since { start: start.map(before).transpose()?, taken: vec![], bytes: 0 };
        for saved in inputs {
            let asked = match saved.asked {
                None => None,
                Some((sender, channel)) => {
                    let sender =
                        sender.parse().map_err(|error| format!("`{sender}` is no address: {error}"))?;
                    Some((sender, channel.into()))
                }
            };
            let taken = Taken {
                seq: saved.seq,
                input: saved.input.into(),
                older: saved.older,
                surroundings: Surroundings { now_ms: saved.now_ms, seed: saved.seed },
                asked,
                verdict: saved.verdict,
            };
            since.bytes += taken.bytes();
            since.taken.push(taken);
        }
        Ok(Rewind::Kept(Arc::new(since)))
    }
}

impl Shard {
    /// Finds out for which machines a rewind may be needed: those that went up by the last switch, while it is provisional,
    /// along an edge whose way down can fail.
    pub(super) fn note_rewinds(&mut self) {
        let last = self.road.after(0).last();
        let up = last.filter(|step| step.plan.way == Way::Up && !step.permanent);
        let moves = up.into_iter().flat_map(|step| step.plan.pairs.values());
        let moves = moves.filter_map(|change| match change {
            Change::Moves { from, to, edge } => Some((from, to, edge)),
            Change::Stays { .. } | Change::Restarts { .. } | Change::Removed { .. } => None,
        });
        let may_fail = |(from, to, edge): &(&Arc<MachineCode>, &Arc<MachineCode>, &Arc<_>)| {
            let edge: &camshaft_cam::verify::VerifiedEdge = edge;
            edge.reason_down_may_fail(&from.verified, &to.verified).is_some()
        };
        let rewinds: Vec<_> =
            moves.filter(may_fail).map(|(from, to, _)| (to.address.clone(), from.digest())).collect();
        for runner in &mut self.runners {
            let found = rewinds.iter().find(|(address, _)| *address == runner.code.address);
            runner.older = found.map(|(_, digest)| *digest);
        }
    }

    /// Keeps an input, before what came of it is committed, where a rewind may need it.
    #[inline]
    pub(super) fn keep_taken(
        &mut self,
        slot: Slot,
        task: &Task,
        (seq, surroundings): (u64, Surroundings),
        computed: &Computed,
    ) {
        let runner = self.table[slot].instance.runner as usize;
        if let Some(older) = self.runners[runner].older {
            let instance = &mut self.table[slot].instance;
            let rewind = keep_taken(instance, older, task, (seq, surroundings), computed);
            self.out.discard(rewind);
        }
    }

    /// Says of an instance that it did something since the switch which is not known.
    pub(super) fn let_rewind_go(&mut self, slot: Slot, reason: &str) {
        let runner = self.table[slot].instance.runner as usize;
        if self.runners[runner].older.is_some() {
            let rewind = self.touch(slot).rest_mut().rewind.replace(Rewind::LetGo(reason.into()));
            self.out.discard(rewind);
        }
    }
}

/// Returns what is not kept any more.
fn keep_taken(
    instance: &mut Instance,
    older: Digest,
    task: &Task,
    (seq, surroundings): (u64, Surroundings),
    computed: &Computed,
) -> Option<Rewind> {
    let rest = instance.rest();
    if computed.stops {
        // Nothing is left to go back, and what is born next begins anew.
        return instance.rest_if_any().and_then(|rest| rest.rewind.take());
    }
    let begun = match (&rest.rewind, &rest.before) {
        (Some(Rewind::LetGo(_)), _) => return None,
        (Some(Rewind::Kept(_)), _) => None,
        (None, Some(before)) if before.machine == older => Some(Rewind::begin(Some(before.clone()))),
        (None, _) if computed.born => Some(Rewind::begin(None)),
        // Some of what it did is not known: it was left behind, or an older agent was at work.
        (None, _) => return None,
    };
    let written = task.written.clone();
    let taken = Taken {
        seq,
        older: written.is_some(),
        input: match (written, &task.input) {
            (Some(written), _) => written,
            (None, Input::Bytes(bytes)) => bytes.clone(),
            (None, Input::Value(value)) => value.to_binary(instance.code.verified.input()).into(),
        },
        surroundings,
        asked: task.cause.sent().map(|sent| (sent.sender.clone(), sent.channel.clone())),
        verdict: computed.verdict.clone(),
    };
    let rest = instance.rest_mut();
    if begun.is_some() {
        rest.rewind = begun;
    }
    rest.rewind.as_mut().and_then(|rewind| rewind.take(taken))
}

/// The state that a rewind comes to, and what was kept aside of it before the switch.
type Rewound = (Value, Option<KeptAside>);

/// Does over again what an instance did since the switch, by the code that it goes back to. `failure` is why it does not
/// go down.
///
/// # Errors
///
/// The failure to hold it with: the first thing that differs, or why there is nothing to be done again.
pub(super) fn rewound(
    rewind: &Rewind,
    along: &Along<'_>,
    plan: &Plan,
    instance: &Instance,
    failure: &TryFailure,
) -> Result<Rewound, Box<TryFailure>> {
    let since = match rewind {
        Rewind::Kept(since) => since,
        Rewind::LetGo(reason) => {
            let (step, kind, reason) = ("rewind".to_owned(), LET_GO.to_owned(), cannot(failure, reason));
            return Err(Box::new(TryFailure { step, kind, reason, ..failure.clone() }));
        }
    };
    Over { along, plan, failure }.all(since, instance)
}

/// Returns the reason to hold an instance that does not go down and cannot be rewound either.
fn cannot(failure: &TryFailure, why: &str) -> String {
    format!("{}{BETWEEN}{why}", failure.reason)
}

struct Over<'a> {
    along: &'a Along<'a>,
    plan: &'a Plan,
    /// Why the state does not go down.
    failure: &'a TryFailure,
}

impl Over<'_> {
    fn all(&self, since: &Since, instance: &Instance) -> Result<Rewound, Box<TryFailure>> {
        let code = self.along.to;
        let mut older = Instance::unborn(code.clone(), instance.switch);
        let mut aside = None;
        if let Some(before) = &since.start {
            older.state = State::Live(before.value.clone());
            aside = before.aside.clone();
        }
        let mut runner = Runner {
            code: code.clone(),
            registers: code.registers(),
            counters: Counters::new(code.cases()),
            place: (0, 0),
            older: None,
        };
        for taken in &since.taken {
            self.one(taken, &mut older, &mut runner)?;
        }
        match older.state {
            State::Live(value) => Ok((value, aside)),
            // It was reset and took nothing since.
            State::None => match birth(code) {
                Ok(value) => Ok((value, None)),
                Err((kind, reason)) => {
                    let why = format!("it would not be born in the older release: {reason}");
                    Err(self.differs(None, (instance.seq, kind), &why))
                }
            },
            State::Held(_) => unreachable!("no step holds an instance"),
        }
    }

    fn one(&self, taken: &Taken, older: &mut Instance, runner: &mut Runner) -> Result<(), Box<TryFailure>> {
        let input = match taken.older {
            true => taken.input.clone(),
            false => match moved_input(self.along, &taken.input, taken.seq) {
                Ok(input) => input,
                Err(failure) => {
                    let why = format!("has no form in the older release: {}", failure.reason);
                    let was = ToldInput { trapped: None, answer: None, effects: vec![] };
                    return Err(self.input_differs(taken, older, None, was, ("input", why)));
                }
            },
        };
        let cause = match &taken.asked {
            None => Cause::Mail(Origin::Outside { identity: None }),
            Some((sender, channel)) => Cause::Mail(Origin::Message(Sent {
                sender: self.plan.address_after(sender),
                channel: channel.clone(),
                seq: 0,
                effect: 0,
                life: 0,
            })),
        };
        let task = Task { cause, input: Input::Bytes(input), trace: None, written: None };
        older.seq = taken.seq.saturating_sub(1);
        let place = Place {
            release: &self.plan.to,
            runner,
            address: self.along.address,
            tongue: None,
            keep: true,
            switch: older.switch,
        };
        let computed = compute(place, older, &task, taken.surroundings);
        if self.is_same(&taken.verdict, &computed.verdict, taken.seq) {
            return Ok(());
        }
        let answer = capsules::answer(&self.plan.to, self.along.address, &task.cause);
        let is = self.again(&computed.verdict);
        computed.undo(older);
        let (was, given) = self.told(taken);
        let (newer, below) = (self.along.from.verified.output(), self.along.to.verified.output());
        let found = differs(self.along.edge, (newer, below), (&was, given.as_ref()), &is);
        let found = found.unwrap_or(("effects", "gave something that cannot be read".to_owned()));
        Err(self.input_differs(taken, older, answer, was, found))
    }

    /// Returns true where nobody outside can tell the one from the other.
    fn is_same(&self, was: &Verdict, is: &Verdict, seq: u64) -> bool {
        match (was, is) {
            (Verdict::Applied { output, effects }, Verdict::Applied { output: again, effects: now }) => {
                let lowered = output.as_deref().map(|bytes| {
                    let (newer, older) = (self.along.from.verified.output(), self.along.to.verified.output());
                    let answer = Value::from_binary(bytes, newer).ok()?;
                    let lowered = edge_arrow(self.along.edge, EdgeArrow::Lower, &answer, Limits::MIGRATION);
                    Some(lowered.ok()?.to_binary(older))
                });
                let answers = match (lowered, again) {
                    (None, None) => true,
                    (Some(Some(was)), Some(is)) => was == *is,
                    _ => false,
                };
                let same =
                    |(was, is): (&Effect, &Effect)| self.as_older(was, seq).is_ok_and(|was| was == *is);
                answers && effects.len() == now.len() && effects.iter().zip(now).all(same)
            }
            (was, is) => was == is,
        }
    }

    /// Returns what came of an input in the newer release, and the answer that was given.
    fn told(&self, taken: &Taken) -> (ToldInput, Option<Value>) {
        match &taken.verdict {
            Verdict::Trapped { kind, reason } => {
                let trapped = Some((kind.clone(), reason.clone()));
                (ToldInput { trapped, answer: None, effects: vec![] }, None)
            }
            Verdict::Applied { output, effects } => {
                let ty = self.along.from.verified.output();
                let given = output.as_deref().and_then(|bytes| Value::from_binary(bytes, ty).ok());
                let effects = effects.iter().map(|effect| match self.as_older(effect, taken.seq) {
                    Ok(effect) => told(&effect, &self.along.to.verified),
                    Err(why) => ToldEffect {
                        words: words(effect),
                        more: String::new(),
                        digest: Digest::of(b""),
                        no_form: Some(why),
                    },
                });
                let answer = given.as_ref().map(|given| given.to_json_redacted(ty));
                (ToldInput { trapped: None, answer, effects: effects.collect() }, given)
            }
        }
    }

    fn again(&self, verdict: &Verdict) -> Again {
        let machine = &self.along.to.verified;
        match verdict {
            Verdict::Trapped { kind, reason } => {
                Again { end: Err((kind.clone(), reason.clone())), effects: vec![] }
            }
            Verdict::Applied { output, effects } => {
                let read = |bytes: &[u8]| Value::from_binary(bytes, machine.output()).ok();
                let effects = effects.iter().map(|effect| told(effect, machine)).collect();
                Again { end: Ok(output.as_deref().and_then(read)), effects }
            }
        }
    }

    /// Returns the failure of an input of which something else comes, with what is needed to see that elsewhere. `older` is
    /// the instance before it.
    fn input_differs(
        &self,
        taken: &Taken,
        older: &Instance,
        answer: Option<VerifiedLink>,
        was: ToldInput,
        (kind, why): Differs,
    ) -> Box<TryFailure> {
        let why = format!("input {} {why}", taken.seq);
        let mut failure = self.differs(Some(taken), (taken.seq, kind), &why);
        let code = self.along.to;
        let (state_ty, input_ty) = (code.verified.state(), code.verified.input());
        let state = match &older.state {
            State::Live(state) => Some(state),
            State::None | State::Held(_) => None,
        };
        let json = state.map(|state| state.to_json_redacted(state_ty));
        let cut = json.as_ref().is_some_and(|json| json.len() > CAPSULE_CHARS_MAX);
        let key = self.along.address.key.as_ref().map_or("", |key| key.as_str());
        let types = [state_ty, input_ty, self.along.from.verified.output()];
        let capsule = RewindCapsule {
            older: taken.older,
            state: json.map(|json| if cut { String::new() } else { json }),
            state_digest: state.map(|state| Digest::of(&state.to_binary(state_ty))),
            config: code.config.to_json_redacted(code.verified.config()),
            key: key.to_owned(),
            now_ms: taken.surroundings.now_ms,
            seed: taken.surroundings.seed,
            links: code.channels.iter().map(|channel| channel.link.digest()).collect(),
            answer: answer.as_ref().map(VerifiedLink::digest),
            was,
            redacted: types.iter().any(|ty| ty.holds_secret()),
            cut,
        };
        failure.capsule.fuel = (!cut).then(|| self.fuel(taken, state, answer.as_ref())).flatten();
        failure.capsule.rewind = Some(Box::new(capsule));
        failure
    }

    /// Returns the fuel that the input takes on its way to the older release, and there.
    fn fuel(&self, taken: &Taken, state: Option<&Value>, answer: Option<&VerifiedLink>) -> Option<u64> {
        let Along { from, to, edge, .. } = *self.along;
        let ty = if taken.older { to.verified.input() } else { from.verified.input() };
        let input = Value::from_binary(&taken.input, ty).ok()?;
        let key = self.along.address.key.as_ref().map_or_else(|| "".into(), |key| key.shared());
        let ctx = Ctx {
            now_ms: taken.surroundings.now_ms,
            seq: i64::try_from(taken.seq).unwrap_or(i64::MAX),
            self_key: key,
            seed: taken.surroundings.seed,
        };
        let links = to.channels.iter().map(|channel| &channel.link).collect();
        let side = Side { machine: &to.verified, links, config: &to.config };
        let moment = Moment { state, input: &input, ctx: &ctx };
        Some(Back { edge, older: taken.older, side: &side, answer }.play(&moment).1)
    }

    /// Returns an effect in the types and names of the older release.
    fn as_older(&self, effect: &Effect, seq: u64) -> Result<Effect, String> {
        let (newer, older) = (&self.along.from.verified, &self.along.to.verified);
        let same = |types: Option<(&Ty, &Ty)>| match types {
            Some((newer, older)) if newer == older => Ok(()),
            // Who got it read what the older release cannot have written.
            Some(_) => Err("whose type is another in the older release".to_owned()),
            None => Err("which the older release does not have".to_owned()),
        };
        Ok(match effect {
            Effect::Stop | Effect::Log(_) | Effect::Cancel(_) => effect.clone(),
            Effect::Timer { name, due_ms, input } => {
                let moved = moved_input(self.along, &input.as_slice().into(), seq);
                let moved = moved.map_err(|failure| {
                    format!("which has no form in the older release: {}", failure.reason)
                })?;
                Effect::Timer { name: name.clone(), due_ms: *due_ms, input: moved.to_vec() }
            }
            Effect::Send { channel, to, message } => {
                let ty = |machine: &camshaft_cam::verify::VerifiedMachine| {
                    let message = machine.channel(channel)?.message;
                    Some(machine.module().ty(message).clone())
                };
                same(ty(newer).as_ref().zip(ty(older).as_ref()))?;
                let to = match to.parse::<InstanceAddress>() {
                    Ok(to) => self.plan.address_after(&to).to_string(),
                    Err(_) => to.clone(),
                };
                Effect::Send { channel: channel.clone(), to, message: message.clone() }
            }
            Effect::Call { port, .. } => {
                let ty = |machine: &camshaft_cam::verify::VerifiedMachine| {
                    let message = machine.port(port)?.message;
                    Some(machine.module().ty(message).clone())
                };
                same(ty(newer).as_ref().zip(ty(older).as_ref()))?;
                effect.clone()
            }
        })
    }

    /// Returns the failure of an input. Its capsule has the input as it was taken.
    fn differs(&self, taken: Option<&Taken>, (seq, kind): (u64, &str), why: &str) -> Box<TryFailure> {
        let ty = |taken: &Taken| match taken.older {
            true => self.along.to.verified.input(),
            false => self.along.from.verified.input(),
        };
        let unit = Ty::unit();
        let input =
            taken.and_then(|taken| Some((Value::from_binary(&taken.input, ty(taken)).ok()?, ty(taken))));
        let (value, ty) = input.unwrap_or((Value::Unit, &unit));
        let digest = taken.map(|taken| Digest::of(&taken.input));
        let subject = Subject { along: self.along, value: &value, ty, digest, seq, kept: None };
        Box::new(subject.failure("rewind", kind, cannot(self.failure, why)))
    }
}
