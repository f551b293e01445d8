//! `camshaft relup check FILE --from OLD --to NEW`: the checker's judgement of a relup from anybody.

use std::path::PathBuf;

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_manifests::relup::{self, Relup};
use camshaft_manifests::{Step, locate};
use camshaft_releases::check::{Direction, Fault, check};
use camshaft_releases::crossing::Crossing;
use serde_json::json;

use super::{Beside, incomplete, missing_to_text};
use crate::failure::Failure;
use crate::files;
use crate::render::counted;
use crate::talk::Talk;

/// No relup is larger, in bytes: as large as a file of a bundle may be.
const RELUP_BYTES_MAX: u64 = 64 << 20;

/// Arguments of `relup check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The relup: a file as `relup plan -o` writes it
    file: PathBuf,

    /// The release that it starts from: a bundle
    #[arg(long, value_name = "OLD")]
    from: PathBuf,

    /// The release that it leads to: a bundle, or the folder of a project
    #[arg(long, value_name = "NEW")]
    to: PathBuf,

    #[command(flatten)]
    beside: Beside,
}

/// Checks and says what is wrong.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let name = args.file.display().to_string();
    let bytes = files::read(&args.file, RELUP_BYTES_MAX)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let message = format!("{name} is not UTF-8: {}", error.utf8_error());
        Failure::refused(message, "camshaft relup plan -o writes relups")
    })?;
    let source = Source::new(name.as_str(), text);
    let relup = relup::read_loosely(&source).map_err(|faults| refused(&name, faults, &[]))?;
    let (_, crossing) = super::crossing(&args.from, &args.to, &args.beside, talk)?;
    if let Some(failure) = incomplete(&crossing) {
        for missing in &crossing.missing {
            talk.report(&missing_to_text(missing));
        }
        return Err(failure);
    }
    let found = check(&relup, &crossing.from, &crossing.release.resolved);
    let mut faults: Vec<Diagnostic> =
        found.iter().map(|fault| diagnostic(fault, &crossing, &relup, &source)).collect();
    // Said after what is wrong with its sense: a node takes no other form.
    faults.extend(relup::read(&source).err().into_iter().flatten());
    if !faults.is_empty() {
        return Err(refused(&name, faults, &found));
    }
    let (up, down) = (relup.up.len(), relup.down.len());
    let said = format!(
        "{name} keeps every rule: {} up, {} down",
        counted(up, "instruction"),
        counted(down, "instruction")
    );
    talk.result(&json!({ "faults": [], "up": up, "down": down }), said);
    Ok(())
}

fn refused(name: &str, faults: Vec<Diagnostic>, found: &[Fault]) -> Failure {
    let message = format!("{name}: {}", counted(faults.len(), "fault"));
    let code = faults.first().map(|fault| fault.code);
    let found = found.iter().map(|fault| {
        json!({
            "rule": fault.rule, "direction": fault.direction.map(|direction| direction.to_string()),
            "instruction": fault.instruction.map(|index| index + 1), "message": fault.message,
        })
    });
    let details = json!({ "faults": found.collect::<Vec<_>>() });
    let failure = Failure::diagnostics(message, faults).details(&details);
    match code {
        Some(code) => failure.code(code),
        None => failure,
    }
}

/// Returns a fault with the place of the document that it is about.
fn diagnostic(fault: &Fault, crossing: &Crossing, relup: &Relup, source: &Source) -> Diagnostic {
    let Some(direction) = fault.direction else {
        return Diagnostic::new(
            fault.rule,
            source,
            at_head(crossing, relup, source),
            fault.message.clone(),
            "",
        );
    };
    let word = direction.to_string();
    let instructions = match direction {
        Direction::Up => &relup.up,
        Direction::Down => &relup.down,
    };
    let list = Step::Key(word.as_str());
    // What is missing would stand among the others of its direction.
    let index = fault.instruction.unwrap_or(0);
    let span = locate(source, &[list, Step::Item(index), Step::Key("do")]);
    let label = match fault.instruction {
        Some(index) => format!("instruction {} of `{word}`", index + 1),
        None if instructions.is_empty() => format!("`{word}` is empty"),
        None => format!("in `{word}`"),
    };
    Diagnostic::new(fault.rule, source, span, fault.message.clone(), &label)
}

/// Returns where a fault of the relup as a whole is: the first thing that it says of the two releases and
/// that is not so.
fn at_head(crossing: &Crossing, relup: &Relup, source: &Source) -> std::ops::Range<usize> {
    let (from, to) = (&crossing.from, &crossing.release.resolved);
    let wrong = [
        (relup.release != to.name, ["release", ""]),
        (relup.from.version != from.version, ["from", "version"]),
        (relup.from.digest != from.digest, ["from", "digest"]),
        (relup.to != to.version, ["to", "version"]),
    ];
    let path = wrong.into_iter().find(|(wrong, _)| *wrong).map_or(["release", ""], |(_, path)| path);
    locate(source, &path.map(Step::Key))
}
