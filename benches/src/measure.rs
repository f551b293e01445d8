//! Measuring on a machine that others use too: CPU time of this thread, alternating rounds,
//! medians.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};

/// Something that can be measured.
pub struct Candidate<'c> {
    /// How often the work is done in one call of `run`.
    pub times: u64,
    /// Does the work.
    pub run: Box<dyn FnMut() + 'c>,
}

impl<'c> Candidate<'c> {
    /// Returns a candidate.
    pub fn new(times: u64, run: impl FnMut() + 'c) -> Candidate<'c> {
        Candidate { times, run: Box::new(run) }
    }
}

/// Returns the CPU time that this thread has used.
pub fn cpu_time() -> Duration {
    cpu_time_of(ClockId::ThreadCPUTime)
}

/// Returns the CPU time that all threads of this process have used.
pub fn process_cpu_time() -> Duration {
    cpu_time_of(ClockId::ProcessCPUTime)
}

fn cpu_time_of(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).expect("CPU time is not negative");
    Duration::new(seconds, u32::try_from(time.tv_nsec).expect("below a second"))
}

/// Runs each candidate once per round, after one round that does not count, and returns for each
/// the nanoseconds of CPU time per unit of work, a number per round.
pub fn alternate(candidates: &mut [Candidate<'_>], rounds: u32) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::new(); candidates.len()];
    for round in 0..=rounds {
        for (candidate, times) in candidates.iter_mut().zip(&mut times) {
            let before = cpu_time();
            (candidate.run)();
            let spent = cpu_time() - before;
            if round > 0 {
                times.push(spent.as_nanos() as f64 / candidate.times as f64);
            }
        }
    }
    times
}

/// Returns how many bytes of memory this process has.
///
/// # Errors
///
/// When the system does not say.
pub fn resident() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()).context("the system says it")?;
    Ok(kilobytes.parse::<f64>()? * 1024.0)
}

/// Returns the figure that this share of all is not above.
///
/// # Panics
///
/// When there are no figures.
pub fn quantile(figures: &[f64], share: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// Returns the median; of an even number of figures the mean of the middle two.
///
/// # Panics
///
/// When there are no figures.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() % 2 {
        0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
        _ => sorted[middle],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0]), 3.0);
        assert_eq!(median(&[9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), 3.0);
    }

    #[test]
    fn a_quantile_is_the_least_figure_that_so_many_are_not_above() {
        let figures: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let at = |share| quantile(&figures, share);
        assert_eq!([at(0.0), at(0.5), at(0.99), at(0.991), at(1.0)], [1.0, 50.0, 99.0, 100.0, 100.0]);
        assert_eq!(quantile(&[7.0], 0.99), 7.0);
    }

    #[test]
    fn each_candidate_runs_once_a_round_and_once_before() {
        let calls = std::cell::RefCell::new(String::new());
        let mut candidates = [
            Candidate::new(1, || calls.borrow_mut().push('a')),
            Candidate::new(1, || calls.borrow_mut().push('b')),
        ];
        let times = alternate(&mut candidates, 2);
        assert_eq!(*calls.borrow(), "ababab");
        assert_eq!(times.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    }
}
