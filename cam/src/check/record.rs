//! Record expressions, field access and update paths.

use std::sync::Arc;

use super::expr::product;
use super::{Bound, Checked, Checker, Reported, article, listed};
use crate::diagnostic::{Span, did_you_mean};
use crate::hir::{Expr, ExprKind, Update};
use crate::syntax::ast::{self, ExprKind as Ast, FieldInit, Name};
use crate::ty::{Field, Kind, Record, Ty};

impl Checker<'_> {
    pub(super) fn field(&mut self, base: &ast::Expr, name: &Name, span: &Span) -> Checked<Expr> {
        if let Ast::Var(variable) = &base.kind {
            let bound = self.scopes.iter().rev().find(|(bound, _)| bound == variable);
            if matches!(bound, Some((_, Bound::Ctx))) {
                return self.ctx_field(name, span);
            }
        }
        let base = self.expr(base, None)?;
        let (index, ty) = self.member(&base.ty, name)?;
        if let ExprKind::Const(crate::value::Value::Product(members)) = &base.kind {
            let value = members[index as usize].clone();
            return Ok(Expr::new(ExprKind::Const(value), ty, span.clone()));
        }
        Ok(Expr::new(ExprKind::Field(Box::new(base), index), ty, span.clone()))
    }

    fn ctx_field(&mut self, name: &Name, span: &Span) -> Checked<Expr> {
        let (index, ty) = match &*name.text {
            "now" => (0, Ty::int()),
            "seq" => (1, Ty::int()),
            "self" => (2, Ty::text()),
            "seed" => (3, Ty::int()),
            other => {
                let near = did_you_mean(other, ["now", "seq", "self", "seed"]);
                let help = near.map_or_else(
                    || "it has `now`, `seq`, `self` and `seed`".to_owned(),
                    |near| format!("did you mean `{near}`?"),
                );
                let message = format!("`ctx` has no field `{other}`");
                let diagnostic = self.diagnostic("E0209", &name.span, message, "no such field").help(help);
                return Err(self.fault(diagnostic));
            }
        };
        Ok(Expr::new(ExprKind::Ctx(index), ty, span.clone()))
    }

    /// Returns the index and type of a member of a record or tuple.
    fn member(&mut self, ty: &Ty, name: &Name) -> Checked<(u32, Ty)> {
        match ty.kind() {
            Kind::Record(record) => match record.index(&name.text) {
                Some(index) => {
                    let index32 = u32::try_from(index).expect("a record has at most MEMBERS_MAX fields");
                    Ok((index32, record.fields[index].ty.clone()))
                }
                None => Err(self.no_field(ty, record, name)),
            },
            Kind::Tuple(items) => {
                match name.text.parse::<usize>().ok().filter(|index| *index < items.len()) {
                    Some(index) => {
                        let index32 = u32::try_from(index).expect("a tuple has at most MEMBERS_MAX members");
                        Ok((index32, items[index].clone()))
                    }
                    None => {
                        let diagnostic = self
                            .diagnostic(
                                "E0209",
                                &name.span,
                                format!("this tuple has no member `{}`", name.text),
                                "no such member",
                            )
                            .help(format!("its members are 0 to {}", items.len() - 1));
                        Err(self.fault(diagnostic))
                    }
                }
            }
            Kind::Secret(_) => {
                let message = format!("{} has no fields", article(&self.types.name(ty)));
                Err(self.about_secret("E0209", &name.span, message, "what it holds is not at hand"))
            }
            _ => {
                let found = self.types.name(ty);
                Err(self.plain(
                    "E0209",
                    &name.span,
                    format!("{} has no fields", article(&found)),
                    "neither a record nor a tuple",
                ))
            }
        }
    }

    fn no_field(&mut self, ty: &Ty, record: &Record, name: &Name) -> Reported {
        let near = did_you_mean(&name.text, record.fields.iter().map(|field| &*field.label));
        let whole = self.types.name(ty);
        let mut diagnostic = self.diagnostic(
            "E0209",
            &name.span,
            format!("`{whole}` has no field `{}`", name.text),
            "no such field",
        );
        let all = listed(record.in_declared_order().map(|(_, field)| &*field.label));
        diagnostic.help =
            Some(near.map_or_else(|| format!("it has {all}"), |near| format!("did you mean `{near}`?")));
        self.fault(diagnostic)
    }

    pub(super) fn record_expr(
        &mut self,
        base: Option<&ast::Expr>,
        fields: &[FieldInit],
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        match base {
            Some(base) => self.update(base, fields, span, expected),
            None => self.new_record(fields, span, expected),
        }
    }

    fn new_record(&mut self, fields: &[FieldInit], span: &Span, expected: Option<&Ty>) -> Checked<Expr> {
        for field in fields {
            if field.path.len() != 1 || field.index.is_some() {
                let diagnostic = self
                    .diagnostic("E0239", &field.span, "a path needs a record to update", "no record here")
                    .help("write `{ ..record, path: value }`");
                return Err(self.fault(diagnostic));
            }
        }
        if let Some(expected) = expected.filter(|ty| ty.as_record().is_none()) {
            let what = self.types.name(expected);
            return Err(self.plain("E0210", span, format!("expected {what}, found a record"), "a record"));
        }
        let ty = expected.cloned().or_else(|| self.record_with(fields));
        let Some(ty) = ty else {
            return self.anonymous_record(fields, span);
        };
        let record = ty.as_record().expect("only records were let through").clone();
        let mut members: Vec<Option<Expr>> = vec![None; record.fields.len()];
        let mut faulty = false;
        for field in fields {
            let name = &field.path[0];
            let Some(index) = record.index(&name.text) else {
                self.no_field(&ty, &record, name);
                faulty = true;
                continue;
            };
            if members[index].is_some() {
                self.doubled(name);
                faulty = true;
                continue;
            }
            match self.member_value(field, name, Some(&record.fields[index].ty)) {
                Ok(value) => members[index] = Some(value),
                Err(Reported) => faulty = true,
            }
        }
        if faulty {
            return Err(Reported);
        }
        let missing: Vec<&Field> = record
            .in_declared_order()
            .filter(|(index, field)| members[*index].is_none() && field.default.is_none())
            .map(|(_, field)| field)
            .collect();
        if !missing.is_empty() {
            let whole = self.types.name(&ty);
            let names = listed(missing.iter().map(|field| &*field.label));
            let diagnostic = self
                .diagnostic("E0211", span, format!("this `{whole}` lacks {names}"), "a field is missing")
                .help(format!("add `{}: ...`, or give the field a default in its type", missing[0].label));
            return Err(self.fault(diagnostic));
        }
        let members = members
            .into_iter()
            .zip(&record.fields)
            .map(|(member, field)| {
                member.unwrap_or_else(|| {
                    let default = field.default.clone().expect("a field without default was reported");
                    Expr::new(ExprKind::Const(default), field.ty.clone(), span.clone())
                })
            })
            .collect();
        Ok(product(members, ty, span))
    }

    fn doubled(&mut self, name: &Name) -> Reported {
        self.plain("E0215", &name.span, format!("the field `{}` stands twice", name.text), "here again")
    }

    fn member_value(&mut self, field: &FieldInit, name: &Name, ty: Option<&Ty>) -> Checked<Expr> {
        match &field.value {
            Some(value) => self.expr(value, ty),
            None => {
                let variable = ast::Expr { kind: Ast::Var(name.text.clone()), span: name.span.clone() };
                self.expr(&variable, ty)
            }
        }
    }

    /// Finds the one declared record type that these fields can make.
    fn record_with(&self, fields: &[FieldInit]) -> Option<Ty> {
        let has = |record: &Record, label: &Arc<str>| record.index(label).is_some();
        let mut found: Vec<&Ty> = Vec::new();
        for (_, ty) in self.types.named() {
            let Some(record) = ty.as_record() else { continue };
            let named = |field: &Field| fields.iter().any(|init| init.path[0].text == field.label);
            let fits = fields.iter().all(|init| has(record, &init.path[0].text))
                && record.fields.iter().all(|field| field.default.is_some() || named(field));
            if fits && !found.contains(&ty) {
                found.push(ty);
            }
        }
        match found.as_slice() {
            [one] => Some((*one).clone()),
            _ => None,
        }
    }

    fn anonymous_record(&mut self, fields: &[FieldInit], span: &Span) -> Checked<Expr> {
        let mut built: Vec<Field> = Vec::new();
        let mut members = Vec::new();
        let mut faulty = false;
        for field in fields {
            let name = &field.path[0];
            if built.iter().any(|other| other.label == name.text) {
                self.doubled(name);
                faulty = true;
                continue;
            }
            match self.member_value(field, name, None) {
                Ok(value) => {
                    let ordinal = u32::try_from(built.len()).unwrap_or(u32::MAX);
                    let ty = value.ty.clone();
                    built.push(Field { label: name.text.clone(), ordinal, ty, default: None });
                    members.push(value);
                }
                Err(Reported) => faulty = true,
            }
        }
        if faulty {
            return Err(Reported);
        }
        let declared = (0..built.len()).filter_map(|index| u16::try_from(index).ok()).collect();
        let ty = self.build(Kind::Record(Record { fields: built, declared }), span)?;
        Ok(product(members, ty, span))
    }

    fn update(
        &mut self,
        base: &ast::Expr,
        fields: &[FieldInit],
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let base = self.expr(base, expected.filter(|ty| ty.as_record().is_some()))?;
        if base.ty.as_record().is_none() {
            let found = self.types.name(&base.ty);
            let message = format!("{} cannot be updated", article(&found));
            let mut diagnostic = self.diagnostic("E0239", &base.span, message, "not a record");
            diagnostic.help = match base.ty.kind() {
                Kind::Map { .. } => Some("`m.put(k, v)` sets an entry of a Map".to_owned()),
                Kind::List { .. } => Some("`l.set(i, x)` replaces an item of a List".to_owned()),
                Kind::Tuple(_) => {
                    Some("take it apart and make another: `let (a, _) = t`, `(a, b)`".to_owned())
                }
                Kind::Secret(_) => Some("`.reveal()` takes what it holds".to_owned()),
                _ => None,
            };
            return Err(self.fault(diagnostic));
        }
        let mut updates = Vec::new();
        let mut faulty = false;
        for (index, field) in fields.iter().enumerate() {
            if let Some(before) = fields[..index].iter().find(|before| overwrites(field, before)) {
                let path: Vec<&str> = field.path.iter().map(|name| &*name.text).collect();
                let message = format!("`{}` replaces what was set before", path.join("."));
                let diagnostic = self
                    .diagnostic("E0215", &field.span, message, "the first value is never seen")
                    .related(before.span.clone(), "set here")
                    .help("leave one of them out");
                self.fault(diagnostic);
                faulty = true;
            }
            match self.update_step(&base.ty, field) {
                Ok(update) => updates.push(update),
                Err(Reported) => faulty = true,
            }
        }
        if faulty {
            return Err(Reported);
        }
        let ty = base.ty.clone();
        let diverges = base.diverges || updates.iter().any(|update| update.value.diverges);
        Ok(Expr { kind: ExprKind::Update(Box::new(base), updates), ty, span: span.clone(), diverges })
    }

    fn update_step(&mut self, base: &Ty, field: &FieldInit) -> Checked<Update> {
        let mut path = Vec::new();
        let mut types = vec![base.clone()];
        let mut ty = base.clone();
        for name in &field.path {
            let (index, member) = self.member(&ty, name)?;
            path.push(index);
            types.push(member.clone());
            ty = member;
        }
        let key = match (&field.index, ty.kind()) {
            (None, _) => None,
            (Some(index), Kind::Map { key, value }) => {
                let (key, value) = (key.clone(), value.clone());
                let key = self.expr(index, Some(&key))?;
                ty = value;
                Some(key)
            }
            (Some(index), _) => {
                let found = self.types.name(&ty);
                let diagnostic = self
                    .diagnostic(
                        "E0239",
                        &index.span,
                        format!("an entry of {} cannot be set", article(&found)),
                        "not a Map",
                    )
                    .help("a list is changed with `l.set(i, x)` or `l.update(i, x -> ...)`, which keep it where there is no such item");
                return Err(self.fault(diagnostic));
            }
        };
        let last = field.path.last().expect("a path has at least one name");
        let value = self.member_value(field, last, Some(&ty))?;
        Ok(Update { path, types, key, value })
    }
}

/// Returns true when nothing is left of what one member of an update sets after another.
fn overwrites(later: &FieldInit, earlier: &FieldInit) -> bool {
    let names = |field: &FieldInit| field.path.iter().map(|name| name.text.clone()).collect::<Vec<_>>();
    later.index.is_none() && names(earlier).starts_with(&names(later))
}
