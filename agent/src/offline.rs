//! What is done with the states of a node away from it: on its data folder, on a copy of it, or on a backup. The dry run of an
//! upgrade; and a switch that was made, done once more, to hold what the node has against it.
//!
//! What must stay true: nothing is written to the folder; and what runs is what a node runs that is asked to try an
//! upgrade ([`crate::operate`]), on a node that is opened as an agent opens it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_manifests::InstanceAddress;
use camshaft_store::{BackupError, FolderJournal, Journal as _, Saved, Status, StoreError};

use crate::api::{Audit, InstanceState, InstanceStatus, Problem, ShadowReport, TryReport};
use crate::audit::{AuditedSwitch, Verified, plan_of};
use crate::node::{Node, NodeError, OpenNodeError, Settings};
use crate::operate::Allowed;
use crate::release::Release;
use crate::serve::now_ms;
use crate::stage::{of_stage_error, stage, stage_kept};

/// Why nothing was tried.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The folder.
    #[error("cannot read the data folder")]
    Store(#[from] StoreError),
    /// The file with a backup.
    #[error("cannot use the backup")]
    Backup(#[from] BackupError),
    /// What is in it.
    #[error("cannot recover from the data folder")]
    Recover(#[from] OpenNodeError),
    /// There is no node in it.
    #[error("there is no node in this folder: nothing was ever installed")]
    NoNode,
    /// What is compared does not belong together.
    #[error("{0}")]
    Apart(String),
    /// The upgrade cannot be tried.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
}

impl From<NodeError> for OfflineError {
    fn from(error: NodeError) -> OfflineError {
        match error {
            NodeError::Refused(problem) => OfflineError::Refused(problem),
            NodeError::Journal(error) => OfflineError::Store(error),
        }
    }
}

/// Tries an upgrade on the node of a data folder, or of a backup. To which ports its agent binds machines is not known here, nor whose
/// bundles it takes: neither is asked for.
///
/// # Errors
///
/// Why it cannot be tried; that it did not pass is no error but in the report.
pub fn try_upgrade(folder: &Path, bundle: &[u8], allowed: &Allowed) -> Result<TryReport, OfflineError> {
    let now_ms = now_ms();
    let mut node = open(folder, now_ms)?;
    let release = stage(bundle).map_err(|error| OfflineError::Refused(of_stage_error(&error)))?;
    let release = Arc::new(release);
    let plan = node.plan_upgrade(&release).map_err(OfflineError::Refused)?;
    node.leave_behind(&release, &allowed.dropped, now_ms)?;
    let mut trial = node.try_all(plan)?;
    trial.allow_holding(allowed.hold_failing);
    // No inputs are recorded here, and the report says so.
    trial.hold_to_promises(&ShadowReport::default());
    node.end_trial()?;
    Ok(trial.report())
}

fn journal(folder: &Path) -> Result<FolderJournal, OfflineError> {
    Ok(match folder.is_file() {
        true => FolderJournal::of_backup(folder)?,
        false => FolderJournal::read_only(folder)?.0,
    })
}

fn open(folder: &Path, now_ms: i64) -> Result<Node, OfflineError> {
    let opener =
        |bytes: &[u8], entry: &_| stage_kept(bytes, entry).map(Arc::new).map_err(|error| error.to_string());
    let node = Node::open(Box::new(journal(folder)?), Box::new(opener), Settings::one(0), now_ms)?;
    if node.history().entries.is_empty() {
        return Err(OfflineError::NoNode);
    }
    Ok(node)
}

/// The digests of the machine that a state is written in, and of the state.
pub type Form = (Digest, Digest);

/// A switch that was done once more on the states from before it.
#[derive(Debug)]
pub struct AuditedStates {
    /// The number of the switch.
    pub switch: u64,
    /// The instances before it, by address.
    pub instances: Vec<AuditedState>,
}

/// An instance, and what a switch made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedState {
    /// The instance, as it is called after the switch.
    pub instance: String,
    /// The machine and the digest of the state before the switch.
    pub before: Form,
    /// The edge; none where no state of the machine goes along one.
    pub edge: Option<Digest>,
    /// The machine and the digest of the state after it, worked out here.
    pub after: Form,
    /// How the node has it.
    pub came: Came,
}

/// What a node has of an instance, beside what was worked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// The same, in a state snapshot that the node wrote after the instance had gone over.
    Stored,
    /// The same, as its journal gives it: no state snapshot has it after the switch.
    Replayed,
    /// It was used between the two, so that its state is another one.
    Used,
    /// Something else.
    Differs {
        /// The machine.
        machine: Digest,
        /// The digest of the state.
        state: Digest,
    },
    /// Nothing.
    Gone,
}

/// Does the switch between two moments of a node once more on the states of the earlier one, by the code that is in the
/// bundles, and compares what comes of it with the states of the later one. Both have to belong to the audit.
///
/// # Errors
///
/// Why they cannot be compared; that a state differs is no error but told of it.
pub fn audit_states(
    (audit, verified): (&Audit, &Verified),
    releases: &[Arc<Release>],
    (before, after): (&Path, &Path),
) -> Result<AuditedStates, OfflineError> {
    let apart = |reason: String| Err(OfflineError::Apart(reason));
    let switches = &verified.switches;
    // Time stands still: nothing becomes due that was not due then.
    let mut node = open(before, 0)?;
    let mut later = open(after, 0)?;
    let known: BTreeSet<Digest> = audit.records.iter().map(|record| record.hash).collect();
    for (path, node) in [(before, &node), (after, &later)] {
        if !node.audit().records.iter().all(|record| known.contains(&record.hash)) {
            return apart(format!("{} is of another node than the audit, or later than it", path.display()));
        }
    }
    let [first, last] = [node.last_switch(), later.last_switch()];
    if last != first + 1 {
        let reason = format!(
            "the states before are those after switch {first}, and the states after are those after switch {last}: \
             there has to be one switch between them"
        );
        return apart(reason);
    }
    let Some(switch) = switches.iter().find(|switch| switch.number == last) else {
        return apart(format!("the audit has no switch {last}"));
    };
    let plan = match plan_of(switch, releases) {
        Ok(Some(plan)) => plan,
        Ok(None) => return apart(format!("a bundle of switch {last} is missing: {}", bundles(switch))),
        Err(reason) => return apart(format!("the bundles do not lead over switch {last}: {reason}")),
    };
    let stored = stored(after, last)?;
    let found = all(&mut later)?;
    let old = all(&mut node)?;
    let moves: BTreeMap<_, _> = plan.moves().map(|(machine, _, edge, _)| (machine.clone(), edge)).collect();
    let called =
        |address: &str| address.parse::<InstanceAddress>().map(|at| plan.after(&at).to_string()).ok();
    let names: Vec<Option<String>> = old.iter().map(|one| called(&one.address)).collect();
    node.go_over(plan.clone())?;
    let made = all(&mut node)?;
    let by_name = |list: Vec<InstanceStatus>| -> BTreeMap<(String, bool), InstanceStatus> {
        list.into_iter().map(|one| ((one.address.clone(), is_archived(&one)), one)).collect()
    };
    let (made, found) = (by_name(made), by_name(found));
    let mut instances = vec![];
    for (one, name) in old.iter().zip(names) {
        let Some(name) = name.filter(|_| !is_archived(one)) else { continue };
        let place = [(name.clone(), false), (one.address.clone(), true)];
        let Some(expected) = place.iter().find_map(|place| made.get(place)) else { continue };
        let is = found.get(&(expected.address.clone(), is_archived(expected)));
        let came = match is {
            None => Came::Gone,
            Some(is) if is.seq != expected.seq || expected.seq != one.seq => Came::Used,
            Some(is) if form(is) != form(expected) => {
                Came::Differs { machine: is.digest, state: is.state_digest }
            }
            Some(is) => match stored.get(&is.address) {
                Some((seq, form)) if *seq == is.seq && *form != self::form(is) => {
                    Came::Differs { machine: form.0, state: form.1 }
                }
                Some((seq, _)) if *seq == is.seq => Came::Stored,
                _ => Came::Replayed,
            },
        };
        let machine = one.address.parse::<InstanceAddress>().ok().map(|at| at.machine_address());
        instances.push(AuditedState {
            instance: name,
            before: form(one),
            edge: machine.and_then(|machine| moves.get(&machine).copied()),
            after: form(expected),
            came,
        });
    }
    Ok(AuditedStates { switch: last, instances })
}

fn is_archived(one: &InstanceStatus) -> bool {
    one.state == InstanceState::Archived
}

fn form(one: &InstanceStatus) -> Form {
    (one.digest, one.state_digest)
}

fn bundles(switch: &AuditedSwitch) -> String {
    let (from, to) = (&switch.from, &switch.to);
    format!("{} {} and {} {} are needed", from.name, from.version, to.name, to.version)
}

fn all(node: &mut Node) -> Result<Vec<InstanceStatus>, OfflineError> {
    Ok(node.instances(None, usize::MAX - 1)?.instances)
}

/// Returns the live instances that the newest state snapshot has after a switch: the number of the last input, and the
/// digests of machine and state.
fn stored(folder: &Path, switch: u64) -> Result<BTreeMap<String, (u64, Form)>, OfflineError> {
    let mut found = BTreeMap::new();
    let mut visit = |_: u16, bytes: &[u8]| {
        // What cannot be read was refused when the node was opened.
        if let Ok(Saved::Instance(instance)) = Saved::read(bytes)
            && instance.switch >= switch
            && matches!(instance.status, Status::Live | Status::Held { .. })
        {
            let state = Digest::of(instance.state.as_deref().unwrap_or_default());
            found.insert(instance.address, (instance.seq, (instance.machine, state)));
        }
        Ok(())
    };
    journal(folder)?.snapshot(&mut visit)?;
    Ok(found)
}
