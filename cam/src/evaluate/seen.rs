//! What was evaluated, for tests that ask whether generated programs come to everything.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::hir::Expr;
use crate::ty::Ty;

/// Types of what was evaluated, by where it stands.
pub(crate) type Seen = BTreeMap<(usize, usize), Ty>;

thread_local! {
    static SEEN: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

/// Returns what `inside` gives, and what was evaluated on the way.
pub(crate) fn watch<T>(inside: impl FnOnce() -> T) -> (T, Seen) {
    SEEN.set(Some(Seen::new()));
    let result = inside();
    (result, SEEN.take().unwrap_or_default())
}

pub(super) fn see(expr: &Expr) {
    SEEN.with_borrow_mut(|seen| {
        if let Some(seen) = seen {
            seen.insert((expr.span.start, expr.span.end), expr.ty.clone());
        }
    });
}
