//! What is done to a log.

use camshaft_store::{Chunk, Class};

/// Numbers from a seed: SplitMix64.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// One thing that is done.
#[derive(Debug, Clone)]
pub enum Step {
    Append(Vec<Chunk>, Class),
    /// Lets go of all but so many entries.
    KeepLast(u64),
    /// Does what is to be done on files.
    Chore,
    /// Leaves so many bytes, or takes the limit away.
    Leave(Option<u64>),
    MakeRoom,
}

impl Step {
    pub fn random(dice: &mut Dice) -> Step {
        match dice.below(20) {
            0 => Step::KeepLast(dice.below(40)),
            1..4 => Step::Chore,
            4 => Step::Leave(Some(dice.below(12_000))),
            5 => Step::Leave(None),
            6 => Step::MakeRoom,
            _ => {
                let chunks = (0..1 + dice.below(3)).map(|_| chunk(dice)).collect();
                Step::Append(chunks, if dice.below(4) == 0 { Class::Control } else { Class::Input })
            }
        }
    }
}

fn chunk(dice: &mut Dice) -> Chunk {
    let mut chunk = Chunk::new(u16::try_from(dice.below(4)).expect("it is small"), dice.below(3));
    for _ in 0..dice.below(4) {
        // Now and then one that is larger than a segment.
        let most =
            [40, 300, 1_000, 6_000][usize::try_from(dice.below(16)).expect("small").saturating_sub(12)];
        let byte = u8::try_from(dice.below(256)).expect("a byte");
        chunk.push(&vec![byte; usize::try_from(dice.below(most)).expect("it is small")]);
    }
    chunk
}

/// The script of which every operation is made to fail: groups small and large, one larger than a segment, letting go,
/// segments ahead of time and in the nick of time, and a disk that is full for a while.
pub fn scripted() -> Vec<Step> {
    let group = |lane: u16, lengths: &[usize], class| {
        let mut chunks = [Chunk::new(lane, 0), Chunk::new(lane + 1, 1)];
        for (number, length) in lengths.iter().enumerate() {
            let byte = u8::try_from(length % 251).expect("below 251");
            chunks[number % 2].push(&vec![byte; *length]);
        }
        Step::Append(chunks.into(), class)
    };
    let (input, control) = (Class::Input, Class::Control);
    vec![
        group(0, &[100], control),
        group(1, &[10, 20, 30], input),
        Step::Chore,
        group(2, &[700, 600], input),
        group(3, &[1_500, 3, 4], input),
        group(4, &[2_000, 1, 2], input),
        Step::KeepLast(4),
        Step::Chore,
        group(5, &[900, 900, 900], input),
        group(6, &[1_000, 5, 6, 7, 8], input),
        Step::KeepLast(3),
        group(7, &[2_500], input),
        Step::Chore,
        group(8, &[9_000, 1], input),
        group(9, &[1, 2, 3, 4, 5, 6], input),
        Step::Leave(Some(0)),
        group(1, &[1_700, 9], control),
        group(2, &[1_800, 9], input),
        group(3, &[1_900, 9], input),
        group(4, &[11], control),
        Step::KeepLast(6),
        Step::Leave(None),
        Step::MakeRoom,
        group(5, &[1_800, 9, 1, 1, 1], input),
        Step::Chore,
        group(6, &[800, 9], input),
        Step::KeepLast(1),
        Step::Chore,
        group(7, &[80, 9], input),
        group(8, &[1, 2, 3], control),
    ]
}
