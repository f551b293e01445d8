//! `POST /v1/apps/{app}/{machine}[/{key}]`: an input in, its output out.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use camshaft_manifests::InstanceAddress;

use super::{Failed, INPUT_BYTES_MAX, Shared, name, read_body};
use crate::api::{IDEMPOTENCY_HEADER, MESSAGE_HEADER, RUNNING, SPEAKS_HEADER};
use crate::engine::{Identity, Reply};
use crate::host::Input;
use crate::problem;
use crate::speech::Says;

pub(super) async fn input(
    State(shared): State<Shared>,
    path: Result<Path<HashMap<String, String>>, PathRejection>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let address = address(path)?;
    let identity = identity(&headers)?;
    let wanted = wanted(query.as_deref(), identity.as_ref())?;
    let says = says(&headers)?;
    let trace = trace(&headers);
    let body = read_body(body, INPUT_BYTES_MAX).await?;
    let json = String::from_utf8(body)
        .map_err(|_| Failed(problem::WRONG_TYPE.problem("$: the body is not UTF-8")))?;
    match shared.host.input(Input { address, json, says, identity, trace }).await? {
        Reply::Answered { answer, repeated, speaks } => {
            let mut response = match answer {
                // Where to ask for the output is where it was sent to.
                Ok(_) if wanted == Wanted::Durable => StatusCode::ACCEPTED.into_response(),
                Ok(json) => {
                    (StatusCode::OK, [(header::CONTENT_TYPE, "application/json")], json).into_response()
                }
                Err((kind, reason)) => Failed(problem::of_trap(&kind, &reason)).into_response(),
            };
            if let Ok(value) = header::HeaderValue::from_str(&speaks) {
                response.headers_mut().insert(SPEAKS_HEADER, value);
            }
            if repeated && response.status().is_success() {
                let value = header::HeaderValue::from_static("true");
                response.headers_mut().insert("camshaft-repeated", value);
            }
            Ok(response)
        }
        Reply::Refused(refusal) => Err(problem::of_refusal(&refusal).into()),
    }
}

/// What a client waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// The output.
    Output,
    /// That the input is durable: the output is asked for later, or never.
    Durable,
}

/// Returns what a client waits for: `wait=no`, or nothing said.
fn wanted(query: Option<&str>, identity: Option<&Identity>) -> Result<Wanted, Failed> {
    let refuse = |reason: String| Err(Failed(problem::BAD_REQUEST.problem(reason)));
    match query {
        None | Some("" | "wait=yes") => Ok(Wanted::Output),
        Some("wait=no") if identity.is_some() => Ok(Wanted::Durable),
        Some("wait=no") => refuse(format!(
            "`wait=no` is for inputs with an identity, by which the output can be asked for: \
             {MESSAGE_HEADER} or {IDEMPOTENCY_HEADER}"
        )),
        Some(query) => refuse(format!("`{query}`: an input takes `wait=no` or `wait=yes`, and nothing else")),
    }
}

/// Returns the address of the path's parts, which are percent-decoded already.
fn address(path: Result<Path<HashMap<String, String>>, PathRejection>) -> Result<InstanceAddress, Failed> {
    let Path(parts) = path.map_err(|error| {
        Failed(problem::BAD_REQUEST.problem(format!("the path cannot be read: {}", error.body_text())))
    })?;
    let part = |name: &str| parts.get(name).map_or("", String::as_str);
    let not_found = |reason: String| Failed(problem::NOT_FOUND.problem(reason));
    Ok(InstanceAddress {
        app: part("app").parse().map_err(|error| not_found(format!("the application: {error}")))?,
        machine: part("machine").parse().map_err(|error| not_found(format!("the machine: {error}")))?,
        key: parts
            .get("key")
            .map(|key| key.parse())
            .transpose()
            .map_err(|error| not_found(format!("the key: {error}")))?,
    })
}

/// Returns what makes the request this one and no other.
pub(super) fn identity(headers: &HeaderMap) -> Result<Option<Identity>, Failed> {
    let (message, key) = (name(headers, MESSAGE_HEADER)?, name(headers, IDEMPOTENCY_HEADER)?);
    let refuse = |reason: String| Failed(problem::BAD_REQUEST.problem(reason));
    match (message, key) {
        (None, None) => Ok(None),
        (None, Some(key)) => Ok(Some(Identity::Key(key.into()))),
        (Some(_), Some(_)) => Err(refuse(format!(
            "{MESSAGE_HEADER} and {IDEMPOTENCY_HEADER} both name the request; send one of them"
        ))),
        (Some(message), None) => match message_identity(&message) {
            Some(identity) => Ok(Some(identity)),
            None => Err(refuse(format!("the header {MESSAGE_HEADER} is {MESSAGE_FORM}"))),
        },
    }
}

/// What the identity of a message looks like.
pub(super) const MESSAGE_FORM: &str = "sender/seq, such as till-7/1042; seq counts from 1";

/// Returns the identity of a message that is written as it should be.
pub(super) fn message_identity(message: &str) -> Option<Identity> {
    let (sender, seq) = message.rsplit_once('/')?;
    let plain = seq.bytes().all(|byte| byte.is_ascii_digit()) && !seq.starts_with('0');
    let seq = seq.parse().ok().filter(|_| plain && !sender.is_empty())?;
    Some(Identity::Client { sender: sender.into(), seq })
}

/// Returns what the client says of the version that it speaks.
pub(super) fn says(headers: &HeaderMap) -> Result<Says, Failed> {
    Ok(name(headers, SPEAKS_HEADER)?.map_or(Says::Nothing, |version| said(&version)))
}

/// Returns what a client says by naming a version.
pub(super) fn said(version: &str) -> Says {
    if version == RUNNING { Says::Running } else { Says::Version(version.into()) }
}

/// Returns the trace of a request. One that is not as W3C Trace Context has it is left out: a
/// caller's broken tracing is no reason to refuse its input.
pub(super) fn trace(headers: &HeaderMap) -> Option<String> {
    let trace = headers.get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = trace.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let hex = |part: &&str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (lengths == [2, 32, 16, 2] && parts.iter().all(hex)).then(|| trace.to_owned())
}
