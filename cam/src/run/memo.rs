//! Remembering what a pure function made of the parts of a large map.
//!
//! A state of a million entries takes a third of a second to go over an edge. While that is tried, what `MAP` made of
//! each part of the map is remembered by where the part is in memory. The state that goes over later shares all parts
//! but those that were changed meanwhile, so that only these are left to be done.
//!
//! What must stay true: a run with a memo ends as one without, to the last unit of fuel and byte of memory. So each
//! part is remembered with what it cost, and where that is not left any more it is done again. A body is remembered
//! together with all that it sees beside the entry. A `FOLD` sees what was folded so far as well: of a sum, what comes
//! before the first change is known, and of an `all` that holds all but what changed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::meter::ENTRY;
use super::t0::{Frame, Run};
use super::{EdgeArrow, Limits, Trap, arrow_noting, check_invariants_noting, down_argument, function_of};
use crate::code::{Block, Module, Op};
use crate::value::map::parts::{FoldParts, MapParts, Part, SameParts};
use crate::value::{Map, Value};
use crate::verify::{VerifiedEdge, VerifiedMachine};

/// The fewest entries of a map that is remembered: one of fewer is gone over in well under a millisecond.
pub const ENTRIES_MIN: usize = 1_024;

/// How deep what is folded may be nested to be remembered: a few sums beside each other are.
const PLAIN_LEVELS: u32 = 2;

/// What was made of the parts of large maps. It holds on to the maps, and to the code.
#[derive(Default)]
pub struct Memo {
    /// True for one that remembers nothing.
    blind: bool,
    /// The modules whose blocks are sites: while they are held, the blocks keep their places in memory.
    modules: Vec<Arc<Module>>,
    /// By where the body is in memory.
    sites: HashMap<usize, Site>,
    /// Parts that are equal, by where both are in memory.
    same: Same,
    /// How many parts were taken from here.
    recalled: u64,
    /// What is called again and again while parts are done.
    pause: Option<Pause>,
}

/// What somebody who works for long does in between, such as to rest.
pub type Pause = Box<dyn FnMut() + Send>;

/// Parts that are equal. They are held, so that nothing else comes to be in their places.
#[derive(Default)]
struct Same(HashMap<(usize, usize), (Part, Part)>);

impl SameParts for Same {
    fn recall(&self, addresses: (usize, usize)) -> bool {
        self.0.contains_key(&addresses)
    }

    fn learn(&mut self, one: Part, other: Part) {
        self.0.insert((one.address(), other.address()), (one, other));
    }
}

/// What one body made of parts.
#[derive(Default)]
struct Site {
    /// What the body saw beside the entries.
    captured: Vec<Value>,
    /// By where the part is in memory.
    parts: HashMap<usize, Done>,
    /// How many parts were done, some of them for other things that the body saw.
    done: usize,
}

impl Site {
    fn learn(&mut self, part: Part, became: Became, cost: Limits) {
        self.done += 1;
        self.parts.insert(part.address(), Done { part, became, cost });
    }
}

/// A part that was done.
struct Done {
    /// Held, so that nothing else comes to be in its place.
    part: Part,
    became: Became,
    cost: Limits,
}

enum Became {
    /// `MAP` made this of it.
    Made(Part),
    /// `FOLD` made the second of the first.
    Folded(Value, Value),
}

impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memo").field("parts", &self.parts()).finish_non_exhaustive()
    }
}

impl Memo {
    /// Returns one that remembers nothing, for who does a thing once.
    pub fn blind() -> Memo {
        Memo { blind: true, ..Memo::default() }
    }

    /// Returns one that calls `pause` behind every part of a map that is done with it, until [`Memo::go_on`]: for who has
    /// the time.
    pub fn pausing(pause: Pause) -> Memo {
        Memo { pause: Some(pause), ..Memo::default() }
    }

    /// Pauses no more.
    #[must_use]
    pub fn go_on(self) -> Memo {
        Memo { pause: None, ..self }
    }

    /// Returns true unless it is one that remembers nothing.
    pub(super) fn sees(&self) -> bool {
        !self.blind
    }

    /// Returns how many parts are remembered.
    pub fn parts(&self) -> usize {
        self.same.0.len() + self.sites.values().map(|site| site.parts.len()).sum::<usize>()
    }

    /// Returns how many parts were done so far and could be remembered: what is taken from the memo is not done.
    pub fn done(&self) -> usize {
        self.sites.values().map(|site| site.done).sum()
    }

    /// Returns how many parts were taken over so far from what is remembered, with all that is below them.
    pub fn recalled(&self) -> u64 {
        self.recalled
    }

    /// Returns true when nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.sites.is_empty() && self.same.0.is_empty()
    }

    /// Returns true when two values are equal. What was found to be equal of large maps is not looked at again: of a
    /// state and of what comes back of it, which share nothing, each round of a trial would go through all.
    pub fn is_equal(&mut self, one: &Value, other: &Value) -> bool {
        match (one, other) {
            (Value::Product(one), Value::Product(other)) => {
                one.len() == other.len()
                    && one.iter().zip(other.iter()).all(|(one, other)| self.is_equal(one, other))
            }
            (Value::Sum(case, one), Value::Sum(of, other)) => case == of && self.is_equal(one, other),
            (Value::Map(one), Value::Map(other)) if self.sees() && one.len() >= ENTRIES_MIN => {
                one.len() == other.len() && one.eq_parts(other, &mut self.same)
            }
            _ => one == other,
        }
    }

    /// Takes it down with all that nobody else holds, and calls `pause` again and again meanwhile.
    pub fn take_down(self, pause: &mut dyn FnMut()) {
        for Site { captured, parts, .. } in self.sites.into_values() {
            for Done { part, became, .. } in parts.into_values() {
                part.take_down(pause);
                match became {
                    Became::Made(part) => part.take_down(pause),
                    Became::Folded(before, after) => {
                        before.take_down(pause);
                        after.take_down(pause);
                    }
                }
            }
            captured.into_iter().for_each(|value| value.take_down(pause));
        }
        for (one, other) in self.same.0.into_values() {
            one.take_down(pause);
            other.take_down(pause);
        }
    }

    /// As [`super::check_invariants`].
    ///
    /// # Errors
    ///
    /// As those of that.
    pub fn check_invariants(
        &mut self,
        machine: &VerifiedMachine,
        state: &Value,
        limits: Limits,
    ) -> Result<(), Trap> {
        check_invariants_noting(machine, state, limits, (&mut 0, Some(self)))
    }

    /// As [`super::edge_keep`].
    ///
    /// # Errors
    ///
    /// As those of that.
    pub fn edge_keep(
        &mut self,
        edge: &VerifiedEdge,
        state: &Value,
        limits: Limits,
    ) -> Result<Option<Value>, Trap> {
        let keep = edge.edge().keep;
        keep.map(|keep| arrow_noting(&edge.0, keep, vec![state.clone()], limits, (&mut 0, Some(self))))
            .transpose()
    }

    /// As [`super::edge_down`].
    ///
    /// # Errors
    ///
    /// As those of that.
    pub fn edge_down(
        &mut self,
        edge: &VerifiedEdge,
        state: &Value,
        kept: Option<&Value>,
        limits: Limits,
    ) -> Result<Value, Trap> {
        let args = vec![down_argument(edge, state, kept)];
        arrow_noting(&edge.0, edge.edge().down, args, limits, (&mut 0, Some(self)))
    }

    /// As [`super::edge_arrow`].
    ///
    /// # Errors
    ///
    /// As those of that.
    pub fn edge_arrow(
        &mut self,
        edge: &VerifiedEdge,
        which: EdgeArrow,
        value: &Value,
        limits: Limits,
    ) -> Result<Value, Trap> {
        arrow_noting(&edge.0, function_of(edge, which), vec![value.clone()], limits, (&mut 0, Some(self)))
    }

    /// Holds a module whose code is about to be run.
    pub(super) fn hold(&mut self, module: &Arc<Module>) {
        if !self.modules.iter().any(|held| Arc::ptr_eq(held, module)) {
            self.modules.push(module.clone());
        }
    }

    /// Returns what is remembered of a body that sees this: nothing yet, if it saw something else before.
    fn site(&mut self, body: &Block, captured: Vec<Value>) -> Work<'_> {
        let site = self.sites.entry(std::ptr::from_ref(body) as usize).or_default();
        let same = site.captured.len() == captured.len()
            && site.captured.iter().zip(&captured).all(|(before, now)| before.is_same(now));
        if !same {
            *site = Site { captured, parts: HashMap::new(), done: site.done };
        }
        Work { site, recalled: &mut self.recalled, pause: self.pause.as_mut() }
    }
}

/// What is done with a body.
struct Work<'a> {
    site: &'a mut Site,
    /// The count of what is taken over.
    recalled: &'a mut u64,
    pause: Option<&'a mut Pause>,
}

impl Work<'_> {
    fn pause(&mut self) {
        if let Some(pause) = &mut self.pause {
            pause();
        }
    }
}

/// A part of a binding: its level, and which member of which member of it.
type Place = (usize, Vec<usize>);

/// Returns what a body reads of the bindings around it. Of a record that is read in one member alone the others do not
/// matter: such as those of the state, of which the map itself is one.
fn captured(body: &Block, frame: &Frame) -> Vec<Value> {
    let mut places = BTreeSet::new();
    read(body, frame.environment.len(), &mut places);
    places.into_iter().map(|place| at(frame, &place)).collect()
}

/// Finds what a block reads of the first `depth` bindings.
fn read(Block(ops): &Block, depth: usize, places: &mut BTreeSet<Place>) {
    for (index, op) in ops.iter().enumerate() {
        match op {
            Op::Acc { level } if (*level as usize) < depth => {
                let member = |op: &Op| match op {
                    Op::Fld { index } => Some(*index as usize),
                    Op::Fst {} => Some(0),
                    Op::Snd {} => Some(1),
                    _ => None,
                };
                places.insert((*level as usize, ops[index + 1..].iter().map_while(member).collect()));
            }
            Op::If { yes, no } => [yes, no].into_iter().for_each(|block| read(block, depth, places)),
            Op::Case { blocks } => blocks.iter().for_each(|block| read(block, depth, places)),
            Op::Fold { body } | Op::Map { body, .. } | Op::Filter { body } | Op::Find { body } => {
                read(body, depth, places);
            }
            Op::Loop { test, body } => [test, body].into_iter().for_each(|block| read(block, depth, places)),
            _ => {}
        }
    }
}

fn at(frame: &Frame, (level, members): &Place) -> Value {
    let mut value = &frame.environment[*level];
    for member in members {
        let Value::Product(parts) = value else { unreachable!("the verifier knows that it has members") };
        value = &parts[*member];
    }
    value.clone()
}

impl Run<'_> {
    /// Returns true when what becomes of the parts of the map is remembered.
    pub(super) fn remembers(&self, map: &Map) -> bool {
        self.memo.is_some() && map.len() >= ENTRIES_MIN
    }

    /// Does `MAP`.
    pub(super) fn map_remembering(
        &mut self,
        frame: &mut Frame,
        map: &Map,
        body: &Block,
    ) -> Result<Map, Trap> {
        // Large maps within large maps are done as all others are.
        let memo = self.memo.take().expect("there is a memo");
        let work = memo.site(body, captured(body, frame));
        let mapped = map.map_parts(&mut Mapping { run: self, frame, body, work });
        self.memo = Some(memo);
        mapped
    }

    /// Does `FOLD`.
    pub(super) fn fold_remembering(
        &mut self,
        frame: &mut Frame,
        (map, start): (&Map, Value),
        body: &Block,
    ) -> Result<Value, Trap> {
        let memo = self.memo.take().expect("there is a memo");
        let work = memo.site(body, captured(body, frame));
        let mut folding = Folding { run: self, frame, body, work, folded: start };
        let done = map.fold_parts(&mut folding);
        let folded = folding.folded;
        self.memo = Some(memo);
        done.map(|()| folded)
    }
}

/// Returns true for a value of numbers and cases alone.
fn is_plain(value: &Value, levels: u32) -> bool {
    match value {
        Value::Unit | Value::Bool(_) | Value::Int(_) => true,
        Value::Product(members) => levels > 0 && members.iter().all(|member| is_plain(member, levels - 1)),
        Value::Sum(_, payload) => levels > 0 && is_plain(payload, levels - 1),
        Value::Text(_) | Value::Bytes(_) | Value::List(_) | Value::Map(_) => false,
    }
}

fn spent(before: Limits, after: Limits) -> Limits {
    Limits { fuel: before.fuel - after.fuel, memory: before.memory - after.memory }
}

struct Mapping<'a, 'r> {
    run: &'a mut Run<'r>,
    frame: &'a mut Frame,
    body: &'a Block,
    work: Work<'a>,
}

impl MapParts for Mapping<'_, '_> {
    type Error = Trap;
    type Mark = Limits;

    fn recall(&mut self, address: usize) -> Option<Part> {
        let done = self.work.site.parts.get(&address)?;
        let Became::Made(part) = &done.became else { return None };
        let recalled = self.run.meter.pay(done.cost);
        *self.work.recalled += u64::from(recalled);
        recalled.then(|| part.clone())
    }

    fn begin(&mut self) -> Limits {
        self.run.meter.left()
    }

    fn value(&mut self, key: Value, value: Value) -> Result<Value, Trap> {
        self.run.meter.build(ENTRY)?;
        self.run.body(self.frame, [key, value], self.body)
    }

    fn learn(&mut self, from: Part, made: Part, before: Limits) {
        let cost = spent(before, self.run.meter.left());
        self.work.site.learn(from, Became::Made(made), cost);
        self.work.pause();
    }
}

struct Folding<'a, 'r> {
    run: &'a mut Run<'r>,
    frame: &'a mut Frame,
    body: &'a Block,
    work: Work<'a>,
    folded: Value,
}

impl FoldParts for Folding<'_, '_> {
    type Error = Trap;
    type Mark = (Limits, Value);

    fn recall(&mut self, address: usize) -> bool {
        let done = self.work.site.parts.get(&address);
        let Some(Done { became: Became::Folded(before, after), cost, .. }) = done else {
            return false;
        };
        let recalled = before.is_same(&self.folded) && self.run.meter.pay(*cost);
        if recalled {
            self.folded = after.clone();
            *self.work.recalled += 1;
        }
        recalled
    }

    fn begin(&mut self) -> (Limits, Value) {
        (self.run.meter.left(), self.folded.clone())
    }

    fn entry(&mut self, key: Value, value: &Value) -> Result<(), Trap> {
        let folded = std::mem::replace(&mut self.folded, Value::Unit);
        self.folded = self.run.body(self.frame, [folded, key, value.clone()], self.body)?;
        Ok(())
    }

    fn learn(&mut self, part: Part, (before, folded): (Limits, Value)) {
        // To hold a map or a list that is built up would be to copy it again and again.
        let plain = || is_plain(&folded, PLAIN_LEVELS) && is_plain(&self.folded, PLAIN_LEVELS);
        if folded.is_same(&self.folded) || plain() {
            let cost = spent(before, self.run.meter.left());
            self.work.site.learn(part, Became::Folded(folded, self.folded.clone()), cost);
        }
        self.work.pause();
    }
}
