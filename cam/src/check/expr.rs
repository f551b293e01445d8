//! Expressions.

use std::sync::Arc;

use super::{Bound, Checked, Checker, Reported, article};
use crate::diagnostic::{Span, did_you_mean};
use crate::hir::{Binary, Decision, Expr, ExprKind, Match, Step, Unary};
use crate::syntax::ast::{self, ExprKind as Ast, Name, Stmt, StmtKind, TextPiece};
use crate::ty::{Kind, Ty};
use crate::value::{Payload, Value};

impl Checker<'_> {
    /// Checks an expression. With `expected`, the result has exactly that type.
    pub(crate) fn expr(&mut self, expr: &ast::Expr, expected: Option<&Ty>) -> Checked<Expr> {
        let checked = self.expr_inner(expr, expected)?;
        match expected {
            Some(expected) => self.coerce(checked, expected),
            None => Ok(checked),
        }
    }

    fn expr_inner(&mut self, expr: &ast::Expr, expected: Option<&Ty>) -> Checked<Expr> {
        let span = &expr.span;
        // What is built here becomes secret as a whole.
        let held = expected.map(Ty::unsealed);
        let constant = |value, ty| Ok(Expr::new(ExprKind::Const(value), ty, span.clone()));
        match &expr.kind {
            Ast::Int(int) => constant(Value::Int(*int), Ty::int()),
            Ast::Duration(ms) => constant(Value::Int(*ms), Ty::duration()),
            Ast::Bool(bool) => constant(Value::Bool(*bool), Ty::bool()),
            Ast::Text(pieces) => self.text(pieces, span),
            Ast::Var(name) => self.variable(name, span),
            Ast::Case(name, payload) => self.case(name, payload.as_deref(), span, held),
            Ast::Tuple(items) => self.tuple(items, span, held),
            Ast::Record { base, fields } => self.record_expr(base.as_deref(), fields, span, held),
            Ast::List(items) => self.list(items, span, held),
            Ast::Map(entries) => self.map(entries, span, held),
            Ast::Field(base, name) => self.field(base, name, span),
            Ast::Index(base, index) => self.index(base, index, span),
            Ast::Call(name, args) => self.call(name, None, args, span, expected),
            Ast::Method(receiver, name, args) => self.call(name, Some(receiver), args, span, expected),
            Ast::Lambda(..) => {
                let diagnostic = self
                    .diagnostic("E0234", span, "a lambda stands alone", "not a value")
                    .help("lambdas are arguments of standard functions such as `map` and `fold`; name a function with `fn`");
                Err(self.fault(diagnostic))
            }
            Ast::Unary(op, operand) => self.unary(*op, operand, span),
            Ast::Binary(op, left, right) => self.binary(*op, left, right, span),
            Ast::If(condition, yes, no) => self.if_expr(condition, yes, no.as_deref(), span, expected),
            Ast::Match(scrutinee, arms) => self.match_expr(scrutinee, arms, span, expected),
            Ast::Block(statements, value) => {
                self.scoped(|checker| checker.block(statements, value.as_deref(), span, expected))
            }
            Ast::Hole => Err(self.hole(span, expected)),
            Ast::Fail(why) => {
                let why = self.expr(why, Some(&Ty::text()))?;
                let ty = expected.cloned().unwrap_or_else(Ty::unit);
                Ok(Expr { kind: ExprKind::Fail(Box::new(why)), ty, span: span.clone(), diverges: true })
            }
        }
    }

    /// Refuses a hole, with what belongs into it.
    fn hole(&mut self, span: &Span, expected: Option<&Ty>) -> Reported {
        let message = match expected {
            Some(ty) => format!("a hole is open: here belongs {}", article(&self.types.name(ty))),
            None => "a hole is open: here belongs a value".to_owned(),
        };
        let mut diagnostic = self.diagnostic("E0407", span, message, "to be written");
        diagnostic.help =
            expected.filter(|ty| ty.to_string() != self.types.name(ty)).map(|ty| format!("its type is {ty}"));
        self.fault(diagnostic)
    }

    fn text(&mut self, pieces: &[TextPiece], span: &Span) -> Checked<Expr> {
        let text =
            |text: &str, span: &Span| Expr::new(ExprKind::Const(Value::text(text)), Ty::text(), span.clone());
        let mut whole: Option<Expr> = None;
        let mut faulty = false;
        for piece in pieces {
            let piece = match piece {
                TextPiece::Lit(literal) => text(literal, span),
                TextPiece::Expr(expr) => match self.shown(expr) {
                    Ok(shown) => shown,
                    Err(Reported) => {
                        faulty = true;
                        continue;
                    }
                },
            };
            whole = Some(match whole {
                None => piece,
                Some(before) => Expr::new(
                    ExprKind::Binary(Binary::Cat, Box::new(before), Box::new(piece)),
                    Ty::text(),
                    span.clone(),
                ),
            });
        }
        if faulty { Err(Reported) } else { Ok(whole.unwrap_or_else(|| text("", span))) }
    }

    /// Writes a value as text.
    pub(super) fn shown(&mut self, expr: &ast::Expr) -> Checked<Expr> {
        let value = self.expr(expr, None)?;
        match value.ty.kind() {
            Kind::Text { max: None } => Ok(value),
            Kind::Text { .. } => self.coerce(value, &Ty::text()),
            Kind::Int { .. } | Kind::Bool | Kind::Duration => {
                let span = value.span.clone();
                let value = if value.ty.is_int() { self.coerce(value, &Ty::int())? } else { value };
                Ok(Expr::new(ExprKind::Unary(Unary::Show, Box::new(value)), Ty::text(), span))
            }
            _ if value.ty.holds_secret() => Err(self.unspeakable(&value.ty, "show", &expr.span)),
            _ => {
                let name = self.types.name(&value.ty);
                let diagnostic = self
                    .diagnostic(
                        "E0236",
                        &expr.span,
                        format!("{} cannot be written as text", article(&name)),
                        "only Int, Bool, Text and Duration can",
                    )
                    .help("pick the fields that matter, or use `match`");
                Err(self.fault(diagnostic))
            }
        }
    }

    fn variable(&mut self, name: &Arc<str>, span: &Span) -> Checked<Expr> {
        match self.lookup(name, span)? {
            Bound::Local(local, ty) => {
                if let Some(test) = &mut self.test {
                    test.see(name, local, &ty);
                }
                Ok(Expr::new(ExprKind::Local(local), ty, span.clone()))
            }
            Bound::Const(value, calls) => {
                // Whoever names a constant calls what it calls.
                self.calls.extend(calls);
                Ok(Expr { span: span.clone(), ..value })
            }
            Bound::Ctx => {
                let diagnostic = self
                    .diagnostic("E0237", span, "`ctx` is no value of its own", "a field is needed")
                    .help("it has `ctx.now`, `ctx.seq`, `ctx.self` and `ctx.seed`");
                Err(self.fault(diagnostic))
            }
            Bound::Faulty => Err(Reported),
        }
    }

    fn case(
        &mut self,
        name: &Name,
        payload: Option<&ast::Expr>,
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        if matches!(&*name.text, "Some" | "None")
            && expected.is_none_or(|ty| matches!(ty.kind(), Kind::Option(_)) || ty.as_variant().is_none())
        {
            return self.option(name, payload, span, expected);
        }
        let ty = match expected {
            Some(ty) if ty.as_variant().is_some() => ty.clone(),
            _ => self.variant_of_case(name)?,
        };
        let (index, payload_ty) = self.case_of(&ty, name)?;
        let payload = match (payload, payload_ty.kind()) {
            (None, Kind::Unit) => Expr::new(ExprKind::Const(Value::Unit), payload_ty, span.clone()),
            (None, _) => {
                let what = self.types.name(&payload_ty);
                return Err(self.plain(
                    "E0214",
                    span,
                    format!("`{}` holds {}", name.text, article(&what)),
                    "its value is missing",
                ));
            }
            (Some(payload), Kind::Unit) if !matches!(&payload.kind, Ast::Tuple(items) if items.is_empty()) => {
                return Err(self.plain(
                    "E0214",
                    &payload.span,
                    format!("`{}` holds nothing", name.text),
                    "a value too many",
                ));
            }
            (Some(payload), _) => self.expr(payload, Some(&payload_ty))?,
        };
        Ok(inject(index, payload, ty, span))
    }

    fn option(
        &mut self,
        name: &Name,
        payload: Option<&ast::Expr>,
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let item = match expected.map(Ty::kind) {
            Some(Kind::Option(item)) => Some(item.clone()),
            _ => None,
        };
        match (&*name.text, payload) {
            ("Some", Some(payload)) => {
                let payload = self.expr(payload, item.as_ref())?;
                let ty = self.option_of(payload.ty.clone(), span)?;
                Ok(inject(Value::SOME_INDEX, payload, ty, span))
            }
            ("Some", None) => Err(self.plain("E0214", span, "`Some` holds a value", "its value is missing")),
            (_, Some(payload)) => {
                Err(self.plain("E0214", &payload.span, "`None` holds nothing", "a value too many"))
            }
            (_, None) => match item {
                Some(item) => {
                    let ty = self.option_of(item, span)?;
                    Ok(Expr::new(ExprKind::Const(Value::none()), ty, span.clone()))
                }
                None => Err(self.unknown_type("None", span)),
            },
        }
    }

    pub(super) fn unknown_type(&mut self, what: &str, span: &Span) -> Reported {
        let diagnostic = self
            .diagnostic(
                super::UNKNOWN_TYPE,
                span,
                format!("the type of `{what}` is not known here"),
                "of which type?",
            )
            .help("use it where its place says the type: a field, a parameter, a result");
        self.fault(diagnostic)
    }

    /// Returns the index of a case of a variant, and the type of its payload.
    pub(super) fn case_of(&mut self, ty: &Ty, name: &Name) -> Checked<(u32, Ty)> {
        let cases = match ty.kind() {
            Kind::Option(item) => match &*name.text {
                "None" => return Ok((Value::NONE_INDEX, Ty::unit())),
                "Some" => return Ok((Value::SOME_INDEX, item.clone())),
                _ => &[][..],
            },
            Kind::Variant(variant) => &variant.cases,
            Kind::Secret(_) => {
                let found = self.types.name(ty);
                let message = format!("`{}` is a case, and this is {}", name.text, article(&found));
                return Err(self.about_secret("E0210", &name.span, message, "a secret, not a variant"));
            }
            _ => {
                let found = self.types.name(ty);
                return Err(self.plain(
                    "E0210",
                    &name.span,
                    format!("`{}` is a case, and this is {}", name.text, article(&found)),
                    "not a variant",
                ));
            }
        };
        if let Some(index) = cases.iter().position(|case| case.label == name.text) {
            let index32 = u32::try_from(index).expect("a variant has at most MEMBERS_MAX cases");
            return Ok((index32, cases[index].payload.clone()));
        }
        let whole = self.types.name(ty);
        let near = did_you_mean(&name.text, cases.iter().map(|case| &*case.label));
        let mut diagnostic = self.diagnostic(
            "E0208",
            &name.span,
            format!("`{whole}` has no case `{}`", name.text),
            "no such case",
        );
        diagnostic.help = Some(match near {
            Some(near) => format!("did you mean `{near}`?"),
            None if cases.is_empty() => "an Option has the cases `Some` and `None`".to_owned(),
            None => format!("it has {}", super::listed(cases.iter().map(|case| &*case.label))),
        });
        Err(self.fault(diagnostic))
    }

    fn tuple(&mut self, items: &[ast::Expr], span: &Span, expected: Option<&Ty>) -> Checked<Expr> {
        if items.is_empty() {
            return Ok(Expr::new(ExprKind::Const(Value::Unit), Ty::unit(), span.clone()));
        }
        let types = match expected.map(Ty::kind) {
            Some(Kind::Tuple(types)) if types.len() == items.len() => types.clone(),
            _ => Vec::new(),
        };
        let items: Vec<Checked<Expr>> =
            items.iter().enumerate().map(|(index, item)| self.expr(item, types.get(index))).collect();
        let items = items.into_iter().collect::<Checked<Vec<_>>>()?;
        let ty = self.build(Kind::Tuple(items.iter().map(|item| item.ty.clone()).collect()), span)?;
        Ok(product(items, ty, span))
    }

    fn list(&mut self, items: &[ast::Expr], span: &Span, expected: Option<&Ty>) -> Checked<Expr> {
        let mut item_ty = match expected.map(Ty::kind) {
            Some(Kind::List { item, .. }) => Some(item.clone()),
            _ => None,
        };
        let mut checked = Vec::new();
        let mut faulty = false;
        for item in items {
            let item =
                self.beside(faulty && item_ty.is_none(), |checker| checker.expr(item, item_ty.as_ref()));
            match item {
                Ok(item) => {
                    item_ty.get_or_insert_with(|| item.ty.clone());
                    checked.push(item);
                }
                Err(Reported) => faulty = true,
            }
        }
        if faulty {
            return Err(Reported);
        }
        let Some(item) = item_ty else {
            return Err(self.unknown_type("[]", span));
        };
        let ty = self.build(Kind::List { item, max: None }, span)?;
        let constants: Option<Vec<Value>> = checked.iter().map(|item| item.as_const().cloned()).collect();
        let kind = match constants {
            Some(values) => ExprKind::Const(Value::list(values)),
            None => ExprKind::List(checked),
        };
        Ok(Expr::new(kind, ty, span.clone()))
    }

    fn map(
        &mut self,
        entries: &[(ast::Expr, ast::Expr)],
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let (mut key_ty, mut value_ty) = match expected.map(Ty::kind) {
            Some(Kind::Map { key, value }) => (Some(key.clone()), Some(value.clone())),
            _ => (None, None),
        };
        let mut checked = Vec::new();
        let mut faulty = false;
        for (key, value) in entries {
            let key = self.expr(key, key_ty.as_ref());
            let value =
                self.beside(faulty && value_ty.is_none(), |checker| checker.expr(value, value_ty.as_ref()));
            match (key, value) {
                (Ok(key), Ok(value)) => {
                    key_ty.get_or_insert_with(|| key.ty.clone());
                    value_ty.get_or_insert_with(|| value.ty.clone());
                    checked.push((key, value));
                }
                _ => faulty = true,
            }
        }
        if faulty {
            return Err(Reported);
        }
        let (Some(key), Some(value)) = (key_ty, value_ty) else {
            return Err(self.unknown_type("[:]", span));
        };
        let ty = self.build(Kind::Map { key, value }, span)?;
        let constants: Option<Vec<(Value, Value)>> = checked
            .iter()
            .map(|(key, value)| Some((key.as_const()?.clone(), value.as_const()?.clone())))
            .collect();
        let kind = match constants {
            Some(entries) => ExprKind::Const(Value::map(entries)),
            None => ExprKind::MapOf(checked),
        };
        Ok(Expr::new(kind, ty, span.clone()))
    }

    fn index(&mut self, base: &ast::Expr, index: &ast::Expr, span: &Span) -> Checked<Expr> {
        let base = self.expr(base, None)?;
        let (key, item) = match base.ty.kind() {
            Kind::List { item, .. } => (Ty::int(), item.clone()),
            Kind::Map { key, value } => (key.clone(), value.clone()),
            Kind::Secret(_) => {
                let found = self.types.name(&base.ty);
                let message = format!("{} has no entries to look up", article(&found));
                return Err(self.about_secret("E0238", span, message, "what it holds is not at hand"));
            }
            _ => {
                let found = self.types.name(&base.ty);
                return Err(self.plain(
                    "E0238",
                    span,
                    format!("{} has no entries to look up", article(&found)),
                    "neither a Map nor a List",
                ));
            }
        };
        let index = self.expr(index, Some(&key))?;
        let ty = self.option_of(item, span)?;
        Ok(Expr::new(ExprKind::Binary(Binary::Get, Box::new(base), Box::new(index)), ty, span.clone()))
    }

    fn if_expr(
        &mut self,
        condition: &ast::Expr,
        yes: &ast::Expr,
        no: Option<&ast::Expr>,
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let condition = self.expr(condition, Some(&Ty::bool()));
        let Some(no) = no else {
            let yes = self.expr(yes, Some(&Ty::unit()));
            let nothing = Expr::new(ExprKind::Const(Value::Unit), Ty::unit(), span.clone());
            let kind = ExprKind::If(Box::new(condition?), Box::new(yes?), Box::new(nothing));
            return Ok(Expr::new(kind, Ty::unit(), span.clone()));
        };
        let (branches, ty) = self.branches(&[yes, no], expected)?;
        let [yes, no] = <[Expr; 2]>::try_from(branches).expect("two went in");
        let diverges = yes.diverges && no.diverges;
        let kind = ExprKind::If(Box::new(condition?), Box::new(yes), Box::new(no));
        Ok(Expr { kind, ty, span: span.clone(), diverges })
    }

    /// Checks alternatives that must agree in type.
    pub(super) fn branches(
        &mut self,
        branches: &[&ast::Expr],
        expected: Option<&Ty>,
    ) -> Checked<(Vec<Expr>, Ty)> {
        let mut expected = expected.cloned();
        let mut checked: Vec<Checked<Expr>> = Vec::new();
        for branch in branches {
            let faulty = expected.is_none() && checked.iter().any(Result::is_err);
            let branch = self.beside(faulty, |checker| checker.expr(branch, expected.as_ref()));
            if let (Ok(branch), None) = (&branch, &expected)
                && !branch.diverges
            {
                expected = Some(branch.ty.clone());
            }
            checked.push(branch);
        }
        let ty = expected.unwrap_or_else(Ty::unit);
        let checked = checked.into_iter().collect::<Checked<Vec<_>>>()?;
        let checked = checked.into_iter().map(|branch| self.coerce(branch, &ty)).collect::<Checked<_>>()?;
        Ok((checked, ty))
    }

    fn match_expr(
        &mut self,
        scrutinee: &ast::Expr,
        arms: &[ast::Arm],
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let scrutinee = self.expr(scrutinee, None)?;
        let root = self.fresh();
        let mut expected = expected.cloned();
        let mut patterns = Vec::new();
        let mut bodies = Vec::new();
        let mut faulty = false;
        for arm in arms {
            let result = self.scoped(|checker| {
                let pattern = checker.pattern(&arm.pattern, &scrutinee.ty);
                if pattern.is_err() {
                    checker.bind_faulty(&arm.pattern);
                }
                let guard =
                    arm.guard.as_ref().map(|guard| checker.expr(guard, Some(&Ty::bool()))).transpose();
                let body = checker.beside(faulty && expected.is_none(), |checker| {
                    checker.expr(&arm.body, expected.as_ref())
                });
                Ok::<_, Reported>((pattern?, guard?, body?))
            });
            match result {
                Ok((pattern, guard, body)) => {
                    if expected.is_none() && !body.diverges {
                        expected = Some(body.ty.clone());
                    }
                    patterns.push((pattern, guard.is_some(), arm.pattern.span.clone()));
                    bodies.push((guard, body));
                }
                Err(Reported) => faulty = true,
            }
        }
        if faulty {
            return Err(Reported);
        }
        let ty = expected.unwrap_or_else(Ty::unit);
        let arms = bodies
            .into_iter()
            .map(|(guard, body)| Ok((guard, self.coerce(body, &ty)?)))
            .collect::<Checked<Vec<_>>>()?;
        let tree = self.decide(&scrutinee.ty, root, patterns, span)?;
        let diverges = !arms.is_empty() && arms.iter().all(|(_, body)| body.diverges);
        let kind = ExprKind::Match(Box::new(Match { scrutinee, root, tree, arms }));
        Ok(Expr { kind, ty, span: span.clone(), diverges })
    }

    /// Checks a block. A `let` that takes a value apart stands around what follows it; everything
    /// else is a flat list of steps, so that a long block is no deep tree.
    pub(super) fn block(
        &mut self,
        statements: &[Stmt],
        value: Option<&ast::Expr>,
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let mut steps = Vec::new();
        let mut faulty = false;
        let mut end = None;
        for (index, statement) in statements.iter().enumerate() {
            match &statement.kind {
                StmtKind::Let(pattern, bound, otherwise) => {
                    if let (ast::PatternKind::Bind(name), None) = (&pattern.kind, otherwise) {
                        match self.expr(bound, None) {
                            Ok(bound) => {
                                let local = self.bind(name, bound.ty.clone());
                                steps.push(Step::Let(local, bound));
                            }
                            Err(Reported) => {
                                faulty = true;
                                self.bind_faulty(pattern);
                            }
                        }
                        continue;
                    }
                    let rest = &statements[index + 1..];
                    end =
                        Some(self.let_block(pattern, bound, otherwise.as_ref(), rest, value, span, expected));
                    break;
                }
                _ => match self.statement(statement) {
                    Ok(effect) => steps.push(Step::Do(effect)),
                    Err(Reported) => faulty = true,
                },
            }
        }
        let end = match end {
            Some(end) => end?,
            None => self.block_end(value, span, expected)?,
        };
        if faulty {
            return Err(Reported);
        }
        if steps.is_empty() {
            return Ok(end);
        }
        let diverges = end.diverges
            || steps.iter().any(|step| matches!(step, Step::Let(_, expr) | Step::Do(expr) if expr.diverges));
        let ty = end.ty.clone();
        Ok(Expr { kind: ExprKind::Block(steps, Box::new(end)), ty, span: span.clone(), diverges })
    }

    fn block_end(&mut self, value: Option<&ast::Expr>, span: &Span, expected: Option<&Ty>) -> Checked<Expr> {
        match (value, expected) {
            (Some(value), _) => self.expr(value, expected),
            (None, Some(expected)) if *expected != Ty::unit() => {
                let what = self.types.name(expected);
                let end = span.end.saturating_sub(1).max(span.start);
                let message = format!("this block must end in {}", article(&what));
                Err(self.plain("E0232", &(end..span.end), message, "it ends without a value"))
            }
            _ => Ok(Expr::new(ExprKind::Const(Value::Unit), Ty::unit(), span.clone())),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one `let`, and of what follows it")]
    fn let_block(
        &mut self,
        pattern: &ast::Pattern,
        bound: &ast::Expr,
        otherwise: Option<&ast::Expr>,
        rest: &[Stmt],
        value: Option<&ast::Expr>,
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let bound = self.expr(bound, None);
        let otherwise = otherwise.map(|otherwise| self.expr(otherwise, expected));
        let Ok(bound) = bound else {
            self.bind_faulty(pattern);
            let _ = self.block(rest, value, span, expected);
            return Err(Reported);
        };
        let checked = self.pattern(pattern, &bound.ty);
        if checked.is_err() {
            self.bind_faulty(pattern);
        }
        let rest = self.block(rest, value, span, expected);
        let (checked, rest) = (checked?, rest?);
        let root = self.fresh();
        let mut rows = vec![(checked, false, pattern.span.clone())];
        let mut arms = vec![rest];
        if let Some(otherwise) = otherwise {
            rows.push((super::pattern::Pat::Wild, false, pattern.span.clone()));
            arms.push(otherwise?);
        }
        let tree = self.decide_let(&bound.ty, root, rows, &pattern.span)?;
        let ty =
            arms.iter().find(|arm| !arm.diverges).map_or_else(|| arms[0].ty.clone(), |arm| arm.ty.clone());
        let diverges = arms.iter().all(|arm| arm.diverges);
        let arms = arms.into_iter().map(|arm| Ok((None, self.coerce(arm, &ty)?))).collect::<Checked<_>>()?;
        let kind = ExprKind::Match(Box::new(Match { scrutinee: bound, root, tree, arms }));
        Ok(Expr { kind, ty, span: span.clone(), diverges })
    }

    /// Wraps an expression so that parameters may be patterns: the pattern must always match.
    pub(super) fn destructure(
        &mut self,
        pattern: &ast::Pattern,
        local: crate::hir::Local,
        ty: &Ty,
        body: impl FnOnce(&mut Self) -> Checked<Expr>,
    ) -> Checked<Expr> {
        let checked = self.pattern(pattern, ty);
        if checked.is_err() {
            self.bind_faulty(pattern);
        }
        let body = body(self);
        let (checked, body) = (checked?, body?);
        let root = self.fresh();
        let tree = self.decide_let(ty, root, vec![(checked, false, pattern.span.clone())], &pattern.span)?;
        if let Decision::Arm(_, names) = &tree
            && names.is_empty()
        {
            return Ok(body);
        }
        let (result, span, diverges) = (body.ty.clone(), body.span.clone(), body.diverges);
        let scrutinee = Expr::new(ExprKind::Local(local), ty.clone(), pattern.span.clone());
        let kind = ExprKind::Match(Box::new(Match { scrutinee, root, tree, arms: vec![(None, body)] }));
        Ok(Expr { kind, ty: result, span, diverges })
    }

    /// Brings the names of a pattern into scope as faulty, so that their uses stay silent.
    pub(super) fn bind_faulty(&mut self, pattern: &ast::Pattern) {
        for name in super::pattern::names(pattern) {
            self.scopes.push((name, Bound::Faulty));
        }
    }
}

/// Makes a case, folded when its payload is constant.
pub(super) fn inject(index: u32, payload: Expr, ty: Ty, span: &Span) -> Expr {
    let diverges = payload.diverges;
    let kind = match payload.as_const() {
        Some(value) => ExprKind::Const(Value::Sum(index, Payload::new(value.clone()))),
        None => ExprKind::Inject(index, Box::new(payload)),
    };
    Expr { kind, ty, span: span.clone(), diverges }
}

/// Makes a tuple or record, folded when its members are constant.
pub(super) fn product(members: Vec<Expr>, ty: Ty, span: &Span) -> Expr {
    let diverges = members.iter().any(|member| member.diverges);
    let constants: Option<Vec<Value>> = members.iter().map(|member| member.as_const().cloned()).collect();
    let kind = match constants {
        Some(values) => ExprKind::Const(Value::product(values)),
        None => ExprKind::Product(members),
    };
    Expr { kind, ty, span: span.clone(), diverges }
}
