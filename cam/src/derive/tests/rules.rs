//! One case per rule: what it says both ways, a change near to it that falls under another, and what
//! generated values say to all of it.

use std::collections::BTreeSet;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::super::{Change, Edits, Effect, RULES, Rule, Verdict, Way, judge_way};
use super::edge;
use crate::compile;
use crate::diagnostic::Source;
use crate::evaluate;
use crate::run::{self, EdgeArrow, Limits};
use crate::testing::any_value;
use crate::ty::Ty;
use Effect::{Lost, Made, Open, Partial, Same};

/// The rules that are about more than two types.
const ELSEWHERE: [Rule; 5] = [Rule::RETIRED, Rule::OUTLET, Rule::INVARIANT, Rule::DIRECTION, Rule::CONFIG];

/// The rules that take types apart, or say that there is nothing to say: no change falls under them.
const SILENT: [Rule; 8] = [
    Rule::SAME,
    Rule::OPTION,
    Rule::LIST,
    Rule::MAP,
    Rule::TUPLE,
    Rule::FIELD_TYPE,
    Rule::PAYLOAD,
    Rule::TYPE_RENAMED,
];

struct Row {
    rule: Rule,
    old: &'static str,
    new: &'static str,
    /// Where the change is, below `T`.
    at: &'static str,
    forth: Effect,
    back: Effect,
    /// What the old type may become without this rule.
    near: &'static str,
}

const fn row(
    rule: Rule,
    old: &'static str,
    new: &'static str,
    (at, forth, back): (&'static str, Effect, Effect),
    near: &'static str,
) -> Row {
    Row { rule, old, new, at, forth, back, near }
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(Rule::WIDER, "Int(0..=9)", "Int(0..=99)", ("", Same, Partial), "Int(0..=8)"),
    row(Rule::NARROWER, "Int(0..=9)", "Int(5..=20)", ("", Partial, Partial), "Int(-1..=20)"),
    row(Rule::NARROWER, "Int", "Int(0..=9)", ("", Partial, Same), "Duration"),
    row(Rule::TEXT_TO_BYTES, "Text", "Bytes", ("", Made, Partial), "Text(..=9)"),
    row(Rule::TEXT_TO_BYTES, "Text(..=2)", "Bytes(..=8)", ("", Made, Partial), "Text"),
    row(Rule::OTHER_SCALAR, "Bytes", "Text", ("", Partial, Made), "Bytes(..=9)"),
    row(Rule::OTHER_SCALAR, "Bool", "Int", ("", Open, Open), "Option(Bool)"),
    row(Rule::OTHER_SCALAR, "Int", "Duration", ("", Open, Open), "Int(0..=9)"),
    row(Rule::INTO_OPTION, "Int", "Option(Int)", ("", Made, Partial), "Int(0..=9)"),
    row(Rule::OUT_OF_OPTION, "Option(Int)", "Int", ("", Partial, Made), "Option(Int(0..=9))"),
    row(Rule::NESTED_OPTION, "Option(Int)", "Option(Option(Int))", ("", Open, Open), "Option(Int(0..=9))"),
    row(Rule::LIMIT, "Text(..=2)", "Text(..=9)", ("", Same, Partial), "Option(Text(..=2))"),
    row(Rule::LIMIT, "Text", "Bytes(..=8)", ("", Partial, Same), "Bytes"),
    row(Rule::LIMIT, "List(Int, ..=3)", "List(Int, ..=2)", ("", Partial, Same), "List(Int(0..=9), ..=3)"),
    row(Rule::KEYS, "Map(Int(0..=9), Bool)", "Map(Int, Bool)", ("", Made, Partial), "Map(Int(0..=9), Int)"),
    row(Rule::KEYS, "Map((Text(..=2), Bool), Int)", "Map((Text, Bool), Int)", ("", Made, Partial), "Map((Text(..=2), Bool), Bool)"),
    row(Rule::KEYS, "Map(Int, Bool)", "Map(Text, Bool)", ("", Open, Open), "Map(Int, Int)"),
    row(Rule::ARITY, "(Int, Bool)", "(Int, Bool, Text)", ("", Open, Open), "(Int, Int)"),
    row(Rule::ARITY, "(Int, Bool)", "{ a: Int, b: Bool }", ("", Open, Open), "(Int, Int)"),
    row(Rule::FIELDS_REORDERED, "{ a: Int, b: Bool }", "{ b: Bool, a: Int }", ("", Same, Same), "{ a: Int, b: Bool, c: Int = 0 }"),
    row(Rule::FIELD_ADDED, "{ a: Int }", "{ a: Int, b: Bool = true }", (".b", Made, Lost), "{ a: Int, b: Bool }"),
    row(Rule::FIELD_ADDED, "{ a: Int }", "{ a: Int, b: Option(Bool) }", (".b", Made, Lost), "{ a: Int = 7 }"),
    row(Rule::FIELD_NEEDED, "{ a: Int }", "{ a: Int, b: Bool }", (".b", Open, Lost), "{ a: Int, b: Bool = true }"),
    row(Rule::FIELD_REMOVED, "{ a: Int, b: Bool }", "{ a: Int }", (".b", Lost, Open), "{ a: Int, b: Int }"),
    row(Rule::FIELD_REMOVED, "{ a: Int, b: Bool = true }", "{ a: Int }", (".b", Lost, Made), "{ b: Bool = true, a: Int }"),
    row(Rule::DEFAULT_CHANGED, "{ a: Int = 1 }", "{ a: Int = 2 }", (".a", Same, Same), "{ a: Int(0..=9) = 1 }"),
    row(Rule::CASE_ADDED, "A | B(Int)", "A | B(Int) | C", (".C", Same, Partial), "A | B(Int(0..=9))"),
    row(Rule::CASE_REMOVED, "A | B(Int)", "| A", (".B", Partial, Same), "A | B(Int) | C"),
    row(Rule::RESHAPED, "Int", "{ a: Int }", ("", Open, Open), "Int(0..=9)"),
    row(Rule::RESHAPED, "List(Int)", "Map(Int, Int)", ("", Open, Open), "List(Bool)"),
    row(Rule::UNIT, "{ a: Int }", "()", ("", Lost, Open), "{ a: Bool }"),
    row(Rule::TO_SECRET, "Text", "secret Text", ("", Same, Open), "Option(Text)"),
    row(Rule::FROM_SECRET, "secret Text", "Text", ("", Open, Same), "secret Text(..=9)"),
];

/// Compiles a type; fields and cases that a type before it has keep their places.
fn compiled(ty: &str, before: Option<&crate::code::Module>) -> (Ty, crate::code::Module) {
    let text = format!(
        "machine m\ntype T = {ty}\ntype State = Int\ntype Input = | Go\ninit = 0\n\
         fn same(t: T) -> T = t\non Go => (state, ())\n"
    );
    let module = compile::machine(&Source::new("t.cam", text.as_str()), before)
        .unwrap_or_else(|faults| panic!("{ty}: {}", faults[0].one_line()));
    let found = module.debug.types.iter().find(|(name, _)| &**name == "T").expect("T is declared").1;
    (module.ty(found).clone(), module)
}

fn versions(old: &str, new: &str) -> (Ty, Ty) {
    let (from, module) = compiled(old, None);
    (from, compiled(new, Some(&module)).0)
}

fn found(verdict: &Verdict, rule: Rule) -> Vec<&Change> {
    verdict.changes.iter().filter(|change| change.rule == rule).collect()
}

#[test]
fn each_rule_says_what_becomes_of_values_and_keeps_out_of_what_is_near() {
    for Row { rule, old, new, at, forth, back, near } in ROWS {
        let (from, to) = versions(old, new);
        let none = Edits::default();
        for (way, verdict, expected) in [
            (Way::Forth, judge_way(Way::Forth, &from, &to, &none, "T"), forth),
            (Way::Back, judge_way(Way::Back, &to, &from, &none, "T"), back),
        ] {
            let changes = found(&verdict, *rule);
            let [change] = &*changes else { panic!("{rule} {old} to {new} {way:?}: {verdict:#?}") };
            assert_eq!(change.effect, *expected, "{rule} {old} to {new} {way:?}: {verdict:#?}");
            assert_eq!(change.path, format!("T{at}"), "{rule} {old} to {new} {way:?}");
        }
        let (from, to) = versions(old, near);
        let verdict = judge_way(Way::Forth, &from, &to, &none, "T");
        assert_eq!(found(&verdict, *rule), Vec::<&Change>::new(), "{rule} {old} to {near}");
        assert_ne!(from, to, "{old} to {near}: something is different");
    }
}

#[test]
fn what_values_do_is_what_the_rules_say() {
    let mut runner = TestRunner::deterministic();
    let none = Edits::default();
    for Row { old, new, .. } in ROWS {
        let (from, to) = versions(old, new);
        let edge = edge(&from, &to);
        for (way, from, to, arrow) in
            [(Way::Forth, &from, &to, EdgeArrow::Up), (Way::Back, &to, &from, EdgeArrow::Down)]
        {
            let verdict = judge_way(way, from, to, &none, "T");
            let open = verdict.worst() == Some(Open);
            let mut refused = 0;
            for _ in 0..64 {
                let value = any_value(from).new_tree(&mut runner).expect("there are values").current();
                let ran = run::edge_arrow(&edge, arrow, &value, Limits::MIGRATION);
                let said = evaluate::convert(&value, from, to, &none);
                // Code that fails for every item of a list fails before it looks at one.
                assert!(ran.as_ref().ok() == said.as_ref().ok() || open, "{old} to {new}: {value:?}");
                assert!(ran.is_ok() || !verdict.is_total(), "{old} to {new} {way:?}: {value:?} {ran:?}");
                refused += u32::from(ran.is_err());
                let Ok(after) = ran else { continue };
                assert!(after.has_type(to), "{old} to {new} {way:?}: {value:?}");
                if verdict.is_zero_touch() {
                    assert_eq!(after, value, "{old} to {new} {way:?}");
                    assert_eq!(after.to_binary(to), value.to_binary(from), "{old} to {new} {way:?}");
                }
            }
            assert!(
                refused == 64 || !open || refused > 0,
                "{old} to {new} {way:?} is open: nothing goes through"
            );
            assert!(
                refused > 0 || verdict.is_total(),
                "{old} to {new} {way:?}: some values have no counterpart"
            );
        }
    }
}

#[test]
fn a_change_of_a_part_is_told_with_its_path_and_nothing_else() {
    for (old, new, path) in [
        ("Option(Int)", "Option(Int(0..=9))", "T"),
        ("List(Int)", "List(Int(0..=9))", "T[..]"),
        ("Map(Int, Int)", "Map(Int, Int(0..=9))", "T[..]"),
        ("(Bool, Int)", "(Bool, Int(0..=9))", "T.1"),
        ("{ a: Int }", "{ a: Int(0..=9) }", "T.a"),
        ("A(Int) | B", "A(Int(0..=9)) | B", "T.A"),
        (
            "{ a: List((Map(Text, Option(Int)), Bool)) }",
            "{ a: List((Map(Text, Option(Int(0..=9))), Bool)) }",
            "T.a[..].0[..]",
        ),
    ] {
        let (from, to) = versions(old, new);
        let verdict = judge_way(Way::Forth, &from, &to, &Edits::default(), "T");
        let told: Vec<_> = verdict.changes.iter().map(|change| (change.rule, change.path.as_str())).collect();
        assert_eq!(told, [(Rule::NARROWER, path)], "{old} to {new}");
        let (from, to) = versions(old, old);
        assert_eq!(judge_way(Way::Forth, &from, &to, &Edits::default(), "T"), Verdict::default());
    }
}

#[test]
fn a_name_is_another_once_a_person_says_so() {
    for (old, new, before, after, rule, unsaid) in [
        ("{ a: Int, b: Bool }", "{ c: Int, b: Bool }", "a", "c", Rule::FIELD_RENAMED, Rule::FIELD_NEEDED),
        ("A | B(Int)", "A | C(Int)", "B", "C", Rule::CASES_MOVED, Rule::CASE_REMOVED),
    ] {
        let (from, to) = versions(old, new);
        let verdict = judge_way(Way::Forth, &from, &to, &Edits::default(), "T");
        assert_eq!(found(&verdict, rule), Vec::<&Change>::new());
        assert_eq!(found(&verdict, unsaid).len(), 1, "{verdict:#?}");
        let mut edits = Edits::default();
        edits.renames.push((from.clone(), to.clone(), before.into(), after.into()));
        let verdict = judge_way(Way::Forth, &from, &to, &edits, "T");
        assert!(verdict.is_lossless(), "{verdict:#?}");
        assert_eq!(found(&verdict, rule).len(), 1);
        let verdict = judge_way(Way::Back, &to, &from, &edits.reversed(), "T");
        assert!(verdict.is_lossless(), "{verdict:#?}");
        assert_eq!(found(&verdict, rule).len(), 1);
    }
}

#[test]
fn each_rule_stands_in_a_test_and_has_an_id_of_its_own() {
    let rows: BTreeSet<Rule> = ROWS.iter().map(|row| row.rule).collect();
    let elsewhere = ELSEWHERE.into_iter().chain(SILENT).chain([Rule::FIELD_RENAMED, Rule::CASES_MOVED]);
    let covered: BTreeSet<Rule> = rows.into_iter().chain(elsewhere).collect();
    let all: BTreeSet<Rule> = RULES.iter().map(|text| text.rule).collect();
    assert_eq!(covered, all);
    assert_eq!(all.len(), RULES.len());
    assert!(RULES.is_sorted_by_key(|text| text.rule));
    for text in RULES {
        assert_eq!(Rule::of_id(&text.rule.to_string()), Some(text.rule));
    }
    assert_eq!(Rule::of_id("U029"), None, "recursive types are not there");
}
