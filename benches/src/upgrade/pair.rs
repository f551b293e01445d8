//! Two releases, and the way between them: a small state that gets a member, and a map whose values do.

use std::sync::Arc;

use crate::node;
use crate::releases;
use anyhow::{Context, Result};
use camshaft_agent::engine::{Plan, Way};
use camshaft_agent::release::Release;
use camshaft_agent::stage::stage;
use camshaft_manifests::InstanceAddress;
use camshaft_releases::project::Files;

/// A counter for each key.
const TALLY: &str = "machine tally keyed Text
type State = { count: Int = 0 }
type Input = Incr | Count
type Output = Ok | Count(Int)
init = { count: 0 }
on Incr  => ({ ..state, count: state.count + 1 }, Ok)
on Count => (state, Count(state.count))
";

/// A map for each key.
const LARGE: &str = "machine large keyed Text
type State = { m: Map(Int, { value: Int = 0 }) }
type Input = Fill { from: Int, to: Int } | Size
type Output = Ok | Size(Int)
init = { m: [:] }
on Fill { from, to } => ({ m: from.to(to).fold(state.m, (m, k) -> m.put(k, { value: k })) }, Ok)
on Size              => (state, Size(state.m.len()))
";

/// Asks a map for its size.
pub(crate) const SIZE: &str = "\"Size\"";

/// Two releases.
pub(crate) struct Pair {
    pub(crate) before: Arc<Release>,
    pub(crate) before_bundle: Vec<u8>,
    pub(crate) after: Arc<Release>,
    pub(crate) after_bundle: Vec<u8>,
}

/// The migration of a counter whose way down is not there for every state, so that its inputs are kept for a rewind.
const PARTIAL: &str = "migration tally from \"1.0.0\"
up (old) = { count: old.count, more: 0 }
down (new) = if new.more > 0 { fail \"no way down\" } else { { count: new.count } }
";

impl Pair {
    /// Builds the same, with an edge of the counters whose way down can fail.
    pub(crate) fn partial() -> Result<Pair> {
        let more = [
            (
                "apps/bench/appup.toml",
                "[[from]]\nversion = \"1.0.0\"\n\n[from.machines.tally]\nmigration = \"migrations/tally.cam\"\n",
            ),
            ("apps/bench/migrations/tally.cam", PARTIAL),
        ];
        Pair::with(&more, |file| file)
    }

    /// Builds the same, and the counters have another name in the second.
    pub(crate) fn renamed() -> Result<Pair> {
        let appup = "[[from]]\nversion = \"1.0.0\"\n\n[from.machines.sum]\nwas = \"tally\"\n";
        Pair::with(&[("apps/bench/appup.toml", appup)], |(path, text)| match path.as_str() {
            "apps/bench/machines/tally.cam" => {
                ("apps/bench/machines/sum.cam".to_owned(), text.replace("machine tally", "machine sum"))
            }
            _ => (path, text.replace("\"tally\"", "\"sum\"")),
        })
    }

    /// Builds the same, and there are no counters in the second.
    pub(crate) fn removed() -> Result<Pair> {
        Pair::with(&[], |(path, text)| (path, text.replace("\"tally\", ", "")))
    }

    /// Builds them.
    pub(crate) fn new() -> Result<Pair> {
        Pair::with(&[], |file| file)
    }

    fn with(more: &[(&str, &str)], edited: impl Fn((String, String)) -> (String, String)) -> Result<Pair> {
        let before = releases::built(&files("1.0.0", "", TALLY, LARGE), None)?;
        let tally = TALLY.replace("count: Int = 0 }", "count: Int = 0, more: Int = 0 }");
        let tally = tally.replace("init = { count: 0 }", "init = { count: 0, more: 0 }");
        let large = LARGE.replace("value: Int = 0 }", "value: Int = 0, more: Int = 0 }");
        let large = large.replace("{ value: k }", "{ value: k, more: 0 }");
        let files = files("2.0.0", "from = [\"1.0.0\"]\n", &tally, &large);
        let mut files: Files = files.into_iter().map(edited).collect();
        files.extend(more.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())));
        let after = releases::built(&files, Some(&before))?;
        Ok(Pair {
            before: Arc::new(stage(&before.packed.bytes)?),
            before_bundle: before.packed.bytes,
            after: Arc::new(stage(&after.packed.bytes)?),
            after_bundle: after.packed.bytes,
        })
    }

    /// Returns the plan of going up.
    pub(crate) fn up(&self) -> Result<Arc<Plan>> {
        let (digest, relup) = self.after.relups.first().context("the second comes from the first")?;
        Ok(Arc::new(Plan::new(&self.before, &self.after, Way::Up, (digest, relup))?))
    }
}

fn files(version: &str, from: &str, tally: &str, large: &str) -> Files {
    let app = format!("name = \"bench\"\nversion = \"{version}\"\nmachines = [\"tally\", \"large\"]\n");
    let release = format!(
        "name = \"bench\"\nversion = \"{version}\"\n{from}\n[apps]\nbench = {{ path = \"apps/bench\" }}\n"
    );
    let files = [
        ("release.toml", release.as_str()),
        ("apps/bench/app.toml", &app),
        ("apps/bench/machines/tally.cam", tally),
        ("apps/bench/machines/large.cam", large),
    ];
    files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect()
}

/// Returns the address of the map.
pub(crate) fn large() -> Result<InstanceAddress> {
    Ok("bench/large/one".parse()?)
}

/// Returns the address of a counter.
pub(crate) fn tally(number: usize) -> InstanceAddress {
    node::tally(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_a_rewind_is_kept_on_an_edge_whose_way_down_can_fail() {
        let rewinds = |pair: Pair| {
            let plan = pair.up().expect("there is a way");
            plan.moves().any(|(machine, _, edge, _)| {
                let [old, new] =
                    [&pair.before, &pair.after].map(|release| release.machine(machine).expect("it goes on"));
                let edge = &pair.after.edges[&edge];
                edge.reason_down_may_fail(&old.verified, &new.verified).is_some()
            })
        };
        assert!(!rewinds(Pair::new().expect("they build")));
        assert!(rewinds(Pair::partial().expect("they build")));
    }

    #[test]
    fn both_releases_build_and_the_second_is_reached_from_the_first_without_a_migration() {
        let pair = Pair::new().expect("they build");
        pair.up().expect("there is a way");
        let code = pair.before.machine(&tally(0).machine_address());
        assert!(code.is_some(), "the counters of other benches are of this machine");
    }
}
