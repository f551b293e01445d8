//! What a session is given: splitting a text into pieces, and telling what each one is.
//!
//! This works on tokens alone, so that a terminal can ask at every line whether a piece is whole.
//! A piece ends with its line, unless a bracket is open, the line ends in an operator, or the
//! next line begins with `.`, `|`, `else` or an operator (but for `-` and `>`, which begin pieces
//! of their own). As everywhere, a line that begins like a declaration ends what was open.

use std::sync::Arc;

use super::ast::{Expr, MachineFile, Name};
use super::kind::Kind;
use super::lexer::{Token, lex};
use super::parser;
use crate::diagnostic::{Diagnostic, Source, Span};

/// An entry that is no declaration.
#[derive(Debug, Clone, PartialEq)]
pub enum Entry {
    /// An expression.
    Expr(Expr),
    /// `let name = expr`
    Let(Name, Expr),
    /// `run INPUT`, also `> INPUT`
    Run(Expr),
    /// `advance DURATION`
    Advance(Expr),
    /// `expect CONDITION`
    Expect(Expr),
}

/// The word that an entry begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryWord {
    /// It is an expression.
    None,
    /// `let`
    Let,
    /// `run` or `>`
    Run,
    /// `advance`
    Advance,
    /// `expect`
    Expect,
}

/// What a piece is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PieceKind {
    /// `:word ...`
    Command,
    /// One declaration, or several that stand together: they may refer to each other.
    Declarations,
    /// An expression, or a word and one.
    Entry(EntryWord),
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub kind: PieceKind,
    /// Where it stands, blanks and comments around it left out.
    pub span: Span,
}

/// A text in pieces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pieces {
    /// The pieces, in order.
    pub pieces: Vec<Piece>,
    /// True when the last one goes on in a line that is not there yet.
    pub open: bool,
}

/// What tells one declaration of a file from another: its word, and the name or text after it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemKey {
    /// `type`, `fn`, `on`, ...
    pub word: Arc<str>,
    /// The name; empty for `init` and `config`.
    pub name: Arc<str>,
}

impl std::fmt::Display for ItemKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.name {
            "" => f.write_str(&self.word),
            name => write!(f, "{} {name}", self.word),
        }
    }
}

/// Commands that take an expression; what follows the others is taken as it stands.
const COMMANDS_WITH_EXPRESSIONS: [&str; 3] = ["type", "code", "config"];

/// Splits a text into pieces.
pub fn split(text: &str) -> Pieces {
    let splitter = Splitter { text, tokens: lex(text) };
    splitter.pieces()
}

/// Returns the keys of the declarations of a machine file, with their places, in source order.
pub fn items(source: &Source) -> Vec<(ItemKey, Span)> {
    let tree = super::parse(source).tree();
    let nodes = tree.children().filter(|node| node.kind() == Kind::Item);
    nodes
        .filter_map(|node| {
            let range = node.text_range();
            let span = usize::from(range.start())..usize::from(range.end());
            Some((item_key(&source.text[span.clone()])?, span))
        })
        .collect()
}

/// Returns the key of the declaration that a text begins with.
pub fn item_key(text: &str) -> Option<ItemKey> {
    let tokens = lex(text);
    let mut words = tokens.iter().filter(|token| !token.kind.is_trivia());
    let word = words.next().filter(|token| token.kind == Kind::Ident)?;
    let name = match &text[word.start..word.end] {
        "init" | "config" => "",
        _ => {
            let name = words.next()?;
            match name.kind {
                Kind::Ident | Kind::TypeIdent => &text[name.start..name.end],
                Kind::Quote => {
                    let close = words.find(|token| token.kind == Kind::Quote)?;
                    &text[name.start..close.end]
                }
                _ => return None,
            }
        }
    };
    Some(ItemKey { word: text[word.start..word.end].into(), name: name.into() })
}

/// Parses an entry that stands in one part of a text, behind the machine file in another.
///
/// # Errors
///
/// All syntax errors.
pub fn parse_entry(
    source: &Source,
    file: Span,
    entry: Span,
    word: EntryWord,
) -> Result<(MachineFile, Entry), Vec<Diagnostic>> {
    parser::parse_entry(source, file, entry, word)
}

/// Parses a part of a text as a machine file.
///
/// # Errors
///
/// All syntax errors.
pub fn parse_part(source: &Source, part: Span) -> Result<MachineFile, Vec<Diagnostic>> {
    parser::parse_part(source, part)
}

struct Splitter<'t> {
    text: &'t str,
    tokens: Vec<Token>,
}

impl Splitter<'_> {
    fn pieces(&self) -> Pieces {
        let mut found = Pieces::default();
        let mut at = 0;
        while let Some(first) = self.word_from(at) {
            if self.tokens[first].kind == Kind::Semicolon {
                at = first + 1;
                continue;
            }
            let kind = self.kind_of(first);
            let (end, open) = if self.is_raw_command(first) {
                (self.end_of_line(first), false)
            } else {
                self.end_of_piece(first)
            };
            found.open = open;
            let last = (first..end).rev().find(|index| !self.tokens[*index].kind.is_trivia());
            let span = self.tokens[first].start..self.tokens[last.unwrap_or(first)].end;
            // A comment at the end of a raw command belongs to it: a path may hold `//`.
            let span = if self.is_raw_command(first) { span.start..self.tokens[end - 1].end } else { span };
            match found.pieces.last_mut() {
                Some(before) if before.kind == PieceKind::Declarations && kind == PieceKind::Declarations => {
                    before.span.end = span.end;
                }
                _ => found.pieces.push(Piece { kind, span }),
            }
            at = end;
        }
        found
    }

    fn kind(&self, index: usize) -> Kind {
        self.tokens.get(index).map_or(Kind::End, |token| token.kind)
    }

    fn text_of(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| &self.text[token.start..token.end])
    }

    /// Returns the index of the first token from here that is no trivia.
    fn word_from(&self, at: usize) -> Option<usize> {
        (at..self.tokens.len()).find(|index| !self.tokens[*index].kind.is_trivia())
    }

    /// Returns the index of the next token on the same line that is no trivia; the end if none is.
    fn next_on_line(&self, after: usize) -> usize {
        let mut rest = after + 1..self.tokens.len();
        let next = rest.find(|index| !matches!(self.kind(*index), Kind::Space | Kind::Comment));
        next.filter(|index| self.kind(*index) != Kind::Newline).unwrap_or(self.tokens.len())
    }

    fn kind_of(&self, first: usize) -> PieceKind {
        if self.kind(first) == Kind::Colon {
            return PieceKind::Command;
        }
        if self.begins_declaration(first) {
            return PieceKind::Declarations;
        }
        PieceKind::Entry(self.word_of(first))
    }

    fn word_of(&self, first: usize) -> EntryWord {
        let next = self.next_on_line(first);
        let apart = next > first + 1;
        // A name like any other where an operator, a field or an argument follows.
        let begins = match self.kind(next) {
            Kind::Ident
            | Kind::TypeIdent
            | Kind::Quote
            | Kind::IntLit
            | Kind::DurationLit
            | Kind::LBrace
            | Kind::Bang
            | Kind::End => true,
            Kind::LParen | Kind::LBracket | Kind::Minus => apart,
            _ => false,
        };
        match (self.kind(first), self.text_of(first)) {
            (Kind::Gt, _) => EntryWord::Run,
            (Kind::Ident, "let") => EntryWord::Let,
            (Kind::Ident, "run") if begins => EntryWord::Run,
            (Kind::Ident, "advance") if begins => EntryWord::Advance,
            (Kind::Ident, "expect") if begins => EntryWord::Expect,
            _ => EntryWord::None,
        }
    }

    /// Returns true when a token begins a declaration, a good one or not: no expression has one of
    /// these words and another word side by side.
    fn begins_declaration(&self, first: usize) -> bool {
        let next = self.kind(self.next_on_line(first));
        match (self.kind(first), self.text_of(first)) {
            (Kind::Ident, "fn") => true,
            (Kind::Ident, "init") => next == Kind::Eq,
            (Kind::Ident, "config") => next == Kind::LBrace,
            (Kind::Ident, "test" | "property" | "invariant") => next == Kind::Quote,
            (Kind::Ident, "type" | "on" | "const" | "channel" | "port" | "use") => {
                matches!(next, Kind::Ident | Kind::TypeIdent)
            }
            _ => false,
        }
    }

    fn is_raw_command(&self, first: usize) -> bool {
        self.kind(first) == Kind::Colon
            && !COMMANDS_WITH_EXPRESSIONS.contains(&self.text_of(self.next_on_line(first)))
    }

    fn end_of_line(&self, from: usize) -> usize {
        let rest = from..self.tokens.len();
        rest.clone().find(|index| self.kind(*index) == Kind::Newline).unwrap_or(rest.end)
    }

    /// Returns the index after the piece that begins at `first`, and whether it is open there.
    fn end_of_piece(&self, first: usize) -> (usize, bool) {
        let mut depth = 0usize;
        let mut last = Kind::End;
        // The quotes and braces of texts that are open: they end with their line at the latest.
        let mut text: Vec<Kind> = Vec::new();
        for index in first..self.tokens.len() {
            let kind = self.kind(index);
            match (kind, text.last()) {
                (Kind::Newline, _) => text.clear(),
                (Kind::Quote, Some(Kind::Quote)) | (Kind::RBrace, Some(Kind::LBrace)) => drop(text.pop()),
                (Kind::Quote, _) | (Kind::LBrace, Some(_)) => text.push(kind),
                _ => {}
            }
            if !text.is_empty() {
                last = kind;
                continue;
            }
            match kind {
                Kind::LParen | Kind::LBracket | Kind::LBrace => depth += 1,
                Kind::RParen | Kind::RBracket | Kind::RBrace => depth = depth.saturating_sub(1),
                Kind::Semicolon if depth == 0 => return (index, false),
                Kind::Newline if self.ends_at(index, depth, last) => return (index, false),
                _ => {}
            }
            if !self.kind(index).is_trivia() {
                last = self.kind(index);
            }
        }
        (self.tokens.len(), depth > 0 || goes_on(last))
    }

    /// Returns true when a piece ends at a line break. `last`: the last word before it.
    fn ends_at(&self, newline: usize, depth: usize, last: Kind) -> bool {
        let Some(next) = self.word_from(newline) else { return depth == 0 && !goes_on(last) };
        if self.kind(next - 1) == Kind::Newline
            && (self.begins_declaration(next) || self.kind(next) == Kind::Colon)
        {
            return true;
        }
        depth == 0 && !goes_on(last) && !self.begins_within(next)
    }

    fn begins_within(&self, index: usize) -> bool {
        let kind = self.kind(index);
        matches!(kind, Kind::Dot | Kind::Bar | Kind::Arrow | Kind::FatArrow)
            || (is_infix(kind) && !matches!(kind, Kind::Minus | Kind::Gt))
            || (kind == Kind::Ident && self.text_of(index) == "else")
    }
}

/// Returns true when a line that ends so goes on in the next.
fn goes_on(last: Kind) -> bool {
    is_infix(last)
        || matches!(
            last,
            Kind::Eq
                | Kind::FatArrow
                | Kind::Arrow
                | Kind::Bar
                | Kind::Bang
                | Kind::Comma
                | Kind::Dot
                | Kind::Colon
        )
}

fn is_infix(kind: Kind) -> bool {
    use Kind::{AndAnd, EqEq, Gt, GtEq, Lt, LtEq, Minus, NotEq, OrOr, Percent, Plus, PlusPlus, Slash, Star};
    matches!(
        kind,
        OrOr | AndAnd
            | EqEq
            | NotEq
            | Lt
            | LtEq
            | Gt
            | GtEq
            | PlusPlus
            | Plus
            | Minus
            | Star
            | Slash
            | Percent
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use PieceKind::{Command, Declarations, Entry as Word};

    fn check(text: &str, expected: &[(PieceKind, &str)], open: bool) {
        let found = split(text);
        let shown: Vec<_> =
            found.pieces.iter().map(|piece| (piece.kind, &text[piece.span.clone()])).collect();
        assert_eq!((shown.as_slice(), found.open), (expected, open), "{text:?}");
    }

    #[test]
    fn a_line_is_a_piece_unless_it_goes_on() {
        let none = Word(EntryWord::None);
        check("1 + 1\n2 // two\n\n3", &[(none, "1 + 1"), (none, "2"), (none, "3")], false);
        check("1; 2;", &[(none, "1"), (none, "2")], false);
        check("(1,\n 2)", &[(none, "(1,\n 2)")], false);
        check("1 +\n  2", &[(none, "1 +\n  2")], false);
        check(
            "xs\n  .map(x -> x)\n  .len()\n-1",
            &[(none, "xs\n  .map(x -> x)\n  .len()"), (none, "-1")],
            false,
        );
        check("if a {\n 1\n}\nelse { 2 }", &[(none, "if a {\n 1\n}\nelse { 2 }")], false);
        check(" \n// nothing\n", &[], false);
    }

    #[test]
    fn what_is_open_waits_for_more() {
        for text in
            ["(1,", "1 +", "fn f() -> Int =", "on A {\n  log \"a {x}\"", "run Add {", "[1, 2", "let x ="]
        {
            assert!(split(text).open, "{text:?}");
        }
        for text in ["1", "\"a {\"", "f(1)", ":load (", "1 + // more\n2", "run"] {
            assert!(!split(text).open, "{text:?}");
        }
    }

    #[test]
    fn a_line_that_begins_a_declaration_or_command_ends_what_was_open() {
        let none = Word(EntryWord::None);
        check("f(1,\nfn g() -> Int = 1", &[(none, "f(1,"), (Declarations, "fn g() -> Int = 1")], false);
        check("[1,\n:quit", &[(none, "[1,"), (Command, ":quit")], false);
    }

    #[test]
    fn declarations_that_stand_together_are_one_piece() {
        let text = "type A = B\n       | C\nfn f() -> Int = 1\nf()\ninit = 0";
        check(
            text,
            &[
                (Declarations, "type A = B\n       | C\nfn f() -> Int = 1"),
                (Word(EntryWord::None), "f()"),
                (Declarations, "init = 0"),
            ],
            false,
        );
    }

    #[test]
    fn words_are_words_only_where_they_begin_an_entry() {
        let word = |text: &str| split(text).pieces[0].kind;
        for (text, expected) in [
            ("run Add { count: 1 }", EntryWord::Run),
            ("run input", EntryWord::Run),
            ("run (if a { A } else { B })", EntryWord::Run),
            ("> Read", EntryWord::Run),
            ("run", EntryWord::Run),
            ("run(1)", EntryWord::None),
            ("run + 1", EntryWord::None),
            ("run.count", EntryWord::None),
            ("advance 15m", EntryWord::Advance),
            ("advance == 1", EntryWord::None),
            ("expect !state.open", EntryWord::Expect),
            ("expect state.count == 1", EntryWord::Expect),
            ("let x = 1", EntryWord::Let),
            ("config.hold", EntryWord::None),
            ("init == 1", EntryWord::None),
            ("type", EntryWord::None),
        ] {
            assert_eq!(word(text), Word(expected), "{text:?}");
        }
        for text in ["type a = Int", "on Add => 1", "config { a: Int }", "invariant \"x\" = true", "fn"] {
            assert_eq!(word(text), Declarations, "{text:?}");
        }
    }

    #[test]
    fn a_command_that_takes_a_path_takes_its_line_as_it_stands() {
        check(":load a//b; (c\n1", &[(Command, ":load a//b; (c"), (Word(EntryWord::None), "1")], false);
        check(":type (1,\n2)", &[(Command, ":type (1,\n2)")], false);
    }

    #[test]
    fn declarations_are_told_apart_by_word_and_name() {
        let text = "machine m\ntype A = Int\nconfig { a: Int = 1 }\ninvariant \"a b\" = true\nfn f() -> Int {\n 1\n}\non Add { x } => 1\ninit = 0";
        let source = Source::new("m.cam", text);
        let found: Vec<String> = items(&source)
            .into_iter()
            .map(|(key, span)| {
                assert!(text[span.clone()].starts_with(&*key.word));
                key.to_string()
            })
            .collect();
        assert_eq!(found, ["type A", "config", "invariant \"a b\"", "fn f", "on Add", "init"]);
    }
}
