//! From a graph back to instructions.
//!
//! A value that is used once is computed where it is used; one that is used more often, or within a
//! block, is bound, if that costs less; one that is used nowhere and may trap is computed and forgotten.

use super::graph::{Ix, Node, Region};
use super::uses::{Use, uses};
use crate::code::operand::OperandMut;
use crate::code::{Block, Op};

/// How many values that are computed where they are used stand within each other: it bounds recursion.
const HEIGHT_MAX: u32 = 16;

/// Where a value is to be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nowhere.
    Unused,
    /// It is computed where it is used.
    Inline,
    /// It is computed where it stands, and bound.
    Bound,
}

/// Returns the body of a function with this graph.
pub(super) fn emit(nodes: &[Node], whole: &Region) -> Block {
    let uses = uses(nodes, whole);
    let (places, uses) = places(nodes, uses);
    let mut emit = Emit { nodes, uses, places, levels: vec![None; nodes.len()], level: 0, v: None };
    emit.bind(&whole.bound);
    Block(emit.region(whole, None))
}

/// Decides where values are to be had; operands stand before what is made of them.
fn places(nodes: &[Node], mut uses: Vec<Use>) -> (Vec<Place>, Vec<Use>) {
    let mut places: Vec<Place> = Vec::with_capacity(nodes.len());
    let mut heights: Vec<u32> = Vec::with_capacity(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        let inlined = node.args.iter().filter(|arg| places[arg.at()] == Place::Inline);
        let height = inlined.map(|arg| heights[arg.at()] + 1).max().unwrap_or(0);
        let (Use { same, nested, in_loop, .. }, first) = (uses[at], node.args.first());
        // To read a member twice, but in a loop, costs no more than to bind it.
        let read = matches!(node.op, Some(Op::Fld { .. }))
            && first.is_some_and(|whole| places[whole.at()] == Place::Bound);
        let place = match node.op {
            None => Place::Bound,
            Some(_) if node.is_free() => Place::Inline,
            Some(_) if same + nested == 0 => Place::Unused,
            Some(_) if read && same + nested <= 2 && !in_loop => {
                if let Some(whole) = first {
                    uses[whole.at()].same += same + nested - 1;
                }
                Place::Inline
            }
            Some(_) if uses[at].once_here() && height < HEIGHT_MAX => Place::Inline,
            Some(_) => Place::Bound,
        };
        places.push(place);
        heights.push(height);
    }
    (places, uses)
}

struct Emit<'g> {
    nodes: &'g [Node],
    uses: Vec<Use>,
    places: Vec<Place>,
    /// Where in the environment a value stands.
    levels: Vec<Option<u32>>,
    /// How many bindings there are.
    level: u32,
    /// What is known to be in the value register.
    v: Option<Ix>,
}

impl<'g> Emit<'g> {
    fn node(&self, ix: Ix) -> &'g Node {
        &self.nodes[ix.at()]
    }

    /// Says that values are the next ones in the environment.
    fn bind(&mut self, bound: &[Ix]) {
        for ix in bound {
            self.levels[ix.at()] = Some(self.level);
            self.level += 1;
        }
    }

    /// Returns the instructions of a region whose bindings are there; a payload is in the value
    /// register, if there is one.
    fn region(&mut self, region: &Region, payload: Option<Ix>) -> Vec<Op> {
        let start = self.level;
        let mut ops = vec![];
        self.v = payload;
        if let Some(payload) = payload
            && self.uses[payload.at()].live
            && !self.is_first(region, payload)
        {
            ops.push(Op::Let {});
            self.bind(&[payload]);
        }
        for ix in &region.nodes {
            let traps = self.node(*ix).traps;
            match self.places[ix.at()] {
                Place::Bound => {
                    self.make(*ix, &mut ops);
                    ops.push(Op::Let {});
                    self.bind(&[*ix]);
                    self.v = Some(*ix);
                }
                Place::Unused if traps => self.make(*ix, &mut ops),
                Place::Unused | Place::Inline => {}
            }
        }
        if let Some(left) = region.left {
            self.value(left, &mut ops);
            if self.level > start {
                ops.push(Op::Unlet { count: self.level - start });
            }
        }
        self.level = start;
        ops
    }

    /// Tells whether a payload is needed only once, and before all else, so that it is used where it is.
    fn is_first(&self, region: &Region, payload: Ix) -> bool {
        if !self.uses[payload.at()].once_here() {
            return false;
        }
        let made = |ix: &Ix| match self.places[ix.at()] {
            Place::Bound => true,
            Place::Unused => self.node(*ix).traps,
            Place::Inline => false,
        };
        let mut at = match (region.nodes.iter().copied().find(made), region.left) {
            (Some(made), _) => self.node(made).args.first().copied(),
            (None, left) => left,
        };
        while let Some(ix) = at {
            if ix == payload {
                return true;
            }
            at = match self.places[ix.at()] {
                Place::Inline => self.node(ix).args.first().copied(),
                Place::Bound | Place::Unused => None,
            };
        }
        false
    }

    /// Puts a value into the value register.
    fn value(&mut self, ix: Ix, ops: &mut Vec<Op>) {
        if self.v == Some(ix) {
            return;
        }
        match self.levels[ix.at()] {
            Some(level) => ops.push(Op::Acc { level }),
            None => self.make(ix, ops),
        }
        self.v = Some(ix);
    }

    /// Computes a value.
    fn make(&mut self, ix: Ix, ops: &mut Vec<Op>) {
        let node = self.node(ix);
        for (at, arg) in node.args.iter().enumerate() {
            if at > 0 {
                ops.push(Op::Push {});
            }
            self.value(*arg, ops);
        }
        let op = node.op.as_ref().expect("what a region is entered with is there already");
        ops.push(self.with_blocks(op, &node.regions));
        self.v = None;
    }

    fn with_blocks(&mut self, op: &Op, regions: &[Region]) -> Op {
        if let Op::Case { .. } = op {
            let block = |region: &Region| Block(self.region(region, region.bound.first().copied()));
            return Op::Case { blocks: regions.iter().map(block).collect() };
        }
        let mut blocks = vec![];
        for region in regions {
            let level = self.level;
            self.bind(&region.bound);
            blocks.push(Block(self.region(region, None)));
            self.level = level;
        }
        let (mut op, mut blocks) = (op.clone(), blocks.into_iter());
        op.each_operand_mut(|operand| {
            if let OperandMut::Blocks(places) = operand {
                for place in places {
                    *place = blocks.next().expect("there is a region for each block");
                }
            }
        });
        op
    }
}
