//! Changing the state at the end of a step, and back.

use triomphe::Arc as Node;

use super::code::{Arg, Commit, Ints, Store};
use super::exec::{File, Params};
use crate::value::Value;

/// How to take back one change of the state.
#[derive(Debug)]
pub(super) enum Undo<'c> {
    /// What a member of the state was.
    Member(u16, Value),
    /// What stood at a path.
    Set { path: &'c [u32], old: Value },
    /// What a map at a path had for a key.
    Entry { path: &'c [u32], key: Value, old: Option<Value> },
}

/// Makes all changes. They are of different parts of the state, but for the entries of one map, which
/// stand in order.
#[inline]
pub(super) fn apply(file: &mut File<'_, '_>, params: Params<'_>, commit: &Commit, state: &mut Value) {
    set_ints(file.words, &commit.ints, state);
    for store in &commit.stores {
        match store {
            Store::Set { path, arg: Arg::Int(word) } => set_int(reach(state, path), file.word(*word)),
            Store::Set { path, arg } => file.put(params, arg, reach(state, path)),
            Store::Entry { path, key: Arg::Int(key), value: Some(Arg::Int(value)) } => {
                let Value::Map(map) = reach(state, path) else { unreachable!("entries are set in maps") };
                let (key, value) = (file.word(*key), file.word(*value));
                match map.get_int_mut(key) {
                    Some(place) => set_int(place, value),
                    None => drop(map.insert(Value::Int(key), Value::Int(value))),
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

/// Sets the Ints that words hold.
#[inline(always)]
pub(super) fn set_ints(words: &[i64], ints: &Ints, state: &mut Value) {
    match ints {
        Ints::State(word) => set_int(state, words[*word as usize]),
        Ints::Members(ints) if ints.is_empty() => {}
        Ints::Members(ints) => {
            let members = own(state);
            for (member, word) in ints {
                set_int(&mut members[*member as usize], words[*word as usize]);
            }
        }
    }
}

/// Sets an Int; where one stands already nothing has to be dropped.
#[inline]
fn set_int(place: &mut Value, new: i64) {
    match place {
        Value::Int(int) => *int = new,
        other => *other = Value::Int(new),
    }
}

/// Makes all changes; returns how to take them back.
pub(super) fn apply_noting<'c>(
    file: &mut File<'_, '_>,
    params: Params<'_>,
    commit: &'c Commit,
    state: &mut Value,
) -> Vec<Undo<'c>> {
    let mut undo = vec![];
    match &commit.ints {
        Ints::State(word) => {
            let old = std::mem::replace(state, Value::Int(file.word(*word)));
            undo.push(Undo::Set { path: &[], old });
        }
        Ints::Members(ints) => {
            for (member, word) in ints {
                let place = &mut own(state)[*member as usize];
                undo.push(Undo::Member(*member, std::mem::replace(place, Value::Int(file.word(*word)))));
            }
        }
    }
    for store in &commit.stores {
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
            Undo::Member(member, old) => own(state)[member as usize] = old,
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

/// Returns what stands at a path of members, to be changed.
#[inline]
fn reach<'s>(mut state: &'s mut Value, path: &[u32]) -> &'s mut Value {
    for index in path {
        state = &mut own(state)[*index as usize];
    }
    state
}

/// Returns the members of a product, to be changed. They are copied if somebody else holds them too.
#[inline]
fn own(product: &mut Value) -> &mut [Value] {
    let Value::Product(members) = product else { unreachable!("a path leads through products") };
    if !members.is_unique() {
        *members = members.iter().cloned().collect();
    }
    Node::get_mut(members).expect("it was made unique")
}
