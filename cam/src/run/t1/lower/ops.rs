//! The instructions without blocks.

use std::rc::Rc;

use super::{Env, Lower, Lowered, MEMBERS_MAX, TooLarge, unit};
use crate::code::Op;
use crate::run::meter::{NODE, SLOT};
use crate::run::t1::code::{Arg, Base, Ins, Place, Plain, W};
use crate::run::t1::sym::{Change, Sym, Typed, members, word_kind};
use crate::run::t1::tree::Node;
use crate::ty::{Kind, Ty};

/// What each of two Ints, or two words, becomes.
type Made = fn(W, W, W) -> Ins;

/// How many changes of a map wait for the end of the step at most.
const CHANGES_MAX: usize = 2;

impl<'m> Lower<'m> {
    /// Lowers an instruction without blocks.
    pub(super) fn plain(&mut self, env: &mut Env, node: &Node<'m>) -> Lowered<()> {
        let ty = node.left.clone().expect("a plain instruction but FAIL leaves a value");
        match node.op {
            Op::Push {} => env.stack.push_front_mut(env.v.clone()),
            Op::Swap {} => {
                let top = env.pop();
                env.stack.push_front_mut(std::mem::replace(&mut env.v, top));
            }
            Op::Cons {} => self.product(env, 2, ty),
            Op::Fst {} | Op::Fld { index: 0 } => env.v = Typed { sym: Self::member(&env.v.sym, 0), ty },
            Op::Snd {} => env.v = Typed { sym: Self::member(&env.v.sym, 1), ty },
            Op::Fld { index } => env.v = Typed { sym: Self::member(&env.v.sym, *index), ty },
            Op::Unit {} => env.v = unit(),
            Op::Seal {} | Op::Reveal {} => env.v.ty = ty,
            Op::Let {} => env.environment.push_back_mut(env.v.clone()),
            Op::Unlet { count } => {
                for _ in 0..*count {
                    env.environment.drop_last_mut();
                }
            }
            Op::Acc { level } => env.v = env.environment[*level as usize].clone(),
            Op::Quote { constant } => {
                let place = Place { base: Base::Constant(constant.0), path: vec![] };
                env.v = Typed { sym: Sym::Place(Rc::new(place)), ty };
            }
            Op::Rec { .. } => {
                let count = members(&ty).expect("REC makes a tuple or record").len();
                self.product(env, count, ty);
            }
            Op::Upd { index } => return self.update(env, node, *index, ty),
            Op::Inj { case, .. } => {
                self.owe(NODE + SLOT);
                env.v = Typed { sym: Sym::Case(*case, Rc::new(env.v.sym.clone())), ty };
            }
            Op::Add {} => return self.arithmetic(env, ty, |to, a, b| Ins::Add { to, a, b }),
            Op::Sub {} => return self.arithmetic(env, ty, |to, a, b| Ins::Sub { to, a, b }),
            Op::Mul {} => return self.arithmetic(env, ty, |to, a, b| Ins::Mul { to, a, b }),
            Op::Div {} => return self.arithmetic(env, ty, |to, a, b| Ins::Div { to, a, b }),
            Op::Mod {} => return self.arithmetic(env, ty, |to, a, b| Ins::Mod { to, a, b }),
            Op::Neg {} => return self.single(env, ty, true, |to, a, _| Ins::Neg { to, a }),
            Op::Not {} if self.opposite(env) => {}
            Op::Not {} => return self.single(env, ty, false, |to, a, _| Ins::Not { to, a }),
            Op::Lt {} if is_word(env) => return self.compare(env, ty, |to, a, b| Ins::Lt { to, a, b }),
            Op::Le {} if is_word(env) => return self.compare(env, ty, |to, a, b| Ins::Le { to, a, b }),
            Op::Eq {} if is_word(env) => return self.compare(env, ty, |to, a, b| Ins::Eq { to, a, b }),
            Op::Fit { .. } if is_word(env) => return self.fit(env, ty),
            Op::Get {} => return self.get(env, node, ty),
            Op::Put {} | Op::Del {} => return self.change(env, node, ty),
            Op::Guard {} => {
                let condition = env.v.sym.clone();
                let word = self.word(env, &condition)?;
                self.emit_trapping(Ins::Guard { word })?;
                env.v = unit();
            }
            _ => return self.other(env, node.op, ty),
        }
        Ok(())
    }

    fn product(&mut self, env: &mut Env, count: usize, ty: Ty) {
        self.owe(NODE + SLOT * count as u64);
        let parts = env.pop_args(count).into_iter().map(|part| part.sym).collect();
        env.v = Typed { sym: Sym::Product(parts), ty };
    }

    fn update(&mut self, env: &mut Env, node: &Node<'m>, index: u32, ty: Ty) -> Lowered<()> {
        let count = members(&ty).expect("UPD changes a tuple or record").len();
        if count > MEMBERS_MAX {
            return self.other(env, node.op, ty);
        }
        self.owe(NODE + SLOT * count as u64);
        let whole = env.pop();
        let parts = Self::all_members(&whole.sym, count);
        let parts = parts.iter().zip(0..);
        let parts = parts.map(|(part, at)| if at == index { &env.v.sym } else { part }.clone()).collect();
        env.v = Typed { sym: Sym::Product(parts), ty };
        Ok(())
    }

    fn operands(&mut self, env: &mut Env) -> Lowered<(W, W)> {
        let (top, v) = (env.pop(), env.v.clone());
        Ok((self.word(env, &top.sym)?, self.word(env, &v.sym)?))
    }

    fn arithmetic(&mut self, env: &mut Env, ty: Ty, made: Made) -> Lowered<()> {
        let (a, b) = self.operands(env)?;
        let to = self.new_word()?;
        self.emit_trapping(made(to, a, b))?;
        env.v = Typed { sym: Sym::Word(to), ty };
        Ok(())
    }

    fn compare(&mut self, env: &mut Env, ty: Ty, made: Made) -> Lowered<()> {
        let (a, b) = self.operands(env)?;
        let to = self.new_word()?;
        self.emit(made(to, a, b))?;
        env.v = Typed { sym: Sym::Word(to), ty };
        Ok(())
    }

    fn single(&mut self, env: &mut Env, ty: Ty, traps: bool, made: Made) -> Lowered<()> {
        let v = env.v.sym.clone();
        let (a, to) = (self.word(env, &v)?, self.new_word()?);
        let ins = made(to, a, a);
        if traps {
            self.emit_trapping(ins)?
        } else {
            self.emit(ins)?
        };
        env.v = Typed { sym: Sym::Word(to), ty };
        Ok(())
    }

    /// Turns the comparison that was made last into its opposite.
    fn opposite(&mut self, env: &mut Env) -> bool {
        let Sym::Word(word) = env.v.sym else { return false };
        let Ok(to) = self.new_word() else { return false };
        let opposite = match self.code.ins.last() {
            Some(Ins::Lt { to: made, a, b }) if *made == word => Ins::Le { to, a: *b, b: *a },
            Some(Ins::Le { to: made, a, b }) if *made == word => Ins::Lt { to, a: *b, b: *a },
            _ => return false,
        };
        // The first one may be read elsewhere; else it is dropped later.
        if self.emit(opposite).is_err() {
            return false;
        }
        env.v.sym = Sym::Word(to);
        true
    }

    fn fit(&mut self, env: &mut Env, ty: Ty) -> Lowered<()> {
        let range = |ty: &Ty| match ty.kind() {
            Kind::Int { lo, hi } => (*lo, *hi),
            _ => (i64::MIN, i64::MAX),
        };
        let ((from_lo, from_hi), (lo, hi)) = (range(&env.v.ty), range(&ty));
        if from_lo < lo || hi < from_hi {
            let v = env.v.sym.clone();
            let word = self.word(env, &v)?;
            let bounds = u16::try_from(self.code.bounds.len()).map_err(|_| TooLarge)?;
            self.code.bounds.push((lo, hi));
            self.emit_trapping(Ins::Fit { word, bounds })?;
            env.v.sym = Sym::Word(word);
        }
        env.v.ty = ty;
        Ok(())
    }

    /// Lowers a lookup. What it finds goes to registers: whether there is something, and what.
    fn get(&mut self, env: &mut Env, node: &Node<'m>, ty: Ty) -> Lowered<()> {
        let (over, key) = (env.pop(), env.v.clone());
        let Kind::Option(item) = ty.kind() else { unreachable!("{} leaves an option", node.op.name()) };
        let map = self.at(env, &over)?;
        let tag = self.new_word()?;
        let ins = if matches!(over.ty.kind(), Kind::List { .. }) {
            let index = self.word(env, &key.sym)?;
            let (to, sym) = self.dest(item)?;
            env.v.sym = Sym::Sum(tag, [Sym::Unit, sym].into());
            Ins::Index { list: map, index, tag, to }
        } else if matches!(key.ty.kind(), Kind::Int { .. } | Kind::Duration) {
            let key = self.word(env, &key.sym)?;
            let (to, sym) = self.dest(item)?;
            env.v.sym = Sym::Sum(tag, [Sym::Unit, sym].into());
            if matches!(self.code.places[map as usize].base, Base::Param(_)) {
                env.looked.insert_mut(tag, (map, key));
            }
            Ins::GetInt { map, key, tag, to }
        } else {
            let key = self.arg(env, &key.sym, &key.ty)?;
            let key = self.add_arg(key)?;
            let (to, sym) = self.dest(item)?;
            env.v.sym = Sym::Sum(tag, [Sym::Unit, sym].into());
            Ins::Get { map, key, tag, to }
        };
        env.v.ty = ty;
        // A list pays nothing that depends on it; a map pays for the search before the memory.
        self.emit_trapping(ins)?;
        self.owe(NODE + SLOT);
        Ok(())
    }

    /// Lowers a change of a map: one of the state's waits for the end of the step.
    fn change(&mut self, env: &mut Env, node: &Node<'m>, ty: Ty) -> Lowered<()> {
        let depth = env.stack.first().and_then(|top| match node.op {
            Op::Put {} => env.stack.iter().nth(1).and_then(|map| waits(&map.sym)),
            _ => waits(&top.sym),
        });
        if depth.is_none_or(|depth| depth >= CHANGES_MAX) {
            return self.other(env, node.op, ty);
        }
        let (key, value) = match node.op {
            Op::Put {} => (env.pop(), Some(env.v.clone())),
            _ => (env.v.clone(), None),
        };
        let map = env.pop();
        let size = self.size(env, &map)?;
        let arg = self.arg(env, &key.sym, &key.ty)?;
        let arg = self.add_arg(arg)?;
        self.emit_trapping(match value {
            Some(_) => Ins::PayPut { size, key: arg },
            None => Ins::PayDel { size, key: arg },
        })?;
        let value = match value {
            Some(value) => Some(self.kept(env, value)?),
            None => None,
        };
        let change = Change { map: map.sym, key, value, size };
        env.v = Typed { sym: Sym::Changed(Rc::new(change)), ty };
        Ok(())
    }

    /// Returns the value without a change within: those wait only where a map stands in the state.
    fn kept(&mut self, env: &mut Env, value: Typed) -> Lowered<Typed> {
        let Sym::Changed(_) = value.sym else { return Ok(value) };
        let place = self.at(env, &value)?;
        Ok(Typed { sym: Sym::Place(Rc::new(self.code.places[place as usize].clone())), ty: value.ty })
    }

    /// Returns the size of a map of the state, with the changes that wait.
    fn size(&mut self, env: &mut Env, map: &Typed) -> Lowered<W> {
        match &map.sym {
            Sym::Place(place) => {
                let (to, map) = (self.new_word()?, self.place(place)?);
                self.emit(Ins::Size { to, map })?;
                Ok(to)
            }
            Sym::Changed(change) => {
                // Whether the key was there is known from before, or by looking again.
                let Sym::Place(place) = &change.map else { unreachable!("two changes wait at most") };
                let key = self.arg(env, &change.key.sym, &change.key.ty)?;
                let place = self.place(place)?;
                if let (Arg::Int(key), Some(_)) = (&key, &change.value)
                    && env.present.contains(&(place, *key))
                {
                    return Ok(change.size);
                }
                let (key, size) = (self.add_arg(key)?, self.new_word()?);
                self.emit(Ins::Copy { to: size, from: change.size })?;
                self.emit(match change.value {
                    Some(_) => Ins::Grow { size, map: place, key },
                    None => Ins::Shrink { size, map: place, key },
                })?;
                Ok(size)
            }
            _ => unreachable!("a map stands at a place, or is one that was changed"),
        }
    }

    /// Lowers an instruction to T0's own code for it.
    fn other(&mut self, env: &mut Env, op: &Op, ty: Ty) -> Lowered<()> {
        let args = match pops(op) {
            None => vec![],
            Some(count) => env.pop_args(count + 1),
        };
        let args = args.iter().map(|arg| self.arg(env, &arg.sym, &arg.ty)).collect::<Lowered<_>>()?;
        let (to, sym) = self.dest(&ty)?;
        let plain = u16::try_from(self.code.plains.len()).map_err(|_| TooLarge)?;
        self.code.plains.push(Plain { op: op.clone(), args, to });
        self.emit_trapping(Ins::Plain { plain })?;
        env.v = Typed { sym, ty };
        Ok(())
    }
}

/// Returns how many changes of a map wait already, if it is one whose changes may wait: a map that
/// stands in a parameter, which nobody else changes during the run.
fn waits(map: &Sym) -> Option<usize> {
    match map {
        Sym::Place(place) if matches!(place.base, Base::Param(_)) => Some(0),
        Sym::Changed(change) => waits(&change.map).map(|depth| depth + 1),
        _ => None,
    }
}

fn is_word(env: &Env) -> bool {
    word_kind(&env.v.ty).is_some()
}

/// Returns how many operands an instruction takes from the stack; `None` when it does not read the
/// value register either.
fn pops(op: &Op) -> Option<usize> {
    match op {
        Op::Nil { .. } | Op::Ctx { .. } => None,
        Op::Put {} | Op::Set {} | Op::Slice {} => Some(2),
        Op::Upd { .. }
        | Op::Lt {}
        | Op::Le {}
        | Op::Eq {}
        | Op::Cat {}
        | Op::Append {}
        | Op::Del {}
        | Op::Range {}
        | Op::Take {}
        | Op::Drop {}
        | Op::Search {}
        | Op::Split {}
        | Op::Join {}
        | Op::Bits { .. } => Some(1),
        Op::Fit { .. }
        | Op::Len {}
        | Op::Show {}
        | Op::Parse {}
        | Op::Entries {}
        | Op::Emit { .. }
        | Op::Hash { .. }
        | Op::Edit { .. }
        | Op::Encode {}
        | Op::Decode {}
        | Op::Octets {}
        | Op::Pack {}
        | Op::Outer { .. } => Some(0),
        Op::Push {}
        | Op::Swap {}
        | Op::Cons {}
        | Op::Fst {}
        | Op::Snd {}
        | Op::Unit {}
        | Op::Let {}
        | Op::Unlet { .. }
        | Op::Acc { .. }
        | Op::Quote { .. }
        | Op::Rec { .. }
        | Op::Fld { .. }
        | Op::Inj { .. }
        | Op::Case { .. }
        | Op::If { .. }
        | Op::Add {}
        | Op::Sub {}
        | Op::Mul {}
        | Op::Div {}
        | Op::Mod {}
        | Op::Neg {}
        | Op::Not {}
        | Op::Seal {}
        | Op::Reveal {}
        | Op::Get {}
        | Op::Fold { .. }
        | Op::Map { .. }
        | Op::Filter { .. }
        | Op::Find { .. }
        | Op::Loop { .. }
        | Op::Call { .. }
        | Op::Fail {}
        | Op::Guard {} => unreachable!("{} is lowered by itself", op.name()),
    }
}
