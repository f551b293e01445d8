//! The operands of instructions, seen one by one.
//!
//! Everybody who walks code (encoder, disassembler, renumbering, range checks) goes through
//! [`Op::each_operand`] or [`Op::each_operand_mut`], which come from the table in
//! [`super::op`]. So a new instruction needs no change in any of them.

use super::op::{Block, Count, EffectKind, Op};
use super::{ConstIx, FuncIx, TypeIx};
use crate::for_each_op;

/// An operand of an instruction.
#[derive(Debug, Clone, Copy)]
pub enum Operand<'a> {
    /// A plain number.
    Count(Count),
    /// A type.
    Type(TypeIx),
    /// A constant.
    Constant(ConstIx),
    /// A function.
    Function(FuncIx),
    /// An effect.
    Effect(EffectKind),
    /// A nested block.
    Block(&'a Block),
    /// Nested blocks, one per case.
    Blocks(&'a [Block]),
}

/// An operand of an instruction that may be changed in place.
#[derive(Debug)]
pub enum OperandMut<'a> {
    /// A plain number or an effect: nothing that renumbering concerns.
    Plain,
    /// A type.
    Type(&'a mut TypeIx),
    /// A constant.
    Constant(&'a mut ConstIx),
    /// A function.
    Function(&'a mut FuncIx),
    /// Nested blocks.
    Blocks(&'a mut [Block]),
}

/// A Rust type that stands as an operand in the table.
trait OperandType {
    fn view(&self) -> Operand<'_>;
    fn view_mut(&mut self) -> OperandMut<'_>;
}

macro_rules! operand_type {
    ($($ty:ty, $self:ident => $view:expr, $view_mut:expr;)*) => {
        $(impl OperandType for $ty {
            fn view(&$self) -> Operand<'_> { $view }
            fn view_mut(&mut $self) -> OperandMut<'_> { $view_mut }
        })*
    };
}

operand_type! {
    Count, self => Operand::Count(*self), OperandMut::Plain;
    EffectKind, self => Operand::Effect(*self), OperandMut::Plain;
    TypeIx, self => Operand::Type(*self), OperandMut::Type(self);
    ConstIx, self => Operand::Constant(*self), OperandMut::Constant(self);
    FuncIx, self => Operand::Function(*self), OperandMut::Function(self);
    Block, self => Operand::Block(self), OperandMut::Blocks(std::slice::from_mut(self));
    Vec<Block>, self => Operand::Blocks(self), OperandMut::Blocks(self);
}

macro_rules! define_walkers {
    ($($name:ident = $code:literal, $fuel:literal, ($($operand:ident: $ty:ty),*), $rule:literal, $doc:literal;)*) => {
        impl Op {
            /// Shows each operand with its name, in the order of the table.
            pub fn each_operand<'a>(&'a self, mut see: impl FnMut(&'static str, Operand<'a>)) {
                match self {
                    $(Op::$name { $($operand),* } => { $(see(stringify!($operand), $operand.view());)* })*
                }
            }

            /// Gives each operand out for change, in the order of the table.
            pub fn each_operand_mut(&mut self, mut change: impl FnMut(OperandMut<'_>)) {
                match self {
                    $(Op::$name { $($operand),* } => { $(change($operand.view_mut());)* })*
                }
            }
        }
    };
}

for_each_op!(define_walkers);

impl Op {
    /// Returns how many operands an instruction takes from the stack that makes one new value of them
    /// and of the value register. REC and CALL take as many as a type or a function says.
    pub(crate) fn pops(&self) -> usize {
        match self {
            Op::Cons {} | Op::Upd { .. } => 1,
            Op::Add {} | Op::Sub {} | Op::Mul {} | Op::Div {} | Op::Mod {} | Op::Bits { .. } => 1,
            Op::Lt {} | Op::Le {} | Op::Eq {} => 1,
            Op::Cat {} | Op::Append {} | Op::Get {} | Op::Del {} | Op::Range {} => 1,
            Op::Take {} | Op::Drop {} | Op::Search {} | Op::Split {} | Op::Join {} => 1,
            Op::Put {} | Op::Set {} | Op::Slice {} => 2,
            _ => 0,
        }
    }
}

impl Block {
    /// Shows each instruction of the block and of the blocks in it, in the order of the bytes.
    ///
    /// Recursive: the caller bounds the nesting first, see [`Block::nests_at_most`].
    pub fn each_op<'a>(&'a self, see: &mut impl FnMut(&'a Op)) {
        for op in &self.0 {
            see(op);
            op.each_operand(|_, operand| match operand {
                Operand::Block(block) => block.each_op(see),
                Operand::Blocks(blocks) => blocks.iter().for_each(|block| block.each_op(see)),
                _ => {}
            });
        }
    }

    /// Gives each instruction out for change; otherwise as [`Block::each_op`].
    pub fn each_op_mut(&mut self, change: &mut impl FnMut(&mut Op)) {
        for op in &mut self.0 {
            change(op);
            op.each_operand_mut(|operand| {
                if let OperandMut::Blocks(blocks) = operand {
                    blocks.iter_mut().for_each(|block| block.each_op_mut(change));
                }
            });
        }
    }

    /// Returns true when the block nests at most `levels` blocks deep, itself counted. Looks no
    /// deeper than that, so it is safe on any block.
    pub fn nests_at_most(&self, levels: u32) -> bool {
        let Some(rest) = levels.checked_sub(1) else { return false };
        self.0.iter().all(|op| {
            let mut fits = true;
            op.each_operand(|_, operand| match operand {
                Operand::Block(block) => fits &= block.nests_at_most(rest),
                Operand::Blocks(blocks) => fits &= blocks.iter().all(|block| block.nests_at_most(rest)),
                _ => {}
            });
            fits
        })
    }
}
