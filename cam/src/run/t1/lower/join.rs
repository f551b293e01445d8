//! Registers in which branches meet, and which loops carry around.

use std::rc::Rc;

use super::{Env, Lower, Lowered, TooLarge};
use crate::run::t1::code::{Base, Dest, Ins, PAYLOAD, Place, R, W};
use crate::run::t1::sym::{Read, Sym, members, payloads};
use crate::ty::{Kind, Ty, children};

/// A product or variant of more parts than this meets as one value.
const PARTS_MAX: usize = 16;

/// Registers for a value of one type.
#[derive(Debug)]
pub(super) enum Shape {
    Unit,
    Word(W),
    Ref(R),
    Product(Vec<Shape>),
    /// The index of the case, and registers for the payload of each.
    Sum(W, Vec<Shape>),
}

impl Shape {
    pub(super) fn leaf(dest: Dest) -> Shape {
        match dest {
            Dest::Nowhere => Shape::Unit,
            Dest::Word(word) => Shape::Word(word),
            Dest::Ref(register) => Shape::Ref(register),
        }
    }

    /// Returns the value that the registers hold.
    pub(super) fn sym(&self) -> Sym {
        match self {
            Shape::Unit => Sym::Unit,
            Shape::Word(word) => Sym::Word(*word),
            Shape::Ref(register) => Sym::own(*register),
            Shape::Product(parts) => Sym::Product(parts.iter().map(Shape::sym).collect()),
            Shape::Sum(tag, parts) => Sym::Sum(*tag, parts.iter().map(Shape::sym).collect()),
        }
    }

    /// Returns all the registers.
    pub(super) fn registers(&self) -> Vec<Dest> {
        match self {
            Shape::Unit => vec![],
            Shape::Word(word) => vec![Dest::Word(*word)],
            Shape::Ref(register) => vec![Dest::Ref(*register)],
            Shape::Product(parts) => parts.iter().flat_map(Shape::registers).collect(),
            Shape::Sum(tag, parts) => {
                std::iter::once(Dest::Word(*tag)).chain(parts.iter().flat_map(Shape::registers)).collect()
            }
        }
    }

    fn has(&self, read: Read) -> bool {
        match self {
            Shape::Unit => false,
            Shape::Word(word) => read == Read::Word(*word),
            Shape::Ref(register) => read == Read::Ref(*register),
            Shape::Product(parts) => parts.iter().any(|part| part.has(read)),
            Shape::Sum(tag, parts) => read == Read::Word(*tag) || parts.iter().any(|part| part.has(read)),
        }
    }
}

/// Counts the parts that a type would take, up to a limit.
fn parts(ty: &Ty, max: usize) -> usize {
    match ty.kind() {
        Kind::Tuple(_) | Kind::Record(_) | Kind::Variant(_) | Kind::Option(_) => {
            let mut count = 1;
            for part in children(ty.kind()) {
                if count > max {
                    break;
                }
                count += parts(part, max - count.min(max));
            }
            count
        }
        Kind::Secret(item) => parts(item, max),
        _ => 1,
    }
}

impl Lower<'_> {
    /// Returns registers for values of the type.
    pub(super) fn shape(&mut self, ty: &Ty) -> Lowered<Shape> {
        if parts(ty, PARTS_MAX) > PARTS_MAX {
            return Ok(Shape::leaf(self.dest(ty)?.0));
        }
        if let Some(types) = members(ty) {
            return Ok(Shape::Product(types.into_iter().map(|ty| self.shape(ty)).collect::<Lowered<_>>()?));
        }
        if let Some(types) = payloads(ty) {
            let tag = self.new_word()?;
            return Ok(Shape::Sum(tag, types.iter().map(|ty| self.shape(ty)).collect::<Lowered<_>>()?));
        }
        Ok(Shape::leaf(self.dest(ty)?.0))
    }

    /// Brings a value into the registers.
    pub(super) fn assign(&mut self, env: &mut Env, shape: &Shape, sym: &Sym, ty: &Ty) -> Lowered<()> {
        match shape {
            Shape::Unit => Ok(()),
            Shape::Word(to) => {
                let from = self.word(env, sym)?;
                if from != *to {
                    self.emit(Ins::Copy { to: *to, from })?;
                }
                Ok(())
            }
            Shape::Ref(to) => {
                let own = Place { base: Base::Ref(*to), path: vec![] };
                if matches!(sym, Sym::Place(place) if **place == own) {
                    return Ok(());
                }
                let arg = self.arg(env, sym, ty)?;
                let arg = self.add_arg(arg)?;
                self.emit(Ins::Make { to: *to, arg })?;
                Ok(())
            }
            Shape::Product(shapes) => {
                let types = members(ty).expect("the shape is that of the type");
                for ((shape, ty), index) in shapes.iter().zip(types).zip(0..) {
                    let part = Self::member(sym, index);
                    self.assign(env, shape, &part, ty)?;
                }
                Ok(())
            }
            Shape::Sum(tag, shapes) => self.assign_sum(env, *tag, shapes, sym, ty),
        }
    }

    fn assign_sum(&mut self, env: &mut Env, tag: W, shapes: &[Shape], sym: &Sym, ty: &Ty) -> Lowered<()> {
        let types = payloads(ty).expect("the shape is that of the type");
        let (from, parts): (W, Rc<[Sym]>) = match &self.known(sym) {
            Sym::Case(case, payload) => {
                let from = self.constant(i64::from(*case))?;
                self.emit(Ins::Copy { to: tag, from })?;
                let case = *case as usize;
                return self.assign(env, &shapes[case], payload, &types[case]);
            }
            Sym::Sum(from, _) if *from == tag => return Ok(()),
            Sym::Sum(from, parts) => (*from, parts.clone()),
            place => {
                let payload =
                    place.within(PAYLOAD).expect("a variant is known by its case or stands at a place");
                let from = self.at(env, &super::Typed { sym: place.clone(), ty: ty.clone() })?;
                let to = self.new_word()?;
                self.emit(Ins::Tag { to, from })?;
                (to, shapes.iter().map(|_| payload.clone()).collect())
            }
        };
        self.emit(Ins::Copy { to: tag, from })?;
        if shapes.iter().all(|shape| matches!(shape, Shape::Unit)) {
            return Ok(());
        }
        // Only the payload of the case that it is can be read.
        self.settle_up()?;
        let table = u16::try_from(self.code.tables.len()).map_err(|_| TooLarge)?;
        self.code.tables.push(vec![0; shapes.len()]);
        self.emit(Ins::Switch { tag, table })?;
        let mut jumps = vec![];
        for (case, shape) in shapes.iter().enumerate() {
            self.code.tables[table as usize][case] = self.here();
            // What is read here is known here alone.
            let mut inner = env.clone();
            self.assign(&mut inner, shape, &parts[case], &types[case])?;
            jumps.push(self.emit(Ins::Jump { to: 0 })?);
        }
        let end = self.here();
        for jump in jumps {
            self.code.ins[jump] = Ins::Jump { to: end };
        }
        Ok(())
    }

    /// Brings the value register into registers that it may be made of.
    pub(super) fn assign_again(&mut self, env: &mut Env, shape: &Shape, ty: &Ty) -> Lowered<()> {
        let sym = env.v.sym.clone();
        if !tangled(shape, &sym, shape) {
            return self.assign(env, shape, &sym, ty);
        }
        let between = self.shape(ty)?;
        self.assign(env, &between, &sym, ty)?;
        self.assign(env, shape, &between.sym(), ty)
    }
}

/// Returns true when a part of the value is made of registers that another part goes to.
fn tangled(shape: &Shape, sym: &Sym, all: &Shape) -> bool {
    match (shape, sym) {
        (Shape::Unit, _) => false,
        (Shape::Word(to), Sym::Word(from)) if to == from => false,
        (Shape::Ref(to), Sym::Place(place)) if place.base == Base::Ref(*to) && place.path.is_empty() => false,
        (Shape::Product(shapes), Sym::Product(parts)) => {
            shapes.iter().zip(parts.iter()).any(|(shape, part)| tangled(shape, part, all))
        }
        (Shape::Sum(..), Sym::Sum(..)) if shape.sym().is_exactly(sym) => false,
        _ => sym.reads(&|read| all.has(read)),
    }
}

impl Sym {
    /// Returns true for a value in the same registers.
    fn is_exactly(&self, other: &Sym) -> bool {
        match (self, other) {
            (Sym::Product(a), Sym::Product(b)) => a.iter().zip(b.iter()).all(|(a, b)| a.is_exactly(b)),
            (Sym::Sum(a, parts), Sym::Sum(b, others)) => {
                a == b && parts.iter().zip(others.iter()).all(|(a, b)| a.is_exactly(b))
            }
            _ => self.same(other),
        }
    }
}
