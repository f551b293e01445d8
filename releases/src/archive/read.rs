//! Reading an archive block by block, from a source that nobody has looked at yet.
//!
//! What must stay true: no length from the input is trusted before it was compared with what is
//! there; besides the file that is being read, no more is held than a few buffers of fixed size;
//! whatever comes, no more is read and unpacked than [`Limits`] allow.

use std::collections::BTreeSet;
use std::io::{BufReader, Read};

use camshaft_manifests::RelativePath;
use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::{BLOCK, GZIP_HEADER, GZIP_TRAILER_BYTES, at, header};
use crate::bundle::{BundleError, Limits};

/// How much is read from the source at once, and how much memory a file gets before any of it is there.
const BUFFER_BYTES: usize = 64 << 10;

/// Goes through the files of an archive in their order.
pub(crate) struct Reader<R> {
    member: Member<R>,
    limits: Limits,
    seen: BTreeSet<RelativePath>,
}

/// The header of a file whose content comes next.
pub(crate) struct Entry {
    pub(crate) path: RelativePath,
    pub(crate) size: usize,
}

impl<R: Read> Reader<R> {
    /// Reads the gzip header.
    pub(crate) fn open(source: R, limits: &Limits) -> Result<Reader<R>, BundleError> {
        let member = Member::open(source, limits)?;
        Ok(Reader { member, limits: *limits, seen: BTreeSet::new() })
    }

    /// Reads the next header, or the end of everything.
    ///
    /// # Errors
    ///
    /// The first thing that [`super::pack`] would not have written, or that exceeds the limits.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, BundleError> {
        let mut block = [0; BLOCK];
        self.member.fill(&mut block, "a header")?;
        if block.iter().all(|byte| *byte == 0) {
            return self.end().map(|()| None);
        }
        if self.seen.len() == self.limits.files_max {
            return Err(BundleError::TooManyFiles { max: self.limits.files_max });
        }
        let entry = read_header(&block, &self.limits)?;
        if !self.seen.insert(entry.path.clone()) {
            return Err(BundleError::Doubled { path: entry.path });
        }
        Ok(Some(entry))
    }

    /// Reads the content of the file whose header was read last.
    ///
    /// # Errors
    ///
    /// As with [`Reader::next`].
    pub(crate) fn content(&mut self, entry: &Entry) -> Result<Vec<u8>, BundleError> {
        let mut content: Vec<u8> = Vec::new();
        while content.len() < entry.size {
            // At most twice what has come already: to claim much costs us nothing.
            let known = content.len();
            let wanted = entry.size.min((2 * known).max(BUFFER_BYTES));
            content.reserve_exact(wanted - known);
            content.resize(wanted, 0);
            self.member.fill(&mut content[known..], "a file")?;
        }
        let mut padding = [0; BLOCK];
        let padding = &mut padding[..entry.size.next_multiple_of(BLOCK) - entry.size];
        self.member.fill(padding, "a file")?;
        if padding.iter().any(|byte| *byte != 0) {
            return Err(BundleError::Padding { path: entry.path.clone() });
        }
        Ok(content)
    }

    /// The end is a second block of zeros, and then nothing.
    fn end(&mut self) -> Result<(), BundleError> {
        let mut block = [0; BLOCK];
        self.member.fill(&mut block, "the end mark")?;
        if block.iter().any(|byte| *byte != 0) {
            return Err(BundleError::AfterEnd);
        }
        self.member.end()
    }
}

/// The one gzip member of a bundle.
struct Member<R> {
    decoder: DeflateDecoder<BufReader<Source<R>>>,
    crc: Crc,
    /// How much may be unpacked.
    max: usize,
    /// How much was.
    unpacked: usize,
}

impl<R: Read> Member<R> {
    fn open(source: R, limits: &Limits) -> Result<Member<R>, BundleError> {
        let max = limits.compressed_bytes_max;
        let source = Source { inner: source, max, left: max, failed: None };
        let mut source = BufReader::with_capacity(BUFFER_BYTES, source);
        let mut header = [0; GZIP_HEADER.len()];
        if fill(&mut source, &mut header)? < header.len() {
            return Err(BundleError::Truncated("the gzip header"));
        }
        if header != GZIP_HEADER {
            return Err(BundleError::GzipHeader);
        }
        let decoder = DeflateDecoder::new(source);
        Ok(Member { decoder, crc: Crc::new(), max: limits.unpacked_bytes_max, unpacked: 0 })
    }

    /// Fills the buffer with what comes next.
    fn fill(&mut self, buffer: &mut [u8], within: &'static str) -> Result<(), BundleError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => return Err(BundleError::Truncated(within)),
                length => filled += length,
            }
        }
        Ok(())
    }

    /// Reads some bytes; none at the end.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, BundleError> {
        let length = match self.decoder.read(buffer) {
            Ok(length) => length,
            Err(error) => {
                let failed = self.decoder.get_mut().get_mut().failed.take();
                return Err(failed.unwrap_or(match error.kind() {
                    std::io::ErrorKind::UnexpectedEof => BundleError::Truncated("the compressed data"),
                    _ => BundleError::Deflate,
                }));
            }
        };
        self.unpacked += length;
        if self.unpacked > self.max {
            return Err(BundleError::UnpackedTooLarge { max: self.max });
        }
        self.crc.update(&buffer[..length]);
        Ok(length)
    }

    /// Nothing more is in the member, its checksum is right, and nothing follows it.
    fn end(&mut self) -> Result<(), BundleError> {
        if self.read(&mut [0])? > 0 {
            return Err(BundleError::AfterEnd);
        }
        let source = self.decoder.get_mut();
        let mut trailer = [0; GZIP_TRAILER_BYTES];
        if fill(source, &mut trailer)? < trailer.len() {
            return Err(BundleError::Truncated("the gzip trailer"));
        }
        // A second member would stand here; so would anything that someone appended.
        if fill(source, &mut [0])? > 0 {
            return Err(BundleError::AfterEnd);
        }
        if trailer[..] != [self.crc.sum().to_le_bytes(), self.crc.amount().to_le_bytes()].concat() {
            return Err(BundleError::Checksum);
        }
        Ok(())
    }
}

/// Fills the buffer as far as the source goes, and returns how far that is.
fn fill<R: Read>(source: &mut BufReader<Source<R>>, buffer: &mut [u8]) -> Result<usize, BundleError> {
    let mut filled = 0;
    while filled < buffer.len() {
        match source.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) => {
                let failed = source.get_mut().failed.take();
                return Err(failed.unwrap_or_else(|| BundleError::Read(error.to_string())));
            }
        }
    }
    Ok(filled)
}

/// Where the bytes come from: no more of them than allowed, and why no more came. What a reader
/// on top of it makes of an error does not tell a damaged bundle from one that could not be read.
struct Source<R> {
    inner: R,
    max: usize,
    left: usize,
    failed: Option<BundleError>,
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = loop {
            match self.inner.read(buffer) {
                Ok(length) => break length,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return self.fail(BundleError::Read(error.to_string())),
            }
        };
        match self.left.checked_sub(length) {
            Some(left) => self.left = left,
            None => return self.fail(BundleError::TooLarge { max: self.max }),
        }
        Ok(length)
    }
}

impl<R> Source<R> {
    fn fail(&mut self, error: BundleError) -> std::io::Result<usize> {
        self.failed = Some(error);
        Err(std::io::Error::other("the source failed"))
    }
}

fn read_header(block: &[u8; BLOCK], limits: &Limits) -> Result<Entry, BundleError> {
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
    Ok(Entry { path, size })
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
