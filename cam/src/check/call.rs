//! Calls: functions of the file, and what is common to the standard functions: lambdas.
//!
//! `x.f(a)` is `f(x, a)`. A function of the file comes before a standard one of the same name.

use std::sync::Arc;

use super::{Checked, Checker, Reported, article};
use crate::derive::{Edits, Way, judge_way};
use crate::diagnostic::Span;
use crate::hir::{Expr, ExprKind, Local};
use crate::standard::{self, On};
use crate::syntax::ast::{self, ExprKind as Ast, Name};
use crate::ty::Ty;
use crate::words::{are, counted};

impl Checker<'_> {
    pub(super) fn call(
        &mut self,
        name: &Name,
        receiver: Option<&ast::Expr>,
        args: &[ast::Expr],
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let all: Vec<&ast::Expr> = receiver.into_iter().chain(args).collect();
        if self.is_given(&name.text) {
            return self.given(name, args, expected);
        }
        if let (Some(deriving), None, "derived") = (self.deriving.clone(), receiver, &*name.text) {
            return self.derived(deriving, name, args, span, expected);
        }
        // A definition of a standard function is made of standard functions alone.
        if !self.within_definition() {
            if self.faulty_functions.contains(&name.text) {
                return Err(Reported);
            }
            if let Some(signature) = self.functions.get(&name.text).cloned() {
                return self.call_function(name, &signature, &all, span);
            }
        }
        let Some((subject, rest)) = all.split_first() else {
            return Err(self.no_function(name, None));
        };
        if matches!(subject.kind, Ast::Lambda(..)) {
            return Err(self.no_function(name, None));
        }
        let subject = self.expr(subject, None)?;
        if !standard::all().any(|standard| standard.name() == &*name.text) {
            return Err(self.no_function(name, Some(&subject.ty)));
        }
        self.standard(name, subject, rest, span, expected)
    }

    /// Checks `derived(x)` in an arrow of a migration: what becomes of a part of the old version by itself.
    fn derived(
        &mut self,
        (way, edits): (Way, Arc<Edits>),
        name: &Name,
        args: &[ast::Expr],
        span: &Span,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        self.count(name, args.len(), 1, span)?;
        let value = self.expr(&args[0], None)?;
        if self.edits_faulty {
            return Err(Reported);
        }
        let Some(to) = expected else {
            let diagnostic = self
                .diagnostic("E0408", span, "it is not known what is to be derived here", "of which type?")
                .help("`derived(x)` stands where the type is known: as a field of a record, or an argument");
            return Err(self.fault(diagnostic));
        };
        let verdict = judge_way(way, &value.ty, to, &edits, "value");
        // On the way back what is only new is forgotten, as it always is.
        let lost = verdict.losses().filter(|_| way == Way::Forth);
        let open: Vec<String> = verdict.problems().chain(lost).map(ToString::to_string).collect();
        if !open.is_empty() {
            let (from, to) = (self.types.name(&value.ty), self.types.name(to));
            let message = format!("{} does not become {} by itself", article(&from), article(&to));
            let mut diagnostic = self.diagnostic("E0408", span, message, &open[0]);
            if open.len() > 1 {
                diagnostic = diagnostic.help(open[1..].join("\n"));
            }
            return Err(self.fault(diagnostic));
        }
        let diverges = value.diverges;
        let kind = ExprKind::Convert(Box::new(value), edits);
        Ok(Expr { kind, ty: to.clone(), span: span.clone(), diverges })
    }

    /// Refuses the name of a function that does not exist, or not on a value of this type.
    pub(super) fn no_function(&mut self, name: &Name, on: Option<&Ty>) -> Reported {
        let which = on.map_or(On::Anything, On::of);
        let message = match on {
            Some(ty) => format!("{} has no function `{}`", article(&self.types.name(ty)), name.text),
            None => format!("there is no function `{}`", name.text),
        };
        if which == On::Secret {
            return self.about_secret("E0207", &name.span, message, "what it holds is not at hand");
        }
        let own = self.functions.keys().map(|name| &**name);
        let near = standard::meant(&name.text, which, own).map(|near| format!("did you mean `{near}`?"));
        let others = standard::all().filter(|standard| standard.name() == &*name.text);
        let mut others: Vec<&str> = others.map(|standard| standard.on.words()).collect();
        others.dedup();
        let help = match others.as_slice() {
            [] => near.unwrap_or_else(|| format!("declare it: `fn {}(...) -> ... = ...`", name.text)),
            others => {
                let here = near.map_or_else(String::new, |near| format!("; {near}"));
                format!("{} has one{here}", article(&others.join(" or ")))
            }
        };
        let diagnostic = self.diagnostic("E0207", &name.span, message, "not declared").help(help);
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
        Err(self.plain(
            "E0214",
            span,
            format!(
                "`{}` takes {}, here {} {found}",
                name.text,
                counted(takes as u64, "argument"),
                are(found as u64)
            ),
            "not the right number",
        ))
    }

    /// Checks a lambda with parameters of known types.
    pub(super) fn lambda(
        &mut self,
        lambda: &ast::Expr,
        params: &[(Local, Ty)],
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
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
}
