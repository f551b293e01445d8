//! The planner: two releases in, the relup between them out.
//!
//! Pure and total. It selects and orders; whether an upgrade may be made at all is judged by
//! [`crate::check`], which shares no code with it: a changed machine without an edge gets a pair
//! without an edge here, and a fault there.
//!
//! The order of each direction:
//!
//! 1. *before*: code of changed and added machines is loaded and verified, with the edges, in
//!    dependency order; then new links; then each migration is tried. All of it can be undone by
//!    forgetting it.
//! 2. *the switch*: one instruction with every machine of both releases.
//! 3. *after*: added applications start in dependency order; those that give up their states
//!    restart in it; inputs are applied in the authors' order, in reverse on the way back;
//!    machines that are not to wait for their next use migrate; removed applications stop in
//!    reverse.
//!
//! What must stay true: planning from a release to itself gives nothing to do; `down` is `up`
//! with the releases exchanged, over the same edges.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::digest::Digest;
use camshaft_manifests::lookup::Lookup;
use camshaft_manifests::relup::{Apply, Change, Code, CodeOf, Instruction, Pair, Relup, RelupFrom};
use camshaft_manifests::resolved::{Composition, Predecessor, ResolvedRelease};
use camshaft_manifests::{AppName, MachineAddress};

/// Returns the relup from a predecessor to a release, and back.
pub fn plan(from: &Predecessor, to: &ResolvedRelease) -> Relup {
    let target = to.composition();
    let relup = |up, down| Relup {
        release: to.name.clone(),
        from: RelupFrom { version: from.version.clone(), digest: from.digest },
        to: to.version.clone(),
        up,
        down,
    };
    if from.version == to.version && from.composition == target {
        return relup(Vec::new(), Vec::new());
    }
    let (up, down) = ways(from, to, &target);
    relup(up.instructions(), down.instructions())
}

/// One direction of a relup.
struct Way<'a> {
    before: &'a Composition,
    after: &'a Composition,
    /// Machines that go on, by their addresses after the switch: their addresses before it.
    origins: BTreeMap<MachineAddress, MachineAddress>,
    /// Applications that go on, by their names after the switch and before it.
    continued: BTreeSet<AppName>,
    gone_on: BTreeSet<AppName>,
    /// The edges of machines that change and keep their states, by their addresses after.
    edges: BTreeMap<MachineAddress, Digest>,
    /// Applications that give up their states, by their names after the switch.
    restarts: BTreeSet<AppName>,
    applies: Vec<Apply>,
    /// Machines to migrate at once, by their addresses after the switch.
    migrates: BTreeSet<MachineAddress>,
}

/// Returns both directions of going from a predecessor to a release.
fn ways<'a>(from: &'a Predecessor, to: &ResolvedRelease, target: &'a Composition) -> (Way<'a>, Way<'a>) {
    let said = &from.transition;
    let old: BTreeMap<MachineAddress, Digest> =
        from.composition.machines().map(|(address, machine)| (address, machine.digest)).collect();
    let known: BTreeMap<(&MachineAddress, Digest), Digest> =
        to.edges.iter().map(|edge| ((&edge.machine, edge.from), edge.digest)).collect();
    let mut origins = BTreeMap::new();
    let mut edges = BTreeMap::new();
    let called = said.origins();
    for (machine, new) in target.machines() {
        let Some(was) = called.was(&machine) else { continue };
        let Some(digest) = old.get(&was) else { continue };
        let keeps_states = !said.restarts.contains_key(&machine.app);
        if let Some(edge) = known.get(&(&machine, *digest))
            && *digest != new.digest
            && keeps_states
        {
            edges.insert(machine.clone(), *edge);
        }
        origins.insert(machine, was);
    }
    let older = Lookup::new(&from.composition);
    let was_app = |app| called.app_was(app).filter(|was| older.app(was).is_some());
    let both = target.apps.iter().filter_map(|app| Some((app.name.clone(), was_app(&app.name)?.clone())));
    let (new_names, old_names): (BTreeSet<AppName>, BTreeSet<AppName>) = both.unzip();
    let back = |machine: &MachineAddress| origins.get(machine).cloned();
    let backwards = |apply: &Apply| {
        let input = apply.inverse.clone()?;
        let machine = back(&apply.machine)?;
        Some(Apply { machine, key: apply.key.clone(), input, inverse: Some(apply.input.clone()) })
    };
    let down = Way {
        before: target,
        after: &from.composition,
        origins: origins.iter().map(|(new, old)| (old.clone(), new.clone())).collect(),
        continued: old_names.clone(),
        gone_on: new_names.clone(),
        edges: edges.iter().map(|(machine, edge)| (origins[machine].clone(), *edge)).collect(),
        restarts: said.restarts.keys().filter_map(&was_app).cloned().collect(),
        applies: said.applies.iter().rev().filter_map(backwards).collect(),
        migrates: said.migrates.iter().filter_map(back).collect(),
    };
    let up = Way {
        before: &from.composition,
        after: target,
        continued: new_names,
        gone_on: old_names,
        restarts: said.restarts.keys().filter(|app| was_app(app).is_some()).cloned().collect(),
        applies: said.applies.clone(),
        migrates: said.migrates.clone(),
        origins,
        edges,
    };
    (up, down)
}

impl Way<'_> {
    fn instructions(&self) -> Vec<Instruction> {
        let pairs = self.pairs();
        let mut instructions = Vec::new();
        for pair in pairs.iter().filter(|pair| pair.from != pair.to) {
            let code = pair.to.map(Code::Machine);
            let edge = pair.edge.map(Code::Edge);
            for code in code.into_iter().chain(edge) {
                let code = CodeOf { machine: pair.machine.clone(), code };
                instructions.extend([Instruction::Load(code.clone()), Instruction::Verify(code)]);
            }
        }
        // A link may join any two machines, so all links come after all machines.
        for link in self.after.links.difference(&self.before.links) {
            let code = CodeOf { machine: link.sender.clone(), code: Code::Link(link.digest) };
            instructions.extend([Instruction::Load(code.clone()), Instruction::Verify(code)]);
        }
        let changes: Vec<Change> = pairs.iter().filter_map(change).collect();
        instructions.extend(changes.iter().cloned().map(Instruction::Try));
        instructions.push(Instruction::Switch(pairs));
        instructions.extend(self.added().map(Instruction::Start));
        let restarts = self.after.apps.iter().filter(|app| self.restarts.contains(&app.name));
        instructions.extend(restarts.map(|app| Instruction::Restart(app.name.clone())));
        instructions.extend(self.applies.iter().cloned().map(Instruction::Apply));
        let at_once = changes.into_iter().filter(|change| self.migrates.contains(&change.machine));
        instructions.extend(at_once.map(Instruction::Migrate));
        instructions.extend(self.removed().map(Instruction::Stop));
        instructions
    }

    /// Every machine of both releases: those that go on or are added in the order of `after`, then
    /// those that are removed.
    fn pairs(&self) -> Vec<Pair> {
        let old: BTreeMap<MachineAddress, Digest> =
            self.before.machines().map(|(address, machine)| (address, machine.digest)).collect();
        let pair = |(machine, found): (MachineAddress, &camshaft_manifests::resolved::ComposedMachine)| {
            let origin = self.origins.get(&machine);
            Pair {
                from: origin.and_then(|origin| old.get(origin)).copied(),
                was: origin.filter(|origin| **origin != machine).cloned(),
                to: Some(found.digest),
                edge: self.edges.get(&machine).copied(),
                machine,
            }
        };
        let mut pairs: Vec<Pair> = self.after.machines().map(pair).collect();
        let kept: BTreeSet<&MachineAddress> = self.origins.values().collect();
        let removed = self.before.machines().filter(|(machine, _)| !kept.contains(machine));
        pairs.extend(removed.map(|(machine, found)| Pair {
            machine,
            was: None,
            from: Some(found.digest),
            to: None,
            edge: None,
        }));
        pairs
    }

    /// Returns the applications that only `after` has, in dependency order.
    fn added(&self) -> impl Iterator<Item = AppName> {
        let names = self.after.apps.iter().map(|app| &app.name);
        names.filter(|name| !self.continued.contains(*name)).cloned()
    }

    /// Returns the applications that only `before` has: what would start on the way back, the last
    /// one first.
    fn removed(&self) -> impl Iterator<Item = AppName> {
        let names = self.before.apps.iter().rev().map(|app| &app.name);
        names.filter(|name| !self.gone_on.contains(*name)).cloned()
    }
}

fn change(pair: &Pair) -> Option<Change> {
    let (from, to, edge) = (pair.from?, pair.to?, pair.edge?);
    Some(Change { machine: pair.machine.clone(), from, to, edge })
}

#[cfg(test)]
mod tests {
    use camshaft_manifests::relup;

    use super::*;
    use crate::check::check;
    use crate::testing::{predecessor, release};

    /// The instructions in a few words each.
    fn words(instructions: &[Instruction]) -> String {
        let short = |digest: Option<Digest>| digest.map_or("-".to_owned(), crate::testing::name_of);
        let one = |instruction: &Instruction| match instruction {
            Instruction::Load(CodeOf { machine, code }) | Instruction::Verify(CodeOf { machine, code }) => {
                let (Code::Machine(digest) | Code::Edge(digest) | Code::Link(digest)) = code;
                format!("{} {machine} {}", instruction.word(), short(Some(*digest)))
            }
            Instruction::Try(change) => format!("try {} {}", change.machine, short(Some(change.edge))),
            Instruction::Switch(pairs) => {
                let pair = |pair: &Pair| {
                    let was = pair.was.as_ref().map(|was| format!(" was {was}")).unwrap_or_default();
                    let [from, to, edge] = [pair.from, pair.to, pair.edge].map(short);
                    format!("  {}{was} {from} {to} {edge}", pair.machine)
                };
                let pairs: Vec<String> = pairs.iter().map(pair).collect();
                format!("switch\n{}", pairs.join("\n"))
            }
            Instruction::Start(app) | Instruction::Stop(app) | Instruction::Restart(app) => {
                format!("{} {app}", instruction.word())
            }
            Instruction::Apply(apply) => format!("apply {} {}", apply.machine, apply.input),
            Instruction::Migrate(change) => format!("migrate {}", change.machine),
            other => other.word().to_owned(),
        };
        instructions.iter().map(one).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_order_is_the_one_of_the_module_page() {
        // `c` depends on `b` depends on `a`; `old` goes, `b` and `c` come, `a` changes.
        let from = predecessor("1.0.0", &["a/m=a1", "a/n=n1", "old/m=o1 a", "older/m=o2 old"], &["a/m:l1"]);
        let to = release(
            "2.0.0",
            &["a/m=a2", "a/n=n1", "b/m=b1 a", "c/m=c1 b"],
            &["a/m:l2"],
            &["a/m a1 a2 e"],
            &[&from],
        );
        let relup = plan(&from, &to);
        assert_eq!(
            words(&relup.up),
            "load a/m a2\nverify a/m a2\nload a/m e\nverify a/m e\n\
             load b/m b1\nverify b/m b1\nload c/m c1\nverify c/m c1\n\
             load a/m l2\nverify a/m l2\n\
             try a/m e\n\
             switch\n  a/m a1 a2 e\n  a/n n1 n1 -\n  b/m - b1 -\n  c/m - c1 -\n  old/m o1 - -\n  older/m o2 - -\n\
             start b\nstart c\nstop older\nstop old"
        );
        assert_eq!(
            words(&relup.down),
            "load a/m a1\nverify a/m a1\nload a/m e\nverify a/m e\n\
             load old/m o1\nverify old/m o1\nload older/m o2\nverify older/m o2\n\
             load a/m l1\nverify a/m l1\n\
             try a/m e\n\
             switch\n  a/m a2 a1 e\n  a/n n1 n1 -\n  old/m - o1 -\n  older/m - o2 -\n  b/m b1 - -\n  c/m c1 - -\n\
             start old\nstart older\nstop c\nstop b"
        );
        assert_eq!(check(&relup, &from, &to), []);
        let text = relup::write(&relup);
        let source = camshaft_cam::diagnostic::Source::new("relup/1.0.0.toml", text);
        assert_eq!(relup::read(&source), Ok(relup));
    }

    #[test]
    fn what_was_said_of_the_way_is_done_and_undone() {
        let machine = |text: &str| -> MachineAddress { text.parse().expect("an address") };
        let app = |text: &str| -> AppName { text.parse().expect("a name") };
        let apply = |to: &str, input: &str, inverse: Option<&str>| Apply {
            machine: machine(to),
            key: None,
            input: input.to_owned(),
            inverse: inverse.map(str::to_owned),
        };
        let mut from = predecessor("1.0.0", &["stock/shelf=s1", "till/counter=t1 stock", "cache/m=c1"], &[]);
        from.transition = camshaft_manifests::transition::Transition {
            renamed_apps: [(app("store"), app("stock"))].into(),
            renamed_machines: [(machine("till/desk"), machine("till/counter"))].into(),
            restarts: [(app("cache"), "it fills itself".to_owned())].into(),
            applies: vec![apply("till/desk", "1", Some("2")), apply("new/m", "3", None)],
            migrates: [machine("till/desk")].into(),
            preserves: Default::default(),
        };
        // `stock` is another application now, under the name that one had.
        let to = release(
            "2.0.0",
            &["store/shelf=s1", "stock/shelf=n1", "till/desk=t2 store", "cache/m=c2", "new/m=m1 stock"],
            &[],
            &["till/desk t1 t2 e"],
            &[&from],
        );
        let relup = plan(&from, &to);
        assert_eq!(
            words(&relup.up),
            "load stock/shelf n1\nverify stock/shelf n1\n\
             load till/desk t2\nverify till/desk t2\nload till/desk e\nverify till/desk e\n\
             load cache/m c2\nverify cache/m c2\nload new/m m1\nverify new/m m1\n\
             try till/desk e\n\
             switch\n  store/shelf was stock/shelf s1 s1 -\n  stock/shelf - n1 -\n  \
             till/desk was till/counter t1 t2 e\n  cache/m c1 c2 -\n  new/m - m1 -\n\
             start stock\nstart new\nrestart cache\napply till/desk 1\napply new/m 3\nmigrate till/desk"
        );
        assert_eq!(
            words(&relup.down),
            "load till/counter t1\nverify till/counter t1\nload till/counter e\nverify till/counter e\n\
             load cache/m c1\nverify cache/m c1\n\
             try till/counter e\n\
             switch\n  stock/shelf was store/shelf s1 s1 -\n  till/counter was till/desk t2 t1 e\n  \
             cache/m c2 c1 -\n  stock/shelf n1 - -\n  new/m m1 - -\n\
             restart cache\napply till/counter 2\nmigrate till/counter\nstop new\nstop stock"
        );
        assert_eq!(check(&relup, &from, &to), []);
        let text = relup::write(&relup);
        let source = camshaft_cam::diagnostic::Source::new("relup/1.0.0.toml", text);
        assert_eq!(relup::read(&source), Ok(relup));
    }

    #[test]
    fn a_release_of_five_thousand_machines_that_all_change_fits_into_its_documents() {
        use camshaft_manifests::resolved;
        let numbers = || (0..500).flat_map(|app| (0..10).map(move |machine| (app, machine)));
        let machines = |version: &str| -> Vec<String> {
            let needed =
                |app| (1..4).filter(move |back| *back <= app).map(move |back| format!(" a{}", app - back));
            let machine = |(app, machine)| {
                let needed: String = needed(app).collect();
                format!("a{app}/m{machine}={version}-{app}-{machine}{needed}")
            };
            numbers().map(machine).collect()
        };
        let texts =
            |owned: &'static [String]| -> Vec<&'static str> { owned.iter().map(String::as_str).collect() };
        let (old, new) = (machines("1").leak(), machines("2").leak());
        let edge = |(app, machine)| {
            format!("a{app}/m{machine} 1-{app}-{machine} 2-{app}-{machine} e-{app}-{machine}")
        };
        let mut edges: Vec<String> = numbers().map(edge).collect();
        edges.sort();
        let from = predecessor("1.0.0", &texts(old), &[]);
        let to = release("2.0.0", &texts(new), &[], &texts(edges.leak()), &[&from]);
        let relup = plan(&from, &to);
        assert_eq!(check(&relup, &from, &to), []);
        assert!(crate::bundle::Limits::DEFAULT.files_max > 2 * numbers().count() + 3);
        let source = |path: &str, text: String| camshaft_cam::diagnostic::Source::new(path, text);
        assert_eq!(relup::read(&source("relup/1.0.0.toml", relup::write(&relup))), Ok(relup));
        assert_eq!(resolved::read(&source("release.toml", resolved::write(&to))), Ok(to));
    }

    #[test]
    fn planning_a_release_from_itself_is_empty() {
        let from = predecessor("1.0.0", &["a/m=a1"], &["a/m:l1"]);
        let same = release("1.0.0", &["a/m=a1"], &["a/m:l1"], &[], &[]);
        let relup = plan(&from, &same);
        assert_eq!((relup.up.as_slice(), relup.down.as_slice()), (&[][..], &[][..]));
        assert_eq!(check(&relup, &from, &same), []);
    }

    #[test]
    fn a_release_that_changes_its_version_or_configuration_only_still_switches() {
        let from = predecessor("1.0.0", &["a/m=a1"], &[]);
        let to = release("1.0.1", &["a/m=a1"], &[], &[], &[&from]);
        let relup = plan(&from, &to);
        assert_eq!(words(&relup.up), "switch\n  a/m a1 a1 -");
        assert_eq!(words(&relup.down), "switch\n  a/m a1 a1 -");
    }
}
