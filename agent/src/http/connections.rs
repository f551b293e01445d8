//! Connections: taken in from the listening socket, served one request after the other, and, when another agent
//! takes the node over, taken out again between two requests.
//!
//! What must stay true: a connection is taken out only when every request of which a byte was given to the service is
//! answered, and the answer is written. What the client has sent of the next one goes with it, so the client sees nothing.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::response::Response;
use axum::serve::Listener;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// A connection between two requests.
#[derive(Debug)]
pub struct Idle {
    /// The connection.
    pub stream: TcpStream,
    /// What the client has sent of its next request.
    pub sent: Bytes,
}

/// What becomes of the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closing {
    /// They are served.
    NotYet,
    /// Requests that are under way are answered, and the connections closed.
    Close,
    /// The same, but those between two requests are taken out.
    TakeOut,
}

/// Serves connections, those that are there and those that come, until `closing` says otherwise and every request that
/// was under way is answered, or that takes longer than `patience`. Returns the connections that were taken out.
pub async fn serve(
    listener: TcpListener,
    there: Vec<Idle>,
    service: Router,
    closing: watch::Receiver<Closing>,
    patience: Duration,
) -> Vec<Idle> {
    let (out, mut taken_out) = mpsc::unbounded_channel();
    let mut connections = JoinSet::new();
    let spawn = |connections: &mut JoinSet<()>, idle| {
        connections.spawn(connection(idle, service.clone(), closing.clone(), out.clone()));
    };
    there.into_iter().for_each(|idle| spawn(&mut connections, idle));
    let mut listener = listener;
    let mut told = closing.clone();
    loop {
        tokio::select! {
            biased;
            _ = told.wait_for(|closing| *closing != Closing::NotYet) => break,
            // Connections that end are let go of as they do.
            Some(_) = connections.join_next() => {}
            (stream, _) = Listener::accept(&mut listener) => {
                // An answer in several pieces would otherwise wait for the client's system to acknowledge the first
                // of them, which it does 40 ms late.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection may be slow");
                }
                spawn(&mut connections, Idle { stream, sent: Bytes::new() });
            }
        }
    }
    // What comes from here on waits in the queue of the socket, for whoever takes it in.
    drop(listener);
    // A client that never ends its request must not keep the agent from stopping.
    let all =
        tokio::time::timeout(patience, async { while connections.join_next().await.is_some() {} }).await;
    if all.is_err() {
        tracing::warn!(connections = connections.len(), "requests that did not end are broken off");
        connections.shutdown().await;
    }
    let mut idle = vec![];
    while let Ok(taken) = taken_out.try_recv() {
        idle.push(taken);
    }
    idle
}

/// Serves a connection to its end, or until it is taken out.
async fn connection(
    idle: Idle,
    service: Router,
    mut closing: watch::Receiver<Closing>,
    out: mpsc::UnboundedSender<Idle>,
) {
    let state = Arc::new(State::default());
    let service = Counted { service: TowerToHyperService::new(service), state: state.clone() };
    let io = Line { stream: TokioIo::new(idle.stream), sent: idle.sent, state: state.clone() };
    let mut connection = http1::Builder::new().serve_connection(io, service);
    let closing = tokio::select! {
        biased;
        ended = &mut connection => return told(ended),
        closing = closing.wait_for(|closing| *closing != Closing::NotYet) => closing.map(|closing| *closing),
    };
    if closing.is_ok_and(|closing| closing == Closing::TakeOut) && state.is_between() {
        let parts = connection.into_parts();
        // What was there before it was read comes after what was read of it.
        let sent = if parts.io.sent.is_empty() {
            parts.read_buf
        } else {
            [parts.read_buf, parts.io.sent].concat().into()
        };
        // Nobody waits for it when the agent gave up waiting: then it is closed.
        let _ = out.send(Idle { stream: parts.io.stream.into_inner(), sent });
        return;
    }
    Pin::new(&mut connection).graceful_shutdown();
    told(connection.await);
}

fn told(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection broke off");
    }
}

/// Where a connection stands.
#[derive(Debug, Default)]
struct State {
    /// Requests that are not answered, or whose answer was not written whole.
    under_way: AtomicUsize,
    /// True while the client does not take what is written.
    blocked: AtomicBool,
    /// True when the last request was answered before all of it was read: what comes next is the rest of it.
    unread: AtomicBool,
}

impl State {
    fn is_between(&self) -> bool {
        self.under_way.load(Ordering::Acquire) == 0
            && !self.blocked.load(Ordering::Acquire)
            && !self.unread.load(Ordering::Acquire)
    }
}

/// Counts a request as under way for as long as it lives.
struct UnderWay(Arc<State>);

impl UnderWay {
    fn begin(state: &Arc<State>) -> UnderWay {
        state.under_way.fetch_add(1, Ordering::AcqRel);
        // All of the one before was read, or this one could not be told from it.
        state.unread.store(false, Ordering::Release);
        UnderWay(state.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A service that counts its requests as under way.
struct Counted {
    service: TowerToHyperService<Router>,
    state: Arc<State>,
}

impl Service<hyper::Request<Incoming>> for Counted {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: hyper::Request<Incoming>) -> Self::Future {
        let under_way = UnderWay::begin(&self.state);
        let asked = |body| axum::body::Body::new(Asked { body, whole: false, state: self.state.clone() });
        let answer = self.service.call(request.map(asked));
        Box::pin(async move {
            let response = answer.await?;
            Ok(response.map(|body| axum::body::Body::new(Answer { body, _under_way: under_way })))
        })
    }
}

/// The body of a request, which may be let go of before it was read.
struct Asked {
    body: Incoming,
    whole: bool,
    state: Arc<State>,
}

impl Body for Asked {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        self.whole |= matches!(frame, Poll::Ready(None));
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.whole && !self.body.is_end_stream() {
            self.state.unread.store(true, Ordering::Release);
        }
    }
}

/// The body of an answer: while it lives, the request is under way.
struct Answer {
    body: axum::body::Body,
    _under_way: UnderWay,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection as hyper sees it: what was sent before is read first.
struct Line {
    stream: TokioIo<TcpStream>,
    sent: Bytes,
    state: Arc<State>,
}

impl Line {
    fn wrote(&self, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.state.blocked.store(wrote.is_pending(), Ordering::Release);
        wrote
    }
}

impl Read for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.sent.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, into);
        }
        let count = self.sent.len().min(into.remaining());
        into.put_slice(&self.sent.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl Write for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(wrote)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.wrote(wrote)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::time::Duration;

    use axum::routing::{get, post};
    use tokio::sync::Notify;

    use super::*;

    /// A server whose answer to `/slow` waits to be let go.
    struct Server {
        address: std::net::SocketAddr,
        closing: watch::Sender<Closing>,
        go: Arc<Notify>,
        begun: Arc<Notify>,
        served: tokio::task::JoinHandle<Vec<Idle>>,
    }

    async fn start(there: Vec<Idle>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has one");
        let (closing, told) = watch::channel(Closing::NotYet);
        let (go, begun) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (let_go, has_begun) = (go.clone(), begun.clone());
        let slow = move || async move {
            has_begun.notify_one();
            let_go.notified().await;
            "slow"
        };
        let echo = |body: String| async { body };
        let router = Router::new()
            .route("/quick", get(|| async { "quick" }))
            .route("/slow", get(slow))
            .route("/echo", post(echo));
        let served = tokio::spawn(serve(listener, there, router, told, Duration::from_secs(60)));
        Server { address, closing, go, begun, served }
    }

    async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
        tokio::task::spawn_blocking(work).await.expect("no panic")
    }

    /// Reads an answer with a body of this text; returns its head.
    fn answer(client: &mut std::net::TcpStream, body: &str) -> String {
        let (mut text, mut byte) = (String::new(), [0]);
        while !text.ends_with(&format!("\r\n\r\n{body}")) {
            client.read_exact(&mut byte).expect("the answer goes on");
            text.push(char::from(byte[0]));
        }
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        text
    }

    async fn asked(server: &Server, text: &'static str, body: &'static str) -> std::net::TcpStream {
        let address = server.address;
        blocking(move || {
            let mut client = std::net::TcpStream::connect(address).expect("it listens");
            client.write_all(text.as_bytes()).expect("it reads");
            if !body.is_empty() {
                answer(&mut client, body);
            }
            client
        })
        .await
    }

    const QUICK: &str = "GET /quick HTTP/1.1\r\nhost: a\r\n\r\n";

    #[tokio::test]
    async fn connections_do_not_wait_with_what_is_written() {
        let server = start(vec![]).await;
        let _client = asked(&server, QUICK, "quick").await;
        server.closing.send_replace(Closing::TakeOut);
        let idle = server.served.await.expect("no panic");
        assert!(idle[0].stream.nodelay().expect("the system says it"));
    }

    #[tokio::test]
    async fn a_connection_between_two_requests_goes_on_elsewhere_with_what_was_sent_of_the_next() {
        let server = start(vec![]).await;
        let mut client = asked(&server, QUICK, "quick").await;
        client.write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-le").expect("it is open");
        server.closing.send_replace(Closing::TakeOut);
        let idle = server.served.await.expect("no panic");
        assert_eq!(idle.len(), 1);

        let server = start(idle).await;
        client.write_all(b"ngth: 4\r\n\r\nmore").expect("it is open");
        let client = blocking(move || {
            answer(&mut client, "more");
            client
        });
        // And once more, with nothing sent of the next.
        let _client = client.await;
        server.closing.send_replace(Closing::TakeOut);
        assert_eq!(server.served.await.expect("no panic").len(), 1);
    }

    #[tokio::test]
    async fn a_request_that_is_under_way_is_answered_and_its_connection_closed() {
        let server = start(vec![]).await;
        let mut client = asked(&server, "GET /slow HTTP/1.1\r\nhost: a\r\n\r\n", "").await;
        server.begun.notified().await;
        server.closing.send_replace(Closing::TakeOut);
        // Tests have one thread, in which everybody who was woken by this comes before the answer.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        server.go.notify_one();
        let head = blocking(move || {
            let head = answer(&mut client, "slow");
            assert_eq!(client.read(&mut [0]).expect("it is closed in order"), 0);
            head
        })
        .await;
        assert!(head.contains("connection: close"), "{head}");
        assert!(server.served.await.expect("no panic").is_empty());
    }

    #[tokio::test]
    async fn a_request_that_was_answered_before_all_of_it_came_goes_nowhere_else() {
        let server = start(vec![]).await;
        let half = "POST /quick HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf";
        let address = server.address;
        let mut client = blocking(move || {
            let mut client = std::net::TcpStream::connect(address).expect("it listens");
            client.write_all(half.as_bytes()).expect("it reads");
            let mut answer = [0; 12];
            client.read_exact(&mut answer).expect("it answers");
            assert_eq!(&answer, b"HTTP/1.1 405");
            client
        })
        .await;
        server.closing.send_replace(Closing::TakeOut);
        assert!(server.served.await.expect("no panic").is_empty());
        blocking(move || client.read_to_end(&mut vec![]).map(drop)).await.expect("it is closed");
    }

    #[tokio::test]
    async fn a_request_that_never_ends_is_waited_for_no_longer_than_said() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has one");
        let (closing, told) = watch::channel(Closing::NotYet);
        let router = Router::new().route("/slow", get(std::future::pending::<()>));
        let served = tokio::spawn(serve(listener, vec![], router, told, Duration::ZERO));
        let mut client = blocking(move || {
            let mut client = std::net::TcpStream::connect(address).expect("it listens");
            client.write_all(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n").expect("it reads");
            client
        })
        .await;
        closing.send_replace(Closing::Close);
        assert!(served.await.expect("no panic").is_empty());
        blocking(move || assert!(!matches!(client.read(&mut [0]), Ok(1..)), "no answer came")).await;
    }
}
