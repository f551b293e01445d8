//! One edge between two versions of a machine: derived, written, or chained of two.
//!
//! Builds and [crossings](crate::crossing) make their edges here, so that the same two machines get the
//! same edge whoever asks.

use camshaft_cam::compile::{self, Modules};
use camshaft_cam::derive;
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::verify::{Verified, VerifiedEdge, VerifiedMachine, verify};
use camshaft_manifests::resolved::ResolvedEdge;
use camshaft_manifests::{MachineAddress, Version};

/// An edge, and what a release says of it.
pub(crate) type Made = (ResolvedEdge, VerifiedEdge);

/// Why there is no edge.
#[derive(Debug)]
pub(crate) enum NotMade {
    /// One of the two has keys, and the other has none.
    Keys {
        /// True when the older one has them.
        older: bool,
    },
    /// What can neither be derived nor was written.
    Faults(Vec<Diagnostic>),
    /// The verifier refuses it.
    Refused(String),
}

/// Makes the edge from one version of a machine to another: what the migration writes, and what can be
/// derived for the rest.
pub(crate) fn make(
    address: &MachineAddress,
    old: &VerifiedMachine,
    new: &VerifiedMachine,
    migration: Option<&Source>,
    modules: &Modules,
) -> Result<Made, NotMade> {
    let older = old.machine().keyed;
    if older != new.machine().keyed {
        return Err(NotMade::Keys { older });
    }
    let told = compile::edge_told(old, new, migration, modules).map_err(NotMade::Faults)?;
    let edge = match verify(told.module) {
        Ok(Verified::Edge(edge)) => edge,
        Ok(_) => return Err(NotMade::Refused("it is no edge".to_owned())),
        Err(error) => return Err(NotMade::Refused(error.to_string())),
    };
    let resolved = ResolvedEdge {
        machine: address.clone(),
        from: old.digest(),
        to: new.digest(),
        digest: edge.digest(),
        said: told.said,
        class: Some(told.class.unwrap_or_else(|| edge.class_of_written_down())),
        checked: edge.reason_not_certified(old, new),
        over: None,
    };
    Ok((resolved, edge))
}

/// Makes one edge of two, the one after the other; `over` is the release between. `None` where they do
/// not make one.
pub(crate) fn chain(
    (first, code): (&ResolvedEdge, &VerifiedEdge),
    (second, next): (&ResolvedEdge, &VerifiedEdge),
    over: &Version,
) -> Option<Made> {
    let edge = match verify(derive::chain(code, next).ok()?) {
        Ok(Verified::Edge(edge)) => edge,
        Ok(_) | Err(_) => return None,
    };
    let resolved = ResolvedEdge {
        // Under its newer address.
        machine: second.machine.clone(),
        from: first.from,
        to: second.to,
        digest: edge.digest(),
        said: said(&first.said, &second.said),
        class: first.class.zip(second.class).map(|(one, two)| one.max(two)),
        checked: checked(first, second, &edge),
        over: Some(over.clone()),
    };
    Some((resolved, edge))
}

/// Returns why a chain is not certified: one of its edges is not, or it costs too much as a whole.
fn checked(first: &ResolvedEdge, second: &ResolvedEdge, edge: &VerifiedEdge) -> Option<String> {
    let of_edges = first.checked.clone().or_else(|| second.checked.clone());
    of_edges.or_else(|| {
        let traps = edge.traps_of_up();
        let words: Vec<&str> = traps.iter().map(|trap| trap.words()).collect();
        (!traps.is_empty()).then(|| format!("the migration may trap: {}", words.join(", ")))
    })
}

fn said(first: &[String], second: &[String]) -> Vec<String> {
    let mut all: Vec<String> = first.iter().chain(second).cloned().collect();
    all.sort();
    all.dedup();
    all
}
