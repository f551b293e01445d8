//! The documents of a registry: `registry.toml`, and one record for each published release.
//!
//! A record says what a release is to those who look for one: its digest, its size, its
//! applications, where nodes may come from, and whether it was yanked. It is never what a release
//! is trusted by: that is the bundle, whose digest the record names.
//!
//! On a disk a record is TOML; a server tells the same in JSON.

use std::collections::BTreeMap;

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;
use serde::{Deserialize, Serialize};

use crate::app;
use crate::bundle::read_format;
use crate::name::{AppName, ReleaseName};
use crate::reader::{Reader, Seen, Table, check_canonical};
use crate::resolved::ResolvedApp;
use crate::version::Version;
use crate::writer::Writer;

/// The format of registries that this version writes and reads.
pub const FORMAT: u64 = 1;

/// The longest name of who did something, in bytes.
pub const WHO_BYTES_MAX: usize = 200;

/// The longest reason of a yank, in bytes.
pub const REASON_BYTES_MAX: usize = 1000;

/// The latest time that a record may name: the end of the year 9999.
const TIME_MS_MAX: u64 = 253_402_300_799_999;

/// The most applications or predecessors of a release; as in a resolved release.
const ENTRIES_MAX: usize = 2048;

/// A published release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedRelease {
    /// The name.
    pub name: ReleaseName,
    /// The version.
    pub version: Version,
    /// The digest of the bundle: that of its manifest.
    pub digest: Digest,
    /// The size of the bundle as one archive, in bytes.
    pub archive_bytes: u64,
    /// The number of files, the manifest among them.
    pub files: u64,
    /// The bytes of all files together.
    pub bytes: u64,
    /// When it was published, and by whom.
    pub published: Stamp,
    /// The applications, in dependency order.
    pub apps: Vec<PublishedApp>,
    /// The releases that nodes may come from, sorted by version.
    pub predecessors: BTreeMap<Version, Digest>,
    /// Why it is not to be used any more, if that was said.
    pub yanked: Option<Yank>,
}

/// When something was done, and by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Who.
    pub by: String,
}

/// An application of a published release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedApp {
    /// The name.
    pub name: AppName,
    /// The version.
    pub version: Version,
    /// What it is, see [`app_content`].
    pub content: Digest,
}

/// That a release is not to be used any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Yank {
    /// Why.
    pub reason: String,
    /// When, and by whom.
    #[serde(flatten)]
    pub stamp: Stamp,
}

/// Returns what an application is, whatever release it is part of: what it depends on, how it is
/// supervised, and its machines by digest. Configuration belongs to the release, and waivers to
/// the way from other versions; neither is part of it.
pub fn app_content(app: &ResolvedApp) -> Digest {
    let mut writer = Writer::default();
    writer.text("name", &app.name);
    writer.text("version", &app.version);
    app::write_depends(&mut writer, &app.depends);
    for (key, value) in app::supervision_pairs(&app.supervision) {
        writer.raw(key, value);
    }
    // The order is the author's and decides who is restarted with whom.
    for machine in &app.machines {
        writer.item("machine");
        writer.text("name", &machine.name);
        writer.raw("keyed", machine.keyed);
        writer.text("digest", machine.digest);
    }
    Digest::tagged("camshaft app 1", writer.end().as_bytes())
}

/// Reads a registry's `registry.toml`.
///
/// # Errors
///
/// All faults of the text; a format that this version does not know.
pub fn read_registry(source: &Source) -> Result<(), Vec<Diagnostic>> {
    Reader::read(source, |_, table| read_format(table, FORMAT).map(drop))
}

/// Writes a registry's `registry.toml`.
pub fn write_registry() -> String {
    let mut writer = Writer::commented("A registry of camshaft. Written by the tool; see docs/registry.md.");
    writer.raw("format", FORMAT);
    writer.end()
}

/// Reads a record.
///
/// # Errors
///
/// All faults of the text; a text that is not as [`write`] writes it.
pub fn read(source: &Source) -> Result<PublishedRelease, Vec<Diagnostic>> {
    let release = Reader::read(source, |_, table| {
        let format = read_format(table, FORMAT);
        let size = |key| table.required(key).and_then(|field| field.number(0..=u64::from(u32::MAX)));
        let name = table.required("name").and_then(|field| field.word());
        let version = table.required("version").and_then(|field| field.word());
        let digest = table.required("digest").and_then(|field| field.word());
        let (archive_bytes, files, bytes) = (size("archive_bytes"), size("files"), size("bytes"));
        let published = table.required("published").and_then(|field| field.table_with(read_stamp));
        let yanked = match table.optional("yanked") {
            Some(field) => field.table_with(read_yank).map(Some),
            None => Some(None),
        };
        let apps = read_list(table, "app", read_app, |app| app.name.clone());
        let predecessors = read_list(table, "predecessor", read_predecessor, |(version, _)| version.clone());
        format?;
        Some(PublishedRelease {
            name: name?,
            version: version?,
            digest: digest?,
            archive_bytes: archive_bytes?,
            files: files?,
            bytes: bytes?,
            published: published?,
            apps: apps?,
            predecessors: predecessors?.into_iter().collect(),
            yanked: yanked?,
        })
    })?;
    check_canonical(source, &write(&release))?;
    Ok(release)
}

/// Reads a list of tables that may be missing; entries of one key stand once.
fn read_list<'r, 'i, T, K: Ord + std::fmt::Display>(
    table: &Table<'r, 'i>,
    key: &'static str,
    read: impl Fn(&Table<'r, 'i>) -> Option<T>,
    name: impl Fn(&T) -> K,
) -> Option<Vec<T>> {
    let Some(field) = table.optional(key) else { return Some(vec![]) };
    let items = field.items()?;
    if items.len() > ENTRIES_MAX {
        field.refuse("M0113", format!("`{key}` has at most {ENTRIES_MAX} entries"));
        return None;
    }
    let mut seen = Seen::default();
    let mut entries = Vec::new();
    for item in &items {
        let entry = item.table_with(&read)?;
        let name = name(&entry);
        let what = format!("{key} {name}");
        seen.note(item, name, &what);
        entries.push(entry);
    }
    Some(entries)
}

fn read_stamp(table: &Table<'_, '_>) -> Option<Stamp> {
    let at_ms = table.required("at_ms").and_then(|field| field.number(0..=TIME_MS_MAX));
    let by = table.required("by").and_then(|field| field.prose(WHO_BYTES_MAX));
    Some(Stamp { at_ms: at_ms?, by: by? })
}

fn read_yank(table: &Table<'_, '_>) -> Option<Yank> {
    let stamp = read_stamp(table);
    let reason = table.required("reason").and_then(|field| field.prose(REASON_BYTES_MAX));
    Some(Yank { reason: reason?, stamp: stamp? })
}

fn read_app(table: &Table<'_, '_>) -> Option<PublishedApp> {
    let name = table.required("name").and_then(|field| field.word());
    let version = table.required("version").and_then(|field| field.word());
    let content = table.required("content").and_then(|field| field.word());
    Some(PublishedApp { name: name?, version: version?, content: content? })
}

fn read_predecessor(table: &Table<'_, '_>) -> Option<(Version, Digest)> {
    let version = table.required("version").and_then(|field| field.word());
    let digest = table.required("digest").and_then(|field| field.word());
    Some((version?, digest?))
}

/// Writes a record.
pub fn write(release: &PublishedRelease) -> String {
    let mut writer = Writer::default();
    writer.raw("format", FORMAT);
    writer.text("name", &release.name);
    writer.text("version", &release.version);
    writer.text("digest", release.digest);
    writer.raw("archive_bytes", release.archive_bytes);
    writer.raw("files", release.files);
    writer.raw("bytes", release.bytes);
    writer.table("published");
    write_stamp(&mut writer, &release.published);
    if let Some(yank) = &release.yanked {
        writer.table("yanked");
        write_stamp(&mut writer, &yank.stamp);
        writer.text("reason", &yank.reason);
    }
    for app in &release.apps {
        writer.item("app");
        writer.text("name", &app.name);
        writer.text("version", &app.version);
        writer.text("content", app.content);
    }
    for (version, digest) in &release.predecessors {
        writer.item("predecessor");
        writer.text("version", version);
        writer.text("digest", digest);
    }
    writer.end()
}

fn write_stamp(writer: &mut Writer, stamp: &Stamp) {
    writer.raw("at_ms", stamp.at_ms);
    writer.text("by", &stamp.by);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{After, OnTrap, Supervision};
    use crate::reader::testing::check;
    use crate::resolved::ResolvedMachine;

    fn app() -> ResolvedApp {
        let machine = |name: &str| ResolvedMachine {
            name: name.parse().expect("a name"),
            keyed: false,
            digest: Digest::of(name.as_bytes()),
            config: "[]".to_owned(),
        };
        ResolvedApp {
            name: "stock".parse().expect("a name"),
            version: "1.4.0".parse().expect("a version"),
            depends: [("base".parse().expect("a name"), "^1.0".parse().expect("a range"))].into(),
            supervision: Supervision::default(),
            machines: vec![machine("a"), machine("b")],
            waivers: vec![],
            strictness: None,
        }
    }

    fn release() -> PublishedRelease {
        let stamp = |by: &str| Stamp { at_ms: 1_700_000_000_000, by: by.to_owned() };
        PublishedRelease {
            name: "shop".parse().expect("a name"),
            version: "2.0.0".parse().expect("a version"),
            digest: Digest::of(b"manifest"),
            archive_bytes: 4711,
            files: 12,
            bytes: 9000,
            published: stamp("ann"),
            apps: vec![PublishedApp {
                name: "stock".parse().expect("a name"),
                version: "1.4.0".parse().expect("a version"),
                content: app_content(&app()),
            }],
            predecessors: [("1.0.0".parse().expect("a version"), Digest::of(b"old"))].into(),
            yanked: Some(Yank { reason: "loses \"orders\"".to_owned(), stamp: stamp("bob") }),
        }
    }

    #[test]
    fn a_record_reads_back_what_it_writes() {
        for release in [release(), PublishedRelease { yanked: None, apps: vec![], ..release() }] {
            let text = write(&release);
            assert_eq!(read(&Source::new("2.0.0.toml", text)), Ok(release));
        }
        assert_eq!(read_registry(&Source::new("registry.toml", write_registry())), Ok(()));
    }

    #[test]
    fn each_fault_is_named_and_placed() {
        let good = write(&release());
        let refused = |text: &str, expect: &str| check(text, read, expect);
        refused(
            &format!("{good}# more\n"),
            "M0120 `` this is not as the tool writes it: it was edited by hand or garbled",
        );
        refused(
            &good.replace("format = 1", "format = 2"),
            "M0121 `2` this is format 2; this version of camshaft knows format 1",
        );
        refused(&good.replace("by = \"bob\"", "by = \" \""), "M0115 `\" \"` `yanked.by` may not be empty");
        let reason = format!("reason = \"{}\"", "x".repeat(1001));
        let old = "reason = \"loses \\\"orders\\\"\"";
        let word = reason.trim_start_matches("reason = ");
        refused(
            &good.replace(old, &reason),
            &format!("M0113 `{word}` `yanked.reason` has at most 1000 bytes"),
        );
        refused(&good.replace("files = 12\n", ""), "M0103 `` the document needs the key `files`");
        let (head, app) = good.split_once("[[app]]").expect("an app");
        let (app, rest) = app.split_once("[[predecessor]]").expect("a predecessor");
        refused(
            &format!("{head}[[app]]{app}[[app]]{app}[[predecessor]]{rest}"),
            "M0112 `[[app]]` app stock stands twice in `app`",
        );
        check(
            "format = 3",
            read_registry,
            "M0121 `3` this is format 3; this version of camshaft knows format 1",
        );
    }

    #[test]
    fn what_an_application_is_follows_from_all_that_makes_it_run() {
        let content = app_content(&app());
        let mut others = vec![app(), app(), app(), app(), app()];
        others[0].machines[0].digest = Digest::of(b"other");
        others[1].machines.swap(0, 1);
        others[2].depends.clear();
        others[3].machines[1].keyed = true;
        others[4].supervision.machines = [("a".parse().expect("a name"), OnTrap::Hold(After::First))].into();
        for other in others {
            assert_ne!(app_content(&other), content);
        }
        let mut configured = app();
        configured.machines[0].config = "[1]".to_owned();
        assert_eq!(app_content(&configured), content);
    }
}
