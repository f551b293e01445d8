//! Running: timers fire and mail is delivered, one step at a time, and what a step did is
//! committed to the instances.

use std::sync::Arc;

use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;
use camshaft_store::{Effect, InputRef, Parked, ParkedItem, RecordRef, Source, Verdict};

use super::admit::Refusal;
use super::instance::{Instance, Mail, Origin, State, Timer};
use super::kept::Answered;
use super::step::{Cause, Computed, Input, Place, Surroundings, Task, compute};
use super::table::Slot;
use super::{LogLine, Shard};
use crate::failpoint;
use crate::release::MachineCode;
use crate::speech::Tongue;

/// How many messages that could not be delivered are kept of one instance. Those that come after are
/// in the journal's record of the trap alone.
pub const DEAD_LETTERS_MAX: usize = 1000;

impl Shard {
    /// Fires timers and delivers mail until nothing is left to do, or `steps_max` steps were
    /// done. What came of it comes out.
    pub fn run(&mut self, steps_max: usize) {
        for _ in 0..steps_max.div_ceil(2) {
            // Both in turn: a timer that starts itself anew without delay must not stop the mail.
            let fired = self.fire_one();
            if !self.deliver_one() && !fired {
                return;
            }
        }
    }

    /// Returns whom the next step of [`Shard::step_once`] is of, and the number of the input.
    pub fn upcoming(&self, timers_first: bool) -> Option<(InstanceAddress, u64)> {
        if self.read_only {
            return None;
        }
        let fires = self.due().map(|(_, address, _)| address);
        let delivers = self.ready.front().map(|slot| &self.table[*slot].address);
        let address = if timers_first { fires.or(delivers) } else { delivers.or(fires) }?;
        let seq = self.table.get(address).map_or(0, |instance| instance.seq);
        Some((address.clone(), seq + 1))
    }

    /// Does one step, of a timer or of mail, whichever is to come first if there are both; returns false when there
    /// is nothing to do.
    pub fn step_once(&mut self, timers_first: bool) -> bool {
        if timers_first {
            return self.fire_one() || self.deliver_one();
        }
        self.deliver_one() || self.fire_one()
    }

    /// Returns the timer that fires next, if it is due.
    fn due(&self) -> Option<&(i64, InstanceAddress, Arc<str>)> {
        self.timers.first().filter(|(due_ms, ..)| *due_ms <= self.now_ms)
    }

    fn fire_one(&mut self) -> bool {
        let found = if self.read_only { None } else { self.due().cloned() };
        let Some((_, address, name)) = found else { return false };
        pass(&address);
        let slot = self.table.find(&address).expect("a timer that is listed is of an instance");
        self.meet(slot);
        // It may be held now, or the timer may be of no use any more.
        let listed = |timers: &std::collections::BTreeSet<_>| {
            timers.first().is_some_and(|(_, at, by)| (at, by) == (&address, &name))
        };
        if !listed(&self.timers) {
            return true;
        }
        let timer = self.table[slot].instance.rest().timers.get(&name);
        let timer = timer.expect("a timer that is listed is there").clone();
        let written = self.written(slot, timer.writer, &timer.input);
        let Some(timer) = self.timer_at(slot, &name, timer) else { return true };
        let cause = Cause::Timer { name, generation: timer.generation };
        let task = Task { cause, input: Input::Bytes(timer.input), trace: timer.trace, written };
        // Only requests from outside can be refused.
        let _ = self.apply(slot, &task, None);
        true
    }

    /// Delivers the oldest message of the instance that waits longest.
    pub(super) fn deliver_one(&mut self) -> bool {
        if self.read_only {
            return false;
        }
        let Some(slot) = self.ready.pop_front() else { return false };
        self.table[slot].instance.queued = false;
        self.deliver_at(slot)
    }

    /// Delivers the oldest message of an instance.
    pub(super) fn deliver_at(&mut self, slot: Slot) -> bool {
        if self.read_only {
            return false;
        }
        self.meet(slot);
        let instance = self.touch(slot);
        if instance.held().is_some() {
            return true;
        }
        // An instance that stops drops the answers that waited for it.
        let Some(mail) = instance.rest_mut().mailbox.pop_front() else { return true };
        pass(&self.table[slot].address);
        let written = match mail.origin {
            // A replay does not know how it had waited.
            Origin::Port { .. } => None,
            _ => self.written(slot, mail.writer, &mail.input),
        };
        if let Some(Mail { origin, input, trace, .. }) = self.mail_at(slot, mail) {
            let task = Task { cause: Cause::Mail(origin), input: Input::Bytes(input), trace, written };
            let _ = self.apply(slot, &task, None);
        }
        self.make_ready(slot);
        true
    }

    /// Applies an input to an instance, which is not held, and records it.
    pub(super) fn apply(
        &mut self,
        slot: Slot,
        task: &Task,
        tongue: Option<&Tongue>,
    ) -> Result<Computed, Refusal> {
        let release = self.release.clone().expect("an instance belongs to a release");
        self.touch(slot);
        let being = self.being(&self.table[slot].address, &self.table[slot].instance);
        let resident = &mut self.table[slot];
        let (address, instance) = (&resident.address, &mut resident.instance);
        let seq = instance.seq + 1;
        let surroundings =
            Surroundings { now_ms: self.now_ms, seed: self.config_of.seed(address, seq, self.now_ms) };
        let runner = &mut self.runners[instance.runner as usize];
        let (keep, switch) = (self.read_only, self.switch);
        let place = Place { release: &release, runner, address, tongue, keep, switch };
        self.recorder.begin(slot, address, instance);
        let mut computed = compute(place, instance, task, surroundings);
        self.capsules.catch((&release, address, instance), task, surroundings, &computed);
        let source = task.cause.source();
        // What changes nothing is not remembered, unless it must be known again.
        let forgotten = computed.idle && source == Source::Anonymous;
        let refusal = match (&computed.lowered, tongue) {
            // Known before anything is done: who could not be told the answer must not cause it.
            (Some(Err(reason)), Some(tongue)) => {
                Some(Refusal::NoAnswer { version: tongue.version.clone(), reason: reason.clone() })
            }
            _ if self.read_only && !forgotten => Some(Refusal::DiskFull),
            _ => None,
        };
        if let Some(refusal) = refusal {
            computed.undo(instance);
            self.forget_blank(slot);
            return Err(refusal);
        }
        self.recorder.push(slot, task, (seq, surroundings), &computed, forgotten);
        if forgotten {
            if computed.born {
                instance.state = State::None;
            }
            self.attend(slot, &computed, being);
            // Whoever asks for keys that nobody uses must not fill the node with instances.
            self.forget_blank(slot);
            return Ok(computed);
        }
        self.write(slot, task, seq, &source, surroundings, &computed.verdict);
        self.keep_taken(slot, task, (seq, surroundings), &computed);
        self.commit(slot, task, (seq, surroundings.now_ms), &mut computed);
        self.out.discard(computed.take_before());
        self.attend(slot, &computed, being);
        Ok(computed)
    }

    /// Makes the record of an input.
    fn write(
        &mut self,
        slot: Slot,
        task: &Task,
        seq: u64,
        source: &Source,
        surroundings: Surroundings,
        verdict: &Verdict,
    ) {
        use std::fmt::Write as _;
        let resident = &self.table[slot];
        if let Verdict::Applied { effects, .. } = verdict {
            for effect in effects {
                if let Effect::Log(line) = effect {
                    let instance = resident.address.clone();
                    self.out.logs.push(LogLine { instance, seq, line: line.clone() });
                }
            }
        }
        if !self.config_of.journalled {
            return;
        }
        let written;
        let input = match &task.input {
            Input::Bytes(bytes) => &**bytes,
            Input::Value(value) => {
                written = value.to_binary(resident.instance.code.verified.input());
                written.as_slice()
            }
        };
        self.text.clear();
        // A String takes all that is written.
        let _ = write!(self.text, "{}", resident.address);
        let text = std::mem::take(&mut self.text);
        self.record(RecordRef::Input(InputRef {
            switch: self.switch,
            instance: &text,
            seq,
            source,
            input,
            now_ms: surroundings.now_ms,
            seed: surroundings.seed,
            config: self.config,
            trace: task.trace.as_deref(),
            verdict,
        }));
        self.text = text;
    }

    /// Lets go of an instance of which nothing would be lost.
    pub(super) fn forget_blank(&mut self, slot: Slot) {
        let instance = &mut self.table[slot].instance;
        if matches!(instance.state, State::None) && !instance.queued && instance.is_blank() {
            self.table.remove(slot);
        }
    }

    /// Makes what a step did the truth: all but the state, which is the new one already.
    pub(super) fn commit(
        &mut self,
        slot: Slot,
        task: &Task,
        (seq, now_ms): (u64, i64),
        computed: &mut Computed,
    ) {
        let Shard { table, timers, switch, out, care, .. } = self;
        let super::table::Resident { address, instance } = &mut table[slot];
        instance.seq = seq;
        keep(instance, task, now_ms, computed);
        match &task.cause {
            Cause::Timer { name, .. } => {
                if let Some(timer) = instance.rest_mut().timers.remove(name) {
                    timers.remove(&(timer.due_ms, address.clone(), name.clone()));
                }
            }
            Cause::Mail(Origin::Port { seq, effect }) => {
                instance.rest_mut().calls.retain(|call| (call.seq, call.effect) != (*seq, *effect));
            }
            Cause::Mail(_) => {}
        }
        match &computed.verdict {
            Verdict::Applied { effects, .. } => {
                instance.life += u64::from(computed.born);
                if computed.changed
                    && let Some(rest) = instance.rest_if_any()
                {
                    out.discard(rest.before.take());
                }
                for effect in effects {
                    let (name, due) = match effect {
                        Effect::Cancel(name) => (name, None),
                        Effect::Timer { name, due_ms, input } => (name, Some((*due_ms, input))),
                        Effect::Stop | Effect::Log(_) | Effect::Send { .. } | Effect::Call { .. } => continue,
                    };
                    let name: Arc<str> = name.as_str().into();
                    let writer = instance.code.digest();
                    let rest = instance.rest_mut();
                    if let Some(timer) = rest.timers.remove(&name) {
                        timers.remove(&(timer.due_ms, address.clone(), name.clone()));
                    }
                    rest.drop_parked_by_switch(
                        |item| matches!(item, ParkedItem::Timer(timer) if *timer.name == *name),
                    );
                    if let Some((due_ms, input)) = due {
                        rest.timer_generation += 1;
                        let timer = Timer {
                            generation: rest.timer_generation,
                            due_ms,
                            writer,
                            input: input.as_slice().into(),
                            trace: task.trace.clone(),
                            switch: *switch,
                        };
                        rest.timers.insert(name.clone(), timer);
                        timers.insert((due_ms, address.clone(), name));
                    }
                }
                if computed.stops {
                    care.forget(address);
                    out.discard(std::mem::replace(&mut instance.state, State::None));
                    if let Some(rest) = instance.rest_if_any() {
                        // What is born next has nothing of it.
                        out.discard(rest.before.take());
                        out.discard(rest.aside.take());
                        for (name, timer) in std::mem::take(&mut rest.timers) {
                            timers.remove(&(timer.due_ms, address.clone(), name));
                        }
                        // Nobody is left who asked.
                        rest.drop_asked();
                    }
                }
            }
            Verdict::Trapped { kind, reason } => {
                bury(instance, task, computed.mail.is_empty(), &format!("trap {kind}: {reason}"));
            }
        }
        if let Cause::Mail(Origin::Relup { switch, index }) = &task.cause
            && *switch == self.switch
        {
            self.note_applied(*index, &computed.verdict);
        }
        if !computed.calls.is_empty() {
            self.place_calls(slot, std::mem::take(&mut computed.calls));
        }
        for out in std::mem::take(&mut computed.mail) {
            self.send(out);
        }
    }
}

fn pass(address: &InstanceAddress) {
    failpoint::pass_of("deliver.step", address);
}

/// Keeps a message that was not applied and that nobody hears of: a dead letter.
fn bury(instance: &mut Instance, task: &Task, unanswered: bool, reason: &str) {
    let Cause::Mail(Origin::Message(sent)) = &task.cause else { return };
    let Input::Bytes(input) = &task.input else { return };
    if !unanswered || instance.rest().dead_letters() >= DEAD_LETTERS_MAX {
        return;
    }
    let mail = Mail {
        origin: Origin::Message(sent.clone()),
        writer: instance.code.digest(),
        input: input.clone(),
        trace: task.trace.clone(),
        switch: instance.switch,
    };
    let item = ParkedItem::Mail(mail.save().expect("a message of a machine can be saved"));
    instance.rest_mut().parked.push(Parked { item, reason: reason.to_owned(), switch: 0 });
}

/// Returns what is kept of a step, in the type of the machine.
pub(super) fn answered(verdict: &Verdict, output: Option<&Value>, code: &MachineCode) -> Answered {
    match verdict {
        Verdict::Applied { .. } => Ok(match output {
            Some(output) => output.to_json(code.verified.output()),
            None => "null".to_owned(),
        }),
        Verdict::Trapped { kind, reason } => Err((kind.clone(), reason.clone())),
    }
}

fn keep(instance: &mut Instance, task: &Task, now_ms: i64, computed: &Computed) {
    if let Cause::Mail(Origin::Outside { identity: Some((identity, content)) }) = &task.cause {
        let code = instance.code.clone();
        let answer = answered(&computed.verdict, computed.output.as_ref(), &code);
        let kept = &mut instance.rest_mut().kept;
        Arc::make_mut(kept).keep(identity, *content, now_ms, answer, code.digest());
    }
}

impl super::ShardConfig {
    /// Returns a number for pseudo-random choices of a step.
    fn seed(&self, address: &InstanceAddress, seq: u64, now_ms: i64) -> i64 {
        use std::hash::{Hash as _, Hasher as _};
        // Whoever can guess it gains nothing; it is recorded with the input. So a quick hash will do, with its bits
        // mixed as SplitMix64 does it (Steele, Lea and Flood, OOPSLA 2014).
        let mut hasher = rustc_hash::FxHasher::default();
        address.hash(&mut hasher);
        (seq, self.salt, now_ms).hash(&mut hasher);
        let mut bits = hasher.finish();
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)).cast_signed()
    }
}
