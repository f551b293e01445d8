//! What the black-box tests share: a folder of their own, the binary, agents as child processes,
//! HTTP, and waiting for a state.
//!
//! What must stay true: no test sleeps for a fixed time or asserts how long something took
//! ([`until`] polls a condition and gives up at a deadline that only a broken product reaches);
//! nothing outside the test's own folder is written; every agent dies with its guard.

mod agent;
mod client;
pub mod compat;
pub mod project;
mod random;
mod world;

pub use agent::{Agent, Death};
pub use client::{Answered, Client};
pub use random::Random;
pub use world::{Done, World, repository};

use std::time::{Duration, Instant};

/// How long a state may take to come about before the product counts as broken. Far above what
/// a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `probe` gives a value.
///
/// # Panics
///
/// When it has given none for [`PATIENCE`].
pub fn until<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Returns how many times the short form of a long test is to run; `cargo xtask long` raises it.
pub fn times() -> u32 {
    std::env::var("CAMSHAFT_LONG").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}
