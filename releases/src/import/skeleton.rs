//! The documents that an imported `.appup` becomes: entries of `appup.toml`, and migrations with holes.
//!
//! What is there stays: an entry, a machine of an entry and a migration that exist are left as they are,
//! and who imports twice gets the same files as who imports once.

use std::collections::BTreeMap;
use std::fmt::Write;

use camshaft_cam::diagnostic::Source;
use camshaft_manifests::{MachineName, Version};

use super::translate::{Covered, Facts, Imported, Need, Note, Outcome, Translated, Way};
use crate::project::{APPUP_FILE, naming};

/// The longest instruction that a comment repeats, in letters.
const SHOWN_MAX: usize = 160;

/// What is to be written, by path relative to the application's folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skeleton {
    /// New files, and the appup with what is new in it.
    pub files: BTreeMap<String, String>,
    /// Migrations that are new, with the number of their holes.
    pub migrations: BTreeMap<String, usize>,
    /// What was there already and is left as it is.
    pub kept: Vec<String>,
}

/// Returns the documents of an imported `.appup`.
///
/// `text` is that of the appup that is there, and `exists` tells which files are, by path relative to the
/// application's folder.
pub fn skeleton(
    source: &Source,
    imported: &Imported,
    facts: &Facts,
    text: &str,
    exists: &dyn Fn(&str) -> bool,
) -> Skeleton {
    let mut made = Skeleton::default();
    let mut appup = text.to_owned();
    for entry in &imported.entries {
        let head = format!("# {}, from {}:", source.name, harmless(&entry.shown));
        if !appup.lines().any(|line| line == head) {
            if !appup.trim().is_empty() {
                appup = format!("{}\n\n", appup.trim_end());
            }
            appup += &format!("{head}\n{}", comment(entry));
        }
        if entry.as_range {
            range_of(&mut appup, &mut made, (source, entry), facts);
            continue;
        }
        let Covered::Versions(versions) = &entry.covered else { continue };
        for version in versions {
            if !entry_of(&mut appup, &mut made, (source, entry), version, facts) {
                continue;
            }
            for (machine, need) in needs(entry, version) {
                migration(&mut appup, &mut made, (source, entry, facts), (version, machine, need), exists);
            }
        }
    }
    if appup != text {
        made.files.insert(APPUP_FILE.to_owned(), appup);
    }
    made
}

fn needs<'e>(entry: &'e Translated, version: &Version) -> impl Iterator<Item = (&'e MachineName, &'e Need)> {
    let of_version = entry.needs.iter().filter(move |((other, _), _)| other == version);
    of_version.map(|((_, machine), need)| (machine, need))
}

/// Adds the entry of a range, if there is none.
fn range_of(appup: &mut String, made: &mut Skeleton, (source, entry): (&Source, &Translated), facts: &Facts) {
    let Some(range) = &entry.range else { return };
    if facts.existing.ranges.iter().any(|(other, _)| other == range) {
        made.kept.push(format!("the entry for {range}"));
        return;
    }
    let _ = write!(appup, "[[from]]\nversions = \"{range}\"\n{}", restart(source, entry));
}

/// Adds the entry of a version, if there is none. Returns whether migrations may be named in it: not where it
/// is that of a range, which would no longer be for the version if it had an entry of its own.
fn entry_of(
    appup: &mut String,
    made: &mut Skeleton,
    (source, entry): (&Source, &Translated),
    version: &Version,
    facts: &Facts,
) -> bool {
    if let Some(key) = facts.existing.key_of(version) {
        let own = facts.existing.from.contains_key(version);
        made.kept.push(if own {
            format!("the entry for {key}")
        } else {
            format!("the entry for {key}, which takes {version} in,")
        });
        return own;
    }
    let _ = write!(appup, "[[from]]\nversion = \"{version}\"\n{}", restart(source, entry));
    true
}

/// Returns the line that gives up the states of the application, where an entry does.
fn restart(source: &Source, entry: &Translated) -> String {
    match entry.restarts {
        true => format!("restart = \"restart_application in {}\"\n", quotable(&source.name)),
        false => String::new(),
    }
}

/// Returns a name of a file as a string of TOML can hold it.
fn quotable(name: &str) -> String {
    harmless(name).chars().filter(|letter| !['"', '\\'].contains(letter)).collect()
}

/// Adds a migration and its name in the appup, where one is needed and none is there.
fn migration(
    appup: &mut String,
    made: &mut Skeleton,
    (source, entry, facts): (&Source, &Translated, &Facts),
    (version, machine, need): (&Version, &MachineName, &Need),
    exists: &dyn Fn(&str) -> bool,
) {
    let path = facts.migration_path(machine, version);
    let text = match need {
        Need::Derived => return,
        Need::Named => {
            made.kept.push(format!("the migration of {machine} from {version}"));
            return;
        }
        Need::Migration(text) => text.clone(),
        Need::Bare(extra) => bare(machine, version, facts, extra.as_deref()),
    };
    *appup = naming(appup, version, machine.as_str(), &path);
    if exists(&path) {
        made.kept.push(path);
        return;
    }
    let said: Vec<String> = entry
        .notes
        .iter()
        .filter(|note| note.outcome == Outcome::Written && note.text.contains(&path))
        .map(|note| format!("// {} {}: {}\n", source.name, word(note.way), harmless(&note.shown)))
        .collect();
    let text = format!("{}{text}", said.concat());
    let text = camshaft_cam::format::format(&Source::new(path.as_str(), text.as_str())).unwrap_or(text);
    made.migrations.insert(path.clone(), holes(&text));
    made.files.insert(path, text);
}

/// Returns the number of holes of a migration.
fn holes(text: &str) -> usize {
    text.lines().map(|line| line.split("//").next().unwrap_or_default().matches('?').count()).sum()
}

/// Returns a migration that says nothing yet.
fn bare(machine: &MachineName, version: &Version, facts: &Facts, extra: Option<&str>) -> String {
    let extra = extra.map_or(String::new(), |extra| {
        format!("// `Extra` was {}: what it said belongs into these functions.\n", harmless(extra))
    });
    format!(
        "migration {machine} from \"{version}\"\n\n{extra}\
         // What a state of {version} becomes, as `code_change` said on the way up.\n\
         up (old) = ?\n\n\
         // What a state of {} becomes on the way back. Where there is no way back: `down (new) = fail \"why\"`\n\
         down (new) = ?\n",
        facts.version
    )
}

/// Returns what is told of an entry, as a comment.
fn comment(entry: &Translated) -> String {
    let mut text = String::new();
    for remark in &entry.remarks {
        let _ = writeln!(text, "#   {}", harmless(remark));
    }
    for note in &entry.notes {
        let _ = writeln!(text, "#   {} {}", word(note.way), harmless(&note.shown));
        let _ = writeln!(text, "#     {}: {}", said(note), harmless(&note.text));
        if note.shown.starts_with("{apply") {
            text += APPLY;
        }
    }
    for difference in &entry.differences {
        let _ = writeln!(text, "#   up and down differ: {}", harmless(difference));
    }
    if let Covered::Nothing(reason) = &entry.covered
        && !entry.as_range
    {
        let _ = writeln!(text, "#   no entry: {}", harmless(reason));
    }
    text
}

/// What an input instead of a function looks like.
const APPLY: &str = "\
#     [[from.apply]]
#     machine = \"NAME\"
#     input = '\"Input\"'      # what the upgrade tells the machine
#     inverse = '\"Input\"'    # what undoes it
";

fn said(note: &Note) -> &'static str {
    match note.outcome {
        Outcome::Written => "written",
        Outcome::Follows => "nothing to write",
        Outcome::Dropped => "dropped",
        Outcome::Open => "for you",
    }
}

fn word(way: Way) -> &'static str {
    match way {
        Way::Up => "up",
        Way::Down => "down",
    }
}

/// Returns a text that a comment of one line can hold.
fn harmless(text: &str) -> String {
    let text: String =
        text.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect();
    match text.char_indices().nth(2 * SHOWN_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
