//! Replaying records: every step is computed once more by the code of its time, and compared
//! with what the journal says came of it.
//!
//! An instance whose replay differs is held, before the input that differs. What it sent to
//! others is taken from the record then, for they may have been answered because of it.

use camshaft_manifests::InstanceAddress;
use camshaft_store::{InputRecord, Source, Verdict};

use super::Engine;
use super::instance::{Mail, Origin, RequestId};
use super::kept::Identity;
use super::step::{Cause, Surroundings, Task, compute, recorded};
use crate::release::Release;

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

impl Engine {
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
        let address: InstanceAddress =
            record.instance.parse().map_err(|_| wrong("its instance has no address"))?;
        let release = self.release.clone().ok_or_else(|| wrong("no release is installed"))?;
        if record.switch != self.switch {
            return Err(wrong(&format!("it belongs to switch {}, not {}", record.switch, self.switch)));
        }
        self.advance(record.now_ms);
        if !self.instances.contains_key(&address) {
            let unborn = self.unborn(&address).ok_or_else(|| wrong("the release has no such machine"))?;
            self.instances.insert(address.clone(), unborn);
        }
        let task = self.task(&address, record);
        let instance = &self.instances[&address];
        if instance.held().is_some() {
            // What it would have made of its input does not exist; nor may what its input is of.
            self.trust(&release, &address, task.ok().as_ref(), record);
            return Ok(None);
        }
        let task = task.map_err(|reason| wrong(&reason))?;
        if instance.seq + 1 != record.seq {
            return Err(wrong(&format!("the input before it has number {}", instance.seq)));
        }
        let surroundings = Surroundings { now_ms: record.now_ms, seed: record.seed };
        let computed = compute(&release, &address, instance, &task, surroundings);
        if let Some(reason) = difference(&computed.verdict, &record.verdict) {
            let seq = instance.seq;
            self.hold(&address, reason.clone());
            self.trust(&release, &address, Some(&task), record);
            return Ok(Some(Divergence { instance: address, seq, reason }));
        }
        self.commit(&address, &task, record, computed);
        self.make_ready(&address);
        Ok(None)
    }

    /// Returns the input of a record, taken out of the mailbox or the timers that it came from.
    fn task(&mut self, address: &InstanceAddress, record: &InputRecord) -> Result<Task, String> {
        let outside = |identity| Origin::Outside { request: RequestId(0), identity, tongue: None };
        let instance = self.instances.get_mut(address).ok_or("the instance is not there")?;
        let take = |mailbox: &mut std::collections::VecDeque<Mail>, is: &dyn Fn(&Origin) -> bool| {
            let place = mailbox.iter().position(|mail| is(&mail.origin));
            let mail = place.and_then(|place| mailbox.remove(place));
            mail.ok_or_else(|| "the message that it delivers was not sent".to_owned())
        };
        let mail = match &record.source {
            Source::Anonymous => None,
            Source::Client { .. } | Source::Key { .. } => None,
            Source::Message { sender, seq, effect } => Some(take(&mut instance.mailbox, &|origin| {
                matches!(origin, Origin::Message(sent)
                    if sent.seq == *seq && sent.effect == *effect && sent.sender.to_string() == *sender)
            })?),
            Source::Answer { receiver, seq, effect } => Some(take(&mut instance.mailbox, &|origin| {
                matches!(origin, Origin::Answer { receiver: from, seq: s, effect: e }
                    if s == seq && e == effect && from.to_string() == *receiver)
            })?),
            Source::Relup { switch, index } => Some(take(
                &mut instance.mailbox,
                &|origin| matches!(origin, Origin::Relup { switch: s, index: i } if s == switch && i == index),
            )?),
            Source::Timer { name, generation } => {
                let timer = instance.timers.get(name.as_str());
                let timer = timer.filter(|timer| timer.generation == *generation);
                let timer = timer.ok_or("the timer that it fires does not run")?;
                if *timer.input != *record.input {
                    return Err("the timer fires another input".to_owned());
                }
                let cause = Cause::Timer { name: name.as_str().into(), generation: *generation };
                return Ok(Task { cause, input: timer.input.clone(), trace: timer.trace.clone() });
            }
        };
        if let Some(mail) = mail {
            if *mail.input != *record.input {
                return Err("another message was sent".to_owned());
            }
            return Ok(Task { cause: Cause::Mail(mail.origin), input: mail.input, trace: mail.trace });
        }
        let identity = match &record.source {
            Source::Client { sender, seq, content } => {
                Some((Identity::Client { sender: sender.as_str().into(), seq: *seq }, *content))
            }
            Source::Key { key, content } => Some((Identity::Key(key.as_str().into()), *content)),
            _ => None,
        };
        Ok(Task {
            cause: Cause::Mail(outside(identity)),
            input: record.input.as_slice().into(),
            trace: record.trace.as_deref().map(Into::into),
        })
    }

    /// Holds an instance.
    pub(super) fn hold(&mut self, address: &InstanceAddress, reason: String) {
        let version = self.next_version();
        let Some(instance) = self.instances.get_mut(address) else { return };
        instance.hold(reason, false);
        instance.version = version;
        for (name, timer) in &instance.timers {
            self.timers.remove(&(timer.due_ms, address.clone(), name.clone()));
        }
        if instance.queued {
            instance.queued = false;
            self.ready.retain(|ready| ready != address);
        }
    }

    /// Lets what a held instance did according to the journal reach the others.
    fn trust(
        &mut self,
        release: &Release,
        address: &InstanceAddress,
        task: Option<&Task>,
        record: &InputRecord,
    ) {
        let Some(instance) = self.instances.get(address) else { return };
        for (to, mail) in recorded(release, address, instance, task, record) {
            self.post(to, mail);
        }
    }
}

/// Returns what differs between what was computed and what the journal says.
fn difference(computed: &Verdict, recorded: &Verdict) -> Option<String> {
    if computed == recorded {
        return None;
    }
    let part = match (computed, recorded) {
        (
            Verdict::Applied { output, effects, state },
            Verdict::Applied { output: old_output, effects: old_effects, state: old_state },
        ) => {
            let mut parts = vec![];
            parts.extend((output != old_output).then_some("output"));
            parts.extend((effects != old_effects).then_some("effects"));
            parts.extend((state != old_state).then_some("state"));
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
