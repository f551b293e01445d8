//! The form of a frame: a group of chunks that is durable as a whole. `docs/journal.md` has it as
//! tables, which are written from the ones here.

use super::chunk::{Chunk, are_entries, take};
use crate::disk::SECTOR;
use crate::journal::StoreError;

/// What frames begin with.
pub(crate) const MAGIC: [u8; 4] = *b"CSLG";

/// The version of the form that is written and read.
pub(crate) const VERSION: u16 = 1;

/// A field of a header: where it is, how long, its name, and what it says.
pub(crate) type Field = (usize, usize, &'static str, &'static str);

/// The header of a frame.
#[rustfmt::skip]
pub(crate) const FRAME: [Field; 10] = [
    (0, 4, "magic", "`CSLG`"),
    (4, 2, "version", "1; it and what stands before `first` stay where they are in every version"),
    (6, 2, "zero", "0"),
    (8, 8, "log", "a number drawn when the log was made: frames of other logs are not frames of this one"),
    (16, 8, "segment", "the number of the segment: what a re-used file has in it from before is no frame"),
    (24, 8, "first", "the position of the first entry"),
    (32, 4, "count", "how many entries there are"),
    (36, 4, "length", "how many bytes of chunks follow the header"),
    (40, 4, "previous", "the checksum of the frame before, also across segments; 0 in the first of all: a frame that is missing is noticed"),
    (44, 4, "checksum", "CRC-32C of the header up to here and of the chunks"),
];

/// The header of a chunk in a frame.
#[rustfmt::skip]
pub(crate) const CHUNK: [Field; 4] = [
    (0, 2, "lane", "whose entries these are"),
    (2, 8, "cut", "how many state snapshots the lane had begun"),
    (10, 4, "count", "how many entries there are"),
    (14, 4, "length", "how many bytes they take: of each its length as LEB128, then its bytes"),
];

/// Returns where the last field ends.
pub(crate) const fn size(fields: &[Field]) -> usize {
    let last = fields[fields.len() - 1];
    last.0 + last.1
}

/// The size of the header of a frame.
pub(crate) const HEADER: usize = size(&FRAME);

/// The size of the header of a chunk.
pub(crate) const CHUNK_HEADER: usize = size(&CHUNK);

const SUM: usize = HEADER - 4;

/// The most that one frame may have: far above any group, far below what a length can say.
pub(crate) const FRAME_MOST: u64 = 1 << 30;

/// Where a frame belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// The number of the log; `None` before any frame has told it.
    pub log: Option<u64>,
    pub segment: u64,
}

/// A frame whose checksum is right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'b> {
    pub log: u64,
    pub first: u64,
    pub count: u32,
    pub previous: u32,
    pub sum: u32,
    chunks: &'b [u8],
}

/// Why there is no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Flaw {
    /// The segment ends.
    #[error("the segment ends")]
    End,
    /// Something else or nothing stands here.
    #[error("nothing that begins as a frame does")]
    Nothing,
    /// A frame of another segment or another log.
    #[error("a frame of another segment")]
    Elsewhere,
    /// A frame of this segment in a form that is not known.
    #[error("a frame of version {0}")]
    Version(u16),
    /// It says that it is longer than what is left.
    #[error("a frame that is longer than the segment")]
    Length,
    /// It is not what was written.
    #[error("a frame with a wrong checksum")]
    Checksum,
}

impl Flaw {
    /// Returns whether something of this segment stands here, which was not written whole.
    pub(super) fn is_broken_frame(self) -> bool {
        matches!(self, Flaw::Length | Flaw::Checksum)
    }
}

fn number<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    *bytes[offset..].first_chunk().expect("the header was measured")
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(number(bytes, offset))
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(number(bytes, offset))
}

/// Returns how many bytes a frame takes on the disk: whole sectors, so that one that was synced is
/// never written again.
pub(super) fn size_on_disk(chunks: &[Chunk]) -> u64 {
    let bytes: u64 = chunks.iter().map(|chunk| (CHUNK_HEADER + chunk.bytes.len()) as u64).sum();
    (HEADER as u64 + bytes).next_multiple_of(SECTOR as u64)
}

/// Writes a frame in place of what is in `to`, and returns its checksum.
///
/// # Panics
///
/// When a chunk has other entries than it says, or all are too large for one frame.
pub(super) fn write(to: &mut Vec<u8>, place: (u64, u64), first: u64, previous: u32, chunks: &[Chunk]) -> u32 {
    let size = size_on_disk(chunks);
    assert!(size <= FRAME_MOST, "a group of {size} bytes is more than a frame may have");
    to.clear();
    to.reserve(usize::try_from(size).expect("it is below the most"));
    let count: u32 = chunks.iter().map(|chunk| chunk.count).sum();
    let length: usize = chunks.iter().map(|chunk| CHUNK_HEADER + chunk.bytes.len()).sum();
    to.extend_from_slice(&MAGIC);
    to.extend_from_slice(&VERSION.to_le_bytes());
    to.extend_from_slice(&[0; 2]);
    to.extend_from_slice(&place.0.to_le_bytes());
    to.extend_from_slice(&place.1.to_le_bytes());
    to.extend_from_slice(&first.to_le_bytes());
    to.extend_from_slice(&count.to_le_bytes());
    to.extend_from_slice(&in_32_bits(length));
    to.extend_from_slice(&previous.to_le_bytes());
    to.extend_from_slice(&[0; 4]);
    for chunk in chunks {
        // What cannot be read back must not be acknowledged.
        assert!(are_entries(&chunk.bytes, chunk.count), "a chunk has other entries than it says");
        to.extend_from_slice(&chunk.lane.to_le_bytes());
        to.extend_from_slice(&chunk.cut.to_le_bytes());
        to.extend_from_slice(&chunk.count.to_le_bytes());
        to.extend_from_slice(&in_32_bits(chunk.bytes.len()));
        to.extend_from_slice(&chunk.bytes);
    }
    let sum = checksum(to);
    to[SUM..HEADER].copy_from_slice(&sum.to_le_bytes());
    to.resize(to.len().next_multiple_of(SECTOR), 0);
    sum
}

fn in_32_bits(length: usize) -> [u8; 4] {
    u32::try_from(length).expect("a frame is below its most").to_le_bytes()
}

fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..SUM]), &frame[HEADER..])
}

/// Reads the frame that bytes begin with.
pub(super) fn read(bytes: &[u8], place: Place) -> Result<Frame<'_>, Flaw> {
    if bytes.len() < HEADER {
        return Err(Flaw::End);
    }
    if bytes[..4] != MAGIC {
        return Err(Flaw::Nothing);
    }
    let log = u64_at(bytes, 8);
    if u64_at(bytes, 16) != place.segment || place.log.is_some_and(|expected| expected != log) {
        return Err(Flaw::Elsewhere);
    }
    let version = u16::from_le_bytes(number(bytes, 4));
    if version != VERSION {
        return Err(Flaw::Version(version));
    }
    let length = u32_at(bytes, 36) as usize;
    let frame = bytes.get(..HEADER + length).ok_or(Flaw::Length)?;
    let sum = u32_at(bytes, SUM);
    if checksum(frame) != sum {
        return Err(Flaw::Checksum);
    }
    Ok(Frame {
        log,
        first: u64_at(bytes, 24),
        count: u32_at(bytes, 32),
        previous: u32_at(bytes, 40),
        sum,
        chunks: &frame[HEADER..],
    })
}

/// An entry of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'b> {
    /// Its position in the log.
    pub position: u64,
    /// Whose it is.
    pub lane: u16,
    /// How many state snapshots the lane had begun.
    pub cut: u64,
    /// What was written.
    pub bytes: &'b [u8],
}

/// What comes of showing the entries of a frame.
pub(super) enum Shown {
    All,
    /// The checksum is right and the form is not: it was written by something else.
    Malformed,
}

impl<'b> Frame<'b> {
    /// Returns the position of the last entry.
    pub(super) fn last(&self) -> u64 {
        self.first.saturating_add(u64::from(self.count)).saturating_sub(1)
    }

    /// Returns how many bytes it takes on the disk.
    pub(super) fn size(&self) -> usize {
        (HEADER + self.chunks.len()).next_multiple_of(SECTOR)
    }

    /// Shows the entries from a position on.
    pub(super) fn show(
        &self,
        from: u64,
        visit: &mut dyn FnMut(Entry<'b>) -> Result<(), StoreError>,
    ) -> Result<Shown, StoreError> {
        let mut rest = self.chunks;
        let mut position = self.first;
        while !rest.is_empty() {
            if rest.len() < CHUNK_HEADER {
                return Ok(Shown::Malformed);
            }
            let (head, body) = rest.split_at(CHUNK_HEADER);
            let (lane, cut) = (u16::from_le_bytes(number(head, 0)), u64_at(head, 2));
            let (count, length) = (u32_at(head, 10), u32_at(head, 14) as usize);
            let Some(mut entries) = body.get(..length) else { return Ok(Shown::Malformed) };
            for _ in 0..count {
                let Some(bytes) = take(&mut entries) else { return Ok(Shown::Malformed) };
                if position >= from {
                    visit(Entry { position, lane, cut, bytes })?;
                }
                position = position.saturating_add(1);
            }
            rest = &body[length..];
        }
        Ok(if position == self.first.saturating_add(u64::from(self.count)) {
            Shown::All
        } else {
            Shown::Malformed
        })
    }
}
