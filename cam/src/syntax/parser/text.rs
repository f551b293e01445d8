//! Literals: numbers, durations and texts.

use std::sync::Arc;

use super::{Failed, Parsed, Parser};
use crate::syntax::ast::{Expr, Text, TextPiece};
use crate::syntax::kind::Kind;
use crate::syntax::lexer::Token;

/// How many pieces a text may have: each nests the code that joins them.
const PIECES_MAX: usize = 64;

impl Parser<'_> {
    /// Takes a whole number. `negative`: a minus stands before it.
    pub(super) fn int(&mut self, negative: bool) -> Parsed<i64> {
        let token = self.expect(Kind::IntLit, "a whole number")?;
        self.number_ends(token)?;
        let digits = self.source.text[token.start..token.end].replace('_', "");
        let sign = if negative { "-" } else { "" };
        format!("{sign}{digits}").parse().map_err(|_| {
            let help = format!("numbers go from {} to {}", i64::MIN, i64::MAX);
            self.error("E0104", token.start..token.end, "this number is too large", "too large", Some(help))
        })
    }

    /// Takes a duration; in milliseconds.
    pub(super) fn duration(&mut self) -> Parsed<i64> {
        let token = self.expect(Kind::DurationLit, "a duration")?;
        self.number_ends(token)?;
        let text = self.source.text[token.start..token.end].replace('_', "");
        let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
        let unit: i64 = match &text[digits.len()..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => 86_400_000,
        };
        digits.parse::<i64>().ok().and_then(|count| count.checked_mul(unit)).ok_or_else(|| {
            let help = format!("durations go up to {} days", i64::MAX / 86_400_000);
            self.error("E0104", token.start..token.end, "this duration is too large", "too large", Some(help))
        })
    }

    /// Checks that no letters stand right behind a number: `15min` is not 15 minutes and a name.
    fn number_ends(&mut self, number: Token) -> Parsed<()> {
        match (self.kind(self.at), self.kind(self.at + 1)) {
            (Kind::Ident | Kind::TypeIdent, _) => self.bump(),
            // `1.5`: no number has members.
            (Kind::Dot, Kind::IntLit | Kind::DurationLit) => {
                self.bump();
                self.bump()
            }
            _ => return Ok(()),
        };
        let span = self.from(number.start);
        let message = format!("`{}` is neither a number nor a duration", &self.source.text[span.clone()]);
        let help = "numbers are whole and decimal; durations are written 250ms, 30s, 15m, 2h, 1d".to_owned();
        Err(self.error("E0102", span, message, "not a number", Some(help)))
    }

    /// Takes a text without expressions in it.
    pub(super) fn plain_text(&mut self, what: &str) -> Parsed<Text> {
        if !self.at(Kind::Quote) {
            return Err(self.unexpected(what));
        }
        let start = self.start();
        let pieces = self.text()?;
        let span = self.from(start);
        match pieces.as_slice() {
            [] => Ok(Text { text: "".into(), span }),
            [TextPiece::Lit(text)] => Ok(Text { text: text.clone(), span }),
            _ => {
                let help = "write `\\{` for a brace".to_owned();
                Err(self.error(
                    "E0113",
                    span,
                    "this text is fixed: it holds no expressions",
                    "has a `{`",
                    Some(help),
                ))
            }
        }
    }

    /// Takes a text with its quotes.
    pub(super) fn text(&mut self) -> Parsed<Vec<TextPiece>> {
        let start = self.start();
        self.bump();
        let mut pieces = Vec::new();
        let mut failed = false;
        loop {
            // Blanks belong to the text here: the tokens are looked at as they stand.
            match self.tokens.get(self.at).map(|token| token.kind) {
                Some(Kind::TextPart) => {
                    let token = self.bump();
                    match self.unescape(token.start, token.end) {
                        Ok(text) => pieces.push(TextPiece::Lit(text)),
                        Err(Failed) => failed = true,
                    }
                }
                Some(Kind::LBrace) => {
                    let open = self.bump();
                    let hole = self.hole(open);
                    match hole {
                        Ok(value) => pieces.push(TextPiece::Expr(value)),
                        Err(Failed) => failed = true,
                    }
                    // The text ended with its line, within the hole.
                    if self.end_of_line() {
                        return Err(if failed { Failed } else { self.open_text(start) });
                    }
                }
                Some(Kind::Quote) => {
                    self.bump();
                    break;
                }
                _ => return Err(self.open_text(start)),
            }
        }
        if pieces.len() > PIECES_MAX {
            let span = self.from(start);
            let message = format!("a text has at most {PIECES_MAX} pieces");
            return Err(self.error(
                "E0106",
                span,
                message,
                "too many",
                Some("join parts with `++`".to_owned()),
            ));
        }
        if failed { Err(Failed) } else { Ok(pieces) }
    }

    /// Takes the expression in a text, and the brace that closes it.
    fn hole(&mut self, open: Token) -> Parsed<Expr> {
        if self.at(Kind::RBrace) {
            let span = open.start..self.bump().end;
            let help = "write an expression between the braces, or `\\{` for a brace".to_owned();
            return Err(self.error("E0101", span, "expected an expression, found `}`", "empty", Some(help)));
        }
        let began = self.end;
        let value = self.node(Kind::ExprNode, |parser| parser.with(true, false, Parser::expr));
        if self.end_of_line() {
            return value;
        }
        let closed = value.is_ok() && self.at(Kind::RBrace);
        if !closed {
            if value.is_ok() {
                // Not at the brace: this only reports.
                let _ = self.close(open, Kind::RBrace, false);
            }
            self.recover(began, &[]);
        }
        self.eat(Kind::RBrace);
        if closed { value } else { Err(Failed) }
    }

    /// Returns true when nothing more stands on this line.
    fn end_of_line(&self) -> bool {
        self.at(Kind::End) || self.new_line()
    }

    fn open_text(&mut self, start: usize) -> Failed {
        let span = self.from(start);
        let help = "end it with `\"`; a line break in a text is written `\\n`, a brace `\\{`".to_owned();
        self.error("E0103", span, "this text does not end", "begins here", Some(help))
    }

    fn unescape(&mut self, start: usize, end: usize) -> Parsed<Arc<str>> {
        let mut text = String::new();
        let mut letters = self.source.text[start..end].char_indices();
        let mut faults = Vec::new();
        while let Some((at, letter)) = letters.next() {
            if letter != '\\' {
                text.push(letter);
                continue;
            }
            match letters.next().map(|(_, letter)| letter) {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some(same @ ('"' | '\\' | '{' | '}')) => text.push(same),
                Some('u') => {
                    let rest = letters.as_str();
                    let digits = rest
                        .strip_prefix('{')
                        .and_then(|rest| rest.split_once('}'))
                        .map(|(digits, _)| digits);
                    let value = digits
                        .filter(|digits| (1..=6).contains(&digits.len()))
                        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
                        .and_then(|digits| u32::from_str_radix(digits, 16).ok())
                        .and_then(char::from_u32);
                    match (value, digits) {
                        (Some(value), Some(digits)) => {
                            text.push(value);
                            letters.by_ref().take(digits.len() + 2).for_each(drop);
                        }
                        _ => faults.push(at),
                    }
                }
                _ => faults.push(at),
            }
        }
        for at in &faults {
            let help = "the escapes are \\n \\t \\r \\\" \\\\ \\{ \\} and \\u{1F600}".to_owned();
            let length = 1 + self.source.text[start + at + 1..].chars().next().map_or(0, char::len_utf8);
            let span = start + at..(start + at + length).min(end.max(start + at + 1));
            self.error("E0105", span, "this escape means nothing", "unknown escape", Some(help));
        }
        if faults.is_empty() { Ok(text.into()) } else { Err(Failed) }
    }
}
