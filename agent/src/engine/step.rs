//! One step, computed and not yet committed: the only place where the engine runs steps.
//!
//! Live runs and replays compute in the same way, so that they can be compared.

use std::sync::Arc;

use camshaft_cam::run::{self, Ctx, Limits, Trap};
use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;
use camshaft_store::{Effect, InputRecord, Source, Verdict};

use super::instance::{Instance, Live, Mail, Origin, Sent, State};
use super::kept::Identity;
use crate::release::{MachineCode, Release};

/// An input that is about to be applied.
#[derive(Debug, Clone)]
pub(super) struct Task {
    pub(super) cause: Cause,
    pub(super) input: Arc<[u8]>,
    pub(super) trace: Option<Arc<str>>,
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

/// What a step would do.
#[derive(Debug, Clone)]
pub(super) struct Computed {
    pub(super) verdict: Verdict,
    /// The state after the step; none when it stopped or trapped.
    pub(super) state: Option<Live>,
    /// True when the step began with a birth.
    pub(super) born: bool,
    /// True when neither state nor world would change.
    pub(super) idle: bool,
    /// Messages to other instances, and the answer to the sender.
    pub(super) mail: Vec<(InstanceAddress, Mail)>,
    /// The output in its JSON form, for a request from outside.
    pub(super) json: Option<String>,
    /// The same in the version that the client speaks when that is another, or why there is none.
    pub(super) lowered: Option<Result<String, String>>,
}

/// Kind and reason of why a step was not done.
type Failed = (&'static str, String);

/// Returns the kind of a trap, for programs.
pub(super) fn kind(trap: &Trap) -> &'static str {
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
            Cause::Mail(Origin::Outside { identity: None, .. }) => Source::Anonymous,
            Cause::Mail(Origin::Outside { identity: Some((identity, content)), .. }) => match identity {
                Identity::Client { sender, seq } => {
                    Source::Client { sender: sender.to_string(), seq: *seq, content: *content }
                }
                Identity::Key(key) => Source::Key { key: key.to_string(), content: *content },
            },
            Cause::Mail(Origin::Message(sent)) => {
                Source::Message { sender: sent.sender.to_string(), seq: sent.seq, effect: sent.effect }
            }
            Cause::Mail(Origin::Answer { receiver, seq, effect }) => {
                Source::Answer { receiver: receiver.to_string(), seq: *seq, effect: *effect }
            }
            Cause::Mail(Origin::Relup { switch, index }) => Source::Relup { switch: *switch, index: *index },
            Cause::Timer { name, generation } => {
                Source::Timer { name: name.to_string(), generation: *generation }
            }
        }
    }

    fn sent(&self) -> Option<&Sent> {
        match self {
            Cause::Mail(Origin::Message(sent)) => Some(sent),
            _ => None,
        }
    }
}

/// Computes what an input does to an instance. The instance is not held.
pub(super) fn compute(
    release: &Release,
    address: &InstanceAddress,
    instance: &Instance,
    task: &Task,
    surroundings: Surroundings,
) -> Computed {
    match applied(release, address, instance, task, surroundings) {
        Ok(computed) => computed,
        Err((kind, reason)) => {
            // Whoever waits for an answer learns that there is none.
            let answer = task
                .cause
                .sent()
                .and_then(|sent| answer(release, address, sent, None, &task.trace).ok().flatten());
            Computed {
                verdict: Verdict::Trapped { kind: kind.to_owned(), reason },
                state: None,
                born: false,
                idle: true,
                mail: answer.into_iter().collect(),
                json: None,
                lowered: None,
            }
        }
    }
}

fn applied(
    release: &Release,
    address: &InstanceAddress,
    instance: &Instance,
    task: &Task,
    surroundings: Surroundings,
) -> Result<Computed, Failed> {
    let code = &*instance.code;
    let (born, before) = match &instance.state {
        State::Live(live) => (false, live.clone()),
        State::None => (true, birth(code)?),
        State::Held(_) => unreachable!("a held instance takes no inputs"),
    };
    let input = Value::from_binary(&task.input, code.verified.input())
        .map_err(|error| ("input", format!("the input is not of the machine's type: {error}")))?;
    let seq = instance.seq + 1;
    let ctx = Ctx {
        now_ms: surroundings.now_ms,
        seq: i64::try_from(seq).unwrap_or(i64::MAX),
        self_key: address.key.as_ref().map_or_else(|| "".into(), |key| key.shared()),
        seed: surroundings.seed,
    };
    let mut state = before.value.clone();
    let outcome = code.step(&input, &mut state, &ctx).map_err(|trap| trapped(&trap))?;

    let mut effects = vec![];
    let mut mail = vec![];
    let mut stops = false;
    for (index, effect) in (0u32..).zip(outcome.effects) {
        effects.push(match effect {
            run::Effect::Stop => {
                stops = true;
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
                let life = instance.life + u64::from(born);
                let sender = Sender { code, address, seq, life, effect: index };
                let (to, sent, bytes) = send(&sender, channel as usize, key, &message, &task.trace)?;
                let channel = match &sent.origin {
                    Origin::Message(sent) => sent.channel.to_string(),
                    _ => unreachable!("a send makes a message"),
                };
                let recorded = Effect::Send { channel, to: to.to_string(), message: bytes };
                mail.push((to, sent));
                recorded
            }
            run::Effect::Call { .. } => {
                unreachable!("a machine with a port is in no release that is ready to run")
            }
        });
    }
    if let Some(sent) = task.cause.sent() {
        mail.extend(answer(release, address, sent, outcome.output.as_ref(), &task.trace)?);
    }
    let after = Live::new(state, code.verified.state());
    let idle = after.digest == before.digest && effects.is_empty();
    let output = code.verified.output();
    let json = match (&task.cause, &outcome.output) {
        (Cause::Mail(Origin::Outside { .. }), Some(value)) => Some(value.to_json(output)),
        _ => None,
    };
    let lowered = match (&task.cause, &outcome.output) {
        (Cause::Mail(Origin::Outside { tongue: Some(tongue), .. }), Some(value)) if tongue.is_other() => {
            Some(tongue.write(value, code))
        }
        _ => None,
    };
    let verdict = Verdict::Applied {
        output: outcome.output.map(|value| value.to_binary(output)),
        effects,
        state: after.digest,
    };
    Ok(Computed { verdict, state: (!stops).then_some(after), born, idle, mail, json, lowered })
}

/// Returns the messages and the answer that a step sent according to the journal. What cannot be
/// read is left out: the instance is held already, and there is nothing better to do.
pub(super) fn recorded(
    release: &Release,
    address: &InstanceAddress,
    instance: &Instance,
    task: Option<&Task>,
    record: &InputRecord,
) -> Vec<(InstanceAddress, Mail)> {
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
        let sender = Sender { code, address, seq: record.seq, life: instance.life, effect: index };
        let key = to.key.as_ref().map(|key| key.shared());
        mail.extend(send(&sender, channel, key, &message, &trace).ok().map(|(to, mail, _)| (to, mail)));
    }
    if let Some(sent) = task.and_then(|task| task.cause.sent()) {
        let output = output.and_then(|bytes| Value::from_binary(bytes, code.verified.output()).ok());
        mail.extend(answer(release, address, sent, output.as_ref(), &trace).ok().flatten());
    }
    mail
}

/// Returns the state that a new instance starts from.
pub(super) fn birth(code: &MachineCode) -> Result<Live, Failed> {
    let state = run::init(&code.verified, &code.config, Limits::STEP).map_err(|trap| trapped(&trap))?;
    Ok(Live::new(state, code.verified.state()))
}

struct Sender<'a> {
    code: &'a MachineCode,
    address: &'a InstanceAddress,
    seq: u64,
    life: u64,
    effect: u32,
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
        Some(key) => {
            let refuse = |error| ("key", format!("the key of a send on `{}`: {error}", bound.name));
            Some(key.parse().map_err(refuse)?)
        }
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
    };
    let bytes = message.to_binary(sender.code.verified.module().ty(declared.message));
    Ok((to, mail, bytes))
}

/// Returns the answer to a message, when its channel takes answers. A sender that is gone, or no
/// longer has the channel, gets none.
fn answer(
    release: &Release,
    from: &InstanceAddress,
    sent: &Sent,
    output: Option<&Value>,
    trace: &Option<Arc<str>>,
) -> Result<Option<(InstanceAddress, Mail)>, Failed> {
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
    };
    Ok(Some((sent.sender.clone(), mail)))
}
