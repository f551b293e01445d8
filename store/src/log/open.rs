//! Opening a log: looking at all that is there, and repairing what a power cut may have left.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Weak};

use super::scan::{Scan, Scanned};
use super::workshop::{Outcome, Prepared, UNFINISHED, Want, Workshop, failed};
use super::{Log, LogOptions, SEGMENT, SPARE, Segment, segment_name};
use crate::disk::{Disk, DiskFile, SECTOR, read_all};
use crate::journal::StoreError;

/// How much is looked at and cleared at once.
const CLEARED_AT_ONCE: usize = 64 << 10;

/// What was found when a log was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The position of the first entry that is kept; one more than the last when there is none.
    pub first: u64,
    /// The position of the last entry; 0 when there never was one.
    pub last: u64,
    /// How many segments have entries.
    pub segments: usize,
    /// A frame that was being written when the log last stopped. It was cut off.
    pub torn: Option<Torn>,
    /// How many bytes behind the last frame were not zero, and now are: the rest of what was torn, and what a segment
    /// that is used again had in it from before.
    pub cleared: u64,
}

/// A frame that was not written whole. Nobody was told that its entries are durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// The file.
    pub file: String,
    /// Where in it the frame begins.
    pub offset: u64,
    /// What is there.
    pub reason: String,
}

/// A segment with what was found in it.
struct Found {
    number: u64,
    file: Arc<dyn DiskFile>,
    size: u64,
    scanned: Scanned,
}

pub(super) fn open(disk: Arc<dyn Disk>, options: LogOptions) -> Result<(Log, Opened), StoreError> {
    assert!(options.segment_bytes.is_multiple_of(SECTOR as u64), "a segment is a whole number of sectors");
    assert!(options.segment_bytes >= 2 * options.reserve_bytes, "a segment is twice the reserve at least");
    // Names that an earlier process left unsynced are durable before anything follows from them.
    disk.sync_folder().map_err(failed("sync", "the data folder".to_owned()))?;
    let names = disk.list().map_err(failed("list", "the data folder".to_owned()))?;
    disk.remove(UNFINISHED).map_err(failed("remove", UNFINISHED.to_owned()))?;
    let spares = names.iter().filter(|name| name.starts_with(SPARE)).cloned().collect();
    let workshop = Arc::new(Workshop::new(disk.clone(), spares, options.spares));
    let numbers = numbers(&names)?;
    let Some(&oldest) = numbers.first() else { return made(disk, options, workshop) };
    let mut scan = Scan::new(oldest);
    let mut found = Vec::new();
    for number in numbers {
        found.push(scanned(&*disk, &mut scan, number)?);
    }
    let Some(next) = scan.known.next else {
        return Err(StoreError::Damaged {
            what: segment_name(oldest),
            reason: "it has no whole frame, nor has any later one, so that nobody knows the position of the next entry; put \
                     a backup of the data folder in its place"
                .to_owned(),
        });
    };
    let identity = scan.known.log.or(options.identity).unwrap_or_else(drawn);
    let tail = found.iter().rposition(|found| found.scanned.last_frame.is_some()).unwrap_or(0);
    let behind = found.split_off(tail + 1);
    let mut opened = Opened {
        first: found[0].begins().0,
        last: next.0 - 1,
        segments: found.iter().filter(|found| found.scanned.last_frame.is_some()).count(),
        torn: None,
        cleared: 0,
    };
    mend_tail(&found[tail], &mut opened)?;
    let next_segment = mend_behind(&*disk, behind, &mut opened)?;
    let current = &found[tail];
    let log = Log {
        disk,
        options,
        identity,
        file: current.file.clone(),
        size: current.size,
        last: next.0 - 1,
        sum: next.1,
        segments: found.iter().map(Found::segment).collect(),
        next: next_segment,
        workshop,
        out: Weak::new(),
        full: false,
        refused: false,
        stopped: false,
        untold: None,
        frame: Vec::new(),
        pins: Vec::new(),
    };
    Ok((log, opened))
}

/// Makes a log where there is none.
fn made(
    disk: Arc<dyn Disk>,
    options: LogOptions,
    workshop: Arc<Workshop>,
) -> Result<(Log, Opened), StoreError> {
    workshop.order(Want { number: 1, size: options.segment_bytes });
    workshop.work();
    let first = match workshop.collect().expect("it was ordered") {
        Outcome::Ready(first) => first,
        Outcome::Full(source) => return Err(failed("prepare", segment_name(1))(source)),
        Outcome::Failed(error) => return Err(error),
    };
    let log = Log {
        disk,
        identity: options.identity.unwrap_or_else(drawn),
        options,
        file: first.file,
        size: first.size,
        last: 0,
        sum: 0,
        segments: VecDeque::from([Segment { number: first.number, first: 1, before: 0, end: 0 }]),
        next: None,
        workshop,
        out: Weak::new(),
        full: false,
        refused: false,
        stopped: false,
        untold: None,
        frame: Vec::new(),
        pins: Vec::new(),
    };
    Ok((log, Opened { first: 1, last: 0, segments: 0, torn: None, cleared: 0 }))
}

impl Found {
    fn begins(&self) -> (u64, u32) {
        self.scanned.begins.expect("without a position the log is not opened")
    }

    fn segment(&self) -> Segment {
        let (first, before) = self.begins();
        Segment { number: self.number, first, before, end: self.scanned.end as u64 }
    }

    fn torn(&self) -> Option<Torn> {
        let scanned = &self.scanned;
        scanned.flaw.is_broken_frame().then(|| Torn {
            file: segment_name(self.number),
            offset: scanned.end as u64,
            reason: scanned.flaw.to_string(),
        })
    }

    fn error(&self, what: &'static str) -> impl FnOnce(std::io::Error) -> StoreError {
        failed(what, segment_name(self.number))
    }

    /// Makes everything behind the frames zero, and returns how many bytes were not.
    fn clear(&self, bytes: &[u8]) -> Result<u64, StoreError> {
        let mut cleared = 0;
        for (index, part) in bytes[self.scanned.end..].chunks(CLEARED_AT_ONCE).enumerate() {
            let count = part.iter().filter(|byte| **byte != 0).count() as u64;
            if count > 0 {
                let offset = self.scanned.end + index * CLEARED_AT_ONCE;
                self.file.write_at(offset as u64, &vec![0; part.len()]).map_err(self.error("clear"))?;
            }
            cleared += count;
        }
        Ok(cleared)
    }
}

/// Leaves the last segment as if nothing had ever been begun behind its last frame.
///
/// That frame may have been read from the system's memory, and not be on the disk: its writer died before the
/// sync, or was told that the sync failed. So it is written again, the same bytes to the same place, before
/// anybody is told of its entries. No earlier frame can be in doubt.
fn mend_tail(tail: &Found, opened: &mut Opened) -> Result<(), StoreError> {
    let bytes = read_all(&*tail.file).map_err(tail.error("read"))?;
    opened.torn = tail.torn();
    opened.cleared += tail.clear(&bytes)?;
    if let Some((offset, size)) = tail.scanned.last_frame {
        let frame = &bytes[offset..offset + size];
        tail.file.write_at(offset as u64, frame).map_err(tail.error("write"))?;
    }
    tail.file.sync().map_err(tail.error("sync"))
}

/// Returns the segment behind the last one with entries, if it is there. If a frame was torn in it, it is
/// cleared; what else is in it is from an earlier use and stays until it is written over.
fn mend_behind(
    disk: &dyn Disk,
    mut behind: Vec<Found>,
    opened: &mut Opened,
) -> Result<Option<Prepared>, StoreError> {
    // One is prepared ahead at most. If there are more, they go from the last on, so that no gap comes about.
    while behind.len() > 1 {
        let name = segment_name(behind.pop().expect("there are two").number);
        disk.remove(&name).map_err(failed("remove", name.clone()))?;
        disk.sync_folder().map_err(failed("sync the folder of", name))?;
    }
    let Some(next) = behind.pop() else { return Ok(None) };
    if let Some(torn) = next.torn() {
        let bytes = read_all(&*next.file).map_err(next.error("read"))?;
        opened.cleared += next.clear(&bytes)?;
        next.file.sync().map_err(next.error("sync"))?;
        opened.torn = Some(torn);
    }
    Ok(Some(Prepared { number: next.number, size: next.size, file: next.file }))
}

fn scanned(disk: &dyn Disk, scan: &mut Scan, number: u64) -> Result<Found, StoreError> {
    let name = segment_name(number);
    let file = disk.open(&name).map_err(failed("open", name.clone()))?;
    let gone = || failed("open", name.clone())(std::io::Error::from(std::io::ErrorKind::NotFound));
    let file = file.ok_or_else(gone)?;
    let bytes = read_all(&*file).map_err(failed("read", name))?;
    let scanned = scan.segment(&bytes, number)?;
    Ok(Found { number, file, size: bytes.len() as u64, scanned })
}

/// Returns a number that nobody knows who only sends entries.
fn drawn() -> u64 {
    RandomState::new().hash_one("a log of camshaft")
}

/// Returns the numbers of all segments, in order.
fn numbers(names: &[String]) -> Result<Vec<u64>, StoreError> {
    let parsed = names.iter().filter_map(|name| name.strip_prefix(SEGMENT)?.parse().ok());
    let mut numbers: Vec<u64> = parsed.collect();
    numbers.sort_unstable();
    match numbers.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
        None => Ok(numbers),
        Some(pair) => Err(StoreError::Damaged {
            what: "the log".to_owned(),
            reason: format!(
                "{} is missing between {} and {}; put it back, or a backup of the data folder",
                segment_name(pair[0] + 1),
                segment_name(pair[0]),
                segment_name(pair[1])
            ),
        }),
    }
}
