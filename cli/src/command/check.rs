//! `camshaft check [PATH]`: everything that `build` looks at, and nothing written.

use std::path::PathBuf;

use camshaft_cam::diagnostic::Diagnostic;
use camshaft_releases::project::{Built, Locking};

use crate::failure::Failure;
use crate::project::{Project, default_out};
use crate::render::{counted, to_json};
use crate::talk::Talk;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that holds release.toml
    #[arg(default_value = ".")]
    path: PathBuf,

    /// Where predecessors are looked for first [default: PATH/dist]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Refuse a predecessor that camshaft.lock does not pin
    #[arg(long)]
    locked: bool,
}

/// Compiles, verifies and plans the project.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let out = args.out.clone().unwrap_or_else(|| default_out(&args.path));
    let locking = if args.locked { Locking::Locked } else { Locking::Update };
    let (built, groups) = talk.while_waiting("checking", || {
        let project = Project::read(&args.path, &out)?;
        let built = project.build(&args.path, &out, locking)?;
        let groups = project.check_fleet(&args.path, &built)?;
        Ok::<_, Failure>((built, groups))
    })?;
    let resolved = &built.release.resolved;
    for reason in &built.checked {
        talk.note(format!("note: tried on the live state, not certified in advance: {reason}"));
    }
    for warning in warnings(&built) {
        talk.note(warning);
    }
    let machines = resolved.machines().count();
    let document = serde_json::json!({
        "name": resolved.name.to_string(),
        "version": resolved.version.to_string(),
        "machines": machines,
        "predecessors": resolved.predecessors.iter().map(|one| one.version.to_string()).collect::<Vec<_>>(),
        "groups": groups,
        "checked": built.checked,
        "notes": built.notes.iter().map(to_json).collect::<Vec<_>>(),
        "warnings": built.warnings.iter().map(to_json).collect::<Vec<_>>(),
    });
    let fleet = groups.map(|groups| format!(", {}", counted(groups, "group"))).unwrap_or_default();
    let line = format!(
        "{} {}: {}, {}{fleet}, no faults",
        resolved.name,
        resolved.version,
        counted(machines, "machine"),
        counted(resolved.predecessors.len(), "predecessor")
    );
    talk.result(&document, line);
    Ok(())
}

/// Returns what is no fault and worth saying or looking at, a line each.
pub fn warnings(built: &Built) -> Vec<String> {
    let line = |warning: &Diagnostic| {
        let help = warning.help.iter().map(|help| format!("; {help}"));
        [format!("warning: {}", warning.one_line())].into_iter().chain(help).collect()
    };
    let notes = built.notes.iter().map(|note| format!("note: {}", note.one_line()));
    notes.chain(built.warnings.iter().map(line)).collect()
}
