//! Diagnostics: what is wrong, where, why, and how to mend it.
//!
//! Pure data. The command line renders it for people, `--json` for programs. Every stage that
//! reads source text (language, TOML) reports in this one shape and reports all it finds.

use std::ops::Range;
use std::sync::Arc;

/// Byte offsets into a [`Source`]'s text.
pub type Span = Range<usize>;

/// A named source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What the reader knows the text by, a path relative to the project usually.
    pub name: Arc<str>,
    /// The text.
    pub text: Arc<str>,
}

impl Source {
    /// Returns a source with a name and a text.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Source {
        Source { name: name.into(), text: text.into() }
    }

    /// Returns the line and column of a byte offset, both from 1; columns count characters.
    pub fn line_column(&self, offset: usize) -> (usize, usize) {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &self.text[..offset];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }
}

/// One thing that is wrong with a source text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// A stable identifier, such as `E0201`; `camshaft explain` knows it.
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// The text it is about.
    pub source: Source,
    /// Where exactly; what the caret stands under.
    pub span: Span,
    /// What stands beside the caret: the reason in a few words. May be empty.
    pub label: String,
    /// Further places with a word each ("first declared here").
    pub related: Vec<(Span, String)>,
    /// How to mend it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Returns a diagnostic without help or related places.
    pub fn new(
        code: &'static str,
        source: &Source,
        span: Span,
        message: impl Into<String>,
        label: impl Into<String>,
    ) -> Diagnostic {
        Diagnostic {
            code,
            message: message.into(),
            source: source.clone(),
            span,
            label: label.into(),
            related: Vec::new(),
            help: None,
        }
    }

    /// Returns the diagnostic with advice on how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// Returns the diagnostic with one more place to look at.
    #[must_use]
    pub fn related(mut self, span: Span, note: impl Into<String>) -> Diagnostic {
        self.related.push((span, note.into()));
        self
    }

    /// Returns `name:line:column: message`, for logs and for where colour and carets do not fit.
    pub fn one_line(&self) -> String {
        let (line, column) = self.source.line_column(self.span.start);
        format!("{}:{line}:{column}: {}", self.source.name, self.message)
    }
}

/// The longest name, in letters, for which a likely one is looked for. The distance of two names takes
/// time by the product of their lengths, and a hostile text has long ones.
const NAME_MAX: usize = 64;

/// Returns the candidate nearest to `name` by edit distance, if it is near enough to be a slip. For a
/// name above [`NAME_MAX`] there is none.
pub fn did_you_mean<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Bytes first: a letter has at most four, and nothing is copied that is far too long.
    let is_long = |name: &str, max: usize| name.len() > 4 * max || name.chars().count() > max;
    if is_long(name, NAME_MAX) {
        return None;
    }
    let near = name.chars().count().max(3) / 3;
    let name = letters(name);
    candidates
        .into_iter()
        .filter(|candidate| !is_long(candidate, 2 * NAME_MAX))
        .map(|candidate| (letters(candidate), candidate))
        // Each letter more or less is a step.
        .filter(|(letters, _)| letters.len().abs_diff(name.len()) <= near)
        .map(|(letters, candidate)| (edit_distance(&name, &letters), candidate))
        .filter(|(distance, _)| *distance <= near)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Returns the letters of a name, ignoring case.
fn letters(name: &str) -> Vec<char> {
    name.to_lowercase().chars().collect()
}

/// The edit distance: letters added, left out, replaced, or two exchanged.
fn edit_distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut next = vec![i];
        for j in 1..=b.len() {
            let replaced = row[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(row[j] + 1).min(next[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_does_not() {
        assert_eq!(did_you_mean("cuont", ["count", "amount"]), Some("count"));
        assert_eq!(did_you_mean("Incr", ["incr", "Read"]), Some("incr"));
        assert_eq!(did_you_mean("zebra", ["count", "amount"]), None);
    }

    #[test]
    fn nothing_is_looked_for_in_names_that_nobody_writes() {
        let name = |length: usize| "a".repeat(length);
        let (longest, slip) = (name(NAME_MAX), name(NAME_MAX - 1) + "b");
        assert_eq!(did_you_mean(&slip, [&*longest]), Some(&*longest));
        assert_eq!(did_you_mean(&name(NAME_MAX + 1), [&*longest]), None);
        // Looked at, these two would take some hundred thousand million steps.
        let (hostile, other) = (name(500_000), name(499_999));
        assert_eq!(did_you_mean(&hostile, [&*other]), None);
        assert_eq!(did_you_mean(&slip, [&*other, &*longest]), Some(&*longest));
    }

    #[test]
    fn line_and_column_count_from_one_in_characters() {
        let source = Source::new("x", "aé\nbc");
        assert_eq!(source.line_column(0), (1, 1));
        assert_eq!(source.line_column(3), (1, 3));
        assert_eq!(source.line_column(4), (2, 1));
        assert_eq!(source.line_column(99), (2, 3));
    }
}
