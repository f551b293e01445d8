//! Rules about documents: maps and links rot unless somebody walks them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::deps::MAP;
use crate::fault::Fault;
use crate::tree::TextFile;

const HEADING: &str = "## Code map";

/// The code map names folders that exist, and every folder that needs a word: those in the root
/// and those within a crate's `src`.
pub fn code_map(root: &Path, files: &[TextFile]) -> Vec<Fault> {
    let Some(map) = files.iter().find(|file| file.path == MAP) else {
        return vec![Fault::error(MAP, 1, "there is no code map", format!("write it under `{HEADING}`"))];
    };
    let mut faults = Vec::new();
    let mut named = BTreeSet::new();
    let lines = map.lines().skip_while(|(_, line)| line.trim() != HEADING).skip(1);
    for (number, line) in lines.take_while(|(_, line)| !line.starts_with("## ")) {
        // The first word in back-ticks of a list item is the path.
        let Some(item) = line.trim_start().strip_prefix("- `") else { continue };
        let path = item.split('`').next().unwrap_or_default();
        if !root.join(path).exists() {
            faults.push(Fault::error(
                MAP,
                number,
                format!("the code map names `{path}`, which does not exist"),
                "mend the path or take the line out",
            ));
        }
        named.insert(path.to_owned());
    }
    for folder in folders_to_name(files) {
        if !named.contains(&folder) {
            faults.push(Fault::error(
                MAP,
                1,
                format!("the code map does not name the folder `{folder}`"),
                format!("add a line to the code map: - `{folder}`: what it is"),
            ));
        }
    }
    faults
}

fn folders_to_name(files: &[TextFile]) -> BTreeSet<String> {
    let mut folders = BTreeSet::new();
    for file in files.iter().filter(|file| !file.path.starts_with('.')) {
        let parts: Vec<&str> = file.path.split('/').collect();
        match parts[..] {
            // A file's tests may lie in a folder of its name; that needs no word.
            [top, "src", _, "tests.rs"] => {
                folders.insert(format!("{top}/"));
            }
            [top, "src", module, _, ..] => {
                folders.insert(format!("{top}/"));
                folders.insert(format!("{top}/src/{module}/"));
            }
            [top, _, ..] => {
                folders.insert(format!("{top}/"));
            }
            _ => {}
        }
    }
    folders
}

/// Relative links in Markdown lead to files.
pub fn links(root: &Path, files: &[TextFile]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for file in files.iter().filter(|file| file.extension() == "md") {
        let folder = root.join(&file.path).parent().map(Path::to_owned).unwrap_or_default();
        for (number, line) in file.lines() {
            for rest in line.split("](").skip(1) {
                let target = rest.split([')', '#', ' ']).next().unwrap_or_default();
                let elsewhere = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
                if !elsewhere && !folder.join(target).exists() {
                    faults.push(Fault::error(
                        &file.path,
                        number,
                        format!("the link leads to `{target}`, which does not exist"),
                        "mend the link",
                    ));
                }
            }
        }
    }
    faults
}

/// Where `camshaft explain` takes its texts from.
const EXPLANATIONS: &str = "cli/src/command/explain.md";

/// Every diagnostic code of the language has an explanation, and every explanation
/// a code. (The codes of documents, M...., and of projects, R...., stand in tables with their meaning.)
pub fn codes_are_explained(_: &Path, files: &[TextFile]) -> Vec<Fault> {
    let mut codes: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    let code = |file: &&TextFile| file.extension() == "rs" && file.path.contains("/src/");
    for file in files.iter().filter(code).filter(|file| !file.path.starts_with("xtask/")) {
        for (number, line) in file.lines() {
            // Even pieces between quotes are outside of them.
            for word in line.split('"').skip(1).step_by(2).filter(|word| is_code(word)) {
                codes.entry(word).or_insert((&file.path, number));
            }
        }
    }
    let Some(explanations) = files.iter().find(|file| file.path == EXPLANATIONS) else { return Vec::new() };
    let mut explained = BTreeSet::new();
    let mut faults = Vec::new();
    for (number, line) in explanations.lines() {
        let Some((code, _)) = line.strip_prefix("## ").and_then(|head| head.split_once(": ")) else {
            continue;
        };
        explained.insert(code);
        if is_code(code) && !codes.contains_key(code) {
            let message = format!("nothing reports {code} any more");
            faults.push(Fault::error(EXPLANATIONS, number, message, "take the section out"));
        }
    }
    for (code, (file, number)) in codes {
        if !explained.contains(code) {
            let remedy = format!("add a section `## {code}: ...` to {EXPLANATIONS}");
            faults.push(Fault::error(file, number, format!("{code} has no explanation"), remedy));
        }
    }
    faults
}

fn is_code(word: &str) -> bool {
    word.len() == 5
        && word.starts_with('E')
        && word[1..].bytes().all(|byte| byte.is_ascii_digit())
        // Numbers of rules in tests of tests, such as E9999, are nobody's.
        && !word.ends_with("9999")
}

/// Every folder directly under `examples` has a README.
pub fn examples_are_explained(root: &Path, files: &[TextFile]) -> Vec<Fault> {
    let examples: BTreeSet<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix("examples/")?.split_once('/').map(|(name, _)| name))
        .collect();
    let readmes = examples.into_iter().map(|name| format!("examples/{name}/README.md"));
    readmes
        .filter(|readme| !root.join(readme).is_file())
        .map(|readme| {
            Fault::error(&readme, 1, "the example has no README", "say what it shows and how to run it")
        })
        .collect()
}
