//! The bytecode of a function with the type that each instruction leaves.

use crate::code::{Block, FuncIx, Op};
use crate::ty::Ty;
use crate::verify::{VerifiedModule, types_left};

/// A block.
#[derive(Debug)]
pub(super) struct Ops<'m> {
    pub(super) ops: Vec<Node<'m>>,
    /// What its own instructions cost.
    pub(super) fuel: u64,
    /// How many instructions it has, those of blocks within included.
    pub(super) size: u32,
}

/// An instruction.
#[derive(Debug)]
pub(super) struct Node<'m> {
    pub(super) op: &'m Op,
    /// What it leaves; `None` after FAIL and where every branch ends in one.
    pub(super) left: Option<Ty>,
    pub(super) blocks: Vec<Ops<'m>>,
    /// How many instructions follow it in its block, those within them included.
    pub(super) after: u32,
}

/// Returns the body of a function.
pub(super) fn function(module: &VerifiedModule, index: FuncIx) -> Ops<'_> {
    let mut left = types_left(module, index).into_iter();
    block(&module.module.function(index).body, &mut left)
}

fn block<'m>(Block(ops): &'m Block, left: &mut impl Iterator<Item = Option<Ty>>) -> Ops<'m> {
    let mut nodes = Vec::with_capacity(ops.len());
    for op in ops {
        let ty = left.next().expect("each instruction was met");
        let blocks = match op {
            Op::Case { blocks } => blocks.iter().map(|inner| block(inner, left)).collect(),
            Op::If { yes, no } => vec![block(yes, left), block(no, left)],
            Op::Loop { test, body } => vec![block(test, left), block(body, left)],
            Op::Fold { body } | Op::Map { body, .. } | Op::Filter { body } | Op::Find { body } => {
                vec![block(body, left)]
            }
            _ => vec![],
        };
        nodes.push(Node { op, left: ty, blocks, after: 0 });
    }
    let mut size: u32 = 0;
    for node in nodes.iter_mut().rev() {
        node.after = size;
        let within = node.blocks.iter().map(|inner| inner.size).fold(1, u32::saturating_add);
        size = size.saturating_add(within);
    }
    Ops { ops: nodes, fuel: ops.iter().map(Op::fuel).fold(0, u64::saturating_add), size }
}
