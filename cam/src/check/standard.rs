//! The basic standard functions on options, texts, bytes, numbers and anything; those on lists and
//! maps are in [`super::items`], those that are defined by others in [`super::definition`].

use super::expr::inject;
use super::make::{binary, choose_by, empty, field, truth};
use super::operator::{unary, widened};
use super::{Checked, Checker, article};
use crate::diagnostic::Span;
use crate::hir::{Binary, Expr, ExprKind, Local, Unary};
use crate::standard::{self, On, Standard};
use crate::syntax::ast::{self, Name};
use crate::ty::{Kind, Ty};
use crate::value::Value;

/// A call of a standard function whose name and number of arguments are right.
pub(super) struct Use<'c> {
    pub(super) standard: &'static Standard,
    pub(super) args: &'c [&'c ast::Expr],
    pub(super) span: &'c Span,
    /// What its place asks for, where it is known.
    pub(super) expected: Option<&'c Ty>,
}

impl Checker<'_> {
    pub(super) fn standard(
        &mut self,
        name: &Name,
        subject: Expr,
        args: &[&ast::Expr],
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let on = On::of(&subject.ty);
        let rows: Vec<_> = standard::on(on).filter(|standard| standard.name() == &*name.text).collect();
        let Some(first) = rows.first() else {
            return Err(self.no_function(name, Some(&subject.ty)));
        };
        let takes = first.params().count();
        if args.len() != takes {
            let message = format!("`{}` is used as `{}`", name.text, first.form);
            return Err(self.plain("E0214", span, message, "not the right number of arguments"));
        }
        let fits = |standard: &&&'static Standard| match subject.ty.kind() {
            Kind::List { item, .. } => standard.items.admit(item),
            _ => true,
        };
        let Some(standard) = rows.iter().find(fits) else {
            return Err(self.wrong_items(name, &rows, &subject.ty, span));
        };
        if matches!(standard.name(), "hash" | "show") && subject.ty.holds_secret() {
            return Err(self.unspeakable(&subject.ty, standard.name(), span));
        }
        let call = Use { standard, args, span, expected };
        let wide = widened(&subject.ty);
        let subject = self.coerce(subject, &wide)?;
        if standard.definition.is_some() {
            return self.defined(&call, subject);
        }
        match standard.on {
            On::List => self.on_list(&call, subject),
            On::Map => self.on_map(&call, subject),
            On::Option => self.on_option(&call, subject),
            On::Int | On::Duration => self.on_number(&call, subject),
            On::Text | On::Bytes => self.on_text(&call, subject),
            On::Secret => {
                let held = subject.ty.unsealed().clone();
                Ok(unary(Unary::Reveal, subject, held, span))
            }
            On::Anything => self.on_anything(&call, subject),
        }
    }

    fn wrong_items(
        &mut self,
        name: &Name,
        rows: &[&'static Standard],
        subject: &Ty,
        span: &Span,
    ) -> super::Reported {
        let wanted: Vec<String> = rows.iter().map(|row| format!("a List of {}", row.items.words())).collect();
        let found = self.types.name(subject);
        let message =
            format!("`{}` works on {}, and this is {}", name.text, wanted.join(" or "), article(&found));
        let diagnostic = self
            .diagnostic("E0260", span, message, "not on these items")
            .help("make such items first: `l.map(x -> ...)`");
        self.fault(diagnostic)
    }

    fn on_anything(&mut self, call: &Use<'_>, subject: Expr) -> Checked<Expr> {
        let span = call.span;
        match (call.standard.name(), call.args) {
            ("hash", _) => Ok(unary(Unary::Hash, subject, Ty::bytes(), span)),
            ("iterate", [times, body]) => {
                let always = |_: &mut Self, _| Ok(truth(true, span));
                self.repeated(call, subject, times, always, body)
            }
            ("iterate_while", [times, test, body]) => {
                let test = |checker: &mut Self, param: (Local, Ty)| {
                    checker.lambda(test, &[param], Some(&Ty::bool()))
                };
                self.repeated(call, subject, times, test, body)
            }
            _ => self.show(subject, span),
        }
    }

    fn show(&mut self, subject: Expr, span: &Span) -> Checked<Expr> {
        if matches!(subject.ty.kind(), Kind::Bool | Kind::Duration | Kind::Int { .. } | Kind::Text { .. }) {
            return Ok(unary(Unary::Show, subject, Ty::text(), span));
        }
        let found = self.types.name(&subject.ty);
        let message = format!("{} cannot be written as text", article(&found));
        Err(self.plain("E0236", span, message, "only Int, Bool, Text and Duration can"))
    }

    fn repeated(
        &mut self,
        call: &Use<'_>,
        start: Expr,
        times: &ast::Expr,
        test: impl FnOnce(&mut Self, (Local, Ty)) -> Checked<Expr>,
        body: &ast::Expr,
    ) -> Checked<Expr> {
        let times = self.expr(times, Some(&Ty::int()));
        let (so_far, ty) = (self.fresh(), start.ty.clone());
        let test = test(self, (so_far, ty.clone()));
        let body = self.lambda(body, &[(so_far, ty.clone())], Some(&ty));
        let (times, test, body) = (bounded(times?), Box::new(test?), Box::new(body?));
        let kind = ExprKind::Loop { start: Box::new(start), times: Box::new(times), so_far, test, body };
        Ok(Expr::new(kind, ty, call.span.clone()))
    }

    fn on_text(&mut self, call: &Use<'_>, subject: Expr) -> Checked<Expr> {
        let span = call.span;
        let edit = |how, subject| Ok(unary(Unary::Edit(how), subject, Ty::text(), span));
        match (call.standard.name(), call.args) {
            ("len", _) => Ok(unary(Unary::Len, subject, Ty::int(), span)),
            ("is_empty", _) => Ok(empty(subject, span)),
            ("slice", [from, to]) => self.slice(subject, from, to, span),
            ("parse", _) => {
                let ty = self.option_of(Ty::int(), span)?;
                Ok(unary(Unary::Parse, subject, ty, span))
            }
            ("index_of", [part]) => {
                let part = self.expr(part, Some(&Ty::text()))?;
                let ty = self.option_of(Ty::int(), span)?;
                Ok(binary(Binary::Search, subject, part, ty, span))
            }
            ("split", [by]) => {
                let by = self.expr(by, Some(&Ty::text()))?;
                let ty = self.list_of(Ty::text(), span)?;
                Ok(binary(Binary::Split, subject, by, ty, span))
            }
            ("to_upper", _) => edit(0, subject),
            ("to_lower", _) => edit(1, subject),
            ("trim", _) => edit(2, subject),
            ("trim_start", _) => edit(3, subject),
            ("trim_end", _) => edit(4, subject),
            ("to_bytes", _) => Ok(unary(Unary::Encode, subject, Ty::bytes(), span)),
            ("to_text", _) => {
                let ty = self.option_of(Ty::text(), span)?;
                Ok(unary(Unary::Decode, subject, ty, span))
            }
            ("to_list", _) => {
                let ty = self.list_of(Ty::int(), span)?;
                Ok(unary(Unary::Octets, subject, ty, span))
            }
            (name, _) => unreachable!("`{name}` is no basic function on Text or Bytes"),
        }
    }

    /// Makes the part of a Text, Bytes or List between two indices.
    pub(super) fn slice(
        &mut self,
        subject: Expr,
        from: &ast::Expr,
        to: &ast::Expr,
        span: &Span,
    ) -> Checked<Expr> {
        let ty = subject.ty.clone();
        let (from, to) = (self.expr(from, Some(&Ty::int())), self.expr(to, Some(&Ty::int())));
        let kind = ExprKind::Slice(Box::new(subject), Box::new(from?), Box::new(to?));
        Ok(Expr::new(kind, ty, span.clone()))
    }

    fn on_number(&mut self, call: &Use<'_>, subject: Expr) -> Checked<Expr> {
        let span = call.span;
        let [other] = call.args else {
            let to = if subject.ty.is_int() { Ty::duration() } else { Ty::int() };
            return Ok(unary(Unary::Fit, subject, to, span));
        };
        let other = self.expr(other, Some(&Ty::int()))?;
        let bits = |how| Ok(binary(Binary::Bits(how), subject.clone(), other.clone(), Ty::int(), span));
        match call.standard.name() {
            "bit_and" => bits(0),
            "bit_or" => bits(1),
            "bit_xor" => bits(2),
            _ => {
                let ty = self.list_of(Ty::int(), span)?;
                Ok(binary(Binary::Range, subject, other, ty, span))
            }
        }
    }

    fn on_option(&mut self, call: &Use<'_>, subject: Expr) -> Checked<Expr> {
        let span = call.span;
        let whole = subject.ty.clone();
        let Kind::Option(item) = whole.kind() else { unreachable!("an Option was looked up") };
        let (root, nothing, payload) = (self.fresh(), self.fresh(), self.fresh());
        let value = Expr::new(ExprKind::Local(payload), item.clone(), span.clone());
        let choose = |none, some| Ok(choose_by(subject, [root, nothing, payload], none, some, span));
        match (call.standard.name(), call.args) {
            ("is_some", _) => choose(truth(false, span), truth(true, span)),
            ("is_none", _) => choose(truth(true, span), truth(false, span)),
            ("or", [otherwise]) => choose(self.expr(otherwise, Some(item))?, value),
            ("or_else", [otherwise]) => {
                let otherwise = self.expr(otherwise, Some(&whole))?;
                choose(otherwise, inject(Value::SOME_INDEX, value, whole.clone(), span))
            }
            ("map", [lambda]) => {
                let wanted = match call.expected.map(Ty::kind) {
                    Some(Kind::Option(item)) => Some(item),
                    _ => None,
                };
                let body = self.lambda(lambda, &[(payload, item.clone())], wanted)?;
                let ty = self.option_of(body.ty.clone(), span)?;
                let none = Expr::new(ExprKind::Const(Value::none()), ty.clone(), span.clone());
                choose(none, inject(Value::SOME_INDEX, body, ty, span))
            }
            (_, [lambda]) => {
                let body = self.option_lambda(lambda, &[(payload, item.clone())], call.expected)?;
                let none = Expr::new(ExprKind::Const(Value::none()), body.ty.clone(), span.clone());
                choose(none, body)
            }
            (name, _) => unreachable!("`{name}` is no basic function on Option"),
        }
    }

    /// Checks a lambda that gives an Option.
    pub(super) fn option_lambda(
        &mut self,
        lambda: &ast::Expr,
        params: &[(Local, Ty)],
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let wanted = expected.filter(|ty| matches!(ty.kind(), Kind::Option(_)));
        let body = self.lambda(lambda, params, wanted)?;
        if matches!(body.ty.kind(), Kind::Option(_)) {
            return Ok(body);
        }
        let found = self.types.name(&body.ty);
        let message = format!("this lambda gives an Option, and here is {}", article(&found));
        let diagnostic =
            self.diagnostic("E0210", &body.span, message, "no Option").help("`Some(x)` or `None`");
        Err(self.fault(diagnostic))
    }

    pub(super) fn list_of(&mut self, item: Ty, span: &Span) -> Checked<Ty> {
        self.build(Kind::List { item, max: None }, span)
    }

    /// Returns a member of a pair.
    pub(super) fn part(&mut self, pair: Expr, index: u32, span: &Span) -> Expr {
        let Kind::Tuple(parts) = pair.ty.kind() else { unreachable!("a pair was checked") };
        let ty = parts[index as usize].clone();
        field(pair, index, ty, span)
    }
}

/// Says of a constant number of times that it is the limit, so that the cost of the loop is known.
fn bounded(times: Expr) -> Expr {
    match times.as_const() {
        Some(Value::Int(count)) => {
            let only = Ty::new(Kind::Int { lo: *count, hi: *count }).expect("a range of one number");
            Expr { ty: only, ..times }
        }
        _ => times,
    }
}
