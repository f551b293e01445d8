//! Where the bytes of a bundle come from, so that no more of them travel than have to.
//!
//! A bundle is sent whole, or in part by who asked first what is missing, or named and fetched
//! from the node's registry. In each case what the bundles that the node keeps have is taken from
//! them, and what comes out is read and verified as if it had been sent whole.
//!
//! What must stay true: in memory are at most the new bundle and one of those that are kept.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::digest::Digest;
use camshaft_registry::{Absent, Fetched, Place, Pulled, RegistryError, Wanted, fill, gather, pull};
use camshaft_releases::bundle::{self, Limits, Outline, Part};
use camshaft_releases::patch;

use crate::api::{FilesMissing, Problem};
use crate::host::Host;
use crate::operate::{Outcome, Upload};
use crate::problem;

/// What is offered to install, try or upgrade to, and the signature file that came with it.
#[derive(Debug)]
pub struct Offer {
    /// What is offered.
    pub what: Offered,
    /// Its signature file, if one came.
    pub signatures: Option<Vec<u8>>,
}

/// What is offered.
#[derive(Debug)]
pub enum Offered {
    /// A bundle.
    Whole(Vec<u8>),
    /// The manifest of a bundle and some of its files.
    Part(Vec<u8>),
    /// A release of the node's registry.
    Named(Wanted),
}

/// A bundle that is here now.
pub struct Supply {
    /// The archive, with its signatures. Nobody has asked yet whether it is trusted.
    pub upload: Upload,
    /// How much of it travelled, where that was less than all.
    pub fetched: Option<Fetched>,
}

/// Returns the archives that the node keeps, the newest first, one at a time. Of a bundle that came with a patch it
/// is the bundle.
fn kept(host: &Host) -> Outcome<impl Iterator<Item = Vec<u8>>> {
    let digests = host.call(|node| Ok(node.archives()))?;
    let host = host.clone();
    // One that cannot be read is of no help, and that is all.
    Ok(digests
        .into_iter()
        .filter_map(move |digest| host.call(move |node| node.archive(digest)).ok().flatten())
        .map(|archive| match patch::split(&archive) {
            Ok((bundle, Some(_))) => bundle.to_vec(),
            _ => archive,
        }))
}

/// Returns which contents of a bundle, given by its manifest, no bundle that is kept has.
pub fn missing(host: &Host, manifest: &[u8]) -> Outcome<FilesMissing> {
    let outline = Outline::read(manifest, &Limits::DEFAULT).map_err(|error| bad(&error))?;
    let mut missing: BTreeSet<Digest> = outline.contents().into_keys().collect();
    for archive in kept(host)? {
        if missing.is_empty() {
            break;
        }
        let Ok(bundle) = bundle::read(&archive) else { continue };
        for entry in bundle.manifest().files.values() {
            missing.remove(&entry.sha256);
        }
    }
    Ok(FilesMissing { missing })
}

/// Returns the bundle of an offer.
pub fn supply(host: &Host, registry: Option<&Place>, offer: Offer) -> Outcome<Supply> {
    let Offer { what, signatures } = offer;
    let (bundle, fetched, published) = match what {
        Offered::Whole(bundle) => (bundle, None, None),
        Offered::Part(bytes) => {
            let (bundle, fetched) = complete(host, &bytes)?;
            (bundle, Some(fetched), None)
        }
        Offered::Named(wanted) => {
            let pulled = fetch(host, registry, &wanted)?;
            (pulled.archive, Some(pulled.fetched), pulled.signature)
        }
    };
    Ok(Supply { upload: Upload { bundle, signatures: signatures.or(published) }, fetched })
}

fn complete(host: &Host, bytes: &[u8]) -> Outcome<(Vec<u8>, Fetched)> {
    let Part { outline, contents: sent } =
        bundle::read_part(bytes, &Limits::DEFAULT).map_err(|error| bad(&error))?;
    let mut all = outline.contents();
    let mut fetched = Fetched::none_of(&all);
    let manifest = outline.bytes().len() as u64;
    fetched.files_total += 1;
    fetched.bytes_total += manifest;
    fetched.add(manifest);
    for content in sent.values() {
        fetched.add(content.len() as u64);
    }
    all.retain(|digest, _| !sent.contains_key(digest));
    let mut contents: BTreeMap<Digest, Vec<u8>> = gather(&all, kept(host)?);
    contents.extend(sent);
    if let Some(lacking) = all.keys().find(|digest| !contents.contains_key(digest)) {
        let detail = format!("neither what was sent nor what the node keeps has the file {lacking}");
        return Err(problem::LACKS_FILES.problem(detail));
    }
    let bundle = fill(outline, contents).map_err(|error| bad(&error))?;
    let bundle = bundle.pack().map_err(|error| bad(&error))?.bytes;
    Ok((bundle, fetched))
}

fn fetch(host: &Host, registry: Option<&Place>, wanted: &Wanted) -> Outcome<Pulled> {
    let Some(place) = registry else {
        return Err(problem::NO_REGISTRY.problem(format!("nobody said where {wanted} is to be fetched from")));
    };
    let registry = place.open(None, Absent::Refuse).map_err(|error| unsupplied(&error))?;
    let archives = kept(host)?;
    let pulled = pull(&*registry, wanted, |contents| gather(contents, archives), &mut |done, all| {
        tracing::debug!(done, all, "fetching");
    })
    .map_err(|error| unsupplied(&error))?;
    tracing::info!(release = %wanted, digest = %pulled.bundle.digest(), bytes = pulled.fetched.bytes, "fetched");
    Ok(pulled)
}

fn bad(error: &dyn std::error::Error) -> Box<Problem> {
    problem::BAD_BUNDLE.problem(error.to_string())
}

fn unsupplied(error: &RegistryError) -> Box<Problem> {
    let mut detail = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        detail += &format!(": {error}");
        source = error.source();
    }
    let code = if error.is_refusal() { problem::NOT_IN_REGISTRY } else { problem::REGISTRY_FAILED };
    Box::new(Problem { hint: error.hint(), ..*code.problem(detail) })
}
