//! A release beside its predecessors: whether it keeps what it promises, and whether its versions
//! say what changed.

use std::collections::BTreeSet;

use camshaft_cam::derive::{Arrow, Breach, Strictness};
use camshaft_cam::diagnostic::Diagnostic;
use camshaft_manifests::{AppName, MachineAddress, Step, Version};

use super::documents::App;
use super::{Made, at, at_value};
use crate::diff::{AppDiff, Bump, Diff, diff};

/// Judges a release. Returns what is worth a warning.
///
/// # Errors
///
/// All breaches that nobody set aside, and all versions that grew too little.
pub(super) fn judge(made: &Made) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
    // In the order of the predecessors' versions, whatever the order in `from`.
    let mut found: Vec<_> = made.found.iter().collect();
    found.sort_by(|a, b| a.resolved.version.cmp(&b.resolved.version));
    let diffs: Vec<Diff> = found.iter().map(|before| diff(before, &made.built.release)).collect();
    let mut faults = Vec::new();
    let mut warnings = Vec::new();
    for app in &made.apps {
        let of_app: Vec<&AppDiff> = distinct(&diffs, &app.manifest.name);
        faults.extend(of_app.iter().flat_map(|diff| breaches(made, app, diff)));
        faults.extend(too_small(app, &of_app));
        warnings.extend(idle_waivers(app, &of_app));
    }
    faults.extend(release_too_small(made, &diffs));
    if faults.is_empty() { Ok(warnings) } else { Err(faults) }
}

/// Returns what became of an application, once for each version that predecessors have of it.
fn distinct<'d>(diffs: &'d [Diff], app: &AppName) -> Vec<&'d AppDiff> {
    let mut seen: BTreeSet<&Version> = BTreeSet::new();
    let of_app = diffs.iter().flat_map(|diff| &diff.apps).filter(|diff| diff.name == *app);
    of_app.filter(|diff| diff.before.as_ref().is_some_and(|before| seen.insert(before))).collect()
}

/// Returns a fault for everything that breaks the class of the application and is not set aside.
fn breaches(made: &Made, app: &App, diff: &AppDiff) -> Vec<Diagnostic> {
    let Some(before) = &diff.before else { return vec![] };
    let class = diff.strictness;
    let found = diff.breaches(class);
    found.into_iter().map(|(machine, breach)| fault(made, app, machine, before, class, &breach)).collect()
}

fn fault(
    made: &Made,
    app: &App,
    machine: &MachineAddress,
    before: &Version,
    class: Strictness,
    breach: &Breach,
) -> Diagnostic {
    let change = &breach.change;
    let whose = match breach.arrow {
        Arrow::Up => "states on their way up",
        Arrow::Down => "states on their way down",
        Arrow::Lift => "inputs of older clients",
        Arrow::Lower => "answers to older clients",
        Arrow::Outlet => "messages that wait",
        Arrow::Config => "the configuration",
        Arrow::Invariant => "states that are there",
    };
    let message = format!("{} {change} ({whose}, from {} {before})", change.rule, machine.app);
    let label = match breach.class == class {
        true => format!("breaks class `{class}`"),
        false => format!("breaks class `{}`, which `{class}` asks for too", breach.class),
    };
    let source = &made.compiled[&(machine.app.clone(), machine.machine.clone())].source;
    let root = change.path.split(['.', '[']).next().unwrap_or_default();
    // Where the type stands, if it stands in this file.
    let declared = format!("type {root}");
    let needle = if source.text.contains(&declared) { &declared } else { "machine" };
    let waive = format!(
        "or set the rule aside in {}:\n[[waive]]\nrule = \"{}\"\nreason = \"...\"\nmachine = \"{}\"\nfrom = \"{before}\"",
        app.path("appup.toml"),
        change.rule,
        machine.machine,
    );
    let mend = match breach.arrow {
        // The rule's own advice is about the way up and about clients.
        Arrow::Down => "say what becomes of such states on the way down: `down (new) = ...`",
        _ => change.rule.text().mend,
    };
    let mend = if mend.is_empty() { waive } else { format!("{mend}\n{waive}") };
    at(source, "R0119", needle, message, &label).help(mend)
}

/// Returns a fault when an application's version grew less than what changed asks for.
fn too_small(app: &App, diffs: &[&AppDiff]) -> Option<Diagnostic> {
    let small = diffs.iter().filter_map(|diff| {
        let (needed, why) = diff.bump_asked()?;
        let found = diff.bump_found().filter(|found| *found < needed)?;
        Some((diff.before.as_ref()?, needed, found, why))
    });
    let small: Vec<_> = small.collect();
    let (before, needed, found, why) =
        small.iter().max_by_key(|(before, needed, ..)| needed.after(before))?;
    let name = &app.manifest.name;
    let message = format!(
        "{name} grew from {before} to {} ({found}), and what changed asks for {needed}",
        app.manifest.version
    );
    let fault = at_value(&app.source, "R0120", &[Step::Key("version")], message, "too small a step");
    Some(fault.help(format!("{why}\nthe smallest version that would do is {}", needed.after(before))))
}

/// Returns a fault when the release grew less than its applications have to.
fn release_too_small(made: &Made, diffs: &[Diff]) -> Option<Diagnostic> {
    let after = &made.manifest.version;
    let small = diffs.iter().filter_map(|diff| {
        let (_, before) = &diff.before;
        let asked = diff.apps.iter().filter_map(|app| {
            let (bump, why) = match (&app.before, &app.after) {
                (Some(_), None) => (Bump::Major, "it is gone".to_owned()),
                (None, Some(_)) => (Bump::Minor, "it is new".to_owned()),
                _ => app.bump_asked()?,
            };
            Some((bump, format!("application {}: {why}", app.name)))
        });
        let (needed, why) = asked.reduce(|most, other| if other.0 > most.0 { other } else { most })?;
        // A pre-release promised nothing yet.
        let needed = if before.as_semver().pre.is_empty() { needed } else { needed.min(Bump::Patch) };
        let found = Bump::between(before, after);
        (found < needed).then_some((before, needed, found, why))
    });
    let (before, needed, found, why) = small.max_by_key(|(before, needed, ..)| needed.after(before))?;
    let message = format!(
        "the release grew from {before} to {after} ({found}), and what its applications do asks for {needed}"
    );
    let fault = at_value(&made.source, "R0121", &[Step::Key("version")], message, "too small a step");
    Some(fault.help(format!("{why}\nthe smallest version that would do is {}", needed.after(before))))
}

/// Returns a warning for every waiver that sets nothing aside.
fn idle_waivers(app: &App, diffs: &[&AppDiff]) -> Vec<Diagnostic> {
    let waivers = app.appup.iter().flat_map(|appup| &appup.waivers).enumerate();
    let idle = waivers.filter(|(_, waiver)| {
        !diffs.iter().any(|diff| {
            let mut breaches = diff.all_breaches(diff.strictness).into_iter();
            breaches.any(|(machine, breach)| diff.waives(waiver, machine, &breach))
        })
    });
    idle.map(|(index, waiver)| {
        let place = [Step::Key("waive"), Step::Item(index)];
        let message = format!("the waiver of {} sets nothing aside", waiver.subject());
        let warning = at_value(&app.appup_source, "R0122", &place, message, "for nothing");
        warning.help("delete it, so that it does not hide what comes later")
    })
    .collect()
}
