//! `app.toml`: an application as its author writes it.

use std::collections::BTreeMap;

use camshaft_cam::derive::Strictness;
use camshaft_cam::diagnostic::{Diagnostic, Source};

use crate::duration::Millis;
use crate::name::{AppName, MachineName};
use crate::reader::{Field, Reader, Table};
use crate::version::{Requirement, Version};
use crate::writer::{Writer, quoted};

/// An application as its author writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppManifest {
    /// The name.
    pub name: AppName,
    /// The version; it stands here and nowhere else.
    pub version: Version,
    /// The applications that must run for this one to run.
    pub depends: BTreeMap<AppName, Requirement>,
    /// The machines, at least one; the text of each is `machines/NAME.cam`.
    pub machines: Vec<MachineName>,
    /// How the machines are looked after.
    pub supervision: Supervision,
    /// How much of compatibility is asked for, where it is not what the release asks for.
    pub strictness: Option<Strictness>,
}

/// How the machines of an application are looked after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Supervision {
    /// Which siblings share a hold or a reset.
    pub strategy: Strategy,
    /// When the application counts as unhealthy; `None`: never because of traps.
    pub intensity: Option<Intensity>,
}

/// Which siblings share a hold or a reset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strategy {
    /// None.
    #[default]
    OneForOne,
    /// Those that stand after it in `machines`.
    RestForOne,
    /// All.
    OneForAll,
}

/// So many traps within so long a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intensity {
    /// The number of traps.
    pub traps: u32,
    /// The time, in milliseconds.
    pub within: Millis,
}

const STRATEGIES: [(&str, Strategy); 3] = [
    (Strategy::OneForOne.word(), Strategy::OneForOne),
    (Strategy::RestForOne.word(), Strategy::RestForOne),
    (Strategy::OneForAll.word(), Strategy::OneForAll),
];

impl Strategy {
    /// Returns the word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Strategy::OneForOne => "one_for_one",
            Strategy::RestForOne => "rest_for_one",
            Strategy::OneForAll => "one_for_all",
        }
    }
}

/// Reads an `app.toml`.
///
/// # Errors
///
/// All faults of the text.
pub fn read(source: &Source) -> Result<AppManifest, Vec<Diagnostic>> {
    Reader::read(source, |reader, table| {
        let name: Option<AppName> = table.required("name").and_then(|field| field.word());
        let version = table.required("version").and_then(|field| field.word());
        let depends = match table.optional("depends") {
            Some(field) => field.table().and_then(|table| read_depends(&table)),
            None => Some(BTreeMap::new()),
        };
        if let (Some(name), Some(depends)) = (&name, &depends)
            && depends.contains_key(name)
        {
            let span = crate::locate(source, &[crate::Step::Key("depends"), crate::Step::Key(name.as_str())]);
            reader.refuse("M0114", span, format!("application {name} does not depend on itself"));
        }
        let machines = table.required("machines").and_then(|field| {
            let machines: Vec<MachineName> = field.words()?;
            if machines.is_empty() {
                field.refuse("M0115", "an application has at least one machine");
            }
            Some(machines)
        });
        let supervision = match table.optional("supervision") {
            Some(field) => read_supervision(&field),
            None => Some(Supervision::default()),
        };
        let strictness = match table.optional("strictness") {
            Some(field) => field.strictness().map(Some),
            None => Some(None),
        };
        Some(AppManifest {
            name: name?,
            version: version?,
            depends: depends?,
            machines: machines?,
            supervision: supervision?,
            strictness: strictness?,
        })
    })
}

pub(crate) fn read_depends(table: &Table<'_, '_>) -> Option<BTreeMap<AppName, Requirement>> {
    let read: Vec<Option<_>> =
        table.entries::<AppName>().into_iter().map(|(name, _, field)| Some((name, field.word()?))).collect();
    read.into_iter().collect()
}

pub(crate) fn read_supervision(field: &Field<'_, '_>) -> Option<Supervision> {
    field.table_with(|table| {
        let strategy = match table.optional("strategy") {
            Some(field) => field.one_of(&STRATEGIES),
            None => Some(Strategy::default()),
        };
        let intensity = match table.optional("intensity") {
            Some(field) => field.table_with(|table| {
                let traps = table.required("traps").and_then(|field| field.number(1..=1_000_000));
                let within = table.required("within").and_then(|field| {
                    let within: Millis = field.word()?;
                    if within.0 == 0 {
                        field.refuse("M0113", "a window of traps is longer than nothing");
                    }
                    Some(within)
                });
                let traps = u32::try_from(traps?).expect("at most a million");
                Some(Some(Intensity { traps, within: within? }))
            }),
            None => Some(None),
        };
        Some(Supervision { strategy: strategy?, intensity: intensity? })
    })
}

pub(crate) fn write_depends(writer: &mut Writer, depends: &BTreeMap<AppName, Requirement>) {
    if depends.is_empty() {
        return;
    }
    let entries: Vec<String> =
        depends.iter().map(|(name, range)| format!("{name} = {}", quoted(&range.to_string()))).collect();
    writer.raw("depends", format_args!("{{ {} }}", entries.join(", ")));
}

/// Returns the inside of the supervision table, for a table of its own or an inline one.
pub(crate) fn supervision_pairs(supervision: &Supervision) -> Vec<(&'static str, String)> {
    let mut pairs = vec![("strategy", quoted(supervision.strategy.word()))];
    if let Some(Intensity { traps, within }) = supervision.intensity {
        let within = quoted(&within.to_string());
        pairs.push(("intensity", format!("{{ traps = {traps}, within = {within} }}")));
    }
    pairs
}

/// Writes an `app.toml`.
pub fn write(app: &AppManifest) -> String {
    let mut writer = Writer::default();
    writer.text("name", &app.name);
    writer.text("version", &app.version);
    write_depends(&mut writer, &app.depends);
    writer.texts("machines", &app.machines);
    writer.text_if("strictness", app.strictness);
    if app.supervision != Supervision::default() {
        writer.table("supervision");
        for (key, value) in supervision_pairs(&app.supervision) {
            writer.raw(key, value);
        }
    }
    writer.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Document;
    use crate::schema::testing::check;

    #[test]
    fn an_app_reads_back_what_it_writes() {
        for good in [
            "name = \"stock\"\nversion = \"2.0.0\"\ndepends = { other = \"^1.0\", z = \"=2.0.0\" }\n\
             machines = [\"counter\", \"a\"]\n\n[supervision]\nstrategy = \"rest_for_one\"\n\
             intensity = { traps = 5, within = \"10s\" }\n",
            "name = \"stock\"\nversion = \"2.0.0\"\nmachines = [\"counter\"]\n",
            "name = \"stock\"\nversion = \"2.0.0\"\nmachines = [\"counter\"]\nstrictness = \"state\"\n",
        ] {
            let app = read(&Source::new("app.toml", good)).expect("good");
            assert_eq!(write(&app), good);
        }
    }

    #[test]
    fn each_fault_is_named_and_placed() {
        let refused = |line: &str, expect: &str| {
            let text = format!("name = 'stock'\nversion = '1.0.0'\n{line}");
            check(Document::App, &text, read, expect);
        };
        refused("machines = []", "M0115 `[]` an application has at least one machine");
        refused("machines = ['a', 'a']", "M0112 `'a'` `a` stands twice in `machines`");
        refused("machines = 'a'", "M0104 `'a'` `machines` is a list, found a string");
        refused("machines = [1]", "M0104 `1` `machines` is a text, found an integer");
        let refused = |line: &str, expect: &str| refused(&format!("machines = ['a']\n{line}"), expect);
        refused("depends = { stock = '1' }", "M0114 `'1'` application stock does not depend on itself");
        refused(
            "depends = { b = 'many' }",
            "M0107 `'many'` `many` is no range of versions such as ^1.0: unexpected character 'm' while \
             parsing major version number",
        );
        refused(
            "strictness = 'wires'",
            "M0111 `'wires'` `strictness` is one of `wire`, `state`, `history`, `frozen`, found `wires`\n\
             help: did you mean `wire`?",
        );
        refused(
            "supervision.strategy = 'one_for_al'",
            "M0111 `'one_for_al'` `supervision.strategy` is one of `one_for_one`, `rest_for_one`, \
             `one_for_all`, found `one_for_al`\nhelp: did you mean `one_for_all`?",
        );
        refused(
            "supervision.intensity = { traps = 0, within = 'soon' }",
            "M0113 `0` `supervision.intensity.traps` lies between 1 and 1000000\n\
             M0110 `'soon'` `soon` is no length of time such as 500ms, 10s, 15m, 2h or 7d",
        );
        refused(
            "supervision.intensity = { traps = 1, within = '0s' }",
            "M0113 `'0s'` a window of traps is longer than nothing",
        );
        refused(
            "supervision.intensity = { traps = '1' }",
            "M0103 `{ traps = '1' }` `[supervision.intensity]` needs the key `within`\n\
             M0104 `'1'` `supervision.intensity.traps` is a whole number, found a string",
        );
    }
}
