//! Diagnostics for people (source line, caret, help) and for programs (JSON).

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::words;
use serde_json::{Value, json};

/// Returns the diagnostic with the source lines it is about.
pub fn to_text(diagnostic: &Diagnostic, colour: bool) -> String {
    let text: &str = &diagnostic.source.text;
    let label = Some(diagnostic.label.as_str()).filter(|label| !label.is_empty());
    let primary = AnnotationKind::Primary.span(within(text, &diagnostic.span)).label(label);
    let related = diagnostic
        .related
        .iter()
        .map(|(span, note)| AnnotationKind::Context.span(within(text, span)).label(note.as_str()));
    let snippet =
        Snippet::source(text).path(&*diagnostic.source.name).annotation(primary).annotations(related);
    let message = harmless(&diagnostic.message);
    let mut report = vec![Level::ERROR.primary_title(message.as_str()).id(diagnostic.code).element(snippet)];
    let help = diagnostic.help.as_deref().map(harmless);
    if let Some(help) = &help {
        report.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
    }
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&report)
}

/// Returns a title of one's own above a place in a source, and notes below it.
pub fn titled(
    title: &str,
    source: &Source,
    span: &Range<usize>,
    label: &str,
    notes: &[String],
    colour: bool,
) -> String {
    let (title, notes) = (harmless(title), notes.iter().map(|note| harmless(note)).collect::<Vec<_>>());
    let label = Some(label).filter(|label| !label.is_empty());
    let primary = AnnotationKind::Primary.span(within(&source.text, span)).label(label);
    let snippet = Snippet::source(&*source.text).path(&*source.name).annotation(primary);
    let group = Level::ERROR.primary_title(title.as_str()).element(snippet);
    let group = notes.iter().fold(group, |group, note| group.element(Level::NOTE.message(note.as_str())));
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    renderer.render(&[group])
}

/// Returns the diagnostic as data; lines and columns count from 1, columns in characters.
pub fn to_json(diagnostic: &Diagnostic) -> Value {
    let place = |span: &Range<usize>| {
        let (line, column) = diagnostic.source.line_column(span.start);
        let (end_line, end_column) = diagnostic.source.line_column(span.end);
        json!({
            "line": line, "column": column, "end_line": end_line, "end_column": end_column,
            "start": span.start, "end": span.end,
        })
    };
    let related = diagnostic.related.iter().map(|(span, note)| json!({ "at": place(span), "note": note }));
    json!({
        "code": diagnostic.code,
        "message": diagnostic.message,
        "file": &*diagnostic.source.name,
        "at": place(&diagnostic.span),
        "label": diagnostic.label,
        "related": related.collect::<Vec<_>>(),
        "help": diagnostic.help,
    })
}

/// Returns the span moved to where characters begin within the text, so that drawing cannot fail.
fn within(text: &str, span: &Range<usize>) -> Range<usize> {
    let floor = |at: usize| {
        let mut at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = floor(span.start);
    start..floor(span.end).max(start)
}

/// Returns text without the control characters by which a file or a node could move the cursor
/// or recolour the terminal of the person who reads it.
pub fn harmless(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

/// Returns such text in one line, for where a line says something of its own.
pub fn one_line(text: &str) -> String {
    harmless(text).replace(['\n', '\t'], " ")
}

/// Returns a number of things in words: `1 file`, `2 files`.
pub fn counted(count: usize, what: &str) -> String {
    words::counted(count as u64, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Diagnostic {
        let source = Source::new("apps/a/machines/a.cam", "machine a\non Incr => state + cuont\n");
        Diagnostic::new("E0201", &source, 27..32, "there is no `cuont`", "not found")
            .related(8..9, "in this machine")
            .help("did you mean `count`?")
    }

    #[test]
    fn a_diagnostic_shows_line_column_caret_label_and_help() {
        let text = to_text(&example(), false);
        let expected = "\
error[E0201]: there is no `cuont`
 --> apps/a/machines/a.cam:2:18
  |
1 | machine a
  |         - in this machine
2 | on Incr => state + cuont
  |                  ^^^^^ not found
  |
help: did you mean `count`?";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_same_as_data() {
        let value = to_json(&example());
        assert_eq!(value["at"]["line"], 2);
        assert_eq!(value["at"]["column"], 18);
        assert_eq!(value["related"][0]["note"], "in this machine");
        assert_eq!(value["help"], "did you mean `count`?");
    }

    /// Asserts that a place is one of the text: lines and columns in it, the end not before the start.
    fn assert_place(place: &Value, text: &str, what: &str) {
        let number = |name: &str| {
            let number = place[name].as_u64().unwrap_or_else(|| panic!("{what}: no number `{name}`"));
            usize::try_from(number).expect("a place of a text in memory")
        };
        let lines: Vec<&str> = text.split('\n').collect();
        for (line, column, at) in
            [(number("line"), number("column"), "start"), (number("end_line"), number("end_column"), "end")]
        {
            assert!((1..=lines.len()).contains(&line), "{what}: line {line} of {}", lines.len());
            let columns = lines[line - 1].chars().count() + 1;
            assert!((1..=columns).contains(&column), "{what}: column {column} of {columns}");
            // The number of the byte says the same place.
            let before = text.get(..number(at)).unwrap_or_else(|| panic!("{what}: no character at {at}"));
            let after_break = before.rfind('\n').map_or(0, |last| last + 1);
            let counted = (before.matches('\n').count() + 1, before[after_break..].chars().count() + 1);
            assert_eq!((line, column), counted, "{what}: {at}");
        }
        assert!(number("start") <= number("end"), "{what}: the end is before the start");
    }

    #[test]
    fn every_fault_as_data_has_all_fields_and_a_place_in_its_file() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../cam/tests/faults");
        let mut found = 0;
        for entry in std::fs::read_dir(folder).expect("the faulty programs are part of the repository") {
            let path = entry.expect("an entry of a folder that can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).expect("a file that was just listed");
            let source = Source::new(name.as_str(), text.as_str());
            let faults = camshaft_cam::compile::machine(&source, None).err();
            for fault in faults.unwrap_or_else(|| panic!("{name} compiles")) {
                found += 1;
                let what = format!("{name}: {}", fault.one_line());
                let value = to_json(&fault);
                let fields = value.as_object().expect("an object");
                let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
                names.sort_unstable();
                assert_eq!(names, ["at", "code", "file", "help", "label", "message", "related"], "{what}");
                let code = value["code"].as_str().expect("a text");
                assert!(code.len() == 5 && code[1..].bytes().all(|b| b.is_ascii_digit()), "{what}");
                assert_eq!(value["file"], name.as_str(), "{what}");
                assert!(value["message"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
                assert!(value["label"].is_string(), "{what}");
                assert!(value["help"].is_null() || value["help"].is_string(), "{what}");
                assert_place(&value["at"], &text, &what);
                for note in value["related"].as_array().expect("a list") {
                    assert!(note["note"].as_str().is_some_and(|text| !text.is_empty()), "{what}");
                    assert_place(&note["at"], &text, &what);
                }
            }
        }
        assert!(found > 50, "only {found} faults");
    }

    #[test]
    fn a_span_outside_the_text_or_within_a_character_is_drawn_all_the_same() {
        let source = Source::new("x", "é\u{1b}[31m");
        for span in [0..1, 1..2, 99..100, Range { start: 5, end: 2 }] {
            let diagnostic = Diagnostic::new("E0201", &source, span, "wrong\u{1b}[31m", "");
            assert!(!to_text(&diagnostic, false).contains('\u{1b}'));
        }
        let empty = Source::new("x", "");
        assert!(to_text(&Diagnostic::new("E0201", &empty, 0..0, "wrong", "here"), false).contains("wrong"));
    }

    #[test]
    fn text_of_others_moves_no_cursor_and_begins_no_line_of_its_own() {
        let text = "a\u{1b}[2J\r\u{7}\u{9b}31mb\n\tc";
        assert_eq!(harmless(text), "a\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}31mb\n\tc");
        assert_eq!(one_line(text), "a\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}31mb  c");
    }
}
