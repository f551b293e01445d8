//! From the bytes of a bundle to a release that is ready to run: every digest, every piece of
//! code and every relup is checked on the way.

use camshaft_cam::digest::Digest;
use camshaft_releases::{OpenError, open};
use camshaft_store::ReleaseEntry;

use crate::api::Problem;
use crate::problem;
use crate::release::{Release, ReleaseError};

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// Opening it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Making it ready.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// Another bundle than the one that was kept.
    #[error("it is another bundle than the one that the journal names")]
    Other,
}

/// Reads a bundle and makes everything in it ready.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn stage(bytes: &[u8]) -> Result<Release, StageError> {
    let opened = open::read(bytes)?;
    let entry = ReleaseEntry {
        name: opened.resolved.name.to_string(),
        version: opened.resolved.version.to_string(),
        digest: opened.digest,
        archive: Digest::of(bytes),
    };
    Ok(Release::new(opened, entry)?)
}

/// Reads a bundle that was kept, for a node that opens its journal.
///
/// # Errors
///
/// The first thing that is wrong, also when it is another bundle than it was.
pub fn stage_kept(bytes: &[u8], entry: &ReleaseEntry) -> Result<Release, StageError> {
    let release = stage(bytes)?;
    if release.entry == *entry { Ok(release) } else { Err(StageError::Other) }
}

/// Returns the problem of a bundle that cannot be used.
pub fn of_stage_error(error: &StageError) -> Box<Problem> {
    let code = match error {
        StageError::Open(OpenError::Relup { .. }) => problem::BAD_RELUP,
        StageError::Release(ReleaseError::UnboundPort { .. }) => problem::UNBOUND_PORT,
        _ => problem::BAD_BUNDLE,
    };
    let mut problem = code.problem(error.to_string());
    problem.notes = match error {
        StageError::Open(OpenError::Document { faults, .. }) => faults.iter().map(|f| f.one_line()).collect(),
        StageError::Open(OpenError::Relup { faults, .. }) => faults.iter().map(ToString::to_string).collect(),
        _ => vec![],
    };
    problem
}
