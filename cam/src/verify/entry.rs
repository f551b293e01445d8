//! The rules of entry points: signatures, step functions, channels and ports.

use std::collections::{BTreeMap, BTreeSet};

use super::cost::{Cost, UNBOUNDED, Weights};
use super::fault::{Fault, Place, VerifyError, short};
use super::{FunctionFacts, TrapKind};
use crate::code::{Answer, Edge, Entry, FuncIx, Link, Machine, Module, TypeIx};
use crate::ty::{Kind, Ty, TyError};

fn refuse(fault: Fault) -> VerifyError {
    VerifyError { place: Place::Entry, fault }
}

/// Returns the step functions.
///
/// # Errors
///
/// When one is another entry point as well: its effects would come from where nobody looks for
/// them. That none is called is checked where calls are.
pub(super) fn step_functions(module: &Module) -> Result<BTreeSet<FuncIx>, VerifyError> {
    let Entry::Machine(machine) = &module.entry else { return Ok(BTreeSet::new()) };
    let steps: BTreeSet<FuncIx> = machine.step.iter().copied().collect();
    let others = std::iter::once(machine.init).chain(machine.invariants.iter().map(|(_, f)| *f));
    match others.into_iter().find(|function| steps.contains(function)) {
        Some(function) => Err(reused(function)),
        None => Ok(steps),
    }
}

/// A step function is an entry point, and nothing else.
pub(super) fn reused(FuncIx(index): FuncIx) -> VerifyError {
    refuse(Fault::StepReused { index })
}

/// Checks the entry points of a module whose functions are checked.
pub(super) fn check(module: &Module) -> Result<(), VerifyError> {
    match &module.entry {
        Entry::Machine(machine) => check_machine(module, machine),
        Entry::Edge(edge) => check_edge(module, edge),
        Entry::Link(link) => check_link(module, link),
    }
}

fn check_machine(module: &Module, machine: &Machine) -> Result<(), VerifyError> {
    let [config, state, output] = [machine.config, machine.state, machine.output].map(|ty| module.ty(ty));
    if config.holds_secret() {
        return Err(refuse(Fault::SecretConfig {}));
    }
    let Some(input) = module.ty(machine.input).as_variant() else {
        return Err(refuse(Fault::PerCase { what: "function" }));
    };
    for (what, count) in [("flag", machine.internal.len()), ("function", machine.step.len())] {
        if count != input.cases.len() {
            return Err(refuse(Fault::PerCase { what }));
        }
    }
    check_signature(module, "init", machine.init, &[config], state)?;
    for (_, function) in &machine.invariants {
        check_signature(module, "an invariant", *function, &[state], &Ty::bool())?;
    }
    let answered = Ty::new(Kind::Tuple(vec![state.clone(), output.clone()]))
        .map_err(|error| refuse(Fault::Made { op: "a step".to_owned(), error }))?;
    for ((case, function), internal) in input.cases.iter().zip(&machine.step).zip(&machine.internal) {
        let result = if *internal { state } else { &answered };
        let what = format!("the step of `{}`", case.label);
        check_signature(module, &what, *function, &[&case.payload, state, config], result)?;
    }
    let mut names = BTreeSet::new();
    let channels = machine.channels.iter().map(|channel| (&channel.name, channel.answer));
    for (name, answer) in channels.chain(machine.ports.iter().map(|port| (&port.name, port.answer))) {
        if !names.insert(name) {
            return Err(refuse(Fault::DoubledChannel { name: name.clone() }));
        }
        if let Some(why) = reason_unanswerable(module, machine, answer) {
            return Err(refuse(Fault::Answer { name: name.clone(), why }));
        }
    }
    Ok(())
}

/// Returns why the answers of a channel or port cannot come back, if they are to.
fn reason_unanswerable(module: &Module, machine: &Machine, answer: Option<Answer>) -> Option<&'static str> {
    let answer = answer?;
    let case = module.ty(machine.input).as_variant()?.cases.get(answer.case as usize);
    let Some(case) = case else { return Some("the input has no such case") };
    if !machine.internal[answer.case as usize] {
        return Some("the case is not internal");
    }
    let Some(record) = case.payload.as_record() else { return Some("the case holds no record") };
    let mut answered = false;
    for field in &record.fields {
        match (&*field.label, field.ty.kind()) {
            ("answer", Kind::Option(item)) if item == module.ty(answer.ty) => answered = true,
            ("answer", _) => return Some("the field `answer` is no Option of the answer"),
            ("from", Kind::Text { max: None }) => {}
            ("from", _) => return Some("the field `from` is no Text"),
            _ => return Some("the case has fields other than `answer` and `from`"),
        }
    }
    if answered { None } else { Some("the case has no field `answer`") }
}

/// The arrows of an edge come in pairs of opposite direction.
fn check_edge(module: &Module, edge: &Edge) -> Result<(), VerifyError> {
    let (old, new) = arrow(module, "up", edge.up)?;
    match edge.keep {
        None => check_signature(module, "down", edge.down, &[new], old)?,
        Some(keep) => {
            let (from, kept) = arrow(module, "keep", keep)?;
            check_signature(module, "keep", keep, &[old], kept)?;
            debug_assert_eq!(from, old, "the signature was checked");
            let takes = taken_by_down(new, kept)
                .map_err(|error| refuse(Fault::Made { op: "down".to_owned(), error }))?;
            check_signature(module, "down", edge.down, &[&takes], old)?;
        }
    }
    let mut pairs = vec![
        ("lift".to_owned(), edge.lift, "unlift".to_owned(), edge.unlift),
        ("raise".to_owned(), edge.raise, "lower".to_owned(), edge.lower),
    ];
    let mut names = BTreeSet::new();
    for channel in &edge.channels {
        if !names.insert(&channel.name) {
            return Err(refuse(Fault::DoubledChannel { name: channel.name.clone() }));
        }
        let name = &channel.name;
        pairs.push((format!("`{name}` up"), channel.up, format!("`{name}` down"), channel.down));
    }
    for (there_name, there, back_name, back) in pairs {
        let (from, to) = arrow(module, &there_name, there)?;
        check_signature(module, &back_name, back, &[to], from)?;
    }
    Ok(())
}

/// Returns what `down` takes where something is kept aside: the new state, and what was kept, if anything.
///
/// # Errors
///
/// When the type would be too large.
pub(crate) fn taken_by_down(new: &Ty, kept: &Ty) -> Result<Ty, TyError> {
    Ty::new(Kind::Tuple(vec![new.clone(), Ty::option(kept.clone())?]))
}

fn check_link(module: &Module, link: &Link) -> Result<(), VerifyError> {
    arrow(module, "message", link.message)?;
    match link.answer {
        Some(answer) => arrow(module, "answer", answer).map(|_| ()),
        None => Ok(()),
    }
}

/// Returns the two ends of a function with one parameter.
fn arrow<'m>(module: &'m Module, what: &str, function: FuncIx) -> Result<(&'m Ty, &'m Ty), VerifyError> {
    let function = module.function(function);
    match function.params[..] {
        [param] => Ok((module.ty(param), module.ty(function.result))),
        _ => Err(refuse(Fault::Signature {
            what: what.to_owned(),
            expected: "one parameter".to_owned(),
            found: format!("{} of them", function.params.len()),
        })),
    }
}

fn check_signature(
    module: &Module,
    what: &str,
    function: FuncIx,
    params: &[&Ty],
    result: &Ty,
) -> Result<(), VerifyError> {
    let function = module.function(function);
    let ty = |ty: &TypeIx| module.ty(*ty);
    if function.params.iter().map(ty).eq(params.iter().copied()) && ty(&function.result) == result {
        return Ok(());
    }
    let shown = |params: Vec<&Ty>, result: &Ty| {
        let params: Vec<String> = params.into_iter().take(4).map(short).collect();
        format!("({}) -> {}", params.join(", "), short(result))
    };
    Err(refuse(Fault::Signature {
        what: what.to_owned(),
        expected: shown(params.to_vec(), result),
        found: shown(function.params.iter().map(ty).collect(), ty(&function.result)),
    }))
}

/// Returns the facts with what a run charges for the results of entry points: the weight of a
/// step's output, and the bound on results with a list or map within another, see
/// [`crate::run`].
pub(super) fn with_results(module: &Module, mut facts: Vec<FunctionFacts>) -> Vec<FunctionFacts> {
    let mut weights = Weights::default();
    let mut charged = BTreeSet::new();
    // Per step function: does it answer?
    let steps: BTreeMap<FuncIx, bool> = match &module.entry {
        Entry::Machine(machine) => {
            machine.step.iter().copied().zip(machine.internal.iter().map(|internal| !internal)).collect()
        }
        Entry::Edge(_) | Entry::Link(_) => BTreeMap::new(),
    };
    for index in super::entries(module) {
        if !charged.insert(index) {
            continue;
        }
        let result = module.ty(module.function(index).result);
        let (leaves, output) = match (&module.entry, steps.get(&index)) {
            (Entry::Machine(machine), Some(answers)) => {
                (module.ty(machine.state), answers.then(|| module.ty(machine.output)))
            }
            _ => (result, None),
        };
        let facts = &mut facts[index.0 as usize];
        if let Some(output) = output {
            let cost = Cost {
                fuel: facts.fuel_max.unwrap_or(UNBOUNDED),
                memory: facts.memory_max.unwrap_or(UNBOUNDED),
            };
            facts.set_cost(cost.then(Cost::memory(weights.weight(output))));
        }
        if leaves.nests() && weights.weight(leaves) > crate::run::WEIGHT_MAX {
            facts.may_trap.insert(TrapKind::Memory);
        }
    }
    facts
}
