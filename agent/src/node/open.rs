//! Opening a node: the newest snapshot, and a replay of all that came after it.

use std::sync::Arc;

use camshaft_store::{Control, Direction, Journal, Record, ReleaseEntry, StoreError};

use super::{Asked, Clients, Ledger, Node, NodeError};
use crate::engine::{Divergence, Engine, LoadError, Plan, PlanError, ReplayError, Way};
use crate::release::Release;

/// Makes a release of the bytes of its bundle: everything in it is verified.
pub type Opener = dyn Fn(&[u8], &ReleaseEntry) -> Result<Release, String> + Send;

/// Why a node cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenNodeError {
    /// The journal.
    #[error("the journal cannot be read")]
    Journal(#[from] StoreError),
    /// A bundle that the journal names.
    #[error("the bundle of {name} {version} cannot be used: {reason}")]
    Bundle {
        /// The release.
        name: String,
        /// Its version.
        version: String,
        /// The reason.
        reason: String,
    },
    /// The snapshot.
    #[error("the snapshot cannot be used")]
    Snapshot(#[from] LoadError),
    /// A record that does not follow from those before it.
    #[error("the journal contradicts itself")]
    Replay(#[from] ReplayError),
    /// A switch that the journal has and that cannot be made again.
    #[error("switch {number} cannot be made again")]
    Switch {
        /// Its number.
        number: u64,
        /// The reason.
        #[source]
        source: PlanError,
    },
    /// Control records that cannot be.
    #[error("the journal contradicts itself: {0}")]
    Ledger(&'static str),
    /// The checks of an unfinished upgrade could not be ended.
    #[error("the last upgrade cannot be settled: {0}")]
    Unsettled(String),
}

impl Node {
    /// Opens the node of a journal: its newest snapshot, then all records after it. An upgrade
    /// that was switched and not yet checked is checked now, and undone if it does not pass.
    ///
    /// # Errors
    ///
    /// When the journal cannot be read or contradicts itself. Nothing is guessed.
    pub fn open(
        journal: Box<dyn Journal>,
        opener: Box<Opener>,
        salt: u64,
        now_ms: i64,
    ) -> Result<Node, OpenNodeError> {
        let mut node = Node {
            position: journal.last()?,
            journal,
            opener,
            engine: Engine::new(salt),
            ledger: Ledger::default(),
            previous: None,
            covered: 0,
            answers: vec![],
            last_pause_us: None,
            clients: Clients::default(),
        };
        node.clients = Clients::load(node.journal.clients()?);
        let snapshot = node.journal.snapshot()?;
        let controls = node.journal.controls()?;
        if let Some(snapshot) = snapshot {
            node.covered = snapshot.position;
            for (position, control) in &controls {
                if *position <= snapshot.position {
                    node.ledger.apply(control);
                }
            }
            let running = node.ledger.running().cloned();
            let running = running.ok_or(OpenNodeError::Ledger("a snapshot of an empty node"))?;
            let release = node.load_release(&running)?;
            if let (true, Some(previous)) = (node.ledger.provisional, node.ledger.previous().cloned()) {
                node.previous = Some(node.load_release(&previous)?);
            }
            node.engine.load(snapshot, release, node.previous.as_deref())?;
            if let Some(left) = node.ledger.left.clone() {
                node.engine.set_left(Some(node.load_release(&left)?));
            }
        }
        let divergences = node.replay()?;
        node.engine.advance(now_ms);
        node.engine.take_batch();
        node.settle(divergences, now_ms)?;
        Ok(node)
    }

    fn replay(&mut self) -> Result<Vec<Divergence>, OpenNodeError> {
        let mut records = vec![];
        // One group of the journal at a time would do as well; the records since a snapshot fit.
        self.journal.read(self.covered, &mut |_, record| {
            records.push(record);
            Ok(())
        })?;
        let mut divergences = vec![];
        for record in &records {
            match record {
                Record::Input(input) => {
                    let divergence = self.engine.replay(input)?;
                    if let Some(divergence) = &divergence {
                        tracing::error!(
                            instance = %divergence.instance, seq = divergence.seq, "held: {}", divergence.reason
                        );
                    }
                    divergences.extend(divergence);
                }
                Record::Control(control) => self.replay_control(control)?,
            }
        }
        Ok(divergences)
    }

    fn replay_control(&mut self, control: &Control) -> Result<(), OpenNodeError> {
        match control {
            Control::Installed { stamp, release } => {
                self.engine.advance(stamp.at_ms);
                let release = self.load_release(release)?;
                self.engine.install(release);
            }
            Control::Switch { number, to, direction, relup, .. } => {
                let from = self.engine.release().cloned();
                let from = from.ok_or(OpenNodeError::Ledger("a switch on an empty node"))?;
                let to = self.load_release(to)?;
                let way = match direction {
                    Direction::Up => Way::Up,
                    Direction::Down | Direction::Undo => Way::Down,
                };
                let (newer, older) = match way {
                    Way::Up => (&to, &from),
                    Way::Down => (&from, &to),
                };
                let found = newer
                    .relups
                    .iter()
                    .find(|(digest, relup_of)| digest == relup && relup_of.from.digest == older.entry.digest);
                let (digest, found) =
                    found.ok_or(OpenNodeError::Ledger("a switch by a relup that no bundle has"))?;
                let plan = Plan::new(&from, &to, way, (digest, found))
                    .map_err(|source| OpenNodeError::Switch { number: *number, source })?;
                self.engine.switch(&plan, *number, None);
                self.previous = (way == Way::Up).then_some(from);
            }
            Control::Permanent { .. } => self.engine.make_permanent(),
            Control::CheckPassed { .. }
            | Control::CheckFailed { .. }
            | Control::InstanceHeld { .. }
            | Control::ClientsDropped { .. }
            | Control::Refused(_) => {}
        }
        self.ledger.apply(control);
        Ok(())
    }

    /// Ends what the last life of the agent left open.
    fn settle(&mut self, divergences: Vec<Divergence>, now_ms: i64) -> Result<(), OpenNodeError> {
        let asked = Asked { who: "agent".to_owned(), now_ms };
        let held: Vec<Control> = divergences
            .into_iter()
            .filter(|divergence| !self.ledger.held.contains(&divergence.instance.to_string()))
            .map(|divergence| Control::InstanceHeld {
                stamp: self.stamp(&asked),
                instance: divergence.instance.to_string(),
                seq: divergence.seq,
                reason: divergence.reason,
            })
            .collect();
        if !held.is_empty() {
            self.append(&held)?;
        }
        if self.ledger.unchecked.is_some() {
            self.engine.settle_applies();
            self.flush()?;
            let checked = self.engine.checks().run();
            match self.settle_check(&asked, checked) {
                Ok(_) => {}
                Err(NodeError::Journal(error)) => return Err(error.into()),
                Err(NodeError::Refused(problem)) if problem.code == crate::problem::UNDONE.code => {
                    tracing::error!("{}", problem.detail);
                }
                Err(NodeError::Refused(problem)) => return Err(OpenNodeError::Unsettled(problem.detail)),
            }
        }
        Ok(())
    }

    /// Returns a release that the journal names, from memory or from its bundle.
    pub(super) fn load_release(&self, entry: &ReleaseEntry) -> Result<Arc<Release>, OpenNodeError> {
        let loaded = [self.engine.release(), self.previous.as_ref()];
        if let Some(release) = loaded.into_iter().flatten().find(|release| release.entry == *entry) {
            return Ok(release.clone());
        }
        let failed = |reason: String| OpenNodeError::Bundle {
            name: entry.name.clone(),
            version: entry.version.clone(),
            reason,
        };
        let bytes = self.journal.blob(entry.archive)?;
        let bytes = bytes.ok_or_else(|| failed("it is not kept".to_owned()))?;
        (self.opener)(&bytes, entry).map(Arc::new).map_err(failed)
    }
}
