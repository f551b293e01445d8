//! Calls: functions of the file, and the standard functions.
//!
//! `x.f(a)` is `f(x, a)`. A function of the file comes before a standard one of the same name.
//! [`STANDARD`] lists the standard functions; the reference page is made from it.

use super::expr::inject;
use super::operator::{unary, widened};
use super::{Checked, Checker, Reported, article};
use crate::diagnostic::{Span, did_you_mean};
use crate::hir::{Binary, Decision, Each, Expr, ExprKind, Local, Match, Unary};
use crate::syntax::ast::{self, ExprKind as Ast, Name};
use crate::ty::{Kind, Ty};
use crate::value::Value;

/// The standard functions: what they are called on, their name, their form, and what they do.
pub const STANDARD: &[(&str, &str, &str, &str)] = &[
    ("List", "len", "l.len()", "the number of items"),
    ("List", "is_empty", "l.is_empty()", "true without items"),
    ("List", "get", "l.get(i)", "the item at an index, from 0; also `l[i]`"),
    ("List", "first", "l.first()", "the first item, if there is one"),
    ("List", "last", "l.last()", "the last item, if there is one"),
    ("List", "push", "l.push(x)", "the list with an item more at its end"),
    ("List", "take", "l.take(n)", "the first n items"),
    ("List", "drop", "l.drop(n)", "all but the first n items"),
    ("List", "map", "l.map(x -> e)", "e for each item"),
    ("List", "filter", "l.filter(x -> c)", "the items for which c holds"),
    ("List", "find", "l.find(x -> c)", "the first item for which c holds"),
    ("List", "any", "l.any(x -> c)", "true when c holds for some item"),
    ("List", "all", "l.all(x -> c)", "true when c holds for every item"),
    ("List", "fold", "l.fold(start, (acc, x) -> e)", "e of what was folded so far and each item"),
    ("List", "contains", "l.contains(x)", "true when an item equals x"),
    ("Map", "len", "m.len()", "the number of entries"),
    ("Map", "is_empty", "m.is_empty()", "true without entries"),
    ("Map", "get", "m.get(k)", "the value of a key; also `m[k]`"),
    ("Map", "has", "m.has(k)", "true when there is such a key"),
    ("Map", "put", "m.put(k, v)", "the map with a key set"),
    ("Map", "remove", "m.remove(k)", "the map without a key"),
    ("Map", "entries", "m.entries()", "the entries as pairs, in key order"),
    ("Map", "keys", "m.keys()", "the keys, in order"),
    ("Map", "values", "m.values()", "the values, in key order"),
    ("Map", "map", "m.map((k, v) -> e)", "the same keys with e for each value"),
    ("Map", "filter", "m.filter((k, v) -> c)", "the entries for which c holds"),
    ("Map", "any", "m.any((k, v) -> c)", "true when c holds for some entry"),
    ("Map", "all", "m.all((k, v) -> c)", "true when c holds for every entry"),
    ("Map", "fold", "m.fold(start, (acc, k, v) -> e)", "e of what was folded so far and each entry"),
    ("Option", "or", "o.or(x)", "its value, else x"),
    ("Option", "is_some", "o.is_some()", "true for Some"),
    ("Option", "is_none", "o.is_none()", "true for None"),
    ("Option", "map", "o.map(x -> e)", "Some(e) of its value, else None"),
    ("Text", "len", "t.len()", "the number of Unicode scalar values"),
    ("Text", "is_empty", "t.is_empty()", "true for \"\""),
    ("Text", "parse", "t.parse()", "the Int that the text writes, if it is one"),
    ("Bytes", "len", "b.len()", "the number of octets"),
    ("Bytes", "is_empty", "b.is_empty()", "true without octets"),
    ("Int", "abs", "n.abs()", "without its sign"),
    ("Int", "min", "n.min(m)", "the lesser"),
    ("Int", "max", "n.max(m)", "the greater"),
    ("Int", "clamp", "n.clamp(lo, hi)", "the nearest number from lo to hi"),
    ("Int", "to", "n.to(m)", "the numbers from n up to, and without, m"),
    ("Int", "ms", "n.ms()", "that many milliseconds, as a Duration"),
    ("Duration", "ms", "d.ms()", "its milliseconds, as an Int"),
    ("secret", "reveal", "s.reveal()", "what a secret holds, from here on for all to read"),
    ("any", "hash", "x.hash()", "the SHA-256 of its canonical form, as Bytes"),
    ("any", "show", "x.show()", "an Int, Bool, Text or Duration as Text"),
];

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        name: &Name,
        receiver: Option<&ast::Expr>,
        args: &[ast::Expr],
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        if self.faulty_functions.contains(&name.text) {
            return Err(Reported);
        }
        let all: Vec<&ast::Expr> = receiver.into_iter().chain(args).collect();
        if let Some(signature) = self.functions.get(&name.text).cloned() {
            return self.call_function(name, &signature, &all, span);
        }
        let Some((subject, rest)) = all.split_first() else {
            return Err(self.no_function(name, None));
        };
        if matches!(subject.kind, Ast::Lambda(..)) {
            return Err(self.no_function(name, None));
        }
        if !STANDARD.iter().any(|(_, standard, ..)| *standard == &*name.text) {
            let _ = self.expr(subject, None)?;
            return Err(self.no_function(name, None));
        }
        let subject = self.expr(subject, None)?;
        self.standard(name, subject, rest, span, expected)
    }

    fn no_function(&mut self, name: &Name, on: Option<&Ty>) -> Reported {
        let standard = STANDARD.iter().map(|(_, name, ..)| *name);
        let near = did_you_mean(&name.text, self.functions.keys().map(|name| &**name).chain(standard));
        let message = match on {
            Some(ty) => format!("{} has no function `{}`", article(&self.types.name(ty)), name.text),
            None => format!("there is no function `{}`", name.text),
        };
        if on.is_some_and(|ty| matches!(ty.kind(), Kind::Secret(_))) {
            return self.about_secret("E0207", &name.span, message, "what it holds is not at hand");
        }
        let mut diagnostic = self.diagnostic("E0207", &name.span, message, "not declared");
        diagnostic.help = near
            .filter(|near| *near != &*name.text)
            .map(|near| format!("did you mean `{near}`?"))
            .or_else(|| Some(format!("declare it: `fn {}(...) -> ... = ...`", name.text)));
        self.fault(diagnostic)
    }

    fn call_function(
        &mut self,
        name: &Name,
        signature: &super::Signature,
        args: &[&ast::Expr],
        span: &Span,
    ) -> Checked<Expr> {
        self.calls.push(signature.id);
        self.count(name, args.len(), signature.params.len(), span)?;
        let args: Vec<Checked<Expr>> =
            args.iter().zip(&signature.params).map(|(arg, ty)| self.expr(arg, Some(ty))).collect();
        let args = args.into_iter().collect::<Checked<Vec<_>>>()?;
        let diverges = args.iter().any(|arg| arg.diverges);
        let kind = ExprKind::Call(signature.id, args);
        Ok(Expr { kind, ty: signature.result.clone(), span: span.clone(), diverges })
    }

    fn count(&mut self, name: &Name, found: usize, takes: usize, span: &Span) -> Checked<()> {
        if found == takes {
            return Ok(());
        }
        let plural = if takes == 1 { "" } else { "s" };
        Err(self.plain(
            "E0214",
            span,
            format!("`{}` takes {takes} argument{plural}, here are {found}", name.text),
            "not the right number",
        ))
    }

    fn standard(
        &mut self,
        name: &Name,
        subject: Expr,
        args: &[&ast::Expr],
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let kind = match subject.ty.kind() {
            Kind::List { .. } => "List",
            Kind::Map { .. } => "Map",
            Kind::Option(_) => "Option",
            Kind::Text { .. } => "Text",
            Kind::Bytes { .. } => "Bytes",
            Kind::Int { .. } => "Int",
            Kind::Duration => "Duration",
            Kind::Secret(_) => "secret",
            _ => "any",
        };
        let row = STANDARD
            .iter()
            .find(|(on, standard, ..)| *standard == &*name.text && (*on == kind || *on == "any"));
        let Some((on, _, form, _)) = row else {
            return Err(self.no_function(name, Some(&subject.ty)));
        };
        if *on == "any" && subject.ty.holds_secret() {
            return Err(self.unspeakable(&subject.ty, &name.text, span));
        }
        let takes = arguments(form);
        if args.len() != takes {
            let diagnostic = self.diagnostic(
                "E0214",
                span,
                format!("`{}` is used as `{form}`", name.text),
                "not the right number of arguments",
            );
            return Err(self.fault(diagnostic));
        }
        match *on {
            "List" => self.on_list(name, subject, args, span, expected),
            "Map" => self.on_map(name, subject, args, span, expected),
            "Option" => self.on_option(name, subject, args, span, expected),
            "Int" | "Duration" => self.on_number(name, subject, args, span),
            "Text" | "Bytes" => self.on_text(name, subject, span),
            "secret" => {
                let held = subject.ty.unsealed().clone();
                Ok(unary(Unary::Reveal, subject, held, span))
            }
            _ => self.on_any(name, subject, span),
        }
    }

    fn on_any(&mut self, name: &Name, subject: Expr, span: &Span) -> Checked<Expr> {
        match &*name.text {
            "hash" => Ok(unary(Unary::Hash, subject, Ty::bytes(), span)),
            _ => {
                let showable = matches!(
                    subject.ty.kind(),
                    Kind::Bool | Kind::Duration | Kind::Int { .. } | Kind::Text { .. }
                );
                if !showable {
                    let found = self.types.name(&subject.ty);
                    return Err(self.plain(
                        "E0236",
                        span,
                        format!("{} cannot be written as text", article(&found)),
                        "only Int, Bool, Text and Duration can",
                    ));
                }
                let wide = widened(&subject.ty);
                let subject = self.coerce(subject, &wide)?;
                Ok(unary(Unary::Show, subject, Ty::text(), span))
            }
        }
    }

    fn on_text(&mut self, name: &Name, subject: Expr, span: &Span) -> Checked<Expr> {
        let wide = widened(&subject.ty);
        let subject = self.coerce(subject, &wide)?;
        match &*name.text {
            "parse" => {
                let ty = self.option_of(Ty::int(), span)?;
                Ok(unary(Unary::Parse, subject, ty, span))
            }
            "is_empty" => Ok(empty(subject, span)),
            _ => Ok(unary(Unary::Len, subject, Ty::int(), span)),
        }
    }

    fn on_number(&mut self, name: &Name, subject: Expr, args: &[&ast::Expr], span: &Span) -> Checked<Expr> {
        if &*name.text == "ms" {
            let to = if subject.ty.is_int() { Ty::duration() } else { Ty::int() };
            let wide = widened(&subject.ty);
            let subject = self.coerce(subject, &wide)?;
            return Ok(unary(Unary::Fit, subject, to, span));
        }
        let int = Ty::int();
        let subject = self.coerce(subject, &int)?;
        let args: Vec<Checked<Expr>> = args.iter().map(|arg| self.expr(arg, Some(&int))).collect();
        let args = args.into_iter().collect::<Checked<Vec<_>>>()?;
        Ok(match (&*name.text, args.as_slice()) {
            ("to", [end]) => {
                let ty = self.build(Kind::List { item: int, max: None }, span)?;
                binary(Binary::Range, subject, end.clone(), ty, span)
            }
            ("abs", _) => self.named(subject, |_, n| {
                let negative = binary(Binary::Lt, n.clone(), number(0, span), Ty::bool(), span);
                choose(negative, unary(Unary::Neg, n.clone(), Ty::int(), span), n, span)
            }),
            ("min", [other]) => self.lesser(subject, other.clone(), span),
            ("max", [other]) => self.greater(subject, other.clone(), span),
            (_, [lo, hi]) => {
                let low = self.greater(subject, lo.clone(), span);
                self.lesser(low, hi.clone(), span)
            }
            _ => unreachable!("the number of arguments was checked"),
        })
    }

    fn lesser(&mut self, a: Expr, b: Expr, span: &Span) -> Expr {
        self.named(a, |checker, a| {
            checker.named(b, |_, b| {
                let below = binary(Binary::Le, a.clone(), b.clone(), Ty::bool(), span);
                choose(below, a, b, span)
            })
        })
    }

    fn greater(&mut self, a: Expr, b: Expr, span: &Span) -> Expr {
        self.named(a, |checker, a| {
            checker.named(b, |_, b| {
                let below = binary(Binary::Lt, a.clone(), b.clone(), Ty::bool(), span);
                choose(below, b, a, span)
            })
        })
    }

    /// Gives a value a name, so that it is computed once.
    fn named(&mut self, value: Expr, body: impl FnOnce(&mut Self, Expr) -> Expr) -> Expr {
        let local = self.fresh();
        let (ty, span, diverges) = (value.ty.clone(), value.span.clone(), value.diverges);
        let body = body(self, Expr::new(ExprKind::Local(local), ty, span.clone()));
        let (ty, diverges) = (body.ty.clone(), diverges || body.diverges);
        Expr { kind: ExprKind::Let(local, Box::new(value), Box::new(body)), ty, span, diverges }
    }

    fn on_option(
        &mut self,
        name: &Name,
        subject: Expr,
        args: &[&ast::Expr],
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let Kind::Option(item) = subject.ty.kind() else { unreachable!("an Option was looked up") };
        let item = item.clone();
        let bool = |value| Expr::new(ExprKind::Const(Value::Bool(value)), Ty::bool(), span.clone());
        match (&*name.text, args) {
            ("is_some", _) => Ok(self.by_option(subject, bool(false), |_, _| bool(true), span)),
            ("is_none", _) => Ok(self.by_option(subject, bool(true), |_, _| bool(false), span)),
            ("or", [otherwise]) => {
                let otherwise = self.expr(otherwise, Some(&item))?;
                Ok(self.by_option(subject, otherwise, |_, value| value, span))
            }
            (_, [lambda]) => {
                let wanted = match expected.map(Ty::kind) {
                    Some(Kind::Option(item)) => Some(item.clone()),
                    _ => None,
                };
                let local = self.fresh();
                let body = self.lambda(lambda, &[(local, item.clone())], wanted.as_ref())?;
                let ty = self.option_of(body.ty.clone(), span)?;
                let none = Expr::new(ExprKind::Const(Value::none()), ty.clone(), span.clone());
                let some = |_: &mut Self, value: Expr| {
                    let named = ExprKind::Let(local, Box::new(value), Box::new(body.clone()));
                    let named = Expr { kind: named, ..body.clone() };
                    inject(Value::SOME_INDEX, named, ty, span)
                };
                Ok(self.by_option(subject, none, some, span))
            }
            _ => unreachable!("the number of arguments was checked"),
        }
    }

    /// Chooses by an Option.
    fn by_option(
        &mut self,
        subject: Expr,
        none: Expr,
        some: impl FnOnce(&mut Self, Expr) -> Expr,
        span: &Span,
    ) -> Expr {
        let Kind::Option(item) = subject.ty.kind() else { unreachable!("callers pass an Option") };
        let item = item.clone();
        let (root, nothing, payload) = (self.fresh(), self.fresh(), self.fresh());
        let some = some(self, Expr::new(ExprKind::Local(payload), item, span.clone()));
        let ty = none.ty.clone();
        let tree = Decision::Case(
            root,
            vec![(nothing, Decision::Arm(0, Vec::new())), (payload, Decision::Arm(1, Vec::new()))],
        );
        let arms = vec![(None, none), (None, some)];
        let kind = ExprKind::Match(Box::new(Match { scrutinee: subject, root, tree, arms }));
        Expr::new(kind, ty, span.clone())
    }

    /// Checks a lambda with parameters of known types.
    fn lambda(&mut self, lambda: &ast::Expr, params: &[(Local, Ty)], expected: Option<&Ty>) -> Checked<Expr> {
        let Ast::Lambda(patterns, body) = &lambda.kind else {
            let diagnostic = self
                .diagnostic("E0234", &lambda.span, "a lambda is needed here", "not a lambda")
                .help(if params.len() == 1 { "write `x -> ...`" } else { "write `(a, b) -> ...`" });
            return Err(self.fault(diagnostic));
        };
        if patterns.len() != params.len() {
            return Err(self.plain(
                "E0214",
                &lambda.span,
                format!("this lambda takes {} parameters here, not {}", params.len(), patterns.len()),
                "not the right number",
            ));
        }
        // An effect within a lambda would happen once per item, in an order that the library
        // function chooses; `for` says it in the open.
        let effects = self.effects.take();
        let result = self.scoped(|checker| {
            let bound: Vec<_> = patterns.iter().zip(params).collect();
            checker.lambda_params(&bound, body, expected)
        });
        self.effects = effects;
        result
    }

    fn lambda_params(
        &mut self,
        params: &[(&ast::Pattern, &(Local, Ty))],
        body: &ast::Expr,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        match params.split_first() {
            None => self.expr(body, expected),
            Some(((pattern, (local, ty)), rest)) => {
                self.destructure(pattern, *local, ty, |checker| checker.lambda_params(rest, body, expected))
            }
        }
    }

    fn on_list(
        &mut self,
        name: &Name,
        subject: Expr,
        args: &[&ast::Expr],
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let wide = widened(&subject.ty);
        let subject = self.coerce(subject, &wide)?;
        let Kind::List { item, .. } = wide.kind() else { unreachable!("a List was looked up") };
        let item = item.clone();
        match (&*name.text, args) {
            ("len", _) => Ok(unary(Unary::Len, subject, Ty::int(), span)),
            ("is_empty", _) => Ok(empty(subject, span)),
            ("get", [index]) => {
                let index = self.expr(index, Some(&Ty::int()))?;
                let ty = self.option_of(item, span)?;
                Ok(binary(Binary::Get, subject, index, ty, span))
            }
            ("first", _) => {
                let ty = self.option_of(item, span)?;
                Ok(binary(Binary::Get, subject, number(0, span), ty, span))
            }
            ("last", _) => {
                let ty = self.option_of(item, span)?;
                Ok(self.named(subject, |_, list| {
                    let length = unary(Unary::Len, list.clone(), Ty::int(), span);
                    let last = binary(Binary::Sub, length, number(1, span), Ty::int(), span);
                    binary(Binary::Get, list, last, ty, span)
                }))
            }
            ("push", [value]) => {
                let value = self.expr(value, Some(&item))?;
                Ok(binary(Binary::Append, subject, value, wide, span))
            }
            ("take" | "drop", [count]) => {
                let count = self.expr(count, Some(&Ty::int()))?;
                let op = if &*name.text == "take" { Binary::Take } else { Binary::Drop };
                Ok(binary(op, subject, count, wide, span))
            }
            ("contains", [value]) => {
                let value = self.expr(value, Some(&item))?;
                Ok(self.named(subject, |checker, list| {
                    checker.named(value, |checker, value| {
                        let local = checker.fresh();
                        let each = Expr::new(ExprKind::Local(local), item.clone(), span.clone());
                        let same = binary(Binary::Eq, each, value, Ty::bool(), span);
                        checker.any(list, vec![local], same, span)
                    })
                }))
            }
            (_, args) => self.over_items(name, subject, &[item], args, span, expected),
        }
    }

    fn on_map(
        &mut self,
        name: &Name,
        subject: Expr,
        args: &[&ast::Expr],
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let Kind::Map { key, value } = subject.ty.kind() else { unreachable!("a Map was looked up") };
        let (key, value) = (key.clone(), value.clone());
        let map_ty = subject.ty.clone();
        match (&*name.text, args) {
            ("len", _) => Ok(unary(Unary::Len, subject, Ty::int(), span)),
            ("is_empty", _) => Ok(empty(subject, span)),
            ("get" | "has", [wanted]) => {
                let wanted = self.expr(wanted, Some(&key))?;
                let ty = self.option_of(value, span)?;
                let found = binary(Binary::Get, subject, wanted, ty, span);
                if &*name.text == "get" {
                    return Ok(found);
                }
                let bool = |value| Expr::new(ExprKind::Const(Value::Bool(value)), Ty::bool(), span.clone());
                Ok(self.by_option(found, bool(false), |_, _| bool(true), span))
            }
            ("put", [at, new]) => {
                let (at, new) = (self.expr(at, Some(&key)), self.expr(new, Some(&value)));
                let kind = ExprKind::Put(Box::new(subject), Box::new(at?), Box::new(new?));
                Ok(Expr::new(kind, map_ty, span.clone()))
            }
            ("remove", [at]) => {
                let at = self.expr(at, Some(&key))?;
                Ok(binary(Binary::Del, subject, at, map_ty, span))
            }
            ("entries" | "keys" | "values", _) => {
                let pair = self.build(Kind::Tuple(vec![key.clone(), value.clone()]), span)?;
                let entries_ty = self.build(Kind::List { item: pair.clone(), max: None }, span)?;
                let entries = unary(Unary::Entries, subject, entries_ty, span);
                let (index, part) = match &*name.text {
                    "entries" => return Ok(entries),
                    "keys" => (0, key),
                    _ => (1, value),
                };
                let local = self.fresh();
                let entry = Expr::new(ExprKind::Local(local), pair, span.clone());
                let body = Expr::new(ExprKind::Field(Box::new(entry), index), part.clone(), span.clone());
                let ty = self.build(Kind::List { item: part, max: None }, span)?;
                Ok(each(Each::Map, entries, vec![local], body, ty, span))
            }
            (_, args) => self.over_items(name, subject, &[key, value], args, span, expected),
        }
    }

    /// The functions with a lambda per item or entry.
    fn over_items(
        &mut self,
        name: &Name,
        subject: Expr,
        items: &[Ty],
        args: &[&ast::Expr],
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let locals: Vec<(Local, Ty)> = items.iter().map(|ty| (self.fresh(), ty.clone())).collect();
        let item: Vec<Local> = locals.iter().map(|(local, _)| *local).collect();
        let whole = subject.ty.clone();
        match (&*name.text, args) {
            ("map", [lambda]) => {
                let wanted = match expected.map(Ty::kind) {
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
            ("find", [lambda]) => {
                let body = self.lambda(lambda, &locals, Some(&Ty::bool()))?;
                let ty = self.option_of(items[0].clone(), span)?;
                Ok(each(Each::Find, subject, item, body, ty, span))
            }
            ("any", [lambda]) => {
                let body = self.lambda(lambda, &locals, Some(&Ty::bool()))?;
                Ok(self.any(subject, item, body, span))
            }
            ("all", [lambda]) => {
                let body = self.lambda(lambda, &locals, Some(&Ty::bool()))?;
                let not = unary(Unary::Not, body, Ty::bool(), span);
                let some = self.any(subject, item, not, span);
                Ok(unary(Unary::Not, some, Ty::bool(), span))
            }
            ("fold", [start, lambda]) => {
                let start = self.expr(start, expected)?;
                let wide = if expected.is_some() { start.ty.clone() } else { widened(&start.ty) };
                let start = self.coerce(start, &wide)?;
                let so_far = self.fresh();
                let mut params = vec![(so_far, wide.clone())];
                params.extend(locals);
                let body = self.lambda(lambda, &params, Some(&wide))?;
                let kind = ExprKind::Fold {
                    over: Box::new(subject),
                    start: Box::new(start),
                    so_far,
                    item,
                    body: Box::new(body),
                };
                Ok(Expr::new(kind, wide, span.clone()))
            }
            _ => unreachable!("the table and the number of arguments were checked"),
        }
    }

    fn any(&mut self, subject: Expr, item: Vec<Local>, body: Expr, span: &Span) -> Expr {
        let ty = subject.ty.clone();
        let found = each(Each::Filter, subject, item, body, ty, span);
        let none = empty(found, span);
        unary(Unary::Not, none, Ty::bool(), span)
    }
}

/// Returns the number of arguments that a form such as `m.put(k, v)` has.
fn arguments(form: &str) -> usize {
    let inside = form.find('(').map_or("", |open| &form[open + 1..form.len() - 1]);
    let mut depth = 0;
    let mut commas = 0;
    for letter in inside.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => commas += 1,
            _ => {}
        }
    }
    if inside.is_empty() { 0 } else { commas + 1 }
}

fn number(value: i64, span: &Span) -> Expr {
    Expr::new(ExprKind::Const(Value::Int(value)), Ty::int(), span.clone())
}

fn binary(op: Binary, left: Expr, right: Expr, ty: Ty, span: &Span) -> Expr {
    let diverges = left.diverges || right.diverges;
    Expr { kind: ExprKind::Binary(op, Box::new(left), Box::new(right)), ty, span: span.clone(), diverges }
}

fn each(each: Each, over: Expr, item: Vec<Local>, body: Expr, ty: Ty, span: &Span) -> Expr {
    let kind = ExprKind::Each { each, over: Box::new(over), item, body: Box::new(body) };
    Expr::new(kind, ty, span.clone())
}

fn choose(condition: Expr, yes: Expr, no: Expr, span: &Span) -> Expr {
    let ty = yes.ty.clone();
    Expr::new(ExprKind::If(Box::new(condition), Box::new(yes), Box::new(no)), ty, span.clone())
}

fn empty(subject: Expr, span: &Span) -> Expr {
    let length = unary(Unary::Len, subject, Ty::int(), span);
    binary(Binary::Eq, length, number(0, span), Ty::bool(), span)
}
