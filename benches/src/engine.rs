//! The ways to run a machine, all behind one trait, so that another way is a line more.

use std::hint::black_box;

use anyhow::{Context, Result, anyhow, bail};
use camshaft_cam::compile;
use camshaft_cam::diagnostic::Source;
use camshaft_cam::run::t1::{Lowered, Registers};
use camshaft_cam::run::{self, Ctx, Limits};
use camshaft_cam::value::Value;
use camshaft_cam::verify::{Verified, VerifiedMachine, verify};

/// A machine with its state, run in some way.
pub trait Machine {
    /// What it takes.
    type Input;
    /// What it answers.
    type Output;

    /// Does one step.
    fn step(&mut self, input: &Self::Input) -> Self::Output;

    /// Keeps the state as it is now and lets go of the one kept before: what a dry run or a state
    /// snapshot does to the steps that go on meanwhile.
    fn hold(&mut self);

    /// Returns what the state comes to, in a few numbers.
    fn figures(&self) -> Vec<i64>;
}

/// Has a machine take all inputs, so many times over. With `hold_every`, the state is kept before
/// the first of every so many inputs.
pub fn drive<M: Machine>(machine: &mut M, inputs: &[M::Input], passes: u32, hold_every: Option<usize>) {
    for _ in 0..passes {
        for some in inputs.chunks(hold_every.unwrap_or(inputs.len())) {
            if hold_every.is_some() {
                machine.hold();
            }
            for input in some {
                black_box(machine.step(black_box(input)));
            }
        }
    }
}

/// The source of the counter.
pub const COUNTER: &str = include_str!("../machines/counter.cam");
/// The source of the ledger.
pub const LEDGER: &str = include_str!("../machines/ledger.cam");

/// Compiles and verifies a machine.
///
/// # Errors
///
/// When the source or the code is refused.
pub fn compiled(name: &str, source: &str) -> Result<VerifiedMachine> {
    let source = Source::new(name, source);
    let module = compile::machine(&source, None).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(|fault| fault.one_line()).collect();
        anyhow!("{name} does not compile: {}", lines.join("; "))
    })?;
    match verify(module).with_context(|| format!("{name} is not verified"))? {
        Verified::Machine(machine) => Ok(machine),
        other => bail!("{name} is a {}, not a machine", other.kind()),
    }
}

/// Reads inputs of a machine.
///
/// # Errors
///
/// When one is no input of this machine.
pub fn inputs(machine: &VerifiedMachine, json: impl IntoIterator<Item = String>) -> Result<Vec<Value>> {
    let read = |json: String| {
        Value::from_json(&json, machine.input()).map_err(|error| anyhow!("{json} is no input: {error}"))
    };
    json.into_iter().map(read).collect()
}

/// What every step is told of its surroundings.
fn surroundings() -> Ctx {
    Ctx { now_ms: 1_700_000_000_000, seq: 1, self_key: "".into(), seed: 7 }
}

/// T0, the direct interpreter.
#[derive(Debug)]
pub struct T0<'m> {
    machine: &'m VerifiedMachine,
    state: Value,
    held: Option<Value>,
    ctx: Ctx,
}

impl<'m> T0<'m> {
    /// Returns an instance in its first state. The machine takes no configuration.
    ///
    /// # Panics
    ///
    /// When `init` traps.
    pub fn new(machine: &'m VerifiedMachine) -> T0<'m> {
        let state = run::init(machine, &Value::Unit, Limits::STEP).expect("the machine has a first state");
        T0 { machine, state, held: None, ctx: surroundings() }
    }
}

impl Machine for T0<'_> {
    type Input = Value;
    type Output = Option<Value>;

    fn step(&mut self, input: &Value) -> Option<Value> {
        let done = run::step(self.machine, input, &self.state, &self.ctx, &Value::Unit, Limits::STEP);
        let done = done.expect("no input of the workload traps");
        self.state = done.state;
        done.output
    }

    fn hold(&mut self) {
        self.held = Some(self.state.clone());
    }

    fn figures(&self) -> Vec<i64> {
        figures(self.machine, &self.state)
    }
}

/// T1, the register code that agents run.
#[derive(Debug)]
pub struct T1<'m> {
    machine: &'m VerifiedMachine,
    lowered: Lowered,
    registers: Registers,
    state: Value,
    held: Option<Value>,
    ctx: Ctx,
}

impl<'m> T1<'m> {
    /// Returns an instance in its first state. The machine takes no configuration.
    ///
    /// # Panics
    ///
    /// When `init` traps.
    pub fn new(machine: &'m VerifiedMachine) -> T1<'m> {
        let state = run::init(machine, &Value::Unit, Limits::STEP).expect("the machine has a first state");
        let lowered = Lowered::new(machine);
        let registers = lowered.registers();
        T1 { machine, lowered, registers, state, held: None, ctx: surroundings() }
    }
}

impl Machine for T1<'_> {
    type Input = Value;
    /// It stays where the step left it, for whoever reads it.
    type Output = ();

    fn step(&mut self, input: &Value) {
        let (state, ctx) = (&mut self.state, &self.ctx);
        let done = self.lowered.step(&mut self.registers, input, state, ctx, &Value::Unit, Limits::STEP);
        black_box(done.expect("no input of the workload traps"));
    }

    fn hold(&mut self) {
        self.held = Some(self.state.clone());
    }

    fn figures(&self) -> Vec<i64> {
        figures(self.machine, &self.state)
    }
}

/// Returns the numbers of a state: its own, in the order of their declaration, and of each map
/// the sum of its values. By way of JSON, which does not depend on how values are represented.
fn figures(machine: &VerifiedMachine, state: &Value) -> Vec<i64> {
    fn number(json: &serde_json::Value) -> i64 {
        match json {
            serde_json::Value::Number(number) => number.as_i64().expect("the figures are whole numbers"),
            serde_json::Value::Array(entries) => entries.iter().map(|entry| number(&entry[1])).sum(),
            other => panic!("{other} is neither a number nor a map of them"),
        }
    }
    let json: serde_json::Value =
        serde_json::from_str(&state.to_json(machine.state())).expect("what we write is JSON");
    match machine.state().as_record() {
        Some(record) => record.in_declared_order().map(|(_, field)| number(&json[&*field.label])).collect(),
        None => vec![number(&json)],
    }
}
