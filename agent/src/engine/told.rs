//! What an input gave in the newer release, beside what it gives in the older one: for a rewind, which goes on with a
//! state only where both are the same, and for who sees a difference again elsewhere.
//!
//! What must stay true: two lines of an effect are the same exactly where the effects are. What is secret is in none of
//! them; that it is another is seen by a digest.

use camshaft_cam::digest::Digest;
use camshaft_cam::run::{self, EdgeArrow, Limits, edge_arrow};
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_cam::verify::{VerifiedEdge, VerifiedMachine};
use camshaft_store::Effect;

use super::carry::short;
use crate::api::{ToldEffect, ToldInput};

/// What the older release makes of an input.
pub(crate) struct Again {
    /// The answer, or kind and reason of why there is nothing.
    pub(crate) end: Result<Option<Value>, (String, String)>,
    /// The effects, in the order in which the step asked for them.
    pub(crate) effects: Vec<ToldEffect>,
}

/// What differs: its kind, and what is told of it.
pub(crate) type Differs = (&'static str, String);

/// Returns how what an input gave differs from what it gives in the older release. `answer` is the answer that was given, in
/// the type of the newer one.
pub(crate) fn differs(
    edge: &VerifiedEdge,
    (newer, older): (&Ty, &Ty),
    (was, answer): (&ToldInput, Option<&Value>),
    is: &Again,
) -> Option<Differs> {
    match (&was.trapped, &is.end) {
        (Some(trapped), Err(again)) if trapped == again => None,
        (Some((_, reason)), Err((_, why))) => {
            Some(("end", format!("ended in \"{reason}\", and would end in \"{why}\" in the older release")))
        }
        (Some((_, reason)), Ok(_)) => {
            Some(("end", format!("ended in \"{reason}\", and would be applied in the older release")))
        }
        (None, Err((_, reason))) => {
            Some(("end", format!("was applied, and would end in \"{reason}\" in the older release")))
        }
        (None, Ok(again)) => answers_differ(edge, (newer, older), answer, again.as_ref())
            .map(|why| ("answer", why))
            .or_else(|| effects_differ(&was.effects, &is.effects).map(|why| ("effects", why))),
    }
}

/// Returns how the answer that was given, in the form that the older release has for it, differs from the one that the
/// older release gives.
fn answers_differ(
    edge: &VerifiedEdge,
    (newer, older): (&Ty, &Ty),
    was: Option<&Value>,
    is: Option<&Value>,
) -> Option<String> {
    let (was, is) = match (was, is) {
        (None, None) => return None,
        (Some(was), Some(is)) => (was, is),
        (was, is) => {
            let word = |answer: Option<&Value>| if answer.is_some() { "an answer" } else { "no answer" };
            return Some(format!("got {}, and would get {} in the older release", word(was), word(is)));
        }
    };
    let shown = |value: &Value, ty: &Ty| short(&value.to_json_redacted(ty));
    let told = shown(is, older);
    match edge_arrow(edge, EdgeArrow::Lower, was, Limits::MIGRATION) {
        Ok(lowered) if lowered == *is => None,
        Ok(lowered) => Some(format!(
            "was answered {}, and would be answered {told} in the older release",
            shown(&lowered, older)
        )),
        Err(trap) => {
            let was = shown(was, newer);
            Some(format!("was answered {was}, for which the older release has no form: {trap}"))
        }
    }
}

fn effects_differ(was: &[ToldEffect], is: &[ToldEffect]) -> Option<String> {
    for place in 0..was.len().max(is.len()) {
        let (was, is) = (was.get(place), is.get(place));
        let word = |effect: Option<&ToldEffect>| {
            effect.map_or_else(|| "nothing".to_owned(), |effect| effect.words.clone())
        };
        let Some((did, does)) = was.zip(is) else {
            let (did, does) = (word(was), word(is));
            return Some(format!("came to {did}, where the older release has {does}"));
        };
        match &did.no_form {
            Some(why) => return Some(format!("came to {}, {why}", did.words)),
            None if did == does => {}
            None if did.words == does.words => {
                return Some(format!("came to {}, which is another in the older release", did.words));
            }
            None => {
                let (did, does) = (&did.words, &does.words);
                return Some(format!("came to {did}, where the older release has {does}"));
            }
        }
    }
    None
}

/// Returns an effect as it stands in the journal, with what is in it in the types of a machine.
pub(crate) fn told(effect: &Effect, machine: &VerifiedMachine) -> ToldEffect {
    let module = machine.module();
    let message = |ty: Option<&Ty>, bytes: &[u8]| {
        let value = ty.and_then(|ty| Some(Value::from_binary(bytes, ty).ok()?.to_json_redacted(ty)));
        value.unwrap_or_default()
    };
    let (more, bytes) = match effect {
        Effect::Stop => (String::new(), vec![]),
        Effect::Log(line) => (String::new(), line.clone().into_bytes()),
        Effect::Cancel(_) => (String::new(), vec![]),
        Effect::Timer { due_ms, input, .. } => {
            (format!("at {due_ms} ms: {}", message(Some(machine.input()), input)), input.clone())
        }
        Effect::Send { channel, message: bytes, .. } => {
            let ty = machine.channel(channel).map(|channel| module.ty(channel.message));
            (message(ty, bytes), bytes.clone())
        }
        Effect::Call { port, key, message: bytes } => {
            let ty = machine.port(port).map(|port| module.ty(port.message));
            let key = key.as_ref().map_or_else(String::new, |key| format!("[{key}] "));
            (key + &message(ty, bytes), bytes.clone())
        }
    };
    ToldEffect { words: words(effect), more, digest: Digest::of(&bytes), no_form: None }
}

/// Returns an effect of a step as the journal would have it.
pub(crate) fn recorded(effect: &run::Effect, machine: &VerifiedMachine, now_ms: i64) -> Effect {
    let module = machine.module();
    match effect {
        run::Effect::Stop => Effect::Stop,
        run::Effect::Log(line) => Effect::Log(line.to_string()),
        run::Effect::Cancel(name) => Effect::Cancel(name.to_string()),
        run::Effect::Timer { name, after_ms, input } => Effect::Timer {
            name: name.to_string(),
            due_ms: now_ms.saturating_add((*after_ms).max(0)),
            input: input.to_binary(machine.input()),
        },
        run::Effect::Send { channel, key, message } => {
            let channel = &machine.channels()[*channel as usize];
            let key = key.as_ref().map_or_else(String::new, |key| format!("/{key}"));
            Effect::Send {
                channel: channel.name.to_string(),
                to: format!("{}{key}", channel.target),
                message: message.to_binary(module.ty(channel.message)),
            }
        }
        run::Effect::Call { port, key, message } => {
            let port = &machine.ports()[*port as usize];
            Effect::Call {
                port: port.name.to_string(),
                key: key.as_ref().map(|key| key.to_string()),
                message: message.to_binary(module.ty(port.message)),
            }
        }
    }
}

/// Says what an effect is, without what is in it.
pub(crate) fn words(effect: &Effect) -> String {
    match effect {
        Effect::Stop => "the end of the instance".to_owned(),
        Effect::Log(_) => "a line for the log".to_owned(),
        Effect::Cancel(name) => format!("the end of timer `{name}`"),
        Effect::Timer { name, .. } => format!("timer `{name}`"),
        Effect::Send { channel, to, .. } => format!("a message on `{channel}` to {to}"),
        Effect::Call { port, .. } => format!("a call of `{port}`"),
    }
}
