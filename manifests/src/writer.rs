//! The writing half of every document: small, and the same bytes for the same value always.
//!
//! Written by hand and not through the TOML crate, whose layout may change with its version:
//! digests cover these bytes.

use std::fmt::{Display, Write as _};

/// A document that grows line by line.
#[derive(Default)]
pub(crate) struct Writer {
    text: String,
}

impl Writer {
    /// Begins with a comment.
    pub(crate) fn commented(comment: &str) -> Writer {
        Writer { text: format!("# {comment}\n") }
    }

    /// Writes `[name]`.
    pub(crate) fn table(&mut self, name: impl Display) {
        self.gap();
        self.line(format_args!("[{name}]"));
    }

    /// Writes `[[name]]`.
    pub(crate) fn item(&mut self, name: impl Display) {
        self.gap();
        self.line(format_args!("[[{name}]]"));
    }

    /// Writes a text.
    pub(crate) fn text(&mut self, key: &str, value: impl Display) {
        self.raw(key, quoted(&value.to_string()));
    }

    /// Writes a text if there is one.
    pub(crate) fn text_if(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.text(key, value);
        }
    }

    /// Writes a list of texts.
    pub(crate) fn texts(&mut self, key: &str, values: impl IntoIterator<Item = impl Display>) {
        let values: Vec<String> = values.into_iter().map(|value| quoted(&value.to_string())).collect();
        self.raw(key, format_args!("[{}]", values.join(", ")));
    }

    /// Writes what is TOML already: a number, a truth value, an inline table.
    pub(crate) fn raw(&mut self, key: &str, value: impl Display) {
        self.line(format_args!("{} = {value}", bare_or_quoted(key)));
    }

    /// Writes what is TOML already if there is something.
    pub(crate) fn raw_if(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.raw(key, value);
        }
    }

    /// Returns the document.
    pub(crate) fn end(self) -> String {
        self.text
    }

    fn gap(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    fn line(&mut self, line: impl Display) {
        writeln!(self.text, "{line}").expect("writing to a String does not fail");
    }
}

/// Returns a key, quoted when it must be.
pub(crate) fn bare_or_quoted(key: &str) -> String {
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !key.is_empty() && key.chars().all(is_bare) { key.to_owned() } else { quoted(key) }
}

/// Returns a basic TOML string. Whatever TOML does not allow plainly is escaped in one way.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                write!(out, "\\u{:04X}", u32::from(c)).expect("writing to a String does not fail");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_reads_back() {
        for text in ["", "plain", "a\"b\\c", "line\nline\ttab\r\u{0}\u{7f}\u{85}é\u{1F600}"] {
            let mut writer = Writer::default();
            writer.text("key", text);
            let table: toml::Table = writer.end().parse().expect("TOML");
            assert_eq!(table["key"].as_str(), Some(text));
        }
    }
}
