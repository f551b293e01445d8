//! `camshaft inspect BUNDLE`: what a bundle holds, after everything in it was checked.

use std::fmt::Write;
use std::path::PathBuf;

use camshaft_cam::code::Module;
use camshaft_cam::code::disassemble::disassemble;
use camshaft_cam::digest::Digest;
use camshaft_cam::verify::VerifiedMachine;
use camshaft_manifests::relup::{Instruction, Relup};
use camshaft_releases::OpenedRelease;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::project::open_bundle;
use crate::talk::Talk;

/// Arguments of `inspect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle: NAME-VERSION.tar.gz
    bundle: PathBuf,

    /// List the bytecode of machines, edges and links too
    #[arg(long)]
    code: bool,
}

/// Opens the bundle and prints what it holds.
pub fn run(args: &Args, talk: &mut Talk) -> Result<(), Failure> {
    let (bytes, release) = open_bundle(&args.bundle)?;
    let code = if args.code { listings(&release) } else { Vec::new() };
    let document = document(&release, bytes.len(), args.code.then_some(&code[..]));
    let mut text = describe(&release, bytes.len());
    for (kind, subject, listing) in &code {
        let _ = write!(text, "\n{kind} {subject}\n{listing}");
    }
    talk.result(&document, text);
    Ok(())
}

/// Returns (kind, what it belongs to, listing) of every module.
fn listings(release: &OpenedRelease) -> Vec<(&'static str, String, String)> {
    let resolved = &release.resolved;
    let mut all = Vec::new();
    let mut list = |kind, subject: String, module: Option<&Module>| {
        all.extend(module.map(|module| (kind, subject, disassemble(module))));
    };
    for (address, machine) in resolved.machines() {
        let module = release.machines.get(&machine.digest).map(|machine| machine.module());
        list("machine", address.to_string(), module);
    }
    for edge in &resolved.edges {
        let subject = format!("{} from {} to {}", edge.machine, edge.from.short(), edge.to.short());
        list("edge", subject, release.edges.get(&edge.digest).map(|edge| edge.module()));
    }
    for link in &resolved.links {
        let subject = format!("{} of {} to {}", link.channel, link.sender, link.receiver);
        list("link", subject, release.links.get(&link.digest).map(|link| link.module()));
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
        json!({ "machine": edge.machine.to_string(), "from": edge.from, "to": edge.to, "digest": edge.digest })
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
        }
    }
    for link in &resolved.links {
        let (sender, channel, receiver) = (&link.sender, &link.channel, &link.receiver);
        let _ = writeln!(text, "\nchannel {channel} of {sender} to {receiver}, {}", link.digest.short());
    }
    for relup in &release.relups {
        text += &describe_relup(relup);
    }
    text
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
