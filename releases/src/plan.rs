//! The relup planner: from two compositions to the complete list of instructions, up and down.
//!
//! Pure, and nothing is left to decide: an instruction names machine, digests and edge. The order
//! is that of the design: everything that can be undone comes before the switch, in dependency
//! order; then the switch, one for all; then the added applications start in dependency order and
//! the removed ones stop in reverse. The way down is the same between the same two releases with
//! the ends exchanged.
//!
//! What must stay true: [`crate::check`] shares no code with this file.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::digest::Digest;
use camshaft_manifests::relup::{Change, Code, CodeOf, Instruction, Pair, Relup, RelupFrom};
use camshaft_manifests::resolved::{Composition, Predecessor, ResolvedRelease};
use camshaft_manifests::{AppName, MachineAddress};

/// Plans the relup from a predecessor to a release, and back.
pub fn plan(from: &Predecessor, to: &ResolvedRelease) -> Relup {
    let edges: BTreeMap<(MachineAddress, Digest, Digest), Digest> =
        to.edges.iter().map(|edge| ((edge.machine.clone(), edge.from, edge.to), edge.digest)).collect();
    let composition = to.composition();
    let up = Side {
        from: &from.composition,
        to: &composition,
        edge: &|machine, from, to| edges.get(&(machine.clone(), from, to)).copied(),
    };
    // The same edges lead back.
    let down = Side {
        from: &composition,
        to: &from.composition,
        edge: &|machine, from, to| edges.get(&(machine.clone(), to, from)).copied(),
    };
    let new_links: Vec<CodeOf> = to
        .links
        .iter()
        .filter(|link| !from.composition.links.contains(&link.digest))
        .map(|link| CodeOf { machine: link.sender.clone(), code: Code::Link(link.digest) })
        .collect();
    Relup {
        release: to.name.clone(),
        from: RelupFrom { version: from.version.clone(), digest: from.digest },
        to: to.version.clone(),
        up: up.instructions(&new_links),
        // The older release was verified with its links when it was installed.
        down: down.instructions(&[]),
    }
}

/// One direction.
struct Side<'a> {
    from: &'a Composition,
    to: &'a Composition,
    edge: &'a dyn Fn(&MachineAddress, Digest, Digest) -> Option<Digest>,
}

impl Side<'_> {
    fn instructions(&self, links: &[CodeOf]) -> Vec<Instruction> {
        let changes = self.changes();
        let mut instructions = Vec::new();
        for code in self.code(&changes).into_iter().chain(links.iter().cloned()) {
            instructions.push(Instruction::Load(code.clone()));
            instructions.push(Instruction::Verify(code));
        }
        instructions.extend(changes.iter().cloned().map(Instruction::Try));
        instructions.push(Instruction::Switch(self.pairs()));
        instructions.extend(only_in(self.to, self.from).map(Instruction::Start));
        let removed: Vec<AppName> = only_in(self.from, self.to).collect();
        instructions.extend(removed.into_iter().rev().map(Instruction::Stop));
        instructions
    }

    /// Returns the machines that change their code, in dependency order.
    fn changes(&self) -> Vec<Change> {
        let change = |machine: MachineAddress, to: Digest| {
            let from = self.from.machine(&machine)?.digest;
            let edge = (self.edge)(&machine, from, to)?;
            (from != to).then_some(Change { machine, from, to, edge })
        };
        self.to.machines().filter_map(|(machine, code)| change(machine, code.digest)).collect()
    }

    /// Returns the code that the release needs and that does not run yet, in dependency order.
    fn code(&self, changes: &[Change]) -> Vec<CodeOf> {
        let mut code = Vec::new();
        for (machine, composed) in self.to.machines() {
            let runs = self.from.machine(&machine).is_some_and(|running| running.digest == composed.digest);
            if !runs {
                code.push(CodeOf { machine: machine.clone(), code: Code::Machine(composed.digest) });
            }
            if let Some(change) = changes.iter().find(|change| change.machine == machine) {
                code.push(CodeOf { machine, code: Code::Edge(change.edge) });
            }
        }
        code
    }

    /// Returns what becomes of every machine of either release.
    fn pairs(&self) -> Vec<Pair> {
        let all: BTreeSet<MachineAddress> =
            self.from.machines().chain(self.to.machines()).map(|(machine, _)| machine).collect();
        let pair = |machine: MachineAddress| {
            let from = self.from.machine(&machine).map(|code| code.digest);
            let to = self.to.machine(&machine).map(|code| code.digest);
            let edge = match (from, to) {
                (Some(from), Some(to)) if from != to => (self.edge)(&machine, from, to),
                _ => None,
            };
            Pair { machine, from, to, edge }
        };
        all.into_iter().map(pair).collect()
    }
}

/// Returns the applications that one composition has and the other has not, in dependency order.
fn only_in<'a>(one: &'a Composition, other: &'a Composition) -> impl Iterator<Item = AppName> + 'a {
    one.apps.iter().filter(|app| other.app(&app.name).is_none()).map(|app| app.name.clone())
}
