//! What becomes of an `.appup`: which versions each entry is for, and what each instruction is here.
//!
//! Pure, and without text of documents: [`super::skeleton`] writes those.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::diagnostic::{Source, Span};
use camshaft_manifests::appup::Appup as Existing;
use camshaft_manifests::{AppName, MachineAddress, MachineName, Requirement, Version};

use super::appup::{Appup, Base, Change, Entry, Instruction, Load, StartType, What};
use super::instructions::known;
use super::versions::{Range, semantic};

/// What there is to know about where an `.appup` goes.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The application.
    pub app: AppName,
    /// Its version; that of the `.appup` where there is no project yet.
    pub version: Version,
    /// Which machine stands for a module, where a person said so.
    pub modules: BTreeMap<String, MachineAddress>,
    /// The machines of the application; `None` where there is no project yet.
    pub machines: Option<BTreeSet<MachineName>>,
    /// The versions of the application that predecessors have; `None` where they are not known.
    pub released: Option<BTreeSet<Version>>,
    /// What its appup says already.
    pub existing: Existing,
    /// What has to be migrated, as the types say.
    pub templates: Templates,
}

/// The migrations that `appup derive` would write: text by machine and version.
#[derive(Debug, Clone)]
pub enum Templates {
    /// These, and no other is needed.
    Known(BTreeMap<(MachineName, Version), String>),
    /// Nobody can say yet, and why.
    Unknown(String),
}

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To the version of the `.appup`.
    Up,
    /// Back from it.
    Down,
}

/// What became of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It stands in the documents, as an entry or a migration.
    Written,
    /// It needs nothing: it follows from what is in the project.
    Follows,
    /// There is nothing like it here.
    Dropped,
    /// A person has to say what it is here.
    Open,
}

/// An instruction, and what became of it.
#[derive(Debug, Clone)]
pub struct Note {
    /// The direction.
    pub way: Way,
    /// The instruction as it is written.
    pub shown: String,
    /// Where it stands.
    pub span: Span,
    /// What became of it.
    pub outcome: Outcome,
    /// The same in words, and why.
    pub text: String,
}

/// Which versions here an entry is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Covered {
    /// These; they get entries.
    Versions(Vec<Version>),
    /// None that can get one, and why.
    Nothing(String),
}

/// What has to be done for a machine that comes from a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// A migration, of this text.
    Migration(String),
    /// A migration; nothing is known of the types, so that it is all holes. `Extra`, where it is said.
    Bare(Option<String>),
    /// None: everything follows from the types.
    Derived,
    /// None: the appup names one already.
    Named,
}

/// An entry, translated.
#[derive(Debug, Clone)]
pub struct Translated {
    /// The version or pattern as it is written.
    pub shown: String,
    /// Where it stands.
    pub span: Span,
    /// The versions that it is for here.
    pub covered: Covered,
    /// The range that it is exactly, where it is a regular expression that is one.
    pub range: Option<Requirement>,
    /// Whether one entry for the range says it all: it needs no migration, and no other entry is for a
    /// version of the range.
    pub as_range: bool,
    /// What else there is to say of its versions.
    pub remarks: Vec<String>,
    /// Every instruction, up and then down.
    pub notes: Vec<Note>,
    /// Where the two lists do not agree.
    pub differences: Vec<String>,
    /// What is to be done for machines, by version and machine.
    pub needs: BTreeMap<(Version, MachineName), Need>,
    /// Whether the application gives up its states.
    pub restarts: bool,
}

/// An `.appup`, translated.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The entries of UpFrom, in the order of the file.
    pub entries: Vec<Translated>,
    /// What there is to say of the whole.
    pub remarks: Vec<String>,
}

/// Translates an `.appup`.
pub fn translate(source: &Source, appup: &Appup, facts: &Facts) -> Imported {
    let mut context = Context { facts, appup, claimed: BTreeSet::new(), ranges: vec![] };
    let entries: Vec<Translated> = (0..appup.up.len()).map(|at| context.entry(at)).collect();
    let mut remarks = context.remarks(source);
    if let Templates::Unknown(why) = &facts.templates {
        remarks.push(format!("migrations are all holes: {why}"));
    }
    Imported { entries, remarks }
}

struct Context<'f> {
    facts: &'f Facts,
    appup: &'f Appup,
    /// The versions that an earlier entry is for.
    claimed: BTreeSet<Version>,
    /// The ranges that earlier entries are written as.
    ranges: Vec<Requirement>,
}

impl<'f> Context<'f> {
    /// What there is to say of the whole: E20, and ways back that have no way there.
    fn remarks(&self, source: &Source) -> Vec<String> {
        let mut remarks = Vec::new();
        match semantic(&self.appup.version) {
            Ok(version) if version == self.facts.version => {}
            _ => remarks.push(format!(
                "{} is for {} {:?}, and the application here has the version {}",
                source.name, self.facts.app, self.appup.version, self.facts.version
            )),
        }
        for down in &self.appup.down {
            if !self.appup.up.iter().any(|up| same_base(up, down)) {
                let (line, _) = source.line_column(down.span.start);
                remarks.push(format!(
                    "line {line}: a way back to {} stands under DownTo, and UpFrom has no way from there: nothing is written for it",
                    down.shown
                ));
            }
        }
        remarks
    }

    fn entry(&mut self, at: usize) -> Translated {
        let entry = &self.appup.up[at];
        let mut remarks = Vec::new();
        let mut range = None;
        let covered = match &entry.base {
            Base::One(text) => self.one(at, text),
            Base::Pattern(Err(reason)) => Covered::Nothing(format!(
                "this regular expression cannot be read here: {reason}; write an entry for each version"
            )),
            Base::Pattern(Ok(pattern)) => {
                match pattern.range() {
                    Some(Range::Versions { range: found, pre }) => {
                        remarks.push(format!("it is the range `{found}`"));
                        if pre {
                            remarks.push(
                                "to Erlang it means pre-releases too, and the range does not".to_owned(),
                            );
                        }
                        range = Some(found);
                    }
                    Some(Range::One(version)) => remarks.push(format!("it is the version {version}")),
                    Some(Range::Nothing) => {
                        remarks.push(
                            "it is for versions of more than three numbers, which there are none of here"
                                .to_owned(),
                        );
                    }
                    None => remarks.push("it is no range of semantic versions".to_owned()),
                }
                self.matching(&|name| pattern.is_for(name), pattern.range())
            }
        };
        if let Covered::Versions(versions) = &covered {
            self.claimed.extend(versions.iter().cloned());
        }
        let versions: &[Version] = if let Covered::Versions(versions) = &covered { versions } else { &[] };
        let down = self.way_back(entry, versions);
        let restarts = self.restarts(entry);
        let needs = if restarts { BTreeMap::new() } else { self.needs(entry, versions) };
        let as_range = self.is_range(range.as_ref(), &covered, &needs);
        if as_range {
            self.ranges.extend(range.clone());
        }
        let mut notes: Vec<Note> = Vec::new();
        let ways = [(Way::Up, Some(entry)), (Way::Down, down)];
        for (way, entry) in ways {
            for instruction in entry.iter().flat_map(|entry| &entry.instructions) {
                notes.push(self.note(way, instruction, (&needs, restarts)));
            }
        }
        remarks.extend(self.unforeseen(entry, &needs));
        Translated {
            shown: entry.shown.clone(),
            span: entry.span.clone(),
            range,
            remarks,
            notes,
            differences: differences(entry, down),
            as_range,
            restarts,
            covered,
            needs,
        }
    }

    /// Returns true when the way up gives up the states of the application.
    fn restarts(&self, entry: &Entry) -> bool {
        let own =
            |what: &What| matches!(what, What::RestartApplication(app) if app == self.facts.app.as_str());
        entry.instructions.iter().any(|instruction| own(&instruction.what))
    }

    /// Returns true when an entry is written as its range. A migration is for one version; and a version may
    /// not be in two ranges.
    fn is_range(
        &self,
        range: Option<&Requirement>,
        covered: &Covered,
        needs: &BTreeMap<(Version, MachineName), Need>,
    ) -> bool {
        let Some(range) = range else { return false };
        let migrates = needs.values().any(|need| matches!(need, Need::Migration(_) | Need::Bare(_)));
        let existing = self.facts.existing.ranges.iter().map(|(range, _)| range);
        let mut others = self.ranges.iter().chain(existing.filter(|other| *other != range));
        match &self.facts.released {
            // Which versions there will be is not known: one range is free of others.
            None => !migrates && others.next().is_none(),
            Some(released) => {
                let inside: Vec<&Version> =
                    released.iter().filter(|version| range.matches(version)).collect();
                let free = |version: &Version| others.clone().all(|other| !other.matches(version));
                // What an earlier entry of the file is for has an entry of its own, which counts more here too.
                let all = inside.iter().all(|version| free(version));
                // Somebody has to come to it: what has an entry already does not.
                let comes = |version: &Version| !self.facts.existing.from.contains_key(version);
                let covers = matches!(covered, Covered::Versions(versions) if versions.iter().any(comes));
                covers && !migrates && all
            }
        }
    }

    /// Returns the entry under DownTo that OTP takes for the same versions.
    fn way_back(&self, entry: &Entry, versions: &[Version]) -> Option<&'f Entry> {
        let names: Vec<String> = match &entry.base {
            Base::One(text) => vec![text.clone()],
            Base::Pattern(_) => versions.iter().flat_map(names).collect(),
        };
        let same = || self.appup.down.iter().find(|down| down.shown == entry.shown);
        let of_version =
            || self.appup.down.iter().find(|down| names.iter().any(|name| down.base.is_for(name)));
        match &entry.base {
            Base::One(_) => of_version(),
            Base::Pattern(_) => same().or_else(of_version),
        }
    }

    /// Returns the version that a string is.
    fn one(&self, at: usize, text: &str) -> Covered {
        // E23: the first entry that fits counts, not the one that says it best.
        if let Some(earlier) = self.appup.up[..at].iter().find(|earlier| earlier.base.is_for(text)) {
            return Covered::Nothing(format!(
                "OTP never comes to it: {} stands before it and is for this version",
                earlier.shown
            ));
        }
        match semantic(text) {
            Err(reason) => Covered::Nothing(format!("a version here is a semantic version: {reason}")),
            Ok(version) if self.is_released(&version) => Covered::Versions(vec![version]),
            Ok(version) => Covered::Nothing(format!(
                "no predecessor has {} {version}: name the release that has it in `from` of release.toml, and import again",
                self.facts.app
            )),
        }
    }

    fn is_released(&self, version: &Version) -> bool {
        self.facts.released.as_ref().is_none_or(|released| released.contains(version))
    }

    /// Returns the versions of predecessors that a regular expression is for.
    fn matching(&self, is_for: &dyn Fn(&str) -> bool, range: Option<Range>) -> Covered {
        let Some(released) = &self.facts.released else {
            return match range {
                Some(Range::One(version)) if !self.claimed.contains(&version) => {
                    Covered::Versions(vec![version])
                }
                _ => Covered::Nothing(
                    "which versions there are is not known without a project and its predecessors".to_owned(),
                ),
            };
        };
        let free = released.iter().filter(|version| !self.claimed.contains(version));
        let found: Vec<Version> =
            free.filter(|version| names(version).iter().any(|name| is_for(name))).cloned().collect();
        match found.is_empty() {
            true => Covered::Nothing(format!(
                "it is for no version of {} that a predecessor has and no earlier entry is for",
                self.facts.app
            )),
            false => Covered::Versions(found),
        }
    }

    /// Returns the machine that stands for a module.
    fn machine(&self, module: &str) -> Option<MachineAddress> {
        if let Some(address) = self.facts.modules.get(module) {
            return Some(address.clone());
        }
        let machine: MachineName = module.parse().ok()?;
        let is = self.facts.machines.as_ref()?.contains(&machine);
        is.then(|| MachineAddress { app: self.facts.app.clone(), machine })
    }

    /// Returns what is to be done for the machines of the application.
    fn needs(&self, entry: &Entry, versions: &[Version]) -> BTreeMap<(Version, MachineName), Need> {
        let mut needs = BTreeMap::new();
        let changes = entry.instructions.iter().flat_map(|instruction| changes(&instruction.what));
        let changes: Vec<(MachineName, String)> = changes
            .filter_map(|(module, extra)| {
                let address = self.machine(module)?;
                (address.app == self.facts.app).then(|| (address.machine, extra.to_owned()))
            })
            .collect();
        for version in versions {
            let named = |machine: &MachineName| {
                let from = self.facts.existing.of(version);
                from.is_some_and(|from| from.migration(machine).is_some())
            };
            for (machine, extra) in &changes {
                let key = (machine.clone(), version.clone());
                let need = match &self.facts.templates {
                    _ if named(machine) => Need::Named,
                    Templates::Unknown(_) => Need::Bare(Some(extra.clone())),
                    Templates::Known(templates) => match templates.get(&key) {
                        Some(text) => Need::Migration(text.clone()),
                        None => Need::Derived,
                    },
                };
                needs.insert((version.clone(), machine.clone()), need);
            }
            if let Templates::Known(templates) = &self.facts.templates {
                for ((machine, _), text) in templates.iter().filter(|((_, from), _)| from == version) {
                    let key = (version.clone(), machine.clone());
                    needs.entry(key).or_insert_with(|| Need::Migration(text.clone()));
                }
            }
        }
        needs
    }

    /// Says which machines need a migration although no instruction changed a state: E13b.
    fn unforeseen(&self, entry: &Entry, needs: &BTreeMap<(Version, MachineName), Need>) -> Vec<String> {
        let modules = entry.instructions.iter().flat_map(|instruction| changes(&instruction.what));
        let foreseen: BTreeSet<MachineName> =
            modules.filter_map(|(module, _)| self.machine(module)).map(|address| address.machine).collect();
        let needed = needs
            .iter()
            .filter(|((_, machine), need)| matches!(need, Need::Migration(_)) && !foreseen.contains(machine));
        needed
            .map(|((version, machine), _)| {
                format!(
                    "{}/{machine} needs a migration from {version}, which no instruction here asks for (OTP does not notice: E13b)",
                    self.facts.app
                )
            })
            .collect()
    }

    fn note(
        &self,
        way: Way,
        instruction: &Instruction,
        (needs, restarts): (&BTreeMap<(Version, MachineName), Need>, bool),
    ) -> Note {
        let (outcome, text) = match &instruction.what {
            What::RestartApplication(app) if restarts && app == self.facts.app.as_str() => (
                Outcome::Written,
                format!(
                    "`restart` of the entry: {app} gives up its states, as here; take it out, and they are migrated"
                ),
            ),
            what if restarts && !changes(what).is_empty() => (
                Outcome::Dropped,
                format!("the entry restarts {}, so that nothing is migrated", self.facts.app),
            ),
            what => self.outcome(what, needs),
        };
        Note { way, shown: instruction.shown.clone(), span: instruction.span.clone(), outcome, text }
    }

    fn outcome(&self, what: &What, needs: &BTreeMap<(Version, MachineName), Need>) -> (Outcome, String) {
        let why = |name: &str| known(name).why;
        match what {
            What::Update(update) => {
                let (outcome, text) = match &update.change {
                    Change::Advanced(_) => self.migrated(&update.module, needs),
                    Change::Soft => (Outcome::Follows, why("load_module").to_owned()),
                    Change::Supervisor => (
                        Outcome::Follows,
                        "how machines are looked after is `supervision` of app.toml; a change of it is part of the release".to_owned(),
                    ),
                };
                (outcome, text + &besides(&update.load, update.kind.as_deref(), update.timeout.as_deref()))
            }
            What::LoadModule(load) => {
                (Outcome::Follows, why("load_module").to_owned() + &besides(load, None, None))
            }
            What::AddModule(load) => {
                (Outcome::Follows, why("add_module").to_owned() + &besides(load, None, None))
            }
            What::DeleteModule(load) => {
                (Outcome::Follows, why("delete_module").to_owned() + &besides(load, None, None))
            }
            What::AddApplication(_, StartType::Started) => {
                (Outcome::Follows, why("add_application").to_owned())
            }
            What::AddApplication(app, StartType::NotStarted) => (
                Outcome::Dropped,
                format!(
                    "every application of a release is started: leave {app} out of `[apps]` if it is not to run"
                ),
            ),
            What::RemoveApplication(_) => (Outcome::Follows, why("remove_application").to_owned()),
            What::RestartApplication(app) if app == self.facts.app.as_str() => (
                Outcome::Open,
                format!(
                    "`restart = \"why\"` in the entry, if the state of {app} is to be given up; without it {app} is migrated"
                ),
            ),
            What::RestartApplication(app) => (
                Outcome::Open,
                format!(
                    "this is about {app}: `restart = \"why\"` in its appup, if its state is to be given up"
                ),
            ),
            What::CodeChange(changes) => {
                let all: Vec<(Outcome, String)> =
                    changes.iter().map(|(module, _)| self.migrated(module, needs)).collect();
                let open = all.iter().any(|(outcome, _)| *outcome == Outcome::Open);
                let written = all.iter().any(|(outcome, _)| *outcome == Outcome::Written);
                let outcome = if open {
                    Outcome::Open
                } else if written {
                    Outcome::Written
                } else {
                    Outcome::Follows
                };
                (outcome, all.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("; "))
            }
            What::Processes(name, _) => (
                Outcome::Open,
                format!(
                    "{}. `restart = \"why\"` in the entry gives the state of {} up",
                    why(name),
                    self.facts.app
                ),
            ),
            What::SyncNodes => (Outcome::Dropped, why("sync_nodes").to_owned()),
            What::Apply(_) => (Outcome::Open, why("apply").to_owned()),
            What::Low(name, _) | What::Word(name) => (Outcome::Dropped, why(name).to_owned()),
        }
    }

    /// Says what became of the change of a module's state.
    fn migrated(&self, module: &str, needs: &BTreeMap<(Version, MachineName), Need>) -> (Outcome, String) {
        let Some(address) = self.machine(module) else {
            return (
                Outcome::Open,
                format!(
                    "no machine stands for the module {module}: import again with `--machine {module}=APP/MACHINE`; a module that holds no state of yours needs none"
                ),
            );
        };
        if address.app != self.facts.app {
            return (Outcome::Open, format!("{address} is migrated by the appup of {}", address.app));
        }
        let mut written = Vec::new();
        let mut rest = Vec::new();
        for ((version, machine), need) in needs.iter().filter(|((_, machine), _)| *machine == address.machine)
        {
            match need {
                Need::Migration(_) | Need::Bare(_) => {
                    written.push(self.facts.migration_path(machine, version))
                }
                Need::Named => {
                    rest.push(format!("the migration of {machine} from {version} is there already"))
                }
                Need::Derived => {
                    rest.push(format!("{machine} from {version} follows from the types, or did not change"))
                }
            }
        }
        if !written.is_empty() {
            rest.insert(0, format!("the holes of {}", written.join(", ")));
        }
        let outcome = match (written.is_empty(), rest.is_empty()) {
            (false, _) => Outcome::Written,
            (true, false) => Outcome::Follows,
            (true, true) => {
                return (
                    Outcome::Open,
                    format!(
                        "a migration of {address}, which `camshaft appup derive` writes once there is a version to come from"
                    ),
                );
            }
        };
        (outcome, rest.join("; "))
    }
}

impl Facts {
    /// Returns the path of a migration, relative to the application's folder.
    pub fn migration_path(&self, machine: &MachineName, version: &Version) -> String {
        format!("migrations/{machine}-{}-from-{version}.cam", self.version)
    }
}

/// Returns the modules whose state an instruction changes, with `Extra`.
fn changes(what: &What) -> Vec<(&str, &str)> {
    match what {
        What::Update(update) => match &update.change {
            Change::Advanced(extra) => vec![(&update.module, extra)],
            Change::Soft | Change::Supervisor => vec![],
        },
        What::CodeChange(changes) => {
            changes.iter().map(|(module, extra)| (module.as_str(), extra.as_str())).collect()
        }
        _ => vec![],
    }
}

/// Says what became of the parts of an instruction that are about order, time and killing.
fn besides(load: &Load, kind: Option<&str>, timeout: Option<&str>) -> String {
    let mut parts = String::new();
    if !load.depends.is_empty() {
        parts += &format!(
            "; DepMods [{}]: all machines go over in one step, so that no order among them is needed",
            load.depends.join(", ")
        );
    }
    if load.purge {
        parts += "; purging: no instance is killed for its code";
    }
    if let Some(kind) = kind {
        parts += &format!(
            "; {kind}: each direction is a function of its own, and there is no moment between loading and migrating"
        );
    }
    if let Some(timeout) = timeout {
        parts += &format!("; Timeout {timeout}: there is no suspend that could take too long");
    }
    parts
}

/// Returns what Erlang may call a version.
fn names(version: &Version) -> Vec<String> {
    let whole = version.to_string();
    let short = whole.strip_suffix(".0").map(str::to_owned);
    let shortest = short.as_deref().and_then(|short| short.strip_suffix(".0")).map(str::to_owned);
    let pre = whole.contains('-');
    let more = short.into_iter().chain(shortest).filter(|_| !pre);
    [whole.clone()].into_iter().chain(more).collect()
}

/// Returns true when two entries may be for the same version, as far as that shows.
fn same_base(up: &Entry, down: &Entry) -> bool {
    match (&up.base, &down.base) {
        (Base::One(one), other) => other.is_for(one),
        (one, Base::One(other)) => one.is_for(other),
        _ => up.shown == down.shown,
    }
}

/// Says where the way back is not the way there, read backwards.
fn differences(up: &Entry, down: Option<&Entry>) -> Vec<String> {
    let Some(down) = down else {
        return vec!["DownTo has no way back to it; here a way back is asked for always, and `down (new) = fail \"why\"` says that there is none".to_owned()];
    };
    let mut differences = Vec::new();
    let about = |entry: &Entry| {
        let mut about: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for instruction in &entry.instructions {
            if let Some((subject, kind)) = kind(&instruction.what) {
                about.entry(subject).or_default().push(kind);
            }
        }
        about
    };
    let (there, back) = (about(up), about(down));
    let subjects: BTreeSet<&String> = there.keys().chain(back.keys()).collect();
    let said = |kinds: Option<&Vec<String>>| kinds.map_or("nothing".to_owned(), |kinds| kinds.join(", "));
    for subject in subjects {
        let inverted =
            there.get(subject).map(|kinds| kinds.iter().map(|kind| inverse(kind)).collect::<Vec<_>>());
        if inverted.as_ref() != back.get(subject) {
            differences.push(format!(
                "{subject}: {} on the way up, {} on the way down",
                said(there.get(subject)),
                said(back.get(subject))
            ));
        }
    }
    differences
}

/// Returns what a high-level instruction is about, and what it does there. Those of lower level say how,
/// and differ between directions by nature.
fn kind(what: &What) -> Option<(String, String)> {
    let pair = |subject: &str, kind: &str| Some((subject.to_owned(), kind.to_owned()));
    match what {
        What::Update(update) => match &update.change {
            Change::Advanced(extra) => pair(&update.module, &format!("update with {extra}")),
            Change::Soft => pair(&update.module, "soft update"),
            Change::Supervisor => pair(&update.module, "update of a supervisor"),
        },
        What::LoadModule(load) => pair(&load.module, "load_module"),
        What::AddModule(load) => pair(&load.module, "add_module"),
        What::DeleteModule(load) => pair(&load.module, "delete_module"),
        What::AddApplication(app, _) => pair(app, "add_application"),
        What::RemoveApplication(app) => pair(app, "remove_application"),
        What::RestartApplication(app) => pair(app, "restart_application"),
        What::Low(..)
        | What::CodeChange(_)
        | What::Processes(..)
        | What::SyncNodes
        | What::Apply(_)
        | What::Word(_) => None,
    }
}

fn inverse(kind: &str) -> String {
    match kind {
        "add_module" => "delete_module",
        "delete_module" => "add_module",
        "add_application" => "remove_application",
        "remove_application" => "add_application",
        same => same,
    }
    .to_owned()
}
