//! `app.toml`: an application as its author writes it.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use camshaft_cam::derive::Strictness;
use camshaft_cam::diagnostic::{Diagnostic, Source, did_you_mean};

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
    /// What the traps of an instance lead to, where that is more than the refusal of the input: no
    /// machine stands here with [`OnTrap::Refuse`].
    pub machines: BTreeMap<MachineName, OnTrap>,
}

impl Supervision {
    /// Returns what the traps of an instance of a machine lead to.
    pub fn on_trap(&self, machine: &MachineName) -> OnTrap {
        self.machines.get(machine).copied().unwrap_or_default()
    }
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

/// What the traps of an instance lead to. Each refuses its input in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OnTrap {
    /// Nothing else: the state stays, the next input is applied.
    #[default]
    Refuse,
    /// The instance may not go on.
    Hold(After),
    /// The instance begins anew, and its state is archived.
    Reset(After),
}

/// How many traps of an instance it takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum After {
    /// The first is enough.
    #[default]
    First,
    /// So many within so long a time; at least two, at most [`AFTER_TRAPS_MAX`].
    Within(Intensity),
}

/// The most traps of an instance that can be asked for: whoever traps is remembered with as many times.
pub const AFTER_TRAPS_MAX: u32 = 100;

impl OnTrap {
    /// Each of them, at the first trap.
    const ALL: [OnTrap; 3] = [OnTrap::Refuse, OnTrap::Hold(After::First), OnTrap::Reset(After::First)];

    /// Returns the word for it.
    pub const fn word(self) -> &'static str {
        match self {
            OnTrap::Refuse => "refuse",
            OnTrap::Hold(_) => "hold",
            OnTrap::Reset(_) => "reset",
        }
    }

    /// Returns the same after so many traps.
    fn only(self, after: After) -> OnTrap {
        match self {
            OnTrap::Refuse => OnTrap::Refuse,
            OnTrap::Hold(_) => OnTrap::Hold(after),
            OnTrap::Reset(_) => OnTrap::Reset(after),
        }
    }

    /// Returns how many traps it takes; none where traps lead to nothing.
    pub const fn after(self) -> Option<After> {
        match self {
            OnTrap::Refuse => None,
            OnTrap::Hold(after) | OnTrap::Reset(after) => Some(after),
        }
    }
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
            Some(field) => read_supervision(&field, machines.as_deref()),
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

/// Reads how the machines are looked after; `known` are the machines, where they could be read.
pub(crate) fn read_supervision(field: &Field<'_, '_>, known: Option<&[MachineName]>) -> Option<Supervision> {
    field.table_with(|table| {
        let strategy = match table.optional("strategy") {
            Some(field) => field.one_of(&STRATEGIES),
            None => Some(Strategy::default()),
        };
        let intensity = match table.optional("intensity") {
            Some(field) => read_intensity(&field, 1..=1_000_000).map(Some),
            None => Some(None),
        };
        let machines = match table.optional("machines") {
            Some(field) => field.table().and_then(|table| read_machines(&table, known)),
            None => Some(BTreeMap::new()),
        };
        Some(Supervision { strategy: strategy?, intensity: intensity?, machines: machines? })
    })
}

fn read_intensity(field: &Field<'_, '_>, limits: RangeInclusive<u64>) -> Option<Intensity> {
    field.table_with(|table| {
        let traps = table.required("traps").and_then(|field| field.number(limits));
        let within = table.required("within").and_then(|field| {
            let within: Millis = field.word()?;
            if within.0 == 0 {
                field.refuse("M0113", "a window of traps is longer than nothing");
            }
            Some(within)
        });
        let traps = u32::try_from(traps?).expect("at most a million");
        Some(Intensity { traps, within: within? })
    })
}

fn read_machines(
    table: &Table<'_, '_>,
    known: Option<&[MachineName]>,
) -> Option<BTreeMap<MachineName, OnTrap>> {
    let read = |(name, span, field): (MachineName, _, Field<'_, '_>)| {
        if let Some(known) = known
            && !known.contains(&name)
        {
            let message = format!("the application has no machine {name}");
            let fault = table.reader.diagnostic("M0134", span, message, "not in `machines`");
            table.reader.fault(match did_you_mean(name.as_str(), known.iter().map(MachineName::as_str)) {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault,
            });
        }
        Some((name, field.table_with(read_on_trap)?))
    };
    let read: Vec<Option<_>> = table.entries::<MachineName>().into_iter().map(read).collect();
    let all: Option<BTreeMap<_, _>> = read.into_iter().collect();
    // What says the default says nothing: two documents of one meaning make the same release.
    all.map(|all| all.into_iter().filter(|(_, on_trap)| *on_trap != OnTrap::Refuse).collect())
}

fn read_on_trap(table: &Table<'_, '_>) -> Option<OnTrap> {
    let words = OnTrap::ALL.map(|on_trap| (on_trap.word(), on_trap));
    let on_trap = table.required("on_trap").and_then(|field| field.one_of(&words));
    let after = table.optional("after");
    let read = match &after {
        Some(field) => read_intensity(field, 2..=u64::from(AFTER_TRAPS_MAX)).map(After::Within),
        None => Some(After::First),
    };
    let on_trap = on_trap?.only(read?);
    if let (OnTrap::Refuse, Some(after)) = (on_trap, &after) {
        let fault = table.reader.diagnostic(
            "M0135",
            after.span.clone(),
            "`refuse` is what every trap leads to, however many there are",
            "so this counts for nothing",
        );
        table.reader.fault(fault.help("leave `after` out, or say `hold` or `reset`"));
    }
    Some(on_trap)
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
    let mut pairs = application_pairs(supervision);
    // Left out where it says nothing: releases keep the bytes that they had before there was any.
    if !supervision.machines.is_empty() {
        let machines = supervision.machines.iter();
        let machines =
            machines.map(|(name, on_trap)| format!("{name} = {}", inline(on_trap_pairs(*on_trap))));
        pairs.push(("machines", format!("{{ {} }}", machines.collect::<Vec<_>>().join(", "))));
    }
    pairs
}

fn application_pairs(supervision: &Supervision) -> Vec<(&'static str, String)> {
    let mut pairs = vec![("strategy", quoted(supervision.strategy.word()))];
    pairs.extend(supervision.intensity.map(|intensity| ("intensity", intensity_inline(intensity))));
    pairs
}

fn on_trap_pairs(on_trap: OnTrap) -> Vec<(&'static str, String)> {
    let mut pairs = vec![("on_trap", quoted(on_trap.word()))];
    if let Some(After::Within(intensity)) = on_trap.after() {
        pairs.push(("after", intensity_inline(intensity)));
    }
    pairs
}

fn intensity_inline(Intensity { traps, within }: Intensity) -> String {
    inline(vec![("traps", traps.to_string()), ("within", quoted(&within.to_string()))])
}

/// Returns an inline table.
pub(crate) fn inline(pairs: Vec<(&'static str, String)>) -> String {
    let pairs: Vec<String> = pairs.into_iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", pairs.join(", "))
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
        for (key, value) in application_pairs(&app.supervision) {
            writer.raw(key, value);
        }
    }
    for (machine, on_trap) in &app.supervision.machines {
        writer.table(format_args!("supervision.machines.{machine}"));
        for (key, value) in on_trap_pairs(*on_trap) {
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
            "name = \"stock\"\nversion = \"2.0.0\"\nmachines = [\"counter\", \"a\"]\n\n[supervision]\n\
             strategy = \"one_for_one\"\n\n[supervision.machines.a]\non_trap = \"reset\"\n\n\
             [supervision.machines.counter]\non_trap = \"hold\"\nafter = { traps = 3, within = \"1m\" }\n",
            "name = \"stock\"\nversion = \"2.0.0\"\nmachines = [\"counter\"]\n",
            "name = \"stock\"\nversion = \"2.0.0\"\nmachines = [\"counter\"]\nstrictness = \"state\"\n",
        ] {
            let app = read(&Source::new("app.toml", good)).expect("good");
            assert_eq!(write(&app), good);
        }
    }

    #[test]
    fn what_a_trap_leads_to_is_nothing_unless_it_is_said() {
        let head = "name = 'stock'\nversion = '1.0.0'\nmachines = ['a', 'b', 'c']\n";
        let text = format!(
            "{head}[supervision.machines]\na = {{ on_trap = 'refuse' }}\nb = {{ on_trap = 'hold' }}\n\
             c = {{ on_trap = 'reset', after = {{ traps = 2, within = '1s' }} }}\n"
        );
        let app = read(&Source::new("app.toml", text)).expect("good");
        let within = After::Within(Intensity { traps: 2, within: Millis(1000) });
        let leads = ["a", "b", "c"].map(|name| app.supervision.on_trap(&name.parse().expect("a name")));
        assert_eq!(leads, [OnTrap::Refuse, OnTrap::Hold(After::First), OnTrap::Reset(within)]);
        // Said or not, it is the same application.
        let text = format!("{head}[supervision.machines]\na = {{ on_trap = 'refuse' }}\n");
        assert_eq!(read(&Source::new("app.toml", text)), read(&Source::new("app.toml", head)));
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
        let refused = |line: &str, expect: &str| refused(&format!("supervision.machines.{line}"), expect);
        refused(
            "aa = { on_trap = 'hold' }",
            "M0134 `aa` the application has no machine aa\nhelp: did you mean `a`?",
        );
        refused("a = {}", "M0103 `{}` `[supervision.machines.a]` needs the key `on_trap`");
        refused(
            "a = { on_trap = 'hodl' }",
            "M0111 `'hodl'` `supervision.machines.a.on_trap` is one of `refuse`, `hold`, `reset`, found `hodl`\n\
             help: did you mean `hold`?",
        );
        refused(
            "a = { on_trap = 'refuse', after = { traps = 2, within = '1s' } }",
            "M0135 `{ traps = 2, within = '1s' }` `refuse` is what every trap leads to, however many there are\n\
             help: leave `after` out, or say `hold` or `reset`",
        );
        refused(
            "a = { on_trap = 'hold', after = { traps = 1, within = '0s' } }",
            "M0113 `1` `supervision.machines.a.after.traps` lies between 2 and 100\n\
             M0113 `'0s'` a window of traps is longer than nothing",
        );
        refused(
            "a = { on_trap = 'reset', after = { traps = 101 } }",
            "M0103 `{ traps = 101 }` `[supervision.machines.a.after]` needs the key `within`\n\
             M0113 `101` `supervision.machines.a.after.traps` lies between 2 and 100",
        );
        refused(
            "a = { on_trap = 'hold', afer = 1 }",
            "M0102 `afer` `[supervision.machines.a]` has no key `afer`\nhelp: did you mean `after`?",
        );
    }
}
