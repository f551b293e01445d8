//! The instances of a shard: found by address in one look, walked through by address.
//!
//! An instance keeps its slot while it is there. Nothing here grows by copying all at once: slots
//! come in pages, and the index is many small tables, so that no input waits for a table of a
//! million to be moved.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault};
use std::ops::Bound;

use camshaft_manifests::{InstanceAddress, Key, MachineAddress};
use hashbrown::HashTable;
use rustc_hash::FxHasher;

use super::instance::Instance;

/// How many slots are in a page.
const PAGE: usize = 1024;

/// How many tables the index has.
const PARTS: usize = 256;

/// A place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot(u32);

/// An instance and its address.
#[derive(Debug, Clone)]
pub(super) struct Resident {
    pub(super) address: InstanceAddress,
    pub(super) instance: Instance,
}

/// Instances that are found by no name, by the keys that they had.
#[derive(Debug)]
#[must_use = "they are there, and nobody finds them"]
pub(super) struct Nameless(BTreeMap<Option<Key>, Slot>);

impl Nameless {
    /// Returns where they are.
    pub(super) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.0.values().copied()
    }
}

/// The instances of a shard.
#[derive(Debug)]
pub(super) struct Table {
    pages: Vec<Vec<Option<Resident>>>,
    free: Vec<Slot>,
    index: Vec<HashTable<Slot>>,
    /// By machine and key.
    order: BTreeMap<MachineAddress, BTreeMap<Option<Key>, Slot>>,
    len: usize,
}

impl Default for Table {
    fn default() -> Table {
        Table {
            pages: vec![],
            free: vec![],
            index: (0..PARTS).map(|_| HashTable::new()).collect(),
            order: BTreeMap::new(),
            len: 0,
        }
    }
}

fn hash(address: &InstanceAddress) -> u64 {
    BuildHasherDefault::<FxHasher>::default().hash_one(address)
}

/// Returns which table of the index has a hash. The tables themselves look at the lowest and the
/// highest bits.
fn part(hash: u64) -> usize {
    (hash >> 32) as usize % PARTS
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Returns the slot of an address.
    #[inline]
    pub(super) fn find(&self, address: &InstanceAddress) -> Option<Slot> {
        let hash = hash(address);
        self.index[part(hash)].find(hash, |slot| self[*slot].address == *address).copied()
    }

    /// Returns the instance at an address.
    pub(super) fn get(&self, address: &InstanceAddress) -> Option<&Instance> {
        self.find(address).map(|slot| &self[slot].instance)
    }

    /// Puts an instance to an address where none is.
    pub(super) fn insert(&mut self, address: InstanceAddress, instance: Instance) -> Slot {
        debug_assert!(self.find(&address).is_none(), "an address has one instance");
        let hash = hash(&address);
        let machine = address.machine_address();
        let key = address.key.clone();
        let slot = self.place(Resident { address, instance });
        let pages = &self.pages;
        let of = |slot: &Slot| self::hash(&resident(pages, *slot).address);
        self.index[part(hash)].insert_unique(hash, slot, of);
        self.order.entry(machine).or_default().insert(key, slot);
        self.len += 1;
        slot
    }

    fn place(&mut self, resident: Resident) -> Slot {
        if let Some(slot) = self.free.pop() {
            self.pages[slot.0 as usize / PAGE][slot.0 as usize % PAGE] = Some(resident);
            return slot;
        }
        if self.pages.last().is_none_or(|page| page.len() == PAGE) {
            self.pages.push(Vec::with_capacity(PAGE));
        }
        let number = self.pages.len() - 1;
        let page = &mut self.pages[number];
        page.push(Some(resident));
        Slot(u32::try_from(number * PAGE + page.len() - 1).expect("a node has fewer than 2^32 instances"))
    }

    /// Takes an instance out.
    pub(super) fn remove(&mut self, slot: Slot) -> Resident {
        self.take_off_index(slot);
        let (machine, key) = (self[slot].address.machine_address(), self[slot].address.key.clone());
        if let Some(keys) = self.order.get_mut(&machine) {
            keys.remove(&key);
            if keys.is_empty() {
                self.order.remove(&machine);
            }
        }
        self.remove_nameless(slot)
    }

    /// Takes an instance out that has no name any more.
    pub(super) fn remove_nameless(&mut self, slot: Slot) -> Resident {
        let taken = self.pages[slot.0 as usize / PAGE][slot.0 as usize % PAGE].take();
        let resident = taken.expect("a slot that is known is taken");
        self.free.push(slot);
        self.len -= 1;
        resident
    }

    /// Returns the instances of a machine.
    pub(super) fn of_machine(&self, machine: &MachineAddress) -> Vec<Slot> {
        self.order.get(machine).map(|keys| keys.values().copied().collect()).unwrap_or_default()
    }

    fn take_off_index(&mut self, slot: Slot) {
        let hash = hash(&self[slot].address);
        if let Ok(found) = self.index[part(hash)].find_entry(hash, |other| *other == slot) {
            found.remove();
        }
    }

    /// Takes the instances of a machine off the index and the order, so that they get other names, or are taken out. Their
    /// number may be large, and inputs wait meanwhile: the order is not gone through key by key.
    pub(super) fn take_names(&mut self, machine: &MachineAddress) -> Nameless {
        let keys = self.order.remove(machine).unwrap_or_default();
        keys.values().for_each(|slot| self.take_off_index(*slot));
        Nameless(keys)
    }

    /// Gives instances without names those of a machine.
    pub(super) fn give_names(&mut self, Nameless(mut keys): Nameless, machine: &MachineAddress) {
        for slot in keys.values() {
            let address = self[*slot].address.at(machine);
            let hash = hash(&address);
            self[*slot].address = address;
            let pages = &self.pages;
            let of = |slot: &Slot| self::hash(&resident(pages, *slot).address);
            self.index[part(hash)].insert_unique(hash, *slot, of);
        }
        if !keys.is_empty() {
            self.order.entry(machine.clone()).or_default().append(&mut keys);
        }
    }

    /// Returns how many slots there are; some may be free.
    pub(super) fn slots(&self) -> usize {
        self.pages.last().map_or(0, |last| (self.pages.len() - 1) * PAGE + last.len())
    }

    /// Returns the slot with a number, and who is there.
    pub(super) fn at(&self, number: usize) -> Option<(Slot, &Resident)> {
        let resident = self.pages.get(number / PAGE)?.get(number % PAGE)?.as_ref()?;
        Some((Slot(u32::try_from(number).ok()?), resident))
    }

    /// Returns the number of a slot.
    pub(super) fn number(slot: Slot) -> usize {
        slot.0 as usize
    }

    /// Returns all instances, by address.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Resident> {
        self.order.values().flat_map(|keys| keys.values()).map(|slot| &self[*slot])
    }

    /// Returns all instances in any order, to be changed.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Resident> {
        self.pages.iter_mut().flatten().filter_map(Option::as_mut)
    }

    /// Returns the instances after an address, by address.
    pub(super) fn after(&self, address: Option<&InstanceAddress>) -> impl Iterator<Item = &Resident> {
        self.from(address.map_or(Bound::Unbounded, Bound::Excluded))
    }

    /// Returns the instances from an address on, by address.
    pub(super) fn from(&self, from: Bound<&InstanceAddress>) -> impl Iterator<Item = &Resident> {
        let machine = from.map(InstanceAddress::machine_address);
        let key = from.map(|address| address.key.clone());
        let machines = match &machine {
            Bound::Included(machine) | Bound::Excluded(machine) => Bound::Included(machine.clone()),
            Bound::Unbounded => Bound::Unbounded,
        };
        self.order.range((machines, Bound::Unbounded)).flat_map(move |(at, keys)| {
            let from = match &machine {
                Bound::Included(machine) | Bound::Excluded(machine) if machine == at => key.clone(),
                _ => Bound::Unbounded,
            };
            keys.range((from, Bound::Unbounded)).map(|(_, slot)| &self[*slot])
        })
    }
}

fn resident(pages: &[Vec<Option<Resident>>], slot: Slot) -> &Resident {
    pages[slot.0 as usize / PAGE][slot.0 as usize % PAGE].as_ref().expect("a slot that is known is taken")
}

impl std::ops::Index<Slot> for Table {
    type Output = Resident;

    #[inline]
    fn index(&self, slot: Slot) -> &Resident {
        resident(&self.pages, slot)
    }
}

impl std::ops::IndexMut<Slot> for Table {
    #[inline]
    fn index_mut(&mut self, slot: Slot) -> &mut Resident {
        let place = &mut self.pages[slot.0 as usize / PAGE][slot.0 as usize % PAGE];
        place.as_mut().expect("a slot that is known is taken")
    }
}
