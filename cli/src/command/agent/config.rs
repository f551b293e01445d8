//! From flags and `agent.toml` to what an agent runs with.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use camshaft_agent::engine::ShardLimits;
use camshaft_agent::host::WAITING_MAX;
use camshaft_agent::ports::Bindings;
use camshaft_agent::{Again, Options, TakeOver, Trust};
use camshaft_cam::diagnostic::{Diagnostic, Source};
use camshaft_manifests::agent::{self, AgentManifest, Limits};
use camshaft_manifests::place::{self, SystemPath};
use camshaft_manifests::{Step, locate};
use camshaft_registry::Place;

use super::Args;
use crate::failure::Failure;
use crate::files;
use crate::signatures::read_signers;

/// Where an agent listens when nobody says otherwise.
const LISTEN_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7101);

/// Returns what an agent runs with: a flag wins over the document.
///
/// # Errors
///
/// When the document has faults, when it asks for what this version cannot do, or when neither says
/// where the node keeps what it remembers.
pub(super) fn options(args: &Args) -> Result<Options, Failure> {
    let (config, folder) = match &args.config {
        Some(path) => (read(path)?, path.parent().unwrap_or(Path::new(""))),
        None => (AgentManifest::default(), Path::new("")),
    };
    let within = |path: &SystemPath| folder.join(path.as_str());
    let data: Option<PathBuf> = args.data.clone().or_else(|| config.data.as_ref().map(within));
    let Some(data) = data else {
        let message = "nobody says where the node keeps what it remembers";
        let hint = "camshaft agent --data DIR, or `data = \"DIR\"` in the document that --config names";
        return Err(Failure::refused(message, hint));
    };
    let registry = registry(args, &config, folder)?;
    let trust = match args.trust.clone().or_else(|| config.trust.as_ref().map(within)) {
        None => Trust::Anybody,
        Some(path) => read_trust(&path, args.metadata.as_deref(), registry.as_ref())?,
    };
    let ports = bindings(&config, folder)?;
    Ok(Options {
        take_over: args.take_over.then(|| TakeOver { listen: args.listen.or(config.listen), who: who() }),
        again: again(),
        data,
        trust,
        names: args.hosts.clone(),
        listen: args.listen.or(config.listen).unwrap_or(LISTEN_DEFAULT),
        labels: config.labels,
        registry,
        ports,
        shards: None,
        waiting: config.limits.waiting.map_or(WAITING_MAX, |waiting| waiting as usize),
        probation: config.probation,
        max_pause: config.limits.max_pause,
        limits: ShardLimits {
            mailbox: config.limits.mailbox.map_or(ShardLimits::default().mailbox, |mailbox| mailbox as usize),
            shadow: config.limits.shadow.map_or(0, |inputs| inputs as usize),
        },
    })
}

/// Returns who runs this command, as far as the environment tells, for the history of the node.
fn who() -> String {
    let said = ["USER", "LOGNAME"].into_iter().find_map(|name| std::env::var(name).ok());
    let is_name =
        |name: &String| !name.is_empty() && name.len() <= 200 && name.bytes().all(|b| b.is_ascii_graphic());
    said.filter(is_name).unwrap_or_else(|| "operator".to_owned())
}

/// Returns how this program is started once more, to take its own node over.
fn again() -> Option<Again> {
    let mut said = std::env::args_os();
    let program = program(Path::new(&said.next()?))?;
    let mut arguments: Vec<OsString> = said.collect();
    if !arguments.iter().any(|argument| argument == "--take-over") {
        arguments.push("--take-over".into());
    }
    // A port that was drawn is not drawn again: the socket is handed over.
    Some(Again { program, arguments })
}

/// Returns the program under the name that it was started by: where that is a link, it may lead to another version by
/// the time that it is started again.
fn program(name: &Path) -> Option<PathBuf> {
    if name.components().count() > 1 {
        return std::path::absolute(name).ok();
    }
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.or_else(|| std::env::current_exe().ok())
}

/// Reads what ports are bound to, and their secrets: what is wrong with one is told before anything starts.
fn bindings(config: &AgentManifest, folder: &Path) -> Result<Bindings, Failure> {
    Bindings::read(&config.ports, folder).map_err(|error| {
        let message = crate::failure::chain(&error);
        Failure::refused(message, "mend the port in the agent.toml, or its file; nothing was started")
    })
}

/// Returns where bundles are fetched from: what the flag or the environment says, or the document.
fn registry(args: &Args, config: &AgentManifest, folder: &Path) -> Result<Option<Place>, Failure> {
    if let Some(place) = &args.registry {
        return Place::of(place).map(Some).map_err(crate::registry::failure);
    }
    Ok(config.registry.as_ref().map(|place| match place {
        place::Place::Url(url) => Place::Address(url.to_string()),
        place::Place::Folder(path) => Place::Folder(folder.join(path.as_str())),
    }))
}

/// Reads what is pinned: a root is JSON, a `signers.toml` is not. Metadata comes from the registry
/// unless somebody says otherwise.
fn read_trust(path: &Path, metadata: Option<&str>, registry: Option<&Place>) -> Result<Trust, Failure> {
    let root = files::read(path, files::SOURCE_BYTES_MAX)?;
    if root.first() != Some(&b'{') {
        if metadata.is_some() {
            let message = format!("{} names signers, and needs no metadata", path.display());
            return Err(Failure::refused(message, "leave out --metadata, or pin a root: N.root.json"));
        }
        return Ok(Trust::Signers(read_signers(path)?));
    }
    let place = metadata.map(str::to_owned).or_else(|| {
        registry.map(|place| match place {
            Place::Address(address) => address.clone(),
            Place::Folder(folder) => folder.display().to_string(),
        })
    });
    let metadata = place.as_deref().map(crate::command::trust::source).transpose()?;
    Ok(Trust::Root { root, metadata })
}

fn read(path: &Path) -> Result<AgentManifest, Failure> {
    let bytes = files::read(path, files::SOURCE_BYTES_MAX)?;
    let shown = path.display().to_string();
    let text = String::from_utf8(bytes).map_err(|error| {
        Failure::refused(format!("{shown} is not UTF-8: {}", error.utf8_error()), "save the file as UTF-8")
    })?;
    let source = Source::new(shown.as_str(), text);
    let config =
        agent::read(&source).map_err(|faults| Failure::diagnostics(counted(&shown, &faults), faults))?;
    let missing: Vec<Diagnostic> = not_yet(&config).map(|(path, why)| refusal(&source, &path, why)).collect();
    if missing.is_empty() {
        return Ok(config);
    }
    let message = format!("{shown} asks for what this version of the agent cannot do yet");
    let mut failure = Failure::diagnostics(message, missing);
    "take the keys out; nothing was started".clone_into(&mut failure.hint);
    Err(failure)
}

fn counted(shown: &str, faults: &[Diagnostic]) -> String {
    format!("{shown}: {}", crate::render::counted(faults.len(), "fault"))
}

/// Returns the keys that this version of the agent cannot act on, each with what is missing. Not one of
/// them is passed over in silence: who writes a limit relies on it.
fn not_yet(config: &AgentManifest) -> impl Iterator<Item = (Vec<&'static str>, &'static str)> {
    let AgentManifest {
        data: _,
        listen: _,
        trust: _,
        registry: _,
        controller,
        labels: _,
        limits,
        probation: _,
        ports: _,
        routes,
    } = config;
    let Limits { max_pause: _, mailbox: _, waiting: _, shadow: _, memory } = limits;
    [
        (controller.is_some(), vec!["controller"], "there is no controller to connect to"),
        (
            memory.is_some(),
            vec!["limits", "memory"],
            "it does not bound the memory of all instances together",
        ),
        (!routes.is_empty(), vec!["routes"], "messages between machines do not leave the node"),
    ]
    .into_iter()
    .filter_map(|(asked, path, why)| asked.then_some((path, why)))
}

fn refusal(source: &Source, path: &[&str], why: &str) -> Diagnostic {
    let steps: Vec<Step<'_>> = path.iter().copied().map(Step::Key).collect();
    let message = format!("the agent cannot act on `{}` yet: {why}", path.join("."));
    Diagnostic::new("M0156", source, locate(source, &steps), message, "not yet")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_cannot_be_bound_is_refused_before_anything_starts() {
        let text = "[ports.shop.till.mail]\nwebhook = 'http://a'\nsecret_file = 'secrets/none'\n";
        let config = agent::read(&Source::new("agent.toml", text)).expect("a document");
        let failure = bindings(&config, Path::new("nowhere")).expect_err("there is no such file");
        let expected = "port mail of shop/till: the secret in nowhere/secrets/none: cannot read it: ";
        assert!(failure.message.starts_with(expected), "{}", failure.message);
        assert_eq!(failure.hint, "mend the port in the agent.toml, or its file; nothing was started");
        assert_eq!(failure.exit, crate::exit::Exit::Refused);
    }
}
