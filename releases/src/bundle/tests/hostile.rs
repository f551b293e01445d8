//! What others have made of tar and gzip to get something past a reader, each refused by its name.

use super::*;

const PAX: &[u8] = b"17 size=99999999\n";

/// A header of any kind, path and size, with its checksum right.
fn entry(kind: u8, path: &[u8], size: u64) -> [u8; 512] {
    let mut header = header("", size);
    header[..path.len()].copy_from_slice(path);
    header[156] = kind;
    seal(&mut header);
    header
}

fn kind(path: &str, kind: &'static str) -> BundleError {
    BundleError::Kind { path: path.to_owned(), kind }
}

fn manifest() -> Vec<u8> {
    manifest_of(&packed().bytes)
}

/// Entries after the manifest.
fn after_manifest(entries: &[([u8; 512], &[u8])]) -> Vec<u8> {
    let manifest = manifest();
    let first = (header("manifest.toml", manifest.len() as u64), manifest.as_slice());
    hostile(&[&[first][..], entries].concat())
}

#[test]
fn no_way_of_writing_a_path_leads_out() {
    for bad in [
        "",
        "..",
        "../x",
        "a/..",
        "a/../../x",
        "/",
        "/etc/passwd",
        "//host/x",
        "./a",
        "a/./b",
        "a//b",
        "a/",
        "a\\b",
        "..\\x",
        "\\\\host\\x",
        "c:",
        "c:\\x",
        "c:/x",
        "a\nb",
        "\u{7f}",
    ] {
        let source = bad.parse::<RelativePath>().expect_err("a bad path");
        let error = BundleError::Path { path: bad.to_owned(), source };
        assert_eq!(refused(&hostile(&[(entry(b'0', bad.as_bytes(), 0), b"")])), error, "{bad:?}");
    }
    // Readers in C stop at the NUL, others do not.
    let header = |name: &[u8], shown: &str| {
        let error = BundleError::Header { path: shown.to_owned() };
        assert_eq!(refused(&hostile(&[(entry(b'0', name, 0), b"")])), error);
    };
    header(b"a\0/../../x", "a");
    header(b"\xff", "\u{fffd}");
    // A path with its beginning in the second field of the header.
    let mut split = entry(b'0', b"x", 0);
    split[345..349].copy_from_slice(b"/etc");
    seal(&mut split);
    assert_eq!(refused(&hostile(&[(split, b"")])), BundleError::Header { path: "x".to_owned() });
}

#[test]
fn nothing_but_regular_files_gets_in_wherever_it_stands() {
    for (code, words) in [
        (b'1', "a hard link"),
        (b'2', "a symbolic link"),
        (b'3', "a device"),
        (b'4', "a device"),
        (b'5', "a folder"),
        (b'6', "a pipe"),
    ] {
        let mut link = entry(code, b"code/a.cam2", 0);
        link[157..168].copy_from_slice(b"/etc/passwd");
        seal(&mut link);
        assert_eq!(refused(&after_manifest(&[(link, b"")])), kind("code/a.cam2", words));
    }
    // The old way to write a folder: a file with a slash at the end.
    let source = "code/".parse::<RelativePath>().expect_err("a bad path");
    let error = BundleError::Path { path: "code/".to_owned(), source };
    assert_eq!(refused(&after_manifest(&[(entry(b'0', b"code/", 0), b"")])), error);
    // The old way to write a file.
    assert_eq!(refused(&after_manifest(&[(entry(0, b"a", 0), b"")])), kind("a", "of an unknown kind"));
}

/// GHSA-3pv8-6f4r-ffg2 and its kin: a PAX record says another size than the header after it, and readers that
/// believe one of them see other entries than readers that believe the other.
#[test]
fn no_pax_record_gets_to_say_anything() {
    let size = PAX.len() as u64;
    let inner = entry(b'0', b"hidden", 0);
    let desync = [(entry(b'x', b"PaxHeaders/code", size), PAX), (header("code/a.cam2", 512), &inner[..])];
    assert_eq!(refused(&after_manifest(&desync)), kind("PaxHeaders/code", "a PAX extension"));
    assert_eq!(refused(&hostile(&desync)), kind("PaxHeaders/code", "a PAX extension"));
    let global = [(entry(b'g', b"pax_global_header", size), PAX)];
    assert_eq!(refused(&after_manifest(&global)), kind("pax_global_header", "a PAX extension"));
    // As the advisory has it: a long name of GNU stands between the record and the file, and the size is
    // given to the name.
    let long = (entry(b'L', b"././@LongLink", 5), &b"a/b/c"[..]);
    let error = kind("PaxHeaders/code", "a PAX extension");
    assert_eq!(refused(&after_manifest(&[desync[0], long, desync[1]])), error);
}

#[test]
fn no_extension_of_gnu_is_read() {
    for code in *b"LKSDMV" {
        let error = kind("././@LongLink", "a GNU extension");
        assert_eq!(refused(&after_manifest(&[(entry(code, b"././@LongLink", 4), b"a/b")])), error);
    }
    // The magic of GNU, which moves the fields behind it.
    let mut gnu = header("a", 0);
    gnu[257..265].copy_from_slice(b"ustar  \0");
    seal(&mut gnu);
    assert_eq!(refused(&after_manifest(&[(gnu, b"")])), BundleError::Header { path: "a".to_owned() });
}

#[test]
fn a_size_has_one_way_to_be_written_and_a_bound() {
    let with_size = |size: &[u8]| {
        let mut header = header("code/a.cam2", 600);
        header[124..124 + size.len()].copy_from_slice(size);
        seal(&mut header);
        refused(&after_manifest(&[(header, &[7; 600])]))
    };
    let garbled = BundleError::Header { path: "code/a.cam2".to_owned() };
    for size in [
        &b"\x80\0\0\0\0\0\0\0\0\0\x02\x58"[..],
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"       1130\0",
        b"00000001130 ",
        b"+0000001130\0",
        b"-0000001130\0",
        b"0x000000258\0",
        b"00000000008\0",
        b"\0\0\0\0\0\0\0\0\0\0\0\0",
    ] {
        assert_eq!(with_size(size), garbled, "{size:?}");
    }
    let max = Limits::DEFAULT.file_bytes_max;
    assert_eq!(with_size(b"77777777777\0"), BundleError::FileTooLarge { path: path("code/a.cam2"), max });
    let small = BundleError::Size { path: path("code/a.cam2"), expected: 600, found: 599 };
    assert_eq!(with_size(b"00000001127\0"), small);
}

/// Paths are bytes. Two that differ in case only are two files, as two versions may; nothing of a bundle
/// is ever unpacked into a folder where they would be one.
#[test]
fn a_path_stands_once_and_case_counts() {
    let code = [7; 600];
    let twice = after_manifest(&[(header("code/a.cam2", 600), &code), (header("code/a.cam2", 600), &code)]);
    assert_eq!(refused(&twice), BundleError::Doubled { path: path("code/a.cam2") });
    let upper = after_manifest(&[(header("code/a.cam2", 600), &code), (header("code/A.cam2", 600), &code)]);
    assert_eq!(refused(&upper), BundleError::Surplus { path: path("code/A.cam2") });
    let text = manifest();
    let again = (header("manifest.toml", text.len() as u64), &text[..]);
    assert_eq!(refused(&after_manifest(&[again])), BundleError::Doubled { path: path("manifest.toml") });
    let both: BTreeMap<_, _> =
        [(path("relup/1.0.0-RC.toml"), vec![1]), (path("relup/1.0.0-rc.toml"), vec![2])].into();
    let (name, version) = ("shop".parse().expect("a name"), "1.0.0".parse().expect("a version"));
    let packed = write(&name, &version, &both).expect("small");
    assert_eq!(read(&packed.bytes).expect("good").files(), &both);
}

#[test]
fn a_gzip_member_has_no_optional_field_and_no_neighbour() {
    let bytes = packed().bytes;
    for flags in 0..8 {
        let mut changed = bytes.clone();
        changed[3] = 1 << flags;
        assert_eq!(refused(&changed), BundleError::GzipHeader);
    }
    for (index, what) in [(2, "method"), (4, "time"), (8, "extra flags"), (9, "system")] {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        assert_eq!(refused(&changed), BundleError::GzipHeader, "{what}");
    }
    // An archive over two members is one archive to gzip, and not to us.
    let tar = tar_of(&bytes);
    let (one, two) = tar.split_at(1700);
    assert_eq!(refused(&[gzip(one), gzip(two)].concat()), BundleError::Truncated("a file"));
    let empty = gzip(b"");
    assert_eq!(refused(&[&bytes[..], &empty.repeat(1000)].concat()), BundleError::AfterEnd);
    assert_eq!(refused(&[&empty.repeat(1000), &bytes[..]].concat()), BundleError::Truncated("a header"));
}

#[test]
fn bombs_are_refused_by_the_limit_that_they_break() {
    let small = Limits {
        unpacked_bytes_max: 1 << 20,
        file_bytes_max: 1 << 19,
        files_max: 100,
        compressed_bytes_max: 1 << 20,
    };
    let refused = |bytes: &[u8]| read_within(bytes, &small).expect_err("to be refused");
    let zeros = vec![0; 4 << 20];
    // Zeros alone are two blocks of an end, and something after it.
    assert_eq!(refused(&gzip(&zeros)[..1 << 19]), BundleError::AfterEnd);
    let path_of = |text: &str| path(text);
    // The manifest: it may be as long as one of the most files.
    let manifest = hostile(&[(header("manifest.toml", 40_000), &zeros[..40_000])]);
    let error = BundleError::FileTooLarge { path: path_of("manifest.toml"), max: 101 * 384 };
    assert_eq!(refused(&manifest), error);
    // What the manifest announces is held against the limits before any of it is read.
    let announced = |files: BTreeMap<RelativePath, FileEntry>| {
        let (name, version) = ("shop".parse().expect("a name"), "1.0.0".parse().expect("a version"));
        let text = document::write(&BundleManifest { name, version, files });
        refused(&hostile(&[(header("manifest.toml", text.len() as u64), text.as_bytes())]))
    };
    let of_size = |size| FileEntry { size, sha256: Digest::of(b"") };
    let many = (0..100).map(|number| (path(&format!("n{number}")), of_size(0)));
    assert_eq!(announced(many.collect()), BundleError::TooManyFiles { max: 100 });
    let wide = (0..3).map(|number| (path(&format!("n{number}")), of_size(1 << 19)));
    assert_eq!(announced(wide.collect()), BundleError::UnpackedTooLarge { max: 1 << 20 });
    let one = [(path("a"), of_size((1 << 19) + 1))].into();
    assert_eq!(announced(one), BundleError::FileTooLarge { path: path("a"), max: 1 << 19 });
    // What it does not announce is refused at the first.
    let tiny: Vec<_> = (0..50).map(|number| (header(&format!("n{number}"), 0), &b""[..])).collect();
    assert_eq!(refused(&after_manifest(&tiny)), BundleError::Surplus { path: path("n0") });
}

/// A bundle that comes from a file or a socket, in pieces of any size, and one that stops coming.
#[test]
fn a_source_may_come_in_pieces_and_may_fail() {
    struct Pieces<'p>(&'p [u8], Option<std::io::ErrorKind>);
    impl std::io::Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            match (self.0.split_first(), self.1) {
                (Some((byte, rest)), _) => {
                    (buffer[0], self.0) = (*byte, rest);
                    Ok(1)
                }
                (None, Some(kind)) => Err(kind.into()),
                (None, None) => Ok(0),
            }
        }
    }
    let bytes = packed().bytes;
    let limits = Limits::DEFAULT;
    assert_eq!(read_within(Pieces(&bytes, None), &limits), read(&bytes));
    for length in [0, 5, 10, 100, bytes.len() - 8, bytes.len()] {
        let kind = std::io::ErrorKind::UnexpectedEof;
        let error = read_within(Pieces(&bytes[..length], Some(kind)), &limits).expect_err("it failed");
        assert_eq!(error, BundleError::Read("unexpected end of file".to_owned()), "{length} bytes");
    }
    // Endless, and each piece says nothing: empty blocks of deflate.
    let empty = [0, 0, 0, 0xff, 0xff].repeat(100_000);
    let endless = Pieces(&empty, None);
    let limits = Limits { compressed_bytes_max: 100_000, ..limits };
    let error = read_within(std::io::Read::chain(&bytes[..10], endless), &limits).expect_err("endless");
    assert_eq!(error, BundleError::TooLarge { max: 100_000 });
}

#[test]
fn files_are_handed_out_one_by_one_once_they_are_proved() {
    let mut handed = Vec::new();
    let bytes = packed().bytes;
    let outline = scan(&bytes[..], &Limits::DEFAULT, |path, content| handed.push((path.clone(), content)))
        .expect("good");
    assert_eq!(handed, files().into_iter().collect::<Vec<_>>());
    assert_eq!(outline.digest(), packed().digest);
    let code = [7; 600];
    let damaged =
        after_manifest(&[(header("code/a.cam2", 600), &code), (header("release.toml", 14), &[b'?'; 14])]);
    let mut handed = Vec::new();
    let error = scan(&damaged[..], &Limits::DEFAULT, |path, _| handed.push(path.clone()));
    assert!(matches!(error, Err(BundleError::FileDigest { .. })), "{error:?}");
    assert_eq!(handed, [path("code/a.cam2")]);
}
