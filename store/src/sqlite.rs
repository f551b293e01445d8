//! A journal in one SQLite file.
//!
//! WAL with `synchronous=FULL`: a committed group has been synced. Every row carries a checksum
//! over its place and bytes, because SQLite itself does not notice a flipped bit in a row.
//!
//! One process per data folder: a lock on the file `lock` in it, which the system lets go of
//! when the process dies in whatever way.

use std::fs::File;
use std::path::Path;

use camshaft_cam::digest::Digest;
use rusqlite::{Connection, OptionalExtension as _, params};

use crate::codec::{CodecError, decode, decode_instance, encode};
use crate::journal::{Journal, StoreError};
use crate::lock::{file, lock};
use crate::record::{ClientSeen, Control, Record};
use crate::snapshot::{InstanceSnapshot, Snapshot};

/// The layout of the data folder that this version writes and reads.
const LAYOUT: i64 = 1;

const SCHEMA: &str = "
    CREATE TABLE record (
        position INTEGER PRIMARY KEY,
        control INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        sum BLOB NOT NULL
    ) STRICT;
    CREATE INDEX control_record ON record (position) WHERE control = 1;
    CREATE TABLE snapshot (
        position INTEGER PRIMARY KEY,
        bytes BLOB NOT NULL,
        sum BLOB NOT NULL
    ) STRICT;
    CREATE TABLE snapshot_instance (
        snapshot INTEGER NOT NULL,
        number INTEGER NOT NULL,
        bytes BLOB NOT NULL,
        sum BLOB NOT NULL,
        PRIMARY KEY (snapshot, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE blob (digest BLOB PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
";

/// Tables that came later. A version that does not know them leaves them alone and loses nothing
/// that it needs, so they are no other layout.
const LATER: &str = "
    CREATE TABLE IF NOT EXISTS client (
        number INTEGER PRIMARY KEY,
        bytes BLOB NOT NULL,
        sum BLOB NOT NULL
    ) STRICT;
";

/// A journal in one SQLite file.
#[derive(Debug)]
pub struct SqliteJournal {
    database: Connection,
    last: u64,
    /// Held for as long as the journal is open.
    _lock: File,
}

impl SqliteJournal {
    /// Opens the journal of a data folder; both are made when they are not there.
    ///
    /// # Errors
    ///
    /// When another process has the folder, when it was written by another version, and when
    /// file or database refuse.
    pub fn open(folder: &Path) -> Result<SqliteJournal, StoreError> {
        std::fs::create_dir_all(folder).map_err(file("make the folder", folder))?;
        let lock = lock(folder)?;
        let path = folder.join("journal.sqlite");
        let mut database = Connection::open(&path).map_err(failed("open"))?;
        let pragma = |name: &str, value: &str| {
            database.pragma_update(None, name, value).map_err(failed("take its settings"))
        };
        pragma("locking_mode", "EXCLUSIVE")?;
        pragma("journal_mode", "WAL")?;
        pragma("synchronous", "FULL")?;
        pragma("trusted_schema", "OFF")?;
        let layout: i64 = database
            .query_row("PRAGMA user_version", [], |row| row.get(0))
            .map_err(failed("tell its layout"))?;
        match layout {
            0 => {
                let transaction = database.transaction().map_err(failed("begin"))?;
                transaction.execute_batch(SCHEMA).map_err(failed("make its tables"))?;
                transaction.pragma_update(None, "user_version", LAYOUT).map_err(failed("note its layout"))?;
                transaction.commit().map_err(failed("commit its tables"))?;
                // The new file's name must survive a power cut as well as what is in it.
                File::open(folder).and_then(|folder| folder.sync_all()).map_err(file("sync", folder))?;
            }
            LAYOUT => {}
            found => return Err(StoreError::Layout { found, known: LAYOUT }),
        }
        database.execute_batch(LATER).map_err(failed("make its tables"))?;
        // A snapshot lets go of the input records that it covers, maybe of the last one of all.
        let last: i64 = database
            .query_row(
                "SELECT max(coalesce((SELECT max(position) FROM record), 0),
                            coalesce((SELECT max(position) FROM snapshot), 0))",
                [],
                |row| row.get(0),
            )
            .map_err(failed("tell its last record"))?;
        Ok(SqliteJournal { database, last: last.cast_unsigned(), _lock: lock })
    }
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

impl Journal for SqliteJournal {
    fn append(&mut self, records: &[Record]) -> Result<u64, StoreError> {
        if records.is_empty() {
            return Ok(self.last);
        }
        let transaction = self.database.transaction().map_err(failed("begin"))?;
        let mut position = self.last;
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO record (position, control, bytes, sum) VALUES (?, ?, ?, ?)")
                .map_err(failed("prepare an append"))?;
            for record in records {
                position += 1;
                let bytes = encode(record);
                let sum = checksum(RECORD, (position, 0), &bytes);
                let control = matches!(record, Record::Control(_));
                insert
                    .execute(params![position.cast_signed(), control, bytes, sum])
                    .map_err(failed("append a record"))?;
            }
        }
        transaction.commit().map_err(failed("commit a group"))?;
        self.last = position;
        Ok(position)
    }

    fn last(&self) -> Result<u64, StoreError> {
        Ok(self.last)
    }

    fn read(
        &self,
        after: u64,
        visit: &mut dyn FnMut(u64, Record) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
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
            visit(position, decode_as(RECORD, position, &bytes)?)?;
        }
        Ok(())
    }

    fn controls(&self) -> Result<Vec<(u64, Control)>, StoreError> {
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
            match decode_as(RECORD, position, &bytes)? {
                Record::Control(control) => controls.push((position, control)),
                Record::Input(_) => {
                    let what = format!("{RECORD} {position}");
                    let reason = "it is listed as a control record and is none".to_owned();
                    return Err(StoreError::Damaged { what, reason });
                }
            }
        }
        Ok(controls)
    }

    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let position = snapshot.position;
        let head =
            encode(&(snapshot.switch, snapshot.config, snapshot.now_ms, snapshot.instances.len() as u64));
        let transaction = self.database.transaction().map_err(failed("begin"))?;
        {
            let clear = |sql: &str| transaction.execute(sql, []).map_err(failed("clear an old snapshot"));
            clear("DELETE FROM snapshot")?;
            clear("DELETE FROM snapshot_instance")?;
            transaction
                .execute(
                    "INSERT INTO snapshot (position, bytes, sum) VALUES (?, ?, ?)",
                    params![position.cast_signed(), head, checksum(SNAPSHOT, (position, 0), &head)],
                )
                .map_err(failed("save a snapshot"))?;
            let mut insert = transaction
                .prepare_cached(
                    "INSERT INTO snapshot_instance (snapshot, number, bytes, sum) VALUES (?, ?, ?, ?)",
                )
                .map_err(failed("prepare a snapshot"))?;
            for (number, instance) in (1u64..).zip(&snapshot.instances) {
                let bytes = encode(instance);
                let sum = checksum(INSTANCE, (position, number), &bytes);
                insert
                    .execute(params![position.cast_signed(), number.cast_signed(), bytes, sum])
                    .map_err(failed("save an instance"))?;
            }
            transaction
                .execute("DELETE FROM record WHERE position <= ? AND control = 0", [position.cast_signed()])
                .map_err(failed("let go of old records"))?;
        }
        transaction.commit().map_err(failed("commit a snapshot"))
    }

    fn snapshot(&self) -> Result<Option<Snapshot>, StoreError> {
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
        Ok(Some(Snapshot { position, switch, config, now_ms, instances }))
    }

    fn save_clients(&mut self, clients: &[ClientSeen]) -> Result<(), StoreError> {
        let transaction = self.database.transaction().map_err(failed("begin"))?;
        transaction.execute("DELETE FROM client", []).map_err(failed("clear old counts of clients"))?;
        for (number, client) in (1u64..).zip(clients) {
            let bytes = encode(client);
            let sum = checksum(CLIENT, (number, 0), &bytes);
            transaction
                .execute(
                    "INSERT INTO client (number, bytes, sum) VALUES (?, ?, ?)",
                    params![number.cast_signed(), bytes, sum],
                )
                .map_err(failed("save a count of clients"))?;
        }
        transaction.commit().map_err(failed("commit counts of clients"))
    }

    fn clients(&self) -> Result<Vec<ClientSeen>, StoreError> {
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

    fn put_blob(&mut self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        self.database
            .execute(
                "INSERT INTO blob (digest, bytes) VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET bytes = excluded.bytes",
                params![digest.as_bytes(), bytes],
            )
            .map_err(failed("keep a blob"))?;
        Ok(digest)
    }

    fn blob(&self, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let bytes: Option<Vec<u8>> = self
            .database
            .query_row("SELECT bytes FROM blob WHERE digest = ?", [digest.as_bytes()], |row| row.get(0))
            .optional()
            .map_err(failed("read a blob"))?;
        match bytes {
            Some(bytes) if Digest::of(&bytes) != digest => Err(StoreError::Damaged {
                what: format!("the blob {digest}"),
                reason: "its content has another digest".to_owned(),
            }),
            bytes => Ok(bytes),
        }
    }
}
