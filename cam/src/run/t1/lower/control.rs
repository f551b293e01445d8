//! Blocks and the instructions that hold them: branches, loops, calls.

use std::cell::RefCell;
use std::rc::Rc;

use rpds::{List, Vector};

use super::join::Shape;
use super::{DEPTH_MAX, Env, Lower, Lowered, TooLarge, Typed, unit};
use crate::code::{FuncIx, Op};
use crate::run::t1::code::{Arg, Dest, Ins, Loop, LoopKind, PAYLOAD, Pc, PlaceIx, W};
use crate::run::t1::sym::{Sym, payloads, word_kind};
use crate::run::t1::tree::{self, Node, Ops};
use crate::ty::{Kind, Ty};

/// What follows the end of a block.
pub(super) enum Then<'c, 'm> {
    /// The end of the function.
    Return,
    /// More instructions.
    Next { ops: &'c [Node<'m>], size: u32, then: &'c Then<'c, 'm> },
    /// The caller, with its registers.
    Caller { stack: List<Typed>, environment: Vector<Typed>, then: &'c Then<'c, 'm> },
    /// The place where branches meet.
    Join { shape: &'c Shape, ty: &'c Ty, jumps: &'c RefCell<Vec<usize>> },
    /// The end of a loop's body.
    Body { shape: &'c Shape, ty: &'c Ty },
    /// The end of the test before a loop's body.
    Round { body: &'c Ops<'m>, then: &'c Then<'c, 'm> },
}

impl Then<'_, '_> {
    /// How much is lowered once more when it is lowered once more.
    fn size(&self) -> u32 {
        match self {
            Then::Return => 8,
            Then::Join { .. } | Then::Body { .. } => 4,
            Then::Next { size, then, .. } => size.saturating_add(then.size()),
            Then::Caller { then, .. } => then.size(),
            Then::Round { body, then } => body.size.saturating_add(then.size()),
        }
    }
}

/// A branch: its block, and the registers it begins with.
struct Way<'c, 'm> {
    ops: &'c Ops<'m>,
    v: Typed,
    /// A map, and a key that it has in this branch.
    present: Option<(PlaceIx, W)>,
}

impl Way<'_, '_> {
    /// Returns what holds where the branch begins.
    fn enter(&self, env: &Env) -> Env {
        let mut env = Env { v: self.v.clone(), ..env.clone() };
        if let Some(present) = self.present {
            env.present.insert_mut(present);
        }
        env
    }
}

impl<'m> Lower<'m> {
    /// Lowers instructions and all that follows them.
    pub(super) fn run<'c>(
        &mut self,
        mut env: Env,
        mut ops: &'c [Node<'m>],
        mut then: &'c Then<'c, 'm>,
    ) -> Lowered<()> {
        loop {
            let Some((node, rest)) = ops.split_first() else {
                match then {
                    Then::Next { ops: more, then: after, .. } => (ops, then) = (more, after),
                    Then::Caller { stack, environment, then: after } => {
                        env.stack = stack.clone();
                        env.environment = environment.clone();
                        then = after;
                    }
                    Then::Return => return self.finish(env),
                    Then::Join { shape, ty, jumps } => {
                        let sym = env.v.sym.clone();
                        self.assign(&mut env, shape, &sym, ty)?;
                        let jump = self.emit_trapping(Ins::Jump { to: 0 })?;
                        jumps.borrow_mut().push(jump);
                        return Ok(());
                    }
                    Then::Round { body, then: after } => {
                        let goes_on = env.v.sym.clone();
                        let word = self.word(&mut env, &goes_on)?;
                        let split = self.unless(word)?;
                        env.v = unit();
                        self.here();
                        self.block(env, body, 0, after)?;
                        let stop = self.here();
                        self.patch(split, stop);
                        self.emit(Ins::Stop)?;
                        return Ok(());
                    }
                    Then::Body { shape, ty } => {
                        self.assign_again(&mut env, shape, ty)?;
                        self.emit_trapping(Ins::End)?;
                        return Ok(());
                    }
                }
                continue;
            };
            let next = Then::Next { ops: rest, size: node.after, then };
            match node.op {
                Op::If { .. } => match self.branch(env, node, &next)? {
                    Some(joined) => env = joined,
                    None => return Ok(()),
                },
                Op::Case { .. } => match self.case(env, node, &next)? {
                    Some(joined) => env = joined,
                    None => return Ok(()),
                },
                Op::Call { function } => return self.call(env, *function, &next),
                Op::Fold { .. } => self.fold(&mut env, node)?,
                Op::Loop { .. } => self.repeat(&mut env, node)?,
                Op::Map { .. } | Op::Filter { .. } | Op::Find { .. } => self.each(&mut env, node)?,
                Op::Fail {} => {
                    let text = env.v.clone();
                    let arg = self.arg(&mut env, &text.sym, &text.ty)?;
                    let arg = self.add_arg(arg)?;
                    self.emit_trapping(Ins::Fail { arg })?;
                    return Ok(());
                }
                _ => self.plain(&mut env, node)?,
            }
            ops = rest;
        }
    }

    fn call(&mut self, mut env: Env, function: FuncIx, next: &Then<'_, 'm>) -> Lowered<()> {
        let tree = match self.trees.get(&function) {
            Some(tree) => tree.clone(),
            None => {
                let tree = Rc::new(tree::function(self.module, function));
                self.trees.insert(function, tree.clone());
                tree
            }
        };
        let count = self.module.module.function(function).params.len();
        let mut args = if count == 0 { vec![] } else { env.pop_args(count) };
        let environment: Vector<Typed> = args.drain(..).collect();
        let then =
            Then::Caller { stack: env.stack.clone(), environment: env.environment.clone(), then: next };
        let inner = Env { v: unit(), stack: List::new(), environment, ..env };
        self.block(inner, &tree, 0, &then)
    }

    /// Lowers a block that is entered here, and all that follows it.
    fn block(&mut self, env: Env, block: &Ops<'m>, more: u64, then: &Then<'_, 'm>) -> Lowered<()> {
        self.depth += 1;
        if self.depth > 4 * DEPTH_MAX {
            return Err(TooLarge);
        }
        self.pay(block.fuel.saturating_add(more))?;
        self.run(env, &block.ops, then)?;
        self.depth -= 1;
        Ok(())
    }

    fn branch(&mut self, mut env: Env, node: &Node<'m>, next: &Then<'_, 'm>) -> Lowered<Option<Env>> {
        let condition = env.v.sym.clone();
        let word = self.word(&mut env, &condition)?;
        let split = self.unless(word)?;
        let ways = node.blocks.iter().map(|ops| Way { ops, v: unit(), present: None }).collect();
        self.ways(env, node, ways, next, |lower, way, at| {
            if way == 1 {
                lower.patch(split, at);
            }
        })
    }

    /// Jumps where a word is 0. A comparison directly before becomes one with the jump.
    fn unless(&mut self, word: W) -> Lowered<usize> {
        self.settle_up()?;
        let last = self.code.ins.len().wrapping_sub(1);
        let fused = match self.code.ins.get(last) {
            Some(Ins::Lt { to, a, b }) if *to == word => Some(Ins::UnlessLt { a: *a, b: *b, to: 0 }),
            Some(Ins::Le { to, a, b }) if *to == word => Some(Ins::UnlessLe { a: *a, b: *b, to: 0 }),
            Some(Ins::Eq { to, a, b }) if *to == word => Some(Ins::UnlessEq { a: *a, b: *b, to: 0 }),
            _ => None,
        };
        match fused {
            // The comparison stays, as its register may be read again; else it is dropped later.
            Some(fused) => self.emit(fused),
            None => self.emit(Ins::Unless { word, to: 0 }),
        }
    }

    fn patch(&mut self, at: usize, target: Pc) {
        match &mut self.code.ins[at] {
            Ins::Jump { to }
            | Ins::Unless { to, .. }
            | Ins::UnlessLt { to, .. }
            | Ins::UnlessLe { to, .. }
            | Ins::UnlessEq { to, .. } => *to = target,
            _ => unreachable!("jumps alone have targets"),
        }
    }

    fn case(&mut self, mut env: Env, node: &Node<'m>, next: &Then<'_, 'm>) -> Lowered<Option<Env>> {
        let types = payloads(&env.v.ty).expect("CASE takes a variant or option");
        let subject = self.known(&env.v.sym);
        let typed = |sym: Sym, case: usize| Typed { sym, ty: types[case].clone() };
        let (tag, parts): (W, Vec<Typed>) = match &subject {
            Sym::Case(case, payload) => {
                let case = *case as usize;
                env.v = typed((**payload).clone(), case);
                self.block(env, &node.blocks[case], 0, next)?;
                return Ok(None);
            }
            Sym::Sum(tag, parts) => {
                (*tag, parts.iter().enumerate().map(|(case, part)| typed(part.clone(), case)).collect())
            }
            place => {
                let payload = place.within(PAYLOAD);
                let payload = payload.expect("a variant is known by its case or stands at a place");
                let ty = env.v.ty.clone();
                let from = self.at(&mut env, &Typed { sym: place.clone(), ty })?;
                let to = self.new_word()?;
                self.emit(Ins::Tag { to, from })?;
                (to, (0..types.len()).map(|case| typed(payload.clone(), case)).collect())
            }
        };
        let ways: Vec<Way<'_, 'm>> =
            node.blocks.iter().zip(parts).map(|(ops, v)| Way { ops, v, present: None }).collect();
        if ways.len() == 1 {
            return self.ways(env, node, ways, next, |_, _, _| {});
        }
        if ways.len() == 2 {
            // The first way is the one that is jumped to.
            self.settle_up()?;
            let split = self.emit(Ins::Unless { word: tag, to: 0 })?;
            let mut ways: Vec<Way<'_, 'm>> = ways.into_iter().rev().collect();
            ways[0].present = env.looked.get(&tag).copied();
            return self.ways(env, node, ways, next, |lower, way, at| {
                if way == 1 {
                    lower.patch(split, at);
                }
            });
        }
        self.settle_up()?;
        let table = u16::try_from(self.code.tables.len()).map_err(|_| TooLarge)?;
        self.code.tables.push(vec![0; ways.len()]);
        self.emit(Ins::Switch { tag, table })?;
        self.ways(env, node, ways, next, |lower, way, at| lower.code.tables[table as usize][way] = at)
    }

    /// Lowers the branches; `entered` is told where each begins. Returns what holds after them if
    /// they meet.
    fn ways(
        &mut self,
        env: Env,
        node: &Node<'m>,
        ways: Vec<Way<'_, 'm>>,
        next: &Then<'_, 'm>,
        mut entered: impl FnMut(&mut Self, usize, Pc),
    ) -> Lowered<Option<Env>> {
        let copies = next.size().saturating_mul(ways.len() as u32 - 1);
        let Some(ty) = &node.left else {
            // Each branch ends in FAIL, so that nothing follows.
            for (index, way) in ways.into_iter().enumerate() {
                let at = self.here();
                entered(self, index, at);
                self.block(way.enter(&env), way.ops, 0, next)?;
            }
            return Ok(None);
        };
        if copies <= self.copies_left && self.depth < DEPTH_MAX {
            self.copies_left -= copies;
            for (index, way) in ways.into_iter().enumerate() {
                let at = self.here();
                entered(self, index, at);
                self.block(way.enter(&env), way.ops, 0, next)?;
            }
            return Ok(None);
        }
        let shape = self.shape(ty)?;
        let jumps = RefCell::new(vec![]);
        for (index, way) in ways.into_iter().enumerate() {
            let at = self.here();
            entered(self, index, at);
            let then = Then::Join { shape: &shape, ty, jumps: &jumps };
            self.block(way.enter(&env), way.ops, 0, &then)?;
        }
        let at = self.here();
        for jump in jumps.into_inner() {
            self.patch(jump, at);
        }
        Ok(Some(Env { v: Typed { sym: shape.sym(), ty: ty.clone() }, ..env }))
    }

    fn fold(&mut self, env: &mut Env, node: &Node<'m>) -> Lowered<()> {
        let over = env.pop();
        let ty = env.v.ty.clone();
        let shape = self.shape(&ty)?;
        let start = env.v.sym.clone();
        self.assign(env, &shape, &start, &ty)?;
        let folded = Typed { sym: shape.sym(), ty: ty.clone() };
        let carried = shape.registers();
        let (body, items) = self.begin(env, &over, LoopKind::Fold { carried })?;
        let mut inner = env.clone();
        inner.environment.push_back_mut(folded.clone());
        inner.environment.extend(items);
        self.body(inner, body, &node.blocks[0], &Then::Body { shape: &shape, ty: &ty })?;
        env.v = folded;
        Ok(())
    }

    fn repeat(&mut self, env: &mut Env, node: &Node<'m>) -> Lowered<()> {
        let (times, start) = (env.v.sym.clone(), env.pop());
        let times = self.word(env, &times)?;
        let shape = self.shape(&start.ty)?;
        self.assign(env, &shape, &start.sym, &start.ty)?;
        let repeated = Typed { sym: shape.sym(), ty: start.ty };
        let kind = LoopKind::Repeat { times, carried: shape.registers() };
        let body = self.add_loop(Loop { kind, over: Arg::Unit, bound: [Dest::Nowhere; 2], next: 0 })?;
        let mut inner = env.clone();
        inner.environment.push_back_mut(repeated.clone());
        let end = Then::Body { shape: &shape, ty: &repeated.ty };
        let then = Then::Round { body: &node.blocks[1], then: &end };
        self.body(inner, body, &node.blocks[0], &then)?;
        env.v = repeated;
        Ok(())
    }

    fn each(&mut self, env: &mut Env, node: &Node<'m>) -> Lowered<()> {
        let over = env.v.clone();
        let result = node.left.clone().expect("a loop leaves a value");
        let (to, sym) = self.dest(&result)?;
        let register = |to| match to {
            Dest::Ref(register) => register,
            _ => unreachable!("a list or map is in a ref register"),
        };
        let (kind, shape, ty, sym) = match node.op {
            Op::Map { .. } => {
                let ty = match result.kind() {
                    Kind::List { item, .. } => item.clone(),
                    Kind::Map { value, .. } => value.clone(),
                    _ => unreachable!("MAP makes a list or map"),
                };
                let (dest, left) = self.dest(&ty)?;
                let arg = match (dest, word_kind(&ty)) {
                    (Dest::Ref(register), _) => Arg::Take(register),
                    _ => self.arg(env, &left, &ty)?,
                };
                (LoopKind::Map { left: arg, to: register(to) }, Shape::leaf(dest), ty, sym)
            }
            Op::Filter { .. } => {
                let left = self.new_word()?;
                (LoopKind::Filter { left, to: register(to) }, Shape::Word(left), Ty::bool(), sym)
            }
            _ => {
                let Kind::Option(item) = result.kind() else { unreachable!("FIND leaves an option") };
                let (left, tag) = (self.new_word()?, self.new_word()?);
                let (to, found) = self.dest(item)?;
                let sym = Sym::Sum(tag, [Sym::Unit, found].into());
                (LoopKind::Find { left, tag, to }, Shape::Word(left), Ty::bool(), sym)
            }
        };
        let (body, items) = self.begin(env, &over, kind)?;
        let mut inner = env.clone();
        inner.environment.extend(items);
        self.body(inner, body, &node.blocks[0], &Then::Body { shape: &shape, ty: &ty })?;
        env.v = Typed { sym, ty: result };
        Ok(())
    }

    /// Emits the beginning of a loop; returns its index and what it binds.
    fn begin(&mut self, env: &mut Env, over: &Typed, kind: LoopKind) -> Lowered<(usize, Vec<Typed>)> {
        let types = match over.ty.kind() {
            Kind::List { item, .. } => vec![item.clone()],
            Kind::Map { key, value } => vec![key.clone(), value.clone()],
            _ => unreachable!("a loop goes over a list or map"),
        };
        let mut bound = [Dest::Nowhere; 2];
        let mut items = vec![];
        for (dest, ty) in bound.iter_mut().zip(types) {
            let (to, sym) = self.dest(&ty)?;
            *dest = to;
            items.push(Typed { sym, ty });
        }
        let over = self.arg(env, &over.sym, &over.ty)?;
        Ok((self.add_loop(Loop { kind, over, bound, next: 0 })?, items))
    }

    fn add_loop(&mut self, body: Loop) -> Lowered<usize> {
        let index = self.code.loops.len();
        self.code.loops.push(body);
        let body = u16::try_from(index).map_err(|_| TooLarge)?;
        self.emit_trapping(Ins::Loop { body })?;
        Ok(index)
    }

    /// Lowers the body of a loop.
    fn body(&mut self, mut env: Env, index: usize, block: &Ops<'m>, then: &Then<'_, 'm>) -> Lowered<()> {
        self.here();
        env.v = unit();
        // One for the round, as T0 takes it, and the block.
        self.block(env, block, 1, then)?;
        self.code.loops[index].next = self.here();
        Ok(())
    }
}
