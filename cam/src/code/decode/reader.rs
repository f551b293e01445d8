//! Reading bytes with their offsets: numbers, counts, texts. Knows nothing of modules.

use std::sync::Arc;

use super::DecodeError;
use crate::value::binary::unzigzag;

/// The bytes that are left, and where they stand in the whole.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8], offset: usize) -> Reader<'a> {
        Reader { bytes, offset }
    }

    /// Returns the offset of the next byte in the whole.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len()
    }

    /// Refuses bytes that are left over.
    pub(super) fn finish(&self, of: &'static str) -> Result<(), DecodeError> {
        match self.left() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing { offset: self.offset, left, of }),
        }
    }

    pub(super) fn byte(&mut self, within: &'static str) -> Result<u8, DecodeError> {
        Ok(self.take(1, within)?[0])
    }

    pub(super) fn take(&mut self, count: usize, within: &'static str) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.bytes.split_at_checked(count) else {
            return Err(DecodeError::End { offset: self.offset, within });
        };
        self.bytes = rest;
        self.offset += count;
        Ok(taken)
    }

    /// Reads a byte that is 0 or 1.
    pub(super) fn flag(&mut self, expected: &'static str) -> Result<bool, DecodeError> {
        let offset = self.offset;
        match self.byte(expected)? {
            0 => Ok(false),
            1 => Ok(true),
            found => Err(DecodeError::Tag { offset, expected, found }),
        }
    }

    /// Reads a number in minimal LEB128.
    pub(super) fn number(&mut self) -> Result<u64, DecodeError> {
        let offset = self.offset;
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte("number")?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return Err(DecodeError::NumberTooGreat { offset });
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                let needless = byte == 0 && shift > 0;
                return if needless { Err(DecodeError::NotMinimal { offset }) } else { Ok(number) };
            }
        }
        Err(DecodeError::NumberTooGreat { offset })
    }

    /// Reads a signed number.
    pub(super) fn signed(&mut self) -> Result<i64, DecodeError> {
        self.number().map(unzigzag)
    }

    /// Reads a number of 32 bits.
    pub(super) fn number32(&mut self) -> Result<u32, DecodeError> {
        let offset = self.offset;
        u32::try_from(self.number()?).map_err(|_| DecodeError::NumberTooGreat { offset })
    }

    /// Reads the limit of a type: 0 for none, else one more than the limit.
    pub(super) fn limit(&mut self) -> Result<Option<u32>, DecodeError> {
        let offset = self.offset;
        match self.number()? {
            0 => Ok(None),
            more => match u32::try_from(more - 1) {
                Ok(max) => Ok(Some(max)),
                Err(_) => Err(DecodeError::NumberTooGreat { offset }),
            },
        }
    }

    /// Reads how many things follow. Each takes at least a byte, so a count above the bytes left
    /// is refused before anything is allocated for it.
    pub(super) fn count(&mut self, what: &'static str, most: usize) -> Result<usize, DecodeError> {
        let offset = self.offset;
        let count = self.number()?;
        let max = most.min(self.left());
        match usize::try_from(count) {
            Ok(count) if count <= max => Ok(count),
            _ => Err(DecodeError::Count { offset, what, count, max }),
        }
    }

    /// Reads an index that must be below `count`.
    pub(super) fn index(&mut self, what: &'static str, count: usize) -> Result<u32, DecodeError> {
        let offset = self.offset;
        let index = self.number32()?;
        match (index as usize) < count {
            true => Ok(index),
            false => Err(DecodeError::Index { offset, what, index, count }),
        }
    }

    /// Reads a length, and returns a reader of that many bytes.
    pub(super) fn inner(&mut self, what: &'static str) -> Result<Reader<'a>, DecodeError> {
        let length = self.count(what, usize::MAX)?;
        let offset = self.offset;
        Ok(Reader::new(self.take(length, what)?, offset))
    }

    /// Reads all bytes that are left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        self.offset += self.bytes.len();
        std::mem::take(&mut self.bytes)
    }

    pub(super) fn text(&mut self) -> Result<Arc<str>, DecodeError> {
        let mut inner = self.inner("text")?;
        let offset = inner.offset();
        let text = std::str::from_utf8(inner.rest()).map_err(|_| DecodeError::Utf8 { offset })?;
        Ok(text.into())
    }
}
