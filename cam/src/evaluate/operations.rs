//! The operations on values, each in the plainest way there is.

use super::{each, entries, int};
use crate::hir::{Binary, Unary};
use crate::run::Trap;
use crate::ty::Ty;
use crate::value::Value;

/// Returns the letters of a text, as texts.
fn letters(text: &Value) -> Vec<String> {
    match text {
        Value::Text(text) => text.chars().map(String::from).collect(),
        _ => unreachable!("a Text was checked"),
    }
}

fn octets(bytes: &Value) -> Vec<u8> {
    match bytes {
        Value::Bytes(bytes) => bytes.to_vec(),
        _ => unreachable!("Bytes were checked"),
    }
}

/// Returns the parts whose index is at least one number and below another.
pub(super) fn slice(whole: &Value, from: i64, to: i64) -> Value {
    fn kept<T>(parts: Vec<T>, from: i64, to: i64) -> Vec<T> {
        let indexed = parts.into_iter().zip(0i64..);
        indexed.filter(|(_, index)| (from..to).contains(index)).map(|(part, _)| part).collect()
    }
    match whole {
        Value::List(_) => Value::list(kept(each(whole), from, to).into_iter().flatten()),
        Value::Bytes(_) => Value::Bytes(kept(octets(whole), from, to).into()),
        text => Value::text(&kept(letters(text), from, to).concat()),
    }
}

/// Returns where a text first stands in another, by trying every place.
fn search(whole: &[String], part: &[String]) -> Option<usize> {
    (0..=whole.len()).find(|at| whole[*at..].starts_with(part))
}

fn split(whole: &Value, by: &Value) -> Value {
    let (mut rest, by) = (letters(whole), letters(by));
    let mut parts = Vec::new();
    if by.is_empty() {
        parts = rest;
    } else {
        while let Some(at) = search(&rest, &by) {
            parts.push(rest[..at].concat());
            rest.drain(..at + by.len());
        }
        parts.push(rest.concat());
    }
    Value::list(parts.iter().map(|part| Value::text(part)))
}

fn edit(how: u32, text: &Value) -> Value {
    const BLANK: [&str; 5] = ["\t", "\n", "\u{c}", "\r", " "];
    let mut letters = letters(text);
    let blank = |letter: Option<&String>| letter.is_some_and(|letter| BLANK.contains(&&**letter));
    match how {
        0 => letters.iter_mut().for_each(|letter| letter.make_ascii_uppercase()),
        1 => letters.iter_mut().for_each(|letter| letter.make_ascii_lowercase()),
        _ => {}
    }
    while matches!(how, 2 | 3) && blank(letters.first()) {
        letters.remove(0);
    }
    while matches!(how, 2 | 4) && blank(letters.last()) {
        letters.pop();
    }
    Value::text(&letters.concat())
}

pub(super) fn unary(op: Unary, value: &Value, from: &Ty, to: &Ty) -> Result<Value, Trap> {
    Ok(match (op, value) {
        (Unary::Neg, _) => Value::Int(int(value).checked_neg().ok_or(Trap::Overflow)?),
        (Unary::Seal | Unary::Reveal, value) => value.clone(),
        (Unary::Not, _) => Value::Bool(*value != Value::Bool(true)),
        (Unary::Len, Value::Text(text)) => Value::Int(text.chars().count() as i64),
        (Unary::Len, Value::Bytes(bytes)) => Value::Int(bytes.len() as i64),
        (Unary::Len, over) => Value::Int(each(over).len() as i64),
        (Unary::Show, Value::Bool(bool)) => Value::text(if *bool { "true" } else { "false" }),
        (Unary::Show, Value::Int(int)) => Value::text(&int.to_string()),
        (Unary::Show, text) => text.clone(),
        (Unary::Parse, Value::Text(text)) => match text.parse::<i64>() {
            // Exactly what `show` writes: no sign, zero or blank too many.
            Ok(int) if int.to_string() == **text => Value::some(Value::Int(int)),
            _ => Value::none(),
        },
        (Unary::Parse, _) => unreachable!("`parse` takes a Text"),
        (Unary::Entries, map) => {
            Value::list(entries(map).into_iter().map(|(key, value)| Value::product([key, value])))
        }
        (Unary::Hash, value) => {
            Value::Bytes(crate::digest::Digest::of(&value.to_binary(from)).as_bytes().as_slice().into())
        }
        (Unary::Edit(how), text) => edit(how, text),
        (Unary::Encode, text) => Value::Bytes(letters(text).concat().into_bytes().into()),
        (Unary::Decode, bytes) => {
            String::from_utf8(octets(bytes)).map_or(Value::none(), |text| Value::some(Value::text(&text)))
        }
        (Unary::Octets, bytes) => {
            Value::list(octets(bytes).into_iter().map(|octet| Value::Int(i64::from(octet))))
        }
        (Unary::Pack, items) => {
            let numbers = each(items).into_iter().flatten().map(|item| int(&item));
            let octets: Result<Vec<u8>, _> = numbers.map(u8::try_from).collect();
            octets.map_or(Value::none(), |octets| Value::some(Value::Bytes(octets.into())))
        }
        (Unary::Outer(end), map) => {
            let mut entries = entries(map);
            let found = if end == 0 { entries.into_iter().next() } else { entries.pop() };
            found.map_or(Value::none(), |(key, value)| Value::some(Value::product([key, value])))
        }
        (Unary::Fit, value) if value.has_type(to) => value.clone(),
        (Unary::Fit, _) => return Err(Trap::Range),
    })
}

pub(super) fn binary(op: Binary, left: Value, right: Value) -> Result<Value, Trap> {
    let checked = |result: Option<i64>| result.map(Value::Int).ok_or(Trap::Overflow);
    let count = |value: &Value| usize::try_from(int(value)).unwrap_or(0);
    Ok(match op {
        Binary::Add => checked(int(&left).checked_add(int(&right)))?,
        Binary::Sub => checked(int(&left).checked_sub(int(&right)))?,
        Binary::Mul => checked(int(&left).checked_mul(int(&right)))?,
        Binary::Div | Binary::Mod if int(&right) == 0 => return Err(Trap::DivisionByZero),
        Binary::Div => checked(int(&left).checked_div_euclid(int(&right)))?,
        Binary::Mod => Value::Int(int(&left).checked_rem_euclid(int(&right)).unwrap_or(0)),
        Binary::Lt => Value::Bool(left < right),
        Binary::Le => Value::Bool(left <= right),
        Binary::Eq => Value::Bool(left == right),
        Binary::Cat => match (&left, &right) {
            (Value::Text(a), Value::Text(b)) => Value::text(&format!("{a}{b}")),
            (Value::Bytes(a), Value::Bytes(b)) => Value::Bytes([&**a, &**b].concat().into()),
            (Value::List(a), Value::List(b)) => Value::list(a.iter().chain(b.iter()).cloned()),
            _ => unreachable!("`++` joins two of a kind"),
        },
        Binary::Get => {
            let found = match &left {
                Value::List(items) => {
                    usize::try_from(int(&right)).ok().and_then(|index| items.get(index)).cloned()
                }
                map => entries(map).into_iter().find(|(key, _)| *key == right).map(|(_, value)| value),
            };
            found.map_or(Value::none(), Value::some)
        }
        Binary::Del => Value::map(entries(&left).into_iter().filter(|(key, _)| *key != right)),
        Binary::Append => Value::list(each(&left).into_iter().flatten().chain([right])),
        Binary::Take => Value::list(each(&left).into_iter().flatten().take(count(&right))),
        Binary::Drop => Value::list(each(&left).into_iter().flatten().skip(count(&right))),
        Binary::Range => {
            // A range beyond any step's fuel ends in the same trap there.
            let (low, high) = (int(&left), int(&right));
            if high.saturating_sub(low) > 1_000_000 {
                return Err(Trap::Fuel);
            }
            Value::list((low..high).map(Value::Int))
        }
        Binary::Search => match search(&letters(&left), &letters(&right)) {
            Some(at) => Value::some(Value::Int(at as i64)),
            None => Value::none(),
        },
        Binary::Split => split(&left, &right),
        Binary::Join => {
            let parts: Vec<String> =
                each(&left).iter().flatten().map(|part| letters(part).concat()).collect();
            Value::text(&parts.join(&letters(&right).concat()))
        }
        Binary::Bits(how) => {
            let (a, b) = (int(&left), int(&right));
            Value::Int([a & b, a | b, a ^ b][how as usize])
        }
    })
}
