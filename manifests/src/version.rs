//! Semantic versions and ranges of them.

use std::fmt;
use std::str::FromStr;

/// The greatest length of a version or range in bytes.
pub const VERSION_BYTES_MAX: usize = 64;

/// A semantic version without build metadata.
///
/// Build metadata has no precedence, so `1.0.0+a` and `1.0.0+b` would be the same version and
/// yet two names; relups are found by version, so that there must be one way to write it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(semver::Version);

/// Why a text is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Above [`VERSION_BYTES_MAX`].
    #[error("a version has at most {VERSION_BYTES_MAX} characters")]
    TooLong,
    /// Not of the form `major.minor.patch`.
    #[error("`{text}` is no semantic version such as 1.2.0: {reason}")]
    Form {
        /// What was found.
        text: String,
        /// What the reader of versions says.
        reason: String,
    },
    /// With build metadata.
    #[error("`{0}` has build metadata (`+...`), which a version here does not have")]
    Build(String),
}

impl Version {
    /// Returns major, minor and patch.
    pub fn numbers(&self) -> [u64; 3] {
        [self.0.major, self.0.minor, self.0.patch]
    }

    /// Returns the version with these three numbers and nothing behind them.
    pub fn of_numbers([major, minor, patch]: [u64; 3]) -> Version {
        Version(semver::Version::new(major, minor, patch))
    }

    /// Returns the version for the crate that computes with versions.
    pub fn as_semver(&self) -> &semver::Version {
        &self.0
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Version, VersionError> {
        if text.len() > VERSION_BYTES_MAX {
            return Err(VersionError::TooLong);
        }
        let version = semver::Version::parse(text)
            .map_err(|error| VersionError::Form { text: text.to_owned(), reason: error.to_string() })?;
        if !version.build.is_empty() {
            return Err(VersionError::Build(text.to_owned()));
        }
        Ok(Version(version))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl serde::Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Version {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Version, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A range of semantic versions, such as `^1.0`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Requirement(semver::VersionReq);

/// Why a text is no range of versions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no range of versions such as ^1.0: {reason}")]
pub struct RequirementError {
    /// What was found.
    pub text: String,
    /// What the reader of ranges says.
    pub reason: String,
}

impl Requirement {
    /// Returns true when the version lies in the range.
    pub fn matches(&self, version: &Version) -> bool {
        self.0.matches(&version.0)
    }
}

impl FromStr for Requirement {
    type Err = RequirementError;

    fn from_str(text: &str) -> Result<Requirement, RequirementError> {
        let error = |reason: String| RequirementError {
            text: text.chars().take(VERSION_BYTES_MAX).collect(),
            reason,
        };
        if text.len() > VERSION_BYTES_MAX {
            return Err(error(format!("it has more than {VERSION_BYTES_MAX} characters")));
        }
        semver::VersionReq::parse(text).map(Requirement).map_err(|reason| error(reason.to_string()))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_semantic_and_have_no_build_metadata() {
        let order: Vec<Version> =
            ["1.0.0-rc.1", "1.0.0", "1.2.0", "1.10.0"].map(|text| text.parse().expect(text)).to_vec();
        assert!(order.is_sorted());
        assert_eq!("1.0.0+b1".parse::<Version>(), Err(VersionError::Build("1.0.0+b1".to_owned())));
        assert_eq!("1".repeat(65).parse::<Version>(), Err(VersionError::TooLong));
        for text in ["", "1", "1.0", "v1.0.0", "1.0.0.0", "01.0.0", " 1.0.0"] {
            assert!(matches!(text.parse::<Version>(), Err(VersionError::Form { .. })), "{text}");
        }
    }

    #[test]
    fn ranges_follow_semantic_versioning() {
        let range: Requirement = "^1.2".parse().expect("a range");
        assert_eq!(range.to_string(), "^1.2");
        assert!(range.matches(&"1.3.0".parse().expect("a version")));
        assert!(!range.matches(&"2.0.0".parse().expect("a version")));
        assert!("nonsense".parse::<Requirement>().is_err());
    }
}
