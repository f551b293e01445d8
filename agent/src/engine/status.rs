//! Looking at the instances.

use std::ops::Bound;

use camshaft_cam::digest::Digest;
use camshaft_manifests::InstanceAddress;
use camshaft_store::Status;

use super::Shard;
use super::instance::{Instance, State};
use super::redrive::is_husk;
use super::table::Resident;
use super::touch::Crossing;
use crate::api::{Counts, InstanceState, InstanceStatus, Instances, TimerStatus};

/// Marks the place of an archived instance in a listing; no address begins so.
const ARCHIVED: char = '~';

/// The place of an entry in a listing: who lives comes first, by address, then what is archived, by address, code and
/// number, so that a page is found without going through all of the archive.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    archived: bool,
    address: InstanceAddress,
    /// The code, as it is shown, and the number of the reset: one address may stand in the archive several times.
    writer: String,
    reset: u32,
}

impl Place {
    fn live(address: &InstanceAddress) -> Place {
        Place { archived: false, address: address.clone(), writer: String::new(), reset: 0 }
    }

    fn archived((address, writer, reset): &(InstanceAddress, Digest, u32)) -> Place {
        Place { archived: true, address: address.clone(), writer: writer.short(), reset: *reset }
    }

    /// Reads what [`Place::written`] wrote, and the address of who lives.
    fn read(text: &str) -> Option<Place> {
        let Some(text) = text.strip_prefix(ARCHIVED) else {
            return Some(Place::live(&text.parse().ok()?));
        };
        let (address, code) = text.rsplit_once('@')?;
        let (writer, reset) = code.split_once('!').unwrap_or((code, "0"));
        let (address, reset) = (address.parse().ok()?, reset.parse().ok()?);
        Some(Place { archived: true, address, writer: writer.to_owned(), reset })
    }

    fn written(&self) -> String {
        let Place { archived, address, writer, reset } = self;
        match (archived, reset) {
            (false, _) => address.to_string(),
            (true, 0) => format!("{ARCHIVED}{address}@{writer}"),
            (true, reset) => format!("{ARCHIVED}{address}@{writer}!{reset}"),
        }
    }
}

/// An entry of a listing, as a shard gives it. Of a large state it has a copy, which shares its parts: to write such a state
/// out, and to take it over a switch first, takes a while, and no input is to wait for it.
#[derive(Debug)]
pub struct Listed {
    place: Place,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Told(Box<InstanceStatus>),
    Large(Box<Crossing>),
}

impl Listed {
    /// Returns true when what is told of it is yet to be found out.
    pub fn is_large(&self) -> bool {
        matches!(self.form, Form::Large(_))
    }

    /// Returns what is told of it. That of a large state takes time by its size.
    pub fn status(self) -> InstanceStatus {
        match self.form {
            Form::Told(told) => *told,
            Form::Large(crossing) => {
                let (address, instance) = crossing.over();
                status(&address, &instance)
            }
        }
    }

    /// Returns what is told of it, if it is held.
    pub fn held(self) -> Option<Listed> {
        let Listed { place, form } = self;
        let told = Listed { place: place.clone(), form }.status();
        (told.state == InstanceState::Held).then(|| Listed { place, form: Form::Told(Box::new(told)) })
    }
}

/// A page of a listing, whose large states are yet to be looked at.
#[derive(Debug)]
pub struct Listing {
    entries: Vec<Listed>,
    /// The place after which the listing goes on.
    next: Option<String>,
}

impl Listing {
    /// Returns the page. Large states take time by their size.
    pub fn page(self) -> Instances {
        Instances { instances: self.entries.into_iter().map(Listed::status).collect(), next: self.next }
    }
}

impl Shard {
    /// Returns the entry of an instance that lives, as it will be when it is used.
    pub(super) fn listed(&self, resident: &Resident) -> Listed {
        let Resident { address, instance } = resident;
        let large = matches!(&instance.state, State::Live(state) if state.is_large());
        let form = match large {
            true => Form::Large(Box::new(self.crossing(resident))),
            false => Form::Told(Box::new(status(address, &self.gone_over(resident)))),
        };
        Listed { place: Place::live(address), form }
    }

    /// Returns up to `limit` instances after a place in the listing: by address; archived ones come last.
    pub fn list(&self, after: Option<&str>, limit: usize) -> Vec<Listed> {
        let after = after.and_then(Place::read);
        let (live, archived) = match &after {
            Some(place) if place.archived => (None, Some(place)),
            other => (Some(other.as_ref().map(|place| &place.address)), None),
        };
        let live = live.into_iter().flat_map(|after| self.table.after(after));
        let live = live.map(|resident| self.listed(resident));
        let from = archived.map_or(Bound::Unbounded, |place| {
            Bound::Included((place.address.clone(), Digest::from_bytes([0; 32]), 0))
        });
        let archived = self
            .archive
            .range((from, Bound::Unbounded))
            .map(|(key, saved)| (Place::archived(key), saved))
            .filter(|(place, _)| archived.is_none_or(|after| place > after))
            .map(|(place, saved)| Listed { place, form: Form::Told(Box::new(archived_status(saved))) });
        live.chain(archived).take(limit).collect()
    }
}

/// Puts the listings of several shards together.
pub fn merged(lists: Vec<Vec<Listed>>, limit: usize) -> Listing {
    let mut entries: Vec<Listed> = lists.into_iter().flatten().collect();
    entries.sort_by(|one, other| one.place.cmp(&other.place));
    let more = entries.len() > limit;
    entries.truncate(limit);
    let next = entries.last().map(|entry| entry.place.written()).filter(|_| more);
    Listing { entries, next }
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
