//! Reads data folders of formats 1 to 4, which were one SQLite file.
//!
//! Nothing is written in that form any more. What is read goes into the log, a snapshot and blobs of
//! today; only then [`OldFolder::leave`] puts the file aside. Every row carries a checksum over its place and
//! bytes, because SQLite itself does not notice a flipped bit in a row.

use std::path::Path;
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::codec::{CodecError, decode, decode_instance};
use crate::disk::Disk;
use crate::journal::StoreError;
use crate::record::{ClientSeen, Control, Record};
use crate::snapshot::{InstanceSnapshot, OldSnapshot};

/// The layout of the file that is read.
const LAYOUT: i64 = 1;

/// The file that is read.
pub(crate) const FILE: &str = "journal.sqlite";

/// The file once everything in it is in the form of today.
pub(crate) const LEFT: &str = "journal.sqlite.old";

/// Is there while the file is taken over: what else is in the folder is from an attempt that did not end.
pub(crate) const TAKING: &str = "taking-over";

/// A data folder of formats 1 to 4.
#[derive(Debug)]
pub struct OldFolder {
    database: Connection,
    disk: Arc<dyn Disk>,
}

/// What a visitor makes of a record and its position.
pub type VisitRecord<'v> = dyn FnMut(u64, Record) -> Result<(), StoreError> + 'v;

/// What a visitor makes of the bytes of a blob.
pub type VisitBlob<'v> = dyn FnMut(&[u8]) -> Result<(), StoreError> + 'v;

impl OldFolder {
    /// Opens the file of a folder, if there is one. The folder is locked. What an attempt to take it over left
    /// behind is taken away.
    /// Returns true when these are the names of a folder of an earlier version.
    pub(crate) fn is_in(names: &[String]) -> bool {
        names.iter().any(|name| name == FILE)
    }

    pub(crate) fn find(folder: &Path, disk: Arc<dyn Disk>) -> Result<Option<OldFolder>, StoreError> {
        let names = disk.list().map_err(refused("list", "the data folder"))?;
        let has = |name: &str| names.iter().any(|found| found == name);
        if !has(FILE) {
            if has(TAKING) {
                disk.remove(TAKING).map_err(refused("remove", TAKING))?;
            }
            return Ok(None);
        }
        if has(TAKING) {
            let of_today = |name: &&String| {
                ["log-", "spare-", "snapshot-"].iter().any(|start| name.starts_with(start))
                    || *name == crate::folder::NOTES
            };
            for name in names.iter().filter(of_today) {
                disk.remove(name).map_err(refused("remove", name))?;
            }
            disk.sync_folder().map_err(refused("sync", "the data folder"))?;
        }
        // What is at its end may be in a file beside it, which is read with it.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let database = Connection::open_with_flags(folder.join(FILE), flags).map_err(failed("open"))?;
        for (name, value) in
            [("locking_mode", "EXCLUSIVE"), ("synchronous", "FULL"), ("trusted_schema", "OFF")]
        {
            database.pragma_update(None, name, value).map_err(failed("take its settings"))?;
        }
        let layout: i64 = database
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(failed("tell its layout"))?;
        match layout {
            // An agent died before it had made its tables: nothing was ever in it.
            0 | LAYOUT => {}
            found => return Err(StoreError::Layout { found, known: LAYOUT }),
        }
        Ok(Some(OldFolder { database, disk }))
    }

    /// Notes that it is being taken over, into a journal that is empty.
    pub(crate) fn begin(&self, last: u64) -> Result<(), StoreError> {
        if last > 0 {
            let reason = format!(
                "it has a journal of an earlier version ({FILE}) and {last} records of this one beside it; put the one aside that is not to be used"
            );
            return Err(StoreError::Damaged { what: "the data folder".to_owned(), reason });
        }
        let marked = self.disk.create(TAKING).and_then(|file| file.sync());
        marked.and_then(|()| self.disk.sync_folder()).map_err(refused("make", TAKING))
    }

    /// Puts the file aside: everything in it is durable in the form of today. It is kept for people.
    ///
    /// # Errors
    ///
    /// When database or disk refuse.
    pub fn leave(self) -> Result<(), StoreError> {
        // Everything goes into the one file.
        self.database.pragma_update(None, "journal_mode", "DELETE").map_err(failed("be one file"))?;
        self.database.close().map_err(|(_, source)| failed("close")(source))?;
        self.disk.rename(FILE, LEFT).map_err(refused("rename", FILE))?;
        self.disk.sync_folder().map_err(refused("sync", "the data folder"))?;
        self.disk.remove(TAKING).map_err(refused("remove", TAKING))
    }

    fn has(&self, table: &str) -> Result<bool, StoreError> {
        self.database.table_exists(None, table).map_err(failed("tell its tables"))
    }

    /// Returns the newest snapshot.
    ///
    /// # Errors
    ///
    /// When it is not what was written.
    pub fn snapshot(&self) -> Result<Option<OldSnapshot>, StoreError> {
        if !self.has(SNAPSHOT)? {
            return Ok(None);
        }
        let head: Option<(i64, Vec<u8>, Vec<u8>)> = self
            .database
            .query_row(
                "SELECT position, bytes, sum FROM snapshot ORDER BY position DESC LIMIT 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .optional()
            .map_err(failed("read a snapshot"))?;
        let Some((position, bytes, sum)) = head else { return Ok(None) };
        let position = position.cast_unsigned();
        verify(SNAPSHOT, (position, 0), &bytes, &sum)?;
        let (switch, config, now_ms, count): (u64, u64, i64, u64) = decode_as(SNAPSHOT, position, &bytes)?;
        let mut select = self
            .database
            .prepare_cached("SELECT bytes, sum FROM snapshot_instance WHERE snapshot = ? ORDER BY number")
            .map_err(failed("prepare a reading"))?;
        let mut rows = select.query([position.cast_signed()]).map_err(failed("read a snapshot"))?;
        let mut instances: Vec<InstanceSnapshot> = vec![];
        while let Some(row) = rows.next().map_err(failed("read an instance"))? {
            let bytes: Vec<u8> = row.get(0).map_err(failed("read an instance"))?;
            let sum: Vec<u8> = row.get(1).map_err(failed("read a checksum"))?;
            let number = instances.len() as u64 + 1;
            verify(INSTANCE, (position, number), &bytes, &sum)?;
            instances.push(decode_instance(&bytes).map_err(unread(INSTANCE, number))?);
        }
        if instances.len() as u64 != count {
            let reason = format!("it has {} instances and says {count}", instances.len());
            return Err(StoreError::Damaged { what: format!("{SNAPSHOT} {position}"), reason });
        }
        Ok(Some(OldSnapshot { position, switch, config, now_ms, instances }))
    }

    /// Returns all control records with their positions, in order.
    ///
    /// # Errors
    ///
    /// When a record is not what was written.
    pub fn controls(&self) -> Result<Vec<(u64, Control)>, StoreError> {
        if !self.has(RECORD)? {
            return Ok(vec![]);
        }
        let mut select = self
            .database
            .prepare_cached("SELECT position, bytes, sum FROM record WHERE control = 1 ORDER BY position")
            .map_err(failed("prepare a reading"))?;
        let mut rows = select.query([]).map_err(failed("read"))?;
        let mut controls = vec![];
        while let Some(row) = rows.next().map_err(failed("read a record"))? {
            let position = row.get::<_, i64>(0).map_err(failed("read a position"))?.cast_unsigned();
            let bytes: Vec<u8> = row.get(1).map_err(failed("read a record"))?;
            let sum: Vec<u8> = row.get(2).map_err(failed("read a checksum"))?;
            verify(RECORD, (position, 0), &bytes, &sum)?;
            match Record::read(&bytes).map_err(unread(RECORD, position))? {
                Record::Control(control) => controls.push((position, control)),
                Record::Input(_) | Record::Aside(_) => {
                    let what = format!("{RECORD} {position}");
                    let reason = "it is listed as a control record and is none".to_owned();
                    return Err(StoreError::Damaged { what, reason });
                }
            }
        }
        Ok(controls)
    }

    /// Shows every record after a position, in order.
    ///
    /// # Errors
    ///
    /// When a record is missing or is not what was written, and what `visit` refuses.
    pub fn read(&self, after: u64, visit: &mut VisitRecord<'_>) -> Result<(), StoreError> {
        if !self.has(RECORD)? {
            return Ok(());
        }
        let mut select = self
            .database
            .prepare_cached("SELECT position, bytes, sum FROM record WHERE position > ? ORDER BY position")
            .map_err(failed("prepare a reading"))?;
        let mut rows = select.query([after.cast_signed()]).map_err(failed("read"))?;
        let mut expected = after;
        while let Some(row) = rows.next().map_err(failed("read a record"))? {
            expected += 1;
            let position = row.get::<_, i64>(0).map_err(failed("read a position"))?.cast_unsigned();
            if position != expected {
                let reason = format!("record {position} comes after record {}", expected - 1);
                return Err(StoreError::Damaged { what: "the journal".to_owned(), reason });
            }
            let bytes: Vec<u8> = row.get(1).map_err(failed("read a record"))?;
            let sum: Vec<u8> = row.get(2).map_err(failed("read a checksum"))?;
            verify(RECORD, (position, 0), &bytes, &sum)?;
            visit(position, Record::read(&bytes).map_err(unread(RECORD, position))?)?;
        }
        Ok(())
    }

    /// Returns what was seen of clients when the agent saved it last.
    ///
    /// # Errors
    ///
    /// When it is not what was written.
    pub fn clients(&self) -> Result<Vec<ClientSeen>, StoreError> {
        if !self.has("client")? {
            return Ok(vec![]);
        }
        let mut select = self
            .database
            .prepare_cached("SELECT number, bytes, sum FROM client ORDER BY number")
            .map_err(failed("prepare a reading"))?;
        let mut rows = select.query([]).map_err(failed("read counts of clients"))?;
        let mut clients = vec![];
        while let Some(row) = rows.next().map_err(failed("read a count of clients"))? {
            let number = row.get::<_, i64>(0).map_err(failed("read a number"))?.cast_unsigned();
            let bytes: Vec<u8> = row.get(1).map_err(failed("read a count of clients"))?;
            let sum: Vec<u8> = row.get(2).map_err(failed("read a checksum"))?;
            verify(CLIENT, (number, 0), &bytes, &sum)?;
            clients.push(decode_as(CLIENT, number, &bytes)?);
        }
        Ok(clients)
    }

    /// Shows all blobs.
    ///
    /// # Errors
    ///
    /// When one is not what was kept, and what `visit` refuses.
    pub fn blobs(&self, visit: &mut VisitBlob<'_>) -> Result<(), StoreError> {
        if !self.has("blob")? {
            return Ok(());
        }
        let mut select =
            self.database.prepare("SELECT digest, bytes FROM blob").map_err(failed("prepare a reading"))?;
        let mut rows = select.query([]).map_err(failed("read blobs"))?;
        while let Some(row) = rows.next().map_err(failed("read a blob"))? {
            let digest: Vec<u8> = row.get(0).map_err(failed("read a digest"))?;
            let bytes: Vec<u8> = row.get(1).map_err(failed("read a blob"))?;
            let found = Digest::of(&bytes);
            if digest != found.as_bytes() {
                let reason = format!("its SHA-256 is {}", found.hex());
                return Err(StoreError::Damaged { what: "a blob of the old journal".to_owned(), reason });
            }
            visit(&bytes)?;
        }
        Ok(())
    }
}

fn refused(what: &'static str, name: &str) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = name.to_owned();
    move |source| StoreError::File { what, path, source }
}

fn failed(what: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| StoreError::Database { what, source }
}

/// Returns the checksum of a row: it covers the place too, so that a row that moved is noticed.
fn checksum(kind: &str, place: (u64, u64), bytes: &[u8]) -> [u8; 8] {
    let mut covered = Vec::with_capacity(bytes.len() + 16);
    covered.extend(place.0.to_le_bytes());
    covered.extend(place.1.to_le_bytes());
    covered.extend(bytes);
    let digest = Digest::tagged(kind, &covered);
    *digest.as_bytes().first_chunk().expect("a digest has 32 bytes")
}

fn verify(kind: &str, place: (u64, u64), bytes: &[u8], sum: &[u8]) -> Result<(), StoreError> {
    if checksum(kind, place, bytes) == *sum {
        return Ok(());
    }
    let what = if place.1 == 0 { format!("{kind} {}", place.0) } else { format!("{kind} {place:?}") };
    Err(StoreError::Damaged { what, reason: "its checksum is wrong".to_owned() })
}

fn decode_as<T: serde::de::DeserializeOwned>(kind: &str, number: u64, bytes: &[u8]) -> Result<T, StoreError> {
    decode(bytes).map_err(unread(kind, number))
}

fn unread(kind: &str, number: u64) -> impl FnOnce(CodecError) -> StoreError {
    let what = format!("{kind} {number}");
    move |source| StoreError::Codec { what, source }
}

const RECORD: &str = "record";
const SNAPSHOT: &str = "snapshot";
const INSTANCE: &str = "instance of snapshot";
const CLIENT: &str = "count of clients";
