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
//! 3. *after*: added applications start in dependency order, removed ones stop in reverse.
//!
//! What must stay true: planning from a release to itself gives nothing to do; `down` is `up`
//! with the releases exchanged, over the same edges.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::digest::Digest;
use camshaft_manifests::relup::{Change, Code, CodeOf, Instruction, Pair, Relup, RelupFrom};
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
    // The same edge serves both directions, so that it is found by its lower end in both.
    let edges: BTreeMap<(&MachineAddress, Digest), Digest> =
        to.edges.iter().map(|edge| ((&edge.machine, edge.from), edge.digest)).collect();
    let edge_from = |machine: &MachineAddress| {
        let lower = from.composition.machine(machine)?;
        edges.get(&(machine, lower.digest)).copied()
    };
    relup(
        plan_direction(&from.composition, &target, &edge_from),
        plan_direction(&target, &from.composition, &edge_from),
    )
}

fn plan_direction(
    before: &Composition,
    after: &Composition,
    edge_of: &dyn Fn(&MachineAddress) -> Option<Digest>,
) -> Vec<Instruction> {
    let pairs = plan_pairs(before, after, edge_of);
    let mut instructions = Vec::new();
    for pair in pairs.iter().filter(|pair| pair.from != pair.to) {
        let code = pair.to.map(Code::Machine);
        let edge = pair.edge.map(Code::Edge);
        let wanted = code.into_iter().chain(edge);
        for code in wanted {
            let code = CodeOf { machine: pair.machine.clone(), code };
            instructions.extend([Instruction::Load(code.clone()), Instruction::Verify(code)]);
        }
    }
    // A link may join any two machines, so all links come after all machines.
    for link in after.links.difference(&before.links) {
        let code = CodeOf { machine: link.sender.clone(), code: Code::Link(link.digest) };
        instructions.extend([Instruction::Load(code.clone()), Instruction::Verify(code)]);
    }
    for pair in &pairs {
        if let (Some(from), Some(to), Some(edge)) = (pair.from, pair.to, pair.edge) {
            let machine = pair.machine.clone();
            instructions.push(Instruction::Try(Change { machine, from, to, edge }));
        }
    }
    instructions.push(Instruction::Switch(pairs));
    instructions.extend(plan_starts(before, after).into_iter().map(Instruction::Start));
    // What stops is what would start on the way back, the last one first.
    instructions.extend(plan_starts(after, before).into_iter().rev().map(Instruction::Stop));
    instructions
}

/// Every machine of both releases: those that go on or are added in the order of `after`, then
/// those that are removed.
fn plan_pairs(
    before: &Composition,
    after: &Composition,
    edge_of: &dyn Fn(&MachineAddress) -> Option<Digest>,
) -> Vec<Pair> {
    let old: BTreeMap<MachineAddress, Digest> =
        before.machines().map(|(address, machine)| (address, machine.digest)).collect();
    let mut pairs: Vec<Pair> = after
        .machines()
        .map(|(machine, found)| {
            let from = old.get(&machine).copied();
            let changes = from.is_some_and(|from| from != found.digest);
            let edge = if changes { edge_of(&machine) } else { None };
            Pair { machine, from, to: Some(found.digest), edge }
        })
        .collect();
    let kept: BTreeSet<MachineAddress> = pairs.iter().map(|pair| pair.machine.clone()).collect();
    let removed = before.machines().filter(|(machine, _)| !kept.contains(machine));
    pairs.extend(removed.map(|(machine, found)| Pair {
        machine,
        from: Some(found.digest),
        to: None,
        edge: None,
    }));
    pairs
}

/// Returns the applications that only `after` has, in dependency order.
fn plan_starts(before: &Composition, after: &Composition) -> Vec<AppName> {
    let names = after.apps.iter().map(|app| &app.name);
    names.filter(|name| before.app(name).is_none()).cloned().collect()
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
                    format!("  {} {} {} {}", pair.machine, short(pair.from), short(pair.to), short(pair.edge))
                };
                let pairs: Vec<String> = pairs.iter().map(pair).collect();
                format!("switch\n{}", pairs.join("\n"))
            }
            Instruction::Start(app) | Instruction::Stop(app) => format!("{} {app}", instruction.word()),
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
