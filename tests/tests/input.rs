//! Bad input to every command and endpoint: exit 1 or 4xx with a reason, and never a panic.
//! (That nothing panics is checked by every run of the binary, in `Done::of`.)

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::process::Stdio;

use camshaft_tests::{Agent, Done, World};

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

/// Commands that are refused before anything is asked of a node: the words, and the reason.
const REFUSED: &[(&[&str], &str)] = &[
    (&["nonsense"], "unrecognized subcommand 'nonsense'"),
    (&["build", "--nonsense"], "unexpected argument '--nonsense'"),
    (&["build", "nowhere"], "cannot read nowhere"),
    (&["build", "file"], "file is no folder"),
    (&["build", "empty"], "release.toml"),
    (&["build", "empty", "-o", "file"], "release.toml"),
    (&["check", "nowhere"], "cannot read nowhere"),
    (&["check", "file"], "file is no folder"),
    (&["diff", "nowhere"], "cannot read nowhere"),
    (&["diff", "file", "empty"], "gzip"),
    (&["inspect", "nowhere"], "cannot read nowhere"),
    (&["inspect", "empty"], "it is a folder"),
    (&["inspect", "/dev/null"], "it is no regular file"),
    (&["inspect", "file"], "gzip"),
    (&["inspect", "file", "--code"], "gzip"),
    (&["dev", "nowhere"], "cannot read nowhere"),
    (&["dev", "nowhere", "--once"], "cannot read nowhere"),
    (&["dev", "file"], "file is no folder"),
    (&["dev", "empty", "--once"], "release.toml"),
    (&["repl", "nowhere"], "cannot read nowhere"),
    (&["repl", "file"], "1 fault"),
    (&["repl", "empty"], "empty has no machines"),
    (&["repl", "file", "machine"], "`machine` is no machine of file"),
    (&["agent", "--data", "d", "--listen", "nonsense"], "nonsense"),
    (&["agent", "--data", "d", "--listen", "127.0.0.1:99999"], "99999"),
    (&["agent", "--data", "d", "--listen", "0.0.0.0:0"], "loopback"),
    (&["agent"], "nobody says where the node keeps what it remembers"),
    (&["agent", "--data", "file", "--listen", "127.0.0.1:0"], "it is no folder"),
    (&["node", "status"], "--node is missing"),
    (&["node", "status", "--node", "nonsense"], "`nonsense` is no address of a node"),
    (&["node", "status", "--node", "https://localhost"], "TLS is not supported yet"),
    (&["node", "status", "--node", "http://"], "is no address of a node"),
    (&["node", "status", "--node", "ftp://localhost"], "it does not begin with http://"),
    (&["node", "install", "nowhere", "--node", "http://127.0.0.1:1"], "cannot read nowhere"),
    (&["node", "install", "empty", "--node", "http://127.0.0.1:1"], "it is a folder"),
    (&["node", "try", "nowhere", "--node", "http://127.0.0.1:1"], "cannot read nowhere"),
    (&["node", "upgrade", "nowhere", "--node", "http://127.0.0.1:1"], "cannot read nowhere"),
    (&["node", "send", "counter", "1", "--node", "http://127.0.0.1:1"], "an address is `app/machine`"),
    (&["node", "send", "a/b/", "1", "--node", "http://127.0.0.1:1"], "a key is not empty"),
    (&["node", "send", "A/b", "1", "--node", "http://127.0.0.1:1"], "is no name"),
    (&["node", "send", "a/b", "1", "--id", "x", "--node", "http://127.0.0.1:1"], "SENDER/SEQ"),
    (&["node", "send", "a/b", "1", "--id", "x/-1", "--node", "http://127.0.0.1:1"], "SENDER/SEQ"),
    (&["explain", "E9999"], "there is no code `E9999`"),
    (&["completions", "nonsense"], "invalid value 'nonsense'"),
];

#[test]
fn every_command_refuses_what_is_wrong_and_says_why() {
    let world = world();
    world.write("file", "no bundle");
    std::fs::create_dir(world.at("empty")).expect("the world is writable");
    for (words, reason) in REFUSED {
        let done = world.run(words).refused(reason);
        assert_eq!(done.stdout, "", "data on stdout in {done:#?}");
    }
}

#[test]
fn with_json_the_reason_is_one_document_on_stdout() {
    let world = world();
    world.write("file", "no bundle");
    std::fs::create_dir(world.at("empty")).expect("the world is writable");
    for (words, reason) in REFUSED {
        let words: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        let done = world.run(&words).expect(1);
        let error = &done.json()["error"];
        assert_eq!(error["exit"], 1, "{done:#?}");
        assert!(error["message"].as_str().is_some_and(|message| message.contains(reason)), "{done:#?}");
        assert!(error["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{done:#?}");
    }
}

#[test]
fn nobody_at_the_address_is_our_fault_and_not_the_requests() {
    let world = world();
    let done = world.run(&["node", "status", "--node", "http://127.0.0.1:1"]).expect(2);
    assert!(done.stderr.contains("no answer from http://127.0.0.1:1"), "{done:#?}");
    assert!(done.stderr.contains("hint: "), "{done:#?}");
}

#[test]
fn words_that_are_no_text_are_refused() {
    let world = world();
    let odd = || OsString::from_vec(b"odd\xff".to_vec());
    let lines: [&[&str]; 6] =
        [&[], &["build"], &["inspect"], &["explain"], &["node", "send"], &["node", "install"]];
    for line in lines {
        let mut command = world.command(line);
        command.arg(odd()).args(if line.ends_with(&["send"]) { &["1"][..] } else { &[] });
        command.env("CAMSHAFT_NODE", "http://127.0.0.1:1");
        let done = Done::of(&mut command).expect(1);
        assert!(done.stderr.contains("hint: "), "{done:#?}");
    }
    let mut command = world.command(&["node", "status"]);
    Done::of(command.env("CAMSHAFT_NODE", odd())).expect(1);
}

#[test]
fn a_reader_that_goes_away_changes_no_exit_code() {
    let world = world();
    for line in [&["completions", "bash"][..], &["explain"], &["--help"], &["build", "nowhere", "--json"]] {
        let expected = i32::from(line.contains(&"nowhere"));
        let (reader, writer) = std::io::pipe().expect("a pipe can be made");
        drop(reader);
        let mut command = world.command(line);
        let status = command.stdout(writer).stderr(Stdio::null()).status().expect("the binary runs");
        assert_eq!(status.code(), Some(expected), "{line:?}");
    }
    // A full disk is told apart.
    let full = std::fs::File::options().write(true).open("/dev/full").expect("Linux has /dev/full");
    let mut command = world.command(&["explain"]);
    let status = command.stdout(full).stderr(Stdio::null()).status().expect("the binary runs");
    assert_eq!(status.code(), Some(2));
}

#[test]
fn hostile_projects_are_refused() {
    let world = world();
    let release = "name = \"a\"\nversion = \"1.0.0\"\n[apps]\na = { path = \"apps/a\" }\n";
    let app = "name = \"a\"\nversion = \"1.0.0\"\nmachines = [\"m\"]\n";
    let refused = |name: &str, files: &[(&str, &[u8])], reason: &str| {
        for (path, bytes) in files {
            world.write(&format!("{name}/{path}"), bytes);
        }
        for command in ["build", "check"] {
            let done = world.run(&[command, name]).refused(reason);
            assert!(!world.at("dist").exists(), "something was written by {done:#?}");
        }
    };
    refused("missing", &[("release.toml", release.as_bytes())], "app.toml");
    refused("unread", &[("release.toml", b"name = \"a\"\nverzion = 1\n")], "did you mean `version`?");
    refused("bytes", &[("release.toml", b"name = \"\xff\"")], "UTF-8");
    let machine = |text: &'static [u8]| {
        [
            ("release.toml", release.as_bytes()),
            ("apps/a/app.toml", app.as_bytes()),
            ("apps/a/machines/m.cam", text),
        ]
    };
    refused("absent", &machine(b"")[..2], "m.cam");
    refused("nothing", &machine(b""), "E0110");
    refused(
        "slip",
        &machine(
            b"machine m\ntype State = Int\ntype Input = | A\ntype Output = | B\ninit = 0\non A => (stat, B)\n",
        ),
        "did you mean `state`?",
    );
    let deep = ["machine m\ninit = ".to_owned(), "(".repeat(100_000)].concat().into_bytes();
    refused("deep", &machine(deep.leak()), "E0106");
    let large = vec![b' '; 5 << 20];
    refused("large", &machine(large.leak()), "more than 4194304 bytes");
}

#[test]
fn every_endpoint_refuses_what_is_wrong_and_lives_on() {
    let world = world();
    let bundle = world.build("counter/v1");
    let agent = Agent::start(&world, "d1");
    let client = agent.client();
    let post = |path: &str, headers: &[(&str, &str)], body: Vec<u8>| {
        client.post(path, headers, body).expect("an answer")
    };

    // An empty node.
    post("/v1/apps/counter/counter", &[], b"\"Incr\"".to_vec()).problem(404, "");
    post("/v1/node/rollback", &[], vec![]).problem(409, "");
    post("/v1/node/make-permanent", &[], vec![]).problem(409, "");
    for path in ["/v1/node/install", "/v1/node/try", "/v1/node/upgrade"] {
        for body in [vec![], b"no bundle".to_vec(), vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]] {
            let status = post(path, &[], body).status;
            assert!((400..500).contains(&status), "{path}: {status}");
        }
    }
    let bytes = std::fs::read(&bundle).expect("the bundle was built");
    for path in ["/v1/node/try", "/v1/node/upgrade"] {
        post(path, &[], bytes.clone()).problem(409, "");
    }
    assert_eq!(post("/v1/node/install", &[], bytes.clone()).status, 200);
    post("/v1/node/install", &[], bytes).problem(409, "");

    // A node that runs.
    let send =
        |headers: &[(&str, &str)], body: &[u8]| post("/v1/apps/counter/counter", headers, body.to_vec());
    for (body, reason) in [
        (&b""[..], ""),
        (b"\"Nothing\"", "Nothing"),
        (b"{\"Incr\":1}", "Incr"),
        (b"\"Incr\" x", ""),
        (b"\xff\xfe", ""),
        (b"null", ""),
        (&[b'['; 100_000], ""),
    ] {
        send(&[], body).problem(400, reason);
    }
    for id in ["x", "/1", "x/", "x/-1", "x/1/2/", "x/99999999999999999999", "x/0x1"] {
        send(&[("camshaft-message", id)], b"\"Incr\"").problem(400, "");
    }
    send(&[("camshaft-message", "x/1"), ("idempotency-key", "k")], b"\"Incr\"").problem(400, "");
    for path in [
        "/v1/apps/counter/other",
        "/v1/apps/other/counter",
        "/v1/apps/counter/counter/key",
        "/v1/apps/%ff/%00",
    ] {
        let status = post(path, &[], b"\"Incr\"".to_vec()).status;
        assert!(status == 404 || status == 400, "{path}: {status}");
    }
    for path in ["/", "/v1", "/v1/node/nonsense", "/v1/apps", "/v1/apps/counter", "/v1/%2e%2e/node"] {
        let status = client.get(path).expect("an answer").status;
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    assert_eq!(client.get("/v1/apps/counter/counter").expect("an answer").status, 405);
    let large = post("/v1/apps/counter/counter", &[], vec![b' '; 3 << 20]).status;
    assert!(large == 413 || large == 400, "{large}");

    // None of it was counted. (A new connection: the node closes one whose request it did not read.)
    let client = agent.client();
    assert_eq!(client.send("counter/counter", "\"Read\""), serde_json::json!({ "Count": 0 }));
    assert!(!agent.log().contains("panicked"), "{}", agent.log());
}

#[test]
fn an_identifier_stands_for_one_input() {
    let world = world();
    let bundle = world.build("counter/v1");
    let agent = Agent::start(&world, "d1");
    let node = agent.url().to_owned();
    world.run(&["node", "install", &bundle.to_string_lossy(), "--node", &node]).expect(0);
    let send = |words: &[&str]| {
        let line: Vec<&str> = ["node", "send", "counter/counter"].iter().chain(words).copied().collect();
        world.run(&[&line[..], &["--node", &node]].concat())
    };
    for _ in 0..3 {
        assert_eq!(send(&["\"Incr\"", "--id", "me/1"]).expect(0).stdout, "\"Ok\"\n");
        assert_eq!(send(&["\"Incr\"", "--idempotency-key", "k"]).expect(0).stdout, "\"Ok\"\n");
    }
    assert_eq!(send(&["\"Read\""]).expect(0).stdout, "{\"Count\":2}\n");
    send(&["\"Read\"", "--id", "me/1"]).refused("Another input was sent under this identity");
}
