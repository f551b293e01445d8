//! `camshaft appup derive`: migrations for a person to finish; and `import`, from Erlang.

mod import;

use std::path::PathBuf;

use camshaft_manifests::Version;
use camshaft_releases::project::Templates;
use serde_json::json;

use crate::failure::Failure;
use crate::files;
use crate::project::{Project, default_out};
use crate::render::counted;
use crate::talk::Talk;

/// Arguments of `appup`.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Write a migration with holes for everything that does not follow from the types
    Derive(Derive),
    /// Read an .appup of Erlang/OTP: entries, and migrations with holes
    Import(import::Args),
}

/// Arguments of `appup derive`.
#[derive(Debug, clap::Args)]
struct Derive {
    /// The folder of the project
    #[arg(default_value = ".")]
    path: PathBuf,

    /// The predecessor to come from; all that `from` names, if none is given
    #[arg(long, value_name = "VERSION")]
    from: Option<Version>,

    /// Where bundles of predecessors are
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Runs a subcommand.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    match &args.what {
        What::Derive(args) => derive(args, talk),
        What::Import(args) => import::run(args, talk),
    }
}

fn derive(args: &Derive, talk: &mut Talk) -> Result<(), Failure> {
    let out = args.out.clone().unwrap_or_else(|| default_out(&args.path));
    let project = Project::read(&args.path, &out)?;
    let made = talk.while_waiting("deriving", || project.templates(&args.path, &out, args.from.as_ref()))?;
    for template in &made.templates {
        let path = args.path.join(&template.path);
        if path.exists() {
            let message = format!("{} is there already, and no appup names it", path.display());
            return Err(Failure::refused(message, "name it in appup.toml, or delete it and derive again"));
        }
    }
    if !args.dry_run {
        // The appups last: a migration that nothing names is found and told by `check`.
        for template in &made.templates {
            files::write(&args.path.join(&template.path), template.text.as_bytes())?;
        }
        for (path, text) in &made.appups {
            files::write(&args.path.join(path), text.as_bytes())?;
        }
    }
    for template in &made.templates {
        talk.note(format!(
            "note: {} from {}: {} to fill; `camshaft check` says of each what belongs there",
            template.machine,
            template.from,
            counted(template.holes, "hole")
        ));
    }
    talk.result(&document(&made, args.dry_run), text(&made, args.dry_run));
    Ok(())
}

fn text(made: &Templates, dry_run: bool) -> String {
    if made.templates.is_empty() {
        return "every migration that is needed is there or is derived".to_owned();
    }
    let one = |template: &camshaft_releases::project::Template| match dry_run {
        true => format!("--- {}\n{}", template.path, template.text.trim_end()),
        false => template.path.clone(),
    };
    made.templates.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn document(made: &Templates, dry_run: bool) -> serde_json::Value {
    let templates = made.templates.iter().map(|template| {
        json!({
            "machine": template.machine.to_string(), "from": template.from.to_string(), "path": template.path,
            "holes": template.holes, "text": template.text,
        })
    });
    json!({
        "written": !dry_run, "migrations": templates.collect::<Vec<_>>(),
        "appups": made.appups.keys().collect::<Vec<_>>(),
    })
}
