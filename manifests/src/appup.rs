//! `appup.toml`: what an application does when it comes from another of its versions.

use std::collections::BTreeMap;

use camshaft_cam::derive::{RULES, Rule};
use camshaft_cam::diagnostic::{Diagnostic, Source, did_you_mean};
use camshaft_cam::suite::laws::Law;

use crate::address::Key;
use crate::name::{AppName, MachineName};
use crate::path::RelativePath;
use crate::reader::{Field, Reader, Seen, Table};
use crate::relup::INPUT_BYTES_MAX;
use crate::transition::REASON_BYTES_MAX;
use crate::version::{Requirement, Version};
use crate::writer::Writer;

/// What an application does when it comes from other versions, and goes back to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Appup {
    /// By the version that it comes from.
    pub from: BTreeMap<Version, AppupFrom>,
    /// By a range of versions, for those that have no entry of their own. In the author's order,
    /// which says nothing: no two of them may take in one version.
    pub ranges: Vec<(Requirement, AppupFrom)>,
    /// Rules of compatibility that a person set aside.
    pub waivers: Vec<Waiver>,
}

/// What an application does when it comes from one other version, or one of a range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AppupFrom {
    /// What the application was called there, where that is something else.
    pub app: Option<AppName>,
    /// Why it gives up the states of its machines, if it does.
    pub restart: Option<String>,
    /// What becomes of its machines; those that are not named follow from their types.
    pub machines: BTreeMap<MachineName, MachineFrom>,
    /// Inputs that are given after the switch, in order.
    pub applies: Vec<ApplyFrom>,
}

/// What an appup says of a machine. At least one of it is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MachineFrom {
    /// The file of the migration, relative to the application's folder.
    pub migration: Option<RelativePath>,
    /// It does what it did: held against law L3 at build time.
    pub preserves: bool,
    /// What the machine was called, where that is something else.
    pub was: Option<MachineName>,
    /// Its instances are migrated right after the switch, and not when they are next used.
    pub at_once: bool,
}

/// An input that an appup gives to an instance after the switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApplyFrom {
    /// The machine.
    pub machine: MachineName,
    /// The key of the instance, when the machine is keyed.
    pub key: Option<Key>,
    /// The input, in the JSON form of values.
    pub input: String,
    /// The input of the older machine that undoes it after going back.
    pub inverse: Option<String>,
}

impl Appup {
    /// Returns what is said of coming from a version: its own entry, or that of the range that it is in.
    pub fn of(&self, version: &Version) -> Option<&AppupFrom> {
        let ranged = || self.ranges.iter().find(|(range, _)| range.matches(version)).map(|(_, from)| from);
        self.from.get(version).or_else(ranged)
    }

    /// Returns what the entry for a version is called: the version, or the range that it is in.
    pub fn key_of(&self, version: &Version) -> Option<String> {
        if self.from.contains_key(version) {
            return Some(version.to_string());
        }
        self.ranges.iter().find(|(range, _)| range.matches(version)).map(|(range, _)| range.to_string())
    }

    /// Returns the ranges that take in a version which has no entry of its own: no more than one may.
    pub fn ranges_of<'a>(&'a self, version: &'a Version) -> impl Iterator<Item = &'a Requirement> {
        let ranges = self.ranges.iter().filter(|(range, _)| range.matches(version)).map(|(range, _)| range);
        ranges.filter(|_| !self.from.contains_key(version))
    }

    /// Returns all entries, those of single versions first, and how messages call them.
    pub fn entries(&self) -> impl Iterator<Item = (String, &AppupFrom)> {
        let exact = self.from.iter().map(|(version, from)| (version.to_string(), from));
        exact.chain(self.ranges.iter().map(|(range, from)| (range.to_string(), from)))
    }
}

impl AppupFrom {
    /// Returns the file of a machine's migration.
    pub fn migration(&self, machine: &MachineName) -> Option<&RelativePath> {
        self.machines.get(machine)?.migration.as_ref()
    }

    /// Returns true for a machine that does what it did.
    pub fn preserves(&self, machine: &MachineName) -> bool {
        self.machines.get(machine).is_some_and(|machine| machine.preserves)
    }
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
            None => Some((BTreeMap::new(), vec![])),
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
        let (from, ranges) = from?;
        Some(Appup { from, ranges, waivers: waivers? })
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

type Entries = (BTreeMap<Version, AppupFrom>, Vec<(Requirement, AppupFrom)>);

fn read_from(field: &Field<'_, '_>) -> Option<Entries> {
    let mut seen = Seen::default();
    let mut entries = Entries::default();
    let mut whole = true;
    for item in field.items()? {
        let read = item.table_with(|table| {
            let key = read_key(table, &mut seen, &item);
            let from = read_entry(table);
            Some((key?, from?))
        });
        match read {
            Some((Came::From(version), from)) => drop(entries.0.insert(version, from)),
            Some((Came::FromOneOf(range), from)) => entries.1.push((range, from)),
            None => whole = false,
        }
    }
    whole.then_some(entries)
}

/// Where an entry comes from.
enum Came {
    From(Version),
    FromOneOf(Requirement),
}

fn read_key(table: &Table<'_, '_>, seen: &mut Seen<String>, item: &Field<'_, '_>) -> Option<Came> {
    let came = match table.optional("versions") {
        Some(range) => {
            if let Some(version) = table.optional("version") {
                let message = "an entry is for one `version` or for a range of `versions`, not for both";
                version.refuse("M0132", message);
                return None;
            }
            Came::FromOneOf(range.word()?)
        }
        None => Came::From(table.required("version")?.word()?),
    };
    let what = match &came {
        Came::From(version) => format!("version {version}"),
        Came::FromOneOf(range) => format!("the range {range}"),
    };
    seen.note(item, what.clone(), &what);
    Some(came)
}

fn read_entry(table: &Table<'_, '_>) -> Option<AppupFrom> {
    let app = match table.optional("app") {
        Some(field) => field.word().map(Some),
        None => Some(None),
    };
    let restart_field = table.optional("restart");
    let restart = match &restart_field {
        Some(field) => field.prose(REASON_BYTES_MAX).map(Some),
        None => Some(None),
    };
    let machines = match table.optional("machines") {
        Some(field) => field.table().and_then(|table| read_machines(&table)),
        None => Some(BTreeMap::new()),
    };
    let applies = match table.optional("apply") {
        Some(field) => field.items().and_then(|items| {
            let read: Vec<_> = items.iter().map(|item| item.table_with(read_apply)).collect();
            read.into_iter().collect()
        }),
        None => Some(Vec::new()),
    };
    let from = AppupFrom { app: app?, restart: restart?, machines: machines?, applies: applies? };
    if let Some(field) = restart_field
        && let Some((machine, _)) = from.machines.iter().find(|(_, said)| said.speaks_of_state())
    {
        let message =
            format!("the application gives up its states, and {machine} is to be migrated: only one can be");
        field.refuse("M0133", message);
        return None;
    }
    Some(from)
}

impl MachineFrom {
    /// Returns true when it says something of the states.
    fn speaks_of_state(&self) -> bool {
        self.migration.is_some() || self.preserves || self.at_once
    }
}

fn read_apply(table: &Table<'_, '_>) -> Option<ApplyFrom> {
    let machine = table.required("machine").and_then(|field| field.word());
    let key = match table.optional("key") {
        Some(field) => match field.text()?.parse::<Key>() {
            Ok(key) => Some(Some(key)),
            Err(error) => {
                field.refuse("M0113", error.to_string());
                None
            }
        },
        None => Some(None),
    };
    let input = table.required("input").and_then(|field| field.prose(INPUT_BYTES_MAX));
    let inverse = match table.optional("inverse") {
        Some(field) => field.prose(INPUT_BYTES_MAX).map(Some),
        None => Some(None),
    };
    Some(ApplyFrom { machine: machine?, key: key?, input: input?, inverse: inverse? })
}

/// When the instances of a machine are migrated.
const WHEN: [(&str, bool); 2] = [("at_once", true), ("when_used", false)];

fn read_machines(table: &Table<'_, '_>) -> Option<BTreeMap<MachineName, MachineFrom>> {
    let mut machines = BTreeMap::new();
    let mut whole = true;
    for (name, _, field) in table.entries::<MachineName>() {
        let read = field.table_with(|table| {
            let [preserves, was, at_once] =
                ["preserves_behaviour", "was", "migrate"].map(|key| table.optional(key));
            let said = preserves.is_some() || was.is_some() || at_once.is_some();
            let preserves = preserves.map_or(Some(false), |field| field.truth());
            let was = was.map_or(Some(None), |field| field.word().map(Some));
            let at_once = at_once.map_or(Some(false), |field| field.one_of(&WHEN));
            // A machine is named for one of these.
            let migration = match table.optional("migration") {
                Some(field) => field.word().map(Some),
                None if said => Some(None),
                None => table.required("migration").and_then(|field| field.word().map(Some)),
            };
            Some(MachineFrom { migration: migration?, preserves: preserves?, was: was?, at_once: at_once? })
        });
        match read {
            Some(said) => drop(machines.insert(name, said)),
            None => whole = false,
        }
    }
    whole.then_some(machines)
}

/// Writes an `appup.toml`.
pub fn write(appup: &Appup) -> String {
    let mut writer = Writer::default();
    for (version, from) in &appup.from {
        writer.item("from");
        writer.text("version", version);
        write_entry(&mut writer, from);
    }
    for (range, from) in &appup.ranges {
        writer.item("from");
        writer.text("versions", range);
        write_entry(&mut writer, from);
    }
    for waiver in &appup.waivers {
        writer.item("waive");
        write_waiver(&mut writer, waiver);
    }
    writer.end()
}

fn write_entry(writer: &mut Writer, from: &AppupFrom) {
    writer.text_if("app", from.app.as_ref());
    writer.text_if("restart", from.restart.as_ref());
    for (name, machine) in &from.machines {
        writer.table(format_args!("from.machines.{name}"));
        writer.text_if("was", machine.was.as_ref());
        writer.text_if("migration", machine.migration.as_ref());
        if machine.preserves {
            writer.raw("preserves_behaviour", true);
        }
        if machine.at_once {
            writer.text("migrate", "at_once");
        }
    }
    for apply in &from.applies {
        writer.item("from.apply");
        writer.text("machine", &apply.machine);
        writer.text_if("key", apply.key.as_ref());
        writer.text("input", &apply.input);
        writer.text_if("inverse", apply.inverse.as_ref());
    }
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
                    [[from]]\nversion = \"1.2.0\"\napp = \"old\"\nrestart = \"a cache\"\n\n\
                    [from.machines.desk]\nwas = \"table\"\n\n\
                    [[from]]\nversions = \"^2.0\"\n\n\
                    [from.machines.clock]\nmigrate = \"at_once\"\n\n\
                    [[from.apply]]\nmachine = \"clock\"\nkey = \"k\"\ninput = \"\\\"Set\\\"\"\n\
                    inverse = \"\\\"Unset\\\"\"\n\n\
                    [[waive]]\nrule = \"U019\"\nreason = \"nobody used it\"\n\n\
                    [[waive]]\nrule = \"U024\"\nreason = \"a new client only\"\nmachine = \"counter\"\n\
                    from = \"1.0.0\"\n";
        let appup = read(&Source::new("appup.toml", good)).expect("good");
        assert_eq!(write(&appup), good);
        assert_eq!(read(&Source::new("appup.toml", "")), Ok(Appup::default()));
    }

    #[test]
    fn a_version_has_its_own_entry_or_that_of_its_range() {
        let text = "[[from]]\nversions = '^1'\nrestart = 'all'\n\
                    [[from]]\nversion = '1.5.0'\nrestart = 'one'\n\
                    [[from]]\nversions = '>=1.7'\nrestart = 'late'\n";
        let appup = read(&Source::new("appup.toml", text)).expect("good");
        let version = |text: &str| -> Version { text.parse().expect("a version") };
        let of = |text: &str| appup.of(&version(text)).and_then(|from| from.restart.as_deref());
        assert_eq!(
            (of("1.4.0"), of("1.5.0"), of("2.0.0"), of("0.9.0")),
            (Some("all"), Some("one"), Some("late"), None)
        );
        let ranges =
            |text: &str| appup.ranges_of(&version(text)).map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(ranges("1.5.0"), Vec::<String>::new());
        assert_eq!(ranges("1.4.0"), ["^1"]);
        assert_eq!(ranges("1.8.0"), ["^1", ">=1.7"]);
        let names: Vec<String> = appup.entries().map(|(name, _)| name).collect();
        assert_eq!(names, ["1.5.0", "^1", ">=1.7"]);
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
        refused(
            "[[from]]\nversion = '1.0.0'\nversions = '^1'",
            "M0132 `'1.0.0'` an entry is for one `version` or for a range of `versions`, not for both",
        );
        refused(
            "[[from]]\nversions = '^1'\n[[from]]\nversions = '^1'",
            "M0112 `[[from]]` the range ^1 stands twice in `from`",
        );
        refused(
            "[[from]]\nversion = '1.0.0'\nrestart = 'a cache'\nmachines.m.migrate = 'at_once'",
            "M0133 `'a cache'` the application gives up its states, and m is to be migrated: only one can be",
        );
        refused(
            "[[from]]\nversion = '1.0.0'\nmachines.m.migrate = 'now'",
            "M0111 `'now'` `from.machines.m.migrate` is one of `at_once`, `when_used`, found `now`",
        );
        refused(
            "[[from]]\nversion = '1.0.0'\n[[from.apply]]\nmachine = 'm'\nkey = ''",
            "M0103 `[[from.apply]]` `[from.apply]` needs the key `input`\n\
             M0113 `''` a key is not empty",
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
