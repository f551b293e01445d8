//! The HTTP interface: paths and headers in, JSON out.
//!
//! Every error is a problem in the sense of RFC 9457, those of the framework included.

mod apps;
mod backup;
mod capsules;
pub mod connections;
mod flow;
mod lines;
mod metrics;
mod node;
#[cfg(test)]
mod routes;
mod waiting;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use camshaft_manifests::agent::PortAddress;
use camshaft_manifests::label::Labels;
use serde::Serialize;
use tokio::sync::watch;

use crate::api::{PROBLEM_TYPE, Problem};
use crate::host::Host;
use crate::operate::Operator;
use crate::ports::Counts;
use crate::problem;

/// The largest input, in bytes.
pub const INPUT_BYTES_MAX: usize = 1 << 20;

/// The largest batch, in bytes.
pub const BATCH_BYTES_MAX: usize = 16 << 20;

/// The largest bundle, in bytes.
pub const BUNDLE_BYTES_MAX: usize = 64 << 20;

/// The longest name of a sender, key or operator, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// What the handlers share.
#[derive(Clone)]
struct Shared {
    host: Host,
    operator: Arc<Operator>,
    /// The labels of the node, for its status.
    labels: Arc<BTreeMap<String, String>>,
    /// How its ports do.
    ports: PortCounts,
}

/// How the ports of a node do, as it is now.
pub type PortCounts = watch::Receiver<BTreeMap<PortAddress, Counts>>;

/// By which names a node may be asked for, besides those of loopback.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// True when it listens on addresses that other machines reach: then any address will do.
    /// A web page can send a browser to a name that it controls, but not to an address.
    pub addresses: bool,
    /// These names too.
    pub names: Vec<String>,
}

impl Names {
    /// Returns true when a Host header names this node.
    fn has(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        name.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address| self.addresses || address.is_loopback())
            || self.names.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

/// Returns the service of a node.
pub fn router(
    host: Host,
    operator: Arc<Operator>,
    labels: &Labels,
    names: Names,
    ports: PortCounts,
) -> Router {
    let labels = labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    let names = Arc::new(names);
    let inputs = post(apps::input).fallback(wrong_method);
    Router::new()
        .route("/v1/apps/{app}/{machine}", inputs.clone())
        .route("/v1/apps/{app}/{machine}/{key}", inputs)
        .route("/v1/batch", post(flow::batch).fallback(wrong_method))
        .route("/v1/stream", post(flow::stream).fallback(wrong_method))
        .route("/v1/metrics", get(metrics::metrics).fallback(wrong_method))
        .route("/v1/node", get(node::status).fallback(wrong_method))
        .route("/v1/node/history", get(node::history).fallback(wrong_method))
        .route("/v1/node/audit", get(node::audit).fallback(wrong_method))
        .route("/v1/node/backup", get(backup::backup).fallback(wrong_method))
        .route("/v1/node/instances", get(node::instances).fallback(wrong_method))
        .route("/v1/node/capsules", get(capsules::list).fallback(wrong_method))
        .route("/v1/node/capsules/{id}", get(capsules::one).fallback(wrong_method))
        .route("/v1/node/parked", get(waiting::parked).fallback(wrong_method))
        .route("/v1/node/redrive", post(waiting::redrive).fallback(wrong_method))
        .route("/v1/node/install", post(node::install).fallback(wrong_method))
        .route("/v1/node/remove", post(node::remove).fallback(wrong_method))
        .route("/v1/node/trial", get(node::trial).delete(node::cancel).fallback(wrong_method))
        .route("/v1/node/try", post(node::try_upgrade).fallback(wrong_method))
        .route("/v1/node/upgrade", post(node::upgrade).fallback(wrong_method))
        .route("/v1/node/files/missing", post(node::missing).fallback(wrong_method))
        .route("/v1/node/rollback", post(node::rollback).fallback(wrong_method))
        .route("/v1/node/make-permanent", post(node::make_permanent).fallback(wrong_method))
        .fallback(nothing_here)
        .layer(from_fn(move |request, next| refuse_foreign(names.clone(), request, next)))
        .with_state(Shared { host, operator, labels: Arc::new(labels), ports })
}

/// A problem on its way out.
struct Failed(Box<Problem>);

impl From<Box<Problem>> for Failed {
    fn from(problem: Box<Problem>) -> Failed {
        Failed(problem)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = json_response(status, PROBLEM_TYPE, &self.0);
        let passes = status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE;
        // What is held waits for a person: trying again after any time is no use.
        if passes && self.0.code != problem::HELD.code {
            let after = self.0.more.get(problem::RETRY_AFTER).and_then(|after| after.parse().ok());
            let after = after.unwrap_or_else(|| HeaderValue::from_static("1"));
            response.headers_mut().insert(header::RETRY_AFTER, after);
        }
        response
    }
}

fn json_response(status: StatusCode, media_type: &'static str, value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (status, [(header::CONTENT_TYPE, media_type)], body).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

fn json<T: Serialize>(value: &T) -> Response {
    json_response(StatusCode::OK, "application/json", value)
}

/// Refuses what a web page in the operator's browser could send: a page of any origin may post to
/// loopback, and one whose name leads to loopback may read the answers as well.
async fn refuse_foreign(names: Arc<Names>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if headers.contains_key(header::ORIGIN) {
        return Failed(problem::FOREIGN.problem("the request has an Origin, as those of web pages have"))
            .into_response();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    if !names.has(host) {
        let detail = format!("the request is for the host `{}`", host.escape_default());
        return Failed(problem::FOREIGN.problem(detail)).into_response();
    }
    next.run(request).await
}

async fn nothing_here() -> Failed {
    Failed(problem::NOT_FOUND.problem("this agent has nothing at this address"))
}

async fn wrong_method() -> Failed {
    Failed(problem::METHOD.problem("this address does not take this method"))
}

/// Reads a body of at most `bytes_max` bytes.
async fn read_body(body: Body, bytes_max: usize) -> Result<Vec<u8>, Failed> {
    match to_bytes(body, bytes_max).await {
        Ok(bytes) => Ok(bytes.into()),
        Err(error) => {
            let limited = std::error::Error::source(&error)
                .is_some_and(|source| source.to_string().contains("length limit exceeded"));
            Err(Failed(if limited {
                problem::TOO_LARGE.problem(format!("the body has more than {bytes_max} bytes"))
            } else {
                problem::BAD_REQUEST.problem(format!("the body broke off: {error}"))
            }))
        }
    }
}

/// Returns a header that names something: visible ASCII, not too long.
fn name(headers: &HeaderMap, header: &str) -> Result<Option<String>, Failed> {
    let mut values = headers.get_all(header).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let refuse = |reason: &str| Failed(problem::BAD_REQUEST.problem(format!("the header {header} {reason}")));
    if values.next().is_some() {
        return Err(refuse("stands more than once"));
    }
    let text = value.to_str().map_err(|_| refuse("has characters outside visible ASCII"))?;
    check_name(text).map_err(|reason| refuse(&reason))?;
    Ok(Some(text.to_owned()))
}

/// Says why a text names nothing.
fn check_name(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX {
        return Err(format!("has 1 to {NAME_BYTES_MAX} characters"));
    }
    match text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(()),
        false => Err("has characters outside visible ASCII".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_node_are_served() {
        let names = Names::default();
        for host in
            ["127.0.0.1:7101", "127.0.0.1", "localhost:1", "LOCALHOST", "[::1]:7101", "[::1]", "127.1.2.3:1"]
        {
            assert!(names.has(host), "{host}");
        }
        for host in [
            "",
            "example.com",
            "example.com:7101",
            "10.0.0.1",
            "[::2]:1",
            "127.0.0.1.example.com",
            "localhost.:x",
        ] {
            assert!(!names.has(host), "{host}");
        }
        let names = Names { addresses: true, names: vec!["node7.example".to_owned()] };
        for host in ["10.0.0.1:7101", "[2001:db8::1]:7101", "Node7.example:1", "localhost"] {
            assert!(names.has(host), "{host}");
        }
        for host in ["", "evil.example", "node7.example.evil.example", "10.0.0.1.evil.example"] {
            assert!(!names.has(host), "{host}");
        }
    }
}
