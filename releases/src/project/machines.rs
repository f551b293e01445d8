//! The machines of a project, compiled and verified.

use std::collections::BTreeMap;

use camshaft_cam::code::encode::encode;
use camshaft_cam::compile::{self, Modules};
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::verify::{Verified, VerifiedMachine, load};
use camshaft_manifests::resolved::ResolvedApp;
use camshaft_manifests::{AppName, MachineAddress, MachineName, Step};

use super::documents::App;
use super::{Files, at, at_value};
use crate::open::OpenedRelease;

/// A compiled machine, and the text that it was compiled from.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) source: Source,
    pub(super) verified: VerifiedMachine,
}

/// Returns the newest predecessor's machine at an address.
fn newest<'p>(found: &'p [OpenedRelease], address: &MachineAddress) -> Option<&'p VerifiedMachine> {
    let mut having: Vec<&OpenedRelease> =
        found.iter().filter(|release| release.resolved.machine(address).is_some()).collect();
    having.sort_by(|a, b| a.resolved.version.cmp(&b.resolved.version));
    let newest = having.last()?;
    newest.machines.get(&newest.resolved.machine(address)?.digest)
}

/// Compiles every machine.
pub(super) fn compile(
    files: &Files,
    apps: &[App],
    modules: &BTreeMap<AppName, Modules>,
    found: &[OpenedRelease],
) -> Result<BTreeMap<(AppName, MachineName), Compiled>, Vec<Diagnostic>> {
    let mut compiled = BTreeMap::new();
    let mut faults = Vec::new();
    for app in apps {
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
            let predecessor = newest(found, &address).map(VerifiedMachine::module);
            match compile::machine_with(&source, &modules[&app.manifest.name], predecessor) {
                Ok(module) => {
                    let verified = machine(&source, &encode(&module));
                    let key = (app.manifest.name.clone(), name.clone());
                    match verified {
                        Ok(verified) => drop(compiled.insert(key, Compiled { source, verified })),
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
    for app in apps {
        faults.extend(unbumped(app, &compiled, found));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    for app in apps {
        take_released(app, &mut compiled, found);
    }
    Ok(compiled)
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
