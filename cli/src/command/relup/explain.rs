//! What a relup does and why, for people and for programs.

use std::fmt::Write;

use camshaft_agent::api::{NodeStatus, ReleaseState};
use camshaft_cam::derive::DownClass;
use camshaft_manifests::Version;
use camshaft_manifests::relup::Instruction;
use camshaft_releases::crossing::Crossing;
use camshaft_releases::explain::{AppStory, Changed, ChannelFate, Explanation, Fate, MachineStory, States};
use serde_json::{Map, Value, json};

use super::listing;
use super::plan::origin_in_words;
use crate::render::counted;

/// An explanation, and what a node says of its own state.
pub struct Told<'t> {
    pub crossing: &'t Crossing,
    pub explanation: &'t Explanation,
    /// The node that it is to be carried out on, if one was named.
    pub node: Option<&'t NodeStatus>,
}

impl Told<'_> {
    /// Returns why it would be refused: by its own sense, and by the node that was named.
    pub fn blocks(&self) -> Vec<String> {
        let of_node = self.node.and_then(|node| reason_not_on(node, self.crossing));
        self.explanation.blocks.iter().cloned().chain(of_node).collect()
    }

    /// Returns the explanation, after the listing of each step.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let relup = &self.crossing.relup;
        for (direction, instructions, reasons) in
            [("up", &relup.up, &self.explanation.up), ("down", &relup.down, &self.explanation.down)]
        {
            let _ = writeln!(text, "\n{direction}");
            for (index, (instruction, reason)) in instructions.iter().zip(reasons).enumerate() {
                for (row, line) in listing::to_text(instruction).iter().enumerate() {
                    let number = if row == 0 { (index + 1).to_string() } else { String::new() };
                    let _ = writeln!(text, "{number:>4}  {line}");
                    if row == 0 {
                        let _ = writeln!(text, "      - {reason}");
                    }
                }
            }
        }
        self.order(&mut text);
        self.machines(&mut text);
        self.apps(&mut text);
        self.clients(&mut text);
        self.instances(&mut text);
        let blocks = self.blocks();
        let _ = writeln!(text, "\nin the way");
        if blocks.is_empty() {
            let _ = writeln!(text, "  nothing that can be known without trying it on the live state");
        }
        for block in blocks {
            let _ = writeln!(text, "  {block}");
        }
        text
    }

    fn order(&self, text: &mut String) {
        let relup = &self.crossing.relup;
        let has = |word: &str| relup.up.iter().chain(&relup.down).any(|one| one.word() == word);
        let _ = writeln!(text, "\nwhy in this order");
        let _ =
            writeln!(text, "  before the switch stands what is undone by forgetting it: code, then trials");
        let _ =
            writeln!(text, "  applications stand after those that they depend on; links after all machines");
        if has("start") || has("stop") {
            let _ = writeln!(
                text,
                "  after the switch what came starts in that order, and what goes stops against it"
            );
        }
        let _ = writeln!(text, "  down is up with the releases exchanged, over the same edges");
    }

    fn machines(&self, text: &mut String) {
        let _ = writeln!(text, "\nmachines");
        for story in &self.explanation.machines {
            let count = self.count(story);
            let machine = &story.machine;
            match &story.fate {
                Fate::Added => drop(writeln!(text, "  {machine}: comes")),
                Fate::Removed => drop(writeln!(
                    text,
                    "  {machine}: goes{count}; its instances are put away whole, and come back on the way down"
                )),
                Fate::Same => drop(writeln!(text, "  {machine}: stays as it is{count}")),
                Fate::Changed(changed) => {
                    let _ = writeln!(text, "  {machine}: changes{count}");
                    describe(changed, text);
                }
            }
            if story.preserves {
                let _ = writeln!(
                    text,
                    "    it promises to do what it did; a node that records inputs holds it to that"
                );
            }
            for line in story.config.iter().flat_map(|(before, after)| config_lines(before, after)) {
                let _ = writeln!(text, "    config {line}");
            }
        }
    }

    /// Says how many instances a machine has on the node.
    fn count(&self, story: &MachineStory) -> String {
        let Some(node) = self.node else { return String::new() };
        let name = story.machine.to_string();
        let counts =
            node.machines.iter().find(|machine| machine.machine == name).map(|machine| machine.counts);
        counts.map_or(String::new(), |counts| format!(", {}", instances(counts.instances)))
    }

    fn apps(&self, text: &mut String) {
        let Explanation { apps, channels, .. } = self.explanation;
        if apps.is_empty() && channels.is_empty() {
            return;
        }
        let _ = writeln!(text, "\napplications and channels");
        for app in apps {
            let _ = writeln!(text, "  {}: {}", app.name, app_in_words(app));
            if let Some((before, after)) = &app.supervision {
                let _ = writeln!(text, "    supervision {before} -> {after}");
            }
        }
        for channel in channels {
            let what = match channel.what {
                ChannelFate::Added => "comes",
                ChannelFate::Removed => "goes; what waits in it is delivered all the same",
                ChannelFate::Changed => "its messages and answers are translated anew",
            };
            let _ = writeln!(text, "  channel {}: {what}", channel.channel);
        }
    }

    fn clients(&self, text: &mut String) {
        let clients = &self.explanation.clients;
        let list =
            |versions: &[Version]| versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "\nclients");
        match clients.default_before == clients.default_after {
            true => drop(writeln!(text, "  who says nothing goes on speaking {}", clients.default_after)),
            false => drop(writeln!(
                text,
                "  who says nothing was taken to speak {}, and is taken to speak {}",
                clients.default_before, clients.default_after
            )),
        }
        let _ = writeln!(text, "  spoken: {}", list(&clients.spoken));
        if !clients.dropped.is_empty() {
            let _ = writeln!(
                text,
                "  no more spoken: {}; while clients of it are there, the upgrade asks for --drop-clients",
                list(&clients.dropped)
            );
        }
        for client in self.node.iter().flat_map(|node| &node.clients) {
            let left = clients.dropped.iter().any(|version| version.to_string() == client.speaks);
            let left = if left { ", left behind" } else { "" };
            let requests = counted(usize::try_from(client.requests).unwrap_or(usize::MAX), "request");
            let _ = writeln!(text, "  {} of {} so far{left}: {requests}", client.speaks, client.app);
        }
        for (machine, open) in self.unanswered() {
            let _ = writeln!(text, "  {machine}, {open}");
        }
    }

    fn unanswered(&self) -> impl Iterator<Item = (String, &String)> {
        self.explanation.machines.iter().flat_map(|story| {
            let open = match &story.fate {
                Fate::Changed(changed) => &changed.unanswered[..],
                Fate::Added | Fate::Removed | Fate::Same => &[],
            };
            open.iter().map(|open| (story.machine.to_string(), open))
        })
    }

    fn instances(&self, text: &mut String) {
        let _ = writeln!(text, "\ninstances");
        let relup = &self.crossing.relup;
        if relup.up.is_empty() {
            let _ = writeln!(text, "  see nothing of it");
            return;
        }
        let _ = writeln!(
            text,
            "  nothing stops: they work on while code is loaded and every state is tried on a copy"
        );
        let _ = writeln!(
            text,
            "  pause: inputs wait while the switch is made, and are then answered; none is lost or refused"
        );
        let _ = writeln!(
            text,
            "  in the pause only the states that changed since they were tried are made anew; the others are there"
        );
        for story in &self.explanation.machines {
            let Fate::Changed(changed) = &story.fate else { continue };
            let cost = match (&changed.edge, changed.states) {
                (_, States::AsTheyWere | States::ZeroTouch) => "nothing: its states stay".to_owned(),
                (Some(edge), States::Made) => format!("{} fuel at most for each state", edge.cost),
                (None, States::Made) => "not known: there is no edge".to_owned(),
            };
            let _ = writeln!(text, "  {}: {cost}", story.machine);
        }
        if let Some(node) = self.node {
            let _ = writeln!(text, "  on this node: {}", instances(node.counts.instances));
            if let Some(pause) = node.last_pause_us {
                let _ = writeln!(text, "  its last switch kept inputs waiting for {pause} us");
            }
        }
    }

    /// Returns the explanation as data.
    pub fn to_json(&self) -> Value {
        let Explanation { up, down, machines, apps, channels, clients, .. } = self.explanation;
        let relup = &self.crossing.relup;
        let steps = |list: &[Instruction], reasons: &[String]| {
            let step =
                |(instruction, why): (&Instruction, &String)| json!({ "do": instruction.word(), "why": why });
            list.iter().zip(reasons).map(step).collect::<Vec<_>>()
        };
        let versions = |list: &[Version]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let app = |app: &AppStory| {
            json!({
                "name": app.name.to_string(), "before": app.before.as_ref().map(ToString::to_string),
                "after": app.after.as_ref().map(ToString::to_string),
                "supervision": app.supervision.as_ref().map(|(before, after)| json!({ "before": before, "after": after })),
            })
        };
        let channels = channels.iter().map(|channel| {
            let what = match channel.what {
                ChannelFate::Added => "added",
                ChannelFate::Removed => "removed",
                ChannelFate::Changed => "changed",
            };
            json!({ "channel": channel.channel, "what": what })
        });
        json!({
            "up": steps(&relup.up, up), "down": steps(&relup.down, down),
            "machines": machines.iter().map(|story| self.machine_to_json(story)).collect::<Vec<_>>(),
            "apps": apps.iter().map(app).collect::<Vec<_>>(),
            "channels": channels.collect::<Vec<_>>(),
            "clients": {
                "default_before": clients.default_before.to_string(),
                "default_after": clients.default_after.to_string(),
                "spoken": versions(&clients.spoken), "dropped": versions(&clients.dropped),
            },
            "blocks": self.blocks(),
        })
    }

    fn machine_to_json(&self, story: &MachineStory) -> Value {
        let name = story.machine.to_string();
        let count = self.node.and_then(|node| node.machines.iter().find(|machine| machine.machine == name));
        let fate = match &story.fate {
            Fate::Added => "added",
            Fate::Removed => "removed",
            Fate::Same => "same",
            Fate::Changed(_) => "changed",
        };
        let parsed = |json: &String| serde_json::from_str::<Value>(json).unwrap_or(Value::Null);
        let mut document = json!({
            "machine": name, "what": fate,
            "config": story.config.as_ref().map(|(before, after)| json!({ "before": parsed(before), "after": parsed(after) })),
            "instances": count.map(|machine| machine.counts.instances),
            "preserves_behaviour": story.preserves,
        });
        if let Fate::Changed(changed) = &story.fate {
            let edge = changed.edge.as_ref();
            document["why"] = json!(changed.why);
            document["states"] = json!(match changed.states {
                States::AsTheyWere => "as they were",
                States::ZeroTouch => "zero-touch",
                States::Made => "made anew",
            });
            document["class"] = json!(changed.class.to_string());
            document["lost"] = json!(changed.lost);
            document["lost_back"] = json!(changed.lost_back);
            document["unanswered"] = json!(changed.unanswered);
            document["certified"] = json!(edge.map(|edge| edge.not_certified.is_none()));
            document["not_certified"] = json!(edge.and_then(|edge| edge.not_certified.clone()));
            document["edge"] = json!(edge.map(|edge| origin_in_words(&edge.origin)));
            document["cost"] = json!(edge.map(|edge| edge.cost.clone()));
        }
        document
    }
}

fn instances(count: u64) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), "instance")
}

/// Says what becomes of the instances of a machine that changes.
fn describe(changed: &Changed, text: &mut String) {
    for why in &changed.why {
        let _ = writeln!(text, "    {why}");
    }
    let states = match changed.states {
        States::AsTheyWere => "states are what they were",
        States::ZeroTouch => "states stay as they are, and nothing is run on them (zero-touch)",
        States::Made => "states are made anew",
    };
    let _ = writeln!(text, "    {states}");
    for lost in &changed.lost {
        let aside = if changed.class == DownClass::D3 { ", and kept aside for the way back" } else { "" };
        let _ = writeln!(text, "    left out on the way up{aside}: {lost}");
    }
    let back = match changed.class {
        DownClass::D0 => "the way back is exact (D0)",
        DownClass::D1 => "the way back forgets what is only new (D1)",
        DownClass::D2 => "the way back is not there for every new state (D2)",
        DownClass::D3 => "the way back puts in what was kept aside (D3)",
        DownClass::D4 => "no way back gives back what was there (D4)",
    };
    let _ = writeln!(text, "    {back}");
    for lost in &changed.lost_back {
        let _ = writeln!(text, "      {lost}");
    }
    if let Some(edge) = &changed.edge {
        let _ = match &edge.not_certified {
            None => writeln!(text, "    certified: it cannot fail"),
            Some(reason) => writeln!(text, "    tried on the live state, not certified in advance: {reason}"),
        };
    }
}

fn app_in_words(app: &AppStory) -> String {
    match (&app.before, &app.after) {
        (Some(before), Some(after)) if before == after => after.to_string(),
        (Some(before), Some(after)) => format!("{before} -> {after}"),
        (None, Some(after)) => format!("comes with {after}"),
        (Some(before), None) => format!("goes, was {before}"),
        (None, None) => String::new(),
    }
}

/// Returns the settings that differ, a line each.
fn config_lines(before: &str, after: &str) -> Vec<String> {
    let object = |json: &str| match serde_json::from_str::<Value>(json) {
        Ok(Value::Object(fields)) => Some(fields),
        _ => None,
    };
    let (Some(old), Some(new)) = (object(before), object(after)) else {
        return vec![format!("{before} -> {after}")];
    };
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort();
    names.dedup();
    let shown = |fields: &Map<String, Value>, name: &str| {
        fields.get(name).map_or_else(|| "not there".to_owned(), ToString::to_string)
    };
    let differs = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    differs.map(|name| format!("{name}: {} -> {}", shown(&old, name), shown(&new, name))).collect()
}

/// Returns why a node would refuse this relup now.
fn reason_not_on(node: &NodeStatus, crossing: &Crossing) -> Option<String> {
    let Some(running) = &node.running else {
        return Some("the node is empty: a first release is installed".to_owned());
    };
    if running.digest != crossing.relup.from.digest {
        return Some(format!(
            "the node runs {} ({}), and this starts from {} ({})",
            running.version,
            running.digest.short(),
            crossing.relup.from.version,
            crossing.relup.from.digest.short()
        ));
    }
    let provisional = node.state == Some(ReleaseState::Provisional);
    provisional
        .then(|| format!("{} is provisional on the node: settle it with make-permanent", running.version))
}
