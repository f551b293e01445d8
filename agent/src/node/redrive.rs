//! What operators let go on: dead letters, and instances that are held.

use camshaft_manifests::InstanceAddress;
use camshaft_store::{Control, Redrive};

use super::owed::is_full;
use super::{Asked, Node, NodeError};
use crate::api::Changed;
use crate::engine::{Redriven, shard_of};
use crate::problem;

impl Node {
    /// Lets something of an instance go on.
    ///
    /// # Errors
    ///
    /// Why there is nothing to do; and when a provisional release may go back to what is to be given up.
    pub fn redrive(
        &mut self,
        asked: &Asked,
        address: &InstanceAddress,
        what: Redrive,
    ) -> Result<Redriven, NodeError> {
        self.advance(asked.now_ms)?;
        if self.crew.is_full() {
            return Err(problem::DISK_FULL.problem("nothing can be recorded on this node").into());
        }
        let homes = self.epoch.as_ref().map(|epoch| epoch.homes.clone()).unwrap_or_default();
        let shards = self.crew.shards();
        let mine = usize::from(shard_of(&homes, shards, address));
        let (address, stamp) = (address.clone(), self.stamp(asked));
        let (instance, told) = (address.to_string(), stamp.clone());
        let places: Vec<bool> = (0..usize::from(shards)).map(|index| index == mine).collect();
        if what == Redrive::Dropped {
            let of = address.clone();
            let brought = self.crew.each_with(places.clone(), move |shard, here| {
                here.then(|| shard.brought_back(&of)).flatten()
            })?;
            if let Some(release) = brought.into_iter().flatten().next() {
                let detail = format!("going back to {release} brings {address} back");
                return Err(problem::PROVISIONAL.problem(detail).into());
            }
        }
        let redriven = self.crew.each_with(places, move |shard, here| {
            here.then(|| shard.redrive(&address, stamp.clone(), what))
        })?;
        match redriven.into_iter().flatten().next() {
            Some(Ok(redriven)) => {
                // Behind the record of the shard, which does it: this one tells of it.
                let Redriven { driven, left } = redriven;
                let control = Control::Redriven { stamp: told, instance, what, driven, left };
                match self.append(std::slice::from_ref(&control)) {
                    Err(error) if is_full(&error) => {
                        self.health.tell_later(control);
                        let detail = "it was done, and it is recorded as soon as there is room";
                        let mut problem = problem::DISK_FULL.problem(detail);
                        problem.changed = Changed::Unsettled;
                        return Err(problem.into());
                    }
                    appended => appended?,
                }
                Ok(redriven)
            }
            Some(Err(reason)) => Err(problem::NOTHING_TO_REDRIVE.problem(reason).into()),
            None => Err(problem::FAULT.problem("no shard has the instance").into()),
        }
    }
}
