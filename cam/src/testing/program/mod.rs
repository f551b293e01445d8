//! Whole machines as text, well typed by construction, with what happens to them.
//!
//! A generator reads [`Choices`] and writes the text of a machine: types, constants, functions that
//! call those before them, `init`, invariants, and an `on` for each input. Types direct it: it only
//! writes what the checker takes. So a program that is refused is a fault of the generator or of
//! the checker, and the tests say so.
//!
//! Where to look next: `types` (types and values), `expr` and `parts` (expressions), `standard` and
//! `calls` (what the standard functions take), `pattern` (`match`), `effects` (statements of `on` blocks).

mod calls;
mod effects;
mod expr;
mod parts;
mod pattern;
mod standard;
mod types;

use std::collections::BTreeSet;

use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::choices::{Choices, Shrink};
use crate::run::{Ctx, Limits};
use crate::ty::{Case, Kind, Ty, Variant};
use crate::value::Value;
use effects::Outlet;
use expr::{Ex, TIGHT, pair};
use standard::Signature;
use types::{LABELS, Made, sure};

/// How deep expressions nest.
const DEPTH: u32 = 5;

/// A machine, and what happens to an instance of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The text of the machine.
    pub text: String,
    /// The types as the text declares them: configuration, state, input and output.
    pub types: [Ty; 4],
    /// The configuration.
    pub config: Value,
    /// What happens.
    pub steps: Vec<Happening>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    /// A state that takes the place of the one before the step.
    pub jump: Option<Value>,
    /// The input.
    pub input: Value,
    /// The context.
    pub ctx: Ctx,
    /// Limits under which the step is done too; they may be too low for it.
    pub limits: Limits,
}

impl Program {
    /// Makes a program.
    pub fn generate(choices: &mut Choices) -> Program {
        Generator::lend(choices, |generator| {
            generator.signatures = standard::signatures();
            generator.program()
        })
    }

    /// Returns the program as a person would write it, line by line.
    pub fn readable(&self) -> String {
        let source = crate::diagnostic::Source::new("program.cam", self.text.as_str());
        crate::format::format(&source).unwrap_or_else(|_| self.text.clone())
    }
}

/// Makes a type, with others in it that were declared before; secrets and all.
pub fn any_ty(choices: &mut Choices) -> Ty {
    Generator::lend(choices, |generator| {
        generator.declare_types();
        generator.any_ty(3, Made::Freely)
    })
}

/// Makes a value of a type.
pub fn any_value(choices: &mut Choices, ty: &Ty) -> Value {
    Generator::lend(choices, |generator| generator.value(ty))
}

/// Any program. Failing ones shrink to small ones.
pub fn any_program() -> AnyProgram {
    AnyProgram
}

/// The strategy of [`any_program`].
#[derive(Debug, Clone, Copy)]
pub struct AnyProgram;

/// A program that can be made smaller.
#[derive(Debug)]
pub struct ProgramTree {
    shrink: Shrink,
    /// What is tried now; `None`: the best so far.
    tried: Option<Vec<u32>>,
}

impl Strategy for AnyProgram {
    type Tree = ProgramTree;
    type Value = Program;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        use proptest::prelude::Rng as _;
        let mut choices = Choices::random(runner.rng().next_u64());
        Program::generate(&mut choices);
        Ok(ProgramTree { shrink: Shrink::new(choices.into_parts()), tried: None })
    }
}

impl ValueTree for ProgramTree {
    type Value = Program;

    fn current(&self) -> Program {
        let tape = self.tried.as_deref().unwrap_or(self.shrink.best());
        Program::generate(&mut Choices::replay(tape.to_vec()))
    }

    fn simplify(&mut self) -> bool {
        if let Some(tape) = self.tried.take() {
            let mut choices = Choices::replay(tape);
            Program::generate(&mut choices);
            self.shrink.take(choices.into_parts());
        }
        self.tried = self.shrink.next();
        self.tried.is_some()
    }

    fn complicate(&mut self) -> bool {
        self.tried = self.shrink.next();
        self.tried.is_some()
    }
}

/// A variable in scope.
#[derive(Debug, Clone)]
struct Var {
    name: String,
    ty: Ty,
    /// A constant of the file.
    konst: bool,
}

/// A function of the file.
#[derive(Debug, Clone)]
struct Function {
    name: String,
    params: Vec<Ty>,
    result: Ty,
}

struct Generator {
    choices: Choices,
    types: Vec<(String, Ty)>,
    functions: Vec<Function>,
    vars: Vec<Var>,
    signatures: Vec<Signature>,
    /// Types that have a function which only says them.
    sayers: Vec<Ty>,
    outlets: Vec<Outlet>,
    input: Ty,
    /// Within an `on`, where the context is known.
    handler: bool,
    /// Within a text, which stands on one line.
    one_line: u32,
    /// How many more expressions there may be that are no leaves.
    budget: u32,
    /// For names that meet no others.
    fresh: u32,
    /// The names that the pattern at hand binds without a fresh name.
    bound: BTreeSet<String>,
}

impl Generator {
    /// Lets a generator use the choices for a while.
    fn lend<T>(choices: &mut Choices, make: impl FnOnce(&mut Generator) -> T) -> T {
        let mut generator = Generator::new(std::mem::replace(choices, Choices::replay(vec![])));
        let made = make(&mut generator);
        *choices = generator.choices;
        made
    }

    fn new(choices: Choices) -> Generator {
        Generator {
            choices,
            types: vec![],
            functions: vec![],
            vars: vec![],
            signatures: vec![],
            sayers: vec![],
            outlets: vec![],
            input: Ty::unit(),
            handler: false,
            one_line: 0,
            budget: 0,
            fresh: 0,
            bound: BTreeSet::new(),
        }
    }

    fn program(&mut self) -> Program {
        self.budget = *self.choices.pick(&[15, 30, 60, 150]);
        let keyed = if self.choices.chance(50) { " keyed Text" } else { "" };
        let declared = self.declare_types();
        let config = self.choices.chance(50).then(|| self.record(1, Made::Public, 1));
        let state = match self.choices.weighted(&[8, 2]) {
            0 => self.record(2, Made::Freely, 2),
            _ => self.any_ty(2, Made::Freely),
        };
        let state_text = self.declare("State", &state);
        let (outlets, mut cases) = self.declare_outlets();
        let outside = 1 + self.choices.index(4);
        for number in 0..outside {
            let payload = self.payload(2);
            cases.push((format!("In{number}"), payload, false));
        }
        let output = match self.choices.weighted(&[6, 1]) {
            0 => self.output(),
            _ => Ty::unit(),
        };
        let output_text = if output == Ty::unit() { String::new() } else { self.declare("Output", &output) };
        let (input, input_text) = self.declare_input(&cases);
        let consts = self.constants();
        let functions: Vec<String> = (0..self.choices.index(4)).map(|_| self.function()).collect();

        let config_ty = config.clone().unwrap_or_else(Ty::unit);
        let config_var = config.clone().map(|ty| Var { name: "config".into(), ty, konst: false });
        let init = self.scoped(|generator| {
            generator.vars.extend(config_var.clone());
            generator.check(&state, 3).text
        });
        let invariants: String =
            (0..u32::from(self.choices.chance(15))).map(|_| self.invariant(&state)).collect();
        self.handler = true;
        let mut handlers = String::new();
        for (label, payload, internal) in &cases {
            let opened = self.choices.open(6);
            // No handler is left with nothing to say because those before it said too much.
            self.budget = self.budget.max(25);
            handlers += &self.on(label, payload, *internal, &state, &output, &config_var);
            self.choices.close(opened);
        }
        self.handler = false;

        let mut text = format!("machine m{keyed}\n");
        if let Some(record) = config.as_ref().and_then(Ty::as_record) {
            text += &format!("config {}\n", self.fields(record));
        }
        text += &[declared, state_text, output_text, input_text, outlets, consts].concat();
        for (index, ty) in self.sayers.iter().enumerate() {
            let ty = self.written(ty);
            text += &format!("fn as_{index}(x: {ty}) -> {ty} = x\n");
        }
        text += &functions.concat();
        text += &format!("{invariants}init = {init}\n{handlers}");
        let steps = self.happenings(&state, &input);
        let config = self.value(&config_ty);
        Program { text, types: [config_ty, state, input, output], config, steps }
    }

    fn output(&mut self) -> Ty {
        let count = 1 + self.choices.index(4);
        let cases = (0..count).map(|index| Case {
            label: format!("Out{index}").into(),
            ordinal: index as u32,
            payload: self.payload(1),
        });
        let cases = cases.collect();
        sure(Kind::Variant(Variant { cases }))
    }

    fn declare_input(&mut self, cases: &[(String, Ty, bool)]) -> (Ty, String) {
        let variant = Variant {
            cases: (0..)
                .zip(cases)
                .map(|(ordinal, (label, payload, _))| Case {
                    label: label.as_str().into(),
                    ordinal,
                    payload: payload.clone(),
                })
                .collect(),
        };
        let input = sure(Kind::Variant(variant));
        let mut text = self.declare("Input", &input);
        for (label, _, internal) in cases {
            if *internal {
                text = text.replacen(label.as_str(), &format!("internal {label}"), 1);
            }
        }
        self.input = input.clone();
        (input, text)
    }

    fn constants(&mut self) -> String {
        let mut text = String::new();
        for number in 0..self.choices.index(4) {
            let ty = self.any_ty(2, Made::Public);
            let Some(value) = self.constant(&ty, 2) else { continue };
            let name = format!("k{number}");
            text += &format!("const {name}: {} = {}\n", self.written(&ty), value.to_source(&ty));
            self.vars.push(Var { name, ty, konst: true });
        }
        text
    }

    fn function(&mut self) -> String {
        let opened = self.choices.open(7);
        let name = format!("f{}", self.functions.len());
        let count = 1 + self.choices.index(3);
        let params: Vec<(String, Ty)> =
            (0..count).map(|index| (LABELS[index].to_owned(), self.pick_ty())).collect();
        let result = self.pick_ty();
        let listed: Vec<String> =
            params.iter().map(|(name, ty)| format!("{name}: {}", self.written(ty))).collect();
        let body = self.scoped(|generator| {
            for (name, ty) in &params {
                generator.vars.push(Var { name: name.clone(), ty: ty.clone(), konst: false });
            }
            generator.body(&result, "=")
        });
        let text = format!("fn {name}({}) -> {}{body}\n", listed.join(", "), self.written(&result));
        let params = params.into_iter().map(|(_, ty)| ty).collect();
        self.functions.push(Function { name, params, result });
        self.choices.close(opened);
        text
    }

    /// Makes a body: an expression after a sign, or a block.
    fn body(&mut self, result: &Ty, sign: &str) -> String {
        if self.choices.chance(30) {
            let start = self.let_statement(DEPTH - 1);
            let end = self.check(result, DEPTH);
            return format!(" {{ {start}{} }}", end.text);
        }
        format!(" {sign} {}", self.check(result, DEPTH).text)
    }

    fn invariant(&mut self, state: &Ty) -> String {
        let condition = self.scoped(|generator| {
            generator.vars.push(Var { name: "state".into(), ty: state.clone(), konst: false });
            let (one, other) = (generator.check(&Ty::bool(), 3), generator.check(&Ty::bool(), 2));
            format!("{} || {}", one.at(TIGHT), other.at(TIGHT))
        });
        format!("invariant \"it holds\" = {condition}\n")
    }

    fn on(
        &mut self,
        label: &str,
        payload: &Ty,
        internal: bool,
        state: &Ty,
        output: &Ty,
        config: &Option<Var>,
    ) -> String {
        let result = if internal { state.clone() } else { pair(state, output) };
        self.scoped(|generator| {
            generator.vars.push(Var { name: "state".into(), ty: state.clone(), konst: false });
            generator.vars.extend(config.clone());
            let pattern = match payload.kind() {
                Kind::Unit => label.to_owned(),
                _ => {
                    let (text, vars) = generator.whole_pattern(payload).into_parts();
                    generator.vars.extend(vars);
                    match payload.kind() {
                        Kind::Record(_) if text.starts_with('{') => format!("{label} {text}"),
                        _ => format!("{label}({text})"),
                    }
                }
            };
            let body = if generator.choices.chance(70) {
                let effects = generator.effects(2);
                format!(" {{ {effects}{} }}", generator.step_result(&result).text)
            } else {
                format!(" => {}", generator.step_result(&result).text)
            };
            format!("on {pattern}{body}\n")
        })
    }

    /// What a step leaves; most of the time a pair that is made here.
    fn step_result(&mut self, result: &Ty) -> Ex {
        match result.kind() {
            Kind::Tuple(parts) if parts.len() == 2 && !self.choices.chance(30) => {
                let (state, output) = (self.check(&parts[0], DEPTH), self.check_or_fail(&parts[1], DEPTH));
                Ex::new(format!("({}, {})", state.text, output.text), TIGHT, result)
            }
            _ => self.check(result, DEPTH),
        }
    }

    fn happenings(&mut self, state: &Ty, input: &Ty) -> Vec<Happening> {
        let count = 1 + self.choices.index(10);
        let mut found = vec![];
        for seq in 1..=count as i64 {
            let opened = self.choices.open(8);
            let jump = self.choices.chance(if seq == 1 { 40 } else { 12 }).then(|| self.value(state));
            let ctx = Ctx {
                now_ms: seq * 1_000,
                seq,
                self_key: self.a_text(None).into(),
                seed: self.choices.int(),
            };
            let limits = Limits {
                fuel: u64::from(self.choices.below(400)),
                memory: u64::from(self.choices.below(6_000)),
            };
            let limits = match self.choices.index(3) {
                0 => Limits { memory: Limits::STEP.memory, ..limits },
                1 => Limits { fuel: Limits::STEP.fuel, ..limits },
                _ => limits,
            };
            found.push(Happening { jump, input: self.value(input), ctx, limits });
            self.choices.close(opened);
        }
        found
    }

    fn scoped<T>(&mut self, inside: impl FnOnce(&mut Generator) -> T) -> T {
        let depth = self.vars.len();
        let result = inside(self);
        self.vars.truncate(depth);
        result
    }

    /// Returns what separates statements or arms, on one line or not.
    fn separator(&mut self, sign: &str) -> String {
        if self.one_line > 0 { format!("{sign} ") } else { format!("{sign}\n") }
    }

    /// Makes a `let` that always matches, and brings its names into scope.
    fn let_statement(&mut self, depth: u32) -> String {
        let opened = self.choices.open(9);
        let value = match depth > 0 && self.choices.chance(35) {
            false => {
                let ty = self.pick_ty();
                self.infer(&ty, depth)
            }
            true => self.any_standard_call(depth - 1),
        };
        let (pattern, vars) = match self.choices.chance(30) {
            false => {
                let name = (*self.choices.pick(&LABELS)).to_owned();
                (name.clone(), vec![Var { name, ty: value.ty.clone(), konst: false }])
            }
            true => self.whole_pattern(&value.ty).into_parts(),
        };
        self.vars.extend(vars);
        self.choices.close(opened);
        format!("let {pattern} = {}{}", value.text, self.separator(";"))
    }

    /// Makes a `let` with an `else` that has the value of the whole block.
    fn let_else(&mut self, ty: &Ty, depth: u32) -> String {
        let over = self.pick_ty();
        let value = self.infer(&over, depth);
        let Some(pattern) = self.some_pattern(&over) else { return self.let_statement(depth) };
        let otherwise = self.check_or_fail(ty, depth);
        let (text, vars) = pattern.into_parts();
        self.vars.extend(vars);
        // After `else`, a brace begins a block.
        let otherwise =
            if otherwise.text.starts_with('{') { format!("({})", otherwise.text) } else { otherwise.text };
        format!("let {text} = {} else {otherwise}{}", value.text, self.separator(";"))
    }

    /// Makes a lambda with these parameters.
    fn lambda(&mut self, params: &[Ty], body: impl FnOnce(&mut Generator) -> Ex) -> String {
        self.scoped(|generator| {
            let mut texts: Vec<String> = vec![];
            let apart = generator.choices.chance(25);
            generator.bound.clear();
            for ty in params {
                let (text, vars) = match apart {
                    true => generator.whole_pattern(ty).into_parts(),
                    false => {
                        generator.fresh += 1;
                        let name = format!("p{}", generator.fresh);
                        (name.clone(), vec![Var { name, ty: ty.clone(), konst: false }])
                    }
                };
                texts.push(text);
                generator.vars.extend(vars);
            }
            let body = body(generator);
            match texts.as_slice() {
                [one] if !apart => format!("{one} -> {}", body.text),
                _ => format!("({}) -> {}", texts.join(", "), body.text),
            }
        })
    }
}
