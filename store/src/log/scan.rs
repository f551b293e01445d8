//! What is in the bytes of segments: frames in a row, and whether what stands behind them is a torn
//! tail or damage. Looks at bytes only.
//!
//! One frame is synced before the next is begun, so that a power cut can tear the last one only. That is
//! the rule:
//!
//! - a broken frame with no whole one behind it, up to the end of the last segment, is a torn tail;
//! - a broken or missing frame with a whole one behind it is damage, and nothing is guessed.

use super::frame::{self, Flaw, Place};
use super::segment_name;
use crate::disk::SECTOR;
use crate::journal::StoreError;

/// What is known after the frames so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub log: Option<u64>,
    /// The position of the next entry, and the checksum of the last frame; nothing before the
    /// first frame of a log whose beginning was let go.
    pub next: Option<(u64, u32)>,
}

/// What was found in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scanned {
    /// The position of its first entry, whether it is there or not, and the checksum of the frame before.
    pub begins: Option<(u64, u32)>,
    /// Where its last frame is; `None`: it has none.
    pub last_frame: Option<(usize, usize)>,
    /// Where its frames end.
    pub end: usize,
    /// What stands there.
    pub flaw: Flaw,
}

/// Where frames ended, and why.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stop {
    pub segment: u64,
    pub offset: usize,
    pub flaw: Flaw,
}

/// Reads the frames of one segment after another.
#[derive(Debug)]
pub(super) struct Scan {
    pub known: Known,
    /// Where the frames of the last segment that has any ended.
    pub stop: Option<Stop>,
}

impl Scan {
    /// Begins where the first segment does.
    pub(super) fn new(first_segment: u64) -> Scan {
        let next = (first_segment == 1).then_some((1, 0));
        Scan { known: Known { log: None, next }, stop: None }
    }

    /// Reads the next segment.
    ///
    /// # Errors
    ///
    /// When something is damaged, or written by another version.
    pub(super) fn segment(&mut self, bytes: &[u8], segment: u64) -> Result<Scanned, StoreError> {
        let mut begins = self.known.next;
        let (mut end, mut last_frame) = (0, None);
        let flaw = loop {
            let place = Place { log: self.known.log, segment };
            let found = match frame::read(&bytes[end..], place) {
                Ok(found) => found,
                Err(Flaw::Version(version)) => {
                    return Err(StoreError::Layout {
                        found: i64::from(version),
                        known: i64::from(frame::VERSION),
                    });
                }
                Err(flaw) => break flaw,
            };
            if self.known.next.is_some_and(|next| next != (found.first, found.previous)) {
                let stop = self.stop.take().filter(|_| last_frame.is_none());
                let stop = stop.unwrap_or(Stop { segment, offset: end, flaw: Flaw::Nothing });
                return Err(self.damaged(stop, (segment, end, found.first)));
            }
            begins = begins.or(Some((found.first, found.previous)));
            let size = found.size().min(bytes.len() - end);
            self.known = Known { log: Some(found.log), next: Some((found.last() + 1, found.sum)) };
            last_frame = Some((end, size));
            end += size;
        };
        let stop = Stop { segment, offset: end, flaw };
        // A segment that has no frames is behind the end: what comes in it is held against the stop before.
        let stop = self.stop.filter(|_| last_frame.is_none()).unwrap_or(stop);
        if let Some((offset, first)) = self.later(bytes, segment, end) {
            return Err(self.damaged(stop, (segment, offset, first)));
        }
        self.stop = Some(stop);
        Ok(Scanned { begins, last_frame, end, flaw })
    }

    /// Looks for a whole frame of this segment from a place on.
    fn later(&self, bytes: &[u8], segment: u64, from: usize) -> Option<(usize, u64)> {
        let place = Place { log: self.known.log, segment };
        (from.next_multiple_of(SECTOR)..bytes.len())
            .step_by(SECTOR)
            .find_map(|offset| frame::read(&bytes[offset..], place).ok().map(|found| (offset, found.first)))
    }

    fn damaged(&self, stop: Stop, later: (u64, usize, u64)) -> StoreError {
        let (segment, offset, first) = later;
        let next = self.known.next.map_or("unknown".to_owned(), |(next, _)| next.to_string());
        StoreError::Damaged {
            what: segment_name(stop.segment),
            reason: format!(
                "at byte {}, where the frame with entry {next} should be, there is {}, and yet entries from {first} \
                 on stand behind it, at byte {offset} of {}; nothing was changed: put a backup of the data \
                 folder in its place, or both files back as they were",
                stop.offset,
                match stop.flaw {
                    Flaw::Nothing if (stop.segment, stop.offset) == (segment, offset) =>
                        "another frame".to_owned(),
                    flaw => flaw.to_string(),
                },
                segment_name(segment),
            ),
        }
    }
}
