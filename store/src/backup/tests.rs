use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::disk::{Disk, RealDisk};
use crate::folder::FolderJournal;
use crate::journal::{Journal, StoreError};
use crate::log::{Chunk, Class, LogOptions};

/// Small segments, so that some are let go.
fn options() -> LogOptions {
    LogOptions { segment_bytes: 8 << 10, reserve_bytes: 1 << 10, ..LogOptions::default() }
}

fn open(folder: &Path) -> FolderJournal {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::open(folder).expect("nobody has it"));
    FolderJournal::on(disk, options()).expect("it opens").0
}

fn append(journal: &mut FolderJournal, entries: std::ops::RangeInclusive<u64>) {
    for entry in entries {
        let mut chunk = Chunk::new(0, 0);
        chunk.push(format!("entry {entry} {}", "x".repeat(300)).as_bytes());
        assert_eq!(journal.append(&[chunk], Class::Input).expect("there is room"), entry);
    }
}

fn save(journal: &FolderJournal, number: u64) {
    let mut writer = journal.begin_snapshot(number, journal.last() + 1).expect("there is room");
    writer.put(0, format!("all up to {}", journal.last()).as_bytes()).expect("there is room");
    writer.finish().expect("there is room");
}

/// Returns what a journal has: the snapshot, and the entries from one on.
fn content(journal: &FolderJournal, from: u64) -> (Option<u64>, Vec<String>) {
    let mut all = vec![];
    let shown = journal.snapshot(&mut |_, bytes| {
        all.push(String::from_utf8_lossy(bytes).into_owned());
        Ok(())
    });
    journal
        .read(from, &mut |entry| {
            let text = String::from_utf8_lossy(entry.bytes).into_owned();
            all.push(text.trim_end_matches('x').trim_end().to_owned());
            Ok(())
        })
        .expect("they are kept");
    (shown.expect("it is whole").map(|shown| shown.number), all)
}

fn about(prepared: &Prepared) -> About {
    About {
        format: BACKUP_FORMAT,
        agent: "0.1.0".to_owned(),
        at_ms: 7,
        formats: Formats::OURS,
        position: prepared.position(),
        snapshot: prepared.snapshot(),
        release: OfRelease { name: "shop".into(), version: "1.0.0".into(), digest: Digest::of(b"shop") },
    }
}

fn written(journal: &mut FolderJournal) -> Vec<u8> {
    let prepared = journal.cut().expect("a cut").prepare().expect("it is whole");
    let mut bytes = vec![];
    prepared.write(&about(&prepared), &mut bytes).expect("there is room").expect("it can be read");
    bytes
}

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("a folder"))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts bytes into a file, and opens it as a backup.
    fn opened(&self, bytes: &[u8]) -> Result<Backup, BackupError> {
        fs::write(self.at("file"), bytes).expect("there is room");
        Backup::open(&self.at("file"), &|_, _| {})
    }

    fn refused(&self, bytes: &[u8]) -> String {
        self.opened(bytes).expect_err("it is refused").to_string()
    }
}

/// A journal with a bundle, a state snapshot at entry 5, and entries up to 9.
fn small(place: &Place) -> FolderJournal {
    let mut journal = open(&place.at("d"));
    journal.put_blob(b"bundle").expect("there is room");
    append(&mut journal, 1..=5);
    save(&journal, 1);
    append(&mut journal, 6..=9);
    journal
}

fn nothing_beside(place: &Place, names: &[&str]) {
    let mut found: Vec<String> = fs::read_dir(place.0.path())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    found.sort();
    assert_eq!(found, names);
}

#[test]
fn what_is_restored_is_the_folder_as_it_was_at_the_cut_whatever_came_then() {
    let place = Place::new();
    let mut journal = small(&place);
    let bundle = journal.put_blob(b"bundle").expect("it is there");
    let cut = journal.cut().expect("a cut");
    // The journal goes on while the backup is made: it lets go, removes, and begins segments anew.
    append(&mut journal, 10..=60);
    for number in 2..=4 {
        save(&journal, number);
        journal.let_go(journal.last() + 1).expect("no error");
        append(&mut journal, 50 + number * 10 + 1 - 10..=50 + number * 10);
    }
    journal.remove_blob(bundle).expect("it is gone");
    let prepared = cut.prepare().expect("it is whole");
    let mut bytes = vec![];
    prepared.write(&about(&prepared), &mut bytes).expect("there is room").expect("it can be read");
    drop(prepared);

    let backup = place.opened(&bytes).expect("it is whole");
    assert_eq!((backup.about().position, backup.about().snapshot), (9, Some(1)));
    let names: Vec<&str> = backup.files().map(|file| file.name.as_str()).collect();
    let blob = format!("blobs/{}", bundle.hex());
    assert_eq!(names, [blob.as_str(), "snapshot-0000000001", "log-0000000001"]);
    let expected: Vec<String> = std::iter::once("all up to 5".to_owned())
        .chain((6..=9).map(|entry| format!("entry {entry}")))
        .collect();
    assert_eq!(content(&backup.journal().expect("it opens"), 6), (Some(1), expected.clone()));

    backup
        .restore(&place.at("new/d2"), &|_, _| {})
        .expect("there is room")
        .give_name()
        .expect("nobody is there");
    let mut restored = open(&place.at("new/d2"));
    assert_eq!(content(&restored, 6), (Some(1), expected));
    assert_eq!(restored.blob(bundle).expect("it is whole"), Some(b"bundle".to_vec()));
    append(&mut restored, 10..=30);
    assert_eq!(restored.last(), 30);
}

#[test]
fn the_log_is_kept_for_as_long_as_a_cut_of_it_is_read_and_no_longer() {
    let place = Place::new();
    let mut journal = open(&place.at("d"));
    append(&mut journal, 1..=40);
    let cut = journal.cut().expect("a cut");
    save(&journal, 1);
    append(&mut journal, 41..=80);
    journal.let_go(80).expect("no error");
    assert_eq!(content(&journal, 1).1.len(), 81, "nothing went");
    let prepared = cut.prepare().expect("all of the log is there");
    assert_eq!((prepared.position(), prepared.snapshot()), (40, None));
    drop(prepared);
    journal.let_go(80).expect("no error");
    let gone = journal.read(1, &mut |_| Ok(())).expect_err("they went");
    assert!(gone.to_string().contains("entry 1 is asked for, and the first one kept is "), "{gone}");
}

#[test]
fn without_the_newest_state_snapshot_the_one_before_it_does() {
    let place = Place::new();
    let mut journal = small(&place);
    save(&journal, 2);
    append(&mut journal, 10..=12);
    let newest = place.at("d/snapshot-0000000002");
    let mut bytes = fs::read(&newest).expect("it is there");
    bytes[40] ^= 1;
    fs::write(&newest, &bytes).expect("there is room");
    let backup = place.opened(&written(&mut journal)).expect("it is whole");
    assert_eq!((backup.about().position, backup.about().snapshot), (12, Some(1)));

    let older = place.at("d/snapshot-0000000001");
    fs::write(older, b"no more").expect("there is room");
    let error = journal.cut().expect("a cut").prepare().expect_err("there is none").to_string();
    assert!(error.starts_with("the row of state snapshots is damaged: snapshot-0000000002: "), "{error}");
}

#[test]
fn what_the_node_cannot_read_is_told_in_the_file() {
    for (file, reason) in
        [("blobs", "is damaged: its SHA-256 is "), ("log", "it was whole when the log was opened")]
    {
        let place = Place::new();
        let mut journal = small(&place);
        let path = match file {
            "blobs" => place.at("d").join("blobs").join(Digest::of(b"bundle").hex()),
            _ => place.at("d/log-0000000001"),
        };
        let mut bytes = fs::read(&path).expect("it is there");
        bytes[5] ^= 1;
        fs::write(&path, bytes).expect("there is room");
        let prepared = journal.cut().expect("a cut").prepare().expect("the snapshot is whole");
        let mut bytes = vec![];
        let outcome = prepared.write(&about(&prepared), &mut bytes).expect("there is room");
        assert!(matches!(outcome, Err(StoreError::Damaged { .. })), "{outcome:?}");
        let refused = place.refused(&bytes);
        assert!(refused.starts_with("the node broke it off: ") && refused.contains(reason), "{refused}");
    }
}

#[test]
fn a_file_that_was_cut_off_is_refused_wherever() {
    let place = Place::new();
    let bytes = written(&mut small(&place));
    for length in (0..bytes.len()).step_by(97).chain([511, 512, 513, bytes.len() - 1]) {
        let refused = place.refused(&bytes[..length]);
        let expected = if length < 512 { "it is no backup: " } else { "it was cut off: " };
        assert!(refused.starts_with(expected), "{length}: {refused}");
    }
    let longer = [&bytes[..], &[0; 512]].concat();
    assert_eq!(place.refused(&longer), "it is damaged: it does not end where its manifest does");
}

/// Of every byte of a backup another one is noticed.
#[test]
fn damage_is_noticed_wherever_it_is() {
    let place = Place::new();
    let bytes = written(&mut small(&place));
    place.opened(&bytes).expect("it is whole");
    for at in (0..bytes.len()).step_by(61) {
        let mut other = bytes.clone();
        other[at] ^= 0x20;
        // What stands in `at_ms` or in names of people is covered by the manifest as well.
        place.refused(&other);
    }
}

/// A tar of these files, each with its header.
fn tarred(files: &[(tar::Header, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![];
    for (header, content) in files {
        bytes.extend(header);
        bytes.extend(*content);
        bytes.extend(vec![0; usize::try_from(tar::padding(content.len() as u64)).expect("small")]);
    }
    bytes.extend([0; 1024]);
    bytes
}

fn plain<'c>(name: &str, content: &'c [u8]) -> (tar::Header, &'c [u8]) {
    (tar::header(name, content.len() as u64), content)
}

/// The same header with something else in it, and the right sum.
fn changed(mut header: tar::Header, at: usize, bytes: &[u8]) -> tar::Header {
    header[at..at + bytes.len()].copy_from_slice(bytes);
    header[148..156].copy_from_slice(b"        ");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[test]
fn what_somebody_made_who_means_no_good_is_refused_and_nothing_is_written() {
    let place = Place::new();
    let mut journal = small(&place);
    let good = place.opened(&written(&mut journal)).expect("it is whole");
    drop(journal);
    let told = serde_json::to_vec(good.about()).expect("it is data");
    let first = || plain(ABOUT, &told);
    let with = |files: &[(tar::Header, &[u8])]| place.refused(&tarred(&[&[first()], files].concat()));
    let at = 512 + told.len().next_multiple_of(512);
    for name in [
        "../x",
        "/etc/passwd",
        "blobs/../../x",
        "blobs/x",
        "log-1",
        "log-00000000001",
        "lock",
        "node-id",
        "recovery",
        "",
    ] {
        let expected = format!("it is damaged: at byte {at}: `{name}` is no file of a data folder");
        assert_eq!(with(&[plain(name, b"x")]), expected);
    }
    for kind in [b"1", b"2", b"5", b"x", b"L", b"\0"] {
        let header = changed(tar::header("log-0000000001", 0), 156, kind);
        let expected = "`log-0000000001` is a link, a folder or something else that is no file";
        assert_eq!(with(&[(header, b"")]), format!("it is damaged: at byte {at}: {expected}"));
    }
    for (field, bytes) in [(157, &b"/etc/passwd"[..]), (345, b"/etc"), (100, b"0004777"), (265, b"root")] {
        let header = changed(tar::header("log-0000000001", 0), field, bytes);
        let expected = "the header of `log-0000000001` is not that of a file in a backup";
        assert_eq!(with(&[(header, b"")]), format!("it is damaged: at byte {at}: {expected}"));
    }
    for bytes in [4096, 1 << 40, u64::MAX, u64::MAX - 511] {
        let refused = with(&[(tar::header("log-0000000001", bytes), b"x")]);
        assert_eq!(refused, format!("it was cut off: `log-0000000001` has {bytes} bytes, and 1536 are left"));
    }
    let twice = with(&[plain("log-0000000001", b"x"), plain("log-0000000001", b"x")]);
    assert_eq!(twice, "it is damaged: `log-0000000001` is there twice");
    let again = with(&[first()]);
    assert_eq!(again, format!("it is damaged: `{ABOUT}` is there twice"));
    let other = format!("blobs/{}", Digest::of(b"y").hex());
    assert_eq!(
        with(&[plain(&other, b"x")]),
        format!("it is damaged: the SHA-256 of `{other}` is {}", Digest::of(b"x").hex())
    );
    assert_eq!(
        place.refused(&tarred(&[plain("log-0000000001", b"x")])),
        format!("it is no backup: it begins with `log-0000000001`, and not with `{ABOUT}`")
    );
    assert_eq!(with(&[]), "it was cut off: it has no manifest");
    assert_eq!(place.refused(b"PK\x03\x04"), "it is no backup: it ends at byte 4, before its manifest");
    assert_eq!(place.refused(&[7; 2048]), "it is no backup: this is no header of a tar");
    assert_eq!(place.refused(&[0; 2048]), "it is no backup: it has no manifest");

    // A manifest of one's own, over files that are no journal.
    let sealed = |about: &About, files: &[(&str, &[u8])]| {
        let told = serde_json::to_vec(about).expect("it is data");
        let mut all = vec![plain(ABOUT, &told)];
        all.extend(files.iter().map(|(name, content)| plain(name, content)));
        let listed = std::iter::once((ABOUT, &told[..])).chain(files.iter().copied());
        let listed = listed.map(|(name, content)| Listed {
            name: name.to_owned(),
            bytes: content.len() as u64,
            sha256: Digest::of(content),
        });
        let manifest = serde_json::to_vec(&Manifest { files: listed.collect() }).expect("it is data");
        all.push(plain(MANIFEST, &manifest));
        place.refused(&tarred(&all))
    };
    let honest = good.about().clone();
    let ends = "it is damaged: its log ends at entry 0, and not at 9";
    assert_eq!(sealed(&honest, &[]), ends);
    assert_eq!(sealed(&honest, &[("log-0000000001", &[0; 512])]), ends);
    let unusable = "what is in it cannot be used";
    assert_eq!(sealed(&honest, &[("log-0000000001", b"x"), ("log-0000000003", b"x")]), unusable);
    assert_eq!(sealed(&honest, &[("log-0000000002", &[0; 512])]), unusable);
    let newer = About { format: 2, ..honest.clone() };
    let reason = "it is of another version: the backup has form 2, and this version knows form 1";
    assert_eq!(sealed(&newer, &[]), reason);
    let newer = About { formats: Formats { log: 9, ..Formats::OURS }, ..honest };
    let reason =
        "it is of another version: the node writes the log in format 9, and this version knows those up to 1";
    assert_eq!(sealed(&newer, &[]), reason);
    nothing_beside(&place, &["d", "file"]);
}

#[test]
fn a_manifest_has_just_what_is_there() {
    let place = Place::new();
    let mut journal = small(&place);
    let bytes = written(&mut journal);
    let good = place.opened(&bytes).expect("it is whole");
    let files: Vec<Listed> = good.files().cloned().collect();
    let [blob, _, log] = &files[..] else { panic!("{files:?}") };
    // The log is taken out of the file, and then put in where the manifest does not know it.
    let end = bytes.len() - 1024;
    let find = |name: &str| {
        let place = bytes.windows(name.len()).position(|part| part == name.as_bytes());
        place.expect("it is there")
    };
    let (at, manifest) = (find(&log.name), find(MANIFEST));
    let without = [&bytes[..at], &bytes[manifest..]].concat();
    assert_eq!(place.refused(&without), format!("it is damaged: `{}` is missing", log.name));
    let known = blob.name.clone();
    let at = find(&known);
    let extra = tarred(&[plain(&format!("blobs/{}", Digest::of(b"more").hex()), b"more")]);
    let extra = &extra[..1024];
    let with = [&bytes[..at], extra, &bytes[at..end], &bytes[end..]].concat();
    let name = format!("blobs/{}", Digest::of(b"more").hex());
    assert_eq!(place.refused(&with), format!("it is damaged: its manifest does not know `{name}`"));
}

#[test]
fn only_an_absent_or_an_empty_folder_is_restored_to() {
    let place = Place::new();
    let backup = place.opened(&written(&mut small(&place))).expect("it is whole");
    let refused = |path: &Path| backup.restore(path, &|_, _| {}).expect_err("it is refused").to_string();
    for path in [place.at("d"), place.at("file")] {
        assert_eq!(refused(&path), format!("{} is there already and is no empty folder", path.display()));
    }
    fs::create_dir(place.at("empty")).expect("there is room");
    std::os::unix::fs::symlink(place.at("empty"), place.at("link")).expect("there is room");
    let link = place.at("link");
    assert_eq!(refused(&link), format!("{} is there already and is no empty folder", link.display()));
    assert_eq!(refused(Path::new("/")), "/ is there already and is no empty folder");
    nothing_beside(&place, &["d", "empty", "file", "link"]);
    backup.restore(&place.at("empty"), &|_, _| {}).expect("there is room").give_name().expect("it is empty");
    assert_eq!(open(&place.at("empty")).last(), 9);

    // What came to be there meanwhile stays.
    let restored = backup.restore(&place.at("late"), &|_, _| {}).expect("there is room");
    fs::create_dir_all(place.at("late/mine")).expect("there is room");
    let late = restored.give_name().expect_err("it is taken").to_string();
    assert_eq!(late, format!("{} is there already and is no empty folder", place.at("late").display()));
    assert!(place.at("late/mine").is_dir());
}

/// A restore that was killed before the end: nothing is at its place, and the next one does it.
#[test]
fn what_a_restore_leaves_that_was_killed_is_taken_away_by_the_next_one() {
    let place = Place::new();
    let backup = place.opened(&written(&mut small(&place))).expect("it is whole");
    let target = place.at("d2");
    let first = backup.restore(&target, &|_, _| {}).expect("there is room");
    let beside = backup.restore(&target, &|_, _| {}).expect_err("the first is at work").to_string();
    assert_eq!(beside, format!("another restore is at work on {}", target.display()));
    // Killed, with one file half written and one too many.
    drop(first);
    assert!(!target.exists());
    let left = place.at(".d2.restoring");
    fs::write(left.join("log-0000000001"), b"half").expect("there is room");
    fs::write(left.join("log-0000000007"), b"more").expect("there is room");
    backup.restore(&target, &|_, _| {}).expect("there is room").give_name().expect("nobody is there");
    assert!(!left.exists());
    let restored = open(&target);
    assert_eq!((restored.last(), content(&restored, 6).1.len()), (9, 5));
}

#[test]
fn a_file_that_changes_after_it_was_checked_is_noticed() {
    let place = Place::new();
    let bytes = written(&mut small(&place));
    let backup = place.opened(&bytes).expect("it is whole");
    let mut other = bytes.clone();
    let at = other.windows(7).position(|part| part == b"entry 7").expect("it is there");
    other[at] ^= 1;
    fs::write(place.at("file"), other).expect("there is room");
    let refused = backup.restore(&place.at("d2"), &|_, _| {}).expect_err("it is another one").to_string();
    assert_eq!(refused, "`log-0000000001` is not what it was when the backup was checked");
    nothing_beside(&place, &["d", "file"]);
}

#[test]
fn a_full_disk_does_not_matter() {
    let disk = crate::disk::FaultyDisk::new(1);
    let mut journal = FolderJournal::on(Arc::new(disk.clone()), options()).expect("it opens").0;
    append(&mut journal, 1..=5);
    save(&journal, 1);
    disk.set_quota(Some(0));
    let mut last = 5;
    loop {
        let mut chunk = Chunk::new(0, 0);
        chunk.push(&[7; 300]);
        match journal.append(&[chunk], Class::Input) {
            Ok(position) => last = position,
            Err(crate::log::AppendError::Full) => break,
            Err(error) => panic!("{error}"),
        }
    }
    let place = Place::new();
    let backup = place.opened(&written(&mut journal)).expect("it is whole");
    assert_eq!((backup.about().position, backup.about().snapshot), (last, Some(1)));
}
