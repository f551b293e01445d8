//! Operators.

use super::{Checked, Checker, article};
use crate::diagnostic::Span;
use crate::hir::{Binary, Expr, ExprKind, Unary};
use crate::syntax::ast::{self, BinaryOp, ExprKind as Ast, UnaryOp};
use crate::ty::{Kind, Ty};
use crate::value::Value;

impl Checker<'_> {
    pub(super) fn unary(&mut self, op: UnaryOp, operand: &ast::Expr, span: &Span) -> Checked<Expr> {
        match op {
            UnaryOp::Not => {
                let operand = self.expr(operand, Some(&Ty::bool()))?;
                Ok(unary(Unary::Not, operand, Ty::bool(), span))
            }
            UnaryOp::Neg => {
                let operand = self.number(operand)?;
                if let (Some(Value::Int(int)), true) = (operand.as_const(), operand.ty.is_int()) {
                    return match int.checked_neg() {
                        Some(negated) => {
                            Ok(Expr::new(ExprKind::Const(Value::Int(negated)), Ty::int(), span.clone()))
                        }
                        None => Err(self.plain("E0213", span, "this number does not fit Int", "too large")),
                    };
                }
                let ty = operand.ty.clone();
                Ok(self.on_numbers(
                    &ty,
                    span,
                    |operands| unary(Unary::Neg, operands.0, Ty::int(), span),
                    (operand, None),
                ))
            }
        }
    }

    pub(super) fn binary(
        &mut self,
        op: BinaryOp,
        left: &ast::Expr,
        right: &ast::Expr,
        span: &Span,
    ) -> Checked<Expr> {
        match op {
            BinaryOp::And | BinaryOp::Or => self.short_circuit(op, left, right, span),
            BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                self.comparison(op, left, right, span)
            }
            BinaryOp::Concat => self.concat(left, right, span),
            BinaryOp::Add => self.arithmetic(Binary::Add, left, right, span),
            BinaryOp::Sub => self.arithmetic(Binary::Sub, left, right, span),
            BinaryOp::Mul => self.arithmetic(Binary::Mul, left, right, span),
            BinaryOp::Div => self.arithmetic(Binary::Div, left, right, span),
            BinaryOp::Mod => self.arithmetic(Binary::Mod, left, right, span),
        }
    }

    fn short_circuit(
        &mut self,
        op: BinaryOp,
        left: &ast::Expr,
        right: &ast::Expr,
        span: &Span,
    ) -> Checked<Expr> {
        let (left, right) = (self.expr(left, Some(&Ty::bool())), self.expr(right, Some(&Ty::bool())));
        let (left, right) = (Box::new(left?), Box::new(right?));
        let constant =
            |value| Box::new(Expr::new(ExprKind::Const(Value::Bool(value)), Ty::bool(), span.clone()));
        let kind = match op {
            BinaryOp::And => ExprKind::If(left, right, constant(false)),
            _ => ExprKind::If(left, constant(true), right),
        };
        Ok(Expr::new(kind, Ty::bool(), span.clone()))
    }

    /// Checks two operands that must be of one type, from whichever says its type by itself.
    fn pair(&mut self, left: &ast::Expr, right: &ast::Expr) -> Checked<(Expr, Expr)> {
        let (left, right) = if leans_on_context(left) && !leans_on_context(right) {
            let right = self.expr(right, None)?;
            let wide = widened(&right.ty);
            let left = self.expr(left, Some(&wide))?;
            (left, right)
        } else {
            let left = self.expr(left, None);
            let right = match &left {
                // The other side may be a secret, which this one has to become then.
                Ok(left) if says_its_type(right) && !left.ty.holds_secret() => self.expr(right, None),
                Ok(left) => {
                    let wide = widened(&left.ty);
                    self.expr(right, Some(&wide))
                }
                Err(_) => self.expr(right, None),
            };
            (left?, right?)
        };
        let secret = matches!(right.ty.kind(), Kind::Secret(_));
        let wide = widened(if secret { &right.ty } else { &left.ty });
        Ok((self.coerce(left, &wide)?, self.coerce(right, &wide)?))
    }

    fn comparison(
        &mut self,
        op: BinaryOp,
        left: &ast::Expr,
        right: &ast::Expr,
        span: &Span,
    ) -> Checked<Expr> {
        let (left, right) = self.pair(left, right)?;
        if !matches!(op, BinaryOp::Eq | BinaryOp::Ne) && left.ty.holds_secret() {
            let name = self.types.name(&left.ty);
            return Err(self.about_secret(
                "E0250",
                span,
                format!("{} has no order", article(&name)),
                "comparing would tell what it holds",
            ));
        }
        let make = |op, left: Expr, right: Expr| {
            let kind = ExprKind::Binary(op, Box::new(left), Box::new(right));
            Expr::new(kind, Ty::bool(), span.clone())
        };
        let not = |expr| unary(Unary::Not, expr, Ty::bool(), span);
        // `a > b` is not `b < a` here: operands are evaluated left to right, and the first that
        // traps is the one that is reported.
        Ok(match op {
            BinaryOp::Eq => make(Binary::Eq, left, right),
            BinaryOp::Ne => not(make(Binary::Eq, left, right)),
            BinaryOp::Lt => make(Binary::Lt, left, right),
            BinaryOp::Le => make(Binary::Le, left, right),
            BinaryOp::Gt => not(make(Binary::Le, left, right)),
            _ => not(make(Binary::Lt, left, right)),
        })
    }

    fn concat(&mut self, left: &ast::Expr, right: &ast::Expr, span: &Span) -> Checked<Expr> {
        let (left, right) = self.pair(left, right)?;
        if !matches!(left.ty.kind(), Kind::Text { .. } | Kind::Bytes { .. } | Kind::List { .. }) {
            let found = self.types.name(&left.ty);
            if matches!(left.ty.kind(), Kind::Secret(_)) {
                let message = format!("`++` joins Texts, Bytes or Lists, and this is {}", article(&found));
                return Err(self.about_secret("E0240", span, message, "what it holds is not at hand"));
            }
            return Err(self.plain(
                "E0240",
                span,
                format!("`++` joins Texts, Bytes or Lists, and this is {}", article(&found)),
                "nothing to join",
            ));
        }
        let ty = left.ty.clone();
        Ok(Expr::new(ExprKind::Binary(Binary::Cat, Box::new(left), Box::new(right)), ty, span.clone()))
    }

    /// Checks an operand that must be a number.
    fn number(&mut self, operand: &ast::Expr) -> Checked<Expr> {
        let operand = self.expr(operand, None)?;
        if operand.diverges {
            return self.coerce(operand, &Ty::int());
        }
        match operand.ty.kind() {
            Kind::Int { .. } => self.coerce(operand, &Ty::int()),
            Kind::Duration => Ok(operand),
            Kind::Secret(_) => {
                let found = article(&self.types.name(&operand.ty));
                let message = format!("this operator works on numbers, and this is {found}");
                Err(self.about_secret("E0240", &operand.span, message, "what it holds is not at hand"))
            }
            _ => {
                let found = self.types.name(&operand.ty);
                Err(self.plain(
                    "E0240",
                    &operand.span,
                    format!("this operator works on numbers, and this is {}", article(&found)),
                    "not a number",
                ))
            }
        }
    }

    fn arithmetic(&mut self, op: Binary, left: &ast::Expr, right: &ast::Expr, span: &Span) -> Checked<Expr> {
        let (left, right) = (self.number(left), self.number(right));
        let (left, right) = (left?, right?);
        let duration = |expr: &Expr| matches!(expr.ty.kind(), Kind::Duration);
        let result = match (op, duration(&left), duration(&right)) {
            (_, false, false) => Ty::int(),
            (Binary::Add | Binary::Sub, true, true)
            | (Binary::Mul | Binary::Div | Binary::Mod, true, false)
            | (Binary::Mul, false, true) => Ty::duration(),
            (Binary::Div, true, true) => Ty::int(),
            _ => {
                let diagnostic = self
                    .diagnostic("E0240", span, "an Int and a Duration do not go together here", "mixed")
                    .help("write the number with its unit, as in `15m` or `250ms`");
                return Err(self.fault(diagnostic));
            }
        };
        let make = |(left, right): (Expr, Option<Expr>)| {
            let right = right.expect("a binary operator has two operands");
            Expr::new(ExprKind::Binary(op, Box::new(left), Box::new(right)), Ty::int(), span.clone())
        };
        Ok(self.on_numbers(&result, span, make, (left, Some(right))))
    }

    /// Applies an instruction on Ints to operands that may be Durations.
    fn on_numbers(
        &mut self,
        result: &Ty,
        span: &Span,
        make: impl FnOnce((Expr, Option<Expr>)) -> Expr,
        (left, right): (Expr, Option<Expr>),
    ) -> Expr {
        let as_int = |expr: Expr| {
            if matches!(expr.ty.kind(), Kind::Duration) {
                let span = expr.span.clone();
                match expr.kind {
                    ExprKind::Const(value) => Expr::new(ExprKind::Const(value), Ty::int(), span),
                    _ => unary(Unary::Fit, expr, Ty::int(), &span),
                }
            } else {
                expr
            }
        };
        let made = make((as_int(left), right.map(as_int)));
        match result.kind() {
            Kind::Duration => unary(Unary::Fit, made, Ty::duration(), span),
            _ => made,
        }
    }
}

/// Makes an operation on one value.
pub(super) fn unary(op: Unary, operand: Expr, ty: Ty, span: &Span) -> Expr {
    let diverges = operand.diverges;
    Expr { kind: ExprKind::Unary(op, Box::new(operand)), ty, span: span.clone(), diverges }
}

/// Returns the type without limits: what operators work on.
pub(crate) fn widened(ty: &Ty) -> Ty {
    match ty.kind() {
        Kind::Int { .. } => Ty::int(),
        Kind::Text { .. } => Ty::text(),
        Kind::Bytes { .. } => Ty::bytes(),
        Kind::List { item, max: Some(_) } => {
            Ty::list(item.clone()).expect("a list without a limit is no deeper than one with a limit")
        }
        Kind::Secret(item) => widened(item).sealed().expect("a limit adds no parts to a type"),
        _ => ty.clone(),
    }
}

/// Returns true for expressions whose type is the same in every place.
fn says_its_type(expr: &ast::Expr) -> bool {
    match &expr.kind {
        Ast::Var(_) => true,
        Ast::Field(base, _) | Ast::Index(base, _) => says_its_type(base),
        _ => false,
    }
}

/// Returns true for expressions whose type depends on their place.
fn leans_on_context(expr: &ast::Expr) -> bool {
    match &expr.kind {
        Ast::Case(..) | Ast::Record { base: None, .. } | Ast::Fail(_) => true,
        Ast::List(items) => items.is_empty(),
        Ast::Map(entries) => entries.is_empty(),
        Ast::Tuple(items) => items.iter().any(leans_on_context),
        _ => false,
    }
}
