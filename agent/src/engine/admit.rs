//! Taking in requests from outside: what is refused here never reaches a mailbox.

use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::value::Value;
use camshaft_manifests::{InstanceAddress, MachineAddress};
use camshaft_store::Verdict;

use super::deliver::answered;
use super::instance::{Origin, RequestId};
use super::kept::Identity;
use super::step::{Cause, Input, Task};
use super::table::Slot;
use super::{Answer, Reply, Shard};
use crate::release::Release;
use crate::speech::{NotTaken, Says, Tongue, Unspoken};

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
    #[error("too many messages wait for {0}")]
    Busy(InstanceAddress),
    /// Nothing can be recorded.
    #[error("the disk of this node is full; what changes nothing is still answered")]
    DiskFull,
    /// The instance may not go on.
    #[error("{address} is held: {reason}")]
    Held {
        /// The instance.
        address: InstanceAddress,
        /// Why.
        reason: String,
    },
}

/// A request that may be applied.
struct Admitted {
    address: InstanceAddress,
    runner: usize,
    slot: Option<Slot>,
    input: Value,
    identity: Option<(Identity, Digest)>,
    tongue: Tongue,
}

impl Shard {
    /// Applies a request. The answer comes out with the records that it hangs on.
    pub fn request(&mut self, request: Request) {
        let (who, trace) = (request.id, request.trace.as_deref().map(Into::into));
        let after = self.out.chunk.count;
        let reply = match self.admit(request) {
            Err(refusal) => Reply::Refused(refusal),
            Ok(Err(reply)) => reply,
            Ok(Ok(admitted)) => self.apply_outside(admitted, trace),
        };
        let changed = self.out.chunk.count > after;
        self.out.answers.push(Answer { who, reply, after, changed });
    }

    /// Gives an instance an input that is read already, as a client would that speaks what runs.
    /// Returns the output, or kind and reason of a trap: nothing of it is durable before what came out
    /// of the shard is.
    ///
    /// # Errors
    ///
    /// Why the input is not applied.
    pub fn call(
        &mut self,
        address: &InstanceAddress,
        input: Value,
    ) -> Result<Result<Option<Value>, (String, String)>, Refusal> {
        let runner = self.runner_of(address)?;
        let slot = self.table.find(address);
        if let Some(slot) = slot {
            self.meet(slot);
        }
        self.check_taken(address, slot)?;
        self.check_case(runner, &input)?;
        let task = Task {
            cause: Cause::Mail(Origin::Outside { identity: None }),
            input: Input::Value(input),
            trace: None,
            written: None,
        };
        let slot = slot.unwrap_or_else(|| self.slot(address));
        self.apply(slot, &task, None).map(|computed| match computed.verdict {
            Verdict::Applied { .. } => Ok(computed.output),
            Verdict::Trapped { kind, reason } => Err((kind, reason)),
        })
    }

    /// Returns who runs the machine of an instance.
    fn runner_of(&self, address: &InstanceAddress) -> Result<usize, Refusal> {
        if self.release.is_none() {
            return Err(Refusal::NoRelease);
        }
        let machine = address.machine_address();
        let Some(runner) = self.machines.get(&machine).copied() else {
            return Err(Refusal::UnknownMachine(machine));
        };
        match (self.runners[runner].code.keyed(), &address.key) {
            (true, None) => Err(Refusal::KeyMissing(machine)),
            (false, Some(_)) => Err(Refusal::KeyUnwanted(machine)),
            _ => Ok(runner),
        }
    }

    /// Refuses what an instance may not take now.
    fn check_taken(&self, address: &InstanceAddress, slot: Option<Slot>) -> Result<(), Refusal> {
        let Some(slot) = slot else { return Ok(()) };
        let instance = &self.table[slot].instance;
        if let Some(held) = instance.held() {
            let reason = held.reason.clone();
            return Err(Refusal::Held { address: address.clone(), reason });
        }
        if instance.rest().mailbox.len() >= self.config_of.limits.mailbox {
            return Err(Refusal::Busy(address.clone()));
        }
        Ok(())
    }

    /// Refuses an input that comes from timers and answers only.
    fn check_case(&self, runner: usize, input: &Value) -> Result<(), Refusal> {
        let code = &self.runners[runner].code;
        match input {
            Value::Sum(case, _) if code.verified.case_is_internal(*case as usize) => {
                let variant = code.verified.input().as_variant();
                let label = variant.and_then(|variant| variant.cases.get(*case as usize));
                Err(Refusal::Internal(label.map_or_else(String::new, |case| case.label.to_string())))
            }
            _ => Ok(()),
        }
    }

    /// Returns the answer when it is known already.
    fn admit(&mut self, mut request: Request) -> Result<Result<Admitted, Reply>, Refusal> {
        let release = self.release.clone().ok_or(Refusal::NoRelease)?;
        self.count(&request, &release);
        // A client uses the names of the version that it speaks.
        if let Some(moved) = release.speech.moved(&request.says, &request.address) {
            request.address = request.address.at(moved);
        }
        let runner = self.runner_of(&request.address)?;
        let code = self.runners[runner].code.clone();
        let tongue = tongue(&release, &request.says, &code.address)?;
        let slot = self.table.find(&request.address);
        let identity = match request.identity {
            None => None,
            Some(identity) => Some((identity, content(&request.json)?)),
        };
        if let Some(slot) = slot {
            self.meet(slot);
            let instance = &self.table[slot].instance;
            if let Some(held) = instance.held() {
                let reason = held.reason.clone();
                return Err(Refusal::Held { address: request.address, reason });
            }
            // Before the type: what was answered under an older release is answered again, also
            // when this release would not understand the input any more.
            if let Some((identity, content)) = &identity
                && let Some(reply) = self.known(&code.address, instance, (identity, *content), &tongue)
            {
                return Ok(Err(reply));
            }
        }
        self.check_taken(&request.address, slot)?;
        let input = match tongue.read(&request.json, &code) {
            Ok(input) => input,
            Err(error) => {
                // What is no JSON at all is told as that.
                content(&request.json)?;
                return Err(not_taken(error, &tongue));
            }
        };
        self.check_case(runner, &input)?;
        Ok(Ok(Admitted { address: request.address, runner, slot, input, identity, tongue }))
    }

    fn apply_outside(&mut self, admitted: Admitted, trace: Option<Arc<str>>) -> Reply {
        let Admitted { address, runner, slot, input, identity, tongue } = admitted;
        let found = slot.is_some();
        let slot = slot.unwrap_or_else(|| self.slot(&address));
        // It goes on with the kept answers of an archived one that had its address.
        if let (false, Some((identity, content))) = (found, &identity) {
            let code = self.runners[runner].code.clone();
            let instance = &self.table[slot].instance;
            if let Some(reply) = self.known(&code.address, instance, (identity, *content), &tongue) {
                self.table.remove(slot);
                return reply;
            }
        }
        let seq = self.table[slot].instance.seq;
        let task = Task {
            cause: Cause::Mail(Origin::Outside { identity }),
            input: Input::Value(input),
            trace,
            written: None,
        };
        let speaks = tongue.version.clone();
        let applied = self.apply(slot, &task, Some(&tongue));
        // What no record made must not be there: a switch would put it into the archive.
        if !found
            && let Some(slot) = self.table.find(&address)
            && self.table[slot].instance.seq == seq
        {
            self.table.remove(slot);
        }
        match applied {
            Err(refusal) => Reply::Refused(refusal),
            Ok(computed) => {
                let code = &self.runners[runner].code;
                let answer = match computed.lowered {
                    Some(Ok(json)) => Ok(json),
                    _ => answered(&computed.verdict, computed.output.as_ref(), code),
                };
                Reply::Answered { answer, repeated: false, speaks }
            }
        }
    }
}

/// Returns how a client speaks to a machine that runs.
fn tongue(release: &Release, says: &Says, machine: &MachineAddress) -> Result<Tongue, Refusal> {
    release.speech.tongue(says, machine).map_err(|unspoken| match unspoken {
        Unspoken::Version => Refusal::UnknownVersion {
            version: release.speech.meant(says).clone(),
            spoken: release.speech.versions().cloned().collect(),
        },
        Unspoken::Machine(version) => Refusal::MachineUnspoken { machine: machine.clone(), version },
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
