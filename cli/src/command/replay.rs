//! `camshaft replay FILE BUNDLE...`: what failed on a node, seen again on this machine.

use std::fmt::Write as _;
use std::path::PathBuf;

use camshaft_agent::api::TryFailure;
use camshaft_agent::replay::{ReplayError, replay};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::files;
use crate::project::open_bundle;
use crate::talk::Talk;

/// How large a file with failures may be.
const FILE_MAX: u64 = 64 << 20;

/// Arguments of `replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The failures: what `camshaft node try --json` or `node upgrade --json` printed, or one of its `failures`
    file: PathBuf,

    /// The bundles that have the code: that of the release that was tried; its predecessor's where invariants failed
    /// on the way back
    #[arg(required = true)]
    bundles: Vec<PathBuf>,
}

/// Runs each failure once more, and says whether the same fails in the same way.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let failures = failures_of(args)?;
    let releases = args.bundles.iter().map(|path| Ok(open_bundle(path)?.1));
    let releases: Vec<_> = releases.collect::<Result<_, Failure>>()?;
    let (mut text, mut list, mut others) = (String::new(), vec![], 0);
    for failure in &failures {
        let (word, detail, document) = match replay(failure, &releases) {
            Ok(seen) => {
                let word = if seen.reproduces(failure) { "reproduced" } else { "differs" };
                let detail = match (&seen.failed, &seen.gave) {
                    (Some((kind, reason)), _) => format!("{kind}: {reason}"),
                    (None, gave) => format!("it does not fail; it gives {}", gave.as_deref().unwrap_or("")),
                };
                let kind = seen.failed.as_ref().map(|(kind, _)| kind);
                let reason = seen.failed.as_ref().map(|(_, reason)| reason);
                let document = json!({
                    "came": word, "kind": kind, "reason": reason, "gave": seen.gave,
                    "same_value": seen.same_value,
                });
                let other = if seen.same_value { "" } else { " (the value is not that of the node)" };
                (word, format!("{detail}{other}"), document)
            }
            Err(error @ ReplayError::NothingRan(_)) => {
                ("told", error.to_string(), json!({"came": "told", "reason": error.to_string()}))
            }
            Err(error) => return Err(missing(failure, &error)),
        };
        others += usize::from(word == "differs");
        let TryFailure { instance, step, .. } = failure;
        let _ = writeln!(text, "{word}: {instance} at {step}: {detail}");
        list.push(json!({"instance": instance, "step": step, "replay": document}));
    }
    if others > 0 {
        let message =
            format!("{others} of {} failures come out otherwise here\n{}", failures.len(), text.trim_end());
        let hint =
            "are these the bundles of the node? a value that was changed in the file fails otherwise, too";
        return Err(Failure::refused(message, hint).details(&list));
    }
    talk.result(&list, text.trim_end());
    Ok(())
}

fn missing(failure: &TryFailure, error: &ReplayError) -> Failure {
    let message = format!("{} at {}: {error}", failure.instance, failure.step);
    let hint = match error {
        ReplayError::NoEdge(_) | ReplayError::NoMachine(_) => {
            "add the bundle that has it: camshaft inspect BUNDLE"
        }
        ReplayError::Cut => "`camshaft node instances` names the instance; a capsule has 64 KiB of a value",
        _ => "compare the file with what `camshaft node try --json` prints",
    };
    Failure::refused(message, hint)
}

/// Returns the failures of a document, wherever a report of a trial stands in it.
fn failures_of(args: &Args) -> Result<Vec<TryFailure>, Failure> {
    let path = args.file.display();
    let refused = |what: String| {
        Failure::refused(format!("{path}: {what}"), "get it from: camshaft node try BUNDLE --json > FILE")
    };
    let bytes = files::read(&args.file, FILE_MAX)?;
    let document: Value =
        serde_json::from_slice(&bytes).map_err(|error| refused(format!("it is no JSON: {error}")))?;
    let list = match find(&document) {
        Some(Value::Array(list)) => list.clone(),
        Some(one) => vec![one.clone()],
        None => return Err(refused("there are no failures in it".to_owned())),
    };
    let read = |value: Value| serde_json::from_value(value).map_err(|error| refused(error.to_string()));
    let failures: Vec<TryFailure> = list.into_iter().map(read).collect::<Result<_, _>>()?;
    if failures.is_empty() { Err(refused("nothing failed in it".to_owned())) } else { Ok(failures) }
}

fn find(value: &Value) -> Option<&Value> {
    let object = value.as_object()?;
    if object.contains_key("capsule") {
        return Some(value);
    }
    object.get("failures").or_else(|| object.values().find_map(find))
}
