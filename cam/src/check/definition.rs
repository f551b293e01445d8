//! Standard functions that are defined by others.
//!
//! A call becomes its definition, with what it is called on and its arguments under the names of
//! the form; each is computed once, in the order in which they stand. A lambda is no value: where
//! the definition names it, its body is put, and checked in the scope of the call. The definition
//! itself sees nothing of the file. All of it counts as standing at the place of the call.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::operator::widened;
use super::standard::Use;
use super::{Bound, Checked, Checker};
use crate::diagnostic::{Source, Span};
use crate::hir::{Expr, ExprKind, Local};
use crate::standard::{Param, Standard};
use crate::syntax::ast::{self, ExprKind as Ast, Name, PatternKind, StmtKind, TextPiece};
use crate::syntax::parse_expression;
use crate::ty::{Kind, Ty};

/// How deep lambdas of such calls may stand within each other: what they are made of nests
/// deeper than what is written, and has to fit the limits of code and of a thread's stack.
const DEPTH_MAX: usize = 12;

/// The definition that is being checked.
pub(super) struct Definition {
    /// The lambdas of the call, by the names that they have in the form.
    lambdas: BTreeMap<&'static str, ast::Expr>,
    /// What surrounds the call.
    scopes: Vec<(Arc<str>, Bound)>,
    outer: Option<Box<Definition>>,
}

/// The definitions that were read so far.
#[derive(Default)]
pub(super) struct Definitions(BTreeMap<&'static str, ast::Expr>);

impl Definitions {
    fn read(&mut self, standard: &'static Standard) -> ast::Expr {
        let text = standard.definition.expect("callers ask for those that have one");
        let parse = || {
            let source = Source::new(standard.form, text);
            parse_expression(&source).unwrap_or_else(|errors| panic!("{}", errors[0].one_line()))
        };
        self.0.entry(text).or_insert_with(parse).clone()
    }
}

impl Checker<'_> {
    pub(super) fn within_definition(&self) -> bool {
        self.definition.is_some()
    }

    /// Returns true for the name of a lambda in a definition.
    pub(super) fn is_given(&self, name: &str) -> bool {
        self.definition.as_ref().is_some_and(|definition| definition.lambdas.contains_key(name))
    }

    /// Checks a call of a function that is defined by others.
    pub(super) fn defined(&mut self, call: &Use<'_>, subject: Expr) -> Checked<Expr> {
        if self.expanded >= DEPTH_MAX {
            let message = format!("`{}` stands too deep within other such functions", call.standard.name());
            let diagnostic = self
                .diagnostic("E0261", call.span, message, "too deep")
                .help("take the inner part out, into a function of its own");
            return Err(self.fault(diagnostic));
        }
        let whole = subject.ty.clone();
        let mut named: Vec<(&'static str, Expr)> = vec![(call.standard.subject(), subject)];
        let mut lambdas = BTreeMap::new();
        let mut faulty = false;
        for ((name, param), arg) in call.standard.params().zip(call.args) {
            if param == Param::Lambda {
                lambdas.insert(name, (*arg).clone());
                continue;
            }
            match self.argument(param, arg, &whole, call.expected) {
                Ok(arg) => named.push((name, arg)),
                Err(_) => faulty = true,
            }
        }
        if faulty {
            return Err(super::Reported);
        }
        let mut body = self.definitions.read(call.standard);
        place(&mut body, call.span);

        let mut scopes = Vec::new();
        let mut bound = Vec::new();
        for (name, value) in named {
            let known = match value.kind {
                // What costs nothing to name again needs no name of its own.
                ExprKind::Local(known) => known,
                _ => {
                    let fresh = self.fresh();
                    bound.push((fresh, value.clone()));
                    fresh
                }
            };
            scopes.push((name.into(), Bound::Local(known, value.ty)));
        }
        let scopes = std::mem::replace(&mut self.scopes, scopes);
        let outer = self.definition.take().map(Box::new);
        self.definition = Some(Definition { lambdas, scopes, outer });
        self.expanded += 1;
        let checked = self.expr(&body, None);
        self.expanded -= 1;
        let Definition { scopes, outer, .. } = self.definition.take().expect("it was set above");
        self.scopes = scopes;
        self.definition = outer.map(|outer| *outer);

        let mut checked = checked?;
        for (name, value) in bound.into_iter().rev() {
            checked = bind(name, value, checked);
        }
        Ok(Expr { span: call.span.clone(), ..checked })
    }

    fn argument(
        &mut self,
        param: Param,
        arg: &ast::Expr,
        whole: &Ty,
        expected: Option<&Ty>,
    ) -> Checked<Expr> {
        let ty = match (param, whole.kind()) {
            (Param::Int, _) => Ty::int(),
            (Param::Natural, _) => {
                let natural = Ty::new(Kind::Int { lo: 0, hi: i64::MAX }).expect("a range of numbers");
                let arg = self.expr(arg, Some(&natural))?;
                return self.coerce(arg, &Ty::int());
            }
            (Param::Duration, _) => Ty::duration(),
            (Param::Text, _) => Ty::text(),
            (Param::Item, Kind::List { item, .. }) => item.clone(),
            (Param::Key, Kind::Map { key, .. }) => key.clone(),
            (Param::Value, Kind::Map { value, .. }) => value.clone(),
            (Param::Start, _) => return self.start(arg, expected),
            (Param::List, _) => {
                let list = self.expr(arg, None)?;
                if !matches!(list.ty.kind(), Kind::List { .. }) {
                    let found = self.types.name(&list.ty);
                    let message = format!("expected a List, found {found}");
                    return Err(self.plain("E0210", &arg.span, message, "no List"));
                }
                let wide = widened(&list.ty);
                return self.coerce(list, &wide);
            }
            _ => whole.clone(),
        };
        self.expr(arg, Some(&ty))
    }

    /// Checks the use of a lambda in a definition.
    pub(super) fn given(&mut self, name: &Name, args: &[ast::Expr], expected: Option<&Ty>) -> Checked<Expr> {
        let args: Vec<Expr> = args.iter().map(|arg| self.expr(arg, None)).collect::<Checked<_>>()?;
        let mut params: Vec<(Local, Ty)> = Vec::new();
        let mut bound = Vec::new();
        for arg in args {
            let ty = arg.ty.clone();
            match arg.kind {
                ExprKind::Local(known) => params.push((known, ty)),
                _ => {
                    let fresh = self.fresh();
                    params.push((fresh, ty));
                    bound.push((fresh, arg));
                }
            }
        }
        let mut definition = self.definition.take().expect("the name was found in it");
        let lambda = definition.lambdas[&*name.text].clone();
        // Out of the definition, into what surrounds the call; and back again.
        std::mem::swap(&mut self.scopes, &mut definition.scopes);
        self.definition = definition.outer.take().map(|outer| *outer);
        let checked = self.lambda(&lambda, &params, expected);
        definition.outer = self.definition.take().map(Box::new);
        std::mem::swap(&mut self.scopes, &mut definition.scopes);
        self.definition = Some(definition);
        let mut checked = checked?;
        for (name, value) in bound.into_iter().rev() {
            checked = bind(name, value, checked);
        }
        Ok(checked)
    }
}

fn bind(name: Local, value: Expr, body: Expr) -> Expr {
    let (ty, span, diverges) = (body.ty.clone(), body.span.clone(), value.diverges || body.diverges);
    Expr { kind: ExprKind::Let(name, Box::new(value), Box::new(body)), ty, span, diverges }
}

/// Says of everything in a definition that it stands at the place of the call.
fn place(expr: &mut ast::Expr, span: &Span) {
    expr.span = span.clone();
    let all = |exprs: &mut [ast::Expr]| exprs.iter_mut().for_each(|expr| place(expr, span));
    match &mut expr.kind {
        Ast::Int(_) | Ast::Duration(_) | Ast::Bool(_) | Ast::Var(_) | Ast::Hole => {}
        Ast::Text(pieces) => {
            for piece in pieces {
                if let TextPiece::Expr(expr) = piece {
                    place(expr, span);
                }
            }
        }
        Ast::Case(name, payload) => {
            name.span = span.clone();
            payload.iter_mut().for_each(|payload| place(payload, span));
        }
        Ast::Tuple(items) | Ast::List(items) => all(items),
        Ast::Field(base, name) => {
            name.span = span.clone();
            place(base, span);
        }
        Ast::Call(name, args) => {
            name.span = span.clone();
            all(args);
        }
        Ast::Method(receiver, name, args) => {
            name.span = span.clone();
            place(receiver, span);
            all(args);
        }
        Ast::Lambda(patterns, body) => {
            patterns.iter_mut().for_each(|pattern| place_pattern(pattern, span));
            place(body, span);
        }
        Ast::Unary(_, operand) => place(operand, span),
        Ast::Index(left, right) | Ast::Binary(_, left, right) => {
            place(left, span);
            place(right, span);
        }
        Ast::If(condition, yes, no) => {
            place(condition, span);
            place(yes, span);
            no.iter_mut().for_each(|no| place(no, span));
        }
        Ast::Match(scrutinee, arms) => {
            place(scrutinee, span);
            for arm in arms {
                place_pattern(&mut arm.pattern, span);
                arm.guard.iter_mut().for_each(|guard| place(guard, span));
                place(&mut arm.body, span);
            }
        }
        Ast::Block(statements, value) => {
            for statement in statements {
                let StmtKind::Let(pattern, bound, None) = &mut statement.kind else {
                    unreachable!("definitions have no statements but `let`")
                };
                place_pattern(pattern, span);
                place(bound, span);
            }
            value.iter_mut().for_each(|value| place(value, span));
        }
        Ast::Record { .. } | Ast::Map(_) | Ast::Fail(_) => {
            unreachable!("definitions have no records, no maps and no `fail`")
        }
    }
}

fn place_pattern(pattern: &mut ast::Pattern, span: &Span) {
    pattern.span = span.clone();
    match &mut pattern.kind {
        PatternKind::Wild | PatternKind::Bind(_) => {}
        PatternKind::Tuple(parts) => parts.iter_mut().for_each(|part| place_pattern(part, span)),
        PatternKind::Case(name, payload) => {
            name.span = span.clone();
            payload.iter_mut().for_each(|payload| place_pattern(payload, span));
        }
        _ => unreachable!("definitions have no patterns but names, tuples and cases"),
    }
}
