//! Type expressions.

use super::{Parsed, Parser};
use crate::syntax::ast::{CaseDecl, FieldDecl, Name, TypeArg, TypeExpr};
use crate::syntax::kind::Kind;

/// What stood at the beginning of a type: a case, if a `|` follows.
enum Start {
    Type(TypeExpr),
    /// `internal Case`, or `Case { ... }`: it can be nothing else.
    Case(CaseDecl),
}

impl Parser<'_> {
    pub(super) fn type_expr(&mut self) -> Parsed<TypeExpr> {
        let start = self.start();
        self.node(Kind::TypeNode, |parser| {
            // A first `|` may stand on a line of its own.
            let leading = parser.eat(Kind::Bar);
            let first = match parser.type_start() {
                Ok(Start::Type(only)) if !leading && !parser.at(Kind::Bar) => return Ok(only),
                first => first,
            };
            // A case that fails is held back: the faults in those that follow are told too.
            let mut cases = vec![first.and_then(|first| parser.as_case(first))];
            while parser.eat(Kind::Bar) {
                let next = parser.type_start();
                cases.push(next.and_then(|next| parser.as_case(next)));
            }
            let cases = cases.into_iter().collect::<Parsed<Vec<CaseDecl>>>()?;
            let span = parser.from(start);
            Ok(TypeExpr::Variant(cases, span))
        })
    }

    fn type_start(&mut self) -> Parsed<Start> {
        let start = self.start();
        match self.peek() {
            Kind::Ident if self.at_word("internal") => {
                self.bump();
                if self.at_word("internal") {
                    let span = self.span();
                    let help = "write `internal` once".to_owned();
                    return Err(self.error("E0117", span, "`internal` stands twice", "again", Some(help)));
                }
                // One deeper at most: a second `internal` was refused above.
                let inner = self.type_start()?;
                let case = self.as_case(inner)?;
                Ok(Start::Case(CaseDecl { internal: true, ..case }))
            }
            Kind::Ident if self.at_word("secret") => {
                self.bump();
                let inner = self.node(Kind::TypeNode, Parser::type_expr)?;
                Ok(Start::Type(TypeExpr::Secret(Box::new(inner), self.from(start))))
            }
            Kind::LParen => {
                let open = self.bump();
                let mut items =
                    self.with(false, false, |parser| parser.members(open, Kind::RParen, Parser::type_expr))?;
                let span = self.from(start);
                Ok(Start::Type(if items.len() == 1 { items.remove(0) } else { TypeExpr::Tuple(items, span) }))
            }
            Kind::LBrace => {
                let fields = self.fields()?;
                Ok(Start::Type(TypeExpr::Record(fields, self.from(start))))
            }
            Kind::TypeIdent => {
                let name = self.name(Kind::TypeIdent, "a type")?;
                if self.broken() {
                    let span = name.span.clone();
                    return Ok(Start::Type(TypeExpr::Named { name, args: Vec::new(), span }));
                }
                // In the head of a function, `{` begins the body.
                if self.at(Kind::LBrace) && !self.head {
                    let at = self.start();
                    let fields = self.fields()?;
                    let payload = Some(TypeExpr::Record(fields, self.from(at)));
                    return Ok(Start::Case(CaseDecl { internal: false, name, payload }));
                }
                let args = if self.at(Kind::LParen) {
                    let open = self.bump();
                    self.with(false, false, |parser| parser.members(open, Kind::RParen, Parser::type_arg))?
                } else {
                    Vec::new()
                };
                Ok(Start::Type(TypeExpr::Named { name, args, span: self.from(start) }))
            }
            Kind::Ident => {
                let span = self.span();
                let text = self.nth_text(0);
                let mut letters = text.chars();
                let capital: String =
                    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
                let message = format!("expected a type, found `{text}`");
                let help = format!("types begin with a capital: `{capital}`");
                Err(self.error("E0101", span, message, "not a type", Some(help)))
            }
            _ => Err(self.unexpected("a type")),
        }
    }

    fn type_arg(&mut self) -> Parsed<TypeArg> {
        let start = self.start();
        match self.peek() {
            Kind::DotDotEq => {
                self.bump();
                let hi = self.signed_int()?;
                Ok(TypeArg::Range(None, Some(hi), self.from(start)))
            }
            Kind::IntLit | Kind::Minus => {
                let lo = self.signed_int()?;
                if self.eat(Kind::DotDotEq) {
                    let hi = self.signed_int()?;
                    return Ok(TypeArg::Range(Some(lo), Some(hi), self.from(start)));
                }
                self.expect(Kind::DotDot, "`..=` and the greatest value, or `..`")?;
                Ok(TypeArg::Range(Some(lo), None, self.from(start)))
            }
            _ => Ok(TypeArg::Type(self.type_expr()?)),
        }
    }

    fn as_case(&mut self, start: Start) -> Parsed<CaseDecl> {
        match start {
            Start::Case(case) => Ok(case),
            Start::Type(TypeExpr::Named { name, args, span }) => {
                let payload = self.payload(&name, args, &span)?;
                Ok(CaseDecl { internal: false, name, payload })
            }
            Start::Type(
                TypeExpr::Tuple(_, span)
                | TypeExpr::Record(_, span)
                | TypeExpr::Variant(_, span)
                | TypeExpr::Secret(_, span),
            ) => {
                let help =
                    "a case is a name, with what it holds: `Sum(Int)` or `Add { item: Text }`".to_owned();
                Err(self.error("E0117", span, "this is no case", "not a case", Some(help)))
            }
        }
    }

    fn payload(
        &mut self,
        name: &Name,
        args: Vec<TypeArg>,
        span: &crate::diagnostic::Span,
    ) -> Parsed<Option<TypeExpr>> {
        let mut types = Vec::new();
        for arg in args {
            match arg {
                TypeArg::Type(ty) => types.push(ty),
                TypeArg::Range(.., range) => {
                    let message = format!("the case `{}` holds a type, not a range", name.text);
                    let help = "declare a type with the range: `type Small = Int(0..=9)`".to_owned();
                    return Err(self.error("E0117", range, message, "not a type", Some(help)));
                }
            }
        }
        Ok(match types.len() {
            0 => None,
            1 => types.pop(),
            _ => Some(TypeExpr::Tuple(types, span.clone())),
        })
    }

    /// Takes the fields of a record type, with its braces.
    pub(super) fn fields(&mut self) -> Parsed<Vec<FieldDecl>> {
        let start = self.start();
        let open = self.expect(Kind::LBrace, "`{`")?;
        let fields = self.with(true, false, |parser| {
            parser.members(open, Kind::RBrace, |parser| {
                parser.node(Kind::FieldNode, |parser| {
                    let name = parser.ident("the name of a field")?;
                    parser.expect(Kind::Colon, "`:` and a type")?;
                    let ty = parser.type_expr()?;
                    let default = if parser.eat(Kind::Eq) { Some(parser.expr()?) } else { None };
                    Ok(FieldDecl { name, ty, default })
                })
            })
        })?;
        if fields.is_empty() {
            let span = self.from(start);
            let help = "a state without content is `()`".to_owned();
            return Err(self.error("E0109", span, "a record has at least one field", "empty", Some(help)));
        }
        Ok(fields)
    }
}
