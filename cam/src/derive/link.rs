//! Links: the arrows between the two ends of a channel.

use std::collections::BTreeSet;

use crate::code::build::ModuleBuilder;
use crate::code::{Block, Entry, FuncIx, Link, Module, Op};
use crate::facts::Answers;
use crate::ty::{Kind, Ty, Variant};
use crate::verify::VerifiedMachine;

use super::{Edits, convert, judge};

/// Compiles the link of a channel: the sender's message to the receiver's input, and the
/// receiver's output to the sender's answer.
///
/// The answer has to be able to take every output that the messages can lead to, and no other.
///
/// # Errors
///
/// What does not fit, one line each.
pub fn link(
    sender: &VerifiedMachine,
    channel: &str,
    receiver: &VerifiedMachine,
) -> Result<Module, Vec<String>> {
    let Some(declared) = sender.machine().channels.iter().find(|other| &*other.name == channel) else {
        return Err(vec![format!("the sender has no channel `{channel}`")]);
    };
    let none = Edits::default();
    let (input, output) = (receiver.input(), receiver.output());
    let message = sender.module().ty(declared.message).clone();
    let mut problems: Vec<String> = Vec::new();
    if declared.keyed && !receiver.machine().keyed {
        problems.push(format!("`{channel}` sends to a key, and `{}` has no keys", declared.target));
    }
    let (Some(messages), Some(inputs)) = (message.as_variant(), input.as_variant()) else {
        return Err(vec!["the messages and the inputs are variants".to_owned()]);
    };
    problems.extend(judge(&message, input, &none, "message").problems().map(ToString::to_string));
    for case in &messages.cases {
        if inputs.index(&case.label).is_some_and(|index| receiver.case_is_internal(index)) {
            problems.push(format!("message.{}: the receiver takes this case from inside only", case.label));
        }
    }
    let answer = declared.answer.map(|answer| sender.module().ty(answer.ty).clone());
    let reached = answer.as_ref().and_then(|_| reached(receiver, messages, inputs));
    if let Some(answer) = &answer {
        let narrowed = reached.as_ref().and_then(|cases| narrowed(output, cases));
        let verdict = judge(narrowed.as_ref().unwrap_or(output), answer, &none, "answer");
        problems.extend(verdict.problems().map(ToString::to_string));
    }
    if !problems.is_empty() {
        return Err(problems);
    }

    let mut builder = ModuleBuilder::new(channel);
    let message = arrow(&mut builder, "message", &message, input, &none);
    // Partial in form only: the outputs that have no counterpart are not reached.
    let answer = answer.map(|answer| arrow(&mut builder, "answer", output, &answer, &none));
    Ok(crate::compile::finish(
        builder,
        Entry::Link(Link {
            sender: sender.digest(),
            channel: declared.name.clone(),
            receiver: receiver.digest(),
            message,
            answer,
        }),
    ))
}

/// Returns the output cases that the messages can lead to.
fn reached(receiver: &VerifiedMachine, messages: &Variant, inputs: &Variant) -> Option<BTreeSet<u32>> {
    let mut all = BTreeSet::new();
    for case in &messages.cases {
        let index = inputs.index(&case.label)?;
        match &receiver.reach(index).answers {
            Answers::Cases(cases) => all.extend(cases),
            Answers::Nobody => {}
            Answers::Any => return None,
        }
    }
    Some(all)
}

/// Returns the output type with the reached cases only; `None` when none is reached.
fn narrowed(output: &Ty, reached: &BTreeSet<u32>) -> Option<Ty> {
    let variant = output.as_variant()?;
    let cases = (0u32..).zip(&variant.cases).filter(|(index, _)| reached.contains(index));
    Ty::new(Kind::Variant(Variant { cases: cases.map(|(_, case)| case.clone()).collect() })).ok()
}

/// Adds a function that converts its one parameter.
pub(crate) fn arrow(builder: &mut ModuleBuilder, name: &str, from: &Ty, to: &Ty, edits: &Edits) -> FuncIx {
    let mut ops = vec![Op::Acc { level: 0 }];
    ops.extend(convert(builder, from, to, edits, 1).0);
    builder.function(name, std::slice::from_ref(from), to, Block(ops))
}
