//! Numbers that look random and follow from a seed: SplitMix64.
//!
//! Each step of a run has numbers of its own, made of the seed and the number of the step. So a step does the
//! same whatever the steps before it did, as far as it still can, and a run that fails can be made shorter
//! by leaving steps out.

/// A stream of numbers.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// Returns the stream of a step of a run.
    pub fn of(seed: u64, step: u64) -> Rng {
        let mut rng =
            Rng(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ step.wrapping_mul(0xD1B5_4A32_D192_ED03));
        rng.next();
        rng
    }

    /// Returns the next number.
    #[expect(clippy::should_implement_trait, reason = "a stream without an end needs no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The little that this prefers small numbers by does not matter here.
        self.next() % bound.max(1)
    }

    /// Returns true so many times in a hundred.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// Returns one of several things.
    pub fn pick<'t, T>(&mut self, things: &'t [T]) -> &'t T {
        let place = self.below(things.len() as u64);
        &things[usize::try_from(place).unwrap_or(0)]
    }

    /// Returns one of several things, each as often as its weight says.
    pub fn weighted<'t, T>(&mut self, things: &'t [T], weight: impl Fn(&T) -> u64) -> &'t T {
        let mut left = self.below(things.iter().map(&weight).sum());
        for thing in things {
            match left.checked_sub(weight(thing)) {
                Some(rest) => left = rest,
                None => return thing,
            }
        }
        unreachable!("the number is below the sum of the weights")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_step_has_the_same_numbers_and_another_has_others() {
        let first = |seed, step| Rng::of(seed, step).next();
        assert_eq!(first(1, 2), first(1, 2));
        assert_ne!(first(1, 2), first(2, 1));
        assert_ne!(first(1, 2), first(1, 3));
    }

    #[test]
    fn weights_count() {
        let mut rng = Rng::of(3, 0);
        let mut found = [0; 3];
        for _ in 0..1000 {
            found[*rng.weighted(&[0usize, 1, 2], |at| [1, 0, 9][*at])] += 1;
        }
        assert!(found[1] == 0 && found[0] > 50 && found[2] > 800, "{found:?}");
    }
}
