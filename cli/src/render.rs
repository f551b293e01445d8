//! Diagnostics for people (source line, caret, help) and for programs (JSON).

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use camshaft_cam::diagnostic::{Diagnostic, Source};
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

/// Returns a number of things in words: `1 file`, `2 files`.
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
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
}
