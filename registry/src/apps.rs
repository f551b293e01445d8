//! Looking for an application in the releases that hold it.

use camshaft_cam::digest::Digest;
use camshaft_manifests::{AppName, Requirement, Version};

use crate::error::RegistryError;
use crate::source::{Entry, Registry};

/// An application, and a release to take it from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundApp {
    /// Its version.
    pub version: Version,
    /// What it is, see [`camshaft_manifests::published::app_content`].
    pub content: Digest,
    /// The newest release that holds it.
    pub release: Entry,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppSearch {
    /// The newest version in the range, of the releases that were not yanked.
    Found(Box<FoundApp>),
    /// Only yanked releases hold a version in the range: the newest of them.
    Yanked(Box<FoundApp>),
    /// No release holds a version in the range; these are held, in order.
    OutOfRange(Vec<Version>),
}

/// Looks for the newest version of an application within a range.
///
/// # Errors
///
/// When the registry cannot be read.
pub fn find_app(
    registry: &dyn Registry,
    app: &AppName,
    range: &Requirement,
) -> Result<AppSearch, RegistryError> {
    let mut all = Vec::new();
    for release in registry.holding(app)? {
        let held = release.release.apps.iter().find(|held| held.name == *app);
        let found = held.map(|held| (held.version.clone(), held.content));
        if let Some((version, content)) = found {
            all.push(FoundApp { version, content, release });
        }
    }
    let mut versions: Vec<Version> = all.iter().map(|found| found.version.clone()).collect();
    versions.sort();
    versions.dedup();
    all.retain(|found| range.matches(&found.version));
    let (yanked, usable): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|found| found.release.release.yanked.is_some());
    let newest = |found: Vec<FoundApp>| {
        let key = |found: &FoundApp| (found.version.clone(), found.release.release.version.clone());
        found.into_iter().max_by_key(key).map(Box::new)
    };
    Ok(match (newest(usable), newest(yanked)) {
        (Some(found), _) => AppSearch::Found(found),
        (None, Some(yanked)) => AppSearch::Yanked(yanked),
        (None, None) => AppSearch::OutOfRange(versions),
    })
}
