//! The machines of a project, compiled and verified.

use std::collections::BTreeMap;

use camshaft_cam::code::Module;
use camshaft_cam::code::encode::encode;
use camshaft_cam::compile::{self, Modules, Returned};
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::verify::{Verified, VerifiedMachine, load};
use camshaft_manifests::resolved::ResolvedApp;
use camshaft_manifests::{AppName, MachineAddress, MachineName, Step, Version};

use super::documents::App;
use super::ways::Ways;
use super::{Files, at, at_value};
use crate::open::OpenedRelease;

/// A compiled machine, and the text that it was compiled from.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) source: Source,
    pub(super) verified: VerifiedMachine,
    /// The names of earlier releases that came back.
    pub(super) returned: Vec<Returned>,
}

/// Returns the predecessors' machines at an address, the newest first: it gives the ordinals, and the
/// names of all stay taken.
fn line<'p>(
    found: &'p [OpenedRelease],
    ways: &Ways,
    address: &MachineAddress,
) -> Vec<(&'p Version, &'p Module)> {
    let of = |release: &'p OpenedRelease| {
        let was = ways.from(release).was(address)?;
        let machine = release.machines.get(&release.resolved.machine(&was)?.digest)?;
        Some((&release.resolved.version, machine.module()))
    };
    let mut line: Vec<_> = found.iter().filter_map(of).collect();
    line.sort_by(|a, b| b.0.cmp(a.0));
    line
}

/// Returns a fault when the predecessors of a machine cannot be of one line.
fn parted(source: &Source, address: &MachineAddress, line: &[(&Version, &Module)]) -> Option<Diagnostic> {
    let modules: Vec<&Module> = line.iter().map(|(_, module)| *module).collect();
    let reason = compile::conflict(&modules)?;
    let versions: Vec<String> = line.iter().map(|(version, _)| version.to_string()).collect();
    let message = format!("the predecessors of {address} do not agree on their ordinals: {reason}");
    let fault = at(source, "R0123", "machine", message, &format!("comes from {}", versions.join(", ")));
    Some(fault.help(
        "they were not made one after the other: leave one of them out of `from`, and let its nodes go over a release in between",
    ))
}

/// Compiles every machine.
pub(super) fn compile(
    files: &Files,
    apps: &[App],
    modules: &BTreeMap<AppName, Modules>,
    found: &[OpenedRelease],
    ways: &Ways,
) -> Result<BTreeMap<(AppName, MachineName), Compiled>, Vec<Diagnostic>> {
    let mut compiled = BTreeMap::new();
    let mut faults = Vec::new();
    for app in apps {
        if let Some(release) = &app.taken {
            compiled.extend(taken(app, release));
            continue;
        }
        for name in &app.manifest.machines {
            let path = app.path(&format!("machines/{name}.cam"));
            let Some(text) = files.get(&path) else {
                let message = format!("there is no {path}");
                faults.push(at(
                    &app.source,
                    "R0101",
                    name.as_str(),
                    message,
                    "a machine of this application",
                ));
                continue;
            };
            let source = Source::new(path, text.as_str());
            let address = MachineAddress { app: app.manifest.name.clone(), machine: name.clone() };
            let line = line(found, ways, &address);
            faults.extend(parted(&source, &address, &line));
            let line: Vec<&Module> = line.into_iter().map(|(_, module)| module).collect();
            match compile::machine_in_line(&source, &modules[&app.manifest.name], &line) {
                Ok((module, returned)) => {
                    let verified = machine(&source, &encode(&module));
                    let key = (app.manifest.name.clone(), name.clone());
                    match verified {
                        Ok(verified) => drop(compiled.insert(key, Compiled { source, verified, returned })),
                        Err(fault) => faults.push(*fault),
                    }
                }
                Err(more) => faults.extend(more),
            }
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    for app in apps.iter().filter(|app| app.taken.is_none()) {
        faults.extend(unbumped(app, &compiled, found));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    for app in apps.iter().filter(|app| app.taken.is_none()) {
        take_released(app, &mut compiled, found);
    }
    Ok(compiled)
}

/// Returns the machines of an application as a release holds them.
fn taken<'a>(
    app: &'a App,
    release: &'a OpenedRelease,
) -> impl Iterator<Item = ((AppName, MachineName), Compiled)> + 'a {
    app.manifest.machines.iter().filter_map(|name| {
        let address = MachineAddress { app: app.manifest.name.clone(), machine: name.clone() };
        let verified = release.machines.get(&release.resolved.machine(&address)?.digest)?.clone();
        let source = app.source.clone();
        Some(((address.app, address.machine), Compiled { source, verified, returned: vec![] }))
    })
}

/// Puts the released code of an application whose version was released in place of the compiled,
/// which has the same digests: what digests leave out, names for people, stays byte for byte too.
fn take_released(
    app: &App,
    compiled: &mut BTreeMap<(AppName, MachineName), Compiled>,
    found: &[OpenedRelease],
) {
    let is_it =
        |other: &ResolvedApp| other.name == app.manifest.name && other.version == app.manifest.version;
    // The newest predecessor that has it, whatever the order in which they are named.
    let newest = found
        .iter()
        .filter(|release| release.resolved.apps.iter().any(is_it))
        .max_by(|a, b| a.resolved.version.cmp(&b.resolved.version));
    let Some(newest) = newest else { return };
    for name in &app.manifest.machines {
        let key = (app.manifest.name.clone(), name.clone());
        if let Some(machine) = compiled.get_mut(&key)
            && let Some(released) = newest.machines.get(&machine.verified.digest())
        {
            machine.verified = released.clone();
        }
    }
}

/// Takes a module through the door that a node has, too.
fn machine(source: &Source, bytes: &[u8]) -> Result<VerifiedMachine, Box<Diagnostic>> {
    let fault = |reason: String| {
        let message = format!("the compiled machine is refused: {reason}");
        Box::new(Diagnostic::new("R0116", source, 0..0, message, "").help("split it: a machine has limits"))
    };
    match load(bytes) {
        Ok(Verified::Machine(machine)) => Ok(machine),
        Ok(_) => Err(fault("it is no machine".to_owned())),
        Err(error) => Err(fault(error.to_string())),
    }
}

/// Returns a fault when an application changed and kept its version.
fn unbumped(
    app: &App,
    compiled: &BTreeMap<(AppName, MachineName), Compiled>,
    found: &[OpenedRelease],
) -> Option<Diagnostic> {
    let name = &app.manifest.name;
    let mine: BTreeMap<_, _> = app
        .manifest
        .machines
        .iter()
        .map(|machine| (machine.clone(), compiled[&(name.clone(), machine.clone())].verified.digest()))
        .collect();
    let changed = found.iter().any(|release| {
        let released = release.resolved.apps.iter().find(|other| other.name == *name);
        released.is_some_and(|released| {
            let theirs: BTreeMap<_, _> =
                released.machines.iter().map(|machine| (machine.name.clone(), machine.digest)).collect();
            released.version == app.manifest.version && theirs != mine
        })
    });
    changed.then(|| {
        let version = &app.manifest.version;
        let message = format!("{name} {version} is released, bump it");
        let fault =
            at_value(&app.source, "R0109", &[Step::Key("version")], message, "its machines are others now");
        fault.help("a released version never changes: raise `version`")
    })
}
