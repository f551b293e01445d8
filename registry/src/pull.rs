//! Getting a bundle from a registry, and only what is not there yet.

use std::collections::BTreeMap;

use camshaft_cam::digest::Digest;
use camshaft_releases::bundle::{self, Bundle, Limits, Outline};
use camshaft_releases::{BundleError, OpenedRelease, open};
use serde::{Deserialize, Serialize};

use crate::error::RegistryError;
use crate::source::{Entry, Registry};
use crate::wanted::Wanted;

/// Told on the way: bytes that came, of how many that are to come.
pub type Progress<'p> = &'p mut dyn FnMut(u64, u64);

/// How much of a bundle went over the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetched {
    /// Files that went over.
    pub files: u64,
    /// Different files of the bundle, the manifest among them.
    pub files_total: u64,
    /// The bytes of those that went over.
    pub bytes: u64,
    /// The bytes of all.
    pub bytes_total: u64,
}

impl Fetched {
    /// Returns the sums of these contents, of which nothing went over yet.
    pub fn none_of(contents: &BTreeMap<Digest, u64>) -> Fetched {
        let (files_total, bytes_total) = (contents.len() as u64, contents.values().sum());
        Fetched { files: 0, files_total, bytes: 0, bytes_total }
    }

    /// Counts one file more.
    pub fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

/// A bundle that came from a registry.
#[derive(Debug)]
pub struct Pulled {
    /// As the registry lists it.
    pub entry: Entry,
    /// Its files, each what the manifest says. What they mean was not looked at: who asks first
    /// whether it is trusted does that before anything is decoded.
    pub bundle: Bundle,
    /// The bundle as one archive.
    pub archive: Vec<u8>,
    /// The file of signatures, if there is one. Nobody has looked at it.
    pub signature: Option<Vec<u8>>,
    /// What had to be fetched.
    pub fetched: Fetched,
}

/// Gets a release. `have` is asked for what is there already: of these contents, those that it
/// has. What it gives is checked as everything else.
///
/// # Errors
///
/// When there is no such release, or what comes is not what it should be.
pub fn pull(
    registry: &dyn Registry,
    wanted: &Wanted,
    have: impl FnOnce(&BTreeMap<Digest, u64>) -> BTreeMap<Digest, Vec<u8>>,
    progress: Progress<'_>,
) -> Result<Pulled, RegistryError> {
    let entry = wanted.choose(registry.releases(&wanted.name)?)?;
    let manifest = registry.content(entry.release.digest, None)?;
    let outline = Outline::read(&manifest, &Limits::DEFAULT)?;
    check_name(&entry, &outline)?;
    let contents = outline.contents();
    let mut here = have(&contents);
    let mut fetched = Fetched::none_of(&contents);
    fetched.files_total += 1;
    fetched.bytes_total += manifest.len() as u64;
    fetched.add(manifest.len() as u64);
    let lacking: u64 =
        contents.iter().filter(|(digest, _)| !here.contains_key(digest)).map(|(_, bytes)| bytes).sum();
    let (before, lacking) = (fetched.bytes, lacking + fetched.bytes);
    progress(before, lacking);
    for (digest, bytes) in &contents {
        if here.contains_key(digest) {
            continue;
        }
        here.insert(*digest, registry.content(*digest, Some(*bytes))?);
        fetched.add(*bytes);
        progress(fetched.bytes, lacking);
    }
    let bundle = fill(outline, here)?;
    let archive = bundle.pack()?.bytes;
    let signature = match entry.signed {
        true => registry.signature(&entry.release.name, &entry.release.version)?,
        false => None,
    };
    Ok(Pulled { entry, bundle, archive, signature, fetched })
}

impl Pulled {
    /// Verifies everything in the bundle.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn open(&self) -> Result<OpenedRelease, RegistryError> {
        Ok(open::open(&self.bundle)?)
    }
}

/// A registry may list a bundle under a name that is not its own.
fn check_name(entry: &Entry, outline: &Outline) -> Result<(), RegistryError> {
    let (listed, found) = (&entry.release, outline.manifest());
    if (&listed.name, &listed.version) == (&found.name, &found.version) {
        return Ok(());
    }
    Err(RegistryError::OtherRelease {
        said: format!("{} {}", listed.name, listed.version),
        found: format!("{} {}", found.name, found.version),
    })
}

/// Fills an outline; a content moves to the last file that has it, and is copied to the others, so
/// that it is in memory as often as it stands in the bundle.
///
/// # Errors
///
/// The first file that is not there, or not what the manifest says.
pub fn fill(outline: Outline, mut contents: BTreeMap<Digest, Vec<u8>>) -> Result<Bundle, BundleError> {
    let mut uses: BTreeMap<Digest, usize> = BTreeMap::new();
    for entry in outline.manifest().files.values() {
        *uses.entry(entry.sha256).or_default() += 1;
    }
    outline.fill(|digest| {
        let left = uses.get_mut(&digest)?;
        *left -= 1;
        if *left == 0 { contents.remove(&digest) } else { contents.get(&digest).cloned() }
    })
}

/// Takes from bundles at hand, one after the other, the contents that are wanted. One that cannot
/// be read is passed over: it is of no help, and that is all.
pub fn gather(
    wanted: &BTreeMap<Digest, u64>,
    archives: impl IntoIterator<Item = Vec<u8>>,
) -> BTreeMap<Digest, Vec<u8>> {
    let mut found: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
    for archive in archives {
        if found.len() == wanted.len() {
            break;
        }
        let Ok(bundle) = bundle::read(&archive) else { continue };
        drop(archive);
        let contents = bundle.into_contents().into_iter();
        found.extend(contents.filter(|(digest, _)| wanted.contains_key(digest)));
    }
    found
}
