//! Removing a release: its bundle is let go, once nothing durable needs it.
//!
//! What is durable is written in the code of releases: states, messages, the records of the journal. A release that
//! something of it needs stays, and the refusal names the holder.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::digest::Digest;
use camshaft_store::{Control, ReleaseEntry};

use super::{Asked, Node, NodeError};
use crate::api::{HistoryKind, Report};
use crate::engine::{CountPlace, SLICE, Uses};
use crate::failpoint;
use crate::problem;
use crate::release::reference;

/// The least hexadecimal digits of a digest that name a release.
const DIGITS_MIN: usize = 8;

/// How many state snapshots are kept: a start may be from the older one.
const SNAPSHOTS_KEPT: usize = 2;

/// Whether a release may be removed that the node can go back to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WayBack {
    /// It may not.
    Keep,
    /// It may, if the release that runs is permanent.
    GiveUp,
}

impl Node {
    /// Removes a release that is named by its version, or by its digest or the beginning of it.
    ///
    /// # Errors
    ///
    /// When there is no such release, or more than one; and when something needs it, which is named.
    pub fn remove(&mut self, asked: &Asked, which: &str, way_back: WayBack) -> Result<Report, NodeError> {
        self.advance(asked.now_ms)?;
        self.pay_first()?;
        let release = self.find_release(which)?;
        if let Some(holder) = self.holder_of(&release)? {
            let detail = format!("{} {} is needed: {holder}", release.name, release.version);
            return Err(self.refuse(asked, Some(&release), problem::RELEASE_NEEDED.problem(detail)));
        }
        if way_back == WayBack::Keep && self.ledger.leads_back_to(release.digest) {
            let detail = format!("the node can go back to {} {}", release.name, release.version);
            return Err(self.refuse(asked, Some(&release), problem::WAY_BACK.problem(detail)));
        }
        if !self.renew_snapshots()? {
            let detail =
                "there is no room for the state snapshots that have to come first; nothing was changed";
            return Err(self.refuse(asked, Some(&release), problem::DISK_FULL.problem(detail)));
        }
        failpoint::pass("remove.before-record");
        let stamp = self.stamp(asked);
        self.append(&[Control::Removed { stamp, release: release.clone() }])?;
        failpoint::pass("remove.after-record");
        self.remove_leftovers()?;
        Ok(Report { from: Some(reference(&release)), switch: None, ..self.report(HistoryKind::Removed)? })
    }

    fn find_release(&self, which: &str) -> Result<ReleaseEntry, NodeError> {
        let digits = which.strip_prefix("sha256:").unwrap_or(which);
        let by_digest = |entry: &ReleaseEntry| {
            digits.len() >= DIGITS_MIN && entry.digest.hex().starts_with(&digits.to_ascii_lowercase())
        };
        let known = self.ledger.entries().iter();
        let found: Vec<&ReleaseEntry> =
            known.filter(|entry| entry.version == which || by_digest(entry)).collect();
        match found[..] {
            [entry] => Ok(entry.clone()),
            [] => {
                let detail = format!("the node keeps no release `{which}`");
                Err(problem::UNKNOWN_RELEASE.problem(detail).into())
            }
            _ => {
                let digests: Vec<String> = found.iter().map(|entry| entry.digest.to_string()).collect();
                let detail = format!("several releases are `{which}`: {}", digests.join(", "));
                Err(problem::BAD_REQUEST.problem(detail).into())
            }
        }
    }

    /// Returns what needs a release, for people.
    fn holder_of(&mut self, release: &ReleaseEntry) -> Result<Option<String>, NodeError> {
        let is = |other: Option<&ReleaseEntry>| other.is_some_and(|other| other.digest == release.digest);
        if is(self.ledger.running()) {
            return Ok(Some("it runs".to_owned()));
        }
        if self.ledger.provisional && self.ledger.leads_back_to(release.digest) {
            return Ok(Some("the release that runs is provisional, and may go back to it".to_owned()));
        }
        if is(self.ledger.left.as_ref()) {
            let reason = "it was left by going back, and its clients are still told what it answered; the next \
                          upgrade lets it go";
            return Ok(Some(reason.to_owned()));
        }
        if let Some(switch) = self.switch_to_go_over(release) {
            let reason =
                format!("not all instances have gone over switch {switch} yet; the sweeper is at it");
            return Ok(Some(reason));
        }
        let only = self.only_in(release)?;
        let uses = self.users()?;
        let held: Vec<&Uses> =
            uses.iter().filter(|(code, _)| only.contains(code)).map(|(_, uses)| uses).collect();
        let count: u64 = held.iter().map(|uses| uses.count).sum();
        Ok(held.first().map(|uses| match count - 1 {
            0 => format!("{} is in its code", uses.first),
            more => format!("{}, and {more} more, are in its code", uses.first),
        }))
    }

    /// Returns the number of a switch from or to a release that instances may have yet to go over.
    fn switch_to_go_over(&self, release: &ReleaseEntry) -> Option<u64> {
        self.controls.iter().find_map(|(_, control)| match control {
            Control::Switch { number, from, to, .. } if *number > self.ledger.swept => {
                [from, to].iter().any(|entry| entry.digest == release.digest).then_some(*number)
            }
            _ => None,
        })
    }

    /// Returns the code of machines that no other release here has.
    fn only_in(&mut self, release: &ReleaseEntry) -> Result<BTreeSet<Digest>, NodeError> {
        let mut only: BTreeSet<Digest> = match self.load_release(release) {
            Ok(release) => release.machines().map(|code| code.digest()).collect(),
            Err(error) => {
                // Nobody could read anything with it.
                tracing::warn!(%error, "a release that is to be removed cannot be read");
                return Ok(BTreeSet::new());
            }
        };
        for other in self.ledger.entries().to_vec() {
            if other.digest == release.digest {
                continue;
            }
            match self.load_release(&other) {
                Ok(other) => only.retain(|code| other.machines().all(|of_other| of_other.digest() != *code)),
                Err(error) => tracing::warn!(%error, "a release that is kept cannot be read"),
            }
        }
        Ok(only)
    }

    /// Returns what durable bytes are written in that do not go over to the release that runs.
    fn users(&mut self) -> Result<BTreeMap<Digest, Uses>, NodeError> {
        let mut by: BTreeMap<Digest, Uses> = BTreeMap::new();
        let mut places: Vec<_> = (0..self.crew.shards()).map(|_| Some(CountPlace::Slot(0))).collect();
        while places.iter().any(Option::is_some) {
            let slices = self
                .crew
                .each_with(places, |shard, place| place.map(|place| shard.users_some(&place, SLICE)))?;
            places = vec![];
            for slice in slices {
                places.push(slice.as_ref().and_then(|slice| slice.next.clone()));
                for (code, uses) in slice.into_iter().flat_map(|slice| slice.by) {
                    by.entry(code).and_modify(|sum| sum.count += uses.count).or_insert(uses);
                }
            }
        }
        Ok(by)
    }

    /// Makes state snapshots until a start from any that is kept knows all that was done to the node: a start from
    /// an earlier one would go through what needed the release. Returns false when there is no room for them.
    fn renew_snapshots(&mut self) -> Result<bool, NodeError> {
        let last = self.controls.last().map_or(0, |(position, _)| *position);
        // One that was begun before comes to its end first.
        for _ in 0..=SNAPSHOTS_KEPT {
            if self.covered_before < last {
                self.renew_snapshot()?;
            }
        }
        Ok(self.covered_before >= last)
    }

    /// Lets go of the bundles of all releases that were removed: the last one, one that was removed before the agent
    /// ended, and what could not be taken away then.
    pub(super) fn remove_leftovers(&mut self) -> Result<(), NodeError> {
        let kept: BTreeSet<Digest> = self.ledger.archives().into_iter().collect();
        let removed: BTreeSet<Digest> = self
            .controls
            .iter()
            .filter_map(|(_, control)| match control {
                Control::Removed { release, .. } => Some(release.archive),
                _ => None,
            })
            .collect();
        removed.difference(&kept).try_for_each(|archive| self.crew.remove_blob(*archive))
    }
}
