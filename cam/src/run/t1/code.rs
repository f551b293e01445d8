//! Lowered code: what [`super::lower`] makes and [`super::exec`] runs.
//!
//! There are two files of registers. A *word* holds an Int, a Bool (0 or 1), a Duration or the index of
//! a case; a *ref* holds a [`Value`]. Products stand in no register at all where that can be: lowering
//! tracks their members one by one. Everything is indexed by 16 bits; a function that needs more stays
//! with T0.

use crate::code::Op;
use crate::value::Value;

/// A word register.
pub(super) type W = u16;
/// A ref register.
pub(super) type R = u16;
/// An index into [`Code::ins`].
pub(super) type Pc = u16;
/// An index into [`Code::places`].
pub(super) type PlaceIx = u16;
/// An index into [`Code::args`].
pub(super) type ArgIx = u16;

/// The code of one function and of all that it calls.
#[derive(Debug, Default)]
pub(super) struct Code {
    pub(super) ins: Vec<Ins>,
    /// What the first block costs; it is paid before the first instruction.
    pub(super) entry_fuel: u64,
    pub(super) places: Vec<Place>,
    pub(super) args: Vec<Arg>,
    pub(super) plains: Vec<Plain>,
    pub(super) loops: Vec<Loop>,
    pub(super) tables: Vec<Vec<Pc>>,
    pub(super) bounds: Vec<(i64, i64)>,
    pub(super) commits: Vec<Commit>,
    /// The word registers as they are before a run: constants, and zeros.
    pub(super) words: Vec<i64>,
    /// How many ref registers it uses.
    pub(super) refs: usize,
    /// With less memory than this a run must count what it builds, which this code leaves out. 0 when
    /// it counts.
    pub(super) memory_max: u64,
}

/// What a place begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Base {
    /// A parameter of the function. For a step: payload, state, config.
    Param(u16),
    /// A constant of the module.
    Constant(u32),
    /// A ref register.
    Ref(R),
}

/// A step of a path to the payload of a case, instead of to a member of a product.
pub(super) const PAYLOAD: u32 = u32::MAX;

/// A value within another: the members, or [`PAYLOAD`], on the way to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) base: Base,
    pub(super) path: Vec<u32>,
}

/// Where a result goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dest {
    /// Nobody asks for it.
    Nowhere,
    /// A word.
    Word(W),
    /// A ref.
    Ref(R),
}

/// How to make a [`Value`]. Making one traps never and reads nothing but registers and places.
#[derive(Debug, Clone)]
pub(super) enum Arg {
    Unit,
    Int(W),
    Bool(W),
    /// A copy of what stands at a place.
    Copy(PlaceIx),
    /// What a ref holds, which nobody needs after this.
    Take(R),
    Product(Vec<Arg>),
    /// A case without a payload.
    Case(u32),
    Sum(u32, Box<Arg>),
    /// The case that a word names, with that case's payload.
    Choice(W, Vec<Arg>),
    /// A map with one key set or, without a value, removed.
    Changed(Box<Arg>, Box<Arg>, Option<Box<Arg>>),
}

/// An instruction that T0's own code does, on values.
#[derive(Debug)]
pub(super) struct Plain {
    pub(super) op: Op,
    /// The operands in the order they were pushed; the last is the value register.
    pub(super) args: Vec<Arg>,
    pub(super) to: Dest,
}

/// A loop; its body stands after it and ends in [`Ins::End`].
#[derive(Debug)]
pub(super) struct Loop {
    pub(super) kind: LoopKind,
    pub(super) over: Arg,
    /// The item, or key and value.
    pub(super) bound: [Dest; 2],
    /// Where the code goes on.
    pub(super) next: Pc,
}

#[derive(Debug)]
pub(super) enum LoopKind {
    /// The body leaves what is folded in its registers by itself; these are they.
    Fold { carried: Vec<Dest> },
    /// So many rounds at most, or until [`Ins::Stop`]; else as a fold.
    Repeat { times: W, carried: Vec<Dest> },
    /// The body leaves the new item in `Arg`.
    Map { left: Arg, to: R },
    /// The body leaves a Bool.
    Filter { left: W, to: R },
    /// The body leaves a Bool; the found item goes to `to`, with `tag` 1.
    Find { left: W, tag: W, to: Dest },
}

/// The end of a step: all that it changes, after the last instruction that may trap.
#[derive(Debug)]
pub(super) struct Commit {
    pub(super) output: Out,
    pub(super) ints: Ints,
    pub(super) stores: Vec<Store>,
}

/// What a step answers.
#[derive(Debug)]
pub(super) enum Out {
    /// Nothing: the input was an internal one.
    Nothing,
    /// A case without a payload.
    Case(u32),
    Value(Arg),
}

/// What becomes the Int in a register: the commonest changes, made in one go.
#[derive(Debug)]
pub(super) enum Ints {
    /// These members of the state.
    Members(Vec<(u16, W)>),
    /// The state itself.
    State(W),
}

/// A change of the state, in place where nobody shares it.
#[derive(Debug)]
pub(super) enum Store {
    /// Replaces what stands at a path of members.
    Set { path: Vec<u32>, arg: Arg },
    /// Sets a key of the map at a path or, without a value, removes it.
    Entry { path: Vec<u32>, key: Arg, value: Option<Arg> },
}

/// An instruction.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ins {
    /// Pays for a block.
    Fuel {
        fuel: u32,
    },
    /// Pays for what was built.
    Memory {
        bytes: u32,
    },
    /// Reads an Int or Bool.
    Load {
        to: W,
        from: PlaceIx,
    },
    /// Reads an Int or Bool that is a parameter.
    Param {
        to: W,
        param: u16,
    },
    /// Reads an Int or Bool that is a member of a parameter.
    Field {
        to: W,
        param: u16,
        member: u16,
    },
    /// Looks an Int up in a map that is a member of a parameter, and pays for it; what is found is a word.
    Find {
        to: W,
        tag: W,
        key: W,
        param: u16,
        member: u16,
    },
    /// The size of a map that is a member of a parameter.
    SizeField {
        to: W,
        param: u16,
        member: u16,
    },
    /// Adds one to a size unless a map that is a member of a parameter has the Int.
    GrowInt {
        size: W,
        key: W,
        param: u16,
        member: u16,
    },
    /// Pays for changing an entry of a map of this size whose keys are Int, where memory does not count.
    PayInt {
        size: W,
    },
    /// Reads the index of a case.
    Tag {
        to: W,
        from: PlaceIx,
    },
    Copy {
        to: W,
        from: W,
    },
    Add {
        to: W,
        a: W,
        b: W,
    },
    Sub {
        to: W,
        a: W,
        b: W,
    },
    Mul {
        to: W,
        a: W,
        b: W,
    },
    Div {
        to: W,
        a: W,
        b: W,
    },
    Mod {
        to: W,
        a: W,
        b: W,
    },
    Neg {
        to: W,
        a: W,
    },
    Lt {
        to: W,
        a: W,
        b: W,
    },
    Le {
        to: W,
        a: W,
        b: W,
    },
    Eq {
        to: W,
        a: W,
        b: W,
    },
    Not {
        to: W,
        a: W,
    },
    /// Traps `range` outside of bounds.
    Fit {
        word: W,
        bounds: u16,
    },
    Jump {
        to: Pc,
    },
    Unless {
        word: W,
        to: Pc,
    },
    UnlessLt {
        a: W,
        b: W,
        to: Pc,
    },
    UnlessLe {
        a: W,
        b: W,
        to: Pc,
    },
    UnlessEq {
        a: W,
        b: W,
        to: Pc,
    },
    Switch {
        tag: W,
        table: u16,
    },
    Make {
        to: R,
        arg: ArgIx,
    },
    /// Looks an Int up in a map, and pays for it.
    GetInt {
        map: PlaceIx,
        key: W,
        tag: W,
        to: Dest,
    },
    /// Looks a key up in a map, and pays for it.
    Get {
        map: PlaceIx,
        key: ArgIx,
        tag: W,
        to: Dest,
    },
    /// Looks an index up in a list.
    Index {
        list: PlaceIx,
        index: W,
        tag: W,
        to: Dest,
    },
    /// The size of a map.
    Size {
        to: W,
        map: PlaceIx,
    },
    /// Adds one to a size unless the map has the key.
    Grow {
        size: W,
        map: PlaceIx,
        key: ArgIx,
    },
    /// Takes one from a size if the map has the key.
    Shrink {
        size: W,
        map: PlaceIx,
        key: ArgIx,
    },
    /// Pays for setting a key of a map of this size.
    PayPut {
        size: W,
        key: ArgIx,
    },
    /// Pays for removing a key of a map of this size.
    PayDel {
        size: W,
        key: ArgIx,
    },
    Plain {
        plain: u16,
    },
    Loop {
        body: u16,
    },
    /// The end of a loop's body.
    End,
    /// The end of a loop before its time.
    Stop,
    /// Pays for an output by its weight.
    PayOutput {
        arg: ArgIx,
    },
    /// The end of a step.
    Return {
        commit: u16,
    },
    /// The end of any other function.
    Leave {
        arg: ArgIx,
    },
    Fail {
        arg: ArgIx,
    },
    Guard {
        word: W,
    },
}

impl Store {
    pub(super) fn args(&self) -> impl Iterator<Item = &Arg> {
        let (first, second) = match self {
            Store::Set { arg, .. } => (arg, None),
            Store::Entry { key, value, .. } => (key, value.as_ref()),
        };
        std::iter::once(first).chain(second)
    }

    pub(super) fn args_mut(&mut self) -> impl Iterator<Item = &mut Arg> {
        let (first, second) = match self {
            Store::Set { arg, .. } => (arg, None),
            Store::Entry { key, value, .. } => (key, value.as_mut()),
        };
        std::iter::once(first).chain(second)
    }
}

impl Code {
    /// Returns the place that an argument copies.
    pub(super) fn place_of(&self, arg: &Arg) -> Option<&Place> {
        match arg {
            Arg::Copy(place) => Some(&self.places[*place as usize]),
            _ => None,
        }
    }
}

/// Returns a payload's or member's value.
pub(super) fn walk<'v>(mut value: &'v Value, path: &[u32]) -> &'v Value {
    for step in path {
        value = match value {
            Value::Product(members) => &members[*step as usize],
            Value::Sum(_, payload) => payload,
            _ => unreachable!("the verifier lets members be taken of products, and payloads of cases, alone"),
        };
    }
    value
}
