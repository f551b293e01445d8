//! Looking at the instances.

use camshaft_cam::digest::Digest;
use camshaft_manifests::InstanceAddress;
use camshaft_store::Status;

use super::Shard;
use super::instance::{Instance, State};
use super::redrive::is_husk;
use crate::api::{Counts, InstanceState, InstanceStatus, Instances, TimerStatus};

/// Marks the place of an archived instance in a listing; no address begins so.
const ARCHIVED: char = '~';

impl Shard {
    /// Returns up to `limit` instances after a place in the listing, each with its own place: by address;
    /// archived ones come last.
    pub fn list(&self, after: Option<&str>, limit: usize) -> Vec<(String, InstanceStatus)> {
        let in_archive = after.is_some_and(|after| after.starts_with(ARCHIVED));
        let place: Option<InstanceAddress> =
            after.filter(|_| !in_archive).and_then(|after| after.parse().ok());
        let live = self.table.after(place.as_ref()).filter(|_| !in_archive);
        let live = live.map(|resident| (resident.address.to_string(), Ok(resident)));
        // One address may stand in the archive several times.
        let cursor = |(address, writer, reset): &(InstanceAddress, Digest, u32)| {
            let mark = if *reset > 0 { format!("!{reset}") } else { String::new() };
            format!("{ARCHIVED}{address}@{}{mark}", writer.short())
        };
        let archived = self.archive.iter().map(|(key, saved)| (cursor(key), Err(saved)));
        let mut archived: Vec<_> = archived
            .filter(|(cursor, _)| !in_archive || after.is_none_or(|after| cursor.as_str() > after))
            .collect();
        archived.sort_by(|(a, _), (b, _)| a.cmp(b));
        live.chain(archived)
            .take(limit)
            .map(|(cursor, entry)| match entry {
                Ok(resident) => (cursor, status(&resident.address, &self.gone_over(resident))),
                Err(saved) => (cursor, archived_status(saved)),
            })
            .collect()
    }
}

/// Puts the listings of several shards together. `next` is the place after which the listing goes on.
pub fn merged(lists: Vec<Vec<(String, InstanceStatus)>>, limit: usize) -> Instances {
    let mut all: Vec<(String, InstanceStatus)> = lists.into_iter().flatten().collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    let more = all.len() > limit;
    all.truncate(limit);
    let next = all.last().map(|(cursor, _)| cursor.clone()).filter(|_| more);
    Instances { instances: all.into_iter().map(|(_, status)| status).collect(), next }
}

pub(super) fn count(counts: &mut Counts, instance: &Instance) {
    counts.instances += 1;
    counts.held += u64::from(instance.held().is_some());
    let rest = instance.rest();
    counts.queued += rest.mailbox.len() as u64;
    counts.parked += rest.parked.len() as u64;
    counts.timers += rest.timers.len() as u64;
    counts.applied += instance.seq;
}

pub(super) fn status(address: &InstanceAddress, instance: &Instance) -> InstanceStatus {
    let (state, why) = match &instance.state {
        State::None => (InstanceState::Stopped, None),
        State::Live(_) => (InstanceState::Live, None),
        State::Held(held) => (InstanceState::Held, Some(held.reason.clone())),
    };
    let (state_bytes, state_digest) = match &instance.state {
        State::None => (0, Digest::of(b"")),
        State::Live(_) => {
            let bytes = instance.state_bytes().unwrap_or_default();
            (bytes.len() as u64, Digest::of(&bytes))
        }
        State::Held(held) => {
            let bytes = held.state.as_deref().unwrap_or_default();
            (bytes.len() as u64, Digest::of(bytes))
        }
    };
    let rest = instance.rest();
    let timers = rest.timers.iter();
    InstanceStatus {
        address: address.to_string(),
        state,
        why,
        digest: instance.writer(),
        seq: instance.seq,
        state_bytes,
        state_digest,
        queued: rest.mailbox.len() as u64,
        parked: rest.parked.len() as u64,
        timers: timers
            .map(|(name, timer)| TimerStatus { name: name.to_string(), due_ms: timer.due_ms })
            .collect(),
    }
}

fn archived_status(saved: &camshaft_store::InstanceSnapshot) -> InstanceStatus {
    let bytes = saved.state.as_deref().unwrap_or_default();
    let why = match &saved.status {
        Status::Archived { held: Some((reason, _)) } => Some(reason.clone()),
        // It stopped, or was given up.
        _ if is_husk(saved) => Some("nothing is left of it but its numbers and kept answers".to_owned()),
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
