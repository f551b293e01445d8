//! `camshaft registry list` and `verify`.

use std::path::PathBuf;

use camshaft_manifests::ReleaseName;
use camshaft_registry::folder::Verified;
use camshaft_registry::{Absent, Entry, Folder};
use serde_json::json;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::registry::{self, Progress, size};
use crate::render::{counted, harmless};
use crate::talk::Talk;

/// Arguments of `list`.
#[derive(Debug, clap::Args)]
pub struct List {
    /// The releases of this name only
    name: Option<ReleaseName>,

    /// The registry: a folder, or an address
    #[arg(long = "in", value_name = "REGISTRY", env = registry::VARIABLE)]
    place: Option<String>,
}

/// Arguments of `verify`.
#[derive(Debug, clap::Args)]
pub struct Verify {
    /// The registry's folder
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
}

/// Lists what is published.
pub fn list(args: &List, talk: &mut Talk) -> Result<(), Failure> {
    let registry = registry::open(args.place.as_deref(), "--in", None, Absent::Refuse)?;
    let listed = match &args.name {
        Some(name) => registry.releases(name),
        None => registry.list(),
    };
    let releases = listed.map_err(registry::failure)?;
    let text = match releases.is_empty() {
        true => format!("nothing is published in {}", registry.place()),
        false => releases.iter().map(line).collect::<Vec<_>>().join("\n"),
    };
    talk.result(&json!({ "releases": releases }), text);
    Ok(())
}

fn line(entry: &Entry) -> String {
    let release = &entry.release;
    let apps: Vec<String> = release.apps.iter().map(|app| format!("{} {}", app.name, app.version)).collect();
    let mut line = format!(
        "{} {}  {}  {}  {}",
        release.name,
        release.version,
        release.digest,
        size(release.archive_bytes),
        apps.join(", ")
    );
    if entry.signed {
        line += "  signed";
    }
    if let Some(yank) = &release.yanked {
        line += &format!("  yanked by {}: {}", yank.stamp.by, yank.reason);
    }
    // What is told came from whoever may publish.
    harmless(&line)
}

/// Looks at everything in a folder.
pub fn verify(args: &Verify, talk: &mut Talk) -> Result<(), Failure> {
    let folder = Folder::open(&args.dir).map_err(registry::failure)?;
    let mut progress = Progress::new(talk, "verifying");
    let verified = folder.verify(|count| progress.count(count));
    drop(progress);
    let verified = verified.map_err(registry::failure)?;
    let sum = sum(&verified);
    if verified.faults.is_empty() {
        talk.result(&verified, sum);
        return Ok(());
    }
    let faults: Vec<String> =
        verified.faults.iter().map(|fault| format!("\n  {}: {}", fault.what, fault.reason)).collect();
    let shown = args.dir.display();
    let message = format!("{shown} is damaged: {}{}", counted(faults.len(), "fault"), faults.concat());
    let hint = "publish the bundles concerned again, which mends their files; or copy the files from another registry";
    Err(Failure::refused(message, hint).exit(Exit::Fault).details(&verified))
}

fn sum(verified: &Verified) -> String {
    let count = |count: u64, what: &str| counted(usize::try_from(count).unwrap_or(usize::MAX), what);
    let mut sum = format!(
        "{} and {} ({}) are as they were written",
        count(verified.releases, "release"),
        count(verified.blobs, "file"),
        size(verified.bytes)
    );
    if verified.unnamed > 0 {
        sum += &format!("; no release names {} of them", verified.unnamed);
    }
    if verified.leftovers > 0 {
        sum += &format!(
            "; {} left in tmp by an upload that goes on, or ended early",
            count(verified.leftovers, "file")
        );
    }
    sum
}
