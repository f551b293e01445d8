//! Taking over a data folder of formats 1 to 4: it is read as those formats say, and made durable as today's does.

use std::collections::BTreeMap;

use camshaft_store::{Control, Journal, OldFolder, Record, Saved, SavedLane};

use super::Node;
use super::open::{OpenNodeError, Opener, Reading, Settings, stopped};

impl Node {
    /// Opens the node of an old folder, and makes all of it durable in a journal that is empty. The folder is
    /// not changed: it may be put aside now ([`OldFolder::leave`]).
    ///
    /// # Errors
    ///
    /// When the folder cannot be read or contradicts itself, and when the journal refuses.
    pub fn take_over(
        old: &OldFolder,
        journal: Box<dyn Journal>,
        opener: Box<Opener>,
        settings: Settings,
        now_ms: i64,
    ) -> Result<Node, OpenNodeError> {
        let mut node = Node::empty(journal, opener, settings);
        let mut reading = Reading::default();
        let mut blobs = 0;
        old.blobs(&mut |bytes| {
            blobs += 1;
            node.here().journal.put_blob(bytes).map(drop)
        })?;
        let controls = old.controls()?;
        // The history comes first in the new journal; everything else is in the snapshot behind it.
        let places: BTreeMap<u64, u64> = controls.iter().map(|(position, _)| *position).zip(1..).collect();
        if !controls.is_empty() {
            let copies: Vec<Control> = controls.iter().map(|(_, control)| control.clone()).collect();
            node.crew.append(&copies).map_err(stopped)?;
        }
        let covered = node.load_old(old, &controls, &mut reading)?;
        let mut records: Vec<(u64, Record)> = vec![];
        old.read(covered, &mut |position, record| {
            records.push((places.get(&position).copied().unwrap_or_default(), record));
            Ok(())
        })?;
        node.replay_records(&records, &mut reading)?;
        node.finish(reading, now_ms)?;
        node.save_snapshot().map_err(stopped)?;
        if node.release.is_some() && node.covered == 0 {
            return Err(OpenNodeError::Unsettled(
                "its state could not be saved in the form of today".to_owned(),
            ));
        }
        tracing::info!(
            blobs,
            controls = controls.len(),
            records = records.len(),
            "the data folder of an earlier version was taken over"
        );
        Ok(node)
    }

    /// Loads the snapshot of an old folder; returns the position that it covers, 0 when there is none.
    fn load_old(
        &mut self,
        old: &OldFolder,
        controls: &[(u64, Control)],
        reading: &mut Reading,
    ) -> Result<u64, OpenNodeError> {
        let clients = old.clients()?;
        reading.clients.add(&clients);
        let Some(snapshot) = old.snapshot()? else { return Ok(0) };
        let known = controls.iter().zip(1..).take_while(|((position, _), _)| *position <= snapshot.position);
        for ((_, control), place) in known {
            self.ledger.apply(control);
            self.controls.push((place, control.clone()));
        }
        self.resume(BTreeMap::new())?;
        let (switch, config, now_ms) = (snapshot.switch, snapshot.config, snapshot.now_ms);
        let lane = Saved::Lane(SavedLane { switch, config, now_ms, clients: vec![] });
        let instances = snapshot.instances.into_iter().map(Saved::Instance);
        self.load_entries(std::iter::once(lane).chain(instances), reading)?;
        Ok(snapshot.position)
    }
}
