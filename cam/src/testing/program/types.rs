//! Types of generated programs, constants of them, and how both are written.

use crate::ty::{Case, Field, Kind, Record, Ty, Variant, children};
use crate::value::Value;

use super::Generator;

/// The names of fields and variables. Few, so that they meet.
pub(super) const LABELS: [&str; 8] = ["a", "b", "count", "item", "name", "n", "x", "y"];

/// The names of cases, before the number of their type.
const CASES: [&str; 5] = ["Dot", "Line", "Box", "Ring", "Star"];

/// Texts that are taken most of the time, so that keys meet again.
const TEXTS: [&str; 9] = ["", "a", "b", "ab", "12", "-7", "a b ", "é{x}\u{1f600}", "\"\\\n"];

/// Numbers at which something may happen.
const INTS: [i64; 14] = [0, 1, 2, 3, -1, 7, 10, 100, -100, 255, 1 << 53, i64::MAX, i64::MIN, i64::MIN + 1];

/// How many parts a type may have: more makes programs slow and no better.
const PARTS_MAX: usize = 40;

/// What a type may be made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// Of anything.
    Freely,
    /// Not of secrets: they are no part of a configuration.
    Public,
}

impl Generator {
    /// Returns a type of the kinds that have no others in them.
    fn leaf(&mut self) -> Ty {
        match self.choices.weighted(&[6, 3, 4, 4, 2, 2, 2, 1]) {
            0 => Ty::int(),
            1 => Ty::bool(),
            2 => Ty::text(),
            3 => self.range(),
            4 => {
                let max = *self.choices.pick(&[3, 0, 1, 8]);
                sure(Kind::Text { max: Some(max) })
            }
            5 => Ty::duration(),
            6 => {
                let max = *self.choices.pick(&[None, Some(32), Some(4), None]);
                sure(Kind::Bytes { max })
            }
            _ => Ty::unit(),
        }
    }

    fn range(&mut self) -> Ty {
        const RANGES: [(i64, i64); 8] = [
            (0, 9),
            (0, 100),
            (-5, 5),
            (0, i64::MAX),
            (3, 3),
            (1, 1_000_000),
            (i64::MIN, -1),
            (i64::MIN, i64::MAX - 1),
        ];
        let (lo, hi) = *self.choices.pick(&RANGES);
        sure(Kind::Int { lo, hi })
    }

    /// Returns a type that a map may have as key.
    pub(super) fn key_ty(&mut self) -> Ty {
        let named: Vec<Ty> = self.types.iter().map(|(_, ty)| ty.clone()).filter(Ty::is_key).collect();
        match self.choices.weighted(&[4, 3, 2, 1, 3 * u32::from(!named.is_empty())]) {
            0 => Ty::text(),
            1 => Ty::int(),
            2 => {
                let leaf = self.leaf();
                if leaf.is_key() { leaf } else { Ty::bool() }
            }
            3 => sure(Kind::Tuple(vec![Ty::int(), Ty::text()])),
            _ => self.choices.pick(&named).clone(),
        }
    }

    /// Returns any type, so many levels deep at most.
    pub(super) fn any_ty(&mut self, depth: u32, made: Made) -> Ty {
        let opened = self.choices.open(1);
        let ty = self.any_ty_within(depth, made);
        self.choices.close(opened);
        let plain = made == Made::Freely || !ty.holds_secret();
        if plain && parts(&ty) <= PARTS_MAX { ty } else { Ty::int() }
    }

    fn any_ty_within(&mut self, depth: u32, made: Made) -> Ty {
        let named = if self.types.is_empty() { 0 } else { 8 };
        let deep = u32::from(depth > 0);
        let secret = u32::from(made == Made::Freely);
        match self.choices.weighted(&[10, named, 4 * deep, 4 * deep, 4 * deep, 2 * deep, deep, secret * deep])
        {
            0 => self.leaf(),
            1 => {
                let index = self.choices.index(self.types.len());
                self.types[index].1.clone()
            }
            2 => sure(Kind::Option(self.any_ty(depth - 1, made))),
            3 => {
                let item = self.any_ty(depth - 1, made);
                let max = *self.choices.pick(&[None, None, Some(4), Some(0)]);
                sure(Kind::List { item, max })
            }
            4 => {
                let key = self.key_ty();
                sure(Kind::Map { key, value: self.any_ty(depth - 1, made) })
            }
            5 => {
                let count = 2 + self.choices.index(2);
                sure(Kind::Tuple((0..count).map(|_| self.any_ty(depth - 1, made)).collect()))
            }
            6 => self.record(depth - 1, made, 1),
            _ => {
                let held = self.any_ty(depth - 1, made);
                // A secret within a secret says no more.
                if held.holds_secret() { held } else { sure(Kind::Secret(held)) }
            }
        }
    }

    /// Returns a record of at least so many fields.
    pub(super) fn record(&mut self, depth: u32, made: Made, least: usize) -> Ty {
        let count = least + self.choices.index(4);
        let first = self.choices.index(LABELS.len());
        let mut fields: Vec<Field> = Vec::new();
        for ordinal in 0..count {
            let label = LABELS[(first + ordinal) % LABELS.len()];
            let ty = self.any_ty(depth, made);
            let default = if self.choices.chance(30) { self.constant(&ty, 1) } else { None };
            fields.push(Field { label: label.into(), ordinal: ordinal as u32, ty, default });
        }
        let declared = (0..).take(fields.len()).collect();
        sure(Kind::Record(Record { fields, declared }))
    }

    /// Returns a variant whose cases are those of no other, but for one now and then.
    fn variant(&mut self, depth: u32) -> Ty {
        let count = 1 + self.choices.index(CASES.len());
        let plain = self.choices.chance(30);
        let number = self.types.len();
        let cases = (0..count).map(|index| {
            let shared = index == 1 && self.choices.chance(15);
            let label = if shared { "Shared".to_owned() } else { format!("{}{number}", CASES[index]) };
            let payload = if plain { Ty::unit() } else { self.payload(depth) };
            Case { label: label.into(), ordinal: index as u32, payload }
        });
        let cases = cases.collect();
        sure(Kind::Variant(Variant { cases }))
    }

    /// Returns what a case holds.
    pub(super) fn payload(&mut self, depth: u32) -> Ty {
        match self.choices.weighted(&[4, 4, 3]) {
            0 => Ty::unit(),
            1 => self.any_ty(depth, Made::Freely),
            _ => {
                let record = self.record(depth, Made::Freely, 1);
                if parts(&record) <= PARTS_MAX { record } else { Ty::unit() }
            }
        }
    }

    /// Declares some types; each may be made of those before it. Returns their text.
    pub(super) fn declare_types(&mut self) -> String {
        let mut text = String::new();
        let count = 1 + self.choices.index(5);
        for number in 0..count {
            let opened = self.choices.open(2);
            let ty = match self.choices.weighted(&[4, 4, 1]) {
                0 => self.record(2, Made::Freely, 1),
                1 => self.variant(2),
                _ => self.any_ty(2, Made::Freely),
            };
            self.choices.close(opened);
            // A name for a name would be the same type twice.
            let known = self.types.iter().any(|(_, other)| *other == ty);
            if !known && parts(&ty) <= PARTS_MAX {
                text += &self.declare(&format!("T{number}"), &ty);
            }
        }
        text
    }

    /// Declares a type; returns its text.
    pub(super) fn declare(&mut self, name: &str, ty: &Ty) -> String {
        let text = format!("type {name} = {}\n", self.structure(ty));
        self.types.push((name.to_owned(), ty.clone()));
        text
    }

    /// Returns a type as it is written: by its name, where it has one.
    pub(super) fn written(&self, ty: &Ty) -> String {
        match self.types.iter().find(|(_, other)| other == ty) {
            Some((name, _)) => name.clone(),
            None => self.structure(ty),
        }
    }

    fn structure(&self, ty: &Ty) -> String {
        let limit = |name: &str, max: &Option<u32>| match max {
            Some(max) => format!("{name}(..={max})"),
            None => name.to_owned(),
        };
        let listed = |types: &[Ty]| types.iter().map(|ty| self.written(ty)).collect::<Vec<_>>().join(", ");
        match ty.kind() {
            Kind::Unit => "()".to_owned(),
            Kind::Bool => "Bool".to_owned(),
            Kind::Int { lo: i64::MIN, hi: i64::MAX } => "Int".to_owned(),
            Kind::Int { lo, hi: i64::MAX } => format!("Int({lo}..)"),
            Kind::Int { lo, hi } => format!("Int({lo}..={hi})"),
            Kind::Text { max } => limit("Text", max),
            Kind::Bytes { max } => limit("Bytes", max),
            Kind::Duration => "Duration".to_owned(),
            Kind::Option(item) => format!("Option({})", self.written(item)),
            Kind::List { item, max: None } => format!("List({})", self.written(item)),
            Kind::List { item, max: Some(max) } => format!("List({}, ..={max})", self.written(item)),
            Kind::Map { key, value } => format!("Map({}, {})", self.written(key), self.written(value)),
            Kind::Tuple(items) => format!("({})", listed(items)),
            Kind::Record(record) => self.fields(record),
            Kind::Secret(item) => format!("secret {}", self.written(item)),
            Kind::Variant(variant) => {
                let cases = variant.cases.iter().map(|case| match case.payload.kind() {
                    Kind::Unit => case.label.to_string(),
                    Kind::Record(record) if self.written(&case.payload).starts_with('{') => {
                        format!("{} {}", case.label, self.fields(record))
                    }
                    Kind::Tuple(items) => format!("{}({})", case.label, listed(items)),
                    _ => format!("{}({})", case.label, self.written(&case.payload)),
                });
                let cases = cases.collect::<Vec<_>>().join(" | ");
                if variant.cases.len() == 1 { format!("| {cases}") } else { cases }
            }
        }
    }

    /// Returns the fields of a record type in braces.
    pub(super) fn fields(&self, record: &Record) -> String {
        let field = |(_, field): (usize, &Field)| {
            let default = field.default.as_ref().map(|value| format!(" = {}", value.to_source(&field.ty)));
            format!("{}: {}{}", field.label, self.written(&field.ty), default.unwrap_or_default())
        };
        let fields: Vec<String> = record.in_declared_order().map(field).collect();
        format!("{{ {} }}", fields.join(", "))
    }

    /// Returns a value that the language can write as a constant; `None` where there is none: the
    /// language has no literal for Bytes, and no constant secrets.
    pub(super) fn constant(&mut self, ty: &Ty, depth: u32) -> Option<Value> {
        if ty.holds_secret() {
            return None;
        }
        let few = |generator: &mut Generator, max: &Option<u32>| {
            let count = generator.choices.index(3);
            let count = if depth == 0 { 0 } else { count };
            max.map_or(count, |max| count.min(max as usize))
        };
        let below = depth.saturating_sub(1);
        Some(match ty.kind() {
            Kind::Unit => Value::Unit,
            Kind::Bool => Value::Bool(self.choices.chance(50)),
            Kind::Int { lo, hi } => Value::Int(self.an_int(*lo, *hi)),
            Kind::Duration => {
                let unit = *self.choices.pick(&[1, 1_000, 60_000, 3_600_000, 86_400_000]);
                Value::Int(i64::from(self.choices.below(4)) * unit)
            }
            Kind::Text { max } => Value::text(&self.a_text(*max)),
            Kind::Bytes { .. } | Kind::Secret(_) => return None,
            Kind::Option(item) => match self.choices.chance(50) {
                true => self.constant(item, below).map_or_else(Value::none, Value::some),
                false => Value::none(),
            },
            Kind::List { item, max } => {
                let items: Vec<_> = (0..few(self, max)).map_while(|_| self.constant(item, below)).collect();
                Value::list(items)
            }
            Kind::Map { key, value } => {
                let entry = |_| Some((self.constant(key, below)?, self.constant(value, below)?));
                let count = if depth == 0 { 0 } else { 2 };
                Value::map((0..count).map_while(entry).collect::<Vec<_>>())
            }
            Kind::Tuple(items) => {
                let members: Option<Vec<_>> = items.iter().map(|item| self.constant(item, below)).collect();
                Value::product(members?)
            }
            Kind::Record(record) => {
                let fields = record.fields.iter().map(|field| self.constant(&field.ty, below));
                Value::product(fields.collect::<Option<Vec<_>>>()?)
            }
            Kind::Variant(variant) => {
                let case = self.choices.index(variant.cases.len());
                Value::sum(case, self.constant(&variant.cases[case].payload, below)?)
            }
        })
    }

    pub(super) fn an_int(&mut self, lo: i64, hi: i64) -> i64 {
        let int = match self.choices.weighted(&[12, 4, 1, 1]) {
            0 => i64::from(self.choices.below(5)),
            1 => *self.choices.pick(&INTS),
            2 => lo,
            _ => hi,
        };
        int.clamp(lo, hi)
    }

    pub(super) fn a_text(&mut self, max: Option<u32>) -> String {
        let text = *self.choices.pick(&TEXTS);
        text.chars().take(max.map_or(usize::MAX, |max| max as usize)).collect()
    }

    /// Returns any value of a type, as it may come from outside.
    pub(super) fn value(&mut self, ty: &Ty) -> Value {
        let opened = self.choices.open(3);
        let value = self.value_within(ty);
        self.choices.close(opened);
        value
    }

    fn value_within(&mut self, ty: &Ty) -> Value {
        match ty.kind() {
            Kind::Unit => Value::Unit,
            Kind::Bool => Value::Bool(self.choices.chance(50)),
            Kind::Int { lo, hi } => Value::Int(match self.choices.chance(5) {
                true => self.choices.int().clamp(*lo, *hi),
                false => self.an_int(*lo, *hi),
            }),
            Kind::Duration => match self.choices.chance(10) {
                true => Value::Int(self.an_int(i64::MIN, i64::MAX)),
                false => Value::Int(i64::from(self.choices.below(5)) * 1_000),
            },
            Kind::Text { max } => Value::text(&self.a_text(*max)),
            Kind::Bytes { max } => {
                let length = self.choices.below(6).min(max.unwrap_or(6));
                Value::Bytes((0..length).map(|_| self.choices.below(256) as u8).collect())
            }
            Kind::Option(item) => match self.choices.chance(60) {
                true => Value::some(self.value(item)),
                false => Value::none(),
            },
            Kind::List { item, max } => {
                let count = self.choices.below(5).min(max.unwrap_or(5));
                Value::list((0..count).map(|_| self.value(item)).collect::<Vec<_>>())
            }
            Kind::Map { key, value } => {
                let count = self.choices.below(5);
                let entries: Vec<_> = (0..count).map(|_| (self.value(key), self.value(value))).collect();
                Value::map(entries)
            }
            Kind::Tuple(items) => Value::product(items.iter().map(|ty| self.value(ty)).collect::<Vec<_>>()),
            Kind::Record(record) => {
                let fields = record.fields.iter().map(|field| self.value(&field.ty));
                Value::product(fields.collect::<Vec<_>>())
            }
            Kind::Secret(item) => self.value(item),
            Kind::Variant(variant) => {
                let case = self.choices.index(variant.cases.len());
                Value::sum(case, self.value(&variant.cases[case].payload))
            }
        }
    }
}

pub(super) fn sure(kind: Kind) -> Ty {
    Ty::new(kind).expect("the generator builds well-formed types")
}

fn parts(ty: &Ty) -> usize {
    1 + children(ty.kind()).map(parts).sum::<usize>()
}
