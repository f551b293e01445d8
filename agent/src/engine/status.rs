//! Looking at the instances.

use std::ops::Bound;

use camshaft_cam::digest::Digest;
use camshaft_manifests::{InstanceAddress, MachineAddress};
use camshaft_store::Status;

use super::Engine;
use super::instance::{Instance, State};
use crate::api::{Counts, InstanceState, InstanceStatus, Instances, MachineStatus, TimerStatus};

/// Marks the place of an archived instance in a listing; no address begins so.
const ARCHIVED: char = '~';

impl Engine {
    /// Returns the sums over all instances.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for instance in self.instances.values() {
            count(&mut counts, instance);
        }
        for saved in self.archive.values() {
            counts.archived += 1;
            counts.queued += saved.mailbox.len() as u64;
            counts.parked += saved.parked.len() as u64;
        }
        counts
    }

    /// Returns the machines of the running release, in dependency order.
    pub fn machines(&self) -> Vec<MachineStatus> {
        let Some(release) = &self.release else { return vec![] };
        let mut counts: std::collections::BTreeMap<MachineAddress, Counts> = Default::default();
        for (address, instance) in &self.instances {
            count(counts.entry(address.machine_address()).or_default(), instance);
        }
        let status = |code: &std::sync::Arc<crate::release::MachineCode>| MachineStatus {
            machine: code.address.to_string(),
            version: code.version.clone(),
            digest: code.digest(),
            keyed: code.keyed(),
            counts: counts.get(&code.address).copied().unwrap_or_default(),
        };
        release.machines().map(status).collect()
    }

    /// Returns up to `limit` instances after an address, by address; archived ones come last.
    pub fn list(&self, after: Option<&str>, limit: usize) -> Instances {
        let place: Option<InstanceAddress> = after.and_then(|after| after.parse().ok());
        let from = place.map_or(Bound::Unbounded, Bound::Excluded);
        let in_archive = after.is_some_and(|after| after.starts_with(ARCHIVED));
        let live = self.instances.range((from, Bound::Unbounded)).filter(|_| !in_archive);
        let live = live.map(|(address, instance)| (address.to_string(), Ok((address, instance))));
        // One address may stand in the archive several times.
        let archived = self.archive.iter().map(|((address, writer), saved)| {
            (format!("{ARCHIVED}{address}@{}", writer.short()), Err(saved))
        });
        let mut all = live.chain(archived);
        if in_archive {
            all.by_ref().find(|(cursor, _)| Some(cursor.as_str()) == after);
        }
        let mut instances = vec![];
        let mut last = None;
        for (cursor, entry) in all.by_ref().take(limit) {
            last = Some(cursor);
            instances.push(match entry {
                Ok((address, instance)) => status(address, instance),
                Err(saved) => archived_status(saved),
            });
        }
        let more = all.next().is_some();
        Instances { instances, next: last.filter(|_| more) }
    }
}

fn count(counts: &mut Counts, instance: &Instance) {
    counts.instances += 1;
    counts.held += u64::from(instance.held().is_some());
    counts.queued += instance.mailbox.len() as u64;
    counts.parked += instance.parked.len() as u64;
    counts.timers += instance.timers.len() as u64;
    counts.applied += instance.seq;
}

fn status(address: &InstanceAddress, instance: &Instance) -> InstanceStatus {
    let (state, why) = match &instance.state {
        State::None => (InstanceState::Stopped, None),
        State::Live(_) => (InstanceState::Live, None),
        State::Held(held) => (InstanceState::Held, Some(held.reason.clone())),
    };
    let (state_bytes, state_digest) = match &instance.state {
        State::None => (0, Digest::of(b"")),
        State::Live(live) => (live.size, live.digest),
        State::Held(held) => {
            let bytes = held.state.as_deref().unwrap_or_default();
            (bytes.len() as u64, Digest::of(bytes))
        }
    };
    let timers = instance.timers.iter();
    InstanceStatus {
        address: address.to_string(),
        state,
        why,
        digest: instance.writer(),
        seq: instance.seq,
        state_bytes,
        state_digest,
        queued: instance.mailbox.len() as u64,
        parked: instance.parked.len() as u64,
        timers: timers
            .map(|(name, timer)| TimerStatus { name: name.to_string(), due_ms: timer.due_ms })
            .collect(),
    }
}

fn archived_status(saved: &camshaft_store::InstanceSnapshot) -> InstanceStatus {
    let bytes = saved.state.as_deref().unwrap_or_default();
    let why = match &saved.status {
        Status::Archived { held: Some((reason, _)) } => Some(reason.clone()),
        _ => None,
    };
    InstanceStatus {
        address: saved.address.clone(),
        state: InstanceState::Archived,
        why,
        digest: saved.machine,
        seq: saved.seq,
        state_bytes: bytes.len() as u64,
        state_digest: Digest::of(bytes),
        queued: saved.mailbox.len() as u64,
        parked: saved.parked.len() as u64,
        timers: saved
            .timers
            .iter()
            .map(|timer| TimerStatus { name: timer.name.clone(), due_ms: timer.due_ms })
            .collect(),
    }
}
