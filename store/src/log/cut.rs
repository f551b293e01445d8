//! The log up to a position, read while it goes on.
//!
//! What stands before the end of a segment is never written again while the segment is kept, so it can be read without
//! stopping who writes. A segment that was let go would be written over: while a cut lives, none of its own is.

use std::sync::Arc;

use super::{Log, Segment, damaged, each_frame, failed, segment_name};
use crate::disk::DiskFile;
use crate::journal::StoreError;

/// The entries of a log from one position on up to the last that was durable when it was made.
#[derive(Debug)]
pub struct LogCut {
    identity: u64,
    last: u64,
    sum: u32,
    segments: Vec<(Segment, Arc<dyn DiskFile>)>,
    _pin: Arc<()>,
}

impl Log {
    /// Returns the log as it is now, from the segment on that has a position. While what is returned lives, none of its
    /// segments is let go.
    ///
    /// # Errors
    ///
    /// When entries from there on were let go already, when the log has stopped, and when the disk refuses.
    pub fn cut(&mut self, from: u64) -> Result<LogCut, StoreError> {
        if self.stopped {
            return Err(StoreError::Stopped { file: segment_name(self.current().number) });
        }
        if from < self.first() {
            let reason = format!("entry {from} is asked for, and the first one kept is {}", self.first());
            return Err(StoreError::Damaged { what: "the log".to_owned(), reason });
        }
        let begin = self.segments.partition_point(|segment| segment.first <= from).saturating_sub(1);
        // One that has no frame yet is of no use to anybody else.
        let kept = self.segments.iter().skip(begin).filter(|segment| segment.end > 0);
        let segments = kept.map(|segment| {
            let name = segment_name(segment.number);
            let file = self.disk.open(&name).map_err(failed("open", name.clone()))?;
            let gone = || failed("open", name)(std::io::ErrorKind::NotFound.into());
            Ok((*segment, file.ok_or_else(gone)?))
        });
        let segments = segments.collect::<Result<Vec<_>, StoreError>>()?;
        let pin = Arc::new(());
        if let Some((first, _)) = segments.first() {
            self.pins.push((Arc::downgrade(&pin), first.first));
        }
        Ok(LogCut { identity: self.identity, last: self.last, sum: self.sum, segments, _pin: pin })
    }
}

impl LogCut {
    /// Returns the position of the last entry; 0 when there never was one.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Lets go of the segments that have no entry from a position on.
    pub fn begin_at(&mut self, from: u64) {
        let begin = self.segments.partition_point(|(segment, _)| segment.first <= from).saturating_sub(1);
        self.segments.drain(..begin);
    }

    /// Returns the names of the files, and how many bytes of each belong to it.
    pub fn files(&self) -> Vec<(String, u64)> {
        self.segments.iter().map(|(segment, _)| (segment_name(segment.number), segment.end)).collect()
    }

    /// Returns the bytes of a file, by its place among [`files`](LogCut::files).
    ///
    /// # Errors
    ///
    /// When they are not what was written, and when the disk refuses.
    pub fn read(&self, place: usize) -> Result<Vec<u8>, StoreError> {
        let (segment, file) = &self.segments[place];
        let name = segment_name(segment.number);
        let too_large = |_| damaged(segment, 0, "it does not fit into memory");
        let mut bytes = vec![0; usize::try_from(segment.end).map_err(too_large)?];
        file.read_at(0, &mut bytes).map_err(failed("read", name))?;
        let next = self.segments.get(place + 1);
        let after = next.map_or((self.last + 1, self.sum), |(next, _)| (next.first, next.before));
        each_frame((self.identity, segment), &bytes, after, &mut |_, _| Ok(()))?;
        Ok(bytes)
    }
}
