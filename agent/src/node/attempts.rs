//! Recoveries that the agent did not survive: what was being done at each death is noted beside the journal, so that
//! nothing can keep a node down for ever.
//!
//! The first attempt notes that it began, no more. Those after it note each thing before it is done that runs code of a
//! machine; one at which two of them died in a row is not done again: its instance is held before it. Notes are no part
//! of the journal: what cannot be read is no note, and what cannot be written is missing.
//!
//! An attempt ends when what waited at the start has been delivered, or the agent stops in order. See [`super::watch`].

use camshaft_store::{Journal, StoreError};

/// How many attempts died at the same thing before it is not done again. The attempt before them, which noted
/// no more than its begin, makes it one death more.
const DEATHS: u32 = 2;

/// Something that runs code of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// The record at this position is replayed.
    Record(u64),
    /// The instance goes over the switch of this number, or is born by it.
    Switch(u64),
    /// The input of this number, which waited, is delivered.
    Delivery(u64),
}

/// A deed, and the instance that it is of, in a line that is never read back into an address.
type Place = (Deed, String);

/// What is noted of recoveries that did not end.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Attempts {
    /// How many began.
    begun: u32,
    /// What was being done, and how many attempts in a row came to be there last.
    at: Option<(Place, u32)>,
    /// What is not done again.
    held: Vec<Place>,
    /// Which life of the agent this is in the probation of a release.
    pub(super) life: Option<Life>,
}

/// A life of the agent while a release is on probation. A life that ends in order is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    /// The switch that led to the release.
    pub(super) switch: u64,
    /// How many lives there were that did not end in order, and this one.
    pub(super) begun: u32,
}

impl Life {
    /// Returns what stays noted of a life that ended in order.
    pub(super) fn unlived(self) -> Option<Life> {
        let begun = self.begun.checked_sub(1).filter(|begun| *begun > 0)?;
        Some(Life { begun, ..self })
    }
}

impl Attempts {
    /// Begins an attempt.
    pub(super) fn begin(journal: &mut dyn Journal) -> Result<Attempts, StoreError> {
        let mut attempts = Attempts::read(&journal.notes()?);
        attempts.begun += 1;
        if let Some(life) = &mut attempts.life {
            life.begun = life.begun.saturating_add(1);
        }
        if let Some((place, _)) = attempts.at.take_if(|(_, deaths)| *deaths >= DEATHS) {
            attempts.held.push(place);
        }
        if attempts.begun > 1 {
            let died = attempts.begun - 1;
            tracing::warn!(died, at = ?attempts.at, "the agent died before its recovery had ended");
        }
        attempts.note(journal);
        Ok(attempts)
    }

    /// Returns true when there is something to note: an attempt before this one did not end.
    pub(super) fn is_careful(&self) -> bool {
        self.begun > 1
    }

    /// Returns true for an attempt that began: one that a node is open in has to be ended.
    pub(super) fn has_begun(&self) -> bool {
        self.begun > 0
    }

    /// Notes what is done next; returns true when the instance is to be held before it.
    pub(super) fn at(&mut self, journal: &mut dyn Journal, deed: Deed, instance: &str) -> bool {
        if !self.is_careful() {
            return false;
        }
        // A key may be any text, also one of several lines.
        let place = (deed, instance.escape_default().to_string());
        if self.held.contains(&place) {
            return true;
        }
        // That the last attempt came to another place is known when this one is past it.
        let before = match &self.at {
            Some((other, deaths)) if *other == place => *deaths,
            _ => 0,
        };
        let noted = Attempts { at: Some((place, before + 1)), ..self.clone() };
        noted.note(journal);
        false
    }

    /// Notes that what was noted last is done: a death from here on is not because of it.
    pub(super) fn past(&self, journal: &mut dyn Journal) {
        if self.is_careful() {
            Attempts { at: None, ..self.clone() }.note(journal);
        }
    }

    /// Ends the attempt. What else there is to note stays.
    pub(super) fn end(journal: &mut dyn Journal, life: Option<Life>) {
        let bytes = life.map(|life| (line_of(life) + "end\n").into_bytes());
        Attempts::write(journal, &bytes.unwrap_or_default());
    }

    pub(super) fn note(&self, journal: &mut dyn Journal) {
        Attempts::write(journal, &self.to_bytes());
    }

    fn write(journal: &mut dyn Journal, bytes: &[u8]) {
        if let Err(error) = journal.note(bytes) {
            tracing::warn!(%error, "how the recovery goes cannot be noted");
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let line = |(deed, instance): &Place| {
            let (word, number) = match deed {
                Deed::Record(number) => ("record", number),
                Deed::Switch(number) => ("switch", number),
                Deed::Delivery(number) => ("delivery", number),
            };
            format!("{word} {number} {instance}\n")
        };
        let mut text = format!("begun {}\n", self.begun);
        if let Some((place, deaths)) = &self.at {
            text += &format!("at {deaths} {}", line(place));
        }
        for place in &self.held {
            text += &format!("held {}", line(place));
        }
        if let Some(life) = self.life {
            text += &line_of(life);
        }
        // What was not written to its end is no note.
        (text + "end\n").into_bytes()
    }

    fn read(bytes: &[u8]) -> Attempts {
        std::str::from_utf8(bytes).ok().and_then(Attempts::parse).unwrap_or_default()
    }

    fn parse(text: &str) -> Option<Attempts> {
        let place = |text: &str| {
            let mut words = text.splitn(3, ' ');
            let (word, number, instance) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
            let deed = match word {
                "record" => Deed::Record(number),
                "switch" => Deed::Switch(number),
                "delivery" => Deed::Delivery(number),
                _ => return None,
            };
            Some((deed, instance.to_owned()))
        };
        let mut attempts = Attempts::default();
        for line in text.strip_suffix("end\n")?.lines() {
            match line.split_once(' ')? {
                ("begun", begun) => attempts.begun = begun.parse().ok()?,
                ("at", rest) => {
                    let (deaths, rest) = rest.split_once(' ')?;
                    attempts.at = Some((place(rest)?, deaths.parse().ok()?));
                }
                ("life", rest) => {
                    let (switch, begun) = rest.split_once(' ')?;
                    attempts.life = Some(Life { switch: switch.parse().ok()?, begun: begun.parse().ok()? });
                }
                ("held", rest) => attempts.held.push(place(rest)?),
                _ => return None,
            }
        }
        Some(attempts)
    }
}

fn line_of(life: Life) -> String {
    format!("life {} {}\n", life.switch, life.begun)
}

#[cfg(test)]
mod tests {
    use camshaft_store::MemoryJournal;

    use super::*;

    const NONE: &[u64] = &[];

    /// An attempt that dies at an input after it was at others.
    fn dies(journal: &mut MemoryJournal, inputs: &[u64]) -> Vec<u64> {
        let mut attempts = Attempts::begin(journal).expect("memory can be read");
        let at = |position: &u64| attempts.at(journal, Deed::Record(*position), "a/m/k");
        inputs.iter().copied().filter(at).collect()
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
        Attempts::end(&mut journal, None);
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
    fn who_dies_when_all_is_done_that_was_noted_did_not_die_of_it() {
        let mut journal = MemoryJournal::default();
        for _ in 0..9 {
            let mut attempts = Attempts::begin(&mut journal).expect("memory can be read");
            assert!(!attempts.at(&mut journal, Deed::Delivery(1), "a/m/k"));
            attempts.past(&mut journal);
        }
    }

    #[test]
    fn lives_are_counted_from_one_attempt_to_the_next_whatever_else_is_noted() {
        let mut journal = MemoryJournal::default();
        let life = |begun| Some(Life { switch: 7, begun });
        Attempts::end(&mut journal, life(1));
        for begun in 2..4 {
            let mut attempts = Attempts::begin(&mut journal).expect("memory can be read");
            assert_eq!(attempts.life, life(begun));
            attempts.at(&mut journal, Deed::Switch(7), "a/m/k");
        }
        Attempts::end(&mut journal, life(3).and_then(Life::unlived));
        let attempts = Attempts::begin(&mut journal).expect("memory can be read");
        assert_eq!((attempts.life, attempts.begun), (life(3), 1));
        assert_eq!(life(1).and_then(Life::unlived), None);
    }

    #[test]
    fn deeds_are_told_apart_by_what_they_are_by_number_and_by_instance() {
        let key = "a/m/k with \"spaces\"\nand lines";
        let mut journal = MemoryJournal::default();
        for _ in 0..3 {
            let mut attempts = Attempts::begin(&mut journal).expect("memory can be read");
            assert!(!attempts.at(&mut journal, Deed::Switch(7), key));
        }
        let mut attempts = Attempts::begin(&mut journal).expect("memory can be read");
        for deed in [Deed::Record(7), Deed::Delivery(7), Deed::Switch(8)] {
            assert!(!attempts.at(&mut journal, deed, key), "{deed:?}");
        }
        assert!(!attempts.at(&mut journal, Deed::Switch(7), "a/m/k"));
        assert!(attempts.at(&mut journal, Deed::Switch(7), key));
    }

    #[test]
    fn what_is_no_note_is_as_if_nothing_was_noted() {
        let place = |deed, instance: &str| (deed, instance.to_owned());
        let some = Attempts {
            begun: 3,
            at: Some((place(Deed::Switch(7), "a/m/k"), 1)),
            held: vec![place(Deed::Record(5), "a/m"), place(Deed::Delivery(5), "a/m/two words")],
            life: Some(Life { switch: 7, begun: 2 }),
        };
        let bytes = some.to_bytes();
        assert_eq!(Attempts::read(&bytes), some);
        for length in 0..bytes.len() {
            assert_eq!(Attempts::read(&bytes[..length]), Attempts::default(), "cut off at {length}");
        }
        for bytes in [
            &b"\0\0\0\0"[..],
            b"begun many\nend\n",
            b"at 1\nend\n",
            b"life 1\nend\n",
            b"held x 1 a\nend\n",
            b"\xff",
        ] {
            assert_eq!(Attempts::read(bytes), Attempts::default());
        }
    }
}
