//! `camshaft relup`: what a node does to come from one release to another, and whether that is right.

mod check;
mod explain;
mod listing;
mod patch;
mod plan;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use camshaft_cam::diagnostic::Source;
use camshaft_manifests::MachineAddress;
use camshaft_releases::OpenedRelease;
use camshaft_releases::crossing::{CrossError, Crossing, Given, Missing, cross};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::files;
use crate::project::{open_bundle, open_newer};
use crate::render;
use crate::talk::Talk;

pub use patch::describe as describe_patch;

/// Arguments of `relup`.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Plan the way from one release to another, and back
    Plan(plan::Args),
    /// Write a patch bundle: the way for nodes on a release that NEW does not name
    Patch(patch::Args),
    /// Judge a relup by the rules, whoever made it
    Check(check::Args),
}

/// Runs a subcommand.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    match &args.what {
        What::Plan(args) => plan::run(args, talk),
        What::Patch(args) => patch::run(args, talk),
        What::Check(args) => check::run(args, talk),
    }
}

/// What there is beside the two releases.
#[derive(Debug, clap::Args)]
struct Beside {
    /// A bundle whose edges may be gone over, for a release that NEW does not name; may stand more than once
    #[arg(long, value_name = "BUNDLE")]
    over: Vec<PathBuf>,

    /// A migration for a machine that nothing leads over for; may stand more than once
    #[arg(long = "migration", value_name = "APP/MACHINE=FILE", value_parser = migration)]
    migrations: Vec<(MachineAddress, PathBuf)>,
}

fn migration(text: &str) -> Result<(MachineAddress, PathBuf), String> {
    let (machine, file) = text.split_once('=').ok_or("it is written APP/MACHINE=FILE")?;
    let machine = machine.parse::<MachineAddress>().map_err(|error| error.to_string())?;
    Ok((machine, PathBuf::from(file)))
}

impl Beside {
    fn read(&self) -> Result<Given, Failure> {
        let over = self.over.iter().map(|path| open_bundle(path).map(|(_, release)| release));
        let mut migrations = BTreeMap::new();
        for (machine, path) in &self.migrations {
            let bytes = files::read(path, files::SOURCE_BYTES_MAX)?;
            let text = String::from_utf8(bytes).map_err(|error| {
                let message = format!("{} is not UTF-8: {}", path.display(), error.utf8_error());
                Failure::refused(message, "save the file as UTF-8")
            })?;
            let source = Source::new(path.display().to_string(), text);
            if migrations.insert(machine.clone(), source).is_some() {
                let message = format!("two migrations are given for {machine}");
                return Err(Failure::refused(message, "give each machine one migration"));
            }
        }
        Ok(Given { over: over.collect::<Result<_, _>>()?, migrations })
    }
}

/// Opens both releases and finds the way.
fn crossing(
    old: &Path,
    new: &Path,
    beside: &Beside,
    talk: &Talk,
) -> Result<(OpenedRelease, Crossing), Failure> {
    let new = open_newer(old, new, talk)?;
    let (_, old) = open_bundle(old)?;
    let given = beside.read()?;
    let crossing = cross(&old, &new, &given).map_err(|error| not_crossable(&error))?;
    Ok((old, crossing))
}

fn not_crossable(error: &CrossError) -> Failure {
    let hint = match error {
        CrossError::Garbled { faults } => return Failure::diagnostics(error.to_string(), faults.clone()),
        CrossError::Names { .. } => "name two bundles of one release".to_owned(),
        CrossError::Back { older, newer } => format!("name {newer} first, and {older} second"),
        CrossError::Version { version, .. } => {
            format!(
                "a version is released once: find out which {version} nodes run, and build the other anew"
            )
        }
        CrossError::Renamed { older, newer, .. } => {
            format!(
                "build a release that names {older} in `from` and says the new names in its appups; {newer} stays as it is"
            )
        }
        CrossError::Needless { .. } => "leave that --migration out".to_owned(),
        CrossError::Header { given, version, .. } => {
            format!("a migration for it begins with `migration {} from \"{version}\"`", given.machine)
        }
    };
    Failure::refused(error.to_string(), hint)
}

/// Returns the failure of a way that is not complete, with what to write; `None` where it is.
fn incomplete(crossing: &Crossing) -> Option<Failure> {
    let first = crossing.missing.first()?;
    let (from, to) = (&crossing.relup.from.version, &crossing.relup.to);
    let written: Vec<_> = crossing.missing.iter().filter(|one| one.template.is_none()).collect();
    let message = format!(
        "there is no way from {from} to {to} for {}",
        render::counted(crossing.missing.len(), "machine")
    );
    let details = json!({ "missing": crossing.missing.iter().map(missing_to_json).collect::<Vec<_>>() });
    let hint = format!(
        "finish the migration, and give it with --migration {}=FILE; or name with --over a release that has the edges",
        first.machine
    );
    // Where a migration was given, its faults have a place to point at.
    let faults: Vec<_> = written.iter().flat_map(|one| one.faults.clone()).collect();
    if faults.is_empty() {
        return Some(Failure::refused(message, hint).details(&details));
    }
    let mut failure = Failure::diagnostics(message, faults).details(&details);
    failure.hint = "mend the migrations that were given".to_owned();
    Some(failure)
}

/// Says what a machine needs, with the migration to fill in.
fn missing_to_text(missing: &Missing) -> String {
    let Missing { machine, version, faults, template } = missing;
    let mut text = format!("{machine} from {version}: nothing leads over\n");
    for fault in faults {
        text += &format!("  {} {}\n", fault.code, fault.message);
        if !fault.label.is_empty() {
            text += &format!("      {}\n", fault.label);
        }
        for line in fault.help.iter().flat_map(|help| help.lines()) {
            text += &format!("      {line}\n");
        }
    }
    if let Some(template) = template {
        text += &format!("  a migration to finish:\n\n{}\n", template.trim_end());
    }
    text
}

fn missing_to_json(missing: &Missing) -> Value {
    json!({
        "machine": missing.machine.to_string(), "from": missing.version.to_string(),
        "faults": missing.faults.iter().map(render::to_json).collect::<Vec<_>>(),
        "migration": missing.template,
    })
}
