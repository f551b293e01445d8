//! What a node remembers of those who vouched: `trust/vouched.json` in its data folder.
//!
//! Written whole, beside the old file and then over it, so that a crash leaves one or the other.
//! The digest at its end is for bit rot and for hands: who can write to the data folder can also
//! replace the program.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use camshaft_cam::digest::Digest;
use camshaft_manifests::signature::Statement;
use camshaft_manifests::{ReleaseName, Version};
use serde::{Deserialize, Serialize};

use crate::api::Voucher;

/// The format that this version writes and reads.
const FORMAT: u64 = 1;

/// The folder within the data folder.
pub const FOLDER: &str = "trust";

const FILE: &str = "vouched.json";

/// Why the notes cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The disk.
    #[error("cannot {operation} {path}")]
    Disk {
        /// What was tried.
        operation: &'static str,
        /// With what.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The root that was pinned is none.
    #[error("what --trust names is no root of trust: {0}")]
    Root(String),
    /// The kept metadata is not to be trusted.
    #[error(
        "{path} cannot be trusted from the pinned root: {reason}; if the root is the right one, move the file \
         away: the node then gets the metadata anew, and cannot know whether it saw newer before"
    )]
    Metadata {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Not as it was written.
    #[error(
        "{path} is damaged: {reason}; move it away, and the node starts without it: every bundle, also one \
         that ran here, then needs signatures again"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// That a bundle was vouched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The bundle.
    pub bundle: Statement,
    /// By whom.
    pub by: Vec<Voucher>,
    /// When.
    pub at_ms: i64,
}

/// All notes, as they stand on the disk.
pub struct Book {
    folder: PathBuf,
    notes: Vec<Note>,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    format: u64,
    vouched: Vec<WireNote>,
    /// Of `vouched` in its JSON form without blanks.
    digest: Digest,
}

#[derive(Serialize, Deserialize)]
struct WireNote {
    name: ReleaseName,
    version: Version,
    digest: Digest,
    by: Vec<Voucher>,
    at_ms: i64,
}

impl Book {
    /// Opens the notes of a data folder; there are none before the first is made.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn open(data: &Path) -> Result<Book, BookError> {
        let folder = data.join(FOLDER);
        let path = folder.join(FILE);
        let notes = match fs::read(&path) {
            Ok(bytes) => read(&bytes).map_err(|reason| BookError::Damaged { path, reason })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => vec![],
            Err(source) => return Err(BookError::Disk { operation: "read", path, source }),
        };
        Ok(Book { folder, notes })
    }

    /// Returns who vouched for a bundle.
    pub fn vouchers(&self, digest: Digest) -> Option<&[Voucher]> {
        self.notes.iter().find(|note| note.bundle.digest == digest).map(|note| &*note.by)
    }

    /// Adds a note, durably. One about the same bundle is replaced.
    ///
    /// # Errors
    ///
    /// When it cannot be written; then nothing is changed.
    pub fn add(&mut self, note: Note) -> Result<(), BookError> {
        let mut notes = self.notes.clone();
        notes.retain(|old| old.bundle.digest != note.bundle.digest);
        notes.push(note);
        replace(&self.folder, FILE, write(&notes).as_bytes())?;
        self.notes = notes;
        Ok(())
    }
}

/// Writes a file so that after a crash it is the old one or the new one.
pub fn replace(folder: &Path, file: &str, bytes: &[u8]) -> Result<(), BookError> {
    let disk = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| BookError::Disk { operation, path, source }
    };
    fs::create_dir_all(folder).map_err(disk("make the folder", folder))?;
    let (new, path) = (folder.join(format!("{file}.new")), folder.join(file));
    let written =
        File::create(&new).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(disk("write", &new))?;
    fs::rename(&new, &path).map_err(disk("replace", &path))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(disk("sync", folder))
}

fn read(bytes: &[u8]) -> Result<Vec<Note>, String> {
    let wire: Wire = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if wire.format != FORMAT {
        return Err(format!("it has format {}; this version of camshaft knows format {FORMAT}", wire.format));
    }
    if digest_of(&wire.vouched) != wire.digest {
        return Err("its content is not what its digest says".to_owned());
    }
    let note = |wire: WireNote| Note {
        bundle: Statement { name: wire.name, version: wire.version, digest: wire.digest },
        by: wire.by,
        at_ms: wire.at_ms,
    };
    Ok(wire.vouched.into_iter().map(note).collect())
}

fn write(notes: &[Note]) -> String {
    let wire = |note: &Note| WireNote {
        name: note.bundle.name.clone(),
        version: note.bundle.version.clone(),
        digest: note.bundle.digest,
        by: note.by.clone(),
        at_ms: note.at_ms,
    };
    let vouched: Vec<WireNote> = notes.iter().map(wire).collect();
    let digest = digest_of(&vouched);
    let wire = Wire { format: FORMAT, vouched, digest };
    serde_json::to_string_pretty(&wire).expect("texts and numbers always have a JSON form") + "\n"
}

fn digest_of(notes: &[WireNote]) -> Digest {
    Digest::of(&serde_json::to_vec(notes).expect("texts and numbers always have a JSON form"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(version: &str) -> Note {
        let bundle = Statement {
            name: "shop".parse().expect("a name"),
            version: version.parse().expect("a version"),
            digest: Digest::of(version.as_bytes()),
        };
        let keyid = "ab".repeat(32).parse().expect("a key id");
        Note { bundle, by: vec![Voucher { signer: "ada".to_owned(), keyid }], at_ms: 7 }
    }

    #[test]
    fn notes_are_there_after_a_restart() {
        let data = tempfile::tempdir().expect("a folder");
        let mut book = Book::open(data.path()).expect("an empty book");
        for version in ["1.0.0", "1.1.0", "1.0.0"] {
            book.add(note(version)).expect("writable");
        }
        let again = Book::open(data.path()).expect("a book");
        assert_eq!(again.notes, [note("1.1.0"), note("1.0.0")]);
        assert_eq!(again.vouchers(note("1.1.0").bundle.digest), Some(&*note("1.1.0").by));
        assert_eq!(again.vouchers(Digest::of(b"other")), None);
    }

    #[test]
    fn damage_is_never_taken_for_an_empty_book() {
        let data = tempfile::tempdir().expect("a folder");
        Book::open(data.path()).expect("a book").add(note("1.0.0")).expect("writable");
        let path = data.path().join(FOLDER).join(FILE);
        let good = fs::read_to_string(&path).expect("a file");
        let refused = |text: &str, reason: &str| {
            fs::write(&path, text).expect("writable");
            let error = Book::open(data.path()).err().expect(reason).to_string();
            let head = format!("{} is damaged: {reason}", path.display());
            assert!(error.starts_with(&head) && error.contains("; move it away"), "{error}");
        };
        refused("", "EOF while parsing");
        refused(&good[..good.len() / 2], "EOF while parsing");
        refused(&good.replace("1.0.0", "2.0.0"), "its content is not what its digest says");
        refused(&good.replace("\"format\": 1", "\"format\": 2"), "it has format 2; this version");
        fs::remove_file(&path).expect("moved away");
        assert!(Book::open(data.path()).expect("without it").notes.is_empty());
    }

    #[test]
    fn a_crash_while_writing_leaves_the_old_notes() {
        let data = tempfile::tempdir().expect("a folder");
        let mut book = Book::open(data.path()).expect("a book");
        book.add(note("1.0.0")).expect("writable");
        fs::write(data.path().join(FOLDER).join("vouched.json.new"), "{\"half").expect("writable");
        assert_eq!(Book::open(data.path()).expect("a book").notes, [note("1.0.0")]);
        book.add(note("1.1.0")).expect("the rest of a crash is in nobody's way");
    }
}
