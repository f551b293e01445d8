//! Who speaks what: requests counted by application and by what their clients say of the version
//! that they speak.
//!
//! Somebody new is recorded with the first of its requests. The numbers are recorded now and then, so
//! that a crash may lose those of the last seconds.

use std::collections::BTreeMap;

use camshaft_manifests::AppName;
use camshaft_store::{Aside, ClientSays, ClientSeen, RecordRef};

use super::{Request, Shard};
use crate::release::Release;
use crate::speech::Says;

/// How long numbers stay in memory alone, in milliseconds.
const SAVE_MS: i64 = 10_000;

/// What was seen of clients.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    by: BTreeMap<(AppName, Says), Last>,
    unsaved: Unsaved,
    saved_ms: i64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Last {
    requests: u64,
    /// How many of them are not recorded.
    unsaved: u64,
    last_ms: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Unsaved {
    #[default]
    Nothing,
    /// Numbers rose; that can wait.
    Numbers,
    /// Somebody is new, who must not be overlooked by an upgrade after a crash.
    Somebody,
}

impl Seen {
    /// Returns what was seen.
    pub fn list(&self) -> Vec<ClientSeen> {
        self.by.iter().map(|(who, last)| one(who, last.requests, last.last_ms)).collect()
    }

    /// Returns what was seen since it was recorded last.
    fn take_unsaved(&mut self) -> Vec<ClientSeen> {
        let fresh = self.by.iter_mut().filter(|(_, last)| last.unsaved > 0);
        fresh.map(|(who, last)| one(who, std::mem::take(&mut last.unsaved), last.last_ms)).collect()
    }

    /// Adds what others saw.
    pub fn add(&mut self, seen: &[ClientSeen]) {
        for ClientSeen { says, app, requests, last_ms } in seen {
            let says = match says {
                ClientSays::Nothing => Says::Nothing,
                ClientSays::Running => Says::Running,
                ClientSays::Version(version) => Says::Version(version.as_str().into()),
            };
            // What is no name was never counted.
            let Ok(app) = app.parse() else { continue };
            let last = self.by.entry((app, says)).or_default();
            last.requests += requests;
            last.last_ms = last.last_ms.max(*last_ms);
        }
    }
}

fn one((app, says): &(AppName, Says), requests: u64, last_ms: i64) -> ClientSeen {
    let says = match says {
        Says::Nothing => ClientSays::Nothing,
        Says::Running => ClientSays::Running,
        Says::Version(version) => ClientSays::Version(version.to_string()),
    };
    ClientSeen { says, app: app.to_string(), requests, last_ms }
}

impl Shard {
    /// Returns what was seen of clients here.
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Takes over what was seen before, in place of what is known.
    pub fn set_seen(&mut self, seen: Seen) {
        self.seen = seen;
    }

    /// Counts a request by what its client says, if that is understood.
    pub(super) fn count(&mut self, request: &Request, release: &Release) {
        let name = request.address.app.clone();
        // A lookup for each request: the keys are few, and they are compared by their place first.
        let known = self.seen.by.get_mut(&(name.clone(), request.says.clone()));
        if let Some(last) = known {
            last.requests += 1;
            last.unsaved += 1;
            last.last_ms = self.now_ms;
            self.seen.unsaved = self.seen.unsaved.max(Unsaved::Numbers);
            return;
        }
        // Only names of releases are kept: whoever makes up others must not fill the node.
        let of_release = release.resolved.apps.iter().any(|other| other.name == request.address.app);
        if of_release && release.speech.understands(&request.says) {
            let last = Last { requests: 1, unsaved: 1, last_ms: self.now_ms };
            self.seen.by.insert((name, request.says.clone()), last);
            self.seen.unsaved = Unsaved::Somebody;
        }
    }

    /// Records what was seen, when it is time or `all` of it has to be recorded.
    pub fn record_seen(&mut self, all: bool) {
        let due = match self.seen.unsaved {
            Unsaved::Nothing => false,
            Unsaved::Numbers => all || self.now_ms.saturating_sub(self.seen.saved_ms) >= SAVE_MS,
            Unsaved::Somebody => true,
        };
        if !due || self.read_only {
            return;
        }
        let aside = Aside::Clients(self.seen.take_unsaved());
        self.record(RecordRef::Aside(&aside));
        (self.seen.unsaved, self.seen.saved_ms) = (Unsaved::Nothing, self.now_ms);
    }
}
