//! What the faults are, each by itself: over many seeds every outcome that is allowed is seen, and no
//! other.

use std::collections::BTreeSet;

use super::*;

const SEEDS: u64 = 64;

/// Runs on many disks, and returns what was seen.
fn over_seeds<T: Ord>(run: impl Fn(&FaultyDisk) -> T) -> BTreeSet<T> {
    (0..SEEDS).map(|seed| run(&FaultyDisk::new(seed))).collect()
}

fn synced(disk: &FaultyDisk, name: &str, bytes: &[u8]) -> Arc<dyn DiskFile> {
    let file = disk.create(name).expect("it is made");
    file.write_at(0, bytes).expect("it is written");
    file.sync().expect("it syncs");
    disk.sync_folder().expect("it syncs");
    file
}

/// The first byte of each sector.
fn sectors(disk: &FaultyDisk, name: &str) -> Vec<u8> {
    let file = disk.open(name).expect("it opens").expect("it is there");
    super::super::read_all(&*file).expect("it is read").chunks(SECTOR).map(|sector| sector[0]).collect()
}

#[test]
fn what_was_synced_is_there_and_what_was_not_may_be_by_sector_and_in_any_order() {
    let seen = over_seeds(|disk| {
        let file = synced(disk, "a", &[1; 3 * SECTOR]);
        file.write_at(SECTOR as u64, &[2; 2 * SECTOR]).expect("it is written");
        file.write_at(SECTOR as u64, &[3; SECTOR]).expect("it is written");
        disk.power_on();
        sectors(disk, "a")
    });
    let all = [1, 2, 3].iter().flat_map(|second| [1, 2].map(|third| vec![1, *second, third]));
    assert_eq!(seen, all.collect());
}

#[test]
fn a_file_that_grew_may_have_grown_or_not() {
    let seen = over_seeds(|disk| {
        let file = synced(disk, "a", &[1; SECTOR]);
        file.write_at(SECTOR as u64, &[2; 2 * SECTOR]).expect("it is written");
        disk.power_on();
        sectors(disk, "a")
    });
    let allowed: [&[u8]; 7] = [&[1], &[1, 0], &[1, 2], &[1, 0, 0], &[1, 0, 2], &[1, 2, 0], &[1, 2, 2]];
    assert_eq!(seen, allowed.map(<[u8]>::to_vec).into());
}

#[test]
fn names_since_the_last_sync_may_be_either_way_and_a_rename_is_whole() {
    let seen = over_seeds(|disk| {
        synced(disk, "old", b"1");
        synced(disk, "gone", b"2");
        disk.create("new").expect("it is made").sync().expect("it syncs");
        disk.rename("old", "renamed").expect("it is there");
        disk.remove("gone").expect("it is there");
        disk.power_on();
        disk.list().expect("it lists").join(" ")
    });
    let allowed = ["gone ", ""]
        .iter()
        .flat_map(|gone| ["new old", "new renamed", "old", "renamed"].map(|rest| format!("{gone}{rest}")));
    assert_eq!(seen, allowed.collect());
}

#[test]
fn the_operation_during_which_the_power_goes_is_half_done_and_the_next_are_not() {
    let disk = FaultyDisk::new(1);
    let file = synced(&disk, "a", &[1; SECTOR]);
    disk.power_off_at(disk.operations() + 2);
    file.write_at(0, &[2; SECTOR]).expect("it is before the cut");
    let error = file.sync().expect_err("the power goes");
    assert_eq!(error.to_string(), "the power is off");
    assert!(disk.is_off());
    let counted = disk.operations();
    assert!(disk.create("b").is_err() && disk.list().is_err() && disk.open("a").is_err());
    assert_eq!(disk.operations(), counted, "nothing is begun without power");
    disk.power_on();
    let error = file.sync().expect_err("the handle is dead");
    assert_eq!(error.to_string(), "the file was open before the power went");
    assert_eq!(disk.list().expect("the power is back"), ["a"]);
}

#[test]
fn what_a_sync_made_durable_is_there_though_nobody_was_told_of_it() {
    let seen = over_seeds(|disk| {
        let file = synced(disk, "a", &[1; SECTOR]);
        file.write_at(0, &[2; SECTOR]).expect("it is before the cut");
        disk.power_off_after(disk.operations() + 1);
        let error = file.sync().expect_err("the power goes");
        assert_eq!(error.to_string(), "the power is off");
        let syncs = disk.syncs();
        assert_eq!(syncs, [3, 4, 6], "a write before each, and the making of the file");
        disk.power_on();
        sectors(disk, "a")
    });
    assert_eq!(seen, [vec![2]].into());
}

/// What was shown before a power cut, and what is there after it: for a sync that failed, followed by one
/// that did not.
#[test]
fn a_sync_that_fails_forgets_and_the_next_does_not_know() {
    let seen = over_seeds(|disk| {
        let file = synced(disk, "a", &[1; SECTOR]);
        file.write_at(0, &[2; SECTOR]).expect("it is written");
        disk.fail_sync_from(1);
        let error = file.sync().expect_err("it is told to fail");
        assert_eq!(error.to_string(), "the disk could not write what was to be synced");
        file.sync().expect("one fails");
        let shown = sectors(disk, "a");
        disk.power_on();
        (shown, sectors(disk, "a"))
    });
    let allowed = [(1, 1), (2, 1), (2, 2)].map(|(shown, there)| (vec![shown], vec![there]));
    assert_eq!(seen, allowed.into(), "shown and lost is the case that matters");
}

#[test]
fn what_is_written_again_after_a_failed_sync_is_there() {
    let seen = over_seeds(|disk| {
        let file = synced(disk, "a", &[1; SECTOR]);
        file.write_at(0, &[2; SECTOR]).expect("it is written");
        disk.fail_sync_from(1);
        file.sync().expect_err("it is told to fail");
        file.write_at(0, &[2; SECTOR]).expect("it is written");
        file.sync().expect("one fails");
        disk.power_on();
        sectors(disk, "a")
    });
    assert_eq!(seen, [vec![2]].into());
}

#[test]
fn a_full_disk_takes_what_needs_no_space() {
    let disk = FaultyDisk::new(1);
    let file = synced(&disk, "a", &[1; SECTOR]);
    disk.set_quota(Some(SECTOR as u64 + 100));
    file.write_at(0, &[2; SECTOR]).expect("it is there already");
    let full = file.write_at(SECTOR as u64, &[3; 101]).expect_err("it is full");
    assert!(crate::disk::is_full(&full));
    let full = file.allocate(2 * SECTOR as u64).expect_err("it is full");
    assert!(crate::disk::is_full(&full));
    assert_eq!((file.size().expect("it has one"), disk.used()), (612, 612), "what fitted was written");
    disk.set_quota(None);
    file.allocate(2 * SECTOR as u64).expect("there is space again");
    disk.remove("a").expect("it is there");
    assert_eq!(disk.used(), 0);
}

#[test]
fn damage_is_there_after_a_sync_and_a_cut_and_only_where_it_was_done() {
    let disk = FaultyDisk::new(1);
    synced(&disk, "a", &[1; 2 * SECTOR]);
    disk.flip_bit("a", 0, 2);
    disk.zero_sector("a", 1);
    disk.power_on();
    assert_eq!(sectors(&disk, "a"), [5, 0]);
}

#[test]
fn a_copy_goes_its_own_way_and_costs_are_counted() {
    let disk = FaultyDisk::new(1);
    disk.set_sync_cost(7);
    synced(&disk, "a", &[1; SECTOR]);
    assert_eq!(disk.spent(), 14);
    let copy = disk.copy(2);
    copy.flip_bit("a", 0, 0);
    assert_eq!((sectors(&disk, "a"), sectors(&copy, "a")), (vec![1], vec![0]));
    assert_eq!((copy.operations(), copy.spent()), (0, 0));
}
