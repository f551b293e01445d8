//! Which release is wanted: `NAME`, `NAME@VERSION`, `NAME@RANGE` or `NAME@sha256:...`.

use std::fmt;
use std::str::FromStr;

use camshaft_cam::digest::Digest;
use camshaft_manifests::name::NameError;
use camshaft_manifests::{ReleaseName, Requirement, Version};

use crate::error::RegistryError;
use crate::source::Entry;

/// Which release is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: ReleaseName,
    /// Which of that name.
    pub which: Which,
}

/// Which release of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The newest; one before 1.0.0-rc.1 and the like only where there is no other.
    Newest,
    /// Just this version.
    Version(Version),
    /// The newest of a range.
    Range(Requirement),
    /// Just this bundle, also when it was yanked.
    Digest(Digest),
}

/// Why a text names no release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WantedError {
    /// The name.
    #[error("`{text}` names no release: {source}")]
    Name {
        /// What was found.
        text: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// What stands behind the `@`.
    #[error("`{0}` is no version, range of versions or digest")]
    Which(String),
}

impl FromStr for Wanted {
    type Err = WantedError;

    fn from_str(text: &str) -> Result<Wanted, WantedError> {
        let (name, which) = match text.split_once('@') {
            Some((name, which)) => (name, Some(which)),
            None => (text, None),
        };
        let shown = || text.chars().take(80).collect();
        let name = name.parse().map_err(|source| WantedError::Name { text: shown(), source })?;
        let which = match which {
            None => Which::Newest,
            Some(which) => {
                read_which(which).ok_or_else(|| WantedError::Which(which.chars().take(80).collect()))?
            }
        };
        Ok(Wanted { name, which })
    }
}

fn read_which(text: &str) -> Option<Which> {
    if let Ok(digest) = text.parse() {
        return Some(Which::Digest(digest));
    }
    match text.parse() {
        Ok(version) => Some(Which::Version(version)),
        Err(_) => text.parse().ok().map(Which::Range),
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Which::Newest => f.write_str("release"),
            Which::Version(version) => write!(f, "{version}"),
            Which::Range(range) => write!(f, "{range}"),
            Which::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.which {
            Which::Newest => write!(f, "{}", self.name),
            which => write!(f, "{}@{which}", self.name),
        }
    }
}

impl Wanted {
    /// Returns the release that is meant, of all of its name. A yanked one is found by its digest only.
    ///
    /// # Errors
    ///
    /// When there is none, or only one that was yanked.
    pub fn choose(&self, entries: Vec<Entry>) -> Result<Entry, RegistryError> {
        let has = entries.iter().map(|entry| entry.release.version.clone()).collect();
        let mut meant: Vec<Entry> = entries.into_iter().filter(|entry| self.is_met_by(entry)).collect();
        if matches!(self.which, Which::Newest) && meant.iter().any(|entry| !is_before(entry)) {
            meant.retain(|entry| !is_before(entry));
        }
        let newest = |entries: Vec<Entry>| {
            entries.into_iter().max_by(|one, other| one.release.version.cmp(&other.release.version))
        };
        let by_digest = matches!(self.which, Which::Digest(_));
        let (usable, yanked): (Vec<_>, Vec<_>) =
            meant.into_iter().partition(|entry| by_digest || entry.release.yanked.is_none());
        if let Some(found) = newest(usable) {
            return Ok(found);
        }
        Err(match newest(yanked).map(|entry| entry.release) {
            Some(release) => RegistryError::Yanked {
                name: release.name,
                version: release.version,
                digest: release.digest,
                reason: release.yanked.map(|yank| yank.reason).unwrap_or_default(),
            },
            None => RegistryError::NoRelease { name: self.name.clone(), wanted: self.which.to_string(), has },
        })
    }

    fn is_met_by(&self, entry: &Entry) -> bool {
        let release = &entry.release;
        release.name == self.name
            && match &self.which {
                Which::Newest => true,
                Which::Version(version) => release.version == *version,
                Which::Range(range) => range.matches(&release.version),
                Which::Digest(digest) => release.digest == *digest,
            }
    }
}

/// Returns true for versions such as 2.0.0-rc.1, which come before the version that they name.
fn is_before(entry: &Entry) -> bool {
    !entry.release.version.as_semver().pre.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::entry;

    fn choose(wanted: &str, entries: &[&str]) -> String {
        let wanted: Wanted = wanted.parse().expect("a release");
        let entries = entries.iter().map(|text| entry("shop", text)).collect();
        match wanted.choose(entries) {
            Ok(entry) => entry.release.version.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn the_newest_that_fits_and_was_not_yanked_is_chosen() {
        let has = ["1.0.0", "1.2.0", "1.10.0", "2.0.0 yanked", "3.0.0-rc.1"];
        assert_eq!(choose("shop", &has), "1.10.0");
        assert_eq!(choose("shop@1.2.0", &has), "1.2.0");
        assert_eq!(choose("shop@~1.2", &has), "1.2.0");
        assert_eq!(choose("shop@>=1", &has), "1.10.0");
        assert_eq!(choose("shop@2.0.0", &has), "shop 2.0.0 was yanked: it was bad");
        assert_eq!(choose("shop@^2", &has), "shop 2.0.0 was yanked: it was bad");
        assert_eq!(choose(&format!("shop@{}", Digest::of(b"2.0.0")), &has), "2.0.0");
        assert_eq!(choose("shop", &["3.0.0-rc.1", "3.0.0-rc.2"]), "3.0.0-rc.2");
    }

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        assert_eq!(
            choose("shop@4.0.0", &["1.0.0", "2.0.0"]),
            "the registry has no shop 4.0.0; it has 2.0.0, 1.0.0"
        );
        assert_eq!(choose("shop", &[]), "the registry has no shop release");
        let other = Digest::of(b"other");
        assert_eq!(
            choose(&format!("shop@{other}"), &["1.0.0"]),
            format!("the registry has no shop {other}; it has 1.0.0")
        );
    }

    #[test]
    fn a_text_that_names_no_release_is_refused() {
        let refused = |text: &str| text.parse::<Wanted>().expect_err(text).to_string();
        assert_eq!(refused("shop@"), "`` is no version, range of versions or digest");
        assert_eq!(refused("shop@!"), "`!` is no version, range of versions or digest");
        assert_eq!(refused("shop@sha256:00"), "`sha256:00` is no version, range of versions or digest");
        assert!(refused("../shop").starts_with("`../shop` names no release: `../shop` is no release name"));
        for text in ["shop", "shop@1.0.0", "shop@^1.2", &format!("shop@{}", Digest::of(b""))] {
            assert_eq!(text.parse::<Wanted>().expect(text).to_string(), text);
        }
    }
}
