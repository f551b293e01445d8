//! The log: entries of all lanes in one total order, in segments that are filled with zeros ahead and used
//! again. `docs/journal.md` has its form and its rules.
//!
//! What must stay true: an entry is durable before its position is known to anybody. A group is whole or
//! absent. What was synced is never written again, but for the last frame, with the same bytes, when the
//! log is opened. After a write or a sync that failed nothing is appended any more: what is on the
//! disk then is for the next [`Log::open`] to find out.

mod chunk;
mod cut;
mod frame;
mod open;
mod scan;
mod workshop;

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Weak};

pub use self::chunk::Chunk;
pub(crate) use self::chunk::{put, take};
pub use self::cut::LogCut;
pub use self::frame::Entry;
pub(crate) use self::frame::VERSION;
#[cfg(test)]
pub(crate) use self::frame::{CHUNK, FRAME};
pub(crate) use self::frame::{Field, size};
use self::frame::{Frame, Place, Shown};
pub use self::open::{Opened, Torn};
pub use self::workshop::Chore;
use self::workshop::{Outcome, Prepared, Want, Workshop, failed};
use crate::disk::{Disk, DiskFile};
use crate::journal::StoreError;

/// What the names of segments begin with.
pub(crate) const SEGMENT: &str = "log-";

/// What the names of segments begin with that may be used again.
pub(crate) const SPARE: &str = "spare-";

fn segment_name(number: u64) -> String {
    format!("{SEGMENT}{number:010}")
}

/// How a log is kept.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// The size of a segment in bytes; a whole number of sectors.
    pub segment_bytes: u64,
    /// The space that is kept for control records when the disk is full.
    pub reserve_bytes: u64,
    /// How many segments that are no longer needed are kept to be used again.
    pub spares: usize,
    /// The number that a new log gets; `None`: one is drawn. Frames bear it, so that nothing that somebody
    /// puts into an entry can look like a frame of this log.
    pub identity: Option<u64>,
}

impl Default for LogOptions {
    fn default() -> LogOptions {
        LogOptions { segment_bytes: 16 << 20, reserve_bytes: 1 << 20, spares: 2, identity: None }
    }
}

/// What a group is of, when space gets short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// What a full disk refuses.
    Input,
    /// What was taken in before the disk was found to be full: it may use half of what is kept for control records.
    Admitted,
    /// What has space kept for it.
    Control,
}

/// Why a group was not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// There is no space. Nothing was written and the log goes on: control records still have their
    /// reserve, and there may be space later.
    #[error("there is no space for it")]
    Full,
    /// Nobody knows what is on the disk. Nothing is appended any more; the caller stops and opens anew.
    #[error("the log cannot be written")]
    Failed(#[source] StoreError),
}

/// A log on a disk.
#[derive(Debug)]
pub struct Log {
    disk: Arc<dyn Disk>,
    options: LogOptions,
    identity: u64,
    /// Those that can be read, oldest first. The last is the one that is written.
    segments: VecDeque<Segment>,
    file: Arc<dyn DiskFile>,
    /// The size of the file that is written.
    size: u64,
    last: u64,
    /// The checksum of the last frame.
    sum: u32,
    next: Option<Prepared>,
    workshop: Arc<Workshop>,
    /// The chore that is out, if it still is.
    out: Weak<()>,
    /// There was no space for the next segment when it was last tried.
    full: bool,
    /// A group was refused for want of space, and no segment was made ready since.
    refused: bool,
    stopped: bool,
    /// What stopped it, when that is for the next append to tell.
    untold: Option<StoreError>,
    frame: Vec<u8>,
    /// Cuts that are still read: from which position on.
    pins: Vec<(Weak<()>, u64)>,
}

/// A segment that can be read.
#[derive(Debug, Clone, Copy)]
struct Segment {
    number: u64,
    /// The position of its first entry, whether it is there yet or not.
    first: u64,
    /// The checksum of the frame before.
    before: u32,
    /// Where its frames end.
    end: u64,
}

impl Log {
    /// Opens the log of a disk; a disk that has none gets one. Reads and checks all that is there, cuts off
    /// a torn tail, and leaves nothing unsynced of what it found.
    ///
    /// # Errors
    ///
    /// When a frame is damaged or missing and later ones are there, when frames were written by another version, when a
    /// segment is missing, and when the disk refuses.
    ///
    /// # Panics
    ///
    /// When a segment is not a whole number of sectors, or not twice the reserve.
    pub fn open(disk: Arc<dyn Disk>, options: LogOptions) -> Result<(Log, Opened), StoreError> {
        open::open(disk, options)
    }

    /// Appends a group of chunks as one durable whole, and returns the position of its last entry.
    ///
    /// # Errors
    ///
    /// [`AppendError::Full`], after which all is as it was, and [`AppendError::Failed`], after which
    /// nothing is appended any more.
    ///
    /// # Panics
    ///
    /// When a chunk has other entries than it says, or the group is above a GiB.
    pub fn append(&mut self, chunks: &[Chunk], class: Class) -> Result<u64, AppendError> {
        if self.stopped {
            return Err(AppendError::Failed(self.why_stopped()));
        }
        let count: u64 = chunks.iter().map(|chunk| u64::from(chunk.count)).sum();
        if count == 0 {
            return Ok(self.last);
        }
        self.make_way(frame::size_on_disk(chunks), class)?;
        let (number, end) = (self.current().number, self.current().end);
        let sum = frame::write(&mut self.frame, (self.identity, number), self.last + 1, self.sum, chunks);
        if let Err(source) = self.file.write_at(end, &self.frame).and_then(|()| self.file.sync()) {
            return Err(self.stop(failed("append to", segment_name(number))(source)));
        }
        self.current_mut().end = end + self.frame.len() as u64;
        (self.last, self.sum) = (self.last + count, sum);
        self.frame.shrink_to(FRAME_KEPT);
        Ok(self.last)
    }

    /// Returns the position of the last entry; 0 when there never was one.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Returns the position of the first entry that was not let go: one more than the last when there is
    /// none.
    pub fn first(&self) -> u64 {
        self.segments.front().expect("there always is one").first
    }

    /// Shows all entries from a position on, in order.
    ///
    /// # Errors
    ///
    /// When entries from there on were let go or are not what was written, when the disk refuses, and what
    /// `visit` refuses.
    pub fn read(
        &self,
        from: u64,
        visit: &mut dyn FnMut(Entry<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let from = from.max(1);
        if from < self.first() {
            let reason = format!("entry {from} is asked for, and the first one kept is {}", self.first());
            return Err(StoreError::Damaged { what: "the log".to_owned(), reason });
        }
        let begin = self.segments.partition_point(|segment| segment.first <= from).saturating_sub(1);
        let mut bytes = Vec::new();
        for (index, segment) in self.segments.iter().enumerate().skip(begin) {
            let after = self
                .segments
                .get(index + 1)
                .map_or((self.last + 1, self.sum), |next| (next.first, next.before));
            self.load(segment, &mut bytes)?;
            self.read_segment(segment, &bytes, after, from, visit)?;
        }
        Ok(())
    }

    fn load(&self, segment: &Segment, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        let name = segment_name(segment.number);
        let file = self.disk.open(&name).map_err(failed("open", name.clone()))?;
        let Some(file) = file else {
            let source = io::Error::from(io::ErrorKind::NotFound);
            return Err(failed("open", name)(source));
        };
        bytes.resize(usize::try_from(segment.end).expect("a segment fits into memory"), 0);
        file.read_at(0, bytes).map_err(failed("read", name))
    }

    fn read_segment(
        &self,
        segment: &Segment,
        bytes: &[u8],
        after: (u64, u32),
        from: u64,
        visit: &mut dyn FnMut(Entry<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        each_frame((self.identity, segment), bytes, after, &mut |offset, found| {
            if found.last() >= from && matches!(found.show(from, visit)?, Shown::Malformed) {
                return Err(damaged(segment, offset, "the checksum is right, but these are no entries"));
            }
            Ok(())
        })
    }

    /// Returns how many bytes the frames take that can be read.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.end).sum()
    }

    /// Lets go of entries before a position, by whole segments: those that have no other entries. The last
    /// entry of all always stays. Their files are dealt with by the next [`chore`](Log::chore). Returns how
    /// many segments went.
    pub fn let_go(&mut self, before: u64) -> usize {
        let mut count = 0;
        self.pins.retain(|(pin, _)| pin.strong_count() > 0);
        // What somebody still reads goes later: its files would be written over.
        let before = self.pins.iter().map(|(_, first)| *first).fold(before, u64::min);
        // The segment with the last durable frame tells where the log goes on.
        while self.segments.get(1).is_some_and(|next| next.first <= before && next.end > 0) {
            let gone = self.segments.pop_front().expect("there is another behind it");
            self.workshop.retire(gone.number);
            count += 1;
        }
        if count > 0 {
            self.full = false;
        }
        count
    }

    /// Returns whether a group of inputs of ordinary size would be taken.
    pub fn has_room(&self) -> bool {
        let here = self.size - self.current().end;
        !self.stopped && !self.refused && (self.next.is_some() || here > self.options.reserve_bytes)
    }

    /// Tries again to make the next segment ready, here and now, and returns whether there is room.
    ///
    /// # Errors
    ///
    /// When the disk refuses for another reason than want of space, now or before: nothing is appended any more.
    pub fn make_room(&mut self) -> Result<bool, StoreError> {
        self.collect().map_err(AppendError::into_store)?;
        if self.stopped {
            // A caller that only looks for room must not take it for a full disk.
            return Err(self.why_stopped());
        }
        if self.next.is_none() {
            self.prepare(self.options.segment_bytes).map_err(AppendError::into_store)?;
        }
        if self.next.is_some() {
            // What was refused before was larger than others are.
            (self.full, self.refused) = (false, false);
        }
        Ok(self.has_room())
    }

    /// Returns work on files that is best done now, by another thread or this one; nothing when there is none, while
    /// another chore is out, or after there was no space for it ([`make_room`](Log::make_room) tries again).
    pub fn chore(&mut self) -> Option<Chore> {
        if let Err(AppendError::Failed(error)) = self.collect() {
            self.untold = Some(error);
        }
        if self.stopped || self.out.strong_count() > 0 {
            return None;
        }
        if self.next.is_none() && !self.full {
            self.workshop.order(self.want(self.options.segment_bytes));
        }
        if self.workshop.is_idle() {
            return None;
        }
        let out = Arc::new(());
        self.out = Arc::downgrade(&out);
        Some(Chore::new(self.workshop.clone(), out))
    }

    fn current(&self) -> &Segment {
        self.segments.back().expect("there always is one")
    }

    fn current_mut(&mut self) -> &mut Segment {
        self.segments.back_mut().expect("there always is one")
    }

    fn want(&self, size: u64) -> Want {
        Want { number: self.current().number + 1, size: size.max(self.options.segment_bytes) }
    }

    /// Sees to it that a frame of this size has its place at the end of the current segment.
    fn make_way(&mut self, size: u64, class: Class) -> Result<(), AppendError> {
        let reserve = match class {
            Class::Input => self.options.reserve_bytes,
            Class::Admitted => self.options.reserve_bytes / 2,
            Class::Control => 0,
        };
        self.collect()?;
        loop {
            let here = self.size - self.current().end;
            let kept_here = if self.next.is_some() { 0 } else { reserve };
            if size + kept_here <= here {
                return Ok(());
            }
            match self.next.take_if(|next| size + reserve <= next.size) {
                Some(next) => self.turn_to(next),
                None => {
                    let known = self.full && class != Class::Control;
                    if known || !self.prepare((size + reserve).next_multiple_of(crate::SECTOR as u64))? {
                        self.refused = true;
                        return Err(AppendError::Full);
                    }
                }
            }
        }
    }

    fn turn_to(&mut self, next: Prepared) {
        let segment = Segment { number: next.number, first: self.last + 1, before: self.sum, end: 0 };
        self.segments.push_back(segment);
        (self.file, self.size) = (next.file, next.size);
    }

    /// Makes the next segment ready, and returns whether there was space for it.
    fn prepare(&mut self, size: u64) -> Result<bool, AppendError> {
        self.full = false;
        self.workshop.order(self.want(size));
        self.workshop.work();
        self.collect()?;
        Ok(!self.full)
    }

    /// Takes over what the workshop did.
    fn collect(&mut self) -> Result<(), AppendError> {
        while let Some(outcome) = self.workshop.collect() {
            match outcome {
                Outcome::Ready(next) => {
                    self.next = Some(next);
                    (self.full, self.refused) = (false, false);
                }
                Outcome::Full(_) => self.full = true,
                Outcome::Failed(error) => return Err(self.stop(error)),
            }
        }
        Ok(())
    }

    /// Returns what stopped it, the first time; then that it is stopped.
    fn why_stopped(&mut self) -> StoreError {
        let stopped = StoreError::Stopped { file: segment_name(self.current().number) };
        self.untold.take().unwrap_or(stopped)
    }

    fn stop(&mut self, error: StoreError) -> AppendError {
        self.stopped = true;
        AppendError::Failed(error)
    }
}

/// Returns what is wrong with a segment at a place.
fn damaged(segment: &Segment, offset: usize, reason: &str) -> StoreError {
    StoreError::Damaged {
        what: segment_name(segment.number),
        reason: format!("at byte {offset}: {reason}; it was whole when the log was opened"),
    }
}

/// Shows the frames of a segment of a log, which have to follow each other, and to be followed by the one `after`.
fn each_frame(
    (identity, segment): (u64, &Segment),
    bytes: &[u8],
    after: (u64, u32),
    visit: &mut dyn FnMut(usize, &Frame<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let place = Place { log: Some(identity), segment: segment.number };
    let (mut offset, mut next) = (0, (segment.first, segment.before));
    while offset < bytes.len() {
        let found = frame::read(&bytes[offset..], place)
            .map_err(|flaw| damaged(segment, offset, &format!("there is {flaw}")))?;
        if (found.first, found.previous) != next {
            return Err(damaged(segment, offset, "this frame does not follow the one before it"));
        }
        next = (found.last() + 1, found.sum);
        visit(offset, &found)?;
        offset += found.size();
    }
    if next != after {
        return Err(damaged(segment, offset, "frames are missing here"));
    }
    Ok(())
}

/// The memory that is kept for writing frames, whatever the largest one took.
const FRAME_KEPT: usize = 4 << 20;

impl AppendError {
    fn into_store(self) -> StoreError {
        match self {
            AppendError::Failed(error) => error,
            AppendError::Full => unreachable!("being full is no failure of the workshop"),
        }
    }
}

#[cfg(test)]
mod tests;
