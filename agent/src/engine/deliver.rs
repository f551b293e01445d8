//! Running: timers fire and mail is delivered, one step at a time, and what a step did is
//! committed to the instances.

use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_manifests::InstanceAddress;
use camshaft_store::{Effect, InputRecord, Record, Source, Verdict};

use super::admit::Refusal;
use super::applied::Unapplied;
use super::instance::{Instance, Origin, State, Timer};
use super::kept::Answered;
use super::step::{Cause, Computed, Surroundings, Task, compute};
use super::{Engine, LogLine, Reply};
use crate::speech::Tongue;

impl Engine {
    /// Fires timers and delivers mail until nothing is left to do, or `steps_max` steps were
    /// done. What came of it is in the next batch.
    pub fn run(&mut self, steps_max: usize) {
        for _ in 0..steps_max.div_ceil(2) {
            // Both in turn: a timer that starts itself anew without delay must not stop the mail.
            let fired = self.fire_one();
            if !self.deliver_one() && !fired {
                return;
            }
        }
    }

    /// Delivers until all that the relup of the last switch applies was applied, or cannot be.
    pub fn settle_applies(&mut self) {
        while self.unapplied.values().any(Unapplied::waits) && self.deliver_one() {}
    }

    /// Delivers until no request from outside waits, so that a switch meets none.
    pub fn settle_outside(&mut self) {
        while self.outside > 0 && self.deliver_one() {}
        debug_assert_eq!(self.outside, 0, "requests wait in mailboxes that are listed as ready only");
    }

    fn fire_one(&mut self) -> bool {
        let due = |(due_ms, ..): &&(i64, InstanceAddress, Arc<str>)| *due_ms <= self.now_ms;
        let Some((_, address, name)) = self.timers.first().filter(due).cloned() else { return false };
        let timer = self.instances.get(&address).and_then(|instance| instance.timers.get(&name));
        let timer = timer.expect("a timer that is listed is there").clone();
        let cause = Cause::Timer { name, generation: timer.generation };
        self.apply(&address, Task { cause, input: timer.input, trace: timer.trace });
        true
    }

    fn deliver_one(&mut self) -> bool {
        let Some(address) = self.ready.pop_front() else { return false };
        let version = self.next_version();
        let instance = self.instances.get_mut(&address).expect("who is ready is there");
        instance.queued = false;
        // An instance that stops drops the answers that waited for it.
        let Some(mail) = instance.mailbox.pop_front() else { return true };
        instance.version = version;
        if let Origin::Outside { request, identity, tongue } = &mail.origin {
            self.outside -= 1;
            // Its first sending may have been applied while the repetition waited.
            if let (Some((identity, content)), Some(tongue)) = (identity, tongue)
                && let Some(reply) =
                    self.known(&address, &self.instances[&address], (identity, *content), tongue)
            {
                self.out.answers.push((*request, reply));
                self.make_ready(&address);
                return true;
            }
        }
        self.apply(&address, Task { cause: Cause::Mail(mail.origin), input: mail.input, trace: mail.trace });
        self.make_ready(&address);
        true
    }

    fn apply(&mut self, address: &InstanceAddress, task: Task) {
        let release = self.release.clone().expect("an instance belongs to a release");
        let instance = &self.instances[address];
        let seq = instance.seq + 1;
        let surroundings = Surroundings { now_ms: self.now_ms, seed: self.seed(address, seq) };
        let computed = compute(&release, address, instance, &task, surroundings);
        let source = task.cause.source();
        let reply = match &task.cause {
            Cause::Mail(Origin::Outside { request, tongue: Some(tongue), .. }) => {
                Some((*request, reply(&computed, tongue)))
            }
            _ => None,
        };
        // Known before anything is done: who could not be told the answer must not cause it.
        if let Some((request, Reply::Refused(refusal))) = reply {
            if instance.is_blank() {
                self.instances.remove(address);
            }
            self.out.answers.push((request, Reply::Refused(refusal)));
            return;
        }
        // What changes nothing is not remembered, unless it must be known again.
        if !(computed.idle && source == Source::Anonymous) {
            let record = InputRecord {
                switch: self.switch,
                instance: address.to_string(),
                seq,
                source,
                writer: instance.code.verified.input().digest(),
                input: task.input.to_vec(),
                now_ms: surroundings.now_ms,
                seed: surroundings.seed,
                config: self.config,
                trace: task.trace.as_deref().map(str::to_owned),
                verdict: computed.verdict.clone(),
            };
            if let Verdict::Applied { effects, .. } = &computed.verdict {
                for effect in effects {
                    if let Effect::Log(line) = effect {
                        self.out.logs.push(LogLine { instance: address.clone(), seq, line: line.clone() });
                    }
                }
            }
            self.commit(address, &task, &record, computed);
            self.out.records.push(Record::Input(record));
        } else if instance.is_blank() {
            // Whoever asks for keys that nobody uses must not fill the node with instances.
            self.instances.remove(address);
        }
        self.out.answers.extend(reply);
    }

    fn seed(&self, address: &InstanceAddress, seq: u64) -> i64 {
        let mut covered = address.to_string().into_bytes();
        covered.extend(seq.to_le_bytes());
        covered.extend(self.salt.to_le_bytes());
        covered.extend(self.now_ms.to_le_bytes());
        let digest = Digest::tagged("camshaft/seed", &covered);
        i64::from_le_bytes(*digest.as_bytes().first_chunk().expect("a digest has 32 bytes"))
    }

    /// Makes what a step did the truth. `record` is what the journal has of it, or will have.
    pub(super) fn commit(
        &mut self,
        address: &InstanceAddress,
        task: &Task,
        record: &InputRecord,
        computed: Computed,
    ) {
        let version = self.next_version();
        let instance = self.instances.get_mut(address).expect("who took a step is there");
        instance.version = version;
        instance.seq = record.seq;
        keep(instance, task, record, &computed);
        if let Cause::Timer { name, .. } = &task.cause
            && let Some(timer) = instance.timers.remove(name)
        {
            self.timers.remove(&(timer.due_ms, address.clone(), name.clone()));
        }
        if let Verdict::Applied { effects, state, .. } = &record.verdict {
            instance.life += u64::from(computed.born);
            let written = !matches!(&instance.state, State::Live(live) if live.digest == *state);
            if written {
                instance.before = None;
            }
            for effect in effects {
                let (name, due) = match effect {
                    Effect::Cancel(name) => (name, None),
                    Effect::Timer { name, due_ms, input } => (name, Some((*due_ms, input))),
                    Effect::Stop | Effect::Log(_) | Effect::Send { .. } => continue,
                };
                let name: Arc<str> = name.as_str().into();
                if let Some(timer) = instance.timers.remove(&name) {
                    self.timers.remove(&(timer.due_ms, address.clone(), name.clone()));
                }
                if let Some((due_ms, input)) = due {
                    instance.timer_generation += 1;
                    let timer = Timer {
                        generation: instance.timer_generation,
                        due_ms,
                        writer: instance.code.digest(),
                        input: input.as_slice().into(),
                        trace: task.trace.clone(),
                    };
                    instance.timers.insert(name.clone(), timer);
                    self.timers.insert((due_ms, address.clone(), name));
                }
            }
            match computed.state {
                Some(live) => instance.state = State::Live(live),
                None => {
                    instance.state = State::None;
                    instance.before = None;
                    // What is born next has nothing of it.
                    instance.aside = None;
                    for (name, timer) in std::mem::take(&mut instance.timers) {
                        self.timers.remove(&(timer.due_ms, address.clone(), name));
                    }
                    // Nobody is left who asked.
                    instance.mailbox.retain(|mail| !matches!(mail.origin, Origin::Answer { .. }));
                }
            }
        }
        if let Source::Relup { switch, index } = record.source
            && switch == self.switch
        {
            self.note_applied(index, &record.verdict);
        }
        for (to, mail) in computed.mail {
            if let (Origin::Answer { .. }, Cause::Mail(Origin::Message(sent))) = (&mail.origin, &task.cause)
                && !self.instances.get(&to).is_some_and(|asker| asker.awaits(sent.life))
            {
                continue;
            }
            self.post(to, mail);
        }
    }
}

impl Instance {
    /// Returns true while the life that sent a message goes on.
    fn awaits(&self, life: u64) -> bool {
        self.life == life && !matches!(self.state, State::None)
    }
}

/// Returns what a client is told of a step, in the version that it speaks.
fn reply(computed: &Computed, tongue: &Tongue) -> Reply {
    let version = tongue.version.clone();
    let answer = match &computed.lowered {
        None => answered(computed),
        Some(Ok(json)) => Ok(json.clone()),
        Some(Err(reason)) => {
            return Reply::Refused(Refusal::NoAnswer { version, reason: reason.clone() });
        }
    };
    Reply::Answered { answer, repeated: false, speaks: version }
}

/// Returns what is kept of a step, in the type of the machine.
fn answered(computed: &Computed) -> Answered {
    match &computed.verdict {
        Verdict::Applied { .. } => Ok(computed.json.clone().unwrap_or_else(|| "null".to_owned())),
        Verdict::Trapped { kind, reason } => Err((kind.clone(), reason.clone())),
    }
}

fn keep(instance: &mut Instance, task: &Task, record: &InputRecord, computed: &Computed) {
    if let Cause::Mail(Origin::Outside { identity: Some((identity, content)), .. }) = &task.cause {
        let writer = instance.code.digest();
        Arc::make_mut(&mut instance.kept).keep(identity, *content, record.now_ms, answered(computed), writer);
    }
}
