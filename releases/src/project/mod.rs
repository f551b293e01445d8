//! From a project's files to a bundle.
//!
//! Pure: the files come as texts, predecessors as opened releases. All faults of a stage are
//! reported at once; a later stage begins only when the ones before it found none.
//!
//! The stages: documents ([`documents`]), dependency order ([`order`]), what is spoken ([`api`]), type modules ([`modules`]), machines ([`machines`]),
//! links and edges ([`joints`]), configuration, the resolved release, relups, the bundle, the judgement
//! beside the predecessors ([`judge`]). What
//! was built is opened again as a stranger would, so that no bundle leaves that a node refuses.

mod api;
mod chains;
mod cut;
mod documents;
mod fleet;
mod joints;
mod judge;
mod laws;
mod machines;
mod modules;
mod order;
mod outline;
mod templates;
mod ways;

pub use cut::{Cut, NoCut, cut};
pub use fleet::{FLEET_PATH, check_fleet};
pub use laws::BuiltEdge;
pub use outline::{AppOutline, Outline, outline};
pub(crate) use templates::naming;
pub use templates::{Template, Templates, templates};

use std::collections::BTreeMap;

use camshaft_cam::code::encode::encode;
use camshaft_cam::diagnostic::{Diagnostic, Source, Span};
use camshaft_cam::value::Value;
use camshaft_manifests::lock::{self, Lock, LockedApp, LockedRelease};
use camshaft_manifests::release::{AppOrigin, ReleaseManifest};
use camshaft_manifests::resolved::{self, Predecessor, ResolvedApp, ResolvedMachine, ResolvedRelease};
use camshaft_manifests::setting::to_json;
use camshaft_manifests::{
    AppName, MachineName, RelativePath, ReleaseName, Requirement, Step, Version, locate, relup,
};

use crate::bundle::{self, Packed};
use crate::open::{self, OpenedRelease};
use crate::plan;
use documents::App;
use machines::Compiled;

/// The path of the release document in a project.
pub const RELEASE_PATH: &str = "release.toml";

/// The name of an application's appup.
pub(crate) const APPUP_FILE: &str = "appup.toml";

/// The path of the lock in a project.
pub const LOCK_PATH: &str = "camshaft.lock";

/// What can be wrong with a project as a whole, and what it means.
pub const CODES: &[(&str, &str)] = &[
    ("R0101", "a file that a document names is not in the project"),
    ("R0102", "a predecessor that `from` names was not found"),
    ("R0103", "a predecessor that is not the one that the lock pins"),
    ("R0104", "a predecessor without an entry in the lock, with `--locked`"),
    ("R0105", "an application that is to be taken from a release, and no release was found that holds it"),
    ("R0106", "an application that another depends on is not in the release, or in another version"),
    ("R0107", "applications that depend on each other in a circle"),
    ("R0108", "a folder whose document has another name than the release gives it"),
    ("R0109", "an application that changed and kept its version"),
    (
        "R0110",
        "a channel to a machine that is not in the release, or not among what the application depends on",
    ),
    ("R0111", "a channel whose two ends do not fit"),
    ("R0112", "a machine that was keyed and is not, or the other way round"),
    ("R0113", "configuration that is not of the machine's type, or for no machine"),
    ("R0114", "a migration for another machine or version than the appup says"),
    ("R0115", "a migration file that no appup names, or an appup entry for nothing"),
    ("R0116", "a release that is too large for a bundle"),
    ("R0117", "a predecessor of another name or version than was asked for"),
    ("R0118", "a type module in a file that has not its name, or not directly in `types/`"),
    (
        "R0119",
        "a change that breaks the class of strictness that the release asks for, and that nobody set aside",
    ),
    ("R0120", "an application whose version grew less than what changed in it asks for"),
    ("R0121", "a release whose version grew less than what changed in its applications asks for"),
    ("R0122", "a waiver that sets nothing aside; a warning"),
    ("R0123", "predecessors that give one ordinal to two names, or two to one name"),
    ("R0132", "two ranges of an appup that take in one version"),
    ("R0133", "an application or machine that cannot have had the name that the appup says"),
    ("R0134", "an input to apply that is not of the machine's type, or that nothing undoes"),
    ("R0126", "releases that come from each other in a circle"),
    ("R0127", "two releases of one version among those that nodes may come from"),
    ("R0128", "an edge of which a law does not hold, shown by the smallest state that was found"),
    ("R0129", "generated states that have no way over an edge, or none back; a note"),
    ("R0130", "an `[api] default` that the release does not speak"),
    ("R0140", "a fleet of another release than the project's"),
    ("R0141", "an application that a group serves and the release does not have"),
    ("R0142", "an order of groups that channels between their nodes do not allow"),
];

/// The files of a project, by their paths from its root with `/` between the parts.
pub type Files = BTreeMap<String, String>;

/// What lies around a project.
pub trait Around {
    /// Returns the opened bundle of a predecessor.
    fn release(&self, name: &ReleaseName, version: &Version) -> Option<OpenedRelease>;

    /// Returns the release that an application is taken from, of those that do not come from a folder of
    /// the project. Which one it is was decided by whoever gives it; that it fits is checked here.
    fn app(&self, _name: &AppName) -> Option<OpenedRelease> {
        None
    }
}

impl<F: Fn(&ReleaseName, &Version) -> Option<OpenedRelease>> Around for F {
    fn release(&self, name: &ReleaseName, version: &Version) -> Option<OpenedRelease> {
        self(name, version)
    }
}

/// Nothing lies around: a project without predecessors, all of whose applications are its own.
#[derive(Debug, Clone, Copy)]
pub struct Alone;

impl Around for Alone {
    fn release(&self, _name: &ReleaseName, _version: &Version) -> Option<OpenedRelease> {
        None
    }
}

/// Finds what lies around a project.
pub type Find<'f> = &'f dyn Around;

/// An application that does not come from a folder of the project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedApp {
    /// Its name.
    pub name: AppName,
    /// The versions that would do.
    pub range: Requirement,
    /// Where the lock pins it to.
    pub locked: Option<LockedApp>,
}

/// Returns the applications that do not come from a folder of the project, so that they can be looked for.
///
/// # Errors
///
/// All faults of its release document and its lock.
pub fn wanted_apps(files: &Files) -> Result<Vec<WantedApp>, Vec<Diagnostic>> {
    let (_, manifest) = documents::release(files)?;
    let lock = read_lock(files)?;
    let wanted = manifest.apps.iter().filter_map(|(name, origin)| match origin {
        AppOrigin::Path(_) => None,
        AppOrigin::Registry(range) => {
            // A pin that the range left behind is none.
            let locked = lock.app(name).filter(|locked| range.matches(&locked.version)).cloned();
            Some(WantedApp { name: name.clone(), range: range.clone(), locked })
        }
    });
    Ok(wanted.collect())
}

fn read_lock(files: &Files) -> Result<Lock, Vec<Diagnostic>> {
    match files.get(LOCK_PATH) {
        Some(text) => lock::read(&Source::new(LOCK_PATH, text.as_str())),
        None => Ok(Lock::new([])),
    }
}

/// How strict a build is about its lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Locking {
    /// A missing entry is added.
    Update,
    /// A missing entry is a fault.
    Locked,
}

/// What a build made.
#[derive(Debug, Clone)]
pub struct Built {
    /// The release.
    pub release: OpenedRelease,
    /// The bundle.
    pub packed: Packed,
    /// The text of the lock that belongs to it.
    pub lock: String,
    /// Why upgrades to it are not certified in advance: machine, version, reason. Empty when
    /// none can fail.
    pub checked: Vec<String>,
    /// The edges that were made here, those of chains left out, for [the laws](camshaft_cam::suite::laws).
    pub edges: Vec<BuiltEdge>,
    /// What is no fault, and worth looking at.
    pub warnings: Vec<Diagnostic>,
    /// What older releases mean by a name or a default, and this one does not: U022 and U023, where
    /// neither the class forbids it nor a waiver sets it aside.
    pub notes: Vec<Diagnostic>,
}

/// What was made on the way to a bundle, for those who judge it.
struct Made {
    source: Source,
    manifest: ReleaseManifest,
    apps: Vec<App>,
    compiled: BTreeMap<(AppName, MachineName), Compiled>,
    found: Vec<OpenedRelease>,
    built: Built,
}

impl Built {
    /// Returns the name of the file that the bundle is kept in.
    pub fn file_name(&self) -> String {
        bundle::file_name(&self.release.resolved.name, &self.release.resolved.version)
    }
}

/// Returns the predecessors that a project names, so that they can be looked for.
///
/// # Errors
///
/// All faults of its release document.
pub fn predecessors(files: &Files) -> Result<Vec<(ReleaseName, Version)>, Vec<Diagnostic>> {
    let (_, manifest) = documents::release(files)?;
    Ok(manifest.from.iter().map(|version| (manifest.name.clone(), version.clone())).collect())
}

/// Returns the name and version that the release document gives the release.
///
/// # Errors
///
/// All faults of the document.
pub fn named(files: &Files) -> Result<(ReleaseName, Version), Vec<Diagnostic>> {
    let (_, manifest) = documents::release(files)?;
    Ok((manifest.name, manifest.version))
}

/// Compiles a project without bundling it: machines, links and edges, all faults.
///
/// # Errors
///
/// All faults of the first stage that has any.
pub fn check(files: &Files, find: Find<'_>, locking: Locking) -> Result<(), Vec<Diagnostic>> {
    build(files, find, locking).map(|_| ())
}

/// Builds a project, and holds it against what it promises to its predecessors' states and clients.
///
/// # Errors
///
/// All faults of the first stage that has any.
pub fn build(files: &Files, find: Find<'_>, locking: Locking) -> Result<Built, Vec<Diagnostic>> {
    let made = make(files, find, locking)?;
    let said = judge::judge(&made)?;
    Ok(Built { warnings: said.warnings, notes: said.notes, ..made.built })
}

/// Builds a project, and asks neither whether it keeps its promises nor how much its versions grew:
/// for those who tell what it breaks.
///
/// # Errors
///
/// All faults of the first stage that has any.
pub fn build_unjudged(files: &Files, find: Find<'_>, locking: Locking) -> Result<Built, Vec<Diagnostic>> {
    make(files, find, locking).map(|made| made.built)
}

fn make(files: &Files, find: Find<'_>, locking: Locking) -> Result<Made, Vec<Diagnostic>> {
    let (source, manifest) = documents::release(files)?;
    let apps = order::sorted(&source, documents::apps(files, &source, &manifest, find)?)?;
    let (found, lock) = locked(files, &source, &manifest, &apps, find, locking)?;
    let reached = chains::reached(&source, &manifest, &found)?;
    let modules = modules::read(files, &apps)?;
    let mut ways = ways::read(&apps, &found)?;
    let compiled = machines::compile(files, &apps, &modules, &found, &ways)?;
    ways::applies(&mut ways, &apps, &compiled, &found)?;
    let links = joints::links(&apps, &compiled)?;
    let edges = joints::edges(files, &apps, &modules, &compiled, &found, &ways)?;
    let (edges, older) = chains::chains(&compiled, &reached, &ways, edges);
    let api_default = api::default(&source, &manifest, &found, &older)?;
    let configs = configs(&source, &manifest, &compiled)?;

    let resolved_app = |app: &App| ResolvedApp {
        name: app.manifest.name.clone(),
        version: app.manifest.version.clone(),
        depends: app.manifest.depends.clone(),
        supervision: app.manifest.supervision.clone(),
        machines: app
            .manifest
            .machines
            .iter()
            .map(|name| {
                let key = (app.manifest.name.clone(), name.clone());
                let machine = &compiled[&key].verified;
                ResolvedMachine {
                    name: name.clone(),
                    keyed: machine.machine().keyed,
                    digest: machine.digest(),
                    config: configs[&key].clone(),
                }
            })
            .collect(),
        waivers: app.appup.as_ref().map(|appup| appup.waivers.clone()).unwrap_or_default(),
        strictness: app.manifest.strictness,
    };
    let mut predecessors: Vec<Predecessor> = found
        .iter()
        .map(|release| Predecessor {
            version: release.resolved.version.clone(),
            digest: release.digest,
            composition: release.resolved.composition(),
            transition: ways.from(release).clone(),
        })
        .collect();
    predecessors.extend(older);
    predecessors.sort_by(|a, b| a.version.cmp(&b.version));
    let resolved = ResolvedRelease {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        api_default: Some(api_default).filter(|default| *default != manifest.version),
        strictness: manifest.strictness,
        apps: apps.iter().map(resolved_app).collect(),
        links: links.iter().map(|link| link.resolved.clone()).collect(),
        edges: edges.iter().map(|edge| edge.resolved.clone()).collect(),
        predecessors,
    };

    let mut content: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for machine in compiled.values() {
        content.insert(open::code_path(machine.verified.digest()), encode(machine.verified.module()));
    }
    for link in &links {
        content.insert(open::link_path(link.resolved.digest), encode(&link.module));
    }
    for edge in &edges {
        content.insert(open::edge_path(edge.resolved.digest), encode(edge.edge.module()));
    }
    for predecessor in &resolved.predecessors {
        let text = relup::write(&plan::plan(predecessor, &resolved));
        content.insert(open::relup_path(&predecessor.version), text.into_bytes());
    }
    content.insert(open::RELEASE_PATH.to_owned(), resolved::write(&resolved).into_bytes());
    let packed = pack(&source, &manifest, content)?;
    let release = open::read(&packed.bytes).map_err(|error| {
        // A fault of ours, not of the project; said all the same, and no bundle leaves.
        vec![at(&source, "R0116", "name", format!("the bundle that was built cannot be opened: {error}"), "")]
    })?;
    let checked = edges.iter().filter_map(joints::EdgeOf::checked).collect();
    let edges = laws::edges(&apps, &compiled, (&found, &ways), &release, edges);
    let lock = lock::write(&lock);
    let built = Built { release, packed, lock, checked, edges, warnings: vec![], notes: vec![] };
    Ok(Made { source, manifest, apps, compiled, found, built })
}

fn pack(
    source: &Source,
    manifest: &ReleaseManifest,
    content: BTreeMap<String, Vec<u8>>,
) -> Result<Packed, Vec<Diagnostic>> {
    let path = |path: &String| path.parse::<RelativePath>().expect("paths of bundles are plain");
    let files = content.iter().map(|(name, bytes)| (path(name), bytes.clone())).collect();
    bundle::write(&manifest.name, &manifest.version, &files).map_err(|error| {
        vec![at(source, "R0116", "name", format!("this release does not fit into a bundle: {error}"), "")]
    })
}

/// Finds the predecessors and holds them against the lock.
fn locked(
    files: &Files,
    source: &Source,
    manifest: &ReleaseManifest,
    apps: &[App],
    find: Find<'_>,
    locking: Locking,
) -> Result<(Vec<OpenedRelease>, Lock), Vec<Diagnostic>> {
    let lock = read_lock(files)?;
    let mut faults = Vec::new();
    let mut found: Vec<OpenedRelease> = Vec::new();
    for (index, version) in manifest.from.iter().enumerate() {
        let place = [Step::Key("from"), Step::Item(index)];
        let file = bundle::file_name(&manifest.name, version);
        let Some(release) = find.release(&manifest.name, version) else {
            let message = format!("the predecessor {version} was not found");
            let fault = at_value(source, "R0102", &place, message, "named here");
            faults.push(fault.help(format!("build it first, so that {file} is in the output folder")));
            continue;
        };
        let is = (&release.resolved.name, &release.resolved.version);
        if is != (&manifest.name, version) {
            let message = format!("{file} holds {} {}", is.0, is.1);
            faults.push(at_value(source, "R0117", &place, message, "asked for here"));
            continue;
        }
        match lock.digest(&manifest.name, version) {
            Some(digest) if digest != release.digest => {
                let message = format!("{file} is {}, and the lock pins {digest}", release.digest);
                let fault = at_value(source, "R0103", &place, message, "another release of this version");
                faults.push(fault.help(format!(
                    "put the released {file} into the output folder; or, if {version} was never released, delete its entry from {LOCK_PATH}"
                )));
            }
            None if locking == Locking::Locked => {
                let message = format!("the lock has no entry for {version}");
                let fault = at_value(source, "R0104", &place, message, "not pinned");
                faults.push(fault.help("build once without `--locked`, and commit the lock"));
            }
            _ => found.push(release),
        }
    }
    let (taken, more) = locked_apps(source, apps, &lock, locking);
    faults.extend(more);
    if !faults.is_empty() {
        return Err(faults);
    }
    let entry = |release: &OpenedRelease| LockedRelease {
        release: release.resolved.name.clone(),
        version: release.resolved.version.clone(),
        digest: release.digest,
    };
    let lock = Lock::new(found.iter().map(entry)).with_apps(taken);
    Ok((found, lock))
}

/// Returns where applications are taken from, and what the lock has against it.
fn locked_apps(
    source: &Source,
    apps: &[App],
    lock: &Lock,
    locking: Locking,
) -> (Vec<LockedApp>, Vec<Diagnostic>) {
    let (mut taken, mut faults) = (vec![], vec![]);
    for app in apps {
        let Some(release) = &app.taken else { continue };
        let (name, version) = (&app.manifest.name, &app.manifest.version);
        let place = [Step::Key("apps"), Step::Key(name.as_str())];
        let held_by = LockedRelease {
            release: release.resolved.name.clone(),
            version: release.resolved.version.clone(),
            digest: release.digest,
        };
        let now = LockedApp { app: name.clone(), version: version.clone(), held_by };
        match lock.app(name) {
            Some(pinned) if pinned.version == *version && *pinned != now => {
                let message = format!(
                    "{name} {version} was found in {} {} ({}), and the lock pins {} {} ({})",
                    now.held_by.release,
                    now.held_by.version,
                    now.held_by.digest,
                    pinned.held_by.release,
                    pinned.held_by.version,
                    pinned.held_by.digest
                );
                let fault = at_value(source, "R0103", &place, message, "from another release");
                faults.push(
                    fault.help(format!("to take it from elsewhere, delete its entry from {LOCK_PATH}")),
                );
            }
            Some(pinned) if pinned.version == *version => {}
            _ if locking == Locking::Locked => {
                let message = format!("the lock has no entry for {name} {version}");
                let fault = at_value(source, "R0104", &place, message, "not pinned");
                faults.push(fault.help("build once without `--locked`, and commit the lock"));
            }
            _ => {}
        }
        taken.push(now);
    }
    (taken, faults)
}

/// Types the configuration of every machine; returns it in canonical JSON.
fn configs(
    source: &Source,
    manifest: &ReleaseManifest,
    compiled: &BTreeMap<(AppName, MachineName), Compiled>,
) -> Result<BTreeMap<(AppName, MachineName), String>, Vec<Diagnostic>> {
    let mut faults = Vec::new();
    for (app, machines) in &manifest.config {
        for machine in machines.keys() {
            if !compiled.contains_key(&(app.clone(), machine.clone())) {
                let message = format!("{app} has no machine {machine} to configure");
                faults.push(at_value(
                    source,
                    "R0113",
                    &[Step::Key("config"), Step::Key(app.as_str()), Step::Key(machine.as_str())],
                    message,
                    "for no machine",
                ));
            }
        }
    }
    let mut configs = BTreeMap::new();
    for (key, machine) in compiled {
        let ty = machine.verified.config();
        let place = [Step::Key("config"), Step::Key(key.0.as_str()), Step::Key(key.1.as_str())];
        let settings = manifest.config.get(&key.0).and_then(|machines| machines.get(&key.1));
        let json = match (settings, ty.as_record()) {
            (Some(settings), Some(_)) => to_json(settings),
            (None, Some(_)) => "{}".to_owned(),
            (Some(_), None) => {
                let message = format!("{}/{} takes no configuration", key.0, key.1);
                faults.push(at_value(source, "R0113", &place, message, "not taken"));
                continue;
            }
            (None, None) => "[]".to_owned(),
        };
        match Value::from_json(&json, ty) {
            Ok(value) => {
                configs.insert(key.clone(), value.to_json(ty));
            }
            Err(error) => {
                let message = format!("the configuration of {}/{}: {error}", key.0, key.1);
                let inner = error.path.trim_start_matches('$').split('.').skip(1);
                let place: Vec<Step<'_>> = place.into_iter().chain(inner.map(Step::Key)).collect();
                let fault = at_value(source, "R0113", &place, message, "here");
                faults.push(fault.help(format!("its type is {ty}")));
            }
        }
    }
    if faults.is_empty() { Ok(configs) } else { Err(faults) }
}

/// Returns a diagnostic at a value of a document, or at the deepest part of the way to it that
/// is there.
fn at_value(
    source: &Source,
    code: &'static str,
    path: &[Step<'_>],
    message: impl Into<String>,
    label: &str,
) -> Diagnostic {
    Diagnostic::new(code, source, locate(source, path), message, label)
}

/// Returns a diagnostic at the first place where a text stands in a source.
fn at(
    source: &Source,
    code: &'static str,
    needle: &str,
    message: impl Into<String>,
    label: &str,
) -> Diagnostic {
    Diagnostic::new(code, source, span_of(source, needle), message, label)
}

fn span_of(source: &Source, needle: &str) -> Span {
    source.text.find(needle).map_or(0..0, |start| start..start + needle.len())
}
