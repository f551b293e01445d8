//! Trying a switch: copies of the instances in batches, and rounds for those that changed since.
//!
//! Copies are made between steps, a batch of each shard at a time; they are tried wherever the host wants.

use camshaft_cam::words::counted;
use std::sync::Arc;

use super::{Node, NodeError};
use crate::engine::{Copies, Plan, Shard, Tape, Trial, Way};
use crate::problem;

/// How many instances of a shard are copied at a time: so few that no input waits for long.
const BATCH: usize = 256;

/// How much may be untried when a switch is made, in microseconds of trying. What is untried is found out
/// when it is used, as is what changes in the very moment of the switch.
const UNTRIED_US_MAX: u64 = 1_000;

/// How many instances may be untried whatever they take: one large state that changes all the time must not keep a
/// node from being upgraded for ever.
const UNTRIED_FEW: usize = 16;

/// How often what changed is tried again before it is said that this never ends.
const ROUNDS_MAX: usize = 1_000;

impl Node {
    /// Begins to try a plan.
    ///
    /// # Errors
    ///
    /// When an application would get a name that states of another one are put away under, and when the node is gone.
    pub fn begin_trial(&mut self, plan: Plan) -> Result<Trial, NodeError> {
        if plan.way == Way::Up {
            self.are_names_free(&plan)?;
        }
        self.begin_shared(Arc::new(plan))
    }

    /// Refuses what gives an application a name under which states of another one are put away. An application keeps its
    /// shards under every name that it gets ([`shard_of`](crate::engine::shard_of)), and what is archived under a name is looked for
    /// in those of the application that has it.
    fn are_names_free(&mut self, plan: &Plan) -> Result<(), NodeError> {
        let homes = self.epoch.as_ref().map(|epoch| epoch.homes.clone()).unwrap_or_default();
        let taken = plan.names_taken(&homes);
        if taken.is_empty() {
            return Ok(());
        }
        if let Some(machine) = plan.puts_away_in(&taken) {
            let (name, from) = (&machine.app, &taken[&machine.app]);
            let detail = format!(
                "the release calls {from} {name}, and puts the states of {machine} away under that name, for the way back"
            );
            return Err(problem::NAME_TAKEN.problem(detail).into());
        }
        let names = taken.keys().cloned().collect();
        let archived = self.crew.each(move |shard| shard.archived_in(&names))?;
        let Some(instance) = archived.into_iter().flatten().min() else { return Ok(()) };
        let (name, from) = (&instance.app, &taken[&instance.app]);
        let detail =
            format!("the release calls {from} {name}, and a state of {instance} is archived under that name");
        Err(problem::NAME_TAKEN.problem(detail).into())
    }

    fn begin_shared(&mut self, plan: Arc<Plan>) -> Result<Trial, NodeError> {
        self.trials += 1;
        let shown = plan.clone();
        let begun = self.crew.each(move |shard| shard.begin_trial(&shown))?;
        Ok(Trial::new(self.trials, plan, &begun))
    }

    /// Returns copies of instances that are to be tried next, a batch of each shard; all are empty when
    /// everything was tried as it is now.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn copies(&mut self) -> Result<Vec<Copies>, NodeError> {
        self.crew.each(|shard| shard.copy_some(BATCH))
    }

    /// Returns the last inputs of instances, as far as they are recorded; none where nothing is.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn recorded(&mut self) -> Result<Option<Vec<Tape>>, NodeError> {
        let tapes = self.crew.each(|shard| shard.recorded())?;
        Ok(tapes.into_iter().collect::<Option<Vec<_>>>().map(|tapes| tapes.concat()))
    }

    /// Ends a trial that leads to no switch.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn end_trial(&mut self) -> Result<(), NodeError> {
        self.trials += 1;
        self.crew.each(Shard::end_trial).map(drop)
    }

    /// Tries a plan on all instances, here and at once.
    ///
    /// # Errors
    ///
    /// When the node is gone, and when instances change faster than they are tried.
    pub fn try_all(&mut self, plan: Plan) -> Result<Trial, NodeError> {
        let mut trial = self.begin_trial(plan)?;
        self.catch_up(&mut trial)?;
        Ok(trial)
    }

    /// Tries what is left, until so little is that the switch can be made.
    pub(super) fn catch_up(&mut self, trial: &mut Trial) -> Result<(), NodeError> {
        if trial.id() != self.trials {
            // The shards no longer know what changed since: another trial was begun, or this one ended.
            *trial = self.begin_shared(trial.plan().clone())?.judged_like(trial);
        }
        let mut rounds = 0;
        loop {
            let copies = self.copies()?;
            let left: usize = copies.iter().map(Copies::left).sum();
            let done = copies.iter().all(Copies::is_empty);
            copies.into_iter().for_each(|copies| trial.add(copies));
            let (looked, all) = trial.progress();
            let untried_us = left as u64 * trial.each_us().max(1);
            let few = untried_us <= UNTRIED_US_MAX || left <= UNTRIED_FEW;
            if done || (looked >= all && few) {
                return Ok(());
            }
            rounds += usize::from(looked >= all);
            if rounds >= ROUNDS_MAX {
                let detail = format!(
                    "{} changed since they were tried last, in round {rounds}; \
                     trying one takes {} us",
                    counted(left as u64, "instance"),
                    trial.each_us()
                );
                return Err(problem::CANNOT_CATCH_UP.problem(detail).into());
            }
        }
    }
}
