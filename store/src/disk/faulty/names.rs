//! Which names there are: as the system shows them, and as the disk may have them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::content::{Content, Shared};
use super::dice::Dice;
use super::lock;

/// The names of a disk.
#[derive(Debug, Default)]
pub(super) struct Names {
    shown: BTreeMap<String, Shared>,
    synced: BTreeMap<String, Shared>,
    /// What was done since the last sync, in order.
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Created { name: String, content: Shared },
    Renamed { to: String, content: Shared },
    Removed { name: String, content: Shared },
}

impl Change {
    /// Does it. A file has one name at most, whatever became of other changes.
    fn apply(&self, names: &mut BTreeMap<String, Shared>) {
        match self {
            Change::Created { name, content } => {
                names.insert(name.clone(), content.clone());
            }
            Change::Renamed { to, content } => {
                names.retain(|_, other| !Arc::ptr_eq(other, content));
                names.insert(to.clone(), content.clone());
            }
            Change::Removed { name, content } => {
                names.retain(|other, found| other != name || !Arc::ptr_eq(found, content));
            }
        }
    }
}

impl Names {
    pub(super) fn get(&self, name: &str) -> Option<Shared> {
        self.shown.get(name).cloned()
    }

    pub(super) fn list(&self) -> Vec<String> {
        self.shown.keys().cloned().collect()
    }

    pub(super) fn used(&self) -> u64 {
        self.shown.values().map(|content| lock(content).size() as u64).sum()
    }

    pub(super) fn create(&mut self, name: &str) -> Shared {
        let content = Shared::default();
        self.change(Change::Created { name: name.to_owned(), content: content.clone() });
        content
    }

    /// Returns whether the file was there.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> bool {
        let Some(content) = self.get(from) else { return false };
        self.change(Change::Renamed { to: to.to_owned(), content });
        true
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Some(content) = self.get(name) {
            self.change(Change::Removed { name: name.to_owned(), content });
        }
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.shown);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        self.unsynced.clear();
        self.synced = self.shown.clone();
    }

    /// Leaves what the disk has after a power cut, of names and of what is in the files.
    pub(super) fn cut(&mut self, dice: &mut Dice) {
        let mut names = std::mem::take(&mut self.synced);
        for change in std::mem::take(&mut self.unsynced) {
            if dice.below(2) == 1 {
                change.apply(&mut names);
            }
        }
        names.values().for_each(|content| lock(content).cut(dice));
        (self.shown, self.synced) = (names.clone(), names);
    }

    /// Returns the same names for copies of what is in the files.
    pub(super) fn deep_copy(&self) -> Names {
        let mut copies: BTreeMap<*const Mutex<Content>, Shared> = BTreeMap::new();
        let mut copy = |content: &Shared| {
            let copied = copies.entry(Arc::as_ptr(content));
            copied.or_insert_with(|| Arc::new(Mutex::new(lock(content).clone()))).clone()
        };
        let mut all = |names: &BTreeMap<String, Shared>| {
            names.iter().map(|(name, content)| (name.clone(), copy(content))).collect()
        };
        let (shown, synced) = (all(&self.shown), all(&self.synced));
        let unsynced = self.unsynced.iter().map(|change| match change {
            Change::Created { name, content } => {
                Change::Created { name: name.clone(), content: copy(content) }
            }
            Change::Renamed { to, content } => Change::Renamed { to: to.clone(), content: copy(content) },
            Change::Removed { name, content } => {
                Change::Removed { name: name.clone(), content: copy(content) }
            }
        });
        Names { shown, synced, unsynced: unsynced.collect() }
    }
}
