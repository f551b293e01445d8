//! Recoveries that the agent did not survive: what was being replayed at each death is noted in the journal, so that
//! one input can never keep a node down for ever.
//!
//! The first attempt notes that it began, no more. Those after it note every input before it is replayed; an input at
//! which two of them died in a row is not replayed again: its instance is held before it. Notes are no part
//! of the journal: what cannot be read is no note, and what cannot be written is missing.

use camshaft_store::{Journal, StoreError};

/// How many attempts died at the same input before it is not replayed again. The attempt before them, which noted
/// no inputs, makes it one death more.
const DEATHS: u32 = 2;

/// An input: its position in the journal, and the instance.
type Place = (u64, String);

/// What is noted of recoveries that did not end.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Attempts {
    /// How many began.
    begun: u32,
    /// The input that was being replayed, and how many attempts in a row came to be there last.
    at: Option<(Place, u32)>,
    /// The inputs that are not replayed again.
    held: Vec<Place>,
}

impl Attempts {
    /// Begins an attempt.
    pub(super) fn begin(journal: &mut dyn Journal) -> Result<Attempts, StoreError> {
        let mut attempts = Attempts::read(&journal.notes()?);
        attempts.begun += 1;
        if let Some((place, _)) = attempts.at.take_if(|(_, deaths)| *deaths >= DEATHS) {
            attempts.held.push(place);
        }
        if attempts.begun > 1 {
            let died = attempts.begun - 1;
            tracing::warn!(died, at = ?attempts.at, "the agent died before it had read its journal");
        }
        attempts.note(journal);
        Ok(attempts)
    }

    /// Notes that an input is replayed next; returns true when its instance is to be held before it.
    pub(super) fn at(&mut self, journal: &mut dyn Journal, position: u64, instance: &str) -> bool {
        if self.begun < 2 {
            return false;
        }
        let here = |place: &Place| place.0 == position && place.1 == instance;
        if self.held.iter().any(here) {
            return true;
        }
        // That the last attempt came to another place is known when this one is past it.
        let before = match &self.at {
            Some((place, deaths)) if here(place) => *deaths,
            _ => 0,
        };
        let noted = Attempts { at: Some(((position, instance.to_owned()), before + 1)), ..self.clone() };
        noted.note(journal);
        false
    }

    /// Ends the attempt: the journal was read.
    pub(super) fn end(journal: &mut dyn Journal) {
        Attempts::write(journal, &[]);
    }

    fn note(&self, journal: &mut dyn Journal) {
        Attempts::write(journal, &self.to_bytes());
    }

    fn write(journal: &mut dyn Journal, bytes: &[u8]) {
        if let Err(error) = journal.note(bytes) {
            tracing::warn!(%error, "how the recovery goes cannot be noted");
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("begun {}\n", self.begun);
        if let Some(((position, instance), deaths)) = &self.at {
            text += &format!("at {position} {instance} {deaths}\n");
        }
        for (position, instance) in &self.held {
            text += &format!("held {position} {instance}\n");
        }
        // What was not written to its end is no note.
        (text + "end\n").into_bytes()
    }

    fn read(bytes: &[u8]) -> Attempts {
        std::str::from_utf8(bytes).ok().and_then(Attempts::parse).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Attempts> {
        let mut attempts = Attempts::default();
        for line in text.strip_suffix("end\n")?.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["begun", begun] => attempts.begun = begun.parse().ok()?,
                ["at", position, instance, deaths] => {
                    attempts.at = Some(((position.parse().ok()?, instance.to_owned()), deaths.parse().ok()?));
                }
                ["held", position, instance] => {
                    attempts.held.push((position.parse().ok()?, instance.to_owned()));
                }
                _ => return None,
            }
        }
        Some(attempts)
    }
}

#[cfg(test)]
mod tests {
    use camshaft_store::MemoryJournal;

    use super::*;

    const NONE: &[u64] = &[];

    /// An attempt that dies at an input after it was at others.
    fn dies(journal: &mut MemoryJournal, inputs: &[u64]) -> Vec<u64> {
        let mut attempts = Attempts::begin(journal).expect("memory can be read");
        inputs.iter().copied().filter(|position| attempts.at(journal, *position, "a/m/k")).collect()
    }

    #[test]
    fn the_fourth_attempt_holds_at_the_input_of_the_last_two_deaths_and_remembers_it() {
        let mut journal = MemoryJournal::default();
        for _ in 0..3 {
            assert_eq!(dies(&mut journal, &[1, 2, 3]), NONE);
        }
        assert_eq!(dies(&mut journal, &[1, 2, 3, 4]), [3], "it goes on behind it, and dies at another");
        assert_eq!(dies(&mut journal, &[1, 2, 3, 4]), [3]);
        assert_eq!(dies(&mut journal, &[1, 2, 3, 4, 5]), [3, 4]);
        Attempts::end(&mut journal);
        assert_eq!(dies(&mut journal, &[1, 2, 3, 4, 5]), NONE);
    }

    #[test]
    fn deaths_at_different_inputs_hold_nothing() {
        let mut journal = MemoryJournal::default();
        for inputs in [&[1][..], &[1], &[1, 2], &[1], &[1, 2, 3], &[1], &[1, 2], &[1]] {
            assert_eq!(dies(&mut journal, inputs), NONE);
        }
    }

    #[test]
    fn what_is_no_note_is_as_if_nothing_was_noted() {
        let some =
            Attempts { begun: 3, at: Some(((7, "a/m/k".to_owned()), 1)), held: vec![(5, "a/m".to_owned())] };
        let bytes = some.to_bytes();
        assert_eq!(Attempts::read(&bytes), some);
        for length in 0..bytes.len() {
            assert_eq!(Attempts::read(&bytes[..length]), Attempts::default(), "cut off at {length}");
        }
        for bytes in [&b"\0\0\0\0"[..], b"begun many\nend\n", b"at 1\nend\n", b"\xff"] {
            assert_eq!(Attempts::read(bytes), Attempts::default());
        }
    }
}
