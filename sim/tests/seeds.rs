//! A thousand seeds, in shards so that they run side by side.
//!
//! `CAMSHAFT_LONG=N` runs N times as many.

use camshaft_sim::model::Tally;
use camshaft_sim::run::{Options, run};
use camshaft_sim::shrink::shrink;

const SHARDS: u64 = 8;
const SEEDS: u64 = 1_000;

/// Runs a shard; returns how often things came up.
fn shard(number: u64) -> Tally {
    let long: u64 = std::env::var("CAMSHAFT_LONG").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    let mut sum = Tally::default();
    for seed in (number..SEEDS * long).step_by(usize::try_from(SHARDS).expect("a small number")) {
        match run(&Options::of(seed)) {
            Ok(tally) => sum = sum.plus(&tally),
            Err(failure) => panic!("{}", shrink(failure)),
        }
    }
    // What never comes up is not looked at.
    for (what, count) in sum.named() {
        assert!(count > 0, "no seed of this shard came to `{what}`: {sum:?}");
    }
    sum
}

macro_rules! shards {
    ($($name:ident = $number:literal;)*) => {
        $(#[test]
        fn $name() {
            shard($number);
        })*
    };
}

shards! {
    seeds_of_shard_0 = 0;
    seeds_of_shard_1 = 1;
    seeds_of_shard_2 = 2;
    seeds_of_shard_3 = 3;
    seeds_of_shard_4 = 4;
    seeds_of_shard_5 = 5;
    seeds_of_shard_6 = 6;
    seeds_of_shard_7 = 7;
}

#[test]
fn a_seed_does_the_same_whatever_ran_before() {
    let first = run(&Options::of(5)).map_err(|failure| failure.to_string());
    run(&Options::of(6)).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(run(&Options::of(5)).map_err(|failure| failure.to_string()), first);
}
