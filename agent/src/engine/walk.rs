//! Walks over all instances of a shard, a slice at a time: between two slices, steps are run.
//!
//! A walk is no cut: what changes while it goes on is seen before or after. Nothing is listed or counted twice, but
//! by slots, a place that an instance leaves may be taken by another.

use std::collections::BTreeMap;
use std::ops::Bound;

use camshaft_cam::digest::Digest;
use camshaft_manifests::{InstanceAddress, MachineAddress};

use super::Shard;
use super::parked::ParkedPlace;
use super::status::{Listed, count};
use super::table::Resident;
use crate::api::{Counts, ParkedStatus};

/// How many instances are looked at in one job of a shard. The inputs of the shard wait meanwhile.
pub const SLICE: usize = 512;

/// Where a count goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CountPlace {
    /// At this slot.
    Slot(usize),
    /// Behind this one of what is archived; none: at the first.
    Archive(Option<(InstanceAddress, Digest, u32)>),
}

/// What was counted in a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// The sums over those that live, by machine.
    pub machines: BTreeMap<MachineAddress, Counts>,
    /// The sums over what is archived.
    pub archived: Counts,
    /// Where the count goes on; none at its end.
    pub next: Option<CountPlace>,
    /// How many instances and free slots were looked at.
    pub visited: usize,
}

/// What was found in a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// What it is, by address.
    pub found: Vec<T>,
    /// After which address the walk goes on; none at its end.
    pub next: Option<InstanceAddress>,
    /// How many instances were looked at.
    pub visited: usize,
}

impl Shard {
    /// Counts up to `most` instances from a place on.
    pub fn count_some(&self, from: &CountPlace, most: usize) -> Counted {
        let mut counted =
            Counted { machines: BTreeMap::new(), archived: Counts::default(), next: None, visited: 0 };
        match from {
            CountPlace::Slot(first) => {
                let slots = self.table.slots();
                let end = first.saturating_add(most.max(1)).min(slots);
                let residents =
                    (*first..end).filter_map(|slot| self.table.at(slot)).map(|(_, resident)| resident);
                // Neighbours mostly are of one machine.
                let of_one = |a: &&Resident, b: &&Resident| {
                    (&a.address.machine, &a.address.app) == (&b.address.machine, &b.address.app)
                };
                let residents: Vec<&Resident> = residents.collect();
                for residents in residents.chunk_by(of_one) {
                    let machine = residents[0].address.machine_address();
                    let counts = counted.machines.entry(machine).or_default();
                    for resident in residents {
                        count(counts, &resident.instance);
                        counts.behind += u64::from(resident.instance.switch != self.switch);
                    }
                }
                counted.visited = end.saturating_sub(*first);
                counted.next = match (end < slots, self.archive.is_empty()) {
                    (true, _) => Some(CountPlace::Slot(end)),
                    (false, false) => Some(CountPlace::Archive(None)),
                    (false, true) => None,
                };
            }
            CountPlace::Archive(after) => {
                let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
                let mut last = None;
                for (place, saved) in self.archive.range((from, Bound::Unbounded)).take(most.max(1)) {
                    counted.archived.archived += 1;
                    counted.archived.queued += saved.mailbox.len() as u64;
                    counted.archived.parked += saved.parked.len() as u64;
                    counted.visited += 1;
                    last = Some(place);
                }
                if counted.visited == most.max(1) {
                    counted.next = last.map(|last| CountPlace::Archive(Some(last.clone())));
                }
            }
        }
        counted
    }

    /// Returns up to `limit` instances that are held after an address, among up to `most`; and large ones of which that is yet
    /// to be found out.
    pub fn held_some(&self, after: Option<&InstanceAddress>, limit: usize, most: usize) -> Found<Listed> {
        let mut slice = Found { found: vec![], next: None, visited: 0 };
        for resident in self.table.after(after) {
            // Who has yet to go over a switch and cannot is held already, for whoever asks.
            if resident.instance.held().is_some() || resident.instance.switch != self.switch {
                let listed = self.listed(resident);
                slice.found.extend(if listed.is_large() { Some(listed) } else { listed.held() });
            }
            slice.visited += 1;
            if slice.visited >= most || slice.found.len() >= limit {
                slice.next = Some(resident.address.clone());
                break;
            }
        }
        slice
    }

    /// Returns what is parked from an address on, after a place, of up to `most` instances and what is archived of
    /// them; no more instances are looked at when `limit` is reached.
    pub fn parked_some(
        &self,
        from: Bound<&InstanceAddress>,
        after: Option<&ParkedPlace>,
        limit: usize,
        most: usize,
    ) -> Found<(ParkedPlace, ParkedStatus)> {
        let mut slice = Found { found: vec![], next: None, visited: 0 };
        let mut live = self.table.from(from).map(|resident| &resident.address).peekable();
        let archived = match from {
            Bound::Included(at) => Bound::Included((at.clone(), Digest::from_bytes([0; 32]), 0)),
            Bound::Excluded(at) => Bound::Excluded((at.clone(), Digest::from_bytes([0xff; 32]), u32::MAX)),
            Bound::Unbounded => Bound::Unbounded,
        };
        let mut archived =
            self.archive.range((archived, Bound::Unbounded)).map(|((at, ..), _)| at).peekable();
        loop {
            let address = match (live.peek(), archived.peek()) {
                (None, None) => return slice,
                (Some(one), None) | (None, Some(one)) => *one,
                (Some(one), Some(other)) => *one.min(other),
            };
            slice.visited += usize::from(live.next_if_eq(&address).is_some());
            while archived.next_if_eq(&address).is_some() {
                slice.visited += 1;
            }
            slice.found.extend(self.parked_of(address, after));
            if slice.visited >= most || slice.found.len() >= limit {
                slice.next = Some(address.clone());
                return slice;
            }
        }
    }
}
