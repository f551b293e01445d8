//! Plans as lines, from OTP and from us.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

/// Something that a plan does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A module, or the machine that stands for it, gets code: for the first time or other code.
    Load(String),
    /// It is removed.
    Remove(String),
    /// An application is started.
    Start(String),
    /// It is stopped.
    Stop(String),
    /// It gives up its states and goes on.
    Restart(String),
    /// All of the node is started anew.
    Emulator,
}

/// One direction of a plan: its events, each with the moment at which it happens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The events in order.
    pub events: Vec<(usize, Event)>,
}

impl Plan {
    /// Returns the moment of an event.
    pub fn at(&self, event: &Event) -> Option<usize> {
        self.events.iter().find(|(_, other)| other == event).map(|(at, _)| *at)
    }

    /// Returns the subjects of events of one kind, sorted.
    pub fn subjects(&self, kind: fn(String) -> Event) -> Vec<&str> {
        let is_kind =
            |event: &Event| std::mem::discriminant(event) == std::mem::discriminant(&kind(String::new()));
        let mut all: Vec<&str> = self
            .events
            .iter()
            .filter(|(_, event)| is_kind(event))
            .map(|(_, event)| event.subject())
            .collect();
        all.sort_unstable();
        all
    }
}

impl Event {
    fn subject(&self) -> &str {
        match self {
            Event::Load(name)
            | Event::Remove(name)
            | Event::Start(name)
            | Event::Stop(name)
            | Event::Restart(name) => name,
            Event::Emulator => "",
        }
    }
}

/// Both directions of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Both {
    /// To the new release.
    pub up: Plan,
    /// Back.
    pub down: Plan,
}

/// A plan, or why there is none.
pub type Planned = Result<Both, String>;

/// Reads the plans of all cases. What stands behind a line `switch` happens at one moment, up to the first
/// `start` or `stop`.
pub fn read(text: &str) -> Result<BTreeMap<String, Planned>> {
    let mut plans: BTreeMap<String, Planned> = BTreeMap::new();
    let mut current: Option<String> = None;
    let mut at_once = None;
    for (at, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split(' ').collect();
        if let ["case", name] = words[..] {
            plans.insert(name.to_owned(), Ok(Both::default()));
            current = Some(name.to_owned());
            at_once = None;
            continue;
        }
        let plan =
            current.as_ref().and_then(|name| plans.get_mut(name)).context("a line before the first case")?;
        if let Some(reason) = line.strip_prefix("error ") {
            *plan = Err(reason.to_owned());
            continue;
        }
        let Ok(both) = plan else { bail!("a line behind an error: {line}") };
        let (way, rest) = match words[..] {
            ["up", ref rest @ ..] => (&mut both.up, rest),
            ["down", ref rest @ ..] => (&mut both.down, rest),
            _ => bail!("this is no line of a plan: {line}"),
        };
        let event = match *rest {
            ["switch"] => {
                at_once = Some(at);
                continue;
            }
            ["load", name] => Event::Load(name.to_owned()),
            ["remove", name] => Event::Remove(name.to_owned()),
            ["start", name] => Event::Start(name.to_owned()),
            ["stop", name] => Event::Stop(name.to_owned()),
            ["restart", name] => Event::Restart(name.to_owned()),
            ["emulator"] => Event::Emulator,
            _ => bail!("this is no line of a plan: {line}"),
        };
        if matches!(event, Event::Start(_) | Event::Stop(_)) {
            at_once = None;
        }
        way.events.push((at_once.unwrap_or(at), event));
    }
    Ok(plans)
}
