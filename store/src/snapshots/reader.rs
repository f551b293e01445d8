//! Reading a snapshot, block by block.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::block::{self, Block, HEADER, Kind};
use super::name;
use crate::disk::DiskFile;
use crate::journal::StoreError;

/// A snapshot that was checked from its first byte to its last.
#[derive(Debug)]
pub struct SnapshotFile {
    number: u64,
    from: u64,
    records: u64,
    bytes: u64,
    file: Arc<dyn DiskFile>,
}

/// Whether the SHA-256 of all is checked beside the checksums of blocks.
#[derive(Clone, Copy, PartialEq)]
enum Check {
    Blocks,
    All,
}

/// What ends a reading.
enum Ended {
    Damaged(String),
    Refused(StoreError),
}

impl From<String> for Ended {
    fn from(reason: String) -> Ended {
        Ended::Damaged(reason)
    }
}

type Visit<'v> = &'v mut dyn FnMut(u16, &[u8]) -> Result<(), StoreError>;

impl SnapshotFile {
    /// Checks all of a file; says what is wrong with it.
    pub(crate) fn verified(file: Arc<dyn DiskFile>, number: u64) -> Result<SnapshotFile, String> {
        let size = file.size().map_err(reason)?;
        let mut snapshot =
            SnapshotFile { number, from: from(&*file, number)?, records: 0, bytes: size, file };
        match snapshot.walk(Check::All, &mut |_, _| Ok(())) {
            Ok(records) => snapshot.records = records,
            Err(Ended::Damaged(reason)) => return Err(reason),
            Err(Ended::Refused(error)) => unreachable!("nothing refuses: {error}"),
        }
        Ok(snapshot)
    }

    /// Returns its number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the position in the log from which on entries are needed beside it.
    pub fn from(&self) -> u64 {
        self.from
    }

    /// Returns how many records it has.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Returns its size.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Shows all records in the order in which they were written. One block at a time is in memory.
    ///
    /// # Errors
    ///
    /// When it is no longer what was checked, and what `visit` refuses.
    pub fn read(&self, visit: Visit<'_>) -> Result<(), StoreError> {
        match self.walk(Check::Blocks, visit) {
            Ok(_) => Ok(()),
            Err(Ended::Refused(error)) => Err(error),
            Err(Ended::Damaged(reason)) => {
                let reason = format!("{reason}; it was whole when it was opened");
                Err(StoreError::Damaged { what: name(self.number), reason })
            }
        }
    }

    /// Goes over all blocks, and returns how many records there are.
    fn walk(&self, check: Check, visit: Visit<'_>) -> Result<u64, Ended> {
        let mut blocks = Blocks::new(&*self.file, self.number, self.bytes);
        let (mut records, mut sum) = (0, Sha256::new());
        loop {
            let (offset, index) = (blocks.offset, blocks.index);
            let block = blocks.next()?;
            let at = |what: &str| Ended::Damaged(format!("at byte {offset}: {what}"));
            match block.kind {
                Kind::Head if index == 0 => {}
                Kind::Records if index > 0 => {
                    let mut rest = block.body;
                    for _ in 0..block.count {
                        let record = block::take_record(&mut rest);
                        let (lane, bytes) = record.ok_or_else(|| at("these are no records"))?;
                        visit(lane, bytes).map_err(Ended::Refused)?;
                    }
                    if !rest.is_empty() {
                        return Err(at("there are more records than it says"));
                    }
                    records += u64::from(block.count);
                }
                Kind::End if index > 0 => {
                    let (counted, digest) = block.body.split_first_chunk().ok_or_else(|| at("no end"))?;
                    if u64::from_le_bytes(*counted) != records {
                        return Err(at("records are missing before the end"));
                    }
                    if check == Check::All && digest != &sum.finalize()[..] {
                        return Err(at("the SHA-256 of what is before the end is another"));
                    }
                    if blocks.offset != self.bytes {
                        return Err(at("there are bytes behind the end"));
                    }
                    return Ok(records);
                }
                _ => return Err(at("a block in the wrong place")),
            }
            if check == Check::All {
                sum.update(blocks.head);
                sum.update(&blocks.body);
            }
        }
    }
}

/// Returns what the head of a snapshot says.
pub(super) fn from(file: &dyn DiskFile, number: u64) -> Result<u64, String> {
    let mut blocks = Blocks::new(file, number, file.size().map_err(reason)?);
    let head = blocks.next()?;
    let body = head.body.first_chunk().filter(|_| head.kind == Kind::Head && head.body.len() == 8);
    Ok(u64::from_le_bytes(*body.ok_or("at byte 0: this is no head")?))
}

/// The blocks of a file.
struct Blocks<'f> {
    file: &'f dyn DiskFile,
    number: u64,
    size: u64,
    offset: u64,
    index: u32,
    head: [u8; HEADER],
    body: Vec<u8>,
}

impl<'f> Blocks<'f> {
    fn new(file: &'f dyn DiskFile, number: u64, size: u64) -> Blocks<'f> {
        Blocks { file, number, size, offset: 0, index: 0, head: [0; HEADER], body: Vec::new() }
    }

    fn next(&mut self) -> Result<Block<'_>, String> {
        let offset = self.offset;
        let at = |what: String| format!("at byte {offset}: {what}");
        let ends = || format!("at byte {offset}: the file ends in a block");
        let body_at = offset + HEADER as u64;
        if body_at > self.size {
            return Err(ends());
        }
        self.file.read_at(offset, &mut self.head).map_err(|error| at(reason(error)))?;
        let header = block::header(self.head).map_err(at)?;
        // Before so much memory is taken: a length is a number like any other.
        if body_at + header.length as u64 > self.size {
            return Err(ends());
        }
        self.body.resize(header.length, 0);
        self.file.read_at(body_at, &mut self.body).map_err(|error| at(reason(error)))?;
        let block = block::body(&header, &self.body, self.number, self.index).map_err(at)?;
        self.offset = body_at + header.length as u64;
        self.index += 1;
        Ok(block)
    }
}

fn reason(error: impl fmt::Display) -> String {
    format!("it cannot be read: {error}")
}
