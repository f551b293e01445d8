//! `camshaft registry ...`: running a registry, and looking after what is published.

mod look;
mod serve;

use std::path::PathBuf;

use camshaft_manifests::published::Yank;
use camshaft_manifests::{ReleaseName, Version};
use camshaft_registry::{Absent, RegistryError, Wanted, Which};
use clap::Subcommand;
use serde_json::json;

use crate::failure::Failure;
use crate::registry;
use crate::talk::Talk;

/// Arguments of `registry`.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Serve a registry's folder over HTTP
    Serve(serve::Args),
    /// List what is published
    List(look::List),
    /// Say that a release is not to be used any more; it can still be fetched by its digest
    Yank(YankArgs),
    /// Take a yank back
    Unyank(Marked),
    /// Look at every record and every file of a registry's folder
    Verify(look::Verify),
}

#[derive(Debug, clap::Args)]
struct YankArgs {
    #[command(flatten)]
    marked: Marked,

    /// Why, for those who wanted it
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Debug, clap::Args)]
struct Marked {
    /// The release: NAME@VERSION
    release: Wanted,

    /// The registry: a folder, or an address
    #[arg(long = "in", value_name = "REGISTRY", env = registry::VARIABLE)]
    place: Option<String>,

    /// The file whose first line is the token of the registry
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

/// Runs a verb.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    match &args.verb {
        Verb::Serve(args) => serve::run(args, talk),
        Verb::List(args) => look::list(args, talk),
        Verb::Verify(args) => look::verify(args, talk),
        Verb::Yank(args) => {
            let yank = Yank { reason: args.reason.clone(), stamp: registry::stamp() };
            mark(&args.marked, Some(&yank), talk)
        }
        Verb::Unyank(args) => mark(args, None, talk),
    }
}

fn exact(wanted: &Wanted) -> Result<(&ReleaseName, &Version), Failure> {
    match &wanted.which {
        Which::Version(version) => Ok((&wanted.name, version)),
        _ => {
            let message = format!("`{wanted}` does not name one version");
            Err(Failure::refused(message, format!("name it exactly: {}@1.2.0", wanted.name)))
        }
    }
}

fn mark(args: &Marked, yank: Option<&Yank>, talk: &mut Talk) -> Result<(), Failure> {
    let (name, version) = exact(&args.release)?;
    let token = args.token_file.as_deref();
    let registry = registry::open(args.place.as_deref(), "--in", token, Absent::Refuse)?;
    let entry =
        registry.mark(name, version, yank).map_err(|error: RegistryError| registry::failure(error))?;
    let text = match &entry.release.yanked {
        Some(yank) => {
            let (by, reason) = (&yank.stamp.by, &yank.reason);
            format!("{name} {version} is yanked, by {by}: {reason}")
        }
        None => format!("{name} {version} is not yanked"),
    };
    let text = crate::render::harmless(&text);
    talk.result(&json!({ "release": entry }), text);
    Ok(())
}
