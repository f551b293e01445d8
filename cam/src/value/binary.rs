//! The canonical binary form of values: what is hashed, stored and signed.
//!
//! The form is directed by the type and holds no type itself. One value of a type has exactly one
//! encoding, and the decoder refuses every other, so that equal bytes and equal values mean the
//! same.
//!
//! | type | bytes |
//! |---|---|
//! | Unit | `0` |
//! | Bool | `0` or `1` |
//! | Int, Duration | zigzag, then LEB128 |
//! | Text, Bytes | length in bytes, then the bytes |
//! | Option | `0`, or `1` and the value |
//! | Tuple | the members |
//! | Record | count of fields, then the values by rising ordinal |
//! | Variant | ordinal of the case, then the payload |
//! | List | count, then the items |
//! | Map | count, then key and value of each entry by rising key |
//! | secret | what it holds |
//!
//! Lengths, counts and ordinals are unsigned LEB128; all LEB128 is minimal.
//!
//! What must stay true: every value takes at least one byte, so a count above the bytes that are
//! left is refused before anything is allocated for it; and recursion is as deep as the type,
//! which [`crate::ty::DEPTH_MAX`] bounds.

use rpds::VectorSync;

use super::Value;
use crate::ty::{Kind, Ty};

/// Why bytes are not the canonical form of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {offset}: {fault}")]
pub struct BinaryError {
    /// Where the faulty part begins, counted from 0.
    pub offset: usize,
    /// What is wrong with it.
    pub fault: BinaryFault,
}

/// What is wrong with a binary form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BinaryFault {
    /// The value goes on, the bytes do not.
    #[error("the bytes end within the value")]
    End,
    /// The value is complete, and bytes follow.
    #[error("{0} bytes follow the value")]
    Trailing(usize),
    /// A number with needless bytes.
    #[error("a number is longer than it needs to be")]
    NotMinimal,
    /// A number that does not fit 64 bits.
    #[error("a number has more than 64 bits")]
    TooManyBits,
    /// A byte that stands for no `()`, Bool or Option.
    #[error("the byte {found} stands for no {expected}")]
    Tag {
        /// What the type asks for.
        expected: &'static str,
        /// The byte.
        found: u8,
    },
    /// A length or count above the bytes that are left.
    #[error("a length of {length} stands before {left} bytes")]
    Length {
        /// The length as written.
        length: u64,
        /// The bytes after it.
        left: usize,
    },
    /// Text that is not UTF-8.
    #[error("a text is not UTF-8")]
    Utf8,
    /// An Int outside the range of its type.
    #[error("{found} is outside {lo}..={hi}")]
    Range {
        /// The number.
        found: i64,
        /// The least value.
        lo: i64,
        /// The greatest value.
        hi: i64,
    },
    /// A Text, Bytes or List above the limit of its type.
    #[error("a length of {length} is above the limit {max}")]
    Limit {
        /// The length: scalar values, bytes or items.
        length: usize,
        /// The limit.
        max: u32,
    },
    /// A record with more or fewer fields than its type.
    #[error("a record has {found} fields instead of {expected}")]
    FieldCount {
        /// As written.
        found: u64,
        /// As the type has.
        expected: usize,
    },
    /// An ordinal that no case has.
    #[error("no case has the ordinal {0}")]
    Ordinal(u64),
    /// A key that is not above the one before it.
    #[error("the keys of a map do not rise")]
    KeyOrder,
}

impl Value {
    /// Returns the canonical binary form.
    ///
    /// # Panics
    ///
    /// When this is no value of the type, see [`Value::has_type`]; values that come from
    /// decoding or from verified code are.
    pub fn to_binary(&self, ty: &Ty) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut out, self, ty);
        out
    }

    /// Reads the canonical binary form of a value of the type; safe on bytes from anywhere.
    ///
    /// # Errors
    ///
    /// When the bytes are anything else than the one encoding of one value, with nothing after it.
    pub fn from_binary(bytes: &[u8], ty: &Ty) -> Result<Value, BinaryError> {
        let mut reader = Reader { bytes, offset: 0 };
        let value = reader.value(ty)?;
        match reader.left() {
            0 => Ok(value),
            left => Err(reader.fault(reader.offset, BinaryFault::Trailing(left))),
        }
    }
}

fn write(out: &mut Vec<u8>, value: &Value, ty: &Ty) {
    match (ty.kind(), value) {
        (Kind::Unit, Value::Unit) => out.push(0),
        (Kind::Bool, Value::Bool(bool)) => out.push(u8::from(*bool)),
        (Kind::Int { .. } | Kind::Duration, Value::Int(int)) => write_number(out, zigzag(*int)),
        (Kind::Text { .. }, Value::Text(text)) => {
            write_number(out, text.len() as u64);
            out.extend(text.as_bytes());
        }
        (Kind::Bytes { .. }, Value::Bytes(bytes)) => {
            write_number(out, bytes.len() as u64);
            out.extend(&bytes[..]);
        }
        (Kind::Option(_), Value::Sum(Value::NONE_INDEX, _)) => out.push(0),
        (Kind::Option(item), Value::Sum(Value::SOME_INDEX, payload)) => {
            out.push(1);
            write(out, payload, item);
        }
        (Kind::Tuple(items), Value::Product(values)) if items.len() == values.len() => {
            items.iter().zip(values.iter()).for_each(|(ty, value)| write(out, value, ty));
        }
        (Kind::Record(record), Value::Product(values)) if record.fields.len() == values.len() => {
            write_number(out, values.len() as u64);
            record.fields.iter().zip(values.iter()).for_each(|(field, value)| write(out, value, &field.ty));
        }
        (Kind::Variant(variant), Value::Sum(index, payload)) if (*index as usize) < variant.cases.len() => {
            let case = &variant.cases[*index as usize];
            write_number(out, u64::from(case.ordinal));
            write(out, payload, &case.payload);
        }
        (Kind::List { item, .. }, Value::List(items)) => {
            write_number(out, items.len() as u64);
            items.iter().for_each(|value| write(out, value, item));
        }
        (Kind::Map { key, value }, Value::Map(map)) => {
            write_number(out, map.len() as u64);
            for (k, v) in map {
                write(out, &k, key);
                write(out, v, value);
            }
        }
        (Kind::Secret(item), value) => write(out, value, item),
        (_, value) => panic!("a value is written with its own type: {value:?} is no {ty}"),
    }
}

/// Maps small magnitudes of either sign to small numbers.
pub(crate) fn zigzag(int: i64) -> u64 {
    (int << 1 ^ int >> 63).cast_unsigned()
}

pub(crate) fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Appends a number in minimal LEB128: seven bits a byte, the lowest first, the high bit set on
/// all but the last.
pub(crate) fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    fn left(&self) -> usize {
        self.bytes.len() - self.offset
    }

    fn fault(&self, offset: usize, fault: BinaryFault) -> BinaryError {
        BinaryError { offset, fault }
    }

    fn byte(&mut self) -> Result<u8, BinaryError> {
        let byte = self.bytes.get(self.offset).ok_or(self.fault(self.offset, BinaryFault::End))?;
        self.offset += 1;
        Ok(*byte)
    }

    fn number(&mut self) -> Result<u64, BinaryError> {
        let start = self.offset;
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift > 63 || (shift == 63 && bits > 1) {
                return Err(self.fault(start, BinaryFault::TooManyBits));
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                if byte == 0 && shift > 0 {
                    return Err(self.fault(start, BinaryFault::NotMinimal));
                }
                break;
            }
        }
        Ok(number)
    }

    /// Reads how many bytes or values follow. Each takes at least a byte, so that the result is
    /// bounded by the input.
    fn length(&mut self) -> Result<usize, BinaryError> {
        let start = self.offset;
        let length = self.number()?;
        let left = self.left();
        match usize::try_from(length) {
            Ok(length) if length <= left => Ok(length),
            _ => Err(self.fault(start, BinaryFault::Length { length, left })),
        }
    }

    fn bytes(&mut self) -> Result<&'a [u8], BinaryError> {
        let length = self.length()?;
        let bytes = &self.bytes[self.offset..][..length];
        self.offset += length;
        Ok(bytes)
    }

    fn within(&self, start: usize, length: usize, max: Option<u32>) -> Result<(), BinaryError> {
        match max {
            Some(max) if length > max as usize => Err(self.fault(start, BinaryFault::Limit { length, max })),
            _ => Ok(()),
        }
    }

    fn value(&mut self, ty: &Ty) -> Result<Value, BinaryError> {
        let start = self.offset;
        let tag =
            |expected, found| BinaryError { offset: start, fault: BinaryFault::Tag { expected, found } };
        Ok(match ty.kind() {
            Kind::Unit => match self.byte()? {
                0 => Value::Unit,
                found => return Err(tag("()", found)),
            },
            Kind::Bool => match self.byte()? {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                found => return Err(tag("Bool", found)),
            },
            Kind::Int { lo, hi } => match unzigzag(self.number()?) {
                int if (lo..=hi).contains(&&int) => Value::Int(int),
                found => return Err(self.fault(start, BinaryFault::Range { found, lo: *lo, hi: *hi })),
            },
            Kind::Duration => Value::Int(unzigzag(self.number()?)),
            Kind::Text { max } => {
                let text = std::str::from_utf8(self.bytes()?)
                    .map_err(|_| BinaryError { offset: start, fault: BinaryFault::Utf8 })?;
                if max.is_some() {
                    self.within(start, text.chars().count(), *max)?;
                }
                Value::text(text)
            }
            Kind::Bytes { max } => {
                let bytes = self.bytes()?;
                self.within(start, bytes.len(), *max)?;
                Value::Bytes(bytes.into())
            }
            Kind::Secret(item) => self.value(item)?,
            Kind::Option(item) => match self.byte()? {
                0 => Value::none(),
                1 => Value::some(self.value(item)?),
                found => return Err(tag("Option", found)),
            },
            Kind::Tuple(items) => {
                Value::Product(items.iter().map(|ty| self.value(ty)).collect::<Result<_, _>>()?)
            }
            Kind::Record(record) => {
                let (found, expected) = (self.number()?, record.fields.len());
                if found != expected as u64 {
                    return Err(self.fault(start, BinaryFault::FieldCount { found, expected }));
                }
                let fields = record.fields.iter().map(|field| self.value(&field.ty));
                Value::Product(fields.collect::<Result<_, _>>()?)
            }
            Kind::Variant(variant) => {
                let ordinal = self.number()?;
                let index = variant
                    .cases
                    .binary_search_by_key(&ordinal, |case| u64::from(case.ordinal))
                    .map_err(|_| BinaryError { offset: start, fault: BinaryFault::Ordinal(ordinal) })?;
                Value::sum(index, self.value(&variant.cases[index].payload)?)
            }
            Kind::List { item, max } => {
                let count = self.length()?;
                self.within(start, count, *max)?;
                let mut items = VectorSync::new_sync();
                for _ in 0..count {
                    items.push_back_mut(self.value(item)?);
                }
                Value::List(items)
            }
            Kind::Map { key, value } => {
                let mut entries: Vec<(Value, Value)> = vec![];
                for _ in 0..self.length()? {
                    let start = self.offset;
                    let k = self.value(key)?;
                    if entries.last().is_some_and(|(last, _)| *last >= k) {
                        return Err(self.fault(start, BinaryFault::KeyOrder));
                    }
                    entries.push((k, self.value(value)?));
                }
                Value::map(entries)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ty::{Case, Field, Record, Variant};

    fn ty(kind: Kind) -> Ty {
        Ty::new(kind).expect("the test's type is well formed")
    }

    fn variant(cases: &[(&str, u32, Ty)]) -> Ty {
        let case = |(label, ordinal, payload): &(&str, u32, Ty)| Case {
            label: (*label).into(),
            ordinal: *ordinal,
            payload: payload.clone(),
        };
        ty(Kind::Variant(Variant { cases: cases.iter().map(case).collect() }))
    }

    fn record(fields: &[(&str, u32, Ty)]) -> Ty {
        let field = |(label, ordinal, ty): &(&str, u32, Ty)| Field {
            label: (*label).into(),
            ordinal: *ordinal,
            ty: ty.clone(),
            default: None,
        };
        let declared = (0..fields.len() as u16).collect();
        ty(Kind::Record(Record { fields: fields.iter().map(field).collect(), declared }))
    }

    #[track_caller]
    fn check(value: Value, ty: &Ty, bytes: &[u8]) {
        assert!(value.has_type(ty));
        assert_eq!(value.to_binary(ty), bytes);
        assert_eq!(Value::from_binary(bytes, ty), Ok(value));
    }

    #[track_caller]
    fn refuse(bytes: &[u8], ty: &Ty, error: &str) {
        assert_eq!(Value::from_binary(bytes, ty).map_err(|error| error.to_string()), Err(error.to_owned()));
    }

    #[test]
    fn each_kind_has_its_form() {
        check(Value::Unit, &Ty::unit(), &[0]);
        check(Value::Bool(true), &Ty::bool(), &[1]);
        check(Value::Int(0), &Ty::int(), &[0]);
        check(Value::Int(-1), &Ty::int(), &[1]);
        check(Value::Int(64), &Ty::duration(), &[0x80, 1]);
        check(Value::Int(i64::MAX), &Ty::int(), &[254, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
        check(Value::Int(i64::MIN), &Ty::int(), &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
        check(Value::text("né"), &Ty::text(), b"\x03n\xc3\xa9");
        check(Value::Bytes([7, 8].as_slice().into()), &Ty::bytes(), &[2, 7, 8]);
        let option = ty(Kind::Option(ty(Kind::Option(Ty::bool()))));
        check(Value::none(), &option, &[0]);
        check(Value::some(Value::none()), &option, &[1, 0]);
        check(Value::some(Value::some(Value::Bool(false))), &option, &[1, 1, 0]);
        let tuple = ty(Kind::Tuple(vec![Ty::bool(), Ty::unit()]));
        check(Value::product([Value::Bool(true), Value::Unit]), &tuple, &[1, 0]);
        let record = record(&[("b", 3, Ty::bool()), ("a", 200, Ty::int())]);
        check(Value::product([Value::Bool(true), Value::Int(-2)]), &record, &[2, 1, 3]);
        let variant = variant(&[("A", 3, Ty::unit()), ("B", 200, Ty::bool())]);
        check(Value::sum(1, Value::Bool(true)), &variant, &[200, 1, 1]);
        check(
            Value::list([Value::Int(1), Value::Int(-1)]),
            &Ty::list(Ty::int()).expect("a list is a type"),
            &[2, 2, 1],
        );
        let map = ty(Kind::Map { key: Ty::int(), value: Ty::text() });
        check(
            Value::map([(Value::Int(1), Value::text("a")), (Value::Int(-1), Value::text(""))]),
            &map,
            &[2, 1, 0, 2, 1, b'a'],
        );
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        let max = |max| Some(max);
        let list = ty(Kind::List { item: Ty::int(), max: max(1) });
        let map = ty(Kind::Map { key: Ty::int(), value: Ty::unit() });
        let variant = variant(&[("A", 3, Ty::unit())]);
        let record = record(&[("a", 0, Ty::int())]);
        refuse(&[], &Ty::int(), "byte 0: the bytes end within the value");
        refuse(&[0x80], &Ty::int(), "byte 1: the bytes end within the value");
        refuse(&[1, 2, 3], &Ty::bool(), "byte 1: 2 bytes follow the value");
        refuse(&[1, 0x80, 0], &list, "byte 1: a number is longer than it needs to be");
        refuse(
            &[255, 255, 255, 255, 255, 255, 255, 255, 255, 2],
            &Ty::int(),
            "byte 0: a number has more than 64 bits",
        );
        refuse(
            &[128, 128, 128, 128, 128, 128, 128, 128, 128, 128, 0],
            &Ty::int(),
            "byte 0: a number has more than 64 bits",
        );
        refuse(&[1], &Ty::unit(), "byte 0: the byte 1 stands for no ()");
        refuse(&[2], &Ty::bool(), "byte 0: the byte 2 stands for no Bool");
        refuse(&[2, 0], &ty(Kind::Option(Ty::int())), "byte 0: the byte 2 stands for no Option");
        refuse(&[3, 65, 65], &Ty::text(), "byte 0: a length of 3 stands before 2 bytes");
        refuse(
            &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1],
            &Ty::bytes(),
            "byte 0: a length of 18446744073709551615 stands before 0 bytes",
        );
        refuse(&[2, 0xc3, 0x28], &Ty::text(), "byte 0: a text is not UTF-8");
        refuse(&[3], &ty(Kind::Int { lo: 0, hi: 5 }), "byte 0: -2 is outside 0..=5");
        refuse(&[2, 65, 65], &ty(Kind::Text { max: max(1) }), "byte 0: a length of 2 is above the limit 1");
        refuse(&[2, 65, 65], &ty(Kind::Bytes { max: max(1) }), "byte 0: a length of 2 is above the limit 1");
        refuse(&[2, 0, 0], &list, "byte 0: a length of 2 is above the limit 1");
        refuse(&[2, 0, 0], &record, "byte 0: a record has 2 fields instead of 1");
        refuse(&[0], &record, "byte 0: a record has 0 fields instead of 1");
        refuse(&[0, 0], &variant, "byte 0: no case has the ordinal 0");
        refuse(&[2, 0, 0, 0, 0], &map, "byte 3: the keys of a map do not rise");
        refuse(&[2, 2, 0, 0, 0], &map, "byte 3: the keys of a map do not rise");
    }

    #[test]
    fn a_limit_of_text_counts_scalar_values() {
        check(Value::text("éé"), &ty(Kind::Text { max: Some(2) }), "\u{4}éé".as_bytes());
    }

    #[test]
    #[should_panic(expected = "is no Int")]
    fn a_value_is_never_written_with_another_type() {
        Value::Unit.to_binary(&Ty::int());
    }
}
