//! The parser: recursive descent, with operator precedence for expressions.
//!
//! A line break ends a statement or member, except within `(` and `[`, after an operator, and
//! before `.`, `|`, `else` or an operator. [`Parser::peek`] skips breaks; whoever minds them asks
//! [`Parser::broken`].

mod advice;
mod entry;
mod expr;
mod item;
mod migration;
mod pattern;
mod recovery;
mod stmt;
mod table;
mod test;
mod text;
mod types;

use std::sync::Arc;

use rowan::{Checkpoint, GreenNodeBuilder, Language as _};

use super::ast::{self, Name};
use super::kind::{Cam, Kind};
use super::lexer::{Token, lex};
use super::{NESTING_MAX, Parse, SOURCE_MAX};
use crate::diagnostic::{Diagnostic, Source, Span};
use table::Table;

pub(super) use entry::{parse_entry, parse_part};

/// How many errors are reported; after that a text is beyond reading.
const ERRORS_MAX: usize = 64;

pub(super) fn parse(source: &Source) -> Parse {
    let too_large = source.text.len() > SOURCE_MAX;
    let mut parser = Parser::over(source, if too_large { 0..0 } else { 0..source.text.len() });
    parser.builder.start_node(Cam::kind_to_raw(Kind::Root));
    let file = if too_large {
        parser.builder.token(Cam::kind_to_raw(Kind::Unknown), &source.text);
        let message = format!("this file is larger than {SOURCE_MAX} bytes");
        let help = "data belongs into the state or the configuration".to_owned();
        parser.error("E0107", 0..0, message, "too large", Some(help));
        None
    } else {
        parser.unknown_letters();
        parser.file()
    };
    parser.rest();
    parser.builder.finish_node();
    // In the order of the text: what is found while looking back stands where it belongs.
    parser.errors.sort_by_key(|error| (error.span.start, error.span.end));
    Parse { green: parser.builder.finish(), errors: parser.errors, file }
}

/// Parses one expression and nothing else.
pub(super) fn parse_expression(source: &Source) -> Result<ast::Expr, Vec<Diagnostic>> {
    let mut parser = Parser::over(source, 0..source.text.len());
    parser.builder.start_node(Cam::kind_to_raw(Kind::Root));
    parser.unknown_letters();
    let expr = parser.expr();
    if expr.is_ok() && !parser.at(Kind::End) {
        parser.unexpected("the end of the expression");
    }
    match expr {
        Ok(expr) if parser.errors.is_empty() => Ok(expr),
        _ => Err(parser.errors),
    }
}

/// A part that could not be parsed; the error stands in the list.
#[derive(Debug, Clone, Copy)]
struct Failed;

type Parsed<T> = Result<T, Failed>;

struct Parser<'s> {
    source: &'s Source,
    tokens: Vec<Token>,
    /// Where to look ahead from each token.
    table: Table,
    /// The next token, trivia included.
    at: usize,
    /// Where the last token that was taken ends.
    end: usize,
    /// Where the part of the text that is parsed ends.
    limit: usize,
    builder: GreenNodeBuilder<'static>,
    errors: Vec<Diagnostic>,
    depth: usize,
    /// False within `(` and `[`.
    lines_matter: bool,
    /// True in the head of `if`, `match`, `for` and `fn`, where `{` begins the block.
    head: bool,
    /// True once the text nests too deep: whatever else is wrong with it is noise.
    given_up: bool,
}

impl<'s> Parser<'s> {
    /// Returns a parser of a part of a text; spans are those of the whole.
    fn over(source: &'s Source, part: Span) -> Parser<'s> {
        let place =
            |token: Token| Token { start: part.start + token.start, end: part.start + token.end, ..token };
        let tokens: Vec<Token> = lex(&source.text[part.clone()]).into_iter().map(place).collect();
        Parser {
            source,
            table: Table::new(&tokens),
            tokens,
            at: 0,
            end: part.start,
            limit: part.end,
            builder: GreenNodeBuilder::new(),
            errors: Vec::new(),
            depth: 0,
            lines_matter: true,
            head: false,
            given_up: false,
        }
    }

    /// Returns the index of the n-th token from here that is no trivia.
    fn index(&self, n: usize) -> usize {
        (0..n).fold(self.table.word(self.at), |index, _| self.table.word(index + 1))
    }

    fn kind(&self, index: usize) -> Kind {
        self.tokens.get(index).map_or(Kind::End, |token| token.kind)
    }

    fn nth(&self, n: usize) -> Kind {
        self.kind(self.index(n))
    }

    /// Returns the index of the word after the bracket that closes the one that is next, if it
    /// is closed.
    fn after_closer(&self) -> Option<usize> {
        self.table.closer(self.index(0)).map(|closer| self.table.word(closer + 1))
    }

    fn peek(&self) -> Kind {
        self.nth(0)
    }

    fn nth_text(&self, n: usize) -> &'s str {
        self.text_at(self.index(n))
    }

    fn text_at(&self, index: usize) -> &'s str {
        let source = &self.source.text;
        self.tokens.get(index).map_or("", |token| &source[token.start..token.end])
    }

    /// The span of the next token; at the end of the text an empty one.
    fn span(&self) -> Span {
        let end = self.limit;
        self.tokens.get(self.index(0)).map_or(end..end, |token| token.start..token.end)
    }

    fn start(&self) -> usize {
        self.span().start
    }

    /// The span from `start` to the end of what was taken.
    fn from(&self, start: usize) -> Span {
        start..self.end.max(start)
    }

    /// Returns true when a line break that matters stands before the next token.
    fn broken(&self) -> bool {
        self.lines_matter && self.table.line_breaks_before_word(self.at)
    }

    /// Returns true when the next token stands on another line than what was taken last, whether
    /// that matters or not.
    fn new_line(&self) -> bool {
        self.source.text[self.end..self.start().max(self.end)].contains('\n')
    }

    fn at(&self, kind: Kind) -> bool {
        self.peek() == kind
    }

    /// Returns true when the next token is this word.
    fn at_word(&self, word: &str) -> bool {
        self.nth_word(0, word)
    }

    fn nth_word(&self, n: usize, word: &str) -> bool {
        self.nth(n) == Kind::Ident && self.nth_text(n) == word
    }

    /// Takes the next token into the tree.
    fn bump(&mut self) -> Token {
        self.trivia();
        match self.tokens.get(self.at).copied() {
            Some(token) => {
                self.push(token);
                self.end = token.end;
                token
            }
            None => Token { kind: Kind::End, start: self.end, end: self.end },
        }
    }

    fn push(&mut self, token: Token) {
        let text = &self.source.text[token.start..token.end];
        self.builder.token(Cam::kind_to_raw(token.kind), text);
        self.at += 1;
    }

    fn trivia(&mut self) {
        while let Some(token) = self.tokens.get(self.at).copied().filter(|token| token.kind.is_trivia()) {
            self.push(token);
        }
    }

    fn eat(&mut self, kind: Kind) -> bool {
        let there = self.at(kind);
        if there {
            self.bump();
        }
        there
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let there = self.at_word(word);
        if there {
            self.bump();
        }
        there
    }

    fn expect(&mut self, kind: Kind, what: &str) -> Parsed<Token> {
        if self.at(kind) { Ok(self.bump()) } else { Err(self.unexpected(what)) }
    }

    fn expect_word(&mut self, word: &'static str) -> Parsed<Token> {
        if self.at_word(word) {
            return Ok(self.bump());
        }
        let message = format!("expected `{word}`, found {}", self.found());
        let near = advice::near(self.nth_text(0), &[word]);
        let help = near.unwrap_or_else(|| self.mend(&format!("`{word}`")));
        let span = self.span();
        Err(self.error("E0101", span, message, "not expected here", Some(help)))
    }

    fn name(&mut self, kind: Kind, what: &str) -> Parsed<Name> {
        let token = self.expect(kind, what)?;
        let text: Arc<str> = self.source.text[token.start..token.end].into();
        Ok(Name { text, span: token.start..token.end })
    }

    /// Takes a lower-case name that is not one of the words that expressions are made of.
    fn ident(&mut self, what: &str) -> Parsed<Name> {
        let text = self.nth_text(0);
        if self.at(Kind::Ident) && RESERVED.contains(&text) {
            let span = self.span();
            let message = format!("`{text}` is a word of the language and cannot be a name");
            return Err(self.error("E0112", span, message, "reserved", Some(format!("write `{text}_`"))));
        }
        self.name(Kind::Ident, what)
    }

    /// Takes the name of an app or a machine. Dashes are told apart from operators: they stand in
    /// the names of other tools.
    fn plain_name(&mut self, what: &str) -> Parsed<Name> {
        let name = self.ident(what)?;
        if self.kind(self.at) == Kind::Minus {
            let span = self.span();
            let help = "write `_`".to_owned();
            return Err(self.error(
                "E0101",
                span,
                "names have no `-` in them",
                "not expected here",
                Some(help),
            ));
        }
        Ok(name)
    }

    fn report(&mut self, diagnostic: Diagnostic) -> Failed {
        // One fault leads to others at the same place: the first says what is wrong.
        let again = self.errors.iter().any(|error| error.span.start == diagnostic.span.start);
        if !again && !self.given_up && self.errors.len() < ERRORS_MAX {
            self.errors.push(diagnostic);
        }
        Failed
    }

    fn error(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        label: &str,
        help: Option<String>,
    ) -> Failed {
        let mut diagnostic = Diagnostic::new(code, self.source, span, message, label);
        diagnostic.help = help;
        self.report(diagnostic)
    }

    fn found(&self) -> String {
        match self.peek() {
            Kind::End => "the end of the file".to_owned(),
            _ => {
                let text: String = self.nth_text(0).chars().take(40).collect();
                format!("`{text}`")
            }
        }
    }

    fn unexpected(&mut self, what: &str) -> Failed {
        let message = format!("expected {what}, found {}", self.found());
        let span = self.span();
        let help = self.mend(what);
        self.error("E0101", span, message, "not expected here", Some(help))
    }

    fn checkpoint(&mut self) -> Checkpoint {
        self.trivia();
        self.builder.checkpoint()
    }

    /// Runs `inside` as a node of the tree, one level deeper.
    fn node<T>(&mut self, kind: Kind, inside: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        let checkpoint = self.checkpoint();
        self.depth += 1;
        let result = if self.depth > NESTING_MAX { Err(self.too_deep()) } else { inside(self) };
        self.depth -= 1;
        self.finish_at(checkpoint, kind);
        result
    }

    fn finish_at(&mut self, checkpoint: Checkpoint, kind: Kind) {
        self.builder.start_node_at(checkpoint, Cam::kind_to_raw(kind));
        self.builder.finish_node();
    }

    /// Reports that the text nests too deep, and gives it up: what follows would only be noise.
    fn too_deep(&mut self) -> Failed {
        let span = self.span();
        let help = "give parts names with `let` or `fn`".to_owned();
        let message = format!("this nests or chains more than {NESTING_MAX} deep");
        let failed = self.error("E0106", span, message, "too deep", Some(help));
        self.given_up = true;
        self.rest();
        failed
    }

    /// Takes the rest of the text into the tree.
    fn rest(&mut self) {
        while let Some(token) = self.tokens.get(self.at).copied() {
            self.push(token);
        }
        self.end = self.limit;
    }

    /// Runs `inside` with other rules for line breaks and heads.
    fn with<T>(&mut self, lines_matter: bool, head: bool, inside: impl FnOnce(&mut Self) -> T) -> T {
        let before = (self.lines_matter, self.head);
        (self.lines_matter, self.head) = (lines_matter, head);
        let result = inside(self);
        (self.lines_matter, self.head) = before;
        result
    }

    /// Checks that what was just parsed ends here: at a line break, `;`, or what closes the list.
    fn ended(&mut self, close: Kind, what: &str) -> bool {
        if self.at(close) || self.at(Kind::End) || self.eat(Kind::Semicolon) || self.broken() {
            return true;
        }
        let message = format!("expected the end of this {what}, found {}", self.found());
        let span = self.span();
        let help = self.slip().unwrap_or_else(|| "begin a new line, or put `;` between".to_owned());
        self.error("E0111", span, message, "not expected here", Some(help));
        false
    }

    /// Parses members up to the token that closes `open`. A line break or a comma ends a member.
    fn members<T>(
        &mut self,
        open: Token,
        close: Kind,
        mut member: impl FnMut(&mut Self) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        let mut members = Vec::new();
        let mut failed = false;
        while !self.at_closer() && !self.at(Kind::End) && !self.at_item() {
            let (before, began) = (self.at, self.end);
            match member(self) {
                Ok(member) => {
                    members.push(member);
                    let ends = [Kind::Comma, Kind::RParen, Kind::RBracket, Kind::RBrace, Kind::End];
                    if !ends.contains(&self.peek()) && !self.broken() && !self.at_item() {
                        self.unseparated(open, close);
                        failed = true;
                        self.recover(self.end, &[Kind::Comma]);
                    }
                }
                Err(Failed) => {
                    failed = true;
                    self.recover(began, &[Kind::Comma]);
                }
            }
            self.eat(Kind::Comma);
            if self.at == before && !self.at_item() {
                self.bump();
            }
        }
        self.close(open, close, failed)?;
        if failed { Err(Failed) } else { Ok(members) }
    }

    /// Takes the bracket that closes `open`. `failed`: something within was already reported.
    fn close(&mut self, open: Token, close: Kind, failed: bool) -> Parsed<()> {
        if self.eat(close) {
            return Ok(());
        }
        if failed {
            return Err(Failed);
        }
        let message = format!("expected {}, found {}", close_name(close), self.found());
        let help = format!("close it with {}", close_name(close));
        let diagnostic = Diagnostic::new("E0101", self.source, self.span(), message, "not expected here");
        Err(self.report(diagnostic.related(open.start..open.end, "opened here").help(help)))
    }

    fn unseparated(&mut self, open: Token, close: Kind) -> Failed {
        let message = format!("expected `,` or {}, found {}", close_name(close), self.found());
        let help = self.slip().unwrap_or_else(|| match self.peek() {
            // Only a pattern can come before it, and a pattern may begin with what looks like an
            // operator: the line before went on.
            Kind::FatArrow => "a line that begins with an operator goes on the line before: put `,` \
                               after the arm above"
                .to_owned(),
            Kind::Semicolon => "members are separated by `,` or a line break".to_owned(),
            _ => format!("write `,` between two members, {} after the last", close_name(close)),
        });
        let diagnostic = Diagnostic::new("E0101", self.source, self.span(), message, "not expected here");
        self.report(diagnostic.related(open.start..open.end, "opened here").help(help))
    }

    /// Reports letters that the lexer does not know; those that stand together at once.
    fn unknown_letters(&mut self) {
        let mut runs: Vec<Span> = Vec::new();
        for token in self.tokens.iter().filter(|token| token.kind == Kind::Unknown) {
            match runs.last_mut() {
                Some(run) if run.end == token.start => run.end = token.end,
                _ => runs.push(token.start..token.end),
            }
        }
        for span in runs.into_iter().take(ERRORS_MAX) {
            let letters: String = self.source.text[span.clone()].chars().take(20).collect();
            let message = format!("{letters:?} means nothing here");
            let help = advice::unknown(&letters).to_owned();
            self.error("E0102", span, message, "unknown character", Some(help));
        }
    }
}

/// Words that expressions are made of; no name may be one of them.
const RESERVED: [&str; 10] = ["if", "else", "match", "let", "for", "in", "fn", "true", "false", "fail"];

fn close_name(close: Kind) -> &'static str {
    match close {
        Kind::RParen => "`)`",
        Kind::RBracket => "`]`",
        _ => "`}`",
    }
}

/// Returns an expression.
fn expr(kind: ast::ExprKind, span: Span) -> ast::Expr {
    ast::Expr { kind, span }
}
