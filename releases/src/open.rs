//! Opening a bundle: its code verified, its parts proved to fit, its relups judged.
//!
//! [`open`] is the only way to an [`OpenedRelease`]: whoever holds one need not doubt any part.

use std::collections::{BTreeMap, BTreeSet};

use camshaft_cam::code::decode::DecodeError;
use camshaft_cam::code::{EffectKind, Op};
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_cam::digest::Digest;
use camshaft_cam::value::Value;
use camshaft_cam::verify::{
    LoadError, Verified, VerifiedEdge, VerifiedLink, VerifiedMachine, VerifyError, load,
};
use camshaft_manifests::lookup::Lookup;
use camshaft_manifests::resolved::{self, ResolvedRelease};
use camshaft_manifests::{MachineAddress, Version, relup};

use crate::bundle::{self, Bundle, BundleError};
use crate::check::{self, Fault};

/// The path of the resolved release in a bundle.
pub const RELEASE_PATH: &str = "release.toml";

/// A release of which every part was checked.
#[derive(Debug, Clone)]
pub struct OpenedRelease {
    /// The digest of the bundle.
    pub digest: Digest,
    /// The document.
    pub resolved: ResolvedRelease,
    /// The machines by digest.
    pub machines: BTreeMap<Digest, VerifiedMachine>,
    /// The edges by digest.
    pub edges: BTreeMap<Digest, VerifiedEdge>,
    /// The links by digest.
    pub links: BTreeMap<Digest, VerifiedLink>,
    /// The relups, sorted by the version that they start from.
    pub relups: Vec<relup::Relup>,
}

/// Why a bundle is not a release.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The archive or the manifest.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A document of the bundle.
    #[error("{path} is garbled: {}", faults.first().map(Diagnostic::one_line).unwrap_or_default())]
    Document {
        /// The file.
        path: String,
        /// All its faults.
        faults: Vec<Diagnostic>,
    },
    /// A name in a document and the manifest differ.
    #[error("the manifest is for {manifest}, the release says {release}")]
    Name {
        /// What the manifest says.
        manifest: String,
        /// What the release says.
        release: String,
    },
    /// A file that the release names is not there.
    #[error("the release names {path}, which the bundle does not have")]
    Missing {
        /// The file.
        path: String,
    },
    /// A file that the release does not name.
    #[error("the bundle has {path}, which the release does not name")]
    Surplus {
        /// The file.
        path: String,
    },
    /// A file that is no bytecode.
    #[error("{path} is no bytecode: {source}")]
    Decode {
        /// The file.
        path: String,
        /// The reason.
        source: Box<DecodeError>,
    },
    /// Bytecode that the verifier refuses.
    #[error("the verifier refuses {path}: {source}")]
    Verify {
        /// The file.
        path: String,
        /// The reason.
        source: Box<VerifyError>,
    },
    /// Code with another digest than its file name.
    #[error("{path} holds the code {found}")]
    Digest {
        /// The file.
        path: String,
        /// The digest of what it holds.
        found: Digest,
    },
    /// Code of another kind than its folder.
    #[error("{path} is not {wanted}")]
    Kind {
        /// The file.
        path: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// Parts that do not belong together.
    #[error("{subject}: {reason}")]
    Unfit {
        /// Which part.
        subject: String,
        /// The reason.
        reason: String,
    },
    /// A relup that the checker refuses.
    #[error("the relup from {from} is refused: {}", faults.first().map(ToString::to_string).unwrap_or_default())]
    Relup {
        /// The version that it starts from.
        from: Version,
        /// All its faults.
        faults: Vec<Fault>,
    },
}

/// Reads and opens a bundle from bytes that nobody has looked at yet.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn read(bytes: &[u8]) -> Result<OpenedRelease, OpenError> {
    open(&bundle::read(bytes)?)
}

/// Opens a bundle.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn open(bundle: &Bundle) -> Result<OpenedRelease, OpenError> {
    let mut opener = Opener { bundle, used: BTreeSet::new() };
    let resolved = opener.document(RELEASE_PATH, resolved::read)?;
    let manifest = bundle.manifest();
    if (&manifest.name, &manifest.version) != (&resolved.name, &resolved.version) {
        return Err(OpenError::Name {
            manifest: format!("{} {}", manifest.name, manifest.version),
            release: format!("{} {}", resolved.name, resolved.version),
        });
    }
    let machines = opener.machines(&resolved)?;
    let links = opener.links(&resolved, &machines)?;
    let edges = opener.edges(&resolved, &machines)?;
    let relups = opener.relups(&resolved)?;
    if let Some(path) = bundle.files().keys().find(|path| !opener.used.contains(path.as_str())) {
        return Err(OpenError::Surplus { path: path.to_string() });
    }
    Ok(OpenedRelease { digest: bundle.digest(), resolved, machines, edges, links, relups })
}

struct Opener<'b> {
    bundle: &'b Bundle,
    /// The files that the release names.
    used: BTreeSet<String>,
}

impl<'b> Opener<'b> {
    fn file(&mut self, path: &str) -> Result<&'b [u8], OpenError> {
        self.used.insert(path.to_owned());
        self.bundle.file(path).ok_or_else(|| OpenError::Missing { path: path.to_owned() })
    }

    fn document<T>(
        &mut self,
        path: &str,
        read: impl FnOnce(&Source) -> Result<T, Vec<Diagnostic>>,
    ) -> Result<T, OpenError> {
        let bytes = self.file(path)?;
        let source = Source::new(path, String::from_utf8_lossy(bytes));
        read(&source).map_err(|faults| OpenError::Document { path: path.to_owned(), faults })
    }

    fn code(&mut self, path: &str, digest: Digest) -> Result<Verified, OpenError> {
        let bytes = self.file(path)?;
        let verified = load(bytes).map_err(|error| match error {
            LoadError::Decode(source) => {
                OpenError::Decode { path: path.to_owned(), source: Box::new(source) }
            }
            LoadError::Verify(source) => {
                OpenError::Verify { path: path.to_owned(), source: Box::new(source) }
            }
        })?;
        if verified.digest() != digest {
            return Err(OpenError::Digest { path: path.to_owned(), found: verified.digest() });
        }
        Ok(verified)
    }

    fn machines(
        &mut self,
        release: &ResolvedRelease,
    ) -> Result<BTreeMap<Digest, VerifiedMachine>, OpenError> {
        let mut machines = BTreeMap::new();
        for (address, resolved) in release.machines() {
            let path = code_path(resolved.digest);
            let Verified::Machine(machine) = self.code(&path, resolved.digest)? else {
                return Err(OpenError::Kind { path, wanted: "a machine" });
            };
            if machine.machine().keyed != resolved.keyed {
                let reason = "release and code do not agree on whether it is keyed".to_owned();
                return Err(OpenError::Unfit { subject: address.to_string(), reason });
            }
            let config = Value::from_json(&resolved.config, machine.config());
            let reason = match config.map(|config| config.to_json(machine.config())) {
                Ok(canonical) if canonical == resolved.config => None,
                Ok(_) => Some("its configuration is not written canonically".to_owned()),
                Err(error) => Some(format!("its configuration is not of its type: {error}")),
            };
            if let Some(reason) = reason {
                return Err(OpenError::Unfit { subject: address.to_string(), reason });
            }
            machines.insert(resolved.digest, machine);
        }
        Ok(machines)
    }

    fn links(
        &mut self,
        release: &ResolvedRelease,
        machines: &BTreeMap<Digest, VerifiedMachine>,
    ) -> Result<BTreeMap<Digest, VerifiedLink>, OpenError> {
        let mut links = BTreeMap::new();
        let mut linked = BTreeSet::new();
        let composition = release.composition();
        let parts = Lookup::new(&composition);
        for resolved in &release.links {
            let path = link_path(resolved.digest);
            let Verified::Link(link) = self.code(&path, resolved.digest)? else {
                return Err(OpenError::Kind { path, wanted: "a link" });
            };
            let unfit = |reason: String| OpenError::Unfit {
                subject: format!("channel {} of {}", resolved.channel, resolved.sender),
                reason,
            };
            let find = |address: &MachineAddress| {
                let machine = parts.machine(address).and_then(|machine| machines.get(&machine.digest));
                machine.ok_or_else(|| unfit(format!("the release has no machine {address}")))
            };
            let (sender, receiver) = (find(&resolved.sender)?, find(&resolved.receiver)?);
            link.check_ends(sender, receiver).map_err(|error| unfit(error.to_string()))?;
            let channel =
                sender.channels().iter().find(|channel| *channel.name == *resolved.channel.as_str());
            let target = channel.map(|channel| channel.target.to_string());
            if target != Some(resolved.receiver.to_string())
                || *link.link().channel != *resolved.channel.as_str()
            {
                return Err(unfit("the link is not that of the channel".to_owned()));
            }
            if sends_without_key(sender, resolved.channel.as_str()) && receiver.machine().keyed {
                return Err(unfit(format!("it sends without a key, and {} has keys", resolved.receiver)));
            }
            let (from, to) = (&resolved.sender.app, &resolved.receiver.app);
            let depends = parts.app(from).is_some_and(|app| app.depends.contains(to));
            if from != to && !depends {
                return Err(unfit(format!("it sends to {to}, and {from} does not depend on it")));
            }
            if !linked.insert((resolved.sender.clone(), resolved.channel.clone())) {
                return Err(unfit("it has two links".to_owned()));
            }
            links.insert(resolved.digest, link);
        }
        for (address, resolved) in release.machines() {
            let machine = &machines[&resolved.digest];
            for channel in machine.channels() {
                let name = channel.name.parse().ok();
                if name.is_none_or(|name| !linked.contains(&(address.clone(), name))) {
                    let subject = format!("channel {} of {address}", channel.name);
                    return Err(OpenError::Unfit { subject, reason: "it has no link".to_owned() });
                }
            }
        }
        Ok(links)
    }

    fn edges(
        &mut self,
        release: &ResolvedRelease,
        machines: &BTreeMap<Digest, VerifiedMachine>,
    ) -> Result<BTreeMap<Digest, VerifiedEdge>, OpenError> {
        let mut edges = BTreeMap::new();
        let composition = release.composition();
        let parts = Lookup::new(&composition);
        let before: Vec<_> = release
            .predecessors
            .iter()
            .map(|one| (Lookup::new(&one.composition), one.transition.origins()))
            .collect();
        for resolved in &release.edges {
            let path = edge_path(resolved.digest);
            let Verified::Edge(edge) = self.code(&path, resolved.digest)? else {
                return Err(OpenError::Kind { path, wanted: "an edge" });
            };
            // The old end runs on the node; the agent compares its types when it comes to that.
            let leads_here = parts.machine(&resolved.machine).map(|machine| machine.digest);
            if (edge.edge().from, edge.edge().to) != (resolved.from, resolved.to)
                || leads_here != Some(resolved.to)
            {
                let subject = format!("an edge of {}", resolved.machine);
                let reason = "it does not lead where the release says".to_owned();
                return Err(OpenError::Unfit { subject, reason });
            }
            if let Some(reason) = reason_not_leading_to(&edge, &machines[&resolved.to]) {
                let subject = format!("an edge of {}", resolved.machine);
                return Err(OpenError::Unfit { subject, reason });
            }
            let mut known =
                before.iter().filter_map(|(one, called)| one.machine(&called.was(&resolved.machine)?));
            if !known.any(|machine| machine.digest == resolved.from) {
                let subject = format!("an edge of {}", resolved.machine);
                let reason = format!("it begins at {}, which no predecessor has", resolved.from);
                return Err(OpenError::Unfit { subject, reason });
            }
            edges.insert(resolved.digest, edge);
        }
        Ok(edges)
    }

    fn relups(&mut self, release: &ResolvedRelease) -> Result<Vec<relup::Relup>, OpenError> {
        let mut relups = Vec::new();
        for predecessor in &release.predecessors {
            let relup = self.document(&relup_path(&predecessor.version), relup::read)?;
            let faults = check::check(&relup, predecessor, release);
            if !faults.is_empty() {
                return Err(OpenError::Relup { from: predecessor.version.clone(), faults });
            }
            relups.push(relup);
        }
        Ok(relups)
    }
}

/// Returns why an edge does not lead to a machine, by types; that its arrows agree among
/// themselves was verified.
fn reason_not_leading_to(edge: &VerifiedEdge, machine: &VerifiedMachine) -> Option<String> {
    let module = edge.module();
    let result = |function| module.ty(module.function(function).result);
    [
        ("up", result(edge.edge().up), machine.state()),
        ("lift", result(edge.edge().lift), machine.input()),
        ("raise", result(edge.edge().raise), machine.output()),
    ]
    .into_iter()
    .find(|(_, leads_to, takes)| leads_to != takes)
    .map(|(arrow, ..)| format!("its arrow `{arrow}` leads to another type than the machine has"))
}

/// Returns true when a machine sends on a channel without naming a key. A channel that is declared
/// and never used does not.
pub(crate) fn sends_without_key(sender: &VerifiedMachine, channel: &str) -> bool {
    let declared = sender.channels().iter().position(|declared| *declared.name == *channel);
    let Some(index) = declared.filter(|index| !sender.channels()[*index].keyed) else { return false };
    let mut sends = false;
    for function in &sender.module().functions {
        function.body.each_op(&mut |op| {
            sends |= matches!(op, Op::Emit { effect: EffectKind::Send(found) } if *found as usize == index);
        });
    }
    sends
}

/// Returns where a machine's code stands in a bundle.
pub fn code_path(digest: Digest) -> String {
    format!("code/{}.cam2", digest.hex())
}

/// Returns where an edge's code stands in a bundle.
pub fn edge_path(digest: Digest) -> String {
    format!("edges/{}.cam2", digest.hex())
}

/// Returns where a link's code stands in a bundle.
pub fn link_path(digest: Digest) -> String {
    format!("links/{}.cam2", digest.hex())
}

/// Returns where the relup from a version stands in a bundle.
pub fn relup_path(from: &Version) -> String {
    format!("relup/{from}.toml")
}

#[cfg(test)]
mod tests;
