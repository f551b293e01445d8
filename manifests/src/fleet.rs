//! `fleet.toml`: the groups of a fleet, what each of them runs, and how they get there.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::diagnostic::{Diagnostic, Source};

use crate::label::Selector;
use crate::name::{AppName, MachineName, ReleaseName};
use crate::policy::{Policy, PolicyPart};
use crate::reader::{Field, Reader, Seen, Table};
use crate::release::{read_config, write_config};
use crate::setting::Settings;
use crate::version::Version;
use crate::writer::Writer;
use crate::{Step, locate};

/// Settings by application and machine, laid over those of the release.
pub type Overlay = BTreeMap<AppName, BTreeMap<MachineName, Settings>>;

/// A fleet: who runs what, and how they get there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    /// The name of the release that the nodes run.
    pub release: ReleaseName,
    /// How rollouts go, where a group does not say otherwise.
    pub policy: PolicyPart,
    /// The groups, at least one; a node belongs to the first that selects it.
    pub groups: Vec<Group>,
}

/// Nodes that run the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What it is called; written as a release is.
    pub name: ReleaseName,
    /// Which nodes belong to it, unless an earlier group has them.
    pub select: Selector,
    /// The groups that are done before this one begins. `None`: the one above it.
    pub after: Option<Vec<ReleaseName>>,
    /// The version that it runs. `None`: the one of the project.
    pub version: Option<Version>,
    /// The applications that callers reach here. `None`: nobody says, or all.
    pub serves: Option<Vec<AppName>>,
    /// Settings laid over those of the release.
    pub config: Overlay,
    /// How rollouts go here, where it is not as everywhere.
    pub policy: PolicyPart,
}

impl Fleet {
    /// Returns how rollouts go in a group.
    pub fn policy_of(&self, group: &Group) -> Policy {
        group.policy.over(&self.policy)
    }

    /// Returns true when a group is done before another begins.
    pub fn comes_before(&self, first: &ReleaseName, then: &ReleaseName) -> bool {
        way(&edges(&self.groups), first, then).is_some()
    }
}

/// Returns which group comes directly before which, and whether the author said so.
fn edges(groups: &[Group]) -> BTreeMap<&ReleaseName, Vec<(&ReleaseName, bool)>> {
    let mut edges: BTreeMap<&ReleaseName, Vec<(&ReleaseName, bool)>> = BTreeMap::new();
    for (index, group) in groups.iter().enumerate() {
        let above = index.checked_sub(1).map(|above| &groups[above].name);
        let before: Vec<(&ReleaseName, bool)> = match &group.after {
            Some(after) => after.iter().map(|name| (name, true)).collect(),
            None => above.into_iter().map(|name| (name, false)).collect(),
        };
        for (name, said) in before {
            edges.entry(name).or_default().push((&group.name, said));
        }
    }
    edges
}

/// Returns the groups on the way from one to another, the last included; one step at least.
fn way<'g>(
    edges: &BTreeMap<&'g ReleaseName, Vec<(&'g ReleaseName, bool)>>,
    from: &ReleaseName,
    to: &ReleaseName,
) -> Option<Vec<&'g ReleaseName>> {
    let mut seen: BTreeSet<&ReleaseName> = BTreeSet::new();
    let mut ways: Vec<Vec<&'g ReleaseName>> = vec![vec![]];
    while !ways.is_empty() {
        let mut longer = vec![];
        for way in ways {
            let at = way.last().copied().unwrap_or(from);
            for (next, _) in edges.get(at).into_iter().flatten() {
                let way: Vec<&'g ReleaseName> = way.iter().copied().chain([*next]).collect();
                if *next == to {
                    return Some(way);
                }
                if seen.insert(next) {
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}

/// Reads a `fleet.toml`.
///
/// # Errors
///
/// All faults of the text.
pub fn read(source: &Source) -> Result<Fleet, Vec<Diagnostic>> {
    Reader::read(source, |reader, table| {
        let release = table.required("release").and_then(|field| field.word());
        let policy = read_policy(table);
        let groups = table.required("group").and_then(|field| read_groups(&field));
        if let Some(groups) = &groups {
            check_order(reader, source, groups);
        }
        Some(Fleet { release: release?, policy: policy?, groups: groups? })
    })
}

fn read_policy(table: &Table<'_, '_>) -> Option<PolicyPart> {
    match table.optional("policy") {
        Some(field) => field.table_with(crate::policy::read),
        None => Some(PolicyPart::default()),
    }
}

fn read_groups(field: &Field<'_, '_>) -> Option<Vec<Group>> {
    let items = field.items()?;
    if items.is_empty() {
        field.refuse("M0115", "a fleet has at least one group");
    }
    let mut names = Seen::default();
    let mut selected: Vec<Selector> = vec![];
    let mut groups = vec![];
    let mut whole = true;
    for item in &items {
        let Some(group) = item.table_with(read_group) else {
            whole = false;
            continue;
        };
        names.note(item, group.name.clone(), &format!("the group {}", group.name));
        if selected.iter().any(|other| other.is_everything() || *other == group.select) {
            let message = format!(
                "no node is left for the group {}: earlier ones have all that `{}` selects",
                group.name, group.select
            );
            item.refuse("M0160", message);
        }
        selected.push(group.select.clone());
        groups.push(group);
    }
    whole.then_some(groups)
}

fn read_group(table: &Table<'_, '_>) -> Option<Group> {
    let name = table.required("name").and_then(|field| field.word());
    let select = table.required("select").and_then(|field| field.word());
    let after = match table.optional("after") {
        Some(field) => field.words().map(Some),
        None => Some(None),
    };
    let version = table.optional_word("version");
    let serves = match table.optional("serves") {
        Some(field) => field.words().map(|apps: Vec<AppName>| {
            if apps.is_empty() {
                field.refuse(
                    "M0115",
                    "a group serves at least one application; without `serves` nobody says which",
                );
            }
            Some(apps)
        }),
        None => Some(None),
    };
    let config = match table.optional("config") {
        Some(field) => field.table().and_then(|table| read_config(&table, None)),
        None => Some(Overlay::new()),
    };
    let policy = read_policy(table);
    Some(Group {
        name: name?,
        select: select?,
        after: after?,
        version: version?,
        serves: serves?,
        config: config?,
        policy: policy?,
    })
}

/// Refuses groups that come after what is not there, and orders that contradict themselves.
fn check_order(reader: &Reader<'_>, source: &Source, groups: &[Group]) {
    let place = |group: usize, item: usize| {
        locate(source, &[Step::Key("group"), Step::Item(group), Step::Key("after"), Step::Item(item)])
    };
    let known: BTreeSet<&ReleaseName> = groups.iter().map(|group| &group.name).collect();
    let edges = edges(groups);
    let mut told: BTreeSet<BTreeSet<&ReleaseName>> = BTreeSet::new();
    for (at, group) in groups.iter().enumerate() {
        for (item, other) in group.after.iter().flatten().enumerate() {
            if !known.contains(other) {
                reader.refuse("M0124", place(at, item), format!("there is no group {other}"));
                continue;
            }
            // From this group over others to the one that it waits for, and so to itself.
            let circle = match other == &group.name {
                true => Some(vec![other]),
                false => way(&edges, &group.name, other),
            };
            let Some(circle) = circle else { continue };
            if !told.insert(circle.iter().copied().chain([&group.name]).collect()) {
                continue;
            }
            let message = match other == &group.name {
                true => format!("the group {other} comes after itself"),
                false => format!("{} comes after {other}, and {other} after {}", group.name, group.name),
            };
            let fault = reader.diagnostic("M0161", place(at, item), message, "a contradiction");
            let behind = groups.iter().position(|one| &one.name == circle[0]).unwrap_or(at);
            let fault = match &groups[behind].after {
                // Both places are the author's words.
                Some(after) if behind != at => {
                    let item = after.iter().position(|name| *name == group.name).unwrap_or(0);
                    fault.related(place(behind, item), "and here")
                }
                None => fault.help(format!(
                    "{} has no `after`, and so comes after the group above it, {}; write `after` there, or move it",
                    circle[0], group.name
                )),
                Some(_) => fault,
            };
            reader.fault(fault);
        }
    }
}

/// Writes a `fleet.toml`.
pub fn write(fleet: &Fleet) -> String {
    let mut writer = Writer::default();
    writer.text("release", &fleet.release);
    crate::policy::write(&mut writer, "policy", &fleet.policy);
    for group in &fleet.groups {
        writer.item("group");
        writer.text("name", &group.name);
        writer.text("select", &group.select);
        if let Some(after) = &group.after {
            writer.texts("after", after);
        }
        writer.text_if("version", group.version.as_ref());
        if let Some(serves) = &group.serves {
            writer.texts("serves", serves);
        }
        write_config(&mut writer, "group.config", &group.config);
        crate::policy::write(&mut writer, "group.policy", &group.policy);
    }
    writer.end()
}

#[cfg(test)]
mod tests;
