//! What a step did to the world: looked for, and put into words.

use std::sync::Arc;

use super::play::Play;
use super::script::{Observed, Outlet, SiteId};
use super::trouble::{Played, trouble};
use crate::diagnostic::Span;
use crate::run::Effect;
use crate::value::Value;
use crate::value::source::{duration, text};
use crate::verify::VerifiedMachine;

/// Returns a channel or port as it stands in a `send` or `call`: `billing["o"]`.
pub(super) fn place(machine: &VerifiedMachine, outlet: Outlet, key: Option<&str>) -> String {
    let name = outlet.name(machine);
    match key {
        Some(key) => format!("{name}[{}]", text(key)),
        None => name.to_string(),
    }
}

/// Returns an effect as the language writes it.
pub(super) fn written(machine: &VerifiedMachine, effect: &Effect) -> String {
    match effect {
        Effect::Stop => "stop".to_owned(),
        Effect::Log(line) => format!("log {}", text(line)),
        Effect::Cancel(name) => format!("cancel {}", text(name)),
        Effect::Timer { name, after_ms, input } => {
            let input = input.to_source(machine.input());
            format!("timer {} after {} => {input}", text(name), duration(*after_ms))
        }
        Effect::Send { .. } | Effect::Call { .. } => {
            let Some((outlet, key, message)) = emitted(effect) else { return String::new() };
            let word = if matches!(outlet, Outlet::Channel(_)) { "send" } else { "call" };
            let message = message.to_source(outlet.message(machine));
            format!("{word} {} {message}", place(machine, outlet, key.map(|key| &**key)))
        }
    }
}

/// Returns what an effect sends or calls, if it does.
fn emitted(effect: &Effect) -> Option<(Outlet, Option<&Arc<str>>, &Value)> {
    match effect {
        Effect::Send { channel, key, message } => Some((Outlet::Channel(*channel), key.as_ref(), message)),
        Effect::Call { port, key, message } => Some((Outlet::Port(*port), key.as_ref(), message)),
        _ => None,
    }
}

/// The values of what a statement says, and how it reads.
struct Asked<'p> {
    holds: Box<dyn Fn() -> bool + 'p>,
    /// What is looked for: "a message on billing".
    what: String,
    /// What there is of the kind.
    found: Vec<String>,
}

impl Play<'_> {
    /// Checks that something was done, or was not.
    pub(super) fn observe(&self, what: &Observed, wanted: bool, span: &Span) -> Played<()> {
        let asked = match what {
            Observed::Sent(outlet, key, message) => self.emissions("sent", *outlet, *key, *message, span)?,
            Observed::Called(outlet, key, message) => {
                self.emissions("called", *outlet, *key, *message, span)?
            }
            Observed::Logged(line) => {
                let line = line.map(|line| self.text(line, span)).transpose()?;
                self.logged(line)
            }
            Observed::Timer(name, after, input) => {
                let name = name.map(|name| self.text(name, span)).transpose()?;
                let after = after.map(|after| self.int(after, span)).transpose()?;
                let input = input.map(|input| self.value(input, span)).transpose()?;
                self.timer(name, after, input)
            }
            Observed::Stopped => Asked {
                holds: Box::new(|| self.world.is_stopped()),
                what: "the instance has stopped".to_owned(),
                found: vec![if self.world.is_stopped() { "it has stopped" } else { "it goes on" }.to_owned()],
            },
        };
        if (asked.holds)() == wanted {
            return Ok(());
        }
        let message =
            if wanted { format!("not so: {}", asked.what) } else { format!("so it is: {}", asked.what) };
        let label = if wanted { "nothing like it" } else { "there is one" };
        let mut found = trouble(span, message, label);
        if asked.found.is_empty() {
            found = found.note("found", "none");
        }
        for one in asked.found {
            found = found.note("found", one);
        }
        found.end()
    }

    /// What was sent, or called. `word` says which.
    fn emissions(
        &self,
        word: &'static str,
        outlet: Option<Outlet>,
        key: Option<SiteId>,
        message: Option<SiteId>,
        span: &Span,
    ) -> Played<Asked<'_>> {
        let machine = &self.suite.machine;
        let key = key.map(|key| self.text(key, span)).transpose()?;
        let message = message.map(|message| self.value(message, span)).transpose()?;
        let alike = move || {
            let all = self.recent.iter().filter_map(|effect| Some((effect, emitted(effect)?)));
            all.filter(move |(_, (to, ..))| matches!(to, Outlet::Channel(_)) == (word == "sent"))
        };
        let on = match outlet {
            Some(outlet) => format!(" on {}", place(machine, outlet, key.as_deref())),
            None => String::new(),
        };
        let what = match (&message, outlet) {
            (Some(message), Some(outlet)) => {
                format!("{} was {word}{on}", message.to_source(outlet.message(machine)))
            }
            _ => format!("a message was {word}{on}"),
        };
        let found = alike().map(|(effect, _)| written(machine, effect)).collect();
        let holds = move || {
            alike().any(|(_, (to, with, sent))| {
                outlet.is_none_or(|outlet| outlet == to)
                    && key.as_ref().is_none_or(|key| with == Some(key))
                    && message.as_ref().is_none_or(|message| message == sent)
            })
        };
        Ok(Asked { holds: Box::new(holds), what, found })
    }

    fn logged(&self, line: Option<Arc<str>>) -> Asked<'_> {
        let lines = || {
            self.recent.iter().filter_map(|effect| match effect {
                Effect::Log(line) => Some(line),
                _ => None,
            })
        };
        let what = match &line {
            Some(line) => format!("{} was logged", text(line)),
            None => "something was logged".to_owned(),
        };
        let found = lines().map(|line| format!("log {}", text(line))).collect();
        let holds = move || lines().any(|found| line.as_ref().is_none_or(|line| line == found));
        Asked { holds: Box::new(holds), what, found }
    }

    fn timer(&self, name: Option<Arc<str>>, after: Option<i64>, input: Option<Value>) -> Asked<'_> {
        let machine = &self.suite.machine;
        let now = self.world.now_ms;
        let mut what = match &name {
            Some(name) => format!("a timer {} runs", text(name)),
            None => "a timer runs".to_owned(),
        };
        if let Some(after) = after {
            what += &format!(", due after {}", duration(after));
        }
        if let Some(input) = &input {
            what += &format!(", with {}", input.to_source(machine.input()));
        }
        let found = self.world.timers().map(|(name, timer)| {
            let input = timer.input.to_source(machine.input());
            format!("timer {} after {} => {input}", text(name), duration(timer.due_ms - now))
        });
        let found = found.collect();
        let holds = move || {
            self.world.timers().any(|(other, timer)| {
                name.as_ref().is_none_or(|name| name == other)
                    && after.is_none_or(|after| timer.due_ms - now == after)
                    && input.as_ref().is_none_or(|input| *input == timer.input)
            })
        };
        Asked { holds: Box::new(holds), what, found }
    }
}
