//! What persons said of the way from one release to another, beyond what follows from the two:
//! renames, restarts, inputs to apply, machines to migrate at once, machines that do what they did.
//!
//! Authors write it into the appups of their applications; a bundle has it for each of its
//! predecessors, so that whoever plans or checks a relup needs nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::address::MachineAddress;
use crate::name::AppName;
use crate::reader::{Field, Seen, Table};
use crate::relup::{Apply, read_apply, write_apply};
use crate::writer::Writer;

/// The greatest length of a reason in bytes.
pub(crate) const REASON_BYTES_MAX: usize = 4096;

/// What persons said of the way from a release to another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transition {
    /// Applications under their new names, and the names that they had.
    pub renamed_apps: BTreeMap<AppName, AppName>,
    /// Machines under their new addresses, and the addresses that they had. Those that only moved
    /// with their application do not stand here.
    pub renamed_machines: BTreeMap<MachineAddress, MachineAddress>,
    /// Applications, under their new names, that give up their states, and why.
    pub restarts: BTreeMap<AppName, String>,
    /// Inputs that are given after the switch, in order.
    pub applies: Vec<Apply>,
    /// Machines, under their new addresses, whose instances are migrated at once.
    pub migrates: BTreeSet<MachineAddress>,
    /// Machines, under their new addresses, that promise to do what they did.
    pub preserves: BTreeSet<MachineAddress>,
}

impl Transition {
    /// Returns true when there is nothing to say.
    pub fn is_empty(&self) -> bool {
        *self == Transition::default()
    }

    /// Returns the name that an application had, if it was there; none for one that has taken the
    /// name of another that goes on under a new one.
    pub fn app_was<'a>(&'a self, app: &'a AppName) -> Option<&'a AppName> {
        let taken = || self.renamed_apps.values().any(|was| was == app);
        self.renamed_apps.get(app).or_else(|| (!taken()).then_some(app))
    }

    /// Returns the address that a machine had, if it was there; none for one that has taken the
    /// address of another that goes on under a new one.
    pub fn was(&self, machine: &MachineAddress) -> Option<MachineAddress> {
        self.origins().was(machine)
    }

    /// Returns what everything was called; for whoever asks often.
    pub fn origins(&self) -> Origins<'_> {
        Origins {
            transition: self,
            apps_taken: self.renamed_apps.values().collect(),
            machines_taken: self.renamed_machines.values().collect(),
        }
    }
}

/// What applications and machines were called before a transition.
#[derive(Debug, Clone)]
pub struct Origins<'t> {
    transition: &'t Transition,
    /// Names of those that go on under new ones.
    apps_taken: BTreeSet<&'t AppName>,
    machines_taken: BTreeSet<&'t MachineAddress>,
}

impl Origins<'_> {
    /// Returns the name that an application had, see [`Transition::app_was`].
    pub fn app_was<'a>(&'a self, app: &'a AppName) -> Option<&'a AppName> {
        let renamed = self.transition.renamed_apps.get(app);
        renamed.or_else(|| (!self.apps_taken.contains(app)).then_some(app))
    }

    /// Returns the address that a machine had, see [`Transition::was`].
    pub fn was(&self, machine: &MachineAddress) -> Option<MachineAddress> {
        if let Some(was) = self.transition.renamed_machines.get(machine) {
            return Some(was.clone());
        }
        let app = self.app_was(&machine.app)?.clone();
        let was = MachineAddress { app, machine: machine.machine.clone() };
        (!self.machines_taken.contains(&was)).then_some(was)
    }
}

/// Reads the entries of a predecessor.
pub(crate) fn read(table: &Table<'_, '_>) -> Option<Transition> {
    let renamed_apps = read_pairs(table.optional("renamed_app"), |table| {
        let name = table.required("name").and_then(|field| field.word::<AppName>());
        let was = table.required("was").and_then(|field| field.word::<AppName>());
        Some((name?, was?))
    });
    let renamed_machines = read_pairs(table.optional("renamed_machine"), |table| {
        let name = table.required("name").and_then(|field| field.word::<MachineAddress>());
        let was = table.required("was").and_then(|field| field.word::<MachineAddress>());
        Some((name?, was?))
    });
    let restarts = read_pairs(table.optional("restart"), |table| {
        let app = table.required("app").and_then(|field| field.word::<AppName>());
        let reason = table.required("reason").and_then(|field| field.prose(REASON_BYTES_MAX));
        Some((app?, reason?))
    });
    let applies = match table.optional("apply") {
        Some(field) => field.items().and_then(|items| {
            let read: Vec<Option<Apply>> = items.iter().map(|item| item.table_with(read_apply)).collect();
            read.into_iter().collect()
        }),
        None => Some(Vec::new()),
    };
    let machines = |key| match table.optional(key) {
        Some(field) => field.words::<MachineAddress>().map(|words| words.into_iter().collect()),
        None => Some(BTreeSet::new()),
    };
    let (migrates, preserves) = (machines("migrate"), machines("preserves_behaviour"));
    Some(Transition {
        renamed_apps: renamed_apps?,
        renamed_machines: renamed_machines?,
        restarts: restarts?,
        applies: applies?,
        migrates: migrates?,
        preserves: preserves?,
    })
}

fn read_pairs<'r, 'i: 'r, K: Ord + Clone + std::fmt::Display, V>(
    field: Option<Field<'r, 'i>>,
    read: impl Fn(&Table<'r, 'i>) -> Option<(K, V)>,
) -> Option<BTreeMap<K, V>> {
    let Some(field) = field else { return Some(BTreeMap::new()) };
    let mut seen = Seen::default();
    let read: Vec<Option<(K, V)>> = field
        .items()?
        .iter()
        .map(|item| {
            let (key, value) = item.table_with(&read)?;
            seen.note(item, key.clone(), &format!("`{key}`"));
            Some((key, value))
        })
        .collect();
    read.into_iter().collect()
}

/// Writes the machines to migrate, and those that do what they did, into the table of a predecessor.
pub(crate) fn write_plain(writer: &mut Writer, transition: &Transition) {
    if !transition.migrates.is_empty() {
        writer.texts("migrate", &transition.migrates);
    }
    if !transition.preserves.is_empty() {
        writer.texts("preserves_behaviour", &transition.preserves);
    }
}

/// Writes the entries of a predecessor, after its own keys.
pub(crate) fn write_entries(writer: &mut Writer, path: &str, transition: &Transition) {
    for (name, was) in &transition.renamed_apps {
        writer.item(format_args!("{path}.renamed_app"));
        writer.text("name", name);
        writer.text("was", was);
    }
    for (name, was) in &transition.renamed_machines {
        writer.item(format_args!("{path}.renamed_machine"));
        writer.text("name", name);
        writer.text("was", was);
    }
    for (app, reason) in &transition.restarts {
        writer.item(format_args!("{path}.restart"));
        writer.text("app", app);
        writer.text("reason", reason);
    }
    for apply in &transition.applies {
        writer.item(format_args!("{path}.apply"));
        write_apply(writer, apply);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_another_took_along_is_free_for_something_new() {
        let app = |text: &str| -> AppName { text.parse().expect("a name") };
        let machine = |text: &str| -> MachineAddress { text.parse().expect("an address") };
        let transition = Transition {
            renamed_apps: [(app("store"), app("stock"))].into(),
            renamed_machines: [(machine("till/desk"), machine("till/counter"))].into(),
            ..Transition::default()
        };
        let was = |text: &str| transition.was(&machine(text)).map(|was| was.to_string());
        assert_eq!(was("store/shelf").as_deref(), Some("stock/shelf"));
        assert_eq!(was("stock/shelf"), None);
        assert_eq!(was("till/desk").as_deref(), Some("till/counter"));
        assert_eq!(was("till/counter"), None);
        assert_eq!(was("till/clock").as_deref(), Some("till/clock"));
        assert_eq!(transition.app_was(&app("store")), Some(&app("stock")));
        assert_eq!(transition.app_was(&app("stock")), None);
        assert!(!transition.is_empty() && Transition::default().is_empty());
    }
}
