//! `camshaft appup import`: an `.appup` of Erlang/OTP as a skeleton of our documents.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use camshaft_cam::diagnostic::Source;
use camshaft_manifests::appup::Appup as Existing;
use camshaft_manifests::{AppName, MachineAddress};
use camshaft_releases::import::{
    self, Appup, Covered, Facts, Imported, Outcome, Skeleton, Templates, Translated, Way,
};
use camshaft_releases::project::{AppOutline, RELEASE_PATH};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::files;
use crate::project::{Project, default_out};
use crate::render::counted;
use crate::talk::Talk;

/// Arguments of `appup import`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The .appup of an Erlang application
    file: PathBuf,

    /// The machine that stands for a module; without it, the machine of the module's name
    #[arg(long = "machine", value_name = "MODULE=APP/MACHINE")]
    machines: Vec<String>,

    /// The application that it is for [default: as the file is called]
    #[arg(long, value_name = "NAME")]
    app: Option<AppName>,

    /// The project to write into; if there is none yet, its folder
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    out: PathBuf,

    /// Where bundles of predecessors are [default: DIR/dist]
    #[arg(long, value_name = "DIR")]
    bundles: Option<PathBuf>,

    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Reads the .appup, writes what it becomes, and says so of every instruction.
pub(super) fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let shown = args.file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = files::read(&args.file, files::SOURCE_BYTES_MAX)?;
    let refused =
        |faults: Vec<_>| Failure::diagnostics(format!("{} is refused", args.file.display()), faults);
    let source = import::decode(&shown, bytes).map_err(|fault| refused(vec![*fault]))?;
    let appup = import::read(&source).map_err(refused)?;
    let app = app_name(args, &shown)?;
    let place = match args.out.join(RELEASE_PATH).exists() {
        true => in_project(args, &app)?,
        false => without_project(&appup, &app)?,
    };
    let facts = Facts { modules: modules(args, &appup, &place)?, ..place.facts };
    let imported = import::translate(&source, &appup, &facts);
    let folder = args.out.join(&place.folder);
    let exists = |path: &str| folder.join(path).exists();
    let made = import::skeleton(&source, &imported, &facts, &place.appup_text, &exists);
    if !args.dry_run {
        // The appup last, as `derive` does it: a migration that nothing names is found and told by `check`.
        let (appups, others): (Vec<_>, Vec<_>) = made.files.iter().partition(|(path, _)| !path.contains('/'));
        for (path, text) in others.into_iter().chain(appups) {
            files::write(&folder.join(path), text.as_bytes())?;
        }
    }
    tell(&source, &imported, &made, talk);
    let document = document(args, &source, (&imported, &made), &facts, &place.folder);
    talk.result(&document, text(args, &made, &folder));
    Ok(())
}

/// Where the import goes, and what is known of it.
struct Place {
    facts: Facts,
    /// The application's folder, relative to the project.
    folder: String,
    /// The text of the appup that is there.
    appup_text: String,
    /// The machines of the release; `None` where there is no project yet.
    machines: Option<BTreeSet<MachineAddress>>,
}

fn app_name(args: &Args, shown: &str) -> Result<AppName, Failure> {
    if let Some(app) = &args.app {
        return Ok(app.clone());
    }
    let stem = shown.split(".appup").next().unwrap_or_default();
    stem.parse()
        .map_err(|error| Failure::refused(format!("{shown}: {error}"), "name the application: `--app NAME`"))
}

fn in_project(args: &Args, app: &AppName) -> Result<Place, Failure> {
    let bundles = args.bundles.clone().unwrap_or_else(|| default_out(&args.out));
    let project = Project::read(&args.out, &bundles)?;
    let outline = project.outline(&args.out)?;
    let Some(found) = outline.apps.get(app) else {
        let have: Vec<&str> = outline.apps.keys().map(AppName::as_str).collect();
        let message = format!("the release in {} has no application {app}", args.out.display());
        return Err(Failure::refused(
            message,
            format!("it has {}; `--app NAME` says which one it is", have.join(", ")),
        ));
    };
    let templates = match project.templates(&args.out, &bundles, None) {
        Ok(made) => {
            let own = made.templates.into_iter().filter(|template| template.machine.app == *app);
            Templates::Known(own.map(|one| ((one.machine.machine, one.from), one.text)).collect())
        }
        Err(failure) => Templates::Unknown(format!(
            "{}, so that what changed is not known (`camshaft check` says more)",
            failure.diagnostics.first().map_or(failure.message.clone(), |first| first.message.clone())
        )),
    };
    let address = |app: &AppName, outline: &AppOutline| {
        let of = |machine| MachineAddress { app: app.clone(), machine };
        outline.machines.iter().cloned().map(of).collect::<Vec<_>>()
    };
    Ok(Place {
        facts: Facts {
            app: app.clone(),
            version: found.version.clone(),
            modules: BTreeMap::new(),
            machines: Some(found.machines.clone()),
            released: outline.missing.is_empty().then(|| found.released.clone()),
            existing: found.appup.clone(),
            templates,
        },
        folder: found.folder.clone(),
        appup_text: found.appup_text.clone(),
        machines: Some(outline.apps.iter().flat_map(|(app, outline)| address(app, outline)).collect()),
    })
}

fn without_project(appup: &Appup, app: &AppName) -> Result<Place, Failure> {
    let version = import::semantic(&appup.version).map_err(|reason| {
        let message = format!("the version of the .appup is none here: {reason}");
        Failure::refused(message, "make the project first: its app.toml gives the version")
    })?;
    Ok(Place {
        facts: Facts {
            app: app.clone(),
            version,
            modules: BTreeMap::new(),
            machines: None,
            released: None,
            existing: Existing::default(),
            templates: Templates::Unknown(format!(
                "there is no {RELEASE_PATH} yet, so that what changed is not known"
            )),
        },
        folder: format!("apps/{app}"),
        appup_text: String::new(),
        machines: None,
    })
}

/// Reads which machines stand for which modules.
fn modules(args: &Args, appup: &Appup, place: &Place) -> Result<BTreeMap<String, MachineAddress>, Failure> {
    let mut modules = BTreeMap::new();
    let named = appup.modules();
    for said in &args.machines {
        let wrong = |reason: String| {
            Failure::refused(format!("--machine {said}: {reason}"), "write `--machine MODULE=APP/MACHINE`")
        };
        let (module, address) = said.split_once('=').ok_or_else(|| wrong("there is no `=`".to_owned()))?;
        let address: MachineAddress = address.parse().map_err(|error| wrong(format!("{error}")))?;
        if !named.contains(module) {
            let have: Vec<&str> = named.iter().map(String::as_str).collect();
            return Err(Failure::refused(
                format!("--machine {said}: no instruction is about a module {module}"),
                format!("the modules of this .appup: {}", have.join(", ")),
            ));
        }
        if place.machines.as_ref().is_some_and(|machines| !machines.contains(&address)) {
            return Err(Failure::refused(
                format!("--machine {said}: the release has no machine {address}"),
                "name one of its machines, or add it to the project first",
            ));
        }
        if modules.insert(module.to_owned(), address).is_some() {
            return Err(wrong(format!("{module} is given twice")));
        }
    }
    Ok(modules)
}

/// Says what a person has to look at.
fn tell(source: &Source, imported: &Imported, made: &Skeleton, talk: &Talk) {
    let line = |at: usize| source.line_column(at).0;
    for remark in &imported.remarks {
        talk.note(format!("note: {remark}"));
    }
    for entry in &imported.entries {
        let at = format!("{}:{}: from {}", source.name, line(entry.span.start), entry.shown);
        if let Covered::Nothing(reason) = &entry.covered
            && !entry.as_range
        {
            talk.note(format!("note: {at}: no entry: {reason}"));
        }
        for remark in &entry.remarks {
            talk.note(format!("note: {at}: {remark}"));
        }
        for difference in &entry.differences {
            talk.note(format!("note: {at}: up and down differ: {difference}"));
        }
        for note in entry.notes.iter().filter(|note| note.outcome == Outcome::Open) {
            talk.note(format!(
                "note: {}:{}: {}: {}",
                source.name,
                line(note.span.start),
                note.shown,
                note.text
            ));
        }
    }
    for kept in &made.kept {
        talk.note(format!("note: {kept} is there already and stays as it is"));
    }
    for (path, holes) in &made.migrations {
        let holes = counted(*holes, "hole");
        talk.note(format!("note: {path}: {holes} to fill; `camshaft check` says of each what belongs there"));
    }
}

fn text(args: &Args, made: &Skeleton, folder: &Path) -> String {
    if made.files.is_empty() {
        return "everything that the .appup says is there already".to_owned();
    }
    let one = |(path, text): (&String, &String)| match args.dry_run {
        true => format!("--- {}\n{}", folder.join(path).display(), text.trim_end()),
        false => folder.join(path).display().to_string(),
    };
    made.files.iter().map(one).collect::<Vec<_>>().join("\n")
}

fn document(
    args: &Args,
    source: &Source,
    (imported, made): (&Imported, &Skeleton),
    facts: &Facts,
    folder: &str,
) -> Value {
    json!({
        "written": !args.dry_run,
        "app": facts.app.to_string(),
        "version": facts.version.to_string(),
        "folder": folder,
        "files": made.files,
        "migrations": made.migrations.iter().map(|(path, holes)| json!({ "path": path, "holes": holes })).collect::<Vec<_>>(),
        "kept": made.kept,
        "remarks": imported.remarks,
        "entries": imported.entries.iter().map(|entry| entry_document(source, entry)).collect::<Vec<_>>(),
    })
}

fn entry_document(source: &Source, entry: &Translated) -> Value {
    let (versions, reason) = match &entry.covered {
        Covered::Versions(versions) => (versions.iter().map(ToString::to_string).collect(), None),
        Covered::Nothing(reason) => (Vec::new(), Some(reason)),
    };
    let notes = entry.notes.iter().map(|note| {
        let (line, column) = source.line_column(note.span.start);
        json!({
            "way": match note.way { Way::Up => "up", Way::Down => "down" },
            "line": line, "column": column,
            "instruction": note.shown,
            "outcome": match note.outcome {
                Outcome::Written => "written", Outcome::Follows => "follows",
                Outcome::Dropped => "dropped", Outcome::Open => "open",
            },
            "text": note.text,
        })
    });
    json!({
        "from": entry.shown,
        "line": source.line_column(entry.span.start).0,
        "versions": versions,
        "as_range": entry.as_range,
        "restarts": entry.restarts,
        "range": entry.range.as_ref().map(ToString::to_string),
        "no_entry": reason,
        "remarks": entry.remarks,
        "instructions": notes.collect::<Vec<_>>(),
        "differences": entry.differences,
    })
}
