//! A project as far as its documents tell: for those who write into it.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::diagnostic::Diagnostic;
use camshaft_manifests::appup::Appup;
use camshaft_manifests::{AppName, MachineName, Version};

use super::{APPUP_FILE, Files, Find, documents};

/// The applications of a project, and their versions in its predecessors.
#[derive(Debug, Clone)]
pub struct Outline {
    /// The applications by name.
    pub apps: BTreeMap<AppName, AppOutline>,
    /// The predecessors that were not found: what is known of older versions is not all.
    pub missing: Vec<Version>,
}

/// An application of a project.
#[derive(Debug, Clone)]
pub struct AppOutline {
    /// Its folder, relative to the project.
    pub folder: String,
    /// Its version.
    pub version: Version,
    /// Its machines.
    pub machines: BTreeSet<MachineName>,
    /// What its appup says.
    pub appup: Appup,
    /// The text of its appup; empty when there is none.
    pub appup_text: String,
    /// Its versions in the predecessors that were found.
    pub released: BTreeSet<Version>,
}

impl AppOutline {
    /// Returns the path of its appup, relative to the project.
    pub fn appup_path(&self) -> String {
        format!("{}/{APPUP_FILE}", self.folder)
    }
}

/// Reads the documents of a project and looks at its predecessors; no machine is compiled.
///
/// # Errors
///
/// All faults of its documents.
pub fn outline(files: &Files, find: Find<'_>) -> Result<Outline, Vec<Diagnostic>> {
    let (source, manifest) = documents::release(files)?;
    let apps = documents::apps(files, &source, &manifest, find)?;
    let mut missing = Vec::new();
    let mut found = Vec::new();
    for version in &manifest.from {
        match find.release(&manifest.name, version) {
            Some(release) => found.push(release),
            None => missing.push(version.clone()),
        }
    }
    let released = |name: &AppName| {
        let apps = found.iter().flat_map(|release| &release.resolved.apps);
        apps.filter(|app| app.name == *name).map(|app| app.version.clone()).collect()
    };
    let apps = apps.into_iter().map(|app| {
        let outline = AppOutline {
            folder: app.folder.to_string(),
            version: app.manifest.version.clone(),
            machines: app.manifest.machines.iter().cloned().collect(),
            appup_text: app.appup_source.text.to_string(),
            released: released(&app.manifest.name),
            appup: app.appup.unwrap_or_default(),
        };
        (app.manifest.name, outline)
    });
    Ok(Outline { apps: apps.collect(), missing })
}
