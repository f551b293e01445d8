//! Going on after an error, so that one run reports all of them.
//!
//! Three places are safe to go on from: the separator of the list that the error stands in, the
//! next line, and a line that begins like an item. The last is trusted above all brackets: when
//! one is missing, the items below it are still read as items.

use super::Parser;
use crate::syntax::kind::Kind;

/// How far [`Parser::skip_to`] looks. Farther, and a long line of faults would be looked at again
/// from each of them.
const SKIP_MAX: usize = 64;

impl Parser<'_> {
    pub(super) fn at_closer(&self) -> bool {
        matches!(self.peek(), Kind::RParen | Kind::RBracket | Kind::RBrace)
    }

    /// Returns true when a line begins here as only an item does. No expression and no member
    /// has these words side by side, so no good text is cut short.
    pub(super) fn at_item(&self) -> bool {
        let index = self.index(0);
        let first = match index.checked_sub(1).map(|before| self.kind(before)) {
            Some(Kind::Space) => index < 2 || self.kind(index - 2) == Kind::Newline,
            before => before.is_none_or(|before| before == Kind::Newline),
        };
        if !first || self.kind(index) != Kind::Ident || self.table.line_breaks_before_word(index + 1) {
            return false;
        }
        let next = self.nth(1);
        match self.text_at(index) {
            "type" | "on" | "rename" | "drop" | "add" | "lift" | "unlift" | "lower" | "raise" => {
                next == Kind::TypeIdent
            }
            "const" | "channel" | "port" | "use" | "fn" => next == Kind::Ident,
            "invariant" | "test" | "property" => next == Kind::Quote,
            "init" => next == Kind::Eq,
            _ => false,
        }
    }

    /// Skips to what may be gone on from: a line break that matters, `;`, a closing bracket, an
    /// item, or one of `stops`. `began`: where the last token before the faulty part ends; a part
    /// of which nothing was taken gives up the line that it stands on.
    pub(super) fn recover(&mut self, began: usize, stops: &[Kind]) {
        let mut open = 0usize;
        let mut first = self.end == began;
        self.skip(|parser| {
            let kind = parser.peek();
            let here = open == 0
                && (parser.at_closer()
                    || kind == Kind::Semicolon
                    || stops.contains(&kind)
                    || !first && parser.broken());
            if here || parser.at_item() {
                return false;
            }
            match kind {
                Kind::LBrace | Kind::LParen | Kind::LBracket => open += 1,
                Kind::RBrace | Kind::RParen | Kind::RBracket => open -= 1,
                _ => {}
            }
            first = false;
            true
        });
    }

    /// Skips to one of `stops` on the same line, if one is there; else stays. What follows can then
    /// still be read, and its errors told.
    pub(super) fn skip_to(&mut self, stops: &[Kind]) -> bool {
        let mut index = self.index(0);
        for _ in 0..SKIP_MAX {
            let kind = self.kind(index);
            if stops.contains(&kind) {
                self.skip(|parser| parser.index(0) < index);
                return true;
            }
            let ends = matches!(kind, Kind::End | Kind::Comma | Kind::Semicolon);
            if ends || self.table.line_breaks_before_word(index + 1) {
                break;
            }
            index = self.table.word(index + 1);
        }
        false
    }

    /// Takes tokens into an error node for as long as `more` says so.
    pub(super) fn skip(&mut self, mut more: impl FnMut(&Self) -> bool) {
        // Asked before the blanks are taken: a line break among them may be what stops.
        if self.at(Kind::End) || !more(self) {
            return;
        }
        let checkpoint = self.checkpoint();
        loop {
            self.bump();
            if self.at(Kind::End) || !more(self) {
                break;
            }
        }
        self.finish_at(checkpoint, Kind::ErrorNode);
    }
}
