//! A release beside its predecessors: whether it keeps what it promises, and whether its versions
//! say what changed.

use std::collections::BTreeSet;

use camshaft_cam::derive::{Arrow, Breach, Rule, Strictness};
use camshaft_cam::diagnostic::Diagnostic;
use camshaft_cam::suite::laws::Law;
use camshaft_manifests::appup::Waiver;
use camshaft_manifests::{AppName, MachineAddress, MachineName, Step, Version};

use super::documents::App;
use super::{Made, at, at_value};
use crate::diff::{AppDiff, Bump, Diff, diff};

/// What there is to say of a release that is held to be good.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Waivers for nothing.
    pub(super) warnings: Vec<Diagnostic>,
    /// Names and defaults that mean something else to older releases.
    pub(super) notes: Vec<Diagnostic>,
}

/// Judges a release. Returns what is worth saying.
///
/// # Errors
///
/// All breaches that nobody set aside, and all versions that grew too little.
pub(super) fn judge(made: &Made) -> Result<Said, Vec<Diagnostic>> {
    // In the order of the predecessors' versions, whatever the order in `from`.
    let mut found: Vec<_> = made.found.iter().collect();
    found.sort_by(|a, b| a.resolved.version.cmp(&b.resolved.version));
    let diffs: Vec<Diff> = found.iter().map(|before| diff(before, &made.built.release)).collect();
    let mut faults = Vec::new();
    let mut said = Said::default();
    for app in &made.apps {
        let of_app: Vec<&AppDiff> = distinct(&diffs, &app.manifest.name);
        for diff in &of_app {
            faults.extend(breaches(made, app, diff));
            said.notes.extend(other_defaults(made, app, diff));
        }
        returned(made, app, &of_app, &mut faults, &mut said.notes);
        faults.extend(too_small(app, &of_app));
        said.warnings.extend(idle_waivers(made, app, &of_app));
    }
    faults.extend(release_too_small(made, &diffs));
    if faults.is_empty() { Ok(said) } else { Err(faults) }
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

/// Returns a note for each default that is another value, where the class allows it.
fn other_defaults(made: &Made, app: &App, diff: &AppDiff) -> Vec<Diagnostic> {
    let Some(before) = &diff.before else { return vec![] };
    let class = diff.strictness;
    if class >= Strictness::History {
        return vec![];
    }
    let found = diff.breaches(Strictness::History).into_iter();
    let defaults = found.filter(|(_, breach)| breach.change.rule == Rule::DEFAULT_CHANGED);
    let note = |(machine, breach): (&MachineAddress, Breach)| {
        let told = fault(made, app, machine, before, class, &breach);
        Diagnostic { code: "U023", label: String::new(), help: None, ..told }
    };
    defaults.map(note).collect()
}

/// Tells of the names of earlier releases that came back: as another type always a fault, as what
/// they were from class `history` on, where nobody set it aside.
fn returned(
    made: &Made,
    app: &App,
    diffs: &[&AppDiff],
    faults: &mut Vec<Diagnostic>,
    notes: &mut Vec<Diagnostic>,
) {
    let class = app.manifest.strictness.unwrap_or(made.manifest.strictness);
    for machine in &app.manifest.machines {
        let compiled = &made.compiled[&(app.manifest.name.clone(), machine.clone())];
        let set_aside = waivers(app).any(|waiver| sets_returned_aside(waiver, machine, diffs));
        for one in &compiled.returned {
            let told = |code, label: &str| {
                let message = match one.is_as_it_was() {
                    true => format!("U022 {}: the name was retired, and comes back as what it was", one.path),
                    false => {
                        format!(
                            "U022 {}: the name was retired as {}, and comes back as {}",
                            one.path, one.was, one.is
                        )
                    }
                };
                Diagnostic::new(code, &one.source, one.span.clone(), message, label)
            };
            let mend = || {
                let waive = format!("[[waive]]\nrule = \"U022\"\nreason = \"...\"\nmachine = \"{machine}\"");
                let appup = app.path("appup.toml");
                format!("{}\nor set the rule aside in {appup}:\n{waive}", Rule::RETIRED.text().mend)
            };
            match one.is_as_it_was() {
                _ if set_aside => {}
                false => faults.push(told("R0119", "refused in every class").help(mend())),
                true if class >= Strictness::History => {
                    faults.push(told("R0119", "breaks class `history`").help(mend()));
                }
                true => notes.push(told("U022", "")),
            }
        }
    }
}

fn waivers(app: &App) -> impl Iterator<Item = &Waiver> {
    app.appup.iter().flat_map(|appup| &appup.waivers)
}

/// Returns true for a waiver of names that come back to a machine.
fn sets_returned_aside(waiver: &Waiver, machine: &MachineName, diffs: &[&AppDiff]) -> bool {
    let mut versions = diffs.iter().filter_map(|diff| diff.before.as_ref());
    versions.any(|before| waiver.covers(Rule::RETIRED, machine, before))
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
fn idle_waivers(made: &Made, app: &App, diffs: &[&AppDiff]) -> Vec<Diagnostic> {
    let keeps_silent = |waiver: &Waiver| {
        app.manifest.machines.iter().any(|machine| {
            let compiled = &made.compiled[&(app.manifest.name.clone(), machine.clone())];
            !compiled.returned.is_empty() && sets_returned_aside(waiver, machine, diffs)
        })
    };
    // Laws are held against generated states, which is not done here.
    let is_law = |waiver: &Waiver| Law::ALL.iter().any(|law| law.id() == waiver.rule);
    let idle = waivers(app).enumerate().filter(|(_, waiver)| !is_law(waiver)).filter(|(_, waiver)| {
        let used = diffs.iter().any(|diff| {
            // Defaults are told in every class.
            let mut breaches = diff.all_breaches(diff.strictness.max(Strictness::History)).into_iter();
            breaches.any(|(machine, breach)| {
                let told = breach.class <= diff.strictness || breach.change.rule == Rule::DEFAULT_CHANGED;
                told && diff.waives(waiver, machine, &breach)
            })
        });
        !used && !keeps_silent(waiver)
    });
    idle.map(|(index, waiver)| {
        let place = [Step::Key("waive"), Step::Item(index)];
        let message = format!("the waiver of {} sets nothing aside", waiver.subject());
        let warning = at_value(&app.appup_source, "R0122", &place, message, "for nothing");
        warning.help("delete it, so that it does not hide what comes later")
    })
    .collect()
}
