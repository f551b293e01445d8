//! What a lane hands to the log: entries in a row, in the form in which they are written.

/// Bytes that a length of 32 bits takes at most.
const LENGTH_MOST: usize = 5;

/// Entries of one lane, one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chunk {
    /// Whose they are.
    pub lane: u16,
    /// How many state snapshots the lane had begun.
    pub cut: u64,
    /// How many entries there are.
    pub count: u32,
    /// The entries: of each its length, as LEB128 without needless bytes, and its bytes.
    pub bytes: Vec<u8>,
}

impl Chunk {
    /// Returns a chunk without entries.
    pub fn new(lane: u16, cut: u64) -> Chunk {
        Chunk { lane, cut, count: 0, bytes: Vec::new() }
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: &[u8]) {
        put(&mut self.bytes, entry);
        self.count += 1;
    }

    /// Appends an entry that `write` writes where it stays. `write` gets all the bytes of the chunk and
    /// appends to them; what it finds there it leaves.
    ///
    /// # Panics
    ///
    /// When `write` shortened the bytes.
    pub fn push_with<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        // Most entries have a length of two bytes; the others are moved by a byte or more.
        const GUESS: usize = 2;
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; GUESS]);
        let written = write(&mut self.bytes);
        let length = self.bytes.len().checked_sub(start + GUESS).expect("an entry is appended");
        let (leb, size) = leb128(u32::try_from(length).expect("an entry is below 4 GiB"));
        match size {
            ..GUESS => {
                self.bytes.copy_within(start + GUESS.., start + size);
                self.bytes.truncate(start + size + length);
            }
            GUESS => {}
            _ => {
                self.bytes.resize(start + size + length, 0);
                self.bytes.copy_within(start + GUESS..start + GUESS + length, start + size);
            }
        }
        self.bytes[start..start + size].copy_from_slice(&leb[..size]);
        self.count += 1;
        written
    }

    /// Returns the entries.
    pub fn entries(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || take(&mut rest))
    }

    /// Returns whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

fn leb128(mut number: u32) -> ([u8; LENGTH_MOST], usize) {
    let mut bytes = [0; LENGTH_MOST];
    let mut size = 0;
    loop {
        let low = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        bytes[size] = if number == 0 { low } else { low | 0x80 };
        size += 1;
        if number == 0 {
            return (bytes, size);
        }
    }
}

/// Appends the length of bytes, and the bytes.
pub(crate) fn put(to: &mut Vec<u8>, bytes: &[u8]) {
    let (leb, size) = leb128(u32::try_from(bytes.len()).expect("an entry is below 4 GiB"));
    to.extend_from_slice(&leb[..size]);
    to.extend_from_slice(bytes);
}

/// Takes the first entry off, if the bytes begin with one.
pub(crate) fn take<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let mut length = 0_usize;
    for place in 0..LENGTH_MOST {
        let byte = *bytes.get(place)?;
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let rest = &bytes[place + 1..];
            let entry = rest.get(..length)?;
            *bytes = &rest[length..];
            return Some(entry);
        }
    }
    None
}

/// Returns whether the bytes are so many entries and nothing else.
pub(super) fn are_entries(mut bytes: &[u8], count: u32) -> bool {
    (0..count).all(|_| take(&mut bytes).is_some()) && bytes.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_all_lengths_come_back_and_both_ways_write_the_same() {
        let lengths = [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152];
        let (mut pushed, mut written) = (Chunk::new(3, 7), Chunk::new(3, 7));
        for (number, length) in lengths.into_iter().enumerate() {
            let entry = vec![u8::try_from(number).expect("few") + 1; length];
            pushed.push(&entry);
            let told = written.push_with(|bytes| {
                bytes.extend_from_slice(&entry);
                number
            });
            assert_eq!(told, number);
        }
        assert!(pushed == written, "the same bytes, however they came there");
        assert!(are_entries(&pushed.bytes, pushed.count));
        let mut rest = pushed.bytes.as_slice();
        for (number, length) in lengths.into_iter().enumerate() {
            let entry = take(&mut rest).expect("it is there");
            assert!(entry.len() == length && entry.iter().all(|byte| usize::from(*byte) == number + 1));
        }
        assert_eq!((rest, take(&mut rest)), (&[][..], None));
    }

    #[test]
    fn what_is_not_so_many_entries_is_noticed() {
        let mut chunk = Chunk::new(0, 0);
        assert!(chunk.is_empty());
        chunk.push(b"ab");
        chunk.push(b"c");
        assert_eq!(chunk.bytes, b"\x02ab\x01c");
        assert!(are_entries(&chunk.bytes, 2));
        assert!(!are_entries(&chunk.bytes, 1), "more than were counted");
        assert!(!are_entries(&chunk.bytes, 3), "fewer than were counted");
        assert!(!are_entries(&chunk.bytes[..4], 2), "the last ends early");
        assert!(!are_entries(&[0x80; 6], 1), "a length that does not end");
    }
}
