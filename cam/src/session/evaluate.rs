//! From the text of an entry to a value: check, compile, verify, run.

use std::sync::Arc;

use super::program::Assembled;
use super::reply::{Fresh, Refusal, Reply, Typed};
use super::{EXPRESSION, Result, Setup, refused_by_trap};
use crate::check::session::{CheckedExpression, CheckedFunctions, Expected};
use crate::code::{FuncIx, disassemble};
use crate::compile;
use crate::compile::session::{Callable, arguments};
use crate::diagnostic::{Source, Span, did_you_mean};
use crate::run;
use crate::syntax::ast::{Expr, MachineFile};
use crate::syntax::entry::{Entry, EntryWord};
use crate::ty::{Ty, TyError};
use crate::value::Value;
use crate::verify::{VerifiedMachine, VerifiedModule, verify};

/// What an expression stands amid.
pub(super) struct Amid<'s> {
    pub(super) assembled: &'s Assembled,
    pub(super) file: &'s MachineFile,
}

impl Setup {
    /// Returns the names that an expression may use beside declarations, with their values.
    fn bindings(&self) -> Vec<(Arc<str>, Typed)> {
        let mut bindings = Vec::new();
        if let Some(machine) = &self.machine {
            let typed =
                |value: &Value, ty: &Ty| Typed { value: value.clone(), ty: ty.clone(), name: String::new() };
            if let Some(instance) = &self.instance {
                bindings.push(("state".into(), typed(&instance.state, machine.state())));
            }
            if let Some(config) = &self.config {
                bindings.push(("config".into(), typed(config, machine.config())));
            }
        }
        bindings.extend(self.names.iter().cloned());
        bindings
    }

    fn checked(&self, amid: &Amid<'_>, expr: &Expr, expected: Option<Ty>) -> Result<CheckedExpression> {
        let bindings: Vec<(Arc<str>, Ty)> =
            self.bindings().into_iter().map(|(name, typed)| (name, typed.ty)).collect();
        let expected = expected.map_or(Expected::Anything, Expected::Type);
        let checked = amid.assembled.amid(amid.file).expression(expr, &expected, &bindings);
        Ok(checked.map_err(|faults| amid.assembled.at_origin(faults))?)
    }

    /// Returns the value of an expression.
    pub(super) fn value(&self, amid: &Amid<'_>, expr: &Expr, expected: Option<Ty>) -> Result<Typed> {
        let checked = self.checked(amid, expr, expected)?;
        let (ty, name) = (checked.ty().clone(), checked.name_of(checked.ty()));
        let callable = compile::session::expression(&checked).map_err(|error| too_large(&error))?;
        let verified = verified(callable)?.0;
        let values = self.bindings().into_iter().map(|(_, typed)| typed.value).collect();
        let link = verified.into_link().expect("the module of an expression is a link");
        let value = run::link_message(&link, &arguments(values), EXPRESSION)
            .map_err(|trap| refused_by_trap(trap, "an expression", EXPRESSION, "nothing changed"))?;
        Ok(Typed { value, ty, name })
    }

    /// Checks the declarations, for what they call things.
    fn declared(&self) -> Option<CheckedFunctions> {
        let assembled = self.program.assemble(None);
        let file = assembled.file().ok()?;
        assembled.amid(&file).declarations().ok()
    }

    /// Returns the declared types.
    pub(super) fn declared_types(&self) -> Vec<Ty> {
        self.declared()
            .map_or_else(Vec::new, |declared| declared.types().iter().map(|(_, ty)| ty.clone()).collect())
    }

    /// Returns what the program calls a type.
    pub(super) fn name(&self, ty: &Ty) -> String {
        self.declared().map_or_else(|| ty.to_string(), |declared| declared.name_of(ty))
    }

    pub(super) fn typed(&self, value: Value, ty: &Ty) -> Typed {
        Typed { value, ty: ty.clone(), name: self.name(ty) }
    }

    pub(super) fn name_of_output(&self, machine: &VerifiedMachine) -> String {
        self.name(machine.output())
    }

    /// Compiles the machine with what was declared, and puts it in the place of the one before.
    pub(super) fn compile(&mut self, config: Option<&str>) -> Result<Option<Fresh>> {
        let assembled = self.program.assemble(None);
        let module = compile::machine_with(&assembled.source, &assembled.modules, assembled.predecessor())
            .map_err(|faults| assembled.at_origin(faults))?;
        let verified = verify(module).map_err(|error| refused_by_verifier(&error))?;
        let machine = verified.into_machine().expect("a machine file compiles to a machine");
        let config = config.map(|json| {
            Value::from_json(json, machine.config()).map_err(|error| {
                Refusal::new(
                    format!("the configuration does not fit: {error}"),
                    "mend [config] in release.toml or app.toml, or `config` in the machine",
                )
            })
        });
        Ok(self.settle(machine, config.transpose()?))
    }

    pub(super) fn type_of(&self, source: &Source, piece: Span) -> Result<Reply> {
        let text = source.text[piece.clone()].trim().to_owned();
        if let Some(ty) = self.declared().as_ref().and_then(|declared| declared.named(&text)) {
            return Ok(Reply::Type(format!("type {text}"), ty.to_string()));
        }
        let assembled = self.program.assemble(Some((source, piece)));
        let (file, entry) = assembled.entry(EntryWord::None)?;
        let Entry::Expr(expr) = entry else { unreachable!("an entry without a word is an expression") };
        let checked = self.checked(&Amid { assembled: &assembled, file: &file }, &expr, None)?;
        Ok(Reply::Type(text, checked.name_of(checked.ty())))
    }

    pub(super) fn code(&self, source: &Source, piece: Span) -> Result<Reply> {
        let text = source.text[piece.clone()].trim();
        let mut words = text.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some("fn"), Some(name), None) => self.code_of_function(name),
            (Some("on"), Some(case), None) => self.code_of_case(case),
            (Some("init"), None, _) => {
                let machine = self.machine()?;
                Ok(listing(machine.verified_module(), machine.machine().init))
            }
            _ => self.code_of_expression(source, piece),
        }
    }

    fn code_of_function(&self, name: &str) -> Result<Reply> {
        let Some(declared) = self.declared() else {
            return Err(Refusal::new("the program is faulty", ":undo takes the last change back"));
        };
        match compile::session::function(&declared, name) {
            Some(callable) => of_callable(callable),
            None => {
                let names = declared.functions.iter().map(|(_, function)| &*function.name);
                Err(none_of("function", name, names))
            }
        }
    }

    fn code_of_case(&self, case: &str) -> Result<Reply> {
        let machine = self.machine()?;
        let cases = super::reply::cases_of(machine);
        match cases.iter().position(|(label, _)| label == case) {
            Some(index) => Ok(listing(machine.verified_module(), machine.machine().step[index])),
            None => Err(none_of("input case", case, cases.iter().map(|(label, _)| label.as_str()))),
        }
    }

    fn code_of_expression(&self, source: &Source, piece: Span) -> Result<Reply> {
        let assembled = self.program.assemble(Some((source, piece)));
        let (file, entry) = assembled.entry(EntryWord::None)?;
        let Entry::Expr(expr) = entry else { unreachable!("an entry without a word is an expression") };
        let checked = self.checked(&Amid { assembled: &assembled, file: &file }, &expr, None)?;
        of_callable(compile::session::expression(&checked))
    }
}

fn of_callable(callable: Result<Callable, TyError>) -> Result<Reply> {
    let (verified, function) = verified(callable.map_err(|error| too_large(&error))?)?;
    Ok(listing(verified.verified_module(), function))
}

fn verified(callable: Callable) -> Result<(crate::verify::Verified, FuncIx)> {
    let verified = verify(callable.module).map_err(|error| refused_by_verifier(&error))?;
    Ok((verified, callable.function))
}

fn listing(module: &VerifiedModule, function: FuncIx) -> Reply {
    Reply::Listing(disassemble::function(module, function))
}

fn none_of<'n>(what: &str, name: &str, names: impl Iterator<Item = &'n str> + Clone) -> Refusal {
    let hint = match did_you_mean(name, names.clone()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => {
            let all: Vec<&str> = names.collect();
            format!("there is {}", if all.is_empty() { "none".to_owned() } else { all.join(", ") })
        }
    };
    Refusal::new(format!("there is no {what} `{name}`"), hint)
}

fn too_large(error: &TyError) -> Refusal {
    Refusal::new(format!("all names together are too much: {error}"), ":undo takes a name back")
}

fn refused_by_verifier(error: &dyn std::error::Error) -> Refusal {
    Refusal::new(format!("the code is refused: {error}"), "split it: code has limits")
}
