//! A project and what lies around it: its files, and the bundles of its predecessors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use camshaft_cam::diagnostic::Diagnostic;
use camshaft_cam::suite::laws;
use camshaft_manifests::{AppName, ReleaseName, Version};
use camshaft_registry::{Absent, AppSearch, Wanted, Which, find_app, pull};
use camshaft_releases::bundle::{self, Limits};
use camshaft_releases::diff::Bump;
use camshaft_releases::project::{
    self, Built, BuiltEdge, Cut, Files, Locking, NoCut, Outline, Templates, WantedApp,
};
use camshaft_releases::{OpenedRelease, open};

use crate::failure::{Failure, chain};
use crate::files;
use crate::registry;
use crate::render::counted;
use crate::talk::Talk;

/// A project that was read.
#[derive(Debug)]
pub struct Project {
    files: Files,
    predecessors: BTreeMap<(ReleaseName, Version), OpenedRelease>,
    /// The releases that applications are taken from.
    holders: BTreeMap<AppName, OpenedRelease>,
    /// What was looked for and not found, for the hint.
    missing: Vec<String>,
}

impl Project {
    /// Reads a project, and looks for the bundles of its predecessors: in `out` first, then where
    /// the project's lock is, then in the project's `dist`.
    ///
    /// # Errors
    ///
    /// When something cannot be read, the release document is faulty, or what lies where a
    /// predecessor is looked for is no bundle.
    pub fn read(root: &Path, out: &Path) -> Result<Project, Failure> {
        Project::of(root, out, files::read_project(root)?)
    }

    /// Takes a project whose sources were read already, by path.
    ///
    /// # Errors
    ///
    /// As with [`Project::read`].
    pub fn of(root: &Path, out: &Path, sources: BTreeMap<String, Vec<u8>>) -> Result<Project, Failure> {
        let mut texts = Files::new();
        for (path, bytes) in sources {
            let text = String::from_utf8(bytes).map_err(|error| {
                let message = format!("{}/{path} is not UTF-8: {}", root.display(), error.utf8_error());
                Failure::refused(message, "save the file as UTF-8")
            })?;
            texts.insert(path, text);
        }
        if !texts.contains_key(project::RELEASE_PATH) {
            let message = format!("{} is no project: it has no {}", root.display(), project::RELEASE_PATH);
            return Err(Failure::refused(message, "name the folder that holds release.toml"));
        }
        let wanted = project::predecessors(&texts).map_err(|faults| faulty(root, faults))?;
        let wanted_apps = project::wanted_apps(&texts).map_err(|faults| faulty(root, faults))?;
        let mut project = Project {
            files: texts,
            predecessors: BTreeMap::new(),
            holders: BTreeMap::new(),
            missing: Vec::new(),
        };
        let places = [out.to_owned(), root.to_owned(), root.join("dist")];
        for (name, version) in wanted {
            let file = bundle::file_name(&name, &version);
            match places.iter().map(|place| place.join(&file)).find(|path| path.exists()) {
                Some(path) => {
                    let (_, release) = open_bundle(&path)?;
                    project.predecessors.insert((name, version), release);
                }
                None => project.missing.push(file),
            }
        }
        for wanted in &wanted_apps {
            if let Some(release) = holder(wanted, &places, &project.predecessors)? {
                project.holders.insert(wanted.name.clone(), release);
            }
        }
        Ok(project)
    }

    /// Builds the project; nothing is written.
    ///
    /// # Errors
    ///
    /// All faults of the first stage that has any.
    pub fn build(&self, root: &Path, out: &Path, locking: Locking) -> Result<Built, Failure> {
        let mut built = self.made(root, out, |files, find| project::build(files, find, locking))?;
        let notes = hold_to_laws(&built.edges, &root.display().to_string())?;
        built.notes.extend(notes);
        Ok(built)
    }

    /// Builds the project whatever it breaks of what it promises; nothing is written.
    ///
    /// # Errors
    ///
    /// All faults of the first stage that has any.
    pub fn build_unjudged(&self, root: &Path, out: &Path) -> Result<Built, Failure> {
        self.made(root, out, |files, find| project::build_unjudged(files, find, Locking::Update))
    }

    /// Holds `fleet.toml`, if the project has one, against what was built; returns how many groups it has.
    ///
    /// # Errors
    ///
    /// All that is wrong with it.
    pub fn check_fleet(&self, root: &Path, built: &Built) -> Result<Option<usize>, Failure> {
        let fleet = project::check_fleet(&self.files, self, built).map_err(|faults| faulty(root, faults))?;
        Ok(fleet.map(|fleet| fleet.groups.len()))
    }

    /// Returns the migrations that are needed and not there, for a person to finish.
    ///
    /// # Errors
    ///
    /// All faults of documents and machines, and a version that `from` does not name.
    pub fn templates(&self, root: &Path, out: &Path, only: Option<&Version>) -> Result<Templates, Failure> {
        if let Some(only) = only
            && !project::predecessors(&self.files)
                .is_ok_and(|named| named.iter().any(|(_, version)| version == only))
        {
            let message = format!("release.toml does not name {only} in `from`");
            return Err(Failure::refused(message, "add it there, or leave `--from` out"));
        }
        self.made(root, out, |files, find| project::templates(files, find, only))
    }

    /// Returns what the documents tell of the project and its predecessors; no machine is compiled.
    ///
    /// # Errors
    ///
    /// All faults of its documents.
    pub fn outline(&self, root: &Path) -> Result<Outline, Failure> {
        project::outline(&self.files, self).map_err(|faults| faulty(root, faults))
    }

    fn made<T>(
        &self,
        root: &Path,
        out: &Path,
        build: impl FnOnce(&Files, project::Find<'_>) -> Result<T, Vec<Diagnostic>>,
    ) -> Result<T, Failure> {
        build(&self.files, self).map_err(|faults| {
            let mut failure = faulty(root, faults);
            if !self.missing.is_empty() {
                let [missing, out, root] =
                    [self.missing.join(", "), out.display().to_string(), root.display().to_string()];
                failure.hint =
                    format!("{missing} was looked for in {out}, {root} and {root}/dist; build it first");
            }
            failure
        })
    }

    /// Works out the next version of the project, where `released` is the bundle of the one it has.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn cut(&self, released: &OpenedRelease, step: Option<Bump>) -> Result<Cut, NoCut> {
        project::cut(&self.files, self, released, step)
    }

    /// Returns the name and version that `release.toml` gives the release.
    ///
    /// # Errors
    ///
    /// All faults of the document.
    pub fn named(&self, root: &Path) -> Result<(ReleaseName, Version), Failure> {
        project::named(&self.files).map_err(|faults| faulty(root, faults))
    }

    /// Returns the text of a file of the project; empty where there is none.
    pub fn text(&self, path: &str) -> &str {
        self.files.get(path).map_or("", String::as_str)
    }

    /// Returns the text of the lock as it stands in the project.
    pub fn lock(&self) -> Option<&str> {
        self.files.get(project::LOCK_PATH).map(String::as_str)
    }
}

impl project::Around for Project {
    fn release(&self, name: &ReleaseName, version: &Version) -> Option<OpenedRelease> {
        self.predecessors.get(&(name.clone(), version.clone())).cloned()
    }

    fn app(&self, name: &AppName) -> Option<OpenedRelease> {
        self.holders.get(name).cloned()
    }
}

/// Finds the release that an application is taken from: the one that the lock pins, from wherever it is;
/// else the newest that fits in the registry; without a registry, the newest predecessor that has one
/// that fits.
fn holder(
    wanted: &WantedApp,
    places: &[PathBuf],
    predecessors: &BTreeMap<(ReleaseName, Version), OpenedRelease>,
) -> Result<Option<OpenedRelease>, Failure> {
    let pinned = wanted.locked.as_ref().map(|locked| &locked.held_by);
    if let Some(pinned) = pinned {
        if let Some(release) = predecessors.values().find(|release| release.digest == pinned.digest) {
            return Ok(Some(release.clone()));
        }
        let file = bundle::file_name(&pinned.release, &pinned.version);
        if let Some(path) = places.iter().map(|place| place.join(&file)).find(|path| path.exists()) {
            // Another bundle of this version is a fault that the build tells.
            return open_bundle(&path).map(|(_, release)| Some(release));
        }
    }
    let Some(place) = std::env::var(registry::VARIABLE).ok().filter(|place| !place.is_empty()) else {
        if pinned.is_some() {
            return Ok(None);
        }
        let version_in = |release: &OpenedRelease| {
            let app = release.resolved.apps.iter().find(|app| app.name == wanted.name)?;
            wanted.range.matches(&app.version).then(|| app.version.clone())
        };
        let newest = predecessors.values().filter(|release| version_in(release).is_some());
        let key = |release: &&OpenedRelease| (version_in(release), release.resolved.version.clone());
        return Ok(newest.max_by_key(key).cloned());
    };
    let registry = registry::open(Some(&place), registry::VARIABLE, None, Absent::Refuse)?;
    let (name, digest) = match pinned {
        Some(pinned) => (pinned.release.clone(), pinned.digest),
        None => match find_app(&*registry, &wanted.name, &wanted.range).map_err(registry::failure)? {
            AppSearch::Found(found) => {
                let release = found.release.release;
                (release.name, release.digest)
            }
            AppSearch::Yanked(found) => {
                let release = found.release.release;
                let reason = release.yanked.map(|yank| crate::render::harmless(&yank.reason).to_string());
                let message = format!(
                    "{} {} is held only by releases that were yanked, the last of them {} {}: {}",
                    wanted.name,
                    wanted.range,
                    release.name,
                    release.version,
                    reason.unwrap_or_default()
                );
                return Err(Failure::refused(message, "ask for another version of it in release.toml"));
            }
            AppSearch::OutOfRange(versions) => {
                let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
                let known = if versions.is_empty() { "none at all".to_owned() } else { versions.join(", ") };
                let message = format!("{place} holds no {} {}, but {known}", wanted.name, wanted.range);
                return Err(Failure::refused(
                    message,
                    "ask for another range, or publish a release that has it",
                ));
            }
        },
    };
    let wanted = Wanted { name, which: Which::Digest(digest) };
    let pulled = pull(&*registry, &wanted, |_| BTreeMap::new(), &mut |_, _| {}).map_err(registry::failure)?;
    pulled.open().map(Some).map_err(registry::failure)
}

/// Reads and opens a bundle: every digest, every piece of code and every relup is checked.
///
/// # Errors
///
/// When it cannot be read, or the first thing that is wrong with it.
pub fn open_bundle(path: &Path) -> Result<(Vec<u8>, OpenedRelease), Failure> {
    let bytes = read_bundle(path)?;
    let release = open::read(&bytes).map_err(|error| {
        let message = format!("{} is refused: {}", path.display(), chain(&error));
        Failure::refused(message, "get the bundle again, or build it again")
    })?;
    Ok((bytes, release))
}

/// Opens the newer of two releases: a bundle as it is, a project as it would be built, with predecessors
/// from where the older one is or from its own folders.
///
/// # Errors
///
/// As with [`open_bundle`] and [`Project::build_unjudged`].
pub fn open_newer(older: &Path, path: &Path, talk: &Talk) -> Result<OpenedRelease, Failure> {
    if !path.is_dir() {
        return open_bundle(path).map(|(_, release)| release);
    }
    let beside = older.parent().filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_owned);
    let out = beside.unwrap_or_else(|| PathBuf::from("."));
    let built = talk.while_waiting("building", || {
        Project::read(path, &out).and_then(|project| project.build_unjudged(path, &out))
    })?;
    Ok(built.release)
}

/// Reads the bytes of a bundle, at most as many as a bundle may have.
///
/// # Errors
///
/// When it cannot be read.
pub fn read_bundle(path: &Path) -> Result<Vec<u8>, Failure> {
    files::read(path, Limits::DEFAULT.compressed_bytes_max as u64)
}

/// Returns where bundles of a project are written when nobody says otherwise.
pub fn default_out(root: &Path) -> PathBuf {
    root.join("dist")
}

/// How many generated states each edge is held against the laws with.
const LAW_CASES: u32 = 200;

/// Holds edges that were made against the laws, with generated states; returns what is worth a note. `subject` is what they
/// were made for.
///
/// # Errors
///
/// The laws that do not hold.
pub fn hold_to_laws(edges: &[BuiltEdge], subject: &str) -> Result<Vec<Diagnostic>, Failure> {
    let (mut faults, mut notes) = (vec![], vec![]);
    for edge in edges {
        match laws::check(edge.ends(), edge.options(LAW_CASES)) {
            Err(broken) if edge.waives(broken.law) => {
                let mut note = edge.fault(&broken);
                note.message = format!("set aside: {}", note.message);
                notes.push(note);
            }
            Err(broken) => faults.push(edge.fault(&broken)),
            Ok(kept) => {
                // That some new states have no way down is what a guard is for.
                let stuck = kept.example.as_ref().filter(|example| example.arrow != "down");
                notes.extend(stuck.map(|example| edge.stuck(kept.stuck, kept.states, example)));
            }
        }
    }
    if faults.is_empty() { Ok(notes) } else { Err(faults_of(subject, faults)) }
}

pub(crate) fn faulty(root: &Path, faults: Vec<Diagnostic>) -> Failure {
    faults_of(&root.display().to_string(), faults)
}

fn faults_of(subject: &str, faults: Vec<Diagnostic>) -> Failure {
    let count = faults.len();
    Failure::diagnostics(format!("{subject}: {}", counted(count, "fault")), faults)
}
