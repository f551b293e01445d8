//! `/v1/node/parked` and `/v1/node/redrive`: what waits for an operator.

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use camshaft_manifests::InstanceAddress;

use super::node::{Parameters, blocking, limit, operate, parameters, who};
use super::{Failed, INPUT_BYTES_MAX, Shared, json, read_body};
use crate::api::Redrive;
use crate::engine::ParkedPlace;
use crate::problem;

fn refuse(reason: String) -> Failed {
    Failed(problem::BAD_REQUEST.problem(reason))
}

pub(super) async fn parked(State(shared): State<Shared>, query: Parameters) -> Result<Response, Failed> {
    let parameters = parameters(query, &["instance", "after", "limit"])?;
    let limit = limit(&parameters)?;
    let address = |text: &String| -> Result<InstanceAddress, Failed> {
        text.parse().map_err(|error| refuse(format!("`{text}` is no address of an instance: {error}")))
    };
    let of = parameters.get("instance").map(address).transpose()?;
    let after = match parameters.get("after") {
        None => None,
        Some(after) => Some(place(after).ok_or_else(|| {
            refuse("`after` is what was given as `next`: NUMBER@app/machine/key".to_owned())
        })?),
    };
    let host = shared.host;
    let list = move || host.call(move |node| node.parked(of.as_ref(), after.as_ref(), limit));
    blocking(list).await.map(|parked| json(&parked))
}

fn place(text: &str) -> Option<ParkedPlace> {
    let (number, address) = text.split_once('@')?;
    Some((address.parse().ok()?, number.parse().ok()?))
}

pub(super) async fn redrive(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Failed> {
    let who = who(&headers)?;
    let body = read_body(body, INPUT_BYTES_MAX).await?;
    let asked: Redrive = serde_json::from_slice(&body).map_err(|error| {
        let form = "{\"instance\":…,\"what\":\"parked\"|\"dropped\"|\"released\"|\"reset\"}";
        refuse(format!("the body is not {form}: {error}"))
    })?;
    operate(shared, move |operator| operator.redrive(&who, &asked)).await
}
