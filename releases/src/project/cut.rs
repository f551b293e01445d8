//! From a released version of a project to the next: versions, predecessor and lock.
//!
//! What was released stays what it is: an application whose machines and document are as they were keeps
//! its version, and its code is taken over byte for byte. One that changed gets the smallest version that
//! says so, unless its author raised it already.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::derive::{Edits, compare};
use camshaft_cam::diagnostic::Diagnostic;
use camshaft_manifests::lock::{self, Lock, LockedRelease};
use camshaft_manifests::resolved::ResolvedApp;
use camshaft_manifests::{AppName, MachineName, Version, edit};

use super::documents::App;
use super::machines::{self, Compiled};
use super::{Files, Find, LOCK_PATH, RELEASE_PATH, configs, documents, modules, order, ways};
use crate::diff::{Bump, bump_of};
use crate::open::OpenedRelease;

/// What the next version of a project is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The released version, which becomes the predecessor.
    pub before: Version,
    /// The next version; none when nobody said how large the step is.
    pub after: Option<Version>,
    /// The smallest step that would do.
    pub smallest: Bump,
    /// What changed since the release, a line each; empty when nothing did.
    pub changes: Vec<String>,
    /// The applications whose versions are raised: from, to.
    pub apps: BTreeMap<AppName, (Version, Version)>,
    /// The files that are another text, by path.
    pub files: Files,
}

/// Why there is no next version.
#[derive(Debug, Clone, PartialEq)]
pub enum NoCut {
    /// The project has faults.
    Faults(Vec<Diagnostic>),
    /// The step is too small for what changed.
    TooSmall {
        /// The version that it leads to.
        after: Version,
        /// The smallest step that would do.
        smallest: Bump,
        /// What asks for it.
        why: String,
    },
}

impl From<Vec<Diagnostic>> for NoCut {
    fn from(faults: Vec<Diagnostic>) -> NoCut {
        NoCut::Faults(faults)
    }
}

/// Returns the version that a step leads to: the named number grows, those behind it are 0. From a
/// pre-release to what it leads to, where the step goes no further.
pub fn stepped(step: Bump, before: &Version) -> Version {
    let [major, minor, patch] = before.numbers();
    let is_pre = !before.as_semver().pre.is_empty();
    Version::of_numbers(match step {
        Bump::None => return before.clone(),
        Bump::Patch if is_pre => [major, minor, patch],
        Bump::Minor if is_pre && patch == 0 => [major, minor, 0],
        Bump::Major if is_pre && minor == 0 && patch == 0 => [major, 0, 0],
        Bump::Patch => [major, minor, patch.saturating_add(1)],
        Bump::Minor => [major, minor.saturating_add(1), 0],
        Bump::Major => [major.saturating_add(1), 0, 0],
    })
}

/// Works out the next version of a project whose version in `release.toml` is that of `released`.
///
/// # Errors
///
/// All faults of documents and machines, and a step that is too small.
pub fn cut(
    files: &Files,
    find: Find<'_>,
    released: &OpenedRelease,
    step: Option<Bump>,
) -> Result<Cut, NoCut> {
    let (source, manifest) = documents::release(files)?;
    let mut apps = order::sorted(&source, documents::apps(files, &source, &manifest, find)?)?;
    let written: BTreeMap<AppName, Version> =
        apps.iter().map(|app| (app.manifest.name.clone(), app.manifest.version.clone())).collect();
    // Here an application may have changed under the version that was released; that is what is asked.
    for app in apps.iter_mut().filter(|app| app.taken.is_none()) {
        app.manifest.version = stepped(Bump::Major, &app.manifest.version);
    }
    let modules = modules::read(files, &apps)?;
    let ways = ways::read(&apps, std::slice::from_ref(released))?;
    let compiled = machines::compile(files, &apps, &modules, std::slice::from_ref(released), &ways)?;
    let configs = configs(&source, &manifest, &compiled)?;

    let mut said: Vec<(Bump, String)> = vec![];
    let mut raised: BTreeMap<AppName, (Version, Version)> = BTreeMap::new();
    for app in &apps {
        let name = &app.manifest.name;
        let Some(before) = ways.old_app(released, app) else {
            said.push((Bump::Minor, format!("application {name} is new")));
            continue;
        };
        let Some((bump, why)) = app_changed(app, before, released, &compiled) else {
            said.extend(config_changed(app, before, &configs));
            continue;
        };
        said.push((bump, format!("application {name}: {why}")));
        let now = &written[name];
        // What its author wrote is kept where it says enough.
        if app.taken.is_some() {
            continue;
        }
        if *now <= before.version || Bump::between(&before.version, now) < bump {
            raised.insert(name.clone(), (now.clone(), bump.after(&before.version)));
        }
    }
    let kept: Vec<&AppName> =
        apps.iter().filter_map(|app| Some(&ways.old_app(released, app)?.name)).collect();
    for before in released.resolved.apps.iter().filter(|before| !kept.contains(&&before.name)) {
        said.push((Bump::Major, format!("application {} is gone", before.name)));
    }
    let before = manifest.version.clone();
    let needed = said.iter().map(|(bump, _)| *bump).max().unwrap_or(Bump::Patch);
    let does = |step: &Bump| {
        let after = stepped(*step, &before);
        !before.as_semver().pre.is_empty() || Bump::between(&before, &after) >= needed
    };
    let steps = [Bump::Patch, Bump::Minor, Bump::Major];
    let smallest = steps.into_iter().find(does).unwrap_or(Bump::Major);
    let after = step.map(|step| stepped(step, &before));
    if let (Some(step), Some(after)) = (step, &after)
        && !does(&step)
    {
        let most = said.iter().find(|(bump, _)| *bump == needed).map(|(_, why)| why.clone());
        return Err(NoCut::TooSmall { after: after.clone(), smallest, why: most.unwrap_or_default() });
    }
    let changes = said.into_iter().map(|(_, why)| why).collect();
    let mut cut = Cut { before, after, smallest, changes, apps: raised, files: Files::new() };
    cut.files = texts(files, &apps, released, &cut);
    Ok(cut)
}

/// Returns how much an application's version has to grow, and why; `None`: it is as it was released.
fn app_changed(
    app: &App,
    before: &ResolvedApp,
    released: &OpenedRelease,
    compiled: &BTreeMap<(AppName, MachineName), Compiled>,
) -> Option<(Bump, String)> {
    let now: BTreeSet<&MachineName> = app.manifest.machines.iter().collect();
    let gone = before.machines.iter().filter(|machine| !now.contains(&machine.name));
    let gone = gone.map(|machine| (Bump::Major, format!("machine {} is gone", machine.name)));
    let of_machines = app.manifest.machines.iter().filter_map(|name| {
        let new = &compiled[&(app.manifest.name.clone(), name.clone())].verified;
        let Some(old) = before.machines.iter().find(|machine| machine.name == *name) else {
            return Some((Bump::Minor, format!("machine {name} is new")));
        };
        if old.digest == new.digest() {
            return None;
        }
        let (bump, why) = bump_of(&compare(&released.machines[&old.digest], new, &Edits::default()));
        Some((bump, format!("machine {name}: {why}")))
    });
    let document = app.manifest.depends != before.depends
        || app.manifest.supervision != before.supervision
        || app.manifest.strictness != before.strictness;
    let document = document.then(|| (Bump::Patch, "its app.toml says something else".to_owned()));
    // Of equals the first.
    gone.chain(of_machines).chain(document).reduce(|most, other| if other.0 > most.0 { other } else { most })
}

/// Returns what a change of configuration asks of the release.
fn config_changed(
    app: &App,
    before: &ResolvedApp,
    configs: &BTreeMap<(AppName, MachineName), String>,
) -> Option<(Bump, String)> {
    let other = before.machines.iter().find(|machine| {
        configs.get(&(app.manifest.name.clone(), machine.name.clone())) != Some(&machine.config)
    })?;
    Some((Bump::Patch, format!("the configuration of {}/{}", app.manifest.name, other.name)))
}

/// Returns the files that are another text after the cut; none while nobody said how large it is.
fn texts(files: &Files, apps: &[App], released: &OpenedRelease, cut: &Cut) -> Files {
    let Some(after) = &cut.after else { return Files::new() };
    let read = "a document that was read is TOML and has a version";
    let release = edit::with_version(&files[RELEASE_PATH], after).expect(read);
    let release = edit::with_from(&release, std::slice::from_ref(&cut.before)).expect(read);
    let lock = Lock::new([LockedRelease {
        release: released.resolved.name.clone(),
        version: cut.before.clone(),
        digest: released.digest,
    }]);
    let mut texts: Files =
        [(RELEASE_PATH.to_owned(), release), (LOCK_PATH.to_owned(), lock::write(&lock))].into();
    for app in apps {
        if let Some((_, version)) = cut.apps.get(&app.manifest.name) {
            let path = app.path("app.toml");
            let text = edit::with_version(&files[&path], version).expect(read);
            texts.insert(path, text);
        }
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_raises_the_number_that_it_names() {
        for (before, patch, minor, major) in [
            ("1.2.3", "1.2.4", "1.3.0", "2.0.0"),
            ("0.1.0", "0.1.1", "0.2.0", "1.0.0"),
            ("1.2.3-rc.1", "1.2.3", "1.3.0", "2.0.0"),
            ("1.2.0-rc.1", "1.2.0", "1.2.0", "2.0.0"),
            ("2.0.0-rc.1", "2.0.0", "2.0.0", "2.0.0"),
        ] {
            let before: Version = before.parse().expect("a version");
            let after =
                [Bump::Patch, Bump::Minor, Bump::Major].map(|step| stepped(step, &before).to_string());
            assert_eq!(after, [patch, minor, major], "{before}");
        }
    }
}
