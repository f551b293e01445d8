//! Parts of the typed tree that standard functions are made of.

use crate::diagnostic::Span;
use crate::hir::{Binary, Decision, Each, Expr, ExprKind, Local, Match, Unary};
use crate::ty::Ty;
use crate::value::Value;

use super::operator::unary;

pub(super) fn number(value: i64, span: &Span) -> Expr {
    Expr::new(ExprKind::Const(Value::Int(value)), Ty::int(), span.clone())
}

pub(super) fn truth(value: bool, span: &Span) -> Expr {
    Expr::new(ExprKind::Const(Value::Bool(value)), Ty::bool(), span.clone())
}

pub(super) fn local(local: Local, ty: &Ty, span: &Span) -> Expr {
    Expr::new(ExprKind::Local(local), ty.clone(), span.clone())
}

pub(super) fn field(base: Expr, index: u32, ty: Ty, span: &Span) -> Expr {
    Expr::new(ExprKind::Field(Box::new(base), index), ty, span.clone())
}

pub(super) fn binary(op: Binary, left: Expr, right: Expr, ty: Ty, span: &Span) -> Expr {
    let diverges = left.diverges || right.diverges;
    Expr { kind: ExprKind::Binary(op, Box::new(left), Box::new(right)), ty, span: span.clone(), diverges }
}

pub(super) fn put(map: Expr, key: Expr, value: Expr, span: &Span) -> Expr {
    let ty = map.ty.clone();
    Expr::new(ExprKind::Put(Box::new(map), Box::new(key), Box::new(value)), ty, span.clone())
}

pub(super) fn push(list: Expr, item: Expr, span: &Span) -> Expr {
    let ty = list.ty.clone();
    binary(Binary::Append, list, item, ty, span)
}

pub(super) fn each(each: Each, over: Expr, item: Vec<Local>, body: Expr, ty: Ty, span: &Span) -> Expr {
    let kind = ExprKind::Each { each, over: Box::new(over), item, body: Box::new(body) };
    Expr::new(kind, ty, span.clone())
}

/// A fold whose body has the type of its start.
pub(super) fn fold(
    over: Expr,
    start: Expr,
    so_far: Local,
    item: Vec<Local>,
    body: Expr,
    span: &Span,
) -> Expr {
    let ty = start.ty.clone();
    let (over, start, body) = (Box::new(over), Box::new(start), Box::new(body));
    Expr::new(ExprKind::Fold { over, start, so_far, item, body }, ty, span.clone())
}

pub(super) fn choose(condition: Expr, yes: Expr, no: Expr, span: &Span) -> Expr {
    let ty = yes.ty.clone();
    Expr::new(ExprKind::If(Box::new(condition), Box::new(yes), Box::new(no)), ty, span.clone())
}

/// Chooses by an Option; `names` are those of the option itself and of what None and Some hold.
pub(super) fn choose_by(
    option: Expr,
    [root, nothing, payload]: [Local; 3],
    none: Expr,
    some: Expr,
    span: &Span,
) -> Expr {
    let ty = if none.diverges { some.ty.clone() } else { none.ty.clone() };
    let diverges = none.diverges && some.diverges;
    let tree = Decision::Case(
        root,
        vec![(nothing, Decision::Arm(0, Vec::new())), (payload, Decision::Arm(1, Vec::new()))],
    );
    let arms = vec![(None, none), (None, some)];
    let kind = ExprKind::Match(Box::new(Match { scrutinee: option, root, tree, arms }));
    Expr { kind, ty, span: span.clone(), diverges }
}

pub(super) fn empty(subject: Expr, span: &Span) -> Expr {
    let length = unary(Unary::Len, subject, Ty::int(), span);
    binary(Binary::Eq, length, number(0, span), Ty::bool(), span)
}
