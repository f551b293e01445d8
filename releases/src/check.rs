//! The relup checker: judges a relup of any author against the two releases that it joins.
//!
//! It shares no code with the planner, so that one mistake does not pass both. The rules:
//!
//! | rule | what must hold |
//! |---|---|
//! | C01 | the relup starts from the predecessor that it is judged for, and leads to the release |
//! | C02 | each direction switches once |
//! | C03 | the switch names every machine of both releases once, and no other |
//! | C04 | the switch names the digests that the two releases have |
//! | C05 | a machine that changes takes an edge |
//! | C06 | a machine that stays, comes or goes takes none |
//! | C07 | an edge is one of the bundle's, of that machine, between those two digests |
//! | C08 | code that starts to run was loaded and then verified before the switch |
//! | C09 | what is loaded and verified is code of the release |
//! | C10 | a machine that changes is tried before the switch, along the edge of the switch |
//! | C11 | an application that is new is started after the switch, and no other |
//! | C12 | an application starts after what it depends on |
//! | C13 | an application that goes is stopped after the switch, and no other |
//! | C14 | an application stops before what it depends on |
//! | C15 | after make_permanent comes nothing |
//!
//! They answer to what OTP's tools let pass: a changed module without an instruction, a release
//! that says one version and runs another, applications started in file order, a downgrade that
//! nobody wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use camshaft_cam::digest::Digest;
use camshaft_manifests::relup::{Change, Code, Instruction, Pair, Relup};
use camshaft_manifests::resolved::{ComposedApp, Composition, Predecessor, ResolvedEdge, ResolvedRelease};
use camshaft_manifests::{AppName, MachineAddress};

/// The ids of the rules.
pub const RULES: [&str; 15] =
    ["C01", "C02", "C03", "C04", "C05", "C06", "C07", "C08", "C09", "C10", "C11", "C12", "C13", "C14", "C15"];

/// A rule that a relup breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The rule.
    pub rule: &'static str,
    /// Where: `up`, `down`, or the whole relup.
    pub part: &'static str,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.part, self.reason, self.rule)
    }
}

/// Judges a relup. No faults: it may be followed.
pub fn check(relup: &Relup, from: &Predecessor, to: &ResolvedRelease) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut whole = |reason: String| faults.push(Fault { rule: "C01", part: "relup", reason });
    if relup.release != to.name {
        whole(format!("it is for the release {}, not {}", relup.release, to.name));
    }
    if (&relup.from.version, relup.from.digest) != (&from.version, from.digest) {
        whole(format!(
            "it starts from {} ({}), not {} ({})",
            relup.from.version,
            relup.from.digest.short(),
            from.version,
            from.digest.short()
        ));
    }
    if relup.to != to.version {
        whole(format!("it leads to {}, not {}", relup.to, to.version));
    }
    let composition = to.composition();
    let up = Judge {
        part: "up",
        from: &from.composition,
        to: &composition,
        edges: &to.edges,
        back: false,
        faults: vec![],
    };
    faults.extend(up.judge(&relup.up));
    let down = Judge {
        part: "down",
        from: &composition,
        to: &from.composition,
        edges: &to.edges,
        back: true,
        faults: vec![],
    };
    faults.extend(down.judge(&relup.down));
    faults
}

struct Judge<'a> {
    part: &'static str,
    from: &'a Composition,
    to: &'a Composition,
    edges: &'a [ResolvedEdge],
    /// Edges are followed backwards.
    back: bool,
    faults: Vec<Fault>,
}

impl Judge<'_> {
    fn fault(&mut self, rule: &'static str, reason: String) {
        self.faults.push(Fault { rule, part: self.part, reason });
    }

    fn judge(mut self, instructions: &[Instruction]) -> Vec<Fault> {
        let mut switches =
            instructions.iter().enumerate().filter_map(|(at, instruction)| match instruction {
                Instruction::Switch(pairs) => Some((at, pairs)),
                _ => None,
            });
        match (switches.next(), switches.next()) {
            (None, _) => self.fault("C02", "it never switches".to_owned()),
            (Some(_), Some(_)) => self.fault("C02", "it switches twice".to_owned()),
            (Some((at, pairs)), None) => {
                self.pairs(pairs);
                self.before(&instructions[..at], pairs);
                self.after(&instructions[..at], &instructions[at + 1..]);
            }
        }
        let permanent =
            instructions.iter().position(|instruction| matches!(instruction, Instruction::MakePermanent));
        if permanent.is_some_and(|at| at + 1 < instructions.len()) {
            self.fault("C15", "something follows make_permanent".to_owned());
        }
        self.faults
    }

    fn pairs(&mut self, pairs: &[Pair]) {
        let mut seen = BTreeSet::new();
        for pair in pairs {
            let machine = &pair.machine;
            if !seen.insert(machine.clone()) {
                self.fault("C03", format!("the switch names {machine} twice"));
                continue;
            }
            let (from, to) = (digest(self.from, machine), digest(self.to, machine));
            if from.is_none() && to.is_none() {
                self.fault("C03", format!("the switch names {machine}, which neither release has"));
                continue;
            }
            if (pair.from, pair.to) != (from, to) {
                self.fault("C04", format!("the switch has other digests of {machine} than the releases"));
                continue;
            }
            match (from, to, pair.edge) {
                (Some(from), Some(to), None) if from != to => {
                    self.fault("C05", format!("{machine} changes and takes no edge"));
                }
                (Some(from), Some(to), Some(edge)) if from != to => self.edge(machine, from, to, edge),
                (_, _, Some(_)) => self.fault("C06", format!("{machine} does not change and takes an edge")),
                _ => {}
            }
        }
        for (machine, _) in self.from.machines().chain(self.to.machines()) {
            if seen.insert(machine.clone()) {
                self.fault("C03", format!("the switch does not say what becomes of {machine}"));
            }
        }
    }

    fn edge(&mut self, machine: &MachineAddress, from: Digest, to: Digest, digest: Digest) {
        let Some(edge) = self.edges.iter().find(|edge| edge.digest == digest) else {
            self.fault(
                "C07",
                format!("{machine} takes the edge {}, which the bundle does not have", digest.short()),
            );
            return;
        };
        let ends = if self.back { (edge.to, edge.from) } else { (edge.from, edge.to) };
        if edge.machine != *machine || ends != (from, to) {
            self.fault(
                "C07",
                format!("the edge {} is not that of {machine} between these two", digest.short()),
            );
        }
    }

    /// Judges what comes before the switch.
    fn before(&mut self, instructions: &[Instruction], pairs: &[Pair]) {
        let mut loaded = BTreeSet::new();
        let mut verified = BTreeSet::new();
        let mut tried: BTreeMap<MachineAddress, Change> = BTreeMap::new();
        for instruction in instructions {
            match instruction {
                Instruction::Load(code) => {
                    self.known(&code.machine, code.code);
                    loaded.insert(code.code);
                }
                Instruction::Verify(code) => {
                    self.known(&code.machine, code.code);
                    if loaded.contains(&code.code) {
                        verified.insert(code.code);
                    } else {
                        self.fault(
                            "C08",
                            format!("code of {} is verified before it is loaded", code.machine),
                        );
                    }
                }
                Instruction::Try(change) => {
                    tried.insert(change.machine.clone(), change.clone());
                }
                _ => {}
            }
        }
        for pair in pairs {
            let machine = &pair.machine;
            if let Some(to) = pair.to.filter(|to| pair.from != Some(*to))
                && !verified.contains(&Code::Machine(to))
            {
                self.fault("C08", format!("{machine} would run code that was not loaded and verified"));
            }
            let (Some(from), Some(to), Some(edge)) = (pair.from, pair.to, pair.edge) else { continue };
            if !verified.contains(&Code::Edge(edge)) {
                self.fault("C08", format!("{machine} takes an edge that was not loaded and verified"));
            }
            let wanted = Change { machine: machine.clone(), from, to, edge };
            match tried.get(machine) {
                Some(change) if *change == wanted => {}
                Some(_) => self.fault("C10", format!("{machine} is tried along another edge than it takes")),
                None => self.fault("C10", format!("{machine} changes and is not tried")),
            }
        }
    }

    fn known(&mut self, machine: &MachineAddress, code: Code) {
        let known = match code {
            Code::Machine(found) => digest(self.to, machine) == Some(found),
            Code::Edge(found) => {
                self.edges.iter().any(|edge| edge.digest == found && edge.machine == *machine)
            }
            Code::Link(found) => self.to.links.contains(&found) && digest(self.to, machine).is_some(),
        };
        if !known {
            self.fault("C09", format!("{machine} has no such code in the release"));
        }
    }

    /// Judges what starts and stops.
    fn after(&mut self, before: &[Instruction], after: &[Instruction]) {
        for instruction in before {
            match instruction {
                Instruction::Start(app) => self.fault("C11", format!("{app} is started before the switch")),
                Instruction::Stop(app) => self.fault("C13", format!("{app} is stopped before the switch")),
                _ => {}
            }
        }
        let started: Vec<&AppName> = after
            .iter()
            .filter_map(|instruction| match instruction {
                Instruction::Start(app) => Some(app),
                _ => None,
            })
            .collect();
        let stopped: Vec<&AppName> = after
            .iter()
            .filter_map(|instruction| match instruction {
                Instruction::Stop(app) => Some(app),
                _ => None,
            })
            .collect();
        let (from, to) = (self.from, self.to);
        self.each_once("C11", "started", &started, to, from);
        self.each_once("C13", "stopped", &stopped, from, to);
        for (at, app) in started.iter().enumerate() {
            for needed in depends(to, app) {
                if started.iter().skip(at + 1).any(|later| **later == needed) {
                    self.fault("C12", format!("{app} starts before {needed}, which it depends on"));
                }
            }
        }
        for (at, app) in stopped.iter().enumerate() {
            for needed in depends(from, app) {
                if stopped.iter().take(at).any(|earlier| **earlier == needed) {
                    self.fault("C14", format!("{app} stops after {needed}, which it depends on"));
                }
            }
        }
    }

    /// Judges that the named applications are those that one release has and the other has not.
    fn each_once(
        &mut self,
        rule: &'static str,
        word: &str,
        named: &[&AppName],
        one: &Composition,
        other: &Composition,
    ) {
        let expected: BTreeSet<&AppName> =
            one.apps.iter().map(|app| &app.name).filter(|name| other.app(name).is_none()).collect();
        for app in &expected {
            match named.iter().filter(|name| *name == app).count() {
                1 => {}
                0 => self.fault(rule, format!("{app} is never {word}")),
                _ => self.fault(rule, format!("{app} is {word} twice")),
            }
        }
        for app in named.iter().filter(|app| !expected.contains(**app)) {
            self.fault(rule, format!("{app} is {word} and should not be"));
        }
    }
}

fn digest(composition: &Composition, machine: &MachineAddress) -> Option<Digest> {
    let app = composition.apps.iter().find(|app| app.name == machine.app)?;
    app.machines.iter().find(|composed| composed.name == machine.machine).map(|composed| composed.digest)
}

fn depends(composition: &Composition, app: &AppName) -> BTreeSet<AppName> {
    let found: Option<&ComposedApp> = composition.apps.iter().find(|composed| composed.name == *app);
    found.map(|found| found.depends.clone()).unwrap_or_default()
}
