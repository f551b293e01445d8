//! Replaying records: every step is computed once more by the code of its time, and compared
//! with what the journal says came of it.
//!
//! An instance whose replay differs is held, before the input that differs. What it sent to
//! others is taken from the record then, for they may have been answered because of it.

use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_manifests::InstanceAddress;
use camshaft_store::{Aside, InputRecord, Source, Verdict};

use super::Shard;
use super::carry::{Inputs, reason};
use super::instance::Origin;
use super::kept::Identity;
use super::step::{Cause, Input, Place, Surroundings, Task, compute, recorded};
use super::table::{Resident, Slot};
use crate::release::Release;

/// Why nothing is kept for a rewind of an instance that was held while the journal was replayed.
const NOT_REPLAYED: &str = "the journal has inputs since the switch that could not be replayed";

/// Why a journal cannot be replayed at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// A record that does not follow from those before it.
    #[error("input {seq} of {instance} does not follow from the journal before it: {reason}")]
    Inconsistent {
        /// The instance.
        instance: String,
        /// The number of the input.
        seq: u64,
        /// What is wrong.
        reason: String,
    },
    /// A record that is no input, and does not follow from those before it.
    #[error("what was done to {instance} does not follow from the journal before it: {reason}")]
    Aside {
        /// The instance.
        instance: String,
        /// What is wrong.
        reason: String,
    },
}

/// A replay that differs from what the journal says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The instance, which is held now.
    pub instance: InstanceAddress,
    /// The number of the last input that was applied to it.
    pub seq: u64,
    /// What differs.
    pub reason: String,
}

impl Shard {
    /// Applies an input that the journal has.
    ///
    /// # Errors
    ///
    /// When the record does not follow from those before it.
    pub fn replay(&mut self, record: &InputRecord) -> Result<Option<Divergence>, ReplayError> {
        let wrong = |reason: &str| ReplayError::Inconsistent {
            instance: record.instance.clone(),
            seq: record.seq,
            reason: reason.to_owned(),
        };
        let slot = self.replayed(&record.instance, record.switch).map_err(|reason| wrong(&reason))?;
        let release = self.release.clone().ok_or_else(|| wrong("no release is installed"))?;
        self.advance(record.now_ms);
        let task = self.task(slot, record);
        let Resident { address, instance } = &mut self.table[slot];
        if instance.held().is_some() {
            // What it would have made of its input does not exist; nor may what its input is of.
            self.let_rewind_go(slot, NOT_REPLAYED);
            self.trust(&release, slot, task.ok().as_ref(), record);
            return Ok(None);
        }
        let task = task.map_err(|reason| wrong(&reason))?;
        if (1..=instance.seq).contains(&record.seq) {
            // Earlier agents let a life that came back go on with its own numbers, also where another had come after it.
            let address = address.clone();
            if record.seq <= self.archived_seq(&address) {
                self.table[slot].instance.seq = record.seq - 1;
            }
        }
        let Resident { address, instance } = &mut self.table[slot];
        if instance.seq + 1 != record.seq {
            return Err(wrong(&format!("the input before it has number {}", instance.seq)));
        }
        let surroundings = Surroundings { now_ms: record.now_ms, seed: record.seed };
        let runner = &mut self.runners[instance.runner as usize];
        let switch = self.switch;
        let place = Place { release: &release, runner, address, tongue: None, keep: true, switch };
        let mut computed = compute(place, instance, &task, surroundings);
        if let Some(reason) = difference(&computed.verdict, &record.verdict) {
            computed.undo(instance);
            let (instance, seq) = (address.clone(), instance.seq);
            self.hold(slot, reason.clone());
            self.let_rewind_go(slot, NOT_REPLAYED);
            self.trust(&release, slot, Some(&task), record);
            return Ok(Some(Divergence { instance, seq, reason }));
        }
        self.version += 1;
        self.table[slot].instance.version = self.version;
        self.keep_taken(slot, &task, (record.seq, surroundings), &computed);
        self.commit(slot, &task, (record.seq, record.now_ms), &mut computed);
        self.make_ready(slot);
        Ok(None)
    }

    /// Does what the journal has that is no input.
    ///
    /// # Errors
    ///
    /// When the record does not follow from those before it.
    pub fn replay_aside(&mut self, aside: &Aside) -> Result<(), ReplayError> {
        let wrong = |instance: &str| {
            let instance = instance.to_owned();
            move |reason| ReplayError::Aside { instance, reason }
        };
        match aside {
            Aside::Clients(_) => {}
            Aside::Cared { switch, at_ms, deeds } => {
                self.advance(*at_ms);
                for deed in deeds {
                    self.replayed(&deed.instance, *switch).map_err(wrong(&deed.instance))?;
                }
                self.cared(deeds);
            }
            Aside::Called { instance, switch, seq, effect, given_up } => {
                let slot = self.replayed(instance, *switch).map_err(wrong(instance))?;
                self.closed_call(slot, (*seq, *effect), given_up.clone());
            }
            Aside::Settled { instance, switch } => {
                let slot = self.replayed(instance, *switch).map_err(wrong(instance))?;
                self.settle(slot);
            }
            Aside::Dropped { instance, switch, .. } => {
                self.replay_dropped_all(instance, *switch).map_err(wrong(instance))?;
            }
            Aside::Redriven { instance, switch, what, .. } => {
                if self.replay_dropped(instance, *switch, *what) {
                    return Ok(());
                }
                let slot = self.replayed(instance, *switch).map_err(wrong(instance))?;
                self.redriven(slot, *what);
            }
        }
        Ok(())
    }

    /// Returns the slot of an instance that a record is of.
    fn replayed(&mut self, instance: &str, switch: u64) -> Result<Slot, String> {
        let address: InstanceAddress = instance.parse().map_err(|_| "its instance has no address")?;
        if self.release.is_none() {
            return Err("no release is installed".to_owned());
        }
        if switch != self.switch {
            return Err(format!("it belongs to switch {switch}, not {}", self.switch));
        }
        if !self.machines.contains_key(&address.machine_address()) {
            return Err("the release has no such machine".to_owned());
        }
        let slot = self.slot(&address);
        if self.table[slot].instance.switch != self.switch {
            crate::failpoint::pass_of("replay.over", &address);
            self.meet(slot);
        }
        Ok(slot)
    }

    /// Returns the input of a record, taken out of the mailbox or the timers that it came from.
    fn task(&mut self, slot: Slot, record: &InputRecord) -> Result<Task, String> {
        let from_record = |origin| Task {
            cause: Cause::Mail(origin),
            input: Input::Bytes(record.input.as_slice().into()),
            trace: record.trace.as_deref().map(Into::into),
            written: None,
        };
        let older = self.runners[self.table[slot].instance.runner as usize].older;
        let written = |writer: Digest, input: &Arc<[u8]>| (older == Some(writer)).then(|| input.clone());
        let Resident { address, instance } = &mut self.table[slot];
        let (code, seq) = (instance.code.clone(), instance.seq);
        let inputs = Inputs { road: &self.road, address, to: &code, number: self.switch, seq };
        let mut take = |is: &dyn Fn(&Origin) -> bool| {
            let mailbox = &mut instance.rest_if_any()?.mailbox;
            // Whoever wrote may be called something else by now.
            let place = mailbox.iter().position(|mail| is(&inputs.origin(mail)))?;
            mailbox.remove(place)
        };
        let identity = match &record.source {
            Source::Anonymous => None,
            Source::Client { sender, seq, content } => {
                Some((Identity::Client { sender: sender.as_str().into(), seq: *seq }, *content))
            }
            Source::Key { key, content } => Some((Identity::Key(key.as_str().into()), *content)),
            Source::Port { seq, effect } => {
                // What came back is durable with this record only; it may have been saved as waiting.
                let is = |origin: &Origin| matches!(origin, Origin::Port { seq: s, effect: e } if s == seq && e == effect);
                drop(take(&is));
                return Ok(from_record(Origin::Port { seq: *seq, effect: *effect }));
            }
            Source::Timer { name, generation } => {
                let timer = instance.rest().timers.get(name.as_str());
                let timer = timer.filter(|timer| timer.generation == *generation);
                let timer = timer.ok_or("the timer that it fires does not run")?;
                let written = written(timer.writer, &timer.input);
                let (timer, _) = inputs.timer(timer).map_err(|failure| reason(&failure))?;
                if *timer.input != *record.input {
                    return Err("the timer fires another input".to_owned());
                }
                let cause = Cause::Timer { name: name.as_str().into(), generation: *generation };
                return Ok(Task { cause, input: Input::Bytes(timer.input), trace: timer.trace, written });
            }
            source => {
                let mail = take(&|origin| is_of(origin, source));
                if let (None, Source::Answer { receiver, seq, effect }) = (&mail, source) {
                    // Earlier agents gave what a life had asked for to the one that began anew after it.
                    let receiver = receiver.parse().map_err(|_| "who answers has no address")?;
                    return Ok(from_record(Origin::Answer { receiver, seq: *seq, effect: *effect }));
                }
                let mail = mail.ok_or("the message that it delivers was not sent")?;
                let written = written(mail.writer, &mail.input);
                let (mail, _) = inputs.mail(&mail).map_err(|failure| reason(&failure))?;
                if *mail.input != *record.input {
                    return Err("another message was sent".to_owned());
                }
                let input = Input::Bytes(mail.input);
                return Ok(Task { cause: Cause::Mail(mail.origin), input, trace: mail.trace, written });
            }
        };
        Ok(from_record(Origin::Outside { identity }))
    }

    /// Holds an instance.
    pub(super) fn hold(&mut self, slot: Slot, reason: String) {
        self.recorder.forget(slot);
        self.meet(slot);
        let state = self.touch(slot).hold(reason, false);
        self.out.discard(state);
        self.unlist(slot);
    }

    /// Returns true for an instance that is held.
    pub fn is_held(&self, address: &InstanceAddress) -> bool {
        self.table.find(address).is_some_and(|slot| self.table[slot].instance.held().is_some())
    }

    /// Holds an instance at this point of a recovery; returns false when the release that runs has none like it. Who
    /// is held already stays so, for the first reason.
    pub fn hold_now(&mut self, address: &InstanceAddress, reason: &str) -> bool {
        if !self.machines.contains_key(&address.machine_address()) {
            return false;
        }
        let slot = self.slot(address);
        // Without any code of it: that may be what it is held for.
        if self.table[slot].instance.switch == self.switch {
            self.hold(slot, reason.to_owned());
        } else {
            self.leave_behind(slot, reason.to_owned());
        }
        true
    }

    /// Lets what a held instance did according to the journal reach the others.
    fn trust(&mut self, release: &Release, slot: Slot, task: Option<&Task>, record: &InputRecord) {
        let Resident { address, instance } = &self.table[slot];
        for out in recorded(release, address, instance, task, record) {
            self.send(out);
        }
    }
}

/// Returns true for the message that a record delivers.
fn is_of(origin: &Origin, source: &Source) -> bool {
    match (origin, source) {
        (Origin::Message(sent), Source::Message { sender, seq, effect, .. }) => {
            sent.seq == *seq && sent.effect == *effect && sent.sender.to_string() == *sender
        }
        (Origin::Answer { receiver, seq, effect }, Source::Answer { receiver: from, seq: s, effect: e }) => {
            s == seq && e == effect && receiver.to_string() == *from
        }
        (Origin::Relup { switch, index }, Source::Relup { switch: s, index: i }) => s == switch && i == index,
        _ => false,
    }
}

/// Returns what differs between what was computed and what the journal says.
fn difference(computed: &Verdict, recorded: &Verdict) -> Option<String> {
    if computed == recorded {
        return None;
    }
    let part = match (computed, recorded) {
        (
            Verdict::Applied { output, effects },
            Verdict::Applied { output: old_output, effects: old_effects },
        ) => {
            let mut parts = vec![];
            parts.extend((output != old_output).then_some("output"));
            parts.extend((effects != old_effects).then_some("effects"));
            parts.join(" and ")
        }
        (Verdict::Trapped { kind, .. }, Verdict::Applied { .. }) => {
            format!("a trap ({kind}) where there was none")
        }
        (Verdict::Applied { .. }, Verdict::Trapped { kind, .. }) => {
            format!("no trap where there was one ({kind})")
        }
        (Verdict::Trapped { kind, .. }, Verdict::Trapped { kind: old, .. }) => {
            format!("the trap ({kind}, it was {old})")
        }
    };
    Some(format!("replaying the journal gives another result: {part}"))
}
