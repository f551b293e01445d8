//! The walk over one function: blocks, and the instructions that hold blocks.
//!
//! It goes with the verifier's types from instruction to instruction, with a sketch of the value
//! register, of each operand and of each binding. Blocks that cannot run, because a variant is
//! never of their case, are left out.

use super::reach::Emissions;
use super::size::{Bound, Size, Unbounded, sum};
use super::sketch::{Path, Root, Sketch, Step};
use crate::code::operand::Operand;
use crate::code::{Block, Entry, FuncIx, Module, Op};
use crate::ty::{Kind, Ty};
use crate::value::Value;
use crate::verify::{FunctionFacts, VerifiedModule, types_left};

/// How often what a loop carries is joined with what a round leaves, before the parts that still
/// change are given up.
const JOINS_MAX: usize = 4;

/// What is known of a function, in terms of its parameters.
#[derive(Debug, Clone)]
pub(super) struct Summary {
    /// What it leaves; `None` when it always fails.
    pub(super) result: Option<Sketch>,
    /// True when it may come to a FAIL or GUARD.
    pub(super) fails: bool,
    /// What it may emit.
    pub(super) emits: Emissions,
    /// The fuel that it uses at most.
    pub(super) fuel: Bound,
}

impl Summary {
    /// Returns what the signature says alone.
    pub(super) fn unknown(module: &Module, index: FuncIx) -> Summary {
        let result = Sketch::any(module.ty(module.function(index).result).clone());
        let emits = match &module.entry {
            Entry::Machine(machine) if machine.step.contains(&index) => Emissions::any(module, machine),
            _ => Emissions::default(),
        };
        Summary { result: Some(result), fails: true, emits, fuel: Err(Unbounded::Large) }
    }
}

/// The state of the walk.
pub(super) struct Flow<'m> {
    pub(super) module: &'m Module,
    index: FuncIx,
    facts: &'m [FunctionFacts],
    /// What is known of the functions before this one.
    known: &'m [Summary],
    /// The type that each instruction leaves, as they are met.
    lefts: std::vec::IntoIter<Option<Ty>>,
    pub(super) environment: Vec<Sketch>,
    pub(super) stack: Vec<Sketch>,
    pub(super) fails: bool,
    pub(super) emits: Emissions,
    /// The fuel of what was walked since somebody last took it.
    fuel: Bound,
    /// How many loops were met.
    loops: u32,
}

impl<'m> Flow<'m> {
    pub(super) fn new(module: &'m VerifiedModule, index: FuncIx, known: &'m [Summary]) -> Flow<'m> {
        Flow {
            module: module.module(),
            index,
            facts: &module.facts,
            known,
            lefts: types_left(module, index).into_iter(),
            environment: vec![],
            stack: vec![],
            fails: false,
            emits: Emissions::default(),
            fuel: Ok(Size::default()),
            loops: 0,
        }
    }

    /// Walks the whole function.
    pub(super) fn function(mut self) -> Summary {
        let function = self.module.function(self.index);
        let params = (0..).zip(&function.params);
        let param = |(number, ty)| Sketch::same(self.module.ty(ty).clone(), Path::root(Root::Param(number)));
        self.environment = params.map(|(number, ty)| param((number, *ty))).collect();
        let result = self.block(&function.body, Sketch::any(Ty::unit()));
        let fuel = self.bounded(self.index, self.fuel.clone());
        Summary { result, fails: self.fails, emits: self.emits, fuel }
    }

    /// Returns the bound, or the one that the verifier found by types alone.
    fn bounded(&self, function: FuncIx, found: Bound) -> Bound {
        let by_type = || self.facts[function.0 as usize].fuel_max.map(Size::constant);
        found.or_else(|why| by_type().ok_or(why))
    }

    /// Adds fuel.
    pub(super) fn spend(&mut self, fuel: &Bound) {
        self.fuel = sum(self.take_fuel(), fuel);
    }

    fn take_fuel(&mut self) -> Bound {
        std::mem::replace(&mut self.fuel, Ok(Size::default()))
    }

    /// Walks what may run instead of something else; returns what it leaves, and its fuel.
    fn apart<T>(&mut self, walk: impl FnOnce(&mut Self) -> T) -> (T, Bound) {
        let before = self.take_fuel();
        let left = walk(self);
        let fuel = std::mem::replace(&mut self.fuel, before);
        (left, fuel)
    }

    pub(super) fn pop(&mut self) -> Sketch {
        self.stack.pop().expect("the verifier counts the operand stack")
    }

    /// Walks a block; `None` when it never comes to its end.
    fn block(&mut self, Block(ops): &Block, v: Sketch) -> Option<Sketch> {
        let depth = (self.environment.len(), self.stack.len());
        let fuel = ops.iter().map(Op::fuel).fold(0, u64::saturating_add);
        self.spend(&Ok(Size::constant(fuel)));
        let mut v = Some(v);
        for op in ops {
            v = match v {
                Some(v) => self.op(op, v),
                None => {
                    self.skip_op(op);
                    None
                }
            };
        }
        if v.is_none() {
            self.environment.truncate(depth.0);
            self.stack.truncate(depth.1);
        }
        v
    }

    fn op(&mut self, op: &Op, v: Sketch) -> Option<Sketch> {
        let left = self.lefts.next().expect("the verifier tells the type of each instruction");
        match op {
            Op::If { yes, no } => {
                let (yes, yes_fuel) = self.apart(|flow| flow.block(yes, Sketch::any(Ty::unit())));
                let (no, no_fuel) = self.apart(|flow| flow.block(no, Sketch::any(Ty::unit())));
                self.spend(&dearer(yes_fuel, &no_fuel));
                either(yes, no)
            }
            Op::Case { blocks } => self.case(blocks, &v),
            Op::Fold { body } => Some(self.fold(body, v)),
            Op::Map { ty: _, body } | Op::Filter { body } | Op::Find { body } => {
                let (_, fuel) = self.apart(|flow| flow.body(body, &items(&v)));
                self.spend_rounds(&v.length(), fuel);
                left.map(|left| match op {
                    Op::Find { .. } => found(left, v.part(Step::Each)),
                    _ => Sketch::sized(left, v.length()),
                })
            }
            Op::Loop { test, body } => {
                let carried = self.pop();
                Some(self.carry(&carried, &v.number(), |flow, carried| {
                    flow.body(test, std::slice::from_ref(carried));
                    flow.body(body, std::slice::from_ref(carried))
                }))
            }
            Op::Call { function } => self.call(*function, v),
            _ => self.plain(op, v, left),
        }
    }

    /// Passes by an instruction that no run comes to, and those in its blocks.
    fn skip_op(&mut self, op: &Op) {
        self.lefts.next();
        op.each_operand(|_, operand| match operand {
            Operand::Block(block) => self.skip_block(block),
            Operand::Blocks(blocks) => blocks.iter().for_each(|block| self.skip_block(block)),
            _ => {}
        });
    }

    fn skip_block(&mut self, block: &Block) {
        block.0.iter().for_each(|op| self.skip_op(op));
    }

    fn case(&mut self, blocks: &[Block], v: &Sketch) -> Option<Sketch> {
        let (mut left, mut most) = (None, Ok(Size::default()));
        for (case, block) in (0..).zip(blocks) {
            if v.may_be(case) {
                let (end, fuel) = self.apart(|flow| flow.block(block, v.payload(case)));
                most = dearer(most, &fuel);
                left = either(left, end);
            } else {
                self.skip_block(block);
            }
        }
        self.spend(&most);
        left
    }

    fn fold(&mut self, body: &Block, start: Sketch) -> Sketch {
        let over = self.pop();
        let items = items(&over);
        self.carry(&start, &over.length(), |flow, carried| {
            let bound: Vec<Sketch> = std::iter::once(carried).chain(&items).cloned().collect();
            flow.body(body, &bound)
        })
    }

    /// Walks the body of a loop, which sees `bound`.
    fn body(&mut self, body: &Block, bound: &[Sketch]) -> Option<Sketch> {
        let depth = self.environment.len();
        self.environment.extend_from_slice(bound);
        let left = self.block(body, Sketch::any(Ty::unit()));
        self.environment.truncate(depth);
        left
    }

    /// Returns what holds of a carried value before and after every round.
    ///
    /// The round is walked once, with a name for the carried value; then the name is replaced by
    /// what is known so far, until that stays.
    fn carry(
        &mut self,
        start: &Sketch,
        rounds: &Bound,
        round: impl FnOnce(&mut Self, &Sketch) -> Option<Sketch>,
    ) -> Sketch {
        let root = Root::Carried(self.loops);
        self.loops += 1;
        let name = Sketch::same(start.ty.clone(), Path::root(root));
        let (next, fuel) = self.apart(|flow| round(flow, &name));
        let held = held(start, root, next.as_ref());
        let fuel = fuel.and_then(|fuel| fuel.with(&|found| (found == root).then(|| held.clone())));
        self.spend_rounds(rounds, fuel);
        held
    }

    /// Adds the fuel of so many rounds; each costs one unit beside that of its body.
    fn spend_rounds(&mut self, rounds: &Bound, round: Bound) {
        let all = sum(round, &Ok(Size::constant(1)));
        self.spend(&all.and_then(|round| rounds.as_ref().map_err(|why| *why)?.times(&round)));
    }

    fn call(&mut self, callee: FuncIx, v: Sketch) -> Option<Sketch> {
        let count = self.module.function(callee).params.len();
        let mut args = vec![];
        if count > 0 {
            args = self.stack.split_off(self.stack.len() + 1 - count);
            args.push(v);
        }
        let summary = &self.known[callee.0 as usize];
        self.fails |= summary.fails;
        let arg = |root| match root {
            Root::Param(number) => Some(args[number as usize].clone()),
            Root::Carried(_) => None,
        };
        let (fuel, result) = (summary.fuel.clone(), summary.result.as_ref());
        let result = result.map(|result| result.with(&arg));
        let fuel = self.bounded(callee, fuel.and_then(|fuel| fuel.with(&arg)));
        self.spend(&fuel);
        result
    }
}

/// Returns what holds of a carried value before and after every round, which takes what `root`
/// names and leaves `next`.
fn held(start: &Sketch, root: Root, next: Option<&Sketch>) -> Sketch {
    let Some(next) = next else { return start.clone() };
    let mut held = start.clone();
    for joins in 0..2 * JOINS_MAX {
        let after = next.with(&|found| (found == root).then(|| held.clone()));
        let both = held.join(&after);
        if both == held {
            return held;
        }
        held = if joins < JOINS_MAX { both } else { held.kept(&both) };
    }
    Sketch::any(start.ty.clone())
}

/// Returns the option of what may be found.
pub(super) fn found(option: Ty, item: Sketch) -> Sketch {
    let none = (Value::NONE_INDEX, Sketch::any(Ty::unit()));
    Sketch::sum(option, [none, (Value::SOME_INDEX, item)].into())
}

fn dearer(first: Bound, second: &Bound) -> Bound {
    first?.max(second.as_ref().map_err(|why| *why)?)
}

/// A way that never comes to its end adds nothing.
fn either(first: Option<Sketch>, second: Option<Sketch>) -> Option<Sketch> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first.join(&second)),
        (first, second) => first.or(second),
    }
}

/// Returns what a loop over a value binds in each round.
fn items(over: &Sketch) -> Vec<Sketch> {
    match over.ty.kind() {
        Kind::List { .. } => vec![over.part(Step::Each)],
        Kind::Map { .. } => vec![over.part(Step::Key), over.part(Step::Each)],
        _ => unreachable!("the verifier lets loops go over lists and maps alone"),
    }
}
