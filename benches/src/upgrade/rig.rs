//! A node whose threads run, switched as an operator switches it.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::node::{Rig, asked, fill, installed, of_node};
use crate::parts::shards;
use anyhow::{Result, anyhow, ensure};
use camshaft_agent::engine::{Copies, Trial};
use camshaft_agent::node::{Holding, Node};
use camshaft_store::{FolderJournal, Journal};

use super::pair::Pair;

/// The longest rest of a trial after a batch, as when operators ask for one.
const REST_MAX: Duration = Duration::from_millis(20);

/// How often it is looked whether the sweeper is done.
const LOOK: Duration = Duration::from_millis(20);

/// Which way a switch goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Back,
}

/// When things were.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// From the begin of the trial to the command of the switch.
    pub(crate) trial: (Instant, Instant),
    /// The command of the switch.
    pub(crate) switch: (Instant, Instant),
    /// What the node says of its pause, in microseconds.
    pub(crate) pause_us: f64,
}

/// Starts a node with so many counters, its journal in a folder.
pub(crate) fn start(pair: &Pair, folder: &Path, counters: Range<usize>) -> Result<Rig> {
    start_on(pair, Box::new(FolderJournal::open(folder)?.0), counters)
}

/// Starts a node with so many counters on a journal.
pub(crate) fn start_on(pair: &Pair, journal: Box<dyn Journal>, counters: Range<usize>) -> Result<Rig> {
    let mut node = installed(journal, shards(), &pair.before, &pair.before_bundle)?;
    fill(&mut node, counters)?;
    // So that none is due while it is measured.
    node.save_snapshot().map_err(of_node)?;
    Rig::start(node)
}

fn call<T: Send + 'static>(
    rig: &Rig,
    job: impl FnOnce(&mut Node) -> Result<T, camshaft_agent::node::NodeError> + Send + 'static,
) -> Result<T> {
    rig.host.call(job).map_err(|problem| anyhow!("the node refuses: {}", problem.detail))
}

/// Tries a switch on all instances, in batches and with rests, and makes it.
pub(crate) fn switch(rig: &Rig, pair: &Pair, way: Way) -> Result<Times> {
    let begin = Instant::now();
    let (after, bundle) = (pair.after.clone(), pair.after_bundle.clone());
    let trial = call(rig, move |node| {
        let plan = match way {
            Way::Up => node.plan_upgrade(&after)?,
            Way::Back => node.plan_rollback()?,
        };
        node.begin_trial(plan)
    })?;
    let trial = tried(rig, trial)?;
    let commanded = Instant::now();
    let report = call(rig, move |node| match way {
        Way::Up => node.upgrade(&asked(), trial, &bundle, &[]),
        Way::Back => node.rollback(&asked(), trial, Holding::Refuse),
    })?;
    let done = Instant::now();
    if way == Way::Up {
        call(rig, |node| node.settle_check(&asked(), Ok(())))?;
    }
    let pause_us = report.pause_us.map_or(0.0, |pause| pause as f64);
    Ok(Times { trial: (begin, commanded), switch: (commanded, done), pause_us })
}

fn tried(rig: &Rig, mut trial: Trial) -> Result<Trial> {
    loop {
        let start = Instant::now();
        let copies = call(rig, Node::copies)?;
        let done = copies.iter().all(Copies::is_empty);
        copies.into_iter().for_each(|copies| trial.add(copies));
        let (looked, all) = trial.progress();
        if done || looked >= all {
            let report = trial.report();
            ensure!(report.passed, "the trial fails: {:?}", report.failures.first());
            return Ok(trial);
        }
        std::thread::sleep(start.elapsed().min(REST_MAX));
    }
}

/// Waits until the sweeper is done; returns how long that took.
pub(crate) fn swept(rig: &Rig) -> Result<Duration> {
    let begin = Instant::now();
    while call(rig, |node| Ok(node.is_sweeping()))? {
        std::thread::sleep(LOOK);
    }
    Ok(begin.elapsed())
}

/// Makes what runs permanent.
pub(crate) fn make_permanent(rig: &Rig) -> Result<()> {
    call(rig, |node| node.make_permanent(&asked())).map(drop)
}
