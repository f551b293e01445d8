//! `POST /v1/apps/{app}/{machine}[/{key}]`: an input in, its output out.

use std::collections::HashMap;

use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
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
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let address = address(path)?;
    let identity = identity(&headers)?;
    let says = says(&headers)?;
    let trace = trace(&headers);
    let body = read_body(body, INPUT_BYTES_MAX).await?;
    let json = String::from_utf8(body)
        .map_err(|_| Failed(problem::WRONG_TYPE.problem("$: the body is not UTF-8")))?;
    match shared.host.input(Input { address, json, says, identity, trace }).await? {
        Reply::Answered { answer, repeated, speaks } => {
            let mut response = match answer {
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
fn identity(headers: &HeaderMap) -> Result<Option<Identity>, Failed> {
    let refuse = |reason: &str| Failed(problem::BAD_REQUEST.problem(reason));
    match (name(headers, MESSAGE_HEADER)?, name(headers, IDEMPOTENCY_HEADER)?) {
        (None, None) => Ok(None),
        (None, Some(key)) => Ok(Some(Identity::Key(key.into()))),
        (Some(_), Some(_)) => {
            Err(refuse("camshaft-message and idempotency-key both name the request; send one of them"))
        }
        (Some(message), None) => {
            let form = "the header camshaft-message is sender/seq, such as till-7/1042; seq counts from 1";
            let (sender, seq) = message.rsplit_once('/').ok_or_else(|| refuse(form))?;
            let plain = seq.bytes().all(|byte| byte.is_ascii_digit()) && !seq.starts_with('0');
            let seq = seq.parse().ok().filter(|_| plain && !sender.is_empty());
            Ok(Some(Identity::Client { sender: sender.into(), seq: seq.ok_or_else(|| refuse(form))? }))
        }
    }
}

/// Returns what the client says of the version that it speaks.
fn says(headers: &HeaderMap) -> Result<Says, Failed> {
    Ok(match name(headers, SPEAKS_HEADER)? {
        None => Says::Nothing,
        Some(version) if version == RUNNING => Says::Running,
        Some(version) => Says::Version(version.into()),
    })
}

/// Returns the trace of a request. One that is not as W3C Trace Context has it is left out: a
/// caller's broken tracing is no reason to refuse its input.
fn trace(headers: &HeaderMap) -> Option<String> {
    let trace = headers.get("traceparent")?.to_str().ok()?;
    let parts: Vec<&str> = trace.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let hex = |part: &&str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (lengths == [2, 32, 16, 2] && parts.iter().all(hex)).then(|| trace.to_owned())
}
