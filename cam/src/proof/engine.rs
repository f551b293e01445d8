//! The ways to run a machine, behind one door. A new one is a line in [`all`].

use crate::run::{self, Ctx, Effect, Limits, Outcome, Trap, t1};
use crate::ty::Ty;
use crate::value::Value;
use crate::verify::VerifiedMachine;

/// A way to run one machine, with an instance that it runs.
pub(crate) trait Engine {
    /// What it is called, for messages.
    fn name(&self) -> &'static str;

    /// Puts the instance into a state.
    fn set(&mut self, state: &Value);

    /// Returns the state of the instance.
    fn state(&self) -> &Value;

    /// Does one step of the instance.
    fn step(&mut self, asked: &Asked<'_>, limits: Limits) -> Result<Did, Trap>;
}

/// What a step takes beside the state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) input: &'a Value,
    pub(crate) ctx: &'a Ctx,
    pub(crate) config: &'a Value,
}

/// What a step did, beside the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Did {
    pub(crate) output: Option<Value>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) fuel: u64,
}

/// Returns all ways to run a machine.
pub(crate) fn all(machine: &VerifiedMachine) -> Vec<Box<dyn Engine>> {
    let lowered = t1::Lowered::new(machine);
    vec![
        Box::new(T0 { machine: machine.clone(), state: Value::Unit }),
        Box::new(T1::new(&lowered, Holding::Alone)),
        Box::new(T1::new(&lowered, Holding::Shared(vec![]))),
    ]
}

struct T0 {
    machine: VerifiedMachine,
    state: Value,
}

impl Engine for T0 {
    fn name(&self) -> &'static str {
        "T0"
    }

    fn set(&mut self, state: &Value) {
        self.state = state.clone();
    }

    fn state(&self) -> &Value {
        &self.state
    }

    fn step(&mut self, asked: &Asked<'_>, limits: Limits) -> Result<Did, Trap> {
        let Outcome { state, output, effects, fuel } =
            run::step(&self.machine, asked.input, &self.state, asked.ctx, asked.config, limits)?;
        self.state = state;
        Ok(Did { output, effects, fuel })
    }
}

/// Who holds a state that a step changes.
enum Holding {
    /// Nobody else: it is changed in place.
    Alone,
    /// Others too, who hold each state that ever was: they must not see it change.
    Shared(Vec<(Value, Vec<u8>)>),
}

struct T1 {
    lowered: t1::Lowered,
    registers: t1::Registers,
    state: Value,
    holding: Holding,
}

impl T1 {
    fn new(lowered: &t1::Lowered, holding: Holding) -> T1 {
        T1 { lowered: lowered.clone(), registers: lowered.registers(), state: Value::Unit, holding }
    }
}

impl Engine for T1 {
    fn name(&self) -> &'static str {
        match self.holding {
            Holding::Alone => "T1",
            Holding::Shared(_) => "T1, the state shared",
        }
    }

    fn set(&mut self, state: &Value) {
        // Built anew, so that it shares nothing with anybody.
        self.state = rebuilt(state, self.lowered.machine().state());
    }

    fn state(&self) -> &Value {
        &self.state
    }

    fn step(&mut self, asked: &Asked<'_>, limits: Limits) -> Result<Did, Trap> {
        let ty = self.lowered.machine().state().clone();
        let before = self.state.to_binary(&ty);
        if let Holding::Shared(held) = &mut self.holding {
            held.push((self.state.clone(), before.clone()));
        }
        let Asked { input, ctx, config } = *asked;
        let done = self.lowered.step(&mut self.registers, input, &mut self.state, ctx, config, limits);
        let mut changed = false;
        let did = done.map(|done| {
            changed = done.changed;
            Did { output: done.output.take(), effects: std::mem::take(&mut done.effects), fuel: done.fuel }
        });
        if !changed {
            assert_eq!(
                self.state.to_binary(&ty),
                before,
                "a trap, or a step without a change, leaves it what it was"
            );
        }
        if let Holding::Shared(held) = &self.holding {
            for (state, bytes) in held {
                assert_eq!(state.to_binary(&ty), *bytes, "what somebody else holds stays what it was");
            }
        }
        did
    }
}

/// Returns the same value, which shares nothing with it.
pub(crate) fn rebuilt(value: &Value, ty: &Ty) -> Value {
    Value::from_binary(&value.to_binary(ty), ty).expect("what was written is read")
}
