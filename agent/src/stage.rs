//! From the bytes of a bundle to a release that is ready to run: every digest, every piece of
//! code and every relup is checked on the way.

use camshaft_cam::digest::Digest;
use camshaft_manifests::signature::Statement;
use camshaft_releases::bundle::{self, Bundle};
use camshaft_releases::patch::{self, Patch, PatchError};
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
    /// The patch that came with it.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// Making it ready.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// Another bundle than the one that was kept.
    #[error("it is another bundle than the one that the journal names")]
    Other,
}

/// A bundle whose files are what its manifest says, and nothing more is known of it: no document
/// and no code was read. Here is where trust is asked for. A patch may have come with it, in one piece.
pub struct Unopened {
    bundle: Bundle,
    patch: Option<Patch>,
    archive: Digest,
}

impl Unopened {
    /// Reads the archive.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn read(bytes: &[u8]) -> Result<Unopened, StageError> {
        let (of_bundle, of_patch) = patch::split(bytes)?;
        let bundle = bundle::read(of_bundle).map_err(OpenError::from)?;
        let patch = of_patch.map(patch::read).transpose()?;
        Ok(Unopened { bundle, patch, archive: Digest::of(bytes) })
    }

    /// Returns what a signature of the bundle has to say.
    pub fn statement(&self) -> Statement {
        let manifest = self.bundle.manifest();
        Statement {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: self.bundle.digest(),
        }
    }

    /// Returns what a signature of the patch has to say, if one came with the bundle.
    pub fn statement_of_patch(&self) -> Option<Statement> {
        let patch = self.patch.as_ref()?;
        let manifest = patch.manifest();
        Some(Statement {
            name: manifest.name.clone(),
            version: manifest.to.version.clone(),
            digest: patch.digest(),
        })
    }

    /// Returns the bundle as the journal names it: by the piece that it came in, so that a node that opens its
    /// journal finds the patch with it.
    pub fn entry(&self) -> ReleaseEntry {
        let Statement { name, version, digest } = self.statement();
        ReleaseEntry { name: name.to_string(), version: version.to_string(), digest, archive: self.archive }
    }

    /// Opens the bundle and makes everything in it ready.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn open(&self) -> Result<Release, StageError> {
        let opened = match &self.patch {
            None => open::open(&self.bundle)?,
            Some(patch) => patch::open(&self.bundle, patch)?,
        };
        Ok(Release::new(opened, self.entry())?)
    }
}

/// Reads a bundle and makes everything in it ready.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn stage(bytes: &[u8]) -> Result<Release, StageError> {
    Unopened::read(bytes)?.open()
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
        StageError::Open(OpenError::Relup { .. })
        | StageError::Patch(PatchError::Open(OpenError::Relup { .. })) => problem::BAD_RELUP,
        StageError::Patch(_) => problem::BAD_PATCH,
        _ => problem::BAD_BUNDLE,
    };
    let mut problem = code.problem(error.to_string());
    let opening = match error {
        StageError::Open(error) | StageError::Patch(PatchError::Open(error)) => Some(error),
        _ => None,
    };
    problem.notes = match opening {
        Some(OpenError::Document { faults, .. }) => faults.iter().map(|f| f.one_line()).collect(),
        Some(OpenError::Relup { faults, .. }) => faults.iter().map(ToString::to_string).collect(),
        _ => vec![],
    };
    problem
}
