//! `camshaft node capsule`: what failed lately on a node, and what is needed to see it again.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use camshaft_agent::api::{CapsuleList, CapsuleOf, CapsuleStatus, KeptCapsule, StepCapsule};

use super::show::{table, time};
use crate::failure::Failure;
use crate::files;
use crate::http::Node;
use crate::talk::Talk;

/// How long a node may take to give a capsule.
const PATIENCE: Duration = Duration::from_secs(60);

/// Arguments of `capsule`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The number of a capsule; without it all are listed
    #[arg(value_name = "ID")]
    id: Option<u64>,

    /// Write the capsule to this file, for `camshaft replay`
    #[arg(long, short, value_name = "FILE", requires = "id")]
    output: Option<PathBuf>,
}

/// Lists the capsules of a node, or gets one.
pub fn capsule(args: &Args, node: &Node, talk: &mut Talk) -> Result<(), Failure> {
    let Some(id) = args.id else {
        let list: CapsuleList = node.get(&["v1", "node", "capsules"], &[], PATIENCE)?.read()?;
        talk.result(&list, show_all(&list));
        return Ok(());
    };
    let answer = node.get(&["v1", "node", "capsules", &id.to_string()], &[], PATIENCE)?;
    let capsule: KeptCapsule = answer.read()?;
    let mut text = show(&capsule);
    if let Some(path) = &args.output {
        let document = serde_json::to_string_pretty(&capsule).map_err(|error| {
            Failure::fault(error.to_string(), "this is a fault of ours; please report it")
        })?;
        files::write(path, format!("{document}\n").as_bytes())?;
        let path = path.display();
        let _ = writeln!(text, "written to {path}; see it again with: camshaft replay {path} BUNDLE");
    }
    talk.result(&capsule, text);
    Ok(())
}

fn show_all(list: &CapsuleList) -> String {
    if list.capsules.is_empty() {
        return "nothing failed since the agent started".to_owned();
    }
    let head = ["id", "when", "instance", "at", "kind", "from", "reason"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(list.capsules.iter().map(|capsule| {
        let CapsuleStatus { id, at_ms, instance, at, kind, reason, who, .. } = capsule;
        let [instance, at, kind, who, reason] = [instance, at, kind, who, reason].map(String::clone);
        vec![id.to_string(), time(*at_ms), instance, at, kind, who, reason]
    }));
    table(&rows)
}

fn show(capsule: &KeptCapsule) -> String {
    let CapsuleStatus { at_ms, instance, at, kind, reason, who, release, .. } = &capsule.status;
    let mut text = String::new();
    // A String takes all that is written.
    let _ = writeln!(text, "{instance} at {at}: {kind}: {reason}");
    let _ = writeln!(text, "{} under {} {}, from {who}", time(*at_ms), release.name, release.version);
    match &capsule.of {
        CapsuleOf::Step { step } => {
            let StepCapsule { machine, state, input, fuel, redacted, cut, .. } = &**step;
            let _ = writeln!(text, "machine {machine}, fuel {fuel}");
            let born = if *cut { "too large to be kept" } else { "none: the step begins with a birth" };
            let _ = writeln!(text, "state {}", state.as_deref().unwrap_or(born));
            let _ = writeln!(text, "input {}", input.as_deref().unwrap_or("not of the machine's type"));
            if *redacted {
                text += "what is secret is left out\n";
            }
        }
        CapsuleOf::Migration { failure } => {
            let _ = writeln!(text, "value {}", failure.capsule.value);
        }
    }
    text
}
