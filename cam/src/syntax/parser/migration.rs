//! Migration files.

use super::{Failed, Parsed, Parser};
use crate::diagnostic::Span;
use crate::syntax::ast::{Expr, MigrationFile, MigrationItem, Name, Pattern, Text};
use crate::syntax::kind::Kind;

const ITEMS: [&str; 13] =
    ["use", "up", "down", "keep", "lift", "unlift", "lower", "raise", "rename", "drop", "add", "fn", "type"];

impl Parser<'_> {
    pub(super) fn migration(&mut self) -> Parsed<MigrationFile> {
        let (head, items) = self.head_and_items(Parser::migration_head, Parser::migration_item)?;
        let (machine, from) = head;
        Ok(MigrationFile { machine, from, items })
    }

    fn migration_head(&mut self) -> Parsed<(Name, Text)> {
        self.bump();
        let machine = self.plain_name("the name of the machine")?;
        self.expect_word("from")?;
        let from = self.plain_text("the version that it comes from in quotes")?;
        Ok((machine, from))
    }

    fn migration_item(&mut self) -> Parsed<MigrationItem> {
        let start = self.start();
        let word = if self.at(Kind::Ident) { self.nth_text(0) } else { "" };
        match word {
            "fn" => return Ok(MigrationItem::Function(self.function()?)),
            "type" => return Ok(MigrationItem::Type(self.type_decl()?)),
            "use" => return Ok(MigrationItem::Use(self.use_decl()?)),
            _ if !ITEMS.contains(&word) => return Err(self.no_item(&ITEMS)),
            _ => self.bump(),
        };
        Ok(match word {
            "up" => {
                let (pattern, body) = self.whole()?;
                MigrationItem::Up(pattern, body, self.from(start))
            }
            "down" => {
                let (pattern, body) = self.whole()?;
                MigrationItem::Down(pattern, body, self.from(start))
            }
            "keep" => {
                let (pattern, body) = self.whole()?;
                MigrationItem::Keep(pattern, body, self.from(start))
            }
            "rename" => {
                let path = self.path()?;
                self.expect_word("to")?;
                let name = match self.peek() {
                    Kind::TypeIdent => self.name(Kind::TypeIdent, "the new name")?,
                    _ => self.name(Kind::Ident, "the new name")?,
                };
                MigrationItem::Rename(path, name, self.from(start))
            }
            "drop" => {
                let path = self.path()?;
                let other = if self.eat_word("else") { Some(self.expr()?) } else { None };
                MigrationItem::Drop(path, other, self.from(start))
            }
            "add" => {
                let path = self.path()?;
                self.expect(Kind::Eq, "`=` and a value")?;
                let value = self.expr()?;
                let span: Span = self.from(start);
                MigrationItem::Add(path, value, span)
            }
            _ => {
                let pattern = self.pattern();
                if pattern.is_err() && !self.skip_to(&[Kind::FatArrow]) {
                    return Err(Failed);
                }
                self.expect(Kind::FatArrow, "`=>`")?;
                let body = self.expr()?;
                let pattern = pattern?;
                match word {
                    "lift" => MigrationItem::Lift(pattern, body),
                    "unlift" => MigrationItem::Unlift(pattern, body),
                    "lower" => MigrationItem::Lower(pattern, body),
                    _ => MigrationItem::Raise(pattern, body),
                }
            }
        })
    }

    /// Takes `(pattern) = body`.
    fn whole(&mut self) -> Parsed<(Pattern, Expr)> {
        if !self.at(Kind::LParen) {
            return Err(self.unexpected("`(` and a name for the value"));
        }
        let pattern = self.pattern()?;
        let body = if self.at(Kind::LBrace) {
            self.block()?
        } else {
            self.expect(Kind::Eq, "`=` or a block")?;
            self.expr()?
        };
        Ok((pattern, body))
    }

    /// Takes `Type.field`.
    fn path(&mut self) -> Parsed<Vec<Name>> {
        let mut path = vec![self.name(Kind::TypeIdent, "the name of a type")?];
        while self.eat(Kind::Dot) {
            path.push(match self.peek() {
                Kind::TypeIdent => self.name(Kind::TypeIdent, "a case")?,
                _ => self.name(Kind::Ident, "a field")?,
            });
        }
        Ok(path)
    }
}
