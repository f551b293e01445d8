//! The instance that a session plays with: a state, a clock that goes only when told, timers.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::run::{self, Ctx, Effect, Limits, Trap};
use crate::value::Value;
use crate::verify::VerifiedMachine;

/// How many timers may come due in one `advance`: a timer that starts itself anew at once never
/// ends.
pub const TIMERS_MAX: usize = 10_000;

/// An instance.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) state: Value,
    /// Its key; empty when the machine has none.
    pub(super) key: Arc<str>,
    pub(super) now_ms: i64,
    /// The number of the last step.
    pub(super) seq: i64,
    pub(super) timers: BTreeMap<Arc<str>, Timer>,
    /// True once it has stopped; the next input begins a new life.
    pub(super) stopped: bool,
}

/// A timer that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    /// When it fires, on the session's clock.
    pub due_ms: i64,
    /// What it fires.
    pub input: Value,
}

/// A step that was done.
#[derive(Debug, Clone)]
pub struct Step {
    /// The name of the timer that fired it, if one did.
    pub timer: Option<Arc<str>>,
    /// When, on the session's clock.
    pub now_ms: i64,
    /// The input.
    pub input: Value,
    /// The state before.
    pub before: Value,
    /// The state after.
    pub after: Value,
    /// The answer; `None` for an internal input.
    pub output: Option<Value>,
    /// What it asks of the world.
    pub effects: Vec<Effect>,
    /// What it cost.
    pub fuel: u64,
}

/// A timer whose step trapped. The state is what it was, and the timer is gone.
#[derive(Debug, Clone)]
pub struct Misfire {
    /// The name of the timer.
    pub timer: Arc<str>,
    /// When, on the session's clock.
    pub now_ms: i64,
    /// The input.
    pub input: Value,
    /// Why.
    pub trap: Trap,
}

/// Why the clock does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClockFault {
    /// The time would leave the range of 64 bits.
    Overflow,
    /// More than [`TIMERS_MAX`] timers came due.
    Timers,
}

impl Instance {
    /// Returns a new instance.
    pub(super) fn born(machine: &VerifiedMachine, config: &Value, key: Arc<str>) -> Result<Instance, Trap> {
        let state = run::init(machine, config, Limits::STEP)?;
        Ok(Instance { state, key, now_ms: 0, seq: 0, timers: BTreeMap::new(), stopped: false })
    }

    /// Does one step.
    pub(super) fn step(
        &mut self,
        machine: &VerifiedMachine,
        config: &Value,
        timer: Option<Arc<str>>,
        input: Value,
    ) -> Result<Step, Trap> {
        if self.stopped {
            self.state = run::init(machine, config, Limits::STEP)?;
            self.stopped = false;
            self.seq = 0;
        }
        let seq = self.seq + 1;
        // Spread out, so that a choice by the seed is seen to vary; the same in every session.
        let seed = seq.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed());
        let ctx = Ctx { now_ms: self.now_ms, seq, self_key: self.key.clone(), seed };
        let outcome = run::step_checking_all(machine, &input, &self.state, &ctx, config, Limits::STEP)?;
        let before = std::mem::replace(&mut self.state, outcome.state.clone());
        self.seq = seq;
        for effect in &outcome.effects {
            self.take(effect);
        }
        Ok(Step {
            timer,
            now_ms: self.now_ms,
            input,
            before,
            after: outcome.state,
            output: outcome.output,
            effects: outcome.effects,
            fuel: outcome.fuel,
        })
    }

    fn take(&mut self, effect: &Effect) {
        match effect {
            Effect::Stop => {
                self.stopped = true;
                self.timers.clear();
            }
            Effect::Cancel(name) => drop(self.timers.remove(name)),
            Effect::Timer { name, after_ms, input } => {
                let due_ms = self.now_ms.saturating_add((*after_ms).max(0));
                self.timers.insert(name.clone(), Timer { due_ms, input: input.clone() });
            }
            _ => {}
        }
    }

    /// Lets time pass; timers fire by when they are due, then by name.
    pub(super) fn advance(
        &mut self,
        machine: &VerifiedMachine,
        config: &Value,
        by_ms: i64,
    ) -> Result<Vec<Result<Step, Misfire>>, ClockFault> {
        let until = self.now_ms.checked_add(by_ms).ok_or(ClockFault::Overflow)?;
        let mut fired = Vec::new();
        while let Some((due_ms, name)) = self.next_timer().filter(|(due_ms, _)| *due_ms <= until) {
            if fired.len() == TIMERS_MAX {
                return Err(ClockFault::Timers);
            }
            let Some(timer) = self.timers.remove(&name) else { break };
            self.now_ms = self.now_ms.max(due_ms);
            let step = self.step(machine, config, Some(name.clone()), timer.input.clone());
            let now_ms = self.now_ms;
            fired.push(step.map_err(|trap| Misfire { timer: name, now_ms, input: timer.input, trap }));
        }
        self.now_ms = until;
        Ok(fired)
    }

    fn next_timer(&self) -> Option<(i64, Arc<str>)> {
        self.timers.iter().map(|(name, timer)| (timer.due_ms, name.clone())).min()
    }
}
