//! Two releases beside each other: what changed, and whether that keeps what was promised.
//!
//! Types and code are compared, not texts: a machine that was written anew and does the same is the
//! same machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use camshaft_cam::derive::{Arrow, Breach, Change, Comparison, DownClass, Edits, Strictness, compare};
use camshaft_cam::digest::Digest;
use camshaft_manifests::appup::Waiver;
use camshaft_manifests::resolved::ResolvedApp;
use camshaft_manifests::{AppName, MachineAddress, ReleaseName, Version};

use crate::open::OpenedRelease;

/// What stands between two releases.
#[derive(Debug, Clone, PartialEq)]
pub struct Diff {
    /// The older release.
    pub before: (ReleaseName, Version),
    /// The newer one.
    pub after: (ReleaseName, Version),
    /// The applications of either, by name.
    pub apps: Vec<AppDiff>,
}

/// What became of an application.
#[derive(Debug, Clone, PartialEq)]
pub struct AppDiff {
    /// The name; for one that the newer release does not have, in the older.
    pub name: AppName,
    /// The name in the older release, where that is something else.
    pub was: Option<AppName>,
    /// Why it gives up its states, if it does.
    pub restarts: Option<String>,
    /// The version in the older release, if it has it.
    pub before: Option<Version>,
    /// The version in the newer release, if it has it.
    pub after: Option<Version>,
    /// Its machines in either release, by name.
    pub machines: Vec<MachineDiff>,
    /// The rules that the newer release sets aside for it.
    pub waivers: Vec<Waiver>,
    /// What the newer release holds it to.
    pub strictness: Strictness,
}

/// What became of a machine.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineDiff {
    /// The machine; one that the newer release does not have, in the older.
    pub address: MachineAddress,
    /// Its address in the older release, where that is another.
    pub was: Option<MachineAddress>,
    /// True when its application gives up its states: nothing is asked of them then.
    pub restarts: bool,
    /// What became of it.
    pub what: MachineChange,
}

/// What became of a machine.
#[derive(Debug, Clone, PartialEq)]
pub enum MachineChange {
    /// Only the newer release has it.
    Added,
    /// Only the older release has it.
    Removed,
    /// Both have the same code and types.
    Same,
    /// It is another one.
    Changed {
        /// The difference.
        comparison: Box<Comparison>,
        /// The edge that the newer release has between the two.
        edge: Option<Box<EdgeFound>>,
    },
}

/// An edge between the two versions of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeFound {
    /// Its digest.
    pub digest: Digest,
    /// What its migration says of changes that would break something: [`Breach::id`].
    pub said: Vec<String>,
    /// How states find their way down, if the release says so.
    pub class: Option<DownClass>,
    /// The most fuel that migrating a state takes, in terms of the state.
    pub cost: String,
    /// The release over which it was chained, if it was.
    pub over: Option<Version>,
    /// Why it is tried on live states instead of certified in advance.
    pub not_certified: Option<String>,
}

/// How much a version has to grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bump {
    /// Not at all.
    None,
    /// The last number: clients and states see nothing of it.
    Patch,
    /// The middle number: there is more than before, and everything that was there works.
    Minor,
    /// The first number: some client or state is left behind.
    Major,
}

impl fmt::Display for Bump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bump::None => "none",
            Bump::Patch => "patch",
            Bump::Minor => "minor",
            Bump::Major => "major",
        })
    }
}

impl Bump {
    /// Returns the smallest version that is so much greater.
    pub fn after(self, before: &Version) -> Version {
        let [major, minor, patch] = before.numbers();
        let released = before.as_semver().pre.is_empty();
        let numbers = match (self, major, minor) {
            (Bump::None, ..) => return before.clone(),
            // The release that a pre-release leads to.
            (Bump::Patch, ..) if !released => [major, minor, patch],
            (Bump::Major, 0, 0) | (Bump::Minor, 0, _) | (Bump::Patch, ..) => {
                [major, minor, patch.saturating_add(1)]
            }
            (Bump::Major, 0, _) | (Bump::Minor, ..) => [major, minor.saturating_add(1), 0],
            (Bump::Major, ..) => [major.saturating_add(1), 0, 0],
        };
        Version::of_numbers(numbers)
    }

    /// Returns how much a version grew. Before 1.0.0 the numbers stand one place further to the
    /// right, as cargo reads them.
    pub fn between(before: &Version, after: &Version) -> Bump {
        let (old, new) = (before.numbers(), after.numbers());
        let place = (0..3).find(|place| old[*place] != new[*place]);
        let first = old.iter().position(|number| *number != 0).unwrap_or(2);
        match place {
            None if before == after => Bump::None,
            None => Bump::Patch,
            Some(place) if place <= first => Bump::Major,
            Some(place) if place == first + 1 => Bump::Minor,
            Some(_) => Bump::Patch,
        }
    }
}

/// Compares two releases. Where the newer one comes from the older, what its appups say of names and
/// of states that are given up is taken into account.
pub fn diff(before: &OpenedRelease, after: &OpenedRelease) -> Diff {
    let said = after.resolved.predecessors.iter().find(|from| from.digest == before.digest);
    let said = said.map(|from| from.transition.clone()).unwrap_or_default();
    let old_app = |name: &AppName| before.resolved.apps.iter().find(|app| app.name == *name);
    let mut apps = Vec::new();
    let mut gone: BTreeMap<&AppName, &ResolvedApp> =
        before.resolved.apps.iter().map(|app| (&app.name, app)).collect();
    // Machines may have moved between applications.
    let mut taken = BTreeSet::new();
    for new in &after.resolved.apps {
        let old = said.app_was(&new.name).and_then(old_app);
        if let Some(old) = old {
            gone.remove(&old.name);
        }
        let restarts = old.and_then(|_| said.restarts.get(&new.name)).cloned();
        let machines = new.machines.iter().map(|machine| {
            let address = MachineAddress { app: new.name.clone(), machine: machine.name.clone() };
            let was = said.was(&address).filter(|was| before.resolved.machine(was).is_some());
            let digest = was.as_ref().and_then(|was| before.resolved.machine(was)).map(|old| old.digest);
            let what = match digest {
                None => MachineChange::Added,
                Some(from) if from == machine.digest => MachineChange::Same,
                Some(from) => changed(before, after, from, machine.digest),
            };
            taken.extend(was.clone());
            let restarts = restarts.is_some();
            MachineDiff { was: was.filter(|was| *was != address), address, restarts, what }
        });
        apps.push(AppDiff {
            machines: machines.collect(),
            name: new.name.clone(),
            was: old.map(|old| old.name.clone()).filter(|was| *was != new.name),
            restarts: restarts.clone(),
            before: old.map(|app| app.version.clone()),
            after: Some(new.version.clone()),
            waivers: new.waivers.clone(),
            strictness: after.resolved.strictness_of(&new.name),
        });
    }
    for (name, old) in gone {
        apps.push(AppDiff {
            name: name.clone(),
            was: None,
            restarts: None,
            before: Some(old.version.clone()),
            after: None,
            machines: vec![],
            waivers: vec![],
            strictness: after.resolved.strictness_of(name),
        });
    }
    for (address, _) in before.resolved.machines().filter(|(address, _)| !taken.contains(address)) {
        let of_app = |app: &&mut AppDiff| {
            app.before.is_some() && app.was.as_ref().unwrap_or(&app.name) == &address.app
        };
        if let Some(app) = apps.iter_mut().find(of_app) {
            let removed = MachineChange::Removed;
            app.machines.push(MachineDiff { address, was: None, restarts: false, what: removed });
        }
    }
    for app in &mut apps {
        app.machines.sort_by(|a, b| a.address.machine.cmp(&b.address.machine));
    }
    apps.sort_by(|a, b| a.name.cmp(&b.name));
    let named = |release: &OpenedRelease| (release.resolved.name.clone(), release.resolved.version.clone());
    Diff { before: named(before), after: named(after), apps }
}

fn changed(before: &OpenedRelease, after: &OpenedRelease, from: Digest, to: Digest) -> MachineChange {
    let (old, new) = (&before.machines[&from], &after.machines[&to]);
    let resolved = after.resolved.edges.iter().find(|edge| edge.from == from && edge.to == to);
    let edge = resolved.and_then(|edge| after.edges.get(&edge.digest));
    MachineChange::Changed {
        comparison: Box::new(compare(old, new, &Edits::default())),
        edge: resolved.zip(edge).map(|(resolved, edge)| {
            Box::new(EdgeFound {
                digest: edge.digest(),
                said: resolved.said.clone(),
                class: resolved.class,
                cost: edge.up_cost().to_string(),
                over: resolved.over.clone(),
                not_certified: edge.reason_not_certified(old, new),
            })
        }),
    }
}

impl AppDiff {
    /// Returns how much its version has to grow by what changed: for clients, states and
    /// configuration. An application that only one of the releases has needs nothing. What a
    /// migration answers counts as a change all the same: clients see it.
    pub fn bump_needed(&self) -> Bump {
        self.bump_asked().map_or(Bump::None, |(bump, _)| bump)
    }

    /// Returns how much its version has to grow, and the first change that asks for it. From a
    /// pre-release it is never more than the last number: that promised nothing yet.
    pub fn bump_asked(&self) -> Option<(Bump, String)> {
        let (before, _) = (self.before.as_ref()?, self.after.as_ref()?);
        let asked = self.machines.iter().filter_map(|machine| {
            let (bump, why) = machine.bump()?;
            Some((bump, format!("machine {}: {why}", machine.address.machine)))
        });
        // Of equals the first.
        let (bump, why) = asked.reduce(|most, other| if other.0 > most.0 { other } else { most })?;
        let bump = if before.as_semver().pre.is_empty() { bump } else { bump.min(Bump::Patch) };
        Some((bump, why))
    }

    /// Returns how much its version grew.
    pub fn bump_found(&self) -> Option<Bump> {
        Some(Bump::between(self.before.as_ref()?, self.after.as_ref()?))
    }

    /// Returns true when a waiver sets a breach of a machine aside.
    pub fn waives(&self, waiver: &Waiver, machine: &MachineAddress, breach: &Breach) -> bool {
        let before = self.before.as_ref();
        before.is_some_and(|before| waiver.covers(breach.change.rule, &machine.machine, before))
    }

    /// Returns what breaks a class of strictness, set aside or not, by machine.
    pub fn all_breaches(&self, class: Strictness) -> Vec<(&MachineAddress, Breach)> {
        let of = |machine: &'_ MachineDiff| machine.breaches(class);
        self.machines
            .iter()
            .flat_map(|machine| of(machine).into_iter().map(move |breach| (&machine.address, breach)))
            .collect()
    }

    /// Returns what breaks a class of strictness and was not set aside, by machine.
    pub fn breaches(&self, class: Strictness) -> Vec<(&MachineAddress, Breach)> {
        let mut found = self.all_breaches(class);
        found.retain(|(machine, breach)| {
            !self.waivers.iter().any(|waiver| self.waives(waiver, machine, breach))
        });
        found
    }
}

impl MachineDiff {
    /// Returns what breaks a class of strictness. Where the newer release has an edge, what its
    /// migration says was written and checked, so that it breaks nothing.
    pub fn breaches(&self, class: Strictness) -> Vec<Breach> {
        let MachineChange::Changed { comparison, edge } = &self.what else { return vec![] };
        let said = edge.as_ref().map_or(&[][..], |edge| &edge.said);
        let answered = |breach: &Breach| {
            // Said is said of losses and of what has no counterpart; what a name or a default means is
            // not for a migration to say.
            edge.is_some()
                && (breach.is_settled_by_any_edge() || breach.is_answerable() && said.contains(&breach.id()))
                || self.restarts && matches!(breach.arrow, Arrow::Up | Arrow::Down | Arrow::Invariant)
        };
        comparison.breaches(class).into_iter().filter(|breach| !answered(breach)).collect()
    }

    /// Returns true for a change that a migration answers: without its word a value would have no
    /// counterpart, or a part of a state would be lost. What is left out of an input or answer by
    /// itself is none.
    pub fn is_answered(&self, arrow: Arrow, change: &Change) -> bool {
        let MachineChange::Changed { edge: Some(edge), .. } = &self.what else { return false };
        let breach = Breach { arrow, change: change.clone(), class: Strictness::Frozen };
        let settled = matches!(arrow, Arrow::Up | Arrow::Lift) && breach.is_settled_by_any_edge();
        settled || breach.is_answerable() && edge.said.contains(&breach.id())
    }

    /// Returns how much the change asks for, and what of it; nothing for the same machine.
    fn bump(&self) -> Option<(Bump, String)> {
        match &self.what {
            MachineChange::Same => None,
            MachineChange::Added => Some((Bump::Minor, "it is new".to_owned())),
            MachineChange::Removed => Some((Bump::Major, "it is gone".to_owned())),
            MachineChange::Changed { comparison, .. } => Some(bump_of(comparison)),
        }
    }
}

/// Returns how much a machine's change asks for. Internal inputs are nobody's interface.
pub(crate) fn bump_of(comparison: &Comparison) -> (Bump, String) {
    let for_clients = || comparison.inputs.iter().filter(|input| !input.internal);
    let parts = || {
        let of_inputs =
            for_clients().flat_map(|input| [(Arrow::Lift, &input.lift), (Arrow::Lower, &input.lower)]);
        of_inputs.chain([(Arrow::Config, &comparison.config)])
    };
    let left_behind = parts().find_map(|(arrow, verdict)| Some(why(arrow, verdict.problems().next()?)));
    if let Some(why) = left_behind {
        return (Bump::Major, why);
    }
    let added = comparison.new_inputs.iter().find(|input| !input.internal);
    let grown = added.map(|input| format!("the input {} is new", input.label));
    match grown.or_else(|| parts().find_map(|(arrow, verdict)| Some(why(arrow, verdict.changes.first()?)))) {
        Some(why) => (Bump::Minor, why),
        None => (Bump::Patch, "its code or its states are others".to_owned()),
    }
}

/// Says what a change is about, and what it is.
fn why(arrow: Arrow, change: &Change) -> String {
    let subject = match arrow {
        Arrow::Lift => "inputs of old clients, ",
        Arrow::Lower => "answers to old clients, ",
        Arrow::Up | Arrow::Down | Arrow::Outlet | Arrow::Config | Arrow::Invariant => "",
    };
    format!("{subject}{} {change}", change.rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_grows_as_cargo_reads_it() {
        let between = |before: &str, after: &str| {
            let version = |text: &str| text.parse().expect("the test's version is one");
            Bump::between(&version(before), &version(after))
        };
        for (before, after, bump) in [
            ("1.2.3", "1.2.3", Bump::None),
            ("1.2.3", "1.2.4", Bump::Patch),
            ("1.2.3", "1.3.0", Bump::Minor),
            ("1.2.3", "2.0.0", Bump::Major),
            ("1.2.3-rc.1", "1.2.3", Bump::Patch),
            ("0.2.3", "0.2.4", Bump::Minor),
            ("0.2.3", "0.3.0", Bump::Major),
            ("0.2.3", "1.0.0", Bump::Major),
            ("0.0.3", "0.0.4", Bump::Major),
            ("2.0.0", "1.9.9", Bump::Major),
        ] {
            assert_eq!(between(before, after), bump, "{before} to {after}");
        }
        assert!(Bump::None < Bump::Patch && Bump::Patch < Bump::Minor && Bump::Minor < Bump::Major);
    }

    #[test]
    fn the_smallest_version_that_would_do_is_one_that_does() {
        for before in ["1.2.3", "0.2.3", "0.0.3", "0.0.0", "1.0.0", "1.2.3-rc.1"] {
            let before: Version = before.parse().expect("a version");
            for bump in [Bump::Patch, Bump::Minor, Bump::Major] {
                let after = bump.after(&before);
                assert!(
                    after > before && Bump::between(&before, &after) >= bump.min(Bump::Patch),
                    "{before} {after}"
                );
                if before.as_semver().pre.is_empty() {
                    assert!(Bump::between(&before, &after) >= bump, "{before} to {after} is no {bump}");
                }
            }
            assert_eq!(Bump::None.after(&before), before);
        }
        let after = |bump: Bump, before: &str| bump.after(&before.parse().expect("a version")).to_string();
        let all = |before| [Bump::Patch, Bump::Minor, Bump::Major].map(|bump| after(bump, before));
        assert_eq!(all("1.2.3"), ["1.2.4", "1.3.0", "2.0.0"]);
        assert_eq!(all("0.2.3"), ["0.2.4", "0.2.4", "0.3.0"]);
        assert_eq!(all("0.0.3"), ["0.0.4", "0.0.4", "0.0.4"]);
        assert_eq!(after(Bump::Patch, "1.2.3-rc.1"), "1.2.3");
    }

    #[test]
    fn a_rule_that_is_set_aside_breaks_nothing() {
        let machine = |text: &str| {
            let source = camshaft_cam::diagnostic::Source::new("m.cam", text);
            let module = camshaft_cam::compile::machine(&source, None).expect("the test's machine compiles");
            let verified = camshaft_cam::verify::verify(module).expect("it verifies");
            verified.into_machine().expect("it is a machine")
        };
        let old = "machine m\ntype State = { a: Int, b: Int }\ntype Input = | Go\ninit = { a: 0, b: 0 }\non Go => (state, ())\n";
        let new =
            "machine m\ntype State = { a: Int }\ntype Input = | Go\ninit = { a: 0 }\non Go => (state, ())\n";
        let comparison = Box::new(compare(&machine(old), &machine(new), &Edits::default()));
        let address: MachineAddress = "a/m".parse().expect("an address");
        let app = |edge, waivers| AppDiff {
            name: "a".parse().expect("a name"),
            was: None,
            restarts: None,
            before: "1.0.0".parse().ok(),
            after: "1.0.1".parse().ok(),
            machines: vec![MachineDiff {
                address: address.clone(),
                was: None,
                restarts: false,
                what: MachineChange::Changed { comparison: comparison.clone(), edge },
            }],
            waivers,
            strictness: Strictness::State,
        };
        let rules = |app: &AppDiff, class| {
            app.breaches(class).iter().map(|(_, breach)| breach.change.rule.to_string()).collect::<Vec<_>>()
        };
        let plain = app(None, vec![]);
        assert_eq!(rules(&plain, Strictness::Wire), Vec::<String>::new());
        assert_eq!(rules(&plain, Strictness::State), ["U019"]);
        let waiver = |rule: &str, machine: Option<&str>, from: Option<&str>| {
            let (rule, reason) = (rule.to_owned(), "nobody reads it".to_owned());
            let machine = machine.map(|machine| machine.parse().expect("a name"));
            Waiver { rule, reason, machine, from: from.map(|from| from.parse().expect("a version")) }
        };
        for waiver in [
            waiver("U019", None, None),
            waiver("U019", Some("m"), None),
            waiver("U019", Some("m"), Some("1.0.0")),
        ] {
            assert_eq!(rules(&app(None, vec![waiver]), Strictness::State), Vec::<String>::new());
        }
        for waiver in [
            waiver("U018", None, None),
            waiver("U019", Some("other"), None),
            waiver("U019", Some("m"), Some("1.0.1")),
        ] {
            assert_eq!(rules(&app(None, vec![waiver]), Strictness::State), ["U019"]);
        }
        // With an edge it was said what becomes of it.
        let edge = EdgeFound {
            digest: Digest::of(b"edge"),
            said: vec![],
            class: None,
            cost: "1".to_owned(),
            over: None,
            not_certified: None,
        };
        let migrated = app(Some(Box::new(edge)), vec![]);
        assert_eq!(rules(&migrated, Strictness::State), Vec::<String>::new());
        assert_eq!((plain.bump_found(), plain.bump_needed()), (Some(Bump::Patch), Bump::Patch));
    }
}
