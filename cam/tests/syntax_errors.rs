//! What is wrong with a text, word for word: place, code, reason and mend of every syntax error.
//!
//! `syntax_errors.txt` holds the texts, each under a heading, and below `==>` all that is wrong
//! with it. With `UPDATE_EXPECT=1` what the parser says is written there; read the difference.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use camshaft_cam::diagnostic::Source;
use camshaft_cam::syntax::{self, NESTING_MAX, SOURCE_MAX};

const CASES: &str = include_str!("syntax_errors.txt");

/// Shows all errors of a text.
fn errors(text: &str) -> String {
    let source = Source::new("case.cam", text);
    let errors = syntax::parse_file(&source).err().unwrap_or_default();
    let mut shown = String::new();
    for error in errors {
        let (line, column) = source.line_column(error.span.start);
        let caret = &text[error.span.clone()];
        writeln!(shown, "{line}:{column} {} {}", error.code, error.message).expect("a String takes all");
        writeln!(shown, "    {caret:?} {}", error.label).expect("a String takes all");
        for (span, note) in error.related {
            let (line, column) = source.line_column(span.start);
            writeln!(shown, "    {line}:{column} {note}").expect("a String takes all");
        }
        writeln!(shown, "    {}", error.help.unwrap_or_default()).expect("a String takes all");
    }
    shown
}

#[test]
fn every_error_is_told_word_for_word() {
    let mut found = String::new();
    for case in CASES.split("## ").skip(1) {
        let (heading, rest) = case.split_once('\n').expect("a heading is a line");
        let (text, _) = rest.split_once("==>\n").expect("a text ends with `==>`");
        let told = errors(text);
        assert!(!told.is_empty(), "{heading}: nothing is wrong with\n{text}");
        write!(found, "## {heading}\n{text}==>\n{told}\n").expect("a String takes all");
    }
    if found != CASES && std::env::var_os("UPDATE_EXPECT").is_some() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/syntax_errors.txt");
        std::fs::write(path, found).expect("the cases can be written");
        return;
    }
    for (found, expected) in found.split("## ").zip(CASES.split("## ")) {
        assert_eq!(found, expected, "run with UPDATE_EXPECT=1 to write it anew");
    }
    assert_eq!(found, CASES);
}

#[test]
fn what_is_too_much_is_told_once() {
    let nested = format!("machine m\nconst a = {}1\ntype T = {{}}\n", "(".repeat(NESTING_MAX));
    let told = errors(&nested);
    assert!(
        told.starts_with(&format!(
            "2:{} E0106 this nests or chains more than {NESTING_MAX} deep\n",
            10 + NESTING_MAX
        )),
        "{told}"
    );
    assert!(told.ends_with("    \"(\" too deep\n    give parts names with `let` or `fn`\n"), "{told}");
    assert_eq!(told.matches("E0").count(), 1, "{told}");

    let pieces = format!("machine m\nconst a = \"{}\"\n", "{a}".repeat(65));
    let told = errors(&pieces);
    assert!(told.starts_with("2:11 E0106 a text has at most 64 pieces\n"), "{told}");
    assert!(told.ends_with(" too many\n    join parts with `++`\n"), "{told}");

    let large = errors(&" ".repeat(SOURCE_MAX + 1));
    let expected = "1:1 E0107 this file is larger than 1048576 bytes\n    \"\" too large\n    \
                    data belongs into the state or the configuration\n";
    assert_eq!(large, expected);
}

#[test]
fn a_text_of_errors_is_told_up_to_a_limit_and_in_order() {
    let source = Source::new("case.cam", format!("machine m\n{}", "const a = = 1\n".repeat(1_000)));
    let errors = syntax::parse(&source).errors;
    assert_eq!(errors.len(), 64);
    assert!(errors.is_sorted_by_key(|error| error.span.start));
}

/// Every code of the parser has its case.
#[test]
fn every_code_has_a_case() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/syntax/parser");
    let mut codes = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the sources are part of the repository") {
        let path = entry.expect("an entry of a folder that can be read").path();
        let text = std::fs::read_to_string(path).expect("a source that was just listed");
        let parts: Vec<String> = text.split('"').map(str::to_owned).collect();
        codes.extend(parts.into_iter().filter(|part| part.len() == 5 && part.starts_with("E01")));
    }
    assert!(codes.len() >= 17, "{codes:?}");
    let told_above = ["E0106", "E0107"];
    let missing: Vec<&String> = codes
        .iter()
        .filter(|code| !CASES.contains(&format!(" {code} ")) && !told_above.contains(&code.as_str()))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:?}");
}
