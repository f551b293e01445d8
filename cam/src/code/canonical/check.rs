//! Is a module in canonical form? By one walk, without making the canonical one.
//!
//! The walk meets types, constants and functions in the order in which
//! [`canonical`](super::canonical) would number them. So each either stands directly after those
//! that were met before it, or was met.

use std::collections::{HashMap, HashSet};

use super::super::operand::Operand;
use super::super::{ConstIx, Entry, Module, TypeIx};
use super::{Calls, function_order};
use crate::digest::Digest;
use crate::ty::{Ty, children};
use crate::value::Value;

/// Returns how many of its types code and entry name (the others are debug information), if the
/// module is in canonical form. The nesting of blocks must be bounded by the caller.
pub(crate) fn code_types(module: &Module) -> Option<usize> {
    let mut walk = Walk::new(module);
    let calls = walk.code()?;
    let code_types = walk.types_met;
    for (_, ty) in &module.debug.types {
        walk.ty(*ty)?;
    }
    for retired in &module.debug.retired {
        walk.ty(retired.ty)?;
    }
    let names = &module.debug.functions;
    let named = names.len() <= module.functions.len() && names.last().is_none_or(|name| !name.is_empty());
    let complete = walk.types_met == module.types.len() && walk.constants_met.len() == module.constants.len();
    let order = function_order(&module.entry, &calls).ok()?;
    let in_order = order.len() == module.functions.len() && order.iter().zip(0..).all(|(f, at)| f.0 == at);
    (named && complete && in_order).then_some(code_types)
}

struct Walk<'m> {
    module: &'m Module,
    /// So many types were met: all that stand before this index.
    types_met: usize,
    index: HashMap<Digest, TypeIx>,
    constants_met: HashSet<&'m (TypeIx, Value)>,
}

impl<'m> Walk<'m> {
    fn new(module: &'m Module) -> Walk<'m> {
        let index = HashMap::with_capacity(module.types.len());
        Walk { module, types_met: 0, index, constants_met: HashSet::new() }
    }

    /// Walks over everything that the digest covers.
    fn code(&mut self) -> Option<Calls> {
        if let Entry::Machine(machine) = &self.module.entry {
            for ty in [machine.config, machine.state, machine.input, machine.output] {
                self.ty(ty)?;
            }
            let channels = machine.channels.iter().map(|channel| (channel.message, channel.answer));
            let ports = machine.ports.iter().map(|port| (port.message, port.answer));
            for (message, answer) in channels.chain(ports) {
                self.ty(message)?;
                if let Some(answer) = answer {
                    self.ty(answer.ty)?;
                }
            }
        }
        let mut calls = Calls::default();
        for function in &self.module.functions {
            for ty in function.params.iter().chain([&function.result]) {
                self.ty(*ty)?;
            }
            let mut fine = true;
            function.body.each_op(&mut |op| {
                op.each_operand(|_, operand| {
                    fine &= match operand {
                        Operand::Type(ty) => self.ty(ty).is_some(),
                        Operand::Constant(constant) => self.constant(constant).is_some(),
                        Operand::Function(callee) => {
                            calls.callees.push(callee);
                            (callee.0 as usize) < self.module.functions.len()
                        }
                        _ => true,
                    };
                });
            });
            calls.ends.push(calls.callees.len());
            fine.then_some(())?;
        }
        Some(calls)
    }

    fn ty(&mut self, TypeIx(index): TypeIx) -> Option<()> {
        if (index as usize) < self.types_met {
            return Some(());
        }
        let ty = self.module.types.get(index as usize)?;
        (self.meet(ty)?.0 == index).then_some(())
    }

    /// Returns the index of a type; one that was not met before stands here, after its parts.
    ///
    /// Recursion is bounded by [`crate::ty::DEPTH_MAX`].
    fn meet(&mut self, ty: &Ty) -> Option<TypeIx> {
        if let Some(&index) = self.index.get(&ty.digest()) {
            return Some(index);
        }
        for part in children(ty.kind()) {
            self.meet(part)?;
        }
        if self.module.types.get(self.types_met)? != ty {
            return None;
        }
        let index = TypeIx(u32::try_from(self.types_met).ok()?);
        self.types_met += 1;
        self.index.insert(ty.digest(), index);
        Some(index)
    }

    fn constant(&mut self, ConstIx(index): ConstIx) -> Option<()> {
        let next = self.constants_met.len();
        if (index as usize) < next {
            return Some(());
        }
        if index as usize > next {
            return None;
        }
        let constant = self.module.constants.get(next)?;
        self.ty(constant.0)?;
        self.constants_met.insert(constant).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::code::Retired;
    use crate::code::canonical::canonical;
    use crate::code::encode;
    use crate::code::generate::any_module;
    use crate::code::operand::OperandMut;

    /// Changes something that numbering is about.
    fn scramble(module: &mut Module, kind: u8, one: usize, other: usize) {
        let swap = |length: usize| (one % length.max(1), other % length.max(1));
        let (type_count, constant_count) = (module.types.len(), module.constants.len());
        match kind {
            0 if type_count > 0 => {
                let (a, b) = swap(type_count);
                module.types.swap(a, b);
            }
            1 if type_count > 0 => module.types.push(module.types[one % type_count].clone()),
            2 => drop(module.types.pop()),
            3 if constant_count > 0 => {
                let (a, b) = swap(constant_count);
                module.constants.swap(a, b);
            }
            4 if constant_count > 0 => module.constants.push(module.constants[one % constant_count].clone()),
            5 => drop(module.constants.pop()),
            6 if !module.functions.is_empty() => {
                let (a, b) = swap(module.functions.len());
                module.functions.swap(a, b);
            }
            7 => module.debug.functions.extend([["", "f"][one % 2].into(), "".into()]),
            12 => module.debug.retired.push(Retired {
                name: "T".into(),
                path: ".f".into(),
                case: one.is_multiple_of(2),
                label: "l".into(),
                ordinal: u32::try_from(other % 9).expect("small"),
                ty: TypeIx(u32::try_from(one % 9).expect("small")),
            }),
            8 => module.debug.types.push(("T".into(), TypeIx(u32::try_from(one % 9).expect("small")))),
            _ => {
                let mut left = one % 7;
                for function in &mut module.functions {
                    function.body.each_op_mut(&mut |op| {
                        op.each_operand_mut(|operand| {
                            let index = match operand {
                                OperandMut::Type(TypeIx(index)) | OperandMut::Constant(ConstIx(index)) => {
                                    index
                                }
                                OperandMut::Function(function) => &mut function.0,
                                OperandMut::Plain | OperandMut::Blocks(_) => return,
                            };
                            if left == 0 {
                                *index = u32::try_from(other % 6).expect("small");
                            }
                            left = left.wrapping_sub(1);
                        });
                    });
                }
            }
        }
    }

    proptest! {
        #[test]
        fn a_module_in_canonical_form_is_known_as_one(module in any_module()) {
            prop_assert_eq!(code_types(&module), Some(encode::code_types(&module)));
        }

        /// The walk and the rebuilding of the module are two ways to say the same.
        #[test]
        fn every_other_numbering_is_seen(
            mut module in any_module(),
            changes in proptest::collection::vec((0..13u8, any::<usize>(), any::<usize>()), 1..3),
        ) {
            for (kind, one, other) in changes {
                scramble(&mut module, kind, one, other);
            }
            let rebuilt = canonical(&module).is_ok_and(|canonical| canonical == module);
            prop_assert_eq!(code_types(&module).is_some(), rebuilt);
        }
    }
}
