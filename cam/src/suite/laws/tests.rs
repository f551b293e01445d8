//! Each law is found broken where it is, by a small case, and kept where it holds.

use super::*;
use crate::compile;
use crate::diagnostic::Source;
use crate::verify::verify;

fn machine(text: &str, before: Option<&VerifiedMachine>) -> VerifiedMachine {
    let source = Source::new("m.cam", format!("machine m\n{text}"));
    let module = compile::machine(&source, before.map(VerifiedMachine::module));
    let module = module.unwrap_or_else(|faults| panic!("{faults:?}"));
    verify(module).expect("it verifies").into_machine().expect("a machine")
}

/// Does something with the edge between two machines.
fn with_ends<T>(old: &str, new: &str, migration: &str, does: impl FnOnce(Ends<'_>) -> T) -> T {
    let old = machine(old, None);
    let new = machine(new, Some(&old));
    let source = Source::new("m.cam", format!("migration m from \"1.0.0\"\n{migration}\n"));
    let written = (!migration.is_empty()).then_some(&source);
    let module = compile::edge(&old, &new, written).unwrap_or_else(|faults| panic!("{faults:?}"));
    let edge = verify(module).expect("it verifies").into_edge().expect("an edge");
    let unit = Value::Unit;
    does(Ends { old: &old, old_config: &unit, new: &new, new_config: &unit, edge: &edge })
}

/// Holds the edge between two machines against the laws.
fn held(old: &str, new: &str, migration: &str, exact: bool, preserves: bool) -> Result<Kept, Box<Broken>> {
    let options = LawOptions { seed: 0, cases: 200, exact, preserves };
    with_ends(old, new, migration, |ends| check(ends, options))
}

fn broken(old: &str, new: &str, migration: &str, exact: bool, preserves: bool) -> Broken {
    *held(old, new, migration, exact, preserves).expect_err("a law is broken")
}

const COUNTER: &str = "type State = { n: Int }\ntype Input = Add(Int(0..=9)) | Get\ntype Output = Ok | Sum(Int)\n\
    init = { n: 0 }\non Add(by) => ({ n: state.n + by }, Ok)\non Get => (state, Sum(state.n))\n";

fn pair(body: &str) -> String {
    COUNTER
        .replace("{ n: Int }", "{ n: Int, twice: Int }")
        .replace("{ n: 0 }", "{ n: 0, twice: 0 }")
        .replace("{ n: state.n + by }", body)
}

#[test]
fn a_way_down_that_does_not_undo_the_way_up_is_shown_by_the_smallest_state() {
    let new = pair("{ ..state, n: state.n + by }");
    let wrong = "up (old) = { n: old.n, twice: 2 * (old.n % 1_000) }\n\
                 down (new) = { n: if new.n > 41 { 0 } else { new.n } }";
    let found = broken(COUNTER, &new, wrong, false, false);
    assert_eq!((found.law, &*found.state), (Law::Back, "{ n: 42 }"));
    assert_eq!(found.expected, ("s".to_owned(), "{ n: 42 }".to_owned()));
    assert_eq!(found.found, ("down(up s)".to_owned(), "{ n: 0 }".to_owned()));
    let right = wrong.replace("if new.n > 41 { 0 } else { new.n }", "new.n");
    let kept = held(COUNTER, &new, &right, false, false).expect("it keeps the laws");
    assert_eq!((kept.states, kept.stuck), (200, 0));
}

#[test]
fn a_way_up_that_does_not_undo_the_way_down_is_shown_with_the_steps_between() {
    // What was counted since is lost on the way down, which only the second law can see.
    let new = pair("{ n: state.n + by, twice: state.twice + 1 }");
    let wrong =
        "up (old) = { n: old.n, twice: 0 }\ndown (new) = { n: if new.twice > 0 { 7 } else { new.n } }";
    let found = broken(COUNTER, &new, wrong, true, false);
    assert_eq!((found.law, &*found.state), (Law::Forth, "{ n: 0 }"));
    assert_eq!(found.inputs, ["Add(0)"]);
    assert_eq!(found.expected.1, "{ n: 0, twice: 1 }");
    assert_eq!(found.found.1, "{ n: 7, twice: 0 }");
    // Derived, and exact but for what is only new.
    let derived = new.replace("twice: Int }", "twice: Int = 0 }");
    let kept = held(COUNTER, &derived, "", false, false).expect("it keeps the laws");
    assert_eq!((kept.states, kept.stuck, kept.example), (200, 0, None));
    let forgets = broken(COUNTER, &derived, "", true, false);
    assert_eq!(forgets.law, Law::Forth, "what is only new does not come back");
}

#[test]
fn behaviour_that_changed_is_shown_by_input_and_answer() {
    let other = COUNTER.replace("Sum(state.n)", "Sum(if state.n == 4 { 5 } else { state.n })");
    let found = broken(COUNTER, &other, "", true, true);
    assert_eq!((found.law, &*found.state), (Law::Behaviour, "{ n: 4 }"));
    assert_eq!(found.inputs, ["Get"]);
    assert_eq!(found.expected, ("the answer".to_owned(), "Sum(4)".to_owned()));
    assert_eq!(found.found, ("the answer".to_owned(), "Sum(5)".to_owned()));
    held(COUNTER, &other, "", true, false).expect("nobody said that it is preserved");

    let next = COUNTER.replace("state.n + by }", "state.n + by + by / 9 }");
    let found = broken(COUNTER, &next, "", true, true);
    assert_eq!((&*found.inputs, &*found.expected.0), (&["Add(9)".to_owned()][..], "the next state"));

    let logs =
        COUNTER.replace("on Get => (state, Sum(state.n))", "on Get { log \"asked\"; (state, Sum(state.n)) }");
    let found = broken(COUNTER, &logs, "", true, true);
    assert_eq!(found.found, ("the effects".to_owned(), "log \"asked\"".to_owned()));

    // A timer's input is compared as the new machine takes it.
    let timed = |by: &str| {
        let more = "internal Due { by: Int }\ntype Output";
        let text = COUNTER.replace("Get\ntype Output", &format!("Get | {more}"));
        let text = text.replace(
            "on Add(by) =>",
            &format!(
                "on Due {{ by }} => {{ n: by }}\non Add(by) {{ timer \"t\" after 1m => Due {{ by: {by} }};"
            ),
        );
        text.replace("({ n: state.n + by }, Ok)", "({ n: state.n + by }, Ok) }")
    };
    held(&timed("by"), &timed("by + 0"), "", true, true).expect("the same timer");
    let found = broken(&timed("by"), &timed("by + 1"), "", true, true);
    assert_eq!(found.expected.0, "the effects");
    assert_eq!(found.expected.1, "timer \"t\" after 60000ms => Due { by: 0 }");
    assert_eq!(found.found.1, "timer \"t\" after 60000ms => Due { by: 1 }");

    let same = COUNTER.replace("state.n + by", "by + state.n");
    let kept = held(COUNTER, &same, "", true, true).expect("it does the same");
    assert_eq!(kept.states, 200);
}

#[test]
fn what_was_kept_aside_makes_the_first_law_hold() {
    let old = "type State = { n: Int, note: Text }\ntype Input = Set { n: Int, note: Text }\n\
               init = { n: 0, note: \"\" }\non Set { n, note } => ({ n, note }, ())\n";
    let new = "type State = { n: Int }\ntype Input = Set { n: Int, note: Text }\n\
               init = { n: 0 }\non Set { n, note } => ({ n }, ())\n";
    let kept = held(old, new, "drop State.note", true, false).expect("it is put back");
    assert_eq!((kept.states, kept.stuck), (200, 0));
}

#[test]
fn states_without_a_way_are_counted_and_shown_small() {
    let new = COUNTER
        .replace("{ n: Int }", "{ n: Int(0..=99) }")
        .replace("n: state.n + by", "n: (state.n + by) % 100");
    let kept = held(COUNTER, &new, "up (old) = { n: old.n }", false, false).expect("no law is broken");
    assert!(kept.stuck > 0 && kept.stuck < kept.states, "{kept:?}");
    let example = kept.example.expect("one of them");
    assert_eq!((example.arrow, &*example.reason), ("up", "value outside the limits of its type"));
    assert_eq!(example.state, "{ n: 100 }");
    // An invariant that only the new machine has.
    let strict = format!("{COUNTER}invariant \"small\" = state.n < 30\n");
    let kept = held(COUNTER, &strict, "", true, false).expect("no law is broken");
    let example = kept.example.expect("one of them");
    assert_eq!((example.arrow, &*example.state), ("invariant", "{ n: 30 }"));
}

/// What no first state shows: from a live one, inputs lead to a state that does not survive the way down and up again.
#[test]
fn a_live_state_is_held_against_the_second_law_after_inputs_that_follow_from_the_seed() {
    let new = pair("{ ..state, n: state.n + by }");
    let lossy =
        "up (old) = { n: if old.n > 5 { old.n + 1 } else { old.n }, twice: 0 }\ndown (new) = { n: new.n }";
    let state = Value::product([Value::Int(3)]);
    with_ends(COUNTER, &new, lossy, |ends| {
        let apart = check_forth(ends, false, &state, 7).expect_err("it is not the same");
        assert!(apart.older && !apart.inputs.is_empty(), "{apart:?}");
        assert_eq!(apart.words(), ("down s'", "down(up(down s'))"));
        assert_ne!(apart.expected, apart.found);
        assert_eq!(check_forth(ends, false, &state, 7), Err(apart), "the same seed, the same inputs");
    });
    let good = "up (old) = { n: old.n, twice: 0 }\ndown (new) = { n: new.n }";
    with_ends(COUNTER, &new, good, |ends| assert_eq!(check_forth(ends, true, &state, 7), Ok(())));
}
