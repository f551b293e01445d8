//! The server as a process: folder, socket, clock, signals.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::Request;
use axum::http::header;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::handle::{Shared, router};
use super::problem::FOREIGN;
use super::token::Token;
use crate::folder::Folder;

/// How long requests that are under way may take when the server stops.
const DRAIN: Duration = Duration::from_secs(5);

/// From where the server may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// This machine only.
    Loopback,
    /// Anywhere. There is no TLS: a token is safe behind a proxy that has it, and nowhere else.
    Anywhere,
}

/// How to run a server.
#[derive(Debug)]
pub struct Options {
    /// The registry.
    pub folder: Folder,
    /// Where to listen; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// From where it may be reached.
    pub reach: Reach,
    /// What publishers have to show; without one nobody publishes.
    pub token: Option<Token>,
}

/// Why a server does not run, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address may be reached from other machines.
    #[error("{0} can be reached from other machines")]
    NotLoopback(SocketAddr),
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
    #[error("the system refuses what a server needs")]
    System(#[from] std::io::Error),
}

fn now_ms() -> u64 {
    // A clock before 1970 stands still at 0.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Runs a server until it is told to stop by SIGTERM or SIGINT. `on_ready` learns the address once
/// it listens.
///
/// # Errors
///
/// Why it does not run, or ended.
pub fn serve(options: Options, on_ready: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    serve_until(options, stop_signal, on_ready)
}

/// Does what [`serve`] does until another event. `stop` is called within the runtime.
///
/// # Errors
///
/// Why it does not run, or ended.
pub fn serve_until<F: Future<Output = ()> + Send + 'static>(
    options: Options,
    stop: impl FnOnce() -> std::io::Result<F>,
    on_ready: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    if options.reach == Reach::Loopback && !options.listen.ip().is_loopback() {
        return Err(ServeError::NotLoopback(options.listen));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { run(options, stop()?, on_ready).await })
}

async fn run(
    options: Options,
    stopped: impl Future<Output = ()> + Send + 'static,
    on_ready: impl FnOnce(SocketAddr),
) -> Result<(), ServeError> {
    let listen = |source| ServeError::Listen { address: options.listen, source };
    let listener = TcpListener::bind(options.listen).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let service = router(Shared::new(options.folder, options.token, Arc::new(now_ms)));
    let service = match options.reach {
        Reach::Loopback => service.layer(from_fn(refuse_foreign)),
        Reach::Anywhere => service,
    };
    tracing::info!(%address, "ready");
    on_ready(address);
    let (stopping, stops) = oneshot::channel::<()>();
    let shutdown = async move {
        stopped.await;
        tracing::info!("stopping");
        drop(stopping);
    };
    // A client that never ends its request must not keep the server from stopping.
    let patience = async {
        let _ = stops.await;
        tokio::time::sleep(DRAIN).await;
    };
    let served = tokio::select! {
        served = axum::serve(listener, service).with_graceful_shutdown(shutdown) => served,
        () = patience => Ok(()),
    };
    Ok(served?)
}

/// Refuses what a web page in somebody's browser could send: a page whose name leads to loopback
/// may read the answers, and with them what is published.
async fn refuse_foreign(request: Request, next: Next) -> Response {
    let headers = request.headers();
    if headers.contains_key(header::ORIGIN) {
        return FOREIGN.problem("the request has an Origin, as those of web pages have").into_response();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    if !is_loopback(host) {
        let detail = format!("the request is for the host `{}`", host.escape_default());
        return FOREIGN.problem(detail).into_response();
    }
    next.run(request).await
}

/// Returns true when a Host header names this machine.
fn is_loopback(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
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
