//! Dependency order of applications.

use std::collections::BTreeSet;

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_manifests::{AppName, Step};

use super::at_value;
use super::documents::App;

/// Sorts applications so that each stands after what it depends on; among those that are free
/// to go, the first by name goes first.
pub(super) fn sorted(release: &Source, apps: Vec<App>) -> Result<Vec<App>, Vec<Diagnostic>> {
    let mut faults = Vec::new();
    for app in &apps {
        for (needed, requirement) in &app.manifest.depends {
            let found = apps.iter().find(|other| other.manifest.name == *needed);
            let message = match found {
                None => format!("{} depends on {needed}, which the release does not have", app.manifest.name),
                Some(other) if !requirement.matches(&other.manifest.version) => format!(
                    "{} depends on {needed} {requirement}, and the release has {}",
                    app.manifest.name, other.manifest.version
                ),
                Some(_) => continue,
            };
            let fault = at_value(
                &app.source,
                "R0106",
                &[Step::Key("depends"), Step::Key(needed.as_str())],
                message,
                "needed here",
            );
            faults.push(fault.help(format!("add {needed} to [apps] of release.toml, or change the range")));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut rest = apps;
    let mut sorted: Vec<App> = Vec::new();
    while !rest.is_empty() {
        let done: BTreeSet<&AppName> = sorted.iter().map(|app| &app.manifest.name).collect();
        let free =
            rest.iter().position(|app| app.manifest.depends.keys().all(|needed| done.contains(needed)));
        match free {
            Some(index) => sorted.push(rest.remove(index)),
            None => return Err(vec![circle(release, &rest)]),
        }
    }
    Ok(sorted)
}

/// Names a circle among applications of which each waits for another.
fn circle(release: &Source, waiting: &[App]) -> Diagnostic {
    let mut way: Vec<&AppName> = vec![&waiting[0].manifest.name];
    loop {
        let last = way[way.len() - 1];
        let app = waiting.iter().find(|app| app.manifest.name == *last);
        let next = app.and_then(|app| {
            app.manifest
                .depends
                .keys()
                .find(|needed| waiting.iter().any(|other| other.manifest.name == **needed))
        });
        let next = next.expect("an application that waits needs another that waits");
        if let Some(start) = way.iter().position(|name| *name == next) {
            let names: Vec<&str> = way[start..].iter().chain([&next]).map(|name| name.as_str()).collect();
            let message = format!("these applications depend on each other: {}", names.join(" -> "));
            let fault = at_value(
                release,
                "R0107",
                &[Step::Key("apps"), Step::Key(next.as_str())],
                message,
                "in a circle",
            );
            return fault.help("put what both need into an application of its own");
        }
        way.push(next);
    }
}
