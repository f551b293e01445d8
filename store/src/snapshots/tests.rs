//! Snapshots that are whole, damaged, unfinished, and those that are kept.

use super::*;
use crate::disk::FaultyDisk;

fn open_on(disk: &FaultyDisk) -> Snapshots {
    Snapshots::open(Arc::new(disk.clone())).expect("it opens")
}

/// Records of all lanes and sizes; those of one snapshot are not those of another.
fn records(number: u64) -> Vec<(u16, Vec<u8>)> {
    let record = |index: u64| {
        let length = usize::try_from([0, 1, 90, 200, 3_000][usize::try_from(index % 5).expect("small")])
            .expect("small");
        (
            u16::try_from(index % 3).expect("small"),
            vec![u8::try_from((index + number) % 251).expect("a byte"); length],
        )
    };
    (0..12).map(record).collect()
}

fn save(snapshots: &Snapshots, number: u64, from: u64) -> Result<Saved, StoreError> {
    let mut writer = snapshots.begin(number, from)?;
    for (lane, record) in records(number) {
        writer.append(lane, &record)?;
    }
    writer.finish()
}

fn saved(disk: &FaultyDisk, number: u64, from: u64) -> Saved {
    save(&open_on(disk), number, from).expect("it is saved")
}

fn read(snapshot: &SnapshotFile) -> Vec<(u16, Vec<u8>)> {
    let mut found = Vec::new();
    snapshot
        .read(&mut |lane, record| {
            found.push((lane, record.to_vec()));
            Ok(())
        })
        .expect("it is whole");
    found
}

fn newest(disk: &FaultyDisk, first: u64, last: u64) -> Result<Option<Newest>, String> {
    open_on(disk).newest(first, last).map_err(|error| error.to_string())
}

#[test]
fn records_come_back_in_order_over_many_blocks() {
    let disk = FaultyDisk::new(1);
    let snapshots = open_on(&disk);
    let large: Vec<Vec<u8>> = (0..20_u8).map(|byte| vec![byte; 700_000]).collect();
    let mut writer = snapshots.begin(3, 17).expect("it begins");
    for record in &large {
        writer.append(5, record).expect("it is written");
    }
    assert!(disk.spent() == 0 && writer.size() > 13_000_000);
    let saved = writer.finish().expect("it is saved");
    assert_eq!((saved.number, saved.records, saved.kept_from), (3, 20, 17));
    let found = newest(&disk, 1, 16).expect("it is whole").expect("it is there");
    assert!(found.damaged.is_none());
    let snapshot = found.snapshot;
    assert_eq!((snapshot.number(), snapshot.from(), snapshot.records()), (3, 17, 20));
    assert_eq!(snapshot.bytes(), saved.bytes);
    let found = read(&snapshot);
    assert!(found.iter().all(|(lane, _)| *lane == 5) && found.into_iter().map(|(_, bytes)| bytes).eq(large));
}

#[test]
fn a_snapshot_may_be_empty_and_a_visitor_may_end_the_reading() {
    let disk = FaultyDisk::new(1);
    assert!(newest(&disk, 1, 0).expect("nothing is wrong").is_none());
    open_on(&disk).begin(1, 1).expect("it begins").finish().expect("it is saved");
    assert_eq!(read(&newest(&disk, 1, 0).expect("it is whole").expect("it is there").snapshot), []);
    saved(&disk, 2, 1);
    let snapshot = newest(&disk, 1, 0).expect("it is whole").expect("it is there").snapshot;
    let ended = snapshot.read(&mut |_, _| Err(StoreError::Refused("enough".to_owned())));
    assert_eq!(ended.expect_err("the visitor ends it").to_string(), "enough");
}

#[test]
fn two_are_kept_and_the_log_from_where_the_older_needs_it() {
    let disk = FaultyDisk::new(1);
    assert_eq!(saved(&disk, 1, 10).kept_from, 10);
    assert_eq!(saved(&disk, 2, 20).kept_from, 10);
    assert_eq!(saved(&disk, 4, 40).kept_from, 20);
    assert_eq!(disk.list().expect("it lists"), ["snapshot-0000000002", "snapshot-0000000004"]);
}

/// Every bit of two small snapshots is turned over, one at a time: the older one is never looked at while the newer
/// one is whole; the newer one is put aside.
#[test]
fn every_bit_that_is_turned_over_is_noticed() {
    let disk = FaultyDisk::new(1);
    saved(&disk, 1, 10);
    let bytes = saved(&disk, 2, 20).bytes;
    for bit in (0..bytes * 8).step_by(if std::env::var_os("CAMSHAFT_LONG").is_some() { 1 } else { 7 }) {
        let disk = disk.copy(bit);
        disk.flip_bit(&name(2), bit / 8, u8::try_from(bit % 8).expect("below 8"));
        let found = newest(&disk, 10, 30).expect("the older one is whole").expect("it is there");
        assert_eq!(
            (found.snapshot.number(), found.damaged.map(|(number, _)| number)),
            (1, Some(2)),
            "bit {bit}"
        );
        assert_eq!(read(&found.snapshot), records(1));
        assert_eq!(disk.list().expect("it lists"), ["snapshot-0000000001", "snapshot-0000000002.damaged"]);
    }
    disk.flip_bit(&name(1), 100, 0);
    let found = newest(&disk, 10, 30).expect("the newer one is whole").expect("it is there");
    assert_eq!((found.snapshot.number(), found.damaged), (2, None));
}

#[test]
fn a_damaged_newest_is_refused_when_the_older_one_does_not_help() {
    let disk = FaultyDisk::new(1);
    saved(&disk, 2, 20);
    disk.flip_bit(&name(2), 60, 0);
    let mend = "put a backup of the data folder in its place";
    let wrong = "snapshot-0000000002 is damaged: at byte 40: a block with a wrong checksum";
    assert_eq!(
        newest(&disk, 1, 30).expect_err("it is damaged"),
        format!("{wrong}; there is no other; {mend}")
    );
    disk.flip_bit(&name(2), 60, 0);
    saved(&disk, 3, 30);
    disk.flip_bit(&name(3), 60, 0);
    let wrong = "snapshot-0000000003 is damaged: at byte 40: a block with a wrong checksum";
    let older =
        "nor can snapshot-0000000002 be used: the log begins at entry 25, and it needs those from 20 on";
    assert_eq!(newest(&disk, 25, 30).expect_err("it does not help"), format!("{wrong}; {older}; {mend}"));
    disk.flip_bit(&name(2), 60, 0);
    let older = "nor can snapshot-0000000002 be used: at byte 40: a block with a wrong checksum";
    assert_eq!(newest(&disk, 20, 30).expect_err("both are damaged"), format!("{wrong}; {older}; {mend}"));
    assert_eq!(disk.list().expect("it lists").len(), 2, "nothing was changed");
}

#[test]
fn a_snapshot_and_a_log_that_do_not_fit_are_refused() {
    let disk = FaultyDisk::new(1);
    let mend = "there is no other; put a backup of the data folder in its place";
    assert_eq!(
        newest(&disk, 5, 9).expect_err("what was before is gone"),
        "the row of state snapshots is damaged: the log begins at entry 5 and there is none that has what was before"
    );
    saved(&disk, 2, 20);
    assert_eq!(
        newest(&disk, 1, 18).expect_err("the log lost its end"),
        format!(
            "snapshot-0000000002 is damaged: the log ends at entry 18, and it was begun after entry 19; {mend}"
        )
    );
    assert!(newest(&disk, 1, 19).is_ok());
    assert!(newest(&disk, 20, 19).is_ok());
    assert_eq!(
        newest(&disk, 21, 20).expect_err("the log lost its beginning"),
        format!(
            "snapshot-0000000002 is damaged: the log begins at entry 21, and it needs those from 20 on; {mend}"
        )
    );
}

#[test]
fn a_cut_off_or_lengthened_file_is_noticed() {
    let disk = FaultyDisk::new(1);
    let bytes = saved(&disk, 1, 1).bytes;
    let whole = super::super::disk::read_all(&*disk.open(&name(1)).expect("it opens").expect("it is there"));
    let whole = whole.expect("it is read");
    for length in 0..whole.len() {
        let file = disk.create(&name(1)).expect("it is made");
        file.write_at(0, &whole[..length]).expect("it is written");
        let wrong = newest(&disk, 1, 9).expect_err("it is cut off");
        assert!(wrong.contains("the file ends in a block"), "{length}: {wrong}");
    }
    let file = disk.create(&name(1)).expect("it is made");
    file.write_at(0, &[&whole[..], &[0]].concat()).expect("it is written");
    let wrong = newest(&disk, 1, 9).expect_err("it is longer");
    assert!(wrong.contains("there are bytes behind the end"), "{wrong}");
    assert_eq!(bytes, whole.len() as u64);
}

#[test]
fn another_snapshot_under_its_name_and_another_version_are_noticed() {
    let disk = FaultyDisk::new(1);
    saved(&disk, 1, 1);
    disk.rename(&name(1), &name(7)).expect("it is there");
    let wrong = newest(&disk, 1, 9).expect_err("it is another");
    assert!(wrong.contains("at byte 0: block 0 of snapshot 1, and not block 0"), "{wrong}");
    disk.rename(&name(7), &name(1)).expect("it is there");
    disk.flip_bit(&name(1), 4, 1);
    let wrong = newest(&disk, 1, 9).expect_err("it is of another version");
    assert!(wrong.contains("at byte 0: a block of version 3; this version of camshaft knows 1"), "{wrong}");
}

#[test]
fn what_was_not_finished_leaves_nothing() {
    let disk = FaultyDisk::new(1);
    let snapshots = open_on(&disk);
    let mut writer = snapshots.begin(1, 1).expect("it begins");
    writer.append(0, b"record").expect("it is written");
    drop(writer);
    assert_eq!(disk.list().expect("it lists"), Vec::<String>::new());
    disk.set_quota(Some(100));
    assert!(save(&snapshots, 1, 1).expect_err("there is no space").is_full());
    assert_eq!(disk.used(), 0);
}

/// At every operation of saving three, the power goes or a sync fails: the newest that was acknowledged is there, or one
/// that is newer, whole.
#[test]
fn what_was_saved_is_there_whatever_happens() {
    for operation in 1..40 {
        for seed in 0..16 {
            let disk = FaultyDisk::new(operation << 8 | seed);
            let snapshots = open_on(&disk);
            if seed % 2 == 0 {
                disk.power_off_at(operation);
            } else {
                disk.fail_sync_from(operation);
            }
            let acknowledged =
                (1..4).take_while(|number| save(&snapshots, *number, number * 10).is_ok()).count();
            disk.fail_sync_from(u64::MAX);
            if seed % 4 == 3 {
                // A process that hears of a failed sync ends; the next one sees what the system shows.
                assert!(newest(&disk, 1, 99).is_ok());
            }
            disk.power_on();
            let what = format!("operation {operation}, seed {seed}, {acknowledged} acknowledged");
            let found = newest(&disk, 1, 99).unwrap_or_else(|error| panic!("{what}: {error}"));
            let number = found.map_or(0, |found| {
                assert!(found.damaged.is_none(), "{what}");
                assert_eq!(read(&found.snapshot), records(found.snapshot.number()), "{what}");
                found.snapshot.number()
            });
            assert!(number >= acknowledged as u64, "{what}: {number} found");
            assert!(disk.list().expect("it lists").iter().all(|name| !name.ends_with(UNFINISHED)));
        }
    }
}
