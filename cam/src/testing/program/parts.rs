//! What expressions of generated programs end in: what is at hand, constants, and values made part by
//! part.

use crate::check::widened;
use crate::ty::{Kind, Ty};
use crate::value::Value;

use super::expr::{Ex, PREFIXED, TIGHT, all_konst, joined, some};
use super::{Generator, Var};

impl Generator {
    /// Makes the simplest there is: a constant, or something at hand.
    pub(super) fn leaf_checked(&mut self, ty: &Ty) -> Ex {
        let fitting = |path: &Ex| {
            path.ty == *ty || (!path.konst && widened(&path.ty) == widened(ty)) || path.ty == *ty.unsealed()
        };
        let at_hand: Vec<Ex> = self.paths().into_iter().filter(fitting).collect();
        let (exact, wider): (Vec<Ex>, Vec<Ex>) = at_hand.into_iter().partition(|path| path.ty == *ty);
        let chosen = self.choices.weighted(&[4, some(&exact, 12), some(&wider, 2)]);
        match chosen {
            1 => self.choices.pick(&exact).clone(),
            2 => Ex { ty: ty.clone(), ..self.choices.pick(&wider).clone() },
            _ => match self.constant(ty, 2) {
                Some(value) => literal(&value, ty),
                None => self.parts_checked(ty, 0),
            },
        }
    }

    pub(super) fn leaf_inferred(&mut self, ty: &Ty) -> Ex {
        let at_hand: Vec<Ex> = self.paths().into_iter().filter(|path| path.ty == *ty).collect();
        if self.choices.weighted(&[4, some(&at_hand, 12)]) == 1 {
            return self.choices.pick(&at_hand).clone();
        }
        match self.constant(ty, 2) {
            Some(value) if self.infers(&value, ty) => literal(&value, ty),
            _ if *ty == Ty::bytes() => self.some_bytes(),
            _ => self.named(ty, 0),
        }
    }

    /// Makes a call of a function that only says what type its argument has.
    pub(super) fn named(&mut self, ty: &Ty, depth: u32) -> Ex {
        let value = self.check(ty, depth);
        let known = self.sayers.iter().position(|other| other == ty);
        let index = known.unwrap_or_else(|| {
            self.sayers.push(ty.clone());
            self.sayers.len() - 1
        });
        Ex::new(format!("as_{index}({})", value.text), TIGHT, ty)
    }

    fn some_bytes(&mut self) -> Ex {
        let text = crate::value::source::text(&self.a_text(None));
        let how = self.choices.pick(&["to_bytes", "hash"]);
        Ex::new(format!("{text}.{how}()"), TIGHT, &Ty::bytes())
    }

    /// Makes a value of its parts.
    pub(super) fn parts_checked(&mut self, ty: &Ty, depth: u32) -> Ex {
        let below = depth.saturating_sub(1);
        let count = |generator: &mut Generator| if depth == 0 { 0 } else { generator.choices.index(4) };
        match ty.kind() {
            Kind::Option(item) => {
                if depth == 0 || !self.choices.chance(70) {
                    return Ex::new("None", TIGHT, ty).konst(true);
                }
                let item = self.check(item, below);
                Ex::new(format!("Some({})", item.text), TIGHT, ty).konst(item.konst)
            }
            Kind::List { item, max } => {
                let count = count(self).min(max.map_or(usize::MAX, |max| max as usize));
                let items: Vec<Ex> = (0..count).map(|_| self.check(item, below)).collect();
                Ex::new(format!("[{}]", joined(&items)), TIGHT, ty).konst(all_konst(&items))
            }
            Kind::Map { key, value } => {
                let entries = (0..count(self)).map(|_| {
                    let (key, value) = (self.check(key, below), self.check(value, below));
                    (format!("{}: {}", key.text, value.text), key.konst && value.konst)
                });
                let entries: Vec<(String, bool)> = entries.collect();
                let text = entries.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(", ");
                let text = if entries.is_empty() { "[:]".to_owned() } else { format!("[{text}]") };
                Ex::new(text, TIGHT, ty).konst(entries.iter().all(|(_, konst)| *konst))
            }
            Kind::Tuple(items) => {
                let items: Vec<Ex> = items.iter().map(|item| self.check(item, below)).collect();
                Ex::new(format!("({})", joined(&items)), TIGHT, ty).konst(all_konst(&items))
            }
            Kind::Record(_) => self.record_parts(ty, below),
            Kind::Variant(variant) => {
                let case = self.choices.index(variant.cases.len());
                let (label, payload) =
                    (variant.cases[case].label.clone(), variant.cases[case].payload.clone());
                self.case_parts(&label, &payload, ty, below)
            }
            Kind::Secret(item) => Ex { ty: ty.clone(), ..self.parts_checked(item, below) },
            Kind::Bytes { max } if max.is_none_or(|max| max >= 32) || depth > 0 => {
                Ex { ty: ty.clone(), ..self.some_bytes() }
            }
            // As short as it takes; only what is hashed or written as text makes Bytes.
            Kind::Bytes { .. } => Ex::new("\"\".to_bytes()", TIGHT, ty),
            _ => {
                let value = self.constant(ty, 1).expect("all others have constants");
                literal(&value, ty)
            }
        }
    }

    fn case_parts(&mut self, label: &str, payload: &Ty, ty: &Ty, depth: u32) -> Ex {
        if matches!(payload.kind(), Kind::Unit) {
            return Ex::new(label, TIGHT, ty).konst(true);
        }
        let held = self.check(payload, depth);
        // A record may stand without parentheses, and a tuple's are those of the case.
        let is =
            |open, close| held.tight == TIGHT && held.text.starts_with(open) && held.text.ends_with(close);
        let text = match payload.kind() {
            Kind::Record(_) if is('{', '}') => format!("{label} {}", held.text),
            Kind::Tuple(_) if held.konst && is('(', ')') => format!("{label}{}", held.text),
            _ => format!("{label}({})", held.text),
        };
        Ex::new(text, TIGHT, ty).konst(held.konst)
    }

    fn record_parts(&mut self, ty: &Ty, depth: u32) -> Ex {
        let record = ty.as_record().expect("callers pass records").clone();
        let mut konst = true;
        let mut fields = vec![];
        for field in &record.fields {
            if field.default.is_some() && self.choices.chance(40) {
                continue;
            }
            // `{ item }` is `{ item: item }`.
            let short = self.visible(&field.label).filter(|var| var.ty == field.ty && !var.konst).is_some();
            if short && self.choices.chance(60) {
                konst = false;
                fields.push(field.label.to_string());
                continue;
            }
            let value = self.check(&field.ty, depth);
            konst &= value.konst;
            fields.push(format!("{}: {}", field.label, value.text));
        }
        if fields.is_empty() {
            let (label, value) = (&record.fields[0].label, self.check(&record.fields[0].ty, depth));
            konst = value.konst;
            fields.push(format!("{label}: {}", value.text));
        }
        Ex::new(format!("{{ {} }}", fields.join(", ")), TIGHT, ty).konst(konst)
    }

    /// Returns true when a value made part by part says its type.
    pub(super) fn infers_parts(&self, ty: &Ty) -> bool {
        match ty.kind() {
            Kind::Option(_) | Kind::Tuple(_) | Kind::List { max: None, .. } | Kind::Map { .. } => true,
            Kind::Variant(variant) => variant.cases.iter().any(|case| self.is_known_by(&case.label, ty)),
            Kind::Record(_) => self.is_only_record(ty),
            _ => false,
        }
    }

    pub(super) fn parts_inferred(&mut self, ty: &Ty, depth: u32) -> Ex {
        match ty.kind() {
            Kind::Option(item) => {
                let item = self.infer(item, depth);
                Ex::new(format!("Some({})", item.text), TIGHT, ty).konst(item.konst)
            }
            Kind::Tuple(items) => {
                let items: Vec<Ex> = items.iter().map(|item| self.infer(item, depth)).collect();
                Ex::new(format!("({})", joined(&items)), TIGHT, ty).konst(all_konst(&items))
            }
            Kind::List { item, .. } => {
                let mut items = vec![self.infer(item, depth)];
                for _ in 0..self.choices.index(3) {
                    items.push(self.check(item, depth));
                }
                Ex::new(format!("[{}]", joined(&items)), TIGHT, ty).konst(all_konst(&items))
            }
            Kind::Map { key, value } => {
                let (key, value) = (self.infer(key, depth), self.infer(value, depth));
                let konst = key.konst && value.konst;
                Ex::new(format!("[{}: {}]", key.text, value.text), TIGHT, ty).konst(konst)
            }
            Kind::Variant(variant) => {
                let cases = variant.cases.iter().filter(|case| self.is_known_by(&case.label, ty));
                let cases: Vec<_> = cases.cloned().collect();
                let case = self.choices.pick(&cases).clone();
                self.case_parts(&case.label, &case.payload, ty, depth)
            }
            _ => self.record_parts_all(ty, depth),
        }
    }

    /// Makes a record with all of its fields, as far as they say which record it is.
    fn record_parts_all(&mut self, ty: &Ty, depth: u32) -> Ex {
        let record = ty.as_record().expect("callers pass records").clone();
        let values: Vec<Ex> = record.fields.iter().map(|field| self.check(&field.ty, depth)).collect();
        let fields = record.fields.iter().zip(&values);
        let fields: Vec<_> =
            fields.map(|(field, value)| format!("{}: {}", field.label, value.text)).collect();
        Ex::new(format!("{{ {} }}", fields.join(", ")), TIGHT, ty).konst(all_konst(&values))
    }

    /// Returns true when a case of this name can be of no other declared type.
    fn is_known_by(&self, label: &str, ty: &Ty) -> bool {
        let with = |ty: &Ty| ty.as_variant().is_some_and(|variant| variant.index(label).is_some());
        let mut found = self.types.iter().map(|(_, ty)| ty).filter(|ty| with(ty));
        found.next() == Some(ty) && found.all(|other| other == ty)
    }

    /// Returns true when all fields of this record make no other declared record.
    fn is_only_record(&self, ty: &Ty) -> bool {
        let record = ty.as_record().expect("callers pass records");
        let fits = |other: &Ty| {
            other.as_record().is_some_and(|other| {
                record.fields.iter().all(|field| other.index(&field.label).is_some())
                    && other
                        .fields
                        .iter()
                        .all(|field| field.default.is_some() || record.index(&field.label).is_some())
            })
        };
        let mut found = self.types.iter().map(|(_, ty)| ty).filter(|ty| fits(ty));
        found.next() == Some(ty) && found.all(|other| other == ty)
    }

    /// Returns true when a constant says its type.
    fn infers(&self, value: &Value, ty: &Ty) -> bool {
        match (ty.kind(), value) {
            (Kind::Unit | Kind::Bool | Kind::Duration | Kind::Text { max: None }, _) => true,
            (Kind::Int { .. }, _) => *ty == Ty::int(),
            (Kind::Option(item), Value::Sum(Value::SOME_INDEX, held)) => self.infers(held, item),
            (Kind::Tuple(items), Value::Product(values)) => {
                items.iter().zip(values.iter()).all(|(item, value)| self.infers(value, item))
            }
            (Kind::List { item, max: None }, Value::List(items)) => {
                items.iter().next().is_some_and(|first| self.infers(first, item))
            }
            (Kind::Variant(variant), Value::Sum(case, _)) => {
                self.is_known_by(&variant.cases[*case as usize].label, ty)
            }
            (Kind::Record(_), _) => self.is_only_record(ty),
            _ => false,
        }
    }

    /// Returns what is at hand: variables, their fields, and what stands in those.
    pub(super) fn paths(&self) -> Vec<Ex> {
        let mut found = vec![];
        for (index, var) in self.vars.iter().enumerate() {
            if self.vars[index + 1..].iter().all(|later| later.name != var.name) {
                let path = Ex::new(var.name.clone(), TIGHT, &var.ty).konst(var.konst);
                add_paths(&mut found, path, 2);
            }
        }
        if self.handler {
            for (field, ty) in
                [("now", Ty::int()), ("seq", Ty::int()), ("self", Ty::text()), ("seed", Ty::int())]
            {
                found.push(Ex::new(format!("ctx.{field}"), TIGHT, &ty));
            }
        }
        found
    }

    /// Returns the variable that a name stands for.
    pub(super) fn visible(&self, name: &str) -> Option<&Var> {
        self.vars.iter().rev().find(|var| var.name == name)
    }

    /// Returns a type that is worth something here: of what is at hand, or declared.
    pub(super) fn pick_ty(&mut self) -> Ty {
        let paths = self.paths();
        match self.choices.weighted(&[3, some(&paths, 6), 3]) {
            0 => self.choices.pick(&[Ty::int(), Ty::bool(), Ty::text(), Ty::duration()]).clone(),
            1 => self.choices.pick(&paths).ty.clone(),
            _ => {
                let index = self.choices.index(self.types.len());
                self.types[index].1.clone()
            }
        }
    }
}

fn add_paths(found: &mut Vec<Ex>, path: Ex, depth: u32) {
    if depth > 0 {
        let members: Vec<(String, Ty)> = match path.ty.kind() {
            Kind::Record(record) => {
                record.fields.iter().map(|field| (field.label.to_string(), field.ty.clone())).collect()
            }
            Kind::Tuple(items) => {
                items.iter().enumerate().map(|(index, ty)| (index.to_string(), ty.clone())).collect()
            }
            _ => vec![],
        };
        found.push(path.clone());
        for (label, ty) in members {
            let member = Ex::new(format!("{}.{label}", path.text), TIGHT, &ty).konst(path.konst);
            add_paths(found, member, depth - 1);
        }
    } else {
        found.push(path);
    }
}

/// Returns a value as it is written.
pub(super) fn literal(value: &Value, ty: &Ty) -> Ex {
    let text = value.to_source(ty);
    let tight = if text.starts_with('-') { PREFIXED } else { TIGHT };
    Ex::new(text, tight, ty).konst(true)
}
