//! What reading a bundle takes in memory: the files, and a few buffers of fixed size, whatever comes.
//!
//! One test alone in its program, because it counts what the program allocates.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use camshaft_cam::digest::Digest;
use camshaft_manifests::RelativePath;
use camshaft_manifests::bundle::{self as document, BundleManifest, FileEntry};
use camshaft_releases::bundle::{self, BundleError, Limits};
use flate2::Compression;
use flate2::write::DeflateEncoder;
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What the buffers of the reader take: 64 KiB from the source, 64 KiB for a file of which nothing has come
/// yet, the window of deflate; and the manifest of a few files.
const BUFFERS: usize = 256 << 10;

const MIB: usize = 1 << 20;

/// Returns how much more than before was held while something was done, at the most.
fn peak<T>(work: impl FnOnce() -> T) -> (usize, T) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let result = work();
    (MEMORY.peak_usage() - before, result)
}

/// A ustar header as bundles have it.
fn header(path: &str, size: usize) -> [u8; 512] {
    let mut header = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, path.as_bytes());
    put(100, b"0000644\x000000000\x000000000\x00");
    put(124, format!("{size:011o}\x0000000000000\x00        0").as_bytes());
    put(257, b"ustar\x0000");
    put(329, b"0000000\x000000000\x00");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\x00 ").as_bytes());
    header
}

/// Compresses pieces of an archive, without what would have to follow them.
fn beginning(pieces: &[&[u8]], zeros: usize) -> Vec<u8> {
    let gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255];
    let mut encoder = DeflateEncoder::new(gzip, Compression::fast());
    for piece in pieces {
        encoder.write_all(piece).expect("to memory");
    }
    std::io::copy(&mut std::io::repeat(0).take(zeros as u64), &mut encoder).expect("to memory");
    encoder.finish().expect("to memory")
}

fn path(text: &str) -> RelativePath {
    text.parse().expect("a path")
}

/// A manifest in its blocks, after its header.
fn manifest(files: impl IntoIterator<Item = (RelativePath, FileEntry)>) -> Vec<u8> {
    let (name, version) = ("shop".parse().expect("a name"), "1.0.0".parse().expect("a version"));
    let text = document::write(&BundleManifest { name, version, files: files.into_iter().collect() });
    let mut blocks = header("manifest.toml", text.len()).to_vec();
    blocks.extend(text.bytes());
    blocks.resize(blocks.len().next_multiple_of(512), 0);
    blocks
}

/// Refused with just the buffers held, although it says, or unpacks to, so many bytes.
fn check_bomb(what: &str, bytes: &[u8], expected: &BundleError) {
    let (held, result) = peak(|| bundle::read(bytes).map(|_| ()));
    assert_eq!(result.as_ref(), Err(expected), "{what}");
    assert!(held <= BUFFERS, "{what}: {held} bytes were held");
}

fn check_bombs(size: usize) {
    let limits = Limits::DEFAULT;
    let entry = FileEntry { size: limits.file_bytes_max as u64, sha256: Digest::of(b"") };
    let announced = manifest([(path("a"), entry)]);

    check_bomb("zeros", &beginning(&[], size), &BundleError::AfterEnd);
    let expected =
        BundleError::FileTooLarge { path: path("manifest.toml"), max: (limits.files_max + 1) * 384 };
    let large = header("manifest.toml", limits.file_bytes_max);
    check_bomb("a manifest", &beginning(&[&large], size), &expected);
    let none = manifest([]);
    let surplus = beginning(&[&none, &header("a", limits.file_bytes_max)], size);
    check_bomb("a file that is not announced", &surplus, &BundleError::Surplus { path: path("a") });
    let tiny: Vec<u8> = (0..size / 512 / 64).flat_map(|number| header(&format!("n{number}"), 0)).collect();
    check_bomb("many files", &beginning(&[&none, &tiny], 0), &BundleError::Surplus { path: path("n0") });
    // It says the most that a file may have, and has next to nothing.
    let short = beginning(&[&announced, &header("a", limits.file_bytes_max)], 100);
    check_bomb("a file that is not there", &short, &BundleError::Truncated("a file"));
    let announced_large = manifest([(path("a"), FileEntry { size: size as u64 + (16 << 20), ..entry })]);
    let max = limits.file_bytes_max;
    check_bomb(
        "a file that is too large",
        &beginning(&[&announced_large], size),
        &BundleError::FileTooLarge { path: path("a"), max },
    );
    let several = (0..16).map(|number| (path(&format!("n{number}")), entry));
    let max = limits.unpacked_bytes_max;
    check_bomb(
        "files that are too large together",
        &beginning(&[&manifest(several)], size),
        &BundleError::UnpackedTooLarge { max },
    );
    // Blocks of deflate that are empty: a source that never ends and never says anything.
    let header = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255][..];
    let empty = [0, 0, 0, 0xff, 0xff].repeat(1000);
    let few = Limits { compressed_bytes_max: size / 4, ..limits };
    let (held, result) = peak(|| {
        let blocks = Endless { bytes: &empty, at: 0 };
        bundle::read_within(header.chain(blocks), &few).map(|_| ())
    });
    assert_eq!(result, Err(BundleError::TooLarge { max: size / 4 }));
    assert!(held <= BUFFERS, "empty blocks: {held} bytes were held");
}

struct Endless<'e> {
    bytes: &'e [u8],
    at: usize,
}

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = (&self.bytes[self.at..]).read(buffer)?;
        self.at = (self.at + length) % self.bytes.len();
        Ok(length)
    }
}

/// Bytes that no compressor makes smaller.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn check_honest(files_count: usize) {
    let file = |number: usize| (path(&format!("code/{number}.cam2")), noise(MIB, number as u64 + 1));
    let files: BTreeMap<_, _> = (0..files_count).map(file).collect();
    let (name, version) = ("shop".parse().expect("a name"), "1.0.0".parse().expect("a version"));
    let content: usize = files.values().map(Vec::len).sum();
    let (held, packed) = peak(|| bundle::write(&name, &version, &files).expect("small enough"));
    // What is written is a vector that grows, and it does not get smaller than its content.
    assert!(held <= 4 * content + MIB, "writing {content} bytes held {held}");
    let limits = Limits::DEFAULT;
    let (held, read) = peak(|| bundle::read_within(&packed.bytes[..], &limits));
    assert_eq!(read.expect("good").files(), &files);
    // One file grows by having its half copied.
    assert!(held <= content + MIB / 2 + BUFFERS, "reading {content} bytes held {held}");
    let (held, scanned) = peak(|| bundle::scan(&packed.bytes[..], &limits, |_, _| ()).map(|_| ()));
    assert_eq!(scanned, Ok(()));
    assert!(held <= MIB + MIB / 2 + BUFFERS, "going through {content} bytes held {held}");
}

#[test]
fn memory_is_bounded_whatever_the_size() {
    for size in [4 * MIB, 32 * MIB, 128 * MIB] {
        check_bombs(size);
    }
    for files in [2, 4, 12] {
        check_honest(files);
    }
}
