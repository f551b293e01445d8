//! The dry run of an upgrade away from the node: on its data folder, on a copy of it, or on a backup.
//!
//! What must stay true: nothing is written to the folder; and what runs is what a node runs that is asked to try an
//! upgrade ([`crate::operate`]), on a node that is opened as an agent opens it.

use std::path::Path;
use std::sync::Arc;

use camshaft_store::{BackupError, FolderJournal, StoreError};

use crate::api::{Problem, ShadowReport, TryReport};
use crate::node::{Node, NodeError, OpenNodeError, Settings};
use crate::operate::Allowed;
use crate::serve::now_ms;
use crate::stage::{of_stage_error, stage, stage_kept};

/// Why nothing was tried.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    /// The folder.
    #[error("cannot read the data folder")]
    Store(#[from] StoreError),
    /// The file with a backup.
    #[error("cannot use the backup")]
    Backup(#[from] BackupError),
    /// What is in it.
    #[error("cannot recover from the data folder")]
    Recover(#[from] OpenNodeError),
    /// There is no node in it.
    #[error("there is no node in this folder: nothing was ever installed")]
    NoNode,
    /// The upgrade cannot be tried.
    #[error("{}", .0.detail)]
    Refused(Box<Problem>),
}

impl From<NodeError> for OfflineError {
    fn from(error: NodeError) -> OfflineError {
        match error {
            NodeError::Refused(problem) => OfflineError::Refused(problem),
            NodeError::Journal(error) => OfflineError::Store(error),
        }
    }
}

/// Tries an upgrade on the node of a data folder, or of a backup. To which ports its agent binds machines is not known here, nor whose
/// bundles it takes: neither is asked for.
///
/// # Errors
///
/// Why it cannot be tried; that it did not pass is no error but in the report.
pub fn try_upgrade(folder: &Path, bundle: &[u8], allowed: &Allowed) -> Result<TryReport, OfflineError> {
    let journal = match folder.is_file() {
        true => FolderJournal::of_backup(folder)?,
        false => FolderJournal::read_only(folder)?.0,
    };
    let opener =
        |bytes: &[u8], entry: &_| stage_kept(bytes, entry).map(Arc::new).map_err(|error| error.to_string());
    let now_ms = now_ms();
    let mut node = Node::open(Box::new(journal), Box::new(opener), Settings::one(0), now_ms)?;
    if node.history().entries.is_empty() {
        return Err(OfflineError::NoNode);
    }
    let release = stage(bundle).map_err(|error| OfflineError::Refused(of_stage_error(&error)))?;
    let release = Arc::new(release);
    let plan = node.plan_upgrade(&release).map_err(OfflineError::Refused)?;
    node.leave_behind(&release, &allowed.dropped, now_ms)?;
    let mut trial = node.try_all(plan)?;
    trial.allow_holding(allowed.hold_failing);
    // No inputs are recorded here, and the report says so.
    trial.hold_to_promises(&ShadowReport::default());
    node.end_trial()?;
    Ok(trial.report())
}
