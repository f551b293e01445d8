//! After a start: large states that have yet to go over a switch are worked out ahead of their use, one after the other, away
//! from the shards.

use super::{Node, NodeError};
use crate::engine::{Ahead, Behind, PARTS_MAX, SLICE, Shard};

/// Where a walk over all instances is that looks for large states.
#[derive(Debug)]
pub struct Walk {
    /// By shard: the next slot; none at its end.
    places: Vec<Option<usize>>,
}

/// A large state of a shard.
#[derive(Debug)]
pub struct LargeState {
    shard: usize,
    behind: Box<Behind>,
}

/// What was worked out of it.
#[derive(Debug)]
pub struct WorkedOut {
    shard: usize,
    ahead: Ahead,
}

impl LargeState {
    /// Works out what becomes of it, and calls `pause` again and again meanwhile.
    pub fn work_out(self, pause: Box<dyn FnMut() + Send>) -> WorkedOut {
        WorkedOut { shard: self.shard, ahead: self.behind.work_out(pause) }
    }
}

impl WorkedOut {
    /// Returns how many parts of the state were done.
    pub fn done(&self) -> usize {
        self.ahead.done()
    }
}

impl Node {
    /// Returns true while instances may have yet to go over a switch.
    pub fn may_be_behind(&self) -> bool {
        self.ledger.switch > 1 && self.ledger.swept < self.ledger.switch
    }

    /// Begins to look for large states that have yet to go over a switch; from now on the sweeper waits for what is worked out
    /// of them, until [`Node::end_ahead`]. Returns nothing when all have gone over.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn begin_ahead(&mut self) -> Result<Option<Walk>, NodeError> {
        if !self.may_be_behind() {
            return Ok(None);
        }
        self.crew.each(|shard| shard.set_working_ahead(true))?;
        Ok(Some(Walk { places: (0..self.crew.shards()).map(|_| Some(0)).collect() }))
    }

    /// Looks at a slice of each shard. Returns what is behind there, one state of each at most, and where the walk goes on;
    /// nothing at its end, or when as much is remembered as may be.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn look_ahead(&mut self, walk: Walk) -> Result<(Vec<LargeState>, Option<Walk>), NodeError> {
        if self.remembered()?.1 >= PARTS_MAX {
            return Ok((vec![], None));
        }
        let look = |shard: &mut Shard, place: usize| shard.behind_some(place, SLICE);
        let slices =
            self.crew.each_with(walk.places, move |shard, place| place.map(|place| look(shard, place)))?;
        let (mut found, mut places) = (vec![], vec![]);
        for (shard, slice) in slices.into_iter().enumerate() {
            let slice = slice.unwrap_or_default();
            found.extend(slice.found.map(|behind| LargeState { shard, behind }));
            places.push(slice.next);
        }
        let goes_on = places.iter().any(Option::is_some);
        Ok((found, goes_on.then_some(Walk { places })))
    }

    /// Lets a shard remember what was worked out. Returns false when it is of no use any more, or too much.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn remember_ahead(&mut self, worked_out: WorkedOut) -> Result<bool, NodeError> {
        let WorkedOut { shard: of, ahead } = worked_out;
        let mut each: Vec<Option<Ahead>> = (0..self.crew.shards()).map(|_| None).collect();
        if let Some(place) = each.get_mut(of) {
            *place = Some(ahead);
        }
        let remembered =
            self.crew.each_with(each, |shard, ahead| ahead.map(|ahead| shard.remember(ahead)))?;
        Ok(remembered.into_iter().flatten().any(|remembers| remembers))
    }

    /// Returns of how many large states that have yet to go over a switch something is remembered, and how many parts of them.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn remembered(&mut self) -> Result<(usize, usize), NodeError> {
        let each = self.crew.each(|shard| shard.remembered())?;
        Ok(each.into_iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1)))
    }

    /// Ends it: the sweeper waits no more.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn end_ahead(&mut self) -> Result<(), NodeError> {
        self.crew.each(|shard| shard.set_working_ahead(false)).map(drop)
    }
}
