//! `camshaft replay FILE BUNDLE...`: what failed on a node, seen again on this machine.

use std::fmt::Write as _;
use std::path::PathBuf;

use camshaft_agent::api::{CapsuleOf, CapsuleStatus, KeptCapsule, ShadowExample, StepCapsule, TryFailure};
use camshaft_agent::replay::{ReplayError, replay, replay_example, replay_step};
use camshaft_cam::words::comes;
use camshaft_releases::OpenedRelease;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::files;
use crate::project::open_bundle;
use crate::render::counted;
use crate::talk::Talk;

/// How large a file with failures may be.
const FILE_MAX: u64 = 64 << 20;

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What failed: what `camshaft node capsule ID -o FILE` wrote, or `camshaft node try --json` or
    /// `node upgrade --json` printed, or one of its `failures`, or of the `examples` of its `shadow`
    file: PathBuf,

    /// The bundles that have the code: that of the release that ran, or was tried; its predecessor's where invariants
    /// failed on the way back
    #[arg(required = true)]
    bundles: Vec<PathBuf>,
}

/// Something that failed.
enum Failed {
    Migration(Box<TryFailure>),
    Step(Box<(CapsuleStatus, StepCapsule)>),
    /// An input of which something else comes in another release.
    Example(Box<ShadowExample>),
}

impl Failed {
    fn of(failure: Box<TryFailure>) -> Failed {
        match failure.capsule.example {
            Some(example) => Failed::Example(example),
            None => Failed::Migration(failure),
        }
    }
}

/// What came of seeing it again.
struct Seen {
    word: &'static str,
    detail: String,
    document: Value,
}

/// Runs each failure once more, and says whether the same fails in the same way.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let failures = failures_of(args)?;
    let releases = args.bundles.iter().map(|path| Ok(open_bundle(path)?.1));
    let releases: Vec<_> = releases.collect::<Result<_, Failure>>()?;
    let (mut text, mut list, mut others) = (String::new(), vec![], 0);
    for failed in &failures {
        let (instance, step) = match failed {
            Failed::Migration(failure) => (&failure.instance, &failure.step),
            Failed::Step(step) => (&step.0.instance, &step.0.at),
            Failed::Example(example) => (&example.instance, &example.case),
        };
        let seen = match failed {
            Failed::Migration(failure) => of_migration(failure, &releases),
            Failed::Step(step) => of_step(&step.1, &releases),
            Failed::Example(example) => of_example(example, &releases),
        };
        let Seen { word, detail, document } = match seen {
            Ok(seen) => seen,
            Err(error @ ReplayError::NothingRan(_)) => {
                let detail = error.to_string();
                Seen { word: "told", document: json!({"came": "told", "reason": detail}), detail }
            }
            Err(error) => return Err(missing(instance, step, &error)),
        };
        others += usize::from(word == "differs");
        let _ = writeln!(text, "{word}: {instance} at {step}: {detail}");
        list.push(json!({"instance": instance, "step": step, "replay": document}));
    }
    if others > 0 {
        let message = {
            let (all, come) = (counted(failures.len(), "failure"), comes(others as u64));
            format!("{others} of {all} {come} out otherwise here\n{}", text.trim_end())
        };
        let hint =
            "are these the bundles of the node? a value that was changed in the file fails otherwise, too";
        return Err(Failure::refused(message, hint).details(&list));
    }
    talk.result(&list, text.trim_end());
    Ok(())
}

fn other_value(same: bool) -> &'static str {
    if same { "" } else { " (the value is not that of the node)" }
}

fn of_migration(failure: &TryFailure, releases: &[OpenedRelease]) -> Result<Seen, ReplayError> {
    let seen = replay(failure, releases)?;
    let word = if seen.reproduces(failure) { "reproduced" } else { "differs" };
    let detail = match (&seen.failed, &seen.gave) {
        (Some((kind, reason)), _) => match failure.capsule.fuel {
            Some(fuel) if fuel != seen.fuel => {
                format!("{kind}: {reason}, with {} fuel instead of {fuel}", seen.fuel)
            }
            _ => format!("{kind}: {reason}, with {} fuel", seen.fuel),
        },
        (None, gave) => format!("it does not fail; it gives {}", gave.as_deref().unwrap_or("")),
    };
    let kind = seen.failed.as_ref().map(|(kind, _)| kind);
    let reason = seen.failed.as_ref().map(|(_, reason)| reason);
    let document = json!({
        "came": word, "kind": kind, "reason": reason, "gave": seen.gave, "fuel": seen.fuel,
        "same_value": seen.same_value,
    });
    Ok(Seen { word, detail: detail + other_value(seen.same_value), document })
}

fn of_step(capsule: &StepCapsule, releases: &[OpenedRelease]) -> Result<Seen, ReplayError> {
    let seen = replay_step(capsule, releases)?;
    let differences = seen.differences(capsule);
    let (word, detail) = match differences.is_empty() {
        true => {
            let StepCapsule { kind, reason, fuel, .. } = capsule;
            ("reproduced", format!("{kind}: {reason}, with {fuel} fuel"))
        }
        false => ("differs", differences.join("; ")),
    };
    let kind = seen.failed.as_ref().map(|(kind, _)| kind);
    let reason = seen.failed.as_ref().map(|(_, reason)| reason);
    let document = json!({
        "came": word, "kind": kind, "reason": reason, "gave": seen.gave, "fuel": seen.fuel,
        "differences": differences, "same_value": seen.same_value,
    });
    Ok(Seen { word, detail: detail + other_value(seen.same_value), document })
}

fn of_example(example: &ShadowExample, releases: &[OpenedRelease]) -> Result<Seen, ReplayError> {
    let seen = replay_example(example, releases)?;
    let differences = example.capsule.as_ref().map_or_else(Vec::new, |of| seen.differences(example, of));
    let [was, is] = seen.fuel;
    let (word, detail) = match (&seen.came, differences.is_empty()) {
        (Some((old, new)), true) => {
            ("reproduced", format!("{} was {old}, is {new}, with {was} and {is} fuel", example.what))
        }
        _ => ("differs", differences.join("; ")),
    };
    let (old, new) = seen.came.as_ref().map(|(old, new)| (old, new)).unzip();
    let document = json!({
        "came": word, "kind": example.what, "old": old, "new": new, "fuel": was, "fuel_after": is,
        "differences": differences, "same_value": seen.same_value,
    });
    Ok(Seen { word, detail: detail + other_value(seen.same_value), document })
}

fn missing(instance: &str, step: &str, error: &ReplayError) -> Failure {
    let message = format!("{instance} at {step}: {error}");
    let hint = match error {
        ReplayError::NoEdge(_) | ReplayError::NoMachine(_) | ReplayError::NoLink(_) => {
            "add the bundle that has it: camshaft inspect BUNDLE"
        }
        ReplayError::Cut => {
            "`camshaft node instances` names the instance; a capsule of a trial has 64 KiB of a value, others 4 MiB"
        }
        _ => "compare the file with what `camshaft node capsule` or `camshaft node try --json` prints",
    };
    Failure::refused(message, hint)
}

/// Returns what failed according to a document, wherever a report of a trial stands in it.
fn failures_of(args: &Args) -> Result<Vec<Failed>, Failure> {
    let path = args.file.display();
    let refused = |what: String| {
        let hint = "get it from: camshaft node capsule ID -o FILE, or camshaft node try BUNDLE --json > FILE";
        Failure::refused(format!("{path}: {what}"), hint)
    };
    let bytes = files::read(&args.file, FILE_MAX)?;
    let document: Value =
        serde_json::from_slice(&bytes).map_err(|error| refused(format!("it is no JSON: {error}")))?;
    let kept = document.get("what").and_then(Value::as_str);
    if kept.is_some_and(|what| matches!(what, "step" | "migration")) {
        let KeptCapsule { status, of } =
            serde_json::from_value(document).map_err(|error| refused(error.to_string()))?;
        return Ok(vec![match of {
            CapsuleOf::Step { step } => Failed::Step(Box::new((status, *step))),
            CapsuleOf::Migration { failure } => Failed::of(failure),
        }]);
    }
    let (mut found, mut listed) = (vec![], false);
    collect(&document, &mut found, &mut listed);
    if !listed {
        return Err(refused("there are no failures in it".to_owned()));
    }
    let read = |value: &Value| match value.get("old") {
        Some(_) => serde_json::from_value(value.clone()).map(|example| Failed::Example(Box::new(example))),
        None => serde_json::from_value(value.clone()).map(|failure| Failed::of(Box::new(failure))),
    };
    let failures: Vec<Failed> = found
        .into_iter()
        .map(|value| read(value).map_err(|error| refused(error.to_string())))
        .collect::<Result<_, Failure>>()?;
    if failures.is_empty() { Err(refused("nothing failed in it".to_owned())) } else { Ok(failures) }
}

/// Finds failures, and inputs of which something else comes, wherever they stand in a document. `listed` says whether there
/// is a place for them.
fn collect<'v>(value: &'v Value, found: &mut Vec<&'v Value>, listed: &mut bool) {
    let Some(object) = value.as_object() else { return };
    if object.contains_key("capsule") {
        *listed = true;
        return found.push(value);
    }
    for (name, value) in object {
        match value {
            Value::Array(list) if matches!(name.as_str(), "failures" | "examples") => {
                *listed = true;
                found.extend(list);
            }
            value => collect(value, found, listed),
        }
    }
}
