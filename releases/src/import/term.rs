//! Erlang terms as text: what `file:consult` reads.
//!
//! The words are read by `erl_tokenize`, which follows Erlang's own scanner; here they become terms.
//! What stands in such a file and is no term (a variable, a call, an expression) is refused by name, as
//! Erlang refuses it. Beyond that one limit: terms nest at most [`DEPTH_MAX`] deep.

use camshaft_cam::diagnostic::{Diagnostic, Source, Span};
use erl_tokenize::{Position, Symbol, Token, TokenKind, TokenValue, scan_token};

/// How deep terms may nest, so that no file makes the reader run out of stack.
pub const DEPTH_MAX: usize = 64;

/// A term, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Term {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub span: Span,
}

/// What a term is.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `name` or `'any text'`.
    Atom(String),
    /// `"text"`, which Erlang knows as the list of its characters.
    Text(String),
    /// `<<...>>`.
    Binary(Vec<u8>),
    /// A whole number, or a character such as `$a`; `None` for one of more than 64 bits.
    Integer(Option<i128>),
    /// A number with a point.
    Float(f64),
    /// `{...}`.
    Tuple(Vec<Term>),
    /// `[...]`, and what stands behind `|` where something does.
    List(Vec<Term>, Option<Box<Term>>),
    /// `#{...}`.
    Map(Vec<(Term, Term)>),
    /// `fun module:function/arity`.
    Function,
}

impl Term {
    /// Returns the name, of an atom.
    pub fn atom(&self) -> Option<&str> {
        match &self.value {
            Value::Atom(name) => Some(name),
            _ => None,
        }
    }

    /// Returns the text: of a string, or of a list of characters, which is the same to Erlang.
    pub fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::List(items, None) => {
                let letter = |item: &Term| match item.value {
                    Value::Integer(Some(number)) => u32::try_from(number).ok().and_then(char::from_u32),
                    _ => None,
                };
                items.iter().map(letter).collect()
            }
            _ => None,
        }
    }

    /// Returns the items, of a list that ends as lists do. A string is a list too.
    pub fn list(&self) -> Option<Vec<Term>> {
        match &self.value {
            Value::List(items, None) => Some(items.clone()),
            Value::Text(text) => {
                let letter = |letter: char| Term {
                    value: Value::Integer(Some(u32::from(letter).into())),
                    span: self.span.clone(),
                };
                Some(text.chars().map(letter).collect())
            }
            _ => None,
        }
    }

    /// Returns the parts, of a tuple.
    pub fn tuple(&self) -> Option<&[Term]> {
        match &self.value {
            Value::Tuple(parts) => Some(parts),
            _ => None,
        }
    }

    /// Returns the term as it is written, on one line and without comments.
    pub fn shown(&self, source: &Source) -> String {
        let text = source.text.get(self.span.clone()).unwrap_or_default();
        let mut shown = String::new();
        let mut position = Position::new();
        while let Ok(Some(token)) = scan_token(text, position) {
            position = token.end();
            match token.kind() {
                TokenKind::Comment => {}
                TokenKind::Whitespace if shown.ends_with([' ', '{', '[', ',']) => {}
                TokenKind::Whitespace => shown.push(' '),
                TokenKind::Symbol(Symbol::CloseBrace | Symbol::CloseSquare | Symbol::Comma) => {
                    shown.truncate(shown.trim_end().len());
                    shown += token.text(text);
                }
                // A string may go over lines.
                _ => shown += &token.text(text).replace(['\n', '\r'], " "),
            }
        }
        shown.trim().to_owned()
    }
}

/// Boxed, because it is large and rare.
pub(super) type Fault = Box<Diagnostic>;

fn fault_at(
    code: &'static str,
    source: &Source,
    span: Span,
    message: impl Into<String>,
    label: &str,
) -> Fault {
    Box::new(Diagnostic::new(code, source, span, message, label))
}

/// Reads the terms of a text, each with its full stop.
///
/// # Errors
///
/// The first place that is none: nothing behind it can be trusted to be what it looks like.
pub fn read(source: &Source) -> Result<Vec<Term>, Fault> {
    let mut reader = Reader { source, tokens: tokens(source)?, at: 0, depth: 0 };
    let mut terms = Vec::new();
    while reader.at < reader.tokens.len() {
        terms.push(reader.term()?);
        reader.symbol(Symbol::Dot, "a full stop ends a term")?;
    }
    Ok(terms)
}

fn tokens(source: &Source) -> Result<Vec<Token>, Fault> {
    let mut tokens = Vec::new();
    let mut position = Position::new();
    loop {
        match scan_token(&source.text, position) {
            Ok(Some(token)) => {
                position = token.end();
                if token.kind().is_lexical() {
                    tokens.push(token);
                }
            }
            Ok(None) => return Ok(tokens),
            Err(error) => {
                let start = error.position.offset().min(source.text.len());
                let end =
                    source.text[start..].chars().next().map_or(start, |letter| start + letter.len_utf8());
                let message = format!("this is no word of Erlang: {}", error.kind.message());
                return Err(fault_at("R0201", source, start..end, message, "here"));
            }
        }
    }
}

struct Reader<'s> {
    source: &'s Source,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl<'s> Reader<'s> {
    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn value(&self, token: Token) -> TokenValue<'s> {
        token.value(&self.source.text)
    }

    fn span(token: Token) -> Span {
        token.start().offset()..token.end().offset()
    }

    /// Returns a fault at the next word, or at the end of the text.
    fn fault(&self, code: &'static str, expected: &str) -> Fault {
        let end = self.source.text.len();
        let (span, found) = match self.peek() {
            Some(token) => (Self::span(token), format!("`{}`", shortened(token.text(&self.source.text)))),
            None => (end..end, "the end of the text".to_owned()),
        };
        fault_at(code, self.source, span, format!("{expected}, found {found}"), "here")
    }

    fn is_symbol(&self, symbol: Symbol) -> bool {
        self.peek().is_some_and(|token| token.kind() == TokenKind::Symbol(symbol))
    }

    fn take_symbol(&mut self, symbol: Symbol) -> bool {
        let is = self.is_symbol(symbol);
        self.at += usize::from(is);
        is
    }

    fn symbol(&mut self, symbol: Symbol, expected: &str) -> Result<(), Fault> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.fault("R0202", expected)) }
    }

    /// The end of the last word that was taken.
    fn end(&self) -> usize {
        self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |token| token.end().offset())
    }

    fn term(&mut self) -> Result<Term, Fault> {
        let Some(token) = self.peek() else { return Err(self.fault("R0202", "expected a term")) };
        if self.depth == DEPTH_MAX {
            let message = format!("terms nest more than {DEPTH_MAX} deep");
            return Err(fault_at("R0202", self.source, Self::span(token), message, "here"));
        }
        self.depth += 1;
        let value = self.value_at(token)?;
        self.depth -= 1;
        Ok(Term { value, span: token.start().offset()..self.end() })
    }

    fn value_at(&mut self, token: Token) -> Result<Value, Fault> {
        let start = self.at;
        self.at += 1;
        let value = match self.value(token) {
            TokenValue::Atom(name) => Value::Atom(name.into_owned()),
            TokenValue::Char(letter) => Value::Integer(Some(u32::from(letter).into())),
            TokenValue::Float(number) => Value::Float(number),
            TokenValue::Integer(number) => Value::Integer(number.map(i128::from)),
            TokenValue::String(text) => Value::Text(self.strings(text.into_owned())),
            TokenValue::SigilString { prefix, content, suffix } => {
                match (prefix.trim_start_matches('~'), suffix) {
                    ("" | "b" | "B", "") => Value::Binary(content.into_owned().into_bytes()),
                    ("s" | "S", "") => Value::Text(content.into_owned()),
                    _ => return Err(self.no_term(start, "this kind of string")),
                }
            }
            TokenValue::Symbol(Symbol::OpenBrace) => Value::Tuple(self.items(Symbol::CloseBrace, "}")?),
            TokenValue::Symbol(Symbol::OpenSquare) => self.list()?,
            TokenValue::Symbol(Symbol::Sharp) => self.map()?,
            TokenValue::Symbol(Symbol::DoubleLeftAngle) => self.binary()?,
            TokenValue::Symbol(Symbol::Hyphen) => self.signed(-1)?,
            TokenValue::Symbol(Symbol::Plus) => self.signed(1)?,
            TokenValue::Keyword(erl_tokenize::Keyword::Fun) => self.function(start)?,
            TokenValue::Variable(_) => return Err(self.no_term(start, "a variable")),
            TokenValue::Keyword(_) => return Err(self.no_term(start, "an expression")),
            _ => {
                self.at = start;
                return Err(self.fault("R0202", "expected a term"));
            }
        };
        // `name(`, `name:name`, `1 + 2`: Erlang reads these and then says that they are no terms.
        let call = matches!(value, Value::Atom(_))
            && (self.is_symbol(Symbol::OpenParen) || self.is_symbol(Symbol::Colon));
        if call {
            return Err(self.no_term(start, "a call"));
        }
        if self.is_symbol(Symbol::Plus) || self.is_symbol(Symbol::Hyphen) || self.is_symbol(Symbol::PlusPlus)
        {
            return Err(self.no_term(start, "an expression"));
        }
        Ok(value)
    }

    fn no_term(&self, start: usize, what: &str) -> Fault {
        let token = self.tokens[start];
        let message = format!("{what} is no term: `{}`", shortened(token.text(&self.source.text)));
        let fault = Diagnostic::new("R0203", self.source, Self::span(token), message, "here");
        Box::new(fault.help("an .appup file holds plain terms: nothing in it is computed"))
    }

    /// Strings in a row are one.
    fn strings(&mut self, mut text: String) -> String {
        while let Some(token) = self.peek()
            && let TokenValue::String(more) = self.value(token)
        {
            text += &more;
            self.at += 1;
        }
        text
    }

    fn items(&mut self, close: Symbol, shown: &str) -> Result<Vec<Term>, Fault> {
        let mut items = Vec::new();
        if self.take_symbol(close) {
            return Ok(items);
        }
        loop {
            items.push(self.term()?);
            if self.take_symbol(close) {
                return Ok(items);
            }
            self.symbol(Symbol::Comma, &format!("expected `,` or `{shown}`"))?;
        }
    }

    fn list(&mut self) -> Result<Value, Fault> {
        let mut items = Vec::new();
        if self.take_symbol(Symbol::CloseSquare) {
            return Ok(Value::List(items, None));
        }
        loop {
            items.push(self.term()?);
            if self.take_symbol(Symbol::CloseSquare) {
                return Ok(Value::List(items, None));
            }
            if self.take_symbol(Symbol::VerticalBar) {
                let tail = self.term()?;
                self.symbol(Symbol::CloseSquare, "expected `]`")?;
                // `[a | [b]]` is `[a, b]`.
                return Ok(match tail.list() {
                    Some(more) => {
                        items.extend(more);
                        Value::List(items, None)
                    }
                    None => Value::List(items, Some(Box::new(tail))),
                });
            }
            self.symbol(Symbol::Comma, "expected `,`, `|` or `]`")?;
        }
    }

    fn map(&mut self) -> Result<Value, Fault> {
        self.symbol(Symbol::OpenBrace, "expected `{` of a map")?;
        let mut pairs = Vec::new();
        if self.take_symbol(Symbol::CloseBrace) {
            return Ok(Value::Map(pairs));
        }
        loop {
            let key = self.term()?;
            self.symbol(Symbol::DoubleRightArrow, "expected `=>`")?;
            pairs.push((key, self.term()?));
            if self.take_symbol(Symbol::CloseBrace) {
                return Ok(Value::Map(pairs));
            }
            self.symbol(Symbol::Comma, "expected `,` or `}`")?;
        }
    }

    fn binary(&mut self) -> Result<Value, Fault> {
        let mut bytes = Vec::new();
        if self.take_symbol(Symbol::DoubleRightAngle) {
            return Ok(Value::Binary(bytes));
        }
        loop {
            let item = self.term()?;
            let utf8 = self.is_utf8()?;
            let letters: Vec<i128> = match &item.value {
                Value::Integer(Some(number)) => vec![*number],
                Value::Text(text) => text.chars().map(|letter| u32::from(letter).into()).collect(),
                _ => {
                    let message = "a binary holds strings and whole numbers of at most 64 bits";
                    return Err(fault_at("R0202", self.source, item.span, message, "this is neither"));
                }
            };
            for letter in letters {
                match u32::try_from(letter).ok().and_then(char::from_u32) {
                    Some(letter) if utf8 => bytes.extend(letter.encode_utf8(&mut [0; 4]).as_bytes()),
                    None if utf8 => {
                        let message = format!("{letter} is no character");
                        return Err(fault_at("R0202", self.source, item.span, message, "in UTF-8"));
                    }
                    // As Erlang does: the last eight bits.
                    _ => bytes.push(letter.rem_euclid(256).try_into().unwrap_or_default()),
                }
            }
            if self.take_symbol(Symbol::DoubleRightAngle) {
                return Ok(Value::Binary(bytes));
            }
            self.symbol(Symbol::Comma, "expected `,` or `>>`")?;
        }
    }

    /// Reads the kind of a part of a binary. Bytes and UTF-8 are what texts are written in.
    fn is_utf8(&mut self) -> Result<bool, Fault> {
        if !self.take_symbol(Symbol::Slash) {
            return match self.is_symbol(Symbol::Colon) {
                true => Err(self.fault("R0202", "parts of a binary have no size here")),
                false => Ok(false),
            };
        }
        let kind = self.peek().map(|token| token.text(&self.source.text));
        match kind {
            Some("utf8") => {
                self.at += 1;
                Ok(true)
            }
            Some("integer") => {
                self.at += 1;
                Ok(false)
            }
            _ => Err(self.fault("R0202", "parts of a binary are `/utf8` or bytes here")),
        }
    }

    fn signed(&mut self, sign: i128) -> Result<Value, Fault> {
        let number = self.peek().map(|token| self.value(token));
        let value = match number {
            Some(TokenValue::Integer(number)) => {
                Value::Integer(number.map(|number| sign * i128::from(number)))
            }
            Some(TokenValue::Char(letter)) => Value::Integer(Some(sign * i128::from(u32::from(letter)))),
            #[expect(clippy::cast_precision_loss, reason = "it is 1 or -1")]
            Some(TokenValue::Float(number)) => Value::Float(sign as f64 * number),
            _ => return Err(self.fault("R0202", "expected a number")),
        };
        self.at += 1;
        Ok(value)
    }

    /// `fun module:function/arity`, the one kind of function that is a term.
    fn function(&mut self, start: usize) -> Result<Value, Fault> {
        let shape = [
            TokenKind::Atom,
            TokenKind::Symbol(Symbol::Colon),
            TokenKind::Atom,
            TokenKind::Symbol(Symbol::Slash),
            TokenKind::Integer,
        ];
        for kind in shape {
            if self.peek().is_none_or(|token| token.kind() != kind) {
                return Err(self.no_term(start, "a function with a body"));
            }
            self.at += 1;
        }
        Ok(Value::Function)
    }
}

/// Returns the beginning of a word that may be long.
fn shortened(word: &str) -> String {
    match word.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &word[..end]),
        None => word.to_owned(),
    }
}
