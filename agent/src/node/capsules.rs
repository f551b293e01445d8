//! What failed lately, of all shards.

use std::sync::Arc;

use super::{Node, NodeError};
use crate::engine::Caught;

impl Node {
    /// Returns what failed lately, the oldest first, each with its number.
    ///
    /// # Errors
    ///
    /// When the node is gone.
    pub fn capsules(&mut self) -> Result<Vec<(u64, Arc<Caught>)>, NodeError> {
        let lists = self.crew.each(|shard| shard.capsules())?;
        let shards = lists.len() as u64;
        let numbered = |(shard, list): (usize, Vec<Arc<Caught>>)| {
            let number = move |caught: Arc<Caught>| (caught.number() * shards + shard as u64 + 1, caught);
            list.into_iter().map(number)
        };
        let mut all: Vec<_> = lists.into_iter().enumerate().flat_map(numbered).collect();
        all.sort_by_key(|(id, caught)| (caught.at_ms(), *id));
        Ok(all)
    }
}
