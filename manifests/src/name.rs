//! Names of applications, machines, channels and releases.
//!
//! Applications, machines and channels are named as the machine language names things, because
//! `app/machine` stands in its text. Releases may also have hyphens. All are short and plain, so
//! that they can stand in file names, addresses and headers without quoting.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The greatest length of a name in bytes; leaves room for version and ending in a file name.
pub const NAME_BYTES_MAX: usize = 64;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("a name has at least one letter")]
    Empty,
    /// Above [`NAME_BYTES_MAX`].
    #[error("a name has at most {NAME_BYTES_MAX} characters, this one has {0}")]
    TooLong(usize),
    /// Not as the machine language names things.
    #[error("`{0}` is no name: a name is a lower-case letter, then lower-case letters, digits and `_`")]
    Snake(String),
    /// Not a release name.
    #[error(
        "`{0}` is no release name: words of lower-case letters, digits and `_`, each beginning with a \
         letter, with one `-` between two words"
    )]
    Kebab(String),
}

fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

fn is_word(text: &str) -> bool {
    let mut chars = text.chars();
    chars.next().is_some_and(|c| c.is_ascii_lowercase())
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn check_length(text: &str) -> Result<(), NameError> {
    match text.len() {
        0 => Err(NameError::Empty),
        1..=NAME_BYTES_MAX => Ok(()),
        length => Err(NameError::TooLong(length)),
    }
}

fn check_snake(text: &str) -> Result<(), NameError> {
    check_length(text)?;
    if is_word(text) { Ok(()) } else { Err(NameError::Snake(shown(text))) }
}

/// Every word begins with a letter, so that `NAME-VERSION` splits in one way only: a version
/// begins with a digit.
fn check_kebab(text: &str) -> Result<(), NameError> {
    check_length(text)?;
    if text.split('-').all(is_word) { Ok(()) } else { Err(NameError::Kebab(shown(text))) }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<$name, NameError> {
                $check(text)?;
                Ok($name(text.into()))
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

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// The name of an application.
    AppName,
    check_snake
);
name!(
    /// The name of a machine within its application.
    MachineName,
    check_snake
);
name!(
    /// The name of a channel within its machine.
    ChannelName,
    check_snake
);
name!(
    /// The name of a release.
    ReleaseName,
    check_kebab
);
name!(
    /// What people call the holder of a key that signs bundles.
    SignerName,
    check_snake
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for text in ["stock", "a", "ping_pong2"] {
            assert_eq!(text.parse::<AppName>().map(|name| name.to_string()), Ok(text.to_owned()));
        }
        for text in ["Stock", "2a", "a-b", "a/b", "é", "a b", "_a", "..", "a\0"] {
            assert_eq!(text.parse::<AppName>(), Err(NameError::Snake(text.to_owned())));
        }
        assert_eq!("".parse::<AppName>(), Err(NameError::Empty));
        assert_eq!("a".repeat(65).parse::<AppName>(), Err(NameError::TooLong(65)));
    }

    #[test]
    fn a_release_name_never_looks_as_if_a_version_began() {
        assert!("order-desk".parse::<ReleaseName>().is_ok());
        for text in ["shop-2", "shop-", "-shop", "a--b", "shop.x"] {
            assert_eq!(text.parse::<ReleaseName>(), Err(NameError::Kebab(text.to_owned())));
        }
    }
}
