//! Taking one instance over a switch: its state, its mail, its timers.
//!
//! Pure: from an instance and a plan comes the instance as it is after the switch, and what went
//! wrong. An instance is always carried somehow, for a replay of the journal cannot refuse; it
//! is for the trial to see to it that nothing goes wrong in a switch that is made.

use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::{EdgeArrow, Limits, Trap, check_invariants, edge_arrow, edge_down, edge_keep};
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_cam::verify::VerifiedEdge;
use camshaft_manifests::{InstanceAddress, MachineAddress};
use camshaft_store::{AsideSnapshot, MailOrigin, Parked, ParkedItem};

use super::Shard;
use super::instance::{Before, Instance, Mail, Origin, State, Timer};
use super::plan::{Change, Plan, Way};
use super::step::kind;
use super::table::Slot;
use crate::api::{Capsule, TryFailure};
use crate::release::MachineCode;

/// The most characters of a value that a capsule shows.
const CAPSULE_CHARS_MAX: usize = 64 << 10;

/// An instance after a switch.
#[derive(Debug, Clone)]
pub(super) struct Carried {
    pub(super) instance: Instance,
    /// How its state came over.
    pub(super) passage: Passage,
    /// Messages and timers that came over.
    pub(super) moved: u64,
    /// Messages and timers that were parked.
    pub(super) parked: u64,
    /// What went wrong with it.
    pub(super) failures: Vec<TryFailure>,
    /// Size of the state before and after, in bytes.
    pub(super) bytes: (u64, u64),
}

/// How the state of an instance comes over a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passage {
    /// There is nothing to do.
    Untouched,
    /// It took the state from before the last switch.
    BeforeImage,
    /// The edge leaves states as they are: nothing was run on it but the invariants.
    AsItIs,
    /// It went along the edge.
    Edge,
    /// It could not and is held.
    Held,
}

/// Takes an instance over a switch. Its machine goes on, and so do its states.
pub(super) fn carry(
    plan: &Plan,
    change: &Change,
    address: &InstanceAddress,
    instance: &Instance,
    number: u64,
) -> Carried {
    let mut carried = Carried {
        instance: instance.clone(),
        passage: Passage::Untouched,
        moved: 0,
        parked: 0,
        failures: vec![],
        bytes: (0, 0),
    };
    let (to, along) = match change {
        Change::Stays { to } => (to, None),
        Change::Moves { from, to, edge } => (to, Some(Along { way: plan.way, from, to, edge, address })),
        Change::Restarts { .. } | Change::Removed { .. } => unreachable!("its states go on"),
    };
    carried.instance.code = to.clone();
    rename_correspondents(&mut carried.instance, plan);
    if let Some(along) = &along {
        carry_state(&mut carried, along, instance);
    }
    if carried.instance.held().is_some() {
        return carried;
    }
    // First, so that what comes back goes the way of all mail, and may be parked again.
    unpark(&mut carried.instance);
    carry_mail(&mut carried, plan, along.as_ref(), number);
    carried
}

/// Leaves an instance behind at a switch, as one whose edge fails: it is held on the code that it had, and no code is run.
pub(super) fn leave_behind(
    plan: &Plan,
    change: &Change,
    address: &InstanceAddress,
    instance: &Instance,
    reason: String,
) -> Carried {
    let mut held = instance.clone();
    held.hold(reason, true);
    // Nothing of a held one is taken along.
    let carried = carry(plan, change, address, &held, 0);
    Carried { passage: Passage::Held, ..carried }
}

/// An edge, taken in one way.
struct Along<'a> {
    way: Way,
    from: &'a Arc<MachineCode>,
    to: &'a Arc<MachineCode>,
    edge: &'a Arc<VerifiedEdge>,
    address: &'a InstanceAddress,
}

impl Along<'_> {
    /// Returns true where a state is taken over as it is. The way down may be another: a person may have
    /// written it.
    fn leaves_states(&self) -> bool {
        self.way == Way::Up && self.edge.is_zero_touch()
    }
}

fn carry_state(carried: &mut Carried, along: &Along<'_>, instance: &Instance) {
    let to_type = along.to.verified.state();
    match &instance.state {
        State::None => {}
        State::Held(held) if held.left_behind && held.machine == along.to.digest() => {
            let state = held.state.as_deref().map(|bytes| Value::from_binary(bytes, to_type));
            match state.transpose() {
                Ok(state) => {
                    carried.instance.state = state.map_or(State::None, State::Live);
                }
                // Only damage could do this, and the journal has checksums: it stays held.
                Err(error) => tracing::error!(instance = %along.address, %error, "a held state is damaged"),
            }
        }
        State::Held(_) => {}
        State::Live(value) => {
            let size = |value: &Value, ty: &Ty| value.to_binary(ty).len() as u64;
            carried.bytes.0 = size(value, along.from.verified.state());
            let before = instance.rest().before.as_ref();
            let before = before.filter(|before| before.machine == along.to.digest());
            if let (Way::Down, Some(before)) = (along.way, before) {
                carried.bytes.1 = size(&before.value, to_type);
                carried.instance.state = State::Live(before.value.clone());
                let rest = carried.instance.rest_mut();
                rest.before = None;
                rest.aside = None;
                carried.passage = Passage::BeforeImage;
                return;
            }
            match moved_state(along, value, instance) {
                Ok((moved, aside)) => {
                    carried.bytes.1 = size(&moved, to_type);
                    carried.instance.state = State::Live(moved);
                    // Going back, the state from before is the newer machine's: of no use.
                    let before = (along.way == Way::Up).then(|| Before {
                        machine: along.from.digest(),
                        ty: along.from.verified.state().clone(),
                        value: value.clone(),
                    });
                    let rest = carried.instance.rest_mut();
                    rest.before = before;
                    rest.aside = aside;
                    let as_it_is = along.leaves_states();
                    carried.passage = if as_it_is { Passage::AsItIs } else { Passage::Edge };
                }
                Err(failure) => {
                    let mut held = instance.clone();
                    held.hold(failure.reason.clone(), true);
                    carried.instance.state = held.state;
                    carried.instance.rest_mut().before = None;
                    carried.passage = Passage::Held;
                    carried.failures.push(*failure);
                }
            }
        }
    }
}

/// Returns the state at the other end of the edge and, on the way up, what is kept aside of it.
fn moved_state(
    along: &Along<'_>,
    value: &Value,
    instance: &Instance,
) -> Result<(Value, Option<AsideSnapshot>), Box<TryFailure>> {
    let (ty, seq) = (along.from.verified.state(), instance.seq);
    let from = Subject { along, value, ty, digest: None, seq };
    let failed = |word: &str, trap: Trap| Box::new(from.failure(word, kind(&trap), trap.to_string()));
    let limits = Limits::MIGRATION;
    if along.leaves_states() {
        check_invariants(&along.to.verified, value, limits).map_err(|trap| failed("invariant", trap))?;
        return Ok((value.clone(), None));
    }
    let (state, aside) = match along.way {
        Way::Up => {
            let kept = edge_keep(along.edge, value, limits).map_err(|trap| failed("keep", trap))?;
            let up = edge_arrow(along.edge, EdgeArrow::Up, value, limits)
                .map_err(|trap| failed(along.way.state_word(), trap))?;
            (up, kept.zip(along.edge.kept()))
        }
        Way::Down => {
            let kept = kept_aside(along, instance)
                .map_err(|reason| Box::new(from.failure("keep", "damaged", reason)))?;
            let down = edge_down(along.edge, value, kept.as_ref(), limits)
                .map_err(|trap| failed(along.way.state_word(), trap))?;
            (down, None)
        }
    };
    let aside = aside.map(|(kept, ty)| AsideSnapshot { edge: along.edge.digest(), kept: kept.to_binary(ty) });
    check_invariants(&along.to.verified, &state, Limits::MIGRATION)
        .map_err(|trap| Box::new(from.failure("invariant", kind(&trap), trap.to_string())))?;
    Ok((state, aside))
}

/// Returns what was kept aside when the instance went up this edge; nothing if it was born since.
///
/// # Errors
///
/// What is damaged, which only a fault of the disk could do. A default would hide the loss.
fn kept_aside(along: &Along<'_>, instance: &Instance) -> Result<Option<Value>, String> {
    let aside = instance.rest().aside.as_ref().filter(|aside| aside.edge == along.edge.digest());
    let kept = aside.zip(along.edge.kept()).map(|(aside, ty)| Value::from_binary(&aside.kept, ty));
    kept.transpose().map_err(|error| format!("what was kept aside is damaged: {error}"))
}

/// Returns what is wrong with the way back of an instance that was carried up: it must give exactly the
/// state that it came from.
pub(super) fn check_way_back(
    change: &Change,
    address: &InstanceAddress,
    before: &Instance,
    carried: &Carried,
) -> Option<TryFailure> {
    let Change::Moves { from, to, edge } = change else { return None };
    let (Passage::Edge | Passage::AsItIs, State::Live(old), State::Live(new)) =
        (carried.passage, &before.state, &carried.instance.state)
    else {
        return None;
    };
    let along = Along { way: Way::Up, from, to, edge, address };
    let ty = from.verified.state();
    let subject = Subject { along: &along, value: old, ty, digest: None, seq: before.seq };
    let kept = match kept_aside(&along, &carried.instance) {
        Ok(kept) => kept,
        Err(reason) => return Some(subject.failure("keep", "damaged", reason)),
    };
    match edge_down(edge, new, kept.as_ref(), Limits::MIGRATION) {
        Ok(back) if back == *old => None,
        Ok(back) => {
            let reason = format!("the way back gives {}", short(&back.to_json_redacted(ty)));
            Some(subject.failure("round-trip", "differs", reason))
        }
        Err(trap) => Some(subject.failure("down", kind(&trap), trap.to_string())),
    }
}

/// A value that an arrow fails on.
struct Subject<'a> {
    along: &'a Along<'a>,
    value: &'a Value,
    ty: &'a Ty,
    /// The digest of its canonical bytes, where that is known.
    digest: Option<Digest>,
    seq: u64,
}

impl Subject<'_> {
    fn failure(&self, step: &str, kind: &str, reason: String) -> TryFailure {
        let json = self.value.to_json_redacted(self.ty);
        let value: String = json.chars().take(CAPSULE_CHARS_MAX).collect();
        TryFailure {
            instance: self.along.address.to_string(),
            step: step.to_owned(),
            kind: kind.to_owned(),
            reason,
            capsule: Capsule {
                from: self.along.from.digest(),
                to: self.along.to.digest(),
                edge: Some(self.along.edge.digest()),
                seq: self.seq,
                cut: value.len() < json.len(),
                value,
                value_digest: self.digest.unwrap_or_else(|| Digest::of(&self.value.to_binary(self.ty))),
            },
        }
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

fn carry_mail(carried: &mut Carried, plan: &Plan, along: Option<&Along<'_>>, number: u64) {
    let seq = carried.instance.seq;
    let park = |carried: &mut Carried, item: ParkedItem, failure: TryFailure| {
        let reason = format!("{}: {}", failure.step, failure.reason);
        carried.instance.rest_mut().parked.push(Parked { item, reason, switch: number });
        carried.parked += 1;
        carried.failures.push(failure);
    };
    let Some(rest) = carried.instance.rest_if_any() else { return };
    let timers = along.map(|_| std::mem::take(&mut rest.timers));
    for mail in std::mem::take(&mut rest.mailbox) {
        let moved = owed(plan, &carried.instance, &mail).and_then(|()| match along {
            Some(along) => moved_input(along, mail.writer, &mail.input, seq),
            None => Ok(mail.input.clone()),
        });
        match moved {
            Ok(input) => {
                carried.moved += u64::from(along.is_some());
                let writer = carried.instance.code.digest();
                carried.instance.rest_mut().mailbox.push_back(Mail { writer, input, ..mail });
            }
            Err(failure) => {
                let saved = mail.save().expect("no request from outside waits");
                park(carried, ParkedItem::Mail(saved), *failure);
            }
        }
    }
    let Some(along) = along else { return };
    for (name, timer) in timers.into_iter().flatten() {
        match moved_input(along, timer.writer, &timer.input, seq) {
            Ok(input) => {
                carried.moved += 1;
                let timer = Timer { writer: along.to.digest(), input, ..timer };
                carried.instance.rest_mut().timers.insert(name, timer);
            }
            Err(failure) => park(carried, ParkedItem::Timer(timer.save(&name)), *failure),
        }
    }
}

/// Takes a queued input along the edge. What an instance that was left behind got in the
/// meantime may be of the new type already.
fn moved_input(
    along: &Along<'_>,
    writer: Digest,
    input: &Arc<[u8]>,
    seq: u64,
) -> Result<Arc<[u8]>, Box<TryFailure>> {
    if writer == along.to.digest() {
        return Ok(input.clone());
    }
    let ty = along.from.verified.input();
    let value = match Value::from_binary(input, ty) {
        Ok(value) if writer == along.from.digest() => value,
        _ => {
            let subject =
                Subject { along, value: &Value::Unit, ty: &Ty::unit(), digest: Some(Digest::of(input)), seq };
            let reason = format!("it was written by machine {}", writer.short());
            return Err(Box::new(subject.failure(along.way.input_word(), "writer", reason)));
        }
    };
    match edge_arrow(along.edge, along.way.input(), &value, Limits::MIGRATION) {
        Ok(moved) => Ok(moved.to_binary(along.to.verified.input()).into()),
        Err(trap) => {
            let subject = Subject { along, value: &value, ty, digest: Some(Digest::of(input)), seq };
            Err(Box::new(subject.failure(along.way.input_word(), kind(&trap), trap.to_string())))
        }
    }
}

/// Refuses a message whose sender waits for an answer now and would have no place for it after
/// the switch: delivered, its answer would be lost.
fn owed(plan: &Plan, receiver: &Instance, mail: &Mail) -> Result<(), Box<TryFailure>> {
    let Origin::Message(sent) = &mail.origin else { return Ok(()) };
    // The sender is called as it is after the switch already.
    let after = sent.sender.machine_address();
    let before = plan.moved.iter().find(|(_, to)| **to == after).map_or(&after, |(from, _)| from);
    let waits = |release: &crate::release::Release, sender: &MachineAddress| {
        let code = release.machine(sender)?;
        code.channel(&sent.channel).filter(|channel| channel.answer.is_some()).map(|_| code.digest())
    };
    let Some(from) = waits(&plan.from, before) else { return Ok(()) };
    if waits(&plan.to, &after).is_some() {
        return Ok(());
    }
    let reason = format!("{} waits for an answer on `{}`, which it no longer has", sent.sender, sent.channel);
    Err(Box::new(TryFailure {
        instance: sent.sender.to_string(),
        step: "answer".to_owned(),
        kind: "channel".to_owned(),
        reason,
        capsule: Capsule {
            from,
            to: receiver.code.digest(),
            edge: None,
            seq: sent.seq,
            value: String::new(),
            cut: false,
            value_digest: Digest::of(&mail.input),
        },
    }))
}

/// Calls those who wrote to an instance, and whom it wrote to, as they are called after the switch.
/// Going back, what the way up applies is forgotten: it is not to be applied any more.
fn rename_correspondents(instance: &mut Instance, plan: &Plan) {
    let Some(rest) = instance.rest_if_any() else { return };
    if plan.way == Way::Down {
        rest.mailbox.retain(|mail| !matches!(mail.origin, Origin::Relup { .. }));
    }
    if plan.moved.is_empty() {
        return;
    }
    for mail in &mut rest.mailbox {
        match &mut mail.origin {
            Origin::Message(sent) => sent.sender = plan.address_after(&sent.sender),
            Origin::Answer { receiver, .. } => *receiver = plan.address_after(receiver),
            Origin::Outside { .. } | Origin::Relup { .. } | Origin::Port { .. } => {}
        }
    }
    for parked in &mut rest.parked {
        let ParkedItem::Mail(saved) = &mut parked.item else { continue };
        let (MailOrigin::Message { sender: address, .. } | MailOrigin::Answer { receiver: address, .. }) =
            &mut saved.origin
        else {
            continue;
        };
        // What is damaged is said when it is unparked.
        if let Ok(known) = address.parse::<InstanceAddress>() {
            *address = plan.address_after(&known).to_string();
        }
    }
}

/// Brings back what a switch parked in the types of the machine that now runs. It is older than all
/// that came since, so it goes first. What could not be delivered stays: an operator lets it go on.
fn unpark(instance: &mut Instance) {
    let digest = instance.code.digest();
    let mut mail = vec![];
    let Some(rest) = instance.rest_if_any() else { return };
    let parked = std::mem::take(&mut rest.parked);
    for entry in parked {
        match entry.item {
            ParkedItem::Mail(saved) if entry.switch > 0 && saved.writer == digest => {
                match Mail::load(saved.clone()) {
                    Ok(loaded) => mail.push(loaded),
                    Err(error) => {
                        tracing::error!(%error, "a parked message is damaged");
                        rest.parked.push(Parked { item: ParkedItem::Mail(saved), ..entry });
                    }
                }
            }
            // A timer that was started anew under the same name replaces it, as it always does.
            ParkedItem::Timer(saved) if entry.switch > 0 && saved.writer == digest => {
                let (name, timer) = Timer::load(saved);
                rest.timers.entry(name).or_insert(timer);
            }
            item => rest.parked.push(Parked { item, ..entry }),
        }
    }
    for loaded in mail.into_iter().rev() {
        rest.mailbox.push_front(loaded);
    }
}

impl Shard {
    /// Takes the last message of an instance, which was sent before a switch and came after it, along
    /// the way of that switch. The instance has gone over already.
    pub(super) fn carry_last_mail(&mut self, slot: Slot, plan: &Plan, change: &Change) {
        let number = self.switch;
        let resident = &mut self.table[slot];
        let Some(late) = resident.instance.rest_mut().mailbox.pop_back() else { return };
        // Alone, so that nothing else is taken along twice.
        let mut alone = Instance::unborn(resident.instance.code.clone());
        alone.seq = resident.instance.seq;
        alone.rest_mut().mailbox.push_back(late);
        rename_correspondents(&mut alone, plan);
        let mut carried = Carried {
            instance: alone,
            passage: Passage::Untouched,
            moved: 0,
            parked: 0,
            failures: vec![],
            bytes: (0, 0),
        };
        let along = match change {
            Change::Moves { from, to, edge } => {
                Some(Along { way: plan.way, from, to, edge, address: &resident.address })
            }
            Change::Stays { .. } | Change::Restarts { .. } | Change::Removed { .. } => None,
        };
        carry_mail(&mut carried, plan, along.as_ref(), number);
        let rest = carried.instance.rest_mut();
        let into = resident.instance.rest_mut();
        into.mailbox.append(&mut rest.mailbox);
        into.parked.append(&mut rest.parked);
    }
}
