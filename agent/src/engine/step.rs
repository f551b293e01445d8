//! One step, computed and not yet committed: the only place where the engine runs steps.
//!
//! Live runs and replays compute in the same way, so that they can be compared.

use std::sync::{Arc, LazyLock};

use camshaft_cam::digest::Digest;
use camshaft_cam::run::t1::Registers;
use camshaft_cam::run::{self, Ctx, Limits, Trap};
use camshaft_cam::value::Value;
use camshaft_manifests::{InstanceAddress, Key};
use camshaft_store::{CallSnapshot, Effect, InputRecord, Source, Verdict};

use super::instance::{Instance, Mail, Origin, Sent, State};
use super::kept::Identity;
use super::supervise::Counters;
use crate::release::{MachineCode, Release};
use crate::speech::Tongue;

/// An input that is about to be applied.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) cause: Cause,
    pub(super) input: Input,
    pub(super) trace: Option<Arc<str>>,
    /// The same in the types of the machine before, if it had waited in those since before the last switch.
    pub(super) written: Option<Arc<[u8]>>,
}

/// An input, in the types of the machine that takes it.
#[derive(Debug, Clone)]
pub(super) enum Input {
    /// Read already: one from outside.
    Value(Value),
    /// As it waited.
    Bytes(Arc<[u8]>),
}

/// Why an input is applied.
#[derive(Debug, Clone)]
pub(super) enum Cause {
    Mail(Origin),
    Timer { name: Arc<str>, generation: u64 },
}

/// What a step sees beside input and state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings {
    pub(super) now_ms: i64,
    pub(super) seed: i64,
}

impl Surroundings {
    /// Returns what a step sees beside input, state and configuration.
    pub(super) fn ctx(self, address: &InstanceAddress, seq: u64) -> Ctx {
        Ctx {
            now_ms: self.now_ms,
            seq: i64::try_from(seq).unwrap_or(i64::MAX),
            self_key: address.key.as_ref().map_or_else(|| "".into(), |key| key.shared()),
            seed: self.seed,
        }
    }
}

/// The code of a machine, the registers of the one thread that runs it, and what came of its inputs.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) code: Arc<MachineCode>,
    pub(super) registers: Registers,
    pub(super) counters: Counters,
    /// The place of its application, and its own place there.
    pub(super) place: (usize, usize),
    /// The machine that ran before the last switch, while its instances keep what a rewind needs.
    pub(super) older: Option<Digest>,
}

/// What a step did. The state of the instance is the new one already.
#[derive(Debug)]
pub(super) struct Computed {
    pub(super) verdict: Verdict,
    /// The case of the input; none when it is not of the machine's type.
    pub(super) case: Option<usize>,
    /// The state before the step, where it may have to be taken back.
    before: Option<State>,
    /// True when the step began with a birth.
    pub(super) born: bool,
    /// True when the step ended the instance.
    pub(super) stops: bool,
    /// False when the state is known to be what it was.
    pub(super) changed: bool,
    /// True when neither state nor world would change.
    pub(super) idle: bool,
    /// Messages to other instances, and the answer to the sender.
    pub(super) mail: Vec<Outgoing>,
    /// Calls on ports.
    pub(super) calls: Vec<CallSnapshot>,
    /// The answer.
    pub(super) output: Option<Value>,
    /// The same as a client of another version is told, or why there is none.
    pub(super) lowered: Option<Result<String, String>>,
}

/// A message that leaves an instance.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) to: InstanceAddress,
    pub(super) mail: Mail,
    /// Which life of the receiver an answer is for.
    pub(super) expects: Option<u64>,
}

impl Computed {
    /// Takes out the state before the step, which is not taken back any more.
    pub(super) fn take_before(&mut self) -> Option<State> {
        self.before.take()
    }

    /// Takes the step back: the instance is as it was.
    pub(super) fn undo(self, instance: &mut Instance) {
        instance.state = self.before.expect("who may take a step back says so before");
    }
}

/// Kind and reason of why a step was not done.
pub(crate) type Failed = (&'static str, String);

/// Returns the kind of a trap, for programs.
pub(crate) fn kind(trap: &Trap) -> &'static str {
    match trap {
        Trap::Overflow => "overflow",
        Trap::DivisionByZero => "division_by_zero",
        Trap::Range => "range",
        Trap::Fail(_) => "fail",
        Trap::Guard => "guard",
        Trap::Invariant(_) => "invariant",
        Trap::Fuel => "fuel",
        Trap::Memory => "memory",
    }
}

fn trapped(trap: &Trap) -> Failed {
    (kind(trap), trap.to_string())
}

impl Cause {
    /// Returns the source as the journal has it.
    pub(super) fn source(&self) -> Source {
        match self {
            Cause::Mail(Origin::Outside { identity: None }) => Source::Anonymous,
            Cause::Mail(Origin::Outside { identity: Some((identity, content)) }) => match identity {
                Identity::Client { sender, seq } => {
                    Source::Client { sender: sender.to_string(), seq: *seq, content: *content }
                }
                Identity::Key(key) => Source::Key { key: key.to_string(), content: *content },
            },
            Cause::Mail(Origin::Message(sent)) => Source::Message {
                sender: sent.sender.to_string(),
                seq: sent.seq,
                effect: sent.effect,
                channel: sent.channel.to_string(),
                life: sent.life,
            },
            Cause::Mail(Origin::Answer { receiver, seq, effect }) => {
                Source::Answer { receiver: receiver.to_string(), seq: *seq, effect: *effect }
            }
            Cause::Mail(Origin::Port { seq, effect }) => Source::Port { seq: *seq, effect: *effect },
            Cause::Mail(Origin::Relup { switch, index }) => Source::Relup { switch: *switch, index: *index },
            Cause::Timer { name, generation } => {
                Source::Timer { name: name.to_string(), generation: *generation }
            }
        }
    }

    /// Returns true where nobody sent the input who could be told what came of it: a timer fired it, or a relup applies it.
    pub(super) fn has_no_sender(&self) -> bool {
        match self {
            Cause::Timer { .. } | Cause::Mail(Origin::Relup { .. }) => true,
            Cause::Mail(
                Origin::Outside { .. } | Origin::Message(_) | Origin::Answer { .. } | Origin::Port { .. },
            ) => false,
        }
    }

    pub(super) fn sent(&self) -> Option<&Sent> {
        match self {
            Cause::Mail(Origin::Message(sent)) => Some(sent),
            _ => None,
        }
    }
}

/// Where a step is done, and for whom.
pub(super) struct Place<'a> {
    pub(super) release: &'a Release,
    pub(super) runner: &'a mut Runner,
    pub(super) address: &'a InstanceAddress,
    /// How the client speaks that waits for the answer.
    pub(super) tongue: Option<&'a Tongue>,
    /// True when the step may be taken back afterwards.
    pub(super) keep: bool,
    /// The number of the last switch.
    pub(super) switch: u64,
}

/// Does what an input does to an instance, which is not held.
pub(super) fn compute(
    place: Place<'_>,
    instance: &mut Instance,
    task: &Task,
    surroundings: Surroundings,
) -> Computed {
    let (release, address, switch) = (place.release, place.address, place.switch);
    let mut case = None;
    match applied(place, instance, task, surroundings, &mut case) {
        Ok(computed) => computed,
        Err((kind, reason)) => {
            // Whoever waits for an answer learns that there is none.
            let answer = task
                .cause
                .sent()
                .and_then(|sent| answer((release, switch), address, sent, None, &task.trace).ok().flatten());
            Computed {
                verdict: Verdict::Trapped { kind: kind.to_owned(), reason },
                case,
                before: Some(instance.state.clone()),
                born: false,
                stops: false,
                changed: false,
                idle: true,
                mail: answer.into_iter().collect(),
                calls: vec![],
                output: None,
                lowered: None,
            }
        }
    }
}

fn applied(
    place: Place<'_>,
    instance: &mut Instance,
    task: &Task,
    surroundings: Surroundings,
    case: &mut Option<usize>,
) -> Result<Computed, Failed> {
    let Place { release, runner, address, tongue, keep, switch } = place;
    let code = &*runner.code;
    let read;
    let input = match &task.input {
        Input::Value(value) => value,
        Input::Bytes(bytes) => {
            read = Value::from_binary(bytes, code.verified.input())
                .map_err(|error| ("input", format!("the input is not of the machine's type: {error}")))?;
            &read
        }
    };
    if let Value::Sum(index, _) = input {
        *case = Some(*index as usize);
    }
    let other = tongue.filter(|tongue| tongue.is_other());
    // A part that is held twice is copied before it is changed, so it is held where it must be only.
    let keep = keep || other.is_some() || !code.channels.is_empty() || task.cause.sent().is_some();
    let (born, mut before) = match &instance.state {
        State::Live(value) => (false, keep.then(|| State::Live(value.clone()))),
        State::None => {
            let value = birth(code)?;
            instance.state = State::Live(value);
            (true, Some(State::None))
        }
        State::Held(_) => unreachable!("a held instance takes no inputs"),
    };
    let State::Live(state) = &mut instance.state else { unreachable!("it lives by now") };
    let seq = instance.seq + 1;
    let ctx = Ctx {
        now_ms: surroundings.now_ms,
        seq: i64::try_from(seq).unwrap_or(i64::MAX),
        self_key: address.key.as_ref().map_or_else(|| EMPTY.clone(), |key| key.shared()),
        seed: surroundings.seed,
    };
    let done = match code.run(&mut runner.registers, input, state, &ctx) {
        Ok(done) => done,
        Err(trap) => {
            if born {
                instance.state = State::None;
            }
            return Err(trapped(&trap));
        }
    };
    let changed = done.changed;
    let output = done.output.take();
    let effects = std::mem::take(&mut done.effects);
    let life = instance.life + u64::from(born);
    let mut did = Did::new(Sender { code, address, seq, life, effect: 0, switch });
    let sent = did.all(effects, surroundings, &task.trace).and_then(|()| {
        let Some(sent) = task.cause.sent() else { return Ok(()) };
        did.mail.extend(answer((release, switch), address, sent, output.as_ref(), &task.trace)?);
        Ok(())
    });
    if let Err(failed) = sent {
        instance.state = before.take().expect("who sends may take the step back");
        return Err(failed);
    }
    let lowered = other.zip(output.as_ref()).map(|(tongue, value)| tongue.write(value, code));
    let Did { effects, mail, calls, stops, .. } = did;
    let verdict = Verdict::Applied {
        output: output.as_ref().map(|value| value.to_binary(code.verified.output())),
        effects,
    };
    let idle = !changed && matches!(&verdict, Verdict::Applied { effects, .. } if effects.is_empty());
    Ok(Computed { verdict, case: *case, before, born, stops, changed, idle, mail, calls, output, lowered })
}

static EMPTY: LazyLock<Arc<str>> = LazyLock::new(|| "".into());

/// What the effects of a step come to.
struct Did<'a> {
    sender: Sender<'a>,
    effects: Vec<Effect>,
    mail: Vec<Outgoing>,
    calls: Vec<CallSnapshot>,
    stops: bool,
}

impl<'a> Did<'a> {
    fn new(sender: Sender<'a>) -> Did<'a> {
        Did { sender, effects: vec![], mail: vec![], calls: vec![], stops: false }
    }

    fn all(
        &mut self,
        effects: Vec<run::Effect>,
        surroundings: Surroundings,
        trace: &Option<Arc<str>>,
    ) -> Result<(), Failed> {
        for (index, effect) in (0u32..).zip(effects) {
            self.sender.effect = index;
            let effect = self.one(effect, surroundings, trace)?;
            self.effects.push(effect);
        }
        Ok(())
    }

    fn one(
        &mut self,
        effect: run::Effect,
        surroundings: Surroundings,
        trace: &Option<Arc<str>>,
    ) -> Result<Effect, Failed> {
        let code = self.sender.code;
        Ok(match effect {
            run::Effect::Stop => {
                self.stops = true;
                Effect::Stop
            }
            run::Effect::Log(line) => Effect::Log(line.to_string()),
            run::Effect::Cancel(name) => Effect::Cancel(name.to_string()),
            run::Effect::Timer { name, after_ms, input } => Effect::Timer {
                name: name.to_string(),
                due_ms: surroundings.now_ms.saturating_add(after_ms.max(0)),
                input: input.to_binary(code.verified.input()),
            },
            run::Effect::Send { channel, key, message } => {
                let (to, mail, bytes) = send(&self.sender, channel as usize, key, &message, trace)?;
                let channel = code.channels[channel as usize].name.to_string();
                let recorded = Effect::Send { channel, to: to.to_string(), message: bytes };
                self.mail.push(Outgoing { to, mail, expects: None });
                recorded
            }
            run::Effect::Call { port, key, message } => {
                let declared = &code.verified.ports()[port as usize];
                let ty = code.verified.module().ty(declared.message);
                let key = key.map(|key| key.to_string());
                self.calls.push(CallSnapshot {
                    seq: self.sender.seq,
                    effect: self.sender.effect,
                    caller: self.sender.address.to_string(),
                    port: declared.name.to_string(),
                    key: key.clone(),
                    // Something outside was asked to use it, so it is told in plain.
                    message: message.to_json(ty),
                    life: self.sender.life,
                    trace: trace.as_deref().map(str::to_owned),
                });
                Effect::Call { port: declared.name.to_string(), key, message: message.to_binary(ty) }
            }
        })
    }
}

/// Returns what a step of a held instance sent and called according to the journal. What cannot be read
/// is left out: the instance is held already, and there is nothing better to do.
pub(super) fn recorded(
    release: &Release,
    address: &InstanceAddress,
    instance: &Instance,
    task: Option<&Task>,
    record: &InputRecord,
) -> Vec<Outgoing> {
    let code = &*instance.code;
    let trace: Option<Arc<str>> = record.trace.as_deref().map(Into::into);
    let (output, effects): (_, &[Effect]) = match &record.verdict {
        Verdict::Applied { output, effects, .. } => (output.as_ref(), effects),
        Verdict::Trapped { .. } => (None, &[]),
    };
    let mut mail = vec![];
    for (index, effect) in (0u32..).zip(effects) {
        let Effect::Send { channel, to, message } = effect else { continue };
        let declared = code.verified.channels().iter().position(|other| *other.name == **channel);
        let Some(channel) = declared else { continue };
        let ty = code.verified.module().ty(code.verified.channels()[channel].message);
        let Ok(message) = Value::from_binary(message, ty) else { continue };
        let Ok(to) = to.parse::<InstanceAddress>() else { continue };
        let sender = Sender {
            code,
            address,
            seq: record.seq,
            life: instance.life,
            effect: index,
            switch: record.switch,
        };
        let key = to.key.as_ref().map(|key| key.shared());
        let sent = send(&sender, channel, key, &message, &trace).ok();
        mail.extend(sent.map(|(to, mail, _)| Outgoing { to, mail, expects: None }));
    }
    if let Some(sent) = task.and_then(|task| task.cause.sent()) {
        let output = output.and_then(|bytes| Value::from_binary(bytes, code.verified.output()).ok());
        let release = (release, record.switch);
        mail.extend(answer(release, address, sent, output.as_ref(), &trace).ok().flatten());
    }
    mail
}

/// Returns the state that a new instance starts from.
pub(super) fn birth(code: &MachineCode) -> Result<Value, Failed> {
    run::init(&code.verified, &code.config, Limits::STEP).map_err(|trap| trapped(&trap))
}

struct Sender<'a> {
    code: &'a MachineCode,
    address: &'a InstanceAddress,
    seq: u64,
    life: u64,
    effect: u32,
    switch: u64,
}

/// Returns the key that a send names.
pub(crate) fn key_of(channel: &str, key: &str) -> Result<Key, Failed> {
    key.parse().map_err(|error| ("key", format!("the key of a send on `{channel}`: {error}")))
}

/// Returns the receiver, the message as it is put into the mailbox, and the bytes for the record.
fn send(
    sender: &Sender<'_>,
    channel: usize,
    key: Option<Arc<str>>,
    message: &Value,
    trace: &Option<Arc<str>>,
) -> Result<(InstanceAddress, Mail, Vec<u8>), Failed> {
    let declared = &sender.code.verified.channels()[channel];
    let bound = &sender.code.channels[channel];
    let key = match key {
        None => None,
        Some(key) => Some(key_of(&bound.name, &key)?),
    };
    let to =
        InstanceAddress { app: bound.receiver.app.clone(), machine: bound.receiver.machine.clone(), key };
    let input = run::link_message(&bound.link, message, Limits::STEP).map_err(|trap| trapped(&trap))?;
    let mail = Mail {
        origin: Origin::Message(Sent {
            sender: sender.address.clone(),
            seq: sender.seq,
            effect: sender.effect,
            channel: bound.name.clone(),
            life: sender.life,
        }),
        writer: bound.link.link().receiver,
        input: input.to_binary(&bound.receiver_input).into(),
        trace: trace.clone(),
        switch: sender.switch,
    };
    let bytes = message.to_binary(sender.code.verified.module().ty(declared.message));
    Ok((to, mail, bytes))
}

/// Returns the answer to a message, when its channel takes answers. A sender that is gone, or no
/// longer has the channel, gets none.
fn answer(
    (release, switch): (&Release, u64),
    from: &InstanceAddress,
    sent: &Sent,
    output: Option<&Value>,
    trace: &Option<Arc<str>>,
) -> Result<Option<Outgoing>, Failed> {
    let Some(code) = release.machine(&sent.sender.machine_address()) else { return Ok(None) };
    let Some(channel) = code.channel(&sent.channel) else { return Ok(None) };
    let Some(shape) = channel.answer else { return Ok(None) };
    // A switch may have turned the channel to another machine since.
    if channel.receiver != from.machine_address() {
        return Ok(None);
    }
    let answer = match output {
        None => None,
        Some(output) => {
            Some(run::link_answer(&channel.link, output, Limits::STEP).map_err(|trap| trapped(&trap))?)
        }
    };
    let mail = Mail {
        origin: Origin::Answer { receiver: from.clone(), seq: sent.seq, effect: sent.effect },
        writer: code.digest(),
        input: shape.input(from, answer).to_binary(code.verified.input()).into(),
        trace: trace.clone(),
        switch,
    };
    Ok(Some(Outgoing { to: sent.sender.clone(), mail, expects: Some(sent.life) }))
}
