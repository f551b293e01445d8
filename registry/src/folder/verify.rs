//! Looking at everything in a registry: every record, every release, every file.

use std::collections::BTreeSet;
use std::error::Error;

use camshaft_cam::digest::Digest;
use camshaft_manifests::{ReleaseName, Version};
use camshaft_releases::bundle::{Limits, Outline};
use serde::Serialize;

use super::{Folder, TMP, names_in, publish, record_path};
use crate::error::RegistryError;

/// What verifying found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The releases that were looked at.
    pub releases: u64,
    /// The files that were looked at.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that no release names: of an upload that never ended, or of one that was refused.
    pub unnamed: u64,
    /// Files on the way to a name; those of a crash among them.
    pub leftovers: u64,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// Something wrong in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The file, or the release.
    pub what: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Folder {
    /// Looks at everything. `progress` learns how many things were looked at.
    ///
    /// # Errors
    ///
    /// When a folder cannot be read; what is wrong with single things is in the result.
    pub fn verify(&self, mut progress: impl FnMut(u64)) -> Result<Verified, RegistryError> {
        let mut found = Verified::default();
        let mut named = BTreeSet::new();
        for name in names_in(&self.root.join("releases"))? {
            let folder = format!("releases/{name}");
            let Ok(name) = name.parse::<ReleaseName>() else {
                found.fault(folder, "this is no name of a release");
                continue;
            };
            for file in names_in(&self.root.join(&folder))? {
                progress(found.releases + found.blobs);
                match file.strip_suffix(".toml").and_then(|version| version.parse().ok()) {
                    Some(version) => self.verify_release(&name, &version, &mut named, &mut found),
                    None => found.fault(format!("{folder}/{file}"), "this is no record of a release"),
                }
            }
        }
        self.verify_blobs(&named, &mut found, &mut progress)?;
        found.leftovers = names_in(&self.root.join(TMP))?.len() as u64;
        Ok(found)
    }

    fn verify_release(
        &self,
        name: &ReleaseName,
        version: &Version,
        named: &mut BTreeSet<Digest>,
        found: &mut Verified,
    ) {
        found.releases += 1;
        let entry = match self.release(name, version) {
            Ok(Some(entry)) => entry,
            // Somebody else took it away meanwhile.
            Ok(None) => return,
            Err(error) => return found.error(record_path(name, version).display().to_string(), &error),
        };
        let said = entry.release;
        named.insert(said.digest);
        let what = format!("{name} {version}");
        let manifest = self.blob(said.digest).ok().flatten();
        if let Some(outline) = manifest.and_then(|bytes| Outline::read(&bytes, &Limits::DEFAULT).ok()) {
            named.extend(outline.contents().into_keys());
        }
        let opened = publish::open_published(self, said.digest);
        let record =
            opened.and_then(|(bundle, release)| publish::record(&bundle, &release, said.published.clone()));
        match record {
            // How small deflate makes it may change with a version of the tool.
            Ok(mut record) => {
                (record.yanked, record.archive_bytes) = (said.yanked.clone(), said.archive_bytes);
                if record != said {
                    found.fault(what, "the record does not say what the bundle is");
                }
            }
            Err(error) => found.error(what, &error),
        }
    }

    fn verify_blobs(
        &self,
        named: &BTreeSet<Digest>,
        found: &mut Verified,
        progress: &mut impl FnMut(u64),
    ) -> Result<(), RegistryError> {
        let root = self.root.join("blobs").join("sha256");
        for pair in names_in(&root)? {
            for hex in names_in(&root.join(&pair))? {
                progress(found.releases + found.blobs);
                let what = format!("blobs/sha256/{pair}/{hex}");
                let digest: Option<Digest> = format!("sha256:{hex}").parse().ok();
                let Some(digest) = digest.filter(|_| hex.starts_with(&pair) && pair.len() == 2) else {
                    found.fault(what, "its name is no digest in its place");
                    continue;
                };
                found.blobs += 1;
                found.unnamed += u64::from(!named.contains(&digest));
                match self.blob(digest) {
                    Ok(content) => found.bytes += content.map_or(0, |content| content.len() as u64),
                    Err(error) => found.error(what, &error),
                }
            }
        }
        Ok(())
    }
}

impl Verified {
    fn fault(&mut self, what: impl Into<String>, reason: impl Into<String>) {
        self.faults.push(Fault { what: what.into(), reason: reason.into() });
    }

    fn error(&mut self, what: String, error: &RegistryError) {
        let reason = match error {
            RegistryError::Damaged { reason, .. } if !what.contains(' ') => reason.clone(),
            error => {
                let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
                format!("{error}{source}")
            }
        };
        self.fault(what, reason);
    }
}
