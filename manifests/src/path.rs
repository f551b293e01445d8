//! Paths inside a project or bundle.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The greatest length of a path in bytes.
pub const PATH_BYTES_MAX: usize = 240;

/// A path that stays inside the folder it is taken relative to, on every system.
///
/// Written with `/`, without empty parts, `.` or `..`. What some systems read as a root, drive or
/// separator (`\`, `:`) is refused everywhere, so that a document means the same on all of them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelativePath(Arc<str>);

/// Why a text is no such path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing there.
    #[error("a path is not empty")]
    Empty,
    /// Above [`PATH_BYTES_MAX`].
    #[error("a path has at most {PATH_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// Begins with `/`.
    #[error("`{0}` is absolute; paths here are relative")]
    Absolute(String),
    /// Has a part `..`.
    #[error("`{0}` climbs out with `..`; paths here stay inside")]
    Parent(String),
    /// Has an empty part or a part `.`.
    #[error("`{0}` is not written plainly: it has an empty part or a `.`")]
    NotPlain(String),
    /// Has a character that is not allowed.
    #[error("`{path}` has the character {character:?}, which paths here do not have")]
    Character {
        /// The path.
        path: String,
        /// The first such character.
        character: char,
    },
}

impl RelativePath {
    /// Returns the path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the path of `inner` inside this folder.
    ///
    /// # Errors
    ///
    /// When both together are too long.
    pub fn join(&self, inner: &str) -> Result<RelativePath, PathError> {
        format!("{self}/{inner}").parse()
    }
}

impl FromStr for RelativePath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<RelativePath, PathError> {
        match text.len() {
            0 => return Err(PathError::Empty),
            1..=PATH_BYTES_MAX => {}
            length => return Err(PathError::TooLong(length)),
        }
        let path = text.to_owned();
        if text.starts_with('/') {
            return Err(PathError::Absolute(path));
        }
        if let Some(character) = text.chars().find(|c| c.is_control() || matches!(c, '\\' | ':')) {
            return Err(PathError::Character { path, character });
        }
        for part in text.split('/') {
            match part {
                ".." => return Err(PathError::Parent(path)),
                "" | "." => return Err(PathError::NotPlain(path)),
                _ => {}
            }
        }
        Ok(RelativePath(text.into()))
    }
}

impl std::borrow::Borrow<str> for RelativePath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_inside() {
        let path: RelativePath = "apps/stock".parse().expect("a path");
        assert_eq!(path.join("app.toml").map(|path| path.to_string()), Ok("apps/stock/app.toml".to_owned()));
        let reason = |text: &str| text.parse::<RelativePath>().expect_err(text);
        let owned = str::to_owned;
        assert_eq!(reason(""), PathError::Empty);
        assert_eq!(reason(&"a".repeat(241)), PathError::TooLong(241));
        assert_eq!(reason("/etc/passwd"), PathError::Absolute(owned("/etc/passwd")));
        assert_eq!(reason("a/../b"), PathError::Parent(owned("a/../b")));
        assert_eq!(reason(".."), PathError::Parent(owned("..")));
        for text in ["./a", "a//b", "a/", "a/."] {
            assert_eq!(reason(text), PathError::NotPlain(owned(text)));
        }
        for (text, character) in [("a\\b", '\\'), ("c:x", ':'), ("a\0", '\0'), ("a\nb", '\n')] {
            assert_eq!(reason(text), PathError::Character { path: owned(text), character });
        }
    }
}
