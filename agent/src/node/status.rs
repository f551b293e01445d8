//! Looking at a node.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_manifests::{InstanceAddress, MachineAddress};

use super::{Node, NodeError};
use crate::api::{
    Audit, CaseCount, Counts, History, Instances, JournalStatus, MachineStatus, NodeStatus, ParkedList,
};
use crate::audit::audit_of;
use crate::engine::supervise::Counters;
use crate::engine::{CountPlace, Found, Listed, Listing, ParkedPlace, SLICE, Shard, merged};
use crate::problem;
use crate::release::{MachineCode, reference};

impl Node {
    /// Returns how the node is.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn status(&mut self) -> Result<NodeStatus, NodeError> {
        let (counts, by_machine) = self.census()?;
        let journal = JournalStatus {
            position: self.crew.position()?,
            covered: self.covered,
            bytes: self.crew.bytes()?,
        };
        let clients = super::clients::status(self.seen()?);
        let now_ms = self.crew.each(|shard| shard.now_ms())?.into_iter().fold(self.now_ms, i64::max);
        let cases = self.counters()?;
        let probation = self.probation()?;
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
            probation,
            machines: release.map(|release| release.machines().map(machine).collect()).unwrap_or_default(),
            counts,
            speaks: release
                .map(|release| release.speech.versions().map(|version| version.to_string()).collect())
                .unwrap_or_default(),
            api_default: release.map(|release| release.speech.default().to_string()),
            clients,
            unhealthy,
            disk_full,
            journal: Some(journal),
            // The node's shell knows them.
            labels: Default::default(),
            // The gate is outside the node.
            trust: None,
            trial: None,
            now_ms,
        })
    }

    /// Returns the sums over all instances.
    pub(super) fn counts(&mut self) -> Result<Counts, NodeError> {
        Ok(self.census()?.0)
    }

    /// Returns the sums over all instances, and those of each machine; a slice at a time.
    fn census(&mut self) -> Result<(Counts, BTreeMap<MachineAddress, Counts>), NodeError> {
        let (mut counts, mut machines) = (Counts::default(), BTreeMap::<MachineAddress, Counts>::new());
        let mut places: Vec<_> = (0..self.crew.shards()).map(|_| Some(CountPlace::Slot(0))).collect();
        while places.iter().any(Option::is_some) {
            let slices = self
                .crew
                .each_with(places, |shard, place| place.map(|place| shard.count_some(&place, SLICE)))?;
            places = vec![];
            for slice in slices {
                places.push(slice.as_ref().and_then(|slice| slice.next.clone()));
                let Some(slice) = slice else { continue };
                counts.add(&slice.archived);
                for (machine, of_machine) in slice.machines {
                    counts.add(&of_machine);
                    machines.entry(machine).or_default().add(&of_machine);
                }
            }
        }
        Ok((counts, machines))
    }

    /// Gathers what a walk finds and `sift` wants, a slice at a time, until each shard is at its end or has `limit`.
    fn walk<P: Clone + Send + 'static, T: Send + 'static>(
        &mut self,
        first: P,
        limit: usize,
        go_on: impl Fn(InstanceAddress) -> P,
        slice: impl Fn(&Shard, &P) -> Found<T> + Send + Sync + Clone + 'static,
        sift: impl Fn(T) -> Option<T>,
    ) -> Result<Vec<Vec<T>>, NodeError> {
        let mut lists: Vec<Vec<T>> = (0..self.crew.shards()).map(|_| vec![]).collect();
        let mut places: Vec<Option<P>> = lists.iter().map(|_| Some(first.clone())).collect();
        while places.iter().any(Option::is_some) {
            let slice = slice.clone();
            let slices =
                self.crew.each_with(places, move |shard, place| place.map(|place| slice(shard, &place)))?;
            places = vec![];
            for (list, slice) in lists.iter_mut().zip(slices) {
                let next = slice.and_then(|slice| {
                    list.extend(slice.found.into_iter().filter_map(&sift));
                    slice.next
                });
                places.push(next.filter(|_| list.len() < limit).map(&go_on));
            }
        }
        Ok(lists)
    }

    /// Returns the archives of the bundles that are kept, by their digests, the newest first.
    pub fn archives(&self) -> Vec<Digest> {
        self.ledger.archives()
    }

    /// Returns an archive, if it is kept.
    ///
    /// # Errors
    ///
    /// When it cannot be read, which ends nothing.
    pub fn archive(&mut self, digest: Digest) -> Result<Option<Vec<u8>>, NodeError> {
        self.crew.blob(digest).map_err(|error| {
            let reason = super::store_error(error);
            problem::FAULT.problem(format!("a bundle cannot be read: {reason}")).into()
        })
    }

    /// Returns true for a bundle that ever ran here.
    pub fn ran(&self, digest: Digest) -> bool {
        self.ledger.ran(digest)
    }

    /// Returns the number of the last switch; 0 on an empty node.
    pub fn last_switch(&self) -> u64 {
        self.ledger.switch
    }

    /// Returns what was done to the node.
    pub fn history(&self) -> History {
        History { entries: self.ledger.history.clone() }
    }

    /// Returns every command and switch of the node, in a chain of hashes.
    pub fn audit(&self) -> Audit {
        audit_of(self.controls.iter().map(|(_, control)| control))
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
        let lists = match of.cloned() {
            Some(of) => {
                let after = after.cloned();
                self.crew.each(move |shard| shard.parked_of(&of, after.as_ref()))?
            }
            None => {
                let first = after.map_or(Bound::Unbounded, |(address, _)| Bound::Included(address.clone()));
                let after = after.cloned();
                let slice = move |shard: &Shard, from: &Bound<InstanceAddress>| {
                    shard.parked_some(from.as_ref(), after.as_ref(), limit + 1, SLICE)
                };
                self.walk(first, limit + 1, Bound::Excluded, slice, Some)?
            }
        };
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
    pub fn held_instances(&mut self, after: Option<&str>, limit: usize) -> Result<Listing, NodeError> {
        let first: Option<InstanceAddress> = after.and_then(|after| after.parse().ok());
        let slice = move |shard: &Shard, after: &Option<InstanceAddress>| {
            shard.held_some(after.as_ref(), limit + 1, SLICE)
        };
        // Whether a large state can go over is found out here: its shard does not wait for it.
        let lists = self.walk(first, limit + 1, Some, slice, Listed::held)?;
        Ok(merged(lists, limit))
    }

    /// Returns up to `limit` instances after an address. Large states among them are looked at when the page is asked for.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn listing(&mut self, after: Option<&str>, limit: usize) -> Result<Listing, NodeError> {
        let after = after.map(str::to_owned);
        let lists = self.crew.each(move |shard| shard.list(after.as_deref(), limit + 1))?;
        Ok(merged(lists, limit))
    }

    /// Returns the same, looked at.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn instances(&mut self, after: Option<&str>, limit: usize) -> Result<Instances, NodeError> {
        self.listing(after, limit).map(Listing::page)
    }
}

/// Returns what came of the inputs of a machine, by case.
fn of_cases(code: &MachineCode, counters: &Counters) -> Vec<CaseCount> {
    let Some(variant) = code.verified.input().as_variant() else { return vec![] };
    counters.status(variant.cases.iter().map(|case| &*case.label))
}
