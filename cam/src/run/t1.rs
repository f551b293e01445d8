//! T1: verified code lowered to register code when it is loaded. The agents' default.
//!
//! It does what T0 does: the same result, the same trap, the same fuel. What is different:
//!
//! - Ints, Bools and cases are in registers without a wrapper; tuples and records are taken apart and
//!   exist only where they leave the step.
//! - A step changes its state in place. All changes are made by one *commit* at the end, when nothing of
//!   the step can trap any more; so most steps need no undoing. Where something is still to be checked of
//!   the new state (an invariant, the weight of nested lists), the commit notes how to go back.
//! - A part of the state that somebody else holds too (a dry run, a snapshot) is copied before it is
//!   changed: the product, and in a map the way to the entry.
//!
//! A function that is too large to be lowered is run by T0. Docs: `docs/decisions/0010-t1.md`.

mod code;
mod commit;
mod exec;
mod live;
mod lower;
mod sym;
#[cfg(test)]
pub(crate) mod tests;
mod tree;
mod words;

use std::sync::Arc;

use super::t0::{Frame, Run};
use super::{Ctx, Effect, Limits, Trap, check_weight};
use crate::code::FuncIx;
use crate::value::{Payload, Value};
use crate::verify::{VerifiedMachine, VerifiedModule};
use code::{Code, Commit, Ins, Out};
use exec::{Exec, Exit, File};
use lower::{Root, lower};

/// A machine that was lowered; shared by all who run it.
#[derive(Debug, Clone)]
pub struct Lowered(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    machine: VerifiedMachine,
    /// Per input case, and then per invariant.
    codes: Codes,
    /// The invariants that are checked after every step.
    invariants: Vec<usize>,
    /// True when something is to be checked of a new state.
    checks_state: bool,
    /// True when the state may outgrow what was paid for.
    weighs_state: bool,
}

/// Functions that were lowered; `None` for those that T0 has to run since they are too large.
#[derive(Debug, Clone)]
struct Codes(Arc<[Option<Code>]>);

/// A function of a module that was lowered: an arrow of an edge or link, or `init`.
#[derive(Debug, Clone)]
pub struct Arrow {
    module: VerifiedModule,
    function: FuncIx,
    codes: Codes,
}

/// What runs of one machine need while they last. Keep it for the next run: making it costs more than
/// a step.
#[derive(Debug)]
pub struct Registers {
    of: Codes,
    /// Per function, with the constants in place.
    words: Vec<Vec<i64>>,
    refs: Vec<Value>,
    frame: Frame,
    done: Done,
}

/// What a step did beside changing the state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// The answer; `None` for an internal input.
    pub output: Option<Value>,
    /// What the step asks of the world, in order.
    pub effects: Vec<Effect>,
    /// The fuel used.
    pub fuel: u64,
    /// False when the state is known to be what it was; true when a part was set to what may differ.
    /// Parts that are not plain are told apart by where they are, so that this costs no walk.
    pub changed: bool,
}

impl Lowered {
    /// Lowers the steps and invariants of a machine.
    pub fn new(machine: &VerifiedMachine) -> Lowered {
        let parts = machine.machine();
        let step = |(function, internal): (_, &bool)| {
            lower(&machine.0, function, if *internal { Root::Internal } else { Root::Step }).ok()
        };
        let steps = parts.step.iter().copied().zip(&parts.internal).map(step);
        let invariants =
            parts.invariants.iter().map(|(_, function)| lower(&machine.0, *function, Root::Function).ok());
        let weighs_state = machine.state().nests();
        Lowered(Arc::new(Parts {
            machine: machine.clone(),
            codes: Codes(steps.chain(invariants).collect()),
            checks_state: weighs_state || machine.invariants_of_steps().next().is_some(),
            invariants: machine.invariants_of_steps().collect(),
            weighs_state,
        }))
    }

    /// Returns the machine.
    pub fn machine(&self) -> &VerifiedMachine {
        &self.0.machine
    }

    /// Returns how many functions T0 has to run since they are too large.
    pub fn left_to_t0(&self) -> usize {
        self.0.codes.0.iter().filter(|code| code.is_none()).count()
    }

    /// Returns registers for this machine.
    pub fn registers(&self) -> Registers {
        self.0.codes.registers()
    }

    /// Does one step, which changes the state. As [`super::step`] does it; when it fails, the state is
    /// what it was. What it did is in the registers until the next step; take it out where it is to last.
    ///
    /// # Errors
    ///
    /// When the program traps, or an invariant does not hold of the new state.
    pub fn step<'r>(
        &self,
        registers: &'r mut Registers,
        input: &Value,
        state: &mut Value,
        ctx: &Ctx,
        config: &Value,
        limits: Limits,
    ) -> Result<&'r mut Done, Trap> {
        let Value::Sum(case, payload) = input else { unreachable!("an input is a variant") };
        let case = *case as usize;
        let parts = &*self.0;
        debug_assert!(input.has_type(parts.machine.input()), "the input has the machine's type");
        debug_assert!(config.has_type(parts.machine.config()), "the configuration has the machine's type");
        let Some(code) = parts.codes.runnable(case, limits) else {
            return self.step_in_t0(registers, input, state, ctx, config, limits);
        };
        if !registers.done.effects.is_empty() {
            registers.done.effects.clear();
        }
        let params: [&Value; 3] = [payload, state, config];
        let mut left = limits.fuel.checked_sub(code.entry_fuel).ok_or(Trap::Fuel)?;
        let end = words::run(code, registers.words_of(&parts.codes, case), &params, &mut left, 0)?;
        let Ins::Return { commit } = code.ins[usize::from(end)] else {
            let within = Limits { fuel: left, ..limits };
            let (commit, left) = self.on_values(registers, case, &params, ctx, (within, usize::from(end)))?;
            registers.done.fuel = limits.fuel - left;
            self.commit(registers, case, commit, [payload, config], state, limits)?;
            return Ok(&mut registers.done);
        };
        registers.done.fuel = limits.fuel - left;
        // What most steps of small machines do: numbers in the state, and a case as the answer.
        let Commit { output: Out::Case(answer), ints, stores } = &code.commits[commit as usize] else {
            self.commit(registers, case, commit, [payload, config], state, limits)?;
            return Ok(&mut registers.done);
        };
        if parts.checks_state || !stores.is_empty() {
            self.commit(registers, case, commit, [payload, config], state, limits)?;
            return Ok(&mut registers.done);
        }
        registers.done.answer(*answer);
        registers.done.changed = commit::set_ints(&registers.words[case], ints, state);
        Ok(&mut registers.done)
    }

    /// Does a step of a function that was not lowered, or may not run with so little memory.
    #[cold]
    fn step_in_t0<'r>(
        &self,
        registers: &'r mut Registers,
        input: &Value,
        state: &mut Value,
        ctx: &Ctx,
        config: &Value,
        limits: Limits,
    ) -> Result<&'r mut Done, Trap> {
        let outcome = super::step(&self.0.machine, input, state, ctx, config, limits)?;
        let changed = commit::may_differ(state, &outcome.state);
        *state = outcome.state;
        let (output, effects, fuel) = (outcome.output, outcome.effects, outcome.fuel);
        registers.done = Done { output, effects, fuel, changed };
        Ok(&mut registers.done)
    }

    /// Runs a step from an instruction that is not on words alone. Returns its commit, and the fuel
    /// that is left.
    #[inline(never)]
    fn on_values(
        &self,
        registers: &mut Registers,
        case: usize,
        params: &[&Value; 3],
        ctx: &Ctx,
        (within, pc): (Limits, usize),
    ) -> Result<(u16, u64), Trap> {
        let parts = &*self.0;
        let code = parts.codes.lowered(case);
        let mut exec =
            registers.begin(&parts.codes, case, code, params, (&parts.machine.0, Some(ctx), within));
        let exit = exec.exec(pc);
        let left = exec.run.meter.fuel_left();
        match exit {
            Ok(Exit::Commit(commit)) => Ok((commit, left)),
            Err(trap) => {
                registers.clear(code);
                Err(trap)
            }
            Ok(Exit::Value(_) | Exit::End | Exit::Stop) => unreachable!("a step ends in a commit"),
        }
    }

    /// Makes the answer and changes the state; when something does not hold of the new state, it is
    /// what it was.
    #[inline(never)]
    fn commit(
        &self,
        registers: &mut Registers,
        case: usize,
        commit: u16,
        [payload, config]: [&Value; 2],
        state: &mut Value,
        limits: Limits,
    ) -> Result<(), Trap> {
        let parts = &*self.0;
        let code = parts.codes.lowered(case);
        let commit = &code.commits[commit as usize];
        let (mut file, done) = registers.file(case, code, &parts.machine.0);
        match &commit.output {
            Out::Nothing => done.output = None,
            Out::Case(case) => done.answer(*case),
            Out::Value(arg) => {
                let params: [&Value; 3] = [payload, state, config];
                file.put(&params, arg, done.output.get_or_insert(Value::Unit));
            }
        }
        // From here on nothing reads the state, which is being changed.
        let params: [&Value; 3] = [payload, &Value::Unit, config];
        if !parts.checks_state {
            done.changed = commit::apply(&mut file, &params, commit, state);
            registers.clear(code);
            return Ok(());
        }
        let undo = commit::apply_noting(&mut file, &params, commit, state);
        done.changed = undo.iter().any(|change| change.may_differ(state));
        registers.clear(code);
        self.check(registers, state, limits).inspect_err(|_| commit::undo(state, undo))
    }

    fn check(&self, registers: &mut Registers, state: &Value, limits: Limits) -> Result<(), Trap> {
        if self.0.weighs_state {
            check_weight(state, self.0.machine.state())?;
        }
        let parts = self.0.machine.machine();
        for index in &self.0.invariants {
            let (text, function) = &parts.invariants[*index];
            let (module, codes, index) = (&self.0.machine.0, &self.0.codes, parts.step.len() + index);
            let holds = codes.call(registers, index, (module, *function), &[state], limits)?;
            if holds != Value::Bool(true) {
                return Err(Trap::Invariant(text.clone()));
            }
        }
        Ok(())
    }
}

impl Arrow {
    /// Lowers a function that neither emits nor reads the context.
    ///
    /// # Panics
    ///
    /// When the module has no such function; those that it names it has.
    pub fn new(module: &VerifiedModule, function: FuncIx) -> Arrow {
        let code = lower(module, function, Root::Function).ok();
        Arrow { module: module.clone(), function, codes: Codes([code].into()) }
    }

    /// Returns registers for this function.
    pub fn registers(&self) -> Registers {
        self.codes.registers()
    }

    /// Calls the function, as [`super::call`] does it.
    ///
    /// # Errors
    ///
    /// When the function traps.
    pub fn call(&self, registers: &mut Registers, args: &[&Value], limits: Limits) -> Result<Value, Trap> {
        self.codes.call(registers, 0, (&self.module, self.function), args, limits)
    }
}

impl Codes {
    fn registers(&self) -> Registers {
        let words = self.0.iter().map(|code| code.as_ref().map_or_else(Vec::new, |code| code.words.clone()));
        Registers {
            of: self.clone(),
            words: words.collect(),
            refs: vec![],
            frame: Frame::default(),
            done: Done::default(),
        }
    }

    /// Returns the code of a function that has some.
    fn lowered(&self, index: usize) -> &Code {
        self.0[index].as_ref().expect("code that runs was lowered")
    }

    /// Returns the code if there is some that may run with these limits.
    fn runnable(&self, index: usize, limits: Limits) -> Option<&Code> {
        self.0[index].as_ref().filter(|code| code.memory_max <= limits.memory)
    }

    fn call(
        &self,
        registers: &mut Registers,
        index: usize,
        (module, function): (&VerifiedModule, FuncIx),
        args: &[&Value],
        limits: Limits,
    ) -> Result<Value, Trap> {
        let Some(code) = self.runnable(index, limits) else {
            return super::call(module, function, args.iter().map(|arg| (*arg).clone()).collect(), limits);
        };
        let mut exec = registers.begin(self, index, code, args, (module, None, limits));
        let result = match exec.start() {
            Ok(Exit::Value(arg)) => Ok(exec.file.value(exec.params, arg)),
            Ok(_) => unreachable!("a function ends in a value"),
            Err(trap) => Err(trap),
        };
        registers.clear(code);
        result
    }
}

impl Done {
    /// Answers with a case that holds nothing. Where such an answer stands already nothing has to be
    /// dropped.
    #[inline(always)]
    fn answer(&mut self, case: u32) {
        match &mut self.output {
            Some(Value::Sum(before, payload)) if payload.is_unit() => *before = case,
            other => *other = Some(Value::Sum(case, Payload::UNIT)),
        }
    }
}

impl Registers {
    /// Returns the words of a function.
    #[inline]
    fn words_of(&mut self, codes: &Codes, index: usize) -> &mut [i64] {
        assert!(Arc::ptr_eq(&self.of.0, &codes.0), "registers are those of the code that runs");
        &mut self.words[index]
    }

    /// Returns what values are made of, and where the output goes.
    #[inline]
    fn file<'c>(
        &mut self,
        index: usize,
        code: &'c Code,
        module: &'c VerifiedModule,
    ) -> (File<'c, '_>, &mut Done) {
        let (words, refs, module) = (&mut self.words[index], &mut self.refs, &*module.module);
        (File { code, words, refs, module }, &mut self.done)
    }

    fn begin<'c: 'r, 'r, 'p>(
        &'r mut self,
        codes: &Codes,
        index: usize,
        code: &'c Code,
        params: &'p [&'p Value],
        (module, ctx, limits): (&'c VerifiedModule, Option<&'c Ctx>, Limits),
    ) -> Exec<'c, 'r, 'p> {
        assert!(Arc::ptr_eq(&self.of.0, &codes.0), "registers are those of the code that runs");
        if self.refs.len() < code.refs {
            self.grow(code.refs);
        }
        let module = &*module.module;
        let file = File { code, words: &mut self.words[index], refs: &mut self.refs, module };
        let run = Run::new(module, ctx, limits, &mut self.done.effects);
        Exec { file, params, run, frame: &mut self.frame }
    }

    #[cold]
    fn grow(&mut self, refs: usize) {
        self.refs.resize(refs, Value::Unit);
    }

    /// Lets go of all values, so that nothing holds a part of the state but the state.
    #[inline(always)]
    fn clear(&mut self, code: &Code) {
        if code.refs == 0 && code.plains.is_empty() {
            return;
        }
        let used = self.refs.len().min(code.refs);
        for value in &mut self.refs[..used] {
            *value = Value::Unit;
        }
        if !code.plains.is_empty() {
            self.frame.stack.clear();
            self.frame.value = Value::Unit;
        }
    }
}
