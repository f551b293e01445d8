//! `camshaft diff OLD [NEW]`: what changed between two releases, by types and code, and whether that
//! keeps what was promised.

mod routes;

use std::fmt::Write;
use std::path::PathBuf;

use camshaft_cam::derive::{
    Arrow, Change, Comparison, DownClass, Effect, InputChange, OutletWhat, Strictness, Verdict,
};
use camshaft_manifests::appup::Waiver;
use camshaft_releases::diff::{AppDiff, Bump, Diff, EdgeFound, MachineChange, MachineDiff, diff};
use camshaft_releases::routes::Routes;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::project::{open_bundle, open_newer};
use crate::render::counted;
use crate::talk::{Talk, colour_out};

/// Arguments of `diff`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The older release: a bundle
    old: PathBuf,

    /// The newer release: a bundle, or the folder of a project
    #[arg(default_value = ".")]
    new: PathBuf,

    /// What has to hold between the two; exit 1 where it does not [default: what the newer release
    /// asks for, and exit 0 whatever holds]
    #[arg(long, value_name = "CLASS", value_parser = strictness)]
    strict: Option<Strictness>,
}

fn strictness(word: &str) -> Result<Strictness, String> {
    Strictness::of_word(word).ok_or_else(|| {
        let words: Vec<&str> = Strictness::ALL.into_iter().map(Strictness::word).collect();
        format!("`{word}` is none of {}", words.join(", "))
    })
}

/// Compares two releases.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let (_, old) = open_bundle(&args.old)?;
    let new = open_newer(&args.old, &args.new, talk)?;
    let found = diff(&old, &new);
    let routes = camshaft_releases::routes::routes(&old, &new);
    let marks = Marks::new(colour_out() && !talk.json);
    let report = Report { diff: &found, routes: &routes, strict: args.strict, marks };
    let count = report.breaches();
    let asked = args.strict.filter(|_| count > 0);
    if asked.is_none() || !talk.json {
        talk.coloured_result(&report.to_json(), report.to_text());
    }
    let Some(class) = asked else {
        if count > 0 {
            talk.note(format!(
                "note: what the newer release asks for is broken in {}",
                counted(count, "place")
            ));
        }
        return Ok(());
    };
    let message = format!("what class `{class}` promises is broken in {}", counted(count, "place"));
    let hint = "mend them, set a rule aside under [[waive]] in appup.toml with its reason, or ask for less with --strict";
    Err(Failure::refused(message, hint).details(&report.to_json()))
}

/// How lines are marked. The mark carries the meaning, the colour repeats it.
struct Marks {
    coloured: bool,
}

impl Marks {
    fn new(coloured: bool) -> Marks {
        Marks { coloured }
    }

    /// `+` new, `-` gone, `~` another, `!` breaks what was promised.
    fn mark(&self, mark: char) -> String {
        let code = match mark {
            '+' => "32",
            '-' => "31",
            '!' => "1;31",
            _ => "33",
        };
        if self.coloured { format!("\x1b[{code}m{mark}\x1b[0m") } else { mark.to_string() }
    }
}

struct Report<'d> {
    diff: &'d Diff,
    /// What it means for channels between nodes.
    routes: &'d Routes,
    /// The class that was asked for; each application's own when none was.
    strict: Option<Strictness>,
    marks: Marks,
}

impl Report<'_> {
    fn strict(&self, app: &AppDiff) -> Strictness {
        self.strict.unwrap_or(app.strictness)
    }

    fn breaches(&self) -> usize {
        self.diff.apps.iter().map(|app| app.breaches(self.strict(app)).len()).sum()
    }

    fn to_text(&self) -> String {
        let ((old, before), (new, after)) = (&self.diff.before, &self.diff.after);
        let mut text = match old == new {
            true => format!("{old} {before} -> {after}\n"),
            false => format!("{old} {before} -> {new} {after}\n"),
        };
        for app in &self.diff.apps {
            self.app(app, &mut text);
        }
        for (index, (depth, mark, what)) in routes::lines(self.routes).into_iter().enumerate() {
            if index == 0 {
                text.push('\n');
            }
            self.line(&mut text, depth, mark, &what);
        }
        text
    }

    fn line(&self, text: &mut String, depth: usize, mark: char, what: &str) {
        let _ = writeln!(text, "{:indent$}{} {what}", "", self.marks.mark(mark), indent = depth * 2);
    }

    fn app(&self, app: &AppDiff, text: &mut String) {
        text.push('\n');
        match (&app.before, &app.after) {
            (None, Some(version)) => self.line(text, 0, '+', &format!("app {} {version}", app.name)),
            (Some(version), None) => self.line(text, 0, '-', &format!("app {} {version}", app.name)),
            (Some(before), Some(after)) => {
                let needed = app.bump_needed();
                let said = match app.bump_found() {
                    Some(found) if found < needed => {
                        format!("{before} -> {after}: {found}, and the changes ask for {needed}")
                    }
                    Some(Bump::None) => after.to_string(),
                    Some(found) => format!("{before} -> {after}: {found}; the changes ask for {needed}"),
                    None => after.to_string(),
                };
                let mark = if app.bump_found().is_some_and(|found| found < needed) { '!' } else { '~' };
                let mark = if needed == Bump::None && before == after { ' ' } else { mark };
                let was = app.was.as_ref().map(|was| format!(" (was {was})")).unwrap_or_default();
                self.line(text, 0, mark, &format!("app {}{was} {said}", app.name));
            }
            (None, None) => {}
        }
        if let Some(reason) = &app.restarts {
            self.line(
                text,
                1,
                '-',
                &format!("its states are given up, and come back on the way back: {reason}"),
            );
        }
        for machine in &app.machines {
            self.machine(app, machine, text);
        }
        for waiver in &app.waivers {
            self.line(text, 1, ' ', &format!("{} is set aside: {}", waiver.subject(), waiver.reason));
        }
    }

    fn machine(&self, app: &AppDiff, machine: &MachineDiff, text: &mut String) {
        let was = machine.was.as_ref().map(|was| format!(" (was {was})")).unwrap_or_default();
        let name = format!("{}{was}", machine.address.machine);
        let (comparison, edge) = match &machine.what {
            MachineChange::Added => return self.line(text, 1, '+', &format!("machine {name}")),
            MachineChange::Removed => return self.line(text, 1, '-', &format!("machine {name}")),
            MachineChange::Same => return self.line(text, 1, ' ', &format!("machine {name}: the same")),
            MachineChange::Changed { comparison, edge } => (comparison, edge.as_deref()),
        };
        let states = match (comparison.up.changes.is_empty(), comparison.is_zero_touch()) {
            _ if machine.restarts => "begins anew".to_owned(),
            (true, _) => "states as they were".to_owned(),
            (false, true) => "states stay as they are (zero-touch)".to_owned(),
            (false, false) => format!("states made anew, {}", down(comparison.down_class(), edge)),
        };
        self.line(text, 1, '~', &format!("machine {name}: {states}"));
        let breaches = app.breaches(self.strict(app));
        let broken = |change: &Change| {
            breaches.iter().any(|(of, breach)| **of == machine.address && breach.change == *change)
        };
        let verdict = |text: &mut String, depth: usize, arrow: Arrow, verdict: &Verdict| {
            for change in &verdict.changes {
                let mark = match change.effect {
                    _ if broken(change) => '!',
                    Effect::Lost => '-',
                    _ => '~',
                };
                let says = if machine.is_answered(arrow, change) { " (the migration says)" } else { "" };
                self.line(text, depth, mark, &format!("{} {change}{says}", change.rule));
            }
        };
        verdict(text, 2, Arrow::Up, &comparison.up);
        verdict(text, 2, Arrow::Config, &comparison.config);
        if comparison.init {
            self.line(text, 2, '~', "instances may begin in another state");
        }
        for invariant in &comparison.new_invariants {
            self.line(text, 2, '+', &format!("U032 invariant {invariant:?}"));
        }
        for invariant in &comparison.other_invariants {
            self.line(
                text,
                2,
                '~',
                &format!("U032 invariant {invariant:?}: its code or the state is another"),
            );
        }
        for invariant in &comparison.old_invariants {
            self.line(text, 2, '-', &format!("invariant {invariant:?}"));
        }
        for input in comparison.inputs.iter().filter(|input| is_change(input)) {
            let internal = if input.internal { "internal " } else { "" };
            let acts = if input.acts_otherwise { ": answers, states or effects may differ" } else { "" };
            self.line(text, 2, '~', &format!("on {internal}{}{acts}", input.label));
            verdict(text, 3, Arrow::Lift, &input.lift);
            verdict(text, 3, Arrow::Lower, &input.lower);
        }
        for input in &comparison.new_inputs {
            let internal = if input.internal { "internal " } else { "" };
            self.line(text, 2, '+', &format!("on {internal}{}", input.label));
        }
        for outlet in comparison.outlets.iter().filter(|outlet| outlet.is_change()) {
            let word = if outlet.port { "port" } else { "channel" };
            let mark = match &outlet.what {
                OutletWhat::New => '+',
                OutletWhat::Gone => '-',
                OutletWhat::Kept { .. } => '~',
            };
            self.line(text, 2, mark, &format!("U031 {word} {}", outlet.name));
            if let OutletWhat::Kept { up, answer, moved, .. } = &outlet.what {
                verdict(text, 3, Arrow::Outlet, up);
                verdict(text, 3, Arrow::Outlet, answer);
                if *moved {
                    self.line(text, 3, '~', "it leads elsewhere, or to other instances");
                }
            }
        }
        let told = edge.map(|edge| edge.not_certified.as_ref());
        let told = match told {
            None => "no edge: the newer release does not name the older one in `from`".to_owned(),
            Some(None) => "edge: certified, it cannot fail".to_owned(),
            Some(Some(reason)) => {
                format!("edge: tried on live states, not certified in advance: {reason}")
            }
        };
        let over = edge.and_then(|edge| edge.over.as_ref()).map(|over| format!(", over {over}"));
        self.line(text, 2, ' ', &[told, over.unwrap_or_default()].concat());
        if let Some(edge) = edge {
            self.line(text, 2, ' ', &format!("a state goes up for {} fuel at most", edge.cost));
        }
    }

    fn to_json(&self) -> Value {
        let release = |(name, version): &(_, _)| {
            let (name, version): (&camshaft_manifests::ReleaseName, &camshaft_manifests::Version) =
                (name, version);
            json!({ "name": name.to_string(), "version": version.to_string() })
        };
        json!({
            "before": release(&self.diff.before),
            "after": release(&self.diff.after),
            "strict": self.strict.map(Strictness::word),
            "breaches": self.breaches(),
            "apps": self.diff.apps.iter().map(|app| self.app_to_json(app)).collect::<Vec<_>>(),
            "routes": routes::to_json(self.routes),
        })
    }

    fn app_to_json(&self, app: &AppDiff) -> Value {
        let version = |version: &Option<_>| {
            let version: Option<&camshaft_manifests::Version> = version.as_ref();
            version.map(ToString::to_string)
        };
        let breaches = app.breaches(self.strict(app)).into_iter().map(|(machine, breach)| {
            json!({
                "machine": machine.to_string(), "arrow": breach.arrow.word(), "class": breach.class.word(),
                "change": change_to_json(&breach.change), "mend": breach.change.rule.text().mend,
            })
        });
        json!({
            "name": app.name.to_string(), "strictness": app.strictness.word(),
            "before": version(&app.before), "after": version(&app.after),
            "bump": { "needed": app.bump_needed().to_string(), "found": app.bump_found().map(|bump| bump.to_string()) },
            "was": app.was.as_ref().map(ToString::to_string), "restarts": app.restarts,
            "machines": app.machines.iter().map(machine_to_json).collect::<Vec<_>>(),
            "breaches": breaches.collect::<Vec<_>>(),
            "waivers": app.waivers.iter().map(waiver_to_json).collect::<Vec<_>>(),
        })
    }
}

fn waiver_to_json(waiver: &Waiver) -> Value {
    let (machine, from) = (waiver.machine.as_ref(), waiver.from.as_ref());
    json!({
        "rule": waiver.rule, "reason": waiver.reason,
        "machine": machine.map(ToString::to_string), "from": from.map(ToString::to_string),
    })
}

/// Says how states find their way down: as the edge has it, or as it is derived without one.
fn down(derived: DownClass, edge: Option<&EdgeFound>) -> &'static str {
    match (derived, edge.map(|edge| edge.class)) {
        (_, Some(Some(class))) => match class {
            DownClass::D0 => "the way down is exact (D0)",
            DownClass::D1 => "the way down forgets only what is new (D1)",
            DownClass::D2 => "not every new state has a way down (D2)",
            DownClass::D3 => "the way down puts back what was kept aside (D3)",
            DownClass::D4 => "no way down gives back what was there (D4)",
        },
        (DownClass::D3 | DownClass::D4, Some(None)) => "the way down is the one that the migration writes",
        (DownClass::D0, _) => "the way down is D0",
        (DownClass::D1, _) => "the way down is D1",
        (DownClass::D2, _) => "the way down is D2",
        (DownClass::D3, None) => "the way down needs what is dropped (D3)",
        (DownClass::D4, None) => "no way down can be derived (D4)",
    }
}

/// Returns true when there is something to say about an input.
fn is_change(input: &InputChange) -> bool {
    input.acts_otherwise || !input.lift.changes.is_empty() || !input.lower.changes.is_empty()
}

fn change_to_json(change: &Change) -> Value {
    let effect = match change.effect {
        Effect::Same => "same",
        Effect::Made => "made",
        Effect::Kept => "kept",
        Effect::Lost => "lost",
        Effect::Partial => "partial",
        Effect::Open => "open",
    };
    json!({ "rule": change.rule.to_string(), "path": change.path, "what": change.what, "effect": effect })
}

fn verdict_to_json(verdict: &Verdict) -> Vec<Value> {
    verdict.changes.iter().map(change_to_json).collect()
}

fn machine_to_json(machine: &MachineDiff) -> Value {
    let mut document = machine_what_to_json(machine);
    if let Some(was) = &machine.was {
        document["was"] = was.to_string().into();
    }
    document
}

fn machine_what_to_json(machine: &MachineDiff) -> Value {
    let name = machine.address.machine.to_string();
    match &machine.what {
        MachineChange::Added => json!({ "name": name, "what": "added" }),
        MachineChange::Removed => json!({ "name": name, "what": "removed" }),
        MachineChange::Same => json!({ "name": name, "what": "same" }),
        MachineChange::Changed { comparison, edge } => {
            let mut document = comparison_to_json(comparison);
            document["name"] = name.into();
            document["what"] = "changed".into();
            let edge = edge.as_deref();
            let not_certified = edge.and_then(|edge| edge.not_certified.as_ref());
            document["edge"] = json!(edge.map(|edge| edge.digest));
            document["said"] = json!(edge.map(|edge| edge.said.clone()).unwrap_or_default());
            document["certified"] = json!(edge.is_some() && not_certified.is_none());
            document["not_certified"] = json!(not_certified);
            document["class"] = json!(edge.and_then(|edge| edge.class).map(|class| class.to_string()));
            document["cost"] = json!(edge.map(|edge| &edge.cost));
            document["over"] = json!(edge.and_then(|edge| edge.over.as_ref()).map(ToString::to_string));
            document
        }
    }
}

fn comparison_to_json(comparison: &Comparison) -> Value {
    let input = |input: &InputChange| {
        json!({
            "case": &*input.label, "internal": input.internal, "acts_otherwise": input.acts_otherwise,
            "lift": verdict_to_json(&input.lift), "lower": verdict_to_json(&input.lower),
        })
    };
    let outlets = comparison.outlets.iter().filter(|outlet| outlet.is_change()).map(|outlet| {
        let mut document =
            json!({ "name": &*outlet.name, "kind": if outlet.port { "port" } else { "channel" } });
        match &outlet.what {
            OutletWhat::New => document["what"] = "added".into(),
            OutletWhat::Gone => document["what"] = "removed".into(),
            OutletWhat::Kept { up, down, answer, moved } => {
                document["what"] = "changed".into();
                document["up"] = verdict_to_json(up).into();
                document["down"] = verdict_to_json(down).into();
                document["answer"] = verdict_to_json(answer).into();
                document["moved"] = (*moved).into();
            }
        }
        document
    });
    json!({
        "zero_touch": comparison.is_zero_touch(),
        "down_class": comparison.down_class().to_string(),
        "up": verdict_to_json(&comparison.up),
        "down": verdict_to_json(&comparison.down),
        "config": verdict_to_json(&comparison.config),
        "init": comparison.init,
        "inputs": comparison.inputs.iter().map(input).collect::<Vec<_>>(),
        "new_inputs": comparison.new_inputs.iter().map(|input| json!({ "case": &*input.label, "internal": input.internal })).collect::<Vec<_>>(),
        "outlets": outlets.collect::<Vec<_>>(),
        "new_invariants": comparison.new_invariants.iter().map(|text| &**text).collect::<Vec<_>>(),
        "other_invariants": comparison.other_invariants.iter().map(|text| &**text).collect::<Vec<_>>(),
        "old_invariants": comparison.old_invariants.iter().map(|text| &**text).collect::<Vec<_>>(),
    })
}
