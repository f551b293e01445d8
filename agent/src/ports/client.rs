//! The shell of the plan: sockets, clock, and the two channels by which calls come in and ends go out.
//!
//! Nothing is decided here. One task owns the plan; each attempt is a task of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use camshaft_manifests::agent::PortAddress;
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::bindings::Bindings;
use super::judge::{self, ANSWER_BYTES_MAX, Outcome, SHOWN_MAX, Verdict};
use super::key::Identity;
use super::plan::{Action, Bounds, Counts, Event, Plan};
use super::request::{USER_AGENT, headers};
use super::{CallEnd, CallOut, Ended};

/// How long to wait for a connection; no longer than for the answer.
const CONNECT: Duration = Duration::from_secs(10);

/// How long attempts that are under way may take when the agent stops. Those that take longer are made
/// again after the next start.
const DRAIN: Duration = Duration::from_secs(5);

/// How many ends wait for who records them, before nothing more is begun.
const ENDS_MAX: usize = 256;

/// How many calls are taken in at a time.
const CALLS_MAX: usize = 256;

/// How ports are carried.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the node is; the keys of calls follow from it.
    pub identity: Identity,
    /// What waits vary by.
    pub seed: u64,
    /// How many attempts may be under way.
    pub bounds: Bounds,
}

/// Why ports cannot be carried.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// TLS, for which the system's certificates are read.
    #[error("cannot make a client of HTTP")]
    Client(#[source] reqwest::Error),
}

/// Where calls go in. When the last of its clones is dropped, no attempt begins any more, and those under
/// way have a few seconds to end.
#[derive(Debug, Clone)]
pub struct Ports {
    calls: mpsc::UnboundedSender<CallOut>,
    counts: watch::Receiver<BTreeMap<PortAddress, Counts>>,
}

/// Where ends come out.
#[derive(Debug)]
pub struct Ends(mpsc::Receiver<Ended>);

impl Ports {
    /// Takes a call that is durable. Never waits: calls lie in the outboxes of their instances, and what
    /// bounds those bounds what is held here.
    ///
    /// A call that comes when everything has stopped is let go; it comes again after the next start.
    pub fn call(&self, call: CallOut) {
        if self.calls.send(call).is_err() {
            tracing::debug!("a call came after ports have stopped; it is made after the next start");
        }
    }

    /// Returns how the ports do, and when that changes.
    pub fn counts(&self) -> watch::Receiver<BTreeMap<PortAddress, Counts>> {
        self.counts.clone()
    }
}

impl Ends {
    /// Returns the next end, or `None` when everything has stopped.
    ///
    /// Who does not take ends keeps new attempts from beginning.
    pub async fn next(&mut self) -> Option<Ended> {
        self.0.recv().await
    }

    /// Does what [`Ends::next`] does, for threads outside of the runtime.
    pub fn next_blocking(&mut self) -> Option<Ended> {
        self.0.blocking_recv()
    }
}

/// Starts to carry calls. Has to be called within a runtime.
///
/// # Errors
///
/// Why that is not possible.
pub fn start(bindings: Bindings, settings: Settings) -> Result<(Ports, Ends), StartError> {
    for (port, bound) in bindings.iter() {
        if is_open(&bound.url) {
            tracing::warn!(
                "{port} is bound to http:// at another machine: who is between reads its messages"
            );
        }
    }
    let per_host = usize::try_from(settings.bounds.port.get()).unwrap_or(usize::MAX);
    let http = Client::builder()
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT)
        // What leads elsewhere is bound to there by a person: a redirect would carry secrets along.
        .redirect(reqwest::redirect::Policy::none())
        // A message goes where the document says, whatever the environment of the process is.
        .no_proxy()
        .pool_max_idle_per_host(per_host)
        .build()
        .map_err(StartError::Client)?;
    let retries: Vec<_> = bindings.iter().map(|(port, bound)| (port.clone(), bound.retry)).collect();
    let plan = Plan::new(retries, settings.bounds, settings.seed);
    let (calls, incoming) = mpsc::unbounded_channel();
    let (outgoing, ends) = mpsc::channel(ENDS_MAX);
    let (shown, counts) = watch::channel(plan.counts());
    let carrier = Carrier {
        plan,
        started: Instant::now(),
        sender: Arc::new(Sender { http, bindings, identity: settings.identity }),
        attempts: JoinSet::new(),
        ends: outgoing,
        shown,
        failing: BTreeSet::new(),
    };
    tokio::spawn(carrier.run(incoming));
    Ok((Ports { calls, counts }, Ends(ends)))
}

/// Returns true when others can read what goes there.
fn is_open(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    url.scheme() == "http" && !here
}

/// An attempt that has ended.
type Tried = (Arc<CallOut>, Outcome);

/// Who owns the plan.
struct Carrier {
    plan: Plan,
    started: Instant,
    sender: Arc<Sender>,
    attempts: JoinSet<Tried>,
    ends: mpsc::Sender<Ended>,
    shown: watch::Sender<BTreeMap<PortAddress, Counts>>,
    /// The ports whose last attempt failed.
    failing: BTreeSet<PortAddress>,
}

/// Nobody takes ends any more.
struct NobodyListens;

impl Carrier {
    async fn run(mut self, mut calls: mpsc::UnboundedReceiver<CallOut>) {
        let listener = self.ends.clone();
        loop {
            let wake = self.plan.next_wake_ms();
            let wake = wake.and_then(|at| self.started.checked_add(Duration::from_millis(at)));
            let mut came = Vec::new();
            let mut events = Vec::new();
            tokio::select! {
                count = calls.recv_many(&mut came, CALLS_MAX) => match count {
                    0 => break,
                    _ => events.extend(came.into_iter().map(Event::Called)),
                },
                Some(tried) = self.attempts.join_next() => {
                    events.push(ended(tried));
                    // What has ended meanwhile is one step with it.
                    events.extend(std::iter::from_fn(|| self.attempts.try_join_next()).map(ended));
                }
                () = until(wake) => {}
                // Without who records ends, every attempt would be one too many.
                () = listener.closed() => return,
            }
            if let Err(NobodyListens) = self.step(events).await {
                return;
            }
        }
        self.plan.close();
        let drained = async {
            while let Some(tried) = self.attempts.join_next().await {
                if let Err(NobodyListens) = self.step(vec![ended(tried)]).await {
                    return;
                }
            }
        };
        // What is still under way then is dropped with the tasks.
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::info!("calls that were under way are made again after the next start");
        }
    }

    async fn step(&mut self, events: Vec<Event>) -> Result<(), NobodyListens> {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        for event in &events {
            self.tell(event);
        }
        for action in self.plan.step(now_ms, events) {
            match action {
                Action::Try { call, attempt: _ } => {
                    let sender = self.sender.clone();
                    self.attempts.spawn(async move {
                        let outcome = sender.attempt(&call).await;
                        (call, outcome)
                    });
                }
                Action::End(ended) => {
                    if let CallEnd::GivenUp { reason, .. } = &ended.end {
                        tracing::warn!("the {} was given up: {reason}", ended.id);
                    }
                    self.ends.send(ended).await.map_err(|_| NobodyListens)?;
                }
            }
        }
        self.shown.send_replace(self.plan.counts());
        Ok(())
    }

    /// Tells when a receiver begins to fail and when it is back; a line per attempt would say no more.
    fn tell(&mut self, event: &Event) {
        let Event::Tried { call, outcome } = event else { return };
        match outcome {
            Outcome::Again { why, .. } if self.failing.insert(call.port.clone()) => {
                tracing::warn!("{} fails, and its calls are tried again: {why}", call.port);
            }
            Outcome::Again { why, .. } => tracing::debug!("{}, {}: {why}", call.port, call.id),
            _ if self.failing.remove(&call.port) => tracing::info!("{} is back", call.port),
            _ => {}
        }
    }
}

/// An attempt that panicked is a fault of ours, after which the plan waits for it for ever: it ends the
/// carrier, and so the channel of ends.
fn ended(tried: Result<Tried, tokio::task::JoinError>) -> Event {
    match tried {
        Ok((call, outcome)) => Event::Tried { call, outcome },
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}

/// What attempts need.
struct Sender {
    http: Client,
    bindings: Bindings,
    identity: Identity,
}

impl Sender {
    async fn attempt(&self, call: &CallOut) -> Outcome {
        let bound = self.bindings.get(&call.port).expect("attempts are at bound ports");
        let headers = headers(call, &self.identity, bound.secrets.as_ref(), SystemTime::now());
        let request = self.http.post(bound.url.clone()).headers(headers).timeout(bound.timeout);
        match request.body(call.message.clone()).send().await {
            Ok(response) => judged(response, call.answers).await,
            Err(error) => failed(error),
        }
    }
}

/// Returns what an answer means.
async fn judged(mut response: Response, answers: bool) -> Outcome {
    let status = response.status().as_u16();
    match judge::verdict(status) {
        // It has arrived, whatever becomes of a body that nobody asks for.
        Verdict::Taken if !answers => Outcome::Delivered,
        Verdict::Taken => answer(&mut response, status).await,
        Verdict::Refused => Outcome::Refused { why: judge::shown(status, &beginning(&mut response).await) },
        Verdict::Again => {
            let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            let rest_ms = judge::rest_ms(status, retry_after, SystemTime::now());
            Outcome::Again { why: judge::shown(status, &beginning(&mut response).await), rest_ms }
        }
    }
}

async fn answer(response: &mut Response, status: u16) -> Outcome {
    let mut body = Vec::new();
    let long =
        || Outcome::Refused { why: format!("status {status}: the answer is above {ANSWER_BYTES_MAX} bytes") };
    if response.content_length().is_some_and(|length| length > ANSWER_BYTES_MAX as u64) {
        return long();
    }
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > ANSWER_BYTES_MAX => return long(),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            // The receiver has it, but what it said is lost: it is asked again, by the same key.
            Err(error) => return failed(error),
        }
    }
    match String::from_utf8(body) {
        Ok(json) => Outcome::Answered(json),
        Err(_) => Outcome::Refused { why: format!("status {status}: the answer is not UTF-8") },
    }
}

/// Returns enough of a body to show, or what came of it.
async fn beginning(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    // A character has up to four bytes.
    while body.len() <= 4 * SHOWN_MAX
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk[..chunk.len().min(4 * SHOWN_MAX + 1)]);
    }
    body
}

/// Returns what an attempt without a whole answer means. The address is left out: paths and queries of
/// webhooks often hold what is not shown.
fn failed(error: reqwest::Error) -> Outcome {
    let error = error.without_url();
    let why = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        let mut why = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            why = format!("{why}: {error}");
            source = error.source();
        }
        judge::one_line(&why)
    };
    Outcome::Again { why, rest_ms: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_open_to_others_but_on_this_machine() {
        let open = |url: &str| is_open(&url.parse().expect("a URL"));
        for url in ["http://a.example/x", "http://10.0.0.2", "http://[2001:db8::1]:80"] {
            assert!(open(url), "{url}");
        }
        for url in ["https://a.example", "http://localhost:1", "http://127.0.0.2", "http://[::1]:80/x"] {
            assert!(!open(url), "{url}");
        }
    }
}
