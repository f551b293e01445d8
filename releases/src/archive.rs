//! The tar.gz around a bundle: one way to write it, and nothing else is read.
//!
//! This is hostile-input code. It reads the one form that it writes: a single gzip member
//! without optional fields, and in it ustar headers that are, byte for byte, what the writer
//! would have written for the same path and size. Everything that tar readers disagree about
//! (links, devices, PAX and GNU extensions, sizes in base 256, a second end) has no room in that
//! form; that is why this does not go through a general tar reader, of which several recent
//! faults are known.
//!
//! What must stay true: no length from the input is trusted before it was compared with what is
//! there, and no more than [`Limits`] allow is ever held.

use std::io::{Read as _, Write as _};

use camshaft_manifests::RelativePath;
use flate2::bufread::DeflateDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

use crate::bundle::{BundleError, Limits};

const BLOCK: usize = 512;

/// Magic, deflate, no optional fields, no time, best compression, unknown system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];

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
    let mut tar = Vec::new();
    for (path, content) in files {
        tar.extend(header(path, content.len() as u64));
        tar.extend(content);
        tar.resize(tar.len().next_multiple_of(BLOCK), 0);
    }
    tar.resize(tar.len() + 2 * BLOCK, 0);
    gzip(&tar, Compression::best())
}

pub(crate) fn gzip(content: &[u8], compression: Compression) -> Vec<u8> {
    let no_io = "writing to memory does not fail";
    let mut encoder = DeflateEncoder::new(GZIP_HEADER.to_vec(), compression);
    encoder.write_all(content).expect(no_io);
    let mut out = encoder.finish().expect(no_io);
    let mut crc = Crc::new();
    crc.update(content);
    out.extend(crc.sum().to_le_bytes());
    out.extend(crc.amount().to_le_bytes());
    out
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

/// Reads what [`pack`] wrote: the files in their order.
///
/// # Errors
///
/// The first thing that [`pack`] would not have written, or that exceeds the limits.
pub(crate) fn unpack(bytes: &[u8], limits: &Limits) -> Result<Vec<(RelativePath, Vec<u8>)>, BundleError> {
    if bytes.len() > limits.compressed_bytes_max {
        let max = limits.compressed_bytes_max;
        return Err(BundleError::TooLarge { bytes: bytes.len(), max });
    }
    let tar = gunzip(bytes, limits)?;
    let mut files: Vec<(RelativePath, Vec<u8>)> = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    let mut rest: &[u8] = &tar;
    loop {
        let (block, after) = rest.split_first_chunk::<BLOCK>().ok_or(BundleError::Truncated("a header"))?;
        if block.iter().all(|byte| *byte == 0) {
            return check_end(after).map(|()| files);
        }
        if files.len() == limits.files_max {
            return Err(BundleError::TooManyFiles { max: limits.files_max });
        }
        let (path, size) = read_header(block, limits)?;
        let padded = size.next_multiple_of(BLOCK);
        let content = after.get(..padded).ok_or(BundleError::Truncated("a file"))?;
        let (content, padding) = content.split_at(size);
        if padding.iter().any(|byte| *byte != 0) {
            return Err(BundleError::Padding { path });
        }
        if !seen.insert(path.clone()) {
            return Err(BundleError::Doubled { path });
        }
        files.push((path, content.to_vec()));
        rest = &after[padded..];
    }
}

/// The end is a second block of zeros, and then nothing.
fn check_end(after: &[u8]) -> Result<(), BundleError> {
    let (block, after) = after.split_first_chunk::<BLOCK>().ok_or(BundleError::Truncated("the end mark"))?;
    if block.iter().any(|byte| *byte != 0) || !after.is_empty() {
        return Err(BundleError::AfterEnd);
    }
    Ok(())
}

pub(crate) fn gunzip(bytes: &[u8], limits: &Limits) -> Result<Vec<u8>, BundleError> {
    let header = bytes.get(..GZIP_HEADER.len());
    let header = header.ok_or(BundleError::Truncated("the gzip header"))?;
    if header != GZIP_HEADER {
        return Err(BundleError::GzipHeader);
    }
    let mut content = Vec::new();
    let mut decoder = DeflateDecoder::new(&bytes[GZIP_HEADER.len()..]);
    // One byte more than allowed, so that reaching the limit and passing it differ.
    let limit = limits.unpacked_bytes_max as u64 + 1;
    match (&mut decoder).take(limit).read_to_end(&mut content) {
        Ok(_) if content.len() > limits.unpacked_bytes_max => {
            return Err(BundleError::UnpackedTooLarge { max: limits.unpacked_bytes_max });
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            return Err(BundleError::Truncated("the compressed data"));
        }
        Err(_) => return Err(BundleError::Deflate),
    }
    let trailer = decoder.into_inner();
    if trailer.len() < GZIP_TRAILER_BYTES {
        return Err(BundleError::Truncated("the gzip trailer"));
    }
    // A second member would stand here; so would anything that someone appended.
    if trailer.len() > GZIP_TRAILER_BYTES {
        return Err(BundleError::AfterEnd);
    }
    let mut crc = Crc::new();
    crc.update(&content);
    let expected = [crc.sum().to_le_bytes(), crc.amount().to_le_bytes()].concat();
    if trailer != expected {
        return Err(BundleError::Checksum);
    }
    Ok(content)
}

fn read_header(block: &[u8; BLOCK], limits: &Limits) -> Result<(RelativePath, usize), BundleError> {
    let name = &block[at::NAME];
    let name = name.split(|byte| *byte == 0).next().unwrap_or(name);
    let shown = String::from_utf8_lossy(name).into_owned();
    // The kind first: the name of an extension's pseudo-file means nothing.
    if let Some(kind) = kind_in_words(block[at::KIND]) {
        return Err(BundleError::Kind { path: shown, kind });
    }
    let text = std::str::from_utf8(name).map_err(|_| BundleError::Header { path: shown.clone() })?;
    let path: RelativePath =
        text.parse().map_err(|source| BundleError::Path { path: shown.clone(), source })?;
    let size = std::str::from_utf8(&block[at::SIZE][..11])
        .ok()
        .and_then(|octal| usize::from_str_radix(octal, 8).ok())
        .ok_or_else(|| BundleError::Header { path: shown.clone() })?;
    if size > limits.file_bytes_max {
        return Err(BundleError::FileTooLarge { path, max: limits.file_bytes_max });
    }
    // Whatever else may differ (mode, owner, time, prefix, checksum): one form only.
    if *block != header(path.as_str(), size as u64) {
        return Err(BundleError::Header { path: shown });
    }
    Ok((path, size))
}

/// Returns what an entry is if it is no regular file.
fn kind_in_words(kind: u8) -> Option<&'static str> {
    Some(match kind {
        b'0' => return None,
        b'1' => "a hard link",
        b'2' => "a symbolic link",
        b'3' | b'4' => "a device",
        b'5' => "a folder",
        b'6' => "a pipe",
        b'x' | b'g' => "a PAX extension",
        b'L' | b'K' | b'S' | b'D' | b'M' | b'V' => "a GNU extension",
        _ => "of an unknown kind",
    })
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
