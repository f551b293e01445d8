//! Expressions: operators by precedence, prefixes, postfixes.

use super::{Failed, Parsed, Parser, RESERVED, expr};
use crate::syntax::NESTING_MAX;
use crate::syntax::ast::{Arm, BinaryOp, Expr, ExprKind, FieldInit, Name, Pattern, PatternKind, UnaryOp};
use crate::syntax::kind::Kind;

/// How tightly comparisons bind; they do not chain.
const COMPARISON: u8 = 3;

fn operator(kind: Kind) -> Option<(u8, BinaryOp)> {
    Some(match kind {
        Kind::OrOr => (1, BinaryOp::Or),
        Kind::AndAnd => (2, BinaryOp::And),
        Kind::EqEq => (COMPARISON, BinaryOp::Eq),
        Kind::NotEq => (COMPARISON, BinaryOp::Ne),
        Kind::Lt => (COMPARISON, BinaryOp::Lt),
        Kind::LtEq => (COMPARISON, BinaryOp::Le),
        Kind::Gt => (COMPARISON, BinaryOp::Gt),
        Kind::GtEq => (COMPARISON, BinaryOp::Ge),
        Kind::PlusPlus => (4, BinaryOp::Concat),
        Kind::Plus => (5, BinaryOp::Add),
        Kind::Minus => (5, BinaryOp::Sub),
        Kind::Star => (6, BinaryOp::Mul),
        Kind::Slash => (6, BinaryOp::Div),
        Kind::Percent => (6, BinaryOp::Mod),
        _ => return None,
    })
}

impl Parser<'_> {
    pub(super) fn expr(&mut self) -> Parsed<Expr> {
        self.node(Kind::ExprNode, |parser| parser.binary(0))
    }

    fn binary(&mut self, least: u8) -> Parsed<Expr> {
        let start = self.start();
        let depth = self.depth;
        let mut left = self.unary()?;
        let mut compared = false;
        while let Some((tightness, op)) = operator(self.peek()) {
            if tightness < least {
                break;
            }
            if tightness == COMPARISON && compared {
                let span = self.span();
                let help = "join two comparisons: `a < b && b < c`".to_owned();
                return Err(self.error(
                    "E0108",
                    span,
                    "comparisons do not chain",
                    "a second comparison",
                    Some(help),
                ));
            }
            compared = tightness == COMPARISON;
            self.bump();
            // Each link of a chain nests the tree once more, to the left.
            self.depth += 1;
            if self.depth > NESTING_MAX {
                self.depth = depth;
                return Err(self.too_deep());
            }
            let right = self.node(Kind::ExprNode, |parser| parser.binary(tightness + 1));
            let right = match right {
                Ok(right) => right,
                Err(Failed) => {
                    self.depth = depth;
                    return Err(Failed);
                }
            };
            let span = self.from(start);
            left = expr(ExprKind::Binary(op, Box::new(left), Box::new(right)), span);
        }
        self.depth = depth;
        Ok(left)
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let start = self.start();
        let op = match self.peek() {
            Kind::Minus => UnaryOp::Neg,
            Kind::Bang => UnaryOp::Not,
            _ => return self.postfix(),
        };
        self.bump();
        // The least Int has no positive counterpart: sign and digits are read as one.
        if op == UnaryOp::Neg
            && self.at(Kind::IntLit)
            && self.nth_text(0).replace('_', "") == "9223372036854775808"
        {
            let value = self.int(true)?;
            let span = self.from(start);
            return Ok(expr(ExprKind::Int(value), span));
        }
        let operand = self.node(Kind::ExprNode, Parser::unary)?;
        let span = self.from(start);
        Ok(expr(ExprKind::Unary(op, Box::new(operand)), span))
    }

    fn postfix(&mut self) -> Parsed<Expr> {
        let start = self.start();
        let depth = self.depth;
        let result = self.postfix_chain(start);
        self.depth = depth;
        result
    }

    fn postfix_chain(&mut self, start: usize) -> Parsed<Expr> {
        let mut base = self.primary()?;
        loop {
            let kind = match self.peek() {
                Kind::Dot => {
                    self.bump();
                    let name = match self.peek() {
                        Kind::IntLit => self.name(Kind::IntLit, "a member")?,
                        _ => self.name(Kind::Ident, "the name of a field or function")?,
                    };
                    if self.at(Kind::LParen) && !self.broken() && name.text.parse::<usize>().is_err() {
                        let args = self.args()?;
                        ExprKind::Method(Box::new(base), name, args)
                    } else {
                        ExprKind::Field(Box::new(base), name)
                    }
                }
                Kind::LBracket if !self.broken() => {
                    let index = self.index_expr()?;
                    ExprKind::Index(Box::new(base), Box::new(index))
                }
                _ => return Ok(base),
            };
            base = expr(kind, self.from(start));
            self.depth += 1;
            if self.depth > NESTING_MAX {
                return Err(self.too_deep());
            }
        }
    }

    /// Takes `[key]`.
    pub(super) fn index_expr(&mut self) -> Parsed<Expr> {
        let open = self.bump();
        let began = self.end;
        let index = self.with(false, false, Parser::expr);
        if index.is_err() {
            self.with(false, false, |parser| parser.recover(began, &[]));
        }
        self.close(open, Kind::RBracket, index.is_err())?;
        index
    }

    /// Takes arguments in parentheses.
    fn args(&mut self) -> Parsed<Vec<Expr>> {
        let open = self.bump();
        self.with(false, false, |parser| parser.members(open, Kind::RParen, Parser::expr))
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let start = self.start();
        let kind = match self.peek() {
            Kind::IntLit => ExprKind::Int(self.int(false)?),
            Kind::DurationLit => ExprKind::Duration(self.duration()?),
            Kind::Quote => ExprKind::Text(self.text()?),
            Kind::TypeIdent => self.case_expr()?,
            Kind::LParen if self.lambda_ahead() => self.lambda()?,
            Kind::LParen => return self.parens(),
            Kind::LBracket => self.list_or_map()?,
            Kind::LBrace if self.head && !self.record_ahead() => return Err(self.unexpected("an expression")),
            Kind::LBrace if self.head => {
                let span = self.span();
                let help = "put it in parentheses".to_owned();
                let message = "a record cannot stand bare before a block";
                let failed = self.error("E0114", span, message, "this `{` begins the block", Some(help));
                // A block follows: what is here was meant as a record, and is passed over.
                if let Some(after) = self.after_closer().filter(|after| self.kind(*after) == Kind::LBrace) {
                    self.skip(|parser| parser.index(0) < after);
                }
                return Err(failed);
            }
            Kind::LBrace => return self.braces(),
            Kind::Underscore if self.nth(1) == Kind::Arrow => self.lambda()?,
            Kind::Question => {
                self.bump();
                ExprKind::Hole
            }
            Kind::Ident => match self.nth_text(0) {
                "true" | "false" => {
                    let token = self.bump();
                    ExprKind::Bool(&self.source.text[token.start..token.end] == "true")
                }
                "if" => return self.if_expr(),
                "match" => return self.match_expr(),
                "fail" => {
                    self.bump();
                    ExprKind::Fail(Box::new(self.expr()?))
                }
                _ if self.nth(1) == Kind::Arrow => self.lambda()?,
                // On a line of its own it begins the next statement: this one lacks its end.
                word if RESERVED.contains(&word) && self.new_line() => {
                    return Err(self.unexpected("an expression"));
                }
                _ => {
                    let name = self.ident("an expression")?;
                    if self.at(Kind::LParen) && !self.broken() {
                        let args = self.args()?;
                        ExprKind::Call(name, args)
                    } else {
                        ExprKind::Var(name.text)
                    }
                }
            },
            _ => return Err(self.unexpected("an expression")),
        };
        Ok(expr(kind, self.from(start)))
    }

    fn case_expr(&mut self) -> Parsed<ExprKind> {
        let name = self.name(Kind::TypeIdent, "a case")?;
        let payload = if self.broken() {
            None
        } else if self.at(Kind::LParen) {
            let start = self.start();
            let mut args = self.args()?;
            let span = self.from(start);
            Some(if args.len() == 1 { args.remove(0) } else { expr(ExprKind::Tuple(args), span) })
        } else if self.at(Kind::LBrace) && !self.head {
            Some(if self.nth(1) == Kind::RBrace { self.braces()? } else { self.record()? })
        } else {
            None
        };
        Ok(ExprKind::Case(name, payload.map(Box::new)))
    }

    /// Returns true when the `{` that is next begins a record: `..`, or a lower-case name with
    /// `:`, `,` or `}`. `true` is no name: `{ true }` is a block.
    pub(super) fn record_ahead(&self) -> bool {
        match self.nth(1) {
            Kind::DotDot => true,
            Kind::Ident if RESERVED.contains(&self.nth_text(1)) => false,
            Kind::Ident => matches!(self.nth(2), Kind::Colon | Kind::Comma | Kind::RBrace),
            _ => false,
        }
    }

    fn braces(&mut self) -> Parsed<Expr> {
        if self.record_ahead() {
            return self.record();
        }
        if self.nth(1) == Kind::RBrace {
            let start = self.start();
            self.bump();
            self.bump();
            let span = self.from(start);
            let help = "the empty map is `[:]`, nothing is `()`".to_owned();
            return Err(self.error("E0109", span, "`{}` is neither a record nor a map", "empty", Some(help)));
        }
        self.block()
    }

    pub(super) fn record(&mut self) -> Parsed<Expr> {
        let start = self.start();
        self.node(Kind::ExprNode, |parser| {
            let open = parser.bump();
            parser.with(true, false, |parser| {
                let mut base = None;
                let members = parser.members(open, Kind::RBrace, |parser| {
                    if base.is_none() && parser.end == open.end && parser.eat(Kind::DotDot) {
                        base = Some(Box::new(parser.expr()?));
                        return Ok(None);
                    }
                    Ok(Some(parser.field_init()?))
                })?;
                let fields = members.into_iter().flatten().collect();
                let span = parser.from(start);
                Ok(expr(ExprKind::Record { base, fields }, span))
            })
        })
    }

    fn field_init(&mut self) -> Parsed<FieldInit> {
        let start = self.start();
        let mut path = vec![self.ident("the name of a field")?];
        while self.eat(Kind::Dot) {
            path.push(self.name(Kind::Ident, "the name of a field")?);
        }
        let index = if self.at(Kind::LBracket) { Some(self.index_expr()?) } else { None };
        let short = index.is_none() && path.len() == 1;
        let value = if self.at(Kind::Colon) || !short {
            self.expect(Kind::Colon, "`:`")?;
            Some(self.expr()?)
        } else {
            None
        };
        Ok(FieldInit { path, index, value, span: self.from(start) })
    }

    fn parens(&mut self) -> Parsed<Expr> {
        let start = self.start();
        let mut items = self.args()?;
        let span = self.from(start);
        // Parentheses around one expression only group.
        Ok(if items.len() == 1 { items.remove(0) } else { expr(ExprKind::Tuple(items), span) })
    }

    fn list_or_map(&mut self) -> Parsed<ExprKind> {
        let open = self.bump();
        if self.at(Kind::Colon) && self.nth(1) == Kind::RBracket {
            self.bump();
            self.bump();
            return Ok(ExprKind::Map(Vec::new()));
        }
        let entries = self.with(false, false, |parser| {
            parser.members(open, Kind::RBracket, |parser| {
                let key = parser.expr()?;
                let value = if parser.eat(Kind::Colon) { Some(parser.expr()?) } else { None };
                Ok((key, value))
            })
        })?;
        let pairs = entries.iter().filter(|(_, value)| value.is_some()).count();
        if pairs == 0 {
            return Ok(ExprKind::List(entries.into_iter().map(|(item, _)| item).collect()));
        }
        if pairs < entries.len() {
            let odd = entries.iter().find(|(_, value)| value.is_none()).map(|(item, _)| item.span.clone());
            let span = odd.unwrap_or_else(|| self.span());
            let help = "a map has a `key: value` for each entry, a list has none".to_owned();
            return Err(self.error("E0115", span, "this entry has no value", "no `:`", Some(help)));
        }
        let pair = |(key, value): (Expr, Option<Expr>)| Some((key, value?));
        Ok(ExprKind::Map(entries.into_iter().filter_map(pair).collect()))
    }

    /// Returns true when the `(` that is next begins the parameters of a lambda: an arrow follows
    /// an expression nowhere else.
    fn lambda_ahead(&self) -> bool {
        self.after_closer().is_some_and(|after| self.kind(after) == Kind::Arrow)
    }

    fn lambda(&mut self) -> Parsed<ExprKind> {
        let params: Vec<Pattern> = if self.at(Kind::LParen) {
            let open = self.bump();
            self.with(false, false, |parser| parser.members(open, Kind::RParen, Parser::pattern))?
        } else if self.at(Kind::Underscore) {
            let token = self.bump();
            vec![Pattern { kind: PatternKind::Wild, span: token.start..token.end }]
        } else {
            let name: Name = self.ident("a parameter")?;
            vec![Pattern { kind: PatternKind::Bind(name.text), span: name.span }]
        };
        self.expect(Kind::Arrow, "`->`")?;
        let body = self.expr()?;
        Ok(ExprKind::Lambda(params, Box::new(body)))
    }

    fn if_expr(&mut self) -> Parsed<Expr> {
        let start = self.start();
        self.node(Kind::ExprNode, |parser| {
            parser.bump();
            // What fails is held back: the faults in the parts that follow are told too.
            let condition = parser.head()?;
            let yes = parser.block();
            let no = if parser.eat_word("else") {
                Some(if parser.at_word("if") { parser.if_expr() } else { parser.block() })
            } else {
                None
            };
            let no = no.transpose()?.map(Box::new);
            let span = parser.from(start);
            Ok(expr(ExprKind::If(Box::new(condition?), Box::new(yes?), no), span))
        })
    }

    /// Takes the expression before a block. One that fails is skipped when the block is in reach,
    /// and given back within; else nothing that follows can be told.
    pub(super) fn head(&mut self) -> Parsed<Parsed<Expr>> {
        let head = self.with(true, true, Parser::expr);
        if head.is_err() && !self.skip_to(&[Kind::LBrace]) {
            return Err(Failed);
        }
        Ok(head)
    }

    fn match_expr(&mut self) -> Parsed<Expr> {
        let start = self.start();
        self.bump();
        let scrutinee = self.head()?;
        let open = self.expect(Kind::LBrace, "`{` and the arms")?;
        let arms = self.with(true, false, |parser| parser.members(open, Kind::RBrace, Parser::arm))?;
        let (scrutinee, span) = (scrutinee?, self.from(start));
        if arms.is_empty() {
            let help = "write an arm per case: `Case => value`".to_owned();
            return Err(self.error("E0116", span, "this `match` has no arms", "empty", Some(help)));
        }
        Ok(expr(ExprKind::Match(Box::new(scrutinee), arms), span))
    }

    fn arm(&mut self) -> Parsed<Arm> {
        self.node(Kind::ArmNode, |parser| {
            let pattern = parser.pattern();
            if pattern.is_err() && !parser.skip_to(&[Kind::FatArrow]) {
                return Err(Failed);
            }
            let guard =
                if parser.eat_word("if") { Some(parser.with(true, true, Parser::expr)) } else { None };
            let guard = guard.transpose();
            if guard.is_err() && !parser.skip_to(&[Kind::FatArrow]) {
                return Err(Failed);
            }
            parser.expect(Kind::FatArrow, "`=>`")?;
            let body = parser.expr()?;
            Ok(Arm { pattern: pattern?, guard: guard?, body })
        })
    }
}
