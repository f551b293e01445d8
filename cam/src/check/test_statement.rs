//! Statements of tests.

use super::outlet::OutletKind;
use super::pattern::Pat;
use super::test::Around;
use super::{Checked, Checker, Reported, article, listed};
use crate::diagnostic::{Span, did_you_mean};
use crate::hir::{Binary, Expr, ExprKind, Local, Match, Unary};
use crate::suite::script::{
    Condition, Ends, Fit, ForAll, Observed, Outlet, SiteId, Stmt, StmtKind, TrapWord, Use, payload,
};
use crate::syntax::ast::{self, BinaryOp, Name, Pattern};
use crate::syntax::suite::{self, TestStmt, TestStmtKind};
use crate::ty::{Kind, Ty};
use crate::value::Value;

/// Whether a pattern may leave values out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cover {
    Always,
    Maybe,
    NeverAlways,
}

impl Checker<'_> {
    /// Checks the statements of a block. What it binds ends with it.
    pub(super) fn test_block(&mut self, body: &[TestStmt], around: &Around<'_>) -> Checked<Vec<Stmt>> {
        self.scoped(|checker| {
            let checked: Vec<Checked<Stmt>> = body
                .iter()
                .map(|statement| {
                    let kind = checker.test_statement(statement, around)?;
                    Ok(kind.into_iter().map(|kind| Stmt { kind, span: statement.span.clone() }).collect())
                })
                .flat_map(|checked: Checked<Vec<Stmt>>| match checked {
                    Ok(statements) => statements.into_iter().map(Ok).collect(),
                    Err(Reported) => vec![Err(Reported)],
                })
                .collect();
            checked.into_iter().collect()
        })
    }

    fn test_statement(&mut self, statement: &TestStmt, around: &Around<'_>) -> Checked<Vec<StmtKind>> {
        let one = |kind| Ok(vec![kind]);
        match &statement.kind {
            TestStmtKind::Let(pattern, value) => {
                let value = self.site(value, None);
                let Ok(value) = value else {
                    self.bind_faulty(pattern);
                    return Err(Reported);
                };
                let fit = self.fit(pattern, value, None, Cover::Maybe)?;
                one(StmtKind::Let(value, fit))
            }
            TestStmtKind::If(condition, yes, no) => {
                let condition = self.site(condition, Some(&Ty::bool()));
                let (yes, no) = (self.test_block(yes, around), self.test_block(no, around));
                one(StmtKind::If(condition?, yes?, no?))
            }
            TestStmtKind::For(pattern, over, body) => {
                self.test_for(pattern, over, body, around).map(|kind| vec![kind])
            }
            TestStmtKind::ForAll(may_trap, body) => {
                self.for_all(may_trap, body, &statement.span, around).map(|kind| vec![kind])
            }
            TestStmtKind::Run(input, ends) => {
                let input = self.run_input(input, around);
                let ends = self.ends(ends, Some(around.output), around);
                one(StmtKind::Run(input?, ends?))
            }
            TestStmtKind::Advance(by, ends) => {
                let by = self.site(by, Some(&Ty::duration()));
                let ends = self.ends(ends, None, around);
                one(StmtKind::Advance(by?, ends?))
            }
            TestStmtKind::Answer { outlet, key, answer, ends } => {
                let checked = self.test_answer(outlet, key.as_ref(), answer.as_ref(), around);
                let ends = self.ends(ends, None, around);
                let (outlet, key, answer) = checked?;
                one(StmtKind::Answer { outlet, key, answer, ends: ends? })
            }
            TestStmtKind::Expect(suite::Expected::Condition(condition)) => self.conditions(condition),
            TestStmtKind::Expect(suite::Expected::Is(value, pattern, guard)) => {
                let value = self.site(value, None)?;
                let fit =
                    self.scoped(|checker| checker.fit(pattern, value, guard.as_ref(), Cover::NeverAlways))?;
                one(StmtKind::Is(value, fit))
            }
            TestStmtKind::Expect(suite::Expected::Observed(what)) => {
                one(StmtKind::Observed(self.observed(what, around)?))
            }
            TestStmtKind::ExpectNot(what) => one(StmtKind::NotObserved(self.observed(what, around)?)),
            TestStmtKind::Assume(condition) => {
                if !self.testing().property {
                    let diagnostic = self
                        .diagnostic(
                            "E0504",
                            &statement.span,
                            "`assume` stands in a property only",
                            "this is a test",
                        )
                        .help("in a test everything is known: write `expect`");
                    return Err(self.fault(diagnostic));
                }
                one(StmtKind::Assume(self.site(condition, Some(&Ty::bool()))?))
            }
            TestStmtKind::Fail(why) => one(StmtKind::Fail(self.site(why, Some(&Ty::text()))?)),
        }
    }

    /// Checks a pattern for the value of a site, and brings its names into scope.
    fn fit(
        &mut self,
        pattern: &Pattern,
        value: SiteId,
        guard: Option<&ast::Expr>,
        cover: Cover,
    ) -> Checked<Fit> {
        let ty = self.site_ty(value);
        self.fit_type(pattern, &ty, guard, cover)
    }

    fn fit_type(
        &mut self,
        pattern: &Pattern,
        ty: &Ty,
        guard: Option<&ast::Expr>,
        cover: Cover,
    ) -> Checked<Fit> {
        let span = &pattern.span;
        let depth = self.scopes.len();
        let Ok(checked) = self.pattern(pattern, ty) else {
            self.bind_faulty(pattern);
            return Err(Reported);
        };
        let names: Vec<Use> = self.scopes[depth..]
            .iter()
            .filter_map(|(name, bound)| match bound {
                super::Bound::Local(local, ty) => {
                    Some(Use { name: name.clone(), local: *local, ty: ty.clone() })
                }
                _ => None,
            })
            .collect();
        let guard = guard.map(|guard| self.test_expr(guard, Some(&Ty::bool()))).transpose()?;
        let mut uses = if guard.is_some() { self.seen_uses() } else { Vec::new() };
        let subject = self.fresh();
        uses.push(Use { name: "".into(), local: subject, ty: ty.clone() });
        let site = self.fit_site(checked, &names, ty, guard, subject, cover, span)?;
        let site = self.add_site_of(site, uses)?;
        for name in &names {
            self.keep(name.local);
        }
        Ok(Fit { subject, site, names })
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one choice")]
    fn fit_site(
        &mut self,
        pattern: Pat,
        names: &[Use],
        ty: &Ty,
        guard: Option<Expr>,
        subject: Local,
        cover: Cover,
        span: &Span,
    ) -> Checked<Expr> {
        let bound = payload(names).map_err(|error| self.type_fault(&error, span))?;
        let option = self.option_of(bound.clone(), span)?;
        let part = |name: &Use| Expr::new(ExprKind::Local(name.local), name.ty.clone(), span.clone());
        let some = match names {
            [] => Expr::new(ExprKind::Const(Value::Unit), bound, span.clone()),
            [one] => part(one),
            many => super::expr::product(many.iter().map(part).collect(), bound, span),
        };
        let some = super::expr::inject(Value::SOME_INDEX, some, option.clone(), span);
        let none = Expr::new(ExprKind::Const(Value::none()), option.clone(), span.clone());
        let root = self.fresh();
        let first = (pattern, guard.is_some(), span.clone());
        let rows = vec![first.clone(), (Pat::Wild, false, span.clone())];
        let (tree, _, unused) = self.tree_of(ty, root, &rows, span)?;
        if unused.contains(&0) && !matches!(cover, Cover::Always) {
            let label = format!("no value of `{}` matches it", self.types.name(ty));
            return Err(self.plain("E0222", span, "this pattern never matches", label));
        }
        let always = unused.contains(&1);
        let (tree, arms) = match (cover, always) {
            (Cover::NeverAlways, true) => {
                let diagnostic = self
                    .diagnostic("E0508", span, "this pattern matches every value", "it cannot fail")
                    .help("name what the value is to be, or leave the statement out");
                return Err(self.fault(diagnostic));
            }
            (_, true) | (Cover::Always, false) => {
                (self.decide_let(ty, root, vec![first], span)?, vec![(None, some)])
            }
            _ => (tree.ok_or(Reported)?, vec![(guard, some), (None, none)]),
        };
        let scrutinee = Expr::new(ExprKind::Local(subject), ty.clone(), span.clone());
        Ok(Expr::new(ExprKind::Match(Box::new(Match { scrutinee, root, tree, arms })), option, span.clone()))
    }

    fn test_for(
        &mut self,
        pattern: &Pattern,
        over: &ast::Expr,
        body: &[TestStmt],
        around: &Around<'_>,
    ) -> Checked<StmtKind> {
        let over_site = self.site(over, None)?;
        let ty = self.site_ty(over_site);
        let item = match ty.kind() {
            Kind::List { item, .. } => item.clone(),
            Kind::Map { key, value } => {
                self.build(Kind::Tuple(vec![key.clone(), value.clone()]), &over.span)?
            }
            _ => {
                let found = self.types.name(&ty);
                let message = format!("`for` goes over a List or a Map, and this is {}", article(&found));
                return Err(self.plain("E0238", &over.span, message, "nothing to go over"));
            }
        };
        self.scoped(|checker| {
            let fit = checker.fit_type(pattern, &item, None, Cover::Always);
            let body = checker.test_block(body, around);
            Ok(StmtKind::For(over_site, fit?, body?))
        })
    }

    fn for_all(
        &mut self,
        may_trap: &[Name],
        body: &[TestStmt],
        span: &Span,
        around: &Around<'_>,
    ) -> Checked<StmtKind> {
        let here = span.start..span.start + "for all inputs".len();
        let reason = if !self.testing().property {
            Some(("`for all inputs` stands in a property only", "this is a test"))
        } else if self.testing().within_all.is_some() {
            Some(("one `for all inputs` stands in another", "inputs are being generated already"))
        } else {
            None
        };
        if let Some((message, label)) = reason {
            let help = "write `property \"...\" { for all inputs { ... } }`";
            let diagnostic = self.diagnostic("E0504", &here, message, label).help(help);
            return Err(self.fault(diagnostic));
        }
        self.testing().alls += 1;
        self.testing().within_all = Some(here.clone());
        let words: Vec<Checked<TrapWord>> = may_trap.iter().map(|word| self.trap_word(word)).collect();
        let checked = self.scoped(|checker| {
            let input = checker.test_name("input", around.input);
            let before = checker.test_name("before", around.state);
            let maybe = checker.option_of(around.output.clone(), &here)?;
            let output = checker.test_name("output", &maybe);
            let body = checker.test_block(body, around)?;
            Ok((input, before, output, body))
        });
        self.testing().within_all = None;
        let may_trap = words.into_iter().collect::<Checked<Vec<_>>>()?;
        let (input, before, output, body) = checked?;
        Ok(StmtKind::ForAll(ForAll { may_trap, input, before, output, body }))
    }

    fn run_input(&mut self, input: &ast::Expr, around: &Around<'_>) -> Checked<SiteId> {
        let checked = self.test_expr(input, Some(around.input))?;
        if let ast::ExprKind::Case(name, _) = &input.kind
            && let Some(index) = around.input.as_variant().and_then(|variant| variant.index(&name.text))
            && around.internal[index]
        {
            let diagnostic = self
                .diagnostic("E0503", &name.span, format!("`{}` is internal", name.text), "never from outside")
                .help("timers fire with `advance DURATION`, answers come with `answer channel[key] VALUE`");
            return Err(self.fault(diagnostic));
        }
        self.add_site(checked)
    }

    /// Checks how a step is to end. `output`: what it can give.
    fn ends(&mut self, ends: &suite::Ends, output: Option<&Ty>, around: &Around<'_>) -> Checked<Ends> {
        match ends {
            suite::Ends::Well => Ok(Ends::Well),
            suite::Ends::Gives(value) => match output {
                Some(output) => Ok(Ends::Gives(self.site(value, Some(output))?, value.span.clone())),
                None => {
                    let _ = self.site(value, Some(around.output));
                    let diagnostic = self
                        .diagnostic("E0503", &value.span, "internal inputs give no answer", "nobody gets one")
                        .help("say what the state is then: `expect state == ...`");
                    Err(self.fault(diagnostic))
                }
            },
            suite::Ends::Traps(word, text) => {
                let trap = self.trap_word(word);
                let text_site = text.as_ref().map(|text| self.site(text, Some(&Ty::text()))).transpose();
                let trap = trap?;
                if let Some(text) = text
                    && !matches!(trap, TrapWord::Fail | TrapWord::Invariant)
                {
                    let message = format!("the trap `{}` has no text", trap.word());
                    let diagnostic = self
                        .diagnostic("E0507", &text.span, message, "a text too many")
                        .help("only `fails \"why\"` and `traps invariant \"what\"` have one");
                    return Err(self.fault(diagnostic));
                }
                Ok(Ends::Traps(trap, text_site?))
            }
        }
    }

    fn trap_word(&mut self, name: &Name) -> Checked<TrapWord> {
        if let Some(trap) = TrapWord::of_word(&name.text) {
            return Ok(trap);
        }
        let help = match did_you_mean(&name.text, TrapWord::words()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("a step traps {}", listed(TrapWord::words())),
        };
        let message = format!("there is no trap `{}`", name.text);
        let diagnostic = self.diagnostic("E0507", &name.span, message, "not a trap").help(help);
        Err(self.fault(diagnostic))
    }

    fn test_answer(
        &mut self,
        name: &Name,
        key: Option<&ast::Expr>,
        answer: Option<&ast::Expr>,
        around: &Around<'_>,
    ) -> Checked<(Outlet, Option<SiteId>, Option<SiteId>)> {
        let kind = self.outlet_kind(name).unwrap_or(OutletKind::Channel);
        let index = self.observed_outlet(kind, name, key.is_some(), false)?;
        let key = key.map(|key| self.site(key, Some(&Ty::text()))).transpose()?;
        let (outlet, declared, how) = match kind {
            OutletKind::Channel => (
                Outlet::Channel(index),
                &around.channels[index as usize].answer,
                "channel NAME = app/machine(Message)",
            ),
            OutletKind::Port => {
                (Outlet::Port(index), &around.ports[index as usize].answer, "port NAME(Message)")
            }
        };
        let Some((_, ty)) = declared else {
            let message = format!("nothing is answered on `{}`", name.text);
            let help = format!(
                "declare the input that takes answers: `{} -> Answered`",
                how.replace("NAME", &name.text)
            );
            let diagnostic = self.diagnostic("E0509", &name.span, message, "nothing comes back").help(help);
            return Err(self.fault(diagnostic));
        };
        let answer = answer.map(|answer| self.site(answer, Some(ty))).transpose()?;
        Ok((outlet, key, answer))
    }

    /// Checks what is expected to have been sent or called.
    fn emitted(
        &mut self,
        kind: OutletKind,
        name: Option<&Name>,
        key: Option<&ast::Expr>,
        message: Option<&ast::Expr>,
        around: &Around<'_>,
    ) -> Checked<(Option<Outlet>, Option<SiteId>, Option<SiteId>)> {
        let Some(name) = name else { return Ok((None, None, None)) };
        let index = self.observed_outlet(kind, name, key.is_some(), true)?;
        let (outlet, ty) = match kind {
            OutletKind::Channel => (Outlet::Channel(index), &around.channels[index as usize].message),
            OutletKind::Port => (Outlet::Port(index), &around.ports[index as usize].message),
        };
        let key = key.map(|key| self.site(key, Some(&Ty::text()))).transpose();
        let message = message.map(|message| self.site(message, Some(ty))).transpose();
        Ok((Some(outlet), key?, message?))
    }

    fn observed(&mut self, what: &suite::Observed, around: &Around<'_>) -> Checked<Observed> {
        Ok(match what {
            suite::Observed::Sent(name, key, message) => {
                let kind = OutletKind::Channel;
                let (outlet, key, message) =
                    self.emitted(kind, name.as_ref(), key.as_ref(), message.as_ref(), around)?;
                Observed::Sent(outlet, key, message)
            }
            suite::Observed::Called(name, key, message) => {
                let kind = OutletKind::Port;
                let (outlet, key, message) =
                    self.emitted(kind, name.as_ref(), key.as_ref(), message.as_ref(), around)?;
                Observed::Called(outlet, key, message)
            }
            suite::Observed::Logged(line) => {
                Observed::Logged(line.as_ref().map(|line| self.site(line, Some(&Ty::text()))).transpose()?)
            }
            suite::Observed::Timer(name, after, input) => {
                let name = name.as_ref().map(|name| self.site(name, Some(&Ty::text()))).transpose();
                let after = after.as_ref().map(|after| self.site(after, Some(&Ty::duration()))).transpose();
                let input = input.as_ref().map(|input| self.site(input, Some(around.input))).transpose();
                Observed::Timer(name?, after?, input?)
            }
            suite::Observed::Stopped => Observed::Stopped,
        })
    }

    /// Takes a condition apart at its `&&`, so that a failure says which part does not hold.
    fn conditions(&mut self, condition: &ast::Expr) -> Checked<Vec<StmtKind>> {
        if let ast::ExprKind::Binary(BinaryOp::And, left, right) = &condition.kind {
            let (left, right) = (self.conditions(left), self.conditions(right));
            let mut all = left?;
            all.extend(right?);
            return Ok(all);
        }
        let checked = self.test_expr(condition, Some(&Ty::bool()))?;
        if checked.as_const() == Some(&Value::Bool(true)) {
            let diagnostic = self
                .diagnostic("E0508", &condition.span, "this condition always holds", "it cannot fail")
                .help("say what is to be so, or leave the statement out");
            return Err(self.fault(diagnostic));
        }
        let uses = self.seen_uses();
        let sides = match compared(condition, &checked) {
            Some((left, right)) => {
                let spans = [left.span.clone(), right.span.clone()];
                let left = self.add_site_of(left.clone(), uses.clone())?;
                let right = self.add_site_of(right.clone(), uses.clone())?;
                let [left_span, right_span] = spans;
                Some([(left, left_span), (right, right_span)])
            }
            None => None,
        };
        let site = self.add_site_of(checked, uses)?;
        Ok(vec![StmtKind::Condition(Condition { site, span: condition.span.clone(), sides })])
    }
}

/// Returns the two sides of a comparison.
fn compared<'e>(condition: &ast::Expr, checked: &'e Expr) -> Option<(&'e Expr, &'e Expr)> {
    let ast::ExprKind::Binary(op, ..) = &condition.kind else { return None };
    let is_comparison =
        matches!(op, BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge);
    let plain = match &checked.kind {
        ExprKind::Unary(Unary::Not, inner) => &inner.kind,
        kind => kind,
    };
    match plain {
        ExprKind::Binary(Binary::Eq | Binary::Lt | Binary::Le, left, right) if is_comparison => {
            Some((left, right))
        }
        _ => None,
    }
}
