//! From one release to another, whether or not the newer one names the older.
//!
//! A build makes edges and relups from the predecessors that it names. A node may run another release: a
//! hotfix, or one that was built beside. [`cross`] finds the way for such a node too: for each machine
//! that changed the edge that the newer release has, else the one that was written for it, else a
//! chain of edges that other releases have, else what follows from the types. What is still
//! missing is told with a migration to fill in.
//!
//! What must stay true: the same releases and migrations give the same edges and the same relup; of a
//! release that the newer one names nothing is made anew; what comes out is judged by [`crate::check`].

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::compile::{self, Modules, migration_header};
use camshaft_cam::derive::DownClass;
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;
use camshaft_cam::format::format;
use camshaft_cam::suite::laws::Law;
use camshaft_cam::verify::VerifiedEdge;
use camshaft_manifests::relup::Relup;
use camshaft_manifests::resolved::{Predecessor, ResolvedEdge, ResolvedMachine};
use camshaft_manifests::transition::Transition;
use camshaft_manifests::{MachineAddress, Version};

use crate::check::{Fault, check};
use crate::edges::{self, Made, NotMade};
use crate::open::OpenedRelease;
use crate::plan::plan;
use crate::project::BuiltEdge;

/// What there is beside the two releases.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// Releases whose edges may be gone over.
    pub over: Vec<OpenedRelease>,
    /// Migrations that a person wrote, by their machines.
    pub migrations: BTreeMap<MachineAddress, Source>,
}

/// The way from one release to another.
#[derive(Debug, Clone)]
pub struct Crossing {
    /// Where it begins.
    pub from: Predecessor,
    /// The newer release, with `from` among its predecessors, and with all edges.
    pub release: OpenedRelease,
    /// The instructions, both ways.
    pub relup: Relup,
    /// True when the newer release names the older one itself.
    pub recorded: bool,
    /// Where the edge of each machine that changed comes from.
    pub origins: BTreeMap<MachineAddress, Origin>,
    /// The machines that changed and have no edge.
    pub missing: Vec<Missing>,
    /// What the checker has against the relup. Nothing where nothing is missing.
    pub faults: Vec<Fault>,
    /// The edges that were made here, for [the laws](camshaft_cam::suite::laws).
    pub made: Vec<BuiltEdge>,
}

/// Where an edge comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The newer release has it.
    Recorded,
    /// Chained of edges that releases have, the last of them over this one.
    Over(Version),
    /// A migration was given.
    Written,
    /// It follows from the types.
    Derived,
}

/// A machine that has no edge, and what to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// The machine.
    pub machine: MachineAddress,
    /// The version of its application that it comes from.
    pub version: Version,
    /// Why nothing can be derived; what is wrong with the migration that was given.
    pub faults: Vec<Diagnostic>,
    /// A migration with a hole for everything that has to be decided.
    pub template: Option<String>,
}

/// Why no way was looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrossError {
    /// Two releases that have nothing to do with each other.
    #[error(
        "{older} and {newer} are different releases: a node goes from one version to another of the same"
    )]
    Names {
        /// The name of the one.
        older: String,
        /// The name of the other.
        newer: String,
    },
    /// The two stand the wrong way round.
    #[error("{older} comes from {newer}: the way there is `down` of the relup from {newer} to {older}")]
    Back {
        /// What was called the older.
        older: Version,
        /// What was called the newer.
        newer: Version,
    },
    /// Two releases of one version.
    #[error("{newer} comes from another {version} ({known}) than this one ({found})")]
    Version {
        /// The newer release.
        newer: Version,
        /// The version that there is twice.
        version: Version,
        /// What the newer release names.
        known: String,
        /// What was given.
        found: String,
    },
    /// Something that has another name since: to take it for gone would give up its states.
    #[error(
        "{was} of {older} is called {name} in {newer}, and a way that nobody named does not follow names"
    )]
    Renamed {
        /// The version of the older release.
        older: Version,
        /// The version of the newer release.
        newer: Version,
        /// What it was called.
        was: String,
        /// What it is called.
        name: String,
    },
    /// A migration that migrates nothing.
    #[error("the migration of {machine} is for nothing: {reason}")]
    Needless {
        /// The machine that it was given for.
        machine: MachineAddress,
        /// The reason.
        reason: String,
    },
    /// A migration of another machine or version than it was given for.
    #[error("{file} migrates `{machine}` from \"{from}\", and was given for {given} from {version}")]
    Header {
        /// The file.
        file: String,
        /// The machine that it says.
        machine: String,
        /// The version that it says.
        from: String,
        /// What it was given for.
        given: MachineAddress,
        /// The version that the older release has.
        version: Version,
    },
    /// A migration that cannot be read.
    #[error("{}", faults.first().map(Diagnostic::one_line).unwrap_or_default())]
    Garbled {
        /// What is wrong with it.
        faults: Vec<Diagnostic>,
    },
}

/// Finds the way from one release to another.
///
/// # Errors
///
/// When the two are no older and newer version of one release, and when a migration does not belong to
/// them. A way that is not complete is none: it is told in [`Crossing::missing`].
pub fn cross(old: &OpenedRelease, new: &OpenedRelease, given: &Given) -> Result<Crossing, Box<CrossError>> {
    reason_not_crossable(old, new).map_or(Ok(()), |error| Err(Box::new(error)))?;
    check_migrations(old, new, given)?;
    // As the newer release names it, with what it says of the way; else with nothing said.
    let named = new.resolved.predecessors.iter().find(|one| one.digest == old.digest);
    let from = named.cloned().unwrap_or_else(|| predecessor(old));
    if let Some(relup) = new.relups.iter().find(|relup| relup.from.digest == old.digest) {
        return Ok(recorded(from, new, relup.clone()));
    }
    if old.digest == new.digest {
        let relup = plan(&from, &new.resolved);
        return Ok(recorded(from, new, relup));
    }
    renamed(old, new).map_or(Ok(()), |error| Err(Box::new(error)))?;
    let mut release = new.clone();
    let (mut origins, mut missing, mut made) = (BTreeMap::new(), vec![], vec![]);
    for (machine, before) in old.resolved.machines() {
        let Some(after) = new.resolved.machine(&machine).filter(|after| after.digest != before.digest) else {
            continue;
        };
        let change = Change { machine: machine.clone(), old, new, before, after };
        match change.edge(given) {
            Ok((origin, edge)) => {
                if let Some((resolved, code)) = edge {
                    if matches!(origin, Origin::Written | Origin::Derived) {
                        made.extend(change.built(&resolved, &code, given));
                    }
                    // Two machines of one pair of digests share their edge, not its entry.
                    release.edges.insert(resolved.digest, code);
                    release.resolved.edges.push(resolved);
                }
                origins.insert(machine, origin);
            }
            Err(reasons) => missing.push(*reasons),
        }
    }
    let edges = &mut release.resolved.edges;
    edges.sort_by(|a, b| (&a.machine, a.from).cmp(&(&b.machine, b.from)));
    release.resolved.predecessors.push(from.clone());
    release.resolved.predecessors.sort_by(|a, b| a.version.cmp(&b.version));
    let relup = plan(&from, &release.resolved);
    let faults = if missing.is_empty() { check(&relup, &from, &release.resolved) } else { vec![] };
    release.relups.push(relup.clone());
    release.relups.sort_by(|a, b| a.from.version.cmp(&b.from.version));
    Ok(Crossing { from, release, relup, recorded: false, origins, missing, faults, made })
}

/// Returns a release as others name it that nodes may come from, where nothing is said of the way.
pub fn predecessor(release: &OpenedRelease) -> Predecessor {
    Predecessor {
        version: release.resolved.version.clone(),
        digest: release.digest,
        composition: release.resolved.composition(),
        transition: Transition::default(),
    }
}

fn reason_not_crossable(old: &OpenedRelease, new: &OpenedRelease) -> Option<CrossError> {
    let (older, newer) = (&old.resolved, &new.resolved);
    if older.name != newer.name {
        return Some(CrossError::Names { older: older.name.to_string(), newer: newer.name.to_string() });
    }
    if older.predecessors.iter().any(|one| one.digest == new.digest) {
        return Some(CrossError::Back { older: older.version.clone(), newer: newer.version.clone() });
    }
    let of_version = newer.predecessors.iter().find(|one| one.version == older.version);
    let other = of_version.map(|one| one.digest).filter(|digest| *digest != old.digest);
    let itself = Some(new.digest).filter(|digest| newer.version == older.version && *digest != old.digest);
    other.or(itself).map(|known| CrossError::Version {
        newer: newer.version.clone(),
        version: older.version.clone(),
        known: known.short().to_string(),
        found: old.digest.short().to_string(),
    })
}

/// Returns what the newer release says of names, of what the older one still has under the old name.
fn renamed(old: &OpenedRelease, new: &OpenedRelease) -> Option<CrossError> {
    let error = |was: String, name: String| CrossError::Renamed {
        older: old.resolved.version.clone(),
        newer: new.resolved.version.clone(),
        was,
        name,
    };
    let has = |app: &camshaft_manifests::AppName| old.resolved.apps.iter().any(|one| one.name == *app);
    new.resolved.predecessors.iter().find_map(|one| {
        let said = &one.transition;
        let mut apps = said.renamed_apps.iter().filter(|(name, was)| has(was) && !has(name));
        let mut machines = said.renamed_machines.iter().filter(|(name, was)| {
            old.resolved.machine(was).is_some() && old.resolved.machine(name).is_none()
        });
        let app = apps.next().map(|(name, was)| error(was.to_string(), name.to_string()));
        app.or_else(|| machines.next().map(|(name, was)| error(was.to_string(), name.to_string())))
    })
}

fn check_migrations(old: &OpenedRelease, new: &OpenedRelease, given: &Given) -> Result<(), Box<CrossError>> {
    for (machine, source) in &given.migrations {
        let ends = (old.resolved.machine(machine), new.resolved.machine(machine));
        let needless =
            |reason: String| Err(Box::new(CrossError::Needless { machine: machine.clone(), reason }));
        let version = |release: &OpenedRelease| release.resolved.version.clone();
        let (Some(before), Some(after)) = ends else {
            let without = if ends.0.is_none() { version(old) } else { version(new) };
            return needless(format!("{without} has no such machine"));
        };
        if before.digest == after.digest {
            return needless(format!("it is the same in {} and {}", version(old), version(new)));
        }
        if recorded_edge(new, machine, before.digest, after.digest).is_some() {
            return needless(format!("{} has an edge from the one of {}", version(new), version(old)));
        }
        let header = migration_header(source).map_err(|faults| Box::new(CrossError::Garbled { faults }))?;
        let version = app_version(old, machine);
        if *header.machine != *machine.machine.as_str() || *header.from != *version.to_string() {
            return Err(Box::new(CrossError::Header {
                file: source.name.to_string(),
                machine: header.machine.to_string(),
                from: header.from.to_string(),
                given: machine.clone(),
                version,
            }));
        }
    }
    Ok(())
}

/// Returns the way that the newer release knows.
fn recorded(from: Predecessor, new: &OpenedRelease, relup: Relup) -> Crossing {
    let changed = from.composition.machines().filter_map(|(machine, before)| {
        let after = new.resolved.machine(&machine)?;
        let edge = recorded_edge(new, &machine, before.digest, after.digest)?;
        let origin = edge.over.clone().map_or(Origin::Recorded, Origin::Over);
        (before.digest != after.digest).then_some((machine, origin))
    });
    let origins = changed.collect();
    let faults = check(&relup, &from, &new.resolved);
    let (recorded, missing, made) = (true, vec![], vec![]);
    Crossing { from, release: new.clone(), relup, recorded, origins, missing, faults, made }
}

fn recorded_edge<'r>(
    release: &'r OpenedRelease,
    machine: &MachineAddress,
    from: Digest,
    to: Digest,
) -> Option<&'r ResolvedEdge> {
    release.resolved.edges.iter().find(|edge| edge.machine == *machine && (edge.from, edge.to) == (from, to))
}

fn app_version(release: &OpenedRelease, machine: &MachineAddress) -> Version {
    let app = release.resolved.apps.iter().find(|app| app.name == machine.app);
    app.expect("the caller has the machine from this release").version.clone()
}

/// A machine that is another one in the newer release.
struct Change<'c> {
    machine: MachineAddress,
    old: &'c OpenedRelease,
    new: &'c OpenedRelease,
    before: &'c ResolvedMachine,
    after: &'c ResolvedMachine,
}

impl Change<'_> {
    /// Returns the edge and where it comes from; `None` stands for one that the newer release has.
    fn edge(&self, given: &Given) -> Result<(Origin, Option<Made>), Box<Missing>> {
        let (from, to) = (self.before.digest, self.after.digest);
        if recorded_edge(self.new, &self.machine, from, to).is_some() {
            return Ok((Origin::Recorded, None));
        }
        let migration = given.migrations.get(&self.machine);
        if migration.is_none()
            && let Some(made) = chained(&self.machine, (from, to), self.new, &given.over)
        {
            let over = made.0.over.clone().expect("a chain goes over a release");
            return Ok((Origin::Over(over), Some(made)));
        }
        let (old, new) = (&self.old.machines[&from], &self.new.machines[&to]);
        // What the newer machine was compiled with is not in its bundle.
        match edges::make(&self.machine, old, new, migration, &Modules::default()) {
            Ok((resolved, edge)) => {
                let origin = migration.map_or(Origin::Derived, |_| Origin::Written);
                Ok((origin, Some((self.with_waivers(resolved), edge))))
            }
            Err(reason) => Err(Box::new(self.missing(reason, migration))),
        }
    }

    /// Who sets L1 aside says that the way down does not give back what was there.
    fn with_waivers(&self, mut edge: ResolvedEdge) -> ResolvedEdge {
        let version = app_version(self.old, &self.machine);
        let app = self.new.resolved.apps.iter().find(|app| app.name == self.machine.app);
        let mut waivers = app.into_iter().flat_map(|app| &app.waivers);
        if waivers.any(|waiver| waiver.sets_aside(Law::Back.id(), &self.machine.machine, &version)) {
            edge.class = Some(DownClass::D4);
        }
        edge
    }

    fn missing(&self, reason: NotMade, migration: Option<&Source>) -> Missing {
        let version = app_version(self.old, &self.machine);
        let nowhere = Source::new(self.machine.to_string(), "");
        let source = migration.unwrap_or(&nowhere);
        let told = |code, message: String, help: &str| {
            vec![Diagnostic::new(code, source, 0..0, message, "").help(help)]
        };
        let (faults, template) = match reason {
            NotMade::Keys { older } => {
                let (was, is) = if older { ("keyed", "not") } else { ("not keyed", "is") };
                let message = format!("{} was {was} in {version}, and now it {is}", self.machine);
                (told("R0112", message, "give the machine another name in a newer release"), None)
            }
            NotMade::Refused(reason) => {
                let message = format!("the edge of {} is refused: {reason}", self.machine);
                (told("R0116", message, "split the migration: an edge has limits"), None)
            }
            NotMade::Faults(faults) if migration.is_some() => (faults, None),
            NotMade::Faults(faults) => {
                let (old, new) =
                    (&self.old.machines[&self.before.digest], &self.new.machines[&self.after.digest]);
                let text = compile::template(old, new, &version.to_string());
                let text = text.map(|text| format(&Source::new("migration", &*text)).unwrap_or(text));
                (faults, text)
            }
        };
        Missing { machine: self.machine.clone(), version, faults, template }
    }

    /// Returns what the laws are asked of.
    fn built(&self, resolved: &ResolvedEdge, edge: &VerifiedEdge, given: &Given) -> Option<BuiltEdge> {
        let app = self.new.resolved.apps.iter().find(|app| app.name == self.machine.app)?;
        let head =
            format!("migration {} from \"{}\"", self.machine.machine, app_version(self.old, &self.machine));
        let derived = Source::new(format!("(edge of {})", self.machine), head);
        BuiltEdge::of_crossing(
            resolved,
            edge,
            app_version(self.old, &self.machine),
            (&self.old.machines[&self.before.digest], &self.before.config),
            (&self.new.machines[&self.after.digest], &self.after.config),
            app.waivers.clone(),
            given.migrations.get(&self.machine).cloned().unwrap_or(derived),
        )
    }
}

/// Returns the edge over the fewest edges that releases have; of equals the one over the newest.
fn chained(
    machine: &MachineAddress,
    (from, to): (Digest, Digest),
    new: &OpenedRelease,
    over: &[OpenedRelease],
) -> Option<Made> {
    let mut releases: Vec<&OpenedRelease> = over.iter().collect();
    releases.sort_by(|a, b| b.resolved.version.cmp(&a.resolved.version));
    releases.insert(0, new);
    let steps = releases.iter().flat_map(|release| {
        let edges = release.resolved.edges.iter().filter(|edge| edge.machine == *machine);
        edges.filter_map(|edge| Some(Step { release, edge, code: release.edges.get(&edge.digest)? }))
    });
    let steps: Vec<Step<'_>> = steps.collect();
    let path = shortest(&steps, from, to)?;
    let [first, rest @ ..] = &path[..] else { return None };
    let stop = |step: &Step<'_>| step.release.resolved.version.clone();
    let mut made = (ResolvedEdge { over: Some(stop(first)), ..first.edge.clone() }, first.code.clone());
    let mut between = stop(first);
    for step in rest {
        made = edges::chain((&made.0, &made.1), (step.edge, step.code), &between)?;
        between = stop(step);
    }
    Some(made)
}

/// An edge of a release.
#[derive(Clone, Copy)]
struct Step<'s> {
    release: &'s OpenedRelease,
    edge: &'s ResolvedEdge,
    code: &'s VerifiedEdge,
}

/// Returns the fewest steps from one machine to another.
fn shortest<'s>(steps: &[Step<'s>], from: Digest, to: Digest) -> Option<Vec<Step<'s>>> {
    let mut paths: Vec<Vec<Step<'s>>> = vec![vec![]];
    let mut seen = BTreeSet::from([from]);
    while !paths.is_empty() {
        let mut longer = vec![];
        for path in paths {
            let at = path.last().map_or(from, |step| step.edge.to);
            if at == to {
                return Some(path);
            }
            for step in steps.iter().filter(|step| step.edge.from == at) {
                if seen.insert(step.edge.to) {
                    longer.push(path.iter().copied().chain([*step]).collect());
                }
            }
        }
        paths = longer;
    }
    None
}

#[cfg(test)]
mod tests;
