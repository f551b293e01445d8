//! Tests and properties.
//!
//! The words of their statements are words only where a statement begins, or where the one before
//! asks for them: everywhere else they are names like any other.

use super::{Failed, Parsed, Parser, advice};
use crate::syntax::ast::{Expr, Name};
use crate::syntax::kind::Kind;
use crate::syntax::lexer::Token;
use crate::syntax::suite::{Ends, Expected, Given, Observed, TestDecl, TestStmt, TestStmtKind};

/// Words that begin a statement of a test.
const STATEMENTS: [&str; 9] = ["run", "expect", "advance", "answer", "assume", "let", "if", "for", "fail"];

/// Words that begin an effect of a handler.
const EFFECTS: [&str; 6] = ["send", "timer", "cancel", "call", "log", "stop"];

/// Words that may follow `expect`, and `expect not`.
const OBSERVED: [&str; 5] = ["sent", "called", "logged", "timer", "stopped"];

impl Parser<'_> {
    /// Takes `test "name" with ... { ... }` or `property "name" (x: T) with ... { ... }`.
    pub(super) fn test_decl(&mut self) -> Parsed<TestDecl> {
        let start = self.start();
        let property = self.at_word("property");
        self.bump();
        let name = self.plain_text("the name of the test in quotes")?;
        let params = if property { Some(self.test_params()) } else { None };
        let given = self.given();
        if given.is_err() && !self.skip_to(&[Kind::LBrace]) {
            return Err(Failed);
        }
        let body = self.test_block()?;
        let params = params.transpose()?;
        Ok(TestDecl { name, params, given: given?, body, span: self.from(start) })
    }

    fn test_params(&mut self) -> Parsed<Vec<(Name, crate::syntax::ast::TypeExpr)>> {
        if !self.at(Kind::LParen) {
            return Ok(Vec::new());
        }
        let open = self.bump();
        self.with(false, false, |parser| parser.params(open))
    }

    /// Takes `with config { ... }, key "a"`, if it is there.
    fn given(&mut self) -> Parsed<Vec<Given>> {
        let mut given = Vec::new();
        if self.eat_word("with") {
            loop {
                let what = self.name(Kind::Ident, "`config`, `state`, `key`, `now` or `seed`")?;
                // A record may stand before the block here: nothing else can be meant by it.
                let record = self.at(Kind::LBrace) && self.record_ahead();
                let value = if record { self.record()? } else { self.with(true, true, Parser::expr)? };
                given.push(Given { what, value });
                if !self.eat(Kind::Comma) {
                    break;
                }
            }
        }
        Ok(given)
    }

    fn test_block(&mut self) -> Parsed<Vec<TestStmt>> {
        if !self.at(Kind::LBrace) {
            return Err(self.unexpected("`{` and the statements of the test"));
        }
        self.node(Kind::BlockNode, |parser| {
            let open = parser.bump();
            parser.with(true, false, |parser| parser.test_statements(open))
        })
    }

    /// Takes statements up to the closing brace, and the brace.
    fn test_statements(&mut self, open: Token) -> Parsed<Vec<TestStmt>> {
        let mut statements = Vec::new();
        let mut failed = false;
        loop {
            while self.eat(Kind::Semicolon) {}
            if self.at(Kind::RBrace) || self.at(Kind::End) || self.at_item() {
                break;
            }
            let (before, began) = (self.at, self.end);
            let start = self.start();
            match self.node(Kind::StmtNode, Parser::test_statement) {
                Ok(kind) => {
                    statements.push(TestStmt { kind, span: self.from(start) });
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
        if failed { Err(Failed) } else { Ok(statements) }
    }

    fn test_statement(&mut self) -> Parsed<TestStmtKind> {
        let word = if self.at(Kind::Ident) { self.nth_text(0) } else { "" };
        match word {
            "let" => {
                self.bump();
                let pattern = self.pattern();
                if pattern.is_err() && !self.skip_to(&[Kind::Eq]) {
                    return Err(Failed);
                }
                self.expect(Kind::Eq, "`=`")?;
                let value = self.expr()?;
                Ok(TestStmtKind::Let(pattern?, value))
            }
            "if" => self.test_if(),
            "for" if self.nth_word(1, "all") && self.nth_word(2, "inputs") => self.for_all(),
            "for" => {
                self.bump();
                let pattern = self.pattern()?;
                self.expect_word("in")?;
                let over = self.head()?;
                let body = self.test_block()?;
                Ok(TestStmtKind::For(pattern, over?, body))
            }
            "run" => {
                self.bump();
                let input = self.expr()?;
                Ok(TestStmtKind::Run(input, self.ends()?))
            }
            "advance" => {
                self.bump();
                let by = self.expr()?;
                Ok(TestStmtKind::Advance(by, self.ends()?))
            }
            "answer" => self.answer(true),
            "no" if self.nth_word(1, "answer") => {
                self.bump();
                self.answer(false)
            }
            "expect" => {
                self.bump();
                self.expectation()
            }
            "assume" => {
                self.bump();
                Ok(TestStmtKind::Assume(self.expr()?))
            }
            "fail" => {
                self.bump();
                Ok(TestStmtKind::Fail(self.expr()?))
            }
            _ => Err(self.no_test_statement(word)),
        }
    }

    fn no_test_statement(&mut self, word: &str) -> Failed {
        let span = self.span();
        if EFFECTS.contains(&word) {
            let help = "run an input whose `on` does it, then `expect` it: `expect sent ...`, \
                        `expect called ...`, `expect logged ...`, `expect timer ...`, `expect stopped`";
            let message = format!("a test has no effects, and `{word}` is one");
            return self.error("E0502", span, message, "not in a test", Some(help.to_owned()));
        }
        let message = format!("expected a statement of a test, found {}", self.found());
        let help = advice::near(word, &STATEMENTS).unwrap_or_else(|| {
            "a condition is written `expect CONDITION`; statements begin with `run`, `expect`, `advance`, \
             `answer`, `let`, `if`, `for` or `fail`"
                .to_owned()
        });
        self.error("E0501", span, message, "no statement begins so", Some(help))
    }

    fn test_if(&mut self) -> Parsed<TestStmtKind> {
        self.bump();
        let condition = self.head()?;
        let yes = self.test_block();
        let no = if !self.eat_word("else") {
            Ok(Vec::new())
        } else if self.at_word("if") {
            let start = self.start();
            let kind = self.node(Kind::StmtNode, Parser::test_if);
            kind.map(|kind| vec![TestStmt { kind, span: self.from(start) }])
        } else {
            self.test_block()
        };
        Ok(TestStmtKind::If(condition?, yes?, no?))
    }

    /// Takes `for all inputs may trap overflow, range { ... }`.
    fn for_all(&mut self) -> Parsed<TestStmtKind> {
        self.bump();
        self.bump();
        self.bump();
        let mut may_trap = Vec::new();
        if self.eat_word("may") {
            self.expect_word("trap")?;
            loop {
                may_trap.push(self.name(Kind::Ident, "the name of a trap: `overflow`, `range`")?);
                if !self.eat(Kind::Comma) {
                    break;
                }
            }
        }
        Ok(TestStmtKind::ForAll(may_trap, self.test_block()?))
    }

    fn answer(&mut self, given: bool) -> Parsed<TestStmtKind> {
        self.bump();
        let outlet = self.ident("the name of a channel or port")?;
        let key = self.key()?;
        let answer = if given { Some(self.expr()?) } else { None };
        Ok(TestStmtKind::Answer { outlet, key, answer, ends: self.ends()? })
    }

    /// Takes `[key]`, if it is there.
    fn key(&mut self) -> Parsed<Option<Expr>> {
        let there = self.at(Kind::LBracket) && !self.broken();
        if there { self.index_expr().map(Some) } else { Ok(None) }
    }

    /// Takes how a step ends. Its word may stand on the next line: nothing else begins so.
    fn ends(&mut self) -> Parsed<Ends> {
        if self.eat_word("gives") {
            return Ok(Ends::Gives(self.expr()?));
        }
        if self.at_word("fails") {
            let word = self.name(Kind::Ident, "`fails`")?;
            let why = self.unless_ended(Parser::expr)?;
            return Ok(Ends::Traps(Name { text: "fail".into(), span: word.span }, why));
        }
        if self.eat_word("traps") {
            let word = self.name(Kind::Ident, "the name of a trap: `overflow`, `range`")?;
            let text = self.unless_ended(Parser::expr)?;
            return Ok(Ends::Traps(word, text));
        }
        Ok(Ends::Well)
    }

    /// Returns true where a statement may end.
    fn at_end(&self) -> bool {
        matches!(self.peek(), Kind::RBrace | Kind::Semicolon | Kind::End) || self.broken()
    }

    fn unless_ended<T>(&mut self, part: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<Option<T>> {
        if self.at_end() { Ok(None) } else { part(self).map(Some) }
    }

    fn expectation(&mut self) -> Parsed<TestStmtKind> {
        // A variable may be called `sent` or `not`: with an operator behind it, it is one.
        if self.at_word("not") && !self.goes_on_as_expression() {
            self.bump();
            if OBSERVED.contains(&self.nth_text(0)) {
                return Ok(TestStmtKind::ExpectNot(self.observed()?));
            }
            let span = self.span();
            let message =
                format!("expected `sent`, `called`, `logged`, `timer` or `stopped`, found {}", self.found());
            let help = "a condition is denied with `!`: `expect !(a == b)`".to_owned();
            return Err(self.error("E0101", span, message, "not expected here", Some(help)));
        }
        let word = if self.at(Kind::Ident) { self.nth_text(0) } else { "" };
        if OBSERVED.contains(&word) && !self.goes_on_as_expression() {
            return Ok(TestStmtKind::Expect(Expected::Observed(self.observed()?)));
        }
        let value = self.expr()?;
        if !self.eat_word("is") {
            return Ok(TestStmtKind::Expect(Expected::Condition(value)));
        }
        let pattern = self.pattern()?;
        let guard = if self.eat_word("if") { Some(self.expr()?) } else { None };
        Ok(TestStmtKind::Expect(Expected::Is(value, pattern, guard)))
    }

    /// Returns true when what follows the next word makes that word a name in an expression.
    fn goes_on_as_expression(&self) -> bool {
        use Kind::{AndAnd, Dot, EqEq, Gt, GtEq, LBracket, LParen, Lt, LtEq, Minus, NotEq, OrOr};
        use Kind::{Percent, Plus, PlusPlus, Slash, Star};
        let operators = [
            Dot, LBracket, LParen, EqEq, NotEq, Lt, LtEq, Gt, GtEq, OrOr, AndAnd, PlusPlus, Plus, Minus,
            Star, Slash, Percent,
        ];
        operators.contains(&self.nth(1)) || self.nth_word(1, "is")
    }

    fn observed(&mut self) -> Parsed<Observed> {
        let word = self.nth_text(0);
        self.bump();
        Ok(match word {
            "sent" | "called" => {
                let what = if word == "sent" { "the name of a channel" } else { "the name of a port" };
                let outlet = self.unless_ended(|parser| parser.ident(what))?;
                let key = if outlet.is_some() { self.key()? } else { None };
                let message = if outlet.is_some() { self.unless_ended(Parser::expr)? } else { None };
                match word {
                    "sent" => Observed::Sent(outlet, key, message),
                    _ => Observed::Called(outlet, key, message),
                }
            }
            "logged" => Observed::Logged(self.unless_ended(Parser::expr)?),
            "timer" => {
                let name = self.unless_ended(Parser::expr)?;
                let after = if self.eat_word("after") { Some(self.expr()?) } else { None };
                let input = if self.eat(Kind::FatArrow) { Some(self.expr()?) } else { None };
                Observed::Timer(name, after, input)
            }
            _ => Observed::Stopped,
        })
    }
}
