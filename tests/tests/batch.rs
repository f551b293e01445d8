//! Many inputs in one request: batches, streams, and what is told when it is durable only.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use camshaft_tests::{Agent, Client, Death, PATIENCE, World};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_camshaft-under-test");
const COUNTER: &str = "counter/counter";

fn counting(world: &World) -> (Agent, Client) {
    let bundle = world.build("counter/v1");
    let agent = Agent::start(world, "d1");
    world.run(&["node", "install", &bundle.to_string_lossy(), "--node", agent.url()]).expect(0);
    let client = agent.client();
    (agent, client)
}

fn lines(body: &str) -> Vec<Value> {
    body.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

#[test]
fn a_batch_answers_each_line_in_its_place() {
    let world = World::new(PROGRAM);
    let (_agent, client) = counting(&world);
    let to = |more: &str| format!("{{\"to\":\"{COUNTER}\",{more}}}\n");
    let body = [
        to("\"input\":\"Incr\",\"message\":\"a/1\""),
        "no JSON\n".to_owned(),
        "\n".to_owned(),
        to("\"input\":\"Nothing\""),
        to("\"input\":\"Incr\",\"message\":\"a/1\""),
        to("\"input\":\"Read\",\"message\":\"a/1\""),
        "{\"to\":\"counter/other\",\"input\":\"Incr\"}\n".to_owned(),
        to("\"input\":\"Incr\",\"key\":\"k\",\"speaks\":\"9.9.9\""),
        // The last line needs no end.
        to("\"input\": \"Read\" ").trim_end().to_owned(),
    ]
    .concat();
    let answered = client.post("/v1/batch", &[], body).expect("an answer");
    assert_eq!((answered.status, answered.kind.as_str()), (200, "application/x-ndjson"));
    let answers = lines(&answered.body);
    let told: Vec<(u64, &str)> = answers
        .iter()
        .map(|answer| (answer["line"].as_u64().expect("a line"), answer["problem"]["code"].as_str()))
        .map(|(line, code)| (line, code.unwrap_or("")))
        .collect();
    assert_eq!(
        told,
        [
            (1, ""),
            (2, "bad-request"),
            (4, "wrong-type"),
            (5, ""),
            (6, "conflict"),
            (7, "not-found"),
            (8, "unknown-version"),
            (9, "")
        ]
    );
    assert_eq!(answers[0], json!({ "line": 1, "output": "Ok", "speaks": "1.0.0" }));
    assert_eq!(answers[3], json!({ "line": 5, "output": "Ok", "repeated": true, "speaks": "1.0.0" }));
    assert_eq!(answers[7], json!({ "line": 9, "output": { "Count": 1 }, "speaks": "1.0.0" }));
    // A problem is the one that the single endpoint gives.
    let single = client.post("/v1/apps/counter/counter", &[], "\"Nothing\"").expect("an answer");
    assert_eq!(answers[2]["problem"], single.json());
    let empty = client.post("/v1/batch", &[], "").expect("an answer");
    assert_eq!((empty.status, empty.body.as_str()), (200, ""));
}

#[test]
fn a_batch_that_is_too_large_or_names_itself_is_refused_whole() {
    let world = World::new(PROGRAM);
    let (agent, client) = counting(&world);
    let incr = format!("{{\"to\":\"{COUNTER}\",\"input\":\"Incr\"}}\n");
    let long = format!("{incr}{{\"to\":\"{}\"}}\n", "x".repeat(1 << 20));
    let problem = client.post("/v1/batch", &[], long).expect("an answer").problem(413, "line 2 has");
    assert_eq!(problem["code"], "too-large");
    let whole = format!("{incr}{}", "\n".repeat(16 << 20));
    // The agent closes the connection of a body that it does not read to its end.
    if let Ok(answered) = agent.client().post("/v1/batch", &[], whole) {
        answered.problem(413, "more than 16777216 bytes");
    }
    let client = agent.client();
    for header in [("camshaft-message", "a/1"), ("idempotency-key", "k")] {
        for path in ["/v1/batch", "/v1/stream"] {
            let answered = client.post(path, &[header], incr.clone()).expect("an answer");
            answered.problem(400, "here each line has its own, as `message` or `key`");
        }
    }
    for path in ["/v1/batch", "/v1/stream"] {
        client.get(path).expect("an answer").problem(405, "");
    }
    assert_eq!(client.send(COUNTER, "\"Read\""), json!({ "Count": 0 }));
}

#[test]
fn a_batch_larger_than_what_may_wait_is_applied_in_order() {
    let world = World::new(PROGRAM);
    let (agent, client) = counting(&world);
    let count = 20_000;
    let mut body = String::new();
    for _ in 0..count {
        let _ = writeln!(body, "{{\"to\":\"{COUNTER}\",\"input\":\"Incr\"}}");
        let _ = writeln!(body, "{{\"to\":\"{COUNTER}\",\"input\":\"Read\"}}");
    }
    let answered = client.post("/v1/batch", &[], body).expect("an answer");
    let answers = lines(&answered.body);
    assert_eq!(answers.len(), 2 * count);
    for (place, answer) in answers.iter().enumerate() {
        assert_eq!(answer["line"], place + 1);
        if place % 2 == 1 {
            assert_eq!(answer["output"], json!({ "Count": place.div_ceil(2) }), "{answer}");
        }
    }
    // Acknowledged means durable.
    drop(agent);
    let agent = Agent::start(&world, "d1");
    assert_eq!(agent.client().send(COUNTER, "\"Read\""), json!({ "Count": count }));
}

/// A connection that sends a body in chunks, and reads the answer meanwhile.
struct Duplex {
    writer: TcpStream,
    reader: BufReader<TcpStream>,
    /// What was read of the answer's body and is no whole line yet.
    body: Vec<u8>,
}

impl Duplex {
    fn open(agent: &Agent) -> Duplex {
        let address = agent.url().trim_start_matches("http://");
        let mut writer = TcpStream::connect(address).expect("the agent listens");
        writer.set_read_timeout(Some(PATIENCE)).expect("a socket");
        writer.set_write_timeout(Some(PATIENCE)).expect("a socket");
        let head =
            format!("POST /v1/stream HTTP/1.1\r\nhost: {address}\r\ntransfer-encoding: chunked\r\n\r\n");
        writer.write_all(head.as_bytes()).expect("the agent reads");
        let mut reader = BufReader::new(writer.try_clone().expect("a socket"));
        let mut line = String::new();
        reader.read_line(&mut line).expect("the agent answers before the request has ended");
        assert!(line.starts_with("HTTP/1.1 200"), "{line}");
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).expect("the agent answers");
        }
        Duplex { writer, reader, body: vec![] }
    }

    fn send(&mut self, text: &str) -> std::io::Result<()> {
        write!(self.writer, "{:x}\r\n{text}\r\n", text.len())
    }

    fn end(&mut self) {
        self.writer.write_all(b"0\r\n\r\n").expect("the agent reads");
    }

    /// Returns the next line of the answer; none at its end.
    fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.body.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.body.drain(..=end).collect();
                return Some(serde_json::from_slice(&line).expect("a line of JSON"));
            }
            let mut size = String::new();
            self.reader.read_line(&mut size).expect("the agent answers");
            let size = usize::from_str_radix(size.trim(), 16).expect("the size of a chunk");
            let mut chunk = vec![0; size + 2];
            self.reader.read_exact(&mut chunk).expect("a whole chunk");
            if size == 0 {
                return None;
            }
            self.body.extend_from_slice(&chunk[..size]);
        }
    }
}

#[test]
fn a_stream_answers_while_it_goes_on() {
    let world = World::new(PROGRAM);
    let (agent, _) = counting(&world);
    let mut stream = Duplex::open(&agent);
    // Each answer decides what is sent next: nothing is held back until the end.
    for count in 1..=20 {
        stream
            .send(&format!("{{\"to\":\"{COUNTER}\",\"input\":\"Incr\",\"message\":\"s/{count}\"}}\n"))
            .expect("sent");
        assert_eq!(stream.next(), Some(json!({ "line": 2 * count - 1, "output": "Ok", "speaks": "1.0.0" })));
        // A line may come in pieces.
        stream.send(&format!("{{\"to\":\"{COUNTER}\",\"in")).expect("sent");
        stream.send("put\":\"Read\"}\n").expect("sent");
        let read = json!({ "line": 2 * count, "output": { "Count": count }, "speaks": "1.0.0" });
        assert_eq!(stream.next(), Some(read));
    }
    stream.send("no JSON\n").expect("sent");
    assert_eq!(stream.next().expect("an answer")["problem"]["code"], "bad-request");
    // What was answered over one connection is known over another.
    let mut other = Duplex::open(&agent);
    other.send(&format!("{{\"to\":\"{COUNTER}\",\"input\":\"Incr\",\"message\":\"s/20\"}}")).expect("sent");
    other.end();
    let repeated = json!({ "line": 1, "output": "Ok", "repeated": true, "speaks": "1.0.0" });
    assert_eq!(other.next(), Some(repeated));
    assert_eq!(other.next(), None);
    stream.end();
    assert_eq!(stream.next(), None);
}

#[test]
fn a_stream_that_nobody_reads_is_not_read_either() {
    let world = World::new(PROGRAM);
    let (agent, client) = counting(&world);
    let mut stream = Duplex::open(&agent);
    // One input, and lines whose answers are long: together far more than what sockets hold.
    let (chunks, lines) = (40, 5_000);
    let text = format!("{{\"to\":\"{COUNTER}\",\"input\":\"Incr\"}}\n{}", "x\n".repeat(lines));
    let mut writer = stream.writer.try_clone().expect("a socket");
    let sender = std::thread::spawn(move || {
        for _ in 0..chunks {
            write!(writer, "{:x}\r\n{text}\r\n", text.len()).expect("the agent reads on");
        }
        writer.write_all(b"0\r\n\r\n").expect("the agent reads on");
    });
    let mut before = Value::Null;
    let mut same = 0;
    camshaft_tests::until("the stream to stand still", || {
        let now = client.send(COUNTER, "\"Read\"")["Count"].clone();
        same = if now == before && now != 0 { same + 1 } else { 0 };
        before = now;
        (same >= 200).then_some(())
    });
    assert!(before.as_u64().expect("a count") < chunks, "{before}: the agent has read everything");
    // When they are read, it goes on to the end, and none is missing.
    for number in 1..=chunks * (lines as u64 + 1) {
        assert_eq!(stream.next().expect("an answer")["line"], number);
    }
    assert_eq!(stream.next(), None);
    sender.join().expect("the sender ends");
    assert_eq!(client.send(COUNTER, "\"Read\""), json!({ "Count": chunks }));
}

#[test]
fn a_stream_ends_with_the_reason_at_a_fault_and_when_the_agent_stops() {
    let world = World::new(PROGRAM);
    let (agent, client) = counting(&world);
    let incr = format!("{{\"to\":\"{COUNTER}\",\"input\":\"Incr\"}}\n");
    let mut stream = Duplex::open(&agent);
    stream.send(&incr).expect("sent");
    assert_eq!(stream.next().expect("an answer")["line"], 1);
    for _ in 0..2 {
        // The agent may have ended it already.
        let _ = stream.send(&"x".repeat(1 << 20));
    }
    let end = stream.next().expect("the reason");
    assert_eq!((&end["line"], &end["problem"]["code"]), (&Value::Null, &json!("too-large")), "{end}");
    assert_eq!(stream.next(), None);
    assert_eq!(client.send(COUNTER, "\"Read\""), json!({ "Count": 1 }));

    let mut stream = Duplex::open(&agent);
    stream.send(&incr).expect("sent");
    assert_eq!(stream.next().expect("an answer")["line"], 1);
    let death = std::thread::spawn(move || agent.stop());
    let end = stream.next().expect("the reason");
    assert_eq!(end["problem"]["code"], "stopping", "{end}");
    assert_eq!(end["problem"]["changed"], "no", "{end}");
    assert_eq!(stream.next(), None);
    drop(stream);
    assert_eq!(death.join().expect("it stops"), Death::Code(0));
}

#[test]
fn who_does_not_wait_is_told_that_the_input_is_durable() {
    let world = World::new(PROGRAM);
    let (agent, client) = counting(&world);
    let path = "/v1/apps/counter/counter?wait=no";
    for _ in 0..2 {
        let answered = client.post(path, &[("camshaft-message", "a/1")], "\"Incr\"").expect("an answer");
        assert_eq!((answered.status, answered.body.as_str()), (202, ""));
    }
    let nameless = client.post(path, &[], "\"Incr\"").expect("an answer");
    nameless.problem(400, "`wait=no` is for inputs with an identity");
    // What is refused is told.
    client.post(path, &[("idempotency-key", "k")], "\"Nothing\"").expect("an answer").problem(400, "Nothing");
    client.post(path, &[("camshaft-message", "a/1")], "\"Read\"").expect("an answer").problem(409, "");
    for query in ["wait=maybe", "wiat=no", "wait=no&wait=no"] {
        let path = format!("/v1/apps/counter/counter?{query}");
        let answered = client.post(&path, &[("idempotency-key", "q")], "\"Incr\"").expect("an answer");
        answered.problem(400, "an input takes `wait=no` or `wait=yes`, and nothing else");
    }
    drop(agent);
    let agent = Agent::start(&world, "d1");
    // The output is there for who asks later.
    let client = agent.client();
    let asked = client.post("/v1/apps/counter/counter", &[("camshaft-message", "a/1")], "\"Incr\"");
    assert_eq!(asked.expect("an answer").json(), "Ok");
    assert_eq!(client.send(COUNTER, "\"Read\""), json!({ "Count": 1 }));
}

#[test]
fn the_command_line_sends_files_of_inputs() {
    let world = World::new(PROGRAM);
    let (agent, client) = counting(&world);
    let send = |words: &[&str]| world.run(&[&["node", "send", "--node", agent.url()], words].concat());
    let mut text = String::new();
    // More than it sends at once.
    for number in 1..=5_000 {
        let _ = writeln!(text, "{{\"to\":\"{COUNTER}\",\"input\":\"Incr\",\"key\":\"k{number}\"}}");
    }
    world.write("inputs", &text);
    let done = send(&["--batch", "inputs"]).expect(0);
    let answers = lines(&done.stdout);
    assert_eq!(answers.len(), 5_000);
    assert_eq!(answers[4_999], json!({ "line": 5_000, "output": "Ok", "speaks": "1.0.0" }));
    let again = send(&["--batch", "inputs", "--json"]).expect(0).json();
    assert_eq!((&again["answered"], &again["refused"]), (&json!(5_000), &json!(0)));
    assert_eq!(again["answers"][4_321]["line"], 4_322);
    assert_eq!(client.send(COUNTER, "\"Read\""), json!({ "Count": 5_000 }));

    world.write("mixed", format!("{{\"to\":\"{COUNTER}\",\"input\":\"Incr\"}}\nx\n"));
    let mixed = send(&["--batch", "mixed"]).refused("1 of 2 inputs was refused");
    assert_eq!(lines(&mixed.stdout)[1]["problem"]["code"], "bad-request");
    world.write("long", format!("{}\n", "x".repeat((1 << 20) + 1)));
    send(&["--batch", "long"]).refused("line 1 has more than 1048576 bytes");
    send(&["--batch", "nowhere"]).refused("cannot read nowhere");
    send(&[COUNTER, "\"Incr\"", "--batch", "mixed"]).expect(1);
    send(&[]).expect(1);
    send(&[COUNTER, "\"Incr\"", "--no-wait"]).refused("this one has no identity");
    assert_eq!(send(&[COUNTER, "\"Incr\"", "--no-wait", "--id", "me/1"]).expect(0).stdout, "");
    assert_eq!(send(&[COUNTER, "\"Incr\"", "--id", "me/1"]).expect(0).stdout, "\"Ok\"\n");
    assert_eq!(client.send(COUNTER, "\"Read\""), json!({ "Count": 5_002 }));
}
