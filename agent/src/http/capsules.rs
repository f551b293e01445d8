//! `/v1/node/capsules`: what failed lately, and what is needed to see it again.

use axum::extract::{Path, State};
use axum::response::Response;

use super::node::blocking;
use super::{Failed, Shared, json};
use crate::api::{CapsuleList, CapsuleStatus};
use crate::node::Node;
use crate::problem;

pub(super) async fn list(State(shared): State<Shared>) -> Result<Response, Failed> {
    let host = shared.host;
    let list = blocking(move || host.call(Node::capsules)).await?;
    let capsules: Vec<CapsuleStatus> = list.iter().map(|(id, caught)| caught.status(*id)).collect();
    Ok(json(&CapsuleList { capsules }))
}

pub(super) async fn one(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Response, Failed> {
    let host = shared.host;
    let capsule = blocking(move || {
        let wanted: Option<u64> = id.parse().ok();
        let list = host.call(Node::capsules)?;
        let caught = list.into_iter().find(|(id, _)| Some(*id) == wanted);
        // What failed is run once more here, away from the node's threads.
        caught.map(|(id, caught)| caught.capsule(id)).ok_or_else(|| {
            problem::NO_CAPSULE.problem(format!("no capsule of this node has the number `{id}`"))
        })
    });
    capsule.await.map(|capsule| json(&capsule))
}
