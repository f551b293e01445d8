//! The pass over one function: blocks, and the instructions that hold blocks.
//!
//! A block is checked once, from its first instruction to its last, with the type of the value
//! register and the types in environment and operand stack as they are there. A block may read
//! bindings from outside and never touches operands from outside, so what surrounds it is the
//! same after it as before; nothing has to be copied or joined but the value register.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::cost::{Cost, Remembered, UNBOUNDED, count};
use super::fault::{Fault, Place, VerifyError, short};
use super::{DEPTH_MAX, FunctionFacts, TrapKind};
use crate::code::decode::{NESTING_MAX, TYPES_MAX};
use crate::code::{Block, Entry, FuncIx, Machine, Module, Op};
use crate::run::meter::{ENTRY, ITEM, NODE, SLOT};
use crate::ty::{Kind, Ty};

/// What a block leaves: the type of the value register, or nothing where it ends in FAIL.
pub(super) type Left = Option<Ty>;

/// The state of the pass over one function.
pub(super) struct Pass<'m> {
    pub(super) module: &'m Module,
    /// The step functions.
    steps: &'m BTreeSet<FuncIx>,
    /// The entry, if the function is a step function.
    pub(super) step_of: Option<&'m Machine>,
    pub(super) index: FuncIx,
    /// The facts of the functions before this one.
    pub(super) known: &'m [FunctionFacts],
    pub(super) remembered: &'m mut Remembered,
    pub(super) environment: Vec<Ty>,
    pub(super) stack: Vec<Ty>,
    /// Where the operands of the block begin.
    stack_floor: usize,
    /// Where the bindings of the block begin.
    environment_floor: usize,
    pub(super) facts: FunctionFacts,
    /// How many instructions were met.
    met: u32,
    /// What each instruction leaves, in the order in which they are met, if somebody asked.
    pub(super) lefts: Option<Vec<Left>>,
}

impl<'m> Pass<'m> {
    pub(super) fn new(
        module: &'m Module,
        steps: &'m BTreeSet<FuncIx>,
        index: FuncIx,
        known: &'m [FunctionFacts],
        remembered: &'m mut Remembered,
    ) -> Pass<'m> {
        let step_of = match &module.entry {
            Entry::Machine(machine) if steps.contains(&index) => Some(machine),
            _ => None,
        };
        Pass {
            module,
            steps,
            step_of,
            index,
            known,
            remembered,
            environment: vec![],
            stack: vec![],
            stack_floor: 0,
            environment_floor: 0,
            facts: FunctionFacts::default(),
            met: 0,
            lefts: None,
        }
    }

    /// Checks the whole function and returns its cost. Indices are in range and nesting is
    /// bounded already.
    pub(super) fn function(&mut self) -> Result<Cost, VerifyError> {
        let function = self.module.function(self.index);
        for ty in &function.params {
            self.bind(self.module.ty(*ty).clone())?;
        }
        self.environment_floor = self.environment.len();
        let (left, cost) = self.block(&function.body, Ty::unit(), 1)?;
        let expected = self.module.ty(function.result);
        match left {
            Some(found) if found != *expected => Err(VerifyError {
                place: self.place(None),
                fault: Fault::Result { expected: short(expected), found: short(&found) },
            }),
            _ => Ok(cost),
        }
    }

    fn place(&self, op: Option<u32>) -> Place {
        let name = self.module.debug.functions.get(self.index.0 as usize).cloned();
        Place::Function { index: self.index.0, name: name.unwrap_or_else(|| Arc::from("")), op }
    }

    /// Returns the error at the instruction that was met last.
    pub(super) fn error(&self, fault: Fault) -> VerifyError {
        VerifyError { place: self.place(self.met.checked_sub(1)), fault }
    }

    pub(super) fn mistyped(&self, op: &Op, expected: impl Into<String>, found: &Ty) -> VerifyError {
        self.error(Fault::Operand { op: op.name(), expected: expected.into(), found: short(found) })
    }

    pub(super) fn may(&mut self, trap: TrapKind) {
        self.facts.may_trap.insert(trap);
    }

    pub(super) fn bind(&mut self, ty: Ty) -> Result<(), VerifyError> {
        self.environment.push(ty);
        self.facts.environment_max = self.facts.environment_max.max(self.depth(self.environment.len())?);
        Ok(())
    }

    pub(super) fn unbind(&mut self, count: u32) -> Result<(), VerifyError> {
        let own = self.environment.len() - self.environment_floor;
        if count as usize > own {
            return Err(self.error(Fault::UnletReach { count, own }));
        }
        self.environment.truncate(self.environment.len() - count as usize);
        Ok(())
    }

    pub(super) fn push(&mut self, ty: Ty) -> Result<(), VerifyError> {
        self.stack.push(ty);
        self.facts.stack_max = self.facts.stack_max.max(self.depth(self.stack.len())?);
        Ok(())
    }

    pub(super) fn pop(&mut self, op: &Op) -> Result<Ty, VerifyError> {
        match self.stack.len() > self.stack_floor {
            true => Ok(self.stack.pop().expect("the stack is longer than its floor")),
            false => Err(self.error(Fault::StackReach { op: op.name() })),
        }
    }

    fn depth(&self, depth: usize) -> Result<u32, VerifyError> {
        if depth > DEPTH_MAX {
            return Err(self.error(Fault::Limit { what: "bindings or operands at once", max: DEPTH_MAX }));
        }
        Ok(u32::try_from(depth).expect("below DEPTH_MAX"))
    }

    /// Checks a block that starts with `v` in the value register and nests `level` deep.
    fn block(&mut self, Block(ops): &Block, mut v: Ty, level: u32) -> Result<(Left, Cost), VerifyError> {
        self.nests(level)?;
        let depth = (self.environment.len(), self.stack.len());
        let floors = (self.environment_floor, self.stack_floor);
        (self.environment_floor, self.stack_floor) = depth;
        let mut cost = Cost::fuel(ops.iter().map(Op::fuel).fold(0, u64::saturating_add));
        let mut ended = false;
        for op in ops {
            let met = self.met as usize;
            self.met += 1;
            if let Some(lefts) = &mut self.lefts {
                lefts.push(None);
            }
            if ended {
                return Err(self.error(Fault::AfterFail { op: op.name() }));
            }
            let (left, more) = match op {
                Op::Case { .. }
                | Op::If { .. }
                | Op::Fold { .. }
                | Op::Map { .. }
                | Op::Filter { .. }
                | Op::Find { .. }
                | Op::Loop { .. }
                | Op::Call { .. } => self.nested(op, &v, level)?,
                _ => self.plain(op, v)?,
            };
            cost = cost.then(more);
            if let Some(lefts) = &mut self.lefts {
                lefts[met].clone_from(&left);
            }
            ended = left.is_none();
            v = left.unwrap_or_else(Ty::unit);
        }
        if ended {
            // What the block left behind is never seen.
            self.environment.truncate(depth.0);
            self.stack.truncate(depth.1);
        }
        let (bindings, operands) = (self.environment.len() - depth.0, self.stack.len() - depth.1);
        if (bindings, operands) != (0, 0) {
            return Err(self.error(Fault::BlockDepth { bindings, operands }));
        }
        (self.environment_floor, self.stack_floor) = floors;
        Ok(((!ended).then_some(v), cost))
    }

    fn nests(&mut self, level: u32) -> Result<(), VerifyError> {
        self.facts.nesting = self.facts.nesting.max(level);
        let max = crate::run::NESTING_MAX as usize;
        match level as usize > max {
            true => Err(self.error(Fault::Limit { what: "blocks within each other, calls included", max })),
            false => Ok(()),
        }
    }

    /// Checks an instruction that holds blocks, or that calls. A function for each, so that the
    /// frames of the recursion stay small.
    fn nested(&mut self, op: &Op, v: &Ty, level: u32) -> Result<(Left, Cost), VerifyError> {
        let below = level + 1;
        match op {
            Op::If { yes, no } => self.branch(op, [yes, no], v, below),
            Op::Case { blocks } => self.case(op, blocks, v, below),
            Op::Fold { body } => self.fold(op, body, v, below),
            Op::Map { ty, body } => self.map_all(op, self.module.ty(*ty), body, v, below),
            Op::Filter { body } => self.filter(op, body, v, below),
            Op::Find { body } => self.find(op, body, v, below),
            Op::Loop { test, body } => self.repeat(op, [test, body], v, below),
            Op::Call { function } => self.call(op, *function, v, level),
            _ => unreachable!("`block` sends only instructions with blocks, and calls, here"),
        }
    }

    fn branch(
        &mut self,
        op: &Op,
        [yes, no]: [&Block; 2],
        v: &Ty,
        below: u32,
    ) -> Result<(Left, Cost), VerifyError> {
        if !matches!(v.kind(), Kind::Bool) {
            return Err(self.mistyped(op, "Bool", v));
        }
        let (yes, yes_cost) = self.block(yes, Ty::unit(), below)?;
        let (no, no_cost) = self.block(no, Ty::unit(), below)?;
        Ok((self.join(op, yes, no)?, yes_cost.or(no_cost)))
    }

    fn fold(&mut self, op: &Op, body: &Block, v: &Ty, below: u32) -> Result<(Left, Cost), VerifyError> {
        let over = self.pop(op)?;
        let mut bound = vec![v.clone()];
        bound.extend(self.items(op, &over)?);
        let body = self.body(op, body, bound, v, below)?;
        Ok((Some(v.clone()), body.times(count(&over))))
    }

    fn map_all(
        &mut self,
        op: &Op,
        to: &Ty,
        body: &Block,
        v: &Ty,
        below: u32,
    ) -> Result<(Left, Cost), VerifyError> {
        let (demanded, each) = self.mapped(op, v, to)?;
        let bound = self.items(op, v)?;
        let body = self.body(op, body, bound, &demanded, below)?;
        Ok((Some(to.clone()), body.then(Cost::memory(each)).times(count(v))))
    }

    fn filter(&mut self, op: &Op, body: &Block, v: &Ty, below: u32) -> Result<(Left, Cost), VerifyError> {
        let bound = self.items(op, v)?;
        let each = if bound.len() == 1 { ITEM } else { ENTRY };
        let body = self.body(op, body, bound, &Ty::bool(), below)?;
        Ok((Some(v.clone()), body.then(Cost::memory(each)).times(count(v))))
    }

    fn find(&mut self, op: &Op, body: &Block, v: &Ty, below: u32) -> Result<(Left, Cost), VerifyError> {
        let Kind::List { item, .. } = v.kind() else { return Err(self.mistyped(op, "a list", v)) };
        let found = self.made(op, Kind::Option(item.clone()))?;
        let body = self.body(op, body, vec![item.clone()], &Ty::bool(), below)?;
        Ok((Some(found), Cost::memory(NODE + SLOT).then(body.times(count(v)))))
    }

    fn repeat(
        &mut self,
        op: &Op,
        [test, body]: [&Block; 2],
        v: &Ty,
        below: u32,
    ) -> Result<(Left, Cost), VerifyError> {
        let Kind::Int { hi, .. } = v.kind() else { return Err(self.mistyped(op, "Int", v)) };
        let times = if *hi == i64::MAX { UNBOUNDED } else { u64::try_from(*hi).unwrap_or(0) };
        let repeated = self.pop(op)?;
        let test = self.body(op, test, vec![repeated.clone()], &Ty::bool(), below)?;
        // A round costs one unit, which stands in the test.
        let body = self.inner(op, body, vec![repeated.clone()], &repeated, below)?;
        Ok((Some(repeated), test.then(body).times(times)))
    }

    fn case(&mut self, op: &Op, blocks: &[Block], v: &Ty, below: u32) -> Result<(Left, Cost), VerifyError> {
        let payloads: Vec<Ty> = match v.kind() {
            Kind::Option(item) => vec![Ty::unit(), item.clone()],
            Kind::Variant(variant) => variant.cases.iter().map(|case| case.payload.clone()).collect(),
            _ => return Err(self.mistyped(op, "a variant or option", v)),
        };
        if payloads.len() != blocks.len() {
            return Err(self.error(Fault::Cases { blocks: blocks.len(), cases: payloads.len() }));
        }
        let (mut left, mut cost) = (None, Cost::default());
        for (block, payload) in blocks.iter().zip(payloads) {
            let (other, other_cost) = self.block(block, payload, below)?;
            left = self.join(op, left, other)?;
            cost = cost.or(other_cost);
        }
        Ok((left, cost))
    }

    /// A block that ends in FAIL joins anything; two others leave the same type.
    fn join(&self, op: &Op, first: Left, second: Left) -> Result<Left, VerifyError> {
        match (first, second) {
            (Some(first), Some(second)) if first != second => {
                Err(self.error(Fault::Join { op: op.name(), first: short(&first), second: short(&second) }))
            }
            (first, second) => Ok(first.or(second)),
        }
    }

    /// Checks the body of a loop, which sees `bound` and leaves `demanded`; returns the cost of
    /// one round.
    fn body(
        &mut self,
        op: &Op,
        body: &Block,
        bound: Vec<Ty>,
        demanded: &Ty,
        below: u32,
    ) -> Result<Cost, VerifyError> {
        Ok(self.inner(op, body, bound, demanded, below)?.then(Cost::fuel(1)))
    }

    /// The same, without the one unit of fuel for the round.
    fn inner(
        &mut self,
        op: &Op,
        body: &Block,
        bound: Vec<Ty>,
        demanded: &Ty,
        below: u32,
    ) -> Result<Cost, VerifyError> {
        let depth = self.environment.len();
        for ty in bound {
            self.bind(ty)?;
        }
        let (left, cost) = self.block(body, Ty::unit(), below)?;
        self.environment.truncate(depth);
        self.join(op, Some(demanded.clone()), left)?;
        Ok(cost)
    }

    /// Returns what a loop over `over` binds in each round.
    fn items(&self, op: &Op, over: &Ty) -> Result<Vec<Ty>, VerifyError> {
        match over.kind() {
            Kind::List { item, .. } => Ok(vec![item.clone()]),
            Kind::Map { key, value } => Ok(vec![key.clone(), value.clone()]),
            _ => Err(self.mistyped(op, "a list or map", over)),
        }
    }

    /// Returns what the body of a MAP has to leave, and the memory of each item or entry. The
    /// length stays, so a limit of the result must be no lower than that of the source.
    fn mapped(&self, op: &Op, from: &Ty, to: &Ty) -> Result<(Ty, u64), VerifyError> {
        match (from.kind(), to.kind()) {
            (Kind::List { .. }, Kind::List { item, max }) if max.is_none() || count(from) <= count(to) => {
                Ok((item.clone(), ITEM))
            }
            (Kind::Map { key, .. }, Kind::Map { key: to_key, value }) if key == to_key => {
                Ok((value.clone(), ENTRY))
            }
            _ => Err(self.mistyped(op, format!("what becomes {}", short(to)), from)),
        }
    }

    fn call(&mut self, op: &Op, callee: FuncIx, v: &Ty, level: u32) -> Result<(Left, Cost), VerifyError> {
        let Some(facts) = self.known.get(callee.0 as usize) else {
            return Err(self.error(Fault::Call { callee: callee.0 }));
        };
        if self.steps.contains(&callee) {
            return Err(super::entry::reused(callee));
        }
        self.facts.may_trap.extend(&facts.may_trap);
        let cost =
            Cost { fuel: facts.fuel_max.unwrap_or(UNBOUNDED), memory: facts.memory_max.unwrap_or(UNBOUNDED) };
        self.nests(level + facts.nesting)?;
        let callee = self.module.function(callee);
        let mut last = Some(v.clone());
        for ty in callee.params.iter().rev() {
            let found = match last.take() {
                Some(v) => v,
                None => self.pop(op)?,
            };
            let expected = self.module.ty(*ty);
            if found != *expected {
                return Err(self.mistyped(op, short(expected), &found));
            }
        }
        Ok((Some(self.module.ty(callee.result).clone()), cost))
    }

    /// Returns a type that an instruction makes.
    pub(super) fn made(&mut self, op: &Op, kind: Kind) -> Result<Ty, VerifyError> {
        if let Some(ty) = self.remembered.made.get(&kind) {
            return Ok(ty.clone());
        }
        let ty = Ty::new(kind).map_err(|error| self.error(Fault::Made { op: op.name(), error }))?;
        if self.remembered.made.len() < TYPES_MAX {
            self.remembered.made.insert(ty.kind().clone(), ty.clone());
        }
        Ok(ty)
    }
}

/// Blocks nest no deeper in one function than the decoder lets them: the passes before this one
/// recurse too.
pub(super) const FUNCTION_NESTING_MAX: u32 = NESTING_MAX;
