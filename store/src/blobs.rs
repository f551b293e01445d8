//! Bytes under their SHA-256, a file each.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use camshaft_cam::digest::Digest;

use crate::disk::{Disk, OpenFiles, read_all};
use crate::journal::StoreError;

/// The folder that they are in.
pub(crate) const FOLDER: &str = "blobs/";

const UNFINISHED: &str = ".tmp";

/// The blobs of a disk. What has a name here is whole, or damaged and noticed.
#[derive(Debug)]
pub struct Blobs {
    disk: Arc<dyn Disk>,
    /// Held by who writes: two who put the same bytes would write the same file.
    putting: Mutex<()>,
}

pub(crate) fn name(digest: Digest) -> String {
    format!("{FOLDER}{}", digest.hex())
}

fn failed(what: &'static str, name: &str) -> impl FnOnce(io::Error) -> StoreError {
    let path = name.to_owned();
    move |source| StoreError::File { what, path, source }
}

impl Blobs {
    /// Opens the blobs of a disk, and takes away what was never finished.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn open(disk: Arc<dyn Disk>) -> Result<Blobs, StoreError> {
        disk.sync_folder().map_err(failed("sync", FOLDER))?;
        for name in disk.list().map_err(failed("list", FOLDER))? {
            if name.starts_with(FOLDER) && name.ends_with(UNFINISHED) {
                disk.remove(&name).map_err(failed("remove", &name))?;
            }
        }
        Ok(Blobs { disk, putting: Mutex::new(()) })
    }

    /// Returns the blobs of a disk that is only read.
    pub(crate) fn of(disk: Arc<dyn Disk>) -> Blobs {
        Blobs { disk, putting: Mutex::new(()) }
    }

    /// Keeps bytes durably, and returns their SHA-256. Those that are kept already are left, if they are whole.
    ///
    /// # Errors
    ///
    /// When they are not durable.
    pub fn put(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        let name = name(digest);
        let _putting = self.putting.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(self.get(digest), Ok(Some(_))) {
            // It may be there because an earlier attempt failed at the very end.
            self.disk.sync_folder().map_err(failed("sync the folder of", &name))?;
            return Ok(digest);
        }
        let unfinished = name.clone() + UNFINISHED;
        let file = self.disk.create(&unfinished).map_err(failed("create", &name))?;
        let written = file.write_at(0, bytes).and_then(|()| file.sync());
        if let Err(error) = written {
            // It only takes space, and what cannot be removed now is removed when the folder is opened.
            let _ = self.disk.remove(&unfinished);
            return Err(failed("write", &name)(error));
        }
        self.disk.rename(&unfinished, &name).map_err(failed("rename", &name))?;
        self.disk.sync_folder().map_err(failed("sync the folder of", &name))?;
        Ok(digest)
    }

    /// Returns the bytes with this SHA-256, if they are kept.
    ///
    /// # Errors
    ///
    /// When they are not what was kept, and when the disk refuses.
    pub fn get(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let name = name(digest);
        let Some(file) = self.disk.open(&name).map_err(failed("open", &name))? else { return Ok(None) };
        let bytes = read_all(&*file).map_err(failed("read", &name))?;
        let found = Digest::of(&bytes);
        if found != digest {
            let reason = format!("its SHA-256 is {}", found.hex());
            return Err(StoreError::Damaged { what: name, reason });
        }
        Ok(Some(bytes))
    }

    /// Returns which are kept, in order.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn list(&self) -> Result<Vec<Digest>, StoreError> {
        let names = self.disk.list().map_err(failed("list", FOLDER))?;
        let digest = |name: &String| format!("sha256:{}", name.strip_prefix(FOLDER)?).parse().ok();
        Ok(names.iter().filter_map(digest).collect())
    }

    /// Returns all that are kept, each open to be read.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub(crate) fn open_all(&self) -> Result<OpenFiles<Digest>, StoreError> {
        let mut all = vec![];
        for digest in self.list()? {
            let name = name(digest);
            let file = self.disk.open(&name).map_err(failed("open", &name))?;
            all.extend(file.map(|file| (digest, file)));
        }
        Ok(all)
    }

    /// Lets go of bytes; those that are not kept are gone already.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn remove(&self, digest: Digest) -> Result<(), StoreError> {
        let name = name(digest);
        self.disk.remove(&name).map_err(failed("remove", &name))?;
        self.disk.sync_folder().map_err(failed("sync the folder of", &name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::FaultyDisk;

    fn open(disk: &FaultyDisk) -> Blobs {
        Blobs::open(Arc::new(disk.clone())).expect("it opens")
    }

    #[test]
    fn bytes_come_back_under_their_digest_once_however_often_they_were_put() {
        let disk = FaultyDisk::new(1);
        let blobs = open(&disk);
        let (one, two) = (blobs.put(b"one").expect("it is put"), blobs.put(b"two").expect("it is put"));
        assert_eq!(blobs.put(b"one").expect("it is there"), one);
        assert_eq!(one, Digest::of(b"one"));
        let mut both = vec![one, two];
        both.sort();
        assert_eq!(blobs.list().expect("it lists"), both);
        assert_eq!(blobs.get(two).expect("it is whole"), Some(b"two".to_vec()));
        blobs.remove(two).expect("it is there");
        blobs.remove(two).expect("it is gone");
        assert_eq!(blobs.get(two).expect("no error"), None);
        disk.power_on();
        assert_eq!(open(&disk).list().expect("it lists"), [one]);
    }

    #[test]
    fn damage_is_noticed_and_mended_by_who_has_the_bytes() {
        let disk = FaultyDisk::new(1);
        let blobs = open(&disk);
        let digest = blobs.put(b"one").expect("it is put");
        disk.flip_bit(&name(digest), 1, 1);
        let damaged = blobs.get(digest).expect_err("it is damaged").to_string();
        let (name, other) = (name(digest), Digest::of(b"ole").hex());
        assert_eq!(damaged, format!("{name} is damaged: its SHA-256 is {other}"));
        blobs.put(b"one").expect("it is put again");
        assert_eq!(blobs.get(digest).expect("it is whole"), Some(b"one".to_vec()));
    }

    /// At every operation of putting two, the power goes or a sync fails: what was acknowledged is there, and
    /// nothing else can be read but the other one, whole.
    #[test]
    fn what_was_put_is_there_whatever_happens() {
        let large = vec![7; 5_000];
        for operation in 1..20 {
            for seed in 0..32 {
                let disk = FaultyDisk::new(operation << 8 | seed);
                if seed % 2 == 0 {
                    disk.power_off_at(operation);
                } else {
                    disk.fail_sync_from(operation);
                }
                let blobs = Blobs::open(Arc::new(disk.clone()));
                let put = blobs.map(|blobs| [blobs.put(&large).is_ok(), blobs.put(b"small").is_ok()]);
                disk.power_on();
                let blobs = open(&disk);
                for (bytes, put) in [&large[..], b"small"].into_iter().zip(put.unwrap_or([false; 2])) {
                    let found = blobs.get(Digest::of(bytes)).expect("nothing is ever half there");
                    assert!(found.is_some() || !put, "operation {operation}, seed {seed}");
                }
                let names = disk.list().expect("it lists");
                assert!(names.iter().all(|name| !name.ends_with(UNFINISHED)), "{names:?}");
            }
        }
    }

    #[test]
    fn a_full_disk_takes_no_blob_and_keeps_no_part_of_it() {
        let disk = FaultyDisk::new(1);
        let blobs = open(&disk);
        disk.set_quota(Some(3));
        let full = blobs.put(b"four").expect_err("there is no space");
        assert!(full.is_full());
        assert_eq!(disk.list().expect("it lists"), Vec::<String>::new());
        blobs.put(b"one").expect("there is space for this");
    }
}
