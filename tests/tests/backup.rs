//! Backups of a node that works, through the real command line: what is in them, and what comes of restoring them.

#[path = "kills/bank.rs"]
mod bank;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use camshaft_tests::{Agent, Client, Done, World, until};
use serde_json::{Value, json};

use bank::{ACCOUNTS, UNLUCKY};

const TILLS: u64 = 4;

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

fn node(world: &World, agent: &Agent, words: &[&str]) -> Done {
    world.run(&[&["node"], words, &["--node", agent.url()]].concat())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The payment of this number of a till, the same whenever it is sent.
fn payment(till: u64, number: u64) -> Value {
    let by = 1 + number % (UNLUCKY - 1);
    json!({ "Pay": { "to": format!("a{}", (number * 7 + till) % ACCOUNTS), "by": by } })
}

/// Sends it under its name, and returns how many payments the till says it has made.
fn pay(client: &Client, till: u64, number: u64) -> Option<u64> {
    let name = format!("t{till}/{number}");
    let path = format!("/v1/apps/bank/till/t{till}");
    let answered = client.post(&path, &[("camshaft-message", &name)], payment(till, number).to_string());
    let answered = answered.ok().filter(|answered| answered.status == 200)?;
    answered.json()["Paid"]["nth"].as_u64()
}

fn told(client: &Client, address: &str, what: &str) -> [u64; 2] {
    let answer = client.send(address, "\"Read\"");
    let fields = if what == "Told" { ["paid", "sent"] } else { ["count", "sum"] };
    fields.map(|field| answer[what][field].as_u64().unwrap_or_else(|| panic!("no `{field}` in {answer}")))
}

/// Returns what all the tills say they paid, and what all the accounts say they got: how often, and how much.
fn sums(client: &Client) -> ([u64; 2], [u64; 2]) {
    let add = |sum: [u64; 2], one: [u64; 2]| [sum[0] + one[0], sum[1] + one[1]];
    let paid = (0..TILLS).map(|till| told(client, &format!("bank/till/t{till}"), "Told")).fold([0; 2], add);
    let got =
        (0..ACCOUNTS).map(|one| told(client, &format!("bank/account/a{one}"), "Stands")).fold([0; 2], add);
    (paid, got)
}

#[test]
fn a_backup_under_load_has_all_that_was_acknowledged_and_is_one_moment() {
    let world = world();
    let [first, second] = bank::releases(&world);
    // State snapshots are made all the time, and the log is let go.
    let agent = Agent::start_with(&world, "d", &[("CAMSHAFT_FIGURE_SNAPSHOT_EVERY", "300")]);
    node(&world, &agent, &["install", &text(&first)]).expect(0);
    let acknowledged: Vec<AtomicU64> = (0..TILLS).map(|_| AtomicU64::new(0)).collect();
    let known = || acknowledged.iter().map(|one| one.load(Ordering::SeqCst)).collect::<Vec<u64>>();
    let enough = AtomicBool::new(false);
    let rounds: Vec<(Vec<u64>, Vec<u64>)> = std::thread::scope(|scope| {
        for (till, mine) in (0..).zip(&acknowledged) {
            let (client, enough) = (agent.client(), &enough);
            scope.spawn(move || {
                for number in 1.. {
                    assert_eq!(pay(&client, till, number), Some(number), "the till t{till}");
                    mine.store(number, Ordering::SeqCst);
                    if enough.load(Ordering::SeqCst) {
                        break;
                    }
                }
            });
        }
        let rounds = (0..3).map(|round: u64| {
            let lived = |known: &Vec<u64>| known.iter().all(|one| *one >= 100 * (round + 1));
            let before = until("the clients to have paid", || Some(known()).filter(lived));
            let made =
                node(&world, &agent, &["backup", "-o", &format!("b{round}.tar"), "--json"]).expect(0).json();
            assert_eq!(made["backup"]["release"]["version"], "1.0.0", "{made}");
            (before, known())
        });
        let rounds = rounds.collect();
        enough.store(true, Ordering::SeqCst);
        rounds
    });
    let own = world.read("d/node-id");
    agent.kill();

    for (round, (before, after)) in rounds.iter().enumerate() {
        let (file, data) = (format!("b{round}.tar"), format!("r{round}"));
        let restored = world.run(&["restore", &file, "--data", &data]).expect(0);
        assert!(restored.stdout.contains("start it with: camshaft agent --data"), "{restored:#?}");
        let agent = Agent::start(&world, &data);
        let client = agent.client();
        assert_ne!(world.read(&format!("{data}/node-id")), own, "its calls have other keys");
        // What was on its way arrives, and nothing else.
        let (paid, got) = until("the mail to be delivered", || {
            let (paid, got) = sums(&client);
            (client.node()["counts"]["queued"] == 0 && paid == got).then_some((paid, got))
        });
        assert_eq!(paid, got, "what was sent was delivered once, and nothing was that was not sent");
        for till in 0..TILLS {
            let [count, _] = told(&client, &format!("bank/till/t{till}"), "Told");
            let (least, most) = (before[till as usize], after[till as usize] + 1);
            assert!((least..=most).contains(&count), "round {round}, t{till}: {count} of {least} to {most}");
            // What was acknowledged before is not applied again, and the numbers go on.
            assert_eq!(
                pay(&client, till, least.max(count.saturating_sub(10))),
                Some(least.max(count.saturating_sub(10)))
            );
            assert_eq!(pay(&client, till, count + 1), Some(count + 1));
        }
        assert_eq!(agent.client().release(), Some(("1.0.0".to_owned(), false)));
    }
    let tried = world.run(&["try", &text(&second), "--state", "b2.tar", "--json"]).expect(0).json();
    assert_eq!(tried["passed"], true, "{tried}");
}

#[test]
fn what_is_no_whole_backup_is_refused_and_nothing_is_written() {
    let world = world();
    let [first, second] = bank::releases(&world);
    let agent = Agent::start(&world, "d");
    node(&world, &agent, &["backup", "-o", "b.tar"]).refused("The node is empty");
    assert!(!world.at("b.tar").exists());
    node(&world, &agent, &["install", &text(&first)]).expect(0);
    assert_eq!(pay(&agent.client(), 0, 1), Some(1));
    node(&world, &agent, &["backup", "-o", "d"]).refused("d is a folder");
    node(&world, &agent, &["backup", "-o", "none/b.tar"]).refused("cannot write none/b.tar");
    let made = node(&world, &agent, &["backup", "-o", "b.tar"]).expect(0);
    assert!(made.stdout.starts_with("b.tar: bank 1.0.0 at entry "), "{made:#?}");
    // Others cannot read it: states are in it in plain.
    let mode = std::os::unix::fs::MetadataExt::mode(&world.at("b.tar").metadata().expect("it is there"));
    assert_eq!(mode & 0o777, 0o600);
    let checked = world.run(&["restore", "b.tar", "--check", "--json"]).expect(0).json();
    let names: Vec<&str> = checked["files"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|file| file["name"].as_str())
        .collect();
    assert!(names.iter().any(|name| name.starts_with("log-")), "{names:?}");
    for secret in ["node-id", "lock", "recovery"] {
        assert!(!names.contains(&secret), "{names:?}");
    }
    assert!(
        world
            .run(&["restore", "b.tar", "--check"])
            .expect(0)
            .stdout
            .starts_with("b.tar is whole: bank 1.0.0")
    );

    let whole = world.read("b.tar");
    let refused = |bytes: &[u8], reason: &str| {
        world.write("bad.tar", bytes);
        for words in [&["restore", "bad.tar", "--check"][..], &["restore", "bad.tar", "--data", "r"]] {
            world.run(words).refused(reason);
        }
        world.run(&["try", &text(&second), "--state", "bad.tar"]).refused(reason);
        assert!(!world.at("r").exists() && !world.at(".r.restoring").exists());
    };
    let mut flipped = whole.clone();
    let at = flipped.windows(4).position(|part| part == b"CSLG").expect("a frame");
    flipped[at + 60] ^= 1;
    refused(&flipped, "is not what its manifest says");
    refused(&whole[..whole.len() / 2], "bad.tar: it was cut off: ");
    refused(b"no tar", "bad.tar: it is no backup: ");
    let mut elsewhere = whole.clone();
    let name = elsewhere.windows(10).position(|part| part == b"log-000000").expect("a header");
    elsewhere[name..name + 10].copy_from_slice(b"../../../x");
    refused(&elsewhere, "bad.tar: it is damaged: at byte ");
    world.run(&["restore", "none.tar", "--data", "r"]).refused("none.tar: cannot be read");
    world.run(&["restore", "b.tar", "--data", "d"]).refused("d is there already and is no empty folder");
    assert_eq!(pay(&agent.client(), 0, 2), Some(2), "the node serves on");
}
