//! A disk in memory that fails as real ones do, and the same way each time.
//!
//! What it promises is what a careful reader of the manual pages may expect of a disk, and no more:
//!
//! - When the power goes, each sector of 512 bytes that was written since its file was last synced
//!   has any of the contents that it had since then, whatever became of the others.
//! - A name that was made, changed or taken away since the folder was last synced may be as before or
//!   as after, whatever became of the others; a rename is never half there.
//! - When a sync fails, the system forgets what was to be written: each sector is on the disk or not, later
//!   reads may show it all the same, and a later sync of the file does not bring it there. (Names are kept by the
//!   file system's own journal: of those nothing is forgotten.)
//!
//! What happens is decided by a seed. Time does not pass; what is slow is counted.

mod content;
mod dice;
mod names;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use self::content::{Content, Shared};
use self::dice::Dice;
use self::names::Names;
use super::{Disk, DiskFile, SECTOR};

/// A disk in memory. Clones are handles on the same one.
#[derive(Debug, Clone)]
pub struct FaultyDisk {
    hardware: Arc<Mutex<Hardware>>,
}

#[derive(Debug)]
struct Hardware {
    dice: Dice,
    names: Names,
    operations: u64,
    syncs: Vec<u64>,
    power_off_at: Option<u64>,
    power_off_after: Option<u64>,
    sync_fails_from: Option<u64>,
    off: bool,
    /// How often the power came back: handles from before are dead.
    era: u64,
    quota: Option<u64>,
    sync_cost: u64,
    spent: u64,
}

/// What becomes of an operation.
#[derive(PartialEq)]
enum Fate {
    Done,
    /// The power goes while it is being done.
    Cut,
    /// The power goes when it is done, and nobody learns that it is.
    CutAfter,
}

impl FaultyDisk {
    /// Returns an empty disk whose faults are decided by a seed.
    pub fn new(seed: u64) -> FaultyDisk {
        let hardware = Hardware {
            dice: Dice::new(seed),
            names: Names::default(),
            operations: 0,
            syncs: vec![],
            power_off_at: None,
            power_off_after: None,
            sync_fails_from: None,
            off: false,
            era: 0,
            quota: None,
            sync_cost: 0,
            spent: 0,
        };
        FaultyDisk { hardware: Arc::new(Mutex::new(hardware)) }
    }

    /// Returns another disk with the same in it, synced or not, whose faults are decided by another seed.
    /// Nothing is planned for it.
    #[must_use]
    pub fn copy(&self, seed: u64) -> FaultyDisk {
        let other = FaultyDisk::new(seed);
        let this = self.hardware();
        {
            let mut hardware = other.hardware();
            (hardware.names, hardware.quota) = (this.names.deep_copy(), this.quota);
        }
        drop(this);
        other
    }

    /// Returns how many operations were begun: writes, allocations, syncs, and changes of names.
    pub fn operations(&self) -> u64 {
        self.hardware().operations
    }

    /// Returns the numbers of the operations that were syncs, of a file or of the folder.
    pub fn syncs(&self) -> Vec<u64> {
        self.hardware().syncs.clone()
    }

    /// Lets the power go during the operation with this number, counted from 1: it fails, half done, and so do
    /// all others until [`power_on`](FaultyDisk::power_on).
    pub fn power_off_at(&self, operation: u64) {
        self.hardware().power_off_at = Some(operation);
    }

    /// Lets the power go when the operation with this number, counted from 1, is done: it fails all the same,
    /// and so do all others until [`power_on`](FaultyDisk::power_on). What a sync made durable so is durable.
    pub fn power_off_after(&self, operation: u64) {
        self.hardware().power_off_after = Some(operation);
    }

    /// Lets the power go now.
    pub fn power_off(&self) {
        self.hardware().off = true;
    }

    /// Returns whether the power is off.
    pub fn is_off(&self) -> bool {
        self.hardware().off
    }

    /// Brings the power back, after cutting it if that had not happened: what the disk remembers is decided
    /// now. Files that were open are no longer, and nothing is planned any more.
    pub fn power_on(&self) {
        let mut hardware = self.hardware();
        let hardware = &mut *hardware;
        hardware.names.cut(&mut hardware.dice);
        hardware.off = false;
        hardware.era += 1;
        (hardware.power_off_at, hardware.power_off_after) = (None, None);
        hardware.sync_fails_from = None;
    }

    /// Lets the first sync fail, of a file or of the folder, that is the operation with this number or a later
    /// one. Only that one fails.
    pub fn fail_sync_from(&self, operation: u64) {
        self.hardware().sync_fails_from = Some(operation);
    }

    /// Says how many bytes all files may have together; `None`: as many as they like. Writing within a
    /// file's length always works.
    pub fn set_quota(&self, bytes: Option<u64>) {
        self.hardware().quota = bytes;
    }

    /// Returns how many bytes all files have together.
    pub fn used(&self) -> u64 {
        self.hardware().names.used()
    }

    /// Says what a sync costs, in whatever unit; see [`spent`](FaultyDisk::spent).
    pub fn set_sync_cost(&self, cost: u64) {
        self.hardware().sync_cost = cost;
    }

    /// Returns what all syncs so far have cost.
    pub fn spent(&self) -> u64 {
        self.hardware().spent
    }

    /// Turns over one bit of what is on the disk.
    ///
    /// # Panics
    ///
    /// When the file is not there or ends before.
    pub fn flip_bit(&self, name: &str, offset: u64, bit: u8) {
        let (offset, mask) = (usize::try_from(offset).expect("files are in memory"), 1 << (bit % 8));
        self.damage(name, |content| content.alter(offset, |byte| byte ^ mask));
    }

    /// Makes one sector of what is on the disk zero.
    ///
    /// # Panics
    ///
    /// When the file is not there or ends before.
    pub fn zero_sector(&self, name: &str, sector: u64) {
        let first = usize::try_from(sector).expect("files are in memory") * SECTOR;
        self.damage(name, |content| {
            let last = (first + SECTOR).min(content.size());
            (first..last).for_each(|offset| content.alter(offset, |_| 0));
        });
    }

    fn damage(&self, name: &str, how: impl FnOnce(&mut Content)) {
        let hardware = self.hardware();
        let content = hardware.names.get(name).unwrap_or_else(|| panic!("there is no file {name}"));
        how(&mut lock(&content));
    }

    fn hardware(&self) -> MutexGuard<'_, Hardware> {
        lock(&self.hardware)
    }

    fn file(&self, era: u64, content: Shared) -> Arc<dyn DiskFile> {
        Arc::new(FaultyFile { disk: self.clone(), era, content })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hardware {
    fn powered(&self) -> io::Result<()> {
        if self.off { Err(no_power()) } else { Ok(()) }
    }

    /// Counts an operation.
    fn begin(&mut self) -> io::Result<Fate> {
        self.powered()?;
        self.operations += 1;
        Ok(match Some(self.operations) {
            now if now == self.power_off_at => Fate::Cut,
            now if now == self.power_off_after => Fate::CutAfter,
            _ => Fate::Done,
        })
    }

    /// Ends an operation.
    fn end(&mut self, fate: Fate) -> io::Result<()> {
        if fate != Fate::Done {
            self.off = true;
            return Err(no_power());
        }
        Ok(())
    }

    /// Counts a sync, and returns whether it is one that fails, and what becomes of it when it is not.
    fn begin_sync(&mut self) -> io::Result<(bool, Fate)> {
        let fate = self.begin()?;
        self.syncs.push(self.operations);
        if fate == Fate::Cut {
            self.end(Fate::Cut)?;
        }
        self.spent += self.sync_cost;
        let fails = self.sync_fails_from.is_some_and(|from| self.operations >= from);
        if fails {
            self.sync_fails_from = None;
        }
        Ok((fails, fate))
    }

    /// Returns how many bytes more there is space for.
    fn left(&self) -> u64 {
        self.quota.map_or(u64::MAX, |quota| quota.saturating_sub(self.names.used()))
    }
}

fn no_power() -> io::Error {
    io::Error::other("the power is off")
}

fn no_sync() -> io::Error {
    io::Error::other("the disk could not write what was to be synced")
}

fn no_space() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}

impl Disk for FaultyDisk {
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut hardware = self.hardware();
        let fate = hardware.begin()?;
        let content = hardware.names.create(name);
        hardware.end(fate)?;
        Ok(self.file(hardware.era, content))
    }

    fn open(&self, name: &str) -> io::Result<Option<Arc<dyn DiskFile>>> {
        let hardware = self.hardware();
        hardware.powered()?;
        Ok(hardware.names.get(name).map(|content| self.file(hardware.era, content)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut hardware = self.hardware();
        let fate = hardware.begin()?;
        if !hardware.names.rename(from, to) {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        hardware.end(fate)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut hardware = self.hardware();
        let fate = hardware.begin()?;
        hardware.names.remove(name);
        hardware.end(fate)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let hardware = self.hardware();
        hardware.powered()?;
        Ok(hardware.names.list())
    }

    fn sync_folder(&self) -> io::Result<()> {
        let mut hardware = self.hardware();
        let (fails, fate) = hardware.begin_sync()?;
        if fails {
            return Err(no_sync());
        }
        hardware.names.sync();
        hardware.end(fate)
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    era: u64,
    content: Shared,
}

impl FaultyFile {
    fn hardware(&self) -> io::Result<MutexGuard<'_, Hardware>> {
        let hardware = self.disk.hardware();
        hardware.powered()?;
        if hardware.era != self.era {
            return Err(io::Error::other("the file was open before the power went"));
        }
        Ok(hardware)
    }
}

impl DiskFile for FaultyFile {
    fn size(&self) -> io::Result<u64> {
        let _powered = self.hardware()?;
        Ok(lock(&self.content).size() as u64)
    }

    fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let _powered = self.hardware()?;
        lock(&self.content).read(place(offset)?, bytes)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut hardware = self.hardware()?;
        let fate = hardware.begin()?;
        let (left, offset) = (hardware.left(), place(offset)?);
        let mut content = lock(&self.content);
        let more = (offset + bytes.len()).saturating_sub(content.size());
        if more as u64 > left {
            return Err(no_space());
        }
        content.write(offset, bytes);
        drop(content);
        hardware.end(fate)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        let mut hardware = self.hardware()?;
        let fate = hardware.begin()?;
        let (left, length) = (hardware.left(), place(length)?);
        let mut content = lock(&self.content);
        let size = content.size();
        let more = length.saturating_sub(size);
        // What fits is written before it is noticed that the rest does not.
        let fits = usize::try_from(left).map_or(more, |left| left.min(more));
        content.write(size, &vec![0; fits]);
        drop(content);
        hardware.end(fate)?;
        if fits < more { Err(no_space()) } else { Ok(()) }
    }

    fn sync(&self) -> io::Result<()> {
        let mut hardware = self.hardware()?;
        let (fails, fate) = hardware.begin_sync()?;
        let mut content = lock(&self.content);
        if fails {
            content.fail_sync(&mut hardware.dice);
            return Err(no_sync());
        }
        content.sync();
        drop(content);
        hardware.end(fate)
    }
}

fn place(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(io::Error::other)
}

#[cfg(test)]
mod tests;
