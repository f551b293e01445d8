//! What clients speak: the versions that a release understands, and how.
//!
//! A client speaks the types of one version. When that is not the version that runs, its inputs
//! are lifted and its answers lowered along the edge of the machine. The edge holds the types of
//! both its ends, so no old code is needed.
//!
//! What must stay true: only what runs is ever applied and recorded; a version that was spoken
//! leaves no trace in the instances.

use std::collections::BTreeMap;
use std::sync::Arc;

use camshaft_cam::code::FuncIx;
use camshaft_cam::digest::Digest;
use camshaft_cam::run::{EdgeArrow, Limits, edge_arrow};
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_cam::verify::VerifiedEdge;
use camshaft_manifests::resolved::ResolvedRelease;
use camshaft_manifests::{InstanceAddress, MachineAddress};

use crate::release::{MachineCode, ReleaseError};

/// What a client says of the version that it speaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Says {
    /// Nothing: it is taken for one of the release's `[api] default`.
    Nothing,
    /// That it speaks what runs, whatever that is.
    Running,
    /// The version of a release, as it wrote it.
    Version(Arc<str>),
}

/// The versions that a release understands.
#[derive(Debug)]
pub struct Speech {
    default: Arc<str>,
    running: Arc<str>,
    /// Each version once; that of the release itself is the last.
    versions: Vec<(Arc<str>, Spoke)>,
}

/// What is spoken in one version.
#[derive(Debug, Default)]
struct Spoke {
    /// By the addresses that machines have now.
    machines: BTreeMap<MachineAddress, Spoken>,
    /// Addresses that machines had there, and those that they have now.
    moved: BTreeMap<MachineAddress, MachineAddress>,
}

/// How a machine is spoken to in one version.
#[derive(Debug, Clone)]
enum Spoken {
    /// Its types are those that run.
    Same,
    /// Along an edge from them.
    Edge(Arc<VerifiedEdge>),
}

/// A version in which one machine is spoken to.
#[derive(Debug, Clone)]
pub struct Tongue {
    /// The version.
    pub version: Arc<str>,
    /// The edge from its types to those that run; none when they are the same.
    edge: Option<Arc<VerifiedEdge>>,
}

/// Why a machine cannot be spoken to as a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unspoken {
    /// The release does not understand the version.
    Version,
    /// That version had no such machine.
    Machine(Arc<str>),
}

/// Why an input is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotTaken {
    /// It is not of the type that the client speaks.
    WrongType(String),
    /// It has no counterpart in the version that runs.
    NotLifted(String),
}

impl Speech {
    /// Returns what a release understands.
    pub(crate) fn new(
        resolved: &ResolvedRelease,
        edges: &BTreeMap<Digest, Arc<VerifiedEdge>>,
    ) -> Result<Speech, ReleaseError> {
        let mut versions = vec![];
        for predecessor in &resolved.predecessors {
            let mut spoke = Spoke::default();
            for (address, new) in resolved.machines() {
                let Some(was) = predecessor.transition.was(&address) else { continue };
                // A machine that was not there has no older clients.
                let Some(old) = predecessor.composition.machine(&was) else { continue };
                let spoken = if new.digest == old.digest {
                    Spoken::Same
                } else {
                    match edge(resolved, edges, &address, old.digest) {
                        Some(edge) => Spoken::Edge(edge),
                        // Its states are given up, and no edge could be made for clients alone.
                        None if predecessor.transition.restarts.contains_key(&address.app) => continue,
                        None => {
                            return Err(ReleaseError::Unspoken {
                                machine: address,
                                version: predecessor.version.to_string(),
                            });
                        }
                    }
                };
                if was != address {
                    spoke.moved.insert(was, address.clone());
                }
                spoke.machines.insert(address, spoken);
            }
            versions.push((predecessor.version.to_string().into(), spoke));
        }
        let own = resolved.machines().map(|(address, _)| (address, Spoken::Same));
        let running: Arc<str> = resolved.version.to_string().into();
        versions.push((running.clone(), Spoke { machines: own.collect(), moved: BTreeMap::new() }));
        let default = resolved.spoken_by_default().to_string().into();
        Ok(Speech { default, running, versions })
    }

    /// Returns the version that a client speaks when it does not say.
    pub fn default(&self) -> &Arc<str> {
        &self.default
    }

    /// Returns the versions that are understood; that of the release itself is the last.
    pub fn versions(&self) -> impl Iterator<Item = &Arc<str>> {
        self.versions.iter().map(|(version, _)| version)
    }

    /// Returns the version that a client means.
    pub fn meant<'s>(&'s self, says: &'s Says) -> &'s Arc<str> {
        match says {
            Says::Nothing => &self.default,
            Says::Running => &self.running,
            Says::Version(version) => version,
        }
    }

    /// Returns true when the version that a client means is understood.
    pub fn understands(&self, says: &Says) -> bool {
        let meant = self.meant(says);
        self.versions().any(|version| version == meant)
    }

    /// Returns the address that a machine has now, where it had another in the version that a client
    /// means.
    pub fn moved(&self, says: &Says, instance: &InstanceAddress) -> Option<&MachineAddress> {
        let meant = self.meant(says);
        let (_, spoke) = self.versions.iter().find(|(version, _)| version == meant)?;
        // Nearly no release renames anything.
        if spoke.moved.is_empty() { None } else { spoke.moved.get(&instance.machine_address()) }
    }

    /// Returns how a client speaks to a machine.
    ///
    /// # Errors
    ///
    /// When the release does not understand the version, or it had no such machine.
    pub fn tongue(&self, says: &Says, machine: &MachineAddress) -> Result<Tongue, Unspoken> {
        let meant = self.meant(says);
        let found = self.versions.iter().find(|(version, _)| version == meant);
        let (version, spoke) = found.ok_or(Unspoken::Version)?;
        let spoken = spoke.machines.get(machine).ok_or_else(|| Unspoken::Machine(version.clone()))?;
        let edge = match spoken {
            Spoken::Same => None,
            Spoken::Edge(edge) => Some(edge.clone()),
        };
        Ok(Tongue { version: version.clone(), edge })
    }
}

impl Tongue {
    /// Returns true when its types are not those that run.
    pub fn is_other(&self) -> bool {
        self.edge.is_some()
    }

    /// Returns the machine digest whose types are spoken.
    pub fn digest(&self, running: &MachineCode) -> Digest {
        self.edge.as_ref().map_or_else(|| running.digest(), |edge| edge.edge().from)
    }

    /// Returns the type of the inputs that are spoken.
    pub fn input<'t>(&'t self, running: &'t MachineCode) -> &'t Ty {
        match &self.edge {
            None => running.verified.input(),
            Some(edge) => takes(edge, edge.edge().lift),
        }
    }

    /// Reads an input; it comes out in the type of the machine that runs.
    ///
    /// # Errors
    ///
    /// When it is of another type than is spoken, or has no counterpart in the one that runs.
    pub fn read(&self, json: &str, running: &MachineCode) -> Result<Value, NotTaken> {
        let ty = self.input(running);
        let value = Value::from_json(json, ty).map_err(|error| NotTaken::WrongType(error.to_string()))?;
        match &self.edge {
            None => Ok(value),
            Some(edge) => edge_arrow(edge, EdgeArrow::Lift, &value, Limits::STEP)
                .map_err(|trap| NotTaken::NotLifted(trap.to_string())),
        }
    }

    /// Writes an answer, which is in the type of the machine that runs.
    ///
    /// # Errors
    ///
    /// The reason why it has no counterpart in the version that is spoken.
    pub fn write(&self, output: &Value, running: &MachineCode) -> Result<String, String> {
        match &self.edge {
            None => Ok(output.to_json(running.verified.output())),
            Some(edge) => edge_arrow(edge, EdgeArrow::Lower, output, Limits::STEP)
                .map(|answer| answer.to_json(takes(edge, edge.edge().raise)))
                .map_err(|trap| trap.to_string()),
        }
    }
}

/// Returns the edge of a release that leads from a machine digest to its machine.
pub(crate) fn edge(
    resolved: &ResolvedRelease,
    edges: &BTreeMap<Digest, Arc<VerifiedEdge>>,
    machine: &MachineAddress,
    from: Digest,
) -> Option<Arc<VerifiedEdge>> {
    let found = resolved.edges.iter().find(|edge| edge.machine == *machine && edge.from == from)?;
    edges.get(&found.digest).cloned()
}

/// Returns the type that an arrow takes.
pub(crate) fn takes(edge: &VerifiedEdge, arrow: FuncIx) -> &Ty {
    let module = edge.module();
    module.ty(module.function(arrow).params[0])
}
