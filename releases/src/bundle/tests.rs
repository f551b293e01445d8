use super::*;
use crate::archive::testing::{gzip, header, seal};

fn path(text: &str) -> RelativePath {
    text.parse().expect("a path")
}

fn files() -> BTreeMap<RelativePath, Vec<u8>> {
    [(path("release.toml"), b"name = 'shop'\n".to_vec()), (path("code/a.cam2"), vec![7; 600])].into()
}

fn packed() -> Packed {
    write(&"shop".parse().expect("a name"), &"1.0.0".parse().expect("a version"), &files()).expect("small")
}

fn tar_of(bytes: &[u8]) -> Vec<u8> {
    use std::io::Read as _;
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut tar).expect("a reader of gzip reads it");
    tar
}

/// Packs entries with arbitrary headers, as a stranger would.
fn hostile(entries: &[([u8; 512], &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (header, content) in entries {
        tar.extend(header);
        tar.extend(*content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    gzip(&tar)
}

fn manifest_of(bytes: &[u8]) -> Vec<u8> {
    document::write(read(bytes).expect("good").manifest()).into_bytes()
}

fn refused(bytes: &[u8]) -> BundleError {
    read(bytes).expect_err("to be refused")
}

#[test]
fn a_bundle_reads_back_what_was_written() {
    let packed = packed();
    let bundle = read(&packed.bytes).expect("good");
    assert_eq!(bundle.files(), &files());
    assert_eq!(bundle.digest(), packed.digest);
    assert_eq!(bundle.digest(), Digest::of(&manifest_of(&packed.bytes)));
    assert_eq!(bundle.file("code/a.cam2"), Some(&[7; 600][..]));
}

/// The bytes are the same on every machine and with every version of the compressor that we take
/// up: a change here is a change of the format of all bundles.
#[test]
fn the_bytes_of_a_bundle_are_fixed() {
    assert_eq!(packed(), packed());
    let digest = |bytes: &[u8]| Digest::of(bytes).to_string();
    assert_eq!(digest(&tar_of(&packed().bytes)), TAR_DIGEST);
    assert_eq!(digest(&packed().bytes), GZIP_DIGEST);
}

const TAR_DIGEST: &str = "sha256:3448a73211451b943aae2102cb782f9e769b21673b2ff8245001bfad8ed24833";
const GZIP_DIGEST: &str = "sha256:01244a585d46d3b3b2e3664ca413346f4e674d34b14172c6a967d01ed3bc92e7";

#[test]
fn other_readers_of_tar_understand_a_bundle() {
    use std::io::Read as _;
    let tar = tar_of(&packed().bytes);
    let mut archive = tar::Archive::new(&tar[..]);
    let mut found = Vec::new();
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let path = entry.path().expect("a path").to_str().expect("text").to_owned();
        let header = entry.header();
        assert_eq!(header.mode().expect("a mode"), 0o644);
        assert_eq!(header.mtime().expect("a time"), 0);
        assert_eq!(header.uid().expect("an owner"), 0);
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("content");
        found.push((path, content.len()));
    }
    let expected: Vec<(String, usize)> =
        [("manifest.toml", found[0].1), ("code/a.cam2", 600), ("release.toml", 14)]
            .map(|(path, size)| (path.to_owned(), size))
            .into();
    assert_eq!(found, expected);
}

#[test]
fn a_flipped_bit_inside_the_archive_is_refused_or_another_digest() {
    let digest = packed().digest;
    let tar = tar_of(&packed().bytes);
    for index in 0..tar.len() {
        for bit in 0..8 {
            let mut tar = tar.clone();
            tar[index] ^= 1 << bit;
            // The manifest may name another release then; its digest is another, and so nothing
            // that was said of this bundle holds of that one.
            if let Ok(bundle) = read(&gzip(&tar)) {
                assert_ne!(bundle.digest(), digest, "byte {index}, bit {bit}");
                assert_eq!(bundle.files(), &files(), "byte {index}, bit {bit}");
            }
        }
    }
}

#[test]
fn every_truncated_bundle_is_refused_by_name() {
    let packed = packed();
    for length in 0..packed.bytes.len() {
        let error = refused(&packed.bytes[..length]);
        assert!(matches!(error, BundleError::Truncated(_)), "{length} bytes: {error:?}");
    }
    let tar = tar_of(&packed.bytes);
    for length in 0..tar.len() {
        let error = refused(&gzip(&tar[..length]));
        assert!(matches!(error, BundleError::Truncated(_)), "{length} bytes: {error:?}");
    }
    assert_eq!(refused(b"").to_string(), "the bundle is truncated: it ends within the gzip header");
}

#[test]
fn what_follows_the_end_is_refused() {
    let packed = packed();
    assert_eq!(refused(&[&packed.bytes[..], b"x"].concat()), BundleError::AfterEnd);
    assert_eq!(refused(&[&packed.bytes[..], &packed.bytes[..]].concat()), BundleError::AfterEnd);
    let tar = tar_of(&packed.bytes);
    assert_eq!(refused(&gzip(&[&tar[..], &tar[..]].concat())), BundleError::AfterEnd);
    assert_eq!(refused(&gzip(&[&tar[..], &[0; 512]].concat())), BundleError::AfterEnd);
}

#[test]
fn what_is_no_gzip_of_ours_is_refused() {
    let mut named = packed().bytes;
    named[3] = 8;
    assert_eq!(refused(&named), BundleError::GzipHeader);
    assert_eq!(refused(b"PK\x03\x04 and so on"), BundleError::GzipHeader);
    let mut damaged = packed().bytes;
    damaged[10] = 0b111;
    assert_eq!(refused(&damaged), BundleError::Deflate);
    let mut checksum = packed().bytes;
    let last = checksum.len() - 8;
    checksum[last] ^= 1;
    assert_eq!(refused(&checksum), BundleError::Checksum);
}

#[test]
fn only_regular_files_are_read() {
    for (kind, words) in [
        (b'1', "a hard link"),
        (b'2', "a symbolic link"),
        (b'3', "a device"),
        (b'4', "a device"),
        (b'5', "a folder"),
        (b'6', "a pipe"),
        (b'x', "a PAX extension"),
        (b'g', "a PAX extension"),
        (b'L', "a GNU extension"),
        (b'S', "a GNU extension"),
        (b'7', "of an unknown kind"),
        (0, "of an unknown kind"),
    ] {
        let mut header = header("code/a", 0);
        header[156] = kind;
        seal(&mut header);
        let error = BundleError::Kind { path: "code/a".to_owned(), kind: words };
        assert_eq!(refused(&hostile(&[(header, b"")])), error);
    }
}

#[test]
fn no_path_leads_out() {
    for bad in ["/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a\\b", "c:x"] {
        let error = refused(&hostile(&[(header(bad, 0), b"")]));
        let source = bad.parse::<RelativePath>().expect_err("a bad path");
        assert_eq!(error, BundleError::Path { path: bad.to_owned(), source });
    }
}

#[test]
fn a_header_has_one_form() {
    for (place, bytes) in [
        (100, &b"0000755\0"[..]),
        (108, b"0000001\0"),
        (124, b"00000000000 "),
        (136, b"00000000001\0"),
        (257, b"ustar  \0"),
        (265, b"root"),
        (345, b"prefix"),
        (500, b"x"),
    ] {
        let mut header = header("a", 0);
        header[place..place + bytes.len()].copy_from_slice(bytes);
        seal(&mut header);
        assert_eq!(refused(&hostile(&[(header, b"")])), BundleError::Header { path: "a".to_owned() });
    }
    // A size in base 256, as GNU tar writes it above 8 GiB.
    let mut large = header("a", 0);
    large[124] = 0x80;
    seal(&mut large);
    assert_eq!(refused(&hostile(&[(large, b"")])), BundleError::Header { path: "a".to_owned() });
    let mut unsealed = header("a", 0);
    unsealed[148] = b'7';
    assert_eq!(refused(&hostile(&[(unsealed, b"")])), BundleError::Header { path: "a".to_owned() });
}

#[test]
fn files_are_those_of_the_manifest() {
    let manifest = manifest_of(&packed().bytes);
    let manifest = || (header("manifest.toml", manifest.len() as u64), manifest.as_slice());
    let code = [7; 600];
    let code = || (header("code/a.cam2", 600), &code[..]);
    let release = || (header("release.toml", 14), &b"name = 'shop'\n"[..]);
    assert!(read(&hostile(&[manifest(), code(), release()])).is_ok());

    assert_eq!(refused(&hostile(&[])), BundleError::NoManifest);
    assert_eq!(refused(&hostile(&[code(), manifest(), release()])), BundleError::NoManifest);
    let one = |text: &str| path(text);
    assert_eq!(refused(&hostile(&[manifest(), code()])), BundleError::Missing { path: one("release.toml") });
    assert_eq!(
        refused(&hostile(&[manifest(), code(), release(), (header("x", 0), b"")])),
        BundleError::Surplus { path: one("x") }
    );
    assert_eq!(
        refused(&hostile(&[manifest(), code(), code(), release()])),
        BundleError::Doubled { path: one("code/a.cam2") }
    );
    assert_eq!(
        refused(&hostile(&[manifest(), release(), code()])),
        BundleError::Order { path: one("release.toml") }
    );
    assert_eq!(
        refused(&hostile(&[manifest(), (header("code/a.cam2", 599), &code().1[..599]), release()])),
        BundleError::Size { path: one("code/a.cam2"), expected: 600, found: 599 }
    );
    let mut changed = code().1.to_vec();
    changed[0] = 8;
    let error = refused(&hostile(&[manifest(), (header("code/a.cam2", 600), &changed), release()]));
    let (expected, found) = (Digest::of(code().1), Digest::of(&changed));
    assert_eq!(error, BundleError::FileDigest { path: one("code/a.cam2"), expected, found });
    assert_eq!(
        refused(&hostile(&[(header("manifest.toml", 3), b"?!\n")])).to_string(),
        "manifest.toml is refused: manifest.toml:1:3: this is not TOML: key with no value, expected `=`"
    );
    assert!(matches!(refused(&hostile(&[(header("manifest.toml", 1), b"\xff")])), BundleError::Manifest(_)));

    let mut hidden = tar_of(&packed().bytes);
    let padding = hidden.len() - 1024 - 1;
    hidden[padding] = 1;
    assert_eq!(refused(&gzip(&hidden)), BundleError::Padding { path: one("release.toml") });
}

#[test]
fn limits_are_checked_before_anything_is_parsed() {
    let bytes = packed().bytes;
    let roomy = Limits::DEFAULT;
    let refused = |limits: Limits| read_within(&bytes[..], &limits).expect_err("to be refused");
    let max = bytes.len() - 1;
    assert_eq!(refused(Limits { compressed_bytes_max: max, ..roomy }), BundleError::TooLarge { max });
    let max = tar_of(&bytes).len() - 1;
    assert_eq!(refused(Limits { unpacked_bytes_max: max, ..roomy }), BundleError::UnpackedTooLarge { max });
    let fits = Limits { unpacked_bytes_max: max + 1, compressed_bytes_max: bytes.len(), ..roomy };
    assert!(read_within(&bytes[..], &fits).is_ok());
    assert_eq!(refused(Limits { files_max: 2, ..roomy }), BundleError::TooManyFiles { max: 2 });
    assert_eq!(
        refused(Limits { file_bytes_max: 599, ..roomy }),
        BundleError::FileTooLarge { path: path("code/a.cam2"), max: 599 }
    );
}

#[test]
fn a_bundle_that_could_not_be_read_is_not_written() {
    let (name, version) = ("shop".parse().expect("a name"), "1.0.0".parse().expect("a version"));
    let long = path(&"a".repeat(101));
    let written = write(&name, &version, &[(long.clone(), vec![])].into());
    assert_eq!(written, Err(BundleError::LongPath { path: long }));
    let max = Limits::DEFAULT.file_bytes_max;
    let written = write(&name, &version, &[(path("a"), vec![0; max + 1])].into());
    assert_eq!(written, Err(BundleError::FileTooLarge { path: path("a"), max }));
    let many = (0..Limits::DEFAULT.files_max).map(|number| (path(&format!("n{number}")), vec![]));
    let max = Limits::DEFAULT.files_max;
    assert_eq!(write(&name, &version, &many.collect()), Err(BundleError::TooManyFiles { max }));
    let large = (0..16).map(|number| (path(&format!("n{number}")), vec![0; 16 << 20]));
    let max = Limits::DEFAULT.unpacked_bytes_max;
    assert_eq!(write(&name, &version, &large.collect()), Err(BundleError::UnpackedTooLarge { max }));
}

mod flips;
mod hostile;
