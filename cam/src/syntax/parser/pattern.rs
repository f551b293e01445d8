//! Patterns.

use super::{Parsed, Parser};
use crate::syntax::ast::{Pattern, PatternKind};
use crate::syntax::kind::Kind;

impl Parser<'_> {
    pub(super) fn pattern(&mut self) -> Parsed<Pattern> {
        let start = self.start();
        self.node(Kind::PatternNode, |parser| {
            let first = parser.simple_pattern()?;
            if !parser.at(Kind::Bar) {
                return Ok(first);
            }
            let mut alternatives = vec![first];
            while parser.eat(Kind::Bar) {
                alternatives.push(parser.simple_pattern()?);
            }
            let span = parser.from(start);
            Ok(Pattern { kind: PatternKind::Or(alternatives), span })
        })
    }

    fn simple_pattern(&mut self) -> Parsed<Pattern> {
        let start = self.start();
        let kind = match self.peek() {
            Kind::Underscore => {
                self.bump();
                PatternKind::Wild
            }
            Kind::Minus | Kind::IntLit => self.number_pattern()?,
            Kind::DurationLit => PatternKind::Duration(self.duration()?),
            Kind::Quote => PatternKind::Text(self.plain_text("a text")?.text),
            Kind::LParen => {
                let open = self.bump();
                let mut items =
                    self.with(false, false, |parser| parser.members(open, Kind::RParen, Parser::pattern))?;
                if items.len() == 1 {
                    return Ok(items.remove(0));
                }
                PatternKind::Tuple(items)
            }
            Kind::LBrace => self.record_pattern()?.kind,
            Kind::TypeIdent => {
                let name = self.name(Kind::TypeIdent, "a case")?;
                let payload = self.case_pattern()?;
                PatternKind::Case(name, payload.map(Box::new))
            }
            Kind::Ident if matches!(self.nth_text(0), "true" | "false") => {
                let token = self.bump();
                PatternKind::Bool(&self.source.text[token.start..token.end] == "true")
            }
            Kind::Ident => PatternKind::Bind(self.ident("a pattern")?.text),
            _ => return Err(self.unexpected("a pattern")),
        };
        Ok(Pattern { kind, span: self.from(start) })
    }

    /// Takes what a case holds, if a pattern for it follows.
    fn case_pattern(&mut self) -> Parsed<Option<Pattern>> {
        if self.broken() {
            return Ok(None);
        }
        match self.peek() {
            Kind::LParen => {
                let start = self.start();
                let open = self.bump();
                let mut items =
                    self.with(false, false, |parser| parser.members(open, Kind::RParen, Parser::pattern))?;
                let span = self.from(start);
                Ok(Some(if items.len() == 1 {
                    items.remove(0)
                } else {
                    Pattern { kind: PatternKind::Tuple(items), span }
                }))
            }
            Kind::LBrace if self.payload_ahead() => Ok(Some(self.record_pattern()?)),
            _ => Ok(None),
        }
    }

    /// Returns true when the `{` that is next belongs to the pattern: what follows its `}` goes on
    /// with a pattern or begins a body. After `on Case`, a block would end the handler.
    fn payload_ahead(&self) -> bool {
        let Some(after) = self.after_closer() else { return false };
        match self.kind(after) {
            Kind::FatArrow
            | Kind::LBrace
            | Kind::Bar
            | Kind::Comma
            | Kind::RParen
            | Kind::RBrace
            | Kind::Eq => true,
            Kind::Ident => matches!(self.text_at(after), "if" | "in"),
            _ => false,
        }
    }

    fn record_pattern(&mut self) -> Parsed<Pattern> {
        let start = self.start();
        let brace = self.bump();
        let mut open = false;
        let fields = self.with(true, false, |parser| {
            parser.members(brace, Kind::RBrace, |parser| {
                if open {
                    return Err(parser.unexpected("`}` after `..`"));
                }
                if parser.eat(Kind::DotDot) {
                    open = true;
                    return Ok(None);
                }
                let name = parser.ident("the name of a field, or `..`")?;
                let pattern = if parser.eat(Kind::Colon) { Some(parser.pattern()?) } else { None };
                Ok(Some((name, pattern)))
            })
        })?;
        let fields = fields.into_iter().flatten().collect();
        Ok(Pattern { kind: PatternKind::Record(fields, open), span: self.from(start) })
    }

    fn number_pattern(&mut self) -> Parsed<PatternKind> {
        let lo = self.signed_int()?;
        if self.at(Kind::DotDot) {
            let span = self.span();
            let help = "write `..=`; the end belongs to the range".to_owned();
            return Err(self.error(
                "E0101",
                span,
                "expected `..=`, found `..`",
                "not expected here",
                Some(help),
            ));
        }
        if !self.eat(Kind::DotDotEq) {
            return Ok(PatternKind::Int(lo));
        }
        Ok(PatternKind::Range(lo, self.signed_int()?))
    }

    /// Takes a whole number that may have a sign.
    pub(super) fn signed_int(&mut self) -> Parsed<i64> {
        let negative = self.eat(Kind::Minus);
        self.int(negative)
    }
}
