//! Who speaks what: requests counted by application and by what their clients say of the version
//! that they speak.
//!
//! The counts are no part of the journal: they are saved now and then, so that a crash may lose
//! those of the last seconds.

use std::collections::BTreeMap;

use camshaft_manifests::Version;
use camshaft_store::{ClientSays, ClientSeen};

use super::Node;
use crate::api::{ClientCount, Problem};
use crate::engine::Request;
use crate::problem;
use crate::release::Release;
use crate::speech::Says;

/// How long after its last request a client counts as one that is there, in milliseconds: a day.
pub const LIVE_MS: i64 = 24 * 60 * 60 * 1000;

/// How long counts stay in memory alone, in milliseconds.
const SAVE_MS: i64 = 10_000;

/// The counts of a node.
#[derive(Debug, Default)]
pub(super) struct Clients {
    /// By application.
    seen: BTreeMap<String, BTreeMap<Says, Seen>>,
    unsaved: Unsaved,
    saved_ms: i64,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    requests: u64,
    last_ms: i64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Unsaved {
    #[default]
    Nothing,
    /// Numbers rose; that can wait.
    Numbers,
    /// Somebody is new, who must not be overlooked by an upgrade after a crash.
    Somebody,
}

impl Clients {
    /// Takes up what was saved.
    pub(super) fn load(saved: Vec<ClientSeen>) -> Clients {
        let mut clients = Clients::default();
        for ClientSeen { says, app, requests, last_ms } in saved {
            let says = match says {
                ClientSays::Nothing => Says::Nothing,
                ClientSays::Running => Says::Running,
                ClientSays::Version(version) => Says::Version(version.into()),
            };
            clients.seen.entry(app).or_default().insert(says, Seen { requests, last_ms });
        }
        clients
    }

    /// Counts a request.
    fn count(&mut self, app: &str, says: &Says, now_ms: i64) {
        let known = self.seen.get_mut(app).and_then(|seen| seen.get_mut(says));
        if let Some(seen) = known {
            seen.requests += 1;
            seen.last_ms = now_ms;
            if self.unsaved == Unsaved::Nothing {
                self.unsaved = Unsaved::Numbers;
            }
            return;
        }
        let seen = self.seen.entry(app.to_owned()).or_default();
        seen.insert(says.clone(), Seen { requests: 1, last_ms: now_ms });
        self.unsaved = Unsaved::Somebody;
    }

    /// Returns the counts when it is time to save them; they count as saved then.
    pub(super) fn take_due(&mut self, now_ms: i64) -> Option<Vec<ClientSeen>> {
        let due = match self.unsaved {
            Unsaved::Nothing => false,
            Unsaved::Numbers => now_ms.saturating_sub(self.saved_ms) >= SAVE_MS,
            Unsaved::Somebody => true,
        };
        due.then(|| self.take(now_ms))
    }

    /// Returns the counts when they were not saved yet; they count as saved then.
    pub(super) fn take_unsaved(&mut self, now_ms: i64) -> Option<Vec<ClientSeen>> {
        (self.unsaved != Unsaved::Nothing).then(|| self.take(now_ms))
    }

    fn take(&mut self, now_ms: i64) -> Vec<ClientSeen> {
        (self.unsaved, self.saved_ms) = (Unsaved::Nothing, now_ms);
        self.each().map(|(app, says, seen)| record(app, says, *seen)).collect()
    }

    fn each(&self) -> impl Iterator<Item = (&str, &Says, &Seen)> {
        self.seen
            .iter()
            .flat_map(|(app, seen)| seen.iter().map(move |(says, seen)| (app.as_str(), says, seen)))
    }

    /// Returns the counts for people and programs.
    pub(super) fn status(&self) -> Vec<ClientCount> {
        let count = |(app, says, seen): (&str, &Says, &Seen)| ClientCount {
            app: app.to_owned(),
            speaks: word(says).to_owned(),
            requests: seen.requests,
            last_seen_ms: seen.last_ms,
        };
        self.each().map(count).collect()
    }

    /// Returns the clients that are there and that one release understands and another does not.
    fn left_behind(&self, from: &Release, to: &Release, now_ms: i64) -> Vec<ClientSeen> {
        let left = |(_, says, seen): &(&str, &Says, &Seen)| {
            let meant = Says::Version(from.speech.meant(says).clone());
            **says != Says::Running
                && now_ms.saturating_sub(seen.last_ms) <= LIVE_MS
                && from.speech.understands(&meant)
                && !to.speech.understands(&meant)
        };
        self.each().filter(left).map(|(app, says, seen)| record(app, says, *seen)).collect()
    }
}

fn record(app: &str, says: &Says, seen: Seen) -> ClientSeen {
    let says = match says {
        Says::Nothing => ClientSays::Nothing,
        Says::Running => ClientSays::Running,
        Says::Version(version) => ClientSays::Version(version.to_string()),
    };
    ClientSeen { says, app: app.to_owned(), requests: seen.requests, last_ms: seen.last_ms }
}

/// Returns what a client says, in a word.
fn word(says: &Says) -> &str {
    match says {
        Says::Nothing => "untagged",
        Says::Running => "running",
        Says::Version(version) => version,
    }
}

/// Returns clients in a line. `default` is what those speak that do not say.
pub(super) fn line(seen: &ClientSeen, default: Option<&str>) -> String {
    let ClientSeen { says, app, requests, last_ms } = seen;
    let who = match (says, default) {
        (ClientSays::Version(version), _) => version.clone(),
        (ClientSays::Nothing, Some(default)) => format!("untagged, which is {default}"),
        (ClientSays::Nothing, None) => "untagged".to_owned(),
        (ClientSays::Running, _) => "running".to_owned(),
    };
    let requests = if *requests == 1 { "1 request".to_owned() } else { format!("{requests} requests") };
    format!("{who}: {requests} to {app}, the last at {last_ms} ms since 1970")
}

impl Node {
    /// Counts a request by what its client says, if that is understood.
    pub(super) fn count(&mut self, request: &Request) {
        let Some(release) = self.engine.release() else { return };
        let app = &request.address.app;
        // Only names of releases are kept: whoever makes up others must not fill the node.
        let known = release.resolved.apps.iter().any(|other| other.name == *app);
        if known && release.speech.understands(&request.says) {
            self.clients.count(app.as_str(), &request.says, self.engine.now_ms());
        }
    }

    /// Returns the clients that an upgrade leaves behind, when it may.
    ///
    /// # Errors
    ///
    /// When it would leave clients behind of a version that is not among `dropped`.
    pub fn leave_behind(
        &self,
        to: &Release,
        dropped: &[Version],
        now_ms: i64,
    ) -> Result<Vec<ClientSeen>, Box<Problem>> {
        let Some(from) = self.engine.release() else { return Ok(vec![]) };
        let left = self.clients.left_behind(from, to, now_ms.max(self.engine.now_ms()));
        let default = from.speech.default();
        let version = |seen: &ClientSeen| match &seen.says {
            ClientSays::Version(version) => version.clone(),
            ClientSays::Nothing | ClientSays::Running => default.to_string(),
        };
        let stay: Vec<&ClientSeen> = left
            .iter()
            .filter(|seen| !dropped.iter().any(|dropped| dropped.to_string() == version(seen)))
            .collect();
        let Some(first) = stay.first() else { return Ok(left) };
        let entry = &to.entry;
        let more = match stay.len() {
            1 => String::new(),
            count => format!(" (and {} more)", count - 1),
        };
        let detail = format!(
            "{} {} does not speak {}, which clients spoke within the last day; {}{more}",
            entry.name,
            entry.version,
            version(first),
            line(first, Some(default)),
        );
        let mut problem = problem::CLIENTS_LEFT_BEHIND.problem(detail);
        problem.notes = stay.iter().map(|seen| line(seen, Some(default))).collect();
        let versions: std::collections::BTreeSet<String> = stay.iter().map(|seen| version(seen)).collect();
        problem.more.insert("versions".to_owned(), Vec::from_iter(versions).join(", "));
        Err(problem)
    }
}
