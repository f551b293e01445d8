//! Releases before the predecessors: a node that skipped some comes over along chained edges.

use std::collections::BTreeMap;

use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;
use camshaft_manifests::release::ReleaseManifest;
use camshaft_manifests::resolved::{Predecessor, ResolvedEdge};
use camshaft_manifests::transition::Transition;
use camshaft_manifests::{AppName, MachineAddress, MachineName, Step, Version};

use super::at_value;
use super::joints::EdgeOf;
use super::machines::Compiled;
use super::ways::Ways;
use crate::edges;
use crate::open::OpenedRelease;

type Machines = BTreeMap<(AppName, MachineName), Compiled>;

/// A release that is reached over a predecessor.
pub(super) struct Reached<'f> {
    over: &'f OpenedRelease,
    from: &'f Predecessor,
}

/// Returns the releases that are reached over the predecessors, over the newest first: its edge is the one
/// that was made for it. What is older than `oldest` is left out.
///
/// # Errors
///
/// Circles, and versions of which there are two.
pub(super) fn reached<'f>(
    source: &Source,
    manifest: &ReleaseManifest,
    found: &'f [OpenedRelease],
) -> Result<Vec<Reached<'f>>, Vec<Diagnostic>> {
    let mut faults = vec![];
    let mut all = vec![];
    let mut over: Vec<&OpenedRelease> = found.iter().collect();
    over.sort_by(|a, b| b.resolved.version.cmp(&a.resolved.version));
    let named = |release: &'f OpenedRelease| (&release.resolved.version, release.digest);
    let mut digests: BTreeMap<&Version, (Digest, &Version)> =
        found.iter().map(named).map(|(version, digest)| (version, (digest, version))).collect();
    for release in over {
        let between = &release.resolved.version;
        let place = manifest.from.iter().position(|version| version == between);
        let place = [Step::Key("from"), Step::Item(place.unwrap_or_default())];
        for from in &release.resolved.predecessors {
            let version = &from.version;
            if manifest.oldest.as_ref().is_some_and(|oldest| version < oldest) {
                continue;
            }
            if *version == manifest.version {
                let message =
                    format!("{between} comes from {version}, and {version} would come from {between}");
                let fault = at_value(source, "R0126", &place, message, "a circle");
                faults.push(fault.help(format!(
                    "give this release a version that is not among those that {between} comes from, or take {between} out of `from`"
                )));
                continue;
            }
            let (digest, also) = *digests.entry(version).or_insert((from.digest, between));
            if digest != from.digest {
                let message = format!(
                    "{between} comes from {version} with the digest {}, and {also} is or comes from another {version}, {}",
                    from.digest.short(),
                    digest.short()
                );
                let fault = at_value(source, "R0127", &place, message, "two releases of one version");
                faults.push(
                    fault.help("a version is released once: build one of the two under another version"),
                );
            } else if !found.iter().any(|one| one.resolved.version == *version) {
                all.push(Reached { over: release, from });
            }
        }
    }
    if faults.is_empty() { Ok(all) } else { Err(faults) }
}

/// Returns all edges, those of chains too, and the releases that they come from. A release that not all
/// machines can come over from is left out.
pub(super) fn chains(
    compiled: &Machines,
    reached: &[Reached<'_>],
    ways: &Ways,
    mut edges: Vec<EdgeOf>,
) -> (Vec<EdgeOf>, Vec<Predecessor>) {
    let mut older: Vec<Predecessor> = vec![];
    for Reached { over, from } in reached {
        if older.iter().any(|other| other.version == from.version) {
            continue;
        }
        let Some(said) = joined(compiled, (over, from), ways.from(over)) else { continue };
        if let Some(chained) = all(compiled, over, from, (&said, ways.from(over)), &edges) {
            edges.extend(chained);
            older.push(Predecessor { transition: said, ..(*from).clone() });
        }
    }
    edges.sort_by(|a, b| (&a.resolved.machine, a.resolved.from).cmp(&(&b.resolved.machine, b.resolved.from)));
    (edges, older)
}

/// Returns what there is to say of going two ways at once. Inputs that are applied in between are of
/// types that nobody runs then: there is no such way.
fn joined(
    compiled: &Machines,
    (over, from): (&OpenedRelease, &Predecessor),
    second: &Transition,
) -> Option<Transition> {
    let first = &from.transition;
    if !first.applies.is_empty() || !second.applies.is_empty() {
        return None;
    }
    let mut said = Transition::default();
    for app in compiled.keys().map(|(app, _)| app) {
        let Some(between) = second.app_was(app) else { continue };
        let was = first.app_was(between).filter(|was| from.composition.app(was).is_some());
        if let Some(was) = was.filter(|was| *was != app) {
            said.renamed_apps.insert(app.clone(), was.clone());
        }
        let given_up = second.restarts.get(app).or_else(|| first.restarts.get(between));
        if let Some(reason) = given_up.filter(|_| was.is_some()) {
            said.restarts.insert(app.clone(), reason.clone());
        }
    }
    for ((app, machine), new) in compiled {
        let address = MachineAddress { app: app.clone(), machine: machine.clone() };
        let Some(between) = second.was(&address) else { continue };
        let was = first.was(&between).filter(|was| from.composition.machine(was).is_some());
        let at_once = second.migrates.contains(&address) || first.migrates.contains(&between);
        let Some(was) = was else { continue };
        // Where the code is the same, it does what it did.
        let [old, middle] = [
            from.composition.machine(&was).map(|machine| machine.digest),
            over.resolved.machine(&between).map(|machine| machine.digest),
        ];
        let stays = [old == middle, middle == Some(new.verified.digest())];
        let said_of = [first.preserves.contains(&between), second.preserves.contains(&address)];
        if said_of != [false, false] && stays.iter().zip(said_of).all(|(stays, said)| *stays || said) {
            said.preserves.insert(address.clone());
        }
        if at_once {
            said.migrates.insert(address.clone());
        }
        if said.was(&address).as_ref() != Some(&was) {
            said.renamed_machines.insert(address, was);
        }
    }
    Some(said)
}

/// Returns the edges that are needed to come from a release over another one; `None` where one of
/// the machines cannot.
fn all(
    compiled: &Machines,
    over: &OpenedRelease,
    from: &Predecessor,
    (said, second): (&Transition, &Transition),
    edges: &[EdgeOf],
) -> Option<Vec<EdgeOf>> {
    let mut found = vec![];
    for ((app, machine), new) in compiled {
        let address = MachineAddress { app: app.clone(), machine: machine.clone() };
        let Some(was) = said.was(&address) else { continue };
        let Some(old) = from.composition.machine(&was) else { continue };
        let to = new.verified.digest();
        let known =
            edges.iter().any(|edge| edge.resolved.machine == address && edge.resolved.from == old.digest);
        if old.digest == to || known {
            continue;
        }
        let version = from.composition.app(&was.app)?.version.clone();
        let between = second.was(&address)?;
        match one((&address, &between), (old.digest, &version), to, over, edges) {
            Some(edge) => found.push(edge),
            None if said.restarts.contains_key(app) => {}
            None => return None,
        }
    }
    Some(found)
}

/// Returns the edge of a machine over the one that it has in another release.
fn one(
    (address, called): (&MachineAddress, &MachineAddress),
    (old, version): (Digest, &Version),
    new: Digest,
    over: &OpenedRelease,
    edges: &[EdgeOf],
) -> Option<EdgeOf> {
    let between = over.resolved.machine(called)?.digest;
    let first = over.resolved.edges.iter().find(|edge| edge.machine == *called && edge.from == old)?;
    let code = over.edges.get(&first.digest)?;
    let second = edges.iter().find(|edge| edge.resolved.machine == *address && edge.resolved.from == between);
    let (edge, resolved) = match second {
        // The machine is the same as in the release between.
        None if between == new => {
            let over = Some(over.resolved.version.clone());
            (code.clone(), ResolvedEdge { machine: address.clone(), over, ..first.clone() })
        }
        None => return None,
        Some(second) => {
            let (resolved, edge) =
                edges::chain((first, code), (&second.resolved, &second.edge), &over.resolved.version)?;
            (edge, resolved)
        }
    };
    Some(EdgeOf { resolved, edge, version: version.clone(), migration: None })
}
