//! What joins machines: links between the two ends of a channel, edges between two versions.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::code::Module;
use camshaft_cam::compile::{Modules, migration_header};
use camshaft_cam::derive::{self, DownClass};
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;
use camshaft_cam::suite::laws::Law;
use camshaft_cam::verify::{VerifiedEdge, VerifiedMachine, verify};
use camshaft_manifests::appup::Waiver;
use camshaft_manifests::resolved::{ResolvedEdge, ResolvedLink};
use camshaft_manifests::{AppName, ChannelName, MachineAddress, MachineName, Version};

use super::documents::App;
use super::machines::Compiled;
use super::ways::Ways;
use super::{Files, at};
use crate::edges::{self, NotMade};
use crate::open::{OpenedRelease, sends_without_key};

/// A compiled link.
#[derive(Debug)]
pub(super) struct LinkOf {
    pub(super) resolved: ResolvedLink,
    pub(super) module: Module,
}

/// A compiled edge.
#[derive(Debug)]
pub(super) struct EdgeOf {
    pub(super) resolved: ResolvedEdge,
    pub(super) edge: VerifiedEdge,
    /// The version of the application that it comes from.
    pub(super) version: Version,
    /// The migration, if there is one.
    pub(super) migration: Option<Source>,
}

impl EdgeOf {
    /// Returns why it is checked by trying and not certified in advance.
    pub(super) fn checked(&self) -> Option<String> {
        let reason = self.resolved.checked.as_ref()?;
        Some(format!("{} from {}: {reason}", self.resolved.machine, self.version))
    }
}

pub(super) type Machines = BTreeMap<(AppName, MachineName), Compiled>;

/// Compiles the link of every channel.
pub(super) fn links(apps: &[App], compiled: &Machines) -> Result<Vec<LinkOf>, Vec<Diagnostic>> {
    let mut links = Vec::new();
    let mut faults = Vec::new();
    for ((app, name), machine) in compiled {
        let sender = MachineAddress { app: app.clone(), machine: name.clone() };
        let depends = apps.iter().find(|other| other.manifest.name == *app).map(|app| &app.manifest.depends);
        for channel in machine.verified.channels() {
            let fault = |code, message: String, label: &str| {
                at(&machine.source, code, &format!("channel {}", channel.name), message, label)
            };
            let (Ok(receiver), Ok(channel_name)) =
                (channel.target.parse::<MachineAddress>(), channel.name.parse::<ChannelName>())
            else {
                let message = format!("`{}` or `{}` is no name", channel.target, channel.name);
                let help = "names of apps and machines are lower case, with digits and dashes or underscores";
                faults.push(fault("R0110", message, "here").help(help));
                continue;
            };
            let Some(target) = compiled.get(&(receiver.app.clone(), receiver.machine.clone())) else {
                let message = format!("the release has no machine {receiver}");
                let have: Vec<String> =
                    compiled.keys().map(|(app, machine)| format!("{app}/{machine}")).collect();
                let help = format!("it has {}", have.join(", "));
                faults.push(fault("R0110", message, "the receiver of this channel").help(help));
                continue;
            };
            if receiver.app != *app && !depends.is_some_and(|depends| depends.contains_key(&receiver.app)) {
                let message = format!("{app} sends to {receiver} and does not depend on {}", receiver.app);
                let help = format!("add {} to `depends` in the app.toml of {app}", receiver.app);
                faults.push(fault("R0110", message, "to another application").help(help));
                continue;
            }
            if sends_without_key(&machine.verified, &channel.name) && target.verified.machine().keyed {
                let message = format!("`{}` sends without a key, and {receiver} has keys", channel.name);
                let help = format!("name the instance: `send {}[key] ...`", channel.name);
                faults.push(fault("R0111", message, "to a machine with keys").help(help));
                continue;
            }
            match derive::link(&machine.verified, &channel.name, &target.verified) {
                Ok(module) => match verified(module) {
                    Ok((digest, module)) => links.push(LinkOf {
                        resolved: ResolvedLink {
                            sender: sender.clone(),
                            channel: channel_name,
                            receiver,
                            digest,
                        },
                        module,
                    }),
                    Err(reason) => faults.push(fault("R0111", reason, "its link is refused")),
                },
                Err(reasons) => {
                    let message = format!("`{}` and {receiver} do not fit", channel.name);
                    faults.push(fault("R0111", message, &reasons[0]).help(reasons.join("\n")));
                }
            }
        }
    }
    links.sort_by(|a, b| {
        (&a.resolved.sender, &a.resolved.channel).cmp(&(&b.resolved.sender, &b.resolved.channel))
    });
    if faults.is_empty() { Ok(links) } else { Err(faults) }
}

/// Takes a link or edge through the verifier.
fn verified(module: Module) -> Result<(Digest, Module), String> {
    match verify(module) {
        Ok(verified) => Ok((verified.digest(), verified.module().clone())),
        Err(error) => Err(error.to_string()),
    }
}

/// Compiles an edge from every machine of a predecessor that changed.
pub(super) fn edges(
    files: &Files,
    apps: &[App],
    modules: &BTreeMap<AppName, Modules>,
    compiled: &Machines,
    found: &[OpenedRelease],
    ways: &Ways,
) -> Result<Vec<EdgeOf>, Vec<Diagnostic>> {
    let mut edges: Vec<EdgeOf> = Vec::new();
    let mut faults = Vec::new();
    for app in apps {
        let migrations = Migrations::read(files, app, &mut faults);
        for name in &app.manifest.machines {
            let address = MachineAddress { app: app.manifest.name.clone(), machine: name.clone() };
            let new = &compiled[&(app.manifest.name.clone(), name.clone())];
            for release in found {
                let was = ways.from(release).was(&address);
                let Some(old) = was.and_then(|was| release.resolved.machine(&was)) else { continue };
                let known = edges
                    .iter()
                    .any(|edge| edge.resolved.machine == address && edge.resolved.from == old.digest);
                if old.digest == new.verified.digest() || known {
                    continue;
                }
                let Some(version) = ways.old_app(release, app).map(|app| app.version.clone()) else {
                    continue;
                };
                if let Some(edge) = recorded(app, &address, old.digest, new.verified.digest(), &version) {
                    edges.push(edge);
                    continue;
                }
                let migration = migrations.of(app, name, &version);
                let modules = &modules[&app.manifest.name];
                let restarts = ways.restarts(release, app);
                match edge(&address, &release.machines[&old.digest], new, &version, migration, modules) {
                    Ok(mut edge) => {
                        // Who sets L1 aside says that the way down does not give back what was there.
                        let sets_aside = |waiver: &Waiver| waiver.sets_aside(Law::Back.id(), name, &version);
                        if app.appup.as_ref().is_some_and(|appup| appup.waivers.iter().any(sets_aside)) {
                            edge.resolved.class = Some(DownClass::D4);
                        }
                        edges.push(edge);
                    }
                    // Its states are given up; where an edge can be made all the same, clients of the
                    // older version stay understood.
                    Err(_) if restarts => {}
                    Err(more) => faults.extend(more),
                }
            }
        }
        faults.extend(migrations.unused(files, app, found, ways));
        faults.extend(migrations.needless(app, compiled, found, ways));
    }
    edges.sort_by(|a, b| (&a.resolved.machine, a.resolved.from).cmp(&(&b.resolved.machine, b.resolved.from)));
    if faults.is_empty() { Ok(edges) } else { Err(faults) }
}

fn edge(
    address: &MachineAddress,
    old: &VerifiedMachine,
    new: &Compiled,
    version: &Version,
    migration: Option<&Source>,
    modules: &Modules,
) -> Result<EdgeOf, Vec<Diagnostic>> {
    let refused = |fault: NotMade| match fault {
        NotMade::Keys { older } => {
            let (was, is) = if older { ("keyed", "not") } else { ("not keyed", "is") };
            let message = format!("{address} was {was} in {version}, and now it {is}");
            let fault = at(&new.source, "R0112", "machine", message, "here");
            vec![fault.help("give the machine another name; the old one is removed with its instances kept")]
        }
        NotMade::Faults(faults) if migration.is_some() => faults,
        // Without a migration there is no text to point at: the new machine has to do.
        NotMade::Faults(faults) => {
            faults.into_iter().map(|fault| relocated(fault, new, address, version)).collect()
        }
        NotMade::Refused(reason) => {
            let message = format!("the edge of {address} from {version} is refused: {reason}");
            vec![at(migration.unwrap_or(&new.source), "R0116", "m", message, "")]
        }
    };
    let (resolved, edge) = edges::make(address, old, &new.verified, migration, modules).map_err(refused)?;
    Ok(EdgeOf { resolved, edge, version: version.clone(), migration: migration.cloned() })
}

/// Returns the edge that the release of an application has which is taken as it is.
fn recorded(
    app: &App,
    address: &MachineAddress,
    from: Digest,
    to: Digest,
    version: &Version,
) -> Option<EdgeOf> {
    let release = app.taken.as_ref()?;
    let mut edges = release.resolved.edges.iter();
    let resolved = edges.find(|edge| edge.machine == *address && (edge.from, edge.to) == (from, to))?;
    let edge = release.edges.get(&resolved.digest)?.clone();
    Some(EdgeOf { resolved: resolved.clone(), edge, version: version.clone(), migration: None })
}

/// Moves a fault to the machine's first line, with the file to write in its advice.
fn relocated(fault: Diagnostic, new: &Compiled, address: &MachineAddress, version: &Version) -> Diagnostic {
    let machine = &address.machine;
    let mut moved = at(&new.source, fault.code, "machine", fault.message, &fault.label);
    let file = format!(
        "`camshaft appup derive` writes it with holes for what is to be decided; by hand: migrations/{machine}-from-{version}.cam, beginning with `migration {machine} from \"{version}\"`, and name it in appup.toml: \
         [[from]] version = \"{version}\" with [from.machines.{machine}] migration = \"migrations/...\""
    );
    moved.help = Some([fault.help.unwrap_or_default(), file].join("\n"));
    moved
}

/// The migrations that an application's appup names.
struct Migrations {
    /// By machine and by what the appup calls the entry: a version or a range.
    named: BTreeMap<(MachineName, String), Source>,
    paths: BTreeSet<String>,
}

impl Migrations {
    fn read(files: &Files, app: &App, faults: &mut Vec<Diagnostic>) -> Migrations {
        let mut found = Migrations { named: BTreeMap::new(), paths: BTreeSet::new() };
        let entries = app.appup.iter().flat_map(|appup| appup.entries());
        for (version, from) in entries {
            let migrations =
                from.machines.iter().filter_map(|(name, said)| Some((name, said.migration.as_ref()?)));
            for (machine, path) in migrations {
                let full = app.path(path.as_str());
                found.paths.insert(full.clone());
                let Some(text) = files.get(&full) else {
                    let message = format!("there is no {full}");
                    faults.push(at(&app.appup_source, "R0101", path.as_str(), message, "named here"));
                    continue;
                };
                let source = Source::new(full, text.as_str());
                match migration_header(&source) {
                    Ok(header) => {
                        if *header.machine != *machine.as_str() || *header.from != *version {
                            let message = format!(
                                "this migrates `{}` from \"{}\", and the appup names it for {machine} from {version}",
                                header.machine, header.from
                            );
                            faults.push(at(&source, "R0114", "migration", message, "here"));
                        }
                        found.named.insert((machine.clone(), version.clone()), source);
                    }
                    Err(more) => faults.extend(more),
                }
            }
        }
        found
    }

    fn of(&self, app: &App, machine: &MachineName, version: &Version) -> Option<&Source> {
        let entry = app.appup.as_ref()?.key_of(version)?;
        self.named.get(&(machine.clone(), entry))
    }

    /// Returns a fault for everything that was written and changes nothing.
    fn unused(&self, files: &Files, app: &App, found: &[OpenedRelease], ways: &Ways) -> Vec<Diagnostic> {
        let mut faults = Vec::new();
        let folder = app.path("migrations/");
        for (path, text) in files.range(folder.clone()..).take_while(|(path, _)| path.starts_with(&folder)) {
            if path.ends_with(".cam") && !self.paths.contains(path) {
                let source = Source::new(path.as_str(), text.as_str());
                let message = format!("no entry of {} names this migration", app.appup_source.name);
                let fault = at(&source, "R0115", "migration", message, "it would not be used");
                faults.push(fault.help("name it under [from.machines.NAME], or delete it"));
            }
        }
        let Some(appup) = &app.appup else { return faults };
        let released: Vec<&Version> =
            found.iter().filter_map(|release| ways.old_app(release, app)).map(|old| &old.version).collect();
        for (entry, from) in appup.entries() {
            if !released.iter().any(|version| appup.key_of(version).as_deref() == Some(entry.as_str())) {
                let called = from.app.as_ref().unwrap_or(&app.manifest.name);
                let message = format!("no predecessor has {called} {entry}");
                let fault = at(&app.appup_source, "R0115", &format!("\"{entry}\""), message, "for nothing");
                faults.push(
                    fault.help("add the release that has it to `from` in release.toml, or delete the entry"),
                );
            }
        }
        faults
    }

    /// Returns a fault for every migration of a machine that did not change, or is not there on
    /// both sides: its author believes that something is migrated, and nothing is.
    fn needless(
        &self,
        app: &App,
        compiled: &Machines,
        found: &[OpenedRelease],
        ways: &Ways,
    ) -> Vec<Diagnostic> {
        let mut faults = Vec::new();
        let Some(appup) = &app.appup else { return faults };
        for ((machine, version), migration) in &self.named {
            let address = MachineAddress { app: app.manifest.name.clone(), machine: machine.clone() };
            let new = compiled.get(&(address.app.clone(), machine.clone()));
            let of_entry = |release: &&OpenedRelease| {
                let old = ways.old_app(release, app);
                old.is_some_and(|old| appup.key_of(&old.version).as_deref() == Some(version.as_str()))
            };
            let released: Vec<&OpenedRelease> = found.iter().filter(of_entry).collect();
            if released.is_empty() {
                // Said already: the whole entry is for nothing.
                continue;
            }
            let old: Vec<Digest> = released
                .iter()
                .filter_map(|release| release.resolved.machine(&ways.from(release).was(&address)?))
                .map(|machine| machine.digest)
                .collect();
            let reason = match new {
                None => format!("{} has no machine {machine}", address.app),
                Some(_) if old.is_empty() => format!("{} {version} has no machine {machine}", address.app),
                Some(new) if old.iter().all(|old| *old == new.verified.digest()) => {
                    format!("{address} is the same as in {version}")
                }
                Some(_) => continue,
            };
            let fault = at(migration, "R0115", "migration", reason, "nothing is migrated");
            faults.push(fault.help(format!("delete the file, and its entry in {}", app.appup_source.name)));
        }
        faults
    }
}
