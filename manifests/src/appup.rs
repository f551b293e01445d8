//! `appup.toml`: what an application does when it comes from another of its versions.

use std::collections::BTreeMap;

use camshaft_cam::diagnostic::{Diagnostic, Source};

use crate::name::MachineName;
use crate::path::RelativePath;
use crate::reader::{Field, Reader, Seen, Table};
use crate::version::Version;
use crate::writer::Writer;

/// The greatest length of a reason in bytes.
const REASON_BYTES_MAX: usize = 4096;

/// What an application does when it comes from other versions, and goes back to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appup {
    /// By the version that it comes from.
    pub from: BTreeMap<Version, AppupFrom>,
    /// Rules of compatibility that a person set aside.
    pub waivers: Vec<Waiver>,
}

/// What an application does when it comes from one other version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppupFrom {
    /// The file of the migration, relative to the application's folder, by machine. Machines
    /// whose migration can be derived need none.
    pub migrations: BTreeMap<MachineName, RelativePath>,
}

/// A rule of compatibility that a person set aside, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// The id of the rule.
    pub rule: String,
    /// Why it may be broken here.
    pub reason: String,
}

/// Reads an `appup.toml`.
///
/// # Errors
///
/// All faults of the text.
pub fn read(source: &Source) -> Result<Appup, Vec<Diagnostic>> {
    Reader::read(source, |_, table| {
        let from = match table.optional("from") {
            Some(field) => read_from(&field),
            None => Some(BTreeMap::new()),
        };
        let waivers = match table.optional("waive") {
            Some(field) => {
                let mut seen = Seen::default();
                let items = field.items()?;
                let read: Vec<Option<Waiver>> = items
                    .iter()
                    .map(|item| {
                        let waiver = item.table_with(read_waiver)?;
                        seen.note(item, waiver.rule.clone(), &format!("the rule {}", waiver.rule));
                        Some(waiver)
                    })
                    .collect();
                read.into_iter().collect()
            }
            None => Some(Vec::new()),
        };
        Some(Appup { from: from?, waivers: waivers? })
    })
}

pub(crate) fn read_waiver(table: &Table<'_, '_>) -> Option<Waiver> {
    let rule = table.required("rule").and_then(|field| field.prose(64));
    let reason = table.required("reason").and_then(|field| field.prose(REASON_BYTES_MAX));
    Some(Waiver { rule: rule?, reason: reason? })
}

fn read_from(field: &Field<'_, '_>) -> Option<BTreeMap<Version, AppupFrom>> {
    let mut seen = Seen::default();
    let read: Vec<Option<(Version, AppupFrom)>> = field
        .items()?
        .iter()
        .map(|item| {
            item.table_with(|table| {
                let version: Option<Version> = table.required("version").and_then(|field| field.word());
                if let Some(version) = &version {
                    seen.note(item, version.clone(), &format!("version {version}"));
                }
                let migrations = match table.optional("machines") {
                    Some(field) => field.table().and_then(|table| read_migrations(&table)),
                    None => Some(BTreeMap::new()),
                };
                Some((version?, AppupFrom { migrations: migrations? }))
            })
        })
        .collect();
    read.into_iter().collect()
}

fn read_migrations(table: &Table<'_, '_>) -> Option<BTreeMap<MachineName, RelativePath>> {
    let read: Vec<Option<_>> = table
        .entries::<MachineName>()
        .into_iter()
        .map(|(name, _, field)| {
            let path = field.table_with(|table| table.required("migration")?.word())?;
            Some((name, path))
        })
        .collect();
    read.into_iter().collect()
}

/// Writes an `appup.toml`.
pub fn write(appup: &Appup) -> String {
    let mut writer = Writer::default();
    for (version, from) in &appup.from {
        writer.item("from");
        writer.text("version", version);
        for (machine, path) in &from.migrations {
            writer.table(format_args!("from.machines.{machine}"));
            writer.text("migration", path);
        }
    }
    for waiver in &appup.waivers {
        writer.item("waive");
        writer.text("rule", &waiver.rule);
        writer.text("reason", &waiver.reason);
    }
    writer.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::testing::check;

    #[test]
    fn an_appup_reads_back_what_it_writes() {
        let good = "[[from]]\nversion = \"1.0.0\"\n\n[from.machines.counter]\n\
                    migration = \"migrations/counter-2.0.0-from-1.0.0.cam\"\n\n[[from]]\nversion = \"1.1.0\"\n\n\
                    [[waive]]\nrule = \"T07\"\nreason = \"nobody used it\"\n";
        let appup = read(&Source::new("appup.toml", good)).expect("good");
        assert_eq!(write(&appup), good);
        assert_eq!(read(&Source::new("appup.toml", "")), Ok(Appup::default()));
    }

    #[test]
    fn each_fault_is_named_and_placed() {
        let refused = |text: &str, expect: &str| check(text, read, expect);
        refused("from = '1.0.0'", "M0104 `'1.0.0'` `from` is a list, found a string");
        refused("[[from]]\n", "M0103 `[[from]]` `[from]` needs the key `version`");
        refused(
            "[[from]]\nversion = '1.0.0'\n[[from]]\nversion = '1.0.0'",
            "M0112 `[[from]]` version 1.0.0 stands twice in `from`",
        );
        refused(
            "[[from]]\nversion = '1.0.0'\nmachines.a.migration = 'c:/x'",
            "M0108 `'c:/x'` `c:/x` has the character ':', which paths here do not have",
        );
        refused(
            "[[from]]\nversion = '1.0.0'\n[from.machines.a]\nmigratoin = 'x'",
            "M0103 `[from.machines.a]` `[from.machines.a]` needs the key `migration`\n\
             M0102 `migratoin` `[from.machines.a]` has no key `migratoin`\nhelp: did you mean `migration`?",
        );
        refused("[[waive]]\nrule = 'T1'\nreason = ' '", "M0115 `' '` `waive.reason` may not be empty");
        refused(
            "[[waive]]\nrule = 'T1'\nreason = 'a'\n[[waive]]\nrule = 'T1'\nreason = 'b'",
            "M0112 `[[waive]]` the rule T1 stands twice in `waive`",
        );
    }
}
