//! Answers that are kept: the last 32 of an instance and sender, for a day.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use camshaft_cam::value::Value;

use crate::seen::Identity;
use crate::world::build::Part;

const ANSWERS_MAX: usize = 32;
const KEPT_MS: i64 = 24 * 60 * 60 * 1000;

/// What was answered.
pub(super) type Answer = Result<Option<Value>, (String, String)>;

/// The kept answers of an instance.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept(BTreeMap<Name, Sender>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Client(String),
    Key(String),
}

#[derive(Debug, Clone, Default)]
struct Sender {
    floor: u64,
    answers: VecDeque<One>,
}

#[derive(Debug, Clone)]
pub(super) struct One {
    seq: u64,
    /// What was sent, whatever its spaces.
    content: serde_json::Value,
    at_ms: i64,
    /// The answer, in the types of the machine that gave it.
    pub(super) answer: Answer,
    /// That machine.
    pub(super) writer: Arc<Part>,
}

/// What is known of a request.
pub(super) enum Known<'k> {
    New,
    Answered(&'k One),
    Conflict,
    Expired,
}

fn split(identity: &Identity) -> (Name, u64) {
    match identity {
        Identity::Client(sender, seq) => (Name::Client(sender.clone()), *seq),
        Identity::Key(key) => (Name::Key(key.clone()), 1),
    }
}

impl Kept {
    pub(super) fn look_up(&self, identity: &Identity, content: &serde_json::Value) -> Known<'_> {
        let (name, seq) = split(identity);
        let Some(sender) = self.0.get(&name) else { return Known::New };
        match sender.answers.iter().find(|one| one.seq == seq) {
            Some(one) if one.content == *content => Known::Answered(one),
            Some(_) => Known::Conflict,
            None if seq <= sender.floor => Known::Expired,
            None => Known::New,
        }
    }

    pub(super) fn keep(
        &mut self,
        identity: &Identity,
        content: serde_json::Value,
        at_ms: i64,
        answer: Answer,
        writer: Arc<Part>,
    ) {
        for sender in self.0.values_mut() {
            while sender.answers.front().is_some_and(|one| at_ms - one.at_ms > KEPT_MS) {
                sender.let_go();
            }
        }
        // A key stands for one request: nothing is left of it.
        self.0.retain(|name, sender| matches!(name, Name::Client(_)) || !sender.answers.is_empty());
        let (name, seq) = split(identity);
        let sender = self.0.entry(name).or_default();
        sender.answers.push_back(One { seq, content, at_ms, answer, writer });
        if sender.answers.len() > ANSWERS_MAX {
            sender.let_go();
        }
    }
}

impl Sender {
    fn let_go(&mut self) {
        if let Some(gone) = self.answers.pop_front() {
            self.floor = self.floor.max(gone.seq);
        }
    }
}
