//! Faulty programs, one per error: `//~ CODE words` stands on the line that the error points at,
//! and the words stand in its message, label or help.

use std::collections::BTreeSet;
use std::path::Path;

use camshaft_cam::code::{decode, encode};
use camshaft_cam::compile;
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::verify::verify;

fn words(error: &Diagnostic) -> String {
    format!("{} | {} | {}", error.message, error.label, error.help.as_deref().unwrap_or(""))
}

/// Returns what a fixture expects: line, code and words.
fn expected(text: &str) -> Vec<(usize, String, String)> {
    let mut expected = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some((_, note)) = line.split_once("//~ ") {
            let (code, words) = note.split_once(' ').expect("a note is `//~ CODE words`");
            expected.push((index + 1, code.to_owned(), words.to_owned()));
        }
    }
    expected
}

#[test]
fn every_faulty_program_is_refused_for_its_reason_at_its_place() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    let mut entries: Vec<_> = std::fs::read_dir(&folder)
        .expect("the fixtures are part of the repository")
        .map(|entry| entry.expect("an entry of a folder that can be read").path())
        .collect();
    entries.sort();
    for path in entries {
        let text = std::fs::read_to_string(&path).expect("a fixture that was just listed");
        let source = Source::new(path.file_name().unwrap_or_default().to_string_lossy(), text.as_str());
        let expected = expected(&text);
        assert!(!expected.is_empty(), "{} expects nothing", source.name);
        let errors = match compile::machine(&source, None) {
            Ok(_) => {
                problems.push(format!("{}: compiles", source.name));
                continue;
            }
            Err(errors) => errors,
        };
        for (line, code, want) in &expected {
            seen.insert(code.clone());
            let found = errors.iter().any(|error| {
                error.code == code
                    && source.line_column(error.span.start).0 == *line
                    && words(error).contains(want)
            });
            if !found {
                let all: Vec<String> = errors
                    .iter()
                    .map(|error| format!("  {} {} ({})", error.code, error.one_line(), words(error)))
                    .collect();
                problems.push(format!(
                    "{}:{line}: no {code} with `{want}` among\n{}",
                    source.name,
                    all.join("\n")
                ));
            }
        }
        if errors.len() > expected.len() {
            let all: Vec<String> =
                errors.iter().map(|error| format!("  {} {}", error.code, error.one_line())).collect();
            problems.push(format!(
                "{}: {} errors, expected {}\n{}",
                source.name,
                errors.len(),
                expected.len(),
                all.join("\n")
            ));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let missing: Vec<String> = codes().into_iter().filter(|code| !seen.contains(code)).collect();
    assert!(missing.is_empty(), "no fixture for {missing:?}");
}

/// Every code that a machine file can be refused with: those in the sources, without those of
/// migrations (`tests/migrations.rs`), of the size limits (below and `tests/suite.rs`), and of what
/// cannot be written.
fn codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for folder in ["syntax", "check", "compile"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder), &mut |source| {
            for part in source.split("\"E0").skip(1) {
                if part.as_bytes().get(3) == Some(&b'"') {
                    codes.insert(format!("E0{}", &part[..3]));
                }
            }
        });
    }
    assert!(codes.len() > 60, "the codes stand in the sources as texts: {codes:?}");
    // Those of migrations, of type modules and of lines of releases have tests of their own, and so has
    // the size of a file.
    let elsewhere = |code: &String| code.starts_with("E04") || code.starts_with("E06");
    codes.retain(|code| !elsewhere(code) && code != "E0107" && code != "E0511" && code != "E0302");
    codes
}

fn sources(folder: &Path, see: &mut impl FnMut(&str)) {
    for entry in std::fs::read_dir(folder).expect("the sources are part of the repository") {
        let path = entry.expect("an entry of a folder that can be read").path();
        if path.is_dir() {
            sources(&path, see);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            see(&std::fs::read_to_string(&path).expect("a source that was just listed"));
        }
    }
}

#[test]
fn a_file_beyond_the_limit_is_refused_unread() {
    let source = Source::new("large.cam", " ".repeat(camshaft_cam::syntax::SOURCE_MAX + 1));
    let errors = compile::machine(&source, None).expect_err("too large");
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].code, "E0107");
}

/// Good programs to change, each with the words that changes are made of.
const GOOD: &[&str] = &[
    include_str!("fixtures/stock.cam"),
    include_str!("../../examples/counter/v3/apps/counter/machines/counter.cam"),
    include_str!("../../examples/pingpong/v3/apps/ping/machines/client.cam"),
    include_str!("../../examples/pingpong/v3/apps/pong/machines/server.cam"),
];

/// A program that compiles also verifies, and no change of a good program makes the compiler
/// panic. `CAMSHAFT_LONG` multiplies the number of changed programs.
#[test]
fn changed_programs_are_refused_or_verify() {
    // A small generator of its own (xorshift): the same changes in every run.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).expect("below a length")
    };
    let times = std::env::var("CAMSHAFT_LONG").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let mut compiled = 0;
    for round in 0..1_500 * times {
        let words: Vec<&str> =
            GOOD[round % GOOD.len()].split_inclusive([' ', '(', ')', '{', '}', ',', '.', '\n']).collect();
        let mut changed = words.clone();
        for _ in 0..=next(2) {
            let (a, b) = (next(changed.len()), next(changed.len()));
            match next(3) {
                0 => changed.swap(a, b),
                1 => {
                    changed.remove(a);
                }
                _ => changed[a] = words[b % words.len()],
            }
        }
        let text: String = changed.concat();
        let source = Source::new("changed.cam", text.as_str());
        match compile::machine(&source, None) {
            Err(errors) => assert!(!errors.is_empty(), "{text}"),
            Ok(module) => {
                compiled += 1;
                let bytes = encode::encode(&module);
                let back = decode::decode(&bytes).unwrap_or_else(|error| panic!("{error}\n{text}"));
                assert_eq!(encode::encode(&back), bytes, "{text}");
                if let Err(error) = verify(back) {
                    panic!("{error}\n{text}");
                }
            }
        }
    }
    assert!(compiled > 20, "some changes leave a program whole: {compiled}");
}

/// Wraps `inner` in `form` (with `@` for the hole) so many times.
fn nested(form: &str, inner: &str, times: usize) -> String {
    (0..times).fold(inner.to_owned(), |inner, _| form.replace('@', &inner))
}

#[test]
fn the_deepest_programs_that_parse_go_through_on_a_thread_of_2_mib() {
    let forms = [
        "(@)",
        "(@ + 1)",
        "1 + @",
        "if true { @ } else { 2 }",
        "if @ == 1 { 1 } else { 2 }",
        "match @ { 1 => 2, _ => 3 }",
        "match 1 { 1 => @, _ => 3 }",
        "{ let a = @; a }",
        "{ let (a, _) = (@, 1); a }",
        "{ let Some(a) = Some(@) else 3; a }",
        "[@].len()",
        "[1].map(x -> @).len()",
        "[1].fold(0, (a, x) -> a + @)",
        "[1].count(x -> @ == 1)",
        "[1].find_index(x -> @ == 1).or(1)",
        "[1].min_by(x -> @).or(1)",
        "[1].fold_while(1, (a, x) -> @ == 1, (a, x) -> a)",
        "[1].sort_by(x -> @).len()",
        "[1].distinct_by(x -> @).len()",
        "[1: 1].map_keys((k, v) -> @).len()",
        "[1: 1].update_or(1, 1, v -> @).len()",
        "Some(@).or(1)",
        "[1: @].len()",
        "\"{@}\".len()",
        "f(@)",
        "-@",
        "{ count: @ }.count",
        "{ ..{ count: 1 }, count: @ }.count",
    ];
    for form in forms {
        let times = deepest(form, 96, |times| nested(form, "1", times));
        assert!(times >= 10, "{form}: {times}");
    }
    // Lambdas of functions that are made of others: those nest deeper than what is written. As
    // deep as they go, and what is left of the depth of the text filled with what nests by itself.
    for form in forms.iter().filter(|form| form.contains("->")) {
        let fill = "match 1 { 1 => @, _ => 3 }";
        deepest(form, 96, |times| nested(form, &nested(fill, "1", times.saturating_sub(12)), times.min(12)));
    }
}

/// Finds the deepest program of this make that compiles, from above. It passes the decoder and
/// the verifier, and what is deeper is refused for its depth.
fn deepest(form: &str, most: usize, body: impl Fn(usize) -> String) -> usize {
    for times in (1..=most).rev() {
        let text = format!(
            "machine deep\ntype State = Int\ntype Input = | Go\ntype R = {{ count: Int }}\ninit = 0\n\
             fn f(n: Int) -> Int = n\nfn g(n: Int) -> Int = {}\non Go => (state + g(1), ())\n",
            body(times)
        );
        let source = Source::new("deep.cam", text.as_str());
        match compile::machine(&source, None) {
            Ok(module) => {
                let back = decode::decode(&encode::encode(&module));
                let back = back.unwrap_or_else(|error| panic!("{form} {times}: {error}"));
                verify(back).unwrap_or_else(|error| panic!("{form} {times}: {error}"));
                return times;
            }
            Err(errors) => {
                let expected = ["E0106", "E0245", "E0261"];
                let other = errors.iter().find(|error| !expected.contains(&error.code));
                assert!(other.is_none(), "{form}: {}", words(&errors[0]));
            }
        }
    }
    panic!("{form} never compiles")
}
