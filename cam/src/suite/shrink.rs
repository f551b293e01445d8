//! Smaller values: what a person would rather look at.
//!
//! Every candidate is nearer to the simplest value of its type than the value that it comes from,
//! so that taking one after another ends.

use crate::ty::{Kind, Ty};
use crate::value::Value;

/// How many items of a list are tried one by one.
const SINGLES_MAX: usize = 24;

/// Returns simpler values of the type, the simplest first. `internal`: the cases of `input` that
/// no candidate may turn to.
pub(super) fn simpler(ty: &Ty, value: &Value, input: &Ty, internal: &[bool]) -> Vec<Value> {
    let mut found = Shrink { input, internal }.simpler(ty, value);
    found.retain(|candidate| candidate != value && candidate.has_type(ty));
    found
}

struct Shrink<'t> {
    input: &'t Ty,
    internal: &'t [bool],
}

impl Shrink<'_> {
    fn simpler(&self, ty: &Ty, value: &Value) -> Vec<Value> {
        match (ty.unsealed().kind(), value) {
            (Kind::Bool, Value::Bool(true)) => vec![Value::Bool(false)],
            (Kind::Int { lo, hi }, Value::Int(int)) => ints(*int, 0i64.clamp(*lo, *hi)),
            (Kind::Duration, Value::Int(ms)) => durations(*ms),
            (Kind::Text { .. }, Value::Text(text)) => texts(text),
            (Kind::Bytes { .. }, Value::Bytes(bytes)) => {
                shorter(bytes).into_iter().map(|bytes| Value::Bytes(bytes.into())).collect()
            }
            (Kind::Option(item), Value::Sum(Value::SOME_INDEX, payload)) => {
                let within = self.simpler(item, payload).into_iter().map(Value::some);
                std::iter::once(Value::none()).chain(within).collect()
            }
            (Kind::List { item, .. }, Value::List(list)) => {
                let items: Vec<Value> = list.iter().cloned().collect();
                let mut found: Vec<Value> = shorter(&items).into_iter().map(Value::list).collect();
                found.extend(self.each(&items, |_| item).into_iter().map(Value::list));
                found
            }
            (Kind::Map { value: ty, key }, Value::Map(map)) => {
                let entries: Vec<(Value, Value)> =
                    map.iter().map(|(key, value)| (key.into_owned(), value.clone())).collect();
                let mut found: Vec<Value> = shorter(&entries).into_iter().map(Value::map).collect();
                for (index, (one, held)) in entries.iter().enumerate().take(SINGLES_MAX) {
                    let keys = self.simpler(key, one).into_iter().map(|key| (key, held.clone()));
                    let values = self.simpler(ty, held).into_iter().map(|held| (one.clone(), held));
                    for entry in keys.chain(values) {
                        let mut entries = entries.clone();
                        entries[index] = entry;
                        found.push(Value::map(entries));
                    }
                }
                found
            }
            (Kind::Tuple(types), Value::Product(parts)) => {
                self.each(parts, |index| &types[index]).into_iter().map(Value::product).collect()
            }
            (Kind::Record(record), Value::Product(parts)) => {
                let fields = &record.fields;
                self.each(parts, |index| &fields[index].ty).into_iter().map(Value::product).collect()
            }
            (Kind::Variant(variant), Value::Sum(case, payload)) => {
                let current = *case as usize;
                let allowed = |case: usize| *ty != *self.input || !self.internal[case];
                let bare = (0..current)
                    .filter(|case| {
                        allowed(*case) && matches!(variant.cases[*case].payload.kind(), Kind::Unit)
                    })
                    .map(|case| Value::sum(case, Value::Unit));
                let within = self.simpler(&variant.cases[current].payload, payload);
                bare.chain(within.into_iter().map(|payload| Value::sum(current, payload))).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the lists in which one item is simpler.
    fn each<'t>(&self, items: &[Value], ty: impl Fn(usize) -> &'t Ty) -> Vec<Vec<Value>> {
        let mut found = Vec::new();
        for (index, item) in items.iter().enumerate().take(SINGLES_MAX) {
            for simpler in self.simpler(ty(index), item) {
                let mut items = items.to_vec();
                items[index] = simpler;
                found.push(items);
            }
        }
        found
    }
}

/// Returns numbers nearer to `goal`: by halving the way, then by one.
fn ints(int: i64, goal: i64) -> Vec<Value> {
    let mut found = Vec::new();
    let away = i128::from(int) - i128::from(goal);
    let mut step = away;
    while step != 0 && found.len() < 70 {
        found.push(i128::from(int) - step);
        step /= 2;
    }
    // A sign less says more than a digit less.
    if int < 0 {
        found.insert(found.len().min(1), -i128::from(int));
    }
    let near = |candidate: &i128| {
        let closer = (candidate - i128::from(goal)).abs() < away.abs();
        closer || (int < 0 && *candidate == -i128::from(int))
    };
    found.into_iter().filter(near).filter_map(|int| i64::try_from(int).ok()).map(Value::Int).collect()
}

/// Returns shorter durations: in whole units first.
fn durations(ms: i64) -> Vec<Value> {
    let rounded = [86_400_000, 3_600_000, 60_000, 1_000].into_iter().map(|unit| ms - ms % unit);
    let rounded = rounded.filter(|round| *round != ms && *round != 0).map(Value::Int);
    let plain = ints(ms, 0);
    let first = plain.first().cloned().into_iter();
    first.chain(rounded).chain(plain.into_iter().skip(1)).collect()
}

fn texts(text: &str) -> Vec<Value> {
    let letters: Vec<char> = text.chars().collect();
    let mut found = shorter(&letters);
    for index in (0..letters.len()).filter(|index| letters[*index] != 'a').take(SINGLES_MAX) {
        let mut letters = letters.clone();
        letters[index] = 'a';
        found.push(letters);
    }
    found.into_iter().map(|letters| Value::text(&letters.into_iter().collect::<String>())).collect()
}

/// Returns the list without parts of it: without all, without halves, quarters, ..., single items.
pub(super) fn shorter<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    let mut found = Vec::new();
    let mut length = items.len();
    while length > 0 {
        let starts = (0..items.len()).step_by(length);
        for start in starts.take(SINGLES_MAX.max(items.len() / length + 1)) {
            let end = (start + length).min(items.len());
            found.push([&items[..start], &items[end..]].concat());
        }
        length /= 2;
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::any_typed_value;

    fn unit_input() -> Ty {
        Ty::unit()
    }

    #[test]
    fn numbers_go_to_the_nearest_end_and_texts_to_nothing() {
        let ty = Ty::new(Kind::Int { lo: 5, hi: 100 }).unwrap();
        let found = simpler(&ty, &Value::Int(20), &unit_input(), &[]);
        assert_eq!(found, [5, 13, 17, 19].map(Value::Int));
        assert_eq!(simpler(&Ty::int(), &Value::Int(-3), &unit_input(), &[]), [0, 3, -2].map(Value::Int));
        assert_eq!(simpler(&Ty::text(), &Value::text("x"), &unit_input(), &[]), ["", "a"].map(Value::text));
        let least = simpler(&Ty::int(), &Value::Int(i64::MIN), &unit_input(), &[]);
        assert_eq!(least[0], Value::Int(0));
    }

    #[test]
    fn a_case_turns_to_earlier_ones_but_not_to_internal_ones() {
        let case = |label: &str, ordinal, payload| crate::ty::Case { label: label.into(), ordinal, payload };
        let cases = vec![case("A", 0, Ty::unit()), case("B", 1, Ty::unit()), case("C", 2, Ty::bool())];
        let ty = Ty::new(Kind::Variant(crate::ty::Variant { cases })).unwrap();
        let value = Value::sum(2, Value::Bool(true));
        let expected = [Value::sum(1, Value::Unit), Value::sum(2, Value::Bool(false))];
        assert_eq!(simpler(&ty, &value, &ty, &[true, false, false]), expected);
    }

    proptest! {
        /// Taking the first candidate again and again ends, and never leaves the type.
        #[test]
        fn shrinking_ends((ty, value) in any_typed_value(), choices in proptest::collection::vec(0..3usize, 64)) {
            let mut value = value;
            let mut steps = 0usize;
            loop {
                let candidates = simpler(&ty, &value, &unit_input(), &[]);
                let Some(last) = candidates.len().checked_sub(1) else { break };
                prop_assert!(candidates.iter().all(|candidate| candidate.has_type(&ty)));
                let choice = choices[steps % choices.len()];
                value = candidates[[0, last / 2, last][choice].min(last)].clone();
                steps += 1;
                prop_assert!(steps < 20_000, "no end at {value:?}");
            }
        }
    }
}
