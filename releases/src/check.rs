//! The checker: judges any relup, whoever made it.
//!
//! It shares no code with the planner. It knows what both releases are made of and which edges
//! there are, and holds the relup against the rules of [`RULES`], in both directions; a direction
//! goes from the release *before* to the release *after*. Every fault names its rule.
//!
//! | rule | what must hold |
//! |---|---|
//! | C01 | the relup is about the two releases given: name, versions, and the digest that it starts from |
//! | C02 | each direction has a switch; from a release to itself there is nothing to do at all |
//! | C03 | a direction has one switch only |
//! | C04 | `load`, `verify` and `try` stand before the switch; `start`, `stop`, `apply`, `migrate`, `restart` and `make_permanent` after it; nothing after `make_permanent` |
//! | C05 | every machine of both releases stands in the switch |
//! | C06 | a machine stands in the switch once, and only if a release has it |
//! | C07 | the digests of a pair are those of the two releases |
//! | C08 | a machine that changes has an edge, unless its application gives up its states |
//! | C09 | the edge of a machine is one of this release, between just the digests of the pair |
//! | C10 | a machine that does not change, or is added or removed, or gives up its states, has no edge |
//! | C11 | the code of every changed or added machine, every edge and every new link is loaded |
//! | C12 | what is loaded is verified |
//! | C13 | nothing is verified before it is loaded |
//! | C14 | every migration is tried |
//! | C15 | nothing is tried before machine and edge are verified, nor with other ends than the switch has |
//! | C16 | what is loaded or verified is code that this direction needs |
//! | C17 | nothing is loaded, verified or tried twice |
//! | C18 | every added application is started |
//! | C19 | an application starts after those that it depends on |
//! | C20 | only added applications are started, once each |
//! | C21 | every removed application is stopped |
//! | C22 | an application stops after those that depend on it |
//! | C23 | only removed applications are stopped, once each |
//! | C24 | `down` goes back over the edges that `up` took |
//! | C25 | a machine that goes on stays keyed, or stays without keys |
//! | C26 | `apply`, `migrate` and `restart` name what runs after the switch; `migrate` the edge that the switch has |
//! | C27 | a machine was called in the switch what the release says that it was called: nobody's states are dropped by a new name |
//! | C28 | just those applications restart of which the release says so, and why, once each |
//! | C29 | just those inputs are applied that the release says, in its order; going back, those that undo them, in reverse |
//! | C30 | just those machines migrate at once of which the release says so, once each |
//! | C31 | an application restarts after those that it depends on; inputs are applied when all that starts or restarts has; an application stops last |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use camshaft_cam::digest::Digest;
use camshaft_manifests::lookup::Lookup;
use camshaft_manifests::relup::{Apply, Change, Code, CodeOf, Instruction, Pair, Relup};
use camshaft_manifests::resolved::{Composition, Predecessor, ResolvedRelease};
use camshaft_manifests::{AppName, MachineAddress, ReleaseName, Version};

/// The ids of all rules.
pub const RULES: [&str; 31] = [
    "C01", "C02", "C03", "C04", "C05", "C06", "C07", "C08", "C09", "C10", "C11", "C12", "C13", "C14", "C15",
    "C16", "C17", "C18", "C19", "C20", "C21", "C22", "C23", "C24", "C25", "C26", "C27", "C28", "C29", "C30",
    "C31",
];

/// What a relup is judged by; apart from the releases, so that tests can bend each fact.
#[derive(Debug, Clone)]
struct Facts {
    release: ReleaseName,
    from: Predecessor,
    to_version: Version,
    to: Composition,
    /// By digest: two machines with the same code have the same edge.
    edges: BTreeMap<Digest, BTreeSet<EdgeEnds>>,
}

/// Where an edge belongs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct EdgeEnds {
    machine: MachineAddress,
    /// The machine digest of the older release.
    from: Digest,
    /// The machine digest of the newer release.
    to: Digest,
}

impl Facts {
    fn of(from: &Predecessor, to: &ResolvedRelease) -> Facts {
        let ends = |edge: &camshaft_manifests::resolved::ResolvedEdge| EdgeEnds {
            machine: edge.machine.clone(),
            from: edge.from,
            to: edge.to,
        };
        let mut edges: BTreeMap<Digest, BTreeSet<EdgeEnds>> = BTreeMap::new();
        for edge in &to.edges {
            edges.entry(edge.digest).or_default().insert(ends(edge));
        }
        Facts {
            release: to.name.clone(),
            from: from.clone(),
            to_version: to.version.clone(),
            to: to.composition(),
            edges,
        }
    }
}

/// The direction that a fault is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the older release to the newer.
    Up,
    /// Back.
    Down,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Up => "up",
            Direction::Down => "down",
        })
    }
}

/// One thing that is wrong with a relup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The rule that is broken, one of [`RULES`].
    pub rule: &'static str,
    /// The direction, unless it is about the relup as a whole.
    pub direction: Option<Direction>,
    /// The instruction that it is about, counted from 0 within its direction.
    pub instruction: Option<usize>,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rule)?;
        if let Some(direction) = self.direction {
            write!(f, " {direction}")?;
        }
        if let Some(index) = self.instruction {
            write!(f, " {}", index + 1)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Judges a relup between a predecessor and a release; no fault means that an agent may carry
/// it out.
pub fn check(relup: &Relup, from: &Predecessor, to: &ResolvedRelease) -> Vec<Fault> {
    check_by(relup, &Facts::of(from, to))
}

fn check_by(relup: &Relup, facts: &Facts) -> Vec<Fault> {
    let mut faults = check_ends(relup, facts);
    let same = facts.from.version == facts.to_version && facts.from.composition == facts.to;
    let (older, newer) = (Lookup::new(&facts.from.composition), Lookup::new(&facts.to));
    let origins = facts.from.transition.origins();
    let mut taken = Vec::new();
    for (direction, instructions) in [(Direction::Up, &relup.up), (Direction::Down, &relup.down)] {
        if same {
            if !instructions.is_empty() {
                faults.push(Fault {
                    rule: "C02",
                    direction: Some(direction),
                    instruction: Some(0),
                    message: "from a release to itself there is nothing to do".to_owned(),
                });
            }
            continue;
        }
        let (before, after) = match direction {
            Direction::Up => (&older, &newer),
            Direction::Down => (&newer, &older),
        };
        let mut judge = Judge::new(direction, facts, before, after);
        taken.push(judge.run(instructions));
        faults.append(&mut judge.faults);
    }
    if let [up, down] = &taken[..] {
        for (machine, edge) in up {
            let back = origins.was(machine).and_then(|was| down.get(&was));
            if back.is_some_and(|back| back != edge) {
                faults.push(Fault {
                    rule: "C24",
                    direction: Some(Direction::Down),
                    instruction: None,
                    message: format!("machine {machine} goes back over another edge than it came"),
                });
            }
        }
    }
    faults
}

fn check_ends(relup: &Relup, facts: &Facts) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |message: String| {
        faults.push(Fault { rule: "C01", direction: None, instruction: None, message });
    };
    if relup.release != facts.release {
        fault(format!("this is a relup of {}, not of {}", relup.release, facts.release));
    }
    if relup.from.version != facts.from.version {
        fault(format!("it starts from {}, not from {}", relup.from.version, facts.from.version));
    }
    if relup.from.digest != facts.from.digest {
        fault(format!("it starts from the bundle {}, not from {}", relup.from.digest, facts.from.digest));
    }
    if relup.to != facts.to_version {
        fault(format!("it leads to {}, not to {}", relup.to, facts.to_version));
    }
    faults
}

/// Judges one direction.
struct Judge<'a> {
    direction: Direction,
    facts: &'a Facts,
    before: &'a Lookup<'a>,
    after: &'a Lookup<'a>,
    /// What machines that are there after it and before it are called before it.
    called: BTreeMap<MachineAddress, MachineAddress>,
    /// The same by what they are called before it.
    goes_on: BTreeMap<MachineAddress, MachineAddress>,
    /// The same of applications.
    apps_called: BTreeMap<AppName, AppName>,
    faults: Vec<Fault>,
}

/// The edges that a direction takes, by machine.
type Taken = BTreeMap<MachineAddress, Digest>;

impl<'a> Judge<'a> {
    fn new(
        direction: Direction,
        facts: &'a Facts,
        before: &'a Lookup<'a>,
        after: &'a Lookup<'a>,
    ) -> Judge<'a> {
        let (older, newer) = match direction {
            Direction::Up => (before, after),
            Direction::Down => (after, before),
        };
        let said = facts.from.transition.origins();
        let mut judge = Judge {
            direction,
            facts,
            before,
            after,
            called: BTreeMap::new(),
            goes_on: BTreeMap::new(),
            apps_called: BTreeMap::new(),
            faults: Vec::new(),
        };
        for (new, _) in newer.composition.machines() {
            if let Some(old) = said.was(&new).filter(|old| older.machine(old).is_some()) {
                let (after, before) = judge.turned(new, old);
                judge.called.insert(after, before);
            }
        }
        for (after, before) in &judge.called {
            judge.goes_on.entry(before.clone()).or_insert_with(|| after.clone());
        }
        for app in &newer.composition.apps {
            if let Some(old) = said.app_was(&app.name).filter(|old| older.app(old).is_some()) {
                let (after, before) = judge.turned(app.name.clone(), old.clone());
                judge.apps_called.insert(after, before);
            }
        }
        judge
    }

    /// Returns what is newer and what is older as what is after and what is before.
    fn turned<T>(&self, newer: T, older: T) -> (T, T) {
        match self.direction {
            Direction::Up => (newer, older),
            Direction::Down => (older, newer),
        }
    }

    /// Returns true for an application, by its name after, that gives up its states.
    fn gives_up(&self, app: &AppName) -> bool {
        let newer = match self.direction {
            Direction::Up => Some(app),
            Direction::Down => self.apps_called.get(app),
        };
        self.apps_called.contains_key(app)
            && newer.is_some_and(|newer| self.facts.from.transition.restarts.contains_key(newer))
    }

    fn fault(&mut self, rule: &'static str, instruction: Option<usize>, message: String) {
        let direction = Some(self.direction);
        self.faults.push(Fault { rule, direction, instruction, message });
    }

    fn run(&mut self, instructions: &[Instruction]) -> Taken {
        let switches: Vec<usize> = instructions
            .iter()
            .enumerate()
            .filter(|(_, instruction)| matches!(instruction, Instruction::Switch(_)))
            .map(|(index, _)| index)
            .collect();
        let Some(&switch) = switches.first() else {
            self.fault("C02", None, "there is no switch".to_owned());
            return Taken::new();
        };
        for &second in &switches[1..] {
            self.fault("C03", Some(second), "there is one switch, this is another".to_owned());
        }
        self.check_phases(instructions, switch);
        let Instruction::Switch(pairs) = &instructions[switch] else {
            unreachable!("the index is that of a switch")
        };
        let taken = self.check_pairs(switch, pairs);
        self.check_code(instructions, pairs);
        self.check_tries(instructions, pairs);
        self.check_starts(instructions);
        self.check_stops(instructions);
        self.check_restarts(instructions);
        self.check_applies(instructions);
        self.check_migrates(instructions);
        self.check_rest(instructions, &taken);
        taken
    }

    fn check_phases(&mut self, instructions: &[Instruction], switch: usize) {
        let mut permanent = false;
        for (index, instruction) in instructions.iter().enumerate() {
            if permanent {
                let message = format!("`{}` stands after `make_permanent`", instruction.word());
                self.fault("C04", Some(index), message);
            }
            let wrong = match instruction {
                Instruction::Load(_) | Instruction::Verify(_) | Instruction::Try(_) if index > switch => {
                    "after"
                }
                Instruction::Start(_)
                | Instruction::Stop(_)
                | Instruction::Apply(_)
                | Instruction::Migrate(_)
                | Instruction::Restart(_)
                | Instruction::MakePermanent
                    if index < switch =>
                {
                    "before"
                }
                _ => "",
            };
            permanent |= matches!(instruction, Instruction::MakePermanent);
            if !wrong.is_empty() {
                let message = format!("`{}` stands {wrong} the switch", instruction.word());
                self.fault("C04", Some(index), message);
            }
        }
    }

    fn check_pairs(&mut self, switch: usize, pairs: &[Pair]) -> Taken {
        let at = Some(switch);
        let mut seen = BTreeSet::new();
        let mut seen_before = BTreeSet::new();
        let mut taken = Taken::new();
        for pair in pairs {
            let machine = &pair.machine;
            if pair.to.is_some() && !seen.insert(machine) {
                self.fault("C06", at, format!("machine {machine} stands twice in the switch"));
                continue;
            }
            let called = self.called.get(machine).cloned();
            let called = if pair.to.is_none() { Some(machine.clone()) } else { called };
            if let Some(called) = &called
                && pair.before() != called
            {
                let message =
                    format!("machine {machine} was called {called}, the switch says {}", pair.before());
                self.fault("C27", at, message);
                continue;
            }
            if let (None, Some(was)) = (&called, &pair.was) {
                let message = format!("machine {machine} is new, the switch says that it was called {was}");
                self.fault("C27", at, message);
                continue;
            }
            if let Some(called) = &called
                && !seen_before.insert(called.clone())
            {
                self.fault("C06", at, format!("machine {called} stands twice in the switch"));
                continue;
            }
            let old = called.as_ref().and_then(|called| self.before.machine(called));
            // One that is said to go away may go on all the same.
            let goes_on = self.goes_on.get(machine);
            let is_called = if pair.to.is_none() { goes_on } else { Some(machine) };
            if let Some(name) = self.called.get_key_value(machine).map(|(name, _)| name)
                && pair.to.is_none()
                && is_called == Some(name)
            {
                seen.insert(machine);
            }
            let new = is_called.and_then(|name| self.after.machine(name));
            if old.is_none() && new.is_none() {
                self.fault("C06", at, format!("neither release has machine {machine}"));
                continue;
            }
            for (found, machine_is, when) in [(pair.from, old, "before"), (pair.to, new, "after")] {
                let expected = machine_is.map(|machine| machine.digest);
                if found != expected {
                    let message = format!(
                        "machine {machine} {when} the switch is {}, the switch says {}",
                        shown(expected),
                        shown(found)
                    );
                    self.fault("C07", at, message);
                }
            }
            if let (Some(old), Some(new)) = (old, new)
                && old.keyed != new.keyed
            {
                let message = format!("machine {machine} is keyed in one release and not in the other");
                self.fault("C25", at, message);
            }
            let changes = match (old, new) {
                (Some(old), Some(new)) => old.digest != new.digest,
                _ => false,
            };
            let gives_up = self.gives_up(&machine.app);
            match pair.edge {
                Some(_) if gives_up => {
                    let message = format!("machine {machine} gives up its states, and has an edge");
                    self.fault("C10", at, message);
                }
                None if changes && !gives_up => {
                    self.fault("C08", at, format!("machine {machine} changes and has no edge"));
                }
                Some(_) if !changes => {
                    self.fault("C10", at, format!("machine {machine} has an edge and does not change"));
                }
                Some(edge) => {
                    self.check_edge(switch, pair, edge);
                    taken.insert(machine.clone(), edge);
                }
                None => {}
            }
        }
        let (before, after) = (self.before.composition, self.after.composition);
        let mut missing = BTreeSet::new();
        missing
            .extend(before.machines().map(|(machine, _)| machine).filter(|one| !seen_before.contains(one)));
        missing.extend(after.machines().map(|(machine, _)| machine).filter(|one| !seen.contains(one)));
        for machine in missing {
            self.fault("C05", at, format!("machine {machine} is missing from the switch"));
        }
        taken
    }

    fn check_edge(&mut self, index: usize, pair: &Pair, edge: Digest) {
        let Some(ends) = self.facts.edges.get(&edge) else {
            let message =
                format!("machine {} has the edge {edge}, which the release does not have", pair.machine);
            self.fault("C09", Some(index), message);
            return;
        };
        let (lower, upper, newer) = match self.direction {
            Direction::Up => (pair.from, pair.to, &pair.machine),
            Direction::Down => (pair.to, pair.from, pair.before()),
        };
        let wanted = lower.zip(upper).map(|(from, to)| EdgeEnds { machine: newer.clone(), from, to });
        if let (false, Some(ends)) = (wanted.is_some_and(|wanted| ends.contains(&wanted)), ends.first()) {
            let message = format!(
                "the edge of machine {} belongs to {}, from {} to {}",
                pair.machine, ends.machine, ends.from, ends.to
            );
            self.fault("C09", Some(index), message);
        }
    }

    /// What this direction needs at hand at the switch. Taken from the releases and not from the
    /// switch, so that a wrong switch does not make wrong loads right.
    fn needed_code(&self, pairs: &[Pair]) -> BTreeSet<CodeOf> {
        let mut needed = BTreeSet::new();
        for (machine, new) in self.after.composition.machines() {
            let old = self.called.get(&machine).and_then(|called| self.before.machine(called));
            if old.is_none_or(|old| old.digest != new.digest) {
                needed.insert(CodeOf { machine, code: Code::Machine(new.digest) });
            }
        }
        for link in &self.after.composition.links {
            if !self.before.composition.links.contains(link) {
                needed.insert(CodeOf { machine: link.sender.clone(), code: Code::Link(link.digest) });
            }
        }
        for pair in pairs {
            if let Some(edge) = pair.edge {
                needed.insert(CodeOf { machine: pair.machine.clone(), code: Code::Edge(edge) });
            }
        }
        needed
    }

    fn check_code(&mut self, instructions: &[Instruction], pairs: &[Pair]) {
        let needed = self.needed_code(pairs);
        let mut loaded = BTreeSet::new();
        let mut verified = BTreeSet::new();
        for (index, instruction) in instructions.iter().enumerate() {
            let (code, is_load) = match instruction {
                Instruction::Load(code) => (code, true),
                Instruction::Verify(code) => (code, false),
                _ => continue,
            };
            let what = in_words(code);
            if !needed.contains(code) {
                self.fault("C16", Some(index), format!("{what} is not needed here"));
            }
            if !is_load && !loaded.contains(code) {
                self.fault("C13", Some(index), format!("{what} is verified before it is loaded"));
            }
            let fresh = if is_load { loaded.insert(code) } else { verified.insert(code) };
            if !fresh {
                self.fault("C17", Some(index), format!("{what} is there twice: `{}`", instruction.word()));
            }
        }
        for code in &needed {
            if !loaded.contains(code) {
                self.fault("C11", None, format!("{} is never loaded", in_words(code)));
            } else if !verified.contains(code) {
                self.fault("C12", None, format!("{} is never verified", in_words(code)));
            }
        }
    }

    fn check_tries(&mut self, instructions: &[Instruction], pairs: &[Pair]) {
        let mut verified = BTreeSet::new();
        let mut tried = BTreeSet::new();
        let ends: BTreeSet<_> = pairs.iter().filter_map(ends_of_pair).collect();
        for (index, instruction) in instructions.iter().enumerate() {
            match instruction {
                Instruction::Verify(code) => {
                    verified.insert(code.clone());
                }
                Instruction::Try(change) => {
                    let machine = &change.machine;
                    if !tried.insert(machine.clone()) {
                        self.fault("C17", Some(index), format!("machine {machine} is tried twice"));
                    }
                    for code in [Code::Machine(change.to), Code::Edge(change.edge)] {
                        let code = CodeOf { machine: machine.clone(), code };
                        if !verified.contains(&code) {
                            let message =
                                format!("machine {machine} is tried before {} is verified", in_words(&code));
                            self.fault("C15", Some(index), message);
                        }
                    }
                    if !ends.contains(&ends_of_change(change)) {
                        let message =
                            format!("machine {machine} is tried with other ends than the switch has");
                        self.fault("C15", Some(index), message);
                    }
                }
                _ => {}
            }
        }
        for pair in pairs.iter().filter(|pair| pair.edge.is_some()) {
            if !tried.contains(&pair.machine) {
                self.fault("C14", None, format!("the migration of machine {} is never tried", pair.machine));
            }
        }
    }

    fn check_starts(&mut self, instructions: &[Instruction]) {
        let after = self.after;
        let mut started: BTreeSet<&AppName> = BTreeSet::new();
        for (index, instruction) in instructions.iter().enumerate() {
            let Instruction::Start(name) = instruction else { continue };
            let Some(app) = after.app(name).filter(|_| !self.apps_called.contains_key(name)) else {
                let message = format!("application {name} is started, and the switch does not add it");
                self.fault("C20", Some(index), message);
                continue;
            };
            for needed in &app.depends {
                if !self.apps_called.contains_key(needed) && !started.contains(needed) {
                    let message = format!("application {name} starts before {needed}, which it depends on");
                    self.fault("C19", Some(index), message);
                }
            }
            if !started.insert(name) {
                self.fault("C20", Some(index), format!("application {name} is started twice"));
            }
        }
        for app in &after.composition.apps {
            if !self.apps_called.contains_key(&app.name) && !started.contains(&app.name) {
                self.fault("C18", None, format!("application {} is added and never started", app.name));
            }
        }
    }

    fn check_stops(&mut self, instructions: &[Instruction]) {
        let before = self.before;
        let goes_on: BTreeSet<AppName> = self.apps_called.values().cloned().collect();
        let mut stopped: BTreeSet<&AppName> = BTreeSet::new();
        for (index, instruction) in instructions.iter().enumerate() {
            let Instruction::Stop(name) = instruction else { continue };
            if before.app(name).is_none() || goes_on.contains(name) {
                let message = format!("application {name} is stopped, and the switch does not remove it");
                self.fault("C23", Some(index), message);
                continue;
            }
            for user in &before.composition.apps {
                let goes_too = !goes_on.contains(&user.name);
                if goes_too && user.depends.contains(name) && !stopped.contains(&user.name) {
                    let message =
                        format!("application {name} stops before {}, which depends on it", user.name);
                    self.fault("C22", Some(index), message);
                }
            }
            if !stopped.insert(name) {
                self.fault("C23", Some(index), format!("application {name} is stopped twice"));
            }
        }
        for app in &before.composition.apps {
            if !goes_on.contains(&app.name) && !stopped.contains(&app.name) {
                self.fault("C21", None, format!("application {} is removed and never stopped", app.name));
            }
        }
    }

    fn check_restarts(&mut self, instructions: &[Instruction]) {
        let mut done: BTreeSet<&AppName> = BTreeSet::new();
        let after = self.after;
        for (index, instruction) in instructions.iter().enumerate() {
            let Instruction::Restart(name) = instruction else { continue };
            let Some(app) = after.app(name) else { continue };
            if !self.gives_up(name) {
                let message =
                    format!("application {name} restarts, and nobody said that it gives up its states");
                self.fault("C28", Some(index), message);
                continue;
            }
            let late = app.depends.iter().find(|needed| self.gives_up(needed) && !done.contains(needed));
            if let Some(needed) = late {
                let message = format!("application {name} restarts before {needed}, which it depends on");
                self.fault("C31", Some(index), message);
            }
            if !done.insert(name) {
                self.fault("C28", Some(index), format!("application {name} restarts twice"));
            }
        }
        let missing =
            after.composition.apps.iter().filter(|app| self.gives_up(&app.name) && !done.contains(&app.name));
        for app in missing.collect::<Vec<_>>() {
            let message = format!("application {} gives up its states and never restarts", app.name);
            self.fault("C28", None, message);
        }
        self.check_late_order(instructions);
    }

    /// Inputs find everything running, and what stops does so when nobody has anything left to do.
    fn check_late_order(&mut self, instructions: &[Instruction]) {
        let mut seen: Option<&'static str> = None;
        for (index, instruction) in instructions.iter().enumerate() {
            let wrong = match (instruction, seen) {
                (Instruction::Start(_) | Instruction::Restart(_), Some(before)) => before,
                (Instruction::Apply(_), Some("stop")) => "stop",
                (Instruction::Migrate(_), Some("stop")) => "stop",
                _ => "",
            };
            if !wrong.is_empty() {
                let message = format!("`{}` stands after `{wrong}`", instruction.word());
                self.fault("C31", Some(index), message);
            }
            match instruction {
                Instruction::Apply(_) if seen != Some("stop") => seen = Some("apply"),
                Instruction::Stop(_) => seen = Some("stop"),
                _ => {}
            }
        }
    }

    /// Returns the inputs that this direction gives.
    fn wanted_applies(&self) -> Vec<Apply> {
        let said = &self.facts.from.transition.applies;
        if self.direction == Direction::Up {
            return said.clone();
        }
        let mut wanted = Vec::new();
        for apply in said {
            let machine = self.goes_on.get(&apply.machine);
            if let (Some(older), Some(inverse)) = (machine, &apply.inverse) {
                wanted.push(Apply {
                    machine: older.clone(),
                    key: apply.key.clone(),
                    input: inverse.clone(),
                    inverse: Some(apply.input.clone()),
                });
            }
        }
        wanted.reverse();
        wanted
    }

    fn check_applies(&mut self, instructions: &[Instruction]) {
        let wanted = self.wanted_applies();
        let given: Vec<(usize, &Apply)> = instructions
            .iter()
            .enumerate()
            .filter_map(|(index, instruction)| match instruction {
                Instruction::Apply(apply) => Some((index, apply)),
                _ => None,
            })
            .collect();
        for (place, (index, apply)) in given.iter().enumerate() {
            if wanted.get(place) != Some(*apply) {
                let message = format!(
                    "the input {} to {} is not what the release says here",
                    apply.input, apply.machine
                );
                self.fault("C29", Some(*index), message);
                return;
            }
        }
        if let Some(apply) = wanted.get(given.len()) {
            let message = format!("the input {} is never given to {}", apply.input, apply.machine);
            self.fault("C29", None, message);
        }
        for apply in &self.facts.from.transition.applies {
            let goes_back = match self.direction {
                Direction::Up => self.called.contains_key(&apply.machine),
                Direction::Down => false,
            };
            if goes_back && apply.inverse.is_none() {
                let message =
                    format!("nothing undoes the input {} of {}, which goes back", apply.input, apply.machine);
                self.fault("C29", None, message);
            }
        }
    }

    fn check_migrates(&mut self, instructions: &[Instruction]) {
        let mut wanted: BTreeSet<MachineAddress> = BTreeSet::new();
        for machine in &self.facts.from.transition.migrates {
            match self.direction {
                Direction::Up => drop(wanted.insert(machine.clone())),
                Direction::Down => {
                    wanted.extend(self.goes_on.get(machine).cloned());
                }
            }
        }
        let mut done = BTreeSet::new();
        for (index, instruction) in instructions.iter().enumerate() {
            let Instruction::Migrate(change) = instruction else { continue };
            if !wanted.contains(&change.machine) {
                let message = format!("machine {} migrates at once, and nobody said so", change.machine);
                self.fault("C30", Some(index), message);
            } else if !done.insert(change.machine.clone()) {
                self.fault("C30", Some(index), format!("machine {} migrates twice", change.machine));
            }
        }
        let changed = |machine: &MachineAddress| {
            let old = self.called.get(machine).and_then(|called| self.before.machine(called));
            let new = self.after.machine(machine);
            old.zip(new).is_some_and(|(old, new)| old.digest != new.digest)
        };
        let missing: Vec<MachineAddress> =
            wanted.into_iter().filter(|machine| changed(machine) && !done.contains(machine)).collect();
        for machine in missing {
            self.fault("C30", None, format!("machine {machine} is to migrate at once and never does"));
        }
    }

    fn check_rest(&mut self, instructions: &[Instruction], taken: &Taken) {
        for (index, instruction) in instructions.iter().enumerate() {
            let message = match instruction {
                Instruction::Restart(app) if self.after.app(app).is_none() => {
                    format!("application {app} does not run after the switch")
                }
                Instruction::Apply(apply) if self.after.machine(&apply.machine).is_none() => {
                    format!("machine {} does not run after the switch", apply.machine)
                }
                Instruction::Migrate(change) if taken.get(&change.machine) != Some(&change.edge) => {
                    format!("machine {} is migrated by another edge than the switch has", change.machine)
                }
                _ => continue,
            };
            self.fault("C26", Some(index), message);
        }
    }
}

/// A machine with its digests before and after, and its edge.
type Ends<'a> = (&'a MachineAddress, Digest, Digest, Digest);

fn ends_of_pair(pair: &Pair) -> Option<Ends<'_>> {
    Some((&pair.machine, pair.from?, pair.to?, pair.edge?))
}

fn ends_of_change(change: &Change) -> Ends<'_> {
    (&change.machine, change.from, change.to, change.edge)
}

fn in_words(code: &CodeOf) -> String {
    match code.code {
        Code::Machine(digest) => format!("machine {} ({})", code.machine, digest.short()),
        Code::Edge(digest) => format!("the edge of {} ({})", code.machine, digest.short()),
        Code::Link(digest) => format!("a link of {} ({})", code.machine, digest.short()),
    }
}

fn shown(digest: Option<Digest>) -> String {
    digest.map_or_else(|| "absent".to_owned(), |digest| digest.to_string())
}

#[cfg(test)]
mod tests;
