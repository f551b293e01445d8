//! Looking at a node.

use camshaft_cam::digest::Digest;

use super::{Node, NodeError};
use crate::api::{History, Instances, NodeStatus};
use crate::release::reference;

impl Node {
    /// Returns how the node is.
    pub fn status(&self) -> NodeStatus {
        let release = self.engine.release();
        NodeStatus {
            agent: env!("CARGO_PKG_VERSION").to_owned(),
            running: self.ledger.running().map(reference),
            state: self.ledger.state(),
            rollback_to: self.ledger.previous().map(reference),
            releases: self.ledger.releases(),
            switch: self.ledger.switch,
            switched_ms: self.ledger.switched_ms,
            last_pause_us: self.last_pause_us,
            machines: self.engine.machines(),
            counts: self.engine.counts(),
            speaks: release
                .map(|release| release.speech.versions().map(|version| version.to_string()).collect())
                .unwrap_or_default(),
            api_default: release.map(|release| release.speech.default().to_string()),
            clients: self.clients.status(),
            // The node's shell knows them.
            labels: Default::default(),
            // The gate is outside the node.
            trust: None,
            now_ms: self.engine.now_ms(),
        }
    }

    /// Returns the archives of the bundles that are kept, by their digests, the newest first.
    pub fn archives(&self) -> Vec<Digest> {
        self.ledger.archives()
    }

    /// Returns an archive, if it is kept.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read.
    pub fn archive(&self, digest: Digest) -> Result<Option<Vec<u8>>, NodeError> {
        Ok(self.journal.blob(digest)?)
    }

    /// Returns true for a bundle that ever ran here.
    pub fn ran(&self, digest: Digest) -> bool {
        self.ledger.ran(digest)
    }

    /// Returns what was done to the node.
    pub fn history(&self) -> History {
        History { entries: self.ledger.history.clone() }
    }

    /// Returns up to `limit` instances after an address.
    pub fn instances(&self, after: Option<&str>, limit: usize) -> Instances {
        self.engine.list(after, limit)
    }
}
