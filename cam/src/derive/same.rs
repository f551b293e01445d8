//! Whether two functions of two modules are the same code, whatever their indices are.

use std::collections::BTreeMap;

use crate::code::operand::Operand;
use crate::code::{Block, FuncIx, Module, Op, TypeIx};

/// Compares the code of two modules.
#[derive(Debug)]
pub(super) struct SameCode<'m> {
    modules: [&'m Module; 2],
    /// Whether functions have to take and give the same types.
    signatures: bool,
    /// Pairs that were compared already. Functions call none that calls them, so that there is an
    /// answer for each.
    known: BTreeMap<(FuncIx, FuncIx), bool>,
}

impl<'m> SameCode<'m> {
    pub(super) fn new(old: &'m Module, new: &'m Module) -> SameCode<'m> {
        SameCode { modules: [old, new], signatures: true, known: BTreeMap::new() }
    }

    /// Looks at instructions alone, not at the types that functions take and give: enough where the
    /// values that they get are known to be the same.
    pub(super) fn of_same_values(old: &'m Module, new: &'m Module) -> SameCode<'m> {
        SameCode { signatures: false, ..SameCode::new(old, new) }
    }

    /// Returns true when both functions take and give the same types and consist of the same
    /// instructions, down to the functions that they call.
    pub(super) fn functions(&mut self, old: FuncIx, new: FuncIx) -> bool {
        if let Some(known) = self.known.get(&(old, new)) {
            return *known;
        }
        let [left, right] = [self.modules[0].function(old), self.modules[1].function(new)];
        let mut types = left.params.iter().zip(&right.params).chain([(&left.result, &right.result)]);
        let same_types =
            |(old, new): (&TypeIx, &TypeIx)| self.modules[0].ty(*old) == self.modules[1].ty(*new);
        let same = left.params.len() == right.params.len()
            && (!self.signatures || types.all(same_types))
            && self.blocks(&left.body, &right.body);
        self.known.insert((old, new), same);
        same
    }

    fn blocks(&mut self, Block(old): &Block, Block(new): &Block) -> bool {
        old.len() == new.len() && old.iter().zip(new).all(|(old, new)| self.ops(old, new))
    }

    fn ops(&mut self, old: &Op, new: &Op) -> bool {
        if std::mem::discriminant(old) != std::mem::discriminant(new) {
            return false;
        }
        let (mut left, mut right) = (vec![], vec![]);
        old.each_operand(|_, operand| left.push(operand));
        new.each_operand(|_, operand| right.push(operand));
        left.len() == right.len() && left.into_iter().zip(right).all(|(old, new)| self.operands(old, new))
    }

    fn operands(&mut self, old: Operand<'_>, new: Operand<'_>) -> bool {
        let [left, right] = self.modules;
        match (old, new) {
            (Operand::Count(old), Operand::Count(new)) => old == new,
            (Operand::Effect(old), Operand::Effect(new)) => old == new,
            (Operand::Type(old), Operand::Type(new)) => left.ty(old) == right.ty(new),
            (Operand::Constant(old), Operand::Constant(new)) => {
                let constants = (&left.constants[old.0 as usize], &right.constants[new.0 as usize]);
                left.ty(constants.0.0) == right.ty(constants.1.0) && constants.0.1 == constants.1.1
            }
            (Operand::Function(old), Operand::Function(new)) => self.functions(old, new),
            (Operand::Block(old), Operand::Block(new)) => self.blocks(old, new),
            (Operand::Blocks(old), Operand::Blocks(new)) => {
                old.len() == new.len() && old.iter().zip(new).all(|(old, new)| self.blocks(old, new))
            }
            _ => false,
        }
    }
}
