//! Backups: the journal as it is now, to be copied while the node goes on.

use camshaft_store::{FolderCut, OfRelease};

use super::{Node, NodeError};
use crate::problem;

impl Node {
    /// Returns the journal up to the last entry that is durable, and the release that runs.
    ///
    /// Whatever was acknowledged is in it: nobody is told of anything before its records are durable.
    ///
    /// # Errors
    ///
    /// When there is nothing to back up, and when the files of the journal cannot be opened, which ends nothing.
    pub fn cut(&mut self) -> Result<(FolderCut, OfRelease), NodeError> {
        let Some(running) = self.ledger.running() else {
            return Err(problem::EMPTY.problem("there is no release, and nothing to back up").into());
        };
        let (name, version, digest) = (running.name.clone(), running.version.clone(), running.digest);
        let cut = self.crew.cut()?.map_err(|error| NodeError::from(problem::of_backup(&error)))?;
        Ok((cut, OfRelease { name, version, digest }))
    }
}
