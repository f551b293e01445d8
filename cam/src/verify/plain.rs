//! The type rules of the plain instructions, one arm each, in the order of the table.
//!
//! Where a rule says Int, Text, Bytes or List, one with limits will do; what is made anew has no
//! limits. A FIT puts them back. What an Int's limits exclude cannot trap: adding two
//! `Int(0..=10)` never overflows.

use super::TrapKind;
use super::block::{Left, Pass};
use super::cost::{Cost, count, eighth};
use super::fault::{Fault, VerifyError, short};
use crate::code::{EffectKind, Op};
use crate::run::meter::{ENTRY, ITEM, LIST_LEVEL, MAP_LEVEL, NODE, SLOT};
use crate::ty::{Kind, Ty};

/// How many binary digits a length or size has at most.
const DIGITS: u64 = 64;
/// The longest text of an Int.
const INT_DIGITS: u64 = 20;
/// The cost of making a case with its payload.
pub(super) const SUM: Cost = Cost { fuel: 0, memory: NODE + SLOT };
const FREE: Cost = Cost { fuel: 0, memory: 0 };

impl Pass<'_> {
    /// Checks one instruction without blocks; returns what it leaves, and what it costs on top of
    /// the table's fuel.
    pub(super) fn plain(&mut self, op: &Op, v: Ty) -> Result<(Left, Cost), VerifyError> {
        let (left, cost) = match op {
            Op::Push {} => {
                self.push(v.clone())?;
                (v, FREE)
            }
            Op::Swap {} => {
                let top = self.pop(op)?;
                self.push(v)?;
                (top, FREE)
            }
            Op::Cons {} => {
                let left = self.pop(op)?;
                (self.made(op, Kind::Tuple(vec![left, v]))?, product(2))
            }
            Op::Fst {} | Op::Snd {} => match v.kind() {
                Kind::Tuple(items) if items.len() == 2 => {
                    (items[usize::from(matches!(op, Op::Snd {}))].clone(), FREE)
                }
                _ => return Err(self.mistyped(op, "a pair", &v)),
            },
            Op::Unit {} => (Ty::unit(), FREE),
            Op::Let {} => {
                self.bind(v.clone())?;
                (v, FREE)
            }
            Op::Unlet { count } => {
                self.unbind(*count)?;
                (v, FREE)
            }
            Op::Acc { level } => (self.indexed("binding", *level, &self.environment)?.clone(), FREE),
            Op::Quote { constant } => {
                (self.module.ty(self.module.constants[constant.0 as usize].0).clone(), FREE)
            }
            Op::Rec { ty } => self.rec(op, self.module.ty(*ty).clone(), v)?,
            Op::Fld { index } => (self.member(op, *index, &v)?, FREE),
            Op::Upd { index } => {
                let whole = self.pop(op)?;
                let member = self.member(op, *index, &whole)?;
                self.demand(op, &member, &v)?;
                let cost = product(member_count(&whole));
                (whole, cost)
            }
            Op::Inj { ty, case } => (self.inject(op, self.module.ty(*ty).clone(), *case, &v)?, SUM),
            Op::Add {} | Op::Sub {} | Op::Mul {} | Op::Div {} | Op::Mod {} => {
                let left = self.pop(op)?;
                let (a, b) = (self.int(op, &left)?, self.int(op, &v)?);
                self.arithmetic(op, a, b);
                (Ty::int(), FREE)
            }
            Op::Neg {} => {
                if self.int(op, &v)?.0 == i64::MIN {
                    self.may(TrapKind::Overflow);
                }
                (Ty::int(), FREE)
            }
            Op::Lt {} | Op::Le {} | Op::Eq {} => {
                let left = self.pop(op)?;
                if !matches!(op, Op::Eq {}) {
                    self.no_secret(op, &left)?;
                }
                if !alike(&left, &v) {
                    return Err(self.mistyped(op, format!("two alike, one is {}", short(&left)), &v));
                }
                let shorter = self.remembered.weights.weight(&left).min(self.remembered.weights.weight(&v));
                (Ty::bool(), Cost::fuel(eighth(shorter)))
            }
            Op::Not {} => {
                self.demand(op, &Ty::bool(), &v)?;
                (Ty::bool(), FREE)
            }
            Op::Fit { ty } => self.fit(op, &v, self.module.ty(*ty).clone())?,
            Op::Cat {} => {
                let left = self.pop(op)?;
                self.cat(op, &left, &v)?
            }
            Op::Len {} => match v.kind() {
                Kind::Text { .. } => (Ty::int(), Cost::fuel(eighth(count(&v)))),
                Kind::Bytes { .. } | Kind::List { .. } | Kind::Map { .. } => (Ty::int(), FREE),
                _ => return Err(self.mistyped(op, "Text, Bytes, a list or map", &v)),
            },
            Op::Show {} => match v.kind() {
                Kind::Int { .. } | Kind::Bool | Kind::Duration => {
                    (Ty::text(), Cost::memory(NODE + INT_DIGITS))
                }
                Kind::Text { .. } => (Ty::text(), FREE),
                _ => return Err(self.mistyped(op, "Int, Bool, Duration or Text", &v)),
            },
            Op::Parse {} => {
                self.text(op, &v)?;
                (self.made(op, Kind::Option(Ty::int()))?, SUM)
            }
            Op::Nil { ty } => {
                let ty = self.module.ty(*ty);
                match ty.kind() {
                    Kind::List { .. } | Kind::Map { .. } => (ty.clone(), FREE),
                    _ => return Err(self.mistyped(op, "a list or map", ty)),
                }
            }
            Op::Append {} => {
                let list = self.pop(op)?;
                let item = self.list(op, &list)?;
                self.demand(op, &item, &v)?;
                let list = self.made(op, Kind::List { item, max: None })?;
                (list, Cost::memory(ITEM + LIST_LEVEL * DIGITS))
            }
            Op::Get {} => {
                let whole = self.pop(op)?;
                let (found, cost) = match whole.kind() {
                    Kind::List { item, .. } => {
                        self.int(op, &v)?;
                        (item, SUM)
                    }
                    Kind::Map { key, value } => {
                        self.demand_alike(op, key, &v)?;
                        (value, SUM.then(self.lookup(&v)))
                    }
                    _ => return Err(self.mistyped(op, "a list or map", &whole)),
                };
                (self.made(op, Kind::Option(found.clone()))?, cost)
            }
            Op::Put {} => {
                let found = self.pop(op)?;
                let map = self.pop(op)?;
                let (key, value) = self.map(op, &map)?;
                self.demand(op, &key, &found)?;
                self.demand(op, &value, &v)?;
                let cost = self.lookup(&key).then(Cost::memory(ENTRY + MAP_LEVEL * DIGITS));
                (map, cost)
            }
            Op::Del {} => {
                let map = self.pop(op)?;
                let (key, _) = self.map(op, &map)?;
                self.demand_alike(op, &key, &v)?;
                let cost = self.lookup(&v).then(Cost::memory(MAP_LEVEL * DIGITS));
                (map, cost)
            }
            Op::Entries {} => {
                let (key, value) = self.map(op, &v)?;
                let item = self.made(op, Kind::Tuple(vec![key, value]))?;
                let list = self.made(op, Kind::List { item, max: None })?;
                (list, Cost { fuel: 1, memory: ITEM + 2 * SLOT }.times(count(&v)))
            }
            Op::Range {} => {
                let from = self.pop(op)?;
                let (from, to) = (self.int(op, &from)?, self.int(op, &v)?);
                let most = u64::try_from(i128::from(to.1) - i128::from(from.0)).unwrap_or(0);
                let list = self.made(op, Kind::List { item: Ty::int(), max: None })?;
                (list, Cost { fuel: 1, memory: ITEM }.times(most))
            }
            Op::Emit { effect } => {
                self.emit(op, *effect, &v)?;
                (Ty::unit(), Cost::memory(ITEM.saturating_add(self.remembered.weights.weight(&v))))
            }
            Op::Fail {} => {
                self.text(op, &v)?;
                self.may(TrapKind::Fail);
                return Ok((None, FREE));
            }
            Op::Guard {} => {
                self.demand(op, &Ty::bool(), &v)?;
                self.may(TrapKind::Fail);
                (Ty::unit(), FREE)
            }
            Op::Ctx { field } => {
                self.step_only(op)?;
                let fields = [Ty::int(), Ty::int(), Ty::text(), Ty::int()];
                (self.indexed("context field", *field, &fields)?.clone(), FREE)
            }
            Op::Seal {} => (self.made(op, Kind::Secret(v))?, FREE),
            Op::Reveal {} => match v.kind() {
                Kind::Secret(item) => (item.clone(), FREE),
                _ => return Err(self.mistyped(op, "a secret", &v)),
            },
            Op::Hash { ty } => {
                self.demand(op, &self.module.ty(*ty).clone(), &v)?;
                self.no_secret(op, &v)?;
                let weight = self.remembered.weights.weight(&v);
                (Ty::bytes(), Cost { fuel: eighth(weight), memory: weight })
            }
            Op::Take {} | Op::Drop {} => {
                let list = self.pop(op)?;
                self.list(op, &list)?;
                self.int(op, &v)?;
                let cost = Cost { fuel: 1, memory: ITEM }.times(count(&list));
                (list, cost)
            }
            Op::Set {} => {
                let index = self.pop(op)?;
                let list = self.pop(op)?;
                self.int(op, &index)?;
                self.demand(op, &self.list(op, &list)?, &v)?;
                (list, Cost::memory(ITEM + LIST_LEVEL * DIGITS))
            }
            Op::Slice {} => {
                let from = self.pop(op)?;
                let whole = self.pop(op)?;
                self.int(op, &from)?;
                self.int(op, &v)?;
                let cost = self.slice(op, &whole)?;
                (whole, cost)
            }
            Op::Search {} | Op::Split {} | Op::Join {} => {
                let left = self.pop(op)?;
                self.two_texts(op, &left, &v)?
            }
            Op::Edit { .. } | Op::Encode {} | Op::Decode {} | Op::Octets {} | Op::Pack {} => {
                self.one_text(op, &v)?
            }
            Op::Bits { how } => {
                let left = self.pop(op)?;
                self.int(op, &left)?;
                self.int(op, &v)?;
                self.indexed("way to join bits", *how, &[(); 3])?;
                (Ty::int(), FREE)
            }
            Op::Outer { end } => {
                let (key, value) = self.map(op, &v)?;
                self.indexed("end of a map", *end, &[(); 2])?;
                let entry = self.made(op, Kind::Tuple(vec![key, value]))?;
                (self.made(op, Kind::Option(entry))?, product(2).then(SUM))
            }
            Op::Case { .. }
            | Op::If { .. }
            | Op::Fold { .. }
            | Op::Map { .. }
            | Op::Filter { .. }
            | Op::Find { .. }
            | Op::Loop { .. }
            | Op::Call { .. } => unreachable!("instructions with blocks, and calls, are in `block`"),
        };
        Ok((Some(left), cost))
    }

    fn rec(&mut self, op: &Op, ty: Ty, v: Ty) -> Result<(Ty, Cost), VerifyError> {
        let count = member_count(&ty);
        if count == 0 {
            return Err(self.mistyped(op, "a tuple or record", &ty));
        }
        let mut last = Some(v);
        for member in (0..count).rev().filter_map(|index| member(&ty, index)) {
            let found = match last.take() {
                Some(v) => v,
                None => self.pop(op)?,
            };
            self.demand(op, member, &found)?;
        }
        Ok((ty, product(count)))
    }

    fn inject(&self, op: &Op, ty: Ty, case: u32, v: &Ty) -> Result<Ty, VerifyError> {
        let payload = match ty.kind() {
            Kind::Option(item) => self.indexed("case", case, &[Ty::unit(), item.clone()])?.clone(),
            Kind::Variant(variant) => self.indexed("case", case, &variant.cases)?.payload.clone(),
            _ => return Err(self.mistyped(op, "a variant or option", &ty)),
        };
        self.demand(op, &payload, v)?;
        Ok(ty)
    }

    fn arithmetic(&mut self, op: &Op, (a, b): (i64, i64), (c, d): (i64, i64)) {
        let wide = i128::from;
        let corners = |f: fn(i128, i128) -> i128| {
            [f(wide(a), wide(c)), f(wide(a), wide(d)), f(wide(b), wide(c)), f(wide(b), wide(d))]
        };
        let zero = c <= 0 && 0 <= d;
        // A monotone operation takes its extremes at the corners of the ranges.
        let overflows = |results: [i128; 4]| results.iter().any(|result| i64::try_from(*result).is_err());
        let (overflow, division) = match op {
            Op::Add {} => (overflows(corners(|x, y| x + y)), false),
            Op::Sub {} => (overflows(corners(|x, y| x - y)), false),
            Op::Mul {} => (overflows(corners(|x, y| x * y)), false),
            // Only the least Int by -1 leaves the range.
            Op::Div {} => (a == i64::MIN && c <= -1 && -1 <= d, zero),
            _ => (false, zero),
        };
        if overflow {
            self.may(TrapKind::Overflow);
        }
        if division {
            self.may(TrapKind::DivisionByZero);
        }
    }

    fn fit(&mut self, op: &Op, from: &Ty, to: Ty) -> Result<(Ty, Cost), VerifyError> {
        let shorter =
            |from: &Option<u32>, to: &Option<u32>| to.is_some_and(|to| from.is_none_or(|from| from > to));
        let fails = match (from.kind(), to.kind()) {
            (Kind::Int { lo, hi }, Kind::Int { lo: to_lo, hi: to_hi }) => lo < to_lo || to_hi < hi,
            (Kind::Duration, Kind::Int { lo, hi }) => (*lo, *hi) != (i64::MIN, i64::MAX),
            (Kind::Int { .. } | Kind::Duration, Kind::Duration) => false,
            (Kind::Text { max }, Kind::Text { max: to }) | (Kind::Bytes { max }, Kind::Bytes { max: to }) => {
                shorter(max, to)
            }
            (Kind::List { item, max }, Kind::List { item: to_item, max: to }) if item == to_item => {
                shorter(max, to)
            }
            _ => return Err(self.mistyped(op, format!("what may fit {}", short(&to)), from)),
        };
        if fails {
            self.may(TrapKind::Range);
        }
        let cost = match to.kind() {
            Kind::Text { max: Some(_) } => Cost::fuel(eighth(count(from))),
            _ => FREE,
        };
        Ok((to, cost))
    }

    fn cat(&self, op: &Op, left: &Ty, right: &Ty) -> Result<(Ty, Cost), VerifyError> {
        let length = count(left).saturating_add(count(right));
        match (left.kind(), right.kind()) {
            (Kind::Text { .. }, Kind::Text { .. }) | (Kind::Bytes { .. }, Kind::Bytes { .. }) => {
                let cost = Cost { fuel: eighth(length), memory: length.saturating_add(NODE) };
                Ok((unlimited(left), cost))
            }
            (Kind::List { item, .. }, Kind::List { item: other, .. }) if item == other => {
                let items = Cost { fuel: 1, memory: ITEM }.times(count(right));
                Ok((unlimited(left), items.then(Cost::memory(LIST_LEVEL * DIGITS))))
            }
            _ => Err(self.mistyped(op, format!("Text, Bytes or lists alike, one is {}", short(left)), right)),
        }
    }

    fn emit(&self, op: &Op, effect: EffectKind, v: &Ty) -> Result<(), VerifyError> {
        let machine = self.step_only(op)?;
        let parts: &[Ty] = match v.kind() {
            Kind::Tuple(items) => items,
            _ => &[],
        };
        match effect {
            EffectKind::Stop => self.demand(op, &Ty::unit(), v),
            EffectKind::Log | EffectKind::Cancel => self.text(op, v),
            EffectKind::Timer => {
                let input = self.module.ty(machine.input);
                match parts {
                    [name, delay, fired] if is_text(name) && *delay == Ty::duration() && fired == input => {
                        Ok(())
                    }
                    _ => Err(self.mistyped(op, "(Text, Duration, the machine's input)", v)),
                }
            }
            EffectKind::Send(index) => {
                let channel = self.indexed("channel", index, &machine.channels)?;
                self.addressed(op, channel.keyed, self.module.ty(channel.message), v)
            }
            EffectKind::Call(index) => {
                let port = self.indexed("port", index, &machine.ports)?;
                self.addressed(op, port.keyed, self.module.ty(port.message), v)
            }
        }
    }

    /// Checks what a send or a call takes: the message, or key and message.
    fn addressed(&self, op: &Op, keyed: bool, message: &Ty, v: &Ty) -> Result<(), VerifyError> {
        match (keyed, v.kind()) {
            (false, _) => self.demand(op, message, v),
            (true, Kind::Tuple(parts)) if matches!(&parts[..], [key, sent] if is_text(key) && sent == message) => {
                Ok(())
            }
            (true, _) => Err(self.mistyped(op, format!("(Text, {})", short(message)), v)),
        }
    }

    fn step_only(&self, op: &Op) -> Result<&crate::code::Machine, VerifyError> {
        self.step_of.ok_or_else(|| self.error(Fault::StepOnly { op: op.name() }))
    }

    /// Returns what finding a key in a map costs.
    fn lookup(&mut self, key: &Ty) -> Cost {
        Cost::fuel(eighth(self.remembered.weights.weight(key)).saturating_mul(DIGITS))
    }

    fn member(&self, op: &Op, index: u32, whole: &Ty) -> Result<Ty, VerifyError> {
        match (member(whole, index as usize), member_count(whole)) {
            (_, 0) => Err(self.mistyped(op, "a tuple or record", whole)),
            (Some(member), _) => Ok(member.clone()),
            (None, count) => Err(self.error(Fault::Index { what: "member", index, count })),
        }
    }

    pub(super) fn indexed<'t, T>(
        &self,
        what: &'static str,
        index: u32,
        all: &'t [T],
    ) -> Result<&'t T, VerifyError> {
        let count = all.len();
        all.get(index as usize).ok_or_else(|| self.error(Fault::Index { what, index, count }))
    }

    pub(super) fn demand(&self, op: &Op, expected: &Ty, found: &Ty) -> Result<(), VerifyError> {
        if expected == found { Ok(()) } else { Err(self.mistyped(op, short(expected), found)) }
    }

    /// Refuses what would tell something of a secret: where it stands in an order, its hash.
    fn no_secret(&self, op: &Op, found: &Ty) -> Result<(), VerifyError> {
        if found.holds_secret() { Err(self.mistyped(op, "what holds no secret", found)) } else { Ok(()) }
    }

    fn demand_alike(&self, op: &Op, expected: &Ty, found: &Ty) -> Result<(), VerifyError> {
        if alike(expected, found) { Ok(()) } else { Err(self.mistyped(op, short(expected), found)) }
    }

    /// Returns the limits of an Int.
    pub(super) fn int(&self, op: &Op, ty: &Ty) -> Result<(i64, i64), VerifyError> {
        match ty.kind() {
            Kind::Int { lo, hi } => Ok((*lo, *hi)),
            _ => Err(self.mistyped(op, "Int", ty)),
        }
    }

    pub(super) fn text(&self, op: &Op, ty: &Ty) -> Result<(), VerifyError> {
        if is_text(ty) { Ok(()) } else { Err(self.mistyped(op, "Text", ty)) }
    }

    pub(super) fn list(&self, op: &Op, ty: &Ty) -> Result<Ty, VerifyError> {
        match ty.kind() {
            Kind::List { item, .. } => Ok(item.clone()),
            _ => Err(self.mistyped(op, "a list", ty)),
        }
    }

    fn map(&self, op: &Op, ty: &Ty) -> Result<(Ty, Ty), VerifyError> {
        match ty.kind() {
            Kind::Map { key, value } => Ok((key.clone(), value.clone())),
            _ => Err(self.mistyped(op, "a map", ty)),
        }
    }
}

/// What making a tuple or record costs.
fn product(count: usize) -> Cost {
    Cost::memory(NODE + SLOT * count as u64)
}

/// Returns how many members a tuple or record has; anything else has none.
fn member_count(ty: &Ty) -> usize {
    match ty.kind() {
        Kind::Tuple(items) => items.len(),
        Kind::Record(record) => record.fields.len(),
        _ => 0,
    }
}

fn member(ty: &Ty, index: usize) -> Option<&Ty> {
    match ty.kind() {
        Kind::Tuple(items) => items.get(index),
        Kind::Record(record) => record.fields.get(index).map(|field| &field.ty),
        _ => None,
    }
}

fn is_text(ty: &Ty) -> bool {
    matches!(ty.kind(), Kind::Text { .. })
}

/// Returns the type without its own limits.
fn unlimited(ty: &Ty) -> Ty {
    match ty.kind() {
        Kind::Int { .. } => Ty::int(),
        Kind::Text { .. } => Ty::text(),
        Kind::Bytes { .. } => Ty::bytes(),
        Kind::List { item, .. } => Ty::list(item.clone()).expect("a limit adds no parts to a type"),
        Kind::Secret(item) => unlimited(item).sealed().expect("a limit adds no parts to a type"),
        _ => ty.clone(),
    }
}

/// Returns true for two types that differ in their own limits at most, so that their values can
/// be compared.
fn alike(a: &Ty, b: &Ty) -> bool {
    a == b || unlimited(a) == unlimited(b)
}
