//! Statements: what a handler asks of the world.

use super::outlet::OutletKind;
use super::{Checked, Checker, Reported};
use crate::code::EffectKind;
use crate::diagnostic::Span;
use crate::hir::{Expr, ExprKind};
use crate::syntax::ast::{self, Stmt, StmtKind};
use crate::ty::{Kind, Ty};
use crate::value::Value;

impl Checker<'_> {
    /// Checks a statement that binds nothing. Its value is `()`.
    pub(super) fn statement(&mut self, statement: &Stmt) -> Checked<Expr> {
        let span = &statement.span;
        match &statement.kind {
            StmtKind::Let(..) => unreachable!("a block takes its `let`s itself"),
            StmtKind::Send(channel, key, message) => {
                self.emit_on(OutletKind::Channel, channel, key.as_ref(), message, span)
            }
            StmtKind::Timer(name, after, input) => self.timer(name, after, input, span),
            StmtKind::Cancel(name) => {
                self.allowed(span)?;
                let name = self.expr(name, Some(&Ty::text()))?;
                Ok(emit(EffectKind::Cancel, name, span))
            }
            StmtKind::Call(port, key, message) => {
                self.emit_on(OutletKind::Port, port, key.as_ref(), message, span)
            }
            StmtKind::Log(text) => {
                self.allowed(span)?;
                let text = self.expr(text, Some(&Ty::text()))?;
                Ok(emit(EffectKind::Log, text, span))
            }
            StmtKind::Stop => {
                self.allowed(span)?;
                let nothing = Expr::new(ExprKind::Const(Value::Unit), Ty::unit(), span.clone());
                Ok(emit(EffectKind::Stop, nothing, span))
            }
            StmtKind::For(pattern, over, body) => self.for_each(pattern, over, body, span),
            StmtKind::Expr(expr) => {
                let checked = self.expr(expr, None)?;
                if checked.diverges || checked.ty == Ty::unit() {
                    return self.coerce(checked, &Ty::unit());
                }
                let found = self.types.name(&checked.ty);
                let diagnostic = self
                    .diagnostic(
                        "E0241",
                        &expr.span,
                        format!("this {found} is not used"),
                        "its value goes nowhere",
                    )
                    .help("bind it with `let`, or make it the last expression of the block");
                Err(self.fault(diagnostic))
            }
        }
    }

    /// Refuses effects outside handlers.
    pub(super) fn allowed(&mut self, span: &Span) -> Checked<Ty> {
        match &self.effects {
            Some(input) => Ok(input.clone()),
            None => {
                let diagnostic = self
                    .diagnostic("E0218", span, "effects stand in `on` blocks only", "this place is pure")
                    .help("return what the handler needs, and let the handler do it");
                Err(self.fault(diagnostic))
            }
        }
    }

    fn timer(
        &mut self,
        name: &ast::Expr,
        after: &ast::Expr,
        input: &ast::Expr,
        span: &Span,
    ) -> Checked<Expr> {
        let input_ty = self.allowed(span)?;
        let name = self.expr(name, Some(&Ty::text()));
        let after = self.expr(after, Some(&Ty::duration()));
        let input = self.expr(input, Some(&input_ty));
        let ty = self.build(Kind::Tuple(vec![Ty::text(), Ty::duration(), input_ty]), span)?;
        let payload = super::expr::product(vec![name?, after?, input?], ty, span);
        Ok(emit(EffectKind::Timer, payload, span))
    }

    fn for_each(
        &mut self,
        pattern: &ast::Pattern,
        over: &ast::Expr,
        body: &[Stmt],
        span: &Span,
    ) -> Checked<Expr> {
        self.allowed(span)?;
        let over = self.expr(over, None)?;
        let (items, whole) = match over.ty.kind() {
            Kind::List { item, .. } => (vec![item.clone()], item.clone()),
            Kind::Map { key, value } => {
                let pair = self.build(Kind::Tuple(vec![key.clone(), value.clone()]), span)?;
                (vec![key.clone(), value.clone()], pair)
            }
            Kind::Secret(_) => {
                let found = super::article(&self.types.name(&over.ty));
                let message = format!("`for` goes over a List or a Map, and this is {found}");
                return Err(self.about_secret("E0238", &over.span, message, "what it holds is not at hand"));
            }
            _ => {
                let found = self.types.name(&over.ty);
                return Err(self.plain(
                    "E0238",
                    &over.span,
                    format!("`for` goes over a List or a Map, and this is {}", super::article(&found)),
                    "nothing to go over",
                ));
            }
        };
        self.scoped(|checker| {
            let so_far = checker.fresh();
            let item: Vec<_> = items.iter().map(|_| checker.fresh()).collect();
            let body = match (item.as_slice(), items.as_slice()) {
                ([local], _) => checker.destructure(pattern, *local, &whole, |checker| {
                    checker.block(body, None, span, Some(&Ty::unit()))
                }),
                ([key, value], [key_ty, value_ty]) => {
                    // The entry is made a pair, so that one pattern can take it apart.
                    let entry = checker.fresh();
                    let inner = checker.destructure(pattern, entry, &whole, |checker| {
                        checker.block(body, None, span, Some(&Ty::unit()))
                    });
                    let part = |local: &crate::hir::Local, ty: &Ty| {
                        Expr::new(ExprKind::Local(*local), ty.clone(), span.clone())
                    };
                    let pair = ExprKind::Product(vec![part(key, key_ty), part(value, value_ty)]);
                    let pair = Expr::new(pair, whole.clone(), span.clone());
                    inner.map(|inner| {
                        let kind = ExprKind::Let(entry, Box::new(pair), Box::new(inner));
                        Expr::new(kind, Ty::unit(), span.clone())
                    })
                }
                _ => Err(Reported),
            }?;
            let start = Expr::new(ExprKind::Const(Value::Unit), Ty::unit(), span.clone());
            let kind = ExprKind::Fold {
                over: Box::new(over),
                start: Box::new(start),
                so_far,
                item,
                body: Box::new(body),
            };
            Ok(Expr::new(kind, Ty::unit(), span.clone()))
        })
    }
}

/// Makes an effect.
pub(super) fn emit(effect: EffectKind, payload: Expr, span: &Span) -> Expr {
    let diverges = payload.diverges;
    Expr { kind: ExprKind::Emit(effect, Box::new(payload)), ty: Ty::unit(), span: span.clone(), diverges }
}
