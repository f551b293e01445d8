//! Plans many pairs of releases in one process: what `cargo xtask compare-systools` holds against OTP.
//!
//! `relups DIR` builds the projects `DIR/*/old` and `DIR/*/new` as `camshaft build` does, without its judgement
//! of what they promise, and prints the relup of each pair, an instruction a line.
//!
//! A file `DIR/*/APP.appup` is imported into the new one first, as `camshaft appup import` does it.
//!
//! `relups --entries DIR VERSION...` reads the files `DIR/*.appup`, and prints for each version which entry of
//! UpFrom is for it, from 0, or `none`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use camshaft_cam::diagnostic::Diagnostic;
use camshaft_manifests::AppName;
use camshaft_manifests::relup::{Instruction, Pair};
use camshaft_releases::import::{Facts, Templates};
use camshaft_releases::project::{Files, Locking, build_unjudged, outline};
use camshaft_releases::{OpenedRelease, import};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match &words[..] {
        [folder] => plans(Path::new(folder)),
        [word, folder, versions @ ..] if word == "--entries" => entries(Path::new(folder), versions),
        _ => {
            eprintln!("usage: relups DIR | relups --entries DIR VERSION...");
            return ExitCode::from(1);
        }
    }
    ExitCode::SUCCESS
}

/// Prints which entry of each `.appup` is for each version.
fn entries(folder: &Path, versions: &[String]) {
    for path in sorted(folder) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        println!("case {name}");
        let bytes = std::fs::read(&path).expect("a file that was just listed");
        let source = import::decode(&name, bytes).unwrap_or_else(|fault| panic!("{}", fault.one_line()));
        let appup = import::read(&source).unwrap_or_else(|faults| panic!("{}", faults[0].one_line()));
        for version in versions {
            match appup.up.iter().position(|entry| entry.base.is_for(version)) {
                Some(at) => println!("{version} {at}"),
                None => println!("{version} none"),
            }
        }
    }
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn plans(folder: &Path) {
    for case in sorted(folder).into_iter().filter(|path| path.is_dir()) {
        println!("case {}", case.file_name().unwrap_or_default().to_string_lossy());
        match pair(&case) {
            Ok(lines) => print!("{lines}"),
            Err(reason) => println!("error {}", reason.replace('\n', " ")),
        }
    }
}

fn pair(case: &Path) -> Result<String, String> {
    let old = built(&sources(&case.join("old"))?, None)?;
    let mut files = sources(&case.join("new"))?;
    for appup in sorted(case).into_iter().filter(|path| path.extension().is_some_and(|end| end == "appup")) {
        imported(&mut files, &appup, &old)?;
    }
    let new = built(&files, Some(&old))?;
    let relup = new.relups.first().ok_or("the new release has no relup")?;
    let mut lines = String::new();
    for (way, instructions) in [("up", &relup.up), ("down", &relup.down)] {
        for line in instructions.iter().flat_map(shown) {
            lines += &format!("{way} {line}\n");
        }
    }
    Ok(lines)
}

fn sources(folder: &Path) -> Result<Files, String> {
    let mut files = Files::new();
    read(folder, "", &mut files).map_err(|error| error.to_string())?;
    Ok(files)
}

/// Imports an `.appup` into the project of its application. The machines there need no migration.
fn imported(files: &mut Files, path: &Path, old: &OpenedRelease) -> Result<(), String> {
    let find = |_: &_, _: &_| Some(old.clone());
    let first = |faults: Vec<Diagnostic>| faults.first().map_or_else(String::new, Diagnostic::one_line);
    let outline = outline(files, &find).map_err(first)?;
    let app: AppName =
        path.file_stem().unwrap_or_default().to_string_lossy().parse().map_err(|_| "no name")?;
    let found = outline.apps.get(&app).ok_or("the release has no such application")?;
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let source = import::decode(&format!("{app}.appup"), bytes).map_err(|fault| fault.one_line())?;
    let appup = import::read(&source).map_err(first)?;
    let facts = Facts {
        app,
        version: found.version.clone(),
        modules: BTreeMap::new(),
        machines: Some(found.machines.clone()),
        released: Some(found.released.clone()),
        existing: found.appup.clone(),
        templates: Templates::Known(BTreeMap::new()),
    };
    let imported = import::translate(&source, &appup, &facts);
    let made = import::skeleton(&source, &imported, &facts, &found.appup_text, &|_| false);
    files.extend(made.files.into_iter().map(|(path, text)| (format!("{}/{path}", found.folder), text)));
    Ok(())
}

fn built(files: &Files, predecessor: Option<&OpenedRelease>) -> Result<OpenedRelease, String> {
    let find =
        |_: &_, version: &_| predecessor.filter(|release| release.resolved.version == *version).cloned();
    match build_unjudged(files, &find, Locking::Update) {
        Ok(built) => Ok(built.release),
        Err(faults) => Err(faults.iter().map(|fault| fault.one_line()).collect::<Vec<_>>().join("; ")),
    }
}

fn read(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.insert(path, std::fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

/// Returns the events of an instruction: what changes code, starts or stops. Machines go over in one switch,
/// so that all its events have one line each, and the line `switch` before them.
fn shown(instruction: &Instruction) -> Vec<String> {
    match instruction {
        Instruction::Switch(pairs) => {
            let one = |pair: &Pair| {
                let machine = &pair.machine.machine;
                match (pair.from, pair.to) {
                    (Some(from), Some(to)) if from == to => None,
                    (_, Some(_)) => Some(format!("load {machine}")),
                    (_, None) => Some(format!("remove {machine}")),
                }
            };
            [Some("switch".to_owned())].into_iter().chain(pairs.iter().map(one)).flatten().collect()
        }
        Instruction::Start(app) => vec![format!("start {app}")],
        Instruction::Stop(app) => vec![format!("stop {app}")],
        Instruction::Restart(app) => vec![format!("restart {app}")],
        _ => vec![],
    }
}
