//! Publishing and yanking: what is refused, and in which order things are written.

use camshaft_cam::digest::Digest;
use camshaft_manifests::published::{
    self, PublishedApp, PublishedRelease, REASON_BYTES_MAX, Stamp, WHO_BYTES_MAX, Yank, app_content,
};
use camshaft_manifests::resolved::ResolvedApp;
use camshaft_manifests::{ReleaseName, Version};
use camshaft_releases::bundle::{Bundle, Limits, Outline};
use camshaft_releases::{OpenedRelease, open};

use super::{Folder, record_path, signature_path};
use crate::error::RegistryError;
use crate::source::{Entry, Publication, Registry as _, SIGNATURE_BYTES_MAX};

/// Publishes a release whose files are in the registry.
pub(super) fn publish(folder: &Folder, publication: &Publication) -> Result<bool, RegistryError> {
    check_stamp(&publication.stamp)?;
    check_signature(publication.signature.as_deref())?;
    let (bundle, release) = open_published(folder, publication.digest)?;
    check_name(publication, &release)?;
    let record = record(&bundle, &release, publication.stamp.clone())?;
    // From here on alone: what is looked at stays so until the record is written.
    let _lock = folder.lock()?;
    let there = folder.release(&publication.name, &publication.version)?;
    if let Some(there) = &there
        && there.release.digest != publication.digest
    {
        return Err(RegistryError::Immutable {
            name: publication.name.clone(),
            version: publication.version.clone(),
            published: there.release.digest,
            offered: publication.digest,
        });
    }
    check_apps(folder, &record)?;
    if let Some(signature) = &publication.signature {
        folder.put_file(&signature_path(&record.name, &record.version), signature)?;
    }
    if there.is_some() {
        return Ok(false);
    }
    let path = record_path(&record.name, &record.version);
    folder.put_file(&path, published::write(&record).as_bytes()).map(|()| true)
}

/// Puts a bundle together from the registry's files and verifies everything in it.
pub(super) fn open_published(
    folder: &Folder,
    digest: Digest,
) -> Result<(Bundle, OpenedRelease), RegistryError> {
    let manifest = folder.content(digest, None)?;
    let outline = Outline::read(&manifest, &Limits::DEFAULT)?;
    let mut fault = None;
    let bundle = outline.fill(|digest| match folder.content(digest, None) {
        Ok(content) => Some(content),
        Err(error) => {
            fault = Some(error);
            None
        }
    });
    if let Some(error) = fault {
        return Err(error);
    }
    let bundle = bundle?;
    let release = open::open(&bundle)?;
    Ok((bundle, release))
}

/// Returns the record of a release.
pub(super) fn record(
    bundle: &Bundle,
    release: &OpenedRelease,
    published: Stamp,
) -> Result<PublishedRelease, RegistryError> {
    let resolved = &release.resolved;
    let files = bundle.files().values().map(|content| content.len() as u64);
    let manifest = Outline::of(bundle).bytes().len() as u64;
    let app = |app: &ResolvedApp| PublishedApp {
        name: app.name.clone(),
        version: app.version.clone(),
        content: app_content(app),
    };
    Ok(PublishedRelease {
        name: resolved.name.clone(),
        version: resolved.version.clone(),
        digest: bundle.digest(),
        archive_bytes: bundle.pack()?.bytes.len() as u64,
        files: bundle.files().len() as u64 + 1,
        bytes: files.sum::<u64>() + manifest,
        published,
        apps: resolved.apps.iter().map(app).collect(),
        predecessors: resolved.predecessors.iter().map(|one| (one.version.clone(), one.digest)).collect(),
        yanked: None,
    })
}

fn check_name(publication: &Publication, release: &OpenedRelease) -> Result<(), RegistryError> {
    let resolved = &release.resolved;
    if (&publication.name, &publication.version) == (&resolved.name, &resolved.version) {
        return Ok(());
    }
    Err(RegistryError::OtherRelease {
        said: format!("{} {}", publication.name, publication.version),
        found: format!("{} {}", resolved.name, resolved.version),
    })
}

/// A version of an application is the same in all releases; a yanked release has said so too.
fn check_apps(folder: &Folder, record: &PublishedRelease) -> Result<(), RegistryError> {
    for other in folder.list()? {
        for app in &record.apps {
            let clash = other.release.apps.iter().any(|held| {
                (&held.name, &held.version) == (&app.name, &app.version) && held.content != app.content
            });
            if clash {
                return Err(RegistryError::AppReleased {
                    app: app.name.clone(),
                    version: app.version.clone(),
                    release: format!("{} {}", other.release.name, other.release.version),
                });
            }
        }
    }
    Ok(())
}

/// Yanks a release, or takes that back.
pub(super) fn mark(
    folder: &Folder,
    name: &ReleaseName,
    version: &Version,
    yank: Option<&Yank>,
) -> Result<Entry, RegistryError> {
    if let Some(yank) = yank {
        check_text("reason", &yank.reason, REASON_BYTES_MAX)?;
        check_stamp(&yank.stamp)?;
    }
    let _lock = folder.lock()?;
    let Some(mut entry) = folder.release(name, version)? else {
        let has = folder.releases(name)?.into_iter().map(|entry| entry.release.version).collect();
        return Err(RegistryError::NoRelease { name: name.clone(), wanted: version.to_string(), has });
    };
    // Said again, it stays as it was said first.
    if entry.release.yanked.is_some() != yank.is_some() {
        entry.release.yanked = yank.cloned();
        folder.put_file(&record_path(name, version), published::write(&entry.release).as_bytes())?;
    }
    Ok(entry)
}

fn check_stamp(stamp: &Stamp) -> Result<(), RegistryError> {
    check_text("name of who does it", &stamp.by, WHO_BYTES_MAX)
}

fn check_text(what: &'static str, text: &str, max: usize) -> Result<(), RegistryError> {
    let fits = !text.trim().is_empty() && text.len() <= max;
    if fits { Ok(()) } else { Err(RegistryError::Text { what, max }) }
}

fn check_signature(signature: Option<&[u8]>) -> Result<(), RegistryError> {
    match signature.map(|signature| signature.len() as u64) {
        Some(bytes) if bytes > SIGNATURE_BYTES_MAX => {
            Err(RegistryError::SignatureTooLarge { bytes, max: SIGNATURE_BYTES_MAX })
        }
        _ => Ok(()),
    }
}
