//! Running lowered code.

use super::code::{Arg, Base, Code, Dest, Ins, LoopKind, PlaceIx, W, walk};
use super::words;
use crate::code::Module;
use crate::run::Trap;
use crate::run::meter::{ENTRY, ITEM, MAP_LEVEL, digits};
use crate::run::t0::{Frame, Run};
use crate::value::{Map, Payload, Value};

/// What a run is given.
pub(super) type Params<'p> = &'p [&'p Value];

/// The registers of a run, and what else values are made of.
pub(super) struct File<'c, 'r> {
    pub(super) code: &'c Code,
    pub(super) words: &'r mut [i64],
    pub(super) refs: &'r mut [Value],
    pub(super) module: &'c Module,
}

/// A run.
pub(super) struct Exec<'c, 'r, 'p> {
    pub(super) file: File<'c, 'r>,
    /// For a step: payload, state, configuration.
    pub(super) params: Params<'p>,
    /// What T0's instructions need: the limits, the context, the effects.
    pub(super) run: Run<'r>,
    pub(super) frame: &'r mut Frame,
}

/// How code ends.
pub(super) enum Exit<'c> {
    /// A step, which is to be committed so.
    Commit(u16),
    /// A function, with its result.
    Value(&'c Arg),
    /// The body of a loop.
    End,
    /// The body of a loop, which is to be repeated no more.
    Stop,
}

impl<'c> Exec<'c, '_, '_> {
    /// Runs all of it.
    pub(super) fn start(&mut self) -> Result<Exit<'c>, Trap> {
        self.run.meter.work(self.file.code.entry_fuel)?;
        self.exec(0)
    }

    /// Runs from an instruction to an end.
    pub(super) fn exec(&mut self, mut pc: usize) -> Result<Exit<'c>, Trap> {
        let code = self.file.code;
        loop {
            pc = usize::from(words::run(code, self.file.words, self.params, self.run.meter.fuel_mut(), pc)?);
            let ins = code.ins[pc];
            pc += 1;
            match ins {
                Ins::Memory { bytes } => self.run.meter.build(u64::from(bytes))?,
                Ins::Load { to, from } => {
                    let value = words::word(self.file.at(self.params, from));
                    self.file.set(to, value);
                }
                Ins::Tag { to, from } => {
                    let Value::Sum(case, _) = self.file.at(self.params, from) else {
                        unreachable!("a case is one of a variant")
                    };
                    self.file.set(to, i64::from(*case));
                }
                Ins::Make { to, arg } => {
                    let value = self.file.value(self.params, &code.args[arg as usize]);
                    self.file.refs[to as usize] = value;
                }
                Ins::GetInt { map, key, tag, to } => self.get_int(map, key, tag, to)?,
                Ins::Get { map, key, tag, to } => self.get(map, &code.args[key as usize], tag, to)?,
                Ins::Index { list, index, tag, to } => self.index(list, index, tag, to),
                Ins::Size { to, map } => self.file.set(to, self.file.map(self.params, map).len() as i64),
                Ins::Grow { size, map, key } => {
                    let key = self.file.value(self.params, &code.args[key as usize]);
                    let absent = !self.file.map(self.params, map).contains_key(&key);
                    self.file.set(size, self.file.word(size) + i64::from(absent));
                }
                Ins::Shrink { size, map, key } => {
                    let key = self.file.value(self.params, &code.args[key as usize]);
                    let present = self.file.map(self.params, map).contains_key(&key);
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
                            let value = self.file.value(self.params, arg);
                            self.frame.stack.push(value);
                        }
                        self.frame.value = self.file.value(self.params, last);
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
                    let value = self.file.value(self.params, &code.args[arg as usize]);
                    self.run.meter.emit(&value)?;
                }
                Ins::Return { commit } => return Ok(Exit::Commit(commit)),
                Ins::Leave { arg } => return Ok(Exit::Value(&code.args[arg as usize])),
                Ins::Fail { arg } => {
                    let Value::Text(text) = self.file.value(self.params, &code.args[arg as usize]) else {
                        unreachable!("FAIL takes a text")
                    };
                    return Err(Trap::Fail(text));
                }
                _ => unreachable!("`words` does this one"),
            }
        }
    }

    fn get_int(&mut self, map: PlaceIx, key: W, tag: W, to: Dest) -> Result<(), Trap> {
        let key = self.file.word(key);
        self.run.meter.lookup_int(self.file.map(self.params, map).len())?;
        self.file.found(self.params, tag, to, |file, params| file.map(params, map).get_int(key));
        Ok(())
    }

    fn get(&mut self, map: PlaceIx, key: &Arg, tag: W, to: Dest) -> Result<(), Trap> {
        let key = self.file.value(self.params, key);
        let size = self.file.map(self.params, map).len();
        self.run.meter.lookup(size, &key)?;
        self.file.found(self.params, tag, to, |file, params| file.map(params, map).get(&key));
        Ok(())
    }

    fn index(&mut self, list: PlaceIx, index: W, tag: W, to: Dest) {
        let index = usize::try_from(self.file.word(index)).ok();
        self.file.found(self.params, tag, to, |file, params| match file.at(params, list) {
            Value::List(items) => index.and_then(|index| items.get(index)),
            _ => unreachable!("the verifier asked for a list here"),
        });
    }

    fn pay_lookup(&mut self, size: usize, key: &Arg) -> Result<(), Trap> {
        match key {
            Arg::Int(_) => self.run.meter.lookup_int(size),
            key => {
                let key = self.file.value(self.params, key);
                self.run.meter.lookup(size, &key)
            }
        }
    }

    fn repeat(&mut self, index: usize, body: usize) -> Result<(), Trap> {
        let of = &self.file.code.loops[index];
        let over = self.file.value(self.params, &of.over);
        match &of.kind {
            LoopKind::Fold { .. } => self.each(&over, of.bound, body, |_| Ok(()), |_, _, _| Ok(true)),
            LoopKind::Repeat { times, .. } => {
                for _ in 0..self.file.word(*times) {
                    if let Exit::Stop = self.exec(body)? {
                        break;
                    }
                }
                Ok(())
            }
            LoopKind::Map { left, to } => {
                let mapped = match over {
                    Value::Map(map) => {
                        Value::Map(map.try_map_values(|key, value| -> Result<Value, Trap> {
                            self.run.meter.build(ENTRY)?;
                            self.file.bind(of.bound[0], &key);
                            self.file.bind(of.bound[1], &value);
                            self.exec(body)?;
                            Ok(self.file.value(self.params, left))
                        })?)
                    }
                    over => {
                        let mut items = rpds::VectorSync::new_sync();
                        let pay = |exec: &mut Self| exec.run.meter.build(ITEM);
                        self.each(&over, of.bound, body, pay, |exec, _, _| {
                            items.push_back_mut(exec.file.value(exec.params, left));
                            Ok(true)
                        })?;
                        Value::List(items)
                    }
                };
                self.file.refs[*to as usize] = mapped;
                Ok(())
            }
            LoopKind::Filter { left, to } => {
                let each = if matches!(over, Value::List(_)) { ITEM } else { ENTRY };
                let (mut items, mut entries) = (rpds::VectorSync::new_sync(), vec![]);
                self.each(
                    &over,
                    of.bound,
                    body,
                    |_| Ok(()),
                    |exec, key, value| {
                        if exec.file.word(*left) != 0 {
                            exec.run.meter.build(each)?;
                            match key {
                                None => items.push_back_mut(value.clone()),
                                Some(key) => entries.push((key.clone(), value.clone())),
                            }
                        }
                        Ok(true)
                    },
                )?;
                self.file.refs[*to as usize] = match over {
                    Value::List(_) => Value::List(items),
                    _ => Value::map(entries),
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
                    |_| Ok(()),
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

    /// Runs the body for each item or entry. `after` gets key (of a map) and item or value; what it
    /// returns says whether to go on.
    fn each(
        &mut self,
        over: &Value,
        bound: [Dest; 2],
        body: usize,
        before: impl Fn(&mut Self) -> Result<(), Trap>,
        mut after: impl FnMut(&mut Self, Option<&Value>, &Value) -> Result<bool, Trap>,
    ) -> Result<(), Trap> {
        let [first, second] = bound;
        match over {
            Value::List(items) => {
                for item in items {
                    before(self)?;
                    self.file.bind(first, item);
                    self.exec(body)?;
                    if !after(self, None, item)? {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                for (key, value) in map {
                    before(self)?;
                    self.file.bind(first, &key);
                    self.file.bind(second, value);
                    self.exec(body)?;
                    if !after(self, Some(&key), value)? {
                        break;
                    }
                }
            }
            _ => unreachable!("a loop goes over a list or map"),
        }
        Ok(())
    }
}

impl File<'_, '_> {
    pub(super) fn word(&self, word: W) -> i64 {
        self.words[word as usize]
    }

    fn set(&mut self, word: W, value: i64) {
        self.words[word as usize] = value;
    }

    fn at<'v>(&'v self, params: Params<'v>, place: PlaceIx) -> &'v Value {
        let place = &self.code.places[place as usize];
        let base = match place.base {
            Base::Param(index) => params[index as usize],
            Base::Ref(register) => &self.refs[register as usize],
            Base::Constant(index) => &self.module.constants[index as usize].1,
        };
        walk(base, &place.path)
    }

    fn map<'v>(&'v self, params: Params<'v>, place: PlaceIx) -> &'v Map {
        match self.at(params, place) {
            Value::Map(map) => map,
            _ => unreachable!("the verifier asked for a map here"),
        }
    }

    /// Puts what was found where it goes, and whether there was something.
    fn found(
        &mut self,
        params: Params<'_>,
        tag: W,
        to: Dest,
        find: impl for<'v> Fn(&'v Self, Params<'v>) -> Option<&'v Value>,
    ) {
        match to {
            Dest::Nowhere => {
                let found = find(self, params).is_some();
                self.set(tag, i64::from(found));
            }
            Dest::Word(word) => {
                let (found, int) = match find(self, params) {
                    None => (0, self.word(word)),
                    Some(Value::Int(int)) => (1, *int),
                    Some(Value::Bool(bool)) => (1, i64::from(*bool)),
                    Some(_) => unreachable!("a word is an Int, Bool or Duration"),
                };
                self.set(tag, found);
                self.set(word, int);
            }
            Dest::Ref(register) => match find(self, params).cloned() {
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
    #[inline]
    pub(super) fn put(&mut self, params: Params<'_>, arg: &Arg, to: &mut Value) {
        match arg {
            Arg::Int(word) => *to = Value::Int(self.word(*word)),
            Arg::Bool(word) => *to = Value::Bool(self.word(*word) != 0),
            Arg::Case(case) => *to = Value::Sum(*case, Payload::UNIT),
            Arg::Sum(case, payload) => match &**payload {
                Arg::Int(word) => {
                    let int = self.word(*word);
                    // What stands there has room for it, most of the time.
                    if let Value::Sum(before, payload) = to
                        && payload.set_int(int)
                    {
                        *before = *case;
                        return;
                    }
                    *to = Value::Sum(*case, Payload::new(Value::Int(int)));
                }
                payload => *to = Value::Sum(*case, Payload::new(self.value(params, payload))),
            },
            arg => *to = self.value(params, arg),
        }
    }

    /// Makes a value.
    pub(super) fn value(&mut self, params: Params<'_>, arg: &Arg) -> Value {
        match arg {
            Arg::Unit => Value::Unit,
            Arg::Int(word) => Value::Int(self.word(*word)),
            Arg::Bool(word) => Value::Bool(self.word(*word) != 0),
            Arg::Copy(place) => self.at(params, *place).clone(),
            Arg::Take(register) => std::mem::replace(&mut self.refs[*register as usize], Value::Unit),
            Arg::Product(parts) => {
                Value::Product(parts.iter().map(|part| self.value(params, part)).collect())
            }
            Arg::Case(case) => Value::Sum(*case, Payload::UNIT),
            Arg::Sum(case, payload) => Value::Sum(*case, Payload::new(self.value(params, payload))),
            Arg::Choice(tag, parts) => {
                let case = self.word(*tag) as usize;
                Value::sum(case, self.value(params, &parts[case]))
            }
            Arg::Changed(map, key, value) => {
                let Value::Map(mut map) = self.value(params, map) else { unreachable!("a map is changed") };
                let key = self.value(params, key);
                match value {
                    Some(value) => map.insert(key, self.value(params, value)),
                    None => map.remove(&key),
                };
                Value::Map(map)
            }
        }
    }
}
