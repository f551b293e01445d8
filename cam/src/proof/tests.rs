//! The programs, part by part, and what they came to.

use std::cell::{Cell, RefCell};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::agree;
use super::coverage::Coverage;
use crate::testing::program::any_program;

/// How many programs each part of the short form runs.
const PROGRAMS: u32 = 1_000;

/// How many parts there are, which run side by side.
const PARTS: u8 = 2;

/// How often the short form comes to each thing, at least.
const LEAST: u64 = 5;

/// Reads a number that makes tests other or longer.
fn setting(name: &str, otherwise: u32) -> u32 {
    match std::env::var(name) {
        Ok(number) => number.parse().unwrap_or_else(|_| panic!("{name} is a number, not {number:?}")),
        Err(_) => otherwise,
    }
}

/// Runs a part of the programs; returns what they came to.
fn run_part(part: u8) -> Coverage {
    let config = Config {
        cases: PROGRAMS * setting("CAMSHAFT_LONG", 1),
        max_shrink_iters: 3_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut seed = [part; 32];
    seed[..4].copy_from_slice(&setting("CAMSHAFT_SEED", 0).to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
    let covered = RefCell::new(Coverage::default());
    let failing = Cell::new(false);
    let result = runner.run(&any_program(), |program| {
        let mut coverage = Coverage::default();
        let agreed = agree::agrees(&program, &mut coverage);
        covered.borrow_mut().add(coverage);
        agreed.map_err(|why| {
            if !failing.replace(true) {
                eprintln!("a smaller program is looked for: {why}");
            }
            TestCaseError::fail(why)
        })
    });
    match result {
        Ok(()) => covered.into_inner(),
        Err(TestError::Fail(why, program)) => {
            panic!("{why}\n\n{}\nconfig: {:?}\n{:#?}", program.readable(), program.config, program.steps)
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn all_ways_to_run_a_program_agree() {
    let mut covered = Coverage::default();
    std::thread::scope(|scope| {
        let parts: Vec<_> = (0..PARTS).map(|part| scope.spawn(move || run_part(part))).collect();
        for part in parts {
            covered.add(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    });
    println!("{}", covered.table());
    let missing = covered.missing(LEAST);
    assert!(missing.is_empty(), "generation does not come to these, or hardly: {missing:#?}");
}
