//! The form of a state snapshot: blocks, each with its checksum. `docs/journal.md` has it as tables, which
//! are written from the ones here.

use crate::log::{Field, put, size, take};

/// What blocks begin with.
pub(crate) const MAGIC: [u8; 4] = *b"CSSB";

/// The version of the form that is written and read.
pub(crate) const VERSION: u16 = 1;

/// The header of a block.
#[rustfmt::skip]
pub(crate) const BLOCK: [Field; 9] = [
    (0, 4, "magic", "`CSSB`"),
    (4, 2, "version", "1; it and the magic stay where they are in every version"),
    (6, 2, "kind", "1: head, 2: records, 3: end"),
    (8, 8, "snapshot", "the number of the snapshot"),
    (16, 4, "index", "the number of the block, from 0"),
    (20, 4, "count", "how many records there are; 0 in a head and an end"),
    (24, 4, "length", "how many bytes follow the header"),
    (28, 4, "checksum", "CRC-32C of the header up to here and of what follows"),
    (32, 0, "content", "by kind, below"),
];

/// What blocks have in them, for the document.
#[cfg(test)]
#[rustfmt::skip]
pub(crate) const CONTENTS: [(&str, &str); 3] = [
    ("head", "`from`, 8 bytes: the position in the log from which on entries are needed beside this snapshot"),
    ("records", "of each record its lane, 2 bytes, its length as LEB128, and its bytes"),
    ("end", "how many records there are in all, 8 bytes, and the SHA-256 of all blocks before"),
];

/// The size of the header of a block.
pub(crate) const HEADER: usize = size(&BLOCK);

const SUM: usize = HEADER - 4;

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Head = 1,
    Records = 2,
    End = 3,
}

/// A header whose numbers have not been believed yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Header {
    bytes: [u8; HEADER],
    pub length: usize,
}

/// A block whose checksum is right.
#[derive(Debug)]
pub(super) struct Block<'b> {
    pub kind: Kind,
    pub count: u32,
    pub body: &'b [u8],
}

/// Writes a block in place of what is in `to`.
pub(super) fn write(to: &mut Vec<u8>, kind: Kind, snapshot: u64, index: u32, count: u32, body: &[u8]) {
    to.clear();
    to.extend_from_slice(&MAGIC);
    to.extend_from_slice(&VERSION.to_le_bytes());
    to.extend_from_slice(&(kind as u16).to_le_bytes());
    to.extend_from_slice(&snapshot.to_le_bytes());
    to.extend_from_slice(&index.to_le_bytes());
    to.extend_from_slice(&count.to_le_bytes());
    to.extend_from_slice(&u32::try_from(body.len()).expect("a block is below 4 GiB").to_le_bytes());
    let sum = crc32c::crc32c_append(crc32c::crc32c(to), body);
    to.extend_from_slice(&sum.to_le_bytes());
    to.extend_from_slice(body);
}

/// Reads a header, as far as is needed to read the rest.
pub(super) fn header(bytes: [u8; HEADER]) -> Result<Header, String> {
    if bytes[..4] != MAGIC {
        return Err("no block begins here".to_owned());
    }
    let version = u16::from_le_bytes([bytes[4], bytes[5]]);
    if version != VERSION {
        return Err(format!("a block of version {version}; this version of camshaft knows {VERSION}"));
    }
    Ok(Header { bytes, length: u32_at(&bytes, 24) as usize })
}

/// Checks what follows a header.
pub(super) fn body<'b>(
    header: &Header,
    body: &'b [u8],
    snapshot: u64,
    index: u32,
) -> Result<Block<'b>, String> {
    let bytes = &header.bytes;
    if crc32c::crc32c_append(crc32c::crc32c(&bytes[..SUM]), body) != u32_at(bytes, SUM) {
        return Err("a block with a wrong checksum".to_owned());
    }
    let found = u64::from_le_bytes(*bytes[8..].first_chunk().expect("the header has it"));
    if (found, u32_at(bytes, 16)) != (snapshot, index) {
        return Err(format!("block {} of snapshot {found}, and not block {index}", u32_at(bytes, 16)));
    }
    let kind = match u16::from_le_bytes([bytes[6], bytes[7]]) {
        1 => Kind::Head,
        2 => Kind::Records,
        3 => Kind::End,
        other => return Err(format!("a block of the unknown kind {other}")),
    };
    Ok(Block { kind, count: u32_at(bytes, 20), body })
}

fn u32_at(bytes: &[u8; HEADER], offset: usize) -> u32 {
    u32::from_le_bytes(*bytes[offset..].first_chunk().expect("the header has it"))
}

/// Appends a record to the body of a block.
pub(super) fn put_record(body: &mut Vec<u8>, lane: u16, record: &[u8]) {
    body.extend_from_slice(&lane.to_le_bytes());
    put(body, record);
}

/// Takes the first record off the body of a block.
pub(super) fn take_record<'b>(body: &mut &'b [u8]) -> Option<(u16, &'b [u8])> {
    let (lane, mut rest) = body.split_first_chunk::<2>()?;
    let record = take(&mut rest)?;
    *body = rest;
    Some((u16::from_le_bytes(*lane), record))
}
