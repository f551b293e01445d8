//! Writing a snapshot.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::block::{self, Kind};
use super::{Saved, Snapshots, failed, name, unfinished_name};
use crate::disk::{Disk, DiskFile};
use crate::journal::StoreError;

/// A block is written when it has so many bytes: large enough that its header is nothing, small enough to
/// be held by the way.
const BLOCK_BYTES: usize = 256 << 10;

/// What is written is synced by so many bytes, so that a sync of the log never waits for all of it.
const SYNC_BYTES: u64 = 8 << 20;

/// A snapshot that is being written. Dropped unfinished, it leaves nothing.
#[derive(Debug)]
pub struct SnapshotWriter {
    disk: Arc<dyn Disk>,
    number: u64,
    from: u64,
    file: Arc<dyn DiskFile>,
    offset: u64,
    synced: u64,
    index: u32,
    records: u64,
    sum: Sha256,
    count: u32,
    body: Vec<u8>,
    block: Vec<u8>,
    finished: bool,
}

impl SnapshotWriter {
    pub(super) fn begin(disk: Arc<dyn Disk>, number: u64, from: u64) -> Result<SnapshotWriter, StoreError> {
        let file = disk.create(&unfinished_name(number)).map_err(failed("create", number))?;
        let mut writer = SnapshotWriter {
            disk,
            number,
            from,
            file,
            offset: 0,
            synced: 0,
            index: 0,
            records: 0,
            sum: Sha256::new(),
            count: 0,
            body: from.to_le_bytes().to_vec(),
            block: Vec::new(),
            finished: false,
        };
        writer.flush(Kind::Head)?;
        Ok(writer)
    }

    /// Appends a record of a lane.
    ///
    /// # Errors
    ///
    /// When the disk refuses. The snapshot is to be dropped then; the log and other snapshots are as they were.
    pub fn append(&mut self, lane: u16, record: &[u8]) -> Result<(), StoreError> {
        block::put_record(&mut self.body, lane, record);
        (self.count, self.records) = (self.count + 1, self.records + 1);
        if self.body.len() >= BLOCK_BYTES {
            self.flush(Kind::Records)?;
        }
        Ok(())
    }

    /// Returns how many bytes were written so far.
    pub fn size(&self) -> u64 {
        self.offset
    }

    /// Ends the snapshot, makes it durable, and takes away all but it and the one before it.
    ///
    /// # Errors
    ///
    /// When the disk refuses; what was there before is there still.
    pub fn finish(mut self) -> Result<Saved, StoreError> {
        if self.count > 0 {
            self.flush(Kind::Records)?;
        }
        self.body.extend_from_slice(&self.records.to_le_bytes());
        self.body.extend_from_slice(&self.sum.clone().finalize());
        self.flush(Kind::End)?;
        let number = self.number;
        self.file.sync().map_err(failed("sync", number))?;
        self.disk.rename(&unfinished_name(number), &name(number)).map_err(failed("rename", number))?;
        self.finished = true;
        self.disk.sync_folder().map_err(failed("sync the folder of", number))?;
        let kept_from = Snapshots { disk: self.disk.clone() }.keep_two(number, self.from)?;
        Ok(Saved { number, records: self.records, bytes: self.offset, kept_from })
    }

    fn flush(&mut self, kind: Kind) -> Result<(), StoreError> {
        let (number, count) = (self.number, std::mem::take(&mut self.count));
        block::write(&mut self.block, kind, number, self.index, count, &self.body);
        self.file.write_at(self.offset, &self.block).map_err(failed("write", number))?;
        self.sum.update(&self.block);
        self.offset += self.block.len() as u64;
        self.index += 1;
        self.body.clear();
        if self.offset - self.synced >= SYNC_BYTES {
            self.file.sync().map_err(failed("sync", number))?;
            self.synced = self.offset;
        }
        Ok(())
    }
}

impl Drop for SnapshotWriter {
    fn drop(&mut self) {
        if !self.finished {
            // It only takes space; what cannot be removed now is removed when the folder is opened.
            let _ = self.disk.remove(&unfinished_name(self.number));
        }
    }
}
