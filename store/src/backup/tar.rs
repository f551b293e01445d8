//! The form of the file: a tar of plain files, each with the one header that its name and size give.
//!
//! Whoever has `tar` can look into a backup. What is read is only what is written here: no links, no folders, no
//! extensions, no owners, no times.

/// What tars are made of.
pub(super) const BLOCK: u64 = 512;

/// A header.
pub(super) type Header = [u8; BLOCK as usize];

/// How many bytes a name may have.
const NAME_MAX: usize = 100;

const SIZE: std::ops::Range<usize> = 124..136;
const SUM: std::ops::Range<usize> = 148..156;
const KIND: usize = 156;
const MAGIC: std::ops::Range<usize> = 257..265;

/// Returns the header of a file.
pub(super) fn header(name: &str, bytes: u64) -> Header {
    let mut header = [0; BLOCK as usize];
    assert!(name.len() < NAME_MAX && name.is_ascii(), "names of a data folder are short: {name}");
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000600\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    if bytes < 1 << 33 {
        header[SIZE].copy_from_slice(format!("{bytes:011o}\0").as_bytes());
    } else {
        // Larger ones are in binary, marked by the highest bit.
        header[SIZE.start] = 0x80;
        header[SIZE.end - 8..SIZE.end].copy_from_slice(&bytes.to_be_bytes());
    }
    header[136..148].copy_from_slice(b"00000000000\0");
    header[SUM].copy_from_slice(b"        ");
    header[KIND] = b'0';
    header[MAGIC].copy_from_slice(b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[SUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// Returns how many zeros follow the bytes of a file.
pub(super) fn padding(bytes: u64) -> u64 {
    bytes.wrapping_neg() % BLOCK
}

/// Reads a header; nothing where a tar ends.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn read(header: &Header) -> Result<Option<(String, u64)>, String> {
    if header.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    if header[MAGIC.start..MAGIC.start + 5] != *b"ustar" {
        return Err("this is no header of a tar".to_owned());
    }
    let end = header[..NAME_MAX].iter().position(|byte| *byte == 0).unwrap_or(NAME_MAX);
    let name = String::from_utf8_lossy(&header[..end]).into_owned();
    if header[KIND] != b'0' {
        return Err(format!("`{name}` is a link, a folder or something else that is no file"));
    }
    let size = &header[SIZE];
    let bytes = if size[0] == 0x80 {
        let low: [u8; 8] = *size.last_chunk().expect("a size has 12 bytes");
        Some(u64::from_be_bytes(low)).filter(|_| size[1..4] == [0; 3])
    } else {
        let digits = std::str::from_utf8(&size[..11]).ok();
        digits.and_then(|digits| u64::from_str_radix(digits, 8).ok())
    };
    match bytes {
        // Its header is the one that is written for it, to the last byte: what else a tar can say is not meant.
        Some(bytes) if name.is_ascii() && name.len() < NAME_MAX && *header == self::header(&name, bytes) => {
            Ok(Some((name, bytes)))
        }
        _ => Err(format!("the header of `{name}` is not that of a file in a backup")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_says_name_and_size_and_nothing_else() {
        for (name, bytes) in
            [("log-0000000001", 0), ("blobs/a", 7), ("b", (1 << 33) - 1), ("c", 1 << 33), ("d", u64::MAX)]
        {
            assert_eq!(read(&header(name, bytes)), Ok(Some((name.to_owned(), bytes))));
        }
        assert_eq!(read(&[0; 512]), Ok(None));
        let good = header("a", 5);
        for place in 0..good.len() {
            let mut other = good;
            other[place] ^= 0x11;
            let reason = match place {
                KIND => "`a` is a link, a folder or something else that is no file".to_owned(),
                _ if (MAGIC.start..MAGIC.start + 5).contains(&place) => {
                    "this is no header of a tar".to_owned()
                }
                _ => {
                    let name = match place {
                        0 => "p",
                        1 => "a\u{11}",
                        _ => "a",
                    };
                    format!("the header of `{name}` is not that of a file in a backup")
                }
            };
            assert_eq!(read(&other), Err(reason), "byte {place}");
        }
        assert_eq!([0, 1, 511, 512, 513].map(padding), [0, 511, 1, 0, 511]);
    }
}
