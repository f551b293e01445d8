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

/// Makes all changes; returns true when one of them may have made a difference. They are of different
/// parts of the state, but for the entries of one map, which stand in order.
#[inline]
pub(super) fn apply(file: &mut File<'_, '_>, params: Params<'_>, commit: &Commit, state: &mut Value) -> bool {
    let mut changed = set_ints(file.words, &commit.ints, state);
    for store in &commit.stores {
        match store {
            Store::Set { path, arg: Arg::Int(word) } => {
                changed |= set_int(reach(state, path), file.word(*word));
            }
            Store::Set { path, arg } => {
                let place = reach(state, path);
                // Another clone of a part keeps it from being changed in place: plain ones have none.
                let old = is_plain(place).then(|| place.clone());
                file.put(params, arg, place);
                changed |= old.is_none_or(|old| may_differ(&old, place));
            }
            Store::Entry { path, key: Arg::Int(key), value: Some(Arg::Int(value)) } => {
                let Value::Map(map) = reach(state, path) else { unreachable!("entries are set in maps") };
                let (key, value) = (file.word(*key), file.word(*value));
                match map.get_int_mut(key) {
                    Some(place) => changed |= set_int(place, value),
                    None => {
                        changed = true;
                        map.insert(Value::Int(key), Value::Int(value));
                    }
                }
            }
            Store::Entry { path, key, value } => {
                let key = file.value(params, key);
                let value = value.as_ref().map(|value| file.value(params, value));
                let removes = value.is_none();
                let old = put(reach(state, path), key, value);
                // An absent key that is removed is the one case that is known to change nothing.
                changed |= !(removes && old.is_none());
            }
        }
    }
    changed
}

/// Returns true unless both are known to be the same, without walking through them.
pub(super) fn may_differ(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Unit, Value::Unit) => false,
        (Value::Bool(old), Value::Bool(new)) => old != new,
        (Value::Int(old), Value::Int(new)) => old != new,
        (Value::Text(old), Value::Text(new)) => old != new,
        (Value::Bytes(old), Value::Bytes(new)) => old != new,
        (Value::Product(old), Value::Product(new)) => {
            !Node::ptr_eq(old, new)
                && (old.len() != new.len()
                    || old.iter().zip(new.iter()).any(|(old, new)| may_differ(old, new)))
        }
        (Value::Sum(old, before), Value::Sum(new, after)) => old != new || may_differ(before, after),
        (Value::Map(old), Value::Map(new)) => !old.ptr_eq(new),
        _ => true,
    }
}

/// Returns true for what a clone costs nothing and nobody changes in place.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::Unit | Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Bytes(_) => true,
        Value::Sum(_, payload) => payload.is_unit(),
        Value::Product(_) | Value::List(_) | Value::Map(_) => false,
    }
}

/// Sets the Ints that words hold; returns true when one of them made a difference.
#[inline(always)]
pub(super) fn set_ints(words: &[i64], ints: &Ints, state: &mut Value) -> bool {
    match ints {
        Ints::State(word) => set_int(state, words[*word as usize]),
        Ints::Members(ints) if ints.is_empty() => false,
        Ints::Members(ints) => {
            let members = own(state);
            let mut changed = false;
            for (member, word) in ints {
                changed |= set_int(&mut members[*member as usize], words[*word as usize]);
            }
            changed
        }
    }
}

/// Sets an Int, and returns whether it made a difference; where one stands already nothing has to be
/// dropped.
#[inline]
fn set_int(place: &mut Value, new: i64) -> bool {
    match place {
        Value::Int(int) => {
            let changed = *int != new;
            *int = new;
            changed
        }
        other => {
            *other = Value::Int(new);
            true
        }
    }
}

impl Undo<'_> {
    /// Returns true unless this change is known to have made no difference.
    pub(super) fn may_differ(&self, state: &Value) -> bool {
        match self {
            Undo::Member(member, old) => match state {
                Value::Product(members) => may_differ(old, &members[*member as usize]),
                _ => true,
            },
            Undo::Set { path, old } => may_differ(old, look(state, path)),
            Undo::Entry { path, key, old } => {
                let Value::Map(map) = look(state, path) else { unreachable!("entries are set in maps") };
                old.is_some() || map.contains_key(key)
            }
        }
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

/// Returns what stands at a path of members.
fn look<'s>(mut state: &'s Value, path: &[u32]) -> &'s Value {
    for index in path {
        let Value::Product(members) = state else { unreachable!("a path leads through products") };
        state = &members[*index as usize];
    }
    state
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
