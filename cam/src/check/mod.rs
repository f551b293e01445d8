//! The checker: from the plain syntax tree to the typed tree.
//!
//! It works in both directions: an expression is checked against the type that its place asks
//! for, where there is one, and its type is found out where there is none. It reports every
//! fault it finds: a part that is faulty counts as reported, and what depends on it is silent.
//!
//! Where to look next: [`types`] resolves type expressions, [`expr`] checks expressions,
//! [`call`] and [`standard`] calls, [`pattern`] turns `match` into decision trees, [`machine`]
//! and [`migration`] check whole files, [`session`] expressions amid the declarations of one.

mod call;
mod definition;
mod effect;
mod expr;
mod items;
pub mod line;
pub mod machine;
mod make;
pub mod migration;
pub mod modules;
mod numbers;
mod operator;
mod outlet;
mod pattern;
mod record;
mod secret;
pub mod session;
mod standard;
mod test;
mod test_statement;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::derive::{Edits, Way};
use crate::diagnostic::{Diagnostic, Source, Span, did_you_mean};
use crate::hir::{Expr, ExprKind, Function, FunctionId, Local, Unary};
use crate::syntax::ast;
use crate::ty::{Kind, Ty, TyError};
use crate::value::Value;

use modules::Exports;
pub use modules::Modules;
pub(crate) use operator::widened;
pub use outlet::{CheckedChannel, CheckedPort};
pub(crate) use types::Types;

/// The code of an expression whose type neither it nor its place says.
const UNKNOWN_TYPE: &str = "E0212";

/// A fault that stands in the list of diagnostics already.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reported;

pub(crate) type Checked<T> = Result<T, Reported>;

/// What a name in scope stands for.
#[derive(Debug, Clone)]
enum Bound {
    Local(Local, Ty),
    /// A constant, and the functions that it calls.
    Const(Expr, Vec<FunctionId>),
    /// `ctx`.
    Ctx,
    /// Its own expression was faulty.
    Faulty,
}

/// A function that may be called.
#[derive(Debug, Clone)]
pub(crate) struct Signature {
    id: FunctionId,
    params: Vec<Ty>,
    result: Ty,
}

/// The state of checking one file.
pub(crate) struct Checker<'a> {
    source: &'a Source,
    pub(crate) errors: Vec<Diagnostic>,
    pub(crate) types: Types,
    functions: BTreeMap<Arc<str>, Signature>,
    /// Functions whose signature or body is faulty.
    faulty_functions: Vec<Arc<str>>,
    /// The channels and ports; None where the declaration is faulty.
    outlets: BTreeMap<Arc<str>, Option<outlet::Outlet>>,
    scopes: Vec<(Arc<str>, Bound)>,
    next_local: u32,
    /// The functions called since the start of the current function.
    calls: Vec<FunctionId>,
    /// The input type, where effects are allowed.
    effects: Option<Ty>,
    /// The definition of a standard function that is being checked.
    definition: Option<definition::Definition>,
    definitions: definition::Definitions,
    /// How many such definitions stand within each other here.
    expanded: usize,
    /// The edits of the arrow that is being checked, for `derived`.
    deriving: Option<(Way, Arc<Edits>)>,
    /// True when the edits are faulty, so that nothing can be said of what is derived.
    edits_faulty: bool,
    /// The test that is being checked.
    test: Option<Box<test::Testing>>,
    /// The type modules that were checked.
    modules: BTreeMap<Arc<str>, Exports<'a>>,
    /// Their types, under the names by which the next version knows them.
    shared_types: Vec<(Arc<str>, Ty)>,
    /// Their functions, callees first.
    shared_functions: Vec<(FunctionId, Function)>,
    /// How many functions were declared before those of the file or module at hand.
    function_base: usize,
    /// How many of the named types come from modules.
    imported_types: usize,
    /// The declaration of `Input` in a module, and where it is used.
    imported_input: Option<(&'a ast::TypeDecl, Span)>,
    /// The retired names that came back.
    returned: Vec<line::Returned>,
}

impl<'a> Checker<'a> {
    pub(crate) fn new(source: &'a Source) -> Checker<'a> {
        Checker {
            source,
            errors: Vec::new(),
            types: Types::default(),
            returned: Vec::new(),
            functions: BTreeMap::new(),
            faulty_functions: Vec::new(),
            outlets: BTreeMap::new(),
            scopes: Vec::new(),
            next_local: 0,
            calls: Vec::new(),
            effects: None,
            definition: None,
            definitions: definition::Definitions::default(),
            expanded: 0,
            deriving: None,
            edits_faulty: false,
            test: None,
            modules: BTreeMap::new(),
            shared_types: Vec::new(),
            shared_functions: Vec::new(),
            function_base: 0,
            imported_types: 0,
            imported_input: None,
        }
    }

    /// Reports a fault.
    fn fault(&mut self, diagnostic: Diagnostic) -> Reported {
        self.errors.push(diagnostic);
        Reported
    }

    /// Reports a fault that has neither help nor related places.
    fn plain(
        &mut self,
        code: &'static str,
        span: &Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Reported {
        self.fault(Diagnostic::new(code, self.source, span.clone(), message, label))
    }

    /// Checks one of several parts that have one type. After a faulty one that would have said
    /// it, not to know the type is no fault of its own.
    fn beside<T>(&mut self, faulty: bool, inside: impl FnOnce(&mut Self) -> Checked<T>) -> Checked<T> {
        let before = self.errors.len();
        let result = inside(self);
        if faulty {
            let mut index = 0;
            self.errors.retain(|error| {
                index += 1;
                index <= before || error.code != UNKNOWN_TYPE
            });
        }
        result
    }

    fn diagnostic(
        &self,
        code: &'static str,
        span: &Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic::new(code, self.source, span.clone(), message, label)
    }

    /// Builds a type; its faults are reported at `span`.
    fn build(&mut self, kind: Kind, span: &Span) -> Checked<Ty> {
        Ty::new(kind).map_err(|error| self.type_fault(&error, span))
    }

    fn type_fault(&mut self, error: &TyError, span: &Span) -> Reported {
        self.plain("E0204", span, format!("this is no type: {error}"), "here")
    }

    fn option_of(&mut self, item: Ty, span: &Span) -> Checked<Ty> {
        self.build(Kind::Option(item), span)
    }

    pub(crate) fn fresh(&mut self) -> Local {
        self.next_local += 1;
        Local(self.next_local)
    }

    /// Brings a variable into scope.
    pub(crate) fn bind(&mut self, name: &Arc<str>, ty: Ty) -> Local {
        let local = self.fresh();
        self.scopes.push((name.clone(), Bound::Local(local, ty)));
        local
    }

    /// Runs `inside` and drops the names that it brought into scope.
    pub(crate) fn scoped<T>(&mut self, inside: impl FnOnce(&mut Self) -> T) -> T {
        let depth = self.scopes.len();
        let result = inside(self);
        self.scopes.truncate(depth);
        result
    }

    fn lookup(&mut self, name: &Arc<str>, span: &Span) -> Checked<Bound> {
        match self.scopes.iter().rev().find(|(bound, _)| bound == name) {
            Some((_, Bound::Faulty)) => Err(Reported),
            Some((_, bound)) => Ok(bound.clone()),
            None => {
                let near = did_you_mean(name, self.scopes.iter().map(|(bound, _)| &**bound));
                let mut diagnostic = self.diagnostic(
                    "E0206",
                    span,
                    format!("there is no `{name}` here"),
                    "not a name in scope",
                );
                diagnostic.help = match near {
                    Some(near) => Some(format!("did you mean `{near}`?")),
                    None if self.functions.contains_key(name) => {
                        Some(format!("`{name}` is a function: call it with `{name}(...)`"))
                    }
                    None => out_of_scope(name).map(str::to_owned),
                };
                Err(self.fault(diagnostic))
            }
        }
    }

    /// Makes an expression fit the type that its place asks for: by changing limits where that
    /// is possible, else by a fault.
    pub(crate) fn coerce(&mut self, expr: Expr, expected: &Ty) -> Checked<Expr> {
        if expr.ty == *expected {
            return Ok(expr);
        }
        if expr.diverges {
            return Ok(Expr { ty: expected.clone(), ..expr });
        }
        if !fits(&expr.ty, expected) {
            if fits(expr.ty.unsealed(), expected) {
                let (wanted, found) = (self.types.name(expected), self.types.name(&expr.ty));
                let message = format!("expected {wanted}, found {found}");
                return Err(self.about_secret("E0210", &expr.span, message, "this is a secret"));
            }
            let diagnostic = self.diagnostic(
                "E0210",
                &expr.span,
                format!("expected {}, found {}", self.types.name(expected), self.types.name(&expr.ty)),
                format!("this is {}", article(&self.types.name(&expr.ty))),
            );
            return Err(self.fault(diagnostic));
        }
        if let Some(value) = expr.as_const() {
            if value.has_type(expected) {
                return Ok(Expr { ty: expected.clone(), ..expr });
            }
            let diagnostic = self.diagnostic(
                "E0213",
                &expr.span,
                format!("this constant does not fit {}", self.types.name(expected)),
                "outside the limits of the type",
            );
            return Err(self.fault(diagnostic));
        }
        let span = expr.span.clone();
        if let Kind::Secret(item) = expected.kind() {
            let held = expr.ty.unsealed().clone();
            let open = if expr.ty == held { expr } else { operator::unary(Unary::Reveal, expr, held, &span) };
            let fitted = self.coerce(open, item)?;
            return Ok(operator::unary(Unary::Seal, fitted, expected.clone(), &span));
        }
        Ok(Expr::new(ExprKind::Unary(Unary::Fit, Box::new(expr)), expected.clone(), span))
    }

    /// Evaluates an expression that must be a constant: a default.
    fn constant(&mut self, expr: &ast::Expr, ty: &Ty) -> Checked<Value> {
        let checked = self.expr(expr, Some(ty))?;
        match checked.as_const() {
            Some(value) => Ok(value.clone()),
            None => Err(self.plain(
                "E0235",
                &expr.span,
                "a default is a constant",
                "this is computed when the program runs",
            )),
        }
    }
}

/// Says what to do about a name that means something elsewhere, or in other languages.
fn out_of_scope(name: &str) -> Option<&'static str> {
    Some(match name {
        "state" => "`on` and `invariant` see the state; give it to a `fn` as a parameter",
        "config" => {
            "`init` and `on` see what `config { name: Type = value }` declares; give it to a `fn` as a parameter"
        }
        "ctx" => "only `on` sees what surrounds a step; give it to a `fn` as a parameter",
        "null" | "nil" | "undefined" => "the value that is missing is `None`, of an Option",
        "self" | "this" => "`state` is the state, and `ctx.self` the key of the instance",
        _ => return None,
    })
}

/// Returns true when a value of one type can become one of the other by checking limits alone.
fn fits(from: &Ty, to: &Ty) -> bool {
    match (from.kind(), to.kind()) {
        (Kind::Int { .. }, Kind::Int { .. })
        | (Kind::Text { .. }, Kind::Text { .. })
        | (Kind::Bytes { .. }, Kind::Bytes { .. }) => true,
        (Kind::List { item, .. }, Kind::List { item: other, .. }) => item == other,
        // What is public becomes secret where a secret is asked for; never the other way.
        (_, Kind::Secret(to)) => from == to || fits(from.unsealed(), to),
        _ => from == to,
    }
}

/// Returns a name with `a` or `an` before it.
fn article(name: &str) -> String {
    let vowel = name.starts_with(['A', 'E', 'I', 'O', 'U', 'a', 'e', 'i', 'o', 'u']);
    format!("{} {name}", if vowel { "an" } else { "a" })
}

/// Returns a list in words: "`a`, `b` and `c`".
pub(crate) fn listed<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [many @ .., last] => format!("{} and {last}", many.join(", ")),
    }
}
