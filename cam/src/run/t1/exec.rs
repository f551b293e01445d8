//! Running lowered code.

use super::code::{Arg, Base, Code, Commit, Dest, Ins, LoopKind, PlaceIx, W, walk};
use crate::code::Module;
use crate::run::Trap;
use crate::run::meter::{ENTRY, ITEM, MAP_LEVEL, digits};
use crate::run::ops;
use crate::run::t0::{Frame, Run};
use crate::value::{Payload, Value};

/// The registers of a run, and what else values are made of.
pub(super) struct File<'c, 'r, 'p> {
    pub(super) code: &'c Code,
    pub(super) words: &'r mut [i64],
    pub(super) refs: &'r mut [Value],
    pub(super) params: &'p [&'p Value],
    pub(super) module: &'c Module,
}

/// A run.
pub(super) struct Exec<'c, 'r, 'p> {
    pub(super) file: File<'c, 'r, 'p>,
    /// What T0's instructions need: the limits, the context, the effects.
    pub(super) run: Run<'r>,
    pub(super) frame: &'r mut Frame,
    /// Where output and fuel of a step go.
    pub(super) output: (&'r mut Option<Value>, &'r mut u64),
}

/// How code ends.
pub(super) enum Exit<'c> {
    /// A step, which is to be committed.
    Commit(&'c Commit),
    /// A function, with its result.
    Value(&'c Arg),
    /// The body of a loop.
    End,
    /// The body of a loop, which is to be repeated no more.
    Stop,
}

impl<'c> Exec<'c, '_, '_> {
    /// Runs from an instruction to an end.
    pub(super) fn exec(&mut self, mut pc: usize) -> Result<Exit<'c>, Trap> {
        let code = self.file.code;
        loop {
            let ins = code.ins[pc];
            pc += 1;
            match ins {
                Ins::Fuel { fuel } => self.run.meter.work(u64::from(fuel))?,
                Ins::Memory { bytes } => self.run.meter.build(u64::from(bytes))?,
                Ins::Load { to, from } => {
                    let value = match self.file.at(from) {
                        Value::Int(int) => *int,
                        Value::Bool(bool) => i64::from(*bool),
                        _ => unreachable!("a word is an Int, Bool or Duration"),
                    };
                    self.file.set(to, value);
                }
                Ins::Field { to, param, member } => {
                    let Value::Product(members) = self.file.params[param as usize] else {
                        unreachable!("a field is one of a product")
                    };
                    let value = match &members[member as usize] {
                        Value::Int(int) => *int,
                        Value::Bool(bool) => i64::from(*bool),
                        _ => unreachable!("a word is an Int, Bool or Duration"),
                    };
                    self.file.set(to, value);
                }
                Ins::Tag { to, from } => {
                    let Value::Sum(case, _) = self.file.at(from) else {
                        unreachable!("a case is one of a variant")
                    };
                    self.file.set(to, i64::from(*case));
                }
                Ins::Copy { to, from } => self.file.set(to, self.file.word(from)),
                Ins::Add { to, a, b } => {
                    let sum = self.file.word(a).checked_add(self.file.word(b)).ok_or(Trap::Overflow)?;
                    self.file.set(to, sum);
                }
                Ins::Sub { to, a, b } => {
                    let difference =
                        self.file.word(a).checked_sub(self.file.word(b)).ok_or(Trap::Overflow)?;
                    self.file.set(to, difference);
                }
                Ins::Mul { to, a, b } => {
                    let product = self.file.word(a).checked_mul(self.file.word(b)).ok_or(Trap::Overflow)?;
                    self.file.set(to, product);
                }
                Ins::Div { to, a, b } => {
                    let quotient = ops::quotient(self.file.word(a), self.file.word(b))?;
                    self.file.set(to, quotient);
                }
                Ins::Mod { to, a, b } => {
                    let remainder = ops::remainder(self.file.word(a), self.file.word(b))?;
                    self.file.set(to, remainder);
                }
                Ins::Neg { to, a } => {
                    let negated = self.file.word(a).checked_neg().ok_or(Trap::Overflow)?;
                    self.file.set(to, negated);
                }
                Ins::Lt { to, a, b } => self.file.set(to, i64::from(self.file.word(a) < self.file.word(b))),
                Ins::Le { to, a, b } => self.file.set(to, i64::from(self.file.word(a) <= self.file.word(b))),
                Ins::Eq { to, a, b } => self.file.set(to, i64::from(self.file.word(a) == self.file.word(b))),
                Ins::Not { to, a } => self.file.set(to, self.file.word(a) ^ 1),
                Ins::Fit { word, bounds } => {
                    let (lo, hi) = code.bounds[bounds as usize];
                    if !(lo..=hi).contains(&self.file.word(word)) {
                        return Err(Trap::Range);
                    }
                }
                Ins::Jump { to } => pc = to as usize,
                Ins::Unless { word, to } if self.file.word(word) == 0 => pc = to as usize,
                Ins::UnlessLt { a, b, to } if self.file.word(a) >= self.file.word(b) => pc = to as usize,
                Ins::UnlessLe { a, b, to } if self.file.word(a) > self.file.word(b) => pc = to as usize,
                Ins::UnlessEq { a, b, to } if self.file.word(a) != self.file.word(b) => pc = to as usize,
                Ins::Unless { .. } | Ins::UnlessLt { .. } | Ins::UnlessLe { .. } | Ins::UnlessEq { .. } => {}
                Ins::Switch { tag, table } => {
                    pc = code.tables[table as usize][self.file.word(tag) as usize] as usize;
                }
                Ins::Make { to, arg } => {
                    let value = self.file.value(&code.args[arg as usize]);
                    self.file.refs[to as usize] = value;
                }
                Ins::GetInt { map, key, tag, to } => self.get_int(map, key, tag, to)?,
                Ins::Get { map, key, tag, to } => self.get(map, &code.args[key as usize], tag, to)?,
                Ins::Index { list, index, tag, to } => self.index(list, index, tag, to),
                Ins::Size { to, map } => self.file.set(to, self.file.map(map).size() as i64),
                Ins::Grow { size, map, key } => {
                    let key = self.file.value(&code.args[key as usize]);
                    let absent = !self.file.map(map).contains_key(&key);
                    self.file.set(size, self.file.word(size) + i64::from(absent));
                }
                Ins::Shrink { size, map, key } => {
                    let key = self.file.value(&code.args[key as usize]);
                    let present = self.file.map(map).contains_key(&key);
                    self.file.set(size, self.file.word(size) - i64::from(present));
                }
                Ins::PayPut { size, key } => {
                    let size = self.file.word(size) as usize;
                    self.pay_lookup(size, &code.args[key as usize])?;
                    self.run.meter.build(ENTRY + MAP_LEVEL * digits(size))?;
                }
                Ins::PayDel { size, key } => {
                    let size = self.file.word(size) as usize;
                    self.pay_lookup(size, &code.args[key as usize])?;
                    self.run.meter.build(MAP_LEVEL * digits(size))?;
                }
                Ins::Plain { plain } => {
                    let plain = &code.plains[plain as usize];
                    if let Some((last, others)) = plain.args.split_last() {
                        for arg in others {
                            let value = self.file.value(arg);
                            self.frame.stack.push(value);
                        }
                        self.frame.value = self.file.value(last);
                    }
                    self.run.plain(self.frame, &plain.op)?;
                    let value = std::mem::replace(&mut self.frame.value, Value::Unit);
                    self.file.bind(plain.to, &value);
                }
                Ins::Loop { body } => {
                    self.repeat(body as usize, pc)?;
                    pc = code.loops[body as usize].next as usize;
                }
                Ins::End => return Ok(Exit::End),
                Ins::Stop => return Ok(Exit::Stop),
                Ins::PayOutput { arg } => {
                    let value = self.file.value(&code.args[arg as usize]);
                    self.run.meter.emit(&value)?;
                }
                Ins::Return { commit } => return Ok(Exit::Commit(&code.commits[commit as usize])),
                Ins::Leave { arg } => return Ok(Exit::Value(&code.args[arg as usize])),
                Ins::Fail { arg } => {
                    let Value::Text(text) = self.file.value(&code.args[arg as usize]) else {
                        unreachable!("FAIL takes a text")
                    };
                    return Err(Trap::Fail(text));
                }
                Ins::Guard { word } => {
                    if self.file.word(word) == 0 {
                        return Err(Trap::Guard);
                    }
                }
            }
        }
    }

    fn get_int(&mut self, map: PlaceIx, key: W, tag: W, to: Dest) -> Result<(), Trap> {
        let key = Value::Int(self.file.word(key));
        self.run.meter.lookup_int(self.file.map(map).size())?;
        self.file.found(tag, to, |file| file.map(map).get(&key));
        Ok(())
    }

    fn get(&mut self, map: PlaceIx, key: &Arg, tag: W, to: Dest) -> Result<(), Trap> {
        let key = self.file.value(key);
        let size = self.file.map(map).size();
        self.run.meter.lookup(size, &key)?;
        self.file.found(tag, to, |file| file.map(map).get(&key));
        Ok(())
    }

    fn index(&mut self, list: PlaceIx, index: W, tag: W, to: Dest) {
        let index = usize::try_from(self.file.word(index)).ok();
        self.file.found(tag, to, |file| match file.at(list) {
            Value::List(items) => index.and_then(|index| items.get(index)),
            _ => unreachable!("the verifier asked for a list here"),
        });
    }

    fn pay_lookup(&mut self, size: usize, key: &Arg) -> Result<(), Trap> {
        match key {
            Arg::Int(_) => self.run.meter.lookup_int(size),
            key => {
                let key = self.file.value(key);
                self.run.meter.lookup(size, &key)
            }
        }
    }

    fn repeat(&mut self, index: usize, body: usize) -> Result<(), Trap> {
        let of = &self.file.code.loops[index];
        let over = self.file.value(&of.over);
        match &of.kind {
            LoopKind::Fold { .. } => self.each(&over, of.bound, body, |_, _, _| Ok(true), |_, _, _| Ok(true)),
            LoopKind::Repeat { times, .. } => {
                for _ in 0..self.file.word(*times) {
                    if let Exit::Stop = self.exec(body)? {
                        break;
                    }
                }
                Ok(())
            }
            LoopKind::Map { left, to } => {
                let each = if matches!(over, Value::List(_)) { ITEM } else { ENTRY };
                let (mut items, mut map) =
                    (rpds::VectorSync::new_sync(), rpds::RedBlackTreeMapSync::new_sync());
                self.each(
                    &over,
                    of.bound,
                    body,
                    |exec, _, _| exec.run.meter.build(each).map(|()| true),
                    |exec, key, _| {
                        let value = exec.file.value(left);
                        match key {
                            None => items.push_back_mut(value),
                            Some(key) => map.insert_mut(key.clone(), value),
                        }
                        Ok(true)
                    },
                )?;
                self.file.refs[*to as usize] = match over {
                    Value::List(_) => Value::List(items),
                    _ => Value::Map(map),
                };
                Ok(())
            }
            LoopKind::Filter { left, to } => {
                let each = if matches!(over, Value::List(_)) { ITEM } else { ENTRY };
                let (mut items, mut map) =
                    (rpds::VectorSync::new_sync(), rpds::RedBlackTreeMapSync::new_sync());
                self.each(
                    &over,
                    of.bound,
                    body,
                    |_, _, _| Ok(true),
                    |exec, key, value| {
                        if exec.file.word(*left) != 0 {
                            exec.run.meter.build(each)?;
                            match key {
                                None => items.push_back_mut(value.clone()),
                                Some(key) => map.insert_mut(key.clone(), value.clone()),
                            }
                        }
                        Ok(true)
                    },
                )?;
                self.file.refs[*to as usize] = match over {
                    Value::List(_) => Value::List(items),
                    _ => Value::Map(map),
                };
                Ok(())
            }
            LoopKind::Find { left, tag, to } => {
                self.run.meter.sum()?;
                let mut found = None;
                self.each(
                    &over,
                    of.bound,
                    body,
                    |_, _, _| Ok(true),
                    |exec, _, value| {
                        if exec.file.word(*left) != 0 {
                            found = Some(value.clone());
                        }
                        Ok(found.is_none())
                    },
                )?;
                self.file.set(*tag, i64::from(found.is_some()));
                if let Some(found) = found {
                    self.file.bind(*to, &found);
                }
                Ok(())
            }
        }
    }

    /// Runs the body for each item or entry. `before` and `after` get key (of a map) and item or value;
    /// what they return says whether to go on.
    fn each(
        &mut self,
        over: &Value,
        bound: [Dest; 2],
        body: usize,
        mut before: impl FnMut(&mut Self, Option<&Value>, &Value) -> Result<bool, Trap>,
        mut after: impl FnMut(&mut Self, Option<&Value>, &Value) -> Result<bool, Trap>,
    ) -> Result<(), Trap> {
        let [first, second] = bound;
        match over {
            Value::List(items) => {
                for item in items {
                    before(self, None, item)?;
                    self.file.bind(first, item);
                    self.exec(body)?;
                    if !after(self, None, item)? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, value) in map {
                    before(self, Some(key), value)?;
                    self.file.bind(first, key);
                    self.file.bind(second, value);
                    self.exec(body)?;
                    if !after(self, Some(key), value)? {
                        break;
                    }
                }
            }
            _ => unreachable!("a loop goes over a list or map"),
        }
        Ok(())
    }
}

impl File<'_, '_, '_> {
    pub(super) fn word(&self, word: W) -> i64 {
        self.words[word as usize]
    }

    fn set(&mut self, word: W, value: i64) {
        self.words[word as usize] = value;
    }

    fn at(&self, place: PlaceIx) -> &Value {
        let place = &self.code.places[place as usize];
        let base = match place.base {
            Base::Param(index) => self.params[index as usize],
            Base::Ref(register) => &self.refs[register as usize],
            Base::Constant(index) => &self.module.constants[index as usize].1,
        };
        walk(base, &place.path)
    }

    fn map(&self, place: PlaceIx) -> &rpds::RedBlackTreeMapSync<Value, Value> {
        match self.at(place) {
            Value::Map(map) => map,
            _ => unreachable!("the verifier asked for a map here"),
        }
    }

    /// Puts what was found where it goes, and whether there was something.
    fn found(&mut self, tag: W, to: Dest, find: impl Fn(&Self) -> Option<&Value>) {
        match to {
            Dest::Nowhere => {
                let found = find(self).is_some();
                self.set(tag, i64::from(found));
            }
            Dest::Word(word) => {
                let (found, int) = match find(self) {
                    None => (0, self.word(word)),
                    Some(Value::Int(int)) => (1, *int),
                    Some(Value::Bool(bool)) => (1, i64::from(*bool)),
                    Some(_) => unreachable!("a word is an Int, Bool or Duration"),
                };
                self.set(tag, found);
                self.set(word, int);
            }
            Dest::Ref(register) => match find(self).cloned() {
                None => self.set(tag, 0),
                Some(value) => {
                    self.set(tag, 1);
                    self.refs[register as usize] = value;
                }
            },
        }
    }

    /// Puts a copy of a value where it goes.
    fn bind(&mut self, to: Dest, value: &Value) {
        match (to, value) {
            (Dest::Nowhere, _) => {}
            (Dest::Word(word), Value::Int(int)) => self.set(word, *int),
            (Dest::Word(word), Value::Bool(bool)) => self.set(word, i64::from(*bool)),
            (Dest::Word(_), _) => unreachable!("a word is an Int, Bool or Duration"),
            (Dest::Ref(register), value) => self.refs[register as usize] = value.clone(),
        }
    }

    /// Makes a value at its place. Simple ones are written there part by part; moving them there as a
    /// whole would wait for their parts to be stored first.
    pub(super) fn put(&mut self, arg: &Arg, to: &mut Value) {
        match arg {
            Arg::Int(word) => *to = Value::Int(self.word(*word)),
            Arg::Bool(word) => *to = Value::Bool(self.word(*word) != 0),
            Arg::Case(case) => *to = Value::Sum(*case, Payload::UNIT),
            Arg::Sum(case, payload) => match &**payload {
                Arg::Int(word) => *to = Value::Sum(*case, Payload::new(Value::Int(self.word(*word)))),
                payload => *to = Value::Sum(*case, Payload::new(self.value(payload))),
            },
            arg => *to = self.value(arg),
        }
    }

    /// Makes a value.
    pub(super) fn value(&mut self, arg: &Arg) -> Value {
        match arg {
            Arg::Unit => Value::Unit,
            Arg::Int(word) => Value::Int(self.word(*word)),
            Arg::Bool(word) => Value::Bool(self.word(*word) != 0),
            Arg::Copy(place) => self.at(*place).clone(),
            Arg::Take(register) => std::mem::replace(&mut self.refs[*register as usize], Value::Unit),
            Arg::Product(parts) => Value::Product(parts.iter().map(|part| self.value(part)).collect()),
            Arg::Case(case) => Value::Sum(*case, Payload::UNIT),
            Arg::Sum(case, payload) => Value::Sum(*case, Payload::new(self.value(payload))),
            Arg::Choice(tag, parts) => {
                let case = self.word(*tag) as usize;
                Value::sum(case, self.value(&parts[case]))
            }
            Arg::Changed(map, key, value) => {
                let Value::Map(mut map) = self.value(map) else { unreachable!("a map is changed") };
                let key = self.value(key);
                match value {
                    Some(value) => map.insert_mut(key, self.value(value)),
                    None => {
                        map.remove_mut(&key);
                    }
                }
                Value::Map(map)
            }
        }
    }
}
