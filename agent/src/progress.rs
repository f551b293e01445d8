//! How far the trial is that a node's operator waits for, and that it is to end.

use camshaft_cam::words::counted;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::api::{Problem, ReleaseRef, TrialStatus};
use crate::engine::Trial;
use crate::problem;

/// The trial of one node that goes on, if one does.
#[derive(Debug, Default)]
pub(crate) struct Trials(Mutex<Option<Arc<Progress>>>);

/// How far a trial is.
#[derive(Debug)]
struct Progress {
    to: ReleaseRef,
    looked: AtomicU64,
    of: AtomicU64,
    cancelled: AtomicBool,
}

/// A trial that goes on until this is dropped.
pub(crate) struct Going<'a> {
    trials: &'a Trials,
    progress: Arc<Progress>,
}

impl Trials {
    fn current(&self) -> Option<Arc<Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, progress: Option<Arc<Progress>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = progress;
    }

    /// Says that a trial begins.
    pub(crate) fn begin(&self, trial: &Trial) -> Going<'_> {
        let progress = Arc::new(Progress {
            to: trial.plan().to.reference(),
            looked: AtomicU64::new(0),
            of: AtomicU64::new(0),
            cancelled: AtomicBool::new(false),
        });
        self.set(Some(progress.clone()));
        let going = Going { trials: self, progress };
        going.note(trial);
        going
    }

    /// Returns how far the trial is.
    pub(crate) fn status(&self) -> Option<TrialStatus> {
        self.current().map(|progress| TrialStatus {
            to: progress.to.clone(),
            looked: progress.looked.load(Ordering::Relaxed),
            of: progress.of.load(Ordering::Relaxed),
            cancelled: progress.cancelled.load(Ordering::Relaxed),
        })
    }

    /// Lets the trial end before its time. It may be over meanwhile: then the command goes on.
    ///
    /// # Errors
    ///
    /// When none goes on.
    pub(crate) fn cancel(&self) -> Result<TrialStatus, Box<Problem>> {
        let Some(progress) = self.current() else {
            return Err(problem::NOTHING_TO_CANCEL.problem("no trial goes on"));
        };
        progress.cancelled.store(true, Ordering::Relaxed);
        self.status().ok_or_else(|| problem::NOTHING_TO_CANCEL.problem("the trial has just ended"))
    }
}

impl Going<'_> {
    /// Notes how far it is.
    pub(crate) fn note(&self, trial: &Trial) {
        let (looked, of) = trial.progress();
        self.progress.looked.store(looked as u64, Ordering::Relaxed);
        self.progress.of.store(of as u64, Ordering::Relaxed);
    }

    /// Returns the refusal when it is to end.
    pub(crate) fn cancelled(&self) -> Option<Box<Problem>> {
        let TrialStatus { to, looked, of, cancelled } = self.trials.status()?;
        cancelled.then(|| {
            let detail = format!(
                "the trial of {} {} was cancelled after {looked} of {}",
                to.name,
                to.version,
                counted(of, "instance")
            );
            problem::CANCELLED.problem(detail)
        })
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        self.trials.set(None);
    }
}
