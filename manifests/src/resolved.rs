//! `release.toml` of a bundle: a release with everything found, compiled and pinned.
//!
//! Applications stand in dependency order: each after all that it depends on. Whoever starts
//! them goes down the list, whoever stops them goes up.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::derive::{DownClass, Strictness};
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;

use crate::address::MachineAddress;
use crate::app::{self, Supervision};
use crate::appup::{Waiver, read_waiver, write_waiver};
use crate::bundle::read_format;
use crate::lookup::Lookup;
use crate::name::{AppName, ChannelName, MachineName, ReleaseName};
use crate::reader::{Field, Reader, Seen, Table, check_canonical};
use crate::transition::{self, Transition};
use crate::version::{Requirement, Version};
use crate::writer::Writer;

/// The format of resolved releases that this version writes and reads.
pub const FORMAT: u64 = 1;

/// The most entries of one list: three times what a release of 5,000 machines has, so that each of them can
/// change, and be linked to others. Nothing here goes through a list for each entry of another.
const ENTRIES_MAX: usize = 16_384;

/// The greatest length of one machine's configuration in bytes of JSON.
const CONFIG_BYTES_MAX: usize = 1 << 20;

/// The greatest length of what an edge's migration said about one change, in bytes.
const SAID_BYTES_MAX: usize = 4096;

/// A release with everything found, compiled and pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedRelease {
    /// The name.
    pub name: ReleaseName,
    /// The version.
    pub version: Version,
    /// The version that a client speaks when it does not say; none stands for the release's own,
    /// see [`ResolvedRelease::spoken_by_default`].
    pub api_default: Option<Version>,
    /// How much of compatibility with its predecessors it was held to.
    pub strictness: Strictness,
    /// The applications, in dependency order.
    pub apps: Vec<ResolvedApp>,
    /// The links of all channels, sorted by sender and channel.
    pub links: Vec<ResolvedLink>,
    /// The edges from the predecessors' machines, sorted by machine and start.
    pub edges: Vec<ResolvedEdge>,
    /// The releases that nodes may come from, sorted by version.
    pub predecessors: Vec<Predecessor>,
}

/// An application of a resolved release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedApp {
    /// The name.
    pub name: AppName,
    /// The version.
    pub version: Version,
    /// What must run for this one to run.
    pub depends: BTreeMap<AppName, Requirement>,
    /// How the machines are looked after.
    pub supervision: Supervision,
    /// The machines, in the author's order.
    pub machines: Vec<ResolvedMachine>,
    /// Rules of compatibility that a person set aside.
    pub waivers: Vec<Waiver>,
    /// How much of compatibility it was held to, where that is not what the release says.
    pub strictness: Option<Strictness>,
}

/// A machine of a resolved release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedMachine {
    /// The name.
    pub name: MachineName,
    /// True when there is one instance for each key.
    pub keyed: bool,
    /// The machine digest; the code is in `code/HEX.cam2`.
    pub digest: Digest,
    /// The configuration, in the canonical JSON form of values.
    pub config: String,
}

/// The link of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedLink {
    /// The machine that sends.
    pub sender: MachineAddress,
    /// Its channel.
    pub channel: ChannelName,
    /// The machine that receives.
    pub receiver: MachineAddress,
    /// The digest of the link; the code is in `links/HEX.cam2`.
    pub digest: Digest,
}

/// An edge from a predecessor's machine to one of this release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedEdge {
    /// The machine.
    pub machine: MachineAddress,
    /// The machine digest that it starts from.
    pub from: Digest,
    /// The machine digest that it leads to.
    pub to: Digest,
    /// The digest of the edge; the code is in `edges/HEX.cam2`.
    pub digest: Digest,
    /// The changes of answers, inputs and ways down that its migration wrote or named, each as
    /// `ARROW RULE PATH`. Code does not show what a person said.
    pub said: Vec<String>,
    /// How states find their way down. Missing in bundles of older tools.
    pub class: Option<DownClass>,
    /// Why the edge is tried on live states and not certified in advance; missing where it is.
    pub checked: Option<String>,
    /// The version of the release over which it was chained, if it was.
    pub over: Option<Version>,
}

/// A release that nodes may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predecessor {
    /// The version.
    pub version: Version,
    /// The digest of its bundle.
    pub digest: Digest,
    /// What it is made of.
    pub composition: Composition,
    /// What persons said of the way from it to this release.
    pub transition: Transition,
}

/// What a release is made of, as far as going to and from it is concerned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Composition {
    /// The applications, in dependency order.
    pub apps: Vec<ComposedApp>,
    /// The links of its channels.
    pub links: BTreeSet<ComposedLink>,
}

/// A link of a composition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ComposedLink {
    /// The machine that sends.
    pub sender: MachineAddress,
    /// The digest of the link.
    pub digest: Digest,
}

/// An application of a composition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposedApp {
    /// The name.
    pub name: AppName,
    /// The version.
    pub version: Version,
    /// What must run for this one to run.
    pub depends: BTreeSet<AppName>,
    /// The machines.
    pub machines: Vec<ComposedMachine>,
}

/// A machine of a composition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposedMachine {
    /// The name.
    pub name: MachineName,
    /// True when there is one instance for each key.
    pub keyed: bool,
    /// The machine digest.
    pub digest: Digest,
}

impl ResolvedRelease {
    /// Returns how much of compatibility an application is held to.
    pub fn strictness_of(&self, app: &AppName) -> Strictness {
        let own = self.apps.iter().find(|other| other.name == *app).and_then(|app| app.strictness);
        own.unwrap_or(self.strictness)
    }

    /// Returns what the release is made of.
    pub fn composition(&self) -> Composition {
        let app = |app: &ResolvedApp| ComposedApp {
            name: app.name.clone(),
            version: app.version.clone(),
            depends: app.depends.keys().cloned().collect(),
            machines: app
                .machines
                .iter()
                .map(|machine| ComposedMachine {
                    name: machine.name.clone(),
                    keyed: machine.keyed,
                    digest: machine.digest,
                })
                .collect(),
        };
        Composition {
            apps: self.apps.iter().map(app).collect(),
            links: self
                .links
                .iter()
                .map(|link| ComposedLink { sender: link.sender.clone(), digest: link.digest })
                .collect(),
        }
    }

    /// Returns the version that a client speaks when it does not say.
    pub fn spoken_by_default(&self) -> &Version {
        self.api_default.as_ref().unwrap_or(&self.version)
    }

    /// Returns every machine with its address, in dependency order.
    pub fn machines(&self) -> impl Iterator<Item = (MachineAddress, &ResolvedMachine)> {
        self.apps.iter().flat_map(|app| {
            app.machines.iter().map(|machine| {
                (MachineAddress { app: app.name.clone(), machine: machine.name.clone() }, machine)
            })
        })
    }

    /// Returns the machine at an address.
    pub fn machine(&self, address: &MachineAddress) -> Option<&ResolvedMachine> {
        let app = self.apps.iter().find(|app| app.name == address.app)?;
        app.machines.iter().find(|machine| machine.name == address.machine)
    }
}

impl Composition {
    /// Returns every machine with its address, in dependency order.
    pub fn machines(&self) -> impl Iterator<Item = (MachineAddress, &ComposedMachine)> {
        self.apps.iter().flat_map(|app| {
            app.machines.iter().map(|machine| {
                (MachineAddress { app: app.name.clone(), machine: machine.name.clone() }, machine)
            })
        })
    }

    /// Returns the machine at an address.
    pub fn machine(&self, address: &MachineAddress) -> Option<&ComposedMachine> {
        self.app(&address.app)?.machines.iter().find(|machine| machine.name == address.machine)
    }

    /// Returns the application of this name.
    pub fn app(&self, name: &AppName) -> Option<&ComposedApp> {
        self.apps.iter().find(|app| app.name == *name)
    }
}

/// Reads a bundle's `release.toml`.
///
/// # Errors
///
/// All faults of the text; names that stand for nothing; applications out of order; a text that
/// is not as [`write`] writes it.
pub fn read(source: &Source) -> Result<ResolvedRelease, Vec<Diagnostic>> {
    let release = Reader::read(source, |reader, table| {
        let format = read_format(table, FORMAT);
        let name = table.required("name").and_then(|field| field.word());
        let version = table.required("version").and_then(|field| field.word());
        let api_default = match table.optional("api_default") {
            Some(field) => field.word().map(Some),
            None => Some(None),
        };
        let strictness = match table.optional("strictness") {
            Some(field) => field.strictness(),
            None => Some(Strictness::default()),
        };
        let apps = table.required("app").and_then(|field| read_list(Some(field), read_app));
        let links = read_list(table.optional("link"), read_link);
        let edges = read_list(table.optional("edge"), read_edge);
        let predecessors = read_list(table.optional("predecessor"), read_predecessor);
        format?;
        let release = ResolvedRelease {
            name: name?,
            version: version?,
            api_default: api_default?,
            strictness: strictness?,
            apps: apps?,
            links: links?,
            edges: edges?,
            predecessors: predecessors?,
        };
        check_release(reader, &release);
        Some(release)
    })?;
    check_canonical(source, &write(&release))?;
    Ok(release)
}

fn read_list<'r, 'i: 'r, T>(
    field: Option<Field<'r, 'i>>,
    read: impl Fn(&Table<'r, 'i>) -> Option<T>,
) -> Option<Vec<T>> {
    let Some(field) = field else { return Some(Vec::new()) };
    let read: Vec<Option<T>> = items(&field)?.iter().map(|item| item.table_with(&read)).collect();
    read.into_iter().collect()
}

fn items<'r, 'i>(field: &Field<'r, 'i>) -> Option<Vec<Field<'r, 'i>>> {
    let items = field.items()?;
    if items.len() > ENTRIES_MAX {
        field.refuse("M0113", format!("`{}` has at most {ENTRIES_MAX} entries", field.path));
        return None;
    }
    Some(items)
}

/// Like [`read_list`], for entries with a name that may stand once only.
fn read_named<'r, 'i: 'r, T, N: Ord + Clone + std::fmt::Display>(
    field: Option<Field<'r, 'i>>,
    name: impl Fn(&T) -> &N,
    read: impl Fn(&Table<'r, 'i>) -> Option<T>,
) -> Option<Vec<T>> {
    let field = field?;
    let mut seen = Seen::default();
    let read: Vec<Option<T>> = items(&field)?
        .iter()
        .map(|item| {
            let value = item.table_with(&read)?;
            seen.note(item, name(&value).clone(), &format!("`{}`", name(&value)));
            Some(value)
        })
        .collect();
    read.into_iter().collect()
}

fn read_app(table: &Table<'_, '_>) -> Option<ResolvedApp> {
    let name = table.required("name").and_then(|field| field.word());
    let version = table.required("version").and_then(|field| field.word());
    let depends = match table.optional("depends") {
        Some(field) => field.table().and_then(|table| app::read_depends(&table)),
        None => Some(BTreeMap::new()),
    };
    let machines = read_named(
        table.required("machine"),
        |machine: &ResolvedMachine| &machine.name,
        |table| {
            let name = table.required("name").and_then(|field| field.word());
            let keyed = table.required("keyed").and_then(|field| field.truth());
            let digest = table.required("digest").and_then(|field| field.word());
            let config = table.required("config").and_then(|field| field.prose(CONFIG_BYTES_MAX));
            Some(ResolvedMachine { name: name?, keyed: keyed?, digest: digest?, config: config? })
        },
    );
    let names: Option<Vec<MachineName>> =
        machines.as_ref().map(|machines| machines.iter().map(|machine| machine.name.clone()).collect());
    let supervision =
        table.required("supervision").and_then(|field| app::read_supervision(&field, names.as_deref()));
    let strictness = match table.optional("strictness") {
        Some(field) => field.strictness().map(Some),
        None => Some(None),
    };
    let waivers = read_list(table.optional("waive"), read_waiver);
    Some(ResolvedApp {
        name: name?,
        version: version?,
        depends: depends?,
        supervision: supervision?,
        machines: machines?,
        waivers: waivers?,
        strictness: strictness?,
    })
}

fn read_link(table: &Table<'_, '_>) -> Option<ResolvedLink> {
    let sender = table.required("sender").and_then(|field| field.word());
    let channel = table.required("channel").and_then(|field| field.word());
    let receiver = table.required("receiver").and_then(|field| field.word());
    let digest = table.required("digest").and_then(|field| field.word());
    Some(ResolvedLink { sender: sender?, channel: channel?, receiver: receiver?, digest: digest? })
}

fn read_edge(table: &Table<'_, '_>) -> Option<ResolvedEdge> {
    let machine = table.required("machine").and_then(|field| field.word());
    let from = table.required("from").and_then(|field| field.word());
    let to = table.required("to").and_then(|field| field.word());
    let digest = table.required("digest").and_then(|field| field.word());
    let said = match table.optional("said") {
        Some(field) => items(&field).and_then(|items| {
            items.iter().map(|item| item.prose(SAID_BYTES_MAX)).collect::<Option<Vec<_>>>()
        }),
        None => Some(Vec::new()),
    };
    let class = match table.optional("class") {
        Some(field) => field.word().map(Some),
        None => Some(None),
    };
    let checked = match table.optional("checked") {
        Some(field) => field.prose(SAID_BYTES_MAX).map(Some),
        None => Some(None),
    };
    let over = match table.optional("over") {
        Some(field) => field.word().map(Some),
        None => Some(None),
    };
    Some(ResolvedEdge {
        machine: machine?,
        from: from?,
        to: to?,
        digest: digest?,
        said: said?,
        class: class?,
        checked: checked?,
        over: over?,
    })
}

fn read_predecessor(table: &Table<'_, '_>) -> Option<Predecessor> {
    let version = table.required("version").and_then(|field| field.word());
    let digest = table.required("digest").and_then(|field| field.word());
    let links = read_list(table.optional("link"), |table| {
        let sender = table.required("sender").and_then(|field| field.word());
        let digest = table.required("digest").and_then(|field| field.word());
        Some(ComposedLink { sender: sender?, digest: digest? })
    });
    let read_app = |table: &Table<'_, '_>| {
        let name = table.required("name").and_then(|field| field.word());
        let version = table.required("version").and_then(|field| field.word());
        let depends = table.required("depends").and_then(|field| field.words());
        let machines = read_named(
            table.required("machine"),
            |machine: &ComposedMachine| &machine.name,
            |table| {
                let name = table.required("name").and_then(|field| field.word());
                let keyed = table.required("keyed").and_then(|field| field.truth());
                let digest = table.required("digest").and_then(|field| field.word());
                Some(ComposedMachine { name: name?, keyed: keyed?, digest: digest? })
            },
        );
        Some(ComposedApp {
            name: name?,
            version: version?,
            depends: depends?.into_iter().collect(),
            machines: machines?,
        })
    };
    let apps = table.required("app").and_then(|field| read_list(Some(field), read_app));
    let composition = Composition { apps: apps?, links: links?.into_iter().collect() };
    let transition = transition::read(table)?;
    Some(Predecessor { version: version?, digest: digest?, composition, transition })
}

/// Checks what holds between the parts of the document.
///
/// The places are those of the whole document: it is written by the tool, and a person who sees
/// one of these faults cannot mend it by hand anyway.
fn check_release(reader: &Reader<'_>, release: &ResolvedRelease) {
    let composition = release.composition();
    let composition = Lookup::new(&composition);
    check_composition(reader, "the release", &composition);
    for app in &release.apps {
        for (needed, range) in &app.depends {
            let found = composition.app(needed).map(|found| &found.version);
            if let Some(found) = found.filter(|found| !range.matches(found)) {
                let message =
                    format!("application {} depends on {needed} {range}, the release has {found}", app.name);
                reader.refuse("M0123", 0..0, message);
            }
        }
    }
    let unknown = |what: &str, machine: &MachineAddress| {
        reader.refuse(
            "M0124",
            0..0,
            format!("{what} names machine {machine}, which the release does not have"),
        );
    };
    let mut keys = BTreeSet::new();
    for link in &release.links {
        if composition.machine(&link.receiver).is_none() {
            unknown("a link", &link.receiver);
        }
        if !keys.insert((&link.sender, &link.channel)) {
            let message = format!("channel {} of {} has two links", link.channel, link.sender);
            reader.refuse("M0112", 0..0, message);
        }
    }
    let mut keys = BTreeSet::new();
    for edge in &release.edges {
        match composition.machine(&edge.machine) {
            None => unknown("an edge", &edge.machine),
            Some(machine) if machine.digest != edge.to => {
                let message = format!("an edge of {} leads to another machine", edge.machine);
                reader.refuse("M0124", 0..0, message);
            }
            Some(_) => {}
        }
        if !keys.insert((&edge.machine, edge.from)) {
            reader.refuse("M0112", 0..0, format!("two edges of {} start from one machine", edge.machine));
        }
    }
    let mut versions = BTreeSet::new();
    for predecessor in &release.predecessors {
        if predecessor.version == release.version {
            let message = format!("release {} does not come from itself", release.version);
            reader.refuse("M0114", 0..0, message);
        }
        if !versions.insert(&predecessor.version) {
            reader.refuse("M0112", 0..0, format!("predecessor {} stands twice", predecessor.version));
        }
        let what = format!("predecessor {}", predecessor.version);
        let from = Lookup::new(&predecessor.composition);
        check_composition(reader, &what, &from);
        check_transition(reader, &what, (&predecessor.transition, &from), &composition);
    }
    if let Some(default) = &release.api_default
        && *default != release.version
        && !versions.contains(default)
    {
        let message =
            format!("the API default {default} is neither this release nor one of its predecessors");
        reader.refuse("M0124", 0..0, message);
    }
}

/// Checks that what was said of the way from a predecessor is about machines that there are.
fn check_transition(
    reader: &Reader<'_>,
    what: &str,
    (transition, from): (&Transition, &Lookup<'_>),
    to: &Lookup<'_>,
) {
    let refuse = |message: String| reader.refuse("M0124", 0..0, format!("{what}: {message}"));
    for (name, was) in &transition.renamed_apps {
        if to.app(name).is_none() || from.app(was).is_none() || name == was {
            refuse(format!("application {name} cannot have been {was}"));
        }
    }
    for (name, was) in &transition.renamed_machines {
        if to.machine(name).is_none() || from.machine(was).is_none() || name == was {
            refuse(format!("machine {name} cannot have been {was}"));
        }
    }
    // Two that came from one would share its instances.
    let mut origins = BTreeMap::new();
    let called = transition.origins();
    for (name, _) in to.composition.machines() {
        let was = called.was(&name).filter(|was| from.machine(was).is_some());
        if let Some(was) = was
            && let Some(other) = origins.insert(was.clone(), name.clone())
            // One that stands twice was refused already.
            && other != name
        {
            refuse(format!("machines {other} and {name} cannot both have been {was}"));
        }
    }
    let applied = transition.applies.iter().map(|apply| &apply.machine);
    let machines = applied.chain(&transition.migrates).chain(&transition.preserves);
    for machine in machines.filter(|machine| to.machine(machine).is_none()) {
        refuse(format!("the release has no machine {machine}"));
    }
    for app in transition.restarts.keys().filter(|app| to.app(app).is_none()) {
        refuse(format!("the release has no application {app}"));
    }
}

fn check_composition(reader: &Reader<'_>, what: &str, machines: &Lookup<'_>) {
    let composition = machines.composition;
    if composition.apps.is_empty() {
        reader.refuse("M0115", 0..0, format!("{what} has no application"));
    }
    let mut before = BTreeSet::new();
    for app in &composition.apps {
        for needed in &app.depends {
            if !before.contains(needed) {
                let message =
                    format!("{what} has no application {needed} before {}, which depends on it", app.name);
                reader.refuse("M0123", 0..0, message);
            }
        }
        if app.machines.is_empty() {
            reader.refuse("M0115", 0..0, format!("{what} has application {} without machines", app.name));
        }
        if !before.insert(&app.name) {
            reader.refuse("M0112", 0..0, format!("{what} has application {} twice", app.name));
        }
    }
    for link in &composition.links {
        if machines.machine(&link.sender).is_none() {
            let message = format!("a link of {what} names machine {}, which it does not have", link.sender);
            reader.refuse("M0124", 0..0, message);
        }
    }
}

/// Writes a bundle's `release.toml`.
pub fn write(release: &ResolvedRelease) -> String {
    let mut writer = Writer::default();
    writer.raw("format", FORMAT);
    writer.text("name", &release.name);
    writer.text("version", &release.version);
    writer.text_if("api_default", release.api_default.as_ref());
    // Left out where it says nothing: releases keep the bytes that they had before there was any.
    if release.strictness != Strictness::default() {
        writer.text("strictness", release.strictness);
    }
    for app in &release.apps {
        writer.item("app");
        writer.text("name", &app.name);
        writer.text("version", &app.version);
        app::write_depends(&mut writer, &app.depends);
        writer.text_if("strictness", app.strictness);
        writer.raw("supervision", app::inline(app::supervision_pairs(&app.supervision)));
        for machine in &app.machines {
            writer.item("app.machine");
            writer.text("name", &machine.name);
            writer.raw("keyed", machine.keyed);
            writer.text("digest", machine.digest);
            writer.text("config", &machine.config);
        }
        for waiver in &app.waivers {
            writer.item("app.waive");
            write_waiver(&mut writer, waiver);
        }
    }
    for link in &release.links {
        writer.item("link");
        writer.text("sender", &link.sender);
        writer.text("channel", &link.channel);
        writer.text("receiver", &link.receiver);
        writer.text("digest", link.digest);
    }
    for edge in &release.edges {
        writer.item("edge");
        writer.text("machine", &edge.machine);
        writer.text("from", edge.from);
        writer.text("to", edge.to);
        writer.text("digest", edge.digest);
        if !edge.said.is_empty() {
            writer.texts("said", &edge.said);
        }
        writer.text_if("class", edge.class.as_ref());
        writer.text_if("checked", edge.checked.as_ref());
        writer.text_if("over", edge.over.as_ref());
    }
    for predecessor in &release.predecessors {
        writer.item("predecessor");
        writer.text("version", &predecessor.version);
        writer.text("digest", predecessor.digest);
        transition::write_plain(&mut writer, &predecessor.transition);
        transition::write_entries(&mut writer, "predecessor", &predecessor.transition);
        for app in &predecessor.composition.apps {
            writer.item("predecessor.app");
            writer.text("name", &app.name);
            writer.text("version", &app.version);
            writer.texts("depends", &app.depends);
            for machine in &app.machines {
                writer.item("predecessor.app.machine");
                writer.text("name", &machine.name);
                writer.raw("keyed", machine.keyed);
                writer.text("digest", machine.digest);
            }
        }
        for link in &predecessor.composition.links {
            writer.item("predecessor.link");
            writer.text("sender", &link.sender);
            writer.text("digest", link.digest);
        }
    }
    writer.end()
}
