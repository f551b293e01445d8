//! What came out of the shards and is not durable yet, with what hangs on it: answers and calls.
//!
//! What must stay true: nothing leaves before what it follows from is durable, and nobody waits for room on a full
//! disk whose request changed nothing.
//!
//! An input that was admitted just before the disk was found to be full may use room that is kept for control
//! records. Should it not fit there either, it waits until there is room, and with it the answers to what its lane
//! changed. Answers that were given before go out, and those of other lanes: what these saw of it came in messages,
//! and a message that was delivered is in a record behind it. What changed nothing in its own lane after it is
//! refused: it may have seen what never becomes durable.

use std::collections::BTreeSet;

use camshaft_store::{AppendError, Chunk, Class, Journal, StoreError};

use crate::engine::{Answer, Refusal, Reply};
use crate::ports::CallOut;

/// Records of a lane, and what hangs on them.
pub(crate) struct Group<W> {
    pub(crate) lane: u16,
    /// The records, until they are durable.
    pub(crate) chunk: Option<Chunk>,
    pub(crate) answers: Vec<Answer<W>>,
    pub(crate) calls: Vec<CallOut>,
}

/// What may leave the node.
pub(crate) struct Free<W> {
    pub(crate) answers: Vec<Answer<W>>,
    pub(crate) calls: Vec<CallOut>,
}

/// What waits for the journal, in the order in which it came; `W` is who waits for an answer.
pub(crate) struct Pending<W> {
    groups: Vec<Group<W>>,
    free: Free<W>,
}

impl<W> Pending<W> {
    pub(crate) fn new() -> Pending<W> {
        Pending { groups: vec![], free: Free { answers: vec![], calls: vec![] } }
    }

    pub(crate) fn push(&mut self, group: Group<W>) {
        self.groups.push(group);
    }

    /// Returns how many groups wait.
    pub(crate) fn len(&self) -> usize {
        self.groups.len()
    }

    /// Returns true when nothing waits, neither for room nor to be written.
    pub(crate) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Returns true when there are records to write.
    pub(crate) fn has_records(&self) -> bool {
        self.groups.iter().any(|group| group.chunk.is_some())
    }

    /// Returns the groups that wait.
    pub(crate) fn into_groups(self) -> Vec<Group<W>> {
        self.groups
    }

    /// Returns what may leave the node by now.
    pub(crate) fn take_free(&mut self) -> Free<W> {
        std::mem::replace(&mut self.free, Free { answers: vec![], calls: vec![] })
    }

    /// Makes durable what waits, as far as there is room; returns false when there is none for inputs.
    pub(crate) fn write(&mut self, journal: &mut dyn Journal) -> Result<bool, StoreError> {
        if self.write_all(journal, Class::Input)? {
            return Ok(true);
        }
        if !self.write_all(journal, Class::Admitted)? {
            self.write_some(journal)?;
            self.free_what_can_be();
        }
        Ok(false)
    }

    /// Makes everything durable, or nothing; returns false when there is no room for it.
    pub(crate) fn write_all(&mut self, journal: &mut dyn Journal, class: Class) -> Result<bool, StoreError> {
        let (mut chunks, mut places) = (vec![], vec![]);
        for (place, group) in self.groups.iter_mut().enumerate() {
            if let Some(chunk) = group.chunk.take() {
                chunks.push(chunk);
                places.push(place);
            }
        }
        if !chunks.is_empty() && !appended(journal, &chunks, class)? {
            for (place, chunk) in places.into_iter().zip(chunks) {
                self.groups[place].chunk = Some(chunk);
            }
            return Ok(false);
        }
        for group in self.groups.drain(..) {
            self.free.answers.extend(group.answers);
            self.free.calls.extend(group.calls);
        }
        Ok(true)
    }

    /// Makes durable what fits, from the first on: what comes behind one that does not fit may follow from it.
    fn write_some(&mut self, journal: &mut dyn Journal) -> Result<(), StoreError> {
        for group in &mut self.groups {
            if let Some(chunk) = &group.chunk {
                if !appended(journal, std::slice::from_ref(chunk), Class::Admitted)? {
                    break;
                }
                group.chunk = None;
            }
        }
        Ok(())
    }

    fn free_what_can_be(&mut self) {
        let mut behind = BTreeSet::new();
        for mut group in std::mem::take(&mut self.groups) {
            let sound = !behind.contains(&group.lane);
            let durable = group.chunk.is_none();
            for mut answer in std::mem::take(&mut group.answers) {
                if !(sound && (durable || answer.after == 0 && !answer.changed)) {
                    if answer.changed || has_to_wait(&answer.reply) {
                        group.answers.push(answer);
                        continue;
                    }
                    answer.reply = Reply::Refused(Refusal::DiskFull);
                }
                self.free.answers.push(answer);
            }
            if durable && sound {
                self.free.calls.append(&mut group.calls);
            }
            if !durable {
                behind.insert(group.lane);
            }
            if !(durable && group.answers.is_empty() && group.calls.is_empty()) {
                self.groups.push(group);
            }
        }
    }
}

/// Appends a group; returns false when there is no room for it.
fn appended(journal: &mut dyn Journal, chunks: &[Chunk], class: Class) -> Result<bool, StoreError> {
    match journal.append(chunks, class) {
        Ok(_) => Ok(true),
        Err(AppendError::Full) => Ok(false),
        Err(AppendError::Failed(error)) => Err(error),
    }
}

/// Returns true for what cannot be refused instead: who asks again for what was applied must not hear that it was
/// not.
fn has_to_wait(reply: &Reply) -> bool {
    matches!(
        reply,
        Reply::Answered { repeated: true, .. }
            | Reply::Refused(Refusal::Expired | Refusal::AnswerUntold { .. })
    )
}
