//! Machine files.

use super::{Failed, Parsed, Parser, advice};
use crate::syntax::ast::{
    ChannelDecl, ConstDecl, File, FunctionDecl, Item, MachineFile, Name, OnDecl, PortDecl, TypeDecl,
    TypeExpr, TypesFile, TypesItem, UseDecl,
};
use crate::syntax::kind::Kind;
use crate::syntax::lexer::Token;

const ITEMS: [&str; 12] = [
    "config",
    "use",
    "type",
    "const",
    "channel",
    "port",
    "invariant",
    "init",
    "fn",
    "on",
    "test",
    "property",
];

/// What a type module may declare: nothing that has to do with one machine.
const TYPES_ITEMS: [&str; 4] = ["use", "type", "const", "fn"];

impl Parser<'_> {
    /// Parses the whole text.
    pub(super) fn file(&mut self) -> Option<File> {
        let file = if self.at_word("machine") {
            self.machine().map(File::Machine)
        } else if self.at_word("migration") {
            self.migration().map(File::Migration)
        } else if self.at_word("types") {
            self.types().map(File::Types)
        } else {
            let message = format!("expected `machine`, `migration` or `types`, found {}", self.found());
            let span = self.span();
            let help =
                "begin the file with `machine NAME`, `migration NAME from \"VERSION\"` or `types NAME`"
                    .to_owned();
            let help = advice::near(self.nth_text(0), &["machine", "migration", "types"]).unwrap_or(help);
            Err(self.error("E0110", span, message, "the first word of the file", Some(help)))
        };
        file.ok()
    }

    fn types(&mut self) -> Parsed<TypesFile> {
        let head = |parser: &mut Self| {
            parser.bump();
            parser.plain_name("the name of the module")
        };
        let (name, items) = self.head_and_items(head, Parser::types_item)?;
        Ok(TypesFile { name, items })
    }

    fn types_item(&mut self) -> Parsed<TypesItem> {
        let word = if self.at(Kind::Ident) { self.nth_text(0) } else { "" };
        match word {
            "use" => Ok(TypesItem::Use(self.use_decl()?)),
            "type" => Ok(TypesItem::Type(self.type_decl()?)),
            "const" => Ok(TypesItem::Const(self.constant()?)),
            "fn" => Ok(TypesItem::Function(self.function()?)),
            _ if ITEMS.contains(&word) => {
                let span = self.span();
                let message = format!("`{word}` belongs to one machine, and this module is for all");
                let help = format!("move it into a machine; a module has {}", TYPES_ITEMS.join(", "));
                // It is read to its end, so that what follows is told as well.
                let _ = self.item();
                Err(self.error("E0110", span, message, "not in a type module", Some(help)))
            }
            _ => Err(self.no_item(&TYPES_ITEMS)),
        }
    }

    /// Takes `use NAME`, with what is used of it in braces.
    pub(super) fn use_decl(&mut self) -> Parsed<UseDecl> {
        let start = self.start();
        self.bump();
        let module = self.plain_name("the name of a type module")?;
        let names = if self.at(Kind::LBrace) && !self.broken() {
            let open = self.bump();
            Some(self.with(true, false, |parser| {
                parser.members(open, Kind::RBrace, |parser| match parser.peek() {
                    Kind::TypeIdent => parser.name(Kind::TypeIdent, "a type"),
                    _ => parser.ident("the name of a type, constant or function"),
                })
            })?)
        } else {
            None
        };
        let span = self.from(start);
        if names.as_ref().is_some_and(Vec::is_empty) {
            let help = format!("name what you need, or write `use {}` for all of it", module.text);
            return Err(self.error("E0109", span, "nothing is used of this module", "empty", Some(help)));
        }
        Ok(UseDecl { module, names, span })
    }

    fn constant(&mut self) -> Parsed<ConstDecl> {
        self.bump();
        let name = self.ident("the name of the constant")?;
        let ty = if self.eat(Kind::Colon) { Some(self.type_expr()?) } else { None };
        self.expect(Kind::Eq, "`=`")?;
        Ok(ConstDecl { name, ty, value: self.expr()? })
    }

    fn machine(&mut self) -> Parsed<MachineFile> {
        let (head, items) = self.head_and_items(Parser::machine_head, Parser::item)?;
        let (name, key) = head;
        Ok(MachineFile { name, key, items })
    }

    fn machine_head(&mut self) -> Parsed<(Name, Option<TypeExpr>)> {
        self.bump();
        let name = self.plain_name("the name of the machine")?;
        let key = if self.eat_word("keyed") { Some(self.type_expr()?) } else { None };
        Ok((name, key))
    }

    /// Takes the first line of a file and all its items. Faults in one do not hide those in others.
    pub(super) fn head_and_items<H, I>(
        &mut self,
        head: impl FnOnce(&mut Self) -> Parsed<H>,
        mut item: impl FnMut(&mut Self) -> Parsed<I>,
    ) -> Parsed<(H, Vec<I>)> {
        let began = self.end;
        let head = head(self);
        let mut failed = head.is_err() || !self.ended(Kind::End, "line");
        if failed {
            self.recover(began, &[]);
        }
        let mut items = Vec::new();
        self.items(&mut failed, |parser| {
            items.push(parser.node(Kind::Item, |parser| item(parser))?);
            Ok(())
        });
        let head = head?;
        if failed { Err(Failed) } else { Ok((head, items)) }
    }

    /// Takes items to the end of the text.
    fn items(&mut self, failed: &mut bool, mut item: impl FnMut(&mut Self) -> Parsed<()>) {
        loop {
            while self.eat(Kind::Semicolon) {}
            if self.at(Kind::End) {
                break;
            }
            let (before, began) = (self.at, self.end);
            if item(self).is_err() || !self.ended(Kind::End, "item") {
                *failed = true;
                self.recover(began, &[]);
            }
            if self.at == before {
                self.bump();
            }
        }
    }

    fn item(&mut self) -> Parsed<Item> {
        let start = self.start();
        let word = if self.at(Kind::Ident) { self.nth_text(0) } else { "" };
        match word {
            "config" => {
                self.bump();
                let fields = self.fields()?;
                Ok(Item::Config(fields, self.from(start)))
            }
            "type" => Ok(Item::Type(self.type_decl()?)),
            "const" => Ok(Item::Const(self.constant()?)),
            "use" => Ok(Item::Use(self.use_decl()?)),
            "channel" => Ok(Item::Channel(self.channel()?)),
            "port" => Ok(Item::Port(self.port()?)),
            "invariant" => {
                self.bump();
                let text = self.plain_text("what holds, as a text in quotes")?;
                self.expect(Kind::Eq, "`=`")?;
                Ok(Item::Invariant(text, self.expr()?))
            }
            "init" => {
                self.bump();
                self.expect(Kind::Eq, "`=` and the first state")?;
                let body = self.expr()?;
                Ok(Item::Init(body, self.from(start)))
            }
            "fn" => Ok(Item::Function(self.function()?)),
            "on" => {
                self.bump();
                let pattern = self.pattern();
                if pattern.is_err() && !self.skip_to(&[Kind::FatArrow, Kind::LBrace]) {
                    return Err(Failed);
                }
                let body = if self.eat(Kind::FatArrow) { self.expr()? } else { self.block()? };
                Ok(Item::On(OnDecl { pattern: pattern?, body }))
            }
            "test" | "property" => Ok(Item::Test(self.test_decl()?)),
            _ => Err(self.no_item(&ITEMS)),
        }
    }

    pub(super) fn no_item(&mut self, words: &[&'static str]) -> Failed {
        let message = format!("expected an item, found {}", self.found());
        let span = self.span();
        let help = advice::near(self.nth_text(0), words)
            .or_else(|| self.foreign())
            .unwrap_or_else(|| format!("items begin with {}", words.join(", ")));
        self.error("E0110", span, message, "no item begins so", Some(help))
    }

    pub(super) fn type_decl(&mut self) -> Parsed<TypeDecl> {
        self.bump();
        let name = self.name(Kind::TypeIdent, "the name of the type, with a capital")?;
        self.expect(Kind::Eq, "`=`")?;
        let body = self.type_expr()?;
        Ok(TypeDecl { name, body })
    }

    fn channel(&mut self) -> Parsed<ChannelDecl> {
        self.bump();
        let name = self.ident("the name of the channel")?;
        self.expect(Kind::Eq, "`=`")?;
        let app = self.plain_name("the app of the receiver: `app/machine`")?;
        self.expect(Kind::Slash, "`/` and the machine of the receiver")?;
        let machine = self.plain_name("the machine of the receiver")?;
        let (message, answer) = self.message_and_answer()?;
        Ok(ChannelDecl { name, app, machine, message, answer })
    }

    fn port(&mut self) -> Parsed<PortDecl> {
        self.bump();
        let name = self.plain_name("the name of the port")?;
        let (message, answer) = self.message_and_answer()?;
        Ok(PortDecl { name, message, answer })
    }

    /// Takes `(Message) -> Answered`.
    fn message_and_answer(&mut self) -> Parsed<(TypeExpr, Option<Name>)> {
        let open = self.expect(Kind::LParen, "`(` and the type of the messages")?;
        let message = self.with(false, false, Parser::type_expr)?;
        self.close(open, Kind::RParen, false)?;
        let answer = if self.eat(Kind::Arrow) {
            Some(self.name(Kind::TypeIdent, "the case that takes the answers")?)
        } else {
            None
        };
        Ok((message, answer))
    }

    pub(super) fn function(&mut self) -> Parsed<FunctionDecl> {
        self.bump();
        let name = self.ident("the name of the function")?;
        let open = self.expect(Kind::LParen, "`(` and the parameters")?;
        let params = self.with(false, false, |parser| parser.params(open));
        self.expect(Kind::Arrow, "`->` and the result type")?;
        let result = self.with(true, true, Parser::type_expr);
        if result.is_err() && !self.skip_to(&[Kind::Eq, Kind::LBrace]) {
            return Err(Failed);
        }
        let body = if self.at(Kind::LBrace) {
            self.block()?
        } else {
            self.expect(Kind::Eq, "`=` or a block")?;
            self.expr()?
        };
        Ok(FunctionDecl { name, params: params?, result: result?, body })
    }

    /// Takes parameters with their types, up to the closing parenthesis.
    pub(super) fn params(&mut self, open: Token) -> Parsed<Vec<(Name, TypeExpr)>> {
        self.members(open, Kind::RParen, |parser| {
            let name = parser.ident("the name of a parameter")?;
            parser.expect(Kind::Colon, "`:` and a type")?;
            Ok((name, parser.type_expr()?))
        })
    }
}
