//! The laws of an edge, held against generated states.
//!
//! | law | what holds |
//! |---|---|
//! | L1 | `down(up s) = s`, with what was kept aside |
//! | L2 | `up(down s') = s'`, for states that the new machine came to from `up s`; where `down` forgets what is only new: `down(up(down s')) = down s'` |
//! | L3 | `lower(step'(lift i, up s)) = step(i, s)`, effects and next state alike; asked for where a release says that it preserves behaviour |
//!
//! Where an arrow is not defined for a state, no law speaks of it: that is for the trial on live states
//! to find. States come from the old machine, by walks from its first state, and from its type where
//! its invariants hold. A counterexample is made small.

use std::fmt;

use super::case::Event;
use super::generate::Generator;
use super::random::Random;
use super::shrink::{shorter, simpler};
use super::world::{Start, World};
use crate::code::TypeIx;
use crate::run::{self, Direction, EdgeArrow, Effect, Limits, Outcome, Trap};
use crate::value::Value;
use crate::verify::{VerifiedEdge, VerifiedMachine};

/// How many runs are spent on making a counterexample small.
const SHRINKS_MAX: u32 = 2_000;

/// How large what is generated gets.
const SIZE_MAX: usize = 24;

/// The same for what is generated after a live state, and how often that is done.
const LIVE_SIZE: usize = 8;
const LIVE_WALKS: u64 = 16;

/// What arrows may use here: generated states are small.
const LIMITS: Limits = Limits { fuel: 2_000_000, memory: 64 << 20 };

/// A law of edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Law {
    /// The way down undoes the way up.
    Back,
    /// The way up undoes the way down.
    Forth,
    /// The new machine does what the old one did.
    Behaviour,
}

impl Law {
    /// All of them.
    pub const ALL: [Law; 3] = [Law::Back, Law::Forth, Law::Behaviour];

    /// Returns the id.
    pub fn id(self) -> &'static str {
        match self {
            Law::Back => "L1",
            Law::Forth => "L2",
            Law::Behaviour => "L3",
        }
    }

    /// Returns what it says.
    pub fn words(self) -> &'static str {
        match self {
            Law::Back => "down(up s) = s",
            Law::Forth => "up(down s') = s', as far as the old version can hold it",
            Law::Behaviour => "lower(step'(lift i, up s)) = step(i, s)",
        }
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// An edge, with the machines at its ends and their configurations.
#[derive(Debug, Clone, Copy)]
pub struct Ends<'a> {
    /// The machine that it comes from.
    pub old: &'a VerifiedMachine,
    /// The configuration of the old one.
    pub old_config: &'a Value,
    /// The machine that it leads to.
    pub new: &'a VerifiedMachine,
    /// The configuration of the new one.
    pub new_config: &'a Value,
    /// The edge.
    pub edge: &'a VerifiedEdge,
}

/// How an edge is held against the laws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LawOptions {
    /// What the cases follow from.
    pub seed: u64,
    /// How many states are tried.
    pub cases: u32,
    /// True when `down` gives up nothing that is only new.
    pub exact: bool,
    /// True when the new machine is said to do what the old one did.
    pub preserves: bool,
}

/// What was found where no law is broken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// How many states were tried.
    pub states: u32,
    /// How many had no way up, or no way down.
    pub stuck: u32,
    /// The first of these, made small.
    pub example: Option<Stuck>,
}

/// A state that an arrow is not defined for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// The arrow, or `invariant`.
    pub arrow: &'static str,
    /// The old state, as source.
    pub state: String,
    /// The reason.
    pub reason: String,
}

/// A law that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The law.
    pub law: Law,
    /// Which case showed it, counted from 1.
    pub case: u32,
    /// The old state, as source.
    pub state: String,
    /// The inputs after it, as source: of the new machine, or of the old one for its behaviour.
    pub inputs: Vec<String>,
    /// What should be: what it is called, and its value as source.
    pub expected: (String, String),
    /// What is instead, likewise.
    pub found: (String, String),
}

/// An old state, and what happens to it.
#[derive(Debug, Clone)]
struct Case {
    state: Value,
    /// Inputs of the new machine, from `up` of the state on.
    later: Vec<Value>,
    /// An input of the old machine.
    input: Option<Value>,
}

enum Found {
    /// The state is not one of the old machine's.
    Nothing,
    Fine,
    Stuck(Box<Stuck>),
    Broken(Box<Broken>),
}

/// Holds an edge against the laws.
///
/// # Errors
///
/// The first law that does not hold, with the smallest case that was found.
pub fn check(ends: Ends<'_>, options: LawOptions) -> Result<Kept, Box<Broken>> {
    let mut kept = Kept::default();
    for number in 0..options.cases {
        let case = generated(ends, options.seed, number);
        match judged(ends, options, &case, number + 1) {
            Found::Nothing => {}
            Found::Fine => kept.states += 1,
            Found::Stuck(stuck) => {
                kept.states += 1;
                kept.stuck += 1;
                if kept.example.is_none() {
                    let arrow = stuck.arrow;
                    let same = |found: &Found| matches!(found, Found::Stuck(other) if other.arrow == arrow);
                    kept.example = match smallest(ends, options, case, number + 1, &same) {
                        Found::Stuck(small) => Some(*small),
                        _ => Some(*stuck),
                    };
                }
            }
            Found::Broken(broken) => {
                let law = broken.law;
                let same = |found: &Found| matches!(found, Found::Broken(other) if other.law == law);
                return Err(match smallest(ends, options, case, number + 1, &same) {
                    Found::Broken(small) => small,
                    _ => broken,
                });
            }
        }
    }
    Ok(kept)
}

/// A live state that the second law does not hold for.
#[derive(Debug, Clone, PartialEq)]
pub struct Apart {
    /// The inputs of the new machine that came first.
    pub inputs: Vec<Value>,
    /// True when states of the old machine are compared, which `down` gives; else states of the new one.
    pub older: bool,
    /// What should be.
    pub expected: Value,
    /// What is instead.
    pub found: Value,
}

impl Apart {
    /// Returns what both states are called in the law.
    pub fn words(&self) -> (&'static str, &'static str) {
        if self.older { ("down s'", "down(up(down s'))") } else { ("s'", "up(down s')") }
    }
}

/// Holds a state of the old machine against the second law: the new machine takes some generated inputs from `up` of it, and
/// what it comes to has to survive the way down and up again, as far as the old machine can hold it. The inputs
/// follow from `seed`. Says nothing of a state for which an arrow is not defined.
///
/// # Errors
///
/// What differs.
pub fn check_forth(ends: Ends<'_>, exact: bool, state: &Value, seed: u64) -> Result<(), Box<Apart>> {
    let Ok(aside) = run::edge_keep(ends.edge, state, LIMITS) else { return Ok(()) };
    let Ok(up) = run::edge_arrow(ends.edge, EdgeArrow::Up, state, LIMITS) else { return Ok(()) };
    (0..LIVE_WALKS).try_for_each(|walk| {
        let later = later(ends, &up, Random::new(seed, "a live state", walk), LIVE_SIZE, 1);
        let apart = forth(ends, exact, (&up, aside.as_ref()), &later);
        apart.map_err(|apart| Box::new(Apart { inputs: later, ..apart }))
    })
}

/// Returns inputs that the new machine takes one after the other, from a state on; at least so many, if it takes them.
fn later(ends: Ends<'_>, up: &Value, random: Random, size: usize, least: usize) -> Vec<Value> {
    let mut generator = Generator::new(ends.new, random, size);
    generator.learn_constants(ends.edge.module());
    generator.learn(ends.new.state(), up);
    let events = generator.length() - 1 + least;
    let world = World::new(ends.new, start(ends.new_config, Some(up.clone())));
    world.map(|mut world| walk(&mut world, &mut generator, events)).unwrap_or_default()
}

/// The second law, after steps of the new machine; `inputs` of what is returned are left out.
fn forth(
    ends: Ends<'_>,
    exact: bool,
    (up, aside): (&Value, Option<&Value>),
    later: &[Value],
) -> Result<(), Apart> {
    let Ends { old, new, new_config, edge, .. } = ends;
    let Ok(mut world) = World::new(new, start(new_config, Some(up.clone()))) else { return Ok(()) };
    for input in later {
        world.step(input.clone());
        if world.is_stopped() {
            return Ok(());
        }
    }
    let later = &world.state;
    // Not every new state has a way down, and not every way back comes up again.
    let Ok(down) = run::edge_down(edge, later, aside, LIMITS) else { return Ok(()) };
    if holds(old, &down).is_err() {
        return Ok(());
    }
    let Ok(again) = run::edge_arrow(edge, EdgeArrow::Up, &down, LIMITS) else { return Ok(()) };
    let apart = |older, expected: &Value, found| {
        Err(Apart { inputs: vec![], older, expected: expected.clone(), found })
    };
    if exact && again != *later {
        return apart(false, later, again);
    }
    let aside = run::edge_keep(edge, &down, LIMITS).ok().flatten();
    match run::edge_down(edge, &again, aside.as_ref(), LIMITS) {
        Ok(twice) if twice != down => apart(true, &down, twice),
        _ => Ok(()),
    }
}

fn start(config: &Value, state: Option<Value>) -> Start {
    Start { config: config.clone(), key: "key".into(), now_ms: 0, seed: 0, state }
}

/// Lets generated things happen to an instance; returns the inputs that it took.
fn walk(world: &mut World<'_>, generator: &mut Generator, events: usize) -> Vec<Value> {
    let mut taken = vec![];
    for _ in 0..events {
        let step = match generator.event(world) {
            None => break,
            Some(Event::Input(input)) => Some(world.step(input)),
            Some(Event::Wait(by)) => {
                let until_ms = world.now_ms.saturating_add(by);
                let fired = world.fire(until_ms);
                world.now_ms = world.now_ms.max(until_ms);
                fired
            }
            Some(Event::Answer(which, answer)) => {
                let owed = world.owed.get(which).cloned();
                owed.and_then(|owed| world.answer(&owed, answer))
            }
        };
        if let Some(step) = step {
            taken.push(step.input);
            let state = world.state.clone();
            generator.learn(world.machine.state(), &state);
        }
        if world.is_stopped() {
            break;
        }
    }
    taken
}

fn generated(ends: Ends<'_>, seed: u64, number: u32) -> Case {
    let grown = (number as usize).min(100);
    let size = 2 + (SIZE_MAX - 2) * grown / 100;
    let random = |part: u64| Random::new(seed, "the laws of an edge", u64::from(number) * 2 + part);
    let mut generator = Generator::new(ends.old, random(0), size);
    generator.learn_constants(ends.new.module());
    generator.learn_constants(ends.edge.module());
    let events = generator.length() - 1;
    let mut walked = World::new(ends.old, start(ends.old_config, None)).ok().and_then(|mut world| {
        walk(&mut world, &mut generator, events);
        (!world.is_stopped()).then_some(world.state)
    });
    // Every other state comes from the type, if the invariants let it.
    if number % 2 == 1 || walked.is_none() {
        let state = generator.value(ends.old.state());
        if holds(ends.old, &state).is_ok() {
            walked = Some(state);
        }
    }
    let state = walked.unwrap_or_else(|| generator.value(ends.old.state()));
    let input = Some(generator.value(ends.old.input()));
    let later = match run::edge_arrow(ends.edge, EdgeArrow::Up, &state, LIMITS) {
        Ok(up) if up.has_type(ends.new.state()) => later(ends, &up, random(1), size, 0),
        _ => vec![],
    };
    Case { state, later, input }
}

fn holds(machine: &VerifiedMachine, state: &Value) -> Result<(), Trap> {
    run::check_invariants(machine, state, LIMITS)
}

fn judged(ends: Ends<'_>, options: LawOptions, case: &Case, number: u32) -> Found {
    if !case.state.has_type(ends.old.state()) || holds(ends.old, &case.state).is_err() {
        return Found::Nothing;
    }
    let judge = Judge { ends, options, case, number };
    match judge.all() {
        Ok(()) => Found::Fine,
        Err(found) => found,
    }
}

struct Judge<'a> {
    ends: Ends<'a>,
    options: LawOptions,
    case: &'a Case,
    number: u32,
}

impl Judge<'_> {
    fn stuck(&self, arrow: &'static str) -> impl Fn(Trap) -> Found {
        let state = self.case.state.to_source(self.ends.old.state());
        move |trap| Found::Stuck(Box::new(Stuck { arrow, state: state.clone(), reason: trap.to_string() }))
    }

    fn broken(
        &self,
        law: Law,
        inputs: Vec<String>,
        expected: (&str, String),
        found: (&str, String),
    ) -> Found {
        let said = |(what, value): (&str, String)| (what.to_owned(), value);
        Found::Broken(Box::new(Broken {
            law,
            case: self.number,
            state: self.case.state.to_source(self.ends.old.state()),
            inputs,
            expected: said(expected),
            found: said(found),
        }))
    }

    fn all(&self) -> Result<(), Found> {
        let (edge, state) = (self.ends.edge, &self.case.state);
        let aside = run::edge_keep(edge, state, LIMITS).map_err(self.stuck("keep"))?;
        let up = run::edge_arrow(edge, EdgeArrow::Up, state, LIMITS).map_err(self.stuck("up"))?;
        holds(self.ends.new, &up).map_err(self.stuck("invariant"))?;
        if self.options.preserves {
            self.behaviour(&up)?;
        }
        let back = run::edge_down(edge, &up, aside.as_ref(), LIMITS).map_err(self.stuck("down"))?;
        if back != *state {
            let ty = self.ends.old.state();
            let expected = ("s", state.to_source(ty));
            return Err(self.broken(Law::Back, vec![], expected, ("down(up s)", back.to_source(ty))));
        }
        self.forth(&up, aside.as_ref())
    }

    /// The second law, after steps of the new machine.
    fn forth(&self, up: &Value, aside: Option<&Value>) -> Result<(), Found> {
        let Ends { old, new, .. } = self.ends;
        forth(self.ends, self.options.exact, (up, aside), &self.case.later).map_err(|apart| {
            let inputs = self.case.later.iter().map(|input| input.to_source(new.input())).collect();
            let ty = if apart.older { old.state() } else { new.state() };
            let (expected, found) = apart.words();
            let (is, instead) = (apart.expected.to_source(ty), apart.found.to_source(ty));
            self.broken(Law::Forth, inputs, (expected, is), (found, instead))
        })
    }

    /// The third law, for one input.
    fn behaviour(&self, up: &Value) -> Result<(), Found> {
        let Ends { old, old_config, new, new_config, edge } = self.ends;
        let Some(input) = &self.case.input else { return Ok(()) };
        let Ok(lifted) = run::edge_arrow(edge, EdgeArrow::Lift, input, LIMITS) else { return Ok(()) };
        let ctx = run::Ctx { now_ms: 1_000, seq: 1, self_key: "key".into(), seed: 7 };
        let before = run::step(old, input, &self.case.state, &ctx, old_config, Limits::STEP);
        let after = run::step(new, &lifted, up, &ctx, new_config, Limits::STEP);
        let inputs = || vec![input.to_source(old.input())];
        let differs = |what: &str, expected: String, found: String| {
            self.broken(Law::Behaviour, inputs(), (what, expected), (what, found))
        };
        match (before, after) {
            (Ok(before), Ok(after)) => self.same_outcome(&before, &after, differs),
            (Err(_), Err(_)) => Ok(()),
            (Ok(before), Err(trap)) => {
                Err(differs("the step", self.output(&before), format!("a trap: {trap}")))
            }
            (Err(trap), Ok(_)) => {
                Err(differs("the step", format!("a trap: {trap}"), "it is done".to_owned()))
            }
        }
    }

    fn output(&self, outcome: &Outcome) -> String {
        match &outcome.output {
            Some(output) => output.to_source(self.ends.old.output()),
            None => "no answer".to_owned(),
        }
    }

    fn same_outcome(
        &self,
        before: &Outcome,
        after: &Outcome,
        differs: impl Fn(&str, String, String) -> Found,
    ) -> Result<(), Found> {
        let Ends { old, new, edge, .. } = self.ends;
        let lowered =
            after.output.as_ref().map(|output| run::edge_arrow(edge, EdgeArrow::Lower, output, LIMITS));
        match (&before.output, lowered) {
            (Some(was), Some(Ok(is))) if *was == is => {}
            (None, None) => {}
            (_, Some(Ok(is))) => {
                return Err(differs("the answer", self.output(before), is.to_source(old.output())));
            }
            (_, Some(Err(trap))) => {
                return Err(differs("the answer", self.output(before), format!("no counterpart: {trap}")));
            }
            (Some(_), None) => return Err(differs("the answer", self.output(before), "none".to_owned())),
        }
        match run::edge_arrow(edge, EdgeArrow::Up, &before.state, LIMITS) {
            Ok(next) if next == after.state => {}
            Ok(next) => {
                let ty = new.state();
                return Err(differs("the next state", next.to_source(ty), after.state.to_source(ty)));
            }
            // The state that the old machine went to has no way up.
            Err(_) => {}
        }
        let was: Vec<String> = before.effects.iter().map(|effect| self.effect_before(effect)).collect();
        let is: Vec<String> = after.effects.iter().map(|effect| self.effect_after(effect)).collect();
        if was == is { Ok(()) } else { Err(differs("the effects", was.join("; "), is.join("; "))) }
    }

    /// Writes an effect of the old machine: messages as they are, the input of a timer lifted.
    fn effect_before(&self, effect: &Effect) -> String {
        let Ends { old, new, edge, .. } = self.ends;
        match effect {
            Effect::Timer { name, after_ms, input } => {
                let input = match run::edge_arrow(edge, EdgeArrow::Lift, input, LIMITS) {
                    Ok(lifted) => lifted.to_source(new.input()),
                    Err(_) => input.to_source(old.input()),
                };
                timer(name, *after_ms, &input)
            }
            Effect::Send { channel, key, message } => {
                let channel = &old.channels()[*channel as usize];
                sent(
                    "send",
                    &channel.name,
                    key.as_deref(),
                    &message.to_source(old.module().ty(channel.message)),
                )
            }
            Effect::Call { port, key, message } => {
                let port = &old.ports()[*port as usize];
                sent("call", &port.name, key.as_deref(), &message.to_source(old.module().ty(port.message)))
            }
            other => plain(other),
        }
    }

    /// Writes an effect of the new machine likewise: messages lowered, the input of a timer as it is.
    fn effect_after(&self, effect: &Effect) -> String {
        let Ends { old, new, edge, .. } = self.ends;
        let lowered = |name: &str, before: Option<TypeIx>, after: TypeIx, message: &Value| match (
            before,
            run::edge_channel(edge, name, Direction::Down, message, LIMITS),
        ) {
            (Some(ty), Ok(message)) => message.to_source(old.module().ty(ty)),
            _ => message.to_source(new.module().ty(after)),
        };
        match effect {
            Effect::Timer { name, after_ms, input } => timer(name, *after_ms, &input.to_source(new.input())),
            Effect::Send { channel, key, message } => {
                let channel = &new.channels()[*channel as usize];
                let before = old.channel(&channel.name).map(|channel| channel.message);
                let message = lowered(&channel.name, before, channel.message, message);
                sent("send", &channel.name, key.as_deref(), &message)
            }
            Effect::Call { port, key, message } => {
                let port = &new.ports()[*port as usize];
                let before = old.port(&port.name).map(|port| port.message);
                let message = lowered(&port.name, before, port.message, message);
                sent("call", &port.name, key.as_deref(), &message)
            }
            other => plain(other),
        }
    }
}

fn timer(name: &str, after_ms: i64, input: &str) -> String {
    format!("timer {name:?} after {after_ms}ms => {input}")
}

fn sent(word: &str, name: &str, key: Option<&str>, message: &str) -> String {
    let key = key.map(|key| format!("[{key:?}]")).unwrap_or_default();
    format!("{word} {name}{key} {message}")
}

/// Writes an effect that holds nothing of the machine's types.
fn plain(effect: &Effect) -> String {
    match effect {
        Effect::Stop => "stop".to_owned(),
        Effect::Log(line) => format!("log {line:?}"),
        Effect::Cancel(name) => format!("cancel {name:?}"),
        Effect::Timer { .. } | Effect::Send { .. } | Effect::Call { .. } => {
            unreachable!("these hold inputs or messages")
        }
    }
}

/// Returns the smallest case that was found to end in the same way.
fn smallest(
    ends: Ends<'_>,
    options: LawOptions,
    mut case: Case,
    number: u32,
    same: &dyn Fn(&Found) -> bool,
) -> Found {
    let mut left = SHRINKS_MAX;
    let mut found = judged(ends, options, &case, number);
    'again: loop {
        for candidate in candidates(ends, &case) {
            if left == 0 {
                return found;
            }
            left -= 1;
            let judged = judged(ends, options, &candidate, number);
            if same(&judged) {
                (case, found) = (candidate, judged);
                continue 'again;
            }
        }
        return found;
    }
}

fn candidates(ends: Ends<'_>, case: &Case) -> Vec<Case> {
    let internal = |machine: &VerifiedMachine| machine.machine().internal.clone();
    let mut all: Vec<Case> =
        shorter(&case.later).into_iter().map(|later| Case { later, ..case.clone() }).collect();
    let states = simpler(ends.old.state(), &case.state, ends.old.input(), &internal(ends.old));
    all.extend(states.into_iter().map(|state| Case { state, ..case.clone() }));
    for (index, input) in case.later.iter().enumerate() {
        for simple in simpler(ends.new.input(), input, ends.new.input(), &internal(ends.new)) {
            let mut later = case.later.clone();
            later[index] = simple;
            all.push(Case { later, ..case.clone() });
        }
    }
    for input in case
        .input
        .iter()
        .flat_map(|input| simpler(ends.old.input(), input, ends.old.input(), &internal(ends.old)))
    {
        all.push(Case { input: Some(input), ..case.clone() });
    }
    all
}

#[cfg(test)]
mod tests;
