//! `camshaft relup plan OLD NEW`: every instruction from one release to another, and back.

use std::path::PathBuf;

use camshaft_cam::digest::Digest;
use camshaft_manifests::relup::{self, Instruction};
use camshaft_releases::crossing::{Crossing, Origin};
use camshaft_releases::explain::explain;
use serde_json::{Value, json};

use super::explain::Told;
use super::{Beside, incomplete, listing, missing_to_text};
use crate::command::node::ask_status;
use crate::failure::Failure;
use crate::files;
use crate::http::Node;
use crate::talk::Talk;

/// Arguments of `relup plan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The older release: a bundle
    old: PathBuf,

    /// The newer release: a bundle, or the folder of a project
    new: PathBuf,

    /// Write the relup into a file, as it stands in bundles
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Say why: the reason of each step, and what instances and clients will see of it
    #[arg(long)]
    explain: bool,

    /// Put the numbers of a node into the explanation, as http://HOST:PORT
    #[arg(long, value_name = "URL", requires = "explain")]
    node: Option<String>,

    #[command(flatten)]
    beside: Beside,
}

/// Plans and says what was planned.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let node = match &args.node {
        Some(url) => Some(ask_status(&Node::at(Some(url))?)?),
        None => None,
    };
    let (old, crossing) = super::crossing(&args.old, &args.new, &args.beside, talk)?;
    let explanation = args.explain.then(|| explain(&old, &crossing));
    let told = explanation.as_ref().map(|explanation| Told {
        crossing: &crossing,
        explanation,
        node: node.as_ref(),
    });
    if let Some(failure) = reason_no_relup(&crossing, talk) {
        // What stands in the way is what it is asked for.
        if let Some(told) = told.as_ref().filter(|_| !talk.json) {
            talk.result(&told.to_json(), [head(&crossing), told.to_text()].concat());
        }
        return Err(failure);
    }
    let document = relup::write(&crossing.relup);
    if let Some(path) = &args.out {
        files::write(path, document.as_bytes())?;
        talk.note(format!("note: wrote {}", path.display()));
    }
    let mut json = to_json(&crossing, &document);
    let text = match &told {
        Some(told) => {
            json["explanation"] = told.to_json();
            [head(&crossing), told.to_text()].concat()
        }
        None => to_text(&crossing),
    };
    talk.result(&json, text);
    Ok(())
}

/// Returns why there is no relup to write.
pub(super) fn reason_no_relup(crossing: &Crossing, talk: &Talk) -> Option<Failure> {
    if let Some(failure) = incomplete(crossing) {
        for missing in &crossing.missing {
            talk.report(&missing_to_text(missing));
        }
        return Some(failure);
    }
    let fault = crossing.faults.first()?;
    let message = format!("the relup breaks a rule: {fault}");
    let hint = format!("camshaft explain {} says what must hold", fault.rule);
    let faults: Vec<String> = crossing.faults.iter().map(ToString::to_string).collect();
    Some(Failure::refused(message, hint).code(fault.rule).details(&json!({ "faults": faults })))
}

/// Says which releases it is about, and where edges come from that the newer one does not have.
fn head(crossing: &Crossing) -> String {
    let relup = &crossing.relup;
    let mut text = format!("{} {} -> {}\n", relup.release, relup.from.version, relup.to);
    if !crossing.recorded {
        text += &format!("{} does not name {}: this needs a patch bundle\n", relup.to, relup.from.version);
        for (machine, origin) in &crossing.origins {
            text += &format!("  the edge of {machine}: {}\n", origin_in_words(origin));
        }
    }
    text
}

/// Returns both directions, a line for each instruction.
fn to_text(crossing: &Crossing) -> String {
    let relup = &crossing.relup;
    let mut text = head(crossing);
    if relup.up.is_empty() && relup.down.is_empty() {
        return text + "\nnothing to do\n";
    }
    for (direction, instructions) in [("up", &relup.up), ("down", &relup.down)] {
        text += &format!("\n{direction}\n");
        for (index, instruction) in instructions.iter().enumerate() {
            for (row, line) in listing::to_text(instruction).iter().enumerate() {
                let number = if row == 0 { (index + 1).to_string() } else { String::new() };
                text += &format!("{number:>4}  {line}\n");
            }
        }
    }
    text
}

/// Says where an edge comes from.
pub(super) fn origin_in_words(origin: &Origin) -> String {
    match origin {
        Origin::Recorded => "as the newer release has it".to_owned(),
        Origin::Over(version) => format!("chained over {version}"),
        Origin::Written => "the migration that was given".to_owned(),
        Origin::Derived => "derived from the types".to_owned(),
    }
}

fn to_json(crossing: &Crossing, document: &str) -> Value {
    let relup = &crossing.relup;
    let steps = |list: &[Instruction]| list.iter().map(listing::to_json).collect::<Vec<_>>();
    let edges = crossing.origins.iter().map(|(machine, origin)| {
        let (word, over) = match origin {
            Origin::Recorded => ("recorded", None),
            Origin::Over(version) => ("over", Some(version.to_string())),
            Origin::Written => ("written", None),
            Origin::Derived => ("derived", None),
        };
        json!({ "machine": machine.to_string(), "origin": word, "over": over })
    });
    json!({
        "release": relup.release.to_string(),
        "from": { "version": relup.from.version.to_string(), "digest": relup.from.digest },
        "to": { "version": relup.to.to_string(), "digest": crossing.release.digest },
        "recorded": crossing.recorded,
        "edges": edges.collect::<Vec<_>>(),
        "digest": Digest::of(document.as_bytes()),
        "up": steps(&relup.up), "down": steps(&relup.down),
        "document": document,
    })
}
