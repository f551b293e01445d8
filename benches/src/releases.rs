//! Releases of any size: files of a bundle by their bytes, and a project of many applications.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Result, anyhow};
use camshaft_cam::code::encode::encode;
use camshaft_cam::diagnostic::Diagnostic;
use camshaft_cam::digest::Digest;
use camshaft_manifests::{RelativePath, Version};
use camshaft_releases::project::{self, Built, Files, Locking};

use crate::engine::compiled;
use crate::program;

/// Returns at least `bytes` bytes of what bundles hold: the code of machines of 30 to 600 lines, each file
/// with digests of its own as edges have, and a document with an entry for each.
///
/// # Errors
///
/// When a generated machine does not compile.
pub fn files(bytes: usize) -> Result<BTreeMap<RelativePath, Vec<u8>>> {
    let mut codes = Vec::new();
    for lines in (30..600).step_by(30) {
        codes.push(encode(compiled("inventory.cam", &program::machine(lines))?.module()));
    }
    let (mut files, mut document, mut total) = (BTreeMap::new(), String::new(), 0);
    for (number, code) in codes.iter().cycle().enumerate() {
        if total >= bytes {
            break;
        }
        let [from, to] = ["from", "to"].map(|word| Digest::of(format!("{word} {number}").as_bytes()));
        let content = [code, from.as_bytes().as_slice(), to.as_bytes().as_slice()].concat();
        let digest = Digest::of(&content);
        let entry = format!(
            "[[app.machine]]\nname = \"machine{number}\"\nkeyed = true\ndigest = \"{digest}\"\nconfig = \"[900000,100]\"\n\n"
        );
        total += content.len() + entry.len();
        document += &entry;
        files.insert(format!("code/{}.cam2", digest.hex()).parse()?, content);
    }
    files.insert("release.toml".parse()?, document.into_bytes());
    Ok(files)
}

/// Applications of the large release.
pub const APPS: usize = 500;
/// Machines of each of them.
pub const MACHINES: usize = 10;

/// Returns the sources of a version of a release with [`APPS`] applications of [`MACHINES`] machines, each
/// application but the first depending on up to three before it. With `from`, every machine has a member more.
pub fn project(version: &str, from: Option<&str>) -> Files {
    let mut release = format!("name = \"large\"\nversion = \"{version}\"\n");
    if let Some(from) = from {
        let _ = writeln!(release, "from = [\"{from}\"]");
    }
    release += "\n[apps]\n";
    let mut files = Files::new();
    let more = if from.is_some() { ", more: Int = 0" } else { "" };
    for app in 0..APPS {
        let _ = writeln!(release, "app{app} = {{ path = \"apps/app{app}\" }}");
        let needed: Vec<String> =
            (1..=3).filter_map(|back| Some(format!("app{} = \">=1.0.0\"", app.checked_sub(back)?))).collect();
        let names: Vec<String> = (0..MACHINES).map(|machine| format!("\"m{machine}\"")).collect();
        let manifest = format!(
            "name = \"app{app}\"\nversion = \"{version}\"\ndepends = {{ {} }}\nmachines = [{}]\n",
            needed.join(", "),
            names.join(", ")
        );
        files.insert(format!("apps/app{app}/app.toml"), manifest);
        for machine in 0..MACHINES {
            let number = app * MACHINES + machine;
            let source = format!(
                "machine m{machine}\ntype State = {{ sum: Int = {number}{more} }}\n\
                 type Input = Add {{ by: Int = 1 }} | Get\ntype Output = Ok | Sum(Int)\ninit = {{ sum: {number} }}\n\
                 on Add {{ by }} => ({{ ..state, sum: state.sum + by }}, Ok)\non Get => (state, Sum(state.sum))\n"
            );
            files.insert(format!("apps/app{app}/machines/m{machine}.cam"), source);
        }
    }
    files.insert("release.toml".to_owned(), release);
    files
}

/// Builds a project, after another one if there is one.
///
/// # Errors
///
/// The first fault.
pub fn built(files: &Files, from: Option<&Built>) -> Result<Built> {
    let find = |_: &_, version: &Version| {
        from.filter(|built| built.release.resolved.version == *version).map(|built| built.release.clone())
    };
    project::build_unjudged(files, &find, Locking::Update).map_err(|faults| {
        anyhow!("{} faults: {}", faults.len(), faults.first().map(Diagnostic::one_line).unwrap_or_default())
    })
}
