//! Looking at a node.

use std::collections::BTreeMap;
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_manifests::{InstanceAddress, MachineAddress};

use super::{Node, NodeError};
use crate::api::{CaseCount, Counts, History, Instances, MachineStatus, NodeStatus, ParkedList};
use crate::engine::supervise::Counters;
use crate::engine::{ParkedPlace, merged};
use crate::release::{MachineCode, reference};

impl Node {
    /// Returns how the node is.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn status(&mut self) -> Result<NodeStatus, NodeError> {
        let counts = self.counts()?;
        let mut by_machine: BTreeMap<MachineAddress, Counts> = BTreeMap::new();
        for of_shard in self.crew.each(|shard| shard.counts_by_machine())? {
            for (machine, counts) in of_shard {
                by_machine.entry(machine).or_default().add(&counts);
            }
        }
        let clients = super::clients::status(self.seen()?);
        let now_ms = self.crew.each(|shard| shard.now_ms())?.into_iter().fold(self.now_ms, i64::max);
        let mut cases: BTreeMap<MachineAddress, Counters> = BTreeMap::new();
        for of_shard in self.crew.each(|shard| shard.counters())? {
            for (machine, counters) in of_shard {
                match cases.get_mut(&machine) {
                    Some(sum) => sum.merge(&counters),
                    None => drop(cases.insert(machine, counters)),
                }
            }
        }
        let (unhealthy, disk_full) = (self.unhealthy(), self.crew.is_full());
        let release = self.release.as_ref();
        let machine = |code: &Arc<MachineCode>| MachineStatus {
            machine: code.address.to_string(),
            version: code.version.clone(),
            digest: code.digest(),
            keyed: code.keyed(),
            counts: by_machine.get(&code.address).copied().unwrap_or_default(),
            cases: cases.get(&code.address).map(|counters| of_cases(code, counters)).unwrap_or_default(),
        };
        Ok(NodeStatus {
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            running: self.ledger.running().map(reference),
            state: self.ledger.state(),
            rollback_to: self.ledger.previous().map(reference),
            releases: self.ledger.releases(),
            switch: self.ledger.switch,
            switched_ms: self.ledger.switched_ms,
            last_pause_us: self.last_pause_us,
            machines: release.map(|release| release.machines().map(machine).collect()).unwrap_or_default(),
            counts,
            speaks: release
                .map(|release| release.speech.versions().map(|version| version.to_string()).collect())
                .unwrap_or_default(),
            api_default: release.map(|release| release.speech.default().to_string()),
            clients,
            unhealthy,
            disk_full,
            // The node's shell knows them.
            labels: Default::default(),
            // The gate is outside the node.
            trust: None,
            now_ms,
        })
    }

    /// Returns the sums over all instances.
    pub(super) fn counts(&mut self) -> Result<Counts, NodeError> {
        let mut counts = Counts::default();
        for of_shard in self.crew.each(|shard| shard.counts())? {
            counts.add(&of_shard);
        }
        Ok(counts)
    }

    /// Returns the archives of the bundles that are kept, by their digests, the newest first.
    pub fn archives(&self) -> Vec<Digest> {
        self.ledger.archives()
    }

    /// Returns an archive, if it is kept.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub fn archive(&mut self, digest: Digest) -> Result<Option<Vec<u8>>, NodeError> {
        self.crew.blob(digest)
    }

    /// Returns true for a bundle that ever ran here.
    pub fn ran(&self, digest: Digest) -> bool {
        self.ledger.ran(digest)
    }

    /// Returns what was done to the node.
    pub fn history(&self) -> History {
        History { entries: self.ledger.history.clone() }
    }

    /// Returns up to `limit` of what is parked, of one instance or of all, after a place.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn parked(
        &mut self,
        of: Option<&InstanceAddress>,
        after: Option<&ParkedPlace>,
        limit: usize,
    ) -> Result<ParkedList, NodeError> {
        let (of, after) = (of.cloned(), after.cloned());
        let lists = self.crew.each(move |shard| shard.parked(of.as_ref(), after.as_ref(), limit + 1))?;
        let mut all: Vec<_> = lists.into_iter().flatten().collect();
        all.sort_by(|(a, _), (b, _)| a.cmp(b));
        let more = all.len() > limit;
        all.truncate(limit);
        // No name of an application begins with a digit, and no number has a `@`.
        let next = all.last().map(|((address, number), _)| format!("{number}@{address}")).filter(|_| more);
        Ok(ParkedList { parked: all.into_iter().map(|(_, parked)| parked).collect(), next })
    }

    /// Returns up to `limit` instances that are held after an address.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn held_instances(&mut self, after: Option<&str>, limit: usize) -> Result<Instances, NodeError> {
        let after = after.map(str::to_owned);
        let lists = self.crew.each(move |shard| shard.list_of(after.as_deref(), limit + 1, true))?;
        Ok(merged(lists, limit))
    }

    /// Returns up to `limit` instances after an address.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn instances(&mut self, after: Option<&str>, limit: usize) -> Result<Instances, NodeError> {
        let after = after.map(str::to_owned);
        let lists = self.crew.each(move |shard| shard.list(after.as_deref(), limit + 1))?;
        Ok(merged(lists, limit))
    }
}

/// Returns what came of the inputs of a machine, by case.
fn of_cases(code: &MachineCode, counters: &Counters) -> Vec<CaseCount> {
    let Some(variant) = code.verified.input().as_variant() else { return vec![] };
    counters.status(variant.cases.iter().map(|case| &*case.label))
}
