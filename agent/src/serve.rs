//! The agent as a process: data folder, socket, clock, signals.

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::body::Bytes;
use camshaft_manifests::duration::Millis;
use camshaft_manifests::label::Labels;
use camshaft_registry::Place;
use camshaft_store::{FolderJournal, FolderLock, Journal as _, StoreError, notes_of};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::engine::ShardLimits;
use crate::failpoint;
use crate::host::{Host, HostError};
use crate::http::connections::{self, Closing, Idle};
use crate::http::{Names, router};
use crate::node::{Asked, Node, NodeError, OpenNodeError, Policy, Settings};
use crate::operate::Operator;
use crate::ports::{Bindings, CallOut, Ends, Ports};
use crate::stage::stage_kept;
use crate::takeover::{
    self, Again, Giver, Leaving, Link, Outcome, TakeOver, TakeOverError, Taken, Taker, supervisor,
};
use crate::trust::{BookError, Gate, Trust};

/// How long requests that are under way may take when the agent stops.
const DRAIN: Duration = Duration::from_secs(5);

/// How to run an agent.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data folder; made when it is not there.
    pub data: PathBuf,
    /// Where to listen; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// What selectors of a fleet see of the node; shown in its status.
    pub labels: Labels,
    /// Where bundles are fetched from that are named and not sent.
    pub registry: Option<Place>,
    /// Whose bundles it takes.
    pub trust: Trust,
    /// By which names of hosts it may be asked for, besides addresses.
    pub names: Vec<String>,
    /// What the ports of machines are bound to. Releases whose machines call others are refused.
    pub ports: Bindings,
    /// How many threads run instances; none: one for each core, up to [`SHARDS_MAX`].
    pub shards: Option<u16>,
    /// How many inputs from outside may wait on the node.
    pub waiting: usize,
    /// What bounds a shard.
    pub limits: ShardLimits,
    /// What releases have to pass after an upgrade.
    pub probation: Policy,
    /// How long inputs may wait for an upgrade.
    pub max_pause: Option<Millis>,
    /// That the node of an agent that runs is taken over.
    pub take_over: Option<TakeOver>,
    /// How the program is started again when SIGHUP asks for it; without it the signal ends the process.
    pub again: Option<Again>,
}

/// The most threads that run instances when nobody says how many.
pub const SHARDS_MAX: u16 = 16;

/// How many connections may wait to be taken in.
const BACKLOG: u32 = 4096;

impl Options {
    fn settings(&self) -> Settings {
        let salt = RandomState::new().hash_one("salt");
        Settings { shards: self.shards(), salt, limits: self.limits }
    }

    fn shards(&self) -> u16 {
        let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let said = failpoint::figure("SHARDS").or(self.shards);
        said.unwrap_or_else(|| u16::try_from(cores()).unwrap_or(SHARDS_MAX).min(SHARDS_MAX)).max(1)
    }
}

/// Why an agent does not run, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address may be reached from other machines.
    #[error(
        "{0} can be reached from other machines; an agent that takes bundles of anybody listens on loopback only"
    )]
    NotLoopback(SocketAddr),
    /// The data folder.
    #[error("cannot open the data folder")]
    Store(#[from] StoreError),
    /// What is in the data folder.
    #[error("cannot recover from the data folder")]
    Recover(#[from] OpenNodeError),
    /// The notes on who vouched.
    #[error(transparent)]
    Trust(#[from] BookError),
    /// The address.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The system.
    #[error("the system refuses what an agent needs")]
    System(#[from] std::io::Error),
    /// The ports.
    #[error("ports cannot be called")]
    Ports(#[from] crate::ports::StartError),
    /// The node ended.
    #[error("the node ended")]
    Node(#[from] HostError),
    /// The take-over.
    #[error(transparent)]
    TakeOver(TakeOverError),
}

impl ServeError {
    /// Returns true when the request itself was wrong, and not the agent or its data.
    pub fn is_refusal(&self) -> bool {
        match self {
            ServeError::NotLoopback(_) | ServeError::Listen { .. } => true,
            ServeError::Trust(error) => !matches!(error, BookError::Disk { .. }),
            ServeError::Store(error) => {
                matches!(error, StoreError::Locked { .. } | StoreError::Layout { .. })
            }
            ServeError::TakeOver(error) => {
                matches!(error, TakeOverError::Nobody { .. } | TakeOverError::Refused(_))
            }
            ServeError::Recover(_) | ServeError::System(_) | ServeError::Ports(_) | ServeError::Node(_) => {
                false
            }
        }
    }
}

pub(crate) fn now_ms() -> i64 {
    // A clock before 1970 stands still at 0: the node's time never runs backwards.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Returns an error with all that it comes from, in a line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(": {error}");
        source = error.source();
    }
    text
}

/// Runs an agent until it is told to stop by SIGTERM or SIGINT. `on_ready` learns the address
/// once the node has recovered and listens.
///
/// # Errors
///
/// Why it does not run, or ended.
pub fn serve(options: &Options, on_ready: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    serve_until(options, stop_signal, on_ready)
}

/// Does what [`serve`] does until another event. `stop` is called within the runtime.
///
/// # Errors
///
/// Why it does not run, or ended.
pub fn serve_until<F: Future<Output = ()> + Send + 'static>(
    options: &Options,
    stop: impl FnOnce() -> std::io::Result<F>,
    on_ready: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (held, mut opened, mut signals) = {
        // Sockets and signals are of a runtime.
        let _within = runtime.enter();
        let (held, opened) = begin(options)?;
        (held, opened, Signals { stop: Box::pin(stop()?), again: hangups(options)? })
    };
    let mut on_ready = Some(on_ready);
    loop {
        let ready = |address| {
            if let Some(on_ready) = on_ready.take() {
                on_ready(address);
            }
        };
        match runtime.block_on(run(options, &held, opened, &mut signals, ready))? {
            Ended::Stopped => return Ok(()),
            Ended::Left(leaving, idle, since) => match leave(options, &held, *leaving, idle)? {
                Some(back) => opened = back,
                None => {
                    let gap_ms = since.elapsed().as_millis();
                    tracing::info!(gap_ms, "another agent has taken the node over");
                    return Ok(());
                }
            },
        }
    }
}

/// What an agent holds for as long as it runs, whoever has the node open.
struct Held {
    lock: FolderLock,
    listener: std::net::TcpListener,
    address: SocketAddr,
}

/// A node that is open, and what it is served with.
struct Opened {
    link: Option<Link>,
    node: Node,
    gate: Gate,
    connections: Connections,
}

/// Connections that are there already.
enum Connections {
    /// From an agent that was taken over.
    Handed(Vec<(std::net::TcpStream, Bytes)>),
    /// From before the node was to be handed over.
    Kept(Vec<Idle>),
}

/// How serving ended.
enum Ended {
    Stopped,
    /// Since when clients wait comes last.
    Left(Box<Leaving>, Vec<Idle>, Instant),
}

/// Refuses an address that others reach when the node takes bundles of anybody.
pub(crate) fn check_address(trust: &Trust, address: SocketAddr) -> Result<(), ServeError> {
    if !address.ip().is_loopback() {
        if trust.is_anybody() {
            return Err(ServeError::NotLoopback(address));
        }
        tracing::warn!(
            "{address} can be reached from other machines: whoever reaches it may send inputs and roll back"
        );
    }
    Ok(())
}

/// Opens the node: that of the folder, or that of the agent that runs on it.
fn begin(options: &Options) -> Result<(Held, Opened), ServeError> {
    let Some(asked) = &options.take_over else {
        let held_socket = supervisor::held_socket()?;
        let address = match &held_socket {
            Some(socket) => socket.local_addr()?,
            None => options.listen,
        };
        check_address(&options.trust, address)?;
        let lock = FolderLock::take(&options.data)?;
        let (node, gate) = open(options, lock.clone(), None)?;
        let listener = match held_socket {
            Some(socket) => socket,
            None => listen(options)?,
        };
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let connections = Connections::Kept(vec![]);
        return Ok((Held { lock, listener, address }, Opened { link: None, node, gate, connections }));
    };
    let taker = Taker {
        folder: &options.data,
        asked,
        trust: &options.trust,
        ports: &options.ports,
        settings: options.settings(),
    };
    let Taken { link, node, gate, lock, listener, address, connections } = takeover::take(&taker)?;
    let connections = Connections::Handed(connections);
    Ok((Held { lock, listener, address }, Opened { link: Some(link), node, gate, connections }))
}

fn listen(options: &Options) -> Result<std::net::TcpListener, ServeError> {
    let bound = || {
        // As many as the system takes may wait while another agent takes the node over.
        let socket = match options.listen {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_reuseaddr(true)?;
        socket.bind(options.listen)?;
        socket.listen(BACKLOG)?.into_std()
    };
    bound().map_err(|source| ServeError::Listen { address: options.listen, source })
}

/// Opens the node of the folder, with these notes on how recoveries went in place of those that are there.
fn open(options: &Options, lock: FolderLock, notes: Option<&[u8]>) -> Result<(Node, Gate), ServeError> {
    let (mut journal, opened, old) = FolderJournal::open_with(&options.data, lock)?;
    if let Some(torn) = opened.torn {
        tracing::warn!(
            file = torn.file,
            offset = torn.offset,
            reason = torn.reason,
            "the last group of records was not written whole: nobody was told of it, and it is cut off"
        );
    }
    if let Some(notes) = notes {
        journal.note(notes)?;
    }
    let gate = Gate::open(options.trust.clone(), &options.data)?;
    let opener =
        |bytes: &[u8], entry: &_| stage_kept(bytes, entry).map(Arc::new).map_err(|error| error.to_string());
    let (journal, opener) = (Box::new(journal), Box::new(opener));
    let settings = options.settings();
    let node = match old {
        None => Node::open(journal, opener, settings, now_ms())?,
        Some(old) => {
            tracing::info!("the data folder has the form of an earlier version; it is taken over");
            let node = Node::take_over(&old, journal, opener, settings, now_ms())?;
            failpoint::pass("taking.before-rename");
            old.leave()?;
            failpoint::pass("taking.after-rename");
            node
        }
    };
    Ok((node, gate))
}

/// Hands the node over; returns it when the other agent did not take it.
fn leave(
    options: &Options,
    held: &Held,
    leaving: Leaving,
    idle: Vec<Idle>,
) -> Result<Option<Opened>, ServeError> {
    let who = leaving.who.clone();
    let notes = notes_of(&options.data)?;
    let refused = match leaving.give(&held.lock, &held.listener, &idle) {
        Outcome::Taken(process) => {
            if let Some(process) = process {
                supervisor::handed_over(process);
            }
            return Ok(None);
        }
        Outcome::Back(problem) => problem,
        Outcome::Unknown(error) => return Err(ServeError::TakeOver(TakeOverError::Unknown(error))),
    };
    tracing::error!(code = refused.code, "the node was not taken over and is served on: {}", refused.detail);
    // What another program died of is no death of this one.
    let (mut node, gate) = open(options, held.lock.clone(), Some(&notes))?;
    let asked = Asked { who, now_ms: now_ms() };
    if let NodeError::Journal(error) = node.refused(&asked, None, refused) {
        return Err(OpenNodeError::from(error).into());
    }
    Ok(Some(Opened { link: None, node, gate, connections: Connections::Kept(idle) }))
}

/// What the process is told from outside.
struct Signals<F> {
    stop: Pin<Box<F>>,
    again: Hangups,
}

/// Serves a node that is open, until the process is to stop or somebody takes the node over.
async fn run<F: Future<Output = ()>>(
    options: &Options,
    held: &Held,
    opened: Opened,
    signals: &mut Signals<F>,
    on_ready: impl FnOnce(SocketAddr),
) -> Result<Ended, ServeError> {
    // The first is dropped last: the other agent takes the node back when its link ends.
    let Opened { link, node, gate, connections } = opened;
    let listener = TcpListener::from_std(held.listener.try_clone()?)?;
    let idle = match connections {
        Connections::Kept(idle) => idle,
        Connections::Handed(handed) => on_with(handed)?,
    };
    let (ports, ends) = start_ports(options)?;
    let (ended, mut node_ended) = oneshot::channel();
    let (to_make, calls) = mpsc::unbounded_channel();
    let (host, threads) = Host::start(node, Arc::new(now_ms), options.waiting, ended, Some(to_make))?;
    match link {
        // Nothing that could fail comes between this and the first answer.
        Some(link) => link.opened(),
        None => supervisor::ready(),
    }
    let counts = ports.counts();
    let carriers = carry_calls(&host, ports, ends, calls);
    let (registry, bound) = (options.registry.clone(), options.ports.clone());
    let operator = Operator::new(host.clone(), gate, Arc::new(now_ms), registry, bound);
    let operator = Arc::new(operator.with_probation(options.probation).with_max_pause(options.max_pause));
    let names = Names { addresses: !held.address.ip().is_loopback(), names: options.names.clone() };
    let service = router(host.clone(), operator.clone(), &options.labels, names, counts);
    let (leave, mut leaving) = mpsc::channel(1);
    let giver = Giver { host: host.clone(), operator, listen: held.address, leave };
    let door = giver.listen(&options.data);
    let (closing, told) = watch::channel(Closing::NotYet);
    let served = tokio::spawn(connections::serve(listener, idle, service, told, DRAIN));
    tracing::info!(address = %held.address, "ready");
    on_ready(held.address);
    let left = loop {
        tokio::select! {
            () = &mut signals.stop => {
                tracing::info!("stopping");
                supervisor::stopping();
                break None;
            }
            // Its end, by whatever cause, is told by dropping the sender.
            _ = &mut node_ended => {
                tracing::error!("the node has ended");
                break None;
            }
            Some(leaving) = leaving.recv() => break Some(leaving),
            () = signals.again.next() => {
                if let Some(again) = &options.again {
                    again.start();
                }
            }
        }
    };
    let since = Instant::now();
    host.begin_stopping();
    closing.send_replace(if left.is_some() { Closing::TakeOut } else { Closing::Close });
    let idle = served.await.unwrap_or_default();
    if left.is_some() {
        failpoint::pass("handing.drained");
    }
    for task in carriers.into_iter().chain(door) {
        // What has no end is called again after the next start.
        task.abort();
    }
    if left.is_some() {
        host.leave()
    } else {
        host.stop()
    }
    drop(host);
    match tokio::task::spawn_blocking(move || threads.join()).await {
        Ok(joined) => joined?,
        Err(_) => return Err(HostError::Panicked.into()),
    }
    Ok(match left {
        Some(leaving) => {
            failpoint::pass("handing.closed");
            Ended::Left(Box::new(leaving), idle, since)
        }
        None => Ended::Stopped,
    })
}

/// Goes on with connections of another process.
fn on_with(handed: Vec<(std::net::TcpStream, Bytes)>) -> std::io::Result<Vec<Idle>> {
    let on = |(stream, sent): (std::net::TcpStream, Bytes)| {
        stream.set_nonblocking(true)?;
        Ok(Idle { stream: TcpStream::from_std(stream)?, sent })
    };
    handed.into_iter().map(on).collect()
}

fn start_ports(options: &Options) -> Result<(Ports, Ends), ServeError> {
    let identity = crate::ports::Identity::new(node_id(&options.data)?);
    let seed = RandomState::new().hash_one("calls");
    let settings = crate::ports::Settings { identity, seed, bounds: crate::ports::Bounds::default() };
    Ok(crate::ports::start(options.ports.clone(), settings)?)
}

/// Carries calls from the node to its ports, and their ends back.
fn carry_calls(
    host: &Host,
    ports: Ports,
    mut ends: Ends,
    mut calls: mpsc::UnboundedReceiver<CallOut>,
) -> [JoinHandle<()>; 2] {
    let out = tokio::spawn(async move {
        while let Some(call) = calls.recv().await {
            ports.call(call);
        }
    });
    let host = host.clone();
    let back = tokio::spawn(async move {
        while let Some(ended) = ends.next().await {
            host.end_call(ended.id, ended.end);
        }
    });
    [out, back]
}

/// The file with what a node is to the receivers of its calls.
const NODE_ID: &str = "node-id";

/// Returns 32 random bytes that this node has for ever; made at its first start. A node that is made of a
/// backup takes new ones: the file is not part of a backup.
fn node_id(data: &std::path::Path) -> std::io::Result<[u8; 32]> {
    let path = data.join(NODE_ID);
    match std::fs::read(&path) {
        Ok(bytes) => {
            let wrong = || std::io::Error::other(format!("{} has not 32 bytes", path.display()));
            <[u8; 32]>::try_from(bytes).map_err(|_| wrong())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let mut id = [0; 32];
            getrandom::fill(&mut id).map_err(std::io::Error::other)?;
            let made = data.join(format!("{NODE_ID}.new"));
            let mut file = std::fs::File::create(&made)?;
            std::io::Write::write_all(&mut file, &id)?;
            file.sync_all()?;
            std::fs::rename(&made, &path)?;
            std::fs::File::open(data)?.sync_all()?;
            Ok(id)
        }
        Err(error) => Err(error),
    }
}

/// The signals that ask for the program to be started again.
struct Hangups(Option<tokio::signal::unix::Signal>);

impl Hangups {
    async fn next(&mut self) {
        let told = match &mut self.0 {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if told.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

fn hangups(options: &Options) -> std::io::Result<Hangups> {
    use tokio::signal::unix::{SignalKind, signal};
    Ok(Hangups(options.again.is_some().then(|| signal(SignalKind::hangup())).transpose()?))
}

/// Returns what ends when the process is told to stop.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
