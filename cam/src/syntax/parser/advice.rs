//! How to mend what does not parse: slips of the pen, and words that other languages have.

use super::Parser;
use crate::diagnostic::did_you_mean;
use crate::syntax::kind::Kind;

/// Words that begin a statement or an expression.
const BEGINNINGS: [&str; 11] =
    ["let", "send", "timer", "cancel", "call", "log", "stop", "for", "if", "match", "fail"];

/// Words that stand within a statement, an expression or the head of a file.
const FOLLOWERS: [&str; 5] = ["else", "after", "in", "keyed", "from"];

/// Words of other languages, and what this one has.
const FOREIGN: [(&str, &str); 24] = [
    ("and", "`and` is written `&&`"),
    ("break", "a `for` goes over everything; use `fold` or `filter` for less"),
    ("case", "an arm is written `pattern => value`"),
    ("def", "a function is written `fn name(a: A) -> B = value`"),
    ("elif", "write `else if`"),
    ("elseif", "write `else if`"),
    ("elsif", "write `else if`"),
    ("enum", "a variant is written `type Name = A | B(Int)`"),
    ("func", "a function is written `fn name(a: A) -> B = value`"),
    ("function", "a function is written `fn name(a: A) -> B = value`"),
    ("import", "`use NAME` brings in what `types/NAME.cam` declares"),
    ("mut", "names do not change: write `let` again"),
    ("not", "`not` is written `!`"),
    ("or", "`or` is written `||`"),
    ("raise", "`fail \"why\"` ends the step"),
    ("return", "the last expression of a block is its value: leave out `return`"),
    ("struct", "a record is written `type Name = { field: Type }`"),
    ("switch", "write `match value { pattern => value }`"),
    ("then", "write `if condition { value } else { value }`"),
    ("throw", "`fail \"why\"` ends the step"),
    ("var", "names are bound with `let`"),
    ("when", "write `match value { pattern => value }`, a guard with `if`"),
    ("while", "there is no loop without an end: use `for`, `fold` or `map`"),
    ("end", "a block ends with `}`"),
];

/// Says what to write where `what` is missing.
fn write(what: &str) -> String {
    match what {
        "an expression" => "write a value: a number, a text, a name, `(`, `[` or `{`".to_owned(),
        "a type" => "write a type: a name with a capital, `(` or `{`".to_owned(),
        "a pattern" => "write a pattern: a case, a name, `_`, a number, a text, `(` or `{`".to_owned(),
        _ => format!("write {what}"),
    }
}

/// Says what to do about letters that the language does not have.
pub(super) fn unknown(letters: &str) -> &'static str {
    match letters {
        "'" | "`" | "\u{201c}" | "\u{201d}" | "\u{2018}" | "\u{2019}" => {
            "a Text stands in double quotes: \"text\""
        }
        "&" => "`and` is written `&&`",
        "#" => "a comment begins with `//`",
        "@" | "$" | "^" | "~" => "the language has no such sign: take it out",
        "\\" => "a backslash stands in texts only; lines go on after an operator",
        "\u{feff}" => "remove the byte order mark at the beginning of the file",
        _ => "take it out; names have the letters a to z, digits and `_`",
    }
}

/// Returns advice when a word is nearly one of `words`.
pub(super) fn near(text: &str, words: &[&'static str]) -> Option<String> {
    did_you_mean(text, words.iter().copied()).map(|word| format!("did you mean `{word}`?"))
}

/// Returns what this language has for a word of another one.
fn foreign(text: &str) -> Option<String> {
    let found = FOREIGN.iter().find(|(word, _)| *word == text);
    found.map(|(_, mend)| (*mend).to_owned())
}

impl Parser<'_> {
    fn next_ident(&self) -> &str {
        if self.at(Kind::Ident) { self.nth_text(0) } else { "" }
    }

    /// Returns what this language has for the next word, if it is one of another language.
    pub(super) fn foreign(&self) -> Option<String> {
        foreign(self.next_ident())
    }

    /// Says what to write where `what` is missing and something else stands.
    pub(super) fn mend(&self, what: &str) -> String {
        self.foreign().unwrap_or_else(|| write(what))
    }

    /// Looks for a slip where two words stand side by side that cannot: the one before may be meant
    /// to begin something, the one that is next to go on with it.
    pub(super) fn slip(&self) -> Option<String> {
        if self.at(Kind::Question) {
            return Some("write `match` or `let ... else` to take an Option apart".to_owned());
        }
        let next = self.next_ident();
        let before = self.tokens[..self.at].iter().rposition(|token| !token.kind.is_trivia());
        let before = before.filter(|index| self.kind(*index) == Kind::Ident && !self.broken());
        let before = before.map_or("", |index| self.text_at(index));
        if BEGINNINGS.contains(&before) {
            return Some(format!("`{before}` begins a statement: it stands in a block, at its beginning"));
        }
        foreign(before).or_else(|| foreign(next)).or_else(|| {
            // Short words are near to everything.
            let slip = |text: &str, words| near(text, words).filter(|_| text.len() > 2);
            slip(before, &BEGINNINGS).or_else(|| slip(next, &FOLLOWERS))
        })
    }
}
