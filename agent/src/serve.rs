//! The agent as a process: data folder, socket, clock, signals.

use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::serve::{Listener, ListenerExt as _};
use camshaft_manifests::label::Labels;
use camshaft_registry::Place;
use camshaft_store::{FolderJournal, StoreError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::engine::ShardLimits;
use crate::failpoint;
use crate::host::{Host, HostError};
use crate::http::{Names, PortCounts, router};
use crate::node::{Node, OpenNodeError, Settings};
use crate::operate::Operator;
use crate::ports::{Bindings, CallOut};
use crate::stage::stage_kept;
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
}

/// The most threads that run instances when nobody says how many.
pub const SHARDS_MAX: u16 = 16;

impl Options {
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
            ServeError::Recover(_) | ServeError::System(_) | ServeError::Ports(_) | ServeError::Node(_) => {
                false
            }
        }
    }
}

fn now_ms() -> i64 {
    // A clock before 1970 stands still at 0: the node's time never runs backwards.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
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
    let loopback = options.listen.ip().is_loopback();
    if !loopback && options.trust.is_anybody() {
        return Err(ServeError::NotLoopback(options.listen));
    }
    if !loopback {
        tracing::warn!(
            "{} can be reached from other machines: whoever reaches it may send inputs and roll back",
            options.listen
        );
    }
    let (journal, opened, old) = FolderJournal::open(&options.data)?;
    if let Some(torn) = opened.torn {
        tracing::warn!(
            file = torn.file,
            offset = torn.offset,
            reason = torn.reason,
            "the last group of records was not written whole: nobody was told of it, and it is cut off"
        );
    }
    let gate = Gate::open(options.trust.clone(), &options.data)?;
    let opener =
        |bytes: &[u8], entry: &_| stage_kept(bytes, entry).map(Arc::new).map_err(|error| error.to_string());
    let salt = RandomState::new().hash_one("salt");
    let settings = Settings { shards: options.shards(), salt, limits: options.limits };
    let (journal, opener) = (Box::new(journal), Box::new(opener));
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
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { run(options, node, gate, stop()?, on_ready).await })
}

async fn run(
    options: &Options,
    node: Node,
    gate: Gate,
    stopped: impl Future<Output = ()> + Send + 'static,
    on_ready: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    let listen = |source| ServeError::Listen { address: options.listen, source };
    let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let (ended, node_ended) = oneshot::channel();
    let (to_make, calls) = mpsc::unbounded_channel();
    let (host, threads) = Host::start(node, Arc::new(now_ms), options.waiting, ended, Some(to_make))?;
    let (carriers, counts) = carry_calls(options, &host, calls)?;
    let operator =
        Operator::new(host.clone(), gate, Arc::new(now_ms), options.registry.clone(), options.ports.clone());
    let names = Names { addresses: !options.listen.ip().is_loopback(), names: options.names.clone() };
    let service = router(host.clone(), operator, &options.labels, names, counts);
    tracing::info!(%address, "ready");
    on_ready(address);
    let (stopping, stops) = oneshot::channel::<()>();
    let told = host.clone();
    let shutdown = async move {
        tokio::select! {
            () = stopped => tracing::info!("stopping"),
            // Its end, by whatever cause, is told by dropping the sender.
            _ = node_ended => tracing::error!("the node has ended"),
        }
        told.begin_stopping();
        drop(stopping);
    };
    // A client that never ends its request must not keep the agent from stopping.
    let patience = async {
        let _ = stops.await;
        tokio::time::sleep(DRAIN).await;
    };
    let served = tokio::select! {
        served = axum::serve(prompt(listener), service).with_graceful_shutdown(shutdown) => served,
        () = patience => Ok(()),
    };
    for carrier in carriers {
        // What has no end is called again after the next start.
        carrier.abort();
    }
    host.stop();
    drop(host);
    match tokio::task::spawn_blocking(move || threads.join()).await {
        Ok(joined) => joined?,
        Err(_) => return Err(HostError::Panicked.into()),
    }
    Ok(served?)
}

/// Returns a listener whose connections send at once what is written. An answer in several pieces would otherwise wait
/// for the client's system to acknowledge the first of them, which it does 40 ms late.
fn prompt(listener: TcpListener) -> impl Listener<Io = TcpStream, Addr = SocketAddr> {
    listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection may be slow");
        }
    })
}

/// Carries calls from the node to its ports, and their ends back.
fn carry_calls(
    options: &Options,
    host: &Host,
    mut calls: mpsc::UnboundedReceiver<CallOut>,
) -> Result<([JoinHandle<()>; 2], PortCounts), ServeError> {
    let identity = crate::ports::Identity::new(node_id(&options.data)?);
    let seed = RandomState::new().hash_one("calls");
    let settings = crate::ports::Settings { identity, seed, bounds: crate::ports::Bounds::default() };
    let (ports, mut ends) = crate::ports::start(options.ports.clone(), settings)?;
    let counts = ports.counts();
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
    Ok(([out, back], counts))
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

/// Returns what ends when the process is told to stop.
#[cfg(unix)]
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

/// Returns what ends when the process is told to stop.
#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without signals the process is ended from outside.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_do_not_wait_with_what_is_written() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let mut listener = prompt(listener);
        let (_client, (stream, _)) = tokio::join!(TcpStream::connect(address), listener.accept());
        assert!(stream.nodelay().expect("the system says it"));
    }
}
