//! The instructions on words: the hot loop, small enough to stay in the registers of the processor.

use super::code::{Code, Ins, Pc};
use super::exec::Params;
use crate::run::meter::digits;
use crate::run::{Trap, ops};
use crate::value::{Map, Value};

/// The traps of these instructions.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stop {
    Overflow,
    DivisionByZero,
    Range,
    Guard,
    Fuel,
}

impl From<Stop> for Trap {
    fn from(stop: Stop) -> Trap {
        match stop {
            Stop::Overflow => Trap::Overflow,
            Stop::DivisionByZero => Trap::DivisionByZero,
            Stop::Range => Trap::Range,
            Stop::Guard => Trap::Guard,
            Stop::Fuel => Trap::Fuel,
        }
    }
}

/// Runs up to the first instruction that is not on words, and returns where that is.
pub(super) fn run(
    code: &Code,
    words: &mut [i64],
    params: Params<'_>,
    fuel_left: &mut u64,
    pc: usize,
) -> Result<Pc, Stop> {
    let mut pc = pc;
    loop {
        match code.ins[pc] {
            Ins::Fuel { fuel } => {
                *fuel_left = fuel_left.checked_sub(u64::from(fuel)).ok_or(Stop::Fuel)?;
            }
            Ins::Param { to, param } => words[to as usize] = word(params[param as usize]),
            Ins::Field { to, param, member } => {
                let Value::Product(members) = params[param as usize] else {
                    unreachable!("a field is one of a product")
                };
                words[to as usize] = word(&members[member as usize]);
            }
            Ins::Find { to, tag, key, param, member } => {
                let map = map(params, param, member);
                pay_int(fuel_left, map.len())?;
                let found = map.get_int(words[key as usize]);
                words[tag as usize] = i64::from(found.is_some());
                if let Some(found) = found {
                    words[to as usize] = word(found);
                }
            }
            Ins::SizeField { to, param, member } => {
                words[to as usize] = map(params, param, member).len() as i64;
            }
            Ins::GrowInt { size, key, param, member } => {
                let absent = map(params, param, member).get_int(words[key as usize]).is_none();
                words[size as usize] += i64::from(absent);
            }
            Ins::PayInt { size } => pay_int(fuel_left, words[size as usize] as usize)?,
            Ins::Copy { to, from } => words[to as usize] = words[from as usize],
            Ins::Add { to, a, b } => {
                let sum = words[a as usize].checked_add(words[b as usize]);
                words[to as usize] = sum.ok_or(Stop::Overflow)?;
            }
            Ins::Sub { to, a, b } => {
                let difference = words[a as usize].checked_sub(words[b as usize]);
                words[to as usize] = difference.ok_or(Stop::Overflow)?;
            }
            Ins::Mul { to, a, b } => {
                let product = words[a as usize].checked_mul(words[b as usize]);
                words[to as usize] = product.ok_or(Stop::Overflow)?;
            }
            Ins::Div { to, a, b } => {
                let quotient = ops::quotient(words[a as usize], words[b as usize]);
                words[to as usize] = quotient.map_err(|trap| division(&trap))?;
            }
            Ins::Mod { to, a, b } => {
                let remainder = ops::remainder(words[a as usize], words[b as usize]);
                words[to as usize] = remainder.map_err(|trap| division(&trap))?;
            }
            Ins::Neg { to, a } => {
                words[to as usize] = words[a as usize].checked_neg().ok_or(Stop::Overflow)?;
            }
            Ins::Lt { to, a, b } => words[to as usize] = i64::from(words[a as usize] < words[b as usize]),
            Ins::Le { to, a, b } => words[to as usize] = i64::from(words[a as usize] <= words[b as usize]),
            Ins::Eq { to, a, b } => words[to as usize] = i64::from(words[a as usize] == words[b as usize]),
            Ins::Not { to, a } => words[to as usize] = words[a as usize] ^ 1,
            Ins::Fit { word, bounds } => {
                let (lo, hi) = code.bounds[bounds as usize];
                if !(lo..=hi).contains(&words[word as usize]) {
                    return Err(Stop::Range);
                }
            }
            Ins::Guard { word } => {
                if words[word as usize] == 0 {
                    return Err(Stop::Guard);
                }
            }
            Ins::Jump { to } => {
                pc = to as usize;
                continue;
            }
            Ins::Unless { word, to } => {
                if words[word as usize] == 0 {
                    pc = to as usize;
                    continue;
                }
            }
            Ins::UnlessLt { a, b, to } => {
                if words[a as usize] >= words[b as usize] {
                    pc = to as usize;
                    continue;
                }
            }
            Ins::UnlessLe { a, b, to } => {
                if words[a as usize] > words[b as usize] {
                    pc = to as usize;
                    continue;
                }
            }
            Ins::UnlessEq { a, b, to } => {
                if words[a as usize] != words[b as usize] {
                    pc = to as usize;
                    continue;
                }
            }
            Ins::Switch { tag, table } => {
                pc = code.tables[table as usize][words[tag as usize] as usize] as usize;
                continue;
            }
            _ => return Ok(pc as Pc),
        }
        pc += 1;
    }
}

/// Takes fuel for finding an Int, as [`Meter::lookup_int`] does.
///
/// [`Meter::lookup_int`]: crate::run::meter::Meter::lookup_int
fn pay_int(fuel_left: &mut u64, size: usize) -> Result<(), Stop> {
    if *fuel_left == 0 {
        return Err(Stop::Fuel);
    }
    *fuel_left = fuel_left.checked_sub(digits(size)).ok_or(Stop::Fuel)?;
    Ok(())
}

/// Returns a map that is a member of a parameter.
fn map<'v>(params: Params<'v>, param: u16, member: u16) -> &'v Map {
    match params[param as usize] {
        Value::Product(members) => match &members[member as usize] {
            Value::Map(map) => map,
            _ => unreachable!("the verifier asked for a map here"),
        },
        _ => unreachable!("a field is one of a product"),
    }
}

/// Returns an Int, Bool or Duration as a word.
pub(super) fn word(value: &Value) -> i64 {
    match value {
        Value::Int(int) => *int,
        Value::Bool(bool) => i64::from(*bool),
        _ => unreachable!("a word is an Int, Bool or Duration"),
    }
}

fn division(trap: &Trap) -> Stop {
    match trap {
        Trap::DivisionByZero => Stop::DivisionByZero,
        _ => Stop::Overflow,
    }
}
