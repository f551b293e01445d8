//! Tests in the language: that they hold where they should, fail where they should for the reason
//! that they should, and leave nothing in the machine.

use std::fmt::Write;

use camshaft_cam::code::encode::{digest, encode};
use camshaft_cam::compile;
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::suite::{Failure, Options, Report, Suite};
use camshaft_cam::syntax::{self, ast};

const PASSES: &str = include_str!("suites/passes.cam");
const FAILS: &str = include_str!("suites/fails.cam");

const OPTIONS: Options = Options { seed: 0, cases: 300 };

fn lines(errors: &[Diagnostic]) -> String {
    errors.iter().map(|error| format!("{} {}\n", error.code, error.one_line())).collect()
}

fn suite(text: &str) -> Suite {
    let source = Source::new("test.cam", text);
    compile::suite(&source, None).unwrap_or_else(|errors| panic!("{}{text}", lines(&errors)))
}

/// Returns everything that a failure says.
fn words(failure: &Failure) -> String {
    let mut text = format!("{} | {}", failure.message, failure.label);
    for (name, value) in &failure.notes {
        let _ = write!(text, " | {name} {value}");
    }
    if let Some(example) = &failure.counterexample {
        for (name, value) in &example.arguments {
            let _ = write!(text, " | {name} = {value}");
        }
    }
    for line in failure.history.iter().chain(&failure.changes).chain(&failure.state) {
        let _ = write!(text, " | {line}");
    }
    text
}

fn run_all(suite: &Suite, options: Options) -> Vec<Report> {
    suite.tests().iter().map(|test| suite.run(test, options)).collect()
}

#[test]
fn what_holds_passes() {
    let suite = suite(PASSES);
    assert!(suite.tests().len() >= 15);
    for (test, report) in suite.tests().iter().zip(run_all(&suite, OPTIONS)) {
        if let Some(failure) = report.failure {
            panic!("{}: {}", test.name(), words(&failure));
        }
        assert_eq!(report.cases, if test.is_property() { OPTIONS.cases } else { 1 }, "{}", test.name());
    }
}

/// Each test of the file fails once, on the line that says so, with all the words that stand there.
#[test]
fn what_does_not_hold_fails_at_its_place_for_its_reason() {
    let suite = suite(FAILS);
    let source = suite.source();
    let notes: Vec<(usize, &str)> = FAILS
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index + 1, line.split_once("//~ ")?.1)))
        .collect();
    assert_eq!(notes.len(), suite.tests().len(), "each test says where it fails");
    let mut problems = String::new();
    for ((test, report), (line, note)) in suite.tests().iter().zip(run_all(&suite, OPTIONS)).zip(notes) {
        let Some(failure) = report.failure else {
            let _ = writeln!(problems, "{} passes", test.name());
            continue;
        };
        let (found, words) = (source.line_column(failure.span.start).0, words(&failure));
        for wanted in note.split(" | ") {
            if found != line || !words.contains(wanted) {
                let _ = writeln!(
                    problems,
                    "{}: line {found}, expected {line}: no `{wanted}` in {words}",
                    test.name()
                );
            }
        }
    }
    assert!(problems.is_empty(), "{problems}");
}

#[test]
fn the_same_seed_gives_the_same_failure_and_another_the_same_place() {
    let suite = suite(FAILS);
    for test in suite.tests().iter().filter(|test| test.is_property()) {
        let failure = |seed| suite.run(test, Options { seed, cases: 2_000 }).failure.expect("it fails");
        let (first, again) = (failure(1), failure(1));
        assert_eq!(first, again, "{}", test.name());
        assert_eq!(failure(2).span, first.span, "{}", test.name());
    }
}

#[test]
fn counterexamples_are_small() {
    let suite = suite(FAILS);
    let find = |name: &str| {
        let test = suite.tests().iter().find(|test| &**test.name() == name).expect("there is such a test");
        suite.run(test, Options { seed: 3, cases: 2_000 }).failure.expect("it fails")
    };
    // An item that is sold while another stays: fewer inputs cannot do it, and smaller numbers
    // neither.
    let failure = find("two inputs that belong together");
    let runs: Vec<&String> = failure.history.iter().filter(|line| line.starts_with("run ")).collect();
    assert_eq!(runs.len(), 3, "{:#?}", failure.history);
    assert!(words(&failure).contains("count: 5"), "{:#?}", failure.history);
    let failure = find("small numbers");
    assert_eq!(failure.counterexample.expect("it was generated").arguments[0].1, "10");
}

/// What a counterexample says is itself a test that shows the same.
#[test]
fn the_history_of_a_failure_is_a_test() {
    for name in ["sums stay small", "two inputs that belong together", "no step traps"] {
        let whole = suite(FAILS);
        let test = whole.tests().iter().find(|test| &**test.name() == name).expect("there is such a test");
        let failure = whole.run(test, OPTIONS).failure.expect("it fails");
        let machine = without_tests(FAILS);
        let text = format!("{machine}\ntest \"again\" {{\n  {}\n}}\n", failure.history.join("\n  "));
        let again = suite(&text);
        let report = again.run(&again.tests()[0], OPTIONS);
        assert!(report.failure.is_none(), "{text}\n{}", words(&report.failure.expect("it failed")));
    }
}

/// Returns a machine file without its tests.
fn without_tests(text: &str) -> String {
    let file = syntax::parse_file(&Source::new("m.cam", text)).expect("it parses");
    let ast::File::Machine(file) = file else { panic!("a machine") };
    let mut kept = text.to_owned();
    for item in file.items.iter().rev() {
        if let ast::Item::Test(test) = item {
            kept.replace_range(test.span.clone(), "");
        }
    }
    kept
}

/// Tests are no part of the machine: with and without them it has the same bytes.
#[test]
fn tests_leave_nothing_in_the_machine() {
    for text in [PASSES, FAILS] {
        let without = without_tests(text);
        assert!(!without.contains("property \"") && !without.contains("test \""));
        let module = |text: &str| compile::machine(&Source::new("m.cam", text), None);
        let (with, without) = (module(text), module(&without));
        let with = with.unwrap_or_else(|errors| panic!("{}", lines(&errors)));
        let without = without.unwrap_or_else(|errors| panic!("{}", lines(&errors)));
        assert_eq!(encode(&with), encode(&without));
        assert_eq!(digest(&with), digest(&without));
    }
}

#[test]
fn a_timer_that_never_lets_the_clock_go_on_is_found() {
    let suite = suite(
        "machine m\ntype State = Int\ntype Input = Go | internal Tick\ninit = 0\n\
         on Go { timer \"t\" after 0ms => Tick; (state, ()) }\non Tick { timer \"t\" after 0ms => Tick; state }\n\
         test \"once\" { run Go; advance 0ms }\nproperty \"always\" { for all inputs { expect state == 0 } }\n",
    );
    for test in suite.tests() {
        let failure = suite.run(test, OPTIONS).failure.expect("it fails");
        assert_eq!(failure.message, "more than 10000 timers fire here");
        // What ran is told, and not ten thousand times.
        assert_eq!(failure.history[0], "run Go gives ()");
        assert!(failure.history.len() < 40, "{}", failure.history.len());
    }
}

#[test]
fn a_test_with_more_than_a_module_holds_is_spread_over_several() {
    let machine = "machine m\ntype State = Int\ntype Input = | Add(Int)\ntype Output = | Sum(Int)\ninit = 0\n\
                   on Add(n) => (state + n, Sum(state + n))\ntest \"many\" {\n";
    let mut text = machine.to_owned();
    for count in 1..=1_500 {
        let _ = writeln!(text, "  run Add(1) gives Sum({count})");
    }
    text += "  expect state == 1_500\n}\n";
    let suite = suite(&text);
    let report = suite.run(&suite.tests()[0], OPTIONS);
    assert!(report.failure.is_none());
    assert_eq!(report.steps, 1_500);
}

#[test]
fn a_type_that_a_test_cannot_hold_is_refused() {
    // The state nests as deep as a type may; beside another value it would nest deeper.
    let deep = (0..61).fold("Int".to_owned(), |inner, _| format!("List({inner})"));
    let text = format!(
        "machine m\ntype State = {deep}\ntype Input = | Go\ninit = []\non Go => (state, ())\n\
         test \"deep\" {{ let n = 1; run Go; expect n == 1 && (state, n) == (state, 1) }}\n"
    );
    let source = Source::new("m.cam", text.as_str());
    let errors = compile::suite(&source, None).expect_err("too deep");
    assert!(errors.iter().all(|error| error.code == "E0204"), "{}", lines(&errors));
}

#[test]
fn what_is_too_large_to_verify_is_refused_in_words() {
    // More different types in one expression than a module may have: tuples of Ints and Bools.
    let tuple = |n: usize| {
        let items: Vec<&str> = (0..13).map(|bit| if n >> bit & 1 == 1 { "state" } else { "true" }).collect();
        format!("({})", items.join(", "))
    };
    let row = |row: usize| (row * 900..(row + 1) * 900).map(tuple).collect::<Vec<_>>().join(", ");
    let rows: Vec<String> = (0..5).map(|number| format!("({})", row(number))).collect();
    let text = format!(
        "machine m\ntype State = Int\ntype Input = | Go\ninit = 0\non Go => (state, ())\n\
         test \"large\" {{ run Go; expect ({}).0.0.0 }}\n",
        rows.join(", ")
    );
    let source = Source::new("m.cam", text.as_str());
    let errors = compile::suite(&source, None).expect_err("too large");
    assert_eq!(errors.len(), 1, "{}", lines(&errors));
    assert_eq!(errors[0].code, "E0511");
    assert!(errors[0].message.contains("V02"), "{}", errors[0].message);
    assert!(errors[0].help.is_some());
}

/// No change of a good suite makes compiling or running it panic. `CAMSHAFT_LONG` multiplies the
/// number of changed programs.
#[test]
fn changed_suites_are_refused_or_run() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).expect("below a length")
    };
    let times: usize = std::env::var("CAMSHAFT_LONG").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let mut ran = 0;
    for round in 0..400 * times {
        let good = [PASSES, FAILS][round % 2];
        let words: Vec<&str> = good.split_inclusive([' ', '(', ')', '{', '}', ',', '.', '\n']).collect();
        // The machine stays whole most of the time; it is the tests that are changed.
        let begin = words.iter().position(|word| word.starts_with("test ")).expect("there are tests");
        let mut changed = words.clone();
        let (a, b) = (begin + next(changed.len() - begin), begin + next(changed.len() - begin));
        match next(3) {
            0 => changed.swap(a, b),
            1 => drop(changed.remove(a)),
            _ => changed[a] = words[b],
        }
        let text: String = changed.concat();
        match compile::suite(&Source::new("changed.cam", text.as_str()), None) {
            Err(errors) => assert!(!errors.is_empty(), "{text}"),
            Ok(suite) => {
                ran += 1;
                let test = &suite.tests()[next(suite.tests().len())];
                suite.run(test, Options { seed: round as u64, cases: 3 });
            }
        }
    }
    assert!(ran > 20, "some changes leave a suite whole: {ran}");
}
