//! A journal in memory, for tests and simulations.
//!
//! It is as strict as the one on disk: records go through the same bytes. Clones share what is
//! "on disk", so that a test drops one and opens another to play a crash.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use camshaft_cam::digest::Digest;

use crate::codec::{decode, encode};
use crate::journal::{Journal, StoreError};
use crate::record::{ClientSeen, Control, Record};
use crate::snapshot::Snapshot;

/// A journal in memory.
#[derive(Debug, Clone, Default)]
pub struct MemoryJournal(Arc<Mutex<Disk>>);

#[derive(Debug, Default)]
struct Disk {
    records: Vec<Vec<u8>>,
    snapshot: Option<Snapshot>,
    clients: Vec<ClientSeen>,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

impl MemoryJournal {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        // A test that panics while it holds the lock has failed already.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the records, for tests that look at them.
    ///
    /// # Errors
    ///
    /// When a record cannot be read.
    pub fn records(&self) -> Result<Vec<Record>, StoreError> {
        let mut records = vec![];
        self.read(0, &mut |_, record| {
            records.push(record);
            Ok(())
        })?;
        Ok(records)
    }
}

impl Journal for MemoryJournal {
    fn append(&mut self, records: &[Record]) -> Result<u64, StoreError> {
        let mut disk = self.disk();
        disk.records.extend(records.iter().map(encode));
        Ok(disk.records.len() as u64)
    }

    fn last(&self) -> Result<u64, StoreError> {
        Ok(self.disk().records.len() as u64)
    }

    fn read(
        &self,
        after: u64,
        visit: &mut dyn FnMut(u64, Record) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let records = self.disk().records.clone();
        for (position, bytes) in (1..).zip(&records).skip(usize::try_from(after).unwrap_or(usize::MAX)) {
            let record = decode(bytes)
                .map_err(|source| StoreError::Codec { what: format!("record {position}"), source })?;
            visit(position, record)?;
        }
        Ok(())
    }

    fn controls(&self) -> Result<Vec<(u64, Control)>, StoreError> {
        let mut controls = vec![];
        self.read(0, &mut |position, record| {
            if let Record::Control(control) = record {
                controls.push((position, control));
            }
            Ok(())
        })?;
        Ok(controls)
    }

    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        self.disk().snapshot = Some(snapshot.clone());
        Ok(())
    }

    fn snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.disk().snapshot.clone())
    }

    fn save_clients(&mut self, clients: &[ClientSeen]) -> Result<(), StoreError> {
        self.disk().clients = clients.to_vec();
        Ok(())
    }

    fn clients(&self) -> Result<Vec<ClientSeen>, StoreError> {
        Ok(self.disk().clients.clone())
    }

    fn put_blob(&mut self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        self.disk().blobs.insert(digest, bytes.to_vec());
        Ok(digest)
    }

    fn blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.disk().blobs.get(&digest).cloned())
    }
}
