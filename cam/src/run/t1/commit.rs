//! Changing the state at the end of a step, and back.

use triomphe::Arc as Node;

use super::code::{Arg, Store};
use super::exec::{File, Params};
use crate::value::Value;

/// How to take back one change of the state.
#[derive(Debug)]
pub(super) enum Undo<'c> {
    /// What stood at a path.
    Set { path: &'c [u32], old: Value },
    /// What a map at a path had for a key.
    Entry { path: &'c [u32], key: Value, old: Option<Value> },
}

/// Makes all changes, in order.
#[inline]
pub(super) fn apply(file: &mut File<'_, '_>, params: Params<'_>, stores: &[Store], state: &mut Value) {
    for store in stores {
        match store {
            Store::Set { path, arg } => {
                let place = reach(state, path);
                match (arg, &mut *place) {
                    // The commonest change: a number within a product.
                    (Arg::Int(word), Value::Int(int)) => *int = file.word(*word),
                    _ => file.put(params, arg, place),
                }
            }
            Store::Entry { path, key, value } => {
                let key = file.value(params, key);
                let value = value.as_ref().map(|value| file.value(params, value));
                put(reach(state, path), key, value);
            }
        }
    }
}

/// Makes all changes, in order; returns how to take them back.
pub(super) fn apply_noting<'c>(
    file: &mut File<'_, '_>,
    params: Params<'_>,
    stores: &'c [Store],
    state: &mut Value,
) -> Vec<Undo<'c>> {
    let mut undo = vec![];
    for store in stores {
        match store {
            Store::Set { path, arg } => {
                let new = file.value(params, arg);
                undo.push(Undo::Set { path, old: std::mem::replace(reach(state, path), new) });
            }
            Store::Entry { path, key, value } => {
                let key = file.value(params, key);
                let value = value.as_ref().map(|value| file.value(params, value));
                let noted = key.clone();
                let old = put(reach(state, path), key, value);
                undo.push(Undo::Entry { path, key: noted, old });
            }
        }
    }
    undo
}

/// Takes the changes back, the last one first.
pub(super) fn undo(state: &mut Value, undo: Vec<Undo<'_>>) {
    for change in undo.into_iter().rev() {
        match change {
            Undo::Set { path, old } => *reach(state, path) = old,
            Undo::Entry { path, key, old } => {
                put(reach(state, path), key, old);
            }
        }
    }
}

/// Sets a key or removes it; returns what was there.
fn put(map: &mut Value, key: Value, value: Option<Value>) -> Option<Value> {
    let Value::Map(map) = map else { unreachable!("entries are set in maps") };
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    }
}

/// Returns what stands at a path of members, to be changed. Products on the way that somebody else
/// holds too are copied.
#[inline]
fn reach<'s>(mut state: &'s mut Value, path: &[u32]) -> &'s mut Value {
    for index in path {
        let Value::Product(members) = state else { unreachable!("a path leads through products") };
        if !members.is_unique() {
            *members = members.iter().cloned().collect();
        }
        let own = Node::get_mut(members).expect("it was made unique");
        state = &mut own[*index as usize];
    }
    state
}
