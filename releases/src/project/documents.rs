//! The documents of a project: the release, its applications, their appups.

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_manifests::app::AppManifest;
use camshaft_manifests::appup::Appup;
use camshaft_manifests::release::{AppOrigin, ReleaseManifest};
use camshaft_manifests::{AppName, RelativePath, Requirement, Step, app, appup, release};

use super::{Files, Find, RELEASE_PATH, at_value};
use crate::open::OpenedRelease;

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
    /// The release that it is taken from as it is, when it comes from no folder of the project.
    pub(super) taken: Option<Box<OpenedRelease>>,
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
    find: Find<'_>,
) -> Result<Vec<App>, Vec<Diagnostic>> {
    let mut apps = Vec::new();
    let mut faults = Vec::new();
    for (name, origin) in &manifest.apps {
        let folder = match origin {
            AppOrigin::Path(folder) => folder,
            AppOrigin::Registry(range) => {
                match taken(name, range, find) {
                    Ok(app) => apps.push(app),
                    Err((message, help)) => {
                        let place = [Step::Key("apps"), Step::Key(name.as_str())];
                        faults.push(at_value(source, "R0105", &place, message, "by version").help(help));
                    }
                }
                continue;
            }
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
                    taken: None,
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

/// Takes an application from a release that holds it; else what is wrong, and the mend.
fn taken(name: &AppName, range: &Requirement, find: Find<'_>) -> Result<App, (String, String)> {
    let Some(release) = find.app(name) else {
        let message = format!("no release was found that holds {name} {range}");
        let help = format!(
            "name a registry in the variable CAMSHAFT_REGISTRY, or give its folder: {name} = {{ path = \"apps/{name}\" }}"
        );
        return Err((message, help));
    };
    let resolved = &release.resolved;
    let held = resolved.apps.iter().find(|app| app.name == *name && range.matches(&app.version));
    let Some(held) = held else {
        let message = format!("{} {} does not hold {name} {range}", resolved.name, resolved.version);
        return Err((message, "look for it in another release, or ask for another version".to_owned()));
    };
    let manifest = AppManifest {
        name: name.clone(),
        version: held.version.clone(),
        depends: held.depends.clone(),
        machines: held.machines.iter().map(|machine| machine.name.clone()).collect(),
        supervision: held.supervision.clone(),
        strictness: held.strictness,
    };
    // There is no text of it; who points at one names the release.
    let called = format!("{name} {} of {} {}", held.version, resolved.name, resolved.version);
    let appup = Appup { waivers: held.waivers.clone(), ..Appup::default() };
    Ok(App {
        folder: format!("apps/{name}").parse().expect("a name is a plain path"),
        source: Source::new(called.as_str(), ""),
        manifest,
        appup: Some(appup),
        appup_source: Source::new(called, ""),
        taken: Some(Box::new(release)),
    })
}
