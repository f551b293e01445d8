//! The tar.gz around a bundle: one way to write it, and nothing else is read.
//!
//! This is hostile-input code. It reads the one form that it writes: a single gzip member
//! without optional fields, and in it ustar headers that are, byte for byte, what the writer
//! would have written for the same path and size. Everything that tar readers disagree about
//! (links, devices, PAX and GNU extensions, sizes in base 256, a second end) has no room in that
//! form; that is why this does not go through a general tar reader, of which several recent
//! faults are known.
//!
//! Both sides go through the archive block by block: neither ever holds it as a whole. Reading is
//! in [`read`].

use std::io::Write as _;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

mod read;

pub(crate) use read::{Entry, Reader};

const BLOCK: usize = 512;

/// Magic, deflate, no optional fields, no time, best compression, unknown system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];

/// How hard the compressor works.
const LEVEL: Compression = Compression::best();

/// CRC-32 and length of the content.
const GZIP_TRAILER_BYTES: usize = 8;

/// The longest path that a ustar header holds in its first field. The second is not used.
pub(crate) const PATH_BYTES_MAX: usize = 100;

/// The places of the parts of a ustar header (POSIX.1-1988).
mod at {
    use std::ops::Range;
    pub(super) const NAME: Range<usize> = 0..100;
    pub(super) const MODE: Range<usize> = 100..108;
    pub(super) const UID: Range<usize> = 108..116;
    pub(super) const GID: Range<usize> = 116..124;
    pub(super) const SIZE: Range<usize> = 124..136;
    pub(super) const MTIME: Range<usize> = 136..148;
    pub(super) const CHECKSUM: Range<usize> = 148..156;
    pub(super) const KIND: usize = 156;
    pub(super) const MAGIC: Range<usize> = 257..265;
    pub(super) const DEVMAJOR: Range<usize> = 329..337;
    pub(super) const DEVMINOR: Range<usize> = 337..345;
}

/// The size of the end mark in bytes.
pub(crate) const END_BYTES: u64 = 2 * BLOCK as u64;

/// Returns how much of an archive a file of this size takes: its header, and its content in blocks.
pub(crate) fn bytes_of(size: u64) -> u64 {
    BLOCK as u64 + size.next_multiple_of(BLOCK as u64)
}

/// Writes files in the given order.
///
/// # Panics
///
/// When a path is longer than [`PATH_BYTES_MAX`]; the caller checks.
pub(crate) fn pack<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut packer = Packer::new(LEVEL);
    for (path, content) in files {
        packer.add(&header(path, content.len() as u64));
        packer.add(content);
        packer.add(&[0; BLOCK][..content.len().next_multiple_of(BLOCK) - content.len()]);
    }
    packer.add(&[0; 2 * BLOCK]);
    packer.finish()
}

/// Compresses as it is given; only what is compressed is held.
struct Packer {
    encoder: DeflateEncoder<Vec<u8>>,
    crc: Crc,
}

const NO_IO: &str = "writing to memory does not fail";

impl Packer {
    fn new(compression: Compression) -> Packer {
        Packer { encoder: DeflateEncoder::new(GZIP_HEADER.to_vec(), compression), crc: Crc::new() }
    }

    fn add(&mut self, content: &[u8]) {
        self.crc.update(content);
        self.encoder.write_all(content).expect(NO_IO);
    }

    fn finish(self) -> Vec<u8> {
        let mut out = self.encoder.finish().expect(NO_IO);
        out.extend(self.crc.sum().to_le_bytes());
        out.extend(self.crc.amount().to_le_bytes());
        out
    }
}

#[cfg(any(test, feature = "testing"))]
pub(crate) fn gzip(content: &[u8], compression: Compression) -> Vec<u8> {
    let mut packer = Packer::new(compression);
    packer.add(content);
    packer.finish()
}

/// Returns the only header that a regular file of this path and size may have.
pub(crate) fn header(path: &str, size: u64) -> [u8; BLOCK] {
    assert!(path.len() <= PATH_BYTES_MAX, "the caller checks the lengths of paths");
    let mut header = [0; BLOCK];
    header[..path.len()].copy_from_slice(path.as_bytes());
    header[at::MODE].copy_from_slice(b"0000644\0");
    header[at::UID].copy_from_slice(b"0000000\0");
    header[at::GID].copy_from_slice(b"0000000\0");
    header[at::SIZE].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[at::MTIME].copy_from_slice(b"00000000000\0");
    header[at::KIND] = b'0';
    header[at::MAGIC].copy_from_slice(b"ustar\x0000");
    header[at::DEVMAJOR].copy_from_slice(b"0000000\0");
    header[at::DEVMINOR].copy_from_slice(b"0000000\0");
    let checksum = format!("{:06o}\0 ", checksum(&header));
    header[at::CHECKSUM].copy_from_slice(checksum.as_bytes());
    header
}

/// The sum of all bytes, the checksum itself counted as blanks.
fn checksum(header: &[u8; BLOCK]) -> u32 {
    let counted = |(index, byte): (usize, &u8)| match at::CHECKSUM.contains(&index) {
        true => u32::from(b' '),
        false => u32::from(*byte),
    };
    header.iter().enumerate().map(counted).sum()
}

#[cfg(test)]
pub(crate) mod testing {
    pub(crate) use super::header;

    /// Packs an archive that a test has changed; without compressing, because tests do it often.
    pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
        super::gzip(content, flate2::Compression::none())
    }

    /// Recomputes the checksum of a header after a test has changed it.
    pub(crate) fn seal(header: &mut [u8; super::BLOCK]) {
        let checksum = format!("{:06o}\0 ", super::checksum(header));
        header[super::at::CHECKSUM].copy_from_slice(checksum.as_bytes());
    }
}
