//! Which numbers a value can still be, for `match` on numbers of a range.

use std::fmt;

/// How many ranges an error names; a person who has added those sees the next.
const NAMED_MAX: usize = 4;

/// Numbers as ranges: in order, apart from each other, both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numbers(Vec<(i64, i64)>);

impl Numbers {
    /// Returns the numbers from `lo` to `hi`.
    pub(super) fn range(lo: i64, hi: i64) -> Numbers {
        Numbers(if lo <= hi { vec![(lo, hi)] } else { vec![] })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns those from `lo` to `hi`, and the others.
    pub(super) fn split(&self, lo: i64, hi: i64) -> (Numbers, Numbers) {
        let (mut within, mut others) = (Vec::new(), Vec::new());
        for &(from, to) in &self.0 {
            if to < lo || hi < from {
                others.push((from, to));
                continue;
            }
            if from < lo {
                others.push((from, lo - 1));
            }
            within.push((from.max(lo), to.min(hi)));
            if hi < to {
                others.push((hi + 1, to));
            }
        }
        (Numbers(within), Numbers(others))
    }
}

/// Written as a pattern: `3 | 10..=20`; `_` where they go on without an end.
impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endless = |&(lo, hi): &(i64, i64)| lo == i64::MIN || hi == i64::MAX;
        if self.0.iter().any(endless) {
            return f.write_str("_");
        }
        for (index, (lo, hi)) in self.0.iter().take(NAMED_MAX).enumerate() {
            f.write_str(if index == 0 { "" } else { " | " })?;
            match lo == hi {
                true => write!(f, "{lo}")?,
                false => write!(f, "{lo}..={hi}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_keeps_every_number_on_one_side() {
        let numbers = Numbers::range(-3, 12);
        let (_, numbers) = numbers.split(2, 4);
        assert_eq!(numbers.0, [(-3, 1), (5, 12)]);
        for (lo, hi) in [(0, 5), (2, 4), (-9, 99), (1, 1), (-9, -4), (12, 12), (i64::MIN, i64::MAX)] {
            let (within, others) = numbers.split(lo, hi);
            for number in -4..=13i64 {
                let has = |numbers: &Numbers| numbers.0.iter().any(|(lo, hi)| (*lo..=*hi).contains(&number));
                assert_eq!(has(&within), has(&numbers) && (lo..=hi).contains(&number), "{number}");
                assert_eq!(has(&others), has(&numbers) && !(lo..=hi).contains(&number), "{number}");
            }
        }
    }

    #[test]
    fn the_ends_of_all_numbers_are_split_without_overflow() {
        let all = Numbers::range(i64::MIN, i64::MAX);
        assert_eq!(all.split(i64::MIN, i64::MIN).1.0, [(i64::MIN + 1, i64::MAX)]);
        assert_eq!(all.split(i64::MAX, i64::MAX).1.0, [(i64::MIN, i64::MAX - 1)]);
        assert!(all.split(i64::MIN, i64::MAX).1.is_empty());
    }

    #[test]
    fn numbers_are_written_as_a_pattern() {
        let words = |ranges: &[(i64, i64)]| Numbers(ranges.to_vec()).to_string();
        assert_eq!(words(&[(3, 3), (10, 20)]), "3 | 10..=20");
        assert_eq!(words(&[(3, 3), (10, i64::MAX)]), "_");
        assert_eq!(words(&[(1, 1), (3, 3), (5, 5), (7, 7), (9, 9)]), "1 | 3 | 5 | 7");
    }
}
