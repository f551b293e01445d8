//! A call of a machine, through the whole agent, to a receiver on loopback and back into the machine.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use camshaft_tests::{Agent, Death, World, until};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_camshaft-under-test");

/// It says how many answers came: one that was applied twice shows.
const SIGNUP: &str = "machine signup keyed Text
type State = { asked: Int = 0, answers: Int = 0, last: Option(Int) = None, refused: Int = 0 }
type Mail  = Letter { to: Text }
type Sent  = Accepted { number: Int } | Bounced
type Input = Register | Read | internal Delivered { from: Text, answer: Option(Sent) }
type Output = Ok | Stands(State)
port mail(Mail) -> Delivered
init = { asked: 0 }
on Register {
  call mail[\"first\"] Letter { to: ctx.self }
  ({ ..state, asked: state.asked + 1 }, Ok)
}
on Read => (state, Stands(state))
on Delivered { answer, .. } {
  let next = { ..state, answers: state.answers + 1 }
  match answer {
    Some(Accepted { number }) => { ..next, last: Some(number) }
    _ => { ..next, refused: state.refused + 1 }
  }
}
";

/// A request that the receiver got and did not answer yet.
struct Call {
    key: String,
    body: Value,
    stream: TcpStream,
}

impl Call {
    fn read(stream: TcpStream) -> Option<Call> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let (mut key, mut length) = (String::new(), 0);
        let mut first = String::new();
        reader.read_line(&mut first).ok()?;
        assert!(first.starts_with("POST /hook HTTP/1.1"), "{first}");
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            match line.trim_end().split_once(": ") {
                None => break,
                Some((name, value)) if name.eq_ignore_ascii_case("idempotency-key") => {
                    value.clone_into(&mut key)
                }
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse().expect("a number");
                }
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        assert!(key.starts_with("call_"), "`{key}` is the key of no call");
        Some(Call { key, body: serde_json::from_slice(&body).expect("the message is JSON"), stream })
    }

    /// Answers; returns the key. Who asked may be gone.
    fn answer(mut self, status: &str, body: &str) -> String {
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n");
        let _ = write!(self.stream, "{head}content-length: {}\r\n\r\n{body}", body.len());
        self.key
    }

    fn accept(self, number: u64) -> String {
        self.answer("200 OK", &json!({"Accepted": {"number": number}}).to_string())
    }
}

/// Listens on a free port for as long as the test runs; what comes is answered by the test.
fn receiver() -> (u16, Receiver<Call>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let (calls, came): (Sender<Call>, _) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            if Call::read(stream).is_some_and(|call| calls.send(call).is_err()) {
                return;
            }
        }
    });
    (port, came)
}

fn next(came: &Receiver<Call>) -> Call {
    came.recv_timeout(camshaft_tests::PATIENCE).expect("a call")
}

/// A node whose port leads to a receiver.
struct Node {
    world: World,
    came: Receiver<Call>,
}

impl Node {
    fn new() -> Node {
        let world = World::new(PROGRAM);
        world.write("shop/apps/shop/machines/signup.cam", SIGNUP);
        world.write(
            "shop/apps/shop/app.toml",
            "name = \"shop\"\nversion = \"1.0.0\"\nmachines = [\"signup\"]\n",
        );
        world.write(
            "shop/release.toml",
            "name = \"shop\"\nversion = \"1.0.0\"\n[apps]\nshop = { path = \"apps/shop\" }\n\n[api]\ndefault = \"1.0.0\"\n",
        );
        world.run(&["build", "shop", "-o", "dist"]).expect(0);
        let (port, came) = receiver();
        world.write(
            "agent.toml",
            format!(
                "data = \"data\"\nlisten = \"127.0.0.1:0\"\n[ports.shop.signup.mail]\n\
                 webhook = \"http://127.0.0.1:{port}/hook\"\ntimeout = \"60s\"\n\
                 retry = {{ attempts = 8, first = \"5ms\", most = \"20ms\" }}\n"
            ),
        );
        Node { world, came }
    }

    fn start(&self) -> Agent {
        Agent::start_words(&self.world, "agent", &["--config", "agent.toml"])
    }

    fn installed(&self) -> Agent {
        let agent = self.start();
        self.world.run(&["node", "install", "dist/shop-1.0.0.tar.gz", "--node", agent.url()]).expect(0);
        agent
    }
}

fn stands(agent: &Agent, key: &str) -> Value {
    agent.client().send(&format!("shop/signup/{key}"), "\"Read\"")["Stands"].clone()
}

fn answered(agent: &Agent, key: &str) -> Value {
    until("the answer", || Some(stands(agent, key)).filter(|stands| stands["answers"] != 0))
}

#[test]
fn a_call_is_repeated_with_its_key_until_it_is_answered_and_the_answer_reaches_the_machine() {
    let node = Node::new();
    let agent = node.installed();
    agent.client().send("shop/signup/ann", "\"Register\"");
    let first = next(&node.came);
    assert_eq!(first.body, json!({"Letter": {"to": "ann"}}));
    let key = first.answer("503 Service Unavailable", "not now");
    let second = next(&node.came);
    assert_eq!((&second.key, &second.body), (&key, &json!({"Letter": {"to": "ann"}})));
    second.accept(7);
    let expected = json!({"asked": 1, "answers": 1, "last": 7, "refused": 0});
    assert_eq!(answered(&agent, "ann"), expected);
    // Another call has another key; and this one is refused.
    agent.client().send("shop/signup/ann", "\"Register\"");
    let other = next(&node.came);
    assert_ne!(other.key, key);
    other.answer("410 Gone", "nobody here");
    let refused =
        until("the refusal", || Some(stands(&agent, "ann")).filter(|stands| stands["refused"] != 0));
    assert_eq!(refused, json!({"asked": 2, "answers": 2, "last": 7, "refused": 1}));
    for line in [
        "camshaft_port_attempts_total{machine=\"shop/signup\",port=\"mail\"} 3",
        "camshaft_port_retries_total{machine=\"shop/signup\",port=\"mail\"} 1",
        "camshaft_port_calls_total{machine=\"shop/signup\",port=\"mail\",outcome=\"taken\"} 1",
        "camshaft_port_calls_total{machine=\"shop/signup\",port=\"mail\",outcome=\"given_up\"} 1",
        "camshaft_port_open_calls{machine=\"shop/signup\",port=\"mail\"} 0",
    ] {
        // It is told after the answer went to the machine.
        until(line, || {
            let metrics = agent.client().get("/v1/metrics").expect("an answer").body;
            metrics.lines().any(|other| other == line).then_some(())
        });
    }
    // What has ended is not sent again by a node that starts.
    agent.kill();
    let agent = node.start();
    assert_eq!(stands(&agent, "ann"), refused);
    agent.client().send("shop/signup/ben", "\"Register\"");
    assert_eq!(next(&node.came).body, json!({"Letter": {"to": "ben"}}));
}

#[test]
fn a_call_whose_agent_dies_before_the_answer_is_made_again_with_its_key() {
    let node = Node::new();
    let mut agent = node.installed();
    agent.client().send("shop/signup/ann", "\"Register\"");
    let mut keys = vec![];
    for _ in 0..3 {
        let unanswered = next(&node.came);
        agent.kill();
        // Nobody hears this any more.
        keys.push(unanswered.accept(1));
        agent = node.start();
        assert_eq!(stands(&agent, "ann"), json!({"asked": 1, "answers": 0, "last": null, "refused": 0}));
    }
    keys.push(next(&node.came).accept(2));
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    let expected = json!({"asked": 1, "answers": 1, "last": 2, "refused": 0});
    assert_eq!(answered(&agent, "ann"), expected);
    assert_eq!(stands(&agent, "ann"), expected);
}

#[test]
fn a_call_that_is_out_when_another_agent_takes_the_node_over_is_made_again_with_its_key() {
    let node = Node::new();
    let agent = node.installed();
    agent.client().send("shop/signup/ann", "\"Register\"");
    let unanswered = next(&node.came);
    let after = Agent::start_words(&node.world, "after", &["--config", "agent.toml", "--take-over"]);
    assert_eq!(agent.died(), Death::Code(0));
    // Nobody hears this any more.
    let key = unanswered.accept(1);
    assert_eq!(stands(&after, "ann"), json!({"asked": 1, "answers": 0, "last": null, "refused": 0}));
    let again = next(&node.came);
    assert_eq!(again.key, key);
    again.accept(2);
    let expected = json!({"asked": 1, "answers": 1, "last": 2, "refused": 0});
    assert_eq!(answered(&after, "ann"), expected);
}

/// Whether the node recorded the answer before it died shows in whether it calls again.
#[test]
fn an_answer_that_meets_a_kill_is_applied_once() {
    let node = Node::new();
    let mut agent = node.installed();
    for round in 0..8 {
        let key = format!("k{round}");
        agent.client().send(&format!("shop/signup/{key}"), "\"Register\"");
        let first = next(&node.came);
        assert_eq!(first.body, json!({"Letter": {"to": key}}));
        let call = first.accept(0);
        // Not waiting for anything: the moment is to be a random one.
        std::thread::sleep(std::time::Duration::from_micros(300 * round));
        agent.kill();
        agent = node.start();
        let again = until("an answer, or the call again", || {
            let known = stands(&agent, &key)["answers"] != 0;
            let again = node.came.try_recv().ok().map(|again| again.accept(1) == call);
            again.map(Some).or(known.then_some(None))
        });
        assert_ne!(again, Some(false), "the same key");
        let last = u64::from(again.is_some());
        let expected = json!({"asked": 1, "answers": 1, "last": last, "refused": 0});
        assert_eq!(answered(&agent, &key), expected, "round {round}");
    }
}

#[test]
fn a_node_whose_port_is_not_bound_takes_no_release_that_calls_it() {
    let node = Node::new();
    let agent = Agent::start(&node.world, "unbound");
    let done = node.world.run(&["node", "install", "dist/shop-1.0.0.tar.gz", "--node", agent.url()]);
    done.refused("shop.signup.mail");
}
