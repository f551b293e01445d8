//! Waiting, the time, and chance, as a client takes them; tests bring their own.

use std::fmt::Debug;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How often the same thing is tried while nothing comes of it.
pub const ATTEMPTS: u32 = 5;

/// How often at most, also while something does: a server that sends a byte at a time ends too.
pub const ATTEMPTS_IN_ALL: u32 = 100;

const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The longest wait that a server may ask for.
const ASKED_WAIT_MAX: Duration = Duration::from_secs(30);

/// Waiting, the time, and chance.
pub trait Pace: Send + Sync + Debug {
    /// Waits.
    fn wait(&self, time: Duration);

    /// Returns the time since some moment.
    fn now(&self) -> Duration;

    /// Returns a number from 0 up to 1, that nobody foresees.
    fn chance(&self) -> f64;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemPace;

impl Pace for SystemPace {
    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn now(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }

    fn chance(&self) -> f64 {
        let random = u32::try_from(RandomState::new().hash_one(0) >> 32).unwrap_or(0);
        f64::from(random) / (f64::from(u32::MAX) + 1.0)
    }
}

/// The attempts at one thing.
#[derive(Debug)]
pub(super) struct Attempts<'p> {
    pace: &'p dyn Pace,
    /// How many came to nothing, since the last that came to something.
    failed: u32,
    all: u32,
}

impl<'p> Attempts<'p> {
    pub(super) fn new(pace: &'p dyn Pace) -> Attempts<'p> {
        Attempts { pace, failed: 0, all: 0 }
    }

    /// Notes that something came of the last attempt.
    pub(super) fn progressed(&mut self) {
        self.failed = 0;
    }

    /// Waits before the next attempt, for as long as the server asked for, or for twice as long as before, half of it by
    /// chance: many clients that a server lost at once do not come back at once. Returns false when there is no next attempt.
    pub(super) fn again(&mut self, asked: Option<Duration>) -> bool {
        (self.failed, self.all) = (self.failed + 1, self.all + 1);
        if self.failed >= ATTEMPTS || self.all >= ATTEMPTS_IN_ALL {
            return false;
        }
        let wait = FIRST_WAIT.saturating_mul(1 << (self.failed - 1)).min(LONGEST_WAIT);
        let wait = wait.mul_f64(0.5 + self.pace.chance() / 2.0);
        self.pace.wait(asked.map_or(wait, |asked| asked.min(ASKED_WAIT_MAX)));
        true
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use std::sync::Mutex;

    use super::*;

    /// A clock that waiting sets forward, and nothing else; its chance is always the same.
    #[derive(Debug, Default)]
    pub(crate) struct TestPace {
        pub(crate) waits: Mutex<Vec<Duration>>,
        pub(crate) chance: f64,
    }

    impl Pace for TestPace {
        fn wait(&self, time: Duration) {
            self.waits.lock().expect("no panic").push(time);
        }

        fn now(&self) -> Duration {
            self.waits.lock().expect("no panic").iter().sum()
        }

        fn chance(&self) -> f64 {
            self.chance
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::TestPace;
    use super::*;

    #[test]
    fn waits_grow_and_end_and_vary_by_chance() {
        let waited = |chance| {
            let pace = TestPace { chance, ..TestPace::default() };
            let mut attempts = Attempts::new(&pace);
            while attempts.again(None) {}
            let waits = pace.waits.lock().expect("no panic");
            waits.iter().map(Duration::as_millis).collect::<Vec<_>>()
        };
        assert_eq!(waited(0.0), [100, 200, 400, 800]);
        assert_eq!(waited(1.0), [200, 400, 800, 1600]);
    }

    #[test]
    fn progress_starts_the_count_anew_but_not_for_ever() {
        let pace = TestPace::default();
        let mut attempts = Attempts::new(&pace);
        let mut rounds = 0;
        while attempts.again(None) {
            attempts.progressed();
            rounds += 1;
        }
        assert_eq!(rounds, ATTEMPTS_IN_ALL - 1);
    }

    #[test]
    fn a_server_may_ask_for_a_wait_but_not_for_any() {
        let pace = TestPace::default();
        let mut attempts = Attempts::new(&pace);
        for asked in [3, 3600] {
            assert!(attempts.again(Some(Duration::from_secs(asked))));
        }
        let waits = pace.waits.lock().expect("no panic");
        assert_eq!(*waits, [Duration::from_secs(3), Duration::from_secs(30)]);
    }

    #[test]
    fn chance_lies_between_nothing_and_one() {
        assert!((0..100).map(|_| SystemPace.chance()).all(|chance| (0.0..1.0).contains(&chance)));
    }
}
