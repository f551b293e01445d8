//! A switch, ready to be tried and made: both releases, and which edge each machine takes.
//!
//! A plan adds nothing to the relup's switch instruction but the code that it names. It is
//! refused when the instruction and the two releases do not agree in every point.

use std::collections::BTreeMap;
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::EdgeArrow;
use camshaft_cam::verify::VerifiedEdge;
use camshaft_manifests::MachineAddress;
use camshaft_manifests::relup::{Instruction, Pair, Relup};

use crate::release::{MachineCode, Release};

/// Which way along the edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the newer release.
    Up,
    /// Back to the older one.
    Down,
}

impl Way {
    pub(super) fn input(self) -> EdgeArrow {
        match self {
            Way::Up => EdgeArrow::Lift,
            Way::Down => EdgeArrow::Unlift,
        }
    }

    pub(super) fn state_word(self) -> &'static str {
        match self {
            Way::Up => "up",
            Way::Down => "down",
        }
    }

    pub(super) fn input_word(self) -> &'static str {
        match self {
            Way::Up => "lift",
            Way::Down => "unlift",
        }
    }
}

/// A switch, ready to be tried and made.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The release that runs before.
    pub from: Arc<Release>,
    /// The release that runs after.
    pub to: Arc<Release>,
    /// Which way along the edges.
    pub way: Way,
    /// The digest of the relup.
    pub relup: Digest,
    /// True when the relup makes the release permanent after the switch.
    pub makes_permanent: bool,
    pub(super) pairs: BTreeMap<MachineAddress, Change>,
}

/// What becomes of a machine.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Its code stays; configuration and links may change.
    Stays { to: Arc<MachineCode> },
    /// It goes along an edge.
    Moves { from: Arc<MachineCode>, to: Arc<MachineCode>, edge: Arc<VerifiedEdge> },
    /// It is new.
    Added { to: Arc<MachineCode> },
    /// It goes away.
    Removed { from: Arc<MachineCode> },
}

/// Why a relup cannot be followed from the release that runs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It starts from another machine.
    #[error("the running machine is not the one this upgrade starts from: {0}")]
    OtherBase(String),
    /// It does not fit the two releases.
    #[error("the relup does not fit: {0}")]
    Unfit(String),
    /// It has an instruction that this agent cannot follow.
    #[error("the relup has an instruction `{0}`, which this version of the agent does not follow")]
    Instruction(&'static str),
}

impl Plan {
    /// Returns the plan of a relup's up or down instructions.
    ///
    /// # Errors
    ///
    /// When the relup, the two releases and the edges do not agree in every point.
    pub fn new(
        from: &Arc<Release>,
        to: &Arc<Release>,
        way: Way,
        relup: (&Digest, &Relup),
    ) -> Result<Plan, PlanError> {
        let (relup_digest, relup) = relup;
        let instructions = match way {
            Way::Up => &relup.up,
            Way::Down => &relup.down,
        };
        let mut switch = None;
        let mut makes_permanent = false;
        for instruction in instructions {
            match instruction {
                Instruction::Switch(pairs) if switch.is_none() => switch = Some(pairs),
                Instruction::Switch(_) => return Err(unfit("it switches twice")),
                Instruction::MakePermanent => makes_permanent = switch.is_some(),
                // The switch itself does these: code was verified when the bundle was read, all
                // states are tried and moved, added machines start and removed ones stop.
                Instruction::Load(_)
                | Instruction::Verify(_)
                | Instruction::Try(_)
                | Instruction::Migrate(_)
                | Instruction::Start(_)
                | Instruction::Stop(_) => {}
                Instruction::Apply(_) | Instruction::Barrier(_) | Instruction::Restart(_) => {
                    return Err(PlanError::Instruction(instruction.word()));
                }
            }
        }
        let Some(switch) = switch else { return Err(unfit("it has no switch")) };
        let edges = match way {
            Way::Up => &to.edges,
            Way::Down => &from.edges,
        };
        let mut pairs = BTreeMap::new();
        for pair in switch {
            let change = change(from, to, way, pair, edges)?;
            if pairs.insert(pair.machine.clone(), change).is_some() {
                return Err(unfit(&format!("it names {} twice", pair.machine)));
            }
        }
        for code in from.machines().chain(to.machines()) {
            if !pairs.contains_key(&code.address) {
                return Err(unfit(&format!("it does not say what becomes of {}", code.address)));
            }
        }
        let (from, to) = (from.clone(), to.clone());
        Ok(Plan { from, to, way, relup: *relup_digest, makes_permanent, pairs })
    }
}

fn unfit(reason: &str) -> PlanError {
    PlanError::Unfit(reason.to_owned())
}

fn change(
    from: &Release,
    to: &Release,
    way: Way,
    pair: &Pair,
    edges: &BTreeMap<Digest, Arc<VerifiedEdge>>,
) -> Result<Change, PlanError> {
    let machine = &pair.machine;
    let running = from.machine(machine);
    if running.map(|code| code.digest()) != pair.from {
        let digest = |digest: Option<Digest>| digest.map_or("none".to_owned(), |digest| digest.short());
        let running = digest(running.map(|code| code.digest()));
        let reason = format!("{machine} runs {running}, the upgrade starts from {}", digest(pair.from));
        return Err(PlanError::OtherBase(reason));
    }
    let next = to.machine(machine);
    if next.map(|code| code.digest()) != pair.to {
        return Err(unfit(&format!("it leads {machine} to code that the release does not have")));
    }
    match (running, next) {
        (None, None) => Err(unfit(&format!("neither release has {machine}"))),
        (None, Some(to)) => Ok(Change::Added { to: to.clone() }),
        (Some(from), None) => Ok(Change::Removed { from: from.clone() }),
        (Some(from), Some(to)) => match pair.edge {
            None if from.digest() == to.digest() => Ok(Change::Stays { to: to.clone() }),
            None => Err(unfit(&format!("{machine} changes and has no edge"))),
            Some(digest) => {
                let edge = edges.get(&digest);
                let edge =
                    edge.ok_or_else(|| unfit(&format!("the edge of {machine} is not in the bundle")))?;
                let (old, new) = match way {
                    Way::Up => (from, to),
                    Way::Down => (to, from),
                };
                edge.check_ends(&old.verified, &new.verified)
                    .map_err(|error| unfit(&format!("the edge of {machine}: {error}")))?;
                if old.keyed() != new.keyed() {
                    return Err(unfit(&format!("{machine} is keyed in one release and not in the other")));
                }
                Ok(Change::Moves { from: from.clone(), to: to.clone(), edge: edge.clone() })
            }
        },
    }
}
