//! A new agent takes a running node over, under load and through every death of either.
//!
//! The clients are those of the kill loops: they keep their own accounts, over connections that stay open. Beside them
//! somebody connects anew for every request. Where nothing dies, not one request may fail, be it refused or broken
//! off. Where one of the two agents dies, nothing that was acknowledged may be lost or doubled.

#[path = "kills/audit.rs"]
mod audit;
#[path = "kills/bank.rs"]
mod bank;
#[path = "kills/client.rs"]
mod client;

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use camshaft_tests::project::Project;
use camshaft_tests::{Agent, Client, Death, Random, World, until};
use serde_json::{Value, json};

use audit::{audit, retries};
use client::{Load, Manner};

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn world() -> World {
    World::new(env!("CARGO_BIN_EXE_camshaft-under-test"))
}

/// Somebody who connects anew for every request, and expects each to be answered.
struct Visitor {
    visits: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Visitor {
    fn start(url: &str) -> Visitor {
        let address = url.strip_prefix("http://").expect("an address").to_owned();
        let (visits, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, stops) = (visits.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let request = "POST /v1/apps/bank/account/a0 HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                           content-length: 6\r\n\r\n\"Read\"";
            while !stops.load(Ordering::SeqCst) {
                let mut stream = TcpStream::connect(&address).expect("no connection is refused");
                stream.write_all(request.as_bytes()).expect("no connection is broken off");
                let mut answer = String::new();
                stream.read_to_string(&mut answer).expect("no connection is broken off");
                assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Visitor { visits, stop, thread }
    }

    fn wait_for(&self, more: u64) {
        let before = self.visits.load(Ordering::SeqCst);
        until("some visits", || {
            assert!(!self.thread.is_finished(), "a visitor was turned away");
            (self.visits.load(Ordering::SeqCst) >= before + more).then_some(())
        });
    }

    fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().expect("every visit was answered");
    }
}

/// A node of the bank that runs its first release.
fn installed(world: &World, environment: &[(&str, &str)]) -> (Agent, Vec<u8>) {
    let [first, second] = bank::releases(world).map(|path| std::fs::read(path).expect("it was built"));
    let agent = Agent::start_with(world, "d", environment);
    assert_eq!(agent.client().post("/v1/node/install", &[], first).expect("an answer").status, 200);
    (agent, second)
}

fn load(random: &mut Random) -> Load {
    Load::start(&[Manner::Single, Manner::Single, Manner::Batch, Manner::Deposit], random)
}

fn wait_for(load: &Load, more: u64) {
    let before = load.acknowledged();
    until("some inputs", || {
        load.check();
        (load.acknowledged() >= before + more).then_some(())
    });
}

/// Returns the last entry of the node's history.
fn last(client: &Client) -> Value {
    let history = client.get("/v1/node/history").expect("the node answers").json();
    history["entries"].as_array().and_then(|entries| entries.last()).expect("something was done").clone()
}

/// Expects that the last thing in the history is a take-over that was refused for this reason.
fn expect_refused(client: &Client, code: &str, reason: &str) {
    // It is noted after the other agent was told.
    let entry = until("the refusal to be noted", || Some(last(client)).filter(|entry| entry["code"] == code));
    assert_eq!(entry["what"], "refused", "{entry}");
    let why = entry["why"].as_str().expect("a reason");
    assert!(why.contains(reason), "no `{reason}` in {entry}");
}

#[test]
fn a_node_is_taken_over_under_load_and_no_request_fails() {
    let world = world();
    let mut random = Random::of_this_run();
    let (mut agent, second) = installed(&world, &[]);
    let url = agent.url().to_owned();
    let load = load(&mut random);
    load.aim(Some(&agent));
    let visitor = Visitor::start(&url);
    for round in 0..4 {
        wait_for(&load, 50);
        visitor.wait_for(20);
        if round == 2 {
            let upgraded = agent.client().post("/v1/node/upgrade", &[], second.clone()).expect("an answer");
            assert_eq!(upgraded.status, 200, "{upgraded:?}");
        }
        let name = format!("d-{round}");
        let next = Agent::take_over(&world, (&name, "d"), &[]).unwrap_or_else(|(log, death)| {
            panic!("it did not take over ({death:?}): {log}; the other one: {}", agent.log())
        });
        assert_eq!(next.url(), url, "it listens on the same socket");
        assert_eq!(agent.died(), Death::Code(0), "who has handed over ends well");
        agent = next;
        let entry = last(&agent.client());
        assert_eq!((&entry["what"], &entry["code"]), (&json!("taken-over"), &json!("")));
        assert_eq!(entry["why"], format!("agent {VERSION} -> {VERSION}"));
        assert_eq!(agent.client().node()["agent"], VERSION);
    }
    visitor.wait_for(20);
    wait_for(&load, 50);
    visitor.end();
    load.aim(None);
    let context = format!("seed {}", random.seed());
    audit(&load, &agent.client(), true, &context);
    assert_eq!(retries(&load), [""; 0], "every request was answered when it was sent first; {context}");
    // What was provisional is, and goes back.
    assert_eq!(agent.client().release(), Some(("2.0.0".to_owned(), true)));
    let back = agent.client().post("/v1/node/rollback", &[], "").expect("an answer");
    assert_eq!(back.status, 200, "{back:?}");
    assert_eq!(agent.client().release(), Some(("1.0.0".to_owned(), false)));
    audit(&load, &agent.client(), true, &context);
    load.end();
    assert!(agent.log().contains("ready"));
}

/// Timers that are due before a take-over, while nobody has the node, and after it: each fires once.
#[test]
fn a_timer_that_is_due_during_a_take_over_fires_once() {
    const BELLS: u64 = 300;
    let world = world();
    let project = Project::new(&world);
    project.release("1.0.0", "").app("1.0.0", "");
    project.machine(
        "machine counter keyed Text
type State = { rung: Int = 0 }
type Input = Set { ms: Int } | internal Ring | Read
type Output = Ok | Is(Int)
init = { rung: 0 }
on Set { ms } {
  timer \"ring\" after ms.ms() => Ring
  (state, Ok)
}
on Ring => { ..state, rung: state.rung + 1 }
on Read => (state, Is(state.rung))
",
    );
    project.run("build", &[]).expect(0);
    let bundle = world.at("new/dist/shop-1.0.0.tar.gz");
    let mut agent = Agent::start(&world, "d");
    world.run(&["node", "install", &bundle.to_string_lossy(), "--node", agent.url()]).expect(0);
    let rung = |client: &Client| -> Vec<Value> {
        (0..BELLS)
            .map(|bell| client.send(&format!("counter/counter/b{bell}"), "\"Read\"")["Is"].clone())
            .collect()
    };
    // They are spread over the time that two take-overs take, each with its gap.
    let client = agent.client();
    for bell in 0..BELLS {
        let set = json!({ "Set": { "ms": 500 + 5 * bell } }).to_string();
        assert_eq!(client.send(&format!("counter/counter/b{bell}"), &set), "Ok");
    }
    for round in 0..2 {
        let name = format!("d-{round}");
        let next = Agent::take_over(&world, (&name, "d"), &[]).expect("it takes over");
        assert_eq!(agent.died(), Death::Code(0));
        agent = next;
    }
    let client = agent.client();
    until("all to have rung", || {
        let counts = client.node()["counts"].clone();
        (counts["timers"] == 0 && counts["queued"] == 0).then_some(())
    });
    assert_eq!(rung(&client), vec![json!(1); usize::try_from(BELLS).expect("small")]);
    agent.kill();
    let agent = Agent::start(&world, "d");
    assert_eq!(rung(&agent.client()), vec![json!(1); usize::try_from(BELLS).expect("small")]);
}

/// Where the new agent may die before it has the node, with the old one serving on.
const NEW: [&str; 5] =
    ["takeover.verified", "takeover.loaded", "takeover.given", "takeover.opened", "takeover.noted"];

#[test]
fn when_the_new_agent_dies_the_old_one_serves_on() {
    let world = world();
    let mut random = Random::of_this_run();
    let (agent, _) = installed(&world, &[("CAMSHAFT_FIGURE_OPEN_MS", "2000")]);
    let load = load(&mut random);
    load.aim(Some(&agent));
    let visitor = Visitor::start(agent.url());
    for point in NEW {
        wait_for(&load, 20);
        let environment = [("CAMSHAFT_FAILPOINT", point)];
        let (log, death) = Agent::take_over(&world, (point, "d"), &environment).expect_err("it dies");
        assert_eq!(death, Death::Signal(9), "{point}: {log}");
        expect_refused(&agent.client(), "takeover-failed", "the other agent has ended");
        visitor.wait_for(5);
    }
    // One that does not go on is killed.
    let environment = [("CAMSHAFT_FAULT", "takeover-hangs")];
    let (log, death) = Agent::take_over(&world, ("hangs", "d"), &environment).expect_err("it is killed");
    assert_eq!(death, Death::Signal(9), "{log}");
    expect_refused(&agent.client(), "takeover-failed", "the other agent takes too long");
    wait_for(&load, 20);
    visitor.wait_for(5);
    visitor.end();
    load.aim(None);
    let context = format!("seed {}", random.seed());
    audit(&load, &agent.client(), true, &context);
    assert_eq!(retries(&load), [""; 0], "every request was answered when it was sent first; {context}");

    // Of the last two points, the old agent knows that it is not needed any more: nobody has the node then.
    let environment = [("CAMSHAFT_FAILPOINT", "takeover.told")];
    let (log, death) = Agent::take_over(&world, ("told", "d"), &environment).expect_err("it dies");
    assert_eq!(death, Death::Signal(9), "{log}");
    assert_eq!(agent.died(), Death::Code(0));
    let agent = Agent::start(&world, "d");
    assert_eq!(last(&agent.client())["what"], "taken-over");
    audit(&load, &agent.client(), true, &context);
    load.end();
}

/// Where the old agent may die, and whether the new one has everything by then.
const OLD: [(&str, bool); 6] = [
    ("handing.asked", false),
    ("handing.saved", false),
    ("handing.drained", false),
    ("handing.closed", false),
    ("handing.given", true),
    ("handing.taken", true),
];

#[test]
fn when_the_old_agent_dies_the_new_one_goes_on_or_an_ordinary_start_does() {
    let world = world();
    let mut random = Random::of_this_run();
    let context = format!("seed {}", random.seed());
    let (first, _) = installed(&world, &[]);
    first.kill();
    let load = load(&mut random);
    for (point, has_all) in OLD {
        let agent = Agent::start_with(&world, "d", &[("CAMSHAFT_FAILPOINT", point)]);
        load.aim(Some(&agent));
        wait_for(&load, 20);
        let next = Agent::take_over(&world, (point, "d"), &[]);
        assert_eq!(agent.died(), Death::Signal(9), "{point}");
        let next = match next {
            Ok(next) if has_all => next,
            Err((log, Death::Code(2))) if !has_all => {
                assert!(log.contains("the agent that runs did not hand the node over"), "{point}: {log}");
                assert!(log.contains("start without --take-over"), "{point}: {log}");
                Agent::start(&world, "d")
            }
            other => panic!("{point}: {other:?}"),
        };
        load.aim(Some(&next));
        wait_for(&load, 20);
        load.aim(None);
        audit(&load, &next.client(), true, &format!("{point}, {context}"));
        assert_eq!(
            last(&next.client())["what"] == "taken-over",
            point.ends_with("given") || point.ends_with("taken")
        );
        next.kill();
    }
    load.end();
}

/// Speaks with an agent by hand.
struct Stranger(UnixStream);

impl Stranger {
    fn at(world: &World, data: &str) -> Stranger {
        Stranger(UnixStream::connect(world.at(data).join("takeover.sock")).expect("the agent listens"))
    }

    fn say(&mut self, message: &Value) {
        let text = message.to_string();
        let length = u32::try_from(text.len()).expect("a short message").to_le_bytes();
        self.0.write_all(&[&length[..], &[0; 4], text.as_bytes()].concat()).expect("it reads");
    }

    fn hears(&mut self) -> Value {
        let mut head = [0; 8];
        self.0.read_exact(&mut head).expect("it answers");
        let length = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("4 bytes")) as usize;
        let (mut text, mut bytes) = (vec![0; length(0)], vec![0; length(4)]);
        self.0.read_exact(&mut text).expect("it answers");
        self.0.read_exact(&mut bytes).expect("it answers");
        serde_json::from_slice(&text).expect("JSON")
    }
}

fn hello(protocol: u32) -> Value {
    let reads = json!({ "records": 7, "log": 1, "snapshots": 1 });
    json!({ "hello": { "protocol": protocol, "agent": "0.9.0", "reads": reads, "who": "mona" } })
}

/// A take-over that is refused: what it is called with, and what comes of it.
struct Refused {
    name: &'static str,
    words: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
    /// The code in the history; none where the running agent never hears of it.
    code: Option<&'static str>,
    reason: &'static str,
    hint: &'static str,
}

#[test]
fn a_take_over_that_cannot_be_is_refused_before_anything_stops() {
    let world = world();
    let agent = Agent::start(&world, "d");
    let bundle = std::fs::read(world.build("counter/v1")).expect("it was built");
    assert_eq!(agent.client().post("/v1/node/install", &[], bundle).expect("an answer").status, 200);
    let refusals = [
        Refused {
            name: "older",
            words: &["--data", "d"],
            environment: &[("CAMSHAFT_FIGURE_READS", "5")],
            code: Some("takeover-formats"),
            reason: "the node writes records in format 7, and this version knows those up to 5",
            hint: "use an agent that is as new as the one that runs",
        },
        Refused {
            name: "protocol",
            words: &["--data", "d"],
            environment: &[("CAMSHAFT_FIGURE_PROTOCOL", "2")],
            code: Some("takeover-protocol"),
            reason: "takes over in way 2, and this one",
            hint: "stop the agent that runs and start the new one",
        },
        Refused {
            name: "elsewhere",
            words: &["--data", "d", "--listen", "127.0.0.1:1"],
            environment: &[],
            code: Some("takeover-listen"),
            reason: "and the new agent is to listen on 127.0.0.1:1",
            hint: "leave --listen out",
        },
        Refused {
            name: "nobody",
            words: &["--data", "other"],
            environment: &[],
            code: None,
            reason: "no agent runs on other that could be taken over",
            hint: "start the agent without --take-over",
        },
    ];
    for refused in refusals {
        let words = [&["agent", "--take-over", "--json"], refused.words].concat();
        let done = world.run_in(&words, refused.environment);
        assert_eq!(done.code, Some(1), "{}: {done:?}", refused.name);
        let said = done.stdout.clone() + &done.stderr;
        assert!(said.contains(refused.reason), "{}: no `{}` in {said}", refused.name, refused.reason);
        assert!(said.contains(refused.hint), "{}: no `{}` in {said}", refused.name, refused.hint);
        if let Some(code) = refused.code {
            expect_refused(&agent.client(), code, refused.reason);
        }
        assert_eq!(agent.client().send("counter/counter", "\"Read\""), json!({ "Count": 0 }));
    }
    // One at a time.
    let mut stranger = Stranger::at(&world, "d");
    stranger.say(&hello(1));
    let welcome = stranger.hears();
    assert_eq!(welcome["welcome"]["agent"], VERSION, "{welcome}");
    assert_eq!(welcome["welcome"]["writes"], json!({ "records": 7, "log": 1, "snapshots": 1 }));
    let done = world.run_in(&["agent", "--take-over", "--data", "d", "--json"], &[]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stdout.contains("another command is at work on this node"), "{done:?}");
    let busy = agent.client().post("/v1/node/make-permanent", &[], "").expect("an answer");
    busy.problem(409, "another command is at work on this node");
    // What is no answer is none.
    stranger.say(&json!("loaded"));
    until("the stranger to be refused", || {
        let heard = stranger.hears();
        (heard["refused"]["code"] == "takeover-failed").then_some(())
    });
    expect_refused(
        &agent.client(),
        "takeover-failed",
        "the other agent says something else than was expected: Loaded",
    );
    let next = Agent::take_over(&world, ("next", "d"), &[]).expect("nothing stands in its way any more");
    assert_eq!(agent.died(), Death::Code(0));
    assert_eq!(next.client().send("counter/counter", "\"Read\""), json!({ "Count": 0 }));
}

#[test]
fn a_new_agent_that_cannot_run_the_release_is_refused() {
    let world = world();
    world.write(
        "shop/release.toml",
        "name = \"shop\"\nversion = \"1.0.0\"\n\n[apps]\nshop = { path = \"apps/shop\" }\n",
    );
    world.write("shop/apps/shop/app.toml", "name = \"shop\"\nversion = \"1.0.0\"\nmachines = [\"till\"]\n");
    let till = "machine till\ntype State = Int\ntype Input = Sell | Read\ntype Output = Sold | Count(Int)\n\
                type Mail = Letter { count: Int }\nport mail(Mail)\ninit = 0\n\
                on Sell { call mail Letter { count: state }; (state + 1, Sold) }\non Read => (state, Count(state))\n";
    world.write("shop/apps/shop/machines/till.cam", till);
    let done = world.run(&["build", "shop", "-o", "shop/dist", "--json"]).expect(0);
    let bundle = world.read(done.json()["bundle"].as_str().expect("a bundle"));
    world.write("agent.toml", "[ports.shop.till.mail]\nwebhook = \"http://127.0.0.1:9/hook\"\n");
    let agent = Agent::try_start_as(&world, "d", &["--config", "agent.toml"]).expect("it starts");
    assert_eq!(agent.client().post("/v1/node/install", &[], bundle).expect("an answer").status, 200);
    let done = world.run_in(&["agent", "--take-over", "--data", "d", "--json"], &[]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let reason = "shop 1.0.0: the port mail of shop/till is not bound on this node";
    assert!(done.stdout.contains(reason), "{done:?}");
    expect_refused(&agent.client(), "takeover-release", reason);
    let words = ["agent", "--data", "d", "--take-over", "--config", "agent.toml"];
    let next = Agent::start_words(&world, "next", &words[1..]);
    assert_eq!(agent.died(), Death::Code(0));
    assert_eq!(next.client().send("shop/till", "\"Read\""), json!({ "Count": 0 }));
}

#[test]
fn a_stream_is_ended_with_what_was_acknowledged() {
    let world = world();
    let agent = Agent::start(&world, "d");
    let bundle = std::fs::read(world.build("counter/v1")).expect("it was built");
    assert_eq!(agent.client().post("/v1/node/install", &[], bundle).expect("an answer").status, 200);
    let address = agent.url().strip_prefix("http://").expect("an address").to_owned();
    let mut stream = TcpStream::connect(&address).expect("it listens");
    let head = "POST /v1/stream HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n";
    let line = "{\"to\":\"counter/counter\",\"input\":\"Incr\"}\n";
    let chunk = format!("{head}{:x}\r\n{line}\r\n", line.len());
    stream.write_all(chunk.as_bytes()).expect("it reads");
    let mut came = String::new();
    let mut some = [0; 4096];
    while !came.contains("\"output\":\"Ok\"") {
        let count = stream.read(&mut some).expect("it answers");
        assert!(count > 0, "{came}");
        came += &String::from_utf8_lossy(&some[..count]);
    }
    let next = Agent::take_over(&world, ("next", "d"), &[]).expect("it takes over");
    assert_eq!(agent.died(), Death::Code(0));
    stream.read_to_string(&mut came).expect("it is closed in order");
    assert!(came.contains("\"code\":\"stopping\""), "{came}");
    assert!(came.ends_with("0\r\n\r\n"), "the answer is whole: {came}");
    assert_eq!(next.client().send("counter/counter", "\"Read\""), json!({ "Count": 1 }));
}

#[test]
fn what_was_answered_is_answered_so_again_by_the_new_agent() {
    let world = world();
    let agent = Agent::start(&world, "d");
    let bundle = std::fs::read(world.build("counter/v1")).expect("it was built");
    assert_eq!(agent.client().post("/v1/node/install", &[], bundle).expect("an answer").status, 200);
    let client = agent.client();
    let message = [("camshaft-message", "ann/1")];
    let key = [("idempotency-key", "once")];
    for headers in [&message, &key] {
        assert_eq!(
            client.post("/v1/apps/counter/counter", headers, "\"Incr\"").expect("an answer").status,
            200
        );
    }
    let _next = Agent::take_over(&world, ("next", "d"), &[]).expect("it takes over");
    assert_eq!(agent.died(), Death::Code(0));
    for headers in [&message, &key] {
        let again = client.post("/v1/apps/counter/counter", headers, "\"Incr\"").expect("an answer");
        assert_eq!((again.status, again.body.as_str()), (200, "\"Ok\""));
        let other = client.post("/v1/apps/counter/counter", headers, "\"Read\"").expect("an answer");
        other.problem(409, "Another input was sent under this identity");
    }
    assert_eq!(client.send("counter/counter", "\"Read\""), json!({ "Count": 2 }));
}

/// Ends an agent that is no child of the test.
struct Orphan(String);

impl Drop for Orphan {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-9", &self.0]).status();
    }
}

#[test]
fn a_hangup_lets_the_program_take_its_own_node_over_and_the_supervisor_hears_of_it() {
    let world = world();
    let notices = UnixDatagram::bind(world.at("notify")).expect("a socket");
    notices.set_read_timeout(Some(camshaft_tests::PATIENCE)).expect("it can wait");
    let next = || {
        let mut notice = [0; 4096];
        let count = notices.recv(&mut notice).expect("a notice");
        String::from_utf8_lossy(&notice[..count]).into_owned()
    };
    let socket = world.at("notify").display().to_string();
    let agent = Agent::start_with(&world, "d", &[("NOTIFY_SOCKET", &socket)]);
    assert_eq!(next(), "READY=1\n");
    let client = agent.client();
    let process = agent.process().to_string();
    assert!(Command::new("kill").args(["-HUP", &process]).status().expect("a kill command").success());
    let reloading = next();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    let main = next();
    let orphan = Orphan(main.strip_prefix("MAINPID=").expect("the new process").trim().to_owned());
    assert_eq!(next(), "READY=1\n");
    assert_eq!(agent.died(), Death::Code(0));
    assert_eq!(last(&client)["what"], "taken-over");
    assert_eq!(String::from_utf8_lossy(&world.read("d/lock")).trim(), orphan.0, "the lock says who has it");
}

#[test]
fn a_supervisor_may_hold_the_socket() {
    let world = world();
    let held = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}", held.local_addr().expect("it has an address"));
    let script = "exec 3<&0 </dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec \"$0\" agent --data d";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(world.program()).current_dir(world.path());
    let held_too = held.try_clone().expect("it can be held twice");
    command.stdin(Stdio::from(std::os::fd::OwnedFd::from(held_too))).stdout(Stdio::null());
    let mut agent = command.stderr(Stdio::null()).spawn().expect("there is a shell");
    let orphan = Orphan(agent.id().to_string());
    let client = Client::new(&url);
    assert_eq!(client.node()["running"], Value::Null);
    // It is handed on like any other, and whoever connects while nobody serves waits.
    let next = Agent::take_over(&world, ("next", "d"), &[]).expect("it takes over");
    assert_eq!(next.url(), url);
    assert!(agent.wait().expect("it is ours").success());
    std::mem::forget(orphan);
    assert_eq!(client.node()["running"], Value::Null);
}
