//! Parts of programs: an expression amid the declarations of a file, for who tries things out.
//!
//! The file need not be a whole machine: types, constants and functions are what an expression
//! can name. What it does not name is checked all the same, so that a declaration is refused when
//! it is made and not when it is first used.

use std::sync::Arc;

use super::line::Line;
use super::machine::function;
use super::modules::{Items, Modules};
use super::{Checked, Checker, Reported, Types};
use crate::code::Module;
use crate::diagnostic::{Diagnostic, Source};
use crate::hir::{Function, FunctionId};
use crate::syntax::ast::{Expr, MachineFile};
use crate::ty::Ty;

/// What an expression is checked amid.
#[derive(Debug, Clone, Copy)]
pub struct Amid<'s> {
    /// The text of file and expression.
    pub source: &'s Source,
    /// The declarations.
    pub file: &'s MachineFile,
    /// The type modules that the file may use.
    pub modules: &'s Modules,
    /// The module that ordinals are kept from.
    pub predecessor: Option<&'s Module>,
}

/// What an expression is to be.
#[derive(Debug, Clone)]
pub enum Expected {
    /// Whatever it is.
    Anything,
    /// A value of a type.
    Type(Ty),
}

/// A checked expression, and what it may call.
#[derive(Debug)]
pub struct CheckedExpression {
    /// The functions of the file, callees first.
    pub functions: Vec<(FunctionId, Function)>,
    /// The expression as a function of the bindings, in their order.
    pub expression: Function,
    names: Types,
}

/// The checked functions of a file.
#[derive(Debug)]
pub struct CheckedFunctions {
    /// The functions, callees first.
    pub functions: Vec<(FunctionId, Function)>,
    names: Types,
}

impl CheckedExpression {
    /// Returns the type of the expression.
    pub fn ty(&self) -> &Ty {
        &self.expression.result
    }

    /// Returns a type as who wrote the file calls it.
    pub fn name_of(&self, ty: &Ty) -> String {
        self.names.name(ty)
    }
}

impl CheckedFunctions {
    /// Returns a type as who wrote the file calls it.
    pub fn name_of(&self, ty: &Ty) -> String {
        self.names.name(ty)
    }

    /// Returns the declared type of this name.
    pub fn named(&self, name: &str) -> Option<&Ty> {
        self.names.get(name)
    }

    /// Returns all declared types, in source order.
    pub fn types(&self) -> &[(Arc<str>, Ty)] {
        self.names.named()
    }
}

impl Amid<'_> {
    /// Checks an expression that may also name `bindings`.
    ///
    /// # Errors
    ///
    /// All faults of the expression and of what it stands amid.
    pub fn expression(
        &self,
        expr: &Expr,
        expected: &Expected,
        bindings: &[(Arc<str>, Ty)],
    ) -> Result<CheckedExpression, Vec<Diagnostic>> {
        self.within(|checker, items| {
            let functions = checker.parts(items)?;
            let mut params = Vec::new();
            for (name, ty) in bindings {
                params.push((checker.bind(name, ty.clone()), ty.clone()));
            }
            let body = match expected {
                Expected::Anything => checker.expr(expr, None)?,
                Expected::Type(ty) => checker.expr(expr, Some(ty))?,
            };
            let result = body.ty.clone();
            Ok((functions, function("(entry)", params, result, body)))
        })
        .map(|((functions, expression), names)| CheckedExpression { functions, expression, names })
    }

    /// Checks the declarations alone.
    ///
    /// # Errors
    ///
    /// All their faults.
    pub fn declarations(&self) -> Result<CheckedFunctions, Vec<Diagnostic>> {
        self.within(|checker, items| checker.parts(items))
            .map(|(functions, names)| CheckedFunctions { functions, names })
    }

    fn within<T>(
        &self,
        inside: impl FnOnce(&mut Checker<'_>, &Items<'_>) -> Checked<T>,
    ) -> Result<(T, Types), Vec<Diagnostic>> {
        let mut checker = Checker::new(self.source);
        let items = Items::of_machine(self.file);
        // What the machine itself was compiled from was looked at when it was.
        let line = Line::of(self.predecessor.as_slice()).unwrap_or_default();
        checker.begin(self.modules, &items, &line);
        match inside(&mut checker, &items) {
            Ok(found) if checker.errors.is_empty() => Ok((found, checker.types)),
            _ => Err(checker.faults()),
        }
    }
}

impl Checker<'_> {
    /// Checks types, constants and functions.
    fn parts(&mut self, items: &Items<'_>) -> Checked<Vec<(FunctionId, Function)>> {
        self.declare_types(items.types.iter().copied());
        let declared = self.declare_functions(items.functions.iter().copied());
        self.constants(&items.constants);
        let functions = self.check_functions(items.functions.iter().copied(), declared)?;
        if self.errors.is_empty() { Ok(functions) } else { Err(Reported) }
    }
}
