//! What the plain instructions leave, in sketches.

use std::collections::BTreeMap;

use super::flow::{Flow, found};
use super::fuel::{extra, left_size};
use super::sketch::{Sketch, Step};
use crate::code::Op;
use crate::ty::Ty;

impl Flow<'_> {
    /// Follows an instruction without blocks, which leaves a value of type `left`; `None` after
    /// FAIL.
    pub(super) fn plain(&mut self, op: &Op, v: Sketch, left: Option<Ty>) -> Option<Sketch> {
        let Some(left) = left else {
            self.fails = true;
            return None;
        };
        Some(match op {
            Op::Push {} => {
                self.stack.push(v.clone());
                v
            }
            Op::Swap {} => {
                let top = self.pop();
                self.stack.push(v);
                top
            }
            Op::Cons {} => {
                let first = self.pop();
                Sketch::product(left, vec![first, v])
            }
            Op::Fst {} => v.part(Step::Member(0)),
            Op::Snd {} => v.part(Step::Member(1)),
            Op::Let {} => {
                self.environment.push(v.clone());
                v
            }
            Op::Unlet { count } => {
                self.environment.truncate(self.environment.len() - *count as usize);
                v
            }
            Op::Acc { level } => self.environment[*level as usize].clone(),
            Op::Quote { constant } => {
                let (ty, value) = &self.module.constants[constant.0 as usize];
                Sketch::constant(self.module.ty(*ty), value)
            }
            Op::Rec { .. } => {
                let count = crate::ty::children(left.kind()).count();
                let mut members = self.stack.split_off(self.stack.len() + 1 - count);
                members.push(v);
                Sketch::product(left, members)
            }
            Op::Fld { index } => v.part(Step::Member(*index)),
            Op::Upd { index } => match self.pop().members() {
                Some(mut members) => {
                    members[*index as usize] = v;
                    Sketch::product(left, members)
                }
                None => Sketch::any(left),
            },
            Op::Inj { ty: _, case } => Sketch::sum(left, BTreeMap::from([(*case, v)])),
            // The value stays; its limits were checked, or it is a secret or none any more.
            Op::Fit { .. } | Op::Seal {} | Op::Reveal {} => {
                self.spend(&extra(op, &[], &v, &left));
                v.retyped(left)
            }
            Op::Guard {} => {
                self.fails = true;
                Sketch::any(left)
            }
            Op::Emit { effect } => {
                self.emits.add(*effect, &v);
                Sketch::any(left)
            }
            _ => {
                let operands = self.stack.split_off(self.stack.len() - op.pops());
                self.spend(&extra(op, &operands, &v, &left));
                match (op, &operands[..]) {
                    (Op::Get {}, [whole]) => found(left, whole.part(Step::Each)),
                    _ => Sketch::sized(left, left_size(op, &operands, &v)),
                }
            }
        })
    }
}
