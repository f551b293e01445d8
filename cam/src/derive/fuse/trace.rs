//! From the instructions of a function to its graph.
//!
//! The function is run on nodes in place of values: what moves values about (PUSH, SWAP, LET, ACC and
//! the like) leaves no trace, calls are entered, and the rest makes nodes.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::graph::{Graph, Ix, Region, payload_tys};
use crate::code::{Block, FuncIx, Module, Op};
use crate::ty::{Kind, Ty, children};
use crate::verify::{TrapKind, VerifiedModule, types_left};

/// The registers of one call.
struct Frame {
    environment: Vec<Ix>,
    stack: Vec<Ix>,
    /// The type that each instruction of the function leaves.
    lefts: Rc<[Option<Ty>]>,
}

impl Frame {
    fn pop(&mut self) -> Ix {
        self.stack.pop().expect("the verifier counts the operand stack")
    }

    /// Takes `count` operands in the order in which they were pushed; the last one is `v`.
    fn operands(&mut self, count: usize, v: Ix) -> Vec<Ix> {
        let mut operands = self.stack.split_off(self.stack.len() - count);
        operands.push(v);
        operands
    }
}

/// The run of a function on nodes.
pub(super) struct Trace<'m, 't> {
    module: &'m VerifiedModule,
    pub(super) graph: Graph<'t>,
    /// How many instructions of callees may still be entered.
    room: usize,
    /// Per function: how many instructions it has when all calls are entered.
    sizes: &'m [usize],
    lefts: BTreeMap<FuncIx, Rc<[Option<Ty>]>>,
}

impl<'m, 't> Trace<'m, 't> {
    pub(super) fn new(
        module: &'m VerifiedModule,
        graph: Graph<'t>,
        sizes: &'m [usize],
        room: usize,
    ) -> Trace<'m, 't> {
        Trace { module, graph, room, sizes, lefts: BTreeMap::new() }
    }

    /// Runs a function on its parameters.
    pub(super) fn function(&mut self, index: FuncIx) -> Region {
        let module = self.module.module();
        let params = &module.function(index).params;
        let bound: Vec<Ix> = params.iter().map(|ty| self.graph.bound(module.ty(*ty).clone())).collect();
        self.graph.open();
        let left = self.enter(index, bound.clone());
        self.graph.close(bound, left)
    }

    fn enter(&mut self, index: FuncIx, environment: Vec<Ix>) -> Option<Ix> {
        let module = self.module;
        let lefts = self.lefts.entry(index).or_insert_with(|| types_left(module, index).into());
        let mut frame = Frame { environment, stack: vec![], lefts: Rc::clone(lefts) };
        let unit = self.graph.unit();
        self.block(&mut frame, &module.module().function(index).body, unit, 0)
    }

    /// Runs a block whose first instruction is number `at` of its function; `None` when it fails.
    fn block(&mut self, frame: &mut Frame, Block(ops): &Block, v: Ix, mut at: usize) -> Option<Ix> {
        let depth = (frame.environment.len(), frame.stack.len());
        let mut v = v;
        for op in ops {
            match self.op(frame, op, v, at) {
                Some(left) => v = left,
                None => {
                    frame.environment.truncate(depth.0);
                    frame.stack.truncate(depth.1);
                    return None;
                }
            }
            at += count_within(op) + 1;
        }
        Some(v)
    }

    fn op(&mut self, frame: &mut Frame, op: &Op, v: Ix, at: usize) -> Option<Ix> {
        let lefts = Rc::clone(&frame.lefts);
        let left = || lefts[at].clone();
        match op {
            Op::Push {} => frame.stack.push(v),
            Op::Swap {} => {
                let top = frame.pop();
                frame.stack.push(v);
                return Some(top);
            }
            Op::Let {} => frame.environment.push(v),
            Op::Unlet { count } => {
                frame.environment.truncate(frame.environment.len() - *count as usize);
            }
            Op::Acc { level } => return Some(frame.environment[*level as usize]),
            Op::Unit {} | Op::Quote { .. } | Op::Nil { .. } => {
                let ty = left()?;
                return self.graph.plain(op, vec![], ty);
            }
            Op::Fail {} => return self.graph.plain(op, vec![v], Ty::unit()),
            Op::Rec { .. } => {
                let ty = left()?;
                let count = children(ty.kind()).count();
                let members = frame.operands(count - 1, v);
                return self.graph.plain(op, members, ty);
            }
            Op::Call { function } => return self.call(frame, op, *function, v),
            Op::Case { blocks } => return self.branch(frame, op, &blocks.iter().collect::<Vec<_>>(), v, at),
            Op::If { yes, no } => return self.branch(frame, op, &[yes, no], v, at),
            Op::Fold { body } => return self.fold(frame, op, body, v, at),
            Op::Map { body, .. } | Op::Filter { body } | Op::Find { body } => {
                let bound = items(&self.graph.node(v).ty);
                let region = self.body(frame, body, bound, at + 1);
                let ty = left()?;
                return self.graph.nested(op, vec![v], vec![region], ty);
            }
            Op::Loop { test, body } => {
                let carried = frame.pop();
                let ty = self.graph.node(carried).ty.clone();
                let tested = self.body(frame, test, vec![ty.clone()], at + 1);
                let next = self.body(frame, body, vec![ty.clone()], at + 1 + count(test));
                return self.graph.nested(op, vec![carried, v], vec![tested, next], ty);
            }
            Op::Emit { .. } | Op::Ctx { .. } => {
                unreachable!("only steps of machines emit and read the context")
            }
            _ => {
                let ty = left()?;
                let operands = frame.operands(op.pops(), v);
                return self.graph.plain(op, operands, ty);
            }
        }
        Some(v)
    }

    fn fold(&mut self, frame: &mut Frame, op: &Op, body: &Block, v: Ix, at: usize) -> Option<Ix> {
        let over = frame.pop();
        let ty = self.graph.node(v).ty.clone();
        let mut bound = vec![ty.clone()];
        bound.extend(items(&self.graph.node(over).ty));
        let region = self.body(frame, body, bound, at + 1);
        self.graph.nested(op, vec![over, v], vec![region], ty)
    }

    /// Runs CASE or IF: the one block, where it is known which.
    fn branch(&mut self, frame: &mut Frame, op: &Op, blocks: &[&Block], v: Ix, at: usize) -> Option<Ix> {
        let mut starts = vec![at + 1];
        for block in blocks {
            starts.push(starts.last().copied().unwrap_or(at) + count(block));
        }
        if let Some((case, payload)) = self.graph.known(v) {
            return self.block(frame, blocks[case], payload, starts[case]);
        }
        let payloads = payload_tys(&self.graph.node(v).ty);
        let mut regions = Vec::with_capacity(blocks.len());
        for (case, block) in blocks.iter().enumerate() {
            let bound: Vec<Ix> =
                payloads.get(case).map(|ty| self.graph.bound(ty.clone())).into_iter().collect();
            self.graph.open();
            let payload = match bound.first() {
                Some(payload) => *payload,
                None => self.graph.unit(),
            };
            let left = self.block(frame, block, payload, starts[case]);
            regions.push(self.graph.close(bound, left));
        }
        let ty = frame.lefts[at].clone().unwrap_or_else(Ty::unit);
        self.graph.nested(op, vec![v], regions, ty)
    }

    /// Runs the body of a loop, which sees values of these types.
    fn body(&mut self, frame: &mut Frame, body: &Block, bound: Vec<Ty>, at: usize) -> Region {
        let depth = frame.environment.len();
        let bound: Vec<Ix> = bound.into_iter().map(|ty| self.graph.bound(ty)).collect();
        frame.environment.extend(&bound);
        self.graph.open();
        let unit = self.graph.unit();
        let left = self.block(frame, body, unit, at);
        frame.environment.truncate(depth);
        self.graph.close(bound, left)
    }

    fn call(&mut self, frame: &mut Frame, op: &Op, callee: FuncIx, v: Ix) -> Option<Ix> {
        let function = self.module.module().function(callee);
        let args = match function.params.len() {
            0 => vec![],
            count => frame.operands(count - 1, v),
        };
        let size = self.sizes[callee.0 as usize];
        if let Some(room) = self.room.checked_sub(size) {
            self.room = room;
            return self.enter(callee, args);
        }
        let ty = self.module.module().ty(function.result).clone();
        let facts = self.module.facts(callee);
        let traps = facts.may_trap.iter().any(|trap| !matches!(trap, TrapKind::Fuel | TrapKind::Memory));
        Some(self.graph.call(op.clone(), args, ty, traps))
    }
}

/// Returns what a loop over a list or map binds.
fn items(over: &Ty) -> Vec<Ty> {
    match over.kind() {
        Kind::List { .. } | Kind::Map { .. } => children(over.kind()).cloned().collect(),
        _ => unreachable!("the verifier lets loops go over lists and maps alone"),
    }
}

/// Returns how many instructions a block has, those in its blocks included.
pub(super) fn count(block: &Block) -> usize {
    let mut count = 0;
    block.each_op(&mut |_| count += 1);
    count
}

/// Returns how many instructions stand in the blocks of this one.
fn count_within(op: &Op) -> usize {
    let mut within = 0;
    op.each_operand(|_, operand| match operand {
        crate::code::operand::Operand::Block(block) => within += count(block),
        crate::code::operand::Operand::Blocks(blocks) => within += blocks.iter().map(count).sum::<usize>(),
        _ => {}
    });
    within
}

/// Returns per function how many instructions it has when all calls are entered.
pub(super) fn entered_sizes(module: &Module) -> Vec<usize> {
    let mut sizes: Vec<usize> = Vec::with_capacity(module.functions.len());
    for function in &module.functions {
        let mut size = 0usize;
        function.body.each_op(&mut |op| {
            let more = match op {
                Op::Call { function } => sizes[function.0 as usize],
                _ => 1,
            };
            size = size.saturating_add(more);
        });
        sizes.push(size);
    }
    sizes
}
