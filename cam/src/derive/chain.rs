//! Edges one after another: from the first machine to the last, without the one between.

use std::sync::Arc;

use crate::code::build::ModuleBuilder;
use crate::code::{Block, ChannelEdge, Edge, Entry, FuncIx, Module, Op};
use crate::ty::{Field, Kind, Record, Ty};
use crate::value::Value;
use crate::verify::{VerifiedEdge, taken_by_down};

use super::fuse;

/// Why two edges do not make one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The second does not begin where the first ends.
    #[error("the first edge leads to machine {first}, and the second begins at {second}")]
    Ends {
        /// Where the first leads.
        first: crate::digest::Digest,
        /// Where the second begins.
        second: crate::digest::Digest,
    },
    /// What both keep aside does not fit into one type.
    #[error("what both edges keep aside is too much for one type")]
    Kept,
}

/// Makes one edge of two: each arrow does what the two do one after the other, in [one pass](fuse), so that
/// no value of the machine between is built. States need not hold the invariants of the machine between, which never runs.
///
/// # Errors
///
/// When the one does not follow the other.
pub fn chain(first: &VerifiedEdge, second: &VerifiedEdge) -> Result<Module, ChainError> {
    let (one, two) = (first.edge(), second.edge());
    if one.to != two.from {
        return Err(ChainError::Ends { first: one.to, second: two.from });
    }
    let mut builder = ModuleBuilder::new(&second.module().debug.name);
    let firsts = builder.import(first.module());
    let seconds = builder.import(second.module());
    let of_first = |FuncIx(index): FuncIx| firsts[index as usize];
    let of_second = |FuncIx(index): FuncIx| seconds[index as usize];
    let there = |builder: &mut ModuleBuilder, name: &str, a: FuncIx, b: FuncIx| {
        let (from, to) = (taken(first, a), given(second, b));
        then(builder, name, (from, to), of_first(a), of_second(b))
    };
    let back = |builder: &mut ModuleBuilder, name: &str, a: FuncIx, b: FuncIx| {
        let (from, to) = (taken(second, b), given(first, a));
        then(builder, name, (from, to), of_second(b), of_first(a))
    };
    let up = there(&mut builder, "up", one.up, two.up);
    let lift = there(&mut builder, "lift", one.lift, two.lift);
    let raise = there(&mut builder, "raise", one.raise, two.raise);
    let unlift = back(&mut builder, "unlift", one.unlift, two.unlift);
    let lower = back(&mut builder, "lower", one.lower, two.lower);
    let kept = Kept::of(first, second)?;
    let (keep, down) = match &kept {
        None => (None, back(&mut builder, "down", one.down, two.down)),
        Some(kept) => {
            let keep = kept.keep(
                &mut builder,
                first,
                (of_first(one.up), one.keep.map(of_first), two.keep.map(of_second)),
            );
            let down = kept.down(&mut builder, (first, second), (of_first(one.down), of_second(two.down)))?;
            (Some(keep), down)
        }
    };
    let mut channels = vec![];
    for channel in &one.channels {
        let Some(next) = two.channels.iter().find(|next| next.name == channel.name) else { continue };
        let up = there(&mut builder, &format!("{} up", channel.name), channel.up, next.up);
        let down = back(&mut builder, &format!("{} down", channel.name), channel.down, next.down);
        channels.push(ChannelEdge { name: channel.name.clone(), up, down });
    }
    let edge = Edge { from: one.from, to: two.to, up, down, lift, unlift, lower, raise, channels, keep };
    Ok(fuse(&crate::compile::finish(builder, Entry::Edge(edge))))
}

fn taken(edge: &VerifiedEdge, function: FuncIx) -> &Ty {
    edge.module().ty(edge.module().function(function).params[0])
}

fn given(edge: &VerifiedEdge, function: FuncIx) -> &Ty {
    edge.module().ty(edge.module().function(function).result)
}

/// Adds a function that does one thing and then another.
fn then(builder: &mut ModuleBuilder, name: &str, (from, to): (&Ty, &Ty), one: FuncIx, two: FuncIx) -> FuncIx {
    let body = vec![Op::Acc { level: 0 }, Op::Call { function: one }, Op::Call { function: two }];
    builder.function(name, std::slice::from_ref(from), to, Block(body))
}

/// What a chain keeps aside: what the one edge keeps or the other, or both in a record.
struct Kept {
    first: Option<Ty>,
    second: Option<Ty>,
    ty: Ty,
}

impl Kept {
    fn of(first: &VerifiedEdge, second: &VerifiedEdge) -> Result<Option<Kept>, ChainError> {
        let (first, second) = (first.kept().cloned(), second.kept().cloned());
        let ty = match (&first, &second) {
            (None, None) => return Ok(None),
            (Some(one), None) | (None, Some(one)) => one.clone(),
            (Some(one), Some(two)) => {
                let field = |label: &str, ordinal, ty: &Ty| Field {
                    label: Arc::from(label),
                    ordinal,
                    ty: ty.clone(),
                    default: None,
                };
                let fields = vec![field("first", 0, one), field("then", 1, two)];
                Ty::new(Kind::Record(Record { fields, declared: vec![0, 1] }))
                    .map_err(|_| ChainError::Kept)?
            }
        };
        Ok(Some(Kept { first, second, ty }))
    }

    /// Adds the function that keeps aside.
    fn keep(
        &self,
        builder: &mut ModuleBuilder,
        first: &VerifiedEdge,
        (up, one, two): (FuncIx, Option<FuncIx>, Option<FuncIx>),
    ) -> FuncIx {
        let mut body = vec![Op::Acc { level: 0 }];
        if let Some(one) = one {
            body.push(Op::Call { function: one });
        }
        if let Some(two) = two {
            if one.is_some() {
                body.extend([Op::Push {}, Op::Acc { level: 0 }]);
            }
            body.extend([Op::Call { function: up }, Op::Call { function: two }]);
            if one.is_some() {
                body.push(Op::Rec { ty: builder.ty(&self.ty) });
            }
        }
        let from = taken(first, first.edge().up);
        builder.function("keep", std::slice::from_ref(from), &self.ty, Block(body))
    }

    /// Adds the way down, which takes the state and an Option of what was kept.
    fn down(
        &self,
        builder: &mut ModuleBuilder,
        (first, second): (&VerifiedEdge, &VerifiedEdge),
        (one, two): (FuncIx, FuncIx),
    ) -> Result<FuncIx, ChainError> {
        let state = given(second, second.edge().up);
        let takes = taken_by_down(state, &self.ty).map_err(|_| ChainError::Kept)?;
        let mut body = vec![Op::Acc { level: 0 }, Op::Fld { index: 0 }];
        for (edge, kept, member, function) in [(second, &self.second, 1, two), (first, &self.first, 0, one)] {
            if let Some(kept) = kept {
                body.push(Op::Push {});
                body.extend(self.part(builder, kept, member));
                body.push(Op::Rec { ty: builder.ty(taken(edge, edge.edge().down)) });
            }
            body.push(Op::Call { function });
        }
        let to = given(first, first.edge().down);
        Ok(builder.function("down", &[takes], to, Block(body)))
    }

    /// Returns code that leaves an Option of what one of the two edges kept.
    fn part(&self, builder: &mut ModuleBuilder, kept: &Ty, member: u32) -> Vec<Op> {
        let mut ops = vec![Op::Acc { level: 0 }, Op::Fld { index: 1 }];
        if self.first.is_some() && self.second.is_some() {
            let ty = Ty::option(kept.clone()).expect("the edge's own way down takes it");
            let none = Op::Quote { constant: builder.constant(&ty, Value::none()) };
            let some = Op::Inj { ty: builder.ty(&ty), case: Value::SOME_INDEX };
            let blocks = vec![Block(vec![none]), Block(vec![Op::Fld { index: member }, some])];
            ops.push(Op::Case { blocks });
        }
        ops
    }
}
