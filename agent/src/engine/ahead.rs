//! Working out ahead what becomes of large states that have yet to go over a switch.
//!
//! A trial remembers what it made of each part of a large state, so that the state goes over in no time when it is used
//! ([`super::trial`]). What it remembers is in memory: after a start it is gone, and with it what a trial left out because it
//! was too much. So who has the time works it out again, away from the shard, on a copy that shares all its parts with the
//! state, and the shard remembers it.
//!
//! What must stay true: it makes no difference to what becomes of an instance, only to how long that takes. What is remembered
//! is of the parts of a state and of the way that it goes: where either is another one by the time it is used, it is not
//! found there, and the state goes over as a whole.

use camshaft_cam::run::Memo;
use camshaft_cam::run::memo::Pause;
use camshaft_manifests::InstanceAddress;

use super::Shard;
use super::carry::bring;
use super::instance::{Instance, State};
use super::plan::Change;
use super::table::{Resident, Slot, Table};
use super::touch::Crossing;
use super::trial::PARTS_MAX;

/// A large state that has yet to go over a switch, as a copy that shares its parts.
#[derive(Debug)]
pub struct Behind {
    slot: Slot,
    crossing: Crossing,
}

/// What was made of its parts.
#[derive(Debug)]
pub struct Ahead {
    slot: Slot,
    address: InstanceAddress,
    /// The number of the switch that it was to go over last.
    switch: u64,
    memo: Memo,
}

/// What a slice of a shard has.
#[derive(Debug, Default)]
pub struct BehindSome {
    /// The first that is behind, if there is one.
    pub found: Option<Box<Behind>>,
    /// The slot at which the walk goes on; none at its end.
    pub next: Option<usize>,
}

impl Behind {
    /// Works out what becomes of it, and calls `pause` again and again meanwhile.
    pub fn work_out(mut self, pause: Pause) -> Ahead {
        let mut memo = Memo::pausing(pause);
        let Crossing { road, address, instance, to, number } = &mut self.crossing;
        // That it fails says whoever uses it; to fail takes no longer then.
        bring(road, address, instance, (&*to, *number), &mut memo);
        let (address, switch) = (address.clone(), *number);
        Ahead { slot: self.slot, address, switch, memo: memo.go_on() }
    }
}

impl Ahead {
    /// Returns how many parts were done.
    pub fn done(&self) -> usize {
        self.memo.done()
    }
}

impl Shard {
    /// Says whether somebody works ahead: then the sweeper waits for what that comes to.
    pub fn set_working_ahead(&mut self, works: bool) {
        self.working_ahead = works;
    }

    /// Looks at up to `most` slots for a large state that has yet to go over a switch, and of which nothing is remembered.
    pub fn behind_some(&self, from: usize, most: usize) -> BehindSome {
        let end = from.saturating_add(most.max(1)).min(self.table.slots());
        for number in from..end {
            if let Some((slot, resident)) = self.table.at(number)
                && self.is_behind(slot)
            {
                let behind = Behind { slot, crossing: self.crossing(resident) };
                return BehindSome { found: Some(Box::new(behind)), next: Some(number + 1) };
            }
        }
        BehindSome { found: None, next: (end < self.table.slots()).then_some(end) }
    }

    /// Returns true for a large state that has an edge before it and of which nothing is remembered.
    pub(super) fn is_behind(&self, slot: Slot) -> bool {
        let Resident { instance, .. } = &self.table[slot];
        instance.switch != self.switch
            && matches!(&instance.state, State::Live(state) if state.is_large())
            && !self.memos.contains_key(&Table::number(slot))
            && self.goes_along_an_edge(instance)
    }

    fn goes_along_an_edge(&self, instance: &Instance) -> bool {
        let mut machine = &instance.code.address;
        for step in self.road.for_state(instance.switch) {
            match step.plan.pairs.get(machine) {
                Some(Change::Moves { .. }) => return true,
                Some(change) => machine = change.to().map_or(machine, |to| &to.address),
                None => {}
            }
        }
        false
    }

    /// Remembers what was worked out, unless the state went over meanwhile, or has another way to go. Returns whether it does.
    pub fn remember(&mut self, ahead: Ahead) -> bool {
        let Ahead { slot, address, switch, memo } = ahead;
        let number = Table::number(slot);
        let is_behind = |resident: &Resident| {
            switch == self.switch && resident.address == address && resident.instance.switch != switch
        };
        let wanted = !memo.is_empty()
            && self.table.at(number).is_some_and(|(_, resident)| is_behind(resident))
            && self.may_remember();
        let needless = if wanted { self.memos.insert(number, memo) } else { Some(memo) };
        self.out.discard(needless);
        wanted
    }

    /// Returns of how many large states something is remembered, and how many parts of them.
    pub fn remembered(&self) -> (usize, usize) {
        (self.memos.len(), self.memos.values().map(Memo::parts).sum())
    }

    /// Returns true while something may be remembered of another state.
    pub(super) fn may_remember(&self) -> bool {
        self.remembered().1 < PARTS_MAX
    }
}
