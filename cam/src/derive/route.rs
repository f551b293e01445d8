//! Routed channels: the two ends of a channel on two nodes, one of them with another release.
//!
//! While the nodes of a fleet are upgraded, a sender of the one version may meet a receiver of the
//! other. The newer side translates: by the arrows of its edge and the older link; or, where those
//! have no counterpart for a message and the other version takes it all the same, by a link between
//! just these two. Either way it is types that decide, with what a migration says and what
//! the receiver's code can answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::compare::{Arrow, Breach, Comparison, compare};
use super::{Change, Edits, Effect, Rule, Strictness, Way, judge_way};
use crate::code::{Channel, FuncIx};
use crate::facts::Answers;
use crate::ty::{Case, Kind, Ty, Variant};
use crate::verify::{VerifiedEdge, VerifiedMachine};

/// The two ends of a channel in one release.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ends<'m> {
    /// The sender with its channel, if the release has them.
    pub sender: Option<(&'m VerifiedMachine, &'m Channel)>,
    /// The machine at the other end, if the release has it.
    pub receiver: Option<&'m VerifiedMachine>,
}

/// What the newer release says of how the ends of a channel became others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Passages<'m> {
    /// The edge of the sender.
    pub sender: Option<&'m VerifiedEdge>,
    /// The edge of the receiver, with what its migration says: [`Breach::id`].
    pub receiver: Option<(&'m VerifiedEdge, &'m [String])>,
}

/// Something for which one end of a channel has no counterpart at the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// The other release has no such machine.
    NoReceiver,
    /// The one names a key and the other has none, or the other way.
    Keys {
        /// True when the sender names a key.
        sent: bool,
    },
    /// The receiver does not take all messages of a case.
    Message {
        /// The case.
        case: Arc<str>,
        /// Why.
        changes: Vec<Change>,
    },
    /// The sender does not take all answers of a case that its messages lead to.
    Answer {
        /// The case of the receiver's output; empty where that has none.
        case: Arc<str>,
        /// Why.
        changes: Vec<Change>,
    },
}

/// Returns what breaks when the sender is of the old release and the receiver of the new one.
pub fn old_sender(old: Ends<'_>, new: Ends<'_>, passages: &Passages<'_>) -> Vec<Gap> {
    let Some(sender) = old.sender else { return vec![] };
    let ends = old.receiver.zip(new.receiver).filter(|(old, new)| old.digest() != new.digest());
    let lifted = ends.map(|(before, after)| Lifted {
        answer: sender.1.answer.map(|answer| sender.0.module().ty(answer.ty)),
        before,
        after,
        comparison: compare(before, after, &Edits::default()),
        edge: passages.receiver,
    });
    gaps(Way::Forth, sender, new.receiver, lifted.as_ref().map(|lifted| lifted as &dyn Detour))
}

/// Returns what breaks when the sender is of the new release and the receiver of the old one.
pub fn new_sender(old: Ends<'_>, new: Ends<'_>, passages: &Passages<'_>) -> Vec<Gap> {
    let Some(sender) = new.sender else { return vec![] };
    let lowered = old.sender.zip(old.receiver).map(|((before, channel), receiver)| Lowered {
        message: before.module().ty(channel.message),
        answer: channel.answer.map(|answer| before.module().ty(answer.ty)),
        new_answer: sender.1.answer.map(|answer| sender.0.module().ty(answer.ty)),
        receiver,
        down: passages.sender.and_then(|edge| {
            let arrows = edge.edge().channels.iter().find(|arrows| arrows.name == channel.name)?;
            Some((edge, arrows.down))
        }),
    });
    gaps(Way::Back, sender, old.receiver, lowered.as_ref().map(|lowered| lowered as &dyn Detour))
}

/// The way by the arrows of an edge and the older link.
trait Detour {
    /// Returns the input cases of the receiver that the messages of a case come to, if each comes
    /// to one.
    fn message(&self, case: &Case, alone: &Ty) -> Option<Vec<usize>>;

    /// Returns true when each answer of a case has a counterpart.
    fn answer(&self, label: &str, alone: &Ty) -> bool;
}

fn gaps(
    way: Way,
    (sender, channel): (&VerifiedMachine, &Channel),
    receiver: Option<&VerifiedMachine>,
    detour: Option<&dyn Detour>,
) -> Vec<Gap> {
    if !sends(sender, channel) {
        return vec![];
    }
    let Some(receiver) = receiver else { return vec![Gap::NoReceiver] };
    if channel.keyed != receiver.machine().keyed {
        return vec![Gap::Keys { sent: channel.keyed }];
    }
    let (message, input) = (sender.module().ty(channel.message), receiver.input());
    let (Some(messages), Some(inputs)) = (message.as_variant(), input.as_variant()) else {
        unreachable!("messages and inputs are variants: the channel has a link in its own release");
    };
    let none = Edits::default();
    let mut gaps = vec![];
    let mut taken = BTreeSet::new();
    for case in &messages.cases {
        let alone = alone(case);
        let verdict = judge_way(way, &alone, input, &none, "message");
        let mut changes: Vec<Change> = verdict.problems().cloned().collect();
        let at = inputs.index(&case.label);
        if at.is_some_and(|at| receiver.case_is_internal(at)) {
            let path = format!("message.{}", case.label);
            let what = "the receiver takes this case from inside only".to_owned();
            changes.push(Change { rule: Rule::DIRECTION, path, what, effect: Effect::Partial });
        }
        match detour.and_then(|detour| detour.message(case, &alone)) {
            Some(cases) => taken.extend(cases),
            None if changes.is_empty() => taken.extend(at),
            None => gaps.push(Gap::Message { case: case.label.clone(), changes }),
        }
    }
    let Some(answer) = channel.answer.map(|answer| sender.module().ty(answer.ty)) else { return gaps };
    let back = if way == Way::Forth { Way::Back } else { Way::Forth };
    for (label, alone) in outputs(receiver, &taken) {
        let verdict = judge_way(back, &alone, answer, &none, "answer");
        let changes: Vec<Change> = verdict.problems().cloned().collect();
        if !changes.is_empty() && !detour.is_some_and(|detour| detour.answer(&label, &alone)) {
            gaps.push(Gap::Answer { case: label, changes });
        }
    }
    gaps
}

/// Returns true when a machine may send on a channel at all, and not only declares it.
fn sends(sender: &VerifiedMachine, channel: &Channel) -> bool {
    let Some(index) = sender.channels().iter().position(|other| other.name == channel.name) else {
        return false;
    };
    let sends = |case| sender.reach(case).emits.channels.iter().any(|sent| *sent as usize == index);
    (0..sender.machine().step.len()).any(sends)
}

/// Returns the type of one case alone.
fn alone(case: &Case) -> Ty {
    let one = Kind::Variant(Variant { cases: vec![case.clone()] });
    Ty::new(one).expect("a case of a type that was checked")
}

/// Returns what inputs of these cases may be answered, case by case.
fn outputs(receiver: &VerifiedMachine, inputs: &BTreeSet<usize>) -> Vec<(Arc<str>, Ty)> {
    let mut reached = BTreeSet::new();
    for input in inputs {
        match &receiver.reach(*input).answers {
            Answers::Nobody => {}
            Answers::Any => return vec![("".into(), receiver.output().clone())],
            Answers::Cases(cases) => reached.extend(cases),
        }
    }
    let cases = receiver.output().as_variant().map_or(&[][..], |variant| &variant.cases);
    let reached = reached.iter().filter_map(|index: &u32| cases.get(*index as usize));
    reached.map(|case| (case.label.clone(), alone(case))).collect()
}

/// Returns the part of a type that stands for a case of another version of it.
fn part(ty: &Ty, label: &str) -> Option<Ty> {
    let Some(variant) = ty.as_variant() else { return Some(ty.clone()) };
    if label.is_empty() {
        return Some(ty.clone());
    }
    variant.index(label).map(|index| alone(&variant.cases[index]))
}

fn is_total(way: Way, from: &Ty, to: &Ty) -> bool {
    judge_way(way, from, to, &Edits::default(), "").is_total()
}

/// Returns true when an arrow has a counterpart for every value.
fn never_fails(edge: &VerifiedEdge, arrow: FuncIx) -> bool {
    edge.facts(arrow).may_trap.is_empty()
}

/// An old sender's way to a new receiver: the old link, then `lift`; back by `lower`, then the old
/// link.
struct Lifted<'m> {
    answer: Option<&'m Ty>,
    before: &'m VerifiedMachine,
    after: &'m VerifiedMachine,
    comparison: Comparison,
    edge: Option<(&'m VerifiedEdge, &'m [String])>,
}

impl Lifted<'_> {
    /// Returns true for a change that the edge answers.
    fn is_settled(&self, arrow: Arrow, change: &Change) -> bool {
        let Some((edge, said)) = self.edge else { return false };
        let breach = Breach { arrow, change: change.clone(), class: Strictness::Wire };
        breach.is_settled_by_any_edge()
            || said.contains(&breach.id())
            || arrow == Arrow::Lower && never_fails(edge, edge.edge().lower)
    }
}

impl Detour for Lifted<'_> {
    fn message(&self, case: &Case, _: &Ty) -> Option<Vec<usize>> {
        let change = self.comparison.inputs.iter().find(|input| input.label == case.label)?;
        if change.lift.problems().any(|problem| !self.is_settled(Arrow::Lift, problem)) {
            return None;
        }
        let inputs = self.after.input().as_variant()?;
        Some(match (change.lift.is_total(), inputs.index(&case.label)) {
            (true, Some(at)) => vec![at],
            // A person wrote where it leads: it may be any.
            _ => (0..inputs.cases.len()).filter(|at| !self.after.case_is_internal(*at)).collect(),
        })
    }

    fn answer(&self, label: &str, alone: &Ty) -> bool {
        let Some(answer) = self.answer else { return false };
        let before = self.before.output();
        let lower = judge_way(Way::Back, alone, before, &Edits::default(), "Output");
        if lower.problems().any(|problem| !self.is_settled(Arrow::Lower, problem)) {
            return false;
        }
        // What a person wrote may lead to any answer of the old version.
        let label = if lower.is_total() { label } else { "" };
        part(before, label).is_some_and(|part| is_total(Way::Forth, &part, answer))
    }
}

/// A new sender's way to an old receiver: the channel's arrow `down`, then the old link; back by the
/// old link, then from the old answer to the new one.
struct Lowered<'m> {
    message: &'m Ty,
    answer: Option<&'m Ty>,
    new_answer: Option<&'m Ty>,
    receiver: &'m VerifiedMachine,
    down: Option<(&'m VerifiedEdge, FuncIx)>,
}

impl Detour for Lowered<'_> {
    fn message(&self, case: &Case, alone: &Ty) -> Option<Vec<usize>> {
        let inputs = self.receiver.input().as_variant()?;
        if is_total(Way::Back, alone, self.message) {
            return inputs.index(&case.label).map(|at| vec![at]);
        }
        // With a name that the migration says; it may be any message of the old version.
        let (edge, down) = self.down?;
        let messages = self.message.as_variant()?.cases.iter();
        never_fails(edge, down).then(|| messages.filter_map(|case| inputs.index(&case.label)).collect())
    }

    fn answer(&self, label: &str, alone: &Ty) -> bool {
        let (Some(before), Some(after)) = (self.answer, self.new_answer) else { return false };
        is_total(Way::Forth, alone, before)
            && part(before, label).is_some_and(|part| is_total(Way::Forth, &part, after))
    }
}
