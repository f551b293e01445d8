//! `/v1/node` and below: questions and commands of operators.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use camshaft_manifests::Version;
use camshaft_manifests::duration::Millis;
use camshaft_releases::bundle::Limits;

use super::{BUNDLE_BYTES_MAX, Failed, Shared, json, name, read_body};
use crate::api::{NodeStatus, PART_TYPE, SIGNATURES_HEADER};
use crate::node::{Holding, WayBack};
use crate::operate::{Allowed, Operator, Outcome};
use crate::problem;
use crate::supply::{Offer, Offered};

/// How many instances are listed when nothing is said, and at most.
const INSTANCES_DEFAULT: usize = 1_000;
const INSTANCES_MAX: usize = 10_000;

/// The header in which an operator says who it is.
const OPERATOR_HEADER: &str = "camshaft-operator";

pub(super) type Parameters = Result<Query<HashMap<String, String>>, QueryRejection>;

/// Does something that blocks on a thread of its own.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Outcome<T> + Send + 'static,
) -> Result<T, Failed> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Failed(problem::FAULT.problem("the command panicked; this is a fault of ours"))),
    }
}

pub(super) async fn operate<T: serde::Serialize + Send + 'static>(
    shared: Shared,
    work: impl FnOnce(&Operator) -> Outcome<T> + Send + 'static,
) -> Result<Response, Failed> {
    let operator: Arc<Operator> = shared.operator;
    blocking(move || work(&operator)).await.map(|value| json(&value))
}

pub(super) fn who(headers: &HeaderMap) -> Result<String, Failed> {
    Ok(name(headers, OPERATOR_HEADER)?.unwrap_or_else(|| "operator".to_owned()))
}

pub(super) fn parameters(query: Parameters, known: &[&str]) -> Result<HashMap<String, String>, Failed> {
    let refuse = |reason: String| Failed(problem::BAD_REQUEST.problem(reason));
    let Query(parameters) = query.map_err(|error| refuse(error.body_text()))?;
    match parameters.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(refuse(format!("there is no parameter `{name}` here"))),
        None => Ok(parameters),
    }
}

pub(super) async fn status(State(shared): State<Shared>) -> Result<Response, Failed> {
    let Shared { operator, labels, .. } = shared;
    let status = blocking(move || operator.status()).await?;
    Ok(json(&NodeStatus { labels: (*labels).clone(), ..status }))
}

pub(super) async fn history(State(shared): State<Shared>) -> Result<Response, Failed> {
    operate(shared, Operator::history).await
}

/// Returns what is offered: a release by its name, `release=NAME@VERSION`; or what the body has, a
/// part of a bundle when its type says so. Signatures may come with either.
async fn offer(
    parameters: &HashMap<String, String>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Offer, Failed> {
    let signatures = signatures(headers)?;
    let bytes = read_body(body, BUNDLE_BYTES_MAX).await?;
    let refuse = |reason: String| Failed(problem::BAD_REQUEST.problem(reason));
    let what = match parameters.get("release") {
        Some(_) if !bytes.is_empty() => {
            let reason = "`release` names what is to be fetched, and there is a body too";
            return Err(refuse(reason.to_owned()));
        }
        Some(wanted) => {
            Offered::Named(wanted.parse().map_err(|error| refuse(format!("`release`: {error}")))?)
        }
        None if headers.get(CONTENT_TYPE).is_some_and(|kind| kind == PART_TYPE) => Offered::Part(bytes),
        None => Offered::Whole(bytes),
    };
    Ok(Offer { what, signatures })
}

pub(super) async fn missing(State(shared): State<Shared>, body: Body) -> Result<Response, Failed> {
    let manifest = read_body(body, Limits::DEFAULT.file_bytes_max).await?;
    operate(shared, move |operator| operator.missing(&manifest)).await
}

/// Returns the signature file that came in a header.
fn signatures(headers: &HeaderMap) -> Result<Option<Vec<u8>>, Failed> {
    let Some(value) = headers.get(SIGNATURES_HEADER) else { return Ok(None) };
    let refuse = |reason: &str| {
        Failed(problem::BAD_REQUEST.problem(format!("the header {SIGNATURES_HEADER} {reason}")))
    };
    if headers.get_all(SIGNATURES_HEADER).iter().count() > 1 {
        return Err(refuse("stands more than once"));
    }
    STANDARD.decode(value.as_bytes()).map(Some).map_err(|_| refuse("is no base64"))
}

pub(super) async fn instances(State(shared): State<Shared>, query: Parameters) -> Result<Response, Failed> {
    let parameters = parameters(query, &["after", "limit", "held"])?;
    let limit = limit(&parameters)?;
    let held = match parameters.get("held").map(String::as_str) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Failed(problem::BAD_REQUEST.problem("`held` is true or false"))),
    };
    let after = parameters.get("after").cloned();
    let host = shared.host;
    let list = move || {
        let listing = host.call(move |node| match held {
            true => node.held_instances(after.as_deref(), limit),
            false => node.listing(after.as_deref(), limit),
        })?;
        // Here nothing waits for what is large.
        Ok(listing.page())
    };
    blocking(list).await.map(|instances| json(&instances))
}

/// Returns how many entries of a list are wanted.
pub(super) fn limit(parameters: &HashMap<String, String>) -> Result<usize, Failed> {
    match parameters.get("limit").map(|limit| limit.parse()) {
        None => Ok(INSTANCES_DEFAULT),
        Some(Ok(limit @ 1..=INSTANCES_MAX)) => Ok(limit),
        Some(_) => {
            let reason = format!("`limit` is a number from 1 to {INSTANCES_MAX}");
            Err(Failed(problem::BAD_REQUEST.problem(reason)))
        }
    }
}

pub(super) async fn install(
    State(shared): State<Shared>,
    headers: HeaderMap,
    query: Parameters,
    body: Body,
) -> Result<Response, Failed> {
    let who = who(&headers)?;
    let parameters = parameters(query, &["release"])?;
    let offer = offer(&parameters, &headers, body).await?;
    operate(shared, move |operator| operator.install(&who, offer)).await
}

pub(super) async fn try_upgrade(
    State(shared): State<Shared>,
    headers: HeaderMap,
    query: Parameters,
    body: Body,
) -> Result<Response, Failed> {
    let parameters = parameters(query, &ALLOWING)?;
    let allowed = allowed(&parameters)?;
    let offer = offer(&parameters, &headers, body).await?;
    operate(shared, move |operator| operator.try_upgrade(offer, allowed)).await
}

pub(super) async fn upgrade(
    State(shared): State<Shared>,
    headers: HeaderMap,
    query: Parameters,
    body: Body,
) -> Result<Response, Failed> {
    let who = who(&headers)?;
    let parameters = parameters(query, &ALLOWING)?;
    let allowed = allowed(&parameters)?;
    let offer = offer(&parameters, &headers, body).await?;
    operate(shared, move |operator| operator.upgrade(&who, offer, allowed)).await
}

/// The parameters of an upgrade.
const ALLOWING: [&str; 7] =
    ["allow_differences", "auto_permanent", "drop_clients", "hold_failing", "probation", "release", "shadow"];

/// Returns what an upgrade may do: leave clients behind, `hold_failing=3`; what it is compared by: `shadow=8`,
/// `allow_differences=true`; and how it ends: `probation=5m`, `auto_permanent=true`.
fn allowed(parameters: &HashMap<String, String>) -> Result<Allowed, Failed> {
    let hold_failing = match parameters.get("hold_failing") {
        None => 0,
        Some(count) => count.parse().map_err(|_| {
            let reason = format!("`hold_failing` is a number of instances, not `{count}`");
            Failed(problem::BAD_REQUEST.problem(reason))
        })?,
    };
    let refuse = |reason: String| Failed(problem::BAD_REQUEST.problem(reason));
    let probation: Option<Millis> = match parameters.get("probation") {
        None => None,
        Some(text) => {
            let time = text.parse().map_err(|error| refuse(format!("`probation`: {error}")))?;
            Some(time)
                .filter(|time| *time > Millis(0))
                .map(Some)
                .ok_or_else(|| refuse("`probation` is longer than nothing".to_owned()))?
        }
    };
    let said = |name: &str| match parameters.get(name).map(String::as_str) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(refuse(format!("`{name}` is true or false, not `{other}`"))),
    };
    let (auto_permanent, allow_differences) = (said("auto_permanent")?, said("allow_differences")?);
    let shadow = match parameters.get("shadow") {
        None => None,
        Some(count) => {
            let count = count.parse().ok().filter(|count| *count > 0);
            Some(count.ok_or_else(|| refuse("`shadow` is a number of inputs, 1 or more".to_owned()))?)
        }
    };
    if allow_differences && shadow.is_none() {
        return Err(refuse("`allow_differences` goes with `shadow`".to_owned()));
    }
    let dropped = dropped(parameters)?;
    Ok(Allowed { dropped, hold_failing, shadow, allow_differences, probation, auto_permanent })
}

/// Returns the versions whose clients may be left behind: `drop_clients=1.0.0,1.1.0`.
fn dropped(parameters: &HashMap<String, String>) -> Result<Vec<Version>, Failed> {
    let Some(versions) = parameters.get("drop_clients") else { return Ok(vec![]) };
    let read = |version: &str| {
        let refuse = |error| {
            let reason = format!("`drop_clients` has `{version}`, which is no version: {error}");
            Failed(problem::BAD_REQUEST.problem(reason))
        };
        version.parse().map_err(refuse)
    };
    versions.split(',').map(read).collect()
}

pub(super) async fn rollback(
    State(shared): State<Shared>,
    headers: HeaderMap,
    query: Parameters,
) -> Result<Response, Failed> {
    let who = who(&headers)?;
    let parameters = parameters(query, &["force"])?;
    let holding = match parameters.get("force").map(String::as_str) {
        None | Some("false") => Holding::Refuse,
        Some("true") => Holding::Hold,
        Some(_) => return Err(Failed(problem::BAD_REQUEST.problem("`force` is true or false"))),
    };
    operate(shared, move |operator| operator.rollback(&who, holding)).await
}

pub(super) async fn make_permanent(
    State(shared): State<Shared>,
    headers: HeaderMap,
) -> Result<Response, Failed> {
    let who = who(&headers)?;
    operate(shared, move |operator| operator.make_permanent(&who)).await
}

pub(super) async fn remove(
    State(shared): State<Shared>,
    headers: HeaderMap,
    query: Parameters,
) -> Result<Response, Failed> {
    let who = who(&headers)?;
    let mut parameters = parameters(query, &["no_way_back", "release"])?;
    let refuse = |reason: &str| Failed(problem::BAD_REQUEST.problem(reason));
    let way_back = match parameters.get("no_way_back").map(String::as_str) {
        None | Some("false") => WayBack::Keep,
        Some("true") => WayBack::GiveUp,
        Some(_) => return Err(refuse("`no_way_back` is true or false")),
    };
    let release = parameters.remove("release").filter(|release| !release.is_empty());
    let release = release.ok_or_else(|| refuse("`release` says which: a version, or a digest"))?;
    operate(shared, move |operator| operator.remove(&who, &release, way_back)).await
}

pub(super) async fn trial(State(shared): State<Shared>) -> Response {
    json(&shared.operator.trial())
}

pub(super) async fn cancel(State(shared): State<Shared>) -> Result<Response, Failed> {
    Ok(json(&shared.operator.cancel()?))
}

pub(super) async fn audit(State(shared): State<Shared>) -> Result<Response, Failed> {
    operate(shared, Operator::audit).await
}
