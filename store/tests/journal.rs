//! What every journal promises, held against each of them.

use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_store::{
    AppendError, Chunk, Class, FaultyDisk, FolderJournal, Journal, LogOptions, MemoryJournal,
};
use tempfile::TempDir;

fn chunk(lane: u16, cut: u64, entries: &[&[u8]]) -> Chunk {
    let mut chunk = Chunk::new(lane, cut);
    for entry in entries {
        chunk.push(entry);
    }
    chunk
}

/// Returns all entries from a position on: position, lane, cut and bytes.
fn read(journal: &dyn Journal, from: u64) -> Vec<(u64, u16, u64, Vec<u8>)> {
    let mut entries = vec![];
    let read = journal.read(from, &mut |entry| {
        entries.push((entry.position, entry.lane, entry.cut, entry.bytes.to_vec()));
        Ok(())
    });
    read.expect("the journal reads");
    entries
}

fn keeps_its_promises(mut journal: impl Journal) {
    assert_eq!(journal.last(), 0);
    let two = [chunk(0, 1, &[b"a", b"bb"]), chunk(7, 2, &[b"ccc"])];
    assert_eq!(journal.append(&two, Class::Input).expect("append"), 3);
    assert_eq!(journal.append(&[chunk(0, 3, &[&[9; 300]])], Class::Control).expect("append"), 4);
    let all = vec![
        (1, 0, 1, b"a".to_vec()),
        (2, 0, 1, b"bb".to_vec()),
        (3, 7, 2, b"ccc".to_vec()),
        (4, 0, 3, vec![9; 300]),
    ];
    assert_eq!(read(&journal, 1), all);
    assert_eq!(read(&journal, 3), all[2..]);
    assert!(journal.has_room());

    let mut shown = vec![];
    assert_eq!(journal.snapshot(&mut |_, _| Ok(())).expect("none"), None);
    let mut writer = journal.begin_snapshot(1, 3).expect("a snapshot");
    writer.put(0, b"x").expect("put");
    drop(writer);
    assert_eq!(
        journal.snapshot(&mut |_, _| Ok(())).expect("none"),
        None,
        "one that is not finished is not there"
    );
    let mut writer = journal.begin_snapshot(2, 3).expect("a snapshot");
    writer.put(0, b"x").expect("put");
    writer.put(7, b"yy").expect("put");
    writer.finish().expect("finish");
    let found = journal.snapshot(&mut |lane, bytes| {
        shown.push((lane, bytes.to_vec()));
        Ok(())
    });
    assert_eq!(found.expect("it reads").map(|found| (found.number, found.damaged)), Some((2, None)));
    assert_eq!(shown, [(0, b"x".to_vec()), (7, b"yy".to_vec())]);
    journal.let_go(3).expect("let go");
    assert_eq!(read(&journal, 3), all[2..], "what is needed stays");

    assert_eq!(journal.blob(Digest::of(b"blob")).expect("none"), None);
    assert_eq!(journal.put_blob(b"blob").expect("put"), Digest::of(b"blob"));
    assert_eq!(journal.put_blob(b"blob").expect("again"), Digest::of(b"blob"));
    assert_eq!(journal.blob(Digest::of(b"blob")).expect("it reads").as_deref(), Some(&b"blob"[..]));

    assert_eq!(journal.notes().expect("none"), b"");
    journal.note(b"longer than").expect("note");
    journal.note(b"this").expect("note");
    assert_eq!(journal.notes().expect("it reads"), b"this");
}

#[test]
fn the_one_in_memory_keeps_its_promises() {
    keeps_its_promises(MemoryJournal::default());
}

#[test]
fn the_one_in_a_folder_keeps_its_promises() {
    let folder = TempDir::new().expect("a folder");
    keeps_its_promises(FolderJournal::open(folder.path()).expect("it opens").0);
}

#[test]
fn the_one_in_a_folder_is_opened_again_as_it_was() {
    let folder = TempDir::new().expect("a folder");
    let (mut journal, ..) = FolderJournal::open(folder.path()).expect("it opens");
    journal.append(&[chunk(1, 1, &[b"a"])], Class::Input).expect("append");
    let taken = FolderJournal::open(folder.path()).expect_err("it is taken").to_string();
    assert_eq!(taken, format!("another agent runs on {}", folder.path().display()));
    drop(journal);
    let (journal, opened, _) = FolderJournal::open(folder.path()).expect("it opens");
    assert_eq!((opened.last, opened.torn), (1, None));
    assert_eq!(read(&journal, 1), [(1, 1, 1, b"a".to_vec())]);
}

#[test]
fn a_full_disk_takes_control_records_and_goes_on_when_there_is_room() {
    let disk = FaultyDisk::new(1);
    let options = LogOptions { segment_bytes: 64 << 10, reserve_bytes: 16 << 10, ..LogOptions::default() };
    let (mut journal, _) = FolderJournal::on(Arc::new(disk.clone()), options).expect("it opens");
    disk.set_quota(Some(disk.used()));
    let input = chunk(0, 1, &[&[1; 4000]]);
    let refused = loop {
        match journal.append(std::slice::from_ref(&input), Class::Input) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AppendError::Full), "{refused:?}");
    assert!(!journal.has_room());
    let before = journal.last();
    assert_eq!(journal.append(&[chunk(9, 9, &[b"back"])], Class::Control).expect("control"), before + 1);
    assert!(!journal.make_room().expect("the disk says so"));
    disk.set_quota(None);
    assert!(journal.make_room().expect("there is room"));
    assert_eq!(journal.append(&[input], Class::Input).expect("append"), before + 2);
}
