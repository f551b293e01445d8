//! Holds a plan of OTP against ours.
//!
//! Two plans are compared by what they promise, not by how they count: each pair of things of which one needs
//! the other has an order that is right, and each plan keeps it or breaks it. What happens at one moment (our
//! switch) keeps every order. A pair that both keep is agreement; a pair that one of them breaks is a difference,
//! which has to be one of [`Rule`]. What is in one plan and not in the other is a difference likewise.

use std::collections::{BTreeMap, BTreeSet};

use super::cases::{App, Case, Side};
use super::plans::{Both, Event, Plan};
use super::rules::Rule;

/// What a comparison found.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    /// Pairs in an order that both plans keep.
    pub agreed: usize,
    /// Differences that are known, by rule.
    pub known: BTreeMap<Rule, usize>,
    /// Differences that are not.
    pub unknown: Vec<String>,
}

/// A direction of a case.
struct Way<'c> {
    case: &'c Case,
    name: &'static str,
    back: bool,
    before: fn(&App) -> Option<&Side>,
    after: fn(&App) -> Option<&Side>,
    before_rel: &'c [String],
    after_rel: &'c [String],
    otp: &'c Plan,
    ours: &'c Plan,
}

/// An event of a kind, by its subject.
type EventOf = fn(String) -> Event;

/// Who keeps an order that is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Both,
    OnlyOurs,
    OnlyOtp,
    Neither,
}

/// Compares the two plans of a case.
pub fn compare(case: &Case, otp: &Both, ours: &Both) -> Findings {
    let mut findings = Findings::default();
    let ways = [
        Way {
            case,
            name: "up",
            back: false,
            before: |app| app.old.as_ref(),
            after: |app| app.new.as_ref(),
            before_rel: &case.old_rel,
            after_rel: &case.new_rel,
            otp: &otp.up,
            ours: &ours.up,
        },
        Way {
            case,
            name: "down",
            back: true,
            before: |app| app.new.as_ref(),
            after: |app| app.old.as_ref(),
            before_rel: &case.new_rel,
            after_rel: &case.old_rel,
            otp: &otp.down,
            ours: &ours.down,
        },
    ];
    for way in &ways {
        way.subjects(&mut findings);
        way.changes(&mut findings);
        way.starts(&mut findings);
        way.stops(&mut findings);
    }
    findings
}

impl Way<'_> {
    fn unknown(&self, findings: &mut Findings, what: impl std::fmt::Display) {
        findings.unknown.push(format!("{}: {what}", self.name));
    }

    /// Returns which of the plans have `first` not after `then`.
    fn kept(&self, first: &Event, then: &Event) -> Option<Kept> {
        let keeps = |plan: &Plan| Some(plan.at(first)? <= plan.at(then)?);
        Some(match (keeps(self.otp)?, keeps(self.ours)?) {
            (true, true) => Kept::Both,
            (false, true) => Kept::OnlyOurs,
            (true, false) => Kept::OnlyOtp,
            (false, false) => Kept::Neither,
        })
    }

    /// Notes what became of a pair; `excuse` names the rule of whoever breaks the order.
    fn note(
        &self,
        findings: &mut Findings,
        (first, then): (Event, Event),
        excuse: impl FnOnce(Kept) -> Option<Rule>,
    ) {
        // What is in neither plan, or in one, was told by `subjects`.
        let Some(kept) = self.kept(&first, &then) else { return };
        if kept == Kept::Both {
            findings.agreed += 1;
            return;
        }
        match excuse(kept) {
            Some(rule) => *findings.known.entry(rule).or_default() += 1,
            None => self.unknown(findings, format!("{first:?} belongs before {then:?}, kept by {kept:?}")),
        }
    }

    /// The same things happen in both plans.
    fn subjects(&self, findings: &mut Findings) {
        let kinds: [(&str, EventOf); 4] = [
            ("load", Event::Load),
            ("remove", Event::Remove),
            ("start", Event::Start),
            ("stop", Event::Stop),
        ];
        for (kind, event) in kinds {
            let [otp, ours] = [self.otp, self.ours]
                .map(|plan| plan.subjects(event).into_iter().collect::<BTreeSet<&str>>());
            for only in otp.difference(&ours) {
                self.unknown(findings, format!("only OTP has: {kind} {only}"));
            }
            for only in ours.difference(&otp) {
                match self.is_forgotten(only) {
                    true => *findings.known.entry(Rule::Forgotten).or_default() += 1,
                    false => self.unknown(findings, format!("only we have: {kind} {only}")),
                }
            }
            findings.agreed += otp.intersection(&ours).count();
        }
    }

    fn is_forgotten(&self, module: &str) -> bool {
        self.case.apps.values().any(|app| {
            let code = |side: &Option<Side>| side.as_ref().and_then(|side| side.modules.get(module).copied());
            app.is_changed() && code(&app.old) != code(&app.new) && !app.instructions.contains_key(module)
        })
    }

    /// Returns what an application needs on one side, also by way of others.
    fn needs(&self, app: &str, side: fn(&App) -> Option<&Side>) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut open = vec![app.to_owned()];
        while let Some(app) = open.pop() {
            for needed in side(&self.case.apps[&app]).iter().flat_map(|side| &side.depends) {
                if all.insert(needed.clone()) {
                    open.push(needed.clone());
                }
            }
        }
        all
    }

    /// The modules of an application that have an instruction and are in both versions.
    fn changed<'a>(&self, app: &'a App) -> impl Iterator<Item = &'a String> {
        app.instructions.keys().filter(|module| app.is_in_both(module))
    }

    /// Who is called changes before who calls on the way there, and after it on the way back.
    fn changes(&self, findings: &mut Findings) {
        let graph = Graph::of(self.case);
        for (name, app) in &self.case.apps {
            let both: BTreeSet<String> =
                self.needs(name, self.before).intersection(&self.needs(name, self.after)).cloned().collect();
            for caller in self.changed(app) {
                // What instructions name, also by way of others.
                for callee in graph.reached(caller) {
                    self.note(findings, self.in_order(caller, callee), |_| None);
                }
                for needed in &both {
                    for callee in self.changed(&self.case.apps[needed]) {
                        if graph.reached(caller).contains(callee.as_str()) {
                            continue;
                        }
                        self.note(findings, self.in_order(caller, callee), |kept| match kept {
                            Kept::OnlyOurs if graph.joined(caller, callee) => Some(Rule::UnnamedOrder),
                            Kept::OnlyOurs if self.back => Some(Rule::CalleeFirstOnTheWayBack),
                            Kept::OnlyOurs if graph.spans_apps(self.case, caller) => {
                                Some(Rule::PulledForward)
                            }
                            _ => None,
                        });
                    }
                }
            }
        }
    }

    fn in_order(&self, caller: &str, callee: &str) -> (Event, Event) {
        let [caller, callee] = [caller, callee].map(|module| Event::Load(module.to_owned()));
        if self.back { (caller, callee) } else { (callee, caller) }
    }

    /// What is new starts after what it needs, and before who needs it changes.
    fn starts(&self, findings: &mut Findings) {
        let added = |app: &App| (self.before)(app).is_none() && (self.after)(app).is_some();
        for (name, app) in &self.case.apps {
            for needed in self.needs(name, self.after) {
                let other = &self.case.apps[&needed];
                let start = Event::Start(name.clone());
                if added(app) && added(other) {
                    let in_file = in_file_order(self.after_rel, name, &needed);
                    self.note(findings, (Event::Start(needed.clone()), start.clone()), |kept| {
                        (kept == Kept::OnlyOurs && in_file).then_some(Rule::AddedInFileOrder)
                    });
                }
                if added(app) {
                    for module in self.changed(other) {
                        let pair = (Event::Load(module.clone()), start.clone());
                        self.note(findings, pair, |kept| {
                            (kept == Kept::OnlyOurs).then_some(Rule::StartedOnOldCode)
                        });
                    }
                }
                if added(other) {
                    for module in self.changed(app) {
                        let pair = (Event::Start(needed.clone()), Event::Load(module.clone()));
                        self.note(findings, pair, |kept| {
                            (kept == Kept::OnlyOtp).then_some(Rule::StartBehindSwitch)
                        });
                    }
                }
            }
        }
    }

    /// What is gone ends before what it needed is another or gone, and after who needed it changed.
    fn stops(&self, findings: &mut Findings) {
        let removed = |app: &App| (self.before)(app).is_some() && (self.after)(app).is_none();
        for (name, app) in &self.case.apps {
            for needed in self.needs(name, self.before) {
                let other = &self.case.apps[&needed];
                if removed(app) && removed(other) {
                    let in_file = in_file_order(self.before_rel, &needed, name);
                    let pair = (Event::Stop(name.clone()), Event::Stop(needed.clone()));
                    self.note(findings, pair, |kept| {
                        (kept == Kept::OnlyOurs && in_file).then_some(Rule::RemovedInFileOrder)
                    });
                }
                if removed(app) {
                    // The code of what is gone ends when its modules are removed.
                    for gone in (self.before)(app).iter().flat_map(|side| side.modules.keys()) {
                        for module in self.changed(other) {
                            let pair = (Event::Remove(gone.clone()), Event::Load(module.clone()));
                            self.note(findings, pair, |kept| {
                                (kept == Kept::OnlyOurs).then_some(Rule::StoppedOnNewCode)
                            });
                        }
                    }
                }
                if removed(other) {
                    for module in self.changed(app) {
                        let pair = (Event::Load(module.clone()), Event::Stop(needed.clone()));
                        self.note(findings, pair, |_| None);
                    }
                }
            }
        }
    }
}

/// Returns true when `one` stands before `other` in a .rel file.
fn in_file_order(rel: &[String], one: &str, other: &str) -> bool {
    let at = |name: &str| rel.iter().position(|other| other == name);
    matches!((at(one), at(other)), (Some(one), Some(other)) if one < other)
}

/// What DepMods join, over all applications.
struct Graph {
    edges: BTreeMap<String, BTreeSet<String>>,
    components: BTreeMap<String, usize>,
}

impl Graph {
    fn of(case: &Case) -> Graph {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (module, depends) in case.apps.values().flat_map(|app| &app.instructions) {
            edges.entry(module.clone()).or_default().extend(depends.iter().cloned());
        }
        let mut components: BTreeMap<String, usize> = edges.keys().cloned().zip(0..).collect();
        // Each edge makes one component of two.
        for (module, depends) in &edges {
            for other in depends {
                let (one, two) = (components[module], components[other]);
                components
                    .values_mut()
                    .filter(|component| **component == two)
                    .for_each(|component| *component = one);
            }
        }
        Graph { edges, components }
    }

    fn joined(&self, one: &str, other: &str) -> bool {
        self.components.get(one) == self.components.get(other)
    }

    /// Returns what a module depends on by DepMods, also by way of others.
    fn reached(&self, from: &str) -> BTreeSet<&str> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&BTreeSet<String>> = self.edges.get(from).into_iter().collect();
        while let Some(next) = open.pop() {
            let new = next.iter().filter(|module| seen.insert(module.as_str())).collect::<Vec<_>>();
            open.extend(new.into_iter().filter_map(|module| self.edges.get(module)));
        }
        seen
    }

    /// Returns true when what is joined with a module is of more than one application.
    fn spans_apps(&self, case: &Case, module: &str) -> bool {
        let apps = case
            .apps
            .iter()
            .filter(|(_, app)| app.instructions.keys().any(|other| self.joined(module, other)));
        apps.count() > 1
    }
}
