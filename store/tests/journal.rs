//! What a journal promises, on both kinds of journal, and what the one on disk does with damage.

use camshaft_cam::digest::Digest;
use camshaft_store::{
    AsideSnapshot, ClientSays, ClientSeen, Control, Direction, Effect, InputRecord, InstanceSnapshot,
    Journal, KeptAnswer, KeptSender, MemoryJournal, Record, ReleaseEntry, Snapshot, Source, SqliteJournal,
    Stamp, Status, StoreError, Verdict,
};
use rusqlite::Connection;
use tempfile::TempDir;

fn input(seq: u64) -> Record {
    Record::Input(InputRecord {
        switch: 1,
        instance: "shop/stock/nut".to_owned(),
        seq,
        source: Source::Client { sender: "c".to_owned(), seq, content: Digest::of(b"content") },
        writer: Digest::of(b"type"),
        input: vec![1, 2, 3],
        now_ms: 1_000,
        seed: -7,
        config: 1,
        trace: Some("00-aa-bb-01".to_owned()),
        verdict: Verdict::Applied {
            output: Some(vec![0]),
            effects: vec![
                Effect::Log("sold".to_owned()),
                Effect::Send { channel: "b".to_owned(), to: "p/a".to_owned(), message: vec![9] },
            ],
            state: Digest::of(b"state"),
        },
    })
}

fn control() -> Record {
    let entry = |version: &str| ReleaseEntry {
        name: "shop".to_owned(),
        version: version.to_owned(),
        digest: Digest::of(version.as_bytes()),
        archive: Digest::of(b"archive"),
    };
    Record::Control(Control::Switch {
        stamp: Stamp { at_ms: 5, who: "operator".to_owned() },
        number: 2,
        from: entry("1.0.0"),
        to: entry("2.0.0"),
        direction: Direction::Up,
        relup: Digest::of(b"relup"),
    })
}

fn seen(requests: u64) -> ClientSeen {
    let says = ClientSays::Version("1.0.0".to_owned());
    ClientSeen { says, app: "shop".to_owned(), requests, last_ms: 7 }
}

fn snapshot(position: u64) -> Snapshot {
    let instance = |address: &str| InstanceSnapshot {
        aside: Some(AsideSnapshot { edge: Digest::of(b"edge"), kept: vec![1] }),
        address: address.to_owned(),
        status: Status::Live,
        machine: Digest::of(b"machine"),
        seq: 3,
        life: 1,
        state: Some(vec![4, 5]),
        mailbox: vec![],
        timers: vec![],
        timer_generation: 0,
        kept: vec![KeptSender {
            sender: "c".to_owned(),
            single: false,
            floor: 0,
            answers: vec![KeptAnswer {
                seq: 1,
                content: Digest::of(b""),
                at_ms: 9,
                answer: Err(("fail".to_owned(), "no".to_owned())),
                writer: Some(Digest::of(b"machine")),
            }],
        }],
        before: None,
        parked: vec![],
    };
    let instances = vec![instance("a/b/1"), instance("a/b/2")];
    Snapshot { position, switch: 1, config: 1, now_ms: 7, instances }
}

fn all(journal: &dyn Journal, after: u64) -> Vec<(u64, Record)> {
    let mut records = vec![];
    let visit = &mut |position, record| {
        records.push((position, record));
        Ok(())
    };
    journal.read(after, visit).expect("the journal reads");
    records
}

fn keeps_its_promises(mut journal: impl Journal) {
    assert_eq!(journal.last().expect("last"), 0);
    assert_eq!(journal.append(&[]).expect("append"), 0);
    assert_eq!(journal.append(&[input(1), control()]).expect("append"), 2);
    assert_eq!(journal.append(&[input(2)]).expect("append"), 3);
    assert_eq!(all(&journal, 0), [(1, input(1)), (2, control()), (3, input(2))]);
    assert_eq!(all(&journal, 2), [(3, input(2))]);
    let Record::Control(switch) = control() else { unreachable!("it is one") };
    assert_eq!(journal.controls().expect("controls"), [(2, switch.clone())]);

    assert_eq!(journal.snapshot().expect("snapshot"), None);
    journal.save_snapshot(&snapshot(2)).expect("save");
    journal.save_snapshot(&snapshot(3)).expect("save");
    assert_eq!(journal.snapshot().expect("snapshot"), Some(snapshot(3)));
    assert_eq!(all(&journal, 3), []);
    assert_eq!(journal.controls().expect("controls"), [(2, switch)]);
    assert_eq!(journal.append(&[input(3)]).expect("append"), 4);

    assert_eq!(journal.clients().expect("clients"), []);
    journal.save_clients(&[seen(1), seen(2)]).expect("save");
    journal.save_clients(&[seen(3)]).expect("save");
    assert_eq!(journal.clients().expect("clients"), [seen(3)]);

    let digest = journal.put_blob(b"bundle").expect("put");
    assert_eq!(journal.put_blob(b"bundle").expect("put again"), digest);
    assert_eq!(journal.blob(digest).expect("blob"), Some(b"bundle".to_vec()));
    assert_eq!(journal.blob(Digest::of(b"other")).expect("blob"), None);
}

#[test]
fn a_journal_in_memory_keeps_its_promises() {
    keeps_its_promises(MemoryJournal::default());
}

#[test]
fn a_journal_on_disk_keeps_its_promises() {
    let folder = TempDir::new().expect("a folder");
    keeps_its_promises(SqliteJournal::open(&folder.path().join("made")).expect("open"));
}

#[test]
fn what_was_appended_is_there_after_opening_anew() {
    let folder = TempDir::new().expect("a folder");
    let open = || SqliteJournal::open(folder.path()).expect("open");
    open().append(&[input(1), input(2)]).expect("append");
    assert_eq!(all(&open(), 0).len(), 2);
    // The snapshot lets go of both; their positions are not given away again.
    open().save_snapshot(&snapshot(2)).expect("save");
    let mut journal = open();
    assert_eq!(journal.last().expect("last"), 2);
    assert_eq!(journal.append(&[input(3)]).expect("append"), 3);
    assert_eq!(all(&journal, 2), [(3, input(3))]);
}

#[test]
fn a_second_agent_on_the_same_folder_is_refused() {
    let folder = TempDir::new().expect("a folder");
    let first = SqliteJournal::open(folder.path()).expect("open");
    let error = SqliteJournal::open(folder.path()).expect_err("it is taken");
    assert_eq!(error.to_string(), format!("another agent runs on {}", folder.path().display()));
    drop(first);
    SqliteJournal::open(folder.path()).expect("it is free again");
}

/// Opens a journal with three records and a snapshot, lets `damage` loose on its file, and opens
/// it anew.
fn damaged(damage: &str) -> (TempDir, SqliteJournal) {
    let folder = TempDir::new().expect("a folder");
    let mut journal = SqliteJournal::open(folder.path()).expect("open");
    journal.append(&[input(1), input(2), control(), input(3)]).expect("append");
    journal.save_snapshot(&snapshot(1)).expect("save");
    journal.put_blob(b"bundle").expect("put");
    journal.save_clients(&[seen(1)]).expect("save");
    drop(journal);
    let database = Connection::open(folder.path().join("journal.sqlite")).expect("the database");
    database.execute_batch(damage).expect("it can be damaged");
    drop(database);
    let journal = SqliteJournal::open(folder.path()).expect("open");
    (folder, journal)
}

#[test]
fn damage_is_said_and_never_guessed_around() {
    let ignore = &mut |_, _| Ok(());
    let (_folder, journal) = damaged("UPDATE record SET bytes = x'0100' WHERE position = 2");
    let error = journal.read(1, ignore).expect_err("damaged").to_string();
    assert_eq!(error, "record 2 is damaged: its checksum is wrong");

    let (_folder, journal) = damaged("DELETE FROM record WHERE position = 2");
    let error = journal.read(1, ignore).expect_err("a gap").to_string();
    assert_eq!(error, "the journal is damaged: record 3 comes after record 1");

    let swap = "UPDATE record SET bytes = (SELECT bytes FROM record WHERE position = 4),
                sum = (SELECT sum FROM record WHERE position = 4) WHERE position = 2";
    let (_folder, journal) = damaged(swap);
    let error = journal.read(1, ignore).expect_err("moved").to_string();
    assert_eq!(error, "record 2 is damaged: its checksum is wrong");

    let (_folder, journal) = damaged("UPDATE record SET control = 1 WHERE position = 2");
    let error = journal.controls().expect_err("no control record").to_string();
    assert_eq!(error, "record 2 is damaged: it is listed as a control record and is none");

    let (_folder, journal) = damaged("UPDATE snapshot_instance SET bytes = x'01' WHERE number = 2");
    let error = journal.snapshot().expect_err("damaged").to_string();
    assert_eq!(error, "instance of snapshot (1, 2) is damaged: its checksum is wrong");

    let (_folder, journal) = damaged("DELETE FROM snapshot_instance WHERE number = 2");
    let error = journal.snapshot().expect_err("one is missing").to_string();
    assert_eq!(error, "snapshot 1 is damaged: it has 1 instances and says 2");

    let (_folder, journal) = damaged("UPDATE client SET bytes = x'00'");
    let error = journal.clients().expect_err("damaged").to_string();
    assert_eq!(error, "count of clients 1 is damaged: its checksum is wrong");

    let (_folder, journal) = damaged("UPDATE blob SET bytes = x'00'");
    let digest = Digest::of(b"bundle");
    let error = journal.blob(digest).expect_err("damaged").to_string();
    assert_eq!(error, format!("the blob {digest} is damaged: its content has another digest"));
}

#[test]
fn a_folder_from_before_clients_were_counted_gets_their_table() {
    let (_folder, mut journal) = damaged("DROP TABLE client");
    assert_eq!(journal.clients().expect("clients"), []);
    journal.save_clients(&[seen(1)]).expect("save");
    assert_eq!(journal.clients().expect("clients"), [seen(1)]);
}

#[test]
fn another_version_s_folder_is_refused() {
    let folder = TempDir::new().expect("a folder");
    drop(SqliteJournal::open(folder.path()).expect("open"));
    let database = Connection::open(folder.path().join("journal.sqlite")).expect("the database");
    database.pragma_update(None, "user_version", 9).expect("set");
    drop(database);
    let error = SqliteJournal::open(folder.path()).expect_err("another layout");
    assert!(matches!(error, StoreError::Layout { found: 9, known: 1 }), "{error}");
}
