//! A release that is ready to run: its code verified, its configuration read, its channels bound.
//!
//! [`Release::assemble`] is the only way to one. After it nothing about a release can be wrong
//! any more, so that a switch has nothing left to check but the live state.

use std::collections::BTreeMap;
use std::sync::Arc;

use camshaft_cam::code::decode::decode;
use camshaft_cam::digest::Digest;
use camshaft_cam::ty::{Kind, Ty};
use camshaft_cam::value::Value;
use camshaft_cam::verify::{Verified, VerifiedEdge, VerifiedLink, VerifiedMachine, verify};
use camshaft_manifests::relup::Relup;
use camshaft_manifests::resolved::ResolvedRelease;
use camshaft_manifests::{InstanceAddress, MachineAddress};
use camshaft_store::ReleaseEntry;

use crate::api::ReleaseRef;

/// Why a release cannot run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// A file of the bundle is missing.
    #[error("{0} is missing")]
    Missing(String),
    /// Bytes that are no code.
    #[error("{path}: {reason}")]
    Decode {
        /// The file.
        path: String,
        /// The reason.
        reason: String,
    },
    /// Code that the verifier refuses.
    #[error("{path} is refused by the verifier: {reason}")]
    Verify {
        /// The file.
        path: String,
        /// The reason.
        reason: String,
    },
    /// Code with another digest than its name says.
    #[error("{path} has digest {found}")]
    Digest {
        /// The file.
        path: String,
        /// The digest that it has.
        found: Digest,
    },
    /// Code of another kind.
    #[error("{path} is a {found}, not a {expected}")]
    Kind {
        /// The file.
        path: String,
        /// What is needed.
        expected: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// A machine that is keyed where the release says that it is not, or the other way round.
    #[error("the release and the code of {0} do not agree on whether it is keyed")]
    Keyed(MachineAddress),
    /// Configuration that does not have the machine's type.
    #[error("the configuration of {machine}: {reason}")]
    Config {
        /// The machine.
        machine: MachineAddress,
        /// The reason.
        reason: String,
    },
    /// A channel without a link, or with one that does not fit.
    #[error("channel {channel} of {machine}: {reason}")]
    Channel {
        /// The sender.
        machine: MachineAddress,
        /// The channel.
        channel: String,
        /// The reason.
        reason: String,
    },
}

/// A release that is ready to run.
#[derive(Debug)]
pub struct Release {
    /// The release, and where its bundle is kept.
    pub entry: ReleaseEntry,
    /// The document.
    pub resolved: ResolvedRelease,
    /// The machines.
    machines: BTreeMap<MachineAddress, Arc<MachineCode>>,
    /// The edges from its predecessors, by their digests.
    pub edges: BTreeMap<Digest, Arc<VerifiedEdge>>,
    /// The relups from its predecessors, each with the digest of its file.
    pub relups: Vec<(Digest, Relup)>,
}

/// A machine that is ready to run.
#[derive(Debug)]
pub struct MachineCode {
    /// The machine.
    pub address: MachineAddress,
    /// The version of its application.
    pub version: String,
    /// The code.
    pub verified: VerifiedMachine,
    /// The configuration.
    pub config: Value,
    /// The channels, in the order of the code's.
    pub channels: Vec<ChannelCode>,
}

/// A channel that is bound to its receiver.
#[derive(Debug)]
pub struct ChannelCode {
    /// The name.
    pub name: Arc<str>,
    /// Its arrows.
    pub link: VerifiedLink,
    /// The machine that receives.
    pub receiver: MachineAddress,
    /// The input type of the machine that receives.
    pub receiver_input: Ty,
    /// How answers come back, if they do.
    pub answer: Option<AnswerShape>,
}

/// The internal input that takes the answers of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerShape {
    case: usize,
    fields: usize,
    answer: usize,
}

impl AnswerShape {
    /// Returns the input for an answer: `None` when the receiver trapped.
    pub fn input(self, from: &InstanceAddress, answer: Option<Value>) -> Value {
        let answer = answer.map_or_else(Value::none, Value::some);
        let key = from.key.as_ref().map_or("", |key| key.as_str());
        let field = |index| match index {
            index if index == self.answer => answer.clone(),
            _ => Value::text(key),
        };
        Value::sum(self.case, Value::product((0..self.fields).map(field)))
    }
}

impl MachineCode {
    /// Returns the machine digest.
    pub fn digest(&self) -> Digest {
        self.verified.digest()
    }

    /// Returns true when there is an instance for each key.
    pub fn keyed(&self) -> bool {
        self.verified.machine().keyed
    }

    /// Returns the channel of this name.
    pub fn channel(&self, name: &str) -> Option<&ChannelCode> {
        self.channels.iter().find(|channel| &*channel.name == name)
    }
}

impl Release {
    /// Makes a release of its document and its files: decodes and verifies all code, reads the
    /// configuration, and binds every channel.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn assemble(
        resolved: ResolvedRelease,
        entry: ReleaseEntry,
        relups: Vec<(Digest, Relup)>,
        file: &dyn Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Release, ReleaseError> {
        let code = Code { file };
        let mut verified = BTreeMap::new();
        for (address, machine) in resolved.machines() {
            verified.insert(address, code.machine(machine.digest)?);
        }
        let mut machines = BTreeMap::new();
        for app in &resolved.apps {
            for machine in &app.machines {
                let address = MachineAddress { app: app.name.clone(), machine: machine.name.clone() };
                let own = &verified[&address];
                if own.machine().keyed != machine.keyed {
                    return Err(ReleaseError::Keyed(address));
                }
                let config = Value::from_json(&machine.config, own.config()).map_err(|error| {
                    ReleaseError::Config { machine: address.clone(), reason: error.to_string() }
                })?;
                let channels = bind_channels(&code, &resolved, &verified, &address)?;
                let version = app.version.to_string();
                let own = own.clone();
                let bound =
                    MachineCode { address: address.clone(), version, verified: own, config, channels };
                machines.insert(address, Arc::new(bound));
            }
        }
        let mut edges = BTreeMap::new();
        for edge in &resolved.edges {
            edges.insert(edge.digest, Arc::new(code.edge(edge.digest)?));
        }
        Ok(Release { entry, resolved, machines, edges, relups })
    }

    /// Returns the machine at an address.
    pub fn machine(&self, address: &MachineAddress) -> Option<&Arc<MachineCode>> {
        self.machines.get(address)
    }

    /// Returns the machines in dependency order.
    pub fn machines(&self) -> impl Iterator<Item = &Arc<MachineCode>> {
        self.resolved.machines().map(|(address, _)| &self.machines[&address])
    }

    /// Returns the names of the release.
    pub fn reference(&self) -> ReleaseRef {
        reference(&self.entry)
    }
}

/// Returns the names of a release.
pub fn reference(entry: &ReleaseEntry) -> ReleaseRef {
    ReleaseRef { name: entry.name.clone(), version: entry.version.clone(), digest: entry.digest }
}

/// Reads code from files that are named after its digest.
struct Code<'f> {
    file: &'f dyn Fn(&str) -> Option<Vec<u8>>,
}

impl Code<'_> {
    fn verified(&self, folder: &str, digest: Digest) -> Result<(String, Verified), ReleaseError> {
        let path = format!("{folder}/{}.cam2", digest.hex());
        let bytes = (self.file)(&path).ok_or_else(|| ReleaseError::Missing(path.clone()))?;
        let module = decode(&bytes)
            .map_err(|error| ReleaseError::Decode { path: path.clone(), reason: error.to_string() })?;
        let verified = verify(module)
            .map_err(|error| ReleaseError::Verify { path: path.clone(), reason: error.to_string() })?;
        if verified.digest() != digest {
            return Err(ReleaseError::Digest { path, found: verified.digest() });
        }
        Ok((path, verified))
    }

    fn machine(&self, digest: Digest) -> Result<VerifiedMachine, ReleaseError> {
        let (path, verified) = self.verified("code", digest)?;
        let found = verified.kind();
        verified.into_machine().ok_or(ReleaseError::Kind { path, expected: "machine", found })
    }

    fn edge(&self, digest: Digest) -> Result<VerifiedEdge, ReleaseError> {
        let (path, verified) = self.verified("edges", digest)?;
        let found = verified.kind();
        verified.into_edge().ok_or(ReleaseError::Kind { path, expected: "edge", found })
    }

    fn link(&self, digest: Digest) -> Result<VerifiedLink, ReleaseError> {
        let (path, verified) = self.verified("links", digest)?;
        let found = verified.kind();
        verified.into_link().ok_or(ReleaseError::Kind { path, expected: "link", found })
    }
}

fn bind_channels(
    code: &Code<'_>,
    resolved: &ResolvedRelease,
    verified: &BTreeMap<MachineAddress, VerifiedMachine>,
    address: &MachineAddress,
) -> Result<Vec<ChannelCode>, ReleaseError> {
    let sender = &verified[address];
    let bind = |channel: &camshaft_cam::code::Channel| {
        let refuse = |reason: String| ReleaseError::Channel {
            machine: address.clone(),
            channel: channel.name.to_string(),
            reason,
        };
        let link = resolved
            .links
            .iter()
            .find(|link| link.sender == *address && link.channel.as_str() == &*channel.name)
            .ok_or_else(|| refuse("the release has no link for it".to_owned()))?;
        if link.receiver.to_string() != *channel.target {
            return Err(refuse(format!("its link leads to {}, not to {}", link.receiver, channel.target)));
        }
        let receiver = verified
            .get(&link.receiver)
            .ok_or_else(|| refuse(format!("the release has no machine {}", link.receiver)))?;
        let arrows = code.link(link.digest)?;
        arrows.check_ends(sender, receiver).map_err(|error| refuse(error.to_string()))?;
        if arrows.link().channel != channel.name {
            return Err(refuse(format!("its link is that of channel {}", arrows.link().channel)));
        }
        if receiver.machine().keyed && !channel.keyed {
            return Err(refuse("it names no key, and the receiver has an instance for each key".to_owned()));
        }
        let answer = match channel.answer {
            None => None,
            Some(answer) => Some(
                answer_shape(sender.input(), answer.case as usize)
                    .ok_or_else(|| refuse("the input for its answers has another form".to_owned()))?,
            ),
        };
        Ok(ChannelCode {
            name: channel.name.clone(),
            link: arrows,
            receiver: link.receiver.clone(),
            receiver_input: receiver.input().clone(),
            answer,
        })
    };
    sender.channels().iter().map(bind).collect()
}

/// Returns where answer and sender stand in the internal input case that takes answers.
fn answer_shape(input: &Ty, case: usize) -> Option<AnswerShape> {
    let record = input.as_variant()?.cases.get(case)?.payload.as_record()?;
    let answer = record.index("answer")?;
    let from = record.index("from");
    let others = record.fields.len() - 1 - usize::from(from.is_some());
    let is_text = |index: usize| matches!(record.fields[index].ty.kind(), Kind::Text { max: None });
    let fits = others == 0 && from.is_none_or(is_text);
    fits.then_some(AnswerShape { case, fields: record.fields.len(), answer })
}
