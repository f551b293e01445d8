//! Choices that can be made again: a generator with a seed that failure messages name.

/// A generator of choices (SplitMix64).
#[derive(Debug, Clone)]
pub struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    /// Returns the generator of this run: the seed is `CAMSHAFT_TEST_SEED`, or new each time.
    pub fn of_this_run() -> Random {
        let given = std::env::var("CAMSHAFT_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let clock = || {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(1, |now| now.as_secs() ^ u64::from(now.subsec_nanos()) << 20)
        };
        let seed = given.unwrap_or_else(clock);
        Random { seed, state: seed }
    }

    /// Returns the seed, for the failure message.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns a number from 0 to `bound` - 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % bound.max(1)
    }

    /// Returns a generator of its own for a part of the test.
    pub fn fork(&mut self) -> Random {
        Random { seed: self.seed, state: self.below(u64::MAX) }
    }
}
