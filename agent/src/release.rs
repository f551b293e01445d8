//! A release that is ready to run: its code verified, its configuration read, its channels bound.
//!
//! [`Release::new`] is the only way to one. After it nothing about a release can be wrong
//! any more, so that a switch has nothing left to check but the live state.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use camshaft_cam::digest::Digest;
use camshaft_cam::run::t1::{Done, Lowered, Registers};
use camshaft_cam::run::{Ctx, Limits, Trap};
use camshaft_cam::ty::{Kind, Ty};
use camshaft_cam::value::Value;
use camshaft_cam::verify::{VerifiedEdge, VerifiedLink, VerifiedMachine};
use camshaft_manifests::relup::{self, Relup};
use camshaft_manifests::resolved::ResolvedRelease;
use camshaft_manifests::{InstanceAddress, MachineAddress};
use camshaft_releases::OpenedRelease;
use camshaft_store::ReleaseEntry;

use crate::api::ReleaseRef;
use crate::speech::Speech;

/// Why a release cannot run. A release that was opened has none of these, but its type does not
/// say so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// A machine whose code is not there.
    #[error("the code of {0} is missing")]
    Missing(MachineAddress),
    /// Configuration that does not have the machine's type.
    #[error("the configuration of {machine}: {reason}")]
    Config {
        /// The machine.
        machine: MachineAddress,
        /// The reason.
        reason: String,
    },
    /// A machine whose clients of a predecessor cannot be understood.
    #[error("{machine} is another machine than in {version}, and there is no edge from it")]
    Unspoken {
        /// The machine.
        machine: MachineAddress,
        /// The version of the predecessor.
        version: String,
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
    /// What clients may speak.
    pub speech: Speech,
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
    /// The code as it runs, and its registers.
    runs: (Lowered, Mutex<Registers>),
    /// The configuration.
    pub config: Value,
    /// The channels, in the order of the code's.
    pub channels: Vec<ChannelCode>,
    /// How the answers of ports come back, in the order of the code's.
    pub port_answers: Vec<Option<AnswerShape>>,
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
        self.input_from(from.key.as_ref().map_or("", |key| key.as_str()), answer)
    }

    /// The same for an answer from a key.
    pub fn input_from(self, key: &str, answer: Option<Value>) -> Value {
        let answer = answer.map_or_else(Value::none, Value::some);
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

    /// Returns registers for those who run the code often.
    pub fn registers(&self) -> Registers {
        self.runs.0.registers()
    }

    /// Does one step, which changes the state. When it fails, the state is what it was.
    ///
    /// # Errors
    ///
    /// When the program traps, or an invariant does not hold of the new state.
    pub fn run<'r>(
        &self,
        registers: &'r mut Registers,
        input: &Value,
        state: &mut Value,
        ctx: &Ctx,
    ) -> Result<&'r mut Done, Trap> {
        self.runs.0.step(registers, input, state, ctx, &self.config, Limits::STEP)
    }

    /// The same for those who run it now and then.
    ///
    /// # Errors
    ///
    /// When the program traps, or an invariant does not hold of the new state.
    pub fn step(&self, input: &Value, state: &mut Value, ctx: &Ctx) -> Result<Done, Trap> {
        let (lowered, registers) = &self.runs;
        // A run reads no register that it did not write, so that what a panic left there does no harm.
        let mut registers = registers.lock().unwrap_or_else(PoisonError::into_inner);
        lowered.step(&mut registers, input, state, ctx, &self.config, Limits::STEP).map(std::mem::take)
    }

    /// Returns how many cases the input has.
    pub fn cases(&self) -> usize {
        self.verified.input().as_variant().map_or(0, |variant| variant.cases.len())
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
    /// Makes an opened release ready: reads the configuration and binds every channel.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn new(opened: OpenedRelease, entry: ReleaseEntry) -> Result<Release, ReleaseError> {
        let mut machines = BTreeMap::new();
        for app in &opened.resolved.apps {
            for machine in &app.machines {
                let address = MachineAddress { app: app.name.clone(), machine: machine.name.clone() };
                let verified = verified(&opened, &address)?;
                let config = Value::from_json(&machine.config, verified.config()).map_err(|error| {
                    ReleaseError::Config { machine: address.clone(), reason: error.to_string() }
                })?;
                let channels = bind_channels(&opened, &address)?;
                let port_answers = verified.ports().iter().map(|port| {
                    port.answer.and_then(|answer| answer_shape(verified.input(), answer.case as usize))
                });
                let port_answers = port_answers.collect();
                let version = app.version.to_string();
                let lowered = Lowered::new(verified);
                let registers = Mutex::new(lowered.registers());
                let code = MachineCode {
                    address: address.clone(),
                    version,
                    verified: verified.clone(),
                    runs: (lowered, registers),
                    config,
                    channels,
                    port_answers,
                };
                machines.insert(address, Arc::new(code));
            }
        }
        let edges: BTreeMap<_, _> =
            opened.edges.into_iter().map(|(digest, edge)| (digest, Arc::new(edge))).collect();
        let speech = Speech::new(&opened.resolved, &edges)?;
        let digested = |relup| (Digest::of(relup::write(&relup).as_bytes()), relup);
        let relups = opened.relups.into_iter().map(digested).collect();
        Ok(Release { entry, resolved: opened.resolved, machines, edges, relups, speech })
    }

    /// Returns the machine at an address.
    pub fn machine(&self, address: &MachineAddress) -> Option<&Arc<MachineCode>> {
        self.machines.get(address)
    }

    /// Returns the machines in dependency order.
    pub fn machines(&self) -> impl Iterator<Item = &Arc<MachineCode>> {
        self.resolved.machines().map(|(address, _)| &self.machines[&address])
    }

    /// Returns all ports that machines call, each with its machine.
    pub fn ports(&self) -> impl Iterator<Item = (&MachineAddress, &str)> {
        self.machines
            .values()
            .flat_map(|code| code.verified.ports().iter().map(move |port| (&code.address, &*port.name)))
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

fn verified<'o>(
    opened: &'o OpenedRelease,
    address: &MachineAddress,
) -> Result<&'o VerifiedMachine, ReleaseError> {
    let machine = opened.resolved.machine(address);
    let code = machine.and_then(|machine| opened.machines.get(&machine.digest));
    code.ok_or_else(|| ReleaseError::Missing(address.clone()))
}

fn bind_channels(opened: &OpenedRelease, address: &MachineAddress) -> Result<Vec<ChannelCode>, ReleaseError> {
    let sender = verified(opened, address)?;
    let bind = |channel: &camshaft_cam::code::Channel| {
        let refuse = |reason: String| ReleaseError::Channel {
            machine: address.clone(),
            channel: channel.name.to_string(),
            reason,
        };
        let named = opened
            .resolved
            .links
            .iter()
            .find(|link| link.sender == *address && link.channel.as_str() == &*channel.name)
            .ok_or_else(|| refuse("the release has no link for it".to_owned()))?;
        if named.receiver.to_string() != *channel.target {
            return Err(refuse(format!("its link leads to {}, not to {}", named.receiver, channel.target)));
        }
        let receiver = verified(opened, &named.receiver)?;
        let link = opened.links.get(&named.digest);
        let link = link.ok_or_else(|| refuse("the code of its link is missing".to_owned()))?;
        link.check_ends(sender, receiver).map_err(|error| refuse(error.to_string()))?;
        if link.link().channel != channel.name {
            return Err(refuse(format!("its link is that of channel {}", link.link().channel)));
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
            link: link.clone(),
            receiver: named.receiver.clone(),
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
