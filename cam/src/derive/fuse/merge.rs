//! One pass over a graph that brings together what makes a value and what takes it apart.
//!
//! A CASE of what a CASE leaves goes into the branches of that one, a loop over what a MAP leaves does
//! the work of both in each round. Only where nobody else needs the value in between: no work is ever
//! done twice. What stands behind a CASE with one block that does not fail goes into that block. The graph is written anew, so that what comes to light on the way (a member of a
//! record that is known now, a case that is known now) is made use of at once.

use std::collections::HashMap;

use super::GROWTH_MAX;
use super::graph::{Graph, Ix, Node, Region, fits};
use super::uses::{Use, uses};
use crate::code::{Block, Op};
use crate::ty::{Kind, Ty};

/// Writes a graph anew.
pub(super) struct Merge<'o, 't> {
    old: &'o [Node],
    uses: Vec<Use>,
    /// The nodes that are written where their only user stands, together with it.
    waiting: Vec<bool>,
    pub(super) graph: Graph<'t>,
    /// What stands for the old nodes.
    now: HashMap<Ix, Ix>,
    /// How many nodes there may be before nothing is brought together any more.
    room: usize,
    /// How often something was brought together.
    pub(super) merged: usize,
}

impl<'o, 't> Merge<'o, 't> {
    pub(super) fn new(old: &'o [Node], whole: &Region, graph: Graph<'t>, room: usize) -> Merge<'o, 't> {
        let uses = uses(old, whole);
        let waiting = vec![false; old.len()];
        let mut merge = Merge { old, uses, waiting, graph, now: HashMap::new(), room, merged: 0 };
        for ix in (0..).map(Ix).take(old.len()) {
            merge.waiting[ix.at()] = merge.waits(ix);
        }
        merge
    }

    fn node(&self, ix: Ix) -> &'o Node {
        &self.old[ix.at()]
    }

    /// Tells whether a node is brought together with its user.
    fn waits(&self, ix: Ix) -> bool {
        let (node, uses) = (self.node(ix), &self.uses[ix.at()]);
        let Some(user) = uses.user.filter(|_| uses.live && uses.once_here()) else { return false };
        let outer = self.node(user);
        // One at a time: what waits itself is written with this one.
        if outer.args.first() != Some(&ix) || node.args.first().is_none_or(|arg| self.waiting[arg.at()]) {
            return false;
        }
        match (&node.op, &outer.op) {
            (Some(Op::Map { .. }), Some(Op::Map { .. } | Op::Fold { .. })) => true,
            (Some(Op::Map { .. }), Some(Op::Fit { .. })) => matches!(node.ty.kind(), Kind::List { .. }),
            _ => node.is_branch() && outer.is_branch() && self.goes_in(node, outer),
        }
    }

    /// Tells whether a branch goes into the branches of another: something becomes known there, and the
    /// code does not grow much.
    fn goes_in(&self, inner: &Node, outer: &Node) -> bool {
        let all: usize = outer.regions.iter().map(|region| self.size(region)).sum();
        let mut ends = Ends::default();
        self.ends(inner, outer, &mut ends);
        ends.known && ends.size <= GROWTH_MAX * all + 32
    }

    /// Adds up what the ends of the branches lead to.
    fn ends(&self, inner: &Node, outer: &Node, ends: &mut Ends) {
        for region in &inner.regions {
            let Some(left) = region.left else {
                ends.known = true;
                continue;
            };
            if let Some(tail) = self.tail(region) {
                self.ends(self.node(tail), outer, ends);
                continue;
            }
            let case = match self.node(left).op {
                Some(Op::Inj { case, .. }) => Some(case as usize),
                Some(Op::Quote { .. }) => Some(usize::MAX),
                _ => None,
            };
            ends.known |= case.is_some();
            ends.size += match case {
                Some(usize::MAX) => 0,
                Some(case) => self.size(&outer.regions[case]),
                None => outer.regions.iter().map(|region| self.size(region)).sum(),
            };
        }
    }

    fn size(&self, region: &Region) -> usize {
        let nested = |ix: &Ix| self.node(*ix).regions.iter().map(|region| self.size(region)).sum::<usize>();
        region.nodes.iter().map(|ix| 1 + nested(ix)).sum()
    }

    /// Returns the branch whose value a region leaves, if it is there for nothing else.
    fn tail(&self, region: &Region) -> Option<Ix> {
        let left = region.left?;
        let (node, uses) = (self.node(left), &self.uses[left.at()]);
        let only = uses.once_here() && uses.user.is_none() && region.nodes.contains(&left);
        (node.is_branch() && only && !self.waiting[node.args[0].at()]).then_some(left)
    }

    /// Writes a region.
    pub(super) fn region(&mut self, region: &Region) -> Region {
        let bound = self.bind(region);
        self.graph.open();
        let left = self.rest(region);
        self.graph.close(bound, left)
    }

    /// Makes anew what a region is entered with.
    fn bind(&mut self, region: &Region) -> Vec<Ix> {
        region
            .bound
            .iter()
            .map(|old| {
                let new = self.graph.bound(self.node(*old).ty.clone());
                self.now.insert(*old, new);
                new
            })
            .collect()
    }

    /// Writes what stands in a region into the one that is open, and returns what it leaves.
    fn rest(&mut self, region: &Region) -> Option<Ix> {
        self.rest_from(region, 0)
    }

    /// The same, from the node at this place on.
    fn rest_from(&mut self, region: &Region, start: usize) -> Option<Ix> {
        for (at, ix) in region.nodes.iter().enumerate().skip(start) {
            if !self.uses[ix.at()].live || self.waiting[ix.at()] {
                continue;
            }
            if let Some(case) = self.only_way(*ix) {
                self.merged += 1;
                return self.go_on_within(*ix, case, region, at + 1);
            }
            self.write(*ix)?;
        }
        region.left.map(|left| self.now(left))
    }

    /// Returns the one block of a CASE or IF that does not fail, if what it makes is taken apart behind it.
    fn only_way(&self, ix: Ix) -> Option<usize> {
        let node = self.node(ix);
        let user = self.node(self.uses[ix.at()].user.filter(|_| node.is_branch())?);
        let mut ways = (0..).zip(&node.regions).filter_map(|(case, region)| Some((case, region.left?)));
        let ((case, left), None) = (ways.next()?, ways.next()) else { return None };
        let apart = matches!(
            (&self.node(left).op, &user.op),
            (Some(Op::Rec { .. } | Op::Cons {} | Op::Upd { .. }), Some(Op::Fld { .. }))
                | (Some(Op::Map { .. }), Some(Op::Map { .. } | Op::Fold { .. } | Op::Fit { .. }))
                | (Some(Op::Fit { .. }), Some(Op::Fit { .. }))
        );
        (apart && !self.waiting[node.args[0].at()] && self.graph.nodes.len() < self.room).then_some(case)
    }

    /// Writes a CASE or IF in whose one block that does not fail the region goes on, from the node at
    /// `next`.
    fn go_on_within(&mut self, ix: Ix, way: usize, region: &Region, next: usize) -> Option<Ix> {
        let node = self.node(ix);
        let v = self.now(node.args[0]);
        let mut regions = Vec::with_capacity(node.regions.len());
        for (case, block) in node.regions.iter().enumerate() {
            let bound = self.bind(block);
            self.graph.open();
            let mut left = self.rest(block);
            if case == way {
                left = left.and_then(|left| {
                    self.now.insert(ix, left);
                    self.rest_from(region, next)
                });
            }
            regions.push(self.graph.close(bound, left));
        }
        let op = node.op.as_ref().expect("a branch is an instruction");
        let ty = region.left.map_or_else(Ty::unit, |left| self.node(left).ty.clone());
        self.graph.nested(op, vec![v], regions, ty)
    }

    /// Writes the nodes of a region, but for its tail, if one is given.
    fn nodes(&mut self, region: &Region, tail: Option<Ix>) -> Option<()> {
        for ix in &region.nodes {
            if self.uses[ix.at()].live && !self.waiting[ix.at()] && tail != Some(*ix) {
                self.write(*ix)?;
            }
        }
        Some(())
    }

    fn write(&mut self, ix: Ix) -> Option<()> {
        let new = self.anew(ix)?;
        self.now.insert(ix, new);
        Some(())
    }

    /// Returns what stands for an old node.
    fn now(&mut self, ix: Ix) -> Ix {
        let node = self.node(ix);
        match &node.op {
            Some(op) if node.is_free() => {
                self.graph.plain(op, vec![], node.ty.clone()).expect("what is free does not fail")
            }
            _ => self.now[&ix],
        }
    }

    fn all_now(&mut self, args: &[Ix]) -> Vec<Ix> {
        args.iter().map(|arg| self.now(*arg)).collect()
    }

    fn anew(&mut self, ix: Ix) -> Option<Ix> {
        let node = self.node(ix);
        let op = node.op.as_ref().expect("what a region is entered with is not written");
        let waiting = node.args.first().copied().filter(|arg| self.waiting[arg.at()]);
        if let Some(inner) = waiting {
            if self.graph.nodes.len() < self.room {
                self.merged += 1;
                return self.together(inner, node);
            }
            self.write(inner)?;
        }
        match op {
            Op::Case { .. } | Op::If { .. } => {
                let v = self.now(node.args[0]);
                self.choose(v, node)
            }
            Op::Call { .. } => {
                let args = self.all_now(&node.args);
                Some(self.graph.call(op.clone(), args, node.ty.clone(), node.traps))
            }
            _ if node.regions.is_empty() => {
                let args = self.all_now(&node.args);
                self.graph.plain(op, args, node.ty.clone())
            }
            _ => {
                let args = self.all_now(&node.args);
                let regions = node.regions.iter().map(|region| self.region(region)).collect();
                self.graph.nested(op, args, regions, node.ty.clone())
            }
        }
    }

    /// Writes a node together with the one that makes its first operand.
    fn together(&mut self, inner: Ix, outer: &'o Node) -> Option<Ix> {
        let first = self.node(inner);
        match (&first.op, &outer.op) {
            (Some(Op::Map { .. }), Some(op @ (Op::Map { .. } | Op::Fold { .. }))) => {
                self.one_loop(first, op, outer)
            }
            (Some(Op::Map { .. }), _) => self.fit_first(first, &outer.ty),
            _ => self.in_branches(first, outer),
        }
    }

    /// Writes a CASE or IF of a value.
    fn choose(&mut self, v: Ix, outer: &'o Node) -> Option<Ix> {
        if let Some((case, payload)) = self.graph.known(v) {
            let region = &outer.regions[case];
            self.enter(region, payload);
            return self.rest(region);
        }
        let regions = outer.regions.iter().map(|region| self.region(region)).collect();
        let op = outer.op.as_ref().expect("a branch is an instruction");
        self.graph.nested(op, vec![v], regions, outer.ty.clone())
    }

    /// Says what the payload of a branch is.
    fn enter(&mut self, region: &Region, payload: Ix) {
        if let [bound] = region.bound[..] {
            self.now.insert(bound, payload);
        }
    }

    /// Writes one branch, each of whose blocks goes on with what the other does with its value.
    fn in_branches(&mut self, inner: &'o Node, outer: &'o Node) -> Option<Ix> {
        let v = self.now(inner.args[0]);
        if let Some((case, payload)) = self.graph.known(v) {
            self.enter(&inner.regions[case], payload);
            return self.arm(&inner.regions[case], outer);
        }
        let mut regions = Vec::with_capacity(inner.regions.len());
        for region in &inner.regions {
            let bound = self.bind(region);
            self.graph.open();
            let left = self.arm(region, outer);
            regions.push(self.graph.close(bound, left));
        }
        let op = inner.op.as_ref().expect("a branch is an instruction");
        self.graph.nested(op, vec![v], regions, outer.ty.clone())
    }

    fn arm(&mut self, region: &'o Region, outer: &'o Node) -> Option<Ix> {
        let tail = self.tail(region);
        self.nodes(region, tail)?;
        if let Some(tail) = tail {
            return self.in_branches(self.node(tail), outer);
        }
        let left = self.now(region.left?);
        self.choose(left, outer)
    }

    /// Writes one loop over the source of a MAP, which does the work of both in each round.
    fn one_loop(&mut self, inner: &'o Node, op: &Op, outer: &'o Node) -> Option<Ix> {
        let source = self.now(inner.args[0]);
        let mut args = vec![source];
        args.extend(self.all_now(&outer.args[1..]));
        let (first, second) = (&inner.regions[0], &outer.regions[0]);
        let items = self.bind(first);
        let carried = second.bound.len() - items.len();
        let mut bound = vec![];
        for old in &second.bound[..carried] {
            let new = self.graph.bound(self.node(*old).ty.clone());
            self.now.insert(*old, new);
            bound.push(new);
        }
        bound.extend(&items);
        self.graph.open();
        let left = self.rest(first).and_then(|left| {
            // A map keeps its keys; the item or value is the last.
            let seen = items[..items.len() - 1].iter().copied().chain([left]);
            for (old, new) in second.bound[carried..].iter().zip(seen) {
                self.now.insert(*old, new);
            }
            self.rest(second)
        });
        let region = self.graph.close(bound, left);
        self.graph.nested(op, args, vec![region], outer.ty.clone())
    }

    /// Writes a MAP of a list whose length is looked at first.
    fn fit_first(&mut self, inner: &'o Node, to: &Ty) -> Option<Ix> {
        let mut source = self.now(inner.args[0]);
        let from = self.graph.node(source).ty.clone();
        if let (Kind::List { item, .. }, Kind::List { max, .. }, false) =
            (from.kind(), to.kind(), fits(&from, to))
        {
            let limited = Ty::new(Kind::List { item: item.clone(), max: *max });
            source = self.graph.fit(source, limited.expect("a limit adds no parts to a type"));
        }
        let region = self.region(&inner.regions[0]);
        let op = Op::Map { ty: self.graph.tables.type_ix(to), body: Block::default() };
        self.graph.nested(&op, vec![source], vec![region], to.clone())
    }
}

/// What the ends of branches lead to.
#[derive(Default)]
struct Ends {
    /// One of them at least leaves a case that is known, or fails.
    known: bool,
    /// How many nodes would be written behind them.
    size: usize,
}
