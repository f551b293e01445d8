//! Whether `docs/journal.md` says what is so: its tables are those of the source, and its files are those that
//! are there.

use std::sync::Arc;

use crate::disk::{Disk, FaultyDisk};
use crate::folder::NOTES;
use crate::lock::LOCK;
use crate::log::{CHUNK, Chunk, Class, FRAME, Field, Log, LogOptions};
use crate::snapshots::{BLOCK, CONTENTS, Snapshots};
use crate::{Blobs, SECTOR, sqlite};

const PAGE: &str = include_str!("../../docs/journal.md");

fn part(mark: &str) -> (&'static str, &'static str, &'static str) {
    let (begin, end) = (format!("<!-- begin {mark} -->\n"), format!("<!-- end {mark} -->"));
    let (before, rest) = PAGE.split_once(&begin).expect("the page has the mark");
    let (found, after) = rest.split_once(&end).expect("the page has the mark");
    (before, found, after)
}

fn fields(fields: &[Field]) -> String {
    let mut table = "| at | bytes | field | what it says |\n|---|---|---|---|\n".to_owned();
    for (offset, size, name, meaning) in fields {
        table += &match size {
            0 => format!("| {offset} | `length` | {name} | {meaning} |\n"),
            _ => format!("| {offset} | {size} | {name} | {meaning} |\n"),
        };
    }
    table
}

/// `UPDATE_EXPECT=1` writes the tables anew.
#[test]
fn the_tables_are_those_of_the_source() {
    let mut contents = "| kind | content |\n|---|---|\n".to_owned();
    for (kind, content) in CONTENTS {
        contents += &format!("| {kind} | {content} |\n");
    }
    let tables = [
        ("frame", fields(&FRAME)),
        ("chunk", fields(&CHUNK)),
        ("block", fields(&BLOCK)),
        ("contents", contents),
    ];
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let mut page = PAGE.to_owned();
        for (mark, table) in &tables {
            let begin = format!("<!-- begin {mark} -->\n");
            page = page.replace(
                &format!("{begin}{}<!-- end {mark} -->", part(mark).1),
                &format!("{begin}{table}<!-- end {mark} -->"),
            );
        }
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/journal.md");
        return std::fs::write(path, page).expect("the page can be written");
    }
    for (mark, table) in tables {
        assert_eq!(part(mark).1, table, "run with UPDATE_EXPECT=1 to write it anew");
    }
}

#[test]
fn the_fields_of_each_header_follow_each_other() {
    for fields in [&FRAME[..], &CHUNK, &BLOCK] {
        let mut end = 0;
        for (offset, size, name, _) in fields {
            assert_eq!(*offset, end, "{name}");
            end += size;
        }
    }
}

#[test]
fn the_page_says_how_large_things_are() {
    let options = LogOptions::default();
    for (says, is) in [
        ("Segments have 16 MiB", options.segment_bytes == 16 << 20),
        ("its last 1 MiB (the *reserve*)", options.reserve_bytes == 1 << 20),
        ("Two segments are kept", options.spares == 2),
        ("multiples of 512 bytes", SECTOR == 512),
    ] {
        assert!(PAGE.contains(says) && is, "{says}");
    }
}

/// Returns a name as the page writes it.
fn on_the_page(name: &str) -> String {
    let number = |name: &str| name.replace(|digit: char| digit.is_ascii_digit(), "N");
    match name.strip_prefix("blobs/") {
        Some(rest) => format!("blobs/HEX{}", &rest[64..]),
        None => number(name),
    }
}

/// All files that a log, snapshots and blobs leave behind, at every operation of making some.
#[test]
fn every_file_that_can_be_there_is_on_the_page() {
    let rows: Vec<&str> = part("files").1.lines().skip(2).collect();
    let documented: Vec<String> =
        rows.iter().filter_map(|row| Some(row.split('`').nth(1)?.to_owned())).collect();
    // What the second kind of folder has is not made by this form.
    let others = [LOCK, NOTES, sqlite::FILE, sqlite::LEFT, sqlite::TAKING].map(str::to_owned);
    let mut seen = std::collections::BTreeSet::from(others);
    for operation in 1..120 {
        let disk = FaultyDisk::new(operation);
        disk.power_off_at(operation);
        let _ = all_kinds(&disk);
        disk.power_on();
        seen.extend(disk.list().expect("it lists").iter().map(|name| on_the_page(name)));
    }
    let mut documented_in_order = documented.clone();
    documented_in_order.sort();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), documented_in_order);
}

fn all_kinds(disk: &FaultyDisk) -> Option<()> {
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = LogOptions { segment_bytes: 4_096, reserve_bytes: 512, ..LogOptions::default() };
    let (mut log, _) = Log::open(shared.clone(), options).ok()?;
    for _ in 0..12 {
        let mut chunk = Chunk::new(0, 0);
        chunk.push(&[7; 900]);
        log.append(&[chunk], Class::Input).ok()?;
    }
    log.let_go(log.last());
    if let Some(chore) = log.chore() {
        chore.run();
    }
    let snapshots = Snapshots::open(shared.clone()).ok()?;
    for number in 1..3 {
        snapshots.begin(number, 1).ok()?.finish().ok()?;
    }
    disk.flip_bit("snapshot-0000000002", 0, 0);
    snapshots.newest(1, 12).ok()?;
    Blobs::open(shared).ok()?.put(b"bytes").ok()?;
    Some(())
}
