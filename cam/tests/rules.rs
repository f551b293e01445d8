//! The rules of the language one by one, from both sides: what is accepted and what it comes to,
//! what is refused and for which reason.

use camshaft_cam::compile;
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::run::{self, Ctx, Limits};
use camshaft_cam::value::Value;
use camshaft_cam::verify::{VerifiedMachine, verify};

fn said(errors: &[Diagnostic]) -> String {
    let line = |error: &Diagnostic| {
        format!(
            "{} {} | {} | {}\n",
            error.code,
            error.one_line(),
            error.label,
            error.help.as_deref().unwrap_or("")
        )
    };
    errors.iter().map(line).collect()
}

/// A machine around these lines, unless they say themselves what it has.
fn text(lines: &str) -> String {
    let has = |what: &str| lines.lines().any(|line| line.starts_with(what));
    let mut text = String::from("machine m\n");
    for (what, line) in [
        ("type State", "type State = Int"),
        ("type Input", "type Input = | Go"),
        ("init", "init = 0"),
        ("on ", "on Go => (state, ())"),
    ] {
        if !has(what) {
            text += line;
            text += "\n";
        }
    }
    text + lines
}

fn machine(lines: &str) -> VerifiedMachine {
    let text = text(lines);
    let module = compile::machine(&Source::new("m.cam", text.as_str()), None)
        .unwrap_or_else(|errors| panic!("{}\n{text}", said(&errors)));
    verify(module).unwrap_or_else(|error| panic!("{error}\n{text}")).into_machine().expect("a machine")
}

/// Returns what an expression of this type comes to, as JSON.
fn value(ty: &str, expr: &str, more: &str) -> String {
    let machine =
        machine(&format!("{more}\ntype Output = {{ it: {ty} }}\non Go => (state, {{ it: {expr} }})\n"));
    let ctx = Ctx { now_ms: 0, seq: 1, self_key: "".into(), seed: 0 };
    let state = run::init(&machine, &Value::Unit, Limits::STEP).expect("it starts");
    match run::step(&machine, &Value::sum(0, Value::Unit), &state, &ctx, &Value::Unit, Limits::STEP) {
        Ok(done) => {
            let json = done.output.expect("an answer").to_json(machine.output());
            json["{\"it\":".len()..json.len() - 1].to_owned()
        }
        Err(trap) => trap.to_string(),
    }
}

fn refused(lines: &str) -> String {
    let text = text(lines);
    match compile::machine(&Source::new("m.cam", text.as_str()), None) {
        Ok(_) => format!("compiles: {text}"),
        Err(errors) => said(&errors),
    }
}

/// Holds expressions against what they come to.
fn check(cases: &[(&str, &str, &str)]) {
    for (ty, expr, expected) in cases {
        assert_eq!(value(ty, expr, ""), *expected, "{expr}");
    }
}

/// Holds lines against the one fault that they are refused for: how it begins, and words of its mend.
fn check_refused(cases: &[(&str, &str, &str)]) {
    for (lines, fault, mend) in cases {
        let found = refused(lines);
        let right = found.starts_with(fault) && found.lines().count() == 1 && found.contains(mend);
        assert!(right, "{lines}\nexpected {fault} ... {mend}\nfound {found}");
    }
}

#[test]
fn operators_bind_from_loose_to_tight_and_to_the_left() {
    check(&[
        ("Int", "1 + 2 * 3", "7"),
        ("Int", "(1 + 2) * 3", "9"),
        ("Int", "2 - 3 - 4", "-5"),
        ("Int", "100 / 10 / 5", "2"),
        ("Int", "- 2 - -3", "1"),
        ("Int", "-2.abs()", "-2"),
        ("Bool", "1 + 1 == 2 && 3 > 2 || false", "true"),
        ("Bool", "true || false && false", "true"),
        ("Bool", "\"a\" ++ \"b\" == \"ab\"", "true"),
        ("Text", "\"n\" ++ (1 + 2).show() ++ \"!\"", "\"n3!\""),
        ("Bool", "!(1 == 2)", "true"),
    ]);
    check_refused(&[
        ("fn f() -> Bool = 1 < 2 < 3", "E0108", "a < b && b < c"),
        ("fn f() -> Bool = 1 && true", "E0210 m.cam:6:18: expected Bool, found Int", ""),
        ("fn f() -> Text = \"a\" ++ 1", "E0210 m.cam:6:25: expected Text, found Int", ""),
    ]);
}

#[test]
fn numbers_are_checked_and_division_is_euclidean() {
    check(&[
        ("Int", "-7 / 2", "-4"),
        ("Int", "-7 % 2", "1"),
        ("Int", "7 / -2", "-3"),
        ("Int", "7 % -2", "1"),
        ("Int", "9223372036854775807 + 1", "integer overflow"),
        ("Int", "-9223372036854775808", "\"-9223372036854775808\""),
        ("Int", "1 / 0", "division by zero"),
        ("Int(0..=9)", "5 + 6", "value outside the limits of its type"),
        ("Text(..=2)", "\"ab\" ++ \"c\"", "value outside the limits of its type"),
        ("Duration", "15m + 30s", "930000"),
        ("Duration", "2 * 1h", "7200000"),
        ("Int", "1h / 1m", "60"),
    ]);
    check_refused(&[
        ("fn f() -> Int(0..=9) = 10", "E0213 m.cam:6:24: this constant does not fit Int(0..=9)", ""),
        ("fn f() -> Int = 1.5", "E0102", "numbers are whole"),
        ("fn f(x: Float) -> Int = 1", "E0201", "count in a smaller unit, such as cents"),
        ("fn f(x: String) -> Int = 1", "E0201", "a text is a `Text`"),
    ]);
}

#[test]
fn lines_and_members_end_where_the_rules_say() {
    check(&[
        ("Int", "1\n  + 2", "3"),
        ("Int", "[1, 2]\n  .len()", "2"),
        ("Int", "(1\n + 2\n)", "3"),
        ("Int", "if true { 1 }\n else { 2 }", "1"),
        ("Int", "{ let a = 1; let b = 2; a + b }", "3"),
        ("Int", "{ let a = 1\n let b = 2\n a + b }", "3"),
        ("Int", "match 1 {\n 1 => 2\n _ => 3\n}", "2"),
        ("Int", "match 1 { 1 => { let x = 2; x }, _ => 3 }", "2"),
        ("{ a: Int\n b: Int }", "{ a: 1\n b: 2 }", "{\"a\":1,\"b\":2}"),
        ("Int", "[1, 2,\n 3\n].len()", "3"),
    ]);
    let whole = "type Input = Go | internal Later { n: Int }\n\
                 on Go { log \"a\"; timer \"t\" after 1s => Later { n: 1 }; cancel \"u\"; (state, ()) }\non Later { n } => state + n";
    assert_eq!(machine(whole).machine().internal, [false, true]);
    check_refused(&[
        ("on Go { log \"a\" log \"b\"; (state, ()) }", "E0111", "begin a new line, or put `;` between"),
        ("on Go { state = 1; (state, ()) }", "E0111", "begin a new line, or put `;` between"),
    ]);
}

#[test]
fn a_brace_is_a_record_or_a_block_by_its_place_and_what_follows() {
    let r = "type R = { a: Int, b: Int = 2 }\nconst a = 4";
    for (expr, expected) in [
        ("{ a }", "{\"a\":4,\"b\":2}"),
        ("{ a, b: 1 }", "{\"a\":4,\"b\":1}"),
        ("if true { { a: 2 } } else { { a: 3 } }", "{\"a\":2,\"b\":2}"),
        ("match 1 { 1 => { a: 2 }, _ => { a: 3 } }", "{\"a\":2,\"b\":2}"),
        ("{ let b = 7; { a, b } }", "{\"a\":4,\"b\":7}"),
    ] {
        assert_eq!(value("R", expr, r), expected, "{expr}");
    }
    check(&[("Map(Text, Int)", "[:]", "{}"), ("Map(Text, Int)", "[\"a\": 1, \"a\": 2]", "{\"a\":2}")]);
    check_refused(&[
        ("fn f() -> Int = {}", "E0109", "the empty map is `[:]`"),
        ("type T = {}", "E0109", "a state without content is `()`"),
        ("fn f() -> Int = match { a: 1 } { _ => 1 }", "E0114", "put it in parentheses"),
        ("fn f() -> Int { }", "E0232 m.cam:6:17: this block must end in an Int", ""),
    ]);
}

#[test]
fn update_paths_are_fields_and_an_index_last() {
    let r = "type E = { a: Int, z: Int = 9 }\ntype I = { m: Map(Text, E), c: Int }\ntype R = { i: I, n: Int = 0 }\n\
             fn r() -> R = { i: { m: [:], c: 1 } }";
    for (expr, expected) in [
        ("{ ..r(), i.c: 5, n: 6 }", "{\"i\":{\"m\":{},\"c\":5},\"n\":6}"),
        (
            "{ ..r(), i.m[\"k\"]: { a: 1 }, i.m[\"l\"]: { a: 2, z: 3 } }",
            "{\"i\":{\"m\":{\"k\":{\"a\":1,\"z\":9},\"l\":{\"a\":2,\"z\":3}},\"c\":1},\"n\":0}",
        ),
        ("{ ..r(), i: { m: [:], c: 2 }, i.c: 3 }", "{\"i\":{\"m\":{},\"c\":3},\"n\":0}"),
    ] {
        assert_eq!(value("R", expr, r), expected, "{expr}");
    }
    let with = |line: &str| {
        format!("type R = {{ a: Int, l: List(Int) = [], m: Map(Text, Int) = [:] }}\nfn f(r: R) -> R = {line}")
    };
    for (line, fault, mend) in [
        (
            "{ ..r, a: 1, a: 2 }",
            "E0215 m.cam:7:32: `a` replaces what was set before",
            "leave one of them out",
        ),
        ("{ ..r, m[\"k\"]: 1, m: [:] }", "E0215 m.cam:7:37: `m` replaces what was set before", ""),
        ("{ ..r, l[0]: 1 }", "E0239 m.cam:7:28: an entry of a List(Int) cannot be set", ""),
        ("{ ..r, m[\"a\"].x: 1 }", "E0101", ""),
        ("{ ..r, b: 1 }", "E0209 m.cam:7:26: `R` has no field `b`", ""),
    ] {
        check_refused(&[(&with(line), fault, mend)]);
    }
    check_refused(&[
        ("fn f(m: Map(Text, Int)) -> Map(Text, Int) = { ..m, a: 1 }", "E0239", "`m.put(k, v)` sets an entry"),
        ("fn f(t: (Int, Int)) -> (Int, Int) = { ..t, a: 1 }", "E0239", "take it apart"),
    ]);
}

#[test]
fn variants_of_one_case_and_of_many() {
    for (ty, expr, expected) in [
        ("| Only", "Only", "\"Only\""),
        ("Only(Int)", "Only(3)", "{\"Only\":3}"),
        ("Only { a: Int }", "Only { a: 1 }", "{\"Only\":{\"a\":1}}"),
        ("A(Int, Int) | B", "A(1, 2)", "{\"A\":[1,2]}"),
        ("A((Int, Int)) | B", "A((1, 2))", "{\"A\":[1,2]}"),
    ] {
        assert_eq!(value("T", expr, &format!("type T = {ty}")), expected, "{ty}");
    }
    check_refused(&[
        // A slip in the name of another type is no new variant.
        (
            "type T = Only",
            "E0201 m.cam:6:10: there is no type `Only`",
            "a variant of one case is written `| Only`",
        ),
        ("type T = A | A", "E0215", ""),
        ("type T = lower", "E0101", "types begin with a capital: `Lower`"),
        ("type t = Int", "E0101", "with a capital"),
    ]);
}

/// Matches that cover the numbers of a range, without `_`.
const RANGES: &str = "const nine: Int(0..=9) = 9
fn digit(n: Int(0..=9)) -> Int = match n { 0 => 10, 1..=8 => 11, 9 => 12 }
fn pair(n: Int(0..=9), o: Option(Int(0..=9))) -> Int = match (n, o) {
  (0..=5, Some(5..=9)) => 1
  (_, Some(0..=4)) => 2
  (6..=9, Some(_)) => 4
  (_, None) => 3
}
fn odd(n: Int(0..=9)) -> Int = match n { 1 | 3 | 5 | 7 | 9 => 1, 0 | 2 | 4 | 6 | 8 => 2 }
fn one(n: Int(3..=3)) -> Int = match n { 3 => 7 }";

#[test]
fn patterns_take_everything_apart_and_cover_everything() {
    let t = "type T = A | B(Int) | C { x: Int, y: Bool }\nconst t: T = C { x: 3, y: true }";
    for (expr, expected) in [
        ("match t { A | B(_) => 0, C { x, .. } => x }", "3"),
        ("match t { C { x: 0..=2, .. } => 1, C { x, y: true } if x > 2 => 2, _ => 3 }", "2"),
        ("{ let C { x, .. } = t else 9; x }", "3"),
        ("{ let B(n) = t else 9; n }", "9"),
        ("match (1, \"b\") { (1, \"a\" | \"b\") => 1, _ => 2 }", "1"),
        ("match -3 { -5..=-1 => 1, _ => 2 }", "1"),
        ("match 5s { 5s => 1, _ => 2 }", "1"),
        ("digit(0)", "10"),
        ("digit(8)", "11"),
        ("digit(9)", "12"),
        ("pair(3, Some(9))", "1"),
        ("pair(9, Some(0))", "2"),
        ("pair(9, None)", "3"),
        ("odd(7)", "1"),
        ("odd(6)", "2"),
        ("one(3)", "7"),
        ("{ let 0..=9 = nine; 4 }", "4"),
    ] {
        assert_eq!(value("Int", expr, &format!("{t}\n{RANGES}")), expected, "{expr}");
    }
    check_refused(&[
        (
            "fn f(t: Option(Bool)) -> Int = match t { Some(true) => 1, None => 2 }",
            "E0221",
            "add `Some(false)`",
        ),
        ("fn f(n: Int) -> Int = match n { 0..=5 => 1, 3 => 2, _ => 3 }", "E0222", ""),
        ("fn f(n: Int) -> Int { let 1 = n; 2 }", "E0223", "add `else ...`"),
        ("fn f(n: Int(0..=20)) -> Int = match n { 0..=9 => 1 }", "E0221", "add `10..=20`"),
        ("fn f(n: Int(0..=9)) -> Int = match n { 0..=3 => 1, 5..=9 => 2 }", "E0221", "add `4`"),
        ("fn f(n: Int(0..=9)) -> Int = match n { 1 | 3 => 1, 5..=9 => 2 }", "E0221", "add `0 | 2 | 4`"),
        ("fn f(n: Int(0..=9)) -> Int = match n { 0..=9 if n > 3 => 1 }", "E0221", "add `0..=9`"),
        ("fn f(n: Int(0..)) -> Int = match n { 0..=9 => 1 }", "E0221", "add `_`"),
        (
            "fn f(n: Option(Int(0..=9))) -> Int = match n { Some(0..=8) => 1, None => 2 }",
            "E0221",
            "add `Some(9)`",
        ),
        (
            "fn f(a: Int(0..=9), b: Bool) -> Int = match (a, b) { (0..=3, _) => 1, (_, true) => 2 }",
            "E0221",
            "add `(4..=9, false)`",
        ),
        ("fn f(n: Int(0..=9)) -> Int = match n { 0..=9 => 1, _ => 2 }", "E0222", "take everything"),
        (
            "fn f(n: Int) -> Int = match n { 5 => 1, 0..=4 => 2, 0..=5 => 3, _ => 4 }",
            "E0222",
            "take everything",
        ),
        ("fn f(n: Int(0..=9)) -> Int = match n { 10 => 1, _ => 2 }", "E0222", "no value of `Int(0..=9)`"),
        (
            "fn f(n: Int(0..=9)) -> Int = match n { -9..=-1 => 1, _ => 2 }",
            "E0222",
            "no value of `Int(0..=9)`",
        ),
        ("fn f(n: Int(0..=9)) -> Int { let 10 = n else 1; 2 }", "E0222", "no value of `Int(0..=9)`"),
        ("fn f(n: Int(0..=9)) -> Int { let 0..=9 = n else 1; 2 }", "E0222", "always matches"),
        ("fn f(n: Int(0..=9)) -> Int { let 0..=8 = n; 2 }", "E0223", "does not match `9`"),
        ("type Input = Go(Int)\non Go => (state, ())", "E0214", "write `Go(_)`"),
    ]);
}

#[test]
fn constants_and_functions_know_of_each_other_and_of_nothing_else() {
    let more = "const k = f(3)\nfn g() -> Int = k + 1\nfn f(n: Int) -> Int = n * 2";
    assert_eq!(value("Int", "k + g()", more), "13");
    assert_eq!(value("Int", "1.f(2)", "fn f(a: Int, b: Int) -> Int = a * 10 + b"), "12");
    check_refused(&[
        (
            "fn f(a: Int, a: Int) -> Int = a",
            "E0229 m.cam:6:14: the parameter `a` stands twice",
            "a name of its own",
        ),
        (
            "fn f() -> Int = state",
            "E0206 m.cam:6:17: there is no `state` here",
            "give it to a `fn` as a parameter",
        ),
        ("fn f() -> Int = ctx.now", "E0206 m.cam:6:17: there is no `ctx` here", "only `on` sees"),
        ("init = config.x", "E0206 m.cam:5:8: there is no `config` here", "`config { name: Type = value }`"),
        ("invariant \"x\" = config.x == 1\nconfig { x: Int = 1 }", "E0206", "`init` and `on` see"),
        ("invariant \"x\" = ctx.now > 0", "E0206", "only `on` sees"),
        ("fn f() -> Option(Int) = null", "E0206", "is `None`, of an Option"),
        ("fn f() -> Int { let g = x -> x; 1 }", "E0234", "name a function with `fn`"),
        ("type R = { a: Int = 1 + 1 }", "E0235", ""),
        ("type State = Int\ntype State = Text", "E0202", ""),
    ]);
}

#[test]
fn effects_and_answers_stand_where_they_may() {
    check_refused(&[
        ("on Go => state", "E0210 m.cam:5:10: expected (Int, ()), found Int", ""),
        (
            "type Input = Go | internal Later\non Go => (state, ())\non Later => (state, ())",
            "E0210 m.cam:6:13: expected Int, found (Int, ())",
            "",
        ),
        ("type Input = Go | internal Later\non Go => (state, ())", "E0219", "add `on Later ...`"),
        ("fn f() -> Int { log \"x\"; 1 }", "E0218", "let the handler do it"),
        ("invariant \"x\" = { stop; true }", "E0218", ""),
        (
            "on Go { timer \"a\" after 5 => Go; (state, ()) }",
            "E0210 m.cam:5:25: expected Duration, found Int",
            "",
        ),
        ("on Go { for x in [1] { 5 }; (state, ()) }", "E0241", ""),
        ("on Go { stop }", "E0232", ""),
    ]);
}
