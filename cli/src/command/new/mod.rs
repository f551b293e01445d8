//! `camshaft new PATH`: a project that checks, tests, builds and runs at once.

use std::path::{Path, PathBuf};

use camshaft_manifests::schema::Document;
use camshaft_manifests::{AppName, ReleaseName};
use clap::ValueEnum;
use serde_json::json;

use super::schema;
use crate::failure::Failure;
use crate::files;
use crate::talk::Talk;

/// Arguments of `new`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder of the project; its last part is the name of the release
    path: PathBuf,

    /// What the project begins as
    #[arg(long, value_enum, default_value_t = Template::Counter)]
    template: Template,
}

/// What a project begins as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Template {
    /// One machine that counts
    Counter,
}

impl Template {
    /// Returns the files, by path, with `{{app}}` and `{{release}}` where the names belong.
    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Template::Counter => &[
                ("release.toml", include_str!("counter/release.toml")),
                ("apps/{{app}}/app.toml", include_str!("counter/app.toml")),
                ("apps/{{app}}/machines/counter.cam", include_str!("counter/machine.cam")),
                ("agent.toml", include_str!("counter/agent.toml")),
                ("fleet.toml", include_str!("counter/fleet.toml")),
                (".gitignore", include_str!("counter/gitignore")),
                ("README.md", include_str!("counter/readme")),
            ],
        }
    }
}

/// Makes a project. Nothing that is there is written over.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let (release, app) = names(&args.path)?;
    refuse_what_is_there(&args.path)?;
    let filled = |text: &str| text.replace("{{release}}", release.as_str()).replace("{{app}}", app.as_str());
    let mut made: Vec<(String, String)> =
        args.template.files().iter().map(|(path, text)| (filled(path), filled(text))).collect();
    // An editor finds them without a network.
    made.extend(Document::ALL.map(|document| {
        (format!(".camshaft/schema/{}", schema::file_name(document)), document.json_schema())
    }));
    for (path, text) in &made {
        files::write(&args.path.join(path), text.as_bytes())?;
    }
    let shown = args.path.display();
    let paths: Vec<&str> = made.iter().map(|(path, _)| path.as_str()).collect();
    talk.note(format!("next: cd {shown}, then camshaft test; README.md goes on from there"));
    let data = json!({ "path": shown.to_string(), "release": release.to_string(), "app": app.to_string(), "files": paths });
    let listed = paths.iter().filter(|path| !path.starts_with(".camshaft/"));
    let lines: Vec<String> = listed.map(|path| args.path.join(path).display().to_string()).collect();
    talk.result(&data, lines.join("\n"));
    Ok(())
}

/// Returns the names of the release and of its application: the folder's, and the same without hyphens.
fn names(path: &Path) -> Result<(ReleaseName, AppName), Failure> {
    let hint = "name a folder such as shop or shop-floor; its name becomes that of the release";
    let Some(last) = path.file_name().and_then(|name| name.to_str()) else {
        let message = format!("{} has no name that a release could take", path.display());
        return Err(Failure::refused(message, hint));
    };
    let release: ReleaseName = last.parse().map_err(|error| Failure::refused(format!("{error}"), hint))?;
    let app: AppName =
        last.replace('-', "_").parse().map_err(|error| Failure::refused(format!("{error}"), hint))?;
    Ok((release, app))
}

/// A folder that is there has to be empty; hidden entries such as `.git` do not count.
fn refuse_what_is_there(path: &Path) -> Result<(), Failure> {
    if !path.exists() && path.symlink_metadata().is_err() {
        return Ok(());
    }
    if !path.is_dir() {
        let message = format!("{} is there, and it is no folder", path.display());
        return Err(Failure::refused(message, "name another folder; nothing is written over"));
    }
    let entries = std::fs::read_dir(path).map_err(|error| files::cannot("read", path, &error))?;
    for entry in entries {
        let name = entry.map_err(|error| files::cannot("read", path, &error))?.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') || name == ".gitignore" || name == ".camshaft" {
            let message = format!("{} is not empty: it has {name}", path.display());
            return Err(Failure::refused(message, "name another folder; nothing is written over"));
        }
    }
    Ok(())
}
