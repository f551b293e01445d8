//! Taking one instance over switches: its state, and what waits for it.
//!
//! Pure: from an instance and the steps of its road comes the instance as it is after them, and what went
//! wrong. An instance is always taken along somehow, for a replay of the journal cannot refuse; it
//! is for the trial to see to it that nothing goes wrong in a switch that is made.
//!
//! The state goes over when the instance is next used. Messages and timers go over when they are delivered
//! or fired: who only looks at an instance changes nothing that waits for it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use camshaft_cam::digest::Digest;
use camshaft_cam::run::{EdgeArrow, Limits, Memo, Trap, edge_arrow};
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_cam::verify::VerifiedEdge;
use camshaft_manifests::{InstanceAddress, MachineAddress};
use camshaft_store::{Parked, ParkedItem};

use super::aside::KeptAside;
use super::discard::{Discarded, LetGo as _};
use super::instance::{Before, Instance, Mail, Origin, State, Timer};
use super::plan::{Change, Plan, Way};
use super::rewind::{Rewind, rewound};
use super::road::{Road, Step};
use super::step::kind;
use crate::api::{Capsule, TryFailure};
use crate::release::MachineCode;
use crate::replay::Passing;

/// The most characters of a value that a capsule shows.
pub(super) const CAPSULE_CHARS_MAX: usize = 64 << 10;

/// How the state of an instance came over.
#[derive(Debug)]
pub(super) struct Brought {
    pub(super) passage: Passage,
    /// What went wrong with it.
    pub(super) failure: Option<Box<TryFailure>>,
    /// What is large and it needs no more.
    pub(super) discarded: Vec<Discarded>,
}

impl Brought {
    fn new() -> Brought {
        Brought { passage: Passage::Untouched, failure: None, discarded: vec![] }
    }
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
    /// It did over again in the older release what it did since.
    Rewound,
    /// It could not and is held.
    Held,
}

/// What became of what waited for an instance.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// Messages and timers that came over an edge.
    pub(super) moved: u64,
    /// Messages and timers that were parked.
    pub(super) parked: u64,
    /// Why.
    pub(super) failures: Vec<TryFailure>,
}

/// Takes the state of an instance over all that it has yet to go over. `to` is the code that it runs then,
/// and `number` the number of the last switch. What is made of large maps is remembered in `memo`, and taken from there.
pub(super) fn bring(
    road: &Road,
    address: &InstanceAddress,
    instance: &mut Instance,
    (to, number): (&Arc<MachineCode>, u64),
    memo: &mut Memo,
) -> Brought {
    let mut brought = Brought::new();
    for step in road.for_state(instance.switch) {
        let plan = &*step.plan;
        if plan.way == Way::Up
            && let Some(rest) = instance.rest_if_any()
        {
            // It is that of an earlier switch, whose release is permanent by now.
            rest.before.take().let_go(&mut brought.discarded);
            rest.rewind.take().let_go(&mut brought.discarded);
        }
        rename_dead_letters(instance, plan);
        let Some(change) = plan.pairs.get(&instance.code.address) else { continue };
        match change {
            Change::Stays { to } => instance.code = to.clone(),
            Change::Moves { from, to, edge } => {
                let along = Along { way: plan.way, from, to, edge, address };
                instance.code = to.clone();
                let exact = road.is_exact(step).then_some(plan);
                bring_state(&mut brought, &along, instance, exact, memo);
            }
            // What gives up its states was put away when the switch was made.
            Change::Restarts { .. } | Change::Removed { .. } => {}
        }
    }
    if let Some(down) = road.after(instance.switch).iter().rev().find(|step| step.plan.way == Way::Down)
        && let Some(rest) = instance.rest_if_any()
    {
        // Going back, what the way up applies is forgotten: it is not to be applied any more.
        let undone =
            |mail: &Mail| matches!(mail.origin, Origin::Relup { switch, .. } if switch < down.number);
        rest.mailbox.retain(|mail| !undone(mail));
    }
    instance.code = to.clone();
    instance.switch = number;
    brought
}

/// An edge, taken in one way.
pub(super) struct Along<'a> {
    pub(super) way: Way,
    pub(super) from: &'a Arc<MachineCode>,
    pub(super) to: &'a Arc<MachineCode>,
    pub(super) edge: &'a Arc<VerifiedEdge>,
    pub(super) address: &'a InstanceAddress,
}

impl Along<'_> {
    /// Returns true where a state is taken over as it is. The way down may be another: a person may have
    /// written it.
    fn leaves_states(&self) -> bool {
        self.way == Way::Up && self.edge.is_zero_touch()
    }
}

/// Takes a state along. `exact` is the plan of a way back to the release before while the switch is not for good.
fn bring_state(
    brought: &mut Brought,
    along: &Along<'_>,
    instance: &mut Instance,
    exact: Option<&Plan>,
    memo: &mut Memo,
) {
    let to_type = along.to.verified.state();
    let rewind = instance.rest_if_any().and_then(|rest| rest.rewind.take());
    match &instance.state {
        State::None => {}
        State::Held(held) if held.left_behind && held.machine == along.to.digest() => {
            let state = held.state.as_deref().map(|bytes| Value::from_binary(bytes, to_type));
            match state.transpose() {
                Ok(state) => {
                    instance.state = state.map_or(State::None, State::Live);
                    // What kept it from an earlier step of the road is behind it.
                    (brought.passage, brought.failure) = (Passage::Untouched, None);
                }
                // Only damage could do this, and the journal has checksums: it stays held.
                Err(error) => tracing::error!(instance = %along.address, %error, "a held state is damaged"),
            }
        }
        State::Held(_) => {}
        State::Live(value) => {
            let left = value.clone();
            bring_live(brought, along, instance, left, exact.map(|plan| (plan, rewind.as_ref())), memo);
        }
    }
    rewind.let_go(&mut brought.discarded);
}

/// The same for one that lives. `left` is its state, which it leaves; `exact` has what is kept for a rewind as well.
fn bring_live(
    brought: &mut Brought,
    along: &Along<'_>,
    instance: &mut Instance,
    left: Value,
    exact: Option<(&Plan, Option<&Rewind>)>,
    memo: &mut Memo,
) {
    let discarded = &mut brought.discarded;
    if along.way == Way::Down
        && let Some(before) = instance.rest_if_any().and_then(|rest| rest.before.take())
    {
        if exact.is_some() && before.machine == along.to.digest() {
            instance.take_state((before.value, before.aside)).let_go(discarded);
            left.let_go(discarded);
            brought.passage = Passage::BeforeImage;
            return;
        }
        before.let_go(discarded);
    }
    match moved_state(along, &left, instance, memo, discarded) {
        Ok(moved) => {
            let aside = instance.take_state(moved);
            if along.way == Way::Up {
                let (machine, ty) = (along.from.digest(), along.from.verified.state().clone());
                instance.rest_mut().before = Some(Before { machine, ty, value: left, aside });
            } else {
                // Going back, what it leaves is the newer machine's: of no use.
                left.let_go(discarded);
                aside.let_go(discarded);
            }
            brought.passage = if along.leaves_states() { Passage::AsItIs } else { Passage::Edge };
        }
        Err(failure) => {
            let again = exact.and_then(|(plan, rewind)| {
                rewind.map(|rewind| rewound(rewind, along, plan, instance, &failure))
            });
            match again.unwrap_or(Err(failure)) {
                Ok(rewound) => {
                    instance.take_state(rewound).let_go(discarded);
                    brought.passage = Passage::Rewound;
                }
                Err(failure) => {
                    let to = std::mem::replace(&mut instance.code, along.from.clone());
                    instance.hold(failure.reason.clone(), true).let_go(discarded);
                    instance.code = to;
                    brought.passage = Passage::Held;
                    brought.failure = Some(failure);
                }
            }
            left.let_go(discarded);
        }
    }
}

/// Returns the state at the other end of the edge and, on the way up, what is kept aside of it.
fn moved_state(
    along: &Along<'_>,
    value: &Value,
    instance: &Instance,
    memo: &mut Memo,
    discarded: &mut Vec<Discarded>,
) -> Result<(Value, Option<KeptAside>), Box<TryFailure>> {
    let (ty, seq) = (along.from.verified.state(), instance.seq);
    let mut from = Subject { along, value, ty, digest: None, seq, kept: None };
    let kept_before = match along.way {
        Way::Up => None,
        Way::Down => {
            kept_aside(along, instance).map_err(|reason| Box::new(from.failure("keep", "damaged", reason)))?
        }
    };
    from.kept = kept_before.as_ref();
    let moved = moved_checked(&from, memo, discarded);
    // It may have been read out of bytes, for this alone.
    kept_before.let_go(discarded);
    moved
}

fn moved_checked(
    from: &Subject<'_>,
    memo: &mut Memo,
    discarded: &mut Vec<Discarded>,
) -> Result<(Value, Option<KeptAside>), Box<TryFailure>> {
    let Subject { along, value, .. } = *from;
    let failed = |word: &str, trap: Trap| Box::new(from.failure(word, kind(&trap), trap.to_string()));
    let limits = Limits::MIGRATION;
    if along.leaves_states() {
        memo.check_invariants(&along.to.verified, value, limits).map_err(|trap| failed("invariant", trap))?;
        return Ok((value.clone(), None));
    }
    let word = along.way.state_word();
    let (state, aside) = match along.way {
        Way::Up => {
            let kept = memo.edge_keep(along.edge, value, limits).map_err(|trap| failed("keep", trap))?;
            let aside = KeptAside::of(along.edge, kept);
            match memo.edge_arrow(along.edge, EdgeArrow::Up, value, limits) {
                Ok(up) => (up, aside),
                Err(trap) => {
                    aside.let_go(discarded);
                    return Err(failed(word, trap));
                }
            }
        }
        Way::Down => {
            let down = memo.edge_down(along.edge, value, from.kept, limits);
            (down.map_err(|trap| failed(word, trap))?, None)
        }
    };
    match memo.check_invariants(&along.to.verified, &state, limits) {
        Ok(()) => Ok((state, aside)),
        Err(trap) => {
            state.let_go(discarded);
            aside.let_go(discarded);
            Err(failed("invariant", trap))
        }
    }
}

/// Returns what was kept aside when the instance went up this edge; nothing if it was born since.
///
/// # Errors
///
/// What is damaged, which only a fault of the disk could do. A default would hide the loss.
fn kept_aside(along: &Along<'_>, instance: &Instance) -> Result<Option<Value>, String> {
    let aside = instance.rest().aside.as_ref();
    aside.map_or(Ok(None), |aside| aside.for_way_down(along.edge))
}

/// Returns what is wrong with the way back of a state that went up: it must give exactly the state that it
/// came from.
pub(super) fn check_way_back(
    change: &Change,
    address: &InstanceAddress,
    (before, after): (&Instance, &Instance),
    passage: Passage,
    memo: &mut Memo,
) -> Option<TryFailure> {
    let Change::Moves { from, to, edge } = change else { return None };
    let (Passage::Edge | Passage::AsItIs, State::Live(old), State::Live(new)) =
        (passage, &before.state, &after.state)
    else {
        return None;
    };
    let along = Along { way: Way::Up, from, to, edge, address };
    let ty = from.verified.state();
    let subject = Subject { along: &along, value: old, ty, digest: None, seq: before.seq, kept: None };
    let kept = match kept_aside(&along, after) {
        Ok(kept) => kept,
        Err(reason) => return Some(subject.failure("keep", "damaged", reason)),
    };
    match memo.edge_down(edge, new, kept.as_ref(), Limits::MIGRATION) {
        Ok(back) if memo.is_equal(&back, old) => None,
        Ok(back) => Some(subject.failure("round-trip", "differs", gives_back(&back, ty))),
        Err(trap) => Some(subject.failure("down", kind(&trap), trap.to_string())),
    }
}

/// A value that an arrow fails on.
pub(super) struct Subject<'a> {
    pub(super) along: &'a Along<'a>,
    pub(super) value: &'a Value,
    pub(super) ty: &'a Ty,
    /// The digest of its canonical bytes, where that is known.
    pub(super) digest: Option<Digest>,
    pub(super) seq: u64,
    /// What was kept aside of it on the way up.
    pub(super) kept: Option<&'a Value>,
}

impl Subject<'_> {
    /// Returns the fuel that it takes up to where it fails. What failed is done once more, without a memo, as it will be
    /// where somebody sees it again; a value that is not wholly in the capsule is left alone, for it is large.
    fn fuel(&self, step: &str) -> Option<u64> {
        let Along { way, to, edge, .. } = *self.along;
        let (up, to) = (way == Way::Up, Some(&to.verified));
        Passing { edge, up, step, to, value: self.value, kept: self.kept }.pass().map(|passed| passed.fuel)
    }

    pub(super) fn failure(&self, step: &str, kind: &str, reason: String) -> TryFailure {
        let json = self.value.to_json_redacted(self.ty);
        let value: String = json.chars().take(CAPSULE_CHARS_MAX).collect();
        let cut = value.len() < json.len();
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
                cut,
                value,
                kept: self.kept.zip(self.along.edge.kept()).map(|(kept, ty)| kept.to_json_redacted(ty)),
                value_digest: self.digest.unwrap_or_else(|| Digest::of(&self.value.to_binary(self.ty))),
                fuel: (!cut).then(|| self.fuel(step)).flatten(),
                rewind: None,
                example: None,
                step: None,
            },
        }
    }
}

/// Returns what is wrong with a way back that gives another state, for people.
pub(crate) fn gives_back(back: &Value, ty: &Ty) -> String {
    format!("the way back gives {}", short(&back.to_json_redacted(ty)))
}

pub(super) fn short(text: &str) -> String {
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// An input that came over: the machine in whose type it is now, its bytes, and whether an edge was on its way.
type MovedInput = (Digest, Arc<[u8]>, bool);

/// Where the inputs of an instance come over.
pub(super) struct Inputs<'a> {
    pub(super) road: &'a Road,
    /// The address of the instance now.
    pub(super) address: &'a InstanceAddress,
    /// What it runs now.
    pub(super) to: &'a Arc<MachineCode>,
    /// The number of the last switch.
    pub(super) number: u64,
    /// The number of the last input that was applied.
    pub(super) seq: u64,
}

impl Inputs<'_> {
    /// Returns where a message comes from, by the names that are in use now.
    pub(super) fn origin(&self, mail: &Mail) -> Origin {
        let mut origin = mail.origin.clone();
        if mail.switch != self.number {
            self.road.for_input(mail.switch).iter().for_each(|step| rename(&mut origin, &step.plan));
        }
        origin
    }

    /// Takes a message along all that it has yet to go over; says whether an edge was among that. What an
    /// instance that was left behind got in the meantime may be of the new type already.
    pub(super) fn mail(&self, mail: &Mail) -> Result<(Mail, bool), Box<TryFailure>> {
        let mut origin = mail.origin.clone();
        let steps = self.road.for_input(mail.switch);
        for step in &steps {
            rename(&mut origin, &step.plan);
            owed(&step.plan, self.to.digest(), &origin, &mail.input)?;
        }
        let (writer, input, moved) = self.input(&steps, mail.writer, &mail.input)?;
        Ok((Mail { origin, writer, input, trace: mail.trace.clone(), switch: self.number }, moved))
    }

    /// The same with a timer.
    pub(super) fn timer(&self, timer: &Timer) -> Result<(Timer, bool), Box<TryFailure>> {
        let steps = self.road.for_input(timer.switch);
        let (writer, input, moved) = self.input(&steps, timer.writer, &timer.input)?;
        let trace = timer.trace.clone();
        let Timer { generation, due_ms, .. } = *timer;
        Ok((Timer { generation, due_ms, writer, input, trace, switch: self.number }, moved))
    }

    fn input(
        &self,
        steps: &[&Step],
        writer: Digest,
        input: &Arc<[u8]>,
    ) -> Result<MovedInput, Box<TryFailure>> {
        let moves = self.moves(steps);
        if writer == self.to.digest() {
            return Ok((writer, input.clone(), !moves.is_empty()));
        }
        let (mut writer, mut input) = (writer, input.clone());
        for along in &moves {
            // It may have been sent with a later step of this road.
            if writer == along.from.digest() {
                input = moved_input(along, &input, self.seq)?;
                writer = along.to.digest();
            }
        }
        if writer == self.to.digest() {
            return Ok((writer, input, !moves.is_empty()));
        }
        Err(Box::new(self.unknown(moves.last(), writer, &input)))
    }

    /// Returns the edges that the machine goes along.
    fn moves<'s>(&'s self, steps: &[&'s Step]) -> Vec<Along<'s>> {
        let mut at = self.to.address.clone();
        let mut moves = vec![];
        for step in steps.iter().rev() {
            at = step.plan.address_before(&at);
            if let Some(Change::Moves { from, to, edge }) = step.plan.pairs.get(&at) {
                moves.push(Along { way: step.plan.way, from, to, edge, address: self.address });
            }
        }
        moves.reverse();
        moves
    }

    /// Returns the failure of an input that no edge here takes.
    fn unknown(&self, last: Option<&Along<'_>>, writer: Digest, input: &[u8]) -> TryFailure {
        let reason = format!("it was written by machine {}", writer.short());
        let word = last.map_or("lift", |along| along.way.input_word());
        TryFailure {
            instance: self.address.to_string(),
            step: word.to_owned(),
            kind: "writer".to_owned(),
            reason,
            capsule: Capsule {
                from: writer,
                to: self.to.digest(),
                edge: last.map(|along| along.edge.digest()),
                seq: self.seq,
                value: String::new(),
                cut: false,
                kept: None,
                value_digest: Digest::of(input),
                fuel: None,
                rewind: None,
                example: None,
                step: None,
            },
        }
    }
}

/// Takes an input along an edge.
pub(super) fn moved_input(
    along: &Along<'_>,
    input: &Arc<[u8]>,
    seq: u64,
) -> Result<Arc<[u8]>, Box<TryFailure>> {
    let ty = along.from.verified.input();
    let value = match Value::from_binary(input, ty) {
        Ok(value) => value,
        Err(error) => {
            let (value, ty) = (&Value::Unit, &Ty::unit());
            let subject = Subject { along, value, ty, digest: Some(Digest::of(input)), seq, kept: None };
            let reason = format!("it is damaged: {error}");
            return Err(Box::new(subject.failure(along.way.input_word(), "damaged", reason)));
        }
    };
    match edge_arrow(along.edge, along.way.input(), &value, Limits::MIGRATION) {
        Ok(moved) => Ok(moved.to_binary(along.to.verified.input()).into()),
        Err(trap) => {
            let subject =
                Subject { along, value: &value, ty, digest: Some(Digest::of(input)), seq, kept: None };
            Err(Box::new(subject.failure(along.way.input_word(), kind(&trap), trap.to_string())))
        }
    }
}

/// Refuses a message whose sender waits for an answer and has no place for it after the switch:
/// delivered, its answer would be lost.
fn owed(plan: &Plan, receiver: Digest, origin: &Origin, input: &[u8]) -> Result<(), Box<TryFailure>> {
    let Origin::Message(sent) = origin else { return Ok(()) };
    // The sender is called as it is after the switch already.
    let after = sent.sender.machine_address();
    let before = plan.address_before(&after);
    let waits = |release: &crate::release::Release, sender: &MachineAddress| {
        let code = release.machine(sender)?;
        code.channel(&sent.channel).filter(|channel| channel.answer.is_some()).map(|_| code.digest())
    };
    let Some(from) = waits(&plan.from, &before) else { return Ok(()) };
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
            to: receiver,
            edge: None,
            seq: sent.seq,
            value: String::new(),
            cut: false,
            kept: None,
            value_digest: Digest::of(input),
            fuel: None,
            rewind: None,
            example: None,
            step: None,
        },
    }))
}

/// Calls who wrote, or who was written to, as it is called after a switch.
fn rename(origin: &mut Origin, plan: &Plan) {
    match origin {
        Origin::Message(sent) => sent.sender = plan.address_after(&sent.sender),
        Origin::Answer { receiver, .. } => *receiver = plan.address_after(receiver),
        Origin::Outside { .. } | Origin::Relup { .. } | Origin::Port { .. } => {}
    }
}

/// Calls those who wrote what could not be delivered as they are called after a switch: an operator may let it go on.
fn rename_dead_letters(instance: &mut Instance, plan: &Plan) {
    if plan.moved.is_empty() {
        return;
    }
    let Some(rest) = instance.rest_if_any() else { return };
    for parked in rest.parked.iter_mut().filter(|parked| parked.switch == 0) {
        if let ParkedItem::Mail(saved) = &mut parked.item {
            // What is damaged is said when it is let go on.
            if let Ok(mut mail) = Mail::load(saved.clone()) {
                rename(&mut mail.origin, plan);
                saved.origin = mail.save().expect("no request from outside is parked").origin;
            }
        }
    }
}

/// Says of what switches parked that it has gone over the last one: the way that it came is forgotten. It comes
/// back when its machine runs again.
pub(super) fn forget_way(inputs: &Inputs<'_>, parked: &mut [Parked]) {
    for entry in parked.iter_mut().filter(|entry| entry.switch > 0) {
        match &mut entry.item {
            ParkedItem::Mail(saved) => {
                if let Ok(mut mail) = Mail::load(saved.clone()) {
                    mail.origin = inputs.origin(&mail);
                    saved.origin = mail.save().expect("no request from outside is parked").origin;
                }
                saved.switch = inputs.number;
            }
            ParkedItem::Timer(saved) => saved.switch = inputs.number,
            ParkedItem::Call(_) => {}
        }
    }
}

/// Brings back what a switch parked and what runs now takes: first of all that waits, but among what its own
/// sender sent where it belongs. What could not be delivered stays: an operator lets it go on.
pub(super) fn unpark(inputs: &Inputs<'_>, instance: &mut Instance) {
    let Some(rest) = instance.rest_if_any().filter(|rest| !rest.parked.is_empty()) else { return };
    let mut back = VecDeque::new();
    let mut stays = vec![];
    for entry in std::mem::take(&mut rest.parked) {
        match &entry.item {
            ParkedItem::Mail(saved) if entry.switch > 0 => match Mail::load(saved.clone()) {
                Ok(mail) if inputs.mail(&mail).is_ok() => back.push_back(mail),
                Ok(_) => stays.push(entry),
                Err(error) => {
                    tracing::error!(instance = %inputs.address, %error, "a parked message is damaged");
                    stays.push(entry);
                }
            },
            ParkedItem::Timer(saved) if entry.switch > 0 => {
                let (name, timer) = Timer::load(saved.clone());
                match inputs.timer(&timer) {
                    // A timer that was started anew under the same name replaces it, as it always does.
                    Ok(_) => drop(rest.timers.entry(name).or_insert(timer)),
                    Err(_) => stays.push(entry),
                }
            }
            _ => stays.push(entry),
        }
    }
    rest.parked = stays;
    if !back.is_empty() {
        back.append(&mut rest.mailbox);
        rest.mailbox = back;
        restore_order(&mut rest.mailbox, |mail| inputs.origin(mail));
    }
}

/// Puts what each sender sent into the order in which it was sent, after something came back that was parked: an
/// older message may have waited where a newer one was parked, and the other way round. What different
/// senders sent has no order, and keeps the places that it has.
pub(super) fn restore_order(mailbox: &mut VecDeque<Mail>, origin: impl Fn(&Mail) -> Origin) {
    let mut senders: BTreeMap<(bool, InstanceAddress), Vec<(Number, usize)>> = BTreeMap::new();
    for (place, mail) in mailbox.iter().enumerate() {
        let (answers, from, number) = match origin(mail) {
            Origin::Message(sent) => (false, sent.sender, (sent.life, sent.seq, sent.effect)),
            Origin::Answer { receiver, seq, effect } => (true, receiver, (0, seq, effect)),
            // Ports promise no order, and what a relup applies is put in front as a whole.
            Origin::Outside { .. } | Origin::Port { .. } | Origin::Relup { .. } => continue,
        };
        senders.entry((answers, from)).or_default().push((number, place));
    }
    let mut all: Vec<Option<Mail>> = mailbox.drain(..).map(Some).collect();
    let mut takes: Vec<usize> = (0..all.len()).collect();
    for sent in senders.into_values().filter(|sent| !sent.is_sorted()) {
        let places: Vec<usize> = sent.iter().map(|(_, place)| *place).collect();
        let mut sorted = sent;
        sorted.sort_unstable();
        for (place, (_, from)) in places.into_iter().zip(sorted) {
            takes[place] = from;
        }
    }
    mailbox.extend(takes.into_iter().filter_map(|from| all[from].take()));
}

/// The place of something among what one sender sent: its life, the number of the input, the place of the effect.
type Number = (u64, u64, u32);

/// Parks what waits for an instance and cannot be taken over the switches that were made, and leaves the rest as it is:
/// what one of them does not take is parked, whenever that is found out.
pub(super) fn park_unfit(inputs: &Inputs<'_>, instance: &mut Instance) {
    let Some(rest) = instance.rest_if_any() else { return };
    let park = |parked: &mut Vec<Parked>, item, failure: &TryFailure| {
        parked.push(Parked { item, reason: reason(failure), switch: inputs.number });
    };
    for mail in std::mem::take(&mut rest.mailbox) {
        match inputs.mail(&mail) {
            Ok(_) => rest.mailbox.push_back(mail),
            Err(failure) => {
                let saved = mail.save().expect("no request from outside waits");
                park(&mut rest.parked, ParkedItem::Mail(saved), &failure);
            }
        }
    }
    for (name, timer) in std::mem::take(&mut rest.timers) {
        match inputs.timer(&timer) {
            Ok(_) => drop(rest.timers.insert(name, timer)),
            Err(failure) => park(&mut rest.parked, ParkedItem::Timer(timer.save(&name)), &failure),
        }
    }
}

/// Takes all that waits for an instance over; what cannot be taken is parked.
pub(super) fn settle(inputs: &Inputs<'_>, instance: &mut Instance) -> Settled {
    let mut settled = Settled::default();
    let Some(rest) = instance.rest_if_any() else { return settled };
    let mut park = |parked: &mut Vec<Parked>, item, failure: Box<TryFailure>| {
        settled.parked += 1;
        parked.push(Parked { item, reason: reason(&failure), switch: inputs.number });
        settled.failures.push(*failure);
    };
    let mut moved = 0;
    for mail in std::mem::take(&mut rest.mailbox) {
        match inputs.mail(&mail) {
            Ok((mail, over)) => {
                moved += u64::from(over);
                rest.mailbox.push_back(mail);
            }
            Err(failure) => {
                let saved = mail.save().expect("no request from outside waits");
                park(&mut rest.parked, ParkedItem::Mail(saved), failure);
            }
        }
    }
    for (name, timer) in std::mem::take(&mut rest.timers) {
        match inputs.timer(&timer) {
            Ok((timer, over)) => {
                moved += u64::from(over);
                rest.timers.insert(name, timer);
            }
            Err(failure) => park(&mut rest.parked, ParkedItem::Timer(timer.save(&name)), failure),
        }
    }
    settled.moved = moved;
    settled
}

/// Returns why something is parked, for people.
pub(super) fn reason(failure: &TryFailure) -> String {
    format!("{}: {}", failure.step, failure.reason)
}

#[cfg(test)]
mod tests {
    use super::super::instance::Sent;
    use super::*;

    fn mail(origin: Origin) -> Mail {
        Mail { origin, writer: Digest::of(b""), input: Arc::from([]), trace: None, switch: 1 }
    }

    fn message(sender: &str, (life, seq, effect): Number) -> Mail {
        let (sender, channel) = (sender.parse().expect("an address"), Arc::from("out"));
        mail(Origin::Message(Sent { sender, seq, effect, channel, life }))
    }

    fn answer(receiver: &str, seq: u64) -> Mail {
        mail(Origin::Answer { receiver: receiver.parse().expect("an address"), seq, effect: 0 })
    }

    #[test]
    fn what_comes_back_stands_where_its_sender_sent_it() {
        let (a, b) = ("x/a", "x/b");
        let mut mailbox = VecDeque::from([
            message(a, (1, 7, 1)),
            mail(Origin::Port { seq: 9, effect: 0 }),
            message(b, (1, 3, 0)),
            answer(a, 4),
            message(a, (1, 7, 0)),
            message(a, (2, 1, 0)),
            mail(Origin::Port { seq: 2, effect: 0 }),
            answer(a, 1),
            message(a, (1, 2, 0)),
            message(b, (1, 5, 0)),
        ]);
        restore_order(&mut mailbox, |mail| mail.origin.clone());
        let order: Vec<String> = mailbox
            .iter()
            .map(|mail| match &mail.origin {
                Origin::Message(sent) => {
                    format!("{} {} {} {}", sent.sender, sent.life, sent.seq, sent.effect)
                }
                Origin::Answer { receiver, seq, .. } => format!("answer {receiver} {seq}"),
                Origin::Port { seq, .. } => format!("port {seq}"),
                Origin::Outside { .. } | Origin::Relup { .. } => unreachable!("there is none"),
            })
            .collect();
        let expected = [
            "x/a 1 2 0",
            "port 9",
            "x/b 1 3 0",
            "answer x/a 1",
            "x/a 1 7 0",
            "x/a 1 7 1",
            "port 2",
            "answer x/a 4",
            "x/a 2 1 0",
            "x/b 1 5 0",
        ];
        assert_eq!(order, expected);
    }
}
