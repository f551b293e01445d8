//! Values as source text over several lines, where one is not enough.

use std::fmt::Write as _;

use super::Value;
use crate::ty::{Kind, Ty};

/// How far the members of a bracket that is broken over lines stand in.
const INDENT: usize = 2;

impl Value {
    /// Returns the value as source text. A bracket that does not fit a line of `width` characters,
    /// the first line beginning at column `column`, is broken into a line per member.
    ///
    /// # Panics
    ///
    /// When this is no value of the type, see [`Value::has_type`].
    pub fn to_source_lines(&self, ty: &Ty, column: usize, width: usize) -> String {
        let mut out = String::new();
        laid_out(&mut out, &doc(self, ty), 0, column, width);
        out
    }
}

/// A text, or parts between brackets.
enum Doc {
    Leaf(String),
    /// What stands before the bracket, the brackets, whether they have blanks inside, the members.
    Bracket(String, [char; 2], bool, Vec<Doc>),
    /// `before` and what follows it directly.
    Prefixed(String, Box<Doc>),
}

fn doc(value: &Value, ty: &Ty) -> Doc {
    match (ty.unsealed().kind(), value) {
        (Kind::Option(item), Value::Sum(Value::SOME_INDEX, payload)) => {
            Doc::Bracket("Some".to_owned(), ['(', ')'], false, vec![doc(payload, item)])
        }
        (Kind::List { item, .. }, Value::List(items)) => Doc::Bracket(
            String::new(),
            ['[', ']'],
            false,
            items.iter().map(|value| doc(value, item)).collect(),
        ),
        (Kind::Map { key, value }, Value::Map(map)) if !map.is_empty() => {
            let entries = map
                .iter()
                .map(|(k, v)| Doc::Prefixed(format!("{}: ", k.to_source(key)), Box::new(doc(v, value))));
            Doc::Bracket(String::new(), ['[', ']'], false, entries.collect())
        }
        (Kind::Tuple(items), Value::Product(values)) if items.len() == values.len() => {
            let members = items.iter().zip(values.iter()).map(|(ty, value)| doc(value, ty));
            Doc::Bracket(String::new(), ['(', ')'], false, members.collect())
        }
        (Kind::Record(record), Value::Product(values)) if record.fields.len() == values.len() => {
            let members = record.in_declared_order().map(|(index, field)| {
                Doc::Prefixed(format!("{}: ", field.label), Box::new(doc(&values[index], &field.ty)))
            });
            Doc::Bracket(String::new(), ['{', '}'], true, members.collect())
        }
        (Kind::Variant(variant), Value::Sum(index, payload)) if (*index as usize) < variant.cases.len() => {
            let case = &variant.cases[*index as usize];
            let label = case.label.to_string();
            match case.payload.kind() {
                Kind::Unit => Doc::Leaf(label),
                Kind::Record(_) => Doc::Prefixed(label + " ", Box::new(doc(payload, &case.payload))),
                _ => Doc::Bracket(label, ['(', ')'], false, vec![doc(payload, &case.payload)]),
            }
        }
        _ => Doc::Leaf(value.to_source(ty)),
    }
}

fn flat(out: &mut String, doc: &Doc) {
    match doc {
        Doc::Leaf(text) => out.push_str(text),
        Doc::Prefixed(before, rest) => {
            out.push_str(before);
            flat(out, rest);
        }
        Doc::Bracket(before, [open, close], blanks, members) => {
            out.push_str(before);
            out.push(*open);
            let blank = if *blanks && !members.is_empty() { " " } else { "" };
            out.push_str(blank);
            for (index, member) in members.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                flat(out, member);
            }
            out.push_str(blank);
            out.push(*close);
        }
    }
}

/// Writes a document whose lines are indented by `indent`, the first at column `column`.
fn laid_out(out: &mut String, doc: &Doc, indent: usize, column: usize, width: usize) {
    match doc {
        Doc::Leaf(text) => out.push_str(text),
        Doc::Prefixed(before, rest) => {
            out.push_str(before);
            laid_out(out, rest, indent, column + before.chars().count(), width);
        }
        Doc::Bracket(before, [open, close], _, members) => {
            let mut whole = String::new();
            flat(&mut whole, doc);
            if column + whole.chars().count() <= width || members.is_empty() {
                return out.push_str(&whole);
            }
            let _ = writeln!(out, "{before}{open}");
            for member in members {
                let indent = indent + INDENT;
                let _ = write!(out, "{:indent$}", "");
                laid_out(out, member, indent, indent, width);
                out.push_str(",\n");
            }
            let _ = write!(out, "{:indent$}{close}", "");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ty::{Field, Record};

    fn ty(kind: Kind) -> Ty {
        Ty::new(kind).expect("a good type")
    }

    fn record(fields: &[(&str, Ty)]) -> Ty {
        let fields = fields.iter().zip(0..).map(|((label, ty), ordinal)| Field {
            label: (*label).into(),
            ordinal,
            ty: ty.clone(),
            default: None,
        });
        let fields: Vec<Field> = fields.collect();
        let declared = (0..).take(fields.len()).collect();
        ty(Kind::Record(Record { fields, declared }))
    }

    #[test]
    fn what_does_not_fit_a_line_gets_a_line_per_member() {
        let items = ty(Kind::Map { key: Ty::text(), value: record(&[("a", Ty::int()), ("b", Ty::int())]) });
        let state = record(&[("items", items), ("total", Ty::int())]);
        let entry = |key: &str| (Value::text(key), Value::product([Value::Int(1), Value::Int(2)]));
        let value = Value::product([Value::map(["x", "y"].map(entry)), Value::Int(3)]);
        assert_eq!(
            value.to_source_lines(&state, 0, 30),
            "{\n  items: [\n    \"x\": { a: 1, b: 2 },\n    \"y\": { a: 1, b: 2 },\n  ],\n  total: 3,\n}"
        );
        assert_eq!(value.to_source_lines(&state, 0, 100), value.to_source(&state));
    }
}
