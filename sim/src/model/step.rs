//! An input, evaluated on the text of its machine, and what it does to the instances.

use camshaft_cam::code::Channel;
use camshaft_cam::derive::Edits;
use camshaft_cam::evaluate;
use camshaft_cam::run::{self, Ctx, Trap};
use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;

use super::care::Trapped;
use super::redrive::forget_life;
use super::rewind::Written;
use super::{Instance, Mail, Model, Origin, Parked, State, Timer, Trail, Wrong, wrong};
use crate::seen::{Effect, Input, Sent, Source, Verdict};
use crate::world::build::Member;

/// What a step must come to.
#[derive(Debug, Clone)]
pub(super) struct Computed {
    pub(super) outcome: Result<Outcome, (String, String)>,
    /// Messages and the answer to the sender.
    mail: Vec<(InstanceAddress, Mail)>,
}

#[derive(Debug, Clone)]
pub(super) struct Outcome {
    pub(super) output: Option<Value>,
    pub(super) effects: Vec<Effect>,
    /// Each timer that starts: its input.
    timers: Vec<Value>,
    state: Value,
    stops: bool,
    born: bool,
    /// True when nothing would change.
    pub(super) idle: bool,
}

/// What a step sees, beside input and state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sees {
    pub(super) now_ms: i64,
    pub(super) seed: i64,
}

/// Why an input is applied, as far as its step depends on it.
#[derive(Debug, Clone)]
pub(super) enum Cause {
    /// A request.
    Outside,
    /// A message: its sender may be owed an answer.
    Message { sent: Sent, channel: String, life: u64 },
    /// Something that nobody waits for.
    Other,
}

fn kind(trap: &Trap) -> &'static str {
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

pub(super) fn trapped(trap: &Trap) -> (String, String) {
    (kind(trap).to_owned(), trap.to_string())
}

/// Returns the state that an instance begins with.
pub(super) fn birth(member: &Member) -> Result<Value, (String, String)> {
    evaluate::init(&member.part.checked, &member.config).map_err(|trap| trapped(&trap))
}

impl Model {
    /// Works out what an input must come to.
    pub(super) fn compute(
        &self,
        address: &InstanceAddress,
        instance: &Instance,
        input: &Value,
        sees: Sees,
        cause: &Cause,
    ) -> Computed {
        let mut mail = vec![];
        let outcome = self.outcome(address, instance, input, sees, cause, &mut mail);
        if outcome.is_err() {
            // Who waits for an answer learns that there is none.
            mail = self.answer(address, cause, None).ok().flatten().into_iter().collect();
        }
        Computed { outcome, mail }
    }

    fn outcome(
        &self,
        address: &InstanceAddress,
        instance: &Instance,
        input: &Value,
        sees: Sees,
        cause: &Cause,
        mail: &mut Vec<(InstanceAddress, Mail)>,
    ) -> Result<Outcome, (String, String)> {
        let member = &instance.member;
        let (born, before) = match &instance.state {
            State::Live(state) => (false, state.clone()),
            State::None => (true, birth(member)?),
            State::Held { .. } => unreachable!("a held instance takes no input"),
        };
        let seq = instance.seq + 1;
        let ctx = Ctx {
            now_ms: sees.now_ms,
            seq: i64::try_from(seq).unwrap_or(i64::MAX),
            self_key: address.key.as_ref().map_or("", |key| key.as_str()).into(),
            seed: sees.seed,
        };
        let checked: Vec<usize> = member.part.verified.invariants_of_steps().collect();
        let done = evaluate::step(&member.part.checked, input, &before, &ctx, &member.config, |index| {
            checked.contains(&index)
        })
        .map_err(|trap| trapped(&trap))?;
        let (mut effects, mut timers, mut stops) = (vec![], vec![], false);
        for (index, effect) in (0u32..).zip(done.effects) {
            effects.push(match effect {
                run::Effect::Stop => {
                    stops = true;
                    Effect::Stop
                }
                run::Effect::Log(line) => Effect::Log(line.to_string()),
                run::Effect::Cancel(name) => Effect::Cancel(name.to_string()),
                run::Effect::Timer { name, after_ms, input } => {
                    let bytes = input.to_binary(member.part.verified.input());
                    timers.push(input);
                    Effect::Timer(name.to_string(), sees.now_ms.saturating_add(after_ms.max(0)), bytes)
                }
                run::Effect::Send { channel, key, message } => {
                    let life = instance.life + u64::from(born);
                    let sent = Sent { peer: address.clone(), seq, effect: index };
                    let channel = &member.part.verified.channels()[channel as usize];
                    let (to, letter) = self.send(member, channel, key.as_deref(), &message, (sent, life))?;
                    let bytes = message.to_binary(member.part.verified.module().ty(channel.message));
                    mail.push((to.clone(), letter));
                    Effect::Send(channel.name.to_string(), to, bytes)
                }
                run::Effect::Call { .. } => unreachable!("no machine of the pool has a port"),
            });
        }
        mail.extend(self.answer(address, cause, done.output.as_ref())?);
        let idle = done.state == before && effects.is_empty();
        Ok(Outcome { output: done.output, effects, timers, state: done.state, stops, born, idle })
    }

    fn send(
        &self,
        member: &Member,
        channel: &Channel,
        key: Option<&str>,
        message: &Value,
        (sent, life): (Sent, u64),
    ) -> Result<(InstanceAddress, Mail), (String, String)> {
        let target: camshaft_manifests::MachineAddress =
            channel.target.parse().expect("the pool names machines");
        let key = match key {
            None => None,
            Some(key) => Some(key.parse().map_err(|error| {
                ("key".to_owned(), format!("the key of a send on `{}`: {error}", channel.name))
            })?),
        };
        let to = InstanceAddress { app: target.app.clone(), machine: target.machine.clone(), key };
        let receiver = &self.member(&target).expect("a release has whom its machines write to").part.verified;
        let ty = member.part.verified.module().ty(channel.message);
        let input = evaluate::convert(message, ty, receiver.input(), &Edits::default());
        let input = input.map_err(|trap| trapped(&trap))?;
        let origin = Origin::Message { sent, channel: channel.name.to_string(), life };
        Ok((to, Mail { origin, writer: receiver.digest(), input, trail: Trail::default() }))
    }

    /// Returns the answer to whoever sent the message, if that has a place for it.
    fn answer(
        &self,
        from: &InstanceAddress,
        cause: &Cause,
        output: Option<&Value>,
    ) -> Result<Option<(InstanceAddress, Mail)>, (String, String)> {
        let Cause::Message { sent, channel, .. } = cause else { return Ok(None) };
        let Some(asker) = self.member(&sent.peer.machine_address()) else { return Ok(None) };
        let Some(channel) = asker.part.channel(channel) else { return Ok(None) };
        let Some((case, ty)) = &channel.answer else { return Ok(None) };
        if *channel.target != *from.machine_address().to_string() {
            return Ok(None);
        }
        let answer = match output {
            None => Value::none(),
            Some(output) => {
                let mine = &self.member(&from.machine_address()).expect("who answers runs").part.verified;
                let told = evaluate::convert(output, mine.output(), ty, &Edits::default());
                Value::some(told.map_err(|trap| trapped(&trap))?)
            }
        };
        let input = asker.part.verified.input();
        let case_of = &input.as_variant().expect("inputs are variants").cases[*case as usize];
        let fields = &case_of.payload.as_record().expect("an answer comes in a record").fields;
        let key = from.key.as_ref().map_or("", |key| key.as_str());
        let field = |label: &str| if label == "answer" { answer.clone() } else { Value::text(key) };
        let payload = Value::product(fields.iter().map(|other| field(&other.label)));
        let mail = Mail {
            origin: Origin::Answer(Sent { peer: from.clone(), seq: sent.seq, effect: sent.effect }),
            writer: asker.part.digest(),
            input: Value::sum(*case as usize, payload),
            trail: Trail::default(),
        };
        Ok(Some((sent.peer.clone(), mail)))
    }

    /// Follows an input of the durable history.
    pub(super) fn follow_input(&mut self, seen: &Input) -> Result<(), Wrong> {
        let address = &seen.instance;
        let what = || format!("input {} of {address}", seen.seq);
        if seen.switch != self.switch {
            let numbers = (format!("switch {}", self.switch), format!("switch {}", seen.switch));
            return wrong(what(), numbers.0, numbers.1);
        }
        // Shards are told the time one after the other.
        let last_ms = self.instances.get(address).map_or(i64::MIN, |instance| instance.last_ms);
        if seen.now_ms < last_ms || seen.now_ms > self.told_ms {
            let expected = format!("a time from {last_ms} to {}", self.told_ms);
            return wrong(what(), expected, format!("{}", seen.now_ms));
        }
        self.now_ms = self.now_ms.max(seen.now_ms);
        let Some(member) = self.member(&address.machine_address()).cloned() else {
            return wrong(what(), format!("a machine of {}", self.version()), "one that does not run");
        };
        let unborn = self.unborn(address, member);
        let instance = self.instances.entry(address.clone()).or_insert(unborn);
        if instance.is_held() {
            return wrong(what(), "nothing, for it is held", format!("{:?}", seen.source));
        }
        if instance.seq + 1 != seen.seq {
            return wrong(what(), format!("number {}", instance.seq + 1), format!("number {}", seen.seq));
        }
        let (input, cause, written) = self.take(seen)?;
        let ty = self.instances[address].member.part.verified.input();
        if input.to_binary(ty) != seen.input {
            let seen = Value::from_binary(&seen.input, ty).map(|value| value.to_json(ty));
            return wrong(what(), input.to_json(ty), format!("{seen:?}"));
        }
        let sees = Sees { now_ms: seen.now_ms, seed: seen.seed };
        let computed = self.compute(address, &self.instances[address], &input, sees, &cause);
        self.check_verdict(seen, &computed, &input)?;
        self.keep_taken(seen, (&input, &cause), written, &computed);
        let trapped = Trapped::of(&self.instances[address], &input, computed.outcome.as_ref().err());
        if let Err((kind, _)) = &computed.outcome {
            self.count_trap(&address.app, kind);
        }
        self.commit(seen, computed, &cause, input)?;
        if let Some(trapped) = trapped {
            self.trapped(address, seen.now_ms, trapped);
        }
        self.look_again(address)
    }

    fn check_verdict(&self, seen: &Input, computed: &Computed, input: &Value) -> Result<(), Wrong> {
        let part = &self.instances[&seen.instance].member.part.verified;
        let what = || {
            format!("what came of input {} of {}, {}", seen.seq, seen.instance, input.to_json(part.input()))
        };
        match (&computed.outcome, &seen.verdict) {
            (Ok(outcome), Verdict::Applied { output, effects }) => {
                let told = outcome.output.as_ref().map(|value| value.to_binary(part.output()));
                if told != *output {
                    return wrong(
                        what(),
                        format!("output {:?}", outcome.output),
                        format!("bytes {output:?}"),
                    );
                }
                if outcome.effects != *effects {
                    return wrong(what(), format!("{:?}", outcome.effects), format!("{effects:?}"));
                }
                Ok(())
            }
            (Err((kind, reason)), Verdict::Trapped { kind: seen_kind, reason: seen_reason })
                if kind == seen_kind && reason == seen_reason =>
            {
                Ok(())
            }
            (expected, seen) => {
                let expected = expected.as_ref().map(|outcome| (&outcome.output, &outcome.effects));
                wrong(what(), format!("{expected:?}"), format!("{seen:?}"))
            }
        }
    }

    fn commit(&mut self, seen: &Input, computed: Computed, cause: &Cause, input: Value) -> Result<(), Wrong> {
        let address = &seen.instance;
        self.count(seen, &computed);
        self.record(seen, &computed)?;
        let instance = self.instances.get_mut(address).expect("it took the input");
        (instance.seq, instance.last_ms) = (seen.seq, seen.now_ms);
        if let Source::Timer { name, .. } = &seen.source {
            instance.timers.remove(name);
        }
        let writer = instance.member.part.digest();
        if let (Err(_), Cause::Message { .. }, []) = (&computed.outcome, cause, computed.mail.as_slice()) {
            self.bury(seen, cause, input);
        }
        let instance = self.instances.get_mut(address).expect("it took the input");
        if let Ok(outcome) = computed.outcome {
            instance.life += u64::from(outcome.born);
            if !matches!(&instance.state, State::Live(before) if *before == outcome.state) {
                instance.before = None;
            }
            let mut inputs = outcome.timers.into_iter();
            for effect in outcome.effects {
                match effect {
                    Effect::Cancel(name) => {
                        instance.timers.remove(&name);
                        // One that a switch parked would still run.
                        instance
                            .parked
                            .retain(|parked| !matches!(parked, Parked::Timer(other, _) if *other == name));
                    }
                    Effect::Timer(name, due_ms, _) => {
                        instance.generation += 1;
                        let input = inputs.next().expect("each timer has its input");
                        let trail = Trail::default();
                        let timer = Timer { generation: instance.generation, due_ms, writer, input, trail };
                        instance
                            .parked
                            .retain(|parked| !matches!(parked, Parked::Timer(other, _) if *other == name));
                        instance.timers.insert(name, timer);
                    }
                    Effect::Stop | Effect::Log(_) | Effect::Send(..) => {}
                }
            }
            if outcome.stops {
                instance.state = State::None;
                (instance.before, instance.aside) = (None, None);
                // Nobody is left who asked.
                forget_life(instance);
                self.care.forget(address);
            } else {
                instance.state = State::Live(outcome.state);
            }
        }
        if let Source::Relup { switch, index } = seen.source
            && switch == self.switch
        {
            match &seen.verdict {
                Verdict::Applied { .. } => drop(self.unapplied.remove(&index)),
                Verdict::Trapped { .. } => {
                    self.unapplied.entry(index).and_modify(|unapplied| unapplied.failed = true);
                }
            }
        }
        for (to, mail) in computed.mail {
            if let (Origin::Answer(_), Cause::Message { life, .. }) = (&mail.origin, cause) {
                // An answer is for the life that asked.
                let asker = self.instances.get(&to);
                let waits = |asker: &Instance| asker.life == *life && !matches!(asker.state, State::None);
                if !asker.is_some_and(waits) {
                    continue;
                }
            }
            self.post(to, mail);
        }
        Ok(())
    }

    /// Keeps a message that was not applied and that nobody hears of.
    fn bury(&mut self, seen: &Input, cause: &Cause, input: Value) {
        let Cause::Message { sent, channel, life } = cause else { return };
        let instance = self.instances.get_mut(&seen.instance).expect("it took the input");
        let origin = Origin::Message { sent: sent.clone(), channel: channel.clone(), life: *life };
        let writer = instance.member.part.digest();
        instance.parked.push(Parked::Dead(Mail { origin, writer, input, trail: Trail::default() }));
    }

    fn count(&mut self, seen: &Input, computed: &Computed) {
        self.tally.inputs += 1;
        self.tally.traps += u64::from(computed.outcome.is_err());
        match &seen.source {
            Source::Message(_) => self.tally.messages += 1,
            Source::Answer(_) => self.tally.answers += 1,
            Source::Timer { .. } => self.tally.timers += 1,
            Source::Relup { .. } => self.tally.applies += 1,
            Source::Anonymous | Source::Named(_) => {}
        }
    }

    /// Puts a message into a mailbox; the instance is there from then on.
    pub(super) fn post(&mut self, to: InstanceAddress, mail: Mail) {
        let member = self.member(&to.machine_address()).expect("mail goes to machines that run").clone();
        let unborn = self.unborn(&to, member);
        self.instances.entry(to).or_insert(unborn).mailbox.push_back(mail);
    }

    /// Returns an instance that is not born. It goes on with the numbers and kept answers of one that
    /// had its address before.
    pub(super) fn unborn(&self, address: &InstanceAddress, member: Member) -> Instance {
        let mut instance = Instance::unborn(member);
        let archived = self.archive.iter().filter(|((archived, _), _)| archived == address);
        if let Some(last) = archived.map(|(_, instance)| instance).max_by_key(|instance| instance.seq) {
            (instance.seq, instance.life, instance.generation) = (last.seq, last.life, last.generation);
            instance.kept = last.kept.clone();
        }
        instance
    }

    /// Takes an input from where it waits, if it may be the next.
    fn take(&mut self, seen: &Input) -> Result<(Value, Cause, Written), Wrong> {
        let address = &seen.instance;
        let what = || format!("input {} of {address}", seen.seq);
        match &seen.source {
            Source::Anonymous | Source::Named(_) => {
                self.take_request(seen).map(|input| (input, Cause::Outside, None))
            }
            Source::Timer { name, generation } => {
                let instance = &self.instances[address];
                let Some(timer) = instance.timers.get(name).filter(|timer| timer.generation == *generation)
                else {
                    return wrong(what(), "a timer that runs", format!("{name}, generation {generation}"));
                };
                if timer.due_ms > seen.now_ms {
                    let seen = format!("{name} fires at {}", seen.now_ms);
                    return wrong(what(), format!("{name} fires at {} or later", timer.due_ms), seen);
                }
                if let Some((first, _)) =
                    instance.timers.iter().find(|(_, other)| other.due_ms < timer.due_ms)
                {
                    return wrong(what(), format!("timer {first}, which is due first"), name);
                }
                let came = timer.trail.came.as_deref().cloned();
                let written = came.unwrap_or_else(|| (timer.writer, timer.input.clone()));
                Ok((timer.input.clone(), Cause::Other, Some(written)))
            }
            source => {
                let instance = self.instances.get_mut(address).expect("it takes the input");
                let place = instance.mailbox.iter().position(|mail| is(&mail.origin, source));
                let Some(mail) = place.and_then(|place| instance.mailbox.remove(place)) else {
                    return wrong(what(), "a message that waits", format!("{source:?}"));
                };
                let who = peer_of(&mail.origin);
                let place = place.unwrap_or(0);
                if let Some(first) =
                    instance.mailbox.iter().take(place).find(|other| peer_of(&other.origin) == who)
                {
                    return wrong(
                        what(),
                        format!("{:?}, which came first", first.origin),
                        format!("{source:?}"),
                    );
                }
                let cause = match mail.origin {
                    Origin::Message { sent, channel, life } => Cause::Message { sent, channel, life },
                    Origin::Answer(_) | Origin::Relup { .. } => Cause::Other,
                };
                let came = mail.trail.came.as_deref().cloned();
                let written = came
                    .map_or_else(|| (mail.writer, mail.input.clone()), |(_, writer, input)| (writer, input));
                Ok((mail.input, cause, Some(written)))
            }
        }
    }
}

fn is(origin: &Origin, source: &Source) -> bool {
    match (origin, source) {
        (Origin::Message { sent, .. }, Source::Message(other))
        | (Origin::Answer(sent), Source::Answer(other)) => sent == other,
        (Origin::Relup { switch, index }, Source::Relup { switch: s, index: i }) => (switch, index) == (s, i),
        _ => false,
    }
}

/// Returns who sent a message or answers one, and which of both; nobody for what a relup applies. What comes
/// back from being parked has its place among messages, or among answers: nothing says in which order both were sent.
fn peer_of(origin: &Origin) -> Option<(bool, &InstanceAddress)> {
    match origin {
        Origin::Message { sent, .. } => Some((false, &sent.peer)),
        Origin::Answer(sent) => Some((true, &sent.peer)),
        Origin::Relup { .. } => None,
    }
}

impl Outcome {
    /// Returns true when the instance ends with it.
    pub(super) fn stops(&self) -> bool {
        self.stops
    }

    /// Returns true when it began with a birth.
    pub(super) fn born(&self) -> bool {
        self.born
    }

    /// Returns the input of each timer that it starts.
    pub(super) fn timer_inputs(&self) -> impl Iterator<Item = &Value> {
        self.timers.iter()
    }

    /// Returns the state after the step.
    pub(super) fn into_state(self) -> Value {
        self.state
    }
}
