//! What a relup does and why: the reason of each step, and what instances and clients will see of it.
//!
//! Nothing is decided here. Everything follows from the two releases and from what was planned, so that a
//! relup by anybody can be explained.
//!
//! Where to look: `steps` has the reason of each instruction, this page what becomes of machines,
//! applications, channels and clients.

mod steps;

use std::collections::BTreeSet;

use camshaft_cam::derive::{Arrow, Breach, Change, Comparison, DownClass, Effect, OutletWhat, Verdict};
use camshaft_cam::words::counted;
use camshaft_manifests::app::{After, Intensity, OnTrap, Supervision};
use camshaft_manifests::resolved::{ResolvedApp, ResolvedLink, ResolvedRelease};
use camshaft_manifests::{AppName, ChannelName, MachineAddress, Version};

use crate::crossing::{Crossing, Origin};
use crate::diff::{Diff, EdgeFound, MachineChange, MachineDiff, diff};
use crate::open::OpenedRelease;

/// What a relup does and why.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The reason of each instruction on the way up.
    pub up: Vec<String>,
    /// The reason of each instruction on the way down.
    pub down: Vec<String>,
    /// What becomes of each machine of either release, in the order of the newer one.
    pub machines: Vec<MachineStory>,
    /// The applications that change, come or go.
    pub apps: Vec<AppStory>,
    /// The channels that come, go or change.
    pub channels: Vec<ChannelStory>,
    /// What clients may speak.
    pub clients: ClientStory,
    /// Why a node would refuse it, or nobody should carry it out; empty: nothing stands in the way.
    pub blocks: Vec<String>,
}

/// What becomes of a machine.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineStory {
    /// The machine.
    pub machine: MachineAddress,
    /// What becomes of its code and its instances.
    pub fate: Fate,
    /// Its configuration before and after, in the JSON form of values, where that changes. No secret stands in it:
    /// types of configurations hold none.
    pub config: Option<(String, String)>,
    /// True when it promises to do what it did.
    pub preserves: bool,
}

/// What becomes of a machine.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// The newer release adds it.
    Added,
    /// The newer release does not have it.
    Removed,
    /// Its code stays.
    Same,
    /// It is another one.
    Changed(Box<Changed>),
}

/// What becomes of the instances of a machine that is another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Changed {
    /// What changed, the states first.
    pub why: Vec<String>,
    /// What is done to a state.
    pub states: States,
    /// How states find their way down.
    pub class: DownClass,
    /// What the way up leaves out of states.
    pub lost: Vec<String>,
    /// What the way down cannot give back, or not of every state.
    pub lost_back: Vec<String>,
    /// Inputs of older clients that have no counterpart, and messages that wait and have none.
    pub unanswered: Vec<String>,
    /// The edge, if there is one.
    pub edge: Option<EdgeStory>,
}

/// What is done to a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum States {
    /// Nothing: its type is what it was.
    AsTheyWere,
    /// Nothing: as it is, it is one of the newer type.
    ZeroTouch,
    /// It is made anew.
    Made,
}

/// The edge of a machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeStory {
    /// Where it comes from.
    pub origin: Origin,
    /// Why it is tried on live states and not certified in advance; nothing where it cannot fail.
    pub not_certified: Option<String>,
    /// The most fuel that migrating one state takes, in terms of the state.
    pub cost: String,
}

/// An application that changes, comes or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppStory {
    /// The name.
    pub name: AppName,
    /// The version before, if it was there.
    pub before: Option<Version>,
    /// The version after, if it is there.
    pub after: Option<Version>,
    /// How its machines were and are looked after, where that changes.
    pub supervision: Option<(String, String)>,
}

/// A channel that comes, goes or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelStory {
    /// The channel, its sender and its receiver, in words.
    pub channel: String,
    /// What becomes of it.
    pub what: ChannelFate,
}

/// What becomes of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChannelFate {
    /// Only the newer release has it.
    Added,
    /// Only the older release has it: what waits in it is delivered all the same.
    Removed,
    /// Its arrows are others: types at one of its ends changed.
    Changed,
}

/// What clients may speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientStory {
    /// What who says nothing was taken to speak.
    pub default_before: Version,
    /// What who says nothing is taken to speak.
    pub default_after: Version,
    /// The versions that the newer release speaks, the oldest first.
    pub spoken: Vec<Version>,
    /// The versions that the older release spoke and the newer one does not.
    pub dropped: Vec<Version>,
}

/// Explains the way from a release to another.
pub fn explain(old: &OpenedRelease, crossing: &Crossing) -> Explanation {
    let new = &crossing.release;
    let found = diff(old, new);
    let machines = machines(old, crossing, &found);
    let steps = steps::Steps { old: &old.resolved, new: &new.resolved, machines: &machines };
    Explanation {
        up: steps.up(&crossing.relup.up),
        down: steps.down(&crossing.relup.down),
        apps: apps(&old.resolved, &new.resolved),
        channels: channels(&old.resolved, &new.resolved),
        clients: clients(&old.resolved, &new.resolved),
        blocks: blocks(crossing, &found),
        machines,
    }
}

fn machines(old: &OpenedRelease, crossing: &Crossing, found: &Diff) -> Vec<MachineStory> {
    let new = &crossing.release.resolved;
    let config = |release: &ResolvedRelease, machine: &MachineAddress| {
        release.machine(machine).map(|machine| machine.config.clone())
    };
    let story = |found: &MachineDiff| {
        let machine = found.address.clone();
        let both = config(&old.resolved, &machine).zip(config(new, &machine));
        let fate = match &found.what {
            MachineChange::Added => Fate::Added,
            MachineChange::Removed => Fate::Removed,
            MachineChange::Same => Fate::Same,
            MachineChange::Changed { comparison, edge } => {
                Fate::Changed(Box::new(changed(found, comparison, edge.as_deref(), crossing)))
            }
        };
        let preserves = crossing.from.transition.preserves.contains(&machine);
        MachineStory { machine, fate, config: both.filter(|(before, after)| before != after), preserves }
    };
    let mut stories: Vec<MachineStory> = found.apps.iter().flat_map(|app| &app.machines).map(story).collect();
    // The order in which they are loaded; what goes comes last.
    let place = |story: &MachineStory| {
        new.machines().position(|(machine, _)| machine == story.machine).unwrap_or(usize::MAX)
    };
    stories.sort_by_key(place);
    stories
}

fn changed(
    found: &MachineDiff,
    comparison: &Comparison,
    edge: Option<&EdgeFound>,
    crossing: &Crossing,
) -> Changed {
    let states = match (comparison.up.changes.is_empty(), comparison.is_zero_touch()) {
        (true, true) => States::AsTheyWere,
        (false, true) => States::ZeroTouch,
        // Of a state whose type stays, what has to hold may be more.
        (true, false) if edge.is_some_and(|edge| edge.not_certified.is_none()) => States::AsTheyWere,
        _ => States::Made,
    };
    let class = edge.and_then(|edge| edge.class).unwrap_or_else(|| comparison.down_class());
    let lost: Vec<&Change> = comparison.up.losses().collect();
    let told = |arrow, change: &Change| {
        // Where there is an edge, somebody wrote what cannot be derived of a way down.
        let written = edge.is_some() && arrow == Arrow::Down && change.effect == Effect::Open;
        let says = if written || found.is_answered(arrow, change) { " (the migration says)" } else { "" };
        format!("{} {change}{says}", change.rule)
    };
    let back = comparison.down.changes.iter().filter(|change| match class {
        DownClass::D0 => false,
        DownClass::D1 => change.effect >= Effect::Lost || change.effect == Effect::Made,
        // What was kept aside comes back.
        DownClass::D3 => change.effect >= Effect::Lost && !lost.iter().any(|kept| kept.path == change.path),
        DownClass::D2 | DownClass::D4 => change.effect >= Effect::Lost,
    });
    let lost_back = back.map(|change| told(Arrow::Down, change)).collect();
    let mut unanswered = vec![];
    for input in comparison.inputs.iter().filter(|input| !input.internal) {
        let open = input.lift.problems().filter(|change| !found.is_answered(Arrow::Lift, change));
        unanswered.extend(open.map(|change| format!("input {}: {} {change}", input.label, change.rule)));
        let open = input.lower.problems().filter(|change| !found.is_answered(Arrow::Lower, change));
        unanswered.extend(open.map(|change| format!("answer to {}: {} {change}", input.label, change.rule)));
    }
    for outlet in &comparison.outlets {
        if let OutletWhat::Kept { up, .. } = &outlet.what {
            let open = up.problems();
            unanswered.extend(open.map(|change| format!("message that waits: {} {change}", change.rule)));
        }
    }
    let origin = crossing.origins.get(&found.address).cloned();
    Changed {
        why: why(comparison),
        states,
        class,
        lost: lost.into_iter().map(|change| told(Arrow::Up, change)).collect(),
        lost_back,
        unanswered,
        edge: edge.zip(origin).map(|(edge, origin)| EdgeStory {
            origin,
            not_certified: edge.not_certified.clone(),
            cost: edge.cost.clone(),
        }),
    }
}

/// Says what changed in a machine, the states first.
fn why(comparison: &Comparison) -> Vec<String> {
    let changes = |verdict: &Verdict| {
        verdict.changes.iter().map(|change| format!("{} {change}", change.rule)).collect::<Vec<_>>()
    };
    let mut all = changes(&comparison.up);
    all.extend(changes(&comparison.config));
    if comparison.init {
        all.push("instances may begin in another state".to_owned());
    }
    let invariants = comparison.new_invariants.iter().map(|text| format!("invariant {text:?} is new"));
    let others = comparison.other_invariants.iter().map(|text| format!("invariant {text:?} is another"));
    let gone = comparison.old_invariants.iter().map(|text| format!("invariant {text:?} is gone"));
    all.extend(invariants.chain(others).chain(gone));
    for input in &comparison.inputs {
        let typed = changes(&input.lift).into_iter().chain(changes(&input.lower)).next();
        match typed {
            Some(change) => all.push(format!("on {}: {change}", input.label)),
            None if input.acts_otherwise => all.push(format!("on {}: it may act otherwise", input.label)),
            None => {}
        }
    }
    all.extend(comparison.new_inputs.iter().map(|input| format!("on {}: it is new", input.label)));
    for outlet in comparison.outlets.iter().filter(|outlet| outlet.is_change()) {
        let word = if outlet.port { "port" } else { "channel" };
        let what = match outlet.what {
            OutletWhat::New => "is new",
            OutletWhat::Gone => "is gone",
            OutletWhat::Kept { .. } => "is another",
        };
        all.push(format!("{word} {} {what}", outlet.name));
    }
    if all.is_empty() {
        all.push("its code is another; its types are the same".to_owned());
    }
    all
}

fn apps(old: &ResolvedRelease, new: &ResolvedRelease) -> Vec<AppStory> {
    let find = |release: &ResolvedRelease, name: &AppName| -> Option<ResolvedApp> {
        release.apps.iter().find(|app| app.name == *name).cloned()
    };
    // The order in which they start; what goes comes last.
    let mut names: Vec<&AppName> = new.apps.iter().map(|app| &app.name).collect();
    let gone: Vec<&AppName> =
        old.apps.iter().map(|app| &app.name).filter(|name| !names.contains(name)).collect();
    names.extend(gone);
    let story = |name: &AppName| {
        let (before, after) = (find(old, name), find(new, name));
        let watched = before.as_ref().zip(after.as_ref());
        let watched = watched.map(|(before, after)| (&before.supervision, &after.supervision));
        let supervision = watched
            .filter(|(before, after)| before != after)
            .map(|(before, after)| (supervision_in_words(before), supervision_in_words(after)));
        let story = AppStory {
            name: name.clone(),
            before: before.map(|app| app.version),
            after: after.map(|app| app.version),
            supervision,
        };
        (story.before != story.after || story.supervision.is_some()).then_some(story)
    };
    names.into_iter().filter_map(story).collect()
}

fn supervision_in_words(supervision: &Supervision) -> String {
    let strategy = supervision.strategy.word();
    let mut words = match supervision.intensity {
        Some(Intensity { traps, within }) => {
            format!("{strategy}, {} within {within}", counted(traps, "trap"))
        }
        None => format!("{strategy}, any number of traps"),
    };
    for (machine, on_trap) in &supervision.machines {
        let what = match on_trap {
            OnTrap::Refuse => continue,
            OnTrap::Hold(_) => "holds",
            OnTrap::Reset(_) => "resets",
        };
        let after = match on_trap.after() {
            Some(After::Within(Intensity { traps, within })) => {
                format!("after {} within {within}", counted(traps, "trap"))
            }
            Some(After::First) | None => "at the first trap".to_owned(),
        };
        words.push_str(&format!(", {machine} {what} {after}"));
    }
    words
}

fn channels(old: &ResolvedRelease, new: &ResolvedRelease) -> Vec<ChannelStory> {
    let ends = |link: &ResolvedLink| (link.sender.clone(), link.channel.clone(), link.receiver.clone());
    let all: BTreeSet<_> = old.links.iter().chain(&new.links).map(ends).collect();
    let find = |release: &ResolvedRelease, wanted: &_| {
        release.links.iter().find(|link| ends(link) == *wanted).map(|link| link.digest)
    };
    let story = |wanted: (MachineAddress, ChannelName, MachineAddress)| {
        let what = match (find(old, &wanted), find(new, &wanted)) {
            (Some(before), Some(after)) if before == after => return None,
            (Some(_), Some(_)) => ChannelFate::Changed,
            (None, _) => ChannelFate::Added,
            (_, None) => ChannelFate::Removed,
        };
        let (sender, channel, receiver) = wanted;
        Some(ChannelStory { channel: format!("{channel} of {sender} to {receiver}"), what })
    };
    all.into_iter().filter_map(story).collect()
}

fn clients(old: &ResolvedRelease, new: &ResolvedRelease) -> ClientStory {
    let speaks = |release: &ResolvedRelease| -> BTreeSet<Version> {
        let before = release.predecessors.iter().map(|one| one.version.clone());
        before.chain([release.version.clone()]).collect()
    };
    let (before, spoken) = (speaks(old), speaks(new));
    ClientStory {
        default_before: old.spoken_by_default().clone(),
        default_after: new.spoken_by_default().clone(),
        dropped: before.difference(&spoken).cloned().collect(),
        spoken: spoken.into_iter().collect(),
    }
}

fn blocks(crossing: &Crossing, found: &Diff) -> Vec<String> {
    let missing = crossing.missing.iter().map(|missing| {
        format!(
            "{} from {}: nothing leads over; a migration has to be written",
            missing.machine, missing.version
        )
    });
    let faults = crossing.faults.iter().map(|fault| format!("the relup breaks a rule: {fault}"));
    // What a build was asked for it was judged by.
    let judged = found.apps.iter().filter(|_| !crossing.recorded).flat_map(|app| {
        let class = app.strictness;
        let told = |(machine, _): &(&MachineAddress, Breach)| {
            !crossing.missing.iter().any(|missing| missing.machine == **machine)
        };
        app.breaches(class).into_iter().filter(told).map(move |(machine, breach)| {
            format!(
                "{machine}: {} {} breaks class `{class}`, which the release asks for",
                breach.change.rule, breach.change
            )
        })
    });
    missing.chain(faults).chain(judged).collect()
}

#[cfg(test)]
mod tests;
