//! The instructions on texts and bytes. All of them take time in proportion to what they read.
//!
//! Letters are Unicode scalar values, and only those of ASCII have cases and white space here:
//! what Unicode says of others changes with its version, and a step must give the same result on
//! every node and in every year.

use super::Trap;
use super::meter::{ITEM, NODE};
use super::ops::{bounds, int, text};
use super::t0::Run;
use crate::value::Value;

impl Run<'_> {
    pub(super) fn slice(&mut self, value: &Value, from: i64, to: i64) -> Result<Value, Trap> {
        match value {
            Value::Text(text) => {
                // A scalar value has four bytes at most, so no more are looked at.
                let looked_at = usize::try_from(to.max(0)).unwrap_or(usize::MAX).saturating_mul(4);
                self.meter.read(looked_at.min(text.len()))?;
                let part = between(text, from, to);
                self.meter.octets(part.len())?;
                Ok(Value::text(part))
            }
            Value::Bytes(bytes) => {
                let (from, to) = bounds(from, to, bytes.len());
                self.meter.read(to - from)?;
                self.meter.octets(to - from)?;
                Ok(Value::Bytes(bytes[from..to].into()))
            }
            _ => unreachable!("SLICE takes a Text, Bytes or List"),
        }
    }

    pub(super) fn search(&mut self, whole: &str, part: &str) -> Result<Value, Trap> {
        self.read_both(whole, part)?;
        self.meter.sum()?;
        let found = whole.find(part).map(|at| whole[..at].chars().count());
        Ok(found.map_or(Value::none(), |at| Value::some(Value::Int(at as i64))))
    }

    pub(super) fn split(&mut self, whole: &str, by: &str) -> Result<Value, Trap> {
        self.read_both(whole, by)?;
        let count = if by.is_empty() { whole.chars().count() } else { whole.matches(by).count() + 1 };
        self.meter.build_many(count, ITEM + NODE)?;
        self.meter.build(whole.len() as u64)?;
        Ok(match by {
            "" => Value::list(whole.chars().map(|letter| Value::text(letter.encode_utf8(&mut [0; 4])))),
            by => Value::list(whole.split(by).map(Value::text)),
        })
    }

    fn read_both(&mut self, whole: &str, part: &str) -> Result<(), Trap> {
        self.meter.read(whole.len().saturating_add(part.len()))
    }

    pub(super) fn join(&mut self, parts: &Value, between: &str) -> Result<Value, Trap> {
        let Value::List(parts) = parts else { unreachable!("JOIN takes a list") };
        self.meter.work(parts.len() as u64)?;
        let texts = parts.iter().map(|part| text(part).len());
        let length = texts.fold(0usize, usize::saturating_add);
        let length = length.saturating_add(between.len().saturating_mul(parts.len().saturating_sub(1)));
        self.meter.read(length)?;
        self.meter.octets(length)?;
        let mut joined = String::with_capacity(length);
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                joined.push_str(between);
            }
            joined.push_str(text(part));
        }
        Ok(Value::text(&joined))
    }

    pub(super) fn edit(&mut self, text: &str, how: u32) -> Result<Value, Trap> {
        self.meter.read(text.len())?;
        self.meter.octets(text.len())?;
        let blank = |letter: char| letter.is_ascii_whitespace();
        Ok(match how {
            0 => Value::text(&text.to_ascii_uppercase()),
            1 => Value::text(&text.to_ascii_lowercase()),
            2 => Value::text(text.trim_matches(blank)),
            3 => Value::text(text.trim_start_matches(blank)),
            4 => Value::text(text.trim_end_matches(blank)),
            _ => unreachable!("the verifier knows five ways to edit"),
        })
    }

    pub(super) fn encode(&mut self, text: &str) -> Result<Value, Trap> {
        self.meter.read(text.len())?;
        self.meter.octets(text.len())?;
        Ok(Value::Bytes(text.as_bytes().into()))
    }

    pub(super) fn decode(&mut self, bytes: &Value) -> Result<Value, Trap> {
        let bytes = octets(bytes);
        self.meter.read(bytes.len())?;
        self.meter.sum()?;
        self.meter.octets(bytes.len())?;
        Ok(std::str::from_utf8(bytes).map_or(Value::none(), |text| Value::some(Value::text(text))))
    }

    pub(super) fn octets(&mut self, bytes: &Value) -> Result<Value, Trap> {
        let bytes = octets(bytes);
        self.meter.build_many(bytes.len(), ITEM)?;
        Ok(Value::list(bytes.iter().map(|octet| Value::Int(i64::from(*octet)))))
    }

    pub(super) fn pack(&mut self, items: &Value) -> Result<Value, Trap> {
        let Value::List(items) = items else { unreachable!("PACK takes a list") };
        self.meter.work(items.len() as u64)?;
        self.meter.read(items.len())?;
        self.meter.sum()?;
        self.meter.octets(items.len())?;
        let bytes: Option<Vec<u8>> = items.iter().map(|item| u8::try_from(int(item)).ok()).collect();
        Ok(bytes.map_or(Value::none(), |bytes| Value::some(Value::Bytes(bytes.into()))))
    }
}

fn octets(value: &Value) -> &[u8] {
    match value {
        Value::Bytes(bytes) => bytes,
        _ => unreachable!("the verifier asked for Bytes here"),
    }
}

/// Returns the scalar values from one index up to another.
fn between(text: &str, from: i64, to: i64) -> &str {
    let place = |text: &str, index: i64| {
        let index = usize::try_from(index.max(0)).unwrap_or(usize::MAX);
        text.char_indices().nth(index).map_or(text.len(), |(at, _)| at)
    };
    let head = &text[..place(text, to)];
    &head[place(head, from)..]
}
