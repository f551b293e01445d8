//! From the bytes of a bundle to a release that is ready to run: every digest, every piece of
//! code and every relup is checked on the way.

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;
use camshaft_manifests::{relup, resolved};
use camshaft_releases::bundle::{self, BundleError};
use camshaft_store::ReleaseEntry;

use crate::api::Problem;
use crate::problem;
use crate::release::{Release, ReleaseError};

/// Why a bundle cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The bundle itself.
    #[error("{0}")]
    Bundle(BundleError),
    /// A document in it.
    #[error("{path}: {}", first(.diagnostics))]
    Document {
        /// The file.
        path: String,
        /// All that is wrong with it.
        diagnostics: Vec<Diagnostic>,
    },
    /// What it holds.
    #[error("{0}")]
    Release(#[from] ReleaseError),
    /// Two documents that do not agree.
    #[error("{0}")]
    Disagree(String),
    /// Another bundle than the one that was kept.
    #[error("it is another bundle than the one that was installed")]
    Other,
}

fn first(diagnostics: &[Diagnostic]) -> String {
    diagnostics.first().map_or_else(|| "it is refused".to_owned(), |diagnostic| diagnostic.message.clone())
}

/// Reads a bundle and makes everything in it ready.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn stage(bytes: &[u8]) -> Result<Release, StageError> {
    let bundle = bundle::read(bytes).map_err(StageError::Bundle)?;
    let text = |path: &str| {
        let content = bundle.file(path).ok_or_else(|| ReleaseError::Missing(path.to_owned()))?;
        Ok::<_, StageError>(Source::new(path, String::from_utf8_lossy(content)))
    };
    let document = |path: &str| {
        let path = path.to_owned();
        move |diagnostics| StageError::Document { path, diagnostics }
    };
    const RELEASE: &str = "release.toml";
    let release = resolved::read(&text(RELEASE)?).map_err(document(RELEASE))?;
    let manifest = bundle.manifest();
    if (&manifest.name, &manifest.version) != (&release.name, &release.version) {
        return Err(StageError::Disagree("the manifest and the release have different names".to_owned()));
    }
    let mut relups = vec![];
    for path in bundle.files().keys().map(|path| path.as_str()).filter(|path| path.starts_with("relup/")) {
        let source = text(path)?;
        let relup = relup::read(&source).map_err(document(path))?;
        if (&relup.release, &relup.to) != (&release.name, &release.version) {
            return Err(StageError::Disagree(format!("{path} leads to another release")));
        }
        relups.push((Digest::of(source.text.as_bytes()), relup));
    }
    let entry = ReleaseEntry {
        name: release.name.to_string(),
        version: release.version.to_string(),
        digest: bundle.digest(),
        archive: Digest::of(bytes),
    };
    let file = |path: &str| bundle.file(path).map(<[u8]>::to_vec);
    Ok(Release::assemble(release, entry, relups, &file)?)
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
    let mut problem = problem::BAD_BUNDLE.problem(error.to_string());
    if let StageError::Document { diagnostics, .. } = error {
        problem.notes = diagnostics.iter().map(|diagnostic| diagnostic.message.clone()).collect();
    }
    problem
}
