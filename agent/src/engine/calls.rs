//! Calls on ports: out of the node, and how they ended.
//!
//! A call is kept with its instance from the record of the step that made it until its end is
//! recorded, so that it is made at least once. Where the port answers, its end is the input that takes
//! the answer; else it is a record of its own.

use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;
use camshaft_store::{Aside, CallSnapshot, Parked, ParkedItem, RecordRef};

use super::Shard;
use super::deliver::DEAD_LETTERS_MAX;
use super::instance::{Instance, Mail, Origin};
use super::table::Slot;
use crate::release::AnswerShape;

/// Which call of a node.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId {
    /// The instance that calls.
    pub instance: InstanceAddress,
    /// The number of its input that called.
    pub seq: u64,
    /// The place among that step's effects.
    pub effect: u32,
}

/// A call that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Which one.
    pub id: CallId,
    /// The port.
    pub port: String,
    /// The key that it names.
    pub key: Option<String>,
    /// The message in its JSON form, in plain.
    pub message: String,
    /// True when the port answers.
    pub answers: bool,
    /// The trace that it belongs to.
    pub trace: Option<String>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEnd {
    /// It was answered, in JSON.
    Answered(String),
    /// It was delivered, and the port does not answer.
    Delivered,
    /// It is tried no more, and why.
    GivenUp(String),
}

impl Shard {
    /// Notes the calls of a step and lets them out.
    pub(super) fn place_calls(&mut self, slot: Slot, calls: Vec<CallSnapshot>) {
        let resident = &mut self.table[slot];
        for call in calls {
            let out = out(&resident.address, &resident.instance, &call);
            self.out.calls.extend(out);
            resident.instance.rest_mut().calls.push(call);
        }
    }

    /// Returns all calls that have not ended: after a restart they are made again.
    pub fn outstanding_calls(&self) -> Vec<Call> {
        let of = |resident: &super::table::Resident| {
            let calls = resident.instance.rest().calls.iter();
            let outs = calls.filter_map(|call| out(&resident.address, &resident.instance, call));
            outs.collect::<Vec<_>>()
        };
        self.table.iter().flat_map(of).collect()
    }

    /// Takes in how a call ended. One that has ended already ends no second time.
    pub fn end_call(&mut self, id: &CallId, end: CallEnd) {
        let Some(slot) = self.table.find(&id.instance) else { return };
        let instance = &self.table[slot].instance;
        let is = |call: &&CallSnapshot| (call.seq, call.effect) == (id.seq, id.effect);
        let Some(call) = instance.rest().calls.iter().find(is).cloned() else { return };
        let waits = |mail: &Mail| matches!(mail.origin, Origin::Port { seq, effect } if (seq, effect) == (id.seq, id.effect));
        if instance.rest().mailbox.iter().any(waits) {
            return;
        }
        let shape = shape(instance, &call.port);
        let reason = match (&end, &shape) {
            (CallEnd::GivenUp(reason), None) => Some(reason.clone()),
            _ => None,
        };
        // The life that called is over, or the port is gone: nobody waits for the answer.
        let mail = shape.filter(|_| instance.life == call.life).map(|(shape, ty)| {
            let read = |json: &str| Value::from_json(json, &ty);
            let answer = match &end {
                CallEnd::Answered(json) => read(json).inspect_err(|error| {
                    tracing::warn!(instance = %id.instance, port = call.port, %error, "the answer is of another type");
                }).ok(),
                CallEnd::Delivered | CallEnd::GivenUp(_) => None,
            };
            let key = call.key.as_deref().unwrap_or("");
            let input = shape.input_from(key, answer).to_binary(instance.code.verified.input());
            Mail {
                origin: Origin::Port { seq: id.seq, effect: id.effect },
                writer: instance.code.digest(),
                input: input.into(),
                trace: call.trace.as_deref().map(Into::into),
            }
        });
        match mail {
            Some(mail) => self.post(id.instance.clone(), mail),
            None => self.close_call(slot, id, reason),
        }
    }

    fn close_call(&mut self, slot: Slot, id: &CallId, given_up: Option<String>) {
        let aside = Aside::Called {
            instance: id.instance.to_string(),
            switch: self.switch,
            seq: id.seq,
            effect: id.effect,
            given_up: given_up.clone(),
        };
        self.record(RecordRef::Aside(&aside));
        self.closed_call(slot, (id.seq, id.effect), given_up);
    }

    /// Forgets a call that ended; one that was given up is a dead letter.
    pub(super) fn closed_call(&mut self, slot: Slot, which: (u64, u32), given_up: Option<String>) {
        let rest = self.touch(slot).rest_mut();
        let Some(place) = rest.calls.iter().position(|call| (call.seq, call.effect) == which) else { return };
        let call = rest.calls.remove(place);
        if let Some(reason) = given_up
            && rest.parked.len() < DEAD_LETTERS_MAX
        {
            rest.parked.push(Parked { item: ParkedItem::Call(call), reason, switch: 0 });
        }
    }

    /// Lets a call out that was given up before.
    pub(super) fn call_again(&mut self, slot: Slot, call: CallSnapshot) {
        let resident = &mut self.table[slot];
        self.out.calls.extend(out(&resident.address, &resident.instance, &call));
        resident.instance.rest_mut().calls.push(call);
    }
}

/// Returns how the answers of a port come back, and their type.
fn shape(instance: &Instance, port: &str) -> Option<(AnswerShape, camshaft_cam::ty::Ty)> {
    let code = &instance.code;
    let place = code.verified.ports().iter().position(|declared| *declared.name == *port)?;
    let ty = code.verified.ports()[place].answer?.ty;
    Some((code.port_answers[place]?, code.verified.module().ty(ty).clone()))
}

fn out(address: &InstanceAddress, instance: &Instance, call: &CallSnapshot) -> Option<Call> {
    let known = instance.code.verified.ports().iter().any(|declared| *declared.name == *call.port);
    known.then(|| Call {
        id: CallId { instance: address.clone(), seq: call.seq, effect: call.effect },
        port: call.port.clone(),
        key: call.key.clone(),
        message: call.message.clone(),
        answers: shape(instance, &call.port).is_some(),
        trace: call.trace.clone(),
    })
}
