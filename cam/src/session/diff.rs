//! What changed between two values of one type, part by part.

use crate::ty::{Kind, Ty};
use crate::value::Value;

/// A part of a value that is another than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it is, as it would be written: `state.items["nut"].count`.
    pub path: String,
    /// What it was, as source text; `None` when it was not there.
    pub before: Option<String>,
    /// What it is; `None` when it is gone.
    pub after: Option<String>,
}

/// Returns the least parts that differ, in order. Lists are compared from their start.
pub fn changes(root: &str, ty: &Ty, before: &Value, after: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    walk(&mut found, root, ty, before, after);
    found
}

fn walk(found: &mut Vec<Change>, path: &str, ty: &Ty, before: &Value, after: &Value) {
    if before == after {
        return;
    }
    match (ty.kind(), before, after) {
        (Kind::Record(record), Value::Product(old), Value::Product(new)) => {
            for (index, field) in record.in_declared_order() {
                walk(found, &format!("{path}.{}", field.label), &field.ty, &old[index], &new[index]);
            }
        }
        (Kind::Tuple(types), Value::Product(old), Value::Product(new)) => {
            for (index, ty) in types.iter().enumerate() {
                walk(found, &format!("{path}.{index}"), ty, &old[index], &new[index]);
            }
        }
        (Kind::Map { key, value }, Value::Map(old), Value::Map(new)) => {
            // Both are in key order; so is what comes out.
            let keys = old.keys().chain(new.keys().filter(|key| old.get(key).is_none()));
            let mut keys: Vec<_> = keys.collect();
            keys.sort();
            for k in keys {
                let path = format!("{path}[{}]", k.to_source(key));
                part(found, &path, value, old.get(&k), new.get(&k));
            }
        }
        (Kind::List { item, .. }, Value::List(old), Value::List(new)) => {
            for index in 0..old.len().max(new.len()) {
                part(found, &format!("{path}[{index}]"), item, old.get(index), new.get(index));
            }
        }
        _ => part_whole(found, path, ty, Some(before), Some(after)),
    }
}

fn part(found: &mut Vec<Change>, path: &str, ty: &Ty, before: Option<&Value>, after: Option<&Value>) {
    match (before, after) {
        (Some(before), Some(after)) => walk(found, path, ty, before, after),
        _ => part_whole(found, path, ty, before, after),
    }
}

fn part_whole(found: &mut Vec<Change>, path: &str, ty: &Ty, before: Option<&Value>, after: Option<&Value>) {
    let shown = |value: Option<&Value>| value.map(|value| value.to_source(ty));
    found.push(Change { path: path.to_owned(), before: shown(before), after: shown(after) });
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => write!(f, "{}: {before} -> {after}", self.path),
            (None, Some(after)) => write!(f, "{}: new, {after}", self.path),
            (Some(before), None) => write!(f, "{}: gone, was {before}", self.path),
            (None, None) => f.write_str(&self.path),
        }
    }
}
