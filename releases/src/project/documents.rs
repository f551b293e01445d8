//! The documents of a project: the release, its applications, their appups.

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_manifests::app::AppManifest;
use camshaft_manifests::appup::Appup;
use camshaft_manifests::release::{AppOrigin, ReleaseManifest};
use camshaft_manifests::{RelativePath, Step, app, appup, release};

use super::{Files, RELEASE_PATH, at_value};

/// An application of the project.
#[derive(Debug)]
pub(super) struct App {
    /// Its folder.
    pub(super) folder: RelativePath,
    /// The text of its document.
    pub(super) source: Source,
    pub(super) manifest: AppManifest,
    pub(super) appup: Option<Appup>,
    /// The text of its appup; empty when there is none.
    pub(super) appup_source: Source,
}

impl App {
    /// Returns the path of a file in the application's folder.
    pub(super) fn path(&self, inner: &str) -> String {
        format!("{}/{inner}", self.folder)
    }
}

/// Reads the release document.
pub(super) fn release(files: &Files) -> Result<(Source, ReleaseManifest), Vec<Diagnostic>> {
    let Some(text) = files.get(RELEASE_PATH) else {
        let source = Source::new(RELEASE_PATH, "");
        let missing = Diagnostic::new("R0101", &source, 0..0, "there is no release.toml here", "");
        return Err(vec![missing.help("name the folder of a project; it has a release.toml")]);
    };
    let source = Source::new(RELEASE_PATH, text.as_str());
    let manifest = release::read(&source)?;
    Ok((source, manifest))
}

/// Reads the documents of all applications.
pub(super) fn apps(
    files: &Files,
    source: &Source,
    manifest: &ReleaseManifest,
) -> Result<Vec<App>, Vec<Diagnostic>> {
    let mut apps = Vec::new();
    let mut faults = Vec::new();
    for (name, origin) in &manifest.apps {
        let AppOrigin::Path(folder) = origin else {
            let message = format!("{name} comes from a registry, and registries are not there yet");
            let fault = at_value(
                source,
                "R0105",
                &[Step::Key("apps"), Step::Key(name.as_str())],
                message,
                "by version",
            );
            faults.push(fault.help(format!("give its folder: {name} = {{ path = \"apps/{name}\" }}")));
            continue;
        };
        let path = format!("{folder}/app.toml");
        let Some(text) = files.get(&path) else {
            let message = format!("there is no {path}");
            faults.push(at_value(
                source,
                "R0101",
                &[Step::Key("apps"), Step::Key(name.as_str())],
                message,
                "the folder of an application",
            ));
            continue;
        };
        let app_source = Source::new(path, text.as_str());
        let appup_path = format!("{folder}/appup.toml");
        let appup_source =
            Source::new(appup_path.as_str(), files.get(&appup_path).map_or("", String::as_str));
        let appup = files.contains_key(&appup_path).then(|| appup::read(&appup_source)).transpose();
        match (app::read(&app_source), appup) {
            (Ok(app), Ok(appup)) => {
                if app.name != *name {
                    let message = format!("the release calls this application {name}");
                    faults.push(at_value(
                        &app_source,
                        "R0108",
                        &[Step::Key("name")],
                        message,
                        "another name",
                    ));
                }
                apps.push(App {
                    folder: folder.clone(),
                    source: app_source,
                    manifest: app,
                    appup,
                    appup_source,
                });
            }
            (app, appup) => {
                faults.extend(app.err().into_iter().flatten());
                faults.extend(appup.err().into_iter().flatten());
            }
        }
    }
    if faults.is_empty() { Ok(apps) } else { Err(faults) }
}
