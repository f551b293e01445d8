//! Data folders of earlier formats, opened by the agent of today: every instance, answer and timer is what it was.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use camshaft_agent::engine::{Identity, Reply, Request, RequestId};
use camshaft_agent::node::{Asked, Holding, Node, NodeError, OpenNodeError, Settings};
use camshaft_agent::speech::Says;
use camshaft_agent::stage::stage_kept;
use camshaft_store::{FolderJournal, OldFolder, ReleaseEntry, StoreError};
use serde_json::{Value, json};
use tempfile::TempDir;

const HOUR: i64 = 3_600_000;

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/folders/format-3")
}

/// The folder as the agent of its day left it.
fn unpacked() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for name in ["journal.sqlite", "journal.sqlite-wal"] {
        let packed = fs::read(fixture().join(format!("{name}.gz"))).expect("the file is there");
        let mut bytes = vec![];
        flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).expect("it unpacks");
        fs::write(folder.path().join(name), bytes).expect("the folder is writable");
    }
    folder
}

fn expected() -> Value {
    expected_of("format-3")
}

fn expected_of(format: &str) -> Value {
    let file = fixture().with_file_name(format).join("expected.json");
    let text = fs::read_to_string(file).expect("the file is there");
    serde_json::from_str(&text).expect("it is JSON")
}

fn settings(shards: u16) -> Settings {
    Settings { shards, ..Settings::one(7) }
}

fn opener() -> Box<camshaft_agent::node::Opener> {
    Box::new(|bytes: &[u8], entry: &ReleaseEntry| {
        stage_kept(bytes, entry).map(std::sync::Arc::new).map_err(|error| error.to_string())
    })
}

/// Takes the folder over, and leaves it as it was before the file was put aside.
fn taken(folder: &Path, shards: u16, now_ms: i64) -> Result<(Node, OldFolder), OpenNodeError> {
    let (journal, _, old) = FolderJournal::open(folder)?;
    let old = old.expect("it has the form of an earlier version");
    let node = Node::take_over(&old, Box::new(journal), opener(), settings(shards), now_ms)?;
    Ok((node, old))
}

fn opened(folder: &Path, shards: u16, now_ms: i64) -> Node {
    let (journal, _, old) = FolderJournal::open(folder).expect("it opens");
    assert!(old.is_none(), "it has the form of today");
    Node::open(Box::new(journal), opener(), settings(shards), now_ms).expect("it opens")
}

fn settle(node: &mut Node, now_ms: i64) {
    node.run(now_ms).expect("the journal works");
    while node.has_work() {
        node.run(now_ms).expect("the journal works");
    }
}

fn send(node: &mut Node, now_ms: i64, key: &str, json: &str, identity: Option<Identity>) -> Reply {
    let address = format!("shop/till/{key}").parse().expect("an address");
    let (id, json, trace) = (RequestId(1), json.to_owned(), None);
    node.request(now_ms, Request { id, address, json, says: Says::Version("1.0.0".into()), identity, trace });
    settle(node, now_ms);
    node.take_answers().pop().expect("an answer").1
}

fn read(node: &mut Node, now_ms: i64, key: &str) -> Value {
    match send(node, now_ms, key, "\"Read\"", None) {
        Reply::Answered { answer: Ok(json), .. } => serde_json::from_str(&json).expect("it is JSON"),
        other => panic!("{other:?}"),
    }
}

/// Compares everything that can be seen with what the agent of that day told.
fn compare(node: &mut Node, now_ms: i64) {
    compare_with(node, now_ms, &expected());
}

fn compare_with(node: &mut Node, now_ms: i64, expected: &Value) {
    settle(node, now_ms);
    let status = serde_json::to_value(node.status().expect("the node is here")).expect("it is JSON");
    for name in ["running", "rollback_to", "switch"] {
        assert_eq!(status[name], expected[name], "{name}");
    }
    // First: these go over the switch now, which that agent had them do at once.
    for (key, was) in expected["reads"].as_object().expect("by key") {
        let was: Value = serde_json::from_str(was.as_str().expect("a text")).expect("it is JSON");
        assert_eq!(read(node, now_ms, key), was, "{key}");
    }
    let instances = node.instances(None, 100).expect("the node is here");
    let instances = serde_json::to_value(instances.instances).expect("it is JSON");
    for (is, was) in
        instances.as_array().expect("a list").iter().zip(expected["instances"].as_array().expect("a list"))
    {
        assert_eq!(is, was);
    }
    assert_eq!(instances, expected["instances"]);
    let history = serde_json::to_value(node.history().entries).expect("it is JSON");
    let history = history.as_array().expect("a list");
    assert_eq!(history.len(), expected["history"].as_array().expect("a list").len());
    for (is, was) in history.iter().zip(expected["history"].as_array().expect("a list")) {
        for name in ["number", "at_ms", "who", "what", "from", "to", "switch", "code", "why"] {
            assert_eq!(is[name], was[name], "{name} of {was}");
        }
    }
}

/// Repeats what was sent to the agent of that day: nothing of it is applied again.
fn repeat(node: &mut Node, now_ms: i64) {
    let client = |sender: &str, seq| Some(Identity::Client { sender: sender.into(), seq });
    let key = || Some(Identity::Key("only-once".into()));
    let answered = [
        ("a", r#"{"Add":{"count":3}}"#, client("ann", 3)),
        ("a", r#"{"Add":{"count":10}}"#, client("ann", 4)),
        ("b", r#"{"Add":{"count":7}}"#, key()),
        ("e", r#"{"Add":{"count":40}}"#, client("eve", 1)),
    ];
    for (to, json, identity) in answered {
        let reply = send(node, now_ms, to, json, identity);
        assert!(
            matches!(&reply, Reply::Answered { answer: Ok(json), repeated: true, .. } if json == "\"Ok\""),
            "{to} {json}: {reply:?}"
        );
    }
    let trapped = send(node, now_ms, "big", r#"{"Add":{"count":9}}"#, client("ann", 1));
    assert!(
        matches!(&trapped, Reply::Answered { answer: Err((kind, _)), repeated: true, .. } if kind == "overflow"),
        "{trapped:?}"
    );
    let other = send(node, now_ms, "b", r#"{"Add":{"count":8}}"#, key());
    assert!(matches!(other, Reply::Refused(_)), "{other:?}");
}

#[test]
fn a_folder_of_format_3_is_taken_over_as_it_was() {
    let now_ms = expected()["now_ms"].as_i64().expect("a number");
    for shards in [1, 3] {
        let folder = unpacked();
        let (mut node, old) = taken(folder.path(), shards, now_ms).expect("it is taken over");
        compare(&mut node, now_ms);
        drop((node, old));
        // It was not put aside: whatever was made of it and done since is none of its business.
        let (node, old) = taken(folder.path(), shards, now_ms).expect("it is taken over");
        old.leave().expect("it is put aside");
        drop(node);
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .expect("the folder is there")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .filter(|name| name.starts_with("journal") || name == "taking-over")
            .collect();
        names.sort();
        assert_eq!(names, ["journal.sqlite.old"]);
        let mut node = opened(folder.path(), shards, now_ms);
        compare(&mut node, now_ms);
        repeat(&mut node, now_ms);
        drop(node);
        // And once more from what today's journal says of all that.
        let mut node = opened(folder.path(), shards + 1, now_ms);
        compare_states(&mut node, now_ms);
        timers_fire(&mut node, now_ms + 2 * HOUR);
        rolls_back(&mut node, now_ms + 2 * HOUR);
    }
}

fn compare_states(node: &mut Node, now_ms: i64) {
    for (key, was) in expected()["reads"].as_object().expect("by key") {
        let was: Value = serde_json::from_str(was.as_str().expect("a text")).expect("it is JSON");
        assert_eq!(read(node, now_ms, key), was, "{key}");
    }
}

fn timers_fire(node: &mut Node, now_ms: i64) {
    settle(node, now_ms);
    for (key, late) in [("c", 5), ("d", 6)] {
        assert_eq!(read(node, now_ms, key)["State"]["late"], json!(late), "{key}");
    }
}

fn rolls_back(node: &mut Node, now_ms: i64) {
    let asked = Asked { who: "test".to_owned(), now_ms };
    let plan = node.plan_rollback().expect("the release before is kept");
    let trial = node.try_all(plan).expect("the node is here");
    node.rollback(&asked, trial, Holding::Refuse).expect("it goes back");
    assert_eq!(read(node, now_ms, "a"), json!({"State": {"sum": 16, "seen": 23, "late": 0}}));
}

#[test]
fn an_attempt_that_died_anywhere_is_begun_anew() {
    let now_ms = expected()["now_ms"].as_i64().expect("a number");
    let folder = unpacked();
    // It died at once, and before its snapshot was whole.
    drop(FolderJournal::open(folder.path()).expect("it opens"));
    drop(taken(folder.path(), 2, now_ms).expect("it is taken over"));
    fs::write(folder.path().join("snapshot-0000000001"), b"half").expect("the folder is writable");
    let (node, old) = taken(folder.path(), 2, now_ms).expect("it is taken over");
    drop(node);
    // It died between the new name and the end.
    old.leave().expect("it is put aside");
    fs::write(folder.path().join("taking-over"), b"").expect("the folder is writable");
    compare(&mut opened(folder.path(), 2, now_ms), now_ms);
    assert!(!folder.path().join("taking-over").exists());
}

#[test]
fn a_folder_with_records_of_both_versions_is_refused() {
    let now_ms = expected()["now_ms"].as_i64().expect("a number");
    let folder = unpacked();
    drop(taken(folder.path(), 1, now_ms).expect("it is taken over"));
    fs::remove_file(folder.path().join("taking-over")).expect("it is there");
    let error = FolderJournal::open(folder.path()).expect_err("nobody knows which one counts").to_string();
    assert!(
        error.starts_with("the data folder is damaged: it has a journal of an earlier version"),
        "{error}"
    );
}

#[test]
fn damage_is_noticed_and_nothing_is_taken_over() {
    let now_ms = expected()["now_ms"].as_i64().expect("a number");
    let folder = unpacked();
    // In one file again, as after a clean stop.
    let (node, old) = taken(folder.path(), 1, now_ms).expect("it is taken over");
    old.leave().expect("it is put aside");
    drop(node);
    let path = folder.path().join("journal.sqlite");
    fs::rename(folder.path().join("journal.sqlite.old"), &path).expect("it is there");
    fs::write(folder.path().join("taking-over"), b"").expect("the folder is writable");
    // A bit of a text in it: SQLite does not notice.
    let mut bytes = fs::read(&path).expect("it is there");
    let needle = b"only-once";
    let place =
        bytes.windows(needle.len()).position(|part| part == needle).expect("the snapshot has the key");
    bytes[place] ^= 1;
    fs::write(&path, bytes).expect("the folder is writable");
    let error = match taken(folder.path(), 1, now_ms) {
        Err(OpenNodeError::Journal(error @ StoreError::Damaged { .. })) => error.to_string(),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it is damaged"),
    };
    assert_eq!(error, "instance of snapshot (20, 3) is damaged: its checksum is wrong");
    assert!(path.exists());
}

/// Its state snapshot was made while the release was provisional: states from before are in it, and the way back
/// is exact. Everything in it had gone over the last switch; what is not said is so read.
#[test]
fn a_folder_of_format_5_goes_on_and_back() {
    let expected = expected_of("format-5");
    let now_ms = expected["now_ms"].as_i64().expect("a number");
    for shards in [1, 2, 3] {
        let folder = TempDir::new().expect("a folder");
        let packed =
            fs::read(fixture().with_file_name("format-5").join("folder.tar.gz")).expect("it is there");
        tar::Archive::new(flate2::read::GzDecoder::new(&packed[..]))
            .unpack(folder.path())
            .expect("it unpacks");
        let mut node = opened(folder.path(), shards, now_ms);
        compare_with(&mut node, now_ms, &expected);
        // What was answered then is answered so again.
        let zoe = Identity::Client { sender: "zoe".into(), seq: 1 };
        let again = send(&mut node, now_ms, "a", r#"{"Add":{"count":7}}"#, Some(zoe));
        assert!(matches!(again, Reply::Answered { answer: Ok(_), repeated: true, .. }), "{again:?}");
        node.save_snapshot().expect("a snapshot of today");
        drop(node);
        let mut node = opened(folder.path(), shards, now_ms);
        compare_with(&mut node, now_ms, &expected);
        let asked = Asked { who: "test".to_owned(), now_ms };
        let plan = node.plan_rollback().expect("the release before is kept");
        let trial = node.try_all(plan).expect("the node is here");
        let report = node.rollback(&asked, trial, Holding::Refuse).expect("it goes back");
        let counts = report.rollback.expect("counts");
        assert!(counts.before_image > 0 && counts.down > 0, "{counts:?}");
        assert_eq!(read(&mut node, now_ms, "a")["State"]["sum"], json!(35));
        // The timers that waited fire under the old release.
        settle(&mut node, now_ms + 2 * HOUR);
        assert_eq!(read(&mut node, now_ms + 2 * HOUR, "q")["State"]["late"], json!(4));
    }
}

/// Its state snapshot was made while the release was provisional, by an agent that kept nothing for a rewind.
#[test]
fn a_folder_of_format_6_goes_on_and_back() {
    let expected = expected_of("format-6");
    let now_ms = expected["now_ms"].as_i64().expect("a number");
    for shards in [1, 2] {
        let folder = TempDir::new().expect("a folder");
        let packed =
            fs::read(fixture().with_file_name("format-6").join("folder.tar.gz")).expect("it is there");
        tar::Archive::new(flate2::read::GzDecoder::new(&packed[..]))
            .unpack(folder.path())
            .expect("it unpacks");
        let mut node = opened(folder.path(), shards, now_ms);
        compare_with(&mut node, now_ms, &expected);
        node.save_snapshot().expect("a snapshot of today");
        drop(node);
        let mut node = opened(folder.path(), shards, now_ms);
        compare_with(&mut node, now_ms, &expected);
        let asked = Asked { who: "test".to_owned(), now_ms };
        let trial = |node: &mut Node| {
            let plan = node.plan_rollback().expect("the release before is kept");
            node.try_all(plan).expect("the node is here")
        };
        // What it did since the switch is not known.
        let tried = trial(&mut node);
        match node.rollback(&asked, tried, Holding::Refuse) {
            Err(NodeError::Refused(problem)) => {
                assert_eq!(problem.detail, "shop/till/b: down: failed: two adds");
            }
            other => panic!("one would be held: {other:?}"),
        }
        // One that the agent of today sees being born is known as a whole.
        for count in [3, 4] {
            send(&mut node, now_ms, "new", &format!(r#"{{"Add":{{"count":{count}}}}}"#), None);
        }
        let tried = trial(&mut node);
        let report = node.rollback(&asked, tried, Holding::Hold).expect("it goes back");
        let counts = report.rollback.expect("counts");
        assert_eq!((counts.held, counts.rewound), (1, 1), "{counts:?}");
        assert!(counts.before_image > 0 && counts.down > 0, "{counts:?}");
        assert_eq!(read(&mut node, now_ms, "a")["State"]["sum"], json!(12));
        assert_eq!(read(&mut node, now_ms, "new")["State"]["sum"], json!(7));
    }
}
