//! The canonical form of a module: one program has one numbering.
//!
//! - Functions: exactly those that the entry points reach, each after the functions it calls,
//!   otherwise in the order of their first use (entry points in the order of [`Entry`]'s fields).
//! - Constants: exactly those that the functions load, each once, in the order of first use.
//! - Types: first those that the entry, the functions (parameters, result, body) and the
//!   constants name, each once, in the order of first use, every type directly after its parts;
//!   then those that only [`Debug`] names (its types, then its retired names), in the same manner. The latter are outside
//!   the digest.
//!
//! So neither the order in which a source declares its functions and types nor unused
//! declarations change a digest, and a decoder can refuse every other numbering.

mod check;

use std::collections::HashMap;

pub(crate) use check::code_types;

use super::operand::{Operand, OperandMut};
use super::{Answer, ConstIx, Debug, Entry, FuncIx, Function, Module, Retired, TypeIx};
use crate::digest::Digest;
use crate::ty::{Ty, children};
use crate::value::Value;

/// Why a module cannot be numbered: it names something that it does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// No such type.
    #[error("there is no type {0}")]
    Type(u32),
    /// No such constant.
    #[error("there is no constant {0}")]
    Constant(u32),
    /// No such function.
    #[error("there is no function {0}")]
    Function(u32),
}

/// Returns the module in canonical form.
///
/// # Errors
///
/// When an index is out of range. The nesting of blocks must be bounded by the caller.
pub fn canonical(module: &Module) -> Result<Module, RangeError> {
    let order = function_order(&module.entry, &Calls::of(module))?;
    let mut renumber = Renumber {
        module,
        functions: order.iter().zip(0..).map(|(&old, new)| (old, FuncIx(new))).collect(),
        constants: HashMap::new(),
        constants_in_order: vec![],
        constant_index: HashMap::new(),
        types: TypeTable::default(),
    };
    let entry = renumber.entry()?;
    let mut functions = Vec::with_capacity(order.len());
    for &old in &order {
        functions.push(renumber.function(&module.functions[old.0 as usize])?);
    }
    let debug = renumber.debug(&order)?;
    Ok(Module {
        types: renumber.types.types,
        constants: renumber.constants_in_order,
        functions,
        entry,
        debug,
    })
}

/// The types met so far, each after its parts.
#[derive(Debug, Default)]
pub(super) struct TypeTable {
    pub(super) types: Vec<Ty>,
    index: HashMap<Digest, TypeIx>,
}

impl TypeTable {
    /// Returns the index of the type; adds it, and before it the parts that are missing.
    ///
    /// Recursion is bounded by [`crate::ty::DEPTH_MAX`].
    pub(super) fn intern(&mut self, ty: &Ty) -> TypeIx {
        if let Some(&index) = self.index.get(&ty.digest()) {
            return index;
        }
        for part in children(ty.kind()) {
            self.intern(part);
        }
        let index = TypeIx(u32::try_from(self.types.len()).expect("a module has fewer than 2^32 types"));
        self.types.push(ty.clone());
        self.index.insert(ty.digest(), index);
        index
    }
}

/// Returns the functions that an entry names, in the order of its fields.
pub(crate) fn entry_functions(entry: &Entry) -> Vec<FuncIx> {
    match entry {
        Entry::Machine(machine) => std::iter::once(machine.init)
            .chain(machine.step.iter().copied())
            .chain(machine.invariants.iter().map(|(_, function)| *function))
            .collect(),
        Entry::Edge(edge) => [edge.up, edge.down, edge.lift, edge.unlift, edge.lower, edge.raise]
            .into_iter()
            .chain(edge.channels.iter().flat_map(|channel| [channel.up, channel.down]))
            .chain(edge.keep)
            .collect(),
        Entry::Link(link) => std::iter::once(link.message).chain(link.answer).collect(),
    }
}

/// The calls of all functions, one list after another.
#[derive(Debug, Default)]
struct Calls {
    callees: Vec<FuncIx>,
    /// Where the calls of each function end.
    ends: Vec<usize>,
}

impl Calls {
    fn of(module: &Module) -> Calls {
        let mut calls = Calls::default();
        for function in &module.functions {
            function.body.each_op(&mut |op| {
                op.each_operand(|_, operand| {
                    if let Operand::Function(callee) = operand {
                        calls.callees.push(callee);
                    }
                });
            });
            calls.ends.push(calls.callees.len());
        }
        calls
    }

    /// Returns where the calls of a function stand.
    fn of_function(&self, FuncIx(index): FuncIx) -> std::ops::Range<usize> {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
        start..self.ends[index as usize]
    }
}

/// Returns the reached functions, callees first. With an explicit stack: a chain of calls may be
/// as long as the module has functions. Where calls form a cycle some order results; the
/// verifier refuses such a module.
fn function_order(entry: &Entry, calls: &Calls) -> Result<Vec<FuncIx>, RangeError> {
    let mut met = vec![false; calls.ends.len()];
    let mut order = Vec::with_capacity(calls.ends.len());
    let mut open: Vec<(FuncIx, std::ops::Range<usize>)> = vec![];
    for root in entry_functions(entry) {
        let mut next = Some(root);
        loop {
            if let Some(index) = next.take() {
                let met = met.get_mut(index.0 as usize).ok_or(RangeError::Function(index.0))?;
                if !std::mem::replace(met, true) {
                    open.push((index, calls.of_function(index)));
                }
            }
            let Some((index, rest)) = open.last_mut() else { break };
            next = rest.next().map(|call| calls.callees[call]);
            if next.is_none() {
                order.push(*index);
                open.pop();
            }
        }
    }
    Ok(order)
}

struct Renumber<'a> {
    module: &'a Module,
    functions: HashMap<FuncIx, FuncIx>,
    constants: HashMap<ConstIx, ConstIx>,
    constants_in_order: Vec<(TypeIx, Value)>,
    constant_index: HashMap<(TypeIx, Value), ConstIx>,
    types: TypeTable,
}

impl Renumber<'_> {
    fn ty(&mut self, old: TypeIx) -> Result<TypeIx, RangeError> {
        let ty = self.module.types.get(old.0 as usize).ok_or(RangeError::Type(old.0))?;
        Ok(self.types.intern(ty))
    }

    fn constant(&mut self, old: ConstIx) -> Result<ConstIx, RangeError> {
        if let Some(&new) = self.constants.get(&old) {
            return Ok(new);
        }
        let (ty, value) =
            self.module.constants.get(old.0 as usize).ok_or(RangeError::Constant(old.0))?.clone();
        let entry = (self.ty(ty)?, value);
        let next =
            u32::try_from(self.constants_in_order.len()).expect("a module has fewer than 2^32 constants");
        let new = *self.constant_index.entry(entry.clone()).or_insert(ConstIx(next));
        if new.0 == next {
            self.constants_in_order.push(entry);
        }
        self.constants.insert(old, new);
        Ok(new)
    }

    fn func(&self, old: FuncIx) -> Result<FuncIx, RangeError> {
        self.functions.get(&old).copied().ok_or(RangeError::Function(old.0))
    }

    fn entry(&mut self) -> Result<Entry, RangeError> {
        let mut entry = self.module.entry.clone();
        match &mut entry {
            Entry::Machine(machine) => {
                for ty in [&mut machine.config, &mut machine.state, &mut machine.input, &mut machine.output] {
                    *ty = self.ty(*ty)?;
                }
                machine.init = self.func(machine.init)?;
                for function in &mut machine.step {
                    *function = self.func(*function)?;
                }
                for (_, function) in &mut machine.invariants {
                    *function = self.func(*function)?;
                }
                let channels =
                    machine.channels.iter_mut().map(|channel| (&mut channel.message, &mut channel.answer));
                let ports = machine.ports.iter_mut().map(|port| (&mut port.message, &mut port.answer));
                for (message, answer) in channels.chain(ports) {
                    *message = self.ty(*message)?;
                    if let Some(Answer { ty, .. }) = answer {
                        *ty = self.ty(*ty)?;
                    }
                }
            }
            Entry::Edge(edge) => {
                let channels =
                    edge.channels.iter_mut().flat_map(|channel| [&mut channel.up, &mut channel.down]);
                let arrows = [
                    &mut edge.up,
                    &mut edge.down,
                    &mut edge.lift,
                    &mut edge.unlift,
                    &mut edge.lower,
                    &mut edge.raise,
                ];
                for function in arrows.into_iter().chain(channels).chain(&mut edge.keep) {
                    *function = self.func(*function)?;
                }
            }
            Entry::Link(link) => {
                for function in std::iter::once(&mut link.message).chain(&mut link.answer) {
                    *function = self.func(*function)?;
                }
            }
        }
        Ok(entry)
    }

    fn function(&mut self, old: &Function) -> Result<Function, RangeError> {
        let params = old.params.iter().map(|&ty| self.ty(ty)).collect::<Result<_, _>>()?;
        let result = self.ty(old.result)?;
        let mut body = old.body.clone();
        let mut failed = None;
        body.each_op_mut(&mut |op| {
            op.each_operand_mut(|operand| {
                let done = match operand {
                    OperandMut::Type(ty) => self.ty(*ty).map(|new| *ty = new),
                    OperandMut::Constant(constant) => self.constant(*constant).map(|new| *constant = new),
                    OperandMut::Function(function) => self.func(*function).map(|new| *function = new),
                    OperandMut::Plain | OperandMut::Blocks(_) => Ok(()),
                };
                if let Err(error) = done {
                    failed.get_or_insert(error);
                }
            });
        });
        match failed {
            None => Ok(Function { params, result, body }),
            Some(error) => Err(error),
        }
    }

    /// Names of functions that fell away fall away; trailing empty names are cut, as they say
    /// nothing.
    fn debug(&mut self, order: &[FuncIx]) -> Result<Debug, RangeError> {
        let old = &self.module.debug;
        let types = old
            .types
            .iter()
            .map(|(name, ty)| Ok((name.clone(), self.ty(*ty)?)))
            .collect::<Result<_, RangeError>>()?;
        let retired = old
            .retired
            .iter()
            .map(|retired| Ok(Retired { ty: self.ty(retired.ty)?, ..retired.clone() }))
            .collect::<Result<_, RangeError>>()?;
        let mut functions: Vec<_> = order
            .iter()
            .map(|index| old.functions.get(index.0 as usize).cloned().unwrap_or_default())
            .collect();
        while functions.last().is_some_and(|name| name.is_empty()) {
            functions.pop();
        }
        Ok(Debug { name: old.name.clone(), types, functions, retired })
    }
}
