//! Why a test fails, in words for a person.

use std::sync::Arc;

use super::case::{Act, What};
use super::differ::differences;
use super::observe::{place, written};
use super::play::Play;
use super::script::TrapWord;
use super::trouble::Trouble;
use super::world::Step;
use crate::diagnostic::Span;
use crate::value::source::{duration, text};

/// How many of the last things that a test did are listed.
const HISTORY_MAX: usize = 40;

/// How many steps of one of them are listed.
const STEPS_MAX: usize = 12;

/// Why a test fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What is wrong, in one line.
    pub message: String,
    /// The statement, or the part of it.
    pub span: Span,
    /// The reason in a few words, for beside the caret.
    pub label: String,
    /// What was found, each under a name; values as the language writes them.
    pub notes: Vec<(String, String)>,
    /// What the test did until then, as statements of a test; effects as comments.
    pub history: Vec<String>,
    /// The state, as the language writes it.
    pub state: Option<String>,
    /// What the last step changed in the state.
    pub changes: Vec<String>,
    /// What was generated, for a property.
    pub counterexample: Option<Counterexample>,
}

/// The smallest case found that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counterexample {
    /// The number of the case that failed first, from 1.
    pub case: u32,
    /// How many runs were spent on making it small.
    pub runs: u32,
    /// The arguments, as the language writes them.
    pub arguments: Vec<(Arc<str>, String)>,
    /// `ctx.seed`.
    pub seed: i64,
}

impl Failure {
    pub(super) fn new(
        trouble: &Trouble,
        play: Option<&Play<'_>>,
        counterexample: Option<Counterexample>,
    ) -> Failure {
        let last =
            play.and_then(|play| Some((play, play.acts.iter().rev().find_map(|act| act.steps.last())?)));
        Failure {
            message: trouble.message.clone(),
            span: trouble.span.clone(),
            label: trouble.label.clone(),
            notes: trouble.notes.clone(),
            history: play.map(history).unwrap_or_default(),
            state: play.map(|play| play.world.state.to_source(play.suite.machine.state())),
            changes: last.map(|(play, step)| changes(play, step)).unwrap_or_default(),
            counterexample,
        }
    }
}

fn changes(play: &Play<'_>, step: &Step) -> Vec<String> {
    let nothing = || "nothing".to_owned();
    differences(play.suite.machine.state(), &step.before, &step.after)
        .into_iter()
        .map(|one| {
            let (before, after) = (one.left.unwrap_or_else(nothing), one.right.unwrap_or_else(nothing));
            format!("state{}: {before} -> {after}", one.path)
        })
        .collect()
}

fn history(play: &Play<'_>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let hidden = play.acts.len().saturating_sub(HISTORY_MAX);
    if hidden > 0 {
        lines.push(format!("// {hidden} before these"));
    }
    for act in &play.acts[hidden..] {
        told(play, act, &mut lines);
    }
    lines
}

/// Writes what was done as a statement, and its effects below.
fn told(play: &Play<'_>, act: &Act, lines: &mut Vec<String>) {
    let machine = &play.suite.machine;
    match &act.what {
        What::Run(input) => {
            let input = input.to_source(machine.input());
            let ends = act.steps.first().map(|step| ends(play, step)).unwrap_or_default();
            lines.push(format!("run {input}{ends}"));
        }
        What::Advance(by) => {
            let trapped = act.steps.iter().find(|step| step.done.is_err());
            let ends = trapped.map(|step| ends(play, step)).unwrap_or_default();
            lines.push(format!("advance {}{ends}", duration(*by)));
        }
        What::Answer(owed, answer) => {
            let on = place(machine, owed.outlet, owed.key.as_deref());
            let ends = act.steps.first().map(|step| ends(play, step)).unwrap_or_default();
            lines.push(match (answer, owed.outlet.answer(machine)) {
                (Some(value), Some(shape)) => {
                    format!("answer {on} {}{ends}", value.to_source(machine.module().ty(shape.ty)))
                }
                _ => format!("no answer {on}{ends}"),
            });
        }
    }
    for step in act.steps.iter().take(STEPS_MAX) {
        if matches!(act.what, What::Advance(_)) {
            let input = step.input.to_source(machine.input());
            lines.push(format!("  // at {}: {input}", duration(step.at_ms)));
        }
        for effect in step.done.iter().flat_map(|done| &done.effects) {
            lines.push(format!("  // {}", written(machine, effect)));
        }
    }
    if let Some(more) = act.steps.len().checked_sub(STEPS_MAX + 1) {
        lines.push(format!("  // {} more steps", more + 1));
    }
}

fn ends(play: &Play<'_>, step: &Step) -> String {
    match &step.done {
        Ok(done) => match &done.output {
            Some(output) => format!(" gives {}", output.to_source(play.suite.machine.output())),
            None => String::new(),
        },
        Err(trap) => match TrapWord::of(trap) {
            (TrapWord::Fail, Some(why)) => format!(" fails {}", text(why)),
            (word, Some(why)) => format!(" traps {} {}", word.word(), text(why)),
            (word, None) => format!(" traps {}", word.word()),
        },
    }
}
