//! Who would be left behind by an upgrade, of those who were seen.

use camshaft_cam::words::counted;
use camshaft_manifests::Version;
use camshaft_store::{ClientSays, ClientSeen};

use super::{Node, NodeError};
use crate::api::ClientCount;
use crate::problem;
use crate::release::Release;
use crate::speech::Says;

/// How long after its last request a client counts as one that is there, in milliseconds: a day.
pub const LIVE_MS: i64 = 24 * 60 * 60 * 1000;

/// Returns the clients that are there and that one release understands and another does not.
fn left_behind(seen: Vec<ClientSeen>, from: &Release, to: &Release, now_ms: i64) -> Vec<ClientSeen> {
    let left = |seen: &ClientSeen| {
        let says = match &seen.says {
            ClientSays::Nothing => Says::Nothing,
            ClientSays::Running => Says::Running,
            ClientSays::Version(version) => Says::Version(version.as_str().into()),
        };
        let meant = Says::Version(from.speech.meant(&says).clone());
        says != Says::Running
            && now_ms.saturating_sub(seen.last_ms) <= LIVE_MS
            && from.speech.understands(&meant)
            && !to.speech.understands(&meant)
    };
    seen.into_iter().filter(left).collect()
}

/// Returns the counts for people and programs.
pub(super) fn status(seen: Vec<ClientSeen>) -> Vec<ClientCount> {
    let count = |seen: ClientSeen| ClientCount {
        app: seen.app,
        speaks: match seen.says {
            ClientSays::Nothing => "untagged".to_owned(),
            ClientSays::Running => "running".to_owned(),
            ClientSays::Version(version) => version,
        },
        requests: seen.requests,
        last_seen_ms: seen.last_ms,
    };
    seen.into_iter().map(count).collect()
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
    let requests = counted(*requests, "request");
    format!("{who}: {requests} to {app}, the last at {last_ms} ms since 1970")
}

impl Node {
    /// Returns the clients that an upgrade leaves behind, when it may.
    ///
    /// # Errors
    ///
    /// When it would leave clients behind of a version that is not among `dropped`.
    pub fn leave_behind(
        &mut self,
        to: &Release,
        dropped: &[Version],
        now_ms: i64,
    ) -> Result<Vec<ClientSeen>, NodeError> {
        let Some(from) = self.release.clone() else { return Ok(vec![]) };
        let left = left_behind(self.seen()?, &from, to, now_ms.max(self.now_ms));
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
        Err(problem.into())
    }
}
