//! Damage, torn tails, segments that are used again, and the reserve, each by itself.

use std::ops::Range;

use super::*;
use crate::disk::{FaultyDisk, SECTOR};

const OPTIONS: LogOptions =
    LogOptions { segment_bytes: 4_096, reserve_bytes: 1_024, spares: 2, identity: Some(7) };

fn open_on(disk: &FaultyDisk) -> Result<(Log, Opened), StoreError> {
    Log::open(Arc::new(disk.clone()), OPTIONS)
}

fn opened(disk: &FaultyDisk) -> Log {
    open_on(disk).expect("it opens").0
}

/// A chunk with one entry.
fn one(length: usize) -> [Chunk; 1] {
    let mut chunk = Chunk::new(1, 0);
    chunk.push(&vec![u8::try_from(length % 251).expect("below 251"); length]);
    [chunk]
}

fn append(log: &mut Log, length: usize) {
    log.append(&one(length), Class::Input).expect("it is appended");
}

/// The lengths of all entries that are kept.
fn lengths(log: &Log) -> Vec<usize> {
    let mut lengths = Vec::new();
    log.read(log.first(), &mut |entry| {
        lengths.push(entry.bytes.len());
        Ok(())
    })
    .expect("it is read");
    lengths
}

fn refused(disk: &FaultyDisk) -> String {
    open_on(disk).expect_err("it is refused").to_string()
}

/// Three frames in the first segment, at 0, 512 and 1,536, and one in the second.
fn small() -> FaultyDisk {
    let disk = FaultyDisk::new(1);
    let mut log = opened(&disk);
    for length in [10, 700, 20, 3_000] {
        append(&mut log, length);
    }
    assert_eq!(log.segments.iter().map(|segment| segment.end).collect::<Vec<_>>(), [2_048, 3_072]);
    disk
}

/// What the rule says of a byte of a small log.
#[derive(Debug, PartialEq)]
enum Ruled {
    /// Between frames: it is cleared, or was never looked at.
    Unchanged,
    /// In the last frame: it was torn.
    Torn,
    /// In any other: later ones are there.
    Damaged,
    /// In the version of a frame.
    Version,
}

/// Every byte of a small log has a bit turned over, one at a time; with `CAMSHAFT_LONG` every bit.
#[test]
fn every_byte_of_a_log_that_is_turned_over_is_repaired_or_refused_as_the_rule_says() {
    const FIRST: [Range<u64>; 3] = [0..48 + 18 + 11, 512..512 + 48 + 18 + 702, 1_536..1_536 + 48 + 18 + 21];
    const LAST: Range<u64> = 0..48 + 18 + 3_002;
    let step = if std::env::var_os("CAMSHAFT_LONG").is_some() { 1 } else { 7 };
    let disk = small();
    let all = [10, 700, 20, 3_000];
    for (segment, size) in [(1, 4_096), (2, 4_096)] {
        for bit in (0..size * 8).step_by(step) {
            let (byte, disk) = (bit / 8, disk.copy(bit));
            disk.flip_bit(&segment_name(segment), byte, u8::try_from(bit % 8).expect("below 8"));
            let header =
                if segment == 1 { FIRST.iter().find(|frame| frame.contains(&byte)) } else { Some(&LAST) };
            let header = header.filter(|frame| frame.contains(&byte)).map(|frame| byte - frame.start);
            let ruled = match header {
                None => Ruled::Unchanged,
                Some(4..6) => Ruled::Version,
                Some(_) if segment == 2 => Ruled::Torn,
                Some(_) => Ruled::Damaged,
            };
            let found = match open_on(&disk) {
                Err(StoreError::Layout { .. }) => Ruled::Version,
                Err(StoreError::Damaged { .. }) => Ruled::Damaged,
                Err(error) => panic!("{error}"),
                Ok((log, _)) if lengths(&log) == all => Ruled::Unchanged,
                Ok((log, _)) if lengths(&log) == all[..3] => Ruled::Torn,
                Ok((log, _)) => panic!("{:?}", lengths(&log)),
            };
            assert_eq!(found, ruled, "bit {bit} of segment {segment}");
            let synced = disk.copy(bit);
            synced.power_on();
            if ruled == Ruled::Torn || ruled == Ruled::Unchanged {
                let (_, again) = open_on(&synced).expect("it was repaired");
                assert_eq!((again.torn, again.cleared), (None, 0), "what was repaired is durable");
            }
        }
    }
}

#[test]
fn a_damaged_frame_is_named_with_what_is_behind_it() {
    let disk = small();
    disk.flip_bit("log-0000000001", 600, 0);
    assert_eq!(
        refused(&disk),
        "log-0000000001 is damaged: at byte 512, where the frame with entry 2 should be, there is a frame with a wrong \
         checksum, and yet entries from 3 on stand behind it, at byte 1536 of log-0000000001; nothing was changed: put a \
         backup of the data folder in its place, or both files back as they were"
    );
}

#[test]
fn a_missing_frame_is_named_with_what_is_behind_it() {
    let disk = small();
    disk.zero_sector("log-0000000001", 3);
    assert_eq!(
        refused(&disk),
        "log-0000000001 is damaged: at byte 1536, where the frame with entry 3 should be, there is nothing that begins as a \
         frame does, and yet entries from 4 on stand behind it, at byte 0 of log-0000000002; nothing was changed: put a \
         backup of the data folder in its place, or both files back as they were"
    );
}

#[test]
fn a_missing_segment_is_named() {
    let disk = FaultyDisk::new(1);
    let mut log = opened(&disk);
    (0..3).for_each(|_| append(&mut log, 3_500));
    disk.remove("log-0000000002").expect("it is there");
    assert_eq!(
        refused(&disk),
        "the log is damaged: log-0000000002 is missing between log-0000000001 and log-0000000003; put it back, or a backup \
         of the data folder"
    );
}

#[test]
fn a_log_of_another_version_is_left_alone() {
    let disk = small();
    disk.flip_bit("log-0000000001", 512 + 4, 1);
    assert_eq!(refused(&disk), "the data folder has layout 3; this version of camshaft knows layout 1");
}

#[test]
fn a_log_whose_only_frame_is_damaged_is_refused_when_others_were_let_go() {
    let disk = FaultyDisk::new(1);
    let mut log = opened(&disk);
    append(&mut log, 3_500);
    append(&mut log, 3_500);
    assert_eq!(log.let_go(2), 1);
    log.chore().expect("there is one to let go").run();
    disk.zero_sector("log-0000000002", 0);
    disk.remove("log-0000000003").expect("it was made ahead");
    assert_eq!(
        refused(&disk),
        "log-0000000002 is damaged: it has no whole frame, nor has any later one, so that nobody knows the position of the \
         next entry; put a backup of the data folder in its place"
    );
}

#[test]
fn a_torn_tail_is_told_cut_off_and_written_over() {
    let disk = FaultyDisk::new(1);
    let mut log = opened(&disk);
    append(&mut log, 10);
    append(&mut log, 1_000);
    disk.zero_sector("log-0000000001", 2);
    let (mut log, opened) = open_on(&disk).expect("it is repaired");
    let reason = "a frame with a wrong checksum".to_owned();
    let torn = Torn { file: "log-0000000001".to_owned(), offset: 512, reason };
    assert_eq!((opened.last, opened.torn), (1, Some(torn)));
    assert!(opened.cleared > 500, "the rest of it is gone: {}", opened.cleared);
    append(&mut log, 20);
    assert_eq!(lengths(&open_on(&disk).expect("it opens").0), [10, 20]);
}

/// An entry may have in it what looks like a frame, whole and of the right segment and position. Only the number of the log
/// is not known to those who send entries.
#[test]
fn what_an_entry_has_in_it_is_no_frame() {
    let disk = FaultyDisk::new(1);
    let mut log = opened(&disk);
    append(&mut log, 10);
    let mut forged = Vec::new();
    frame::write(&mut forged, (8, 1), 9, 9, &one(5));
    let mut entry = vec![0; SECTOR - frame::HEADER - frame::CHUNK_HEADER - 2];
    entry.extend(forged);
    let mut chunk = Chunk::new(1, 0);
    chunk.push(&entry);
    log.append(&[chunk], Class::Input).expect("it is appended");
    let whole = disk.copy(1);
    // The frame around it is torn.
    disk.flip_bit("log-0000000001", 600, 0);
    assert_eq!(open_on(&disk).expect("it is repaired").1.last, 1);
    // It would have been damage if it had known the number.
    let known = LogOptions { identity: Some(8), ..OPTIONS };
    let other = FaultyDisk::new(1);
    let (mut log, _) = Log::open(Arc::new(other.clone()), known).expect("it opens");
    append(&mut log, 10);
    let mut chunk = Chunk::new(1, 0);
    chunk.push(&entry);
    log.append(&[chunk], Class::Input).expect("it is appended");
    other.flip_bit("log-0000000001", 600, 0);
    assert!(refused(&other).contains("entries from 9 on stand behind it, at byte 1024"));
    assert_eq!(open_on(&whole).expect("it is whole").1.last, 2);
}

#[test]
fn logs_have_numbers_of_their_own() {
    let drawn = || {
        let options = LogOptions { identity: None, ..OPTIONS };
        Log::open(Arc::new(FaultyDisk::new(1)), options).expect("it opens").0.identity
    };
    assert_ne!(drawn(), drawn());
    let disk = small();
    let other = LogOptions { identity: Some(9), ..OPTIONS };
    assert_eq!(Log::open(Arc::new(disk), other).expect("it opens").0.identity, 7, "it stays what it was");
}

#[test]
fn a_segment_that_is_used_again_has_nothing_of_before_in_it() {
    let disk = FaultyDisk::new(1);
    let mut log = opened(&disk);
    for _ in 0..3 {
        (0..8).for_each(|_| append(&mut log, 100));
    }
    assert_eq!(log.let_go(17), 2);
    log.chore().expect("two are to be let go").run();
    assert!(log.chore().is_none(), "nothing is left to do");
    let spares = ["spare-0000000001", "spare-0000000002"];
    assert_eq!(disk.list().expect("it lists"), [["log-0000000003", "log-0000000004"], spares].concat());
    (0..9).for_each(|_| append(&mut log, 100));
    // The fifth was the second, and has whole frames of it behind its own one.
    assert_eq!(disk.list().expect("it lists")[2..], ["log-0000000005", "spare-0000000001"]);
    let (log, found) = open_on(&disk).expect("it opens");
    assert_eq!((found.first, found.last, found.torn), (17, 33, None));
    assert_eq!(found.segments, 3);
    assert!(found.cleared > 0, "what was there before is gone");
    assert_eq!(lengths(&log), [100; 17]);
}

#[test]
fn letting_go_keeps_what_is_needed() {
    let disk = FaultyDisk::new(1);
    let mut log = opened(&disk);
    (0..24).for_each(|_| append(&mut log, 100));
    assert_eq!((log.let_go(8), log.let_go(9), log.first()), (0, 1, 9), "a segment goes when all of it may");
    assert_eq!((log.let_go(1_000), log.first(), log.last()), (1, 17, 24), "the last one never goes");
    let gone = log.read(16, &mut |_| Ok(())).expect_err("it was let go");
    assert_eq!(gone.to_string(), "the log is damaged: entry 16 is asked for, and the first one kept is 17");
    let mut seen = 0;
    log.read(20, &mut |entry| {
        seen += 1;
        if entry.position == 22 { Err(StoreError::Refused("enough".to_owned())) } else { Ok(()) }
    })
    .expect_err("the visitor ends it");
    assert_eq!(seen, 3);
}

/// The segment before one whose first frame failed tells where the log goes on.
#[test]
fn letting_go_after_a_failure_keeps_the_last_entry() {
    let disk = FaultyDisk::new(1);
    let mut log = opened(&disk);
    append(&mut log, 3_000);
    log.chore().expect("the next is to be made").run();
    disk.fail_sync_from(1);
    log.append(&one(3_000), Class::Input).expect_err("the sync fails");
    assert_eq!((log.let_go(100), log.first()), (0, 1));
}

#[test]
fn damage_that_comes_later_is_noticed_when_it_is_read() {
    let disk = FaultyDisk::new(1);
    let mut log = opened(&disk);
    (0..3).for_each(|_| append(&mut log, 100));
    disk.flip_bit("log-0000000001", 600, 0);
    let found = log.read(1, &mut |_| Ok(())).expect_err("it is damaged");
    assert_eq!(
        found.to_string(),
        "log-0000000001 is damaged: at byte 512: there is a frame with a wrong checksum; it was whole when the log was opened"
    );
}

#[test]
fn a_full_disk_keeps_room_for_control_records_and_recovers() {
    let disk = FaultyDisk::new(1);
    let mut log = opened(&disk);
    disk.set_quota(Some(disk.used()));
    assert!(log.has_room());
    (0..6).for_each(|_| append(&mut log, 100));
    assert!(log.chore().is_some_and(|chore| {
        chore.run();
        true
    }));
    assert!(log.chore().is_none(), "it is not tried again and again");
    assert!(matches!(log.append(&one(100), Class::Input), Err(AppendError::Full)));
    assert!(!log.has_room());
    assert!(!log.make_room().expect("being full is no failure"));
    log.append(&one(100), Class::Admitted).expect("what was taken in before has half of the reserve");
    assert!(matches!(log.append(&one(100), Class::Admitted), Err(AppendError::Full)), "and no more");
    log.append(&one(100), Class::Control).expect("control records have the rest");
    assert!(matches!(log.append(&one(100), Class::Control), Err(AppendError::Full)), "it is used up");
    assert_eq!(disk.list().expect("it lists"), ["log-0000000001"], "nothing half made takes space");
    let again = opened(&disk.copy(1));
    assert_eq!((again.last(), again.has_room()), (8, false));
    disk.set_quota(None);
    assert!(log.make_room().expect("there is space"));
    append(&mut log, 100);
    assert_eq!(lengths(&open_on(&disk).expect("it opens").0).len(), 9);
}

#[test]
fn letting_go_makes_room_on_a_full_disk() {
    let disk = FaultyDisk::new(1);
    let mut log = opened(&disk);
    (0..8).for_each(|_| append(&mut log, 100));
    disk.set_quota(Some(disk.used()));
    while log.has_room() {
        let _ = log.append(&one(100), Class::Input);
    }
    assert_eq!(log.let_go(log.last()), 1);
    log.chore().expect("one is to be let go").run();
    append(&mut log, 100);
    assert!(log.has_room());
}

#[test]
fn one_that_is_too_large_for_the_disk_is_refused_and_others_are_not() {
    let disk = FaultyDisk::new(1);
    let mut log = opened(&disk);
    log.chore().expect("the next is to be made").run();
    disk.set_quota(Some(disk.used()));
    assert!(matches!(log.append(&one(9_000), Class::Input), Err(AppendError::Full)));
    assert!(!log.has_room());
    assert!(log.make_room().expect("there is room for others"));
    append(&mut log, 100);
    disk.set_quota(None);
    append(&mut log, 9_000);
    assert_eq!(lengths(&opened(&disk)), [100, 9_000]);
}

#[test]
fn an_append_does_what_a_chore_would_have_done() {
    let disk = FaultyDisk::new(1);
    let mut log = opened(&disk);
    let chore = log.chore().expect("the next is to be made");
    append(&mut log, 3_000);
    append(&mut log, 3_000);
    chore.run();
    assert_eq!(log.current().number, 2);
    drop(log.chore().expect("the one after that"));
    assert!(log.chore().is_some(), "one that was dropped is offered again");
}

#[test]
fn a_chore_that_fails_stops_the_log_with_its_reason() {
    let disk = FaultyDisk::new(1);
    let mut log = opened(&disk);
    disk.fail_sync_from(1);
    log.chore().expect("the next is to be made").run();
    assert!(log.chore().is_none());
    let refused = log.append(&one(1), Class::Control).expect_err("it stopped");
    let AppendError::Failed(StoreError::File { what, path, source }) = refused else { panic!("{refused:?}") };
    let source = source.to_string();
    assert_eq!(
        (what, path.as_str(), source.as_str()),
        ("prepare", "log-0000000002", "the disk could not write what was to be synced")
    );
    let refused = log.append(&one(1), Class::Control).expect_err("it stopped");
    assert!(matches!(refused, AppendError::Failed(StoreError::Stopped { .. })));
}

#[test]
#[should_panic(expected = "a chunk has other entries than it says")]
fn a_chunk_that_lies_is_a_bug() {
    let mut log = opened(&FaultyDisk::new(1));
    let mut chunk = one(5);
    chunk[0].count = 2;
    let _ = log.append(&chunk, Class::Input);
}

#[test]
fn nothing_is_written_for_nothing() {
    let disk = FaultyDisk::new(1);
    let mut log = opened(&disk);
    let before = disk.operations();
    assert_eq!(log.append(&[Chunk::new(1, 0)], Class::Input).expect("there is nothing to do"), 0);
    append(&mut log, 1);
    assert_eq!(disk.operations() - before, 2, "one write, one sync");
}
