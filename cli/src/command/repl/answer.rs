//! What came of an entry, for people and for programs.

use camshaft_cam::session::{
    Advanced, Change, Fresh, Refusal, Reply, Standing, Stepped, Typed, changes, effect_text,
};
use camshaft_cam::ty::Ty;
use camshaft_cam::value;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::render;
use crate::talk::Talk;

/// Prints what came of an entry: one object with `--json`, else the result on stdout and a
/// refusal on stderr, with the line if it is to be `shown`.
pub fn print(
    talk: &mut Talk,
    entry: usize,
    line: usize,
    shown: Option<usize>,
    result: &Result<Reply, Refusal>,
) {
    if talk.json {
        let mut object = match result {
            Ok(reply) => reply_json(reply),
            Err(refusal) => json!({ "kind": "error", "error": refusal_json(refusal) }),
        };
        object["entry"] = json!(entry);
        object["line"] = json!(line);
        return talk.out(&object.to_string());
    }
    match result {
        Ok(reply) => talk.out(&render::harmless(&reply.to_text())),
        Err(refusal) => {
            let mut failure = failure(refusal.clone());
            if let Some(line) = shown {
                failure.message = format!("line {line}: {}", failure.message);
            }
            talk.failure(&failure);
        }
    }
}

/// Returns a refusal as a failure of the command.
pub fn failure(refusal: Refusal) -> Failure {
    let (message, hint) = refusal.to_words();
    let failure = Failure::refused(message, hint);
    match refusal {
        Refusal::Faults(diagnostics) => Failure { diagnostics, ..failure },
        _ => failure,
    }
}

fn refusal_json(refusal: &Refusal) -> Value {
    let (message, hint) = refusal.to_words();
    let mut error = json!({ "message": message, "hint": hint });
    match refusal {
        Refusal::Faults(faults) => {
            error["reason"] = json!("faults");
            error["diagnostics"] = faults.iter().map(render::to_json).collect();
        }
        Refusal::Trapped { trap, .. } => {
            error["reason"] = json!("trap");
            error["trap"] = json!(trap.to_string());
        }
        Refusal::DoesNotHold { sides } => {
            error["reason"] = json!("expectation");
            if let Some((left, right)) = sides {
                error["left"] = json!(left);
                error["right"] = json!(right);
            }
        }
        Refusal::Refused { .. } => error["reason"] = json!("refused"),
    }
    error
}

fn reply_json(reply: &Reply) -> Value {
    match reply {
        Reply::Value(typed) => with("value", typed_json(typed)),
        Reply::Bound(name, typed) => {
            let mut object = with("let", typed_json(typed));
            object["name"] = json!(&**name);
            object
        }
        Reply::Holds => json!({ "kind": "expect", "holds": true }),
        Reply::Type(what, ty) => json!({ "kind": "type", "of": what, "type": ty }),
        Reply::Declared(keys, fresh) => {
            let keys = keys.iter().map(|(key, again)| json!({ "item": key.to_string(), "again": again }));
            json!({ "kind": "declared", "items": keys.collect::<Vec<_>>(), "instance": fresh_json(fresh.as_ref()) })
        }
        Reply::Stepped(stepped) => stepped_json(stepped),
        Reply::Advanced(advanced) => advanced_json(advanced),
        Reply::State(standing) => standing_json(standing),
        Reply::Config(typed, fresh) => {
            let mut object = with("config", typed_json(typed));
            object["instance"] = fresh_json(fresh.as_ref());
            object
        }
        Reply::Listing(listing) => json!({ "kind": "code", "listing": listing }),
        Reply::Loaded(loading) => {
            let inputs =
                loading.inputs.iter().map(|(case, internal)| json!({ "case": case, "internal": internal }));
            json!({
                "kind": "loaded", "machine": &*loading.machine, "keyed": loading.keyed,
                "inputs": inputs.collect::<Vec<_>>(), "kept": loading.kept,
                "instance": fresh_json(loading.fresh.as_ref()),
            })
        }
        Reply::Reset(state) => with("reset", typed_json(state)),
        Reply::Undone(more) => json!({ "kind": "undone", "more": more }),
        Reply::Help(text) => json!({ "kind": "help", "text": text }),
        Reply::Asked(_) => json!({ "kind": "asked" }),
    }
}

fn with(kind: &str, mut object: Value) -> Value {
    object["kind"] = json!(kind);
    object
}

fn fresh_json(fresh: Option<&Fresh>) -> Value {
    fresh.map_or(Value::Null, |fresh| json!(fresh.to_words()))
}

/// The JSON form of values is written by `cam`; here it is put into a larger document.
fn value_json(value: &value::Value, ty: &Ty) -> Value {
    serde_json::from_str(&value.to_json_redacted(ty)).expect("the JSON form of a value is JSON")
}

fn typed_json(typed: &Typed) -> Value {
    json!({
        "value": value_json(&typed.value, &typed.ty), "text": typed.value.to_source(&typed.ty), "type": typed.name,
    })
}

fn change_json(change: &Change) -> Value {
    json!({ "path": change.path, "before": change.before, "after": change.after })
}

fn stepped_json(stepped: &Stepped) -> Value {
    let (step, machine) = (&stepped.step, &stepped.machine);
    let effects = step.effects.iter().map(|effect| effect_text(machine, effect));
    json!({
        "kind": "step",
        "input": value_json(&step.input, machine.input()),
        "output": stepped.output().map(|output| typed_json(&output)),
        "changes": stepped.changes().iter().map(change_json).collect::<Vec<_>>(),
        "effects": effects.collect::<Vec<_>>(),
        "fuel": step.fuel,
    })
}

fn advanced_json(advanced: &Advanced) -> Value {
    let machine = &advanced.machine;
    let fired = advanced.fired.iter().map(|fired| match fired {
        Ok(step) => {
            let changes = changes("state", machine.state(), &step.before, &step.after);
            let effects = step.effects.iter().map(|effect| effect_text(machine, effect));
            json!({
                "timer": step.timer.as_deref(), "at": step.now_ms,
                "input": value_json(&step.input, machine.input()),
                "changes": changes.iter().map(change_json).collect::<Vec<_>>(),
                "effects": effects.collect::<Vec<_>>(), "fuel": step.fuel,
            })
        }
        Err(misfire) => json!({
            "timer": &*misfire.timer, "at": misfire.now_ms,
            "input": value_json(&misfire.input, machine.input()),
            "trap": misfire.trap.to_string(),
        }),
    });
    json!({ "kind": "advanced", "by": advanced.by_ms, "now": advanced.now_ms, "fired": fired.collect::<Vec<_>>() })
}

fn standing_json(standing: &Standing) -> Value {
    let timers = standing.timers.iter().map(|(name, timer)| {
        json!({ "name": &**name, "due": timer.due_ms, "input": value_json(&timer.input, &standing.input) })
    });
    let mut object = with("state", typed_json(&standing.state));
    object["key"] = json!(&*standing.key);
    object["now"] = json!(standing.now_ms);
    object["seq"] = json!(standing.seq);
    object["timers"] = timers.collect();
    object["stopped"] = json!(standing.stopped);
    object
}
