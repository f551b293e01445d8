//! What is in a file: as the system shows it, and as the disk may have it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use super::dice::Dice;
use crate::disk::SECTOR;

/// A file that names and handles share.
pub(super) type Shared = Arc<Mutex<Content>>;

/// A sector; `None` where the file ended before.
type Sector = Option<Box<[u8; SECTOR]>>;

/// What is in a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    /// What reads show.
    shown: Vec<u8>,
    /// The length that is durable.
    synced: usize,
    /// Sectors that were written since the last sync, with all that they were since then before
    /// what is shown now.
    unsynced: BTreeMap<usize, Vec<Sector>>,
    /// Sectors whose writing failed: what the disk has of them instead of what is shown.
    lost: BTreeMap<usize, Sector>,
}

impl Content {
    pub(super) fn size(&self) -> usize {
        self.shown.len()
    }

    pub(super) fn read(&self, offset: usize, bytes: &mut [u8]) -> io::Result<()> {
        let found = self.shown.get(offset..offset + bytes.len());
        bytes.copy_from_slice(found.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        let first = offset.min(self.size()) / SECTOR;
        for sector in first..end.div_ceil(SECTOR) {
            let before = self.sector(sector);
            let lost = self.lost.remove(&sector);
            let versions = self.unsynced.entry(sector).or_default();
            versions.extend(lost);
            versions.push(before);
        }
        if end > self.size() {
            self.shown.resize(end, 0);
        }
        self.shown[offset..end].copy_from_slice(bytes);
    }

    pub(super) fn sync(&mut self) {
        self.unsynced.clear();
        self.synced = self.size();
    }

    /// Decides for each sector whether the disk has it, and whether reads tell the truth.
    pub(super) fn fail_sync(&mut self, dice: &mut Dice) {
        for (sector, mut versions) in std::mem::take(&mut self.unsynced) {
            let chosen = dice.below(versions.len() + 1);
            if chosen == versions.len() {
                continue;
            }
            let old = versions.swap_remove(chosen);
            if dice.below(2) == 0 {
                self.put(sector, &old);
            } else {
                self.lost.insert(sector, old);
            }
        }
    }

    /// Leaves what the disk has after a power cut.
    pub(super) fn cut(&mut self, dice: &mut Dice) {
        for (sector, mut versions) in std::mem::take(&mut self.unsynced) {
            let chosen = dice.below(versions.len() + 1);
            if chosen < versions.len() {
                let old = versions.swap_remove(chosen);
                self.put(sector, &old);
            }
        }
        for (sector, old) in std::mem::take(&mut self.lost) {
            self.put(sector, &old);
        }
        let grown = self.size().saturating_sub(self.synced);
        let kept = match dice.below(3) {
            0 => 0,
            1 => grown,
            _ => dice.below(grown.div_ceil(SECTOR) + 1).saturating_mul(SECTOR).min(grown),
        };
        self.shown.truncate(self.synced + kept);
        self.synced = self.size();
    }

    /// Changes a byte where it is, as a failing disk does: nobody wrote it.
    pub(super) fn alter(&mut self, offset: usize, how: impl Fn(u8) -> u8) {
        let byte = self.shown.get_mut(offset).expect("the file ends before");
        *byte = how(*byte);
    }

    fn sector(&self, sector: usize) -> Sector {
        let rest = self.shown.get(sector * SECTOR..).filter(|rest| !rest.is_empty())?;
        let mut bytes = Box::new([0; SECTOR]);
        let length = rest.len().min(SECTOR);
        bytes[..length].copy_from_slice(&rest[..length]);
        Some(bytes)
    }

    fn put(&mut self, sector: usize, old: &Sector) {
        let start = sector * SECTOR;
        let end = (start + SECTOR).min(self.size());
        if let Some(place) = self.shown.get_mut(start..end) {
            match old {
                Some(bytes) => place.copy_from_slice(&bytes[..place.len()]),
                None => place.fill(0),
            }
        }
    }
}
