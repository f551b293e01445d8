//! A switch, ready to be tried and made: both releases, and which edge each machine takes.
//!
//! A plan adds nothing to the relup's switch instruction but the code that it names. It is
//! refused when the instruction and the two releases do not agree in every point.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::EdgeArrow;
use camshaft_cam::value::Value;
use camshaft_cam::verify::VerifiedEdge;
use camshaft_manifests::relup::{Apply, Instruction, Pair, Relup};
use camshaft_manifests::{AppName, InstanceAddress, MachineAddress};

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
    /// What becomes of the machines that run, by the addresses that they have before the switch.
    pub(super) pairs: BTreeMap<MachineAddress, Change>,
    /// Those of them that promise to do what they did.
    preserves: BTreeSet<MachineAddress>,
    /// The machines that the switch adds.
    pub(super) added: BTreeMap<MachineAddress, Arc<MachineCode>>,
    /// Machines that get other addresses: the old and the new.
    pub(super) moved: BTreeMap<MachineAddress, MachineAddress>,
    /// The inputs that instances get after the switch, in order.
    pub(super) applies: Vec<Applied>,
}

impl Plan {
    /// Returns the address that a machine which runs before the switch has after it, if it stays.
    pub fn address_of(&self, code: &MachineCode) -> Option<&MachineAddress> {
        let address = self.moved.get(&code.address).unwrap_or(&code.address);
        self.to.machine(address).map(|code| &code.address)
    }

    /// Returns the address that a machine has after the switch, by that which it has before it.
    pub(crate) fn after(&self, address: &InstanceAddress) -> InstanceAddress {
        self.address_after(address)
    }

    /// Returns the names that applications get and that others had, which are at home in other shards; and what those who
    /// get them are called before. `homes` is that of the switch before.
    pub fn names_taken(&self, homes: &BTreeMap<AppName, AppName>) -> BTreeMap<AppName, AppName> {
        let home = |app: &AppName| homes.get(app).unwrap_or(app).clone();
        let renamed = self.moved.iter().map(|(from, to)| (&from.app, &to.app));
        let taken = renamed.filter(|(from, to)| from != to && home(from) != home(to));
        taken.map(|(from, to)| (to.clone(), from.clone())).collect()
    }

    /// Returns a machine whose states the switch puts away under one of these names.
    pub fn puts_away_in(&self, names: &BTreeMap<AppName, AppName>) -> Option<&MachineAddress> {
        let of_them = self.pairs.iter().filter(|(machine, _)| names.contains_key(&machine.app));
        let mut away = of_them.filter(|(_, change)| match change {
            Change::Removed { .. } | Change::Restarts { .. } => true,
            Change::Stays { .. } | Change::Moves { .. } => false,
        });
        away.next().map(|(machine, _)| machine)
    }

    /// Returns each machine that goes along an edge, by its address before the switch: the digests of its code before, of
    /// the edge, and of its code after.
    pub fn moves(&self) -> impl Iterator<Item = (&MachineAddress, Digest, Digest, Digest)> {
        self.pairs.iter().filter_map(|(machine, change)| match change {
            Change::Moves { from, to, edge } => Some((machine, from.digest(), edge.digest(), to.digest())),
            Change::Stays { .. } | Change::Restarts { .. } | Change::Removed { .. } => None,
        })
    }
}

/// An input that an instance gets after a switch, typed.
#[derive(Debug, Clone)]
pub(super) struct Applied {
    /// The instance, at its address after the switch.
    pub(super) address: InstanceAddress,
    /// The machine that takes it.
    pub(super) writer: Digest,
    /// Its canonical bytes.
    pub(super) input: Arc<[u8]>,
    /// Going back: the place of the input that it undoes among those of the way up.
    pub(super) undoes: Option<u32>,
}

/// What becomes of a machine.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Its code stays; configuration and links may change.
    Stays { to: Arc<MachineCode> },
    /// It goes along an edge.
    Moves { from: Arc<MachineCode>, to: Arc<MachineCode>, edge: Arc<VerifiedEdge> },
    /// It gives up its states and begins anew.
    Restarts { from: Arc<MachineCode>, to: Arc<MachineCode> },
    /// It goes away.
    Removed { from: Arc<MachineCode> },
}

impl Change {
    /// Returns the code that runs after the switch.
    pub(super) fn to(&self) -> Option<&Arc<MachineCode>> {
        match self {
            Change::Stays { to } | Change::Moves { to, .. } | Change::Restarts { to, .. } => Some(to),
            Change::Removed { .. } => None,
        }
    }
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
        let mut restarts = BTreeSet::new();
        let mut applies = vec![];
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
                Instruction::Restart(app) => drop(restarts.insert(app)),
                Instruction::Apply(apply) => applies.push(apply),
                // Only who sees other nodes could tell when they have come to it.
                Instruction::Barrier(_) => return Err(PlanError::Instruction(instruction.word())),
            }
        }
        let undoes = match way {
            Way::Up => vec![None; applies.len()],
            Way::Down => undone(&relup.up),
        };
        if undoes.len() != applies.len() {
            return Err(unfit("it does not undo what it applies"));
        }
        let applies = applies.into_iter().zip(undoes).map(|(apply, undoes)| applied(to, apply, undoes));
        let applies = applies.collect::<Result<Vec<_>, _>>()?;
        let Some(switch) = switch else { return Err(unfit("it has no switch")) };
        let edges = match way {
            Way::Up => &to.edges,
            Way::Down => &from.edges,
        };
        let mut plan = Plan {
            from: from.clone(),
            to: to.clone(),
            way,
            relup: *relup_digest,
            makes_permanent,
            pairs: BTreeMap::new(),
            preserves: BTreeSet::new(),
            added: BTreeMap::new(),
            moved: BTreeMap::new(),
            applies,
        };
        for pair in switch {
            plan.add(pair, edges, pair.to.is_some() && restarts.contains(&pair.machine.app))?;
        }
        plan.preserves = plan.preserving();
        let after = plan.pairs.values().filter_map(Change::to).chain(plan.added.values());
        let after: BTreeSet<&MachineAddress> = after.map(|code| &code.address).collect();
        let missing = from.machines().map(|code| &code.address).find(|at| !plan.pairs.contains_key(at));
        let missing =
            missing.or_else(|| to.machines().map(|code| &code.address).find(|at| !after.contains(at)));
        if let Some(address) = missing {
            return Err(unfit(&format!("it does not say what becomes of {address}")));
        }
        Ok(plan)
    }

    /// Returns whether a machine, by its address before the switch, promises to do what it did.
    pub fn preserves(&self, machine: &MachineAddress) -> bool {
        self.preserves.contains(machine)
    }

    /// Returns the machines that promise to do what they did, by their addresses before the switch.
    pub fn preserved(&self) -> impl Iterator<Item = &MachineAddress> {
        self.preserves.iter()
    }

    /// Finds the machines that the newer release says this of. The way back owes nothing.
    fn preserving(&self) -> BTreeSet<MachineAddress> {
        let predecessors = &self.to.resolved.predecessors;
        let from = predecessors.iter().find(|from| from.digest == self.from.entry.digest);
        let Some(from) = from.filter(|_| self.way == Way::Up) else { return BTreeSet::new() };
        let said =
            |change: &Change| change.to().is_some_and(|to| from.transition.preserves.contains(&to.address));
        self.pairs.iter().filter(|(_, change)| said(change)).map(|(machine, _)| machine.clone()).collect()
    }

    /// Adds what becomes of a machine.
    fn add(
        &mut self,
        pair: &Pair,
        edges: &BTreeMap<Digest, Arc<VerifiedEdge>>,
        restarts: bool,
    ) -> Result<(), PlanError> {
        let twice = || unfit(&format!("it names {} twice", pair.machine));
        let running = self.from.machine(pair.before());
        // Another machine may have left its address to a new one.
        if pair.from.is_none() && pair.was.is_none() {
            let to = self.leads_to(pair)?;
            return match self.added.insert(pair.machine.clone(), to) {
                None => Ok(()),
                Some(_) => Err(twice()),
            };
        }
        let change = change(self, running, pair, edges, restarts)?;
        if let Some(to) = change.to().filter(|to| to.address != *pair.before()) {
            self.moved.insert(pair.before().clone(), to.address.clone());
        }
        match self.pairs.insert(pair.before().clone(), change) {
            None => Ok(()),
            Some(_) => Err(twice()),
        }
    }

    /// Returns the code that a pair leads to.
    fn leads_to(&self, pair: &Pair) -> Result<Arc<MachineCode>, PlanError> {
        let next = self.to.machine(&pair.machine);
        match next.filter(|code| Some(code.digest()) == pair.to) {
            Some(code) => Ok(code.clone()),
            None => Err(unfit(&format!("it leads {} to code that the release does not have", pair.machine))),
        }
    }

    /// Returns the machines that begin anew.
    pub(super) fn restarted(&self) -> impl Iterator<Item = &Arc<MachineCode>> {
        self.pairs.values().filter_map(|change| match change {
            Change::Restarts { to, .. } => Some(to),
            _ => None,
        })
    }

    /// Returns the address that an instance has after the switch.
    pub(super) fn address_after(&self, address: &InstanceAddress) -> InstanceAddress {
        // Nearly no switch renames anything.
        if self.moved.is_empty() {
            return address.clone();
        }
        self.moved.get(&address.machine_address()).map_or_else(|| address.clone(), |to| address.at(to))
    }

    /// Returns the address that a machine has before the switch, by that which it has after it.
    pub(super) fn address_before(&self, machine: &MachineAddress) -> MachineAddress {
        let found = self.moved.iter().find(|(_, to)| *to == machine);
        found.map_or_else(|| machine.clone(), |(from, _)| from.clone())
    }
}

/// Returns for each input that undoes another, in their order, the place of that one on the way up.
fn undone(up: &[Instruction]) -> Vec<Option<u32>> {
    let applies = up.iter().filter_map(|instruction| match instruction {
        Instruction::Apply(apply) => Some(apply),
        _ => None,
    });
    let undone = (0u32..).zip(applies).filter(|(_, apply)| apply.inverse.is_some());
    let mut places: Vec<Option<u32>> = undone.map(|(place, _)| Some(place)).collect();
    places.reverse();
    places
}

/// Types an input that is applied.
fn applied(to: &Release, apply: &Apply, undoes: Option<u32>) -> Result<Applied, PlanError> {
    let machine = &apply.machine;
    let code = to.machine(machine).ok_or_else(|| unfit(&format!("there is no {machine} to apply to")))?;
    if code.keyed() != apply.key.is_some() {
        return Err(unfit(&format!("what is applied to {machine} has a key, or needs one")));
    }
    let ty = code.verified.input();
    let input = Value::from_json(&apply.input, ty)
        .map_err(|error| unfit(&format!("what is applied to {machine} is no input of it: {error}")))?;
    Ok(Applied {
        address: InstanceAddress {
            app: machine.app.clone(),
            machine: machine.machine.clone(),
            key: apply.key.clone(),
        },
        writer: code.digest(),
        input: input.to_binary(ty).into(),
        undoes,
    })
}

fn unfit(reason: &str) -> PlanError {
    PlanError::Unfit(reason.to_owned())
}

fn other_base(pair: &Pair, running: Option<Digest>) -> PlanError {
    let digest = |digest: Option<Digest>| digest.map_or("none".to_owned(), |digest| digest.short());
    let (running, from) = (digest(running), digest(pair.from));
    PlanError::OtherBase(format!("{} runs {running}, the upgrade starts from {from}", pair.before()))
}

/// Returns what becomes of a machine that runs.
fn change(
    plan: &Plan,
    running: Option<&Arc<MachineCode>>,
    pair: &Pair,
    edges: &BTreeMap<Digest, Arc<VerifiedEdge>>,
    restarts: bool,
) -> Result<Change, PlanError> {
    let machine = &pair.machine;
    let Some(from) = running.filter(|code| Some(code.digest()) == pair.from) else {
        return Err(other_base(pair, running.map(|code| code.digest())));
    };
    if pair.to.is_none() {
        return Ok(Change::Removed { from: from.clone() });
    }
    let to = plan.leads_to(pair)?;
    if from.keyed() != to.keyed() {
        return Err(unfit(&format!("{machine} is keyed in one release and not in the other")));
    }
    match pair.edge {
        None if restarts => Ok(Change::Restarts { from: from.clone(), to }),
        Some(_) if restarts => Err(unfit(&format!("{machine} gives up its states, and has an edge"))),
        None if from.digest() == to.digest() => Ok(Change::Stays { to }),
        None => Err(unfit(&format!("{machine} changes and has no edge"))),
        Some(digest) => {
            let edge = edges.get(&digest);
            let edge = edge.ok_or_else(|| unfit(&format!("the edge of {machine} is not in the bundle")))?;
            let (old, new) = match plan.way {
                Way::Up => (from, &to),
                Way::Down => (&to, from),
            };
            edge.check_ends(&old.verified, &new.verified)
                .map_err(|error| unfit(&format!("the edge of {machine}: {error}")))?;
            Ok(Change::Moves { from: from.clone(), to, edge: edge.clone() })
        }
    }
}
