//! Numbers that only look random: the same seed gives the same ones on every machine.

/// A generator (SplitMix64, by G. Steele, D. Lea and C. Flood, 2014).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Returns the generator for a part of the work: parts do not shift each other's numbers.
    pub(crate) fn new(seed: u64, name: &str, part: u64) -> Random {
        // FNV-1a over the name.
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in name.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        let mut random = Random(seed);
        let seed = random.next() ^ hash;
        Random(seed.wrapping_add(part.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `end`; 0 when there is none.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        if end == 0 { 0 } else { (self.next() % end as u64) as usize }
    }

    /// Returns true `part` times in `whole`.
    pub(crate) fn odds(&mut self, part: usize, whole: usize) -> bool {
        self.below(whole) < part
    }

    /// Returns a number from `lo` to `hi`, both included.
    pub(crate) fn within(&mut self, lo: i64, hi: i64) -> i64 {
        let span = (i128::from(hi) - i128::from(lo) + 1).max(1) as u128;
        let offset = (u128::from(self.next()) % span) as i128;
        i64::try_from(i128::from(lo) + offset).unwrap_or(hi)
    }

    /// Returns one of the items.
    pub(crate) fn pick<'i, T>(&mut self, items: &'i [T]) -> &'i T {
        &items[self.below(items.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_the_same_everywhere_and_for_ever() {
        let mut random = Random::new(7, "a name", 3);
        let first = [random.next(), random.next()];
        let mut again = Random::new(7, "a name", 3);
        assert_eq!([again.next(), again.next()], first);
        let other = |seed, name, part| Random::new(seed, name, part).next();
        assert!(
            [other(8, "a name", 3), other(7, "another", 3), other(7, "a name", 4)]
                .iter()
                .all(|number| *number != first[0])
        );
        // A failure that somebody reports with its seed stays that failure.
        assert_eq!(first, [7_943_403_738_032_501_482, 17_609_472_308_843_613_678]);
    }

    #[test]
    fn ranges_hold_their_ends() {
        let mut random = Random::new(0, "", 0);
        let seen: std::collections::BTreeSet<i64> = (0..200).map(|_| random.within(-2, 2)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2]);
        for _ in 0..100 {
            random.within(i64::MIN, i64::MAX);
        }
        assert_eq!(random.within(5, 5), 5);
        assert_eq!(random.below(0), 0);
    }
}
