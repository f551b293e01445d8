//! Values by type, and what may happen to an instance.
//!
//! Chance alone seldom meets what a program looks at. So half of what is generated is known to it:
//! the ends of ranges, the constants of its code and their neighbours, and parts of states that
//! it came to. Texts come from a few, so that keys meet again.

use std::collections::BTreeMap;

use super::case::Event;
use super::random::Random;
use super::world::World;
use crate::code::Module;
use crate::digest::Digest;
use crate::ty::{Kind, Ty};
use crate::value::Value;
use crate::verify::VerifiedMachine;

/// How many values of a type are remembered.
const KNOWN_MAX: usize = 64;

/// How many parts of a state are looked at to learn from it.
const PARTS_MAX: usize = 256;

/// Limits up to this length are tried out.
const FULL_MAX: u32 = 512;

/// Letters that are likely to be treated wrongly: beyond ASCII, beyond 16 bits, several to one
/// sign, from right to left, and signs with a meaning elsewhere.
const LETTERS: [char; 14] =
    ['a', 'b', 'z', '0', ' ', '"', '\\', '{', '\n', 'é', 'ß', '\u{301}', '\u{5d0}', '\u{1f600}'];

/// Texts that are taken most of the time.
const TEXTS: [&str; 5] = ["a", "b", "c", "", "key"];

#[derive(Debug, Clone)]
pub(super) struct Generator {
    random: Random,
    /// How large and how many; grows from case to case.
    size: usize,
    /// Values of types without parts, by type.
    known: BTreeMap<Digest, Vec<Value>>,
    input: Ty,
    /// The cases of the input that come from outside.
    outside: Vec<usize>,
}

impl Generator {
    pub(super) fn new(machine: &VerifiedMachine, random: Random, size: usize) -> Generator {
        let outside = (0..machine.machine().internal.len()).filter(|case| !machine.case_is_internal(*case));
        let mut generator = Generator {
            random,
            size,
            known: BTreeMap::new(),
            input: machine.input().clone(),
            outside: outside.collect(),
        };
        generator.learn_constants(machine.module());
        generator
    }

    /// Remembers the constants of a program, and numbers near them.
    pub(super) fn learn_constants(&mut self, module: &Module) {
        for (ty, value) in &module.constants {
            let ty = module.ty(*ty);
            self.learn(ty, value);
            if let (Kind::Int { .. } | Kind::Duration, Value::Int(int)) = (ty.kind(), value) {
                for near in [int.checked_sub(1), int.checked_add(1)].into_iter().flatten() {
                    self.remember(ty, &Value::Int(near));
                }
            }
        }
    }

    /// Remembers the parts of a value.
    pub(super) fn learn(&mut self, ty: &Ty, value: &Value) {
        let mut left = PARTS_MAX;
        self.learn_parts(ty, value, &mut left);
    }

    fn learn_parts(&mut self, ty: &Ty, value: &Value, left: &mut usize) {
        if *left == 0 {
            return;
        }
        *left -= 1;
        match (ty.unsealed().kind(), value) {
            (Kind::Int { .. } | Kind::Duration | Kind::Text { .. } | Kind::Bytes { .. }, value) => {
                self.remember(ty, value);
            }
            (Kind::Option(item), Value::Sum(Value::SOME_INDEX, payload)) => {
                self.learn_parts(item, payload, left);
            }
            (Kind::List { item, .. }, Value::List(items)) => {
                items.iter().for_each(|value| self.learn_parts(item, value, left));
            }
            (Kind::Map { key, value }, Value::Map(map)) => {
                for (one, held) in map {
                    self.learn_parts(key, &one, left);
                    self.learn_parts(value, held, left);
                }
            }
            (Kind::Tuple(types), Value::Product(parts)) => {
                for (ty, part) in types.iter().zip(parts.iter()) {
                    self.learn_parts(ty, part, left);
                }
            }
            (Kind::Record(record), Value::Product(parts)) => {
                for (field, part) in record.fields.iter().zip(parts.iter()) {
                    self.learn_parts(&field.ty, part, left);
                }
            }
            (Kind::Variant(variant), Value::Sum(case, payload)) => {
                self.learn_parts(&variant.cases[*case as usize].payload, payload, left);
            }
            _ => {}
        }
    }

    /// Remembers a value under its type without limits, so that others with limits find it.
    fn remember(&mut self, ty: &Ty, value: &Value) {
        let known = self.known.entry(wide(ty).digest()).or_default();
        if known.len() < KNOWN_MAX && !known.contains(value) {
            known.push(value.clone());
        }
    }

    fn recall(&mut self, ty: &Ty) -> Option<Value> {
        let known = self.known.get(&wide(ty).digest()).filter(|known| !known.is_empty())?;
        let value = self.random.pick(known).clone();
        value.has_type(ty).then_some(value)
    }

    /// Returns a value of a type. Of the machine's inputs it makes those from outside.
    pub(super) fn value(&mut self, ty: &Ty) -> Value {
        if *ty == self.input
            && let Some(input) = self.outside_input()
        {
            return input;
        }
        match ty.kind() {
            Kind::Secret(item) => self.value(item),
            Kind::Unit => Value::Unit,
            Kind::Bool => Value::Bool(self.random.odds(1, 2)),
            Kind::Int { lo, hi } => self.int(ty, *lo, *hi),
            Kind::Duration => self.duration(ty),
            Kind::Text { max } => self.text(ty, *max),
            Kind::Bytes { max } => self.bytes(ty, *max),
            Kind::Option(_) if self.random.odds(1, 4) => Value::none(),
            Kind::Option(item) => Value::some(self.value(item)),
            Kind::List { item, max } => {
                let count = self.count(*max);
                Value::list((0..count).map(|_| self.value(item)).collect::<Vec<_>>())
            }
            Kind::Map { key, value } => {
                let count = self.count(None);
                let entries: Vec<_> = (0..count).map(|_| (self.value(key), self.value(value))).collect();
                Value::map(entries)
            }
            Kind::Tuple(types) => Value::product(types.iter().map(|ty| self.value(ty)).collect::<Vec<_>>()),
            Kind::Record(record) => {
                let fields = record.fields.iter().map(|field| match &field.default {
                    Some(default) if self.random.odds(1, 4) => default.clone(),
                    _ => self.value(&field.ty),
                });
                Value::product(fields.collect::<Vec<_>>())
            }
            Kind::Variant(variant) => {
                let case = self.random.below(variant.cases.len());
                Value::sum(case, self.value(&variant.cases[case].payload))
            }
        }
    }

    fn outside_input(&mut self) -> Option<Value> {
        if self.outside.is_empty() {
            return None;
        }
        let case = *self.random.pick(&self.outside);
        let payload = self.input.as_variant()?.cases[case].payload.clone();
        Some(Value::sum(case, self.value(&payload)))
    }

    fn int(&mut self, ty: &Ty, lo: i64, hi: i64) -> Value {
        let small = i64::try_from(self.size).unwrap_or(i64::MAX);
        let int = match self.random.below(16) {
            0 => lo,
            1 => hi,
            2 => self.random.within(lo, hi),
            3 => 1i64 << self.random.below(63),
            4..=6 => match self.recall(ty) {
                Some(known) => return known,
                None => 0,
            },
            7..=9 => self.random.within(0, 3),
            _ => self.random.within(-small, small),
        };
        Value::Int(int.clamp(lo, hi))
    }

    fn duration(&mut self, ty: &Ty) -> Value {
        Value::Int(match self.random.below(8) {
            0 => 0,
            1 => *self.random.pick(&[1, -1, i64::MAX, i64::MIN]),
            2..=3 => match self.recall(ty) {
                Some(known) => return known,
                None => 1_000,
            },
            _ => self.random.within(1, 60) * *self.random.pick(&[1, 1_000, 60_000, 3_600_000]),
        })
    }

    fn text(&mut self, ty: &Ty, max: Option<u32>) -> Value {
        let length = match self.random.below(16) {
            0..=6 => {
                let text = Value::text(self.random.pick::<&str>(&TEXTS));
                if text.has_type(ty) {
                    return text;
                }
                1
            }
            7..=10 => match self.recall(ty) {
                Some(known) => return known,
                None => 1,
            },
            11 => max.filter(|max| *max <= FULL_MAX).unwrap_or(16) as usize,
            _ => self.random.below(self.size + 1),
        };
        let length = max.map_or(length, |max| length.min(max as usize));
        Value::text(&(0..length).map(|_| *self.random.pick(&LETTERS)).collect::<String>())
    }

    fn bytes(&mut self, ty: &Ty, max: Option<u32>) -> Value {
        if self.random.odds(1, 4)
            && let Some(known) = self.recall(ty)
        {
            return known;
        }
        let length = self.count(max.or(Some(32)));
        Value::Bytes((0..length).map(|_| self.random.below(256) as u8).collect())
    }

    fn count(&mut self, max: Option<u32>) -> usize {
        // Within another list or map there are fewer: what is large is large at one place.
        let most = (self.size / 4).clamp(1, 8);
        let count = match (self.random.below(12), max) {
            (0, _) => 0,
            (1, Some(max)) if max <= FULL_MAX / 8 => max as usize,
            _ => self.random.below(most + 1),
        };
        max.map_or(count, |max| count.min(max as usize))
    }

    /// Returns how many things happen in a `for all inputs`.
    pub(super) fn length(&mut self) -> usize {
        1 + self.random.below(self.size)
    }

    /// Returns a seed for the context.
    pub(super) fn seed(&mut self) -> i64 {
        self.random.within(0, i64::MAX)
    }

    /// Returns what happens next; `None` when nothing can.
    pub(super) fn event(&mut self, world: &World<'_>) -> Option<Event> {
        if !world.owed.is_empty() && self.random.odds(1, 3) {
            let which = self.random.below(world.owed.len());
            let shape = world.owed[which].outlet.answer(world.machine)?;
            let ty = world.machine.module().ty(shape.ty).clone();
            let answer = if self.random.odds(1, 5) { None } else { Some(self.value(&ty)) };
            return Some(Event::Answer(which, answer));
        }
        let due = world.next_due().map(|due_ms| due_ms.saturating_sub(world.now_ms).max(0));
        let wait = self.outside.is_empty() || self.random.odds(1, 4);
        if let (Some(due), true) = (due, wait) {
            // Most of the time right to the next timer; sometimes shortly before it, or past it.
            let by = match self.random.below(4) {
                0 => self.random.within(0, due.saturating_mul(2)),
                _ => due,
            };
            return Some(Event::Wait(by));
        }
        self.outside_input().map(Event::Input)
    }
}

/// Returns the type without its limits.
fn wide(ty: &Ty) -> Ty {
    match ty.unsealed().kind() {
        Kind::Int { .. } => Ty::int(),
        Kind::Text { .. } => Ty::text(),
        Kind::Bytes { .. } => Ty::bytes(),
        _ => ty.unsealed().clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::compile;
    use crate::diagnostic::Source;
    use crate::testing::any_ty;
    use crate::verify::verify;

    fn machine() -> VerifiedMachine {
        let text = "machine m\ntype State = Int\ntype Input = Low | High(Int(0..=9)) | internal Tick\ninit = 0\n\
                    on Low => (if state > 4_321 { 1 } else { 0 }, ())\non High(n) => (n, ())\non Tick => state\n";
        let module = compile::machine(&Source::new("m.cam", text), None).expect("it compiles");
        verify(module).expect("it verifies").into_machine().expect("it is a machine")
    }

    fn generator(seed: u64) -> Generator {
        Generator::new(&machine(), Random::new(seed, "a test", 0), 16)
    }

    /// Returns what a type gives in so many tries, as the language writes it.
    fn seen(ty: &Ty, tries: usize) -> BTreeSet<String> {
        let mut generator = generator(1);
        (0..tries).map(|_| generator.value(ty).to_source(ty)).collect()
    }

    proptest! {
        #[test]
        fn what_is_generated_is_of_its_type(ty in any_ty(), seed in any::<u64>()) {
            let mut generator = generator(seed);
            for _ in 0..8 {
                let value = generator.value(&ty);
                prop_assert!(value.has_type(&ty), "{value:?} is no {ty}");
                generator.learn(&ty, &value);
            }
        }
    }

    #[test]
    fn the_ends_of_limits_are_tried() {
        let int = seen(&Ty::new(Kind::Int { lo: -7, hi: 1_000 }).expect("a range"), 300);
        for end in ["-7", "1000", "0", "1"] {
            assert!(int.contains(end), "{end} among {int:?}");
        }
        let wide = seen(&Ty::int(), 300);
        assert!(wide.contains(&i64::MIN.to_string()) && wide.contains(&i64::MAX.to_string()));
        let ty = Ty::new(Kind::Text { max: Some(4) }).expect("a limit");
        let mut generator = generator(1);
        let lengths: BTreeSet<usize> = (0..300)
            .map(|_| match generator.value(&ty) {
                Value::Text(text) => text.chars().count(),
                other => panic!("{other:?} is no text"),
            })
            .collect();
        assert_eq!(lengths, BTreeSet::from([0, 1, 2, 3, 4]));
        let ty = Ty::new(Kind::List { item: Ty::bool(), max: Some(3) }).expect("a limit");
        let lists = seen(&ty, 300);
        assert!(lists.contains("[]") && lists.iter().any(|list| list.matches(',').count() == 2));
    }

    #[test]
    fn the_constants_of_the_program_and_their_neighbours_are_tried() {
        let ints = seen(&Ty::int(), 2_000);
        for near in ["4320", "4321", "4322"] {
            assert!(ints.contains(near), "{near} among {ints:?}");
        }
    }

    #[test]
    fn inputs_come_from_outside() {
        let inputs = seen(machine().input(), 300);
        assert!(
            inputs.contains("Low") && inputs.contains("High(9)") && !inputs.contains("Tick"),
            "{inputs:?}"
        );
    }
}
