//! Calls on ports: out of the node, and how they ended.
//!
//! A call is kept with its instance from the record of the step that made it until its end is
//! recorded, so that it is made at least once. Where the port answers, its end is the input that takes
//! the answer; else it is a record of its own.

use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;
use camshaft_manifests::agent::PortAddress;
use camshaft_store::{Aside, CallSnapshot, MailOrigin, Parked, ParkedItem, RecordRef};

use super::Shard;
use super::deliver::DEAD_LETTERS_MAX;
use super::instance::{Instance, Mail, Origin, State};
use super::table::{Resident, Slot};
use crate::ports::{CallEnd, CallId, CallOut};
use crate::release::AnswerShape;

impl Shard {
    /// Notes the calls of a step and lets them out.
    pub(super) fn place_calls(&mut self, slot: Slot, calls: Vec<CallSnapshot>) {
        for call in calls {
            self.call_again(slot, call);
        }
    }

    /// Lets a call out that was given up before, or that a step makes.
    pub(super) fn call_again(&mut self, slot: Slot, call: CallSnapshot) {
        let Resident { address, instance } = &mut self.table[slot];
        self.out.calls.extend(out(address, instance, &call));
        instance.rest_mut().calls.push(call);
    }

    /// Returns all calls that have not ended: after a restart they are made again.
    pub fn outstanding_calls(&self) -> Vec<CallOut> {
        let of = |resident: &Resident| {
            let calls = resident.instance.rest().calls.iter();
            let outs = calls.filter_map(|call| out(&resident.address, &resident.instance, call));
            outs.collect::<Vec<_>>()
        };
        self.table.iter().flat_map(of).collect()
    }

    /// Takes in how a call ended. One that has ended already ends no second time.
    pub fn end_call(&mut self, id: &CallId, end: CallEnd) {
        let Some(slot) = self.caller(id) else { return };
        self.meet(slot);
        let Resident { address, instance } = &self.table[slot];
        let Some(call) = instance.rest().calls.iter().find(|call| is(call, id)).cloned() else { return };
        let waits = |mail: &Mail| matches!(mail.origin, Origin::Port { seq, effect } if (seq, effect) == (id.seq, id.effect));
        let parked = |parked: &Parked| match &parked.item {
            ParkedItem::Mail(mail) => {
                matches!(mail.origin, MailOrigin::Port { seq, effect } if (seq, effect) == (id.seq, id.effect))
            }
            _ => false,
        };
        if instance.rest().mailbox.iter().any(waits) || instance.rest().parked.iter().any(parked) {
            return;
        }
        let shape = shape(instance, &call.port);
        let reason = match (&end, &shape) {
            (CallEnd::GivenUp { reason, .. }, None) => Some(reason.clone()),
            _ => None,
        };
        // The life that called is over, also when no other has begun yet, or the port is gone: nobody waits for the answer.
        let lives = instance.life == call.life && !matches!(instance.state, State::None);
        let mail = shape.filter(|_| lives).map(|(shape, ty)| {
            let answer = match &end {
                CallEnd::Answered { json } => Value::from_json(json, &ty)
                    .inspect_err(|error| {
                        tracing::warn!(
                            instance = %address, port = call.port, %error, "the answer is of another type"
                        );
                    })
                    .ok(),
                CallEnd::Delivered | CallEnd::GivenUp { .. } => None,
            };
            let key = call.key.as_deref().unwrap_or("");
            let input = shape.input_from(key, answer).to_binary(instance.code.verified.input());
            Mail {
                origin: Origin::Port { seq: id.seq, effect: id.effect },
                writer: instance.code.digest(),
                input: input.into(),
                trace: call.trace.as_deref().map(Into::into),
                switch: self.switch,
            }
        });
        match mail {
            Some(mail) => self.post(address.clone(), mail),
            None => self.close_call(slot, id, reason),
        }
    }

    /// Returns who has a call that has not ended. It may be called something else by now.
    fn caller(&self, id: &CallId) -> Option<Slot> {
        let has = |resident: &Resident| resident.instance.rest().calls.iter().any(|call| is(call, id));
        let same = self.table.find(&id.instance).filter(|slot| has(&self.table[*slot]));
        same.or_else(|| self.table.find(&self.table.iter().find(|resident| has(resident))?.address))
    }

    fn close_call(&mut self, slot: Slot, id: &CallId, given_up: Option<String>) {
        let aside = Aside::Called {
            instance: self.table[slot].address.to_string(),
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
            && rest.dead_letters() < DEAD_LETTERS_MAX
        {
            rest.parked.push(Parked { item: ParkedItem::Call(call), reason, switch: 0 });
        }
    }
}

/// Returns true for the call of this name. The numbers alone tell those of one instance apart.
fn is(call: &CallSnapshot, id: &CallId) -> bool {
    (call.seq, call.effect) == (id.seq, id.effect) && id.instance.to_string() == call.caller
}

/// Returns how the answers of a port come back, and their type.
fn shape(instance: &Instance, port: &str) -> Option<(AnswerShape, camshaft_cam::ty::Ty)> {
    let code = &instance.code;
    let place = code.verified.ports().iter().position(|declared| *declared.name == *port)?;
    let ty = code.verified.ports()[place].answer?.ty;
    Some((code.port_answers[place]?, code.verified.module().ty(ty).clone()))
}

fn out(address: &InstanceAddress, instance: &Instance, call: &CallSnapshot) -> Option<CallOut> {
    let declared = instance.code.verified.ports().iter().find(|declared| *declared.name == *call.port)?;
    Some(CallOut {
        id: CallId { instance: call.caller.parse().ok()?, seq: call.seq, effect: call.effect },
        port: PortAddress { machine: address.machine_address(), port: declared.name.parse().ok()? },
        key: call.key.clone(),
        message: call.message.clone(),
        answers: shape(instance, &call.port).is_some(),
        trace: call.trace.clone(),
    })
}
