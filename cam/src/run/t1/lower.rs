//! Lowering: from bytecode to register code, once, when a module is loaded.
//!
//! The bytecode is run on [`Sym`]s instead of values. Where it branches, the rest is lowered once for
//! each branch while that stays small, so that what a branch knows (which case, which fields are
//! unchanged) is still known at the end of the step; else the branches meet in registers. Functions
//! become part of their callers.
//!
//! What must stay true: in every run, lowered code takes the same fuel at the same points as T0, ends in
//! the same trap, and has the same result. So charges stand in the order in which T0 makes them; only
//! what cannot be observed in between (loads, moves, memory that is paid in one sum up to the next
//! instruction that may trap) is put together or left out.

mod control;
mod end;
mod join;
mod ops;

use std::collections::HashMap;
use std::rc::Rc;

use rpds::{HashTrieMap, HashTrieSet, List, Vector};

use super::code::{Arg, ArgIx, Base, Code, Dest, Ins, PAYLOAD, Pc, Place, PlaceIx, R, W, walk};
use super::sym::{Change, Sym, Typed, WordKind, members, payloads, word_kind};
use super::tree::{self, Ops};
use crate::code::FuncIx;
use crate::run::Limits;
use crate::ty::{Kind, Ty};
use crate::value::Value;
use crate::verify::VerifiedModule;
use control::Then;

/// A function is too large for 16-bit indices, or grows too much by lowering. T0 runs it.
#[derive(Debug)]
pub(super) struct TooLarge;

pub(super) type Lowered<T> = Result<T, TooLarge>;

/// The most instructions of a lowered function.
const INS_MAX: usize = 1 << 15;
/// How deep the rest may be lowered within branches of branches.
const DEPTH_MAX: u32 = 48;
/// A product of more members is not taken apart.
const MEMBERS_MAX: usize = 64;

/// What a function is, and so how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// A step: it leaves state and output.
    Step,
    /// The step of an internal case: it leaves the state.
    Internal,
    /// Anything else: it leaves a value.
    Function,
}

/// Lowering one function.
pub(super) struct Lower<'m> {
    module: &'m VerifiedModule,
    root: Root,
    trees: HashMap<FuncIx, Rc<Ops<'m>>>,
    code: Code,
    places: HashMap<Place, PlaceIx>,
    constants: HashMap<i64, W>,
    /// True when memory has to be counted.
    metered: bool,
    /// Memory that is to be paid before the next instruction that may trap.
    owed: u64,
    /// Instructions before this one are not to be put together with later ones.
    barrier: usize,
    /// How many instructions may still be lowered more than once.
    copies_left: u32,
    depth: u32,
}

/// What the machine's registers `v`, `K` and `E` hold, and what is known besides.
#[derive(Clone)]
struct Env {
    v: Typed,
    stack: List<Typed>,
    environment: Vector<Typed>,
    /// Words that were read from places already.
    loaded: HashTrieMap<PlaceIx, W>,
    /// What a word tells: whether a map of the state has the key in another word.
    looked: HashTrieMap<W, (PlaceIx, W)>,
    /// Keys that maps of the state have for certain.
    present: HashTrieSet<(PlaceIx, W)>,
    /// Changed maps that were made already. The change is held so that its address stays its own.
    made: HashTrieMap<*const Change, (Rc<Change>, R)>,
}

/// Lowers a function.
///
/// # Errors
///
/// When it is too large.
pub(super) fn lower(module: &VerifiedModule, index: FuncIx, root: Root) -> Lowered<Code> {
    // What cannot run out of memory within a step's limits does not count it.
    let memory_max = module.facts(index).memory_max.filter(|max| *max <= Limits::STEP.memory);
    lower_within(module, index, root, memory_max)
}

/// Lowers a function. With `memory_max` it counts no memory, and runs within such limits only.
pub(super) fn lower_within(
    module: &VerifiedModule,
    index: FuncIx,
    root: Root,
    memory_max: Option<u64>,
) -> Lowered<Code> {
    let function = module.module.function(index);
    let tree = Rc::new(tree::function(module, index));
    let mut lower = Lower {
        module,
        root,
        trees: HashMap::new(),
        code: Code { memory_max: memory_max.unwrap_or(0), ..Code::default() },
        places: HashMap::new(),
        constants: HashMap::new(),
        metered: memory_max.is_none(),
        owed: 0,
        barrier: 0,
        copies_left: tree.size.saturating_mul(4).saturating_add(1024),
        depth: 0,
    };
    let mut environment = Vector::new();
    for (ty, at) in function.params.iter().zip(0..) {
        let place = Place { base: Base::Param(at), path: vec![] };
        let sym = Sym::Place(Rc::new(place));
        environment.push_back_mut(Typed { sym, ty: module.module.ty(*ty).clone() });
    }
    let env = Env {
        v: unit(),
        stack: List::new(),
        environment,
        loaded: HashTrieMap::new(),
        looked: HashTrieMap::new(),
        present: HashTrieSet::new(),
        made: HashTrieMap::new(),
    };
    lower.pay(tree.fuel)?;
    lower.run(env, &tree.ops, &Then::Return)?;
    Ok(super::live::takes(lower.code))
}

fn unit() -> Typed {
    Typed { sym: Sym::Unit, ty: Ty::unit() }
}

impl Env {
    fn pop(&mut self) -> Typed {
        let top = self.stack.first().expect("the verifier counts the operand stack").clone();
        self.stack.drop_first_mut();
        top
    }

    /// Takes `count` operands in the order they were pushed; the last is the value register.
    fn pop_args(&mut self, count: usize) -> Vec<Typed> {
        let mut args = vec![self.v.clone()];
        args.extend((1..count).map(|_| self.pop()));
        args.reverse();
        args
    }
}

impl Lower<'_> {
    fn emit(&mut self, ins: Ins) -> Lowered<usize> {
        if self.code.ins.len() >= INS_MAX {
            return Err(TooLarge);
        }
        self.code.ins.push(ins);
        Ok(self.code.ins.len() - 1)
    }

    /// Emits an instruction that may trap, after what is owed.
    fn emit_trapping(&mut self, ins: Ins) -> Lowered<usize> {
        self.settle_up()?;
        self.emit(ins)
    }

    /// Pays the memory that is owed.
    fn settle_up(&mut self) -> Lowered<()> {
        while self.owed > 0 {
            let bytes = u32::try_from(self.owed).unwrap_or(u32::MAX);
            self.owed -= u64::from(bytes);
            self.emit(Ins::Memory { bytes })?;
        }
        Ok(())
    }

    /// Notes memory to be paid.
    fn owe(&mut self, bytes: u64) {
        if self.metered {
            self.owed = self.owed.saturating_add(bytes);
        }
    }

    /// Pays for a block.
    fn pay(&mut self, fuel: u64) -> Lowered<()> {
        self.settle_up()?;
        let fuel = u32::try_from(fuel).map_err(|_| TooLarge)?;
        let last = self.code.ins.len().wrapping_sub(1);
        if last != usize::MAX
            && last >= self.barrier
            && let Some(Ins::Fuel { fuel: before }) = self.code.ins.get_mut(last)
            && let Some(sum) = before.checked_add(fuel)
        {
            *before = sum;
            return Ok(());
        }
        self.emit(Ins::Fuel { fuel })?;
        Ok(())
    }

    /// Returns where the next instruction will stand; jumps come here.
    fn here(&mut self) -> Pc {
        self.barrier = self.code.ins.len();
        Pc::try_from(self.barrier).expect("below INS_MAX")
    }

    fn new_word(&mut self) -> Lowered<W> {
        let word = W::try_from(self.code.words.len()).map_err(|_| TooLarge)?;
        self.code.words.push(0);
        Ok(word)
    }

    fn new_ref(&mut self) -> Lowered<R> {
        let register = R::try_from(self.code.refs).map_err(|_| TooLarge)?;
        self.code.refs += 1;
        Ok(register)
    }

    /// Returns a register that holds a constant, and is never written.
    fn constant(&mut self, value: i64) -> Lowered<W> {
        if let Some(word) = self.constants.get(&value) {
            return Ok(*word);
        }
        let word = self.new_word()?;
        self.code.words[word as usize] = value;
        self.constants.insert(value, word);
        Ok(word)
    }

    fn place(&mut self, place: &Place) -> Lowered<PlaceIx> {
        if let Some(index) = self.places.get(place) {
            return Ok(*index);
        }
        let index = PlaceIx::try_from(self.code.places.len()).map_err(|_| TooLarge)?;
        self.code.places.push(place.clone());
        self.places.insert(place.clone(), index);
        Ok(index)
    }

    fn add_arg(&mut self, arg: Arg) -> Lowered<ArgIx> {
        let index = ArgIx::try_from(self.code.args.len()).map_err(|_| TooLarge)?;
        self.code.args.push(arg);
        Ok(index)
    }

    /// Returns where a new value of the type goes, and the value.
    fn dest(&mut self, ty: &Ty) -> Lowered<(Dest, Sym)> {
        if *ty == Ty::unit() || matches!(ty.kind(), Kind::Secret(item) if *item == Ty::unit()) {
            return Ok((Dest::Nowhere, Sym::Unit));
        }
        if word_kind(ty).is_some() {
            let word = self.new_word()?;
            return Ok((Dest::Word(word), Sym::Word(word)));
        }
        let register = self.new_ref()?;
        Ok((Dest::Ref(register), Sym::own(register)))
    }

    /// Returns the register that holds an Int, Bool or Duration.
    fn word(&mut self, env: &mut Env, sym: &Sym) -> Lowered<W> {
        match sym {
            Sym::Word(word) => Ok(*word),
            Sym::Place(place) => {
                if let Base::Constant(index) = place.base {
                    let value = walk(&self.module.module.constants[index as usize].1, &place.path);
                    return self.constant(match value {
                        Value::Int(int) => *int,
                        Value::Bool(bool) => i64::from(*bool),
                        _ => unreachable!("a word is an Int, Bool or Duration"),
                    });
                }
                let from = self.place(place)?;
                if let Some(word) = env.loaded.get(&from) {
                    return Ok(*word);
                }
                let to = self.new_word()?;
                self.emit(Ins::Load { to, from })?;
                env.loaded.insert_mut(from, to);
                Ok(to)
            }
            _ => unreachable!("a word is in a register or at a place"),
        }
    }

    /// Returns how to make the value.
    fn arg(&mut self, env: &mut Env, sym: &Sym, ty: &Ty) -> Lowered<Arg> {
        Ok(match sym {
            Sym::Unit => Arg::Unit,
            Sym::Word(word) => match word_kind(ty) {
                Some(WordKind::Bool) => Arg::Bool(*word),
                _ => Arg::Int(*word),
            },
            Sym::Place(place) => match word_kind(ty) {
                Some(WordKind::Int) => Arg::Int(self.word(env, sym)?),
                Some(WordKind::Bool) => Arg::Bool(self.word(env, sym)?),
                None => self.copy(place)?,
            },
            Sym::Product(parts) => {
                let types = members(ty).expect("a product has a product's type");
                let parts = parts.iter().zip(types);
                Arg::Product(parts.map(|(part, ty)| self.arg(env, part, ty)).collect::<Lowered<_>>()?)
            }
            Sym::Case(case, payload) => {
                let types = payloads(ty).expect("a case has a variant's type");
                match self.arg(env, payload, &types[*case as usize])? {
                    Arg::Unit => Arg::Case(*case),
                    payload => Arg::Sum(*case, Box::new(payload)),
                }
            }
            Sym::Sum(tag, parts) => {
                let types = payloads(ty).expect("a case has a variant's type");
                let parts = parts.iter().zip(&types);
                Arg::Choice(*tag, parts.map(|(part, ty)| self.choice(part, ty)).collect::<Lowered<_>>()?)
            }
            Sym::Changed(change) => {
                if let Some((_, register)) = env.made.get(&Rc::as_ptr(change)) {
                    let place = Place { base: Base::Ref(*register), path: vec![] };
                    return Ok(Arg::Copy(self.place(&place)?));
                }
                let map = self.arg(env, &change.map, ty)?;
                let key = self.arg(env, &change.key.sym, &change.key.ty)?;
                let value = match &change.value {
                    Some(value) => Some(Box::new(self.arg(env, &value.sym, &value.ty)?)),
                    None => None,
                };
                Arg::Changed(Box::new(map), Box::new(key), value)
            }
        })
    }

    /// Returns how to make what stands at a place. A constant that holds nothing is made anew, which is
    /// less than copying it.
    fn copy(&mut self, place: &Place) -> Lowered<Arg> {
        if let Base::Constant(index) = place.base {
            match walk(&self.module.module.constants[index as usize].1, &place.path) {
                Value::Unit => return Ok(Arg::Unit),
                Value::Sum(case, payload) if **payload == Value::Unit => return Ok(Arg::Case(*case)),
                _ => {}
            }
        }
        Ok(Arg::Copy(self.place(place)?))
    }

    /// Returns how to make the payload of one case of several. Nothing may be read for it before it is
    /// known that it is this case.
    fn choice(&mut self, part: &Sym, ty: &Ty) -> Lowered<Arg> {
        match part {
            Sym::Place(place) => Ok(Arg::Copy(self.place(place)?)),
            Sym::Product(parts) => {
                let types = members(ty).expect("a product has a product's type");
                let parts = parts.iter().zip(types);
                Ok(Arg::Product(parts.map(|(part, ty)| self.choice(part, ty)).collect::<Lowered<_>>()?))
            }
            Sym::Sum(tag, parts) => {
                let types = payloads(ty).expect("a case has a variant's type");
                let parts = parts.iter().zip(&types);
                Ok(Arg::Choice(*tag, parts.map(|(part, ty)| self.choice(part, ty)).collect::<Lowered<_>>()?))
            }
            Sym::Unit => Ok(Arg::Unit),
            Sym::Word(word) => Ok(match word_kind(ty) {
                Some(WordKind::Bool) => Arg::Bool(*word),
                _ => Arg::Int(*word),
            }),
            Sym::Case(..) | Sym::Changed(_) => {
                unreachable!("the payloads of several cases are registers and places")
            }
        }
    }

    /// Returns the value with its case, where a constant says which it is. Only that case's payload can be
    /// looked at.
    fn known(&self, sym: &Sym) -> Sym {
        if let Sym::Place(place) = sym
            && let Base::Constant(index) = place.base
            && let Value::Sum(case, _) = walk(&self.module.module.constants[index as usize].1, &place.path)
            && let Some(payload) = sym.within(PAYLOAD)
        {
            return Sym::Case(*case, Rc::new(payload));
        }
        sym.clone()
    }

    /// Returns the member of a tuple or record.
    fn member(whole: &Sym, index: u32) -> Sym {
        match whole {
            Sym::Product(parts) => parts[index as usize].clone(),
            whole => whole.within(index).expect("a product is known by its members or stands at a place"),
        }
    }

    /// Returns all members of a product of so many.
    fn all_members(whole: &Sym, count: usize) -> Rc<[Sym]> {
        match whole {
            Sym::Product(parts) => parts.clone(),
            whole => (0..).take(count).map(|index| Self::member(whole, index)).collect(),
        }
    }

    /// Returns a place where the value stands; makes it where there is none.
    fn at(&mut self, env: &mut Env, typed: &Typed) -> Lowered<PlaceIx> {
        match &typed.sym {
            Sym::Place(place) => self.place(place),
            sym => {
                let known = match sym {
                    Sym::Changed(change) => env.made.get(&Rc::as_ptr(change)).map(|(_, register)| *register),
                    _ => None,
                };
                let to = match known {
                    Some(register) => register,
                    None => {
                        let arg = self.arg(env, sym, &typed.ty)?;
                        let (to, arg) = (self.new_ref()?, self.add_arg(arg)?);
                        self.emit(Ins::Make { to, arg })?;
                        to
                    }
                };
                if let Sym::Changed(change) = sym {
                    env.made.insert_mut(Rc::as_ptr(change), (change.clone(), to));
                }
                self.place(&Place { base: Base::Ref(to), path: vec![] })
            }
        }
    }
}
