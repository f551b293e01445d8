//! Two versions of a machine: what is said of them.

use super::super::{Arrow, Comparison, DownClass, Edits, OutletWhat, Rule, Strictness, compare};
use crate::compile;
use crate::diagnostic::Source;
use crate::verify::{VerifiedMachine, verify};

const BASE: &str = "machine m
type Kind = A | B
type State = { n: Int(0..=9), kind: Kind = A }
type Reply = Ok | Sum(Int)
type Output = Ok | Sum(Int)
type Input = Add { n: Int(0..=9) } | Total | internal Tick
type Note = | Said
channel out = other/m(Note)
invariant \"small\" = state.n < 10
init = { n: 0 }
fn next(s: State, n: Int) -> State = { ..s, n: (s.n + n) % 10 }
on Add { n } => (next(state, n), Ok)
on Total { send out Said; (state, Sum(state.n)) }
on Tick => next(state, 1)
";

fn machine(text: &str, before: Option<&VerifiedMachine>) -> VerifiedMachine {
    let source = Source::new("m.cam", text);
    let module = compile::machine(&source, before.map(VerifiedMachine::module))
        .unwrap_or_else(|faults| panic!("{}\n{text}", faults[0].one_line()));
    verify(module).expect("the compiler's code verifies").into_machine().expect("it is a machine")
}

/// Compares the base with a version of it in which each text is replaced by another.
fn changed(edits: &[(&str, &str)]) -> Comparison {
    let mut text = BASE.to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let old = machine(BASE, None);
    compare(&old, &machine(&text, Some(&old)), &Edits::default())
}

fn rules(comparison: &Comparison, class: Strictness) -> Vec<(Arrow, Rule, String)> {
    let breaches = comparison.breaches(class).into_iter();
    breaches.map(|breach| (breach.arrow, breach.change.rule, breach.change.path)).collect()
}

fn otherwise(comparison: &Comparison) -> Vec<&str> {
    comparison.inputs.iter().filter(|input| input.acts_otherwise).map(|input| &*input.label).collect()
}

#[test]
fn another_text_of_the_same_code_is_the_same_machine() {
    let same = changed(&[
        ("next(", "after("),
        ("(s: State, n: Int)", "(was: State, n: Int)"),
        ("..s, n: (s.n", "..was, n: (was.n"),
    ]);
    assert!(same.is_same(), "{same:#?}");
    assert!(same.is_zero_touch());
    assert_eq!(same.down_class(), DownClass::D0);
    assert_eq!(rules(&same, Strictness::Frozen), []);
}

#[test]
fn inputs_that_may_act_otherwise_are_those_whose_code_or_callees_changed() {
    let one = changed(&[("(state, Sum(state.n))", "(state, Sum(state.n + 1))")]);
    assert_eq!(otherwise(&one), ["Total"]);
    let callee = changed(&[("% 10 }", "% 9 }")]);
    assert_eq!(otherwise(&callee), ["Add", "Tick"]);
    let elsewhere = changed(&[("other/m", "other/n")]);
    assert_eq!(otherwise(&elsewhere), ["Add", "Total", "Tick"], "what is sent goes elsewhere");
    assert!(matches!(&elsewhere.outlets[0].what, OutletWhat::Kept { moved: true, .. }));
    assert!(!changed(&[("init = { n: 0 }", "init = { n: 1 }")]).is_same());
}

#[test]
fn each_way_down_has_its_class() {
    let class = |edits: &[(&str, &str)]| {
        let comparison = changed(edits);
        (comparison.down_class(), comparison.is_zero_touch())
    };
    assert_eq!(class(&[("% 10 }", "% 9 }")]), (DownClass::D0, true), "code alone");
    let add = ("kind: Kind = A }", "kind: Kind = A, more: Int = 0 }");
    assert_eq!(class(&[add]), (DownClass::D1, false));
    assert_eq!(class(&[("type Kind = A | B", "type Kind = A | B | C")]), (DownClass::D2, true));
    assert_eq!(
        class(&[("{ n: Int(0..=9), kind", "{ n: Int(0..=99), kind")]),
        (DownClass::D2, true),
        "the invariant sees the same numbers"
    );
    assert_eq!(class(&[(", kind: Kind = A }", " }")]), (DownClass::D3, false));
    assert_eq!(class(&[("kind: Kind = A }", "kind: Text = \"\" }")]), (DownClass::D4, false));
}

#[test]
fn what_breaks_which_class() {
    let removed = [(", kind: Kind = A }", " }")];
    let lost = (Arrow::Up, Rule::FIELD_REMOVED, "State.kind".to_owned());
    assert_eq!(rules(&changed(&removed), Strictness::Wire), []);
    assert_eq!(rules(&changed(&removed), Strictness::State), [lost]);

    let default = [("kind: Kind = A }", "kind: Kind = B }")];
    let meaning = (Arrow::Up, Rule::DEFAULT_CHANGED, "State.kind".to_owned());
    assert_eq!(rules(&changed(&default), Strictness::State), []);
    assert_eq!(rules(&changed(&default), Strictness::History), [meaning]);

    let wider = [("type Kind = A | B", "type Kind = A | B | C")];
    let no_way_down = (Arrow::Down, Rule::CASE_ADDED, "State.kind.C".to_owned());
    assert_eq!(rules(&changed(&wider), Strictness::History), []);
    assert_eq!(rules(&changed(&wider), Strictness::Frozen), [no_way_down]);
}

#[test]
fn clients_are_broken_by_what_their_inputs_can_lead_to_and_no_more() {
    // A new answer to a new input is nobody's concern.
    let new = [
        ("type Output = Ok | Sum(Int)", "type Output = Ok | Sum(Int) | None2"),
        ("| Total |", "| Total | Ask |"),
        ("on Tick", "on Ask => (state, None2)\non Tick"),
    ];
    let comparison = changed(&new);
    assert_eq!(rules(&comparison, Strictness::Wire), []);
    assert_eq!(comparison.new_inputs.len(), 1);
    // The same answer to an old one is.
    let old =
        [("type Output = Ok | Sum(Int)", "type Output = Ok | Sum(Int) | None2"), ("Sum(state.n))", "None2)")];
    let answer = (Arrow::Lower, Rule::CASE_ADDED, "Output.None2".to_owned());
    assert_eq!(rules(&changed(&old), Strictness::Wire), [answer]);

    let gone = [("| Total |", "|"), ("on Total { send out Said; (state, Sum(state.n)) }\n", "")];
    let input = (Arrow::Lift, Rule::CASE_REMOVED, "Input.Total".to_owned());
    assert_eq!(rules(&changed(&gone), Strictness::Wire), [input]);
    let inside = [("| Total |", "| internal Total |"), ("(state, Sum(state.n)) }", "state }")];
    let input = (Arrow::Lift, Rule::DIRECTION, "Input.Total".to_owned());
    assert_eq!(rules(&changed(&inside), Strictness::Wire), [input]);
}

#[test]
fn channels_invariants_and_configuration_are_told() {
    let fewer = changed(&[("channel out = other/m(Note)\n", ""), ("send out Said; ", "")]);
    assert_eq!(fewer.outlets[0].what, OutletWhat::Gone);
    let more = changed(&[("invariant", "channel more = other/m(Note)\ninvariant")]);
    assert!(more.outlets.iter().any(|outlet| outlet.what == OutletWhat::New && &*outlet.name == "more"));
    let message = changed(&[("type Note = | Said", "type Note = Said | Cried")]);
    let OutletWhat::Kept { up, down, .. } = &message.outlets[0].what else { panic!("{message:#?}") };
    assert!(up.is_total() && !down.is_total());

    let invariant = changed(&[("state.n < 10", "state.n < 9")]);
    assert_eq!(invariant.other_invariants, ["small".into()]);
    let invariant = changed(&[("\"small\"", "\"tiny\"")]);
    assert_eq!(
        (invariant.new_invariants, invariant.old_invariants),
        (vec!["tiny".into()], vec!["small".into()])
    );

    let config = changed(&[("type Kind", "config { a: Int }\ntype Kind")]);
    assert_eq!(rules(&config, Strictness::Wire), [(Arrow::Config, Rule::UNIT, "config".to_owned())]);
}
