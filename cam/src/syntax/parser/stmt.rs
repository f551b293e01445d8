//! Blocks and statements.

use super::{Failed, Parsed, Parser, expr};
use crate::syntax::NESTING_MAX;
use crate::syntax::ast::{Expr, ExprKind, PatternKind, Stmt, StmtKind};
use crate::syntax::kind::Kind;
use crate::syntax::lexer::Token;

/// What a part of a block is.
enum Part {
    Stmt(Stmt),
    /// An expression: a statement, or the value of the block when it is the last.
    Value(Expr),
}

impl Parser<'_> {
    /// Takes a block with its braces.
    pub(super) fn block(&mut self) -> Parsed<Expr> {
        let start = self.start();
        if !self.at(Kind::LBrace) {
            return Err(self.unexpected("`{` and a block"));
        }
        let depth = self.depth;
        let result = self.node(Kind::BlockNode, |parser| {
            let open = parser.bump();
            parser.with(true, false, |parser| {
                let (statements, value) = parser.parts(open)?;
                let span = parser.from(start);
                Ok(expr(ExprKind::Block(statements, value.map(Box::new)), span))
            })
        });
        self.depth = depth;
        result
    }

    /// Takes the statements of a block, and its closing brace.
    fn parts(&mut self, open: Token) -> Parsed<(Vec<Stmt>, Option<Expr>)> {
        let mut parts: Vec<Part> = Vec::new();
        let mut failed = false;
        loop {
            while self.eat(Kind::Semicolon) {}
            if self.at(Kind::RBrace) || self.at(Kind::End) || self.at_item() {
                break;
            }
            let (before, began) = (self.at, self.end);
            match self.part() {
                Ok(part) => {
                    parts.push(part);
                    if !self.ended(Kind::RBrace, "statement") {
                        failed = true;
                        self.recover(self.end, &[]);
                    }
                }
                Err(Failed) => {
                    failed = true;
                    self.recover(began, &[]);
                }
            }
            if self.at == before && !self.at_item() {
                self.bump();
            }
        }
        self.close(open, Kind::RBrace, failed)?;
        if failed {
            return Err(Failed);
        }
        let value = match parts.pop() {
            Some(Part::Value(value)) => Some(value),
            Some(statement) => {
                parts.push(statement);
                None
            }
            None => None,
        };
        let statements = parts
            .into_iter()
            .map(|part| match part {
                Part::Stmt(statement) => statement,
                Part::Value(value) => Stmt { span: value.span.clone(), kind: StmtKind::Expr(value) },
            })
            .collect();
        Ok((statements, value))
    }

    fn part(&mut self) -> Parsed<Part> {
        let start = self.start();
        let word = if self.at(Kind::Ident) { self.nth_text(0) } else { "" };
        let kind = match word {
            "let" => self.let_statement()?,
            "send" | "timer" | "cancel" | "call" | "log" | "stop" | "for" => {
                self.node(Kind::StmtNode, |parser| parser.effect(word))?
            }
            _ => return Ok(Part::Value(self.expr()?)),
        };
        Ok(Part::Stmt(Stmt { kind, span: self.from(start) }))
    }

    fn let_statement(&mut self) -> Parsed<StmtKind> {
        let statement = self.node(Kind::StmtNode, |parser| {
            parser.bump();
            let pattern = parser.pattern();
            if pattern.is_err() && !parser.skip_to(&[Kind::Eq]) {
                return Err(Failed);
            }
            parser.expect(Kind::Eq, "`=`")?;
            let value = parser.expr()?;
            let otherwise = if parser.eat_word("else") {
                // After `else`, `{` is a block.
                Some(if parser.at(Kind::LBrace) { parser.block()? } else { parser.expr()? })
            } else {
                None
            };
            Ok(StmtKind::Let(pattern?, value, otherwise))
        })?;
        // A `let` that takes a value apart nests what follows it; given back at the block's end.
        if let StmtKind::Let(pattern, _, otherwise) = &statement
            && (otherwise.is_some() || !matches!(pattern.kind, PatternKind::Bind(_)))
        {
            self.depth += 1;
            if self.depth > NESTING_MAX {
                return Err(self.too_deep());
            }
        }
        Ok(statement)
    }

    fn effect(&mut self, word: &str) -> Parsed<StmtKind> {
        self.bump();
        Ok(match word {
            "send" => {
                let channel = self.ident("the name of a channel")?;
                let key = if self.at(Kind::LBracket) { Some(self.index_expr()?) } else { None };
                StmtKind::Send(channel, key, self.expr()?)
            }
            "timer" => {
                let name = self.expr()?;
                self.expect_word("after")?;
                let after = self.expr()?;
                self.expect(Kind::FatArrow, "`=>` and an input")?;
                StmtKind::Timer(name, after, self.expr()?)
            }
            "cancel" => StmtKind::Cancel(self.expr()?),
            "call" => {
                let port = self.ident("the name of a port")?;
                let key = if self.at(Kind::LBracket) { Some(self.index_expr()?) } else { None };
                StmtKind::Call(port, key, self.expr()?)
            }
            "log" => StmtKind::Log(self.expr()?),
            "stop" => StmtKind::Stop,
            _ => {
                let pattern = self.pattern()?;
                self.expect_word("in")?;
                let over = self.head()?;
                let body = self.block()?;
                let ExprKind::Block(mut statements, value) = body.kind else {
                    unreachable!("a block parses to a block")
                };
                if let Some(value) = value {
                    statements.push(Stmt { span: value.span.clone(), kind: StmtKind::Expr(*value) });
                }
                StmtKind::For(pattern, over?, statements)
            }
        })
    }
}
