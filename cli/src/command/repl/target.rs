//! What a session is opened on: a machine file, or a machine of a project.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use camshaft_cam::compile::Modules;
use camshaft_cam::diagnostic::{Source, did_you_mean};
use camshaft_cam::session::Load;
use camshaft_releases::OpenedRelease;
use camshaft_releases::project::Locking;

use crate::failure::Failure;
use crate::files;
use crate::project::{Project, default_out};
use crate::talk::Talk;

/// What a session is opened on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One file.
    File(PathBuf),
    /// A machine of a project; its only one when it is not named.
    Project(PathBuf, Option<String>),
}

impl Target {
    /// Returns what the arguments name.
    pub fn new(path: &Path, machine: Option<&str>) -> Result<Target, Failure> {
        if path.is_dir() {
            return Ok(Target::Project(path.to_owned(), machine.map(str::to_owned)));
        }
        match machine {
            None => Ok(Target::File(path.to_owned())),
            Some(machine) => Err(Failure::refused(
                format!("`{machine}` is no machine of {}: that is no folder of a project", path.display()),
                "camshaft repl PROJECT MACHINE, or camshaft repl FILE.cam",
            )),
        }
    }

    /// Returns what a `:load` names: a path, or a path and a machine.
    pub fn of_line(line: &str) -> Result<Target, Failure> {
        if Path::new(line).exists() {
            return Target::new(Path::new(line), None);
        }
        match line.rsplit_once(char::is_whitespace) {
            Some((path, machine)) => Target::new(Path::new(path.trim_end()), Some(machine)),
            None => Target::new(Path::new(line), None),
        }
    }

    /// Reads the machine.
    pub fn read(&self, talk: &Talk) -> Result<Load, Failure> {
        match self {
            Target::File(path) => {
                let bytes = files::read(path, files::SOURCE_BYTES_MAX)?;
                let text = String::from_utf8(bytes).map_err(|_| {
                    let message = format!("cannot load {}: it is not UTF-8 text", path.display());
                    Failure::refused(message, "machine files are UTF-8")
                })?;
                let source = Source::new(path.display().to_string(), text);
                let modules = modules(beside(path)?)?;
                Ok(Load { source, modules, predecessor: None, config: None })
            }
            Target::Project(root, machine) => read_project(root, machine.as_deref(), talk),
        }
    }
}

/// Reads a machine of a project as the project builds it: with its configuration, and with the
/// ordinals that its predecessors settled. A project that does not build can still be played with.
fn read_project(root: &Path, machine: Option<&str>, talk: &Talk) -> Result<Load, Failure> {
    let out = default_out(root);
    let files = files::read_project(root)?;
    let (address, path, text) = pick(root, machines(&files), machine)?;
    let modules = modules(of_app(root, &files, &path))?;
    let source = Source::new(root.join(path).display().to_string(), text);
    let built = Project::read(root, &out).and_then(|project| project.build(root, &out, Locking::Update));
    match built {
        Ok(built) => {
            let (predecessor, config) = built_machine(&built.release, &address);
            Ok(Load { source, modules, predecessor, config })
        }
        Err(failure) => {
            talk.note(format!(
                "note: the project does not build ({}), so its configuration is not used; \
                 camshaft check says why",
                failure.message
            ));
            Ok(Load { source, modules, predecessor: None, config: None })
        }
    }
}

/// Returns the type modules of the application that a machine file stands in.
fn of_app(root: &Path, files: &BTreeMap<String, Vec<u8>>, machine: &str) -> Vec<(String, Vec<u8>)> {
    let Some((folder, _)) = machine.rsplit_once("/machines/") else { return Vec::new() };
    let folder = format!("{folder}/types/");
    let texts = files.iter().filter(|(path, _)| path.starts_with(&folder) && path.ends_with(".cam"));
    texts.map(|(path, bytes)| (root.join(path).display().to_string(), bytes.clone())).collect()
}

/// Returns the type modules in the folder `types` beside the one that a file stands in.
fn beside(file: &Path) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let Some(folder) = file.parent().and_then(Path::parent).map(|app| app.join("types")) else {
        return Ok(Vec::new());
    };
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let found = files::read_project(&folder)?.into_iter().filter(|(name, _)| name.ends_with(".cam"));
    Ok(found.map(|(name, bytes)| (folder.join(name).display().to_string(), bytes)).collect())
}

fn modules(texts: Vec<(String, Vec<u8>)>) -> Result<Arc<Modules>, Failure> {
    let source = |(name, bytes): (String, Vec<u8>)| match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(name, text)),
        Err(_) => Err(Failure::refused(
            format!("cannot load {name}: it is not UTF-8 text"),
            "type modules are UTF-8",
        )),
    };
    let sources = texts.into_iter().map(source).collect::<Result<Vec<_>, _>>()?;
    let read = Modules::read(&sources);
    read.map(Arc::new).map_err(|faults| Failure::diagnostics("a type module has faults", faults))
}

fn built_machine(
    release: &OpenedRelease,
    (app, name): &(String, String),
) -> (Option<Arc<camshaft_cam::code::Module>>, Option<String>) {
    let mut machines = release.resolved.machines();
    let found = machines.find(|(address, _)| address.app.as_str() == app && address.machine.as_str() == name);
    let Some((_, machine)) = found else { return (None, None) };
    let module = release.machines.get(&machine.digest).map(|machine| Arc::new(machine.module().clone()));
    (module, Some(machine.config.clone()))
}

/// Returns the machine files of a project: (app, machine) with path and text.
fn machines(files: &BTreeMap<String, Vec<u8>>) -> Vec<((String, String), String, String)> {
    let mut found = Vec::new();
    for (path, bytes) in files {
        let Some((folder, file)) = path.rsplit_once("/machines/") else { continue };
        let Some(name) = file.strip_suffix(".cam").filter(|name| !name.contains('/')) else { continue };
        let Some(app) = files.get(&format!("{folder}/app.toml")).and_then(|bytes| app_name(bytes)) else {
            continue;
        };
        if let Ok(text) = String::from_utf8(bytes.clone()) {
            found.push(((app, name.to_owned()), path.clone(), text));
        }
    }
    found
}

fn app_name(bytes: &[u8]) -> Option<String> {
    let document: toml::Table = toml::from_str(std::str::from_utf8(bytes).ok()?).ok()?;
    Some(document.get("name")?.as_str()?.to_owned())
}

type Found = ((String, String), String, String);

fn pick(root: &Path, sources: Vec<Found>, machine: Option<&str>) -> Result<Found, Failure> {
    let addresses: Vec<String> = sources.iter().map(|((app, name), ..)| format!("{app}/{name}")).collect();
    let all = || addresses.join(", ");
    let asked = |((app, name), ..): &Found| match machine {
        None => true,
        Some(machine) => machine == name || machine == format!("{app}/{name}"),
    };
    let mut fitting = sources.into_iter().filter(asked);
    match (fitting.next(), fitting.next(), machine) {
        (Some(only), None, _) => Ok(only),
        (Some(_), Some(_), None) => Err(Failure::refused(
            format!("{} has several machines", root.display()),
            format!("name one: {}", all()),
        )),
        (Some(_), Some(_), Some(machine)) => Err(Failure::refused(
            format!("several applications of {} have a machine `{machine}`", root.display()),
            format!("name one: {}", all()),
        )),
        (None, _, None) => Err(Failure::refused(
            format!("{} has no machines", root.display()),
            "name the folder that holds release.toml, or a machine file",
        )),
        (None, _, Some(machine)) => {
            let names = addresses.iter().flat_map(|one| [one.as_str(), one.split('/').nth(1).unwrap_or("")]);
            let hint = match did_you_mean(machine, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", all()),
            };
            Err(Failure::refused(format!("{} has no machine `{machine}`", root.display()), hint))
        }
    }
}
