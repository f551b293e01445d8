//! The basic standard functions on lists and maps.

use super::make::{binary, choose, choose_by, each, empty, fold, local, push, put, truth};
use super::operator::{unary, widened};
use super::standard::Use;
use super::{Checked, Checker, article};
use crate::diagnostic::Span;
use crate::hir::{Binary, Each, Expr, ExprKind, Local, Unary};
use crate::syntax::ast;
use crate::ty::{Kind, Ty};
use crate::value::Value;

impl Checker<'_> {
    pub(super) fn on_list(&mut self, call: &Use<'_>, subject: Expr) -> Checked<Expr> {
        let (span, whole) = (call.span, subject.ty.clone());
        let Kind::List { item, .. } = whole.kind() else { unreachable!("a List was looked up") };
        match (call.standard.name(), call.args) {
            ("len", _) => Ok(unary(Unary::Len, subject, Ty::int(), span)),
            ("is_empty", _) => Ok(empty(subject, span)),
            ("get", [index]) => {
                let index = self.expr(index, Some(&Ty::int()))?;
                let ty = self.option_of(item.clone(), span)?;
                Ok(binary(Binary::Get, subject, index, ty, span))
            }
            ("push", [value]) => Ok(push(subject, self.expr(value, Some(item))?, span)),
            ("set", [index, value]) => {
                let (index, value) = (self.expr(index, Some(&Ty::int())), self.expr(value, Some(item)));
                Ok(put(subject, index?, value?, span))
            }
            ("take" | "drop", [count]) => {
                let count = self.expr(count, Some(&Ty::int()))?;
                let op = if call.standard.name() == "take" { Binary::Take } else { Binary::Drop };
                Ok(binary(op, subject, count, whole, span))
            }
            ("slice", [from, to]) => self.slice(subject, from, to, span),
            ("join", [between]) => {
                let between = self.expr(between, Some(&Ty::text()))?;
                Ok(binary(Binary::Join, subject, between, Ty::text(), span))
            }
            ("to_bytes", _) => {
                let ty = self.option_of(Ty::bytes(), span)?;
                Ok(unary(Unary::Pack, subject, ty, span))
            }
            ("find" | "any" | "all", [lambda]) => self.found(call, subject, item, lambda),
            ("flatten" | "to_map" | "with_index", _) => self.gathered(call, subject, item),
            ("flat_map" | "filter_map" | "group_by", [lambda]) => {
                self.gathered_by(call, subject, item, lambda)
            }
            _ => self.over_items(call, subject, std::slice::from_ref(item)),
        }
    }

    /// The functions that look no further than the item that decides.
    fn found(&mut self, call: &Use<'_>, subject: Expr, item: &Ty, lambda: &ast::Expr) -> Checked<Expr> {
        let (span, one) = (call.span, self.fresh());
        let mut body = self.lambda(lambda, &[(one, item.clone())], Some(&Ty::bool()))?;
        if call.standard.name() == "all" {
            body = unary(Unary::Not, body, Ty::bool(), span);
        }
        let ty = self.option_of(item.clone(), span)?;
        let found = each(Each::Find, subject, vec![one], body, ty, span);
        Ok(match call.standard.name() {
            "find" => found,
            name => self.is_some(found, name == "any", span),
        })
    }

    /// Makes a Bool of an Option: `some` where it holds a value.
    fn is_some(&mut self, option: Expr, some: bool, span: &Span) -> Expr {
        let names = [self.fresh(), self.fresh(), self.fresh()];
        choose_by(option, names, truth(!some, span), truth(some, span), span)
    }

    /// The functions without a lambda that build a list or map item by item.
    fn gathered(&mut self, call: &Use<'_>, subject: Expr, item: &Ty) -> Checked<Expr> {
        let span = call.span;
        let (so_far, one) = (self.fresh(), self.fresh());
        let value = local(one, item, span);
        let ty = match (call.standard.name(), item.kind()) {
            ("flatten", Kind::List { item, .. }) => self.list_of(item.clone(), span)?,
            ("to_map", Kind::Tuple(parts)) => {
                self.build(Kind::Map { key: parts[0].clone(), value: parts[1].clone() }, span)?
            }
            _ => {
                let pair = self.build(Kind::Tuple(vec![Ty::int(), item.clone()]), span)?;
                self.list_of(pair, span)?
            }
        };
        let acc = local(so_far, &ty, span);
        let next = match call.standard.name() {
            "flatten" => {
                let value = self.coerce(value, &ty)?;
                binary(Binary::Cat, acc, value, ty.clone(), span)
            }
            "to_map" => {
                let (key, held) = (self.part(value.clone(), 0, span), self.part(value, 1, span));
                put(acc, key, held, span)
            }
            _ => {
                let Kind::List { item: pair, .. } = ty.kind() else { unreachable!("a List was built") };
                let index = unary(Unary::Len, acc.clone(), Ty::int(), span);
                let indexed = Expr::new(ExprKind::Product(vec![index, value]), pair.clone(), span.clone());
                push(acc, indexed, span)
            }
        };
        Ok(fold(subject, nothing(&ty, span), so_far, vec![one], next, span))
    }

    /// The functions with a lambda that build a list or map item by item.
    fn gathered_by(&mut self, call: &Use<'_>, subject: Expr, item: &Ty, lambda: &ast::Expr) -> Checked<Expr> {
        let span = call.span;
        let (so_far, one) = (self.fresh(), self.fresh());
        let params = [(one, item.clone())];
        let (ty, next) = match call.standard.name() {
            "flat_map" => {
                let wanted = call.expected.filter(|ty| matches!(ty.kind(), Kind::List { .. }));
                let body = self.lambda(lambda, &params, wanted)?;
                let ty = widened(&body.ty);
                if !matches!(ty.kind(), Kind::List { .. }) {
                    let found = self.types.name(&ty);
                    let message = format!("this lambda gives a List, and here is {}", article(&found));
                    return Err(self.plain("E0210", &body.span, message, "no List"));
                }
                let body = self.coerce(body, &ty)?;
                (ty.clone(), binary(Binary::Cat, local(so_far, &ty, span), body, ty, span))
            }
            "filter_map" => {
                let wanted = match call.expected.map(Ty::kind) {
                    Some(Kind::List { item, .. }) => Some(self.option_of(item.clone(), span)?),
                    _ => None,
                };
                let body = self.option_lambda(lambda, &params, wanted.as_ref())?;
                let Kind::Option(kept) = body.ty.kind() else { unreachable!("an Option was checked") };
                let (kept, payload) = (kept.clone(), self.fresh());
                let ty = self.list_of(kept.clone(), span)?;
                let acc = local(so_far, &ty, span);
                let grown = push(acc.clone(), local(payload, &kept, span), span);
                (ty, choose_by(body, [self.fresh(), self.fresh(), payload], acc, grown, span))
            }
            _ => self.grouped(call, lambda, &params, so_far)?,
        };
        Ok(fold(subject, nothing(&ty, span), so_far, vec![one], next, span))
    }

    /// Adds an item to the list of its key.
    fn grouped(
        &mut self,
        call: &Use<'_>,
        lambda: &ast::Expr,
        params: &[(Local, Ty)],
        so_far: Local,
    ) -> Checked<(Ty, Expr)> {
        let span = call.span;
        let wanted = match call.expected.map(Ty::kind) {
            Some(Kind::Map { key, .. }) => Some(key),
            _ => None,
        };
        let body = self.lambda(lambda, params, wanted)?;
        let key_ty = if wanted.is_some() { body.ty.clone() } else { widened(&body.ty) };
        if !key_ty.is_key() {
            let found = self.types.name(&key_ty);
            let message = format!("{} has no order to go by", article(&found));
            let diagnostic = self.diagnostic("E0260", &body.span, message, "cannot be the key of a Map").help(
                "a key is an Int, Bool, Text, Bytes, Duration, a tuple of these, or a case that holds nothing",
            );
            return Err(self.fault(diagnostic));
        }
        let key = self.coerce(body, &key_ty)?;
        let (one, item) = &params[0];
        let items = self.list_of(item.clone(), span)?;
        let ty = self.build(Kind::Map { key: key_ty.clone(), value: items.clone() }, span)?;
        let found_ty = self.option_of(items.clone(), span)?;
        let (name, payload) = (self.fresh(), self.fresh());
        let named = local(name, &key_ty, span);
        let acc = local(so_far, &ty, span);
        let found = binary(Binary::Get, acc.clone(), named.clone(), found_ty, span);
        let before = choose_by(
            found,
            [self.fresh(), self.fresh(), payload],
            nothing(&items, span),
            local(payload, &items, span),
            span,
        );
        let grown = put(acc, named, push(before, local(*one, item, span), span), span);
        Ok((ty.clone(), Expr::new(ExprKind::Let(name, Box::new(key), Box::new(grown)), ty, span.clone())))
    }

    pub(super) fn on_map(&mut self, call: &Use<'_>, subject: Expr) -> Checked<Expr> {
        let (span, whole) = (call.span, subject.ty.clone());
        let Kind::Map { key, value } = whole.kind() else { unreachable!("a Map was looked up") };
        match (call.standard.name(), call.args) {
            ("len", _) => Ok(unary(Unary::Len, subject, Ty::int(), span)),
            ("is_empty", _) => Ok(empty(subject, span)),
            ("get", [wanted]) => {
                let wanted = self.expr(wanted, Some(key))?;
                let ty = self.option_of(value.clone(), span)?;
                Ok(binary(Binary::Get, subject, wanted, ty, span))
            }
            ("put", [at, new]) => {
                let (at, new) = (self.expr(at, Some(key)), self.expr(new, Some(value)));
                Ok(put(subject, at?, new?, span))
            }
            ("remove", [at]) => {
                let at = self.expr(at, Some(key))?;
                Ok(binary(Binary::Del, subject, at, whole, span))
            }
            ("first" | "last", _) => {
                let pair = self.build(Kind::Tuple(vec![key.clone(), value.clone()]), span)?;
                let ty = self.option_of(pair, span)?;
                let end = u32::from(call.standard.name() == "last");
                Ok(unary(Unary::Outer(end), subject, ty, span))
            }
            ("entries" | "keys" | "values", _) => self.entries(call, subject, key, value),
            ("any" | "all", [lambda]) => self.any_entry(call, subject, &[key, value], lambda),
            ("filter_map", [lambda]) => self.kept_entries(call, subject, &[key, value], lambda),
            _ => self.over_items(call, subject, &[key.clone(), value.clone()]),
        }
    }

    fn entries(&mut self, call: &Use<'_>, subject: Expr, key: &Ty, value: &Ty) -> Checked<Expr> {
        let span = call.span;
        let pair = self.build(Kind::Tuple(vec![key.clone(), value.clone()]), span)?;
        let entries_ty = self.list_of(pair.clone(), span)?;
        let entries = unary(Unary::Entries, subject, entries_ty, span);
        let (index, part) = match call.standard.name() {
            "entries" => return Ok(entries),
            "keys" => (0, key),
            _ => (1, value),
        };
        let one = self.fresh();
        let body = self.part(local(one, &pair, span), index, span);
        let ty = self.list_of(part.clone(), span)?;
        Ok(each(Each::Map, entries, vec![one], body, ty, span))
    }

    /// Looks at every entry, but computes nothing for those after the one that decides.
    fn any_entry(
        &mut self,
        call: &Use<'_>,
        subject: Expr,
        items: &[&Ty; 2],
        lambda: &ast::Expr,
    ) -> Checked<Expr> {
        let span = call.span;
        let (so_far, locals) = (self.fresh(), items.map(|ty| (self.fresh(), ty.clone())));
        let body = self.lambda(lambda, &locals, Some(&Ty::bool()))?;
        let acc = local(so_far, &Ty::bool(), span);
        let item = locals.iter().map(|(local, _)| *local).collect();
        let (start, next) = match call.standard.name() {
            "any" => (false, choose(acc, truth(true, span), body, span)),
            _ => (true, choose(acc, body, truth(false, span), span)),
        };
        Ok(fold(subject, truth(start, span), so_far, item, next, span))
    }

    fn kept_entries(
        &mut self,
        call: &Use<'_>,
        subject: Expr,
        items: &[&Ty; 2],
        lambda: &ast::Expr,
    ) -> Checked<Expr> {
        let span = call.span;
        let (so_far, locals) = (self.fresh(), items.map(|ty| (self.fresh(), ty.clone())));
        let wanted = match call.expected.map(Ty::kind) {
            Some(Kind::Map { value, .. }) => Some(self.option_of(value.clone(), span)?),
            _ => None,
        };
        let body = self.option_lambda(lambda, &locals, wanted.as_ref())?;
        let Kind::Option(kept) = body.ty.kind() else { unreachable!("an Option was checked") };
        let (kept, payload) = (kept.clone(), self.fresh());
        let ty = self.build(Kind::Map { key: items[0].clone(), value: kept.clone() }, span)?;
        let acc = local(so_far, &ty, span);
        let grown = put(acc.clone(), local(locals[0].0, items[0], span), local(payload, &kept, span), span);
        let next = choose_by(body, [self.fresh(), self.fresh(), payload], acc, grown, span);
        let item = locals.iter().map(|(local, _)| *local).collect();
        Ok(fold(subject, nothing(&ty, span), so_far, item, next, span))
    }

    /// The functions with a lambda per item or entry that one instruction does.
    fn over_items(&mut self, call: &Use<'_>, subject: Expr, items: &[Ty]) -> Checked<Expr> {
        let span = call.span;
        let locals: Vec<(Local, Ty)> = items.iter().map(|ty| (self.fresh(), ty.clone())).collect();
        let item: Vec<Local> = locals.iter().map(|(local, _)| *local).collect();
        let whole = subject.ty.clone();
        match (call.standard.name(), call.args) {
            ("map", [lambda]) => {
                let wanted = match call.expected.map(Ty::kind) {
                    Some(Kind::List { item, .. }) if items.len() == 1 => Some(item.clone()),
                    Some(Kind::Map { value, .. }) if items.len() == 2 => Some(value.clone()),
                    _ => None,
                };
                let body = self.lambda(lambda, &locals, wanted.as_ref())?;
                let kind = match items {
                    [key, _] => Kind::Map { key: key.clone(), value: body.ty.clone() },
                    _ => Kind::List { item: body.ty.clone(), max: None },
                };
                let ty = self.build(kind, span)?;
                Ok(each(Each::Map, subject, item, body, ty, span))
            }
            ("filter", [lambda]) => {
                let body = self.lambda(lambda, &locals, Some(&Ty::bool()))?;
                Ok(each(Each::Filter, subject, item, body, whole, span))
            }
            ("fold", [start, lambda]) => {
                let start = self.start(start, call.expected)?;
                let so_far = self.fresh();
                let mut params = vec![(so_far, start.ty.clone())];
                params.extend(locals);
                let ty = start.ty.clone();
                let body = self.lambda(lambda, &params, Some(&ty))?;
                Ok(fold(subject, start, so_far, item, body, span))
            }
            (name, _) => unreachable!("`{name}` is no basic function on List or Map"),
        }
    }

    /// Checks what a fold starts from. Without limits, where its place asks for none: what is
    /// folded would trap at them.
    pub(super) fn start(&mut self, start: &ast::Expr, expected: Option<&Ty>) -> Checked<Expr> {
        let start = self.expr(start, expected)?;
        let wide = if expected.is_some() { start.ty.clone() } else { widened(&start.ty) };
        self.coerce(start, &wide)
    }
}

/// Returns the empty list or map.
fn nothing(ty: &Ty, span: &Span) -> Expr {
    let value = if matches!(ty.kind(), Kind::Map { .. }) { Value::map([]) } else { Value::list([]) };
    Expr::new(ExprKind::Const(value), ty.clone(), span.clone())
}
