//! Inputs at fixed times, whether or not answers came: their time runs from when they were due, so that a pause is
//! seen by all that would have come in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::node::expect_ok;
use anyhow::{Result, anyhow, ensure};
use camshaft_agent::host::{Host, Input};
use camshaft_agent::problem;
use tokio::sync::mpsc;

/// When a busy node is asked again.
const AGAIN: Duration = Duration::from_millis(1);

/// An input that was answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waited {
    /// When it was due.
    pub(crate) due: Instant,
    /// How long from then to its answer, in microseconds.
    pub(crate) took_us: f64,
}

/// A stream of inputs.
pub(crate) struct Probe {
    ends: Arc<AtomicBool>,
    sends: JoinHandle<Result<Vec<Instant>>>,
    hears: JoinHandle<Result<Vec<(usize, Instant)>>>,
}

impl Probe {
    /// Starts to give a node an input after the other, this often.
    pub(crate) fn start(
        host: &Host,
        every: Duration,
        mut next: impl FnMut(usize) -> Input + Send + 'static,
    ) -> Result<Probe> {
        let (answers, mut replies) = mpsc::unbounded_channel();
        let ends = Arc::new(AtomicBool::new(false));
        let (host, told) = (host.clone(), ends.clone());
        let send = move || {
            let mut due = vec![];
            let mut at = Instant::now();
            while !told.load(Ordering::Relaxed) {
                // What is late already goes out at once.
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                let number = due.len();
                let mut inputs = vec![(number, next(number))];
                while let Err(problem) = host.input_all(&mut inputs, &answers) {
                    ensure!(problem.code == problem::BUSY.code, "input {number}: {}", problem.detail);
                    std::thread::sleep(AGAIN);
                }
                due.push(at);
                at += every;
            }
            Ok(due)
        };
        let hear = move || {
            let mut heard = vec![];
            while let Some((number, reply)) = replies.blocking_recv() {
                heard.push((number, Instant::now()));
                expect_ok(&reply)?;
            }
            Ok(heard)
        };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let hears = thread("hears").spawn(hear)?;
        Ok(Probe { ends, sends: thread("sends").spawn(send)?, hears })
    }

    /// Ends it, and returns how long each input waited, in the order in which they were due.
    pub(crate) fn end(self) -> Result<Vec<Waited>> {
        self.ends.store(true, Ordering::Relaxed);
        let panicked = |_| anyhow!("a thread panicked");
        let due = self.sends.join().map_err(panicked)??;
        let heard = self.hears.join().map_err(panicked)??;
        ensure!(heard.len() == due.len(), "{} inputs were answered of {}", heard.len(), due.len());
        let mut waited: Vec<Waited> = due.into_iter().map(|due| Waited { due, took_us: 0.0 }).collect();
        for (number, at) in heard {
            let one = &mut waited[number];
            one.took_us = at.duration_since(one.due).as_nanos() as f64 / 1e3;
        }
        Ok(waited)
    }
}

/// Returns how long those waited that were due between two times.
pub(crate) fn between(waited: &[Waited], from: Instant, until: Instant) -> Vec<f64> {
    let within = |waited: &&Waited| from <= waited.due && waited.due <= until;
    waited.iter().filter(within).map(|waited| waited.took_us).collect()
}
