//! Taking in requests from outside: what is refused here never reaches a mailbox.

use std::collections::VecDeque;
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::value::Value;
use camshaft_manifests::{InstanceAddress, MachineAddress};

use super::instance::{Instance, Mail, Origin, RequestId};
use super::kept::Identity;
use super::{Engine, Reply};
use crate::release::Release;
use crate::speech::{NotTaken, Says, Tongue, Unspoken};

/// How many requests may wait in one mailbox; the next one is told to come again.
const MAILBOX_MAX: usize = 256;

/// How many requests may wait in all mailboxes.
const OUTSIDE_MAX: usize = 4096;

/// A request from outside.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who waits for the answer.
    pub id: RequestId,
    /// The instance.
    pub address: InstanceAddress,
    /// The input in its JSON form, in the version that the client speaks.
    pub json: String,
    /// What the client says of that version.
    pub says: Says,
    /// What makes it this request and no other.
    pub identity: Option<Identity>,
    /// The trace that it belongs to.
    pub trace: Option<String>,
}

/// Why a request is refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The node is empty.
    #[error("no release is installed on this node")]
    NoRelease,
    /// No such machine.
    #[error("the running release has no machine {0}")]
    UnknownMachine(MachineAddress),
    /// The running release does not speak the version.
    #[error("the running release does not speak {version}; it speaks {}", spoken.join(", "))]
    UnknownVersion {
        /// What the client says that it speaks.
        version: Arc<str>,
        /// The versions that are spoken.
        spoken: Vec<Arc<str>>,
    },
    /// The version that the client speaks had no such machine.
    #[error("release {version}, which this client speaks, has no machine {machine}")]
    MachineUnspoken {
        /// The machine.
        machine: MachineAddress,
        /// The version.
        version: Arc<str>,
    },
    /// A key is missing.
    #[error("{0} has an instance for each key, and the address has no key")]
    KeyMissing(MachineAddress),
    /// A key too many.
    #[error("{0} has one instance and no keys")]
    KeyUnwanted(MachineAddress),
    /// The input is not of the machine's input type.
    #[error("{0}")]
    WrongType(String),
    /// The input may not come from outside.
    #[error("`{0}` comes from timers and answers only, never from outside")]
    Internal(String),
    /// The input has no counterpart in what runs.
    #[error("this input of {version} has no counterpart in the running release: {reason}")]
    NotLifted {
        /// The version that the client speaks.
        version: Arc<str>,
        /// Why.
        reason: String,
    },
    /// The answer would have no counterpart in what the client speaks.
    #[error("the answer has no counterpart in {version}: {reason}; the input was not applied")]
    NoAnswer {
        /// The version that the client speaks.
        version: Arc<str>,
        /// Why.
        reason: String,
    },
    /// It was answered, and the answer has no counterpart in what the client speaks.
    #[error("the input was applied before, and its answer cannot be told in {version}: {reason}")]
    AnswerUntold {
        /// The version that the client speaks.
        version: Arc<str>,
        /// Why.
        reason: String,
    },
    /// Something else was sent under the same identity.
    #[error("another input was sent under the same identity before")]
    Conflict,
    /// It was answered, and the answer is gone.
    #[error("an input with this identity was applied before, and its answer is no longer kept")]
    Expired,
    /// Too much waits.
    #[error("too many inputs wait for {0}")]
    Busy(InstanceAddress),
    /// The instance may not go on.
    #[error("{address} is held: {reason}")]
    Held {
        /// The instance.
        address: InstanceAddress,
        /// Why.
        reason: String,
    },
}

impl Engine {
    /// Takes a request in. The answer comes out in a later batch, when it was repeated or refused
    /// as well.
    pub fn request(&mut self, request: Request) {
        let id = request.id;
        match self.admit(request) {
            Ok(None) => {}
            Ok(Some(reply)) => self.out.answers.push((id, reply)),
            Err(refusal) => self.out.answers.push((id, Reply::Refused(refusal))),
        }
    }

    /// Returns the answer when it is known already.
    fn admit(&mut self, mut request: Request) -> Result<Option<Reply>, Refusal> {
        let release = self.release.as_ref().ok_or(Refusal::NoRelease)?;
        // A client uses the names of the version that it speaks.
        if let Some(moved) = release.speech.moved(&request.says, &request.address.machine_address()) {
            request.address = request.address.at(moved);
        }
        let machine = request.address.machine_address();
        let code = release.machine(&machine).ok_or_else(|| Refusal::UnknownMachine(machine.clone()))?.clone();
        match (code.keyed(), &request.address.key) {
            (true, None) => return Err(Refusal::KeyMissing(machine)),
            (false, Some(_)) => return Err(Refusal::KeyUnwanted(machine)),
            _ => {}
        }
        let tongue = tongue(release, &request.says, machine)?;
        let content = content(&request.json)?;
        let instance = self.instances.get(&request.address);
        if let Some(instance) = instance {
            if let Some(held) = instance.held() {
                let reason = held.reason.clone();
                return Err(Refusal::Held { address: request.address, reason });
            }
            // Before the type: what was answered under an older release is answered again, also
            // when this release would not understand the input any more.
            if let Some(identity) = &request.identity
                && let Some(reply) = self.known(&request.address, instance, (identity, content), &tongue)
            {
                return Ok(Some(reply));
            }
            if instance.mailbox.len() >= MAILBOX_MAX {
                return Err(Refusal::Busy(request.address));
            }
        }
        if self.outside >= OUTSIDE_MAX {
            return Err(Refusal::Busy(request.address));
        }
        let ty = code.verified.input();
        let input = tongue.read(&request.json, &code).map_err(|error| not_taken(error, &tongue))?;
        if let Value::Sum(case, _) = &input
            && code.verified.case_is_internal(*case as usize)
        {
            let label = ty.as_variant().and_then(|variant| variant.cases.get(*case as usize));
            return Err(Refusal::Internal(label.map_or_else(String::new, |case| case.label.to_string())));
        }
        let mail = Mail {
            origin: Origin::Outside {
                request: request.id,
                identity: request.identity.map(|identity| (identity, content)),
                tongue: Some(tongue),
            },
            writer: code.digest(),
            input: input.to_binary(ty).into(),
            trace: request.trace.map(Into::into),
        };
        self.outside += 1;
        self.post(request.address, mail);
        Ok(None)
    }

    /// Puts a message into a mailbox. An instance that is not there yet is born when it is
    /// delivered.
    pub(super) fn post(&mut self, address: InstanceAddress, mail: Mail) {
        self.post_at(address, mail, VecDeque::push_back);
    }

    /// Puts a message before all others into a mailbox.
    pub(super) fn post_first(&mut self, address: InstanceAddress, mail: Mail) {
        self.post_at(address, mail, VecDeque::push_front);
    }

    fn post_at(&mut self, address: InstanceAddress, mail: Mail, put: fn(&mut VecDeque<Mail>, Mail)) {
        let version = self.next_version();
        if !self.instances.contains_key(&address) {
            let Some(instance) = self.unborn(&address) else {
                unreachable!("mail goes to machines of the running release only: {address}")
            };
            self.instances.insert(address.clone(), instance);
        }
        let instance = self.instances.get_mut(&address).expect("it was put there when it was missing");
        put(&mut instance.mailbox, mail);
        instance.version = version;
        self.make_ready(&address);
    }

    /// Returns an instance that is not yet born. When an archived one had its address, numbers
    /// and kept answers go on from there: they must not be given away twice.
    pub(super) fn unborn(&self, address: &InstanceAddress) -> Option<Instance> {
        let code = self.release.as_ref()?.machine(&address.machine_address())?.clone();
        let mut instance = Instance::unborn(code);
        self.go_on_from_archive(address, &mut instance);
        Some(instance)
    }
}

/// Returns how a client speaks to a machine that runs.
fn tongue(release: &Release, says: &Says, machine: MachineAddress) -> Result<Tongue, Refusal> {
    release.speech.tongue(says, &machine).map_err(|unspoken| match unspoken {
        Unspoken::Version => Refusal::UnknownVersion {
            version: release.speech.meant(says).clone(),
            spoken: release.speech.versions().cloned().collect(),
        },
        Unspoken::Machine(version) => Refusal::MachineUnspoken { machine, version },
    })
}

fn not_taken(error: NotTaken, tongue: &Tongue) -> Refusal {
    let version = tongue.version.clone();
    match error {
        NotTaken::WrongType(reason) if tongue.is_other() => {
            Refusal::WrongType(format!("{reason} (in the types of {version})"))
        }
        NotTaken::WrongType(reason) => Refusal::WrongType(reason),
        NotTaken::NotLifted(reason) => Refusal::NotLifted { version, reason },
    }
}

/// Returns the digest of what was sent, the same for every way to space out the same JSON.
///
/// Not of the input's canonical bytes: a release between a request and its repetition may
/// have changed the type.
fn content(json: &str) -> Result<Digest, Refusal> {
    let value: serde_json::Value = serde_json::from_str(json)
        .map_err(|error| Refusal::WrongType(format!("$: the body is not JSON: {error}")))?;
    Ok(Digest::of(value.to_string().as_bytes()))
}
