//! Files that no module names are never compiled: a test that lies there never runs.

use std::path::Path;

use crate::fault::Fault;
use crate::tree::TextFile;

/// Every source file is a root of a crate or a test, or is named by a `mod` of its parent.
pub fn forgotten(_: &Path, files: &[TextFile]) -> Vec<Fault> {
    let text = |path: &str| files.iter().find(|file| file.path == path).map(|file| file.text.as_str());
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| file.extension() == "rs") {
        let Some((folder, module)) = module_of(&file.path) else { continue };
        let parents = parents_of(folder, files);
        let named = parents.iter().filter_map(|parent| text(parent)).any(|text| names_module(text, module));
        if !named {
            faults.push(Fault::error(
                &file.path,
                1,
                "no module names this file",
                format!("add `mod {module};` to its parent, or delete the file"),
            ));
        }
    }
    faults
}

/// Returns the folder of the parent module and the module's name; `None` for what cargo finds by
/// itself (roots, files directly in `tests`, `benches` and `examples`, build scripts).
fn module_of(path: &str) -> Option<(&str, &str)> {
    let (folder, name) = path.rsplit_once('/')?;
    let stem = name.strip_suffix(".rs")?;
    let inside: Vec<&str> = folder.split('/').skip(1).collect();
    match inside[..] {
        [] => None,
        ["src", "bin"] | ["tests" | "benches" | "examples"] => None,
        ["src"] if matches!(stem, "lib" | "main") => None,
        _ if stem == "mod" => folder.rsplit_once('/'),
        _ => Some((folder, stem)),
    }
}

/// Returns the files that may declare a module that lies in `folder`.
fn parents_of(folder: &str, files: &[TextFile]) -> Vec<String> {
    let mut parents = vec![format!("{folder}.rs"), format!("{folder}/mod.rs")];
    match folder.rsplit('/').next() {
        Some("src") => parents.extend(["lib.rs", "main.rs"].map(|root| format!("{folder}/{root}"))),
        // Helpers of tests: any test beside them may name them.
        Some("tests") => {
            let beside = |file: &&TextFile| file.path.rsplit_once('/').is_some_and(|(at, _)| at == folder);
            parents.extend(files.iter().filter(beside).map(|file| file.path.clone()));
        }
        _ => {}
    }
    parents
}

fn names_module(text: &str, module: &str) -> bool {
    text.lines().map(str::trim).any(|line| {
        let line = line.split("//").next().unwrap_or_default().trim();
        line.strip_suffix(';').and_then(|rest| rest.rsplit_once("mod ")).is_some_and(|(before, name)| {
            name.trim() == module && (before.is_empty() || before.ends_with(' ') || before.ends_with(']'))
        })
    })
}
