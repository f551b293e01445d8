//! The reason of each instruction.

use camshaft_cam::digest::Digest;
use camshaft_manifests::relup::{Code, CodeOf, Instruction};
use camshaft_manifests::resolved::ResolvedRelease;
use camshaft_manifests::{AppName, MachineAddress};

use super::{Changed, Fate, MachineStory, States};
use crate::crossing::Origin;

/// What the reasons follow from.
pub(super) struct Steps<'s> {
    pub(super) old: &'s ResolvedRelease,
    pub(super) new: &'s ResolvedRelease,
    pub(super) machines: &'s [MachineStory],
}

/// A direction: which release runs before, and which after.
#[derive(Clone, Copy)]
struct Ends<'s> {
    before: &'s ResolvedRelease,
    after: &'s ResolvedRelease,
    up: bool,
}

impl Steps<'_> {
    /// Returns the reasons on the way up.
    pub(super) fn up(&self, instructions: &[Instruction]) -> Vec<String> {
        let ends = Ends { before: self.old, after: self.new, up: true };
        instructions.iter().map(|instruction| self.reason(ends, instruction)).collect()
    }

    /// Returns the reasons on the way down.
    pub(super) fn down(&self, instructions: &[Instruction]) -> Vec<String> {
        let ends = Ends { before: self.new, after: self.old, up: false };
        instructions.iter().map(|instruction| self.reason(ends, instruction)).collect()
    }

    fn reason(&self, ends: Ends<'_>, instruction: &Instruction) -> String {
        match instruction {
            Instruction::Load(code) => self.load(ends, code),
            Instruction::Verify(_) => "only what was verified runs".to_owned(),
            Instruction::Try(change) => self.trial(ends, &change.machine),
            Instruction::Switch(_) => format!(
                "one durable record: before it {} runs, after it {}, and a node that is killed runs one of them",
                ends.before.version, ends.after.version
            ),
            Instruction::Start(app) => start(ends, app),
            Instruction::Stop(app) => stop(ends, app),
            Instruction::Apply(apply) => {
                let undone = apply.inverse.as_ref().map(|inverse| format!("; {inverse} undoes it"));
                format!("the release asks for this input{}", undone.unwrap_or_default())
            }
            Instruction::Migrate(_) => {
                "all its instances are migrated now, and not when they are next used".to_owned()
            }
            Instruction::Barrier(_) => "the nodes of a rollout wait for each other here".to_owned(),
            Instruction::MakePermanent => "nobody has to confirm it".to_owned(),
            Instruction::Restart(_) => "a person chose to give up its state".to_owned(),
        }
    }

    fn changed(&self, machine: &MachineAddress) -> Option<&Changed> {
        let story = self.machines.iter().find(|story| story.machine == *machine)?;
        match &story.fate {
            Fate::Changed(changed) => Some(changed),
            Fate::Added | Fate::Removed | Fate::Same => None,
        }
    }

    fn load(&self, ends: Ends<'_>, CodeOf { machine, code }: &CodeOf) -> String {
        match code {
            Code::Machine(_) if ends.before.machine(machine).is_none() => {
                format!("{} does not have it", ends.before.version)
            }
            Code::Machine(_) if ends.up => {
                let why = self.changed(machine).map_or(&[][..], |changed| &changed.why);
                match why {
                    [] => "its code changed".to_owned(),
                    [one] => format!("its code changed: {one}"),
                    [first, rest @ ..] => format!("its code changed: {first}; and {} more", rest.len()),
                }
            }
            Code::Machine(_) => format!("it is what ran in {}", ends.after.version),
            Code::Edge(_) => self.edge(ends, machine),
            Code::Link(digest) => link(ends, machine, *digest),
        }
    }

    fn edge(&self, ends: Ends<'_>, machine: &MachineAddress) -> String {
        let origin = self.changed(machine).and_then(|changed| changed.edge.as_ref()).map(|edge| &edge.origin);
        let from = match origin {
            Some(Origin::Over(version)) => format!(", chained over {version}"),
            Some(Origin::Derived) => ", derived from the types".to_owned(),
            Some(Origin::Written) => ", as the migration says".to_owned(),
            Some(Origin::Recorded) | None => String::new(),
        };
        match ends.up {
            true => format!("states, inputs and answers go over by it{from}"),
            false => "they go back by the edge by which they came: it knows what was kept aside".to_owned(),
        }
    }

    fn trial(&self, ends: Ends<'_>, machine: &MachineAddress) -> String {
        let changed = self.changed(machine).filter(|_| ends.up);
        let certified = changed.and_then(|changed| changed.edge.as_ref());
        let certified = certified.is_some_and(|edge| edge.not_certified.is_none());
        match changed.map(|changed| changed.states) {
            Some(States::AsTheyWere | States::ZeroTouch) => {
                "its states stay as they are; what has to hold of them is looked at first".to_owned()
            }
            Some(States::Made) if certified => {
                "it cannot fail; states are made here and not in the pause".to_owned()
            }
            _ => "every live state goes over on a copy first: one that cannot changes nothing".to_owned(),
        }
    }
}

fn link(ends: Ends<'_>, machine: &MachineAddress, digest: Digest) -> String {
    let mut links = ends.after.links.iter();
    let Some(link) = links.find(|link| link.sender == *machine && link.digest == digest) else {
        return format!("{} has it", ends.after.version);
    };
    let known = ends.before.links.iter().any(|other| {
        (&other.sender, &other.channel, &other.receiver) == (&link.sender, &link.channel, &link.receiver)
    });
    match known {
        true => format!("channel {} to {}: types at one of its ends changed", link.channel, link.receiver),
        false => {
            format!("channel {} to {}: {} does not have it", link.channel, link.receiver, ends.before.version)
        }
    }
}

/// Returns the applications of a list that are not in a release.
fn names(names: Vec<&AppName>) -> String {
    names.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(" and ")
}

fn has(release: &ResolvedRelease, name: &AppName) -> bool {
    release.apps.iter().any(|app| app.name == *name)
}

fn start(ends: Ends<'_>, name: &AppName) -> String {
    let Some(app) = ends.after.apps.iter().find(|app| app.name == *name) else {
        return format!("{} adds it", ends.after.version);
    };
    let added: Vec<&AppName> = app.depends.keys().filter(|needed| !has(ends.before, needed)).collect();
    let after = if added.is_empty() {
        String::new()
    } else {
        format!("; after {}, which it depends on", names(added))
    };
    let waits: Vec<&AppName> = ends
        .after
        .apps
        .iter()
        .filter(|other| other.depends.contains_key(name) && !has(ends.before, &other.name))
        .map(|other| &other.name)
        .collect();
    let before = match waits.len() {
        0 => String::new(),
        1 => format!("; before {}, which depends on it", names(waits)),
        _ => format!("; before {}, which depend on it", names(waits)),
    };
    format!("{} does not have it{after}{before}", ends.before.version)
}

fn stop(ends: Ends<'_>, name: &AppName) -> String {
    let mut users = vec![];
    for other in &ends.before.apps {
        if other.depends.contains_key(name) && !has(ends.after, &other.name) {
            users.push(&other.name);
        }
    }
    let after = match users.len() {
        0 => String::new(),
        1 => format!("; after {}, which depends on it", names(users)),
        _ => format!("; after {}, which depend on it", names(users)),
    };
    format!("{} does not have it{after}; its instances are put away whole", ends.after.version)
}
