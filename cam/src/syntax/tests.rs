//! What the parser makes of good texts: the plain tree, shown in a short form.

mod show;

use super::ast;
use crate::diagnostic::Source;
use crate::syntax;

fn file(text: &str) -> ast::File {
    let source = Source::new("good.cam", text);
    syntax::parse_file(&source).unwrap_or_else(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| error.one_line()).collect();
        panic!("{}\n{text}", lines.join("\n"))
    })
}

/// Returns the items of a machine with this text below its first line.
fn items(text: &str) -> Vec<String> {
    let mut shown = show::file(&file(&format!("machine m\n{text}\n")));
    shown.remove(0);
    shown
}

/// Checks what becomes of an expression.
fn check(text: &str, expected: &str) {
    assert_eq!(items(&format!("const a = {text}")), [format!("const a = {expected}")], "{text}");
}

/// Checks what becomes of the block of an `on`.
fn check_block(text: &str, expected: &str) {
    assert_eq!(items(&format!("on A {text}")), [format!("on A => do {expected}")], "{text}");
}

fn check_type(text: &str, expected: &str) {
    assert_eq!(items(&format!("type T = {text}")), [format!("type T = {expected}")], "{text}");
}

fn check_pattern(text: &str, expected: &str) {
    let expected = format!("const a = match x {{ {expected} => 1 }}");
    assert_eq!(items(&format!("const a = match x {{ {text} => 1 }}")), [expected], "{text}");
}

#[test]
fn the_example_of_the_language() {
    let text = include_str!("../../tests/fixtures/stock.cam");
    let file = file(text);
    let expected = r#"
machine stock keyed Text
config { hold: Duration = 900000ms }
type Item = { count: Int(0..=1000000), price: Int = 0, note: Option(Text(..=200)) = None }
type Hold = { item: Text, count: Int }
type State = { items: Map(Text, Item), holds: Map(Text, Hold), reserved: Int = 0 }
type Reason = | Unknown | TooFew<{ have: Int }>
type Output = | Ok | Sum<Int> | Refused<Reason>
type Bill = | Charge<{ cents: Int }>
type Billed = | Paid | Declined<{ why: Text }>
type Input = | Add<{ item: Text, count: Int }> | Reserve<{ order: Text, item: Text, count: Int }> | Reprice<{ percent: Int }> | Total | internal Expire<{ order: Text }> | internal Answered<{ from: Text, answer: Option(Billed) }>
channel billing = payments/account(Bill) -> Answered
invariant "reserved is what is held" = (state.reserved == state.holds.fold(0, \n, _, h -> (n + h.count)))
init = { items: [:], holds: [:] }
fn release(s: State, order: Text) -> State = match s.holds[order] { Some<h> => { ..s, holds: s.holds.remove(order), reserved: (s.reserved - h.count) }, None => s }
on Add<{ item, count }> => ({ ..state, items[item]: { count } }, Ok)
on Total => (state, Sum<state.items.fold(0, \n, _, it -> (n + it.count))>)
on Reprice<{ percent }> => ({ ..state, items: state.items.map(\_, it -> { ..it, price: ((it.price * percent) / 100) }) }, Ok)
on Reserve<{ order, item, count }> => do { let Some<it> = state.items[item] else (state, Refused<Unknown>); if (it.count < count) do { (state, Refused<TooFew<{ have: it.count }>>) } else do { let s = release(state, order); send billing[order] Charge<{ cents: (it.price * count) }>; timer order after config.hold => Expire<{ order }>; ({ ..s, holds[order]: { item, count }, reserved: (s.reserved + count) }, Ok) } }
on Expire<{ order }> => release(state, order)
on Answered<{ from, answer }> => do { cancel from; log text["order " <from> " settled"]; release(state, from) }
test "a hold ends by itself" { run Add<{ item: text["nut"], count: 5 }> gives Ok; run Reserve<{ order: text["o"], item: text["nut"], count: 2 }> gives Ok; expect sent billing[text["o"]] Charge<{ cents: 0 }>; advance 900000ms; expect (state.reserved == 0) }
"#;
    assert_eq!(show::file(&file).join("\n"), expected.trim());

    let ast::File::Machine(machine) = file else { panic!("a machine") };
    let Some(ast::Item::Test(test)) = machine.items.last() else { panic!("a test at the end") };
    let span = &test.span;
    assert!(text[span.clone()].starts_with("test \"a hold ends by itself\" {\n  run Add"));
    assert_eq!(&text[span.clone()], text[span.start..].trim_end());
}

#[test]
fn the_migration_of_the_language() {
    let text = "migration stock from \"1.3.0\"                // its own file\n\
                rename Item.qty to count; drop State.legacy; add State.holds = [:]   // or whole functions\n\
                lift Take { item } => Reserve { order: item, item, count: 1 }; lower Refused(_) => Failed\n";
    let expected = [
        r#"migration stock from "1.3.0""#,
        "rename Item.qty to count",
        "drop State.legacy",
        "add State.holds = [:]",
        "lift Take<{ item }> => Reserve<{ order: item, item, count: 1 }>",
        "lower Refused<_> => Failed",
    ];
    assert_eq!(show::file(&file(text)), expected);
}

#[test]
fn items_of_migrations() {
    let text = "migration m from \"1.0.0\"\n\
                type Old = { a: Int }\nfn f(x: Int) -> Int = x\n\
                up (old) = { ..old, b: 1 }\ndown ({ a, .. }) = a\nup (s) { let t = s; t }\n\
                rename Input.Take to Reserve\nunlift A => None\nraise B(x) => C(x)\n";
    let expected = [
        r#"migration m from "1.0.0""#,
        "type Old = { a: Int }",
        "fn f(x: Int) -> Int = x",
        "up old = { ..old, b: 1 }",
        "down { a .. } = a",
        "up s = do { let t = s; t }",
        "rename Input.Take to Reserve",
        "unlift A => None",
        "raise B<x> => C<x>",
    ];
    assert_eq!(show::file(&file(text)), expected);
}

#[test]
fn items_of_machines() {
    assert_eq!(
        items("const limit = 10; const most: Int(0..) = 1_000"),
        ["const limit = 10", "const most: Int(0..=) = 1000"]
    );
    assert_eq!(
        items("fn f() -> (Int, Text) { (1, \"a\") }"),
        [r#"fn f() -> (Int, Text) = do { (1, text["a"]) }"#]
    );
    assert_eq!(
        items("fn f(\n  a: Int,\n  b: Int,\n) -> Int\n  = a + b"),
        ["fn f(a: Int, b: Int) -> Int = (a + b)"]
    );
    assert_eq!(
        items("channel c = a/b(| Go)\ninit = config.start"),
        ["channel c = a/b(| Go)", "init = config.start"]
    );
    assert_eq!(items("config {\n  a: Int = 1 // one\n  b: Text\n}"), ["config { a: Int = 1, b: Text }"]);
}

#[test]
fn tests_and_properties() {
    let text = r#"
test "a \{ b" { run A; run B { x: 1 } gives C(2)
  run D
    gives { e: 1 }
  run A fails; run A fails "why"
  run A traps range; run A traps invariant "text"
  advance 5m; advance a + b traps overflow
  answer c[k] Paid; answer c Paid fails "x"; no answer c[k]; no answer c
  let Some(x) = state.items["a"]
  if x == 1 { run A } else if y { run B } else { fail "z" }
  for (k, v) in m { run A }
  expect a == b; expect a is B(_) | C if d; expect output is Ok
}
test "what was done" with config { hold: 5s }, key "k" ++ "l", state { a: 1 }, now 5 {
  expect sent; expect sent c; expect sent c[k]; expect sent c Charge { cents: 1 }; expect sent c[k] Charge { cents: 1 }
  expect called p[k] M; expect logged; expect logged "a {x}"; expect stopped
  expect timer; expect timer "a" ++ b; expect timer a after 5s; expect timer a after b => C { d }; expect timer a => C
  expect not sent; expect not logged "x"; expect not stopped; expect not timer "a"; expect not called
}
test "words are names too" { expect sent == 3; expect not.x; expect timer - 1 > 2; expect logged.len() == 1; expect stopped(2); expect sent is A }
property "p" { for all inputs { expect a } }
property "q" (x: Int, y: List(Text)) with key y.first().or("") { assume x > 1; for all inputs may trap overflow, range { expect a } }
"#;
    let expected = r#"
test "a { b" { run A; run B<{ x: 1 }> gives C<2>; run D gives { e: 1 }; run A traps fail; run A traps fail text["why"]; run A traps range; run A traps invariant text["text"]; advance 300000ms; advance (a + b) traps overflow; answer c[k] Paid; answer c Paid traps fail text["x"]; no answer c[k]; no answer c; let Some<x> = state.items[text["a"]]; if (x == 1) { run A } else { if y { run B } else { fail text["z"] } }; for (k, v) in m { run A }; expect (a == b); expect a is (B<_> | C) if d; expect output is Ok }
test "what was done" with config { hold: 5000ms }, key (text["k"] ++ text["l"]), state { a: 1 }, now 5 { expect sent; expect sent c; expect sent c[k]; expect sent c Charge<{ cents: 1 }>; expect sent c[k] Charge<{ cents: 1 }>; expect called p[k] M; expect logged; expect logged text["a " <x>]; expect stopped; expect timer; expect timer (text["a"] ++ b); expect timer a after 5000ms; expect timer a after b => C<{ d }>; expect timer a => C; expect not sent; expect not logged text["x"]; expect not stopped; expect not timer text["a"]; expect not called }
test "words are names too" { expect (sent == 3); expect not.x; expect ((timer - 1) > 2); expect (logged.len() == 1); expect stopped(2); expect sent is A }
property "p" () { for all inputs [] { expect a } }
property "q" (x: Int, y: List(Text)) with key y.first().or(text[]) { assume (x > 1); for all inputs [overflow, range] { expect a } }
"#;
    assert_eq!(items(text).join("\n"), expected.trim());
}

#[test]
fn a_brace_after_on_is_a_payload_or_a_block() {
    assert_eq!(items("on A { x } => x"), ["on A<{ x }> => x"]);
    assert_eq!(items("on A { x } { x }"), ["on A<{ x }> => do { x }"]);
    assert_eq!(items("on A { x }\non B(y) { y }"), ["on A => do { x }", "on B<y> => do { y }"]);
    assert_eq!(items("on A { x }"), ["on A => do { x }"]);
    assert_eq!(items("on A { match b { B { x } => x } }"), ["on A => do { match b { B<{ x }> => x } }"]);
}

#[test]
fn operators_bind_by_their_table() {
    check("a || b && c == d ++ e + f * -g.h", "(a || (b && (c == (d ++ (e + (f * (-g.h)))))))");
    check("a * b + c ++ d < e && f || g", "((((((a * b) + c) ++ d) < e) && f) || g)");
    check("a - b - c", "((a - b) - c)");
    check("a / b * c % d", "(((a / b) * c) % d)");
    check("a ++ b ++ c", "((a ++ b) ++ c)");
    check("a || b || c", "((a || b) || c)");
    check("(a < b) == (c >= d)", "((a < b) == (c >= d))");
    check("a != b && c <= d && e > f", "(((a != b) && (c <= d)) && (e > f))");
    check("!a == b", "((!a) == b)");
    check("- -a", "(-(-a))");
    check("-a.b[c].d(e)", "(-a.b[c].d(e))");
}

#[test]
fn numbers_and_durations() {
    check("1_000_000", "1000000");
    check("-9223372036854775808", "-9223372036854775808");
    check("9223372036854775807", "9223372036854775807");
    check("[250ms, 30s, 15m, 2h, 1d, 1_000ms]", "[250ms, 30000ms, 900000ms, 7200000ms, 86400000ms, 1000ms]");
    check("t.0.1", "t.0.1");
}

#[test]
fn texts() {
    check(r#""""#, "text[]");
    check(r#""order {from}""#, r#"text["order " <from>]"#);
    check(r#""{a}{b + 1} c""#, r#"text[<a> <(b + 1)> " c"]"#);
    check(r#""\" \\ \n \t \r \{ \} }""#, r#"text["\" \\ \n \t \r { } }"]"#);
    check(r#""\u{41}\u{1F600}""#, r#"text["A😀"]"#);
    check(r#""{f({ a: "b {c}" })}""#, r#"text[<f({ a: text["b " <c>] })>]"#);
    check(r#""// no comment""#, r#"text["// no comment"]"#);
    check(r#""  é  ""#, r#"text["  é  "]"#);
}

#[test]
fn values() {
    check("()", "()");
    check("(a)", "a");
    check("(a, b,)", "(a, b)");
    check("[]", "[]");
    check("[a, b]", "[a, b]");
    check("[:]", "[:]");
    check("[ : ]", "[:]");
    check("[a: 1, b: 2,]", "[a: 1, b: 2]");
    check("A", "A");
    check("A(1)", "A<1>");
    check("A(1, 2)", "A<(1, 2)>");
    check("A()", "A<()>");
    check("A { a: 1, b }", "A<{ a: 1, b }>");
    check("A { b }", "A<{ b }>");
    check("A { ..b }", "A<{ ..b,  }>");
    check("f(a).g(b).c[d].e", "f(a).g(b).c[d].e");
    check(
        "f(x -> x + 1, (a, b) -> a, _ -> 1, (_, A(c)) -> c)",
        "f(\\x -> (x + 1), \\a, b -> a, \\_ -> 1, \\_, A<c> -> c)",
    );
    check("fail \"why {x}\"", r#"fail text["why " <x>]"#);
}

#[test]
fn a_brace_is_a_record_or_a_block() {
    check("{ ..s }", "{ ..s,  }");
    check("{ ..s, a: 1, b.c: 2, d[e]: 3, f.g[h]: 4 }", "{ ..s, a: 1, b.c: 2, d[e]: 3, f.g[h]: 4 }");
    check("{ ..s\n a: 1\n b: 2 }", "{ ..s, a: 1, b: 2 }");
    check("{ a }", "{ a }");
    check("{ a, b }", "{ a, b }");
    check("{ a: 1\n b\n }", "{ a: 1, b }");
    check("{ a; b }", "do { a; b }");
    check("{ a + 1 }", "do { (a + 1) }");
    check("{ (a) }", "do { a }");
    check("{ true }", "do { true }");
    check("{ A }", "do { A }");
    check("{ let a = 1; { a } }", "do { let a = 1; { a } }");
    check("if c { a } else { b }", "if c do { a } else do { b }");
    check(
        "if a == (A { b: 1 }) { c } else if d { e } else { f }",
        "if (a == A<{ b: 1 }>) do { c } else if d do { e } else do { f }",
    );
    check("if a == A { b } else { c }", "if (a == A) do { b } else do { c }");
    check("match a { _ => { b }, }", "match a { _ => { b } }");
    check("match (A { a }) { _ => 1 }", "match A<{ a }> { _ => 1 }");
}

#[test]
fn statements() {
    check_block("{ let (a, _) = b; a }", "{ let (a, _) = b; a }");
    check_block("{ let A(a) = b else c; a }", "{ let A<a> = b else c; a }");
    check_block("{ let A(a) = b else { c }; a }", "{ let A<a> = b else do { c }; a }");
    check_block("{ let A { a } = b else (c, d); a }", "{ let A<{ a }> = b else (c, d); a }");
    check_block("{ let a = if b { c } else { d }; a }", "{ let a = if b do { c } else do { d }; a }");
    check_block("{ send c A; send c[k] A { x: 1 }; 1 }", "{ send c A; send c[k] A<{ x: 1 }>; 1 }");
    check_block(
        "{ timer \"t{a}\" after 15m => A { a }; cancel \"t\"; 1 }",
        "{ timer text[\"t\" <a>] after 900000ms => A<{ a }>; cancel text[\"t\"]; 1 }",
    );
    check_block("{ call p A(1); log \"a\"; stop; 1 }", "{ call p A<1>; log text[\"a\"]; stop; 1 }");
    check_block("{ for x in xs { log x; stop }; 1 }", "{ for x in xs { log x; stop; }; 1 }");
    check_block("{ for (k, A { v }) in m.f() { stop }; 1 }", "{ for (k, A<{ v }>) in m.f() { stop; }; 1 }");
    check_block(
        "{ for A { v } in m { if v { stop } }; 1 }",
        "{ for A<{ v }> in m { if v do { stop;  }; }; 1 }",
    );
    check_block("{ if a { stop } else { log b }; 1 }", "{ if a do { stop;  } else do { log b;  }; 1 }");
    check_block("{}", "{  }");
    check_block("{ ;; a;; }", "{ a }");
}

#[test]
fn patterns() {
    check_pattern("_", "_");
    check_pattern("x", "x");
    check_pattern("-1", "-1");
    check_pattern("-9_223_372_036_854_775_808", "-9223372036854775808");
    check_pattern("1..=1_0", "1..=10");
    check_pattern("-5..=-1", "-5..=-1");
    check_pattern("15m", "900000ms");
    check_pattern("true", "true");
    check_pattern(r#""a\n""#, r#""a\n""#);
    check_pattern("()", "()");
    check_pattern("(a)", "a");
    check_pattern("(a, _)", "(a, _)");
    check_pattern("{ a, b: 1, .. }", "{ a, b: 1 .. }");
    check_pattern("{ .. }", "{  .. }");
    check_pattern("A", "A");
    check_pattern("A(x)", "A<x>");
    check_pattern("A(x, y)", "A<(x, y)>");
    check_pattern("A { x: B(1 | 2), .. }", "A<{ x: B<(1 | 2)> .. }>");
    check_pattern("1 | 2 | 3", "(1 | 2 | 3)");
    check_pattern("A { x } | B(x)", "(A<{ x }> | B<x>)");
    check(
        "match x { A if b < c => 1\n n if n == A => 2 }",
        "match x { A if (b < c) => 1, n if (n == A) => 2 }",
    );
}

#[test]
fn types() {
    check_type("Int", "Int");
    check_type("()", "()");
    check_type("(Int)", "Int");
    check_type("(Int, Text)", "(Int, Text)");
    check_type("{ a: Int, b: Text = \"x\" }", "{ a: Int, b: Text = text[\"x\"] }");
    check_type("{\n a: Int // one\n b: Int,\n}", "{ a: Int, b: Int }");
    check_type("Map(Text, List({ a: Int }, ..=10))", "Map(Text, List({ a: Int }, ..=10))");
    check_type("Int(-5..=-1)", "Int(-5..=-1)");
    check_type("Int(0..)", "Int(0..=)");
    check_type("A | B(Int) | internal C { x: Int }", "| A | B<Int> | internal C<{ x: Int }>");
    check_type("A(Int, Text) | B", "| A<(Int, Text)> | B");
    check_type("\n  | A\n  | B", "| A | B");
    check_type("| A", "| A");
    check_type("A { x: Int }", "| A<{ x: Int }>");
    check_type("secret Text", "secret Text");
    check_type("A(B | C) | D", "| A<| B | C> | D");
    check_type("internal A", "| internal A");
}

#[test]
fn lines_go_on_where_they_must() {
    check("1 +\n 2", "(1 + 2)");
    check("1\n + 2", "(1 + 2)");
    check("a\n  .b\n  .c()", "a.b.c()");
    check("a // note\n  // more\n  && b", "(a && b)");
    check("(\n a,\n b\n)", "(a, b)");
    check("[\n a\n , b\n]", "[a, b]");
    check("f(\n a\n)", "f(a)");
    check("if a { 1 }\n else { 2 }", "if a do { 1 } else do { 2 }");
    check("\n 1", "1");
    check_block("{\n f\n (a)\n}", "{ f; a }");
    check_block("{\n f\n [a]\n}", "{ f; [a] }");
    check_block("{\n let a = A\n (b, c)\n}", "{ let a = A; (b, c) }");
    check_block("{\n let a = A\n { b }\n}", "{ let a = A; { b } }");
    check_block("{ a\r\n b }", "{ a; b }");
    check("match a {\n A => 1\n B => 2, C => 3\n}", "match a { A => 1, B => 2, C => 3 }");
    check("match a { 0 => 1,\n -1 => 2 }", "match a { 0 => 1, -1 => 2 }");
    assert_eq!(
        items("const a = 1\n\n\nconst b = 2;const c = 3"),
        ["const a = 1", "const b = 2", "const c = 3"]
    );
}

#[test]
fn the_tree_is_the_text() {
    for text in ["machine m", "machine m\r\n\tconst a = \"{ b }\" // c\n\n", "", " \n", "}{"] {
        let parse = syntax::parse(&Source::new("any.cam", text));
        assert_eq!(parse.tree().text().to_string(), text);
        assert_eq!(parse.tree().kind(), syntax::Kind::Root);
    }
}
