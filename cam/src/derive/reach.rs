//! Which outputs an input can lead to.
//!
//! Conservative: an output case counts as reachable when the handler, or a function that it
//! calls, makes it; and all of them do when an output could come out of the state, the input or
//! the configuration.

use std::collections::BTreeSet;

use crate::code::operand::Operand;
use crate::code::{Block, FuncIx, Module, Op};
use crate::ty::{Kind, Ty, children};
use crate::value::Value;
use crate::verify::VerifiedMachine;

/// Returns the output cases (indices) that an input case can lead to. `None` when the output is
/// no variant.
pub fn outputs(machine: &VerifiedMachine, input_case: u32) -> Option<BTreeSet<u32>> {
    let output = machine.output();
    let cases = &output.as_variant()?.cases;
    let all = || (0..u32::try_from(cases.len()).unwrap_or(u32::MAX)).collect::<BTreeSet<u32>>();
    let payload = &machine.input().as_variant()?.cases.get(input_case as usize)?.payload;
    if contains(machine.state(), output) || contains(machine.config(), output) || contains(payload, output) {
        return Some(all());
    }
    let module = machine.module();
    let handler = *machine.machine().step.get(input_case as usize)?;
    let mut walk = Walk { module, output, found: BTreeSet::new(), seen: BTreeSet::new(), inside: false };
    walk.function(handler);
    Some(if walk.inside { all() } else { walk.found })
}

/// Returns true when `part` is `whole` or a part of it.
fn contains(whole: &Ty, part: &Ty) -> bool {
    whole == part || children(whole.kind()).any(|child| contains(child, part))
}

struct Walk<'m> {
    module: &'m Module,
    output: &'m Ty,
    found: BTreeSet<u32>,
    seen: BTreeSet<FuncIx>,
    /// An output stands within a constant, where it is not looked for.
    inside: bool,
}

impl Walk<'_> {
    fn function(&mut self, function: FuncIx) {
        if self.seen.insert(function) {
            self.block(&self.module.function(function).body);
        }
    }

    fn block(&mut self, block: &Block) {
        for op in &block.0 {
            match op {
                Op::Inj { ty, case } if self.module.ty(*ty) == self.output => {
                    self.found.insert(*case);
                }
                Op::Quote { constant } => self.constant(*constant),
                Op::Call { function } => self.function(*function),
                _ => op.each_operand(|_, operand| match operand {
                    Operand::Block(block) => self.block(block),
                    Operand::Blocks(blocks) => blocks.iter().for_each(|block| self.block(block)),
                    _ => {}
                }),
            }
        }
    }

    fn constant(&mut self, constant: crate::code::ConstIx) {
        let (ty, value) = &self.module.constants[constant.0 as usize];
        let ty = self.module.ty(*ty);
        match value {
            Value::Sum(case, _) if ty == self.output => {
                self.found.insert(*case);
            }
            _ => self.inside |= !matches!(ty.kind(), Kind::Unit) && contains(ty, self.output),
        }
    }
}
