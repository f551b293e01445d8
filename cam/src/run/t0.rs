//! The interpreter itself: blocks, and the instructions that run blocks.
//!
//! `v`, `K` and `E` of the instruction table are the fields of a [`Frame`]. A block leaves `K`
//! and `E` as deep as it found them; bodies of `FOLD`, `MAP`, `FILTER`, `FIND` and `LOOP` start
//! with `()` in `v`, as those of `IF` and of functions do.

use super::memo::Memo;
use super::meter::{ENTRY, ITEM, Meter};
use super::ops::bool;
use super::{Ctx, Effect, Limits, NESTING_MAX, Trap};
use crate::code::{Block, Entry, FuncIx, Machine, Module, Op};
use crate::value::Value;

/// One run from outside: a call of an entry point and all that it calls.
pub(super) struct Run<'r> {
    pub(super) module: &'r Module,
    pub(super) ctx: Option<&'r Ctx>,
    pub(super) meter: Meter,
    pub(super) effects: &'r mut Vec<Effect>,
    /// What is remembered of large maps; only code that neither emits nor reads the context is run with one.
    pub(super) memo: Option<&'r mut Memo>,
    nesting: u32,
}

/// The registers of one call of a function.
#[derive(Debug)]
pub(super) struct Frame {
    /// The value register, `v`.
    pub(super) value: Value,
    /// The operand stack, `K`; its top is the last.
    pub(super) stack: Vec<Value>,
    /// The environment, `E`.
    pub(super) environment: Vec<Value>,
}

impl Default for Frame {
    fn default() -> Frame {
        Frame { value: Value::Unit, stack: vec![], environment: vec![] }
    }
}

impl Frame {
    pub(super) fn pop(&mut self) -> Value {
        self.stack.pop().expect("the verifier counts the operand stack")
    }

    pub(super) fn pop_int(&mut self) -> i64 {
        super::ops::int(&self.pop())
    }

    /// Takes `count` operands in the order they were pushed; the last one is `last`.
    pub(super) fn pop_args(&mut self, count: usize, last: Value) -> Vec<Value> {
        if count == 0 {
            return vec![];
        }
        let mut args = self.stack.split_off(self.stack.len() + 1 - count);
        args.push(last);
        args
    }
}

impl<'r> Run<'r> {
    pub(super) fn new(
        module: &'r Module,
        ctx: Option<&'r Ctx>,
        limits: Limits,
        effects: &'r mut Vec<Effect>,
    ) -> Run<'r> {
        Run { module, ctx, meter: Meter::new(limits), effects, memo: None, nesting: 0 }
    }

    pub(super) fn machine(&self) -> &'r Machine {
        match &self.module.entry {
            Entry::Machine(machine) => machine,
            _ => unreachable!("the verifier lets step functions of machines alone emit"),
        }
    }

    /// Calls a function.
    pub(super) fn function(&mut self, function: FuncIx, args: Vec<Value>) -> Result<Value, Trap> {
        let mut frame = Frame { value: Value::Unit, stack: vec![], environment: args };
        self.block(&mut frame, &self.module.function(function).body)?;
        Ok(frame.value)
    }

    /// Runs a block: pays for all of its instructions, then does them one after another.
    fn block(&mut self, frame: &mut Frame, Block(ops): &Block) -> Result<(), Trap> {
        self.meter.work(ops.iter().map(Op::fuel).sum())?;
        self.nesting += 1;
        if self.nesting > NESTING_MAX {
            return Err(Trap::Memory);
        }
        let depth = (frame.stack.len(), frame.environment.len());
        for op in ops {
            match op {
                Op::Case { .. }
                | Op::If { .. }
                | Op::Fold { .. }
                | Op::Map { .. }
                | Op::Filter { .. }
                | Op::Find { .. }
                | Op::Loop { .. }
                | Op::Call { .. } => self.nested(frame, op)?,
                _ => self.plain(frame, op)?,
            }
        }
        self.nesting -= 1;
        debug_assert_eq!(
            depth,
            (frame.stack.len(), frame.environment.len()),
            "a block leaves operand stack and environment as deep as it found them"
        );
        Ok(())
    }

    /// Runs a body that sees these bindings after the others, and returns what it leaves.
    pub(super) fn body<const N: usize>(
        &mut self,
        frame: &mut Frame,
        bindings: [Value; N],
        body: &Block,
    ) -> Result<Value, Trap> {
        self.meter.work(1)?;
        self.inner(frame, bindings, body)
    }

    /// The same, without the one unit of fuel for the round.
    fn inner<const N: usize>(
        &mut self,
        frame: &mut Frame,
        bindings: [Value; N],
        body: &Block,
    ) -> Result<Value, Trap> {
        let depth = frame.environment.len();
        frame.environment.extend(bindings);
        frame.value = Value::Unit;
        self.block(frame, body)?;
        frame.environment.truncate(depth);
        Ok(std::mem::replace(&mut frame.value, Value::Unit))
    }

    /// Does one instruction that runs blocks.
    fn nested(&mut self, frame: &mut Frame, op: &Op) -> Result<(), Trap> {
        let v = std::mem::replace(&mut frame.value, Value::Unit);
        match op {
            Op::Case { blocks } => {
                let Value::Sum(case, payload) = v else { unreachable!("CASE takes a variant or option") };
                frame.value = payload.into_value();
                self.block(frame, &blocks[case as usize])?;
            }
            Op::If { yes, no } => self.block(frame, if bool(&v) { yes } else { no })?,
            Op::Fold { body } => frame.value = self.fold(frame, v, body)?,
            Op::Map { ty: _, body } => frame.value = self.map(frame, v, body)?,
            Op::Filter { body } => frame.value = self.filter(frame, v, body)?,
            Op::Find { body } => frame.value = self.find(frame, &v, body)?,
            Op::Loop { test, body } => frame.value = self.repeat(frame, super::ops::int(&v), test, body)?,
            Op::Call { function } => {
                let count = self.module.function(*function).params.len();
                let args = frame.pop_args(count, v);
                frame.value = self.function(*function, args)?;
            }
            _ => unreachable!("`block` sends only instructions with blocks here"),
        }
        Ok(())
    }

    fn fold(&mut self, frame: &mut Frame, start: Value, body: &Block) -> Result<Value, Trap> {
        let mut folded = start;
        match frame.pop() {
            Value::List(items) => {
                for item in &items {
                    folded = self.body(frame, [folded, item.clone()], body)?;
                }
            }
            Value::Map(map) if self.remembers(&map) => {
                return self.fold_remembering(frame, (&map, folded), body);
            }
            Value::Map(map) => {
                for (key, value) in &map {
                    folded = self.body(frame, [folded, key.into_owned(), value.clone()], body)?;
                }
            }
            _ => unreachable!("FOLD goes over a list or map"),
        }
        Ok(folded)
    }

    fn map(&mut self, frame: &mut Frame, over: Value, body: &Block) -> Result<Value, Trap> {
        match over {
            Value::List(items) => {
                let mut mapped = rpds::VectorSync::new_sync();
                for item in &items {
                    self.meter.build(ITEM)?;
                    mapped.push_back_mut(self.body(frame, [item.clone()], body)?);
                }
                Ok(Value::List(mapped))
            }
            Value::Map(map) if self.remembers(&map) => {
                Ok(Value::Map(self.map_remembering(frame, &map, body)?))
            }
            Value::Map(map) => {
                let mapped = map.try_map_values(|key, value| {
                    self.meter.build(ENTRY)?;
                    self.body(frame, [key, value], body)
                });
                Ok(Value::Map(mapped?))
            }
            _ => unreachable!("MAP goes over a list or map"),
        }
    }

    fn filter(&mut self, frame: &mut Frame, over: Value, body: &Block) -> Result<Value, Trap> {
        match over {
            Value::List(items) => {
                let mut kept = rpds::VectorSync::new_sync();
                for item in &items {
                    if bool(&self.body(frame, [item.clone()], body)?) {
                        self.meter.build(ITEM)?;
                        kept.push_back_mut(item.clone());
                    }
                }
                Ok(Value::List(kept))
            }
            Value::Map(map) => {
                let mut kept = vec![];
                for (key, value) in &map {
                    let key = key.into_owned();
                    if bool(&self.body(frame, [key.clone(), value.clone()], body)?) {
                        self.meter.build(ENTRY)?;
                        kept.push((key, value.clone()));
                    }
                }
                Ok(Value::map(kept))
            }
            _ => unreachable!("FILTER goes over a list or map"),
        }
    }

    fn find(&mut self, frame: &mut Frame, over: &Value, body: &Block) -> Result<Value, Trap> {
        let Value::List(items) = over else { unreachable!("FIND goes over a list") };
        self.meter.sum()?;
        for item in items {
            if bool(&self.body(frame, [item.clone()], body)?) {
                return Ok(Value::some(item.clone()));
            }
        }
        Ok(Value::none())
    }

    fn repeat(&mut self, frame: &mut Frame, times: i64, test: &Block, body: &Block) -> Result<Value, Trap> {
        let mut value = frame.pop();
        for _ in 0..times {
            if !bool(&self.body(frame, [value.clone()], test)?) {
                break;
            }
            value = self.inner(frame, [value], body)?;
        }
        Ok(value)
    }
}
