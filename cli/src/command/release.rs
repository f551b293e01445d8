//! `camshaft release cut`: from a released version of a project to the next.

use std::path::{Path, PathBuf};

use camshaft_releases::bundle;
use camshaft_releases::diff::Bump;
use camshaft_releases::project::{Cut, NoCut};
use clap::ValueEnum;
use serde_json::{Value, json};
use similar::TextDiff;

use crate::failure::Failure;
use crate::files;
use crate::project::{Project, default_out, faulty, open_bundle};
use crate::talk::Talk;

/// Arguments of `release`.
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Move the version on, and pin the released one as the predecessor
    Cut(CutArgs),
}

/// Arguments of `release cut`.
#[derive(Debug, clap::Args)]
struct CutArgs {
    /// Which number of the version grows; when none is named, the smallest that would do is told, and
    /// nothing is written
    step: Option<Step>,

    /// The folder of the project
    #[arg(short, long, default_value = ".")]
    path: PathBuf,

    /// Where the bundle of the released version is looked for first [default: PATH/dist]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// The bundle is what was released, and what changed since belongs to the next version
    #[arg(long)]
    released: bool,

    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Step {
    Patch,
    Minor,
    Major,
}

impl Step {
    fn bump(self) -> Bump {
        match self {
            Step::Patch => Bump::Patch,
            Step::Minor => Bump::Minor,
            Step::Major => Bump::Major,
        }
    }
}

/// Cuts.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let What::Cut(args) = &args.what;
    let out = args.out.clone().unwrap_or_else(|| default_out(&args.path));
    let project = Project::read(&args.path, &out)?;
    let cut = work_out(args, &project, &out)?;
    let Some(after) = &cut.after else {
        return propose(&cut, talk);
    };
    let diffs: Vec<(String, String)> =
        cut.files.iter().map(|(path, text)| (path.clone(), diff(path, project.text(path), text))).collect();
    if !args.dry_run {
        let files: Vec<(PathBuf, Vec<u8>)> =
            cut.files.iter().map(|(path, text)| (args.path.join(path), text.clone().into_bytes())).collect();
        files::write_all(&files)?;
    }
    for change in &cut.changes {
        talk.note(format!("note: changed since {}: {change}", cut.before));
    }
    let next = match args.dry_run {
        true => "note: nothing was written".to_owned(),
        false => format!("note: {after} comes from {}; commit the files, and camshaft check", cut.before),
    };
    talk.note(next);
    let mut data = told(&cut);
    data["after"] = json!(after.to_string());
    data["written"] = json!(!args.dry_run);
    data["files"] = diffs.iter().map(|(path, diff)| json!({ "path": path, "diff": diff })).collect();
    talk.result(&data, diffs.iter().map(|(_, diff)| diff.as_str()).collect::<String>());
    Ok(())
}

/// Works out what to write, and refuses what would pin the wrong thing.
fn work_out(args: &CutArgs, project: &Project, out: &Path) -> Result<Cut, Failure> {
    let (name, version) = project.named(&args.path)?;
    let places = [out.to_owned(), args.path.clone(), default_out(&args.path)];
    let found = |file: &str| places.iter().map(|place| place.join(file)).find(|path| path.exists());
    let file = bundle::file_name(&name, &version);
    let Some(path) = found(&file) else {
        let message = format!("there is no {file}, so {version} cannot become a predecessor");
        let hint =
            format!("camshaft build makes it; or put the one that was released into {}", out.display());
        return Err(Failure::refused(message, hint));
    };
    let (_, released) = open_bundle(&path)?;
    if (&released.resolved.name, &released.resolved.version) != (&name, &version) {
        let (other, at) = (&released.resolved.name, &released.resolved.version);
        let message = format!("{} holds {other} {at}", path.display());
        return Err(Failure::refused(message, "put the bundle that was released in its place"));
    }
    let cut = project.cut(&released, args.step.map(Step::bump)).map_err(|no| refused(args, no))?;
    if !args.released && args.step.is_some() && !cut.changes.is_empty() {
        let message = format!("the project is not what {file} was built from: {}", cut.changes.join("; "));
        let hint = format!(
            "was {version} released? then --released, and the changes belong to the next version; if not, camshaft build"
        );
        return Err(Failure::refused(message, hint));
    }
    if let Some(after) = &cut.after
        && let Some(taken) = found(&bundle::file_name(&name, after))
    {
        let message = format!("{after} is there already: {}", taken.display());
        return Err(Failure::refused(
            message,
            "a larger step leads past it; or move the bundle away, if it was never released",
        ));
    }
    Ok(cut)
}

fn refused(args: &CutArgs, no: NoCut) -> Failure {
    match no {
        NoCut::Faults(faults) => faulty(&args.path, faults),
        NoCut::TooSmall { after, smallest, why } => {
            let message = format!("{after} is too small a step: {why}");
            Failure::refused(message, format!("camshaft release cut {smallest} would do"))
        }
    }
}

/// Tells the smallest step that would do; nothing is written.
fn propose(cut: &Cut, talk: &mut Talk) -> Result<(), Failure> {
    for change in &cut.changes {
        talk.note(format!("note: changed since {}: {change}", cut.before));
    }
    talk.note(format!("note: nothing was written; camshaft release cut {} does it", cut.smallest));
    let mut data = told(cut);
    data["written"] = json!(false);
    talk.result(&data, cut.smallest.to_string());
    Ok(())
}

fn told(cut: &Cut) -> Value {
    let apps = cut.apps.iter().map(|(name, (from, to))| {
        json!({ "name": name.to_string(), "before": from.to_string(), "after": to.to_string() })
    });
    json!({
        "before": cut.before.to_string(),
        "smallest": cut.smallest.to_string(),
        "changes": cut.changes,
        "apps": apps.collect::<Vec<_>>(),
    })
}

fn diff(path: &str, before: &str, after: &str) -> String {
    TextDiff::from_lines(before, after).unified_diff().context_radius(2).header(path, path).to_string()
}
