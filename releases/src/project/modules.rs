//! The type modules of a project's applications: `types/NAME.cam` in each.

use std::collections::BTreeMap;

use camshaft_cam::compile::Modules;
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_manifests::AppName;

use super::Files;
use super::documents::App;

/// Reads and checks the type modules of every application.
pub(super) fn read(files: &Files, apps: &[App]) -> Result<BTreeMap<AppName, Modules>, Vec<Diagnostic>> {
    let mut found = BTreeMap::new();
    let mut faults = Vec::new();
    for app in apps {
        let folder = app.path("types/");
        let inside = files.range(folder.clone()..).take_while(|(path, _)| path.starts_with(&folder));
        let sources: Vec<Source> = inside
            .filter(|(path, _)| path.ends_with(".cam"))
            .map(|(path, text)| Source::new(path.as_str(), text.as_str()))
            .collect();
        match Modules::read(&sources) {
            Ok(modules) => {
                faults
                    .extend(modules.sources().filter_map(|(name, source)| misplaced(&folder, name, source)));
                found.insert(app.manifest.name.clone(), modules);
            }
            Err(more) => faults.extend(more),
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(faults) }
}

/// Returns a fault when a module does not stand in the file that has its name.
fn misplaced(folder: &str, name: &str, source: &Source) -> Option<Diagnostic> {
    let path = format!("{folder}{name}.cam");
    (*source.name != *path).then(|| {
        let span = super::span_of(source, name);
        let message = format!("this file declares the type module `{name}`");
        let fault = Diagnostic::new("R0118", source, span, message, "not the name of the file");
        fault.help(format!("move it to {path}, or give it the name of the file"))
    })
}
