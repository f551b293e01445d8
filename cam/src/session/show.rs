//! Replies and refusals as text for people.

use std::fmt::Write as _;

use super::diff::Change;
use super::instance::{Misfire, Step};
use super::reply::{Advanced, Fresh, Loading, Refusal, Reply, Standing, Stepped, Typed, effect_text};
use crate::run::Limits;
use crate::ty::Ty;
use crate::value::Value;
use crate::verify::VerifiedMachine;
use crate::words::counted;

/// How wide lines may be before values are broken over several.
const WIDTH: usize = 100;
/// How much of a value is shown, in characters.
const VALUE_MAX: usize = 20_000;
/// How many changes of a step, and steps of an `advance`, are shown.
const LINES_MAX: usize = 40;

impl Reply {
    /// Returns the reply in words; it ends with a line break unless it is empty.
    pub fn to_text(&self) -> String {
        let mut text = match self {
            Reply::Value(typed) => shown(typed, 0),
            Reply::Bound(name, typed) => {
                let before = format!("{name} = ");
                let value = shown(typed, before.chars().count());
                before + &value
            }
            Reply::Holds => "holds".to_owned(),
            Reply::Type(what, ty) => format!("{what} : {ty}"),
            Reply::Declared(keys, fresh) => {
                let lines = keys.iter().map(|(key, again)| {
                    format!("{key} {}", if *again { "is declared anew" } else { "is declared" })
                });
                with_fresh(lines.collect::<Vec<_>>().join("\n"), fresh.as_ref())
            }
            Reply::Stepped(stepped) => step_text(stepped),
            Reply::Advanced(advanced) => advanced_text(advanced),
            Reply::State(standing) => standing_text(standing),
            Reply::Config(typed, fresh) => with_fresh(shown(typed, 0), fresh.as_ref()),
            Reply::Listing(listing) => listing.clone(),
            Reply::Loaded(loading) => loaded_text(loading),
            Reply::Reset(state) => format!("begins anew: {}", shown(state, 13)),
            Reply::Undone(more) => format!("taken back; {more} more can be"),
            Reply::Help(text) => text.clone(),
            Reply::Asked(_) => String::new(),
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }
}

impl Refusal {
    /// Returns (message, hint); what the compiler says is in its diagnostics.
    pub fn to_words(&self) -> (String, String) {
        match self {
            Refusal::Faults(faults) => {
                let count = faults.len();
                let code = faults.first().map_or("", |fault| fault.code);
                (counted(count as u64, "fault"), format!("camshaft explain {code} says more"))
            }
            Refusal::Trapped { trap, hint } => (format!("trap: {trap}"), hint.clone()),
            Refusal::DoesNotHold { sides } => {
                let why = match sides {
                    Some((left, right)) => format!("left is {left}, right is {right}"),
                    None => "it is false".to_owned(),
                };
                (format!("does not hold: {why}"), "nothing changed".to_owned())
            }
            Refusal::Refused { message, hint } => (message.clone(), hint.clone()),
        }
    }
}

fn shown(typed: &Typed, column: usize) -> String {
    let value = typed.value.to_source_lines(&typed.ty, column, WIDTH);
    format!("{} : {}", at_most(value, VALUE_MAX), typed.name)
}

fn at_most(text: String, length: usize) -> String {
    match text.char_indices().nth(length) {
        None => text,
        Some((end, _)) => format!("{} ... (cut)", &text[..end]),
    }
}

fn with_fresh(text: String, fresh: Option<&Fresh>) -> String {
    match fresh {
        None => text,
        Some(fresh) => format!("{text}\n{}", fresh.to_words()),
    }
}

impl Fresh {
    /// Returns it in words.
    pub fn to_words(&self) -> String {
        match self {
            Fresh::StateType => "the state has another type now: it begins anew from `init`".to_owned(),
            Fresh::Timers => "its timers are gone: inputs have another type now".to_owned(),
            Fresh::Invariant(trap) => {
                format!("the state begins anew from `init`: of the one before, {trap}")
            }
            Fresh::NoConfig => "no instance yet: the configuration has fields without a default; \
                 set it with `:config { ... }`"
                .to_owned(),
            Fresh::NoInit(trap) => {
                format!("no instance: `init` traps: {trap}; declare another `init`, or set `:config`")
            }
        }
    }
}

fn loaded_text(loading: &Loading) -> String {
    let keyed = if loading.keyed { ", keyed" } else { "" };
    let inputs = loading
        .inputs
        .iter()
        .map(|(case, internal)| format!("{case}{}", if *internal { " (internal)" } else { "" }));
    let kept = if loading.kept { "; the state is kept" } else { "" };
    let text =
        format!("machine {}{keyed}: takes {}{kept}", loading.machine, inputs.collect::<Vec<_>>().join(", "));
    with_fresh(text, loading.fresh.as_ref())
}

fn step_text(stepped: &Stepped) -> String {
    let mut text = match stepped.output() {
        Some(output) => shown(&output, 0) + "\n",
        None => String::new(),
    };
    step_body(&mut text, &stepped.changes(), &stepped.machine, &stepped.step);
    text
}

fn step_body(text: &mut String, changes: &[Change], machine: &VerifiedMachine, step: &Step) {
    for change in changes.iter().take(LINES_MAX) {
        let _ = writeln!(text, "  {}", at_most(change.to_string(), VALUE_MAX));
    }
    if changes.len() > LINES_MAX {
        let _ = writeln!(text, "  and {} changes more", changes.len() - LINES_MAX);
    }
    for effect in &step.effects {
        let _ = writeln!(text, "  {}", at_most(effect_text(machine, effect), VALUE_MAX));
    }
    let _ = writeln!(text, "  fuel {} of {}", step.fuel, Limits::STEP.fuel);
}

fn advanced_text(advanced: &Advanced) -> String {
    let mut text = String::new();
    for fired in advanced.fired.iter().take(LINES_MAX) {
        match fired {
            Ok(step) => {
                let timer = step.timer.as_deref().unwrap_or_default();
                text += &fired_line(timer, step.now_ms, &step.input, &advanced.machine);
                let stepped = Stepped {
                    step: step.clone(),
                    machine: advanced.machine.clone(),
                    output_name: advanced.output_name.clone(),
                };
                if let Some(output) = stepped.output() {
                    let _ = writeln!(text, "  {}", shown(&output, 2));
                }
                step_body(&mut text, &stepped.changes(), &advanced.machine, step);
            }
            Err(Misfire { timer, now_ms, input, trap }) => {
                text += &fired_line(timer, *now_ms, input, &advanced.machine);
                let _ = writeln!(text, "  trap: {trap}; the state is what it was");
            }
        }
    }
    if advanced.fired.len() > LINES_MAX {
        let _ = writeln!(text, "and {} timers more", advanced.fired.len() - LINES_MAX);
    }
    let _ = writeln!(text, "it is {} now", clock(advanced.now_ms));
    text
}

fn fired_line(timer: &str, now_ms: i64, input: &Value, machine: &VerifiedMachine) -> String {
    let timer = Value::text(timer).to_source(&Ty::text());
    format!("at {} timer {timer}: {}\n", clock(now_ms), input.to_source(machine.input()))
}

fn clock(ms: i64) -> String {
    Value::Int(ms).to_source(&Ty::duration())
}

fn standing_text(standing: &Standing) -> String {
    let mut text = shown(&standing.state, 0) + "\n";
    for (name, timer) in &standing.timers {
        let name = Value::Text(name.clone()).to_source(&Ty::text());
        let input = timer.input.to_source(&standing.input);
        let _ = writeln!(text, "  timer {name} at {} => {input}", clock(timer.due_ms));
    }
    let key = match &*standing.key {
        "" => String::new(),
        key => format!(", key {}", Value::text(key).to_source(&Ty::text())),
    };
    let stopped = if standing.stopped { ", stopped: the next input begins anew" } else { "" };
    let _ = writeln!(text, "  step {}, clock {}{key}{stopped}", standing.seq, clock(standing.now_ms));
    text
}
