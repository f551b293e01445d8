//! How many requests may wait in a node, and what one that finds no place is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::api::Problem;
use crate::problem;

/// What is told of the pace of a node was measured over at least this time, and at most ten times it.
const MEASURED: Duration = Duration::from_secs(1);

/// The longest that a client is sent away for, in seconds: the pace may be another one by then.
const RETRY_MAX: u64 = 30;

/// The places of a node for requests that wait.
pub(super) struct Places {
    max: usize,
    /// How many requests were ever let in.
    admitted: AtomicUsize,
    /// How many of them were ever taken by a shard.
    taken: AtomicUsize,
    pace: Mutex<Pace>,
}

/// How fast requests are taken. It is looked at when one is refused, and at no other time.
struct Pace {
    at: Instant,
    taken: usize,
    a_second: Option<usize>,
}

/// What a request is, to those who give away places.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request of its own.
    One,
    /// One of many: these leave a quarter of the places to the others.
    OfMany,
}

impl Places {
    pub(super) fn new(max: usize) -> Places {
        let pace = Pace { at: Instant::now(), taken: 0, a_second: None };
        Places { max, admitted: AtomicUsize::new(0), taken: AtomicUsize::new(0), pace: Mutex::new(pace) }
    }

    /// Returns how many requests wait.
    pub(super) fn waiting(&self) -> usize {
        let admitted = self.admitted.load(Ordering::Acquire);
        // Others may be let in and taken meanwhile.
        admitted.saturating_sub(self.taken.load(Ordering::Acquire))
    }

    /// Returns how many may wait.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// Lets requests in, unless there are too many. When none waits, any number may come.
    pub(super) fn admit(&self, count: usize, kind: Kind) -> Result<(), Box<Problem>> {
        let limit = match kind {
            Kind::One => self.max,
            Kind::OfMany => self.max - self.max / 4,
        };
        let before = self.admitted.fetch_add(count, Ordering::AcqRel);
        let waiting = before.saturating_sub(self.taken.load(Ordering::Acquire));
        if waiting > 0 && waiting + count > limit {
            self.admitted.fetch_sub(count, Ordering::AcqRel);
            return Err(self.busy(waiting, limit));
        }
        Ok(())
    }

    /// Notes that a shard has taken requests.
    pub(super) fn take(&self, count: usize) {
        self.taken.fetch_add(count, Ordering::AcqRel);
    }

    fn busy(&self, waiting: usize, limit: usize) -> Box<Problem> {
        let retry_after = retry_after(waiting, self.a_second());
        let mut problem =
            problem::BUSY.problem(format!("{waiting} inputs wait for this node, and {limit} may"));
        for (name, value) in
            [("waiting", waiting as u64), ("limit", limit as u64), (problem::RETRY_AFTER, retry_after)]
        {
            problem.more.insert(name.to_owned(), value.to_string());
        }
        problem
    }

    /// Returns how many requests were taken in a second lately, when that is known.
    fn a_second(&self) -> Option<usize> {
        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = self.taken.load(Ordering::Acquire);
        let passed = pace.at.elapsed();
        if passed >= MEASURED {
            let recent = passed <= MEASURED * 10;
            let count = taken.saturating_sub(pace.taken) as u128 * 1000 / passed.as_millis().max(1);
            let a_second = recent.then(|| usize::try_from(count).unwrap_or(usize::MAX));
            *pace = Pace { at: Instant::now(), taken, a_second };
        }
        pace.a_second
    }
}

/// Returns after how many seconds so many requests will have been taken, from 1.
fn retry_after(waiting: usize, a_second: Option<usize>) -> u64 {
    match a_second {
        None => 1,
        Some(a_second) => (waiting as u64).div_ceil(a_second.max(1) as u64).clamp(1, RETRY_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_no_place_is_told_how_many_wait_and_when_to_come_again() {
        let places = Places::new(8);
        assert!(places.admit(100, Kind::OfMany).is_ok(), "when none waits, any number may come");
        let refused = places.admit(1, Kind::One).expect_err("no place");
        assert_eq!((refused.code.as_str(), refused.status), ("busy", 429));
        let more: Vec<_> = refused.more.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(more, [("limit", "8"), ("retry_after", "1"), ("waiting", "100")]);
        places.take(95);
        assert_eq!(places.waiting(), 5, "who was refused holds no place");
        // Six places for those that come in numbers, eight for the others.
        assert_eq!(places.admit(2, Kind::OfMany).expect_err("no place").more["limit"], "6");
        assert!(places.admit(1, Kind::OfMany).is_ok());
        assert!(places.admit(2, Kind::One).is_ok());
        assert!(places.admit(1, Kind::One).is_err());
    }

    #[test]
    fn the_time_to_wait_follows_from_the_pace() {
        assert_eq!(retry_after(4096, None), 1);
        assert_eq!(retry_after(4096, Some(100_000)), 1);
        assert_eq!(retry_after(4096, Some(1024)), 4);
        assert_eq!(retry_after(4097, Some(1024)), 5);
        assert_eq!(retry_after(4096, Some(0)), RETRY_MAX);
    }
}
