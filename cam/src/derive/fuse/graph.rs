//! What a function computes, as a graph of values instead of a row of instructions.
//!
//! A [`Node`] is a value: what an instruction makes of other values. Nodes stand in the [`Region`]
//! (the body, or a block in it) where they are computed; which instruction puts them where is
//! decided when code is written again. As long as nobody needs a record as a whole, its node is
//! nothing but a list of members: reading one of them leads to the member itself.
//!
//! What must stay true: the operands of a node stand before it, in its region or in one around it; and
//! a node that may trap stays in its region even if nobody uses its value.

use std::collections::HashMap;

use crate::code::operand::OperandMut;
use crate::code::{Block, ConstIx, Module, Op, TypeIx};
use crate::derive::judge::limits_fit;
use crate::ty::{Kind, Ty, children};
use crate::value::Value;

/// A node by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Ix(pub(super) u32);

impl Ix {
    pub(super) fn at(self) -> usize {
        self.0 as usize
    }
}

/// A value.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// The instruction that makes it, its blocks left empty; `None` for what a region is entered with.
    pub(super) op: Option<Op>,
    /// The operands in the order in which they are pushed; the last one is in the value register.
    pub(super) args: Vec<Ix>,
    /// The blocks of the instruction.
    pub(super) regions: Vec<Region>,
    pub(super) ty: Ty,
    /// True when making it may trap for another reason than fuel and memory.
    pub(super) traps: bool,
}

impl Node {
    /// Returns true for CASE and IF.
    pub(super) fn is_branch(&self) -> bool {
        matches!(self.op, Some(Op::Case { .. } | Op::If { .. }))
    }

    /// Returns true for what costs no more to make again than to read: such nodes stand in no region.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.op, Some(Op::Quote { .. } | Op::Unit {} | Op::Nil { .. }))
    }
}

/// The body of a function, or a block of an instruction.
#[derive(Debug, Clone)]
pub(super) struct Region {
    /// What it is entered with: parameters, a payload, what a loop binds.
    pub(super) bound: Vec<Ix>,
    /// What is computed in it, in order.
    pub(super) nodes: Vec<Ix>,
    /// What it leaves; `None` when its last node always fails.
    pub(super) left: Option<Ix>,
}

/// The types and constants of a module, to which new ones may come.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) types: Vec<Ty>,
    type_index: HashMap<Ty, TypeIx>,
    pub(super) constants: Vec<(TypeIx, Value)>,
    constant_index: HashMap<(TypeIx, Value), ConstIx>,
}

impl Tables {
    pub(super) fn of(module: &Module) -> Tables {
        let types = module.types.iter().cloned().zip((0..).map(TypeIx)).collect();
        let constants = module.constants.iter().cloned().zip((0..).map(ConstIx)).collect();
        Tables {
            types: module.types.clone(),
            type_index: types,
            constants: module.constants.clone(),
            constant_index: constants,
        }
    }

    pub(super) fn type_ix(&mut self, ty: &Ty) -> TypeIx {
        if let Some(index) = self.type_index.get(ty) {
            return *index;
        }
        let index = TypeIx(u32::try_from(self.types.len()).expect("fewer than 2^32 types"));
        self.types.push(ty.clone());
        self.type_index.insert(ty.clone(), index);
        index
    }

    fn constant_ix(&mut self, ty: &Ty, value: &Value) -> ConstIx {
        let entry = (self.type_ix(ty), value.clone());
        if let Some(index) = self.constant_index.get(&entry) {
            return *index;
        }
        let index = ConstIx(u32::try_from(self.constants.len()).expect("fewer than 2^32 constants"));
        self.constants.push(entry.clone());
        self.constant_index.insert(entry, index);
        index
    }
}

/// A region in the making.
#[derive(Debug, Default)]
struct Open {
    nodes: Vec<Ix>,
    /// The members that were read already.
    members: HashMap<(Ix, u32), Ix>,
}

/// A graph in the making. Its methods make a node only where the value is not there already.
#[derive(Debug)]
pub(super) struct Graph<'t> {
    pub(super) tables: &'t mut Tables,
    pub(super) nodes: Vec<Node>,
    open: Vec<Open>,
}

impl<'t> Graph<'t> {
    pub(super) fn new(tables: &'t mut Tables) -> Graph<'t> {
        Graph { tables, nodes: vec![], open: vec![] }
    }

    pub(super) fn node(&self, ix: Ix) -> &Node {
        &self.nodes[ix.at()]
    }

    /// Begins a region.
    pub(super) fn open(&mut self) {
        self.open.push(Open::default());
    }

    /// Ends the region that was begun last.
    pub(super) fn close(&mut self, bound: Vec<Ix>, left: Option<Ix>) -> Region {
        let open = self.open.pop().expect("each region is closed once");
        Region { bound, nodes: open.nodes, left }
    }

    fn new_node(&mut self, node: Node) -> Ix {
        let ix = Ix(u32::try_from(self.nodes.len()).expect("fewer than 2^32 nodes"));
        self.nodes.push(node);
        ix
    }

    fn here(&mut self) -> &mut Open {
        self.open.last_mut().expect("a region is open")
    }

    /// Returns what a region is entered with.
    pub(super) fn bound(&mut self, ty: Ty) -> Ix {
        self.new_node(Node { op: None, args: vec![], regions: vec![], ty, traps: false })
    }

    fn free(&mut self, op: Op, ty: Ty) -> Ix {
        self.new_node(Node { op: Some(op), args: vec![], regions: vec![], ty, traps: false })
    }

    pub(super) fn unit(&mut self) -> Ix {
        self.free(Op::Unit {}, Ty::unit())
    }

    fn constant(&mut self, ty: &Ty, value: &Value) -> Ix {
        if *value == Value::Unit && *ty == Ty::unit() {
            return self.unit();
        }
        let constant = self.tables.constant_ix(ty, value);
        self.free(Op::Quote { constant }, ty.clone())
    }

    /// Returns the value of a constant.
    fn as_constant(&self, ix: Ix) -> Option<&Value> {
        match self.node(ix).op {
            Some(Op::Quote { constant }) => Some(&self.tables.constants[constant.0 as usize].1),
            _ => None,
        }
    }

    /// Adds a node to the region that is open. `traps` is what the instruction itself may do.
    fn add(&mut self, op: Op, args: Vec<Ix>, regions: Vec<Region>, ty: Ty, traps: bool) -> Ix {
        let within =
            |region: &Region| region.left.is_none() || region.nodes.iter().any(|ix| self.node(*ix).traps);
        let traps = traps || regions.iter().any(within);
        let ix = self.new_node(Node { op: Some(op), args, regions, ty, traps });
        self.here().nodes.push(ix);
        ix
    }

    /// Adds a call that stays one.
    pub(super) fn call(&mut self, op: Op, args: Vec<Ix>, ty: Ty, traps: bool) -> Ix {
        self.add(op, args, vec![], ty, traps)
    }

    /// Adds an instruction with blocks; `None` when all ways through it fail.
    pub(super) fn nested(&mut self, op: &Op, args: Vec<Ix>, regions: Vec<Region>, ty: Ty) -> Option<Ix> {
        if let (Op::Map { .. }, [source], [body]) = (op, &args[..], &regions[..])
            && body.left.is_some_and(|left| body.bound.last() == Some(&left))
            && self.node(*source).ty == ty
            && !body.nodes.iter().any(|ix| self.node(*ix).traps)
        {
            return Some(*source);
        }
        let fails = matches!(op, Op::Case { .. } | Op::If { .. })
            && regions.iter().all(|region| region.left.is_none());
        let ix = self.add(without_blocks(op), args, regions, ty, false);
        (!fails).then_some(ix)
    }

    /// Returns which block a CASE or IF of this value runs, and with what, where that is known.
    pub(super) fn known(&mut self, ix: Ix) -> Option<(usize, Ix)> {
        let node = self.node(ix);
        if let Some(Op::Inj { case, .. }) = node.op {
            return Some((case as usize, node.args[0]));
        }
        let ty = node.ty.clone();
        match self.as_constant(ix)?.clone() {
            Value::Bool(yes) => Some((usize::from(!yes), self.unit())),
            Value::Sum(case, payload) => {
                let payload_ty = payload_tys(&ty).into_iter().nth(case as usize)?;
                Some((case as usize, self.constant(&payload_ty, &payload)))
            }
            _ => None,
        }
    }

    /// Returns what an instruction without blocks makes; `None` after FAIL.
    pub(super) fn plain(&mut self, op: &Op, args: Vec<Ix>, ty: Ty) -> Option<Ix> {
        let traps = match op {
            Op::Fail {} => {
                self.add(op.clone(), args, vec![], ty, true);
                return None;
            }
            Op::Unit {} | Op::Quote { .. } | Op::Nil { .. } => return Some(self.free(op.clone(), ty)),
            Op::Fst {} => return Some(self.member(args[0], 0, ty)),
            Op::Snd {} => return Some(self.member(args[0], 1, ty)),
            Op::Fld { index } => return Some(self.member(args[0], *index, ty)),
            Op::Rec { .. } | Op::Cons {} => match self.taken_apart(&args, &ty) {
                Some(whole) => return Some(whole),
                None => false,
            },
            Op::Upd { index } => return Some(self.replaced(args[0], *index, args[1], ty)),
            Op::Fit { .. } => return Some(self.fit(args[0], ty)),
            Op::Seal {} | Op::Reveal {} => match self.undone(op, args[0]) {
                Some(within) => return Some(within),
                None => false,
            },
            Op::Add {} | Op::Sub {} | Op::Mul {} | Op::Div {} | Op::Mod {} | Op::Neg {} | Op::Guard {} => {
                true
            }
            _ => false,
        };
        Some(self.add(op.clone(), args, vec![], ty, traps))
    }

    /// Returns a member of a tuple or record.
    fn member(&mut self, whole: Ix, index: u32, ty: Ty) -> Ix {
        let node = self.node(whole);
        match &node.op {
            Some(Op::Rec { .. } | Op::Cons {}) => return node.args[index as usize],
            Some(Op::Upd { index: replaced }) if *replaced == index => return node.args[1],
            Some(Op::Upd { .. }) => return self.member(node.args[0], index, ty),
            _ => {}
        }
        if let Some(Value::Product(members)) = self.as_constant(whole) {
            let member = members[index as usize].clone();
            return self.constant(&ty, &member);
        }
        if let Some(read) = self.open.iter().find_map(|open| open.members.get(&(whole, index))) {
            return *read;
        }
        let ix = self.add(Op::Fld { index }, vec![whole], vec![], ty, false);
        self.here().members.insert((whole, index), ix);
        ix
    }

    /// Returns the tuple or record of which these are all members, in order, if it has this type.
    fn taken_apart(&self, members: &[Ix], ty: &Ty) -> Option<Ix> {
        let mut whole = None;
        for (index, member) in (0..).zip(members) {
            let node = self.node(*member);
            match node.op {
                Some(Op::Fld { index: read }) if read == index => {}
                _ => return None,
            }
            if *whole.get_or_insert(node.args[0]) != node.args[0] {
                return None;
            }
        }
        whole.filter(|whole| self.node(*whole).ty == *ty)
    }

    fn replaced(&mut self, whole: Ix, index: u32, by: Ix, ty: Ty) -> Ix {
        let node = self.node(whole);
        match node.op.clone() {
            Some(made @ (Op::Rec { .. } | Op::Cons {})) => {
                let mut members = node.args.clone();
                members[index as usize] = by;
                self.add(made, members, vec![], ty, false)
            }
            Some(Op::Upd { index: before }) if before == index => {
                let whole = node.args[0];
                self.replaced(whole, index, by, ty)
            }
            _ => self.add(Op::Upd { index }, vec![whole, by], vec![], ty, false),
        }
    }

    /// Returns a value with other limits. Where two limits follow one another and the first one
    /// lets through what the second does, the second is enough.
    pub(super) fn fit(&mut self, from: Ix, to: Ty) -> Ix {
        let node = self.node(from);
        if node.ty == to {
            return from;
        }
        if let Some(Op::Fit { .. }) = node.op {
            let first = node.args[0];
            let passes = fits(&self.node(first).ty, &node.ty) || fits(&to, &node.ty);
            if passes && alike(&self.node(first).ty, &to) {
                let second = self.fit(first, to);
                if self.here().nodes.contains(&from) {
                    // What the first one refuses, the second one refuses in its place.
                    self.nodes[from.at()].traps = false;
                }
                return second;
            }
        }
        let traps = !fits(&self.node(from).ty, &to);
        let ty = self.tables.type_ix(&to);
        self.add(Op::Fit { ty }, vec![from], vec![], to, traps)
    }

    /// Returns what is within a secret that was just made, or the secret that was just opened.
    fn undone(&self, op: &Op, ix: Ix) -> Option<Ix> {
        let node = self.node(ix);
        match (op, &node.op) {
            (Op::Reveal {}, Some(Op::Seal {})) | (Op::Seal {}, Some(Op::Reveal {})) => Some(node.args[0]),
            _ => None,
        }
    }
}

/// Returns the types of the payloads of a variant or option; none for another type.
pub(super) fn payload_tys(ty: &Ty) -> Vec<Ty> {
    match ty.kind() {
        Kind::Option(item) => vec![Ty::unit(), item.clone()],
        Kind::Variant(_) => children(ty.kind()).cloned().collect(),
        _ => vec![],
    }
}

/// Returns true when a FIT from one type to the other cannot trap.
pub(super) fn fits(from: &Ty, to: &Ty) -> bool {
    match (from.kind(), to.kind()) {
        (Kind::Duration, Kind::Int { lo, hi }) => (*lo, *hi) == (i64::MIN, i64::MAX),
        _ => limits_fit(from, to),
    }
}

/// Returns true for two types of one kind that has limits: FIT takes the one to the other.
fn alike(from: &Ty, to: &Ty) -> bool {
    matches!(
        (from.kind(), to.kind()),
        (Kind::Int { .. }, Kind::Int { .. })
            | (Kind::Text { .. }, Kind::Text { .. })
            | (Kind::Bytes { .. }, Kind::Bytes { .. })
            | (Kind::List { .. }, Kind::List { .. })
    )
}

/// Returns the instruction with nothing in its blocks; a CASE has none.
fn without_blocks(op: &Op) -> Op {
    let mut op = match op {
        Op::Case { .. } => return Op::Case { blocks: vec![] },
        op => op.clone(),
    };
    op.each_operand_mut(|operand| {
        if let OperandMut::Blocks(blocks) = operand {
            blocks.iter_mut().for_each(|block| *block = Block::default());
        }
    });
    op
}
