//! The plain instructions: those without a block, one arm each, in the order of the table.

use std::cmp::Ordering;
use std::sync::Arc;

use triomphe::Arc as Node;

use super::meter::{ENTRY, ITEM, LIST_LEVEL, MAP_LEVEL, SLOT, digits};
use super::t0::{Frame, Run};
use super::{Effect, Trap};
use crate::code::{EffectKind, Op};
use crate::digest::Digest;
use crate::ty::{Kind, Ty};
use crate::value::{Payload, Value};

impl Run<'_> {
    /// Does one instruction that has no block and calls nothing.
    pub(super) fn plain(&mut self, frame: &mut Frame, op: &Op) -> Result<(), Trap> {
        let v = std::mem::replace(&mut frame.value, Value::Unit);
        frame.value = match op {
            Op::Push {} => {
                frame.stack.push(v.clone());
                v
            }
            Op::Swap {} => {
                let top = frame.pop();
                frame.stack.push(v);
                top
            }
            Op::Cons {} => {
                self.meter.product(2)?;
                Value::product([frame.pop(), v])
            }
            Op::Fst {} => member(&v, 0),
            Op::Snd {} => member(&v, 1),
            Op::Unit {} => Value::Unit,
            Op::Let {} => {
                frame.environment.push(v.clone());
                v
            }
            Op::Unlet { count } => {
                let left = frame.environment.len() - *count as usize;
                frame.environment.truncate(left);
                v
            }
            Op::Acc { level } => frame.environment[*level as usize].clone(),
            Op::Quote { constant } => self.module.constants[constant.0 as usize].1.clone(),
            Op::Rec { ty } => {
                let count = match self.module.ty(*ty).kind() {
                    Kind::Tuple(items) => items.len(),
                    Kind::Record(record) => record.fields.len(),
                    _ => unreachable!("REC names a tuple or record"),
                };
                self.meter.product(count)?;
                Value::product(frame.pop_args(count, v))
            }
            Op::Fld { index } => member(&v, *index as usize),
            Op::Upd { index } => {
                let Value::Product(mut members) = frame.pop() else { unreachable!("UPD changes a product") };
                self.meter.product(members.len())?;
                match Node::get_mut(&mut members) {
                    Some(own) => own[*index as usize] = v,
                    None => members = replaced(&members, *index as usize, v),
                }
                Value::Product(members)
            }
            Op::Inj { ty: _, case } => {
                self.meter.sum()?;
                Value::Sum(*case, Payload::new(v))
            }
            Op::Add {} => frame.pop_int().checked_add(int(&v)).map(Value::Int).ok_or(Trap::Overflow)?,
            Op::Sub {} => frame.pop_int().checked_sub(int(&v)).map(Value::Int).ok_or(Trap::Overflow)?,
            Op::Mul {} => frame.pop_int().checked_mul(int(&v)).map(Value::Int).ok_or(Trap::Overflow)?,
            Op::Div {} => Value::Int(quotient(frame.pop_int(), int(&v))?),
            Op::Mod {} => Value::Int(remainder(frame.pop_int(), int(&v))?),
            Op::Neg {} => int(&v).checked_neg().map(Value::Int).ok_or(Trap::Overflow)?,
            Op::Lt {} => Value::Bool(self.meter.compare(&frame.pop(), &v)? == Ordering::Less),
            Op::Le {} => Value::Bool(self.meter.compare(&frame.pop(), &v)? != Ordering::Greater),
            Op::Eq {} => Value::Bool(self.meter.compare(&frame.pop(), &v)? == Ordering::Equal),
            Op::Not {} => Value::Bool(!bool(&v)),
            // A secret has the values of what it holds.
            Op::Seal {} | Op::Reveal {} => v,
            Op::Fit { ty } => self.fit(v, self.module.ty(*ty))?,
            Op::Cat {} => self.cat(frame.pop(), &v)?,
            Op::Len {} => Value::Int(match &v {
                Value::Text(text) => {
                    self.meter.read(text.len())?;
                    text.chars().count()
                }
                Value::Bytes(bytes) => bytes.len(),
                Value::List(items) => items.len(),
                Value::Map(map) => map.len(),
                _ => unreachable!("LEN takes a text, bytes, list or map"),
            } as i64),
            Op::Show {} => match v {
                Value::Text(_) => v,
                Value::Int(int) => self.text(&int.to_string())?,
                Value::Bool(bool) => self.text(&bool.to_string())?,
                _ => unreachable!("SHOW takes an Int, Bool, Duration or Text"),
            },
            Op::Parse {} => {
                self.meter.sum()?;
                parse(text(&v)).map_or(Value::none(), |int| Value::some(Value::Int(int)))
            }
            Op::Nil { ty } => match self.module.ty(*ty).kind() {
                Kind::List { .. } => Value::list([]),
                Kind::Map { .. } => Value::map([]),
                _ => unreachable!("NIL names a list or map"),
            },
            Op::Append {} => {
                let Value::List(mut items) = frame.pop() else { unreachable!("APPEND extends a list") };
                self.meter.build(ITEM + LIST_LEVEL * digits(items.len()))?;
                items.push_back_mut(v);
                Value::List(items)
            }
            Op::Get {} => {
                let found = match frame.pop() {
                    Value::List(items) => {
                        usize::try_from(int(&v)).ok().and_then(|index| items.get(index)).cloned()
                    }
                    Value::Map(map) => {
                        self.meter.lookup(map.len(), &v)?;
                        map.get(&v).cloned()
                    }
                    _ => unreachable!("GET looks into a list or map"),
                };
                self.meter.sum()?;
                found.map_or(Value::none(), Value::some)
            }
            Op::Put {} => {
                let key = frame.pop();
                let Value::Map(mut map) = frame.pop() else { unreachable!("PUT changes a map") };
                self.meter.lookup(map.len(), &key)?;
                self.meter.build(ENTRY + MAP_LEVEL * digits(map.len()))?;
                map.insert(key, v);
                Value::Map(map)
            }
            Op::Del {} => {
                let Value::Map(mut map) = frame.pop() else { unreachable!("DEL changes a map") };
                self.meter.lookup(map.len(), &v)?;
                self.meter.build(MAP_LEVEL * digits(map.len()))?;
                map.remove(&v);
                Value::Map(map)
            }
            Op::Entries {} => {
                let Value::Map(map) = v else { unreachable!("ENTRIES takes a map") };
                self.meter.build_many(map.len(), ITEM + 2 * SLOT)?;
                Value::list(map.iter().map(|(key, value)| Value::product([key.into_owned(), value.clone()])))
            }
            Op::Range {} => {
                let (from, to) = (frame.pop_int(), int(&v));
                let count = u64::try_from(i128::from(to) - i128::from(from)).unwrap_or(0);
                self.meter.build_many(usize::try_from(count).unwrap_or(usize::MAX), ITEM)?;
                Value::list((from..to).map(Value::Int))
            }
            Op::Emit { effect } => {
                self.meter.build(ITEM)?;
                self.meter.emit(&v)?;
                let effect = self.effect(*effect, &v);
                self.effects.push(effect);
                Value::Unit
            }
            Op::Fail {} => return Err(Trap::Fail(text(&v).clone())),
            Op::Guard {} => match bool(&v) {
                true => Value::Unit,
                false => return Err(Trap::Guard),
            },
            Op::Ctx { field } => {
                let ctx = self.ctx.expect("the verifier lets step functions alone read the context");
                match field {
                    0 => Value::Int(ctx.now_ms),
                    1 => Value::Int(ctx.seq),
                    2 => Value::Text(ctx.self_key.clone()),
                    3 => Value::Int(ctx.seed),
                    _ => unreachable!("the context has four fields"),
                }
            }
            Op::Hash { ty } => {
                self.meter.hash(&v)?;
                let digest = Digest::of(&v.to_binary(self.module.ty(*ty)));
                Value::Bytes(digest.as_bytes().as_slice().into())
            }
            Op::Take {} => {
                let count = int(&v);
                self.part(frame.pop(), |length| (0, clamp(count, length)))?
            }
            Op::Drop {} => {
                let count = int(&v);
                self.part(frame.pop(), |length| (clamp(count, length), length))?
            }
            Op::Set {} => {
                let index = frame.pop_int();
                let Value::List(mut items) = frame.pop() else { unreachable!("SET changes a list") };
                self.meter.build(ITEM + LIST_LEVEL * digits(items.len()))?;
                if let Ok(index) = usize::try_from(index) {
                    items.set_mut(index, v);
                }
                Value::List(items)
            }
            Op::Slice {} => {
                let from = frame.pop_int();
                match frame.pop() {
                    Value::List(items) => {
                        let (from, to) = bounds(from, int(&v), items.len());
                        self.part(Value::List(items), |_| (from, to))?
                    }
                    text_or_bytes => self.slice(&text_or_bytes, from, int(&v))?,
                }
            }
            Op::Search {} => self.search(text(&frame.pop()), text(&v))?,
            Op::Split {} => self.split(text(&frame.pop()), text(&v))?,
            Op::Join {} => self.join(&frame.pop(), text(&v))?,
            Op::Edit { how } => self.edit(text(&v), *how)?,
            Op::Encode {} => self.encode(text(&v))?,
            Op::Decode {} => self.decode(&v)?,
            Op::Octets {} => self.octets(&v)?,
            Op::Pack {} => self.pack(&v)?,
            Op::Bits { how } => {
                let (a, b) = (frame.pop_int(), int(&v));
                Value::Int(match how {
                    0 => a & b,
                    1 => a | b,
                    2 => a ^ b,
                    _ => unreachable!("the verifier knows three ways to join bits"),
                })
            }
            Op::Outer { end } => {
                let Value::Map(map) = v else { unreachable!("OUTER takes a map") };
                self.meter.product(2)?;
                self.meter.sum()?;
                let found = if *end == 0 { map.first() } else { map.last() };
                found.map_or(Value::none(), |(key, value)| {
                    Value::some(Value::product([key.into_owned(), value.clone()]))
                })
            }
            Op::Case { .. }
            | Op::If { .. }
            | Op::Fold { .. }
            | Op::Map { .. }
            | Op::Filter { .. }
            | Op::Find { .. }
            | Op::Loop { .. }
            | Op::Call { .. } => unreachable!("instructions with blocks are done in `t0`"),
        };
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<Value, Trap> {
        self.meter.octets(text.len())?;
        Ok(Value::text(text))
    }

    /// Returns the value if it is within the limits of the type.
    fn fit(&mut self, value: Value, ty: &Ty) -> Result<Value, Trap> {
        let within = |length: usize, max: &Option<u32>| max.is_none_or(|max| length <= max as usize);
        let fits = match (ty.kind(), &value) {
            (Kind::Int { lo, hi }, Value::Int(int)) => (lo..=hi).contains(&int),
            (Kind::Duration, Value::Int(_)) | (Kind::Text { max: None }, Value::Text(_)) => true,
            (Kind::Text { max }, Value::Text(text)) => {
                self.meter.read(text.len())?;
                within(text.chars().count(), max)
            }
            (Kind::Bytes { max }, Value::Bytes(bytes)) => within(bytes.len(), max),
            (Kind::List { max, .. }, Value::List(items)) => within(items.len(), max),
            _ => unreachable!("FIT stays within Int and Duration, Text, Bytes or List"),
        };
        if fits { Ok(value) } else { Err(Trap::Range) }
    }

    fn cat(&mut self, left: Value, right: &Value) -> Result<Value, Trap> {
        match (left, right) {
            (Value::Text(left), Value::Text(right)) => {
                self.joined(left.len(), right.len())?;
                Ok(Value::Text([&*left, &**right].concat().into()))
            }
            (Value::Bytes(left), Value::Bytes(right)) => {
                self.joined(left.len(), right.len())?;
                Ok(Value::Bytes([&*left, &**right].concat().into()))
            }
            (Value::List(mut left), Value::List(right)) => {
                self.meter.build_many(right.len(), ITEM)?;
                self.meter.build(LIST_LEVEL * digits(left.len()))?;
                right.iter().for_each(|item| left.push_back_mut(item.clone()));
                Ok(Value::List(left))
            }
            _ => unreachable!("CAT joins two texts, two bytes or two lists"),
        }
    }

    fn joined(&mut self, left: usize, right: usize) -> Result<(), Trap> {
        let length = left.saturating_add(right);
        self.meter.read(length)?;
        self.meter.octets(length)
    }

    /// Returns the items from one index up to another, which are chosen by the length.
    fn part(&mut self, list: Value, bounds: impl FnOnce(usize) -> (usize, usize)) -> Result<Value, Trap> {
        let Value::List(items) = list else { unreachable!("TAKE and DROP take a list") };
        let (from, to) = bounds(items.len());
        self.meter.build_many(to - from, ITEM)?;
        let item = |index| items.get(index).expect("the bounds are within the list").clone();
        Ok(Value::list((from..to).map(item)))
    }

    fn effect(&self, kind: EffectKind, value: &Value) -> Effect {
        match kind {
            EffectKind::Stop => Effect::Stop,
            EffectKind::Log => Effect::Log(text(value).clone()),
            EffectKind::Cancel => Effect::Cancel(text(value).clone()),
            EffectKind::Timer => Effect::Timer {
                name: text(&member(value, 0)).clone(),
                after_ms: int(&member(value, 1)),
                input: member(value, 2),
            },
            EffectKind::Send(channel) => {
                let (key, message) = addressed(self.machine().channels[channel as usize].keyed, value);
                Effect::Send { channel, key, message }
            }
            EffectKind::Call(port) => {
                let (key, message) = addressed(self.machine().ports[port as usize].keyed, value);
                Effect::Call { port, key, message }
            }
        }
    }
}

/// Divides, Euclidean.
pub(super) fn quotient(a: i64, b: i64) -> Result<i64, Trap> {
    if b == 0 {
        return Err(Trap::DivisionByZero);
    }
    a.checked_div_euclid(b).ok_or(Trap::Overflow)
}

/// Returns the Euclidean remainder.
pub(super) fn remainder(a: i64, b: i64) -> Result<i64, Trap> {
    if b == 0 {
        return Err(Trap::DivisionByZero);
    }
    // Wrapping concerns the least Int by -1 alone, whose remainder is 0 all the same.
    Ok(a.wrapping_rem_euclid(b))
}

/// Returns the members with one of them replaced.
fn replaced(members: &[Value], index: usize, by: Value) -> Node<[Value]> {
    let mut by = Some(by);
    let all = members.iter().enumerate();
    all.map(|(at, member)| by.take_if(|_| at == index).unwrap_or_else(|| member.clone())).collect()
}

/// Takes what is emitted apart: the key, if there is one, and the message.
fn addressed(keyed: bool, value: &Value) -> (Option<Arc<str>>, Value) {
    match keyed {
        true => (Some(text(&member(value, 0)).clone()), member(value, 1)),
        false => (None, value.clone()),
    }
}

fn member(value: &Value, index: usize) -> Value {
    match value {
        Value::Product(members) => members[index].clone(),
        _ => unreachable!("the verifier lets members be taken of products alone"),
    }
}

pub(super) fn int(value: &Value) -> i64 {
    match value {
        Value::Int(int) => *int,
        _ => unreachable!("the verifier asked for an Int or Duration here"),
    }
}

pub(super) fn bool(value: &Value) -> bool {
    match value {
        Value::Bool(bool) => *bool,
        _ => unreachable!("the verifier asked for a Bool here"),
    }
}

pub(super) fn text(value: &Value) -> &Arc<str> {
    match value {
        Value::Text(text) => text,
        _ => unreachable!("the verifier asked for a Text here"),
    }
}

/// Reads exactly what `SHOW` writes: no sign but `-`, no needless zero, no space. So that two
/// texts never stand for one number, and reading is the inverse of writing.
fn parse(text: &str) -> Option<i64> {
    let int: i64 = text.parse().ok()?;
    (int.to_string() == text).then_some(int)
}

/// Returns the count within `0..=length`.
fn clamp(count: i64, length: usize) -> usize {
    usize::try_from(count.max(0)).map_or(length, |count| count.min(length))
}

/// Returns the indices from one number up to another that exist, the first no greater than the
/// second.
pub(super) fn bounds(from: i64, to: i64, length: usize) -> (usize, usize) {
    let to = clamp(to, length);
    (clamp(from, to), to)
}
