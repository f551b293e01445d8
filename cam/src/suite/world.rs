//! The instance that a test runs: what a node would keep of it, on a virtual clock.
//!
//! It does what the agent's engine does with one instance: an input to an instance that is not
//! there gives birth to it; a timer of a name that runs replaces it; an instance that stops loses
//! its timers and the answers that it waits for; a trap leaves everything as it was, but the timer
//! that fired is gone. Timers that are due together fire by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::script::Outlet;
use crate::run::{self, Ctx, Effect, Limits, Trap};
use crate::value::Value;
use crate::verify::VerifiedMachine;

/// What an instance begins with.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) config: Value,
    pub(super) key: Arc<str>,
    pub(super) now_ms: i64,
    pub(super) seed: i64,
    /// `None`: what `init` makes.
    pub(super) state: Option<Value>,
}

#[derive(Debug, Clone)]
pub(super) struct World<'m> {
    pub(super) machine: &'m VerifiedMachine,
    pub(super) start: Start,
    pub(super) now_ms: i64,
    pub(super) seq: i64,
    /// The state; after a stop the last one.
    pub(super) state: Value,
    alive: bool,
    timers: BTreeMap<Arc<str>, Timer>,
    /// The messages that wait for an answer, the oldest first.
    pub(super) owed: Vec<Owed>,
}

/// A timer that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Timer {
    pub(super) due_ms: i64,
    pub(super) input: Value,
}

/// A message that was sent and not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owed {
    pub(super) outlet: Outlet,
    pub(super) key: Option<Arc<str>>,
}

/// A step that was tried.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) at_ms: i64,
    pub(super) input: Value,
    pub(super) before: Value,
    pub(super) after: Value,
    pub(super) done: Result<Done, Trap>,
}

/// What a step did.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) output: Option<Value>,
    pub(super) effects: Vec<Effect>,
}

impl<'m> World<'m> {
    /// Returns the instance before its first input.
    ///
    /// # Errors
    ///
    /// When `init` traps, or an invariant does not hold of the state that was given.
    pub(super) fn new(machine: &'m VerifiedMachine, start: Start) -> Result<World<'m>, Trap> {
        let state = match &start.state {
            None => run::init(machine, &start.config, Limits::STEP)?,
            Some(state) => {
                run::check_invariants(machine, state, Limits::STEP)?;
                state.clone()
            }
        };
        let now_ms = start.now_ms;
        Ok(World {
            machine,
            start,
            now_ms,
            seq: 0,
            state,
            alive: true,
            timers: BTreeMap::new(),
            owed: Vec::new(),
        })
    }

    /// Returns what an expression sees of the surroundings now.
    pub(super) fn ctx(&self) -> Ctx {
        Ctx { now_ms: self.now_ms, seq: self.seq, self_key: self.start.key.clone(), seed: self.start.seed }
    }

    pub(super) fn is_stopped(&self) -> bool {
        !self.alive
    }

    pub(super) fn timers(&self) -> impl Iterator<Item = (&Arc<str>, &Timer)> {
        self.timers.iter()
    }

    /// Returns true for an input that may come from outside.
    pub(super) fn is_outside(&self, input: &Value) -> bool {
        match input {
            Value::Sum(case, _) => !self.machine.case_is_internal(*case as usize),
            _ => unreachable!("an input is a variant"),
        }
    }

    /// Does a step.
    pub(super) fn step(&mut self, input: Value) -> Step {
        let mut before = self.state.clone();
        let mut done = Ok(());
        if !self.alive {
            match run::init(self.machine, &self.start.config, Limits::STEP) {
                Ok(state) => before = state,
                Err(trap) => done = Err(trap),
            }
        }
        self.seq += 1;
        let (ctx, config) = (self.ctx(), &self.start.config);
        let done = done
            .and_then(|()| run::step_checking_all(self.machine, &input, &before, &ctx, config, Limits::STEP));
        let done = done.map(|outcome| {
            self.alive = true;
            self.state = outcome.state;
            self.apply(&outcome.effects);
            Done { output: outcome.output, effects: outcome.effects }
        });
        Step { at_ms: self.now_ms, input, before, after: self.state.clone(), done }
    }

    fn apply(&mut self, effects: &[Effect]) {
        for effect in effects {
            match effect {
                Effect::Log(_) => {}
                Effect::Stop => self.alive = false,
                Effect::Cancel(name) => drop(self.timers.remove(name)),
                Effect::Timer { name, after_ms, input } => {
                    let due_ms = self.now_ms.saturating_add((*after_ms).max(0));
                    self.timers.insert(name.clone(), Timer { due_ms, input: input.clone() });
                }
                Effect::Send { channel, key, .. } => self.owe(Outlet::Channel(*channel), key),
                Effect::Call { port, key, .. } => self.owe(Outlet::Port(*port), key),
            }
        }
        if !self.alive {
            self.timers.clear();
            self.owed.clear();
        }
    }

    fn owe(&mut self, outlet: Outlet, key: &Option<Arc<str>>) {
        if outlet.answer(self.machine).is_some() {
            self.owed.push(Owed { outlet, key: key.clone() });
        }
    }

    /// Returns when the next timer is due.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.timers.values().map(|timer| timer.due_ms).min()
    }

    /// Fires the next timer that is due until then, at its time; `None` when there is none.
    pub(super) fn fire(&mut self, until_ms: i64) -> Option<Step> {
        let (name, timer) = self
            .timers
            .iter()
            .min_by_key(|(name, timer)| (timer.due_ms, *name))
            .filter(|(_, timer)| timer.due_ms <= until_ms)
            .map(|(name, timer)| (name.clone(), timer.clone()))?;
        self.timers.remove(&name);
        self.now_ms = self.now_ms.max(timer.due_ms);
        Some(self.step(timer.input))
    }

    /// Delivers the answer of the oldest message that waits on a channel or port; `None` when none does.
    pub(super) fn answer(&mut self, owed: &Owed, answer: Option<Value>) -> Option<Step> {
        let index = self.owed.iter().position(|other| other == owed)?;
        self.owed.remove(index);
        let shape = owed.outlet.answer(self.machine)?;
        let case = &self.machine.input().as_variant()?.cases[shape.case as usize];
        let answer = answer.map_or_else(Value::none, Value::some);
        let key = Value::text(owed.key.as_deref().unwrap_or(""));
        let fields = case.payload.as_record()?.fields.iter().map(|field| match &*field.label {
            "answer" => answer.clone(),
            _ => key.clone(),
        });
        Some(self.step(Value::sum(shape.case as usize, Value::product(fields))))
    }
}
