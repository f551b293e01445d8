//! Where two values differ: the paths to the parts, not the whole.

use crate::ty::{Kind, Ty};
use crate::value::Value;

/// How many differences are listed. More say no more.
const LISTED_MAX: usize = 8;

/// A part that differs: the way to it, and what stands there on either side, if anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// `.items["nut"].count`; empty for the whole.
    pub(super) path: String,
    pub(super) left: Option<String>,
    pub(super) right: Option<String>,
}

/// Returns the parts in which two values of a type differ, in their order.
pub(super) fn differences(ty: &Ty, left: &Value, right: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(&mut found, "", ty, left, right);
    found.truncate(LISTED_MAX);
    found
}

fn walk(found: &mut Vec<Difference>, path: &str, ty: &Ty, left: &Value, right: &Value) {
    if left == right || found.len() > LISTED_MAX {
        return;
    }
    match (ty.unsealed().kind(), left, right) {
        (Kind::Record(record), Value::Product(lefts), Value::Product(rights)) => {
            for (index, field) in record.in_declared_order() {
                walk(found, &format!("{path}.{}", field.label), &field.ty, &lefts[index], &rights[index]);
            }
        }
        (Kind::Tuple(types), Value::Product(lefts), Value::Product(rights)) => {
            for (index, ty) in types.iter().enumerate() {
                walk(found, &format!("{path}.{index}"), ty, &lefts[index], &rights[index]);
            }
        }
        (Kind::Map { key, value }, Value::Map(lefts), Value::Map(rights)) => {
            let keys = lefts.keys().chain(rights.keys().filter(|key| lefts.get(key).is_none()));
            for one in keys {
                let path = format!("{path}[{}]", one.to_source(key));
                side_by_side(found, &path, value, lefts.get(&one), rights.get(&one));
            }
        }
        (Kind::List { item, .. }, Value::List(lefts), Value::List(rights)) => {
            for index in 0..lefts.len().max(rights.len()) {
                side_by_side(found, &format!("{path}[{index}]"), item, lefts.get(index), rights.get(index));
            }
        }
        // The same case with another payload differs within it.
        (Kind::Variant(variant), Value::Sum(case, left), Value::Sum(other, right)) if case == other => {
            let case = &variant.cases[*case as usize];
            walk(found, &format!("{path}.{}", case.label), &case.payload, left, right);
        }
        (Kind::Option(item), Value::Sum(case, left), Value::Sum(other, right)) if case == other => {
            walk(found, &format!("{path}.Some"), item, left, right);
        }
        _ => found.push(Difference {
            path: path.to_owned(),
            left: Some(left.to_source(ty)),
            right: Some(right.to_source(ty)),
        }),
    }
}

fn side_by_side(
    found: &mut Vec<Difference>,
    path: &str,
    ty: &Ty,
    left: Option<&Value>,
    right: Option<&Value>,
) {
    match (left, right) {
        (Some(left), Some(right)) => walk(found, path, ty, left, right),
        (left, right) => found.push(Difference {
            path: path.to_owned(),
            left: left.map(|value| value.to_source(ty)),
            right: right.map(|value| value.to_source(ty)),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(ty: &Ty, left: &Value, right: &Value) -> Vec<String> {
        let shown = |side: Option<String>| side.unwrap_or_else(|| "-".to_owned());
        let line = |one: Difference| format!("{}: {} {}", one.path, shown(one.left), shown(one.right));
        differences(ty, left, right).into_iter().map(line).collect()
    }

    #[test]
    fn parts_that_differ_are_named_and_others_are_not() {
        let pair = Ty::new(Kind::Tuple(vec![Ty::int(), Ty::option(Ty::int()).unwrap()])).unwrap();
        let map = Ty::new(Kind::Map { key: Ty::text(), value: pair }).unwrap();
        let pair = |a, b| Value::product([Value::Int(a), b]);
        let left = Value::map([
            (Value::text("a"), pair(1, Value::some(Value::Int(2)))),
            (Value::text("b"), pair(3, Value::none())),
            (Value::text("c"), pair(4, Value::none())),
        ]);
        let right = Value::map([
            (Value::text("a"), pair(1, Value::some(Value::Int(5)))),
            (Value::text("b"), pair(3, Value::none())),
            (Value::text("d"), pair(4, Value::none())),
        ]);
        let expected = ["[\"a\"].1.Some: 2 5", "[\"c\"]: (4, None) -", "[\"d\"]: - (4, None)"];
        assert_eq!(texts(&map, &left, &right), expected);
        assert_eq!(texts(&map, &left, &left), [""; 0]);
    }

    #[test]
    fn long_lists_of_differences_end() {
        let ty = Ty::list(Ty::int()).unwrap();
        let left = Value::list((0..100).map(Value::Int));
        assert_eq!(differences(&ty, &left, &Value::list([])).len(), LISTED_MAX);
    }
}
