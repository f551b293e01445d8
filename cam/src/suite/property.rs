//! Looking for a counterexample, and making it small.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::arrange;
use super::case::{Case, Event};
use super::failure::{Counterexample, Failure};
use super::generate::Generator;
use super::play::Play;
use super::random::Random;
use super::shrink::{shorter, simpler};
use super::trouble::{End, Trouble, trouble};
use super::{Options, Report, Suite, Test};
use crate::ty::Ty;
use crate::value::Value;

/// How large and how many generated things get.
const SIZE_MAX: usize = 32;

/// The case from which they are that large. It does not hang on how many cases are asked for, so
/// that a seed means the same cases however many there are.
const CASES_TO_FULL_SIZE: usize = 100;

/// How many cases may be left out by `assume` for each that counts.
const DISCARDED_MAX: u32 = 20;

/// How many runs are spent on making a counterexample small.
const SHRINKS_MAX: u32 = 4_000;

/// How many steps they may take together: a case that runs long is made small for less.
const SHRINK_STEPS_MAX: u64 = 2_000_000;

/// The simplest texts, the simplest first.
const SIMPLE_TEXTS: [&str; 4] = ["", "a", "b", "c"];

/// How a run ended.
struct Ran<'s> {
    end: Result<(), End>,
    /// What ran; missing when it did not begin.
    play: Option<Play<'s>>,
}

impl Ran<'_> {
    fn steps(&self) -> u64 {
        let play = self.play.iter();
        play.flat_map(|play| &play.acts).map(|act| act.steps.len() as u64).sum()
    }

    fn trouble(&self) -> Option<&Trouble> {
        match &self.end {
            Err(End::Failed(trouble)) => Some(trouble),
            _ => None,
        }
    }
}

fn play<'s>(suite: &'s Suite, test: &'s Test, case: Case, generator: Option<Generator>) -> Ran<'s> {
    let Case { arguments, seed, runs } = case;
    match arrange::play(suite, test, arguments, seed, runs, generator) {
        Err(end) => Ran { end: Err(end), play: None },
        Ok(mut play) => {
            let end = play.run();
            Ran { end, play: Some(play) }
        }
    }
}

/// Runs a test.
pub(super) fn run_once(suite: &Suite, test: &Test) -> Report {
    let ran = play(suite, test, Case::default(), None);
    let failure = ran.trouble().map(|trouble| Box::new(Failure::new(trouble, ran.play.as_ref(), None)));
    Report { cases: 1, steps: ran.steps(), failure }
}

/// Runs a property until a case fails, or enough did not.
pub(super) fn run(suite: &Suite, test: &Test, options: Options) -> Report {
    let mut report = Report { cases: 0, steps: 0, failure: None };
    let mut discarded = 0u32;
    let mut attempt = 0u64;
    while report.cases < options.cases {
        let grown = (report.cases as usize).min(CASES_TO_FULL_SIZE);
        let size = 2 + (SIZE_MAX - 2) * grown / CASES_TO_FULL_SIZE;
        let random = Random::new(options.seed, &test.script.name, attempt);
        let mut generator = Generator::new(&suite.machine, random, size);
        let params = test.script.params.iter().flatten();
        let arguments: Vec<Value> = params.map(|param| generator.value(&param.ty)).collect();
        let case = Case { arguments: arguments.clone(), seed: generator.seed(), runs: Vec::new() };
        let first = case.clone();
        let ran = play(suite, test, case, Some(generator));
        attempt += 1;
        report.steps += ran.steps();
        match &ran.end {
            Ok(()) => report.cases += 1,
            Err(End::Discarded) => {
                discarded += 1;
                if discarded > DISCARDED_MAX.saturating_mul(report.cases.max(5)) {
                    report.failure = Some(Box::new(given_up(test, discarded, report.cases)));
                    return report;
                }
            }
            Err(End::Failed(_)) => {
                report.cases += 1;
                let case = ran.play.as_ref().map_or(first, |play| play.case.clone());
                report.failure = Some(Box::new(explained(suite, test, case, report.cases)));
                return report;
            }
        }
    }
    report
}

fn given_up(test: &Test, discarded: u32, cases: u32) -> Failure {
    let message = format!("given up: of {} cases, `assume` left out {discarded}", discarded + cases);
    let label = "what it assumes hardly ever holds";
    let mend = "generate what holds: a type with limits, or an argument that is put together from others";
    Failure::new(&trouble(&test.script.span, message, label).note("mend", mend), None, None)
}

/// Makes a failing case small, and puts it into words.
fn explained(suite: &Suite, test: &Test, case: Case, number: u32) -> Failure {
    let mut search = Search { suite, test, left: SHRINKS_MAX, steps_left: SHRINK_STEPS_MAX };
    let small = search.smallest(case);
    let ran = play(suite, test, small.clone(), None);
    let trouble = ran.trouble().expect("the same case fails each time");
    let params = test.script.params.iter().flatten();
    let arguments = params.zip(&small.arguments);
    let counterexample = Counterexample {
        case: number,
        runs: SHRINKS_MAX - search.left,
        arguments: arguments.map(|(param, value)| (param.name.clone(), value.to_source(&param.ty))).collect(),
        seed: small.seed,
    };
    Failure::new(trouble, ran.play.as_ref(), Some(counterexample))
}

struct Search<'s> {
    suite: &'s Suite,
    test: &'s Test,
    /// Runs that may still be spent.
    left: u32,
    /// Steps that they may still take.
    steps_left: u64,
}

impl Search<'_> {
    /// Returns the smallest case found that fails at the same place.
    fn smallest(&mut self, case: Case) -> Case {
        let Some((mut case, place)) = self.fails(case.clone()) else { return case };
        while let Some(smaller) = self.smaller(&case, &place) {
            case = smaller;
        }
        case
    }

    /// Runs a case; where it fails, returns what of it was used, and the place.
    fn fails(&mut self, case: Case) -> Option<(Case, (usize, String))> {
        let ran = play(self.suite, self.test, case.clone(), None);
        self.steps_left = self.steps_left.saturating_sub(ran.steps());
        let trouble = ran.trouble()?;
        let place = (trouble.span.start, trouble.message.clone());
        Some((ran.play.as_ref().map_or(case, |play| play.case.clone()), place))
    }

    /// Returns the first smaller case that fails in the same way; `None` when there is none, or
    /// enough were tried.
    fn smaller(&mut self, case: &Case, place: &(usize, String)) -> Option<Case> {
        for candidate in self.candidates(case) {
            if self.steps_left == 0 {
                return None;
            }
            self.left = self.left.checked_sub(1)?;
            if let Some((used, there)) = self.fails(candidate)
                && there == *place
            {
                return Some(used);
            }
        }
        None
    }

    /// Returns smaller cases: first with fewer events, then with simpler values.
    fn candidates(&self, case: &Case) -> Vec<Case> {
        let mut found = Vec::new();
        for (index, run) in case.runs.iter().enumerate() {
            found.extend(shorter(run).into_iter().map(|run| with_run(case, index, run)));
        }
        if case.seed != 0 {
            found.push(Case { seed: 0, ..case.clone() });
        }
        found.extend(self.renamed(case));
        for (index, param) in self.test.script.params.iter().flatten().enumerate() {
            for argument in self.simpler(&param.ty, &case.arguments[index]) {
                let mut case = case.clone();
                case.arguments[index] = argument;
                found.push(case);
            }
        }
        for (index, run) in case.runs.iter().enumerate() {
            for (place, event) in run.iter().enumerate() {
                for event in self.simpler_events(event) {
                    let mut run = run.clone();
                    run[place] = event;
                    found.push(with_run(case, index, run));
                }
            }
        }
        found
    }

    /// Returns the cases in which one text is a simpler one everywhere: a key that links several
    /// inputs gets simpler in all of them or in none.
    fn renamed(&self, case: &Case) -> Vec<Case> {
        let mut texts = BTreeSet::new();
        walk_case(&mut case.clone(), &mut |text| {
            texts.insert(text.clone());
        });
        let mut found = Vec::new();
        for text in texts {
            for simple in SIMPLE_TEXTS.iter().take_while(|simple| **simple != &*text) {
                let mut renamed = case.clone();
                walk_case(&mut renamed, &mut |other| {
                    if *other == text {
                        *other = (*simple).into();
                    }
                });
                if self.is_typed(&renamed) {
                    found.push(renamed);
                }
            }
        }
        found
    }

    /// Returns true when the values are still of their types: a text may have grown too long.
    fn is_typed(&self, case: &Case) -> bool {
        let params = self.test.script.params.iter().flatten();
        let input = self.suite.machine.input();
        let answers = self.answer_types();
        params.zip(&case.arguments).all(|(param, value)| value.has_type(&param.ty))
            && case.runs.iter().flatten().all(|event| match event {
                Event::Input(value) => value.has_type(input),
                Event::Answer(_, Some(value)) => answers.iter().all(|ty| value.has_type(ty)),
                _ => true,
            })
    }

    fn simpler(&self, ty: &Ty, value: &Value) -> Vec<Value> {
        let machine = &self.suite.machine;
        simpler(ty, value, machine.input(), &machine.machine().internal)
    }

    fn simpler_events(&self, event: &Event) -> Vec<Event> {
        match event {
            Event::Input(input) => {
                self.simpler(self.suite.machine.input(), input).into_iter().map(Event::Input).collect()
            }
            Event::Wait(by) => self
                .simpler(&Ty::duration(), &Value::Int(*by))
                .into_iter()
                .filter_map(|by| match by {
                    Value::Int(by) if by >= 0 => Some(Event::Wait(by)),
                    _ => None,
                })
                .collect(),
            Event::Answer(which, answer) => {
                let mut found = Vec::new();
                if *which > 0 {
                    found.push(Event::Answer(0, answer.clone()));
                }
                if answer.is_some() {
                    found.push(Event::Answer(*which, None));
                }
                // The type is that of whichever message waits: the same for all where there is one channel.
                let types: Vec<&Ty> = self.answer_types();
                if let (Some(answer), [ty]) = (answer, types.as_slice()) {
                    let simpler = self.simpler(ty, answer).into_iter();
                    found.extend(simpler.map(|answer| Event::Answer(*which, Some(answer))));
                }
                found
            }
        }
    }

    /// Returns the types of the answers that the machine takes, each once.
    fn answer_types(&self) -> Vec<&Ty> {
        let machine = &self.suite.machine;
        let mut types: Vec<&Ty> = Vec::new();
        let channels = machine.channels().iter().filter_map(|channel| channel.answer);
        for answer in channels.chain(machine.ports().iter().filter_map(|port| port.answer)) {
            let ty = machine.module().ty(answer.ty);
            if !types.contains(&ty) {
                types.push(ty);
            }
        }
        types
    }
}

/// Shows every text of a case to `see`, which may change it.
fn walk_case(case: &mut Case, see: &mut dyn FnMut(&mut Arc<str>)) {
    case.arguments.iter_mut().for_each(|value| walk(value, see));
    for event in case.runs.iter_mut().flatten() {
        match event {
            Event::Input(value) | Event::Answer(_, Some(value)) => walk(value, see),
            Event::Wait(_) | Event::Answer(_, None) => {}
        }
    }
}

fn walk(value: &mut Value, see: &mut dyn FnMut(&mut Arc<str>)) {
    let inner = |value: &Value, see: &mut dyn FnMut(&mut Arc<str>)| {
        let mut value = value.clone();
        walk(&mut value, see);
        value
    };
    match value {
        Value::Text(text) => see(text),
        Value::Sum(case, payload) => {
            *value = Value::sum(*case as usize, inner(payload, see));
        }
        Value::Product(parts) => {
            *value = Value::product(parts.iter().map(|part| inner(part, see)).collect::<Vec<_>>());
        }
        Value::List(items) => {
            *value = Value::list(items.iter().map(|item| inner(item, see)).collect::<Vec<_>>())
        }
        Value::Map(map) => {
            let entries: Vec<(Value, Value)> =
                map.iter().map(|(key, held)| (inner(&key, see), inner(held, see))).collect();
            *value = Value::map(entries);
        }
        Value::Unit | Value::Bool(_) | Value::Int(_) | Value::Bytes(_) => {}
    }
}

fn with_run(case: &Case, index: usize, run: Vec<Event>) -> Case {
    let mut case = case.clone();
    case.runs[index] = run;
    case
}
