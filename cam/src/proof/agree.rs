//! One program, all ways to run it, and what the verifier said of it: they agree.

use super::coverage::Coverage;
use super::engine::{self, Asked, Did, Engine};
use super::facts::{self, Agreed, agree};
use crate::check::machine::{self, CheckedMachine};
use crate::code::{Module, decode, encode};
use crate::compile;
use crate::diagnostic::Source;
use crate::evaluate::{self, seen};
use crate::format::format;
use crate::run::{self, Limits, Trap, t1};
use crate::syntax::{ast, parse, parse_file};
use crate::testing::program::Program;
use crate::value::Value;
use crate::verify::{Verified, VerifiedMachine, verify};

/// Returns what differs; nothing when both are the same.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Agreed {
    agree!(found == expected, "{what}\n   found: {found:?}\nexpected: {expected:?}");
    Ok(())
}

/// Runs a program in all ways.
pub(super) fn agrees(program: &Program, coverage: &mut Coverage) -> Agreed {
    let (machine, checked, file) = compiled(program)?;
    coverage.program(&machine, &file);
    let mut proof = Proof { program, machine: &machine, checked: &checked, engines: engine::all(&machine) };
    let mut seen = seen::Seen::new();
    let mut state = proof.init(coverage)?;
    for (index, happening) in program.steps.iter().enumerate() {
        state = happening.jump.clone().or(state);
        let Some(before) = &state else { continue };
        let at = |words| format!("step {}: {words}", index + 1);
        let (after, evaluated) = proof.step(index, before, coverage).map_err(at)?;
        seen.extend(evaluated);
        state = Some(after);
    }
    coverage.evaluated(&file, &seen);
    Ok(())
}

/// Brings a program from text to verified code and back in all forms.
fn compiled(program: &Program) -> Agreed<(VerifiedMachine, CheckedMachine, ast::MachineFile)> {
    let source = Source::new("program.cam", program.text.as_str());
    let refused = |errors: Vec<crate::diagnostic::Diagnostic>| format!("refused: {}", errors[0].one_line());
    let module = compile::machine(&source, None).map_err(refused)?;
    same("the lossless tree", &parse(&source).tree().text().to_string(), &program.text)?;
    let Ok(ast::File::Machine(file)) = parse_file(&source) else {
        return Err("it compiles, but is no machine".to_owned());
    };
    let checked = machine::check(&source, &file, None).map_err(refused)?;
    formatted(&source, &module)?;
    let bytes = encode::encode(&module);
    let decoded = decode::decode(&bytes).map_err(|error| format!("not decoded: {error}"))?;
    same("what was decoded", &decoded, &module)?;
    same("encoded again", &encode::encode(&decoded), &bytes)?;
    match verify(decoded) {
        Ok(Verified::Machine(machine)) => {
            let found =
                [machine.config(), machine.state(), machine.input(), machine.output()].map(Clone::clone);
            same("the types of the machine", &found, &program.types)?;
            Ok((machine, checked, file))
        }
        Ok(_) => Err("a machine became something else".to_owned()),
        Err(error) => Err(format!("not verified: {error}")),
    }
}

fn formatted(source: &Source, module: &Module) -> Agreed {
    let formats =
        |source: &Source| format(source).map_err(|errors| format!("not formatted: {}", errors[0].one_line()));
    let once = Source::new("program.cam", formats(source)?);
    same("formatted twice", &formats(&once)?, &once.text.to_string())?;
    let again =
        compile::machine(&once, None).map_err(|errors| format!("formatted: {}", errors[0].one_line()))?;
    same("compiled from the formatted text", &encode::digest(&again), &encode::digest(module))
}

struct Proof<'p> {
    program: &'p Program,
    machine: &'p VerifiedMachine,
    checked: &'p CheckedMachine,
    engines: Vec<Box<dyn Engine>>,
}

/// How much fuel a step may use that is evaluated too. The evaluator copies what machines share, so
/// that a long list takes it time by the square of its length.
const EVALUATED_MAX: u64 = 10_000;

/// The trap that the evaluator does not know: only machines count what a run costs.
fn is_cost(trap: &Trap) -> bool {
    matches!(trap, Trap::Fuel | Trap::Memory)
}

impl Proof<'_> {
    /// Returns the first state, if there is one.
    fn init(&mut self, coverage: &mut Coverage) -> Agreed<Option<Value>> {
        let config = &self.program.config;
        let found = run::init(self.machine, config, Limits::STEP);
        if !found.as_ref().is_err_and(is_cost) {
            same("init, as the text says", &found, &evaluate::init(self.checked, config))?;
        }
        let entry = self.machine.machine().init;
        facts::foreseen(self.machine, &found, entry)?;
        let arrow = t1::Arrow::new(self.machine.verified_module(), entry);
        let mut registers = arrow.registers();
        for limits in self.program.steps.iter().map(|step| step.limits).chain([Limits::STEP]) {
            let expected = run::call(self.machine.verified_module(), entry, vec![config.clone()], limits);
            let found = arrow.call(&mut registers, &[config], limits);
            same(&format!("init in T1 within {limits:?}"), &found, &expected)?;
        }
        if let Err(trap) = &found {
            coverage.trap("init", trap);
        }
        Ok(found.ok())
    }

    /// Does one step in all ways; returns the state after it, and what was evaluated.
    fn step(&mut self, index: usize, before: &Value, coverage: &mut Coverage) -> Agreed<(Value, seen::Seen)> {
        let happening = &self.program.steps[index];
        let asked = Asked { input: &happening.input, ctx: &happening.ctx, config: &self.program.config };
        let within = |limits| run::step(self.machine, asked.input, before, asked.ctx, asked.config, limits);
        let expected = within(Limits::STEP);
        let long = within(Limits { fuel: EVALUATED_MAX, ..Limits::STEP });
        let (said, seen) = match long.is_err_and(|trap| is_cost(&trap)) {
            true => (None, seen::Seen::new()),
            false => {
                let of_steps: Vec<usize> = self.machine.invariants_of_steps().collect();
                let said = || {
                    let checked = |index| of_steps.contains(&index);
                    evaluate::step(self.checked, asked.input, before, asked.ctx, asked.config, checked)
                };
                let (said, seen) = seen::watch(said);
                (Some(said), seen)
            }
        };
        if let Some(said) = said {
            let found = expected.clone().map(|done| evaluate::Done {
                state: done.state,
                output: done.output,
                effects: done.effects,
            });
            same("a step, as the text says", &found, &said)?;
        }
        self.facts_hold(&asked, before, &expected)?;
        let expected = expected
            .map(|done| (done.state, Did { output: done.output, effects: done.effects, fuel: done.fuel }));
        match &expected {
            Ok((_, did)) => coverage.did(did),
            Err(trap) => coverage.trap("step", trap),
        }
        let low = within(happening.limits).map(|done| done.fuel);
        if let Err(trap) = &low {
            coverage.trap("low limits", trap);
        }
        let ty = self.machine.state();
        for engine in &mut self.engines {
            let name = engine.name();
            // Another state than the one it came to: it is told.
            if engine.state() != before {
                engine.set(before);
            }
            let found = engine.step(&asked, happening.limits);
            same(&format!("{name} within {:?}", happening.limits), &found.map(|did| did.fuel), &low)?;
            if low.is_ok() {
                engine.set(before);
            }
            let found = engine.step(&asked, Limits::STEP);
            let found = found.map(|did| (engine::rebuilt(engine.state(), ty), did));
            same(name, &found, &expected)?;
        }
        Ok((expected.map_or_else(|_| before.clone(), |(state, _)| state), seen))
    }

    /// Checks a step against what the verifier found out.
    fn facts_hold(&self, asked: &Asked<'_>, before: &Value, found: &Result<run::Outcome, Trap>) -> Agreed {
        let Value::Sum(case, _) = asked.input else { return Err("an input is a variant".to_owned()) };
        let entry = self.machine.machine().step[*case as usize];
        facts::foreseen(self.machine, found, entry)?;
        let facts = self.machine.facts(entry);
        if let Ok(done) = found {
            let max = facts.fuel_max.unwrap_or(u64::MAX);
            agree!(done.fuel <= max, "{} fuel, and the verifier says at most {max}", done.fuel);
            let cost = self.machine.step_cost(*case as usize);
            let bound = self.machine.step_fuel_bound(asked.input, before, asked.config).unwrap_or(u64::MAX);
            agree!(done.fuel <= bound, "{} fuel, and {cost} says at most {bound}", done.fuel);
            facts::typed(self.machine, done)?;
        }
        facts::reached(self.machine, *case, before, found)?;
        // Where there are bounds, a run within them is the same run.
        let entries = self.machine.machine().invariants.iter().map(|(_, function)| *function).chain([entry]);
        let bounds = entries.map(|entry| {
            let facts = self.machine.facts(entry);
            facts.fuel_max.zip(facts.memory_max)
        });
        let bounds: Option<Vec<(u64, u64)>> = bounds.collect();
        if let (Some(bounds), false) = (bounds, found.as_ref().is_err_and(is_cost)) {
            let limits = Limits {
                fuel: bounds.iter().map(|bound| bound.0).max().unwrap_or(0),
                memory: bounds.iter().map(|bound| bound.1).max().unwrap_or(0),
            };
            let again = run::step(self.machine, asked.input, before, asked.ctx, asked.config, limits);
            let fuel =
                |outcome: &Result<run::Outcome, Trap>| outcome.clone().map(|done| (done.state, done.fuel));
            same("a step within the verifier's bounds", &fuel(&again), &fuel(found))?;
        }
        Ok(())
    }
}
