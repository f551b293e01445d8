//! `appup.toml`: what an application does when it comes from another of its versions.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::derive::{RULES, Rule};
use camshaft_cam::diagnostic::{Diagnostic, Source, did_you_mean};
use camshaft_cam::suite::laws::Law;

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
    /// The machines that do what they did: held against law L3 at build time.
    pub preserving: BTreeSet<MachineName>,
}

/// A rule of compatibility that a person set aside, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// The id of the rule.
    pub rule: String,
    /// Why it may be broken here.
    pub reason: String,
    /// The machine that it is about; all of the application when there is none.
    pub machine: Option<MachineName>,
    /// The version of the application that the upgrade comes from; all when there is none.
    pub from: Option<Version>,
}

impl Waiver {
    /// Returns true when it sets aside what a rule says of a machine that comes from a version.
    pub fn covers(&self, rule: Rule, machine: &MachineName, from: &Version) -> bool {
        self.sets_aside(&rule.to_string(), machine, from)
    }

    /// The same, of a rule or law by its id.
    pub fn sets_aside(&self, id: &str, machine: &MachineName, from: &Version) -> bool {
        self.rule == id
            && self.machine.as_ref().is_none_or(|only| only == machine)
            && self.from.as_ref().is_none_or(|only| only == from)
    }

    /// Says what it is about, without the reason: `U019 for machine counter, from 1.0.0`.
    pub fn subject(&self) -> String {
        let machine = self.machine.iter().map(|machine| format!(" for machine {machine}"));
        let from = self.from.iter().map(|from| format!(", from {from}"));
        [self.rule.clone()].into_iter().chain(machine).chain(from).collect()
    }
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
                        let waiver = item.table_with(|table| {
                            let waiver = read_waiver(table);
                            refuse_unknown_rule(table);
                            waiver
                        })?;
                        let subject = waiver.subject();
                        seen.note(item, subject.clone(), &format!("the rule {subject}"));
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
    let machine = match table.optional("machine") {
        Some(field) => field.word().map(Some),
        None => Some(None),
    };
    let from = match table.optional("from") {
        Some(field) => field.word().map(Some),
        None => Some(None),
    };
    Some(Waiver { rule: rule?, reason: reason?, machine: machine?, from: from? })
}

/// Refuses a waiver of a rule that there is not: its author believes that something is set aside.
/// Not asked of a bundle, which an older or newer version may have written.
fn refuse_unknown_rule(table: &Table<'_, '_>) {
    let Some(field) = table.optional("rule") else { return };
    let Some(rule) = field.text().filter(|text| !text.trim().is_empty()) else { return };
    let is_law = Law::ALL.iter().any(|law| law.id() == rule);
    if Rule::of_id(rule).is_some() || is_law {
        return;
    }
    let message = format!("there is no rule `{rule}`");
    let fault = table.reader.diagnostic("M0126", field.span.clone(), message, "");
    let ids: Vec<String> = RULES.iter().map(|text| text.rule.to_string()).collect();
    let more = "docs/compatibility.md lists the rules, and camshaft explain tells about one";
    table.reader.fault(fault.help(match did_you_mean(rule, ids.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`? {more}"),
        None => more.to_owned(),
    }));
}

pub(crate) fn write_waiver(writer: &mut Writer, waiver: &Waiver) {
    writer.text("rule", &waiver.rule);
    writer.text("reason", &waiver.reason);
    writer.text_if("machine", waiver.machine.as_ref());
    writer.text_if("from", waiver.from.as_ref());
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
                let machines = match table.optional("machines") {
                    Some(field) => field.table().and_then(|table| read_machines(&table)),
                    None => Some(AppupFrom::default()),
                };
                Some((version?, machines?))
            })
        })
        .collect();
    read.into_iter().collect()
}

fn read_machines(table: &Table<'_, '_>) -> Option<AppupFrom> {
    let mut from = AppupFrom::default();
    let mut whole = true;
    for (name, _, field) in table.entries::<MachineName>() {
        let read = field.table_with(|table| {
            let preserves = match table.optional("preserves_behaviour") {
                Some(field) => field.truth()?,
                None => false,
            };
            // A machine is named for the one or the other.
            let migration = match (preserves, table.optional("migration")) {
                (true, None) => None,
                (_, Some(field)) => Some(field.word()?),
                (false, None) => Some(table.required("migration")?.word()?),
            };
            Some((migration, preserves))
        });
        let Some((migration, preserves)) = read else {
            whole = false;
            continue;
        };
        if preserves {
            from.preserving.insert(name.clone());
        }
        if let Some(path) = migration {
            from.migrations.insert(name, path);
        }
    }
    whole.then_some(from)
}

/// Writes an `appup.toml`.
pub fn write(appup: &Appup) -> String {
    let mut writer = Writer::default();
    for (version, from) in &appup.from {
        writer.item("from");
        writer.text("version", version);
        let machines: BTreeSet<&MachineName> = from.migrations.keys().chain(&from.preserving).collect();
        for machine in machines {
            writer.table(format_args!("from.machines.{machine}"));
            writer.text_if("migration", from.migrations.get(machine));
            if from.preserving.contains(machine) {
                writer.raw("preserves_behaviour", true);
            }
        }
    }
    for waiver in &appup.waivers {
        writer.item("waive");
        write_waiver(&mut writer, waiver);
    }
    writer.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Document;
    use crate::schema::testing::check;

    #[test]
    fn an_appup_reads_back_what_it_writes() {
        let good = "[[from]]\nversion = \"1.0.0\"\n\n[from.machines.counter]\n\
                    migration = \"migrations/counter-2.0.0-from-1.0.0.cam\"\n\n[[from]]\nversion = \"1.1.0\"\n\n\
                    [from.machines.clock]\npreserves_behaviour = true\n\n\
                    [[waive]]\nrule = \"U019\"\nreason = \"nobody used it\"\n\n\
                    [[waive]]\nrule = \"U024\"\nreason = \"a new client only\"\nmachine = \"counter\"\n\
                    from = \"1.0.0\"\n";
        let appup = read(&Source::new("appup.toml", good)).expect("good");
        assert_eq!(write(&appup), good);
        assert_eq!(read(&Source::new("appup.toml", "")), Ok(Appup::default()));
    }

    #[test]
    fn each_fault_is_named_and_placed() {
        let refused = |text: &str, expect: &str| check(Document::Appup, text, read, expect);
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
        refused("[[waive]]\nrule = 'U019'", "M0103 `[[waive]]` `[waive]` needs the key `reason`");
        refused("[[waive]]\nrule = 'U019'\nreason = ' '", "M0115 `' '` `waive.reason` may not be empty");
        refused(
            "[[waive]]\nrule = 'U019'\nreason = 'a'\n[[waive]]\nrule = 'U019'\nreason = 'b'",
            "M0112 `[[waive]]` the rule U019 stands twice in `waive`",
        );
        refused(
            "[[waive]]\nrule = 'U019'\nreason = 'a'\nmachine = 'm'\nfrom = '1.0.0'\n\
             [[waive]]\nrule = 'U019'\nreason = 'b'\nmachine = 'm'\nfrom = '1.0.0'",
            "M0112 `[[waive]]` the rule U019 for machine m, from 1.0.0 stands twice in `waive`",
        );
        let more = "docs/compatibility.md lists the rules, and camshaft explain tells about one";
        refused(
            "[[waive]]\nrule = 'u019'\nreason = 'a'",
            &format!("M0126 `'u019'` there is no rule `u019`\nhelp: did you mean `U019`? {more}"),
        );
        refused(
            "[[waive]]\nrule = 'everything'\nreason = 'a'",
            &format!("M0126 `'everything'` there is no rule `everything`\nhelp: {more}"),
        );
        refused(
            "[[waive]]\nrule = 'U019'\nreason = 'a'\nfrom = 'old'\nmachine = 'M'",
            "M0106 `'old'` `old` is no semantic version such as 1.2.0: unexpected character 'o' while parsing major \
             version number\n\
             M0105 `'M'` `M` is no name: a name is a lower-case letter, then lower-case letters, digits and `_`",
        );
    }
}
