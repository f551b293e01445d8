//! `lock`: the locks of the examples, made anew.
//!
//! An example pins its predecessor's bundle. A change of the compiler or of a document changes
//! those bytes; then the pins are wrong, and a person decides that this is as meant. For users'
//! projects such a change must not happen: what was released stays what it is.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

/// The examples in the order of their predecessors, each with its output folder.
const EXAMPLES: [(&str, &str); 10] = [
    ("counter/v1", "counter"),
    ("counter/v2", "counter"),
    ("counter/v3", "counter"),
    ("counter/bad-migration", "counter"),
    ("counter/bad-invariant", "counter"),
    ("counter/wrong-base/base", "wrong-base"),
    ("counter/wrong-base/v2", "wrong-base"),
    ("pingpong/v1", "pingpong"),
    ("pingpong/v2", "pingpong"),
    ("pingpong/v3", "pingpong"),
];

/// Deletes the locks and builds every example, which writes them.
pub fn run(root: &Path) -> Result<ExitCode> {
    let dist = root.join("target/example-bundles");
    if dist.exists() {
        std::fs::remove_dir_all(&dist).with_context(|| format!("cannot empty {}", dist.display()))?;
    }
    for (example, out) in EXAMPLES {
        let project = root.join("examples").join(example);
        let lock = project.join("camshaft.lock");
        if lock.exists() {
            std::fs::remove_file(&lock).with_context(|| format!("cannot delete {}", lock.display()))?;
        }
        let (project, out) = (project.display().to_string(), dist.join(out).display().to_string());
        let build = ["run", "--quiet", "--package", "camshaft-cli", "--", "build", &project, "-o", &out];
        if !crate::ci::cargo(root, &build, &[])? {
            eprintln!("error: examples/{example} does not build\nhint: mend it, then run this again");
            return Ok(ExitCode::from(1));
        }
    }
    Ok(ExitCode::SUCCESS)
}
