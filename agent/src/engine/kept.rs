//! Answers that are kept, so that a request that is repeated is answered and not applied again.
//!
//! For each instance and sender the last [`ANSWERS_MAX`] answers are kept, for [`KEPT_MS`] at
//! most. What was answered and is no longer kept is refused: for a client because all numbers up
//! to a floor were answered; a key for a single request is forgotten with its answer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_store::{KeptAnswer, KeptSender};

/// How many answers are kept for an instance and sender.
pub const ANSWERS_MAX: usize = 32;

/// How long an answer is kept, in milliseconds: a day.
pub const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// The identity of a request from outside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// The message of this number of a client.
    Client {
        /// The client.
        sender: Arc<str>,
        /// The number, from 1.
        seq: u64,
    },
    /// A key for this request alone.
    Key(Arc<str>),
}

impl Identity {
    fn sender(&self) -> (bool, Arc<str>) {
        match self {
            Identity::Client { sender, .. } => (false, sender.clone()),
            Identity::Key(key) => (true, key.clone()),
        }
    }

    fn seq(&self) -> u64 {
        match self {
            Identity::Client { seq, .. } => *seq,
            Identity::Key(_) => 1,
        }
    }
}

/// What was answered: the JSON of the output in the type of the machine, or kind and reason of a trap.
pub type Answered = Result<String, (String, String)>;

/// What is known of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it is new.
    New,
    /// It was answered, by the machine of this digest as far as that is known.
    Answered(Answered, Option<Digest>),
    /// Something else was sent under the same identity.
    Conflict,
    /// It was answered, and the answer is gone.
    Expired,
}

/// The kept answers of an instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    /// By whether it is a key for a single request, and sender.
    senders: BTreeMap<(bool, Arc<str>), Sender>,
    /// Each sender once, by a time at which none of its answers is older.
    by_age: BTreeSet<(i64, (bool, Arc<str>))>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Sender {
    floor: u64,
    answers: VecDeque<KeptAnswer>,
}

impl Kept {
    /// Returns what is known of a request with this content.
    pub fn look_up(&self, identity: &Identity, content: Digest) -> Known {
        let Some(sender) = self.senders.get(&identity.sender()) else { return Known::New };
        let seq = identity.seq();
        match sender.answers.iter().find(|answer| answer.seq == seq) {
            Some(answer) if answer.content == content => {
                Known::Answered(answer.answer.clone(), answer.writer)
            }
            Some(_) => Known::Conflict,
            None if seq <= sender.floor => Known::Expired,
            None => Known::New,
        }
    }

    /// Keeps an answer in the types of the machine that gave it, and lets go of those that are too
    /// old at `at_ms`.
    pub fn keep(
        &mut self,
        identity: &Identity,
        content: Digest,
        at_ms: i64,
        answer: Answered,
        writer: Digest,
    ) {
        self.expire(at_ms);
        let name = identity.sender();
        let sender = self.senders.entry(name.clone()).or_default();
        if sender.answers.is_empty() {
            self.by_age.insert((at_ms, name));
        }
        sender.answers.push_back(KeptAnswer {
            seq: identity.seq(),
            content,
            at_ms,
            answer,
            writer: Some(writer),
        });
        if sender.answers.len() > ANSWERS_MAX
            && let Some(gone) = sender.answers.pop_front()
        {
            sender.floor = sender.floor.max(gone.seq);
        }
    }

    fn expire(&mut self, now_ms: i64) {
        let old = |at_ms: i64| now_ms.saturating_sub(at_ms) > KEPT_MS;
        while self.by_age.first().is_some_and(|(at_ms, _)| old(*at_ms)) {
            let Some((_, name)) = self.by_age.pop_first() else { return };
            let Some(sender) = self.senders.get_mut(&name) else { continue };
            while let Some(oldest) = sender.answers.front().filter(|answer| old(answer.at_ms)) {
                sender.floor = sender.floor.max(oldest.seq);
                sender.answers.pop_front();
            }
            match sender.answers.front() {
                Some(oldest) => {
                    self.by_age.insert((oldest.at_ms, name));
                }
                // A client's floor is kept for ever; a single request has nothing to keep.
                None if name.0 => {
                    self.senders.remove(&name);
                }
                None => {}
            }
        }
    }

    /// Returns true when nothing was ever answered.
    pub fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    /// Returns the form for a snapshot.
    pub fn save(&self) -> Vec<KeptSender> {
        let save = |((single, name), sender): (&(bool, Arc<str>), &Sender)| KeptSender {
            sender: name.to_string(),
            single: *single,
            floor: sender.floor,
            answers: sender.answers.iter().cloned().collect(),
        };
        self.senders.iter().map(save).collect()
    }

    /// Returns the kept answers of a snapshot.
    pub fn load(saved: Vec<KeptSender>) -> Kept {
        let mut kept = Kept::default();
        for sender in saved {
            let name: (bool, Arc<str>) = (sender.single, sender.sender.into());
            kept.by_age.extend(sender.answers.first().map(|answer| (answer.at_ms, name.clone())));
            kept.senders.insert(name, Sender { floor: sender.floor, answers: sender.answers.into() });
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(seq: u64) -> Identity {
        Identity::Client { sender: "c".into(), seq }
    }

    fn writer() -> Digest {
        Digest::of(b"machine")
    }

    #[test]
    fn a_repetition_is_told_from_a_reuse_and_from_something_new() {
        let mut kept = Kept::default();
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        assert_eq!(kept.look_up(&client(1), one), Known::New);
        kept.keep(&client(1), one, 0, Ok("1".to_owned()), writer());
        assert_eq!(kept.look_up(&client(1), one), Known::Answered(Ok("1".to_owned()), Some(writer())));
        assert_eq!(kept.look_up(&client(1), other), Known::Conflict);
        assert_eq!(kept.look_up(&client(2), other), Known::New);
        assert_eq!(kept.look_up(&Identity::Key("c".into()), one), Known::New);
    }

    #[test]
    fn what_is_older_than_the_last_32_is_expired() {
        let mut kept = Kept::default();
        let content = Digest::of(b"");
        for seq in 1..=40 {
            kept.keep(&client(seq), content, 0, Ok(String::new()), writer());
        }
        assert_eq!(kept.look_up(&client(8), content), Known::Expired);
        assert_eq!(kept.look_up(&client(9), content), Known::Answered(Ok(String::new()), Some(writer())));
        assert_eq!(Kept::load(kept.save()), kept);
    }

    #[test]
    fn after_a_day_a_client_is_refused_and_a_key_is_forgotten() {
        let mut kept = Kept::default();
        let content = Digest::of(b"");
        let key = |key: &str| Identity::Key(key.into());
        kept.keep(&client(1), content, 0, Ok(String::new()), writer());
        kept.keep(&key("k"), content, 0, Ok(String::new()), writer());
        kept.keep(&client(2), content, KEPT_MS, Ok(String::new()), writer());
        assert_eq!(kept.look_up(&key("k"), content), Known::Answered(Ok(String::new()), Some(writer())));
        kept.keep(&key("later"), content, KEPT_MS + 1, Ok(String::new()), writer());
        assert_eq!(kept.look_up(&client(1), content), Known::Expired);
        assert_eq!(kept.look_up(&client(2), content), Known::Answered(Ok(String::new()), Some(writer())));
        assert_eq!(kept.look_up(&key("k"), content), Known::New);
        assert_eq!(Kept::load(kept.save()), kept);
    }
}
