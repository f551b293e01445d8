//! The audit of a node: every command and every switch as the journal has it, in a chain of hashes.
//!
//! Each record is taken with the hash of the one before it, so that nobody can change, drop or insert one without another
//! head; who noted a head once can say of any later audit whether it goes on from there. A switch says
//! what ran before, the way, and what ran after, each by its digest; with the bundles at hand the way is worked out
//! once more, down to the edge of each machine.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camshaft_cam::digest::Digest;
use camshaft_manifests::MachineAddress;
use camshaft_store::{Control, Direction, Record, ReleaseEntry, Stamp};

use crate::api::{Audit, AuditRecord};
use crate::engine::{Plan, Way};
use crate::node::Ledger;
use crate::release::Release;

/// What the first record is taken with. Another form of the chain has another one.
const BEFORE_ALL: &[u8] = b"camshaft audit 1";

/// The format in which records are taken into the chain, whatever the journal is written in: a head that was noted stays one
/// when an agent comes that writes a later format. Control records have had the same bytes since; where one gets others, the
/// chain has to begin otherwise, too.
const FORM: u8 = 6;

fn chained(before: Digest, record: &[u8]) -> Digest {
    Digest::of(&[before.as_bytes().as_slice(), record].concat())
}

/// Returns the audit of a node with these control records.
pub fn audit_of<'c>(controls: impl Iterator<Item = &'c Control>) -> Audit {
    let mut head = Digest::of(BEFORE_ALL);
    let record = |control: &Control| {
        let mut bytes = Record::Control(control.clone()).to_bytes();
        bytes[0] = FORM;
        head = chained(head, &bytes);
        AuditRecord { hash: head, record: STANDARD.encode(&bytes) }
    };
    let records: Vec<AuditRecord> = controls.map(record).collect();
    Audit { agent: env!("CARGO_PKG_VERSION").to_owned(), records, head }
}

/// A switch of an audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedSwitch {
    /// Its number.
    pub number: u64,
    /// When, and who asked for it.
    pub stamp: Stamp,
    /// The release that ran before.
    pub from: ReleaseEntry,
    /// The release that ran after.
    pub to: ReleaseEntry,
    /// Which way.
    pub direction: Direction,
    /// The digest of the relup.
    pub relup: Digest,
    /// The hash of its record in the chain.
    pub hash: Digest,
}

/// How one machine went over a switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditedMove {
    /// The machine, as it was called before.
    pub machine: MachineAddress,
    /// The digest of its code before.
    pub before: Digest,
    /// The digest of the edge.
    pub edge: Digest,
    /// The digest of its code after.
    pub after: Digest,
}

/// An audit whose chain holds, and that tells of what can have been.
#[derive(Debug)]
pub struct Verified {
    /// What the records say.
    pub ledger: Ledger,
    /// The switches, in order.
    pub switches: Vec<AuditedSwitch>,
}

/// Why an audit is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// A record cannot be read.
    #[error("record {number} cannot be read: {reason}")]
    Unreadable {
        /// Which, from 1.
        number: usize,
        /// Why.
        reason: String,
    },
    /// A record is not what its hash was taken of, or another stood before it.
    #[error("the chain breaks at record {number}: its hash is {told}, and with what stands before it {is}")]
    Broken {
        /// Which, from 1.
        number: usize,
        /// The hash that it has.
        told: Digest,
        /// The hash that it must have.
        is: Digest,
    },
    /// The end is missing, or something was put there.
    #[error("the audit ends at {is}, and says that its head is {told}")]
    OtherHead {
        /// The head that it has.
        told: Digest,
        /// The hash of its last record.
        is: Digest,
    },
    /// A record tells of something that cannot have been.
    #[error("record {number} cannot be: {reason}")]
    Impossible {
        /// Which, from 1.
        number: usize,
        /// Why.
        reason: String,
    },
    /// A head that was noted is not in the chain.
    #[error("no record has the hash {0}: the audit does not go on from there")]
    NotFrom(Digest),
}

/// Verifies an audit: that the chain holds from its beginning, that every record can have followed on those before it,
/// and, where a head was noted earlier, that it goes on from there.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn verify(audit: &Audit, noted: Option<Digest>) -> Result<Verified, AuditError> {
    let mut head = Digest::of(BEFORE_ALL);
    let mut verified = Verified { ledger: Ledger::default(), switches: vec![] };
    for (number, AuditRecord { hash, record }) in (1..).zip(&audit.records) {
        let unreadable = |reason: String| AuditError::Unreadable { number, reason };
        let bytes = STANDARD.decode(record).map_err(|error| unreadable(error.to_string()))?;
        head = chained(head, &bytes);
        if head != *hash {
            return Err(AuditError::Broken { number, told: *hash, is: head });
        }
        let control = match Record::read(&bytes) {
            Ok(Record::Control(control)) => control,
            Ok(Record::Input(_) | Record::Aside(_)) => {
                return Err(unreadable("it is none of a command or a switch".to_owned()));
            }
            Err(error) => return Err(unreadable(error.to_string())),
        };
        verified.follow(&control, head).map_err(|reason| AuditError::Impossible { number, reason })?;
    }
    if head != audit.head {
        return Err(AuditError::OtherHead { told: audit.head, is: head });
    }
    match noted {
        Some(noted) if !audit.records.iter().any(|record| record.hash == noted) => {
            Err(AuditError::NotFrom(noted))
        }
        _ => Ok(verified),
    }
}

impl Verified {
    fn follow(&mut self, control: &Control, hash: Digest) -> Result<(), String> {
        let ledger = &self.ledger;
        let running = ledger.running();
        match control {
            Control::Installed { release, .. } => {
                if let Some(running) = running {
                    return Err(format!("{} is installed, and {} runs", name(release), name(running)));
                }
            }
            Control::Switch { stamp, number, from, to, direction, relup } => {
                if running != Some(from) {
                    let runs = running.map_or("nothing".to_owned(), name);
                    return Err(format!("a switch from {}, and {runs} runs", name(from)));
                }
                if *number != ledger.switch + 1 {
                    return Err(format!("switch {number} follows on switch {}", ledger.switch));
                }
                match direction {
                    Direction::Up if ledger.provisional => {
                        return Err(format!("a switch on top of {}, which is provisional", name(from)));
                    }
                    Direction::Down | Direction::Undo if ledger.previous() != Some(to) => {
                        return Err(format!("a way back to {}, which did not run before", name(to)));
                    }
                    _ => {}
                }
                self.switches.push(AuditedSwitch {
                    number: *number,
                    stamp: stamp.clone(),
                    from: from.clone(),
                    to: to.clone(),
                    direction: *direction,
                    relup: *relup,
                    hash,
                });
            }
            Control::Permanent { switch, .. } if !ledger.provisional || *switch != ledger.switch => {
                return Err(format!("switch {switch} is made permanent, and is not provisional"));
            }
            Control::CheckPassed { switch }
            | Control::CheckFailed { switch, .. }
            | Control::Returned { switch, .. }
                if *switch != ledger.switch =>
            {
                return Err(format!(
                    "what became of switch {switch} is told, and the last switch is {}",
                    ledger.switch
                ));
            }
            Control::Removed { release, .. } => {
                if running.is_some_and(|running| running.digest == release.digest) {
                    return Err(format!("{} is removed, and it runs", name(release)));
                }
                if !ledger.ran(release.digest) {
                    return Err(format!("{} is removed, and was not kept", name(release)));
                }
            }
            _ => {}
        }
        self.ledger.apply(control);
        Ok(())
    }
}

fn name(entry: &ReleaseEntry) -> String {
    format!("{} {}", entry.name, entry.version)
}

/// Works out a switch once more from the bundles of its releases, and returns how each machine went over it; nothing
/// when a bundle is not at hand.
///
/// # Errors
///
/// Why these bundles do not lead there.
pub fn work_out(
    switch: &AuditedSwitch,
    releases: &[Arc<Release>],
) -> Result<Option<Vec<AuditedMove>>, String> {
    let Some(plan) = plan_of(switch, releases)? else { return Ok(None) };
    let moves = plan.moves().map(|(machine, before, edge, after)| AuditedMove {
        machine: machine.clone(),
        before,
        edge,
        after,
    });
    Ok(Some(moves.collect()))
}

/// Returns the plan of a switch; nothing when a bundle is not at hand.
///
/// # Errors
///
/// Why these bundles do not lead there.
pub(crate) fn plan_of(switch: &AuditedSwitch, releases: &[Arc<Release>]) -> Result<Option<Plan>, String> {
    let find = |entry: &ReleaseEntry| releases.iter().find(|release| release.entry.digest == entry.digest);
    let (Some(from), Some(to)) = (find(&switch.from), find(&switch.to)) else { return Ok(None) };
    let (way, newer, older) = match switch.direction {
        Direction::Up => (Way::Up, to, from),
        Direction::Down | Direction::Undo => (Way::Down, from, to),
    };
    let relup = newer
        .relups
        .iter()
        .find(|(digest, relup)| *digest == switch.relup && relup.from.digest == older.entry.digest);
    let Some((digest, relup)) = relup else {
        let came = if switch.direction == Direction::Up { &switch.to } else { &switch.from };
        if came.archive != newer.entry.archive {
            // It came with a patch, which is not in the bundle.
            return Ok(None);
        }
        return Err(format!("{} has no relup {}", name(&newer.entry), switch.relup));
    };
    Plan::new(from, to, way, (digest, relup)).map(Some).map_err(|error| error.to_string())
}
