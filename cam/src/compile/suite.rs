//! From a machine file to a suite: the machine, and its tests beside it.
//!
//! What a test computes is compiled as a machine of its own, without state or configuration: each
//! expression is the step of one input case, whose payload is what the expression uses, and whose
//! output is its value. So it goes through the verifier like everything that runs, and nothing of
//! it is in the bytecode or the digest of the machine that is tested.

use super::{Modules, checked_machine, emit, emit_functions, emit_machine, finish};
use crate::check::machine::CheckedMachine;
use crate::code::build::ModuleBuilder;
use crate::code::{Entry, Machine, Module};
use crate::diagnostic::{Diagnostic, Source, Span};
use crate::hir::{Expr, ExprKind, Function, Local};
use crate::suite::script::{Script, Site, payload, variant};
use crate::suite::{SiteCode, Suite, Test};
use crate::ty::{Kind, Ty, TyError};
use crate::value::Value;
use crate::verify::{VerifiedMachine, verify};

/// Compiles a machine file with its tests.
///
/// `predecessor` is what it is for [`super::machine`].
///
/// # Errors
///
/// All faults of the text; and what is too large to be verified.
pub fn suite(source: &Source, predecessor: Option<&Module>) -> Result<Suite, Vec<Diagnostic>> {
    suite_with(source, &Modules::default(), predecessor)
}

/// Compiles a machine file of an application with type modules, and its tests.
///
/// # Errors
///
/// All faults of the text; and what is too large to be verified.
pub fn suite_with(
    source: &Source,
    modules: &Modules,
    predecessor: Option<&Module>,
) -> Result<Suite, Vec<Diagnostic>> {
    let checked = checked_machine(source, modules, predecessor.as_slice())?;
    let machine = verified(source, &(0..0), emit_machine(&checked)).map_err(|fault| vec![*fault])?;
    let mut tests = Vec::new();
    let mut faults = Vec::new();
    for script in &checked.tests {
        let mut code = Vec::new();
        match site_code(source, &checked, script, &script.sites, &mut code) {
            Ok(()) => tests.push(Test { script: script.clone(), code }),
            Err(fault) => faults.push(*fault),
        }
    }
    if faults.is_empty() { Ok(Suite { source: source.clone(), machine, tests }) } else { Err(faults) }
}

fn verified(source: &Source, span: &Span, module: Module) -> Result<VerifiedMachine, Box<Diagnostic>> {
    let refused = |reason: String| {
        let message = format!("what this compiles to is refused: {reason}");
        let diagnostic = Diagnostic::new("E0511", source, span.clone(), message, "too large");
        Box::new(diagnostic.help("split it: machines and tests have limits"))
    };
    match verify(module).map_err(|error| refused(error.to_string()))?.into_machine() {
        Some(machine) => Ok(machine),
        None => Err(refused("it is no machine".to_owned())),
    }
}

/// Compiles sites, as many in one module as its types can hold.
fn site_code(
    source: &Source,
    checked: &CheckedMachine,
    script: &Script,
    sites: &[Site],
    code: &mut Vec<SiteCode>,
) -> Result<(), Box<Diagnostic>> {
    if sites.is_empty() {
        return Ok(());
    }
    match types(sites) {
        Ok((input, output)) => {
            let module = site_module(checked, script, sites, &input, &output);
            let machine = verified(source, &script.span, module)?;
            code.extend((0..sites.len()).map(|case| SiteCode { machine: machine.clone(), case }));
            Ok(())
        }
        Err(error) => {
            assert!(sites.len() > 1, "the checker refuses a site that has no type: {error}");
            let (first, rest) = sites.split_at(sites.len() / 2);
            site_code(source, checked, script, first, code)?;
            site_code(source, checked, script, rest, code)
        }
    }
}

/// Returns the types of the input and the output of the machine that sites become.
fn types(sites: &[Site]) -> Result<(Ty, Ty), TyError> {
    let payloads = sites.iter().map(|site| payload(&site.uses)).collect::<Result<Vec<_>, _>>()?;
    let output = variant(sites.iter().map(|site| site.expr.ty.clone()))?;
    // The result of a step holds the output, and is a level deeper.
    answered(&output)?;
    Ok((variant(payloads)?, output))
}

fn answered(output: &Ty) -> Result<Ty, TyError> {
    Ty::new(Kind::Tuple(vec![Ty::unit(), output.clone()]))
}

fn site_module(checked: &CheckedMachine, script: &Script, sites: &[Site], input: &Ty, output: &Ty) -> Module {
    let mut builder = ModuleBuilder::new(&script.name);
    let known = emit_functions(&mut builder, &checked.functions);
    let nothing = Function {
        name: "init".into(),
        params: vec![(PAYLOAD, Ty::unit())],
        result: Ty::unit(),
        body: Expr::new(ExprKind::Const(Value::Unit), Ty::unit(), 0..0),
    };
    let init = emit::function(&mut builder, &known, &nothing);
    let step = sites
        .iter()
        .enumerate()
        .map(|(case, site)| emit::function(&mut builder, &known, &site_function(case, site, output)))
        .collect();
    let unit = builder.ty(&Ty::unit());
    let entry = Machine {
        keyed: false,
        config: unit,
        state: unit,
        input: builder.ty(input),
        internal: vec![false; sites.len()],
        output: builder.ty(output),
        init,
        step,
        invariants: Vec::new(),
        channels: Vec::new(),
        ports: Vec::new(),
    };
    finish(builder, Entry::Machine(entry))
}

/// The parameters of a step; the checker numbers its own locals from 1 up.
const PAYLOAD: Local = Local(u32::MAX);
const STATE: Local = Local(u32::MAX - 1);
const CONFIG: Local = Local(u32::MAX - 2);

/// Returns the step of a site: it takes the payload apart and puts the value into its case.
fn site_function(case: usize, site: &Site, output: &Ty) -> Function {
    let span = &site.expr.span;
    let payload = payload(&site.uses).expect("the types of the module hold it");
    let result = answered(output).expect("the types of the module hold it");
    let case = u32::try_from(case).expect("a variant has at most MEMBERS_MAX cases");
    let unit = Expr::new(ExprKind::Const(Value::Unit), Ty::unit(), span.clone());
    let value = Expr::new(ExprKind::Inject(case, Box::new(site.expr.clone())), output.clone(), span.clone());
    let pair = Expr::new(ExprKind::Product(vec![unit, value]), result.clone(), span.clone());
    let whole = || Expr::new(ExprKind::Local(PAYLOAD), payload.clone(), span.clone());
    let body = site.uses.iter().enumerate().rev().fold(pair, |body, (index, used)| {
        let part = match site.uses.len() {
            1 => whole(),
            _ => {
                let index = u32::try_from(index).expect("a tuple has at most MEMBERS_MAX members");
                Expr::new(ExprKind::Field(Box::new(whole()), index), used.ty.clone(), span.clone())
            }
        };
        let kind = ExprKind::Let(used.local, Box::new(part), Box::new(body));
        Expr::new(kind, result.clone(), span.clone())
    });
    let params = vec![(PAYLOAD, payload.clone()), (STATE, Ty::unit()), (CONFIG, Ty::unit())];
    Function { name: "site".into(), params, result, body }
}
