//! Publishing a bundle to a registry, wherever it is: what it lacks first, the record last.

use camshaft_manifests::published::Stamp;
use camshaft_releases::bundle::{Bundle, Outline};

use crate::error::RegistryError;
use crate::pull::{Fetched, Progress};
use crate::source::{Publication, Registry};

/// What publishing came to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Sent {
    /// False when just this bundle was published before.
    pub new: bool,
    /// What had to be sent.
    pub sent: Fetched,
}

/// Publishes a bundle. The registry verifies it wholly before anybody can see it.
///
/// # Errors
///
/// Why not; then nothing is visible of it.
pub fn send(
    registry: &dyn Registry,
    bundle: &Bundle,
    signature: Option<Vec<u8>>,
    stamp: Stamp,
    progress: Progress<'_>,
) -> Result<Sent, RegistryError> {
    let outline = Outline::of(bundle);
    let manifest = outline.bytes();
    let mut contents = outline.contents();
    contents.insert(outline.digest(), manifest.len() as u64);
    let missing = registry.missing(&contents)?;
    let mut sent = Fetched::none_of(&contents);
    let lacking: u64 = missing.iter().filter_map(|digest| contents.get(digest)).sum();
    let files =
        outline.manifest().files.iter().map(|(path, entry)| (entry.sha256, bundle.file(path.as_str())));
    let all = files.chain([(outline.digest(), Some(manifest.as_slice()))]);
    let mut left = missing;
    for (digest, content) in all {
        let Some(content) = content.filter(|_| left.remove(&digest)) else { continue };
        registry.put(content)?;
        sent.add(content.len() as u64);
        progress(sent.bytes, lacking);
    }
    let manifest = outline.manifest();
    let new = registry.publish(&Publication {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        digest: outline.digest(),
        stamp,
        signature,
    })?;
    Ok(Sent { new, sent })
}
