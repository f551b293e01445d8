//! `camshaft build [PATH]`: from a project to a bundle.

use std::path::{Path, PathBuf};

use camshaft_cam::digest::Digest;
use camshaft_manifests::lock::{self, Lock};
use camshaft_releases::project::{Built, LOCK_PATH, Locking};
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::files;
use crate::project::{Project, default_out};
use crate::render::to_json;
use crate::talk::Talk;

/// Arguments of `build`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that holds release.toml
    #[arg(default_value = ".")]
    path: PathBuf,

    /// Where to write the bundle; predecessors are looked for here first [default: PATH/dist]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Refuse a predecessor that camshaft.lock does not pin, instead of adding it
    #[arg(long)]
    locked: bool,
}

/// What was built and where it is.
#[derive(Debug, Serialize)]
pub struct Written {
    /// The path of the bundle.
    pub bundle: PathBuf,
    name: String,
    version: String,
    digest: Digest,
    bytes: usize,
    predecessors: Vec<String>,
    /// Why upgrades to it are not certified in advance.
    checked: Vec<String>,
    /// What older releases mean by a name or a default, and this one does not.
    notes: Vec<Value>,
    /// What is no fault and worth looking at.
    warnings: Vec<Value>,
    /// Both, a line each.
    #[serde(skip)]
    pub warned: Vec<String>,
    /// True when the lock was written anew.
    pub lock_changed: bool,
}

/// Builds and says what was built.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let out = args.out.clone().unwrap_or_else(|| default_out(&args.path));
    let locking = if args.locked { Locking::Locked } else { Locking::Update };
    let written = talk.while_waiting("building", || build(&args.path, &out, locking))?;
    for reason in &written.checked {
        talk.note(format!("note: tried on the live state, not certified in advance: {reason}"));
    }
    for warning in &written.warned {
        talk.note(warning);
    }
    if written.lock_changed {
        talk.note(format!("note: {LOCK_PATH} was brought up to date; commit it"));
    }
    talk.result(&written, format!("{}\n{}", written.bundle.display(), written.digest));
    Ok(())
}

/// Builds a project into a folder. The bundle is there whole or not at all, and the lock follows it.
pub fn build(root: &Path, out: &Path, locking: Locking) -> Result<Written, Failure> {
    let project = Project::read(root, out)?;
    let built = project.build(root, out, locking)?;
    write(&built, &project, root, out)
}

/// Writes what was built into a folder, and the lock if it is another.
pub fn write(built: &Built, project: &Project, root: &Path, out: &Path) -> Result<Written, Failure> {
    let bundle = out.join(built.file_name());
    files::write(&bundle, &built.packed.bytes)?;
    // A lock that pins nothing is not begun.
    let pins = built.lock != lock::write(&Lock::default());
    let lock_changed = pins && project.lock() != Some(&*built.lock);
    if lock_changed {
        files::write(&root.join(LOCK_PATH), built.lock.as_bytes())?;
    }
    let resolved = &built.release.resolved;
    Ok(Written {
        bundle,
        name: resolved.name.to_string(),
        version: resolved.version.to_string(),
        digest: built.packed.digest,
        bytes: built.packed.bytes.len(),
        predecessors: resolved.predecessors.iter().map(|one| one.version.to_string()).collect(),
        checked: built.checked.clone(),
        notes: built.notes.iter().map(to_json).collect(),
        warnings: built.warnings.iter().map(to_json).collect(),
        warned: super::check::warnings(built),
        lock_changed,
    })
}
