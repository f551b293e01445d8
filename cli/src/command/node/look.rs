//! The verbs that only look: status, history, instances.

use std::path::PathBuf;

use std::time::Duration;

use camshaft_agent::api;
use camshaft_manifests::InstanceAddress;

use super::show;
use crate::failure::Failure;
use crate::http::Node;
use crate::render::counted;
use crate::talk::Talk;

/// How long a node may take to say how it is.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many instances the agent gives at once.
const PAGE: u64 = 1_000;

/// Arguments of `instances`.
#[derive(Debug, clap::Args)]
pub struct Instances {
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,

    /// Begin after this address
    #[arg(long, value_name = "ADDRESS")]
    after: Option<String>,

    /// Only those that are held
    #[arg(long)]
    held: bool,
}

/// Asks a node how it is.
pub fn ask_status(node: &Node) -> Result<api::NodeStatus, Failure> {
    node.get(&["v1", "node"], &[], PATIENCE)?.read()
}

/// Prints how the node is.
pub fn status(node: &Node, talk: &mut Talk) -> Result<(), Failure> {
    let status = ask_status(node)?;
    talk.result(&status, show::status(&status, node.address()));
    Ok(())
}

/// Prints what was done to the node.
pub fn history(node: &Node, talk: &mut Talk) -> Result<(), Failure> {
    let history: api::History = node.get(&["v1", "node", "history"], &[], PATIENCE)?.read()?;
    talk.result(&history, show::history(&history));
    Ok(())
}

/// Arguments of `audit`.
#[derive(Debug, clap::Args)]
pub struct Audit {
    /// Write the audit into a file
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Gets the audit of the node, and verifies it before it is written or told of.
pub fn audit(args: &Audit, node: &Node, talk: &mut Talk) -> Result<(), Failure> {
    let audit: api::Audit = node.get(&["v1", "node", "audit"], &[], PATIENCE)?.read()?;
    crate::command::audit::verified(&audit, None)?;
    let records = audit.records.len();
    let Some(out) = &args.out else {
        talk.result(&audit, format!("{}; head {}", counted(records, "record"), audit.head));
        return Ok(());
    };
    let bytes = serde_json::to_vec_pretty(&audit)
        .map_err(|error| Failure::fault(error.to_string(), "this is a fault of ours; please report it"))?;
    crate::files::write(out, &bytes)?;
    let line = format!("{}: {}; head {}", out.display(), counted(records, "record"), audit.head);
    talk.result(&serde_json::json!({ "file": out, "records": records, "head": audit.head }), line);
    Ok(())
}

/// Prints the instances of the node, page by page.
pub fn instances(args: &Instances, node: &Node, talk: &mut Talk) -> Result<(), Failure> {
    if let Some(after) = &args.after {
        after.parse::<InstanceAddress>().map_err(|error| {
            Failure::refused(
                format!("`{after}` is no address: {error}"),
                "an address is app/machine or app/machine/key",
            )
        })?;
    }
    let mut all = api::Instances { instances: Vec::new(), next: args.after.clone() };
    loop {
        let limit = args.limit.saturating_sub(all.instances.len() as u64).min(PAGE).to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(args.held.then_some(("held", "true")));
        query.extend(all.next.as_deref().map(|next| ("after", next)));
        let page: api::Instances = node.get(&["v1", "node", "instances"], &query, PATIENCE)?.read()?;
        let empty = page.instances.is_empty();
        all.instances.extend(page.instances);
        all.next = page.next;
        // A node that gives a next page without a row would keep this going for ever.
        if all.next.is_none() || empty || all.instances.len() as u64 >= args.limit {
            break;
        }
    }
    talk.result(&all, show::instances(&all));
    Ok(())
}
