//! `check-deps`: who imports whom, against the table in `docs/architecture.md`.
//!
//! The table stands under the heading [`HEADING`]; a row is `| crate | may import | in tests also |`.
//! Rules: every crate has a row and every row a crate; every crate of ours that a `Cargo.toml`
//! names is allowed by its row. `dev-dependencies` may use the third column too.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};

use crate::fault::Fault;
use crate::tree;

/// Where the table stands.
pub const MAP: &str = "docs/architecture.md";
const HEADING: &str = "## Who may import whom";
const PREFIX: &str = "camshaft-";

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    line: usize,
    imports: Vec<String>,
    in_tests: Vec<String>,
}

/// Returns every import that the table does not allow.
pub fn check(root: &Path) -> Result<Vec<Fault>> {
    let text = std::fs::read_to_string(root.join(MAP)).with_context(|| format!("cannot read {MAP}"))?;
    let rows = table(&text);
    let crates = tree::crates(root)?;
    let mut faults = Vec::new();
    for (name, row) in &rows {
        let strangers = row.imports.iter().chain(&row.in_tests).filter(|name| !crates.contains(name));
        for stranger in strangers.chain((!crates.contains(name)).then_some(name)) {
            faults.push(Fault::error(
                MAP,
                row.line,
                format!("the table names `{stranger}`, and there is no such crate"),
                "take it out of the table",
            ));
        }
    }
    for name in &crates {
        let Some(row) = rows.get(name) else {
            faults.push(Fault::error(
                MAP,
                1,
                format!("the crate `{name}` has no row under `{HEADING}`"),
                "add a row that says what it may import",
            ));
            continue;
        };
        faults.extend(check_crate(root, name, row)?);
    }
    Ok(faults)
}

fn check_crate(root: &Path, name: &str, row: &Row) -> Result<Vec<Fault>> {
    let file = format!("{name}/Cargo.toml");
    let text = std::fs::read_to_string(root.join(&file)).with_context(|| format!("cannot read {file}"))?;
    let manifest: toml::Table = text.parse().with_context(|| format!("cannot parse {file}"))?;
    let mut faults = Vec::new();
    for (section, import) in imports(&manifest) {
        let allowed =
            row.imports.contains(&import) || section == "dev-dependencies" && row.in_tests.contains(&import);
        if !allowed {
            let line = line_of(&text, &section, &format!("{PREFIX}{import}"));
            faults.push(Fault::error(
                &file,
                line,
                format!("`{name}` imports `{import}` in [{section}], which {MAP} does not allow"),
                format!("remove the import, or change the row of `{name}` in {MAP} and say why"),
            ));
        }
    }
    Ok(faults)
}

/// Returns (section, crate of ours) for every dependency of ours, also target-specific ones.
fn imports(manifest: &toml::Table) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open = vec![manifest];
    if let Some(toml::Value::Table(targets)) = manifest.get("target") {
        open.extend(targets.values().filter_map(toml::Value::as_table));
    }
    for table in open {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(toml::Value::Table(dependencies)) = table.get(section) else { continue };
            for (key, value) in dependencies {
                // A dependency may be renamed: `x = { package = "camshaft-cam" }`.
                let package = value.get("package").and_then(toml::Value::as_str).unwrap_or(key);
                if let Some(name) = package.strip_prefix(PREFIX) {
                    found.push((section.to_owned(), name.to_owned()));
                }
            }
        }
    }
    found
}

/// Returns the line on which `package` stands within `[section]`, for the message.
fn line_of(text: &str, section: &str, package: &str) -> usize {
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if let Some(header) = line.trim().strip_prefix('[') {
            inside = header.trim_end_matches(']').ends_with(section);
        } else if inside && line.contains(package) {
            return index + 1;
        }
    }
    1
}

fn table(text: &str) -> BTreeMap<String, Row> {
    let mut rows = BTreeMap::new();
    let lines = text.lines().enumerate().skip_while(|(_, line)| line.trim() != HEADING).skip(1);
    for (index, line) in lines.take_while(|(_, line)| !line.starts_with("## ")) {
        let cells: Vec<&str> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let [name, imports, in_tests] = cells[..] else { continue };
        let name = name.trim_matches('`');
        if !line.trim_start().starts_with('|') || name == "crate" || name.starts_with('-') {
            continue;
        }
        let row = Row { line: index + 1, imports: names(imports), in_tests: names(in_tests) };
        rows.insert(name.to_owned(), row);
    }
    rows
}

/// Returns the crates named in a cell; words outside back-ticks are for people.
fn names(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "# A\n\n## Who may import whom\n\n| crate | may import | in tests also |\n|---|---|---|\n\
                         | `cam` | nothing | |\n| `store` | `cam` | `agent` |\n| `agent` | `store` | |\n\n## Next\n";

    fn plant(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let ours = [
            ("docs/architecture.md", TABLE),
            ("cam/Cargo.toml", ""),
            ("store/Cargo.toml", ""),
            ("agent/Cargo.toml", ""),
        ];
        for (path, text) in ours.iter().chain(files) {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("every planted file has a folder"))
                .expect("writable");
            std::fs::write(path, text).expect("writable");
        }
        folder
    }

    fn check_planted(files: &[(&str, &str)]) -> Vec<String> {
        let folder = plant(files);
        let faults = check(folder.path()).expect("the tree can be read");
        faults.iter().map(|fault| format!("{}:{}: {}", fault.file, fault.line, fault.message)).collect()
    }

    #[test]
    fn what_the_table_allows_passes() {
        let store = "[dependencies]\ncamshaft-cam.workspace = true\nserde = \"1\"\n[dev-dependencies]\ncamshaft-agent = { path = \"x\" }\n";
        assert_eq!(check_planted(&[("store/Cargo.toml", store)]), Vec::<String>::new());
    }

    #[test]
    fn an_import_that_the_table_lacks_is_found_with_its_line() {
        let cam =
            "[package]\nname = \"x\"\n\n[dependencies]\nserde = \"1\"\ncamshaft-store.workspace = true\n";
        assert_eq!(
            check_planted(&[("cam/Cargo.toml", cam)]),
            [
                "cam/Cargo.toml:6: `cam` imports `store` in [dependencies], which docs/architecture.md does not allow"
            ]
        );
    }

    #[test]
    fn what_only_tests_may_import_is_refused_in_the_product() {
        let store = "[dependencies]\ncamshaft-agent.workspace = true\n";
        assert_eq!(
            check_planted(&[("store/Cargo.toml", store)]),
            [
                "store/Cargo.toml:2: `store` imports `agent` in [dependencies], which docs/architecture.md does not allow"
            ]
        );
    }

    #[test]
    fn renamed_and_target_specific_imports_are_seen() {
        let cam = "[target.'cfg(unix)'.dependencies]\nother = { package = \"camshaft-agent\" }\n";
        assert_eq!(
            check_planted(&[("cam/Cargo.toml", cam)]),
            [
                "cam/Cargo.toml:2: `cam` imports `agent` in [dependencies], which docs/architecture.md does not allow"
            ]
        );
    }

    #[test]
    fn a_crate_without_a_row_and_a_row_without_a_crate_are_found() {
        assert_eq!(
            check_planted(&[("fleet/Cargo.toml", "")]),
            ["docs/architecture.md:1: the crate `fleet` has no row under `## Who may import whom`"]
        );
        let table = TABLE.replace("| `agent` | `store` | |", "| `agent` | `stroe` | |");
        assert_eq!(
            check_planted(&[("docs/architecture.md", &table)]),
            ["docs/architecture.md:9: the table names `stroe`, and there is no such crate"]
        );
    }
}
