//! Calls over real sockets: what receivers see, and what comes of what they say.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, routing};
use camshaft_agent::ports::judge::ANSWER_BYTES_MAX;
use camshaft_agent::ports::secret::Secrets;
use camshaft_agent::ports::{
    Bindings, Bounds, CallEnd, CallId, CallOut, Ended, Ends, Identity, Ports, Settings, start,
};
use camshaft_cam::diagnostic::Source;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{mpsc, watch};

const MESSAGE: &str = r#"{"Letter":{"to":"ann@example.org"}}"#;
const IDENTITY: [u8; 32] = [7; 32];
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What a receiver does with a request.
enum Reply {
    /// Answers.
    With(Response),
    /// Never answers.
    Never,
    /// Answers when it is told.
    When(watch::Receiver<bool>, Response),
}

fn status(status: u16, body: impl Into<Body>) -> Reply {
    Reply::With((StatusCode::from_u16(status).expect("a status"), body.into()).into_response())
}

fn with_header(code: u16, name: header::HeaderName, value: &str) -> Reply {
    let code = StatusCode::from_u16(code).expect("a status");
    Reply::With((code, [(name, value.to_owned())], "").into_response())
}

/// What a receiver got.
struct Got {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("there is no {name}"));
        value.to_str().expect("letters")
    }
}

struct Receiver {
    replies: Mutex<VecDeque<Reply>>,
    got: mpsc::UnboundedSender<Got>,
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    uri: axum::http::Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = receiver.replies.lock().expect("no panic").pop_front();
    let _ = receiver.got.send(Got { path: uri.path().to_owned(), headers, body });
    // A request too many ends its call, and the test by what it says.
    match reply.unwrap_or_else(|| status(400, "no reply is left")) {
        Reply::With(response) => response,
        Reply::Never => std::future::pending().await,
        Reply::When(mut told, response) => {
            told.wait_for(|told| *told).await.expect("who tells");
            response
        }
    }
}

/// A receiver with a reply for each request, and what it got.
fn receiver(listener: TcpListener, replies: Vec<Reply>) -> mpsc::UnboundedReceiver<Got> {
    let (got, gets) = mpsc::unbounded_channel();
    let receiver = Arc::new(Receiver { replies: Mutex::new(replies.into()), got });
    let router = Router::new().fallback(routing::any(receive)).with_state(receiver);
    tokio::spawn(async move { axum::serve(listener, router).await });
    gets
}

/// An agent's ports, one of them bound.
struct World {
    ports: Ports,
    ends: Ends,
    gets: mpsc::UnboundedReceiver<Got>,
    _folder: tempfile::TempDir,
}

/// What bindings say when nothing else is said: an attempt that fails is repeated at once.
const QUICK: &str = "timeout = '60s'\nretry = { first = '1ms', most = '5ms' }";

fn started(address: SocketAddr, binding: &str) -> (Ports, Ends, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("secret"), SECRET).expect("writable");
    let text = format!("[ports.shop.till.mail]\nwebhook = 'http://{address}/hook/T0P'\n{binding}");
    let document = camshaft_manifests::agent::read(&Source::new("agent.toml", text)).expect("a document");
    let bindings = Bindings::read(&document.ports, folder.path()).expect("ports");
    let settings = Settings { identity: Identity::new(IDENTITY), seed: 0, bounds: Bounds::default() };
    let (ports, ends) = start(bindings, settings).expect("ports");
    (ports, ends, folder)
}

async fn world(binding: &str, replies: Vec<Reply>) -> World {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (ports, ends, _folder) = started(listener.local_addr().expect("an address"), binding);
    World { ports, ends, gets: receiver(listener, replies), _folder }
}

fn call(answers: bool, seq: u64) -> CallOut {
    let machine = "shop/till".parse().expect("an address");
    CallOut {
        id: CallId { instance: "shop/till/7".parse().expect("an address"), seq, effect: 0 },
        port: camshaft_manifests::agent::PortAddress { machine, port: "mail".parse().expect("a name") },
        key: Some("ann".to_owned()),
        message: MESSAGE.to_owned(),
        answers,
        trace: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
    }
}

impl World {
    async fn end(&mut self) -> CallEnd {
        self.ends.next().await.expect("an end").end
    }

    async fn got(&mut self) -> Got {
        self.gets.recv().await.expect("a request")
    }

    /// Makes one call, and returns how it ended.
    async fn call(&mut self, answers: bool) -> CallEnd {
        self.ports.call(call(answers, 1));
        self.end().await
    }
}

fn given_up(end: CallEnd) -> (String, u32) {
    match end {
        CallEnd::GivenUp { reason, attempts } => (reason, attempts),
        other => panic!("not given up: {other:?}"),
    }
}

#[tokio::test]
async fn a_message_arrives_as_it_is_and_its_answer_comes_back() {
    let mut world = world(QUICK, vec![status(200, r#"{"Accepted":{}}"#)]).await;
    let end = world.call(true).await;
    assert_eq!(end, CallEnd::Answered { json: r#"{"Accepted":{}}"#.to_owned() });
    let got = world.got().await;
    assert_eq!((&*got.body, &*got.path), (MESSAGE.as_bytes(), "/hook/T0P"));
    for (name, value) in [
        ("content-type", "application/json"),
        ("user-agent", concat!("camshaft/", env!("CARGO_PKG_VERSION"))),
        ("camshaft-instance", "shop/till/7"),
        ("camshaft-port", "mail"),
        ("camshaft-key", "ann"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("idempotency-key", &Identity::new(IDENTITY).key(&call(true, 1).id)),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    assert_eq!(got.header("webhook-id"), got.header("idempotency-key"));
    // Nothing to sign with was bound.
    assert!(!got.headers.contains_key("webhook-signature"));
}

#[tokio::test]
async fn a_receiver_finds_the_signature_right() {
    let binding = format!("secret_file = 'secret'\n{QUICK}");
    let mut world = world(&binding, vec![status(204, "")]).await;
    assert_eq!(world.call(false).await, CallEnd::Delivered);
    let got = world.got().await;
    let timestamp = got.header("webhook-timestamp").parse().expect("a number");
    // `Secrets` is held against the vector of the specification where it stands.
    let expected =
        Secrets::parse(SECRET).expect("a secret").sign(got.header("webhook-id"), timestamp, &got.body);
    assert_eq!(got.header("webhook-signature"), expected);
}

#[tokio::test]
async fn what_may_pass_is_tried_again_with_the_same_key() {
    let replies = [500, 408, 425, 429, 502, 503, 504]
        .map(|code| status(code, "not now"))
        .into_iter()
        .chain([status(200, "1")]);
    let mut world = world(QUICK, replies.collect()).await;
    assert_eq!(world.call(true).await, CallEnd::Answered { json: "1".to_owned() });
    let first = world.got().await;
    for _ in 0..7 {
        let again = world.got().await;
        assert_eq!(again.header("idempotency-key"), first.header("idempotency-key"));
        assert_eq!(again.body, first.body);
    }
    assert!(world.gets.try_recv().is_err());
}

#[tokio::test]
async fn the_key_is_the_same_after_a_restart() {
    let mut keys = Vec::new();
    for _ in 0..2 {
        let mut world = world(QUICK, vec![status(200, "")]).await;
        world.call(false).await;
        keys.push(world.got().await.header("idempotency-key").to_owned());
    }
    assert_eq!(keys[0], keys[1]);
}

#[tokio::test]
async fn attempts_are_counted_and_end() {
    let binding = "retry = { attempts = 3, first = '1ms', most = '5ms' }";
    let replies = (0..3).map(|_| status(503, "busy\n\nas ever")).collect();
    let mut world = world(binding, replies).await;
    let expected = ("status 503: busy as ever (attempt 3 of 3)".to_owned(), 3);
    assert_eq!(given_up(world.call(true).await), expected);
}

#[tokio::test]
async fn what_a_receiver_refuses_is_given_up_at_once() {
    let mut world = world(QUICK, vec![status(400, "no such letter"), status(410, "")]).await;
    let refused = given_up(world.call(true).await);
    assert_eq!(refused, ("status 400: no such letter".to_owned(), 1));
    assert_eq!(given_up(world.call(false).await), ("status 410".to_owned(), 1));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = with_header(307, header::LOCATION, "/elsewhere");
    let mut world = world(QUICK, vec![elsewhere, status(200, "")]).await;
    assert_eq!(given_up(world.call(false).await), ("status 307".to_owned(), 1));
    assert_eq!(world.got().await.path, "/hook/T0P");
    assert!(world.gets.try_recv().is_err());
}

/// The first attempt is never answered. The other may be, or may be too slow for a machine under load,
/// and is then repeated too.
#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_asked_for_again() {
    let binding = "timeout = '200ms'\nretry = { first = '1ms', most = '5ms' }";
    let replies = [Reply::Never].into_iter().chain((0..100).map(|_| status(200, "1")));
    let mut world = world(binding, replies.collect()).await;
    assert_eq!(world.call(true).await, CallEnd::Answered { json: "1".to_owned() });
    let [first, second] = [world.got().await, world.got().await];
    assert_eq!(first.header("idempotency-key"), second.header("idempotency-key"));
}

#[tokio::test]
async fn an_attempt_that_runs_out_of_time_says_so() {
    let binding = "timeout = '50ms'\nretry = { attempts = 1 }";
    let mut world = world(binding, vec![Reply::Never]).await;
    assert_eq!(given_up(world.call(true).await), ("no answer in time (attempt 1 of 1)".to_owned(), 1));
}

/// Were the longest wait no bound for `Retry-After`, this test would take an hour.
#[tokio::test]
async fn a_rest_is_no_longer_than_the_longest_wait() {
    let replies = vec![
        with_header(429, header::RETRY_AFTER, "3600"),
        with_header(503, header::RETRY_AFTER, "Fri, 31 Dec 9999 23:59:59 GMT"),
        status(200, ""),
    ];
    let mut world = world(QUICK, replies).await;
    assert_eq!(world.call(false).await, CallEnd::Delivered);
}

/// The second call comes while the port rests, and is not begun: the receiver has one request.
#[tokio::test]
async fn a_port_rests_when_its_receiver_asks_for_it() {
    let binding = "retry = { first = '1ms', most = '1h' }";
    let world = world(binding, vec![with_header(429, header::RETRY_AFTER, "3600")]).await;
    let mut counts = world.ports.counts();
    world.ports.call(call(false, 1));
    counts.wait_for(|counts| counts.values().any(|port| port.failed == 1)).await.expect("counts");
    let mut other = call(false, 1);
    other.id.instance = "shop/till/8".parse().expect("an address");
    world.ports.call(other);
    let with_both = counts.wait_for(|counts| counts.values().any(|port| port.open == 2)).await;
    let port = *with_both.expect("counts").values().next().expect("a port");
    assert_eq!((port.attempts, port.attempting), (1, 0));
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_asked_until_it_is() {
    // Bound and not listening: connections are refused, and nobody else gets the port.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let (ports, mut ends, _folder) = started(socket.local_addr().expect("an address"), QUICK);
    ports.call(call(true, 1));
    let mut counts = ports.counts();
    counts.wait_for(|counts| counts.values().any(|port| port.failed >= 2)).await.expect("counts");
    let _gets = receiver(socket.listen(8).expect("a listener"), vec![status(200, "1")]);
    let end = ends.next().await.expect("an end").end;
    assert_eq!(end, CallEnd::Answered { json: "1".to_owned() });
}

#[tokio::test]
async fn a_reason_does_not_repeat_the_address() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let binding = "retry = { attempts = 1 }";
    let (ports, mut ends, _folder) = started(socket.local_addr().expect("an address"), binding);
    ports.call(call(true, 1));
    let (reason, _) = given_up(ends.next().await.expect("an end").end);
    assert!(reason.contains("refused") && reason.ends_with("(attempt 1 of 1)"), "{reason}");
    assert!(!reason.contains("T0P"), "{reason}");
}

#[tokio::test]
async fn an_answer_has_at_most_a_mebibyte() {
    let longest = "1".repeat(ANSWER_BYTES_MAX);
    let pieces = |length: usize| {
        // Without a length in front, so that it is counted as it comes.
        let pieces =
            vec![Ok::<_, std::io::Error>("1".repeat(length / 2)), Ok("1".repeat(length - length / 2))];
        Body::from_stream(futures_util::stream::iter(pieces))
    };
    let replies = vec![
        status(200, longest.clone()),
        status(200, pieces(ANSWER_BYTES_MAX)),
        status(200, format!("{longest}1")),
        status(200, pieces(ANSWER_BYTES_MAX + 1)),
        // Nobody asks for it.
        status(200, format!("{longest}1")),
    ];
    let mut world = world(QUICK, replies).await;
    for _ in 0..2 {
        assert_eq!(world.call(true).await, CallEnd::Answered { json: longest.clone() });
    }
    for _ in 0..2 {
        let expected = ("status 200: the answer is above 1048576 bytes".to_owned(), 1);
        assert_eq!(given_up(world.call(true).await), expected);
    }
    assert_eq!(world.call(false).await, CallEnd::Delivered);
}

#[tokio::test]
async fn an_answer_is_text() {
    let mut world = world(QUICK, vec![status(200, &[0xff][..])]).await;
    assert_eq!(given_up(world.call(true).await), ("status 200: the answer is not UTF-8".to_owned(), 1));
}

/// Answers each request on a connection of its own with these bytes, whatever they are.
async fn raw(listener: TcpListener, answers: [&'static [u8]; 3]) {
    for answer in answers {
        let (mut socket, _) = listener.accept().await.expect("a connection");
        let mut got = Vec::new();
        while !got.ends_with(MESSAGE.as_bytes()) {
            assert_ne!(socket.read_buf(&mut got).await.expect("a request"), 0);
        }
        socket.write_all(answer).await.expect("who asked");
    }
}

/// An answer that breaks off is asked for again: the receiver has the message, and what it says is lost.
#[tokio::test]
async fn an_answer_that_breaks_off_is_asked_for_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let (ports, mut ends, _folder) = started(listener.local_addr().expect("an address"), QUICK);
    let broken = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{";
    let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
    tokio::spawn(raw(listener, [broken, whole, broken]));
    ports.call(call(true, 1));
    let end = ends.next().await.expect("an end").end;
    assert_eq!(end, CallEnd::Answered { json: "{}".to_owned() });
    // Without a type of answers there is nothing that could be lost.
    ports.call(call(false, 2));
    assert_eq!(ends.next().await.expect("an end").end, CallEnd::Delivered);
}

#[tokio::test]
async fn calls_of_an_instance_arrive_one_after_the_other() {
    let (tell, told) = watch::channel(false);
    let first = Reply::When(told, StatusCode::OK.into_response());
    let mut world = world(QUICK, vec![first, status(200, "")]).await;
    for seq in [1, 2] {
        world.ports.call(call(false, seq));
    }
    let identity = Identity::new(IDENTITY);
    assert_eq!(world.got().await.header("idempotency-key"), identity.key(&call(false, 1).id));
    let mut counts = world.ports.counts();
    counts.wait_for(|counts| counts.values().any(|port| port.open == 2)).await.expect("counts");
    assert!(world.gets.try_recv().is_err(), "the second call does not wait for the first");
    tell.send(true).expect("the receiver waits");
    for seq in [1, 2] {
        let Ended { id, end } = world.ends.next().await.expect("an end");
        assert_eq!((id.seq, end), (seq, CallEnd::Delivered));
    }
    assert_eq!(world.got().await.header("idempotency-key"), identity.key(&call(false, 2).id));
}

#[tokio::test]
async fn what_is_under_way_may_end_when_the_agent_stops_and_nothing_begins() {
    let (tell, told) = watch::channel(false);
    let first = Reply::When(told, StatusCode::OK.into_response());
    let World { ports, mut ends, mut gets, _folder } = world(QUICK, vec![first]).await;
    for seq in [1, 2] {
        ports.call(call(false, seq));
    }
    gets.recv().await.expect("the first request");
    drop(ports);
    tell.send(true).expect("the receiver waits");
    let first = ends.next().await.expect("the end of what was under way");
    assert_eq!((first.id.seq, first.end), (1, CallEnd::Delivered));
    assert_eq!(ends.next().await, None);
    assert!(gets.try_recv().is_err());
}

/// Without who records ends there are no attempts, and the counts end.
#[tokio::test]
async fn everything_stops_when_nobody_takes_ends() {
    let World { ports, ends, gets: _gets, _folder } = world(QUICK, vec![]).await;
    let mut counts = ports.counts();
    drop(ends);
    while counts.changed().await.is_ok() {}
    ports.call(call(false, 1));
}
