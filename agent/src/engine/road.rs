//! The switches that instances may have yet to go over.
//!
//! A switch is one record and one pointer: instances go over it when they are next used, and what waits
//! for them when it is delivered. Until then each says which switch it went over last, and the road tells
//! what is left. Going over late gives what going over at once would have given, so that it does not
//! matter when an instance was looked at, and a replay of the journal comes to the same.

use std::sync::Arc;

use super::plan::{Plan, Way};

/// A switch on the road.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// Its number.
    pub(super) number: u64,
    /// How instances go over.
    pub(super) plan: Arc<Plan>,
    /// True when the release that it led to was made permanent.
    pub(super) permanent: bool,
}

/// The switches that instances may have yet to go over, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Road {
    steps: Vec<Step>,
}

impl Road {
    /// Puts a switch at the end.
    pub(super) fn push(&mut self, number: u64, plan: Arc<Plan>) {
        self.steps.push(Step { number, plan, permanent: false });
    }

    /// Notes that the release that runs is permanent: what is gone back from now on goes down an edge.
    pub(super) fn make_permanent(&mut self) {
        if let Some(last) = self.steps.last_mut() {
            last.permanent = true;
        }
    }

    /// Forgets the switches that everything has gone over.
    pub(super) fn forget(&mut self, until: u64) {
        self.steps.retain(|step| step.number > until);
    }

    /// Returns the road with the switches before one only.
    pub(super) fn until(&self, switch: u64) -> Road {
        Road { steps: self.steps.iter().filter(|step| step.number < switch).cloned().collect() }
    }

    /// Returns the switch on top, while the node may go back from it to exactly what there was before.
    pub(super) fn provisional(&self) -> Option<&Step> {
        self.steps.last().filter(|step| !step.permanent && step.plan.way == Way::Up)
    }

    /// Returns all switches after one.
    pub(super) fn after(&self, switch: u64) -> &[Step] {
        let first = self.steps.partition_point(|step| step.number <= switch);
        &self.steps[first..]
    }

    /// Returns what a state has yet to go over that went over `switch` last. A way up and the way back from
    /// it are nothing together, unless the release was permanent in between: then the state was the newer
    /// one's for good.
    pub(super) fn for_state(&self, switch: u64) -> Vec<&Step> {
        self.reduced(switch, |up, back| up.plan.way == Way::Up && back.plan.way == Way::Down && !up.permanent)
    }

    /// Returns the same for a message or a timer, which wait in the types that they came in: any way and its
    /// way back are nothing together.
    pub(super) fn for_input(&self, switch: u64) -> Vec<&Step> {
        self.reduced(switch, |there, back| there.plan.way != back.plan.way)
    }

    fn reduced(&self, switch: u64, undoes: impl Fn(&Step, &Step) -> bool) -> Vec<&Step> {
        let mut left: Vec<&Step> = vec![];
        for step in self.after(switch) {
            match left.last() {
                Some(last) if last.plan.relup == step.plan.relup && undoes(last, step) => drop(left.pop()),
                _ => left.push(step),
            }
        }
        left
    }

    /// Returns true for a way back for which what instances were before the way up is exact: the release was never made
    /// permanent in between. What became of a later way up by the same relup says nothing of it, for an instance that
    /// goes over late comes to the same as one that went over at once.
    pub(super) fn is_exact(&self, back: &Step) -> bool {
        let is_of = |step: &&Step| step.plan.way == Way::Up && step.plan.relup == back.plan.relup;
        let before = self.steps.iter().rev().filter(|step| step.number < back.number);
        back.plan.way == Way::Down && before.into_iter().find(is_of).is_some_and(|up| !up.permanent)
    }
}
