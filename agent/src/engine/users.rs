//! Which machines' code the durable bytes of a shard are written in.

use std::collections::BTreeMap;
use std::ops::Bound;

use camshaft_cam::digest::Digest;
use camshaft_manifests::InstanceAddress;
use camshaft_store::{Parked, ParkedItem};

use super::Shard;
use super::redrive::is_husk;
use super::walk::CountPlace;

/// What is written in the code of one machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uses {
    /// One of it, for people.
    pub first: String,
    /// How much there is of it.
    pub count: u64,
}

/// What a slice of a shard is written in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    /// By machine.
    pub by: BTreeMap<Digest, Uses>,
    /// Where the walk goes on; none at its end.
    pub next: Option<CountPlace>,
}

impl Users {
    fn add(&mut self, writer: Digest, what: impl FnOnce() -> String) {
        match self.by.get_mut(&writer) {
            Some(uses) => uses.count += 1,
            None => drop(self.by.insert(writer, Uses { first: what(), count: 1 })),
        }
    }

    fn add_parked(&mut self, address: &InstanceAddress, parked: &[Parked]) {
        for parked in parked {
            let (writer, what) = match &parked.item {
                ParkedItem::Mail(mail) => (mail.writer, "a message that is parked"),
                ParkedItem::Timer(timer) => (timer.writer, "a timer that is parked"),
                // A call has left the types of the machine.
                ParkedItem::Call(_) => continue,
            };
            self.add(writer, || format!("{what} of {address}"));
        }
    }
}

impl Shard {
    /// Returns what up to `most` instances from a place on are written in that does not go over to the release that
    /// runs: states that are held or archived, and what is parked.
    pub fn users_some(&self, from: &CountPlace, most: usize) -> Users {
        let mut users = Users::default();
        match from {
            CountPlace::Slot(first) => {
                let end = first.saturating_add(most.max(1)).min(self.table.slots());
                for (_, resident) in (*first..end).filter_map(|slot| self.table.at(slot)) {
                    let address = &resident.address;
                    if let Some(held) = resident.instance.held() {
                        users.add(held.machine, || format!("the state of {address}, which is held"));
                    }
                    users.add_parked(address, &resident.instance.rest().parked);
                }
                users.next = match (end < self.table.slots(), self.archive.is_empty()) {
                    (true, _) => Some(CountPlace::Slot(end)),
                    (false, false) => Some(CountPlace::Archive(None)),
                    (false, true) => None,
                };
            }
            CountPlace::Archive(after) => {
                let from = after.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
                let mut seen = 0;
                for (place, saved) in self.archive.range((from, Bound::Unbounded)).take(most.max(1)) {
                    let (address, writer, _) = place;
                    if !is_husk(saved) {
                        users.add(*writer, || format!("the archived state of {address}"));
                    }
                    users.add_parked(address, &saved.parked);
                    seen += 1;
                    users.next = Some(CountPlace::Archive(Some(place.clone())));
                }
                if seen < most.max(1) {
                    users.next = None;
                }
            }
        }
        users
    }
}
