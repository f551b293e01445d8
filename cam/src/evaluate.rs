//! The source-level evaluator: runs the typed tree as it stands.
//!
//! It shares no code with the compiler to bytecode nor with the machine that runs it, and knows
//! neither environment levels nor stacks nor fuel: what it says a program does is what the text
//! says. Tests hold bytecode against it.

pub mod arrows;
mod operations;
#[cfg(test)]
pub(crate) mod seen;

use std::collections::BTreeMap;

use crate::check::machine::CheckedMachine;
use crate::code::EffectKind;
use crate::derive::{Edits, keys_stay, nests, nests_secretly};
use crate::hir::{Decision, Each, Expr, ExprKind, Function, FunctionId, Local, Match, Step, Update};
use crate::run::{Ctx, Effect, Trap};
use crate::ty::{Kind, Ty};
use crate::value::Value;
use operations::{binary, slice, unary};

/// What a step did, as the text says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The next state.
    pub state: Value,
    /// The answer; `None` for an internal input.
    pub output: Option<Value>,
    /// What the step asks of the world, in order.
    pub effects: Vec<Effect>,
}

/// Returns the first state.
///
/// # Errors
///
/// When the program traps, or an invariant does not hold.
pub fn init(machine: &CheckedMachine, config: &Value) -> Result<Value, Trap> {
    let state = Evaluation::new(machine, None).function(&machine.init, vec![config.clone()])?;
    invariants(machine, &state, |_| true)?;
    Ok(state)
}

/// Does one step. Which invariants are `checked` after a step depends on what they cost, which only
/// code knows.
///
/// # Errors
///
/// When the program traps, or an invariant that is checked does not hold of the new state.
///
/// # Panics
///
/// When the input is not of the machine's type.
pub fn step(
    machine: &CheckedMachine,
    input: &Value,
    state: &Value,
    ctx: &Ctx,
    config: &Value,
    checked: impl Fn(usize) -> bool,
) -> Result<Done, Trap> {
    let Value::Sum(case, payload) = input else { panic!("an input is a variant") };
    let case = *case as usize;
    let mut evaluation = Evaluation::new(machine, Some(ctx));
    let args = vec![(**payload).clone(), state.clone(), config.clone()];
    let result = evaluation.function(&machine.handlers[case], args)?;
    let (state, output) = match (machine.internal[case], result) {
        (true, state) => (state, None),
        (false, Value::Product(pair)) => (pair[0].clone(), Some(pair[1].clone())),
        _ => unreachable!("an outside handler returns state and output"),
    };
    invariants(machine, &state, checked)?;
    Ok(Done { state, output, effects: evaluation.effects })
}

fn invariants(machine: &CheckedMachine, state: &Value, checked: impl Fn(usize) -> bool) -> Result<(), Trap> {
    for (_, (name, function)) in machine.invariants.iter().enumerate().filter(|(index, _)| checked(*index)) {
        if Evaluation::new(machine, None).function(function, vec![state.clone()])? != Value::Bool(true) {
            return Err(Trap::Invariant(name.clone()));
        }
    }
    Ok(())
}

struct Evaluation<'m> {
    functions: &'m [(FunctionId, Function)],
    ctx: Option<&'m Ctx>,
    names: BTreeMap<Local, Value>,
    effects: Vec<Effect>,
}

impl<'m> Evaluation<'m> {
    fn new(machine: &'m CheckedMachine, ctx: Option<&'m Ctx>) -> Evaluation<'m> {
        Evaluation { functions: &machine.functions, ctx, names: BTreeMap::new(), effects: Vec::new() }
    }

    fn function(&mut self, function: &Function, args: Vec<Value>) -> Result<Value, Trap> {
        for ((local, _), arg) in function.params.iter().zip(args) {
            self.names.insert(*local, arg);
        }
        self.expr(&function.body)
    }

    fn all<'e>(&mut self, exprs: impl IntoIterator<Item = &'e Expr>) -> Result<Vec<Value>, Trap> {
        exprs.into_iter().map(|expr| self.expr(expr)).collect()
    }

    fn expr(&mut self, expr: &Expr) -> Result<Value, Trap> {
        #[cfg(test)]
        seen::see(expr);
        Ok(match &expr.kind {
            ExprKind::Const(value) => value.clone(),
            ExprKind::Local(local) => self.names[local].clone(),
            ExprKind::Ctx(field) => {
                let ctx = self.ctx.expect("`ctx` stands in handlers only");
                match field {
                    0 => Value::Int(ctx.now_ms),
                    1 => Value::Int(ctx.seq),
                    2 => Value::Text(ctx.self_key.clone()),
                    _ => Value::Int(ctx.seed),
                }
            }
            ExprKind::Product(members) => Value::product(self.all(members)?),
            ExprKind::Field(base, index) => members(&self.expr(base)?)[*index as usize].clone(),
            ExprKind::Update(base, updates) => {
                let mut record = self.expr(base)?;
                for update in updates {
                    record = self.update(&record, update, &update.path)?;
                }
                record
            }
            ExprKind::Inject(case, payload) => Value::sum(*case as usize, self.expr(payload)?),
            ExprKind::If(condition, yes, no) => {
                if self.expr(condition)? == Value::Bool(true) {
                    self.expr(yes)?
                } else {
                    self.expr(no)?
                }
            }
            ExprKind::Let(local, bound, body) => {
                let bound = self.expr(bound)?;
                self.names.insert(*local, bound);
                self.expr(body)?
            }
            ExprKind::Match(chosen) => self.choice(chosen)?,
            ExprKind::Unary(op, operand) => {
                let value = self.expr(operand)?;
                unary(*op, &value, &operand.ty, &expr.ty)?
            }
            ExprKind::Binary(op, left, right) => {
                let (left, right) = (self.expr(left)?, self.expr(right)?);
                binary(*op, left, right)?
            }
            ExprKind::Put(map, key, value) => {
                let (map, key, value) = (self.expr(map)?, self.expr(key)?, self.expr(value)?);
                match &map {
                    Value::List(items) => Value::list(items.iter().enumerate().map(|(index, item)| {
                        if key == Value::Int(index as i64) { value.clone() } else { item.clone() }
                    })),
                    map => Value::map(entries(map).into_iter().chain([(key, value)])),
                }
            }
            ExprKind::Slice(whole, from, to) => {
                let (whole, from, to) = (self.expr(whole)?, self.expr(from)?, self.expr(to)?);
                slice(&whole, int(&from), int(&to))
            }
            ExprKind::List(items) => match expr.ty.kind() {
                Kind::Map { .. } => Value::map([]),
                _ => Value::list(self.all(items)?),
            },
            ExprKind::MapOf(pairs) => {
                let mut found = Vec::new();
                for (key, value) in pairs {
                    found.push((self.expr(key)?, self.expr(value)?));
                }
                Value::map(found)
            }
            ExprKind::Fold { over, start, so_far, item, body } => {
                let (over, mut folded) = (self.expr(over)?, self.expr(start)?);
                for parts in each(&over) {
                    self.names.insert(*so_far, folded);
                    self.name(item, parts);
                    folded = self.expr(body)?;
                }
                folded
            }
            ExprKind::Loop { start, times, so_far, test, body } => {
                let (mut value, times) = (self.expr(start)?, int(&self.expr(times)?));
                let mut rounds = 0;
                while rounds < times {
                    // A loop beyond any step's fuel ends in the same trap there.
                    if rounds > 1_000_000 {
                        return Err(Trap::Fuel);
                    }
                    self.names.insert(*so_far, value.clone());
                    if self.expr(test)? != Value::Bool(true) {
                        break;
                    }
                    self.names.insert(*so_far, value);
                    value = self.expr(body)?;
                    rounds += 1;
                }
                value
            }
            ExprKind::Each { each: which, over, item, body } => self.each(*which, over, item, body)?,
            ExprKind::Call(id, args) => {
                let args = self.all(args)?;
                let found = self.functions.iter().find(|(other, _)| other == id);
                let (_, function) = found.expect("the checker resolves calls to functions of the file");
                self.function(function, args)?
            }
            ExprKind::Emit(effect, payload) => {
                let payload = self.expr(payload)?;
                self.emit(*effect, &payload);
                Value::Unit
            }
            ExprKind::Block(steps, end) => {
                for step in steps {
                    match step {
                        Step::Let(local, value) => {
                            let value = self.expr(value)?;
                            self.names.insert(*local, value);
                        }
                        Step::Do(effect) => {
                            self.expr(effect)?;
                        }
                    }
                }
                self.expr(end)?
            }
            ExprKind::Fail(why) => match self.expr(why)? {
                Value::Text(why) => return Err(Trap::Fail(why)),
                _ => unreachable!("`fail` takes a Text"),
            },
            ExprKind::Convert(from, edits) => {
                let value = self.expr(from)?;
                convert(&value, &from.ty, &expr.ty, edits)?
            }
        })
    }

    fn name(&mut self, locals: &[Local], values: Vec<Value>) {
        self.names.extend(locals.iter().copied().zip(values));
    }

    fn each(&mut self, which: Each, over: &Expr, item: &[Local], body: &Expr) -> Result<Value, Trap> {
        let over = self.expr(over)?;
        let is_map = matches!(over, Value::Map(_));
        let mut found = Vec::new();
        for parts in each(&over) {
            self.name(item, parts.clone());
            let result = self.expr(body)?;
            let last = parts.last().cloned().unwrap_or(Value::Unit);
            match which {
                Each::Map => found.push((parts[0].clone(), result)),
                Each::Filter | Each::Find if result == Value::Bool(true) => {
                    if which == Each::Find {
                        return Ok(Value::some(last));
                    }
                    found.push((parts[0].clone(), last));
                }
                _ => {}
            }
        }
        Ok(match (which, is_map) {
            (Each::Find, _) => Value::none(),
            (_, true) => Value::map(found),
            (_, false) => Value::list(found.into_iter().map(|(_, value)| value)),
        })
    }

    fn update(&mut self, record: &Value, update: &Update, path: &[u32]) -> Result<Value, Trap> {
        let (first, rest) = path.split_first().expect("a path has a member");
        let mut changed = members(record).to_vec();
        let member = &mut changed[*first as usize];
        *member = match (rest.is_empty(), &update.key) {
            (false, _) => self.update(member, update, rest)?,
            (true, None) => self.expr(&update.value)?,
            (true, Some(key)) => {
                let (key, value) = (self.expr(key)?, self.expr(&update.value)?);
                Value::map(entries(member).into_iter().chain([(key, value)]))
            }
        };
        Ok(Value::product(changed))
    }

    fn choice(&mut self, chosen: &Match) -> Result<Value, Trap> {
        let value = self.expr(&chosen.scrutinee)?;
        self.names.insert(chosen.root, value);
        let mut tree = &chosen.tree;
        loop {
            tree = match tree {
                Decision::Arm(arm, names) => {
                    self.alias(names);
                    return self.expr(&chosen.arms[*arm].1);
                }
                Decision::Guarded(arm, names, otherwise) => {
                    self.alias(names);
                    let guard = chosen.arms[*arm].0.as_ref().expect("a guarded leaf has a guard");
                    if self.expr(guard)? == Value::Bool(true) {
                        return self.expr(&chosen.arms[*arm].1);
                    }
                    otherwise
                }
                Decision::Members(subject, named, rest) => {
                    for (index, local) in named {
                        let member = members(&self.names[subject])[*index as usize].clone();
                        self.names.insert(*local, member);
                    }
                    rest
                }
                Decision::Case(subject, branches) => {
                    let Value::Sum(case, payload) = self.names[subject].clone() else {
                        unreachable!("a choice by case is made of a variant")
                    };
                    let (local, branch) = &branches[case as usize];
                    self.names.insert(*local, (*payload).clone());
                    branch
                }
                Decision::Bool(subject, yes, no) => {
                    if self.names[subject] == Value::Bool(true) {
                        yes
                    } else {
                        no
                    }
                }
                Decision::Equal(subject, _, value, yes, no) => {
                    if self.names[subject] == *value {
                        yes
                    } else {
                        no
                    }
                }
                Decision::Within(subject, lo, hi, yes, no) => {
                    if (lo..=hi).contains(&&int(&self.names[subject])) { yes } else { no }
                }
            };
        }
    }

    fn alias(&mut self, names: &[(Local, Local)]) {
        for (name, part) in names {
            let value = self.names[part].clone();
            self.names.insert(*name, value);
        }
    }

    fn emit(&mut self, effect: EffectKind, payload: &Value) {
        let text = |value: &Value| match value {
            Value::Text(text) => text.clone(),
            _ => unreachable!("names and keys are Texts"),
        };
        self.effects.push(match (effect, payload) {
            (EffectKind::Stop, _) => Effect::Stop,
            (EffectKind::Log, line) => Effect::Log(text(line)),
            (EffectKind::Cancel, name) => Effect::Cancel(text(name)),
            (EffectKind::Timer, timer) => {
                let [name, after, input] = members(timer) else { unreachable!("a timer has three parts") };
                Effect::Timer { name: text(name), after_ms: int(after), input: input.clone() }
            }
            // Whether there is a key is seen in the type: a message is a variant.
            (EffectKind::Send(channel), Value::Product(pair)) => {
                Effect::Send { channel, key: Some(text(&pair[0])), message: pair[1].clone() }
            }
            (EffectKind::Send(channel), message) => {
                Effect::Send { channel, key: None, message: message.clone() }
            }
            (EffectKind::Call(port), Value::Product(pair)) => {
                Effect::Call { port, key: Some(text(&pair[0])), message: pair[1].clone() }
            }
            (EffectKind::Call(port), message) => Effect::Call { port, key: None, message: message.clone() },
        });
    }
}

fn members(value: &Value) -> &[Value] {
    match value {
        Value::Product(members) => members,
        _ => unreachable!("only tuples and records have members"),
    }
}

fn int(value: &Value) -> i64 {
    match value {
        Value::Int(int) => *int,
        _ => unreachable!("a number was checked"),
    }
}

fn entries(map: &Value) -> Vec<(Value, Value)> {
    match map {
        Value::Map(map) => map.iter().map(|(key, value)| (key.into_owned(), value.clone())).collect(),
        _ => unreachable!("a Map was checked"),
    }
}

/// Returns what a body sees, for each item or entry.
fn each(over: &Value) -> Vec<Vec<Value>> {
    match over {
        Value::List(items) => items.iter().map(|item| vec![item.clone()]).collect(),
        map => entries(map).into_iter().map(|(key, value)| vec![key, value]).collect(),
    }
}

/// Converts a value along the judgement `A ~> B`, by label.
pub fn convert(value: &Value, from: &Ty, to: &Ty, edits: &Edits) -> Result<Value, Trap> {
    if from == to {
        return Ok(value.clone());
    }
    let nowhere = || Err(Trap::Fail("no counterpart".into()));
    match (from.kind(), to.kind(), value) {
        (_, Kind::Secret(to), value) => convert(value, from.unsealed(), to, edits),
        (from, Kind::Unit, _) if !matches!(from, Kind::Secret(_)) => Ok(Value::Unit),
        (Kind::Option(item), Kind::Option(to), _) if nests(item) != nests(to) => nowhere(),
        (Kind::Option(item), Kind::Option(to), Value::Sum(Value::SOME_INDEX, inner)) => {
            Ok(Value::some(convert(inner, item, to, edits)?))
        }
        (Kind::Option(_), Kind::Option(_), none) => Ok(none.clone()),
        (Kind::Secret(_), Kind::Option(_), _) if nests_secretly(from) => nowhere(),
        (_, Kind::Option(to), value) => Ok(Value::some(convert(value, from, to, edits)?)),
        (Kind::Option(item), _, Value::Sum(Value::SOME_INDEX, inner)) => convert(inner, item, to, edits),
        (Kind::Option(_), ..) => nowhere(),
        (Kind::List { item, .. }, Kind::List { item: to_item, .. }, list) => {
            let items: Result<Vec<Value>, Trap> =
                each(list).iter().flatten().map(|value| convert(value, item, to_item, edits)).collect();
            fit(Value::list(items?), to)
        }
        (Kind::Map { key, value }, Kind::Map { key: to_key, value: to_value }, map)
            if keys_stay(key, to_key) =>
        {
            let mut found = Vec::new();
            for (known, inner) in entries(map) {
                let known = convert(&known, key, to_key, edits)?;
                found.push((known, convert(&inner, value, to_value, edits)?));
            }
            Ok(Value::map(found))
        }
        (Kind::Tuple(items), Kind::Tuple(to_items), tuple) if items.len() == to_items.len() => {
            let mut found = Vec::new();
            for ((inner, item), to) in members(tuple).iter().zip(items).zip(to_items) {
                found.push(convert(inner, item, to, edits)?);
            }
            Ok(Value::product(found))
        }
        (Kind::Record(record), Kind::Record(to_record), value) => {
            let mut found = Vec::new();
            for field in &to_record.fields {
                let added = edits.added(to, &field.label).or(field.default.as_ref()).cloned();
                found.push(
                    match (
                        record.index(edits.before(from, to, &field.label)),
                        added,
                        field.ty.unsealed().kind(),
                    ) {
                        (Some(index), ..) => {
                            convert(&members(value)[index], &record.fields[index].ty, &field.ty, edits)?
                        }
                        (None, Some(value), _) => value,
                        (None, None, Kind::Option(_)) => Value::none(),
                        _ => return nowhere(),
                    },
                );
            }
            Ok(Value::product(found))
        }
        (Kind::Variant(variant), Kind::Variant(to_variant), Value::Sum(case, payload)) => {
            let case = &variant.cases[*case as usize];
            match to_variant.index(edits.after(from, to, &case.label)) {
                Some(index) => {
                    let payload = convert(payload, &case.payload, &to_variant.cases[index].payload, edits)?;
                    Ok(Value::sum(index, payload))
                }
                None => nowhere(),
            }
        }
        (Kind::Int { .. }, Kind::Int { .. }, value)
        | (Kind::Text { .. }, Kind::Text { .. }, value)
        | (Kind::Bytes { .. }, Kind::Bytes { .. }, value) => fit(value.clone(), to),
        (Kind::Text { .. }, Kind::Bytes { .. }, Value::Text(text)) => {
            fit(Value::Bytes(text.as_bytes().into()), to)
        }
        (Kind::Bytes { .. }, Kind::Text { .. }, Value::Bytes(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => fit(Value::text(text), to),
            Err(_) => nowhere(),
        },
        _ => nowhere(),
    }
}

fn fit(value: Value, to: &Ty) -> Result<Value, Trap> {
    if value.has_type(to) { Ok(value) } else { Err(Trap::Range) }
}

#[cfg(test)]
mod tests;
