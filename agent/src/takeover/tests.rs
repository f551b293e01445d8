//! The new agent, with somebody in the place of the one that runs who does what no agent of today does.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use camshaft_store::{FORMAT, FolderJournal, FolderLock, Formats, Journal as _};
use tempfile::TempDir;

use super::wire::{Message, Wire, WireError};
use super::{Hello, PROTOCOL, TakeOver, TakeOverError, Taken, Taker, VERSION, Welcome, socket, take};
use crate::api::HistoryKind;
use crate::node::Settings;
use crate::ports::Bindings;
use crate::serve::ServeError;
use crate::trust::Trust;

const LONG: Duration = Duration::from_secs(60);

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/folders/format-5")
}

/// A folder as an agent of format 5 left it.
fn of_format_5() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    let packed = fs::read(fixture().join("folder.tar.gz")).expect("it is there");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(&packed[..]));
    archive.unpack(folder.path()).expect("it unpacks");
    folder
}

/// Returns what is in a folder, but for the lock and the socket.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else if path.is_file() && !path.ends_with("lock") {
            found.insert(path.clone(), fs::read(&path).expect("it is there"));
        }
    }
    found
}

/// Returns the number of the newest state snapshot.
fn newest(folder: &Path) -> u64 {
    let names = fs::read_dir(folder)
        .expect("it is there")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter_map(|name| name.strip_prefix("snapshot-")?.parse().ok()).max().expect("it has one")
}

/// Plays the agent that runs on a folder.
fn played(folder: &Path, play: impl FnOnce(&mut Wire) + Send + 'static) -> JoinHandle<()> {
    let listener = socket::listen(folder).expect("it listens");
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("somebody comes");
        play(&mut Wire::new(stream).expect("it is a connection"));
    })
}

fn taken(folder: &Path) -> Result<Taken, ServeError> {
    take(&Taker {
        folder,
        asked: &TakeOver { listen: None, who: "mona".to_owned() },
        trust: &Trust::Anybody,
        ports: &Bindings::default(),
        settings: Settings::one(7),
    })
}

fn hears(wire: &mut Wire) -> Message {
    wire.receive(LONG).expect("the other one goes on").message
}

fn welcomes(wire: &mut Wire, writes: Formats, listen: SocketAddr) {
    let Message::Hello(Hello { protocol, agent, reads, who }) = hears(wire) else { panic!("no hello") };
    assert_eq!((protocol, agent.as_str(), reads, who.as_str()), (PROTOCOL, VERSION, Formats::OURS, "mona"));
    let welcome = Welcome { agent: "0.0.9".to_owned(), writes, listen, bundles: 0 };
    wire.say(&Message::Welcome(welcome)).expect("it is heard");
}

fn hears_refusal(wire: &mut Wire, code: &str, reason: &str) {
    let Message::Refused(problem) = hears(wire) else { panic!("no refusal") };
    assert_eq!(problem.code, code, "{problem:?}");
    assert!(problem.detail.contains(reason), "{problem:?}");
}

#[test]
fn a_folder_of_an_earlier_format_is_left_alone_until_it_is_ours() {
    let folder = of_format_5();
    let path = folder.path().to_owned();
    let before = contents(&path);
    let (number, untouched) = (newest(&path), before.clone());
    let lock = FolderLock::take(&path).expect("nobody has it");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has one");
    let old = played(&path.clone(), move |wire| {
        welcomes(wire, Formats { records: 5, ..Formats::OURS }, address);
        assert!(matches!(hears(wire), Message::Verified));
        wire.say(&Message::Saved(number)).expect("it is heard");
        assert!(matches!(hears(wire), Message::Loaded));
        assert!(contents(&path) == untouched, "nothing was written while it was only looked at");
        wire.send(&Message::Yours, &[], &[lock.as_fd(), listener.as_fd()]).expect("it is heard");
        wire.say(&Message::All).expect("it is heard");
        assert!(matches!(hears(wire), Message::Opened));
    });
    let Taken { link, mut node, lock, address: found, .. } = taken(folder.path()).expect("it is taken over");
    assert_eq!(found, address);
    let expected = fs::read_to_string(fixture().join("expected.json")).expect("it is there");
    let expected: serde_json::Value = serde_json::from_str(&expected).expect("it is JSON");
    let status = serde_json::to_value(node.status().expect("it is here")).expect("it is JSON");
    for name in ["running", "rollback_to", "switch"] {
        assert_eq!(status[name], expected[name], "{name}");
    }
    let last = node.history().entries.pop().expect("something was done");
    assert_eq!((last.what, last.why), (HistoryKind::TakenOver, format!("agent 0.0.9 -> {VERSION}")));
    link.opened();
    old.join().expect("it saw what it expects");
    drop(node);
    assert!(contents(folder.path()) != before);

    // What it wrote is of today, and who knows no more than format 5 is told so before it stops anything.
    let (journal, _, _) = FolderJournal::open_with(folder.path(), lock).expect("it opens");
    let mut formats = vec![];
    journal
        .read(1, &mut |entry| {
            formats.push(entry.bytes[0]);
            Ok(())
        })
        .expect("it is whole");
    assert_eq!((formats.first(), formats.last()), (Some(&5), Some(&FORMAT)));
    let back = Formats { records: 5, ..Formats::OURS }.reason_unreadable(&Formats::OURS);
    let reason = format!("the node writes records in format {FORMAT}, and this version knows those up to 5");
    assert_eq!(back, Some(reason));
}

#[test]
fn a_lock_of_another_folder_is_not_taken_for_this_one_s() {
    let (folder, other) = (of_format_5(), TempDir::new().expect("a folder"));
    let lock = FolderLock::take(other.path()).expect("nobody has it");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has one");
    let _own = FolderLock::take(folder.path()).expect("nobody has it");
    let before = contents(folder.path());
    let old = played(folder.path(), move |wire| {
        welcomes(wire, Formats::OURS, address);
        assert!(matches!(hears(wire), Message::Verified));
        wire.say(&Message::Saved(0)).expect("it is heard");
        assert!(matches!(hears(wire), Message::Loaded));
        wire.send(&Message::Yours, &[], &[lock.as_fd(), listener.as_fd()]).expect("it is heard");
        wire.say(&Message::All).expect("it is heard");
        hears_refusal(wire, "takeover-failed", "it is that of another folder");
        wire.wait_for_end(LONG).expect("it goes");
    });
    assert!(matches!(taken(folder.path()).err(), Some(ServeError::Store(_))));
    old.join().expect("it saw what it expects");
    assert!(contents(folder.path()) == before, "nothing was changed");
}

#[test]
fn an_address_that_others_reach_is_not_opened_to_bundles_of_anybody() {
    let folder = TempDir::new().expect("a folder");
    let address: SocketAddr = "192.0.2.1:7101".parse().expect("an address");
    let old = played(folder.path(), move |wire| {
        welcomes(wire, Formats::OURS, address);
        hears_refusal(wire, "takeover-failed", "192.0.2.1:7101 can be reached from other machines");
    });
    let refused = taken(folder.path()).err().expect("it is refused");
    assert!(matches!(refused, ServeError::NotLoopback(found) if found == address), "{refused:?}");
    old.join().expect("it saw what it expects");
}

#[test]
fn who_says_something_else_is_not_taken_over() {
    let folder = TempDir::new().expect("a folder");
    let old = played(folder.path(), |wire| {
        assert!(matches!(hears(wire), Message::Hello(_)));
        wire.say(&Message::Loaded).expect("it is heard");
        hears_refusal(
            wire,
            "takeover-failed",
            "the other agent says something else than was expected: Loaded",
        );
    });
    let refused = taken(folder.path()).err().expect("it is refused");
    let ServeError::TakeOver(TakeOverError::Broken(WireError::Unexpected(said))) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(said, "Loaded");
    old.join().expect("it saw what it expects");
}
