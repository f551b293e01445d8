//! What the appups say of the ways from the predecessors: under which names applications and
//! machines were there, what gives up its states, what is applied and migrated at once.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::suite::laws::Law;
use camshaft_cam::value::Value;
use camshaft_cam::verify::VerifiedMachine;
use camshaft_manifests::appup::{ApplyFrom, AppupFrom};
use camshaft_manifests::relup::Apply;
use camshaft_manifests::resolved::ResolvedApp;
use camshaft_manifests::transition::Transition;
use camshaft_manifests::{MachineAddress, Version};

use super::at;
use super::documents::App;
use super::joints::Machines;
use crate::open::OpenedRelease;

/// The ways from the predecessors, by their versions.
#[derive(Debug, Default)]
pub(super) struct Ways(BTreeMap<Version, Transition>);

impl Ways {
    /// Returns what is said of coming from a predecessor.
    pub(super) fn from(&self, release: &OpenedRelease) -> &Transition {
        &self.0[&release.resolved.version]
    }

    /// Returns the application of a predecessor that goes on as this one.
    pub(super) fn old_app<'f>(&self, release: &'f OpenedRelease, app: &App) -> Option<&'f ResolvedApp> {
        let was = self.from(release).app_was(&app.manifest.name)?;
        release.resolved.apps.iter().find(|other| other.name == *was)
    }

    /// Returns true when the application gives up its states on the way from a predecessor.
    pub(super) fn restarts(&self, release: &OpenedRelease, app: &App) -> bool {
        self.from(release).restarts.contains_key(&app.manifest.name)
    }
}

/// Reads the ways out of the appups: everything but what is applied, which needs types.
///
/// # Errors
///
/// Ranges that overlap, and names that cannot have been.
pub(super) fn read(apps: &[App], found: &[OpenedRelease]) -> Result<Ways, Vec<Diagnostic>> {
    let mut ways = Ways::default();
    let mut faults = Vec::new();
    for release in found {
        let mut said = Transition::default();
        for app in apps {
            of_app(app, release, &mut said, &mut faults);
        }
        faults.extend(merged(apps, release, &said));
        ways.0.insert(release.resolved.version.clone(), said);
    }
    if faults.is_empty() { Ok(ways) } else { Err(faults) }
}

/// Returns what an appup says of coming from a release: the entry, and the application there.
fn entry<'a, 'f>(app: &'a App, release: &'f OpenedRelease) -> Option<(&'a AppupFrom, &'f ResolvedApp)> {
    let appup = app.appup.as_ref()?;
    release.resolved.apps.iter().find_map(|old| {
        let from = appup.of(&old.version)?;
        let called = from.app.as_ref().unwrap_or(&app.manifest.name);
        (*called == old.name).then_some((from, old))
    })
}

fn of_app(app: &App, release: &OpenedRelease, said: &mut Transition, faults: &mut Vec<Diagnostic>) {
    let name = &app.manifest.name;
    let Some((from, old)) = entry(app, release) else { return };
    let overlapping: Vec<String> =
        app.appup.iter().flat_map(|appup| appup.ranges_of(&old.version)).map(ToString::to_string).collect();
    if let [first, second, ..] = &overlapping[..] {
        let message = format!("the ranges {first} and {second} both take in {} {}", old.name, old.version);
        let fault = at(&app.appup_source, "R0132", second, message, "this one too");
        faults.push(fault.help(format!("say which: give {} an entry of its own", old.version)));
    }
    if old.name != *name {
        if release.resolved.apps.iter().any(|other| other.name == *name) {
            let message = format!(
                "{name} cannot have been {} in release {}, which has {name} as well",
                old.name, release.resolved.version
            );
            let needle = format!("\"{}\"", old.name);
            let fault = at(&app.appup_source, "R0133", &needle, message, "another application");
            faults.push(fault.help("two applications do not become one: remove one, or keep both"));
            return;
        }
        said.renamed_apps.insert(name.clone(), old.name.clone());
    }
    if let Some(reason) = &from.restart {
        said.restarts.insert(name.clone(), reason.clone());
    }
    for (machine, about) in &from.machines {
        let address = MachineAddress { app: name.clone(), machine: machine.clone() };
        if let Some(was) = &about.was {
            let before = old.machines.iter().any(|other| other.name == *was);
            let reason = match before {
                false => format!("{} {} has no machine {was}", old.name, old.version),
                true if !app.manifest.machines.contains(machine) => {
                    format!("{name} has no machine {machine}")
                }
                true if was == machine => format!("{machine} was called {was} before"),
                true => {
                    let was = MachineAddress { app: old.name.clone(), machine: was.clone() };
                    said.renamed_machines.insert(address.clone(), was);
                    String::new()
                }
            };
            if !reason.is_empty() {
                let needle = format!("was = \"{was}\"");
                faults.push(at(&app.appup_source, "R0133", &needle, reason, "no renaming"));
            }
        }
        if !app.manifest.machines.contains(machine) {
            continue;
        }
        let waivers = app.appup.iter().flat_map(|appup| &appup.waivers);
        let waived =
            waivers.into_iter().any(|waiver| waiver.sets_aside(Law::Behaviour.id(), machine, &old.version));
        if about.preserves && !waived {
            said.preserves.insert(address.clone());
        }
        if about.at_once {
            said.migrates.insert(address);
        }
    }
}

/// Returns a fault for every machine that two machines of the release would come from.
fn merged(apps: &[App], release: &OpenedRelease, said: &Transition) -> Vec<Diagnostic> {
    let mut origins: BTreeMap<MachineAddress, MachineAddress> = BTreeMap::new();
    let mut faults = Vec::new();
    for app in apps {
        for machine in &app.manifest.machines {
            let address = MachineAddress { app: app.manifest.name.clone(), machine: machine.clone() };
            let was = said.was(&address).filter(|was| release.resolved.machine(was).is_some());
            let Some(was) = was else { continue };
            if let Some(other) = origins.insert(was.clone(), address.clone()) {
                let message = format!("{other} and {address} cannot both have been {was}");
                let fault = at(&app.appup_source, "R0133", "was", message, "one of them");
                faults.push(fault.help("the instances go to one machine; let the other begin anew"));
            }
        }
    }
    faults
}

/// Adds what is applied, typed.
///
/// # Errors
///
/// Inputs that do not have the machine's type, or nothing that undoes them.
pub(super) fn applies(
    ways: &mut Ways,
    apps: &[App],
    compiled: &Machines,
    found: &[OpenedRelease],
) -> Result<(), Vec<Diagnostic>> {
    let mut faults = Vec::new();
    for release in found {
        let mut applies = Vec::new();
        // Applications stand in dependency order: what others need is set first.
        for app in apps {
            let Some((from, _)) = entry(app, release) else { continue };
            for apply in &from.applies {
                match typed(app, apply, compiled, release, ways.from(release)) {
                    Ok(apply) => applies.push(apply),
                    Err(fault) => faults.push(*fault),
                }
            }
        }
        let version = &release.resolved.version;
        ways.0.get_mut(version).expect("every predecessor has a way").applies = applies;
    }
    // The same entry may be read for several predecessors.
    let mut seen = BTreeSet::new();
    faults.retain(|fault| {
        seen.insert((fault.source.name.to_string(), fault.span.start, fault.message.clone()))
    });
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

fn typed(
    app: &App,
    apply: &ApplyFrom,
    compiled: &Machines,
    release: &OpenedRelease,
    said: &Transition,
) -> Result<Apply, Box<Diagnostic>> {
    let source: &Source = &app.appup_source;
    let fault = |needle: &str, message: String, help: String| {
        let span = source.text.find(needle).map_or(0..0, |start| start..start + needle.len());
        Box::new(Diagnostic::new("R0134", source, span, message, "not to be applied").help(help))
    };
    let address = MachineAddress { app: app.manifest.name.clone(), machine: apply.machine.clone() };
    let Some(new) = compiled.get(&(address.app.clone(), address.machine.clone())) else {
        let message = format!("{} has no machine {}", address.app, address.machine);
        return Err(fault(apply.machine.as_str(), message, "name one of its machines".to_owned()));
    };
    let keyed = new.verified.machine().keyed;
    if keyed != apply.key.is_some() {
        let (message, help) = if keyed {
            (format!("{address} has keys, and the input names none"), "add `key = \"...\"`")
        } else {
            (format!("{address} has no keys, and the input names one"), "leave out `key`")
        };
        return Err(fault(&apply.input, message, help.to_owned()));
    }
    let canonical = |json: &str, machine: &VerifiedMachine, what: &str| {
        let value = Value::from_json(json, machine.input()).map_err(|error| {
            let message = format!("{what} is not an input of {address}: {error}");
            fault(json, message, "an input is JSON, as a client would send it".to_owned())
        })?;
        let internal = matches!(&value, Value::Sum(case, _) if machine.case_is_internal(*case as usize));
        if internal {
            let message = format!("{what} is an internal input of {address}");
            return Err(fault(json, message, "only what a client may send is applied".to_owned()));
        }
        Ok(value.to_json(machine.input()))
    };
    let input = canonical(&apply.input, &new.verified, "what is applied")?;
    let old = said.was(&address).and_then(|was| release.resolved.machine(&was));
    let inverse = match (old, &apply.inverse) {
        (Some(old), Some(inverse)) => {
            Some(canonical(inverse, &release.machines[&old.digest], "what undoes it")?)
        }
        (Some(_), None) => {
            let message =
                format!("nothing undoes {} on the way back to {}", apply.input, release.resolved.version);
            let help = "add `inverse = \"...\"`: the input of the older machine that undoes it".to_owned();
            return Err(fault(&apply.input, message, help));
        }
        // It goes away with the machine.
        (None, None) => None,
        (None, Some(inverse)) => {
            let message = format!(
                "{address} is new: on the way back it goes away, and nobody is left to take {inverse}"
            );
            return Err(fault(inverse, message, "leave out `inverse`".to_owned()));
        }
    };
    Ok(Apply { machine: address, key: apply.key.clone(), input, inverse })
}
