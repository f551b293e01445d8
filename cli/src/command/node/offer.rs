//! What a node is offered: a bundle, of which it is sent what it lacks; or the name of a release
//! that it fetches from its own registry.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camshaft_agent::api::{FilesMissing, PART_TYPE, SIGNATURES_HEADER};
use camshaft_cam::digest::Digest;
use camshaft_registry::{Wanted, Which};
use camshaft_releases::bundle::{self, Outline};
use camshaft_releases::patch;

use crate::failure::Failure;
use crate::http::{Answer, Effect, Node};
use crate::project::read_bundle;
use crate::signatures::bytes_beside;

/// How long to wait for what a node lacks; one that takes longer is sent the whole bundle.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a node is offered.
pub(super) enum Offer {
    /// The bytes of a bundle, and of the signature file beside it.
    Bundle(Vec<u8>, Option<Vec<u8>>),
    /// A release of its registry.
    Named(Wanted),
}

/// A request that offers something.
pub(super) struct Request<'r> {
    pub(super) verb: &'r str,
    pub(super) query: &'r [(&'r str, &'r str)],
    pub(super) headers: &'r [(&'r str, &'r str)],
    pub(super) effect: Effect,
}

/// Returns what an argument offers: `NAME@VERSION` is the name of a release, unless there is such a
/// file.
///
/// # Errors
///
/// When the file cannot be read, or the name is none.
pub(super) fn read(argument: &Path) -> Result<Offer, Failure> {
    match argument.to_str().filter(|text| text.contains('@') && !argument.exists()) {
        Some(text) => text.parse().map(Offer::Named).map_err(|error: camshaft_registry::WantedError| {
            Failure::refused(error.to_string(), "name a bundle's file, or NAME@VERSION")
        }),
        None => Ok(Offer::Bundle(read_bundle(argument)?, bytes_beside(argument)?)),
    }
}

impl Offer {
    /// Adds a patch bundle, if there is one. Both are sent in one piece.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is none, and for a release that the node fetches by itself.
    pub(super) fn with(self, patch: Option<&Path>) -> Result<Offer, Failure> {
        let Some(path) = patch else { return Ok(self) };
        let Offer::Bundle(bundle, signatures) = self else {
            let message =
                "a patch bundle goes with a bundle, not with a release that the node fetches by itself";
            return Err(Failure::refused(message, "pull the bundle (camshaft pull), and name its file"));
        };
        let bytes = read_bundle(path)?;
        // Looked at here already, so that a bundle in its place is told before a node is asked.
        patch::read(&bytes).map_err(|error| {
            let message = format!("{} is refused: {}", path.display(), crate::failure::chain(&error));
            Failure::refused(message, "camshaft relup patch RUNNING NEW writes patch bundles")
        })?;
        Ok(Offer::Bundle(patch::join(&bundle, &bytes), signatures))
    }

    /// Returns the digest of the bundle.
    ///
    /// # Errors
    ///
    /// When that is not known before it is fetched, or the bundle is refused.
    pub(super) fn digest(&self) -> Result<Digest, Failure> {
        match self {
            Offer::Bundle(bytes, _) => match camshaft_releases::open::read(bytes) {
                Ok(release) => Ok(release.digest),
                Err(error) => {
                    let message = format!("the bundle is refused: {}", crate::failure::chain(&error));
                    Err(Failure::refused(message, "get the bundle again, or build it again"))
                }
            },
            Offer::Named(Wanted { which: Which::Digest(digest), .. }) => Ok(*digest),
            Offer::Named(wanted) => Err(Failure::refused(
                format!("whether {wanted} is what runs is known when it was fetched, and not before"),
                "name it by its digest: NAME@sha256:..., as camshaft registry list shows it",
            )),
        }
    }

    /// Makes the offer.
    ///
    /// # Errors
    ///
    /// When no whole answer comes.
    pub(super) fn make(self, node: &Node, request: &Request<'_>) -> Result<Answer, Failure> {
        let path = ["v1", "node", request.verb];
        let post = |query: &[(&str, &str)], headers: &[(&str, &str)], body: Vec<u8>| {
            node.post(&path, query, headers, body, None, request.effect)
        };
        let (bytes, signatures) = match self {
            Offer::Bundle(bytes, signatures) => (bytes, signatures.map(|bytes| STANDARD.encode(bytes))),
            Offer::Named(wanted) => {
                let wanted = wanted.to_string();
                let query = [request.query, &[("release", &*wanted)]].concat();
                return post(&query, request.headers, Vec::new());
            }
        };
        let signatures = signatures.as_deref().map(|signatures| (SIGNATURES_HEADER, signatures));
        let mut headers = request.headers.to_vec();
        headers.extend(signatures);
        if let Some(part) = part(node, &bytes) {
            let headers = [&headers[..], &[("content-type", PART_TYPE)]].concat();
            let answer = post(request.query, &headers, part)?;
            if !lacks_files(&answer) {
                return Ok(answer);
            }
        }
        post(request.query, &headers, bytes)
    }
}

/// Returns the part of a bundle that a node lacks, if it says and that is less than the whole. A bundle that
/// is none is sent as it is: the node says what is wrong with it.
fn part(node: &Node, bytes: &[u8]) -> Option<Vec<u8>> {
    let bundle = bundle::read(bytes).ok()?;
    let missing = missing(node, &bundle)?;
    let part = bundle.write_part(|digest| missing.contains(&digest));
    (part.len() < bytes.len()).then_some(part)
}

fn missing(node: &Node, bundle: &bundle::Bundle) -> Option<BTreeSet<Digest>> {
    let path = ["v1", "node", "files", "missing"];
    let manifest = Outline::of(bundle).bytes();
    let answer = node.post(&path, &[], &[], manifest, Some(PATIENCE), Effect::Looks).ok()?;
    answer.read::<FilesMissing>().ok().map(|answer| answer.missing)
}

/// Returns true when the node lost meanwhile what it had; nothing was changed then.
fn lacks_files(answer: &Answer) -> bool {
    let problem: Option<camshaft_agent::api::Problem> = serde_json::from_slice(&answer.body).ok();
    answer.status == 409 && problem.is_some_and(|problem| problem.code == "lacks-files")
}
