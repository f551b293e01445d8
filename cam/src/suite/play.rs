//! One run of a test: its statements, one after another, on one instance.

use std::collections::BTreeMap;

use super::case::{Act, Case, Event, What};
use super::generate::Generator;
use super::script::{Condition, Ends, Fit, ForAll, SiteId, Stmt, StmtKind, TrapWord};
use super::trouble::{End, Played, trouble};
use super::world::{Owed, Step, World};
use super::{Suite, Test};
use crate::diagnostic::Span;
use crate::hir::Local;
use crate::run::{self, Ctx, Effect, Limits, Trap};
use crate::ty::Ty;
use crate::value::Value;

/// How many statements and steps one run of a test may take: no test runs for ever, and one of
/// this length is a mistake.
const EFFORT_MAX: u64 = 1_000_000;

/// How many timers may fire in one `advance`. One that starts itself anew without delay would
/// never let the clock go on.
const FIRED_MAX: usize = 10_000;

pub(super) struct Play<'s> {
    pub(super) suite: &'s Suite,
    pub(super) test: &'s Test,
    pub(super) names: BTreeMap<Local, Value>,
    pub(super) world: World<'s>,
    /// The effects of the last `run`, `advance` or `answer`.
    pub(super) recent: Vec<Effect>,
    pub(super) acts: Vec<Act>,
    /// What is to happen in each `for all inputs`; what is missing is generated.
    pub(super) planned: Vec<Vec<Event>>,
    pub(super) generator: Option<Generator>,
    /// What happened.
    pub(super) case: Case,
    pub(super) effort: u64,
}

/// Runs the code of a site.
pub(super) fn evaluate(
    test: &Test,
    names: &BTreeMap<Local, Value>,
    ctx: &Ctx,
    site: SiteId,
    span: &Span,
) -> Played<Value> {
    let uses = &test.script.sites[site.0].uses;
    let mut values = Vec::new();
    for used in uses {
        match names.get(&used.local) {
            Some(value) => values.push(value.clone()),
            // Everything else has a value from the moment that it is in scope.
            None => {
                let message = format!("there is no `{}` here", used.name);
                let label = "the last `run` gave no answer, or there was none";
                return trouble(span, message, label).end();
            }
        }
    }
    let payload = match values.len() {
        0 => Value::Unit,
        1 => values.remove(0),
        _ => Value::product(values),
    };
    let code = &test.code[site.0];
    let input = Value::sum(code.case, payload);
    let outcome = run::step(&code.machine, &input, &Value::Unit, ctx, &Value::Unit, Limits::MIGRATION);
    match outcome {
        Ok(outcome) => Ok(held(&outcome.output.expect("sites answer"))),
        Err(Trap::Fail(why)) => trouble(span, format!("the test fails: {why}"), "it says `fail`").end(),
        Err(trap) => trouble(span, format!("the test traps: {trap}"), "this has no value").end(),
    }
}

/// Returns what a case or `Some` holds.
pub(super) fn held(value: &Value) -> Value {
    match value {
        Value::Sum(_, payload) => (**payload).clone(),
        _ => unreachable!("a variant or an Option was checked"),
    }
}

/// Returns what `Some` holds.
pub(super) fn some(value: &Value) -> Option<Value> {
    match value {
        Value::Sum(Value::SOME_INDEX, payload) => Some((**payload).clone()),
        _ => None,
    }
}

impl Play<'_> {
    pub(super) fn run(&mut self) -> Played<()> {
        let script = &self.test.script;
        self.see_state();
        self.statements(&script.body)
    }

    pub(super) fn value(&self, site: SiteId, span: &Span) -> Played<Value> {
        evaluate(self.test, &self.names, &self.world.ctx(), site, span)
    }

    pub(super) fn ty(&self, site: SiteId) -> &Ty {
        &self.test.script.sites[site.0].expr.ty
    }

    /// Brings `state` up to date.
    fn see_state(&mut self) {
        self.names.insert(self.test.script.state, self.world.state.clone());
    }

    fn tire(&mut self, span: &Span) -> Played<()> {
        self.effort += 1;
        if self.effort > EFFORT_MAX {
            let message = format!("this test takes more than {EFFORT_MAX} statements and steps");
            return trouble(span, message, "given up here").end();
        }
        Ok(())
    }

    fn statements(&mut self, body: &[Stmt]) -> Played<()> {
        body.iter().try_for_each(|statement| self.statement(statement))
    }

    fn statement(&mut self, statement: &Stmt) -> Played<()> {
        let span = &statement.span;
        self.tire(span)?;
        match &statement.kind {
            StmtKind::Let(value, fit) => {
                let found = self.value(*value, span)?;
                if self.fits(fit, &found, span)? {
                    return Ok(());
                }
                let text = found.to_source(self.ty(*value));
                trouble(span, "the value does not match the pattern", "it is another")
                    .note("found", text)
                    .end()
            }
            StmtKind::If(condition, yes, no) => {
                let holds = self.value(*condition, span)? == Value::Bool(true);
                self.statements(if holds { yes } else { no })
            }
            StmtKind::For(over, fit, body) => {
                for item in items(&self.value(*over, span)?) {
                    self.fits(fit, &item, span)?;
                    self.statements(body)?;
                }
                Ok(())
            }
            StmtKind::ForAll(all) => self.for_all(all, span),
            StmtKind::Run(input, ends) => {
                let input = self.value(*input, span)?;
                self.check_outside(&input, span)?;
                self.act(What::Run(input.clone()));
                let step = self.world.step(input);
                self.took(step);
                self.ended(ends, span)
            }
            StmtKind::Advance(by, ends) => self.advance(*by, ends, span),
            StmtKind::Answer { outlet, key, answer, ends } => {
                let key = key.map(|key| self.text(key, span)).transpose()?;
                let owed = Owed { outlet: *outlet, key };
                let answer = answer.map(|answer| self.value(answer, span)).transpose()?;
                self.act(What::Answer(owed.clone(), answer.clone()));
                match self.world.answer(&owed, answer) {
                    Some(step) => self.took(step),
                    None => return self.nothing_owed(&owed, span),
                }
                self.ended(ends, span)
            }
            StmtKind::Condition(condition) => self.condition(condition),
            StmtKind::Is(value, fit) => {
                let found = self.value(*value, span)?;
                if self.fits(fit, &found, span)? {
                    return Ok(());
                }
                let text = found.to_source(self.ty(*value));
                trouble(span, "the value is another", "does not match").note("found", text).end()
            }
            StmtKind::Observed(what) => self.observe(what, true, span),
            StmtKind::NotObserved(what) => self.observe(what, false, span),
            StmtKind::Assume(condition) => match self.value(*condition, span)? {
                Value::Bool(true) => Ok(()),
                _ => Err(End::Discarded),
            },
            StmtKind::Fail(why) => {
                let why = self.text(*why, span)?;
                trouble(span, format!("the test fails: {why}"), "it says `fail`").end()
            }
        }
    }

    pub(super) fn text(&self, site: SiteId, span: &Span) -> Played<std::sync::Arc<str>> {
        match self.value(site, span)? {
            Value::Text(text) => Ok(text),
            _ => unreachable!("a Text was checked"),
        }
    }

    pub(super) fn int(&self, site: SiteId, span: &Span) -> Played<i64> {
        match self.value(site, span)? {
            Value::Int(int) => Ok(int),
            _ => unreachable!("a number was checked"),
        }
    }

    /// Takes a value apart; false when the pattern does not match.
    fn fits(&mut self, fit: &Fit, value: &Value, span: &Span) -> Played<bool> {
        self.names.insert(fit.subject, value.clone());
        let Some(bound) = some(&self.value(fit.site, span)?) else { return Ok(false) };
        match (fit.names.as_slice(), bound) {
            ([], _) => {}
            ([one], bound) => drop(self.names.insert(one.local, bound)),
            (many, Value::Product(parts)) => {
                for (name, part) in many.iter().zip(parts.iter()) {
                    self.names.insert(name.local, part.clone());
                }
            }
            _ => unreachable!("several names are bound as a tuple"),
        }
        Ok(true)
    }

    fn check_outside(&self, input: &Value, span: &Span) -> Played<()> {
        if self.world.is_outside(input) {
            return Ok(());
        }
        let text = input.to_source(self.suite.machine.input());
        trouble(span, "this input is internal", "it never comes from outside").note("input", text).end()
    }

    /// Begins something that takes steps.
    fn act(&mut self, what: What) {
        self.recent.clear();
        self.acts.push(Act { what, steps: Vec::new() });
    }

    /// Takes note of a step.
    fn took(&mut self, step: Step) {
        self.effort += 1;
        self.see_state();
        let act = self.acts.last_mut().expect("a step belongs to an act");
        if let What::Run(_) = act.what {
            let output = step.done.as_ref().ok().and_then(|done| done.output.clone());
            match output {
                Some(output) => drop(self.names.insert(self.test.script.output, output)),
                None => drop(self.names.remove(&self.test.script.output)),
            }
        }
        if let Ok(done) = &step.done {
            self.recent.extend(done.effects.iter().cloned());
        }
        if let Some(generator) = &mut self.generator {
            generator.learn(self.suite.machine.state(), &step.after);
        }
        act.steps.push(step);
    }

    fn advance(&mut self, by: SiteId, ends: &Ends, span: &Span) -> Played<()> {
        let by = self.int(by, span)?;
        if by < 0 {
            return trouble(span, "the clock does not run backwards", "this is negative").end();
        }
        self.act(What::Advance(by));
        let until_ms = self.world.now_ms.saturating_add(by);
        while let Some(step) = self.world.fire(until_ms) {
            let trapped = step.done.is_err();
            self.took(step);
            self.check_fired(span)?;
            // The first that traps is the one to look at.
            if trapped && !matches!(ends, Ends::Traps(..)) {
                break;
            }
        }
        self.ended(ends, span)?;
        self.world.now_ms = until_ms;
        Ok(())
    }

    fn check_fired(&self, span: &Span) -> Played<()> {
        if self.acts.last().is_some_and(|act| act.steps.len() > FIRED_MAX) {
            let message = format!("more than {FIRED_MAX} timers fire here");
            return trouble(span, message, "does a timer start itself anew without delay?").end();
        }
        Ok(())
    }

    fn nothing_owed(&mut self, owed: &Owed, span: &Span) -> Played<()> {
        // It did not happen.
        self.acts.pop();
        let asked = self.place(owed);
        let mut found =
            trouble(span, format!("no message on {asked} waits for an answer"), "nothing to answer");
        for other in &self.world.owed {
            found = found.note("waits", self.place(other));
        }
        found.end()
    }

    /// Returns `billing["o"]`.
    pub(super) fn place(&self, owed: &Owed) -> String {
        super::observe::place(&self.suite.machine, owed.outlet, owed.key.as_deref())
    }

    /// Checks how the steps of the last act ended.
    fn ended(&mut self, ends: &Ends, span: &Span) -> Played<()> {
        let steps = &self.acts.last().expect("an act was begun").steps;
        let mut trapped = steps.iter().filter_map(|step| step.done.as_ref().err());
        match ends {
            Ends::Well | Ends::Gives(..) if let Some(trap) = trapped.next() => {
                trouble(span, format!("the step trapped: {trap}"), "it was not done").end()
            }
            Ends::Well => Ok(()),
            Ends::Gives(expected, span) => {
                let output = self.names.get(&self.test.script.output).cloned();
                let output = output.expect("the step of an outside case was done");
                let expected = self.value(*expected, span)?;
                if output == expected {
                    return Ok(());
                }
                trouble(span, "the answer is another", "not what it gives")
                    .compare(["expected", "found"], self.suite.machine.output(), [&expected, &output])
                    .end()
            }
            Ends::Traps(word, text) => {
                let trapped: Vec<Trap> = trapped.cloned().collect();
                self.ended_in_trap(&trapped, *word, *text, span)
            }
        }
    }

    fn ended_in_trap(
        &self,
        trapped: &[Trap],
        word: TrapWord,
        text: Option<SiteId>,
        span: &Span,
    ) -> Played<()> {
        let text = text.map(|text| self.text(text, span)).transpose()?;
        let expected = match &text {
            Some(text) => format!("{} {}", word.word(), crate::value::source::text(text)),
            None => word.word().to_owned(),
        };
        if trapped.is_empty() {
            return trouble(span, "the step was done", "it does not trap").note("expected", expected).end();
        }
        let other = trapped.iter().find(|trap| {
            let (found, why) = TrapWord::of(trap);
            found != word || text.as_ref().is_some_and(|text| why != Some(&**text))
        });
        match other {
            None => Ok(()),
            Some(other) => {
                let (found, why) = TrapWord::of(other);
                let why = why.map_or(String::new(), |why| format!(" {}", crate::value::source::text(why)));
                trouble(span, "the step trapped for another reason", "not this trap")
                    .note("expected", expected)
                    .note("found", format!("{}{why}", found.word()))
                    .end()
            }
        }
    }

    fn condition(&mut self, condition: &Condition) -> Played<()> {
        let span = &condition.span;
        if self.value(condition.site, span)? == Value::Bool(true) {
            return Ok(());
        }
        let mut found = trouble(span, "this does not hold", "false");
        match &condition.sides {
            Some([(left, left_span), (right, right_span)]) => {
                let (lefts, rights) = (self.value(*left, left_span)?, self.value(*right, right_span)?);
                let text = |span: &Span| one_line(&self.suite.source.text[span.clone()]);
                let names = [text(left_span), text(right_span)];
                let ty = self.ty(*left);
                found = found.compare([&names[0], &names[1]], ty, [&lefts, &rights]);
            }
            None => {
                for used in &self.test.script.sites[condition.site.0].uses {
                    // The state is shown with every failure.
                    if used.local != self.test.script.state
                        && let Some(value) = self.names.get(&used.local)
                    {
                        found = found.note(&*used.name, value.to_source(&used.ty));
                    }
                }
            }
        }
        found.end()
    }

    /// Lets anything happen, and looks after each step.
    fn for_all(&mut self, all: &ForAll, span: &Span) -> Played<()> {
        let head = span.start..(span.start + "for all inputs".len()).min(span.end);
        let index = self.case.runs.len();
        self.case.runs.push(Vec::new());
        let planned = self.planned.get(index).cloned();
        let mut planned = planned.map(Vec::into_iter);
        let length = self.generator.as_mut().map_or(0, Generator::length);
        loop {
            let next = match (&mut planned, &mut self.generator) {
                (Some(events), _) => events.next(),
                (None, Some(generator)) if self.case.runs[index].len() < length => {
                    generator.event(&self.world)
                }
                _ => None,
            };
            let Some(event) = next else { return Ok(()) };
            self.case.runs[index].push(event.clone());
            self.tire(&head)?;
            self.event(&event, all, &head)?;
        }
    }

    fn event(&mut self, event: &Event, all: &ForAll, head: &Span) -> Played<()> {
        match event {
            Event::Input(input) => {
                self.act(What::Run(input.clone()));
                let step = self.world.step(input.clone());
                self.took(step);
                self.after_event(all, head)
            }
            Event::Wait(by) => {
                self.act(What::Advance(*by));
                let until_ms = self.world.now_ms.saturating_add(*by);
                while let Some(step) = self.world.fire(until_ms) {
                    self.recent.clear();
                    self.took(step);
                    self.check_fired(head)?;
                    self.after_event(all, head)?;
                }
                self.world.now_ms = until_ms;
                Ok(())
            }
            Event::Answer(which, answer) => {
                let Some(owed) = self.world.owed.get(which % self.world.owed.len().max(1)).cloned() else {
                    return Ok(());
                };
                self.act(What::Answer(owed.clone(), answer.clone()));
                match self.world.answer(&owed, answer.clone()) {
                    Some(step) => {
                        self.took(step);
                        self.after_event(all, head)
                    }
                    None => Ok(()),
                }
            }
        }
    }

    /// Looks at the step that was just taken.
    fn after_event(&mut self, all: &ForAll, head: &Span) -> Played<()> {
        let step = self.acts.last().and_then(|act| act.steps.last()).expect("a step was taken");
        match &step.done {
            Err(trap) => {
                let (word, _) = TrapWord::of(trap);
                if word == TrapWord::Fail || all.may_trap.contains(&word) {
                    return Ok(());
                }
                let help =
                    format!("give values limits, or allow it: for all inputs may trap {}", word.word());
                trouble(head, format!("a step trapped: {trap}"), "it was not done").note("mend", help).end()
            }
            Ok(done) => {
                let output = done.output.clone().map_or_else(Value::none, Value::some);
                let (input, before) = (step.input.clone(), step.before.clone());
                self.names.insert(all.input, input);
                self.names.insert(all.before, before);
                self.names.insert(all.output, output);
                self.statements(&all.body)
            }
        }
    }
}

/// Returns the items of a list, or the entries of a map as pairs.
fn items(over: &Value) -> Vec<Value> {
    match over {
        Value::List(items) => items.iter().cloned().collect(),
        Value::Map(map) => {
            map.iter().map(|(key, value)| Value::product([key.into_owned(), value.clone()])).collect()
        }
        _ => unreachable!("a List or Map was checked"),
    }
}

/// Returns a piece of source in one line, not too long.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(60) {
        Some((end, _)) => format!("{} ...", &line[..end]),
        None => line,
    }
}
