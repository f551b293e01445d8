//! `[probation]` of `agent.toml`: what a release has to pass before it is permanent.

use super::{COUNT_MAX, positive_or};
use crate::duration::Millis;
use crate::reader::{Field, Table};
use crate::writer::Writer;

/// What a release has to pass after it was switched to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probation {
    /// How long it lasts.
    pub time: Millis,
    /// Who makes the release permanent then.
    pub permanent: By,
    /// Who goes back when it does not pass.
    pub goes_back: By,
    /// How many inputs of one case have to trap before their rate counts.
    pub traps: u32,
    /// By how many percent of its inputs a case has to trap more than before.
    pub rise: u8,
    /// How many ends of the agent that nobody asked for are too many.
    pub ends: u32,
}

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The node, by itself.
    Itself,
    /// An operator.
    Operator,
}

const WHO: [(&str, By); 2] = [("auto", By::Itself), ("manual", By::Operator)];

impl Default for Probation {
    fn default() -> Probation {
        Probation {
            time: Millis(600_000),
            permanent: By::Operator,
            goes_back: By::Itself,
            traps: 10,
            rise: 1,
            ends: 3,
        }
    }
}

impl By {
    /// Returns the word for it.
    pub const fn word(self) -> &'static str {
        match self {
            By::Itself => "auto",
            By::Operator => "manual",
        }
    }
}

pub(super) fn read(table: &Table<'_, '_>) -> Option<Probation> {
    let usual = Probation::default();
    let who = |key, otherwise| table.optional(key).map_or(Some(otherwise), |field| field.one_of(&WHO));
    let number = |key, most, otherwise: u32| {
        let read = |field: Field<'_, '_>| u32::try_from(field.number(1..=most)?).ok();
        table.optional(key).map_or(Some(otherwise), read)
    };
    let time = positive_or(table, "time", usual.time);
    let permanent = who("permanent", usual.permanent);
    let goes_back = who("return", usual.goes_back);
    let traps = number("traps", COUNT_MAX, usual.traps);
    let rise = number("rise", 100, u32::from(usual.rise));
    let ends = number("ends", COUNT_MAX, usual.ends);
    Some(Probation {
        time: time?,
        permanent: permanent?,
        goes_back: goes_back?,
        traps: traps?,
        rise: u8::try_from(rise?).ok()?,
        ends: ends?,
    })
}

/// Writes what is not as it would be anyway.
pub(super) fn write(writer: &mut Writer, probation: &Probation) {
    let usual = Probation::default();
    if *probation == usual {
        return;
    }
    let Probation { time, permanent, goes_back, traps, rise, ends } = *probation;
    let word = |is: By, usual: By| Some(is.word()).filter(|_| is != usual);
    writer.table("probation");
    writer.text_if("time", Some(time).filter(|time| *time != usual.time));
    writer.text_if("permanent", word(permanent, usual.permanent));
    writer.text_if("return", word(goes_back, usual.goes_back));
    writer.raw_if("traps", Some(traps).filter(|traps| *traps != usual.traps));
    writer.raw_if("rise", Some(rise).filter(|rise| *rise != usual.rise));
    writer.raw_if("ends", Some(ends).filter(|ends| *ends != usual.ends));
}
