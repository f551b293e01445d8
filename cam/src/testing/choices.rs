//! Choices: the tape that a generator reads, so that whatever it makes can be made again, smaller.
//!
//! A generator asks for numbers below a bound, where 0 is always the simplest choice. What it was
//! told stands on a tape, with marks around the choices that made each part. A tape with some
//! choices taken out or lowered makes something simpler, and still something well formed: so
//! shrinking needs to know nothing of what is made. Past the end of a tape all choices are 0.
//!
//! What must stay true: a generator whose choices are all 0 ends.

/// A tape of choices.
#[derive(Debug, Clone)]
pub struct Choices {
    tape: Vec<u32>,
    at: usize,
    /// Where new choices come from once the tape is at its end; `None`: they are 0.
    random: Option<u64>,
    marks: Vec<Mark>,
    open: Vec<usize>,
}

/// The choices that made a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Parts with the same label can stand for each other.
    label: u64,
    start: usize,
    end: usize,
}

impl Choices {
    /// Returns choices that only look random; the same seed gives the same ones.
    pub fn random(seed: u64) -> Choices {
        Choices { tape: vec![], at: 0, random: Some(seed), marks: vec![], open: vec![] }
    }

    /// Returns the choices of a tape.
    pub fn replay(tape: Vec<u32>) -> Choices {
        Choices { tape, at: 0, random: None, marks: vec![], open: vec![] }
    }

    /// Returns the tape as far as it was read, and its marks.
    pub(super) fn into_parts(mut self) -> (Vec<u32>, Vec<Mark>) {
        self.tape.truncate(self.at);
        (self.tape, self.marks)
    }

    /// Returns a number below `end`, which is at least 1. 0 is the simplest.
    pub fn below(&mut self, end: u32) -> u32 {
        assert!(end > 0, "there is something to choose from");
        if self.at == self.tape.len() {
            let next = self.random.as_mut().map_or(0, split_mix);
            self.tape.push((next >> 32) as u32 % end);
        }
        let choice = self.tape[self.at] % end;
        self.tape[self.at] = choice;
        self.at += 1;
        choice
    }

    /// Returns an index below `end`, which is at least 1.
    pub fn index(&mut self, end: usize) -> usize {
        self.below(u32::try_from(end).expect("fewer to choose from than numbers")) as usize
    }

    /// Returns true so many times in a hundred. False is simpler.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.below(100) >= 100 - percent.min(100)
    }

    /// Returns an index by weight; the first that has one is the simplest.
    pub fn weighted(&mut self, weights: &[u32]) -> usize {
        let mut left = self.below(weights.iter().sum());
        let chosen = weights.iter().position(|weight| {
            let here = left < *weight;
            left = left.saturating_sub(*weight);
            here
        });
        chosen.expect("the number is below the sum of the weights")
    }

    /// Returns one of the items, the first one being the simplest.
    pub fn pick<'i, T>(&mut self, items: &'i [T]) -> &'i T {
        &items[self.index(items.len())]
    }

    /// Returns any number of 64 bits.
    pub fn int(&mut self) -> i64 {
        (i64::from(self.below(u32::MAX)) << 32) | i64::from(self.below(u32::MAX))
    }

    /// Begins a part; returns what [`Choices::close`] takes.
    pub fn open(&mut self, label: u64) -> usize {
        self.marks.push(Mark { label, start: self.at, end: self.at });
        self.open.push(self.marks.len() - 1);
        self.open.len()
    }

    /// Ends the part that was begun last.
    pub fn close(&mut self, opened: usize) {
        assert_eq!(opened, self.open.len(), "parts end in the order in which they began");
        let mark = self.open.pop().expect("a part was begun");
        self.marks[mark].end = self.at;
    }
}

/// SplitMix64, by G. Steele, D. Lea and C. Flood, 2014.
fn split_mix(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A way to make candidates: the one of an index, which may have none, until there are no more.
type Pass = fn(&Shrink, usize) -> Option<Candidate>;
type Candidate = Option<Vec<u32>>;

/// How many parts of a part are tried in its place.
const HOISTS: usize = 8;

/// A search for a smaller tape, one candidate after another.
#[derive(Debug)]
pub(super) struct Shrink {
    best: Vec<u32>,
    marks: Vec<Mark>,
    pass: usize,
    index: usize,
}

impl Shrink {
    pub(super) fn new((best, marks): (Vec<u32>, Vec<Mark>)) -> Shrink {
        Shrink { best, marks, pass: 0, index: 0 }
    }

    /// Returns the smallest tape so far.
    pub(super) fn best(&self) -> &[u32] {
        &self.best
    }

    /// Takes a candidate that is as good. The search goes on where it is: what stands before has
    /// mostly been tried.
    pub(super) fn take(&mut self, (tape, marks): (Vec<u32>, Vec<Mark>)) {
        if is_smaller(&tape, &self.best) {
            (self.best, self.marks) = (tape, marks);
            self.index = self.index.saturating_sub(1);
        }
    }

    /// Returns the next tape to try; all are shorter than the best one, or as long and lower.
    pub(super) fn next(&mut self) -> Option<Vec<u32>> {
        loop {
            let passes: [Pass; 5] = [Shrink::empty, Shrink::hoist, Shrink::cut, Shrink::zero, Shrink::lower];
            let pass = passes.get(self.pass)?;
            match pass(self, self.index) {
                None => (self.pass, self.index) = (self.pass + 1, 0),
                Some(candidate) => {
                    self.index += 1;
                    if let Some(tape) = candidate.filter(|tape| is_smaller(tape, &self.best)) {
                        return Some(tape);
                    }
                }
            }
        }
    }

    fn spliced(&self, mark: &Mark, middle: &[u32]) -> Vec<u32> {
        [&self.best[..mark.start], middle, &self.best[mark.end..]].concat()
    }

    /// The simplest in the place of a part.
    fn empty(&self, index: usize) -> Option<Candidate> {
        let mark = self.marks.get(index)?;
        Some((mark.end > mark.start + 1).then(|| self.spliced(mark, &[0])))
    }

    /// A part of a part in its place, of the same label.
    fn hoist(&self, index: usize) -> Option<Candidate> {
        let (outer, nth) = (index / HOISTS, index % HOISTS);
        let mark = self.marks.get(outer)?;
        let mut inner = self.marks[outer + 1..]
            .iter()
            .take_while(|inner| inner.start < mark.end)
            .filter(|inner| inner.label == mark.label);
        Some(inner.nth(nth).map(|inner| self.spliced(mark, &self.best[inner.start..inner.end])))
    }

    /// Nothing in the place of a part: an item of a list fewer.
    fn cut(&self, index: usize) -> Option<Candidate> {
        let mark = self.marks.get(index)?;
        Some((mark.end > mark.start).then(|| self.spliced(mark, &[])))
    }

    fn zero(&self, index: usize) -> Option<Candidate> {
        let choice = *self.best.get(index)?;
        Some((choice > 0).then(|| self.with(index, 0)))
    }

    fn lower(&self, index: usize) -> Option<Candidate> {
        let (at, how) = (index / 2, index % 2);
        let choice = *self.best.get(at)?;
        Some((choice > 0).then(|| self.with(at, if how == 0 { choice / 2 } else { choice - 1 })))
    }

    fn with(&self, index: usize, choice: u32) -> Vec<u32> {
        let mut tape = self.best.clone();
        tape[index] = choice;
        tape
    }
}

/// Shorter, or as long and lower at the first difference.
fn is_smaller(tape: &[u32], than: &[u32]) -> bool {
    (tape.len(), tape) < (than.len(), than)
}
