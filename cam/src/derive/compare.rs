//! Two versions of a machine beside each other: what changed, and what that does to states, inputs,
//! answers and messages.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::same::SameCode;
use super::{Change, Edits, Effect, Rule, Strictness, Verdict, Way, judge_state, judge_way};
use crate::code::TypeIx;
use crate::facts::Answers;
use crate::verify::VerifiedMachine;

/// What stands between two versions of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// States on their way up.
    pub up: Verdict,
    /// States on their way down.
    pub down: Verdict,
    /// The cases of the old input, in their order.
    pub inputs: Vec<InputChange>,
    /// The cases that the new input has beside them.
    pub new_inputs: Vec<InputChange>,
    /// The channels and ports of either version, by name.
    pub outlets: Vec<OutletChange>,
    /// The configuration.
    pub config: Verdict,
    /// True when instances begin in another state.
    pub init: bool,
    /// The invariants that only the new version has.
    pub new_invariants: Vec<Arc<str>>,
    /// The invariants that both have, of another state or with other code.
    pub other_invariants: Vec<Arc<str>>,
    /// The invariants that only the old version has.
    pub old_invariants: Vec<Arc<str>>,
}

/// What becomes of an input of the old version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputChange {
    /// The case.
    pub label: Arc<str>,
    /// Whether it comes from timers and answers alone.
    pub internal: bool,
    /// What it holds, on its way to the new version.
    pub lift: Verdict,
    /// What it may be answered by the new version, on the way to a client of the old one.
    pub lower: Verdict,
    /// True when it may be answered otherwise, or lead to another state or effect: its code is
    /// another one, or types that it works on changed.
    pub acts_otherwise: bool,
}

/// What became of a channel or port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutletChange {
    /// Its name.
    pub name: Arc<str>,
    /// True for a port.
    pub port: bool,
    /// What became of it.
    pub what: OutletWhat,
}

/// What became of a channel or port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutletWhat {
    /// Only the new version has it.
    New,
    /// Only the old version has it: what waits in it is delivered all the same.
    Gone,
    /// Both have it.
    Kept {
        /// Messages that wait, on their way up.
        up: Verdict,
        /// Messages that wait, on their way down.
        down: Verdict,
        /// Answers that are owed: from the old type to the new one.
        answer: Verdict,
        /// True when it leads elsewhere, or has a key where it had none or the other way.
        moved: bool,
    },
}

/// How a state finds its way down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DownClass {
    /// Exact: every new state is an old one.
    D0,
    /// Exact for what the old version left, and forgets what is only new.
    D1,
    /// Some new states have no way down.
    D2,
    /// What `up` left out has to be put back.
    D3,
    /// There is none that can be derived.
    D4,
}

impl std::str::FromStr for DownClass {
    type Err = String;

    fn from_str(text: &str) -> Result<DownClass, String> {
        let all = [DownClass::D0, DownClass::D1, DownClass::D2, DownClass::D3, DownClass::D4];
        let found = all.into_iter().find(|class| class.to_string() == text);
        found.ok_or_else(|| format!("`{text}` is no class of a way down: they are D0 to D4"))
    }
}

impl fmt::Display for DownClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// Where a change stands: what goes which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arrow {
    /// States on their way up.
    Up,
    /// States on their way down.
    Down,
    /// Inputs of the old version.
    Lift,
    /// Answers to clients of the old version.
    Lower,
    /// Messages and answers of channels and ports.
    Outlet,
    /// The configuration.
    Config,
    /// The states that were tried.
    Invariant,
}

impl Arrow {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Arrow::Up => "up",
            Arrow::Down => "down",
            Arrow::Lift => "lift",
            Arrow::Lower => "lower",
            Arrow::Outlet => "outlet",
            Arrow::Config => "config",
            Arrow::Invariant => "invariant",
        }
    }
}

/// A change that breaks a class of strictness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// What goes which way.
    pub arrow: Arrow,
    /// The change.
    pub change: Change,
    /// The least strict class that it breaks.
    pub class: Strictness,
}

impl Breach {
    /// Names the breach among those of a comparison: `lower U019 Output.Stats.seen`.
    pub fn id(&self) -> String {
        format!("{} {} {}", self.arrow.word(), self.change.rule, self.change.path)
    }

    /// Returns true for what a migration can say: what becomes of values. What a name or a default
    /// means to others is not for it to say.
    pub fn is_answerable(&self) -> bool {
        self.change.effect >= Effect::Lost
    }

    /// Returns true for what an edge has settled by being there: it is not compiled before states on
    /// their way up and inputs have counterparts, and a way down where none can be made. What it
    /// leaves out was named then. Messages that wait in channels and ports are no promise, and parked
    /// where they have no counterpart; what the release configures fits its own type.
    pub fn is_settled_by_any_edge(&self) -> bool {
        match self.arrow {
            Arrow::Up | Arrow::Outlet => self.change.effect >= Effect::Lost,
            // That a case is internal now is no matter of types: no counterpart is missing.
            Arrow::Lift => self.change.is_problem() && self.change.rule != Rule::DIRECTION,
            Arrow::Down => self.change.effect == Effect::Open,
            Arrow::Config => self.change.effect >= Effect::Lost,
            Arrow::Lower | Arrow::Invariant => false,
        }
    }
}

/// Compares two versions of a machine. `edits` are what a migration says about their types.
pub fn compare(old: &VerifiedMachine, new: &VerifiedMachine, edits: &Edits) -> Comparison {
    let mut same = SameCode::new(old.module(), new.module());
    let back = edits.reversed();
    let init = !same.functions(old.machine().init, new.machine().init);
    let up = judge_state(Way::Forth, old.state(), new.state(), edits);
    let down = judge_state(Way::Back, new.state(), old.state(), &back);
    let [inputs, new_inputs] = inputs(old, new, edits, &back, &mut same);
    // Where states stay as they are, so does what code sees of them.
    let mut same = match up.is_zero_touch() {
        true => SameCode::of_same_values(old.module(), new.module()),
        false => same,
    };
    let before = |text: &str| old.machine().invariants.iter().find(|(other, _)| **other == *text);
    let mut other_invariants = vec![];
    let mut new_invariants = vec![];
    for (text, function) in &new.machine().invariants {
        match before(text) {
            None => new_invariants.push(text.clone()),
            Some((_, other)) if !same.functions(*other, *function) => other_invariants.push(text.clone()),
            Some(_) => {}
        }
    }
    let gone = |text: &Arc<str>| !new.machine().invariants.iter().any(|(other, _)| other == text);
    let old_invariants =
        old.machine().invariants.iter().map(|(text, _)| text).filter(|text| gone(text)).cloned().collect();
    Comparison {
        up,
        down,
        inputs,
        new_inputs,
        outlets: outlets(old, new, edits, &back),
        config: judge_way(Way::Forth, old.config(), new.config(), edits, "config"),
        init,
        new_invariants,
        other_invariants,
        old_invariants,
    }
}

/// Returns what becomes of each old input, and the inputs that are new.
fn inputs(
    old: &VerifiedMachine,
    new: &VerifiedMachine,
    edits: &Edits,
    back: &Edits,
    same: &mut SameCode<'_>,
) -> [Vec<InputChange>; 2] {
    let (Some(before), Some(after)) = (old.input().as_variant(), new.input().as_variant()) else {
        unreachable!("inputs are variants");
    };
    let same_types =
        old.state() == new.state() && old.config() == new.config() && old.output() == new.output();
    let mut found = vec![];
    for (index, case) in before.cases.iter().enumerate() {
        let root = format!("Input.{}", case.label);
        let label = case.label.clone();
        let internal = old.case_is_internal(index);
        let Some(at) = after.index(edits.after(old.input(), new.input(), &case.label)) else {
            let what = "the case has no counterpart".to_owned();
            let change = Change { rule: Rule::CASE_REMOVED, path: root, what, effect: Effect::Partial };
            let lift = Verdict { changes: vec![change], ..Verdict::default() };
            found.push(InputChange {
                label,
                internal,
                lift,
                lower: Verdict::default(),
                acts_otherwise: true,
            });
            continue;
        };
        let mut lift = judge_way(Way::Forth, &case.payload, &after.cases[at].payload, edits, &root);
        if new.case_is_internal(at) && !internal {
            let what = "comes from inside alone now".to_owned();
            lift.changes.push(Change { rule: Rule::DIRECTION, path: root, what, effect: Effect::Partial });
        }
        let same_code = same.functions(old.machine().step[index], new.machine().step[at]);
        let acts_otherwise = !(same_code && same_types && same_names(old, new));
        found.push(InputChange { label, internal, lift, lower: answers(old, new, at, back), acts_otherwise });
    }
    let is_new = |label: &str| before.index(edits.before(old.input(), new.input(), label)).is_none();
    let added = after.cases.iter().enumerate().filter(|(_, case)| is_new(&case.label));
    let added = added.map(|(index, case)| InputChange {
        label: case.label.clone(),
        internal: new.case_is_internal(index),
        lift: Verdict::default(),
        lower: Verdict::default(),
        acts_otherwise: true,
    });
    [found, added.collect()]
}

/// Returns true when effects are to the same channels and ports, which code knows by number.
fn same_names(old: &VerifiedMachine, new: &VerifiedMachine) -> bool {
    let channels = |machine: &VerifiedMachine| {
        let module = machine.module().clone();
        let channel = move |channel: &crate::code::Channel| {
            (channel.name.clone(), channel.target.clone(), channel.keyed, module.ty(channel.message).clone())
        };
        machine.channels().iter().map(channel).collect::<Vec<_>>()
    };
    let ports = |machine: &VerifiedMachine| {
        let module = machine.module().clone();
        let port =
            move |port: &crate::code::Port| (port.name.clone(), port.keyed, module.ty(port.message).clone());
        machine.ports().iter().map(port).collect::<Vec<_>>()
    };
    channels(old) == channels(new) && ports(old) == ports(new)
}

/// Judges what an input may be answered, on the way to a client of the old version.
fn answers(old: &VerifiedMachine, new: &VerifiedMachine, case: usize, back: &Edits) -> Verdict {
    let reached: BTreeSet<u32> = match &new.reach(case).answers {
        Answers::Nobody => return Verdict::default(),
        Answers::Any => return judge_way(Way::Back, new.output(), old.output(), back, "Output"),
        Answers::Cases(cases) => cases.clone(),
    };
    // Judged as a whole, since edits are about the whole type, and then as far as it is reached.
    let whole = judge_way(Way::Back, new.output(), old.output(), back, "Output");
    let cases = new.output().as_variant().map_or(&[][..], |variant| &variant.cases);
    let reached = reached.iter().filter_map(|case| cases.get(*case as usize));
    let roots: Vec<String> = reached.map(|case| format!("Output.{}", case.label)).collect();
    let of_part = |change: &Change| {
        roots.iter().any(|root| {
            change.path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        })
    };
    Verdict { changes: whole.changes.into_iter().filter(of_part).collect(), ..Verdict::default() }
}

fn outlets(old: &VerifiedMachine, new: &VerifiedMachine, edits: &Edits, back: &Edits) -> Vec<OutletChange> {
    /// A channel or port, with the place that a channel leads to.
    struct Outlet<'m> {
        name: &'m Arc<str>,
        target: Option<&'m Arc<str>>,
        keyed: bool,
        message: TypeIx,
        answer: Option<TypeIx>,
    }
    fn of(machine: &VerifiedMachine, ports: bool) -> Vec<Outlet<'_>> {
        match ports {
            false => {
                let outlet = |channel: &'_ crate::code::Channel| channel.answer.map(|answer| answer.ty);
                let channels = machine.channels().iter();
                channels
                    .map(|channel| Outlet {
                        name: &channel.name,
                        target: Some(&channel.target),
                        keyed: channel.keyed,
                        message: channel.message,
                        answer: outlet(channel),
                    })
                    .collect()
            }
            true => {
                let ports = machine.ports().iter();
                ports
                    .map(|port| Outlet {
                        name: &port.name,
                        target: None,
                        keyed: port.keyed,
                        message: port.message,
                        answer: port.answer.map(|answer| answer.ty),
                    })
                    .collect()
            }
        }
    }
    let mut found = vec![];
    for port in [false, true] {
        let (before, after) = (of(old, port), of(new, port));
        for outlet in &before {
            let Some(other) = after.iter().find(|other| other.name == outlet.name) else {
                found.push(OutletChange { name: outlet.name.clone(), port, what: OutletWhat::Gone });
                continue;
            };
            let (from, to) = (old.module().ty(outlet.message), new.module().ty(other.message));
            let answer = match (outlet.answer, other.answer) {
                (Some(from), Some(to)) => {
                    let (from, to) = (old.module().ty(from), new.module().ty(to));
                    judge_way(Way::Forth, from, to, edits, &format!("{}.answer", outlet.name))
                }
                _ => Verdict::default(),
            };
            let moved = outlet.target != other.target
                || outlet.keyed != other.keyed
                || outlet.answer.is_some() != other.answer.is_some();
            let what = OutletWhat::Kept {
                up: judge_way(Way::Forth, from, to, edits, outlet.name),
                down: judge_way(Way::Back, to, from, back, outlet.name),
                answer,
                moved,
            };
            found.push(OutletChange { name: outlet.name.clone(), port, what });
        }
        for outlet in &after {
            if !before.iter().any(|other| other.name == outlet.name) {
                found.push(OutletChange { name: outlet.name.clone(), port, what: OutletWhat::New });
            }
        }
    }
    found.sort_by(|a, b| (a.port, &a.name).cmp(&(b.port, &b.name)));
    found
}

impl OutletChange {
    /// Returns true when something is different.
    pub fn is_change(&self) -> bool {
        match &self.what {
            OutletWhat::New | OutletWhat::Gone => true,
            OutletWhat::Kept { up, answer, moved, .. } => {
                *moved || !up.changes.is_empty() || !answer.changes.is_empty()
            }
        }
    }
}

impl Comparison {
    /// Returns how states find their way down, as far as that is derived.
    pub fn down_class(&self) -> DownClass {
        let open = |change: &&Change| change.effect == Effect::Open;
        if self.down.changes.iter().any(|change| open(&change)) {
            // A field that `up` would leave out can be kept aside and put back; nothing else can be.
            let left_out = |change: &Change| {
                let lost = self.up.losses().any(|lost| lost.path == change.path);
                lost && !self.up.unkept.contains(&change.path)
            };
            let back = self.down.changes.iter().filter(open).all(left_out);
            return if back { DownClass::D3 } else { DownClass::D4 };
        }
        // What was lost where nothing can be kept aside does not come back.
        let lost = |change: &Change| change.rule == Rule::FIELD_REMOVED && change.effect == Effect::Lost;
        if self.down.changes.iter().any(lost) || !self.up.unkept.is_empty() {
            return DownClass::D4;
        }
        match self.down.worst() {
            _ if self.down.changes.iter().any(|change| change.effect == Effect::Kept) => DownClass::D3,
            Some(Effect::Partial) => DownClass::D2,
            _ if self.up.losses().next().is_some() => DownClass::D3,
            Some(Effect::Lost) => DownClass::D1,
            _ if self.up.is_lossless() => self.exact(),
            _ => DownClass::D2,
        }
    }

    fn exact(&self) -> DownClass {
        let forgets = self.down.changes.iter().any(|change| {
            matches!(change.rule, Rule::FIELD_ADDED | Rule::FIELD_NEEDED | Rule::UNIT)
                && change.effect == Effect::Made
        });
        if forgets { DownClass::D1 } else { DownClass::D0 }
    }

    /// Returns true when no instance has to be touched: old states, as they are, are new ones.
    pub fn is_zero_touch(&self) -> bool {
        self.up.is_zero_touch() && self.new_invariants.is_empty() && self.other_invariants.is_empty()
    }

    /// Returns true when the two versions do the same: only names for people may differ.
    pub fn is_same(&self) -> bool {
        self.up.changes.is_empty()
            && self.config.changes.is_empty()
            && self.inputs.iter().all(|input| !input.acts_otherwise && input.lift.changes.is_empty())
            && self.new_inputs.is_empty()
            && self.outlets.iter().all(|outlet| !outlet.is_change())
            && !self.init
            && self.new_invariants.is_empty()
            && self.other_invariants.is_empty()
            && self.old_invariants.is_empty()
    }

    /// Returns the changes that break a class of strictness, the class or a less strict one.
    pub fn breaches(&self, class: Strictness) -> Vec<Breach> {
        let mut found = vec![];
        // That a new state has no way down is no fault of old ones; only frozen asks for it.
        for change in self.down.changes.iter().filter(|_| class == Strictness::Frozen) {
            if change.effect >= Effect::Lost {
                found.push(Breach { arrow: Arrow::Down, change: change.clone(), class });
            }
        }
        let mut see = |arrow: Arrow, verdict: &Verdict, loses: Strictness| {
            for change in &verdict.changes {
                let breaks = match change.effect {
                    Effect::Partial | Effect::Open => Some(Strictness::Wire),
                    Effect::Lost => Some(loses),
                    Effect::Same | Effect::Made | Effect::Kept => None,
                };
                let history =
                    (change.rule.text().class == Strictness::History).then_some(Strictness::History);
                if let Some(least) = breaks.into_iter().chain(history).min().filter(|least| *least <= class) {
                    found.push(Breach { arrow, change: change.clone(), class: least });
                }
            }
        };
        see(Arrow::Up, &self.up, Strictness::State);
        for input in &self.inputs {
            see(Arrow::Lift, &input.lift, Strictness::Frozen);
            see(Arrow::Lower, &input.lower, Strictness::Frozen);
        }
        see(Arrow::Config, &self.config, Strictness::Frozen);
        for outlet in &self.outlets {
            if let OutletWhat::Kept { up, .. } = &outlet.what {
                see(Arrow::Outlet, up, Strictness::Frozen);
            }
        }
        found.sort_by(|a, b| {
            (a.arrow, &a.change.path, a.change.rule).cmp(&(b.arrow, &b.change.path, b.change.rule))
        });
        found.dedup();
        found
    }
}
