//! The log against a plain list of entries, on a disk that fails: whatever happened, what is there after
//! opening anew is what was acknowledged, and at most the one group behind it that was being written, whole.
//!
//! `CAMSHAFT_LONG=N` runs so many times the seeds.

#[path = "log/script.rs"]
mod script;
#[path = "log/world.rs"]
mod world;

use std::sync::{Arc, mpsc};

use camshaft_store::{Chore, Chunk, Class, FaultyDisk, Log, RealDisk};
use script::{Dice, Step, scripted};
use world::World;

fn long() -> u64 {
    std::env::var("CAMSHAFT_LONG").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// How many operations the script takes when nothing fails.
fn operations() -> u64 {
    let disk = FaultyDisk::new(0);
    let mut world = World::new(disk.clone());
    world.run(&scripted()).expect("nothing fails");
    assert!(world.last() > 40 && world.let_go_so_far() > 20, "the script does something");
    disk.operations()
}

#[test]
fn the_power_goes_at_every_operation() {
    for operation in 1..=operations() {
        for seed in 0..4 * long() {
            let disk = FaultyDisk::new(operation << 32 | seed);
            let mut world = World::new(disk.clone());
            disk.power_off_at(operation);
            world.run(&scripted()).expect_err("the power goes");
            disk.power_on();
            world.reopened(&format!("power off at operation {operation}, seed {seed}"));
            world.goes_on();
        }
    }
}

/// The power goes again while the log is opened after the first time, at every operation of that.
#[test]
fn the_power_goes_at_every_operation_of_a_repair() {
    for operation in 1..=operations() {
        for seed in 0..long() {
            let disk = FaultyDisk::new(operation << 32 | seed);
            let mut world = World::new(disk.clone());
            disk.power_off_at(operation);
            world.run(&scripted()).expect_err("the power goes");
            disk.power_on();
            let from = disk.operations();
            for later in 1.. {
                disk.power_off_at(from.max(disk.operations()) + later);
                let opened = world.try_reopen();
                disk.power_on();
                if opened {
                    break;
                }
            }
            world.reopened(&format!("power off at operation {operation} and in repairs, seed {seed}"));
            world.goes_on();
        }
    }
}

/// A process that is told that a sync failed stops; the next one on the same system sees what the system shows, and what it
/// says of that must still be true when the power goes.
#[test]
fn every_sync_fails_and_then_the_power_goes() {
    for operation in 1..=operations() {
        for seed in 0..8 * long() {
            let disk = FaultyDisk::new(operation << 32 | seed);
            let mut world = World::new(disk.clone());
            disk.fail_sync_from(operation);
            if world.run(&scripted()).is_ok() {
                continue;
            }
            world.refuses_all_after_it_failed();
            let what = format!("sync fails from operation {operation} on, seed {seed}");
            world.reopened(&what);
            disk.power_on();
            world.reopened(&format!("{what}, and then the power goes"));
            world.goes_on();
        }
    }
}

/// A process that dies between a write and its sync leaves the write to the system.
#[test]
fn what_a_new_process_found_is_there_after_a_power_cut() {
    for operation in 1..=operations() {
        for seed in 0..4 * long() {
            let disk = FaultyDisk::new(operation << 32 | seed);
            let mut world = World::new(disk.clone());
            // The sync "fails" at once, for a process that is no longer there to hear of it; nothing is dropped.
            disk.power_off_at(operation);
            world.run(&scripted()).expect_err("the process dies");
            let disk = disk.copy(seed);
            world.moves_to(disk.clone());
            let what = format!("killed at operation {operation}, seed {seed}");
            world.reopened(&what);
            disk.power_on();
            world.reopened(&format!("{what}, and then the power goes"));
            world.goes_on();
        }
    }
}

#[test]
fn random_scripts_on_a_disk_that_fails_in_all_ways() {
    for seed in 0..400 * long() {
        let disk = FaultyDisk::new(seed);
        let mut dice = Dice::new(!seed);
        let mut world = World::new(disk.clone());
        for round in 0..12 {
            let steps: Vec<Step> = (0..20).map(|_| Step::random(&mut dice)).collect();
            let fault = dice.below(4);
            let at = disk.operations() + 1 + dice.below(50);
            match fault {
                0 => disk.power_off_at(at),
                1 => disk.fail_sync_from(at),
                _ => {}
            }
            let ended = world.run(&steps);
            let cut = disk.is_off() || dice.below(3) == 0;
            if cut {
                disk.power_on();
            } else if ended.is_err() {
                world.refuses_all_after_it_failed();
            }
            disk.fail_sync_from(u64::MAX);
            disk.power_off_at(u64::MAX);
            disk.set_quota(None);
            world.reopened(&format!("seed {seed}, round {round}"));
        }
        world.goes_on();
    }
}

/// Another thread makes segments ready and lets them go while entries are appended, on a real disk.
#[test]
fn chores_are_done_by_another_thread_while_entries_are_appended() {
    let folder = tempfile::tempdir().expect("a folder");
    let open = || {
        let disk = RealDisk::open(folder.path()).expect("it opens");
        Log::open(Arc::new(disk), world::OPTIONS).expect("it opens").0
    };
    let mut log = open();
    let (chores, done) = mpsc::channel::<Chore>();
    let worker = std::thread::spawn(move || done.into_iter().map(Chore::run).count());
    for number in 0..300_u64 {
        let mut chunk = Chunk::new(0, 0);
        chunk.push_with(|bytes| bytes.extend_from_slice(&number.to_le_bytes()));
        assert_eq!(log.append(&[chunk], Class::Input).expect("it is appended"), number + 1);
        log.let_go(number.saturating_sub(20));
        if let Some(chore) = log.chore() {
            chores.send(chore).expect("it works until nothing more comes");
        }
    }
    drop(chores);
    assert!(worker.join().expect("nothing fails") > 0);
    drop(log);
    let log = open();
    assert!(log.first() <= 279 && log.last() == 300);
    log.read(log.first(), &mut |entry| {
        assert_eq!(entry.bytes, (entry.position - 1).to_le_bytes());
        Ok(())
    })
    .expect("it is whole");
}
