//! What operators do to shards and journal that are in other threads.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use camshaft_store::{Chunk, Journal, StoreError};
use tokio::sync::oneshot;

use super::shard::ToShard;
use super::writer::ToWriter;
use super::{Shared, gone};
use crate::engine::{Epoch, Shard};
use crate::node::{NodeError, full};

/// The shards and the journal of a node, in other threads.
pub(crate) struct Away {
    shared: Arc<Shared>,
    writer: SyncSender<ToWriter>,
}

impl Away {
    pub(super) fn new(shared: Arc<Shared>, writer: SyncSender<ToWriter>) -> Away {
        Away { shared, writer }
    }

    pub(crate) fn shards(&self) -> u16 {
        u16::try_from(self.shared.shards.len()).unwrap_or(u16::MAX)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.shared.is_full()
    }

    /// Lets the threads know of a switch, before any shard goes over it.
    pub(crate) fn announce(&self, epoch: &Arc<Epoch>) {
        self.shared.set_epoch(Some(epoch.clone()));
    }

    pub(crate) fn each<T: Send + 'static>(
        &self,
        job: impl Fn(&mut Shard) -> T + Send + Sync + 'static,
    ) -> Result<Vec<T>, NodeError> {
        let nothing = self.shared.shards.iter().map(|_| ()).collect();
        self.each_with(nothing, move |shard, ()| job(shard))
    }

    pub(crate) fn each_with<A: Send + 'static, T: Send + 'static>(
        &self,
        each: Vec<A>,
        job: impl Fn(&mut Shard, A) -> T + Send + Sync + 'static,
    ) -> Result<Vec<T>, NodeError> {
        let job = Arc::new(job);
        let mut results = vec![];
        for (shard, argument) in self.shared.shards.iter().zip(each) {
            let (done, result) = sync_channel(1);
            let job = job.clone();
            let job = Box::new(move |shard: &mut Shard| {
                // Who asked waits, unless the node ends.
                let _ = done.send(job(shard, argument));
            });
            shard.send(ToShard::Job(job)).map_err(|_| gone())?;
            results.push(result);
        }
        results.into_iter().map(|result| result.recv().map_err(|_| gone().into())).collect()
    }

    /// Waits until what came out of the shards so far is durable; on a full disk it does not.
    pub(crate) fn flush(&self) -> Result<(), NodeError> {
        self.each(|_| ())?;
        let (told, is_told) = oneshot::channel();
        self.writer.send(ToWriter::Barrier(told)).map_err(|_| gone())?;
        is_told.blocking_recv().map_err(|_| gone().into())
    }

    /// Appends control records; returns the position of the last.
    pub(crate) fn append(&self, chunk: Chunk) -> Result<u64, NodeError> {
        let (told, is_told) = oneshot::channel();
        self.writer.send(ToWriter::Control(chunk, told)).map_err(|_| gone())?;
        is_told.blocking_recv().map_err(|_| NodeError::from(gone()))?.map_err(full)
    }

    /// Does something with the journal in its thread.
    pub(crate) fn journal<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Journal) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, NodeError> {
        let (told, is_told) = oneshot::channel();
        let job = Box::new(move |journal: &mut dyn Journal| {
            let (result, ends) = match job(journal) {
                Ok(value) => (Ok(value), Ok(())),
                Err(error) => {
                    let said = StoreError::Refused(error.to_string());
                    (Err(said), Err(error))
                }
            };
            // Who asked waits, unless the node ends.
            let _ = told.send(result);
            ends
        });
        self.writer.send(ToWriter::Job(job)).map_err(|_| gone())?;
        let result = is_told.blocking_recv().map_err(|_| NodeError::from(gone()))?;
        result.map_err(NodeError::Journal)
    }
}
