//! Where to look ahead: the next word, the line break before it, the bracket that closes another.
//!
//! Made in one pass before parsing, so that a look ahead costs the same however much stands
//! between: a text of blank lines or of open brackets is parsed in time that grows with its length.

use crate::syntax::kind::Kind;
use crate::syntax::lexer::Token;

/// Stands for "there is none".
const NONE: u32 = u32::MAX;

pub(super) struct Table {
    /// For each token, and for the end: the first token from there that is no trivia.
    words: Vec<u32>,
    /// For each token, and for the end: the first line break from there.
    breaks: Vec<u32>,
    /// For each opening bracket: the one that closes it.
    closers: Vec<u32>,
}

impl Table {
    pub(super) fn new(tokens: &[Token]) -> Table {
        let end = tokens.len();
        let number = |index: usize| u32::try_from(index).expect("a source has less than 2^32 tokens");
        let mut words = vec![number(end); end + 1];
        let mut breaks = vec![NONE; end + 1];
        for (index, token) in tokens.iter().enumerate().rev() {
            words[index] = if token.kind.is_trivia() { words[index + 1] } else { number(index) };
            breaks[index] = if token.kind == Kind::Newline { number(index) } else { breaks[index + 1] };
        }
        let mut closers = vec![NONE; end];
        let mut open: Vec<usize> = Vec::new();
        for (index, token) in tokens.iter().enumerate() {
            match token.kind {
                Kind::LParen | Kind::LBracket | Kind::LBrace => open.push(index),
                Kind::RParen | Kind::RBracket | Kind::RBrace => {
                    // A bracket that closes another kind closes nothing.
                    let opener = open.pop_if(|opener| closes(tokens[*opener].kind, token.kind));
                    if let Some(opener) = opener {
                        closers[opener] = number(index);
                    }
                }
                _ => {}
            }
        }
        Table { words, breaks, closers }
    }

    /// Returns the index of the first token from `index` that is no trivia; past the end, the end.
    pub(super) fn word(&self, index: usize) -> usize {
        let index = index.min(self.words.len() - 1);
        self.words[index] as usize
    }

    /// Returns true when a line break stands between `index` and the next word.
    pub(super) fn line_breaks_before_word(&self, index: usize) -> bool {
        let index = index.min(self.words.len() - 1);
        self.breaks[index] < self.words[index]
    }

    /// Returns the index of the bracket that closes the one at `index`.
    pub(super) fn closer(&self, index: usize) -> Option<usize> {
        self.closers.get(index).filter(|closer| **closer != NONE).map(|closer| *closer as usize)
    }
}

fn closes(opener: Kind, closer: Kind) -> bool {
    matches!(
        (opener, closer),
        (Kind::LParen, Kind::RParen) | (Kind::LBracket, Kind::RBracket) | (Kind::LBrace, Kind::RBrace)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syntax::lexer::lex;

    #[test]
    fn words_breaks_and_closers_are_found_from_everywhere() {
        let tokens = lex("a // c\n(b)");
        let table = Table::new(&tokens);
        // a, space, comment, break, `(`, b, `)`
        assert_eq!((0..9).map(|index| table.word(index)).collect::<Vec<_>>(), [0, 4, 4, 4, 4, 5, 6, 7, 7]);
        let breaks: Vec<bool> = (0..8).map(|index| table.line_breaks_before_word(index)).collect();
        assert_eq!(breaks, [false, true, true, true, false, false, false, false]);
        assert_eq!(table.closer(4), Some(6));
        assert_eq!(table.closer(0), None);
    }

    #[test]
    fn a_wrong_closer_closes_nothing() {
        let table = Table::new(&lex("(a])"));
        assert_eq!(table.closer(0), Some(3));
        assert_eq!(Table::new(&lex("(a]")).closer(0), None);
    }
}
