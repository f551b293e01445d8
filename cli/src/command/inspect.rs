//! `camshaft inspect BUNDLE`: what a bundle holds, after everything in it was checked.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use camshaft_cam::code::disassemble::disassemble_verified;
use camshaft_cam::digest::Digest;
use camshaft_cam::facts::{Answers, Reach};
use camshaft_cam::verify::{VerifiedEdge, VerifiedMachine, VerifiedModule};
use camshaft_manifests::relup::{Instruction, Relup};
use camshaft_manifests::resolved::ResolvedRelease;
use camshaft_releases::OpenedRelease;
use camshaft_releases::bundle::{Found, Limits, survey};
use camshaft_releases::patch::{self, Patch, PatchError};
use serde_json::{Value, json};

use crate::failure::{Failure, chain};
use crate::project::{open_bundle, read_bundle};
use crate::signatures::{self, Standing};
use crate::talk::Talk;

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle: NAME-VERSION.tar.gz
    bundle: PathBuf,

    /// List the bytecode of machines, edges and links too
    #[arg(long)]
    code: bool,

    /// Whose signatures count: a signers.toml; exit 1 when they do not suffice
    #[arg(long, value_name = "FILE")]
    trust: Option<PathBuf>,
}

/// Opens the bundle and prints what it holds.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    if let Some((patch, bytes)) = patch_at(&args.bundle)? {
        let (document, text) = super::relup::describe_patch(&patch, bytes);
        talk.result(&document, text);
        return Ok(());
    }
    let (bytes, release) = match open_bundle(&args.bundle) {
        Ok(opened) => opened,
        Err(failure) => return Err(surveyed(&args.bundle, failure, talk)),
    };
    let signers = args.trust.as_deref().map(signatures::read_signers).transpose()?;
    let standing = Standing::of(&args.bundle, &release, signers.as_ref())?;
    if let Some(refusal) = standing.refusal() {
        return Err(refusal);
    }
    let code = if args.code { listings(&release) } else { Vec::new() };
    let mut document = document(&release, bytes.len(), args.code.then_some(&code[..]));
    document["signatures"] = standing.to_json();
    let mut text = describe(&release, bytes.len()) + &standing.describe();
    for (kind, subject, listing) in &code {
        let _ = write!(text, "\n{kind} {subject}\n{listing}");
    }
    talk.result(&document, text);
    Ok(())
}

/// Shows of a bundle that is refused what can be read of it.
fn surveyed(path: &Path, failure: Failure, talk: &mut Talk) -> Failure {
    let Ok(bytes) = read_bundle(path) else { return failure };
    let survey = survey(&*bytes, &Limits::DEFAULT);
    let Some((manifest, digest)) = &survey.manifest else { return failure };
    let files = survey.files.iter().map(|(path, found)| {
        let reason = match found {
            Found::Damaged(error) => Some(error.to_string()),
            _ => None,
        };
        json!({ "path": path.as_str(), "state": found.word(), "reason": reason })
    });
    let apps = survey.release.iter().flat_map(|release| &release.apps);
    let apps: Vec<(String, String)> =
        apps.map(|app| (app.name.to_string(), app.version.to_string())).collect();
    let document = json!({
        "name": manifest.name.to_string(), "version": manifest.version.to_string(), "digest": digest,
        "files": files.collect::<Vec<_>>(),
        "ended": survey.ended.as_ref().map(|error| chain(error)),
        "apps": apps.iter().map(|(name, version)| json!({ "name": name, "version": version })).collect::<Vec<_>>(),
    });
    let mut text = format!("{} {}\n{digest}\n", manifest.name, manifest.version);
    for (name, version) in &apps {
        let _ = writeln!(text, "app {name} {version}");
    }
    for (path, found) in &survey.files {
        let _ = match found {
            Found::Damaged(error) => writeln!(text, "  {:<9} {path}: {error}", found.word()),
            _ => writeln!(text, "  {:<9} {path}", found.word()),
        };
    }
    if let Some(error) = &survey.ended {
        let _ = writeln!(text, "  then      {}", chain(error));
    }
    if !talk.json {
        talk.out(&crate::render::harmless(&text));
    }
    failure.details(&document)
}

/// Returns the patch bundle of a file and its size; nothing when it is none, whatever else it may be.
fn patch_at(path: &Path) -> Result<Option<(Patch, usize)>, Failure> {
    let bytes = read_bundle(path)?;
    match patch::read(&bytes) {
        Ok(patch) => Ok(Some((patch, bytes.len()))),
        // What is wrong with an archive is told as that of a bundle.
        Err(PatchError::NoManifest | PatchError::Archive(_)) => Ok(None),
        Err(error) => {
            let message = format!("{} is refused: {}", path.display(), chain(&error));
            Err(Failure::refused(message, "make the patch again: camshaft relup patch OLD NEW"))
        }
    }
}

/// Returns (kind, what it belongs to, listing) of every module.
fn listings(release: &OpenedRelease) -> Vec<(&'static str, String, String)> {
    let resolved = &release.resolved;
    let mut all = Vec::new();
    let mut list = |kind, subject: String, module: Option<&VerifiedModule>| {
        all.extend(module.map(|module| (kind, subject, disassemble_verified(module))));
    };
    for (address, machine) in resolved.machines() {
        let module = release.machines.get(&machine.digest).map(|machine| machine.verified_module());
        list("machine", address.to_string(), module);
    }
    for edge in &resolved.edges {
        let subject = format!("{} from {} to {}", edge.machine, edge.from.short(), edge.to.short());
        list("edge", subject, release.edges.get(&edge.digest).map(|edge| edge.verified_module()));
    }
    for link in &resolved.links {
        let subject = format!("{} of {} to {}", link.channel, link.sender, link.receiver);
        list("link", subject, release.links.get(&link.digest).map(|link| link.verified_module()));
    }
    all
}

fn document(release: &OpenedRelease, bytes: usize, code: Option<&[(&str, String, String)]>) -> Value {
    let resolved = &release.resolved;
    let apps = resolved.apps.iter().map(|app| {
        let machines = app.machines.iter().map(|machine| {
            json!({
                "name": machine.name.to_string(), "digest": machine.digest, "keyed": machine.keyed,
                "ports": ports(release, machine.digest),
                "inputs": release.machines.get(&machine.digest).map_or_else(Vec::new, inputs_to_json),
                "invariants": release.machines.get(&machine.digest).map_or_else(Vec::new, invariants_to_json),
                "config": serde_json::from_str::<Value>(&machine.config).unwrap_or(Value::Null),
            })
        });
        let depends = app.depends.iter().map(|(name, range)| (name.to_string(), json!(range.to_string())));
        json!({
            "name": app.name.to_string(), "version": app.version.to_string(),
            "depends": depends.collect::<serde_json::Map<_, _>>(),
            "machines": machines.collect::<Vec<_>>(),
        })
    });
    let edges = resolved.edges.iter().map(|edge| {
        json!({
            "machine": edge.machine.to_string(), "from": edge.from, "to": edge.to, "digest": edge.digest,
            "zero_touch": release.edges.get(&edge.digest).is_some_and(VerifiedEdge::is_zero_touch),
        })
    });
    let links = resolved.links.iter().map(|link| {
        json!({
            "sender": link.sender.to_string(), "channel": link.channel.to_string(),
            "receiver": link.receiver.to_string(), "digest": link.digest,
        })
    });
    let relups = release.relups.iter().map(|relup| {
        let steps = |list: &[Instruction]| list.iter().map(Instruction::word).collect::<Vec<_>>();
        json!({
            "from": { "version": relup.from.version.to_string(), "digest": relup.from.digest },
            "to": relup.to.to_string(), "up": steps(&relup.up), "down": steps(&relup.down),
            "preserves_behaviour": preserved(resolved, relup),
        })
    });
    let mut document = json!({
        "name": resolved.name.to_string(),
        "version": resolved.version.to_string(),
        "digest": release.digest,
        "bytes": bytes,
        "apps": apps.collect::<Vec<_>>(),
        "edges": edges.collect::<Vec<_>>(),
        "links": links.collect::<Vec<_>>(),
        "relups": relups.collect::<Vec<_>>(),
    });
    if let Some(code) = code {
        let listing = |(kind, subject, listing): &(&str, String, String)| json!({ "kind": kind, "of": subject, "listing": listing });
        document["code"] = code.iter().map(listing).collect();
    }
    document
}

/// Returns the names of the ports of a machine: what a node has to bind before it can run it.
fn ports(release: &OpenedRelease, machine: Digest) -> Vec<&str> {
    let machine = release.machines.get(&machine);
    machine.map_or(&[][..], VerifiedMachine::ports).iter().map(|port| &*port.name).collect()
}

/// Returns what a release is made of, for people. Writing to a String cannot fail.
fn describe(release: &OpenedRelease, bytes: usize) -> String {
    let resolved = &release.resolved;
    let mut text = format!("{} {}, {bytes} bytes\n{}\n", resolved.name, resolved.version, release.digest);
    for app in &resolved.apps {
        let _ = writeln!(text, "\napp {} {}", app.name, app.version);
        for (name, range) in &app.depends {
            let _ = writeln!(text, "  depends on {name} {range}");
        }
        for machine in &app.machines {
            let keyed = if machine.keyed { ", keyed" } else { "" };
            let _ = writeln!(text, "  machine {} {}{keyed}", machine.name, machine.digest.short());
            for port in ports(release, machine.digest) {
                let _ = writeln!(text, "    calls port {port}");
            }
            if let Some(machine) = release.machines.get(&machine.digest) {
                text += &describe_machine(machine);
            }
        }
    }
    for link in &resolved.links {
        let (sender, channel, receiver) = (&link.sender, &link.channel, &link.receiver);
        let _ = writeln!(text, "\nchannel {channel} of {sender} to {receiver}, {}", link.digest.short());
    }
    for edge in &resolved.edges {
        let zero_touch = release.edges.get(&edge.digest).is_some_and(VerifiedEdge::is_zero_touch);
        let states = if zero_touch { "; states stay as they are (zero-touch)" } else { "" };
        let (from, to) = (edge.from.short(), edge.to.short());
        let _ =
            writeln!(text, "\nedge of {} from {from} to {to}, {}{states}", edge.machine, edge.digest.short());
    }
    for relup in &release.relups {
        text += &describe_relup(relup);
        for machine in preserved(resolved, relup) {
            let _ = writeln!(text, "  {machine} promises to do what it did");
        }
    }
    text
}

/// Returns the cases of the input, with what each can lead to.
fn inputs(machine: &VerifiedMachine) -> impl Iterator<Item = (usize, &str, &Reach)> {
    let cases = machine.input().as_variant().map_or(&[][..], |input| &input.cases);
    cases.iter().enumerate().map(|(index, case)| (index, &*case.label, machine.reach(index)))
}

/// Returns the labels of some cases of a variant.
fn labels<'c>(variant: &camshaft_cam::ty::Ty, cases: impl IntoIterator<Item = &'c u32>) -> Vec<String> {
    let all = variant.as_variant().map_or(&[][..], |variant| &variant.cases);
    cases.into_iter().filter_map(|case| Some(all.get(*case as usize)?.label.to_string())).collect()
}

/// Returns the names of the channels and of the ports that an input may send to.
fn outlets(machine: &VerifiedMachine, reach: &Reach) -> [Vec<String>; 2] {
    let channels = reach.emits.channels.iter().filter_map(|index| machine.channels().get(*index as usize));
    let ports = reach.emits.ports.iter().filter_map(|index| machine.ports().get(*index as usize));
    [
        channels.map(|channel| channel.name.to_string()).collect(),
        ports.map(|port| port.name.to_string()).collect(),
    ]
}

/// Returns the members of the state that an input may change.
fn writes(machine: &VerifiedMachine, reach: &Reach) -> Vec<String> {
    let record = machine.state().as_record();
    let name = |index: &u32| match record.and_then(|record| record.fields.get(*index as usize)) {
        Some(field) => field.label.to_string(),
        None if reach.writes.len() == 1 && *index == 0 => "state".to_owned(),
        None => format!("state.{index}"),
    };
    reach.writes.iter().map(name).collect()
}

fn inputs_to_json(machine: &VerifiedMachine) -> Vec<Value> {
    let input = |(index, label, reach): (usize, &str, &Reach)| {
        let answers = match &reach.answers {
            Answers::Cases(cases) => json!(labels(machine.output(), cases)),
            Answers::Nobody => json!([]),
            Answers::Any => Value::Null,
        };
        let [channels, ports] = outlets(machine, reach);
        let emits = &reach.emits;
        json!({
            "case": label, "internal": machine.case_is_internal(index), "answers": answers,
            "writes": writes(machine, reach), "channels": channels, "ports": ports,
            "timers": labels(machine.input(), &emits.timers), "cancels": emits.cancels, "logs": emits.logs,
            "stops": emits.stops, "fails": reach.fails, "fuel": machine.step_cost(index).to_string(),
        })
    };
    inputs(machine).map(input).collect()
}

fn invariants_to_json(machine: &VerifiedMachine) -> Vec<Value> {
    let of_steps: Vec<usize> = machine.invariants_of_steps().collect();
    let invariant = |(index, (text, function)): (usize, &(_, _))| {
        let text: &std::sync::Arc<str> = text;
        json!({
            "text": &**text, "after_steps": of_steps.contains(&index),
            "fuel": machine.verified_module().cost(*function).to_string(),
        })
    };
    machine.machine().invariants.iter().enumerate().map(invariant).collect()
}

/// Returns what the verifier found out about a machine: what each input can lead to and cost.
fn describe_machine(machine: &VerifiedMachine) -> String {
    let mut text = String::new();
    for (index, label, reach) in inputs(machine) {
        let internal = if machine.case_is_internal(index) { "internal " } else { "" };
        let mut does: Vec<String> = vec![];
        match &reach.answers {
            Answers::Cases(cases) if cases.is_empty() => does.push("answers never".to_owned()),
            Answers::Cases(cases) => {
                does.push(format!("answers {}", labels(machine.output(), cases).join(" | ")));
            }
            Answers::Any => does.push("answers".to_owned()),
            Answers::Nobody => {}
        }
        let [channels, ports] = outlets(machine, reach);
        let lists = [
            ("writes", writes(machine, reach)),
            ("sends", channels),
            ("calls", ports),
            ("timers for", labels(machine.input(), &reach.emits.timers)),
        ];
        does.extend(
            lists
                .into_iter()
                .filter(|(_, list)| !list.is_empty())
                .map(|(word, list)| format!("{word} {}", list.join(", "))),
        );
        let flags = [
            ("cancels timers", reach.emits.cancels),
            ("logs", reach.emits.logs),
            ("may stop", reach.emits.stops),
            ("may fail", reach.fails),
        ];
        does.extend(flags.into_iter().filter(|(_, is)| *is).map(|(word, _)| word.to_owned()));
        does.push(format!("fuel {}", machine.step_cost(index)));
        let _ = writeln!(text, "    on {internal}{label}: {}", does.join("; "));
    }
    let of_steps: Vec<usize> = machine.invariants_of_steps().collect();
    for (index, (what, function)) in machine.machine().invariants.iter().enumerate() {
        let when =
            if of_steps.contains(&index) { "after every step" } else { "at first, in migrations and trials" };
        let cost = machine.verified_module().cost(*function);
        let _ = writeln!(text, "    invariant {what:?}: checked {when}; fuel {cost}");
    }
    text
}

/// Returns the machines that promise to do what they did, on the way of a relup.
fn preserved(resolved: &ResolvedRelease, relup: &Relup) -> Vec<String> {
    let from = resolved.predecessors.iter().find(|from| from.digest == relup.from.digest);
    from.map_or_else(Vec::new, |from| from.transition.preserves.iter().map(ToString::to_string).collect())
}

fn describe_relup(relup: &Relup) -> String {
    let words = |list: &[Instruction]| list.iter().map(Instruction::word).collect::<Vec<_>>().join(", ");
    format!(
        "\nfrom {} ({})\n  up: {}\n  down: {}\n",
        relup.from.version,
        relup.from.digest.short(),
        words(&relup.up),
        words(&relup.down)
    )
}
