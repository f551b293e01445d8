//! Which releases a rule is about: one name, or all that begin alike.

use std::fmt;
use std::str::FromStr;

use crate::name::{NAME_BYTES_MAX, ReleaseName};

/// A name of a release, or the beginning of names: `shop`, `shop-*`, `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleasePattern {
    /// This name only.
    Name(ReleaseName),
    /// All names that begin so.
    Prefix(String),
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` names no releases: write a name such as `shop`, or the beginning of names such as `shop-*`")]
pub struct PatternError(String);

impl ReleasePattern {
    /// Returns true for a release of this name.
    pub fn matches(&self, name: &ReleaseName) -> bool {
        match self {
            ReleasePattern::Name(own) => own == name,
            ReleasePattern::Prefix(prefix) => name.as_str().starts_with(prefix.as_str()),
        }
    }

    /// Returns what makes a pattern go before another that matches too: the whole name before the
    /// beginnings, the longer beginning before the shorter.
    pub(super) fn weight(&self) -> (bool, usize) {
        match self {
            ReleasePattern::Name(name) => (true, name.as_str().len()),
            ReleasePattern::Prefix(prefix) => (false, prefix.len()),
        }
    }
}

impl FromStr for ReleasePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<ReleasePattern, PatternError> {
        let error = || PatternError(text.chars().take(80).collect());
        let Some(prefix) = text.strip_suffix('*') else {
            return text.parse().map(ReleasePattern::Name).map_err(|_| error());
        };
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'-');
        if prefix.len() > NAME_BYTES_MAX || !prefix.bytes().all(plain) {
            return Err(error());
        }
        Ok(ReleasePattern::Prefix(prefix.to_owned()))
    }
}

impl fmt::Display for ReleasePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReleasePattern::Name(name) => name.fmt(f),
            ReleasePattern::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}
