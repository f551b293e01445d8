//! Texts that mean harm, or nothing at all: none makes the parser panic, overflow the stack or
//! take more than its share of time, and the tree always holds every byte.

use camshaft_cam::diagnostic::Source;
use camshaft_cam::syntax;
use proptest::prelude::*;

/// Parses a text and checks what holds for every text; returns the codes of its errors.
fn check(text: &str) -> Vec<&'static str> {
    let source = Source::new("hostile.cam", text);
    let parse = syntax::parse(&source);
    assert_eq!(parse.tree().text().to_string(), text, "the tree is the text");
    for error in &parse.errors {
        let span = error.span.clone();
        assert!(text.get(span.clone()).is_some(), "{error:?}: {span:?} is no part of {text:?}");
        assert!(!error.message.is_empty() && !error.label.is_empty(), "{error:?}: no reason");
        assert!(error.help.is_some(), "{error:?}: no mend");
    }
    match syntax::parse_file(&source) {
        Ok(_) => assert!(parse.errors.is_empty(), "a text with errors has no plain tree: {text:?}"),
        Err(errors) => assert_eq!(errors, parse.errors, "{text:?}"),
    }
    parse.errors.into_iter().map(|error| error.code).collect()
}

/// What nests: before, the part that is repeated, after.
const NESTS: &[(&str, &str, &str)] = &[
    ("const a = ", "(", "1"),
    ("const a = ", "[", "1"),
    ("const a = ", "[1: ", "1"),
    ("const a = ", "{ a: ", "1"),
    ("const a = ", "{ ..", "a"),
    ("const a = ", "{ ", "1"),
    ("const a = ", "{ let x = 1; ", "1"),
    ("const a = ", "-", "1"),
    ("const a = ", "!", "a"),
    ("const a = ", "1 + ", "1"),
    ("const a = ", "a && ", "a"),
    ("const a = ", "a || b && c == d ++ e + f * ", "g"),
    ("const a = a", ".b", ""),
    ("const a = a", ".b()", ""),
    ("const a = a", "[0]", ""),
    ("const a = ", "a[", "0"),
    ("const a = ", "f(", "1"),
    ("const a = ", "a.f(", "1"),
    ("const a = ", "f(x -> ", "1"),
    ("const a = ", "x -> ", "1"),
    ("const a = ", "(x) -> ", "1"),
    ("const a = ", "A(", "1"),
    ("const a = ", "A { a: ", "1"),
    ("const a = ", "fail ", "1"),
    ("const a = ", "if a { ", "1"),
    ("const a = ", "if ", "a"),
    ("const a = ", "if a { 1 } else ", "{ 1 }"),
    ("const a = ", "match ", "a"),
    ("const a = ", "match a { _ => ", "1"),
    ("const a = ", "match a { _ if ", "a"),
    ("const a = ", "\"{", "a"),
    ("const a = ", "{ ..s, a[", "0"),
    ("on A { ", "let (a, b) = c; ", "1 }"),
    ("on A { ", "let A(b) = c else ", "d }"),
    ("on A { ", "for x in y { ", "stop"),
    ("on A { ", "for x in ", "y"),
    ("on A { ", "send a[", "b"),
    ("on A { ", "send a { ", "b"),
    ("on A { ", "timer { ", "b"),
    ("test \"a\" { ", "if a { ", "run B"),
    ("test \"a\" { ", "if a { } else ", "{ }"),
    ("test \"a\" { ", "if ", "a"),
    ("test \"a\" { ", "for x in y { ", "run B"),
    ("test \"a\" { for ", "A(", "_"),
    ("test \"a\" { let ", "A(", "_"),
    ("test \"a\" { expect a is ", "A(", "_"),
    ("test \"a\" { run ", "A(", "b"),
    ("test \"a\" { answer c[", "a[", "b"),
    ("test \"a\" with state ", "{ a: ", "1"),
    ("property \"a\" { ", "for all inputs { ", "run B"),
    ("property \"a\" (x: ", "List(", "Int"),
    ("on ", "A(", "_"),
    ("on ", "A { a: ", "_"),
    ("on ", "{ a: ", "_"),
    ("on ", "(", "_"),
    ("on ", "(_ | ", "_"),
    ("type T = ", "(", "Int"),
    ("type T = ", "{ a: ", "Int"),
    ("type T = ", "{ a: Int = ", "1"),
    ("type T = ", "A { a: ", "Int"),
    ("type T = ", "List(", "Int"),
    ("type T = ", "| A(", "Int"),
    ("type T = ", "secret ", "Int"),
    ("type T = ", "internal ", "A"),
    ("type T = ", "internal secret ", "A"),
    ("fn f(", "a: (", "Int"),
    ("test \"a\" ", "{ ", "}"),
];

#[test]
fn whatever_nests_is_bounded() {
    for (before, part, after) in NESTS {
        // Twice what any of them needs to reach the bound, and as much as a file may hold.
        for times in [200, 50_000 / part.len()] {
            let text = format!("machine m\n{before}{}{after}\n", part.repeat(times));
            let codes = check(&text);
            assert!(!codes.is_empty(), "{part:?} {times} times is refused");
        }
    }
}

#[test]
fn what_is_long_and_flat_is_fine() {
    for (before, part, after) in [
        ("const a = [", "1, ", "1]"),
        ("const a = [", "x: 1, ", "y: 1]"),
        ("const a = f(", "(x, y), ", "1)"),
        ("const a = { ..s, ", "a: 1, ", "b: 1 }"),
        ("const a", ".b", " = 1"),
        ("type T = A", " | A(Int) | A { a: Int }", ""),
        ("type T = { ", "a: Int, ", "b: Int }"),
        ("on ", "A | ", "A => 1"),
        ("on A { ", "log \"a\"; ", "1 }"),
        ("const a = match b { ", "A { a, .. } if c => 1, ", "_ => 1 }"),
        ("const a = (1", "\n", ")"),
        ("", "const a = 1\n", ""),
        ("", "const a = (x) -> 1\n", ""),
        ("", "// note\n", ""),
        ("", ";", ""),
    ] {
        check(&format!("machine m\n{before}{}{after}\n", part.repeat(50_000 / part.len())));
    }
}

#[test]
fn brackets_that_are_never_closed_cost_no_more_than_others() {
    for part in
        ["on A { a ", "A { a\n", "(a, ", "match x { A { a ", "{ a: \"b", "\"{", "\"\\u{", "(x -> ", "[a: "]
    {
        check(&format!("machine m\n{}", part.repeat(50_000 / part.len())));
        check(&format!("machine m\non B => 1 {}", part.repeat(50_000 / part.len())));
    }
}

#[test]
fn a_file_of_the_greatest_size_is_read_and_one_beyond_it_is_not() {
    let head = "machine m\n";
    let blank = syntax::SOURCE_MAX - head.len();
    assert_eq!(check(&format!("{head}{}", "\n".repeat(blank))), [""; 0]);
    assert_eq!(check(&format!("{head}{}", "\n".repeat(blank + 1))), ["E0107"]);
    assert_eq!(check(&format!("{head}{}", "(".repeat(blank))), ["E0110"]);
}

/// The words and signs of the language, and some that are none.
const WORDS: &[&str] = &[
    "machine",
    "migration",
    "keyed",
    "from",
    "config",
    "type",
    "const",
    "channel",
    "invariant",
    "init",
    "fn",
    "on",
    "test",
    "internal",
    "secret",
    "if",
    "else",
    "match",
    "let",
    "for",
    "in",
    "true",
    "false",
    "fail",
    "send",
    "timer",
    "after",
    "cancel",
    "call",
    "log",
    "stop",
    "rename",
    "to",
    "drop",
    "add",
    "up",
    "down",
    "lift",
    "unlift",
    "lower",
    "raise",
    "state",
    "order",
    "x",
    "State",
    "Some",
    "Int",
    "A",
    "_",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    ":",
    "..=",
    "..",
    ".",
    "->",
    "=>",
    "==",
    "!=",
    "<=",
    ">=",
    "<",
    ">",
    "=",
    "||",
    "&&",
    "|",
    "++",
    "+",
    "-",
    "*",
    "/",
    "%",
    "!",
    "\"",
    "\"a\"",
    "\"{",
    "}\"",
    "\"1.0.0\"",
    "\\",
    "\\u{41}",
    "\\{",
    "1",
    "0",
    "1_000",
    "9223372036854775808",
    "15m",
    "15min",
    "250ms",
    "2x",
    "\n",
    "\r\n",
    "\t",
    "// note\n",
    "//",
    "é",
    "'",
    "#",
    "&",
    "\u{feff}",
    "\u{1F600}",
    "\0",
];

fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(WORDS)
}

/// Good programs to change.
const GOOD: &[&str] = &[
    include_str!("fixtures/stock.cam"),
    include_str!("../../examples/counter/v3/apps/counter/machines/counter.cam"),
    include_str!("../../examples/counter/v2/apps/counter/migrations/counter-2.0.0-from-1.0.0.cam"),
    include_str!("../../examples/pingpong/v3/apps/pong/migrations/server-3.0.0-from-2.0.0.cam"),
];

/// Returns the nearest place at or before `at` where a character begins.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// `CAMSHAFT_LONG` multiplies the number of texts.
fn config() -> ProptestConfig {
    let times = std::env::var("CAMSHAFT_LONG").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    ProptestConfig { cases: 512 * times, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_letters(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn any_words(
        head in prop::sample::select(&["", "machine m\n", "migration m from \"1.0.0\"\n"][..]),
        words in prop::collection::vec((word(), prop::bool::ANY), 0..80),
    ) {
        let mut text = head.to_owned();
        for (word, spaced) in words {
            text.push_str(word);
            text.push_str(if spaced { " " } else { "" });
        }
        check(&text);
    }

    #[test]
    fn changed_programs(
        program in prop::sample::select(GOOD),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, prop::option::of(word())), 1..6),
    ) {
        let mut text = program.to_owned();
        for (at, length, word) in changes {
            let start = boundary(&text, at.index(text.len() + 1));
            let end = boundary(&text, start + length).max(start);
            text.replace_range(start..end, word.unwrap_or(""));
        }
        check(&text);
    }
}

#[test]
fn a_good_program_cut_anywhere() {
    for program in GOOD {
        assert_eq!(check(program), [""; 0]);
        for end in (0..program.len()).filter(|end| program.is_char_boundary(*end)) {
            check(&program[..end]);
        }
    }
}
