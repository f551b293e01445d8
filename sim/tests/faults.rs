//! The simulation finds what it is there to find: a node that misbehaves in a known way fails within a few seeds.

use camshaft_sim::node::{FAULTS, Fault};
use camshaft_sim::run::{Failure, Options, run};
use camshaft_sim::shrink::shrink;

/// How many seeds are tried for a fault.
const SEEDS: u64 = 200;

fn found(fault: Fault) -> Box<Failure> {
    let tried = (0..SEEDS).find_map(|seed| run(&Options { fault: Some(fault), ..Options::of(seed) }).err());
    tried.unwrap_or_else(|| panic!("{SEEDS} seeds do not find {fault:?}"))
}

#[test]
fn every_fault_is_found() {
    for fault in FAULTS {
        let failure = found(fault);
        println!("{fault:?}: seed {}: {}", failure.options.seed, failure.wrong.what);
    }
}

#[test]
fn a_failure_says_how_to_replay_it_and_what_happened() {
    let failure = shrink(found(Fault::AnswersBeforeDurable));
    let text = failure.to_string();
    assert!(text.contains("expected: none before it is applied and durable"), "{text}");
    let seed = failure.options.seed;
    assert!(text.contains(&format!("replay: cargo xtask sim agent --seed {seed} --steps")), "{text}");
    assert!(failure.events.len() < 20, "it is made small\n{text}");
    let again = run(&failure.options).expect_err("the same run fails again");
    assert_eq!(again.wrong, failure.wrong);
}
