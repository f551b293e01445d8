//! Labels of nodes, and selectors over them: how a fleet's groups say which nodes are theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The greatest length of a label's key or value in bytes.
pub const LABEL_BYTES_MAX: usize = 63;

/// The greatest length of a selector in bytes.
pub const SELECTOR_BYTES_MAX: usize = 1024;

/// Why a text is no label or selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// No key of a label.
    #[error(
        "`{0}` is no key of a label: a lower-case letter, then lower-case letters, digits, `_`, `.` and `-`, \
         63 at most"
    )]
    Key(String),
    /// No value of a label.
    #[error(
        "`{0}` is no value of a label: a letter or digit, then letters, digits, `_`, `.` and `-`, 63 at most"
    )]
    Value(String),
    /// A selector above the limit.
    #[error("a selector has at most {SELECTOR_BYTES_MAX} bytes")]
    TooLong,
    /// A selector that says nothing.
    #[error("a selector has at least one term, such as zone=a; `*` selects every node")]
    Empty,
    /// A term of no known form.
    #[error(
        "`{0}` is no term of a selector: key=value, key!=value, key in (a, b), key not in (a, b), key or !key"
    )]
    Term(String),
    /// A brace that is not closed, or closed twice.
    #[error("the braces of this selector do not match")]
    Braces,
    /// Terms that no node meets.
    #[error("no node meets this selector: it asks for {0} in ways that exclude each other")]
    Nobody(LabelKey),
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

fn is_label(text: &str, first: fn(char) -> bool, rest: fn(char) -> bool) -> bool {
    let mut chars = text.chars();
    text.len() <= LABEL_BYTES_MAX
        && chars.next().is_some_and(first)
        && chars.all(|c| rest(c) || matches!(c, '_' | '.' | '-'))
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $error:ident, $first:expr, $rest:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns it as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = LabelError;

            fn from_str(text: &str) -> Result<$name, LabelError> {
                match is_label(text, $first, $rest) {
                    true => Ok($name(text.into())),
                    false => Err(LabelError::$error(shown(text))),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }
    };
}

label!(
    /// The key of a label, such as `zone`.
    LabelKey,
    Key,
    |c| c.is_ascii_lowercase(),
    |c| c.is_ascii_lowercase() || c.is_ascii_digit()
);
label!(
    /// The value of a label, such as `eu-1`.
    LabelValue,
    Value,
    |c| c.is_ascii_alphanumeric(),
    |c| c.is_ascii_alphanumeric()
);

/// The labels of a node.
pub type Labels = BTreeMap<LabelKey, LabelValue>;

/// What a node's labels have to be like. Some node can meet it: terms that exclude each other are
/// refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// All of them have to hold; none for `*`. Sorted by key, as the author ordered them within one.
    terms: Vec<(LabelKey, Term)>,
}

/// What is asked of one label.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    /// It is there.
    There,
    /// It is not there.
    Absent,
    /// It is there and one of these.
    In(BTreeSet<LabelValue>),
    /// It is none of these, or not there.
    NotIn(BTreeSet<LabelValue>),
}

impl Term {
    fn holds(&self, value: Option<&LabelValue>) -> bool {
        match self {
            Term::There => value.is_some(),
            Term::Absent => value.is_none(),
            Term::In(values) => value.is_some_and(|value| values.contains(value)),
            Term::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
        }
    }
}

impl Selector {
    /// Returns true when a node with these labels is selected.
    pub fn selects(&self, labels: &Labels) -> bool {
        self.terms.iter().all(|(key, term)| term.holds(labels.get(key)))
    }

    /// Returns true when every node is selected.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// Returns a key that no value meets, not even a missing one.
    fn impossible(&self) -> Option<&LabelKey> {
        let of = |key: &LabelKey| {
            self.terms.iter().filter(|(other, _)| other == key).map(|(_, term)| term).collect::<Vec<_>>()
        };
        self.terms.iter().map(|(key, _)| key).find(|key| {
            let terms = of(key);
            let meets = |value: Option<&LabelValue>| terms.iter().all(|term| term.holds(value));
            let named = terms.iter().find_map(|term| match term {
                Term::In(values) => Some(values),
                _ => None,
            });
            // Without `In`, a value that nobody names always does, if one may be there at all.
            let some_value = match named {
                Some(values) => values.iter().any(|value| meets(Some(value))),
                None => !terms.contains(&&Term::Absent),
            };
            !some_value && !meets(None)
        })
    }
}

impl FromStr for Selector {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Selector, LabelError> {
        if text.len() > SELECTOR_BYTES_MAX {
            return Err(LabelError::TooLong);
        }
        match text.trim() {
            "" => return Err(LabelError::Empty),
            "*" => return Ok(Selector { terms: vec![] }),
            _ => {}
        }
        let mut terms =
            split(text)?.into_iter().map(|term| read_term(term.trim())).collect::<Result<Vec<_>, _>>()?;
        terms.sort_by(|a, b| a.0.cmp(&b.0));
        let selector = Selector { terms };
        match selector.impossible() {
            Some(key) => Err(LabelError::Nobody(key.clone())),
            None => Ok(selector),
        }
    }
}

/// Splits at the commas that stand outside braces.
fn split(text: &str) -> Result<Vec<&str>, LabelError> {
    let (mut parts, mut start, mut inside) = (vec![], 0, false);
    for (at, c) in text.char_indices() {
        match (c, inside) {
            ('(', false) => inside = true,
            (')', true) => inside = false,
            ('(' | ')', _) => return Err(LabelError::Braces),
            (',', false) => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(LabelError::Braces);
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn read_term(term: &str) -> Result<(LabelKey, Term), LabelError> {
    let one = |value: &str| Ok(BTreeSet::from([value.trim().parse::<LabelValue>()?]));
    if let Some((key, value)) = term.split_once("!=") {
        return Ok((key.trim().parse()?, Term::NotIn(one(value)?)));
    }
    if let Some((key, value)) = term.split_once('=') {
        return Ok((key.trim().parse()?, Term::In(one(value)?)));
    }
    if let Some((head, list)) = term.split_once('(') {
        let list = list.trim_end().strip_suffix(')').ok_or_else(|| LabelError::Term(shown(term)))?;
        let values = list.split(',').map(|value| value.trim().parse()).collect::<Result<_, _>>()?;
        return match head.split_whitespace().collect::<Vec<_>>()[..] {
            [key, "in"] => Ok((key.parse()?, Term::In(values))),
            [key, "not", "in"] => Ok((key.parse()?, Term::NotIn(values))),
            _ => Err(LabelError::Term(shown(term))),
        };
    }
    if let Some(key) = term.strip_prefix('!') {
        return Ok((key.trim().parse()?, Term::Absent));
    }
    term.parse().map(|key| (key, Term::There)).map_err(|_| LabelError::Term(shown(term)))
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.terms.is_empty() {
            return f.write_str("*");
        }
        for (index, (key, term)) in self.terms.iter().enumerate() {
            let comma = if index > 0 { ", " } else { "" };
            let list = |values: &BTreeSet<LabelValue>| {
                values.iter().map(LabelValue::as_str).collect::<Vec<_>>().join(", ")
            };
            match term {
                Term::There => write!(f, "{comma}{key}")?,
                Term::Absent => write!(f, "{comma}!{key}")?,
                Term::In(values) if values.len() == 1 => write!(f, "{comma}{key}={}", list(values))?,
                Term::NotIn(values) if values.len() == 1 => write!(f, "{comma}{key}!={}", list(values))?,
                Term::In(values) => write!(f, "{comma}{key} in ({})", list(values))?,
                Term::NotIn(values) => write!(f, "{comma}{key} not in ({})", list(values))?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(text: &str) -> Selector {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_selector_selects_and_reads_back_what_it_writes() {
        let labels: Labels = [("zone", "a"), ("role", "edge")]
            .map(|(key, value)| (key.parse().expect("a key"), value.parse().expect("a value")))
            .into();
        for (text, written, selects) in [
            ("*", "*", true),
            ("zone=a", "zone=a", true),
            ("zone = b", "zone=b", false),
            ("zone!=b, role=edge", "role=edge, zone!=b", true),
            ("zone in (b,a)", "zone in (a, b)", true),
            ("zone not in (a, b)", "zone not in (a, b)", false),
            ("!canary", "!canary", true),
            ("canary", "canary", false),
            ("canary!=yes", "canary!=yes", true),
            ("role in (edge)", "role=edge", true),
            ("zone, zone!=c", "zone, zone!=c", true),
        ] {
            let selector = selector(text);
            assert_eq!(
                (selector.to_string().as_str(), selector.selects(&labels)),
                (written, selects),
                "{text}"
            );
            assert_eq!(self::selector(written), selector, "{text}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        let reason = |text: &str| text.parse::<Selector>().expect_err(text);
        let owned = str::to_owned;
        assert_eq!(reason(" "), LabelError::Empty);
        assert_eq!(reason("zone=a,"), LabelError::Term(owned("")));
        assert_eq!(reason("Zone=a"), LabelError::Key(owned("Zone")));
        assert_eq!(reason("zone=a b"), LabelError::Value(owned("a b")));
        assert_eq!(reason("zone in (a"), LabelError::Braces);
        assert_eq!(reason("zone in ((a))"), LabelError::Braces);
        assert_eq!(reason("zone is (a)"), LabelError::Term(owned("zone is (a)")));
        assert_eq!(reason("zone in ()"), LabelError::Value(owned("")));
        assert_eq!(reason("zone edge"), LabelError::Term(owned("zone edge")));
        assert_eq!(reason(&"a".repeat(1025)), LabelError::TooLong);
        for text in ["zone=a, zone=b", "zone, !zone", "zone=a, !zone", "zone in (a, b), zone not in (a, b)"] {
            assert_eq!(reason(text), LabelError::Nobody("zone".parse().expect("a key")), "{text}");
        }
    }
}
