//! The way in from Erlang: an `.appup` of OTP, as a skeleton of our documents.
//!
//! ```text
//! bytes -> decode -> term::read -> appup::read -> translate -> skeleton -> files and a report
//! ```
//!
//! Nothing is guessed and nothing is dropped in silence: every instruction is told with what became of
//! it, and what only a person can say is left as a hole that `camshaft check` names. What there is for
//! each instruction stands in one list, [`INSTRUCTIONS`].

mod appup;
mod instructions;
mod skeleton;
pub mod term;
mod translate;
mod versions;

#[cfg(test)]
mod tests;

use camshaft_cam::diagnostic::{Diagnostic, Source};

pub use appup::{Appup, Base, Change, Entry, Instruction, Load, StartType, Update, What, read};
pub use instructions::{INSTRUCTIONS, Known};
pub use skeleton::{Skeleton, skeleton};
pub use translate::{Covered, Facts, Imported, Need, Note, Outcome, Templates, Translated, Way, translate};
pub use versions::{Pattern, Range, semantic};

/// What can be wrong with an `.appup`, and what it means.
pub const CODES: &[(&str, &str)] = &[
    ("R0201", "what is no word of Erlang"),
    ("R0202", "words that make no term of Erlang"),
    ("R0203", "an expression of Erlang that is no plain term"),
    ("R0204", "a term that is no .appup"),
    ("R0205", "a version of an .appup that is neither a string nor a regular expression"),
    ("R0206", "an instruction that OTP does not have"),
    ("R0207", "an instruction of OTP in a form that it does not have"),
    ("R0208", "an instruction that OTP never implemented"),
];

/// Returns the text of a file as Erlang reads it: UTF-8, or what the comment `%% coding: latin-1` says.
///
/// # Errors
///
/// Where it is not UTF-8 and does not say so.
pub fn decode(name: &str, bytes: Vec<u8>) -> Result<Source, Box<Diagnostic>> {
    let head: Vec<u8> = bytes.split(|byte| *byte == b'\n').take(2).flatten().copied().collect();
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let said = head.split_once("coding").map_or("", |(_, rest)| rest.trim_start_matches([':', '=', ' ']));
    if said.starts_with("latin-1") {
        return Ok(Source::new(name, bytes.into_iter().map(char::from).collect::<String>()));
    }
    String::from_utf8(bytes).map(|text| Source::new(name, text)).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let source = Source::new(name, String::from_utf8_lossy(error.as_bytes()).into_owned());
        let fault = Diagnostic::new("R0201", &source, at..at + 3, "this is not UTF-8", "here");
        Box::new(fault.help("save it as UTF-8, or say `%% coding: latin-1` in its first line"))
    })
}
