//! Migrations for a person to finish: for every edge that is not derived and that nobody wrote yet.

use camshaft_cam::compile;
use camshaft_cam::diagnostic::Diagnostic;
use camshaft_manifests::{MachineAddress, Version};

use super::{APPUP_FILE, Files, Find, Locking, documents, locked, machines, modules, order, ways};

/// A migration that is to be finished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The machine.
    pub machine: MachineAddress,
    /// The version of the application that it comes from.
    pub from: Version,
    /// Where it belongs, relative to the project.
    pub path: String,
    /// The text, formatted.
    pub text: String,
    /// How many holes it has.
    pub holes: usize,
}

/// What there is to finish, and the appups that name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Templates {
    /// The migrations.
    pub templates: Vec<Template>,
    /// The appups as they are with them, by path.
    pub appups: std::collections::BTreeMap<String, String>,
}

/// Returns a migration with holes for every machine that changed since a predecessor, is not derived and
/// has no migration yet. `only`: from this version of the release alone.
///
/// # Errors
///
/// All faults of documents and machines.
pub fn templates(
    files: &Files,
    find: Find<'_>,
    only: Option<&Version>,
) -> Result<Templates, Vec<Diagnostic>> {
    let (source, manifest) = documents::release(files)?;
    let apps = order::sorted(&source, documents::apps(files, &source, &manifest, find)?)?;
    let (found, _) = locked(files, &source, &manifest, &apps, find, Locking::Update)?;
    let modules = modules::read(files, &apps)?;
    let ways = ways::read(&apps, &found)?;
    let compiled = machines::compile(files, &apps, &modules, &found, &ways)?;
    let mut made = Templates::default();
    for app in &apps {
        for name in &app.manifest.machines {
            let address = MachineAddress { app: app.manifest.name.clone(), machine: name.clone() };
            let new = &compiled[&(address.app.clone(), name.clone())].verified;
            for release in
                found.iter().filter(|release| only.is_none_or(|only| release.resolved.version == *only))
            {
                let was = ways.from(release).was(&address);
                let Some(old) = was.and_then(|was| release.resolved.machine(&was)) else { continue };
                let Some(version) = ways.old_app(release, app).map(|app| &app.version) else { continue };
                let named = app.appup.as_ref().and_then(|appup| appup.of(version));
                let written = named.is_some_and(|from| from.migration(name).is_some())
                    || ways.restarts(release, app)
                    || made.templates.iter().any(|other| other.machine == address && other.from == *version);
                if old.digest == new.digest() || written {
                    continue;
                }
                let template = compile::template(&release.machines[&old.digest], new, &version.to_string());
                let Some(text) = template else { continue };
                let file = format!("migrations/{name}-{}-from-{version}.cam", app.manifest.version);
                let path = app.path(&file);
                let text =
                    camshaft_cam::format::format(&camshaft_cam::diagnostic::Source::new(&*path, &*text))
                        .unwrap_or(text);
                let appup = app.path(APPUP_FILE);
                let before = made.appups.get(&appup).or_else(|| files.get(&appup));
                let after = naming(before.map_or("", String::as_str), version, name.as_str(), &file);
                made.appups.insert(appup, after);
                let holes = text.lines().map(|line| line.split("//").next().unwrap_or_default());
                made.templates.push(Template {
                    machine: address.clone(),
                    from: version.clone(),
                    path,
                    holes: holes.map(|line| line.matches('?').count()).sum(),
                    text,
                });
            }
        }
    }
    Ok(made)
}

/// Returns the text of an appup with an entry for a migration; everything else stays as it is.
pub(crate) fn naming(appup: &str, version: &Version, machine: &str, file: &str) -> String {
    let entry = format!("[from.machines.{machine}]\nmigration = \"{file}\"\n");
    let lines: Vec<&str> = appup.lines().collect();
    let is_head = |line: &str| line.trim_start().starts_with("[[");
    let quoted = format!("\"{version}\"");
    let of_version = |start: usize| {
        lines[start + 1..].iter().take_while(|line| !line.trim_start().starts_with('[')).any(|line| {
            line.split_once('=').is_some_and(|(key, value)| key.trim() == "version" && value.trim() == quoted)
        })
    };
    let at = (0..lines.len()).find(|index| lines[*index].trim() == "[[from]]" && of_version(*index));
    let Some(at) = at else {
        let before =
            if appup.trim().is_empty() { String::new() } else { format!("{}\n\n", appup.trim_end()) };
        return format!("{before}[[from]]\nversion = {quoted}\n\n{entry}");
    };
    let end = (at + 1..lines.len()).find(|index| is_head(lines[*index])).unwrap_or(lines.len());
    let (head, tail) = (lines[..end].join("\n"), lines[end..].join("\n"));
    let tail = if tail.is_empty() { String::new() } else { format!("\n{tail}\n") };
    format!("{}\n\n{entry}{tail}", head.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use camshaft_cam::diagnostic::Source;
    use camshaft_manifests::appup;

    #[test]
    fn an_appup_names_the_migration_and_keeps_the_rest() {
        let version: Version = "1.0.0".parse().expect("a version");
        let named = |text: &str| {
            let after = naming(text, &version, "till", "migrations/till.cam");
            let read = appup::read(&Source::new("appup.toml", after.as_str()));
            let read = read.unwrap_or_else(|faults| panic!("{faults:?}\n{after}"));
            let path = read.from[&version].migration(&"till".parse().expect("a name")).expect("named");
            assert_eq!(path.as_str(), "migrations/till.cam");
            (after, read.from.len(), read.waivers.len())
        };
        let fresh =
            "[[from]]\nversion = \"1.0.0\"\n\n[from.machines.till]\nmigration = \"migrations/till.cam\"\n";
        assert_eq!(named(""), (fresh.to_owned(), 1, 0));
        let waiver = "# why\n[[waive]]\nrule = \"U019\"\nreason = \"so\"\n";
        assert_eq!(named(waiver), (format!("{waiver}\n{fresh}"), 1, 1));
        let both = "[[from]]   # the first\nversion = \"0.9.0\"\n\n[[from]]\n# that one\nversion = \"1.0.0\"\n\n\
                    [from.machines.desk]\nmigration = \"migrations/desk.cam\"\n\n[[waive]]\nrule = \"U019\"\nreason = \"so\"\n";
        let (after, entries, waivers) = named(both);
        assert_eq!((entries, waivers), (2, 1));
        assert!(after.starts_with("[[from]]   # the first") && after.contains("# that one"), "{after}");
        assert!(after.contains("desk.cam\"\n\n[from.machines.till]"), "{after}");
    }
}
