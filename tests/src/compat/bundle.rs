//! What a bundle holds, and what the arrows of its edges do.

use camshaft_cam::code::FuncIx;
use camshaft_cam::run::{self, EdgeArrow, Limits, t1};
use camshaft_cam::value::Value;
use camshaft_cam::verify::VerifiedEdge;
use camshaft_releases::{OpenedRelease, open};
use serde_json::{Value as Json, json};

use super::{read_back, told, trap_name};

/// Opens a bundle, takes values along its edges in T0 and in T1, and tells all there is to tell. With
/// what was told before, the old forms of its values are read as well.
///
/// # Errors
///
/// When the bundle does not open, the inputs name what it lacks, or two ways to run an arrow differ.
pub fn expected_of_bundle(bytes: &[u8], inputs: &str, before: Option<&Json>) -> Result<Json, String> {
    let release = open::read(bytes).map_err(|error| format!("the bundle does not open: {error}"))?;
    let inputs: Json =
        serde_json::from_str(inputs).map_err(|error| format!("the inputs are no JSON: {error}"))?;
    let asked = inputs["arrows"].as_array().ok_or("the inputs have no list `arrows`")?;
    let mut arrows = Vec::new();
    for (index, asked) in asked.iter().enumerate() {
        let before = before.map(|before| &before["arrows"][index]);
        arrows.push(arrow(&release, asked, before).map_err(|error| format!("{asked}: {error}"))?);
    }
    let hex = |digests: Vec<camshaft_cam::digest::Digest>| {
        digests.iter().map(|digest| digest.hex()).collect::<Vec<_>>()
    };
    Ok(json!({
        "digest": release.digest.hex(),
        "name": release.resolved.name.as_str(),
        "version": release.resolved.version.to_string(),
        "machines": hex(release.machines.keys().copied().collect()),
        "edges": hex(release.edges.keys().copied().collect()),
        "links": hex(release.links.keys().copied().collect()),
        "relups": release.relups.len(),
        "arrows": arrows,
    }))
}

fn arrow(release: &OpenedRelease, asked: &Json, before: Option<&Json>) -> Result<Json, String> {
    let edge = edge(release, asked)?;
    let (which, function) = which(edge, asked["arrow"].as_str().unwrap_or_default())?;
    let declared = edge.module().function(function);
    let (from, to) = (edge.module().ty(declared.params[0]), edge.module().ty(declared.result));
    let given = Value::from_json(&asked["given"].to_string(), from).map_err(|error| error.to_string())?;
    let found = run::edge_arrow(edge, which, &given, Limits::MIGRATION);
    let lowered = t1::Arrow::new(edge.verified_module(), function);
    let again = lowered.call(&mut lowered.registers(), &[&given], Limits::MIGRATION);
    if found != again {
        return Err(format!("T0 gives {found:?}, T1 {again:?}"));
    }
    if let Some(before) = before.filter(|before| before["trap"].is_null()) {
        read_back(before, to)?;
    }
    Ok(found.map_or_else(|trap| json!({ "trap": trap_name(&trap) }), |value| told(&value, to)))
}

/// Returns the edge of a machine; its first one when the release has several.
fn edge<'r>(release: &'r OpenedRelease, asked: &Json) -> Result<&'r VerifiedEdge, String> {
    let name = asked["machine"].as_str().unwrap_or_default();
    let found = release.resolved.edges.iter().find(|edge| edge.machine.to_string() == name);
    found.and_then(|edge| release.edges.get(&edge.digest)).ok_or_else(|| "there is no such edge".to_owned())
}

fn which(edge: &VerifiedEdge, name: &str) -> Result<(EdgeArrow, FuncIx), String> {
    let edge = edge.edge();
    Ok(match name {
        "up" => (EdgeArrow::Up, edge.up),
        "down" => (EdgeArrow::Down, edge.down),
        "lift" => (EdgeArrow::Lift, edge.lift),
        "unlift" => (EdgeArrow::Unlift, edge.unlift),
        "lower" => (EdgeArrow::Lower, edge.lower),
        "raise" => (EdgeArrow::Raise, edge.raise),
        other => return Err(format!("`{other}` is no arrow")),
    })
}
